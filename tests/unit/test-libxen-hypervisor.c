/*
 * The conformance suite over libxen, inside a domain of a real Xen host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest is the domain this runs in: it opens ports for itself and grants
 * itself pages of the kernel's grant allocator.  What such a loop cannot show:
 * whether a grant is in use (the kernel takes it back later then), the frame
 * number of a page, and the store as one without privileges sees it.
 *
 * XENPV_DOMID names another domain, paused: its rights are set, and what its
 * toolstack has prepared for it is mapped.
 */
#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xen/gntalloc.h>
#include <xenevtchn.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/main-loop.h"
#include "hw/xenpv/hypervisor/libxen/libxen.h"
#include "hypervisor-suite.h"

#define GNTALLOC "/dev/xen/gntalloc"

typedef struct Grant {
    uint32_t ref;
    uint64_t index;
    void *page;
} Grant;

/* What the guest has handed out, to be taken back when it ends */
typedef struct Guest {
    XenPvHv *hv;
    int gntalloc;
    GArray *grants;             /* of Grant */
    GPtrArray *pages;
    GHashTable *ports;          /* number to its xenevtchn_handle */
} Guest;

static Guest guest;

static void port_close(void *handle)
{
    xenevtchn_close(handle);
}

static void page_free(void *page)
{
    munmap(page, XENPV_PAGE_SIZE);
}

static XenPvHv *loop_open(void)
{
    guest = (Guest) {
        .hv = xenpv_libxen_new(&error_abort),
        .gntalloc = open(GNTALLOC, O_RDWR | O_CLOEXEC),
        .grants = g_array_new(false, false, sizeof(Grant)),
        .pages = g_ptr_array_new_with_free_func(page_free),
        .ports = g_hash_table_new_full(NULL, NULL, NULL, port_close),
    };
    g_assert_cmpint(guest.gntalloc, >=, 0);
    g_assert_cmpuint(guest.hv->self, ==, 0);
    return guest.hv;
}

static void loop_close(XenPvHv *hv)
{
    g_ptr_array_free(guest.pages, true);
    g_array_free(guest.grants, true);
    g_hash_table_destroy(guest.ports);
    close(guest.gntalloc);
    xenpv_libxen_free(hv);
}

/*
 * The answers of one connection come in order: with that to the last request
 * all events of those before it are here.
 */
static void loop_settle(void)
{
    g_free(xenpv_store_read(guest.hv, NULL, "domid", NULL, NULL));
    do {
        main_loop_wait(true);
    } while (g_main_context_pending(NULL));
}

static uint32_t loop_port(XenPvHv *hv)
{
    xenevtchn_handle *handle = xenevtchn_open(NULL, 0);
    xenevtchn_port_or_error_t port;

    g_assert_nonnull(handle);
    g_assert_true(g_unix_set_fd_nonblocking(xenevtchn_fd(handle), true,
                                            NULL));
    port = xenevtchn_bind_unbound_port(handle, hv->self);
    g_assert_cmpint(port, >, 0);
    g_hash_table_insert(guest.ports, GINT_TO_POINTER(port), handle);
    return port;
}

static void loop_notify(XenPvHv *hv, uint32_t port)
{
    xenevtchn_handle *handle =
        g_hash_table_lookup(guest.ports, GINT_TO_POINTER(port));

    g_assert_cmpint(xenevtchn_notify(handle, port), ==, 0);
}

static bool loop_events(XenPvHv *hv, uint32_t port)
{
    xenevtchn_handle *handle =
        g_hash_table_lookup(guest.ports, GINT_TO_POINTER(port));
    xenevtchn_port_or_error_t pending = xenevtchn_pending(handle);

    if (pending < 0) {
        g_assert_cmpint(errno, ==, EAGAIN);
        return false;
    }
    g_assert_cmpint(pending, ==, port);
    g_assert_cmpint(xenevtchn_unmask(handle, port), ==, 0);
    return true;
}

