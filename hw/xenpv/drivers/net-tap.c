/*
 * The host's side of a NIC: an interface, put where it belongs; and the peer of
 * a NIC that a toolstack makes, a tap device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The nodes are those of libxl: "vifname" is its name, "script" is run to put
 * it where it belongs, as xl's own hotplug scripts are run; without a script
 * it goes into "bridge", and without that it is set up and left alone.
 *
 * A script may want to read the store, which needs this very thread: it is
 * not waited for.  What it fails with is told when it ends.
 */
#include "qemu/osdep.h"
#include <net/if.h>
#include <sys/ioctl.h>
#ifdef CONFIG_LINUX
#include <linux/sockios.h>
#endif
#include "qapi/error.h"
#include "qapi/qapi-commands-net.h"
#include "hw/xenpv/trace.h"
#include "qemu/cutils.h"
#include "net.h"

/* Where a script is that is given without a folder */
#define SCRIPTS "/etc/xen/scripts"

/* ---- the interface ---- */

#ifdef CONFIG_LINUX
static bool if_ioctl(unsigned long request, struct ifreq *ifr,
                     const char *what, Error **errp)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int ret = fd < 0 ? -1 : ioctl(fd, request, ifr);

    if (ret < 0) {
        error_setg_errno(errp, errno, "cannot %s", what);
    }
    if (fd >= 0) {
        close(fd);
    }
    return ret >= 0;
}

static struct ifreq if_named(const char *name)
{
    struct ifreq ifr = { 0 };

    pstrcpy(ifr.ifr_name, sizeof(ifr.ifr_name), name);
    return ifr;
}

static bool if_set_mtu(const char *name, uint32_t mtu, Error **errp)
{
    struct ifreq ifr = if_named(name);
    g_autofree char *what = g_strdup_printf("set the MTU of %s", name);

    ifr.ifr_mtu = mtu;
    return if_ioctl(SIOCSIFMTU, &ifr, what, errp);
}

static bool if_join(const char *name, const char *bridge, Error **errp)
{
    struct ifreq ifr = if_named(bridge);
    g_autofree char *what = g_strdup_printf("add %s to bridge %s", name,
                                            bridge);

    ifr.ifr_ifindex = if_nametoindex(name);
    return if_ioctl(SIOCBRADDIF, &ifr, what, errp);
}

static bool if_up(const char *name, Error **errp)
{
    struct ifreq ifr = if_named(name);
    g_autofree char *what = g_strdup_printf("set %s up", name);

    if (!if_ioctl(SIOCGIFFLAGS, &ifr, what, errp)) {
        return false;
    }
    ifr.ifr_flags |= IFF_UP;
    return if_ioctl(SIOCSIFFLAGS, &ifr, what, errp);
}
#else
static bool if_set_mtu(const char *name, uint32_t mtu, Error **errp)
{
    return true;
}

static bool if_join(const char *name, const char *bridge, Error **errp)
{
    error_setg(errp, "bridges need Linux");
    return false;
}

static bool if_up(const char *name, Error **errp)
{
    return true;
}
#endif

/* ---- the script ---- */

/* The device may leave before its script ends, so it is held. */
static void online_ended(GPid pid, gint status, gpointer opaque)
{
    XenPvDevice *dev = opaque;
    Error *err = NULL;

    g_spawn_close_pid(pid);
    trace_xenpv_net_script(dev->label, "ended", status);
    if (status && DEVICE(dev)->realized) {
        error_setg(&err, "its script has failed with status %d",
                   WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status));
        xenpv_dev_complain(dev, err);
    }
    object_unref(OBJECT(dev));
}

static void offline_ended(GPid pid, gint status, gpointer opaque)
{
    g_spawn_close_pid(pid);
}

