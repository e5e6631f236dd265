// SPDX-License-Identifier: GPL-2.0
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "vmm.h"

/* All VMMs that aren't gone; looked up by their VM. */
static DEFINE_MUTEX(vmms_lock);
static LIST_HEAD(vmms);

static void vmm_free(struct kref *ref)
{
	struct kvmft_vmm *vmm = container_of(ref, struct kvmft_vmm, ref);

	WARN_ON_ONCE(vmm->guest);
	if (vmm->eventfd)
		eventfd_ctx_put(vmm->eventfd);
	if (vmm->vm_file)
		fput(vmm->vm_file);
	if (vmm->mm)
		mmdrop(vmm->mm);
	put_pid(vmm->process);
	vfree(vmm->area);
	kfree(vmm);
}

/**
 * kvmft_vmm_get() - take a reference
 * @vmm: the VMM
 *
 * Return: @vmm
 */
struct kvmft_vmm *kvmft_vmm_get(struct kvmft_vmm *vmm)
{
	kref_get(&vmm->ref);
	return vmm;
}

/**
 * kvmft_vmm_put() - give a reference back
 * @vmm: the VMM, or NULL
 *
 * Context: may sleep
 */
void kvmft_vmm_put(struct kvmft_vmm *vmm)
{
	if (vmm)
		kref_put(&vmm->ref, vmm_free);
}

/* The references that would keep the VM alive after its process. */
static void vmm_gone(struct work_struct *work)
{
	struct kvmft_vmm *vmm = container_of(work, struct kvmft_vmm, ending);
	struct file *file;

	mutex_lock(&vmms_lock);
	list_del_init(&vmm->list);
	mutex_unlock(&vmms_lock);

	vmm->gone(vmm);
	file = vmm->vm_file;
	vmm->vm_file = NULL;
	if (file)
		fput(file);
	kvmft_vmm_put(vmm);
}

/* Whoever comes first: the end of the address space or that of the descriptor. */
static void vmm_ending(struct kvmft_vmm *vmm)
{
	bool first;

	spin_lock(&vmm->lock);
	first = !vmm->dead;
	WRITE_ONCE(vmm->dead, true);
	spin_unlock(&vmm->lock);
	if (first) {
		kvmft_vmm_get(vmm);
		queue_work(system_long_wq, &vmm->ending);
	}
	wake_up_all(&vmm->wait);
}

static void on_mm_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct kvmft_vmm *vmm = container_of(notifier, struct kvmft_vmm, notifier);

	/* To unregister comes here, too. */
	if (!READ_ONCE(vmm->closing))
		WRITE_ONCE(vmm->died, true);
	vmm_ending(vmm);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = on_mm_release,
};

/**
 * kvmft_vmm_end() - the descriptor was closed
 * @vmm: the VMM; the reference that kvmft_vmm_bind() gave is gone
 *
 * Context: may sleep; on return nothing of it is left but what others hold
 */
void kvmft_vmm_end(struct kvmft_vmm *vmm)
{
	/*
	 * Files are closed after the address space has gone, unless somebody else looks at it.
	 * A child that has inherited the descriptor may end, too.
	 */
	if (current->flags & PF_EXITING && task_tgid(current) == vmm->process)
		WRITE_ONCE(vmm->died, true);
	WRITE_ONCE(vmm->closing, true);
	mmu_notifier_unregister(&vmm->notifier, vmm->mm);
	vmm_ending(vmm);
	flush_work(&vmm->ending);
	kvmft_vmm_put(vmm);
}

/**
 * kvmft_vmm_find() - look a VMM up
 * @kvm: its VM
 *
 * Return: the VMM with a reference, or NULL
 */
struct kvmft_vmm *kvmft_vmm_find(struct kvm *kvm)
{
	struct kvmft_vmm *vmm, *found = NULL;

	mutex_lock(&vmms_lock);
	list_for_each_entry(vmm, &vmms, list) {
		if (vmm->kvm == kvm)
			found = kvmft_vmm_get(vmm);
	}
	mutex_unlock(&vmms_lock);
	return found;
}

static int check_bind(const struct kvmft_bind *bind)
{
	if (bind->size != sizeof(*bind) ||
	    bind->flags & ~(KVMFT_BIND_STANDBY | KVMFT_BIND_COVERED) ||
	    !bind->vcpus || bind->vcpus > KVMFT_VCPUS_MAX ||
	    !bind->gpa_end || bind->gpa_end > KVMFT_GPA_MAX ||
	    !PAGE_ALIGNED(bind->gpa_end) || bind->state_max > KVMFT_STATE_MAX)
		return -EINVAL;
	return 0;
}

