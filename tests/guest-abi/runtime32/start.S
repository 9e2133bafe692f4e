/*
 * First instruction, entry points, the way to user mode and back: 32 bits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Compiled once for each VIRT_BASE.
 */

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
    .asciz  "micro-guest"
    END_NOTE
    NOTE 5
    .asciz  "xen-3.0"
    END_NOTE
    NOTE 8
    .asciz  "generic"
    END_NOTE
    NOTE 9
    .asciz  "yes"
    END_NOTE
    NOTE 2
    .long   hypercall_page
    END_NOTE
    NOTE 1
    .long   _start
    END_NOTE
    NOTE 3
    .long   VIRT_BASE
    END_NOTE
    NOTE 4
    .long   0
    END_NOTE
    .popsection

    .text
    .globl  _start
_start:
    mov     %eax, boot + 0
    mov     %ebx, boot + 4
    mov     %ecx, boot + 8
    mov     %edx, boot + 12
    mov     %esi, boot + 16
    mov     %edi, boot + 20
    mov     %ebp, boot + 24
    mov     %esp, boot + 28
    pushf
    pop     boot + 32
    mov     %cs, boot + 36
    mov     %ss, boot + 38
    mov     %ds, boot + 40
    mov     %es, boot + 42
    mov     %fs, boot + 44
    mov     %gs, boot + 46
    /* Good for both modes, so that no entry has to load them */
    mov     $0xe033, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     $kernel_stack_end, %esp
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

/* ---- entry points: C sees struct frame ---- */

.macro ENTRY vector:req, error=0
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
    .balign 16
    .if (vector == 8) || (vector >= 10 && vector <= 14) || \
        (vector == 17) || (vector == 21)
    ENTRY vector, 1
    .else
    ENTRY vector
    .endif
    vector = vector + 1
    .endr

    .irp    name, event, failsafe
    .balign 16
    .globl  \name\()_entry
\name\()_entry:
    ENTRY vector
    vector = vector + 1
    .endr

common_entry:
    pusha
    mov     %esp, %ebx
    cld
    and     $-16, %esp
    sub     $12, %esp
    push    %ebx
    call    trap_c
    mov     %ebx, %esp
restore:
    popa
    add     $8, %esp
    push    %eax
    mov     $23, %eax
    int     $0x82
    ud2

/* void enter_user(struct frame *f); comes back through leave_user() */
    .globl  enter_user
enter_user:
    mov     4(%esp), %eax
    push    %ebx
    push    %ebp
    push    %esi
    push    %edi
    mov     %esp, saved_esp
    mov     %eax, %esp
    jmp     restore

/* void enter_user_directly(struct frame *f): the processor's own IRET */
    .globl  enter_user_directly
enter_user_directly:
    mov     4(%esp), %eax
    push    %ebx
    push    %ebp
    push    %esi
    push    %edi
    mov     %esp, saved_esp
    mov     %eax, %esp
    popa
    add     $8, %esp
    iret

    .globl  leave_user
leave_user:
    mov     saved_esp, %esp
    pop     %edi
    pop     %esi
    pop     %ebp
    pop     %ebx
    ret

    .bss
    .balign 4
saved_esp:
    .long   0

    .section .note.GNU-stack, "", @progbits
