/*
 * disklog: numbers that are on the disk before they are said.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A disk of N blocks of 4 KiB is written round and round.  Block number i,
 * counted from 1, goes to slot i % N and holds nothing but its number, as 512
 * words of 8 bytes.  "LOG DEVICE i" is printed after the flush that follows
 * it: from then on slot i % N must hold i or, a round later, a larger number.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#define WORDS (PAGE / sizeof(uint64_t))

static int usage(void)
{
    fprintf(stderr, "usage: xpv disklog DEVICE [BATCH [COUNT]]\n");
    return 2;
}

/* disklog DEVICE [BATCH [COUNT]]: BATCH blocks to a flush, COUNT flushes */
int cmd_disklog(int argc, char **argv)
{
    int batch = argc > 2 ? atoi(argv[2]) : 1;
    long count = argc > 3 ? atol(argv[3]) : LONG_MAX;
    uint64_t size, number = 0;
    static uint64_t block[WORDS];
    int fd;

    if (argc < 2 || batch < 1) {
        return usage();
    }
    fd = open(argv[1], O_RDWR);
    if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size) < 0) {
        perror(argv[1]);
        return 1;
    }
    size /= PAGE;
    while (count-- > 0) {
        for (int i = 0; i < batch; i++) {
            number++;
            for (size_t word = 0; word < WORDS; word++) {
                block[word] = number;
            }
            if (pwrite(fd, block, PAGE, number % size * PAGE) != PAGE) {
                printf("LOG %s write %lu: %s\n", argv[1], number,
                       strerror(errno));
                return 1;
            }
        }
        if (fsync(fd) < 0) {
            printf("LOG %s flush %lu: %s\n", argv[1], number,
                   strerror(errno));
            return 1;
        }
        printf("LOG %s %lu\n", argv[1], number);
        fflush(stdout);
    }
    close(fd);
    return 0;
}
