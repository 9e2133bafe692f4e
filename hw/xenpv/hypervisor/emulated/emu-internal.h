/*
 * What the files of the emulated hypervisor share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_XENPV_EMU_INTERNAL_H
#define HW_XENPV_EMU_INTERNAL_H

#include "emulated.h"
#include "store.h"
#include "qemu/queue.h"
#include "qemu/rcu.h"
#include "qemu/thread.h"

/* Xen's own error numbers (public/errno.h); a host's may differ. */
enum {
    XEN_EPERM = 1,
    XEN_ENOENT = 2,
    XEN_ESRCH = 3,
    XEN_EEXIST = 17,
    XEN_EINVAL = 22,
    XEN_ENOSPC = 28,
    XEN_ENOSYS = 38,
};

/* DOMID_SELF of public/xen.h */
#define XENPV_DOMID_SELF        0x7ff0u
/* NR_VIRQS of public/xen.h */
#define XENPV_NR_VIRQS          24

#define XENPV_NR_GRANTS \
    (XENPV_GRANT_FRAMES * XENPV_PAGE_SIZE / 8 /* struct grant_entry_v1 */)

#define XENPV_GRANT_LOCKS       64

typedef struct XenPvEmuChannel XenPvEmuChannel;

/**
 * XenPvEmuPort: one port of the guest
 * @state: XENPV_PORT_*
 * @vcpu: whom it tells
 * @virq: for XENPV_PORT_VIRQ
 * @remote_dom: who is, or may be, at the other end
 * @remote_port: the port there, for XENPV_PORT_INTERDOMAIN
 * @channel: our end, if it is us; read under RCU
 *
 * Changed with the BQL held; @state, @vcpu, @remote_port and @channel are
 * read by any thread.
 */
typedef struct XenPvEmuPort {
    uint8_t state;
    uint8_t vcpu;
    uint8_t virq;
    XenPvDomid remote_dom;
    uint32_t remote_port;
    XenPvEmuChannel *channel;
} XenPvEmuPort;

/**
 * XenPvEmuChannel: our end of an event channel
 * @parent: what the lower seam shows
 * @rcu: a sender may be looking while we unbind
 * @emu: whose
 * @notifier: set by the guest's send
 * @port: the guest's port, 0 when the guest has closed it
 */
struct XenPvEmuChannel {
    XenPvChannel parent;
    struct rcu_head rcu;
    XenPvEmu *emu;
    EventNotifier notifier;
    uint32_t port;
};

/**
 * XenPvEmuGrant: a grant entry in use
 * @readers: uses for reading only
 * @writers: uses for writing
 * @frame: the frame it stood for when the first use began
 *
 * Under the entry's lock.
 */
typedef struct XenPvEmuGrant {
    uint32_t readers;
    uint32_t writers;
    uint32_t frame;
} XenPvEmuGrant;

typedef struct XenPvEmuMap XenPvEmuMap;
typedef struct XenPvEmuRing XenPvEmuRing;
typedef struct XenPvEmuSocket XenPvEmuSocket;
typedef struct XenPvEmuDoorbells XenPvEmuDoorbells;

struct XenPvEmu {
    XenPvHv parent;

    XenPvEmuConfig cfg;

    /* events.c, channel.c */
    XenPvEmuPort port[XENPV_NR_PORTS];
    XenPvEmuChannel *local[XENPV_NR_PORTS];     /* by our own port */
    uint32_t virq_port[XENPV_MAX_VCPUS][XENPV_NR_VIRQS];
    uint64_t kicks;         /* vCPUs the bottom half must kick; atomic */
    QEMUBH *kick_bh;

    /* grants.c */
    XenPvEmuGrant *grant;   /* XENPV_NR_GRANTS */
    QemuSpin grant_lock[XENPV_GRANT_LOCKS];
    uint32_t epoch;         /* counts resets; under every grant_lock */
    QLIST_HEAD(, XenPvEmuMap) maps;     /* all that are live; under map_lock */
    QemuSpin map_lock;

    /* store-ops.c, store-ring.c, socket.c */
    XenPvStore *store;
    XenPvStoreConn *conn;   /* QEMU's own */
    QEMUBH *watch_bh;
    GHashTable *watches;    /* token -> watch of the lower seam */
    uint64_t next_token;
    XenPvEmuRing *ring;
    XenPvEmuSocket *socket;

    /* doorbell-io.c */
    XenPvEmuDoorbells *doorbells;

    bool held;              /* see xenpv_emu_hold() */
};

static inline XenPvEmu *xenpv_emu(XenPvHv *hv)
{
    return container_of(hv, XenPvEmu, parent);
}

/* A domain id as the guest writes it: is it the guest? */
static inline bool xenpv_emu_is_guest(XenPvEmu *emu, uint16_t domid)
{
    return domid == XENPV_DOMID_SELF || domid == emu->cfg.guest;
}

/* events.c */
void xenpv_emu_events_reset(XenPvEmu *emu);
int xenpv_emu_evtchn_op(XenPvEmu *emu, uint32_t op, uint8_t *data,
                        uint32_t *len);
