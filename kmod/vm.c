// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "compat.h"
#include "fault.h"
#include "kvmconfig.h"
#include "layout.h"
#include "pair.h"
#include "role.h"
#include "trace.h"
#include "vm.h"
#include "vmm.h"
#include "wire.h"

static void vm_free(struct kref *ref)
{
	struct kvmft_vm *vm = container_of(ref, struct kvmft_vm, ref);

	vm->ops->release(vm);
}

/**
 * kvmft_vm_get() - take a reference
 * @vm: the guest
 *
 * Return: @vm
 */
struct kvmft_vm *kvmft_vm_get(struct kvmft_vm *vm)
{
	kref_get(&vm->ref);
	return vm;
}

/**
 * kvmft_vm_put() - give a reference back
 * @vm: the guest, or NULL
 *
 * Context: may sleep
 */
void kvmft_vm_put(struct kvmft_vm *vm)
{
	if (vm)
		kref_put(&vm->ref, vm_free);
}

/**
 * kvmft_vm_disown() - give back all that the guest holds
 * @vm: the guest, whose threads have ended
 */
void kvmft_vm_disown(struct kvmft_vm *vm)
{
	u32 i;

	for (i = 0; i < vm->vcpu_count; i++) {
		if (vm->vcpu_files[i])
			fput(vm->vcpu_files[i]);
	}
	kfree(vm->vcpu_files);
	vm->vcpu_files = NULL;
	vm->vcpu_count = 0;
	kvmft_kvmstate_destroy(&vm->kvmstate);
	kvfree(vm->config);
	kvfree(vm->layout);
	kvmft_memory_drop(&vm->memory);
	kvmft_vmm_put(vm->vmm);
	vm->vmm = NULL;
	kvmft_pair_put(vm->pair);
	vm->pair = NULL;
}

/*
 * A vcpu's statistics have a file with the same private data; so does anything that
 * KVM may come to have. Only the vcpu's own can be run and mapped.
 */
static bool is_vcpu_file(struct file *file, struct kvm_vcpu *vcpu,
			 const struct file_operations *operations)
{
	return file->private_data == vcpu && file->f_op->unlocked_ioctl &&
	       file->f_op->mmap && (!operations || file->f_op == operations);
}

static struct file *find_vcpu_file(const struct kvmft_vm_config *config,
				   struct kvm_vcpu *vcpu,
				   const struct file_operations *operations)
{
	u32 i;

	for (i = 0; i < config->vcpu_count; i++) {
		if (is_vcpu_file(config->vcpu_files[i], vcpu, operations))
			return config->vcpu_files[i];
	}
	return NULL;
}

static int take_vcpus(struct kvmft_vm *vm, const struct kvmft_vm_config *config,
		      struct kvmft_verdict *verdict)
{
	const struct file_operations *operations = NULL;
	struct kvm *kvm = vm->vmm->kvm;
	u32 count = atomic_read(&kvm->online_vcpus);
	struct kvm_vcpu *vcpu;
	struct file *file;
	u32 i;

	if (!count || count > vm->vmm->vcpus) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "it has %u vcpus, and said that it would have up to %u",
				   count, vm->vmm->vcpus);
		return -EINVAL;
	}
	vm->vcpu_files = kcalloc(count, sizeof(*vm->vcpu_files), GFP_KERNEL_ACCOUNT);
	if (!vm->vcpu_files)
		return -ENOMEM;
	vm->vcpu_count = count;

	/* Pairs with the barrier in kvm_vm_ioctl_create_vcpu(). */
	smp_rmb();
	for (i = 0; i < count; i++) {
		vcpu = kvm_get_vcpu(kvm, i);
		file = vcpu ? find_vcpu_file(config, vcpu, operations) : NULL;
		if (!file) {
			kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
					   "the descriptor of vcpu %u wasn't given",
					   vcpu ? vcpu->vcpu_id : i);
			return -EBADF;
		}
		operations = file->f_op;
		vm->vcpu_files[i] = get_file(file);
	}
	return 0;
}

/* The VMM that has bound this VM. */
static int take_vmm(struct kvmft_vm *vm, const struct kvmft_vm_config *config,
		    struct kvmft_verdict *verdict)
{
	bool standby = config->role == KVMFT_VM_STANDBY;

