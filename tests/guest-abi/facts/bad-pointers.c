/*
 * A pointer the kernel cannot read or write itself is -EFAULT, and so is one
 * into the hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

static void refused(uint64_t p)
{
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };
    long ret;

    equal(hc(set_trap_table, p), -XEN_EFAULT);
    equal(hc(set_gdt, p, 512), -XEN_EFAULT);
    equal(hc(multicall, p, 1), -XEN_EFAULT);
    equal(hc(mmu_update, p, 1, 0, DOMID_SELF), -XEN_EFAULT);
    equal(hc(mmuext_op, p, 1, 0, DOMID_SELF), -XEN_EFAULT);
    equal(hc(memory_op, XENMEM_memory_map, p), -XEN_EFAULT);
    equal(hc(memory_op, XENMEM_machphys_mapping, p), -XEN_EFAULT);
    equal(hc(xen_version, XENVER_get_features, p), -XEN_EFAULT);
    equal(hc(xen_version, XENVER_extraversion, p), -XEN_EFAULT);
    ret = hc(console_io, CONSOLEIO_write, 4, p);
    check(ret == -XEN_EFAULT || ret == -XEN_EPERM);
    equal(hc(grant_table_op, GNTTABOP_query_size, p, 1), -XEN_EFAULT);
    equal(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, p), -XEN_EFAULT);
    equal(hc(vcpu_op, VCPUOP_set_singleshot_timer, 0, p), -XEN_EFAULT);
    equal(hc(sched_op, SCHEDOP_poll, p), -XEN_EFAULT);
    equal(hc(sched_op, SCHEDOP_shutdown, p), -XEN_EFAULT);
    equal(hc(callback_op, 0, p), -XEN_EFAULT);
    equal(hc(event_channel_op, EVTCHNOP_send, p), -XEN_EFAULT);
    equal(hc(event_channel_op, EVTCHNOP_alloc_unbound, p), -XEN_EFAULT);
    equal(hc(physdev_op, PHYSDEVOP_set_iopl, p), -XEN_EFAULT);

    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)p);
    equal(hc(memory_op, XENMEM_decrease_reservation, &r), 0);
}

int main(void)
{
    uint64_t *page = alloc_page();

    refused(NOWHERE);
    refused(NON_CANONICAL);
    refused(HOLE_START + (1ul << 39));      /* the monitor */
    refused(HOLE_START + (8ul << 39));      /* all of memory, through it */
    refused(HOLE_START - 8);
    refused(HOLE_END - 8);

    /* Read-only is no place for an answer */
    set_read_only(page);
    equal(hc(xen_version, XENVER_extraversion, page), -XEN_EFAULT);
    equal(hc(memory_op, XENMEM_machphys_mapping, page), -XEN_EFAULT);
    equal(hc(memory_op, XENMEM_machphys_mapping, HOLE_START), -XEN_EFAULT);
    return 0;
}
