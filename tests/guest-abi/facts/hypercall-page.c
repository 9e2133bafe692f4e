/*
 * A kernel that names a hypercall page finds it filled with 32-byte stubs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux minios strict
 */
#include "abi.h"

KERNEL_CODE(iret_by_page,
            "    mov %rsp, %rdi\n"
            "    mov %ss, %eax\n"
            "    push $0xe02b\n"
            "    push %rdi\n"
            "    pushfq\n"
            "    orl $0x200, (%rsp)\n"
            "    push $0xe030\n"
            "    lea 1f(%rip), %rax\n"
            "    push %rax\n"
            "    push $0\n"             /* flags */
            "    mov $0x1111, %ecx\n"
            "    mov $0x2222, %r11d\n"
            "    mov $0x3333, %eax\n"
            "    jmp hypercall_page + 23 * 32\n"
            "1:\n"
            "    lea (%rax, %rcx), %rax\n"
            "    add %r11, %rax\n"
            "    ret\n");

int main(void)
{
    long (*xen_version)(long cmd, void *arg) =
        (void *)(hypercall_page + 32 * __HYPERVISOR_xen_version);
    long (*unknown)(void) = (void *)(hypercall_page + 32 * 63);
    long (*iret)(void) = (void *)iret_by_page;

    equal(xen_version(XENVER_pagesize, NULL), PAGE_SIZE);
    equal(unknown(), -XEN_ENOSYS);
    /* rcx, r11 and rax are pushed by the stub, so they come back */
    equal(iret(), 0x1111 + 0x2222 + 0x3333);
    return 0;
}
