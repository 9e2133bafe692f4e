/*
 * Net back end: a NIC on QEMU's net clients.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The protocol is Xen's public io/netif.h, all of it.
 *
 * Offers.  What we offer does not depend on the peer: what it cannot do is
 * done here, and one large packet costs a guest less than the many it would
 * make of it.  What the front end can take decides what the peer may send.
 *
 * Names.  Our back ends are called "qnic", so that a kernel that serves "vif"
 * leaves them alone; where there is none we serve a toolstack's "vif", too.
 * With backend=kernel it is the kernel that serves "vif".
 * Front ends are "vif" in either case.
 *
 * Rate.  "bytes,usec" limits what the guest sends, over all queues together.
 * Credit may be overdrawn by what one packet needs, and is paid back before
 * the next.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-properties.h"
#include "hw/xenpv/trace.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/module.h"
#include "net.h"

/* What IPv4 asks of any link, and what a ring's packet can be */
#define MIN_MTU 68
#define MAX_MTU 65535

/* How long after a change counts are shown */
#define INFO_MS 200

#define MAX_CREDIT      (INT64_MAX / 4)
#define MAX_CREDIT_USEC (3600ull * 1000 * 1000)

void xenpv_net_complain(XenPvNet *net, const char *what)
{
    XenPvDevice *dev = XENPV_DEVICE(net);
    Error *err = NULL;

    if (xenpv_dev_may_complain(dev)) {
        error_setg(&err, "%s", what);
        xenpv_dev_complain(dev, err);
    }
}

static void run_again(XenPvNet *net)
{
    unsigned i;

    for (i = 0; i < net->nr_queues; i++) {
        XenPvNetQueue *queue = &net->queue[i];

        if (queue->tx.event) {
            xenpv_event_again(queue->tx.event);
        }
        if (queue->rx.event && queue->rx.event != queue->tx.event) {
            xenpv_event_again(queue->rx.event);
        }
    }
    if (net->ctrl_event) {
        xenpv_event_again(net->ctrl_event);
    }
}

/* ---- counts ---- */

static void add_stats(XenPvNetStats *sum, const XenPvNetStats *stats)
{
    sum->tx_packets += stats->tx_packets;
    sum->tx_bytes += stats->tx_bytes;
    sum->tx_bad += stats->tx_bad;
    sum->rx_packets += stats->rx_packets;
    sum->rx_bytes += stats->rx_bytes;
    sum->rx_dropped += stats->rx_dropped;
    sum->rx_bad += stats->rx_bad;
}

static void show_info(void *opaque)
{
    XenPvNet *net = opaque;
    XenPvNetStats sum = net->gone;
    NetClientState *nc = xenpv_net_client(net, 0);
    unsigned i;

    for (i = 0; i < net->nr_queues; i++) {
        add_stats(&sum, &net->queue[i].stats);
    }
    qemu_set_info_str(nc, "model=%s,macaddr=" MAC_FMT ",queues=%u: "
                      "sent %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64
                      " bad; received %" PRIu64 " packets, %" PRIu64
                      " bytes, %" PRIu64 " dropped, %" PRIu64 " bad",
                      nc->model, MAC_ARG(net->conf.macaddr.a),
                      net->nr_queues, sum.tx_packets, sum.tx_bytes,
                      sum.tx_bad, sum.rx_packets, sum.rx_bytes,
                      sum.rx_dropped, sum.rx_bad);
}

void xenpv_net_touched(XenPvNet *net)
{
    if (!timer_pending(net->info_timer)) {
        timer_mod(net->info_timer,
                  qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + INFO_MS);
    }
}

/* ---- the rate ---- */

