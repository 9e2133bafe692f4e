/*
 * The table of hypercalls, and those that fit a few lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor.h"

struct callback_register {
    uint16_t type;
    uint16_t flags;
    uint64_t address;
};

/* What this machine says it is */
#define XEN_MAJOR   4
#define XEN_MINOR   17

/* ---- callbacks ---- */

struct callback *callback_slot(struct vcpu *v, unsigned type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &v->event_cb;
    case CALLBACKTYPE_failsafe:
        return &v->failsafe_cb;
    case CALLBACKTYPE_syscall:
        return &v->syscall_cb;
    case CALLBACKTYPE_nmi:
        return &v->nmi_cb;
    case CALLBACKTYPE_sysenter:
        return &v->sysenter_cb;
    case CALLBACKTYPE_syscall32:
        return &v->syscall32_cb;
    default:
        return NULL;
    }
}

static long hc_callback_op(struct vcpu *v, uint64_t op, uint64_t arg)
{
    struct callback_register r = { 0 };
    struct callback *cb;
    size_t len = op == CALLBACKOP_register ? sizeof(r) : sizeof(r.type);

    if (op > CALLBACKOP_unregister) {
        return -XEN_ENOSYS;
    }
    if (copy_from_guest(&r, arg, len)) {
        return -XEN_EFAULT;
    }
    cb = callback_slot(v, r.type);
    if (!cb) {
        return -XEN_ENOSYS;
    }
    if (op == CALLBACKOP_unregister && r.type != CALLBACKTYPE_nmi) {
        return -XEN_EINVAL;
    }
    cb->address = r.address;
    cb->mask_events = r.flags & CALLBACKF_mask_events;
    update_fast_paths(v);
    return 0;
}

static long hc_set_callbacks(struct vcpu *v, uint64_t event, uint64_t failsafe,
                             uint64_t syscall)
{
    v->event_cb.address = event;
    v->failsafe_cb.address = failsafe;
    v->syscall_cb.address = syscall;
    v->syscall_cb.mask_events = false;
    update_fast_paths(v);
    return 0;
}

