/*
 * Ways into the monitor and out of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The monitor runs with interrupts off except in wait_for_interrupt.  Every
 * entry from the guest finds an empty stack: the processor (RSP0) or a stub
 * (SYSCALL) loads the address of struct vcpu, and struct regs is pushed right
 * below it.  So regs + 1 is the vCPU, for entries from the guest.
 *
 * Two paths make up a system call of a guest process: user SYSCALL to kernel
 * entry point, and the kernel's iret hypercall back.  They are written out
 * here and touch nothing they need not; whatever is unusual goes to C.
 */
#include "asm-offsets.h"

/* A memory access that may fault on guest memory; on a fault go to \fixup */
.macro EXTABLE insn, fixup
    .pushsection .extable, "a"
    .balign 4
    .long \insn - .
    .long \fixup - .
    .popsection
.endm

.macro PUSH_GPRS
    push    %rdi
    push    %rsi
    push    %rdx
    push    %rcx
    push    %rax
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
.endm

.macro POP_GPRS
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    pop     %rcx
    pop     %rdx
    pop     %rsi
    pop     %rdi
.endm

    .section .start, "ax"
    .code64
    .globl  _start
/*
 * QEMU starts each vCPU here: 64-bit mode, ring 0, interrupts off, rdi =
 * number of the vCPU, rsp = its struct vcpu, CR3 = the hole only.
 */
_start:
    cld
    sub     $0x400, %rsp            /* the first struct regs goes there */
    call    vcpu_start
    ud2

    .text

/* ---- exceptions and interrupts ---- */

/* One 16-byte stub per vector; the address of vector n is stubs + 16 * n */
    .balign 16
    .globl  vector_stubs