static bool set_rate(XenPvNet *net, const char *text, Error **errp)
{
    uint64_t bytes = 0, usec = 0;

    if (text && !xenpv_netif_parse_rate(text, &bytes, &usec)) {
        error_setg(errp, "rate is 'bytes,microseconds', not '%s'", text);
        return false;
    }
    if (usec && !bytes) {
        error_setg(errp, "rate of 0 bytes");
        return false;
    }
    net->credit_bytes = MIN(bytes, MAX_CREDIT);
    net->credit_usec = MIN(usec, MAX_CREDIT_USEC);
    net->credit = net->credit_bytes;
    net->credit_at = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    return true;
}

static void add_credit(XenPvNet *net)
{
    int64_t period = net->credit_usec * 1000;
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t periods = (now - net->credit_at) / period;
    int64_t missing = net->credit_bytes - net->credit;

    if (periods < DIV_ROUND_UP(missing, (int64_t)net->credit_bytes)) {
        net->credit += periods * net->credit_bytes;
    } else {
        net->credit = net->credit_bytes;
    }
    net->credit_at += periods * period;
}

bool xenpv_net_may_send(XenPvNet *net)
{
    if (!net->credit_usec || net->credit > 0) {
        return true;
    }
    add_credit(net);
    if (net->credit > 0) {
        return true;
    }
    timer_mod(net->credit_timer, net->credit_at + net->credit_usec * 1000);
    return false;
}

static void credit_came(void *opaque)
{
    run_again(opaque);
}

/* ---- multicast ---- */

bool xenpv_net_mcast_add(XenPvNet *net, const uint8_t *address)
{
    unsigned i;

    for (i = 0; i < net->nr_mcast; i++) {
        if (!memcmp(net->mcast[i], address, 6)) {
            return true;
        }
    }
    if (net->nr_mcast == XENPV_NET_MAX_MCAST) {
        return false;
    }
    memcpy(net->mcast[net->nr_mcast++], address, 6);
    return true;
}

void xenpv_net_mcast_del(XenPvNet *net, const uint8_t *address)
{
    unsigned i;

    for (i = 0; i < net->nr_mcast; i++) {
        if (!memcmp(net->mcast[i], address, 6)) {
            memcpy(net->mcast[i], net->mcast[--net->nr_mcast], 6);
            return;
        }
    }
}

/* ---- the net client ---- */

static void net_link_status(NetClientState *nc)
{
    XenPvNet *net = qemu_get_nic_opaque(nc);
    XenPvDevice *dev = XENPV_DEVICE(net);
    Error *err = NULL;

    if (nc->link_down) {
        /* Nobody would ever pass it on. */
        qemu_purge_queued_packets(nc);
    }
    trace_xenpv_net_link(dev->label, !nc->link_down);
    if (!nc->queue_index && !xenpv_dev_update(dev, &err)) {
        error_reportf_err(err, "%s: ", dev->label);
    }
}

static NetClientInfo net_client_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive_iov = xenpv_net_receive,
    .link_status_changed = net_link_status,
};

static void net_vm_state(void *opaque, bool running, RunState state)
{
    XenPvNet *net = opaque;
    unsigned i;

    if (running) {
        run_again(net);
        return;
    }
    for (i = 0; i < net->nr_queues; i++) {
        xenpv_net_rx_settle(&net->queue[i]);
    }
}

/* All queues of the peer, or none */
static bool speaks_vnet(XenPvNet *net)
{
    unsigned i;

    for (i = 0; i < net->nr_links; i++) {
        NetClientState *peer = xenpv_net_client(net, i)->peer;

        if (!peer || !qemu_has_vnet_hdr(peer) ||
            !qemu_has_vnet_hdr_len(peer, XENPV_NET_VNET_SIZE)) {
            return false;
        }
    }
    return true;
}

/* What the peer may leave to the guest */
static void set_offload(XenPvNet *net)
{
    const XenPvNetFront *front = &net->front;
    unsigned i;

    for (i = 0; net->vnet && i < net->nr_links; i++) {
        qemu_set_offload(xenpv_net_client(net, i)->peer,
                         front->csum4 || front->csum6,
                         xenpv_net_takes_gso(front, 4) && front->csum4,
                         xenpv_net_takes_gso(front, 6) && front->csum6,
                         0, 0, 0, 0);
    }
}

