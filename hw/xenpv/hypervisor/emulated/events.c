/*
 * Event channels: the guest's port table, its operations, and both ways an
 * event travels.  Semantics and error numbers are those of Xen's
 * xen/common/event_channel.c for an unprivileged domain; the layout is the
 * two-level one of public/event_channel.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU owns the ports.  The monitor has a read-only mirror, from which it
 * sends IPIs and timer interrupts itself.
 *
 * Guest to QEMU.  The monitor writes the port to XENPV_PORT_SEND; we look up
 * our end under RCU and make its EventNotifier readable.  Unbinding takes
 * our end out of the table, then waits for a grace period before it frees
 * the notifier, so a sender never needs a lock.
 *
 * QEMU to guest.  Any thread:
 *
 *   1. set the port's bit in shared_info.evtchn_pending.  It was set already:
 *      stop, whoever set it has done or is doing the rest.
 *   2. the port's bit in evtchn_mask is set: stop.  Who unmasks looks at the
 *      pending bit after clearing the mask bit, so one of us sees the other;
 *      both sides use fully ordered atomics.
 *   3. set the word's bit in the vCPU's xenpv_mon_kick.pending_sel.  Any bit
 *      was set there: stop, the monitor has not yet made its exchange and an
 *      interrupt for that is on its way.
 *   4. interrupt the vCPU.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "hw/xen/interface/event_channel.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

/*
 * struct shared_info as a 64-bit x86 guest has it, whatever the host: 32
 * struct vcpu_info of 64 bytes, then the two bitmaps.
 */
#define SHARED_INFO_PENDING     0x800
#define SHARED_INFO_MASK        0xa00
#define BITS_PER_WORD           64

/* Compared with the header where its structure is that of a 64-bit x86. */
#define HEADER_IS_X86_64 (XEN_LEGACY_MAX_VCPUS == 32 && \
                          sizeof(xen_ulong_t) == 8)
QEMU_BUILD_BUG_ON(HEADER_IS_X86_64 &&
                  offsetof(struct shared_info, evtchn_pending) !=
                  SHARED_INFO_PENDING);
QEMU_BUILD_BUG_ON(HEADER_IS_X86_64 &&
                  offsetof(struct shared_info, evtchn_mask) !=
                  SHARED_INFO_MASK);
QEMU_BUILD_BUG_ON(XENPV_NR_PORTS != BITS_PER_WORD * BITS_PER_WORD);
QEMU_BUILD_BUG_ON(DOMID_SELF != XENPV_DOMID_SELF);

static uint64_t *pending_word(XenPvEmu *emu, uint32_t port)
{
    return (uint64_t *)((char *)emu->cfg.shared_info + SHARED_INFO_PENDING) +
           port / BITS_PER_WORD;
}

static uint64_t *mask_word(XenPvEmu *emu, uint32_t port)
{
    return (uint64_t *)((char *)emu->cfg.shared_info + SHARED_INFO_MASK) +
           port / BITS_PER_WORD;
}

static uint64_t port_bit(uint32_t port)
{
    return 1ull << (port % BITS_PER_WORD);
}

static void kick_bh(void *opaque)
{
    XenPvEmu *emu = opaque;
    uint64_t kicks = qatomic_xchg(&emu->kicks, 0);

    while (kicks) {
        unsigned vcpu = ctz64(kicks);

        kicks &= kicks - 1;
        emu->cfg.hooks->kick(emu->cfg.opaque, vcpu);
    }
}

/*
 * An IOThread must not wait for the BQL: its holder may be draining that
 * very thread.
 */
static void kick(XenPvEmu *emu, unsigned vcpu)
{
    if (emu->cfg.kick_any_thread || bql_locked()) {
        emu->cfg.hooks->kick(emu->cfg.opaque, vcpu);
        return;
    }
    qatomic_or(&emu->kicks, 1ull << vcpu);
    qemu_bh_schedule(emu->kick_bh);
}

/* Steps 1 to 4 above.  Any thread. */
static void set_pending(XenPvEmu *emu, uint32_t port)
{
    uint64_t bit = port_bit(port);
    unsigned vcpu = qatomic_read(&emu->port[port].vcpu);
    struct xenpv_mon_kick *mon = &emu->cfg.shared->kick[vcpu];

    if (qatomic_fetch_or(pending_word(emu, port), bit) & bit) {
        return;
    }
    if (qatomic_read(mask_word(emu, port)) & bit) {
        return;
    }
    if (!qatomic_fetch_or(&mon->pending_sel, 1ull << (port / BITS_PER_WORD))) {
        kick(emu, vcpu);
    }
}