	if (!file_is_kvm(config->vm_file)) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "the descriptor isn't that of a VM");
		return -EBADF;
	}
	vm->vmm = kvmft_vmm_find(config->vm_file->private_data);
	if (!vm->vmm) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "it hasn't bound its VM to /dev/kvmft; is it a VMM with kvmft's hook?");
		return -ENXIO;
	}
	/* Before a look at its slots, which the other one has changed. */
	if (READ_ONCE(vm->vmm->guest) != config->successor_to) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "this VM is attached already, under another name");
		return -EBUSY;
	}
	if (!READ_ONCE(vm->vmm->user)) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "it hasn't mapped the shared area");
		return -ENXIO;
	}
	if (READ_ONCE(vm->vmm->condemned)) {
		kvmft_judge_saying(verdict, KVMFT_REASON_SUPERSEDED,
				   "it was stopped for good, since the other host runs its guest, or may; start another VMM");
		return -ESTALE;
	}
	/* One that was promoted is as any other. */
	if (standby != READ_ONCE(vm->vmm->waits)) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM, "it %s a standby that waits",
				   standby ? "isn't" : "is");
		return -EINVAL;
	}
	return 0;
}

/**
 * kvmft_vm_init() - begin with a guest that nothing is done for yet
 * @vm: inside a zeroed structure of the role's
 * @ops: what the role does
 * @pair: the pair
 * @config: what it is attached with
 * @notify: told about events
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: 0, after which the last kvmft_vm_put() ends in release(); or a negative
 * errno, mostly with a verdict, after which nothing is left
 */
int kvmft_vm_init(struct kvmft_vm *vm, const struct kvmft_vm_ops *ops,
		  struct kvmft_pair *pair, const struct kvmft_vm_config *config,
		  kvmft_vm_notify_fn notify, struct kvmft_verdict *verdict)
{
	u64 end = 0;
	int err;
	u32 i;

	err = kvmft_fault(KVMFT_FAULT_VM_ALLOC);
	if (err)
		return err;
	kref_init(&vm->ref);
	INIT_LIST_HEAD(&vm->list);
	spin_lock_init(&vm->lock);
	mutex_init(&vm->telling);
	vm->ops = ops;
	vm->notify = notify;
	vm->net = pair->net;
	vm->pair = kvmft_pair_get(pair);
	vm->role = config->role;
	vm->pid = config->pid;
	strscpy(vm->name, config->name, sizeof(vm->name));
	vm->state = KVMFT_VM_WAITING_PEER;
	vm->fencing = config->fencing;
	vm->since = ktime_get_boottime_ns();

	err = take_vmm(vm, config, verdict) ?:
	      take_vcpus(vm, config, verdict) ?:
	      kvmft_memory_take(&vm->memory, vm->vmm->kvm, verdict);
	if (err)
		goto err_disown;
	if (config->role == KVMFT_VM_PRIMARY && READ_ONCE(vm->vmm->alone))
		vm->state = KVMFT_VM_SOLO;

	if (vm->vmm->kvm->dirty_ring_size &&
	    kvm_dirty_log_manual_protect_and_init_set(vm->vmm->kvm)) {
		kvmft_judge_saying(verdict, KVMFT_REASON_CONFIG,
				   "its dirty rings would begin with all pages; leave KVM_DIRTY_LOG_INITIALLY_SET out");
		err = -EOPNOTSUPP;
		goto err_disown;
	}
	kvmft_memory_find_files(&vm->memory, vm->vmm->mm);
	for (i = 0; i < vm->memory.range_count; i++)
		end = max(end, vm->memory.ranges[i].gfn + vm->memory.ranges[i].pages);
	if (end > vm->vmm->gpa_end >> PAGE_SHIFT) {
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "memory reaches up to %#llx, and it said %#llx",
				   end << PAGE_SHIFT, vm->vmm->gpa_end);
		err = -EINVAL;
		goto err_disown;
	}
	err = kvmft_kvmstate_init(&vm->kvmstate, vm->vmm->kvm,
				  config->msrs, config->msr_count,
				  vm->vmm->flags & KVMFT_BIND_COVERED, verdict);
	if (err)
		goto err_disown;
	vm->layout = kvmft_layout_build(&vm->memory, &vm->layout_len);
	vm->config = kvzalloc(KVMFT_WIRE_BODY_MAX, GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!vm->layout || !vm->config)
		goto err_disown;
	return 0;

err_disown:
	kvmft_vm_disown(vm);
	return err;
}

/**
 * kvmft_vm_configure() - find out what the other host's guest must have, too
 * @vm: the guest
 * @verdict: why it can't be found out
 *
 * Context: in a vcpu's thread, while no vcpu is in KVM_RUN, once
 *
 * Return: 0 or a negative errno
 */
