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

static const char *backend_type(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return dc->backend_type ?: dc->type;
}

void xenpv_nodes_set_paths(XenPvDevice *dev)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    g_free(dev->be_path);
    g_free(dev->fe_path);
    dev->be_path = g_strdup_printf("/local/domain/%u/backend/%s/%u/%d",
                                   dev->hv->self, backend_type(dev),
                                   dev->guest, dev->devid);
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

bool xenpv_nodes_transaction(XenPvDevice *dev, XenPvTxFn *fn, Error **errp)
{
    int attempt, err = 0, ret = -EAGAIN;
    bool ok;

    for (attempt = 0; attempt < MAX_TX_ATTEMPTS; attempt++) {
        dev->tx = xenpv_store_tx_begin(dev->hv, &err);
        if (!dev->tx) {
            error_setg_errno(errp, err, "cannot begin a store transaction");
            return false;
        }
        ok = fn(dev, errp);
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

bool xenpv_dev_publish(XenPvDevice *dev, Error **errp, const char *key,
                       const char *fmt, ...)
{
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return write_key(dev, dev->be_path, key, value, errp);
}

bool xenpv_dev_publish_front(XenPvDevice *dev, Error **errp, const char *key,
                             const char *fmt, ...)
{
    g_autofree char *path = g_strdup_printf("%s/%s", dev->fe_path, key);
    g_autofree char *value = NULL;
    va_list ap;

    va_start(ap, fmt);
    value = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return write_key(dev, dev->fe_path, key, value, errp) &&
           set_perms(dev, path, dev->hv->self, dev->guest, errp);
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

static bool remove_both(XenPvDevice *dev, Error **errp)
{
    return remove_dir(dev, dev->be_path, errp) &&
           (dev->standing_dir || remove_dir(dev, dev->fe_path, errp));
}

static bool advertise(XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return (!dc->advertise || dc->advertise(dev, errp)) &&
           xenpv_dev_publish(dev, errp, "state", "%d", XenbusStateInitWait);
}

static bool create_both(XenPvDevice *dev, Error **errp)
{
    if (!remove_both(dev, errp) ||
        !make_dir(dev, dev->be_path, dev->hv->self, dev->guest, errp) ||
        !make_dir(dev, dev->fe_path, dev->guest, dev->hv->self, errp)) {
        return false;
    }
    if (!write_key(dev, dev->be_path, "frontend", dev->fe_path, errp) ||
        !xenpv_dev_publish(dev, errp, "frontend-id", "%u", dev->guest) ||
        !xenpv_dev_publish(dev, errp, "online", "1") ||
        !advertise(dev, errp)) {
        return false;
    }
    if (!xenpv_dev_publish_front(dev, errp, "backend", "%s", dev->be_path) ||
        !xenpv_dev_publish_front(dev, errp, "backend-id", "%u",
                                 dev->hv->self)) {
        return false;
    }
    if (!dev->standing_dir) {
        g_autofree char *initialising =
            g_strdup_printf("%d", XenbusStateInitialising);

        return write_key(dev, dev->fe_path, "state", initialising, errp);
    }
    return true;
}

bool xenpv_nodes_create(XenPvDevice *dev, Error **errp)
{
    xenpv_nodes_clear_error(dev);
    if (!xenpv_nodes_transaction(dev, create_both, errp)) {
        return false;
    }
    dev->be_state = XenbusStateInitWait;
    return true;
}

void xenpv_nodes_remove(XenPvDevice *dev)
{
    Error *err = NULL;

    if (!xenpv_nodes_transaction(dev, remove_both, &err)) {
        error_reportf_err(err, "%s: ", dev->label);
    }
    xenpv_nodes_clear_error(dev);
}

bool xenpv_nodes_advertise(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_transaction(dev, advertise, errp);
}

static bool update(XenPvDevice *dev, Error **errp)
{
    XenPvDeviceClass *dc = XENPV_DEVICE_GET_CLASS(dev);

    return (!dc->advertise || dc->advertise(dev, errp)) &&
           xenpv_nodes_publish_state(dev, dev->be_state, errp);
}

bool xenpv_dev_update(XenPvDevice *dev, Error **errp)
{
    return !dev->in_store || xenpv_nodes_transaction(dev, update, errp);
}

bool xenpv_nodes_publish_state(XenPvDevice *dev, enum xenbus_state state,
                               Error **errp)
{
    return xenpv_dev_publish(dev, errp, "state", "%d", state);
}

static bool ask_removal(XenPvDevice *dev, Error **errp)
{
    return xenpv_dev_publish(dev, errp, "online", "0") &&
           xenpv_nodes_publish_state(dev, XenbusStateClosing, errp);
}

bool xenpv_nodes_ask_removal(XenPvDevice *dev, Error **errp)
{
    return xenpv_nodes_transaction(dev, ask_removal, errp);
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

char *xenpv_dev_read_front(XenPvDevice *dev, const char *key)
{
    int unused_err;

    return read_key(dev, dev->fe_path, key, &unused_err);
}

/*
 * A decimal number and nothing else: strtoull() would take blanks, signs and
 * what comes after the digits.
 */
static bool parse_decimal(const char *text, uint64_t max, uint64_t *value)
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
    if (!parse_decimal(text, max, value)) {
        g_autofree char *shown = g_strescape(text, NULL);

        error_setg(errp, "%s end's %s is '%.*s', not a number up to %"
                   PRIu64, whose, key, SHOWN_VALUE, shown, max);
        return false;
    }
    return true;
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

    if (!text) {
        *value = absent;
        return true;
    }
    return judge_uint("front", key, text, max, value, errp);
}

char *xenpv_dev_read_back(XenPvDevice *dev, const char *key)
{
    int unused_err;

    return read_text(dev, dev->be_path, key, SIZE_MAX, &unused_err);
}

bool xenpv_dev_read_back_uint(XenPvDevice *dev, const char *key,
                              uint64_t max, uint64_t absent,
                              uint64_t *value, Error **errp)
{
    g_autofree char *text = xenpv_dev_read_back(dev, key);

    if (!text) {
        *value = absent;
        return true;
    }
    return judge_uint("back", key, text, max, value, errp);
}

void xenpv_dev_set_standing(XenPvDevice *dev, const char *dir,
                            const char *key)
{
    dev->standing_dir = dir;
    dev->standing_key = key;
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

/* A state as a number.  What is none is Unknown. */
static enum xenbus_state judge_state(const char *text)
{
    uint64_t value;

    if (!text || !parse_decimal(text, XenbusStateReconfigured, &value)) {
        return XenbusStateUnknown;
    }
    return value;
}

bool xenpv_nodes_read_front(XenPvDevice *dev, enum xenbus_state *state,
                            Error **errp)
{
    const char *key = dev->standing_key ?: "state";
    g_autofree char *text = NULL;
    int err;

    text = read_key(dev, dev->fe_path, key, &err);
    if (!answered(dev->fe_path, key, err, errp)) {
        return false;
    }
    if (dev->standing_key) {
        *state = text ? XenbusStateConnected : XenbusStateInitialising;
    } else {
        *state = judge_state(text);
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
    *gone = err == ENOENT;
    online_text = read_key(dev, dev->be_path, "online", &err);
    if (!answered(dev->be_path, "online", err, errp)) {
        return false;
    }
    *state = judge_state(state_text);
    *online = online_text && !strcmp(online_text, "1");
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
    unwatch(&dev->watch_online);
    unwatch(&dev->watch_be);
    unwatch(&dev->watch_fe);
}

/* ---- the error node ---- */

/* "error/" and the path of the device, below the back end's domain. */
static char *error_dir(XenPvDevice *dev)
{
    return g_strdup_printf("/local/domain/%u/error/backend/%s/%u/%d",
                           dev->hv->self, backend_type(dev), dev->guest,
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

void xenpv_nodes_clear_error(XenPvDevice *dev)
{
    g_autofree char *dir = error_dir(dev);

    remove_dir(dev, dir, NULL);
}
