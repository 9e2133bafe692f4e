/*
 * source and sink: bulk data over a terminal, checked at both ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes are those of rnd() mapped to printable characters, 63 to a line, so
 * that terminal processing leaves them alone but for the line end.  The sum
 * is the CRC-32 of zlib over the characters without line ends.
 */
#include "guest.h"

#include <errno.h>
#include <termios.h>

#define LINE 64

static uint32_t crc32(uint32_t crc, const void *buf, size_t len)
{
    static uint32_t table[256];
    const uint8_t *p = buf;

    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t v = i;

            for (int bit = 0; bit < 8; bit++) {
                v = v & 1 ? v >> 1 ^ 0xedb88320 : v >> 1;
            }
            table[i] = v;
        }
    }
    crc = ~crc;
    while (len--) {
        crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
    }
    return ~crc;
}

/*
 * source BYTES: that many on standard output, in lines whose first eight
 * characters are their number; then their count and sum
 */
int cmd_source(int argc, char **argv)
{
    uint64_t left = argc > 1 ? atoll(argv[1]) : 1 << 20;
    uint64_t seed = 0x5eed, nr = 0;
    uint32_t sum = 0;
    static char buf[LINE * 64];

    printf("SOURCE begin\n");
    fflush(stdout);
    while (left) {
        size_t fill = 0;

        while (fill < sizeof(buf) && left) {
            char *line = buf + fill;
            int at = snprintf(line, LINE, "%08x", (uint32_t)nr++);

            while (at < LINE - 1) {
                uint64_t word = rnd(&seed);

                for (int i = 0; i < 8 && at < LINE - 1; i++) {
                    line[at++] = '0' + (word >> (8 * i) & 63);
                }
            }
            sum = crc32(sum, line, LINE - 1);
            line[LINE - 1] = '\n';
            fill += LINE;
            left -= left < LINE ? left : LINE;
        }
        for (size_t done = 0; done < fill; ) {
            ssize_t n = write(1, buf + done, fill - done);

            if (n <= 0) {
                return 1;
            }
            done += n;
        }
    }
    printf("SOURCE end %lu lines sum %08x\n", nr, sum);
    return 0;
}

/*
 * sink BYTES: read that many in raw mode without echo, line ends included,
 * then say how many came and their sum
 */
int cmd_sink(int argc, char **argv)
{
    uint64_t want = argc > 1 ? atoll(argv[1]) : 1 << 16, got = 0;
    uint32_t sum = 0;
    struct termios old, raw;
    bool tty = tcgetattr(0, &old) == 0;

    if (tty) {
        raw = old;
        cfmakeraw(&raw);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        tcsetattr(0, TCSADRAIN, &raw);
    }
    printf("SINK ready\r\n");
    fflush(stdout);
    while (got < want) {
        char buf[4096];
        size_t room = want - got < sizeof(buf) ? want - got : sizeof(buf);
        ssize_t n = read(0, buf, room);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        got += n;
        sum = crc32(sum, buf, n);
    }
    if (tty) {
        tcsetattr(0, TCSADRAIN, &old);
    }
    printf("SINK %lu bytes sum %08x\n", got, sum);
    return got != want;
}
