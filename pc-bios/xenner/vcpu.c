/*
 * Bringing a vCPU up: descriptor tables, system registers, the first context.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor.h"

#define CHECK(what) _Static_assert(what, #what)

CHECK(offsetof(struct vcpu, kernel_sp) == V_KERNEL_SP);
CHECK(offsetof(struct vcpu, syscall_eip) == V_SYSCALL_EIP);
CHECK(offsetof(struct vcpu, info) == V_INFO);
CHECK(offsetof(struct vcpu, kernel_cs) == V_KERNEL_CS);
CHECK(offsetof(struct vcpu, kernel_ss) == V_KERNEL_SS);
CHECK(offsetof(struct vcpu, in_kernel) == V_IN_KERNEL);
CHECK(offsetof(struct vcpu, fast_syscall) == V_FAST_SYSCALL);
CHECK(offsetof(struct vcpu, work) == V_WORK);
CHECK(offsetof(struct vcpu, fast_iret) == V_FAST_IRET);
CHECK(sizeof(struct vcpu) <= VCPU_SIZE);
CHECK(VCPU_OFF == XENPV_PERCPU_OFF_VCPU);
CHECK(SEL_MONITOR_CS == XENPV_MONITOR_CS);
CHECK(VCPU_OFF + VCPU_SIZE == XENPV_PERCPU_SIZE);
CHECK(sizeof(struct vcpu) <= VCPU_SIZE - STUB_DATA_SIZE);
CHECK(offsetof(struct regs, r11) == R_R11);
CHECK(offsetof(struct regs, rax) == R_RAX);
CHECK(offsetof(struct regs, rcx) == R_RCX);
CHECK(offsetof(struct regs, vector) == R_VECTOR);
CHECK(offsetof(struct regs, rip) == R_RIP);
CHECK(offsetof(struct regs, cs) == R_CS);
CHECK(offsetof(struct regs, rflags) == R_RFLAGS);
CHECK(sizeof(struct regs) == R_SIZE);
CHECK(XENPV_PERCPU_OFF_TSS == 0x3000);
CHECK(sizeof(struct vcpu_info) == 64);
CHECK(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1);
CHECK(sizeof(struct shared_info) == 3136);
CHECK(sizeof(struct trap_info) == 16);
CHECK(sizeof(struct iret_context) == 72);
CHECK(sizeof(struct vcpu_time_info) == 32);
CHECK(sizeof(struct multicall_entry) == 64);
CHECK(sizeof(struct mmuext_op) == 24);

struct vcpu *vcpus[XENPV_MAX_VCPUS];

static uint8_t ready;           /* the first vCPU has made what all share */

struct gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_mid;
    uint32_t offset_high;
    uint32_t zero;
};

static struct gate idt[256] __attribute__((aligned(16)));

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static void set_gate(unsigned vector, const void *handler, unsigned ist,
                     unsigned dpl)
{
    uint64_t a = (uintptr_t)handler;

    idt[vector] = (struct gate) {
        .offset_low = a,
        .selector = SEL_MONITOR_CS,
        .ist = ist,
        .type = 0x8e | dpl << 5,
        .offset_mid = a >> 16,
        .offset_high = a >> 32,
    };
}

static void build_idt(void)
{
    unsigned i;

    for (i = 0; i < 256; i++) {
        set_gate(i, vector_stubs + 16 * i, 0, 0);
    }
    set_gate(2, nmi_stub, 1, 0);
    set_gate(8, double_fault_stub, 2, 0);
    set_gate(18, machine_check_stub, 3, 0);
    /*
     * Every other INT n is a general protection fault that names n, and is
     * looked up in the guest's own table then.
     */
    set_gate(3, vector_stubs + 16 * 3, 0, 3);
    set_gate(4, vector_stubs + 16 * 4, 0, 3);
    set_gate(0x80, vector_stubs + 16 * 0x80, 0, 3);
    if (guest_is_pae()) {
        set_gate(0x82, hypercall32_stub, 0, 1);
    }
}

static void put64(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, sizeof(v));
}

