// SPDX-License-Identifier: GPL-2.0
/* Rings by a guest that doesn't want to be understood. */
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "../../tools/ftvmm/memory.h"

/* An address that is likely to be at an edge. */
static u64 odd_address(void)
{
	switch (below(6)) {
	case 0:
		return ARENA_SIZE - below(64);
	case 1:
		return ARENA_SIZE + below(64);
	case 2:
		return ~0ULL - below(4096);
	case 3:
		return 1ULL << below(64);
	default:
		return below(ARENA_SIZE);
	}
}

static u32 odd_len(void)
{
	switch (below(6)) {
	case 0:
		return 0;
	case 1:
		return ~0U - below(4);
	case 2:
		return 1U << below(32);
	case 3:
		return ARENA_SIZE + below(16) - 8;
	default:
		return below(600);
	}
}

static void poke_desc(u64 table, u32 number, bool honest, u32 next, u32 count)
{
	struct vring_desc desc = {
		.addr = honest ? below(ARENA_SIZE - 600) : odd_address(),
		.len = honest ? below(600) : odd_len(),
		.flags = honest ? 0 : chance(),
		.next = honest ? next : chance() % (rarely(4) ? 65536 : count),
	};

	if (honest && next < count)
		desc.flags |= VRING_DESC_F_NEXT;
	if (honest && next * 2 > count)
		desc.flags |= VRING_DESC_F_WRITE;
	place_poke(table + number * sizeof(desc), &desc, sizeof(desc));
}

/* A table from which chains can be made, with something wrong in it now and then. */
static void poke_table(u64 table, u32 count, u64 inner, u32 wrong)
{
	struct vring_desc indirect;
	u32 i;

	for (i = 0; i < count; i++)
		poke_desc(table, i, !wrong || !rarely(wrong), i % 7 == 6 ? count : i + 1, count);
	if (!inner)
		return;
	indirect = (struct vring_desc){
		.addr = inner, .len = (1 + below(20)) * sizeof(indirect),
		.flags = VRING_DESC_F_INDIRECT,
	};
	if (wrong && rarely(4))
		indirect.len = odd_len();
	if (wrong && rarely(8))
		indirect.flags |= VRING_DESC_F_NEXT;
	place_poke(table + below(count) * sizeof(indirect), &indirect, sizeof(indirect));
}

/* As long as can be, and longer: a whole ring that ends with a whole table. */
static void poke_long(const struct queue *queue, u64 inner)
{
	u32 i, count = 200 + below(57);
	struct vring_desc desc;

	for (i = 0; i < count; i++) {
		desc = (struct vring_desc){ 0, 1, i < count - 1 ? VRING_DESC_F_NEXT : 0, i + 1 };
		place_poke(inner + i * sizeof(desc), &desc, sizeof(desc));
	}
	for (i = 0; i < queue->size; i++) {
		desc = (struct vring_desc){ 0, 1, VRING_DESC_F_NEXT, i + 1 };
		if (i == queue->size - 1U)
			desc = (struct vring_desc){ inner, count * sizeof(desc),
						    VRING_DESC_F_INDIRECT, 0 };
		place_poke(queue->desc + i * sizeof(desc), &desc, sizeof(desc));
	}
}

static void poke_avail(const struct queue *queue, u32 wrong)
{
	u16 index = queue->next_avail + below(queue->size + 1), head, i;

	if (wrong && rarely(wrong))
		index = chance();
	for (i = 0; i < queue->size; i++) {
		head = wrong && rarely(wrong) ? chance() : below(queue->size);
		place_poke(queue->avail + 4 + 2 * i, &head, sizeof(head));
	}
	place_poke(queue->avail + 2, &index, sizeof(index));
	head = chance();
	place_poke(queue->avail + 4 + 2 * queue->size, &head, sizeof(head));
}

