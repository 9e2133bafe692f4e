/*
 * Event channels: both ways an event travels, and our ends of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
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
 *
 * A vCPU in SCHEDOP_poll may wait for any port, masked or bound to another.
 * It puts itself into poll_mask, then looks at the pending bits, and is
 * interrupted after step 1 to look again.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "hw/xen/interface/event_channel.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

/*
 * struct shared_info as an x86 guest has it, whatever the host: 32 struct
 * vcpu_info of 64 bytes, then the two bitmaps, one bit for each port that a
 * vcpu_info can select: 64 words of 64, or 32 of 32 in a 32-bit guest.  The
 * order of bytes makes a bit's place the same for both sizes of word.
 */
#define SHARED_INFO_PENDING     0x800
#define SHARED_INFO_MASK        0xa00
#define SHARED_INFO_MASK32      0x880
#define BITS_PER_WORD           64
#define BITS_PER_WORD32         32

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
QEMU_BUILD_BUG_ON(XENPV_NR_PORTS32 != BITS_PER_WORD32 * BITS_PER_WORD32);

static uint64_t *pending_word(XenPvEmu *emu, uint32_t port)
{
    return (uint64_t *)((char *)emu->cfg.shared_info + SHARED_INFO_PENDING) +
           port / BITS_PER_WORD;
}

static uint64_t *mask_word(XenPvEmu *emu, uint32_t port)
{
    size_t off = xenpv_emu_guest_is_32bit(emu) ? SHARED_INFO_MASK32
                                               : SHARED_INFO_MASK;

    return (uint64_t *)((char *)emu->cfg.shared_info + off) +
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

static void kick_all(XenPvEmu *emu, uint64_t mask)
{
    while (mask) {
        unsigned vcpu = ctz64(mask);

        mask &= mask - 1;
        if (vcpu < emu->cfg.nr_vcpus) {
            kick(emu, vcpu);
        }
    }
}

/* Steps 1 to 4 above.  Any thread. */
void xenpv_emu_set_pending(XenPvEmu *emu, uint32_t port)
{
    uint64_t bit = port_bit(port);
    unsigned vcpu = qatomic_read(&emu->port[port].vcpu);
    struct xenpv_mon_kick *mon = &emu->cfg.shared->kick[vcpu];
    uint64_t sel = 1ull << (port / (xenpv_emu_guest_is_32bit(emu)
                                    ? BITS_PER_WORD32 : BITS_PER_WORD));
    uint64_t kicks;

    if (qatomic_fetch_or(pending_word(emu, port), bit) & bit) {
        return;
    }
    kicks = qatomic_read(&emu->cfg.shared->poll_mask);
    if (!(qatomic_read(mask_word(emu, port)) & bit) &&
        !qatomic_fetch_or(&mon->pending_sel, sel)) {
        kicks |= 1ull << vcpu;
    }
    kick_all(emu, kicks);
}

/* Whoever gets the port next starts with no event pending. */
void xenpv_emu_clear_pending(XenPvEmu *emu, uint32_t port)
{
    qatomic_and(pending_word(emu, port), ~port_bit(port));
}

/*
 * Any thread.  A port that is closed or rebound meanwhile costs at worst a
 * spurious event, which every user of event channels must take.
 */
void xenpv_emu_send(XenPvEmu *emu, uint32_t port)
{
    XenPvEmuPort *p = xenpv_emu_port(emu, port);
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
    if (p->remote_dom == emu->cfg.guest && xenpv_emu_port(emu, remote)) {
        xenpv_emu_set_pending(emu, remote);
    }
}

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
    XenPvEmuPort *p = xenpv_emu_port(emu, remote_port);
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
    xenpv_emu_connect(emu, remote_port, channel);
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
        xenpv_emu_set_pending(c->emu, port);
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
        xenpv_emu_mirror(emu, c->port);
    }
    emu->local[channel->local_port] = NULL;
    call_rcu1(&c->rcu, channel_reclaim);
}

void xenpv_emu_channels_init(XenPvEmu *emu)
{
    emu->kick_bh = qemu_bh_new_guarded(kick_bh, emu, NULL);
}

void xenpv_emu_channels_cleanup(XenPvEmu *emu)
{
    qemu_bh_delete(emu->kick_bh);
}
