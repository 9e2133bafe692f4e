/*
 * A device's directories in xenstore: paths, access rights, keys, watches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Everything that becomes visible together is written in one transaction:
 * guests read what we offer once, when they see InitWait.
 *
 * Access rights are those a toolstack sets: our directory is ours and the
 * guest reads it; the front end's directory is the guest's and we read it;
 * what we leave in the front end's directory is ours and the guest reads it.
 *
 * Directories that a toolstack has written are its own: it has set the rights,
 * and takes them away when it likes.  We add to them, and every write makes
 * sure, in the transaction that it is part of, that they are still there.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/error-report.h"
#include "qapi/error.h"
#include "hw/xenpv/trace.h"
#include "internal.h"
#include "walk.h"

/*
 * Others change the store too, and each of their changes may make us start
 * over.  Toolstacks try for ever; a back end must not hang with the BQL held.
 */
#define MAX_TX_ATTEMPTS 64

/* Linux prefixes the text with an errno; there is none that fits them all. */
#define ERROR_NODE_ERRNO EIO

/* A guest's own text in our trace: enough to recognise it. */
#define SHOWN_VALUE 32

const char *xenpv_nodes_type(XenPvDeviceClass *dc)
{
    return dc->backend_type ?: dc->type;
}

static const char *backend_type(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return dev->delegated ? dc->kernel_type : xenpv_nodes_type(dc);
}

void xenpv_nodes_set_paths(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    g_free(dev->be_path);
    dev->be_path = g_strdup_printf("/local/domain/%u/backend/%s/%u/%d",
                                   dev->hv->self, backend_type(dev),
                                   dev->guest, dev->devid);
    if (dev->adopted) {
        return;
    }
    g_free(dev->fe_path);
    if (dev->standing_dir) {
        dev->fe_path = g_strdup_printf("/local/domain/%u/%s", dev->guest,
                                       dev->standing_dir);
    } else {
        dev->fe_path = g_strdup_printf("/local/domain/%u/device/%s/%d",
                                       dev->guest, dc->type, dev->devid);
    }
}

bool xenpv_nodes_taken(XenPvDevice *dev)
{
    g_autofree char *path = g_strdup_printf("%s/frontend", dev->be_path);
    g_autofree char *value = xenpv_store_read(dev->hv, NULL, path, NULL, NULL);

    return value != NULL;
}

/*
 * Reading.  Values are the guest's: their length is checked before anything
 * looks at them, and an embedded NUL makes them invalid, not shorter.  *@err
 * is the store's errno; 0 with NULL: there is a value, and it is nonsense.
 */
static char *read_text(XenPvDevice *dev, const char *dir, const char *key,
                       size_t max, int *err)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dir, key);
    g_autofree char *value = NULL;
    size_t len = 0;

    *err = 0;
    value = xenpv_store_read(dev->hv, dev->tx, path, &len, err);
    if (!value || len > max || strlen(value) != len) {
        return NULL;
    }
    return g_steal_pointer(&value);
}

static char *read_key(XenPvDevice *dev, const char *dir, const char *key,
                      int *err)
{
    return read_text(dev, dir, key, XENPV_VALUE_MAX, err);
}

/* Could the store be asked?  That there is no such node is an answer. */
static bool answered(const char *dir, const char *key, int err, Error **errp)
{
    if (err && err != ENOENT) {
        error_setg_errno(errp, err, "cannot read %s/%s", dir, key);
        return false;
    }
    return true;
}

/* Has the toolstack taken away @dir, or, @state being given, started over? */
static bool check_adopted(XenPvDevice *dev, const char *dir, const char *key,
                          enum xenbus_state *state, Error **errp)
{
    g_autofree char *value = NULL;
    int err;

    value = read_key(dev, dir, key, &err);
    if (!answered(dir, key, err, errp)) {
        return false;
    }
    if (state) {
        *state = xenpv_nodes_judge_state(value);
    }
    if (err == ENOENT ||
        (state && *state == XenbusStateInitialising && dev->in_store)) {
        dev->vanished = true;
        error_setg(errp, "%s has been removed", dir);
        return false;
    }
    return true;
}

static bool back_is_there(XenPvDevice *dev, Error **errp)
{
    enum xenbus_state unused;

    return !dev->adopted ||
           check_adopted(dev, dev->be_path, "state", &unused, errp);
}

