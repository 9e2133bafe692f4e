/*
 * The host's side of a disk under test: a drive that does what it is told, the
 * VM's run state, threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The drive is a node of QEMU's block layer like any other, in memory.  It
 * writes down when each of its operations begins and when it ends, and can be
 * made to wait, or to fail.
 */
#ifndef TESTS_XENPV_DISK_HOST_H
#define TESTS_XENPV_DISK_HOST_H

#include "block/block_int-common.h"
#include "hw/xenpv/xen_backend.h"
#include "qapi/qapi-types-run-state.h"
#include "qemu/units.h"
#include "system/iothread.h"

/** disk_host_main: fixture_main(), and the block layer */
void disk_host_main(int *argc, char ***argv);

/* ---- a drive ---- */

typedef enum TestOp {
    TEST_READ,
    TEST_WRITE,
    TEST_FLUSH,
    TEST_DISCARD,
    TEST_ZERO,
    TEST_NR_OPS,
} TestOp;

typedef struct TestWaiter TestWaiter;

/**
 * TestDrive: a node in memory
 * @bs: the node
 * @data: what is on it
 * @size: its bytes, at most @max_size
 * @max_size: to where it can grow
 * @log: operations: "W8+2 " when a write of 2 sectors at sector 8 begins and
 *     "w8+2 " when it ends; R, W, F, D, Z.  NULL: none is kept.
 * @delay_ns: what each operation takes
 * @hold: operations wait until test_drive_release()
 * @held: how many do
 * @fail: errno of the next operations of a kind
 * @fail_left: ... and how many of them fail
 * @in_flight: operations begun and not ended
 *
 * All but the data is to be changed with the calls below.
 */
typedef struct TestDrive {
    BlockDriverState *bs;
    uint8_t *data;
    uint64_t size;
    uint64_t max_size;
    QemuMutex lock;
    GString *log;
    int64_t delay_ns;
    bool hold;
    unsigned held;
    int fail[TEST_NR_OPS];
    unsigned fail_left[TEST_NR_OPS];
    unsigned in_flight;
    TestWaiter *waiters;
    QEMUTimer *soon;
} TestDrive;

/**
 * test_drive_new: make a drive
 * @node: its name
 * @size: its bytes
 * @flags: of the block layer, as BDRV_O_RDWR | BDRV_O_UNMAP
 */
TestDrive *test_drive_new(const char *node, uint64_t size, int flags);
/** test_drive_free: no device uses it any more */
void test_drive_free(TestDrive *drive);

/** test_drive_hold: from now on nothing ends */
void test_drive_hold(TestDrive *drive);
/** test_drive_release: ... and now all of it does, in one go */
void test_drive_release(TestDrive *drive);
/** test_drive_release_soon: ... in a moment, from the event loop */
void test_drive_release_soon(TestDrive *drive);
/** test_drive_release_one: the one that has waited longest */
void test_drive_release_one(TestDrive *drive);
/** test_drive_fail: the next @times operations of this kind fail */
void test_drive_fail(TestDrive *drive, TestOp op, int err, unsigned times);
/** test_drive_log: (transfer full): what has been done since last asked */
char *test_drive_log(TestDrive *drive);
/** test_drive_resize: as "block_resize" does it */
void test_drive_resize(TestDrive *drive, uint64_t size);

#define assert_log(drive, text)                                 \
    do {                                                        \
        g_autofree char *log_ = test_drive_log(drive);          \
        g_assert_cmpstr(log_, ==, text);                        \
    } while (0)

/* ---- the host ---- */

/** disk_host_time_passes: the host's clocks go on by so much at once */
void disk_host_time_passes(int64_t ms);
/**
 * disk_host_allocations: calls of malloc() and its like so far
 *
 * Returns: false where they cannot be counted (sanitizers)
 */
bool disk_host_allocations(uint64_t *nr);

/* ---- devices ---- */

/**
 * disk_host_plug: fixture_plug() with properties in one string
 * @props: "key=value,key=value", or a value in braces or brackets, which is
 *     JSON
 */
XenPvDevice *disk_host_plug(XenPvBus *bus, const char *type,
                            const char *props, Error **errp);

/** disk_host_devices_gone: those unplugged have let go of their drives */
void disk_host_devices_gone(void);

/* ---- the VM ---- */

/** disk_host_vm: it runs, or stands still; tells all who want to know */
void disk_host_vm(bool running);
/** disk_host_stop_wanted: has somebody asked it to stand still since? */
bool disk_host_stop_wanted(void);

/** disk_host_iothread: an object of this id; ended by object_unparent() */
IOThread *disk_host_iothread(const char *id);

#endif /* TESTS_XENPV_DISK_HOST_H */
