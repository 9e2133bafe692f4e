/*
 * Virtual memory under stress, every result compared with a model.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PV kernel's page tables are read-only to it while in use and change by
 * hypercall, by fault or by emulation.  A change lost on any of these ways
 * shows as a page with somebody else's content, or as a right that should be
 * gone.  So: content is checksummed and rights are tried.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <sys/wait.h>

static uint64_t *map(size_t size, int flags)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags,
                   -1, 0);

    if (p == MAP_FAILED) {
        broken("mmap");
    }
    return p;
}

#define COW_PAGES 512ul

static void fill(uint64_t *p, uint64_t seed)
{
    for (size_t i = 0; i < COW_PAGES * PAGE / 8; i++) {
        p[i] = rnd(&seed);
    }
}

static bool check(const uint64_t *p, uint64_t seed)
{
    for (size_t i = 0; i < COW_PAGES * PAGE / 8; i++) {
        if (p[i] != rnd(&seed)) {
            return false;
        }
    }
    return true;
}

static uint64_t *cow_area;

/*
 * Each process verifies what it inherited, changes a tenth of the pages, has
 * a child do the same, and then verifies that nobody changed its own copy.
 */
static int cow_generation(void *arg)
{
    unsigned left = *(unsigned *)arg;
    uint64_t seed = 0xc0ffee + left;
    uint8_t *touched = calloc(COW_PAGES, 1);
    uint64_t *copy = malloc(COW_PAGES * PAGE);

    if (!touched || !copy) {
        return 2;
    }
    for (unsigned i = 0; i < COW_PAGES / 10; i++) {
        size_t page = rnd(&seed) % COW_PAGES;

        cow_area[page * PAGE / 8 + rnd(&seed) % (PAGE / 8)] = rnd(&seed);
    }
    memcpy(copy, cow_area, COW_PAGES * PAGE);
    if (left) {
        unsigned next = left - 1;

        for (int i = 0; i < 2; i++) {
            int status = in_child(cow_generation, &next);

            if (status) {
                return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
            }
        }
    }
    return memcmp(copy, cow_area, COW_PAGES * PAGE) ? 1 : 0;
}

static void cow(void)
{
    unsigned generations = 4;
    int status;

    cow_area = map(COW_PAGES * PAGE, MAP_PRIVATE);
    fill(cow_area, 1);
    status = in_child(cow_generation, &generations);
    verdict("cow-tree", status == 0, "status 0x%x", status);
    verdict("cow-parent", check(cow_area, 1), "a child's write came through");
    munmap(cow_area, COW_PAGES * PAGE);
}

static int cow_concurrent_child(void *arg)
{
    unsigned id = *(unsigned *)arg;

    for (int round = 0; round < 3; round++) {
        for (size_t page = 0; page < COW_PAGES; page++) {
            cow_area[page * PAGE / 8 + id] = id * 1000 + round;
            if (page % 64 == id) {
                sched_yield();
            }
        }
        for (size_t page = 0; page < COW_PAGES; page++) {
            if (cow_area[page * PAGE / 8 + id] != id * 1000 + round) {
                return 1;
            }
        }
    }
    return 0;
}

