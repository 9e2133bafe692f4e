/*
 * Event channels and mailboxes of the emulated hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "emu-fixture.h"

typedef union Arg {
    struct evtchn_alloc_unbound alloc;
    struct evtchn_bind_interdomain inter;
    struct evtchn_bind_virq virq;
    struct evtchn_bind_pirq pirq;
    struct evtchn_bind_ipi ipi;
    struct evtchn_bind_vcpu vcpu;
    struct evtchn_close close;
    struct evtchn_status status;
    struct evtchn_reset reset;
    struct evtchn_init_control control;
    struct evtchn_expand_array array;
    struct evtchn_set_priority priority;
    struct evtchn_send send;
} Arg;

#define SELF DOMID_SELF

/*
 * One operation each on a guest with these ports:
 *   1, 2  open for domain 0        3  VIRQ_TIMER of vCPU 1
 *   4     IPI of vCPU 1            5  VIRQ_CONSOLE, a global one
 *   6     open for the guest itself
 */
static const struct {
    const char *what;
    uint32_t op;
    Arg arg;
    int ret;
} op_rows[] = {
#define ROW(what, name, member, ret, ...) \
    { what, EVTCHNOP_##name, { .member = { __VA_ARGS__ } }, ret }
    ROW("open for dom0",      alloc_unbound, alloc, 0, SELF, 0),
    ROW("own id",             alloc_unbound, alloc, 0, FX_GUEST, 0),
    ROW("open for self",      alloc_unbound, alloc, 0, SELF, SELF),
    ROW("open in dom0",       alloc_unbound, alloc, -EPERM, 0, FX_GUEST),
    ROW("open in nobody",     alloc_unbound, alloc, -ESRCH, 7, 0),
    ROW("bind own port",      bind_interdomain, inter, 0, SELF, 6),
    ROW("bind dom0's port",   bind_interdomain, inter, -EINVAL, SELF, 1),
    ROW("bind a VIRQ",        bind_interdomain, inter, -EINVAL, SELF, 3),
    ROW("bind a free port",   bind_interdomain, inter, -EINVAL, SELF, 99),
    ROW("bind port 0",        bind_interdomain, inter, -EINVAL, SELF, 0),
    ROW("bind port 4096",     bind_interdomain, inter, -EINVAL, SELF, 4096),
    ROW("bind port -1",       bind_interdomain, inter, -EINVAL, SELF, -1),
    ROW("bind in dom0",       bind_interdomain, inter, -EINVAL, 0, 1),
    ROW("bind in dom0, far",  bind_interdomain, inter, -EINVAL, 0, 70000),
    ROW("bind in nobody",     bind_interdomain, inter, -ESRCH, 7, 1),
    ROW("timer on vCPU 0",    bind_virq, virq, 0, VIRQ_TIMER, 0),
    ROW("timer again",        bind_virq, virq, -EEXIST, VIRQ_TIMER, 1),
    ROW("timer on vCPU 2",    bind_virq, virq, -ENOENT, VIRQ_TIMER, 2),
    ROW("timer on vCPU -1",   bind_virq, virq, -ENOENT, VIRQ_TIMER, -1),
    ROW("debug on vCPU 1",    bind_virq, virq, 0, VIRQ_DEBUG, 1),
    ROW("global again",       bind_virq, virq, -EEXIST, VIRQ_CONSOLE, 0),
    ROW("global on vCPU 1",   bind_virq, virq, -EINVAL, VIRQ_DOM_EXC, 1),
    ROW("last VIRQ",          bind_virq, virq, 0, 23, 0),
    ROW("VIRQ too high",      bind_virq, virq, -EINVAL, 24, 0),
    ROW("VIRQ -1",            bind_virq, virq, -EINVAL, -1, 0),
    ROW("IPI",                bind_ipi, ipi, 0, 1),
    ROW("IPI on vCPU 2",      bind_ipi, ipi, -ENOENT, 2),
    ROW("IPI on vCPU -1",     bind_ipi, ipi, -ENOENT, -1),
    ROW("physical interrupt", bind_pirq, pirq, -EPERM, 1, 0),
    ROW("move an open one",   bind_vcpu, vcpu, 0, 1, 1),
    ROW("move a global VIRQ", bind_vcpu, vcpu, 0, 5, 1),
    ROW("move a timer",       bind_vcpu, vcpu, -EINVAL, 3, 0),
    ROW("move an IPI",        bind_vcpu, vcpu, -EINVAL, 4, 0),
    ROW("move a free one",    bind_vcpu, vcpu, -EINVAL, 99, 0),
    ROW("move port 0",        bind_vcpu, vcpu, -EINVAL, 0, 0),
    ROW("move port 4096",     bind_vcpu, vcpu, -EINVAL, 4096, 0),
    ROW("move to vCPU 2",     bind_vcpu, vcpu, -ENOENT, 1, 2),
    ROW("close",              close, close, 0, 1),
    ROW("close a VIRQ",       close, close, 0, 3),
    ROW("close an IPI",       close, close, 0, 4),
    ROW("close a free one",   close, close, -EINVAL, 99),
    ROW("close port 0",       close, close, -EINVAL, 0),
    ROW("close port 4096",    close, close, -EINVAL, 4096),
    ROW("close port -1",      close, close, -EINVAL, -1),
    ROW("status",             status, status, 0, SELF, 1),
    ROW("status of port 0",   status, status, 0, SELF, 0),
    ROW("status of 4096",     status, status, -EINVAL, SELF, 4096),
    ROW("status in dom0",     status, status, -EPERM, 0, 1),
    ROW("status in nobody",   status, status, -ESRCH, 7, 1),
    ROW("reset",              reset, reset, 0, SELF),
    ROW("reset dom0",         reset, reset, -EPERM, 0),
    ROW("reset nobody",       reset, reset, -ESRCH, 7),
    ROW("FIFO",               init_control, control, -ENOSYS, 1),
    ROW("FIFO array",         expand_array, array, -ENOSYS, 1),
    ROW("priority",           set_priority, priority, 0, 1, 3),
    ROW("priority of 4096",   set_priority, priority, -EINVAL, 4096, 3),
    ROW("send",               send, send, -ENOSYS, 1),
#undef ROW
    { "no such operation", 14, { }, -ENOSYS },
    { "operation -1", UINT32_MAX, { }, -ENOSYS },
};

static void give_ports(EmuFixture *fx)
{
    struct evtchn_bind_virq timer = { .virq = VIRQ_TIMER, .vcpu = 1 };
    struct evtchn_bind_ipi ipi = { .vcpu = 1 };
    struct evtchn_bind_virq console = { .virq = VIRQ_CONSOLE };
    struct evtchn_alloc_unbound loop = { SELF, SELF };

    g_assert_cmpuint(xenpv_emu_alloc_port(fx->emu, 0), ==, 1);
    g_assert_cmpuint(xenpv_emu_alloc_port(fx->emu, 0), ==, 2);
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &timer, sizeof(timer)));
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_ipi, &ipi, sizeof(ipi)));
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &console, sizeof(console)));
    g_assert(!fx_evtchn(fx, EVTCHNOP_alloc_unbound, &loop, sizeof(loop)));
    g_assert_cmpuint(timer.port, ==, 3);
    g_assert_cmpuint(ipi.port, ==, 4);
    g_assert_cmpuint(console.port, ==, 5);
    g_assert_cmpuint(loop.port, ==, 6);
}

