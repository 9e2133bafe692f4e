/*
 * source and sink: bulk data over a terminal, checked at both ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes are those of rnd() mapped to printable characters, 63 to a line, so
 * that terminal processing leaves them alone but for the line end.  The sum
 * is FNV-1a over the characters without line ends; both sides can compute it
 * as data goes by.
 */
#include "guest.h"

#include <errno.h>
#include <termios.h>

#define LINE 64
#define FNV_START 0xcbf29ce484222325ull
#define FNV_PRIME 0x100000001b3ull

static uint64_t fnv(uint64_t sum, const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ (uint8_t)p[i]) * FNV_PRIME;
    }
    return sum;
}

/*
 * source BYTES: that many on standard output, in lines whose first eight
 * characters are their number, then SOURCE and the sum
 */
int cmd_source(int argc, char **argv)
{
    uint64_t left = argc > 1 ? strtoull(argv[1], NULL, 0) : 1 << 20;
    uint64_t sum = FNV_START, seed = 0x5eed, nr = 0;
    static char buf[LINE * 64];

    printf("SOURCE begin\n");
    fflush(stdout);
    while (left) {
        size_t fill = 0;

        while (fill < sizeof(buf) && left) {
            char *line = buf + fill;

            snprintf(line, 9, "%08lx", nr++ & 0xffffffff);
            for (int i = 8; i < LINE - 1; i++) {
                line[i] = '0' + (rnd(&seed) >> 40) % 75;
            }
            sum = fnv(sum, line, LINE - 1);
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
    printf("SOURCE %lu lines sum %016lx\n", nr, sum);
    return 0;
}

/*
 * sink BYTES: read that many in raw mode without echo, line ends included,
 * then say the sum
 */
int cmd_sink(int argc, char **argv)
{
    uint64_t want = argc > 1 ? strtoull(argv[1], NULL, 0) : 1 << 16, got = 0;
    uint64_t sum = FNV_START;
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
        sum = fnv(sum, buf, n);
    }
    if (tty) {
        tcsetattr(0, TCSADRAIN, &old);
    }
    printf("SINK %lu bytes sum %016lx\n", got, sum);
    return got != want;
}
