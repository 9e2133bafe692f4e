/*
 * Several processors: what one changes the others see in time, and they wake
 * each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * All of it holds with one processor as well, but says little then.
 */
#include "guest.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_CPUS 64

static unsigned cpus;

static bool pin(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static void unpin(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    for (unsigned i = 0; i < cpus; i++) {
        CPU_SET(i, &set);
    }
    sched_setaffinity(0, sizeof(set), &set);
}

static pthread_t thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;

    if (pthread_create(&t, NULL, fn, arg)) {
        broken("pthread_create");
    }
    return t;
}

/* Once round a loop that waits for another: it may need this processor */
static void relax(unsigned *turns)
{
    if (++*turns % 256 == 0 || cpus == 1) {
        sched_yield();
    }
}

/* ---- where code runs ---- */

static void numbers(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    unsigned listed = 0, wrong = 0;

    while (f && fgets(line, sizeof(line), f)) {
        listed += !strncmp(line, "processor", 9);
    }
    if (f) {
        fclose(f);
    }
    verdict("cpuinfo", listed == cpus, "%u listed, %u online", listed, cpus);
    for (int round = 0; round < 20; round++) {
        for (unsigned i = 0; i < cpus; i++) {
            unsigned here = ~0u, told = ~0u;

            wrong += !pin(i);
            syscall(SYS_getcpu, &here, NULL, NULL);
            told = sched_getcpu();          /* vDSO, or the segment limit */
            wrong += here != i || told != i;
        }
    }
    unpin();
    verdict("affinity", wrong == 0, "%u of %u times elsewhere", wrong,
            20 * cpus);
}

/* ---- page tables ---- */

static struct {
    uint64_t *page;
    _Atomic unsigned phase;     /* odd: @page may not be written */
    _Atomic bool stop;
    _Atomic unsigned long good, refused, late;
} touch;

static __thread sigjmp_buf out_of_fault;

static void jump_out(int sig)
{
    (void)sig;
    siglongjmp(out_of_fault, 1);
}

static void *toucher(void *arg)
{
    uint64_t *word = touch.page + (uintptr_t)arg * 8;
    unsigned cpu = (uintptr_t)arg % cpus;

    pin(cpu);
    while (!touch.stop) {
        unsigned before = touch.phase;

        if (sigsetjmp(out_of_fault, 1)) {
            touch.refused++;
            continue;
        }
        poke(word, before);
        touch.good++;
        /* It worked, and all the time it must not */
        if ((before & 1) && touch.phase == before) {
            touch.late++;
        }
    }
    return NULL;
}

static void let_all_touch(void)
{
    unsigned long was = touch.good + touch.refused;

    while (touch.good + touch.refused < was + 2 * cpus) {
        sched_yield();
    }
}

/* What mprotect or munmap takes away is gone on every processor */
static void shootdown(const char *name, bool unmap)
{
    struct sigaction sa = { .sa_handler = jump_out, .sa_flags = SA_NODEFER };
    struct sigaction old;
    pthread_t t[MAX_CPUS];

    sigaction(SIGSEGV, &sa, &old);
    touch.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch.phase = touch.good = touch.refused = touch.late = 0;
    touch.stop = false;
    for (uintptr_t i = 0; i < cpus; i++) {
        t[i] = thread(toucher, (void *)(i + 1));
    }
    for (int i = 0; i < 100; i++) {
        let_all_touch();
        if (unmap) {
            munmap(touch.page, PAGE);
        } else {
            mprotect(touch.page, PAGE, PROT_READ);
        }
        touch.phase++;
        let_all_touch();
        touch.phase++;
        if (unmap) {
            mmap(touch.page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
                 MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        } else {
            mprotect(touch.page, PAGE, PROT_READ | PROT_WRITE);
        }
    }
    touch.stop = true;
    for (unsigned i = 0; i < cpus; i++) {
        pthread_join(t[i], NULL);
    }
    munmap(touch.page, PAGE);
    sigaction(SIGSEGV, &old, NULL);
    verdict(name, touch.late == 0 && touch.refused > 0,
            "%lu of %lu stores went to a page that was gone, %lu refused",
            touch.late, touch.good, touch.refused);
}

/* A page that is replaced, or copied on write, is read anew by all */
static void *reader(void *arg)
{
    pin((uintptr_t)arg % cpus);
    while (!touch.stop) {
        unsigned before = touch.phase;
        uint64_t value = peek(touch.page);

        touch.good++;
        if (before && touch.phase == before && value != before) {
            touch.late++;
        }
    }
    return NULL;
}

static void replace(void)
{
    uint64_t *spare;
    pthread_t t[MAX_CPUS];

    touch.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch.phase = touch.good = touch.refused = touch.late = 0;
    touch.stop = false;
    for (uintptr_t i = 0; i < cpus; i++) {
        t[i] = thread(reader, (void *)(i + 1));
    }
    for (unsigned i = 1; i < 200; i++) {
        let_all_touch();
        touch.phase = 0;
        spare = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        poke(spare, i);
        mremap(spare, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, touch.page);
        touch.phase = i;
    }
    touch.stop = true;
    for (unsigned i = 0; i < cpus; i++) {
        pthread_join(t[i], NULL);
    }
    munmap(touch.page, PAGE);
    verdict("replaced-page", touch.late == 0, "%lu of %lu reads were old",
            touch.late, touch.good);
}

/* Threads that write while the process forks: every child has one moment */
static void fork_of_threads(void)
{
    pthread_t t[MAX_CPUS];
    unsigned wrong = 0;
    int status;

    touch.page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    touch.phase = touch.good = touch.refused = touch.late = 0;
    touch.stop = false;
    for (uintptr_t i = 0; i < cpus; i++) {
        t[i] = thread(toucher, (void *)(i + 1));
    }
    for (unsigned i = 0; i < 60; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            uint64_t first = peek(touch.page + 8);

            for (int n = 0; n < 200; n++) {
                if (peek(touch.page + 8) != first) {
                    _exit(1);
                }
            }
            _exit(0);
        }
        touch.phase += 2;
        waitpid(pid, &status, 0);
        wrong += !WIFEXITED(status) || WEXITSTATUS(status);
    }
    touch.stop = true;
    for (unsigned i = 0; i < cpus; i++) {
        pthread_join(t[i], NULL);
    }
    munmap(touch.page, PAGE);
    verdict("fork-of-threads", wrong == 0,
            "%u of 60 children saw the parent write", wrong);
}

