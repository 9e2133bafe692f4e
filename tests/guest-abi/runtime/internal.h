/*
 * Between the files of the runtime.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_ABI_INTERNAL_H
#define GUEST_ABI_INTERNAL_H

#include "abi.h"

/* start.S */
extern char trap_stack_end[];
void enter_user(struct frame *f);
void leave_user(void) __attribute__((noreturn));
extern char secondary_event_entry[];

/* Called from there */
void start_c(void);
void trap_c(struct frame *f);

#endif /* GUEST_ABI_INTERNAL_H */
