/*
 * xenstored's wire protocol: requests taken apart, executed and answered.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The client is hostile if it is the guest.  A request is at most
 * XENSTORE_PAYLOAD_MAX bytes in private memory by the time it gets here.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "wire.h"
#include "hw/xenpv/trace.h"

/* What a handler puts in goes behind the header, which comes last. */
static void put_bytes(GByteArray *reply, const void *data, size_t len)
{
    g_byte_array_append(reply, data, len);
}

static void put_string(GByteArray *reply, const char *string)
{
    put_bytes(reply, string, strlen(string) + 1);
}

static bool fits(GByteArray *reply)
{
    return reply->len <= XENPV_WIRE_MAX;
}

static int put_strings(GByteArray *reply, GStrv strings)
{
    unsigned i;

    for (i = 0; strings[i]; i++) {
        put_string(reply, strings[i]);
        if (!fits(reply)) {
            return -E2BIG;
        }
    }
    return 0;
}

static int put_ok(GByteArray *reply, int ret)
{
    if (!ret) {
        put_string(reply, "OK");
    }
    return ret;
}

static int parse_domid(const char *string, XenPvDomid *domid)
{
    unsigned long value;

    if (!g_ascii_isdigit(string[0]) ||
        qemu_strtoul(string, NULL, 10, &value) || value > UINT16_MAX) {
        return -EINVAL;
    }
    *domid = value;
    return 0;
}

static bool introduced(XenPvStoreConn *conn, XenPvDomid domid)
{
    return !domid || domid == xenpv_xs_guest(xenpv_xs_conn_store(conn));
}

static int do_directory(XenPvStoreConn *conn, const XenPvWireRequest *req,
                        GByteArray *reply)
{
    g_auto(GStrv) names = NULL;
    int ret = xenpv_xs_list(conn, req->tx, req->arg[0], NULL, &names);

    return ret ?: put_strings(reply, names);
}

/*
 * Generation count, then whole names from the offset on as far as there is
 * room, and an empty one behind the last.
 */
static int do_directory_part(XenPvStoreConn *conn, const XenPvWireRequest *req,
                             GByteArray *reply)
{
    g_auto(GStrv) names = NULL;
    g_autofree char *count = NULL;
    unsigned long offset, pos = 0;
    uint64_t generation;
    unsigned i;
    int ret;

    if (!g_ascii_isdigit(req->arg[1][0]) ||
        qemu_strtoul(req->arg[1], NULL, 10, &offset)) {
        return -EINVAL;
    }
    ret = xenpv_xs_list(conn, req->tx, req->arg[0], &generation, &names);
    if (ret) {
        return ret;
    }
    count = g_strdup_printf("%" PRIu64, generation);
    put_string(reply, count);
    for (i = 0; names[i]; i++) {
        size_t len = strlen(names[i]) + 1;
        size_t skip = pos < offset ? MIN(offset - pos, len) : 0;

        pos += len;
        if (skip == len) {
            continue;
        }
        if (reply->len + len - skip > XENPV_WIRE_MAX - 1) {
            return 0;
        }
        put_bytes(reply, names[i] + skip, len - skip);
    }
    put_string(reply, "");
    return 0;
}

static int do_read(XenPvStoreConn *conn, const XenPvWireRequest *req,
                   GByteArray *reply)
{
    int ret = xenpv_xs_read(conn, req->tx, req->arg[0], reply);

    return ret ?: fits(reply) ? 0 : -E2BIG;
}

static int do_write(XenPvStoreConn *conn, const XenPvWireRequest *req,
                    GByteArray *reply)
{
    return put_ok(reply, xenpv_xs_write(conn, req->tx, req->arg[0], req->rest,
                                        req->rest_len));
}

static int do_mkdir(XenPvStoreConn *conn, const XenPvWireRequest *req,
                    GByteArray *reply)
{
    return put_ok(reply, xenpv_xs_mkdir(conn, req->tx, req->arg[0]));
}

/* Removing what is not there is fine as long as its parent is. */
static int do_rm(XenPvStoreConn *conn, const XenPvWireRequest *req,
                 GByteArray *reply)
{
    g_autofree char *parent = NULL;
    g_auto(GStrv) perms = NULL;
    char *slash;
    int ret = xenpv_xs_rm(conn, req->tx, req->arg[0]);

    if (ret == -ENOENT) {
        parent = g_strdup(req->arg[0]);
        slash = strrchr(parent, '/');
        if (slash && slash != parent) {
            *slash = '\0';
            ret = xenpv_xs_get_perms(conn, req->tx, parent, &perms);
            ret = ret == -EACCES ? 0 : ret;
        } else {
            ret = 0;
        }
    }
    return put_ok(reply, ret);
}