/* The monitor sees a port's vCPU and VIRQ before it sees its type. */
static void mirror(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = &emu->port[port];
    struct xenpv_mon_port *m = &emu->cfg.ports[port];

    qatomic_set(&m->vcpu, p->vcpu);
    qatomic_set(&m->virq, p->virq);
    qatomic_store_release(&m->type, p->state);
}

static uint32_t free_port(XenPvEmu *emu)
{
    uint32_t port;

    /* Port 0 is never handed out: it means "none" in the ABI. */
    for (port = 1; port < XENPV_NR_PORTS; port++) {
        if (emu->port[port].state == XENPV_PORT_FREE) {
            return port;
        }
    }
    return 0;
}

static XenPvEmuPort *port_init(XenPvEmu *emu, uint32_t port, uint8_t state,
                               unsigned vcpu)
{
    XenPvEmuPort *p = &emu->port[port];

    p->virq = 0;
    p->remote_dom = 0;
    p->remote_port = 0;
    qatomic_set(&p->vcpu, vcpu);
    qatomic_set(&p->state, state);
    trace_xenpv_emu_port(port, state, vcpu);
    return p;
}

static XenPvEmuPort *port_of(XenPvEmu *emu, uint32_t port)
{
    return port && port < XENPV_NR_PORTS ? &emu->port[port] : NULL;
}

static void connect_channel(XenPvEmu *emu, uint32_t port,
                            XenPvEmuChannel *channel)
{
    XenPvEmuPort *p = &emu->port[port];

    p->remote_dom = emu->parent.self;
    p->remote_port = channel->parent.local_port;
    qatomic_set(&p->state, XENPV_PORT_INTERDOMAIN);
    qatomic_rcu_set(&p->channel, channel);
    channel->parent.remote_port = port;
    qatomic_set(&channel->port, port);
    mirror(emu, port);
}

/* The other end of a loopback channel, or our end, is alone from now on. */
static void disconnect(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = &emu->port[port];
    XenPvEmuPort *peer;

    if (p->channel) {
        qatomic_set(&p->channel->port, 0);
        qatomic_set(&p->channel, NULL);
        return;
    }
    peer = port_of(emu, p->remote_port);
    if (peer && peer != p) {
        peer->remote_dom = emu->cfg.guest;
        peer->remote_port = 0;
        qatomic_set(&peer->state, XENPV_PORT_UNBOUND);
        mirror(emu, p->remote_port);
    }
}

/* VIRQ_TIMER, _DEBUG, _XENOPROF and _XENPMU exist once for each vCPU. */
static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
           virq != VIRQ_XENPMU;
}

static int close_port(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = port_of(emu, port);

    if (!p) {
        return -XEN_EINVAL;
    }
    switch (p->state) {
    case XENPV_PORT_UNBOUND:
    case XENPV_PORT_IPI:
        break;
    case XENPV_PORT_VIRQ:
        emu->virq_port[virq_is_global(p->virq) ? 0 : p->vcpu][p->virq] = 0;
        break;
    case XENPV_PORT_INTERDOMAIN:
        disconnect(emu, port);
        break;
    default:
        return -XEN_EINVAL;
    }
    port_init(emu, port, XENPV_PORT_FREE, 0);
    mirror(emu, port);
    /* Whoever gets the port next starts with no event pending. */
    qatomic_and(pending_word(emu, port), ~port_bit(port));
    return 0;
}

/*
 * The operations.  @arg is a private copy.  Domains other than the guest and
 * us do not exist (ESRCH); ours are out of an unprivileged guest's reach
 * (EPERM).
 */
static int other_domain(XenPvEmu *emu, uint16_t domid)
{
    return domid == emu->parent.self ? -XEN_EPERM : -XEN_ESRCH;
}

static int op_alloc_unbound(XenPvEmu *emu, void *arg)
{
    struct evtchn_alloc_unbound *a = arg;
    uint32_t port;

    if (!xenpv_emu_is_guest(emu, a->dom)) {
        return other_domain(emu, a->dom);
    }
    port = free_port(emu);
    if (!port) {
        return -XEN_ENOSPC;
    }
    port_init(emu, port, XENPV_PORT_UNBOUND, 0)->remote_dom =
        a->remote_dom == XENPV_DOMID_SELF ? emu->cfg.guest : a->remote_dom;
    mirror(emu, port);
    a->port = port;
    return 0;
}

