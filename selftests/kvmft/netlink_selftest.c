// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host timeout=240
 *
 * The self-test's operations: what a synthetic guest sends from one end of a pair
 * is what the other end has, to the bit, and what goes wrong has its reason.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "netlink.h"

#define LIMIT 300
#define PAGE 4096
#define PAGES_MAX 256
#define STATE_MAX 65536
/* Where the words of the state begin; see kmod/selftest.h. */
#define STATE_BASE 0x800000000000ULL

static const struct nla_policy selftest_policy[KVMFT_A_SELFTEST_MAX + 1] = {
	[KVMFT_A_SELFTEST_PAGES] = { .type = NLA_U32 },
	[KVMFT_A_SELFTEST_REGION] = { .type = NLA_U32 },
	[KVMFT_A_SELFTEST_STATE] = { .type = NLA_U32 },
	[KVMFT_A_SELFTEST_EPOCH] = { .type = NLA_U64 },
	[KVMFT_A_SELFTEST_REASON] = { .type = NLA_U32 },
	[KVMFT_A_SELFTEST_NS ... KVMFT_A_SELFTEST_OFFSET] = { .type = NLA_U64 },
	[KVMFT_A_SELFTEST_CRC ... KVMFT_A_SELFTEST_STAGED] = { .type = NLA_U32 },
};

/**
 * struct order - what to send; 0 is left out
 * @epochs: These as in &enum kvmft_a_selftest.
 * @pages: Likewise.
 * @first: Likewise.
 * @region: Likewise.
 * @seed: Likewise.
 * @state: Likewise.
 * @flags: Likewise.
 * @wait: Likewise.
 */
struct order {
	uint32_t epochs;
	uint32_t pages;
	uint64_t first;
	uint32_t region;
	uint64_t seed;
	uint32_t state;
	uint32_t flags;
	uint32_t wait;
};

/**
 * struct result - what became of it
 * @epoch: The last epoch that was acknowledged.
 * @reason: Why one failed.
 * @ns: How long it took.
 * @bytes: How much was sent.
 */
struct result {
	uint64_t epoch;
	uint32_t reason;
	uint64_t ns;
	uint64_t bytes;
};

/**
 * struct image - what a sink has
 * @epoch: The last epoch that was committed.
 * @pages: How many pages it says that it has.
 * @staged: How many of them aren't committed.
 * @state: Bytes of the state.
 * @state_crc: Its sum.
 * @count: How many pages follow.
 * @page: These.
 */
struct image {
	uint64_t epoch;
	uint32_t pages;
	uint32_t staged;
	uint32_t state;
	uint32_t state_crc;
	uint32_t count;
	struct {
		uint32_t region;
		uint64_t offset;
		uint32_t crc;
	} page[PAGES_MAX];
};

/* CRC32C, reflected, by one byte at a time. */
static uint32_t crc32c(const void *data, size_t len)
{
	const unsigned char *byte = data;
	static uint32_t table[256];
	uint32_t crc, i, bit;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			crc = i;
			for (bit = 0; bit < 8; bit++)
				crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
			table[i] = crc;
		}
	}
	for (crc = ~0U; len; len--)
		crc = crc >> 8 ^ table[(crc ^ *byte++) & 0xff];
	return ~crc;
}

/* The sum of so many bytes that begin at byte @at, the first @words of which aren't alike. */
static uint32_t contents_crc(uint64_t seed, uint64_t epoch, uint64_t at, size_t len,
			     size_t words)
{
	static uint64_t word[STATE_MAX / sizeof(uint64_t)];
	size_t i;

	for (i = 0; i * sizeof(*word) < len; i++) {
		word[i] = (seed + (epoch << 48) + at + i * sizeof(*word)) * 0x9e3779b97f4a7c15ULL;
		word[i] ^= word[i] >> 29;
		if (i >= words)
			word[i] = word[0];
	}
	return crc32c(word, len);
}

static uint32_t zero_crc(void)
{
	static const char zeroes[PAGE];

	return crc32c(zeroes, sizeof(zeroes));
}

