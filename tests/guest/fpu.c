/*
 * Vector and x87 state is each process's own, over context switches, signals,
 * forks and faults.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lazy FPU switching is where an emulated CR0.TS goes wrong: a process then
 * sees another one's registers, now and then, under load.
 */
#include "guest.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#define NR_PROCS 12
#define ROUNDS 400

static bool have_avx(void)
{
    uint32_t r[4], lo, hi;

    cpuid(1, 0, r);
    if ((r[2] & (3u << 27)) != 3u << 27) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (lo & 6) == 6;
}

#define ALL16(op) \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) \
    op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

static void load_sse(const uint8_t *buf)
{
#define LD(n) __asm__ volatile("movdqu %0, %%xmm" #n \
                               :: "m"(*(const uint8_t (*)[16])(buf + n * 16)));
    ALL16(LD)
#undef LD
}

static void save_sse(uint8_t *buf)
{
#define ST(n) __asm__ volatile("movdqu %%xmm" #n ", %0" \
                               : "=m"(*(uint8_t (*)[16])(buf + n * 16)));
    ALL16(ST)
#undef ST
}

__attribute__((target("avx")))
static void load_avx(const uint8_t *buf)
{
#define LD(n) __asm__ volatile("vmovdqu %0, %%ymm" #n \
                               :: "m"(*(const uint8_t (*)[32])(buf + n * 32)));
    ALL16(LD)
#undef LD
}

__attribute__((target("avx")))
static void save_avx(uint8_t *buf)
{
#define ST(n) __asm__ volatile("vmovdqu %%ymm" #n ", %0" \
                               : "=m"(*(uint8_t (*)[32])(buf + n * 32)));
    ALL16(ST)
#undef ST
}

/* sched_yield without the C library, which is free to use vector registers */
static void yield(void)
{
    long ret;

    __asm__ volatile("syscall" : "=a"(ret) : "0"(24L)
                     : "rcx", "r11", "memory");
}

static void spin(unsigned n)
{
    __asm__ volatile("1: subl $1, %0\n\t jnz 1b" : "+r"(n) :: "cc");
}

struct job {
    unsigned id;
    bool avx;
};

static int hold(void *arg)
{
    struct job *job = arg;
    size_t size = job->avx ? 512 : 256;
    uint8_t want[512], got[512];
    uint64_t seed = 0x1234567 + job->id * 977;
    double d = job->id + 0.5;

    for (size_t i = 0; i < size; i++) {
        want[i] = rnd(&seed) >> 32;
    }
    for (int i = 0; i < ROUNDS; i++) {
        double back;

        __asm__ volatile("fninit\n\t fldl %0" :: "m"(d));
        if (job->avx) {
            load_avx(want);
        } else {
            load_sse(want);
        }
        if (i & 1) {
            yield();
        } else {
            spin(20000 + job->id * 1000);
        }
        if (job->avx) {
            save_avx(got);
        } else {
            save_sse(got);
        }
        __asm__ volatile("fstpl %0" : "=m"(back));
        if (memcmp(want, got, size) || back != d) {
            return 1;
        }
    }
    return 0;
}

static void switches(const char *name, bool avx)
{
    struct job jobs[NR_PROCS];
    pid_t pids[NR_PROCS];
    unsigned bad = 0;

    for (unsigned i = 0; i < NR_PROCS; i++) {
        jobs[i].id = i;
        jobs[i].avx = avx;
        pids[i] = spawn(hold, &jobs[i]);
    }
    for (unsigned i = 0; i < NR_PROCS; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        bad += status != 0;
    }
    verdict(name, bad == 0, "%u of %u processes saw foreign state",
            bad, NR_PROCS);
}

static void clobber(int sig)
{
    uint8_t junk[256];

    (void)sig;
    memset(junk, 0xee, sizeof(junk));
    load_sse(junk);
    __asm__ volatile("fninit");
}

/* A handler may use every register; the interrupted code must not see it */
static void handler_state(void)
{
    struct sigaction sa = { .sa_handler = clobber };
    struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
    struct itimerval off = { { 0, 0 }, { 0, 0 } };
    struct job job = { .id = 77, .avx = have_avx() };
    int bad = 0;

    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &it, NULL);
    for (int i = 0; i < 3 && !bad; i++) {
        bad = hold(&job);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    verdict("signal-handler", !bad, "registers changed");
}

static int child_state(void *arg)
{
    uint8_t got[256];

    save_sse(got);
    return memcmp(arg, got, 64) != 0;
}

static void forked_state(void)
{
    uint8_t want[256];
    pid_t pid;
    int status;

    memset(want, 0x3c, sizeof(want));
    fflush(stdout);
    load_sse(want);
    /* not fork(): the C library may use these registers on the way */
    __asm__ volatile("syscall" : "=a"(pid) : "0"(57)
                     : "rcx", "r11", "memory");
    if (pid == 0) {
        _exit(child_state(want));
    }
    waitpid(pid, &status, 0);
    verdict("fork", status == 0, "status 0x%x", status);
}

/* A page fault on the way to or from memory must not lose a register */
static void faulting_store(void)
{
    uint8_t want[256], *page, got[256];
    unsigned bad = 0;

    memset(want, 0xa5, sizeof(want));
    for (int i = 0; i < 200; i++) {
        page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            broken("mmap");
        }
        load_sse(want);
        __asm__ volatile("movdqu %%xmm7, %0"
                         : "=m"(*(uint8_t (*)[16])(page + 100)));
        save_sse(got);
        bad += memcmp(want, got, sizeof(want)) || memcmp(page + 100, want, 16);
        munmap(page, PAGE);
    }
    verdict("page-fault", bad == 0, "%u of 200", bad);
}

void test_fpu(void)
{
    uint32_t mxcsr;

    switches("sse-switch", false);
    if (have_avx()) {
        switches("avx-switch", true);
    } else {
        skip("avx-switch", "this CPU offers no AVX");
    }
    handler_state();
    forked_state();
    faulting_store();
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    verdict("mxcsr", (mxcsr & 0xffc0) == 0x1f80, "0x%x", mxcsr);
}
