/*
 * The iret hypercall to 32-bit user code, and int 0x80 back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 */
#include "abi.h"

/* 48 is DEC EAX there, a prefix in 64-bit code */
USER_CODE(user_code32,
          ".code32\n"
          "    mov $0x1000, %eax\n"
          "    .byte 0x48\n"
          "    push %eax\n"
          "    pop %ebx\n"
          "    int $0x80\n"
          "    ud2\n"
          ".code64\n");

int main(void)
{
    struct frame c, f;

    user_setup();
    c = user_context(user_code32);
    c.cs = USER_CS32;
    c.rsp = USER_STACK + 512;
    f = run(&c);
    equal(f.vector, 0x80);
    equal((uint32_t)f.rax, 0xfff);
    equal((uint32_t)f.rbx, 0xfff);
    equal(f.cs & 0xffff, USER_CS32);
    equal(f.rsp, c.rsp);

    /* And on from there */
    f = run(&f);
    equal(f.vector, X86_UD);
    equal(f.rip, trap.rip);
    return 0;
}
