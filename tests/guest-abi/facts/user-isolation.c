/*
 * User mode cannot read, write or enter anything of the kernel's or the
 * hypervisor's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 *
 * The kernel's entries have U set at every level here, as the top level of
 * Linux and all of GRUB's have: hiding them is the monitor's work.
 */
#include "abi.h"

USER_CODE(user_read, "mov (%rdi), %rax; ud2");
USER_CODE(user_write, "mov %rax, (%rdi); ud2");
USER_CODE(user_jump, "jmp *%rdi");

static void hidden(uint64_t address)
{
    static const char *const code[] = { user_read, user_write, user_jump };
    static const uint64_t error[] = { 4, 6, 0x14 };
    unsigned i;

    for (i = 0; i < 3; i++) {
        struct frame c = user_context(code[i]), f;

        c.rdi = address;
        f = run(&c);
        equal(f.vector, X86_PF);
        equal(trap_cr2, address);
        equal(f.error & ~1ul, error[i]);
    }
}

static void all_hidden(uint64_t *page)
{
    unsigned slot;

    hidden((uint64_t)page);
    hidden((uint64_t)hidden);
    hidden((uint64_t)start_info);
    hidden(start_info->pt_base);
    hidden((uint64_t)entry_of((uint64_t)page, 1));
    hidden((uint64_t)shared_info_page);
    for (slot = 256; slot < 512; slot++) {
        uint64_t va = 0xffff000000000000 | (uint64_t)slot << 39;

        hidden(va);
        hidden(va + 0x200000);
    }
    hidden(HOLE_START + 8 * mfn_of(page));
}

int main(void)
{
    uint64_t *page = alloc_page(), *l4 = (uint64_t *)start_info->pt_base;
    uint64_t *user_entry;
    unsigned level;

    user_setup();
    *page = 0x5ec2e7;
    for (level = 1; level <= 4; level++) {
        uint64_t *entry = entry_of((uint64_t)page, level);

        equal(set_entry(entry, *entry | PTE_US), 0);
    }
    equal(mmuext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    equal(*(volatile uint64_t *)page, 0x5ec2e7);    /* volatile: remapped */
    all_hidden(page);

    /* Also after a pin and a new base pointer with U set by a store */
    user_entry = alloc_page();
    memcpy(user_entry, l4, PAGE_SIZE);
    for (level = 256; level < 272; level++) {
        user_entry[level] = 0;
    }
    user_entry[511] |= PTE_US;
    set_read_only(user_entry);
    equal(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(user_entry), 0), 0);
    equal(mmuext(MMUEXT_NEW_BASEPTR, mfn_of(user_entry), 0), 0);
    all_hidden(page);
    return 0;
}
