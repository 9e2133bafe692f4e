/*
 * What the end of a guest means to QEMU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/trace.h"
#include "hw/xen/interface/sched.h"
#include "system/runstate.h"

/* With -action panic=none a guest may go on dying: one line a boot */
static bool crash_reported;

void xenpv_guest_crashed(const char *why)
{
    if (!crash_reported) {
        crash_reported = true;
        error_report("xenpv: %s", why);
    }
    qemu_system_guest_panicked(NULL);
}

void xenpv_guest_restarted(void)
{
    crash_reported = false;
}

int xenpv_guest_shutdown(unsigned reason)
{
    trace_xenpv_machine_shutdown(reason);
    switch (reason) {
    case SHUTDOWN_poweroff:
        qemu_system_shutdown_request(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        return 0;
    case SHUTDOWN_reboot:
    case SHUTDOWN_watchdog:
        qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
        return 0;
    case SHUTDOWN_suspend:
        return 1;               /* did not happen; the guest goes on */
    case SHUTDOWN_crash:
        xenpv_guest_crashed("the guest crashed (SHUTDOWN_crash)");
        return 0;
    default:
        return -ENOSYS;
    }
}
