/*
 * Hypercalls of 32-bit guests: their structures, turned into those of 64 bits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen's interface is one, but its pointers and its unsigned longs are the
 * guest's, and so is the alignment of 64-bit fields (four bytes).  What is not
 * the same for both is here; all others go to the same functions.  The
 * structures are packed, so that each is exactly as long as the guest's: no
 * more is read than there may be.
 */
#include "monitor.h"

#define PACKED __attribute__((packed))

/* ---- traps and callbacks ---- */

struct trap_info32 {
    uint8_t vector;
    uint8_t flags;
    uint16_t cs;
    uint32_t address;
} PACKED;

static void set_trap(struct vcpu *v, const struct trap_info32 *t)
{
    v->trap[t->vector] = (struct trap_info) {
        .vector = t->vector,
        .flags = t->flags,
        .cs = t->cs,
        .address = t->address,
    };
}

static long set_trap_table(struct vcpu *v, uint64_t table)
{
    struct trap_info32 t;

    if (!table) {
        memset(v->trap, 0, sizeof(v->trap));
        return 0;
    }
    for (;; table += sizeof(t)) {
        if (copy_from_guest(&t, table, sizeof(t))) {
            return -XEN_EFAULT;
        }
        if (!t.address) {
            return 0;
        }
        set_trap(v, &t);
    }
}

static long set_callbacks(struct vcpu *v, const uint32_t *a)
{
    v->event_cb = (struct callback) { a[1], true, a[0] };
    v->failsafe_cb = (struct callback) { a[3], false, a[2] };
    return 0;
}

struct callback_register32 {
    uint16_t type;
    uint16_t flags;
    uint32_t cs;
    uint32_t eip;
} PACKED;

static long callback_op(struct vcpu *v, uint32_t op, uint64_t arg)
{
    struct callback_register32 r = { 0 };
    struct callback *cb;
    size_t len = op == CALLBACKOP_register ? sizeof(r) : sizeof(r.type);

    if (op > CALLBACKOP_unregister) {
        return -XEN_ENOSYS;
    }
    if (copy_from_guest(&r, arg, len)) {
        return -XEN_EFAULT;
    }
    /* SYSCALL and SYSENTER are exceptions to it */
    cb = r.type == CALLBACKTYPE_event || r.type == CALLBACKTYPE_failsafe ||
         r.type == CALLBACKTYPE_nmi ? callback_slot(v, r.type) : NULL;
    if (!cb) {
        return -XEN_ENOSYS;
    }
    if (op == CALLBACKOP_unregister && r.type != CALLBACKTYPE_nmi) {
        return -XEN_EINVAL;
    }
    *cb = (struct callback) { r.eip, r.flags & CALLBACKF_mask_events, r.cs };
    return 0;
}

static long nmi_op(struct vcpu *v, uint32_t op, uint64_t arg)
{
    uint32_t address = 0;

    if (op > XENNMI_unregister_callback) {
        return -XEN_ENOSYS;
    }
    if (op == XENNMI_register_callback &&
        copy_from_guest(&address, arg, sizeof(address))) {
        return -XEN_EFAULT;
    }
    v->nmi_cb.address = address;
    return 0;
}

/* ---- segments ---- */

static long stack_switch(struct vcpu *v, uint32_t ss, uint32_t sp)
{
    v->kernel_ss = kernel_selector(ss);
    v->kernel_sp = sp;
    return 0;
}

static long set_gdt(struct vcpu *v, uint64_t frames, uint32_t entries)
{
    uint64_t list[FIRST_RESERVED_GDT_PAGE];
    uint32_t narrow[FIRST_RESERVED_GDT_PAGE];
    unsigned nr = (entries + 511) / 512, i;

    if (entries > FIRST_RESERVED_GDT_ENTRY) {
        return -XEN_EINVAL;
    }
    if (copy_from_guest(narrow, frames, nr * sizeof(narrow[0]))) {
        return -XEN_EFAULT;
    }
    for (i = 0; i < nr; i++) {
        list[i] = narrow[i];
    }
    return set_gdt_frames(v, list, entries);
}

/* ---- memory ---- */

struct memory_reservation32 {
    uint32_t extent_start;
    uint32_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags;
    uint16_t domid;
    uint16_t pad;
} PACKED;

static long change_reservation(struct vcpu *v, uint32_t cmd, uint64_t arg)
{
    struct memory_reservation32 r;
    struct xen_memory_reservation wide = { 0 };

    if (copy_from_guest(&r, arg, sizeof(r))) {
        return -XEN_EFAULT;
    }
    wide.extent_start.p = (void *)(uintptr_t)r.extent_start;
    wide.nr_extents = r.nr_extents;
    wide.extent_order = r.extent_order;
    wide.domid = r.domid;
    return reservation(v, cmd, &wide);
}

