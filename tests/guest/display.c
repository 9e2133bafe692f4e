/*
 * A framebuffer to draw on and input to report, for the tests of displays.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   xpv fb size              WIDTH HEIGHT BITS STRIDE MEMORY
 *   xpv fb mode W H          another size
 *   xpv fb pattern SEED      fill it; tests/functional/screens.py has the same
 *   xpv fb dump              what is on it, as a PPM
 *   xpv fb rect X Y W H RGB  through a mapping, as X does
 *   xpv fb storm SECONDS     draw all the time; prints pictures drawn
 *   xpv fb full SECONDS      ... whole pictures, small SECONDS: 16x16 pixels,
 *                            by write(); prints how many a second
 *   xpv events FILE          what comes from all of /dev/input/event*, a line
 *                            each, until killed
 */
#include "guest.h"

#include <fcntl.h>
#include <linux/fb.h>
#include <linux/input.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct screen {
    int fd;
    struct fb_var_screeninfo var;
    struct fb_fix_screeninfo fix;
};

static void open_screen(struct screen *s)
{
    const char *path = getenv("FB") ?: "/dev/fb0";

    s->fd = open(path, O_RDWR);
    if (s->fd < 0 || ioctl(s->fd, FBIOGET_VSCREENINFO, &s->var) ||
        ioctl(s->fd, FBIOGET_FSCREENINFO, &s->fix)) {
        broken(path);
    }
}

static uint32_t pattern(uint32_t x, uint32_t y, uint32_t seed)
{
    return ((x + seed) & 255) << 16 | ((y + 3 * seed) & 255) << 8 |
           ((x >> 8) * 16 + (y >> 8) + seed) % 256;
}

static void put_line(struct screen *s, uint32_t y, const uint32_t *line,
                     uint32_t x, uint32_t n)
{
    off_t pos = (off_t)y * s->fix.line_length + x * 4;

    if (pwrite(s->fd, line, n * 4, pos) != (ssize_t)(n * 4)) {
        broken("write");
    }
}

static int fb_pattern(struct screen *s, uint32_t seed)
{
    uint32_t x, y, *line = malloc(s->var.xres * 4);

    for (y = 0; y < s->var.yres; y++) {
        for (x = 0; x < s->var.xres; x++) {
            line[x] = pattern(x, y, seed);
        }
        put_line(s, y, line, 0, s->var.xres);
    }
    free(line);
    return 0;
}

static uint32_t *map_screen(struct screen *s)
{
    void *p = mmap(NULL, s->fix.smem_len, PROT_READ | PROT_WRITE, MAP_SHARED,
                   s->fd, 0);

    if (p == MAP_FAILED) {
        broken("mmap");
    }
    return p;
}

static int fb_rect(struct screen *s, char **argv)
{
    uint32_t x1 = atoi(argv[0]), y1 = atoi(argv[1]);
    uint32_t w = atoi(argv[2]), h = atoi(argv[3]);
    uint32_t rgb = 0, x, y;
    uint32_t *p = map_screen(s);

    sscanf(argv[4], "%x", &rgb);
    for (y = y1; y < y1 + h && y < s->var.yres; y++) {
        for (x = x1; x < x1 + w && x < s->var.xres; x++) {
            p[y * (s->fix.line_length / 4) + x] = rgb;
        }
    }
    return munmap(p, s->fix.smem_len);
}

/* As QEMU's screendump writes it. */
static int fb_dump(struct screen *s)
{
    uint32_t x, y, *line = malloc(s->fix.line_length);

    printf("P6\n%u %u\n255\n", s->var.xres, s->var.yres);
    for (y = 0; y < s->var.yres; y++) {
        if (pread(s->fd, line, s->fix.line_length,
                  (off_t)y * s->fix.line_length) < 0) {
            broken("read");
        }
        for (x = 0; x < s->var.xres; x++) {
            putchar(line[x] >> 16 & 255);
            putchar(line[x] >> 8 & 255);
            putchar(line[x] & 255);
        }
    }
    free(line);
    return 0;
}

static int fb_storm(struct screen *s, unsigned seconds)
{
    uint64_t end = now_ns() + seconds * 1000000000ull;
    size_t i, n = (size_t)s->fix.line_length / 4 * s->var.yres;
    uint32_t *p = map_screen(s), seed = 0;

    while (now_ns() < end) {
        for (i = 0; i < n; i++) {
            p[i] = i * 3 + seed;
        }
        seed++;
    }
    printf("%u\n", seed);
    return 0;
}

