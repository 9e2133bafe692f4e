/*
 * The net protocol's bytes, and the work on packets, by table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "hw/xenpv/drivers/net-packet.h"
#include "hw/xenpv/drivers/netif.h"
#include "net/eth.h"

/* ---- chains ---- */

/* A slot as a row: data, or an extra info */
typedef struct Slot {
    bool extra;
    uint16_t flags;             /* of an extra: type */
    uint16_t offset;            /* of an extra: its flags */
    uint16_t size;              /* of an extra: what a GSO segment's is */
    uint8_t gso_type;
} Slot;

#define D(f, o, s)  { false, f, o, s, 0 }
#define X(t, f)     { true, t, f, 0, 0 }
#define G(s, t)     { true, XEN_NETIF_EXTRA_TYPE_GSO, 0, s, t }

#define MORE    NETTXF_more_data
#define EXTRA   NETTXF_extra_info
#define XMORE   XEN_NETIF_EXTRA_FLAG_MORE

static void encode(const Slot *row, unsigned id, uint8_t *p)
{
    memset(p, 0x5a, XENPV_NETIF_TX_STRIDE);
    if (row->extra) {
        p[0] = row->flags;
        p[1] = row->offset;
        stw_le_p(p + 2, row->size);
        p[4] = row->gso_type;
    } else {
        stl_le_p(p, 0x1000 + id);
        stw_le_p(p + 4, row->offset);
        stw_le_p(p + 6, row->flags);
        stw_le_p(p + 8, 0xa000 + id);
        stw_le_p(p + 10, row->size);
    }
}

static const struct {
    const char *name;
    unsigned nr;
    Slot slot[8];
    int broken_at;              /* slot that breaks the chain, or -1 */
    const char *bad;            /* part of what the check says, or NULL */
    unsigned slots, extras;     /* of a packet that is whole */
    uint16_t first;             /* length of the first slot */
} chains[] = {
    { "one", 1, { D(0, 0, 60) }, -1, NULL, 1, 0, 60 },
    { "two", 2, { D(MORE, 0, 100), D(0, 0, 40) }, -1, NULL, 2, 0, 60 },
    { "three", 3, { D(MORE, 0, 5000), D(MORE, 0, 4096), D(0, 0, 900) },
      -1, NULL, 3, 0, 4 },
    { "all-in-the-rest", 2, { D(MORE, 0, 40), D(0, 0, 40) }, -1, NULL, 2, 0,
      0 },
    { "whole-page", 1, { D(0, 0, 4096) }, -1, NULL, 1, 0, 4096 },
    { "end-of-page", 1, { D(0, 4036, 60) }, -1, NULL, 1, 0, 60 },
    { "smallest", 1, { D(0, 0, 14) }, -1, NULL, 1, 0, 14 },
    { "too-small", 1, { D(0, 0, 13) }, -1, "Ethernet header", 1, 0, 13 },
    { "empty", 1, { D(0, 0, 0) }, -1, "Ethernet header", 1, 0, 0 },
    { "beyond-page", 1, { D(0, 4037, 60) }, -1, "end of its page", 1, 0, 60 },
    { "far-beyond-page", 1, { D(0, 65535, 65535) }, -1, "end of its page", 1,
      0, 65535 },
    { "rest-beyond-page", 2, { D(MORE, 0, 100), D(0, 4090, 7) }, -1,
      "end of its page", 2, 0, 93 },
    { "first-beyond-page", 2, { D(MORE, 0, 5000), D(0, 0, 900) }, -1,
      "end of its page", 2, 0, 4100 },
    { "pieces-larger", 2, { D(MORE, 0, 100), D(0, 0, 101) }, -1,
      "smaller than its pieces", 2, 0, 100 },
    { "gso4", 2, { D(EXTRA, 0, 1000), G(500, 1) }, -1, NULL, 1, 1, 1000 },
    { "gso6", 2, { D(EXTRA, 0, 1000), G(500, 2) }, -1, NULL, 1, 1, 1000 },
    { "gso-then-data", 3, { D(EXTRA | MORE, 0, 1000), G(500, 1),
      D(0, 0, 400) }, -1, NULL, 2, 1, 600 },
    { "gso-none", 2, { D(EXTRA, 0, 1000), G(500, 0) }, -1, "no known way", 1,
      1, 1000 },
    { "gso-3", 2, { D(EXTRA, 0, 1000), G(500, 3) }, -1, "no known way", 1, 1,
      1000 },
    { "gso-size-0", 2, { D(EXTRA, 0, 1000), G(0, 1) }, -1, "too fine", 1, 1,
      1000 },
    { "gso-size-7", 2, { D(EXTRA, 0, 1000), G(7, 1) }, -1, "too fine", 1, 1,
      1000 },
    { "gso-size-8", 2, { D(EXTRA, 0, 1000), G(8, 1) }, -1, NULL, 1, 1,
      1000 },
    { "all-extras", 5, { D(EXTRA, 0, 100), X(1, XMORE), X(2, XMORE),
      X(3, XMORE), X(4, 0) }, -1, NULL, 1, 4, 100 },
    { "mcast-empty", 2, { D(EXTRA, 0, 0), X(2, 0) }, -1, NULL, 1, 1, 0 },
    { "mcast-beyond-page", 2, { D(EXTRA, 4090, 100), X(2, 0) }, -1,
      "end of its page", 1, 1, 100 },
    { "extra-type-0", 2, { D(EXTRA, 0, 100), X(0, 0) }, 1, NULL, 0, 0, 0 },
    { "extra-type-5", 2, { D(EXTRA, 0, 100), X(5, 0) }, 1, NULL, 0, 0, 0 },
    { "extra-type-255", 2, { D(EXTRA, 0, 100), X(255, 0) }, 1, NULL, 0, 0,
      0 },
    { "extra-twice", 3, { D(EXTRA, 0, 100), X(1, XMORE), X(1, 0) }, 2, NULL,
      0, 0, 0 },
    { "extra-loop", 6, { D(EXTRA, 0, 100), X(1, XMORE), X(2, XMORE),
      X(3, XMORE), X(4, XMORE), X(1, XMORE) }, 5, NULL, 0, 0, 0 },
};

