/*
 * The clock page is renewed for a guest that has no timer: one that reads no
 * more of it than system_time, as GRUB does for its date, sees time pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux minios strict
 */
#include "abi.h"

int main(void)
{
    volatile struct vcpu_time_info *t = &VCPU->time;    /* volatile: shared */
    uint64_t first = t->system_time, i;

    for (i = 0; i < 3; i++) {
        uint64_t start = now();

        while (t->system_time == first) {
            check(now() - start < 10000000000ul);
        }
        first = t->system_time;
    }
    return 0;
}
