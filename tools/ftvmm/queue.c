// SPDX-License-Identifier: GPL-2.0
#include "queue.h"

#include <endian.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "memory.h"

#define AVAIL_INDEX offsetof(struct vring_avail, idx)
#define AVAIL_RING offsetof(struct vring_avail, ring)
#define USED_INDEX offsetof(struct vring_used, idx)
#define USED_RING offsetof(struct vring_used, ring)

static bool broken(struct queue *queue, const char *why)
{
	if (!queue->broken)
		queue->broken = why;
	return false;
}

void queue_reset(struct queue *queue)
{
	*queue = (struct queue){ .size = QUEUE_SIZE_MAX };
}

static u64 avail_size(const struct queue *queue)
{
	/* With used_event behind it. */
	return AVAIL_RING + (queue->size + 1) * sizeof(u16);
}

static u64 used_size(const struct queue *queue)
{
	/* With avail_event behind it. */
	return USED_RING + queue->size * sizeof(struct vring_used_elem) + sizeof(u16);
}

bool queue_check(struct queue *queue)
{
	u16 size = queue->size;

	if (!size || size > QUEUE_SIZE_MAX || size & (size - 1))
		return broken(queue, "its size is no power of 2, or too large");
	if (queue->desc % 16 || queue->avail % 2 || queue->used % 4)
		return broken(queue, "its parts aren't aligned");
	if (!memory_at(queue->desc, size * sizeof(struct vring_desc)) ||
	    !memory_at(queue->avail, avail_size(queue)) ||
	    !memory_at(queue->used, used_size(queue)))
		return broken(queue, "it isn't in RAM");
	return true;
}

static bool usable(const struct queue *queue)
{
	return queue->ready && !queue->broken;
}

/* A 16-bit number of one of the rings, which queue_check() has found in RAM. */
static u16 get16(u64 gpa)
{
	const u16 *at = memory_at(gpa, sizeof(*at));

	return le16toh(__atomic_load_n(at, __ATOMIC_ACQUIRE));
}

static void put16(u64 gpa, u16 value)
{
	u16 *at = memory_at(gpa, sizeof(*at));

	__atomic_store_n(at, htole16(value), __ATOMIC_RELEASE);
	memory_written(gpa, sizeof(*at));
}

/* How many are available; judged. */
static u16 waiting(struct queue *queue)
{
	u16 count = get16(queue->avail + AVAIL_INDEX) - queue->next_avail;

	if (count <= queue->size)
		return count;
	broken(queue, "its index has jumped");
	return 0;
}

bool queue_has(struct queue *queue)
{
	return usable(queue) && waiting(queue);
}

/* A copy: the guest may change it while it is judged. */
static bool read_desc(struct queue *queue, u64 table, u16 number, struct vring_desc *desc)
{
	if (!memory_read(table + (u64)number * sizeof(*desc), desc, sizeof(*desc)))
		return broken(queue, "a descriptor isn't in RAM");
	desc->addr = le64toh(desc->addr);
	desc->len = le32toh(desc->len);
	desc->flags = le16toh(desc->flags);
	desc->next = le16toh(desc->next);
	return true;
}

static bool add_segment(struct queue *queue, struct chain *chain, const struct vring_desc *desc)
{
	bool in = desc->flags & VRING_DESC_F_WRITE;

	if (!desc->len)
		return true;
	if (!in && chain->in)
		return broken(queue, "a chain has something to read behind something to write");
	if (chain->out + chain->in == CHAIN_MAX)
		return broken(queue, "a chain has too many pieces");
	if (!memory_at(desc->addr, desc->len))
		return broken(queue, "a chain leads out of RAM");
	chain->segments[chain->out + chain->in] = (struct segment){ desc->addr, desc->len };
	if (in) {
		chain->in++;
		chain->in_len += desc->len;
	} else {
		chain->out++;
		chain->out_len += desc->len;
	}
	if (chain->out_len + chain->in_len > CHAIN_BYTES_MAX)
		return broken(queue, "a chain is too long");
	return true;
}

/**
 * struct walk - how a chain is followed
 * @table: Where its descriptors are.
 * @size: How many there are.
 * @inner: It is an indirect table.
 */
struct walk {
	u64 table;
	u32 size;
	bool inner;
};