/* ---- realize ---- */

static bool check_properties(XenPvNet *net, Error **errp)
{
    if (net->max_queues > XENPV_NET_MAX_QUEUES) {
        error_setg(errp, "queues must be 1 to %d, not %" PRIu32,
                   XENPV_NET_MAX_QUEUES, net->max_queues);
        return false;
    }
    if (net->mtu && (net->mtu < MIN_MTU || net->mtu > MAX_MTU)) {
        error_setg(errp, "mtu must be %d to %d, not %" PRIu32, MIN_MTU,
                   MAX_MTU, net->mtu);
        return false;
    }
    return xenpv_net_kernel_judge(net, errp) &&
           set_rate(net, net->rate, errp);
}

static bool net_realize(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);
    unsigned i;

    if (!check_properties(net, errp)) {
        return false;
    }
    qemu_macaddr_default_if_unset(&net->conf.macaddr);
    if (dev->delegated) {
        return true;
    }
    net->nr_links = MAX(1, net->conf.peers.queues);
    if (!net->max_queues) {
        net->max_queues = MIN(net->nr_links, XENPV_NET_MAX_QUEUES);
    }
    net->held = g_new0(unsigned, net->nr_links);
    net->bounce = g_malloc(NET_BUFSIZE);
    net->linear = g_malloc(NET_BUFSIZE);
    net->nic = qemu_new_nic(&net_client_info, &net->conf,
                            object_get_typename(OBJECT(dev)), DEVICE(dev)->id,
                            &DEVICE(dev)->mem_reentrancy_guard, net);
    net->vnet = speaks_vnet(net);
    for (i = 0; i < net->nr_links; i++) {
        NetClientState *nc = xenpv_net_client(net, i);

        /* Front ends take packets of any length. */
        nc->do_not_pad = true;
        if (net->vnet) {
            qemu_set_vnet_hdr_len(nc->peer, XENPV_NET_VNET_SIZE);
        }
    }
    set_offload(net);
    net->credit_timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, credit_came, net);
    net->info_timer = timer_new_ms(QEMU_CLOCK_REALTIME, show_info, net);
    net->vmstate = qemu_add_vm_change_state_handler(net_vm_state, net);
    show_info(net);
    return true;
}

static void net_unrealize(XenPvDevice *dev)
{
    XenPvNet *net = XENPV_NET(dev);

    if (dev->delegated) {
        xenpv_net_kernel_end(net);
        return;
    }
    qemu_del_vm_change_state_handler(net->vmstate);
    timer_free(net->info_timer);
    timer_free(net->credit_timer);
    qemu_del_nic(net->nic);
    g_free(net->linear);
    g_free(net->bounce);
    g_free(net->held);
}

/* ---- made by a toolstack ---- */

static bool net_vif_claims(XenPvDevice *dev)
{
    return !dev->hv->kernel_backends;
}

static bool configure_text(XenPvDevice *dev, const char *key, Error **errp)
{
    g_autofree char *value = xenpv_dev_read_back(dev, key);

    return !value || !*value ||
           object_property_parse(OBJECT(dev), key, value, errp);
}

static bool net_configure(XenPvDevice *dev, Error **errp)
{
    uint64_t mtu;

    if (!xenpv_dev_read_back_uint(dev, "mtu", MAX_MTU, 0, &mtu, errp) ||
        (!mtu && !xenpv_dev_read_left_uint(dev, "mtu", MAX_MTU, 0, &mtu,
                                           errp))) {
        return false;
    }
    XENPV_NET(dev)->mtu = mtu;
    return configure_text(dev, "mac", errp) &&
           configure_text(dev, "rate", errp) &&
           xenpv_net_tap_open(dev, mtu, errp);
}

static void net_unconfigure(XenPvDevice *dev)
{
    xenpv_net_tap_close(dev);
}

