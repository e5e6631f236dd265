/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cable: what a network device is wired to, with the test at the other end.
 *
 * Contract: it takes the place of tools/ftvmm/tap.c, by a pair of sockets that keep
 * frames apart; one device only. Neither end blocks.
 */
#ifndef FTVMM_CABLE_H
#define FTVMM_CABLE_H

#include "../../tools/ftvmm/vmm.h"

/* To the device; false if there is no room. */
bool cable_send(const void *frame, u32 len);

/* From the device: the length, -1 if there is none. */
ssize_t cable_receive(void *frame, u32 room);

/* It was asked for nothing that a tap refuses. */
bool cable_is_honest(void);

#endif /* FTVMM_CABLE_H */
