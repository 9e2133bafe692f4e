/*
 * The host's side of a disk under test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <malloc.h>
#include <sys/syscall.h>
#include "qemu/defer-call.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qapi/error.h"
#include "qapi/qapi-visit-virtio.h"
#include "qobject/qjson.h"
#include "qobject/qobject.h"
#include "qapi/visitor.h"
#include "block/block_int.h"
#include "hw/block/block.h"
#include "hw/core/qdev-prop-internal.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "migration/cpr.h"
#include "qom/object_interfaces.h"
#include "qom/qom-qobject.h"
#include "system/block-backend.h"
#include "system/blockdev.h"
#include "system/runstate.h"
#include "util/block-helpers.h"
#include "disk-host.h"
#include "fixture.h"

/* ---- the drive ---- */

struct TestWaiter {
    Coroutine *co;
    TestWaiter *next;
};

typedef struct TestNode {
    TestDrive *drive;
} TestNode;

/* The one that is being opened */
static TestDrive *opening;

static TestDrive *node_drive(BlockDriverState *bs)
{
    return ((TestNode *)bs->opaque)->drive;
}

static void note(TestDrive *drive, char what, int64_t offset, int64_t bytes)
{
    if (!drive->log) {
        return;
    }
    g_string_append_c(drive->log, what);
    if (g_ascii_toupper(what) != 'F') {
        g_string_append_printf(drive->log, "%" PRId64 "+%" PRId64,
                               offset >> BDRV_SECTOR_BITS,
                               bytes >> BDRV_SECTOR_BITS);
    }
    g_string_append_c(drive->log, ' ');
}

static const char letters[] = "RWFDZ";

static int coroutine_fn begin(TestDrive *drive, TestOp op, int64_t offset,
                              int64_t bytes)
{
    TestWaiter me = { .co = qemu_coroutine_self() };
    int64_t delay_ns;
    bool wait;
    int ret = 0;

    WITH_QEMU_LOCK_GUARD(&drive->lock) {
        note(drive, letters[op], offset, bytes);
        drive->in_flight++;
        delay_ns = drive->delay_ns;
        wait = drive->hold;
        if (wait) {
            TestWaiter **last = &drive->waiters;

            while (*last) {
                last = &(*last)->next;
            }
            *last = &me;
            qatomic_inc(&drive->held);
        }
        if (drive->fail_left[op]) {
            drive->fail_left[op]--;
            ret = -drive->fail[op];
        }
    }
    if (delay_ns) {
        qemu_co_sleep_ns(QEMU_CLOCK_REALTIME, delay_ns);
    }
    if (wait) {
        qemu_coroutine_yield();
    }
    return ret;
}

static void end(TestDrive *drive, TestOp op, int64_t offset, int64_t bytes)
{
    QEMU_LOCK_GUARD(&drive->lock);
    note(drive, g_ascii_tolower(letters[op]), offset, bytes);
    drive->in_flight--;
}

static int coroutine_fn test_co_preadv(BlockDriverState *bs, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       BdrvRequestFlags flags)
{
    TestDrive *drive = node_drive(bs);
    int ret = begin(drive, TEST_READ, offset, bytes);

    if (!ret) {
        qemu_iovec_from_buf(qiov, 0, drive->data + offset, bytes);
    }
    end(drive, TEST_READ, offset, bytes);
    return ret;
}

static int coroutine_fn test_co_pwritev(BlockDriverState *bs, int64_t offset,
                                        int64_t bytes, QEMUIOVector *qiov,
                                        BdrvRequestFlags flags)
{
    TestDrive *drive = node_drive(bs);
    int ret = begin(drive, TEST_WRITE, offset, bytes);

    if (!ret) {
        qemu_iovec_to_buf(qiov, 0, drive->data + offset, bytes);
    }
    end(drive, TEST_WRITE, offset, bytes);
    return ret;
}

static int coroutine_fn test_co_flush(BlockDriverState *bs)
{
    TestDrive *drive = node_drive(bs);
    int ret = begin(drive, TEST_FLUSH, 0, 0);

    end(drive, TEST_FLUSH, 0, 0);
    return ret;
}

static int coroutine_fn test_co_pdiscard(BlockDriverState *bs, int64_t offset,
                                         int64_t bytes)
{
    TestDrive *drive = node_drive(bs);
    int ret = begin(drive, TEST_DISCARD, offset, bytes);

    if (!ret) {
        /* So that nobody takes a discard for zeroes */
        memset(drive->data + offset, 0xdd, bytes);
    }
    end(drive, TEST_DISCARD, offset, bytes);
    return ret;
}

