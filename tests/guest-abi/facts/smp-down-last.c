/*
 * The last vCPU that goes down powers the guest off.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 2
 */
#include "abi.h"

static void take_first_down(struct secondary *s)
{
    equal(hc(vcpu_op, VCPUOP_down, 0, 0), 0);
    wait_state(0, RUNSTATE_offline);
    print("SUCCESS\n");
    hc(vcpu_op, VCPUOP_down, s->id, 0);
    fail(HERE, "went on");
}

int main(void)
{
    start_vcpu(1, take_first_down);
    for (;;) {
        relax();
    }
}
