/*
 * Exceptions of user code: the right signal with the right particulars, and
 * the process goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Vector and error code are checked as the kernel saved them, since that is
 * where a wrong bounce frame shows first.
 */
#include "guest.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define STUB(name, text) \
    static void do_##name(void *arg) \
    { \
        (void)arg; \
        __asm__ volatile(text \
                         : : : "rax", "rcx", "rdx", "rbx", "memory", "cc"); \
    }

STUB(int3, "int3")
STUB(int_3, ".byte 0xcd, 3")
STUB(icebp, ".byte 0xf1")
STUB(ud2, "ud2")
STUB(bad_lock, ".byte 0xf0, 0x90")
STUB(div0, "xorl %%ecx, %%ecx\n\t xorl %%edx, %%edx\n\t divl %%ecx")
STUB(int4, "int $4")
STUB(int_20, "int $0x20")
STUB(int_82, "int $0x82")
STUB(hlt, "hlt")
STUB(cli, "cli")
STUB(sti, "sti")
STUB(inb, "movw $0x80, %%dx\n\t inb %%dx, %%al")
STUB(outb, "movw $0x80, %%dx\n\t outb %%al, %%dx")
STUB(outl, "movw $0x7e00, %%dx\n\t xorl %%eax, %%eax\n\t outl %%eax, %%dx")
STUB(outl_send, "movw $0x7e04, %%dx\n\t xorl %%eax, %%eax\n\t"
                "outl %%eax, %%dx")
STUB(rdmsr, "movl $0xc0000080, %%ecx\n\t rdmsr")
STUB(wrmsr, "movl $0xc0000101, %%ecx\n\t xorl %%eax, %%eax\n\t"
            "xorl %%edx, %%edx\n\t wrmsr")
STUB(mov_cr0, "movq %%cr0, %%rax")
STUB(mov_to_cr3, "xorl %%eax, %%eax\n\t movq %%rax, %%cr3")
STUB(mov_cr4, "movq %%cr4, %%rax")
STUB(mov_dr7, "movq %%dr7, %%rax")
STUB(lgdt, "lgdt -16(%%rsp)")
STUB(lidt, "lidt -16(%%rsp)")
STUB(lldt, "xorl %%eax, %%eax\n\t lldt %%ax")
STUB(ltr, "movl $0x40, %%eax\n\t ltr %%ax")
STUB(invlpg, "invlpg (%%rsp)")
STUB(invd, "invd")
STUB(wbinvd, "wbinvd")
STUB(clts, "clts")
STUB(swapgs, "swapgs")
STUB(rdpmc, "xorl %%ecx, %%ecx\n\t rdpmc")
STUB(sysret, "movq $0, %%rcx\n\t sysretq")
STUB(bad_iret, "movq %%rsp, %%rbx\n\t pushq $0\n\t pushq $0\n\t pushfq\n\t"
               "pushq $0x10\n\t pushq $0\n\t iretq")
STUB(bad_ds, "movl $0xfff8, %%eax\n\t movl %%eax, %%ds")
STUB(monitor_ds, "movl $0xe010, %%eax\n\t movl %%eax, %%ds")
STUB(vmcall, ".byte 0x0f, 0x01, 0xc1")
STUB(mf, "fninit\n\t subq $16, %%rsp\n\t movw $0x0340, (%%rsp)\n\t"
         "fldcw (%%rsp)\n\t addq $16, %%rsp\n\t fldz\n\t fld1\n\t"
         "fdivp\n\t fwait")
STUB(non_canonical_load, "movabsq $0x800000000000, %%rax\n\t"
                         "movq (%%rax), %%rax")

/* si_code SI_KERNEL, as the kernel gives for a #GP */
#define KERNEL 0x80
#define ANY (-1)

