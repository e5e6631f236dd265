/* SPDX-License-Identifier: GPL-2.0 */
/*
 * primary: a guest that runs here, and whose epochs go to the other host.
 *
 * Contract: its vcpus make checkpoints (primary.c, capture.c), its channel's thread sends
 * them (sender, checkpoint, outgoing, flight). A checkpoint belongs to the vcpu that leads
 * until it is ready; then it is the sender's, until it is done; nothing of it changes
 * meanwhile.
 */
#ifndef _KVMFT_PRIMARY_H
#define _KVMFT_PRIMARY_H

#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "channel.h"
#include "copies.h"
#include "harvest.h"
#include "park.h"
#include "pool.h"
#include "stream.h"
#include "vm.h"

struct kvmft_sender;

/**
 * struct kvmft_flight - an epoch that was sent, whose guest has gone on
 * @sent: That it was; its number is 0 if there is none.
 * @copies: What it is made of: TCP may still want that.
 * @begun: When the sender began with it, CLOCK_MONOTONIC in ns.
 * @err: That it is lost, as kvmft_stream_answer() says.
 */
struct kvmft_flight {
	struct kvmft_sent sent;
	struct kvmft_copies copies;
	u64 begun;
	int err;
};

/**
 * struct kvmft_awaited - an epoch whose COMMIT was sent, or is about to be
 * @epoch: Its number; 0 for none.
 * @by: What @decided of its guest was when its sender began.
 * @full: It is a full copy.
 * @still: Its guest stands still for it.
 * @flies: It has taken off.
 * @heard: An answer counts.
 */
struct kvmft_awaited {
	u64 epoch;
	u32 by;
	bool full;
	bool still;
	bool flies;
	bool heard;
};

/**
 * enum kvmft_checkpoint - how far a checkpoint is
 * @KVMFT_CHECKPOINT_NONE: There is none.
 * @KVMFT_CHECKPOINT_ASKED: The leader's VMM is to write its device state.
 * @KVMFT_CHECKPOINT_READY: The state is saved, what changed is known.
 * @KVMFT_CHECKPOINT_COPIED: The guest may run on, nothing of it is needed any more.
 * @KVMFT_CHECKPOINT_DONE: It is committed; or it was copied, and is sent or lost.
 * @KVMFT_CHECKPOINT_CANCELLED: Nobody needs it any more.
 * @KVMFT_CHECKPOINT_LEAVING: It is committed, and the other host is to go on from there as soon
 *	as nothing is on its way out here.
 */
enum kvmft_checkpoint {
	KVMFT_CHECKPOINT_NONE,
	KVMFT_CHECKPOINT_ASKED,
	KVMFT_CHECKPOINT_READY,
	KVMFT_CHECKPOINT_COPIED,
	KVMFT_CHECKPOINT_DONE,
	KVMFT_CHECKPOINT_CANCELLED,
	KVMFT_CHECKPOINT_LEAVING,
};

/**
 * enum kvmft_exchange - how far an exchange of roles is
 * @KVMFT_EXCHANGE_NONE: There is none.
 * @KVMFT_EXCHANGE_WANTED: The guest is to stand still for it.
 * @KVMFT_EXCHANGE_LEAVES: It does, all is committed, nothing more is permitted.
 * @KVMFT_EXCHANGE_TELLS: The other host is being told to go on.
 * @KVMFT_EXCHANGE_TOLD: It was; what became of that isn't known.
 */
enum kvmft_exchange {
	KVMFT_EXCHANGE_NONE,
	KVMFT_EXCHANGE_WANTED,
	KVMFT_EXCHANGE_LEAVES,
	KVMFT_EXCHANGE_TELLS,
	KVMFT_EXCHANGE_TOLD,
};

/* Sections of a guest's state on the wire; see Documentation/wire.rst. */
enum kvmft_section_kind {
	KVMFT_SECTION_VM = 1,
	KVMFT_SECTION_VCPU,
	KVMFT_SECTION_DEVICES,
};

#define KVMFT_SECTION_HEAD 8
#define KVMFT_SECTION_LEN 16

