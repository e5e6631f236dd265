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

/* What a class's namespace callback takes: const since 6.2. */
#if KVMFT_KERNEL < 6002
#define KVMFT_CONST_DEVICE
#else
#define KVMFT_CONST_DEVICE const
#endif

#endif /* __KERNEL__ */

#endif /* _KVMFT_COMPAT_H */
