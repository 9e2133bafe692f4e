/*
 * What whoever makes a domain writes into the store for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_DOMAIN_NODES_H
#define HW_XENPV_DOMAIN_NODES_H

#include "hw/xenpv/hypervisor.h"

/**
 * XenPvDomainNodes: what a domain is told about itself
 * @guest: the domain
 * @name: its name
 * @uuid: its UUID as text
 * @nr_vcpus: vCPUs that are online at start
 * @max_vcpus: vCPUs that exist; the rest start offline
 * @memory_kib: memory it starts with, in KiB
 * @max_memory_kib: the most it may have, in KiB
 * @store_gfn: frame of the store page
 * @store_port: its event channel
 * @console_gfn: frame of the console page
 * @console_port: its event channel
 */
typedef struct XenPvDomainNodes {
    XenPvDomid guest;
    const char *name;
    const char *uuid;
    unsigned nr_vcpus;
    unsigned max_vcpus;
    uint64_t memory_kib;
    uint64_t max_memory_kib;
    uint64_t store_gfn;
    uint32_t store_port;
    uint64_t console_gfn;
    uint32_t console_port;
} XenPvDomainNodes;

/**
 * xenpv_domain_nodes_write: write a domain's nodes, with libxl's rights
 * @hv: where; we speak as domain 0 or one as privileged
 * @nodes: what
 * @errp: set on failure
 *
 * What is there already and not of these is left alone.
 */
bool xenpv_domain_nodes_write(XenPvHv *hv, const XenPvDomainNodes *nodes,
                              Error **errp);

/**
 * xenpv_domain_ask_shutdown: ask a guest to go, as libxl does it
 * @guest: the domain
 * @reason: "poweroff", "reboot", "halt" or "suspend"
 *
 * The guest takes the node and writes "" into it.
 *
 * Returns: 0 or a negative errno
 */
int xenpv_domain_ask_shutdown(XenPvHv *hv, XenPvDomid guest,
                              const char *reason);

#endif /* HW_XENPV_DOMAIN_NODES_H */