/* Each part begins with a page of its own. */
static u64 place(u64 *end, u64 size)
{
	u64 at = *end;

	*end += PAGE_ALIGN(size);
	return at;
}

static int make_area(struct kvmft_vmm *vmm, struct kvmft_bind *bind)
{
	u64 words = DIV_ROUND_UP(bind->gpa_end >> PAGE_SHIFT, BITS_PER_LONG);
	u64 summary, bitmap, end = PAGE_SIZE;
	struct kvmft_area *area;

	summary = place(&end, BITS_TO_LONGS(words) * sizeof(long));
	bitmap = place(&end, words * sizeof(long));
	vmm->device_state = place(&end, bind->state_max);
	vmm->log = place(&end, words * sizeof(long));
	vmm->args = place(&end, PAGE_SIZE);
	vmm->windows = place(&end, (1 + bind->vcpus) * (u64)KVMFT_WINDOW_SIZE);

	area = __vmalloc(end, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!area)
		return -ENOMEM;
	vmm->area = area;
	vmm->area_size = end;
	vmm->summary = (void *)area + summary;
	vmm->bitmap = (void *)area + bitmap;

	area->state = bind->flags & KVMFT_BIND_STANDBY ? KVMFT_AREA_STANDBY :
							 KVMFT_AREA_IDLE;
	/* A standby's vcpus come to the hook, and stay. */
	area->park = area->state == KVMFT_AREA_STANDBY;
	area->vcpus = bind->vcpus;
	area->gpa_end = bind->gpa_end;
	area->summary = summary;
	area->bitmap = bitmap;
	area->device_state = vmm->device_state;
	area->state_max = bind->state_max;
	area->size = end;
	bind->area_size = end;
	return 0;
}

/**
 * kvmft_vmm_bind() - make the calling process a VMM
 * @bind: what it asked for; @area_size is filled in
 * @gone: called when it is gone
 *
 * Context: in the VMM
 *
 * Return: the VMM with a reference; an error: -EINVAL, -EBADF if the descriptor isn't
 * that of a VM, -EPERM if the VM is another process's, -EBUSY if it is bound
 */
struct kvmft_vmm *kvmft_vmm_bind(struct kvmft_bind *bind, kvmft_vmm_gone_fn gone)
{
	struct kvmft_vmm *vmm, *other;
	int err = check_bind(bind);

	if (err)
		return ERR_PTR(err);
	vmm = kzalloc(sizeof(*vmm), GFP_KERNEL_ACCOUNT);
	if (!vmm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vmm->ref);
	INIT_LIST_HEAD(&vmm->list);
	spin_lock_init(&vmm->lock);
	init_waitqueue_head(&vmm->wait);
	INIT_WORK(&vmm->ending, vmm_gone);
	vmm->gone = gone;
	vmm->flags = bind->flags;
	vmm->vcpus = bind->vcpus;
	vmm->gpa_end = bind->gpa_end;
	vmm->state_max = bind->state_max;
	vmm->process = get_pid(task_tgid(current));
	vmm->waits = bind->flags & KVMFT_BIND_STANDBY;

	err = -EBADF;
	vmm->vm_file = fget(bind->vm_fd);
	if (!vmm->vm_file || !file_is_kvm(vmm->vm_file))
		goto err_put;
	vmm->kvm = vmm->vm_file->private_data;
	err = -EPERM;
	if (vmm->kvm->mm != current->mm)
		goto err_put;
	mmgrab(current->mm);
	vmm->mm = current->mm;
	err = make_area(vmm, bind);
	if (err)
		goto err_put;
	vmm->notifier.ops = &notifier_ops;
	err = mmu_notifier_register(&vmm->notifier, vmm->mm);
	if (err)
		goto err_put;

	mutex_lock(&vmms_lock);
	list_for_each_entry(other, &vmms, list) {
		if (other->kvm == vmm->kvm)
			err = -EBUSY;
	}
	if (!err)
		list_add_tail(&vmm->list, &vmms);
	mutex_unlock(&vmms_lock);
	if (!err)
		return vmm;

