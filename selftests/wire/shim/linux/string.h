/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_STRING_H
#define _SHIM_STRING_H

#include <string.h>

/* The first byte that isn't @c, or NULL. */
static inline void *memchr_inv(const void *from, int c, size_t len)
{
	const unsigned char *byte = from;

	for (; len; len--, byte++)
		if (*byte != (unsigned char)c)
			return (void *)byte;
	return NULL;
}

#endif /* _SHIM_STRING_H */