/* ---- nodes ---- */

static bool publish_flags(XenPvDevice *dev, Error **errp)
{
    static const char *const keys[] = {
        "feature-rx-copy", "feature-sg", "feature-gso-tcpv4",
        "feature-gso-tcpv6", "feature-ipv6-csum-offload",
        "feature-split-event-channels", "feature-multicast-control",
        "feature-dynamic-multicast-control", "feature-ctrl-ring",
        "feature-xdp-headroom",
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(keys); i++) {
        if (!xenpv_dev_publish(dev, errp, keys[i], "1")) {
            return false;
        }
    }
    return xenpv_dev_publish(dev, errp, "feature-rx-flip", "0");
}

static bool publish_both(XenPvDevice *dev, const char *key, const char *value,
                         Error **errp)
{
    return xenpv_dev_publish(dev, errp, key, "%s", value) &&
           xenpv_dev_publish_front(dev, errp, key, "%s", value);
}

bool xenpv_net_publish_identity(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);
    g_autofree char *mac = qemu_mac_strdup_printf(net->conf.macaddr.a);
    g_autofree char *handle = g_strdup_printf("%d", dev->devid);
    g_autofree char *mtu = g_strdup_printf("%" PRIu32, net->mtu);

    return publish_both(dev, "mac", mac, errp) &&
           publish_both(dev, "handle", handle, errp) &&
           (!net->mtu || publish_both(dev, "mtu", mtu, errp));
}

static bool net_advertise(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);

    return publish_flags(dev, errp) &&
           xenpv_dev_publish(dev, errp, "multi-queue-max-queues",
                             "%" PRIu32, net->max_queues) &&
           xenpv_dev_publish(dev, errp, "carrier", "%d",
                             !xenpv_net_client(net, 0)->link_down) &&
           xenpv_net_publish_identity(dev, errp);
}

/* ---- connect ---- */

static char *queue_key(unsigned nr_queues, unsigned i, const char *key)
{
    return nr_queues > 1 ? g_strdup_printf("queue-%u/%s", i, key) :
                           g_strdup(key);
}

static bool read_flag(XenPvDevice *dev, const char *key, bool absent,
                      bool *flag, Error **errp)
{
    uint64_t value;

    if (!xenpv_dev_read_front_uint(dev, key, UINT32_MAX, absent, &value,
                                   errp)) {
        return false;
    }
    *flag = value;
    return true;
}

static bool read_front(XenPvDevice *dev, XenPvNetFront *front,
                       Error **errp)
{
    uint64_t headroom;
    bool no_csum4, rx_copy;

    if (!read_flag(dev, "request-rx-copy", false, &rx_copy, errp) ||
        !read_flag(dev, "feature-rx-notify", false, &front->rx_notify,
                   errp) ||
        !read_flag(dev, "feature-sg", false, &front->sg, errp) ||
        !read_flag(dev, "feature-gso-tcpv4", false, &front->gso4, errp) ||
        !read_flag(dev, "feature-gso-tcpv6", false, &front->gso6, errp) ||
        !read_flag(dev, "feature-no-csum-offload", false, &no_csum4, errp) ||
        !read_flag(dev, "feature-ipv6-csum-offload", false, &front->csum6,
                   errp) ||
        !read_flag(dev, "request-multicast-control", false,
                   &front->mcast_control, errp) ||
        !xenpv_dev_read_front_uint(dev, "xdp-headroom",
                                   XENPV_NETIF_MAX_HEADROOM, 0, &headroom,
                                   errp)) {
        return false;
    }
    if (!rx_copy) {
        error_setg(errp, "front end does not ask for request-rx-copy, and "
                   "there is no other way to receive");
        return false;
    }
    front->csum4 = !no_csum4;
    front->headroom = headroom;
    return true;
}

