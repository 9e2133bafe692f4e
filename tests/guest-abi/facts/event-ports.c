/*
 * Ports: allocated, bound, closed without a trace, used again, refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "abi.h"

static long status(uint32_t port, struct evtchn_status *s)
{
    memset(s, 0, sizeof(*s));
    s->dom = DOMID_SELF;
    s->port = port;
    return hc(event_channel_op, EVTCHNOP_status, s);
}

int main(void)
{
    struct evtchn_alloc_unbound a = { .dom = DOMID_SELF, .remote_dom = 0 };
    struct evtchn_bind_virq v = { .virq = VIRQ_TIMER };
    struct evtchn_bind_ipi far = { .vcpu = 31 };
    struct evtchn_status s;
    uint32_t port = bind_ipi(), timer;

    equal(status(port, &s), 0);
    equal(s.status, EVTCHNSTAT_ipi);
    equal(s.vcpu, 0);
    equal(status(start_info->store_evtchn, &s), 0);
    check(s.status == EVTCHNSTAT_interdomain ||
          s.status == EVTCHNSTAT_unbound);

    timer = bind_virq(VIRQ_TIMER);
    check(timer != port);
    equal(status(timer, &s), 0);
    equal(s.status, EVTCHNSTAT_virq);
    equal(s.u.virq, VIRQ_TIMER);
    /* One port for each, and only on vCPUs there are */
    equal(hc(event_channel_op, EVTCHNOP_bind_virq, &v), -XEN_EEXIST);
    v.virq = 99;
    equal(hc(event_channel_op, EVTCHNOP_bind_virq, &v), -XEN_EINVAL);
    check(hc(event_channel_op, EVTCHNOP_bind_ipi, &far) < 0);

    equal(hc(event_channel_op, EVTCHNOP_alloc_unbound, &a), 0);
    check(a.port && a.port != port && a.port != timer);
    equal(status(a.port, &s), 0);
    equal(s.status, EVTCHNSTAT_unbound);
    equal(s.u.unbound.dom, 0);
    equal(send_event(a.port), 0);       /* nobody there yet */

    /* Closed with an event pending: its next user does not see it */
    clear_events();
    mask_events();
    equal(send_event(port), 0);
    check(port_pending(port));
    equal(close_port(port), 0);
    check(!port_pending(port));
    equal(status(port, &s), 0);
    equal(s.status, EVTCHNSTAT_closed);
    equal(send_event(port), -XEN_EINVAL);
    equal(close_port(port), -XEN_EINVAL);
    equal(bind_ipi(), port);
    check(!port_pending(port));
    equal(send_event(port), 0);
    check(port_pending(port));

    equal(close_port(timer), 0);
    equal(bind_virq(VIRQ_TIMER), timer);

    equal(send_event(4096), -XEN_EINVAL);
    equal(send_event(0), -XEN_EINVAL);
    equal(send_event(~0u), -XEN_EINVAL);
    equal(close_port(0), -XEN_EINVAL);
    equal(status(~0u, &s), -XEN_EINVAL);
    return 0;
}
