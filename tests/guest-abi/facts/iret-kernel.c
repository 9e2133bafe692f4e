/*
 * The iret hypercall to the kernel: every register, and IF becomes the mask.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

KERNEL_CODE(land, "ud2");

int main(void)
{
    uint64_t *stack = alloc_page();
    struct frame c = { 0 }, f;
    unsigned i;

    for (i = 0; i < 15; i++) {
        ((uint64_t *)&c)[i] = 0x0101010101010101ul * (i + 1);
    }
    c.rip = (uint64_t)land;
    c.cs = KERNEL_CS_SHOWN;
    c.ss = KERNEL_SS;
    c.rsp = (uint64_t)stack + PAGE_SIZE - 24;
    c.rflags = FL_IF | FL_CF | FL_DF | 2;

    VCPU->evtchn_upcall_mask = 1;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(memcmp(&f, &c, 15 * 8), 0);
    equal(f.rip, c.rip);
    equal(f.rsp, c.rsp);
    equal(f.cs & 0xffff, KERNEL_CS_SHOWN);
    equal(f.cs >> 32 & 0xff, 0);
    equal(f.rflags & (FL_IF | FL_CF | FL_DF | FL_IOPL), FL_IF | FL_CF | FL_DF);

    /* IF clear: masked; what the frame has in the upper half of cs is not */
    VCPU->evtchn_upcall_mask = 0;
    c.rflags = FL_IOPL | 2;
    c.cs |= 0x5500000000;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.cs & 0xffff, KERNEL_CS_SHOWN);
    equal(f.cs >> 32 & 0xff, 1);
    equal(f.rflags & (FL_IF | FL_CF | FL_DF | FL_IOPL), 0);
    equal(VCPU->evtchn_upcall_mask, 1);
    return 0;
}
