/*
 * Descriptor tables and segment bases.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The processor's descriptor table is a window of 16 pages: the guest's
 * frames, aliased, so that what it writes counts at once, and two pages of
 * the monitor's behind them.
 */
#include "monitor.h"

#define DESC_P          (1ull << 47)
#define DESC_DPL        (3ull << 45)
#define DESC_S          (1ull << 44)
#define DESC_CODE       (1ull << 43)
#define DESC_L          (1ull << 53)

#define DESC_CODE64     0x00af9b000000ffffull
#define DESC_CODE32     0x00cf9b000000ffffull
#define DESC_DATA       0x00cf93000000ffffull
#define DPL(n)          ((uint64_t)(n) << 45)

static uint64_t *window_l1(struct vcpu *v)
{
    return (uint64_t *)(percpu(v) + XENPV_PERCPU_OFF_L1);
}

static uint64_t *own_gdt(struct vcpu *v)
{
    return (uint64_t *)(percpu(v) + XENPV_PERCPU_OFF_GDT);
}

static void set_own(struct vcpu *v, unsigned selector, uint64_t desc)
{
    own_gdt(v)[(selector - FIRST_RESERVED_GDT_BYTE) >> 3] = desc;
}

/* A descriptor of two words: TSS or LDT */
static void set_own_system(struct vcpu *v, unsigned selector, unsigned type,
                           uint64_t base, uint32_t limit)
{
    set_own(v, selector, (limit & 0xffff) | (base & 0xffffff) << 16 |
            (uint64_t)type << 40 | (uint64_t)(limit & 0xf0000) << 32 |
            (base & 0xff000000) << 32);
    set_own(v, selector + 8, base >> 32);
}

static void map_window(struct vcpu *v, unsigned page, uint64_t maddr)
{
    window_l1(v)[page] = maddr | PTE_P | PTE_RW | PTE_A | PTE_D;
    invlpg(XENPV_PERCPU_VA + v->id * XENPV_PERCPU_STRIDE + page * PAGE_SIZE);
}

void segment_init(struct vcpu *v)
{
    uint64_t zero = block_maddr(percpu(v) + XENPV_PERCPU_OFF_ZERO);
    uint64_t own = block_maddr(own_gdt(v));
    unsigned i;

    for (i = 0; i < FIRST_RESERVED_GDT_PAGE; i++) {
        map_window(v, i, zero);
    }
    map_window(v, FIRST_RESERVED_GDT_PAGE, own);
    map_window(v, FIRST_RESERVED_GDT_PAGE + 1, own + PAGE_SIZE);

    set_own(v, SEL_MONITOR_CS, DESC_CODE64);
    set_own(v, SEL_MONITOR_DS, DESC_DATA);
    if (v->pae) {
        set_own(v, SEL32_KERNEL_CS & ~7, DESC_CODE32 | DPL(1));
        set_own(v, SEL32_KERNEL_DS & ~7, DESC_DATA | DPL(1));
        set_own(v, SEL32_USER_CS & ~7, DESC_CODE32 | DPL(3));
        set_own(v, SEL32_USER_DS & ~7, DESC_DATA | DPL(3));
    } else {
        set_own(v, 0xe018, DESC_CODE32 | DPL(1));
        set_own(v, SEL_FLAT_CS32 & ~7, DESC_CODE32 | DPL(3));
        set_own(v, SEL_FLAT_SS & ~7, DESC_DATA | DPL(3));
        set_own(v, SEL_FLAT_CS64 & ~7, DESC_CODE64 | DPL(3));
        set_own(v, SEL_RING1_CS & ~7, DESC_CODE64 | DPL(1));
        set_own(v, SEL_RING1_DS & ~7, DESC_DATA | DPL(1));
    }
    set_own_system(v, SEL_TSS, 0x89,
                   (uintptr_t)percpu(v) + XENPV_PERCPU_OFF_TSS, 103);
}

/*
 * The guest writes descriptors of ring 0 and uses them in what it thinks is
 * ring 0: they become those of the ring it is in.  System descriptors are the
 * monitor's business.
 */
static bool fix_descriptor(const struct vcpu *v, uint64_t *desc)
{
    uint64_t ring = v->kernel_cs & 3;

    if (!(*desc & DESC_P)) {
        return true;
    }
    if (!(*desc & DESC_S)) {
        return false;
    }
    if (v->pae && (*desc & DESC_CODE) && (*desc & DESC_L)) {
        return false;           /* there is no 64-bit mode for it */
    }
    if ((*desc & DESC_DPL) < DPL(ring)) {
        *desc = (*desc & ~DESC_DPL) | DPL(ring);
    }
    return true;
}

