/*
 * QEMU's net layer as far as a NIC sees it, with a peer that a test watches.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Packets wait in QEMU's own queues (net/queue.c); clients, peers and their
 * options are the test's.
 */
#ifndef TESTS_XENPV_NET_HOST_H
#define TESTS_XENPV_NET_HOST_H

#include "net/net.h"
#include "standard-headers/linux/virtio_net.h"

#define TEST_PEER_QUEUES 4

/**
 * TestPeer: what "netdev=peer0" names
 * @queues: how many clients it has
 * @vnet: speaks virtio-net headers
 * @one_piece: has no receive_iov
 * @hold: takes nothing
 * @frames: what it was given, GBytes, virtio-net headers and all
 * @vnet_len: what it was told
 * @csum, @tso4, @tso6: what it was told last
 * @taken: how many of its own packets were taken, as it was told later
 */
typedef struct TestPeer {
    unsigned queues;
    bool vnet;
    bool one_piece;
    bool hold;
    GPtrArray *frames;
    int vnet_len;
    int csum;
    int tso4;
    int tso6;
    unsigned taken;
} TestPeer;

extern TestPeer test_peer;

/** test_peer_reset: before each test */
void test_peer_reset(unsigned queues, bool vnet);
/** test_peer_frame: the frame number @i without its virtio-net header */
const uint8_t *test_peer_frame(unsigned i, size_t *len);
/** test_peer_vnet: ... and that */
const struct virtio_net_hdr *test_peer_vnet(unsigned i);
/** test_peer_clear: forget the frames */
void test_peer_clear(void);
/** test_peer_release: take what was held, and what comes */
void test_peer_release(void);
/**
 * test_peer_send: a packet for the guest
 * @queue: of the peer
 * @vnet: NULL: nothing is left to do; must be NULL if the peer has no header
 *
 * Returns: false if it is held until there is room
 */
bool test_peer_send(unsigned queue, const struct virtio_net_hdr *vnet,
                    const void *frame, size_t len);
/** test_peer_waiting: packets the net layer holds for the guest */
unsigned test_peer_waiting(void);
/** test_peer_gone: netdev_del */
void test_peer_link(bool up);
/** test_nic_info: what "info network" says */
const char *test_nic_info(void);
/** test_nr_netdevs: made by the device itself and still there */
extern unsigned test_nr_netdevs;
extern char test_netdev_ifname[32];
bool test_no_netdevs(void *opaque);
/** test_vm_run: cont, or stop */
void test_vm_run(bool running);

#endif /* TESTS_XENPV_NET_HOST_H */
