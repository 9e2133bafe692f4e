/*
 * Another vCPU than the first can end the guest, while the others flush.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 3
 * Ends: the guest crashed
 */
#include "abi.h"

static void flush(struct secondary *s)
{
    for (;;) {
        mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
        s->word = 1;
    }
}

static void crash(struct secondary *s)
{
    struct sched_shutdown d = { .reason = SHUTDOWN_crash };

    wait_for(&secondaries[1].word, 1);
    s->word = 1;
    hc(sched_op, SCHEDOP_shutdown, &d);
    fail(HERE, "went on");
}

int main(void)
{
    start_vcpu(1, flush);
    start_vcpu(2, crash);
    for (;;) {
        mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
    }
}
