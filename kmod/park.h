/* SPDX-License-Identifier: GPL-2.0 */
/*
 * park: brings all vcpus and device threads of a guest to a standstill, and lets them
 * go on.
 *
 * Contract: one vcpu at a time leads. It begins, and from then on each vcpu that comes
 * to the hook stays. When all have come, the leader calls them to save their state,
 * each in its own thread, and at the end lets all go. Anybody can close the park,
 * which lets all go for good. Waiting here can be interrupted by signals, after
 * which the same call goes on where it was.
 */
#ifndef _KVMFT_PARK_H
#define _KVMFT_PARK_H

#include <linux/spinlock.h>
#include <linux/types.h>

struct kvm_vcpu;
struct kvmft_vmm;

/**
 * enum kvmft_park_phase - how far it is
 * @KVMFT_PARK_GO: The guest runs.
 * @KVMFT_PARK_GATHER: Vcpus come and stay.
 * @KVMFT_PARK_SAVE: All are there; each saves its state.
 * @KVMFT_PARK_STILL: All have saved.
 */
enum kvmft_park_phase {
	KVMFT_PARK_GO,
	KVMFT_PARK_GATHER,
	KVMFT_PARK_SAVE,
	KVMFT_PARK_STILL,
};

/**
 * struct kvmft_parked - a vcpu
 * @vcpu: KVM's, which whoever owns the park holds.
 * @here: It stays in the hook.
 * @saved: It has saved its state.
 */
struct kvmft_parked {
	struct kvm_vcpu *vcpu;
	bool here;
	bool saved;
};

/**
 * struct kvmft_park - all vcpus of a guest
 * @name: The guest's, for traces.
 * @vmm: Its VMM, in whose area the flag and the device threads are.
 * @count: Entries of @vcpus.
 * @vcpus: In the order of KVM.
 * @kicks: How often a vcpu had to be kicked once more.
 * @lock: Protects all that follows, and the flags of @vcpus.
 * @phase: See there.
 * @leader: Which vcpu leads; -1 for none yet.
 * @round: Counts standstills.
 * @here: Vcpus that are here.
 * @saved: Vcpus that have saved.
 * @begun: When it began, CLOCK_MONOTONIC in ns.
 * @closed: It is over.
 */
struct kvmft_park {
	const char *name;
	struct kvmft_vmm *vmm;
	u32 count;
	struct kvmft_parked *vcpus;
	atomic64_t kicks;

	spinlock_t lock;	/* what follows */
	enum kvmft_park_phase phase;
	int leader;
	u64 round;
	u32 here;
	u32 saved;
	u64 begun;
	bool closed;
};

int kvmft_park_init(struct kvmft_park *park, const char *name, struct kvmft_vmm *vmm,
		    u32 count);
void kvmft_park_destroy(struct kvmft_park *park);
void kvmft_park_close(struct kvmft_park *park);
void kvmft_park_halt(struct kvmft_park *park);

void kvmft_park_call(struct kvmft_park *park);
bool kvmft_park_lead(struct kvmft_park *park, u32 index, bool begin);
int kvmft_park_gather(struct kvmft_park *park);
void kvmft_park_save(struct kvmft_park *park);
void kvmft_park_saved(struct kvmft_park *park, u32 index);
int kvmft_park_still(struct kvmft_park *park);
u64 kvmft_park_go(struct kvmft_park *park);
bool kvmft_park_abandoned(struct kvmft_park *park);

bool kvmft_park_stay(struct kvmft_park *park, u32 index, u64 *round);
int kvmft_park_wait(struct kvmft_park *park, u32 index, u64 round, bool *save);

/* Sleeps until @done is true; 0, -ERESTARTSYS for a signal, -ETIMEDOUT at the deadline. */
int kvmft_park_sleep(struct kvmft_vmm *vmm, bool (*done)(void *context),
		     void *context, unsigned long deadline);

#endif /* _KVMFT_PARK_H */
