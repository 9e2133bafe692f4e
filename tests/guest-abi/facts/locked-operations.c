/*
 * A locked operation on a word of shared_info undoes nothing that the other
 * side does to the same word meanwhile: no event is lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"
#include "hw/xen/interface/io/xs_wire.h"

#define ROUNDS      10000
#define TOUCHES     32              /* between two looks */
#define SPARE_BIT   (1ul << 63)     /* no port of ours */

static volatile struct xenstore_domain_interface *ring; /* QEMU's too */

static void ask(void)
{
    static const struct {
        struct xsd_sockmsg head;
        char path[6];
    } __attribute__((packed)) message = {
        { .type = XS_READ, .len = 6 }, "domid"
    };
    const char *bytes = (const char *)&message;
    uint32_t prod = ring->req_prod;
    unsigned i;

    for (i = 0; i < sizeof(message); i++) {
        ring->req[(prod + i) % XENSTORE_RING_SIZE] = bytes[i];
    }
    __asm__ volatile("" : : : "memory");
    ring->req_prod = prod + sizeof(message);
    equal(send_event(start_info->store_evtchn), 0);
}

static void touch_same_word(void)
{
    unsigned i;

    for (i = 0; i < TOUCHES; i++) {
        __asm__ volatile("lock xorq %1, %0"
                         : "+m"(SHARED->evtchn_pending[0])
                         : "r"(SPARE_BIT));
    }
}

int main(void)
{
    uint64_t bit = 1ul << start_info->store_evtchn;
    unsigned i;

    ring = (void *)(VIRT_BASE + M2P[start_info->store_mfn] * PAGE_SIZE);
    __asm__ volatile("lock orq %1, %0"
                     : "+m"(SHARED->evtchn_mask[0]) : "r"(bit));
    for (i = 0; i < ROUNDS; i++) {
        uint64_t deadline = now() + 5000000000ul;
        uint32_t before = ring->rsp_prod;

        __asm__ volatile("lock andq %1, %0"
                         : "+m"(SHARED->evtchn_pending[0]) : "r"(~bit));
        ask();
        while (ring->rsp_prod - before < sizeof(struct xsd_sockmsg) + 1 &&
               now() < deadline) {
            touch_same_word();
        }
        ring->rsp_cons = ring->rsp_prod;
        while (!(SHARED->evtchn_pending[0] & bit) && now() < deadline) {
            touch_same_word();
        }
        check(SHARED->evtchn_pending[0] & bit);
    }
    return 0;
}
