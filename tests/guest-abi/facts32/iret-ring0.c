/*
 * A kernel that asks for ring 0 is ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: iret to ring 0
 */
#include "abi32.h"

int main(void)
{
    __asm__ volatile("push $0x200; push $0xe018; push $1f; push $0\n\t"
                     "mov $23, %eax; int $0x82; 1:");
    return 0;
}
