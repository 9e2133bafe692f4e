/*
 * What every 32-bit micro-guest starts with: console, traps, memory, user mode,
 * events, the verdict.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

struct boot_state boot __attribute__((section(".data")));
uint8_t boot_masks[XEN_LEGACY_MAX_VCPUS];
struct start_info *start_info;
uint8_t shared_info_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* ---- verdict ---- */

void print(const char *s)
{
    size_t n = 0;

    while (s[n]) {
        n++;
    }
    hc(console_io, CONSOLEIO_write, n, s);
}

/* ---- traps ---- */

struct frame trap;
uint32_t trap_esp;
/* volatile: see abi32.h */
volatile unsigned trap_count[FAILSAFE + 1];
uint32_t trap_cr2;
uint8_t trap_mask;
void (*on_trap)(struct frame *f);
/* volatile: see abi32.h */
volatile uint32_t try_resume, try_vector;
static volatile bool running;   /* volatile: likewise */

static bool has_error_code(uint32_t vector)
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
    print(" eip ");
    print_hex(f->eip);
    print(" cr2 ");
    print_hex(trap_cr2);
    print("\n");
    fail(HERE, "no unexpected trap");
}

void trap_c(struct frame *f)
{
    bool user = (f->cs & 3) == 3;

    memcpy(&trap, f, user ? sizeof(trap) : offsetof(struct frame, esp));
    trap_mask = VCPU->evtchn_upcall_mask;
    trap_esp = (uint32_t)&f->eip - (has_error_code(f->vector) ? 4 : 0);
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
    } else if (try_resume && !user) {
        try_vector = f->vector;
        f->eip = try_resume;
        try_resume = 0;
    } else if (running) {
        running = false;
        leave_user();
    } else {
        unexpected(f);
    }
}

uint32_t try_read(uint32_t address)
{
    return try("mov (%0), %%eax", : : "r"(address) : "eax", "memory");
}

uint32_t try_write(uint32_t address, uint32_t value)
{
    return try("mov %1, (%0)", : : "r"(address), "r"(value) : "memory");
}

void set_trap(unsigned vector, uint32_t address, unsigned flags)
{
    struct trap_info table[2] = {
        { .vector = vector, .flags = flags, .cs = KERNEL_CS,
          .address = address },
    };

    result(hc(set_trap_table, table), 0);
}

static void set_all_traps(void)
{
    static struct trap_info table[257];
    unsigned i;

    for (i = 0; i < 256; i++) {
        table[i].vector = i;
        table[i].flags = i == X86_BP || i == 4 || i == 0x80 ? 3 : 0;
        table[i].cs = KERNEL_CS;
        table[i].address = ENTRY_OF(i);
    }
    result(hc(set_trap_table, table), 0);
    result(hc(set_callbacks, KERNEL_CS, event_entry, KERNEL_CS,
              failsafe_entry), 0);
}

/* ---- memory ---- */

uint32_t l3_mfn;
static uint32_t next_page;

uint32_t pfn_of(const void *va)
{
    return ((uint32_t)va - VIRT_BASE) / PAGE_SIZE;
}

uint32_t mfn_of(const void *va)
{
    return ((uint32_t *)start_info->mfn_list)[pfn_of(va)];
}

/* Behind the boot stack are at least 512 KiB of it */
void *alloc_page(void)
{
    uint8_t *page = (uint8_t *)next_page;

    next_page += PAGE_SIZE;
    memset(page, 0, PAGE_SIZE);
    return page;
}

void *frame_va(uint32_t mfn)
{
    return (void *)(VIRT_BASE + M2P[mfn] * PAGE_SIZE);
}

uint64_t *entry_of(uint32_t va, unsigned level)
{
    uint64_t *table = frame_va(l3_mfn);
    unsigned n;

    for (n = 3; n > level; n--) {
        uint64_t e = table[(va >> (12 + 9 * (n - 1))) & 511];

        check(e & PTE_P);
        table = frame_va((e & PTE_ADDR) >> 12);
    }
    return &table[(va >> (12 + 9 * (level - 1))) & 511];
}

uint64_t entry_maddr(const uint64_t *entry)
{
    return ((uint64_t)mfn_of(entry) << 12) + ((uint32_t)entry & 4095);
}

long update_va(uint32_t va, uint64_t entry)
{
    return hc(update_va_mapping, va, LO(entry), HI(entry), UVMF_INVLPG);
}

