/*
 * Processes and threads in numbers: made, switched, ended, talking.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int exit_with(void *arg)
{
    return *(int *)arg;
}

static void fork_wait(void)
{
    unsigned wrong = 0;

    for (int i = 0; i < 400; i++) {
        int code = i & 0x7f, status = in_child(exit_with, &code);

        wrong += !WIFEXITED(status) || WEXITSTATUS(status) != code;
    }
    verdict("fork-wait", wrong == 0, "%u of 400 wrong statuses", wrong);
}

static int exec_self(const char *const argv[])
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = vfork();
    if (pid == 0) {
        execv("/proc/self/exe", (char *const *)argv);
        _exit(111);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void vfork_exec(void)
{
    const char *const argv[] = { "xpv", "nothing", NULL };
    unsigned wrong = 0;

    for (int i = 0; i < 150; i++) {
        wrong += exec_self(argv) != 0;
    }
    verdict("vfork-exec", wrong == 0, "%u of 150", wrong);
}

/* Argument pages are written into a page table that is not current yet */
static void large_arguments(void)
{
    char *big = malloc(120000);
    const char *argv[12] = { "xpv", "nothing" };

    memset(big, 'x', 119999);
    big[119999] = '\0';
    for (int i = 2; i < 11; i++) {
        argv[i] = big;
    }
    verdict("large-arguments", exec_self(argv) == 0, "exec of 1 MB arguments");
    free(big);
}

static int sleeper(void *arg)
{
    char c;

    return read(*(int *)arg, &c, 1) == 0 ? 0 : 1;
}

static void many_processes(void)
{
    enum { N = 200 };
    pid_t pids[N];
    int fds[2];
    unsigned wrong = 0;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        broken("pipe");
    }
    for (int i = 0; i < N; i++) {
        fflush(stdout);
        pids[i] = fork();
        if (pids[i] == 0) {
            close(fds[1]);
            _exit(sleeper(&fds[0]));
        }
        if (pids[i] < 0) {
            broken("fork");
        }
    }
    close(fds[1]);
    for (int i = 0; i < N; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        wrong += status != 0;
    }
    close(fds[0]);
    verdict("many-processes", wrong == 0, "%u of %d", wrong, N);
}

/* A token round a ring of processes; each adds one */
static void ring(void)
{
    enum { N = 32, LAPS = 50 };
    int pipes[N + 1][2];
    pid_t pids[N];
    uint64_t token = 0;
    unsigned bad = 0;

    for (int i = 0; i <= N; i++) {
        if (pipe(pipes[i]) < 0) {
            broken("pipe");
        }
    }
    for (int i = 0; i < N; i++) {
        fflush(stdout);
        pids[i] = fork();
        if (pids[i] == 0) {
            uint64_t t;

            for (int lap = 0; lap < LAPS; lap++) {
                if (read(pipes[i][0], &t, 8) != 8) {
                    _exit(1);
                }
                t++;
                if (write(pipes[i + 1][1], &t, 8) != 8) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    for (int lap = 0; lap < LAPS; lap++) {
        if (write(pipes[0][1], &token, 8) != 8 ||
            read(pipes[N][0], &token, 8) != 8) {
            bad++;
        }
    }
    for (int i = 0; i < N; i++) {
        waitpid(pids[i], NULL, 0);
    }
    for (int i = 0; i <= N; i++) {
        close(pipes[i][0]);
        close(pipes[i][1]);
    }
    verdict("token-ring", !bad && token == N * LAPS, "token %lu", token);
}

#define BULK (16u << 20)

static int bulk_writer(void *arg)
{
    int fd = *(int *)arg;
    uint64_t seed = 0xb01d, buf[1024];

    for (unsigned left = BULK; left; ) {
        size_t done = 0;

        for (size_t i = 0; i < ARRAY_SIZE(buf); i++) {
            buf[i] = rnd(&seed);
        }
        while (done < sizeof(buf)) {
            ssize_t n = write(fd, (char *)buf + done, sizeof(buf) - done);

            if (n <= 0) {
                return 1;
            }
            done += n;
        }
        left -= sizeof(buf);
    }
    return 0;
}

static bool bulk_reader(int fd)
{
    uint64_t seed = 0xb01d, buf[1024];

    for (unsigned left = BULK; left; left -= sizeof(buf)) {
        size_t done = 0;

        while (done < sizeof(buf)) {
            ssize_t n = read(fd, (char *)buf + done, sizeof(buf) - done);

            if (n <= 0) {
                return false;
            }
            done += n;
        }
        for (size_t i = 0; i < ARRAY_SIZE(buf); i++) {
            if (buf[i] != rnd(&seed)) {
                return false;
            }
        }
    }
    return true;
}

static void bulk(const char *name, int rd, int wr)
{
    pid_t pid = spawn(bulk_writer, &wr);
    bool ok = bulk_reader(rd);
    int status;

    waitpid(pid, &status, 0);
    verdict(name, ok && status == 0, "content differs; status 0x%x", status);
    close(rd);
    close(wr);
}

static void bulk_pipe(void)
{
    int fds[2];

    if (pipe(fds) < 0) {
        broken("pipe");
    }
    bulk("bulk-pipe", fds[0], fds[1]);
}

static void bulk_unix(void)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
        skip("bulk-unix", "no UNIX sockets: %s", strerror(errno));
        return;
    }
    bulk("bulk-unix", fds[0], fds[1]);
}

static void bulk_tcp(void)
{
    struct sockaddr_in sin = { .sin_family = AF_INET };
    socklen_t len = sizeof(sin);
    int l = socket(AF_INET, SOCK_STREAM, 0), c, s;
    struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

    if (l < 0) {
        skip("bulk-tcp", "no TCP: %s", strerror(errno));
        return;
    }
    ioctl(l, SIOCSIFFLAGS, &ifr);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 ||
        listen(l, 1) < 0 || getsockname(l, (struct sockaddr *)&sin, &len) < 0) {
        broken("listen on loopback");
    }
    c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
        broken("connect over loopback");
    }
    s = accept(l, NULL, NULL);
    close(l);
    bulk("bulk-tcp", s, c);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static unsigned long locked_count;