static bool front_is_there(XenPvDevice *dev, Error **errp)
{
    return !dev->adopted ||
           check_adopted(dev, dev->fe_path, "backend", NULL, errp);
}

bool xenpv_nodes_transaction(XenPvDevice *dev, XenPvTxFn *fn,
                             const void *opaque, Error **errp)
{
    int attempt, err = 0, ret = -EAGAIN;
    bool ok;

    for (attempt = 0; attempt < MAX_TX_ATTEMPTS; attempt++) {
        dev->tx = xenpv_store_tx_begin(dev->hv, &err);
        if (!dev->tx) {
            error_setg_errno(errp, err, "cannot begin a store transaction");
            return false;
        }
        ok = back_is_there(dev, errp) && fn(dev, opaque, errp);
        ret = xenpv_store_tx_end(dev->hv, g_steal_pointer(&dev->tx), ok);
        if (!ok) {
            return false;
        }
        if (ret != -EAGAIN) {
            break;
        }
    }
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot commit a store transaction");
        return false;
    }
    return true;
}

static bool write_key(XenPvDevice *dev, const char *dir, const char *key,
                      const char *value, Error **errp)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dir, key);
    int ret = xenpv_store_write(dev->hv, dev->tx, path, value);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot write %s", path);
        return false;
    }
    return true;
}

static bool set_perms(XenPvDevice *dev, const char *path, XenPvDomid owner,
                      XenPvDomid reader, Error **errp)
{
    const XenPvPerm perms[] = {
        { .domid = owner },
        { .domid = reader, .read = true },
    };
    int ret;

    ret = xenpv_store_set_perms(dev->hv, dev->tx, path, perms,
                                ARRAY_SIZE(perms));
    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot set access rights of %s", path);
        return false;
    }
    return true;
}

/* What we ourselves have written is no change to tell the driver of. */
static void set_known(XenPvDevice *dev, const char *key, const char *value)
{
    unsigned i;

    for (i = 0; i < dev->nr_back_keys; i++) {
        if (!strcmp(XENPV_DEVICE_GET_CLASS(dev)->backend_keys[i], key)) {
            g_free(dev->back_keys[i].known);
            dev->back_keys[i].known = g_strdup(value);
        }
    }
}

static void forget_known(XenPvDevice *dev)
{
    unsigned i;

    for (i = 0; i < dev->nr_back_keys; i++) {
        g_clear_pointer(&dev->back_keys[i].known, g_free);
    }
}

typedef struct Node {
    const char *key;
    const char *value;
} Node;

/* A key that says how things are with us, and so differs between two of us */
static bool is_live_key(XenPvDevice *dev, const char *key)
{
    const char *const *keys = XENPV_DEVICE_GET_CLASS(dev)->live_keys;

    return keys && g_strv_contains(keys, key);
}

static bool compare_back(XenPvDevice *dev, const Node *node, Error **errp)
{
    g_autofree char *there = NULL;
    int err;

    g_hash_table_add(dev->compared, g_strdup(node->key));
    there = read_key(dev, dev->be_path, node->key, &err);
    if (!there || strcmp(there, node->value)) {
        g_autofree char *shown = there ? g_strescape(there, NULL) : NULL;

        error_setg(errp, "%s is %s here and was %.*s for the guest that was "
                   "saved", node->key, node->value, SHOWN_VALUE,
                   shown ?: "absent");
        return false;
    }
    return true;
}

static bool publish_back(XenPvDevice *dev, const void *opaque, Error **errp)
{
    const Node *node = opaque;

    if (dev->compared && !is_live_key(dev, node->key)) {
        return compare_back(dev, node, errp);
    }
    if (!write_key(dev, dev->be_path, node->key, node->value, errp)) {
        return false;
    }
    set_known(dev, node->key, node->value);
    return true;
}

/* The guest hears of a change only if there is one. */
static bool is_there_already(XenPvDevice *dev, const Node *node)
{
    g_autofree char *there = NULL;
    int unused_err;

    there = read_key(dev, dev->fe_path, node->key, &unused_err);
    return !g_strcmp0(there, node->value);
}

