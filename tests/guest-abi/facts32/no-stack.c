/*
 * A process's exception, and no stack to tell the kernel on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Ends: no stack for an exception frame
 */
#include "abi32.h"

USER_CODE(user_ud, "ud2");

int main(void)
{
    user_setup();
    result(hc(stack_switch, KERNEL_SS, 0x7ffff000), 0);
    run_user(user_ud);
    return 0;
}
