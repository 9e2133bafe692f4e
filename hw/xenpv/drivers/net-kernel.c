/*
 * A NIC that the host's kernel serves: what it is told, and where its
 * interface goes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel makes an interface "vif<guest>.<number>" when it finds the nodes.
 * Carrier and connection wait for "hotplug-status": whoever puts the interface
 * where it belongs writes it.  That is a script, in the way of a toolstack's,
 * or us, who put it into a bridge.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "net.h"

bool xenpv_net_kernel_judge(XenPvNet *net, Error **errp)
{
    const char *wrong = NULL;

    if (!XENPV_DEVICE(net)->delegated) {
        wrong = net->script ? "script" : net->bridge ? "bridge" : NULL;
        if (wrong) {
            error_setg(errp, "%s needs backend=kernel; here it is the netdev's",
                       wrong);
        }
        return !wrong;
    }
    if (net->conf.peers.queues) {
        error_setg(errp, "backend=kernel: the kernel has an interface of its "
                   "own, and no use for a netdev (bridge= or script= says "
                   "where it goes)");
        return false;
    }
    if (net->max_queues) {
        error_setg(errp, "backend=kernel: how many queues there are is the "
                   "kernel's to say");
        return false;
    }
    return true;
}

bool xenpv_net_delegate(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);

    /* The kernel wants a script named, be it none. */
    return xenpv_dev_publish(dev, errp, "type", "vif") &&
           xenpv_dev_publish(dev, errp, "script", "%s", net->script ?: "") &&
           (!net->bridge ||
            xenpv_dev_publish(dev, errp, "bridge", "%s", net->bridge)) &&
           (!net->rate ||
            xenpv_dev_publish(dev, errp, "rate", "%s", net->rate)) &&
           xenpv_net_publish_identity(dev, errp);
}

bool xenpv_net_delegated_ready(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);

    /* Of a domain before this one; what was made for it went with it. */
    g_clear_pointer(&net->ran, g_free);
    g_free(net->ifname);
    net->ifname = g_strdup_printf("vif%u.%d", dev->guest, dev->devid);
    if (!xenpv_net_place(dev, net->ifname, net->script, net->bridge, net->mtu,
                         errp)) {
        return false;
    }
    return (net->script && *net->script) ||
           xenpv_dev_publish(dev, errp, "hotplug-status", "connected");
}

void xenpv_net_kernel_end(XenPvNet *net)
{
    xenpv_net_unplace(XENPV_DEVICE(net), net->ifname);
    g_clear_pointer(&net->ifname, g_free);
}
