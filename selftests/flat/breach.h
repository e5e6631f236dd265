/* SPDX-License-Identifier: GPL-2.0 */
/*
 * breach: a VMM that breaks one promise of those that it gave when it was attached.
 *
 * Contract: it does so once, and goes on as before.
 */
#ifndef _BREACH_H
#define _BREACH_H

#include "vmm.h"

/* blob, slot, unlog, vcpu, irqfd or ioeventfd; NULL, or what is wrong. */
const char *breach(const char *what);

/* The length of the device state that the hook is told. */
u64 breach_state_len(u64 len);

#endif /* _BREACH_H */
