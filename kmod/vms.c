// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "pair.h"
#include "primary.h"
#include "standby.h"
#include "sysfs.h"
#include "vmm.h"
#include "vms.h"

/* All guests of all network namespaces, and those that somebody is letting go. */
static DEFINE_MUTEX(vms_lock);
static LIST_HEAD(vms);
static LIST_HEAD(ending);
/* Changes with each that comes or goes, so that a dump can tell. */
static unsigned int vms_generation = 1;
/* How many have ended; who waits for one to end looks at this. */
static unsigned long vms_ended;
static DECLARE_WAIT_QUEUE_HEAD(ended);
/* For what guests do that may end them; so unloading can wait for all of it. */
static struct workqueue_struct *vms_queue;

static struct kvmft_vm *find_in(struct list_head *list, struct net *net, const char *name)
{
	struct kvmft_vm *vm;

	lockdep_assert_held(&vms_lock);
	list_for_each_entry(vm, list, list) {
		if (net_eq(vm->net, net) && (!name || !strcmp(vm->name, name)))
			return vm;
	}
	return NULL;
}

static struct kvmft_vm *find(struct net *net, const char *name)
{
	return find_in(&vms, net, name);
}

/*
 * From now on the VMM's threads find it; the VMM holds a reference. kvmft_vm_init() has
 * looked whether it has another one, but much may have happened since.
 */
static int give_to_vmm(struct kvmft_vm *vm, struct kvmft_verdict *verdict)
{
	struct kvmft_vmm *vmm = vm->vmm;
	int err = 0;

	lockdep_assert_held(&vms_lock);
	spin_lock(&vmm->lock);
	if (vmm->dead)
		err = -ESRCH;
	else if (vmm->guest)
		err = -EBUSY;
	else
		vmm->guest = kvmft_vm_get(vm);
	spin_unlock(&vmm->lock);
	if (err == -EBUSY)
		kvmft_judge_saying(verdict, KVMFT_REASON_VMM,
				   "this VM is attached already, under another name");
	return err;
}

static void take_from_vmm(struct kvmft_vm *vm)
{
	struct kvmft_vmm *vmm = vm->vmm;
	bool ours;

	spin_lock(&vmm->lock);
	ours = vmm->guest == vm;
	if (ours)
		vmm->guest = NULL;
	spin_unlock(&vmm->lock);
	wake_up_all(&vmm->wait);
	if (ours)
		kvmft_vm_put(vm);
}

/* Whoever gets true ends it. */
static bool begin_end(struct kvmft_vm *vm)
{
	lockdep_assert_held(&vms_lock);
	if (vm->ending)
		return false;
	vm->ending = true;
	list_move_tail(&vm->list, &ending);
	vms_generation++;
	return true;
}

/* Another host runs it, or was told to: this VMM is never to do that again. */
static void condemn_if_elsewhere(struct kvmft_vm *vm)
{
	bool elsewhere;

	spin_lock(&vm->lock);
	elsewhere = vm->state == KVMFT_VM_FENCED || vm->elsewhere;
	spin_unlock(&vm->lock);
	if (elsewhere)
		kvmft_vmm_condemn(vm->vmm);
}

static void end(struct kvmft_vm *vm)
{
	condemn_if_elsewhere(vm);
	vm->ops->stop(vm);
	/* That may have come to light meanwhile. */
	condemn_if_elsewhere(vm);
	take_from_vmm(vm);
	kvmft_sysfs_del_vm(vm);
	kvmft_vm_finish(vm);
	mutex_lock(&vms_lock);
	list_del_init(&vm->list);
	WRITE_ONCE(vms_ended, vms_ended + 1);
	mutex_unlock(&vms_lock);
	wake_up_all(&ended);
	kvmft_vm_put(vm);
}

/* It couldn't begin, or isn't to go on; false if somebody else lets it go. */
static bool end_again(struct kvmft_vm *vm)
{
	bool ends;

	mutex_lock(&vms_lock);
	ends = begin_end(vm);
	mutex_unlock(&vms_lock);
	if (ends)
		end(vm);
	return ends;
}

/* Returns with the lock, when none of this name is being let go; or an error without it. */
static int lock_when_ended(struct net *net, const char *name)
{
	unsigned long before;
	int err;

	mutex_lock(&vms_lock);
	while (find_in(&ending, net, name)) {
		before = vms_ended;
		mutex_unlock(&vms_lock);
		err = wait_event_killable(ended, READ_ONCE(vms_ended) != before);
		if (err)
			return err;
		mutex_lock(&vms_lock);
	}
	return 0;
}

