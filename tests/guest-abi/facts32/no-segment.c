/*
 * Handlers in a segment that is none: ended, not tried for ever.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: segment that cannot be loaded
 */
#include "abi32.h"

int main(void)
{
    struct trap_info table[3] = {
        { .vector = X86_UD, .cs = 0x1239, .address = ENTRY_OF(X86_UD) },
        { .vector = X86_GP, .cs = 0x1239, .address = ENTRY_OF(X86_GP) },
    };

    result(hc(set_trap_table, table), 0);
    __asm__ volatile("ud2");
    return 0;
}
