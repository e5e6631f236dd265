/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio: a device behind virtio-mmio (modern), whatever it does.
 *
 * Contract: @lock of a device is taken in a vcpu's thread, or inside of ft_enter() and
 * ft_leave(). A device whose ring is broken says so once, asks the guest to reset it,
 * and does nothing until then.
 */
#ifndef FTVMM_VIRTIO_H
#define FTVMM_VIRTIO_H

#include <pthread.h>
#include <stdio.h>

#include "blob.h"
#include "outbox.h"
#include "queue.h"

#define VIRTIO_QUEUES_MAX 2

struct virtio;

/**
 * struct virtio_ops - what a kind of device does; what it doesn't need is NULL
 * @id: Its number in the specification.
 * @queues: How many rings it has.
 * @gather: With the lock: takes what is available in rings with output. True if
 *	there is output among it that needs an epoch.
 * @notify: With the lock, of another ring.
 * @agreed: With the lock: features are agreed on.
 * @start: Begins with what happens without the guest.
 * @promoted: The guest is ours now.
 * @save: With the lock: what only it knows.
 * @load: With the lock: takes it; false if it makes no sense.
 * @judge: May such a request be in its outbox?
 * @tell: Adds to a status, as members of a JSON object that each end with a comma.
 */
struct virtio_ops {
	u32 id;
	u32 queues;
	bool (*gather)(struct virtio *virtio, u32 owner);
	void (*notify)(struct virtio *virtio, u32 queue);
	void (*agreed)(struct virtio *virtio);
	void (*start)(struct virtio *virtio);
	void (*promoted)(struct virtio *virtio);
	void (*save)(struct virtio *virtio, struct blob *blob);
	bool (*load)(struct virtio *virtio, struct blob *blob);
	bool (*judge)(void *device, const struct request *request);
	void (*tell)(struct virtio *virtio, FILE *answer);
};

/**
 * struct virtio - one device
 * @ops: What it does.
 * @device: Its own, for that.
 * @name: For messages.
 * @gsi: Its interrupt.
 * @lock: For all that follows.
 * @features: What it has.
 * @config: Its configuration space, which doesn't change.
 * @config_len: How long that is.
 * @outbox: What it was asked to do; NULL if it does all at once.
 * @agreed: Features that the guest has taken.
 * @status: VIRTIO_CONFIG_S_*.
 * @interrupt: What the last interrupts were for.
 * @device_select: Which half of @features is read.
 * @driver_select: Which half of @agreed is written.
 * @queue_select: Which ring's registers are meant.
 * @queues: The rings.
 */
struct virtio {
	const struct virtio_ops *ops;
	void *device;
	char name[16];
	u32 gsi;
	pthread_mutex_t lock;
	u64 features;
	const void *config;
	u32 config_len;
	struct outbox *outbox;

	u64 agreed;
	u32 status, interrupt;
	u32 device_select, driver_select, queue_select;
	struct queue queues[VIRTIO_QUEUES_MAX];
};

/* The next device; features that all have are added. */
struct virtio *virtio_make(const struct virtio_ops *ops, void *device, const char *name,
			   u64 features, const void *config, u32 config_len);

/* With the lock: may its rings be used? */
bool virtio_is_live(const struct virtio *virtio);
bool virtio_has(const struct virtio *virtio, unsigned int feature);

/* With the lock: says what is broken, and interrupts if the guest wants to be. */
void virtio_settle(struct virtio *virtio, u32 queue);

/* With the lock: a request is done; it goes back to its ring unless that was reset. */
void virtio_return(struct virtio *virtio, const struct request *request);

u64 virtio_room(const struct virtio *virtio);
void virtio_save(struct virtio *virtio, struct blob *blob);
bool virtio_load(struct virtio *virtio, struct blob *blob);

/* The guest is told again what it may have missed. */
void virtio_promoted(struct virtio *virtio);

#endif /* FTVMM_VIRTIO_H */
