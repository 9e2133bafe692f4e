/*
 * A hypercall changes rax, rcx and r11, and no other register.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags;
    uint64_t after;
};

KERNEL_CODE(call_with,
            "    push %rbx\n"
            "    push %rbp\n"
            "    push %r12\n"
            "    push %r13\n"
            "    push %r14\n"
            "    push %r15\n"
            "    push %rsi\n"
            "    mov %rdi, %r11\n"
            "    mov 0(%r11), %rax\n"
            "    mov 8(%r11), %rbx\n"
            "    mov 24(%r11), %rdx\n"
            "    mov 32(%r11), %rsi\n"
            "    mov 48(%r11), %rbp\n"
            "    mov 64(%r11), %r8\n"
            "    mov 72(%r11), %r9\n"
            "    mov 80(%r11), %r10\n"
            "    mov 96(%r11), %r12\n"
            "    mov 104(%r11), %r13\n"
            "    mov 112(%r11), %r14\n"
            "    mov 120(%r11), %r15\n"
            "    mov 40(%r11), %rdi\n"
            "    std\n"
            "    stc\n"
            "    syscall\n"
            "1:\n"
            "    pushfq\n"
            "    push %rax\n"
            "    mov 16(%rsp), %rax\n"
            "    popq 0(%rax)\n"
            "    popq 128(%rax)\n"
            "    cld\n"
            "    mov %rbx, 8(%rax)\n"
            "    mov %rcx, 16(%rax)\n"
            "    mov %rdx, 24(%rax)\n"
            "    mov %rsi, 32(%rax)\n"
            "    mov %rdi, 40(%rax)\n"
            "    mov %rbp, 48(%rax)\n"
            "    mov %rsp, 56(%rax)\n"
            "    mov %r8, 64(%rax)\n"
            "    mov %r9, 72(%rax)\n"
            "    mov %r10, 80(%rax)\n"
            "    mov %r11, 88(%rax)\n"
            "    mov %r12, 96(%rax)\n"
            "    mov %r13, 104(%rax)\n"
            "    mov %r14, 112(%rax)\n"
            "    mov %r15, 120(%rax)\n"
            "    lea 1b(%rip), %rcx\n"
            "    mov %rcx, 136(%rax)\n"
            "    pop %rsi\n"
            "    pop %r15\n"
            "    pop %r14\n"
            "    pop %r13\n"
            "    pop %r12\n"
            "    pop %rbp\n"
            "    pop %rbx\n"
            "    ret\n");

static struct registers in, out;

static void preserved_by(unsigned nr, uint64_t a1, uint64_t a2, long result)
{
    unsigned i;

    for (i = 0; i < sizeof(in) / 8; i++) {
        ((uint64_t *)&in)[i] = 0x1111000011110000ul * (i + 1) + i;
        ((uint64_t *)&out)[i] = 0;
    }
    in.rax = nr;
    in.rdi = a1;
    in.rsi = a2;
    ((void (*)(struct registers *, struct registers *))call_with)(&in, &out);
    equal(out.rax, result);
    equal(out.rbx, in.rbx);
    equal(out.rdx, in.rdx);
    equal(out.rsi, in.rsi);
    equal(out.rdi, in.rdi);
    equal(out.rbp, in.rbp);
    equal(out.r8, in.r8);
    equal(out.r9, in.r9);
    equal(out.r10, in.r10);
    equal(out.r12, in.r12);
    equal(out.r13, in.r13);
    equal(out.r14, in.r14);
    equal(out.r15, in.r15);
    /* What SYSCALL itself puts there */
    equal(out.rcx, out.after);
    equal(out.rflags & (FL_DF | FL_CF | FL_IF), FL_DF | FL_CF | FL_IF);
    equal(out.r11 & (FL_DF | FL_CF | FL_IF), FL_DF | FL_CF | FL_IF);
}

int main(void)
{
    preserved_by(__HYPERVISOR_xen_version, XENVER_pagesize, 0, PAGE_SIZE);
    preserved_by(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0);
    preserved_by(__HYPERVISOR_stack_switch, KERNEL_SS, boot.rsp, 0);
    preserved_by(63, 0, 0, -XEN_ENOSYS);
    return 0;
}
