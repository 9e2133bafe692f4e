/*
 * int 0x82: registers survive, what is wrong is refused, several in one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

static void registers(void)
{
    uint32_t a = XENVER_version, b = 0x5678, c = 0x9abc, d = 0x1234, e = 0x4321;
    uint32_t r = __HYPERVISOR_xen_version, ebp;

    __asm__ volatile("push %%ebp\n\t"
                     "mov $0x76543210, %%ebp\n\t"
                     "int $0x82\n\t"
                     "mov %%ebp, %%eax\n\t"
                     "pop %%ebp"
                     : "+a"(r), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e)
                     : : "memory");
    ebp = r;
    equal(ebp, 0x76543210);
    equal(a, XENVER_version);
    equal(b, 0x5678);
    equal(c, 0x9abc);
    equal(d, 0x1234);
    equal(e, 0x4321);
}

static void multicall(void)
{
    static struct multicall_entry m[3] = {
        { .op = __HYPERVISOR_xen_version, .args = { XENVER_version } },
        { .op = 999 },
        { .op = __HYPERVISOR_multicall },
    };

    _Static_assert(sizeof(m[0]) == 32, "multicall_entry");
    result(hc(multicall, m, 3), 0);
    result(m[0].result, hc(xen_version, XENVER_version));
    result(m[1].result, -XEN_ENOSYS);
    result(m[2].result, -XEN_ENOSYS);
    result(hc(multicall, 0xfffff000u, 1), -XEN_EFAULT);
    result(hc(multicall, 0xfffffff0u, 1), -XEN_EFAULT);
}

static void versions(void)
{
    struct xen_platform_parameters p;
    struct xen_feature_info f = { 0 };
    char caps[1024];
    unsigned i;
    bool found = false;

    result(hc(xen_version, XENVER_platform_parameters, &p), 0);
    equal(p.virt_start, M2P_VA);
    result(hc(xen_version, XENVER_capabilities, caps), 0);
    for (i = 0; caps[i]; i++) {
        found |= !memcmp(&caps[i], "xen-3.0-x86_32p", 15);
    }
    check(found);
    result(hc(xen_version, XENVER_get_features, &f), 0);
    check(f.submap >> XENFEAT_pae_pgdir_above_4gb & 1);
    result(hc(vm_assist, VMASST_CMD_enable, VMASST_TYPE_4gb_segments), 0);
    result(hc(vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3), 0);
    result(hc(vm_assist, VMASST_CMD_enable, 31), -XEN_EINVAL);
}

USER_CODE(user_hypercall, "mov $17, %eax; xor %ebx, %ebx; int $0x82; ud2");

int main(void)
{
    struct frame f;

    registers();
    multicall();
    versions();
    result(hypercall(77, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    result(hypercall(0xffffffffu, 0, 0, 0, 0, 0), -XEN_ENOSYS);
    result(hc(set_trap_table, 0xfffffffcu), -XEN_EFAULT);
    result(hc(xen_version, XENVER_capabilities, 0x1000000 * 0x60u),
           -XEN_EFAULT);
    /* Read-only to it: no way round by hypercall */
    result(hc(xen_version, XENVER_capabilities, M2P_VA), -XEN_EFAULT);
    result(hc(set_segment_base, 0, 0), -XEN_ENOSYS);

    user_setup();
    f = run_user(user_hypercall);
    equal(f.vector, X86_GP);
    equal(f.error, 0x82 * 8 + 2);
    equal(f.eip, USER(user_hypercall) + 7);
    return 0;
}
