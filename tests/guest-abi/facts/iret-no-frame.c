/*
 * An iret hypercall without a frame to read is the end of the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: no frame for iret
 */
#include "abi.h"

int main(void)
{
    __asm__ volatile("mov %0, %%rsp; mov $23, %%eax; syscall"
                     : : "r"(NOWHERE));
    fail(HERE, "went on");
}
