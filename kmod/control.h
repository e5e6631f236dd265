/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control: what comes on the control connection about guests.
 *
 * Contract: judges each frame and hands it to its guest's channel. Runs in the
 * thread of the link, so it never waits for a peer.
 */
#ifndef _KVMFT_CONTROL_H
#define _KVMFT_CONTROL_H

#include "wire.h"

struct kvmft_pair;

enum kvmft_reason kvmft_control_frame(struct kvmft_pair *pair,
				      const struct kvmft_wire_header *header,
				      const u8 *body);

#endif /* _KVMFT_CONTROL_H */
