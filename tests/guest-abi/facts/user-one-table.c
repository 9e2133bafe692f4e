/*
 * A small guest may run its user mode on the kernel's own page table: then
 * user mode may use whatever is mapped, U bit or not.  Xen sets it everywhere.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: other minios strict
 */
#include "abi.h"

/* A page of the kernel's, then one that says kernel in its entry */
USER_CODE(user_copy,
          "    mov (%rdi), %rax\n"
          "    incq (%rdi)\n"
          "    mov %rax, (%rsi)\n"
          "    ud2\n");

int main(void)
{
    uint64_t *page = alloc_page();
    uint64_t *mapped = alloc_page(), where = USER_VA + 0x8000000;
    struct frame c, f;
    unsigned turn;

    user_setup();
    equal(mmuext(MMUEXT_NEW_USER_BASEPTR, kernel_l4_mfn(), 0), 0);
    map(where, mfn_of(mapped), PTE_P | PTE_RW | PTE_A | PTE_D);
    for (turn = 0; turn < 3; turn++) {
        c = user_context(user_copy);
        *page = 0x1000 + turn;
        c.rdi = (uint64_t)page;
        c.rsi = where;
        f = run(&c);
        equal(f.vector, X86_UD);
        equal(f.cs & 3, 3);
        equal(f.rax, 0x1000 + turn);
        equal(*page, 0x1001 + turn);
        equal(*mapped, 0x1000 + turn);
        /* As new: by an update, which says nothing of user mode */
        equal(update_va((uint64_t)page, mfn_of(page) * PAGE_SIZE | PTE_P |
                        PTE_RW | PTE_A | PTE_D), 0);
    }
    /* What is not mapped is not there, and read-only is read-only */
    c = user_context(user_copy);
    c.rdi = where + PAGE_SIZE;
    f = run(&c);
    equal(f.vector, X86_PF);
    equal(f.error, 4);
    set_read_only(page);
    c.rdi = (uint64_t)page;
    f = run(&c);
    equal(f.vector, X86_PF);
    equal(f.error, 7);
    return 0;
}