static void test_chain(const void *opaque)
{
    unsigned row = GPOINTER_TO_UINT(opaque), i;
    XenPvNetifPacket pkt;
    const char *why = NULL, *bad;

    memset(&pkt, 0xff, sizeof(pkt));
    xenpv_netif_tx_start(&pkt);
    for (i = 0; i < chains[row].nr; i++) {
        uint8_t slot[XENPV_NETIF_TX_STRIDE];
        int ret;

        encode(&chains[row].slot[i], i, slot);
        ret = xenpv_netif_tx_add(&pkt, slot, &why);
        if (i == chains[row].broken_at) {
            g_assert_cmpint(ret, ==, -EINVAL);
            g_assert_nonnull(why);
            return;
        }
        g_assert_cmpint(ret, ==, i + 1 < chains[row].nr ?
                        XENPV_NETIF_MORE : XENPV_NETIF_COMPLETE);
    }
    g_assert_cmpint(chains[row].broken_at, ==, -1);
    bad = xenpv_netif_tx_check(&pkt);
    if (chains[row].bad) {
        g_assert_nonnull(bad);
        g_assert_nonnull(strstr(bad, chains[row].bad));
    } else {
        g_assert_cmpstr(bad, ==, NULL);
        g_assert_cmpuint(pkt.slot[0].len, ==, chains[row].first);
    }
    g_assert_cmpuint(pkt.nr_slots, ==, chains[row].slots);
    g_assert_cmpuint(pkt.nr_extras, ==, chains[row].extras);
    g_assert_cmpuint(pkt.slot[0].id, ==, 0xa000);
    g_assert_cmpuint(pkt.slot[0].ref, ==, 0x1000);
    g_assert_cmpuint(pkt.size, ==, chains[row].slot[0].size);
}

