/* SPDX-License-Identifier: GPL-2.0 */
/*
 * checkpoint: one that its guest has made ready, to the other host.
 *
 * Contract: belongs to the thread of a primary's channel. In sync mode all goes by
 * reference, since the guest stands still until the answer; in async mode what is left
 * is copied first, and the guest let go.
 */
#ifndef _KVMFT_CHECKPOINT_H
#define _KVMFT_CHECKPOINT_H

struct kvmft_sender;

int kvmft_checkpoint_send(struct kvmft_sender *sender);
void kvmft_checkpoint_done(struct kvmft_sender *sender);

#endif /* _KVMFT_CHECKPOINT_H */
