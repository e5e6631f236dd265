/* SPDX-License-Identifier: GPL-2.0 */
/*
 * standby: a guest that waits here, and takes the epochs of the one that runs on the
 * other host.
 *
 * Contract: none of its vcpus runs before it is promoted; all are in the hook. Its
 * memory is written by its channel's thread alone; when a page of an epoch is to be
 * applied it is pinned already, so that can't fail. Promotion ends the channel first,
 * so an epoch is applied whole or was never acknowledged.
 */
#ifndef _KVMFT_STANDBY_H
#define _KVMFT_STANDBY_H

#include <linux/workqueue.h>

#include "intake.h"
#include "vm.h"

/**
 * enum kvmft_standby_phase - how far a standby is
 * @KVMFT_STANDBY_REHEARSE: Each vcpu tries to restore the state that it has.
 * @KVMFT_STANDBY_WAIT: It takes epochs.
 * @KVMFT_STANDBY_PROMOTE: It takes none any more.
 * @KVMFT_STANDBY_VM: The state of the VM is to be restored, by the first vcpu.
 * @KVMFT_STANDBY_VCPUS: Those of the vcpus, each by its own thread.
 * @KVMFT_STANDBY_DEVICES: The first vcpu's thread gives the VMM its device state.
 * @KVMFT_STANDBY_RUN: All may run.
 * @KVMFT_STANDBY_FAILED: It can't run.
 */
enum kvmft_standby_phase {
	KVMFT_STANDBY_REHEARSE,
	KVMFT_STANDBY_WAIT,
	KVMFT_STANDBY_PROMOTE,
	KVMFT_STANDBY_VM,
	KVMFT_STANDBY_VCPUS,
	KVMFT_STANDBY_DEVICES,
	KVMFT_STANDBY_RUN,
	KVMFT_STANDBY_FAILED,
};

/**
 * struct kvmft_standby - a guest that waits here
 * @vm: What is common.
 * @intake: Its end of the channel.
 * @emptied: In a full copy: pages before this one are what was sent, or zero; the
 *	intake's thread's own, like all up to the lock.
 * @pinned: Pages of the epoch that is being committed, in the order of the stage.
 * @pinned_count: How many.
 * @pinned_size: Entries that @pinned has.
 * @applied: How many of them are applied.
 * @applying: When that began, CLOCK_MONOTONIC in ns.
 * @state: Pages of the state that was committed last.
 * @state_count: How many.
 * @state_len: Bytes of it.
 * @private: The same, once promoted, in one piece.
 * @clock: What restoring the VM's clock told.
 * @loss: Looks whether the primary is lost, when it may be.
 * @promotion: Begins when the other side's permission has run out.
 * @succession: The guest runs: has a primary take the standby's place.
 * @promote: &enum kvmft_vm_promote.
 * @mode: &enum kvmft_vm_mode, for when it is a primary.
 * @phase: From here on all is under the VM's lock.
 * @done: Vcpus that have done what the phase asks.
 * @done_count: How many.
 * @reason: Why it was promoted; none if somebody has decided it.
 * @loading: The VMM was given its device state; the first vcpu's own.
 * @torn: A full copy has begun and isn't committed: its memory is of no use.
 * @whole: The last epoch that is applied, all of it.
 * @copied: Bytes of a full copy that were dealt with.
 * @sure: The primary lets nothing out but what is acknowledged here: so much is known only
 *	after an epoch behind the full copy.
 * @released: Its primary has let go of it: it isn't to take over, until it commits again.
 * @handed: Its primary has handed the guest over.
 * @handed_at: When, CLOCK_MONOTONIC in ns.
 * @still: For how long the guest had stood still by then, in ns.
 * @wanted: Somebody has asked it to.
 * @asked: That it is lost was told, and is for somebody to decide.
 * @ended: Its primary's VMM has ended, nothing leaves there any more.
 * @permitted: Until when acknowledgements have permitted the primary's output, at most;
 *	CLOCK_BOOTTIME in ns.
 * @closed: It is being stopped.
 */
struct kvmft_standby {
	struct kvmft_vm vm;
	struct kvmft_intake intake;
	u64 emptied;
	struct page **pinned;
	u64 pinned_count;
	u64 pinned_size;
	u64 applied;
	u64 applying;
	struct page **state;
	u32 state_count;
	u64 state_len;
	void *private;
	struct kvmft_clockbase clock;
	struct delayed_work loss;
	struct delayed_work promotion;
	struct work_struct succession;
	u32 promote;
	u32 mode;

	enum kvmft_standby_phase phase;
	unsigned long done[BITS_TO_LONGS(KVMFT_VCPUS_MAX)];
	u32 done_count;
	u32 reason;
	bool loading;
	bool torn;
	u64 whole;
	u64 copied;
	bool sure;
	bool released;
	bool handed;
	u64 handed_at;
	u64 still;
	bool wanted;
	bool asked;
	bool ended;
	u64 permitted;
	bool closed;
};

static inline struct kvmft_standby *kvmft_standby_of(struct kvmft_vm *vm)
{
	return container_of(vm, struct kvmft_standby, vm);
}

/* Of a slot that went, the guest would miss what is in it. */
static inline bool kvmft_standby_is_whole(struct kvmft_standby *standby,
					  struct kvmft_verdict *verdict)
{
	return kvmft_memory_look(&standby->vm.memory, verdict) != KVMFT_MEMORY_CHANGED;
}

struct kvmft_vm *kvmft_standby_attach(struct kvmft_pair *pair,
				      const struct kvmft_vm_config *config,
				      kvmft_vm_notify_fn notify,
				      struct kvmft_verdict *verdict);
int kvmft_standby_begin(struct kvmft_vm *vm, u64 ceiling, struct kvmft_verdict *verdict);

/* For the files of the standby. */
void kvmft_standby_set_phase(struct kvmft_standby *standby, enum kvmft_standby_phase phase);
void kvmft_standby_go_to(struct kvmft_standby *standby, enum kvmft_standby_phase phase);
void kvmft_standby_fail(struct kvmft_standby *standby, struct kvmft_verdict *verdict);

/* takeover: when, and how. */
void kvmft_takeover_init(struct kvmft_standby *standby);
int kvmft_standby_promote(struct kvmft_vm *vm, u32 reason);
int kvmft_standby_exchange(struct kvmft_vm *vm);
void kvmft_standby_fenced(struct kvmft_vm *vm);
bool kvmft_standby_has_lost(struct kvmft_vm *vm);
u64 kvmft_standby_lease(struct kvmft_standby *standby);
u32 kvmft_standby_attached(struct kvmft_standby *standby, u64 claim);
void kvmft_standby_seal(struct kvmft_standby *standby, bool full);
void kvmft_standby_parted(struct kvmft_standby *standby, enum kvmft_loss loss);
bool kvmft_standby_released(struct kvmft_standby *standby);
void kvmft_standby_handed(struct kvmft_standby *standby, const struct kvmft_wire_switch *step,
			  u64 generation, u64 epoch);

#endif /* _KVMFT_STANDBY_H */
