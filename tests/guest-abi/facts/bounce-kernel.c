/*
 * An exception in the kernel: the frame on its own stack, as Xen lays it out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

static uint64_t rsp_at;

static uint64_t ud2_at(unsigned misaligned)
{
    register uint64_t r11 __asm__("r11") = 0x1111222233334444;

    return try("mov %%rsp, %%rbx\n\t"
               "sub $128, %%rsp\n\t"
               "sub %%rax, %%rsp\n\t"
               "mov %%rsp, %0\n\t"
               "ud2\n"
               "771:\n\t"
               "mov %%rbx, %%rsp\n\t"
               "jmp 772f\n",
               "\n772:" : "=m"(rsp_at)
               : "a"((uint64_t)misaligned), "c"(0x5555666677778888), "r"(r11)
               : "rbx", "memory");
}

static void frame_of_ud2(unsigned misaligned, uint8_t mask)
{
    VCPU->evtchn_upcall_mask = mask;
    equal(ud2_at(misaligned), X86_UD);
    equal(trap.rsp, rsp_at);
    /* Aligned first, then seven words and no error code */
    equal(trap_rsp, (rsp_at & ~15ul) - 7 * 8);
    equal(trap.rcx, 0x5555666677778888);
    equal(trap.r11, 0x1111222233334444);
    equal(trap.cs & 0xffff, KERNEL_CS_SHOWN);
    equal(trap.cs >> 32 & 0xff, mask);
    equal(trap.ss & 0xffff, KERNEL_SS);
    equal(trap.rflags & (FL_IF | FL_IOPL), mask ? 0 : FL_IF);
}

int main(void)
{
    uint64_t selector = 0x1238;

    frame_of_ud2(0, 1);
    frame_of_ud2(8, 1);
    frame_of_ud2(3, 1);
    frame_of_ud2(0, 0);
    equal(trap_mask, 0);                /* the gate leaves the mask alone */
    equal(VCPU->evtchn_upcall_mask, 0); /* and iret restores it */

    /* A gate that masks events */
    set_trap(X86_UD, ENTRY_OF(X86_UD), 4);
    frame_of_ud2(0, 0);
    equal(trap_mask, 1);
    equal(VCPU->evtchn_upcall_mask, 0);

    /* Eight words with an error code */
    equal(try("mov %%rsp, %0\n\tmov %w1, %%ds",
              : "=m"(rsp_at) : "r"(selector) : "memory"), X86_GP);
    equal(trap.error, selector);
    equal(trap_rsp, (rsp_at & ~15ul) - 8 * 8);
    equal(trap.rsp, rsp_at);

    /* The address of a fault, of a trap the one behind */
    equal(try("lea 1f(%%rip), %0\n\tint3\n1:", : "=r"(selector)), X86_BP);
    equal(trap.rip, selector);
    equal(try("lea 1f(%%rip), %0\n1:\tud2", : "=r"(selector)), X86_UD);
    equal(trap.rip, selector);
    return 0;
}
