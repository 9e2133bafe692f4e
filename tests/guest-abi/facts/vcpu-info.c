/*
 * vcpu_info can be moved to the guest's own memory, and nothing pending is
 * lost on the way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

int main(void)
{
    uint8_t *page = alloc_page();
    struct vcpu_register_vcpu_info r = {
        .mfn = mfn_of(page), .offset = 0x1c0,
    };
    volatile struct vcpu_info *moved;   /* volatile: shared */
    struct vcpu_register_vcpu_info bad = r;
    uint32_t port = bind_ipi();
    uint32_t version;

    clear_events();
    mask_events();
    set_port_mask(port, false);
    moved = (void *)(page + r.offset);
    version = VCPU->time.version;

    bad.offset = PAGE_SIZE - 32;
    equal(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, &bad), -XEN_ENXIO);
    bad.offset = 4;
    equal(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, &bad), -XEN_ENXIO);
    bad = r;
    bad.mfn = 0xfffffff;
    equal(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, &bad), -XEN_EINVAL);

    equal(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, &r), 0);
    equal(moved->evtchn_upcall_mask, 1);
    /* As if everything had happened, so that all is looked at */
    equal(moved->evtchn_upcall_pending, 1);
    equal(moved->evtchn_pending_sel, ~0ul);
    check(moved->time.version >= version);
    check(moved->time.tsc_to_system_mul);

    moved->evtchn_upcall_pending = 0;
    moved->evtchn_pending_sel = 0;
    VCPU->evtchn_upcall_pending = 0;
    VCPU->evtchn_pending_sel = 0;
    equal(send_event(port), 0);
    equal(moved->evtchn_upcall_pending, 1);
    equal(moved->evtchn_pending_sel, 1ul << port / 64);
    equal(VCPU->evtchn_upcall_pending, 0);

    /* The address of a page fault goes there, too */
    try_vector = try_read(NOWHERE);
    equal(moved->arch.cr2, NOWHERE);

    check(hc(vcpu_op, VCPUOP_register_vcpu_info, 0, &r) < 0);   /* once */
    return 0;
}
