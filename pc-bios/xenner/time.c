/*
 * Time: pvclock, the timer, runstate.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All times are nanoseconds since the VM was started.  The line that turns
 * the time stamp counter into them is anchored anew about once a second, more
 * often at first, from QEMU's clock: under TCG the counter's rate is only
 * known by measuring it.  A new anchor lies on the old line, and the new slope
 * makes good the error within the next second, so that the guest never sees
 * time step back, nor forward unless the VM was stopped or fell far behind.
 */
#include "monitor.h"

#define SECOND          1000000000ull
#define RESYNC_FIRST    (SECOND / 16)   /* doubles up to a second */
#define MIN_HZ          1000000ull
#define CLOCK_TRIES     3
#define MIN_INTERVAL    (SECOND / 50)    /* shorter says nothing on the rate */
#define SLOP            5000ull         /* early enough to count as due */
#define MAX_TIMER       4000000000ull   /* the APIC's counter has 32 bits */

static struct {
    uint64_t tsc;               /* anchor */
    uint64_t ns;
    uint32_t mul;
    int8_t shift;
    uint64_t hz;                /* last estimate of the rate */
    uint64_t sample_tsc;        /* last reading of QEMU's clock */
    uint64_t sample_ns;
    uint64_t period;            /* until the next reading, in ns */
    bool valid;
} clock;

/* a * b / c with a 128-bit product; the quotient must fit, see the callers */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t quotient, high;

    __asm__("mulq %3\n\t"
            "divq %4"
            : "=&a"(quotient), "=&d"(high) : "0"(a), "r"(b), "r"(c) : "cc");
    return quotient;
}

static uint64_t scale(uint64_t ticks)
{
    if (clock.shift < 0) {
        ticks >>= -clock.shift;
    } else {
        ticks <<= clock.shift;
    }
    return (unsigned __int128)ticks * clock.mul >> 32;
}

static uint64_t at(uint64_t tsc)
{
    return clock.ns + scale(tsc - clock.tsc);
}

uint64_t time_now(void)
{
    return at(rdtsc());
}

static void set_rate(uint64_t hz)
{
    int8_t shift = 0;

    if (hz < MIN_HZ) {
        hz = MIN_HZ;            /* nonsense, but the loop below must end */
    }
    while (hz > 2 * SECOND) {
        hz >>= 1;
        shift--;
    }
    while (hz <= SECOND) {
        hz <<= 1;
        shift++;
    }
    clock.mul = (SECOND << 32) / hz;
    clock.shift = shift;
}

static void publish(struct vcpu_time_info *t)
{
    t->version |= 1;
    barrier();
    t->tsc_timestamp = clock.tsc;
    t->system_time = clock.ns;
    t->tsc_to_system_mul = clock.mul;
    t->tsc_shift = clock.shift;
    /* All vCPUs share one line, and it never goes back */
    t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
    barrier();
    t->version++;
}

void time_publish(struct vcpu *v)
{
    publish(&v->info->time);
    if (v->time_area) {
        publish(v->time_area);
    }
}

static void publish_wall_clock(uint64_t wall_ns)
{
    struct shared_info *s = SHARED_INFO;
    uint64_t sec = wall_ns / SECOND;

    s->wc_version |= 1;
    barrier();
    s->wc_sec = sec;
    s->wc_nsec = wall_ns % SECOND;
    s->wc_sec_hi = sec >> 32;
    barrier();
    s->wc_version++;
}

/* The slope that meets QEMU's clock in a second, from an error of @err ns */
static uint64_t corrected(uint64_t hz, int64_t err)
{
    int64_t limit = SECOND / 10;

    if (err > limit) {
        err = limit;
    } else if (err < -limit) {
        err = -limit;
    }
    return mul_div(hz, SECOND, SECOND + err);
}

/*
 * QEMU's clock, and the counter at that moment.  The thread may be taken off
 * its processor between the readings: the quickest of a few tries counts.
 */
static uint64_t read_qemu_clock(struct xenpv_mon_clock *best)
{
    const struct xenpv_mon_clock *c = (const void *)mailbox()->data;
    uint64_t shortest = ~0ull, tsc = 0;
    unsigned i;

    for (i = 0; i < CLOCK_TRIES; i++) {
        uint64_t before = rdtsc(), took;

        mailbox()->len = 0;
        if (call_qemu(XENPV_CALL_CLOCK, 0, NULL)) {
            panic("no clock", NULL);
        }
        took = rdtsc() - before;
        if (took < shortest) {
            shortest = took;
            tsc = before + took / 2;
            *best = *c;
        }
    }
    return tsc;
}

