/*
 * What every hypervisor must do, whichever it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The suite speaks to an implementation through hw/xenpv/hypervisor.h, and to
 * the guest behind it through this table.  A test program fills it in, calls
 * hv_suite_add() and runs.
 */
#ifndef TESTS_XENPV_HYPERVISOR_SUITE_H
#define TESTS_XENPV_HYPERVISOR_SUITE_H

#include "hw/xenpv/hypervisor.h"

/**
 * HvHarness: one implementation and its guest
 * @name: in the names of the tests
 * @guest: the guest's domain
 * @unprivileged: whose rights in the store are set: @guest, where the store
 *                does not let it do everything; 0: there is nobody
 * @max_grant_pages: the most pages one grant map can have here
 * @open: a fresh instance with a fresh guest
 * @close: the end of it
 * @settle: run the event loop until all callbacks have been made
 * @port: the guest opens a port for us
 * @notify: the guest sends an event on @port
 * @events: has the guest received one since the last call?
 * @page: a zeroed page of the guest's RAM
 * @grant: the guest grants @page to us
 * @revoke: the guest takes it back; false: it is in use
 * @use_shows: @revoke can tell, and is called for grants in use
 * @gfn: (nullable): the frame number of @page
 * @store_read: (nullable) (transfer full): a node with the rights of
 *              @unprivileged, or NULL
 * @store_write: (nullable): returns 0 or a positive errno
 *
 * What is NULL cannot be had there, and the tests go without.
 */
typedef struct HvHarness {
    const char *name;
    XenPvDomid guest;
    XenPvDomid unprivileged;
    uint32_t max_grant_pages;
    XenPvHv *(*open)(void);
    void (*close)(XenPvHv *hv);
    void (*settle)(void);
    uint32_t (*port)(XenPvHv *hv);
    void (*notify)(XenPvHv *hv, uint32_t port);
    bool (*events)(XenPvHv *hv, uint32_t port);
    void *(*page)(XenPvHv *hv);
    uint32_t (*grant)(XenPvHv *hv, void *page, bool readonly);
    bool (*revoke)(XenPvHv *hv, uint32_t ref);
    bool use_shows;
    uint64_t (*gfn)(XenPvHv *hv, void *page);
    char *(*store_read)(XenPvHv *hv, const char *path);
    int (*store_write)(XenPvHv *hv, const char *path, const char *value);
} HvHarness;

/** hv_suite_add: register all tests; @harness must be static */
void hv_suite_add(const HvHarness *harness);

#endif /* TESTS_XENPV_HYPERVISOR_SUITE_H */
