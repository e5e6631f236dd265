/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm: a guest of this host that is attached: what its two roles have in common.
 *
 * Contract: reference counted; embedded in the structure of its role, which ops know.
 * From kvmft_vm_init() to kvmft_vm_disown() it holds its VMM, so that the files of the
 * VM and its vcpus are there. Its state changes under its lock, each change is told.
 */
#ifndef _KVMFT_VM_H
#define _KVMFT_VM_H

#include <linux/kref.h>
#include <linux/kvmft.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <net/net_namespace.h>

#include "histogram.h"
#include "kvmstate.h"
#include "memory.h"
#include "reason.h"

struct device;
struct file;
struct kvmft_pair;
struct kvmft_vm;
struct kvmft_vmm;
struct kvmft_wire_header;
struct workqueue_struct;

/**
 * enum kvmft_vm_time - what takes a guest's time, checkpoint by checkpoint
 * @KVMFT_TIME_PARKED: It stands still.
 * @KVMFT_TIME_TRANSFER: Of a primary, from the end of the harvest to the answer.
 * @KVMFT_TIME_APPLY: Of a standby, an epoch goes to the guest's memory.
 * @KVMFT_TIMES: How many there are.
 */
enum kvmft_vm_time {
	KVMFT_TIME_PARKED,
	KVMFT_TIME_TRANSFER,
	KVMFT_TIME_APPLY,
	KVMFT_TIMES,
};

/**
 * struct kvmft_vm_times - how long it took since the guest was attached, at one moment
 * @sum: All together, in ns.
 * @longest: The longest, in ns.
 * @classes: How many times up to each kvmft_histogram_bound(), and how many more.
 */
struct kvmft_vm_times {
	u64 sum;
	u64 longest;
	u64 classes[KVMFT_HISTOGRAM_CLASSES];
};

/**
 * struct kvmft_vm_progress - what a role knows of itself
 * @mode: &enum kvmft_vm_mode; 0 if it has none.
 * @promote: &enum kvmft_vm_promote; 0 if it has none.
 * @loss: &enum kvmft_vm_loss; 0 if it has none.
 * @rate: See &struct kvmft_vm_config.
 * @compress: &enum kvmft_vm_compress; 0 if it has none.
 * @exchanging: It is to be handed over, or to be taken.
 * @tracking: &enum kvmft_vm_tracking.
 * @generation: Rises with each promotion.
 * @epoch: The last one that was begun.
 * @committed: The last one that was committed.
 * @applied: Of a standby: the last one that is in the guest's memory.
 * @copy_done: Bytes of the full copy that were dealt with.
 * @copy_total: Bytes that there were.
 * @copy_round: How often it has begun anew.
 */
struct kvmft_vm_progress {
	u32 mode;
	u32 promote;
	u32 loss;
	u64 rate;
	u32 compress;
	bool exchanging;
	u32 tracking;
	u64 generation;
	u64 epoch;
	u64 committed;
	u64 applied;
	u64 copy_done;
	u64 copy_total;
	u32 copy_round;
};

/**
 * struct kvmft_vm_changes - what is to be changed about a guest
 * @mode: &enum kvmft_vm_mode, of a primary; 0 to leave it as it is.
 * @converge: A primary is to be stopped if its copy doesn't come to an end.
 * @promote: &enum kvmft_vm_promote, of a standby; 0 to leave it as it is.
 * @loss: &enum kvmft_vm_loss, of a primary; the same.
 * @fencing: &enum kvmft_vm_fencing; the same.
 * @rate: See &struct kvmft_vm_config; NULL to leave it as it is.
 * @compress: &enum kvmft_vm_compress, of a primary; 0 to leave it as it is.
 */
struct kvmft_vm_changes {
	u32 mode;
	bool converge;
	u32 promote;
	u32 loss;
	u32 fencing;
	const u64 *rate;
	u32 compress;
};

