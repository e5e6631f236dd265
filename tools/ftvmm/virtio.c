// SPDX-License-Identifier: GPL-2.0
#include "virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "bus.h"
#include "devices.h"
#include "irq.h"
#include "vcpu.h"

#define MAGIC 0x74726976
#define VERSION 2
#define VENDOR 0x46564b46

#define CONFIG VIRTIO_MMIO_CONFIG
/* What a device's own state may take beside its outbox. */
#define OWN_ROOM 1024

/* --- Rings; with the lock --- */

bool virtio_is_live(const struct virtio *virtio)
{
	return virtio->status & VIRTIO_CONFIG_S_DRIVER_OK &&
	       !(virtio->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

bool virtio_has(const struct virtio *virtio, unsigned int feature)
{
	return virtio->agreed >> feature & 1;
}

static void interrupt(struct virtio *virtio, u32 why)
{
	virtio->interrupt |= why;
	irq_pulse(virtio->gsi);
}

static void look_for_breaks(struct virtio *virtio)
{
	const char *why;
	u32 i;

	for (i = 0; i < virtio->ops->queues; i++) {
		why = virtio->queues[i].broken;
		if (!why || virtio->status & VIRTIO_CONFIG_S_NEEDS_RESET)
			continue;
		say("%s is stopped: ring %u: %s", virtio->name, i, why);
		virtio->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
		interrupt(virtio, VIRTIO_MMIO_INT_CONFIG);
	}
}

void virtio_settle(struct virtio *virtio, u32 queue)
{
	look_for_breaks(virtio);
	if (virtio_is_live(virtio) && queue_interrupts(&virtio->queues[queue]))
		interrupt(virtio, VIRTIO_MMIO_INT_VRING);
}

void virtio_return(struct virtio *virtio, const struct request *request)
{
	if (!request->stale && virtio_is_live(virtio))
		queue_push(&virtio->queues[request->queue], request->head, request->written);
}

/* --- Registers; with the lock --- */

static void reset(struct virtio *virtio)
{
	u32 i;

	virtio->agreed = 0;
	virtio->status = 0;
	virtio->interrupt = 0;
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		queue_reset(&virtio->queues[i]);
	if (virtio->outbox)
		outbox_forget(virtio->outbox, OUTBOX_ALL_QUEUES);
}

static struct queue *selected(struct virtio *virtio)
{
	return virtio->queue_select < virtio->ops->queues ?
	       &virtio->queues[virtio->queue_select] : NULL;
}

static u32 read_features(const struct virtio *virtio)
{
	return virtio->device_select > 1 ? 0 : virtio->features >> 32 * virtio->device_select;
}

static u32 read_register(struct virtio *virtio, u64 at)
{
	struct queue *queue = selected(virtio);

	switch (at) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return virtio->ops->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return read_features(virtio);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue ? QUEUE_SIZE_MAX : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue && queue->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return virtio->interrupt;
	case VIRTIO_MMIO_STATUS:
		return virtio->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
		return ~0U;
	default:
		return 0;
	}
}

static void agree(struct virtio *virtio, u32 value)
{
	u32 shift = 32 * virtio->driver_select;

	if (virtio->driver_select > 1 || virtio->status & VIRTIO_CONFIG_S_FEATURES_OK)
		return;
	virtio->agreed &= ~(0xffffffffULL << shift);
	virtio->agreed |= (u64)value << shift;
}

static void write_status(struct virtio *virtio, u32 value)
{
	u32 before = virtio->status;

	if (!value) {
		reset(virtio);
		return;
	}
	if (virtio->agreed & ~virtio->features || !virtio_has(virtio, VIRTIO_F_VERSION_1))
		value &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	virtio->status = (value & 0xff) | (before & VIRTIO_CONFIG_S_NEEDS_RESET);
	if (virtio->status & ~before & VIRTIO_CONFIG_S_FEATURES_OK && virtio->ops->agreed)
		virtio->ops->agreed(virtio);
}

static void write_ready(struct virtio *virtio, struct queue *queue, bool ready)
{
	u32 number = virtio->queue_select;

	if (!ready) {
		queue_reset(queue);
		if (virtio->outbox)
			outbox_forget(virtio->outbox, number);
		return;
	}
	if (queue->ready || !(virtio->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	queue->event_index = virtio_has(virtio, VIRTIO_RING_F_EVENT_IDX);
	queue->indirect = virtio_has(virtio, VIRTIO_RING_F_INDIRECT_DESC);
	queue->ready = queue_check(queue);
	look_for_breaks(virtio);
}

static void set_low(u64 *address, u32 value)
{
	*address = (*address & ~0xffffffffULL) | value;
}

static void set_high(u64 *address, u32 value)
{
	*address = (*address & 0xffffffffULL) | (u64)value << 32;
}

/* Of a ring that isn't in use. */
static void write_queue(struct queue *queue, u64 at, u32 value)
{
	switch (at) {
	case VIRTIO_MMIO_QUEUE_NUM:
		queue->size = value > QUEUE_SIZE_MAX ? 0 : value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&queue->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&queue->desc, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&queue->avail, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&queue->avail, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&queue->used, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&queue->used, value);
		break;
	}
}

static void write_register(struct virtio *virtio, u64 at, u32 value)
{
	struct queue *queue = selected(virtio);

	switch (at) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		virtio->device_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		virtio->driver_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		agree(virtio, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		virtio->queue_select = value;
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		virtio->interrupt &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(virtio, value);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (queue)
			write_ready(virtio, queue, value & 1);
		break;
	default:
		if (queue && !queue->ready)
			write_queue(queue, at, value);
	}
}

static void read_config(const struct virtio *virtio, const struct access *access)
{
	u64 at = access->at - CONFIG;
	u8 bytes[8] = { 0 };

	if (at < virtio->config_len && access->len <= virtio->config_len - at)
		memcpy(bytes, (const u8 *)virtio->config + at, access->len);
	memcpy(access->data, bytes, access->len);
}

/* Another ring than those with output, or all of those, of all devices. */
static void notify(struct virtio *virtio, u32 queue, struct vcpu *vcpu)
{
	pthread_mutex_lock(&virtio->lock);
	if (queue < virtio->ops->queues && virtio_is_live(virtio) && virtio->ops->notify)
		virtio->ops->notify(virtio, queue);
	pthread_mutex_unlock(&virtio->lock);
	devices_gather(vcpu);
}

static void answer(void *target, const struct access *access)
{
	struct virtio *virtio = target;

	if (access->write && access->at == VIRTIO_MMIO_QUEUE_NOTIFY && access->len == 4) {
		notify(virtio, access_value(access), access->vcpu);
		return;
	}
	pthread_mutex_lock(&virtio->lock);
	if (access->at >= CONFIG) {
		if (!access->write)
			read_config(virtio, access);
	} else if (access->len != 4) {
		if (!access->write)
			access_answer(access, 0);
	} else if (access->write) {
		write_register(virtio, access->at, access_value(access));
	} else {
		access_answer(access, read_register(virtio, access->at));
	}
	pthread_mutex_unlock(&virtio->lock);
}

struct virtio *virtio_make(const struct virtio_ops *ops, void *device, const char *name,
			   u64 features, const void *config, u32 config_len)
{
	struct virtio *virtio = make(sizeof(*virtio));
	u32 number = vmm.device_count;

	virtio->ops = ops;
	virtio->device = device;
	snprintf(virtio->name, sizeof(virtio->name), "%s", name);
	virtio->gsi = DEVICES_GSI + number;
	virtio->features = features | 1ULL << VIRTIO_F_VERSION_1 |
			   1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	virtio->config = config;
	virtio->config_len = config_len;
	pthread_mutex_init(&virtio->lock, NULL);
	reset(virtio);
	vmm.devices[vmm.device_count++] = virtio;
	bus_add(BUS_MMIO, DEVICES_BASE + number * DEVICES_STRIDE, DEVICES_STRIDE, answer, virtio);
	return virtio;
}

/* --- State --- */

u64 virtio_room(const struct virtio *virtio)
{
	return OWN_ROOM + (virtio->outbox ? outbox_room(virtio->outbox) : 0);
}

static void save_queue(struct blob *blob, const struct queue *queue)
{
	blob_put_u16(blob, queue->size);
	blob_put_u8(blob, queue->ready);
	blob_put_u8(blob, queue->event_index);
	blob_put_u8(blob, queue->indirect);
	blob_put_u8(blob, !!queue->broken);
	blob_put_u64(blob, queue->desc);
	blob_put_u64(blob, queue->avail);
	blob_put_u64(blob, queue->used);
	blob_put_u16(blob, queue->next_avail);
	blob_put_u16(blob, queue->next_used);
	blob_put_u16(blob, queue->told_used);
}

static bool load_queue(struct blob *blob, struct queue *queue)
{
	bool broken;

	queue->size = blob_get_u16(blob);
	queue->ready = blob_get_u8(blob);
	queue->event_index = blob_get_u8(blob);
	queue->indirect = blob_get_u8(blob);
	broken = blob_get_u8(blob);
	queue->desc = blob_get_u64(blob);
	queue->avail = blob_get_u64(blob);
	queue->used = blob_get_u64(blob);
	queue->next_avail = blob_get_u16(blob);
	queue->next_used = blob_get_u16(blob);
	queue->told_used = blob_get_u16(blob);
	queue->broken = broken ? "it was broken on the other host" : NULL;
	return !blob->bad && (!queue->ready || broken || queue_check(queue));
}

void virtio_save(struct virtio *virtio, struct blob *blob)
{
	u32 i;

	pthread_mutex_lock(&virtio->lock);
	blob_put_u64(blob, virtio->features);
	blob_put_u64(blob, virtio->agreed);
	blob_put_u32(blob, virtio->status);
	blob_put_u32(blob, virtio->interrupt);
	blob_put_u32(blob, virtio->device_select);
	blob_put_u32(blob, virtio->driver_select);
	blob_put_u32(blob, virtio->queue_select);
	for (i = 0; i < virtio->ops->queues; i++)
		save_queue(blob, &virtio->queues[i]);
	if (virtio->ops->save)
		virtio->ops->save(virtio, blob);
	if (virtio->outbox)
		outbox_save(virtio->outbox, blob);
	pthread_mutex_unlock(&virtio->lock);
}

static bool load_all(struct virtio *virtio, struct blob *blob)
{
	u64 features = blob_get_u64(blob);
	u32 i;

	virtio->agreed = blob_get_u64(blob);
	virtio->status = blob_get_u32(blob);
	virtio->interrupt = blob_get_u32(blob);
	virtio->device_select = blob_get_u32(blob);
	virtio->driver_select = blob_get_u32(blob);
	virtio->queue_select = blob_get_u32(blob);
	/* What a guest wants is anything until it is agreed on. */
	if (blob->bad || features != virtio->features || virtio->status > 0xff ||
	    (virtio->status & VIRTIO_CONFIG_S_FEATURES_OK && virtio->agreed & ~features))
		return false;
	for (i = 0; i < virtio->ops->queues; i++) {
		if (!load_queue(blob, &virtio->queues[i]))
			return false;
	}
	if (virtio->ops->load && !virtio->ops->load(virtio, blob))
		return false;
	return !virtio->outbox || outbox_load(virtio->outbox, blob, virtio->ops->judge);
}

bool virtio_load(struct virtio *virtio, struct blob *blob)
{
	bool good;

	pthread_mutex_lock(&virtio->lock);
	good = load_all(virtio, blob);
	pthread_mutex_unlock(&virtio->lock);
	return good;
}

void virtio_promoted(struct virtio *virtio)
{
	u32 i;

	if (virtio->ops->promoted)
		virtio->ops->promoted(virtio);
	pthread_mutex_lock(&virtio->lock);
	if (virtio->interrupt)
		irq_pulse(virtio->gsi);
	for (i = 0; i < virtio->ops->queues && virtio_is_live(virtio); i++) {
		if (virtio->ops->notify)
			virtio->ops->notify(virtio, i);
	}
	pthread_mutex_unlock(&virtio->lock);
}
