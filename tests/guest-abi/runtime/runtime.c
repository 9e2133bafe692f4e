/*
 * What every micro-guest starts with: console, traps, events, the verdict.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"
#include "hw/xen/interface/io/console.h"

struct boot_state boot __attribute__((section(".data")));
uint8_t boot_masks[XEN_LEGACY_MAX_VCPUS];
struct start_info *start_info;
uint8_t shared_info_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* ---- verdict ----------------------------------------------------------- */

/* Real Xen has no console_io for everybody */
static void print_on_ring(const char *s, size_t n)
{
    volatile struct xencons_interface *ring;    /* volatile: shared */
    size_t i;

    ring = (void *)(VIRT_BASE +
                    M2P[start_info->console.domU.mfn] * PAGE_SIZE);
    for (i = 0; i < n; i++) {
        ring->out[(ring->out_prod + i) % sizeof(ring->out)] = s[i];
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->out_prod += n;
    send_event(start_info->console.domU.evtchn);
    while (ring->out_cons != ring->out_prod) {
        hc(sched_op, SCHEDOP_yield);
    }
}

void print(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    if (hc(console_io, CONSOLEIO_write, n, s) < 0) {
        print_on_ring(s, n);
    }
}

void skip(const char *why)
{
    print("SKIPPED ");
    print(why);
    print("\n");
    power_off();
}

/* ---- traps ------------------------------------------------------------- */

struct frame trap;
uint64_t trap_rsp;
/* volatile: see abi.h */
volatile unsigned trap_count[NMI_CALLBACK + 1];
uint64_t trap_cr2;
uint8_t trap_mask;
void (*on_trap)(struct frame *f);
uint64_t iret_flags;
/* volatile: written by traps, see abi.h */
volatile uint64_t try_resume, try_vector;
static volatile bool running;   /* volatile: likewise */

static bool has_error_code(uint64_t vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 ||
           vector == 21;
}

static void __attribute__((noreturn)) unexpected(const struct frame *f)
{
    print("unexpected trap ");
    print_hex(f->vector);
    print(" error ");
    print_hex(f->error);
    print(" rip ");
    print_hex(f->rip);
    print(" cs ");
    print_hex(f->cs);
    print(" rsp ");
    print_hex(f->rsp);
    print(" cr2 ");
    print_hex(trap_cr2);
    print("\n");
    fail(HERE, "no unexpected trap");
}

void trap_c(struct frame *f)
{
    trap_mask = VCPU->evtchn_upcall_mask;
    trap = *f;
    trap_rsp = (uint64_t)&f->rip - 16 - (has_error_code(f->vector) ? 8 : 0);
    trap_count[f->vector]++;
    if (f->vector == X86_PF) {
        trap_cr2 = VCPU->arch.cr2;
    }
    if (on_trap) {
        void (*handler)(struct frame *f) = on_trap;

        handler(f);
    } else if (f->vector == EVENT) {
        VCPU->evtchn_upcall_pending = 0;
        VCPU->evtchn_pending_sel = 0;
    } else if (try_resume && (f->cs & 3) == 0) {
        try_vector = f->vector;
        f->rip = try_resume;
        try_resume = 0;
    } else if (running) {
        running = false;
        leave_user();
    } else {
        unexpected(f);
    }
}

uint64_t try_read(uint64_t address)
{
    return try("mov (%0), %%rax", : : "r"(address) : "rax", "memory");
}

uint64_t try_write(uint64_t address, uint64_t value)
{
    return try("mov %1, (%0)", : : "r"(address), "r"(value) : "memory");
}

void set_trap(unsigned vector, uint64_t address, unsigned flags)
{
    struct trap_info table[2] = {
        { .vector = vector, .flags = flags, .cs = KERNEL_CS,
          .address = address },
    };

    equal(hc(set_trap_table, table), 0);
}

struct callback_register_arg {
    uint16_t type;
    uint16_t flags;
    uint64_t address;
};

long register_callback(unsigned type, unsigned flags, const void *address)
{
    struct callback_register_arg r = {
        .type = type, .flags = flags, .address = (uint64_t)address,
    };

    return hc(callback_op, 0, &r);
}

long unregister_callback(unsigned type)
{
    struct callback_register_arg r = { .type = type };

    return hc(callback_op, 1, &r);
}

static void set_all_traps(void)
{
    static struct trap_info table[257];
    unsigned i;

    for (i = 0; i < 256; i++) {
        table[i].vector = i;
        table[i].flags = i == X86_BP || i == X86_OF || i == 0x80 ? 3 : 0;
        table[i].cs = KERNEL_CS;
        table[i].address = ENTRY_OF(i);
    }
    equal(hc(set_trap_table, table), 0);
    equal(register_callback(CALLBACK_EVENT, CALLBACKF_mask_events,
                            event_entry), 0);
    equal(register_callback(CALLBACK_FAILSAFE, CALLBACKF_mask_events,
                            failsafe_entry), 0);
    equal(register_callback(CALLBACK_SYSCALL, CALLBACKF_mask_events,
                            syscall_entry), 0);
}

/* ---- user mode --------------------------------------------------------- */

struct frame user_context(const char *code)
{
    struct frame f = {
        .rip = USER(code),
        .cs = USER_CS,
        .rflags = FL_IF | 2,
        .rsp = USER_STACK + PAGE_SIZE,
        .ss = USER_SS,
    };

    return f;
}

struct frame run(const struct frame *context)
{
    struct frame f = *context;

    running = true;
    enter_user(&f);
    return trap;
}

struct frame run_user(const char *code)
{
    struct frame f = user_context(code);

    return run(&f);
}

/* ---- events and time --------------------------------------------------- */

static uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return lo | (uint64_t)hi << 32;
}

