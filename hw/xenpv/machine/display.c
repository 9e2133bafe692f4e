/*
 * -vga xenfb, and the memory a guest needs for its picture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "hw/xenpv/machine.h"
#include "hw/xenpv/xen_backend.h"
#include "system/system.h"

/* What Linux's xen-fbfront has without being told, in MiB */
#define LINUX_VIDEO_MEMORY 2

/* Below a command line's "xen_fbfront.video=", with either mark between */
static bool has_video_option(const char *cmdline)
{
    return strstr(cmdline, "xen_fbfront.video=") ||
           strstr(cmdline, "xen-fbfront.video=");
}

/*
 * A picture, and what one needs in front of it.  Of its size
 * "-global xen-framebuffer.width=..." decides.
 */
bool xenpv_display_init(XenPvBus *bus, Error **errp)
{
    static const char *const types[] = { "xen-framebuffer", "xen-input" };
    unsigned i;

    if (vga_interface_type != VGA_XENFB) {
        return true;
    }
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        if (!qdev_realize_and_unref(qdev_new(types[i]), BUS(bus), errp)) {
            error_prepend(errp, "-vga xenfb: ");
            return false;
        }
    }
    vga_interface_created = true;
    return true;
}

/*
 * Linux takes width and height from our nodes, but not the memory they need:
 * that is an option of its driver only, and without it a picture of more than
 * 2 MiB comes up as 800x600.
 */
char *xenpv_display_cmdline(XenPvBus *bus, const char *cmdline)
{
    uint64_t memory = 0;
    BusChild *kid;

    QTAILQ_FOREACH(kid, &BUS(bus)->children, sibling) {
        Object *dev = OBJECT(kid->child);

        if (object_dynamic_cast(dev, "xen-framebuffer")) {
            uint64_t width = object_property_get_uint(dev, "width",
                                                      &error_abort);
            uint64_t height = object_property_get_uint(dev, "height",
                                                       &error_abort);

            memory = MAX(memory, DIV_ROUND_UP(width * height * 4, MiB));
        }
    }
    if (memory <= LINUX_VIDEO_MEMORY || has_video_option(cmdline)) {
        return g_strdup(cmdline);
    }
    return g_strdup_printf("%s%sxen_fbfront.video=%" PRIu64, cmdline,
                           *cmdline ? " " : "", memory);
}
