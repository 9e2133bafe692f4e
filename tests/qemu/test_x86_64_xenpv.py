#!/usr/bin/env python3
#
# A Xen PV guest on the xenpv machine, without a kernel to fetch
#
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest is a page of machine code made here: it says something on its
# console, through ring and event channel, waits until that has been read, and
# calls its hypervisor to end the domain in the way the test wants.

import struct

from qemu.machine.machine import VMLaunchFailure
from qemu_test import QemuSystemTest, wait_for_console_pattern

BASE = 0x100000                 # where the guest lies, and all addresses are
HYPERCALLS = BASE + 0x1000      # filled by the hypervisor, 32 bytes a call
TEXT = BASE + 0x800
REASON = BASE + 0xf00
PORT = BASE + 0xf08

# Of Xen's public headers
SCHED_OP, EVENT_CHANNEL_OP = 29, 32
SCHEDOP_YIELD, SCHEDOP_SHUTDOWN, EVTCHNOP_SEND = 0, 2, 4
POWEROFF, REBOOT, CRASH = 0, 1, 3
ENTRY, HYPERCALL_PAGE, VIRT_BASE, PADDR_OFFSET, XEN_VERSION, GUEST_OS, \
    LOADER = 1, 2, 3, 4, 5, 6, 8

SAYS = b'This is a guest of the test.\r\n'


def le32(value):
    return struct.pack('<I', value)


def le64(value):
    return struct.pack('<Q', value)


def hypercall(number, operation, argument):
    return (b'\xbf' + le32(operation) +                     # mov ..., %edi
            b'\x48\xbe' + le64(argument) +                  # mov ..., %rsi
            b'\x48\xb8' + le64(HYPERCALLS + 32 * number) +  # mov ..., %rax
            b'\xff\xd0')                                    # call *%rax


def code():
    # start_info is at %rsi; the console's page is the second behind it, with
    # its output from 1024 on, and out_cons and out_prod at 3080 and 3084.
    start = (b'\x8b\x5e\x50' +                      # mov 80(%rsi), %ebx: port
             b'\x48\x8d\xae\x00\x20\x00\x00' +      # lea 0x2000(%rsi), %rbp
             b'\x48\x8d\xbd\x00\x04\x00\x00' +      # lea 1024(%rbp), %rdi
             b'\x48\xbe' + le64(TEXT) +             # mov $TEXT, %rsi
             b'\xb9' + le32(len(SAYS)) +            # mov ..., %ecx
             b'\xf3\xa4' +                          # rep movsb
             b'\xc7\x85\x0c\x0c\x00\x00' +          # movl ..., 3084(%rbp)
             le32(len(SAYS)) +
             b'\x48\xbe' + le64(PORT) +             # mov $PORT, %rsi
             b'\x89\x1e' +                          # mov %ebx, (%rsi)
             hypercall(EVENT_CHANNEL_OP, EVTCHNOP_SEND, PORT))
    wait = (hypercall(SCHED_OP, SCHEDOP_YIELD, 0) +
            b'\x8b\x85\x08\x0c\x00\x00' +           # mov 3080(%rbp), %eax
            b'\x3d' + le32(len(SAYS)))              # cmp ..., %eax
    wait += b'\x75' + struct.pack('b', -len(wait) - 2)      # jne
    return (start + wait +
            hypercall(SCHED_OP, SCHEDOP_SHUTDOWN, REASON) +
            b'\x0f\x0b')                            # ud2


def note(kind, value):
    value = le64(value) if isinstance(value, int) else value + b'\0'
    return (struct.pack('<III', 4, len(value), kind) + b'Xen\0' +
            value.ljust(-len(value) % 4 + len(value), b'\0'))


