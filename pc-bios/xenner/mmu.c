/*
 * Page tables: updates, base pointers, flushes, write access to tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page tables hold what the guest wrote, with two exceptions.  The top-level
 * slots of the hole are the monitor's.  And where the guest kernel runs in
 * ring 1 on one page table with its processes, its half of the top level has
 * no U bit, which hides it from them as on bare metal.
 *
 * The guest maps its page tables read-only, because Xen insists, and writes
 * to them all the same, because Xen emulates that.  Here the first such
 * write makes the mapping writable: one fault for each table, then none.  To
 * tell these faults from the guest's own there is one byte of type for each
 * frame.
 *
 * Other vCPUs, and the processor's own walks, look at tables and types while
 * they change: every change is one atomic operation on one entry or byte.
 */
#include "monitor.h"

#define FRAME_TABLE (XENPV_FRAME_L1 | XENPV_FRAME_L2 | XENPV_FRAME_L3 | \
                     XENPV_FRAME_L4)

static bool one_cr3(void)
{
    return !(SHARED->guest_flags & XENPV_GUEST_STRICT);
}

static uint64_t *table(uint64_t entry)
{
    return direct(entry & PTE_ADDR);
}

static uint64_t entry_mfn(uint64_t entry)
{
    return (entry & PTE_ADDR) >> PAGE_SHIFT;
}

bool is_table(uint64_t entry)
{
    return (entry & PTE_P) && !(entry & PTE_PS) && mfn_is_ram(entry_mfn(entry));
}

/* May a page table entry name this frame? */
bool target_ok(uint64_t entry)
{
    uint64_t off = (entry & PTE_ADDR) - SHARED->block_gpa;

    return mfn_is_ram(entry_mfn(entry)) || off == XENPV_OFF_SHARED_INFO ||
           (off >= XENPV_OFF_GRANT &&
            off < XENPV_OFF_GRANT + XENPV_GRANT_FRAMES * PAGE_SIZE);
}

/* ---- walking ---- */

