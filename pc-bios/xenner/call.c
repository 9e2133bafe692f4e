/*
 * Calls to QEMU: the mailbox, traces, and the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor.h"

struct xenpv_mailbox *mailbox(void)
{
    return (struct xenpv_mailbox *)(XENPV_MONITOR_VA + XENPV_OFF_MAILBOX +
                                    current()->id * PAGE_SIZE);
}

/* data and len of the mailbox are the caller's, before and after */
int64_t call_qemu(uint32_t nr, uint32_t subop, const uint64_t arg[4])
{
    struct xenpv_mailbox *m = mailbox();
    unsigned i;

    m->nr = nr;
    m->subop = subop;
    m->ret = -XEN_ENOSYS;
    for (i = 0; i < 4; i++) {
        m->arg[i] = arg ? arg[i] : 0;
    }
    outl(XENPV_PORT_CALL, current()->id);
    return m->ret;
}

/* A guest that keeps asking is told no without leaving the VM */
#define MAX_LOGS_PER_KIND 64

void log_qemu(uint32_t kind, uint64_t a, uint64_t b, uint64_t rip)
{
    static uint8_t logged[8];
    uint64_t arg[4] = { a, b, rip, 0 };

    if (logged[kind & 7] >= MAX_LOGS_PER_KIND) {
        return;
    }
    logged[kind & 7]++;

    mailbox()->len = 0;
    call_qemu(XENPV_CALL_LOG, kind, arg);
}

static unsigned put_string(char *buf, unsigned pos, const char *s)
{
    while (*s && pos < sizeof(mailbox()->data) - 1) {
        buf[pos++] = *s++;
    }
    return pos;
}

static unsigned put_hex(char *buf, unsigned pos, const char *name, uint64_t v)
{
    char digits[20] = " 0x";
    char *d = digits + 3;
    int shift = 60;

    while (shift && !((v >> shift) & 15)) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        unsigned nibble = (v >> shift) & 15;

        *d++ = nibble < 10 ? '0' + nibble : 'a' + nibble - 10;
    }
    *d = 0;
    pos = put_string(buf, pos, name);
    return put_string(buf, pos, digits);
}

static void __attribute__((noreturn))
end(const char *who, const char *why, const struct regs *regs)
{
    struct xenpv_mailbox *m = mailbox();
    char *text = (char *)m->data;
    unsigned pos;

    pos = put_string(text, 0, who);
    pos = put_string(text, pos, why);
    if (regs) {
        pos = put_hex(text, pos, ", rip", regs->rip);
        pos = put_hex(text, pos, " cs", regs->cs);
        pos = put_hex(text, pos, " rsp", regs->rsp);
        pos = put_hex(text, pos, " vector", regs->vector);
        pos = put_hex(text, pos, " error", regs->error);
        pos = put_hex(text, pos, " cr2", read_cr2());
        pos = put_hex(text, pos, " rax", regs->rax);
        pos = put_hex(text, pos, " rdi", regs->rdi);
        pos = put_hex(text, pos, " rsi", regs->rsi);
    }
    m->len = pos;
    call_qemu(XENPV_CALL_PANIC, 0, NULL);
    sleep_begin(current());     /* the other vCPUs shall not wait for it */
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* The monitor is broken */
void panic(const char *why, const struct regs *regs)
{
    end("monitor: ", why, regs);
}

/* The guest did what makes Xen crash a domain */
void crash_guest(const char *why, const struct regs *regs)
{
    end("guest: ", why, regs);
}
