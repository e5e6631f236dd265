// SPDX-License-Identifier: GPL-2.0
/*
 * A network device, a driver, and what is at the other end of the cable. Of an honest
 * driver all frames arrive, whole and in order, both ways.
 */
#include <linux/if_ether.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cable.h"
#include "device.h"
#include "fuzz.h"
#include "../../tools/ftvmm/memory.h"
#include "../../tools/ftvmm/virtio.h"

/* What net.c says of frames. */
#define HEAD_LEN sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define BUFFERS_AT offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers)
#define FRAME_MAX (65536 + 64 + HEAD_LEN)

/* Behind the rings: tables of their chains, frames to send, receive buffers. */
#define TABLES(queue) (12288UL + (queue) * RING_SIZE * TABLE_SIZE)
#define SENT_AT TABLES(2)
#define SENT_LEN 12288UL
#define SLOTS_AT (SENT_AT + SENT_LEN)
#define SLOT_LEN 320U
#define SLOTS 64

/* Frames that are under way in one direction. */
#define FRAMES 256
#define NOISE_LEN (256 * 1024UL)

/* A frame to be received: where in the noise it is. */
struct incoming {
	u32 at, len;
};

/**
 * struct nic - the driver, and what the test knows
 * @tx: The ring for sending.
 * @rx: The ring for receiving.
 * @merges: A frame may take several receive buffers.
 * @indirect: A chain may be a table.
 * @gated: Frames are output that may have to wait.
 * @floods: Frames to send are as long as can be.
 * @least: No receive buffer is smaller.
 * @free_slots: Parts of guest memory that aren't receive buffers.
 * @sent: What frames to send are made of; the same is in guest memory.
 * @sending: Frames that were given to the device, @made of them so far.
 * @arrived: How many have come through the cable.
 * @held: Since @held_from were made, none may leave.
 * @incoming: Frames that were sent to the device, @coming of them so far.
 * @received: How many the driver got.
 * @carried: Frames that the device has had from the cable, ever.
 * @noise: What isn't there twice.
 * @frame: One frame.
 */
static struct {
	struct ring tx, rx;
	bool merges, indirect, gated, floods;
	u32 least;
	u64 free_slots;
	u8 sent[SENT_LEN];
	struct pieces sending[FRAMES];
	u64 made, arrived, held_from;
	bool held;
	struct incoming incoming[FRAMES];
	u64 coming, received;
	u64 carried;
	u8 noise[NOISE_LEN], frame[FRAME_MAX + 1];
} nic;

static bool wrong(const char *what)
{
	printf("# %s\n", what);
	return false;
}

static u32 len_of(const struct pieces *pieces)
{
	u32 len = 0, i;

	for (i = 0; i < pieces->count; i++)
		len += pieces->all[i].len;
	return len;
}

/* --- Sending --- */

/* Now and then at an edge of what is a frame, or so much that an outbox is soon full. */
static u32 some_len(void)
{
	switch (nic.floods ? 0 : below(8)) {
	case 0:
		return FRAME_MAX + 1 - below(3);
	case 1:
		return HEAD_LEN - 1 + below(3);
	case 2:
		return 1 + below(FRAME_MAX);
	default:
		return HEAD_LEN + 1 + below(1500);
	}
}

/* So many bytes of what is to be sent. */
static void cut(struct pieces *pieces, u32 len)
{
	u64 rest, least, n;

	for (pieces->count = 0; len; pieces->count++, len -= n) {
		rest = (PIECES_MAX - 1 - pieces->count) * SENT_LEN;
		least = len > rest ? len - rest : 1;
		n = least + below((len < SENT_LEN ? len : SENT_LEN) - least + 1);
		/* The first may well be what an interface would send. */
		pieces->all[pieces->count] = (struct segment){
			SENT_AT + (!pieces->count && rarely(2) ? 0 : below(SENT_LEN - n + 1)), n
		};
	}
}

static void give_frame(void)
{
	struct pieces pieces;
	u32 len = some_len();
	int head;

	if (nic.made - nic.arrived == FRAMES)
		return;
	cut(&pieces, len);
	head = ring_give(&nic.tx, &pieces, false,
			 nic.indirect && (nic.floods || rarely(2)) ? TABLES(1) : 0);
	if (head < 0 || len <= HEAD_LEN || len > FRAME_MAX)
		return;
	nic.sending[nic.made++ % FRAMES] = pieces;
}

static bool is_frame(const struct pieces *pieces, ssize_t len)
{
	const struct segment *piece;
	u32 at = 0, i;

	if (len != len_of(pieces))
		return false;
	for (i = 0; i < pieces->count; at += piece->len, i++) {
		piece = &pieces->all[i];
		if (memcmp(nic.frame + at, nic.sent + (piece->gpa - SENT_AT), piece->len))
			return false;
	}
	return true;
}

