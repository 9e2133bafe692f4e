/*
 * Page tables of 32-bit guests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest has three levels, the processor, in 64-bit mode, four.  Each vCPU
 * has a top-level table of the monitor's: slot 0 is the first 512 GiB, of which
 * 32-bit code can reach four, the slots of the hole are the monitor.  The four
 * entries below slot 0 are those of the guest's L3 table, copied, because
 * there the guest can set no RW and no U bit.  They are copied anew whenever
 * the table is loaded or an entry of it is changed, which the guest can do by
 * hypercall only.
 *
 * L2 and L1 tables are the guest's own and hold what it wrote, U bits
 * included: its kernel is in ring 1, on Xen as well.  In one of them part is
 * Xen's: from M2P_VA_PAE on, the last slots of the L2 table for the last GiB,
 * where the guest looks for the machine-to-phys table.
 */
#include "monitor.h"

#define L3_ENTRIES      4
#define FIRST_XEN_SLOT  ((XENPV_M2P_VA_PAE >> 21) & 511)
#define M2P_SLOTS       ((XENPV_M2P_END_PAE - XENPV_M2P_VA_PAE) >> 21)
#define LARGE_PAGE      (1ull << 21)

static uint64_t *own_l3(const struct vcpu *v)
{
    return (uint64_t *)(percpu(v) + XENPV_PERCPU_OFF_L3);
}

void pae_init(struct vcpu *v)
{
    uint64_t *l4 = (uint64_t *)(percpu(v) + XENPV_PERCPU_OFF_L4);

    memcpy(l4, direct(SHARED->boot_cr3), PAGE_SIZE);
    l4[0] = block_maddr(own_l3(v)) | PTE_P | PTE_RW | PTE_US | PTE_A;
    v->top = own_l3(v);
}

/* ---- what is Xen's ---- */

static uint64_t xen_entry(unsigned slot)
{
    uint64_t off = (slot - FIRST_XEN_SLOT) * LARGE_PAGE;

    if (slot >= FIRST_XEN_SLOT + M2P_SLOTS || off >= SHARED->max_mfn * 4) {
        return 0;
    }
    return (SHARED->block_gpa + SHARED->m2p_off + off) | PTE_P | PTE_PS |
           PTE_A | PTE_D;
}

/* The L2 table for the last GiB */
static void fill_last_l2(uint64_t mfn)
{
    uint64_t *l2 = direct(mfn << PAGE_SHIFT);
    unsigned i;

    for (i = FIRST_XEN_SLOT; i < 512; i++) {
        if (READ_ONCE(l2[i]) != xen_entry(i)) {
            WRITE_ONCE(l2[i], xen_entry(i));
        }
    }
}

static bool is_last_l2(uint64_t mfn)
{
    unsigned i;

    for (i = 0; i < SHARED->nr_vcpus; i++) {
        uint64_t e = READ_ONCE(own_l3(vcpus[i])[L3_ENTRIES - 1]);

        if ((e & PTE_P) && (e & PTE_ADDR) >> PAGE_SHIFT == mfn) {
            return true;
        }
    }
    return false;
}

/* ---- the top level ---- */

static void copy_l3(struct vcpu *v, uint64_t mfn)
{
    const uint64_t *l3 = direct(mfn << PAGE_SHIFT);
    unsigned i;

    for (i = 0; i < L3_ENTRIES; i++) {
        uint64_t e = READ_ONCE(l3[i]);
        uint64_t own = 0;

        if (is_table(e)) {
            own = (e & PTE_ADDR) | PTE_P | PTE_RW | PTE_US | PTE_A;
            if (i == L3_ENTRIES - 1) {
                fill_last_l2((e & PTE_ADDR) >> PAGE_SHIFT);
            }
        }
        WRITE_ONCE(own_l3(v)[i], own);
    }
}

/* As on Xen there must be a place for what is Xen's */
static bool l3_ok(uint64_t mfn)
{
    const uint64_t *l3;

    if (!mfn_is_ram(mfn)) {
        return false;
    }
    l3 = direct(mfn << PAGE_SHIFT);
    return is_table(READ_ONCE(l3[L3_ENTRIES - 1]));
}

long load_cr3_32(struct vcpu *v, uint64_t mfn)
{
    if (!l3_ok(mfn)) {
        return -XEN_EINVAL;
    }
    v->kernel_cr3 = mfn << PAGE_SHIFT;
    copy_l3(v, mfn);
    write_cr3(block_maddr(percpu(v) + XENPV_PERCPU_OFF_L4));
    return 0;
}

/* An entry of an L3 table is new: for those that use it, if there are any */
static void l3_changed(uint64_t mfn)
{
    unsigned i;

    for (i = 0; i < SHARED->nr_vcpus; i++) {
        if (vcpus[i]->kernel_cr3 == mfn << PAGE_SHIFT) {
            copy_l3(vcpus[i], mfn);
        }
    }
}

static long pin_l3(uint64_t mfn)
{
    const uint64_t *l3 = direct(mfn << PAGE_SHIFT);
    unsigned i;

    if (!l3_ok(mfn)) {
        return -XEN_EINVAL;
    }
    for (i = 0; i < L3_ENTRIES; i++) {
        uint64_t e = READ_ONCE(l3[i]);

        if (is_table(e)) {
            mark_below(e, 2);
        }
    }
    set_type(mfn, XENPV_FRAME_L3);
    return 0;
}