static void test_ops(void)
{
    unsigned i;
    int ret;

    for (i = 0; i < ARRAY_SIZE(op_rows); i++) {
        EmuFixture *fx = fx_new(true);
        Arg arg = op_rows[i].arg;

        give_ports(fx);
        ret = fx_evtchn(fx, op_rows[i].op, &arg, sizeof(arg));
        if (ret != op_rows[i].ret) {
            g_test_message("%s: %d instead of %d", op_rows[i].what, ret,
                           op_rows[i].ret);
            g_test_fail();
        }
        fx_free(fx);
    }
}

/* An operation with less than its structure is refused, not read beyond. */
static void test_short(void)
{
    EmuFixture *fx = fx_new(true);
    Arg arg = { .alloc = { SELF, 0 } };

    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_alloc_unbound, &arg,
                              sizeof(arg.alloc) - 1), ==, -EINVAL);
    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_status, NULL, 0), ==, -EINVAL);
    g_assert_cmpuint(fx_open(fx), ==, 1);
    fx_free(fx);
}

static void test_status(void)
{
    EmuFixture *fx = fx_new(true);
    struct evtchn_status s;
    XenPvChannel *channel;
    static const uint8_t types[] = {
        EVTCHNSTAT_closed, EVTCHNSTAT_interdomain, EVTCHNSTAT_unbound,
        EVTCHNSTAT_virq, EVTCHNSTAT_ipi, EVTCHNSTAT_virq, EVTCHNSTAT_unbound,
    };
    static const uint8_t vcpus[] = { 0, 0, 0, 1, 1, 0, 0 };
    unsigned i;

    give_ports(fx);
    channel = fx->hv->ops->channel_bind(fx->hv, FX_GUEST, 1, &error_abort);
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        memset(&s, 0xff, sizeof(s));
        s.dom = SELF;
        s.port = i;
        g_assert(!fx_evtchn(fx, EVTCHNOP_status, &s, sizeof(s)));
        g_assert_cmpuint(s.status, ==, types[i]);
        g_assert_cmpuint(s.vcpu, ==, vcpus[i]);
        if (i) {
            /* The monitor sees the same. */
            g_assert_cmpuint(fx->ports[i].type, ==, types[i]);
            g_assert_cmpuint(fx->ports[i].vcpu, ==, vcpus[i]);
        }
        switch (i) {
        case 1:
            g_assert_cmpuint(s.u.interdomain.dom, ==, 0);
            g_assert_cmpuint(s.u.interdomain.port, ==, channel->local_port);
            break;
        case 2:
            g_assert_cmpuint(s.u.unbound.dom, ==, 0);
            break;
        case 5:
            g_assert_cmpuint(s.u.virq, ==, VIRQ_CONSOLE);
            g_assert_cmpuint(fx->ports[i].virq, ==, VIRQ_CONSOLE);
            break;
        case 6:
            g_assert_cmpuint(s.u.unbound.dom, ==, FX_GUEST);
            break;
        }
    }
    fx->hv->ops->channel_unbind(channel);
    fx_free(fx);
}

