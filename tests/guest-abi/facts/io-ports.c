/*
 * I/O ports: a fault without the privilege, nothing there with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Modes: linux other strict
 */
#include "abi.h"

USER_CODE(user_in, "in %dx, %al; ud2");

static uint64_t in_byte(uint16_t port, uint64_t *value)
{
    *value = 0x1234567812345600;
    return try("inb %%dx, %%al", : "+a"(*value) : "d"(port));
}

static long set_iopl(unsigned level)
{
    struct physdev_set_iopl s = { .iopl = level };

    return hc(physdev_op, PHYSDEVOP_set_iopl, &s);
}

static uint64_t user_in_vector(void)
{
    struct frame c = user_context(user_in), f;

    c.rdx = 0x80;
    f = run(&c);
    if (f.vector == X86_GP) {
        equal(f.error, 0);
        equal(f.rip, USER(user_in));
    }
    return f.vector;
}

int main(void)
{
    uint64_t value;

    user_setup();
    equal(in_byte(0x80, &value), X86_GP);
    equal(trap.error, 0);
    equal(set_iopl(4), -XEN_EINVAL);

    equal(set_iopl(1), 0);
    equal(in_byte(0x80, &value), NO_TRAP);
    equal(value, 0x12345678123456ff);
    value = ~0ul;
    equal(try("inl %%dx, %%eax", : "+a"(value) : "d"(0x300)), NO_TRAP);
    equal(value, 0xffffffff);
    equal(try("outb %%al, $0x80", : : "a"(1)), NO_TRAP);
    equal(try("outw %%ax, %%dx", : : "a"(1), "d"(0x300)), NO_TRAP);
    equal(user_in_vector(), X86_GP);

    equal(set_iopl(3), 0);
    equal(user_in_vector(), X86_UD);
    equal(set_iopl(0), 0);
    equal(in_byte(0x80, &value), X86_GP);

    /* QEMU's doorbells are behind ports, and those not the guest's */
    equal(set_iopl(3), 0);
    equal(try("outl %%eax, %%dx", : : "a"(0), "d"(0x7e00)), NO_TRAP);
    equal(try("outl %%eax, %%dx", : : "a"(0), "d"(0x7e04)), NO_TRAP);
    equal(hc(xen_version, XENVER_pagesize), PAGE_SIZE);
    return 0;
}
