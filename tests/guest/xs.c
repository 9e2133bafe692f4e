/*
 * A xenstore client over the kernel's /dev/xen/xenbus, as a command and as a
 * test.  No library: the wire protocol is a header and a body.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Message numbers and the header are those of Xen's public io/xs_wire.h.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

enum {
    XS_DIRECTORY = 1, XS_READ = 2, XS_GET_PERMS = 3, XS_WATCH = 4,
    XS_UNWATCH = 5, XS_TRANSACTION_START = 6, XS_TRANSACTION_END = 7,
    XS_GET_DOMAIN_PATH = 10, XS_WRITE = 11, XS_MKDIR = 12, XS_RM = 13,
    XS_SET_PERMS = 14, XS_WATCH_EVENT = 15, XS_ERROR = 16,
};

#define XS_PAYLOAD_MAX 4096

struct xs_header {
    uint32_t type, req_id, tx_id, len;
};

struct reply {
    uint32_t type, tx_id, len;
    char body[XS_PAYLOAD_MAX + 1];
};

static int xs_fd = -1;
static uint32_t next_req;
static unsigned events_seen;
static char last_event[256];

static bool xs_open(void)
{
    static const char *const paths[] = {
        "/dev/xen/xenbus", "/proc/xen/xenbus",
    };

    for (size_t i = 0; i < ARRAY_SIZE(paths) && xs_fd < 0; i++) {
        xs_fd = open(paths[i], O_RDWR | O_CLOEXEC);
    }
    return xs_fd >= 0;
}

static bool read_all(void *buf, size_t len)
{
    char *p = buf;

    while (len) {
        ssize_t n = read(xs_fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static bool receive(struct reply *r)
{
    struct xs_header h;

    if (!read_all(&h, sizeof(h)) || h.len > XS_PAYLOAD_MAX ||
        !read_all(r->body, h.len)) {
        return false;
    }
    r->type = h.type;
    r->tx_id = h.tx_id;
    r->len = h.len;
    r->body[h.len] = '\0';
    if (r->type == XS_WATCH_EVENT) {
        events_seen++;
        snprintf(last_event, sizeof(last_event), "%.255s", r->body);
    }
    return true;
}

/*
 * One request and its reply; events that come in between are counted.
 * Returns NULL, or the name of the error.
 */
static const char *request(uint32_t type, uint32_t tx, const void *body,
                           size_t len, struct reply *r)
{
    static char msg[sizeof(struct xs_header) + 2 * XS_PAYLOAD_MAX];
    struct xs_header h = { type, ++next_req, tx, len };

    memcpy(msg, &h, sizeof(h));
    memcpy(msg + sizeof(h), body, len);
    if (write(xs_fd, msg, sizeof(h) + len) != (ssize_t)(sizeof(h) + len)) {
        return strerror(errno);
    }
    do {
        if (!receive(r)) {
            return "no reply";
        }
    } while (r->type == XS_WATCH_EVENT);
    if (r->type == XS_ERROR) {
        return r->body;
    }
    return r->type == type ? NULL : "reply of another type";
}

static const char *request_path(uint32_t type, uint32_t tx, const char *path,
                                struct reply *r)
{
    return request(type, tx, path, strlen(path) + 1, r);
}

static const char *xs_write(uint32_t tx, const char *path, const char *value,
                            size_t len, struct reply *r)
{
    char buf[2 * XS_PAYLOAD_MAX];
    size_t n = strlen(path) + 1;

    memcpy(buf, path, n);
    memcpy(buf + n, value, len);
    return request(XS_WRITE, tx, buf, n + len, r);
}

static const char *xs_watch(uint32_t type, const char *path, const char *token,
                            struct reply *r)
{
    char buf[512];
    int n = snprintf(buf, sizeof(buf), "%s%c%s", path, '\0', token);

    return request(type, 0, buf, n + 1, r);
}

static int list(const char *path, bool deep, unsigned indent)
{
    struct reply *r = malloc(sizeof(*r)), *v = malloc(sizeof(*v));
    const char *err = request_path(XS_DIRECTORY, 0, path, r);

    if (err) {
        fprintf(stderr, "xs: %s: %s\n", path, err);
        free(r);
        free(v);
        return 1;
    }
    for (char *name = r->body; name < r->body + r->len;
         name += strlen(name) + 1) {
        char child[XS_PAYLOAD_MAX];

        if (snprintf(child, sizeof(child), "%s%s%s", path,
                     path[0] && path[strlen(path) - 1] != '/' ? "/" : "",
                     name) >= (int)sizeof(child)) {
            continue;
        }
        if (!deep) {
            puts(name);
            continue;
        }
        err = request_path(XS_READ, 0, child, v);
        printf("%*s%s = \"%s\"\n", indent, "", name, err ? err : v->body);
        list(child, true, indent + 1);
    }
    free(r);
    free(v);
    return 0;
}