/* Closed ports are handed out again, clean; all 4095 can be had. */
static void test_reuse(void)
{
    EmuFixture *fx = fx_new(true);
    struct evtchn_bind_virq virq = { .virq = VIRQ_DEBUG, .vcpu = 1 };
    struct evtchn_alloc_unbound more = { SELF, 0 };
    struct evtchn_close close;
    struct evtchn_reset reset = { SELF };
    uint32_t i;

    for (i = 1; i < XENPV_NR_PORTS; i++) {
        g_assert_cmpuint(fx_open(fx), ==, i);
    }
    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_alloc_unbound, &more,
                              sizeof(more)), ==, -ENOSPC);
    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)),
                    ==, -ENOSPC);
    g_assert_cmpuint(xenpv_emu_alloc_port(fx->emu, 0), ==, 0);

    fx->info->evtchn_pending[77 / 64] = ~0ull;
    close.port = 77;
    g_assert(!fx_evtchn(fx, EVTCHNOP_close, &close, sizeof(close)));
    g_assert(!fx_pending(fx, 77));
    g_assert(fx_pending(fx, 78));
    g_assert_cmpuint(fx->ports[77].type, ==, XENPV_PORT_FREE);

    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)));
    g_assert_cmpuint(virq.port, ==, 77);
    g_assert(!fx_evtchn(fx, EVTCHNOP_close, &close, sizeof(close)));
    /* The binding has gone with the port. */
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)));

    g_assert(!fx_evtchn(fx, EVTCHNOP_reset, &reset, sizeof(reset)));
    for (i = 1; i < XENPV_NR_PORTS; i++) {
        g_assert_cmpuint(fx->ports[i].type, ==, XENPV_PORT_FREE);
    }
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)));
    g_assert_cmpuint(virq.port, ==, 1);
    fx_free(fx);
}

