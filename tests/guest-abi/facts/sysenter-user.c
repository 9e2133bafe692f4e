/*
 * SYSENTER and 32-bit SYSCALL in user mode end in callbacks of their own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 */
#include "abi.h"

USER_CODE(user_sysenter, ".code32; sysenter; .code64");
USER_CODE(user_syscall32, ".code32; syscall; .code64");

static struct frame run32(const char *code)
{
    struct frame c = user_context(code);

    c.cs = USER_CS32;
    c.rdi = 0x1234;
    return run(&c);
}

int main(void)
{
    struct frame f;

    user_setup();
    /* None registered */
    f = run32(user_sysenter);
    if (f.vector == X86_UD && f.rip == USER(user_sysenter)) {
        skip("this processor has no SYSENTER in compatibility mode");
    }
    equal(f.vector, X86_GP);
    equal(f.error, 0);

    equal(register_callback(CALLBACK_SYSENTER, CALLBACKF_mask_events,
                            sysenter_entry), 0);
    equal(register_callback(CALLBACK_SYSCALL32, CALLBACKF_mask_events,
                            syscall32_entry), 0);
    f = run32(user_sysenter);
    equal(f.vector, SYSENTER);
    equal(f.rdi, 0x1234);
    equal(f.cs & 3, 3);                 /* rip and rsp are nobody's */
    equal(trap_mask, 1);

    f = run32(user_syscall32);
    equal(f.vector, SYSCALL32);
    equal(f.rip, USER(user_syscall32) + 2);
    equal(f.cs & 0xffff, USER_CS32);
    equal(f.rdi, 0x1234);
    equal(trap_mask, 1);
    return 0;
}
