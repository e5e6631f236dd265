// SPDX-License-Identifier: GPL-2.0
#include "device.h"

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
#include "../../tools/ftvmm/memory.h"
#include "../../tools/ftvmm/net.h"
#include "../../tools/ftvmm/rng.h"
#include "../../tools/ftvmm/vcpu.h"
#include "../../tools/ftvmm/virtio.h"

/* Each ring has a page: descriptors, what is available, what was used. */
#define RING_AT(queue) (PAGE + (queue) * PAGE)
#define AVAIL_AT 2048
#define USED_AT 3072
/* With the event at the end. */
#define AVAIL_LEN(size) (4 + 2 * (size) + 2)
#define USED_LEN(size) (4 + 8 * (size) + 2)

/* What says most is at the begin of a state. */
#define STATE_HEAD 256

static struct vcpu vcpu;

void device_make(const char *disk)
{
	struct disk_options *options = &vmm.options.disks[0];
	struct net_options *net = &vmm.options.nets[0];
	u32 i;

	options->path = disk;
	net->tap = "cable";
	memcpy(net->mac, "\x52\x54\0\x12\x34\x56", sizeof(net->mac));
	vmm.options.outputs = OUTPUT_BLK | OUTPUT_NET;
	vmm.options.behind_ms = 1;
	bus_make();
	blk_make(options, 0);
	rng_make();
	net_make(net, 0);
	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			outbox_start(vmm.devices[i]->outbox);
		if (vmm.devices[i]->ops->start)
			vmm.devices[i]->ops->start(vmm.devices[i]);
	}
}

/* --- Registers --- */

void device_access(u32 device, u64 at, u32 len, bool write, u64 value)
{
	struct access access = {
		.vcpu = &vcpu, .at = DEVICES_BASE + device * DEVICES_STRIDE + at,
		.data = (u8 *)&value, .len = len, .write = write,
	};

	ft_enter();
	bus_access(BUS_MMIO, &access);
	ft_leave();
}

void device_put(u32 device, u64 at, u32 value)
{
	device_access(device, at, sizeof(value), true, value);
}

void device_access_any(u32 device)
{
	u64 at = below(VIRTIO_MMIO_CONFIG + 64), value = rarely(2) ? chance() : below(16);
	u32 len = sizeof(u32);

	if (rarely(4))
		len = 1 << below(4);
	else
		at -= at % len;
	device_access(device, at, len, !rarely(4), value);
}

