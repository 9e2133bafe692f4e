/*
 * Ports run out with an error, and until then all work.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

int main(void)
{
    struct evtchn_bind_ipi b = { .vcpu = 0 };
    uint32_t first = bind_ipi(), last = first, port;
    long ret;

    while (!(ret = hc(event_channel_op, EVTCHNOP_bind_ipi, &b))) {
        check(b.port > last);
        last = b.port;
    }
    equal(ret, -28);                    /* ENOSPC */
    /* libxl's default is a quarter of what there is */
    check(last == 4095 || last == 1023);
    clear_events();
    mask_events();
    for (port = first; port <= last; port += 61) {
        clear_events();
        set_port_mask(port, false);
        equal(send_event(port), 0);
        check(port_pending(port));
        equal(VCPU->evtchn_pending_sel, 1ul << port / 64);
    }
    for (port = first; port <= last; port++) {
        equal(close_port(port), 0);
    }
    equal(bind_ipi(), first);
    return 0;
}