long set_gdt_frames(struct vcpu *v, const uint64_t *frames, unsigned entries)
{
    unsigned nr = (entries + 511) / 512, i, j;

    if (entries > FIRST_RESERVED_GDT_ENTRY) {
        return -XEN_EINVAL;
    }
    for (i = 0; i < nr; i++) {
        if (!mfn_is_ram(frames[i])) {
            return -XEN_EINVAL;
        }
    }
    for (i = 0; i < nr; i++) {
        uint64_t *gdt = direct(frames[i] << PAGE_SHIFT);
        unsigned last = entries - i * 512;

        for (j = 0; j < 512 && j < last; j++) {
            if (!fix_descriptor(v, &gdt[j])) {
                gdt[j] = 0;
            }
        }
        map_window(v, i, frames[i] << PAGE_SHIFT);
    }
    for (; i < FIRST_RESERVED_GDT_PAGE; i++) {
        map_window(v, i, block_maddr(percpu(v) + XENPV_PERCPU_OFF_ZERO));
    }
    return 0;
}

long hc_set_gdt(struct vcpu *v, uint64_t frames, uint64_t entries)
{
    uint64_t list[FIRST_RESERVED_GDT_PAGE];

    if (entries > FIRST_RESERVED_GDT_ENTRY) {
        return -XEN_EINVAL;
    }
    if (copy_from_guest(list, frames, (entries + 511) / 512 * 8)) {
        return -XEN_EFAULT;
    }
    return set_gdt_frames(v, list, entries);
}

long hc_update_descriptor(struct vcpu *v, uint64_t maddr, uint64_t desc)
{
    uint64_t *p;

    if ((maddr & 7) || !mfn_is_ram(maddr >> PAGE_SHIFT) ||
        !fix_descriptor(v, &desc)) {
        return -XEN_EINVAL;
    }
    p = direct(maddr);
    WRITE_ONCE(*p, desc);
    return 0;
}

/* Make the table visible on page tables without the kernel's half */
static bool map_ldt(struct vcpu *v, uint64_t base, uint64_t ents)
{
    uint64_t maddr;
    unsigned i;

    if (base & ~PAGE_MASK) {
        return false;
    }
    for (i = 0; i * 512 < ents; i++) {
        if (!resolve_va(v, base + i * PAGE_SIZE, &maddr)) {
            return false;
        }
        map_window(v, XENPV_WIN_LDT / PAGE_SIZE + i, maddr);
    }
    return true;
}

/*
 * Where there is one page table the table stays where the guest has it.
 * Linux sets the accessed bit in all entries, so that the processor never
 * writes to the read-only page.
 */
long set_ldt(struct vcpu *v, uint64_t base, uint64_t ents)
{
    if (ents > 8192 || !guest_range_ok(base, ents * 8)) {
        return -XEN_EINVAL;
    }
    if (ents && (SHARED->guest_flags & XENPV_GUEST_STRICT)) {
        if (!map_ldt(v, base, ents)) {
            return -XEN_EINVAL;
        }
        base = XENPV_PERCPU_VA + v->id * XENPV_PERCPU_STRIDE + XENPV_WIN_LDT;
    }
    if (ents) {
        set_own_system(v, SEL_LDT, 0x82, base, ents * 8 - 1);
        __asm__ volatile("lldt %w0" : : "r"(SEL_LDT) : "memory");
    } else {
        __asm__ volatile("lldt %w0" : : "r"(0) : "memory");
    }
    return 0;
}

long hc_set_segment_base(struct vcpu *v, uint64_t which, uint64_t base)
{
    uint32_t msr;

    (void)v;
    switch (which) {
    case SEGBASE_FS:
        msr = MSR_FS_BASE;
        break;
    case SEGBASE_GS_USER:
        msr = MSR_KERNEL_GS_BASE;   /* the guest kernel runs: swapped out */
        break;
    case SEGBASE_GS_KERNEL:
        msr = MSR_GS_BASE;
        break;
    case SEGBASE_GS_USER_SEL:
        /* Linux BUGs on failure; like Xen, leave a null selector instead */
        load_user_gs(base);
        return 0;
    default:
        return -XEN_EINVAL;
    }
    if (!canonical(base) || wrmsr_guarded(msr, base)) {
        return -XEN_EINVAL;
    }
    return 0;
}
