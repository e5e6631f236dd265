/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm: a process that has bound its VM to a descriptor of /dev/kvmft, and the memory
 * it shares with the module.
 *
 * Contract: what the VMM may write in the area is never trusted; what the module has
 * to rely on isn't there. The VMM counts as gone when its address space goes, even
 * if a child still has the descriptor: then, in a work item, gone() is called once.
 * Knows nothing of what the VM is attached to.
 */
#ifndef _KVMFT_VMM_H
#define _KVMFT_VMM_H

#include <linux/kref.h>
#include <linux/kvmft.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "kvmstate.h"

struct eventfd_ctx;
struct file;
struct kvm;
struct kvmft_vmm;
struct vm_area_struct;

typedef void (*kvmft_vmm_gone_fn)(struct kvmft_vmm *vmm);

/**
 * struct kvmft_vmm - a VMM
 * @ref: The area and @mm go with the last reference.
 * @list: In the registry, under its lock, until the VMM is gone.
 * @kvm: The VM, held until the VMM is gone.
 * @process: The VMM's process, a reference.
 * @vm_file: Its file, held as long.
 * @mm: The address space; its structure is held, not what it maps.
 * @flags: &enum kvmft_bind_flags.
 * @vcpus: As bound.
 * @gpa_end: As bound.
 * @state_max: As bound.
 * @area: The area.
 * @area_size: Bytes of it.
 * @summary: Its upper bitmap.
 * @bitmap: Its lower bitmap.
 * @log: Where KVM writes dirty logs: at this offset, not told to the VMM.
 * @args: Where KVM reads arguments: at this offset.
 * @windows: Where states are saved: at this offset, one window for the VM and one for
 *	each vcpu.
 * @device_state: Where the device state is: at this offset.
 * @waits: No vcpu may run before the VM was promoted; belongs to those above.
 * @sent: The last epoch after which another one can be made; belongs to those above.
 * @crowded: Somebody waits for that to change; see kvmft_vmm_crowd().
 * @alone: Its guest acts without a standby, in a generation of its own, however often it is
 *	attached.
 * @condemned: No vcpu may run any more, for good.
 * @epoch: The last that any guest made of it began; belongs to those above.
 * @generation: The last that any guest made of it had; belongs to those above.
 * @closing: Its descriptor is being closed.
 * @died: It has ended, so nothing leaves any more; not just its descriptor.
 * @notifier: Tells of the end of @mm.
 * @ending: Calls @gone.
 * @gone: See above.
 * @wait: Woken when the area changes, and when device threads leave.
 * @lock: Protects all that follows.
 * @user: Where the area is mapped in the VMM; 0 if it isn't.
 * @guest: What the VM is attached as; belongs to those above.
 * @eventfd: To be signalled.
 * @changes: Counts what poll() tells of.
 * @seen: How much of that the VMM knows.
 * @dead: The VMM is gone, or as good as.
 */
struct kvmft_vmm {
	struct kref ref;
	struct list_head list;
	struct kvm *kvm;
	struct pid *process;
	struct file *vm_file;
	struct mm_struct *mm;
	u32 flags;
	u32 vcpus;
	u64 gpa_end;
	u64 state_max;
	struct kvmft_area *area;
	u64 area_size;
	unsigned long *summary;
	unsigned long *bitmap;
	u64 log;
	u64 args;
	u64 windows;
	u64 device_state;
	bool waits;
	u64 sent;
	bool crowded;
	bool alone;
	bool condemned;
	u64 epoch;
	u64 generation;
	bool closing;
	bool died;
	struct mmu_notifier notifier;
	struct work_struct ending;
	kvmft_vmm_gone_fn gone;
	wait_queue_head_t wait;

	spinlock_t lock;	/* what follows */
	unsigned long user;
	void *guest;
	struct eventfd_ctx *eventfd;
	u64 changes;
	u64 seen;
	bool dead;
};

/* Bytes of a window. */
#define KVMFT_WINDOW_SIZE 65536U

struct kvmft_vmm *kvmft_vmm_bind(struct kvmft_bind *bind, kvmft_vmm_gone_fn gone);
struct kvmft_vmm *kvmft_vmm_find(struct kvm *kvm);
struct kvmft_vmm *kvmft_vmm_get(struct kvmft_vmm *vmm);
void kvmft_vmm_put(struct kvmft_vmm *vmm);
void kvmft_vmm_end(struct kvmft_vmm *vmm);

int kvmft_vmm_map(struct kvmft_vmm *vmm, struct vm_area_struct *vma);
void kvmft_vmm_window(struct kvmft_vmm *vmm, u32 number,
		      struct kvmft_window *window);
int kvmft_vmm_at(struct kvmft_vmm *vmm, u64 offset, void **kernel,
		 void __user **user);
void kvmft_vmm_crowd(struct kvmft_vmm *vmm);
void kvmft_vmm_sent(struct kvmft_vmm *vmm, u64 epoch);
void kvmft_vmm_tell(struct kvmft_vmm *vmm);
void kvmft_vmm_condemn(struct kvmft_vmm *vmm);
int kvmft_vmm_set_eventfd(struct kvmft_vmm *vmm, int fd);

bool kvmft_vmm_use(struct kvmft_vmm *vmm);
void kvmft_vmm_call(struct kvmft_vmm *vmm, void (*function)(void *context),
		    void *context);
void kvmft_vmm_unuse(struct kvmft_vmm *vmm);

#endif /* _KVMFT_VMM_H */
