/*
 * What a 32-bit micro-guest has: checks, hypercalls, traps, memory, user mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * As runtime/abi.h, and smaller: what does not depend on the size of a word is
 * looked at there.  All structures are those of Xen's headers, which are the
 * 32-bit ones here.
 */
#ifndef GUEST_ABI32_H
#define GUEST_ABI32_H

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
#define XEN_EFAULT      14
#define XEN_EINVAL      22
#define XEN_ENOSYS      38

#define PAGE_SIZE       4096u
#define PTE_P           0x001ull
#define PTE_RW          0x002ull
#define PTE_US          0x004ull
#define PTE_A           0x020ull
#define PTE_D           0x040ull
#define PTE_PS          0x080ull
#define PTE_ADDR        0x000ffffffffff000ull

#define FL_IF           0x200u
#define FL_IOPL         0x3000u

#define KERNEL_CS       0xe019
#define KERNEL_SS       0xe021
#define USER_CS         0xe02b
#define USER_SS         0xe033

#define M2P_VA          0xf5800000u
/* volatile: the monitor writes it */
#define M2P             ((volatile uint32_t *)M2P_VA)

/* ---- verdict ---- */

void print(const char *s);
void print_hex(uint64_t v);
void __attribute__((noreturn)) fail(const char *where, const char *what);
void __attribute__((noreturn))
fail_equal(const char *where, const char *what, uint64_t got, uint64_t want);
void __attribute__((noreturn)) power_off(void);

#define STR_(x) #x
#define STR(x) STR_(x)
#define HERE __FILE__ ":" STR(__LINE__)

#define check(cond) \
    do { \
        if (!(cond)) { \
            fail(HERE, #cond); \
        } \
    } while (0)

#define equal(got, want) \
    do { \
        uint64_t got_ = (got), want_ = (want); \
        if (got_ != want_) { \
            fail_equal(HERE, #got, got_, want_); \
        } \
    } while (0)

/* For results, which may be negative */
#define result(got, want) equal((uint32_t)(got), (uint32_t)(want))

/* ---- hypercalls ---- */

static inline long hypercall(unsigned nr, uint32_t a1, uint32_t a2,
                             uint32_t a3, uint32_t a4, uint32_t a5)
{
    long ret;

    __asm__ volatile("int $0x82"
                     : "=a"(ret), "+b"(a1), "+c"(a2), "+d"(a3), "+S"(a4),
                       "+D"(a5)
                     : "0"(nr) : "memory");
    return ret;
}

#define HC_(n, a1, a2, a3, a4, a5, ...) \
    hypercall(n, (uint32_t)(a1), (uint32_t)(a2), (uint32_t)(a3), \
              (uint32_t)(a4), (uint32_t)(a5))
/* hc(name, arguments...) of Xen's __HYPERVISOR_name, up to five */
#define hc(name, ...) HC_(__HYPERVISOR_##name, ##__VA_ARGS__, 0, 0, 0, 0, 0)
#define LO(v) ((uint32_t)(v))
#define HI(v) ((uint32_t)((uint64_t)(v) >> 32))

/* ---- start of day ---- */

struct boot_state {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp, esp, eflags;
    uint16_t cs, ss, ds, es, fs, gs;
};

extern struct boot_state boot;
extern uint8_t boot_masks[XEN_LEGACY_MAX_VCPUS];
extern struct start_info *start_info;
extern uint8_t shared_info_page[];
/* volatile: the monitor and QEMU write it */
#define SHARED ((volatile struct shared_info *)shared_info_page)
#define VCPU (&SHARED->vcpu_info[0])

/* ---- traps ---- */

struct frame {
    uint32_t edi, esi, ebp, esp_unused, ebx, edx, ecx, eax;
    uint32_t vector;
    uint32_t error;
    uint32_t eip, cs, eflags;
    uint32_t esp, ss;           /* only if it came from user mode */
};

#define EVENT           256
#define FAILSAFE        257
#define NO_TRAP         999

#define X86_BP  3
#define X86_UD  6
#define X86_GP  13
#define X86_PF  14

extern char trap_entries[], event_entry[], failsafe_entry[], hypercall_page[];
extern char trap_stack_end[];

#define ENTRY_OF(vector) ((uint32_t)trap_entries + 16 * (vector))

extern struct frame trap;           /* the last one */
extern uint32_t trap_esp;           /* where its frame began */
extern volatile unsigned trap_count[];      /* volatile: counted by traps */
extern uint32_t trap_cr2;
extern uint8_t trap_mask;           /* at the entry point */
extern void (*on_trap)(struct frame *f);

/* volatile: written by traps */
extern volatile uint32_t try_resume, try_vector;
#define try(insn, ...) \
    ({ \
        try_vector = NO_TRAP; \
        __asm__ volatile("movl $771f, try_resume\n\t" \
                         insn "\n" \
                         "771:\n\t" \
                         "movl $0, try_resume" __VA_ARGS__); \
        __asm__ volatile("" : : : "memory"); \
        try_vector; \
    })

uint32_t try_read(uint32_t address);
uint32_t try_write(uint32_t address, uint32_t value);
void set_trap(unsigned vector, uint32_t address, unsigned flags);

/* ---- memory: addresses in the initial mapping ---- */

uint32_t pfn_of(const void *va);
uint32_t mfn_of(const void *va);
void *alloc_page(void);
void *frame_va(uint32_t mfn);
/* The entry that maps @va in the kernel's table, and where that is */
uint64_t *entry_of(uint32_t va, unsigned level);
uint64_t entry_maddr(const uint64_t *entry);
long update_va(uint32_t va, uint64_t entry);
long set_entry(uint64_t *entry, uint64_t val);
long mmuext(unsigned cmd, uint32_t arg1, uint32_t arg2);
void set_read_only(const void *va);
/* Map a frame anywhere in a GiB the initial tables have, making an L1 */
void map(uint32_t va, uint64_t mfn, uint64_t flags);
extern uint32_t l3_mfn;             /* the current one */

/* ---- user mode ---- */

#define USER_VA     0x40000000u
#define USER_DATA   (USER_VA + 0x100000)
#define USER_STACK  (USER_DATA + 0x1000)
extern char user_start[], user_end[];
#define USER(symbol) (USER_VA + ((uint32_t)(symbol) - (uint32_t)user_start))

#define USER_CODE(name, text) \
    extern char name[]; \
    __asm__(".pushsection .user, \"ax\"\n" \
            ".balign 16\n" \
            ".globl " #name "\n" \
            #name ":\n" text "\n" \
            ".popsection")

void user_setup(void);
extern void *user_data;
struct frame user_context(const char *code);
/* By the iret hypercall; returns the trap that ended it */
struct frame run(const struct frame *context);
struct frame run_directly(const struct frame *context);
struct frame run_user(const char *code);
void enter_user(struct frame *f);
void enter_user_directly(struct frame *f);
void leave_user(void) __attribute__((noreturn));

/* ---- events and time ---- */

uint64_t now(void);
void mask_events(void);
void unmask_events(void);
uint32_t bind_ipi(void);
long send_event(uint32_t port);
bool port_pending(uint32_t port);
void set_port_mask(uint32_t port, bool masked);
void clear_events(void);

void *memset(void *d, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void start_c(void);
void trap_c(struct frame *f);
int main(void);

#endif /* GUEST_ABI32_H */
