/*
 * An event found pending by an iret comes on top of the context returned to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_spin, "ud2");
KERNEL_CODE(land, "ud2");

static struct frame event_frame;
static uint64_t event_rsp;

static void note_event(struct frame *f)
{
    if (f->vector == EVENT) {
        event_frame = *f;
        event_rsp = trap_rsp;
        VCPU->evtchn_upcall_pending = 0;
        on_trap = NULL;
    }
}

static void event_on_top_of(const struct frame *c)
{
    struct frame f;

    mask_events();
    VCPU->evtchn_upcall_pending = 1;
    on_trap = note_event;
    f = run(c);
    equal(event_frame.vector, EVENT);
    equal(event_frame.rip, c->rip);
    equal(event_frame.rsp, c->rsp);
    equal(event_frame.cs & 0xffff, c->cs);
    equal(event_frame.ss & 0xffff, c->ss);
    equal(event_frame.cs >> 32 & 0xff, 0);
    equal(event_frame.rflags & FL_IF, FL_IF);
    equal(event_frame.rcx, c->rcx);
    equal(event_frame.r15, c->r15);
    event_frame.vector = 0;
    /* And afterwards the context itself */
    equal(f.vector, X86_UD);
    equal(f.rip, c->rip);
    equal(f.rcx, c->rcx);
    equal(f.r11, c->r11);
    equal(f.rax, c->rax);
    equal(f.rsp, c->rsp);
}

int main(void)
{
    uint8_t *stack = alloc_page();
    struct frame c = user_context(user_spin), f;

    user_setup();
    clear_events();
    c.rax = 1;
    c.rcx = 2;
    c.r11 = 3;
    c.r15 = 4;
    event_on_top_of(&c);

    c.rip = (uint64_t)land;
    c.cs = KERNEL_CS_SHOWN;
    c.ss = KERNEL_SS;
    c.rsp = (uint64_t)stack + PAGE_SIZE;
    event_on_top_of(&c);
    equal(event_rsp, c.rsp - 7 * 8);

    /* Not to one that has events masked */
    mask_events();
    VCPU->evtchn_upcall_pending = 1;
    c.rflags &= ~FL_IF;
    f = run(&c);
    equal(f.vector, X86_UD);
    equal(f.cs >> 32 & 0xff, 1);
    equal(VCPU->evtchn_upcall_pending, 1);
    return 0;
}
