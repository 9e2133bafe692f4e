/*
 * proof: what this guest is, in the guest's own words.
 * klog:  whether the kernel had to complain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <errno.h>
#include <sys/klog.h>
#include <sys/utsname.h>

static char *kernel_log(void)
{
    enum { READ_ALL = 3, SIZE_BUFFER = 10 };
    int size = klogctl(SIZE_BUFFER, NULL, 0);
    char *log = size > 0 ? malloc(size + 1) : NULL;
    int n = log ? klogctl(READ_ALL, log, size) : -1;

    if (n < 0) {
        broken("kernel log");
    }
    log[n] = '\0';
    return log;
}

static void show(const char *path)
{
    char line[256];

    if (read_line(path, line, sizeof(line))) {
        printf("%-34s %s\n", path, line);
    }
}

/* Returns 0 if this is a Xen PV guest that knows its name */
int cmd_proof(int argc, char **argv)
{
    static const char *const wanted[] = {
        "Hypervisor detected", "Xen version", "Booting paravirtualized",
        "Xen: using vcpuop", "xenbus: ", "Xen: initializing cpu",
        "xen:", "clocksource: xen",
    };
    static const char *const nodes[] = {
        "/sys/hypervisor/type", "/sys/hypervisor/guest_type",
        "/sys/hypervisor/version/major", "/sys/hypervisor/version/minor",
        "/sys/hypervisor/version/extra", "/sys/hypervisor/uuid",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource",
    };
    static char xs[] = "xs", verb[] = "read", node[] = "name";
    char *xs_name[] = { xs, verb, node, NULL };
    struct utsname u;
    char *log, *line, *next;

    (void)argc;
    (void)argv;
    uname(&u);
    printf("%s %s %s\n", u.sysname, u.release, u.machine);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        show(nodes[i]);
    }
    log = kernel_log();
    for (line = log; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
            if (strstr(line, wanted[i]) && !strstr(line, "Command line")) {
                printf("dmesg: %s\n", line + strspn(line, "<0123456789>"));
                break;
            }
        }
    }
    free(log);
    if (!is_xen_pv()) {
        printf("PROOF: this is not a Xen PV guest\n");
        return 1;
    }
    printf("xenstore-read name: ");
    fflush(stdout);
    if (cmd_xs(3, xs_name) != 0) {
        return 1;
    }
    printf("PROOF: this is a Xen PV guest\n");
    return 0;
}

/* Words of a kernel in trouble.  One line of the log each. */
void test_klog(void)
{
    static const char *const bad[] = {
        "BUG:", "Oops", "WARNING: CPU", "Call Trace", "kernel BUG",
        "general protection fault:", "rcu_sched", "rcu: INFO", "soft lockup",
        "hung task", "bad frame", "Bad page", "page allocation failure",
        "scheduling while", "unable to handle", "invalid opcode: ",
        "clocksource: timekeeping", "Clocksource skewed", "Xen error",
        "failed Xen multicall", "unhandled", "segfault in kernel",
        "double fault", "stack guard", "Corrupted", "Tainted: G",
        "nobody cared", "timekeeping watchdog",
    };
    char *log = kernel_log(), *line, *next;
    unsigned found = 0;

    for (line = log; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
            if (strstr(line, bad[i])) {
                printf("LOG %s\n", line);
                found++;
                break;
            }
        }
    }
    free(log);
    verdict("clean", found == 0, "%u lines of complaint", found);
}
