// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host timeout=240
 *
 * Every operation and event of the netlink family, as a client sees them that
 * shares nothing with ftctl; the self-test's are in netlink_selftest.c.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "child.h"
#include "kselftest_harness.h"
#include "netlink.h"

#define NOBODY 65534
#define PAIRS 40
#define LIMIT 300

/**
 * struct event - what a KVMFT_CMD_PAIR_EVENT says
 * @event: &enum kvmft_pair_event; 0 when none came.
 * @role: These as they are there, or 0.
 * @state: Likewise.
 * @reason: Likewise.
 * @name: The pair's name.
 * @words: The error in words.
 * @odd: It has something that it mustn't have, or lacks something.
 */
struct event {
	unsigned int event;
	unsigned int role;
	unsigned int state;
	unsigned int reason;
	char name[32];
	char words[160];
	bool odd;
};

static int on_event(struct nl_msg *msg, void *context)
{
	static const int always[] = {
		KVMFT_A_PAIR_EVENT, KVMFT_A_PAIR_NAME, KVMFT_A_PAIR_ROLE, KVMFT_A_PAIR_ADDRESS,
		KVMFT_A_PAIR_PORT, KVMFT_A_PAIR_HEARTBEAT, KVMFT_A_PAIR_TIMEOUT,
		KVMFT_A_PAIR_STATE, KVMFT_A_PAIR_REASON, KVMFT_A_PAIR_STATE_TIME,
	};
	static const int never[] = {
		KVMFT_A_PAIR_KEY, KVMFT_A_PAIR_STATE_AGE, KVMFT_A_PAIR_RTT_LAST,
		KVMFT_A_PAIR_RX_BYTES, KVMFT_A_PAIR_LINKS, KVMFT_A_PAIR_ERRORS,
	};
	struct genlmsghdr *header = genlmsg_hdr(nlmsg_hdr(msg));
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct event *event = context;
	size_t i;

	event->odd = header->cmd != KVMFT_CMD_PAIR_EVENT ||
		     header->version != KVMFT_FAMILY_VERSION ||
		     genlmsg_parse(nlmsg_hdr(msg), 0, attrs, KVMFT_A_PAIR_MAX,
				   (struct nla_policy *)pair_policy);
	for (i = 0; !event->odd && i < ARRAY_SIZE(always); i++)
		event->odd = !attrs[always[i]];
	for (i = 0; !event->odd && i < ARRAY_SIZE(never); i++)
		event->odd = attrs[never[i]];
	if (event->odd)
		return NL_STOP;

	event->event = nla_get_u32(attrs[KVMFT_A_PAIR_EVENT]);
	event->role = nla_get_u32(attrs[KVMFT_A_PAIR_ROLE]);
	event->state = nla_get_u32(attrs[KVMFT_A_PAIR_STATE]);
	event->reason = nla_get_u32(attrs[KVMFT_A_PAIR_REASON]);
	snprintf(event->name, sizeof(event->name), "%s", nla_get_string(attrs[KVMFT_A_PAIR_NAME]));
	if (attrs[KVMFT_A_PAIR_ERROR])
		snprintf(event->words, sizeof(event->words), "%s",
			 nla_get_string(attrs[KVMFT_A_PAIR_ERROR]));
	return NL_STOP;
}

/* Nobody has asked for an event. */
static int accept_any(struct nl_msg *msg, void *context)
{
	(void)msg;
	(void)context;
	return NL_OK;
}

/* The next event, or one without anything when none comes. */
static struct event next_event(struct client *client)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	struct event event = { 0 };

	nl_cb_overwrite_recv(cb, receive);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_event, &event);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, accept_any, NULL);
	nl_recvmsgs(client->sock, cb);
	nl_cb_put(cb);
	return event;
}

/* Opens a client that listens, where the process is. */
static int open_listener(struct client *client)
{
	int group;

	if (open_client(client))
		return -1;
	group = genl_ctrl_resolve_grp(client->sock, KVMFT_FAMILY_NAME, KVMFT_EVENTS_GROUP);
	return group < 0 || nl_socket_add_membership(client->sock, group);
}

/* How often a reason was counted. */
static unsigned long long errors_of(const struct answer *answer, unsigned int reason)
{
	struct nlattr *attrs[KVMFT_A_ERROR_MAX + 1];
	struct nlattr *attr;
	int left;

	nlmsg_for_each_attr(attr, answer->messages[0], GENL_HDRLEN, left) {
		if (nla_type(attr) != KVMFT_A_PAIR_ERRORS)
			continue;
		if (!nla_parse_nested(attrs, KVMFT_A_ERROR_MAX, attr, NULL) &&
		    attrs[KVMFT_A_ERROR_REASON] && attrs[KVMFT_A_ERROR_COUNT] &&
		    nla_get_u32(attrs[KVMFT_A_ERROR_REASON]) == reason)
			return nla_get_u64(attrs[KVMFT_A_ERROR_COUNT]);
	}
	return 0;
}

