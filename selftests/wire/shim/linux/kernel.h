/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_KERNEL_H
#define _SHIM_KERNEL_H

#include <linux/types.h>
#include <shim.h>

#define DIV_ROUND_UP(n, d) ({ \
	typeof(d) d_ = (d); \
	((n) + d_ - 1) / d_; })

/* The compiler complains of two types, as with the kernel's. */
#define min(a, b) ({ \
	__auto_type a_ = (a); \
	__auto_type b_ = (b); \
	(void)(&a_ == &b_); \
	a_ < b_ ? a_ : b_; })
#define max(a, b) ({ \
	__auto_type a_ = (a); \
	__auto_type b_ = (b); \
	(void)(&a_ == &b_); \
	a_ > b_ ? a_ : b_; })

/* Counted, so that a test can provoke one and a fuzzer can stop at it. */
#define WARN_ON_ONCE(condition) ({ \
	bool warn_ = (condition); \
	shim_warnings += warn_; \
	warn_; })

#endif /* _SHIM_KERNEL_H */
