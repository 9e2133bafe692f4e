/*
 * The clock page: usable before anything was asked for, never backwards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    volatile struct vcpu_time_info *t = &VCPU->time;    /* volatile: shared */
    uint64_t before, after, start;
    unsigned i;

    equal(t->version & 1, 0);
    check(t->version);
    check(t->tsc_to_system_mul);
    check(t->tsc_timestamp);
    check(t->tsc_shift > -32 && t->tsc_shift < 32);

    start = before = now();
    check(before);
    /* Long enough for the monitor to take its bearings anew */
    for (i = 0; before - start < 1500000000ul; i++) {
        after = now();
        check(after >= before);
        check(after - before < 1000000000ul);
        before = after;
        if (!(i & 1023)) {
            hc(sched_op, SCHEDOP_yield);
        }
    }

    /* Wall clock at system time 0; later than 2020, earlier than 2100 */
    equal(SHARED->wc_version & 1, 0);
    check(SHARED->wc_sec > 1577836800ul && SHARED->wc_sec < 4102444800ul);
    equal(SHARED->wc_sec_hi, 0);
    check(SHARED->wc_nsec < 1000000000ul);
    return 0;
}
