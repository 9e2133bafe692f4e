/*
 * A processor at the monitor's first instruction.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * There is no firmware and no real mode: the state is set from outside, with
 * the functions both TCG and KVM take it from.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/xenpv/machine.h"

void xenpv_vcpu_start(X86CPU *cpu, unsigned index, uint64_t boot_cr3)
{
    CPUX86State *env = &cpu->env;
    uint32_t data = DESC_G_MASK | DESC_B_MASK | DESC_P_MASK | DESC_S_MASK |
                    DESC_W_MASK | DESC_A_MASK;
    uint32_t code = DESC_G_MASK | DESC_L_MASK | DESC_P_MASK | DESC_S_MASK |
                    DESC_CS_MASK | DESC_R_MASK | DESC_A_MASK;
    static const X86Seg data_segs[] = { R_ES, R_SS, R_DS, R_FS, R_GS };
    unsigned i;

    cpu_load_efer(env, MSR_EFER_SCE | MSR_EFER_LME | MSR_EFER_NXE);
    cpu_x86_update_cr4(env, CR4_PAE_MASK | CR4_OSFXSR_MASK |
                       CR4_OSXMMEXCPT_MASK);
    cpu_x86_update_cr3(env, boot_cr3);
    cpu_x86_update_cr0(env, CR0_PG_MASK | CR0_AM_MASK | CR0_WP_MASK |
                       CR0_NE_MASK | CR0_ET_MASK | CR0_MP_MASK | CR0_PE_MASK);

    cpu_x86_load_seg_cache(env, R_CS, XENPV_MONITOR_CS, 0, 0xffffffff, code);
    for (i = 0; i < ARRAY_SIZE(data_segs); i++) {
        cpu_x86_load_seg_cache(env, data_segs[i], 0, 0, 0xffffffff, data);
    }
    memset(env->regs, 0, sizeof(env->regs));
    env->regs[R_EDI] = index;
    env->regs[R_ESP] = XENPV_MONITOR_VA + XENPV_OFF_PERCPU +
                       index * (uint64_t)XENPV_PERCPU_SIZE +
                       XENPV_PERCPU_OFF_VCPU;
    env->eip = XENPV_MONITOR_VA + XENPV_OFF_IMAGE;
    /* Nobody sends the others what wakes a processor on a PC */
    CPU(cpu)->halted = 0;
    env->mp_state = 0;          /* KVM_MP_STATE_RUNNABLE */
}
