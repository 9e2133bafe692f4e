/*
 * Signals: delivery and return leave every register as it was.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

static volatile sig_atomic_t nr_signals;

static void count(int sig)
{
    /* something for the FPU, so that its state must be saved as well */
    double x = nr_signals;

    (void)sig;
    __asm__ volatile("mulsd %0, %0" : "+x"(x));
    nr_signals++;
}

/*
 * All general registers and two vector registers hold known values while a
 * timer interrupts as often as it can.  The loop is one piece of assembly:
 * nothing else touches them.  The result is zero, or which one was changed.
 */
static uint64_t hold_registers(uint64_t rounds)
{
    uint64_t bad;

    __asm__ volatile(
        "pushq %%rbp\n\t"
        "pushq %1\n\t"
        "movq $0x1111111111111111, %%rax\n\t movq %%rax, %%xmm0\n\t"
        "movq $0x2222222222222222, %%rbx\n\t movq %%rbx, %%xmm15\n\t"
        "movq $0x3333333333333333, %%rcx\n\t"
        "movq $0x4444444444444444, %%rdx\n\t"
        "movq $0x5555555555555555, %%rsi\n\t"
        "movq $0x6666666666666666, %%rdi\n\t"
        "movq $0x7777777777777777, %%rbp\n\t"
        "movq $0x0888888888888888, %%r8\n\t"
        "movq $0x0999999999999999, %%r9\n\t"
        "movq $0x0aaaaaaaaaaaaaaa, %%r10\n\t"
        "movq $0x0bbbbbbbbbbbbbbb, %%r11\n\t"
        "movq $0x0ccccccccccccccc, %%r12\n\t"
        "movq $0x0ddddddddddddddd, %%r13\n\t"
        "movq $0x0eeeeeeeeeeeeeee, %%r14\n"
        "1:\n\t"
        /* sums of pairs that are known: rcx + r12 and so on */
        "leaq (%%rbx,%%rbx), %%r15\n\t"
        "cmpq %%r15, %%rdx\n\t jne 2f\n\t"
        "leaq (%%rax,%%rdx), %%r15\n\t cmpq %%r15, %%rsi\n\t jne 3f\n\t"
        "leaq (%%rax,%%rsi), %%r15\n\t cmpq %%r15, %%rdi\n\t jne 4f\n\t"
        "leaq (%%rdx,%%rcx), %%r15\n\t cmpq %%r15, %%rbp\n\t jne 5f\n\t"
        "leaq (%%r8,%%r14), %%r15\n\t"
        "subq %%r13, %%r15\n\t cmpq %%r9, %%r15\n\t jne 6f\n\t"
        "leaq (%%r10,%%r12), %%r15\n\t"
        "subq %%r11, %%r15\n\t cmpq %%r11, %%r15\n\t jne 7f\n\t"
        "movq %%xmm0, %%r15\n\t cmpq %%rax, %%r15\n\t jne 8f\n\t"
        "movq %%xmm15, %%r15\n\t cmpq %%rbx, %%r15\n\t jne 8f\n\t"
        "subq $1, (%%rsp)\n\t jnz 1b\n\t"
        "xorl %%r15d, %%r15d\n\t jmp 9f\n"
        "2: movl $2, %%r15d\n\t jmp 9f\n"
        "3: movl $3, %%r15d\n\t jmp 9f\n"
        "4: movl $4, %%r15d\n\t jmp 9f\n"
        "5: movl $5, %%r15d\n\t jmp 9f\n"
        "6: movl $6, %%r15d\n\t jmp 9f\n"
        "7: movl $7, %%r15d\n\t jmp 9f\n"
        "8: movl $8, %%r15d\n"
        "9:\n\t"
        "popq %%rax\n\t"
        "popq %%rbp\n\t"
        "movq %%r15, %0\n\t"
        : "=r"(bad) : "r"(rounds)
        : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11",
          "r12", "r13", "r14", "r15", "xmm0", "xmm15", "memory", "cc");
    return bad;
}