/* A request about the guest "vm" of the pair "pair". */
static struct nl_msg *begin_vm(const struct client *client, int command)
{
	struct nl_msg *msg = begin(client, command,
				   command == KVMFT_CMD_SELFTEST_READ ? NLM_F_DUMP : 0);

	nla_put_string(msg, KVMFT_A_SELFTEST_PAIR, "pair");
	nla_put_string(msg, KVMFT_A_SELFTEST_VM, "vm");
	return msg;
}

static struct nl_msg *begin_attach(const struct client *client, int role, uint64_t ceiling)
{
	struct nl_msg *msg = begin_vm(client, KVMFT_CMD_SELFTEST_ATTACH);

	nla_put_u32(msg, KVMFT_A_SELFTEST_ROLE, role);
	if (ceiling)
		nla_put_u64(msg, KVMFT_A_SELFTEST_CEILING, ceiling);
	return msg;
}

static int attach(struct client *client, int role, uint64_t ceiling)
{
	struct answer answer = { 0 };

	return demand(client, begin_attach(client, role, ceiling), &answer);
}

static int detach(struct client *client)
{
	struct answer answer = { 0 };

	return demand(client, begin_vm(client, KVMFT_CMD_SELFTEST_DETACH), &answer);
}

static struct nl_msg *begin_send(const struct client *client, const struct order *order)
{
	const struct {
		int attribute;
		uint32_t value;
	} small[] = {
		{ KVMFT_A_SELFTEST_EPOCHS, order->epochs },
		{ KVMFT_A_SELFTEST_PAGES, order->pages },
		{ KVMFT_A_SELFTEST_REGION, order->region },
		{ KVMFT_A_SELFTEST_STATE, order->state },
		{ KVMFT_A_SELFTEST_FLAGS, order->flags },
		{ KVMFT_A_SELFTEST_WAIT, order->wait ?: 60000 },
	};
	struct nl_msg *msg = begin_vm(client, KVMFT_CMD_SELFTEST_SEND);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(small); i++) {
		if (small[i].value)
			nla_put_u32(msg, small[i].attribute, small[i].value);
	}
	if (order->first)
		nla_put_u64(msg, KVMFT_A_SELFTEST_FIRST, order->first);
	if (order->seed)
		nla_put_u64(msg, KVMFT_A_SELFTEST_SEED, order->seed);
	return msg;
}

/* 0, or as demand(), or 2 when the answer isn't what it must be. */
static int send_epochs(struct client *client, const struct order *order, struct result *result)
{
	struct nlattr *attrs[KVMFT_A_SELFTEST_MAX + 1];
	struct answer answer = { 0 };
	int err;

	err = demand(client, begin_send(client, order), &answer);
	if (err)
		return err;
	if (answer.count != 1 ||
	    genlmsg_parse(answer.messages[0], 0, attrs, KVMFT_A_SELFTEST_MAX,
			  (struct nla_policy *)selftest_policy) ||
	    !attrs[KVMFT_A_SELFTEST_EPOCH] || !attrs[KVMFT_A_SELFTEST_REASON] ||
	    !attrs[KVMFT_A_SELFTEST_NS] || !attrs[KVMFT_A_SELFTEST_BYTES])
		return 2;
	result->epoch = nla_get_u64(attrs[KVMFT_A_SELFTEST_EPOCH]);
	result->reason = nla_get_u32(attrs[KVMFT_A_SELFTEST_REASON]);
	result->ns = nla_get_u64(attrs[KVMFT_A_SELFTEST_NS]);
	result->bytes = nla_get_u64(attrs[KVMFT_A_SELFTEST_BYTES]);
	forget(&answer);
	return 0;
}

