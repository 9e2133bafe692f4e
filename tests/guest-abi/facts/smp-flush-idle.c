/*
 * A flush does not wait for a vCPU that sleeps or is down, and the vCPU has
 * no old translation when it runs again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 2
 */
#include "abi.h"

#define ROUNDS 50

static uint64_t *window, *frame[2];
static uint32_t port;

static void sleeper(struct secondary *s)
{
    uint64_t i, due = 0;

    for (i = 0; i < ROUNDS; i++) {
        /* volatile: what is behind it changes */
        equal(*(volatile uint64_t *)window, 0x1000 + (i & 1));
        s->word = i + 1;
        if (i & 2) {
            equal(hc(vcpu_op, VCPUOP_down, 1, 0), 0);
        } else {
            s->info->evtchn_upcall_mask = 1;
            due++;
            while (s->events < due) {
                hc(sched_op, SCHEDOP_block);
                s->info->evtchn_upcall_mask = 1;
            }
        }
    }
}

static void map_window(unsigned i)
{
    equal(hc(update_va_mapping, window, mfn_of(frame[i & 1]) * PAGE_SIZE |
             PTE_P | PTE_RW | PTE_A | PTE_D, UVMF_INVLPG | UVMF_ALL), 0);
}

int main(void)
{
    struct secondary *s;
    uint64_t i, sent = 0;

    window = alloc_page();
    frame[0] = alloc_page();
    frame[1] = alloc_page();
    *frame[0] = 0x1000;
    *frame[1] = 0x1001;
    map_window(0);
    clear_events();
    port = bind_ipi_to(1);
    set_port_mask(port, false);
    s = start_vcpu(1, sleeper);
    for (i = 0; i < ROUNDS; i++) {
        wait_for(&s->word, i + 1);
        wait_state(1, i & 2 ? RUNSTATE_offline : RUNSTATE_blocked);
        map_window(i + 1);
        if (i & 2) {
            equal(hc(vcpu_op, VCPUOP_up, 1, 0), 0);
        } else {
            sent++;
            SHARED->evtchn_pending[port / 64] = 0;
            equal(send_event(port), 0);
            wait_for(&s->events, sent);
        }
    }
    wait_done(s);
    return 0;
}
