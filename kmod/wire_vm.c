// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/string.h>

#include "compat.h"
#include "wire.h"

/**
 * kvmft_wire_put_attach() - encode ATTACH
 * @to: KVMFT_WIRE_ATTACH_LEN bytes
 * @attach: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_attach(u8 *to, const struct kvmft_wire_attach *attach)
{
	put_unaligned_le32(attach->reason, to);
	to[4] = attach->kind;
	memset(to + 5, 0, 3);
	put_unaligned_le64(attach->ceiling, to + 8);
	strncpy((char *)to + 16, attach->name, KVMFT_WIRE_VM_NAME_LEN);
	return KVMFT_WIRE_ATTACH_LEN;
}

/**
 * kvmft_wire_get_attach() - decode ATTACH
 * @from: the body
 * @len: its length
 * @attach: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_attach(const u8 *from, u32 len,
					struct kvmft_wire_attach *attach)
{
	size_t used;

	if (len != KVMFT_WIRE_ATTACH_LEN)
		return KVMFT_REASON_LIMIT;

	attach->reason = get_unaligned_le32(from);
	attach->kind = from[4];
	attach->ceiling = get_unaligned_le64(from + 8);
	memcpy(attach->name, from + 16, KVMFT_WIRE_VM_NAME_LEN);
	used = strnlen(attach->name, KVMFT_WIRE_VM_NAME_LEN);

	if (from[5] || from[6] || from[7] ||
	    attach->kind < KVMFT_WIRE_ATTACH_GUEST ||
	    attach->kind > KVMFT_WIRE_ATTACH_SELFTEST ||
	    used == KVMFT_WIRE_VM_NAME_LEN ||
	    memchr_inv(attach->name + used, 0, KVMFT_WIRE_VM_NAME_LEN - used) ||
	    !kvmft_wire_name_ok(attach->name, KVMFT_VM_NAME_MAX))
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_layout() - encode the beginning of LAYOUT
 * @to: KVMFT_WIRE_LAYOUT_HEAD bytes, and KVMFT_WIRE_LAYOUT_ENTRY for each range
 * @count: ranges that kvmft_wire_put_range() is to add
 *
 * Return: length of the whole body
 */
size_t kvmft_wire_put_layout(u8 *to, u32 count)
{
	put_unaligned_le32(count, to);
	put_unaligned_le32(0, to + 4);
	return KVMFT_WIRE_LAYOUT_HEAD + (size_t)count * KVMFT_WIRE_LAYOUT_ENTRY;
}

/**
 * kvmft_wire_put_range() - encode one range of LAYOUT
 * @to: the body
 * @index: which one
 * @range: what to encode
 *
 * Return: length of the range
 */
size_t kvmft_wire_put_range(u8 *to, u32 index,
			    const struct kvmft_wire_range *range)
{
	to += KVMFT_WIRE_LAYOUT_HEAD + (size_t)index * KVMFT_WIRE_LAYOUT_ENTRY;
	put_unaligned_le64(range->gpa, to);
	put_unaligned_le64(range->size, to + 8);
	put_unaligned_le64(range->offset, to + 16);
	put_unaligned_le32(range->region, to + 24);
	put_unaligned_le32(range->flags, to + 28);
	return KVMFT_WIRE_LAYOUT_ENTRY;
}

/**
 * kvmft_wire_get_range() - decode one range of LAYOUT
 * @from: a body
 * @index: which one, below the count
 * @range: result
 */
void kvmft_wire_get_range(const u8 *from, u32 index,
			  struct kvmft_wire_range *range)
{
	from += KVMFT_WIRE_LAYOUT_HEAD + (size_t)index * KVMFT_WIRE_LAYOUT_ENTRY;
	range->gpa = get_unaligned_le64(from);
	range->size = get_unaligned_le64(from + 8);
	range->offset = get_unaligned_le64(from + 16);
	range->region = get_unaligned_le32(from + 24);
	range->flags = get_unaligned_le32(from + 28);
}

/* Both ends aligned, and within what an offset can be. */
static bool span_ok(u64 start, u64 size)
{
	return !((start | size) & (KVMFT_WIRE_PAGE_SIZE - 1)) && size &&
	       start < KVMFT_WIRE_OFFSET_MAX &&
	       size <= KVMFT_WIRE_OFFSET_MAX - start;
}