	/* That tells of the end, too, and the module mustn't go before it is dealt with. */
	mmu_notifier_unregister(&vmm->notifier, vmm->mm);
	flush_work(&vmm->ending);
err_put:
	kvmft_vmm_put(vmm);
	return ERR_PTR(err);
}

static struct kvmft_vmm *vmm_of(struct vm_area_struct *vma)
{
	return vma->vm_private_data;
}

static void area_open(struct vm_area_struct *vma)
{
	kvmft_vmm_get(vmm_of(vma));
}

/* What is unmapped can't be given to KVM as a buffer any more. */
static void area_close(struct vm_area_struct *vma)
{
	struct kvmft_vmm *vmm = vmm_of(vma);

	/* A copy that mremap() has made, and must not keep, isn't the one. */
	spin_lock(&vmm->lock);
	if (vma->vm_mm == vmm->mm && vma->vm_start == vmm->user)
		vmm->user = 0;
	spin_unlock(&vmm->lock);
	kvmft_vmm_put(vmm);
}

static int area_split(struct vm_area_struct *vma, unsigned long address)
{
	return -EINVAL;
}

static int area_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct area_ops = {
	.open = area_open,
	.close = area_close,
	.may_split = area_split,
	.mremap = area_mremap,
};

static int insert_area(struct kvmft_vmm *vmm, struct vm_area_struct *vma)
{
	u64 offset;
	int err = 0;

	for (offset = 0; offset < vmm->area_size && !err; offset += PAGE_SIZE)
		err = vm_insert_page(vma, vma->vm_start + offset,
				     vmalloc_to_page((void *)vmm->area + offset));
	return err;
}

/**
 * kvmft_vmm_map() - map the area
 * @vmm: the VMM
 * @vma: where
 *
 * Return: 0 or a negative errno
 */
int kvmft_vmm_map(struct kvmft_vmm *vmm, struct vm_area_struct *vma)
{
	int err;

	if (current->mm != vmm->mm)
		return -EPERM;
	if (vma->vm_pgoff || vma->vm_end - vma->vm_start != vmm->area_size ||
	    !(vma->vm_flags & VM_SHARED) || !(vma->vm_flags & VM_WRITE))
		return -EINVAL;

	spin_lock(&vmm->lock);
	err = vmm->user ? -EBUSY : 0;
	if (!err)
		vmm->user = vma->vm_start;
	spin_unlock(&vmm->lock);
	if (err)
		return err;

	/* A child is another process; it has no part in this, whatever it asks for. */
	kvmft_vma_flags(vma, VM_IO | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP);
	err = insert_area(vmm, vma);
	if (err) {
		spin_lock(&vmm->lock);
		vmm->user = 0;
		spin_unlock(&vmm->lock);
		return err;
	}
	vma->vm_private_data = kvmft_vmm_get(vmm);
	vma->vm_ops = &area_ops;
	return 0;
}

/**
 * kvmft_vmm_at() - both addresses of a place in the area
 * @vmm: the VMM
 * @offset: the place
 * @kernel: result: its address for us
 * @user: result: for the VMM
 *
 * Return: 0, or -EFAULT if the area isn't mapped
 */
int kvmft_vmm_at(struct kvmft_vmm *vmm, u64 offset, void **kernel,
		 void __user **user)
{
	unsigned long base = READ_ONCE(vmm->user);

	*kernel = (void *)vmm->area + offset;
	*user = (void __user *)(base + offset);
	return base ? 0 : -EFAULT;
}

/**
 * kvmft_vmm_window() - where a state is saved
 * @vmm: the VMM
 * @number: 0 for the VM, 1 and so on for its vcpus
 * @window: result; without a mapping, KVM will find no memory there
 */
void kvmft_vmm_window(struct kvmft_vmm *vmm, u32 number,
		      struct kvmft_window *window)
{
	if (kvmft_vmm_at(vmm, vmm->windows + (u64)number * KVMFT_WINDOW_SIZE,
			 &window->kernel, &window->user))
		window->user = NULL;
	window->size = KVMFT_WINDOW_SIZE;
}

/**
 * kvmft_vmm_tell() - something in the area has changed
 * @vmm: the VMM
 */
void kvmft_vmm_tell(struct kvmft_vmm *vmm)
{
	spin_lock(&vmm->lock);
	vmm->changes++;
	if (vmm->eventfd)
		kvmft_eventfd_signal(vmm->eventfd);
	spin_unlock(&vmm->lock);
	wake_up_all(&vmm->wait);
}

