/*
 * xenner, the monitor: the CPU side of the Xen PV ABI, in ring 0 of the VM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Reading order: entry.S (ways in and out), traps.c (what is done with an
 * exception), hypercall.c (the table), then one file per subject.
 *
 * Protects nothing from the guest: the VM is the boundary.  It does protect
 * a well-meaning guest from its own mistakes, as Xen would: a bad pointer is
 * -EFAULT, an unknown call -ENOSYS, an illegal instruction the guest's own
 * exception.
 */
#ifndef XENNER_MONITOR_H
#define XENNER_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define __XEN_INTERFACE_VERSION__ 0x00040e00
#include "hw/xen/interface/xen.h"
#include "hw/xen/interface/event_channel.h"
#include "hw/xen/interface/features.h"
#include "hw/xen/interface/grant_table.h"
#include "hw/xen/interface/memory.h"
#include "hw/xen/interface/physdev.h"
#include "hw/xen/interface/sched.h"
#include "hw/xen/interface/vcpu.h"
#include "hw/xen/interface/version.h"

#include "hw/xenpv/monitor-abi.h"
#include "asm-offsets.h"

/* Error numbers of Xen's public errno.h, which QEMU's tree does not carry */
#define XEN_EPERM       1
#define XEN_ENOENT      2
#define XEN_ENXIO       6
#define XEN_EFAULT      14
#define XEN_EBUSY       16
#define XEN_EEXIST      17
#define XEN_ENODEV      19
#define XEN_EINVAL      22
#define XEN_ENOSYS      38
#define XEN_ENODATA     61
#define XEN_ETIME       62
#define XEN_EOPNOTSUPP  95

#define PAGE_SHIFT      12
#define PAGE_SIZE       4096ull
#define PAGE_MASK       (~(PAGE_SIZE - 1))

/* Page table entries */
#define PTE_P           0x001ull
#define PTE_RW          0x002ull
#define PTE_US          0x004ull
#define PTE_PCD         0x010ull
#define PTE_A           0x020ull
#define PTE_D           0x040ull
#define PTE_PS          0x080ull
#define PTE_ADDR        0x000ffffffffff000ull

#define ARRAY_SIZE(a)   (sizeof(a) / sizeof((a)[0]))
#define barrier()       __asm__ volatile("" : : : "memory")

/*
 * Memory the guest, QEMU or a device shares with us: exactly one access.
 * volatile because nothing else says that to a freestanding compiler.
 */
#define READ_ONCE(x)        (*(const volatile __typeof__(x) *)&(x))
/* The same for stores */
#define WRITE_ONCE(x, v)    (*(volatile __typeof__(x) *)&(x) = (v))

/**
 * struct regs: a context, as pushed by entry.S
 *
 * cs and ss are the real selectors: ring 1 while the guest kernel runs.
 */
struct regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* What exit_work() has to look at; struct vcpu.work, changed atomically */
#define WORK_NMI        0x01
#define WORK_PARK       0x02    /* another vCPU has taken this one down */
#define WORK_REFRESH    0x04    /* timers or the runstate area are new */

/* Requests to a vCPU to flush that are told one by one; more: all at once */
#define FLUSH_SLOTS     8

/* @cs is for 32-bit guests, whose handlers name a code segment */
struct callback {
    uint64_t address;
    bool mask_events;
    uint16_t cs;
};

/**
 * struct vcpu: all the monitor knows about one vCPU
 *
 * The head is known to entry.S (asm-offsets.h).
 *
 * @kernel_sp: stack_switch's, rounded down as a frame wants it
 * @info: the vcpu_info in use, through the direct map
 * @in_kernel: the guest is in kernel mode; the only way to tell its
 *             hypercalls from its processes' system calls
 * @fast_syscall: entry.S may take user system calls to the guest by itself
 * @work: WORK_*
 * @fast_iret: entry.S may handle the iret hypercall by itself
 *
 * The others see each other's, too.  Whose a field is:
 *
 * @work: anybody's, by atomic operations, with an event interrupt after it
 * @info: changed by its vCPU, or for one that is down
 * @up, @initialised: sched.c, under its lock
 * @asleep: its own; while set it touches no memory of the guest's through
 *          the guest's page tables, and flushes before it does again
 * @flush_want: counted up by whoever wants a flush; @flush_done its own;
 *              @flush_slot see flush.c
 * @boot: from VCPUOP_initialise until it is first up
 * Everything else is its own.
 */