static bool publish_front(XenPvDevice *dev, const void *opaque, Error **errp)
{
    const Node *node = opaque;
    g_autofree char *path = g_strdup_printf("%s/%s", dev->fe_path, node->key);

    if (dev->compared && is_there_already(dev, node)) {
        return true;
    }
    return front_is_there(dev, errp) &&
           write_key(dev, dev->fe_path, node->key, node->value, errp) &&
           set_perms(dev, path, dev->hv->self, dev->guest, errp);
}

static bool publish(XenPvDevice *dev, XenPvTxFn *fn, const Node *node,
                    Error **errp)
{
    if (dev->tx || !dev->adopted) {
        return fn(dev, node, errp);
    }
    return xenpv_nodes_transaction(dev, fn, node, errp);
}

bool xenpv_dev_publish(XenPvDevice *dev, Error **errp, const char *key,
                       const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return publish(dev, publish_back, &(Node) { key, value }, errp);
}

bool xenpv_dev_publish_front(XenPvDevice *dev, Error **errp, const char *key,
                             const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return publish(dev, publish_front, &(Node) { key, value }, errp);
}

static bool make_dir(XenPvDevice *dev, const char *path, XenPvDomid owner,
                     XenPvDomid reader, Error **errp)
{
    int ret = xenpv_store_mkdir(dev->hv, dev->tx, path);

    if (ret < 0) {
        error_setg_errno(errp, -ret, "cannot create %s", path);
        return false;
    }
    return set_perms(dev, path, owner, reader, errp);
}

/* What is left of a former life must not be taken for this one's. */
static bool remove_dir(XenPvDevice *dev, const char *path, Error **errp)
{
    int ret = xenpv_store_rm(dev->hv, dev->tx, path);

    if (ret < 0 && ret != -ENOENT) {
        error_setg_errno(errp, -ret, "cannot remove %s", path);
        return false;
    }
    return true;
}

static bool remove_both(XenPvDevice *dev, const void *opaque, Error **errp)
{
    forget_known(dev);
    return remove_dir(dev, dev->be_path, errp) &&
           (dev->standing_dir || remove_dir(dev, dev->fe_path, errp));
}

static bool advertise(XenPvDevice *dev, const void *opaque, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return (!dc->advertise || dc->advertise(dev, errp)) &&
           xenpv_dev_publish(dev, errp, "state", "%d", XenbusStateInitWait);
}

static bool delegate(XenPvDevice *dev, Error **errp)
{
    return XENPV_DEVICE_GET_CLASS(dev)->delegate(dev, errp) &&
           xenpv_nodes_publish_state(dev, XenbusStateInitialising, errp);
}

static bool write_front_initialising(XenPvDevice *dev, Error **errp)
{
    g_autofree char *state = g_strdup_printf("%d", XenbusStateInitialising);

    return write_key(dev, dev->fe_path, "state", state, errp);
}

static bool create_both(XenPvDevice *dev, const void *opaque, Error **errp)
{
    if (!remove_both(dev, NULL, errp) ||
        !make_dir(dev, dev->be_path, dev->hv->self, dev->guest, errp) ||
        !make_dir(dev, dev->fe_path, dev->guest, dev->hv->self, errp)) {
        return false;
    }
    if (!write_key(dev, dev->be_path, "frontend", dev->fe_path, errp) ||
        !xenpv_dev_publish(dev, errp, "frontend-id", "%u", dev->guest) ||
        !xenpv_dev_publish(dev, errp, "online", "1") ||
        !(dev->delegated ? delegate(dev, errp) :
                           advertise(dev, NULL, errp))) {
        return false;
    }
    if (!xenpv_dev_publish_front(dev, errp, "backend", "%s", dev->be_path) ||
        !xenpv_dev_publish_front(dev, errp, "backend-id", "%u",
                                 dev->hv->self)) {
        return false;
    }
    return dev->standing_dir || write_front_initialising(dev, errp);
}

/* ---- a toolstack's directories ---- */

static bool remember_front(XenPvDevice *dev, Error **errp)
{
    g_auto(GStrv) names = NULL;
    unsigned i;
    int err;

    names = xenpv_store_list(dev->hv, NULL, dev->fe_path, &err);
    if (!names) {
        error_setg_errno(errp, err, "cannot list %s", dev->fe_path);
        return false;
    }
    for (i = 0; names[i]; i++) {
        g_autofree char *value = read_text(dev, dev->fe_path, names[i],
                                           SIZE_MAX, &err);

        if (!answered(dev->fe_path, names[i], err, errp)) {
            return false;
        }
        if (value) {
            g_hash_table_insert(dev->front_nodes, g_strdup(names[i]),
                                g_steal_pointer(&value));
        }
    }
    return true;
}

