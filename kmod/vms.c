// SPDX-License-Identifier: GPL-2.0
#include <linux/err.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "compat.h"
#include "pair.h"
#include "primary.h"
#include "standby.h"
#include "sysfs.h"
#include "vmm.h"
#include "vms.h"

/* All guests of all network namespaces. */
static DEFINE_MUTEX(vms_lock);
static LIST_HEAD(vms);
/* Changes with each that comes or goes, so that a dump can tell. */
static unsigned int vms_generation = 1;

static struct kvmft_vm *find(struct net *net, const char *name)
{
	struct kvmft_vm *vm;

	lockdep_assert_held(&vms_lock);
	list_for_each_entry(vm, &vms, list) {
		if (net_eq(vm->net, net) && !strcmp(vm->name, name))
			return vm;
	}
	return NULL;
}

/*
 * From now on the VMM's threads find it; the VMM holds a reference. It has no other one:
 * kvmft_vm_init() has looked, and whoever attaches does so under the lock.
 */
static int give_to_vmm(struct kvmft_vm *vm)
{
	struct kvmft_vmm *vmm = vm->vmm;
	int err = 0;

	lockdep_assert_held(&vms_lock);
	spin_lock(&vmm->lock);
	if (vmm->dead)
		err = -ESRCH;
	else
		vmm->guest = kvmft_vm_get(vm);
	spin_unlock(&vmm->lock);
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

/* Of a guest that was just taken out of the list: by one, once. */
static void end(struct kvmft_vm *vm)
{
	vm->ops->stop(vm);
	take_from_vmm(vm);
	kvmft_sysfs_del_vm(vm);
	vm->notify(vm, KVMFT_VM_DETACHED);
	kvmft_vm_put(vm);
}

static bool unlist(struct kvmft_vm *vm)
{
	bool listed;

	mutex_lock(&vms_lock);
	listed = !list_empty(&vm->list);
	list_del_init(&vm->list);
	vms_generation++;
	mutex_unlock(&vms_lock);
	return listed;
}

/**
 * kvmft_vms_attach() - attach a guest
 * @pair: the pair
 * @config: what it is attached with
 * @notify: told about its events
 * @verdict: why not
 *
 * Context: may sleep
 *
 * Return: 0 or a negative errno, mostly with a verdict
 */
int kvmft_vms_attach(struct kvmft_pair *pair, const struct kvmft_vm_config *config,
		     kvmft_vm_notify_fn notify, struct kvmft_verdict *verdict)
{
	bool standby = config->role == KVMFT_VM_STANDBY;
	struct kvmft_vm *vm;
	int err;

	mutex_lock(&vms_lock);
	if (find(pair->net, config->name)) {
		mutex_unlock(&vms_lock);
		return -EEXIST;
	}
	vm = standby ? kvmft_standby_attach(pair, config, notify, verdict) :
		       kvmft_primary_attach(pair, config, notify, verdict);
	if (IS_ERR(vm)) {
		mutex_unlock(&vms_lock);
		return PTR_ERR(vm);
	}
	err = kvmft_sysfs_add_vm(vm);
	if (err)
		goto err_stop;
	err = give_to_vmm(vm);
	if (err)
		goto err_sysfs;
	list_add_tail(&vm->list, &vms);
	vms_generation++;
	kvmft_vm_get(vm);
	mutex_unlock(&vms_lock);

	notify(vm, KVMFT_VM_ATTACHED);
	err = standby ? kvmft_standby_begin(vm, config->ceiling, verdict) :
			kvmft_primary_begin(vm, verdict);
	if (err && unlist(vm))
		end(vm);
	kvmft_vm_put(vm);
	return err;

err_sysfs:
	kvmft_sysfs_del_vm(vm);
err_stop:
	mutex_unlock(&vms_lock);
	vm->ops->stop(vm);
	kvmft_vm_put(vm);
	return err;
}

/**
 * kvmft_vms_detach() - let a guest go
 * @net: the network namespace
 * @name: the guest
 *
 * Context: may sleep; on return its threads have ended
 *
 * Return: 0 or -ENOENT
 */
int kvmft_vms_detach(struct net *net, const char *name)
{
	struct kvmft_vm *vm;

	mutex_lock(&vms_lock);
	vm = find(net, name);
	if (vm) {
		list_del_init(&vm->list);
		vms_generation++;
	}
	mutex_unlock(&vms_lock);
	if (!vm)
		return -ENOENT;
	end(vm);
	return 0;
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

	mutex_lock(&vms_lock);
	vm = kvmft_vms_of(vmm);
	if (vm && list_empty(&vm->list)) {
		/* Somebody is letting it go; that takes it from the VMM at the end. */
		kvmft_vm_put(vm);
		vm = NULL;
		mutex_unlock(&vms_lock);
		wait_event(vmm->wait, !READ_ONCE(vmm->guest));
		return;
	}
	if (vm) {
		list_del_init(&vm->list);
		vms_generation++;
	}
	mutex_unlock(&vms_lock);
	if (!vm)
		return;
	kvmft_judge(&verdict, KVMFT_REASON_VMM_GONE);
	kvmft_vm_enter(vm, KVMFT_VM_UNPROTECTED, &verdict);
	end(vm);
	kvmft_vm_put(vm);
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
 * kvmft_vms_use() - does a guest use this pair?
 * @pair: the pair
 *
 * Return: whether one does
 */
bool kvmft_vms_use(struct kvmft_pair *pair)
{
	struct kvmft_vm *vm;
	bool used = false;

	mutex_lock(&vms_lock);
	list_for_each_entry(vm, &vms, list)
		used |= vm->pair == pair;
	mutex_unlock(&vms_lock);
	return used;
}

static void __net_exit vms_net_exit(struct net *net)
{
	struct kvmft_vm *vm, *found;

	do {
		found = NULL;
		mutex_lock(&vms_lock);
		list_for_each_entry(vm, &vms, list) {
			if (net_eq(vm->net, net)) {
				found = vm;
				list_del_init(&vm->list);
				vms_generation++;
				break;
			}
		}
		mutex_unlock(&vms_lock);
		if (found)
			end(found);
	} while (found);
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
	return register_pernet_device(&vms_net_ops);
}

/**
 * kvmft_vms_exit() - undo kvmft_vms_init()
 *
 * There is no guest any more: the descriptors of VMMs hold the module.
 */
void kvmft_vms_exit(void)
{
	unregister_pernet_device(&vms_net_ops);
}
