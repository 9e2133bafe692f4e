/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Start of day, written: fill the planned pages of a PV guest.
 *
 * Nothing is assumed about what memory holds, because a reset comes here
 * with the previous run's data still in it.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "hw/xenpv/machine/loader_internal.h"

#define HYPERCALL_STUB_SIZE 32
#define HYPERCALL_STUBS     (PV_PAGE_SIZE / HYPERCALL_STUB_SIZE)
#define HYPERCALL_IRET      23

static bool check_params(const XenPvStartParams *params, Error **errp)
{
    size_t len = params->cmdline ? strlen(params->cmdline) : 0;

    if (len >= XENPV_CMDLINE_SIZE) {
        error_setg(errp, "-append: command line of %zu bytes is too long"
                   " (a Xen PV guest takes %u)", len, XENPV_CMDLINE_SIZE - 1);
        return false;
    }
    return true;
}

/* Write @len bytes, or zeroes without @data, from byte @addr of pfn space. */
static void guest_write(const XenPvGuestMemory *memory, uint64_t addr,
                        const uint8_t *data, uint64_t len)
{
    while (len) {
        uint8_t *page = memory->pfn_to_ptr(memory->opaque,
                                           addr >> PV_PAGE_SHIFT);
        uint64_t off = addr & PV_PAGE_MASK;
        uint64_t n = MIN(len, PV_PAGE_SIZE - off);

        if (data) {
            memcpy(page + off, data, n);
            data += n;
        } else {
            memset(page + off, 0, n);
        }
        addr += n;
        len -= n;
    }
}

static void guest_zero_pages(const XenPvGuestMemory *memory, uint64_t pfn,
                             uint64_t pages)
{
    guest_write(memory, pfn << PV_PAGE_SHIFT, NULL, pages << PV_PAGE_SHIFT);
}

static void write_kernel(const XenPvGuestMemory *memory, const XenPvLayout *l,
                         const XenPvKernel *kernel)
{
    guest_zero_pages(memory, l->kernel, l->kernel_pages);
    for (size_t i = 0; i < kernel->nr_segments; i++) {
        const XenPvSegment *seg = &kernel->segments[i];

        guest_write(memory, seg->vaddr - kernel->virt_base, seg->data,
                    seg->file_len);
    }
}

static void write_initrd(const XenPvGuestMemory *memory, const XenPvLayout *l,
                         const XenPvStartParams *params)
{
    if (params->initrd_len) {
        guest_zero_pages(memory, l->initrd + l->initrd_pages - 1, 1);
        guest_write(memory, l->initrd << PV_PAGE_SHIFT, params->initrd,
                    params->initrd_len);
    }
}

/* The list itself; what is left of its last page says "no such frame". */
static void write_p2m(const XenPvGuestMemory *memory, const XenPvLayout *l,
                      const XenPvKernel *kernel)
{
    unsigned per_page = pv_p2m_per_page(kernel);
    uint64_t pfn = 0;

    for (uint64_t page = 0; page < l->p2m_pages; page++) {
        uint8_t *list = memory->pfn_to_ptr(memory->opaque, l->p2m + page);

        for (unsigned i = 0; i < per_page; i++, pfn++) {
            uint64_t mfn = pfn < memory->nr_pages
                           ? memory->pfn_to_mfn(memory->opaque, pfn)
                           : UINT64_MAX;

            if (kernel->pae) {
                stl_le_p(list + i * sizeof(uint32_t), mfn);
            } else {
                stq_le_p(list + i * sizeof(uint64_t), mfn);
            }
        }
    }
}

/*
 * Stub @nr of a hypercall page: load the number and SYSCALL.  SYSCALL loses
 * rcx and r11, so they go to the stack; iret never comes back and wants rax
 * there too, completing the frame its caller has begun.
 */
