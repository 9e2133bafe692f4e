/*
 * What a guest writes to its hypervisor's console reaches stderr as lines,
 * and cannot fill it or drive a terminal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/xenpv/machine.h"

static void say(XenPvEmergencyConsole *con, const char *text)
{
    xenpv_emergency_write(con, (const uint8_t *)text, strlen(text));
}

static void expect(const char *path, const char *pattern)
{
    g_test_trap_subprocess(path, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr(pattern);
}

static void sub_lines(void)
{
    XenPvEmergencyConsole con = { 0 };

    say(&con, "first\nsec");
    say(&con, "ond\nnever ended");
}

static void test_lines(void)
{
    expect("/emergency-console/subprocess/lines", "(d1) first\n(d1) second\n");
}

static void sub_unprintable(void)
{
    XenPvEmergencyConsole con = { 0 };
    static const uint8_t hostile[] = "\x1b[2Jred\0\x07\xff\x80\ttab\r\n";

    xenpv_emergency_write(&con, hostile, sizeof(hostile) - 1);
}

static void test_unprintable(void)
{
    /* "?" is the bracket, which a pattern cannot say otherwise */
    expect("/emergency-console/subprocess/unprintable",
           "(d1) ?2Jred\ttab\n");
}

static void sub_long(void)
{
    XenPvEmergencyConsole con = { 0 };
    int i;

    for (i = 0; i < 500; i++) {
        say(&con, "x");
    }
    say(&con, "\n");
}

/* 500 bytes are two full lines and a half, and not one byte more */
static void test_long(void)
{
    g_autofree char *full = g_strnfill(sizeof_field(XenPvEmergencyConsole,
                                                    line), 'x');
    g_autofree char *rest = g_strnfill(500 - 2 * strlen(full), 'x');
    g_autofree char *all = g_strdup_printf("(d1) %s\n(d1) %s\n(d1) %s\n",
                                           full, full, rest);

    expect("/emergency-console/subprocess/long", all);
}

static void sub_flood(void)
{
    XenPvEmergencyConsole con = { 0 };
    int i;

    for (i = 0; i < 1000000; i++) {
        say(&con, "again\n");
    }
}

static void test_flood(void)
{
    expect("/emergency-console/subprocess/flood",
           "(d1) again\n*(d1) ... * lines lost\n*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/emergency-console/lines", test_lines);
    g_test_add_func("/emergency-console/unprintable", test_unprintable);
    g_test_add_func("/emergency-console/long", test_long);
    g_test_add_func("/emergency-console/flood", test_flood);
    g_test_add_func("/emergency-console/subprocess/lines", sub_lines);
    g_test_add_func("/emergency-console/subprocess/unprintable",
                    sub_unprintable);
    g_test_add_func("/emergency-console/subprocess/long", sub_long);
    g_test_add_func("/emergency-console/subprocess/flood", sub_flood);
    return g_test_run();
}
