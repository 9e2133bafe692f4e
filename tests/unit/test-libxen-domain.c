/*
 * Domains of one's own, inside domain 0 of a real Xen host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * XENPV_KERNEL is a kernel that powers off on its own.
 */
#include "qemu/osdep.h"
#include <sys/prctl.h>
#include <sys/wait.h>
#include <xenctrl.h>
#include "crypto/init.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "hw/xen/interface/io/console.h"
#include "hw/xen/interface/sched.h"
#include "hw/xenpv/hypervisor/libxen/domain.h"
#include "hw/xenpv/hypervisor/libxen/libxen.h"

#define MEMORY_KIB (64 * 1024)

static gchar *kernel;
static gsize kernel_len;
static xc_interface *xc;

static XenPvDomainSpec spec(void)
{
    return (XenPvDomainSpec) {
        .kernel = kernel,
        .kernel_len = kernel_len,
        .cmdline = "a b",
        .uuid = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
        .nr_vcpus = 2,
        .memory_kib = MEMORY_KIB,
    };
}

/* The domains there are but for domain 0: how many, and the last one's info. */
static unsigned domains(xc_domaininfo_t *last)
{
    xc_domaininfo_t info;
    uint32_t next = 1;
    unsigned n = 0;

    while (xc_domain_getinfolist(xc, next, 1, &info) == 1) {
        *last = info;
        next = info.domain + 1;
        n++;
    }
    return n;
}

static void wait_for_none(void)
{
    xc_domaininfo_t info;

    while (domains(&info)) {
        g_usleep(20 * 1000);
    }
}

/* ---- a whole life ---- */

static void note(void *opaque, const char *path)
{
    (*(unsigned *)opaque)++;
}

/* The guest waits until somebody has read what it says. */
static void read_console(struct xencons_interface *ring, GString *said)
{
    while (ring->out_cons != qatomic_load_acquire(&ring->out_prod)) {
        g_string_append_c(said, ring->out[MASK_XENCONS_IDX(ring->out_cons,
                                                           ring->out)]);
        qatomic_store_release(&ring->out_cons, ring->out_cons + 1);
    }
}

static void test_life(void)
{
    XenPvHv *hv = xenpv_libxen_new(&error_abort);
    XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
    XenPvDomainSpec what = spec();
    XenPvBuiltDomain built;
    xc_domaininfo_t info;
    unsigned reason, seen, released = 0;
    g_autofree char *node = NULL;
    g_autoptr(GString) said = g_string_new(NULL);
    XenPvWatch *watch;
    XenPvMap *console;

    watch = xenpv_store_watch(hv, "@releaseDomain", note, &released,
                              &error_abort);
    g_assert(xenpv_own_domain_build(own, &what, &built, &error_abort));
    g_assert_cmpuint(domains(&info), ==, 1);
    g_assert_cmpuint(info.domain, ==, built.domid);
    g_assert_cmpuint(info.max_vcpu_id, ==, 1);
    g_assert_cmpuint(info.tot_pages, ==, MEMORY_KIB / 4);
    g_assert_cmpmem(info.handle, 16, what.uuid, 16);
    g_assert(built.store_port && built.console_port);
    g_assert_cmpuint(built.store_gfn, !=, built.console_gfn);

    node = g_strdup_printf("/local/domain/%u/name", built.domid);
    g_assert_cmpint(xenpv_store_write(hv, NULL, node, "x"), ==, 0);
    g_assert(xenpv_own_domain_introduce(own, &error_abort));
    g_assert_cmpint(xenpv_own_domain_life(own, &reason), ==,
                    XENPV_DOMAIN_LIVES);
    console = xenpv_console_map(hv, built.domid, built.console_gfn,
                                &error_abort);
    g_assert(xenpv_own_domain_unpause(own, &error_abort));
    do {
        /* Looked at only when xenstored has said so. */
        seen = released;
        while (released == seen) {
            read_console(console->base, said);
            main_loop_wait(true);
            g_usleep(10 * 1000);
        }
    } while (xenpv_own_domain_life(own, &reason) == XENPV_DOMAIN_LIVES);
    g_assert_cmpint(xenpv_own_domain_life(own, &reason), ==,
                    XENPV_DOMAIN_ENDED);
    g_assert_cmpuint(reason, ==, SHUTDOWN_poweroff);
    g_test_message("%s", said->str);
    g_assert(strstr(said->str, "SUCCESS"));

    xenpv_unmap(console);
    xenpv_own_domain_destroy(own);
    g_assert_cmpuint(domains(&info), ==, 0);
    g_assert_null(xenpv_store_read(hv, NULL, node, NULL, NULL));
    xenpv_store_unwatch(watch);
    xenpv_own_domain_free(own);
    xenpv_libxen_free(hv);
}

