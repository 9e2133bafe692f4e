/*
 * Descriptor tables as user code sees them: LDT entries, TLS slots in the
 * GDT, FS and GS bases, 32-bit code inside a 64-bit process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A PV kernel changes descriptors and bases by hypercall and switches them on
 * every context switch, so each check runs in several processes at once.
 */
#include "guest.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define NR_CHILDREN 6
#define ROUNDS 300

static uint64_t gs_word(void)
{
    uint64_t v;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(v));
    return v;
}

static void load_gs(uint16_t sel)
{
    __asm__ volatile("movw %0, %%gs" :: "r"(sel));
}

static int write_ldt(unsigned entry, uint32_t base, bool code)
{
    struct user_desc d = {
        .entry_number = entry,
        .base_addr = base,
        .limit = 0xfffff,
        .seg_32bit = 1,
        .contents = code ? MODIFY_LDT_CONTENTS_CODE : 0,
        .limit_in_pages = 1,
        .useable = 1,
    };

    return syscall(SYS_modify_ldt, 0x11, &d, sizeof(d));
}

static void *low_page(int prot)
{
    void *p = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
                   -1, 0);

    if (p == MAP_FAILED) {
        broken("mmap below 4 GiB");
    }
    return p;
}

/* Runs as several processes, each with its own base under one selector */
static int ldt_child(void *arg)
{
    unsigned id = *(unsigned *)arg;
    uint64_t *page = low_page(PROT_READ | PROT_WRITE);

    page[0] = 0x1d70000 + id;
    if (write_ldt(3, (uintptr_t)page, false) < 0) {
        return 2;
    }
    load_gs(3 * 8 + 7);
    for (int i = 0; i < ROUNDS; i++) {
        if (gs_word() != 0x1d70000 + id) {
            return 1;
        }
        sched_yield();
    }
    return 0;
}

static int tls_child(void *arg)
{
    unsigned id = *(unsigned *)arg;
    uint64_t *page = low_page(PROT_READ | PROT_WRITE);
    struct user_desc *d = low_page(PROT_READ | PROT_WRITE);
    long ret;

    page[0] = 0x7150000 + id;
    d->entry_number = -1;
    d->base_addr = (uintptr_t)page;
    d->limit = 0xfffff;
    d->seg_32bit = 1;
    d->limit_in_pages = 1;
    d->useable = 1;
    /* set_thread_area exists only among the 32-bit system calls */
    __asm__ volatile("int $0x80" : "=a"(ret) : "0"(243L), "b"(d)
                     : "memory", "r8", "r9", "r10", "r11");
    if (ret) {
        return 2;
    }
    load_gs(d->entry_number * 8 + 3);
    for (int i = 0; i < ROUNDS; i++) {
        if (gs_word() != 0x7150000 + id) {
            return 1;
        }
        sched_yield();
    }
    return 0;
}

static int base_child(void *arg)
{
    unsigned id = *(unsigned *)arg;
    /* above 4 GiB: only a base register can reach it */
    uint64_t *page = mmap((void *)(0x600000000000ull + id * PAGE), PAGE,
                          PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    uint64_t got;

    if (page == MAP_FAILED || syscall(SYS_arch_prctl, ARCH_SET_GS, page)) {
        return 2;
    }
    page[0] = 0x95ba5e + id;
    for (int i = 0; i < ROUNDS; i++) {
        if (gs_word() != 0x95ba5e + id) {
            return 1;
        }
        sched_yield();
    }
    if (syscall(SYS_arch_prctl, ARCH_GET_GS, &got) || got != (uintptr_t)page) {
        return 3;
    }
    return 0;
}

static void concurrently(const char *name, int (*fn)(void *))
{
    unsigned ids[NR_CHILDREN];
    pid_t pids[NR_CHILDREN];
    int bad = 0;

    for (unsigned i = 0; i < NR_CHILDREN; i++) {
        ids[i] = i;
        pids[i] = spawn(fn, &ids[i]);
    }
    for (unsigned i = 0; i < NR_CHILDREN; i++) {
        int status;

        waitpid(pids[i], &status, 0);
        bad = bad ? bad : status;
    }
    verdict(name, bad == 0, "a child's wait status is 0x%x", bad);
}

/* Far call into @sel: 32-bit code that returns its CS and a constant */
static bool call_32(uint16_t sel, uint16_t *cs)
{
    static const uint8_t code[] = {
        0xb8, 0x78, 0x56, 0x34, 0x12,   /* mov $0x12345678, %eax */
        0x8c, 0xc9,                     /* mov %cs, %ecx */
        0xcb,                           /* lret */
    };
    uint8_t *page = low_page(PROT_READ | PROT_WRITE | PROT_EXEC);
    struct {
        uint32_t offset;
        uint16_t sel;
    } __attribute__((packed)) *target = (void *)(page + 0x100);
    uint64_t eax = 0, ecx = 0;

    memcpy(page, code, sizeof(code));
    target->offset = (uintptr_t)page;
    target->sel = sel;
    /* the stack must be below 4 GiB too; the binary itself is not PIE */
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %2, %%rsp\n\t"
                     "lcall *(%3)\n\t"
                     "movq %%rbx, %%rsp\n\t"
                     : "=&a"(eax), "=&c"(ecx)
                     : "r"(page + PAGE - 16), "r"(target)
                     : "rbx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc");
    *cs = ecx;
    munmap(page, PAGE);
    return (uint32_t)eax == 0x12345678;
}

