/*
 * What the fuzz targets share: reading an input, and seeds to start from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A target is one file with fuzz_one() and fuzz_seeds(), linked with
 * libFuzzer.  It turns an input into calls of the code under test and asserts
 * what must hold afterwards whatever the input was.  An input that is too short
 * reads as zeroes behind its end, so that every input means something.
 */
#ifndef XENPV_FUZZ_H
#define XENPV_FUZZ_H

/* What libFuzzer calls. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/**
 * FuzzInput: the part of an input that was not read yet
 */
typedef struct FuzzInput {
    const uint8_t *data;
    size_t len;
} FuzzInput;

/* A number, little-endian. */
uint8_t fuzz_u8(FuzzInput *in);
uint16_t fuzz_u16(FuzzInput *in);
uint32_t fuzz_u32(FuzzInput *in);
uint64_t fuzz_u64(FuzzInput *in);

/**
 * fuzz_copy: @len bytes on the heap
 *
 * As long as that and no longer, so that a sanitizer sees a read beyond.
 *
 * Returns: (transfer full): the bytes; also of none
 */
uint8_t *fuzz_copy(FuzzInput *in, size_t len);

/**
 * fuzz_one: run one input
 *
 * It leaves nothing behind: no memory, no state.
 */
void fuzz_one(const uint8_t *data, size_t len);

/**
 * fuzz_seeds: hand some well-formed inputs to fuzz_seed()
 */
void fuzz_seeds(void);

/* Write a seed into the folder given with -seeds=DIR. */
void fuzz_seed(const char *name, const void *data, size_t len);

/* The same, run through a filter; none if there is no such program here. */
void fuzz_seed_filtered(const char *name, const char *command,
                        const void *data, size_t len);

#endif /* XENPV_FUZZ_H */
