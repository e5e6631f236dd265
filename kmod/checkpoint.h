/* SPDX-License-Identifier: GPL-2.0 */
/*
 * checkpoint: one that its guest has made ready, to the other host.
 *
 * Contract: belongs to the thread of a primary's channel. In sync mode all goes by
 * reference, since the guest stands still until the answer; in async mode what is left
 * is copied first, and the guest let go. What follows COMMIT is in flight.h.
 */
#ifndef _KVMFT_CHECKPOINT_H
#define _KVMFT_CHECKPOINT_H

#include <linux/types.h>

struct kvmft_primary;
struct kvmft_sender;

bool kvmft_checkpoint_is_ready(struct kvmft_primary *primary);
bool kvmft_checkpoint_copy(struct kvmft_primary *primary);
void kvmft_checkpoint_discard(struct kvmft_primary *primary);
int kvmft_checkpoint_send(struct kvmft_sender *sender);

#endif /* _KVMFT_CHECKPOINT_H */
