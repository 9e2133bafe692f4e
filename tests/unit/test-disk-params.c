/*
 * What toolstacks and users wrote into "params", and what is opened for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qobject/qjson.h"
#include "hw/xenpv/drivers/disk-params.h"

#define PATH(driver, path) \
    "{'driver': '" driver "', 'file': {'filename': '" path "'}}"
#define URL(driver) "{'driver': '" driver "'}"

static const struct {
    const char *params, *type;
    const char *filename;
    const char *options;        /* JSON; NULL: no medium */
} good[] = {
    /* libxl, qdisk. */
    { "aio:/x.raw", "qdisk", NULL, PATH("raw", "/x.raw") },
    { "qcow:/x.img", "qdisk", NULL, PATH("qcow", "/x.img") },
    { "qcow2:/x.qcow2", "qdisk", NULL, PATH("qcow2", "/x.qcow2") },
    { "vhd:/x.vhd", "qdisk", NULL, PATH("vpc", "/x.vhd") },
    { "qed:/x.qed", "qdisk", NULL, PATH("qed", "/x.qed") },
    { "aio:", "qdisk", NULL, NULL },
    { "", "qdisk", NULL, NULL },
    { "qcow2:", "qdisk", NULL, NULL },
    { "aio:nbd://host/exp", "qdisk", "nbd://host/exp", URL("raw") },
    { "qcow2:nbd://host:10809/exp", "qdisk", "nbd://host:10809/exp",
      URL("qcow2") },
    { "aio:rbd:pool/image:id=x", "qdisk", "rbd:pool/image:id=x", URL("raw") },

    /* xend, blktap, xapi. */
    { "/x.raw", NULL, NULL, PATH("raw", "/x.raw") },
    { "/x.raw", "file", NULL, PATH("raw", "/x.raw") },
    { "/dev/vg/x", "phy", NULL, PATH("raw", "/dev/vg/x") },
    { "vg/x", "phy", NULL, PATH("raw", "/dev/vg/x") },
    { "phy:vg/x", NULL, NULL, PATH("raw", "/dev/vg/x") },
    { "phy:/dev/vg/x", "phy", NULL, PATH("raw", "/dev/vg/x") },
    { "phy:", NULL, NULL, NULL },
    { "file:/x.raw", NULL, NULL, PATH("raw", "/x.raw") },
    { "raw:/dev/vg/x", NULL, NULL, PATH("raw", "/dev/vg/x") },
    { "tap:aio:/x", "tap", NULL, PATH("raw", "/x") },
    { "tap:qcow2:/x", "tap", NULL, PATH("qcow2", "/x") },
    { "tap2:vhd:/x", "vbd3", NULL, PATH("vpc", "/x") },
    { "tapdisk:/x", NULL, NULL, PATH("raw", "/x") },
    { "tap:tapdisk:sync:/x", NULL, NULL, PATH("raw", "/x") },
    { "qcow2:file:/x", NULL, NULL, PATH("qcow2", "/x") },
    { "qcow2:phy:vg/x", NULL, NULL, PATH("qcow2", "/dev/vg/x") },
    { "phy:qcow2:vg/x", NULL, NULL, PATH("qcow2", "/dev/vg/x") },
    { "vg/x", "aio", NULL, PATH("raw", "vg/x") },
    { "aio:raw:/x", NULL, NULL, PATH("raw", "/x") },

    /* Format and path in two nodes. */
    { "/x.img", "qcow2", NULL, PATH("qcow2", "/x.img") },
    { "/x.img", "vhd", NULL, PATH("vpc", "/x.img") },
    { "/x.img", "aio", NULL, PATH("raw", "/x.img") },
    { "file:/x.img", "vmdk", NULL, PATH("vmdk", "/x.img") },
    { "qcow2:/x.img", "qcow2", NULL, PATH("qcow2", "/x.img") },
    { "vhd:/x.img", "vpc", NULL, PATH("vpc", "/x.img") },
    { "nbd:unix:/s", "qcow2", "nbd:unix:/s", URL("qcow2") },
    { "/x.img", "", NULL, PATH("raw", "/x.img") },
    { "/x.img", "unheard-of", NULL, PATH("raw", "/x.img") },

    /* QEMU's own formats. */
    { "vhdx:/x", NULL, NULL, PATH("vhdx", "/x") },
    { "vdi:/x", NULL, NULL, PATH("vdi", "/x") },
    { "vmdk:/x", NULL, NULL, PATH("vmdk", "/x") },
    { "vpc:/x", NULL, NULL, PATH("vpc", "/x") },
    { "parallels:/x", NULL, NULL, PATH("parallels", "/x") },

    /* Names with anything in them. */
    { "/a:b", NULL, NULL, PATH("raw", "/a:b") },
    { "/a,b,file=c", NULL, NULL, PATH("raw", "/a,b,file=c") },
    { "/dev/disk/by-path/pci-0000:00:1f.2-ata-1", "phy", NULL,
      PATH("raw", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1") },
    { "disk/by-path/pci-0000:00:1f.2-ata-1", "phy", NULL,
      PATH("raw", "/dev/disk/by-path/pci-0000:00:1f.2-ata-1") },
    { "aio:/qcow2:x", NULL, NULL, PATH("raw", "/qcow2:x") },
    { "aio:./qcow2:x", NULL, NULL, PATH("raw", "./qcow2:x") },
    { "./a:b", NULL, NULL, PATH("raw", "./a:b") },
    { "x.raw", NULL, NULL, PATH("raw", "x.raw") },
    { "/json:{}", NULL, NULL, PATH("raw", "/json:{}") },
    { "/nbd://host", NULL, NULL, PATH("raw", "/nbd://host") },
    { " /x", NULL, NULL, PATH("raw", " /x") },
    { "/x ", NULL, NULL, PATH("raw", "/x ") },
    { "AIO/x", NULL, NULL, PATH("raw", "AIO/x") },
    { "/", NULL, NULL, PATH("raw", "/") },
    { "aio", NULL, NULL, PATH("raw", "aio") },

    /* What is not a path. */
    { "nbd://host/exp", NULL, "nbd://host/exp", URL("raw") },
    { "nbd:unix:/run/s:exportname=a,b", NULL,
      "nbd:unix:/run/s:exportname=a,b", URL("raw") },
    { "nbd+unix:///exp?socket=/run/s", NULL, "nbd+unix:///exp?socket=/run/s",
      URL("raw") },
    { "iscsi://u%p@h/iqn.x:y/1", NULL, "iscsi://u%p@h/iqn.x:y/1",
      URL("raw") },
    { "https://h/x.iso", NULL, "https://h/x.iso", URL("raw") },
    { "host_device:/dev/x", NULL, "host_device:/dev/x", URL("raw") },
    { "phy:nbd://host/exp", NULL, "nbd://host/exp", URL("raw") },
    { "a:b", NULL, "a:b", URL("raw") },
    { ":", NULL, ":", URL("raw") },
    { ":/x", NULL, ":/x", URL("raw") },

    /* All options there are. */
    { "json:{'driver': 'nbd', 'server.path': '/s'}", NULL, NULL,
      "{'driver': 'nbd', 'server.path': '/s'}" },
    { "json:{'driver': 'qcow2', 'file': {'driver': 'file',"
      " 'filename': '/a:b'}}", NULL, NULL,
      "{'driver': 'qcow2', 'file': {'driver': 'file', 'filename': '/a:b'}}" },
    /* Nobody probes. */
    { "json:{'file.filename': '/x'}", NULL, NULL,
      "{'driver': 'raw', 'file.filename': '/x'}" },
    { "json:{'driver': null, 'file.filename': '/x'}", NULL, NULL,
      "{'driver': 'raw', 'file.filename': '/x'}" },
    { "json:{}", NULL, NULL, "{'driver': 'raw'}" },
    { "aio:json:{'driver': 'null-co'}", "qdisk", NULL,
      "{'driver': 'raw', 'file': {'driver': 'null-co'}}" },
    { "qcow2:json:{'driver': 'nbd', 'path': '/s'}", NULL, NULL,
      "{'driver': 'qcow2', 'file': {'driver': 'nbd', 'path': '/s'}}" },
    { "json:{'driver': 'nbd'}", "qcow2", NULL,
      "{'driver': 'qcow2', 'file': {'driver': 'nbd'}}" },
};

static void check_options(const XenPvDiskParams *p, const char *json)
{
    QObject *want = qobject_from_json(json, &error_abort);

    g_assert_false(p->empty);
    if (!qobject_is_equal(QOBJECT(p->options), want)) {
        GString *got = qobject_to_json(QOBJECT(p->options));

        g_test_message("got %s, expected %s", got->str, json);
        g_string_free(got, TRUE);
        g_test_fail();
    }
    qobject_unref(want);
}

static void test_good(void)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(good); i++) {
        g_autoptr(XenPvDiskParams) p =
            xenpv_disk_params(good[i].params, good[i].type, false, false,
                              false, &error_abort);

        g_test_message("%s", good[i].params);
        g_assert_cmpstr(p->filename, ==, good[i].filename);
        if (good[i].options) {
            check_options(p, good[i].options);
        } else {
            g_assert_true(p->empty);
            g_assert_null(p->options);
        }
    }
}

