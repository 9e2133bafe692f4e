/*
 * The conformance suite over the fake hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fake stands in for a real one in all other tests, so it is held to the
 * same rules.
 */
#include "qemu/osdep.h"
#include "fixture.h"
#include "hypervisor-suite.h"

static bool fake_events(XenPvHv *hv, uint32_t port)
{
    return fake_guest_events(hv, port);
}

static int fake_write(XenPvHv *hv, const char *path, const char *value)
{
    return fake_guest_write(hv, path, "%s", value);
}

static const HvHarness harness = {
    .name = "fake",
    .guest = FAKE_GUEST,
    .unprivileged = FAKE_GUEST,
    .max_grant_pages = XENPV_MAX_MAP_PAGES,
    .open = fake_hv_new,
    .close = fake_hv_free,
    .settle = fixture_settle,
    .port = fake_guest_port,
    .notify = fake_guest_notify,
    .events = fake_events,
    .page = fake_guest_page,
    .grant = fake_guest_grant,
    .revoke = fake_guest_revoke,
    .use_shows = true,
    .gfn = fake_guest_gfn,
    .store_read = fake_guest_read,
    .store_write = fake_write,
};

int main(int argc, char **argv)
{
    fixture_main(&argc, &argv);
    hv_suite_add(&harness);
    return g_test_run();
}
