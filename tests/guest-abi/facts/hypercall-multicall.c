/*
 * A multicall runs its calls in order and leaves each result with its call.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    struct multicall_entry c[4] = {
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_pagesize } },
        { .op = 63 },
        { .op = __HYPERVISOR_stack_switch, .args = { KERNEL_SS, boot.rsp } },
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_pagesize } },
    };

    c[3].result = 77;
    equal(hc(multicall, c, 3), 0);
    equal(c[0].result, PAGE_SIZE);
    equal(c[1].result, -XEN_ENOSYS);
    equal(c[2].result, 0);
    equal(c[3].result, 77);             /* was not asked for */
    equal(c[0].args[0], XENVER_pagesize);

    /* No nesting */
    c[0].op = __HYPERVISOR_multicall;
    c[0].args[0] = (uint64_t)&c[1];
    c[0].args[1] = 1;
    c[1].op = __HYPERVISOR_xen_version;
    c[1].args[0] = XENVER_pagesize;
    equal(hc(multicall, c, 2), 0);
    check((long)c[0].result < 0);
    equal(c[1].result, PAGE_SIZE);

    equal(hc(multicall, c, 0), 0);
    equal(hc(multicall, NOWHERE, 1), -XEN_EFAULT);
    return 0;
}