/**
 * struct kvmft_primary - a guest that runs here
 * @vm: What is common.
 * @channel: Its end of the channel.
 * @park: Its vcpus.
 * @harvest: What changed.
 * @head: First page of the state: where what is.
 * @probed: It is known what its state is made of.
 * @clock: The moment that the states of vcpus refer to.
 * @lengths: Bytes of the sections of the VM and of each vcpu.
 * @device_len: Bytes of device state.
 * @failed: Why a vcpu's state can't be saved; under the VM's lock.
 * @desk: Held by who works at the epoch that is being made: the sender, unless it waits
 *	for something to do, or a vcpu that copies. No vcpu waits for it. Of what follows,
 *	down to @uncopied; @flight is written by the sender alone, which reads it without.
 * @sender: Who sends; NULL if nobody does.
 * @numbered: @epoch is the one that is being made.
 * @spare: Pages to copy into.
 * @state_pages: Where the pages of a state are gathered.
 * @other_state_pages: Where those of the one before are, if that flies.
 * @flight: The epoch that flies.
 * @copies: What a vcpu has copied for the sender; whether that is anything is also read
 *	without the lock.
 * @uncopied: There wasn't the memory to copy the checkpoint that is being made.
 * @mode: &enum kvmft_vm_mode; from here on all is under the VM's lock.
 * @converge: See &struct kvmft_vm_config.
 * @rate: See &struct kvmft_vm_config.
 * @compress: &enum kvmft_vm_compress.
 * @checkpoint: See there.
 * @flying: It is copied, and the next one can't be made yet.
 * @full_ring: A ring was full, so much has changed; without the lock.
 * @owed: A checkpoint that had flown was lost, another one has to be made.
 * @generation: Of the guest.
 * @epoch: The last one that was begun, or 0.
 * @committed: The last one that was committed.
 * @awaited: Those that there is no answer to, the older one first.
 * @moved: With a commit the guest has become protected, which is to be told.
 * @alike: Which of the other guest's LAYOUT (1) and CONFIG (2) are like ours.
 * @synced: There was a commit since it was attached: output waits.
 * @known: That is who has its state, or will have.
 * @session: There is somebody to send to.
 * @sealed: The epoch that the checkpoint went into.
 * @lease: Until when output may leave, CLOCK_BOOTTIME in ns.
 * @round: Which of the park's rounds was the last that made a checkpoint.
 * @ticket: The ticket of that round's output.
 * @solo: Without a standby, its output leaves at once.
 * @rival: Another one of it has the same generation; until somebody decides.
 * @decided: How often somebody else than the sender has said what becomes of it. What
 *	a sender has begun before counts no more.
 * @exchange: How far handing it over to the other host is.
 * @wanted_until: When nobody wants that any more, jiffies.
 * @leaving_since: Since when its VMM is asked whether anything is on its way out,
 *	CLOCK_MONOTONIC in ns.
 * @loss: &enum kvmft_vm_loss.
 * @lost: Looks whether the standby is lost, when it may be, and does what @loss says.
 * @still_since: For that the guest has stood still since then, CLOCK_MONOTONIC in ns.
 * @dropped: Why it is to be protected no more, as soon as the standby knows that it won't
 *	take over.
 * @closed: It can't be protected any more.
 * @fenced: Another one of it runs; this one doesn't, whatever else is true.
 * @stopped: It is being detached.
 * @copy_done: Of the full copy, see &struct kvmft_vm_progress.
 * @copy_total: The same.
 * @copy_round: The same.
 */
struct kvmft_primary {
	struct kvmft_vm vm;
	struct kvmft_channel channel;
	struct kvmft_park park;
	struct kvmft_harvest harvest;
	struct page *head;
	bool probed;
	struct kvmft_clockbase clock;
	u32 *lengths;
	u64 device_len;
	struct kvmft_verdict failed;

