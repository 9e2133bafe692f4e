/*
 * An exception in user mode: the frame on the stack of stack_switch.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_ud2, "ud2");
USER_CODE(user_gp, "mov %eax, %ds");

int main(void)
{
    uint8_t *stack = alloc_page();
    struct frame c, f;
    unsigned off;

    user_setup();
    for (off = 0; off < 24; off += 8) {
        uint64_t sp = (uint64_t)stack + PAGE_SIZE - off;

        equal(hc(stack_switch, KERNEL_SS, sp), 0);
        c = user_context(user_ud2);
        c.rcx = 0x1234567812345678;
        c.r11 = 0x8765432187654321;
        c.rsp -= 5;
        f = run(&c);
        equal(f.vector, X86_UD);
        equal(f.rip, USER(user_ud2));
        equal(f.cs & 0xffff, USER_CS);
        equal(f.cs >> 32 & 0xff, 0);
        equal(f.ss & 0xffff, USER_SS);
        equal(f.rsp, c.rsp);
        equal(f.rcx, c.rcx);
        equal(f.r11, c.r11);
        equal(f.rflags & (FL_IF | FL_IOPL), FL_IF);
        equal(trap_rsp, (sp & ~15ul) - 7 * 8);

        c = user_context(user_gp);
        c.rax = 0x1238;
        f = run(&c);
        equal(f.vector, X86_GP);
        equal(f.error, 0x1238);
        equal(trap_rsp, (sp & ~15ul) - 8 * 8);
    }
    return 0;
}
