/*
 * Time that the host has taken from the vCPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What Linux says of each thread: for how long it was ready to run and waited
 * for a processor.  KVM tells its guests the same.  Other hosts say nothing of
 * the kind, and there nothing is ever stolen.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/timer.h"
#include "hw/core/cpu.h"
#include "hw/xenpv/machine.h"
#include "system/cpu-timers.h"
#include "system/runstate.h"

/* Whoever asks for the clock does so a few times in a row. */
#define AT_MOST_EVERY (NANOSECONDS_PER_SECOND / 2)

/* Three numbers: ns run, ns waited, how often */
static bool thread_waited(int thread, uint64_t *ns)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/schedstat",
                                            thread);
    g_autofree char *text = NULL;
    const char *second;
    uint64_t ran;

    return g_file_get_contents(path, &text, NULL, NULL) &&
           !qemu_strtou64(text, &second, 10, &ran) &&
           !qemu_strtou64(second, &second, 10, ns);
}

static void look(XenPvStolen *s, bool count)
{
    CPUState *cs;

    CPU_FOREACH(cs) {
        struct xenpv_mon_kick *k = &s->shared->kick[cs->cpu_index];
        uint64_t *seen = &s->seen[cs->cpu_index];
        uint64_t waited;

        if (!thread_waited(cs->thread_id, &waited)) {
            continue;
        }
        if (count && waited > *seen) {
            qatomic_set(&k->stolen, qatomic_read(&k->stolen) + waited - *seen);
        }
        *seen = waited;
    }
}

void xenpv_stolen_update(XenPvStolen *s)
{
    int64_t now = get_clock();

    /* With icount a guest is to run the same each time. */
    if (now >= s->next && !icount_enabled()) {
        s->next = now + AT_MOST_EVERY;
        look(s, true);
    }
}

/* What its threads waited for before, in this process, is not the guest's. */
static void vm_change(void *opaque, bool running, RunState state)
{
    if (running) {
        look(opaque, false);
    }
}

void xenpv_stolen_init(XenPvStolen *s, struct xenpv_mon_shared *shared)
{
    s->shared = shared;
    qemu_add_vm_change_state_handler(vm_change, s);
}
