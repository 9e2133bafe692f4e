/*
 * Exceptions of kernel and user mode: frames, masks, stacks, cr2, INT n.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

USER_CODE(user_ud, "mov $0x1234, %esi; ud2");
USER_CODE(user_read, "mov 0x7ffff000, %eax");
USER_CODE(user_kernel, "mov %edi, %eax; mov (%eax), %eax");
USER_CODE(user_int80, "mov $77, %eax; int $0x80; nop");
USER_CODE(user_int81, "int $0x81");
USER_CODE(user_syscall, "syscall");
USER_CODE(user_sysenter, "sysenter");
USER_CODE(user_direct, "push $5; pop %ebx; int3");

static uint32_t esp_before;

static void kernel_mode(void)
{
    equal(try("mov %%esp, %0; ud2", : "=m"(esp_before) : : "memory"), X86_UD);
    equal(trap.cs & 0xffff, KERNEL_CS);
    equal(trap.cs >> 16 & 0xff, 1);         /* events were masked */
    equal(trap.eflags & FL_IF, 0);
    equal(trap_esp, esp_before - 12);

    VCPU->evtchn_upcall_mask = 0;
    equal(try("ud2"), X86_UD);
    equal(trap.cs >> 16 & 0xff, 0);
    check(trap.eflags & FL_IF);
    equal(VCPU->evtchn_upcall_mask, 0);
    equal(trap_mask, 0);
    set_trap(X86_UD, ENTRY_OF(X86_UD), 4);  /* masks events */
    equal(try("ud2"), X86_UD);
    equal(trap_mask, 1);
    equal(VCPU->evtchn_upcall_mask, 0);     /* iret has brought it back */
    set_trap(X86_UD, ENTRY_OF(X86_UD), 0);
    mask_events();

    equal(try_read(0x7ffff000), X86_PF);
    equal(trap_cr2, 0x7ffff000);
    equal(trap.error, 0);
    equal(try_write(0xfffff000u, 1), X86_PF);
    equal(trap_cr2, 0xfffff000u);
    equal(trap.error, 2);
    equal(try("mov %0, %%fs", : : "r"(0x1238)), X86_GP);
    equal(trap.error, 0x1238);
    equal(try("int $0x81"), X86_GP);
    equal(trap.error, 0x81 * 8 + 2);
    set_trap(0x81, ENTRY_OF(0x81), 1);
    equal(try("int $0x81"), 0x81);
    equal(try("int3"), X86_BP);
}

static void user_mode(void)
{
    struct frame f = user_context(user_ud);

    f.edi = 0x5678;
    f = run(&f);
    equal(f.vector, X86_UD);
    equal(f.eip, USER(user_ud) + 5);
    equal(f.cs & 0xffff, USER_CS);
    equal(f.esp, USER_STACK + PAGE_SIZE);
    equal(f.ss, USER_SS);
    equal(f.esi, 0x1234);
    equal(f.edi, 0x5678);
    equal(trap_esp, (uint32_t)trap_stack_end - 20);

    f = run_user(user_read);
    equal(f.vector, X86_PF);
    equal(f.error, 4);
    equal(trap_cr2, 0x7ffff000);

    f = user_context(user_kernel);
    f.edi = (uint32_t)&esp_before;          /* of the kernel: there, not its */
    f = run(&f);
    equal(f.vector, X86_PF);
    equal(f.error, 5);

    f = run_user(user_int80);
    equal(f.vector, 0x80);
    equal(f.eax, 77);
    equal(f.eip, USER(user_int80) + 7);
    f = run_user(user_int81);               /* the kernel's only */
    equal(f.vector, X86_GP);
    equal(f.error, 0x81 * 8 + 2);
    f = run_user(user_syscall);
    equal(f.vector, X86_UD);
    f = run_user(user_sysenter);
    equal(f.vector, X86_GP);
}

/* A kernel may go to its processes without asking */
static void without_hypercall(void)
{
    struct frame f = user_context(user_direct);

    f = run_directly(&f);
    equal(f.vector, X86_BP);
    equal(f.ebx, 5);
    equal(f.cs & 0xffff, USER_CS);
    equal(f.esp, USER_STACK + PAGE_SIZE);
    equal(trap_esp, (uint32_t)trap_stack_end - 20);
}

int main(void)
{
    kernel_mode();
    user_setup();
    user_mode();
    without_hypercall();
    result(hc(set_trap_table, 0), 0);
    set_trap(X86_UD, ENTRY_OF(X86_UD), 0);
    equal(try("ud2"), X86_UD);
    return 0;
}