/* A global VIRQ that was moved is unbound where it was bound. */
static void test_moved_global_virq(void)
{
    EmuFixture *fx = fx_new(true);
    struct evtchn_bind_virq virq = { .virq = VIRQ_CONSOLE };
    struct evtchn_bind_vcpu move = { .vcpu = 1 };
    struct evtchn_close close;

    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)));
    move.port = close.port = virq.port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_vcpu, &move, sizeof(move)));
    xenpv_emu_raise_virq(fx->emu, VIRQ_CONSOLE, 0);
    g_assert_cmpuint(fx->kicks[1], ==, 1);
    g_assert(!fx_evtchn(fx, EVTCHNOP_close, &close, sizeof(close)));
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_virq, &virq, sizeof(virq)));
    fx_free(fx);
}

/* pending, mask, selector, polling before -> selector, kick after */
static const struct {
    bool pending, mask, sel, polling;
    bool sel_after, kick;
} deliver_rows[] = {
    { 0, 0, 0, 0,  1, 1 },
    { 0, 0, 1, 0,  1, 0 },
    { 0, 1, 0, 0,  0, 0 },
    { 0, 1, 1, 0,  1, 0 },
    { 1, 0, 0, 0,  0, 0 },
    { 1, 0, 1, 0,  1, 0 },
    { 1, 1, 0, 0,  0, 0 },
    { 1, 1, 1, 0,  1, 0 },
    { 0, 0, 0, 1,  1, 1 },
    { 0, 1, 0, 1,  0, 1 },
    { 0, 1, 1, 1,  1, 1 },
    { 1, 1, 0, 1,  0, 0 },
};

static void test_deliver(void)
{
    EmuFixture *fx = fx_new(true);
    struct evtchn_bind_vcpu move = { .vcpu = 1 };
    XenPvChannel *channel;
    uint32_t port = 0;
    unsigned i;

    while (port < 130) {
        port = fx_open(fx);
    }
    move.port = port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_vcpu, &move, sizeof(move)));
    channel = fx->hv->ops->channel_bind(fx->hv, FX_GUEST, port, &error_abort);

    for (i = 0; i < ARRAY_SIZE(deliver_rows); i++) {
        fx->info->evtchn_pending[2] = (uint64_t)deliver_rows[i].pending << 2;
        fx->info->evtchn_mask[2] = (uint64_t)deliver_rows[i].mask << 2;
        fx->shared->kick[1].pending_sel = (uint64_t)deliver_rows[i].sel << 2;
        fx->shared->poll_mask = (uint64_t)deliver_rows[i].polling << 1;
        fx->kicks[1] = 0;
        g_assert_cmpint(fx->hv->ops->channel_notify(channel), ==, 0);
        g_assert_cmpuint(fx->info->evtchn_pending[2], ==, 1 << 2);
        g_assert_cmpuint(fx->shared->kick[1].pending_sel, ==,
                         (uint64_t)deliver_rows[i].sel_after << 2);
        g_assert_cmpuint(fx->kicks[1], ==, deliver_rows[i].kick);
        g_assert_cmpuint(fx->kicks[0], ==, 0);
        g_assert_cmpuint(fx->shared->kick[0].pending_sel, ==, 0);
    }
    fx->hv->ops->channel_unbind(channel);
    fx_free(fx);
}

/* Pending bits are where they were; mask and selector are not */
static void test_deliver_32_bits(void)
{
    EmuFixture *fx = fx_new(true);
    uint32_t *mask = (uint32_t *)((uint8_t *)fx->info + 0x880);
    uint32_t *pending = (uint32_t *)fx->info->evtchn_pending;
    struct evtchn_alloc_unbound a = { .dom = SELF };
    XenPvChannel *channel;
    unsigned masked;

    fx->shared->guest_flags = XENPV_GUEST_PAE;
    while (!fx_evtchn(fx, EVTCHNOP_alloc_unbound, &a, sizeof(a))) {
        /* all there are */
    }
    g_assert_cmpuint(a.port, ==, 1023);
    channel = fx->hv->ops->channel_bind(fx->hv, FX_GUEST, 1022, &error_abort);
    for (masked = 0; masked < 2; masked++) {
        pending[31] = 0;
        mask[31] = masked << 30;
        fx->shared->kick[0].pending_sel = 0;
        g_assert_cmpint(fx->hv->ops->channel_notify(channel), ==, 0);
        g_assert_cmphex(pending[31], ==, 1 << 30);
        g_assert_cmphex(fx->shared->kick[0].pending_sel, ==,
                        masked ? 0 : 1ull << 31);
    }
    fx->hv->ops->channel_unbind(channel);
    fx_free(fx);
}

