/*
 * -M xenpv,mode=emulate: nobody has made the domain, there is no Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine has RAM, the monitor block, local APICs and the two doorbell
 * ports; everything else the guest sees is made of memory, events and
 * xenstore.  Every reset builds it all anew, from the kernel and initrd read
 * at start.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/notify.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include "qapi/qapi-events-machine.h"
#include "cpu.h"
#include "exec/address-spaces.h"
#include "exec/translation-block.h"
#include "system/cpu-timers.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "hw/xenpv/hypervisor/emulated/emulated.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/xen_backend.h"
#include "net/net.h"
#include "system/balloon.h"
#include "system/reset.h"
#include "system/rtc.h"
#include "system/runstate.h"
#include "system/system.h"
#include "system/tcg.h"
#include "system/kvm.h"
#include "monitor_image.h"
#include "stream.h"
#include "vcpu-plug.h"

#define GUEST_DOMID 1

typedef struct XenPvEmulate {
    MachineState *machine;
    const XenPvMachineOptions *options;

    XenPvRam ram;
    XenPvBlockLayout layout;
    MemoryRegion block;
    void *block_ptr;
    XenPvKernel *kernel;
    uint8_t *initrd;
    size_t initrd_len;
    QemuUUID uuid;
    XenPvEmu *emu;
    XenPvBus *bus;
    XenPvEmergencyConsole emergency;
    Notifier powerdown;
    Notifier exit;
    XenPvStream stream;
    XenPvStolen stolen;
    XenPvPlug plug;
    QEMUBH *down;
    uint64_t tsc_khz;
} XenPvEmulate;

/* ---- what the emulation asks of the machine ---- */

static void *hook_frame_ptr(void *opaque, uint64_t mfn)
{
    XenPvEmulate *s = opaque;
    uint64_t pfn;

    if (!xenpv_mfn_to_pfn(&s->ram.map, mfn, &pfn)) {
        return NULL;
    }
    return xenpv_ram_ptr(&s->ram, pfn);
}

static void hook_frame_dirty(void *opaque, uint64_t mfn, uint32_t offset,
                             uint32_t len)
{
    XenPvEmulate *s = opaque;
    uint64_t pfn;

    if (xenpv_mfn_to_pfn(&s->ram.map, mfn, &pfn) &&
        offset < XENPV_PAGE_SIZE && len <= XENPV_PAGE_SIZE - offset) {
        xenpv_ram_page_written(&s->ram, pfn, offset, len);
    }
}

/* The same on every accelerator: a message to the vCPU's local APIC */
static void hook_kick(void *opaque, unsigned vcpu)
{
    XenPvEmulate *s = opaque;
    uint32_t apic_id = xenpv_block_shared(s->block_ptr)->apic_id[vcpu];

    address_space_stl_le(&address_space_memory,
                         XENPV_APIC_GPA | (apic_id & 0xff) << 12,
                         XENPV_VECTOR_EVENT, MEMTXATTRS_UNSPECIFIED, NULL);
}

/*
 * A guest that suspends stands still until the user wakes it, as one in S3
 * does on a PC.  It hears that it was called off, for nothing has happened
 * to its domain: ports, grants and devices are what they were, even if it
 * has been saved and is loaded elsewhere.
 */
static int hook_shutdown(void *opaque, unsigned reason, uint64_t arg)
{
    int ret = xenpv_guest_shutdown(reason);

    if (ret > 0) {
        qemu_system_suspend_request();
    }
    return ret;
}

static void hook_console_write(void *opaque, const uint8_t *buf, uint32_t len)
{
    XenPvEmulate *s = opaque;

    xenpv_emergency_write(&s->emergency, buf, len);
}

static uint32_t hook_console_read(void *opaque, uint8_t *buf, uint32_t room)
{
    return 0;
}

