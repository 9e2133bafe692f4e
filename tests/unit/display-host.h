/*
 * QEMU's console and input layers as far as a driver meets them, for tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Surfaces are pixman images as in QEMU, so who holds one holds its pixels.
 * There is one display per console, and it is the test.
 */
#ifndef TESTS_XENPV_DISPLAY_HOST_H
#define TESTS_XENPV_DISPLAY_HOST_H

#include "ui/console.h"

/* Consoles that were ever made. */
extern unsigned host_consoles_made;
/** host_consoles_open: how many have a device */
unsigned host_consoles_open(void);
/* Does the display take r5g6b5 as it is? */
extern bool host_takes_16;

/** host_console: the one of @dev, or NULL */
QemuConsole *host_console(DeviceState *dev);
/** host_refresh: the display looks for news */
void host_refresh(QemuConsole *con);
/** host_invalidate: the display has lost what it had */
void host_invalidate(QemuConsole *con);
/** host_ui_info: the display's refresh rate, in mHz */
void host_ui_info(QemuConsole *con, uint32_t rate);
/** host_surface: borrowed */
DisplaySurface *host_surface(QemuConsole *con);
/** host_pixel: as x8r8g8b8, of either format */
uint32_t host_pixel(QemuConsole *con, unsigned x, unsigned y);
/**
 * host_updated: how many pixels were announced since the last call
 *
 * Announced twice counts twice.  Fails the test if one lies outside.
 */
uint64_t host_updated(QemuConsole *con);

/** host_handlers: of input, registered now */
unsigned host_handlers(void);
/** host_key: and what follows of a real event, up to sync */
void host_key(QKeyCode code, bool down);
void host_button(InputButton button, bool down);
void host_abs(int x, int y);
void host_rel(int dx, int dy);
void host_touch(InputMultiTouchType type, int slot, int x, int y);
void host_sync(void);

#endif /* TESTS_XENPV_DISPLAY_HOST_H */
