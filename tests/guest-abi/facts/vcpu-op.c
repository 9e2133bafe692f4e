/*
 * There is one vCPU, it is up, and no other one can be asked about.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    static uint8_t context[8192];
    unsigned id;

    equal(hc(vcpu_op, VCPUOP_is_up, 0, 0), 1);
    /* Linux counts processors until this fails, or to 8192 */
    for (id = 1; id < 64; id++) {
        equal(hc(vcpu_op, VCPUOP_is_up, id, 0), -XEN_ENOENT);
    }
    equal(hc(vcpu_op, VCPUOP_is_up, ~0u, 0), -XEN_ENOENT);
    equal(hc(vcpu_op, VCPUOP_up, 1, 0), -XEN_ENOENT);
    equal(hc(vcpu_op, VCPUOP_initialise, 1, context), -XEN_ENOENT);
    equal(hc(vcpu_op, VCPUOP_up, 0, 0), 0);
    return 0;
}
