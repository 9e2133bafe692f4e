/*
 * An emulated guest in QEMU's streams: savevm, migrate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Guest RAM and the monitor block are RAM to QEMU, processors and their APICs
 * are its own: they need nothing from here.  The monitor keeps all it knows in
 * the block, its code included.  Left are three things, in this order:
 *
 *   xenpv-config   what both machines have to agree on.  Comes before any RAM,
 *                  so that a guest that cannot run here is refused before the
 *                  one that is here has been touched, and so that devices can
 *                  let go of that one while its memory is still its own.
 *   xenpv-guest    ports and xenstore, with all devices' nodes in it
 *   (devices)      backend/migrate.c
 *
 * Guest memory that QEMU writes to while vCPUs run.  Whoever writes through a
 * pointer for a moment says so afterwards, as for DMA.  What stays mapped, and
 * the part of the block that is shared with the monitor, is taken to have been
 * written to when RAM is looked at for the last time.  From that moment until
 * vCPUs run again nothing is read or written there any more: see
 * xenpv_bus_hold().  The moment is that of QEMU's last look at its log of
 * written pages; with postcopy, or a snapshot in the background, there is no
 * such moment, and they are refused.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "exec/address-spaces.h"
#include "exec/cputlb.h"
#include "hw/xenpv/monitor-abi.h"
#include "migration/vmstate.h"
#include "system/tcg.h"
#include "stream.h"

/* Of what is said below about other machines */
#define DEVICES_MAX (64 * KiB)
#define GUEST_MAX   (32 * MiB)

/* ---- what both have to agree on ---- */

static bool agree(bool same, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static bool agree(bool same, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    if (!same) {
        va_start(ap, fmt);
        text = g_strdup_vprintf(fmt, ap);
        va_end(ap);
        error_report("the saved guest cannot run here: %s", text);
    }
    return same;
}

static bool compare_config(XenPvStream *s)
{
    const XenPvStreamConfig *here = &s->here;
    XenPvStreamConfig *there = &s->there;

    there->cpu[sizeof(there->cpu) - 1] = '\0';
    return agree(there->abi == here->abi &&
                 !memcmp(there->monitor, here->monitor,
                         sizeof(here->monitor)),
                 "it was saved by another build of QEMU, whose monitor is "
                 "not this one's (interface %" PRIu32 " there, %" PRIu32
                 " here)", there->abi, here->abi) &&
           agree(there->ram == here->ram,
                 "it has -m %" PRIu64 "K, this machine -m %" PRIu64 "K",
                 there->ram / KiB, here->ram / KiB) &&
           agree(there->max_ram == here->max_ram,
                 "it has -m maxmem=%" PRIu64 "K, this machine -m maxmem=%"
                 PRIu64 "K", there->max_ram / KiB, here->max_ram / KiB) &&
           agree(there->vcpus == here->vcpus &&
                 there->max_vcpus == here->max_vcpus,
                 "it has -smp %" PRIu32 ",maxcpus=%" PRIu32 ", this machine "
                 "-smp %" PRIu32 ",maxcpus=%" PRIu32, there->vcpus,
                 there->max_vcpus, here->vcpus, here->max_vcpus) &&
           agree(there->plugged == here->plugged,
                 "it has the vCPUs 0x%" PRIx64 " plugged, this machine 0x%"
                 PRIx64, there->plugged, here->plugged) &&
           agree(there->strict == here->strict,
                 "it has strict=%s, this machine strict=%s",
                 there->strict ? "on" : "off", here->strict ? "on" : "off") &&
           agree(!strcmp(there->cpu, here->cpu),
                 "it has vCPUs of type %s, this machine of type %s",
                 there->cpu, here->cpu) &&
           agree(!memcmp(there->features, here->features,
                         sizeof(here->features)),
                 "its vCPUs have other features than those of this machine");
}

/* By the name of its section: "vbd 51712 xen-disk". */
static char *describe(XenPvDevice *dev)
{
    return g_strdup_printf("%s %d %s", XENPV_DEVICE_GET_CLASS(dev)->type,
                           dev->devid, object_get_typename(OBJECT(dev)));
}

static void list_devices(XenPvStream *s)
{
    XenPvDevice *dev;

    g_byte_array_set_size(s->devices, 0);
    QTAILQ_FOREACH(dev, &s->bus->devices, next) {
        g_autofree char *line = describe(dev);

        g_byte_array_append(s->devices, (uint8_t *)line, strlen(line));
        g_byte_array_append(s->devices, (uint8_t *)"\n", 1);
    }
}

/* Each device there is here as well, and each here was there. */
static bool compare_devices(XenPvStream *s)
{
    g_autofree char *text = g_strndup((char *)s->devices->data,
                                      s->devices->len);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autoptr(GHashTable) here = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                       g_free, NULL);
    XenPvDevice *dev;
    unsigned i;

    QTAILQ_FOREACH(dev, &s->bus->devices, next) {
        g_autofree char *line = describe(dev);

        if (!agree(g_strv_contains((const char *const *)lines, line),
                   "it had no device %s (%s)", dev->label, line)) {
            return false;
        }
        g_hash_table_add(here, g_steal_pointer(&line));
    }
    for (i = 0; lines[i]; i++) {
        g_autofree char *shown = g_strescape(lines[i], NULL);

        if (!agree(!*lines[i] || g_hash_table_contains(here, lines[i]),
                   "its device %.80s is not here", shown)) {
            return false;
        }
    }
    return true;
}