static int bind_loopback(XenPvEmu *emu, uint32_t remote_port, uint32_t *local)
{
    XenPvEmuPort *remote = port_of(emu, remote_port);
    XenPvEmuPort *p;
    uint32_t port = free_port(emu);

    if (!port) {
        return -XEN_ENOSPC;
    }
    if (!remote || remote->state != XENPV_PORT_UNBOUND ||
        remote->remote_dom != emu->cfg.guest) {
        return -XEN_EINVAL;
    }
    p = port_init(emu, port, XENPV_PORT_INTERDOMAIN, 0);
    p->remote_dom = emu->cfg.guest;
    p->remote_port = remote_port;
    remote->remote_port = port;
    qatomic_set(&remote->state, XENPV_PORT_INTERDOMAIN);
    mirror(emu, port);
    mirror(emu, remote_port);
    *local = port;
    return 0;
}

/*
 * We never open ports for the guest, but when it has closed its end of a
 * channel of ours, that one awaits a new connection, as in Xen.
 */
static int bind_ours(XenPvEmu *emu, uint32_t remote_port, uint32_t *local)
{
    XenPvEmuChannel *channel;
    uint32_t port = free_port(emu);

    if (!port) {
        return -XEN_ENOSPC;
    }
    channel = remote_port < XENPV_NR_PORTS ? emu->local[remote_port] : NULL;
    if (!channel || channel->port) {
        return -XEN_EINVAL;
    }
    port_init(emu, port, XENPV_PORT_UNBOUND, 0);
    connect_channel(emu, port, channel);
    *local = port;
    return 0;
}

static int op_bind_interdomain(XenPvEmu *emu, void *arg)
{
    struct evtchn_bind_interdomain *a = arg;
    uint32_t port = 0;
    int ret;

    if (xenpv_emu_is_guest(emu, a->remote_dom)) {
        ret = bind_loopback(emu, a->remote_port, &port);
    } else if (a->remote_dom == emu->parent.self) {
        ret = bind_ours(emu, a->remote_port, &port);
    } else {
        ret = -XEN_ESRCH;
    }
    if (ret) {
        return ret;
    }
    a->local_port = port;
    /* An event sent while nobody was bound was dropped: make up for it. */
    set_pending(emu, port);
    return 0;
}

static int op_bind_virq(XenPvEmu *emu, void *arg)
{
    struct evtchn_bind_virq *a = arg;
    uint32_t port;

    if (a->virq >= XENPV_NR_VIRQS) {
        return -XEN_EINVAL;
    }
    if (virq_is_global(a->virq) && a->vcpu != 0) {
        return -XEN_EINVAL;
    }
    if (a->vcpu >= emu->cfg.nr_vcpus) {
        return -XEN_ENOENT;
    }
    if (emu->virq_port[a->vcpu][a->virq]) {
        return -XEN_EEXIST;
    }
    port = free_port(emu);
    if (!port) {
        return -XEN_ENOSPC;
    }
    port_init(emu, port, XENPV_PORT_VIRQ, a->vcpu)->virq = a->virq;
    emu->virq_port[a->vcpu][a->virq] = port;
    mirror(emu, port);
    a->port = port;
    return 0;
}

static int op_bind_ipi(XenPvEmu *emu, void *arg)
{
    struct evtchn_bind_ipi *a = arg;
    uint32_t port;

    if (a->vcpu >= emu->cfg.nr_vcpus) {
        return -XEN_ENOENT;
    }
    port = free_port(emu);
    if (!port) {
        return -XEN_ENOSPC;
    }
    port_init(emu, port, XENPV_PORT_IPI, a->vcpu);
    mirror(emu, port);
    a->port = port;
    return 0;
}

/* A machine without devices of the host has no physical interrupts. */
static int op_bind_pirq(XenPvEmu *emu, void *arg)
{
    return -XEN_EPERM;
}

static int op_close(XenPvEmu *emu, void *arg)
{
    struct evtchn_close *a = arg;

    return close_port(emu, a->port);
}

