/*
 * A vCPU starts with the context it was given, once, and only if it can.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 3
 */
#include "abi.h"

/* Registers as found, then on to C */
KERNEL_CODE(secondary_first,
            "mov %rsp, %gs:40\n"
            "mov %rbx, %gs:48\n"
            "jmp *%r15\n");

static void body(struct secondary *s)
{
    uint64_t gs, flags;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(gs));
    equal(gs, s);
    equal(s->info->evtchn_upcall_mask, 1);
    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    check(flags & FL_IF);
    check(!(flags & FL_DF));
    check(s->info->time.tsc_to_system_mul);
}

static long initialise(unsigned id, const void *context)
{
    return hc(vcpu_op, VCPUOP_initialise, id, context);
}

int main(void)
{
    struct vcpu_guest_context *c;
    struct secondary *s = &secondaries[1];
    uint64_t rsp;

    _Static_assert(offsetof(struct secondary, word) == 40, "see above");
    equal(hc(vcpu_op, VCPUOP_is_up, 0, 0), 1);
    equal(hc(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    equal(hc(vcpu_op, VCPUOP_is_up, 2, 0), 0);
    equal(hc(vcpu_op, VCPUOP_is_up, 3, 0), -XEN_ENOENT);
    equal(hc(vcpu_op, VCPUOP_up, 1, 0), -XEN_EINVAL);
    equal(initialise(3, (void *)NOWHERE), -XEN_ENOENT);
    equal(initialise(1, (void *)NOWHERE), -XEN_EFAULT);
    equal(initialise(1, (void *)HOLE_START), -XEN_EFAULT);

    c = secondary_context(1, body);
    c->gdt_ents = 7169;
    equal(initialise(1, c), -XEN_EINVAL);
    c = secondary_context(1, body);
    c->ctrlreg[3] = 0;
    equal(initialise(1, c), -XEN_EINVAL);
    c = secondary_context(1, body);
    c->user_regs.rip = NON_CANONICAL;
    equal(initialise(1, c), -XEN_EINVAL);

    c = secondary_context(1, body);
    c->user_regs.r15 = c->user_regs.rip;
    c->user_regs.rip = (uint64_t)secondary_first;
    c->user_regs.rbx = 0x1122334455667788;
    rsp = c->user_regs.rsp;
    equal(initialise(1, c), 0);
    equal(initialise(1, c), -XEN_EEXIST);
    equal(initialise(0, c), -XEN_EEXIST);
    equal(hc(vcpu_op, VCPUOP_is_up, 1, 0), 0);
    check(stands_still(&s->word, 5));
    equal(hc(vcpu_op, VCPUOP_up, 1, 0), 0);
    wait_done(s);
    equal(s->word, rsp);
    equal(s->answer, 0x1122334455667788);
    while (hc(vcpu_op, VCPUOP_is_up, 1, 0)) {
        relax();
    }
    equal(hc(vcpu_op, VCPUOP_is_up, 2, 0), 0);
    return 0;
}