static void test_again(void)
{
    XenPvHv *hv = xenpv_libxen_new(&error_abort);
    XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
    XenPvDomainSpec what = spec();
    XenPvBuiltDomain built;
    XenPvDomid last = 0;
    xc_domaininfo_t info;
    int i;

    for (i = 0; i < 5; i++) {
        g_assert(xenpv_own_domain_build(own, &what, &built, &error_abort));
        g_assert_cmpuint(built.domid, !=, last);
        last = built.domid;
        xenpv_own_domain_destroy(own);
        g_assert_cmpuint(domains(&info), ==, 0);
    }
    /* The last one is left to the end. */
    g_assert(xenpv_own_domain_build(own, &what, &built, &error_abort));
    xenpv_own_domain_free(own);
    g_assert_cmpuint(domains(&info), ==, 0);
    xenpv_libxen_free(hv);
}

/* ---- what cannot be ---- */

static void refused(const XenPvDomainSpec *what, const char *because)
{
    XenPvHv *hv = xenpv_libxen_new(&error_abort);
    XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
    XenPvBuiltDomain built;
    xc_domaininfo_t info;
    Error *err = NULL;

    g_assert(!xenpv_own_domain_build(own, what, &built, &err));
    g_test_message("%s", error_get_pretty(err));
    g_assert(strstr(error_get_pretty(err), because));
    g_assert(!strchr(error_get_pretty(err), '\n'));
    error_free(err);
    g_assert_cmpuint(domains(&info), ==, 0);
    xenpv_own_domain_free(own);
    xenpv_libxen_free(hv);
}

static void test_refused(void)
{
    XenPvDomainSpec what = spec();

    what.memory_kib = 1ull << 40;
    refused(&what, "-m: Xen has");
    what = spec();
    what.nr_vcpus = 100000;
    refused(&what, "100000 vCPUs");
    what = spec();
    what.kernel_len = 1000;
    refused(&what, "kernel");
}

/* ---- our end is the domain's ---- */

/* A process that makes a domain and says so. */
static pid_t make_in_child(int *said)
{
    int ends[2];
    pid_t pid;

    g_assert(!pipe(ends));
    pid = fork();
    if (!pid) {
        XenPvHv *hv = xenpv_libxen_new(&error_abort);
        XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
        XenPvDomainSpec what = spec();
        XenPvBuiltDomain built;

        for (;;) {
            xenpv_own_domain_build(own, &what, &built, &error_abort);
            g_assert(write(ends[1], "1", 1) == 1);
            if (said) {
                pause();
            }
            xenpv_own_domain_destroy(own);
        }
    }
    close(ends[1]);
    if (said) {
        *said = ends[0];
    }
    return pid;
}

static void test_killed(void)
{
    xc_domaininfo_t info;
    int said;
    pid_t pid = make_in_child(&said);
    char c;

    g_assert(read(said, &c, 1) == 1);
    g_assert_cmpuint(domains(&info), ==, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    wait_for_none();
    close(said);
}

/* Whenever it happens, also while a domain is being made or destroyed */
static void test_killed_any_time(void)
{
    int i;

    for (i = 0; i < 12; i++) {
        pid_t pid = make_in_child(NULL);

        g_usleep(g_test_rand_int_range(0, 400 * 1000));
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        wait_for_none();
    }
}

/* ---- the guardian itself ---- */

static pid_t find_child(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/task/%d/children",
                                            getpid());
    g_autofree char *text = NULL;

    g_assert(g_file_get_contents(path, &text, NULL, NULL));
    return g_ascii_strtoll(text, NULL, 10);
}

