/*
 * Exceptions of 32-bit guests: bounce frames, and the way back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel is in ring 1 and says so itself: frames show selectors as they
 * are.  Which mode was left is in cs, because the kernel may return to its
 * processes without asking; so there is nothing else that knows.  A frame is,
 * from the new stack pointer up: the error code if the vector has one, eip,
 * cs with the former upcall mask in bits 23:16, eflags, and if it came from a
 * process esp and ss.
 *
 * Stacks are taken to be flat, as every kernel's are.
 */
#include "monitor.h"

#define PF_PRESENT  0x01
#define PF_WRITE    0x02
#define PF_USER     0x04
#define PF_RSVD     0x08

void bounce32(struct vcpu *v, struct regs *regs, const struct callback *cb,
              bool has_error, uint64_t error)
{
    uint32_t frame[6], n = 0, sp, eflags;
    uint8_t mask = v->info->evtchn_upcall_mask;
    bool kernel = v->in_kernel;

    sp = kernel ? regs->rsp : v->kernel_sp;
    eflags = regs->rflags & ~(uint64_t)(FL_IF | FL_IOPL);
    eflags |= mask ? 0 : FL_IF;
    if (vm_assist & (1u << VMASST_TYPE_architectural_iopl)) {
        eflags |= (uint32_t)v->iopl << 12;
    }
    if (has_error) {
        frame[n++] = error;
    }
    frame[n++] = regs->rip;
    frame[n++] = (regs->cs & 0xffff) | (uint32_t)mask << 16;
    frame[n++] = eflags;
    if (!kernel) {
        frame[n++] = regs->rsp;
        frame[n++] = regs->ss;
        regs->ss = v->kernel_ss;
    }
    sp -= n * sizeof(frame[0]);
    if (!(cb->cs & ~3) || copy_to_guest(sp, frame, n * sizeof(frame[0]))) {
        crash_guest("no stack for an exception frame", regs);
    }
    if (cb->mask_events) {
        v->info->evtchn_upcall_mask = 1;
    }
    v->in_kernel = true;
    regs->rip = (uint32_t)cb->address;
    regs->cs = kernel_selector(cb->cs);
    regs->rsp = sp;
    regs->rflags &= ~(uint64_t)(FL_TF | FL_VM | FL_RF | FL_NT | FL_IOPL);
    regs->rflags |= FL_IF;
}

static void page_fault32(struct vcpu *v, struct regs *regs)
{
    uint64_t write = PF_PRESENT | PF_WRITE;
    uint32_t address = read_cr2();
    uint64_t error = regs->error;

    /* L3 tables are changed by hypercall only */
    if (v->in_kernel && (error & (write | PF_RSVD)) == write &&
        address < XENPV_M2P_VA_PAE &&
        allow_table_write(v, address, XENPV_FRAME_L1 | XENPV_FRAME_L2)) {
        return;
    }
    *cr2_32(v) = address;
    inject(v, regs, 14, error);
}

void trap_from_guest32(struct vcpu *v, struct regs *regs)
{
    v->in_kernel = (regs->cs & 3) != 3;
    regs->rip = (uint32_t)regs->rip;
    regs->rsp = (uint32_t)regs->rsp;
    if (regs->vector >= 32 && interrupt(v, regs->vector)) {
        return;
    }
    if (regs->vector == 14) {
        page_fault32(v, regs);
    } else {
        exception(v, regs);
    }
}

/*
 * Returning to the guest has failed.  If that was to a process, the kernel is
 * told.  If it was to the kernel, its handlers are no better a place.
 */
void iret_fault32(struct vcpu *v, const struct regs *regs)
{
    v->in_kernel = (regs->cs & 3) != 3;
    if (v->in_kernel) {
        crash_guest("a code or stack segment that cannot be loaded", regs);
    }
}

/* The iret hypercall: eax, eip, cs, eflags, and to a process esp, ss */
long do_iret32(struct vcpu *v, struct regs *regs)
{
    uint32_t f[6], eflags;

    if (copy_from_guest(f, (uint32_t)regs->rsp, 4 * sizeof(f[0]))) {
        crash_guest("no frame for iret", regs);
    }
    eflags = f[3];
    switch (f[2] & 3) {
    case 0:
        crash_guest("iret to ring 0", regs);
    case 1:
        regs->rsp = (uint32_t)(regs->rsp + 4 * sizeof(f[0]));
        break;
    default:
        if (copy_from_guest(f, (uint32_t)regs->rsp, sizeof(f))) {
            crash_guest("no frame for iret", regs);
        }
        v->in_kernel = (f[2] & 3) != 3;
        regs->rsp = f[4];
        regs->ss = f[5] & 0xffff;
        break;
    }
    regs->rip = f[1];
    regs->cs = f[2] & 0xffff;
    if (vm_assist & (1u << VMASST_TYPE_architectural_iopl)) {
        v->iopl = eflags >> 12 & 3;
    }
    regs->rflags = (eflags & ~(uint32_t)(FL_IOPL | FL_VM | FL_VIF | FL_VIP)) |
                   FL_IF | 2;
    v->info->evtchn_upcall_mask = !(eflags & FL_IF);
    v->nmi_masked = false;
    if (eflags & FL_VM) {
        /* There is no such mode under a 64-bit monitor */
        inject(v, regs, 13, 0);
    }
    return f[0];
}