static XenPvMap *map_ring(XenPvDevice *dev, const char *key, Error **errp)
{
    uint64_t ref;
    uint32_t grant;

    if (!xenpv_dev_need_front_uint(dev, key, UINT32_MAX, &ref, errp)) {
        return NULL;
    }
    grant = ref;
    return xenpv_dev_map_grants(dev, &grant, 1, false, errp);
}

static bool map_queue(XenPvNet *net, unsigned nr_queues, unsigned i,
                      Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(net);
    XenPvNetQueue *queue = &net->queue[i];
    g_autofree char *tx_key = queue_key(nr_queues, i, "tx-ring-ref");
    g_autofree char *rx_key = queue_key(nr_queues, i, "rx-ring-ref");
    XenPvMap *tx, *rx;

    tx = map_ring(dev, tx_key, errp);
    if (!tx) {
        return false;
    }
    rx = map_ring(dev, rx_key, errp);
    if (!rx) {
        return false;
    }
    queue->net = net;
    queue->index = i;
    queue->link = i % net->nr_links;
    xenpv_net_tx_init(queue, tx);
    xenpv_net_rx_init(queue, rx);
    return true;
}

static XenPvEvent *bind_key(XenPvDevice *dev, const char *key,
                            XenPvNetPort *what, Error **errp)
{
    uint64_t port;

    if (!xenpv_dev_need_front_uint(dev, key, UINT32_MAX, &port, errp)) {
        return NULL;
    }
    return xenpv_dev_bind(dev, port, NULL, what, errp);
}

/* One channel for each direction, or one for both */
static bool bind_queue(XenPvNet *net, XenPvNetQueue *queue, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(net);
    g_autofree char *tx_key = queue_key(net->nr_queues, queue->index,
                                        "event-channel-tx");
    g_autofree char *rx_key = queue_key(net->nr_queues, queue->index,
                                        "event-channel-rx");
    g_autofree char *key = queue_key(net->nr_queues, queue->index,
                                     "event-channel");
    g_autofree char *split = xenpv_dev_read_front(dev, tx_key);

    queue->port[0] = (XenPvNetPort) { queue, true, !split };
    queue->port[1] = (XenPvNetPort) { queue, false, true };
    queue->tx.event = bind_key(dev, split ? tx_key : key, &queue->port[0],
                               errp);
    if (!queue->tx.event) {
        return false;
    }
    queue->rx.event = split ? bind_key(dev, rx_key, &queue->port[1], errp)
                            : queue->tx.event;
    return queue->rx.event;
}

static bool connect_ctrl(XenPvNet *net, Error **errp)
{
    XenPvDevice *dev = XENPV_DEVICE(net);
    g_autofree char *ref = xenpv_dev_read_front(dev, "ctrl-ring-ref");
    XenPvMap *map;

    if (!ref) {
        return true;
    }
    map = map_ring(dev, "ctrl-ring-ref", errp);
    if (!map || !xenpv_ring_init(&net->ctrl_ring, map,
                                 XENPV_NETIF_CTRL_STRIDE)) {
        return false;
    }
    net->ctrl_event = bind_key(dev, "event-channel-ctrl", &net->ctrl_port,
                               errp);
    return net->ctrl_event;
}

static bool connect_queues(XenPvNet *net, unsigned nr_queues, Error **errp)
{
    unsigned i;

    net->queue = g_new0(XenPvNetQueue, nr_queues);
    while (net->nr_queues < nr_queues) {
        if (!map_queue(net, nr_queues, net->nr_queues, errp)) {
            return false;
        }
        net->nr_queues++;
    }
    for (i = 0; i < nr_queues; i++) {
        if (!bind_queue(net, &net->queue[i], errp)) {
            return false;
        }
    }
    return true;
}

