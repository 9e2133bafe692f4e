/*
 * A page fault: the address in vcpu_info, and in the error code who it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 *
 * The U bit of the error code tells the guest's modes apart, not the rings.
 */
#include "abi.h"

USER_CODE(user_read, "mov (%rdi), %rax; ud2");
USER_CODE(user_write, "mov %rax, (%rdi); ud2");
USER_CODE(user_jump, "jmp *%rdi");

static uint64_t user_fault(const char *code, uint64_t address)
{
    struct frame c = user_context(code), f;

    c.rdi = address;
    f = run(&c);
    equal(f.vector, X86_PF);
    equal(trap_cr2, address);
    return f.error;
}

int main(void)
{
    uint64_t *page = alloc_page();

    user_setup();
    equal(try_read(NOWHERE + 0x128), X86_PF);
    equal(trap_cr2, NOWHERE + 0x128);
    equal(trap.error, 0);
    equal(try_write(NOWHERE, 0), X86_PF);
    equal(trap.error, 2);

    set_read_only(page);
    equal(try_write((uint64_t)page, 0), X86_PF);
    equal(trap_cr2, (uint64_t)page);
    equal(trap.error, 3);
    equal(try_read((uint64_t)page), NO_TRAP);

    equal(user_fault(user_read, NOWHERE), 4);
    equal(user_fault(user_write, NOWHERE + 8), 6);
    equal(user_fault(user_write, USER(user_read)), 7);
    /* Whether there is a kernel half at all is not for user mode to see */
    equal(user_fault(user_read, (uint64_t)page) & ~1ul, 4);
    equal(user_fault(user_jump, NOWHERE), 0x14);

    /* No execution where the entry says so */
    map(USER_DATA, mfn_of(user_data), PTE_P | PTE_US | PTE_RW | PTE_NX);
    equal(user_fault(user_jump, USER_DATA), 0x15);

    /* The address can be overwritten by the guest: it is in memory */
    VCPU->arch.cr2 = 0x1234;
    equal(VCPU->arch.cr2, 0x1234);
    return 0;
}