/* Changes are told from here on. */
static bool read_back_keys(XenPvDevice *dev, Error **errp)
{
    unsigned i;
    bool unused;

    for (i = 0; i < dev->nr_back_keys; i++) {
        if (!xenpv_nodes_key_changed(dev, i, &unused, errp)) {
            return false;
        }
    }
    return true;
}

/* Both directories have to name each other. */
static bool judge_front(XenPvDevice *dev, Error **errp)
{
    g_autofree char *home = g_strdup_printf("/local/domain/%u/", dev->guest);
    g_autofree char *backend = NULL;
    uint64_t id;

    if (!xenpv_dev_read_back_uint(dev, "frontend-id", UINT16_MAX, dev->guest,
                                  &id, errp)) {
        return false;
    }
    if (id != dev->guest) {
        error_setg(errp, "frontend-id is %" PRIu64 ", not %u", id,
                   dev->guest);
        return false;
    }
    if (!dev->fe_path || !g_str_has_prefix(dev->fe_path, home)) {
        error_setg(errp, "frontend '%s' is not in %s",
                   dev->fe_path ?: "", home);
        return false;
    }
    backend = xenpv_dev_read_front(dev, "backend");
    if (!backend) {
        error_setg(errp, "there is no front end at %s", dev->fe_path);
        return false;
    }
    if (strcmp(backend, dev->be_path)) {
        error_setg(errp, "the front end at %s has another back end",
                   dev->fe_path);
        return false;
    }
    return true;
}

bool xenpv_nodes_adopt(XenPvDevice *dev, Error **errp)
{
    g_free(dev->fe_path);
    dev->fe_path = xenpv_dev_read_back(dev, "frontend");
    dev->front_nodes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                             g_free);
    return judge_front(dev, errp) && remember_front(dev, errp) &&
           read_back_keys(dev, errp);
}

/* What the guest has put in goes, what it had been given comes back. */
static bool restore_front(XenPvDevice *dev, Error **errp)
{
    g_auto(GStrv) names = NULL;
    GHashTableIter iter;
    gpointer key, value;
    unsigned i;
    int err;

    names = xenpv_store_list(dev->hv, dev->tx, dev->fe_path, &err);
    if (!names) {
        error_setg_errno(errp, err, "cannot list %s", dev->fe_path);
        return false;
    }
    for (i = 0; names[i]; i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", dev->fe_path,
                                                names[i]);

        if (!g_hash_table_contains(dev->front_nodes, names[i]) &&
            !remove_dir(dev, path, errp)) {
            return false;
        }
    }
    g_hash_table_iter_init(&iter, dev->front_nodes);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        if (strcmp(key, "state") &&
            !write_key(dev, dev->fe_path, key, value, errp)) {
            return false;
        }
    }
    return write_front_initialising(dev, errp);
}

/* The second time it is for another guest. */
static bool serve_adopted(XenPvDevice *dev, const void *opaque, Error **errp)
{
    if (dev->in_store && !dev->standing_dir &&
        (!front_is_there(dev, errp) || !restore_front(dev, errp))) {
        return false;
    }
    return advertise(dev, NULL, errp);
}

bool xenpv_nodes_create(XenPvDevice *dev, Error **errp)
{
    xenpv_nodes_clear_error(dev);
    if (!xenpv_nodes_transaction(dev,
                                 dev->adopted ? serve_adopted : create_both,
                                 NULL, errp)) {
        return false;
    }
    dev->be_state = dev->delegated ? XenbusStateInitialising :
                                     XenbusStateInitWait;
    return true;
}

void xenpv_nodes_remove(XenPvDevice *dev)
{
    Error *err = NULL;

    if (dev->adopted) {
        /* If it is still there; then it is there for all to see. */
        xenpv_nodes_publish_state(dev, XenbusStateClosed, NULL);
        return;
    }
    if (!xenpv_nodes_transaction(dev, remove_both, NULL, &err)) {
        error_reportf_err(err, "%s: ", dev->label);
    }
    xenpv_nodes_clear_error(dev);
}

