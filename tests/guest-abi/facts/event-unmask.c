/*
 * The unmask operation raises again what became pending meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

static long unmask(uint32_t port)
{
    struct evtchn_unmask u = { .port = port };

    return hc(event_channel_op, EVTCHNOP_unmask, &u);
}

int main(void)
{
    uint32_t port = bind_ipi();

    clear_events();
    unmask_events();
    equal(send_event(port), 0);
    equal(trap_count[EVENT], 0);
    equal(unmask(port), 0);
    equal(trap_count[EVENT], 1);
    equal(SHARED->evtchn_mask[0] >> port & 1, 0);
    check(port_pending(port));          /* the guest's to clear */

    /* Nothing pending, nothing raised */
    clear_events();
    equal(unmask(port), 0);
    equal(trap_count[EVENT], 1);
    equal(unmask(4096), -XEN_EINVAL);
    return 0;
}
