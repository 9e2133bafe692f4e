/*
 * A vCPU that is down does not run, and goes on where it was when it is up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 2
 */
#include "abi.h"

static void count(struct secondary *s)
{
    /* It takes itself down, once */
    s->answer = 1;
    equal(hc(vcpu_op, VCPUOP_down, 1, 0), 0);
    s->answer = 2;
    for (;;) {
        s->word++;
        relax();
    }
}

static void wait_progress(struct secondary *s)
{
    uint64_t was = s->word;

    while (s->word == was) {
        relax();
    }
}

int main(void)
{
    struct secondary *s = start_vcpu(1, count);
    unsigned i;

    wait_for(&s->answer, 1);
    wait_state(1, RUNSTATE_offline);
    equal(hc(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    check(stands_still(&s->answer, 10));
    equal(hc(vcpu_op, VCPUOP_up, 1, 0), 0);
    wait_for(&s->answer, 2);

    /* Another takes it down, in the middle of its own code */
    for (i = 0; i < 20; i++) {
        wait_progress(s);
        equal(hc(vcpu_op, VCPUOP_is_up, 1, 0), 1);
        equal(hc(vcpu_op, VCPUOP_down, 1, 0), 0);
        wait_state(1, RUNSTATE_offline);
        equal(hc(vcpu_op, VCPUOP_is_up, 1, 0), 0);
        check(stands_still(&s->word, 2));
        equal(hc(vcpu_op, VCPUOP_up, 1, 0), 0);
    }
    wait_progress(s);
    return 0;
}
