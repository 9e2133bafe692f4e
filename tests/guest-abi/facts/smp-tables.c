/*
 * Two vCPUs that store to one page table, mapped read-only, both get their
 * stores done, while one of them makes it read-only again and again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux strict
 * QEMU: -smp 2
 */
#include "abi.h"

#define ROUNDS 3000

static uint64_t *table;

static void second(struct secondary *s)
{
    uint64_t i;

    for (i = 0; i < ROUNDS; i++) {
        __atomic_exchange_n(&table[7], i << 1, __ATOMIC_SEQ_CST);
        s->word = i;
    }
}

int main(void)
{
    struct secondary *s;
    uint64_t i;

    hc(vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables);
    table = alloc_page();
    set_read_only(table);
    equal(mmuext(MMUEXT_PIN_L1_TABLE, mfn_of(table), 0), 0);
    s = start_vcpu(1, second);
    for (i = 0; i < ROUNDS; i++) {
        __atomic_exchange_n(&table[5], i << 1, __ATOMIC_SEQ_CST);
        equal(table[5], i << 1);
        if (i % 4 == 0) {
            equal(hc(update_va_mapping, table, mfn_of(table) * PAGE_SIZE |
                     PTE_P | PTE_A, UVMF_INVLPG | UVMF_ALL), 0);
        }
    }
    wait_done(s);
    equal(table[7], (ROUNDS - 1) << 1);
    equal(mmuext(MMUEXT_UNPIN_TABLE, mfn_of(table), 0), 0);
    return 0;
}
