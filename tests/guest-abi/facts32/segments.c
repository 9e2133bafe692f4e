/*
 * Descriptors: ring 1 at least, ring 3 through the LDT, 64-bit code never.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

#define CODE32  0x00cf9b000000ffffull
#define CODE64  0x00af9b000000ffffull
#define DATA    0x00cf93000000ffffull
#define DPL3    (3ull << 45)
#define TSS     0x0000890000000067ull

USER_CODE(user_fs, "mov %edi, %eax; mov %ax, %fs; mov %fs:0, %eax; int3");

static long update(const uint64_t *where, uint64_t desc)
{
    uint64_t maddr = entry_maddr(where);

    return hc(update_descriptor, LO(maddr), HI(maddr), LO(desc), HI(desc));
}

static uint64_t with_base(uint64_t desc, uint32_t base)
{
    return desc | (uint64_t)(base & 0xffffff) << 16 |
           (uint64_t)(base >> 24) << 56;
}

int main(void)
{
    uint64_t *gdt = alloc_page(), *ldt = alloc_page();
    xen_pfn_t frames[1] = { mfn_of(gdt) };
    struct frame f;
    uint32_t cs, value;

    user_setup();
    *(uint32_t *)user_data = 0x600d;
    gdt[12] = CODE32;                   /* DPL 0, as Linux has them */
    gdt[13] = DATA;
    gdt[14] = TSS;
    set_read_only(gdt);
    result(hc(set_gdt, frames, 16), 0);
    equal(gdt[12] >> 45 & 3, 1);
    equal(gdt[14], 0);
    __asm__ volatile("ljmp $0x61, $1f\n1: mov %%cs, %0" : "=r"(cs));
    equal(cs & 0xffff, 0x61);
    __asm__ volatile("mov %0, %%ss" : : "r"(0x69));
    __asm__ volatile("ljmp $0xe019, $1f\n1:");
    __asm__ volatile("mov %0, %%ss" : : "r"(KERNEL_SS));

    result(update(&gdt[13], with_base(DATA, (uint32_t)gdt)), 0);
    __asm__ volatile("mov %1, %%fs; mov %%fs:100, %0"
                     : "=r"(value) : "r"(0x69));
    equal(value, ((uint32_t *)gdt)[25]);
    result(update(&gdt[15], TSS), -XEN_EINVAL);
    result(update(&gdt[15], CODE64), -XEN_EINVAL);
    result(hc(update_descriptor, 0xfee00000u, 0, 0, 0), -XEN_EINVAL);
    result(hc(set_gdt, frames, 9000), -XEN_EINVAL);
    frames[0] = 0xfffff;
    result(hc(set_gdt, frames, 16), -XEN_EINVAL);

    ldt[1] = with_base(DATA | DPL3, USER_DATA);
    set_read_only(ldt);
    result(mmuext(MMUEXT_SET_LDT, (uint32_t)ldt, 2), 0);
    f = user_context(user_fs);
    f.edi = 0x0f;
    f = run(&f);
    equal(f.vector, X86_BP);
    equal(f.eax, 0x600d);
    result(mmuext(MMUEXT_SET_LDT, 0, 0), 0);
    f = user_context(user_fs);
    f.edi = 0x0f;
    f = run(&f);
    equal(f.vector, X86_GP);
    return 0;
}