static int do_get_perms(XenPvStoreConn *conn, const XenPvWireRequest *req,
                        GByteArray *reply)
{
    g_auto(GStrv) perms = NULL;
    int ret = xenpv_xs_get_perms(conn, req->tx, req->arg[0], &perms);

    return ret ?: put_strings(reply, perms);
}

static int do_set_perms(XenPvStoreConn *conn, const XenPvWireRequest *req,
                        GByteArray *reply)
{
    const char *perm[XENSTORE_PAYLOAD_MAX / 3];
    const char *p = req->rest, *end = req->rest + req->rest_len;
    const char *nul;
    unsigned nr = 0;

    /* Anything behind the last terminator is permitted and ignored. */
    while (p < end && (nul = memchr(p, '\0', end - p))) {
        if (nr == ARRAY_SIZE(perm)) {
            return -E2BIG;
        }
        perm[nr++] = p;
        p = nul + 1;
    }
    return put_ok(reply, xenpv_xs_set_perms(conn, req->tx, req->arg[0], perm,
                                            nr));
}

static int do_watch(XenPvStoreConn *conn, const XenPvWireRequest *req,
                    GByteArray *reply)
{
    return put_ok(reply, xenpv_xs_watch(conn, req->arg[0], req->arg[1]));
}

static int do_unwatch(XenPvStoreConn *conn, const XenPvWireRequest *req,
                      GByteArray *reply)
{
    return put_ok(reply, xenpv_xs_unwatch(conn, req->arg[0], req->arg[1]));
}

static int do_reset_watches(XenPvStoreConn *conn, const XenPvWireRequest *req,
                            GByteArray *reply)
{
    xenpv_xs_conn_reset(conn);
    return put_ok(reply, 0);
}

static int do_transaction_start(XenPvStoreConn *conn,
                                const XenPvWireRequest *req,
                                GByteArray *reply)
{
    char id[16];
    uint32_t tx;
    int ret;

    if (req->tx) {
        return -EBUSY;
    }
    ret = xenpv_xs_tx_start(conn, &tx);
    if (ret) {
        return ret;
    }
    snprintf(id, sizeof(id), "%u", tx);
    put_string(reply, id);
    return 0;
}

static int do_transaction_end(XenPvStoreConn *conn,
                              const XenPvWireRequest *req, GByteArray *reply)
{
    const char *verdict = req->arg[0];

    if (strcmp(verdict, "T") && strcmp(verdict, "F")) {
        return -EINVAL;
    }
    return put_ok(reply, xenpv_xs_tx_end(conn, req->tx, verdict[0] == 'T'));
}

static int do_get_domain_path(XenPvStoreConn *conn,
                              const XenPvWireRequest *req, GByteArray *reply)
{
    g_autofree char *path = NULL;
    XenPvDomid domid;
    int ret = parse_domid(req->arg[0], &domid);

    if (!ret) {
        path = g_strdup_printf("/local/domain/%u", domid);
        put_string(reply, path);
    }
    return ret;
}

static int do_is_domain_introduced(XenPvStoreConn *conn,
                                   const XenPvWireRequest *req,
                                   GByteArray *reply)
{
    XenPvDomid domid;
    int ret = parse_domid(req->arg[0], &domid);

    if (!ret) {
        put_string(reply, introduced(conn, domid) ? "T" : "F");
    }
    return ret;
}

/*
 * The one guest is introduced by the machine and nobody can add another.
 * Saying it again, which xenstored allows, changes nothing.
 */
static int do_introduce(XenPvStoreConn *conn, const XenPvWireRequest *req,
                        GByteArray *reply)
{
    XenPvDomid domid;
    int ret = parse_domid(req->arg[0], &domid);

    if (!ret && !introduced(conn, domid)) {
        ret = -EINVAL;
    }
    return put_ok(reply, ret);
}

static int do_resume(XenPvStoreConn *conn, const XenPvWireRequest *req,
                     GByteArray *reply)
{
    XenPvDomid domid;
    int ret = parse_domid(req->arg[0], &domid);

    if (!ret && !introduced(conn, domid)) {
        ret = -ENOENT;
    }
    return put_ok(reply, ret);
}

/* The machine decides when its domain ends. */
static int do_release(XenPvStoreConn *conn, const XenPvWireRequest *req,
                      GByteArray *reply)
{
    XenPvDomid domid;
    int ret = parse_domid(req->arg[0], &domid);

    if (!ret) {
        ret = introduced(conn, domid) ? -EPERM : -ENOENT;
    }
    return ret;
}

/* How a payload goes on behind the strings at its head */
typedef enum {
    REST_NONE,      /* ends with the last of them */
    REST_ANY,       /* anything */
} WireRest;

#define PRIVILEGED  1   /* domain 0 only */
#define NO_TX       2   /* the transaction id is ignored */

