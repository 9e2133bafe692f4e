/*
 * What the files of the core know of each other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   bus.c         who is there, plug and unplug, quiesce and restart
 *   toolstack.c   devices that a toolstack's nodes ask for
 *   device.c      one device: its life and its state walk
 *   nodes.c       its directories in xenstore
 *   connection.c  its maps and channels
 *   walk.c        the walk as tables
 *   migrate.c     what QEMU's streams are told of a device
 *   bridge.c      what ties the bus to a machine
 */
#ifndef HW_XENPV_BACKEND_INTERNAL_H
#define HW_XENPV_BACKEND_INTERNAL_H

#include "hw/xenpv/xen_backend.h"

/* ---- nodes.c ---- */

/* Back end types are names of directories. */
const char *xenpv_nodes_type(XenPvDeviceClass *dc);

/* Set dev->be_path and dev->fe_path from dev->devid. */
void xenpv_nodes_set_paths(XenPvDevice *dev);

/* Is there a back end in the store at this path, whoever serves it? */
bool xenpv_nodes_taken(XenPvDevice *dev);

/* One step inside a transaction.  May run several times. */
typedef bool XenPvTxFn(XenPvDevice *dev, const void *opaque, Error **errp);

/*
 * Run @fn with dev->tx open, again if somebody else was faster.  Fails with
 * dev->vanished set if the directory is a toolstack's and it has taken it
 * away: writing there would leave a directory nobody knows of.
 */
bool xenpv_nodes_transaction(XenPvDevice *dev, XenPvTxFn *fn,
                             const void *opaque, Error **errp);

/*
 * A toolstack's directories as they are: dev->be_path is there, judge what is
 * in it, set dev->fe_path, and remember what is the toolstack's.
 */
bool xenpv_nodes_adopt(XenPvDevice *dev, Error **errp);

/*
 * Both directories, new, with everything offered and state InitWait, or, for
 * the kernel, with what it is told and state Initialising.
 */
bool xenpv_nodes_create(XenPvDevice *dev, Error **errp);

/* Both directories, gone; a toolstack's: Closed.  Failure is reported. */
void xenpv_nodes_remove(XenPvDevice *dev);

/* Watch what the walk depends on. */
bool xenpv_nodes_watch(XenPvDevice *dev, Error **errp);
void xenpv_nodes_unwatch(XenPvDevice *dev);

/*
 * The directories have come with a stream: are they this device's, and offer
 * what it offers?  What the driver knows of them is what is there.
 */
bool xenpv_nodes_resume(XenPvDevice *dev, Error **errp);

/* Call the driver's advertise and publish InitWait, as one. */
bool xenpv_nodes_advertise(XenPvDevice *dev, Error **errp);

bool xenpv_nodes_publish_state(XenPvDevice *dev, enum xenbus_state state,
                               Error **errp);

/* online = 0 and state = Closing in one transaction, as toolstacks do. */
bool xenpv_nodes_ask_removal(XenPvDevice *dev, Error **errp);

/*
 * The front end's state, with a standing key translated.  *@gone is set, and
 * never cleared, when a toolstack's directory is no longer there.
 */
bool xenpv_nodes_read_front(XenPvDevice *dev, enum xenbus_state *state,
                            bool *gone, Error **errp);

/* Our own nodes, which a toolstack may change, or remove. */
bool xenpv_nodes_read_own(XenPvDevice *dev, enum xenbus_state *state,
                          bool *online, bool *gone, Error **errp);

/* Is the back end's key @i not as the driver knows it?  It is from now on. */
bool xenpv_nodes_key_changed(XenPvDevice *dev, unsigned i, bool *changed,
                             Error **errp);

/* The error node, where Linux back ends write theirs; NULL: there is none. */
char *xenpv_nodes_read_error(XenPvDevice *dev);
void xenpv_nodes_write_error(XenPvDevice *dev, const char *message);
void xenpv_nodes_clear_error(XenPvDevice *dev);
char *xenpv_nodes_error_dir(XenPvHv *hv, const char *type, XenPvDomid guest,
                            int devid);

/* A state as a number.  What is none is Unknown. */
enum xenbus_state xenpv_nodes_judge_state(const char *text);

/* A decimal number up to @max, and nothing else. */
bool xenpv_nodes_judge_number(const char *text, uint64_t max,
                              uint64_t *value);

/* ---- connection.c ---- */

/* Deliver what has been held back. */
void xenpv_connection_go_on(XenPvDevice *dev);

/* Deliver no more events. */
void xenpv_connection_silence(XenPvDevice *dev);

/* How many channels are bound. */
unsigned xenpv_connection_channels(XenPvDevice *dev);

/* Release every map and channel that is left. */
void xenpv_connection_release(XenPvDevice *dev);

/* ---- device.c ---- */

/* Look at the store and walk, soon and from the main loop.  Any thread. */
void xenpv_dev_schedule_recheck(XenPvDevice *dev);

/*
 * Around everything that may wait for another thread: waiting runs the main
 * loop, and the main loop runs rechecks and removals.  They come after.
 */
void xenpv_dev_begin_work(XenPvDevice *dev);
void xenpv_dev_end_work(XenPvDevice *dev);

/* See xenpv_bus_set_guest(). */
void xenpv_dev_set_guest(XenPvDevice *dev, XenPvDomid guest);

/* Is it the kernel's, and has the kernel not answered yet? */
bool xenpv_dev_awaits_kernel(XenPvDevice *dev);

/* Quiesce and restart one device; see xenpv_bus_quiesce(). */
void xenpv_dev_quiesce(XenPvDevice *dev, bool close_nodes);
void xenpv_dev_restart(XenPvDevice *dev);

/* See xenpv_bus_leave(). */
void xenpv_dev_leave(XenPvDevice *dev);

/* See xenpv_bus_hold() and xenpv_bus_go_on(). */
void xenpv_dev_hold(XenPvDevice *dev);
void xenpv_dev_go_on(XenPvDevice *dev, bool loaded);

/* The core's part of a stream, to where @saved is. */
void xenpv_dev_save(XenPvDevice *dev, XenPvDevSaved *saved);

/* The guest has been loaded: go on where the other QEMU stopped. */
bool xenpv_dev_resume(XenPvDevice *dev, const XenPvDevSaved *saved,
                      Error **errp);

/* An unplug request of the user. */
bool xenpv_dev_unplug(XenPvDevice *dev, Error **errp);

/* The end of a device of @bus, realized or not.  Takes over a reference. */
void xenpv_dev_destroy(XenPvDevice *dev, XenPvBus *bus);

/* For "info qtree". */
char *xenpv_dev_describe(XenPvDevice *dev, int indent);

/* ---- migrate.c ---- */

extern const VMStateDescription xenpv_dev_vmstate;

/* ---- bus.c ---- */

/* The lowest devid that neither a device nor the store has. */
bool xenpv_bus_assign_devid(XenPvBus *bus, XenPvDevice *dev, Error **errp);

/* Disconnect everything and leave the nodes closed: QEMU ends. */
void xenpv_bus_close(XenPvBus *bus);

/* ---- toolstack.c ---- */

/* Listen to toolstacks, or no longer. */
void xenpv_toolstack_start(XenPvBus *bus);
void xenpv_toolstack_stop(XenPvBus *bus);

/* Look at what there is to look at, if it has waited. */
void xenpv_toolstack_look(XenPvBus *bus);

/* A device is gone, and its directory may be asking for another. */
void xenpv_toolstack_device_gone(XenPvBus *bus, XenPvDevice *dev);

#endif /* HW_XENPV_BACKEND_INTERNAL_H */
