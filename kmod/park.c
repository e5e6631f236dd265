// SPDX-License-Identifier: GPL-2.0
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "compat.h"
#include "fault.h"
#include "park.h"
#include "trace.h"
#include "vmm.h"

/* How often vcpus that aren't there yet are kicked again. */
#define KICK_INTERVAL max(HZ / 250, 1)

/* How long a VMM may take to bring all its threads to the hook. */
#define GATHER_TIMEOUT (20 * NSEC_PER_SEC)
#define LEAD_TIMEOUT (30 * NSEC_PER_SEC)
#define SAVE_TIMEOUT (20 * HZ)

/* How often to look for signals where a wake-up for them can't be had. */
#define SIGNAL_INTERVAL max(HZ / 20, 1)

/**
 * kvmft_park_init() - make a park whose guest runs
 * @park: the park
 * @name: the guest's; stays
 * @vmm: the guest's VMM
 * @count: how many vcpus it has; the caller fills them in
 *
 * Return: 0 or -ENOMEM
 */
int kvmft_park_init(struct kvmft_park *park, const char *name, struct kvmft_vmm *vmm,
		    u32 count)
{
	park->vcpus = kcalloc(count, sizeof(*park->vcpus), GFP_KERNEL_ACCOUNT);
	if (!park->vcpus)
		return -ENOMEM;
	park->name = name;
	park->vmm = vmm;
	park->count = count;
	park->leader = -1;
	spin_lock_init(&park->lock);
	return 0;
}

/**
 * kvmft_park_destroy() - free what a park has
 * @park: the park, or a zeroed structure
 */
void kvmft_park_destroy(struct kvmft_park *park)
{
	kfree(park->vcpus);
	park->vcpus = NULL;
}

/* Has kicks come late, for a test. */
static void dawdle(void)
{
	int ms = -kvmft_fault(KVMFT_FAULT_KICK);

	if (ms)
		usleep_range(0, get_random_u32() % ms * USEC_PER_MSEC + 1);
}

/*
 * TIF_NOTIFY_SIGNAL makes KVM_RUN return, but any return to user mode clears it: one
 * between the hook and KVM_RUN, too. That gap is closed by immediate_exit, which
 * only the vcpu's own thread clears, before it looks at the flag in the area.
 */
static void kick(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;

	dawdle();
	WRITE_ONCE(kvmft_immediate_exit(vcpu->run), 1);
	dawdle();
	/* Pairs with the fence in kvmft_hook(). */
	smp_mb();
	rcu_read_lock();
	task = pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
	if (task)
		set_tsk_thread_flag(task, TIF_NOTIFY_SIGNAL);
	rcu_read_unlock();
	kvm_vcpu_kick(vcpu);
}

static void kick_missing(struct kvmft_park *park, bool again)
{
	u32 i;

	for (i = 0; i < park->count; i++) {
		if (READ_ONCE(park->vcpus[i].here))
			continue;
		if (again)
			atomic64_inc(&park->kicks);
		kick(park->vcpus[i].vcpu);
	}
}

/* To be called with the lock: everybody has to come. */
static void begin(struct kvmft_park *park, int leader)
{
	u32 i;

	lockdep_assert_held(&park->lock);
	park->phase = KVMFT_PARK_GATHER;
	park->leader = leader;
	park->round++;
	park->here = 0;
	park->saved = 0;
	park->begun = ktime_get_ns();
	for (i = 0; i < park->count; i++) {
		WRITE_ONCE(park->vcpus[i].here, false);
		park->vcpus[i].saved = false;
	}
	/* Pairs with kvmft_enter(): it counts itself, then looks at this. */
	smp_store_mb(park->vmm->area->park, 1);
	trace_kvmft_park(park->name, park->round, 0, 0);
}

/**
 * kvmft_park_call() - have some vcpu lead
 * @park: the park
 *
 * The first one that comes to the hook will.
 */
void kvmft_park_call(struct kvmft_park *park)
{
	bool begun = false;

	spin_lock(&park->lock);
	if (park->phase == KVMFT_PARK_GO && !park->closed) {
		begin(park, -1);
		begun = true;
	}
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
	kick_missing(park, !begun);
}

/**
 * kvmft_park_lead() - become the leader
 * @park: the park
 * @index: the calling thread's vcpu
 * @may_begin: begin a standstill if there is none
 *
 * Return: whether it leads, if only since before
 */
