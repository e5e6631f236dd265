/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_MINMAX_H
#define _SHIM_MINMAX_H

#define min_t(type, a, b) ({ \
	type a_ = (a), b_ = (b); \
	a_ < b_ ? a_ : b_; })

#define clamp(value, low, high) ({ \
	typeof(value) value_ = (value), low_ = (low), high_ = (high); \
	value_ < low_ ? low_ : value_ > high_ ? high_ : value_; })

#endif /* _SHIM_MINMAX_H */
