/*
 * The machine-to-phys table: where everyone expects it, the inverse of the
 * list of frames, read-only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    const uint64_t *p2m = (uint64_t *)start_info->mfn_list;
    struct xen_machphys_mapping m;
    struct xen_platform_parameters p;
    uint64_t pfn, max = 0;

    for (pfn = 0; pfn < start_info->nr_pages; pfn++) {
        equal(M2P[p2m[pfn]], pfn);
        max = p2m[pfn] > max ? p2m[pfn] : max;
    }
    /* Frame numbers and page numbers are never the same, by design */
    check(p2m[0] != 0);

    equal(hc(memory_op, XENMEM_machphys_mapping, &m), 0);
    equal(m.v_start, HOLE_START);
    check(m.max_mfn >= max);
    check(m.v_end - m.v_start >= max * 8 + 8);
    equal(hc(xen_version, XENVER_platform_parameters, &p), 0);
    equal(p.virt_start, HOLE_START);

    equal(try_write((uint64_t)&M2P[p2m[0]], 1), X86_PF);
    equal(trap_cr2, (uint64_t)&M2P[p2m[0]]);
    equal(trap.error, 3);
    equal(M2P[p2m[0]], 0);

    /* Behind its end there is a fault like any other */
    equal(try_read(HOLE_START + (1ul << 38) - 8), X86_PF);
    return 0;
}
