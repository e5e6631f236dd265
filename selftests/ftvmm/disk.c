// SPDX-License-Identifier: GPL-2.0
/* A disk, or random numbers, and a driver that asks for anything. */
#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdio.h>

#include "device.h"
#include "fuzz.h"
#include "../../tools/ftvmm/virtio.h"

#define HEADS 24576
/* So many chains at a time share no descriptor. */
#define CHAINS (RING_SIZE / 3 - 1)

/* A request that a disk can understand, more or less. */
static void ask(struct ring *ring, bool honest)
{
	u16 first = ring->made * 3 % (RING_SIZE - 3);
	struct virtio_blk_outhdr head = {
		.type = honest ? below(2) : below(16), .sector = below(honest ? 100 : 3000),
	};
	struct vring_desc desc[3] = {
		{ HEADS + first * 64, sizeof(head), VRING_DESC_F_NEXT, first + 1 },
		{ 32768 + below(16384), 512 * (1 + below(16)), VRING_DESC_F_NEXT, first + 2 },
		{ HEADS + first * 64 + 32, 1, VRING_DESC_F_WRITE, 0 },
	};

	if (head.type != VIRTIO_BLK_T_OUT)
		desc[1].flags |= VRING_DESC_F_WRITE;
	if (!honest) {
		((u8 *)desc)[below(sizeof(desc))] = chance();
		if (rarely(4))
			head.sector = chance();
	}
	place_poke(HEADS + first * 64, &head, sizeof(head));
	place_poke(ring->desc + first * sizeof(desc[0]), desc, sizeof(desc));
	if (!honest && rarely(64))
		ring->made = chance();
	ring_offer(ring, first);
}

/* Until nothing is being done any more. */
static bool settle(void)
{
	u32 i;

	for (i = 0; i < PATIENCE; i++) {
		if (outbox_is_empty(vmm.devices[DEVICE_DISK]->outbox))
			return true;
		sleep_us(LOOK_US);
	}
	printf("# requests are never done\n");
	return false;
}

bool try_disk(void)
{
	u32 device = below(8) ? DEVICE_DISK : DEVICE_RNG, steps = 1 + below(40), unseen = 0;
	const struct virtio *virtio = vmm.devices[device];
	bool honest = rarely(4), flip;
	struct ring ring;

	device_begin(device, honest || !rarely(16) ? virtio->features : chance());
	ring_begin(&ring, device, 0, RING_SIZE);
	device_go(device);
	while (steps--) {
		ask(&ring, honest);
		if (rarely(3) || (honest && ++unseen >= CHAINS)) {
			device_put(device, VIRTIO_MMIO_QUEUE_NOTIFY, honest ? 0 : below(3));
			unseen = 0;
		}
		if (!honest && rarely(10))
			device_access_any(device);
	}
	device_put(device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	if (!settle())
		return false;
	if (honest && virtio->queues[0].broken) {
		printf("# an honest driver's ring is broken: %s\n", virtio->queues[0].broken);
		return false;
	}
	flip = rarely(2);
	if (rarely(8) && !device_move(device, flip) && !flip) {
		printf("# a device isn't what was saved\n");
		return false;
	}
	return settle() && place_is_honest();
}
