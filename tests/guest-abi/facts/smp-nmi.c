/*
 * send_nmi reaches another vCPU, wherever it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 2
 */
#include "abi.h"

static void second(struct secondary *s)
{
    equal(register_callback(CALLBACK_NMI, 0, nmi_entry), 0);
    s->word = 1;
    while (s->word != 2) {
        s->answer++;
    }
    /* Asleep, events masked: only the NMI wakes it */
    s->word = 3;
    while (trap_count[NMI_CALLBACK] < 2) {
        s->info->evtchn_upcall_pending = 0;
        hc(sched_op, SCHEDOP_block);
    }
}

static void handler(struct frame *f)
{
    equal(f->vector, NMI_CALLBACK);
}

int main(void)
{
    struct secondary *s;

    on_trap = handler;
    s = start_vcpu(1, second);
    wait_for(&s->word, 1);
    equal(trap_count[NMI_CALLBACK], 0);
    equal(hc(vcpu_op, VCPUOP_send_nmi, 1, 0), 0);
    while (trap_count[NMI_CALLBACK] == 0) {
        relax();
    }
    s->word = 2;
    wait_for(&s->word, 3);
    wait_state(1, RUNSTATE_blocked);
    equal(hc(vcpu_op, VCPUOP_send_nmi, 1, 0), 0);
    wait_done(s);
    equal(trap_count[NMI_CALLBACK], 2);
    return 0;
}