static int op_status(XenPvEmu *emu, void *arg)
{
    struct evtchn_status *a = arg;
    XenPvEmuPort *p = port_of(emu, a->port);

    if (!xenpv_emu_is_guest(emu, a->dom)) {
        return other_domain(emu, a->dom);
    }
    if (a->port >= XENPV_NR_PORTS) {
        return -XEN_EINVAL;
    }
    memset(&a->u, 0, sizeof(a->u));
    a->status = p ? p->state : EVTCHNSTAT_closed;
    a->vcpu = p ? p->vcpu : 0;
    switch (a->status) {
    case EVTCHNSTAT_unbound:
        a->u.unbound.dom = p->remote_dom;
        break;
    case EVTCHNSTAT_interdomain:
        a->u.interdomain.dom = p->remote_dom;
        a->u.interdomain.port = p->remote_port;
        break;
    case EVTCHNSTAT_virq:
        a->u.virq = p->virq;
        break;
    }
    return 0;
}

static int op_bind_vcpu(XenPvEmu *emu, void *arg)
{
    struct evtchn_bind_vcpu *a = arg;
    XenPvEmuPort *p = port_of(emu, a->port);

    if (a->vcpu >= emu->cfg.nr_vcpus) {
        return -XEN_ENOENT;
    }
    if (!p) {
        return -XEN_EINVAL;
    }
    switch (p->state) {
    case XENPV_PORT_VIRQ:
        if (!virq_is_global(p->virq)) {
            return -XEN_EINVAL;
        }
        break;
    case XENPV_PORT_UNBOUND:
    case XENPV_PORT_INTERDOMAIN:
        break;
    default:
        return -XEN_EINVAL;
    }
    qatomic_set(&p->vcpu, a->vcpu);
    mirror(emu, a->port);
    return 0;
}

static void close_all(XenPvEmu *emu)
{
    uint32_t port;

    for (port = 1; port < XENPV_NR_PORTS; port++) {
        close_port(emu, port);
    }
}

static int op_reset(XenPvEmu *emu, void *arg)
{
    struct evtchn_reset *a = arg;

    if (!xenpv_emu_is_guest(emu, a->dom)) {
        return other_domain(emu, a->dom);
    }
    close_all(emu);
    return 0;
}

/* There are no priorities in the two-level layout; asking does no harm. */
static int op_set_priority(XenPvEmu *emu, void *arg)
{
    struct evtchn_set_priority *a = arg;

    return port_of(emu, a->port) ? 0 : -XEN_EINVAL;
}

/* By EVTCHNOP_*; no function: ENOSYS.  The FIFO layout is not offered. */
static const struct {
    const char *name;
    int (*fn)(XenPvEmu *emu, void *arg);
    uint32_t size;
} ops[] = {
#define OP(x) [EVTCHNOP_##x] = { #x, op_##x, sizeof(struct evtchn_##x) }
    OP(bind_interdomain),
    OP(bind_virq),
    OP(bind_pirq),
    OP(close),
    OP(status),
    OP(alloc_unbound),
    OP(bind_ipi),
    OP(bind_vcpu),
    OP(reset),
    OP(set_priority),
#undef OP
};

/*
 * @data has room for any of the structures; on success *@len is the size of
 * the answer in it.
 */
int xenpv_emu_evtchn_op(XenPvEmu *emu, uint32_t op, uint8_t *data,
                        uint32_t *len)
{
    union {
        evtchn_alloc_unbound_t alloc_unbound;
        evtchn_status_t status;
        evtchn_bind_virq_t bind_virq;
    } arg;
    int ret;

    if (op >= ARRAY_SIZE(ops) || !ops[op].fn) {
        return -XEN_ENOSYS;
    }
    QEMU_BUILD_BUG_ON(sizeof(arg) < sizeof(evtchn_bind_interdomain_t));
    if (*len < ops[op].size || ops[op].size > sizeof(arg)) {
        return -XEN_EINVAL;
    }
    memcpy(&arg, data, ops[op].size);
    ret = ops[op].fn(emu, &arg);
    trace_xenpv_emu_evtchn_op(ops[op].name, ret);
    if (!ret) {
        memcpy(data, &arg, ops[op].size);
        *len = ops[op].size;
    }
    return ret;
}

uint32_t xenpv_emu_alloc_port(XenPvEmu *emu, XenPvDomid remote)
{
    uint32_t port = free_port(emu);

    if (port) {
        port_init(emu, port, XENPV_PORT_UNBOUND, 0)->remote_dom = remote;
        mirror(emu, port);
    }
    return port;
}

void xenpv_emu_raise_virq(XenPvEmu *emu, unsigned virq, unsigned vcpu)
{
    uint32_t port;

    assert(virq < XENPV_NR_VIRQS && vcpu < emu->cfg.nr_vcpus);
    port = emu->virq_port[virq_is_global(virq) ? 0 : vcpu][virq];
    if (port) {
        set_pending(emu, port);
    }
}

