// SPDX-License-Identifier: GPL-2.0
#include "rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

#include "virtio.h"

/* What a request gets at most, in whole. */
#define GIVE_MAX 4096

static void fill(struct virtio *virtio, u32 number)
{
	struct queue *queue = &virtio->queues[number];
	struct chain chain;
	u8 bytes[GIVE_MAX];
	ssize_t n;

	do {
		while (queue_pop(queue, &chain)) {
			n = getrandom(bytes, chain.in_len < GIVE_MAX ? chain.in_len : GIVE_MAX,
				      GRND_NONBLOCK);
			n = n > 0 ? (ssize_t)chain_write(&chain, 0, bytes, n) : 0;
			queue_push(queue, chain.head, n);
		}
	} while (queue_listen(queue, 0));
	virtio_settle(virtio, number);
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_RNG,
	.queues = 1,
	.notify = fill,
};

void rng_make(void)
{
	virtio_make(&ops, NULL, "rng", 0, NULL, 0);
}
