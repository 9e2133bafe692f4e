/*
 * Event channels, two-level: the part that never leaves the VM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU owns the ports and everything interdomain.  IPIs, the timer and
 * unmask are done here.  Telling a vCPU of a port goes through three bits in
 * a fixed order: pending, selector, upcall.  Whoever sets the first and finds
 * the port unmasked sets the others; whoever unmasks looks at pending after.
 */
#include "monitor.h"

/*
 * Words of 32 bits, the size of a 32-bit guest's; where a bit is does not
 * depend on the size.  What does: how many ports one bit of the selector is
 * for, and where selector and mask are.
 */
static struct {
    uint32_t *mask;
    uint32_t nr_ports;
    uint8_t sel_off;
    uint8_t sel_shift;
} layout;

#define PENDING ((uint32_t *)SHARED_INFO->evtchn_pending)

/* A 32-bit guest's structures */
#define MASK32_OFF  0x880
#define SEL32_OFF   4

void event_init(void)
{
    if (guest_is_pae()) {
        layout.mask = (uint32_t *)((uint8_t *)SHARED_INFO + MASK32_OFF);
        layout.nr_ports = XENPV_NR_PORTS32;
        layout.sel_off = SEL32_OFF;
        layout.sel_shift = 5;
    } else {
        layout.mask = (uint32_t *)SHARED_INFO->evtchn_mask;
        layout.nr_ports = XENPV_NR_PORTS;
        layout.sel_off = offsetof(struct vcpu_info, evtchn_pending_sel);
        layout.sel_shift = 6;
    }
}

static uint32_t *selector(struct vcpu_info *info)
{
    return (uint32_t *)((uint8_t *)info + layout.sel_off);
}

static bool test_and_set(uint32_t *map, unsigned bit)
{
    uint32_t m = 1u << (bit & 31);

    return __atomic_fetch_or(&map[bit / 32], m, __ATOMIC_SEQ_CST) & m;
}

static bool test(const uint32_t *map, unsigned bit)
{
    return __atomic_load_n(&map[bit / 32], __ATOMIC_SEQ_CST) >>
           (bit & 31) & 1;
}

