/*
 * QEMU's net layer as far as a NIC sees it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/iov.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-net.h"
#include "qapi/visitor.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "net/queue.h"
#include "system/runstate.h"
#include "fixture.h"
#include "net-host.h"

TestPeer test_peer;

static NetClientState peer_nc[TEST_PEER_QUEUES];
static NICState *the_nic;
static unsigned nr_waiting;

/* ---- the peer ---- */

static ssize_t peer_receive_iov(NetClientState *nc, const struct iovec *iov,
                                int nr)
{
    size_t len = iov_size(iov, nr);
    uint8_t *data;

    if (test_peer.hold) {
        return 0;
    }
    data = g_malloc(len);
    iov_to_buf(iov, nr, 0, data, len);
    g_ptr_array_add(test_peer.frames, g_bytes_new_take(data, len));
    return len;
}

static ssize_t peer_receive(NetClientState *nc, const uint8_t *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return peer_receive_iov(nc, &iov, 1);
}

static NetClientInfo info_iov = {
    .type = NET_CLIENT_DRIVER_TAP,
    .receive_iov = peer_receive_iov,
    .receive = peer_receive,
};

static NetClientInfo info_one_piece = {
    .type = NET_CLIENT_DRIVER_USER,
    .receive = peer_receive,
};

void test_peer_reset(unsigned queues, bool vnet)
{
    if (test_peer.frames) {
        g_ptr_array_unref(test_peer.frames);
    }
    test_peer = (TestPeer) {
        .queues = queues,
        .vnet = vnet,
        .frames = g_ptr_array_new_with_free_func((void *)g_bytes_unref),
        .csum = -1,
        .tso4 = -1,
        .tso6 = -1,
    };
    nr_waiting = 0;
}

const uint8_t *test_peer_frame(unsigned i, size_t *len)
{
    size_t offset = test_peer.vnet ? sizeof(struct virtio_net_hdr) : 0;
    const uint8_t *data;

    g_assert_cmpuint(i, <, test_peer.frames->len);
    data = g_bytes_get_data(g_ptr_array_index(test_peer.frames, i), len);
    g_assert_cmpuint(*len, >=, offset);
    *len -= offset;
    return data + offset;
}

const struct virtio_net_hdr *test_peer_vnet(unsigned i)
{
    g_assert_true(test_peer.vnet);
    return g_bytes_get_data(g_ptr_array_index(test_peer.frames, i), NULL);
}

void test_peer_clear(void)
{
    g_ptr_array_set_size(test_peer.frames, 0);
}

void test_peer_release(void)
{
    unsigned i;

    test_peer.hold = false;
    for (i = 0; i < test_peer.queues; i++) {
        peer_nc[i].receive_disabled = 0;
        qemu_net_queue_flush(peer_nc[i].incoming_queue);
    }
}

static void peer_sent(NetClientState *nc, ssize_t len)
{
    nr_waiting--;
    test_peer.taken++;
}

bool test_peer_send(unsigned queue, const struct virtio_net_hdr *vnet,
                    const void *frame, size_t len)
{
    struct virtio_net_hdr none = { 0 };
    g_autofree uint8_t *buf = g_malloc(sizeof(none) + len);
    size_t offset = test_peer.vnet ? sizeof(none) : 0;
    NetClientState *nc = &peer_nc[queue];

    g_assert_true(!vnet || test_peer.vnet);
    memcpy(buf, vnet ?: &none, offset);
    memcpy(buf + offset, frame, len);
    if (qemu_net_queue_send(nc->peer->incoming_queue, nc, 0, buf,
                            offset + len, peer_sent)) {
        return true;
    }
    nr_waiting++;
    return false;
}

unsigned test_peer_waiting(void)
{
    return nr_waiting;
}

void test_peer_link(bool up)
{
    unsigned i;

    for (i = 0; i < MAX(1, test_peer.queues); i++) {
        NetClientState *nc = qemu_get_subqueue(the_nic, i);

        nc->link_down = !up;
        nc->info->link_status_changed(nc);
    }
}

const char *test_nic_info(void)
{
    return qemu_get_subqueue(the_nic, 0)->info_str;
}

/* ---- the net layer ---- */