static unsigned va_index(uint64_t va, unsigned level)
{
    return (va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

bool walk(struct vcpu *v, uint64_t va, struct walk *w)
{
    uint64_t *t = v->top, entry;

    w->above = ~0ull;
    for (w->level = v->levels; w->level >= 1; w->level--) {
        w->p = &t[va_index(va, w->level)];
        w->entry = entry = READ_ONCE(*w->p);
        if (w->level == 1 ||
            (w->level < 4 && (entry & PTE_P) && (entry & PTE_PS))) {
            return true;
        }
        if (!is_table(entry)) {
            return false;
        }
        w->above &= entry;
        t = table(entry);
    }
    return false;
}

bool resolve_va(struct vcpu *v, uint64_t va, uint64_t *maddr)
{
    struct walk w;
    uint64_t mask;

    if (!guest_range_ok(va, 1) || !walk(v, va, &w) ||
        !(w.entry & PTE_P) || !mfn_is_ram(entry_mfn(w.entry))) {
        return false;
    }
    mask = (PAGE_SIZE << (9 * (w.level - 1))) - 1;
    *maddr = (w.entry & PTE_ADDR & ~mask) | (va & mask);
    return true;
}

/*
 * The guest kernel wrote to a present, read-only page.  True if it is one of
 * its page tables: try again.
 */
bool fixup_write_fault(struct vcpu *v, uint64_t address)
{
    if (address < HYPERVISOR_VIRT_END &&
        (address >= XENPV_M2P_VA ||
         (SHARED->guest_flags & XENPV_GUEST_LINUX))) {
        /* Linux keeps its tables in its own half; below is copy-on-write */
        return false;
    }
    return allow_table_write(v, address, XENPV_FRAME_L1 | XENPV_FRAME_L2 |
                             XENPV_FRAME_L3);
}

/* The same, for tables of these levels, wherever they are mapped */
bool allow_table_write(struct vcpu *v, uint64_t address, uint8_t types)
{
    struct walk w;

    if (!walk(v, address, &w) || w.level != 1 ||
        !(w.above & w.entry & PTE_P) || !mfn_is_ram(entry_mfn(w.entry))) {
        return false;
    }
    if (w.above & w.entry & PTE_RW) {
        invlpg(address);        /* another vCPU was first, or the guest */
        return true;
    }
    if (!(w.above & PTE_RW) ||
        !(READ_ONCE(frame_types()[entry_mfn(w.entry)]) & types)) {
        return false;
    }
    /*
     * Only if the entry still names that frame: another vCPU may map one here
     * that is to stay read-only.  If not, the guest's next try will tell.
     */
    __atomic_compare_exchange_n(w.p, &w.entry, w.entry | PTE_RW, false,
                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    invlpg(address);
    return true;
}

/*
 * Xen has the U bit set in every entry.  So have we in strict mode, and for a
 * small guest's user mode on a table it means for it: what is mapped there,
 * the kernel itself if both have one table, is to be used.  Linux's processes
 * run on the kernel's table here, and the missing bit hides the kernel.
 */
static bool all_is_for_user(const struct vcpu *v)
{
    if (SHARED->guest_flags & (XENPV_GUEST_STRICT | XENPV_GUEST_LINUX)) {
        return SHARED->guest_flags & XENPV_GUEST_STRICT;
    }
    return !v->in_kernel && (v->two_tables || v->user_cr3 == v->kernel_cr3);
}

/*
 * Ring 3 was refused a page that is mapped.  The U bit is set by updates in
 * strict mode, and for entries that did not come as updates (the builder's,
 * and direct stores) when they are first used.
 */
bool fixup_user_fault(struct vcpu *v, uint64_t address)
{
    uint64_t entry = (v->in_kernel ? v->kernel_cr3 : v->user_cr3) | PTE_P;
    bool changed = false;
    unsigned n;

    if (!all_is_for_user(v) || !guest_range_ok(address, 1)) {
        return false;
    }
    for (n = 4; n >= 1; n--) {
        uint64_t *p = &table(entry)[va_index(address, n)];

        entry = READ_ONCE(*p);
        if (!(entry & PTE_P)) {
            return false;
        }
        if (!(entry & PTE_US)) {
            __atomic_or_fetch(p, PTE_US, __ATOMIC_SEQ_CST);
            changed = true;
        }
        if (n > 1 && !is_table(entry)) {
            break;
        }
    }
    if (changed) {
        invlpg(address);
    }
    return changed;
}

/* ---- types and the top level ---- */

void set_type(uint64_t mfn, uint8_t bits)
{
    __atomic_fetch_or(&frame_types()[mfn], bits, __ATOMIC_SEQ_CST);
}

static void clear_type(uint64_t mfn, uint8_t bits)
{
    /* Most often there is nothing to clear */
    if (READ_ONCE(frame_types()[mfn]) & bits) {
        __atomic_fetch_and(&frame_types()[mfn], ~bits, __ATOMIC_SEQ_CST);
    }
}

/* The bit is set last: who finds it takes all below for marked */
void mark_below(uint64_t entry, unsigned level)
{
    uint8_t bit = 1u << (level - 1);
    unsigned i;

    if (READ_ONCE(frame_types()[entry_mfn(entry)]) & bit) {
        return;
    }
    if (level > 1) {
        uint64_t *t = table(entry);

        for (i = 0; i < 512; i++) {
            uint64_t e = READ_ONCE(t[i]);

            if (is_table(e)) {
                mark_below(e, level - 1);
            }
        }
    }
    set_type(entry_mfn(entry), bit);
}

static void prepare_top_level(uint64_t mfn)
{
    uint64_t *l4 = direct(mfn << PAGE_SHIFT);
    const uint64_t *hole = direct(SHARED->boot_cr3);
    unsigned i;

    for (i = XENPV_HOLE_FIRST_SLOT; i <= XENPV_HOLE_LAST_SLOT; i++) {
        WRITE_ONCE(l4[i], hole[i]);
    }
    if (one_cr3()) {
        for (; i < 512; i++) {
            if (READ_ONCE(l4[i]) & PTE_US) {
                __atomic_fetch_and(&l4[i], ~PTE_US, __ATOMIC_SEQ_CST);
            }
        }
    }
}

static void pin(uint64_t mfn, unsigned level)
{
    uint64_t entry = mfn << PAGE_SHIFT | PTE_P;
    uint64_t *l4 = table(entry);
    unsigned i;

    if (level < 4) {
        mark_below(entry, level);
        return;
    }
    prepare_top_level(mfn);
    set_type(mfn, XENPV_FRAME_L4);
    for (i = 0; i < 512; i++) {
        uint64_t e = READ_ONCE(l4[i]);

        if (is_table(e)) {
            mark_below(e, 3);
        }
    }
}

/* ---- one table or two ---- */

static void note_tables(struct vcpu *v)
{
    if (!(SHARED->guest_flags & (XENPV_GUEST_STRICT | XENPV_GUEST_LINUX))) {
        v->tables_changed = true;
        update_fast_paths(v);
    }
}

/* Does user mode see on the kernel's table what it would see on its own? */
static bool same_for_user(const struct vcpu *v)
{
    const uint64_t *k = direct(v->kernel_cr3), *u = direct(v->user_cr3);
    unsigned i;

    /* Linux has a page of its own in the last one, and nobody uses it */
    for (i = 0; i < 511; i++) {
        uint64_t a = READ_ONCE(k[i]), b = READ_ONCE(u[i]);
        uint64_t ignore = PTE_A | PTE_D;

        if (i >= XENPV_HOLE_FIRST_SLOT) {
            if (i <= XENPV_HOLE_LAST_SLOT || !(b & PTE_P)) {
                continue;       /* what the kernel has more is hidden */
            }
            ignore |= PTE_US;
        }
        if (((a | b) & PTE_P) && ((a ^ b) & ~ignore)) {
            return false;
        }
    }
    return true;
}

/*
 * Strict mode has two tables.  Linux's process halves are the same in both of
 * its own, and it runs on one, which is faster.  What GRUB starts may be
 * Linux, and small guests do as they like: these are looked at, when one of
 * the tables or its top level is new.
 */
void choose_tables(struct vcpu *v)
{
    v->tables_changed = false;
    v->two_tables = v->user_cr3 && v->user_cr3 != v->kernel_cr3 &&
                    !same_for_user(v);
    if (v->two_tables) {
        prepare_top_level(v->user_cr3 >> PAGE_SHIFT);
    }
    update_fast_paths(v);
}

long load_kernel_cr3(struct vcpu *v, uint64_t mfn)
{
    if (!mfn_is_ram(mfn)) {
        return -XEN_EINVAL;
    }
    /*
     * Fill the hole before the table is loaded: without it the next
     * instruction of the monitor is gone.
     */
    if (!(frame_types()[mfn] & XENPV_FRAME_L4) || !one_cr3() ||
        !(SHARED->guest_flags & XENPV_GUEST_LINUX)) {
        prepare_top_level(mfn);
    }
    v->kernel_cr3 = mfn << PAGE_SHIFT;
    v->top = direct(v->kernel_cr3);
    write_cr3(v->kernel_cr3);
    note_tables(v);
    return 0;
}

long load_user_cr3(struct vcpu *v, uint64_t mfn)
{
    if (mfn && !mfn_is_ram(mfn)) {
        return -XEN_EINVAL;
    }
    if (mfn && !one_cr3()) {
        prepare_top_level(mfn);
        if (mfn != v->kernel_cr3 >> PAGE_SHIFT) {
            uint64_t *l4 = direct(mfn << PAGE_SHIFT);

            /* The machine-to-phys table is the kernel's */
            __atomic_fetch_and(&l4[XENPV_HOLE_FIRST_SLOT], ~PTE_US,
                               __ATOMIC_SEQ_CST);
        }
    }
    v->user_cr3 = mfn << PAGE_SHIFT;
    note_tables(v);
    return 0;
}

/* QEMU has made the first tables and typed them, but knows no hole */
void mmu_init(void)
{
    prepare_top_level(SHARED->start_cr3 >> PAGE_SHIFT);
}

/* ---- updates ---- */

void put_entry(uint64_t *p, uint64_t val, bool preserve_ad)
{
    uint64_t old;

    if (!preserve_ad) {
        WRITE_ONCE(*p, val);
        return;
    }
    old = READ_ONCE(*p);
    while (!__atomic_compare_exchange_n(p, &old, val | (old & (PTE_A | PTE_D)),
                                        false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
        /* old is fresh; a processor has set A or D meanwhile */
    }
}

static long store_entry(struct vcpu *v, uint64_t maddr, uint64_t val,
                        bool preserve_ad)
{
    uint64_t mfn = maddr >> PAGE_SHIFT;
    uint64_t *p = direct(maddr & ~7ull);
    uint8_t type;

    if (!mfn_is_ram(mfn) || ((val & PTE_P) && !target_ok(val))) {
        return -XEN_EINVAL;
    }
    type = READ_ONCE(frame_types()[mfn]);
    if (type & XENPV_FRAME_L4) {
        unsigned slot = (maddr & ~PAGE_MASK) >> 3;

        if (slot >= XENPV_HOLE_FIRST_SLOT && slot <= XENPV_HOLE_LAST_SLOT) {
            return val ? -XEN_EINVAL : 0;
        }
        if (slot > XENPV_HOLE_LAST_SLOT && one_cr3()) {
            val &= ~PTE_US;
        }
    }
    if ((val & PTE_P) && !one_cr3()) {
        val |= PTE_US;
    }
    if ((type & (XENPV_FRAME_L2 | XENPV_FRAME_L3 | XENPV_FRAME_L4)) &&
        is_table(val)) {
        mark_below(val, type & XENPV_FRAME_L4 ? 3 :
                   type & XENPV_FRAME_L3 ? 2 : 1);
    }
    put_entry(p, val, preserve_ad);
    if (mfn == v->kernel_cr3 >> PAGE_SHIFT ||
        mfn == v->user_cr3 >> PAGE_SHIFT) {
        note_tables(v);
    }
    return 0;
}

long machphys_update(uint64_t maddr, uint64_t pfn)
{
    uint64_t mfn = maddr >> PAGE_SHIFT;

    if (!mfn_is_ram(mfn)) {
        return -XEN_EINVAL;
    }
    set_m2p(mfn, pfn);
    return 0;
}

static bool self(uint64_t dom)
{
    return dom == DOMID_SELF || dom == 1;
}

long hc_mmu_update(struct vcpu *v, struct regs *regs, uint64_t reqs,
                   uint64_t count, uint64_t pdone, uint64_t dom)
{
    uint32_t done = 0;
    long ret = 0;

    count = (uint32_t)count & ~0x80000000u;     /* a continuation, for Xen */
    if (!self(dom & 0xffff)) {
        return -XEN_EPERM;
    }
    for (; done < count && !ret; done += !ret) {
        struct mmu_update u;

        if (copy_from_guest(&u, reqs + done * sizeof(u), sizeof(u))) {
            ret = -XEN_EFAULT;
            break;
        }
        switch (u.ptr & 3) {
        case MMU_NORMAL_PT_UPDATE:
        case MMU_PT_UPDATE_NO_TRANSLATE:
            ret = store_entry(v, u.ptr, u.val, false);
            break;
        case MMU_PT_UPDATE_PRESERVE_AD:
            ret = store_entry(v, u.ptr, u.val, true);
            break;
        default:
            ret = machphys_update(u.ptr, u.val);
            break;
        }
        if (ret) {
            log_qemu(XENPV_LOG_MMU, u.ptr, u.val, regs->rip);
        }
    }
    if (pdone && copy_to_guest(pdone, &done, sizeof(done))) {
        ret = -XEN_EFAULT;
    }
    return ret;
}

/* A bitmap of the guest's: as many bytes of it as there are vCPUs */
static long read_vcpumask(uint64_t va, uint64_t *mask)
{
    *mask = 0;
    return copy_from_guest(mask, va, (SHARED->nr_vcpus + 7) / 8);
}

/* UVMF_*: what to flush in the lowest bits, whose in the others */
long flush_after_update(struct vcpu *v, uint64_t va, uint64_t flags)
{
    uint64_t whose = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;
    uint64_t mask = 1ull << v->id;

    if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_NONE) {
        return 0;
    }
    if (whose == UVMF_ALL) {
        mask = ALL_VCPUS;
    } else if (whose != UVMF_LOCAL && read_vcpumask(whose, &mask)) {
        return -XEN_EFAULT;
    }
    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_TLB_FLUSH:
        flush_vcpus(v, mask);
        return 0;
    case UVMF_INVLPG:
        flush_page_vcpus(v, mask, va);
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

long hc_update_va_mapping(struct vcpu *v, struct regs *regs, uint64_t va,
                          uint64_t pte, uint64_t flags)
{
    struct walk w;
    long ret;

    if (!guest_range_ok(va, 1) || !walk(v, va, &w) || w.level != 1) {
        return -XEN_EINVAL;
    }
    ret = store_entry(v, (uintptr_t)w.p - XENPV_DIRECT_VA, pte, false);
    if (ret) {
        log_qemu(XENPV_LOG_MMU, va, pte, regs->rip);
        return ret;
    }
    if (va >= HYPERVISOR_VIRT_END && (pte & (PTE_P | PTE_RW)) ==
        (PTE_P | PTE_RW) && mfn_is_ram(entry_mfn(pte))) {
        /* The guest says that this is not a page table, or no longer */
        clear_type(entry_mfn(pte), FRAME_TABLE & ~XENPV_FRAME_L4);
    }
    return flush_after_update(v, va, flags);
}

static long clear_or_copy(const struct mmuext_op *op)
{
    uint64_t dst = op->arg1.mfn, src = op->arg2.src_mfn;

    if (!mfn_is_ram(dst) ||
        (op->cmd == MMUEXT_COPY_PAGE && !mfn_is_ram(src))) {
        return -XEN_EINVAL;
    }
    if (op->cmd == MMUEXT_COPY_PAGE) {
        memcpy(direct(dst << PAGE_SHIFT), direct(src << PAGE_SHIFT),
               PAGE_SIZE);
    } else {
        memset(direct(dst << PAGE_SHIFT), 0, PAGE_SIZE);
    }
    return 0;
}

static long flush_op(struct vcpu *v, const struct mmuext_op *op)
{
    uint64_t mask = 1ull << v->id;
    bool page = op->cmd == MMUEXT_INVLPG_LOCAL ||
                op->cmd == MMUEXT_INVLPG_MULTI || op->cmd == MMUEXT_INVLPG_ALL;

    if (op->cmd == MMUEXT_TLB_FLUSH_ALL || op->cmd == MMUEXT_INVLPG_ALL) {
        mask = ALL_VCPUS;
    } else if (op->cmd == MMUEXT_TLB_FLUSH_MULTI ||
               op->cmd == MMUEXT_INVLPG_MULTI) {
        if (read_vcpumask((uintptr_t)op->arg2.vcpumask.p, &mask)) {
            return -XEN_EFAULT;
        }
    }
    if (page) {
        flush_page_vcpus(v, mask, op->arg1.linear_addr);
    } else {
        flush_vcpus(v, mask);
    }
    return 0;
}

long mmuext_one(struct vcpu *v, const struct mmuext_op *op)
{
    uint64_t mfn = op->arg1.mfn;

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        if (!mfn_is_ram(mfn)) {
            return -XEN_EINVAL;
        }
        pin(mfn, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
        return 0;
    case MMUEXT_UNPIN_TABLE:
        if (!mfn_is_ram(mfn)) {
            return -XEN_EINVAL;
        }
        clear_type(mfn, FRAME_TABLE);
        return 0;
    case MMUEXT_NEW_BASEPTR:
        return load_kernel_cr3(v, mfn);
    case MMUEXT_NEW_USER_BASEPTR:
        return load_user_cr3(v, mfn);
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_INVLPG_ALL:
        return flush_op(v, op);
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return 0;               /* no device shares memory uncached */
    case MMUEXT_SET_LDT:
        return set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
    case MMUEXT_CLEAR_PAGE:
    case MMUEXT_COPY_PAGE:
        return clear_or_copy(op);
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

long hc_mmuext_op(struct vcpu *v, struct regs *regs, uint64_t ops,
                  uint64_t count, uint64_t pdone, uint64_t dom)
{
    uint32_t done = 0;
    long ret = 0;

    count = (uint32_t)count & ~0x80000000u;
    if (!self(dom & 0xffff)) {
        return -XEN_EPERM;
    }
    for (; done < count && !ret; done += !ret) {
        struct mmuext_op op;

        if (copy_from_guest(&op, ops + done * sizeof(op), sizeof(op))) {
            ret = -XEN_EFAULT;
            break;
        }
        ret = mmuext_one(v, &op);
        if (ret) {
            log_qemu(XENPV_LOG_SUBOP, __HYPERVISOR_mmuext_op, op.cmd,
                     regs->rip);
        }
    }
    if (pdone && copy_to_guest(pdone, &done, sizeof(done))) {
        ret = -XEN_EFAULT;
    }
    return ret;
}