/**
 * struct kvmft_vm_ops - what a role does
 * @hook: One of its vcpus is in the hook: fill in what it is to do. In the vcpu's
 *	thread.
 * @ticket: Is there such a ticket, and may it leave? 1, 0, or -ENOENT.
 * @progress: Tell how it is.
 * @set: Change what isn't 0: 0, -EOPNOTSUPP if that is the other side's, -EPERM if it would
 *	go on alone without fencing.
 * @fenced: The other host is fenced: go on, if that is what was waited for.
 * @alone: Go on without a standby: 0, -EOPNOTSUPP if it never can, -EBUSY if it can't now.
 * @vmm_gone: Its VMM has ended, and lets nothing out any more. NULL if nobody has to know.
 * @leave: Have the other side know that this one lets go, and why (&enum kvmft_reason), so
 *	that it doesn't take over: 0, -ENOTCONN if it can't be told; -EBUSY if it takes over.
 * @exchange: Have the two hosts begin to exchange their roles: 0, or -ENOTCONN if the guest isn't
 *	protected. Doesn't wait for it.
 * @lost: Has it lost the other one? Under the lock.
 * @discard: It is never to run again, whoever else does.
 * @waiting: A thread of the VMM's has waited for a second for a standstill's end.
 * @stop: End all threads, and let vcpus go. Once.
 * @release: The last reference is gone.
 */
struct kvmft_vm_ops {
	int (*hook)(struct kvmft_vm *vm, u32 index, struct kvmft_hook *hook);
	int (*ticket)(struct kvmft_vm *vm, u64 ticket);
	void (*progress)(struct kvmft_vm *vm, struct kvmft_vm_progress *progress);
	int (*set)(struct kvmft_vm *vm, const struct kvmft_vm_changes *changes);
	void (*fenced)(struct kvmft_vm *vm);
	int (*alone)(struct kvmft_vm *vm);
	void (*vmm_gone)(struct kvmft_vm *vm);
	int (*leave)(struct kvmft_vm *vm, u32 reason);
	int (*exchange)(struct kvmft_vm *vm);
	bool (*lost)(struct kvmft_vm *vm);
	void (*discard)(struct kvmft_vm *vm);
	void (*waiting)(struct kvmft_vm *vm);
	void (*stop)(struct kvmft_vm *vm);
	void (*release)(struct kvmft_vm *vm);
};

typedef void (*kvmft_vm_notify_fn)(struct kvmft_vm *vm, u32 event);
typedef void (*kvmft_vm_succeed_fn)(struct kvmft_vm *vm, u32 mode);

/**
 * struct kvmft_vm_config - what a guest is attached with
 * @name: Its name.
 * @role: &enum kvmft_vm_role.
 * @mode: &enum kvmft_vm_mode.
 * @converge: Stop it if its copy doesn't come to an end.
 * @promote: &enum kvmft_vm_promote, of a standby.
 * @loss: &enum kvmft_vm_loss, of a primary.
 * @fencing: &enum kvmft_vm_fencing.
 * @rate: Bytes that a primary's full copy may send in a second; 0 for no limit.
 * @compress: &enum kvmft_vm_compress, of a primary.
 * @ceiling: Bytes that a standby may stage.
 * @pid: The VMM's process, or 0.
 * @vm_file: The VM.
 * @vcpu_files: Files of vcpus, in any order.
 * @vcpu_count: How many.
 * @msrs: MSRs of a vcpu's state.
 * @msr_count: How many.
 * @successor_to: A standby that was promoted, and that this primary takes the place of.
 */
struct kvmft_vm_config {
	const char *name;
	u32 role;
	u32 mode;
	bool converge;
	u32 promote;
	u32 loss;
	u32 fencing;
	u64 rate;
	u32 compress;
	u64 ceiling;
	u32 pid;
	struct file *vm_file;
	struct file **vcpu_files;
	u32 vcpu_count;
	const u32 *msrs;
	u32 msr_count;
	struct kvmft_vm *successor_to;
};

