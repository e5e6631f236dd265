// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "compat.h"
#include "layout.h"
#include "memory.h"
#include "reason.h"
#include "wire.h"

static int by_address(const void *a, const void *b)
{
	const struct kvmft_wire_range *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

/* What the guest sees in system management mode is mostly the same once more. */
static bool is_shown(const struct kvmft_range *range)
{
	return !(range->slot >> 16);
}

/**
 * kvmft_layout_build() - make the body of LAYOUT
 * @memory: the guest's memory
 * @len: result: its length
 *
 * Return: the body, for kvfree(), or NULL without memory
 */
u8 *kvmft_layout_build(const struct kvmft_memory *memory, u32 *len)
{
	struct kvmft_wire_range *ranges;
	u32 count = 0;
	u8 *body;
	u32 i;

	ranges = kvcalloc(memory->range_count, sizeof(*ranges), GFP_KERNEL);
	body = kvzalloc(KVMFT_WIRE_LAYOUT_HEAD +
			memory->range_count * KVMFT_WIRE_LAYOUT_ENTRY, GFP_KERNEL);
	if (!ranges || !body) {
		kvfree(ranges);
		kvfree(body);
		return NULL;
	}
	for (i = 0; i < memory->range_count; i++) {
		const struct kvmft_range *range = &memory->ranges[i];

		if (!is_shown(range))
			continue;
		ranges[count++] = (struct kvmft_wire_range){
			.gpa = range->gfn << PAGE_SHIFT,
			.size = range->pages << PAGE_SHIFT,
			.offset = (range->first - memory->regions[range->region].first) <<
				  PAGE_SHIFT,
			.region = range->region,
			.flags = range->flags & KVM_MEM_READONLY ? 1 : 0,
		};
	}
	sort(ranges, count, sizeof(*ranges), by_address, NULL);
	for (i = 0; i < count; i++)
		kvmft_wire_put_range(body, i, &ranges[i]);
	*len = kvmft_wire_put_layout(body, count);
	kvfree(ranges);
	return body;
}

/**
 * kvmft_layout_compare() - is the memory of two guests alike?
 * @ours: body of ours
 * @theirs: body of theirs
 * @theirs_len: its length
 * @verdict: how they differ
 *
 * Return: 0 or -EINVAL
 */
int kvmft_layout_compare(const u8 *ours, const u8 *theirs, u32 theirs_len,
			 struct kvmft_verdict *verdict)
{
	struct kvmft_wire_range a, b;
	u32 count, others, i;

	/* Ours has been made by us, so its length is no question. */
	count = get_unaligned_le32(ours);
	if (kvmft_wire_get_layout(theirs, theirs_len, &others)) {
		kvmft_judge(verdict, KVMFT_REASON_PROTOCOL);
		return -EINVAL;
	}
	for (i = 0; i < min(count, others); i++) {
		kvmft_wire_get_range(ours, i, &a);
		kvmft_wire_get_range(theirs, i, &b);
		if (a.gpa == b.gpa && a.size == b.size && a.offset == b.offset &&
		    a.region == b.region && a.flags == b.flags)
			continue;
		kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
				   "%#llx bytes at %#llx (region %u, flags %u) here, %#llx at %#llx (%u, %u) there",
				   a.size, a.gpa, a.region, a.flags,
				   b.size, b.gpa, b.region, b.flags);
		return -EINVAL;
	}
	if (count != others) {
		kvmft_judge_saying(verdict, KVMFT_REASON_LAYOUT,
				   "memory has %u ranges here and %u there", count, others);
		return -EINVAL;
	}
	return 0;
}
