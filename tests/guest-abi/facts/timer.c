/*
 * Timers: not early, at once if late, no more once cancelled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

#define MS 1000000ul

static uint32_t port;

/* Whether the port became pending before @deadline */
static bool pending_until(uint64_t deadline)
{
    while (!port_pending(port)) {
        if (now() >= deadline) {
            return false;
        }
        hc(sched_op, SCHEDOP_yield);
    }
    return true;
}

static long singleshot(uint64_t at, uint32_t flags)
{
    struct vcpu_set_singleshot_timer t = {
        .timeout_abs_ns = at, .flags = flags,
    };

    return hc(vcpu_op, VCPUOP_set_singleshot_timer, 0, &t);
}

static void again(void)
{
    clear_events();
    mask_events();
}

int main(void)
{
    uint64_t at;
    long ret;

    port = bind_virq(VIRQ_TIMER);
    /* There may be one at a hundred a second until it is stopped */
    equal(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);

    again();
    at = now() + 10 * MS;
    equal(hc(set_timer_op, at), 0);
    check(!port_pending(port));
    check(pending_until(at + 5000 * MS));
    check(now() >= at - MS);

    again();
    equal(hc(set_timer_op, 1), 0);
    check(pending_until(now() + 5000 * MS));

    again();
    at = now() + 10 * MS;
    equal(hc(set_timer_op, at), 0);
    equal(hc(set_timer_op, 0), 0);
    check(!pending_until(at + 20 * MS));

    again();
    at = now() + 10 * MS;
    equal(singleshot(at, 0), 0);
    check(!port_pending(port));
    check(pending_until(at + 5000 * MS));
    check(now() >= at - MS);

    again();
    equal(singleshot(at, 0), 0);        /* past: fires all the same */
    check(pending_until(now() + 5000 * MS));

    /* Past, though the future was asked for: an error, or fires, not both */
    again();
    ret = singleshot(at, VCPU_SSHOTTMR_future);
    check(ret == 0 || ret == -XEN_ETIME);
    equal(pending_until(now() + 10 * MS), !ret);
    again();
    at = now() + 10 * MS;
    equal(singleshot(at, VCPU_SSHOTTMR_future), 0);
    equal(hc(vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0);
    check(!pending_until(at + 20 * MS));
    return 0;
}
