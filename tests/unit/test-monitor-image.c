/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The monitor as linked into QEMU: what embed.py made of the ELF file.
 */

#include "qemu/osdep.h"
#include "hw/xenpv/machine/monitor_image.h"

static void test_has_code(void)
{
    g_assert_nonnull(monitor_image.data);
    g_assert_cmpuint(monitor_image.size, >, 0);
}

static void test_bss_follows_data(void)
{
    g_assert_cmpuint(monitor_image.memory_size, >=, monitor_image.size);
}

static void test_load_is_page_aligned(void)
{
    g_assert_cmpuint(monitor_image.load % 4096, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor-image/has-code", test_has_code);
    g_test_add_func("/monitor-image/bss-follows-data", test_bss_follows_data);
    g_test_add_func("/monitor-image/page-aligned", test_load_is_page_aligned);
    return g_test_run();
}