struct vcpu {
    uint64_t kernel_sp;
    uint64_t syscall_eip;
    struct vcpu_info *info;
    uint64_t kernel_cs;
    uint64_t kernel_ss;
    uint8_t in_kernel;
    uint8_t fast_syscall;
    uint8_t work;
    uint8_t fast_iret;

    uint32_t id;
    uint64_t kernel_cr3;
    uint64_t user_cr3;
    uint64_t *top;              /* table walk() begins with, */
    uint8_t levels;             /* and its level */
    bool pae;                   /* a 32-bit guest; the same for all vCPUs */
    uint8_t two_tables;         /* user mode runs on user_cr3 */
    uint8_t tables_changed;     /* so that has to be found out anew */
    uint64_t cr4;               /* as the guest sees it */
    bool ts;                    /* the guest's CR0.TS */
    bool nmi_masked;
    uint8_t iopl;
    bool info_registered;
    uint64_t debugreg[8];
    struct vcpu_info first_info;    /* where shared_info has no room */

    /* sched.c */
    uint8_t up;
    uint8_t initialised;
    struct {
        uint64_t fs_base, gs_base_kernel, gs_base_user;
        uint64_t ldt_base, ldt_ents;
        uint16_t ds, es, fs, gs;
    } boot;

    /* flush.c */
    uint8_t asleep;
    uint32_t flush_want;
    uint32_t flush_done;
    uint64_t flush_slot[FLUSH_SLOTS];

    struct callback event_cb;
    struct callback failsafe_cb;
    struct callback syscall_cb;
    struct callback syscall32_cb;
    struct callback sysenter_cb;
    struct callback nmi_cb;

    /* time.c */
    uint64_t timer_deadline;    /* set_timer_op; 0 = none; ns */
    uint64_t singleshot;        /* vcpu_op; 0 = none; ns */
    uint64_t periodic_next;     /* 0 = none */
    uint64_t periodic_period;
    uint64_t poll_deadline;
    uint32_t poll_port;         /* 0: none, or several */
    uint32_t runstate_version;  /* odd while it is being changed */
    uint64_t stolen_taken;      /* of the kick's; is in runstate */
    struct vcpu_runstate_info runstate;
    void *runstate_ptr[2];      /* where it lies, split at a page boundary */
    uint32_t runstate_split;
    struct vcpu_time_info *time_area;

    /* event.c */
    uint16_t virq_port[NR_VIRQS];

    struct trap_info trap[256];
};

extern struct vcpu *vcpus[XENPV_MAX_VCPUS];    /* all that exist */
extern uint64_t vm_assist;                      /* the guest's */

/* ---- addresses ---- */

#define SHARED ((struct xenpv_mon_shared *)(XENPV_MONITOR_VA + \
                                            XENPV_OFF_SHARED))
#define SHARED_INFO ((struct shared_info *)(XENPV_MONITOR_VA + \
                                            XENPV_OFF_SHARED_INFO))
#define PORTS ((const struct xenpv_mon_port *)(XENPV_MONITOR_VA + \
                                               XENPV_OFF_PORTS))

static inline struct vcpu *current(void)
{
    uintptr_t sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct vcpu *)((sp & ~(uintptr_t)(XENPV_PERCPU_SIZE - 1)) +
                           VCPU_OFF);
}

static inline uint8_t *percpu(const struct vcpu *v)
{
    return (uint8_t *)v - VCPU_OFF;
}

static inline void *direct(uint64_t maddr)
{
    return (void *)(XENPV_DIRECT_VA + maddr);
}

static inline uint64_t block_maddr(const void *p)
{
    return (uintptr_t)p - XENPV_MONITOR_VA + SHARED->block_gpa;
}

