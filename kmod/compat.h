/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compat: differences between the kernels that kvmft builds for.
 *
 * Contract: this is the only file that looks at the kernel's version. The rest
 * is written for one kernel, the newest, and what an older one lacks or spells
 * differently gets the newest spelling here. What both spell alike needs
 * nothing, and an entry goes when its kernel goes.
 */
#ifndef _KVMFT_COMPAT_H
#define _KVMFT_COMPAT_H

#include <linux/version.h>

/* The kernel as one number to compare with: 6001 is 6.1, 6012 is 6.12. */
#define KVMFT_KERNEL (LINUX_VERSION_MAJOR * 1000 + LINUX_VERSION_PATCHLEVEL)

#if KVMFT_KERNEL < 6001
#error "kvmft needs Linux 6.1 or newer; build it against the headers of such a kernel"
#endif

#if KVMFT_KERNEL < 6012
#include <asm/unaligned.h>
#else
#include <linux/unaligned.h>
#endif

#ifdef __KERNEL__

#include <linux/bvec.h>
#include <linux/net.h>
#include <linux/socket.h>
#include <linux/uio.h>

/**
 * kvmft_sock_splice_pages() - send pages by reference
 * @sock: a TCP socket
 * @msg: an iterator over pages, which moves on by what was sent, and flags
 *
 * Since 6.5 that is a flag of sendmsg(); before, there was a call for each page.
 *
 * Return: bytes sent, or a negative errno if there are none
 */
static inline int kvmft_sock_splice_pages(struct socket *sock, struct msghdr *msg)
{
#if KVMFT_KERNEL < 6005
	size_t sent = 0;
	int err = 0;

	while (iov_iter_count(&msg->msg_iter)) {
		struct bio_vec part = mp_bvec_iter_bvec(msg->msg_iter.bvec,
				((struct bvec_iter) {
					.bi_size = iov_iter_count(&msg->msg_iter),
					.bi_bvec_done = msg->msg_iter.iov_offset,
				}));
		int more = part.bv_len < iov_iter_count(&msg->msg_iter) ?
			   MSG_MORE | MSG_SENDPAGE_NOTLAST : 0;

		err = kernel_sendpage(sock, part.bv_page, part.bv_offset,
				      part.bv_len, msg->msg_flags | more);
		if (err <= 0)
			break;
		iov_iter_advance(&msg->msg_iter, err);
		sent += err;
	}
	return sent ?: err;
#else
	int flags = msg->msg_flags;
	int err;

	msg->msg_flags |= MSG_SPLICE_PAGES;
	err = sock_sendmsg(sock, msg);
	msg->msg_flags = flags;
	return err;
#endif
}

/* The attributes of a dump's request; a macro, to need no header of netlink's here. */
#if KVMFT_KERNEL < 6007
#define kvmft_dump_attrs(cb) (genl_dumpit_info(cb)->attrs)
#else
#define kvmft_dump_attrs(cb) (genl_info_dump(cb)->attrs)
#endif

/* Address spaces of a VM's slots: the second is that of system management mode. */
#if KVMFT_KERNEL < 6008
#define KVMFT_ADDRESS_SPACES KVM_ADDRESS_SPACE_NUM
#else
#define KVMFT_ADDRESS_SPACES KVM_MAX_NR_ADDRESS_SPACES
#endif

/* Makes or changes a slot, under the lock of slots; a macro, to need no header of KVM's here. */
#if KVMFT_KERNEL < 6008
#define kvmft_memory_region_arg kvm_userspace_memory_region
#else
#define kvmft_memory_region_arg kvm_userspace_memory_region2
#endif
#define kvmft_set_slot(kvm, number, slot_flags, gpa, bytes, hva) \
	__kvm_set_memory_region(kvm, &(struct kvmft_memory_region_arg){ \
		.slot = (number), \
		.flags = (slot_flags), \
		.guest_phys_addr = (gpa), \
		.memory_size = (bytes), \
		.userspace_addr = (hva), \
	})

/* Makes a vcpu leave KVM_RUN before it enters the guest. */
#if KVMFT_KERNEL < 6011
#define kvmft_immediate_exit(run) ((run)->immediate_exit)
#else
#define kvmft_immediate_exit(run) ((run)->immediate_exit__unsafe)
#endif

#if KVMFT_KERNEL < 6003
#define kvmft_vma_flags(vma, flags) ((vma)->vm_flags |= (flags))
#else
#define kvmft_vma_flags(vma, flags) vm_flags_set(vma, flags)
#endif

#if KVMFT_KERNEL < 6008
#define kvmft_eventfd_signal(context) eventfd_signal(context, 1)
#else
#define kvmft_eventfd_signal(context) eventfd_signal(context)
#endif

/*
 * Guests whose memory or registers the host can't see. On 6.1 SEV is the only kind,
 * and shows in no field that a module can read. Macros, to need no KVM here.
 */
#if KVMFT_KERNEL < 6012
#define kvmft_vm_hides_memory(kvm) false
#define kvmft_vm_hides_registers(kvm) false
#else
#define kvmft_vm_hides_memory(kvm) kvm_arch_has_private_mem(kvm)
#define kvmft_vm_hides_registers(kvm) ((kvm)->arch.has_protected_state)
#endif

/* Since 6.9 KVM can be built without what it has for Windows. */
#if KVMFT_KERNEL < 6009 || defined(CONFIG_KVM_HYPERV)
#define kvmft_vm_has_hyperv(kvm) ((kvm)->arch.hyperv.hv_guest_os_id != 0)
#define kvmft_vcpu_has_hyperv(vcpu) ((vcpu)->arch.hyperv_enabled)
#else
#define kvmft_vm_has_hyperv(kvm) false
#define kvmft_vcpu_has_hyperv(vcpu) false
#endif

/* What a class's namespace callback takes: const since 6.2. */
#if KVMFT_KERNEL < 6002
#define KVMFT_CONST_DEVICE
#else
#define KVMFT_CONST_DEVICE const
#endif

#endif /* __KERNEL__ */

#endif /* _KVMFT_COMPAT_H */
