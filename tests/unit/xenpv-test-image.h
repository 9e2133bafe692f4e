/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small kernel images for the loader's tests, made to order.
 */
#ifndef TESTS_UNIT_XENPV_TEST_IMAGE_H
#define TESTS_UNIT_XENPV_TEST_IMAGE_H

/* Types of Xen ELF notes, as in Xen's public elfnote.h. */
enum {
    TEST_NOTE_ENTRY          = 1,
    TEST_NOTE_HYPERCALL_PAGE = 2,
    TEST_NOTE_VIRT_BASE      = 3,
    TEST_NOTE_PADDR_OFFSET   = 4,
    TEST_NOTE_XEN_VERSION    = 5,
    TEST_NOTE_GUEST_OS       = 6,
    TEST_NOTE_LOADER         = 8,
    TEST_NOTE_PAE_MODE       = 9,
    TEST_NOTE_FEATURES       = 10,
    TEST_NOTE_L1_MFN_VALID   = 13,
    TEST_NOTE_INIT_P2M       = 15,
    TEST_NOTE_MOD_START_PFN  = 16,
    TEST_NOTE_PHYS32_ENTRY   = 18,
};

/**
 * TestNote: one Xen note; an array of them ends with type 0
 * @type: TEST_NOTE_*
 * @str: the descriptor, if it is a string
 * @num: the descriptor, if it is a number of @size bytes
 */
typedef struct TestNote {
    uint32_t type;
    const char *str;
    uint64_t num;
    unsigned size;
} TestNote;

#define NOTE_STR(t, s)  { .type = TEST_NOTE_##t, .str = (s) }
#define NOTE_NUM(t, n)  { .type = TEST_NOTE_##t, .num = (n), .size = 8 }
#define NOTE_NUM4(t, n) { .type = TEST_NOTE_##t, .num = (n), .size = 4 }

/* One PT_LOAD; an array of them ends with memsz 0. */
typedef struct TestSegment {
    uint64_t paddr;
    uint64_t vaddr;
    uint64_t filesz;
    uint64_t memsz;
} TestSegment;

/**
 * TestElf: what an image is to look like
 * @is_32: a 32-bit image
 * @note_section: put the notes where only the section headers find them
 * @notes: the Xen notes; others are always around them
 * @note_align: 4 or 8; 0 means 4
 */
typedef struct TestElf {
    const TestNote *notes;
    const TestSegment *segments;
    uint64_t entry;
    bool is_32;
    bool note_section;
    unsigned note_align;
} TestElf;

/* What Linux looks like: 6.1's notes, a per-cpu segment, a bss. */
extern const TestElf test_elf_linux;

/* What Mini-OS looks like: VIRT_BASE 0, hypercall page, notes in sections. */
extern const TestElf test_elf_mini_os;

/* A 32-bit kernel at 3 GiB, with a hypercall page. */
extern const TestElf test_elf_pae;

/* Byte @i of the file contents of segment @segment. */
uint8_t test_segment_byte(unsigned segment, uint64_t i);

/* Returns: (transfer full): the ELF image */
GByteArray *test_elf_build(const TestElf *elf);

/* Returns: (transfer full): a bzImage of @version around @payload */
GByteArray *test_bzimage_build(const void *payload, size_t len,
                               unsigned version);

/* Set a little-endian number of @size bytes at @off. */
void test_poke(GByteArray *image, size_t off, uint64_t value, unsigned size);

#endif