bool xenpv_nodes_advertise(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_transaction(dev, advertise, NULL, errp);
}

static bool update(XenPvDevice *dev, const void *opaque, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return (!dc->advertise || dc->advertise(dev, errp)) &&
           xenpv_nodes_publish_state(dev, dev->be_state, errp);
}

bool xenpv_dev_update(XenPvDevice *dev, Error **errp)
{
    return !dev->in_store || dev->delegated ||
           xenpv_nodes_transaction(dev, update, NULL, errp);
}

/* What we do not offer was not to be had either. */
static bool offers_no_more(XenPvDevice *dev, Error **errp)
{
    static const char *const kinds[] = {
        "feature-", "max-", "multi-queue-", "discard-", "request-",
    };
    g_auto(GStrv) names = NULL;
    unsigned i, k;
    int err;

    names = xenpv_store_list(dev->hv, NULL, dev->be_path, &err);
    if (!names) {
        error_setg_errno(errp, err, "cannot list %s", dev->be_path);
        return false;
    }
    for (i = 0; names[i]; i++) {
        for (k = 0; k < ARRAY_SIZE(kinds); k++) {
            if (g_str_has_prefix(names[i], kinds[k]) &&
                !is_live_key(dev, names[i]) &&
                !g_hash_table_contains(dev->compared, names[i])) {
                error_setg(errp, "the guest that was saved has %.*s, which is "
                           "not to be had here", SHOWN_VALUE, names[i]);
                return false;
            }
        }
    }
    return true;
}

static bool compare_offer(XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    bool ok;

    dev->compared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          NULL);
    ok = (!dc->advertise || dc->advertise(dev, errp)) &&
         offers_no_more(dev, errp);
    g_clear_pointer(&dev->compared, g_hash_table_unref);
    return ok;
}

bool xenpv_nodes_resume(XenPvDevice *dev, Error **errp)
{
    g_autofree char *frontend = NULL;
    int err;

    forget_known(dev);
    frontend = read_text(dev, dev->be_path, "frontend", SIZE_MAX, &err);
    if (g_strcmp0(frontend, dev->fe_path)) {
        error_setg(errp, "is not in the store of the guest that was saved");
        return false;
    }
    return compare_offer(dev, errp) && read_back_keys(dev, errp);
}

bool xenpv_nodes_publish_state(XenPvDevice *dev, enum xenbus_state state,
                               Error **errp)
{
    return xenpv_dev_publish(dev, errp, "state", "%d", state);
}

static bool ask_removal(XenPvDevice *dev, const void *opaque, Error **errp)
{
    return xenpv_dev_publish(dev, errp, "online", "0") &&
           xenpv_nodes_publish_state(dev, XenbusStateClosing, errp);
}

bool xenpv_nodes_ask_removal(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_transaction(dev, ask_removal, NULL, errp);
}

/* ---- reading ---- */

char *xenpv_dev_read_front(XenPvDevice *dev, const char *key)
{
    int unused_err;

    return read_key(dev, dev->fe_path, key, &unused_err);
}

/*
 * A decimal number and nothing else: strtoull() would take blanks, signs and
 * what comes after the digits.
 */
bool xenpv_nodes_judge_number(const char *text, uint64_t max, uint64_t *value)
{
    const char *c;

    for (c = text; *c; c++) {
        if (!g_ascii_isdigit(*c)) {
            return false;
        }
    }
    return c != text && !qemu_strtou64(text, NULL, 10, value) &&
           *value <= max;
}

static bool judge_uint(const char *whose, const char *key, const char *text,
                       uint64_t max, uint64_t *value, Error **errp)
{
    if (!xenpv_nodes_judge_number(text, max, value)) {
        g_autofree char *shown = g_strescape(text, NULL);

        error_setg(errp, "%s end's %s is '%.*s', not a number up to %"
                   PRIu64, whose, key, SHOWN_VALUE, shown, max);
        return false;
    }
    return true;
}

static bool judge_uint_or(uint64_t absent, const char *whose, const char *key,
                          const char *text, uint64_t max, uint64_t *value,
                          Error **errp)
{
    if (!text) {
        *value = absent;
        return true;
    }
    return judge_uint(whose, key, text, max, value, errp);
}

