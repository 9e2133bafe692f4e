/*
 * How a micro-guest ends, and what it says of it; for both sizes of word.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>
#if UINTPTR_MAX > UINT32_MAX
#include "abi.h"
#else
#include "abi32.h"
#endif

void print_hex(uint64_t v)
{
    char text[19] = "0x0";
    char *p = text + 2;
    int shift = 60;

    while (shift && !(v >> shift & 15)) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        *p++ = "0123456789abcdef"[v >> shift & 15];
    }
    *p = 0;
    print(text);
}

static void __attribute__((noreturn)) end(unsigned reason)
{
    struct sched_shutdown s = { .reason = reason };

    for (;;) {
        hc(sched_op, SCHEDOP_shutdown, &s);
    }
}

void power_off(void)
{
    end(SHUTDOWN_poweroff);
}

void fail(const char *where, const char *what)
{
    print("FAILED ");
    print(where);
    print(": ");
    print(what);
    print("\n");
    end(SHUTDOWN_crash);
}

void fail_equal(const char *where, const char *what, uint64_t got,
                uint64_t want)
{
    print("FAILED ");
    print(where);
    print(": ");
    print(what);
    print(" is ");
    print_hex(got);
    print(", not ");
    print_hex(want);
    print("\n");
    end(SHUTDOWN_crash);
}