/*
 * xs read|ls|tree|rm|mkdir|perms PATH
 * xs write PATH VALUE
 * xs watch PATH COUNT    print that many events
 */
int cmd_xs(int argc, char **argv)
{
    static struct reply r;
    const char *err = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: xs read|ls|tree|rm|mkdir|perms|write|watch "
                "PATH [VALUE]\n");
        return 2;
    }
    if (!xs_open()) {
        fprintf(stderr, "xs: no xenstore here: %s\n", strerror(errno));
        return 1;
    }
    if (!strcmp(argv[1], "read")) {
        err = request_path(XS_READ, 0, argv[2], &r);
        if (!err) {
            printf("%s\n", r.body);
        }
    } else if (!strcmp(argv[1], "ls") || !strcmp(argv[1], "tree")) {
        return list(argv[2], argv[1][0] == 't', 0);
    } else if (!strcmp(argv[1], "rm")) {
        err = request_path(XS_RM, 0, argv[2], &r);
    } else if (!strcmp(argv[1], "mkdir")) {
        err = request_path(XS_MKDIR, 0, argv[2], &r);
    } else if (!strcmp(argv[1], "perms")) {
        err = request_path(XS_GET_PERMS, 0, argv[2], &r);
        for (char *p = r.body; !err && p < r.body + r.len; p += strlen(p) + 1) {
            puts(p);
        }
    } else if (!strcmp(argv[1], "write") && argc > 3) {
        err = xs_write(0, argv[2], argv[3], strlen(argv[3]), &r);
    } else if (!strcmp(argv[1], "watch")) {
        int left = argc > 3 ? atoi(argv[3]) : 1;

        err = xs_watch(XS_WATCH, argv[2], "xs", &r);
        if (!err && events_seen) {
            /* the first event came before the reply */
            puts(last_event);
            fflush(stdout);
            left--;
        }
        while (!err && left > 0) {
            if (!receive(&r)) {
                err = "connection lost";
            } else if (r.type == XS_WATCH_EVENT) {
                puts(r.body);
                fflush(stdout);
                left--;
            }
        }
    } else {
        err = "unknown command";
    }
    if (err) {
        fprintf(stderr, "xs: %s: %s\n", argv[2], err);
        return 1;
    }
    return 0;
}

static void expect(const char *name, const char *err, const char *want)
{
    verdict(name, want ? err && !strcmp(err, want) : !err,
            "%s instead of %s", err ? err : "success",
            want ? want : "success");
}

static bool wait_events(unsigned n)
{
    static struct reply r;
    struct pollfd p = { .fd = xs_fd, .events = POLLIN };

    while (events_seen < n) {
        if (poll(&p, 1, 10000) != 1 || !receive(&r)) {
            return false;
        }
    }
    return true;
}

static void watches(void)
{
    static struct reply r;

    events_seen = 0;
    expect("watch", xs_watch(XS_WATCH, "data/w", "tok", &r), NULL);
    verdict("watch-first-event", wait_events(1), "none came");
    xs_write(0, "data/w", "1", 1, &r);
    verdict("watch-write-event", wait_events(2) &&
            !strcmp(last_event, "data/w"), "last was '%s'", last_event);
    xs_write(0, "data/w/below", "1", 1, &r);
    verdict("watch-child-event", wait_events(3) &&
            !strcmp(last_event, "data/w/below"), "last was '%s'", last_event);
    request_path(XS_RM, 0, "data/w", &r);
    verdict("watch-remove-event", wait_events(4), "none came");
    expect("unwatch", xs_watch(XS_UNWATCH, "data/w", "tok", &r), NULL);
    events_seen = 0;
    xs_write(0, "data/w", "2", 1, &r);
    request_path(XS_READ, 0, "domid", &r);
    verdict("unwatched", events_seen == 0, "%u events", events_seen);
}

static uint32_t tx_start(void)
{
    static struct reply r;

    return request(XS_TRANSACTION_START, 0, "", 1, &r) ? 0 : atoi(r.body);
}

static void transactions(void)
{
    static struct reply r;
    uint32_t tx = tx_start();

    verdict("tx-start", tx != 0, "no transaction");
    xs_write(0, "data/t", "old", 3, &r);
    request(XS_TRANSACTION_END, tx, "F", 2, &r);
    tx = tx_start();
    xs_write(tx, "data/t", "new", 3, &r);
    expect("tx-read-outside", request_path(XS_READ, 0, "data/t", &r), NULL);
    verdict("tx-isolated", !strcmp(r.body, "old"), "read '%s'", r.body);
    expect("tx-commit", request(XS_TRANSACTION_END, tx, "T", 2, &r), NULL);
    request_path(XS_READ, 0, "data/t", &r);
    verdict("tx-committed", !strcmp(r.body, "new"), "read '%s'", r.body);
    tx = tx_start();
    xs_write(tx, "data/t", "lost", 4, &r);
    request(XS_TRANSACTION_END, tx, "F", 2, &r);
    request_path(XS_READ, 0, "data/t", &r);
    verdict("tx-aborted", !strcmp(r.body, "new"), "read '%s'", r.body);
    tx = tx_start();
    request_path(XS_READ, tx, "data/t", &r);
    xs_write(0, "data/t", "other", 5, &r);
    xs_write(tx, "data/t", "mine", 4, &r);
    expect("tx-conflict", request(XS_TRANSACTION_END, tx, "T", 2, &r),
           "EAGAIN");
}