static void hook_clock(void *opaque, struct xenpv_mon_clock *clock)
{
    XenPvEmulate *s = opaque;
    struct tm now;

    xenpv_stolen_update(&s->stolen);
    qemu_get_timedate(&now, 0);
    clock->ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    clock->wall_ns = mktimegm(&now) * NANOSECONDS_PER_SECOND +
                     qemu_clock_get_ns(rtc_clock) % NANOSECONDS_PER_SECOND -
                     clock->ns;
    clock->tsc_khz = s->tsc_khz;
}

static void hook_panic(void *opaque, const char *text)
{
    xenpv_guest_crashed(text);
}

static void hook_discard(void *opaque, const uint64_t *mfns, uint32_t nr)
{
    XenPvEmulate *s = opaque;

    xenpv_ram_discard(&s->ram, mfns, nr);
}

/* What the guest has now, by its own account */
static uint64_t guest_bytes(XenPvEmulate *s)
{
    const struct xenpv_mon_shared *shared = xenpv_block_shared(s->block_ptr);
    uint64_t nr = s->ram.map.nr_pages;

    return (nr - MIN(nr, qatomic_read(&shared->free_pages))) <<
           XENPV_PAGE_SHIFT;
}

static void hook_balloon(void *opaque)
{
    qapi_event_send_balloon_change(guest_bytes(opaque));
}

/* Not here, on the vCPU's own thread: a device may go */
static void hook_down(void *opaque)
{
    XenPvEmulate *s = opaque;

    if (s->plug.leaving) {
        qemu_bh_schedule(s->down);
    }
}

static const XenPvEmuHooks machine_hooks = {
    .frame_ptr = hook_frame_ptr,
    .frame_dirty = hook_frame_dirty,
    .kick = hook_kick,
    .shutdown = hook_shutdown,
    .console_write = hook_console_write,
    .console_read = hook_console_read,
    .clock = hook_clock,
    .panic = hook_panic,
    .discard = hook_discard,
    .balloon = hook_balloon,
    .down = hook_down,
};

/* ---- what the user asks for in mid-run ---- */

/* The guest is told the same by "balloon" as by a toolstack */
static void balloon_to(void *opaque, ram_addr_t target)
{
    XenPvEmulate *s = opaque;

    target = MIN(target, s->ram.map.nr_pages << XENPV_PAGE_SHIFT);
    xenpv_emu_request_memory(s->emu, target / KiB);
}

static void balloon_status(void *opaque, BalloonInfo *info)
{
    info->actual = guest_bytes(opaque);
}

static void plug_settle(XenPvEmulate *s)
{
    xenpv_plug_settle(&s->plug);
    s->stream.here.plugged = s->plug.plugged;
}

static void emulate_pre_plug(void *opaque, DeviceState *dev, Error **errp)
{
    XenPvEmulate *s = opaque;

    xenpv_plug_check(&s->plug, dev, errp);
}

static void emulate_plug(void *opaque, DeviceState *dev)
{
    XenPvEmulate *s = opaque;

    xenpv_plug_add(&s->plug, dev);
    s->stream.here.plugged = s->plug.plugged;
}

static void emulate_unplug(void *opaque, DeviceState *dev, Error **errp)
{
    XenPvEmulate *s = opaque;

    xenpv_plug_remove(&s->plug, dev, errp);
    s->stream.here.plugged = s->plug.plugged;
}

static void vcpus_down(void *opaque)
{
    plug_settle(opaque);
}

/* ---- the clock ---- */

/*
 * TCG's time stamp counter is the host's tick counter, whose rate nobody
 * tells.  A rough value does: the monitor measures it anew every second.
 */
typedef struct TickSample {
    int64_t ns;
    int64_t ticks;
} TickSample;

/*
 * Both clocks at one moment.  On a busy host the thread may be put aside
 * between the readings, so the closest of a few counts: a rate that is off
 * by such a pause would have the guest's first seconds take minutes.
 */
