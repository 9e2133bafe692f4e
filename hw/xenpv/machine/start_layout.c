/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start of day, planned: which pfn everything goes to.
 *
 *   pfn 0                              mapped 1:1 from VIRT_BASE, 4 KiB leaves
 *    | free
 *    | kernel
 *    | ramdisk              (unless the kernel takes it as a pfn)
 *    | P2M list             (unless the kernel names a VA for it)
 *    | start_info, xenstore ring, console ring
 *    | page tables: L4, L3s, L2s, L1s     (with PAE: L3, L2s, L1s)
 *    | boot stack
 *    | free, at least 512 KiB, up to a multiple of 4 MiB
 *   ---------------------------------  end of the initial mapping
 *    | ramdisk              (if the kernel takes it as a pfn)
 *    | P2M list, then the L3s, L2s, L1s that map it at INIT_P2M
 *    | free
 *   nr_pages
 *
 * The order is that of Xen's domain builder; Linux depends on parts of it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"

#define SLACK_PAGES         (512 * 1024 / PV_PAGE_SIZE)
#define MAPPED_ALIGN        (4ULL << 20)
#define L4_SHIFT            39

static uint64_t take_pages(uint64_t *next, uint64_t pages)
{
    uint64_t pfn = *next;

    *next += pages;
    return pfn;
}

/*
 * Whether the P2M list can go where the kernel wants it: below the initial
 * region, with which it must not share an L4 slot.  If not, it goes into the
 * region, as with Xen.
 */
static bool plan_init_p2m(XenPvLayout *l, const XenPvKernel *kernel)
{
    XenPvPtMap *map = &l->maps[1];

    *map = (XenPvPtMap) {
        .va = kernel->notes.init_p2m,
        .pages = l->p2m_pages,
    };
    return kernel->notes.has_init_p2m && !kernel->pae &&
           xenpv_pt_va_ok(map) &&
           (map->va + (map->pages << PV_PAGE_SHIFT) - 1) >> L4_SHIFT <
           kernel->virt_base >> L4_SHIFT;
}

/*
 * The page tables are inside the region they map, so their number and the
 * region's size are found together.
 */
static bool plan_tables(XenPvLayout *l, uint64_t *next)
{
    XenPvPtMap *map = &l->maps[0];
    uint64_t tables = 0, pages, end_va;

    do {
        pages = *next + tables + PV_STACK_PAGES + SLACK_PAGES;
        end_va = ROUND_UP(pv_region_va(l, pages), MAPPED_ALIGN);
        map->pages = (end_va - map->va) >> PV_PAGE_SHIFT;
        if (map->pages < pages || !xenpv_pt_va_ok(map)) {
            return false;
        }
        tables = 1 + xenpv_pt_total(map);
    } while (*next + tables + PV_STACK_PAGES + SLACK_PAGES > map->pages);

    l->top = take_pages(next, 1);
    *next = xenpv_pt_place(map, *next);
    return true;
}

static bool plan_region(XenPvLayout *l, const XenPvKernel *kernel,
                        bool initrd_mapped)
{
    uint64_t next;

    l->maps[0] = (XenPvPtMap) { .pae = kernel->pae, .va = kernel->virt_base };
    l->kernel = (kernel->virt_kstart - kernel->virt_base) >> PV_PAGE_SHIFT;
    next = pv_pages(kernel->virt_kend - kernel->virt_base);
    l->kernel_pages = next - l->kernel;
    if (initrd_mapped) {
        l->initrd = take_pages(&next, l->initrd_pages);
    }
    if (!l->init_p2m) {
        l->p2m = take_pages(&next, l->p2m_pages);
    }
    l->start_info = take_pages(&next, 1);
    l->store = take_pages(&next, 1);
    l->console = take_pages(&next, 1);
    if (!plan_tables(l, &next)) {
        return false;
    }
    l->stack = take_pages(&next, PV_STACK_PAGES);
    return true;
}

/*
 * Plan for a guest of @nr_pages.  The result may need more than that; false
 * means that no amount of memory would do.
 */
static bool plan(XenPvLayout *l, const XenPvStartParams *params,
                 uint64_t nr_pages)
{
    const XenPvKernel *kernel = params->kernel;
    bool initrd_mapped = !kernel->notes.has_mod_start_pfn;
    uint64_t next;

    memset(l, 0, sizeof(*l));
    l->initrd_pages = pv_pages(params->initrd_len);
    l->p2m_pages = DIV_ROUND_UP(nr_pages, pv_p2m_per_page(kernel));
    l->init_p2m = plan_init_p2m(l, kernel);
    if (!plan_region(l, kernel, initrd_mapped)) {
        return false;
    }
    next = l->maps[0].pages;
    if (!initrd_mapped) {
        l->initrd = take_pages(&next, l->initrd_pages);
    }
    if (l->init_p2m) {
        l->p2m = take_pages(&next, l->p2m_pages);
        l->maps[1].pfn = l->p2m;
        next = xenpv_pt_place(&l->maps[1], next);
    }
    l->end = next;
    /*
     * Linux copies one L2 table of the initial mapping and expects all of
     * itself to be in it.
     */
    return kernel->pae || kernel->guest_os != XENPV_GUEST_OS_LINUX ||
           xenpv_pt_count(&l->maps[0], 2) == 1;
}

/* How much memory would do.  More memory needs a longer P2M list. */
static bool pages_needed(const XenPvStartParams *params, uint64_t *pages)
{
    XenPvLayout l = { .end = 1 };

    do {
        *pages = l.end;
        if (!plan(&l, params, *pages)) {
            return false;
        }
    } while (l.end > *pages);
    return true;
}

static char *describe(const XenPvStartParams *params)
{
    return g_strdup_printf("kernel %s%s%s", params->kernel->filename,
                           params->initrd_len ? " with initrd " : "",
                           params->initrd_len ? params->initrd_filename : "");
}

static bool check_fits(const XenPvLayout *l, const XenPvStartParams *params,
                       uint64_t nr_pages, Error **errp)
{
    g_autofree char *what = describe(params);
    bool whole_mib = !(nr_pages & 0xff);
    uint64_t needed;

    if (l->end <= nr_pages) {
        return true;
    }
    if (!pages_needed(params, &needed)) {
        needed = l->end;
    }
    error_setg(errp, "-m %" PRIu64 "%c is too small for %s"
               " (needs at least %" PRIu64 " MiB)",
               whole_mib ? nr_pages >> 8 : nr_pages << 2,
               whole_mib ? 'M' : 'K', what, (needed + 255) >> 8);
    return false;
}

bool xenpv_layout_plan(XenPvLayout *l, const XenPvStartParams *params,
                       uint64_t nr_pages, Error **errp)
{
    if (!plan(l, params, nr_pages)) {
        g_autofree char *what = describe(params);

        error_setg(errp, "%s does not fit into its initial mapping"
                   " at 0x%" PRIx64, what, params->kernel->virt_base);
        return false;
    }
    return check_fits(l, params, nr_pages, errp);
}