static inline bool guest_is_pae(void)
{
    return SHARED->guest_flags & XENPV_GUEST_PAE;
}

static inline void set_m2p(uint64_t mfn, uint64_t pfn)
{
    uint64_t table = XENPV_MONITOR_VA + SHARED->m2p_off;

    if (guest_is_pae()) {
        WRITE_ONCE(((uint32_t *)table)[mfn], pfn);
    } else {
        WRITE_ONCE(((uint64_t *)table)[mfn], pfn);
    }
}

static inline uint8_t *frame_types(void)
{
    return (uint8_t *)(XENPV_MONITOR_VA + SHARED->types_off);
}

/* Is this a frame of guest RAM? */
static inline bool mfn_is_ram(uint64_t mfn)
{
    uint64_t maddr = mfn << PAGE_SHIFT;

    return (maddr >= XENPV_RAM_LOW && maddr < SHARED->ram_low_end) ||
           (maddr >= XENPV_RAM_HIGH && maddr < SHARED->ram_high_end);
}

static inline bool canonical(uint64_t va)
{
    return va + (1ull << 47) < 1ull << 48;
}

/* Addresses a guest may hand us: not the hole, and canonical */
static inline bool guest_range_ok(uint64_t va, uint64_t len)
{
    uint64_t end = va + len;

    return end >= va && (end <= XENPV_M2P_VA || va >= HYPERVISOR_VIRT_END);
}

/* ---- processor ---- */

static inline uint64_t read_cr2(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr2, %0" : "=r"(v));
    return v;
}

static inline void write_cr3(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(v) : "memory");
}

static inline uint64_t read_cr3(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr3, %0" : "=r"(v));
    return v;
}

static inline uint64_t read_cr0(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr0, %0" : "=r"(v));
    return v;
}

static inline void write_cr0(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(v) : "memory");
}

static inline uint64_t read_cr4(void)
{
    uint64_t v;

    __asm__ volatile("mov %%cr4, %0" : "=r"(v));
    return v;
}

static inline void write_cr4(uint64_t v)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(v) : "memory");
}

static inline void invlpg(uint64_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return lo | (uint64_t)hi << 32;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v),
                     "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return lo | (uint64_t)hi << 32;
}

static inline void swapgs(void)
{
    __asm__ volatile("swapgs" : : : "memory");
}

static inline void pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/*
 * Held for a few lines, never over a call to QEMU or a wait for another
 * vCPU's flush: who waits for a lock does not flush.
 */
typedef struct spinlock {
    uint8_t held;
} spinlock;

static inline void spin_lock(spinlock *l)
{
    while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)) {
        pause();
    }
}