static void make_hypercall_stub(uint8_t *stub, uint8_t nr)
{
    static const uint8_t call[] = {
        0x51,                   /* push %rcx */
        0x41, 0x53,             /* push %r11 */
        0xb8, 0, 0, 0, 0,       /* mov $nr, %eax */
        0x0f, 0x05,             /* syscall */
        0x41, 0x5b,             /* pop %r11 */
        0x59,                   /* pop %rcx */
        0xc3,                   /* ret */
    };
    static const uint8_t iret[] = {
        0x51,                   /* push %rcx */
        0x41, 0x53,             /* push %r11 */
        0x50,                   /* push %rax */
        0xb8, HYPERCALL_IRET, 0, 0, 0,
        0x0f, 0x05,             /* syscall */
    };

    memset(stub, 0xcc, HYPERCALL_STUB_SIZE);    /* int3 */
    if (nr == HYPERCALL_IRET) {
        memcpy(stub, iret, sizeof(iret));
    } else {
        memcpy(stub, call, sizeof(call));
        stub[4] = nr;
    }
}

/* 32-bit: a software interrupt, which loses no register. */
static void make_hypercall_stub32(uint8_t *stub, uint8_t nr)
{
    static const uint8_t call[] = {
        0xb8, 0, 0, 0, 0,       /* mov $nr, %eax */
        0xcd, 0x82,             /* int $0x82 */
        0xc3,                   /* ret */
    };
    static const uint8_t iret[] = {
        0x50,                   /* push %eax */
        0xb8, HYPERCALL_IRET, 0, 0, 0,
        0xcd, 0x82,             /* int $0x82 */
    };

    memset(stub, 0xcc, HYPERCALL_STUB_SIZE);    /* int3 */
    if (nr == HYPERCALL_IRET) {
        memcpy(stub, iret, sizeof(iret));
    } else {
        memcpy(stub, call, sizeof(call));
        stub[1] = nr;
    }
}

static void write_hypercall_page(const XenPvGuestMemory *memory, uint64_t pfn,
                                 bool pae)
{
    uint8_t *page = memory->pfn_to_ptr(memory->opaque, pfn);

    for (unsigned nr = 0; nr < HYPERCALL_STUBS; nr++) {
        uint8_t *stub = page + nr * HYPERCALL_STUB_SIZE;

        if (pae) {
            make_hypercall_stub32(stub, nr);
        } else {
            make_hypercall_stub(stub, nr);
        }
    }
}

static void set_module(XenPvStartInfo *info, const XenPvLayout *l,
                       const XenPvStartParams *params)
{
    bool as_pfn = params->kernel->notes.has_mod_start_pfn;

    if (params->initrd_len) {
        info->mod_start = cpu_to_le64(as_pfn ? l->initrd
                                             : pv_region_va(l, l->initrd));
        info->mod_len = cpu_to_le64(params->initrd_len);
        info->flags |= cpu_to_le32(as_pfn ? PV_SIF_MOD_START_PFN : 0);
    }
}

static void set_p2m(XenPvStartInfo *info, const XenPvLayout *l)
{
    if (l->init_p2m) {
        info->mfn_list = cpu_to_le64(l->maps[1].va);
        info->first_p2m_pfn = cpu_to_le64(l->p2m);
        info->nr_p2m_frames = cpu_to_le64(l->p2m_pages +
                                          xenpv_pt_total(&l->maps[1]));
    } else {
        info->mfn_list = cpu_to_le64(pv_region_va(l, l->p2m));
    }
}

/* The same numbers, each of which fits: the layout is below 4 GiB. */
static void write_start_info32(const XenPvGuestMemory *memory,
                               const XenPvLayout *l,
                               const XenPvStartInfo *wide)
{
    XenPvStartInfo32 info = { .magic = "xen-3.0-x86_32p" };

#define NARROW(field) info.field = cpu_to_le32(le64_to_cpu(wide->field))
    NARROW(nr_pages);
    NARROW(shared_info);
    info.flags = wide->flags;
    NARROW(store_mfn);
    info.store_evtchn = wide->store_evtchn;
    NARROW(domu_console_mfn);
    info.domu_console_evtchn = wide->domu_console_evtchn;
    NARROW(pt_base);
    NARROW(nr_pt_frames);
    NARROW(mfn_list);
    NARROW(mod_start);
    NARROW(mod_len);
#undef NARROW
    memcpy(info.cmd_line, wide->cmd_line, sizeof(info.cmd_line));
    guest_write(memory, l->start_info << PV_PAGE_SHIFT, (uint8_t *)&info,
                sizeof(info));
}

