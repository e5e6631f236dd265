/* SPDX-License-Identifier: GPL-2.0 */
/*
 * layout: where a guest's memory is, as the body of LAYOUT.
 *
 * Contract: of equal guests the bodies are equal. Theirs may be anything. The first
 * difference is the verdict, with both values.
 */
#ifndef _KVMFT_LAYOUT_H
#define _KVMFT_LAYOUT_H

#include <linux/types.h>

struct kvmft_memory;
struct kvmft_verdict;

u8 *kvmft_layout_build(const struct kvmft_memory *memory, u32 *len);
int kvmft_layout_compare(const u8 *ours, const u8 *theirs, u32 theirs_len,
			 struct kvmft_verdict *verdict);

#endif /* _KVMFT_LAYOUT_H */