static inline void spin_unlock(spinlock *l)
{
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

#define MSR_APIC_BASE       0x0000001b
#define MSR_SYSENTER_CS     0x00000174
#define MSR_SYSENTER_ESP    0x00000175
#define MSR_SYSENTER_EIP    0x00000176
#define MSR_PAT             0x00000277
#define MSR_EFER            0xc0000080
#define MSR_STAR            0xc0000081
#define MSR_LSTAR           0xc0000082
#define MSR_CSTAR           0xc0000083
#define MSR_SYSCALL_MASK    0xc0000084
#define MSR_FS_BASE         0xc0000100
#define MSR_GS_BASE         0xc0000101
#define MSR_KERNEL_GS_BASE  0xc0000102
#define MSR_TSC_AUX         0xc0000103

#define EFER_SCE            0x00000001ull
#define EFER_LME            0x00000100ull
#define EFER_LMA            0x00000400ull
#define CR0_MP              0x00000002ull
#define CR0_TS              0x00000008ull
#define CR4_TSD             0x00000004ull
#define CR4_DE              0x00000008ull
#define CR4_PAE             0x00000020ull
#define CR4_OSFXSR          0x00000200ull
#define CR4_OSXMMEXCPT      0x00000400ull
#define CR4_FSGSBASE        0x00010000ull
#define CR4_OSXSAVE         0x00040000ull

/* Xen's layout of the page attribute table, part of the ABI */
#define XEN_PAT             0x0000050100070406ull

/* ---- entry.S ---- */

extern uint8_t vector_stubs[], nmi_stub[], double_fault_stub[],
    machine_check_stub[];
extern uint8_t hypercall32_stub[];
extern uint8_t syscall_stub[], syscall_stub_end[];
extern uint8_t syscall32_stub[], syscall32_stub_end[];
extern uint8_t sysenter_stub[], sysenter_stub_end[];
extern uint8_t syscall_entry[], syscall32_entry[], sysenter_entry[];
extern uint8_t iret_to_guest[], iret_to_user[], iret_to_kernel[];

/* Instructions that may fault on the guest's account; offsets from the field */
struct extable_entry {
    int32_t insn;
    int32_t fixup;
};

extern const struct extable_entry extable_start[], extable_end[];

void resume_guest(struct regs *regs) __attribute__((noreturn));
void wait_for_interrupt(void);
unsigned long copy_guarded(void *dst, const void *src, unsigned long len);
int read64_guarded(uint64_t *value, const void *address);
int rdmsr_guarded(uint32_t index, uint64_t *value);
int wrmsr_guarded(uint32_t index, uint64_t value);
int xsetbv_guarded(uint32_t index, uint64_t value);
int load_user_gs(uint16_t selector);
void load_data_segments(uint16_t ds, uint16_t es, uint16_t fs);
void load_gs(uint16_t selector);

/* Called from entry.S */
void vcpu_start(uint32_t id);
void trap_from_guest(struct regs *regs);
void trap_from_monitor(struct regs *regs);
void trap_on_ist(struct regs *regs);
void exit_work(struct regs *regs);
void syscall_from_guest(struct regs *regs);
void hypercall(struct regs *regs);
void hypercall32(struct regs *regs);

/* ---- lib.c, call.c ---- */

void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);

/* 0 or -EFAULT */
static inline int copy_from_guest(void *dst, uint64_t src, size_t len)
{
    if (!guest_range_ok(src, len) ||
        copy_guarded(dst, (const void *)src, len)) {
        return -XEN_EFAULT;
    }
    return 0;
}

static inline int copy_to_guest(uint64_t dst, const void *src, size_t len)
{
    if (!guest_range_ok(dst, len) || copy_guarded((void *)dst, src, len)) {
        return -XEN_EFAULT;
    }
    return 0;
}

int64_t call_qemu(uint32_t nr, uint32_t subop, const uint64_t arg[4]);
struct xenpv_mailbox *mailbox(void);
void log_qemu(uint32_t kind, uint64_t a, uint64_t b, uint64_t rip);
void panic(const char *why, const struct regs *regs) __attribute__((noreturn));
void crash_guest(const char *why, const struct regs *regs)
    __attribute__((noreturn));

/* ---- traps.c ---- */

void inject(struct vcpu *v, struct regs *regs, unsigned vector,
            uint64_t error);
void inject_page_fault(struct vcpu *v, struct regs *regs, uint64_t address,
                       uint64_t error);
void enter_kernel(struct vcpu *v);
void enter_user(struct vcpu *v);
long do_iret(struct vcpu *v, struct regs *regs);
void update_fast_paths(struct vcpu *v);
bool interrupt(struct vcpu *v, unsigned vector);
void exception(struct vcpu *v, struct regs *regs);
bool vector_has_error(unsigned vector);

/* ---- pae-traps.c: the same for 32-bit guests ---- */

void trap_from_guest32(struct vcpu *v, struct regs *regs);
void bounce32(struct vcpu *v, struct regs *regs, const struct callback *cb,
              bool has_error, uint64_t error);
long do_iret32(struct vcpu *v, struct regs *regs);
void iret_fault32(struct vcpu *v, const struct regs *regs);

/* A selector of the kernel's: what it takes for ring 0 is ring 1 */
static inline uint16_t kernel_selector(uint16_t selector)
{
    return selector & 3 ? selector : selector | 1;
}

