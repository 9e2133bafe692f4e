/*
 * Privileged instructions of the guest kernel: decoded, emulated, or its own
 * general protection fault.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Only what kernels are known to use, on registers.  The policy is Xen's for
 * a 64-bit PV guest.
 */
#include "monitor.h"

#define MAX_INSN    15

#define CPUID_XEN   0x40000000u

struct insn {
    uint8_t byte[MAX_INSN];
    unsigned len;           /* bytes that could be fetched */
    unsigned pos;
    uint8_t rex;
    bool opsize;
};

/* As many bytes at rip as are mapped */
static void fetch(struct insn *in, uint64_t rip)
{
    unsigned to_page_end = PAGE_SIZE - (rip & ~PAGE_MASK);

    *in = (struct insn) { .len = MAX_INSN };
    if (copy_from_guest(in->byte, rip, in->len)) {
        in->len = to_page_end < MAX_INSN ? to_page_end : 0;
        if (in->len && copy_from_guest(in->byte, rip, in->len)) {
            in->len = 0;
        }
    }
}

static uint8_t next(struct insn *in)
{
    return in->pos < in->len ? in->byte[in->pos++] : (in->pos++, 0);
}

static uint64_t *gpr(struct regs *r, unsigned n)
{
    uint64_t *const map[16] = {
        &r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
        &r->r8, &r->r9, &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15
    };

    return map[n & 15];
}

/* ---- CPUID ---- */

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};

static struct cpuid native_cpuid(uint32_t leaf, uint32_t sub)
{
    struct cpuid c = { .eax = leaf, .ecx = sub };

    __asm__("cpuid" : "+a"(c.eax), "=b"(c.ebx), "+c"(c.ecx), "=d"(c.edx));
    return c;
}

#define BIT(n) (1u << (n))

#define MSR_PLATFORM_INFO       0x000000ce
#define MSR_MISC_FEATURES       0x00000140
#define PLATFORM_CPUID_FAULTS   BIT(31)
#define FEATURES_CPUID_FAULTS   BIT(0)

static struct cpuid xen_leaf(uint32_t leaf, uint32_t sub)
{
    struct cpuid c = { 0 };

    switch (leaf - CPUID_XEN) {
    case 0:
        c.eax = CPUID_XEN + 4;
        c.ebx = 0x566e6558;     /* XenV */
        c.ecx = 0x65584d4d;     /* MMXe */
        c.edx = 0x4d4d566e;     /* nVMM */
        break;
    case 1:
        c.eax = 4 << 16 | 17;
        break;
    case 2:
        c.eax = 1;
        c.ebx = CPUID_XEN;      /* MSR that would fill a hypercall page */
        c.ecx = BIT(0);         /* MMU_PT_UPDATE_PRESERVE_AD */
        break;
    case 3:
        /* tsc_mode 0: Linux must not take the counter for a clock source */
        (void)sub;
        break;
    default:
        /*
         * 4: nothing for PV.  The upcall vector bit there would make Linux
         * ask for HVM's way of delivery.
         */
        break;
    }
    return c;
}

