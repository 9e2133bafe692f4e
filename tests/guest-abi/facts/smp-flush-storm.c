/*
 * vCPUs that all flush each other at once all get done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 4
 */
#include "abi.h"

#define ROUNDS 500

static void storm(uint64_t rounds)
{
    static uint64_t mask = 0xf;
    struct mmuext_op op[4] = {
        { .cmd = MMUEXT_TLB_FLUSH_ALL }, { .cmd = MMUEXT_INVLPG_ALL },
        { .cmd = MMUEXT_INVLPG_MULTI }, { .cmd = MMUEXT_TLB_FLUSH_MULTI },
    };
    uint64_t i;

    for (i = 0; i < 4; i++) {
        op[i].arg1.linear_addr = (uint64_t)&mask;
        set_xen_guest_handle(op[i].arg2.vcpumask, &mask);
    }
    for (i = 0; i < rounds; i++) {
        equal(hc(mmuext_op, op, 4, 0, DOMID_SELF), 0);
    }
}

static void body(struct secondary *s)
{
    (void)s;
    storm(ROUNDS);
}

int main(void)
{
    unsigned i;

    for (i = 1; i < 4; i++) {
        start_vcpu(i, body);
    }
    storm(ROUNDS);
    for (i = 1; i < 4; i++) {
        wait_done(&secondaries[i]);
    }
    return 0;
}
