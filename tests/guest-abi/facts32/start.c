/*
 * What a 32-bit kernel finds: registers, start_info, its stubs, its tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi32.h"

_Static_assert(sizeof(struct start_info) == 1112, "start_info");
_Static_assert(offsetof(struct shared_info, evtchn_mask) == 0x880, "mask");
_Static_assert(offsetof(struct shared_info, wc_version) == 0x900, "clock");
_Static_assert(sizeof(struct vcpu_info) == 64, "vcpu_info");

static void registers(void)
{
    equal(boot.cs, KERNEL_CS);
    equal(boot.ss, KERNEL_SS);
    equal(boot.ds, KERNEL_SS);
    equal(boot.es, KERNEL_SS);
    equal(boot.fs, KERNEL_SS);
    equal(boot.gs, KERNEL_SS);
    equal(boot.eflags & (FL_IF | FL_IOPL), FL_IF);
    equal(boot.eax | boot.ebx | boot.ecx | boot.edx | boot.edi | boot.ebp, 0);
    equal(boot.esp % PAGE_SIZE, 0);
}

static void stubs(void)
{
    static const uint8_t call[] = { 0xb8, 17, 0, 0, 0, 0xcd, 0x82, 0xc3 };
    static const uint8_t iret[] = { 0x50, 0xb8, 23, 0, 0, 0, 0xcd, 0x82 };
    long version;

    check(!memcmp(hypercall_page + 17 * 32, call, sizeof(call)));
    check(!memcmp(hypercall_page + 23 * 32, iret, sizeof(iret)));
    __asm__ volatile("call hypercall_page + 17 * 32"
                     : "=a"(version) : "b"(XENVER_version) : "ecx", "memory");
    check(version >= 4 << 16);
}

static void frames(void)
{
    const uint32_t *p2m = (uint32_t *)start_info->mfn_list;
    uint32_t pfn;

    for (pfn = 0; pfn < start_info->nr_pages; pfn++) {
        equal(M2P[p2m[pfn]], pfn);
    }
    check(p2m[0] != 0);
    equal(try_write((uint32_t)&M2P[p2m[0]], 1), X86_PF);
    equal(trap_cr2, (uint32_t)&M2P[p2m[0]]);
    equal(trap.error, 3);
    equal(M2P[p2m[0]], 0);
}

/* Mapped once from VIRT_BASE on, itself read-only, 512 KiB behind the stack */
static void tables(void)
{
    uint32_t va = start_info->pt_base, i, end = boot.esp + (512 << 10);

    check(end <= VIRT_BASE + start_info->nr_pages * PAGE_SIZE);
    for (i = 0; i < start_info->nr_pt_frames; i++, va += PAGE_SIZE) {
        uint64_t e = *entry_of(va, 1);

        equal(e & (PTE_P | PTE_RW | PTE_US), PTE_P);
    }
    equal(va, boot.esp - PAGE_SIZE);
    for (va = VIRT_BASE; va < end; va += PAGE_SIZE) {
        uint64_t e = *entry_of(va, 1);

        check(e & PTE_P);
        if (va != (uint32_t)shared_info_page) {
            equal(M2P[(e & PTE_ADDR) >> 12], (va - VIRT_BASE) / PAGE_SIZE);
        }
    }
    check(*entry_of(0xc0000000u, 3) & PTE_P);
}

int main(void)
{
    unsigned i;

    registers();
    check(!memcmp(start_info->magic, "xen-3.0-x86_32p", 16));
    equal(start_info->nr_pages, 32 << 8);
    equal(start_info->flags, 0);
    check(start_info->store_evtchn && start_info->console.domU.evtchn);
    equal(((uint8_t *)frame_va(start_info->store_mfn))[0], 0);
    for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        equal(boot_masks[i], 1);
    }
    stubs();
    frames();
    tables();
    return 0;
}
