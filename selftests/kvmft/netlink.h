/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A client of the module's netlink family on libnl-genl, and two network
 * namespaces with a cable between them, for the tests netlink*.c.
 *
 * All that is ever received is searched for the keys; see key_was_seen.
 */
#ifndef _KVMFT_SELFTESTS_NETLINK_H
#define _KVMFT_SELFTESTS_NETLINK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvmft.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MESSAGES_MAX 512
#define A_PORT 7000

#define LEFT4 "10.9.0.1"
#define RIGHT4 "10.9.0.2"
#define LEFT6 "fe80::1"
#define RIGHT6 "fe80::2"

static const unsigned char KEY[KVMFT_KEY_LEN] = "sEcReT_kEy_0123456789aBcDeFgHiJ";
static const unsigned char OTHER_KEY[KVMFT_KEY_LEN] = "aNoThEr_OnE_qwertzuiopasdfghjkl";

/* A piece of a key was in something that the kernel sent. */
static bool key_was_seen;
/* How often something was received. */
static unsigned int parts_received;

/**
 * struct client - a socket to the family
 * @sock: The socket.
 * @family: The family's number.
 */
struct client {
	struct nl_sock *sock;
	int family;
};

/**
 * struct answer - what came back for one request
 * @ended: It came to its end.
 * @error: 0 or a negative errno, from the message that ended it.
 * @reason: The kernel's words for that, "" if none.
 * @blamed: Where in the request it sees the mistake, 0 if it doesn't say.
 * @missing: The attribute that it misses, 0 if it doesn't say.
 * @parts: In how many parts the messages came.
 * @count: How many messages of the family there are.
 * @messages: Copies of them.
 */
struct answer {
	bool ended;
	int error;
	char reason[160];
	unsigned int blamed;
	unsigned int missing;
	unsigned int parts;
	unsigned int count;
	struct nlmsghdr *messages[MESSAGES_MAX];
};

/**
 * struct world - two hosts, as far as the network goes
 * @left: A client in the network namespace that has LEFT4 and LEFT6.
 * @right: One in the other, where the process stays.
 * @left_net: The former's namespace.
 * @right_net: The latter's.
 */
struct world {
	struct client left;
	struct client right;
	int left_net;
	int right_net;
};

static const struct nla_policy pair_policy[KVMFT_A_PAIR_MAX + 1] = {
	[KVMFT_A_PAIR_NAME] = { .type = NLA_STRING, .maxlen = KVMFT_PAIR_NAME_MAX + 1 },
	[KVMFT_A_PAIR_ROLE] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_ADDRESS] = { .minlen = 4, .maxlen = 16 },
	[KVMFT_A_PAIR_PORT] = { .type = NLA_U16 },
	[KVMFT_A_PAIR_SCOPE] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_HEARTBEAT] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_TIMEOUT] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_STATE] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_REASON] = { .type = NLA_U32 },
	[KVMFT_A_PAIR_STATE_AGE] = { .type = NLA_U64 },
	[KVMFT_A_PAIR_STATE_TIME] = { .type = NLA_U64 },
	[KVMFT_A_PAIR_ERROR] = { .type = NLA_STRING },
	[KVMFT_A_PAIR_PEER_HOST] = { .type = NLA_STRING },
	[KVMFT_A_PAIR_PEER_INSTANCE] = { .minlen = KVMFT_INSTANCE_LEN,
					 .maxlen = KVMFT_INSTANCE_LEN },
	[KVMFT_A_PAIR_PEER_ADDRESS] = { .minlen = 4, .maxlen = 16 },
	[KVMFT_A_PAIR_PEER_PORT] = { .type = NLA_U16 },
	[KVMFT_A_PAIR_RTT_LAST ... KVMFT_A_PAIR_LINKS] = { .type = NLA_U64 },
	[KVMFT_A_PAIR_ERRORS] = { .type = NLA_NESTED },
	[KVMFT_A_PAIR_EVENT] = { .type = NLA_U32 },
};

/* So many seconds, in ms, on the slowest machine that there may be. */
static inline int patience_ms(int seconds)
{
	const char *scale = getenv("KVMFT_TIME_SCALE");

	return seconds * 1000 * (scale ? atof(scale) : 1);
}

static inline long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static inline void look_for_key(const void *data, size_t len)
{
	size_t i;

	/* Not even a piece of one may be there. */
	for (i = 0; i + 8 <= KVMFT_KEY_LEN; i += 8) {
		if (memmem(data, len, KEY + i, 8) || memmem(data, len, OTHER_KEY + i, 8))
			key_was_seen = true;
	}
}

static inline int receive(struct nl_sock *sock, struct sockaddr_nl *from, unsigned char **data,
			  struct ucred **creds)
{
	int got = nl_recv(sock, from, data, creds);

	if (got > 0) {
		look_for_key(*data, got);
		parts_received++;
	}
	return got;
}

