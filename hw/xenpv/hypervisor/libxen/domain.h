/*
 * A domain of one's own on the real Xen host: built, run, ended.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For who is his own toolstack.  There is one domain at a time.  Order:
 * build, (nodes of the store), introduce, unpause, destroy, build, ...
 */
#ifndef HW_XENPV_LIBXEN_DOMAIN_H
#define HW_XENPV_LIBXEN_DOMAIN_H

#include "hw/xenpv/hypervisor.h"

typedef struct XenPvOwnDomain XenPvOwnDomain;

/**
 * XenPvDomainSpec: the domain that is wanted; borrowed
 * @kernel: an ELF image with the notes of a PV kernel
 * @kernel_len: bytes of it
 * @initrd: or NULL
 * @initrd_len: bytes of it
 * @cmdline: kernel command line, or NULL
 * @uuid: the domain's handle
 * @nr_vcpus: all of them, also those that start offline
 * @memory_kib: all of it
 * @clock_offset: its wall clock is ahead of the host's by as many seconds
 */
typedef struct XenPvDomainSpec {
    const void *kernel;
    size_t kernel_len;
    const void *initrd;
    size_t initrd_len;
    const char *cmdline;
    uint8_t uuid[16];
    unsigned nr_vcpus;
    uint64_t memory_kib;
    int64_t clock_offset;
} XenPvDomainSpec;

/**
 * XenPvBuiltDomain: what there is
 * @domid: its number
 * @store_gfn: frame of the store page
 * @store_port: its event channel
 * @console_gfn: frame of the console page
 * @console_port: its event channel
 */
typedef struct XenPvBuiltDomain {
    XenPvDomid domid;
    uint64_t store_gfn;
    uint32_t store_port;
    uint64_t console_gfn;
    uint32_t console_port;
} XenPvBuiltDomain;

/**
 * XenPvDomainLife: how the domain is
 *
 * @XENPV_DOMAIN_LIVES: nothing to report
 * @XENPV_DOMAIN_ENDED: the guest has called SCHEDOP_shutdown
 * @XENPV_DOMAIN_GONE: somebody else has destroyed it
 */
typedef enum XenPvDomainLife {
    XENPV_DOMAIN_LIVES,
    XENPV_DOMAIN_ENDED,
    XENPV_DOMAIN_GONE,
} XenPvDomainLife;

/**
 * xenpv_own_domain_possible: is this a place to make domains in?
 * @errp: set if not, saying what is missing
 *
 * Before anything else is opened, so that the first thing that is missing is
 * what the user hears of.
 */
bool xenpv_own_domain_possible(Error **errp);

/**
 * xenpv_own_domain_new: get ready
 * @hv: from xenpv_libxen_new(); must outlive the domain
 * @errp: set on failure
 *
 * Starts the guardian, a process that ends the domain if we no longer can.
 */
XenPvOwnDomain *xenpv_own_domain_new(XenPvHv *hv, Error **errp);

/** xenpv_own_domain_free: the end; the domain's, too */
void xenpv_own_domain_free(XenPvOwnDomain *own);

/**
 * xenpv_own_domain_build: make a domain, paused
 * @spec: what
 * @built: (out)
 * @errp: set on failure: one line, and nothing of the domain is left
 */
bool xenpv_own_domain_build(XenPvOwnDomain *own, const XenPvDomainSpec *spec,
                            XenPvBuiltDomain *built, Error **errp);

/** xenpv_own_domain_introduce: make it known to xenstored */
bool xenpv_own_domain_introduce(XenPvOwnDomain *own, Error **errp);

bool xenpv_own_domain_pause(XenPvOwnDomain *own, Error **errp);
bool xenpv_own_domain_unpause(XenPvOwnDomain *own, Error **errp);

/**
 * xenpv_own_domain_life: how is it?
 * @reason: (out): SHUTDOWN_* if it has ended; may be any number
 *
 * xenstored fires @releaseDomain when this changes.
 */
XenPvDomainLife xenpv_own_domain_life(XenPvOwnDomain *own, unsigned *reason);

/** xenpv_own_domain_resume: a guest that was to be suspended goes on */
bool xenpv_own_domain_resume(XenPvOwnDomain *own, Error **errp);

/**
 * xenpv_own_domain_destroy: end it, with its nodes and its back ends'
 *
 * Nothing of it may be mapped or bound any more.  Does nothing without one.
 */
void xenpv_own_domain_destroy(XenPvOwnDomain *own);

#endif /* HW_XENPV_LIBXEN_DOMAIN_H */