static bool judge_arrived(void)
{
	ssize_t len;

	while ((len = cable_receive(nic.frame, sizeof(nic.frame))) >= 0) {
		if (nic.arrived == nic.made)
			return wrong("a frame arrives that nobody has sent");
		if (nic.held && nic.gated && nic.arrived >= nic.held_from)
			return wrong("a frame has left that may not");
		if (!is_frame(&nic.sending[nic.arrived % FRAMES], len))
			return wrong("a frame arrives that isn't the next");
		nic.arrived++;
	}
	return true;
}

/* Its chain may be used again before a frame leaves, or after that. */
static bool judge_sent(void)
{
	u16 count = ring_used(&nic.tx);
	struct given given;
	u32 written;
	int head;

	if (!judge_arrived())
		return false;
	while (count--) {
		head = ring_take(&nic.tx, &given, &written);
		if (head < 0 || written)
			return wrong("a chain comes back that wasn't given to be sent");
	}
	return true;
}

/* --- Receiving --- */

static void send_frame(void)
{
	u32 len = HEAD_LEN + 1 + below((nic.merges ? SLOTS : 1) * nic.least - HEAD_LEN);
	u32 at = below(NOISE_LEN - len);

	if (nic.coming - nic.received == FRAMES || !cable_send(nic.noise + at, len))
		return;
	nic.incoming[nic.coming++ % FRAMES] = (struct incoming){ at, len };
	nic.carried++;
}

static bool give_buffer(void)
{
	u32 count = 1 + below(3), slot;
	struct pieces pieces = { 0 };
	u64 left = nic.free_slots;

	for (; left && pieces.count < count; left &= left - 1) {
		slot = __builtin_ctzll(left);
		pieces.all[pieces.count++] = (struct segment){
			SLOTS_AT + slot * SLOT_LEN, nic.least + below(SLOT_LEN - nic.least + 1)
		};
	}
	if (ring_give(&nic.rx, &pieces, true, nic.indirect && rarely(2) ? TABLES(0) : 0) < 0)
		return false;
	nic.free_slots = left;
	return true;
}

static void give_buffers(u32 count)
{
	while (count-- && give_buffer())
		;
}

/* What the device has written there. */
static void take_buffer(const struct pieces *pieces, u8 *data, u32 len)
{
	u32 i, n;

	for (i = 0; i < pieces->count; i++, data += n, len -= n) {
		n = len < pieces->all[i].len ? len : pieces->all[i].len;
		memory_read(pieces->all[i].gpa, data, n);
		nic.free_slots |= 1ULL << (pieces->all[i].gpa - SLOTS_AT) / SLOT_LEN;
	}
}

/* The number of buffers is the device's own to say. */
static bool is_incoming(const struct incoming *incoming, u32 len)
{
	const u8 *data = nic.noise + incoming->at;

	return len == incoming->len && !memcmp(nic.frame, data, BUFFERS_AT) &&
	       !memcmp(nic.frame + HEAD_LEN, data + HEAD_LEN, len - HEAD_LEN);
}

/* All its buffers are used at once, and each is full before the next. */
static bool judge_frame(u16 used)
{
	u32 len = 0, written, i;
	struct given given;
	u16 buffers = 1;

	if (nic.received == nic.coming)
		return wrong("a frame is received that nobody has sent");
	for (i = 0; i < buffers; i++) {
		if (ring_take(&nic.rx, &given, &written) < 0 || written > len_of(&given.pieces))
			return wrong("a buffer is used that there isn't");
		take_buffer(&given.pieces, nic.frame + len, written);
		len += written;
		if (!i) {
			memcpy(&buffers, nic.frame + BUFFERS_AT, sizeof(buffers));
			if (!buffers || buffers > (nic.merges ? used : 1))
				return wrong("a frame has more buffers than were used");
		}
		if (i + 1 < buffers && written < len_of(&given.pieces))
			return wrong("a buffer isn't full, and there is a next");
	}
	if (!is_incoming(&nic.incoming[nic.received++ % FRAMES], len))
		return wrong("a frame is received that isn't the next");
	return true;
}

static bool judge_received(void)
{
	u16 used;

	while ((used = ring_used(&nic.rx))) {
		if (!judge_frame(used))
			return false;
	}
	return true;
}

/* --- An honest driver --- */

static u64 some_features(bool honest)
{
	u64 features = vmm.devices[DEVICE_NET]->features;

	if (rarely(2))
		features &= chance() | 1ULL << VIRTIO_F_VERSION_1;
	if (!honest)
		return rarely(8) ? chance() : features;
	if (!(features & (1ULL << VIRTIO_NET_F_GUEST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO6)))
		features &= ~(1ULL << VIRTIO_NET_F_GUEST_ECN);
	return features;
}

