/*
 * A process that ends a domain when QEMU no longer can.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Xen does not care who has made a domain: it would outlive a QEMU that is
 * killed, without back ends and with nobody to tell.  So a child of ours holds
 * the other end of a socket and knows which domain is ours.  It ends it when
 * told to, and when the socket is closed, which the kernel does for us however
 * we end.  That is the only way a domain is ended, so it is tried every time.
 *
 *   QEMU                      guardian
 *   watch {0, birth}     -->  remembers; there is none with this handle yet
 *   create a domain with the handle "birth", it is N
 *   watch {N, birth}     -->  remembers
 *   give it the user's UUID for a handle
 *   end                  -->  destroys the domain, removes its nodes
 *   (closed)             -->  the same, and exits
 *
 * Every order is answered with a status.  At no moment is there a domain that
 * nobody would end, and no domain of somebody else's that has come to have the
 * number, or was given the same UUID, is mistaken for ours.
 *
 * The guardian lets go of everything it has inherited, opens Xen's interfaces
 * anew, and leaves the session: what is sent to a terminal's processes is not
 * for it.  It is a fork of a process with threads, so it does not touch glib
 * or QEMU; of the C library it uses what glibc keeps usable in such a child.
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "qemu/uuid.h"
#include "qapi/error.h"
#include <xenctrl.h>
#include <xenstore.h>
#include "guardian.h"

/* One that is killed is replaced; not if it is killed again at once. */
#define LEAST_LIFE_NS NANOSECONDS_PER_SECOND

#define PATH_LEN 256

typedef enum Order {
    ORDER_WATCH,
    ORDER_END,
} Order;

typedef struct Message {
    Order order;
    XenPvWard ward;             /* ORDER_WATCH */
} Message;

struct XenPvGuardian {
    pid_t pid;
    int sock;
    int64_t started;
    bool watching;
    XenPvWard ward;
};

/* ---- the child ---- */

typedef struct Child {
    int sock;
    xc_interface *xc;
    struct xs_handle *store;
    bool watching;
    XenPvWard ward;
} Child;

static void silence(struct xentoollog_logger *logger, xentoollog_level level,
                    int err, const char *context, const char *format,
                    va_list ap)
{
}

static struct xentoollog_logger silent = { .vmessage = silence };

typedef enum Found {
    FOUND_OURS,
    FOUND_NONE,
    FOUND_OTHER,                /* the number has passed on */
} Found;

static bool is_ward(const XenPvWard *ward, const xc_domaininfo_t *info)
{
    return !memcmp(info->handle, ward->birth, sizeof(ward->birth)) ||
           (ward->domid &&
            !memcmp(info->handle, ward->uuid, sizeof(ward->uuid)));
}

static Found find_number(Child *c)
{
    xc_domaininfo_t info;
    int n = xc_domain_getinfolist(c->xc, c->ward.domid, 1, &info);

    if (n != 1 || info.domain != c->ward.domid) {
        return FOUND_NONE;
    }
    return is_ward(&c->ward, &info) ? FOUND_OURS : FOUND_OTHER;
}

/* Being made when we lost touch: it has a number now, or there is none. */
static Found find_birth(Child *c)
{
    xc_domaininfo_t info;
    uint32_t next = 1;

    while (xc_domain_getinfolist(c->xc, next, 1, &info) == 1) {
        if (is_ward(&c->ward, &info)) {
            c->ward.domid = info.domain;
            return FOUND_OURS;
        }
        next = info.domain + 1;
    }
    return FOUND_NONE;
}

/* @dir/<type>/@domid for every type */
static void child_remove_types(Child *c, const char *dir, uint32_t domid)
{
    char path[PATH_LEN];
    unsigned int i, nr;
    char **names = xs_directory(c->store, XBT_NULL, dir, &nr);

    for (i = 0; names && i < nr; i++) {
        snprintf(path, sizeof(path), "%s/%s/%u", dir, names[i], domid);
        xs_rm(c->store, XBT_NULL, path);
    }
    free(names);
}

