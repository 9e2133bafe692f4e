/*
 * A hypercall or sub-operation nobody knows is -ENOSYS, and no harm done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    uint64_t arg[8] = { 0 };
    unsigned nr;

    for (nr = 50; nr < 64; nr++) {
        equal(hypercall(nr, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    }
    equal(hypercall(0xffff, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    equal(hypercall(0xffffffff, 0, 0, 0, 0, 0), -XEN_ENOSYS);

    equal(hc(xen_version, 99), -XEN_ENOSYS);
    equal(hc(memory_op, 63, arg), -XEN_ENOSYS);
    equal(hc(event_channel_op, 99, arg), -XEN_ENOSYS);
    equal(hc(sched_op, 99, arg), -XEN_ENOSYS);
    equal(hc(vcpu_op, 99, 0, arg), -XEN_ENOSYS);
    equal(hc(grant_table_op, 99, arg, 1), -XEN_ENOSYS);
    equal(hc(callback_op, 99, arg), -XEN_ENOSYS);
    equal(hc(physdev_op, 99, arg), -XEN_ENOSYS);
    equal(register_callback(99, 0, event_entry), -XEN_ENOSYS);
    /* FIFO event channels: Linux asks, and takes this for "two-level" */
    check(hc(event_channel_op, EVTCHNOP_init_control, arg) < 0);
    return 0;
}
