/*
 * What a micro-guest has: checks, hypercalls, traps, memory, user mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fact is one file: a head comment that says it, and a main() whose checks
 * fail without it.  main() returns if it holds.  The runtime keeps to what
 * real Xen allows, so that a fact can be tried there too.
 *
 * Ready when main() runs: the trap table, the callbacks, kernel_sp, the
 * mapping of shared_info.  Events are masked.
 */
#ifndef GUEST_ABI_H
#define GUEST_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

#define XEN_EPERM       1
#define XEN_ENOENT      2
#define XEN_ENXIO       6
#define XEN_EFAULT      14
#define XEN_EBUSY       16
#define XEN_EEXIST      17
#define XEN_ENODEV      19
#define XEN_EINVAL      22
#define XEN_ENOSYS      38
#define XEN_ETIME       62

#define PAGE_SIZE       4096ul
#define PTE_P           0x001ul
#define PTE_RW          0x002ul
#define PTE_US          0x004ul
#define PTE_A           0x020ul
#define PTE_D           0x040ul
#define PTE_NX          (1ul << 63)
#define PTE_ADDR        0x000ffffffffff000ul

#define FL_CF           0x001ul
#define FL_TF           0x100ul
#define FL_IF           0x200ul
#define FL_DF           0x400ul
#define FL_IOPL         0x3000ul
#define FL_NT           0x4000ul
#define FL_AC           0x40000ul

/* Selectors of Xen's own descriptors */
#define KERNEL_CS       0xe033
#define KERNEL_CS_SHOWN 0xe030      /* in a frame: RPL 0 is kernel mode */
#define KERNEL_SS       0xe02b
#define USER_CS         0xe033
#define USER_CS32       0xe023
#define USER_SS         0xe02b
/* And of linux_descriptors() */
#define LINUX_CS32      0x23
#define LINUX_SS        0x2b
#define LINUX_CS        0x33

#define HOLE_START      0xffff800000000000ul
#define HOLE_END        0xffff880000000000ul
/* volatile: the monitor writes it */
#define M2P             ((volatile uint64_t *)HOLE_START)
#define NON_CANONICAL   0x0000800000000000ul
#define NOWHERE         0x00007ffffffff000ul    /* canonical, never mapped */

/* ---- verdict ----------------------------------------------------------- */

void print(const char *s);
void print_hex(uint64_t v);
void __attribute__((noreturn)) fail(const char *where, const char *what);
void __attribute__((noreturn))
fail_equal(const char *where, const char *what, uint64_t got, uint64_t want);
void __attribute__((noreturn)) skip(const char *why);
void __attribute__((noreturn)) power_off(void);

#define STR_(x) #x
#define STR(x) STR_(x)
#define HERE __FILE__ ":" STR(__LINE__)

/* Ends the guest, and names itself, if @cond is false */
#define check(cond) \
    do { \
        if (!(cond)) { \
            fail(HERE, #cond); \
        } \
    } while (0)

#define equal(got, want) \
    do { \
        uint64_t got_ = (uint64_t)(got), want_ = (uint64_t)(want); \
        if (got_ != want_) { \
            fail_equal(HERE, #got, got_, want_); \
        } \
    } while (0)

/* ---- hypercalls -------------------------------------------------------- */

static inline long hypercall(unsigned nr, uint64_t a1, uint64_t a2,
                             uint64_t a3, uint64_t a4, uint64_t a5)
{
    register uint64_t r10 __asm__("r10") = a4;
    register uint64_t r8 __asm__("r8") = a5;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret), "+D"(a1), "+S"(a2), "+d"(a3), "+r"(r10),
                       "+r"(r8)
                     : "0"((uint64_t)nr)
                     : "rcx", "r11", "memory");
    return ret;
}

#define HC_(n, a1, a2, a3, a4, a5, ...) \
    hypercall(n, (uint64_t)(a1), (uint64_t)(a2), (uint64_t)(a3), \
              (uint64_t)(a4), (uint64_t)(a5))
/* hc(name, arguments...) of Xen's __HYPERVISOR_name, up to five */
#define hc(name, ...) HC_(__HYPERVISOR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0)

/* ---- start of day ------------------------------------------------------ */