static int take_image(const struct answer *answer, struct image *image)
{
	struct nlattr *attrs[KVMFT_A_SELFTEST_MAX + 1];
	unsigned int i;

	if (!answer->count || answer->count > PAGES_MAX)
		return 2;
	for (i = 0; i < answer->count; i++) {
		if (genlmsg_parse(answer->messages[i], 0, attrs, KVMFT_A_SELFTEST_MAX,
				  (struct nla_policy *)selftest_policy) ||
		    !attrs[KVMFT_A_SELFTEST_CRC])
			return 2;
		if (i && (!attrs[KVMFT_A_SELFTEST_REGION] || !attrs[KVMFT_A_SELFTEST_OFFSET]))
			return 2;
		if (!i && (!attrs[KVMFT_A_SELFTEST_EPOCH] || !attrs[KVMFT_A_SELFTEST_PAGES] ||
			   !attrs[KVMFT_A_SELFTEST_STAGED] || !attrs[KVMFT_A_SELFTEST_STATE] ||
			   !attrs[KVMFT_A_SELFTEST_POOL]))
			return 2;
		if (i) {
			image->page[i - 1].region = nla_get_u32(attrs[KVMFT_A_SELFTEST_REGION]);
			image->page[i - 1].offset = nla_get_u64(attrs[KVMFT_A_SELFTEST_OFFSET]);
			image->page[i - 1].crc = nla_get_u32(attrs[KVMFT_A_SELFTEST_CRC]);
			continue;
		}
		image->epoch = nla_get_u64(attrs[KVMFT_A_SELFTEST_EPOCH]);
		image->pages = nla_get_u32(attrs[KVMFT_A_SELFTEST_PAGES]);
		image->staged = nla_get_u32(attrs[KVMFT_A_SELFTEST_STAGED]);
		image->state = nla_get_u32(attrs[KVMFT_A_SELFTEST_STATE]);
		image->state_crc = nla_get_u32(attrs[KVMFT_A_SELFTEST_CRC]);
	}
	image->count = answer->count - 1;
	return 0;
}

static int read_image(struct client *client, struct image *image)
{
	struct answer answer = { 0 };
	int err;

	err = demand(client, begin_vm(client, KVMFT_CMD_SELFTEST_READ), &answer) ?:
	      take_image(&answer, image);
	forget(&answer);
	return err;
}

/* The answer to COMMIT comes before all is in its place: waits for that. */
static int await_image(struct client *client, uint64_t epoch, struct image *image)
{
	long long end = now_ms() + patience_ms(30);
	bool settled;
	int err;

	do {
		err = read_image(client, image);
		settled = err || (image->epoch == epoch && !image->staged);
		if (!settled)
			usleep(20000);
	} while (!settled && now_ms() < end);
	return settled ? err : -ETIMEDOUT;
}

/* How many words of a page aren't alike. */
static size_t words_of(const struct order *order, uint32_t page)
{
	return order->flags & KVMFT_SELFTEST_PACK ? 512U >> page % 3 * 3 : SIZE_MAX;
}

/* Has the sink, after such an epoch, what it must have? Only what was sent last. */
static bool holds(const struct image *image, const struct order *order)
{
	uint32_t i, crc, bad = 0;
	uint64_t at;

	for (i = 0; i < order->pages && image->count == order->pages; i++) {
		at = order->first + (uint64_t)i * PAGE;
		crc = order->flags & KVMFT_SELFTEST_ZEROES && i & 1 ? zero_crc() :
			contents_crc(order->seed, image->epoch, at, PAGE, words_of(order, i));
		bad += image->page[i].region != order->region || image->page[i].offset != at ||
		       image->page[i].crc != crc;
	}
	crc = !order->state ? 0 :
	      contents_crc(order->seed, image->epoch, STATE_BASE, order->state, SIZE_MAX);
	return !bad && image->count == order->pages && image->pages == order->pages &&
	       image->state == order->state && image->state_crc == crc;
}

FIXTURE(guest)
{
	struct world world;
	struct answer answer;
	struct image image;
	struct result result;
};

