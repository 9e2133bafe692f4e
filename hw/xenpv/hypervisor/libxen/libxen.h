/*
 * Real Xen, through its libraries: for machines that serve a domain of the
 * host QEMU runs on, and for the conformance suite.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_LIBXEN_H
#define HW_XENPV_LIBXEN_H

#include "hw/xenpv/hypervisor.h"

/**
 * xenpv_libxen_new: connect to xenstored and to the kernel's Xen devices
 * @errp: set on failure, naming what is missing
 *
 * We speak as the domain we run in, which the store names.
 *
 * Returns: (transfer full): the hypervisor, or NULL
 */
XenPvHv *xenpv_libxen_new(Error **errp);

/** xenpv_libxen_free: the end; no handle may be live any more */
void xenpv_libxen_free(XenPvHv *hv);

/**
 * xenpv_libxen_has_domain: does xenstored know this domain?
 *
 * From when a toolstack introduces it until it is destroyed; not while it has
 * only shut down.  What cannot be found out is taken for yes.  xenstored fires
 * @releaseDomain when this changes.
 */
bool xenpv_libxen_has_domain(XenPvHv *hv, XenPvDomid domid);

#endif /* HW_XENPV_LIBXEN_H */