/* Columns: stub, signal, si_code, vector, error code (ANY: not checked) */
static const struct row {
    const char *name;
    void (*fn)(void *);
    int sig, code, vector, error;
} rows[] = {
#define ROW(stub, sig, code, vector, error) \
    { #stub, do_##stub, sig, code, vector, error }
    ROW(int3,               SIGTRAP, KERNEL,     3,  0),
    ROW(int_3,              SIGTRAP, KERNEL,     3,  0),
    ROW(icebp,              SIGTRAP, ANY,        1,  0),
    ROW(ud2,                SIGILL,  ILL_ILLOPN, 6,  0),
    ROW(bad_lock,           SIGILL,  ILL_ILLOPN, 6,  0),
    ROW(vmcall,             SIGILL,  ILL_ILLOPN, 6,  0),
    ROW(div0,               SIGFPE,  FPE_INTDIV, 0,  0),
    ROW(mf,                 SIGFPE,  FPE_FLTDIV, 16, 0),
    ROW(int4,               SIGSEGV, ANY,        4,  0),
    ROW(int_20,             SIGSEGV, KERNEL,     13, 0x20 * 8 + 2),
    ROW(int_82,             SIGSEGV, KERNEL,     13, 0x82 * 8 + 2),
    ROW(hlt,                SIGSEGV, KERNEL,     13, 0),
    ROW(cli,                SIGSEGV, KERNEL,     13, 0),
    ROW(sti,                SIGSEGV, KERNEL,     13, 0),
    ROW(inb,                SIGSEGV, KERNEL,     13, 0),
    ROW(outb,               SIGSEGV, KERNEL,     13, 0),
    ROW(outl,               SIGSEGV, KERNEL,     13, 0),
    ROW(outl_send,          SIGSEGV, KERNEL,     13, 0),
    ROW(rdmsr,              SIGSEGV, KERNEL,     13, 0),
    ROW(wrmsr,              SIGSEGV, KERNEL,     13, 0),
    ROW(mov_cr0,            SIGSEGV, KERNEL,     13, 0),
    ROW(mov_to_cr3,         SIGSEGV, KERNEL,     13, 0),
    ROW(mov_cr4,            SIGSEGV, KERNEL,     13, 0),
    ROW(mov_dr7,            SIGSEGV, KERNEL,     13, 0),
    ROW(lgdt,               SIGSEGV, KERNEL,     13, 0),
    ROW(lidt,               SIGSEGV, KERNEL,     13, 0),
    ROW(lldt,               SIGSEGV, KERNEL,     13, 0),
    ROW(ltr,                SIGSEGV, KERNEL,     13, 0),
    ROW(invlpg,             SIGSEGV, KERNEL,     13, 0),
    ROW(invd,               SIGSEGV, KERNEL,     13, 0),
    ROW(wbinvd,             SIGSEGV, KERNEL,     13, 0),
    ROW(clts,               SIGSEGV, KERNEL,     13, 0),
    ROW(swapgs,             SIGSEGV, KERNEL,     13, 0),
    ROW(rdpmc,              SIGSEGV, KERNEL,     13, 0),
    ROW(sysret,             SIGSEGV, KERNEL,     13, 0),
    ROW(bad_iret,           SIGSEGV, KERNEL,     13, ANY),
    ROW(bad_ds,             SIGSEGV, KERNEL,     13, 0xfff8),
    ROW(monitor_ds,         SIGSEGV, KERNEL,     13, 0xe010),
    ROW(non_canonical_load, SIGSEGV, KERNEL,     13, 0),
#undef ROW
};

static void run_rows(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *r = &rows[i];
        struct fault f = catch_fault(r->fn, NULL);
        int vector = f.regs[REG_TRAPNO], error = f.regs[REG_ERR];

        __asm__ volatile("fninit");
        if (f.sig == 0 && (r->fn == do_invd || r->fn == do_wbinvd)) {
            skip(r->name, "QEMU's TCG takes it for unprivileged");
            continue;
        }
        verdict(r->name,
                f.sig == r->sig && (r->code == ANY || f.code == r->code) &&
                vector == r->vector && (r->error == ANY || error == r->error),
                "got signal %d code %d vector %d error 0x%x, "
                "expected %d %d %d 0x%x", f.sig, f.code, vector, error,
                r->sig, r->code, r->vector, r->error);
    }
}

