/*
 * No stack for an exception's frame is the end of the guest, not of QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: no stack for an exception frame
 */
#include "abi.h"

int main(void)
{
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(NOWHERE));
    fail(HERE, "went on");
}
