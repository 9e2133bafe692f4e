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
 *
 * All vCPUs have the same line.  It is changed for all of them at once: first
 * every copy is marked as being changed, then the anchor is taken, then the
 * copies are written.  So whoever has read the old line did so before the
 * anchor, and no vCPU sees a time another has already passed.
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

static spinlock clock_lock;     /* for changes of the clock and its copies */
static uint32_t clock_version;  /* odd while it is being changed */
static uint8_t resync_busy;     /* one vCPU asks QEMU, for all */
static uint8_t clock_jumped;    /* QEMU has said so; not dealt with yet */

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
    uint32_t version;
    uint64_t ns;

    for (;;) {
        version = __atomic_load_n(&clock_version, __ATOMIC_SEQ_CST);
        ns = at(rdtsc());
        if (!(version & 1) &&
            version == __atomic_load_n(&clock_version, __ATOMIC_SEQ_CST)) {
            return ns;
        }
        pause();
    }
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

static void publish_begin(struct vcpu_time_info *t)
{
    WRITE_ONCE(t->version, t->version | 1);
}

static void publish(struct vcpu_time_info *t)
{
    publish_begin(t);
    barrier();
    t->tsc_timestamp = clock.tsc;
    t->system_time = clock.ns;
    t->tsc_to_system_mul = clock.mul;
    t->tsc_shift = clock.shift;
    /* All vCPUs share one line, and it never goes back */
    t->flags = XEN_PVCLOCK_TSC_STABLE_BIT;
    barrier();
    WRITE_ONCE(t->version, t->version + 1);
}

/* The guest moves this vCPU's vcpu_info; its clock must not be lost */
void time_move(struct vcpu *v, struct vcpu_info *to)
{
    spin_lock(&clock_lock);
    memcpy(to, v->info, sizeof(*to));
    publish(&to->time);
    __atomic_store_n(&v->info, to, __ATOMIC_SEQ_CST);
    spin_unlock(&clock_lock);
}

/* Where a 32-bit guest's shared_info has them */
#define WC32_OFF        0x900
#define WC32_SEC_HI     0x924

static void publish_wall_clock(uint64_t wall_ns)
{
    struct shared_info *s = SHARED_INFO;
    uint32_t *wc = &s->wc_version, *hi = &s->wc_sec_hi;
    uint64_t sec = wall_ns / SECOND;

    if (guest_is_pae()) {
        wc = (uint32_t *)((uint8_t *)s + WC32_OFF);
        hi = (uint32_t *)((uint8_t *)s + WC32_SEC_HI);
    }
    /* version, seconds, nanoseconds */
    WRITE_ONCE(wc[0], wc[0] | 1);
    barrier();
    wc[1] = sec;
    wc[2] = wall_ns % SECOND;
    *hi = sec >> 32;
    barrier();
    WRITE_ONCE(wc[0], wc[0] + 1);
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
    struct {
        uint8_t head[offsetof(struct xenpv_mailbox, data)];
        struct xenpv_mon_clock clock;
    } saved;
    const struct xenpv_mon_clock *c = (const void *)mailbox()->data;
    uint64_t shortest = ~0ull, tsc = 0;
    unsigned i;

    /* This may be an interrupt in the middle of preparing another call */
    memcpy(&saved, mailbox(), sizeof(saved));

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
    memcpy(mailbox(), &saved, sizeof(saved));
    return tsc;
}

/* The first line: QEMU's rate, from QEMU's time on */
static void first_line(uint64_t tsc, const struct xenpv_mon_clock *c)
{
    clock.hz = c->tsc_khz * 1000;
    clock.tsc = tsc;
    clock.ns = c->ns;
    clock.period = RESYNC_FIRST;
    set_rate(clock.hz);
    clock.valid = true;
}

/*
 * The VM may go on elsewhere, on a counter of another rate.  QEMU's own idea
 * of it is rough: it counts only if what was measured cannot be.
 */
static void judge_rate(uint64_t hz)
{
    if (hz > clock.hz + clock.hz / 16 || hz < clock.hz - clock.hz / 16) {
        clock.hz = hz;
    }
}