/* Stacks for ring 0; no I/O permission bitmap, so that no port is open */
static void build_tss(struct vcpu *v)
{
    uint8_t *tss = percpu(v) + XENPV_PERCPU_OFF_TSS;
    uintptr_t ist = (uintptr_t)percpu(v) + XENPV_PERCPU_OFF_IST;
    unsigned i;

    memset(tss, 0, 104);
    put64(tss + 4, (uintptr_t)v);
    for (i = 0; i < 3; i++) {
        put64(tss + 36 + 8 * i, ist + (i + 1) * PAGE_SIZE);
    }
    tss[102] = 0xff;
    tss[103] = 0xff;
}

static void build_stubs(struct vcpu *v)
{
    uint8_t *page = percpu(v) + XENPV_PERCPU_OFF_TSS;

    memcpy(page + STUB_OFF, syscall_stub, syscall_stub_end - syscall_stub);
    memcpy(page + STUB32_OFF, syscall32_stub,
           syscall32_stub_end - syscall32_stub);
    memcpy(page + STUB_SYSENTER_OFF, sysenter_stub,
           sysenter_stub_end - sysenter_stub);
    put64(page + STUB_DATA_VCPU, (uintptr_t)v);
    put64(page + STUB_DATA_ENTRY, (uintptr_t)syscall_entry);
    put64(page + STUB_DATA_ENTRY + 8, (uintptr_t)syscall32_entry);
    put64(page + STUB_DATA_ENTRY + 16, (uintptr_t)sysenter_entry);
}

static void load_tables(struct vcpu *v)
{
    struct table_register gdtr = {
        0xffff, XENPV_PERCPU_VA + v->id * XENPV_PERCPU_STRIDE + XENPV_WIN_GDT
    };
    struct table_register idtr = { sizeof(idt) - 1, (uintptr_t)idt };

    __asm__ volatile("lgdt %0\n\t"
                     "lidt %1\n\t"
                     "ltr %w2\n\t"
                     "lldt %w3"
                     : : "m"(gdtr), "m"(idtr), "r"(SEL_TSS), "r"(0)
                     : "memory");
}

static void load_system_registers(struct vcpu *v)
{
    uint64_t stub = (uintptr_t)percpu(v) + XENPV_PERCPU_OFF_TSS;
    uint32_t eax = 1, ebx, ecx = 0, edx;
    uint64_t cr4 = CR4_PAE | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    wrmsr(MSR_STAR, (uint64_t)0x23 << 48 | (uint64_t)SEL_MONITOR_CS << 32);
    wrmsr(MSR_LSTAR, stub + STUB_OFF);
    wrmsr(MSR_CSTAR, stub + STUB32_OFF);
    wrmsr(MSR_SYSCALL_MASK, FL_IF | FL_TF | FL_DF | FL_NT | FL_AC | FL_RF |
          FL_IOPL);
    wrmsr(MSR_SYSENTER_CS, SEL_MONITOR_CS);
    wrmsr(MSR_SYSENTER_ESP, (uintptr_t)v);
    wrmsr(MSR_SYSENTER_EIP, stub + STUB_SYSENTER_OFF);
    wrmsr(MSR_PAT, XEN_PAT);

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (ecx & (1u << 26)) {
        /*
         * Linux drops XSAVE for good if its first CPUID does not say that it
         * is enabled.
         */
        cr4 |= CR4_OSXSAVE;
    }
    write_cr4(cr4);
    v->cr4 = cr4;
    if (v->pae) {
        /*
         * Its processes and its kernel could not be told apart here, and
         * neither needs it: both are exceptions.
         */
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) & ~EFER_SCE);
        wrmsr(MSR_SYSENTER_CS, 0);
    }
}

static struct vcpu *vcpu_of(unsigned id)
{
    return (struct vcpu *)(XENPV_MONITOR_VA + XENPV_OFF_PERCPU +
                           (uint64_t)id * XENPV_PERCPU_SIZE + VCPU_OFF);
}

