/*
 * An emulated hypervisor on fake RAM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/memalign.h"
#include "emu-fixture.h"

static void *fx_frame_ptr(void *opaque, uint64_t mfn)
{
    EmuFixture *fx = opaque;

    if (mfn < FX_FIRST_MFN || mfn >= FX_FIRST_MFN + FX_NR_FRAMES) {
        return NULL;
    }
    return fx->ram + (mfn - FX_FIRST_MFN) * XENPV_PAGE_SIZE;
}

static void fx_frame_dirty(void *opaque, uint64_t mfn, uint32_t offset,
                           uint32_t len)
{
    EmuFixture *fx = opaque;

    g_assert_cmpuint(offset + len, <=, XENPV_PAGE_SIZE);
    fx->dirty_mfn = mfn;
    fx->dirty_count++;
}

static void fx_kick(void *opaque, unsigned vcpu)
{
    EmuFixture *fx = opaque;

    g_assert_cmpuint(vcpu, <, FX_NR_VCPUS);
    fx->kicks[vcpu]++;
}

static int fx_shutdown(void *opaque, unsigned reason, uint64_t arg)
{
    EmuFixture *fx = opaque;

    fx->shutdown_reason = reason;
    return 1;
}

static void fx_console_write(void *opaque, const uint8_t *buf, uint32_t len)
{
    EmuFixture *fx = opaque;

    g_string_append_len(fx->console, (const char *)buf, len);
}

static uint32_t fx_console_read(void *opaque, uint8_t *buf, uint32_t room)
{
    EmuFixture *fx = opaque;
    uint32_t len = MIN(room, strlen(fx->input));

    memcpy(buf, fx->input, len);
    fx->input += len;
    return len;
}

static void fx_clock(void *opaque, struct xenpv_mon_clock *clock)
{
    clock->ns = 1;
    clock->wall_ns = 2;
    clock->tsc_khz = 3;
}

static void fx_panic(void *opaque, const char *text)
{
    EmuFixture *fx = opaque;

    g_free(fx->panic);
    fx->panic = g_strdup(text);
}

static void fx_discard(void *opaque, const uint64_t *mfns, uint32_t nr)
{
    EmuFixture *fx = opaque;

    fx->discarded = nr;
}

static void fx_balloon(void *opaque)
{
    EmuFixture *fx = opaque;

    fx->ballooned++;
}

static void fx_down(void *opaque)
{
    EmuFixture *fx = opaque;

    fx->downs++;
}

static const XenPvEmuHooks hooks = {
    .frame_ptr = fx_frame_ptr,
    .frame_dirty = fx_frame_dirty,
    .kick = fx_kick,
    .shutdown = fx_shutdown,
    .console_write = fx_console_write,
    .console_read = fx_console_read,
    .clock = fx_clock,
    .panic = fx_panic,
    .discard = fx_discard,
    .balloon = fx_balloon,
    .down = fx_down,
};

static void *pages(unsigned nr)
{
    void *p = qemu_memalign(XENPV_PAGE_SIZE, nr * XENPV_PAGE_SIZE);

    memset(p, 0, nr * XENPV_PAGE_SIZE);
    return p;
}

EmuFixture *fx_new(bool kick_any_thread)
{
    EmuFixture *fx = g_new0(EmuFixture, 1);
    XenPvEmuConfig config;

    fx->ram = pages(FX_NR_FRAMES);
    fx->shared = pages(4);
    fx->ports = pages(4);
    fx->info = pages(1);
    fx->grants = pages(XENPV_GRANT_FRAMES);
    fx->mailbox = pages(FX_NR_VCPUS);
    fx->console = g_string_new(NULL);
    fx->shutdown_reason = -1;
    fx->input = "";

    config = (XenPvEmuConfig) {
        .guest = FX_GUEST,
        .nr_vcpus = FX_NR_VCPUS,
        .shared = fx->shared,
        .ports = fx->ports,
        .shared_info = fx->info,
        .grants = fx->grants,
        .mailboxes = fx->mailbox,
        .kick_any_thread = kick_any_thread,
        .hooks = &hooks,
        .opaque = fx,
    };
    fx->emu = xenpv_emu_new(&config, &error_abort);
    fx->hv = xenpv_emu_hv(fx->emu);
    return fx;
}

void fx_free(EmuFixture *fx)
{
    fx_run();
    xenpv_emu_free(fx->emu);
    qemu_vfree(fx->ram);
    qemu_vfree(fx->shared);
    qemu_vfree(fx->ports);
    qemu_vfree(fx->info);
    qemu_vfree(fx->grants);
    qemu_vfree(fx->mailbox);
    g_string_free(fx->console, true);
    g_free(fx->panic);
    g_free(fx);
}

void *fx_page(EmuFixture *fx, unsigned n)
{
    return fx->ram + n * XENPV_PAGE_SIZE;
}

int64_t fx_call(EmuFixture *fx, uint32_t nr, uint32_t subop, uint64_t arg,
                void *data, uint32_t len)
{
    struct xenpv_mailbox *mb = &fx->mailbox[0];

    mb->nr = nr;
    mb->subop = subop;
    mb->arg[0] = arg;
    mb->ret = INT64_MIN;
    mb->len = len;
    if (len) {
        memcpy(mb->data, data, len);
    }
    xenpv_emu_call(fx->emu, 0);
    if (len && mb->ret >= 0) {
        memcpy(data, mb->data, len);
    }
    return mb->ret;
}

int fx_evtchn(EmuFixture *fx, uint32_t op, void *arg, uint32_t len)
{
    return fx_call(fx, XENPV_CALL_EVTCHN, op, 0, arg, len);
}

uint32_t fx_open(EmuFixture *fx)
{
    struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = 0 };

    g_assert_cmpint(fx_evtchn(fx, EVTCHNOP_alloc_unbound, &a, sizeof(a)), ==,
                    0);
    return a.port;
}

void fx_run(void)
{
    while (aio_poll(qemu_get_aio_context(), false)) {
        continue;
    }
}

bool fx_pending(EmuFixture *fx, uint32_t port)
{
    return fx->info->evtchn_pending[port / 64] >> (port % 64) & 1;
}

void fx_clear_pending(EmuFixture *fx, uint32_t port)
{
    fx->info->evtchn_pending[port / 64] &= ~(1ull << (port % 64));
}

void fx_mask(EmuFixture *fx, uint32_t port, bool masked)
{
    fx->info->evtchn_mask[port / 64] &= ~(1ull << (port % 64));
    fx->info->evtchn_mask[port / 64] |= (uint64_t)masked << (port % 64);
}

uint32_t fx_attach_store(EmuFixture *fx)
{
    uint32_t port = xenpv_emu_alloc_port(fx->emu, 0);

    xenpv_emu_store_attach(fx->emu, FX_FIRST_MFN, port, &error_abort);
    fx_run();
    return port;
}