static int coroutine_fn test_co_pwrite_zeroes(BlockDriverState *bs,
                                              int64_t offset, int64_t bytes,
                                              BdrvRequestFlags flags)
{
    TestDrive *drive = node_drive(bs);
    int ret = begin(drive, TEST_ZERO, offset, bytes);

    if (!ret) {
        memset(drive->data + offset, 0, bytes);
    }
    end(drive, TEST_ZERO, offset, bytes);
    return ret;
}

static int64_t coroutine_fn test_co_getlength(BlockDriverState *bs)
{
    return node_drive(bs)->size;
}

static int coroutine_fn test_co_truncate(BlockDriverState *bs, int64_t offset,
                                         bool exact, PreallocMode prealloc,
                                         BdrvRequestFlags flags, Error **errp)
{
    TestDrive *drive = node_drive(bs);

    g_assert_cmpuint(offset, <=, drive->max_size);
    drive->size = offset;
    return 0;
}

static int test_open(BlockDriverState *bs, QDict *options, int flags,
                     Error **errp)
{
    ((TestNode *)bs->opaque)->drive = opening;
    return 0;
}

static BlockDriver test_driver = {
    .format_name = "xenpv-test",
    .instance_size = sizeof(TestNode),
    .bdrv_open = test_open,
    .bdrv_co_getlength = test_co_getlength,
    .bdrv_co_truncate = test_co_truncate,
    .bdrv_co_preadv = test_co_preadv,
    .bdrv_co_pwritev = test_co_pwritev,
    .bdrv_co_flush = test_co_flush,
    .bdrv_co_pdiscard = test_co_pdiscard,
    .bdrv_co_pwrite_zeroes = test_co_pwrite_zeroes,
};

static void nothing(struct rcu_head *head)
{
}

/*
 * A bus lets go of a device by RCU, and the device of its drive.  RCU waits
 * for more to come before it looks at a few, so it gets many.
 */
void disk_host_devices_gone(void)
{
    static struct rcu_head company[32];
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(company); i++) {
        call_rcu1(&company[i], nothing);
    }
    drain_call_rcu();
}

TestDrive *test_drive_new(const char *node, uint64_t size, int flags)
{
    TestDrive *drive = g_new0(TestDrive, 1);

    qemu_mutex_init(&drive->lock);
    drive->size = size;
    drive->max_size = 2 * size;
    drive->data = g_malloc0(drive->max_size);
    drive->log = g_string_new(NULL);
    opening = drive;
    drive->bs = bdrv_new_open_driver(&test_driver, node, flags, &error_abort);
    return drive;
}

void test_drive_free(TestDrive *drive)
{
    disk_host_devices_gone();
    g_assert_cmpuint(drive->in_flight, ==, 0);
    g_assert_cmpint(drive->bs->refcnt, ==, 1);
    test_drive_release(drive);
    timer_free(drive->soon);
    bdrv_unref(drive->bs);
    if (drive->log) {
        g_string_free(drive->log, true);
    }
    qemu_mutex_destroy(&drive->lock);
    g_free(drive->data);
    g_free(drive);
}

void test_drive_hold(TestDrive *drive)
{
    QEMU_LOCK_GUARD(&drive->lock);
    drive->hold = true;
}

static bool release_one(TestDrive *drive)
{
    Coroutine *co = NULL;

    WITH_QEMU_LOCK_GUARD(&drive->lock) {
        if (drive->waiters) {
            co = drive->waiters->co;
            drive->waiters = drive->waiters->next;
            qatomic_dec(&drive->held);
        }
    }
    if (co) {
        aio_co_wake(co);
    }
    return co;
}

void test_drive_release_one(TestDrive *drive)
{
    g_assert_true(release_one(drive));
}

void test_drive_release(TestDrive *drive)
{
    bool more = true;

    WITH_QEMU_LOCK_GUARD(&drive->lock) {
        drive->hold = false;
    }
    /* As the host's AIO completes what has ended together */
    defer_call_begin();
    while (more) {
        more = release_one(drive);
    }
    defer_call_end();
}

static void release_timer(void *opaque)
{
    test_drive_release(opaque);
}

void test_drive_release_soon(TestDrive *drive)
{
    if (!drive->soon) {
        drive->soon = aio_timer_new(qemu_get_aio_context(),
                                    QEMU_CLOCK_REALTIME, SCALE_MS,
                                    release_timer, drive);
    }
    timer_mod(drive->soon, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 3);
}

void test_drive_fail(TestDrive *drive, TestOp op, int err, unsigned times)
{
    QEMU_LOCK_GUARD(&drive->lock);
    drive->fail[op] = err;
    drive->fail_left[op] = times;
}

char *test_drive_log(TestDrive *drive)
{
    GString *log;

    QEMU_LOCK_GUARD(&drive->lock);
    log = drive->log;
    drive->log = g_string_new(NULL);
    return g_string_free(log, false);
}

