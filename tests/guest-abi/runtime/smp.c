/*
 * Other vCPUs of a micro-guest: each runs one function on a stack of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "internal.h"

struct secondary secondaries[MAX_VCPUS];

static uint8_t stacks[MAX_VCPUS][2][2 * PAGE_SIZE]
    __attribute__((aligned(16)));

/* Too large for a stack, and only vCPU 0 makes contexts */
static struct vcpu_guest_context context;

static void run_secondary(struct secondary *s)
{
    s->fn(s);
    s->done = true;
    for (;;) {
        hc(vcpu_op, VCPUOP_down, s->id, 0);
    }
}

struct vcpu_guest_context *secondary_context(unsigned id,
                                             void (*fn)(struct secondary *))
{
    struct secondary *s = &secondaries[id];
    struct vcpu_guest_context *c = &context;
    unsigned i;

    check(id > 0 && id < MAX_VCPUS);
    s->self = s;
    s->id = id;
    s->info = id < XEN_LEGACY_MAX_VCPUS ? &SHARED->vcpu_info[id] : NULL;
    s->fn = fn;
    s->done = false;
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel;
    c->user_regs.rip = (uint64_t)run_secondary;
    /* As after a call */
    c->user_regs.rsp = (uint64_t)stacks[id][1] - 8;
    c->user_regs.rdi = (uint64_t)s;
    c->user_regs.rflags = 0x1000;
    c->user_regs.cs = KERNEL_CS_SHOWN;
    c->user_regs.ss = KERNEL_SS;
    for (i = 0; i < 256; i++) {
        c->trap_ctxt[i].vector = i;
        c->trap_ctxt[i].cs = KERNEL_CS;
        c->trap_ctxt[i].address = ENTRY_OF(i);
    }
    c->kernel_ss = KERNEL_SS;
    c->kernel_sp = (uint64_t)stacks[id][2];
    c->ctrlreg[3] = kernel_l4_mfn() << 12;
    c->event_callback_eip = (uint64_t)secondary_event_entry;
    c->failsafe_callback_eip = (uint64_t)failsafe_entry;
    c->gs_base_kernel = (uint64_t)s;
    return c;
}

struct secondary *start_vcpu(unsigned id, void (*fn)(struct secondary *))
{
    struct vcpu_guest_context *c = secondary_context(id, fn);

    equal(hc(vcpu_op, VCPUOP_initialise, id, c), 0);
    equal(hc(vcpu_op, VCPUOP_up, id, 0), 0);
    return &secondaries[id];
}

void wait_done(struct secondary *s)
{
    while (!s->done) {
        relax();
    }
}

/* volatile: another vCPU writes it */
void wait_for(volatile uint64_t *word, uint64_t value)
{
    while (*word != value) {
        relax();
    }
}

/*
 * Whether it does not change for @ms: it cannot be proved, only not refuted.
 * volatile: another vCPU writes it.
 */
bool stands_still(volatile uint64_t *word, unsigned ms)
{
    uint64_t was = *word, end = now() + ms * 1000000ul;

    while (now() < end) {
        relax();
    }
    return *word == was;
}

void wait_state(unsigned id, int state)
{
    struct vcpu_runstate_info r;

    do {
        relax();
        equal(hc(vcpu_op, VCPUOP_get_runstate_info, id, &r), 0);
    } while (r.state != state);
}

uint32_t bind_ipi_to(unsigned vcpu)
{
    struct evtchn_bind_ipi b = { .vcpu = vcpu };

    equal(hc(event_channel_op, EVTCHNOP_bind_ipi, &b), 0);
    return b.port;
}