static inline int set_option(struct client *client, int option, int value)
{
	return setsockopt(nl_socket_get_fd(client->sock), SOL_NETLINK, option, &value,
			  sizeof(value));
}

/* Reads so many bytes at once, or with 0 what there is. */
static inline int open_client_reading(struct client *client, size_t size)
{
	struct timeval patience = { .tv_sec = patience_ms(30) / 1000 };

	client->sock = nl_socket_alloc();
	if (!client->sock || nl_socket_set_msg_buf_size(client->sock, size) ||
	    genl_connect(client->sock))
		return -1;
	if (size)
		nl_socket_disable_msg_peek(client->sock);
	else
		nl_socket_enable_msg_peek(client->sock);
	client->family = genl_ctrl_resolve(client->sock, KVMFT_FAMILY_NAME);
	if (client->family < 0 || nl_socket_set_buffer_size(client->sock, 1 << 20, 0) ||
	    set_option(client, NETLINK_EXT_ACK, 1) || set_option(client, NETLINK_CAP_ACK, 1))
		return -1;
	return setsockopt(nl_socket_get_fd(client->sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
			  sizeof(patience));
}

static inline int open_client(struct client *client)
{
	return open_client_reading(client, 0);
}

static inline void close_client(struct client *client)
{
	nl_socket_free(client->sock);
	client->sock = NULL;
}

static inline struct nl_msg *begin(const struct client *client, int command, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, client->family, 0, flags, command,
				 KVMFT_FAMILY_VERSION))
		abort();
	return msg;
}

/* Where in the request an attribute is; 0 if it isn't. */
static inline unsigned int offset_of(struct nl_msg *request, int attribute)
{
	struct nlattr *attr = nlmsg_find_attr(nlmsg_hdr(request), GENL_HDRLEN, attribute);

	return attr ? (char *)attr - (char *)nlmsg_hdr(request) : 0;
}

static inline void take_words(struct answer *answer, struct nlmsghdr *message, int skip)
{
	struct nlattr *attr;
	int left;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	nlmsg_for_each_attr(attr, message, skip, left) {
		switch (nla_type(attr)) {
		case NLMSGERR_ATTR_MSG:
			snprintf(answer->reason, sizeof(answer->reason), "%s",
				 nla_get_string(attr));
			break;
		case NLMSGERR_ATTR_OFFS:
			answer->blamed = nla_get_u32(attr);
			break;
		case NLMSGERR_ATTR_MISS_TYPE:
			answer->missing = nla_get_u32(attr);
			break;
		}
	}
}

static inline int on_message(struct nl_msg *msg, void *context)
{
	const struct nlmsghdr *header = nlmsg_hdr(msg);
	struct answer *answer = context;
	struct nlmsghdr *copy;

	if (answer->count == MESSAGES_MAX)
		return NL_STOP;
	copy = malloc(header->nlmsg_len);
	if (!copy)
		abort();
	memcpy(copy, header, header->nlmsg_len);
	answer->messages[answer->count++] = copy;
	answer->parts = parts_received;
	return NL_OK;
}

static inline int on_error(struct sockaddr_nl *from, struct nlmsgerr *error, void *context)
{
	struct nlmsghdr *message = (struct nlmsghdr *)((char *)error - NLMSG_HDRLEN);
	struct answer *answer = context;
	int skip = sizeof(*error);

	(void)from;
	/* Without NETLINK_CAP_ACK the whole request is repeated. */
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		skip += error->msg.nlmsg_len - sizeof(error->msg);
	answer->ended = true;
	answer->error = error->error;
	take_words(answer, message, skip);
	return NL_STOP;
}

static inline int on_ack(struct nl_msg *msg, void *context)
{
	struct answer *answer = context;

	(void)msg;
	answer->ended = true;
	return NL_STOP;
}

static inline int on_finish(struct nl_msg *msg, void *context)
{
	struct answer *answer = context;

	memcpy(&answer->error, nlmsg_data(nlmsg_hdr(msg)), sizeof(answer->error));
	take_words(answer, nlmsg_hdr(msg), sizeof(answer->error));
	answer->ended = true;
	return NL_STOP;
}

static inline void forget(struct answer *answer)
{
	while (answer->count)
		free(answer->messages[--answer->count]);
	memset(answer, 0, sizeof(*answer));
}

/* Sends a request, which stays the caller's: 0 when its answer came to an end. */
static inline int ask(struct client *client, struct nl_msg *request, struct answer *answer)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	forget(answer);
	nl_cb_overwrite_recv(cb, receive);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_message, answer);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, answer);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, answer);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, answer);

	parts_received = 0;
	err = nl_send_auto(client->sock, request);
	while (err >= 0 && !answer->ended)
		err = nl_recvmsgs(client->sock, cb);
	nl_cb_put(cb);
	return answer->ended ? 0 : -1;
}

