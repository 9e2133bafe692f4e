/*
 * User mode has the page table the guest has named for it, and no other: the
 * same address may be another page there, and what the kernel has is not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: other minios strict
 */
#include "abi.h"

#define LATER   0x30000000000ul

USER_CODE(user_add, "mov (%rdi), %rax; incq (%rdi); ud2");


/* Tables that map one page, to be hung into a top level; US as Linux has it */
static uint64_t tables_for(uint64_t va, uint64_t mfn)
{
    uint64_t entry = mfn * PAGE_SIZE | PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D;
    unsigned level;

    for (level = 1; level <= 3; level++) {
        uint64_t *table = alloc_page();

        table[va >> (12 + 9 * (level - 1)) & 511] = entry;
        set_read_only(table);
        entry = mfn_of(table) * PAGE_SIZE | PTE_P | PTE_RW | PTE_US | PTE_A |
                PTE_D;
    }
    return entry;
}

static struct frame add(uint64_t va)
{
    struct frame c = user_context(user_add);

    c.rdi = va;
    return run(&c);
}

int main(void)
{
    uint64_t *ours = alloc_page(), *theirs = alloc_page();
    uint64_t va = LATER - (1ul << 39);
    struct frame f;

    user_setup();
    *ours = 0x100;
    *theirs = 0x200;
    map(va, mfn_of(ours), PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    f = add(va);
    equal(f.vector, X86_PF);
    equal(f.error, 4);
    equal(trap_cr2, va);

    /* Hung in while user mode has that table already */
    equal(set_entry(&user_l4[va >> 39], tables_for(va, mfn_of(theirs))), 0);
    f = add(va);
    equal(f.vector, X86_UD);
    equal(f.rax, 0x200);
    equal(*theirs, 0x201);
    equal(*ours, 0x100);
    equal(*(volatile uint64_t *)va, 0x100);     /* volatile: mapped anew */

    /* Only there */
    equal(set_entry(&user_l4[LATER >> 39],
                    tables_for(LATER, mfn_of(theirs))), 0);
    f = add(LATER);
    equal(f.vector, X86_UD);
    equal(f.rax, 0x201);
    equal(try_read(LATER), X86_PF);
    equal(trap.error, 0);

    /* And with the table named anew, as at a switch of processes */
    equal(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0), 0);
    f = add(va);
    equal(f.rax, 0x202);
    equal(*ours, 0x100);
    return 0;
}