static bool run_script(XenPvDevice *dev, const char *script,
                       const char *ifname, bool online, Error **errp)
{
    char *command = (char *)(online ? "online" : "offline");
    g_autofree char *path = *script == '/' ? g_strdup(script) :
                            g_strdup_printf(SCRIPTS "/%s", script);
    char type[] = "type_if=vif";
    char *argv[] = { path, command, type, NULL };
    g_auto(GStrv) env = g_get_environ();
    g_autoptr(GError) gerr = NULL;
    GPid pid;

    env = g_environ_setenv(env, "script", path, true);
    env = g_environ_setenv(env, "vif", ifname, true);
    env = g_environ_setenv(env, "XENBUS_TYPE", "vif", true);
    env = g_environ_setenv(env, "XENBUS_BASE_PATH", "backend", true);
    env = g_environ_setenv(env, "XENBUS_PATH", dev->be_path, true);
    if (!g_spawn_async(NULL, argv, env, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                       &pid, &gerr)) {
        error_setg(errp, "%s", gerr->message);
        return false;
    }
    trace_xenpv_net_script(dev->label, command, 0);
    if (online) {
        g_child_watch_add(pid, online_ended, object_ref(OBJECT(dev)));
    } else {
        g_child_watch_add(pid, offline_ended, NULL);
    }
    return true;
}

/* ---- as the nodes say ---- */

static char *interface_name(XenPvDevice *dev, Error **errp)
{
    g_autofree char *name = xenpv_dev_read_back(dev, "vifname");

    if (!name || !*name) {
        /* What the kernel's back end would call it */
        return g_strdup_printf("vif%u.%d", dev->guest, dev->devid);
    }
    if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/ \t\n%:")) {
        error_setg(errp, "vifname '%s' cannot be the name of an interface",
                   name);
        return NULL;
    }
    return g_steal_pointer(&name);
}

bool xenpv_net_place(XenPvDevice *dev, const char *ifname, const char *script,
                     const char *bridge, uint32_t mtu, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);

    if (mtu && !if_set_mtu(ifname, mtu, errp)) {
        return false;
    }
    if (script && *script) {
        g_free(net->ran);
        net->ran = g_strdup(script);
        return run_script(dev, script, ifname, true, errp);
    }
    return (!bridge || !*bridge || if_join(ifname, bridge, errp)) &&
           if_up(ifname, errp);
}

void xenpv_net_unplace(XenPvDevice *dev, const char *ifname)
{
    XenPvNet *net = XENPV_NET(dev);

    if (net->ran) {
        run_script(dev, net->ran, ifname, false, NULL);
    }
    g_clear_pointer(&net->ran, g_free);
}

/* ---- a tap device ---- */

bool xenpv_net_tap_open(XenPvDevice *dev, uint32_t mtu, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);
    g_autofree char *id = g_strdup_printf("xen-vif-%d", dev->devid);
    g_autofree char *ifname = interface_name(dev, errp);
    g_autofree char *script = xenpv_dev_read_back(dev, "script");
    g_autofree char *bridge = xenpv_dev_read_back(dev, "bridge");
    char no[] = "no";
    Netdev tap = {
        .id = id,
        .type = NET_CLIENT_DRIVER_TAP,
        .u.tap = { .ifname = ifname, .script = no, .downscript = no },
    };
    Error *err = NULL;

    if (!ifname) {
        return false;
    }
    qmp_netdev_add(&tap, &err);
    if (err) {
        error_propagate_prepend(errp, err, "no tap device %s: ", ifname);
        return false;
    }
    net->tap = g_steal_pointer(&id);
    net->ifname = g_steal_pointer(&ifname);
    return xenpv_net_place(dev, net->ifname, script, bridge, mtu, errp) &&
           object_property_set_str(OBJECT(dev), "netdev", net->tap, errp);
}

void xenpv_net_tap_close(XenPvDevice *dev)
{
    XenPvNet *net = XENPV_NET(dev);

    xenpv_net_unplace(dev, net->ifname);
    if (net->tap) {
        qmp_netdev_del(net->tap, NULL);
    }
    g_clear_pointer(&net->tap, g_free);
    g_clear_pointer(&net->ifname, g_free);
}
