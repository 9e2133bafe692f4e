/*
 * What every program of the guest tests shares: verdicts, and running code
 * that is expected to fault.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of them are linked into one static binary, xpv: the initramfs must fit
 * a guest of 64 MiB.  A verdict is one line on standard output,
 *
 *   PASS group/name
 *   FAIL group/name: why
 *   SKIP group/name: why
 *
 * and main() ends each group with a line the harness counts on:
 *
 *   RESULT group N passed, N failed, N skipped
 */
#ifndef XPV_GUEST_H
#define XPV_GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096ul
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/**
 * verdict: one line; @why is a printf format, used on failure only
 *
 * Returns: @ok, so that a caller can give up early
 */
bool verdict(const char *name, bool ok, const char *why, ...)
    __attribute__((format(printf, 3, 4)));

/* A test that says nothing here: @why is what is missing */
void skip(const char *name, const char *why, ...)
    __attribute__((format(printf, 2, 3)));

/* Something the test itself needs failed: ends the group as failed */
void broken(const char *what) __attribute__((noreturn));

/**
 * struct fault: what the kernel told about a signal
 * @sig: 0 if the code ran to its end
 * @code: si_code
 * @addr: si_addr
 * @regs: the interrupted registers
 */
struct fault {
    int sig;
    int code;
    uintptr_t addr;
    greg_t regs[NGREG];
};

/*
 * Run @fn(@arg), which may end in SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP.
 * Handlers run on a stack of their own, since some tests break the stack.
 */
struct fault catch_fault(void (*fn)(void *), void *arg);

/* A process that runs @fn and exits with its result; the wait status */
int in_child(int (*fn)(void *), void *arg);

/* Start @fn in a process; its pid */
pid_t spawn(int (*fn)(void *), void *arg);

/* Reproducible pseudo-random numbers (xorshift64*) */
static inline uint64_t rnd(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/*
 * One access that is made, just here and of just that size: the access itself
 * is what is tested.  Hence volatile.
 */
static inline uint64_t peek(const void *p)
{
    return *(const volatile uint64_t *)p; /* see above */
}

static inline void poke(void *p, uint64_t value)
{
    *(volatile uint64_t *)p = value; /* see above */
}

static inline void poke8(void *p, uint8_t value)
{
    *(volatile uint8_t *)p = value; /* see above */
}

static inline uint8_t peek8(const void *p)
{
    return *(const volatile uint8_t *)p; /* see above */
}

/* CLOCK_MONOTONIC in nanoseconds */
uint64_t now_ns(void);

/* Is this a Xen PV guest? */
bool is_xen_pv(void);

/* First line of a file without its newline; false if it cannot be read */
bool read_line(const char *path, char *buf, size_t size);

static inline void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "0"(leaf), "2"(sub));
}

/* Groups and commands, in the files named after them */
int cmd_proof(int argc, char **argv);
int cmd_xs(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_source(int argc, char **argv);
int cmd_sink(int argc, char **argv);
int cmd_memtouch(int argc, char **argv);
int cmd_disklog(int argc, char **argv);
int cmd_clocks(int argc, char **argv);
int cmd_fb(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_xdp(int argc, char **argv);
int cmd_udp(int argc, char **argv);

void test_xenstore(void);
void test_isolation(void);
void test_traps(void);
void test_sigreturn(void);
void test_debug(void);
void test_fpu(void);
void test_clock(void);
void test_segments(void);
void test_memory(void);
void test_signals(void);
void test_procs(void);
void test_smp(void);
void test_klog(void);

#endif