static void test_channel(void)
{
    EmuFixture *fx = fx_new(true);
    const XenPvHvOps *ops = fx->hv->ops;
    struct evtchn_bind_interdomain bind = { .remote_dom = 0 };
    struct evtchn_close close;
    XenPvChannel *channel;
    Error *err = NULL;

    close.port = fx_open(fx);
    g_assert(!ops->channel_bind(fx->hv, FX_GUEST, close.port + 1, &err));
    error_free_or_abort(&err);
    g_assert(!ops->channel_bind(fx->hv, FX_GUEST, 0, &err));
    error_free_or_abort(&err);
    g_assert(!ops->channel_bind(fx->hv, FX_GUEST, 4096, &err));
    error_free_or_abort(&err);
    g_assert(!ops->channel_bind(fx->hv, 7, close.port, &err));
    error_free_or_abort(&err);

    channel = ops->channel_bind(fx->hv, FX_GUEST, close.port, &error_abort);
    g_assert_cmpuint(channel->remote_port, ==, close.port);
    g_assert_cmpuint(channel->domid, ==, FX_GUEST);
    g_assert(!ops->channel_bind(fx->hv, FX_GUEST, close.port, &err));
    error_free_or_abort(&err);

    /* One event is pending at first, then as many as were sent fold to one. */
    g_assert_cmpint(ops->channel_ack(channel), ==, 1);
    g_assert_cmpint(ops->channel_ack(channel), ==, 0);
    xenpv_emu_send(fx->emu, close.port);
    xenpv_emu_send(fx->emu, close.port);
    g_assert_cmpint(ops->channel_ack(channel), ==, 1);
    g_assert_cmpint(ops->channel_ack(channel), ==, 0);

    /* The guest closes: we hear and say nothing. */
    g_assert(!fx_evtchn(fx, EVTCHNOP_close, &close, sizeof(close)));
    xenpv_emu_send(fx->emu, close.port);
    g_assert_cmpint(ops->channel_ack(channel), ==, 0);
    g_assert_cmpint(ops->channel_notify(channel), ==, 0);
    g_assert(!fx_pending(fx, close.port));

    /* It binds again to our port, which it had from EVTCHNOP_status. */
    bind.remote_port = channel->local_port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_interdomain, &bind, sizeof(bind)));
    g_assert(fx_pending(fx, bind.local_port));
    xenpv_emu_send(fx->emu, bind.local_port);
    g_assert_cmpint(ops->channel_ack(channel), ==, 1);
    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_bind_interdomain, &bind,
                              sizeof(bind)), ==, -EINVAL);

    /* We unbind: the guest's end is open for us as before. */
    ops->channel_unbind(channel);
    g_assert_cmpuint(fx->ports[bind.local_port].type, ==, XENPV_PORT_UNBOUND);
    xenpv_emu_send(fx->emu, bind.local_port);
    channel = ops->channel_bind(fx->hv, FX_GUEST, bind.local_port,
                                &error_abort);
    ops->channel_unbind(channel);
    fx_free(fx);
}

static void test_loopback(void)
{
    EmuFixture *fx = fx_new(true);
    struct evtchn_alloc_unbound a = { SELF, SELF };
    struct evtchn_bind_interdomain b = { .remote_dom = SELF };
    struct evtchn_close close;

    g_assert(!fx_evtchn(fx, EVTCHNOP_alloc_unbound, &a, sizeof(a)));
    b.remote_port = a.port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_interdomain, &b, sizeof(b)));
    g_assert(fx_pending(fx, b.local_port));
    g_assert(!fx_pending(fx, a.port));
    xenpv_emu_send(fx->emu, b.local_port);
    g_assert(fx_pending(fx, a.port));

    close.port = a.port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_close, &close, sizeof(close)));
    g_assert_cmpuint(fx->ports[b.local_port].type, ==, XENPV_PORT_UNBOUND);
    xenpv_emu_send(fx->emu, b.local_port);
    b.remote_port = b.local_port;
    g_assert(!fx_evtchn(fx, EVTCHNOP_bind_interdomain, &b, sizeof(b)));
    fx_free(fx);
}