static int fb_rate(struct screen *s, bool full, unsigned seconds)
{
    uint64_t end = now_ns() + seconds * 1000000000ull, count = 0;
    size_t len = (size_t)s->fix.line_length * s->var.yres, i;
    uint32_t *data = malloc(len);
    uint32_t y;

    while (now_ns() < end) {
        for (i = 0; i < (full ? len / 4 : 16); i++) {
            data[i] = (i + count) * 0x010305;
        }
        if (full) {
            if (pwrite(s->fd, data, len, 0) != (ssize_t)len) {
                broken("write");
            }
        } else {
            uint32_t at = count * 16 % (s->var.xres - 16);

            for (y = 0; y < 16; y++) {
                put_line(s, y + 100, data, at, 16);
            }
        }
        count++;
    }
    printf("%.1f\n", (double)count / seconds);
    return 0;
}

int cmd_fb(int argc, char **argv)
{
    struct screen s;
    const char *verb = argc > 1 ? argv[1] : "";

    open_screen(&s);
    if (!strcmp(verb, "size")) {
        printf("%u %u %u %u %u\n", s.var.xres, s.var.yres,
               s.var.bits_per_pixel, s.fix.line_length, s.fix.smem_len);
        return 0;
    }
    if (!strcmp(verb, "mode") && argc == 4) {
        s.var.xres = atoi(argv[2]);
        s.var.yres = atoi(argv[3]);
        s.var.activate = FB_ACTIVATE_NOW;
        if (ioctl(s.fd, FBIOPUT_VSCREENINFO, &s.var)) {
            broken("mode");
        }
        return 0;
    }
    if (!strcmp(verb, "pattern") && argc == 3) {
        return fb_pattern(&s, atoi(argv[2]));
    }
    if (!strcmp(verb, "dump")) {
        return fb_dump(&s);
    }
    if (!strcmp(verb, "rect") && argc == 7) {
        return fb_rect(&s, argv + 2);
    }
    if (!strcmp(verb, "storm") && argc == 3) {
        return fb_storm(&s, atoi(argv[2]));
    }
    if ((!strcmp(verb, "full") || !strcmp(verb, "small")) && argc == 3) {
        return fb_rate(&s, !strcmp(verb, "full"), atoi(argv[2]));
    }
    fprintf(stderr, "usage: xpv fb size | mode W H | pattern SEED | dump | "
            "rect X Y W H RGB | storm SECONDS | full SECONDS | "
            "small SECONDS\n");
    return 2;
}

#define MAX_DEVICES 8

int cmd_events(int argc, char **argv)
{
    struct pollfd fds[MAX_DEVICES];
    char name[MAX_DEVICES][64];
    unsigned nr = 0, i;
    FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;

    if (!out) {
        fprintf(stderr, "usage: xpv events FILE\n");
        return 2;
    }
    for (i = 0; i < MAX_DEVICES; i++) {
        char path[32];

        snprintf(path, sizeof(path), "/dev/input/event%u", i);
        fds[nr].fd = open(path, O_RDONLY);
        fds[nr].events = POLLIN;
        if (fds[nr].fd >= 0 &&
            ioctl(fds[nr].fd, EVIOCGNAME(sizeof(name[0])), name[nr]) > 0) {
            struct input_absinfo abs;

            fprintf(out, "device %s", name[nr]);
            if (!ioctl(fds[nr].fd, EVIOCGABS(ABS_X), &abs) && abs.maximum) {
                fprintf(out, " x 0..%d", abs.maximum);
            }
            fprintf(out, "\n");
            nr++;
        }
    }
    fprintf(out, "ready\n");
    fflush(out);
    while (poll(fds, nr, -1) > 0) {
        for (i = 0; i < nr; i++) {
            struct input_event ev;

            if (!(fds[i].revents & POLLIN) ||
                read(fds[i].fd, &ev, sizeof(ev)) != sizeof(ev)) {
                continue;
            }
            if (ev.type != EV_SYN) {
                fprintf(out, "%s: %u %u %d\n", name[i], ev.type, ev.code,
                        ev.value);
                fflush(out);
            }
        }
    }
    return 0;
}