static void child_remove_nodes(Child *c)
{
    const uint8_t *u = c->ward.uuid;
    char path[PATH_LEN];

    child_remove_types(c, "backend", c->ward.domid);
    child_remove_types(c, "error/backend", c->ward.domid);
    snprintf(path, sizeof(path), "/local/domain/%u", c->ward.domid);
    xs_rm(c->store, XBT_NULL, path);
    snprintf(path, sizeof(path), "/vm/" UUID_FMT, u[0], u[1], u[2], u[3],
             u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    xs_rm(c->store, XBT_NULL, path);
}

/*
 * The domain first: who reads the nodes meanwhile sees a domain that ends, and
 * not one that has lost its nodes.
 */
static int child_end(Child *c)
{
    Found found;

    if (!c->watching) {
        return 0;
    }
    found = c->ward.domid ? find_number(c) : find_birth(c);
    if (found == FOUND_OURS && xc_domain_destroy(c->xc, c->ward.domid)) {
        return errno;
    }
    /* Destroyed by somebody else, it may have left them. */
    if (found != FOUND_OTHER && c->ward.domid) {
        child_remove_nodes(c);
    }
    c->watching = false;
    return 0;
}

static bool child_answer(Child *c, int status)
{
    return RETRY_ON_EINTR(send(c->sock, &status, sizeof(status),
                               MSG_NOSIGNAL)) == sizeof(status);
}

static int child_obey(Child *c, const Message *msg)
{
    if (msg->order == ORDER_END) {
        return child_end(c);
    }
    c->ward = msg->ward;
    c->watching = true;
    return 0;
}

/* What is left of QEMU in us */
static int child_leave(Child *c)
{
    static const int ignored[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE,
                                   SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1 };
    unsigned i;
    int null;

    for (i = 0; i < ARRAY_SIZE(ignored); i++) {
        signal(ignored[i], SIG_IGN);
    }
    prctl(PR_SET_NAME, "qemu-guardian");
    qemu_close_all_open_fd(&c->sock, 1);
    /* The libraries' words must not go to where a descriptor was. */
    do {
        null = open("/dev/null", O_RDWR);
        if (null < 0) {
            return errno;
        }
    } while (null < STDERR_FILENO);
    return setsid() < 0 || chdir("/") < 0 ? errno : 0;
}

static int child_connect(Child *c)
{
    c->xc = xc_interface_open(&silent, &silent, 0);
    if (!c->xc) {
        return errno;
    }
    c->store = xs_open(0);
    return c->store ? 0 : errno;
}

static void G_NORETURN child_main(int sock)
{
    Child c = { .sock = sock };
    Message msg;
    int status;

    status = child_leave(&c);
    if (!status) {
        status = child_connect(&c);
    }
    child_answer(&c, status);
    if (status) {
        _exit(EXIT_FAILURE);
    }
    while (RETRY_ON_EINTR(recv(sock, &msg, sizeof(msg), 0)) == sizeof(msg)) {
        child_answer(&c, child_obey(&c, &msg));
    }
    _exit(child_end(&c) ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---- QEMU ---- */

static void lost(void *opaque);

static bool get_answer(XenPvGuardian *g, const char *what, Error **errp)
{
    int status = 0;

    if (RETRY_ON_EINTR(recv(g->sock, &status, sizeof(status), 0)) !=
        sizeof(status)) {
        error_setg(errp, "the guardian process is gone");
        return false;
    }
    if (status) {
        error_setg_errno(errp, status, "%s", what);
        return false;
    }
    return true;
}

static bool start(XenPvGuardian *g, Error **errp)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        error_setg_errno(errp, errno, "cannot start the guardian process");
        return false;
    }
    g->pid = fork();
    if (!g->pid) {
        child_main(pair[1]);
    }
    close(pair[1]);
    g->sock = pair[0];
    if (g->pid < 0) {
        error_setg_errno(errp, errno, "cannot start the guardian process");
        close(g->sock);
        g->sock = -1;
        return false;
    }
    g->started = get_clock_realtime();
    qemu_set_fd_handler(g->sock, lost, NULL, g);
    return true;
}

static void stop(XenPvGuardian *g)
{
    if (g->sock < 0) {
        return;
    }
    qemu_set_fd_handler(g->sock, NULL, NULL, NULL);
    close(g->sock);
    g->sock = -1;
    RETRY_ON_EINTR(waitpid(g->pid, NULL, 0));
}

static bool tell(XenPvGuardian *g, Order order, const char *what,
                 Error **errp)
{
    Message msg = { .order = order, .ward = g->ward };

    if (RETRY_ON_EINTR(send(g->sock, &msg, sizeof(msg), MSG_NOSIGNAL)) < 0) {
        error_setg(errp, "the guardian process is gone");
        return false;
    }
    return get_answer(g, what, errp);
}

static bool tell_watch(XenPvGuardian *g, Error **errp)
{
    return !g->watching ||
           tell(g, ORDER_WATCH, "cannot guard the domain", errp);
}

static bool start_and_tell(XenPvGuardian *g, Error **errp)
{
    if (start(g, errp) &&
        get_answer(g, "the guardian process cannot reach Xen", errp) &&
        tell_watch(g, errp)) {
        return true;
    }
    stop(g);
    return false;
}

/* Nothing ever comes unasked: it is the end of it. */
static void lost(void *opaque)
{
    XenPvGuardian *g = opaque;
    bool at_once = get_clock_realtime() - g->started < LEAST_LIFE_NS;
    Error *err = NULL;

    stop(g);
    if (at_once || !start_and_tell(g, &err)) {
        error_report("the guardian process is gone%s%s: if QEMU is killed, "
                     "its domain stays", err ? ", and no other could be "
                     "started: " : "", err ? error_get_pretty(err) : "");
        error_free(err);
    } else {
        warn_report("the guardian process was killed; there is another now");
    }
}

bool xenpv_guardian_watch(XenPvGuardian *g, const XenPvWard *ward,
                          Error **errp)
{
    g->ward = *ward;
    g->watching = true;
    if (g->sock >= 0 && tell_watch(g, NULL)) {
        return true;
    }
    /* It has been killed, and we are the first to notice. */
    stop(g);
    return start_and_tell(g, errp);
}

bool xenpv_guardian_end(XenPvGuardian *g, Error **errp)
{
    static const char what[] = "cannot destroy the domain";

    if (!g->watching) {
        return true;
    }
    /* One that was killed meanwhile is replaced: it is needed now. */
    if (g->sock < 0 || !tell(g, ORDER_END, what, NULL)) {
        stop(g);
        if (!start_and_tell(g, errp) || !tell(g, ORDER_END, what, errp)) {
            return false;
        }
    }
    g->watching = false;
    return true;
}

XenPvGuardian *xenpv_guardian_new(Error **errp)
{
    XenPvGuardian *g = g_new0(XenPvGuardian, 1);

    g->sock = -1;
    if (!start_and_tell(g, errp)) {
        g_free(g);
        return NULL;
    }
    return g;
}

void xenpv_guardian_free(XenPvGuardian *g)
{
    Error *err = NULL;

    if (!xenpv_guardian_end(g, &err)) {
        error_report_err(err);
    }
    stop(g);
    g_free(g);
}