/* ---- waking each other ---- */

static _Atomic int ball;

static void futex(int op, int value)
{
    syscall(SYS_futex, &ball, op, value, NULL, NULL, 0);
}

static void play(int me, int rounds)
{
    int seen;

    for (int i = 0; i < rounds; i++) {
        /* Read once: to sleep on a value that was never judged is to miss it */
        while ((seen = ball) != 2 * i + me) {
            futex(FUTEX_WAIT, seen);
        }
        ball++;
        futex(FUTEX_WAKE, 1);
    }
}

static void *player(void *arg)
{
    pin(cpus - 1);
    play(1, (uintptr_t)arg);
    return NULL;
}

static void futexes(void)
{
    int rounds = 3000;
    pthread_t t;

    ball = 0;
    pin(0);
    t = thread(player, (void *)(uintptr_t)rounds);
    play(0, rounds);
    pthread_join(t, NULL);
    unpin();
    verdict("futex", ball == 2 * rounds, "ended at %d of %d", ball,
            2 * rounds);
}

static _Atomic unsigned signals_seen;

static void count_signal(int sig)
{
    (void)sig;
    signals_seen++;
}

static void *target(void *arg)
{
    pin(cpus - 1);
    (void)arg;
    while (!touch.stop) {
        /* runs all the time: only an interrupt gets in */
    }
    return NULL;
}

static void thread_signals(void)
{
    struct sigaction sa = { .sa_handler = count_signal };
    pthread_t t;
    unsigned sent = 0, turns = 0;

    sigaction(SIGUSR1, &sa, NULL);
    signals_seen = 0;
    touch.stop = false;
    pin(0);
    t = thread(target, NULL);
    while (sent < 500) {
        pthread_kill(t, SIGUSR1);
        sent++;
        while (signals_seen < sent) {
            relax(&turns);
        }
    }
    touch.stop = true;
    pthread_join(t, NULL);
    unpin();
    verdict("signal-thread", signals_seen == sent, "%u of %u arrived",
            signals_seen, sent);
}

#define MEMBARRIER_PRIVATE_EXPEDITED            (1 << 3)
#define MEMBARRIER_REGISTER_PRIVATE_EXPEDITED   (1 << 4)

static struct {
    /* a line of the cache each */
    _Atomic unsigned round __attribute__((aligned(64)));
    _Atomic unsigned x __attribute__((aligned(64)));
    _Atomic unsigned y __attribute__((aligned(64)));
    _Atomic unsigned seen __attribute__((aligned(64)));
    _Atomic unsigned done __attribute__((aligned(64)));
} sb;