static TickSample sample_ticks(void)
{
    TickSample best = { 0 };
    int64_t shortest = INT64_MAX;
    int i;

    for (i = 0; i < 16; i++) {
        int64_t before = get_clock();
        int64_t ticks = cpu_get_host_ticks();
        int64_t took = get_clock() - before;

        if (took < shortest) {
            shortest = took;
            best = (TickSample) { before + took / 2, ticks };
        }
    }
    return best;
}

static uint64_t measure_tsc_khz(void)
{
    TickSample first, last;

    if (icount_enabled()) {
        return NANOSECONDS_PER_SECOND / 1000;
    }
    first = sample_ticks();
    do {
        last = sample_ticks();
    } while (last.ns - first.ns < 20 * SCALE_MS);
    return muldiv64(last.ticks - first.ticks, 1000000, last.ns - first.ns);
}

static uint64_t tsc_khz(void)
{
    X86CPU *cpu = X86_CPU(first_cpu);

    if (kvm_enabled() && cpu->env.tsc_khz) {
        return cpu->env.tsc_khz;
    }
    return measure_tsc_khz();
}

/* ---- reset: everything anew ---- */

static uint64_t memory_pfn_to_mfn(void *opaque, uint64_t pfn)
{
    XenPvEmulate *s = opaque;

    return xenpv_pfn_to_mfn(&s->ram.map, pfn);
}

static void *memory_pfn_to_ptr(void *opaque, uint64_t pfn)
{
    XenPvEmulate *s = opaque;

    return xenpv_ram_ptr(&s->ram, pfn);
}

static void publish_start(XenPvEmulate *s, const XenPvStartOfDay *sod)
{
    struct xenpv_mon_shared *shared = xenpv_block_shared(s->block_ptr);
    uint8_t *types = (uint8_t *)s->block_ptr + s->layout.types;
    CPUState *cs;
    size_t i;

    shared->start_rip = sod->rip;
    shared->start_rsp = sod->rsp;
    shared->start_rsi = sod->rsi;
    shared->start_cr3 = sod->cr3_mfn << XENPV_PAGE_SHIFT;
    memcpy(shared->uuid, s->uuid.data, sizeof(shared->uuid));
    for (i = 0; i < sod->nr_tables; i++) {
        types[xenpv_pfn_to_mfn(&s->ram.map, sod->tables[i].pfn)] |=
            1u << (sod->tables[i].level - 1);
    }
    CPU_FOREACH(cs) {
        shared->apic_id[cs->cpu_index] = X86_CPU(cs)->apic_id;
    }
}

static void publish_domain(XenPvEmulate *s, const XenPvStartOfDay *sod,
                           uint32_t store_port, uint32_t console_port)
{
    MachineState *ms = s->machine;
    g_autofree char *uuid = qemu_uuid_unparse_strdup(&s->uuid);
    XenPvEmuDomain domain = {
        .name = qemu_get_vm_name() ?: "guest",
        .uuid = uuid,
        .nr_vcpus = ms->smp.cpus,
        .max_vcpus = ms->smp.max_cpus,
        .memory_kib = ms->ram_size / KiB,
        .max_memory_kib = ms->maxram_size / KiB,
        .store_gfn = sod->store_mfn,
        .store_port = store_port,
        .console_gfn = sod->console_mfn,
        .console_port = console_port,
    };

    xenpv_emu_grant_seed(s->emu, 0, 0, sod->console_mfn);
    xenpv_emu_grant_seed(s->emu, 1, 0, sod->store_mfn);
    xenpv_emu_store_attach(s->emu, sod->store_mfn, store_port, &error_fatal);
    xenpv_emu_write_domain(s->emu, &domain);
    xenpv_plug_publish(&s->plug);
}

