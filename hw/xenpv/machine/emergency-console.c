/*
 * The hypervisor's console: what a guest says through console_io.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Kernels use it before their own console works and when nothing else does
 * (earlyprintk=xen, a panic in an interrupt).  As on a Xen host the text goes
 * where the hypervisor's own messages go, here QEMU's stderr, line by line
 * under the domain's number.  A guest must not fill a log or drive a
 * terminal: only printable characters pass, and so many lines a second.
 */
#include "qemu/osdep.h"
#include "qemu/ctype.h"
#include "qemu/timer.h"
#include "hw/xenpv/machine.h"

/* A kernel's whole start fits the burst */
#define BURST_LINES     2000
#define LINES_PER_S     100

static void refill(XenPvEmergencyConsole *con)
{
    int64_t now = get_clock();
    int64_t lines = (now - con->refilled) * LINES_PER_S /
                    NANOSECONDS_PER_SECOND;

    if (!con->refilled) {
        con->credit = BURST_LINES;
        con->refilled = now;
    } else if (lines > 0) {
        con->credit = MIN(BURST_LINES, con->credit + lines);
        con->refilled = now;
    }
}

static void end_line(XenPvEmergencyConsole *con)
{
    refill(con);
    if (!con->credit) {
        con->dropped++;
    } else {
        con->credit--;
        if (con->dropped) {
            fprintf(stderr, "(d1) ... %" PRIu64 " lines lost\n",
                    con->dropped);
            con->dropped = 0;
        }
        fprintf(stderr, "(d1) %.*s\n", (int)con->len, con->line);
    }
    con->len = 0;
}

void xenpv_emergency_write(XenPvEmergencyConsole *con, const uint8_t *buf,
                           size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (buf[i] == '\n' || con->len == sizeof(con->line)) {
            end_line(con);
        }
        if (qemu_isprint(buf[i]) || buf[i] == '\t') {
            con->line[con->len++] = buf[i];
        }
    }
}
