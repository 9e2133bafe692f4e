/*
 * Time: never backwards, never early, one clock whichever way it is asked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How long things take is not judged here, the machine may be busy; only
 * order is.  The functional test compares guest time with host time.
 */
#include "guest.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <x86intrin.h>

#define READS 1000000

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static uint64_t read_clock_kernel(clockid_t id)
{
    struct timespec ts;

    syscall(SYS_clock_gettime, id, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void monotonic(const char *name, clockid_t id, unsigned reads)
{
    uint64_t last = 0, back = 0, worst = 0, first = read_clock(id);

    for (unsigned i = 0; i < reads; i++) {
        /* every eighth by a real system call: both must be one clock */
        uint64_t t = i % 8 ? read_clock(id) : read_clock_kernel(id);

        if (t < last) {
            back++;
            worst = last - t > worst ? last - t : worst;
        }
        last = t;
    }
    verdict(name, back == 0 && last > first,
            "went back %lu times, at most %lu ns; advanced %lu ns",
            back, worst, last - first);
}

static void tsc(void)
{
    uint64_t last = 0, back = 0;

    for (unsigned i = 0; i < READS; i++) {
        uint64_t t = __rdtsc();

        back += t < last;
        last = t;
    }
    verdict("tsc", back == 0, "went back %lu times", back);
}

static void sleeps(void)
{
    static const long ns[] = { 1, 1000, 100000, 1000000, 20000000, 150000000 };

    for (size_t i = 0; i < ARRAY_SIZE(ns); i++) {
        struct timespec ts = { 0, ns[i] };
        uint64_t t0 = now_ns(), dt;
        char name[32];

        nanosleep(&ts, NULL);
        dt = now_ns() - t0;
        snprintf(name, sizeof(name), "nanosleep-%ld", ns[i]);
        verdict(name, dt >= (uint64_t)ns[i], "woke %lu ns after", dt);
    }
}

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
    (void)sig;
    ticks++;
}

/* A busy program still gets its ticks, an idle one as well */
static void interval(const char *name, bool busy)
{
    struct sigaction sa = { .sa_handler = on_tick };
    struct itimerval it = { { 0, 10000 }, { 0, 10000 } };
    struct itimerval off = { { 0, 0 }, { 0, 0 } };
    uint64_t t0 = now_ns(), dt;

    sigaction(SIGALRM, &sa, NULL);
    ticks = 0;
    setitimer(ITIMER_REAL, &it, NULL);
    while (ticks < 50) {
        if (!busy) {
            pause();
        }
    }
    setitimer(ITIMER_REAL, &off, NULL);
    dt = now_ns() - t0;
    verdict(name, dt >= 500000000ull - 10000000ull,
            "50 ticks of 10 ms after %lu ns", dt);
}

static void timer_fd(void)
{
    struct itimerspec its = { { 0, 5000000 }, { 0, 5000000 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    uint64_t total = 0, n, t0 = now_ns();

    if (fd < 0 || timerfd_settime(fd, 0, &its, NULL) < 0) {
        broken("timerfd");
    }
    while (total < 40 && read(fd, &n, 8) == 8) {
        total += n;
    }
    close(fd);
    verdict("timerfd", now_ns() - t0 >= 40 * 5000000ull,
            "40 expiries of 5 ms after %lu ns", now_ns() - t0);
}

static void poll_timeout(void)
{
    uint64_t t0 = now_ns();
    int n = poll(NULL, 0, 30);

    verdict("poll-timeout", n == 0 && now_ns() - t0 >= 30000000ull,
            "%d after %lu ns", n, now_ns() - t0);
}

/* The two clocks may be slewed apart, not run apart */
static void rates(void)
{
    uint64_t m0 = read_clock(CLOCK_MONOTONIC), r0 = read_clock(CLOCK_REALTIME);
    uint64_t raw0 = read_clock(CLOCK_MONOTONIC_RAW), m, r, raw;

    usleep(500000);
    m = read_clock(CLOCK_MONOTONIC) - m0;
    r = read_clock(CLOCK_REALTIME) - r0;
    raw = read_clock(CLOCK_MONOTONIC_RAW) - raw0;
    /* the reads are not one instant: a busy host may come in between */
    verdict("clock-rates", r > m / 2 && r < m * 2 && raw > m / 2 && raw < m * 2,
            "monotonic %lu realtime %lu raw %lu", m, r, raw);
}

void test_clock(void)
{
    time_t now = time(NULL);
    char source[32];

    read_line("/sys/devices/system/clocksource/clocksource0/"
              "current_clocksource", source, sizeof(source));
    printf("INFO clocksource %s\n", source);
    if (is_xen_pv()) {
        verdict("clocksource", !strcmp(source, "xen"), "%s", source);
    }
    /* later than this file was written */
    verdict("wall-clock", now > 1700000000, "%ld", (long)now);
    monotonic("monotonic", CLOCK_MONOTONIC, READS);
    monotonic("realtime", CLOCK_REALTIME, READS / 4);
    monotonic("monotonic-raw", CLOCK_MONOTONIC_RAW, READS / 4);
    monotonic("boottime", CLOCK_BOOTTIME, READS / 4);
    tsc();
    sleeps();
    interval("ticks-busy", true);
    interval("ticks-idle", false);
    timer_fd();
    poll_timeout();
    rates();
}

static const struct {
    const char *name;
    clockid_t id;
} clocks[] = {
    { "monotonic", CLOCK_MONOTONIC },
    { "raw", CLOCK_MONOTONIC_RAW },
    { "boottime", CLOCK_BOOTTIME },
    { "realtime", CLOCK_REALTIME },
};

/*
 * clocks FILE: read all clocks until FILE is there; none ever goes back.
 * Whoever stops the machine meanwhile sees in the answer how far they went.
 */
int cmd_clocks(int argc, char **argv)
{
    uint64_t first[ARRAY_SIZE(clocks)], last[ARRAY_SIZE(clocks)];

    if (argc < 2) {
        fprintf(stderr, "usage: xpv clocks FILE\n");
        return 2;
    }
    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
        first[i] = last[i] = read_clock(clocks[i].id);
    }
    for (unsigned round = 0; access(argv[1], F_OK); round++) {
        for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
            uint64_t t = round % 8 ? read_clock(clocks[i].id)
                                   : read_clock_kernel(clocks[i].id);

            if (t < last[i]) {
                printf("CLOCK %s went back %lu ns\n", clocks[i].name,
                       last[i] - t);
                return 1;
            }
            last[i] = t;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
        printf("CLOCK %s %lu ms\n", clocks[i].name,
               (last[i] - first[i]) / 1000000);
    }
    return 0;
}
