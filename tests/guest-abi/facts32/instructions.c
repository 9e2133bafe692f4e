/*
 * What ring 1 may not do by itself: done for the kernel, or its exception.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

USER_CODE(user_hlt, "hlt");

int main(void)
{
    uint32_t cr0, cr2, cr4, eax, ebx, ecx, edx, lo, hi;
    uint64_t when = now() + 10000000;
    struct evtchn_bind_virq b = { .virq = VIRQ_TIMER };
    struct frame f;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    equal(cr0 & 0x80010001u, 0x80010001u);
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    check(cr4 & 0x20);
    __asm__ volatile("mov %0, %%cr2" : : "r"(0x12345678));
    equal(VCPU->arch.cr2, 0x12345678);
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    equal(cr2, 0x12345678);
    __asm__ volatile("cli; sti; wbinvd; clts");
    equal(VCPU->evtchn_upcall_mask, 1);

    eax = 0x80000001;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid"
                     : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    equal(edx >> 29 & 1, 0);            /* no 64-bit mode */
    eax = 0x40000000;
    __asm__ volatile("ud2; .ascii \"xen\"; cpuid"
                     : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    equal(ebx, 0x566e6558);
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(0xc0000080));
    equal(lo & 0x501, 0);
    equal(try("wrmsr", : : "a"(0x501), "d"(0), "c"(0xc0000080)), X86_GP);
    equal(try("rdmsr", : : "c"(0x12345) : "eax", "edx"), X86_GP);
    equal(try("inb $0x80, %%al", : : : "eax"), X86_GP);
    equal(try("lgdt %0", : : "m"(cr0)), X86_GP);
    equal(try("syscall", : : : "ecx", "memory"), X86_UD);

    result(hc(event_channel_op, EVTCHNOP_bind_virq, &b), 0);
    clear_events();
    set_port_mask(b.port, false);
    result(hc(set_timer_op, LO(when), HI(when)), 0);
    __asm__ volatile("hlt");
    equal(trap_count[EVENT], 1);
    mask_events();

    user_setup();
    f = run_user(user_hlt);
    equal(f.vector, X86_GP);
    equal(f.eip, USER(user_hlt));
    return 0;
}
