/*
 * First instruction, entry points, the way to user mode and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Compiled once for each kind of guest: GUEST_OS, VIRT_BASE, and BARE for one
 * without the notes a small guest does without.
 */

/* ---- notes ------------------------------------------------------------- */

.macro NOTE type:req
    .balign 4
    .long   4, 3f - 2f, \type
    .asciz  "Xen"
    .balign 4
2:
.endm

.macro END_NOTE
3:
    .balign 4
.endm

    .pushsection .note.Xen, "a", @note
    NOTE 6
    .asciz  GUEST_OS
    END_NOTE
    NOTE 5
    .asciz  "xen-3.0"
    END_NOTE
    NOTE 8
    .asciz  "generic"
    END_NOTE
    NOTE 10
    .asciz  "!writable_page_tables|pae_pgdir_above_4gb"
    END_NOTE
    NOTE 2
    .quad   hypercall_page
    END_NOTE
#ifndef BARE
    NOTE 1
    .quad   _start
    END_NOTE
    NOTE 3
    .quad   VIRT_BASE
    END_NOTE
    NOTE 4
    .quad   0
    END_NOTE
#endif
    .popsection

/* ---- start ------------------------------------------------------------- */

    .text
    .globl  _start
_start:
    mov     %rax, boot + 0(%rip)
    mov     %rbx, boot + 8(%rip)
    mov     %rcx, boot + 16(%rip)
    mov     %rdx, boot + 24(%rip)
    mov     %rsi, boot + 32(%rip)
    mov     %rdi, boot + 40(%rip)
    mov     %rbp, boot + 48(%rip)
    mov     %rsp, boot + 56(%rip)
    mov     %r8, boot + 64(%rip)
    mov     %r9, boot + 72(%rip)
    mov     %r10, boot + 80(%rip)
    mov     %r11, boot + 88(%rip)
    mov     %r12, boot + 96(%rip)
    mov     %r13, boot + 104(%rip)
    mov     %r14, boot + 112(%rip)
    mov     %r15, boot + 120(%rip)
    pushfq
    popq    boot + 128(%rip)
    mov     %cs, %eax
    mov     %eax, boot + 136(%rip)
    mov     %ss, %eax
    mov     %eax, boot + 140(%rip)
    mov     %ds, %eax
    mov     %eax, boot + 144(%rip)
    mov     %es, %eax
    mov     %eax, boot + 148(%rip)
    mov     %fs, %eax
    mov     %eax, boot + 152(%rip)
    mov     %gs, %eax
    mov     %eax, boot + 156(%rip)
    fnstcw  boot + 160(%rip)
    stmxcsr boot + 164(%rip)
    mov     $kernel_stack_end, %rsp
    call    start_c
    ud2

    .bss
    .balign 4096
    .skip   16384
kernel_stack_end:
    .globl  trap_stack_end
    .skip   16384
trap_stack_end:

    .text
    .balign 4096
    .globl  hypercall_page
hypercall_page:
    .skip   4096

/* ---- entry points ------------------------------------------------------ */

/*
 * From rsp up: rcx, r11, an error code with some vectors, then what the
 * processor would have pushed.  C sees struct frame.
 */
.macro ENTRY vector:req, error=0
    pop     %rcx
    pop     %r11
    .if \error == 0
    push    $0
    .endif
    push    $\vector
    jmp     common_entry
.endm

    .balign 16
    .globl  trap_entries
trap_entries:
    vector = 0
    .rept 256
    .balign 32
    .if (vector == 8) || (vector >= 10 && vector <= 14) || \
        (vector == 17) || (vector == 21)
    ENTRY vector, 1
    .else
    ENTRY vector
    .endif
    vector = vector + 1
    .endr

    .irp    name, event, failsafe, syscall, syscall32, sysenter, nmi
    .balign 32
    .globl  \name\()_entry
\name\()_entry:
    ENTRY vector
    vector = vector + 1
    .endr

common_entry:
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
    mov     %rsp, %rdi
    mov     %rsp, %rbx
    cld
    and     $-16, %rsp
    call    trap_c
    mov     %rbx, %rsp
restore:
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
    add     $16, %rsp
    push    iret_flags(%rip)
    push    %rcx
    push    %r11
    push    %rax
    mov     $23, %eax
    syscall
    ud2

/* void enter_user(struct frame *f); comes back through leave_user() */
    .globl  enter_user
enter_user:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, saved_rsp(%rip)
    mov     %rdi, %rsp
    jmp     restore

    .globl  leave_user
leave_user:
    mov     saved_rsp(%rip), %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

/* An event on another vCPU than the first: GS is its struct secondary */
    .globl  secondary_event_entry
secondary_event_entry:
    incq    %gs:16
    mov     %gs:8, %rcx
    movb    $0, (%rcx)              /* evtchn_upcall_pending */
    movq    $0, 8(%rcx)             /* evtchn_pending_sel */
    pop     %rcx
    pop     %r11
    push    $0
    push    %rcx
    push    %r11
    push    %rax
    mov     $23, %eax
    syscall
    ud2

    .bss
    .balign 8
saved_rsp:
    .quad   0

    .section .note.GNU-stack, "", @progbits
