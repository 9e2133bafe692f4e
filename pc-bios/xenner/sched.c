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
    while (!event_due(v) && !v->work) {
        wait_for_interrupt();
    }
    runstate_set(v, RUNSTATE_running);
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
 * The ports are masked, as a rule, so that nobody would tell: polling says
 * to QEMU that this vCPU wants to know all the same.
 */
static void wait_for_ports(struct vcpu *v, const uint32_t *ports, unsigned nr,
                           uint64_t timeout)
{
    struct xenpv_mon_kick *k = &SHARED->kick[v->id];

    v->poll_deadline = timeout;
    __atomic_store_n(&k->polling, 1, __ATOMIC_SEQ_CST);
    timer_program(v);
    runstate_set(v, RUNSTATE_blocked);
    while (!any_pending(ports, nr) &&
           !(event_due(v) && !v->info->evtchn_upcall_mask) &&
           !(timeout && !v->poll_deadline)) {
        wait_for_interrupt();
    }
    runstate_set(v, RUNSTATE_running);
    __atomic_store_n(&k->polling, 0, __ATOMIC_SEQ_CST);
    v->poll_deadline = 0;
}

static long poll(struct vcpu *v, uint64_t arg)
{
    struct sched_poll p;
    uint32_t ports[MAX_POLL_PORTS];
    unsigned i;

    if (copy_from_guest(&p, arg, sizeof(p))) {
        return -XEN_EFAULT;
    }
    if (p.nr_ports > MAX_POLL_PORTS) {
        return -XEN_EINVAL;
    }
    if (copy_from_guest(ports, (uintptr_t)p.ports.p,
                        p.nr_ports * sizeof(ports[0]))) {
        return -XEN_EFAULT;
    }
    for (i = 0; i < p.nr_ports; i++) {
        if (ports[i] >= XENPV_NR_PORTS) {
            return -XEN_EINVAL;
        }
    }
    if (p.timeout && p.timeout <= time_now()) {
        return 0;
    }
    wait_for_ports(v, ports, p.nr_ports, p.timeout);
    return 0;
}

static long shutdown(uint64_t reason, uint64_t info)
{
    uint64_t arg[4] = { reason, info, 0, 0 };
    long ret;

    mailbox()->len = 0;
    ret = call_qemu(XENPV_CALL_SHUTDOWN, 0, arg);
    if (reason == SHUTDOWN_suspend || ret < 0) {
        return ret;
    }
    for (;;) {
        __asm__ volatile("cli; hlt");   /* QEMU ends or resets the machine */
    }
}

long hc_sched_op(struct vcpu *v, struct regs *regs, uint64_t op, uint64_t arg)
{
    struct sched_shutdown s;

    switch (op) {
    case SCHEDOP_yield:
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
        return shutdown(s.reason, regs->rdx);
    case SCHEDOP_poll:
        return poll(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}

/* As above, but the shutdown reason is the argument itself */
long hc_sched_op_compat(struct vcpu *v, struct regs *regs, uint64_t op,
                        uint64_t arg)
{
    if (op == SCHEDOP_shutdown) {
        return shutdown(arg, regs->rdx);
    }
    return op > SCHEDOP_shutdown ? -XEN_ENOSYS : hc_sched_op(v, regs, op, arg);
}

/* ---- vcpu_op ---- */

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
    memcpy(to, v->info, sizeof(*to));
    v->info = to;
    v->info_registered = true;
    to->evtchn_pending_sel = ~0ul;
    to->evtchn_upcall_pending = 1;
    time_publish(v);
    return 0;
}

static long set_singleshot(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_singleshot_timer t;

    if (copy_from_guest(&t, arg, sizeof(t))) {
        return -XEN_EFAULT;
    }
    if ((t.flags & VCPU_SSHOTTMR_future) &&
        t.timeout_abs_ns < time_now()) {
        return -XEN_ETIME;
    }
    v->singleshot = t.timeout_abs_ns ? t.timeout_abs_ns : 1;
    timer_program(v);
    return 0;
}

static long set_periodic(struct vcpu *v, uint64_t arg)
{
    struct vcpu_set_periodic_timer t;

    if (copy_from_guest(&t, arg, sizeof(t))) {
        return -XEN_EFAULT;
    }
    if (t.period_ns < 1000000) {
        return -XEN_EINVAL;
    }
    v->periodic_period = t.period_ns;
    v->periodic_next = time_now() + t.period_ns;
    timer_program(v);
    return 0;
}

static long area(struct vcpu *v, uint64_t arg,
                 long (*fn)(struct vcpu *v, uint64_t va))
{
    uint64_t va;

    if (copy_from_guest(&va, arg, sizeof(va))) {
        return -XEN_EFAULT;
    }
    return fn(v, va);
}

long hc_vcpu_op(struct vcpu *v, uint64_t op, uint64_t id, uint64_t arg)
{
    struct vcpu *to;

    (void)v;
    if (id >= SHARED->nr_vcpus || !vcpus[id]) {
        return -XEN_ENOENT;
    }
    to = vcpus[id];
    switch (op) {
    case VCPUOP_is_up:
        return 1;
    case VCPUOP_initialise:
        return -XEN_EEXIST;
    case VCPUOP_up:
        return 0;
    case VCPUOP_get_runstate_info:
        runstate_set(to, to->runstate.state);
        return copy_to_guest(arg, &to->runstate, sizeof(to->runstate));
    case VCPUOP_register_runstate_memory_area:
        return area(to, arg, register_runstate);
    case VCPUOP_set_periodic_timer:
        return set_periodic(to, arg);
    case VCPUOP_stop_periodic_timer:
        to->periodic_next = 0;
        return 0;
    case VCPUOP_set_singleshot_timer:
        return to == v ? set_singleshot(to, arg) : -XEN_EINVAL;
    case VCPUOP_stop_singleshot_timer:
        to->singleshot = 0;
        return 0;
    case VCPUOP_register_vcpu_info:
        return register_info(to, arg);
    case VCPUOP_send_nmi:
        to->work |= WORK_NMI;
        return 0;
    case VCPUOP_register_vcpu_time_memory_area:
        return area(to, arg, register_time_area);
    default:
        return -XEN_ENOSYS;
    }
}
