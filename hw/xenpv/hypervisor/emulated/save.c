/*
 * The emulation in a stream: ports, store, the guest's store connection.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is in guest memory goes with guest memory: pending events, masks, the
 * grant table, all rings.  Not saved, because they are made anew:
 *
 *   our ends of channels  a port that was bound to one is open for us again,
 *                         and whoever had it binds once more
 *   grants in use         likewise; the marks of use in the guest's table are
 *                         taken away first
 *   virq_port             is the port table read the other way
 *   kicks                 every vCPU is told to look
 *
 * The stream may be made up: everything in it is judged before it is used.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

/* Of what is below; the frame around it has a version of its own. */
#define FORMAT 1

/* ---- ports ---- */

static void put_ports(XenPvEmu *emu, GByteArray *out)
{
    uint32_t port, nr = 0;

    for (port = 1; port < XENPV_NR_PORTS; port++) {
        nr += emu->port[port].state != XENPV_PORT_FREE;
    }
    xenpv_saved_put_u32(out, nr);
    for (port = 1; port < XENPV_NR_PORTS; port++) {
        const XenPvEmuPort *p = &emu->port[port];

        if (p->state != XENPV_PORT_FREE) {
            xenpv_saved_put_u32(out, port);
            xenpv_saved_put_u8(out, p->state);
            xenpv_saved_put_u8(out, p->vcpu);
            xenpv_saved_put_u8(out, p->virq);
            xenpv_saved_put_u32(out, p->remote_dom);
            xenpv_saved_put_u32(out, p->remote_port);
        }
    }
}

static bool judge_port(XenPvEmu *emu, XenPvEmuPort *p)
{
    uint32_t *virq_port;

    if (p->vcpu >= emu->cfg.nr_vcpus) {
        return false;
    }
    switch (p->state) {
    case XENPV_PORT_UNBOUND:
    case XENPV_PORT_IPI:
        return true;
    case XENPV_PORT_VIRQ:
        virq_port = xenpv_emu_virq_port(emu, p->virq, p->vcpu);
        return virq_port && !*virq_port;
    case XENPV_PORT_INTERDOMAIN:
        return p->remote_dom == emu->parent.self ||
               (p->remote_dom == emu->cfg.guest &&
                p->remote_port && p->remote_port < XENPV_NR_PORTS);
    default:
        return false;
    }
}

static bool get_port(XenPvEmu *emu, XenPvSaved *s, uint32_t *last)
{
    uint32_t port = xenpv_saved_u32(s);
    XenPvEmuPort p = { 0 };
    uint32_t remote_dom;

    p.state = xenpv_saved_u8(s);
    p.vcpu = xenpv_saved_u8(s);
    p.virq = xenpv_saved_u8(s);
    remote_dom = xenpv_saved_u32(s);
    p.remote_port = xenpv_saved_u32(s);
    p.remote_dom = remote_dom;
    if (s->bad || port <= *last || port >= XENPV_NR_PORTS ||
        remote_dom > UINT16_MAX || !judge_port(emu, &p)) {
        return false;
    }
    *last = port;
    if (p.state == XENPV_PORT_VIRQ) {
        *xenpv_emu_virq_port(emu, p.virq, p.vcpu) = port;
    } else if (p.state == XENPV_PORT_INTERDOMAIN &&
               p.remote_dom == emu->parent.self) {
        p.state = XENPV_PORT_UNBOUND;
        p.remote_port = 0;
    }
    emu->port[port] = p;
    return true;
}

/* Both ends of what the guest has bound to itself name each other. */
static bool loopbacks_agree(XenPvEmu *emu)
{
    uint32_t port;

    for (port = 1; port < XENPV_NR_PORTS; port++) {
        const XenPvEmuPort *p = &emu->port[port];

        if (p->state == XENPV_PORT_INTERDOMAIN) {
            const XenPvEmuPort *peer = &emu->port[p->remote_port];

            if (peer->state != XENPV_PORT_INTERDOMAIN ||
                peer->remote_port != port) {
                return false;
            }
        }
    }
    return true;
}

static bool get_ports(XenPvEmu *emu, XenPvSaved *s, Error **errp)
{
    uint32_t nr = xenpv_saved_u32(s), last = 0, i;
    bool ok = !s->bad && nr < XENPV_NR_PORTS;

    for (i = 0; ok && i < nr; i++) {
        ok = get_port(emu, s, &last);
    }
    if (!ok || !loopbacks_agree(emu)) {
        xenpv_emu_forget_ports(emu);
        error_setg(errp, "event channels: port %" PRIu32 " or the next is not "
                   "one that can be", last);
        return false;
    }
    for (i = 0; i < XENPV_NR_PORTS; i++) {
        xenpv_emu_mirror(emu, i);
    }
    return true;
}

/* ---- all of it ---- */

GByteArray *xenpv_emu_save(XenPvEmu *emu)
{
    GByteArray *out = g_byte_array_new();

    xenpv_saved_put_u32(out, FORMAT);
    put_ports(emu, out);
    xenpv_xs_save(emu->conn, out);
    xenpv_emu_ring_save(emu, out);
    trace_xenpv_emu_save(out->len);
    return out;
}

static bool load(XenPvEmu *emu, XenPvSaved *s, Error **errp)
{
    uint32_t format = xenpv_saved_u32(s);

    if (format != FORMAT) {
        error_setg(errp, "format %" PRIu32 " of events and xenstore, not %d",
                   format, FORMAT);
        return false;
    }
    if (!get_ports(emu, s, errp) || !xenpv_xs_load(emu->conn, s, errp) ||
        !xenpv_emu_ring_load(emu, s, errp)) {
        return false;
    }
    if (s->bad || s->left) {
        error_setg(errp, "%zu bytes too many", s->left);
        return false;
    }
    return true;
}

bool xenpv_emu_load(XenPvEmu *emu, const uint8_t *data, size_t len,
                    Error **errp)
{
    XenPvSaved s = { .at = data, .left = len };

    trace_xenpv_emu_load(len);
    emu->held = true;
    xenpv_emu_grants_release(emu);
    if (!load(emu, &s, errp)) {
        xenpv_emu_ring_detach(emu);
        return false;
    }
    return true;
}

void xenpv_emu_hold(XenPvEmu *emu)
{
    emu->held = true;
    xenpv_emu_grants_dirty(emu);
}

void xenpv_emu_go_on(XenPvEmu *emu)
{
    emu->held = false;
    xenpv_emu_ring_wake(emu);
}

void xenpv_emu_kick_all(XenPvEmu *emu)
{
    unsigned vcpu;

    for (vcpu = 0; vcpu < emu->cfg.nr_vcpus; vcpu++) {
        qatomic_set(&emu->cfg.shared->kick[vcpu].resync, 1);
        emu->cfg.hooks->kick(emu->cfg.opaque, vcpu);
    }
}