int qemu_can_send_packet(NetClientState *sender)
{
    return runstate_is_running() && sender->peer &&
           !sender->peer->receive_disabled;
}

static ssize_t deliver(NetClientState *sender, unsigned flags,
                       const struct iovec *iov, int nr, void *opaque)
{
    NetClientState *nc = opaque;
    ssize_t ret;

    if (nc->link_down) {
        return iov_size(iov, nr);
    }
    if (nc->receive_disabled) {
        return 0;
    }
    if (nc->info->receive_iov) {
        ret = nc->info->receive_iov(nc, iov, nr);
    } else {
        /* The net layer allocates otherwise. */
        g_assert_cmpint(nr, ==, 1);
        ret = nc->info->receive(nc, iov->iov_base, iov->iov_len);
    }
    if (!ret) {
        nc->receive_disabled = 1;
    }
    return ret;
}

static void set_up(NetClientState *nc, NetClientInfo *info, unsigned index)
{
    memset(nc, 0, sizeof(*nc));
    nc->info = info;
    nc->queue_index = index;
    nc->model = g_strdup("xen-net-device");
    nc->incoming_queue = qemu_new_net_queue(deliver, nc);
}

static void take_down(NetClientState *nc)
{
    qemu_del_net_queue(nc->incoming_queue);
    g_free(nc->model);
}

NICState *qemu_new_nic(NetClientInfo *info, NICConf *conf, const char *model,
                       const char *name, MemReentrancyGuard *guard,
                       void *opaque)
{
    unsigned i, nr = MAX(1, conf->peers.queues);
    NICState *nic = g_malloc0(info->size + nr * sizeof(NetClientState));

    nic->ncs = (void *)nic + info->size;
    nic->conf = conf;
    nic->opaque = opaque;
    for (i = 0; i < nr; i++) {
        set_up(&nic->ncs[i], info, i);
        if (i < conf->peers.queues) {
            set_up(&peer_nc[i], test_peer.one_piece ? &info_one_piece :
                                                      &info_iov, i);
            nic->ncs[i].peer = &peer_nc[i];
            peer_nc[i].peer = &nic->ncs[i];
        }
    }
    the_nic = nic;
    return nic;
}

void qemu_del_nic(NICState *nic)
{
    unsigned i;

    for (i = 0; i < MAX(1, nic->conf->peers.queues); i++) {
        NetClientState *nc = &nic->ncs[i];

        if (nc->peer) {
            qemu_net_queue_purge(nc->incoming_queue, nc->peer);
            take_down(nc->peer);
        }
        take_down(nc);
    }
    g_free(nic);
    the_nic = NULL;
}

NetClientState *qemu_get_subqueue(NICState *nic, int index)
{
    return nic->ncs + index;
}

void *qemu_get_nic_opaque(NetClientState *nc)
{
    NetClientState *first = nc - nc->queue_index;

    return ((NICState *)((void *)first - nc->info->size))->opaque;
}

ssize_t qemu_sendv_packet_async(NetClientState *nc, const struct iovec *iov,
                                int nr, NetPacketSent *sent_cb)
{
    if (nc->link_down || !nc->peer) {
        return iov_size(iov, nr);
    }
    return qemu_net_queue_send_iov(nc->peer->incoming_queue, nc, 0, iov, nr,
                                   sent_cb);
}

void qemu_purge_queued_packets(NetClientState *nc)
{
    if (nc->peer) {
        qemu_net_queue_purge(nc->peer->incoming_queue, nc);
    }
}

void qemu_flush_or_purge_queued_packets(NetClientState *nc, bool purge)
{
    nc->receive_disabled = 0;
    if (!qemu_net_queue_flush(nc->incoming_queue) && purge) {
        qemu_net_queue_purge(nc->incoming_queue, nc->peer);
    }
}

void qemu_flush_queued_packets(NetClientState *nc)
{
    qemu_flush_or_purge_queued_packets(nc, false);
}

bool qemu_has_vnet_hdr(NetClientState *nc)
{
    return nc && test_peer.vnet;
}

bool qemu_has_vnet_hdr_len(NetClientState *nc, int len)
{
    return nc && test_peer.vnet;
}

