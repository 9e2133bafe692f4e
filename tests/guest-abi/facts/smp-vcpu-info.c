/*
 * vCPUs from 32 on must be given a vcpu_info before they can start; any
 * vCPU's can be moved while it is down, and another's not while it runs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 34
 */
#include "abi.h"

static void body(struct secondary *s)
{
    check(s->info->time.tsc_to_system_mul);
    s->info->evtchn_upcall_mask = 0;
    hc(xen_version, XENVER_version);    /* and take what is pending */
    s->word = 1;
    wait_for(&s->events, 2);
}

static long move(unsigned id, const void *to)
{
    struct vcpu_register_vcpu_info r = {
        .mfn = mfn_of(to), .offset = (uint64_t)to % PAGE_SIZE,
    };

    return hc(vcpu_op, VCPUOP_register_vcpu_info, id, &r);
}

int main(void)
{
    volatile struct vcpu_info *info = alloc_page();  /* volatile: shared */
    struct vcpu_guest_context *c;
    struct secondary *s = &secondaries[33];
    uint32_t port;

    c = secondary_context(33, body);
    equal(hc(vcpu_op, VCPUOP_initialise, 33, c), -XEN_EINVAL);
    equal(move(33, (void *)info), 0);
    equal(info->evtchn_upcall_mask, 1);
    equal(info->evtchn_upcall_pending, 1);
    equal(info->evtchn_pending_sel, ~0ul);
    equal(move(33, (void *)info), -XEN_EBUSY);
    clear_events();
    port = bind_ipi_to(33);
    set_port_mask(port, false);
    s->info = info;
    equal(hc(vcpu_op, VCPUOP_initialise, 33, c), 0);
    equal(hc(vcpu_op, VCPUOP_up, 33, 0), 0);
    wait_for(&s->word, 1);
    wait_for(&s->events, 1);        /* what registering left pending */
    equal(move(1, (void *)(info + 1)), 0);

    start_vcpu(2, body);
    wait_for(&secondaries[2].word, 1);
    equal(move(2, (void *)(info + 2)), -XEN_EINVAL);
    equal(send_event(port), 0);
    wait_done(s);
    return 0;
}
