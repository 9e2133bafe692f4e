/*
 * The state walk as data: where to, and by which steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "walk.h"

#define NR_STATES (XenbusStateReconfigured + 1)

enum {
    SERVING,
    LEAVING,
};

/*
 * A front end that leaves keeps its connection until it says Closed: older
 * guests go on doing I/O after they have seen our Closing ("device in use").
 * So Closing is a goal of its own, and only Closed ends a connection.
 *
 * A front end that reconfigures stays connected, and waits for our word that
 * its new keys are in force: Linux's net front end, for XDP.
 */
static const enum xenbus_state goal[NR_STATES][2] = {
    /* front end                 serving                  leaving */
    [XenbusStateUnknown]       = { XenbusStateClosed,     XenbusStateClosed },
    [XenbusStateInitialising]  = { XenbusStateInitWait,   XenbusStateClosed },
    [XenbusStateInitWait]      = { XenbusStateInitWait,   XenbusStateClosing },
    [XenbusStateInitialised]   = { XenbusStateConnected,  XenbusStateClosing },
    [XenbusStateConnected]     = { XenbusStateConnected,  XenbusStateClosing },
    [XenbusStateClosing]       = { XenbusStateClosing,    XenbusStateClosing },
    [XenbusStateClosed]        = { XenbusStateClosed,     XenbusStateClosed },
    [XenbusStateReconfiguring] = { XenbusStateReconfigured,
                                   XenbusStateClosing },
    [XenbusStateReconfigured]  = { XenbusStateConnected,  XenbusStateClosing },
};

/*
 * Every row is a state we can be in, every column a goal; the entry is the
 * step to take.  InitWait is the only way to Connected, so that what we offer
 * has been advertised; Closing and Closed are the only way back, so that a
 * front end sees a connection end.  A front end that starts over without
 * having closed is walked round.
 */
#define IW XenbusStateInitWait
#define CO XenbusStateConnected
#define CG XenbusStateClosing
#define CD XenbusStateClosed
#define RD XenbusStateReconfigured
static const enum xenbus_state step[NR_STATES][NR_STATES] = {
    /* goal:                      InitWait    Connected   Closing     Closed */
    [XenbusStateUnknown]      = { [IW] = IW, [CO] = IW, [CG] = CG, [CD] = CD,
                                  [RD] = IW },
    [XenbusStateInitialising] = { [IW] = IW, [CO] = IW, [CG] = CG, [CD] = CD,
                                  [RD] = IW },
    [XenbusStateInitWait]     = { [IW] = IW, [CO] = CO, [CG] = CG, [CD] = CG,
                                  [RD] = CO },
    [XenbusStateConnected]    = { [IW] = CG, [CO] = CO, [CG] = CG, [CD] = CG,
                                  [RD] = RD },
    [XenbusStateReconfigured] = { [IW] = CG, [CO] = CO, [CG] = CG, [CD] = CG,
                                  [RD] = RD },
    [XenbusStateClosing]      = { [IW] = CD, [CO] = CD, [CG] = CG, [CD] = CD,
                                  [RD] = CD },
    [XenbusStateClosed]       = { [IW] = IW, [CO] = IW, [CG] = CD, [CD] = CD,
                                  [RD] = IW },
};

enum xenbus_state xenpv_walk_goal(unsigned fe_state, bool leaving)
{
    if (fe_state >= NR_STATES) {
        fe_state = XenbusStateUnknown;
    }
    return goal[fe_state][leaving ? LEAVING : SERVING];
}

enum xenbus_state xenpv_walk_next(enum xenbus_state be_state,
                                  enum xenbus_state to)
{
    switch (be_state) {
    case XenbusStateUnknown:
    case XenbusStateInitialising:
    case XenbusStateInitWait:
    case XenbusStateConnected:
    case XenbusStateReconfigured:
    case XenbusStateClosing:
    case XenbusStateClosed:
        return step[be_state][to];
    default:
        /* States a back end never enters: end them. */
        return XenbusStateClosing;
    }
}

const char *xenpv_state_name(unsigned state)
{
    static const char *const names[NR_STATES] = {
        [XenbusStateUnknown] = "Unknown",
        [XenbusStateInitialising] = "Initialising",
        [XenbusStateInitWait] = "InitWait",
        [XenbusStateInitialised] = "Initialised",
        [XenbusStateConnected] = "Connected",
        [XenbusStateClosing] = "Closing",
        [XenbusStateClosed] = "Closed",
        [XenbusStateReconfiguring] = "Reconfiguring",
        [XenbusStateReconfigured] = "Reconfigured",
    };

    return state < NR_STATES ? names[state] : "invalid";
}
