/*
 * A bus over the fake hypervisor, with as much machine as qdev needs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_XENPV_FIXTURE_H
#define TESTS_XENPV_FIXTURE_H

#include "hw/xenpv/xen_backend.h"
#include "fake-hv.h"

/** fixture_main: g_test_init(), main loop, QOM, and a place for devices */
void fixture_main(int *argc, char ***argv);

/** fixture_bus: a bus of its own for each test; undone by fixture_end() */
XenPvBus *fixture_bus(XenPvHv *hv);
/**
 * fixture_end: unplug all devices by force, take the bus and @hv apart
 *
 * Fails the test if anything is still mapped, bound or watched.
 */
void fixture_end(XenPvBus *bus);

/** fixture_plug: NULL with @errp set on failure.  Pairs of key and value. */
XenPvDevice *fixture_plug(XenPvBus *bus, Error **errp, const char *type, ...)
    G_GNUC_NULL_TERMINATED;
/** fixture_unplug: what device_del does */
void fixture_unplug(XenPvDevice *dev, Error **errp);

/** fixture_settle: run the main loop until nothing is left to do */
void fixture_settle(void);
/** fixture_wait: ... until @done says so; false if it never does */
bool fixture_wait(bool (*done)(void *opaque), void *opaque);

/** fixture_node: (transfer full): a node as domain 0 sees it, or NULL */
char *fixture_node(XenPvHv *hv, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/** assert_node: the node's value; NULL: there is none */
#define assert_node(hv, value, ...)                                     \
    do {                                                                \
        g_autofree char *node_ = fixture_node(hv, __VA_ARGS__);         \
        g_assert_cmpstr(node_, ==, value);                              \
    } while (0)

/** assert_live: what is mapped, bound and watched */
void assert_live(XenPvHv *hv, uint32_t maps, uint32_t channels,
                 uint32_t watches);

/** fixture_runstate: what runstate_check() says is so */
extern int fixture_runstate;
/** fixture_log: (transfer full): what error_report() said since last asked */
char *fixture_log(void);

#endif /* TESTS_XENPV_FIXTURE_H */