/* Whatever there may have been so far */
void select_all(struct vcpu_info *info)
{
    unsigned i;

    for (i = 0; i < (layout.sel_shift == 6 ? 2 : 1); i++) {
        __atomic_store_n(&selector(info)[i], ~0u, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST);
}

static void tell(uint32_t port)
{
    struct vcpu *v = vcpus[PORTS[port].vcpu % XENPV_MAX_VCPUS];
    struct vcpu_info *info;

    if (!v) {
        return;
    }
    info = __atomic_load_n(&v->info, __ATOMIC_SEQ_CST);
    if (test_and_set(selector(info), port >> layout.sel_shift)) {
        return;
    }
    /* It was set: whoever did has told, or is about to */
    if (!__atomic_exchange_n(&info->evtchn_upcall_pending, 1,
                             __ATOMIC_SEQ_CST) && v != current()) {
        apic_ipi(v, XENPV_VECTOR_EVENT);
    }
}

/*
 * A vCPU in SCHEDOP_poll may wait for any port, masked or another's.  It has
 * put itself into the mask before it looked at the pending bit.
 */
static void tell_pollers(uint32_t port)
{
    uint64_t mask = __atomic_load_n(&SHARED->poll_mask, __ATOMIC_SEQ_CST);
    unsigned i;

    for (i = 0; mask && i < SHARED->nr_vcpus; i++, mask >>= 1) {
        struct vcpu *v = vcpus[i];
        uint32_t only;

        if (!(mask & 1) || v == current()) {
            continue;
        }
        only = __atomic_load_n(&v->poll_port, __ATOMIC_SEQ_CST);
        if (!only || only == port) {
            apic_ipi(v, XENPV_VECTOR_EVENT);
        }
    }
}

void set_port_pending(uint32_t port)
{
    if (test_and_set(PENDING, port)) {
        return;
    }
    if (!test(layout.mask, port)) {
        tell(port);
    }
    tell_pollers(port);
}

void raise_virq(struct vcpu *v, unsigned virq)
{
    uint32_t port = v->virq_port[virq];

    /* It may have been closed since, and opened again as something else */
    if (port && PORTS[port].type == XENPV_PORT_VIRQ &&
        PORTS[port].virq == virq) {
        set_port_pending(port);
    }
}

/* QEMU has set pending bits and says in which words */
void take_kick(struct vcpu *v)
{
    struct xenpv_mon_kick *k = &SHARED->kick[v->id];
    uint64_t sel = __atomic_exchange_n(&k->pending_sel, 0, __ATOMIC_SEQ_CST);

    if (sel) {
        __atomic_fetch_or(selector(v->info), (uint32_t)sel, __ATOMIC_SEQ_CST);
        if (sel >> 32) {
            __atomic_fetch_or(selector(v->info) + 1, (uint32_t)(sel >> 32),
                              __ATOMIC_SEQ_CST);
        }
        __atomic_store_n(&v->info->evtchn_upcall_pending, 1,
                         __ATOMIC_SEQ_CST);
    }
    if (__atomic_exchange_n(&k->resync, 0, __ATOMIC_SEQ_CST)) {
        time_resync(v, true);
    }
}

/* What @to has to look at before it goes back to the guest */
void give_work(struct vcpu *to, uint8_t work)
{
    __atomic_fetch_or(&to->work, work, __ATOMIC_SEQ_CST);
    if (to != current()) {
        apic_ipi(to, XENPV_VECTOR_EVENT);
    }
}

bool event_due(const struct vcpu *v)
{
    return READ_ONCE(v->info->evtchn_upcall_pending);
}

static long send(uint64_t arg)
{
    struct evtchn_send s;

    if (copy_from_guest(&s, arg, sizeof(s))) {
        return -XEN_EFAULT;
    }
    if (s.port >= layout.nr_ports) {
        return -XEN_EINVAL;
    }
    switch (PORTS[s.port].type) {
    case XENPV_PORT_INTERDOMAIN:
        outl(XENPV_PORT_SEND, s.port);
        return 0;
    case XENPV_PORT_IPI:
        set_port_pending(s.port);
        return 0;
    case XENPV_PORT_UNBOUND:
        return 0;               /* nobody listens yet */
    default:
        return -XEN_EINVAL;
    }
}

static long unmask(uint64_t arg)
{
    struct evtchn_unmask u;

    if (copy_from_guest(&u, arg, sizeof(u))) {
        return -XEN_EFAULT;
    }
    if (u.port >= layout.nr_ports) {
        return -XEN_EINVAL;
    }
    __atomic_fetch_and(&layout.mask[u.port / 32], ~(1u << (u.port & 31)),
                       __ATOMIC_SEQ_CST);
    if (test(PENDING, u.port)) {
        tell(u.port);
    }
    return 0;
}

/* What QEMU is asked: the size of each operation's structure */
static const uint8_t forwarded[] = {
    [EVTCHNOP_bind_interdomain] = sizeof(struct evtchn_bind_interdomain),
    [EVTCHNOP_bind_virq] = sizeof(struct evtchn_bind_virq),
    [EVTCHNOP_bind_pirq] = sizeof(struct evtchn_bind_pirq),
    [EVTCHNOP_close] = sizeof(struct evtchn_close),
    [EVTCHNOP_status] = sizeof(struct evtchn_status),
    [EVTCHNOP_alloc_unbound] = sizeof(struct evtchn_alloc_unbound),
    [EVTCHNOP_bind_ipi] = sizeof(struct evtchn_bind_ipi),
    [EVTCHNOP_bind_vcpu] = sizeof(struct evtchn_bind_vcpu),
    [EVTCHNOP_reset] = sizeof(struct evtchn_reset),
    [EVTCHNOP_set_priority] = sizeof(struct evtchn_set_priority),
};

static void note_virq(const struct evtchn_bind_virq *b)
{
    if (b->virq < NR_VIRQS && b->vcpu < XENPV_MAX_VCPUS && vcpus[b->vcpu] &&
        b->port < XENPV_NR_PORTS) {
        vcpus[b->vcpu]->virq_port[b->virq] = b->port;
    }
}

static long forward(uint64_t op, uint64_t arg)
{
    struct xenpv_mailbox *m = mailbox();
    unsigned size = op < ARRAY_SIZE(forwarded) ? forwarded[op] : 0;
    long ret;

    if (!size) {
        return -XEN_ENOSYS;
    }
    if (copy_from_guest(m->data, arg, size)) {
        return -XEN_EFAULT;
    }
    m->len = size;
    ret = call_qemu(XENPV_CALL_EVTCHN, op, NULL);
    if (ret) {
        return ret;
    }
    if (op == EVTCHNOP_bind_virq) {
        note_virq((const void *)m->data);
    }
    return copy_to_guest(arg, m->data, size);
}

long hc_event_channel_op(struct vcpu *v, uint64_t op, uint64_t arg)
{
    (void)v;
    switch (op) {
    case EVTCHNOP_send:
        return send(arg);
    case EVTCHNOP_unmask:
        return unmask(arg);
    default:
        return forward(op, arg);
    }
}