FIXTURE_SETUP(guest)
{
	struct world *world = &self->world;

	ASSERT_EQ(0, build_world(world));
	ASSERT_EQ(0, add_pair(&world->left, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	ASSERT_EQ(0, add_pair(&world->right, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY));
	ASSERT_EQ(0, await_state(&world->left, "pair", KVMFT_PAIR_UP));
	ASSERT_EQ(0, await_state(&world->right, "pair", KVMFT_PAIR_UP));
}

FIXTURE_TEARDOWN(guest)
{
	EXPECT_FALSE(key_was_seen);
	forget(&self->answer);
	leave_world(&self->world);
}

/* The listening end may send as well as the one that connects. */
FIXTURE_VARIANT(guest)
{
	bool listener_sends;
};

FIXTURE_VARIANT_ADD(guest, of_who_connects)
{
	.listener_sends = false,
};

FIXTURE_VARIANT_ADD(guest, of_who_listens)
{
	.listener_sends = true,
};

#define SENDER (variant->listener_sends ? &self->world.left : &self->world.right)
#define RECEIVER (variant->listener_sends ? &self->world.right : &self->world.left)

TEST_F_TIMEOUT(guest, arrives_as_it_was_sent, LIMIT)
{
	static const uint32_t ways[] = {
		0, KVMFT_SELFTEST_COPY, KVMFT_SELFTEST_TWICE, KVMFT_SELFTEST_BACKWARDS,
		KVMFT_SELFTEST_ZEROES, KVMFT_SELFTEST_PACK,
		KVMFT_SELFTEST_COPY | KVMFT_SELFTEST_TWICE | KVMFT_SELFTEST_BACKWARDS |
			KVMFT_SELFTEST_ZEROES,
		KVMFT_SELFTEST_PACK | KVMFT_SELFTEST_TWICE | KVMFT_SELFTEST_BACKWARDS |
			KVMFT_SELFTEST_ZEROES,
		KVMFT_SELFTEST_PACK | KVMFT_SELFTEST_COPY | KVMFT_SELFTEST_TWICE,
	};
	struct order order = {
		.pages = 70, .first = 0x7f000000, .region = 3, .seed = 0xfedcba9876543210,
		.state = 9001,
	};
	uint64_t bytes, last = 0;
	size_t i;

	ASSERT_EQ(0, attach(RECEIVER, KVMFT_SELFTEST_SINK, 0));
	ASSERT_EQ(0, read_image(RECEIVER, &self->image));
	EXPECT_EQ(0, self->image.epoch);
	EXPECT_EQ(0, self->image.count);
	ASSERT_EQ(0, attach(SENDER, KVMFT_SELFTEST_SOURCE, 0));

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		order.flags = ways[i];
		order.seed += i;
		ASSERT_EQ(0, send_epochs(SENDER, &order, &self->result));
		EXPECT_EQ(KVMFT_REASON_NONE, self->result.reason);
		EXPECT_EQ(++last, self->result.epoch);
		EXPECT_LT(0, self->result.ns);
		bytes = PAGE * (ways[i] & KVMFT_SELFTEST_ZEROES ? 35 : 70) *
			(ways[i] & KVMFT_SELFTEST_TWICE ? 2 : 1);
		EXPECT_EQ(bytes, self->result.bytes);

		ASSERT_EQ(0, await_image(RECEIVER, last, &self->image));
		EXPECT_TRUE(holds(&self->image, &order))
			TH_LOG("flags %#x", ways[i]);
	}

	/* Several epochs with one request; and one that has only state, or nothing. */
	order.flags = 0;
	order.epochs = 4;
	ASSERT_EQ(0, send_epochs(SENDER, &order, &self->result));
	EXPECT_EQ(last += 4, self->result.epoch);
	EXPECT_EQ(4 * 70 * PAGE, self->result.bytes);
	ASSERT_EQ(0, await_image(RECEIVER, last, &self->image));
	EXPECT_TRUE(holds(&self->image, &order));
	ASSERT_EQ(0, send_epochs(SENDER, &(struct order){ .state = 7 }, &self->result));
	EXPECT_EQ(++last, self->result.epoch);
	ASSERT_EQ(0, send_epochs(SENDER, &(struct order){ 0 }, &self->result));
	EXPECT_EQ(++last, self->result.epoch);
	EXPECT_EQ(0, self->result.bytes);
}

TEST_F_TIMEOUT(guest, is_never_half_there, LIMIT)
{
	static const struct {
		uint32_t flag;
		uint32_t reason;
	} faults[] = {
		{ KVMFT_SELFTEST_BAD_SUM, KVMFT_REASON_MISMATCH },
		{ KVMFT_SELFTEST_BAD_COUNT, KVMFT_REASON_MISMATCH },
		{ KVMFT_SELFTEST_NO_BEGIN, KVMFT_REASON_NOT_BEGUN },
		{ KVMFT_SELFTEST_NO_COMMIT, KVMFT_REASON_NONE },
		{ KVMFT_SELFTEST_CUT, KVMFT_REASON_CLOSED },
	};
	const struct order good = { .pages = 9, .region = 1, .seed = 42, .state = 100 };
	struct order bad = good;
	uint64_t last;
	size_t i;

	ASSERT_EQ(0, attach(RECEIVER, KVMFT_SELFTEST_SINK, 0));
	ASSERT_EQ(0, attach(SENDER, KVMFT_SELFTEST_SOURCE, 0));
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		ASSERT_EQ(0, send_epochs(SENDER, &good, &self->result));
		ASSERT_EQ(KVMFT_REASON_NONE, self->result.reason)
			TH_LOG("before flag %#x", faults[i].flag);
		last = self->result.epoch;
		ASSERT_EQ(0, await_image(RECEIVER, last, &self->image));

		bad.flags = faults[i].flag;
		bad.seed++;
		ASSERT_EQ(0, send_epochs(SENDER, &bad, &self->result));
		EXPECT_EQ(faults[i].reason, self->result.reason)
			TH_LOG("flag %#x", bad.flags);
		EXPECT_EQ(0, self->result.epoch);

		/* What was committed before is still what there is. */
		ASSERT_EQ(0, read_image(RECEIVER, &self->image));
		EXPECT_EQ(last, self->image.epoch);
		EXPECT_TRUE(holds(&self->image, &good))
			TH_LOG("flag %#x", bad.flags);
	}

	/* Nor does it stay when the next epoch comes. */
	ASSERT_EQ(0, send_epochs(SENDER, &good, &self->result));
	EXPECT_EQ(KVMFT_REASON_NONE, self->result.reason);
	ASSERT_EQ(0, await_image(RECEIVER, self->result.epoch, &self->image));
	EXPECT_TRUE(holds(&self->image, &good));
}