static void build_guest(XenPvEmulate *s)
{
    MachineState *ms = s->machine;
    g_autofree char *cmdline = xenpv_display_cmdline(s->bus,
                                                     ms->kernel_cmdline);
    XenPvGuestMemory memory = {
        .nr_pages = s->ram.map.start_pages,
        .pfn_to_mfn = memory_pfn_to_mfn,
        .pfn_to_ptr = memory_pfn_to_ptr,
        .opaque = s,
    };
    XenPvStartParams params = {
        .kernel = s->kernel,
        .initrd = s->initrd,
        .initrd_len = s->initrd_len,
        .initrd_filename = ms->initrd_filename,
        .cmdline = cmdline,
        .shared_info_maddr = XENPV_RAM_HOLE + XENPV_OFF_SHARED_INFO,
    };
    XenPvStartOfDay sod = { 0 };
    uint32_t flags = 0;

    /* A 32-bit kernel is in ring 1 on one page table on Xen, too */
    if (s->kernel->pae) {
        flags = XENPV_GUEST_PAE;
    } else {
        flags |= s->kernel->guest_os == XENPV_GUEST_OS_LINUX ?
                 XENPV_GUEST_LINUX : 0;
        flags |= s->options->strict ? XENPV_GUEST_STRICT : 0;
    }
    xenpv_bus_quiesce(s->bus);
    xenpv_ram_reset(&s->ram);
    xenpv_block_fill(s->block_ptr, &s->layout, &s->ram.map, flags);
    xenpv_emu_reset(s->emu);
    plug_settle(s);
    params.store_evtchn = xenpv_emu_alloc_port(s->emu, 0);
    params.console_evtchn = xenpv_emu_alloc_port(s->emu, 0);
    xenpv_build_start_of_day(&params, &memory, &sod, &error_fatal);
    publish_start(s, &sod);
    publish_domain(s, &sod, params.store_evtchn, params.console_evtchn);
    xenpv_bus_restart(s->bus);
    xenpv_ram_written(s->ram.start, s->ram.start_ptr,
                      s->ram.map.start_pages << XENPV_PAGE_SHIFT);
    xenpv_ram_written(&s->block, s->block_ptr, s->layout.size);
    xenpv_start_of_day_clear(&sod);
}

/*
 * With one vCPU TCG takes itself to be alone with guest memory, and a locked
 * instruction of the guest becomes a plain load and store.  It is not alone:
 * QEMU sets bits in shared_info and in the kick words at any time, and the
 * guest's store would undo one set in between: an event lost.
 */
static void share_memory_with_guest(void)
{
    CPUState *cs;

    if (tcg_enabled()) {
        CPU_FOREACH(cs) {
            tcg_cflags_set(cs, CF_PARALLEL);
        }
    }
}

static void emulate_reset(void *opaque, ResetType type)
{
    XenPvEmulate *s = opaque;
    uint64_t boot_cr3;
    CPUState *cs;

    xenpv_guest_restarted();
    qemu_devices_reset(type);
    if (!s->tsc_khz) {
        s->tsc_khz = tsc_khz();     /* takes a while; not at every reboot */
    }
    build_guest(s);
    boot_cr3 = xenpv_block_shared(s->block_ptr)->boot_cr3;
    CPU_FOREACH(cs) {
        X86CPU *cpu = X86_CPU(cs);

        x86_cpu_after_reset(cpu);
        xenpv_vcpu_start(cpu, cs->cpu_index, boot_cr3);
    }
}

static void xenpv_powerdown(Notifier *n, void *opaque)
{
    XenPvEmulate *s = container_of(n, XenPvEmulate, powerdown);

    xenpv_emu_request_shutdown(s->emu, "poweroff");
}

static void xenpv_exit(Notifier *n, void *opaque)
{
    XenPvEmulate *s = container_of(n, XenPvEmulate, exit);

    g_clear_pointer(&s->emu, xenpv_emu_free);
}

/* ---- init ---- */

static bool check_options(XenPvEmulate *s, Error **errp)
{
    if (s->machine->smp.max_cpus > XENPV_MAX_VCPUS) {
        error_setg(errp, "-smp: at most %d vCPUs can be emulated, not %u",
                   XENPV_MAX_VCPUS, s->machine->smp.max_cpus);
        return false;
    }
    return xenpv_check_guest_options(s->machine, errp);
}