int kvmft_vm_configure(struct kvmft_vm *vm, struct kvmft_verdict *verdict)
{
	struct kvmft_config_cpuid **vcpus;
	int err = -ENOMEM;
	u32 len, i;

	vcpus = kcalloc(vm->vcpu_count, sizeof(*vcpus), GFP_KERNEL);
	if (!vcpus)
		goto out;
	for (i = 0; i < vm->vcpu_count; i++) {
		vcpus[i] = kvmft_kvmconfig_collect(vm->vcpu_files[i]->private_data,
						   verdict);
		if (!vcpus[i])
			goto out;
	}
	err = kvmft_kvmconfig_build(&vm->kvmstate, vm->vmm->kvm, vcpus, vm->vcpu_count,
				    vm->config, KVMFT_WIRE_BODY_MAX, &len, verdict);
	if (!err)
		/* Who sees the length sees the body. */
		smp_store_release(&vm->config_len, len);
out:
	for (i = 0; vcpus && i < vm->vcpu_count; i++)
		kvfree(vcpus[i]);
	kfree(vcpus);
	if (err)
		kvmft_judge(verdict, KVMFT_REASON_MEMORY);
	return err;
}

/**
 * kvmft_vm_compare() - is the other host's guest like this one?
 * @vm: the guest, after kvmft_vm_configure()
 * @header: of LAYOUT or CONFIG
 * @body: its body, well-formed
 * @verdict: how they differ
 *
 * Return: 0 or a negative errno
 */
int kvmft_vm_compare(struct kvmft_vm *vm, const struct kvmft_wire_header *header,
		     const u8 *body, struct kvmft_verdict *verdict)
{
	if (header->type == KVMFT_WIRE_LAYOUT)
		return kvmft_layout_compare(vm->layout, body, header->body, verdict);
	return kvmft_kvmconfig_compare(vm->config, vm->config_len, body, header->body,
				       verdict);
}

static const char *const state_names[] = {
	[KVMFT_VM_WAITING_PEER] = "waiting-peer",
	[KVMFT_VM_SYNCING] = "syncing",
	[KVMFT_VM_PROTECTED] = "protected",
	[KVMFT_VM_HELD] = "held",
	[KVMFT_VM_UNPROTECTED] = "unprotected",
	[KVMFT_VM_PROMOTING] = "promoting",
	[KVMFT_VM_SOLO] = "solo",
	[KVMFT_VM_FENCED] = "fenced",
};

/**
 * kvmft_vm_state_name() - what a state is called
 * @state: &enum kvmft_vm_state
 *
 * Return: one word
 */
const char *kvmft_vm_state_name(u32 state)
{
	return state && state < ARRAY_SIZE(state_names) ? state_names[state] : "none";
}

/**
 * kvmft_vm_state() - how is it with the guest?
 * @vm: the guest
 *
 * Return: &enum kvmft_vm_state
 */
u32 kvmft_vm_state(struct kvmft_vm *vm)
{
	return READ_ONCE(vm->state);
}

/**
 * kvmft_vm_move() - note how it is with the guest now
 * @vm: the guest
 * @state: &enum kvmft_vm_state
 * @verdict: why, or NULL
 *
 * A guest that can't be protected any more, or has been fenced, stays so; but one that
 * isn't protected can still be fenced.
 *
 * Context: under the VM's lock, with all that the state depends on
 *
 * Return: whether that is news, so that kvmft_vm_moved() is to follow, without the lock
 */
bool kvmft_vm_move(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict)
{
	bool changed;

	lockdep_assert_held(&vm->lock);
	if (vm->state == KVMFT_VM_FENCED ||
	    (vm->state == KVMFT_VM_UNPROTECTED && state != KVMFT_VM_FENCED))
		return false;
	WARN_ON_ONCE(vm->state != state && !kvmft_role_find(vm->role, vm->state, state));
	changed = vm->state != state ||
		  vm->verdict.reason != (verdict ? verdict->reason : 0);
	if (vm->state != state)
		vm->since = ktime_get_boottime_ns();
	WRITE_ONCE(vm->state, state);
	if (verdict)
		vm->verdict = *verdict;
	else
		memset(&vm->verdict, 0, sizeof(vm->verdict));
	return changed;
}

/**
 * kvmft_vm_moved() - tell how it is with the guest
 * @vm: the guest
 * @state: as given to kvmft_vm_move()
 * @verdict: the same
 */
void kvmft_vm_moved(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict)
{
	trace_kvmft_vm_state(vm->name, state, verdict ? verdict->reason : 0);
	pr_info("guest %s: %s%s%s\n", vm->name, kvmft_vm_state_name(state),
		verdict ? ": " : "", verdict ? verdict->text : "");
	kvmft_vm_tell(vm, KVMFT_VM_CHANGED);
}

/**
 * kvmft_vm_enter() - note how it is with the guest now, and tell
 * @vm: the guest
 * @state: &enum kvmft_vm_state
 * @verdict: why, or NULL
 */
void kvmft_vm_enter(struct kvmft_vm *vm, u32 state, const struct kvmft_verdict *verdict)
{
	bool changed;

	spin_lock(&vm->lock);
	changed = kvmft_vm_move(vm, state, verdict);
	spin_unlock(&vm->lock);
	if (changed)
		kvmft_vm_moved(vm, state, verdict);
}

