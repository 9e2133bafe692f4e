/*
 * xenstored's wire protocol: one request in, one reply out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure but for the store it speaks to.  Used by the guest's ring and by the
 * socket, which add how bytes travel.  Source: io/xs_wire.h and Xen's
 * docs/misc/xenstore.txt.
 */
#ifndef HW_XENPV_EMU_WIRE_H
#define HW_XENPV_EMU_WIRE_H

#include "store.h"
#include "hw/xen/interface/io/xs_wire.h"

#define XENPV_WIRE_HEADER   ((uint32_t)sizeof(struct xsd_sockmsg))
#define XENPV_WIRE_MAX      (XENPV_WIRE_HEADER + XENSTORE_PAYLOAD_MAX)

/* The most strings at the head of any request. */
#define XENPV_WIRE_MAX_ARGS 2

/**
 * XenPvWireRequest: a request taken apart
 * @type: XS_*, one that has a row in the table of commands
 * @tx: transaction it belongs to, or 0
 * @arg: NUL-terminated strings at the head; they point into the payload
 * @rest: what follows them
 * @rest_len: its length
 */
typedef struct XenPvWireRequest {
    uint32_t type;
    uint32_t tx;
    const char *arg[XENPV_WIRE_MAX_ARGS];
    const char *rest;
    uint32_t rest_len;
} XenPvWireRequest;

/**
 * xenpv_wire_parse: take a request apart
 * @header: as received
 * @payload: as received, @header->len bytes
 * @privileged: the speaker is domain 0
 * @req: filled in on success
 *
 * Returns: 0, -ENOSYS for an unknown command, -EACCES for one the speaker
 *          may not use, -EINVAL for a malformed payload
 */
int xenpv_wire_parse(const struct xsd_sockmsg *header, const char *payload,
                     bool privileged, XenPvWireRequest *req);

/**
 * xenpv_wire_execute: answer one request
 * @conn: the speaker
 * @header: as received; @header->len is at most XENSTORE_PAYLOAD_MAX
 * @payload: as received
 * @reply: emptied, then header and payload of the reply; at most
 *         XENPV_WIRE_MAX bytes
 */
void xenpv_wire_execute(XenPvStoreConn *conn, const struct xsd_sockmsg *header,
                        const char *payload, GByteArray *reply);

/**
 * xenpv_wire_event: put a watch event into @reply, header and payload
 */
void xenpv_wire_event(const XenPvStoreEvent *event, GByteArray *reply);

#endif /* HW_XENPV_EMU_WIRE_H */