/* Steps over to an indirect table, which has to be the only one. */
static bool go_inside(struct queue *queue, struct walk *walk, const struct vring_desc *desc)
{
	if (!queue->indirect || walk->inner || desc->flags & VRING_DESC_F_NEXT)
		return broken(queue, "an indirect table where none may be");
	if (!desc->len || desc->len % sizeof(*desc) || desc->len / sizeof(*desc) > CHAIN_MAX)
		return broken(queue, "an indirect table has no possible length");
	if (!memory_at(desc->addr, desc->len))
		return broken(queue, "an indirect table isn't in RAM");
	*walk = (struct walk){ desc->addr, desc->len / sizeof(*desc), true };
	return true;
}

/* A loop ends with more steps than there are descriptors. */
static bool follow(struct queue *queue, struct chain *chain)
{
	struct walk walk = { queue->desc, queue->size, false };
	struct vring_desc desc;
	u16 number = chain->head;
	u32 steps;

	for (steps = 0; steps < walk.size; steps++) {
		if (number >= walk.size)
			return broken(queue, "there is no such descriptor");
		if (!read_desc(queue, walk.table, number, &desc))
			return false;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (!go_inside(queue, &walk, &desc))
				return false;
			number = 0;
			/* The step that led inside isn't one of those there. */
			steps = -1U;
			continue;
		}
		if (!add_segment(queue, chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		number = desc.next;
	}
	return broken(queue, "a chain is a loop");
}

bool queue_pop(struct queue *queue, struct chain *chain)
{
	u16 slot;

	if (!queue_has(queue))
		return false;
	slot = queue->next_avail & (queue->size - 1);
	chain->head = get16(queue->avail + AVAIL_RING + slot * sizeof(u16));
	chain->out = 0;
	chain->in = 0;
	chain->out_len = 0;
	chain->in_len = 0;
	if (!follow(queue, chain))
		return false;
	queue->next_avail++;
	return true;
}

void queue_unpop(struct queue *queue, u16 n)
{
	queue->next_avail -= n;
}

bool queue_listen(struct queue *queue, u16 known)
{
	if (!usable(queue))
		return false;
	if (queue->event_index)
		put16(queue->used + used_size(queue) - sizeof(u16), queue->next_avail + known);
	/* The guest writes its index, then looks at the event; we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return waiting(queue) > known;
}

void queue_place(struct queue *queue, u16 n, u16 head, u32 len)
{
	struct vring_used_elem used = { htole32(head), htole32(len) };
	u16 slot = (queue->next_used + n) & (queue->size - 1);

	if (usable(queue))
		memory_write(queue->used + USED_RING + slot * sizeof(used), &used, sizeof(used));
}

void queue_publish(struct queue *queue, u16 count)
{
	if (!usable(queue))
		return;
	queue->next_used += count;
	put16(queue->used + USED_INDEX, queue->next_used);
}

void queue_push(struct queue *queue, u16 head, u32 len)
{
	queue_place(queue, 0, head, len);
	queue_publish(queue, 1);
}

bool queue_interrupts(struct queue *queue)
{
	u16 event, old = queue->told_used;

	if (!usable(queue) || queue->next_used == old)
		return false;
	queue->told_used = queue->next_used;
	/* The guest writes what it wants, then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!queue->event_index)
		return !(get16(queue->avail) & VRING_AVAIL_F_NO_INTERRUPT);
	event = get16(queue->avail + avail_size(queue) - sizeof(u16));
	return vring_need_event(event, queue->next_used, old);
}

/* Copies to segments or from them. */
static u64 copy(const struct segment *segment, u32 count, u64 at, u8 *data, u64 len, bool write)
{
	u64 done = 0, n;

	for (; count && done < len; segment++, count--) {
		if (at >= segment->len) {
			at -= segment->len;
			continue;
		}
		n = segment->len - at < len - done ? segment->len - at : len - done;
		if (!(write ? memory_write(segment->gpa + at, data + done, n) :
			      memory_read(segment->gpa + at, data + done, n)))
			break;
		done += n;
		at = 0;
	}
	return done;
}

u64 chain_read(const struct chain *chain, u64 at, void *data, u64 len)
{
	return copy(chain->segments, chain->out, at, data, len, false);
}

u64 segments_write(const struct segment *segments, u32 count, u64 at, const void *data, u64 len)
{
	return copy(segments, count, at, (u8 *)data, len, true);
}

u64 chain_write(const struct chain *chain, u64 at, const void *data, u64 len)
{
	return segments_write(chain->segments + chain->out, chain->in, at, data, len);
}