static bool net_connect(XenPvDevice *dev, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);
    XenPvNetFront front = { 0 };
    uint64_t nr_queues;

    if (!read_front(dev, &front, errp) ||
        !xenpv_dev_read_front_uint(dev, "multi-queue-num-queues",
                                   net->max_queues, 1, &nr_queues, errp)) {
        return false;
    }
    if (!nr_queues) {
        error_setg(errp, "front end's multi-queue-num-queues is 0");
        return false;
    }
    net->front = front;
    net->hash = (XenPvNetifHash) { 0 };
    net->nr_mcast = 0;
    if (!connect_queues(net, nr_queues, errp) || !connect_ctrl(net, errp)) {
        return false;
    }
    set_offload(net);
    net->connected = true;
    trace_xenpv_net_connect(dev->label, nr_queues,
                            net->queue[0].tx.event != net->queue[0].rx.event,
                            front.sg, front.gso4, front.gso6, front.csum4,
                            front.csum6, net->vnet);
    return true;
}

static void net_disconnect(XenPvDevice *dev)
{
    XenPvNet *net = XENPV_NET(dev);
    unsigned i;

    net->connected = false;
    for (i = 0; i < net->nr_links; i++) {
        NetClientState *nc = xenpv_net_client(net, i);

        qemu_purge_queued_packets(nc);
        /* ... and what has waited for the guest is nobody's now. */
        qemu_flush_queued_packets(nc);
    }
    for (i = 0; i < net->nr_queues; i++) {
        XenPvNetQueue *queue = &net->queue[i];

        add_stats(&net->gone, &queue->stats);
        xenpv_net_unstage(queue);
        xenpv_net_tx_cleanup(queue);
        xenpv_net_rx_cleanup(queue);
    }
    timer_del(net->credit_timer);
    trace_xenpv_net_disconnect(dev->label, net->nr_queues);
    net->nr_queues = 0;
    net->ctrl_event = NULL;
    g_clear_pointer(&net->queue, g_free);
    net->front = (XenPvNetFront) { 0 };
    set_offload(net);
    xenpv_net_touched(net);
}

static bool net_event(XenPvDevice *dev, void *opaque)
{
    XenPvNetPort *port = opaque;
    bool did = false;

    if (!port->queue) {
        return xenpv_net_ctrl_run(XENPV_NET(dev));
    }
    if (port->rx) {
        did |= xenpv_net_rx_run(port->queue);
    }
    if (port->tx) {
        did |= xenpv_net_tx_run(port->queue);
    }
    return did;
}

static void net_frontend_key(XenPvDevice *dev, const char *key)
{
    XenPvNet *net = XENPV_NET(dev);
    XenPvNetFront front = net->front;
    Error *err = NULL;

    if (read_front(dev, &front, &err)) {
        net->front.mcast_control = front.mcast_control;
        net->front.headroom = front.headroom;
        set_offload(net);
    } else {
        xenpv_dev_complain(dev, err);
    }
}

static void net_backend_key(XenPvDevice *dev, const char *key)
{
    XenPvNet *net = XENPV_NET(dev);
    g_autofree char *rate = xenpv_dev_read_back(dev, "rate");
    Error *err = NULL;

    if (!set_rate(net, rate, &err)) {
        xenpv_dev_complain(dev, err);
        return;
    }
    run_again(net);
}

static void net_print(XenPvDevice *dev, GString *out, int indent)
{
    XenPvNet *net = XENPV_NET(dev);
    unsigned i;

    for (i = 0; i < net->nr_queues; i++) {
        XenPvNetQueue *queue = &net->queue[i];
        XenPvNetStats *stats = &queue->stats;

        g_string_append_printf(out, "%*squeue %u: tx %" PRIu32 "/%" PRIu32
                               ", rx %" PRIu32 "/%" PRIu32 " (taken/answered)"
                               ", rx waits for %" PRIu32 "%s%s\n", indent, "",
                               i, queue->tx.ring.req_cons,
                               queue->tx.ring.rsp_pushed,
                               queue->rx.ring.req_cons,
                               queue->rx.ring.rsp_pushed, queue->rx.need,
                               queue->rx.stalled ? ", stalled" : "",
                               net->held[queue->link] ? ", tx waits" : "");
        g_string_append_printf(out, "%*ssent %" PRIu64 " (%" PRIu64
                               " segments, %" PRIu64 " bad), received %"
                               PRIu64 " (%" PRIu64 " bad), %" PRIu64
                               " wakeups, %" PRIu64 " events sent, %" PRIu64
                               " bytes copied by grants, %u staged\n", indent,
                               "", stats->tx_packets, stats->tx_segments,
                               stats->tx_bad, stats->rx_packets,
                               stats->rx_bad, stats->wakeups,
                               stats->notified, stats->copied,
                               queue->staged ?
                               g_hash_table_size(queue->staged) : 0);
    }
}