/* volatile: the monitor rewrites it now and then */
uint64_t now_by(volatile struct vcpu_time_info *t)
{
    uint64_t ticks, ns;
    uint32_t version;

    do {
        version = t->version;
        __asm__ volatile("" : : : "memory");
        ticks = rdtsc() - t->tsc_timestamp;
        if (t->tsc_shift < 0) {
            ticks >>= -t->tsc_shift;
        } else {
            ticks <<= t->tsc_shift;
        }
        ns = t->system_time +
             (uint64_t)((unsigned __int128)ticks * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    return ns;
}

uint64_t now(void)
{
    return now_by(&VCPU->time);
}

void mask_events(void)
{
    VCPU->evtchn_upcall_mask = 1;
}

void unmask_events(void)
{
    VCPU->evtchn_upcall_mask = 0;
    if (VCPU->evtchn_upcall_pending) {
        hc(xen_version, XENVER_version);
    }
}

uint32_t bind_ipi(void)
{
    struct evtchn_bind_ipi b = { .vcpu = 0 };

    equal(hc(event_channel_op, EVTCHNOP_bind_ipi, &b), 0);
    return b.port;
}

uint32_t bind_virq(unsigned virq)
{
    struct evtchn_bind_virq b = { .virq = virq };

    equal(hc(event_channel_op, EVTCHNOP_bind_virq, &b), 0);
    return b.port;
}

long send_event(uint32_t port)
{
    struct evtchn_send s = { .port = port };

    return hc(event_channel_op, EVTCHNOP_send, &s);
}

long close_port(uint32_t port)
{
    struct evtchn_close c = { .port = port };

    return hc(event_channel_op, EVTCHNOP_close, &c);
}

bool port_pending(uint32_t port)
{
    return SHARED->evtchn_pending[port / 64] >> (port % 64) & 1;
}

void set_port_mask(uint32_t port, bool masked)
{
    unsigned long bit = 1ul << (port % 64);

    if (masked) {
        __atomic_fetch_or(&SHARED->evtchn_mask[port / 64], bit,
                          __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&SHARED->evtchn_mask[port / 64], ~bit,
                           __ATOMIC_SEQ_CST);
    }
}

void clear_events(void)
{
    unsigned i;

    for (i = 0; i < 64; i++) {
        SHARED->evtchn_mask[i] = ~0ul;
        SHARED->evtchn_pending[i] = 0;
    }
    VCPU->evtchn_pending_sel = 0;
    VCPU->evtchn_upcall_pending = 0;
}

/* ---- others ------------------------------------------------------------ */

/* Its %ebx and so on are Xen's: an invalid instruction, "xen", then CPUID */
struct cpuid xen_cpuid(uint32_t leaf, uint32_t sub)
{
    struct cpuid c = { .eax = leaf, .ecx = sub };

    __asm__ volatile("ud2; .ascii \"xen\"; cpuid"
                     : "+a"(c.eax), "=b"(c.ebx), "+c"(c.ecx), "=d"(c.edx));
    return c;
}

uint64_t rdmsr_vector(uint32_t index, uint64_t *value)
{
    uint32_t lo = 0, hi = 0;
    uint64_t vector = try("rdmsr", : "+a"(lo), "+d"(hi) : "c"(index));

    *value = lo | (uint64_t)hi << 32;
    return vector;
}

uint64_t wrmsr_vector(uint32_t index, uint64_t value)
{
    return try("wrmsr", : : "c"(index), "a"((uint32_t)value),
               "d"((uint32_t)(value >> 32)) : "memory");
}

void *memset(void *d, int c, size_t n)
{
    void *p = d;

    __asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
    return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
    void *p = d;

    __asm__ volatile("rep movsb" : "+D"(p), "+S"(s), "+c"(n) : : "memory");
    return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *p = a, *q = b;

    for (; n; n--, p++, q++) {
        if (*p != *q) {
            return *p - *q;
        }
    }
    return 0;
}

void start_c(void)
{
    unsigned i;

    start_info = (struct start_info *)boot.rsi;
    equal(hc(update_va_mapping, shared_info_page,
             start_info->shared_info | PTE_P | PTE_RW | PTE_A | PTE_D,
             UVMF_INVLPG), 0);
    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        boot_masks[i] = SHARED->vcpu_info[i].evtchn_upcall_mask;
    }
    set_all_traps();
    equal(hc(stack_switch, KERNEL_SS, trap_stack_end), 0);
    main();
    print("SUCCESS\n");
    power_off();
}
