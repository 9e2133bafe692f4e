/*
 * User code must not reach the kernel or the hypervisor: not by reading, not
 * by writing, not by jumping there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On Xen the kernel of a 64-bit PV guest is kept from its user code by a
 * second page table.  An implementation that runs both on one table relies on
 * the U bits alone, so a single stray bit would open the kernel silently:
 * nothing else would fail.  Hence a sweep over the whole upper half.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static void do_read(void *p)
{
    peek(p);
}

static void do_write(void *p)
{
    poke(p, 0x5a5a5a5a5a5a5a5aull);
}

static void do_jump(void *p)
{
    ((void (*)(void))p)();
}

static void probe(const char *name, uint64_t addr)
{
    static const struct {
        const char *verb;
        void (*fn)(void *);
    } access[] = {
        { "read", do_read }, { "write", do_write }, { "jump", do_jump },
    };

    for (size_t i = 0; i < ARRAY_SIZE(access); i++) {
        struct fault f = catch_fault(access[i].fn, (void *)addr);
        char label[64];

        snprintf(label, sizeof(label), "%s-%s", access[i].verb, name);
        verdict(label, f.sig == SIGSEGV, "0x%lx: signal %d instead of SIGSEGV",
                addr, f.sig);
    }
}

/* Every top-level slot of the upper half, and inside each at many distances */
static void sweep(void)
{
    static const uint64_t offsets[] = {
        0, 0x1000, 0x10000, 0x80000, 0x200000, 0x1000000, 0x2000000,
        0x10000000, 0x40000000, 0x80000000, 0xc0000000, 0x100000000,
        0x4000000000, 0x7f80000000, 0x7fc0000000, 0x7ffffff000,
    };
    unsigned open = 0;
    uint64_t first = 0;

    for (uint64_t slot = 256; slot < 512; slot++) {
        for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
            uint64_t va = 0xffff000000000000ull | slot << 39 | offsets[i];

            if (catch_fault(do_read, (void *)va).sig != SIGSEGV) {
                first = open++ ? first : va;
            }
        }
    }
    verdict("sweep-upper-half", open == 0, "%u addresses readable, first 0x%lx",
            open, first);
}

/* The kernel's direct mapping of a page we own and know the frame of */
static void own_page_alias(void)
{
    uint64_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entry = 0, pfn;
    struct fault f;

    if (page == MAP_FAILED || fd < 0) {
        broken("pagemap");
    }
    page[0] = 42;
    if (pread(fd, &entry, 8, (uintptr_t)page / PAGE * 8) != 8) {
        broken("pagemap");
    }
    close(fd);
    pfn = entry & ((1ull << 55) - 1);
    if (!(entry >> 63) || !pfn) {
        skip("own-page-alias", "/proc/self/pagemap hides the frame");
        return;
    }
    f = catch_fault(do_write, (void *)(0xffff888000000000ull + pfn * PAGE));
    verdict("own-page-alias", f.sig == SIGSEGV && page[0] == 42,
            "frame 0x%lx written through the kernel's mapping", pfn);
    munmap(page, PAGE);
}

/* Addresses the kernel itself names */
static void kernel_symbols(void)
{
    static const char *const wanted[] = {
        "_stext", "linux_banner", "init_task", "_end",
    };
    FILE *f = fopen("/proc/kallsyms", "r");
    char line[256];
    unsigned found = 0;

    if (!f) {
        skip("symbols", "no /proc/kallsyms");
        return;
    }
    while (fgets(line, sizeof(line), f)) {
        unsigned long addr;
        char type, name[128];

        if (sscanf(line, "%lx %c %127s", &addr, &type, name) != 3 || !addr) {
            continue;
        }
        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
            if (!strcmp(name, wanted[i])) {
                probe(name, addr);
                found++;
            }
        }
    }
    fclose(f);
    if (!found) {
        skip("symbols", "/proc/kallsyms hides addresses");
    }
}

/* The kernel must not be talked into using its own addresses for us */
static void kernel_pointers(void)
{
    static const uint64_t addrs[] = {
        0xffffffff81000000ull, 0xffff888000000000ull, 0xffff800000000000ull,
        0xffff808000000000ull, 0xffff840000000000ull,
    };
    int fds[2];

    if (pipe(fds) < 0) {
        broken("pipe");
    }
    for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
        ssize_t w = write(fds[1], (void *)addrs[i], 8);
        int werr = errno;
        ssize_t r;
        int rerr;
        char label[48];

        if (write(fds[1], "12345678", 8) != 8) {
            broken("pipe");
        }
        r = read(fds[0], (void *)addrs[i], 8);
        rerr = errno;
        snprintf(label, sizeof(label), "efault-%lx", addrs[i]);
        verdict(label, w == -1 && werr == EFAULT && r == -1 && rerr == EFAULT,
                "write gave %zd (%s), read gave %zd (%s)",
                w, strerror(werr), r, strerror(rerr));
        if (r == -1 && read(fds[0], label, 8) != 8) {
            broken("pipe");
        }
    }
    close(fds[0]);
    close(fds[1]);
}

void test_isolation(void)
{
    probe("kernel-text", 0xffffffff81000000ull);
    probe("kernel-data", 0xffffffff82000000ull);
    probe("direct-map", 0xffff888000000000ull);
    probe("direct-map-1M", 0xffff888000100000ull);
    probe("direct-map-16M", 0xffff888001000000ull);
    probe("vmalloc", 0xffffc90000000000ull);
    probe("vmemmap", 0xffffea0000000000ull);
    probe("m2p", 0xffff800000000000ull);
    probe("m2p-512", 0xffff800000001000ull);
    probe("monitor", 0xffff808000000000ull);
    probe("monitor-shared", 0xffff808000080000ull);
    probe("monitor-percpu", 0xffff80c000000000ull);
    probe("monitor-direct-map", 0xffff840000000000ull);
    probe("monitor-direct-map-2M", 0xffff840000200000ull);
    probe("last-page", 0xfffffffffffff000ull);
    probe("vsyscall", 0xffffffffff600000ull);
    probe("non-canonical", 0x800000000000ull);
    kernel_symbols();
    own_page_alias();
    kernel_pointers();
    sweep();
}