struct memory_map32 {
    uint32_t nr_entries;
    uint32_t buffer;
} PACKED;

static long memory_map(uint64_t arg)
{
    struct memory_map32 map;

    if (copy_from_guest(&map, arg, sizeof(map))) {
        return -XEN_EFAULT;
    }
    if (!map.nr_entries) {
        return -XEN_EINVAL;
    }
    map.nr_entries = 1;
    if (put_memory_map(map.buffer)) {
        return -XEN_EFAULT;
    }
    return copy_to_guest(arg, &map, sizeof(map));
}

struct machphys_mapping32 {
    uint32_t v_start;
    uint32_t v_end;
    uint32_t max_mfn;
} PACKED;

static long machphys_mapping(uint64_t arg)
{
    struct machphys_mapping32 m = {
        .v_start = XENPV_M2P_VA_PAE,
        .v_end = XENPV_M2P_VA_PAE + SHARED->max_mfn * 4,
        .max_mfn = SHARED->max_mfn - 1,
    };

    return copy_to_guest(arg, &m, sizeof(m));
}

static long memory_op(struct vcpu *v, uint32_t cmd, uint64_t arg)
{
    switch (cmd) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return change_reservation(v, cmd, arg);
    case XENMEM_memory_map:
        return memory_map(arg);
    case XENMEM_machphys_mapping:
        return machphys_mapping(arg);
    default:
        return hc_memory_op(v, cmd, arg);   /* those with numbers only */
    }
}

/* ---- grants ---- */

struct gnttab_setup_table32 {
    uint16_t dom;
    uint16_t pad;
    uint32_t nr_frames;
    int16_t status;
    uint16_t pad1;
    uint32_t frame_list;
} PACKED;

static long grant_table_op(struct vcpu *v, uint32_t cmd, uint64_t arg,
                           uint32_t count)
{
    struct gnttab_setup_table32 s;
    struct gnttab_setup_table wide = { 0 };

    if (cmd != GNTTABOP_setup_table || !count) {
        return hc_grant_table_op(v, cmd, arg, count);
    }
    if (copy_from_guest(&s, arg, sizeof(s))) {
        return -XEN_EFAULT;
    }
    wide.dom = s.dom;
    wide.nr_frames = s.nr_frames;
    wide.frame_list.p = (void *)(uintptr_t)s.frame_list;
    make_table(&wide);
    s.status = wide.status;
    return copy_to_guest(arg, &s, sizeof(s));
}

/* ---- vCPUs and time ---- */

struct sched_poll32 {
    uint32_t ports;
    uint32_t nr_ports;
    uint64_t timeout;
} PACKED;

static long sched_op(struct vcpu *v, struct regs *regs, uint32_t op,
                     uint64_t arg)
{
    struct sched_poll32 p;
    struct sched_poll wide = { 0 };

    if (op != SCHEDOP_poll) {
        return hc_sched_op(v, regs, op, arg);
    }
    if (copy_from_guest(&p, arg, sizeof(p))) {
        return -XEN_EFAULT;
    }
    wide.ports.p = (void *)(uintptr_t)p.ports;
    wide.nr_ports = p.nr_ports;
    wide.timeout = p.timeout;
    return poll_ports(v, &wide);
}

static long singleshot(struct vcpu *v, uint32_t id, uint64_t arg)
{
    struct vcpu_set_singleshot_timer t = { 0 };

    if (id != v->id) {
        return id < SHARED->nr_vcpus ? -XEN_EINVAL : -XEN_ENOENT;
    }
    /* Without what the larger alignment of 64 bits adds */
    if (copy_from_guest(&t, arg, sizeof(t.timeout_abs_ns) + sizeof(t.flags))) {
        return -XEN_EFAULT;
    }
    return set_singleshot(v, &t);
}

/* An address of its size, where the 64-bit structure has a union with one */
static long area32(struct vcpu *v, uint32_t id, uint64_t arg,
                   long (*fn)(struct vcpu *v, struct vcpu *to, uint64_t va))
{
    uint32_t va;

    if (id >= SHARED->nr_vcpus) {
        return -XEN_ENOENT;
    }
    if (copy_from_guest(&va, arg, sizeof(va))) {
        return -XEN_EFAULT;
    }
    return fn(v, vcpus[id], va);
}

static long vcpu_op(struct vcpu *v, uint32_t op, uint32_t id, uint64_t arg)
{
    switch (op) {
    case VCPUOP_initialise:
        return -XEN_ENOSYS;
    case VCPUOP_set_singleshot_timer:
        return singleshot(v, id, arg);
    case VCPUOP_register_runstate_memory_area:
        return area32(v, id, arg, register_runstate);
    case VCPUOP_register_vcpu_time_memory_area:
        return area32(v, id, arg, register_time_area);
    default:
        return hc_vcpu_op(v, op, id, arg);
    }
}

