/*
 * A 32-bit program in the 64-bit guest: all three ways into the kernel, and
 * what a 32-bit process expects of signals, segments and faults.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Built with -m32 -nostdlib, so that no 32-bit C library is needed; that is
 * why the few helpers below exist again.
 *
 * A PV kernel gets int 0x80 through its trap table, SYSENTER and 32-bit
 * SYSCALL through callbacks it registered.  The kernel returns from the last
 * two to a fixed place in the vDSO, which pops three registers and returns:
 * so raw_sysenter() and raw_syscall() push those and never return themselves.
 */

typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned char u8;

enum {
    NR_EXIT = 1, NR_FORK = 2, NR_READ = 3, NR_WRITE = 4, NR_WAITPID = 7,
    NR_EXECVE = 11, NR_GETPID = 20, NR_KILL = 37, NR_GETPPID = 64,
    NR_MUNMAP = 91, NR_SCHED_YIELD = 158, NR_NANOSLEEP = 162,
    NR_RT_SIGACTION = 174, NR_MMAP2 = 192, NR_SET_THREAD_AREA = 243,
    NR_CLOCK_GETTIME = 265, NR_MODIFY_LDT = 123,
};

enum { SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGUSR1 = 10, SIGSEGV = 11 };

struct call {
    u32 nr, a[6];
};

typedef int entry(const struct call *c);

entry via_int80, via_sysenter, via_syscall, via_vdso;
u32 vdso_entry;

/*
 * Each loads the registers of a call and enters the kernel.  %ebp is the
 * sixth argument; for SYSENTER and SYSCALL it moves to the stack.
 */
__asm__(
    ".macro enter name\n"
    ".globl \\name\n"
    "\\name:\n"
    "push %ebx\n push %esi\n push %edi\n push %ebp\n"
    "mov 20(%esp), %eax\n"
    "mov 4(%eax), %ebx\n mov 8(%eax), %ecx\n mov 12(%eax), %edx\n"
    "mov 16(%eax), %esi\n mov 20(%eax), %edi\n mov 24(%eax), %ebp\n"
    "mov (%eax), %eax\n"
    ".endm\n"
    ".macro leave_call\n"
    "pop %ebp\n pop %edi\n pop %esi\n pop %ebx\n ret\n"
    ".endm\n"

    "enter via_int80\n"
    "int $0x80\n"
    "leave_call\n"

    "enter via_sysenter\n"
    "call raw_sysenter\n"
    "leave_call\n"
    "raw_sysenter:\n"
    "push %ecx\n push %edx\n push %ebp\n"
    "mov %esp, %ebp\n"
    "sysenter\n"
    "hlt\n"

    "enter via_syscall\n"
    "call raw_syscall\n"
    "leave_call\n"
    "raw_syscall:\n"
    "push %ecx\n push %edx\n push %ebp\n"
    "mov %ecx, %ebp\n"
    "syscall\n"
    "hlt\n"

    "enter via_vdso\n"
    "call *vdso_entry\n"
    "leave_call\n"
);

/* Accesses that are made just as written: hence volatile */
static u32 peek(u32 addr)
{
    return *(volatile u32 *)addr; /* see above */
}

static void poke(u32 addr, u32 value)
{
    *(volatile u32 *)addr = value; /* see above */
}

static int sys(u32 nr, u32 a, u32 b, u32 c)
{
    struct call call = { nr, { a, b, c, 0, 0, 0 } };

    return via_int80(&call);
}

static u32 length(const char *s)
{
    u32 n = 0;

    while (s[n]) {
        n++;
    }
    return n;
}

static void put(const char *s)
{
    sys(NR_WRITE, 1, (u32)s, length(s));
}

static void put_number(u32 v)
{
    char buf[11], *p = buf + 10;

    *p = 0;
    do {
        *--p = '0' + v % 10;
        v /= 10;
    } while (v);
    put(p);
}

static u32 nr_passed, nr_failed, nr_skipped;

