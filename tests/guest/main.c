/*
 * xpv: the guest side of the functional tests, one binary with many names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   xpv test GROUP...    run groups of tests ("all" for every one)
 *   xpv list             their names
 *   xpv COMMAND ARG...   one of the helpers in the table below
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

static const struct {
    const char *name;
    void (*run)(void);
} groups[] = {
    { "isolation", test_isolation },
    { "traps",     test_traps },
    { "sigreturn", test_sigreturn },
    { "signals",   test_signals },
    { "segments",  test_segments },
    { "debug",     test_debug },
    { "fpu",       test_fpu },
    { "clock",     test_clock },
    { "memory",    test_memory },
    { "procs",     test_procs },
    { "smp",       test_smp },
    { "xenstore",  test_xenstore },
    /* last: judges what the others left in the kernel's log */
    { "klog",      test_klog },
};

static int cmd_session(int argc, char **argv);

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    { "proof",    cmd_proof },
    { "xs",       cmd_xs },
    { "bench",    cmd_bench },
    { "source",   cmd_source },
    { "sink",     cmd_sink },
    { "memtouch", cmd_memtouch },
    { "disklog",  cmd_disklog },
    { "clocks",   cmd_clocks },
    { "fb",       cmd_fb },
    { "events",   cmd_events },
    { "xdp",      cmd_xdp },
    { "udp",      cmd_udp },
    { "session",  cmd_session },
};

static const char *group = "main";
static unsigned nr_passed, nr_failed, nr_skipped;

bool verdict(const char *name, bool ok, const char *why, ...)
{
    if (ok) {
        nr_passed++;
        printf("PASS %s/%s\n", group, name);
    } else {
        va_list ap;

        nr_failed++;
        printf("FAIL %s/%s: ", group, name);
        va_start(ap, why);
        vprintf(why, ap);
        va_end(ap);
        printf("\n");
    }
    fflush(stdout);
    return ok;
}

void skip(const char *name, const char *why, ...)
{
    va_list ap;

    nr_skipped++;
    printf("SKIP %s/%s: ", group, name);
    va_start(ap, why);
    vprintf(why, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);
}

static int summary(void)
{
    printf("RESULT %s %u passed, %u failed, %u skipped\n",
           group, nr_passed, nr_failed, nr_skipped);
    fflush(stdout);
    return nr_failed ? 1 : 0;
}

void broken(const char *what)
{
    verdict("broken", false, "%s: %s", what, strerror(errno));
    exit(summary());
}

static sigjmp_buf fault_jmp;
static struct fault caught;

static void on_fault(int sig, siginfo_t *si, void *ucp)
{
    ucontext_t *uc = ucp;

    caught.sig = sig;
    caught.code = si->si_code;
    caught.addr = (uintptr_t)si->si_addr;
    memcpy(caught.regs, uc->uc_mcontext.gregs, sizeof(caught.regs));
    siglongjmp(fault_jmp, 1);
}

struct fault catch_fault(void (*fn)(void *), void *arg)
{
    static const int sigs[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
    struct sigaction sa = { .sa_sigaction = on_fault,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK };
    struct sigaction old[ARRAY_SIZE(sigs)];
    static void *altstack;
    stack_t ss = { .ss_size = 64 * 1024 };

    if (!altstack) {
        altstack = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    ss.ss_sp = altstack;
    if (altstack == MAP_FAILED || sigaltstack(&ss, NULL) < 0) {
        broken("alternate stack");
    }
    for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
        sigaction(sigs[i], &sa, &old[i]);
    }
    memset(&caught, 0, sizeof(caught));
    if (sigsetjmp(fault_jmp, 1) == 0) {
        fn(arg);
    }
    for (size_t i = 0; i < ARRAY_SIZE(sigs); i++) {
        sigaction(sigs[i], &old[i], NULL);
    }
    return caught;
}

pid_t spawn(int (*fn)(void *), void *arg)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0) {
        broken("fork");
    }
    if (pid == 0) {
        int rc = fn(arg);

        fflush(stdout);
        _exit(rc);
    }
    return pid;
}

int in_child(int (*fn)(void *), void *arg)
{
    pid_t pid = spawn(fn, arg);
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            broken("waitpid");
        }
    }
    return status;
}

uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

bool read_line(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = -1;

    if (fd >= 0) {
        n = read(fd, buf, size - 1);
        close(fd);
    }
    buf[n > 0 ? n : 0] = '\0';
    buf[strcspn(buf, "\n")] = '\0';
    return n >= 0;
}

bool is_xen_pv(void)
{
    char type[16], guest[16];

    return read_line("/sys/hypervisor/type", type, sizeof(type)) &&
           !strcmp(type, "xen") &&
           read_line("/sys/hypervisor/guest_type", guest, sizeof(guest)) &&
           !strcmp(guest, "PV");
}

/*
 * session TERMINAL PROGRAM [ARG]...: the program in a session of its own on
 * that terminal.  A shell starts what it runs in the background with SIGINT
 * ignored, which would last: so signals are set right as well.
 */
static int cmd_session(int argc, char **argv)
{
    int fd;

    if (argc < 3) {
        fprintf(stderr, "usage: xpv session TERMINAL PROGRAM [ARG]...\n");
        return 2;
    }
    setsid();
    fd = open(argv[1], O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 1) < 0) {
        perror(argv[1]);
        return 1;
    }
    for (int i = 0; i < 3; i++) {
        dup2(fd, i);
    }
    if (fd > 2) {
        close(fd);
    }
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}

/* Each group in its own process: one that dies is a failure of its own */
static int run_group_child(void *arg)
{
    size_t i = *(size_t *)arg;

    group = groups[i].name;
    groups[i].run();
    return summary();
}

static int run_group(const char *name)
{
    bool all = !strcmp(name, "all"), found = false;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        int status;

        if (!all && strcmp(name, groups[i].name)) {
            continue;
        }
        found = true;
        group = groups[i].name;
        status = in_child(run_group_child, &i);
        if (WIFSIGNALED(status)) {
            verdict("alive", false, "killed by signal %d", WTERMSIG(status));
            summary();
        }
        rc |= status != 0;
    }
    if (!found) {
        fprintf(stderr, "xpv: no test group '%s'\n", name);
        rc = 2;
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "nothing")) {
        return 0;       /* what the benchmark executes */
    }
    if (argc > 1 && !strcmp(argv[1], "list")) {
        for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
            puts(groups[i].name);
        }
        return 0;
    }
    if (argc > 2 && !strcmp(argv[1], "test")) {
        int rc = 0;

        for (int i = 2; i < argc; i++) {
            rc |= run_group(argv[i]);
        }
        return rc;
    }
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(argv[1], commands[i].name)) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "usage: xpv test GROUP... | list | COMMAND ...\n");
    return 2;
}