/* Where the saved RIP points: after a trap, at a fault */
static void saved_rip(void)
{
    static uint8_t *code;
    struct fault f;

    code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED) {
        broken("mmap");
    }
    code[0] = 0xcc;
    code[1] = 0xc3;
    f = catch_fault((void (*)(void *))(uintptr_t)code, NULL);
    verdict("rip-after-int3", f.regs[REG_RIP] == (greg_t)(uintptr_t)code + 1,
            "0x%llx, code at %p", f.regs[REG_RIP], code);
    code[0] = 0x0f;
    code[1] = 0x0b;
    f = catch_fault((void (*)(void *))(uintptr_t)code, NULL);
    verdict("rip-at-ud2", f.regs[REG_RIP] == (greg_t)(uintptr_t)code &&
            f.addr == (uintptr_t)code, "0x%llx, code at %p",
            f.regs[REG_RIP], code);
    munmap(code, PAGE);
}

static void load(void *p)
{
    peek8(p);
}

static void store(void *p)
{
    poke8(p, 1);
}

static void call(void *p)
{
    ((void (*)(void))p)();
}

/* Error code bits of a page fault */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_I = 16 };

static void page_faults(void)
{
    char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    char *rw = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    char *gone = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);
    struct {
        const char *name;
        void (*fn)(void *);
        char *at;
        int code, error;
    } cases[] = {
        { "pf-read-unmapped",  load,  gone + 123, SEGV_MAPERR, PF_U },
        { "pf-write-unmapped", store, gone + 5,   SEGV_MAPERR, PF_U | PF_W },
        { "pf-read-none",      load,  none + 7,   SEGV_ACCERR, PF_U },
        { "pf-write-ro",       store, ro + 9,     SEGV_ACCERR,
          PF_U | PF_W | PF_P },
        { "pf-exec-nx",        call,  rw,         SEGV_ACCERR,
          PF_U | PF_I | PF_P },
    };

    if (ro == MAP_FAILED || rw == MAP_FAILED || none == MAP_FAILED ||
        gone == MAP_FAILED) {
        broken("mmap");
    }
    munmap(gone, PAGE);
    load(ro);
    rw[0] = (char)0xc3;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fault f = catch_fault(cases[i].fn, cases[i].at);

        verdict(cases[i].name,
                f.sig == SIGSEGV && f.code == cases[i].code &&
                f.addr == (uintptr_t)cases[i].at &&
                f.regs[REG_TRAPNO] == 14 &&
                f.regs[REG_ERR] == cases[i].error &&
                f.regs[REG_CR2] == (greg_t)(uintptr_t)cases[i].at,
                "signal %d code %d address 0x%lx vector %lld error 0x%llx "
                "cr2 0x%llx, expected code %d address %p error 0x%x",
                f.sig, f.code, f.addr, f.regs[REG_TRAPNO], f.regs[REG_ERR],
                f.regs[REG_CR2], cases[i].code, cases[i].at, cases[i].error);
    }
    munmap(ro, PAGE);
    munmap(rw, PAGE);
    munmap(none, PAGE);
}

