/*
 * The console and store rings are empty pages of the guest's own memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -serial file:/dev/stdout
 * Says: said on the ring
 */
#include "abi.h"
#include "hw/xen/interface/io/console.h"

static void *page_of(uint64_t mfn)
{
    return (void *)(VIRT_BASE + M2P[mfn] * PAGE_SIZE);
}

int main(void)
{
    volatile struct xencons_interface *ring;    /* volatile: QEMU's too */
    static const char text[] = "said on the ring\n";
    uint64_t deadline = now() + 5000000000ul;
    unsigned i;

    ring = page_of(start_info->console.domU.mfn);
    equal(ring->in_cons, 0);
    equal(ring->in_prod, 0);
    equal(ring->out_cons, 0);
    equal(ring->out_prod, 0);
    check(page_of(start_info->store_mfn) != NULL);

    for (i = 0; i < sizeof(text) - 1; i++) {
        ring->out[i] = text[i];
    }
    __asm__ volatile("" : : : "memory");
    ring->out_prod = i;
    equal(send_event(start_info->console.domU.evtchn), 0);
    while (ring->out_cons != i && now() < deadline) {
        hc(sched_op, SCHEDOP_yield);
    }
    equal(ring->out_cons, i);
    return 0;
}
