/*
 * Numbers shared by the assembly and the C of the monitor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything here is checked against the C structures in vcpu.c.
 */
#ifndef XENNER_ASM_OFFSETS_H
#define XENNER_ASM_OFFSETS_H

/* struct vcpu lives at this offset of the vCPU's share of the block */
#define VCPU_OFF            0xe000
#define VCPU_SIZE           0x2000

/* struct vcpu */
#define V_KERNEL_SP         0
#define V_SYSCALL_EIP       8
#define V_INFO              16
#define V_KERNEL_CS         24
#define V_KERNEL_SS         32
#define V_IN_KERNEL         40
#define V_FAST_SYSCALL      41
#define V_WORK              42
#define V_FAST_IRET         43

/* struct regs */
#define R_R11               48
#define R_RAX               80
#define R_RCX               88
#define R_VECTOR            120
#define R_RIP               136
#define R_CS                144
#define R_RFLAGS            152
#define R_SIZE              176

/*
 * The entry stubs, in the page of the TSS.  Their data is far from it, behind
 * struct vcpu: under TCG a write to a page with code in it is a slow one, and
 * each SYSCALL makes one.
 */
#define STUB_OFF            0x100   /* SYSCALL from 64-bit code */
#define STUB32_OFF          0x140   /* SYSCALL from 32-bit code */
#define STUB_SYSENTER_OFF   0x180
#define STUB_DATA_SIZE      0x40    /* user rsp, vcpu, three entry points */
#define STUB_DATA_OFF       (VCPU_OFF + VCPU_SIZE - STUB_DATA_SIZE - 0x3000)
#define STUB_DATA_RSP       (STUB_DATA_OFF + 0)
#define STUB_DATA_VCPU      (STUB_DATA_OFF + 8)
#define STUB_DATA_ENTRY     (STUB_DATA_OFF + 16)
/* saved user rsp, seen from struct vcpu */
#define V_USER_RSP          (0x3000 + STUB_DATA_RSP - VCPU_OFF)

/* Selectors */
#define SEL_MONITOR_CS      0xe008
#define SEL_MONITOR_DS      0xe010
#define SEL_TSS             0xe040
#define SEL_LDT             0xe050
#define SEL_RING1_CS        0xe061
#define SEL_RING1_DS        0xe069
#define SEL_FLAT_CS64       0xe033
#define SEL_FLAT_CS32       0xe023
#define SEL_FLAT_SS         0xe02b
/* of a 32-bit guest, whose table has others at some of the same places */
#define SEL32_KERNEL_CS     0xe019
#define SEL32_KERNEL_DS     0xe021
#define SEL32_USER_CS       0xe02b
#define SEL32_USER_DS       0xe033

/* RFLAGS */
#define FL_TF               0x00000100
#define FL_IF               0x00000200
#define FL_DF               0x00000400
#define FL_IOPL             0x00003000
#define FL_NT               0x00004000
#define FL_RF               0x00010000
#define FL_VM               0x00020000
#define FL_AC               0x00040000
#define FL_VIF              0x00080000
#define FL_VIP              0x00100000

/* Pseudo vectors in struct regs */
#define VEC_HYPERCALL       256
#define VEC_SYSCALL         257
#define VEC_SYSCALL32       258
#define VEC_SYSENTER        259
#define VEC_HYPERCALL32     260

#endif /* XENNER_ASM_OFFSETS_H */