def kernel(reason):
    """An ELF file: one segment to load, one of notes."""
    page = bytearray(code().ljust(0x1000, b'\0'))
    page[TEXT - BASE:TEXT - BASE + len(SAYS)] = SAYS
    page[REASON - BASE:REASON - BASE + 4] = le32(reason)
    notes = b''.join((note(GUEST_OS, b'test'), note(LOADER, b'generic'),
                      note(XEN_VERSION, b'xen-3.0'), note(VIRT_BASE, 0),
                      note(PADDR_OFFSET, 0), note(ENTRY, BASE),
                      note(HYPERCALL_PAGE, HYPERCALLS)))
    head = 0x1000
    load = struct.pack('<IIQQQQQQ', 1, 7, head, BASE, BASE, len(page),
                       len(page) + 0x1000, 0x1000)
    hint = struct.pack('<IIQQQQQQ', 4, 4, head + len(page), 0, 0, len(notes),
                       len(notes), 4)
    elf = (b'\x7fELF\x02\x01\x01'.ljust(16, b'\0') +
           struct.pack('<HHIQQQIHHHHHH', 2, 62, 1, BASE, 64, 0, 0, 64, 56, 2,
                       64, 0, 0))
    return (elf + load + hint).ljust(head, b'\0') + page + notes


class XenPvGuest(QemuSystemTest):

    timeout = 60

    def prepare(self, reason, *args, machine='xenpv'):
        self.set_machine('xenpv')
        self.require_accelerator('tcg')
        path = self.scratch_file('guest')
        with open(path, 'wb') as file:
            file.write(kernel(reason))
        self.vm.set_machine(machine)
        self.vm.set_console()
        self.vm.add_args('-accel', 'tcg', '-m', '64', '-kernel', path, *args)

    def sees(self, event):
        seen = self.vm.event_wait(event)
        self.assertIsNotNone(seen, event)
        return seen['data']

    def ends(self, why):
        self.assertEqual(self.sees('SHUTDOWN')['reason'], why)
        self.vm.wait()
        self.assertEqual(self.vm.exitcode(), 0)

    def speaks(self):
        self.vm.launch()
        wait_for_console_pattern(self, SAYS.decode().strip())

    def test_poweroff(self):
        self.prepare(POWEROFF)
        self.speaks()
        self.ends('guest-shutdown')

    def test_strict(self):
        # The guest's kernel in ring 3, as Xen has it
        self.prepare(POWEROFF, machine='xenpv,strict=on')
        self.speaks()
        self.ends('guest-shutdown')

    def test_reboot(self):
        self.prepare(REBOOT, '-action', 'reboot=shutdown')
        self.speaks()
        self.ends('guest-reset')

    def test_crash(self):
        self.prepare(CRASH, '-action', 'panic=pause')
        self.speaks()
        self.assertEqual(self.sees('GUEST_PANICKED')['action'], 'pause')

    def test_devices(self):
        self.prepare(POWEROFF, '-S', '-nic', 'none',
                     '-blockdev', 'null-co,node-name=n0,size=1048576',
                     '-device', 'xen-disk,id=d0,drive=n0',
                     '-device', 'xen-net-device,id=d1',
                     '-chardev', 'null,id=c0',
                     '-device', 'xen-console,id=d2,chardev=c0',
                     '-device', 'xen-framebuffer,id=d3',
                     '-device', 'xen-input,id=d4')
        self.vm.launch()
        tree = self.vm.cmd('human-monitor-command',
                           command_line='info qtree')
        for number in range(5):
            self.assertIn(f'id "d{number}"', tree)
        self.vm.cmd('device_del', id='d0')
        self.vm.cmd('cont')
        self.ends('guest-shutdown')

    def test_not_a_pv_kernel(self):
        self.prepare(POWEROFF)
        path = self.scratch_file('nothing')
        with open(path, 'wb') as file:
            file.write(b'no kernel' * 1000)
        self.vm.add_args('-kernel', path)
        with self.assertRaises(VMLaunchFailure) as failure:
            self.vm.launch()
        self.assertEqual(failure.exception.exitcode, 1)
        self.assertIn('nothing', failure.exception.output)


if __name__ == '__main__':
    QemuSystemTest.main()
