/*
 * The control ring: hashing and staging grants.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing here is hot.  Each request is answered at once, a few of them in one
 * wakeup.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "hw/xenpv/trace.h"
#include "net.h"

/* Requests of one wakeup: one of them may map 512 pages. */
#define BUDGET 4

/* An entry of a list of staging grants */
#define GREF_SIZE       8
#define GREF_REF        0
#define GREF_FLAGS      4
#define GREF_STATUS     6
#define MAX_LIST        (XENPV_PAGE_SIZE / GREF_SIZE)

static int copy_page(XenPvNet *net, bool to_guest, uint32_t ref, void *buf,
                     uint32_t len)
{
    XenPvCopySeg seg = { .ref = ref, .len = len, .local = buf };

    return len ? xenpv_dev_copy(XENPV_DEVICE(net), to_guest, &seg, 1) : 0;
}

/* ---- hashing ---- */

static uint32_t set_algorithm(XenPvNet *net, const XenPvNetifCtrl *req,
                              uint32_t *data)
{
    if (req->data[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_NONE &&
        req->data[0] != XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    net->hash.algorithm = req->data[0];
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t get_flags(XenPvNet *net, const XenPvNetifCtrl *req,
                          uint32_t *data)
{
    if (net->hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE) {
        return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
    }
    *data = XENPV_NETIF_HASH_TYPES;
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_flags(XenPvNet *net, const XenPvNetifCtrl *req,
                          uint32_t *data)
{
    if (net->hash.algorithm == XEN_NETIF_CTRL_HASH_ALGORITHM_NONE) {
        return XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
    }
    if (req->data[0] & ~XENPV_NETIF_HASH_TYPES) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    net->hash.types = req->data[0];
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_key(XenPvNet *net, const XenPvNetifCtrl *req,
                        uint32_t *data)
{
    uint8_t key[XENPV_NETIF_MAX_KEY] = { 0 };

    if (req->data[1] > sizeof(key)) {
        return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
    }
    if (copy_page(net, false, req->data[0], key, req->data[1]) < 0) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    memcpy(net->hash.key, key, sizeof(key));
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t get_mapping_size(XenPvNet *net, const XenPvNetifCtrl *req,
                                 uint32_t *data)
{
    *data = XENPV_NETIF_MAX_MAPPING;
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_mapping_size(XenPvNet *net, const XenPvNetifCtrl *req,
                                 uint32_t *data)
{
    if (req->data[0] > XENPV_NETIF_MAX_MAPPING) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    net->hash.nr_mapping = req->data[0];
    memset(net->hash.mapping, 0, sizeof(net->hash.mapping));
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t set_mapping(XenPvNet *net, const XenPvNetifCtrl *req,
                            uint32_t *data)
{
    uint32_t mapping[XENPV_NETIF_MAX_MAPPING] = { 0 };
    uint32_t nr = req->data[1], first = req->data[2], i;

    if (nr > ARRAY_SIZE(mapping)) {
        return XEN_NETIF_CTRL_STATUS_BUFFER_OVERFLOW;
    }
    if (first > net->hash.nr_mapping || nr > net->hash.nr_mapping - first ||
        copy_page(net, false, req->data[0], mapping,
                  nr * sizeof(*mapping)) < 0) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    for (i = 0; i < nr; i++) {
        mapping[i] = le32_to_cpu(mapping[i]);
        if (mapping[i] >= net->nr_queues) {
            return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
        }
    }
    memcpy(net->hash.mapping + first, mapping, nr * sizeof(*mapping));
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* ---- staging grants ---- */

static void unmap_staged(void *map)
{
    xenpv_unmap(map);
}

void xenpv_net_unstage(XenPvNetQueue *queue)
{
    g_clear_pointer(&queue->staged, g_hash_table_unref);
}

static uint32_t get_staged_size(XenPvNet *net, const XenPvNetifCtrl *req,
                                uint32_t *data)
{
    if (req->data[0] >= net->nr_queues) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    *data = XENPV_NET_MAX_STAGED;
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static void stage_begin(XenPvNetQueue *queue)
{
    if (!queue->staged) {
        queue->staged = g_hash_table_new_full(NULL, NULL, NULL, unmap_staged);
    }
}

static bool stage_ref(XenPvNetQueue *queue, uint32_t ref, bool readonly)
{
    XenPvDevice *dev = XENPV_DEVICE(queue->net);
    XenPvMap *map;

    if (xenpv_net_staged(queue, ref)) {
        return false;
    }
    map = xenpv_grant_map(dev->hv, dev->guest, &ref, 1, readonly, NULL);
    return map && g_hash_table_insert(queue->staged, GUINT_TO_POINTER(ref),
                                      map);
}

static bool stage_one(XenPvNetQueue *queue, const uint8_t *entry)
{
    return stage_ref(queue, ldl_le_p(entry + GREF_REF),
                     lduw_le_p(entry + GREF_FLAGS) &
                     XEN_NETIF_CTRLF_GREF_readonly);
}

/* Returns the queue, with the list; NULL: a request that cannot be */
static XenPvNetQueue *read_list(XenPvNet *net, const XenPvNetifCtrl *req,
                                uint8_t *list)
{
    if (req->data[0] >= net->nr_queues || req->data[2] > MAX_LIST ||
        copy_page(net, false, req->data[1], list,
                  req->data[2] * GREF_SIZE) < 0) {
        return NULL;
    }
    return &net->queue[req->data[0]];
}

static void unstage(XenPvNetQueue *queue, const uint8_t *entry)
{
    g_hash_table_remove(queue->staged,
                        GUINT_TO_POINTER(ldl_le_p(entry + GREF_REF)));
}

/* All or none */
static uint32_t add_staged(XenPvNet *net, const XenPvNetifCtrl *req,
                           uint32_t *data)
{
    uint8_t list[XENPV_PAGE_SIZE];
    XenPvNetQueue *queue = read_list(net, req, list);
    uint32_t i, nr = req->data[2];

    if (!queue) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    stage_begin(queue);
    if (nr > XENPV_NET_MAX_STAGED - g_hash_table_size(queue->staged)) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    for (i = 0; i < nr; i++) {
        if (!stage_one(queue, list + i * GREF_SIZE)) {
            while (i--) {
                unstage(queue, list + i * GREF_SIZE);
            }
            return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
        }
    }
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

static uint32_t del_staged(XenPvNet *net, const XenPvNetifCtrl *req,
                           uint32_t *data)
{
    uint8_t list[XENPV_PAGE_SIZE];
    XenPvNetQueue *queue = read_list(net, req, list);
    uint32_t i, nr = req->data[2];

    if (!queue) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    for (i = 0; i < nr; i++) {
        uint8_t *entry = list + i * GREF_SIZE;
        bool known = xenpv_net_staged(queue, ldl_le_p(entry + GREF_REF));

        if (known) {
            unstage(queue, entry);
            ++*data;
        }
        stw_le_p(entry + GREF_STATUS,
                 known ? XEN_NETIF_CTRL_STATUS_SUCCESS
                       : XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER);
    }
    if (copy_page(net, true, req->data[1], list, nr * GREF_SIZE) < 0) {
        return XEN_NETIF_CTRL_STATUS_INVALID_PARAMETER;
    }
    return XEN_NETIF_CTRL_STATUS_SUCCESS;
}

/* ---- the ring ---- */

typedef uint32_t CtrlFn(XenPvNet *net, const XenPvNetifCtrl *req,
                        uint32_t *data);

static CtrlFn *const ctrl_fns[] = {
    [XEN_NETIF_CTRL_TYPE_GET_HASH_FLAGS]        = get_flags,
    [XEN_NETIF_CTRL_TYPE_SET_HASH_FLAGS]        = set_flags,
    [XEN_NETIF_CTRL_TYPE_SET_HASH_KEY]          = set_key,
    [XEN_NETIF_CTRL_TYPE_GET_HASH_MAPPING_SIZE] = get_mapping_size,
    [XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING_SIZE] = set_mapping_size,
    [XEN_NETIF_CTRL_TYPE_SET_HASH_MAPPING]      = set_mapping,
    [XEN_NETIF_CTRL_TYPE_SET_HASH_ALGORITHM]    = set_algorithm,
    [XEN_NETIF_CTRL_TYPE_GET_GREF_MAPPING_SIZE] = get_staged_size,
    [XEN_NETIF_CTRL_TYPE_ADD_GREF_MAPPING]      = add_staged,
    [XEN_NETIF_CTRL_TYPE_DEL_GREF_MAPPING]      = del_staged,
};

static void handle(XenPvNet *net, const uint8_t *slot)
{
    uint8_t rsp[XENPV_NETIF_CTRL_STRIDE];
    uint32_t status = XEN_NETIF_CTRL_STATUS_NOT_SUPPORTED;
    uint32_t data = 0;
    XenPvNetifCtrl req;

    xenpv_netif_ctrl_decode(slot, &req);
    if (req.type < ARRAY_SIZE(ctrl_fns) && ctrl_fns[req.type]) {
        status = ctrl_fns[req.type](net, &req, &data);
    }
    trace_xenpv_net_ctrl(XENPV_DEVICE(net)->label, req.type, req.data[0],
                         req.data[1], req.data[2], status);
    xenpv_ring_put(&net->ctrl_ring, rsp,
                   xenpv_netif_ctrl_response(rsp, &req, status, data));
}

bool xenpv_net_ctrl_run(XenPvNet *net)
{
    XenPvRing *ring = &net->ctrl_ring;
    uint8_t slot[XENPV_NETIF_CTRL_STRIDE];
    unsigned done = 0;

    if (ring->broken || !runstate_is_running()) {
        return false;
    }
    do {
        while (done < BUDGET && xenpv_ring_take(ring, slot, sizeof(slot))) {
            handle(net, slot);
            done++;
        }
    } while (done < BUDGET && !xenpv_ring_idle(ring));
    if (xenpv_ring_push(ring)) {
        xenpv_event_notify(net->ctrl_event);
    }
    if (done == BUDGET) {
        xenpv_event_again(net->ctrl_event);
    }
    if (ring->broken) {
        Error *err = NULL;

        error_setg(&err, "the front end's control ring holds more requests "
                   "than it has room for");
        xenpv_dev_fail(XENPV_DEVICE(net), err);
    }
    return done;
}

/* ---- in a stream ---- */

static void put_hash(const XenPvNetifHash *hash, GByteArray *out)
{
    uint32_t i;

    xenpv_saved_put_u32(out, hash->algorithm);
    xenpv_saved_put_u32(out, hash->types);
    g_byte_array_append(out, hash->key, sizeof(hash->key));
    xenpv_saved_put_u32(out, hash->nr_mapping);
    for (i = 0; i < hash->nr_mapping; i++) {
        xenpv_saved_put_u32(out, hash->mapping[i]);
    }
}

static void put_staged(XenPvNetQueue *queue, GByteArray *out)
{
    GHashTableIter iter;
    gpointer ref, map;

    xenpv_saved_put_u32(out, queue->staged ?
                             g_hash_table_size(queue->staged) : 0);
    if (!queue->staged) {
        return;
    }
    g_hash_table_iter_init(&iter, queue->staged);
    while (g_hash_table_iter_next(&iter, &ref, &map)) {
        xenpv_saved_put_u32(out, GPOINTER_TO_UINT(ref));
        xenpv_saved_put_u8(out, ((XenPvMap *)map)->readonly);
    }
}

void xenpv_net_save(XenPvDevice *dev, GByteArray *out)
{
    XenPvNet *net = XENPV_NET(dev);
    unsigned i;

    put_hash(&net->hash, out);
    xenpv_saved_put_u32(out, net->nr_mcast);
    g_byte_array_append(out, net->mcast[0], net->nr_mcast * 6);
    xenpv_saved_put_u32(out, net->nr_queues);
    for (i = 0; i < net->nr_queues; i++) {
        put_staged(&net->queue[i], out);
    }
}

static bool get_hash(XenPvNet *net, XenPvSaved *in)
{
    XenPvNetifHash hash = { 0 };
    const uint8_t *key;
    uint32_t i;

    hash.algorithm = xenpv_saved_u32(in);
    hash.types = xenpv_saved_u32(in);
    key = xenpv_saved_take(in, sizeof(hash.key));
    hash.nr_mapping = xenpv_saved_u32(in);
    if (in->bad || hash.nr_mapping > XENPV_NETIF_MAX_MAPPING ||
        hash.algorithm > XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ ||
        hash.types & ~XENPV_NETIF_HASH_TYPES) {
        return false;
    }
    memcpy(hash.key, key, sizeof(hash.key));
    for (i = 0; i < hash.nr_mapping; i++) {
        hash.mapping[i] = xenpv_saved_u32(in);
        /* The guest may have reconsidered how many it has. */
        if (hash.mapping[i] >= net->nr_queues) {
            hash.mapping[i] = 0;
        }
    }
    net->hash = hash;
    return !in->bad;
}

static bool get_mcast(XenPvNet *net, XenPvSaved *in)
{
    uint32_t nr = xenpv_saved_u32(in);
    const uint8_t *addresses;

    if (nr > XENPV_NET_MAX_MCAST) {
        return false;
    }
    addresses = xenpv_saved_take(in, nr * 6);
    if (!addresses) {
        return false;
    }
    memcpy(net->mcast, addresses, nr * 6);
    net->nr_mcast = nr;
    return true;
}

/* What cannot be mapped any more is an error of the packet that uses it. */
static bool get_staged(XenPvNetQueue *queue, XenPvSaved *in)
{
    uint32_t nr = xenpv_saved_u32(in), i;

    if (in->bad || nr > XENPV_NET_MAX_STAGED) {
        return false;
    }
    for (i = 0; i < nr; i++) {
        uint32_t ref = xenpv_saved_u32(in);
        bool readonly = xenpv_saved_u8(in);

        if (!in->bad && queue) {
            stage_begin(queue);
            stage_ref(queue, ref, readonly);
        }
    }
    return !in->bad;
}

bool xenpv_net_load(XenPvDevice *dev, XenPvSaved *in, Error **errp)
{
    XenPvNet *net = XENPV_NET(dev);
    bool ok = get_hash(net, in) && get_mcast(net, in);
    uint32_t nr = xenpv_saved_u32(in), i;

    ok = ok && !in->bad && nr <= XENPV_NET_MAX_QUEUES;
    for (i = 0; ok && i < nr; i++) {
        ok = get_staged(i < net->nr_queues ? &net->queue[i] : NULL, in);
    }
    if (!ok) {
        error_setg(errp, "impossible control requests");
    }
    return ok;
}