static void cow_concurrent(void)
{
    unsigned ids[8];
    pid_t pids[8];
    unsigned bad = 0;

    cow_area = map(COW_PAGES * PAGE, MAP_PRIVATE);
    fill(cow_area, 2);
    for (unsigned i = 0; i < 8; i++) {
        ids[i] = i;
        pids[i] = spawn(cow_concurrent_child, &ids[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        bad += status != 0;
    }
    verdict("cow-concurrent", bad == 0 && check(cow_area, 2),
            "%u children failed", bad);
    munmap(cow_area, COW_PAGES * PAGE);
}

static void touch_read(void *p)
{
    peek(p);
}

static void touch_write(void *p)
{
    poke(p, peek(p));
}

/* Random rights on random ranges; each page then behaves as the model says */
static void protect(void)
{
    enum { PAGES = 256 };
    static const int prots[] = {
        PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
        PROT_READ | PROT_EXEC,
    };
    uint64_t *area = map(PAGES * PAGE, MAP_PRIVATE), seed = 77;
    int model[PAGES];
    unsigned wrong = 0, lost = 0;

    for (int i = 0; i < PAGES; i++) {
        model[i] = PROT_READ | PROT_WRITE;
        area[i * PAGE / 8] = i * 3 + 1;
    }
    for (int round = 0; round < 150; round++) {
        unsigned at = rnd(&seed) % PAGES;
        unsigned len = 1 + rnd(&seed) % (PAGES - at);
        int prot = prots[rnd(&seed) % ARRAY_SIZE(prots)];

        if (mprotect(area + at * PAGE / 8, len * PAGE, prot) < 0) {
            broken("mprotect");
        }
        for (unsigned i = at; i < at + len; i++) {
            model[i] = prot;
        }
        for (int probe = 0; probe < 24; probe++) {
            unsigned i = rnd(&seed) % PAGES;
            uint64_t *p = area + i * PAGE / 8;
            bool r = catch_fault(touch_read, p).sig == 0;
            bool w = catch_fault(touch_write, p).sig == 0;

            wrong += r != !!(model[i] & PROT_READ) ||
                     w != !!(model[i] & PROT_WRITE);
        }
    }
    mprotect(area, PAGES * PAGE, PROT_READ);
    for (int i = 0; i < PAGES; i++) {
        lost += area[i * PAGE / 8] != (uint64_t)i * 3 + 1;
    }
    verdict("mprotect-rights", wrong == 0, "%u probes against the model",
            wrong);
    verdict("mprotect-content", lost == 0, "%u pages changed", lost);
    munmap(area, PAGES * PAGE);
}

/* Random unmap and map again: unmapped pages fault, new ones are zero */
static void unmap(void)
{
    enum { PAGES = 256 };
    char *area = (char *)map(PAGES * PAGE, MAP_PRIVATE);
    bool mapped[PAGES];
    uint64_t seed = 99, value[PAGES];
    unsigned wrong = 0;

    for (int i = 0; i < PAGES; i++) {
        mapped[i] = true;
        value[i] = 0;
    }
    for (int round = 0; round < 400; round++) {
        unsigned at = rnd(&seed) % PAGES;
        unsigned len = 1 + rnd(&seed) % 16;

        len = len > PAGES - at ? PAGES - at : len;
        if (rnd(&seed) & 1) {
            munmap(area + at * PAGE, len * PAGE);
            for (unsigned i = at; i < at + len; i++) {
                mapped[i] = false;
            }
        } else {
            if (mmap(area + at * PAGE, len * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
                MAP_FAILED) {
                broken("mmap fixed");
            }
            for (unsigned i = at; i < at + len; i++) {
                mapped[i] = true;
                value[i] = 0;
            }
        }
        for (int probe = 0; probe < 8; probe++) {
            unsigned i = rnd(&seed) % PAGES;
            uint64_t *p = (uint64_t *)(area + i * PAGE);

            if (!mapped[i]) {
                wrong += catch_fault(touch_read, p).sig != SIGSEGV;
                continue;
            }
            wrong += *p != value[i];
            *p = value[i] = rnd(&seed);
        }
    }
    verdict("munmap-model", wrong == 0, "%u probes against the model", wrong);
    munmap(area, PAGES * PAGE);
}

static void remap(void)
{
    uint64_t *p = map(64 * PAGE, MAP_PRIVATE), *q;
    bool ok = true;

    for (size_t i = 0; i < 64; i++) {
        p[i * PAGE / 8] = i + 1000;
    }
    q = mremap(p, 64 * PAGE, 4096 * PAGE, MREMAP_MAYMOVE);
    ok = q != MAP_FAILED;
    for (size_t i = 0; ok && i < 64; i++) {
        ok = q[i * PAGE / 8] == i + 1000;
    }
    ok = ok && q[4095 * PAGE / 8] == 0;
    if (ok) {
        p = mremap(q, 4096 * PAGE, 8 * PAGE, 0);
        ok = p == q && p[7 * PAGE / 8] == 1007 &&
             catch_fault(touch_read, q + 8 * PAGE / 8).sig == SIGSEGV;
        munmap(p, 8 * PAGE);
    }
    verdict("mremap", ok, "content or rights lost");
}

static int shared_child(void *arg)
{
    uint64_t *p = arg;

    for (size_t i = 0; i < 128; i++) {
        if (peek(p + i * PAGE / 8) != i) {
            return 1;
        }
        poke(p + i * PAGE / 8, i * 7);
    }
    return 0;
}

static void shared(void)
{
    uint64_t *p = map(128 * PAGE, MAP_SHARED);
    unsigned wrong = 0;
    int status;

    for (size_t i = 0; i < 128; i++) {
        poke(p + i * PAGE / 8, i);
    }
    status = in_child(shared_child, p);
    for (size_t i = 0; i < 128; i++) {
        wrong += peek(p + i * PAGE / 8) != i * 7;
    }
    verdict("shared", status == 0 && wrong == 0, "status 0x%x, %u pages",
            status, wrong);
    munmap(p, 128 * PAGE);
}

static void discard(void)
{
    uint64_t *p = map(64 * PAGE, MAP_PRIVATE);
    bool zero = true;

    memset(p, 0xff, 64 * PAGE);
    madvise(p, 64 * PAGE, MADV_DONTNEED);
    for (size_t i = 0; i < 64 * PAGE / 8; i++) {
        zero = zero && p[i] == 0;
    }
    verdict("dontneed", zero, "old content came back");
    munmap(p, 64 * PAGE);
}

/* Fresh pages come zeroed, whoever used them before */
static void zeroed(void)
{
    unsigned dirty = 0;

    for (int round = 0; round < 20; round++) {
        uint64_t *p = map(512 * PAGE, MAP_PRIVATE);

        for (size_t i = 0; i < 512 * PAGE / 8; i += 61) {
            dirty += p[i] != 0;
        }
        memset(p, 0x5a, 512 * PAGE);
        munmap(p, 512 * PAGE);
    }
    verdict("zeroed", dirty == 0, "%u words", dirty);
}

/* Sparse use of a huge mapping needs tables at every level */
static void large(void)
{
    size_t size = 1ull << 40;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bool ok = p != MAP_FAILED;
    size_t at;

    for (at = 0; ok && at < size; at += size / 61 & ~7ull) {
        *(uint64_t *)(p + at) = at ^ 0x77;
    }
    for (at = 0; ok && at < size; at += size / 61 & ~7ull) {
        ok = *(uint64_t *)(p + at) == (at ^ 0x77);
    }
    ok = ok && munmap(p, size) == 0;
    verdict("large-mmap", ok, "1 TiB sparse");
}

/* Writes past a read-only mapping through /proc: the kernel's own COW */
static void proc_mem(void)
{
    uint64_t *p = map(PAGE, MAP_PRIVATE), v = 0x1234;
    int fd = open("/proc/self/mem", O_RDWR);
    bool ok;

    p[0] = 1;
    mprotect(p, PAGE, PROT_READ);
    ok = fd >= 0 && pwrite(fd, &v, 8, (uintptr_t)p) == 8 && p[0] == 0x1234;
    close(fd);
    verdict("proc-self-mem", ok, "%s", strerror(errno));
    munmap(p, PAGE);
}

static void proc_maps(void)
{
    char line[512];
    unsigned lines = 0, stack = 0, vdso = 0, vsyscall = 0;

    for (int round = 0; round < 50; round++) {
        FILE *f = fopen("/proc/self/maps", "r");
        unsigned long last = 0;

        if (!f) {
            broken("/proc/self/maps");
        }
        while (fgets(line, sizeof(line), f)) {
            unsigned long from, to;

            if (sscanf(line, "%lx-%lx", &from, &to) != 2 || from < last ||
                to <= from) {
                verdict("proc-self-maps", false, "line '%s'", line);
                fclose(f);
                return;
            }
            last = to;
            lines++;
            stack += !!strstr(line, "[stack]");
            vdso += !!strstr(line, "[vdso]");
            vsyscall += !!strstr(line, "[vsyscall]");
        }
        fclose(f);
    }
    verdict("proc-self-maps", lines > 300 && stack == 50 && vdso == 50,
            "%u lines, %u stacks, %u vdsos", lines, stack, vdso);
    verdict("no-vsyscall-page", vsyscall == 0, "it is mapped");
}

static void peer_memory(void)
{
    uint64_t *p = map(16 * PAGE, MAP_PRIVATE);
    uint64_t *q = map(16 * PAGE, MAP_PRIVATE);
    struct iovec l = { q, 16 * PAGE }, r = { p, 16 * PAGE };
    ssize_t n;

    for (size_t i = 0; i < 16 * PAGE / 8; i++) {
        p[i] = i * 31;
    }
    n = process_vm_readv(getpid(), &l, 1, &r, 1, 0);
    verdict("process-vm-readv", n == 16 * (ssize_t)PAGE &&
            !memcmp(p, q, 16 * PAGE), "%zd: %s", n, strerror(errno));
    munmap(p, 16 * PAGE);
    munmap(q, 16 * PAGE);
}

/* Code written by the program itself, run, changed and run again */
static void self_modifying(void)
{
    uint8_t *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool ok = p != MAP_FAILED;

    for (uint32_t i = 0; ok && i < 1000; i++) {
        uint32_t got;

        p[0] = 0xb8;
        memcpy(p + 1, &i, 4);
        p[5] = 0xc3;
        got = ((uint32_t (*)(void))(uintptr_t)p)();
        ok = got == i;
    }
    verdict("self-modifying", ok, "stale code");
    munmap(p, PAGE);
}

static void locked(void)
{
    uint64_t *p = map(32 * PAGE, MAP_PRIVATE);
    bool ok = mlock(p, 32 * PAGE) == 0;
    unsigned char vec[32];

    ok = ok && mincore(p, 32 * PAGE, vec) == 0;
    for (int i = 0; ok && i < 32; i++) {
        ok = vec[i] & 1;
    }
    verdict("mlock", ok, "%s", strerror(errno));
    munmap(p, 32 * PAGE);
}

void test_memory(void)
{
    cow();
    cow_concurrent();
    protect();
    unmap();
    remap();
    shared();
    discard();
    zeroed();
    large();
    proc_mem();
    proc_maps();
    peer_memory();
    self_modifying();
    locked();
}

/*
 * memtouch PERCENT: use that much of what is free, each page with its own
 * content, and read it all back.  Frames that exist twice or not at all show.
 */
int cmd_memtouch(int argc, char **argv)
{
    unsigned percent = argc > 1 ? atoi(argv[1]) : 50;
    unsigned long avail = 0, pages, wrong = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    uint64_t *p;

    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "MemAvailable: %lu kB", &avail);
    }
    if (!f || !avail || percent > 95) {
        fprintf(stderr, "memtouch: cannot tell how much memory is free\n");
        return 1;
    }
    fclose(f);
    pages = avail / 4 * percent / 100;
    p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        perror("memtouch");
        return 1;
    }
    for (unsigned long i = 0; i < pages; i++) {
        uint64_t *page = p + i * PAGE / 8;

        page[0] = i * 0x9e3779b97f4a7c15ull;
        page[i % 510 + 1] = ~i;
        page[511] = i;
    }
    for (unsigned long i = 0; i < pages; i++) {
        uint64_t *page = p + i * PAGE / 8;

        wrong += page[0] != i * 0x9e3779b97f4a7c15ull ||
                 page[i % 510 + 1] != ~i || page[511] != i;
    }
    printf("MEMTOUCH %lu MiB, %lu pages wrong\n", pages / 256, wrong);
    return wrong != 0;
}