TEST_F_TIMEOUT(guest, is_staged_before_it_is_committed, LIMIT)
{
	const struct order order = { .pages = 9, .flags = KVMFT_SELFTEST_NO_COMMIT };
	long long end = now_ms() + patience_ms(30);

	ASSERT_EQ(0, attach(RECEIVER, KVMFT_SELFTEST_SINK, 0));
	ASSERT_EQ(0, attach(SENDER, KVMFT_SELFTEST_SOURCE, 0));
	ASSERT_EQ(0, send_epochs(SENDER, &order, &self->result));
	do {
		ASSERT_EQ(0, read_image(RECEIVER, &self->image));
	} while (self->image.staged != 9 && now_ms() < end);
	EXPECT_EQ(9, self->image.staged);
	EXPECT_EQ(0, self->image.pages);
	EXPECT_EQ(0, self->image.epoch);

	/* The sender is gone, and with it what it hadn't finished. */
	ASSERT_EQ(0, detach(SENDER));
	ASSERT_EQ(0, await_image(RECEIVER, 0, &self->image));
	EXPECT_EQ(0, self->image.count);
}

TEST_F_TIMEOUT(guest, must_fit, LIMIT)
{
	const struct order small = { .pages = 1 }, large = { .pages = 2 };

	/* A page, and what it takes to keep it. */
	ASSERT_EQ(0, attach(RECEIVER, KVMFT_SELFTEST_SINK, 2 * PAGE));
	ASSERT_EQ(0, attach(SENDER, KVMFT_SELFTEST_SOURCE, 0));
	ASSERT_EQ(0, send_epochs(SENDER, &large, &self->result));
	EXPECT_EQ(KVMFT_REASON_TOO_BIG, self->result.reason);
	EXPECT_EQ(0, self->result.epoch);
	ASSERT_EQ(0, send_epochs(SENDER, &small, &self->result));
	EXPECT_EQ(KVMFT_REASON_NONE, self->result.reason);
	ASSERT_EQ(0, await_image(RECEIVER, self->result.epoch, &self->image));
	EXPECT_TRUE(holds(&self->image, &small));
}

