/*
 * No vCPU's clock shows a time another's has already passed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 3
 */
#include "abi.h"

static uint8_t lock;
static uint64_t latest;
/* volatile: tells the others to stop */
static volatile bool enough;

static void compare(volatile struct vcpu_time_info *t)  /* volatile: now_by */
{
    uint64_t ns;

    while (__atomic_exchange_n(&lock, 1, __ATOMIC_SEQ_CST)) {
        relax();
    }
    ns = now_by(t);
    if (ns < latest) {
        fail_equal(HERE, "the time", ns, latest);
    }
    latest = ns;
    __atomic_store_n(&lock, 0, __ATOMIC_SEQ_CST);
}

static void other(struct secondary *s)
{
    /* Its own timer takes part in keeping the clock */
    struct vcpu_set_periodic_timer p = { .period_ns = 20000000 };

    equal(hc(vcpu_op, VCPUOP_set_periodic_timer, s->id, &p), 0);
    while (!enough) {
        compare(&s->info->time);
        s->word++;
    }
}

int main(void)
{
    struct secondary *a = start_vcpu(1, other), *b = start_vcpu(2, other);
    struct vcpu_set_periodic_timer p = { .period_ns = 10000000 };
    uint64_t end = now() + 2500000000ul;

    equal(hc(vcpu_op, VCPUOP_set_periodic_timer, 0, &p), 0);
    while (now() < end) {
        compare(&VCPU->time);
    }
    enough = true;
    wait_done(a);
    wait_done(b);
    check(a->word && b->word);
    return 0;
}