/* As many slots as there may be, and one more */
static void test_endless(void)
{
    Slot row = D(MORE, 0, 1000);
    XenPvNetifPacket pkt;
    const char *why = NULL;
    uint8_t slot[XENPV_NETIF_TX_STRIDE];
    unsigned i;

    xenpv_netif_tx_start(&pkt);
    for (i = 0; i < XENPV_NETIF_MAX_SLOTS; i++) {
        encode(&row, i, slot);
        g_assert_cmpint(xenpv_netif_tx_add(&pkt, slot, &why), ==,
                        XENPV_NETIF_MORE);
    }
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, slot, &why), ==, -EINVAL);
    g_assert_nonnull(strstr(why, "slots"));
}

/* Linux's front end uses 18; those must go through whole. */
static void test_eighteen(void)
{
    XenPvNetifPacket pkt;
    const char *why;
    uint8_t slot[XENPV_NETIF_TX_STRIDE];
    unsigned i;

    xenpv_netif_tx_start(&pkt);
    for (i = 0; i < XEN_NETIF_NR_SLOTS_MIN; i++) {
        Slot row = D(i < XEN_NETIF_NR_SLOTS_MIN - 1 ? MORE : 0, 0,
                     i ? 3800 : 65535);

        encode(&row, i, slot);
        g_assert_cmpint(xenpv_netif_tx_add(&pkt, slot, &why), >=, 0);
    }
    g_assert_null(xenpv_netif_tx_check(&pkt));
    g_assert_cmpuint(pkt.slot[0].len, ==, 65535 - 17 * 3800);
}

static void test_extra_values(void)
{
    static const uint8_t gso[12] = { 1, 1, 0xb4, 0x05, 2, 0, 0, 0 };
    static const uint8_t add[12] = { 2, 1, 1, 2, 3, 4, 5, 6 };
    static const uint8_t del[12] = { 3, 1, 11, 12, 13, 14, 15, 16 };
    static const uint8_t hash[12] = { 4, 0, 3, 1, 0x78, 0x56, 0x34, 0x12 };
    Slot row = D(EXTRA, 0, 100);
    uint8_t slot[XENPV_NETIF_TX_STRIDE];
    XenPvNetifPacket pkt;
    const char *why;

    xenpv_netif_tx_start(&pkt);
    encode(&row, 0, slot);
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, slot, &why), ==, 1);
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, gso, &why), ==, 1);
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, add, &why), ==, 1);
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, del, &why), ==, 1);
    g_assert_cmpint(xenpv_netif_tx_add(&pkt, hash, &why), ==, 0);
    g_assert_cmpuint(pkt.gso_size, ==, 1460);
    g_assert_cmpuint(pkt.gso_type, ==, 2);
    g_assert_cmpmem(pkt.mcast_add, 6, add + 2, 6);
    g_assert_cmpmem(pkt.mcast_del, 6, del + 2, 6);
    g_assert_cmpuint(pkt.hash_type, ==, 3);
    g_assert_cmpuint(pkt.hash_algorithm, ==, 1);
    g_assert_cmpuint(pkt.hash, ==, 0x12345678);
}

/* ---- responses ---- */

static void test_tx_response(void)
{
    uint8_t buf[XENPV_NETIF_TX_STRIDE];

    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpuint(xenpv_netif_tx_response(buf, 0x1234, -1), ==, 4);
    g_assert_cmpmem(buf, 4, "\x34\x12\xff\xff", 4);
}

static const struct {
    uint32_t size;
    uint16_t headroom;
    bool blank, valid;
    uint8_t gso;
    bool hashed;
    unsigned slots, extras;
    uint16_t first_flags, last_len;
} rx_rows[] = {
    { 60, 0, false, false, 0, false, 1, 0, 0, 60 },
    { 4096, 0, false, true, 0, false, 1, 0, NETRXF_data_validated, 4096 },
    { 4097, 0, true, true, 0, false, 2, 0, NETRXF_data_validated |
      NETRXF_csum_blank | NETRXF_more_data, 1 },
    { 65535, 0, true, true, 1, false, 16, 1, NETRXF_data_validated |
      NETRXF_csum_blank | NETRXF_more_data | NETRXF_extra_info, 4095 },
    { 65535, 256, true, true, 2, true, 18, 2, NETRXF_data_validated |
      NETRXF_csum_blank | NETRXF_more_data | NETRXF_extra_info, 255 },
    { 3840, 256, false, false, 0, true, 1, 1, NETRXF_extra_info, 3840 },
    { 3841, 256, false, false, 0, false, 2, 0, NETRXF_more_data, 1 },
    { 65535, 2048, false, false, 0, false, 32, 0, NETRXF_more_data, 2047 },
};