/* A guest that nothing is done for yet becomes one that is found. */
static int publish(struct kvmft_vm *vm, struct kvmft_verdict *verdict)
{
	int err;

	err = lock_when_ended(vm->net, vm->name);
	if (err)
		return err;
	if (find(vm->net, vm->name))
		err = -EEXIST;
	else if (vm->pair->leaving)
		err = -ESHUTDOWN;
	else
		err = kvmft_sysfs_add_vm(vm);
	if (err)
		goto out;
	err = give_to_vmm(vm, verdict);
	if (err) {
		kvmft_sysfs_del_vm(vm);
		goto out;
	}
	list_add_tail(&vm->list, &vms);
	vms_generation++;
	kvmft_vm_get(vm);
out:
	mutex_unlock(&vms_lock);
	return err;
}

/*
 * Puts a guest that nothing is done for yet in the place of another one, which ends. Only
 * if that one is still there.
 */
static int replace(struct kvmft_vm *old, struct kvmft_vm *vm)
{
	struct kvmft_vmm *vmm = vm->vmm;
	int err;

	mutex_lock(&vms_lock);
	if (!begin_end(old)) {
		mutex_unlock(&vms_lock);
		return -ESRCH;
	}
	/* Nobody looks at it without the lock: they have the same name. */
	kvmft_sysfs_del_vm(old);
	err = kvmft_sysfs_add_vm(vm);
	spin_lock(&vmm->lock);
	if (!err && vmm->guest == old)
		vmm->guest = kvmft_vm_get(vm);
	else
		err = err ?: -ESRCH;
	spin_unlock(&vmm->lock);
	if (!err) {
		list_add_tail(&vm->list, &vms);
		kvmft_vm_get(vm);
	} else {
		kvmft_sysfs_del_vm(vm);
	}
	mutex_unlock(&vms_lock);
	if (!err) {
		/* What the VMM had. */
		kvmft_vm_put(old);
		kvmft_vm_retire(old);
	}
	end(old);
	return err;
}

/* What is the same when a guest goes from one role into another; the caller drops the file. */
static bool describe_successor(struct kvmft_vm *vm, struct kvmft_vm_config *config)
{
	bool there;

	mutex_lock(&vms_lock);
	there = !vm->ending;
	if (there)
		config->vm_file = get_file(vm->vmm->vm_file);
	mutex_unlock(&vms_lock);
	config->name = vm->name;
	config->pid = vm->pid;
	config->fencing = READ_ONCE(vm->fencing);
	config->vcpu_files = vm->vcpu_files;
	config->vcpu_count = vm->vcpu_count;
	config->msrs = vm->kvmstate.msrs;
	config->msr_count = vm->kvmstate.msr_count;
	config->successor_to = vm;
	return there;
}

/* The guest of a standby that was promoted runs: from here on it is a primary's. */
static void succeed(struct kvmft_vm *old, u32 mode)
{
	struct kvmft_vm_config config = {
		.role = KVMFT_VM_PRIMARY, .mode = mode, .loss = KVMFT_VM_LOSS_HOLD,
		.compress = KVMFT_VM_COMPRESS_NONE,
	};
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm;
	int err;

	if (!describe_successor(old, &config))
		return;
	vm = kvmft_primary_attach(old->pair, &config, old->notify, &verdict);
	fput(config.vm_file);
	if (IS_ERR(vm)) {
		kvmft_judge(&verdict, KVMFT_REASON_MEMORY);
		kvmft_vm_enter(old, KVMFT_VM_UNPROTECTED, &verdict);
		return;
	}
	vm->queue = vms_queue;
	kvmft_vm_note(vm, KVMFT_A_COUNTER_SWITCHED,
		      kvmft_vm_counter(old, KVMFT_A_COUNTER_SWITCHED));
	err = replace(old, vm);
	if (err && err != -ESRCH)
		pr_err("guest %s: runs on, but isn't attached any more (error %d): attach it again\n",
		       vm->name, -err);
	if (!err) {
		pr_info("guest %s: %s\n", vm->name, kvmft_vm_state_name(KVMFT_VM_SOLO));
		kvmft_vm_tell(vm, KVMFT_VM_CHANGED);
		err = kvmft_primary_begin(vm, &verdict);
		if (err)
			end_again(vm);
	}
	kvmft_vm_put(vm);
}

