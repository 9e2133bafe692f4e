/*
 * Flushing what other vCPUs have cached of the page tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A request is a ticket: flush_want of the target, counted up.  The target
 * flushes and says up to which ticket it has, in flush_done.
 *
 * A vCPU that sleeps in the monitor need not be woken, nor waited for: it
 * uses the guest's page tables for nothing, and before it does again it looks
 * at its tickets.  It says "asleep" and then sleeps, or says "awake" and then
 * looks; who asks writes the ticket and then looks whether it sleeps.  One of
 * the two sees the other.
 *
 * Who waits for a flush sleeps in that sense, too.  So two that flush each
 * other do not wait for each other.
 *
 * A slot holds the page of a ticket and the ticket's low bits in one word.  A
 * ticket whose slot has not been written yet, or again since, costs a flush of
 * everything.
 */
#include "monitor.h"

#define PAGE_BITS       36      /* of a canonical address, without the offset */
#define PAGE_NR(va)     ((va) >> PAGE_SHIFT & ((1ull << PAGE_BITS) - 1))
/* The first page of the hole, which no guest has anything in */
#define EVERYTHING      XENPV_M2P_VA

/*
 * A vCPU that answers at once is waited for at work, to save the interrupt
 * back.  There may be fewer processors than vCPUs: soon it is time to sleep.
 */
#define SPINS           1000

static uint64_t waiters;        /* vCPUs that want to be woken by an answer */

static uint64_t slot_value(uint32_t ticket, uint64_t va)
{
    return (uint64_t)ticket << PAGE_BITS | PAGE_NR(va);
}

static void flush_local(void)
{
    write_cr3(read_cr3());
}

static void wake_waiters(const struct vcpu *v)
{
    uint64_t mask = __atomic_load_n(&waiters, __ATOMIC_SEQ_CST);
    unsigned i;

    for (i = 0; mask; i++, mask >>= 1) {
        if ((mask & 1) && vcpus[i] != v) {
            apic_ipi(vcpus[i], XENPV_VECTOR_EVENT);
        }
    }
}

/* Do what others have asked of this vCPU */
void flush_serve(struct vcpu *v)
{
    uint32_t want = __atomic_load_n(&v->flush_want, __ATOMIC_SEQ_CST);
    uint32_t t = v->flush_done;
    bool all = want - t > FLUSH_SLOTS;

    if (want == t) {
        return;
    }
    while (!all && t != want) {
        uint64_t slot = __atomic_load_n(&v->flush_slot[++t % FLUSH_SLOTS],
                                        __ATOMIC_SEQ_CST);

        /* The sign of the page number is that of the address */
        uint64_t va = (uint64_t)((int64_t)(slot << (64 - PAGE_BITS)) >>
                                 (64 - PAGE_BITS)) << PAGE_SHIFT;

        if (slot != slot_value(t, va) || va == EVERYTHING) {
            all = true;
        } else {
            invlpg(va);
        }
    }
    if (all) {
        flush_local();
    }
    __atomic_store_n(&v->flush_done, want, __ATOMIC_SEQ_CST);
    wake_waiters(v);
}

void sleep_begin(struct vcpu *v)
{
    __atomic_store_n(&v->asleep, 1, __ATOMIC_SEQ_CST);
    wake_waiters(v);
}

void sleep_end(struct vcpu *v)
{
    __atomic_store_n(&v->asleep, 0, __ATOMIC_SEQ_CST);
    flush_serve(v);
}

static bool served(const struct vcpu *t, uint32_t ticket)
{
    return (int32_t)(__atomic_load_n(&t->flush_done, __ATOMIC_SEQ_CST) -
                     ticket) >= 0 ||
           __atomic_load_n(&t->asleep, __ATOMIC_SEQ_CST);
}

/* Those of @mask that have not served their tickets */
static uint64_t unserved(uint64_t mask, const uint32_t *ticket)
{
    uint64_t left = 0;
    unsigned i;

    for (i = 0; mask >> i; i++) {
        if ((mask >> i & 1) && !served(vcpus[i], ticket[i])) {
            left |= 1ull << i;
        }
        if (i == XENPV_MAX_VCPUS - 1) {
            break;
        }
    }
    return left;
}

static void wait_for_answers(struct vcpu *v, uint64_t mask,
                             const uint32_t *ticket)
{
    uint64_t self = 1ull << v->id;
    unsigned spins;

    for (spins = 0; spins < SPINS; spins++) {
        mask = unserved(mask, ticket);
        if (!mask) {
            return;
        }
    }
    __atomic_fetch_or(&waiters, self, __ATOMIC_SEQ_CST);
    while ((mask = unserved(mask, ticket))) {
        wait_for_interrupt();
    }
    __atomic_fetch_and(&waiters, ~self, __ATOMIC_SEQ_CST);
}

static void ask(struct vcpu *v, uint64_t mask, uint64_t va)
{
    uint32_t ticket[XENPV_MAX_VCPUS];
    uint64_t waiting = 0;
    unsigned i;

    for (i = 0; i < SHARED->nr_vcpus; i++) {
        struct vcpu *t = vcpus[i];

        if (!(mask >> i & 1) || t == v) {
            continue;
        }
        ticket[i] = __atomic_add_fetch(&t->flush_want, 1, __ATOMIC_SEQ_CST);
        __atomic_store_n(&t->flush_slot[ticket[i] % FLUSH_SLOTS],
                         slot_value(ticket[i], va), __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&t->asleep, __ATOMIC_SEQ_CST)) {
            waiting |= 1ull << i;
        }
    }
    if (!waiting) {
        return;
    }
    sleep_begin(v);
    for (i = 0; i < SHARED->nr_vcpus; i++) {
        if (waiting >> i & 1) {
            apic_ipi(vcpus[i], XENPV_VECTOR_FLUSH);
        }
    }
    wait_for_answers(v, waiting, ticket);
    sleep_end(v);
}

/* All that is cached, on the vCPUs in @mask */
void flush_vcpus(struct vcpu *v, uint64_t mask)
{
    if (mask >> v->id & 1) {
        flush_local();
    }
    ask(v, mask, EVERYTHING);
}

void flush_page_vcpus(struct vcpu *v, uint64_t mask, uint64_t va)
{
    if (!canonical(va) || (va & PAGE_MASK) == EVERYTHING) {
        return;
    }
    if (mask >> v->id & 1) {
        invlpg(va);
    }
    ask(v, mask, va);
}