static void verdict(const char *name, int ok, int detail)
{
    put(ok ? "PASS compat32/" : "FAIL compat32/");
    put(name);
    if (ok) {
        nr_passed++;
    } else {
        nr_failed++;
        put(": got ");
        if (detail < 0) {
            put("-");
            detail = -detail;
        }
        put_number(detail);
    }
    put("\n");
}

static void skip(const char *name, const char *why)
{
    nr_skipped++;
    put("SKIP compat32/");
    put(name);
    put(": ");
    put(why);
    put("\n");
}

/* Wait status of a child that runs @fn */
static int in_child(int (*fn)(void *), void *arg)
{
    int pid = sys(NR_FORK, 0, 0, 0), status = 0;

    if (pid == 0) {
        sys(NR_EXIT, fn(arg), 0, 0);
    }
    if (pid < 0 || sys(NR_WAITPID, pid, (u32)&status, 0) != pid) {
        return -1;
    }
    return status;
}

/* One way in: results, six arguments, errors, many times over */
static int use_entry(void *arg)
{
    entry *enter = arg;
    struct call pid = { NR_GETPID, { 0 } };
    struct call map = { NR_MMAP2, { 0, 8192, 3, 0x22, -1u, 0 } };
    struct call bad_map = { NR_MMAP2, { 0, 4096, 1, 0x02, -1u, 0x12345 } };
    struct call bad = { 999, { 0 } };
    struct call fault = { NR_WRITE, { 1, 0xffff0000, 16 } };
    int want = sys(NR_GETPID, 0, 0, 0), p;

    if (enter(&pid) != want) {
        return 1;
    }
    p = enter(&map);
    if ((u32)p > -4096u) {
        return 2;
    }
    poke(p + 4096, 7);
    if (sys(NR_MUNMAP, p, 8192, 0) != 0) {
        return 3;
    }
    if (enter(&bad_map) != -9) {        /* EBADF */
        return 4;
    }
    if (enter(&bad) != -38) {           /* ENOSYS */
        return 5;
    }
    if (enter(&fault) != -14) {         /* EFAULT */
        return 6;
    }
    for (int i = 0; i < 3000; i++) {
        if (enter(&pid) != want) {
            return 7;
        }
    }
    return 0;
}

/* Is this what vendors other than Intel do in 64-bit kernels? */
static int is_intel(void)
{
    u32 a = 0, b, c, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x756e6547;             /* Genu(ineIntel) */
}

/*
 * SYSENTER is for Intel, 32-bit SYSCALL for all others.  The other one is an
 * invalid instruction, or one that the kernel has not prepared for: a #GP.
 */
static void try_entry(const char *name, entry *enter)
{
    int status = in_child(use_entry, enter), sig = status & 0x7f;
    int foreign = (enter == via_sysenter && !is_intel()) ||
                  (enter == via_syscall && is_intel());

    if (foreign && (sig == SIGILL || sig == SIGSEGV)) {
        skip(name, "not offered on a CPU of this vendor");
        return;
    }
    verdict(name, status == 0, status);
}

static u32 handled, handled_sig;

static void handler(int sig)
{
    poke((u32)&handled, handled + 1);
    poke((u32)&handled_sig, sig);
}

struct sigaction32 {
    void (*handler)(int);
    u32 flags;
    entry *restorer;
    u32 mask[2];
};

entry restorer;
__asm__(".globl restorer\nrestorer: pop %eax\n mov $119, %eax\n int $0x80\n");

static void signals(void)
{
    struct sigaction32 sa = { handler, 0x04000000, restorer, { 0, 0 } };
    struct call act = { NR_RT_SIGACTION, { SIGUSR1, (u32)&sa, 0, 8 } };
    int self = sys(NR_GETPID, 0, 0, 0), ret = via_int80(&act);

    for (int i = 0; i < 500; i++) {
        sys(NR_KILL, self, SIGUSR1, 0);
    }
    verdict("signal", ret == 0 && handled == 500 && handled_sig == SIGUSR1,
            handled);
    /* without a restorer the kernel returns through the vDSO */
    sa.flags = 0;
    sa.restorer = 0;
    via_int80(&act);
    handled = 0;
    sys(NR_KILL, self, SIGUSR1, 0);
    verdict("signal-vdso", handled == 1, handled);
}