FIXTURE(ends)
{
	struct world world;
	struct client left_events;
	struct client right_events;
	struct answer answer;
};

FIXTURE_SETUP(ends)
{
	ASSERT_EQ(0, build_world(&self->world));
	ASSERT_EQ(0, open_listener(&self->right_events));
	ASSERT_EQ(0, setns(self->world.left_net, CLONE_NEWNET));
	ASSERT_EQ(0, open_listener(&self->left_events));
	ASSERT_EQ(0, setns(self->world.right_net, CLONE_NEWNET));
}

FIXTURE_TEARDOWN(ends)
{
	EXPECT_FALSE(key_was_seen);
	forget(&self->answer);
	close_client(&self->left_events);
	close_client(&self->right_events);
	leave_world(&self->world);
}

#define EXPECT_EVENT(client, event_, role_, state_, reason_) do { \
	struct event got = next_event(client); \
	unsigned int why = reason_; \
	\
	EXPECT_FALSE(got.odd); \
	EXPECT_EQ(event_, got.event); \
	EXPECT_EQ(role_, got.role); \
	EXPECT_EQ(state_, got.state); \
	EXPECT_EQ(why, got.reason); \
	EXPECT_STREQ("pair", got.name); \
	EXPECT_EQ(!!why, !!*got.words); \
} while (0)

TEST_F_TIMEOUT(ends, tell_their_life_in_order, LIMIT)
{
	struct world *world = &self->world;
	struct event event;

	ASSERT_EQ(0, add_pair(&world->left, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_ADDED, KVMFT_PAIR_LISTEN,
		     KVMFT_PAIR_CONNECTING, 0);
	ASSERT_EQ(0, add_pair(&world->right, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY));
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_ADDED, KVMFT_PAIR_CONNECT,
		     KVMFT_PAIR_CONNECTING, 0);

	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_LISTEN,
		     KVMFT_PAIR_AUTHENTICATING, 0);
	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_LISTEN, KVMFT_PAIR_UP, 0);
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_CONNECT,
		     KVMFT_PAIR_AUTHENTICATING, 0);
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_CONNECT, KVMFT_PAIR_UP, 0);

	ASSERT_EQ(0, del_pair(&world->left, "pair"));
	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_DELETED, KVMFT_PAIR_LISTEN, KVMFT_PAIR_UP, 0);
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_CONNECT, KVMFT_PAIR_DOWN,
		     KVMFT_REASON_BYE);

	/* It tries again, and finds nobody, until it is told not to. */
	ASSERT_EQ(0, del_pair(&world->right, "pair"));
	do {
		event = next_event(&self->right_events);
	} while (event.event == KVMFT_PAIR_CHANGED);
	EXPECT_EQ(KVMFT_PAIR_DELETED, event.event);
}