/** xenpv_emu_port: NULL for a number that is not a port's */
XenPvEmuPort *xenpv_emu_port(XenPvEmu *emu, uint32_t port);
/** xenpv_emu_mirror: show the monitor what has become of @port */
void xenpv_emu_mirror(XenPvEmu *emu, uint32_t port);
/** xenpv_emu_connect: @port is an end of @channel from now on */
void xenpv_emu_connect(XenPvEmu *emu, uint32_t port,
                       XenPvEmuChannel *channel);

/** xenpv_emu_virq_port: where the port of a VIRQ is kept, or NULL */
uint32_t *xenpv_emu_virq_port(XenPvEmu *emu, unsigned virq, unsigned vcpu);
/** xenpv_emu_forget_ports: as if none had been, without a word to the guest */
void xenpv_emu_forget_ports(XenPvEmu *emu);

/* channel.c */
void xenpv_emu_channels_init(XenPvEmu *emu);
void xenpv_emu_channels_cleanup(XenPvEmu *emu);
/**
 * xenpv_emu_guest_is_32bit: whether the guest has structures of its own size
 *
 * Asked where it is said: a saved guest brings its own.
 */
static inline bool xenpv_emu_guest_is_32bit(XenPvEmu *emu)
{
    return qatomic_read(&emu->cfg.shared->guest_flags) & XENPV_GUEST_PAE;
}

/** xenpv_emu_set_pending: an event for the guest.  Any thread. */
void xenpv_emu_set_pending(XenPvEmu *emu, uint32_t port);
void xenpv_emu_clear_pending(XenPvEmu *emu, uint32_t port);
XenPvChannel *xenpv_emu_channel_bind(XenPvHv *hv, XenPvDomid domid,
                                     uint32_t remote_port, Error **errp);
int xenpv_emu_channel_ack(XenPvChannel *channel);
int xenpv_emu_channel_notify(XenPvChannel *channel);
void xenpv_emu_channel_unbind(XenPvChannel *channel);

/* grants.c */
void xenpv_emu_grants_init(XenPvEmu *emu);
void xenpv_emu_grants_reset(XenPvEmu *emu);
void xenpv_emu_grants_cleanup(XenPvEmu *emu);
XenPvMap *xenpv_emu_grant_map(XenPvHv *hv, XenPvDomid domid,
                              const uint32_t *refs, uint32_t nr_refs,
                              bool readonly, Error **errp);
int xenpv_emu_grant_copy(XenPvHv *hv, XenPvDomid domid, bool to_domain,
                         XenPvCopySeg *segs, uint32_t nr_segs);
int xenpv_emu_grant_pin(XenPvHv *hv, XenPvDomid domid, bool write,
                        XenPvPin *pins, uint32_t nr_pins);
void xenpv_emu_grant_unpin(XenPvHv *hv, bool write, XenPvPin *pins,
                           uint32_t nr_pins);
XenPvMap *xenpv_emu_frame_map(XenPvHv *hv, XenPvDomid domid,
                              const uint64_t *gfns, uint32_t nr_gfns,
                              bool readonly, Error **errp);
XenPvMap *xenpv_emu_console_map(XenPvHv *hv, XenPvDomid domid,
                                uint64_t ring_ref, Error **errp);
void xenpv_emu_unmap(XenPvMap *map);
/** xenpv_emu_grants_release: the guest's table shows no grant in use */
void xenpv_emu_grants_release(XenPvEmu *emu);
/** xenpv_emu_grants_dirty: whatever is mapped may have been written to */
void xenpv_emu_grants_dirty(XenPvEmu *emu);

/* store-ops.c */
void xenpv_emu_store_init(XenPvEmu *emu);
void xenpv_emu_store_cleanup(XenPvEmu *emu);
char *xenpv_emu_store_read(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                           size_t *len, int *err_no);
int xenpv_emu_store_write(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                          const char *value, size_t len);
int xenpv_emu_store_mkdir(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
int xenpv_emu_store_rm(XenPvHv *hv, XenPvStoreTx *tx, const char *path);
GStrv xenpv_emu_store_list(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                           int *err_no);
int xenpv_emu_store_set_perms(XenPvHv *hv, XenPvStoreTx *tx, const char *path,
                              const XenPvPerm *perms, unsigned nr);
XenPvPerm *xenpv_emu_store_get_perms(XenPvHv *hv, XenPvStoreTx *tx,
                                     const char *path, unsigned *nr,
                                     int *err_no);
XenPvStoreTx *xenpv_emu_store_tx_begin(XenPvHv *hv, int *err_no);
int xenpv_emu_store_tx_end(XenPvHv *hv, XenPvStoreTx *tx, bool commit);
XenPvWatch *xenpv_emu_store_watch(XenPvHv *hv, const char *path,
                                  XenPvWatchFn *fn, void *opaque,
                                  Error **errp);
void xenpv_emu_store_unwatch(XenPvWatch *watch);

/* store-ring.c */
void xenpv_emu_ring_detach(XenPvEmu *emu);
void xenpv_emu_ring_save(XenPvEmu *emu, GByteArray *out);
bool xenpv_emu_ring_load(XenPvEmu *emu, XenPvSaved *s, Error **errp);
/** xenpv_emu_ring_wake: look at the ring, soon */
void xenpv_emu_ring_wake(XenPvEmu *emu);

/* socket.c */
void xenpv_emu_socket_close(XenPvEmu *emu);

#endif /* HW_XENPV_EMU_INTERNAL_H */