/**
 * kvmft_wire_get_layout() - check LAYOUT
 * @from: the body
 * @len: its length
 * @count: result, how many ranges kvmft_wire_get_range() has
 *
 * Ranges are in the order of their addresses and don't overlap.
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_layout(const u8 *from, u32 len, u32 *count)
{
	struct kvmft_wire_range range;
	u64 end = 0;
	u32 i;

	if (len < KVMFT_WIRE_LAYOUT_HEAD)
		return KVMFT_REASON_LIMIT;
	*count = get_unaligned_le32(from);
	if (*count > KVMFT_WIRE_LAYOUT_MAX)
		return KVMFT_REASON_LIMIT;
	if (get_unaligned_le32(from + 4) ||
	    len != KVMFT_WIRE_LAYOUT_HEAD + *count * KVMFT_WIRE_LAYOUT_ENTRY)
		return KVMFT_REASON_PROTOCOL;

	for (i = 0; i < *count; i++) {
		kvmft_wire_get_range(from, i, &range);
		if (!span_ok(range.gpa, range.size) ||
		    !span_ok(range.offset, range.size) || range.gpa < end ||
		    range.region > KVMFT_WIRE_REGION_MAX || range.flags > 1)
			return KVMFT_REASON_PROTOCOL;
		end = range.gpa + range.size;
	}
	return 0;
}

/**
 * kvmft_wire_put_config() - encode the beginning of CONFIG
 * @to: KVMFT_WIRE_CONFIG_HEAD bytes
 * @count: items that kvmft_wire_put_item() is to add
 *
 * Return: length of the beginning
 */
size_t kvmft_wire_put_config(u8 *to, u32 count)
{
	put_unaligned_le32(count, to);
	put_unaligned_le32(0, to + 4);
	return KVMFT_WIRE_CONFIG_HEAD;
}

/* Values are padded to 8 bytes. */
static u32 padded(u32 len)
{
	return (len + 7) & ~7U;
}

/**
 * kvmft_wire_put_item() - encode one item of CONFIG
 * @to: where it begins
 * @item: what to encode; a value of up to KVMFT_WIRE_BODY_MAX bytes
 *
 * Return: length of the item
 */
size_t kvmft_wire_put_item(u8 *to, const struct kvmft_wire_item *item)
{
	put_unaligned_le32(item->key, to);
	put_unaligned_le32(item->len, to + 4);
	memcpy(to + KVMFT_WIRE_CONFIG_ITEM, item->value, item->len);
	memset(to + KVMFT_WIRE_CONFIG_ITEM + item->len, 0,
	       padded(item->len) - item->len);
	return KVMFT_WIRE_CONFIG_ITEM + padded(item->len);
}

/**
 * kvmft_wire_get_item() - decode one item of CONFIG
 * @from: a body
 * @at: where in it the item begins; the first is at KVMFT_WIRE_CONFIG_HEAD
 * @item: result
 *
 * Return: where the next one begins
 */
u32 kvmft_wire_get_item(const u8 *from, u32 at, struct kvmft_wire_item *item)
{
	item->key = get_unaligned_le32(from + at);
	item->len = get_unaligned_le32(from + at + 4);
	item->value = from + at + KVMFT_WIRE_CONFIG_ITEM;
	return at + KVMFT_WIRE_CONFIG_ITEM + padded(item->len);
}

