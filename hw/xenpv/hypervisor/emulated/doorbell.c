/*
 * Calls of a vCPU to QEMU: one mailbox copied, judged, dispatched, answered.
 * The I/O ports that bring us here are in doorbell-io.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The monitor writes mailboxes, but so can a guest that has taken over its
 * VM.  Hence: a vCPU number is a number, the mailbox is copied before the
 * first look at it, and every length is compared with what was copied.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "emu-internal.h"
#include "hw/xenpv/trace.h"

#define MAILBOX_HEAD    offsetof(struct xenpv_mailbox, data)
#define MAILBOX_DATA    sizeof_field(struct xenpv_mailbox, data)

QEMU_BUILD_BUG_ON(sizeof(struct xenpv_mailbox) != XENPV_PAGE_SIZE);

/* SHUTDOWN_soft_reset of public/sched.h is the last of them. */
#define SHUTDOWN_LAST   5
/* SHUTDOWN_soft_reset needs a toolstack that rebuilds the domain in place. */
#define SHUTDOWN_SOFT   5

#define PANIC_MAX       256

static int64_t call_evtchn(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    return xenpv_emu_evtchn_op(emu, mb->subop, mb->data, &mb->len);
}

static int64_t call_shutdown(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    trace_xenpv_emu_shutdown(mb->arg[0], mb->arg[1]);
    if (mb->arg[0] > SHUTDOWN_LAST) {
        return -XEN_EINVAL;
    }
    if (mb->arg[0] == SHUTDOWN_SOFT) {
        return -XEN_ENOSYS;
    }
    xenpv_xs_fire_special(emu->store, "@releaseDomain");
    return emu->cfg.hooks->shutdown(emu->cfg.opaque, mb->arg[0], mb->arg[1]);
}

static int64_t call_write(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    emu->cfg.hooks->console_write(emu->cfg.opaque, mb->data, mb->len);
    return 0;
}

static int64_t call_read(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    uint32_t room = MIN(mb->arg[0], MAILBOX_DATA);

    mb->len = emu->cfg.hooks->console_read(emu->cfg.opaque, mb->data, room);
    return mb->len;
}

static int64_t call_clock(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    struct xenpv_mon_clock clock = { 0 };

    emu->cfg.hooks->clock(emu->cfg.opaque, &clock);
    memcpy(mb->data, &clock, sizeof(clock));
    mb->len = sizeof(clock);
    return 0;
}

static int64_t call_log(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    switch (mb->subop) {
    case XENPV_LOG_HYPERCALL:
        trace_xenpv_monitor_hypercall(mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    case XENPV_LOG_SUBOP:
        trace_xenpv_monitor_subop(mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    case XENPV_LOG_RDMSR:
        trace_xenpv_monitor_rdmsr(mb->arg[0], mb->arg[2]);
        break;
    case XENPV_LOG_WRMSR:
        trace_xenpv_monitor_wrmsr(mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    case XENPV_LOG_PRIVOP:
        trace_xenpv_monitor_privop(mb->arg[0], mb->arg[2]);
        break;
    case XENPV_LOG_IO:
        trace_xenpv_monitor_io(mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    case XENPV_LOG_MMU:
        trace_xenpv_monitor_mmu(mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    default:
        trace_xenpv_monitor_log(mb->subop, mb->arg[0], mb->arg[1], mb->arg[2]);
        break;
    }
    return 0;
}

/* The text goes to the user's terminal: nothing in it may steer that. */
static int64_t call_panic(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    char text[PANIC_MAX + 1];
    uint32_t len = MIN(mb->len, PANIC_MAX);
    uint32_t i;

    for (i = 0; i < len && mb->data[i]; i++) {
        text[i] = g_ascii_isprint(mb->data[i]) ? mb->data[i] : '.';
    }
    text[i] = '\0';
    trace_xenpv_monitor_panic(text);
    emu->cfg.hooks->panic(emu->cfg.opaque, text);
    return 0;
}

static int64_t call_discard(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    uint64_t mfns[MAILBOX_DATA / sizeof(uint64_t)];
    uint32_t nr = mb->len / sizeof(uint64_t);

    memcpy(mfns, mb->data, nr * sizeof(uint64_t));
    emu->cfg.hooks->discard(emu->cfg.opaque, mfns, nr);
    return 0;
}

static int64_t call_balloon(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    emu->cfg.hooks->balloon(emu->cfg.opaque);
    return 0;
}

static int64_t call_down(XenPvEmu *emu, struct xenpv_mailbox *mb)
{
    emu->cfg.hooks->down(emu->cfg.opaque);
    return 0;
}

/* By XENPV_CALL_*; "answers": data goes back when the call succeeded. */
static const struct {
    const char *name;
    int64_t (*fn)(XenPvEmu *emu, struct xenpv_mailbox *mb);
    bool answers;
} calls[] = {
    [XENPV_CALL_EVTCHN]   = { "evtchn",   call_evtchn,   true  },
    [XENPV_CALL_SHUTDOWN] = { "shutdown", call_shutdown, false },
    [XENPV_CALL_WRITE]    = { "write",    call_write,    false },
    [XENPV_CALL_READ]     = { "read",     call_read,     true  },
    [XENPV_CALL_CLOCK]    = { "clock",    call_clock,    true  },
    [XENPV_CALL_LOG]      = { "log",      call_log,      false },
    [XENPV_CALL_PANIC]    = { "panic",    call_panic,    false },
    [XENPV_CALL_DISCARD]  = { "discard",  call_discard,  false },
    [XENPV_CALL_BALLOON]  = { "balloon",  call_balloon,  false },
    [XENPV_CALL_DOWN]     = { "down",     call_down,     false },
};

void xenpv_emu_call(XenPvEmu *emu, uint32_t vcpu)
{
    struct xenpv_mailbox *shared;
    struct xenpv_mailbox mb;
    uint32_t len;

    if (vcpu >= emu->cfg.nr_vcpus) {
        trace_xenpv_emu_call_refused(vcpu, 0, 0);
        return;
    }
    shared = (struct xenpv_mailbox *)emu->cfg.mailboxes + vcpu;

    /*
     * Another vCPU may write to the page while we read.  The barrier keeps
     * the compiler from looking at the page again later.
     */
    memcpy(&mb, shared, MAILBOX_HEAD);
    barrier();
    if (mb.nr >= ARRAY_SIZE(calls) || !calls[mb.nr].fn ||
        mb.len > MAILBOX_DATA) {
        trace_xenpv_emu_call_refused(vcpu, mb.nr, mb.len);
        shared->ret = mb.len > MAILBOX_DATA ? -XEN_EINVAL : -XEN_ENOSYS;
        return;
    }
    memcpy(mb.data, shared->data, mb.len);
    barrier();

    mb.ret = calls[mb.nr].fn(emu, &mb);
    trace_xenpv_emu_call(vcpu, calls[mb.nr].name, mb.subop, mb.arg[0], mb.ret);

    if (calls[mb.nr].answers && mb.ret >= 0) {
        len = MIN(mb.len, MAILBOX_DATA);
        memcpy(shared->data, mb.data, len);
        shared->len = len;
    }
    shared->ret = mb.ret;
}
