/*
 * A vCPU can send itself an NMI; another one waits until iret.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

static unsigned in_handler_still;

static void send_nmi(void)
{
    equal(hc(vcpu_op, VCPUOP_send_nmi, 0, 0), 0);
}

static void plain_handler(struct frame *f)
{
    equal(f->vector, NMI_CALLBACK);
}

static void sending_handler(struct frame *f)
{
    equal(f->vector, NMI_CALLBACK);
    if (trap_count[NMI_CALLBACK] == 1) {
        send_nmi();
        in_handler_still = trap_count[NMI_CALLBACK];
    }
}

static void try_with_mask(uint8_t mask)
{
    VCPU->evtchn_upcall_mask = mask;
    trap_count[NMI_CALLBACK] = 0;
    on_trap = plain_handler;
    send_nmi();
    equal(trap_count[NMI_CALLBACK], 1);
    equal(trap.cs & 0xffff, KERNEL_CS_SHOWN);
    equal(trap.cs >> 32 & 0xff, mask);
    equal(trap_mask, 1);
    equal(VCPU->evtchn_upcall_mask, mask);
    send_nmi();
    equal(trap_count[NMI_CALLBACK], 2);

    trap_count[NMI_CALLBACK] = 0;
    on_trap = sending_handler;
    send_nmi();
    equal(in_handler_still, 1);
    equal(trap_count[NMI_CALLBACK], 2);
}

int main(void)
{
    clear_events();
    equal(register_callback(CALLBACK_NMI, 0, nmi_entry), 0);
    try_with_mask(1);
    try_with_mask(0);

    equal(unregister_callback(CALLBACK_NMI), 0);
    return 0;
}