/* In a 32-bit guest's vcpu_info */
static inline uint32_t *cr2_32(struct vcpu *v)
{
    return (uint32_t *)((uint8_t *)v->info + 8);
}

/* Xen's way to have any frame number in a CR3 of 32 bits */
static inline uint32_t cr3_of_frame32(uint64_t mfn)
{
    return (uint32_t)mfn << 12 | (uint32_t)mfn >> 20;
}

static inline uint64_t frame_of_cr3_32(uint32_t cr3)
{
    return cr3 >> 12 | cr3 << 20;
}

/* ---- hypercall.c, for pae-calls.c ---- */

struct callback *callback_slot(struct vcpu *v, unsigned type);
long hc_fpu_taskswitch(struct vcpu *v, uint64_t set);
long hc_set_debugreg(struct vcpu *v, uint64_t n, uint64_t val);
long hc_get_debugreg(struct vcpu *v, uint64_t n);
long hc_vm_assist(struct vcpu *v, uint64_t cmd, uint64_t type);
long hc_physdev_op(struct vcpu *v, uint64_t op, uint64_t arg);
long hc_xen_version(struct vcpu *v, uint64_t cmd, uint64_t arg);
long hc_console_io(struct vcpu *v, uint64_t cmd, uint64_t count, uint64_t buf);

/* Of Xen's callback.h and nmi.h, which QEMU's tree does not carry */
#define CALLBACKOP_register         0
#define CALLBACKOP_unregister       1
#define CALLBACKTYPE_event          0
#define CALLBACKTYPE_failsafe       1
#define CALLBACKTYPE_syscall        2
#define CALLBACKTYPE_nmi            4
#define CALLBACKTYPE_sysenter       5
#define CALLBACKTYPE_syscall32      7
#define CALLBACKF_mask_events       1

#define XENNMI_register_callback    0
#define XENNMI_unregister_callback  1

/* ---- privop.c ---- */

void cpuid_faults(void);
bool emulate_forced_cpuid(struct vcpu *v, struct regs *regs);
bool emulate_privop(struct vcpu *v, struct regs *regs);
void set_ts(struct vcpu *v, bool ts);

/* ---- segment.c ---- */

void segment_init(struct vcpu *v);
long hc_set_gdt(struct vcpu *v, uint64_t frames, uint64_t entries);
long set_gdt_frames(struct vcpu *v, const uint64_t *frames, unsigned entries);
long hc_update_descriptor(struct vcpu *v, uint64_t maddr, uint64_t desc);
long hc_set_segment_base(struct vcpu *v, uint64_t which, uint64_t base);
long set_ldt(struct vcpu *v, uint64_t base, uint64_t ents);

/* ---- mmu.c ---- */

long hc_mmu_update(struct vcpu *v, struct regs *regs, uint64_t reqs,
                   uint64_t count, uint64_t pdone, uint64_t dom);
long hc_mmuext_op(struct vcpu *v, struct regs *regs, uint64_t ops,
                  uint64_t count, uint64_t pdone, uint64_t dom);
long hc_update_va_mapping(struct vcpu *v, struct regs *regs, uint64_t va,
                          uint64_t pte, uint64_t flags);
bool fixup_write_fault(struct vcpu *v, uint64_t address);
bool fixup_user_fault(struct vcpu *v, uint64_t address);
bool resolve_va(struct vcpu *v, uint64_t va, uint64_t *maddr);
long load_kernel_cr3(struct vcpu *v, uint64_t mfn);
long load_user_cr3(struct vcpu *v, uint64_t mfn);
void choose_tables(struct vcpu *v);
void mmu_init(void);

/* ---- mmu.c, for pae-mmu.c ---- */

#define PAE_LEVELS 3

/*
 * The entry that maps an address: where it is, what was in it, its level, 1
 * to 3, and the AND of those above it
 */
struct walk {
    uint64_t *p;
    uint64_t entry;
    uint64_t above;
    unsigned level;
};