static void test_guardian_killed(void)
{
    XenPvHv *hv = xenpv_libxen_new(&error_abort);
    XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
    XenPvDomainSpec what = spec();
    XenPvBuiltDomain built;
    xc_domaininfo_t info;
    pid_t first = find_child(), second;

    g_assert(xenpv_own_domain_build(own, &what, &built, &error_abort));
    g_usleep(1100 * 1000);
    kill(first, SIGKILL);
    do {
        main_loop_wait(false);
        second = find_child();
    } while (!second || second == first);
    /* The domain does not notice; the new one knows of it. */
    g_assert_cmpuint(domains(&info), ==, 1);
    kill(second, SIGKILL);
    xenpv_own_domain_destroy(own);
    g_assert_cmpuint(domains(&info), ==, 0);
    xenpv_own_domain_free(own);
    xenpv_libxen_free(hv);
}

/* It keeps no file, terminal or session of ours. */
static void test_guardian_alone(void)
{
    XenPvHv *hv = xenpv_libxen_new(&error_abort);
    XenPvOwnDomain *own = xenpv_own_domain_new(hv, &error_abort);
    pid_t pid = find_child();
    g_autofree char *dir = g_strdup_printf("/proc/%d/fd", pid);
    GDir *fds = g_dir_open(dir, 0, NULL);
    const char *name;
    unsigned files = 0;

    g_assert(fds);
    g_assert_cmpint(getsid(pid), ==, pid);
    while ((name = g_dir_read_name(fds))) {
        g_autofree char *path = g_strdup_printf("%s/%s", dir, name);
        g_autofree char *target = g_file_read_link(path, NULL);

        g_test_message("%s: %s", name, target);
        g_assert(g_str_has_prefix(target, "/dev/null") ||
                 g_str_has_prefix(target, "socket:") ||
                 g_str_has_prefix(target, "/dev/xen/"));
        files++;
    }
    g_assert_cmpuint(files, <=, 12);
    g_dir_close(fds);
    /* What a terminal or a service manager sends to all of a group's */
    kill(pid, SIGTERM);
    kill(pid, SIGINT);
    kill(pid, SIGHUP);
    g_usleep(100 * 1000);
    g_assert_cmpint(find_child(), ==, pid);
    xenpv_own_domain_free(own);
    g_assert_cmpint(find_child(), ==, 0);
    xenpv_libxen_free(hv);
}

int main(int argc, char **argv)
{
    const char *file = getenv("XENPV_KERNEL");

    g_test_init(&argc, &argv, NULL);
    module_call_init(MODULE_INIT_QOM);
    qcrypto_init(&error_abort);
    qemu_init_main_loop(&error_abort);
    if (!file || !g_file_get_contents(file, &kernel, &kernel_len, NULL)) {
        g_printerr("XENPV_KERNEL is no file\n");
        return EXIT_FAILURE;
    }
    xc = xc_interface_open(NULL, NULL, 0);
    g_assert(xc);
    g_test_add_func("/xenpv/own-domain/life", test_life);
    g_test_add_func("/xenpv/own-domain/again", test_again);
    g_test_add_func("/xenpv/own-domain/refused", test_refused);
    g_test_add_func("/xenpv/own-domain/killed", test_killed);
    g_test_add_func("/xenpv/own-domain/killed-any-time",
                    test_killed_any_time);
    g_test_add_func("/xenpv/own-domain/guardian-killed",
                    test_guardian_killed);
    g_test_add_func("/xenpv/own-domain/guardian-alone", test_guardian_alone);
    return g_test_run();
}
