/*
 * Names and numbers of virtual block devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/drivers/vdev.h"

/* Worked out by hand from xen-vbd-interface(7). */
static const struct {
    const char *name;
    uint32_t number;
    int disk, partition;
    const char *canonical;      /* if it is not the name itself */
} good[] = {
    { "xvda", 51712, 0, 0 },
    { "xvda1", 51713, 0, 1 },
    { "xvda15", 51727, 0, 15 },
    { "xvdb", 51728, 1, 0 },
    { "xvdc", 51744, 2, 0 },
    { "xvdp", 51952, 15, 0 },
    { "xvdp15", 51967, 15, 15 },
    { "xvda16", 0x10000010, 0, 16 },
    { "xvda255", 0x100000ff, 0, 255 },
    { "xvdp16", 0x10000f10, 15, 16 },
    { "xvdq", 0x10001000, 16, 0 },
    { "xvdq1", 0x10001001, 16, 1 },
    { "xvdz", 0x10001900, 25, 0 },
    { "xvdaa", 0x10001a00, 26, 0 },
    { "xvdba", 0x10003400, 52, 0 },
    { "xvdtq37", 0x10021825, 536, 37 },
    { "xvdzz", 0x1002bd00, 701, 0 },
    { "xvdaaa", 0x1002be00, 702, 0 },
    { "xvdbgqcv", 0x1fffff00, 1048575, 0 },
    { "xvdbgqcv255", 0x1fffffff, 1048575, 255 },
    { "d0", 51712, 0, 0, "xvda" },
    { "d0p0", 51712, 0, 0, "xvda" },
    { "d1p2", 51730, 1, 2, "xvdb2" },
    { "d3p2", 51762, 3, 2, "xvdd2" },
    { "d15p15", 51967, 15, 15, "xvdp15" },
    { "d16", 0x10001000, 16, 0, "xvdq" },
    { "d0p16", 0x10000010, 0, 16, "xvda16" },
    { "d536p37", 0x10021825, 536, 37, "xvdtq37" },
    { "d1048575p255", 0x1fffffff, 1048575, 255, "xvdbgqcv255" },
    { "sda", 2048, 0, 0 },
    { "sdb", 2064, 1, 0 },
    { "sdb3", 2067, 1, 3 },
    { "sdp15", 2303, 15, 15 },
    { "hda", 768, 0, 0 },
    { "hda1", 769, 0, 1 },
    { "hda63", 831, 0, 63 },
    { "hdb", 832, 1, 0 },
    { "hdb63", 895, 1, 63 },
    { "hdc", 5632, 2, 0 },
    { "hdc2", 5634, 2, 2 },
    { "hdd63", 5759, 3, 63 },
    { "51712", 51712, 0, 0, "xvda" },
    { "0xca00", 51712, 0, 0, "xvda" },
    { "0XCA01", 51713, 0, 1, "xvda1" },
    { "0145000", 51712, 0, 0, "xvda" },
    { "268439552", 0x10001000, 16, 0, "xvdq" },
    /* Numbers that say nothing are kept. */
    { "0", 0, -1, -1 },
    { "1", 1, -1, -1 },
    { "0x1", 1, -1, -1, "1" },
    { "767", 767, -1, -1 },
    { "896", 896, -1, -1 },
    { "5631", 5631, -1, -1 },
    { "5760", 5760, -1, -1 },
    { "2047", 2047, -1, -1 },
    { "2304", 2304, -1, -1 },
    { "51711", 51711, -1, -1 },
    { "51968", 51968, -1, -1 },
    { "268435455", 0xfffffff, -1, -1 },
    /* The long form of what has a short one. */
    { "268435456", 0x10000000, 0, 0 },
    { "0x10000f0f", 0x10000f0f, 15, 15, "268439311" },
    { "536870911", 0x1fffffff, 1048575, 255, "xvdbgqcv255" },
};