#define EXPECT_REFUSAL(client, request, errno_, words, attribute) do { \
	struct nl_msg *msg_ = request; \
	\
	ASSERT_EQ(0, ask(client, msg_, &self->answer)); \
	EXPECT_EQ(-(errno_), self->answer.error); \
	EXPECT_EQ(0, self->answer.count); \
	/* Linux 6.1 has no place for the words of a dump that can't begin. */ \
	if (!(nlmsg_hdr(msg_)->nlmsg_flags & NLM_F_DUMP) || *self->answer.reason) { \
		EXPECT_TRUE(says(&self->answer, words)); \
		EXPECT_EQ(offset_of(msg_, attribute), self->answer.blamed); \
	} \
	nlmsg_free(msg_); \
} while (0)

TEST_F_TIMEOUT(guest, is_where_it_is_attached, LIMIT)
{
	static const char nothing[] = "there is no synthetic guest of this name";
	struct client *sender = SENDER, *receiver = RECEIVER;
	int command;

	for (command = KVMFT_CMD_SELFTEST_DETACH; command <= KVMFT_CMD_SELFTEST_READ; command++)
		EXPECT_REFUSAL(sender, begin_vm(sender, command), ENOENT, nothing,
			       KVMFT_A_SELFTEST_VM);

	ASSERT_EQ(0, attach(sender, KVMFT_SELFTEST_SOURCE, 0));
	EXPECT_REFUSAL(sender, begin_attach(sender, KVMFT_SELFTEST_SOURCE, 0), EEXIST,
		       "there is a synthetic guest of this name", KVMFT_A_SELFTEST_VM);
	EXPECT_REFUSAL(sender, begin_attach(sender, KVMFT_SELFTEST_SINK, 0), EEXIST,
		       "there is a synthetic guest of this name", KVMFT_A_SELFTEST_VM);
	EXPECT_REFUSAL(sender, begin_send(sender, &(struct order){ .wait = 50 }), ENOTCONN,
		       "the other end isn't attached", 0);
	EXPECT_REFUSAL(sender, begin_vm(sender, KVMFT_CMD_SELFTEST_READ), EINVAL, "this end sends",
		       0);

	ASSERT_EQ(0, attach(receiver, KVMFT_SELFTEST_SINK, 0));
	EXPECT_REFUSAL(receiver, begin_attach(receiver, KVMFT_SELFTEST_SINK, 0), EEXIST,
		       "there is a synthetic guest of this name", KVMFT_A_SELFTEST_VM);
	EXPECT_REFUSAL(receiver, begin_send(receiver, &(struct order){ 0 }), EINVAL,
		       "this end receives", 0);
	EXPECT_EQ(0, send_epochs(sender, &(struct order){ .pages = 1 }, &self->result));
	EXPECT_EQ(1, self->result.epoch);

	/* A sink that is gone has nothing, and a new one begins anew. */
	ASSERT_EQ(0, detach(receiver));
	EXPECT_REFUSAL(receiver, begin_vm(receiver, KVMFT_CMD_SELFTEST_READ), ENOENT, nothing,
		       KVMFT_A_SELFTEST_VM);
	EXPECT_REFUSAL(sender, begin_send(sender, &(struct order){ .wait = 50 }), ENOTCONN,
		       "the other end isn't attached", 0);
	ASSERT_EQ(0, attach(receiver, KVMFT_SELFTEST_SINK, 0));
	ASSERT_EQ(0, read_image(receiver, &self->image));
	EXPECT_EQ(0, self->image.count);
	EXPECT_EQ(0, send_epochs(sender, &(struct order){ .pages = 1 }, &self->result));
	EXPECT_EQ(KVMFT_REASON_NONE, self->result.reason);

	/* A guest goes with its pair. */
	ASSERT_EQ(0, del_pair(sender, "pair"));
	EXPECT_REFUSAL(sender, begin_vm(sender, KVMFT_CMD_SELFTEST_DETACH), ENOENT,
		       "there is no pair of this name", KVMFT_A_SELFTEST_PAIR);
}