static void test_rx(const void *opaque)
{
    unsigned row = GPOINTER_TO_UINT(opaque), i, sum = 0;
    XenPvNetifRx rx = {
        .size = rx_rows[row].size,
        .headroom = rx_rows[row].headroom,
        .csum_blank = rx_rows[row].blank,
        .validated = rx_rows[row].valid,
        .gso_type = rx_rows[row].gso,
        .gso_size = 1448,
        .hashed = rx_rows[row].hashed,
        .hash_type = 1,
        .hash = 0x12345678,
    };
    uint8_t buf[XENPV_NETIF_RX_STRIDE];

    g_assert_cmpuint(xenpv_netif_rx_data(&rx), ==, rx_rows[row].slots);
    g_assert_cmpuint(xenpv_netif_rx_data(&rx), <=, XENPV_NETIF_MAX_RX_DATA);
    g_assert_cmpuint(xenpv_netif_rx_extras(&rx), ==, rx_rows[row].extras);
    for (i = 0; i < rx_rows[row].slots; i++) {
        bool last = i + 1 == rx_rows[row].slots;

        xenpv_netif_rx_response(buf, &rx, i, 77 + i, true);
        g_assert_cmpuint(lduw_le_p(buf), ==, 77 + i);
        g_assert_cmpuint(lduw_le_p(buf + 2), ==, rx.headroom);
        g_assert_cmpuint(lduw_le_p(buf + 4), ==,
                         !i ? rx_rows[row].first_flags :
                         last ? 0 : NETRXF_more_data);
        sum += lduw_le_p(buf + 6);
        if (last) {
            g_assert_cmpuint(lduw_le_p(buf + 6), ==, rx_rows[row].last_len);
        }
        xenpv_netif_rx_spoil(buf);
        g_assert_cmpint((int16_t)lduw_le_p(buf + 6), ==, NETIF_RSP_ERROR);
    }
    g_assert_cmpuint(sum, ==, rx.size);
    for (i = 0; i < rx_rows[row].extras; i++) {
        xenpv_netif_rx_extra(buf, &rx, i);
        g_assert_cmpuint(buf[1], ==, i + 1 < rx_rows[row].extras);
        if (!i && rx.gso_type) {
            g_assert_cmpuint(buf[0], ==, XEN_NETIF_EXTRA_TYPE_GSO);
            g_assert_cmpuint(lduw_le_p(buf + 2), ==, 1448);
            g_assert_cmpuint(buf[4], ==, rx.gso_type);
        } else {
            g_assert_cmpmem(buf + 2, 6, "\x01\x01\x78\x56\x34\x12", 6);
            g_assert_cmpuint(buf[0], ==, XEN_NETIF_EXTRA_TYPE_HASH);
        }
    }
}

/* ---- hashing ---- */