/* Another host has taken it over, so that it is of use to nobody. */
static bool is_stale(struct kvmft_vm *vm)
{
	return kvmft_vm_state(vm) == KVMFT_VM_FENCED;
}

/* A guest of this name that is stale makes room for a standby; false if another one is there. */
static bool make_room(struct net *net, const char *name, bool standby)
{
	struct kvmft_vm *vm;
	bool ends;

	mutex_lock(&vms_lock);
	vm = find(net, name);
	ends = vm && standby && is_stale(vm) && begin_end(vm);
	mutex_unlock(&vms_lock);
	if (ends)
		end(vm);
	return ends || !vm;
}

/* Whether make_room() might make some. */
static bool has_room(struct net *net, const char *name, bool standby)
{
	struct kvmft_vm *vm;
	bool room;

	mutex_lock(&vms_lock);
	vm = find(net, name);
	room = !vm || (standby && is_stale(vm));
	mutex_unlock(&vms_lock);
	return room;
}

/**
 * kvmft_vms_attach() - attach a guest
 * @pair: the pair
 * @config: what it is attached with
 * @notify: told about its events
 * @verdict: why not
 *
 * Context: may sleep, also for locks that the VMM can keep for long: so nobody else
 * waits for it
 *
 * Return: 0 or a negative errno, mostly with a verdict
 */
int kvmft_vms_attach(struct kvmft_pair *pair, const struct kvmft_vm_config *config,
		     kvmft_vm_notify_fn notify, struct kvmft_verdict *verdict)
{
	bool standby = config->role == KVMFT_VM_STANDBY;
	struct kvmft_vm *vm;
	int err;

	if (!has_room(pair->net, config->name, standby))
		return -EEXIST;
	vm = standby ? kvmft_standby_attach(pair, config, notify, verdict) :
		       kvmft_primary_attach(pair, config, notify, verdict);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vm->succeed = succeed;
	vm->queue = vms_queue;
	/* Not before there is something for its place. */
	err = make_room(vm->net, vm->name, standby) ? publish(vm, verdict) : -EEXIST;
	if (err) {
		kvmft_vm_put(vm);
		return err;
	}

	notify(vm, KVMFT_VM_ATTACHED);
	err = standby ? kvmft_standby_begin(vm, config->ceiling, verdict) :
			kvmft_primary_begin(vm, verdict);
	if (err)
		end_again(vm);
	kvmft_vm_put(vm);
	return err;
}

/**
 * kvmft_vms_detach() - let a guest go
 * @net: the network namespace
 * @name: the guest
 * @force: also if its standby can't be told, and may take over
 *
 * Context: may sleep; on return its threads have ended
 *
 * Return: 0, -ENOENT, -ENOTCONN if its standby can't be told, or -EBUSY if it takes over
 */
int kvmft_vms_detach(struct net *net, const char *name, bool force)
{
	bool found = false, done = false;
	struct kvmft_vm *vm;
	int err = 0;

	while (!done && !err) {
		/* Another one takes the place of a standby that was promoted. */
		err = lock_when_ended(net, name);
		if (err)
			break;
		mutex_unlock(&vms_lock);
		vm = kvmft_vms_find(net, name);
		if (!vm)
			return found ? 0 : -ENOENT;
		found = true;
		if (vm->ops->leave)
			err = vm->ops->leave(vm, KVMFT_REASON_GONE);
		if (!err || force) {
			done = end_again(vm);
			err = 0;
		}
		kvmft_vm_put(vm);
	}
	return err;
}

/**
 * kvmft_vms_find() - look a guest up
 * @net: the network namespace
 * @name: the guest
 *
 * Return: the guest with a reference, or NULL
 */
struct kvmft_vm *kvmft_vms_find(struct net *net, const char *name)
{
	struct kvmft_vm *vm;

	mutex_lock(&vms_lock);
	vm = find(net, name);
	if (vm)
		kvmft_vm_get(vm);
	mutex_unlock(&vms_lock);
	return vm;
}

/**
 * kvmft_vms_of() - the guest that a VMM's VM is attached as
 * @vmm: the VMM
 *
 * Return: the guest with a reference, or NULL
 */
struct kvmft_vm *kvmft_vms_of(struct kvmft_vmm *vmm)
{
	struct kvmft_vm *vm;

	spin_lock(&vmm->lock);
	vm = vmm->guest;
	if (vm)
		kvmft_vm_get(vm);
	spin_unlock(&vmm->lock);
	return vm;
}

