/* SPDX-License-Identifier: GPL-2.0 */
/*
 * intake: the receiving end of a guest's channel: takes frames, stages epochs, and
 * acknowledges those that are whole.
 *
 * Contract: what its user gets in apply() is committed: the source has, or will find
 * out, its word, and there is no way back. So prepare(), called before,
 * must have made sure that apply() can't fail. All user functions run in the
 * channel's thread.
 */
#ifndef _KVMFT_INTAKE_H
#define _KVMFT_INTAKE_H

#include "channel.h"
#include "stage.h"

struct kvmft_intake;

/**
 * struct kvmft_intake_ops - what the user of an intake does
 * @full: A full copy begins: what of the guest isn't sent in it is zero. 0, or the reason
 *	why the epoch is thrown away. NULL if there is no place for one.
 * @place: See &kvmft_stage_place_fn; the context is the intake.
 * @prepare: Make sure that each page of the epoch can be applied: 0, or the reason
 *	why the epoch is aborted. The state is there too. Of a full copy, they are
 *	where they belong already.
 * @refused: The epoch is thrown away after all, after prepare() or place().
 * @lease: For how many ns, from the stamp of COMMIT, its output may leave.
 * @seal: The epoch is about to be committed: note what that means. Under the lock, and
 *	not for an epoch of a source that has attached anew or let go. NULL if nothing.
 * @commit: The epoch is committed; take its state. Can't fail either.
 * @apply: See kvmft_stage_apply_fn; the context is the intake.
 * @applied: All of it is applied.
 * @lost: The source's connection has ended, or it never sent what it began.
 * @attached: A source that claims this generation is attached: 0, or the reason why it
 *	can't be. NULL if any can.
 * @parted: As lost of &struct kvmft_channel_ops; NULL if nobody wants to know.
 * @released: As of &struct kvmft_channel_ops; NULL if nothing takes over anyway.
 * @exchange: The same.
 * @about: The same.
 * @release: The last reference is gone.
 */
struct kvmft_intake_ops {
	enum kvmft_reason (*full)(struct kvmft_intake *intake);
	kvmft_stage_place_fn place;
	u32 (*prepare)(struct kvmft_intake *intake);
	void (*refused)(struct kvmft_intake *intake);
	u64 (*lease)(struct kvmft_intake *intake);
	void (*seal)(struct kvmft_intake *intake);
	void (*commit)(struct kvmft_intake *intake);
	kvmft_stage_apply_fn apply;
	void (*applied)(struct kvmft_intake *intake);
	void (*lost)(struct kvmft_intake *intake, const struct kvmft_verdict *verdict);
	u32 (*attached)(struct kvmft_intake *intake, u64 claim);
	void (*parted)(struct kvmft_intake *intake, enum kvmft_loss loss);
	bool (*released)(struct kvmft_intake *intake);
	void (*exchange)(struct kvmft_intake *intake, const struct kvmft_wire_switch *step,
			 u64 generation, u64 epoch);
	enum kvmft_reason (*about)(struct kvmft_intake *intake,
				   const struct kvmft_wire_header *header,
				   const u8 *body);
	void (*release)(struct kvmft_intake *intake);
};

/**
 * struct kvmft_intake - the receiving end of a guest
 * @channel: The channel.
 * @ops: What the user does.
 * @stage: The thread's own.
 * @pages: What is being received into; the thread's own, like what follows.
 * @sorted: The pages of a frame in the order of its runs, if any were packed.
 * @room: To open packed ones in.
 * @lock: Protects all that follows.
 * @committed_generation: Of the last epoch that was committed.
 * @committed_epoch: Its number.
 * @staged: Pages that are staged.
 * @pooled: Pages that are kept for reuse.
 */
struct kvmft_intake {
	struct kvmft_channel channel;
	const struct kvmft_intake_ops *ops;
	struct kvmft_stage stage;
	struct page *pages[KVMFT_WIRE_DATA_PAGES_MAX];
	struct page *sorted[KVMFT_WIRE_DATA_PAGES_MAX];
	u8 room[KVMFT_WIRE_PAGE_SIZE];

	spinlock_t lock;	/* what follows */
	u64 committed_generation;
	u64 committed_epoch;
	u32 staged;
	u32 pooled;
};

int kvmft_intake_start(struct kvmft_intake *intake, struct kvmft_pair *pair,
		       const struct kvmft_intake_ops *ops, u8 kind,
		       const char *name, u64 ceiling);

#endif /* _KVMFT_INTAKE_H */
