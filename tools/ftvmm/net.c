// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "net.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "announce.h"
#include "ft.h"
#include "tap.h"
#include "virtio.h"

#define QUEUE_RX 0
#define QUEUE_TX 1

#define HEAD_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define BUFFERS_AT offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers)
/* The largest frame of segmentation offload, with its head. */
#define FRAME_MAX (65536 + 64 + HEAD_LEN)
#define OUTBOX_LIMIT (2 * MIB)

/* Frames that are taken from the tap before the guest is told. */
#define BATCH 16
/* Receive buffers that one frame may take. */
#define CHAINS_MAX 64

/* How often, and how much later than the time before, a guest is announced. */
#define ANNOUNCE_TIMES 5
#define ANNOUNCE_US 50000

/* A frame from the tap that the guest hasn't got. */
struct frame {
	u32 len;
	u8 data[FRAME_MAX];
};

/**
 * struct net - a network device
 * @tap: What it is wired to.
 * @virtio: The device.
 * @config: What the guest is told.
 * @addresses: What the guest is called there.
 * @room: There may be receive buffers again.
 * @starved: There are none.
 * @frames: What was read, from @first on, @count of them; the receiving thread's.
 * @chains: Of the frame that is being given.
 * @received: Frames that the guest got.
 * @dropped: Frames that it couldn't take.
 * @sent: Frames that have left.
 */
struct net {
	int tap;
	struct virtio *virtio;
	struct virtio_net_config config;
	struct addresses addresses;
	pthread_cond_t room;
	bool starved;
	struct frame *frames;
	unsigned int first, count;
	struct chain *chains;
	u64 received, dropped, sent;
	char name[16];
};

/* --- Sending --- */

static void emit(void *device, struct request *request)
{
	struct net *net = device;
	struct pollfd fd = { .fd = net->tap, .events = POLLOUT };

	for (;;) {
		outbox_permit(request);
		if (write(net->tap, request->data, request->data_len) >= 0)
			break;
		/* What a network doesn't take is lost, as everywhere. */
		if (errno != EAGAIN && errno != EINTR)
			return;
		poll(&fd, 1, 100);
	}
	__atomic_fetch_add(&net->sent, 1, __ATOMIC_RELAXED);
}

static void complete(void *device, struct request *const *requests, unsigned int count)
{
	struct net *net = device;
	unsigned int i;

	pthread_mutex_lock(&net->virtio->lock);
	for (i = 0; i < count; i++)
		virtio_return(net->virtio, requests[i]);
	virtio_settle(net->virtio, QUEUE_TX);
	pthread_mutex_unlock(&net->virtio->lock);
}

static const struct outbox_ops outbox_ops = { .emit = emit, .complete = complete };

static bool take(struct net *net, const struct chain *chain, u32 owner, bool *output)
{
	struct queue *queue = &net->virtio->queues[QUEUE_TX];
	struct request *request;

	if (chain->out_len <= HEAD_LEN || chain->out_len > FRAME_MAX) {
		queue_push(queue, chain->head, 0);
		return true;
	}
	if (!outbox_has_room(net->virtio->outbox, chain->out_len)) {
		queue_unpop(queue, 1);
		return false;
	}
	request = request_make(REQUEST_SEND, chain->out_len);
	if (!request)
		die("no memory");
	request->queue = QUEUE_TX;
	request->head = chain->head;
	request->owner = owner;
	request->gated = vmm.options.outputs & OUTPUT_NET;
	/* It is a copy: the guest may have its buffer back. */
	request->told = !vmm.area || ft_behind();
	chain_read(chain, 0, request->data, chain->out_len);
	announce_learn(&net->addresses, net->config.mac, request->data + HEAD_LEN,
		       request->data_len - HEAD_LEN);
	*output |= request->gated;
	if (request->told)
		queue_push(queue, chain->head, 0);
	outbox_add(net->virtio->outbox, request);
	return true;
}

static bool gather(struct virtio *virtio, u32 owner)
{
	struct queue *queue = &virtio->queues[QUEUE_TX];
	bool output = false;
	struct chain chain;

	do {
		while (queue_pop(queue, &chain)) {
			if (!take(virtio->device, &chain, owner, &output))
				goto out;
		}
	} while (queue_listen(queue, 0));
out:
	virtio_settle(virtio, QUEUE_TX);
	return output;
}

/* --- Receiving --- */

/*
 * Takes as many buffers as the frame needs. 0, and none taken, if there aren't: *known
 * is how many there are, or CHAINS_MAX if no number would be enough.
 */