void qemu_set_vnet_hdr_len(NetClientState *nc, int len)
{
    test_peer.vnet_len = len;
}

void qemu_set_offload(NetClientState *nc, int csum, int tso4, int tso6,
                      int ecn, int ufo, int uso4, int uso6)
{
    g_assert_false(ecn || ufo || uso4 || uso6);
    test_peer.csum = csum;
    test_peer.tso4 = tso4;
    test_peer.tso6 = tso6;
}

void qemu_set_info_str(NetClientState *nc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(nc->info_str, sizeof(nc->info_str), fmt, ap);
    va_end(ap);
}

void qemu_macaddr_default_if_unset(MACAddr *mac)
{
    static const MACAddr zero;
    static const MACAddr one = { { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };

    if (!memcmp(mac, &zero, sizeof(zero))) {
        *mac = one;
    }
}

char *qemu_mac_strdup_printf(const uint8_t *mac)
{
    return g_strdup_printf("%.2x:%.2x:%.2x:%.2x:%.2x:%.2x", mac[0], mac[1],
                           mac[2], mac[3], mac[4], mac[5]);
}

unsigned test_nr_netdevs;
char test_netdev_ifname[32];

bool test_no_netdevs(void *opaque)
{
    return !test_nr_netdevs;
}

void qmp_netdev_add(Netdev *netdev, Error **errp)
{
    g_assert_cmpint(netdev->type, ==, NET_CLIENT_DRIVER_TAP);
    g_assert_cmpstr(netdev->u.tap.script, ==, "no");
    g_assert_cmpstr(netdev->u.tap.downscript, ==, "no");
    if (!strcmp(netdev->u.tap.ifname, "no-rights")) {
        error_setg(errp, "not permitted");
        return;
    }
    pstrcpy(test_netdev_ifname, sizeof(test_netdev_ifname),
            netdev->u.tap.ifname);
    test_nr_netdevs++;
}

void qmp_netdev_del(const char *id, Error **errp)
{
    g_assert_cmpstr(id, ==, "xen-vif-3");
    test_nr_netdevs--;
}

/* ---- properties ---- */

static void set_mac(Object *obj, Visitor *v, const char *name, void *opaque,
                    Error **errp)
{
    MACAddr *mac = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = NULL;
    unsigned a[6], i;

    g_assert_true(visit_type_str(v, name, &text, errp));
    if (sscanf(text, "%x:%x:%x:%x:%x:%x", a, a + 1, a + 2, a + 3, a + 4,
               a + 5) != 6) {
        error_setg(errp, "no MAC address");
        return;
    }
    for (i = 0; i < 6; i++) {
        mac->a[i] = a[i];
    }
}

const PropertyInfo qdev_prop_macaddr = {
    .type = "str",
    .set = set_mac,
};

static void set_netdev(Object *obj, Visitor *v, const char *name,
                       void *opaque, Error **errp)
{
    NICPeers *peers = object_field_prop_ptr(obj, opaque);
    g_autofree char *text = NULL;

    g_assert_true(visit_type_str(v, name, &text, errp));
    g_assert_true(!strcmp(text, "peer0") || !strcmp(text, "xen-vif-3"));
    peers->queues = test_peer.queues;
}

const PropertyInfo qdev_prop_netdev = {
    .type = "str",
    .set = set_netdev,
};

/* ---- the VM ---- */

struct VMChangeStateEntry {
    VMChangeStateHandler *cb;
    void *opaque;
};

static VMChangeStateEntry the_handler;

bool runstate_is_running(void)
{
    return runstate_check(RUN_STATE_RUNNING);
}

VMChangeStateEntry *qemu_add_vm_change_state_handler(VMChangeStateHandler *cb,
                                                     void *opaque)
{
    the_handler = (VMChangeStateEntry) { cb, opaque };
    return &the_handler;
}

void qemu_del_vm_change_state_handler(VMChangeStateEntry *e)
{
    the_handler.cb = NULL;
}

void test_vm_run(bool running)
{
    fixture_runstate = running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED;
    if (the_handler.cb) {
        the_handler.cb(the_handler.opaque, running, fixture_runstate);
    }
}