/**
 * struct kvmft_vm - a guest
 * @ref: References.
 * @list: In the registry, under its lock.
 * @device: In sysfs.
 * @net: Network namespace, which the registry keeps.
 * @name: Its name.
 * @role: &enum kvmft_vm_role.
 * @ops: What the role does.
 * @notify: Told about events.
 * @succeed: Of a standby that was promoted: puts a primary in its place, with a mode.
 * @queue: For work that may end it.
 * @pair: The pair; a reference.
 * @vmm: Its VMM; a reference.
 * @pid: The VMM's process, as whoever attached it called it.
 * @memory: Where its memory is.
 * @layout: The same as the body of LAYOUT.
 * @layout_len: Its length.
 * @config: The body of CONFIG, once @config_len says that there is one.
 * @config_len: Its length.
 * @kvmstate: What its state is made of.
 * @vcpu_count: Entries of @vcpu_files.
 * @vcpu_files: Files of its vcpus, in the order of KVM.
 * @hooked: Which of them have a thread in the hook.
 * @counters: By &enum kvmft_a_counter; what isn't counted there is 0.
 * @ending: Somebody is letting it go; under the registry's lock.
 * @telling: Serializes what is told of it.
 * @finished: Nothing is told any more, its network namespace may be gone; under @telling.
 * @lock: Protects all that follows.
 * @state: &enum kvmft_vm_state.
 * @verdict: Why.
 * @fencing: &enum kvmft_vm_fencing.
 * @fence: &enum kvmft_vm_fence, or 0.
 * @fence_token: Its number.
 * @elsewhere: The other host was told to run it.
 * @since: When the state was entered, CLOCK_BOOTTIME in ns.
 * @committed_at: When an epoch was last committed, CLOCK_BOOTTIME in ns; 0 if none was.
 * @times: What took how long, by &enum kvmft_vm_time.
 */
struct kvmft_vm {
	struct kref ref;
	struct list_head list;
	struct device *device;
	struct net *net;
	char name[KVMFT_VM_NAME_MAX + 1];
	u32 role;
	const struct kvmft_vm_ops *ops;
	kvmft_vm_notify_fn notify;
	kvmft_vm_succeed_fn succeed;
	struct workqueue_struct *queue;
	struct kvmft_pair *pair;
	struct kvmft_vmm *vmm;
	pid_t pid;
	struct kvmft_memory memory;
	u8 *layout;
	u32 layout_len;
	u8 *config;
	u32 config_len;
	struct kvmft_kvmstate kvmstate;
	u32 vcpu_count;
	struct file **vcpu_files;
	DECLARE_BITMAP(hooked, KVMFT_VCPUS_MAX);
	atomic64_t counters[KVMFT_A_COUNTER_MAX + 1];
	bool ending;
	struct mutex telling;	/* events, see there */
	bool finished;

	spinlock_t lock;	/* what follows */
	u32 state;
	struct kvmft_verdict verdict;
	u32 fencing;
	u32 fence;
	u64 fence_token;
	bool elsewhere;
	u64 since;
	u64 committed_at;
	struct kvmft_histogram times[KVMFT_TIMES];
};

int kvmft_vm_init(struct kvmft_vm *vm, const struct kvmft_vm_ops *ops,
		  struct kvmft_pair *pair, const struct kvmft_vm_config *config,
		  kvmft_vm_notify_fn notify, struct kvmft_verdict *verdict);
struct kvmft_vm *kvmft_vm_get(struct kvmft_vm *vm);
void kvmft_vm_put(struct kvmft_vm *vm);
void kvmft_vm_disown(struct kvmft_vm *vm);

int kvmft_vm_configure(struct kvmft_vm *vm, struct kvmft_verdict *verdict);
int kvmft_vm_compare(struct kvmft_vm *vm, const struct kvmft_wire_header *header,
		     const u8 *body, struct kvmft_verdict *verdict);

u32 kvmft_vm_state(struct kvmft_vm *vm);
bool kvmft_vm_move(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict);
void kvmft_vm_moved(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict);
void kvmft_vm_enter(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict);
void kvmft_vm_tell(struct kvmft_vm *vm, u32 event);
void kvmft_vm_finish(struct kvmft_vm *vm);
void kvmft_vm_retire(struct kvmft_vm *vm);
void kvmft_vm_add_time(struct kvmft_vm *vm, enum kvmft_vm_time time, u64 ns);
void kvmft_vm_times(struct kvmft_vm *vm, enum kvmft_vm_time time,
		    struct kvmft_vm_times *times);
u64 kvmft_vm_counter(struct kvmft_vm *vm, u32 counter);
s64 kvmft_vm_committed_age(struct kvmft_vm *vm);

static inline void kvmft_vm_count(struct kvmft_vm *vm, u32 counter, u64 much)
{
	atomic64_add(much, &vm->counters[counter]);
}

static inline void kvmft_vm_note(struct kvmft_vm *vm, u32 counter, u64 value)
{
	atomic64_set(&vm->counters[counter], value);
}

const char *kvmft_vm_state_name(u32 state);

#endif /* _KVMFT_VM_H */
