/*
 * The local APIC: timer, interrupts to other vCPUs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * xAPIC, because its registers work alike on every accelerator.  Divided by
 * one its timer counts nanoseconds, on TCG and on KVM, so that nothing needs
 * to be calibrated.
 */
#include "monitor.h"

#define APIC_TPR        0x080
#define APIC_EOI        0x0b0
#define APIC_SVR        0x0f0
#define APIC_ICR_LOW    0x300
#define APIC_ICR_HIGH   0x310
#define APIC_LVT_TIMER  0x320
#define APIC_LVT_LINT0  0x350
#define APIC_LVT_LINT1  0x360
#define APIC_LVT_ERROR  0x370
#define APIC_TMICT      0x380
#define APIC_TDCR       0x3e0

#define APIC_MASKED     0x10000
#define APIC_NMI        0x00400
#define APIC_ENABLE     0x00100
#define APIC_TO_SELF    0x40000
#define APIC_DIVIDE_1   0x0000b

static void apic_write(unsigned reg, uint32_t v)
{
    uint32_t *p = direct(XENPV_APIC_GPA + reg);

    WRITE_ONCE(*p, v);
}

/*
 * Enabled first: a local APIC that is not, keeps the mask bit of every LVT
 * entry set.  KVM's does as well, TCG's does not.
 */
void apic_init(void)
{
    apic_write(APIC_SVR, APIC_ENABLE | XENPV_VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, APIC_MASKED);
    apic_write(APIC_LVT_LINT1, APIC_NMI);
    apic_write(APIC_LVT_ERROR, APIC_MASKED);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_TDCR, APIC_DIVIDE_1);
    apic_write(APIC_LVT_TIMER, XENPV_VECTOR_TIMER);
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

/* One shot after @ns nanoseconds; 0 stops the timer */
void apic_timer(uint32_t ns)
{
    apic_write(APIC_TMICT, ns);
}

/* No NMI may use the registers in between: see apic_self_ipi() */
void apic_ipi(const struct vcpu *to, uint8_t vector)
{
    apic_write(APIC_ICR_HIGH, SHARED->apic_id[to->id] << 24);
    apic_write(APIC_ICR_LOW, vector);
}

/* Names no destination, so that it may come between the two lines above */
void apic_self_ipi(uint8_t vector)
{
    apic_write(APIC_ICR_LOW, APIC_TO_SELF | vector);
}