/*
 * Any thread.  A port that is closed or rebound meanwhile costs at worst a
 * spurious event, which every user of event channels must take.
 */
void xenpv_emu_send(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = port_of(emu, port);
    XenPvEmuChannel *channel;
    uint32_t remote;

    if (!p || qatomic_read(&p->state) != XENPV_PORT_INTERDOMAIN) {
        trace_xenpv_emu_send_refused(port);
        return;
    }
    RCU_READ_LOCK_GUARD();
    channel = qatomic_rcu_read(&p->channel);
    if (channel) {
        trace_xenpv_emu_send(port, channel->parent.local_port);
        event_notifier_set(&channel->notifier);
        return;
    }
    remote = qatomic_read(&p->remote_port);
    if (p->remote_dom == emu->cfg.guest && port_of(emu, remote)) {
        set_pending(emu, remote);
    }
}

/* Our side of the lower seam */

static uint32_t free_local(XenPvEmu *emu)
{
    uint32_t port;

    for (port = 1; port < XENPV_NR_PORTS; port++) {
        if (!emu->local[port]) {
            return port;
        }
    }
    return 0;
}

XenPvChannel *xenpv_emu_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                     uint32_t remote_port, Error **errp)
{
    XenPvEmu *emu = xenpv_emu(hv);
    XenPvEmuPort *p = port_of(emu, remote_port);
    XenPvEmuChannel *channel;
    uint32_t local;
    int ret;

    if (domid != emu->cfg.guest) {
        error_setg(errp, "there is no domain %u", domid);
        return NULL;
    }
    if (!p || p->state != XENPV_PORT_UNBOUND ||
        p->remote_dom != emu->parent.self) {
        error_setg(errp, "event channel %u of domain %u is not open for us",
                   remote_port, domid);
        return NULL;
    }
    local = free_local(emu);
    if (!local) {
        error_setg(errp, "out of event channels");
        return NULL;
    }
    channel = g_new0(XenPvEmuChannel, 1);
    ret = event_notifier_init(&channel->notifier, true);
    if (ret) {
        error_setg_errno(errp, -ret, "cannot make an event notifier");
        g_free(channel);
        return NULL;
    }
    channel->emu = emu;
    channel->parent.hv = hv;
    channel->parent.domid = domid;
    channel->parent.local_port = local;
    channel->parent.notifier = &channel->notifier;
    emu->local[local] = channel;
    connect_channel(emu, remote_port, channel);
    return &channel->parent;
}

int xenpv_emu_channel_ack(XenPvChannel *channel)
{
    return event_notifier_test_and_clear(channel->notifier);
}

int xenpv_emu_channel_notify(XenPvChannel *channel)
{
    XenPvEmuChannel *c = container_of(channel, XenPvEmuChannel, parent);
    uint32_t port = qatomic_read(&c->port);

    /* As in Xen, an event for an end that is not there is dropped. */
    if (port) {
        set_pending(c->emu, port);
    }
    return 0;
}

static void channel_reclaim(struct rcu_head *head)
{
    XenPvEmuChannel *channel = container_of(head, XenPvEmuChannel, rcu);

    event_notifier_cleanup(&channel->notifier);
    g_free(channel);
}

void xenpv_emu_channel_unbind(XenPvChannel *channel)
{
    XenPvEmuChannel *c = container_of(channel, XenPvEmuChannel, parent);
    XenPvEmu *emu = c->emu;
    XenPvEmuPort *p;

    if (c->port) {
        p = &emu->port[c->port];
        qatomic_set(&p->channel, NULL);
        p->remote_dom = emu->parent.self;
        p->remote_port = 0;
        qatomic_set(&p->state, XENPV_PORT_UNBOUND);
        mirror(emu, c->port);
    }
    emu->local[channel->local_port] = NULL;
    call_rcu1(&c->rcu, channel_reclaim);
}

void xenpv_emu_events_init(XenPvEmu *emu)
{
    emu->kick_bh = qemu_bh_new_guarded(kick_bh, emu, NULL);
}

void xenpv_emu_events_reset(XenPvEmu *emu)
{
    uint32_t port;

    close_all(emu);
    /* The block is new: even ports that were free need their mirror. */
    for (port = 0; port < XENPV_NR_PORTS; port++) {
        mirror(emu, port);
    }
    qatomic_set(&emu->kicks, 0);
}

void xenpv_emu_events_cleanup(XenPvEmu *emu)
{
    close_all(emu);
    qemu_bh_delete(emu->kick_bh);
}
