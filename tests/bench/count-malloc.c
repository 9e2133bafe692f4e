/*
 * Counts allocations of the program it is preloaded into.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The counts are two 64-bit words in the file named by COUNT_MALLOC, mapped,
 * so that another process can look at any time: calls that allocate, and calls
 * that free.  Called from any thread, and by the dynamic linker before any
 * constructor has run: until the file is there, into words of our own.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nmemb, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *ptr);

static uint64_t own[2];
static uint64_t *counts = own;

static __attribute__((constructor)) void count_start(void)
{
    const char *path = getenv("COUNT_MALLOC");
    int fd = path ? open(path, O_RDWR) : -1;

    if (fd >= 0) {
        void *map = mmap(NULL, sizeof(own), PROT_READ | PROT_WRITE,
                         MAP_SHARED, fd, 0);

        if (map != MAP_FAILED) {
            counts = map;
        }
        close(fd);
    }
}

static void count(int which)
{
    __atomic_fetch_add(&counts[which], 1, __ATOMIC_RELAXED);
}

void *malloc(size_t size)
{
    count(0);
    return __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
    count(0);
    return __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
    count(0);
    return __libc_realloc(ptr, size);
}

void *memalign(size_t align, size_t size)
{
    count(0);
    return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
    count(0);
    return __libc_memalign(align, size);
}

int posix_memalign(void **ptr, size_t align, size_t size)
{
    void *got;

    count(0);
    got = __libc_memalign(align, size);
    if (!got) {
        return 12;      /* ENOMEM; errno is not to be touched */
    }
    *ptr = got;
    return 0;
}

void free(void *ptr)
{
    if (ptr) {
        count(1);
    }
    __libc_free(ptr);
}
