/*
 * The state walk as data: where to, and by which steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure: knows the states of xenbus.h and nothing else.  device.c does the
 * work of the steps.
 */
#ifndef HW_XENPV_BACKEND_WALK_H
#define HW_XENPV_BACKEND_WALK_H

#include "hw/xen/interface/io/xenbus.h"

/* The longest way from any state to any goal; a test walks them all. */
#define XENPV_WALK_MAX_STEPS 5

/**
 * xenpv_walk_goal: what the back end wants
 * @fe_state: what the front end says; any number
 * @leaving: somebody wants us closed, or we are broken
 *
 * Returns: one of InitWait, Connected, Reconfigured, Closing, Closed
 */
enum xenbus_state xenpv_walk_goal(unsigned fe_state, bool leaving);

/**
 * xenpv_walk_next: the next step
 * @be_state: where we are; any number
 * @goal: as from xenpv_walk_goal()
 *
 * Returns: the state to enter next; @be_state itself when there
 */
enum xenbus_state xenpv_walk_next(enum xenbus_state be_state,
                                  enum xenbus_state goal);

/** xenpv_state_name: for traces and "info qtree" */
const char *xenpv_state_name(unsigned state);

#endif /* HW_XENPV_BACKEND_WALK_H */