static long hc_nmi_op(struct vcpu *v, uint64_t op, uint64_t arg)
{
    uint64_t address = 0;

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

static long hc_set_trap_table(struct vcpu *v, uint64_t table)
{
    struct trap_info ti;

    if (!table) {
        memset(v->trap, 0, sizeof(v->trap));
        return 0;
    }
    for (;; table += sizeof(ti)) {
        if (copy_from_guest(&ti, table, sizeof(ti))) {
            return -XEN_EFAULT;
        }
        if (!ti.address) {
            return 0;
        }
        v->trap[ti.vector] = ti;
    }
}

/* ---- processor state ---- */

static long hc_stack_switch(struct vcpu *v, uint64_t ss, uint64_t sp)
{
    (void)ss;
    v->kernel_sp = sp & ~15ull;
    update_fast_paths(v);
    return 0;
}

long hc_fpu_taskswitch(struct vcpu *v, uint64_t set)
{
    set_ts(v, set);
    return 0;
}

static void load_debugreg(unsigned n, uint64_t val)
{
    switch (n) {
    case 0:
        __asm__ volatile("mov %0, %%dr0" : : "r"(val));
        break;
    case 1:
        __asm__ volatile("mov %0, %%dr1" : : "r"(val));
        break;
    case 2:
        __asm__ volatile("mov %0, %%dr2" : : "r"(val));
        break;
    case 3:
        __asm__ volatile("mov %0, %%dr3" : : "r"(val));
        break;
    default:
        __asm__ volatile("mov %0, %%dr7" : : "r"(val));
        break;
    }
}

long hc_set_debugreg(struct vcpu *v, uint64_t n, uint64_t val)
{
    switch (n) {
    case 0 ... 3:
        if (!guest_range_ok(val, 1)) {
            return -XEN_EPERM;      /* not in the monitor */
        }
        break;
    case 6:
        if (val >> 32) {
            return -XEN_EINVAL;
        }
        val = (val & 0x0000e00f) | 0xffff0ff0;
        break;
    case 7:
        if (val >> 32) {
            return -XEN_EINVAL;
        }
        /* No trap on access to these registers, no I/O breakpoints */
        if (val & 0x2000) {
            return -XEN_EPERM;
        }
        val = (val & 0xffff00ff) | (val & 0xffff0000) | 0x400;
        if (((val >> 16) & 3) == 2 || ((val >> 20) & 3) == 2 ||
            ((val >> 24) & 3) == 2 || ((val >> 28) & 3) == 2) {
            return -XEN_EPERM;
        }
        break;
    default:
        return -XEN_ENODEV;
    }
    v->debugreg[n] = val;
    if (n != 6) {
        load_debugreg(n, val);
    }
    return 0;
}

long hc_get_debugreg(struct vcpu *v, uint64_t n)
{
    if (n > 7 || n == 4 || n == 5) {
        return -XEN_ENODEV;
    }
    return v->debugreg[n];
}

/* Of the guest as a whole; it sets them before it has a second vCPU */
uint64_t vm_assist;

long hc_vm_assist(struct vcpu *v, uint64_t cmd, uint64_t type)
{
    bool for_32bit = type == VMASST_TYPE_4gb_segments ||
                     type == VMASST_TYPE_4gb_segments_notify ||
                     type == VMASST_TYPE_pae_extended_cr3;

    if (!(v->pae && for_32bit) &&
        type != VMASST_TYPE_writable_pagetables &&
        type != VMASST_TYPE_architectural_iopl &&
        type != VMASST_TYPE_runstate_update_flag) {
        return -XEN_EINVAL;
    }
    if (cmd == VMASST_CMD_enable) {
        vm_assist |= 1ull << type;
    } else if (cmd == VMASST_CMD_disable) {
        vm_assist &= ~(1ull << type);
    } else {
        return -XEN_ENOSYS;
    }
    return 0;
}

long hc_physdev_op(struct vcpu *v, uint64_t op, uint64_t arg)
{
    struct physdev_set_iopl s;

    switch (op) {
    case PHYSDEVOP_set_iopl:
        if (copy_from_guest(&s, arg, sizeof(s))) {
            return -XEN_EFAULT;
        }
        if (s.iopl > 3) {
            return -XEN_EINVAL;
        }
        v->iopl = s.iopl;
        return 0;
    case PHYSDEVOP_set_iobitmap:
        return 0;               /* there is nothing behind any port */
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- xen_version ---- */

static long features(uint64_t arg)
{
    struct xen_feature_info fi;

    if (copy_from_guest(&fi, arg, sizeof(fi))) {
        return -XEN_EFAULT;
    }
    if (fi.submap_idx >= XENFEAT_NR_SUBMAPS) {
        return -XEN_EINVAL;
    }
    fi.submap = 1u << XENFEAT_mmu_pt_update_preserve_ad |
                1u << XENFEAT_highmem_assist |
                1u << XENFEAT_gnttab_map_avail_bits |
                1u << XENFEAT_not_direct_mapped;
    if (guest_is_pae()) {
        fi.submap |= 1u << XENFEAT_pae_pgdir_above_4gb;
    }
    return copy_to_guest(arg, &fi, sizeof(fi));
}

/* A field of fixed size, padded with zeros */
static long text(uint64_t arg, const char *s, size_t size)
{
    char buf[1024] = "";
    size_t i;

    for (i = 0; i < size - 1 && s[i]; i++) {
        buf[i] = s[i];
    }
    return copy_to_guest(arg, buf, size);
}

static long compile_info(uint64_t arg)
{
    struct xen_compile_info info = {
        .compiler = "xenner",
        .compile_by = "qemu",
        .compile_domain = "",
        .compile_date = "",
    };

    return copy_to_guest(arg, &info, sizeof(info));
}

long hc_xen_version(struct vcpu *v, uint64_t cmd, uint64_t arg)
{
    uint64_t start = v->pae ? XENPV_M2P_VA_PAE : XENPV_M2P_VA;

    switch (cmd) {
    case XENVER_version:
        return XEN_MAJOR << 16 | XEN_MINOR;
    case XENVER_extraversion:
        return text(arg, ".0-xenner", sizeof(xen_extraversion_t));
    case XENVER_compile_info:
        return compile_info(arg);
    case XENVER_capabilities:
        return text(arg, "xen-3.0-x86_64 xen-3.0-x86_32p ",
                    sizeof(xen_capabilities_info_t));
    case XENVER_changeset:
        return text(arg, "", sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters:
        return copy_to_guest(arg, &start, v->pae ? 4 : 8);
    case XENVER_get_features:
        return features(arg);
    case XENVER_pagesize:
        return PAGE_SIZE;
    case XENVER_guest_handle:
        return copy_to_guest(arg, SHARED->uuid, sizeof(SHARED->uuid));
    case XENVER_commandline:
        return text(arg, "", sizeof(xen_commandline_t));
    case XENVER_build_id:
        return -XEN_ENODATA;
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- the emergency console ---- */

static long console_write(uint64_t count, uint64_t buf)
{
    struct xenpv_mailbox *m = mailbox();

    while (count) {
        uint32_t n = count < sizeof(m->data) ? count : sizeof(m->data);

        if (copy_from_guest(m->data, buf, n)) {
            return -XEN_EFAULT;
        }
        m->len = n;
        call_qemu(XENPV_CALL_WRITE, 0, NULL);
        buf += n;
        count -= n;
    }
    return 0;
}

static long console_read(uint64_t count, uint64_t buf)
{
    struct xenpv_mailbox *m = mailbox();
    uint64_t arg[4] = { 0 };
    long ret;

    arg[0] = count < sizeof(m->data) ? count : sizeof(m->data);
    m->len = 0;
    ret = call_qemu(XENPV_CALL_READ, 0, arg);
    if (ret > 0 && copy_to_guest(buf, m->data, ret)) {
        return -XEN_EFAULT;
    }
    return ret;
}

long hc_console_io(struct vcpu *v, uint64_t cmd, uint64_t count,
                          uint64_t buf)
{
    (void)v;
    count = (uint32_t)count;
    switch (cmd) {
    case CONSOLEIO_write:
        return console_write(count, buf);
    case CONSOLEIO_read:
        return console_read(count, buf);
    default:
        return -XEN_ENOSYS;
    }
}

/* ---- dispatch ---- */

static long dispatch(struct vcpu *v, struct regs *regs, uint64_t nr,
                     const uint64_t a[5])
{
    switch (nr) {
    case __HYPERVISOR_set_trap_table:
        return hc_set_trap_table(v, a[0]);
    case __HYPERVISOR_mmu_update:
        return hc_mmu_update(v, regs, a[0], a[1], a[2], a[3]);
    case __HYPERVISOR_set_gdt:
        return hc_set_gdt(v, a[0], (uint32_t)a[1]);
    case __HYPERVISOR_stack_switch:
        return hc_stack_switch(v, a[0], a[1]);
    case __HYPERVISOR_set_callbacks:
        return hc_set_callbacks(v, a[0], a[1], a[2]);
    case __HYPERVISOR_fpu_taskswitch:
        return hc_fpu_taskswitch(v, a[0]);
    case __HYPERVISOR_sched_op_compat:
        return hc_sched_op_compat(v, regs, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_set_debugreg:
        return hc_set_debugreg(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_get_debugreg:
        return hc_get_debugreg(v, (uint32_t)a[0]);
    case __HYPERVISOR_update_descriptor:
        return hc_update_descriptor(v, a[0], a[1]);
    case __HYPERVISOR_memory_op:
        return hc_memory_op(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_update_va_mapping:
        return hc_update_va_mapping(v, regs, a[0], a[1], a[2]);
    case __HYPERVISOR_set_timer_op:
        return hc_set_timer_op(v, a[0]);
    case __HYPERVISOR_xen_version:
        return hc_xen_version(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_console_io:
        return hc_console_io(v, (uint32_t)a[0], a[1], a[2]);
    case __HYPERVISOR_grant_table_op:
        return hc_grant_table_op(v, (uint32_t)a[0], a[1], (uint32_t)a[2]);
    case __HYPERVISOR_vm_assist:
        return hc_vm_assist(v, (uint32_t)a[0], (uint32_t)a[1]);
    case __HYPERVISOR_vcpu_op:
        return hc_vcpu_op(v, (uint32_t)a[0], (uint32_t)a[1], a[2]);
    case __HYPERVISOR_set_segment_base:
        return hc_set_segment_base(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_mmuext_op:
        return hc_mmuext_op(v, regs, a[0], a[1], a[2], a[3]);
    case __HYPERVISOR_nmi_op:
        return hc_nmi_op(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_sched_op:
        return hc_sched_op(v, regs, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_callback_op:
        return hc_callback_op(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_event_channel_op:
        return hc_event_channel_op(v, (uint32_t)a[0], a[1]);
    case __HYPERVISOR_physdev_op:
        return hc_physdev_op(v, (uint32_t)a[0], a[1]);
    default:
        log_qemu(XENPV_LOG_HYPERCALL, nr, a[0], regs->rip);
        return -XEN_ENOSYS;
    }
}

static long multicall(struct vcpu *v, struct regs *regs, uint64_t list,
                      uint64_t count)
{
    uint64_t i;

    for (i = 0; i < (uint32_t)count; i++, list += 64) {
        struct multicall_entry e;

        if (copy_from_guest(&e, list, sizeof(e))) {
            return -XEN_EFAULT;
        }
        if (e.op == __HYPERVISOR_iret || e.op == __HYPERVISOR_multicall) {
            e.result = -XEN_ENOSYS;
        } else {
            e.result = dispatch(v, regs, e.op, (const uint64_t *)e.args);
        }
        if (copy_to_guest(list + offsetof(struct multicall_entry, result),
                          &e.result, sizeof(e.result))) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

void hypercall(struct regs *regs)
{
    struct vcpu *v = current();
    uint64_t a[5] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8 };
    uint64_t nr = (uint32_t)regs->rax;

    switch (nr) {
    case __HYPERVISOR_iret:
        regs->rax = do_iret(v, regs);
        break;
    case __HYPERVISOR_multicall:
        regs->rax = multicall(v, regs, a[0], a[1]);
        break;
    default:
        regs->rax = dispatch(v, regs, nr, a);
        break;
    }
}
