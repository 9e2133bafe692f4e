/*
 * A hypervisor in process, for unit tests, and the guest's side of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The store is QEMU's own, with QEMU as domain 0 and the guest as domain 1,
 * so access rights are real.  Pages are the test's memory; a grant reference
 * is an index into a table.  A map never hands out a contiguous range for more
 * than one page, as the emulation may not either.
 *
 * Every operation that can fail can be made to: fake_hv_fail_at(hv, n) fails
 * the n-th from now.  A scenario that is repeated with n = 1, 2, 3, ... until
 * it runs through has met every single fault there is in it.
 */
#ifndef TESTS_XENPV_FAKE_HV_H
#define TESTS_XENPV_FAKE_HV_H

#include "hw/xenpv/hypervisor.h"

#define FAKE_GUEST 1

/** fake_hv_new: an empty store with /local/domain/{0,1}, no grants, no ports */
XenPvHv *fake_hv_new(void);
/** fake_hv_free: the end.  Nothing of it may be in use. */
void fake_hv_free(XenPvHv *hv);

/** fake_hv_fail_at: the @n-th operation from now fails, once; 0: none */
void fake_hv_fail_at(XenPvHv *hv, unsigned n);
/** fake_hv_ops: how many there have been since fake_hv_fail_at() */
unsigned fake_hv_ops(XenPvHv *hv);
/** fake_hv_has_failed: has that operation come? */
bool fake_hv_has_failed(XenPvHv *hv);
/** fake_hv_conflicts: the next @n transactions are not committed (EAGAIN) */
void fake_hv_conflicts(XenPvHv *hv, unsigned n);

/* ---- the guest ---- */

/** fake_guest_read: (transfer full): a node as the guest sees it, or NULL */
char *fake_guest_read(XenPvHv *hv, const char *path);
/** fake_guest_write: returns 0 or a positive errno */
int fake_guest_write(XenPvHv *hv, const char *path, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);
/** fake_guest_write_raw: any bytes */
int fake_guest_write_raw(XenPvHv *hv, const char *path, const void *data,
                         size_t len);
int fake_guest_rm(XenPvHv *hv, const char *path);

/** fake_guest_watch: tell the guest of each change of @path, at once */
void fake_guest_watch(XenPvHv *hv, const char *path,
                      void (*fn)(void *opaque, const char *path,
                                 const char *token), void *opaque);
/** fake_guest_port: open a port for domain 0 to bind */
uint32_t fake_guest_port(XenPvHv *hv);
/** fake_guest_notify: send an event to who has bound @port */
void fake_guest_notify(XenPvHv *hv, uint32_t port);
/** fake_guest_events: events received on @port since the last call */
unsigned fake_guest_events(XenPvHv *hv, uint32_t port);
/** fake_guest_bound: has somebody bound @port? */
bool fake_guest_bound(XenPvHv *hv, uint32_t port);

/** fake_guest_page: a zeroed page of the guest's; freed with @hv */
void *fake_guest_page(XenPvHv *hv);
/** fake_guest_grant: let domain 0 map and copy @page */
uint32_t fake_guest_grant(XenPvHv *hv, void *page, bool readonly);
/** fake_guest_revoke: false if it is mapped; then nothing changes */
bool fake_guest_revoke(XenPvHv *hv, uint32_t ref);
/** fake_guest_mapped: has somebody mapped it, or pinned? */
bool fake_guest_mapped(XenPvHv *hv, uint32_t ref);
/** fake_guest_gfn: the frame number of @page */
uint64_t fake_guest_gfn(XenPvHv *hv, void *page);

#endif /* TESTS_XENPV_FAKE_HV_H */