static bool load_files(XenPvEmulate *s, Error **errp)
{
    MachineState *ms = s->machine;

    s->kernel = xenpv_kernel_load(ms->kernel_filename, errp);
    if (!s->kernel) {
        return false;
    }
    if (ms->initrd_filename) {
        s->initrd = xenpv_file_read(ms->initrd_filename, XENPV_FILE_MAX,
                                    &s->initrd_len, errp);
        if (!s->initrd) {
            return false;
        }
    }
    return true;
}

static bool init_memory(XenPvEmulate *s, Error **errp)
{
    MachineState *ms = s->machine;

    if (!xenpv_ram_init(&s->ram, ms, errp)) {
        return false;
    }
    if (s->kernel->pae && !xenpv_map_fits_pae(&s->ram.map)) {
        error_setg(errp, "-m: a 32-bit kernel can have up to 15 GiB");
        return false;
    }
    if (!xenpv_block_layout(&s->layout, &s->ram.map, ms->smp.max_cpus)) {
        error_setg(errp, "-m: more memory than -M xenpv can map");
        return false;
    }
    if (!xenpv_ram_make(&s->ram, ms, errp)) {
        return false;
    }
    if (!memory_region_init_ram(&s->block, NULL, "xenpv.monitor",
                                s->layout.size, errp)) {
        return false;
    }
    memory_region_add_subregion(get_system_memory(), XENPV_RAM_HOLE,
                                &s->block);
    s->block_ptr = memory_region_get_ram_ptr(&s->block);
    return true;
}

static bool init_emulation(XenPvEmulate *s, Error **errp)
{
    uint8_t *block = s->block_ptr;
    XenPvEmuConfig config = {
        .guest = GUEST_DOMID,
        .nr_vcpus = s->machine->smp.max_cpus,
        .shared = xenpv_block_shared(block),
        .ports = (void *)(block + XENPV_OFF_PORTS),
        .shared_info = block + XENPV_OFF_SHARED_INFO,
        .grants = block + XENPV_OFF_GRANT,
        .mailboxes = block + XENPV_OFF_MAILBOX,
        .hooks = &machine_hooks,
        .opaque = s,
    };

    s->emu = xenpv_emu_new(&config, errp);
    if (!s->emu) {
        return false;
    }
    xenpv_emu_add_doorbells(s->emu, get_system_io(), OBJECT(s->machine));
    if (s->options->store_path &&
        !xenpv_emu_socket_open(s->emu, s->options->store_path, errp)) {
        return false;
    }
    s->bus = xenpv_bus_create(xenpv_emu_hv(s->emu), GUEST_DOMID, errp);
    return s->bus;
}

/*
 * Under TCG a string instruction is a loop of its smallest steps.  Kernels and
 * C libraries that read here that they are fast copy and clear byte by byte,
 * at a fraction of the speed of a plain loop.  -cpu max,+erms is still obeyed.
 */
static GlobalProperty tcg_cpu_policy[] = {
    { TYPE_X86_CPU, "erms", "off" },
    { TYPE_X86_CPU, "fsrm", "off" },
    { TYPE_X86_CPU, "fzrm", "off" },
    { TYPE_X86_CPU, "fsrs", "off" },
    { TYPE_X86_CPU, "fsrc", "off" },
};

/*
 * A guest starts all vCPUs it may ever have and then takes those down that
 * xenstore says are offline, so that all must be there from the start.  One
 * that is down sleeps in the monitor.
 */
static void init_vcpus(MachineState *ms)
{
    X86MachineState *x86ms = X86_MACHINE(ms);
    unsigned i;

    if (tcg_enabled()) {
        compat_props_add(MACHINE_GET_CLASS(ms)->compat_props, tcg_cpu_policy,
                         G_N_ELEMENTS(tcg_cpu_policy));
    }
    x86_cpus_init(x86ms, CPU_VERSION_LATEST);
    for (i = ms->smp.cpus; i < ms->smp.max_cpus; i++) {
        Object *cpu = object_new(ms->cpu_type);

        object_property_set_uint(cpu, "apic-id",
                                 ms->possible_cpus->cpus[i].arch_id,
                                 &error_fatal);
        qdev_realize_and_unref(DEVICE(cpu), NULL, &error_fatal);
    }
}

