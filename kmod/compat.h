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

#endif /* _KVMFT_COMPAT_H */