/* Microsoft's published verification suite for RSS */
static const uint8_t rss_key[40] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void test_toeplitz(void)
{
    /* 66.9.149.187:2794 to 161.142.100.80:1766 */
    static const uint8_t v4[12] = {
        66, 9, 149, 187, 161, 142, 100, 80, 2794 >> 8, 2794 & 255, 1766 >> 8,
        1766 & 255,
    };
    /* 3ffe:2501:200:1fff::7 port 2794 to 3ffe:2501:200:3::1 port 1766 */
    static const uint8_t v6[36] = {
        0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
        0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, 0, 0, 0, 0, 0, 0, 0, 1,
        2794 >> 8, 2794 & 255, 1766 >> 8, 1766 & 255,
    };
    XenPvNetifHash hash = {
        .algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_TOEPLITZ,
        .types = XENPV_NETIF_HASH_TYPES,
    };
    uint8_t type;
    uint32_t value;

    memcpy(hash.key, rss_key, sizeof(rss_key));
    g_assert_true(xenpv_netif_hash(&hash, 4, false, v4, v4 + 8, &type,
                                   &value));
    g_assert_cmphex(value, ==, 0x323e8fc2);
    g_assert_cmpuint(type, ==, _XEN_NETIF_CTRL_HASH_TYPE_IPV4);
    g_assert_true(xenpv_netif_hash(&hash, 4, true, v4, v4 + 8, &type,
                                   &value));
    g_assert_cmphex(value, ==, 0x51ccc178);
    g_assert_cmpuint(type, ==, _XEN_NETIF_CTRL_HASH_TYPE_IPV4_TCP);
    g_assert_true(xenpv_netif_hash(&hash, 6, false, v6, v6 + 32, &type,
                                   &value));
    g_assert_cmphex(value, ==, 0x2cc18cd5);
    g_assert_true(xenpv_netif_hash(&hash, 6, true, v6, v6 + 32, &type,
                                   &value));
    g_assert_cmphex(value, ==, 0x40207d3d);
    hash.types = XEN_NETIF_CTRL_HASH_TYPE_IPV4;
    g_assert_true(xenpv_netif_hash(&hash, 4, true, v4, v4 + 8, &type,
                                   &value));
    g_assert_cmphex(value, ==, 0x323e8fc2);
    g_assert_false(xenpv_netif_hash(&hash, 6, true, v6, v6 + 32, &type,
                                    &value));
    g_assert_false(xenpv_netif_hash(&hash, 0, true, v4, v4, &type, &value));
    hash.algorithm = XEN_NETIF_CTRL_HASH_ALGORITHM_NONE;
    g_assert_false(xenpv_netif_hash(&hash, 4, true, v4, v4, &type, &value));
    /* A key that ends before the data does goes on with zeroes. */
    g_assert_cmphex(xenpv_netif_toeplitz(rss_key, 0, v4, 12), ==, 0);
    g_assert_cmpuint(xenpv_netif_hash_queue(&hash, 7, 4), ==, 3);
    hash.nr_mapping = 3;
    hash.mapping[1] = 2;
    g_assert_cmpuint(xenpv_netif_hash_queue(&hash, 7, 4), ==, 2);
}

/* ---- the rate ---- */

static void test_rate(void)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t bytes, usec;
    } rows[] = {
        { "1000,50000", true, 1000, 50000 },
        { "0,0", true, 0, 0 },
        { "18446744073709551615,0", true, UINT64_MAX, 0 },
        { "18446744073709551616,0", false },
        { "", false }, { ",", false }, { "1", false }, { "1,", false },
        { ",1", false }, { "1,2,3", false }, { "1,2 ", false },
        { " 1,2", false }, { "-1,2", false }, { "1,-2", false },
        { "0x10,2", false }, { "1;2", false }, { "1,+2", false },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(rows); i++) {
        uint64_t bytes = 42, usec = 43;

        g_assert_cmpint(xenpv_netif_parse_rate(rows[i].text, &bytes, &usec),
                        ==, rows[i].good);
        g_assert_cmpuint(bytes, ==, rows[i].good ? rows[i].bytes : 42);
        g_assert_cmpuint(usec, ==, rows[i].good ? rows[i].usec : 43);
    }
}

/* ---- headers ---- */

#define MAC "\2\0\0\0\0\1\2\0\0\0\0\2"
#define ADDR4 "\12\0\0\1\12\0\0\2"
#define ADDR6 "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1" \
              "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2"
#define UDP "\0\1\0\2\0\10\0\0"
#define TCP "\0\1\0\2\0\0\0\0\0\0\0\0\x50\0\0\0\0\0\0\0"
#define IP4(len, frag, proto) \
    "\x45\0\0" len "\0\0" frag "\x40" proto "\0\0" ADDR4