static int far_calls(void *arg)
{
    uint16_t cs = 0;
    bool ok;

    (void)arg;
    ok = call_32(0x23, &cs) && cs == 0x23;
    ok = ok && write_ldt(5, 0, true) == 0;
    ok = ok && call_32(5 * 8 + 7, &cs) && cs == 5 * 8 + 7;
    return !ok;
}

static int ldt_read_back(void *arg)
{
    uint64_t table[16] = { 0 };
    long n;

    (void)arg;
    if (write_ldt(7, 0x12345000, false) < 0) {
        return 1;
    }
    n = syscall(SYS_modify_ldt, 0, table, sizeof(table));
    /* base 0x12345000, scattered over the descriptor as the CPU wants it */
    return !(n >= 64 && (table[7] >> 16 & 0xffffff) == 0x345000 &&
             table[7] >> 56 == 0x12);
}

/* A child starts with its parent's LDT; what it then does stays its own */
static int ldt_grandchild(void *arg)
{
    uint64_t *page = low_page(PROT_READ | PROT_WRITE);

    load_gs(3 * 8 + 7);
    if (gs_word() != *(uint64_t *)arg) {
        return 1;
    }
    page[0] = 99;
    write_ldt(3, (uintptr_t)page, false);
    load_gs(3 * 8 + 7);
    return gs_word() != 99;
}

static int ldt_fork(void *arg)
{
    uint64_t *page = low_page(PROT_READ | PROT_WRITE);

    (void)arg;
    page[0] = 0xf0f0;
    if (write_ldt(3, (uintptr_t)page, false) < 0) {
        return 2;
    }
    load_gs(3 * 8 + 7);
    if (in_child(ldt_grandchild, page) != 0) {
        return 3;
    }
    load_gs(3 * 8 + 7);
    return gs_word() != 0xf0f0;
}

/* A selector whose descriptor is gone faults and nothing more */
static void load_gs_arg(void *arg)
{
    load_gs((uintptr_t)arg);
    (void)gs_word();
}

static int ldt_removed(void *arg)
{
    struct user_desc d = { .entry_number = 3, .read_exec_only = 1,
                           .seg_not_present = 1 };
    uint64_t *page = low_page(PROT_READ | PROT_WRITE);
    struct fault f;

    (void)arg;
    if (write_ldt(3, (uintptr_t)page, false) < 0) {
        return 2;
    }
    load_gs(3 * 8 + 7);
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)) < 0) {
        return 3;
    }
    f = catch_fault(load_gs_arg, (void *)(3 * 8 + 7ul));
    return f.sig != SIGSEGV && f.sig != SIGBUS;
}

/* A system gate or a kernel segment must not get into an LDT */
static int ldt_privilege(void *arg)
{
    uint64_t table[16] = { 0 };

    (void)arg;
    write_ldt(0, 0, true);
    write_ldt(1, 0, false);
    syscall(SYS_modify_ldt, 0, table, sizeof(table));
    return (table[0] >> 45 & 3) != 3 || (table[1] >> 45 & 3) != 3;
}

static void fsgsbase(void)
{
    if (!(getauxval(AT_HWCAP2) & 2)) {
        skip("fsgsbase", "the kernel does not offer it");
        return;
    }
    {
        uint64_t old, got;

        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc8" : "=a"(old));
        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8"
                         :: "a"(0x123456789000ull));
        sched_yield();
        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xc8" : "=a"(got));
        __asm__ volatile(".byte 0xf3, 0x48, 0x0f, 0xae, 0xd8" :: "a"(old));
        verdict("fsgsbase", got == 0x123456789000ull, "0x%lx", got);
    }
}

static void selectors(void)
{
    uint16_t cs, ss;

    __asm__ volatile("movw %%cs, %0\n\t movw %%ss, %1" : "=r"(cs), "=r"(ss));
    verdict("user-selectors", cs == 0x33 && ss == 0x2b, "cs 0x%x ss 0x%x",
            cs, ss);
}

void test_segments(void)
{
    selectors();
    verdict("far-call-32", in_child(far_calls, NULL) == 0, "wrong result");
    verdict("ldt-read-back", in_child(ldt_read_back, NULL) == 0, "differs");
    verdict("ldt-fork", in_child(ldt_fork, NULL) == 0, "not inherited");
    verdict("ldt-removed", in_child(ldt_removed, NULL) == 0, "no fault");
    verdict("ldt-privilege", in_child(ldt_privilege, NULL) == 0, "DPL not 3");
    concurrently("ldt-switch", ldt_child);
    concurrently("tls-switch", tls_child);
    concurrently("gs-base-switch", base_child);
    fsgsbase();
}