/**
 * kvmft_vmm_crowd() - somebody waits until another epoch can be made
 * @vmm: the VMM
 *
 * In its condition, which is looked at after this.
 */
void kvmft_vmm_crowd(struct kvmft_vmm *vmm)
{
	WRITE_ONCE(vmm->crowded, true);
	/* Pairs with the exchange in kvmft_vmm_sent(): one sees what the other has done. */
	smp_mb();
}

/**
 * kvmft_vmm_sent() - after this epoch another one can be made
 * @vmm: the VMM
 * @epoch: the epoch
 *
 * Nobody is woken for it who waits for something else, nor is it what poll() tells of.
 *
 * Context: any; serialized by the caller
 */
void kvmft_vmm_sent(struct kvmft_vmm *vmm, u64 epoch)
{
	if (epoch <= vmm->sent)
		return;
	WRITE_ONCE(vmm->sent, epoch);
	WRITE_ONCE(vmm->area->sent, epoch);
	if (xchg(&vmm->crowded, false))
		wake_up_all(&vmm->wait);
}

/**
 * kvmft_vmm_condemn() - have none of its vcpus run again, and nothing leave
 * @vmm: the VMM
 *
 * Another host runs its guest. All its calls fail from here on, so that it ends.
 */
void kvmft_vmm_condemn(struct kvmft_vmm *vmm)
{
	WRITE_ONCE(vmm->condemned, true);
	WRITE_ONCE(vmm->area->lease, 0);
	WRITE_ONCE(vmm->area->state, KVMFT_AREA_PROTECTED);
	/* Nobody gets past the hook, or past kvmft_enter(), without a call. */
	smp_store_mb(vmm->area->park, 1);
	kvmft_vmm_tell(vmm);
}

/**
 * kvmft_vmm_set_eventfd() - have an eventfd signalled
 * @vmm: the VMM
 * @fd: its descriptor, or -1 for none
 *
 * Return: 0 or a negative errno
 */
int kvmft_vmm_set_eventfd(struct kvmft_vmm *vmm, int fd)
{
	struct eventfd_ctx *context = NULL;

	if (fd >= 0) {
		context = eventfd_ctx_fdget(fd);
		if (IS_ERR(context))
			return PTR_ERR(context);
	} else if (fd != -1) {
		return -EBADF;
	}
	spin_lock(&vmm->lock);
	swap(vmm->eventfd, context);
	spin_unlock(&vmm->lock);
	if (context)
		eventfd_ctx_put(context);
	return 0;
}

/**
 * kvmft_vmm_use() - enter the VMM's address space
 * @vmm: the VMM
 *
 * Not for long, and never while waiting for anybody: the address space stays as long.
 *
 * Context: a thread of the module's
 *
 * Return: whether it is still there; kvmft_vmm_unuse() leaves it
 */
bool kvmft_vmm_use(struct kvmft_vmm *vmm)
{
	if (!mmget_not_zero(vmm->mm))
		return false;
	kthread_use_mm(vmm->mm);
	return true;
}

/* A call that is under way. */
struct call {
	struct work_struct work;
	struct kvmft_vmm *vmm;
	void (*function)(void *context);
	void *context;
};

static void call(struct work_struct *work)
{
	struct call *call = container_of(work, struct call, work);

	if (kvmft_vmm_use(call->vmm)) {
		call->function(call->context);
		kvmft_vmm_unuse(call->vmm);
	}
}

/**
 * kvmft_vmm_call() - do something in the VMM's address space
 * @vmm: the VMM
 * @function: what to do; not done if the address space is gone
 * @context: passed on to @function
 *
 * Context: any thread that may sleep; returns when it is done
 */
void kvmft_vmm_call(struct kvmft_vmm *vmm, void (*function)(void *context),
		    void *context)
{
	struct call one = { .vmm = vmm, .function = function, .context = context };

	INIT_WORK_ONSTACK(&one.work, call);
	queue_work(system_long_wq, &one.work);
	flush_work(&one.work);
	destroy_work_on_stack(&one.work);
}

/**
 * kvmft_vmm_unuse() - leave the VMM's address space
 * @vmm: the VMM
 */
void kvmft_vmm_unuse(struct kvmft_vmm *vmm)
{
	kthread_unuse_mm(vmm->mm);
	/* Its end may be ours to bring about: not in this thread. */
	mmput_async(vmm->mm);
}
