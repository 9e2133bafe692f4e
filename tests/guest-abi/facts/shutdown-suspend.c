/*
 * A suspend that does not happen returns 1, and the guest goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    struct sched_shutdown s = { .reason = SHUTDOWN_suspend };
    uint32_t port = bind_ipi();

    clear_events();
    mask_events();
    equal(hc(sched_op, SCHEDOP_shutdown, &s, mfn_of(start_info)), 1);
    equal(send_event(port), 0);
    check(port_pending(port));
    s.reason = 99;
    check(hc(sched_op, SCHEDOP_shutdown, &s) < 0);
    return 0;
}