static u32 some_size(bool honest)
{
	return honest || !rarely(4) ? RING_SIZE : QUEUE_SIZE_MAX;
}

/* The same in each run, so that a seed says what a try does. */
static void make_noise(void)
{
	u64 state = 1;
	u32 i;

	for (i = 0; i < NOISE_LEN; i++) {
		state = state * 6364136223846793005ULL + 1442695040888963407ULL;
		nic.noise[i] = state >> 56;
	}
}

/* Begins like a frame of the guest's own, from which its address is learned. */
static void make_sent(void)
{
	u8 *frame = nic.sent + HEAD_LEN;

	memcpy(nic.sent, nic.noise + below(NOISE_LEN - SENT_LEN), SENT_LEN);
	memcpy(frame + ETH_ALEN, vmm.options.nets[0].mac, ETH_ALEN);
	frame[2 * ETH_ALEN] = ETH_P_IP >> 8;
	frame[2 * ETH_ALEN + 1] = ETH_P_IP & 0xff;
	place_poke(SENT_AT, nic.sent, SENT_LEN);
}

static void begin(bool honest)
{
	u64 features = some_features(honest);

	if (!nic.carried)
		make_noise();
	make_sent();
	device_begin(DEVICE_NET, features);
	ring_begin(&nic.rx, DEVICE_NET, 0, some_size(honest));
	ring_begin(&nic.tx, DEVICE_NET, 1, some_size(honest));
	device_go(DEVICE_NET);
	nic.merges = features >> VIRTIO_NET_F_MRG_RXBUF & 1;
	nic.indirect = features >> VIRTIO_RING_F_INDIRECT_DESC & 1;
	nic.gated = !rarely(4);
	nic.floods = rarely(4);
	vmm.options.outputs = OUTPUT_BLK | (nic.gated ? OUTPUT_NET : 0);
	nic.least = HEAD_LEN + 1 + below(SLOT_LEN - HEAD_LEN);
	nic.free_slots = ~0ULL;
	nic.made = 0;
	nic.arrived = 0;
	nic.coming = 0;
	nic.received = 0;
}

static void hold(bool held)
{
	place_hold(held);
	nic.held_from = nic.made;
	nic.held = held;
}

static bool step(void)
{
	switch (below(8)) {
	case 0:
	case 1:
		give_frame();
		break;
	case 2:
		send_frame();
		break;
	case 3:
		give_buffers(1 + below(4));
		break;
	case 4:
		ring_kick(&nic.tx);
		break;
	case 5:
		ring_kick(&nic.rx);
		break;
	case 6:
		if (rarely(nic.held == nic.floods ? 16 : 2))
			hold(!nic.held);
		break;
	default:
		device_tend();
		return judge_sent() && judge_received();
	}
	return true;
}

static bool is_broken(void)
{
	const struct queue *queues = vmm.devices[DEVICE_NET]->queues;
	u32 i;

	for (i = 0; i < 2; i++) {
		if (!queues[i].broken)
			continue;
		printf("# an honest driver's ring %u is broken: %s\n", i, queues[i].broken);
		return true;
	}
	return false;
}

/* Until all have arrived. */
static bool finish(void)
{
	u32 i;

	hold(false);
	for (i = 0; i < PATIENCE; i++) {
		give_buffers(below(8));
		ring_kick(&nic.tx);
		ring_kick(&nic.rx);
		device_tend();
		if (!judge_sent() || !judge_received())
			return false;
		if (nic.arrived == nic.made && nic.received == nic.coming &&
		    nic.tx.free_count == RING_SIZE &&
		    outbox_is_empty(vmm.devices[DEVICE_NET]->outbox))
			return !is_broken();
		sleep_us(LOOK_US);
	}
	printf("# %llu of %llu frames were sent, %llu of %llu received\n",
	       (unsigned long long)nic.arrived, (unsigned long long)nic.made,
	       (unsigned long long)nic.received, (unsigned long long)nic.coming);
	is_broken();
	return false;
}