vector_stubs:
    vector = 0
    .rept 256
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || \
        (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    /* the processor has pushed an error code */
    .else
    push    $0
    .endif
    push    $vector
    jmp     exception_entry
    vector = vector + 1
    .endr

    .balign 16
exception_entry:
    PUSH_GPRS
    cld
    mov     %rsp, %rdi
    testb   $3, R_CS(%rsp)
    jz      1f
    call    trap_from_guest
    jmp     exit_to_guest
1:
    call    trap_from_monitor
    POP_GPRS
    add     $16, %rsp
    iretq

/*
 * resume_guest(regs): abandon whatever the monitor was doing and go on with
 * the guest context in regs, which lies right below struct vcpu.
 */
    .globl  resume_guest
resume_guest:
    mov     %rdi, %rsp

/*
 * Every way out to the guest but the two fast ones.  An event that became
 * pending before this test is delivered here; one that becomes pending later
 * comes as an interrupt after iretq, because interrupts are off until then.
 */
exit_to_guest:
    mov     R_SIZE + V_INFO(%rsp), %rax
    cmpw    $1, (%rax)              /* pending and not masked */
    je      exit_slow
    cmpb    $0, R_SIZE + V_WORK(%rsp)
    jne     exit_slow
exit_restore:
    POP_GPRS
    add     $16, %rsp
    .globl  iret_to_guest
iret_to_guest:
    iretq

exit_slow:
    mov     %rsp, %rdi
    call    exit_work
    jmp     exit_restore

/* ---- SYSCALL ---- */

/*
 * rsp = struct vcpu; rcx, r11 = rip and rflags of the caller; its rsp is in
 * the stub's data.
 */
    .balign 16
    .globl  syscall_entry
syscall_entry:
    cmpb    $0, V_IN_KERNEL(%rsp)
    jne     hypercall_entry
    cmpb    $0, V_FAST_SYSCALL(%rsp)
    je      syscall_slow

    push    %rax
    push    %rdx
    mov     16 + V_INFO(%rsp), %rdx
    cmpb    $0, 1(%rdx)
    jne     syscall_slow_pop
    mov     16 + V_KERNEL_SP(%rsp), %rax
    mov     16 + V_USER_RSP(%rsp), %rdx
    /* ss, rsp, rflags, cs, rip, r11, rcx; the guest's stack may not be there */
1:  movq    $SEL_FLAT_SS, -8(%rax)
2:  mov     %rdx, -16(%rax)
3:  mov     %r11, -24(%rax)
4:  movq    $SEL_FLAT_CS64, -32(%rax)
5:  mov     %rcx, -40(%rax)
6:  mov     %r11, -48(%rax)
7:  mov     %rcx, -56(%rax)
    EXTABLE 1b, syscall_slow_pop
    EXTABLE 2b, syscall_slow_pop
    EXTABLE 3b, syscall_slow_pop
    EXTABLE 4b, syscall_slow_pop
    EXTABLE 5b, syscall_slow_pop
    EXTABLE 6b, syscall_slow_pop
    EXTABLE 7b, syscall_slow_pop
    /* V_FAST_SYSCALL says that the callback masks events: none can be due */
    mov     16 + V_INFO(%rsp), %rdx
    movb    $1, 1(%rdx)
    movb    $1, 16 + V_IN_KERNEL(%rsp)
    swapgs
    sub     $56, %rax
    and     $~(FL_TF | FL_DF | FL_NT | FL_AC | FL_RF | FL_IOPL | FL_VM), %r11
    pushq   16 + V_KERNEL_SS(%rsp)
    push    %rax
    push    %r11
    pushq   40 + V_KERNEL_CS(%rsp)
    pushq   48 + V_SYSCALL_EIP(%rsp)
    mov     48(%rsp), %rax
    mov     40(%rsp), %rdx
    iretq

syscall_slow_pop:
    pop     %rdx
    pop     %rax
syscall_slow:
    pushq   $SEL_FLAT_SS
    pushq   8 + V_USER_RSP(%rsp)
    push    %r11
    pushq   $SEL_FLAT_CS64
    push    %rcx
    pushq   $0
    pushq   $VEC_SYSCALL
    jmp     slow_common

    .globl  syscall32_entry
syscall32_entry:
    cmpb    $0, V_IN_KERNEL(%rsp)
    jne     hypercall_entry
    pushq   $SEL_FLAT_SS
    pushq   8 + V_USER_RSP(%rsp)
    push    %r11
    pushq   $SEL_FLAT_CS32
    push    %rcx
    pushq   $0
    pushq   $VEC_SYSCALL32
    jmp     slow_common

/* The processor kept neither rip nor rsp nor rflags: the ABI passes zeros */
    .globl  sysenter_entry
sysenter_entry:
    pushq   $SEL_FLAT_SS
    pushq   $0
    pushfq
    pushq   $3
    pushq   $0
    pushq   $0
    pushq   $VEC_SYSENTER
slow_common:
    PUSH_GPRS
    cld
    mov     %rsp, %rdi
    call    syscall_from_guest
    jmp     exit_to_guest

    .balign 16
hypercall_entry:
    cmp     $23, %eax               /* __HYPERVISOR_iret */
    je      iret_entry
hypercall_slow:
    pushq   V_KERNEL_SS(%rsp)
    pushq   8 + V_USER_RSP(%rsp)
    push    %r11
    pushq   24 + V_KERNEL_CS(%rsp)
    push    %rcx
    pushq   $0
    pushq   $VEC_HYPERCALL
    PUSH_GPRS
    mov     %rsp, %rdi
    call    hypercall
    jmp     exit_to_guest

/*
 * The iret hypercall.  rax, rcx and r11 are free: the frame has the values
 * the guest wants in them.  Nothing is changed until all of the frame that
 * can fault has been read once; from then on it is mapped.
 */
    .balign 16
iret_entry:
    cmpb    $0, V_FAST_IRET(%rsp)
    je      iret_slow
    cmpb    $0, V_WORK(%rsp)
    jne     iret_slow
    mov     V_USER_RSP(%rsp), %rax
11: pushq   64(%rax)                /* ss */
12: pushq   56(%rax)                /* rsp */
13: mov     48(%rax), %r11          /* rflags */
    and     $~(FL_IOPL | FL_VM | FL_VIF | FL_VIP), %r11
    push    %r11
14: pushq   40(%rax)                /* cs */
15: pushq   32(%rax)                /* rip */
    /* Guest masks events: seldom, and nothing can be delivered; C does it */
    test    $FL_IF, %r11d
    jz      iret_slow_pop
    mov     40 + V_INFO(%rsp), %rcx
    cmpb    $0, (%rcx)
    jne     iret_slow_pop           /* an event is due on top of the target */

    mov     8(%rsp), %r11
    and     $3, %r11d
    cmp     $3, %r11d
    jne     iret_kernel

16: mov     16(%rax), %r11
    cmp     (%rsp), %r11            /* rcx == rip ? */
    jne     iret_user
    shr     $47, %r11
    jnz     iret_user               /* SYSRET to a non-canonical rip traps */
17: mov     8(%rax), %r11
    xor     16(%rsp), %r11          /* r11 == rflags ? */
    jnz     iret_user
    testl   $(FL_TF | FL_RF | FL_NT), 16(%rsp)
    jnz     iret_user
    cmpq    $0x33, 8(%rsp)
    jne     iret_user
    cmpq    $0x2b, 32(%rsp)
    jne     iret_user

18: pushq   (%rax)
    movb    $0, 1(%rcx)
    movb    $0, 48 + V_IN_KERNEL(%rsp)
    swapgs
    mov     24(%rsp), %r11
    mov     8(%rsp), %rcx
    mov     (%rsp), %rax
    mov     32(%rsp), %rsp
    sysretq

/* rcx = vcpu_info, rax = the guest's frame, rsp = our copy for iretq */
iret_user:
19: pushq   (%rax)
20: pushq   8(%rax)
21: pushq   16(%rax)
    movb    $0, 1(%rcx)
    movb    $0, 64 + V_IN_KERNEL(%rsp)
    orb     $3, 24 + 32(%rsp)
    swapgs
    pop     %rcx
    pop     %r11
    pop     %rax
    .globl  iret_to_user
iret_to_user:
    iretq

iret_kernel:
22: pushq   (%rax)
23: pushq   8(%rax)
24: pushq   16(%rax)
    movb    $0, 1(%rcx)
    mov     64 + V_KERNEL_CS(%rsp), %rax
    mov     %rax, 24 + 8(%rsp)
    mov     64 + V_KERNEL_SS(%rsp), %rax
    mov     %rax, 24 + 32(%rsp)
    pop     %rcx
    pop     %r11
    pop     %rax
    .globl  iret_to_kernel
iret_to_kernel:
    iretq

    EXTABLE 11b, iret_slow_pop
    EXTABLE 12b, iret_slow_pop
    EXTABLE 13b, iret_slow_pop
    EXTABLE 14b, iret_slow_pop
    EXTABLE 15b, iret_slow_pop
    EXTABLE 16b, iret_slow_pop
    EXTABLE 17b, iret_slow_pop
    EXTABLE 18b, iret_slow_pop
    EXTABLE 19b, iret_slow_pop
    EXTABLE 20b, iret_slow_pop
    EXTABLE 21b, iret_slow_pop
    EXTABLE 22b, iret_slow_pop
    EXTABLE 23b, iret_slow_pop
    EXTABLE 24b, iret_slow_pop

iret_slow_pop:
    and     $-0x10000, %rsp
    add     $VCPU_OFF, %rsp
iret_slow:
    mov     $23, %eax
    jmp     hypercall_slow

/* int $0x82 of a 32-bit guest's kernel, the only one whose gate leads here */
    .balign 16
    .globl  hypercall32_stub
hypercall32_stub:
    push    $0
    push    $VEC_HYPERCALL32
    PUSH_GPRS
    cld
    mov     %rsp, %rdi
    call    hypercall32
    jmp     exit_to_guest

/* ---- stacks of their own: NMI, double fault, machine check ---- */

    .balign 16
    .globl  nmi_stub
nmi_stub:
    push    $0
    push    $2
    jmp     ist_entry
    .globl  double_fault_stub
double_fault_stub:
    push    $8
    jmp     ist_entry
    .globl  machine_check_stub
machine_check_stub:
    push    $0
    push    $18
ist_entry:
    PUSH_GPRS
    cld
    mov     %rsp, %rdi
    call    trap_on_ist
    POP_GPRS
    add     $16, %rsp
    iretq

/* ---- small things ---- */

/* Interrupts are let in by the very instruction that sleeps: none is missed */
    .globl  wait_for_interrupt
wait_for_interrupt:
    sti
    hlt
    cli
    ret

/* unsigned long copy_guarded(dst, src, len): bytes not copied */
    .globl  copy_guarded
copy_guarded:
    mov     %rdx, %rcx
    shr     $3, %rcx
31: rep movsq
    mov     %edx, %ecx
    and     $7, %ecx
32: rep movsb
    xor     %eax, %eax
    ret
33: /* rcx words and the odd bytes are left */
    and     $7, %edx
    lea     (%rdx, %rcx, 8), %rax
    ret
34: mov     %rcx, %rax
    ret
    EXTABLE 31b, 33b
    EXTABLE 32b, 34b

/* int read64_guarded(uint64_t *value, const void *address): 0 or -EFAULT */
    .globl  read64_guarded
read64_guarded:
35: mov     (%rsi), %rax
    mov     %rax, (%rdi)
    xor     %eax, %eax
    ret
    EXTABLE 35b, efault

/* int rdmsr_guarded(uint32_t index, uint64_t *value) */
    .globl  rdmsr_guarded
rdmsr_guarded:
    mov     %edi, %ecx
36: rdmsr
    shl     $32, %rdx
    or      %rdx, %rax
    mov     %rax, (%rsi)
    xor     %eax, %eax
    ret
    EXTABLE 36b, efault

/* int wrmsr_guarded(uint32_t index, uint64_t value) */
    .globl  wrmsr_guarded
wrmsr_guarded:
    mov     %edi, %ecx
    mov     %esi, %eax
    mov     %rsi, %rdx
    shr     $32, %rdx
37: wrmsr
    xor     %eax, %eax
    ret
    EXTABLE 37b, efault

/* int xsetbv_guarded(uint32_t index, uint64_t value) */
    .globl  xsetbv_guarded
xsetbv_guarded:
    mov     %edi, %ecx
    mov     %esi, %eax
    mov     %rsi, %rdx
    shr     $32, %rdx
38: xsetbv
    xor     %eax, %eax
    ret
    EXTABLE 38b, efault

/*
 * int load_user_gs(uint16_t selector): load the selector on the user side of
 * swapgs, leaving the kernel's base alone
 */
    .globl  load_user_gs
load_user_gs:
    swapgs
39: mov     %edi, %gs
    xor     %eax, %eax
40: swapgs
    ret
41: xor     %ecx, %ecx
    mov     %ecx, %gs
    mov     $-14, %eax
    jmp     40b
    EXTABLE 39b, 41b

/* void load_data_segments(ds, es, fs): what cannot be loaded is left null */
    .globl  load_data_segments
load_data_segments:
42: mov     %edi, %ds
43: mov     %esi, %es
44: mov     %edx, %fs
45: ret
    EXTABLE 42b, 43b
    EXTABLE 43b, 44b
    EXTABLE 44b, 45b

/* void load_gs(uint16_t selector): no swapgs, which a 32-bit guest lacks */
    .globl  load_gs
load_gs:
46: mov     %edi, %gs
47: ret
    EXTABLE 46b, 47b

efault:
    mov     $-14, %eax
    ret

/*
 * The stubs SYSCALL and SYSENTER really arrive at are copies of this one, in
 * a page of the vCPU's own: all they know of the world is relative to rip.
 * Until the stack is loaded nothing may fault and no interrupt may come; the
 * flag mask and the interrupt stacks see to that.
 */
    .globl  syscall_stub
syscall_stub:
    mov     %rsp, STUB_DATA_RSP - STUB_OFF + syscall_stub(%rip)
    mov     STUB_DATA_VCPU - STUB_OFF + syscall_stub(%rip), %rsp
    jmp     *STUB_DATA_ENTRY - STUB_OFF + syscall_stub(%rip)
    .globl  syscall_stub_end
syscall_stub_end:

    .globl  syscall32_stub
syscall32_stub:
    mov     %rsp, STUB_DATA_RSP - STUB32_OFF + syscall32_stub(%rip)
    mov     STUB_DATA_VCPU - STUB32_OFF + syscall32_stub(%rip), %rsp
    jmp     *STUB_DATA_ENTRY + 8 - STUB32_OFF + syscall32_stub(%rip)
    .globl  syscall32_stub_end
syscall32_stub_end:

    .globl  sysenter_stub
sysenter_stub:
    mov     STUB_DATA_VCPU - STUB_SYSENTER_OFF + sysenter_stub(%rip), %rsp
    jmp     *STUB_DATA_ENTRY + 16 - STUB_SYSENTER_OFF + sysenter_stub(%rip)
    .globl  sysenter_stub_end
sysenter_stub_end:

    .section .note.GNU-stack, "", @progbits
