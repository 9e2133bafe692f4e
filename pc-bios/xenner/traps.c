/*
 * Exceptions, and how the guest is told: bounce frames, upcalls, iret.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bounce frame is, from the guest's new stack pointer up: rcx, r11, the
 * error code if the vector has one, rip, cs with the former upcall mask in
 * bits 39:32, rflags, rsp, ss.  The selectors in it are the ones Xen would
 * show: cs with RPL 0 means "kernel mode" to the guest, whatever ring it
 * really runs in.
 */
#include "monitor.h"

#define PF_PRESENT  0x01
#define PF_WRITE    0x02
#define PF_USER     0x04
#define PF_RSVD     0x08

#define GP_IDT      0x02

bool vector_has_error(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 ||
           vector == 21;
}

/* Which page tables: see choose_tables() */
void enter_kernel(struct vcpu *v)
{
    if (!v->in_kernel) {
        v->in_kernel = true;
        swapgs();
        if (v->two_tables) {
            write_cr3(v->kernel_cr3);
        }
    }
}

void enter_user(struct vcpu *v)
{
    if (v->in_kernel) {
        if (v->tables_changed) {
            choose_tables(v);
        }
        v->in_kernel = false;
        swapgs();
        if (v->two_tables) {
            write_cr3(v->user_cr3);
        }
    }
}

/* Whether entry.S may do without C, whenever something it depends on changes */
void update_fast_paths(struct vcpu *v)
{
    v->syscall_eip = v->syscall_cb.address;
    v->fast_syscall = !v->two_tables && v->syscall_cb.address &&
                      v->syscall_cb.mask_events &&
                      guest_range_ok(v->kernel_sp - 64, 64) &&
                      guest_range_ok(v->syscall_cb.address, 1);
    v->fast_iret = !v->two_tables && !v->tables_changed && !v->nmi_masked;
}

static void bounce(struct vcpu *v, struct regs *regs,
                   const struct callback *cb, bool has_error, uint64_t error)
{
    uint64_t frame[8], sp, cs = regs->cs, ss = regs->ss;
    uint64_t rflags = regs->rflags & ~(uint64_t)(FL_IF | FL_IOPL);
    uint8_t mask = v->info->evtchn_upcall_mask;
    unsigned n = 0;

    if (v->pae) {
        bounce32(v, regs, cb, has_error, error);
        return;
    }
    if (v->in_kernel) {
        sp = regs->rsp & ~15ull;
        cs = SEL_FLAT_CS64 & ~3;
        ss = SEL_FLAT_SS;
    } else {
        enter_kernel(v);
        sp = v->kernel_sp;
    }
    if (!mask) {
        rflags |= FL_IF;
    }
    if (vm_assist & (1u << VMASST_TYPE_architectural_iopl)) {
        rflags |= (uint64_t)v->iopl << 12;
    }

    frame[n++] = regs->rcx;
    frame[n++] = regs->r11;
    if (has_error) {
        frame[n++] = error;
    }
    frame[n++] = regs->rip;
    frame[n++] = cs | (uint64_t)mask << 32;
    frame[n++] = rflags;
    frame[n++] = regs->rsp;
    frame[n++] = ss;
    sp -= n * 8;
    if (copy_to_guest(sp, frame, n * 8)) {
        crash_guest("no stack for an exception frame", regs);
    }

    if (cb->mask_events) {
        v->info->evtchn_upcall_mask = 1;
    }
    regs->rip = cb->address;
    regs->cs = v->kernel_cs;
    regs->ss = v->kernel_ss;
    regs->rsp = sp;
    regs->rflags &= ~(uint64_t)(FL_TF | FL_VM | FL_RF | FL_NT | FL_AC |
                                FL_IOPL);
    regs->rflags |= FL_IF;
}

/* Let the guest have an exception, as if its own table had been the IDT */
void inject(struct vcpu *v, struct regs *regs, unsigned vector, uint64_t error)
{
    const struct trap_info *ti = &v->trap[vector];
    struct callback cb = { ti->address, TI_GET_IF(ti), ti->cs };

    if (!cb.address) {
        regs->vector = vector;
        regs->error = error;
        crash_guest("exception without a handler", regs);
    }
    bounce(v, regs, &cb, vector_has_error(vector), error);
}

void inject_page_fault(struct vcpu *v, struct regs *regs, uint64_t address,
                       uint64_t error)
{
    error &= ~(uint64_t)PF_USER;
    if (!v->in_kernel) {
        error |= PF_USER;
    }
    v->info->arch.cr2 = address;
    inject(v, regs, 14, error);
}

/* ---- exceptions from the guest ---- */

