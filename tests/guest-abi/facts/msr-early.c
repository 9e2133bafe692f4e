/*
 * Before there is a handler for it, the fault of an unknown register is kept
 * from the guest: Linux reads and writes some that early.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    uint32_t lo = 1, hi = 1;

    equal(hc(set_trap_table, NULL), 0);
    __asm__ volatile("rdmsr" : "+a"(lo), "+d"(hi) : "c"(0xdeadbeef));
    equal(lo, 0);
    equal(hi, 0);
    /* WRMSR(GS_BASE) is the first thing it does */
    __asm__ volatile("wrmsr" : : "c"(0xc0000101), "a"(0x1000), "d"(0));
    return 0;
}
