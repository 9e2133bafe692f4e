# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is ours in a QEMU tree. Data, no logic: xen-setup lays it over a tree
# and takes it off again, "make lint" holds the tree against it.
#
# folder  += PATH IN QEMU | PATH HERE
#            The folder is linked into QEMU's tree. A folder of that name
#            which upstream has is set aside whole until xen-setup --undo.
#
# file    += PATH IN QEMU | PATH HERE
#            The same for one file, of a name that upstream does not have.
#
# symbol  += NAME
#            A configuration symbol we define (hw/xenpv/Kconfig).
#
# hook    += FILE IN QEMU | ANCHOR | LINE
#            LINE, blanks included, is inserted after the one line of FILE
#            that is ANCHOR but for leading and trailing blanks.

folder  += hw/xenpv             | hw/xenpv
folder  += include/hw/xenpv     | include/hw/xenpv
folder  += pc-bios/xenner       | pc-bios/xenner
folder  += tests/xenpv          | tests
folder  += docs/system/i386/xenpv | docs/system
folder  += docs/devel/xenpv     | docs/devel

file    += tests/functional/test_x86_64_xenpv.py | tests/qemu/test_x86_64_xenpv.py

symbol  += XENPV

# The machine's symbol.
hook    += hw/Kconfig           | source xen/Kconfig | source xenpv/Kconfig

# Upstream's own PV back ends stay out of the build: the device names are ours.
hook    += hw/i386/Kconfig      | depends on KVM && I386 |     depends on !XENPV
hook    += hw/xen/Kconfig       | default y if (XEN || XEN_EMU) |     depends on !XENPV

# The accelerator "xen" selects them, and a select is stronger than a default:
# below this line it is what a symbol selects that nothing ever sets.
hook    += accel/Kconfig        | select PCI_EXPRESS_GENERIC_BRIDGE | config XEN_SELECTS_BUS

# trace/ is processed before hw/, so our folder cannot add itself.
hook    += meson.build          | 'hw/xen', |     'hw/xenpv',

hook    += tests/meson.build    | subdir('unit') | subdir('xenpv')
hook    += tests/functional/meson.build | 'x86_cpu_model_versions', |   'x86_64_xenpv',

# -vga xenfb, which upstream has with its own PV back ends only.
hook    += system/vl.c          | static const VGAInterfaceInfo vga_interfaces[VGA_TYPE_MAX] = { |     [VGA_XENFB] = { .opt_name = "xenfb", .name = "Xen PV framebuffer" },

# The manual: for users among the machines, for developers among the subsystems.
hook    += docs/system/target-i386.rst | i386/nitro-enclave |    i386/xenpv/index
hook    += docs/devel/index-internals.rst | multiple-iothreads |    xenpv/index
