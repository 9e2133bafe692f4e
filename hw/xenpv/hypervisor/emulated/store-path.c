/*
 * Rules of names and access rights in the store: pure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "store-internal.h"

/* DOMID_FIRST_RESERVED of public/xen.h */
#define DOMID_LIMIT 0x7ff0u

static bool path_chars_ok(const char *path)
{
    for (; *path; path++) {
        if (!g_ascii_isalnum(*path) && !strchr("-/_", *path)) {
            return false;
        }
    }
    return true;
}

/*
 * Make @path absolute in @abs, XENPV_STORE_PATH_MAX + 1 bytes.  Limits are
 * XENSTORE_ABS_PATH_MAX and XENSTORE_REL_PATH_MAX of io/xs_wire.h.
 */
int xenpv_xs_resolve(XenPvDomid domid, const char *path, char *abs)
{
    size_t len = strlen(path);
    int prefix = 0;

    if (!len || len > (path[0] == '/' ? 3072 : 2048)) {
        return -EINVAL;
    }
    if ((len > 1 && path[len - 1] == '/') || strstr(path, "//") ||
        !path_chars_ok(path)) {
        return -EINVAL;
    }
    if (path[0] != '/') {
        prefix = snprintf(abs, XENPV_STORE_PATH_MAX + 1, "/local/domain/%u/",
                          domid);
    }
    memcpy(abs + prefix, path, len + 1);
    return 0;
}

/* Cut @path to its parent's; false at the root. */
bool xenpv_xs_path_up(char *path)
{
    char *slash = strrchr(path, '/');

    if (!path[1]) {
        return false;
    }
    slash[slash == path ? 1 : 0] = '\0';
    return true;
}

bool xenpv_xs_path_is_below(const char *path, const char *top)
{
    size_t len = strlen(top);

    if (len == 1) {
        return path[0] == '/';
    }
    return strncmp(path, top, len) == 0 && path[len] == '/';
}

static bool perm_is_of(const char *entry, XenPvDomid domid)
{
    unsigned id;

    return !qemu_strtoui(entry + 1, NULL, 10, &id) && id == domid;
}

bool xenpv_xs_perms_allow(GList *perms, XenPvDomid domid, const char *letters)
{
    const char *entry;
    bool allow = false;
    GList *l;

    for (l = perms; l; l = l->next) {
        entry = l->data;
        if (l == perms) {
            /* The owner's entry holds everybody else's rights. */
            if (perm_is_of(entry, domid)) {
                return true;
            }
            allow = strchr(letters, entry[0]) != NULL;
        } else if (perm_is_of(entry, domid)) {
            allow = strchr(letters, entry[0]) != NULL;
        }
    }
    return allow;
}

/* Exactly a letter and a domain id: the tree keeps what it is given. */
bool xenpv_xs_perm_ok(const char *perm)
{
    unsigned long domid;
    const char *end;

    return perm[0] && strchr("nrwb", perm[0]) && g_ascii_isdigit(perm[1]) &&
           !qemu_strtoul(perm + 1, &end, 10, &domid) && !*end &&
           domid < DOMID_LIMIT;
}