long set_entry(uint64_t *entry, uint64_t val)
{
    struct mmu_update u = { .ptr = entry_maddr(entry), .val = val };
    uint32_t done = 99;
    long ret = hc(mmu_update, &u, 1, &done, DOMID_SELF);

    equal(done, ret ? 0 : 1);
    return ret;
}

long mmuext(unsigned cmd, uint32_t arg1, uint32_t arg2)
{
    struct mmuext_op op = { .cmd = cmd };

    op.arg1.mfn = arg1;
    op.arg2.nr_ents = arg2;
    return hc(mmuext_op, &op, 1, 0, DOMID_SELF);
}

void set_read_only(const void *va)
{
    result(update_va((uint32_t)va,
                     ((uint64_t)mfn_of(va) << 12) | PTE_P | PTE_A), 0);
}

static void need_table(uint32_t va, unsigned level)
{
    uint64_t *entry = entry_of(va, level);
    void *table;

    if (*entry & PTE_P) {
        return;
    }
    table = alloc_page();
    set_read_only(table);
    result(set_entry(entry, ((uint64_t)mfn_of(table) << 12) | PTE_P |
                     (level == 3 ? 0 : PTE_RW | PTE_US | PTE_A | PTE_D)), 0);
}

void map(uint32_t va, uint64_t mfn, uint64_t flags)
{
    need_table(va, 3);
    need_table(va, 2);
    result(set_entry(entry_of(va, 1), mfn << 12 | flags), 0);
}

/* ---- user mode ---- */

void *user_data;

void user_setup(void)
{
    uint32_t off;

    for (off = 0; off < (uint32_t)(user_end - user_start); off += PAGE_SIZE) {
        map(USER_VA + off, mfn_of(user_start + off), PTE_P | PTE_US | PTE_A);
    }
    user_data = alloc_page();
    map(USER_DATA, mfn_of(user_data), PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    map(USER_STACK, mfn_of(alloc_page()),
        PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
}

struct frame user_context(const char *code)
{
    struct frame f = {
        .eip = USER(code),
        .cs = USER_CS,
        .eflags = FL_IF | 2,
        .esp = USER_STACK + PAGE_SIZE,
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

struct frame run_directly(const struct frame *context)
{
    struct frame f = *context;

    running = true;
    enter_user_directly(&f);
    return trap;
}

struct frame run_user(const char *code)
{
    struct frame f = user_context(code);

    return run(&f);
}

/* ---- events and time ---- */

static uint64_t rdtsc(void)
{
    uint64_t v;

    __asm__ volatile("rdtsc" : "=A"(v) : : "memory");
    return v;
}

uint64_t now(void)
{
    volatile struct vcpu_time_info *t = &VCPU->time;    /* volatile: shared */
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
        ns = t->system_time + (ticks >> 32) * t->tsc_to_system_mul +
             ((uint64_t)(uint32_t)ticks * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    return ns;
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

    result(hc(event_channel_op, EVTCHNOP_bind_ipi, &b), 0);
    return b.port;
}

long send_event(uint32_t port)
{
    struct evtchn_send s = { .port = port };

    return hc(event_channel_op, EVTCHNOP_send, &s);
}

bool port_pending(uint32_t port)
{
    return SHARED->evtchn_pending[port / 32] >> (port % 32) & 1;
}

void set_port_mask(uint32_t port, bool masked)
{
    unsigned long bit = 1ul << (port % 32);

    if (masked) {
        __atomic_fetch_or(&SHARED->evtchn_mask[port / 32], bit,
                          __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&SHARED->evtchn_mask[port / 32], ~bit,
                           __ATOMIC_SEQ_CST);
    }
}

void clear_events(void)
{
    unsigned i;

    for (i = 0; i < 32; i++) {
        SHARED->evtchn_mask[i] = ~0ul;
        SHARED->evtchn_pending[i] = 0;
    }
    VCPU->evtchn_pending_sel = 0;
    VCPU->evtchn_upcall_pending = 0;
}

/* ---- others ---- */

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

    start_info = (struct start_info *)boot.esi;
    next_page = boot.esp;
    result(update_va((uint32_t)shared_info_page, (uint64_t)
                     start_info->shared_info | PTE_P | PTE_RW | PTE_A | PTE_D),
           0);
    l3_mfn = mfn_of((void *)start_info->pt_base);
    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        boot_masks[i] = SHARED->vcpu_info[i].evtchn_upcall_mask;
    }
    set_all_traps();
    result(hc(stack_switch, KERNEL_SS, trap_stack_end), 0);
    main();
    print("SUCCESS\n");
    power_off();
}