bool walk(struct vcpu *v, uint64_t va, struct walk *w);
bool is_table(uint64_t entry);
bool target_ok(uint64_t entry);
void set_type(uint64_t mfn, uint8_t bits);
void mark_below(uint64_t entry, unsigned level);
void put_entry(uint64_t *p, uint64_t val, bool preserve_ad);
long machphys_update(uint64_t maddr, uint64_t pfn);
long flush_after_update(struct vcpu *v, uint64_t va, uint64_t flags);
long mmuext_one(struct vcpu *v, const struct mmuext_op *op);
bool allow_table_write(struct vcpu *v, uint64_t address, uint8_t types);

/* ---- pae-mmu.c ---- */

void pae_init(struct vcpu *v);
long load_cr3_32(struct vcpu *v, uint64_t mfn);
long hc_mmu_update32(struct vcpu *v, struct regs *regs, const uint32_t *a);
long hc_mmuext_op32(struct vcpu *v, struct regs *regs, const uint32_t *a);
long hc_update_va_mapping32(struct vcpu *v, struct regs *regs,
                            const uint32_t *a);

/* ---- flush.c ---- */

#define ALL_VCPUS (~0ull)

void flush_vcpus(struct vcpu *v, uint64_t mask);
void flush_page_vcpus(struct vcpu *v, uint64_t mask, uint64_t va);
void flush_serve(struct vcpu *v);
void sleep_begin(struct vcpu *v);
void sleep_end(struct vcpu *v);

/* ---- event.c ---- */

long hc_event_channel_op(struct vcpu *v, uint64_t op, uint64_t arg);
void set_port_pending(uint32_t port);
void raise_virq(struct vcpu *v, unsigned virq);
void take_kick(struct vcpu *v);
void give_work(struct vcpu *to, uint8_t work);
bool event_due(const struct vcpu *v);
void event_init(void);
void select_all(struct vcpu_info *info);

/* ---- time.c ---- */

void time_init(struct vcpu *v);
void time_resync(struct vcpu *v, bool jumped);
void time_move(struct vcpu *v, struct vcpu_info *to);
uint64_t time_now(void);
void timer_interrupt(struct vcpu *v);
void timer_program(struct vcpu *v);
void runstate_set(struct vcpu *v, int state);
void runstate_init(struct vcpu *v, int state);
void runstate_publish(struct vcpu *v);
void runstate_get(const struct vcpu *v, struct vcpu_runstate_info *r);
size_t runstate_layout(struct vcpu_runstate_info *r, const uint8_t **bytes);
long hc_set_timer_op(struct vcpu *v, uint64_t deadline);
long register_runstate(struct vcpu *v, struct vcpu *to, uint64_t va);
long register_time_area(struct vcpu *v, struct vcpu *to, uint64_t va);

/* ---- apic.c ---- */

void apic_init(void);
void apic_eoi(void);
void apic_timer(uint32_t ns);
void apic_ipi(const struct vcpu *to, uint8_t vector);
void apic_self_ipi(uint8_t vector);

/* ---- sched.c ---- */

long hc_sched_op(struct vcpu *v, struct regs *regs, uint64_t op,
                 uint64_t arg);
long hc_sched_op_compat(struct vcpu *v, struct regs *regs, uint64_t op,
                        uint64_t arg);
long hc_vcpu_op(struct vcpu *v, uint64_t op, uint64_t id, uint64_t arg);
void block(struct vcpu *v);
void park(struct vcpu *v);
void set_up(struct vcpu *v, bool up);
long poll_ports(struct vcpu *v, const struct sched_poll *p);
long set_singleshot(struct vcpu *v, const struct vcpu_set_singleshot_timer *t);

/* ---- memory.c ---- */

long hc_memory_op(struct vcpu *v, uint64_t cmd, uint64_t arg);
long hc_grant_table_op(struct vcpu *v, uint64_t cmd, uint64_t arg,
                       uint64_t count);
long reservation(struct vcpu *v, uint64_t cmd,
                 const struct xen_memory_reservation *r);
long put_memory_map(uint64_t buffer);
void make_table(struct gnttab_setup_table *s);

#endif /* XENNER_MONITOR_H */