/* ---- updates ---- */

static long store_entry32(uint64_t maddr, uint64_t val, bool preserve_ad)
{
    uint64_t mfn = maddr >> PAGE_SHIFT;
    unsigned slot = (maddr & ~PAGE_MASK) >> 3;
    uint8_t type;

    if (!mfn_is_ram(mfn) || ((val & PTE_P) && !target_ok(val))) {
        return -XEN_EINVAL;
    }
    if (slot >= FIRST_XEN_SLOT && is_last_l2(mfn)) {
        return val ? -XEN_EINVAL : 0;
    }
    type = READ_ONCE(frame_types()[mfn]);
    if ((type & (XENPV_FRAME_L2 | XENPV_FRAME_L3)) && is_table(val)) {
        mark_below(val, type & XENPV_FRAME_L3 ? 2 : 1);
    }
    put_entry(direct(maddr & ~7ull), val, preserve_ad);
    if (slot < L3_ENTRIES) {
        l3_changed(mfn);
    }
    return 0;
}

static bool self(uint32_t dom)
{
    return (dom & 0xffff) == DOMID_SELF || (dom & 0xffff) == 1;
}

static long mmu_update_one(const struct mmu_update *u)
{
    switch (u->ptr & 3) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return store_entry32(u->ptr, u->val, false);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return store_entry32(u->ptr, u->val, true);
    default:
        return machphys_update(u->ptr, u->val);
    }
}

/* requests (the same for all sizes), count, where to say how many, domain */
long hc_mmu_update32(struct vcpu *v, struct regs *regs, const uint32_t *a)
{
    uint32_t count = a[1] & ~0x80000000u, done = 0;
    uint64_t reqs = a[0];
    struct mmu_update u;
    long ret = 0;

    (void)v;
    if (!self(a[3])) {
        return -XEN_EPERM;
    }
    for (; done < count && !ret; done += !ret, reqs += sizeof(u)) {
        if (copy_from_guest(&u, reqs, sizeof(u))) {
            ret = -XEN_EFAULT;
            break;
        }
        ret = mmu_update_one(&u);
        if (ret) {
            log_qemu(XENPV_LOG_MMU, u.ptr, u.val, regs->rip);
        }
    }
    if (a[2] && copy_to_guest(a[2], &done, sizeof(done))) {
        ret = -XEN_EFAULT;
    }
    return ret;
}

/* address, entry in two words, flags */
long hc_update_va_mapping32(struct vcpu *v, struct regs *regs,
                            const uint32_t *a)
{
    uint64_t val = a[1] | (uint64_t)a[2] << 32;
    struct walk w;
    long ret;

    if (a[0] >= XENPV_M2P_VA_PAE || !walk(v, a[0], &w) || w.level != 1) {
        return -XEN_EINVAL;
    }
    ret = store_entry32((uintptr_t)w.p - XENPV_DIRECT_VA, val, false);
    if (ret) {
        log_qemu(XENPV_LOG_MMU, a[0], val, regs->rip);
        return ret;
    }
    return flush_after_update(v, a[0], a[3]);
}

/* ---- mmuext_op ---- */

struct mmuext_op32 {
    uint32_t cmd;
    uint32_t arg1;
    uint32_t arg2;
};

static long mmuext_one32(struct vcpu *v, const struct mmuext_op32 *op)
{
    struct mmuext_op wide = {
        .cmd = op->cmd,
        .arg1.linear_addr = op->arg1,
    };

    switch (op->cmd) {
    case MMUEXT_PIN_L3_TABLE:
        return mfn_is_ram(op->arg1) ? pin_l3(op->arg1) : -XEN_EINVAL;
    case MMUEXT_PIN_L4_TABLE:
    case MMUEXT_NEW_USER_BASEPTR:
        return -XEN_EINVAL;
    case MMUEXT_NEW_BASEPTR:
        return load_cr3_32(v, op->arg1);
    case MMUEXT_SET_LDT:
        wide.arg2.nr_ents = op->arg2;
        break;
    case MMUEXT_COPY_PAGE:
        wide.arg2.src_mfn = op->arg2;
        break;
    default:
        wide.arg2.vcpumask.p = (const void *)(uintptr_t)op->arg2;
        break;
    }
    return mmuext_one(v, &wide);
}

long hc_mmuext_op32(struct vcpu *v, struct regs *regs, const uint32_t *a)
{
    uint32_t count = a[1] & ~0x80000000u, done = 0;
    uint64_t ops = a[0];
    struct mmuext_op32 op;
    long ret = 0;

    if (!self(a[3])) {
        return -XEN_EPERM;
    }
    for (; done < count && !ret; done += !ret, ops += sizeof(op)) {
        if (copy_from_guest(&op, ops, sizeof(op))) {
            ret = -XEN_EFAULT;
            break;
        }
        ret = mmuext_one32(v, &op);
        if (ret) {
            log_qemu(XENPV_LOG_SUBOP, __HYPERVISOR_mmuext_op, op.cmd,
                     regs->rip);
        }
    }
    if (a[2] && copy_to_guest(a[2], &done, sizeof(done))) {
        ret = -XEN_EFAULT;
    }
    return ret;
}
