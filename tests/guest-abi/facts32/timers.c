/*
 * Timers, the clock, wall clock and runstate, as 32-bit structures.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

static uint32_t port;

static void expire(uint64_t when)
{
    unsigned before = trap_count[EVENT];

    result(hc(sched_op, SCHEDOP_block), 0);
    mask_events();
    equal(trap_count[EVENT], before + 1);
    check(port_pending(port));
    check(now() + 10000 >= when);
    clear_events();
    set_port_mask(port, false);
}

static void runstate(void)
{
    static struct {
        struct vcpu_runstate_info r;
        uint32_t behind;
    } s = { .behind = 0x12345678 };
    struct vcpu_register_runstate_memory_area area = { 0 };
    struct vcpu_runstate_info r;
    uint64_t sum = 0, t = now();
    unsigned i;

    _Static_assert(sizeof(r) == 44, "runstate");
    area.addr.v = &s.r;
    result(hc(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &area), 0);
    equal(s.r.state, RUNSTATE_running);
    equal(s.behind, 0x12345678);
    result(hc(vcpu_op, VCPUOP_get_runstate_info, 0, &r), 0);
    equal(r.state, RUNSTATE_running);
    for (i = 0; i < 4; i++) {
        sum += r.time[i];
    }
    check(sum + 1000000000ull > t && sum < now() + 1000000000ull);
    check(r.time[RUNSTATE_blocked] > 0);
}

int main(void)
{
    struct evtchn_bind_virq b = { .virq = VIRQ_TIMER };
    struct vcpu_set_singleshot_timer t = { 0 };
    uint64_t when, last = 0;
    unsigned i;

    result(hc(event_channel_op, EVTCHNOP_bind_virq, &b), 0);
    port = b.port;
    clear_events();
    set_port_mask(port, false);
    /* Beyond what one word holds: both count */
    when = now() + 30000000;
    result(hc(set_timer_op, LO(when), HI(when)), 0);
    expire(when);
    result(hc(vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0);
    when = t.timeout_abs_ns = now() + 30000000;
    result(hc(vcpu_op, VCPUOP_set_singleshot_timer, 0, &t), 0);
    expire(when);
    when = now() + 0x200000000ull;
    result(hc(set_timer_op, LO(when), HI(when)), 0);
    check(!port_pending(port));
    result(hc(set_timer_op, 0, 0), 0);

    for (i = 0; i < 1000; i++) {
        check(now() >= last);
        last = now();
    }
    check(!(SHARED->wc_version & 1));
    check(SHARED->wc_sec > 1600000000u);
    check(SHARED->wc_nsec < 1000000000u);
    equal(SHARED->arch.wc_sec_hi, 0);
    runstate();
    return 0;
}
