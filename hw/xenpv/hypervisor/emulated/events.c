/*
 * Event channels: the guest's port table and its operations.  Semantics and
 * error numbers are those of Xen's xen/common/event_channel.c for an
 * unprivileged domain.  How events travel is in channel.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU owns the ports.  The monitor has a read-only mirror, from which it
 * sends IPIs and timer interrupts itself.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "hw/xen/interface/event_channel.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

QEMU_BUILD_BUG_ON(DOMID_SELF != XENPV_DOMID_SELF);

/* The monitor sees a port's vCPU and VIRQ before it sees its type. */
void xenpv_emu_mirror(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = &emu->port[port];
    struct xenpv_mon_port *m = &emu->cfg.ports[port];

    qatomic_set(&m->vcpu, p->vcpu);
    qatomic_set(&m->virq, p->virq);
    qatomic_store_release(&m->type, p->state);
}

XenPvEmuPort *xenpv_emu_port(XenPvEmu *emu, uint32_t port)
{
    return port && port < XENPV_NR_PORTS ? &emu->port[port] : NULL;
}

static uint32_t free_port(XenPvEmu *emu)
{
    uint32_t nr = xenpv_emu_guest_is_32bit(emu) ? XENPV_NR_PORTS32
                                                : XENPV_NR_PORTS;
    uint32_t port;

    /* Port 0 is never handed out: it means "none" in the ABI. */
    for (port = 1; port < nr; port++) {
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
    peer = xenpv_emu_port(emu, p->remote_port);
    if (peer && peer != p) {
        peer->remote_dom = emu->cfg.guest;
        peer->remote_port = 0;
        qatomic_set(&peer->state, XENPV_PORT_UNBOUND);
        xenpv_emu_mirror(emu, p->remote_port);
    }
}

/* VIRQ_TIMER, _DEBUG, _XENOPROF and _XENPMU exist once for each vCPU. */
static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
           virq != VIRQ_XENPMU;
}

uint32_t *xenpv_emu_virq_port(XenPvEmu *emu, unsigned virq, unsigned vcpu)
{
    if (virq >= XENPV_NR_VIRQS || vcpu >= emu->cfg.nr_vcpus) {
        return NULL;
    }
    return &emu->virq_port[virq_is_global(virq) ? 0 : vcpu][virq];
}

static int close_port(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = xenpv_emu_port(emu, port);

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
    xenpv_emu_mirror(emu, port);
    xenpv_emu_clear_pending(emu, port);
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
    xenpv_emu_mirror(emu, port);
    a->port = port;
    return 0;
}

static int bind_loopback(XenPvEmu *emu, uint32_t remote_port, uint32_t *local)
{
    XenPvEmuPort *remote = xenpv_emu_port(emu, remote_port);
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
    xenpv_emu_mirror(emu, port);
    xenpv_emu_mirror(emu, remote_port);
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
    xenpv_emu_connect(emu, port, channel);
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
    xenpv_emu_set_pending(emu, port);
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
    xenpv_emu_mirror(emu, port);
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
    xenpv_emu_mirror(emu, port);
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
    XenPvEmuPort *p = xenpv_emu_port(emu, a->port);

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
    XenPvEmuPort *p = xenpv_emu_port(emu, a->port);

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
    xenpv_emu_mirror(emu, a->port);
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

    return xenpv_emu_port(emu, a->port) ? 0 : -XEN_EINVAL;
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
        xenpv_emu_mirror(emu, port);
    }
    return port;
}

void xenpv_emu_raise_virq(XenPvEmu *emu, unsigned virq, unsigned vcpu)
{
    uint32_t port;

    assert(virq < XENPV_NR_VIRQS && vcpu < emu->cfg.nr_vcpus);
    port = *xenpv_emu_virq_port(emu, virq, vcpu);
    if (port) {
        xenpv_emu_set_pending(emu, port);
    }
}

void xenpv_emu_connect(XenPvEmu *emu, uint32_t port,
                            XenPvEmuChannel *channel)
{
    XenPvEmuPort *p = &emu->port[port];

    p->remote_dom = emu->parent.self;
    p->remote_port = channel->parent.local_port;
    qatomic_set(&p->state, XENPV_PORT_INTERDOMAIN);
    qatomic_rcu_set(&p->channel, channel);
    channel->parent.remote_port = port;
    qatomic_set(&channel->port, port);
    xenpv_emu_mirror(emu, port);
}

void xenpv_emu_forget_ports(XenPvEmu *emu)
{
    uint32_t port;

    for (port = 0; port < XENPV_NR_PORTS; port++) {
        assert(!emu->port[port].channel);
        port_init(emu, port, XENPV_PORT_FREE, 0);
        xenpv_emu_mirror(emu, port);
    }
    memset(emu->virq_port, 0, sizeof(emu->virq_port));
}

void xenpv_emu_events_reset(XenPvEmu *emu)
{
    uint32_t port;

    close_all(emu);
    /* The block is new: even ports that were free need their mirror. */
    for (port = 0; port < XENPV_NR_PORTS; port++) {
        xenpv_emu_mirror(emu, port);
    }
    qatomic_set(&emu->kicks, 0);
}
