/*
 * SYSCALL in user mode without a callback is an invalid instruction there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

USER_CODE(user_syscall, "nop; syscall; ud2");

int main(void)
{
    struct frame f;

    user_setup();
    equal(register_callback(CALLBACK_SYSCALL, 0, NULL), 0);
    f = run_user(user_syscall);
    equal(f.vector, X86_UD);
    equal(f.rip, USER(user_syscall) + 1);

    equal(register_callback(CALLBACK_SYSCALL, 0, syscall_entry), 0);
    f = run_user(user_syscall);
    equal(f.vector, SYSCALL);

    /* No way back once registered, but to NULL as above */
    equal(unregister_callback(CALLBACK_SYSCALL), -XEN_EINVAL);
    equal(unregister_callback(CALLBACK_EVENT), -XEN_EINVAL);
    return 0;
}
