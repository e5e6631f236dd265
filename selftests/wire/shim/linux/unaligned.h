/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_UNALIGNED_H
#define _SHIM_UNALIGNED_H

#include <linux/types.h>

static inline u64 shim_get_le(const void *from, int len)
{
	const u8 *bytes = from;
	u64 value = 0;

	while (len--)
		value = value << 8 | bytes[len];
	return value;
}

static inline void shim_put_le(u64 value, void *to, int len)
{
	u8 *bytes = to;

	for (; len--; value >>= 8)
		*bytes++ = value & 0xff;
}

#define get_unaligned_le16(from) ((u16)shim_get_le(from, 2))
#define get_unaligned_le32(from) ((u32)shim_get_le(from, 4))
#define get_unaligned_le64(from) shim_get_le(from, 8)
#define put_unaligned_le16(value, to) shim_put_le((u16)(value), to, 2)
#define put_unaligned_le32(value, to) shim_put_le((u32)(value), to, 4)
#define put_unaligned_le64(value, to) shim_put_le(value, to, 8)

#endif /* _SHIM_UNALIGNED_H */
