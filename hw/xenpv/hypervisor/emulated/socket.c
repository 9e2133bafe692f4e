/*
 * The store on a UNIX socket, in xenstored's own protocol.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * So that xenstore-ls, xenstore-watch and the rest of a distribution's tools
 * (XENSTORED_PATH names the socket) work with a running guest.  Whoever may
 * open the socket is domain 0.
 *
 * Nothing blocks: a client's output is queued, and as long as any is waiting
 * neither its requests nor its watch events are looked at, which bounds the
 * queue to one message.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "io/channel-socket.h"
#include "io/net-listener.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "qemu/sockets.h"
#include "emu-internal.h"
#include "wire.h"
#include "hw/xenpv/trace.h"

#define MAX_CLIENTS     64
/* Messages handled in one go before the main loop gets a turn */
#define CLIENT_BATCH    64

typedef struct Client {
    QTAILQ_ENTRY(Client) next;
    XenPvEmuSocket *socket;
    QIOChannel *ioc;
    XenPvStoreConn *conn;
    QEMUBH *bh;
    guint watch;            /* event source, or 0 */
    GIOCondition waits;     /* what it waits for */
    uint8_t in[XENPV_WIRE_MAX];
    uint32_t in_len;
    GByteArray *out;
    uint32_t out_pos;
} Client;

struct XenPvEmuSocket {
    XenPvEmu *emu;
    char *path;
    QIONetListener *listener;
    QTAILQ_HEAD(, Client) clients;
    unsigned nr_clients;
};

static void client_free(Client *client)
{
    XenPvEmuSocket *socket = client->socket;

    trace_xenpv_xs_client(client, "gone");
    QTAILQ_REMOVE(&socket->clients, client, next);
    socket->nr_clients--;
    if (client->watch) {
        g_source_remove(client->watch);
    }
    qemu_bh_delete(client->bh);
    xenpv_xs_disconnect(client->conn);
    object_unref(OBJECT(client->ioc));
    g_byte_array_unref(client->out);
    g_free(client);
}

static bool out_busy(Client *client)
{
    return client->out_pos < client->out->len;
}

/* Both return false when the client has gone. */
static bool client_flush(Client *client)
{
    ssize_t n;

    while (out_busy(client)) {
        n = qio_channel_write(client->ioc,
                              (char *)client->out->data + client->out_pos,
                              client->out->len - client->out_pos, NULL);
        if (n == QIO_CHANNEL_ERR_BLOCK) {
            return true;
        }
        if (n <= 0) {
            return false;
        }
        client->out_pos += n;
    }
    return true;
}

/* @done: a request was complete and has been answered. */
static bool client_read(Client *client, bool *done)
{
    struct xsd_sockmsg header = { 0 };
    uint32_t want;
    ssize_t n;

    *done = false;
    for (;;) {
        want = XENPV_WIRE_HEADER;
        if (client->in_len >= want) {
            memcpy(&header, client->in, XENPV_WIRE_HEADER);
            if (header.len > XENSTORE_PAYLOAD_MAX) {
                return false;
            }
            want += header.len;
            if (client->in_len == want) {
                break;
            }
        }
        n = qio_channel_read(client->ioc, (char *)client->in + client->in_len,
                             want - client->in_len, NULL);
        if (n == QIO_CHANNEL_ERR_BLOCK) {
            return true;
        }
        if (n <= 0) {
            return false;
        }
        client->in_len += n;
    }
    xenpv_wire_execute(client->conn, &header,
                       (char *)client->in + XENPV_WIRE_HEADER, client->out);
    client->out_pos = 0;
    client->in_len = 0;
    *done = true;
    return true;
}

static bool client_next_event(Client *client)
{
    XenPvStoreEvent *event = xenpv_xs_next_event(client->conn);

    if (!event) {
        return false;
    }
    xenpv_wire_event(event, client->out);
    client->out_pos = 0;
    xenpv_xs_event_free(event);
    return true;
}

static gboolean client_ready(QIOChannel *ioc, GIOCondition condition,
                             gpointer opaque);

static void client_wait(Client *client)
{
    GIOCondition waits = out_busy(client) ? G_IO_OUT : G_IO_IN;

    if (client->watch && client->waits == waits) {
        return;
    }
    if (client->watch) {
        g_source_remove(client->watch);
    }
    client->waits = waits;
    client->watch = qio_channel_add_watch(client->ioc,
                                          waits | G_IO_HUP | G_IO_ERR,
                                          client_ready, client, NULL);
}