static void test_bad(void)
{
    static const struct {
        const char *params, *type;
    } bad[] = {
        { "aio:qcow2:/x" },
        { "qcow2:aio:/x" },
        { "tap:vhd:qcow2:/x" },
        { "aio:/x", "qcow2" },
        { "qcow2:/x", "raw" },
        { "aio:qcow2:" },
        { "json:" },
        { "json:{" },
        { "json:{'driver': 'raw'" },
        { "json:{'driver': 'raw'} x" },
        { "json:[]" },
        { "json:'raw'" },
        { "json:null" },
        { "json:42" },
        { "json:{'driver': \"\xff\"}" },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        Error *err = NULL;

        g_test_message("%s", bad[i].params);
        g_assert_null(xenpv_disk_params(bad[i].params, bad[i].type, false,
                                        false, false, &err));
        /* It says which. */
        g_assert_nonnull(strstr(error_get_pretty(err), bad[i].params));
        error_free(err);
    }
}

#ifdef CONFIG_LINUX_AIO
#define AIO ", 'aio': 'native'"
#else
#define AIO ""
#endif

/* The other nodes, each with a path, a URL and a json:. */
static void test_flags(void)
{
    static const struct {
        const char *params;
        bool readonly, direct, discard;
        const char *options;
    } rows[] = {
        { "/x", true, false, false,
          "{'driver': 'raw', 'file': {'filename': '/x'},"
          " 'read-only': true}" },
        { "/x", false, true, false,
          "{'driver': 'raw', 'file': {'filename': '/x'" AIO "},"
          " 'cache.direct': true}" },
        { "/x", false, false, true,
          "{'driver': 'raw', 'file': {'filename': '/x'},"
          " 'discard': 'unmap'}" },
        { "qcow2:/x", true, true, true,
          "{'driver': 'qcow2', 'file': {'filename': '/x'" AIO "},"
          " 'cache.direct': true, 'discard': 'unmap', 'read-only': true}" },
        /* Only files know what aio is. */
        { "nbd://h/e", true, true, true,
          "{'driver': 'raw', 'cache.direct': true, 'discard': 'unmap',"
          " 'read-only': true}" },
        { "json:{'driver': 'nbd'}", true, true, true,
          "{'driver': 'nbd', 'cache.direct': true, 'discard': 'unmap',"
          " 'read-only': true}" },
        /* A toolstack's mode=r counts more than a json:, the rest less. */
        { "json:{'driver': 'nbd', 'read-only': false}", true, false, false,
          "{'driver': 'nbd', 'read-only': true}" },
        { "json:{'driver': 'nbd', 'read-only': true}", false, false, false,
          "{'driver': 'nbd', 'read-only': true}" },
        { "json:{'driver': 'nbd', 'discard': 'ignore', 'cache.direct': false}",
          false, true, true,
          "{'driver': 'nbd', 'discard': 'ignore', 'cache.direct': false}" },
        { "json:{'driver': 'nbd', 'cache': {'no-flush': true}}", false, true,
          false, "{'driver': 'nbd', 'cache': {'no-flush': true}}" },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(XenPvDiskParams) p =
            xenpv_disk_params(rows[i].params, "qdisk", rows[i].readonly,
                              rows[i].direct, rows[i].discard, &error_abort);

        g_test_message("%s", rows[i].params);
        check_options(p, rows[i].options);
    }
}

/* A drive without a medium has no options, whatever is asked of it. */
static void test_empty(void)
{
    g_autoptr(XenPvDiskParams) p =
        xenpv_disk_params("", NULL, true, true, true, &error_abort);

    g_assert_true(p->empty);
    g_assert_null(p->filename);
    g_assert_null(p->options);
    xenpv_disk_params_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xenpv/disk-params/good", test_good);
    g_test_add_func("/xenpv/disk-params/bad", test_bad);
    g_test_add_func("/xenpv/disk-params/flags", test_flags);
    g_test_add_func("/xenpv/disk-params/empty", test_empty);
    return g_test_run();
}