bool xenpv_dev_need_front_uint(XenPvDevice *dev, const char *key,
                               uint64_t max, uint64_t *value, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_front(dev, key);

    if (!text) {
        error_setg(errp, "front end has no %s", key);
        return false;
    }
    return judge_uint("front", key, text, max, value, errp);
}

bool xenpv_dev_read_front_uint(XenPvDevice *dev, const char *key,
                               uint64_t max, uint64_t absent,
                               uint64_t *value, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_front(dev, key);

    return judge_uint_or(absent, "front", key, text, max, value, errp);
}

char *xenpv_dev_read_back(XenPvDevice *dev, const char *key)
{
    char *value;
    int err;

    value = read_text(dev, dev->be_path, key, SIZE_MAX, &err);
    set_known(dev, key, value);
    return value;
}

bool xenpv_dev_read_back_uint(XenPvDevice *dev, const char *key,
                              uint64_t max, uint64_t absent,
                              uint64_t *value, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_back(dev, key);

    return judge_uint_or(absent, "back", key, text, max, value, errp);
}

char *xenpv_dev_read_left(XenPvDevice *dev, const char *key)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dev->fe_path, key);

    if (xenpv_store_writable_by(dev->hv, path, dev->guest)) {
        return NULL;
    }
    return xenpv_dev_read_front(dev, key);
}

bool xenpv_dev_read_left_uint(XenPvDevice *dev, const char *key,
                              uint64_t max, uint64_t absent,
                              uint64_t *value, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_left(dev, key);

    return judge_uint_or(absent, "front", key, text, max, value, errp);
}

bool xenpv_nodes_key_changed(XenPvDevice *dev, unsigned i, bool *changed,
                             Error **errp)
{
    const char *key = XENPV_DEVICE_GET_CLASS(dev)->backend_keys[i];
    g_autofree char *value = NULL;
    int err;

    value = read_text(dev, dev->be_path, key, SIZE_MAX, &err);
    if (!answered(dev->be_path, key, err, errp)) {
        return false;
    }
    *changed = g_strcmp0(value, dev->back_keys[i].known) != 0;
    set_known(dev, key, value);
    return true;
}

void xenpv_dev_set_standing(XenPvDevice *dev, const char *dir,
                            const char *key)
{
    dev->standing_dir = dir;
    dev->standing_key = key;
}

enum xenbus_state xenpv_nodes_judge_state(const char *text)
{
    uint64_t value;

    if (!text ||
        !xenpv_nodes_judge_number(text, XenbusStateReconfigured, &value)) {
        return XenbusStateUnknown;
    }
    return value;
}

bool xenpv_nodes_read_front(XenPvDevice *dev, enum xenbus_state *state,
                            bool *gone, Error **errp)
{
    const char *key = dev->standing_key ?: "state";
    g_autofree char *text = NULL;
    Error *local = NULL;
    int err;

    text = read_key(dev, dev->fe_path, key, &err);
    if (!answered(dev->fe_path, key, err, errp)) {
        return false;
    }
    if (dev->standing_key) {
        *state = text ? XenbusStateConnected : XenbusStateInitialising;
    } else {
        *state = xenpv_nodes_judge_state(text);
    }
    if (err == ENOENT && !front_is_there(dev, &local)) {
        if (!dev->vanished) {
            error_propagate(errp, local);
            return false;
        }
        error_free(local);
        *gone = true;
    }
    return true;
}

bool xenpv_nodes_read_own(XenPvDevice *dev, enum xenbus_state *state,
                          bool *online, bool *gone, Error **errp)
{
    g_autofree char *state_text = NULL;
    g_autofree char *online_text = NULL;
    int err;

    state_text = read_key(dev, dev->be_path, "state", &err);
    if (!answered(dev->be_path, "state", err, errp)) {
        return false;
    }
    *state = xenpv_nodes_judge_state(state_text);
    /* A state we never write: the toolstack has replaced its directory. */
    if (err == ENOENT ||
        (dev->adopted && *state == XenbusStateInitialising)) {
        *gone = true;
        return true;
    }
    online_text = read_key(dev, dev->be_path, "online", &err);
    if (!answered(dev->be_path, "online", err, errp)) {
        return false;
    }
    /* A toolstack need not say what goes without saying. */
    *online = online_text ? !strcmp(online_text, "1") : dev->adopted;
    return true;
}

