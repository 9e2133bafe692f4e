/*
 * Debugging one process from another: single step, break points in software
 * and in the debug registers, registers read and written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

static uint64_t watched;
static uint64_t counter;

static __attribute__((noinline)) void landmark(void)
{
    poke(&counter, counter + 1);
}

static int traced(void *arg)
{
    (void)arg;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    for (int i = 0; i < 10; i++) {
        landmark();
        poke(&watched, i);
        getppid();
    }
    return counter == 10 ? 0 : 1;
}

static bool wait_stop(pid_t pid, int sig)
{
    int status;

    return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
           (WSTOPSIG(status) & 0x7f) == sig;
}

static bool finish(pid_t pid)
{
    int status;

    ptrace(PTRACE_CONT, pid, NULL, NULL);
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static pid_t start(void)
{
    pid_t pid = spawn(traced, NULL);

    if (!wait_stop(pid, SIGSTOP)) {
        broken("traced child did not stop");
    }
    return pid;
}

static void single_step(void)
{
    pid_t pid = start();
    struct user_regs_struct r = { 0 }, prev;
    unsigned steps = 0, stuck = 0, seen = 0;

    ptrace(PTRACE_GETREGS, pid, NULL, &prev);
    for (; steps < 3000; steps++) {
        int status;

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 ||
            waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) ||
            WSTOPSIG(status) != SIGTRAP) {
            break;
        }
        ptrace(PTRACE_GETREGS, pid, NULL, &r);
        stuck += r.rip == prev.rip;
        seen += r.rip == (uintptr_t)landmark;
        prev = r;
    }
    /* the program is far shorter than 3000 instructions and must end itself */
    verdict("single-step", steps > 200 && steps < 3000 && stuck < 20 &&
            seen == 10, "%u steps, %u without progress, landmark seen %u times",
            steps, stuck, seen);
    end(pid);
}

static void software_breakpoint(void)
{
    pid_t pid = start();
    long word = ptrace(PTRACE_PEEKTEXT, pid, landmark, NULL);
    unsigned hits = 0;

    for (int i = 0; i < 10; i++) {
        struct user_regs_struct r;

        ptrace(PTRACE_POKETEXT, pid, landmark, (word & ~0xffl) | 0xcc);
        ptrace(PTRACE_CONT, pid, NULL, NULL);
        if (!wait_stop(pid, SIGTRAP)) {
            break;
        }
        ptrace(PTRACE_GETREGS, pid, NULL, &r);
        hits += r.rip == (uintptr_t)landmark + 1;
        r.rip--;
        ptrace(PTRACE_SETREGS, pid, NULL, &r);
        ptrace(PTRACE_POKETEXT, pid, landmark, word);
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        if (!wait_stop(pid, SIGTRAP)) {
            break;
        }
    }
    verdict("software-breakpoint", hits == 10 && finish(pid), "%u of 10 hits",
            hits);
    end(pid);
}

static bool set_dr(pid_t pid, int n, uint64_t value)
{
    return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[n]),
                  value) == 0;
}

/* @kind: 0 execute, 1 write; @len: 0 one byte, 2 eight bytes */
static void hardware_breakpoint(const char *name, const void *addr,
                                unsigned kind, unsigned len)
{
    pid_t pid = start();
    unsigned hits = 0;
    uint64_t dr6 = 0;

    if (!set_dr(pid, 0, (uintptr_t)addr) ||
        !set_dr(pid, 7, 1 | kind << 16 | len << 18)) {
        verdict(name, false, "debug registers refused: %s", strerror(errno));
        end(pid);
        return;
    }
    for (int i = 0; i < 10; i++) {
        siginfo_t si;

        ptrace(PTRACE_CONT, pid, NULL, NULL);
        if (!wait_stop(pid, SIGTRAP)) {
            break;
        }
        ptrace(PTRACE_GETSIGINFO, pid, NULL, &si);
        dr6 = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]),
                     NULL);
        hits += si.si_code == TRAP_HWBKPT && (dr6 & 0xf) == 1;
    }
    set_dr(pid, 7, 0);
    verdict(name, hits == 10 && finish(pid), "%u of 10 hits, last dr6 0x%lx",
            hits, dr6);
    end(pid);
}

/* A kernel address must be refused, or the kernel would stop in itself */
static void kernel_breakpoint(void)
{
    pid_t pid = start();
    bool refused = !set_dr(pid, 0, 0xffffffff81000000ull) ||
                   !set_dr(pid, 7, 1);

    verdict("breakpoint-in-kernel", refused, "accepted");
    end(pid);
}

static void trace_syscalls(void)
{
    pid_t pid = start();
    unsigned calls = 0, faked = 0;

    for (int i = 0; i < 100; i++) {
        struct user_regs_struct r;
        int status;

        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
            break;
        }
        ptrace(PTRACE_GETREGS, pid, NULL, &r);
        if (r.orig_rax == SYS_getppid) {
            calls++;
            if (calls % 2 == 0) {
                faked += (pid_t)r.rax == getpid();
            }
        }
    }
    verdict("syscall-stops", calls == 20 && faked == 10, "%u stops, %u right",
            calls, faked);
    end(pid);
}

void test_debug(void)
{
    single_step();
    software_breakpoint();
    hardware_breakpoint("hardware-breakpoint", (void *)(uintptr_t)landmark,
                        0, 0);
    hardware_breakpoint("hardware-watchpoint", &watched, 1, 2);
    kernel_breakpoint();
    trace_syscalls();
}