static void page_fault(struct vcpu *v, struct regs *regs, bool promoted)
{
    uint64_t address = read_cr2();
    uint64_t write = PF_PRESENT | PF_WRITE;

    if (v->in_kernel && promoted && (regs->error & PF_USER)) {
        /* It had dropped to ring 3; once back, there may be no fault */
        return;
    }
    /* Before write access is looked at: that is not all that was missing */
    if ((regs->error & (PF_PRESENT | PF_USER | PF_RSVD)) ==
        (PF_PRESENT | PF_USER) && fixup_user_fault(v, address)) {
        return;
    }
    if (v->in_kernel &&
        (regs->error & (write | PF_RSVD)) == write &&
        fixup_write_fault(v, address)) {
        return;
    }
    inject_page_fault(v, regs, address, regs->error);
}

static void general_protection(struct vcpu *v, struct regs *regs)
{
    if (regs->error & GP_IDT) {
        unsigned vector = (regs->error >> 3) & 0xff;
        const struct trap_info *ti = &v->trap[vector];

        /* INT n, two bytes long */
        if (ti->address && TI_GET_DPL(ti) >= (v->in_kernel ? 1 : 3)) {
            struct callback cb = { ti->address, TI_GET_IF(ti), ti->cs };

            regs->rip += 2;
            bounce(v, regs, &cb, false, 0);
            return;
        }
    } else if (emulate_privop(v, regs)) {
        return;
    }
    inject(v, regs, 13, regs->error);
}

static void debug_exception(struct vcpu *v, struct regs *regs)
{
    uint64_t dr6;

    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    __asm__ volatile("mov %0, %%dr6" : : "r"((uint64_t)0xffff0ff0));
    v->debugreg[6] = (v->debugreg[6] & ~15ull) | dr6;
    inject(v, regs, 1, 0);
}

static void device_not_available(struct vcpu *v, struct regs *regs)
{
    bool ts = v->ts;

    /* The ABI: the guest finds TS clear in its handler */
    set_ts(v, false);
    if (ts) {
        inject(v, regs, 7, 0);
    }
}

bool interrupt(struct vcpu *v, unsigned vector)
{
    switch (vector) {
    case XENPV_VECTOR_EVENT:
        apic_eoi();
        take_kick(v);
        return true;
    case XENPV_VECTOR_TIMER:
        apic_eoi();
        timer_interrupt(v);
        return true;
    case XENPV_VECTOR_FLUSH:
        apic_eoi();
        flush_serve(v);
        return true;
    case XENPV_VECTOR_SPURIOUS:
        return true;
    default:
        return false;
    }
}

/* All but page faults, and what is for the monitor itself */
void exception(struct vcpu *v, struct regs *regs)
{
    unsigned vector = regs->vector;

    switch (vector) {
    case 1:
        debug_exception(v, regs);
        break;
    case 6:
        if (!emulate_forced_cpuid(v, regs)) {
            inject(v, regs, 6, 0);
        }
        break;
    case 7:
        device_not_available(v, regs);
        break;
    case 13:
        general_protection(v, regs);
        break;
    case 0x80:
        if (v->trap[0x80].address &&
            TI_GET_DPL(&v->trap[0x80]) >= (v->in_kernel ? 1 : 3)) {
            inject(v, regs, 0x80, 0);
        } else {
            regs->rip -= 2;
            inject(v, regs, 13, 0x80 << 3 | GP_IDT);
        }
        break;
    default:
        if (vector < 32) {
            inject(v, regs, vector, regs->error);
        } else {
            apic_eoi();     /* nobody we know sent it */
        }
        break;
    }
}

void trap_from_guest(struct regs *regs)
{
    struct vcpu *v = current();
    bool promoted = false;

    if (v->pae) {
        trap_from_guest32(v, regs);
        return;
    }
    if (v->in_kernel && (regs->cs & 3) == 3 && v->kernel_cs == SEL_RING1_CS) {
        /*
         * The public ABI lets a kernel return to itself with a plain IRETQ
         * to a selector of RPL 3.  It is in ring 3 now; take it back.
         */
        regs->cs = v->kernel_cs;
        regs->ss = v->kernel_ss;
        promoted = true;
    }
    if (regs->vector >= 32 && interrupt(v, regs->vector)) {
        return;
    }
    if (regs->vector == 14) {
        page_fault(v, regs, promoted);
    } else {
        exception(v, regs);
    }
}

/* ---- exceptions in the monitor ---- */

/*
 * The last instruction of an exit faulted: the guest asked for selectors or
 * an address that cannot be loaded.  It gets the exception itself, in the
 * context it asked for.
 */
static void __attribute__((noreturn))
iret_fault(struct vcpu *v, const struct regs *fault)
{
    struct regs copy = *fault;
    struct regs *regs = (struct regs *)v - 1;

    if (fault->rsp != (uintptr_t)&regs->rip) {
        panic("bad stack at iret", fault);
    }
    memcpy(regs, &copy, offsetof(struct regs, rip));
    if (v->pae) {
        iret_fault32(v, regs);
    }
    inject(v, regs, copy.vector, copy.error);
    resume_guest(regs);
}

