/*
 * What a toolstack writes into the store for a domain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names, values and rights as in libxl_create.c:libxl__domain_make(),
 * libxl_dom.c:libxl__build_post() and libxl_console.c of Xen 4.20.
 */
#include "qemu/osdep.h"
#include "emu-internal.h"

/* Rights of a node, by who may do what */
typedef enum {
    NODE_DOM0,          /* domain 0 only */
    NODE_GUEST_READ,    /* domain 0's, the guest may read */
    NODE_GUEST,         /* the guest's own */
} NodeRights;

static void set_rights(XenPvEmu *emu, const char *path, NodeRights rights)
{
    const XenPvPerm read[] = {
        { .domid = 0 },
        { .domid = emu->cfg.guest, .read = true },
    };
    const XenPvPerm own[] = {
        { .domid = emu->cfg.guest },
    };
    XenPvHv *hv = &emu->parent;

    switch (rights) {
    case NODE_DOM0:
        xenpv_emu_store_set_perms(hv, NULL, path, read, 1);
        break;
    case NODE_GUEST_READ:
        xenpv_emu_store_set_perms(hv, NULL, path, read, 2);
        break;
    case NODE_GUEST:
        xenpv_emu_store_set_perms(hv, NULL, path, own, 1);
        break;
    }
}

static void G_GNUC_PRINTF(4, 5) node(XenPvEmu *emu, NodeRights rights,
                                     const char *path, const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    xenpv_emu_store_write(&emu->parent, NULL, path, value, strlen(value));
    set_rights(emu, path, rights);
}

/* Folders and empty nodes; below one, everything inherits its rights. */
static const struct {
    const char *path;
    NodeRights rights;
} skeleton[] = {
    { "cpu",                        NODE_GUEST_READ },
    { "memory",                     NODE_GUEST_READ },
    { "device",                     NODE_GUEST_READ },
    { "device/suspend",             NODE_GUEST_READ },
    { "device/suspend/event-channel", NODE_GUEST    },
    { "control",                    NODE_GUEST_READ },
    { "control/shutdown",           NODE_GUEST      },
    { "control/feature-poweroff",   NODE_GUEST      },
    { "control/feature-reboot",     NODE_GUEST      },
    { "control/feature-suspend",    NODE_GUEST      },
    { "control/sysrq",              NODE_GUEST      },
    { "data",                       NODE_GUEST      },
    { "drivers",                    NODE_GUEST      },
    { "feature",                    NODE_GUEST      },
    { "attr",                       NODE_GUEST      },
    { "error",                      NODE_GUEST      },
    { "store",                      NODE_GUEST_READ },
    { "console",                    NODE_GUEST_READ },
};

/* All but "device", and the console's nodes its driver keeps there. */
static void forget_guest(XenPvEmu *emu, const char *dom)
{
    XenPvHv *hv = &emu->parent;
    g_auto(GStrv) names = xenpv_emu_store_list(hv, NULL, dom, NULL);
    unsigned i;

    for (i = 0; names && names[i]; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dom, names[i]);

        if (strcmp(names[i], "device") && strcmp(names[i], "console")) {
            xenpv_emu_store_rm(hv, NULL, path);
        }
    }
}

static void write_guest(XenPvEmu *emu, const XenPvEmuDomain *d,
                        const char *dom, const char *vm)
{
    unsigned i;

    node(emu, NODE_GUEST_READ, dom, "%s", "");
    for (i = 0; i < ARRAY_SIZE(skeleton); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dom,
                                                skeleton[i].path);

        xenpv_emu_store_mkdir(&emu->parent, NULL, path);
        set_rights(emu, path, skeleton[i].rights);
    }

#define NODE(path, ...) do {                                            \
        g_autofree char *abs = g_strdup_printf("%s/%s", dom, path);     \
        node(emu, NODE_GUEST_READ, abs, __VA_ARGS__);                   \
    } while (0)

    NODE("vm", "%s", vm);
    NODE("name", "%s", d->name);
    NODE("domid", "%u", emu->cfg.guest);
    NODE("control/platform-feature-multiprocessor-suspend", "1");
    NODE("control/platform-feature-xs_reset_watches", "1");
    NODE("memory/static-max", "%" PRIu64, d->max_memory_kib);
    NODE("memory/target", "%" PRIu64, d->memory_kib);
    NODE("memory/videoram", "0");
    NODE("store/port", "%u", d->store_port);
    NODE("store/ring-ref", "%" PRIu64, d->store_gfn);
    NODE("console/port", "%u", d->console_port);
    NODE("console/ring-ref", "%" PRIu64, d->console_gfn);
    NODE("console/type", "ioemu");
    NODE("console/limit", "%u", 1048576);
    for (i = 0; i < d->max_vcpus; i++) {
        g_autofree char *path = g_strdup_printf("cpu/%u/availability", i);

        NODE(path, "%s", i < d->nr_vcpus ? "online" : "offline");
    }
#undef NODE
}

static void write_vm(XenPvEmu *emu, const XenPvEmuDomain *d, const char *vm)
{
    g_autofree char *name = g_strdup_printf("%s/name", vm);
    g_autofree char *uuid = g_strdup_printf("%s/uuid", vm);
    g_autofree char *image = g_strdup_printf("%s/image/ostype", vm);

    node(emu, NODE_GUEST_READ, vm, "%s", "");
    node(emu, NODE_GUEST_READ, name, "%s", d->name);
    node(emu, NODE_GUEST_READ, uuid, "%s", d->uuid);
    node(emu, NODE_GUEST_READ, image, "linux");
}

static void write_host(XenPvEmu *emu)
{
    static const char *const folders[] = {
        "/tool", "/tool/xenstored", "/local", "/local/domain",
        "/local/domain/0", "/local/domain/0/backend", "/vm", "/libxl",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(folders); i++) {
        xenpv_emu_store_mkdir(&emu->parent, NULL, folders[i]);
    }
    node(emu, NODE_DOM0, "/local/domain/0/domid", "0");
    node(emu, NODE_DOM0, "/local/domain/0/name", "Domain-0");
}

void xenpv_emu_write_domain(XenPvEmu *emu, const XenPvEmuDomain *domain)
{
    g_autofree char *dom = g_strdup_printf("/local/domain/%u",
                                           emu->cfg.guest);
    g_autofree char *vm = g_strdup_printf("/vm/%s", domain->uuid);

    write_host(emu);
    forget_guest(emu, dom);
    write_vm(emu, domain, vm);
    write_guest(emu, domain, dom, vm);
    xenpv_xs_fire_special(emu->store, "@introduceDomain");
}

/* As libxl does it; the guest takes the node and writes "" into it. */
int xenpv_emu_request_shutdown(XenPvEmu *emu, const char *reason)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%u/control/shutdown",
                                            emu->cfg.guest);

    return xenpv_emu_store_write(&emu->parent, NULL, path, reason,
                                 strlen(reason));
}