/* What Xen lets a PV guest see; the rest is for whoever owns ring 0 */
static void filter_cpuid(struct vcpu *v, uint32_t leaf, uint32_t sub,
                         struct cpuid *c)
{
    switch (leaf) {
    case 1:
        c->ecx &= ~(BIT(2) | BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7) |
                    BIT(8) | BIT(10) | BIT(14) | BIT(15) | BIT(17) | BIT(18) |
                    BIT(21) | BIT(24) | BIT(27));
        c->ecx |= BIT(31);
        if (v->cr4 & CR4_OSXSAVE) {
            c->ecx |= BIT(27);
        }
        c->edx &= ~(BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(18) |
                    BIT(21) | BIT(22) | BIT(29) | BIT(31));
        break;
    case 5:
    case 6:
    case 0xa:
    case 0xf:
    case 0x10:
    case 0x12:
    case 0x14:
        *c = (struct cpuid) { 0 };
        break;
    case 7:
        if (sub == 0) {
            c->eax = c->eax ? 1 : 0;
            c->ebx &= ~(BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(7) | BIT(10) |
                        BIT(11) | BIT(12) | BIT(14) | BIT(15) | BIT(20) |
                        BIT(25));
            c->ecx &= BIT(1) | BIT(6) | BIT(8) | BIT(9) | BIT(10) | BIT(11) |
                      BIT(12) | BIT(14) | BIT(22) | BIT(25);
            c->edx &= BIT(2) | BIT(3) | BIT(4) | BIT(8) | BIT(10) | BIT(14) |
                      BIT(23);
        } else if (sub == 1) {
            c->eax &= BIT(4) | BIT(5) | BIT(10) | BIT(11) | BIT(12);
            c->ebx = c->ecx = c->edx = 0;
        } else {
            *c = (struct cpuid) { 0 };
        }
        break;
    case 0xb:
    case 0x1f:
        break;
    case 0xd:
        if (sub == 0) {
            c->eax &= 0x000000e7;   /* x87, SSE, AVX, AVX-512 */
            c->edx = 0;
        } else if (sub == 1) {
            c->eax &= BIT(0) | BIT(1) | BIT(2);
            c->ebx = c->ecx = c->edx = 0;
        } else if (sub >= 32 || !(0xe7 >> sub & 1)) {
            *c = (struct cpuid) { 0 };
        }
        break;
    case 0x80000001:
        c->ecx &= ~(BIT(2) | BIT(3) | BIT(9) | BIT(10) | BIT(12) | BIT(15) |
                    BIT(19) | BIT(23) | BIT(24) | BIT(26) | BIT(27) | BIT(28) |
                    BIT(29));
        c->edx &= ~(BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(26));
        break;
    case 0x80000007:
        c->eax = c->ebx = c->ecx = 0;
        c->edx &= BIT(8);
        break;
    case 0x80000008:
        c->ebx &= BIT(0) | BIT(2);
        break;
    case 0x8000000a:
    case 0x8000001b:
    case 0x8000001c:
    case 0x8000001e:
    case 0x8000001f:
        *c = (struct cpuid) { 0 };
        break;
    default:
        break;
    }
}

/* ... and a 32-bit guest has no 64-bit mode, nor fast system calls */
static void filter_cpuid32(uint32_t leaf, struct cpuid *c)
{
    if (leaf == 1) {
        c->edx &= ~BIT(11);
    } else if (leaf == 0x80000001) {
        c->ecx &= ~BIT(0);
        c->edx &= ~(BIT(11) | BIT(29));
    }
}

static void emulate_cpuid(struct vcpu *v, struct regs *regs)
{
    uint32_t leaf = regs->rax, sub = regs->rcx;
    struct cpuid c;

    if (leaf >= CPUID_XEN && leaf < CPUID_XEN + 0x100) {
        c = xen_leaf(leaf, sub);
    } else {
        c = native_cpuid(leaf, sub);
        filter_cpuid(v, leaf, sub, &c);
        if (v->pae) {
            filter_cpuid32(leaf, &c);
        }
    }
    regs->rax = c.eax;
    regs->rbx = c.ebx;
    regs->rcx = c.ecx;
    regs->rdx = c.edx;
}

/*
 * Where the processor can, as KVM's always, CPUID outside of ring 0 is a
 * general protection fault: so a process is told what the kernel is told, and
 * not what is below us.
 */
void cpuid_faults(void)
{
    uint64_t value;

    if (rdmsr_guarded(MSR_PLATFORM_INFO, &value) == 0 &&
        value & PLATFORM_CPUID_FAULTS) {
        wrmsr_guarded(MSR_MISC_FEATURES, FEATURES_CPUID_FAULTS);
    }
}

/* ud2, "xen", cpuid: the guest asks Xen rather than the processor */
bool emulate_forced_cpuid(struct vcpu *v, struct regs *regs)
{
    static const uint8_t magic[7] = {
        0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2
    };
    struct insn in;
    unsigned i;

    fetch(&in, regs->rip);
    if (in.len < sizeof(magic)) {
        return false;
    }
    for (i = 0; i < sizeof(magic); i++) {
        if (in.byte[i] != magic[i]) {
            return false;
        }
    }
    emulate_cpuid(v, regs);
    regs->rip += sizeof(magic);
    return true;
}

/* ---- model-specific registers ---- */

#define MSR_TSC             0x00000010
#define MSR_UCODE_REV       0x0000008b
#define MSR_MCG_CAP         0x00000179
#define MSR_MCG_STATUS      0x0000017a
#define MSR_MCG_CTL         0x0000017b
#define MSR_MISC_ENABLE     0x000001a0
#define MSR_MPERF           0x000000e7
#define MSR_APERF           0x000000e8
#define MSR_PERF_CAPS       0x00000345