/* Flags the entry code must not trip over */
static void syscall_flags(void)
{
    static const struct {
        const char *name;
        uint64_t flag;
    } flags[] = {
        { "syscall-with-df", 1 << 10 }, { "syscall-with-nt", 1 << 14 },
        { "syscall-with-ac", 1 << 18 }, { "syscall-with-id", 1 << 21 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        long ret;
        uint64_t after;

        __asm__ volatile("pushfq\n\t orq %2, (%%rsp)\n\t popfq\n\t"
                         "syscall\n\t"
                         "pushfq\n\t popq %1\n\t"
                         "pushq %1\n\t andq $~0x244400, (%%rsp)\n\t popfq"
                         : "=a"(ret), "=&r"(after)
                         : "r"(flags[i].flag), "0"((long)SYS_getppid)
                         : "rcx", "r11", "memory", "cc");
        verdict(flags[i].name, ret == getppid() && (after & flags[i].flag),
                "result %ld, flags afterwards 0x%lx", ret, after);
    }
}

static volatile sig_atomic_t nr_steps;

static void on_step(int sig)
{
    (void)sig;
    nr_steps++;
}

/* TF set by the program itself, a system call among the stepped code */
static void self_step(void)
{
    struct sigaction sa = { .sa_handler = on_step };
    struct sigaction old;
    long ret;

    sigaction(SIGTRAP, &sa, &old);
    nr_steps = 0;
    __asm__ volatile("pushfq\n\t orq $0x100, (%%rsp)\n\t popfq\n\t"
                     "nop\n\t nop\n\t"
                     "syscall\n\t"
                     "nop\n\t nop\n\t"
                     "pushfq\n\t andq $~0x100, (%%rsp)\n\t popfq\n\t"
                     : "=a"(ret) : "0"((long)SYS_getppid)
                     : "rcx", "r11", "memory", "cc");
    sigaction(SIGTRAP, &old, NULL);
    /* eight instructions follow the first popfq; the system call is one */
    verdict("self-step", ret == getppid() && nr_steps >= 7 && nr_steps <= 9,
            "%d steps, result %ld", nr_steps, ret);
}

/* System calls from 64-bit code by int 0x80 have the 32-bit numbers */
static void int80(void)
{
    long ret;

    __asm__ volatile("int $0x80" : "=a"(ret) : "0"(20L)
                     : "memory", "r8", "r9", "r10", "r11");
    verdict("int80-getpid", ret == getpid(), "%ld, not %d", ret, getpid());
}

/* The kernel must get all six arguments and every number, also wild ones */
static void syscalls(void)
{
    static const long wild[] = { 999, -1, 0x40000000 + 999 };
    bool enosys = true;
    char *p;

    for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
        long ret;

        __asm__ volatile("syscall" : "=a"(ret) : "0"(wild[i])
                         : "rcx", "r11", "memory");
        enosys = enosys && ret == -38;
    }
    verdict("syscall-unknown", enosys, "an unknown number did not give ENOSYS");
    p = (char *)syscall(SYS_mmap, NULL, 3 * PAGE, PROT_READ,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    verdict("syscall-six", p != MAP_FAILED && p[2 * PAGE] == 0, "mmap failed");
    munmap(p, 3 * PAGE);
}

/*
 * Xen's forced emulation prefix answers user code too: that is how
 * xen-detect works.  Without Xen it is an invalid instruction.
 */
static char fep_signature[13];

static void do_fep(void *arg)
{
    uint32_t a = 0x40000000, b = 0, c = 0, d = 0;

    (void)arg;
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2"
                     : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    memcpy(fep_signature, &b, 4);
    memcpy(fep_signature + 4, &c, 4);
    memcpy(fep_signature + 8, &d, 4);
}

static void forced_cpuid(void)
{
    struct fault f = catch_fault(do_fep, NULL);

    if (is_xen_pv()) {
        verdict("forced-cpuid", f.sig == 0 &&
                !strcmp(fep_signature, "XenVMMXenVMM"),
                "signal %d, signature '%s'", f.sig, fep_signature);
    } else {
        verdict("forced-cpuid", f.sig == SIGILL, "signal %d", f.sig);
    }
}

/* A trap in quick succession wears out whatever is not restored exactly */
static void many(void)
{
    unsigned wrong = 0;

    for (int i = 0; i < 5000; i++) {
        wrong += catch_fault(do_ud2, NULL).sig != SIGILL;
        wrong += catch_fault(load, NULL).sig != SIGSEGV;
        wrong += catch_fault(do_hlt, NULL).sig != SIGSEGV;
    }
    verdict("many", wrong == 0, "%u of 15000 went wrong", wrong);
}

void test_traps(void)
{
    run_rows();
    saved_rip();
    page_faults();
    syscall_flags();
    self_step();
    int80();
    syscalls();
    forced_cpuid();
    many();
}