void time_resync(struct vcpu *v, bool jumped)
{
    struct xenpv_mon_clock c = { 0 };
    uint64_t tsc = read_qemu_clock(&c);
    uint64_t ns = c.ns;
    unsigned i;

    if (!clock.valid) {
        clock.hz = c.tsc_khz * 1000;
        clock.ns = ns;
        clock.period = RESYNC_FIRST;
        set_rate(clock.hz);
        clock.valid = true;
    } else {
        uint64_t ticks = tsc - clock.sample_tsc;
        uint64_t passed = ns - clock.sample_ns;
        uint64_t here = at(tsc);

        if (!jumped && passed >= MIN_INTERVAL && ticks < 1ull << 42) {
            clock.hz = mul_div(ticks, SECOND, passed);
        }
        if (here < ns && (jumped || ns - here > SECOND)) {
            here = ns;          /* too far to creep */
        }
        if (clock.period < SECOND) {
            clock.period *= 2;
        }
        clock.ns = here;
        set_rate(corrected(clock.hz, ns - here));
    }
    clock.tsc = tsc;
    clock.sample_tsc = tsc;
    clock.sample_ns = ns;
    for (i = 0; i < SHARED->nr_vcpus; i++) {
        if (vcpus[i]) {
            time_publish(vcpus[i]);
        }
    }
    publish_wall_clock(c.wall_ns);
    if (jumped) {
        timer_program(v);
    }
}

void time_init(struct vcpu *v)
{
    time_resync(v, false);
}

/* ---- the timer ---- */

static bool expire(uint64_t *deadline, uint64_t now)
{
    if (*deadline && *deadline <= now + SLOP) {
        *deadline = 0;
        return true;
    }
    return false;
}

static void run_timers(struct vcpu *v)
{
    uint64_t now = time_now();
    bool tick = expire(&v->timer_deadline, now);

    tick |= expire(&v->singleshot, now);
    if (expire(&v->periodic_next, now)) {
        tick = true;
        v->periodic_next = now + v->periodic_period;
    }
    expire(&v->poll_deadline, now);
    if (tick) {
        raise_virq(v, VIRQ_TIMER);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return !a ? b : !b || a < b ? a : b;
}

void timer_program(struct vcpu *v)
{
    uint64_t next, now;

    run_timers(v);
    next = earlier(earlier(v->timer_deadline, v->singleshot),
                   earlier(v->periodic_next, v->poll_deadline));
    if (!next) {
        apic_timer(0);
        return;
    }
    now = time_now();
    if (next <= now) {
        next = now + 1;
    }
    apic_timer(next - now > MAX_TIMER ? MAX_TIMER : next - now);
}

void timer_interrupt(struct vcpu *v)
{
    if (time_now() - clock.ns >= clock.period) {
        time_resync(v, false);
    }
    timer_program(v);
}

long hc_set_timer_op(struct vcpu *v, uint64_t deadline)
{
    v->timer_deadline = deadline;
    timer_program(v);
    return 0;
}

/* ---- runstate ---- */

static void runstate_copy(struct vcpu *v)
{
    struct vcpu_runstate_info r = v->runstate;
    const uint8_t *src = (const uint8_t *)&r;

    memcpy(v->runstate_ptr[0], src, v->runstate_split);
    if (v->runstate_split < sizeof(r)) {
        memcpy(v->runstate_ptr[1], src + v->runstate_split,
               sizeof(r) - v->runstate_split);
    }
}

/* A reader that sees the update flag waits for it to go */
static void runstate_publish(struct vcpu *v)
{
    bool flag = v->vm_assist & (1u << VMASST_TYPE_runstate_update_flag);

    if (!v->runstate_ptr[0]) {
        return;
    }
    if (flag) {
        v->runstate.state_entry_time |= XEN_RUNSTATE_UPDATE;
        runstate_copy(v);
        barrier();
        v->runstate.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    }
    runstate_copy(v);
}

void runstate_set(struct vcpu *v, int state)
{
    uint64_t now = time_now();

    v->runstate.time[v->runstate.state & 3] +=
        now - v->runstate.state_entry_time;
    v->runstate.state = state;
    v->runstate.state_entry_time = now;
    runstate_publish(v);
}

/*
 * The address counts in the page table of the caller, now: the frames behind
 * it are remembered, not the address.
 */
long register_runstate(struct vcpu *v, uint64_t va)
{
    uint64_t last = va + sizeof(v->runstate) - 1, maddr[2] = { 0, 0 };

    if (!resolve_va(v, va, &maddr[0]) ||
        !resolve_va(v, last & PAGE_MASK, &maddr[1])) {
        return -XEN_EFAULT;
    }
    v->runstate_split = sizeof(v->runstate);
    if ((va ^ last) & PAGE_MASK) {
        v->runstate_split = PAGE_SIZE - (va & ~PAGE_MASK);
    }
    v->runstate_ptr[0] = direct(maddr[0]);
    v->runstate_ptr[1] = direct(maddr[1]);
    runstate_set(v, v->runstate.state);
    return 0;
}

long register_time_area(struct vcpu *v, uint64_t va)
{
    uint64_t maddr;

    if ((va & 7) || (va & ~PAGE_MASK) > PAGE_SIZE - sizeof(*v->time_area) ||
        !resolve_va(v, va, &maddr)) {
        return -XEN_EFAULT;
    }
    v->time_area = direct(maddr);
    time_publish(v);
    return 0;
}
