/*
 * The runstate area says "running", and the times in it add up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

static long set_area(void *va)
{
    struct vcpu_register_runstate_memory_area a = { .addr.p = 0 };

    a.addr.p = (uint64_t)va;
    return hc(vcpu_op, VCPUOP_register_runstate_memory_area, 0, &a);
}

static void sleep_ms(unsigned ms)
{
    struct sched_poll p = { .timeout = now() + ms * 1000000ul };

    hc(sched_op, SCHEDOP_poll, &p);
}

/* Asleep, or ready to wake while the host ran something else */
static uint64_t not_running(const struct vcpu_runstate_info *r)
{
    return r->time[RUNSTATE_blocked] + r->time[RUNSTATE_runnable];
}

int main(void)
{
    uint8_t *pages[2] = { alloc_page(), alloc_page() };
    struct vcpu_runstate_info *r = (void *)pages[0], split, asked;
    uint64_t idle;

    equal(pages[1], pages[0] + PAGE_SIZE);
    equal(set_area(r), 0);
    equal(r->state, RUNSTATE_running);
    check(r->state_entry_time);
    idle = not_running(r);
    sleep_ms(20);
    equal(r->state, RUNSTATE_running);
    check(not_running(r) > idle);
    check(r->time[RUNSTATE_running]);
    check(r->state_entry_time <= now());

    equal(hc(vcpu_op, VCPUOP_get_runstate_info, 0, &asked), 0);
    equal(asked.state, RUNSTATE_running);
    check(not_running(&asked) >= not_running(r));

    /* Over a page boundary, as Linux's per-CPU data may lie */
    equal(hc(vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag),
          0);
    equal(set_area(pages[0] + PAGE_SIZE - 20), 0);
    sleep_ms(5);
    memcpy(&split, pages[0] + PAGE_SIZE - 20, sizeof(split));
    equal(split.state, RUNSTATE_running);
    check(not_running(&split) > idle);
    equal(split.state_entry_time >> 63, 0);
    return 0;
}