/* Sends through nonsense lead nowhere. */
static void test_send_hostile(void)
{
    static const uint32_t ports[] = {
        0, 3, 4, 5, 6, 99, 4095, 4096, 65536, 0x80000000, UINT32_MAX
    };
    EmuFixture *fx = fx_new(true);
    unsigned i;

    give_ports(fx);
    for (i = 0; i < ARRAY_SIZE(ports); i++) {
        xenpv_emu_send(fx->emu, ports[i]);
    }
    for (i = 0; i < 64; i++) {
        g_assert_cmpuint(fx->info->evtchn_pending[i], ==, 0);
    }
    fx_free(fx);
}

static void test_machine_reset(void)
{
    EmuFixture *fx = fx_new(true);
    const XenPvHvOps *ops = fx->hv->ops;
    uint32_t port = fx_open(fx);
    XenPvChannel *channel;

    channel = ops->channel_bind(fx->hv, FX_GUEST, port, &error_abort);
    /* The machine has filled the block anew. */
    memset(fx->ports, 0xff, XENPV_NR_PORTS * sizeof(fx->ports[0]));
    xenpv_emu_reset(fx->emu);
    g_assert_cmpuint(fx->ports[port].type, ==, XENPV_PORT_FREE);
    g_assert_cmpuint(fx->ports[4095].type, ==, XENPV_PORT_FREE);
    g_assert_cmpint(ops->channel_notify(channel), ==, 0);
    g_assert(!fx_pending(fx, port));
    g_assert_cmpuint(fx_open(fx), ==, port);
    ops->channel_unbind(channel);
    g_assert_cmpuint(fx->ports[port].type, ==, XENPV_PORT_UNBOUND);
    fx_free(fx);
}

static void *notify_thread(void *opaque)
{
    XenPvChannel *channel = opaque;

    channel->hv->ops->channel_notify(channel);
    return NULL;
}

