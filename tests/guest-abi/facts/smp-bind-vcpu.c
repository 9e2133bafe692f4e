/*
 * An interdomain port tells the vCPU it is bound to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU: -smp 2
 */
#include "abi.h"

static void second(struct secondary *s)
{
    s->info->evtchn_upcall_mask = 0;
    s->word = 1;
    wait_for(&s->events, 1);
}

int main(void)
{
    struct evtchn_alloc_unbound a = {
        .dom = DOMID_SELF, .remote_dom = DOMID_SELF
    };
    struct evtchn_bind_interdomain b = { .remote_dom = DOMID_SELF };
    struct evtchn_bind_vcpu move = { .vcpu = 1 };
    struct evtchn_status st = { .dom = DOMID_SELF };
    struct secondary *s;

    clear_events();
    equal(hc(event_channel_op, EVTCHNOP_alloc_unbound, &a), 0);
    b.remote_port = a.port;
    equal(hc(event_channel_op, EVTCHNOP_bind_interdomain, &b), 0);
    move.port = a.port;
    equal(hc(event_channel_op, EVTCHNOP_bind_vcpu, &move), 0);
    st.port = a.port;
    equal(hc(event_channel_op, EVTCHNOP_status, &st), 0);
    equal(st.vcpu, 1);
    move.vcpu = 2;
    equal(hc(event_channel_op, EVTCHNOP_bind_vcpu, &move), -XEN_ENOENT);
    clear_events();
    set_port_mask(a.port, false);

    s = start_vcpu(1, second);
    wait_for(&s->word, 1);
    unmask_events();
    equal(send_event(b.local_port), 0);
    wait_done(s);
    check(port_pending(a.port));
    equal(trap_count[EVENT], 0);
    return 0;
}
