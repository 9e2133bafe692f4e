/*
 * What xen_version says, and the features a kernel may rely on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

#define FEATURE(name) (1u << XENFEAT_##name)

int main(void)
{
    struct xen_feature_info f = { .submap_idx = 0 };
    xen_capabilities_info_t caps;
    uint8_t uuid[16];
    long v = hc(xen_version, XENVER_version);

    check(v >> 16 >= 4);
    equal(hc(xen_version, XENVER_capabilities, &caps), 0);
    equal(memcmp(caps, "xen-3.0-x86_64", 14), 0);
    equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    equal(hc(xen_version, XENVER_guest_handle, uuid), 0);

    equal(hc(xen_version, XENVER_get_features, &f), 0);
    /* Linux panics without the first two, and goes wrong with the others */
    check(f.submap & FEATURE(mmu_pt_update_preserve_ad));
    check(f.submap & FEATURE(gnttab_map_avail_bits));
    equal(f.submap & (FEATURE(writable_page_tables) |
                      FEATURE(auto_translated_physmap) |
                      FEATURE(supervisor_mode_kernel)), 0);
    f.submap_idx = 99;
    check(hc(xen_version, XENVER_get_features, &f) < 0 || !f.submap);
    return 0;
}