static u32 take_buffers(struct net *net, u32 len, u32 *known)
{
	struct queue *queue = &net->virtio->queues[QUEUE_RX];
	u32 most = virtio_has(net->virtio, VIRTIO_NET_F_MRG_RXBUF) ? CHAINS_MAX : 1, count = 0;
	u64 room = 0;

	while (room < len && count < most && queue_pop(queue, &net->chains[count]))
		room += net->chains[count++].in_len;
	if (room >= len)
		return count;
	queue_unpop(queue, count);
	*known = count < most ? count : CHAINS_MAX;
	return 0;
}

/* The guest must not see a buffer of it without the others. */
static void put_frame(struct net *net, struct frame *frame, u32 buffers)
{
	struct queue *queue = &net->virtio->queues[QUEUE_RX];
	u16 number = htole16(buffers);
	u32 done = 0, i, n;

	memcpy(frame->data + BUFFERS_AT, &number, sizeof(number));
	for (i = 0; i < buffers; i++) {
		n = chain_write(&net->chains[i], 0, frame->data + done, frame->len - done);
		queue_place(queue, i, net->chains[i].head, n);
		done += n;
	}
	queue_publish(queue, buffers);
}

/* With the lock; false if there are too few buffers, of which the guest will tell. */
static bool give(struct net *net, struct frame *frame)
{
	struct queue *queue = &net->virtio->queues[QUEUE_RX];
	u32 buffers = 0, known = CHAINS_MAX;

	if (virtio_is_live(net->virtio) && queue->ready) {
		do {
			buffers = take_buffers(net, frame->len, &known);
		} while (!buffers && known < CHAINS_MAX && queue_listen(queue, known));
	}
	net->starved = !buffers && known < CHAINS_MAX && !queue->broken;
	if (net->starved)
		return false;
	if (buffers) {
		put_frame(net, frame, buffers);
		net->received++;
	} else {
		net->dropped++;
	}
	return true;
}

static void give_frames(struct net *net)
{
	ft_enter();
	pthread_mutex_lock(&net->virtio->lock);
	while (net->count && give(net, &net->frames[net->first])) {
		net->first++;
		net->count--;
	}
	virtio_settle(net->virtio, QUEUE_RX);
	pthread_mutex_unlock(&net->virtio->lock);
	ft_leave();
}