static int config_pre_save(void *opaque)
{
    XenPvStream *s = opaque;

    s->there = s->here;
    list_devices(s);
    return 0;
}

static int config_post_load(void *opaque, int version_id)
{
    XenPvStream *s = opaque;

    if (!compare_config(s) || !compare_devices(s)) {
        return -EINVAL;
    }
    xenpv_bus_await_load(s->bus);
    xenpv_emu_reset(s->emu);
    s->loaded = false;
    return 0;
}

static const VMStateDescription config_vmstate = {
    .name = "xenpv-config",
    .version_id = 2,
    .minimum_version_id = 2,
    .priority = MIG_PRI_GICV3,
    .early_setup = true,
    .pre_save = config_pre_save,
    .post_load = config_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(there.abi, XenPvStream),
        VMSTATE_UINT8_ARRAY(there.monitor, XenPvStream, XENPV_STREAM_DIGEST),
        VMSTATE_UINT64(there.ram, XenPvStream),
        VMSTATE_UINT64(there.max_ram, XenPvStream),
        VMSTATE_UINT32(there.vcpus, XenPvStream),
        VMSTATE_UINT32(there.max_vcpus, XenPvStream),
        VMSTATE_UINT64(there.plugged, XenPvStream),
        VMSTATE_BOOL(there.strict, XenPvStream),
        VMSTATE_BUFFER_UNSAFE(there.cpu, XenPvStream, 0,
                              XENPV_STREAM_NAME),
        VMSTATE_UINT8_ARRAY(there.features, XenPvStream, XENPV_STREAM_DIGEST),
        XENPV_VMSTATE_SAVED(devices, XenPvStream, DEVICES_MAX),
        VMSTATE_END_OF_LIST()
    },
};

/* ---- the guest ---- */

static int guest_pre_save(void *opaque)
{
    XenPvStream *s = opaque;

    if (!s->bus->held) {
        error_report("-M xenpv cannot be migrated by postcopy, nor saved in "
                     "the background");
        return -ENOTSUP;
    }
    g_byte_array_unref(s->guest);
    s->guest = xenpv_emu_save(s->emu);
    return 0;
}

static int guest_post_save(void *opaque)
{
    g_byte_array_set_size(((XenPvStream *)opaque)->guest, 0);
    return 0;
}

static int guest_post_load(void *opaque, int version_id)
{
    XenPvStream *s = opaque;
    Error *err = NULL;
    bool ok;

    if (!s->bus->loading || s->loaded) {
        error_report("the stream has its sections in another order than "
                     "they are written");
        return -EINVAL;
    }
    ok = xenpv_emu_load(s->emu, s->guest->data, s->guest->len, &err);
    g_byte_array_set_size(s->guest, 0);
    if (!ok) {
        error_reportf_err(err, "the saved guest is not one: ");
        return -EINVAL;
    }
    s->loaded = true;
    return 0;
}

static const VMStateDescription guest_vmstate = {
    .name = "xenpv-guest",
    .version_id = 1,
    .minimum_version_id = 1,
    .priority = MIG_PRI_GICV3_ITS,
    .pre_save = guest_pre_save,
    .post_save = guest_post_save,
    .post_load = guest_post_load,
    .fields = (const VMStateField[]) {
        XENPV_VMSTATE_SAVED(guest, XenPvStream, GUEST_MAX),
        VMSTATE_END_OF_LIST()
    },
};

/* ---- the moments ---- */

static void log_sync(MemoryListener *listener, bool last_stage)
{
    XenPvStream *s = container_of(listener, XenPvStream, listener);

    if (last_stage) {
        xenpv_bus_hold(s->bus);
        xenpv_emu_hold(s->emu);
        /* Not the monitor's code, which TCG may have translated. */
        memory_region_set_dirty(s->block, XENPV_OFF_SHARED,
                                s->written - XENPV_OFF_SHARED);
    }
}

/*
 * TCG keeps in its TLB which pages are marked already, and a vCPU that looks
 * at the mark just before QEMU takes it away notes there what is not true any
 * more.  From then on what it writes to the page is in no log.  Before the
 * pages are read all such notes go.
 */
static void forget_marks(CPUState *cs, run_on_cpu_data data)
{
    tlb_flush(cs);
}

static void log_synced(MemoryListener *listener)
{
    CPUState *cs;

    if (tcg_enabled()) {
        CPU_FOREACH(cs) {
            run_on_cpu(cs, forget_marks, RUN_ON_CPU_NULL);
        }
    }
}

static void vm_change(void *opaque, bool running, RunState state)
{
    XenPvStream *s = opaque;

    if (!running) {
        return;
    }
    if (s->loaded) {
        s->loaded = false;
        xenpv_emu_kick_all(s->emu);
    }
    xenpv_emu_go_on(s->emu);
    xenpv_bus_go_on(s->bus);
}

void xenpv_stream_init(XenPvStream *s)
{
    s->devices = g_byte_array_new();
    s->guest = g_byte_array_new();
    s->listener = (MemoryListener) {
        .name = "xenpv",
        .log_sync_global = log_sync,
        .log_global_after_sync = log_synced,
    };
    memory_listener_register(&s->listener, &address_space_memory);
    s->vm_change = qemu_add_vm_change_state_handler(vm_change, s);
    vmstate_register(NULL, 0, &config_vmstate, s);
    vmstate_register(NULL, 0, &guest_vmstate, s);
}
