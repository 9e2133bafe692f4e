/*
 * A kernel may return to itself by IRETQ to a selector of RPL 3, as Mini-OS
 * does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

KERNEL_CODE(iretq_to_self,
            "    mov %rsp, %rdi\n"
            "    push $0xe02b\n"
            "    push %rdi\n"
            "    pushfq\n"
            "    push $0xe033\n"
            "    lea 1f(%rip), %rax\n"
            "    push %rax\n"
            "    iretq\n"
            "1:\n"
            "    mov $0x1234, %eax\n"
            "    ret\n");

int main(void)
{
    uint64_t *page = alloc_page();
    unsigned i;

    for (i = 0; i < 3; i++) {
        equal(((uint64_t (*)(void))iretq_to_self)(), 0x1234);
        /* In kernel mode, as far as anybody can tell */
        equal(try_write((uint64_t)page, 1), NO_TRAP);
        equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
        equal(((uint64_t (*)(void))iretq_to_self)(), 0x1234);
        equal(try("ud2", : : : "memory"), X86_UD);
        equal(trap.cs & 0xffff, KERNEL_CS_SHOWN);
        equal(((uint64_t (*)(void))iretq_to_self)(), 0x1234);
        equal(try("mov %0, %%ss", : : "r"(KERNEL_SS)), NO_TRAP);
        equal(try_read(NOWHERE), X86_PF);
        equal(trap.error, 0);
    }
    return 0;
}
