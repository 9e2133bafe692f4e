/*
 * A kernel may end its handlers with a plain IRETQ, as Mini-OS does, when it
 * returns to itself: to the instruction, the stack and the flags in the frame.
 * The processor judges such a frame as it judges any.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

/* An event's frame: rcx, r11, rip, cs, rflags, rsp, ss */
KERNEL_CODE(event_by_iretq,
            "    pop %rcx\n"
            "    pop %r11\n"
            "    push %rax\n"
            "    incq handled_by_iretq(%rip)\n"
            "    mov iretq_info(%rip), %rax\n"
            "    movb $0, (%rax)\n"         /* evtchn_upcall_pending */
            "    movq $0, 8(%rax)\n"        /* evtchn_pending_sel */
            "    movb $0, 1(%rax)\n"        /* evtchn_upcall_mask */
            "    mov 16(%rsp), %rax\n"
            "    mov %rax, iretq_cs(%rip)\n"
            "    pop %rax\n"
            "    orb $3, 8(%rsp)\n"
            "    orb $3, 32(%rsp)\n"
            "    movl $0, 12(%rsp)\n"       /* the saved mask */
            "    iretq\n");

/* A breakpoint's, the same */
KERNEL_CODE(trap_by_iretq,
            "    pop %rcx\n"
            "    pop %r11\n"
            "    incq handled_by_iretq(%rip)\n"
            "    orb $3, 8(%rsp)\n"
            "    movl $0, 12(%rsp)\n"
            "    iretq\n");

/* iretq to rdi: five words; where it is, and where they are to lead */
#define IRETQ_INSN ((uint64_t)iretq_to + 10)
#define IRETQ_BACK ((uint64_t)iretq_to + 12)
KERNEL_CODE(iretq_to,
            "    mov %rsp, iretq_sp(%rip)\n"
            "    mov %rdi, %rsp\n"
            "    .org iretq_to + 10\n"
            "    iretq\n"
            "    mov %rsp, iretq_got_sp(%rip)\n"
            "    pushfq\n"
            "    pop %rax\n"
            "    mov iretq_sp(%rip), %rsp\n"
            "    ret\n");

uint64_t handled_by_iretq, iretq_info, iretq_cs, iretq_sp, iretq_got_sp;

static uint64_t bad_vector, bad_error;

/* Not the stack in use: a trap's frame would go over what is below */
static uint64_t stack[512] __attribute__((aligned(16)));

static uint64_t iretq(uint64_t cs, uint64_t rflags, uint64_t ss)
{
    uint64_t *words = &stack[400];

    words[0] = IRETQ_BACK;
    words[1] = cs;
    words[2] = rflags;
    words[3] = (uint64_t)&stack[128];
    words[4] = ss;
    return ((uint64_t (*)(uint64_t *))iretq_to)(words);
}

static void come_back(struct frame *f)
{
    bad_vector = f->vector;
    bad_error = f->error;
    f->rip = IRETQ_BACK;
    on_trap = NULL;
}

static void refused(uint64_t cs, uint64_t ss, uint64_t error)
{
    bad_vector = NO_TRAP;
    on_trap = come_back;
    iretq(cs, 2, ss);
    on_trap = NULL;
    equal(bad_vector, X86_GP);
    equal(bad_error, error);
    /* The frame is of the IRETQ itself, not of where it was to go */
    equal(trap.rip, IRETQ_INSN);
    equal(trap.cs & 0xffff, KERNEL_CS_SHOWN);
}

static uint64_t goes(uint64_t rflags, uint64_t ss)
{
    uint64_t got = iretq(KERNEL_CS, rflags, ss);

    equal(iretq_got_sp, (uint64_t)&stack[128]);
    return got;
}

int main(void)
{
    uint32_t port;
    uint64_t i;

    iretq_info = (uint64_t)VCPU;
    equal(register_callback(CALLBACK_EVENT, CALLBACKF_mask_events,
                            event_by_iretq), 0);
    set_trap(X86_BP, (uint64_t)trap_by_iretq, 3);
    clear_events();
    port = bind_ipi();
    set_port_mask(port, false);
    VCPU->evtchn_upcall_mask = 0;
    for (i = 1; i <= 100; i++) {
        equal(send_event(port), 0);
        equal(handled_by_iretq, 2 * i - 1);
        equal(iretq_cs & 0xffff, KERNEL_CS_SHOWN);
        SHARED->evtchn_pending[0] = 0;
        __asm__ volatile("int3" : : : "rcx", "r11", "memory");
        equal(handled_by_iretq, 2 * i);
        equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    }

    /* Flags: IF is not the guest's to change; the others are */
    equal(goes(2, KERNEL_SS) & (FL_IF | FL_CF | FL_DF), FL_IF);
    equal(goes(2 | FL_IF | FL_CF, KERNEL_SS) & FL_CF, FL_CF);
    equal(goes(2 | FL_IOPL, KERNEL_SS) & FL_IOPL, 0);
    equal(send_event(port), 0);
    equal(handled_by_iretq, 201);

    refused(KERNEL_CS_SHOWN, KERNEL_SS, KERNEL_CS_SHOWN);
    refused(0x1233, KERNEL_SS, 0x1230);
    refused(KERNEL_SS, KERNEL_SS, KERNEL_SS & ~3);
    refused(KERNEL_CS, 0x1233, 0x1230);
    refused(KERNEL_CS, 3, 0);
    return 0;
}