struct boot_state {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags;
    uint32_t cs, ss, ds, es, fs, gs;
    uint16_t fcw;
    uint16_t pad;
    uint32_t mxcsr;
};

extern struct boot_state boot;
/* As found at start: before the runtime touched anything */
extern uint8_t boot_masks[XEN_LEGACY_MAX_VCPUS];
extern struct start_info *start_info;
extern uint8_t shared_info_page[];
/* volatile: the monitor and QEMU write it */
#define SHARED ((volatile struct shared_info *)shared_info_page)
#define VCPU (&SHARED->vcpu_info[0])

/* ---- traps ------------------------------------------------------------- */

struct frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* frame.vector, besides 0..255 */
#define EVENT           256
#define FAILSAFE        257
#define SYSCALL         258
#define SYSCALL32       259
#define SYSENTER        260
#define NMI_CALLBACK    261
#define NO_TRAP         999

#define X86_DE  0
#define X86_DB  1
#define X86_BP  3
#define X86_OF  4
#define X86_UD  6
#define X86_NM  7
#define X86_NP  11
#define X86_SS  12
#define X86_GP  13
#define X86_PF  14

extern char trap_entries[];
extern char event_entry[], failsafe_entry[], syscall_entry[],
    syscall32_entry[], sysenter_entry[], nmi_entry[];
extern uint8_t hypercall_page[];

#define ENTRY_OF(vector) ((uint64_t)trap_entries + 32 * (vector))

/* The last trap taken: inside a handler the current one */
extern struct frame trap;
/* Where its frame began: the stack pointer the entry point got */
extern uint64_t trap_rsp;
/* How often each came; volatile as traps come at any instruction */
extern volatile unsigned trap_count[];
/* cr2 of the last page fault */
extern uint64_t trap_cr2;
/* evtchn_upcall_mask at the entry point */
extern uint8_t trap_mask;

/*
 * Called for a trap in kernel or user mode; may change what is returned to.
 * Without one, a trap in try() is caught, a trap in run() ends it, events are
 * counted and acknowledged, and any other is a failure.
 */
extern void (*on_trap)(struct frame *f);

/* The next iret's flags: VGCF_in_syscall; normally 0 */
extern uint64_t iret_flags;

/*
 * Run one instruction (or a few) and give the vector of the trap it took, or
 * NO_TRAP; details in trap.  try("insn", : outputs : inputs : clobbers).
 * The variables are its own, and volatile: the trap handler writes them.
 */
/* volatile */
extern volatile uint64_t try_resume, try_vector;
#define try(insn, ...) \
    ({ \
        try_vector = NO_TRAP; \
        __asm__ volatile("movq $771f, try_resume(%%rip)\n\t" \
                         insn "\n" \
                         "771:\n\t" \
                         "movq $0, try_resume(%%rip)" __VA_ARGS__); \
        __asm__ volatile("" : : : "memory"); \
        try_vector; \
    })

/* Vectors of a read and a write of 8 bytes */
uint64_t try_read(uint64_t address);
uint64_t try_write(uint64_t address, uint64_t value);

void set_trap(unsigned vector, uint64_t address, unsigned flags);
long register_callback(unsigned type, unsigned flags, const void *address);

#define CALLBACK_EVENT      0
#define CALLBACK_FAILSAFE   1
#define CALLBACK_SYSCALL    2
#define CALLBACK_NMI        4
#define CALLBACK_SYSENTER   5
#define CALLBACK_SYSCALL32  7
#define CALLBACKF_mask_events 1
long unregister_callback(unsigned type);

/* ---- memory ------------------------------------------------------------ */

/* All below is for addresses in the initial mapping, from VIRT_BASE on */
uint64_t pfn_of(const void *va);
uint64_t mfn_of(const void *va);

/* A zeroed page in the initial mapping */
void *alloc_page(void);

/* The entry that maps @va in the current kernel page table, and where it is */
uint64_t *entry_of(uint64_t va, unsigned level);
uint64_t entry_maddr(const uint64_t *entry);

long update_va(uint64_t va, uint64_t entry);        /* with INVLPG */
long set_entry(uint64_t *entry, uint64_t val);      /* mmu_update, one */
long mmuext(unsigned cmd, uint64_t arg1, uint64_t arg2);
void set_read_only(const void *va);
void set_writable(const void *va);
/* Map a frame anywhere, making the tables on the way */
void map(uint64_t va, uint64_t mfn, uint64_t flags);
uint64_t kernel_l4_mfn(void);

