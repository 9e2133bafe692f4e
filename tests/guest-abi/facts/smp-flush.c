/*
 * When a flush of another vCPU has returned, that vCPU does not use the old
 * translation any more; for every kind of flush there is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 * QEMU: -smp 3
 */
#include "abi.h"

#define ROUNDS 25

static uint64_t *window, *frame[2];
/* volatile: the other vCPUs look at it */
static volatile uint64_t expected;

/* Whoever reads @expected first must not then find an older frame */
static void reader(struct secondary *s)
{
    while (!s->word) {
        uint64_t want = expected;
        /* volatile: what is behind it changes */
        uint64_t got = *(volatile uint64_t *)window;

        if (want && got != want && expected == want) {
            fail_equal(HERE, "what another vCPU reads", got, want);
        }
        s->answer++;
    }
}

static uint64_t leaf(unsigned i)
{
    return mfn_of(frame[i]) * PAGE_SIZE | PTE_P | PTE_RW | PTE_A | PTE_D;
}

static void wait_read(struct secondary *s)
{
    uint64_t was = s->answer;

    while (s->answer < was + 2) {
        relax();
    }
}

static void change(unsigned how, unsigned i)
{
    static uint64_t mask = 6;
    struct mmuext_op op = { .cmd = MMUEXT_TLB_FLUSH_ALL };

    op.arg1.linear_addr = (uint64_t)window;
    set_xen_guest_handle(op.arg2.vcpumask, &mask);
    switch (how) {
    case 0:
        equal(hc(update_va_mapping, window, leaf(i), UVMF_INVLPG | UVMF_ALL),
              0);
        return;
    case 1:
        equal(hc(update_va_mapping, window, leaf(i),
                 UVMF_TLB_FLUSH | UVMF_ALL), 0);
        return;
    case 2:
        equal(hc(update_va_mapping, window, leaf(i),
                 UVMF_INVLPG | (uint64_t)&mask), 0);
        return;
    case 3:
        equal(hc(update_va_mapping, window, leaf(i),
                 UVMF_TLB_FLUSH | (uint64_t)&mask), 0);
        return;
    case 4:
        break;
    case 5:
        op.cmd = MMUEXT_INVLPG_ALL;
        break;
    case 6:
        op.cmd = MMUEXT_TLB_FLUSH_MULTI;
        break;
    default:
        op.cmd = MMUEXT_INVLPG_MULTI;
        break;
    }
    equal(set_entry(entry_of((uint64_t)window, 1), leaf(i)), 0);
    equal(hc(mmuext_op, &op, 1, 0, DOMID_SELF), 0);
}

int main(void)
{
    struct secondary *s[2];
    struct mmuext_op bad = { .cmd = MMUEXT_TLB_FLUSH_MULTI };
    unsigned how, i;

    window = alloc_page();
    frame[0] = alloc_page();
    frame[1] = alloc_page();
    *frame[0] = 0x1000;
    *frame[1] = 0x1001;
    expected = *frame[0];
    change(0, 0);
    s[0] = start_vcpu(1, reader);
    s[1] = start_vcpu(2, reader);
    for (how = 0; how < 8; how++) {
        for (i = 1; i <= ROUNDS; i++) {
            /* Both have the old one cached */
            wait_read(s[0]);
            wait_read(s[1]);
            expected = 0;           /* either will do meanwhile */
            change(how, i & 1);
            expected = *frame[i & 1];
        }
    }
    s[0]->word = s[1]->word = 1;
    wait_done(s[0]);
    wait_done(s[1]);
    set_xen_guest_handle(bad.arg2.vcpumask, (void *)NOWHERE);
    equal(hc(mmuext_op, &bad, 1, 0, DOMID_SELF), -XEN_EFAULT);
    return 0;
}