/* In a child, which exits with the errno that a send with a long wait ends with. */
static pid_t send_in_child(struct client *client)
{
	const struct order order = { .pages = 1 };
	struct answer answer = { 0 };
	pid_t pid = fork();
	int err;

	if (pid)
		return pid;
	/* A socket of its own, so that nobody takes its answer. */
	if (open_client(client))
		_exit(255);
	/* It may come while the parent looks whether it is there. */
	do {
		err = demand(client, begin_send(client, &order), &answer);
	} while (err == -EBUSY);
	_exit(-err);
}

TEST_F_TIMEOUT(guest, does_one_thing_at_a_time, LIMIT)
{
	const struct order brief = { .wait = 1 };
	/* What the child opens is in the namespace where the process is. */
	struct client *sender = &self->world.right;
	long long end = now_ms() + patience_ms(30);
	int status;
	pid_t pid;

	ASSERT_EQ(0, attach(sender, KVMFT_SELFTEST_SOURCE, 0));
	pid = send_in_child(sender);
	ASSERT_LT(0, pid);
	/* Until the child is there this one is the first, and the other end isn't. */
	do {
		usleep(20000);
		status = demand(sender, begin_send(sender, &brief), &self->answer);
	} while (status == -ENOTCONN && now_ms() < end);
	EXPECT_EQ(-EBUSY, status);
	EXPECT_TRUE(says(&self->answer, "epochs are being sent already"));

	ASSERT_EQ(0, detach(sender));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(ESHUTDOWN, WEXITSTATUS(status));
}

/* One attribute too many, or with a value that it can't have. */
struct wrong {
	int command;
	int attribute;
	int len;
	uint64_t value;
	int error;
	const char *words;
	bool blames;
};

#define ATTACH KVMFT_CMD_SELFTEST_ATTACH
#define SEND KVMFT_CMD_SELFTEST_SEND
#define READ KVMFT_CMD_SELFTEST_READ

static const struct wrong wrong[] = {
	{ ATTACH, KVMFT_A_SELFTEST_ROLE, 4, 0, ERANGE, "out of range", true },
	{ ATTACH, KVMFT_A_SELFTEST_ROLE, 4, 3, ERANGE, "out of range", true },
	{ ATTACH, KVMFT_A_SELFTEST_CEILING, 4, 1, EINVAL, "length", true },
	{ ATTACH, KVMFT_A_SELFTEST_SEED, 8, 1, EINVAL, "no meaning here", true },
	{ SEND, KVMFT_A_SELFTEST_ROLE, 4, 1, EINVAL, "no meaning here", true },
	{ SEND, KVMFT_A_SELFTEST_CEILING, 8, 1, EINVAL, "no meaning here", true },
	{ SEND, KVMFT_A_SELFTEST_EPOCHS, 4, 0, ERANGE, "out of range", true },
	{ SEND, KVMFT_A_SELFTEST_PAGES, 4, 65537, ERANGE, "out of range", true },
	{ SEND, KVMFT_A_SELFTEST_REGION, 4, 1024, ERANGE, "out of range", true },
	{ SEND, KVMFT_A_SELFTEST_STATE, 4, (1 << 24) + 1, ERANGE, "out of range", true },
	{ SEND, KVMFT_A_SELFTEST_FLAGS, 4, 1024, EINVAL, "reserved bit set", true },
	{ SEND, KVMFT_A_SELFTEST_WAIT, 4, 60001, ERANGE, "out of range", true },
	{ SEND, KVMFT_A_SELFTEST_FIRST, 8, 1, EINVAL, "page", false },
	{ SEND, KVMFT_A_SELFTEST_FIRST, 8, 1ULL << 52, EINVAL, "page", false },
	{ SEND, KVMFT_A_SELFTEST_FIRST, 8, (1ULL << 63) + PAGE, EINVAL, "page", false },
	{ SEND, KVMFT_A_SELFTEST_EPOCH, 8, 1, EINVAL, "no meaning here", true },
	{ SEND, KVMFT_A_SELFTEST_PAD, 8, 1, EINVAL, "no meaning here", true },
	{ READ, KVMFT_A_SELFTEST_ROLE, 4, 1, EINVAL, "no meaning here", true },
	{ READ, KVMFT_A_SELFTEST_STAGED, 4, 1, EINVAL, "no meaning here", true },
};

