/*
 * Returning to user mode with state no sane program has: the fault belongs to
 * the program, never to the kernel or the hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A signal handler edits the frame the kernel will return through.  The
 * kernel asks for exactly these selectors and addresses, so it is the final
 * IRETQ that faults.  Xen reports that fault as if the guest had executed
 * the IRETQ itself; Linux then gives the program a SIGSEGV.
 */
#include "guest.h"

#include <sys/mman.h>

/* How the kernel says that SS is to be taken as it is in the frame */
#define UC_SIGCONTEXT_SS     2
#define UC_STRICT_RESTORE_SS 4

static struct {
    int cs, ss;             /* -1: leave alone */
    bool set_rip, set_rsp;
    uint64_t rip, rsp;
} edit;

static void on_usr1(int sig, siginfo_t *si, void *ucp)
{
    ucontext_t *uc = ucp;
    uint64_t sel = uc->uc_mcontext.gregs[REG_CSGSFS];

    (void)sig;
    (void)si;
    if (edit.cs >= 0) {
        sel = (sel & ~0xffffull) | edit.cs;
    }
    if (edit.ss >= 0) {
        sel = (sel & ~(0xffffull << 48)) | (uint64_t)edit.ss << 48;
        uc->uc_flags |= UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
    }
    uc->uc_mcontext.gregs[REG_CSGSFS] = sel;
    if (edit.set_rip) {
        uc->uc_mcontext.gregs[REG_RIP] = edit.rip;
    }
    if (edit.set_rsp) {
        uc->uc_mcontext.gregs[REG_RSP] = edit.rsp;
    }
}

static void raise_usr1(void *arg)
{
    (void)arg;
    raise(SIGUSR1);
}

static struct fault go(void)
{
    struct sigaction sa = { .sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO };

    sigaction(SIGUSR1, &sa, NULL);
    return catch_fault(raise_usr1, NULL);
}

static bool alive(void)
{
    return write(1, "", 0) == 0 && getppid() > 0;
}

static void reset_edit(void)
{
    memset(&edit, 0, sizeof(edit));
    edit.cs = edit.ss = -1;
}

static void bad_rip(void)
{
    static const struct {
        const char *name;
        uint64_t rip;
    } rows[] = {
        { "rip-first-non-canonical", 0x0000800000000000ull },
        { "rip-last-non-canonical",  0xffff7fffffffffffull },
        { "rip-middle",              0x1234567812345678ull },
        { "rip-kernel-text",         0xffffffff81000000ull },
        { "rip-direct-map",          0xffff888000000000ull },
        { "rip-m2p",                 0xffff800000000000ull },
        { "rip-monitor",             0xffff808000000000ull },
        { "rip-vsyscall",            0xffffffffff600000ull },
        { "rip-null",                0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fault f;

        reset_edit();
        edit.set_rip = true;
        edit.rip = rows[i].rip;
        f = go();
        verdict(rows[i].name, f.sig == SIGSEGV && alive(), "signal %d", f.sig);
    }
}

static void bad_rsp(void)
{
    static const struct {
        const char *name;
        uint64_t rsp;
    } rows[] = {
        { "rsp-non-canonical", 0x0000800000000000ull },
        { "rsp-kernel",        0xffffffff82000000ull },
        { "rsp-monitor",       0xffff808000080000ull },
        { "rsp-null",          8 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fault f;

        reset_edit();
        edit.set_rsp = true;
        edit.rsp = rows[i].rsp;
        f = go();
        verdict(rows[i].name,
                (f.sig == SIGSEGV || f.sig == SIGBUS) && alive(),
                "signal %d", f.sig);
    }
}

static void named_selectors(void)
{
    static const struct {
        const char *name;
        int cs, ss;
    } rows[] = {
        { "cs-null",            0x0003, -1 },
        { "cs-beyond-gdt",      0xfffb, -1 },
        { "cs-ldt-empty",       0x0007, -1 },
        { "cs-is-data",         0x002b, -1 },
        { "cs-kernel",          0x0013, -1 },
        { "cs-xen-monitor",     0xe00b, -1 },
        { "cs-xen-ring1-32",    0xe01b, -1 },
        { "cs-tss",             0x0043, -1 },
        { "ss-beyond-gdt",      -1, 0xfffb },
        { "ss-ldt-empty",       -1, 0x0007 },
        { "ss-is-code",         -1, 0x0033 },
        { "ss-kernel",          -1, 0x001b },
        { "ss-xen-monitor",     -1, 0xe013 },
        { "ss-null",            -1, 0x0003 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fault f;

        reset_edit();
        edit.cs = rows[i].cs;
        edit.ss = rows[i].ss;
        f = go();
        verdict(rows[i].name,
                (f.sig == SIGSEGV || f.sig == SIGBUS) && alive(),
                "signal %d", f.sig);
    }
}

/*
 * Every code selector there can be.  Most fault; one that names a user code
 * segment lands on an undefined instruction.  Nothing may come back with a
 * privilege below 3, and nothing may stop the guest.
 */
static void sweep(const char *name, bool code)
{
    uint8_t *land = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned wrong = 0, landed = 0;
    int first = -1;

    if (land == MAP_FAILED) {
        broken("mmap");
    }
    land[0] = 0x0f;
    land[1] = 0x0b;
    for (int sel = 3; sel < 0x10000; sel += 4) {
        struct fault f;
        bool ok;

        /* all of the low and of Xen's selectors, a sample of the others */
        if (sel >= 0x200 && sel < 0xdff0 && sel % 0x7c != 3) {
            continue;
        }
        if (sel >= 0xe100 && sel % 0x7c != 3) {
            continue;
        }
        reset_edit();
        edit.set_rip = true;
        edit.rip = (uintptr_t)land;
        *(code ? &edit.cs : &edit.ss) = sel;
        f = go();
        ok = f.sig == SIGSEGV || f.sig == SIGBUS || f.sig == SIGILL;
        if (f.sig == SIGILL) {
            uint16_t cs = f.regs[REG_CSGSFS];

            landed++;
            ok = (cs & 3) == 3 && f.regs[REG_RIP] == (greg_t)(uintptr_t)land;
        }
        if (!ok) {
            first = wrong++ ? first : sel;
        }
    }
    verdict(name, wrong == 0 && landed > 0 && alive(),
            "%u selectors went wrong, first 0x%x; %u landed",
            wrong, first, landed);
    munmap(land, PAGE);
}

/* Flags a program may ask for but must not get */
static void on_usr2(int sig, siginfo_t *si, void *ucp)
{
    ucontext_t *uc = ucp;

    (void)sig;
    (void)si;
    uc->uc_mcontext.gregs[REG_EFL] |= 3 << 12 | 1 << 14 | 1 << 17 | 1 << 18;
    uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)(1 << 9);
}

static void bad_flags(void)
{
    struct sigaction sa = { .sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO };
    uint64_t flags;

    sigaction(SIGUSR2, &sa, NULL);
    raise(SIGUSR2);
    __asm__ volatile("pushfq\n\t popq %0\n\t"
                     "pushq %0\n\t andq $~0x40000, (%%rsp)\n\t popfq"
                     : "=r"(flags) :: "memory", "cc");
    /* IF stays on, IOPL, NT and VM stay off */
    verdict("flags", (flags & (1 << 9)) && !(flags & (3 << 12)) &&
            !(flags & (1 << 14)) && !(flags & (1 << 17)), "0x%lx", flags);
}

void test_sigreturn(void)
{
    bad_rip();
    bad_rsp();
    named_selectors();
    bad_flags();
    sweep("sweep-cs", true);
    sweep("sweep-ss", false);
}