/* Nothing is under way; it goes on elsewhere, where the guest is told again. */
static bool move(void)
{
	if (!device_move(DEVICE_NET, false))
		return wrong("a device isn't what was saved");
	device_put(DEVICE_NET, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	device_put(DEVICE_NET, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	return true;
}

static bool try_honest(void)
{
	u32 rounds = 1 + below(3), steps;

	begin(true);
	for (; rounds; rounds--) {
		hold(nic.floods);
		for (steps = below(nic.floods ? 400 : 80); steps; steps--) {
			if (!step())
				return false;
		}
		if (!finish() || (rarely(2) && !move()))
			return false;
	}
	return true;
}

/* --- A hostile driver --- */

/* Anywhere, over its rings, too. */
static void give_anything(struct ring *ring)
{
	u64 most[] = { 16, 256, 4096, ARENA_SIZE }, limit = most[below(ARRAY_SIZE(most))];
	struct pieces pieces = { .count = 1 + below(PIECES_MAX) };
	u32 i, again = rarely(16) ? below(ring->size) : 0;
	int head;

	for (i = 0; i < pieces.count; i++) {
		pieces.all[i].len = below(limit);
		pieces.all[i].gpa = below(ARENA_SIZE - pieces.all[i].len);
	}
	head = ring_give(ring, &pieces, ring == &nic.rx ? !rarely(32) : rarely(32),
			 rarely(2) ? TABLES(ring->queue) : 0);
	/* The same once more, and more often than there are descriptors. */
	while (head >= 0 && again--)
		ring_offer(ring, head);
}

/* A byte of its descriptors, or what it says is available. */
static void spoil(struct ring *ring)
{
	u8 byte = chance();

	switch (below(8)) {
	case 0:
		ring->made += below(2 * ring->size);
		break;
	case 1:
		ring_offer(ring, chance());
		break;
	case 2:
		place_poke(TABLES(ring->queue) + below(RING_SIZE * TABLE_SIZE), &byte, 1);
		break;
	default:
		place_poke(ring->desc + below(RING_SIZE * sizeof(struct vring_desc)), &byte, 1);
	}
}

static void send_anything(void)
{
	u32 len = some_len();

	if (cable_send(nic.noise + below(NOISE_LEN - len), len))
		nic.carried += len > HEAD_LEN;
}

/* What arrives is anything; what comes back may be, too. */
static void take_all(void)
{
	struct ring *rings[] = { &nic.tx, &nic.rx };
	struct given given;
	u32 i, n, written;

	while (cable_receive(nic.frame, sizeof(nic.frame)) >= 0)
		;
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		for (n = ring_used(rings[i]) % RING_SIZE; n; n--)
			ring_take(rings[i], &given, &written);
	}
}

static void hostile_step(void)
{
	struct ring *ring = rarely(2) ? &nic.tx : &nic.rx;

	switch (below(12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		give_anything(ring);
		break;
	case 4:
	case 5:
		device_put(DEVICE_NET, VIRTIO_MMIO_QUEUE_NOTIFY, below(3));
		break;
	case 6:
	case 7:
		send_anything();
		break;
	case 8:
		hold(!nic.held);
		break;
	case 9:
		take_all();
		break;
	case 10:
		device_access_any(DEVICE_NET);
		break;
	default:
		/* There isn't much that it can do with a broken ring. */
		if (rarely(4))
			spoil(ring);
	}
	device_tend();
}

/* What the device says it did with the frames from the cable. */
static u64 told(void)
{
	struct virtio *virtio = vmm.devices[DEVICE_NET];
	unsigned long long received = 0, dropped = 0;
	char text[256] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	pthread_mutex_lock(&virtio->lock);
	virtio->ops->tell(virtio, to);
	pthread_mutex_unlock(&virtio->lock);
	fclose(to);
	if (sscanf(text, "\"received\": %llu, \"dropped\": %llu", &received, &dropped) != 2)
		die("# it doesn't tell what was received\n");
	return received + dropped;
}

/* Without rings nothing is waited for: all that is under way ends, and is counted. */
static bool settle(void)
{
	struct virtio *virtio = vmm.devices[DEVICE_NET];
	bool done = false;
	u32 i;

	hold(false);
	device_begin(DEVICE_NET, virtio->features);
	device_go(DEVICE_NET);
	device_put(DEVICE_NET, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (i = 0; i < PATIENCE && !done; i++) {
		sleep_us(LOOK_US);
		/* First this: what is done has left. */
		done = outbox_is_empty(virtio->outbox) && told() == nic.carried;
		while (cable_receive(nic.frame, sizeof(nic.frame)) >= 0)
			;
	}
	if (done)
		return true;
	printf("# of %llu frames %llu were received or dropped; %u are being sent\n",
	       (unsigned long long)nic.carried, (unsigned long long)told(),
	       outbox_counts(virtio->outbox).waiting);
	return false;
}

static void try_hostile(void)
{
	u32 steps = 1 + below(100);

	begin(false);
	while (steps--)
		hostile_step();
	if (!nic.gated || !rarely(4))
		return;
	/* What waits goes along, and once more from here. */
	hold(true);
	device_move(DEVICE_NET, !rarely(4));
}

bool try_nic(void)
{
	if (rarely(2))
		try_hostile();
	else if (!try_honest())
		return false;
	return settle() && cable_is_honest() && place_is_honest();
}