TEST_F_TIMEOUT(guest, has_wrong_requests_refused, LIMIT)
{
	struct client *client = SENDER;
	struct nl_msg *msg;
	int command, names;
	size_t i;

	ASSERT_EQ(0, attach(client, KVMFT_SELFTEST_SOURCE, 0));
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		msg = begin_vm(client, wrong[i].command);
		nla_put(msg, wrong[i].attribute, wrong[i].len, &wrong[i].value);
		ASSERT_EQ(0, ask(client, msg, &self->answer));
		EXPECT_EQ(-wrong[i].error, self->answer.error)
			TH_LOG("case %zu", i);
		EXPECT_TRUE(says(&self->answer, wrong[i].words));
		/* FIRST and PAGES may be to blame together. */
		if (wrong[i].blames)
			EXPECT_EQ(offset_of(msg, wrong[i].attribute), self->answer.blamed);
		nlmsg_free(msg);
	}
	/* The last page that there can be, and one more. */
	EXPECT_REFUSAL(client, begin_send(client, &(struct order){
			       .first = (1ULL << 52) - PAGE, .pages = 1, .wait = 1 }), ENOTCONN,
		       "the other end isn't attached", 0);
	EXPECT_EQ(-EINVAL, demand(client, begin_send(client, &(struct order){
			.first = (1ULL << 52) - PAGE, .pages = 2, .wait = 1 }), &self->answer));

	/* All need both names. */
	for (command = ATTACH; command <= READ; command++) {
		for (names = 0; names < 3; names++) {
			msg = begin(client, command, command == READ ? NLM_F_DUMP : 0);
			if (names == 1)
				nla_put_string(msg, KVMFT_A_SELFTEST_PAIR, "pair");
			if (names == 2)
				nla_put_string(msg, KVMFT_A_SELFTEST_VM, "vm");
			EXPECT_REFUSAL(client, msg, EINVAL, "KVMFT_A_SELFTEST_PAIR", 0);
		}
		msg = begin(client, command, command == READ ? NLM_F_DUMP : 0);
		nla_put_string(msg, KVMFT_A_SELFTEST_PAIR, "pair");
		nla_put_string(msg, KVMFT_A_SELFTEST_VM, "a/b");
		EXPECT_REFUSAL(client, msg, EINVAL, "a name has letters, digits",
			       KVMFT_A_SELFTEST_VM);
	}
	EXPECT_REFUSAL(client, begin_vm(client, ATTACH), EINVAL, "KVMFT_A_SELFTEST_ROLE", 0);
	EXPECT_EQ(KVMFT_A_SELFTEST_ROLE, self->answer.missing);
}

/* The runner loads the module without parameters, and loads it anew for each test. */
static int load(const char *parameters)
{
	return shell("rmmod kvmft && insmod \"$KVMFT_KO_SHIPPED\" %s", parameters);
}

int main(int argc, char **argv)
{
	int status;
	pid_t pid;

	if (!getenv("KVMFT_KO_SHIPPED") || load("selftest=1"))
		ksft_exit_fail_msg("the module can't be loaded with selftest=1\n");
	/* The harness ends the process. */
	pid = fork();
	if (!pid)
		return test_harness_run(argc, argv);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		status = -1;
	if (load(""))
		fprintf(stderr, "# the module can't be loaded again\n");
	return status < 0 ? KSFT_FAIL : WEXITSTATUS(status);
}
