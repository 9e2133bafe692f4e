/*
 * The conformance suite over the emulated hypervisor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "emu-fixture.h"
#include "hypervisor-suite.h"

/* The guest's allocators: pages and grant references are handed out once. */
typedef struct Guest {
    EmuFixture *fx;
    unsigned next_page;
    uint32_t next_ref;
    uint32_t store_port;
} Guest;

static Guest guest;

static XenPvHv *emu_open(void)
{
    XenPvEmuDomain domain = {
        .name = "suite", .uuid = "01234567-89ab-cdef-0123-456789abcdef",
        .nr_vcpus = 1, .max_vcpus = 1,
    };

    guest = (Guest) { .fx = fx_new(true), .next_page = 1, .next_ref = 8 };
    guest.store_port = fx_attach_store(guest.fx);
    xenpv_emu_write_domain(guest.fx->emu, &domain);
    return guest.fx->hv;
}

static void emu_close(XenPvHv *hv)
{
    fx_free(guest.fx);
}

static uint32_t emu_port(XenPvHv *hv)
{
    return fx_open(guest.fx);
}

static void emu_notify(XenPvHv *hv, uint32_t port)
{
    xenpv_emu_send(guest.fx->emu, port);
}

static bool emu_events(XenPvHv *hv, uint32_t port)
{
    bool pending = fx_pending(guest.fx, port);

    fx_clear_pending(guest.fx, port);
    return pending;
}

static void *emu_page(XenPvHv *hv)
{
    g_assert_cmpuint(guest.next_page, <, FX_NR_FRAMES);
    return fx_page(guest.fx, guest.next_page++);
}

static uint64_t emu_gfn(XenPvHv *hv, void *page)
{
    return FX_FIRST_MFN +
           ((uint8_t *)page - guest.fx->ram) / XENPV_PAGE_SIZE;
}

static uint32_t emu_grant(XenPvHv *hv, void *page, bool readonly)
{
    grant_entry_v1_t *entry = &guest.fx->grants[guest.next_ref];

    entry->domid = 0;
    entry->frame = emu_gfn(hv, page);
    qatomic_store_release(&entry->flags, GTF_permit_access |
                          (readonly ? GTF_readonly : 0));
    return guest.next_ref++;
}

/* As Linux's gnttab_end_foreign_access_ref() */
static bool emu_revoke(XenPvHv *hv, uint32_t ref)
{
    uint16_t *flags = &guest.fx->grants[ref].flags;
    uint16_t old = qatomic_read(flags);

    return !(old & (GTF_reading | GTF_writing)) &&
           qatomic_cmpxchg(flags, old, 0) == old;
}

/* One request through the store page; the payload of the answer */
static char *ask(uint32_t type, const char *payload, uint32_t len,
                 uint32_t *answer)
{
    struct xenstore_domain_interface *page = fx_page(guest.fx, 0);
    struct xsd_sockmsg header = { type, 1, 0, len };
    char message[XENSTORE_RING_SIZE];
    char *reply;
    uint32_t i;

    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), payload, len);
    for (i = 0; i < sizeof(header) + len; i++) {
        page->req[MASK_XENSTORE_IDX(page->req_prod++)] = message[i];
    }
    xenpv_emu_send(guest.fx->emu, guest.store_port);
    fx_run();
    for (i = 0; page->rsp_cons != page->rsp_prod; i++) {
        message[i] = page->rsp[MASK_XENSTORE_IDX(page->rsp_cons++)];
    }
    memcpy(&header, message, sizeof(header));
    g_assert_cmpuint(i, ==, sizeof(header) + header.len);
    reply = g_malloc0(header.len + 1);
    memcpy(reply, message + sizeof(header), header.len);
    *answer = header.type;
    return reply;
}

static char *emu_store_read(XenPvHv *hv, const char *path)
{
    uint32_t answer;
    char *reply = ask(XS_READ, path, strlen(path) + 1, &answer);

    if (answer == XS_ERROR) {
        g_clear_pointer(&reply, g_free);
    }
    return reply;
}

static int emu_store_write(XenPvHv *hv, const char *path, const char *value)
{
    uint32_t path_len = strlen(path) + 1;
    g_autofree char *payload = g_strdup_printf("%s %s", path, value);
    g_autofree char *reply = NULL;
    uint32_t answer;
    unsigned i;

    payload[path_len - 1] = '\0';
    reply = ask(XS_WRITE, payload, path_len + strlen(value), &answer);
    for (i = 0; answer == XS_ERROR && i < ARRAY_SIZE(xsd_errors); i++) {
        if (!strcmp(xsd_errors[i].errstring, reply)) {
            return xsd_errors[i].errnum;
        }
    }
    g_assert_cmpuint(answer, ==, XS_WRITE);
    return 0;
}

static const HvHarness harness = {
    .name = "emulated",
    .guest = FX_GUEST,
    .unprivileged = FX_GUEST,
    .max_grant_pages = XENPV_MAX_MAP_PAGES,
    .open = emu_open,
    .close = emu_close,
    .settle = fx_run,
    .port = emu_port,
    .notify = emu_notify,
    .events = emu_events,
    .page = emu_page,
    .grant = emu_grant,
    .revoke = emu_revoke,
    .use_shows = true,
    .gfn = emu_gfn,
    .store_read = emu_store_read,
    .store_write = emu_store_write,
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hv_suite_add(&harness);
    return g_test_run();
}
