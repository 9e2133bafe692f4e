/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest for the tests of the start of day: memory, and a reader of it.
 *
 * Guest memory is sparse (only touched pages exist), full of junk, and has
 * the machine's hole below 4 GiB, so that pfn, mfn and host address have
 * nothing to do with one another.
 */
#ifndef TESTS_UNIT_XENPV_TEST_GUEST_H
#define TESTS_UNIT_XENPV_TEST_GUEST_H

#include "hw/xenpv/machine/loader_internal.h"

/* What untouched memory is full of. */
#define GUEST_JUNK      0xa5

typedef struct FakeMemory {
    XenPvGuestMemory mem;
    GHashTable *pages;          /* pfn to its 4096 bytes */
} FakeMemory;

/* What a guest is built from, and, once built, where to find it. */
typedef struct Guest {
    XenPvKernel *kernel;
    XenPvStartParams params;
    FakeMemory *memory;
    XenPvStartOfDay sod;
    const XenPvStartInfo *info;
} Guest;

/* Set up @g to start @kernel, which it owns from now on, in @bytes. */
void guest_prepare(Guest *g, XenPvKernel *kernel, uint64_t bytes);

/* Give it a ramdisk of @len bytes. */
void guest_add_initrd(Guest *g, size_t len);

/* Build it, which has to work. */
void guest_build(Guest *g);

void guest_clear(Guest *g);

uint64_t fake_pfn_to_mfn(void *opaque, uint64_t pfn);
void *fake_pfn_to_ptr(void *opaque, uint64_t pfn);

/* The entry for @va in the table of @level at frame @mfn. */
uint64_t guest_read_entry(Guest *g, uint64_t mfn, uint64_t va, unsigned level);

/* Host address of @va, by way of the page tables. */
void *guest_va_to_ptr(Guest *g, uint64_t va);

/* Everything that holds for every guest, whatever its kernel and size. */
void guest_check(Guest *g);

#endif