/* ---- user mode --------------------------------------------------------- */

/* Code in section .user is mapped at USER_VA for user mode */
#if VIRT_BASE == 0
#define USER_VA     0x10000000000ul
#else
#define USER_VA     0x40000000ul
#endif
#define USER_DATA   (USER_VA + 0x100000)            /* two pages */
#define USER_STACK  (USER_DATA + 0x1000)
extern char user_start[], user_end[];
#define USER(symbol) (USER_VA + ((uint64_t)(symbol) - (uint64_t)user_start))

/*
 * USER_CODE(name, "instructions"): user code, ending where it likes: any trap
 * or system call that on_trap does not take ends run().
 */
#define USER_CODE(name, text) \
    extern char name[]; \
    __asm__(".pushsection .user, \"ax\"\n" \
            ".balign 16\n" \
            ".globl " #name "\n" \
            #name ":\n" text "\n" \
            ".popsection")

/* The same in the kernel's text */
#define KERNEL_CODE(name, text) \
    extern char name[]; \
    __asm__(".pushsection .text\n" \
            ".globl " #name "\n" \
            #name ":\n" text "\n" \
            ".popsection")

void user_setup(void);
extern void *user_data;             /* USER_DATA, for the kernel */
extern uint64_t *user_l4;
/* A context to start @code with: USER_CS, a stack, events on */
struct frame user_context(const char *code);
/* Go to any context, of either mode; returns the trap that ended it */
struct frame run(const struct frame *context);
/*
 * A descriptor table with Linux's selectors for user mode.  The iret hypercall
 * has a way of its own for these, and for registers as SYSCALL left them.
 */
void linux_descriptors(void);
/* user_setup() first; a context in user_context(code), run */
struct frame run_user(const char *code);

/* ---- events and time --------------------------------------------------- */

uint64_t now(void);                 /* ns, by pvclock */
void mask_events(void);
void unmask_events(void);           /* and take what is pending */
uint32_t bind_ipi(void);
uint32_t bind_virq(unsigned virq);
long send_event(uint32_t port);
long close_port(uint32_t port);
bool port_pending(uint32_t port);
void set_port_mask(uint32_t port, bool masked);
/* All ports masked, nothing pending */
void clear_events(void);

/* volatile: as in now() */
uint64_t now_by(volatile struct vcpu_time_info *t);
uint32_t bind_ipi_to(unsigned vcpu);

/* ---- other vCPUs -------------------------------------------------------- */

#define MAX_VCPUS 64

/*
 * One of them, GS base in its kernel.  It starts with events masked, its
 * upcalls are counted and acknowledged; a trap is a failure.
 */
struct secondary {
    struct secondary *self;
    volatile struct vcpu_info *info;    /* volatile: the monitor writes it */
    volatile uint64_t events;           /* volatile: other vCPUs look at it */
    void (*fn)(struct secondary *s);
    volatile bool done;                 /* volatile: likewise */
    volatile uint64_t word, answer;     /* volatile: likewise */
    unsigned id;
};

extern struct secondary secondaries[MAX_VCPUS];

/* "QEMU: -smp N" first; @fn returns: the vCPU takes itself down */
struct secondary *start_vcpu(unsigned id, void (*fn)(struct secondary *s));
/* What start_vcpu() starts it with, to be changed */
struct vcpu_guest_context *secondary_context(unsigned id,
                                             void (*fn)(struct secondary *));
void wait_done(struct secondary *s);
/* volatile: another vCPU writes it */
void wait_for(volatile uint64_t *word, uint64_t value);
/* volatile: likewise */
bool stands_still(volatile uint64_t *word, unsigned ms);
/* Until get_runstate_info says so */
void wait_state(unsigned id, int state);

static inline void relax(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* ---- others ------------------------------------------------------------ */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};
struct cpuid xen_cpuid(uint32_t leaf, uint32_t sub);
uint64_t rdmsr_vector(uint32_t index, uint64_t *value);
uint64_t wrmsr_vector(uint32_t index, uint64_t value);

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);

int main(void);

#endif /* GUEST_ABI_H */