bool kvmft_park_lead(struct kvmft_park *park, u32 index, bool may_begin)
{
	bool begun = false;
	bool leads;

	spin_lock(&park->lock);
	if (park->phase == KVMFT_PARK_GO && may_begin && !park->closed) {
		begin(park, index);
		begun = true;
	} else if (park->phase == KVMFT_PARK_GATHER && park->leader < 0) {
		park->leader = index;
	}
	leads = park->phase != KVMFT_PARK_GO && park->leader == (int)index;
	if (leads && !park->vcpus[index].here) {
		WRITE_ONCE(park->vcpus[index].here, true);
		park->here++;
	}
	spin_unlock(&park->lock);
	if (begun) {
		wake_up_all(&park->vmm->wait);
		kick_missing(park, false);
	}
	return leads;
}

static bool all_here(void *context)
{
	struct kvmft_park *park = context;

	return READ_ONCE(park->closed) ||
	       (READ_ONCE(park->here) == park->count &&
		!READ_ONCE(park->vmm->area->devices));
}

/**
 * kvmft_park_sleep() - wait in a vcpu's thread
 * @vmm: its VMM, whose queue is waited on
 * @done: until this is true
 * @context: passed on to @done
 * @deadline: jiffies until when at most
 *
 * While TIF_NOTIFY_SIGNAL is set, which a kick does, sleep that signals interrupt is no
 * sleep at all; and the flag isn't ours to clear.
 *
 * Return: 0, -ERESTARTSYS for a signal, -ETIMEDOUT
 */
int kvmft_park_sleep(struct kvmft_vmm *vmm, bool (*done)(void *context),
		     void *context, unsigned long deadline)
{
	while (!done(context)) {
		long left = deadline - jiffies;

		if (task_sigpending(current))
			return -ERESTARTSYS;
		if (left <= 0)
			return -ETIMEDOUT;
		if (test_thread_flag(TIF_NOTIFY_SIGNAL))
			wait_event_killable_timeout(vmm->wait, done(context),
						    min_t(long, left, SIGNAL_INTERVAL));
		else
			wait_event_interruptible_timeout(vmm->wait, done(context), left);
	}
	return 0;
}

/**
 * kvmft_park_gather() - wait until all are here
 * @park: the park; the caller leads
 *
 * Return: 0, -ERESTARTSYS, -ESHUTDOWN if it was closed, -ETIMEDOUT if a thread doesn't
 * come
 */
int kvmft_park_gather(struct kvmft_park *park)
{
	int err;

	for (;;) {
		err = kvmft_park_sleep(park->vmm, all_here, park,
				       jiffies + KICK_INTERVAL);
		if (err != -ETIMEDOUT ||
		    ktime_get_ns() - park->begun > GATHER_TIMEOUT)
			break;
		kick_missing(park, true);
	}
	if (!err && READ_ONCE(park->closed))
		err = -ESHUTDOWN;
	if (!err)
		trace_kvmft_parked(park->name, park->round,
				   ktime_get_ns() - park->begun, 0);
	return err;
}

/**
 * kvmft_park_save() - have all vcpus save their state
 * @park: the park, where all are; the caller leads
 */
void kvmft_park_save(struct kvmft_park *park)
{
	spin_lock(&park->lock);
	if (park->phase == KVMFT_PARK_GATHER)
		park->phase = KVMFT_PARK_SAVE;
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
}

/**
 * kvmft_park_saved() - this vcpu has
 * @park: the park
 * @index: the vcpu
 */
void kvmft_park_saved(struct kvmft_park *park, u32 index)
{
	spin_lock(&park->lock);
	if (park->phase == KVMFT_PARK_SAVE && !park->vcpus[index].saved) {
		park->vcpus[index].saved = true;
		park->saved++;
	}
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
}

static bool all_saved(void *context)
{
	struct kvmft_park *park = context;

	return READ_ONCE(park->closed) || READ_ONCE(park->saved) == park->count;
}

/**
 * kvmft_park_still() - wait until all have saved
 * @park: the park; the caller leads
 *
 * Return: as kvmft_park_gather()
 */
int kvmft_park_still(struct kvmft_park *park)
{
	int err = kvmft_park_sleep(park->vmm, all_saved, park,
				   jiffies + SAVE_TIMEOUT);

	if (!err && READ_ONCE(park->closed))
		return -ESHUTDOWN;
	if (!err) {
		spin_lock(&park->lock);
		park->phase = KVMFT_PARK_STILL;
		spin_unlock(&park->lock);
		trace_kvmft_saved(park->name, park->round,
				  ktime_get_ns() - park->begun, 0);
	}
	return err;
}

