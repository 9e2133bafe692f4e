/*
 * Pages given back and taken again: counted, entered in the
 * machine-to-phys table, usable.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

#define N 8
#define MORE 1024

static uint64_t more[MORE];

int main(void)
{
    struct xen_memory_reservation r = { .nr_extents = N, .domid = DOMID_SELF };
    uint64_t frame[N], pfn[N], pages = start_info->nr_pages;
    domid_t self = DOMID_SELF;
    uint64_t *page[N];
    unsigned i;

    for (i = 0; i < N; i++) {
        page[i] = alloc_page();
        *page[i] = 0x5ec2e7;
        frame[i] = mfn_of(page[i]);
        pfn[i] = pfn_of(page[i]);
        equal(update_va((uint64_t)page[i], 0), 0);
    }
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)frame);
    equal(hc(memory_op, XENMEM_decrease_reservation, &r), N);
    equal(hc(memory_op, XENMEM_current_reservation, &self), pages - N);
    for (i = 0; i < N; i++) {
        check(M2P[frame[i]] != pfn[i]);
    }

    /* In go the page numbers, out come the frames */
    memcpy(frame, pfn, sizeof(frame));
    equal(hc(memory_op, XENMEM_populate_physmap, &r), N);
    equal(hc(memory_op, XENMEM_current_reservation, &self), pages);
    for (i = 0; i < N; i++) {
        equal(M2P[frame[i]], pfn[i]);
        equal(update_va((uint64_t)page[i], frame[i] * PAGE_SIZE | PTE_P |
                        PTE_RW), 0);
        *page[i] = i;
        equal(*page[i], i);
    }

    /* No more than there is; what was not done is not counted */
    for (i = 0; i < MORE; i++) {
        more[i] = pages + i;
    }
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)more);
    r.nr_extents = MORE;
    check(hc(memory_op, XENMEM_populate_physmap, &r) < MORE);
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)frame);
    r.nr_extents = 1;
    frame[0] = 0xfffffff;
    equal(hc(memory_op, XENMEM_decrease_reservation, &r), 0);
    return 0;
}