/* The same for a request that isn't needed any more; its errno, 1 without an end. */
static inline int demand(struct client *client, struct nl_msg *request, struct answer *answer)
{
	int err = ask(client, request, answer);

	nlmsg_free(request);
	return err ? 1 : answer->error;
}

/* Addresses have 4 or 16 bytes. */
static inline void put_address(struct nl_msg *msg, const char *address)
{
	bool six = strchr(address, ':');
	unsigned char bytes[16];

	if (inet_pton(six ? AF_INET6 : AF_INET, address, bytes) != 1)
		abort();
	nla_put(msg, KVMFT_A_PAIR_ADDRESS, six ? 16 : 4, bytes);
}

/* A request to add a pair that only lacks what isn't required. */
static inline struct nl_msg *begin_add(const struct client *client, const char *name, int role,
				       const char *address, int port, const void *key)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_PAIR_ADD, 0);

	nla_put_string(msg, KVMFT_A_PAIR_NAME, name);
	nla_put_u32(msg, KVMFT_A_PAIR_ROLE, role);
	put_address(msg, address);
	nla_put_u16(msg, KVMFT_A_PAIR_PORT, port);
	nla_put(msg, KVMFT_A_PAIR_KEY, KVMFT_KEY_LEN, key);
	return msg;
}

/* Adds one that a slow machine doesn't lose; 0, or what demand() says. */
static inline int add_pair(struct client *client, const char *name, int role, const char *address,
			   int port, const void *key)
{
	struct nl_msg *msg = begin_add(client, name, role, address, port, key);
	struct answer answer = { 0 };

	nla_put_u32(msg, KVMFT_A_PAIR_HEARTBEAT, 200);
	nla_put_u32(msg, KVMFT_A_PAIR_TIMEOUT, patience_ms(20));
	return demand(client, msg, &answer);
}

static inline struct nl_msg *begin_named(const struct client *client, int command,
					 const char *name)
{
	struct nl_msg *msg = begin(client, command, 0);

	nla_put_string(msg, KVMFT_A_PAIR_NAME, name);
	return msg;
}

static inline int del_pair(struct client *client, const char *name)
{
	struct answer answer = { 0 };

	return demand(client, begin_named(client, KVMFT_CMD_PAIR_DEL, name), &answer);
}

/* The attributes of the one message with which this is answered. */
static inline int get_pair(struct client *client, const char *name, struct answer *answer,
			   struct nlattr **attrs)
{
	int err = demand(client, begin_named(client, KVMFT_CMD_PAIR_GET, name), answer);

	if (err || answer->count != 1)
		return err ?: 1;
	return genlmsg_parse(answer->messages[0], 0, attrs, KVMFT_A_PAIR_MAX,
			     (struct nla_policy *)pair_policy);
}

/* Waits until the pair's state is this one: 0 when it is. */
static inline int await_state(struct client *client, const char *name, unsigned int state)
{
	struct nlattr *attrs[KVMFT_A_PAIR_MAX + 1];
	long long end = now_ms() + patience_ms(30);
	struct answer answer = { 0 };
	bool reached;

	do {
		if (get_pair(client, name, &answer, attrs))
			return -1;
		reached = nla_get_u32(attrs[KVMFT_A_PAIR_STATE]) == state;
		forget(&answer);
		if (!reached)
			usleep(20000);
	} while (!reached && now_ms() < end);
	return reached ? 0 : -1;
}

static inline int shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	return system(command);
}

static inline int new_net(void)
{
	return unshare(CLONE_NEWNET) ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* They and all that is in them are gone when the process is. */
static inline int build_world(struct world *world)
{
	static const char setup[] =
		"printf 'link set lo up\\nlink set wire up\\n"
		"addr add %s/24 dev wire\\naddr add %s/64 dev wire nodad\\n' | ip -batch -";

	world->left_net = new_net();
	if (world->left_net < 0 || open_client(&world->left))
		return -1;
	world->right_net = new_net();
	if (world->right_net < 0 || open_client(&world->right) ||
	    shell("ip link add wire type veth peer name wire netns /proc/%d/fd/%d", getpid(),
		  world->left_net) ||
	    setns(world->left_net, CLONE_NEWNET) || shell(setup, LEFT4, LEFT6) ||
	    setns(world->right_net, CLONE_NEWNET) || shell(setup, RIGHT4, RIGHT6))
		return -1;
	return 0;
}

static inline void leave_world(struct world *world)
{
	close_client(&world->left);
	close_client(&world->right);
	close(world->left_net);
	close(world->right_net);
}

/* Only a part of the kernel's words is compared, so that they can be put better. */
static inline bool says(const struct answer *answer, const char *words)
{
	bool there = strstr(answer->reason, words);

	if (!there)
		fprintf(stderr, "# '%s' isn't in '%s'\n", words, answer->reason);
	return there;
}

#endif /* _KVMFT_SELFTESTS_NETLINK_H */