/**
 * kvmft_park_go() - let all go on
 * @park: the park
 *
 * Return: for how many ns they stood still
 */
u64 kvmft_park_go(struct kvmft_park *park)
{
	u64 ns = 0;

	spin_lock(&park->lock);
	if (park->phase != KVMFT_PARK_GO) {
		ns = ktime_get_ns() - park->begun;
		trace_kvmft_unpark(park->name, park->round, ns, 0);
		park->phase = KVMFT_PARK_GO;
		park->leader = -1;
		WRITE_ONCE(park->vmm->area->park, 0);
	}
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
	return ns;
}

/**
 * kvmft_park_abandoned() - is there a standstill that nobody brings to an end?
 * @park: the park
 *
 * A leader that stays away, in the VMM or because no vcpu comes at all, has nobody who
 * waits for it with a limit.
 *
 * Return: whether
 */
bool kvmft_park_abandoned(struct kvmft_park *park)
{
	bool abandoned;

	spin_lock(&park->lock);
	abandoned = (park->phase == KVMFT_PARK_GATHER ||
		     park->phase == KVMFT_PARK_SAVE) &&
		    ktime_get_ns() - park->begun > LEAD_TIMEOUT;
	spin_unlock(&park->lock);
	return abandoned;
}

/**
 * kvmft_park_close() - let all go on, and never stop them again
 * @park: the park
 */
void kvmft_park_close(struct kvmft_park *park)
{
	spin_lock(&park->lock);
	WRITE_ONCE(park->closed, true);
	spin_unlock(&park->lock);
	kvmft_park_go(park);
}

/**
 * kvmft_park_halt() - have all come, and never let them go
 * @park: the park
 *
 * Who waits in the hook is let out of its wait: it has to find out for itself. To be
 * called once.
 */
void kvmft_park_halt(struct kvmft_park *park)
{
	u32 i;

	kvmft_park_close(park);
	spin_lock(&park->lock);
	/* Pairs with kvmft_enter(), as in begin(). */
	smp_store_mb(park->vmm->area->park, 1);
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
	for (i = 0; i < park->count; i++)
		kick(park->vcpus[i].vcpu);
}

/**
 * kvmft_park_stay() - a vcpu that doesn't lead has come
 * @park: the park
 * @index: the vcpu
 * @round: result: in which round it stays
 *
 * Return: whether it stays; otherwise the guest runs
 */
bool kvmft_park_stay(struct kvmft_park *park, u32 index, u64 *round)
{
	bool stays;

	spin_lock(&park->lock);
	stays = park->phase != KVMFT_PARK_GO;
	*round = park->round;
	if (stays && !park->vcpus[index].here) {
		WRITE_ONCE(park->vcpus[index].here, true);
		park->here++;
	}
	spin_unlock(&park->lock);
	wake_up_all(&park->vmm->wait);
	return stays;
}

/* A vcpu, and what it waits for. */
struct staying {
	struct kvmft_park *park;
	u32 index;
	u64 round;
};

static bool called(void *context)
{
	struct staying *staying = context;
	struct kvmft_park *park = staying->park;

	return READ_ONCE(park->phase) == KVMFT_PARK_GO ||
	       READ_ONCE(park->round) != staying->round ||
	       (READ_ONCE(park->phase) == KVMFT_PARK_SAVE &&
		!READ_ONCE(park->vcpus[staying->index].saved));
}

/**
 * kvmft_park_wait() - wait until there is something to do for this vcpu
 * @park: the park
 * @index: the vcpu, which stays
 * @round: in this round
 * @save: result: it is to save its state; otherwise it may go
 *
 * Return: 0, -ERESTARTSYS for a signal, -ETIMEDOUT after a second of nothing
 */
int kvmft_park_wait(struct kvmft_park *park, u32 index, u64 round, bool *save)
{
	struct staying staying = { park, index, round };
	int err;

	err = kvmft_park_sleep(park->vmm, called, &staying, jiffies + HZ);
	if (err)
		return err;

	spin_lock(&park->lock);
	*save = park->phase == KVMFT_PARK_SAVE && park->round == round &&
		!park->vcpus[index].saved;
	spin_unlock(&park->lock);
	return 0;
}
