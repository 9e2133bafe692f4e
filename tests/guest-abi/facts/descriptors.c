/*
 * The guest's own descriptor table: its frames, with the privilege corrected.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 */
#include "abi.h"

#define DATA32      0x00cff3000000fffful
#define DATA32_DPL0 0x00cf93000000fffful
#define CODE64_USER 0x00affb000000fffful
#define CODE32_USER 0x00cffb000000fffful
#define TSS_DESC    0x0000890000000067ul
#define DPL(d)      ((d) >> 45 & 3)
#define DATA32_BASE(b) (DATA32 | (uint64_t)((b) & 0xffffff) << 16 | \
                        ((uint64_t)(b) >> 24 << 56))

USER_CODE(user_ud2, "ud2");
USER_CODE(user_fs, "mov %edi, %fs; mov %fs:0, %rax; ud2");

static long update(uint64_t *gdt, unsigned entry, uint64_t desc)
{
    return hc(update_descriptor, mfn_of(gdt) * PAGE_SIZE + entry * 8, desc);
}

int main(void)
{
    uint64_t *gdt = alloc_page(), frame = mfn_of(gdt), bad = 0xfffffff;
    struct frame c, f;

    user_setup();
    gdt[4] = CODE32_USER;
    gdt[5] = DATA32;
    gdt[7] = DATA32_DPL0;
    gdt[6] = CODE64_USER;
    set_read_only(gdt);
    equal(hc(set_gdt, &frame, 512), 0);
    /* Ring 0 is the monitor's; the kernel can load what it put there */
    check(DPL(gdt[7]) != 0);
    equal(try("mov %0, %%fs", : : "r"(7 << 3)), NO_TRAP);
    equal(try("mov %0, %%fs", : : "r"(8 << 3)), X86_GP);
    equal(trap.error, 8 << 3);

    c = user_context(user_ud2);
    c.cs = 0x33;
    c.ss = 0x2b;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.cs & 0xffff, 0x33);
    equal(f.ss & 0xffff, 0x2b);
    c.cs = 0x23;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.cs & 0xffff, 0x23);

    /* One descriptor changed: at once */
    equal(update(gdt, 12, DATA32_BASE(USER_DATA)), 0);
    equal(gdt[12] >> 56, USER_DATA >> 24);
    *(uint64_t *)user_data = 0x77;
    c = user_context(user_fs);
    c.rdi = 12 << 3 | 3;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.rax, 0x77);
    equal(update(gdt, 12, 0), 0);
    equal(update(gdt, 13, DATA32_DPL0), 0);
    check(DPL(gdt[13]) != 0);
    equal(update(gdt, 14, TSS_DESC), -XEN_EINVAL);
    equal(gdt[14], 0);
    equal(hc(update_descriptor, bad * PAGE_SIZE, DATA32), -XEN_EINVAL);

    equal(hc(set_gdt, &bad, 512), -XEN_EINVAL);
    equal(hc(set_gdt, &frame, 7169), -XEN_EINVAL);
    f = run(&c);                        /* the old one is still in force */
    equal(f.vector, X86_GP);            /* 12 is gone */
    equal(f.error, 12 << 3);
    /* A vCPU is not left with a selector of nothing: see failsafe_entry */
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    return 0;
}