#define IP6(len, next) "\x60\0\0\0\0" len next "\x40" ADDR6

#define ROW(name, bytes, good, ...) \
    { name, sizeof(bytes) - 1, (const uint8_t *)bytes, good, { __VA_ARGS__ } }

static const struct {
    const char *name;
    uint32_t len;
    const uint8_t *bytes;
    bool good;
    XenPvPacketInfo info;
} headers[] = {
    ROW("udp4", MAC "\x08\0" IP4("\x1c", "\0\0", "\x11") UDP, true,
        14, 4, 17, 34, 42, 42),
    ROW("tcp4", MAC "\x08\0" IP4("\x28", "\0\0", "\6") TCP, true,
        14, 4, 6, 34, 54, 54),
    ROW("udp6", MAC "\x86\xdd" IP6("\10", "\x11") UDP, true,
        14, 6, 17, 54, 62, 62),
    ROW("tcp6", MAC "\x86\xdd" IP6("\24", "\6") TCP, true,
        14, 6, 6, 54, 74, 74),
    ROW("vlan", MAC "\x81\0\0\5\x08\0" IP4("\x1c", "\0\0", "\x11") UDP, true,
        18, 4, 17, 38, 46, 46),
    ROW("two-tags", MAC "\x88\xa8\0\5\x81\0\0\6\x08\0"
        IP4("\x1c", "\0\0", "\x11") UDP, true, 22, 4, 17, 42, 50, 50),
    ROW("three-tags", MAC "\x88\xa8\0\5\x81\0\0\6\x81\0\0\7\x08\0"
        IP4("\x1c", "\0\0", "\x11") UDP, false, 0),
    ROW("padding", MAC "\x08\0" IP4("\x1c", "\0\0", "\x11") UDP "\0\0\0\0",
        true, 14, 4, 17, 34, 42, 42),
    ROW("dont-fragment", MAC "\x08\0" IP4("\x1c", "\x40\0", "\x11") UDP, true,
        14, 4, 17, 34, 42, 42),
    ROW("first-fragment", MAC "\x08\0" IP4("\x1c", "\x20\0", "\x11") UDP,
        false, 14, 4, 0, 0, 0, 42),
    ROW("later-fragment", MAC "\x08\0" IP4("\x1c", "\0\1", "\x11") UDP,
        false, 14, 4, 0, 0, 0, 42),
    ROW("icmp", MAC "\x08\0" IP4("\x1c", "\0\0", "\1") UDP, false,
        14, 4, 0, 0, 0, 42),
    ROW("arp", MAC "\x08\6" "\0\1\x08\0\6\4\0\1", false, 0),
    ROW("ethernet-only", MAC "\x08\0", false, 0),
    ROW("half-a-tag", MAC "\x81\0\0", false, 0),
    ROW("half-of-ip4", MAC "\x08\0" "\x45\0\0\x1c", false, 0),
    ROW("half-of-ip6", MAC "\x86\xdd" "\x60\0\0\0\0", false, 0),
    ROW("half-of-udp", MAC "\x08\0" IP4("\x18", "\0\0", "\x11") "\0\0\0\0",
        false, 14, 4, 0, 0, 0, 38),
    ROW("half-of-tcp", MAC "\x08\0" IP4("\x1c", "\0\0", "\6") UDP, false,
        14, 4, 0, 0, 0, 42),
    ROW("longer-than-it-is", MAC "\x08\0" IP4("\x1d", "\0\0", "\x11") UDP,
        false, 0),
    ROW("udp-behind-the-end", MAC "\x08\0" IP4("\x1b", "\0\0", "\x11") UDP,
        false, 14, 4, 0, 0, 0, 41),
    ROW("shorter-than-ip", MAC "\x08\0" IP4("\x13", "\0\0", "\x11") UDP,
        false, 0),
    ROW("ip6-in-ip4-type", MAC "\x08\0" IP6("\10", "\x11") UDP, false, 0),
    ROW("tcp-offset-0", MAC "\x08\0" IP4("\x28", "\0\0", "\6")
        "\0\1\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false,
        14, 4, 0, 0, 0, 54),
    ROW("tcp-offset-15", MAC "\x08\0" IP4("\x28", "\0\0", "\6")
        "\0\1\0\2\0\0\0\0\0\0\0\0\xf0\0\0\0\0\0\0\0", false,
        14, 4, 0, 0, 0, 54),
    ROW("hop-by-hop", MAC "\x86\xdd" IP6("\x10", "\0") "\x11\0\0\0\0\0\0\0"
        UDP, true, 14, 6, 17, 62, 70, 70),
    ROW("options-twice", MAC "\x86\xdd" IP6("\x18", "\x3c")
        "\x2b\0\0\0\0\0\0\0" "\x11\0\0\0\0\0\0\0" UDP, true,
        14, 6, 17, 70, 78, 78),
    ROW("options-too-long", MAC "\x86\xdd" IP6("\x10", "\x3c")
        "\x11\xff\0\0\0\0\0\0" UDP, false, 14, 6, 0, 0, 0, 70),
    ROW("fragment6", MAC "\x86\xdd" IP6("\x10", "\x2c") "\x11\0\0\1\0\0\0\0"
        UDP, false, 14, 6, 0, 0, 0, 70),
};

