/*
 * A process that ends a domain when QEMU no longer can.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Inside libxen/ only.
 */
#ifndef HW_XENPV_LIBXEN_GUARDIAN_H
#define HW_XENPV_LIBXEN_GUARDIAN_H

#include "hw/xenpv/hypervisor.h"

typedef struct XenPvGuardian XenPvGuardian;

/**
 * XenPvWard: the domain that is guarded
 * @domid: its number; 0: it has none yet, and is whichever has @birth
 * @birth: its handle until it has been given @uuid: a random number
 * @uuid: its handle then, and the name of its directory in /vm
 */
typedef struct XenPvWard {
    uint32_t domid;
    uint8_t birth[16];
    uint8_t uuid[16];
} XenPvWard;

/**
 * xenpv_guardian_new: start one
 * @errp: set on failure
 *
 * It has its own connections to Xen and xenstored and nothing else of ours.
 */
XenPvGuardian *xenpv_guardian_new(Error **errp);

/** xenpv_guardian_free: end the domain if there is one, and the guardian */
void xenpv_guardian_free(XenPvGuardian *g);

/** xenpv_guardian_watch: from now on @ward is to be ended with us */
bool xenpv_guardian_watch(XenPvGuardian *g, const XenPvWard *ward,
                          Error **errp);

/** xenpv_guardian_end: end the domain now; returns when it is gone */
bool xenpv_guardian_end(XenPvGuardian *g, Error **errp);

#endif /* HW_XENPV_LIBXEN_GUARDIAN_H */
