/*
 * A vCPU's runstate says what it does, to itself and to the others, and the
 * times in it add up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 2
 */
#include "abi.h"

#define MS 1000000ul

static uint32_t port;

static void second(struct secondary *s)
{
    struct sched_poll p = { .nr_ports = 1 };

    set_xen_guest_handle(p.ports, &port);
    s->word = 1;
    wait_for(&s->word, 2);
    while (!port_pending(port)) {
        equal(hc(sched_op, SCHEDOP_poll, &p), 0);
    }
    s->word = 3;
    wait_for(&s->word, 4);
}

static struct vcpu_runstate_info ask(void)
{
    struct vcpu_runstate_info r;

    equal(hc(vcpu_op, VCPUOP_get_runstate_info, 1, &r), 0);
    return r;
}

static uint64_t sum(const struct vcpu_runstate_info *r)
{
    return r->time[0] + r->time[1] + r->time[2] + r->time[3];
}

int main(void)
{
    struct vcpu_register_runstate_memory_area a = { .addr.p = 0 };
    /* volatile: the monitor writes it */
    volatile struct vcpu_runstate_info *area = alloc_page();
    struct vcpu_runstate_info before, r;
    struct secondary *s = &secondaries[1];
    uint64_t start = now(), asked, again, seen;

    before = ask();
    asked = now();
    equal(before.state, RUNSTATE_offline);
    a.addr.p = (uint64_t)area;
    equal(hc(vcpu_op, VCPUOP_register_runstate_memory_area, 1, &a), 0);
    equal(area->state, RUNSTATE_offline);
    while (now() < asked + 5 * MS) {
        relax();
    }
    port = bind_ipi_to(1);
    start_vcpu(1, second);
    wait_for(&s->word, 1);
    equal(area->state, RUNSTATE_running);
    r = ask();
    equal(r.state, RUNSTATE_running);
    check(r.time[RUNSTATE_offline] >= before.time[RUNSTATE_offline] + 5 * MS);
    s->word = 2;
    wait_state(1, RUNSTATE_blocked);
    equal(area->state, RUNSTATE_blocked);
    /* It sleeps until that was seen, however late this vCPU is */
    seen = now();
    while (now() < seen + 20 * MS) {
        relax();
    }
    equal(send_event(port), 0);
    wait_for(&s->word, 3);
    r = ask();
    equal(r.state, RUNSTATE_running);
    /* Asleep, or ready to wake while the host ran something else */
    check(r.time[RUNSTATE_blocked] + r.time[RUNSTATE_runnable] >= 15 * MS);
    check(area->time[RUNSTATE_blocked] >= r.time[RUNSTATE_blocked]);
    /* All of its time is somewhere */
    again = now();
    r = ask();
    check(sum(&r) - sum(&before) >= again - asked);
    check(sum(&r) - sum(&before) <= now() - start);

    /* A new place, while it runs */
    a.addr.p = (uint64_t)(area + 1);
    equal(hc(vcpu_op, VCPUOP_register_runstate_memory_area, 1, &a), 0);
    while (area[1].state_entry_time == 0) {
        relax();
    }
    s->word = 4;
    wait_done(s);
    wait_state(1, RUNSTATE_offline);
    equal(area[1].state, RUNSTATE_offline);
    return 0;
}