static bool chain_is_sound(const struct chain *chain, const struct queue *queue)
{
	u64 out = 0, in = 0;
	u32 i;

	if (chain->out + chain->in > CHAIN_MAX || chain->head >= queue->size)
		return false;
	for (i = 0; i < chain->out + chain->in; i++) {
		if (!memory_at(chain->segments[i].gpa, chain->segments[i].len))
			return false;
		*(i < chain->out ? &out : &in) += chain->segments[i].len;
	}
	return out == chain->out_len && in == chain->in_len;
}

static bool use_chain(struct queue *queue, struct chain *chain)
{
	u8 bytes[2048];
	u64 len = below(sizeof(bytes)), at = below(700), n;

	if (!chain_is_sound(chain, queue)) {
		printf("# a chain isn't what it says\n");
		return false;
	}
	n = chain_read(chain, at, bytes, len);
	if (n > len || n > chain->out_len) {
		printf("# more was read than there is\n");
		return false;
	}
	n = chain_write(chain, at, bytes, len);
	if (n > len || n > chain->in_len) {
		printf("# more was written than there is room\n");
		return false;
	}
	if (rarely(8)) {
		queue_unpop(queue, 1);
		return queue_pop(queue, chain) || queue->broken;
	}
	queue_push(queue, chain->head, n);
	return true;
}

static bool use_queue(struct queue *queue)
{
	struct chain *chain = malloc(sizeof(*chain));
	u32 popped = 0, most = queue->size;
	bool good = true;

	/* What it does with its own memory can change what it says. */
	while (good && queue_pop(queue, chain)) {
		good = use_chain(queue, chain);
		if (++popped > 2 * most) {
			printf("# more chains than a ring can hold\n");
			good = false;
		}
		if (rarely(16))
			poke_table(queue->desc, queue->size, 0, 8);
	}
	queue_listen(queue, below(3));
	queue_interrupts(queue);
	queue_has(queue);
	free(chain);
	return good;
}

/* Where the rings are; sometimes where they can't be. */
static void place_queue(struct queue *queue, u32 wrong)
{
	queue_reset(queue);
	queue->size = 1U << below(9);
	queue->desc = 4096;
	queue->avail = 16384 + below(100) * 2;
	queue->used = 20480 + below(100) * 4;
	/* At the very end, so that a byte too far is outside. */
	if (rarely(4))
		queue->used = (ARENA_SIZE - (6 + 8 * queue->size)) & ~3ULL;
	if (rarely(4))
		queue->avail = ARENA_SIZE - (6 + 2 * queue->size);
	if (wrong && rarely(8))
		queue->desc = odd_address();
	if (wrong && rarely(8))
		queue->avail = odd_address();
	if (wrong && rarely(8))
		queue->used = odd_address();
	if (wrong && rarely(8))
		queue->size = chance();
	queue->event_index = rarely(2);
	queue->indirect = !rarely(3);
	queue->next_avail = chance();
	queue->next_used = chance();
	queue->told_used = queue->next_used;
}

bool try_queue(void)
{
	u32 wrong = rarely(3) ? 0 : 1 + below(60), rounds = 1 + below(4);
	struct queue queue;
	bool good = true;

	place_queue(&queue, wrong);
	queue.ready = queue_check(&queue);
	if (!queue.ready != !!queue.broken) {
		printf("# a ring is neither ready nor broken\n");
		return false;
	}
	if (!wrong && queue.broken) {
		printf("# an honest ring is said to be broken: %s\n", queue.broken);
		return false;
	}
	if (!queue.ready)
		return true;
	for (; rounds && good; rounds--) {
		poke_table(32768, 64, 0, wrong);
		poke_table(queue.desc, queue.size, queue.indirect ? 32768 : 0, wrong);
		if (wrong && rarely(8))
			poke_long(&queue, 32768);
		poke_avail(&queue, wrong);
		good = use_queue(&queue);
	}
	return place_is_honest() && good;
}