void test_drive_resize(TestDrive *drive, uint64_t size)
{
    BlockBackend *blk = blk_new_with_bs(drive->bs, BLK_PERM_RESIZE,
                                        BLK_PERM_ALL, &error_abort);

    bdrv_drained_begin(drive->bs);
    blk_truncate(blk, size, false, PREALLOC_MODE_OFF, 0, &error_abort);
    bdrv_drained_end(drive->bs);
    blk_unref(blk);
}

/* ---- properties: what QEMU's have beside these is PCI, network, sound ---- */

static void set_drive(Object *obj, Visitor *v, const char *name, void *opaque,
                      Error **errp)
{
    BlockBackend **ptr = object_field_prop_ptr(obj, opaque);
    g_autofree char *id = NULL;
    BlockDriverState *bs;
    BlockBackend *blk;

    if (!visit_type_str(v, name, &id, errp)) {
        return;
    }
    blk = blk_by_name(id);
    if (blk) {
        blk_ref(blk);
    } else {
        bs = bdrv_lookup_bs(NULL, id, errp);
        if (!bs) {
            return;
        }
        blk = blk_new(qemu_get_aio_context(), 0, BLK_PERM_ALL);
        if (blk_insert_bs(blk, bs, errp) < 0) {
            blk_unref(blk);
            return;
        }
    }
    if (blk_attach_dev(blk, DEVICE(obj)) < 0) {
        error_setg(errp, "drive '%s' is in use", id);
    } else {
        *ptr = blk;
    }
    blk_unref(blk);
}

static void release_drive(Object *obj, const char *name, void *opaque)
{
    BlockBackend **ptr = object_field_prop_ptr(obj, opaque);

    if (*ptr) {
        blk_detach_dev(*ptr, DEVICE(obj));
    }
}

const PropertyInfo qdev_prop_drive = {
    .type = "str",
    .set = set_drive,
    .release = release_drive,
};

static void set_blocksize(Object *obj, Visitor *v, const char *name,
                          void *opaque, Error **errp)
{
    uint32_t *ptr = object_field_prop_ptr(obj, opaque);
    uint64_t value;

    if (visit_type_size(v, name, &value, errp) &&
        check_block_size(name, value, errp)) {
        *ptr = value;
    }
}

const PropertyInfo qdev_prop_blocksize = {
    .type = "size",
    .set = set_blocksize,
    .set_default_value = qdev_propinfo_set_default_value_uint,
};

const PropertyInfo qdev_prop_blockdev_on_error = {
    .type = "BlockdevOnError",
    .enum_table = &BlockdevOnError_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

static void set_mapping(Object *obj, Visitor *v, const char *name,
                        void *opaque, Error **errp)
{
    IOThreadVirtQueueMappingList **ptr = object_field_prop_ptr(obj, opaque);

    visit_type_IOThreadVirtQueueMappingList(v, name, ptr, errp);
}

static void release_mapping(Object *obj, const char *name, void *opaque)
{
    IOThreadVirtQueueMappingList **ptr = object_field_prop_ptr(obj, opaque);

    qapi_free_IOThreadVirtQueueMappingList(*ptr);
    *ptr = NULL;
}

const PropertyInfo qdev_prop_iothread_vq_mapping_list = {
    .type = "IOThreadVirtQueueMappingList",
    .set = set_mapping,
    .release = release_mapping,
};

/* What hw/block/block.c has for others */
void hd_geometry_guess(BlockBackend *blk, uint32_t *pcyls, uint32_t *pheads,
                       uint32_t *psecs, int *ptrans)
{
    g_assert_not_reached();
}

int hd_bios_chs_auto_trans(uint32_t cyls, uint32_t heads, uint32_t secs)
{
    g_assert_not_reached();
}

bool cpr_is_incoming(void)
{
    return false;
}

/* A drive of "-drive" goes with its device; there is none here. */
void blockdev_auto_del(BlockBackend *blk)
{
}

/* ---- time ---- */

static int64_t clock_offset_ns;

/* In the place of the C library's, for all of this program. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int ret = syscall(SYS_clock_gettime, clock, ts);
    int64_t ns = ts->tv_nsec + clock_offset_ns;

    ts->tv_sec += ns / NANOSECONDS_PER_SECOND;
    ts->tv_nsec = ns % NANOSECONDS_PER_SECOND;
    return ret;
}

void disk_host_time_passes(int64_t ms)
{
    clock_offset_ns += ms * SCALE_MS;
}

/* ---- allocations ---- */

/* What follows is the GNU C library's, and M_ARENA_MAX is, too. */
#if defined(QEMU_SANITIZE_ADDRESS) || !defined(M_ARENA_MAX)
bool disk_host_allocations(uint64_t *nr)
{
    return false;
}
#else
static uint64_t nr_allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t align, size_t size);