/* Its store and its load have nothing between them but the other's barrier */
static void *light_side(void *arg)
{
    unsigned rounds = (uintptr_t)arg, turns = 0;

    pin(cpus - 1);
    for (unsigned i = 1; i <= rounds; i++) {
        while (atomic_load(&sb.round) != i) {
            relax(&turns);
        }
        atomic_store_explicit(&sb.x, i, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
        atomic_store_explicit(&sb.seen, atomic_load_explicit(
            &sb.y, memory_order_relaxed), memory_order_relaxed);
        atomic_store(&sb.done, i);
    }
    return NULL;
}

static void membarriers(void)
{
    unsigned rounds = 500, both = 0, turns = 0;
    pthread_t t;

    if (syscall(SYS_membarrier, MEMBARRIER_REGISTER_PRIVATE_EXPEDITED, 0)) {
        skip("membarrier", "%s", strerror(errno));
        return;
    }
    pin(0);
    t = thread(light_side, (void *)(uintptr_t)rounds);
    for (unsigned i = 1; i <= rounds; i++) {
        unsigned x;

        atomic_store(&sb.round, i);
        atomic_store_explicit(&sb.y, i, memory_order_relaxed);
        syscall(SYS_membarrier, MEMBARRIER_PRIVATE_EXPEDITED, 0);
        x = atomic_load_explicit(&sb.x, memory_order_relaxed);
        while (atomic_load(&sb.done) != i) {
            relax(&turns);
        }
        both += x != i && sb.seen != i;
    }
    pthread_join(t, NULL);
    unpin();
    verdict("membarrier", both == 0, "%u of %u times neither saw the other",
            both, rounds);
}

/* ---- time ---- */

static struct {
    pthread_spinlock_t lock;
    uint64_t latest;
    uint64_t back, worst;
} order;

static void *compare_clocks(void *arg)
{
    pin((uintptr_t)arg);
    while (!touch.stop) {
        uint64_t t;

        pthread_spin_lock(&order.lock);
        t = now_ns();
        if (t < order.latest) {
            order.back++;
            if (order.latest - t > order.worst) {
                order.worst = order.latest - t;
            }
        }
        order.latest = t;
        pthread_spin_unlock(&order.lock);
    }
    return NULL;
}

static void clocks(void)
{
    struct timespec while_ = { .tv_sec = 2 };
    pthread_t t[MAX_CPUS];

    pthread_spin_init(&order.lock, 0);
    order.latest = 0;
    touch.stop = false;
    for (uintptr_t i = 0; i < cpus; i++) {
        t[i] = thread(compare_clocks, (void *)i);
    }
    nanosleep(&while_, NULL);
    touch.stop = true;
    for (unsigned i = 0; i < cpus; i++) {
        pthread_join(t[i], NULL);
    }
    verdict("clock", order.back == 0,
            "%lu times before another processor's, at most %lu ns",
            order.back, order.worst);
}

/* ---- all at once ---- */

/* What a build is to a kernel: processes that map, write, fork and exec */
static int build(void *arg)
{
    uint64_t seed = (uintptr_t)arg * 77 + 1;

    for (int i = 0; i < 25; i++) {
        size_t size = (16 + rnd(&seed) % 200) * PAGE;
        uint64_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pid_t pid;
        int status;

        if (p == MAP_FAILED) {
            return 1;
        }
        for (size_t at = 0; at < size / 8; at += PAGE / 8) {
            poke(p + at, seed + at);
        }
        pid = fork();
        if (pid == 0) {
            for (size_t at = 0; at < size / 8; at += PAGE / 8) {
                if (peek(p + at) != seed + at) {
                    _exit(2);
                }
                if (at % 3 == 0) {
                    poke(p + at, 0);
                }
            }
            if (i % 4 == 0) {
                execl("/proc/self/exe", "xpv", "list", NULL);
                _exit(3);
            }
            _exit(0);
        }
        for (size_t at = 0; at < size / 8; at += PAGE / 8) {
            if (peek(p + at) != seed + at) {
                return 4;
            }
        }
        if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status)) {
            return 5;
        }
        munmap(p, size);
    }
    return 0;
}

static int build_quietly(void *arg)
{
    freopen("/dev/null", "w", stdout);
    return build(arg);
}

static void parallel_build(void)
{
    unsigned jobs = cpus * 2 < 16 ? cpus * 2 : 16, wrong = 0;
    pid_t pid[16];
    int status, last = 0;

    for (uintptr_t i = 0; i < jobs; i++) {
        pid[i] = spawn(build_quietly, (void *)i);
    }
    for (unsigned i = 0; i < jobs; i++) {
        waitpid(pid[i], &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) {
            wrong++;
            last = status;
        }
    }
    verdict("build", wrong == 0, "%u of %u failed, one with status 0x%x",
            wrong, jobs, last);
}

void test_smp(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    cpus = n < 1 ? 1 : n > MAX_CPUS ? MAX_CPUS : n;
    numbers();
    shootdown("mprotect", false);
    shootdown("munmap", true);
    replace();
    fork_of_threads();
    futexes();
    thread_signals();
    membarriers();
    clocks();
    parallel_build();
}
