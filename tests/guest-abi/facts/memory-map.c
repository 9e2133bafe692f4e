/*
 * memory_op says how much memory there is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

struct e820 {
    uint64_t address;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

int main(void)
{
    struct e820 e[8] = { { 0 } };
    struct xen_memory_map m = { .nr_entries = 8 };
    uint64_t pages = start_info->nr_pages;
    domid_t self = DOMID_SELF;

    set_xen_guest_handle(m.buffer, e);
    equal(hc(memory_op, XENMEM_memory_map, &m), 0);
    equal(m.nr_entries, 1);
    equal(e[0].address, 0);
    check(e[0].size >= pages * PAGE_SIZE);
    equal(e[0].type, 1);
    equal(hc(memory_op, XENMEM_current_reservation, &self), pages);
    check(hc(memory_op, XENMEM_maximum_reservation, &self) >= (long)pages);
    check(hc(memory_op, XENMEM_maximum_ram_page, 0) >= (long)pages);
    return 0;
}
