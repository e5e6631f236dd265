// SPDX-License-Identifier: GPL-2.0
/* Whole devices, by their registers and rings. */
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "../../tools/ftvmm/blk.h"
#include "../../tools/ftvmm/bus.h"
#include "../../tools/ftvmm/devices.h"
#include "../../tools/ftvmm/ft.h"
#include "../../tools/ftvmm/rng.h"
#include "../../tools/ftvmm/vcpu.h"
#include "../../tools/ftvmm/virtio.h"

#define DESC 4096
#define AVAIL 16384
#define USED 20480
#define HEADS 24576
#define SIZE 64
#define TRIES 2000
/* So many chains at a time share no descriptor. */
#define CHAINS (SIZE / 3 - 1)
#define ROOM (16 * MIB)

static struct vcpu vcpu;
/* Both ends of the disk's copy. */
static u16 made;

void device_make(const char *disk)
{
	struct disk_options *options = &vmm.options.disks[0];

	options->path = disk;
	vmm.options.outputs = OUTPUT_BLK;
	bus_make();
	blk_make(options, 0);
	rng_make();
	outbox_start(vmm.devices[0]->outbox);
}

static void access_register(u32 device, u64 at, u32 len, bool write, u64 value)
{
	struct access access = {
		.vcpu = &vcpu, .at = DEVICES_BASE + device * DEVICES_STRIDE + at,
		.data = (u8 *)&value, .len = len, .write = write,
	};

	ft_enter();
	bus_access(BUS_MMIO, &access);
	ft_leave();
}

static void put(u32 device, u64 at, u32 value)
{
	access_register(device, at, sizeof(value), true, value);
}

/* As a driver does it. */
static void begin(u32 device)
{
	u16 none[2] = { 0, 0 };
	u64 features = vmm.devices[device]->features;

	put(device, VIRTIO_MMIO_STATUS, 0);
	put(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	put(device, VIRTIO_MMIO_DRIVER_FEATURES, features);
	put(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	put(device, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	put(device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	place_poke(AVAIL, none, sizeof(none));
	place_poke(USED, none, sizeof(none));
	made = 0;
	put(device, VIRTIO_MMIO_QUEUE_SEL, 0);
	put(device, VIRTIO_MMIO_QUEUE_NUM, SIZE);
	put(device, VIRTIO_MMIO_QUEUE_DESC_LOW, DESC);
	put(device, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	put(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, AVAIL);
	put(device, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	put(device, VIRTIO_MMIO_QUEUE_USED_LOW, USED);
	put(device, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	put(device, VIRTIO_MMIO_QUEUE_READY, 1);
	put(device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A request that a disk can understand, more or less. */
static void ask(bool honest)
{
	u16 slot = made % SIZE, first = made * 3 % (SIZE - 3);
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
	place_poke(DESC + first * sizeof(desc[0]), desc, sizeof(desc));
	place_poke(AVAIL + 4 + 2 * slot, &first, sizeof(first));
	made++;
	if (!honest && rarely(64))
		made = chance();
	place_poke(AVAIL + 2, &made, sizeof(made));
}

/* Until nothing is being done any more. */
static bool settle(void)
{
	u32 i;

	for (i = 0; i < TRIES; i++) {
		if (outbox_is_empty(vmm.devices[0]->outbox))
			return true;
		sleep_us(1000);
	}
	printf("# requests are never done\n");
	return false;
}

static void save_and_load(u32 device)
{
	u8 *bytes = malloc(ROOM);
	struct blob blob = { .data = bytes, .len = ROOM };

	virtio_save(vmm.devices[device], &blob);
	if (rarely(2))
		bytes[below(blob.at)] ^= 1 << below(8);
	blob = (struct blob){ .data = bytes, .len = blob.at };
	virtio_load(vmm.devices[device], &blob);
	free(bytes);
}

bool try_device(void)
{
	u32 device = below(8) ? 0 : 1, steps = 1 + below(40), unseen = 0;
	bool honest = rarely(4);

	begin(device);
	while (steps--) {
		ask(honest);
		if (rarely(3) || (honest && ++unseen >= CHAINS)) {
			put(device, VIRTIO_MMIO_QUEUE_NOTIFY, honest ? 0 : below(3));
			unseen = 0;
		}
		if (!honest && rarely(10))
			access_register(device, below(0x140), 1 << below(4), rarely(2), chance());
	}
	put(device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	if (!settle())
		return false;
	if (honest && vmm.devices[device]->queues[0].broken) {
		printf("# an honest driver's ring is broken: %s\n",
		       vmm.devices[device]->queues[0].broken);
		return false;
	}
	if (rarely(8))
		save_and_load(device);
	return settle() && place_is_honest();
}
