/*
 * Giving up the processor, and the life of vCPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor.h"

#define MAX_POLL_PORTS 128

void block(struct vcpu *v)
{
    v->info->evtchn_upcall_mask = 0;
    if (event_due(v)) {
        return;
    }
    runstate_set(v, RUNSTATE_blocked);
    sleep_begin(v);
    while (!event_due(v) && !READ_ONCE(v->work)) {
        wait_for_interrupt();
    }
    sleep_end(v);
    runstate_set(v, RUNSTATE_running);
}

/* Sleep until another vCPU brings this one up */
void park(struct vcpu *v)
{
    runstate_set(v, RUNSTATE_offline);
    sleep_begin(v);
    while (!__atomic_load_n(&v->up, __ATOMIC_SEQ_CST)) {
        wait_for_interrupt();
    }
    sleep_end(v);
    runstate_set(v, RUNSTATE_running);
}

/* The end; nobody shall wait for this vCPU */
static void __attribute__((noreturn)) stop(struct vcpu *v)
{
    sleep_begin(v);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static bool any_pending(const uint32_t *ports, unsigned nr)
{
    unsigned i;

    for (i = 0; i < nr; i++) {
        if (__atomic_load_n(&SHARED_INFO->evtchn_pending[ports[i] / 64],
                            __ATOMIC_SEQ_CST) >> (ports[i] & 63) & 1) {
            return true;
        }
    }
    return false;
}

/*
 * The ports are masked, as a rule, so that nobody would tell: the mask says
 * to QEMU and to the other vCPUs that this one wants to know all the same.
 */
static void wait_for_ports(struct vcpu *v, const uint32_t *ports, unsigned nr,
                           uint64_t timeout)
{
    v->poll_deadline = timeout;
    __atomic_store_n(&v->poll_port, nr == 1 ? ports[0] : 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&SHARED->poll_mask, 1ull << v->id, __ATOMIC_SEQ_CST);
    timer_program(v);
    runstate_set(v, RUNSTATE_blocked);
    sleep_begin(v);
    while (!any_pending(ports, nr) &&
           !(event_due(v) && !v->info->evtchn_upcall_mask) &&
           !(timeout && !v->poll_deadline) && !READ_ONCE(v->work)) {
        wait_for_interrupt();
    }
    sleep_end(v);
    runstate_set(v, RUNSTATE_running);
    __atomic_fetch_and(&SHARED->poll_mask, ~(1ull << v->id), __ATOMIC_SEQ_CST);
    v->poll_deadline = 0;
}

long poll_ports(struct vcpu *v, const struct sched_poll *p)
{
    uint32_t ports[MAX_POLL_PORTS];
    unsigned i;

    if (p->nr_ports > MAX_POLL_PORTS) {
        return -XEN_EINVAL;
    }
    if (copy_from_guest(ports, (uintptr_t)p->ports.p,
                        p->nr_ports * sizeof(ports[0]))) {
        return -XEN_EFAULT;
    }
    for (i = 0; i < p->nr_ports; i++) {
        if (ports[i] >= XENPV_NR_PORTS) {
            return -XEN_EINVAL;
        }
    }
    if (p->timeout && p->timeout <= time_now()) {
        return 0;
    }
    wait_for_ports(v, ports, p->nr_ports, p->timeout);
    return 0;
}

static long shutdown(struct vcpu *v, uint64_t reason, uint64_t info)
{
    uint64_t arg[4] = { reason, info, 0, 0 };
    long ret;

    mailbox()->len = 0;
    ret = call_qemu(XENPV_CALL_SHUTDOWN, 0, arg);
    if (reason == SHUTDOWN_suspend || ret < 0) {
        return ret;
    }
    stop(v);                    /* QEMU ends or resets the machine */
}

long hc_sched_op(struct vcpu *v, struct regs *regs, uint64_t op, uint64_t arg)
{
    struct sched_shutdown s;
    struct sched_poll p;

    switch (op) {
    case SCHEDOP_yield:
        pause();
        return 0;
    case SCHEDOP_block:
        block(v);
        return 0;
    case SCHEDOP_shutdown:
    case SCHEDOP_shutdown_code:
        if (copy_from_guest(&s, arg, sizeof(s))) {
            return -XEN_EFAULT;
        }
        /* suspend passes the frame of its start_info in the third argument */
        return shutdown(v, s.reason, regs->rdx);
    case SCHEDOP_poll:
        return copy_from_guest(&p, arg, sizeof(p)) ? -XEN_EFAULT
                                                   : poll_ports(v, &p);
    default:
        return -XEN_ENOSYS;
    }
}

/* As above, but the shutdown reason is the argument itself */
long hc_sched_op_compat(struct vcpu *v, struct regs *regs, uint64_t op,
                        uint64_t arg)
{
    if (op == SCHEDOP_shutdown) {
        return shutdown(v, arg, regs->rdx);
    }
    return op > SCHEDOP_shutdown ? -XEN_ENOSYS : hc_sched_op(v, regs, op, arg);
}

/* ---- vcpu_op ---- */

static spinlock life_lock;      /* who is up, who has a context */

/* QEMU wants to know, too */
void set_up(struct vcpu *v, bool up)
{
    uint64_t bit = 1ull << v->id;

    if (up) {
        __atomic_fetch_or(&SHARED->up_mask, bit, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&SHARED->up_mask, ~bit, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&v->up, up, __ATOMIC_SEQ_CST);
}

/* May a context be started with these?  As Xen's judgement, for 64 bits */
static bool context_ok(const struct vcpu_guest_context *c)
{
    unsigned i;

    for (i = 0; i < 256; i++) {
        if (!canonical(c->trap_ctxt[i].address)) {
            return false;
        }
    }
    return canonical(c->user_regs.rip) && canonical(c->kernel_sp) &&
           canonical(c->event_callback_eip) &&
           canonical(c->failsafe_callback_eip) &&
           canonical(c->syscall_callback_eip) && canonical(c->fs_base) &&
           canonical(c->gs_base_kernel) && canonical(c->gs_base_user) &&
           mfn_is_ram(c->ctrlreg[3] >> PAGE_SHIFT) &&
           (!c->ctrlreg[1] || mfn_is_ram(c->ctrlreg[1] >> PAGE_SHIFT)) &&
           c->gdt_ents <= FIRST_RESERVED_GDT_ENTRY && c->ldt_ents <= 8192;
}

/* Where a vCPU that has not been up yet finds what it is to return to */
static void set_first_regs(struct vcpu *to, const struct vcpu_guest_context *c)
{
    const struct cpu_user_regs *u = &c->user_regs;
    bool kernel = c->flags & VGCF_in_kernel;

    *((struct regs *)to - 1) = (struct regs) {
        .r15 = u->r15, .r14 = u->r14, .r13 = u->r13, .r12 = u->r12,
        .rbp = u->rbp, .rbx = u->rbx, .r11 = u->r11, .r10 = u->r10,
        .r9 = u->r9, .r8 = u->r8, .rax = u->rax, .rcx = u->rcx,
        .rdx = u->rdx, .rsi = u->rsi, .rdi = u->rdi,
        .rip = u->rip, .rsp = u->rsp,
        .cs = kernel ? to->kernel_cs : u->cs | 3u,
        .ss = kernel ? to->kernel_ss : u->ss | 3u,
        .rflags = (u->rflags & ~(uint64_t)(FL_IOPL | FL_VM | FL_VIF |
                                           FL_VIP)) | FL_IF | 2,
    };
    to->in_kernel = kernel;
    to->iopl = u->rflags >> 12 & 3;
    to->boot.ds = u->ds;
    to->boot.es = u->es;
    to->boot.fs = u->fs;
    to->boot.gs = u->gs;
}

static long set_context(struct vcpu *to, const struct vcpu_guest_context *c)
{
    long ret = set_gdt_frames(to, c->gdt_frames, c->gdt_ents);

    if (ret) {
        return ret;
    }
    set_first_regs(to, c);
    memcpy(to->trap, c->trap_ctxt, sizeof(to->trap));
    to->kernel_sp = c->kernel_sp & ~15ull;
    to->kernel_cr3 = c->ctrlreg[3] & PTE_ADDR;
    to->user_cr3 = c->ctrlreg[1] & PTE_ADDR;
    to->event_cb = (struct callback) { c->event_callback_eip, true, 0 };
    to->failsafe_cb = (struct callback) {
        c->failsafe_callback_eip, c->flags & VGCF_failsafe_disables_events, 0
    };
    to->syscall_cb = (struct callback) {
        c->syscall_callback_eip, c->flags & VGCF_syscall_disables_events, 0
    };
    to->boot.fs_base = c->fs_base;
    to->boot.gs_base_kernel = c->gs_base_kernel;
    to->boot.gs_base_user = c->gs_base_user;
    to->boot.ldt_base = c->ldt_base;
    to->boot.ldt_ents = c->ldt_ents;
    return 0;
}

static long initialise(struct vcpu *to, uint64_t arg)
{
    struct vcpu_guest_context c;
    long ret = -XEN_EEXIST;

    if (copy_from_guest(&c, arg, sizeof(c))) {
        return -XEN_EFAULT;
    }
    if (to->info == &to->first_info) {
        return -XEN_EINVAL;
    }
    spin_lock(&life_lock);
    if (!to->initialised) {
        ret = context_ok(&c) ? set_context(to, &c) : -XEN_EINVAL;
        to->initialised = !ret;
    }
    spin_unlock(&life_lock);
    return ret;
}

static long up(struct vcpu *to)
{
    long ret = -XEN_EINVAL;

    spin_lock(&life_lock);
    if (to->initialised) {
        ret = 0;
        set_up(to, true);
    }
    spin_unlock(&life_lock);
    if (!ret && to != current()) {
        apic_ipi(to, XENPV_VECTOR_EVENT);
    }
    return ret;
}

/* The last one to go down takes the guest with it, as on Xen */
static long down(struct vcpu *v, struct vcpu *to)
{
    unsigned i, others = 0;

    spin_lock(&life_lock);
    for (i = 0; i < SHARED->nr_vcpus; i++) {
        others += vcpus[i] != to && vcpus[i]->up;
    }
    if (others) {
        set_up(to, false);
    }
    spin_unlock(&life_lock);
    if (!others) {
        return shutdown(v, SHUTDOWN_poweroff, 0);
    }
    mailbox()->len = 0;
    call_qemu(XENPV_CALL_DOWN, 0, NULL);
    if (to == v) {
        park(v);
    } else if (to->initialised) {
        give_work(to, WORK_PARK);
    }
    return 0;
}

/* The guest moves its vcpu_info to memory of its own; nothing may be lost */
static long register_info(struct vcpu *v, uint64_t arg)
{
    struct vcpu_register_vcpu_info r;
    struct vcpu_info *to;

    if (copy_from_guest(&r, arg, sizeof(r))) {
        return -XEN_EFAULT;
    }
    if (v->info_registered) {
        return -XEN_EBUSY;
    }
    if (r.offset > PAGE_SIZE - sizeof(*to) || (r.offset & 7)) {
        return -XEN_ENXIO;
    }
    if (!mfn_is_ram(r.mfn)) {
        return -XEN_EINVAL;
    }
    to = direct((r.mfn << PAGE_SHIFT) + r.offset);
    time_move(v, to);
    v->info_registered = true;
    select_all(to);
    return 0;
}

long set_singleshot(struct vcpu *v, const struct vcpu_set_singleshot_timer *t)
{
    if ((t->flags & VCPU_SSHOTTMR_future) &&
        t->timeout_abs_ns < time_now()) {
        return -XEN_ETIME;
    }
    v->singleshot = t->timeout_abs_ns ? t->timeout_abs_ns : 1;
    timer_program(v);
    return 0;
}

static long set_periodic(struct vcpu *to, uint64_t arg)
{
    struct vcpu_set_periodic_timer t;

    if (copy_from_guest(&t, arg, sizeof(t))) {
        return -XEN_EFAULT;
    }
    if (t.period_ns < 1000000) {
        return -XEN_EINVAL;
    }
    WRITE_ONCE(to->periodic_period, t.period_ns);
    WRITE_ONCE(to->periodic_next, time_now() + t.period_ns);
    if (to == current()) {
        timer_program(to);
    } else {
        give_work(to, WORK_REFRESH);
    }
    return 0;
}

static long get_runstate(const struct vcpu *of, uint64_t arg)
{
    struct vcpu_runstate_info r;
    const uint8_t *bytes;
    size_t size;

    runstate_get(of, &r);
    size = runstate_layout(&r, &bytes);
    return copy_to_guest(arg, bytes, size);
}

static long area(struct vcpu *v, struct vcpu *to, uint64_t arg,
                 long (*fn)(struct vcpu *v, struct vcpu *to, uint64_t va))
{
    uint64_t va;

    if (copy_from_guest(&va, arg, sizeof(va))) {
        return -XEN_EFAULT;
    }
    return fn(v, to, va);
}

long hc_vcpu_op(struct vcpu *v, uint64_t op, uint64_t id, uint64_t arg)
{
    struct vcpu_set_singleshot_timer timer;
    struct vcpu *to;

    if (id >= SHARED->nr_vcpus) {
        return -XEN_ENOENT;
    }
    to = vcpus[id];
    switch (op) {
    case VCPUOP_is_up:
        return READ_ONCE(to->up);
    case VCPUOP_initialise:
        return initialise(to, arg);
    case VCPUOP_up:
        return up(to);
    case VCPUOP_down:
        return down(v, to);
    case VCPUOP_get_runstate_info:
        return get_runstate(to, arg);
    case VCPUOP_register_runstate_memory_area:
        return area(v, to, arg, register_runstate);
    case VCPUOP_set_periodic_timer:
        return set_periodic(to, arg);
    case VCPUOP_stop_periodic_timer:
        WRITE_ONCE(to->periodic_next, 0);
        return 0;
    case VCPUOP_set_singleshot_timer:
        if (to != v) {
            return -XEN_EINVAL;
        }
        return copy_from_guest(&timer, arg, sizeof(timer))
               ? -XEN_EFAULT : set_singleshot(v, &timer);
    case VCPUOP_stop_singleshot_timer:
        if (to != v) {
            return -XEN_EINVAL;
        }
        v->singleshot = 0;
        return 0;
    case VCPUOP_register_vcpu_info:
        /* Of another only while it is down: nobody reads it there then */
        return to == v || !READ_ONCE(to->up) ? register_info(to, arg)
                                             : -XEN_EINVAL;
    case VCPUOP_send_nmi:
        give_work(to, WORK_NMI);
        return 0;
    case VCPUOP_register_vcpu_time_memory_area:
        return area(v, to, arg, register_time_area);
    default:
        return -XEN_ENOSYS;
    }
}