static void write_start_info(const XenPvGuestMemory *memory,
                             const XenPvLayout *l,
                             const XenPvStartParams *params,
                             const XenPvStartOfDay *out)
{
    XenPvStartInfo info = {
        .magic = "xen-3.0-x86_64",
        .nr_pages = cpu_to_le64(memory->nr_pages),
        .shared_info = cpu_to_le64(params->shared_info_maddr),
        .flags = cpu_to_le32(params->flags),
        .store_mfn = cpu_to_le64(out->store_mfn),
        .store_evtchn = cpu_to_le32(params->store_evtchn),
        .domu_console_mfn = cpu_to_le64(out->console_mfn),
        .domu_console_evtchn = cpu_to_le32(params->console_evtchn),
        .pt_base = cpu_to_le64(out->pt_base_va),
        .nr_pt_frames = cpu_to_le64(1 + xenpv_pt_total(&l->maps[0])),
    };

    set_p2m(&info, l);
    set_module(&info, l, params);
    pstrcpy(info.cmd_line, sizeof(info.cmd_line),
            params->cmdline ? params->cmdline : "");
    guest_zero_pages(memory, l->start_info, 1);
    if (params->kernel->pae) {
        write_start_info32(memory, l, &info);
        return;
    }
    guest_write(memory, l->start_info << PV_PAGE_SHIFT, (uint8_t *)&info,
                sizeof(info));
}

static uint64_t mfn_of(const XenPvGuestMemory *memory, uint64_t pfn)
{
    return memory->pfn_to_mfn(memory->opaque, pfn);
}

static void describe_start(XenPvStartOfDay *out, const XenPvLayout *l,
                           const XenPvKernel *kernel,
                           const XenPvGuestMemory *memory)
{
    *out = (XenPvStartOfDay) {
        .rip = kernel->virt_entry,
        .rsp = pv_region_va(l, l->stack + PV_STACK_PAGES),
        .rsi = pv_region_va(l, l->start_info),
        .cr3_mfn = mfn_of(memory, l->top),
        .start_info_pfn = l->start_info,
        .store_pfn = l->store,
        .store_mfn = mfn_of(memory, l->store),
        .console_pfn = l->console,
        .console_mfn = mfn_of(memory, l->console),
        .p2m_pfn = l->p2m,
        .p2m_va = l->init_p2m ? l->maps[1].va : pv_region_va(l, l->p2m),
        .pt_base_va = pv_region_va(l, l->top),
        .mapped_end_va = pv_region_va(l, l->maps[0].pages),
        .initrd_pfn = l->initrd,
        .end_pfn = l->end,
        .has_hypercall_page = kernel->notes.has_hypercall_page,
    };
    if (out->has_hypercall_page) {
        out->hypercall_page_va = kernel->notes.hypercall_page;
        out->hypercall_page_pfn = (out->hypercall_page_va - l->maps[0].va) >>
                                  PV_PAGE_SHIFT;
    }
}

bool xenpv_build_start_of_day(const XenPvStartParams *params,
                              const XenPvGuestMemory *memory,
                              XenPvStartOfDay *out, Error **errp)
{
    const XenPvKernel *kernel = params->kernel;
    XenPvLayout l;

    if (!check_params(params, errp) ||
        !xenpv_layout_plan(&l, params, memory->nr_pages, errp)) {
        return false;
    }

    describe_start(out, &l, kernel, memory);
    write_kernel(memory, &l, kernel);
    if (out->has_hypercall_page) {
        write_hypercall_page(memory, out->hypercall_page_pfn, kernel->pae);
    }
    write_initrd(memory, &l, params);
    write_p2m(memory, &l, kernel);
    write_start_info(memory, &l, params, out);
    guest_zero_pages(memory, l.store, 1);
    guest_zero_pages(memory, l.console, 1);
    guest_zero_pages(memory, l.stack, PV_STACK_PAGES);
    xenpv_pt_write(memory, l.top, l.maps, pv_nr_maps(&l), out);
    return true;
}

void xenpv_start_of_day_clear(XenPvStartOfDay *sod)
{
    g_free(sod->tables);
    memset(sod, 0, sizeof(*sod));
}