static void registers(void)
{
    struct sigaction sa = { .sa_handler = count };
    struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
    struct itimerval off = { { 0, 0 }, { 0, 0 } };
    uint64_t end = now_ns() + 2000000000ull, bad = 0;

    sigaction(SIGALRM, &sa, NULL);
    nr_signals = 0;
    setitimer(ITIMER_REAL, &it, NULL);
    while (!bad && now_ns() < end) {
        bad = hold_registers(100000);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    verdict("registers", bad == 0 && nr_signals > 10,
            "check %lu failed; %d signals", bad, nr_signals);
}

static void many(void)
{
    struct sigaction sa = { .sa_handler = count };

    sigaction(SIGUSR1, &sa, NULL);
    nr_signals = 0;
    for (int i = 0; i < 20000; i++) {
        raise(SIGUSR1);
    }
    verdict("many", nr_signals == 20000, "%d of 20000", nr_signals);
}

static char *alt_low, *alt_high;
static volatile sig_atomic_t on_alt;
static sigjmp_buf overflow_jmp;

static void on_overflow(int sig)
{
    char here;

    (void)sig;
    on_alt = &here >= alt_low && &here < alt_high;
    siglongjmp(overflow_jmp, 1);
}

static int overflow(int depth)
{
    char buf[512];

    poke8(buf, depth);
    return depth > 0 ? overflow(depth + 1) + peek8(buf) : buf[0];
}

/* The stack grows to its limit; the fault beyond it is handled elsewhere */
static void stack_overflow(void)
{
    struct sigaction sa = { .sa_handler = on_overflow,
                            .sa_flags = SA_ONSTACK };
    stack_t ss = { .ss_size = 65536 };

    alt_low = ss.ss_sp = malloc(ss.ss_size);
    alt_high = alt_low + ss.ss_size;
    sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, NULL);
    on_alt = false;
    if (sigsetjmp(overflow_jmp, 1) == 0) {
        overflow(1);
    }
    verdict("alternate-stack", on_alt, "the handler ran on the wrong stack");
    signal(SIGSEGV, SIG_DFL);
}

static volatile sig_atomic_t depth, deepest;

static void nest(int sig)
{
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (depth < 50) {
        raise(sig);
    }
    depth--;
}

static void nested(void)
{
    struct sigaction sa = { .sa_handler = nest, .sa_flags = SA_NODEFER };

    sigaction(SIGUSR2, &sa, NULL);
    raise(SIGUSR2);
    verdict("nested", deepest == 50 && depth == 0, "depth %d", deepest);
}

static int pong(void *arg)
{
    sigset_t set;
    int sig;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    for (int i = 0; i < 500; i++) {
        if (sigwait(&set, &sig) || kill(*(pid_t *)arg, SIGUSR2)) {
            return 1;
        }
    }
    return 0;
}

/* Two processes that wake one another by signals */
static void ping_pong(void)
{
    sigset_t set, old;
    pid_t self = getpid(), child;
    int sig, status, i;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &old);
    child = spawn(pong, &self);
    sigdelset(&set, SIGUSR1);
    for (i = 0; i < 500; i++) {
        if (kill(child, SIGUSR1) || sigwait(&set, &sig)) {
            break;
        }
    }
    waitpid(child, &status, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    verdict("ping-pong", i == 500 && status == 0, "stopped after %d", i);
}

static int spin(void *arg)
{
    uint64_t go_on;

    do {
        go_on = peek(arg);
    } while (go_on);
    return 0;
}

/* A process that makes no system call is still ours to end */
static void kill_spinner(void)
{
    uint64_t forever = 1;
    pid_t child = spawn(spin, &forever);
    int status;

    usleep(50000);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    verdict("kill-spinner", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
            "status 0x%x", status);
}

static void interrupted_call(void)
{
    struct sigaction sa = { .sa_handler = count };
    int fds[2];
    ssize_t n;
    char c;

    if (pipe(fds) < 0) {
        broken("pipe");
    }
    sigaction(SIGALRM, &sa, NULL);
    alarm(1);
    n = read(fds[0], &c, 1);
    verdict("eintr", n == -1 && errno == EINTR, "read gave %zd", n);
    close(fds[0]);
    close(fds[1]);
}

void test_signals(void)
{
    many();
    registers();
    nested();
    stack_overflow();
    ping_pong();
    kill_spinner();
    interrupted_call();
}
