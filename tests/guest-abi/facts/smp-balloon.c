/*
 * vCPUs that give back and take memory at once are never given the same frame,
 * and always a clean one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 3
 */
#include "abi.h"

#define ROUNDS  300
#define BATCH   8

static uint64_t *own[3][BATCH];

static void give_and_take(unsigned id)
{
    struct xen_memory_reservation r = {
        .nr_extents = BATCH, .domid = DOMID_SELF,
    };
    uint64_t list[BATCH];
    unsigned round, i;

    set_xen_guest_handle(r.extent_start, list);
    for (round = 0; round < ROUNDS; round++) {
        for (i = 0; i < BATCH; i++) {
            list[i] = *entry_of((uint64_t)own[id][i], 1) / PAGE_SIZE &
                      0xfffffffff;
            equal(hc(update_va_mapping, own[id][i], 0,
                     UVMF_INVLPG | UVMF_ALL), 0);
        }
        equal(hc(memory_op, XENMEM_decrease_reservation, &r), BATCH);
        for (i = 0; i < BATCH; i++) {
            list[i] = pfn_of(own[id][i]);
        }
        equal(hc(memory_op, XENMEM_populate_physmap, &r), BATCH);
        for (i = 0; i < BATCH; i++) {
            uint64_t *p = own[id][i];

            equal(M2P[list[i]], pfn_of(p));
            equal(hc(update_va_mapping, p, list[i] * PAGE_SIZE | PTE_P |
                     PTE_RW | PTE_A | PTE_D, UVMF_INVLPG | UVMF_ALL), 0);
            equal(p[0], 0);
            equal(p[511], 0);
            p[0] = p[511] = id << 16 | i;
        }
        for (i = 0; i < BATCH; i++) {
            equal(own[id][i][0], id << 16 | i);
            equal(own[id][i][511], id << 16 | i);
        }
    }
}

static void body(struct secondary *s)
{
    give_and_take(s->id);
}

int main(void)
{
    unsigned id, i;

    for (id = 0; id < 3; id++) {
        for (i = 0; i < BATCH; i++) {
            own[id][i] = alloc_page();
        }
    }
    start_vcpu(1, body);
    start_vcpu(2, body);
    give_and_take(0);
    wait_done(&secondaries[1]);
    wait_done(&secondaries[2]);
    return 0;
}