/* ---- watches ---- */

static void walk_watch(void *opaque, const char *path)
{
    xenpv_dev_schedule_recheck(opaque);
}

static void key_watch(void *opaque, const char *path)
{
    XenPvKeyWatch *key = opaque;

    key->dev->changed_keys |= 1ull << (key - key->dev->keys);
    xenpv_dev_schedule_recheck(key->dev);
}

static void back_key_watch(void *opaque, const char *path)
{
    XenPvKeyWatch *key = opaque;

    key->dev->changed_back_keys |= 1ull << (key - key->dev->back_keys);
    xenpv_dev_schedule_recheck(key->dev);
}

static XenPvWatch *watch_key(XenPvDevice *dev, const char *dir,
                             const char *key, XenPvWatchFn *fn, void *opaque,
                             Error **errp)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dir, key);
    XenPvWatch *watch = xenpv_store_watch(dev->hv, path, fn, opaque, errp);

    if (!watch) {
        error_prepend(errp, "cannot watch %s: ", path);
    }
    return watch;
}

bool xenpv_nodes_watch(XenPvDevice *dev, Error **errp)
{
    ERRP_GUARD();
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);
    unsigned i;

    dev->watch_fe = watch_key(dev, dev->fe_path, dev->standing_key ?: "state",
                              walk_watch, dev, errp);
    if (!dev->watch_fe) {
        return false;
    }
    dev->watch_be = watch_key(dev, dev->be_path, "state", walk_watch, dev,
                              errp);
    if (!dev->watch_be) {
        return false;
    }
    dev->watch_online = watch_key(dev, dev->be_path, "online", walk_watch,
                                  dev, errp);
    if (!dev->watch_online) {
        return false;
    }
    for (i = 0; i < dev->nr_back_keys; i++) {
        dev->back_keys[i].watch = watch_key(dev, dev->be_path,
                                            dc->backend_keys[i],
                                            back_key_watch,
                                            &dev->back_keys[i], errp);
        if (!dev->back_keys[i].watch) {
            return false;
        }
    }
    for (i = 0; i < dev->nr_keys; i++) {
        dev->keys[i].watch = watch_key(dev, dev->fe_path,
                                       dc->frontend_keys[i], key_watch,
                                       &dev->keys[i], errp);
        if (!dev->keys[i].watch) {
            return false;
        }
    }
    return true;
}

static void unwatch(XenPvWatch **watch)
{
    if (*watch) {
        xenpv_store_unwatch(g_steal_pointer(watch));
    }
}

void xenpv_nodes_unwatch(XenPvDevice *dev)
{
    unsigned i;

    for (i = dev->nr_keys; i-- > 0; ) {
        unwatch(&dev->keys[i].watch);
    }
    for (i = dev->nr_back_keys; i-- > 0; ) {
        unwatch(&dev->back_keys[i].watch);
    }
    unwatch(&dev->watch_online);
    unwatch(&dev->watch_be);
    unwatch(&dev->watch_fe);
}

/* ---- the error node ---- */

/* "error/" and the path of the device, below the back end's domain. */
char *xenpv_nodes_error_dir(XenPvHv *hv, const char *type, XenPvDomid guest,
                            int devid)
{
    return g_strdup_printf("/local/domain/%u/error/backend/%s/%u/%d",
                           hv->self, type, guest, devid);
}

static char *error_dir(XenPvDevice *dev)
{
    return xenpv_nodes_error_dir(dev->hv, backend_type(dev), dev->guest,
                                 dev->devid);
}

void xenpv_nodes_write_error(XenPvDevice *dev, const char *message)
{
    g_autofree char *dir = error_dir(dev);
    g_autofree char *text = g_strdup_printf("%d %s", ERROR_NODE_ERRNO,
                                            message);

    /* A store that takes no more notes is no reason for another. */
    write_key(dev, dir, "error", text, NULL);
}

char *xenpv_nodes_read_error(XenPvDevice *dev)
{
    g_autofree char *dir = error_dir(dev);
    int err;

    return read_key(dev, dir, "error", &err);
}

void xenpv_nodes_clear_error(XenPvDevice *dev)
{
    g_autofree char *dir = error_dir(dev);

    remove_dir(dev, dir, NULL);
}