static void test_good(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(good); i++) {
        g_autofree char *name = xenpv_vdev_name(good[i].number);
        uint32_t number = 0xeeeeeeee;

        g_test_message("%s", good[i].name);
        g_assert_true(xenpv_vdev_parse(good[i].name, &number, &error_abort));
        g_assert_cmphex(number, ==, good[i].number);
        g_assert_cmpint(xenpv_vdev_disk(number), ==, good[i].disk);
        g_assert_cmpint(xenpv_vdev_partition(number), ==, good[i].partition);
        g_assert_cmpstr(name, ==, good[i].canonical ?: good[i].name);
    }
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "", " ", "x", "xv", "xvd", "xvd1", "xvdA", "xvdaA", "xvda ", " xvda",
        "xvda-1", "xvda+1", "xvda0", "xvda01", "xvda1 ", "xvda1p1",
        "xvda1x", "xvda256", "xvda4294967297", "xvda18446744073709551617",
        "xvdq256", "xvdbgqcw", "xvdzzzzz", "xvdmwlqkww",
        "xvdbgqcv256", "xvda\n", "Xvda", "xVda", "/dev/xvda",
        "hd", "hde", "hdaa", "hda64", "hdd64", "hda0", "hd1",
        "sd", "sdq", "sdaa", "sda16", "sdp16", "sda0",
        "d", "dp", "dp1", "d0p", "d0p256", "d1048576", "d01", "d0p01", "d00",
        "d-1", "d0p-1", "d0x1", "d 1", "d1 ", "d0p0p0", "d4294967296",
        "d18446744073709551616", "da", "d0p1x", "d+1",
        "vda", "sr0", "nvme0n1", "xvdä",
        "-1", "+1", "1 ", "1x", "0x", "0xg", "08", "1.5", "1e3",
        "536870912", "0x20000000", "4294967295", "4294967296", "4295019008",
        "18446744073709551615", "18446744073709551616",
        "99999999999999999999999999",
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;
        uint32_t number = 0xeeeeeeee;

        g_test_message("%s", bad[i]);
        g_assert_false(xenpv_vdev_parse(bad[i], &number, &err));
        g_assert_cmphex(number, ==, 0xeeeeeeee);
        /* It says which. */
        g_assert_nonnull(strstr(error_get_pretty(err), bad[i]));
        error_free(err);
    }
}

/* A name stands for one number, around every edge and here and there. */
static void test_round_trip(void)
{
    static const struct {
        uint32_t from, to, step;
    } spans[] = {
        { 0, 0x11000, 1 },
        { 0x11000, 0xfffff00, 4093 },
        { 0xfffff00, 0x10004000, 1 },
        { 0x10004000, 0x1fffff00, 4093 },
        { 0x1fffff00, 0x20000100, 1 },
        { 0xffffff00, 0xffffffff, 1 },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(spans); i++) {
        uint32_t number, again;

        for (number = spans[i].from; number < spans[i].to;
             number += spans[i].step) {
            g_autofree char *name = xenpv_vdev_name(number);
            bool ok = xenpv_vdev_parse(name, &again, NULL);

            g_assert_true(ok == (number < XENPV_VDEV_END));
            if (ok) {
                g_assert_cmphex(again, ==, number);
            }
        }
    }
}

/* Upstream masks with 0x15 in place of 0xf: xvdc is disk 0 there. */
static void test_disk_of_all_disks(void)
{
    unsigned disk;

    for (disk = 0; disk < XENPV_VDEV_MAX_DISKS; disk++) {
        uint32_t number = xenpv_vdev_from_disk(disk);

        g_assert_cmpint(xenpv_vdev_disk(number), ==, disk);
        g_assert_cmpint(xenpv_vdev_partition(number), ==, 0);
        g_assert_true(number >> 28 == (disk > 15));
    }
    g_assert_cmphex(xenpv_vdev_from_disk(disk), ==, XENPV_VDEV_NONE);
    g_assert_cmphex(xenpv_vdev_from_disk(UINT_MAX), ==, XENPV_VDEV_NONE);
    g_assert_cmpint(xenpv_vdev_disk(XENPV_VDEV_NONE), ==, -1);
    g_assert_cmpint(xenpv_vdev_partition(XENPV_VDEV_NONE), ==, -1);
    g_assert_cmpint(xenpv_vdev_disk(XENPV_VDEV_END), ==, -1);
    g_assert_cmpint(xenpv_vdev_disk(XENPV_VDEV_END - 1), ==, disk - 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/vdev/good", test_good);
    g_test_add_func("/xenpv/vdev/bad", test_bad);
    g_test_add_func("/xenpv/vdev/round-trip", test_round_trip);
    g_test_add_func("/xenpv/vdev/every-disk", test_disk_of_all_disks);
    return g_test_run();
}