/* Without the BQL the interrupt comes from the main loop, later. */
static void test_kick_from_thread(void)
{
    EmuFixture *fx = fx_new(false);
    const XenPvHvOps *ops = fx->hv->ops;
    uint32_t port = fx_open(fx);
    XenPvChannel *channel;
    QemuThread thread;

    channel = ops->channel_bind(fx->hv, FX_GUEST, port, &error_abort);
    qemu_thread_create(&thread, "notify", notify_thread, channel,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    g_assert(fx_pending(fx, port));
    g_assert_cmpuint(fx->kicks[0], ==, 0);
    fx_run();
    g_assert_cmpuint(fx->kicks[0], ==, 1);
    ops->channel_unbind(channel);
    fx_free(fx);
}

/* A hostile mailbox gets an error or nothing; QEMU reads no further. */
static void test_mailbox(void)
{
    EmuFixture *fx = fx_new(true);
    struct xenpv_mailbox *mb = &fx->mailbox[0];
    static const struct {
        uint32_t vcpu, nr, len;
        int64_t ret;
    } rows[] = {
        { 0, 0, 0, -ENOSYS },
        { 0, 11, 0, -ENOSYS },
        { 0, UINT32_MAX, 0, -ENOSYS },
        { 0, XENPV_CALL_WRITE, sizeof(mb->data) + 1, -EINVAL },
        { 0, XENPV_CALL_EVTCHN, UINT32_MAX, -EINVAL },
        { 0, XENPV_CALL_WRITE, sizeof(mb->data), 0 },
        { 0, XENPV_CALL_DISCARD, sizeof(mb->data), 0 },
        { 0, XENPV_CALL_BALLOON, 0, 0 },
        { 0, XENPV_CALL_DOWN, 0, 0 },
        { 2, XENPV_CALL_WRITE, 1, INT64_MIN },
        { UINT32_MAX, XENPV_CALL_WRITE, 1, INT64_MIN },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        mb->nr = rows[i].nr;
        mb->len = rows[i].len;
        mb->ret = INT64_MIN;
        xenpv_emu_call(fx->emu, rows[i].vcpu);
        g_assert_cmpint(mb->ret, ==, rows[i].ret);
    }
    g_assert_cmpuint(fx->console->len, ==, sizeof(mb->data));
    g_assert_cmpuint(fx->discarded, ==, sizeof(mb->data) / 8);
    g_assert_cmpuint(fx->ballooned, ==, 1);
    g_assert_cmpuint(fx->downs, ==, 1);
    fx_free(fx);
}

static void test_calls(void)
{
    EmuFixture *fx = fx_new(true);
    struct xenpv_mon_clock clock = { 0 };
    char data[8] = "hello";
    char *text = g_strnfill(1000, 'x');

    g_assert_cmpint(fx_call(fx, XENPV_CALL_WRITE, 0, 0, data, 5), ==, 0);
    g_assert_cmpstr(fx->console->str, ==, "hello");
    fx->input = "abc";
    g_assert_cmpint(fx_call(fx, XENPV_CALL_READ, 0, 2, data, 8), ==, 2);
    g_assert_cmpuint(fx->mailbox[0].len, ==, 2);
    g_assert(!memcmp(data, "ab", 2));
    g_assert_cmpint(fx_call(fx, XENPV_CALL_READ, 0, UINT64_MAX, data, 8), ==,
                    1);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_CLOCK, 0, 0, &clock,
                            sizeof(clock)), ==, 0);
    g_assert_cmpuint(clock.tsc_khz, ==, 3);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_SHUTDOWN, 0, 2, NULL, 0), ==, 1);
    g_assert_cmpint(fx->shutdown_reason, ==, 2);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_SHUTDOWN, 0, 5, NULL, 0), ==,
                    -ENOSYS);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_SHUTDOWN, 0, 6, NULL, 0), ==,
                    -EINVAL);
    g_assert_cmpint(fx->shutdown_reason, ==, 2);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_LOG, 1, 0, NULL, 0), ==, 0);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_LOG, 99, 0, NULL, 0), ==, 0);

    /* What reaches the terminal is one short printable line. */
    memcpy(data, "a\033[2J\nb", 8);
    g_assert_cmpint(fx_call(fx, XENPV_CALL_PANIC, 0, 0, data, 8), ==, 0);
    g_assert_cmpstr(fx->panic, ==, "a.[2J.b");
    g_assert_cmpint(fx_call(fx, XENPV_CALL_PANIC, 0, 0, text, 1000), ==, 0);
    g_assert_cmpuint(strlen(fx->panic), <=, 256);
    g_free(text);
    fx_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);

    g_test_add_func("/xenpv/emu-events/operations", test_ops);
    g_test_add_func("/xenpv/emu-events/short-structures", test_short);
    g_test_add_func("/xenpv/emu-events/status", test_status);
    g_test_add_func("/xenpv/emu-events/close-and-reuse", test_reuse);
    g_test_add_func("/xenpv/emu-events/moved-global-virq",
                    test_moved_global_virq);
    g_test_add_func("/xenpv/emu-events/deliver", test_deliver);
    g_test_add_func("/xenpv/emu-events/deliver-32-bit", test_deliver_32_bits);
    g_test_add_func("/xenpv/emu-events/channel", test_channel);
    g_test_add_func("/xenpv/emu-events/loopback", test_loopback);
    g_test_add_func("/xenpv/emu-events/send-hostile", test_send_hostile);
    g_test_add_func("/xenpv/emu-events/machine-reset", test_machine_reset);
    g_test_add_func("/xenpv/emu-events/kick-from-thread",
                    test_kick_from_thread);
    g_test_add_func("/xenpv/emu-events/mailbox-hostile", test_mailbox);
    g_test_add_func("/xenpv/emu-events/calls", test_calls);
    return g_test_run();
}