static void emulate_free(void *opaque)
{
    XenPvEmulate *s = opaque;

    qemu_remove_balloon_handler(s);
    qemu_bh_delete(s->down);
    xenpv_kernel_free(s->kernel);
    g_free(s->initrd);
    g_free(s);
}

static void digest(uint8_t *to, const void *data, size_t len)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size = XENPV_STREAM_DIGEST;

    g_checksum_update(sum, data, len);
    g_checksum_get_digest(sum, to, &size);
}

/* What a guest that is loaded must have been saved with */
static void init_stream(XenPvEmulate *s)
{
    MachineState *ms = s->machine;
    const FeatureWordArray *features = &X86_CPU(first_cpu)->env.features;

    s->stream = (XenPvStream) {
        .emu = s->emu,
        .bus = s->bus,
        .block = &s->block,
        .written = XENPV_OFF_PERCPU,
        .here = {
            .abi = XENPV_ABI_VERSION,
            .ram = ms->ram_size,
            .max_ram = ms->maxram_size,
            .vcpus = ms->smp.cpus,
            .max_vcpus = ms->smp.max_cpus,
            .strict = s->options->strict,
        },
    };
    pstrcpy(s->stream.here.cpu, sizeof(s->stream.here.cpu), ms->cpu_type);
    digest(s->stream.here.monitor, monitor_image.data, monitor_image.size);
    digest(s->stream.here.features, features, sizeof(*features));
    xenpv_stream_init(&s->stream);
}

static void *emulate_init(MachineState *machine,
                          const XenPvMachineOptions *options, Error **errp)
{
    XenPvEmulate *s = g_new0(XenPvEmulate, 1);

    s->machine = machine;
    s->options = options;
    if (!check_options(s, errp) || !load_files(s, errp) ||
        !init_memory(s, errp)) {
        return NULL;
    }
    if (qemu_uuid_set) {
        s->uuid = qemu_uuid;
    } else {
        qemu_uuid_generate(&s->uuid);
    }
    init_vcpus(machine);
    share_memory_with_guest();
    /*
     * Exit notifiers run last in, first out: the bus, which has one as well,
     * must find the hypervisor still there.
     */
    s->exit.notify = xenpv_exit;
    qemu_add_exit_notifier(&s->exit);
    if (!init_emulation(s, errp) ||
        !xenpv_add_serial_console(s->bus, errp) ||
        !xenpv_display_init(s->bus, errp)) {
        return NULL;
    }
    /* "-nic", with or without a model, and the one a machine has by default */
    qemu_create_nic_bus_devices(BUS(s->bus), TYPE_XENPV_DEVICE,
                                "xen-net-device", "xen", "xen-net-device");
    qemu_add_balloon_handler(balloon_to, balloon_status, s);
    init_stream(s);
    s->plug = (XenPvPlug) {
        .machine = machine,
        .emu = s->emu,
        .shared = xenpv_block_shared(s->block_ptr),
    };
    xenpv_plug_init(&s->plug);
    s->down = qemu_bh_new(vcpus_down, s);
    xenpv_stolen_init(&s->stolen, xenpv_block_shared(s->block_ptr));
    qemu_register_wakeup_support();
    s->powerdown.notify = xenpv_powerdown;
    qemu_register_powerdown_notifier(&s->powerdown);
    return s;
}

const XenPvMode xenpv_mode_emulate = {
    .name = "emulate",
    .init = emulate_init,
    .reset = emulate_reset,
    .free = emulate_free,
    .pre_plug = emulate_pre_plug,
    .plug = emulate_plug,
    .unplug = emulate_unplug,
};
