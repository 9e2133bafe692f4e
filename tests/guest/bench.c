/*
 * What the operating system's basic operations cost in this machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Each loop first finds how many iterations fill a slice of time, then runs
 * several slices; the median is printed as "BENCH name nanoseconds".  Lines
 * CLOCK begin and CLOCK end carry the guest's clock, for the host to compare
 * with its own.
 */
#include "guest.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SLICES 7
#define SLICE_NS 150000000ull

static void null_syscall(unsigned n)
{
    while (n--) {
        long ret;

        __asm__ volatile("syscall" : "=a"(ret) : "0"((long)SYS_getppid)
                         : "rcx", "r11", "memory");
    }
}

static int ping[2], pong[2];

static int ponger(void *arg)
{
    char c;

    (void)arg;
    close(ping[1]);
    close(pong[0]);
    while (read(ping[0], &c, 1) == 1) {
        if (write(pong[1], &c, 1) != 1) {
            return 1;
        }
    }
    return 0;
}

static void ping_pong(unsigned n)
{
    char c = 'x';

    while (n--) {
        if (write(ping[1], &c, 1) != 1 || read(pong[0], &c, 1) != 1) {
            broken("ping-pong");
        }
    }
}

static void fork_exit(unsigned n)
{
    while (n--) {
        pid_t pid = fork();

        if (pid == 0) {
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
}

static void fork_exec(unsigned n)
{
    const char *const argv[] = { "xpv", "nothing", NULL };
    char *envp[] = { NULL };

    while (n--) {
        pid_t pid = fork();

        if (pid == 0) {
            execve("/proc/self/exe", (char *const *)argv, envp);
            _exit(1);
        }
        waitpid(pid, NULL, 0);
    }
}

#define TOUCHED 16

static void map_touch_unmap(unsigned n)
{
    while (n--) {
        char *p = mmap(NULL, TOUCHED * PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED) {
            broken("mmap");
        }
        for (int i = 0; i < TOUCHED; i++) {
            poke8(p + i * PAGE, 1);
        }
        munmap(p, TOUCHED * PAGE);
    }
}

static void handler(int sig)
{
    (void)sig;
}

static void signal_install(unsigned n)
{
    struct sigaction sa = { .sa_handler = handler };

    while (n--) {
        sigaction(SIGUSR1, &sa, NULL);
    }
}

static void signal_deliver(unsigned n)
{
    pid_t pid = getpid();

    while (n--) {
        kill(pid, SIGUSR1);
    }
}

static char *fault_page;

static void fault_handler(int sig)
{
    (void)sig;
    mprotect(fault_page, PAGE, PROT_READ | PROT_WRITE);
}

/* A page fault that is a page fault only: on a present page, as a signal */
static void protection_fault(unsigned n)
{
    while (n--) {
        mprotect(fault_page, PAGE, PROT_READ);
        poke8(fault_page, 1);
    }
}

/* Fault in pages of a file-less shared area: no zeroing after the first time */
static char *shared_area;
#define SHARED_PAGES 256

static void soft_fault(unsigned n)
{
    while (n) {
        unsigned pages = n < SHARED_PAGES ? n : SHARED_PAGES;

        madvise(shared_area, SHARED_PAGES * PAGE, MADV_DONTNEED);
        for (unsigned i = 0; i < pages; i++) {
            peek8(shared_area + i * PAGE);
        }
        n -= pages;
    }
}

static uint64_t user_sink;

/* Nothing but user code: what the machine itself makes of it */
static void user_loop(unsigned n)
{
    uint64_t x = 88172645463325252ull;

    while (n--) {
        for (int i = 0; i < 1000; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
    }
    poke(&user_sink, x);
}

static const struct {
    const char *name;
    void (*run)(unsigned n);
} benches[] = {
    { "null-syscall",    null_syscall },
    { "pipe-ping-pong",  ping_pong },
    { "fork-exit",       fork_exit },
    { "fork-exec",       fork_exec },
    { "mmap-touch-16",   map_touch_unmap },
    { "page-fault",      soft_fault },
    { "signal-install",  signal_install },
    { "signal-deliver",  signal_deliver },
    { "prot-fault",      protection_fault },
    { "user-loop",       user_loop },
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double measure(void (*run)(unsigned))
{
    double slice[SLICES];
    uint64_t t0, dt;
    unsigned n = 1;

    for (;;) {
        t0 = now_ns();
        run(n);
        dt = now_ns() - t0;
        if (dt > SLICE_NS / 8 || n > 1u << 28) {
            break;
        }
        n *= dt < SLICE_NS / 64 ? 4 : 2;
    }
    n = (double)n * SLICE_NS / (dt ? dt : 1);
    n = n ? n : 1;
    for (int i = 0; i < SLICES; i++) {
        t0 = now_ns();
        run(n);
        slice[i] = (double)(now_ns() - t0) / n;
    }
    qsort(slice, SLICES, sizeof(slice[0]), compare);
    return slice[SLICES / 2];
}

/* bench [NAME...] */
int cmd_bench(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = fault_handler };
    pid_t peer;

    if (pipe(ping) < 0 || pipe(pong) < 0) {
        broken("pipe");
    }
    peer = spawn(ponger, NULL);
    close(ping[0]);
    close(pong[1]);
    fault_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared_area = mmap(NULL, SHARED_PAGES * PAGE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (fault_page == MAP_FAILED || shared_area == MAP_FAILED) {
        broken("mmap");
    }
    sigaction(SIGSEGV, &sa, NULL);
    sa.sa_handler = handler;
    sigaction(SIGUSR1, &sa, NULL);

    printf("CLOCK begin %lu\n", now_ns());
    fflush(stdout);
    for (size_t i = 0; i < ARRAY_SIZE(benches); i++) {
        bool wanted = argc < 2;

        for (int a = 1; a < argc; a++) {
            wanted = wanted || !strcmp(argv[a], benches[i].name);
        }
        if (wanted) {
            printf("BENCH %s %.1f\n", benches[i].name,
                   measure(benches[i].run));
            fflush(stdout);
        }
    }
    printf("CLOCK end %lu\n", now_ns());
    fflush(stdout);
    close(ping[1]);
    waitpid(peer, NULL, 0);
    return 0;
}
