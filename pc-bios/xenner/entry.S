/* SPDX-License-Identifier: GPL-2.0-or-later */
        .section .text.entry, "ax"
        .globl _start
_start: hlt
        jmp     _start
        .section .note.GNU-stack, "", @progbits