/* Of our own memory, until it is granted */
static void *loop_page(XenPvHv *hv)
{
    void *page = mmap(NULL, XENPV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    g_assert_true(page != MAP_FAILED);
    g_ptr_array_add(guest.pages, page);
    return page;
}

/* Puts a page of the grant allocator's, which can be granted, in its place. */
static uint32_t loop_grant(XenPvHv *hv, void *page, bool readonly)
{
    struct ioctl_gntalloc_alloc_gref op = {
        .domid = hv->self, .count = 1,
        .flags = readonly ? 0 : GNTALLOC_FLAG_WRITABLE,
    };
    g_autofree void *was = g_memdup2(page, XENPV_PAGE_SIZE);
    Grant grant;

    g_assert_cmpint(ioctl(guest.gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, &op), ==,
                    0);
    g_assert_true(mmap(page, XENPV_PAGE_SIZE, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_FIXED, guest.gntalloc, op.index) ==
                  page);
    memcpy(page, was, XENPV_PAGE_SIZE);
    grant = (Grant) { op.gref_ids[0], op.index, page };
    g_array_append_val(guest.grants, grant);
    return grant.ref;
}

/* The reference is free when neither the page nor the allocator holds it. */
static bool loop_revoke(XenPvHv *hv, uint32_t ref)
{
    unsigned i;

    for (i = 0; i < guest.grants->len; i++) {
        Grant *grant = &g_array_index(guest.grants, Grant, i);
        struct ioctl_gntalloc_dealloc_gref op = {
            .index = grant->index, .count = 1,
        };

        if (grant->ref == ref) {
            g_assert_true(mmap(grant->page, XENPV_PAGE_SIZE,
                               PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                               0) == grant->page);
            g_assert_cmpint(ioctl(guest.gntalloc,
                                  IOCTL_GNTALLOC_DEALLOC_GREF, &op), ==, 0);
            g_array_remove_index_fast(guest.grants, i);
            return true;
        }
    }
    g_assert_not_reached();
}

/* ---- with another domain ---- */

static bool mapped(void *page)
{
    return !msync(page, XENPV_PAGE_SIZE, MS_ASYNC);
}

static uint64_t ring_ref(XenPvHv *hv, XenPvDomid domid, const char *of)
{
    g_autofree char *path =
        g_strdup_printf("/local/domain/%u/%s/ring-ref", domid, of);
    g_autofree char *text = xenpv_store_read(hv, NULL, path, NULL, NULL);
    uint64_t gfn;

    g_assert_nonnull(text);
    g_assert_cmpint(qemu_strtou64(text, NULL, 10, &gfn), ==, 0);
    return gfn;
}

/* The grant reserved for the console and its frame are one page. */
static void test_console(gconstpointer opaque)
{
    const HvHarness *h = opaque;
    XenPvHv *hv;
    XenPvMap *console, *frames;
    uint8_t *one, *other;
    uint64_t gfns[2];

    if (!h->unprivileged) {
        g_test_skip("there is no domain but our own");
        return;
    }
    hv = xenpv_libxen_new(&error_abort);
    gfns[0] = ring_ref(hv, h->unprivileged, "store");
    gfns[1] = ring_ref(hv, h->unprivileged, "console");
    console = xenpv_console_map(hv, h->unprivileged, gfns[1], &error_abort);
    frames = xenpv_frame_map(hv, h->unprivileged, gfns, 2, false,
                             &error_abort);
    g_assert_cmpuint(hv->live.map_pages, ==, 3);
    one = console->page[0];
    other = frames->page[1];
    g_assert_true(one != other);
    g_assert_true(mapped(one));
    g_assert_true(mapped(other));
    /* The last byte is past what the protocol uses. */
    one[4095] = 0x5a;
    g_assert_cmphex(other[4095], ==, 0x5a);
    other[4095] = 0;
    g_assert_cmphex(one[4095], ==, 0);
    xenpv_unmap(console);
    xenpv_unmap(frames);
    g_assert_false(mapped(one));
    g_assert_false(mapped(other));

    /* A domain that is not there has neither the grant nor the frame. */
    g_assert_null(xenpv_console_map(hv, h->unprivileged + 7, gfns[1], NULL));
    g_assert_cmpuint(hv->live.maps, ==, 0);
    xenpv_libxen_free(hv);
}

static HvHarness harness = {
    .name = "libxen",
    .guest = 0,
    .max_grant_pages = XENPV_MAX_MAP_PAGES,
    .open = loop_open,
    .close = loop_close,
    .settle = loop_settle,
    .port = loop_port,
    .notify = loop_notify,
    .events = loop_events,
    .page = loop_page,
    .grant = loop_grant,
    .revoke = loop_revoke,
};

int main(int argc, char **argv)
{
    const char *domid = g_getenv("XENPV_DOMID");

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    if (domid) {
        harness.unprivileged = atoi(domid);
    }
    hv_suite_add(&harness);
    g_test_add_data_func("/xenpv/hypervisor/libxen/console", &harness,
                         test_console);
    return g_test_run();
}
