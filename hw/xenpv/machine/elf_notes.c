/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Xen's ELF notes: what a kernel says about how it wants to be started.
 *
 * Types and meanings are those of Xen's public elfnote.h; which kernels count
 * as acceptable follows Xen's libelf, so that the same images work here.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/xenpv/machine/loader_internal.h"

/* Note types that matter to somebody here. */
enum {
    NOTE_ENTRY              = 1,
    NOTE_HYPERCALL_PAGE     = 2,
    NOTE_VIRT_BASE          = 3,
    NOTE_PADDR_OFFSET       = 4,
    NOTE_XEN_VERSION        = 5,
    NOTE_GUEST_OS           = 6,
    NOTE_GUEST_VERSION      = 7,
    NOTE_LOADER             = 8,
    NOTE_PAE_MODE           = 9,
    NOTE_FEATURES           = 10,
    NOTE_SUSPEND_CANCEL     = 14,
    NOTE_INIT_P2M           = 15,
    NOTE_MOD_START_PFN      = 16,
    NOTE_SUPPORTED_FEATURES = 17,
    NOTE_PHYS32_ENTRY       = 18,
};

/* namesz, descsz, type: three words, then name and descriptor, padded. */
#define NOTE_HEADER_SIZE    12

/* Numeric notes: where the value goes, and the flag that it was there. */
static const struct {
    uint32_t type;
    size_t value;
    size_t present;
} numbers[] = {
#define NUMBER(type, field) \
    { type, offsetof(XenPvNotes, field), offsetof(XenPvNotes, has_##field) }
    NUMBER(NOTE_ENTRY,              entry),
    NUMBER(NOTE_HYPERCALL_PAGE,     hypercall_page),
    NUMBER(NOTE_VIRT_BASE,          virt_base),
    NUMBER(NOTE_PADDR_OFFSET,       paddr_offset),
    NUMBER(NOTE_SUSPEND_CANCEL,     suspend_cancel),
    NUMBER(NOTE_INIT_P2M,           init_p2m),
    NUMBER(NOTE_MOD_START_PFN,      mod_start_pfn),
    NUMBER(NOTE_SUPPORTED_FEATURES, supported_features),
    NUMBER(NOTE_PHYS32_ENTRY,       phys32_entry),
#undef NUMBER
};

/* String notes. */
static const struct {
    uint32_t type;
    size_t value;
} strings[] = {
    { NOTE_XEN_VERSION,   offsetof(XenPvNotes, xen_version) },
    { NOTE_GUEST_OS,      offsetof(XenPvNotes, guest_os) },
    { NOTE_GUEST_VERSION, offsetof(XenPvNotes, guest_version) },
    { NOTE_LOADER,        offsetof(XenPvNotes, loader) },
    { NOTE_PAE_MODE,      offsetof(XenPvNotes, pae_mode) },
    { NOTE_FEATURES,      offsetof(XenPvNotes, features) },
};

static bool set_number(XenPvNotes *notes, size_t i, const uint8_t *desc,
                       uint32_t size, Error **errp)
{
    uint64_t *value = (uint64_t *)((char *)notes + numbers[i].value);
    bool *present = (bool *)((char *)notes + numbers[i].present);

    switch (size) {
    case 4:
        *value = pv_le32(desc);
        break;
    case 8:
        *value = ldq_le_p(desc);
        break;
    default:
        error_setg(errp, "corrupt Xen ELF note %u (number of %u bytes)",
                   numbers[i].type, size);
        return false;
    }
    *present = true;
    return true;
}

static void set_string(XenPvNotes *notes, size_t i, const uint8_t *desc,
                       uint32_t size)
{
    char **value = (char **)((char *)notes + strings[i].value);

    g_free(*value);
    *value = g_strndup((const char *)desc, size);
}

static bool is_string(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (strings[i].type == type) {
            return true;
        }
    }
    return false;
}

static bool set_note(XenPvNotes *notes, uint32_t type, const uint8_t *desc,
                     uint32_t size, Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (numbers[i].type == type) {
            return set_number(notes, i, desc, size, errp);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        if (strings[i].type == type) {
            set_string(notes, i, desc, size);
        }
    }
    return true;
}

/*
 * Take @size bytes and the padding up to the next multiple of @align from
 * @start.  The padding may be missing at the very end.
 */
static const uint8_t *take_padded(XenPvInput *in, const uint8_t *start,
                                  uint32_t size, unsigned align)
{
    const uint8_t *p = pv_input_take(in, size);

    if (p) {
        pv_input_take(in, MIN(in->len, (start - in->data) & (align - 1)));
    }
    return p;
}

int xenpv_notes_parse(XenPvNotes *notes, const uint8_t *data, size_t len,
                      unsigned align, Error **errp)
{
    XenPvInput in = { data, len };
    const uint8_t *head, *name, *desc;
    int found = 0;

    while ((head = pv_input_take(&in, NOTE_HEADER_SIZE))) {
        uint32_t name_size = pv_le32(head);
        uint32_t desc_size = pv_le32(head + 4);

        name = take_padded(&in, data, name_size, align);
        desc = name ? take_padded(&in, data, desc_size, align) : NULL;
        if (name && !desc && is_string(pv_le32(head + 8))) {
            /* GRUB's 32-bit image ends within its last one, behind the NUL */
            desc_size = in.len;
            desc = pv_input_take(&in, desc_size);
        }
        if (!desc) {
            error_setg(errp, "corrupt ELF note (runs past the end)");
            return -1;
        }
        if (name_size == sizeof("Xen") && !memcmp(name, "Xen", name_size)) {
            if (!set_note(notes, pv_le32(head + 8), desc, desc_size, errp)) {
                return -1;
            }
            found++;
        }
    }
    return found;
}

static bool starts_with(const char *s, const char *prefix)
{
    return s && g_str_has_prefix(s, prefix);
}

/* "yes", "yes[extended-cr3]" or "bimodal": with one level more, or either */
bool xenpv_notes_want_pae(const XenPvNotes *notes)
{
    return starts_with(notes->pae_mode, "yes") ||
           starts_with(notes->pae_mode, "bimodal");
}

bool xenpv_notes_check(const XenPvNotes *notes, Error **errp)
{
    bool linux_guest = starts_with(notes->guest_os, "linux");

    /* Linux has no other entry point for PV than the one in the note. */
    if (!notes->has_entry && (linux_guest || notes->has_phys32_entry) &&
        !notes->has_virt_base) {
        error_setg(errp, "not a Xen PV kernel (%s)",
                   notes->has_phys32_entry ? "it can be started as PVH only"
                                           : "it has no PV entry point");
        return false;
    }
    if (!starts_with(notes->xen_version, "xen-3.0")) {
        error_setg(errp, "not a Xen PV kernel for the \"xen-3.0\" interface"
                   " (see its XEN_VERSION note)");
        return false;
    }
    if (!starts_with(notes->loader, "generic") && !linux_guest) {
        error_setg(errp, "kernel needs a loader of its own"
                   " (LOADER note is not \"generic\")");
        return false;
    }
    if (notes->has_paddr_offset && !notes->has_virt_base) {
        error_setg(errp, "corrupt kernel image"
                   " (PADDR_OFFSET note without VIRT_BASE)");
        return false;
    }
    return true;
}

XenPvGuestOs xenpv_notes_guest_os(const XenPvNotes *notes)
{
    if (starts_with(notes->guest_os, "linux")) {
        return XENPV_GUEST_OS_LINUX;
    }
    if (starts_with(notes->guest_os, "Mini-OS") ||
        starts_with(notes->guest_os, "GRUB")) {
        return XENPV_GUEST_OS_MINI_OS;
    }
    return XENPV_GUEST_OS_OTHER;
}

void xenpv_notes_clear(XenPvNotes *notes)
{
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
        g_free(*(char **)((char *)notes + strings[i].value));
    }
    memset(notes, 0, sizeof(*notes));
}