/* The next one, from a reading at @tsc, from @anchor on */
static void next_line(uint64_t tsc, uint64_t anchor, uint64_t ns, bool jumped)
{
    uint64_t ticks = tsc - clock.sample_tsc;
    uint64_t passed = ns - clock.sample_ns;
    uint64_t here = at(anchor);

    ns += scale(anchor - tsc);
    if (!jumped && passed >= MIN_INTERVAL && ticks < 1ull << 42) {
        clock.hz = mul_div(ticks, SECOND, passed);
    }
    if (here < ns && (jumped || ns - here > SECOND)) {
        here = ns;              /* too far to creep */
    }
    if (clock.period < SECOND) {
        clock.period *= 2;
    }
    clock.tsc = anchor;
    clock.ns = here;
    set_rate(corrected(clock.hz, ns - here));
}

static void for_all_copies(void (*fn)(struct vcpu_time_info *t))
{
    unsigned i;

    for (i = 0; i < SHARED->nr_vcpus; i++) {
        fn(&vcpus[i]->info->time);
        if (vcpus[i]->time_area) {
            fn(vcpus[i]->time_area);
        }
    }
}

static void resync(void)
{
    struct xenpv_mon_clock c = { 0 };
    bool jumped = __atomic_exchange_n(&clock_jumped, 0, __ATOMIC_SEQ_CST);
    uint64_t tsc = read_qemu_clock(&c);

    spin_lock(&clock_lock);
    for_all_copies(publish_begin);
    __atomic_fetch_add(&clock_version, 1, __ATOMIC_SEQ_CST);
    if (jumped && clock.valid) {
        judge_rate(c.tsc_khz * 1000);
    }
    if (clock.valid) {
        next_line(tsc, rdtsc(), c.ns, jumped);
    } else {
        first_line(tsc, &c);
    }
    clock.sample_tsc = tsc;
    clock.sample_ns = c.ns;
    __atomic_fetch_add(&clock_version, 1, __ATOMIC_SEQ_CST);
    for_all_copies(publish);
    publish_wall_clock(c.wall_ns);
    spin_unlock(&clock_lock);
}

/* Another vCPU may be at it already: that does for this one */
void time_resync(struct vcpu *v, bool jumped)
{
    if (jumped) {
        __atomic_store_n(&clock_jumped, 1, __ATOMIC_SEQ_CST);
    }
    if (!__atomic_exchange_n(&resync_busy, 1, __ATOMIC_SEQ_CST)) {
        resync();
        __atomic_store_n(&resync_busy, 0, __ATOMIC_SEQ_CST);
    }
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
    if (v->id == 0) {
        /* Some guests have no timer, and read system_time alone */
        next = earlier(next, READ_ONCE(clock.ns) + READ_ONCE(clock.period));
    }
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
    if (time_now() - READ_ONCE(clock.ns) >= READ_ONCE(clock.period)) {
        time_resync(v, false);
    }
    timer_program(v);
    /* One that never sleeps hears of it here */
    if (v->runstate.state == RUNSTATE_running &&
        READ_ONCE(SHARED->kick[v->id].stolen) != v->stolen_taken) {
        runstate_set(v, RUNSTATE_running);
    }
}

long hc_set_timer_op(struct vcpu *v, uint64_t deadline)
{
    v->timer_deadline = deadline;
    timer_program(v);
    return 0;
}

/* ---- runstate ---- */

/*
 * As the guest sees it: to one of 32 bits there is no gap behind the state.
 * Returns the size, and what lies where in @r.
 */
size_t runstate_layout(struct vcpu_runstate_info *r, const uint8_t **bytes)
{
    size_t gap = offsetof(struct vcpu_runstate_info, state_entry_time) -
                 sizeof(r->state);

    *bytes = (const uint8_t *)r;
    if (!guest_is_pae()) {
        return sizeof(*r);
    }
    *bytes += gap;
    memcpy((uint8_t *)r + gap, &r->state, sizeof(r->state));
    return sizeof(*r) - gap;
}

static void runstate_copy(struct vcpu *v)
{
    struct vcpu_runstate_info r = v->runstate;
    const uint8_t *src;
    size_t size = runstate_layout(&r, &src);

    memcpy(v->runstate_ptr[0], src, v->runstate_split);
    if (v->runstate_split < size) {
        memcpy(v->runstate_ptr[1], src + v->runstate_split,
               size - v->runstate_split);
    }
}