/**
 * kvmft_vm_tell() - tell of an event, unless nothing is told any more
 * @vm: the guest
 * @event: &enum kvmft_vm_event
 */
void kvmft_vm_tell(struct kvmft_vm *vm, u32 event)
{
	mutex_lock(&vm->telling);
	if (!vm->finished)
		vm->notify(vm, event);
	mutex_unlock(&vm->telling);
}

/**
 * kvmft_vm_finish() - tell that the guest isn't attached any more, and nothing after that
 * @vm: the guest
 *
 * Threads of its VMM may still be in the hook, and find that something fails.
 */
void kvmft_vm_finish(struct kvmft_vm *vm)
{
	mutex_lock(&vm->telling);
	if (!vm->finished)
		vm->notify(vm, KVMFT_VM_DETACHED);
	vm->finished = true;
	mutex_unlock(&vm->telling);
}

/**
 * kvmft_vm_retire() - tell nothing more of the guest, since another one has its place
 * @vm: the guest
 */
void kvmft_vm_retire(struct kvmft_vm *vm)
{
	mutex_lock(&vm->telling);
	vm->finished = true;
	mutex_unlock(&vm->telling);
}

static_assert(KVMFT_TIMES_FIRST == 1 << KVMFT_HISTOGRAM_FIRST);

/* The counters that are made of each time. */
static const struct {
	u32 last;
	u32 p50;
	u32 p99;
} time_counters[KVMFT_TIMES] = {
	[KVMFT_TIME_PARKED] = {
		KVMFT_A_COUNTER_PARKED_LAST,
		KVMFT_A_COUNTER_PARKED_P50,
		KVMFT_A_COUNTER_PARKED_P99,
	},
	[KVMFT_TIME_TRANSFER] = {
		KVMFT_A_COUNTER_TRANSFER_LAST,
		KVMFT_A_COUNTER_TRANSFER_P50,
		KVMFT_A_COUNTER_TRANSFER_P99,
	},
	[KVMFT_TIME_APPLY] = {
		KVMFT_A_COUNTER_APPLY_LAST,
		KVMFT_A_COUNTER_APPLY_P50,
		KVMFT_A_COUNTER_APPLY_P99,
	},
};

/**
 * kvmft_vm_add_time() - something has taken time
 * @vm: the guest
 * @time: what
 * @ns: how much
 */
void kvmft_vm_add_time(struct kvmft_vm *vm, enum kvmft_vm_time time, u64 ns)
{
	kvmft_vm_note(vm, time_counters[time].last, ns);
	spin_lock(&vm->lock);
	kvmft_histogram_add(&vm->times[time], ns);
	spin_unlock(&vm->lock);
}

/**
 * kvmft_vm_times() - how much time has it taken?
 * @vm: the guest
 * @time: what
 * @times: result, of one moment
 */
void kvmft_vm_times(struct kvmft_vm *vm, enum kvmft_vm_time time,
		    struct kvmft_vm_times *times)
{
	const struct kvmft_histogram *histogram = &vm->times[time];

	spin_lock(&vm->lock);
	times->sum = histogram->sum;
	times->longest = histogram->longest;
	kvmft_histogram_fold(histogram, times->classes);
	spin_unlock(&vm->lock);
}

static u64 percentile(struct kvmft_vm *vm, enum kvmft_vm_time time, u32 percent)
{
	u64 ns;

	spin_lock(&vm->lock);
	ns = kvmft_histogram_percentile(&vm->times[time], percent);
	spin_unlock(&vm->lock);
	return ns;
}

/**
 * kvmft_vm_counter() - what was counted
 * @vm: the guest, whose role was just asked for its progress: it brings some of them
 * @counter: &enum kvmft_a_counter
 *
 * Return: the number
 */
u64 kvmft_vm_counter(struct kvmft_vm *vm, u32 counter)
{
	u32 i;

	for (i = 0; i < KVMFT_TIMES; i++) {
		if (counter == time_counters[i].p50)
			return percentile(vm, i, 50);
		if (counter == time_counters[i].p99)
			return percentile(vm, i, 99);
	}
	return atomic64_read(&vm->counters[counter]);
}

/**
 * kvmft_vm_committed_age() - how old is what is committed?
 * @vm: the guest
 *
 * Return: ms since an epoch was last committed, or -1 if none was
 */
s64 kvmft_vm_committed_age(struct kvmft_vm *vm)
{
	u64 at;

	spin_lock(&vm->lock);
	at = vm->committed_at;
	spin_unlock(&vm->lock);
	return at ? div_u64(ktime_get_boottime_ns() - at, NSEC_PER_MSEC) : -1;
}
