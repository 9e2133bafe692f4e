/*
 * mmuext_op: several at once, flushes, clear and copy.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    static const unsigned flushes[] = {
        MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_INVLPG_LOCAL, MMUEXT_TLB_FLUSH_ALL,
        MMUEXT_INVLPG_ALL,
    };
    uint64_t *a = alloc_page(), *b = alloc_page(), vcpus = 1;
    uint64_t *entry = entry_of((uint64_t)a, 1);
    struct mmuext_op op[2] = { { 0 } };
    uint32_t done = 9;
    unsigned i;

    for (i = 0; i < 4; i++) {
        *a = 1;
        equal(set_entry(entry, *entry & ~PTE_RW), 0);
        equal(mmuext(flushes[i], (uint64_t)a, 0), 0);
        equal(try_write((uint64_t)a, 1), X86_PF);
        set_writable(a);
    }
    *a = 1;
    equal(set_entry(entry, *entry & ~PTE_RW), 0);
    op[0].cmd = MMUEXT_INVLPG_MULTI;
    op[0].arg1.linear_addr = (uint64_t)a;
    set_xen_guest_handle(op[0].arg2.vcpumask, &vcpus);
    equal(hc(mmuext_op, op, 1, &done, DOMID_SELF), 0);
    equal(done, 1);
    equal(try_write((uint64_t)a, 1), X86_PF);
    set_writable(a);

    /* Pages need not be mapped to be cleared and copied */
    memset(a, 0x5a, PAGE_SIZE);
    equal(update_va((uint64_t)b, 0), 0);
    op[0].cmd = MMUEXT_COPY_PAGE;
    op[0].arg1.mfn = mfn_of(b);
    op[0].arg2.src_mfn = mfn_of(a);
    op[1].cmd = MMUEXT_CLEAR_PAGE;
    op[1].arg1.mfn = mfn_of(a);
    equal(hc(mmuext_op, op, 2, &done, DOMID_SELF), 0);
    equal(done, 2);
    set_writable(b);
    equal(b[0], 0x5a5a5a5a5a5a5a5a);
    equal(b[511], 0x5a5a5a5a5a5a5a5a);
    equal(a[0], 0);
    equal(a[511], 0);

    check(mmuext(99, 0, 0) < 0);
    equal(hc(mmuext_op, NOWHERE, 1, &done, DOMID_SELF), -XEN_EFAULT);
    return 0;
}
