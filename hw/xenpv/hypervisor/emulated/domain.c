/*
 * The nodes of the one domain there is, and of the host it believes in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "emu-internal.h"

static void write_host(XenPvEmu *emu)
{
    static const char *const folders[] = {
        "/tool", "/tool/xenstored", "/local", "/local/domain",
        "/local/domain/0", "/local/domain/0/backend", "/vm", "/libxl",
    };
    static const struct {
        const char *path;
        const char *value;
    } nodes[] = {
        { "/local/domain/0/domid", "0" },
        { "/local/domain/0/name", "Domain-0" },
    };
    const XenPvPerm ours[] = { { .domid = 0 } };
    XenPvHv *hv = &emu->parent;
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(folders); i++) {
        xenpv_store_mkdir(hv, NULL, folders[i]);
    }
    for (i = 0; i < ARRAY_SIZE(nodes); i++) {
        xenpv_store_write(hv, NULL, nodes[i].path, nodes[i].value);
        xenpv_store_set_perms(hv, NULL, nodes[i].path, ours, 1);
    }
}

/*
 * All but "device", and the console's nodes its driver keeps there: a domain
 * that is reset keeps its number.
 */
static void forget_guest(XenPvEmu *emu)
{
    g_autofree char *dom = g_strdup_printf("/local/domain/%u",
                                           emu->cfg.guest);
    g_auto(GStrv) names = NULL;
    XenPvHv *hv = &emu->parent;
    unsigned i;

    names = xenpv_store_list(hv, NULL, dom, NULL);
    for (i = 0; names && names[i]; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dom, names[i]);

        if (strcmp(names[i], "device") && strcmp(names[i], "console")) {
            xenpv_store_rm(hv, NULL, path);
        }
    }
}

void xenpv_emu_write_domain(XenPvEmu *emu, const XenPvEmuDomain *domain)
{
    XenPvDomainNodes nodes = *domain;

    nodes.guest = emu->cfg.guest;
    write_host(emu);
    forget_guest(emu);
    /* Domain 0 meets no limits. */
    xenpv_domain_nodes_write(&emu->parent, &nodes, NULL);
    xenpv_xs_fire_special(emu->store, "@introduceDomain");
}

int xenpv_emu_request_shutdown(XenPvEmu *emu, const char *reason)
{
    return xenpv_domain_ask_shutdown(&emu->parent, emu->cfg.guest, reason);
}

int xenpv_emu_request_memory(XenPvEmu *emu, uint64_t kib)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%u/memory/target",
                                            emu->cfg.guest);
    g_autofree char *value = g_strdup_printf("%" PRIu64, kib);

    return xenpv_store_write(&emu->parent, NULL, path, value);
}

int xenpv_emu_request_vcpu(XenPvEmu *emu, unsigned vcpu, bool online)
{
    g_autofree char *path =
        g_strdup_printf("/local/domain/%u/cpu/%u/availability",
                        emu->cfg.guest, vcpu);

    return xenpv_store_write(&emu->parent, NULL, path,
                             online ? "online" : "offline");
}