/* Before the C library's, for its other parts and for GLib, too. */
void *malloc(size_t size)
{
    qatomic_inc(&nr_allocations);
    return __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
    qatomic_inc(&nr_allocations);
    return __libc_calloc(nr, size);
}

void *realloc(void *ptr, size_t size)
{
    qatomic_inc(&nr_allocations);
    return __libc_realloc(ptr, size);
}

int posix_memalign(void **ptr, size_t align, size_t size)
{
    qatomic_inc(&nr_allocations);
    *ptr = __libc_memalign(align, size);
    return *ptr ? 0 : ENOMEM;
}

bool disk_host_allocations(uint64_t *nr)
{
    *nr = qatomic_read(&nr_allocations);
    return true;
}
#endif

/* ---- devices ---- */

static void set_property(Object *obj, const char *key, const char *value)
{
    if (*value == '[' || *value == '{') {
        QObject *json = qobject_from_json(value, &error_abort);

        object_property_set_qobject(obj, key, json, &error_abort);
        qobject_unref(json);
    } else {
        object_property_parse(obj, key, value, &error_abort);
    }
}

/* The next "key=value" of @props; commas in brackets do not end it. */
static char *next_property(const char **props)
{
    const char *start = *props, *p = start;
    int depth = 0;

    while (*p && (depth || *p != ',')) {
        depth += *p == '[' || *p == '{';
        depth -= *p == ']' || *p == '}';
        p++;
    }
    *props = *p ? p + 1 : p;
    return g_strndup(start, p - start);
}

XenPvDevice *disk_host_plug(XenPvBus *bus, const char *type,
                            const char *props, Error **errp)
{
    DeviceState *dev = qdev_new(type);

    while (*props) {
        g_autofree char *pair = next_property(&props);
        char *value = strchr(pair, '=');

        g_assert_nonnull(value);
        *value++ = 0;
        set_property(OBJECT(dev), pair, value);
    }
    if (!qdev_realize_and_unref(dev, BUS(bus), errp)) {
        disk_host_devices_gone();
        return NULL;
    }
    return XENPV_DEVICE(dev);
}

/* ---- the big lock: RCU and IOThreads mean it ---- */

static QemuMutex bql;
static __thread bool bql_is_mine;

bool bql_locked(void)
{
    return bql_is_mine;
}

void bql_lock_impl(const char *file, int line)
{
    g_assert_false(bql_is_mine);
    qemu_mutex_lock(&bql);
    bql_is_mine = true;
}

void bql_unlock(void)
{
    g_assert_true(bql_is_mine);
    bql_is_mine = false;
    qemu_mutex_unlock(&bql);
}

void bql_block_unlock(bool increase)
{
}

/* ---- the VM ---- */

struct VMChangeStateEntry {
    VMChangeStateHandler *fn;
    void *opaque;
    QLIST_ENTRY(VMChangeStateEntry) next;
};

static QLIST_HEAD(, VMChangeStateEntry) handlers =
    QLIST_HEAD_INITIALIZER(handlers);
static bool stop_wanted;

VMChangeStateEntry *qemu_add_vm_change_state_handler(VMChangeStateHandler *cb,
                                                     void *opaque)
{
    VMChangeStateEntry *e = g_new0(VMChangeStateEntry, 1);

    e->fn = cb;
    e->opaque = opaque;
    QLIST_INSERT_HEAD(&handlers, e, next);
    return e;
}

void qemu_del_vm_change_state_handler(VMChangeStateEntry *e)
{
    QLIST_REMOVE(e, next);
    g_free(e);
}

void qemu_system_vmstop_request_prepare(void)
{
}

void qemu_system_vmstop_request(RunState state)
{
    qatomic_set(&stop_wanted, true);
}

bool disk_host_stop_wanted(void)
{
    return qatomic_xchg(&stop_wanted, false);
}

void disk_host_vm(bool running)
{
    VMChangeStateEntry *e, *next;

    fixture_runstate = running ? RUN_STATE_RUNNING : RUN_STATE_PAUSED;
    QLIST_FOREACH_SAFE(e, &handlers, next, next) {
        e->fn(e->opaque, running, fixture_runstate);
    }
}

IOThread *disk_host_iothread(const char *id)
{
    return IOTHREAD(object_new_with_props(TYPE_IOTHREAD,
                                          object_get_objects_root(), id,
                                          &error_abort, NULL));
}

void disk_host_main(int *argc, char ***argv)
{
    qemu_mutex_init(&bql);
    bql_lock();
    fixture_main(argc, argv);
    bdrv_init();
    bdrv_register(&test_driver);
}
