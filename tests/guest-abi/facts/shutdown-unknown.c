/*
 * A shutdown for a reason nobody knows does not happen, and the guest goes on.
 * (A suspend lasts until somebody wakes the guest: see test_migrate.py.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    struct sched_shutdown s = { .reason = 99 };
    uint32_t port = bind_ipi();

    clear_events();
    mask_events();
    check(hc(sched_op, SCHEDOP_shutdown, &s) < 0);
    equal(send_event(port), 0);
    check(port_pending(port));
    return 0;
}