void device_begin(u32 device, u64 features)
{
	device_put(device, VIRTIO_MMIO_STATUS, 0);
	device_put(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	device_put(device, VIRTIO_MMIO_DRIVER_FEATURES, features);
	device_put(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	device_put(device, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	device_put(device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
}

void device_go(u32 device)
{
	device_put(device, VIRTIO_MMIO_STATUS,
		   VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

void device_tend(void)
{
	place_tend(&vcpu);
}

bool device_move(u32 device, bool flip)
{
	struct virtio *virtio = vmm.devices[device];
	u64 len = virtio_room(virtio), within;
	u8 *bytes = malloc(len);
	struct blob blob = { .data = bytes, .len = len };
	bool good;

	virtio_save(virtio, &blob);
	good = !blob.bad;
	len = blob.at;
	within = len < STATE_HEAD || rarely(2) ? len : STATE_HEAD;
	if (flip)
		bytes[below(within)] ^= 1 << below(8);
	/* Nothing of before is left, as on another host. */
	device_put(device, VIRTIO_MMIO_STATUS, 0);
	blob = (struct blob){ .data = bytes, .len = len };
	good &= virtio_load(virtio, &blob) && blob_is_good(&blob);
	if (virtio->outbox)
		outbox_tickets(virtio->outbox, OWNER_LOADED, 0, 0);
	free(bytes);
	return good;
}

/* --- Rings --- */

void ring_begin(struct ring *ring, u32 device, u32 queue, u32 size)
{
	static const u8 none[USED_LEN(QUEUE_SIZE_MAX)];
	u64 at = RING_AT(queue);
	u32 i;

	*ring = (struct ring){
		.device = device, .queue = queue, .size = size, .desc = at,
		.avail = at + AVAIL_AT, .used = at + USED_AT, .free_count = RING_SIZE,
		.event_index = virtio_has(vmm.devices[device], VIRTIO_RING_F_EVENT_IDX),
	};
	for (i = 0; i < RING_SIZE; i++)
		ring->free[i] = i;
	place_poke(ring->avail, none, AVAIL_LEN(size));
	place_poke(ring->used, none, USED_LEN(size));
	device_put(device, VIRTIO_MMIO_QUEUE_SEL, queue);
	device_put(device, VIRTIO_MMIO_QUEUE_NUM, size);
	device_put(device, VIRTIO_MMIO_QUEUE_DESC_LOW, ring->desc);
	device_put(device, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	device_put(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, ring->avail);
	device_put(device, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	device_put(device, VIRTIO_MMIO_QUEUE_USED_LOW, ring->used);
	device_put(device, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	device_put(device, VIRTIO_MMIO_QUEUE_READY, 1);
}

void ring_offer(struct ring *ring, u16 head)
{
	place_poke(ring->avail + 4 + ring->made % ring->size * sizeof(head), &head, sizeof(head));
	ring->made++;
	place_poke(ring->avail + 2, &ring->made, sizeof(ring->made));
}

static void poke_desc(u64 table, u16 number, const struct segment *piece, u16 flags, u16 next)
{
	struct vring_desc desc = { piece->gpa, piece->len, flags, next };

	place_poke(table + number * sizeof(desc), &desc, sizeof(desc));
}

/* One descriptor each: those, or all of a table. */
static void poke_chain(u64 table, const struct pieces *pieces, const u16 *descs, bool write)
{
	u16 flags = write ? VRING_DESC_F_WRITE : 0;
	u32 i;

	for (i = 0; i < pieces->count; i++) {
		if (i == pieces->count - 1)
			poke_desc(table, descs[i], &pieces->all[i], flags, 0);
		else
			poke_desc(table, descs[i], &pieces->all[i], flags | VRING_DESC_F_NEXT,
				  descs[i + 1]);
	}
}

int ring_give(struct ring *ring, const struct pieces *pieces, bool write, u64 tables)
{
	static const u16 in_order[PIECES_MAX] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	u32 need = tables ? 1 : pieces->count, i;
	struct segment table;
	struct given *given;
	u16 head;

	if (!pieces->count || need > ring->free_count)
		return -1;
	head = ring->free[ring->free_count - 1];
	given = &ring->given[head];
	given->pieces = *pieces;
	given->desc_count = need;
	for (i = 0; i < need; i++)
		given->descs[i] = ring->free[--ring->free_count];
	if (tables) {
		table = (struct segment){ tables + head * TABLE_SIZE,
					  pieces->count * sizeof(struct vring_desc) };
		poke_chain(table.gpa, pieces, in_order, write);
		poke_desc(ring->desc, head, &table, VRING_DESC_F_INDIRECT, 0);
	} else {
		poke_chain(ring->desc, pieces, given->descs, write);
	}
	ring_offer(ring, head);
	return head;
}

static u16 read16(u64 gpa)
{
	return __atomic_load_n((u16 *)memory_at(gpa, sizeof(u16)), __ATOMIC_ACQUIRE);
}

void ring_kick(struct ring *ring)
{
	u16 before = ring->told;

	ring->told = ring->made;
	/* The device writes its event, then looks at the index; we the other way round. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_index &&
	    !vring_need_event(read16(ring->used + USED_LEN(ring->size) - sizeof(u16)),
			      ring->made, before))
		return;
	device_put(ring->device, VIRTIO_MMIO_QUEUE_NOTIFY, ring->queue);
}

u16 ring_used(const struct ring *ring)
{
	return read16(ring->used + 2) - ring->seen;
}

int ring_take(struct ring *ring, struct given *given, u32 *written)
{
	struct vring_used_elem used;
	u32 i;

	memory_read(ring->used + 4 + ring->seen % ring->size * sizeof(used), &used, sizeof(used));
	ring->seen++;
	*written = used.len;
	if (used.id >= RING_SIZE || !ring->given[used.id].pieces.count)
		return -1;
	*given = ring->given[used.id];
	for (i = 0; i < given->desc_count; i++)
		ring->free[ring->free_count++] = given->descs[i];
	ring->given[used.id].pieces.count = 0;
	return used.id;
}