/* A reader that sees the update flag waits for it to go */
void runstate_publish(struct vcpu *v)
{
    bool flag = vm_assist & (1u << VMASST_TYPE_runstate_update_flag);

    if (!READ_ONCE(v->runstate_ptr[0])) {
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

/*
 * QEMU says what was stolen, but not when, and late.  It is taken from the time
 * @v has run, and what that does not suffice for from the time it has slept:
 * there it was to wake up, and could not.
 */
static uint64_t stolen(const struct vcpu *v, unsigned state, uint64_t taken,
                       uint64_t passed)
{
    uint64_t due = READ_ONCE(SHARED->kick[v->id].stolen) - taken;

    if (state != RUNSTATE_running && state != RUNSTATE_blocked) {
        return 0;
    }
    return due < passed ? due : passed;
}

static void account(struct vcpu *v, uint64_t now)
{
    unsigned state = v->runstate.state & 3;
    uint64_t passed = now - v->runstate.state_entry_time;
    uint64_t lost = stolen(v, state, v->stolen_taken, passed);

    v->stolen_taken += lost;
    v->runstate.time[RUNSTATE_runnable] += lost;
    v->runstate.time[state] += passed - lost;
}

void runstate_set(struct vcpu *v, int state)
{
    uint64_t now = time_now();

    __atomic_fetch_add(&v->runstate_version, 1, __ATOMIC_SEQ_CST);
    account(v, now);
    v->runstate.state = state;
    v->runstate.state_entry_time = now;
    __atomic_fetch_add(&v->runstate_version, 1, __ATOMIC_SEQ_CST);
    runstate_publish(v);
}

void runstate_init(struct vcpu *v, int state)
{
    v->runstate.state = state;
    v->runstate.state_entry_time = time_now();
}

/* Any vCPU's, up to now; it may change under our feet */
void runstate_get(const struct vcpu *v, struct vcpu_runstate_info *r)
{
    uint32_t version;
    uint64_t now, taken, lost;

    do {
        version = __atomic_load_n(&v->runstate_version, __ATOMIC_SEQ_CST);
        memcpy(r, &v->runstate, sizeof(*r));
        taken = READ_ONCE(v->stolen_taken);
    } while ((version & 1) || version !=
             __atomic_load_n(&v->runstate_version, __ATOMIC_SEQ_CST));
    r->state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    now = time_now();
    if (now > r->state_entry_time) {
        now -= r->state_entry_time;
        lost = stolen(v, r->state & 3, taken, now);
        r->time[RUNSTATE_runnable] += lost;
        r->time[r->state & 3] += now - lost;
    }
}

/*
 * The address counts in the page table of the caller, now: the frames behind
 * it are remembered, not the address.
 */
long register_runstate(struct vcpu *v, struct vcpu *to, uint64_t va)
{
    struct vcpu_runstate_info r = { 0 };
    const uint8_t *src;
    size_t size = runstate_layout(&r, &src);
    uint64_t last = va + size - 1, maddr[2] = { 0, 0 };

    if (!resolve_va(v, va, &maddr[0]) ||
        !resolve_va(v, last & PAGE_MASK, &maddr[1])) {
        return -XEN_EFAULT;
    }
    /* One that runs and publishes meanwhile goes by the old place or none */
    WRITE_ONCE(to->runstate_ptr[0], NULL);
    to->runstate_split = size;
    if ((va ^ last) & PAGE_MASK) {
        to->runstate_split = PAGE_SIZE - (va & ~PAGE_MASK);
    }
    to->runstate_ptr[1] = direct(maddr[1]);
    barrier();
    WRITE_ONCE(to->runstate_ptr[0], direct(maddr[0]));
    if (to == v) {
        runstate_set(v, v->runstate.state);
    } else if (to->up) {
        give_work(to, WORK_REFRESH);
    } else {
        runstate_publish(to);
    }
    return 0;
}

long register_time_area(struct vcpu *v, struct vcpu *to, uint64_t va)
{
    uint64_t maddr;

    if ((va & 7) || (va & ~PAGE_MASK) > PAGE_SIZE - sizeof(*to->time_area) ||
        !resolve_va(v, va, &maddr)) {
        return -XEN_EFAULT;
    }
    spin_lock(&clock_lock);
    to->time_area = direct(maddr);
    publish(to->time_area);
    spin_unlock(&clock_lock);
    return 0;
}