static bool read_msr(struct vcpu *v, uint32_t index, uint64_t *value)
{
    switch (index) {
    case MSR_EFER:
        *value = rdmsr(MSR_EFER) & ~(uint64_t)0x1000;   /* no SVME */
        if (v->pae) {
            *value &= ~(uint64_t)(EFER_LME | EFER_LMA);
        }
        return true;
    case MSR_PAT:
        *value = XEN_PAT;
        return true;
    case MSR_APIC_BASE:
        *value = XENPV_APIC_GPA | 0x800 | (v->id ? 0 : 0x100);
        return true;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_TSC:
        *value = rdmsr(index);
        return true;
    case MSR_TSC_AUX:
    case MSR_UCODE_REV:
        return rdmsr_guarded(index, value) == 0;
    case MSR_MCG_CAP:               /* machine checks, but no banks */
    case MSR_MCG_STATUS:
    case MSR_MCG_CTL:
    case MSR_PERF_CAPS:
    case MSR_MISC_ENABLE:
        *value = 0;
        return true;
    default:
        return false;
    }
}

static bool write_msr(struct vcpu *v, uint32_t index, uint64_t value)
{
    uint64_t now = 0;

    switch (index) {
    case MSR_EFER:
        read_msr(v, index, &now);
        return ((value ^ now) & ~(uint64_t)EFER_LMA) == 0;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
        /* TCG would take any */
        return canonical(value) && wrmsr_guarded(index, value) == 0;
    case MSR_TSC_AUX:
        return wrmsr_guarded(index, value) == 0;
    case MSR_PAT:
        return value == XEN_PAT;
    case MSR_MISC_ENABLE:
    case MSR_UCODE_REV:             /* Intel: write 0 before reading it */
        return value == 0;
    case MSR_MPERF:
    case MSR_APERF:
    case MSR_MCG_STATUS:
    case MSR_MCG_CTL:
        return true;
    default:
        return false;
    }
}

static bool emulate_rdmsr(struct vcpu *v, struct regs *regs)
{
    uint32_t index = regs->rcx;
    uint64_t value = 0;

    if (!read_msr(v, index, &value)) {
        log_qemu(XENPV_LOG_RDMSR, index, 0, regs->rip);
        if (v->trap[13].address) {
            return false;
        }
        /* It has no handler yet; Xen pretends then */
    }
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
    return true;
}

static bool emulate_wrmsr(struct vcpu *v, struct regs *regs)
{
    uint32_t index = regs->rcx;
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    if (write_msr(v, index, value)) {
        return true;
    }
    log_qemu(XENPV_LOG_WRMSR, index, value, regs->rip);
    return !v->trap[13].address;
}

/* ---- control and debug registers ---- */

void set_ts(struct vcpu *v, bool ts)
{
    uint64_t cr0 = read_cr0();

    v->ts = ts;
    write_cr0(ts ? cr0 | CR0_TS : cr0 & ~CR0_TS);
}

static bool read_cr(struct vcpu *v, unsigned n, uint64_t *value)
{
    switch (n) {
    case 0:
        *value = (read_cr0() & ~CR0_TS) | (v->ts ? CR0_TS : 0);
        return true;
    case 2:
        *value = v->pae ? *cr2_32(v) : v->info->arch.cr2;
        return true;
    case 3:
        *value = v->pae ? cr3_of_frame32(v->kernel_cr3 >> PAGE_SHIFT)
                        : v->kernel_cr3;
        return true;
    case 4:
        *value = v->cr4;
        return true;
    default:
        return false;
    }
}

/* Bits of CR4 that are the guest's own; the others stay what they are */
#define CR4_GUEST (CR4_TSD | CR4_DE | CR4_OSXSAVE)

static bool write_cr(struct vcpu *v, unsigned n, uint64_t value)
{
    switch (n) {
    case 0:
        set_ts(v, value & CR0_TS);
        return true;
    case 2:
        if (v->pae) {
            *cr2_32(v) = value;
        } else {
            v->info->arch.cr2 = value;
        }
        return true;
    case 3:
        if (v->pae) {
            return load_cr3_32(v, frame_of_cr3_32(value)) == 0;
        }
        return load_kernel_cr3(v, value >> PAGE_SHIFT) == 0;
    case 4:
        if (!(native_cpuid(1, 0).ecx & BIT(26))) {
            value &= ~CR4_OSXSAVE;
        }
        v->cr4 = (v->cr4 & ~CR4_GUEST) | (value & CR4_GUEST);
        write_cr4(v->cr4);
        return true;
    default:
        return false;
    }
}

/* ---- ports ---- */

/*
 * Nothing is there: reads float high, writes are lost.  But for one port: to
 * Linux a timer that reads 0xff has just been started, and it would poll
 * fifty thousand times for it to move.
 */
#define PORT_PIT_COUNTER    0x42