/* ---- dispatch ---- */

static uint64_t two(const uint32_t *a)
{
    return a[0] | (uint64_t)a[1] << 32;
}

static long dispatch32(struct vcpu *v, struct regs *regs, uint32_t nr,
                       const uint32_t a[6])
{
    switch (nr) {
    case __HYPERVISOR_set_trap_table:
        return set_trap_table(v, a[0]);
    case __HYPERVISOR_mmu_update:
        return hc_mmu_update32(v, regs, a);
    case __HYPERVISOR_set_gdt:
        return set_gdt(v, a[0], a[1]);
    case __HYPERVISOR_stack_switch:
        return stack_switch(v, a[0], a[1]);
    case __HYPERVISOR_set_callbacks:
        return set_callbacks(v, a);
    case __HYPERVISOR_fpu_taskswitch:
        return hc_fpu_taskswitch(v, a[0]);
    case __HYPERVISOR_sched_op_compat:
        return hc_sched_op_compat(v, regs, a[0], a[1]);
    case __HYPERVISOR_set_debugreg:
        return hc_set_debugreg(v, a[0], a[1]);
    case __HYPERVISOR_get_debugreg:
        return hc_get_debugreg(v, a[0]);
    case __HYPERVISOR_update_descriptor:
        return hc_update_descriptor(v, two(a), two(a + 2));
    case __HYPERVISOR_memory_op:
        return memory_op(v, a[0], a[1]);
    case __HYPERVISOR_update_va_mapping:
        return hc_update_va_mapping32(v, regs, a);
    case __HYPERVISOR_set_timer_op:
        return hc_set_timer_op(v, two(a));
    case __HYPERVISOR_xen_version:
        return hc_xen_version(v, a[0], a[1]);
    case __HYPERVISOR_console_io:
        return hc_console_io(v, a[0], a[1], a[2]);
    case __HYPERVISOR_grant_table_op:
        return grant_table_op(v, a[0], a[1], a[2]);
    case __HYPERVISOR_vm_assist:
        return hc_vm_assist(v, a[0], a[1]);
    case __HYPERVISOR_vcpu_op:
        return vcpu_op(v, a[0], a[1], a[2]);
    case __HYPERVISOR_mmuext_op:
        return hc_mmuext_op32(v, regs, a);
    case __HYPERVISOR_nmi_op:
        return nmi_op(v, a[0], a[1]);
    case __HYPERVISOR_sched_op:
        return sched_op(v, regs, a[0], a[1]);
    case __HYPERVISOR_callback_op:
        return callback_op(v, a[0], a[1]);
    case __HYPERVISOR_event_channel_op:
        return hc_event_channel_op(v, a[0], a[1]);
    case __HYPERVISOR_physdev_op:
        return hc_physdev_op(v, a[0], a[1]);
    default:
        log_qemu(XENPV_LOG_HYPERCALL, nr, a[0], regs->rip);
        return -XEN_ENOSYS;
    }
}

struct multicall_entry32 {
    uint32_t op;
    int32_t result;
    uint32_t args[6];
} PACKED;

static long multicall32(struct vcpu *v, struct regs *regs, uint64_t list,
                        uint32_t count)
{
    uint32_t i;

    for (i = 0; i < count; i++, list += sizeof(struct multicall_entry32)) {
        struct multicall_entry32 e;

        if (copy_from_guest(&e, list, sizeof(e))) {
            return -XEN_EFAULT;
        }
        if (e.op == __HYPERVISOR_iret || e.op == __HYPERVISOR_multicall) {
            e.result = -XEN_ENOSYS;
        } else {
            uint32_t args[6];

            memcpy(args, e.args, sizeof(args));
            e.result = dispatch32(v, regs, e.op, args);
        }
        if (copy_to_guest(list + offsetof(struct multicall_entry32, result),
                          &e.result, sizeof(e.result))) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

void hypercall32(struct regs *regs)
{
    struct vcpu *v = current();
    const uint32_t a[6] = {
        regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp
    };
    uint32_t nr = regs->rax;
    long ret;

    v->in_kernel = true;
    regs->rip = (uint32_t)regs->rip;
    regs->rsp = (uint32_t)regs->rsp;
    switch (nr) {
    case __HYPERVISOR_iret:
        ret = do_iret32(v, regs);
        break;
    case __HYPERVISOR_multicall:
        ret = multicall32(v, regs, a[0], a[1]);
        break;
    default:
        ret = dispatch32(v, regs, nr, a);
        break;
    }
    regs->rax = (uint32_t)ret;
}
