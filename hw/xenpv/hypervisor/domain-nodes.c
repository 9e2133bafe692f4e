/*
 * What whoever makes a domain writes into the store for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Names, values and rights as in libxl_create.c:libxl__domain_make(),
 * libxl_dom.c:libxl__build_post() and libxl_console.c of Xen 4.20.
 */
#include "qemu/osdep.h"
#include "domain-nodes.h"

/* Rights of a node, by who may do what */
typedef enum {
    NODE_GUEST_READ,    /* ours, the guest may read */
    NODE_GUEST,         /* the guest's own */
} NodeRights;

/* Where to write; the first failure counts, and nothing is written after it. */
typedef struct Writer {
    XenPvHv *hv;
    XenPvDomid guest;
    Error **errp;
    bool failed;
} Writer;

static void judge(Writer *w, const char *path, int ret)
{
    if (ret < 0) {
        error_setg_errno(w->errp, -ret, "cannot write %s", path);
        w->failed = true;
    }
}

static void set_rights(Writer *w, const char *path, NodeRights rights)
{
    const XenPvPerm read[] = {
        { .domid = w->hv->self },
        { .domid = w->guest, .read = true },
    };
    const XenPvPerm own[] = {
        { .domid = w->guest },
    };

    if (w->failed) {
        return;
    }
    if (rights == NODE_GUEST) {
        judge(w, path, xenpv_store_set_perms(w->hv, NULL, path, own, 1));
    } else {
        judge(w, path, xenpv_store_set_perms(w->hv, NULL, path, read, 2));
    }
}

static void folder(Writer *w, const char *path, NodeRights rights)
{
    if (!w->failed) {
        judge(w, path, xenpv_store_mkdir(w->hv, NULL, path));
    }
    set_rights(w, path, rights);
}

static void G_GNUC_PRINTF(4, 5) node(Writer *w, const char *dir,
                                     const char *name, const char *fmt, ...)
{
    g_autofree char *path = g_strdup_printf("%s%s", dir, name);
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    if (!w->failed) {
        judge(w, path, xenpv_store_write(w->hv, NULL, path, value));
    }
    set_rights(w, path, NODE_GUEST_READ);
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

static void write_guest(Writer *w, const XenPvDomainNodes *n, const char *vm)
{
    g_autofree char *dom = g_strdup_printf("/local/domain/%u", n->guest);
    unsigned i;

    node(w, dom, "", "%s", "");
    for (i = 0; i < ARRAY_SIZE(skeleton); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dom,
                                                skeleton[i].path);

        folder(w, path, skeleton[i].rights);
    }
    node(w, dom, "/vm", "%s", vm);
    node(w, dom, "/name", "%s", n->name);
    node(w, dom, "/domid", "%u", n->guest);
    node(w, dom, "/control/platform-feature-multiprocessor-suspend", "1");
    node(w, dom, "/control/platform-feature-xs_reset_watches", "1");
    node(w, dom, "/memory/static-max", "%" PRIu64, n->max_memory_kib);
    node(w, dom, "/memory/target", "%" PRIu64, n->memory_kib);
    node(w, dom, "/memory/videoram", "0");
    node(w, dom, "/store/port", "%u", n->store_port);
    node(w, dom, "/store/ring-ref", "%" PRIu64, n->store_gfn);
    node(w, dom, "/console/port", "%u", n->console_port);
    node(w, dom, "/console/ring-ref", "%" PRIu64, n->console_gfn);
    node(w, dom, "/console/type", "ioemu");
    node(w, dom, "/console/limit", "%u", 1048576);
    for (i = 0; i < n->max_vcpus; i++) {
        g_autofree char *name = g_strdup_printf("/cpu/%u/availability", i);

        node(w, dom, name, "%s", i < n->nr_vcpus ? "online" : "offline");
    }
}

bool xenpv_domain_nodes_write(XenPvHv *hv, const XenPvDomainNodes *n,
                              Error **errp)
{
    g_autofree char *vm = g_strdup_printf("/vm/%s", n->uuid);
    Writer w = { .hv = hv, .guest = n->guest, .errp = errp };

    node(&w, vm, "", "%s", "");
    node(&w, vm, "/name", "%s", n->name);
    node(&w, vm, "/uuid", "%s", n->uuid);
    node(&w, vm, "/image/ostype", "linux");
    write_guest(&w, n, vm);
    return !w.failed;
}

int xenpv_domain_ask_shutdown(XenPvHv *hv, XenPvDomid guest,
                              const char *reason)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%u/control/shutdown",
                                            guest);

    return xenpv_store_write(hv, NULL, path, reason);
}