static int read_at(void *p)
{
    return peek((u32)p);
}

static int do_ud2(void *arg)
{
    (void)arg;
    __asm__ volatile("ud2");
    return 0;
}

static int do_int3(void *arg)
{
    (void)arg;
    __asm__ volatile("int3");
    return 0;
}

static int do_into(void *arg)
{
    (void)arg;
    __asm__ volatile("movb $0x7f, %%al\n\t addb $1, %%al\n\t into"
                     : : : "eax", "cc");
    return 0;
}

static int do_bound(void *arg)
{
    static const int range[2] = { 1, 2 };

    (void)arg;
    __asm__ volatile("bound %0, %1" :: "r"(9), "m"(range));
    return 0;
}

static int do_hlt(void *arg)
{
    (void)arg;
    __asm__ volatile("hlt");
    return 0;
}

static int do_int82(void *arg)
{
    (void)arg;
    /* the hypercall vector of 32-bit Xen guests: not for programs */
    __asm__ volatile("int $0x82" :: "a"(17));
    return 0;
}

static int do_div(void *arg)
{
    (void)arg;
    __asm__ volatile("xor %%ecx, %%ecx\n\t xor %%edx, %%edx\n\t div %%ecx"
                     : : : "eax", "ecx", "edx", "cc");
    return 0;
}

static int do_lcall7(void *arg)
{
    (void)arg;
    __asm__ volatile("lcall $7, $0");
    return 0;
}

static void faults(void)
{
    static const struct {
        const char *name;
        int (*fn)(void *);
        u32 arg;
        int sig;
    } rows[] = {
        { "read-null",     read_at,   0,          SIGSEGV },
        { "read-3G",       read_at,   0xc0000000, SIGSEGV },
        { "read-hole-32",  read_at,   0xf5800000, SIGSEGV },
        { "read-last",     read_at,   0xfffff000, SIGSEGV },
        { "ud2",           do_ud2,    0,          SIGILL },
        { "int3",          do_int3,   0,          SIGTRAP },
        { "into",          do_into,   0,          SIGSEGV },
        { "bound",         do_bound,  0,          SIGSEGV },
        { "hlt",           do_hlt,    0,          SIGSEGV },
        { "int82",         do_int82,  0,          SIGSEGV },
        { "div0",          do_div,    0,          SIGFPE },
        { "lcall7",        do_lcall7, 0,          SIGSEGV },
    };

    for (u32 i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int status = in_child(rows[i].fn, (void *)rows[i].arg);

        verdict(rows[i].name, (status & 0x7f) == rows[i].sig, status);
    }
}

static u32 tls_word[4];

struct user_desc32 {
    u32 entry, base, limit, flags;
};

static u32 gs_word(u32 sel)
{
    u32 v;

    __asm__ volatile("mov %1, %%gs\n\t mov %%gs:0, %0" : "=r"(v) : "r"(sel));
    return v;
}

static int tls(void *arg)
{
    struct user_desc32 d = { -1u, (u32)&tls_word[2], 0xfffff, 0x51 };
    u32 sel;

    tls_word[2] = (u32)arg;
    if (sys(NR_SET_THREAD_AREA, (u32)&d, 0, 0)) {
        return 1;
    }
    sel = d.entry * 8 + 3;
    for (int i = 0; i < 50; i++) {
        if (gs_word(sel) != (u32)arg) {
            return 2;
        }
        sys(NR_SCHED_YIELD, 0, 0, 0);
    }
    return 0;
}

