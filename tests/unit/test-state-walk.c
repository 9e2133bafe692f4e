/*
 * The state walk: every pair of states, and every way between them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "hw/xenpv/backend/walk.h"

#define UN XenbusStateUnknown
#define IN XenbusStateInitialising
#define IW XenbusStateInitWait
#define ID XenbusStateInitialised
#define CO XenbusStateConnected
#define CG XenbusStateClosing
#define CD XenbusStateClosed
#define RI XenbusStateReconfiguring
#define RD XenbusStateReconfigured

/*
 * Written out by hand, apart from the table under test: what the front end
 * says, and what a back end that serves or leaves makes of it.
 */
static void test_goal(void)
{
    static const struct {
        unsigned front;
        enum xenbus_state serving, leaving;
    } rows[] = {
        { UN, CD, CD }, { IN, IW, CD }, { IW, IW, CG }, { ID, CO, CG },
        { CO, CO, CG }, { CG, CG, CG }, { CD, CD, CD }, { RI, RD, CG },
        { RD, CO, CG }, { 9, CD, CD }, { 1000, CD, CD }, { UINT_MAX, CD, CD },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_cmpint(xenpv_walk_goal(rows[i].front, false), ==,
                        rows[i].serving);
        g_assert_cmpint(xenpv_walk_goal(rows[i].front, true), ==,
                        rows[i].leaving);
    }
}

/* Steps that front ends of all systems understand. */
static bool legal(enum xenbus_state from, enum xenbus_state to)
{
    switch (to) {
    case IW:
        return from == UN || from == IN || from == CD;
    case CO:
        return from == IW || from == RD;
    case RD:
        return from == CO;
    case CG:
        return from != CD;
    case CD:
        return from == UN || from == IN || from == CG;
    default:
        return false;
    }
}

/* From everywhere to everywhere: legal, short, and it ends. */
static void test_all_pairs(void)
{
    static const enum xenbus_state goals[] = { IW, CO, RD, CG, CD };
    unsigned from, i;

    for (from = UN; from <= RD + 3; from++) {
        for (i = 0; i < ARRAY_SIZE(goals); i++) {
            enum xenbus_state at = from, next;
            int steps = 0;

            while ((next = xenpv_walk_next(at, goals[i])) != at) {
                g_assert_true(legal(at, next));
                at = next;
                g_assert_cmpint(++steps, <=, XENPV_WALK_MAX_STEPS);
            }
            /* Closing is not entered from Closed: there is nothing to close. */
            g_assert_cmpint(at, ==,
                            from == CD && goals[i] == CG ? CD : goals[i]);
        }
    }
}

/* The ways that matter, step by step. */
static void test_paths(void)
{
    static const struct {
        enum xenbus_state from, goal;
        enum xenbus_state path[XENPV_WALK_MAX_STEPS + 1];
    } rows[] = {
        { IN, CO, { IW, CO } },
        { IW, CO, { CO } },
        { CO, IW, { CG, CD, IW } },         /* the guest starts over */
        { CO, CD, { CG, CD } },
        { CO, CG, { CG } },
        { CG, CO, { CD, IW, CO } },
        { CD, CO, { IW, CO } },
        { IW, CD, { CG, CD } },
        { IN, CD, { CD } },
        { CO, RD, { RD } },
        { RD, CO, { CO } },                 /* and stays connected */
        { RD, CD, { CG, CD } },
        { RD, IW, { CG, CD, IW } },
        { CG, RD, { CD, IW, CO, RD } },
    };
    int i, n;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        enum xenbus_state at = rows[i].from;

        for (n = 0; rows[i].path[n]; n++) {
            at = xenpv_walk_next(at, rows[i].goal);
            g_assert_cmpint(at, ==, rows[i].path[n]);
        }
        g_assert_cmpint(xenpv_walk_next(at, rows[i].goal), ==, at);
    }
}

static void test_names(void)
{
    unsigned i;

    g_assert_cmpstr(xenpv_state_name(CO), ==, "Connected");
    g_assert_cmpstr(xenpv_state_name(RD + 1), ==, "invalid");
    for (i = 0; i <= RD; i++) {
        g_assert_nonnull(xenpv_state_name(i));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/walk/goal", test_goal);
    g_test_add_func("/xenpv/walk/all-pairs", test_all_pairs);
    g_test_add_func("/xenpv/walk/paths", test_paths);
    g_test_add_func("/xenpv/walk/names", test_names);
    return g_test_run();
}
