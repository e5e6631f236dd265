/* SPDX-License-Identifier: GPL-2.0 */
/*
 * announce: telling a network where a guest is now.
 *
 * Contract: the addresses of IPv4 that the guest uses are learned from what it sends;
 * frames that announce them, and its MAC (RARP), are made here and sent by others.
 */
#ifndef FTVMM_ANNOUNCE_H
#define FTVMM_ANNOUNCE_H

#include "vmm.h"

#define ANNOUNCE_ADDRESSES 8
#define ANNOUNCE_FRAME_LEN 60

/**
 * struct addresses - what is known of a guest's
 * @count: How many.
 * @ipv4: In network order; the last one that was learned goes over the oldest.
 * @next: Which one that is.
 */
struct addresses {
	u32 count, next;
	u32 ipv4[ANNOUNCE_ADDRESSES];
};

/* From a frame of the guest's. */
void announce_learn(struct addresses *addresses, const u8 *mac, const u8 *frame, u32 len);

/* The nth frame, from 0 on; false if there are no more. */
bool announce_frame(const struct addresses *addresses, const u8 *mac, u32 n, u8 *frame);

#endif /* FTVMM_ANNOUNCE_H */
