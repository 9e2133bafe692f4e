/*
 * The grant table: version 1, its frames on demand, mapped by the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#if VIRT_BASE == 0
#define TABLE_VA 0x20000000000ul
#else
#define TABLE_VA 0xffffc00000000000ul
#endif

int main(void)
{
    struct gnttab_query_size q = { .dom = DOMID_SELF };
    struct gnttab_setup_table s = { .dom = DOMID_SELF, .nr_frames = 4 };
    struct gnttab_get_version g = { .dom = DOMID_SELF };
    struct gnttab_set_version v = { .version = 2 };
    struct grant_entry_v1 *table;
    uint64_t frames[4] = { 0 };
    unsigned i;

    equal(hc(grant_table_op, GNTTABOP_query_size, &q, 1), 0);
    equal(q.status, GNTST_okay);
    check(q.max_nr_frames >= 32);

    set_xen_guest_handle(s.frame_list, frames);
    equal(hc(grant_table_op, GNTTABOP_setup_table, &s, 1), 0);
    equal(s.status, GNTST_okay);
    for (i = 0; i < 4; i++) {
        check(frames[i]);
        map(TABLE_VA + i * PAGE_SIZE, frames[i], PTE_P | PTE_RW);
        table = (void *)(TABLE_VA + i * PAGE_SIZE);
        equal(table[511].flags, 0);
        table[511].domid = i;
        table[511].frame = 0x1234 + i;
        equal(table[511].frame, 0x1234 + i);
    }
    equal(hc(grant_table_op, GNTTABOP_query_size, &q, 1), 0);
    check(q.nr_frames >= 4);

    s.nr_frames = q.max_nr_frames + 1;
    equal(hc(grant_table_op, GNTTABOP_setup_table, &s, 1), 0);
    check(s.status < 0);

    equal(hc(grant_table_op, GNTTABOP_get_version, &g, 1), 0);
    equal(g.version, 1);
    check(hc(grant_table_op, GNTTABOP_set_version, &v, 1) < 0 ||
          v.version == 2);
    v.version = 1;
    equal(hc(grant_table_op, GNTTABOP_set_version, &v, 1), 0);
    return 0;
}
