/*
 * Model-specific registers: some real, some made up, all others a fault.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define EFER        0xc0000080
#define STAR        0xc0000081
#define LSTAR       0xc0000082
#define FS_BASE     0xc0000100
#define GS_BASE     0xc0000101
#define GS_SHADOW   0xc0000102
#define APIC_BASE   0x1b
#define PAT         0x277
#define TSC         0x10
#define MPERF       0xe7
#define MISC        0x1a0

static uint64_t read(uint32_t index)
{
    uint64_t value;

    equal(rdmsr_vector(index, &value), NO_TRAP);
    return value;
}

static void refused(uint32_t index)
{
    uint64_t value;

    equal(rdmsr_vector(index, &value), X86_GP);
    equal(trap.error, 0);
    equal(wrmsr_vector(index, 0), X86_GP);
    equal(trap.error, 0);
}

int main(void)
{
    static const uint32_t bases[] = { FS_BASE, GS_BASE, GS_SHADOW };
    uint64_t efer, before, value;
    unsigned i;

    for (i = 0; i < 3; i++) {
        equal(wrmsr_vector(bases[i], 0x123456780 + i), NO_TRAP);
    }
    for (i = 0; i < 3; i++) {
        equal(read(bases[i]), 0x123456780 + i);
        equal(wrmsr_vector(bases[i], NON_CANONICAL), X86_GP);
        equal(wrmsr_vector(bases[i], 0), NO_TRAP);
    }

    efer = read(EFER);
    equal(efer & 0xd01, 0xd01);         /* NXE LMA LME SCE */
    equal(efer & 0x1000, 0);            /* SVME */
    equal(wrmsr_vector(EFER, efer), NO_TRAP);
    equal(wrmsr_vector(EFER, efer & ~0x800ul), X86_GP);
    equal(read(EFER), efer);

    equal(read(PAT), 0x0000050100070406);
    equal(read(APIC_BASE), 0xfee00900);
    before = read(TSC);
    check(read(TSC) >= before);
    equal(wrmsr_vector(MPERF, 5), NO_TRAP);
    value = read(MISC);
    equal(wrmsr_vector(MISC, value), NO_TRAP);

    refused(STAR);
    refused(LSTAR);
    refused(0x174);                     /* SYSENTER_CS */
    refused(0xdeadbeef);
    /* And nothing came of it */
    equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    return 0;
}
