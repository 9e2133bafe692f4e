/*
 * CPUID by the forced-emulation prefix: Xen's leaves, and what a PV kernel
 * must not see.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other minios strict
 */
#include "abi.h"

#define BIT(n) (1u << (n))
#define XEN 0x40000000u

static void xen_leaves(void)
{
    struct cpuid c = xen_cpuid(XEN, 0);

    equal(c.ebx, 0x566e6558);           /* XenVMMXenVMM */
    equal(c.ecx, 0x65584d4d);
    equal(c.edx, 0x4d4d566e);
    check(c.eax >= XEN + 2 && c.eax < XEN + 0x100);

    c = xen_cpuid(XEN + 1, 0);
    equal(c.eax, hc(xen_version, XENVER_version));
    c = xen_cpuid(XEN + 2, 0);
    equal(c.eax, 1);
    equal(c.ebx, XEN);
    check(c.ecx & BIT(0));              /* MMU_PT_UPDATE_PRESERVE_AD */
    /* Linux would prefer the TSC with 2, and HVM upcalls with leaf 4 */
    c = xen_cpuid(XEN + 3, 0);
    check(c.ebx != 2);
    c = xen_cpuid(XEN + 4, 0);
    equal(c.eax, 0);
}

static void features(void)
{
    struct cpuid c = xen_cpuid(1, 0);

    /* VME PSE MTRR PGE PSE36; MSR TSC PAE CX8 FXSR SSE SSE2 stay */
    equal(c.edx & (BIT(1) | BIT(3) | BIT(12) | BIT(13) | BIT(17)), 0);
    check(c.edx & BIT(5));
    check(c.edx & BIT(4));
    check(c.edx & BIT(6));
    check(c.edx & BIT(8));
    check(c.edx & BIT(24));
    check(c.edx & BIT(26));
    /* MONITOR VMX PCID X2APIC TSC_DEADLINE; HYPERVISOR stays */
    equal(c.ecx & (BIT(3) | BIT(5) | BIT(17) | BIT(21) | BIT(24)), 0);
    check(c.ecx & BIT(31));
    /* XSAVE without OSXSAVE at the first look, and Linux does without */
    equal(!(c.ecx & BIT(26)), !(c.ecx & BIT(27)));

    c = xen_cpuid(7, 0);
    /*
     * SMEP, INVPCID, SMAP; UMIP PKU OSPKE LA57.  And FSGSBASE, which Xen may
     * show: Linux would then read the user GS base by a trapping RDMSR.
     */
    equal(c.ebx & (BIT(0) | BIT(7) | BIT(10) | BIT(20)), 0);
    equal(c.ecx & (BIT(2) | BIT(3) | BIT(4) | BIT(7) | BIT(16)), 0);

    c = xen_cpuid(0x80000001, 0);
    check(c.edx & BIT(29));             /* long mode, NX, SYSCALL */
    check(c.edx & BIT(20));
    check(c.edx & BIT(11));
    equal(c.edx & (BIT(3) | BIT(12) | BIT(13) | BIT(17) | BIT(26)), 0);
    equal(c.ecx & BIT(2), 0);           /* SVM */
}

int main(void)
{
    struct cpuid c;

    xen_leaves();
    features();
    c = xen_cpuid(0, 0);
    check(c.eax >= 1);

    /* Half a prefix is an invalid instruction */
    equal(try("ud2; .ascii \"xe\"", : : : "memory"), X86_UD);
    equal(try("ud2; .ascii \"xen\"; nop", : : : "memory"), X86_UD);
    return 0;
}