/* ---- QOM ---- */

static const char *const net_frontend_keys[] = {
    "request-multicast-control", "xdp-headroom", NULL
};

static const char *const net_backend_keys[] = { "rate", NULL };

/* Whether the cable is in is no property of the NIC. */
static const char *const net_live_keys[] = { "carrier", NULL };

static const Property net_properties[] = {
    DEFINE_NIC_PROPERTIES(XenPvNet, conf),
    DEFINE_PROP_UINT32("queues", XenPvNet, max_queues, 0),
    DEFINE_PROP_UINT32("mtu", XenPvNet, mtu, 0),
    DEFINE_PROP_STRING("rate", XenPvNet, rate),
    DEFINE_PROP_UINT32("rx-drain-timeout", XenPvNet, drain_ms, 10000),
    DEFINE_PROP_STRING("script", XenPvNet, script),
    DEFINE_PROP_STRING("bridge", XenPvNet, bridge),
};

static void net_class_init(ObjectClass *class, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(class);
    XenPvDeviceClass *xdc = XENPV_DEVICE_CLASS(class);

    xdc->type = "vif";
    xdc->backend_type = "qnic";
    xdc->kernel_type = "vif";
    xdc->delegate = xenpv_net_delegate;
    xdc->delegated_ready = xenpv_net_delegated_ready;
    xdc->configure = net_configure;
    xdc->unconfigure = net_unconfigure;
    xdc->frontend_keys = net_frontend_keys;
    xdc->backend_keys = net_backend_keys;
    xdc->realize = net_realize;
    xdc->unrealize = net_unrealize;
    xdc->advertise = net_advertise;
    xdc->connect = net_connect;
    xdc->disconnect = net_disconnect;
    xdc->event = net_event;
    xdc->can_save = true;
    xdc->save = xenpv_net_save;
    xdc->load = xenpv_net_load;
    xdc->live_keys = net_live_keys;
    xdc->frontend_key = net_frontend_key;
    xdc->backend_key = net_backend_key;
    xdc->print = net_print;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, net_properties);
}

static void xen_net_device_class_init(ObjectClass *class, void *data)
{
    DEVICE_CLASS(class)->desc = "Xen PV network interface";
}

static void xen_net_vif_class_init(ObjectClass *class, void *data)
{
    XenPvDeviceClass *xdc = XENPV_DEVICE_CLASS(class);

    DEVICE_CLASS(class)->user_creatable = false;
    DEVICE_CLASS(class)->desc = "Xen PV network interface, by a toolstack";
    xdc->backend_type = "vif";
    xdc->claims = net_vif_claims;
}

static const TypeInfo net_types[] = {
    {
        .name = TYPE_XENPV_NET,
        .parent = TYPE_XENPV_DEVICE,
        .abstract = true,
        .instance_size = sizeof(XenPvNet),
        .class_init = net_class_init,
    },
    {
        .name = TYPE_XEN_NET_DEVICE,
        .parent = TYPE_XENPV_NET,
        .class_init = xen_net_device_class_init,
    },
    {
        .name = TYPE_XEN_NET_VIF,
        .parent = TYPE_XENPV_NET,
        .class_init = xen_net_vif_class_init,
    },
};

DEFINE_TYPES(net_types)