static bool search_extable(struct regs *regs)
{
    const struct extable_entry *e;

    for (e = extable_start; e < extable_end; e++) {
        if ((uintptr_t)&e->insn + e->insn == regs->rip) {
            regs->rip = (uintptr_t)&e->fixup + e->fixup;
            return true;
        }
    }
    return false;
}

void trap_from_monitor(struct regs *regs)
{
    struct vcpu *v = current();
    uint64_t rip = regs->rip;

    if (regs->vector >= 32) {
        if (!interrupt(v, regs->vector)) {
            apic_eoi();
        }
        return;
    }
    if (regs->vector == 1) {
        /* A guest's data breakpoint on memory it has us touch: not told */
        __asm__ volatile("mov %0, %%dr6" : : "r"((uint64_t)0xffff0ff0));
        regs->rflags &= ~(uint64_t)FL_TF;
        return;
    }
    if (rip == (uintptr_t)iret_to_guest || rip == (uintptr_t)iret_to_user ||
        rip == (uintptr_t)iret_to_kernel) {
        iret_fault(v, regs);
    }
    if (!search_extable(regs)) {
        panic("unexpected exception", regs);
    }
}

void trap_on_ist(struct regs *regs)
{
    struct vcpu *v = current();

    if (regs->vector != 2) {
        panic(regs->vector == 8 ? "double fault" : "machine check", regs);
    }
    __atomic_fetch_or(&v->work, WORK_NMI, __ATOMIC_SEQ_CST);
    /* This path does not test for work; the interrupt that follows does */
    apic_self_ipi(XENPV_VECTOR_EVENT);
}

/* ---- the way out ---- */

static bool take_work(struct vcpu *v, uint8_t work)
{
    return __atomic_fetch_and(&v->work, ~work, __ATOMIC_SEQ_CST) & work;
}

void exit_work(struct regs *regs)
{
    struct vcpu *v = current();

    /*
     * First, and until there is none: the interrupt for work that comes while
     * the vCPU is parked is taken there, and there may be no other exit.
     */
    while (take_work(v, WORK_PARK)) {
        park(v);
    }
    if (take_work(v, WORK_REFRESH)) {
        runstate_publish(v);
        timer_program(v);
    }
    if (!v->nmi_masked && take_work(v, WORK_NMI)) {
        struct callback cb = { v->nmi_cb.address, true, v->kernel_cs };

        if (!cb.address) {
            cb.address = v->trap[2].address;
        }
        if (cb.address) {
            v->nmi_masked = true;
            update_fast_paths(v);       /* iret ends the handler */
            bounce(v, regs, &cb, false, 0);
        }
    }
    if (v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask) {
        struct callback cb = { v->event_cb.address, true, v->event_cb.cs };

        if (cb.address) {
            bounce(v, regs, &cb, false, 0);
        } else {
            /* No way to tell it yet; mask, or every exit comes by here */
            v->info->evtchn_upcall_mask = 1;
        }
    }
}

static void system_call(struct vcpu *v, struct regs *regs,
                        const struct callback *cb)
{
    if (cb->address) {
        bounce(v, regs, cb, false, 0);
        regs->rflags &= ~(uint64_t)FL_DF;
    } else if (regs->vector == VEC_SYSENTER) {
        inject(v, regs, 13, 0);
    } else {
        regs->rip -= 2;
        inject(v, regs, 6, 0);
    }
}

void syscall_from_guest(struct regs *regs)
{
    struct vcpu *v = current();

    switch (regs->vector) {
    case VEC_SYSCALL:
        system_call(v, regs, &v->syscall_cb);
        break;
    case VEC_SYSCALL32:
        system_call(v, regs, &v->syscall32_cb);
        break;
    default:
        regs->rflags |= FL_IF;
        system_call(v, regs, &v->sysenter_cb);
        break;
    }
}

/* The iret hypercall, when entry.S would rather not */
long do_iret(struct vcpu *v, struct regs *regs)
{
    struct iret_context c;

    if (copy_from_guest(&c, regs->rsp, sizeof(c))) {
        crash_guest("no frame for iret", regs);
    }
    if ((c.cs & 3) == 3) {
        if ((SHARED->guest_flags & XENPV_GUEST_STRICT) && !v->user_cr3) {
            crash_guest("iret to user mode without a page table", regs);
        }
        enter_user(v);
        regs->cs = c.cs;
        regs->ss = c.ss | 3;
    } else {
        regs->cs = v->kernel_cs;
        regs->ss = v->kernel_ss;
    }
    regs->rip = c.rip;
    regs->rsp = c.rsp;
    regs->rflags = (c.rflags & ~(uint64_t)(FL_IOPL | FL_VM | FL_VIF |
                                           FL_VIP)) | FL_IF | 2;
    if (!(c.flags & VGCF_in_syscall)) {
        regs->rcx = c.rcx;
        regs->r11 = c.r11;
    }
    v->info->evtchn_upcall_mask = !(c.rflags & FL_IF);
    if (v->nmi_masked) {
        v->nmi_masked = false;
        update_fast_paths(v);
    }
    return c.rax;
}
