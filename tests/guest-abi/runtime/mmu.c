/*
 * Page tables of a micro-guest: finding entries, changing them the legal way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

void *user_data;
uint64_t *user_l4;

static uint8_t *next_page;

uint64_t pfn_of(const void *va)
{
    return ((uint64_t)va - VIRT_BASE) / PAGE_SIZE;
}

uint64_t mfn_of(const void *va)
{
    return ((uint64_t *)start_info->mfn_list)[pfn_of(va)];
}

/* Whatever is mapped behind the boot stack: 512 KiB at the least */
void *alloc_page(void)
{
    uint8_t *page;

    if (!next_page) {
        next_page = (uint8_t *)boot.rsp;
    }
    page = next_page;
    next_page += PAGE_SIZE;
    return memset(page, 0, PAGE_SIZE);
}

/* A table of ours is in the initial mapping: there the pfn is the address */
static uint64_t *table_of(uint64_t entry)
{
    return (uint64_t *)(VIRT_BASE +
                        M2P[(entry & PTE_ADDR) / PAGE_SIZE] * PAGE_SIZE);
}

uint64_t *entry_of(uint64_t va, unsigned level)
{
    uint64_t *table = (uint64_t *)start_info->pt_base;
    unsigned n;

    for (n = 4;; n--) {
        uint64_t *entry = &table[va >> (12 + 9 * (n - 1)) & 511];

        if (n == level) {
            return entry;
        }
        if (!(*entry & PTE_P)) {
            return NULL;
        }
        table = table_of(*entry);
    }
}

uint64_t entry_maddr(const uint64_t *entry)
{
    return mfn_of(entry) * PAGE_SIZE + ((uint64_t)entry & (PAGE_SIZE - 1));
}

uint64_t kernel_l4_mfn(void)
{
    return mfn_of((void *)start_info->pt_base);
}

long update_va(uint64_t va, uint64_t entry)
{
    return hc(update_va_mapping, va, entry, UVMF_INVLPG);
}

long set_entry(uint64_t *entry, uint64_t val)
{
    struct mmu_update u = {
        .ptr = entry_maddr(entry) | MMU_NORMAL_PT_UPDATE,
        .val = val,
    };

    return hc(mmu_update, &u, 1, 0, DOMID_SELF);
}

long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.linear_addr = arg1;
    op.arg2.src_mfn = arg2;
    return hc(mmuext_op, &op, 1, 0, DOMID_SELF);
}

void set_read_only(const void *va)
{
    uint64_t entry = mfn_of(va) * PAGE_SIZE | PTE_P | PTE_A;

    equal(update_va((uint64_t)va, entry), 0);
}

void set_writable(const void *va)
{
    uint64_t entry = mfn_of(va) * PAGE_SIZE | PTE_P | PTE_RW | PTE_A | PTE_D;

    equal(update_va((uint64_t)va, entry), 0);
}

void map(uint64_t va, uint64_t mfn, uint64_t flags)
{
    unsigned level;

    for (level = 4; level > 1; level--) {
        uint64_t *entry = entry_of(va, level);

        if (!(*entry & PTE_P)) {
            void *table = alloc_page();

            set_read_only(table);
            equal(set_entry(entry, mfn_of(table) * PAGE_SIZE | PTE_P |
                            PTE_RW | PTE_US | PTE_A | PTE_D), 0);
        }
    }
    equal(set_entry(entry_of(va, 1), mfn * PAGE_SIZE | flags), 0);
    equal(mmuext(MMUEXT_INVLPG_LOCAL, va, 0), 0);
}

void linux_descriptors(void)
{
    uint64_t *gdt = alloc_page(), frame = mfn_of(gdt);

    gdt[LINUX_CS32 / 8] = 0x00cffb000000fffful;
    gdt[LINUX_SS / 8] = 0x00cff3000000fffful;
    gdt[LINUX_CS / 8] = 0x00affb000000fffful;
    set_read_only(gdt);
    equal(hc(set_gdt, &frame, 512), 0);
}

/*
 * User mode has a page table of its own, as Linux's processes have, with the
 * same process half.
 */
void user_setup(void)
{
    uint64_t *kernel_l4 = (uint64_t *)start_info->pt_base;
    uint64_t rx = PTE_P | PTE_US | PTE_A, rw = rx | PTE_RW | PTE_D;
    unsigned slot = USER_VA >> 39, i;
    char *p;

    for (p = user_start; p < user_end; p += PAGE_SIZE) {
        map(USER(p), mfn_of(p), rx);
    }
    user_data = alloc_page();
    map(USER_DATA, mfn_of(user_data), rw);
    map(USER_STACK, mfn_of(alloc_page()), rw);
    user_l4 = alloc_page();
    for (i = 0; i < 512; i++) {
        user_l4[i] = i == slot ? kernel_l4[i] : 0;
    }
    set_read_only(user_l4);
    equal(mmuext(MMUEXT_PIN_L4_TABLE, mfn_of(user_l4), 0), 0);
    equal(mmuext(MMUEXT_NEW_USER_BASEPTR, mfn_of(user_l4), 0), 0);
}