static void test_headers(const void *opaque)
{
    unsigned row = GPOINTER_TO_UINT(opaque);
    /* A heap block of that size: reading behind it is seen */
    g_autofree uint8_t *buf = g_memdup2(headers[row].bytes, headers[row].len);
    const XenPvPacketInfo *want = &headers[row].info;
    XenPvPacketInfo info;

    g_assert_cmpint(xenpv_packet_parse(buf, headers[row].len,
                                       headers[row].len, &info), ==,
                    headers[row].good);
    g_assert_cmpuint(info.l3, ==, want->l3);
    g_assert_cmpuint(info.version, ==, want->version);
    g_assert_cmpuint(info.proto, ==, want->proto);
    g_assert_cmpuint(info.l4, ==, want->l4);
    g_assert_cmpuint(info.payload, ==, want->payload);
    g_assert_cmpuint(info.end, ==, want->end);
}

/* ---- sums ---- */

static uint32_t slow_sum(const uint8_t *p, unsigned len)
{
    uint32_t sum = 0;
    unsigned i;

    for (i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Wherever it is cut, odd or even, it is the same. */
static void test_sum(void)
{
    uint8_t buf[301];
    unsigned i, cut, from, len;

    for (i = 0; i < sizeof(buf); i++) {
        buf[i] = i * 151 + 13;
    }
    for (cut = 0; cut <= 70; cut++) {
        struct iovec iov[4] = {
            { buf, cut }, { buf + cut, 0 }, { buf + cut, 33 },
            { buf + cut + 33, sizeof(buf) - cut - 33 },
        };

        for (from = 0; from < 80; from += 3) {
            for (len = 0; len <= sizeof(buf) - from; len += 13) {
                g_assert_cmphex(be16_to_cpu(xenpv_packet_sum(iov, 4, from,
                                                             len)), ==,
                                slow_sum(buf + from, len));
            }
        }
    }
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(chains); i++) {
        g_autofree char *path = g_strdup_printf("/netif/chain/%s",
                                                chains[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_chain);
    }
    for (i = 0; i < ARRAY_SIZE(rx_rows); i++) {
        g_autofree char *path = g_strdup_printf("/netif/rx/%u", i);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_rx);
    }
    for (i = 0; i < ARRAY_SIZE(headers); i++) {
        g_autofree char *path = g_strdup_printf("/netif/headers/%s",
                                                headers[i].name);

        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_headers);
    }
    g_test_add_func("/netif/endless", test_endless);
    g_test_add_func("/netif/eighteen", test_eighteen);
    g_test_add_func("/netif/extra-values", test_extra_values);
    g_test_add_func("/netif/tx-response", test_tx_response);
    g_test_add_func("/netif/toeplitz", test_toeplitz);
    g_test_add_func("/netif/rate", test_rate);
    g_test_add_func("/netif/sum", test_sum);
    return g_test_run();
}
