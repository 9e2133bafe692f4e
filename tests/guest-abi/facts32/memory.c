/*
 * memory_op and grant table: lists of 32-bit frame numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

struct e820 {
    uint64_t address, size;
    uint32_t type;
} __attribute__((packed));

static void map_of_memory(void)
{
    struct e820 entry[2] = { 0 };
    struct xen_memory_map m = { .nr_entries = 2 };
    struct xen_machphys_mapping p;

    set_xen_guest_handle(m.buffer, entry);
    result(hc(memory_op, XENMEM_memory_map, &m), 0);
    equal(m.nr_entries, 1);
    equal(entry[0].size, (uint64_t)start_info->nr_pages * PAGE_SIZE);
    equal(entry[0].type, 1);
    result(hc(memory_op, XENMEM_machphys_mapping, &p), 0);
    equal(p.v_start, M2P_VA);
    check(p.max_mfn >= mfn_of(shared_info_page - PAGE_SIZE));
}

static void balloon(void)
{
    uint32_t *page = alloc_page();
    xen_pfn_t list[2] = { mfn_of(page), 0x77777777 };
    struct xen_memory_reservation r = {
        .nr_extents = 1, .domid = DOMID_SELF,
    };
    long before = hc(memory_op, XENMEM_current_reservation, 0);

    _Static_assert(sizeof(r) == 20, "memory_reservation");
    set_xen_guest_handle(r.extent_start, list);
    result(update_va((uint32_t)page, 0), 0);
    result(hc(memory_op, XENMEM_decrease_reservation, &r), 1);
    result(hc(memory_op, XENMEM_current_reservation, 0), before - 1);
    equal(M2P[list[0]], 0xffffffffu);
    result(hc(memory_op, XENMEM_decrease_reservation, &r), 0);
    list[0] = 0x1234;                       /* the pfn it is to be */
    result(hc(memory_op, XENMEM_populate_physmap, &r), 1);
    equal(M2P[list[0]], 0x1234);
    equal(list[1], 0x77777777);
    result(hc(memory_op, XENMEM_current_reservation, 0), before);
}

static void grants(void)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 2 };
    xen_pfn_t frames[3] = { 0, 0, 0x77777777 };
    struct grant_entry_v1 *table = (void *)0x50000000u;

    _Static_assert(sizeof(s) == 16, "setup_table");
    result(hc(grant_table_op, GNTTABOP_query_size, &q, 1), 0);
    equal(q.status, GNTST_okay);
    set_xen_guest_handle(s.frame_list, frames);
    result(hc(grant_table_op, GNTTABOP_setup_table, &s, 1), 0);
    equal(s.status, GNTST_okay);
    equal(frames[2], 0x77777777);
    equal(frames[1], frames[0] + 1);
    map((uint32_t)table, frames[0], PTE_P | PTE_RW);
    table[511].frame = 0x12345;
    equal(table[511].frame, 0x12345);
    equal(table[0].frame, start_info->console.domU.mfn);
    s.nr_frames = 10000;
    result(hc(grant_table_op, GNTTABOP_setup_table, &s, 1), 0);
    check(s.status < 0);
}

int main(void)
{
    map_of_memory();
    balloon();
    grants();
    return 0;
}
