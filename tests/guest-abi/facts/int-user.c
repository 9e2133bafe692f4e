/*
 * INT n in user mode goes by the privilege level in the guest's trap table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

USER_CODE(user_int80, "int $0x80; ud2");
USER_CODE(user_int81, "int $0x81; ud2");
USER_CODE(user_int3, "int3; ud2");
USER_CODE(user_int0, "int $0; ud2");

static void passes(const char *code, uint64_t vector, uint64_t length)
{
    struct frame f = run_user(code);

    equal(f.vector, vector);
    equal(f.rip, USER(code) + length);
}

static void refused(const char *code, uint64_t vector)
{
    struct frame f = run_user(code);

    equal(f.vector, X86_GP);
    equal(f.error, vector << 3 | 2);
    equal(f.rip, USER(code));
}

int main(void)
{
    user_setup();
    passes(user_int80, 0x80, 2);
    passes(user_int3, X86_BP, 1);
    refused(user_int81, 0x81);
    refused(user_int0, 0);

    set_trap(0x81, ENTRY_OF(0x81), 3);
    passes(user_int81, 0x81, 2);
    set_trap(0x80, ENTRY_OF(0x80), 3 | 4);
    passes(user_int80, 0x80, 2);
    equal(trap_mask, 1);
    return 0;
}