static bool emulate_io(struct vcpu *v, struct regs *regs, uint16_t port,
                       unsigned size, bool write)
{
    if (v->iopl < (v->in_kernel ? 1 : 3)) {
        return false;
    }
    log_qemu(XENPV_LOG_IO, port, size << 1 | write, regs->rip);
    if (!write) {
        uint64_t mask = size == 4 ? 0xffffffff : size == 2 ? 0xffff : 0xff;

        regs->rax = size == 4 ? mask : regs->rax | mask;
        if (port == PORT_PIT_COUNTER) {
            regs->rax &= ~mask;
        }
    }
    return true;
}

/* ---- decoding ---- */

static bool emulate_0f01(struct regs *regs, struct insn *in)
{
    uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

    switch (next(in)) {
    case 0xd1:
        /* PKRU and the supervisor states are not for PV guests */
        return !(value & ~0xe7ull) &&
               xsetbv_guarded(regs->rcx, value) == 0;
    default:
        return false;
    }
}

static bool emulate_mov_cr(struct vcpu *v, struct regs *regs, struct insn *in,
                           bool write)
{
    uint8_t modrm = next(in);
    unsigned cr = ((modrm >> 3) & 7) | (in->rex & 4) << 1;
    uint64_t *r = gpr(regs, (modrm & 7) | (in->rex & 1) << 3);

    return write ? write_cr(v, cr, *r) : read_cr(v, cr, r);
}

static bool emulate_0f(struct vcpu *v, struct regs *regs, struct insn *in)
{
    switch (next(in)) {
    case 0x01:
        return emulate_0f01(regs, in);
    case 0x06:                      /* clts */
        set_ts(v, false);
        return true;
    case 0x08:                      /* invd */
    case 0x09:                      /* wbinvd */
        return true;
    case 0x20:
        return emulate_mov_cr(v, regs, in, false);
    case 0x22:
        return emulate_mov_cr(v, regs, in, true);
    case 0x30:
        return emulate_wrmsr(v, regs);
    case 0x32:
        return emulate_rdmsr(v, regs);
    case 0xa2:
        emulate_cpuid(v, regs);
        return true;
    default:
        return false;
    }
}

/* What only the guest kernel may do */
static bool emulate_kernel(struct vcpu *v, struct regs *regs,
                           struct insn *in, uint8_t op)
{
    switch (op) {
    case 0x0f:
        return emulate_0f(v, regs, in);
    case 0x8e:
        /*
         * mov to ss with a selector of RPL 3, which a kernel in ring 3 may
         * load: it has a flat stack segment already.
         */
        return regs->error && (next(in) & 0xf8) == 0xd0 &&
               v->kernel_cs == SEL_RING1_CS;
    case 0xf4:                      /* hlt */
        block(v);
        return true;
    case 0xfa:                      /* cli, sti: the mask is in memory */
    case 0xfb:
        return true;
    default:
        return false;
    }
}

static bool emulate_one(struct vcpu *v, struct regs *regs, struct insn *in)
{
    uint8_t op;

    for (;;) {
        op = next(in);
        if (op == 0x66) {
            in->opsize = true;
        } else if (op != 0xf2 && op != 0xf3 && op != 0x2e && op != 0x3e &&
                   op != 0x26 && op != 0x36 && op != 0x64 && op != 0x65) {
            break;
        }
    }
    if ((op & 0xf0) == 0x40 && !v->pae &&
        (regs->cs & ~3) != (SEL_FLAT_CS32 & ~3)) {
        in->rex = op;
        op = next(in);
    }
    switch (op) {
    case 0xe4 ... 0xe7:
        return emulate_io(v, regs, next(in),
                          op & 1 ? in->opsize ? 2 : 4 : 1, op & 2);
    case 0xec ... 0xef:
        return emulate_io(v, regs, regs->rdx,
                          op & 1 ? in->opsize ? 2 : 4 : 1, op & 2);
    case 0x0f:
        if (in->pos < in->len && in->byte[in->pos] == 0xa2) {
            in->pos++;
            emulate_cpuid(v, regs);     /* see cpuid_faults() */
            return true;
        }
        /* fall through */
    default:
        return v->in_kernel && emulate_kernel(v, regs, in, op);
    }
}

bool emulate_privop(struct vcpu *v, struct regs *regs)
{
    struct insn in;
    uint64_t bytes;

    fetch(&in, regs->rip);
    if (emulate_one(v, regs, &in) && in.pos <= in.len) {
        regs->rip += in.pos;
        return true;
    }
    if (v->in_kernel) {
        memcpy(&bytes, in.byte, sizeof(bytes));
        log_qemu(XENPV_LOG_PRIVOP, bytes, regs->error, regs->rip);
    }
    return false;
}