static void read_frames(struct net *net)
{
	struct pollfd fd = { .fd = net->tap, .events = POLLIN };
	struct frame *frame;
	ssize_t n;

	net->first = 0;
	poll(&fd, 1, -1);
	while (net->count < BATCH) {
		frame = &net->frames[net->count];
		n = read(net->tap, frame->data, sizeof(frame->data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			/* An interface that is down, or gone. */
			sleep_us(ANNOUNCE_US);
		if (n <= (ssize_t)HEAD_LEN)
			return;
		frame->len = n;
		net->count++;
	}
}

static void wait_for_room(struct net *net)
{
	pthread_mutex_lock(&net->virtio->lock);
	while (net->starved)
		pthread_cond_wait(&net->room, &net->virtio->lock);
	pthread_mutex_unlock(&net->virtio->lock);
}

static void *receive(void *arg)
{
	struct net *net = arg;

	for (;;) {
		if (!net->count)
			read_frames(net);
		if (net->count)
			give_frames(net);
		if (net->count)
			wait_for_room(net);
	}
	return NULL;
}

static void notify(struct virtio *virtio, u32 queue)
{
	struct net *net = virtio->device;

	if (queue != QUEUE_RX)
		return;
	net->starved = false;
	pthread_cond_signal(&net->room);
}

static void start(struct virtio *virtio)
{
	start_thread(receive, virtio->device);
}

/* --- Offloads --- */

/* What the guest has to be spared of is done by the kernel. */
static void set_offloads(struct net *net)
{
	const struct virtio *virtio = net->virtio;
	unsigned int flags = 0;

	if (virtio_has(virtio, VIRTIO_NET_F_GUEST_CSUM)) {
		flags |= TUN_F_CSUM;
		if (virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO4))
			flags |= TUN_F_TSO4;
		if (virtio_has(virtio, VIRTIO_NET_F_GUEST_TSO6))
			flags |= TUN_F_TSO6;
		/* The tap refuses it by itself, and all else along with it. */
		if (flags & (TUN_F_TSO4 | TUN_F_TSO6) &&
		    virtio_has(virtio, VIRTIO_NET_F_GUEST_ECN))
			flags |= TUN_F_TSO_ECN;
	}
	if (!tap_set_offloads(net->tap, flags))
		say("%s: the tap can't do without offloads", net->name);
}

static void agreed(struct virtio *virtio)
{
	set_offloads(virtio->device);
}

/* --- Another host --- */

static void *announce(void *arg)
{
	struct net *net = arg;
	u8 packet[HEAD_LEN + ANNOUNCE_FRAME_LEN] = { 0 };
	/* Who was replaced meanwhile must not call the guest back; any commit covers it. */
	struct request permit = { .gated = true };
	struct addresses addresses;
	u8 *frame = packet + HEAD_LEN;
	u32 i, n;

	pthread_mutex_lock(&net->virtio->lock);
	addresses = net->addresses;
	pthread_mutex_unlock(&net->virtio->lock);
	for (i = 0; i < ANNOUNCE_TIMES; i++) {
		for (n = 0; announce_frame(&addresses, net->config.mac, n, frame); n++) {
			outbox_permit(&permit);
			if (write(net->tap, packet, sizeof(packet)) < 0)
				break;
		}
		outbox_unpermit(&permit);
		sleep_us(ANNOUNCE_US << i);
	}
	return NULL;
}

/* What came while the guest was elsewhere has been answered there, if at all. */
static void drain(struct net *net)
{
	while (read(net->tap, net->frames[0].data, sizeof(net->frames[0].data)) > 0)
		;
}

static void promoted(struct virtio *virtio)
{
	struct net *net = virtio->device;

	set_offloads(net);
	drain(net);
	start_thread(announce, net);
}

static void save(struct virtio *virtio, struct blob *blob)
{
	const struct net *net = virtio->device;
	u32 i;

	blob_put(blob, net->config.mac, sizeof(net->config.mac));
	blob_put_u32(blob, net->addresses.next);
	blob_put_u32(blob, net->addresses.count);
	for (i = 0; i < net->addresses.count; i++)
		blob_put_u32(blob, net->addresses.ipv4[i]);
}

static bool load(struct virtio *virtio, struct blob *blob)
{
	struct net *net = virtio->device;
	u8 mac[sizeof(net->config.mac)];
	u32 i;

	blob_get(blob, mac, sizeof(mac));
	if (memcmp(mac, net->config.mac, sizeof(mac))) {
		say("%s: it had another MAC", net->name);
		return false;
	}
	net->addresses.next = blob_get_limited(blob, ANNOUNCE_ADDRESSES - 1);
	net->addresses.count = blob_get_limited(blob, ANNOUNCE_ADDRESSES);
	for (i = 0; i < net->addresses.count; i++)
		net->addresses.ipv4[i] = blob_get_u32(blob);
	return !blob->bad;
}

static bool judge(void *device, const struct request *request)
{
	(void)device;
	return request->kind == REQUEST_SEND && request->queue == QUEUE_TX &&
	       request->head < QUEUE_SIZE_MAX && request->data_len > HEAD_LEN &&
	       request->data_len <= FRAME_MAX;
}

static void tell(struct virtio *virtio, FILE *to)
{
	const struct net *net = virtio->device;

	fprintf(to, "\"received\": %llu, \"dropped\": %llu, \"sent\": %llu, ",
		(unsigned long long)net->received, (unsigned long long)net->dropped,
		(unsigned long long)net->sent);
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_NET,
	.queues = 2,
	.gather = gather,
	.notify = notify,
	.agreed = agreed,
	.start = start,
	.promoted = promoted,
	.save = save,
	.load = load,
	.judge = judge,
	.tell = tell,
};

void net_make(const struct net_options *options, unsigned int number)
{
	u64 features = 1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
		       1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_HOST_TSO6 |
		       1ULL << VIRTIO_NET_F_HOST_ECN | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |
		       1ULL << VIRTIO_NET_F_GUEST_TSO6 | 1ULL << VIRTIO_NET_F_GUEST_ECN |
		       1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_NET_F_MAC |
		       1ULL << VIRTIO_NET_F_STATUS;
	struct net *net = make(sizeof(*net));

	snprintf(net->name, sizeof(net->name), "net%u", number);
	pthread_cond_init(&net->room, NULL);
	net->frames = make(BATCH * sizeof(*net->frames));
	net->chains = make(CHAINS_MAX * sizeof(*net->chains));
	memcpy(net->config.mac, options->mac, sizeof(net->config.mac));
	net->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	net->tap = tap_open(options->tap, HEAD_LEN);
	net->virtio = virtio_make(&ops, net, net->name, features, &net->config,
				  sizeof(net->config));
	net->virtio->outbox = outbox_make(&outbox_ops, net, 1, OUTBOX_LIMIT);
}