static __thread unsigned long own_count;

static void *count_up(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4000; i++) {
        pthread_mutex_lock(&lock);
        poke(&locked_count, locked_count + 1);
        if (i % 50 == 0) {
            sched_yield();
        }
        pthread_mutex_unlock(&lock);
        own_count++;
        if (i % 500 == 0) {
            pthread_barrier_wait(&barrier);
        }
    }
    return (void *)own_count;
}

static void threads(void)
{
    enum { N = 8 };
    pthread_t t[N];
    unsigned wrong = 0;

    pthread_barrier_init(&barrier, NULL, N);
    for (int i = 0; i < N; i++) {
        if (pthread_create(&t[i], NULL, count_up, NULL)) {
            broken("pthread_create");
        }
    }
    for (int i = 0; i < N; i++) {
        void *own;

        pthread_join(t[i], &own);
        wrong += (unsigned long)own != 4000;
    }
    verdict("threads", wrong == 0 && locked_count == N * 4000ul,
            "%u threads, count %lu", wrong, locked_count);
}

static void *no_op(void *arg)
{
    return arg;
}

static void thread_churn(void)
{
    unsigned wrong = 0;

    for (long i = 0; i < 500; i++) {
        pthread_t t;
        void *ret = NULL;

        if (pthread_create(&t, NULL, no_op, (void *)i)) {
            broken("pthread_create");
        }
        pthread_join(t, &ret);
        wrong += ret != (void *)i;
    }
    verdict("thread-churn", wrong == 0, "%u of 500", wrong);
}

static void events(void)
{
    int ep = epoll_create1(0), efd[64];
    uint64_t one = 1, got;
    unsigned wrong = 0;

    for (int i = 0; i < 64; i++) {
        struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };

        efd[i] = eventfd(0, 0);
        if (efd[i] < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, efd[i], &ev) < 0) {
            broken("epoll");
        }
    }
    for (int i = 0; i < 2000; i++) {
        struct epoll_event ev;
        int want = i * 13 % 64;

        if (write(efd[want], &one, 8) != 8 ||
            epoll_wait(ep, &ev, 1, 5000) != 1 ||
            ev.data.u32 != (unsigned)want ||
            read(efd[want], &got, 8) != 8 || got != 1) {
            wrong++;
        }
    }
    for (int i = 0; i < 64; i++) {
        close(efd[i]);
    }
    close(ep);
    verdict("epoll", wrong == 0, "%u of 2000", wrong);
}

static int burn(void *arg)
{
    uint64_t end = now_ns() + 300000000ull, n = 0;

    while (now_ns() < end) {
        n++;
    }
    poke(arg, n);
    return 0;
}

/* Programs that never sleep still share the processor */
static void fairness(void)
{
    uint64_t *counts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[4];
    unsigned starved = 0;

    for (int i = 0; i < 4; i++) {
        pids[i] = spawn(burn, &counts[i]);
    }
    for (int i = 0; i < 4; i++) {
        waitpid(pids[i], NULL, 0);
        starved += counts[i] == 0;
    }
    verdict("preemption", starved == 0, "%u of 4 never ran", starved);
    munmap(counts, PAGE);
}

void test_procs(void)
{
    fork_wait();
    vfork_exec();
    large_arguments();
    many_processes();
    ring();
    bulk_pipe();
    bulk_unix();
    bulk_tcp();
    threads();
    thread_churn();
    events();
    fairness();
}
