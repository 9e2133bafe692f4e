/*
 * The trap table: entries replaced one by one, all of them dropped with NULL,
 * and then an exception is the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: exception without a handler, rip 0xffffffff8010.* cs .* vector 0x6\b
 */
#include "abi.h"

static uint64_t vector_of_ud2(void)
{
    return try("ud2", : : : "memory");
}

int main(void)
{
    equal(vector_of_ud2(), X86_UD);
    set_trap(X86_UD, ENTRY_OF(X86_BP), 0);
    equal(vector_of_ud2(), X86_BP);     /* so says the entry point it took */
    set_trap(X86_UD, ENTRY_OF(X86_UD), 0);
    equal(vector_of_ud2(), X86_UD);

    equal(hc(set_trap_table, NULL), 0);
    vector_of_ud2();
    fail(HERE, "went on");
}