	struct mutex desk;	/* what follows, down to uncopied */
	struct kvmft_sender *sender;
	bool numbered;
	struct kvmft_pool spare;
	struct page **state_pages;
	struct page **other_state_pages;
	struct kvmft_flight flight;
	struct kvmft_copies copies;
	bool uncopied;

	u32 mode;
	bool converge;
	u64 rate;
	u32 compress;
	enum kvmft_checkpoint checkpoint;
	bool flying;
	bool full_ring;
	bool owed;
	u64 generation;
	u64 epoch;
	u64 committed;
	struct kvmft_awaited awaited[2];
	bool moved;
	u32 alike;
	bool synced;
	bool session;
	bool known;
	u64 sealed;
	u64 lease;
	u64 round;
	u64 ticket;
	bool solo;
	bool rival;
	u32 decided;
	enum kvmft_exchange exchange;
	unsigned long wanted_until;
	u64 leaving_since;
	u32 loss;
	struct delayed_work lost;
	u64 still_since;
	struct kvmft_verdict dropped;
	bool closed;
	bool fenced;
	bool stopped;
	u64 copy_done;
	u64 copy_total;
	u32 copy_round;
};

struct kvmft_vm *kvmft_primary_attach(struct kvmft_pair *pair,
				      const struct kvmft_vm_config *config,
				      kvmft_vm_notify_fn notify,
				      struct kvmft_verdict *verdict);

int kvmft_primary_begin(struct kvmft_vm *vm, struct kvmft_verdict *verdict);

/* For the files of the primary. */
void kvmft_primary_run(struct kvmft_channel *channel, struct kvmft_conn *conn);
bool kvmft_primary_abandoned(struct kvmft_primary *primary);
void kvmft_primary_area(struct kvmft_primary *primary, u32 state);
int kvmft_primary_drop(struct kvmft_primary *primary, u32 reason, const char *words);

/* decision: what becomes of it without a standby. */
void kvmft_primary_close(struct kvmft_primary *primary, bool stop);
void kvmft_primary_give_up(struct kvmft_primary *primary,
			   const struct kvmft_verdict *verdict);
bool kvmft_primary_dropping(struct kvmft_primary *primary);
void kvmft_primary_released(struct kvmft_primary *primary);
void kvmft_primary_idle(struct kvmft_primary *primary,
			const struct kvmft_verdict *verdict);
void kvmft_primary_stand_down(struct kvmft_primary *primary, u32 reason, u64 generation);
int kvmft_primary_alone(struct kvmft_vm *vm);
void kvmft_primary_vmm_gone(struct kvmft_vm *vm);
int kvmft_primary_leave(struct kvmft_vm *vm, u32 reason);
void kvmft_primary_discard(struct kvmft_vm *vm);
void kvmft_primary_lost(struct work_struct *work);
bool kvmft_primary_has_lost(struct kvmft_vm *vm);
void kvmft_primary_go_alone(struct kvmft_vm *vm);
u64 kvmft_primary_claim(struct kvmft_primary *primary);
bool kvmft_primary_is_of(struct kvmft_primary *primary);

/* exchange: of roles, with the standby. */
int kvmft_primary_exchange(struct kvmft_vm *vm);
void kvmft_primary_asked(struct kvmft_primary *primary);
bool kvmft_primary_leaves(struct kvmft_primary *primary);
void kvmft_primary_left(struct kvmft_primary *primary);
void kvmft_primary_stays(struct kvmft_primary *primary);
bool kvmft_primary_lingers(struct kvmft_primary *primary);
bool kvmft_primary_is_wanted(struct kvmft_primary *primary);
bool kvmft_primary_is_told(struct kvmft_primary *primary);
void kvmft_primary_no_exchange(struct kvmft_primary *primary);

/* May the guest go on before what it has changed is safe? */
static inline bool kvmft_primary_is_async(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->mode) == KVMFT_VM_ASYNC;
}

/* Does output of this guest need an epoch? */
static inline bool kvmft_primary_output_waits(struct kvmft_primary *primary)
{
	return READ_ONCE(primary->synced) && !READ_ONCE(primary->closed);
}

#endif /* _KVMFT_PRIMARY_H */