static void client_pump(Client *client)
{
    bool done = true;
    int i;

    for (i = 0; i < CLIENT_BATCH && done; i++) {
        if (!client_flush(client)) {
            client_free(client);
            return;
        }
        if (out_busy(client)) {
            break;
        }
        /* Events first: the answer that made them has been sent. */
        done = client_next_event(client);
        if (!done && !client_read(client, &done)) {
            client_free(client);
            return;
        }
    }
    if (i == CLIENT_BATCH) {
        qemu_bh_schedule(client->bh);
    }
    client_wait(client);
}

static gboolean client_ready(QIOChannel *ioc, GIOCondition condition,
                             gpointer opaque)
{
    Client *client = opaque;

    /* This source stays or goes as client_wait() decides. */
    client_pump(client);
    return G_SOURCE_CONTINUE;
}

static void client_bh(void *opaque)
{
    client_pump(opaque);
}

static void client_wake(void *opaque)
{
    Client *client = opaque;

    qemu_bh_schedule(client->bh);
}

static void client_new(QIONetListener *listener, QIOChannelSocket *sioc,
                       gpointer opaque)
{
    XenPvEmuSocket *socket = opaque;
    Client *client;

    if (socket->nr_clients >= MAX_CLIENTS) {
        return;
    }
    if (qio_channel_set_blocking(QIO_CHANNEL(sioc), false, NULL) < 0) {
        return;
    }
    client = g_new0(Client, 1);
    client->socket = socket;
    client->ioc = QIO_CHANNEL(object_ref(OBJECT(sioc)));
    client->out = g_byte_array_sized_new(XENPV_WIRE_MAX);
    client->bh = qemu_bh_new_guarded(client_bh, client, NULL);
    client->conn = xenpv_xs_connect(socket->emu->store, 0, client_wake,
                                    client);
    QTAILQ_INSERT_TAIL(&socket->clients, client, next);
    socket->nr_clients++;
    trace_xenpv_xs_client(client, "new");
    client_wait(client);
}

/* Only a socket nobody listens on may be replaced. */
static bool path_is_ours(const char *path, Error **errp)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct stat st;
    bool alive;
    int fd;

    if (strlen(path) >= sizeof(un.sun_path)) {
        error_setg(errp, "xenstore=%s: path is longer than %zu bytes", path,
                   sizeof(un.sun_path) - 1);
        return false;
    }
    if (lstat(path, &st)) {
        return true;
    }
    if (!S_ISSOCK(st.st_mode)) {
        error_setg(errp, "xenstore=%s: exists and is not a socket", path);
        return false;
    }
    pstrcpy(un.sun_path, sizeof(un.sun_path), path);
    fd = qemu_socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "xenstore=%s", path);
        return false;
    }
    alive = connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0;
    close(fd);
    if (alive) {
        error_setg(errp, "xenstore=%s: another process listens there", path);
        return false;
    }
    return true;
}

bool xenpv_emu_socket_open(XenPvEmu *emu, const char *path, Error **errp)
{
    SocketAddress addr = {
        .type = SOCKET_ADDRESS_TYPE_UNIX,
        .u.q_unix.path = (char *)path,
    };
    QIONetListener *listener;
    XenPvEmuSocket *socket;
    mode_t mask;
    int ret;

    assert(!emu->socket);
    if (!path_is_ours(path, errp)) {
        return false;
    }
    listener = qio_net_listener_new();
    qio_net_listener_set_name(listener, "xenstore");
    /* Whoever connects is domain 0: never open to others, not for a moment */
    mask = umask(0177);
    ret = qio_net_listener_open_sync(listener, &addr, 16, errp);
    umask(mask);
    if (ret < 0) {
        error_prepend(errp, "xenstore=%s: ", path);
        object_unref(OBJECT(listener));
        return false;
    }
    socket = g_new0(XenPvEmuSocket, 1);
    socket->emu = emu;
    socket->path = g_strdup(path);
    socket->listener = listener;
    QTAILQ_INIT(&socket->clients);
    emu->socket = socket;
    qio_net_listener_set_client_func(listener, client_new, socket, NULL);
    return true;
}

void xenpv_emu_socket_close(XenPvEmu *emu)
{
    XenPvEmuSocket *socket = emu->socket;

    if (!socket) {
        return;
    }
    emu->socket = NULL;
    qio_net_listener_set_client_func(socket->listener, NULL, NULL, NULL);
    while (!QTAILQ_EMPTY(&socket->clients)) {
        client_free(QTAILQ_FIRST(&socket->clients));
    }
    qio_net_listener_disconnect(socket->listener);
    object_unref(OBJECT(socket->listener));
    unlink(socket->path);
    g_free(socket->path);
    g_free(socket);
}
