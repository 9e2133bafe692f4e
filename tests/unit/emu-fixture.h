/*
 * An emulated hypervisor on fake RAM, and the guest's side of its mailboxes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef XENPV_EMU_FIXTURE_H
#define XENPV_EMU_FIXTURE_H

#include "hw/xen/interface/event_channel.h"
#include "hw/xen/interface/grant_table.h"
#include "hw/xen/interface/io/xs_wire.h"
#include "hw/xenpv/hypervisor/emulated/emulated.h"

#define FX_GUEST        1
#define FX_FIRST_MFN    512
#define FX_NR_FRAMES    64
#define FX_NR_VCPUS     2

/**
 * EmuFixture: a guest without a machine
 * @ram: FX_NR_FRAMES pages, frames FX_FIRST_MFN and up
 * @kicks: interrupts each vCPU got
 * @shutdown_reason: of the last shutdown, or -1
 * @panic: text of the last panic
 * @console: what was written to the emergency console
 * @input: what the emergency console has to read
 * @discarded: frames in the last discard
 * @ballooned: calls of the balloon hook
 * @downs: calls of the down hook
 * @dirty_mfn: last frame reported dirty, with how often
 */
typedef struct EmuFixture {
    XenPvEmu *emu;
    XenPvHv *hv;
    uint8_t *ram;
    struct xenpv_mon_shared *shared;
    struct xenpv_mon_port *ports;
    struct shared_info *info;
    grant_entry_v1_t *grants;
    struct xenpv_mailbox *mailbox;
    unsigned kicks[FX_NR_VCPUS];
    int shutdown_reason;
    char *panic;
    GString *console;
    const char *input;
    uint32_t discarded;
    uint32_t ballooned;
    uint32_t downs;
    uint64_t dirty_mfn;
    unsigned dirty_count;
} EmuFixture;

EmuFixture *fx_new(bool kick_any_thread);
void fx_free(EmuFixture *fx);

/** fx_page: host address of the n-th frame */
void *fx_page(EmuFixture *fx, unsigned n);

/**
 * fx_call: what the monitor does for one call
 *
 * @data is copied in and, up to @len, out again.  Returns the result.
 */
int64_t fx_call(EmuFixture *fx, uint32_t nr, uint32_t subop, uint64_t arg,
                void *data, uint32_t len);

/** fx_evtchn: an event channel operation of the guest's */
int fx_evtchn(EmuFixture *fx, uint32_t op, void *arg, uint32_t len);

/** fx_open: a new port of the guest's that is open for domain 0 */
uint32_t fx_open(EmuFixture *fx);

/** fx_run: let bottom halves and event notifiers run until all is quiet */
void fx_run(void);

bool fx_pending(EmuFixture *fx, uint32_t port);
void fx_clear_pending(EmuFixture *fx, uint32_t port);
void fx_mask(EmuFixture *fx, uint32_t port, bool masked);

/** fx_attach_store: the guest's store page, in frame 0; returns its port */
uint32_t fx_attach_store(EmuFixture *fx);

#endif /* XENPV_EMU_FIXTURE_H */