/* By XS_*; CONTROL and SET_TARGET have nothing here to act on. */
static const struct {
    const char *name;
    int (*fn)(XenPvStoreConn *conn, const XenPvWireRequest *req,
              GByteArray *reply);
    unsigned args;
    WireRest rest;
    unsigned flags;
} commands[] = {
#define ROW(type, fn, args, rest, flags) \
    [XS_##type] = { #type, do_##fn, args, REST_##rest, flags }
    ROW(DIRECTORY, directory, 1, NONE, 0),
    ROW(DIRECTORY_PART, directory_part, 2, NONE, 0),
    ROW(READ, read, 1, NONE, 0),
    ROW(WRITE, write, 1, ANY, 0),
    ROW(MKDIR, mkdir, 1, NONE, 0),
    ROW(RM, rm, 1, NONE, 0),
    ROW(GET_PERMS, get_perms, 1, NONE, 0),
    ROW(SET_PERMS, set_perms, 1, ANY, 0),
    ROW(WATCH, watch, 2, ANY, NO_TX),
    ROW(UNWATCH, unwatch, 2, ANY, NO_TX),
    ROW(RESET_WATCHES, reset_watches, 0, ANY, NO_TX),
    ROW(TRANSACTION_START, transaction_start, 0, ANY, 0),
    ROW(TRANSACTION_END, transaction_end, 1, NONE, 0),
    ROW(GET_DOMAIN_PATH, get_domain_path, 1, NONE, NO_TX),
    ROW(IS_DOMAIN_INTRODUCED, is_domain_introduced, 1, NONE,
        PRIVILEGED | NO_TX),
    ROW(INTRODUCE, introduce, 1, ANY, PRIVILEGED | NO_TX),
    ROW(RELEASE, release, 1, NONE, PRIVILEGED | NO_TX),
    ROW(RESUME, resume, 1, NONE, PRIVILEGED | NO_TX),
#undef ROW
};

int xenpv_wire_parse(const struct xsd_sockmsg *header, const char *payload,
                     bool privileged, XenPvWireRequest *req)
{
    const char *p = payload, *end = payload + header->len;
    const char *nul;
    unsigned i;

    memset(req, 0, sizeof(*req));
    if (header->type >= ARRAY_SIZE(commands) || !commands[header->type].fn) {
        return -ENOSYS;
    }
    if ((commands[header->type].flags & PRIVILEGED) && !privileged) {
        return -EACCES;
    }
    for (i = 0; i < commands[header->type].args; i++) {
        nul = p < end ? memchr(p, '\0', end - p) : NULL;
        if (!nul) {
            return -EINVAL;
        }
        req->arg[i] = p;
        p = nul + 1;
    }
    if (commands[header->type].rest == REST_NONE && p != end) {
        return -EINVAL;
    }
    req->type = header->type;
    req->tx = commands[header->type].flags & NO_TX ? 0 : header->tx_id;
    req->rest = p;
    req->rest_len = end - p;
    return 0;
}

static const char *error_name(int err)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(xsd_errors); i++) {
        if (xsd_errors[i].errnum == err) {
            return xsd_errors[i].errstring;
        }
    }
    return "EIO";
}

static void put_header(GByteArray *reply, uint32_t type, uint32_t req_id,
                       uint32_t tx_id)
{
    struct xsd_sockmsg header = {
        .type = type,
        .req_id = req_id,
        .tx_id = tx_id,
        .len = reply->len - XENPV_WIRE_HEADER,
    };

    memcpy(reply->data, &header, sizeof(header));
}

void xenpv_wire_execute(XenPvStoreConn *conn, const struct xsd_sockmsg *header,
                        const char *payload, GByteArray *reply)
{
    XenPvWireRequest req;
    uint32_t type = header->type;
    int ret;

    assert(header->len <= XENSTORE_PAYLOAD_MAX);
    g_byte_array_set_size(reply, XENPV_WIRE_HEADER);
    ret = xenpv_wire_parse(header, payload, !xenpv_xs_conn_domid(conn), &req);
    if (!ret) {
        ret = commands[type].fn(conn, &req, reply);
    }
    trace_xenpv_xs_request(xenpv_xs_conn_domid(conn), type,
                           ret == -ENOSYS ? "?" : commands[type].name,
                           req.arg[0] ?: "", header->tx_id, ret);
    if (ret) {
        type = XS_ERROR;
        g_byte_array_set_size(reply, XENPV_WIRE_HEADER);
        put_string(reply, error_name(-ret));
    }
    put_header(reply, type, header->req_id, header->tx_id);
}

void xenpv_wire_event(const XenPvStoreEvent *event, GByteArray *reply)
{
    g_byte_array_set_size(reply, XENPV_WIRE_HEADER);
    put_string(reply, event->path);
    put_string(reply, event->token);
    put_header(reply, XS_WATCH_EVENT, 0, 0);
}