TEST_F_TIMEOUT(ends, answer_with_all_that_there_is, LIMIT)
{
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct world *world = &self->world;
	struct in_addr left, right;
	struct utsname host;
	int i;

	uname(&host);
	inet_pton(AF_INET, LEFT4, &left);
	inet_pton(AF_INET, RIGHT4, &right);
	ASSERT_EQ(0, add_pair(&world->left, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	ASSERT_EQ(0, get_pair(&world->left, "pair", &self->answer, attrs));
	EXPECT_EQ(KVMFT_PAIR_CONNECTING, nla_get_u32(attrs[KVMFT_A_PAIR_STATE]));
	for (i = KVMFT_A_PAIR_ERROR; i <= KVMFT_A_PAIR_RTT_MAX; i++)
		EXPECT_EQ(NULL, attrs[i]);
	EXPECT_EQ(NULL, attrs[KVMFT_A_PAIR_ERRORS]);

	ASSERT_EQ(0, add_pair(&world->right, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY));
	ASSERT_EQ(0, await_state(&world->left, "pair", KVMFT_PAIR_UP));
	do {
		ASSERT_EQ(0, get_pair(&world->left, "pair", &self->answer, attrs));
	} while (!attrs[KVMFT_A_PAIR_RTT_LAST]);

	for (i = KVMFT_A_PAIR_NAME; i <= KVMFT_A_PAIR_LINKS; i++) {
		EXPECT_EQ(i == KVMFT_A_PAIR_SCOPE || i == KVMFT_A_PAIR_KEY ||
			  i == KVMFT_A_PAIR_ERROR, !attrs[i])
			TH_LOG("attribute %d", i);
	}
	EXPECT_EQ(NULL, attrs[KVMFT_A_PAIR_ERRORS]);
	EXPECT_EQ(NULL, attrs[KVMFT_A_PAIR_EVENT]);
	EXPECT_STREQ("pair", nla_get_string(attrs[KVMFT_A_PAIR_NAME]));
	EXPECT_EQ(KVMFT_PAIR_LISTEN, nla_get_u32(attrs[KVMFT_A_PAIR_ROLE]));
	ASSERT_EQ(4, nla_len(attrs[KVMFT_A_PAIR_ADDRESS]));
	EXPECT_EQ(0, memcmp(&left, nla_data(attrs[KVMFT_A_PAIR_ADDRESS]), 4));
	EXPECT_EQ(A_PORT, nla_get_u16(attrs[KVMFT_A_PAIR_PORT]));
	EXPECT_EQ(200, nla_get_u32(attrs[KVMFT_A_PAIR_HEARTBEAT]));
	EXPECT_EQ(patience_ms(20), nla_get_u32(attrs[KVMFT_A_PAIR_TIMEOUT]));
	EXPECT_EQ(KVMFT_PAIR_UP, nla_get_u32(attrs[KVMFT_A_PAIR_STATE]));
	EXPECT_EQ(KVMFT_REASON_NONE, nla_get_u32(attrs[KVMFT_A_PAIR_REASON]));
	EXPECT_GE(time(NULL) * 1000000000ULL + 1000000000,
		  nla_get_u64(attrs[KVMFT_A_PAIR_STATE_TIME]));
	EXPECT_STREQ(host.nodename, nla_get_string(attrs[KVMFT_A_PAIR_PEER_HOST]));
	ASSERT_EQ(4, nla_len(attrs[KVMFT_A_PAIR_PEER_ADDRESS]));
	EXPECT_EQ(0, memcmp(&right, nla_data(attrs[KVMFT_A_PAIR_PEER_ADDRESS]), 4));
	EXPECT_LE(nla_get_u64(attrs[KVMFT_A_PAIR_RTT_MIN]),
		  nla_get_u64(attrs[KVMFT_A_PAIR_RTT_AVG]));
	EXPECT_LE(nla_get_u64(attrs[KVMFT_A_PAIR_RTT_AVG]),
		  nla_get_u64(attrs[KVMFT_A_PAIR_RTT_MAX]));
	EXPECT_EQ(1, nla_get_u64(attrs[KVMFT_A_PAIR_LINKS]));
	for (i = KVMFT_A_PAIR_RX_BYTES; i <= KVMFT_A_PAIR_TX_FRAMES; i++)
		EXPECT_LT(0, nla_get_u64(attrs[i]));

	/* What is known of a lost peer stays, and why it is lost is counted. */
	ASSERT_EQ(0, del_pair(&world->right, "pair"));
	ASSERT_EQ(0, await_state(&world->left, "pair", KVMFT_PAIR_DOWN));
	ASSERT_EQ(0, get_pair(&world->left, "pair", &self->answer, attrs));
	EXPECT_EQ(KVMFT_REASON_BYE, nla_get_u32(attrs[KVMFT_A_PAIR_REASON]));
	EXPECT_NE(NULL, attrs[KVMFT_A_PAIR_ERROR]);
	EXPECT_NE(NULL, attrs[KVMFT_A_PAIR_PEER_INSTANCE]);
	EXPECT_EQ(1, errors_of(&self->answer, KVMFT_REASON_BYE));
}

TEST_F_TIMEOUT(ends, tell_whom_they_refuse, LIMIT)
{
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct world *world = &self->world;

	ASSERT_EQ(0, add_pair(&world->left, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	ASSERT_EQ(0, add_pair(&world->right, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, OTHER_KEY));
	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_ADDED, KVMFT_PAIR_LISTEN,
		     KVMFT_PAIR_CONNECTING, 0);
	EXPECT_EVENT(&self->left_events, KVMFT_PAIR_REFUSED, KVMFT_PAIR_LISTEN,
		     KVMFT_PAIR_CONNECTING, KVMFT_REASON_BAD_KEY);

	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_ADDED, KVMFT_PAIR_CONNECT,
		     KVMFT_PAIR_CONNECTING, 0);
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_CONNECT,
		     KVMFT_PAIR_AUTHENTICATING, 0);
	EXPECT_EVENT(&self->right_events, KVMFT_PAIR_CHANGED, KVMFT_PAIR_CONNECT, KVMFT_PAIR_DOWN,
		     KVMFT_REASON_BAD_KEY);

	ASSERT_EQ(0, get_pair(&world->left, "pair", &self->answer, attrs));
	EXPECT_LE(1, errors_of(&self->answer, KVMFT_REASON_BAD_KEY));
	EXPECT_NE(NULL, attrs[KVMFT_A_PAIR_ERROR]);
	EXPECT_EQ(NULL, attrs[KVMFT_A_PAIR_PEER_HOST]);
}

TEST_F_TIMEOUT(ends, meet_at_link_local_addresses, LIMIT)
{
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct world *world = &self->world;
	unsigned int scope;
	struct nl_msg *msg;

	ASSERT_EQ(0, setns(world->left_net, CLONE_NEWNET));
	msg = begin_add(&world->left, "six", KVMFT_PAIR_LISTEN, LEFT6, A_PORT, KEY);
	nla_put_u32(msg, KVMFT_A_PAIR_SCOPE, if_nametoindex("wire"));
	ASSERT_EQ(0, demand(&world->left, msg, &self->answer));
	ASSERT_EQ(0, setns(world->right_net, CLONE_NEWNET));
	scope = if_nametoindex("wire");
	msg = begin_add(&world->right, "six", KVMFT_PAIR_CONNECT, LEFT6, A_PORT, KEY);
	nla_put_u32(msg, KVMFT_A_PAIR_SCOPE, scope);
	ASSERT_EQ(0, demand(&world->right, msg, &self->answer));

	ASSERT_EQ(0, await_state(&world->right, "six", KVMFT_PAIR_UP));
	ASSERT_EQ(0, get_pair(&world->right, "six", &self->answer, attrs));
	ASSERT_NE(NULL, attrs[KVMFT_A_PAIR_SCOPE]);
	EXPECT_EQ(scope, nla_get_u32(attrs[KVMFT_A_PAIR_SCOPE]));
	EXPECT_EQ(16, nla_len(attrs[KVMFT_A_PAIR_ADDRESS]));
	EXPECT_EQ(16, nla_len(attrs[KVMFT_A_PAIR_PEER_ADDRESS]));
}

TEST_F_TIMEOUT(ends, are_dumped_in_parts, LIMIT)
{
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct client *client = &self->world.right;
	struct answer *answer = &self->answer;
	unsigned int i, n, seen[PAIRS] = { 0 };
	struct client reader;
	struct nl_msg *msg;
	char name[32];

	for (i = 0; i < PAIRS; i++) {
		snprintf(name, sizeof(name), "pair-%u", i);
		ASSERT_EQ(0, add_pair(client, name, KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY));
	}
	/* The kernel makes parts as large as what was ever read at once. */
	ASSERT_EQ(0, open_client_reading(&reader, 4096));
	ASSERT_EQ(0, demand(&reader, begin(&reader, KVMFT_CMD_PAIR_GET, NLM_F_DUMP), answer));
	close_client(&reader);
	EXPECT_LT(1, answer->parts);
	ASSERT_EQ(PAIRS, answer->count);
	for (i = 0; i < PAIRS; i++) {
		EXPECT_TRUE(answer->messages[i]->nlmsg_flags & NLM_F_MULTI);
		ASSERT_EQ(0, genlmsg_parse(answer->messages[i], 0, attrs, KVMFT_A_PAIR_MAX,
					   (struct nla_policy *)pair_policy));
		n = strtoul(nla_get_string(attrs[KVMFT_A_PAIR_NAME]) + strlen("pair-"), NULL, 10);
		ASSERT_GT(PAIRS, n);
		seen[n]++;
	}
	for (i = 0; i < PAIRS; i++)
		EXPECT_EQ(1, seen[i]);

	/* The other namespace has none, and a name has no place in a dump. */
	client = &self->world.left;
	EXPECT_EQ(0, demand(client, begin(client, KVMFT_CMD_PAIR_GET, NLM_F_DUMP), answer));
	EXPECT_EQ(0, answer->count);
	msg = begin(client, KVMFT_CMD_PAIR_GET, NLM_F_DUMP);
	nla_put_string(msg, KVMFT_A_PAIR_NAME, "pair-1");
	EXPECT_EQ(-EINVAL, demand(client, msg, answer));
	EXPECT_TRUE(says(answer, "a dump takes no name"));
	EXPECT_EQ(0, answer->count);
}

/* One attribute of a request to add a pair: other than it should be, or left out. */
struct change {
	int attribute;
	int len;
	const void *data;
};

#define WITH(name, ...) { KVMFT_A_PAIR_##name, sizeof((__VA_ARGS__)), (__VA_ARGS__) }
#define TEXT(name, text) WITH(name, (const char[]){ text })
#define BYTES(name, ...) WITH(name, (const unsigned char[]){ __VA_ARGS__ })
#define U16(name, value) WITH(name, (const uint16_t[]){ value })
#define U32(name, value) WITH(name, (const uint32_t[]){ value })
#define WITHOUT(name) { KVMFT_A_PAIR_##name, -1, NULL }
#define BLAMES(name) .blamed = KVMFT_A_PAIR_##name
#define LACKS(name) .missing = KVMFT_A_PAIR_##name

#define NAME_RULES "a name has letters, digits"
#define RANGE "integer out of range"
#define LENGTH "binary attribute size out of range"
#define SIZE "invalid attribute length"
#define POLICY "Attribute failed policy validation"
#define SHORT "at least three heartbeats"
#define NO_SCOPE "link-local address needs KVMFT_A_PAIR_SCOPE"

static const unsigned char link_local[16] = { 0xfe, 0x80, [15] = 1 };
static const unsigned char long_key[33];

/* @blamed or @missing is the attribute that the kernel names. */
static const struct wrong {
	struct change change[2];
	int error;
	const char *reason;
	int blamed;
	int missing;
} wrong[] = {
	{ { WITHOUT(NAME) }, -EINVAL, "KVMFT_A_PAIR_NAME",
	  LACKS(NAME) },
	{ { WITHOUT(ROLE) }, -EINVAL, "KVMFT_A_PAIR_ROLE",
	  LACKS(ROLE) },
	{ { WITHOUT(ADDRESS) }, -EINVAL, "KVMFT_A_PAIR_ADDRESS",
	  LACKS(ADDRESS) },
	{ { WITHOUT(PORT) }, -EINVAL, "KVMFT_A_PAIR_PORT",
	  LACKS(PORT) },
	{ { WITHOUT(KEY) }, -EINVAL, "KVMFT_A_PAIR_KEY",
	  LACKS(KEY) },
	{ { TEXT(NAME, "a234567890123456789012345678901x") }, -EINVAL, POLICY, BLAMES(NAME) },
	{ { BYTES(NAME, 'a', 'b') }, -EINVAL, POLICY, BLAMES(NAME) },
	{ { TEXT(NAME, "") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { TEXT(NAME, "-a") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { TEXT(NAME, ".") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { TEXT(NAME, "a b") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { TEXT(NAME, "a/b") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { TEXT(NAME, "\xc3\xa4") }, -EINVAL, NAME_RULES, BLAMES(NAME) },
	{ { U32(ROLE, 0) }, -ERANGE, RANGE, BLAMES(ROLE) },
	{ { U32(ROLE, 3) }, -ERANGE, RANGE, BLAMES(ROLE) },
	{ { BYTES(ADDRESS, 10, 9, 0) }, -ERANGE, LENGTH, BLAMES(ADDRESS) },
	{ { BYTES(ADDRESS, 10, 9, 0, 1, 0) }, -EINVAL,
	  "4 bytes (IPv4) or 16 (IPv6)", BLAMES(ADDRESS) },
	{ { { KVMFT_A_PAIR_ADDRESS, 17, long_key } }, -ERANGE, LENGTH, BLAMES(ADDRESS) },
	{ { BYTES(ADDRESS, 224, 0, 0, 1) }, -EINVAL, "no single host",
	  BLAMES(ADDRESS) },
	{ { BYTES(ADDRESS, 255, 255, 255, 255) }, -EINVAL, "no single host",
	  BLAMES(ADDRESS) },
	{ { BYTES(ADDRESS, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), U32(SCOPE, 1) },
	  -EINVAL, "no single IPv6 host", BLAMES(ADDRESS) },
	{ { BYTES(ADDRESS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 9, 0, 1) },
	  -EINVAL, "no single IPv6 host", BLAMES(ADDRESS) },
	{ { WITH(ADDRESS, link_local) }, -EINVAL,
	  NO_SCOPE, BLAMES(ADDRESS) },
	{ { WITH(ADDRESS, link_local), U32(SCOPE, 0) }, -EINVAL,
	  NO_SCOPE, BLAMES(ADDRESS) },
	{ { U32(SCOPE, 1) }, -EINVAL, "an IPv4 address has no scope", BLAMES(SCOPE) },
	{ { U16(PORT, 0) }, -ERANGE, RANGE, BLAMES(PORT) },
	{ { { KVMFT_A_PAIR_KEY, 31, long_key } }, -ERANGE, LENGTH, BLAMES(KEY) },
	{ { { KVMFT_A_PAIR_KEY, 33, long_key } }, -ERANGE, LENGTH, BLAMES(KEY) },
	{ { U32(HEARTBEAT, 9) }, -ERANGE, RANGE, BLAMES(HEARTBEAT) },
	{ { U32(HEARTBEAT, 60001), U32(TIMEOUT, 600000) }, -ERANGE, RANGE, BLAMES(HEARTBEAT) },
	{ { U32(HEARTBEAT, 10), U32(TIMEOUT, 49) }, -ERANGE, RANGE, BLAMES(TIMEOUT) },
	{ { U32(TIMEOUT, 600001) }, -ERANGE, RANGE, BLAMES(TIMEOUT) },
	{ { U32(TIMEOUT, 299) }, -EINVAL, SHORT, BLAMES(TIMEOUT) },
	{ { U32(HEARTBEAT, 334) }, -EINVAL, SHORT, BLAMES(HEARTBEAT) },
	{ { U32(HEARTBEAT, 20), U32(TIMEOUT, 59) }, -EINVAL, SHORT, BLAMES(TIMEOUT) },
	{ { BYTES(PORT, 1) }, -EINVAL, SIZE, BLAMES(PORT) },
	{ { BYTES(ROLE, 1, 0, 0, 0, 0, 0, 0, 0) }, -EINVAL, SIZE, BLAMES(ROLE) },
};

static void apply(struct nl_msg *msg, const struct change *change)
{
	if (change->attribute && change->len >= 0)
		nla_put(msg, change->attribute, change->len, change->data);
}

static bool changed(const struct wrong *wrong, int attribute)
{
	return wrong->change[0].attribute == attribute || wrong->change[1].attribute == attribute;
}

/* A request to add a pair "pair" that listens at LEFT4, with changes. */
static struct nl_msg *begin_wrong(const struct client *client, const struct wrong *wrong)
{
	struct nl_msg *good = begin_add(client, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY);
	struct nl_msg *msg = begin(client, KVMFT_CMD_PAIR_ADD, 0);
	struct nlattr *attr;
	int left;

	nlmsg_for_each_attr(attr, nlmsg_hdr(good), GENL_HDRLEN, left) {
		if (!changed(wrong, nla_type(attr)))
			nla_put(msg, nla_type(attr), nla_len(attr), nla_data(attr));
	}
	apply(msg, &wrong->change[0]);
	apply(msg, &wrong->change[1]);
	nlmsg_free(good);
	return msg;
}

TEST_F_TIMEOUT(ends, refuse_what_is_wrong_and_say_what, LIMIT)
{
	struct client *client = &self->world.left;
	struct answer *answer = &self->answer;
	struct nl_msg *msg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		msg = begin_wrong(client, &wrong[i]);
		ASSERT_EQ(0, ask(client, msg, answer));
		EXPECT_EQ(wrong[i].error, answer->error)
			TH_LOG("case %zu: %s", i, wrong[i].reason);
		EXPECT_TRUE(says(answer, wrong[i].reason));
		EXPECT_EQ(offset_of(msg, wrong[i].blamed), answer->blamed)
			TH_LOG("case %zu: %s", i, wrong[i].reason);
		EXPECT_EQ(wrong[i].missing, answer->missing);
		EXPECT_EQ(0, answer->count);
		nlmsg_free(msg);
	}

	/* Without any change it is right, so each of them was what was wrong. */
	msg = begin_wrong(client, &(struct wrong){ 0 });
	EXPECT_EQ(0, demand(client, msg, answer));
}

TEST_F_TIMEOUT(ends, take_no_attribute_that_is_not_for_them, LIMIT)
{
	static const int named[] = { KVMFT_CMD_PAIR_DEL, KVMFT_CMD_PAIR_GET };
	struct client *client = &self->world.left;
	struct answer *answer = &self->answer;
	struct nl_msg *msg;
	size_t i;
	int n;

	for (n = KVMFT_A_PAIR_STATE; n <= KVMFT_A_PAIR_MAX; n++) {
		msg = begin_add(client, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY);
		nla_put_u64(msg, n, 0);
		ASSERT_EQ(0, ask(client, msg, answer));
		EXPECT_EQ(-EINVAL, answer->error);
		EXPECT_TRUE(says(answer, "for answers only"));
		EXPECT_EQ(offset_of(msg, n), answer->blamed);
		nlmsg_free(msg);
	}
	for (i = 0; i < ARRAY_SIZE(named); i++) {
		for (n = KVMFT_A_PAIR_ROLE; n <= KVMFT_A_PAIR_MAX + 1; n++) {
			msg = begin_named(client, named[i], "pair");
			nla_put_u64(msg, n, 0);
			ASSERT_EQ(0, ask(client, msg, answer));
			EXPECT_EQ(-EINVAL, answer->error);
			EXPECT_TRUE(says(answer, n > KVMFT_A_PAIR_MAX ? "Unknown attribute type" :
				     "a name and nothing else"));
			EXPECT_EQ(offset_of(msg, n), answer->blamed);
			nlmsg_free(msg);
		}
		EXPECT_EQ(-EINVAL, demand(client, begin(client, named[i], 0), answer));
		EXPECT_TRUE(says(answer, "KVMFT_A_PAIR_NAME"));
		EXPECT_EQ(KVMFT_A_PAIR_NAME, answer->missing);
		EXPECT_EQ(-EINVAL, demand(client, begin_named(client, named[i], "a/b"), answer));
		EXPECT_TRUE(says(answer, NAME_RULES));
	}

	/* What can't be asked so. */
	EXPECT_EQ(-EOPNOTSUPP, demand(client, begin(client, KVMFT_CMD_PAIR_EVENT, 0), answer));
	EXPECT_EQ(-EOPNOTSUPP, demand(client, begin(client, KVMFT_CMD_PAIR_ADD, NLM_F_DUMP),
				      answer));
	EXPECT_EQ(-EOPNOTSUPP, demand(client, begin(client, KVMFT_CMD_SELFTEST_READ, 0), answer));
	EXPECT_EQ(-EOPNOTSUPP, demand(client, begin(client, KVMFT_CMD_VERSION_GET, 0), answer));
	EXPECT_EQ(0, demand(client, begin(client, KVMFT_CMD_VERSION_GET, NLM_F_DUMP), answer));
	EXPECT_EQ(1, answer->count);
}

TEST_F_TIMEOUT(ends, take_values_up_to_the_limits, LIMIT)
{
	const struct wrong right[] = {
		{ .change = { TEXT(NAME, "a23456789012345678901234567890x") } },
		{ .change = { TEXT(NAME, "0") } },
		{ .change = { TEXT(NAME, "A.b_c-9") } },
		{ .change = { U16(PORT, 65535) } },
		{ .change = { U16(PORT, 1) } },
		{ .change = { U32(HEARTBEAT, 10), U32(TIMEOUT, 50) } },
		{ .change = { U32(HEARTBEAT, 60000), U32(TIMEOUT, 180000) } },
		{ .change = { U32(HEARTBEAT, 60000), U32(TIMEOUT, 600000) } },
		{ .change = { U32(HEARTBEAT, 333) } },
		{ .change = { U32(TIMEOUT, 300) } },
	};
	struct client *client = &self->world.left;
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	const struct change *change;
	const char *name;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(right); i++) {
		ASSERT_EQ(0, demand(client, begin_wrong(client, &right[i]), &self->answer))
			TH_LOG("case %zu: %s", i, self->answer.reason);
		change = right[i].change;
		name = change->attribute == KVMFT_A_PAIR_NAME ? change->data : "pair";
		ASSERT_EQ(0, get_pair(client, name, &self->answer, attrs));
		for (n = 0; n < 2 && change[n].attribute; n++) {
			EXPECT_EQ(change[n].len, nla_len(attrs[change[n].attribute]));
			EXPECT_EQ(0, memcmp(change[n].data, nla_data(attrs[change[n].attribute]),
					    change[n].len));
		}
		ASSERT_EQ(0, del_pair(client, name));
	}
}

#define EXPECT_REFUSAL(client, request, errno_, words, attribute) do { \
	struct nl_msg *msg_ = request; \
	\
	ASSERT_EQ(0, ask(client, msg_, &self->answer)); \
	EXPECT_EQ(-(errno_), self->answer.error); \
	EXPECT_TRUE(says(&self->answer, words)); \
	EXPECT_EQ(offset_of(msg_, attribute), self->answer.blamed); \
	nlmsg_free(msg_); \
} while (0)

TEST_F_TIMEOUT(ends, refuse_what_cannot_be, LIMIT)
{
	static const char nothing[] = "there is no pair of this name";
	struct client *left = &self->world.left, *right = &self->world.right;

	ASSERT_EQ(0, add_pair(left, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	EXPECT_REFUSAL(left, begin_add(left, "pair", KVMFT_PAIR_CONNECT, RIGHT4, A_PORT, KEY),
		       EEXIST, "there is a pair of this name", KVMFT_A_PAIR_NAME);
	EXPECT_REFUSAL(left, begin_add(left, "other", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY),
		       EADDRINUSE,
		       "something listens there",
		       KVMFT_A_PAIR_PORT);
	EXPECT_REFUSAL(left, begin_add(left, "other", KVMFT_PAIR_LISTEN, RIGHT4, A_PORT, KEY),
		       EADDRNOTAVAIL, "this host doesn't have the address",
		       KVMFT_A_PAIR_ADDRESS);
	EXPECT_REFUSAL(left, begin_named(left, KVMFT_CMD_PAIR_GET, "other"), ENOENT, nothing,
		       KVMFT_A_PAIR_NAME);
	EXPECT_REFUSAL(left, begin_named(left, KVMFT_CMD_PAIR_DEL, "other"), ENOENT, nothing,
		       KVMFT_A_PAIR_NAME);

	/* Names are those of a namespace. */
	EXPECT_REFUSAL(right, begin_named(right, KVMFT_CMD_PAIR_GET, "pair"), ENOENT, nothing,
		       KVMFT_A_PAIR_NAME);
	EXPECT_REFUSAL(right, begin_named(right, KVMFT_CMD_PAIR_DEL, "pair"), ENOENT, nothing,
		       KVMFT_A_PAIR_NAME);
	EXPECT_EQ(0, add_pair(right, "pair", KVMFT_PAIR_LISTEN, RIGHT4, A_PORT, KEY));

	/* And all is free again when it is deleted. */
	EXPECT_EQ(0, del_pair(left, "pair"));
	EXPECT_EQ(-ENOENT, del_pair(left, "pair"));
	EXPECT_EQ(0, add_pair(left, "other", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
}

/* A socket that doesn't want it shorter gets its request back with a refusal. */
TEST_F_TIMEOUT(ends, keep_the_key_out_of_a_request_that_comes_back, LIMIT)
{
	struct client *client = &self->world.left;

	ASSERT_EQ(0, set_option(client, NETLINK_CAP_ACK, 0));
	ASSERT_EQ(0, add_pair(client, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	EXPECT_REFUSAL(client, begin_add(client, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY),
		       EEXIST, "there is a pair of this name", KVMFT_A_PAIR_NAME);
	EXPECT_REFUSAL(client, begin_add(client, "a/b", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY),
		       EINVAL, NAME_RULES, KVMFT_A_PAIR_NAME);
	EXPECT_FALSE(key_was_seen);

	/* It would be seen: what the policy refuses never reaches the module to be wiped. */
	EXPECT_REFUSAL(client, begin_add(client, "pair", KVMFT_PAIR_CONNECT, LEFT4, 0, KEY),
		       ERANGE, RANGE, KVMFT_A_PAIR_PORT);
	EXPECT_TRUE(key_was_seen);
	key_was_seen = false;
}

static struct nl_msg *begin_selftest(const struct client *client, int command)
{
	struct nl_msg *msg = begin(client, command,
				   command == KVMFT_CMD_SELFTEST_READ ? NLM_F_DUMP : 0);

	nla_put_string(msg, KVMFT_A_SELFTEST_PAIR, "pair");
	nla_put_string(msg, KVMFT_A_SELFTEST_VM, "vm");
	if (command == KVMFT_CMD_SELFTEST_ATTACH)
		nla_put_u32(msg, KVMFT_A_SELFTEST_ROLE, KVMFT_SELFTEST_SINK);
	return msg;
}

static bool is_refused(struct client *client, struct nl_msg *request, int error,
		       const char *words)
{
	bool dump = nlmsg_hdr(request)->nlmsg_flags & NLM_F_DUMP;
	struct answer answer = { 0 };

	/* Linux 6.1 has no place for the words of a dump that can't begin. */
	return demand(client, request, &answer) == error && !answer.count &&
	       (strstr(answer.reason, words) || (dump && !*answer.reason));
}

TEST_F_TIMEOUT(ends, have_no_selftest_unless_asked_for, LIMIT)
{
	static const char off[] = "load the module with selftest=1";
	struct client *client = &self->world.left;
	int command;

	ASSERT_EQ(0, add_pair(client, "pair", KVMFT_PAIR_LISTEN, LEFT4, A_PORT, KEY));
	for (command = KVMFT_CMD_SELFTEST_ATTACH; command <= KVMFT_CMD_SELFTEST_READ; command++)
		EXPECT_TRUE(is_refused(client, begin_selftest(client, command), -EOPNOTSUPP, off));
}

/* In a child that may do nothing: 0, or what went wrong. */
static int live_without_privilege(bool has_pair)
{
	static const char refusal[] = "CAP_NET_ADMIN in the initial user namespace";
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	struct answer answer = { 0 };
	struct client client;
	int command, get;

	if (open_listener(&client))
		return 1;
	close_client(&client);
	if (open_client(&client))
		return 2;
	if (!is_refused(&client, begin_add(&client, "x", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY),
			-EPERM, refusal))
		return 3;
	if (!is_refused(&client, begin_named(&client, KVMFT_CMD_PAIR_DEL, "pair"), -EPERM, refusal))
		return 4;
	for (command = KVMFT_CMD_SELFTEST_ATTACH; command <= KVMFT_CMD_SELFTEST_READ; command++) {
		if (!is_refused(&client, begin_selftest(&client, command), -EPERM, refusal))
			return 5;
	}

	if (demand(&client, begin(&client, KVMFT_CMD_VERSION_GET, NLM_F_DUMP), &answer) ||
	    answer.count != 1)
		return 6;
	if (demand(&client, begin(&client, KVMFT_CMD_PAIR_GET, NLM_F_DUMP), &answer) ||
	    answer.count != has_pair)
		return 7;
	get = get_pair(&client, "pair", &answer, attrs);
	if (get != (has_pair ? 0 : -ENOENT))
		return 8;
	return key_was_seen ? 9 : 0;
}

static int as_nobody(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY) || !geteuid())
		return 99;
	return live_without_privilege(true);
}

/* There it has all capabilities. */
static int in_own_namespaces(void)
{
	struct stat before, after;

	if (stat("/proc/self/ns/net", &before) || unshare(CLONE_NEWUSER | CLONE_NEWNET) ||
	    stat("/proc/self/ns/net", &after) || before.st_ino == after.st_ino)
		return 98;
	return live_without_privilege(false);
}

/* A user namespace of its own, in a network namespace that isn't its own. */
static int in_own_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) ? 97 : live_without_privilege(true);
}

TEST_F_TIMEOUT(ends, let_anybody_look_and_few_change, LIMIT)
{
	ASSERT_EQ(0, add_pair(&self->world.right, "pair", KVMFT_PAIR_CONNECT, LEFT4, A_PORT, KEY));
	EXPECT_EQ(0, in_child(as_nobody));
	EXPECT_EQ(0, in_child(in_own_namespaces));
	EXPECT_EQ(0, in_child(in_own_user_namespace));
	EXPECT_EQ(0, del_pair(&self->world.right, "pair"));
}

TEST_HARNESS_MAIN