/**
 * kvmft_vms_vmm_gone() - the VMM of a guest has ended
 * @vmm: the VMM
 *
 * Context: may sleep; on return nothing uses what the VMM had
 */
void kvmft_vms_vmm_gone(struct kvmft_vmm *vmm)
{
	struct kvmft_verdict verdict = { 0 };
	struct kvmft_vm *vm;
	bool ours;

	mutex_lock(&vms_lock);
	vm = kvmft_vms_of(vmm);
	ours = vm && begin_end(vm);
	mutex_unlock(&vms_lock);
	if (!vm)
		return;
	if (ours) {
		if (vm->ops->vmm_gone && READ_ONCE(vmm->died))
			vm->ops->vmm_gone(vm);
		kvmft_judge(&verdict, KVMFT_REASON_VMM_GONE);
		kvmft_vm_enter(vm, KVMFT_VM_UNPROTECTED, &verdict);
		end(vm);
	}
	kvmft_vm_put(vm);
	/* Somebody else who is letting it go takes it from the VMM at the end. */
	if (!ours)
		wait_event(vmm->wait, !READ_ONCE(vmm->guest));
}

/**
 * kvmft_vms_walk() - look at the guests of a network namespace
 * @net: the network namespace
 * @position: how many were taken; 0 to begin with
 * @generation: result; when it is another one next time, guests have come or gone
 * @take: takes a guest; must not wait for any
 * @context: passed on to @take
 *
 * Return: what @take returned last, 0 if all were taken
 */
int kvmft_vms_walk(struct net *net, unsigned long *position,
		   unsigned int *generation, kvmft_vms_fn take, void *context)
{
	unsigned long number = 0;
	struct kvmft_vm *vm;
	int err = 0;

	mutex_lock(&vms_lock);
	*generation = vms_generation;
	list_for_each_entry(vm, &vms, list) {
		if (!net_eq(vm->net, net) || number++ < *position)
			continue;
		err = take(context, vm);
		if (err)
			break;
		++*position;
	}
	mutex_unlock(&vms_lock);
	return err;
}

/**
 * kvmft_vms_leave() - have no guest attached to a pair any more
 * @pair: the pair, which is about to be deleted
 *
 * Return: whether that is so; false if it has one
 */
bool kvmft_vms_leave(struct kvmft_pair *pair)
{
	struct kvmft_vm *vm;
	bool used = false;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list)
		used |= vm->pair == pair;
	if (!used)
		pair->leaving = true;
	mutex_unlock(&vms_lock);
	return !used;
}

/* If its standby may take over, and can't be told that it isn't to, it doesn't run on. */
static void leave_or_discard(struct kvmft_vm *vm)
{
	if (vm->ops->leave && vm->ops->leave(vm, KVMFT_REASON_GONE) && vm->ops->discard)
		vm->ops->discard(vm);
}

/* Nothing of its guests is left, whoever lets them go, since nobody keeps it for them. */
static void __net_exit vms_net_exit(struct net *net)
{
	struct kvmft_vm *vm, *other;
	unsigned long before;

	do {
		vm = kvmft_vms_find(net, NULL);
		if (vm) {
			leave_or_discard(vm);
			end_again(vm);
			kvmft_vm_put(vm);
		}
		mutex_lock(&vms_lock);
		other = find_in(&ending, net, NULL);
		before = vms_ended;
		mutex_unlock(&vms_lock);
		if (other)
			wait_event(ended, READ_ONCE(vms_ended) != before);
	} while (vm || other);
}

static struct pernet_operations vms_net_ops = {
	.exit = vms_net_exit,
};

/**
 * kvmft_vms_init() - begin without guests
 *
 * After kvmft_pairs_init(): so guests go before their pairs.
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_vms_init(void)
{
	int err;

	vms_queue = alloc_workqueue("kvmft-vms", WQ_UNBOUND, 0);
	if (!vms_queue)
		return -ENOMEM;
	err = register_pernet_device(&vms_net_ops);
	if (err)
		destroy_workqueue(vms_queue);
	return err;
}

/**
 * kvmft_vms_exit() - undo kvmft_vms_init()
 *
 * There is no guest any more: the descriptors of VMMs hold the module.
 */
void kvmft_vms_exit(void)
{
	unregister_pernet_device(&vms_net_ops);
	destroy_workqueue(vms_queue);
}
