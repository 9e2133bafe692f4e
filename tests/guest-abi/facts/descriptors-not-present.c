/*
 * A return to a code or stack segment that is not present is the guest's own
 * #NP or #SS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");

int main(void)
{
    uint64_t *gdt = alloc_page(), frame = mfn_of(gdt);
    struct frame c, f;

    user_setup();
    gdt[5] = 0x00cf73000000fffful;      /* data, ring 3, P clear */
    gdt[6] = 0x00af7b000000fffful;      /* code */
    set_read_only(gdt);
    equal(hc(set_gdt, &frame, 512), 0);
    c = user_context(user_ud2);
    c.cs = 0x33;
    f = run(&c);
    equal(f.vector, X86_NP);
    equal(f.error, 0x30);
    equal(f.rip, c.rip);
    c.cs = USER_CS;
    c.ss = 0x2b;
    f = run(&c);
    /* QEMU's TCG has #NP for both */
    check(f.vector == X86_SS || f.vector == X86_NP);
    equal(f.error, 0x28);
    equal(f.rip, c.rip);
    return 0;
}