/* So that the guest finds every vCPU, however late it gets going itself */
static void describe(struct vcpu *v, uint32_t id)
{
    v->id = id;
    vcpus[id] = v;
    v->levels = 4;
    if (guest_is_pae()) {
        v->pae = true;
        v->levels = PAE_LEVELS;
        v->kernel_cs = SEL32_KERNEL_CS;
        v->kernel_ss = SEL32_KERNEL_DS;
        pae_init(v);
    } else if (SHARED->guest_flags & XENPV_GUEST_STRICT) {
        v->kernel_cs = SEL_FLAT_CS64;
        v->kernel_ss = SEL_FLAT_SS;
    } else {
        v->kernel_cs = SEL_RING1_CS;
        v->kernel_ss = SEL_RING1_DS;
    }
    v->in_kernel = true;
    v->debugreg[6] = 0xffff0ff0;
    v->debugreg[7] = 0x400;
    v->info = id < XEN_LEGACY_MAX_VCPUS ? &SHARED_INFO->vcpu_info[id]
                                        : &v->first_info;
    v->info->evtchn_upcall_mask = 1;
    v->asleep = 1;
    v->two_tables = !!(SHARED->guest_flags & XENPV_GUEST_STRICT);
    build_tss(v);
    build_stubs(v);
    segment_init(v);
}

static void start_processor(struct vcpu *v)
{
    load_tables(v);
    load_system_registers(v);
    cpuid_faults();
    apic_init();
    /*
     * What was sent until the APIC was on is lost, and QEMU will not send
     * again before it sees pending_sel taken.
     */
    take_kick(v);
}

static void load_first_tables(struct vcpu *v)
{
    uint64_t mfn = SHARED->start_cr3 >> PAGE_SHIFT;

    if (v->pae) {
        load_cr3_32(v, mfn);
        load_data_segments(SEL32_KERNEL_DS, SEL32_KERNEL_DS, SEL32_KERNEL_DS);
        load_gs(SEL32_KERNEL_DS);
    } else {
        mmu_init();
        load_kernel_cr3(v, mfn);
    }
}

static void start_first(struct vcpu *v)
{
    struct regs *regs = (struct regs *)v - 1;
    unsigned i;

    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        SHARED_INFO->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    event_init();
    for (i = 0; i < SHARED->nr_vcpus; i++) {
        describe(vcpu_of(i), i);
    }
    build_idt();
    time_init(v);
    for (i = 0; i < SHARED->nr_vcpus; i++) {
        runstate_init(vcpus[i], i ? RUNSTATE_offline : RUNSTATE_running);
    }
    v->initialised = 1;
    set_up(v, true);
    start_processor(v);
    timer_program(v);           /* the clock's own */
    sleep_end(v);
    load_first_tables(v);
    v->kernel_sp = SHARED->start_rsp & ~15ull;
    update_fast_paths(v);
    __atomic_store_n(&ready, 1, __ATOMIC_SEQ_CST);

    memset(regs, 0, sizeof(*regs));
    regs->rip = SHARED->start_rip;
    regs->rsp = SHARED->start_rsp;
    regs->rsi = SHARED->start_rsi;
    regs->cs = v->kernel_cs;
    regs->ss = v->kernel_ss;
    regs->rflags = FL_IF | 2;
    resume_guest(regs);
}

/* What VCPUOP_initialise has left, on the processor it is for */
static void load_context(struct vcpu *v)
{
    bool user = !v->in_kernel;

    if (v->pae) {
        load_cr3_32(v, v->kernel_cr3 >> PAGE_SHIFT);
        set_ldt(v, v->boot.ldt_base, v->boot.ldt_ents);
        load_data_segments(v->boot.ds, v->boot.es, v->boot.fs);
        load_gs(v->boot.gs);
        return;
    }
    load_kernel_cr3(v, v->kernel_cr3 >> PAGE_SHIFT);
    load_user_cr3(v, v->user_cr3 >> PAGE_SHIFT);
    load_data_segments(v->boot.ds, v->boot.es, v->boot.fs);
    load_user_gs(v->boot.gs);
    wrmsr(MSR_FS_BASE, v->boot.fs_base);
    wrmsr(MSR_GS_BASE, v->boot.gs_base_kernel);
    wrmsr(MSR_KERNEL_GS_BASE, v->boot.gs_base_user);
    set_ldt(v, v->boot.ldt_base, v->boot.ldt_ents);
    update_fast_paths(v);
    if (user) {
        v->in_kernel = true;
        enter_user(v);
    }
}

/* Nothing of the guest has run here; QEMU has cleared the vCPU's memory */
void vcpu_start(uint32_t id)
{
    struct vcpu *v = vcpu_of(id);

    if (id == 0) {
        start_first(v);
    }
    while (!__atomic_load_n(&ready, __ATOMIC_SEQ_CST)) {
        pause();
    }
    start_processor(v);
    park(v);
    load_context(v);
    resume_guest((struct regs *)v - 1);
}