/**
 * kvmft_wire_get_config() - check CONFIG
 * @from: the body
 * @len: its length
 * @count: result, how many items kvmft_wire_get_item() has
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_config(const u8 *from, u32 len, u32 *count)
{
	u32 at = KVMFT_WIRE_CONFIG_HEAD;
	u32 i;

	if (len < KVMFT_WIRE_CONFIG_HEAD || len > KVMFT_WIRE_BODY_MAX)
		return KVMFT_REASON_LIMIT;
	*count = get_unaligned_le32(from);
	if (get_unaligned_le32(from + 4))
		return KVMFT_REASON_PROTOCOL;

	for (i = 0; i < *count; i++) {
		u32 size;

		if (len - at < KVMFT_WIRE_CONFIG_ITEM)
			return KVMFT_REASON_PROTOCOL;
		size = get_unaligned_le32(from + at + 4);
		at += KVMFT_WIRE_CONFIG_ITEM;
		if (size > len - at || padded(size) > len - at ||
		    memchr_inv(from + at + size, 0, padded(size) - size))
			return KVMFT_REASON_PROTOCOL;
		at += padded(size);
	}
	return at == len ? 0 : KVMFT_REASON_PROTOCOL;
}

/**
 * kvmft_wire_put_switch() - encode SWITCH
 * @to: KVMFT_WIRE_SWITCH_LEN bytes
 * @step: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_switch(u8 *to, const struct kvmft_wire_switch *step)
{
	put_unaligned_le32(step->step, to);
	put_unaligned_le32(0, to + 4);
	put_unaligned_le64(step->still, to + 8);
	return KVMFT_WIRE_SWITCH_LEN;
}

/**
 * kvmft_wire_get_switch() - decode SWITCH
 * @from: the body
 * @len: its length
 * @step: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_switch(const u8 *from, u32 len,
					struct kvmft_wire_switch *step)
{
	if (len != KVMFT_WIRE_SWITCH_LEN)
		return KVMFT_REASON_LIMIT;
	step->step = get_unaligned_le32(from);
	step->still = get_unaligned_le64(from + 8);
	if (get_unaligned_le32(from + 4) ||
	    step->step < KVMFT_WIRE_SWITCH_PREPARE ||
	    step->step > KVMFT_WIRE_SWITCH_CANCEL)
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_vmm_gone() - encode VMM_GONE
 * @to: KVMFT_WIRE_VMM_GONE_LEN bytes
 * @how: &enum kvmft_wire_gone
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_vmm_gone(u8 *to, u32 how)
{
	put_unaligned_le32(how, to);
	put_unaligned_le32(0, to + 4);
	return KVMFT_WIRE_VMM_GONE_LEN;
}

/**
 * kvmft_wire_get_vmm_gone() - decode VMM_GONE
 * @from: the body
 * @len: its length
 * @how: result, &enum kvmft_wire_gone
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_vmm_gone(const u8 *from, u32 len, u32 *how)
{
	if (len != KVMFT_WIRE_VMM_GONE_LEN)
		return KVMFT_REASON_LIMIT;
	*how = get_unaligned_le32(from);
	if (get_unaligned_le32(from + 4) || *how < KVMFT_WIRE_GONE_CRASHED ||
	    *how > KVMFT_WIRE_GONE_SHUTDOWN)
		return KVMFT_REASON_PROTOCOL;
	return 0;
}

/**
 * kvmft_wire_put_fence() - encode FENCE
 * @to: KVMFT_WIRE_FENCE_LEN bytes
 * @fence: what to encode
 *
 * Return: length of the body
 */
size_t kvmft_wire_put_fence(u8 *to, const struct kvmft_wire_fence *fence)
{
	put_unaligned_le32(fence->verdict, to);
	put_unaligned_le32(0, to + 4);
	memcpy(to + 8, fence->instance, KVMFT_INSTANCE_LEN);
	return KVMFT_WIRE_FENCE_LEN;
}

/**
 * kvmft_wire_get_fence() - decode FENCE
 * @from: the body
 * @len: its length
 * @fence: result
 *
 * Return: 0 or the reason why it is none
 */
enum kvmft_reason kvmft_wire_get_fence(const u8 *from, u32 len,
				       struct kvmft_wire_fence *fence)
{
	if (len != KVMFT_WIRE_FENCE_LEN)
		return KVMFT_REASON_LIMIT;
	fence->verdict = get_unaligned_le32(from);
	memcpy(fence->instance, from + 8, KVMFT_INSTANCE_LEN);
	if (get_unaligned_le32(from + 4) ||
	    fence->verdict < KVMFT_WIRE_FENCE_STAND_DOWN ||
	    fence->verdict > KVMFT_WIRE_FENCE_HELD)
		return KVMFT_REASON_PROTOCOL;
	return 0;
}