static void many(void)
{
    static struct reply r;
    unsigned wrong = 0;
    char path[32], value[32];

    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "data/many/%d", i);
        snprintf(value, sizeof(value), "value %d", i * 7);
        wrong += xs_write(0, path, value, strlen(value), &r) != NULL;
    }
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof(path), "data/many/%d", i);
        snprintf(value, sizeof(value), "value %d", i * 7);
        wrong += request_path(XS_READ, 0, path, &r) || strcmp(r.body, value);
    }
    wrong += request_path(XS_RM, 0, "data/many", &r) != NULL;
    verdict("many", wrong == 0, "%u wrong answers", wrong);
}

void test_xenstore(void)
{
    static const struct {
        const char *name, *path, *error;
    } reads[] = {
        { "read-name",        "name",                NULL },
        { "read-domid",       "domid",               NULL },
        { "read-vm",          "vm",                  NULL },
        { "read-target",      "memory/target",       NULL },
        { "read-static-max",  "memory/static-max",   NULL },
        { "read-cpu",         "cpu/0/availability",  NULL },
        { "read-console",     "console/port",        NULL },
        { "read-console-ref", "console/ring-ref",    NULL },
        { "read-store",       "store/port",          NULL },
        { "read-shutdown",    "control/shutdown",    NULL },
        { "read-missing",     "no-such-node",        "ENOENT" },
        { "read-bad-path",    "bad path",            "EINVAL" },
    };
    static const struct {
        const char *name, *path;
    } denied[] = {
        { "write-own-name",     "name" },
        { "write-own-domid",    "domid" },
        { "write-target",       "memory/target" },
        { "write-dom0",         "/local/domain/0/stolen" },
        { "write-root",         "/stolen" },
        { "write-cpu",          "cpu/0/availability" },
    };
    static struct reply r;
    static char big[XS_PAYLOAD_MAX];
    char domid[8], path[64];

    if (!is_xen_pv()) {
        skip("all", "not a Xen guest");
        return;
    }
    if (!xs_open()) {
        broken("/dev/xen/xenbus");
    }
    for (size_t i = 0; i < ARRAY_SIZE(reads); i++) {
        expect(reads[i].name, request_path(XS_READ, 0, reads[i].path, &r),
               reads[i].error);
    }
    request_path(XS_READ, 0, "domid", &r);
    snprintf(domid, sizeof(domid), "%.7s", r.body);
    verdict("domid", atoi(domid) > 0, "'%s'", r.body);
    request(XS_GET_DOMAIN_PATH, 0, domid, strlen(domid) + 1, &r);
    snprintf(path, sizeof(path), "/local/domain/%s", domid);
    verdict("domain-path", !strcmp(r.body, path), "'%s'", r.body);
    snprintf(path, sizeof(path), "/local/domain/%s/name", domid);
    expect("read-absolute", request_path(XS_READ, 0, path, &r), NULL);
    for (size_t i = 0; i < ARRAY_SIZE(denied); i++) {
        expect(denied[i].name, xs_write(0, denied[i].path, "x", 1, &r),
               "EACCES");
    }
    expect("write", xs_write(0, "data/a/b/c", "hello", 5, &r), NULL);
    request_path(XS_READ, 0, "data/a/b/c", &r);
    verdict("read-back", !strcmp(r.body, "hello"), "'%s'", r.body);
    request_path(XS_DIRECTORY, 0, "data/a", &r);
    verdict("directory", r.len == 2 && !strcmp(r.body, "b"), "'%s'", r.body);
    expect("remove", request_path(XS_RM, 0, "data/a", &r), NULL);
    expect("removed", request_path(XS_READ, 0, "data/a/b/c", &r), "ENOENT");
    memset(big, 'v', sizeof(big));
    expect("write-2000", xs_write(0, "data/big", big, 2000, &r), NULL);
    expect("read-2000", request_path(XS_READ, 0, "data/big", &r), NULL);
    verdict("length-2000", r.len == 2000, "%u", r.len);
    request_path(XS_RM, 0, "data/big", &r);
    watches();
    transactions();
    many();
}