/* An expand-up segment of one page: its limit holds in 32-bit code */
static int beyond_limit(void *arg)
{
    static u32 page[1024];
    struct user_desc32 d = { 0, (u32)page, 15, 0x41 };
    u32 v;

    (void)arg;
    if (sys(NR_MODIFY_LDT, 0x11, (u32)&d, sizeof(d))) {
        return 1;
    }
    __asm__ volatile("mov %1, %%gs\n\t mov %%gs:12, %0" : "=r"(v) : "r"(7));
    __asm__ volatile("mov %%gs:16, %0" : "=r"(v));
    return 0;
}

/* 64-bit code reached by a far jump, and back */
static u32 long_mode(void)
{
    u32 result;

    __asm__ volatile(
        "lcall $0x33, $1f\n\t"
        "jmp 2f\n"
        "1:\n\t"
        /* movabs $0x123456789, %rax; shr $4, %rax; lret */
        ".byte 0x48, 0xb8, 0x89, 0x67, 0x45, 0x23, 0x01, 0, 0, 0\n\t"
        ".byte 0x48, 0xc1, 0xe8, 0x04\n\t"
        ".byte 0xcb\n"
        "2:\n\t"
        : "=a"(result) :: "memory", "cc");
    return result;
}

static void clocks(void)
{
    u32 last[2] = { 0, 0 }, now[2], back = 0;

    for (int i = 0; i < 3000; i++) {
        struct call c = { NR_CLOCK_GETTIME, { 1, (u32)now } };

        via_vdso(&c);
        back += now[0] < last[0] || (now[0] == last[0] && now[1] < last[1]);
        last[0] = now[0];
        last[1] = now[1];
    }
    verdict("clock", back == 0 && last[0] + last[1] > 0, back);
}

static void x87(void)
{
    double a = 3.0, r;

    __asm__ volatile("fldl %1\n\t fmul %%st(0), %%st\n\t fstpl %0"
                     : "=m"(r) : "m"(a));
    verdict("x87", r == 9.0, (int)r);
}

static int exec_again(void *arg)
{
    static char again[] = "again";
    char *argv[] = { arg, again, 0 }, *envp[] = { 0 };

    return sys(NR_EXECVE, (u32)arg, (u32)argv, (u32)envp);
}

static void finish(void)
{
    put("RESULT compat32 ");
    put_number(nr_passed);
    put(" passed, ");
    put_number(nr_failed);
    put(" failed, ");
    put_number(nr_skipped);
    put(" skipped\n");
    sys(NR_EXIT, nr_failed ? 1 : 0, 0, 0);
}

/* @stack: argc, argv..., NULL, envp..., NULL, auxiliary vector */
__attribute__((used)) void start_c(u32 *stack)
{
    u32 argc = stack[0], *p = stack + argc + 2;
    static char self[] = "/proc/self/exe";
    int status;

    if (argc > 1) {
        sys(NR_EXIT, 42, 0, 0);
    }
    while (*p) {
        p++;
    }
    p++;
    for (; p[0]; p += 2) {
        if (p[0] == 32) {               /* AT_SYSINFO */
            vdso_entry = p[1];
        }
    }
    try_entry("int80", via_int80);
    try_entry("sysenter", via_sysenter);
    try_entry("syscall32", via_syscall);
    if (vdso_entry) {
        try_entry("vdso", via_vdso);
        clocks();
    } else {
        verdict("vdso", 0, 0);
    }
    signals();
    faults();
    status = in_child(tls, (void *)0x1234);
    verdict("tls", status == 0, status);
    status = in_child(beyond_limit, 0);
    if (status == 0) {
        skip("segment-limit", "this CPU checks no limits: TCG");
    } else {
        verdict("segment-limit", (status & 0x7f) == SIGSEGV, status);
    }
    verdict("long-mode", long_mode() == 0x12345678, long_mode());
    x87();
    status = in_child(exec_again, self);
    verdict("exec", status == 42 << 8, status);
    finish();
}

__asm__(".globl _start\n_start: mov %esp, %eax\n and $-16, %esp\n"
        "sub $12, %esp\n push %eax\n call start_c\n hlt\n");
