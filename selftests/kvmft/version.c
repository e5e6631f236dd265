// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host
 *
 * The netlink family is what uapi.rst says: it tells anybody its version, and
 * what it doesn't understand it refuses, with a reason.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/kvmft.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "kselftest_harness.h"

#define NOBODY 65534
#define READERS 4
#define DUMPS_EACH 50

/**
 * struct answer - what came back for one request
 * @messages: How many messages of the family, or the controller.
 * @done: It ended with NLMSG_DONE, not with NLMSG_ERROR.
 * @error: 0 or a negative errno, from the message that ended it.
 * @reason: The kernel's words for that, "" if none.
 * @offset: Where in the request it sees the mistake, 0 if it doesn't say.
 * @first: The first of the messages.
 */
struct answer {
	int messages;
	bool done;
	int error;
	char reason[128];
	unsigned int offset;
	union {
		struct nlmsghdr header;
		char bytes[4096];
	} first;
};

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct timeval patience = { .tv_sec = 10 };
	int on = 1;

	if (!socket)
		return NULL;
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) ||
	    mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof(on)) ||
	    mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof(on)) ||
	    setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience))) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

static struct nlmsghdr *begin(void *buffer, unsigned int type, unsigned int command,
			      unsigned int flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = 4711;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->cmd = command;
	header->version = KVMFT_FAMILY_VERSION;
	return request;
}

static void take_end(const struct nlmsghdr *message, struct answer *answer)
{
	const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;
	size_t skip;

	answer->done = message->nlmsg_type == NLMSG_DONE;
	memcpy(&answer->error, error, sizeof(answer->error));
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return;

	/* The request isn't repeated in between: NETLINK_CAP_ACK. */
	skip = answer->done ? sizeof(answer->error) : sizeof(*error);
	mnl_attr_for_each(attr, message, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(answer->reason, sizeof(answer->reason), "%s",
				 mnl_attr_get_str(attr));
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS)
			answer->offset = mnl_attr_get_u32(attr);
	}
}

/* Returns 0 when an answer came to its end and nothing came behind it. */
static int ask(struct mnl_socket *socket, const struct nlmsghdr *request, struct answer *answer)
{
	const struct nlmsghdr *message;
	bool ended = false;
	char buffer[8192];
	ssize_t got;
	int left;

	memset(answer, 0, sizeof(*answer));
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -1;

	while (!ended) {
		got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (got <= 0)
			return -1;
		message = (const void *)buffer;
		for (left = got; !ended && mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_seq != request->nlmsg_seq ||
			    message->nlmsg_pid != mnl_socket_get_portid(socket))
				return -1;
			ended = message->nlmsg_type == NLMSG_ERROR ||
				message->nlmsg_type == NLMSG_DONE;
			if (ended)
				take_end(message, answer);
			else if (!answer->messages++)
				memcpy(&answer->first, message, message->nlmsg_len);
		}
		if (left)
			return -1;
	}

	got = recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), MSG_DONTWAIT);
	return got == -1 && errno == EAGAIN ? 0 : -1;
}

/* Returns the number of the family, negative if there is none. */
static int find_family(struct mnl_socket *socket, struct answer *answer)
{
	char buffer[256] = { 0 };
	struct nlmsghdr *request = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK);
	const struct nlattr *attr;

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, KVMFT_FAMILY_NAME);
	if (ask(socket, request, answer) || answer->error || answer->messages != 1)
		return -1;
	mnl_attr_for_each(attr, &answer->first.header, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			return mnl_attr_get_u16(attr);
	}
	return -1;
}

static int dump_version(struct mnl_socket *socket, int family, struct answer *answer)
{
	char buffer[256] = { 0 };

	return ask(socket, begin(buffer, family, KVMFT_CMD_VERSION_GET, NLM_F_DUMP), answer);
}

/* The attributes by number; NULL for all when one is there twice, or unknown. */
static void get_attributes(const struct answer *answer, const struct nlattr **attrs)
{
	const struct nlattr *attr;
	unsigned int type;

	memset(attrs, 0, (KVMFT_A_VERSION_MAX + 1) * sizeof(*attrs));
	mnl_attr_for_each(attr, &answer->first.header, GENL_HDRLEN) {
		type = mnl_attr_get_type(attr);
		if (!type || type > KVMFT_A_VERSION_MAX || attrs[type]) {
			memset(attrs, 0, (KVMFT_A_VERSION_MAX + 1) * sizeof(*attrs));
			return;
		}
		attrs[type] = attr;
	}
}

/* A whole conversation, from nothing: 0 when all of it went well. */
static int read_version(void)
{
	struct mnl_socket *socket = open_socket();
	const struct nlattr *attrs[KVMFT_A_VERSION_MAX + 1];
	struct answer answer;
	int family, err;

	if (!socket)
		return 1;
	family = find_family(socket, &answer);
	err = family < 0 || dump_version(socket, family, &answer) || !answer.done ||
	      answer.error || answer.messages != 1;
	if (!err) {
		get_attributes(&answer, attrs);
		err = !attrs[KVMFT_A_VERSION_MODULE] || !attrs[KVMFT_A_VERSION_PROTOCOL];
	}
	mnl_socket_close(socket);
	return err ? 2 : 0;
}

/* Without a newline at its end; "" if there is no such file. */
static const char *read_file(const char *path)
{
	static char text[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/*
 * Begins a dump on a socket that is full of answers that nobody read: the kernel
 * puts it off until somebody does.
 */
static void put_dump_off(struct mnl_socket *socket, int family)
{
	char buffer[256] = { 0 };
	struct nlmsghdr *request;
	int least = 1, i;

	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
	for (i = 0; i < 16; i++) {
		request = begin(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
		mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, KVMFT_FAMILY_NAME);
		mnl_socket_sendto(socket, request, request->nlmsg_len);
	}
	request = begin(buffer, family, KVMFT_CMD_VERSION_GET, NLM_F_DUMP);
	mnl_socket_sendto(socket, request, request->nlmsg_len);
}

/* Reads up to the end of a dump: 0 when it came, and nothing was wrong with it. */
static int read_to_the_end(struct mnl_socket *socket)
{
	const struct nlmsghdr *message;
	char buffer[8192];
	ssize_t got;
	int left;

	for (;;) {
		got = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		/* ENOBUFS once: there was more than there was room for. */
		if (got < 0 && errno != ENOBUFS)
			return -1;
		message = (const void *)buffer;
		for (left = got; mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return *(const int *)mnl_nlmsg_get_payload(message);
		}
	}
}

/* The module's users, when they are so many, or 5 seconds later. */
static const char *await_users(const char *wanted)
{
	const char *users;
	int i;

	for (i = 0; i < 50; i++) {
		users = read_file("/sys/module/kvmft/refcnt");
		if (!strcmp(users, wanted))
			break;
		usleep(100000);
	}
	return users;
}

static int become_nobody(void)
{
	return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	       setresuid(NOBODY, NOBODY, NOBODY) || !geteuid();
}

static int read_as_nobody(void)
{
	return become_nobody() ? 99 : read_version();
}

static int read_in_own_namespaces(void)
{
	struct stat before, after;

	if (become_nobody() || stat("/proc/self/ns/net", &before))
		return 99;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return 98;
	if (stat("/proc/self/ns/net", &after) || before.st_ino == after.st_ino)
		return 97;
	return read_version();
}

FIXTURE(family)
{
	struct mnl_socket *socket;
	struct answer controller;
	int number;
};

FIXTURE_SETUP(family)
{
	self->socket = open_socket();
	ASSERT_NE(NULL, self->socket);
	self->number = find_family(self->socket, &self->controller);
	ASSERT_LE(NLMSG_MIN_TYPE, self->number);
}

FIXTURE_TEARDOWN(family)
{
	if (self->socket)
		mnl_socket_close(self->socket);
}

TEST_F(family, has_the_version_of_the_header)
{
	const struct nlattr *attr;
	unsigned int version = 0;

	mnl_attr_for_each(attr, &self->controller.first.header, GENL_HDRLEN) {
		if (mnl_attr_get_type(attr) == CTRL_ATTR_VERSION)
			version = mnl_attr_get_u32(attr);
	}
	EXPECT_EQ(KVMFT_FAMILY_VERSION, version);
}

TEST_F(family, dumps_the_version_in_one_message)
{
	const struct nlattr *attrs[KVMFT_A_VERSION_MAX + 1];
	const struct genlmsghdr *header;
	struct answer answer;
	const char *module;

	ASSERT_EQ(0, dump_version(self->socket, self->number, &answer));
	EXPECT_TRUE(answer.done);
	EXPECT_EQ(0, answer.error);
	ASSERT_EQ(1, answer.messages);

	EXPECT_EQ(self->number, answer.first.header.nlmsg_type);
	EXPECT_TRUE(answer.first.header.nlmsg_flags & NLM_F_MULTI);
	header = mnl_nlmsg_get_payload(&answer.first.header);
	EXPECT_EQ(KVMFT_CMD_VERSION_GET, header->cmd);
	EXPECT_EQ(KVMFT_FAMILY_VERSION, header->version);

	get_attributes(&answer, attrs);
	ASSERT_NE(NULL, attrs[KVMFT_A_VERSION_MODULE]);
	ASSERT_NE(NULL, attrs[KVMFT_A_VERSION_PROTOCOL]);

	ASSERT_EQ(0, mnl_attr_validate(attrs[KVMFT_A_VERSION_MODULE], MNL_TYPE_NUL_STRING));
	module = mnl_attr_get_str(attrs[KVMFT_A_VERSION_MODULE]);
	EXPECT_EQ(strlen(module) + 1, mnl_attr_get_payload_len(attrs[KVMFT_A_VERSION_MODULE]));
	EXPECT_STREQ(read_file("/sys/module/kvmft/version"), module);
	EXPECT_STRNE("", module);

	ASSERT_EQ(0, mnl_attr_validate(attrs[KVMFT_A_VERSION_PROTOCOL], MNL_TYPE_U32));
	EXPECT_LT(0, mnl_attr_get_u32(attrs[KVMFT_A_VERSION_PROTOCOL]));
}

TEST_F(family, ignores_the_version_in_a_request)
{
	char buffer[256] = { 0 };
	struct nlmsghdr *request = begin(buffer, self->number, KVMFT_CMD_VERSION_GET, NLM_F_DUMP);
	struct genlmsghdr *header = mnl_nlmsg_get_payload(request);
	struct answer answer;

	header->version = KVMFT_FAMILY_VERSION + 1;
	ASSERT_EQ(0, ask(self->socket, request, &answer));
	EXPECT_TRUE(answer.done);
	EXPECT_EQ(0, answer.error);
	EXPECT_EQ(1, answer.messages);
}

TEST_F(family, needs_no_privilege)
{
	EXPECT_EQ(0, in_child(read_as_nobody));
}

TEST_F(family, is_in_every_network_namespace)
{
	EXPECT_EQ(0, in_child(read_in_own_namespaces));
}

TEST_F(family, keeps_nothing_of_many_dumps_at_once)
{
	pid_t pids[READERS];
	int i, n, status, start[2];
	char c;

	EXPECT_STREQ("0", await_users("0"));
	ASSERT_EQ(0, pipe(start));
	for (i = 0; i < READERS; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			/* All begin when the other end is closed. */
			close(start[1]);
			status = read(start[0], &c, 1);
			for (n = 0; !status && n < DUMPS_EACH; n++)
				status = read_version();
			_exit(status);
		}
	}
	close(start[0]);
	close(start[1]);
	for (i = 0; i < READERS; i++) {
		EXPECT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	EXPECT_STREQ("0", await_users("0"));
}

TEST_F(family, keeps_the_module_for_a_dump_that_nobody_reads)
{
	put_dump_off(self->socket, self->number);
	EXPECT_STREQ("1", await_users("1"));
	mnl_socket_close(self->socket);
	self->socket = NULL;
	EXPECT_STREQ("0", await_users("0"));
}

TEST_F(family, goes_on_with_a_dump_when_it_is_read)
{
	put_dump_off(self->socket, self->number);
	EXPECT_STREQ("1", await_users("1"));
	EXPECT_EQ(0, read_to_the_end(self->socket));
	EXPECT_STREQ("0", await_users("0"));
}

/* A request with one thing wrong. */
FIXTURE(request)
{
	struct mnl_socket *socket;
	int family;
};

/*
 * @attributes: There is one, with the number @attribute.
 * @tail: So many bytes behind that are none.
 * @error, @reason: What the kernel says to that.
 * @offset: It also says that the attribute is to blame.
 */
FIXTURE_VARIANT(request)
{
	unsigned int command;
	unsigned int flags;
	unsigned int reserved;
	unsigned int attribute;
	bool attributes;
	unsigned int tail;
	int error;
	const char *reason;
	bool offset;
};

FIXTURE_SETUP(request)
{
	struct answer answer;

	self->socket = open_socket();
	ASSERT_NE(NULL, self->socket);
	self->family = find_family(self->socket, &answer);
	ASSERT_LE(NLMSG_MIN_TYPE, self->family);
}

FIXTURE_TEARDOWN(request)
{
	mnl_socket_close(self->socket);
}

FIXTURE_VARIANT_ADD(request, without_dump_flag)
{
	.command = KVMFT_CMD_VERSION_GET,
	.error = -EOPNOTSUPP,
	.reason = "",
};

FIXTURE_VARIANT_ADD(request, of_command_0)
{
	.command = 0,
	.flags = NLM_F_DUMP,
	.error = -EOPNOTSUPP,
	.reason = "",
};

FIXTURE_VARIANT_ADD(request, of_a_command_too_new)
{
	.command = KVMFT_CMD_MAX + 1,
	.flags = NLM_F_DUMP,
	.error = -EOPNOTSUPP,
	.reason = "",
};

FIXTURE_VARIANT_ADD(request, of_the_last_command)
{
	.command = 255,
	.error = -EOPNOTSUPP,
	.reason = "",
};

FIXTURE_VARIANT_ADD(request, with_half_a_dump_flag)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_ROOT,
	.error = -EINVAL,
	.reason = "ambiguous or reserved bits set in nlmsg_flags",
};

FIXTURE_VARIANT_ADD(request, with_a_flag_too_many)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP | NLM_F_ATOMIC,
	.error = -EINVAL,
	.reason = "ambiguous or reserved bits set in nlmsg_flags",
};

FIXTURE_VARIANT_ADD(request, with_reserved_field_set)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.reserved = 1,
	.error = -EINVAL,
	.reason = "genlmsghdr.reserved field is not 0",
};

FIXTURE_VARIANT_ADD(request, with_the_first_attribute_of_the_answer)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.attributes = true,
	.attribute = KVMFT_A_VERSION_MODULE,
	.error = -EINVAL,
	.reason = "a version request takes no attributes",
	.offset = true,
};

FIXTURE_VARIANT_ADD(request, with_the_last_attribute_of_the_answer)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.attributes = true,
	.attribute = KVMFT_A_VERSION_MAX,
	.error = -EINVAL,
	.reason = "a version request takes no attributes",
	.offset = true,
};

FIXTURE_VARIANT_ADD(request, with_attribute_0)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.attributes = true,
	.attribute = 0,
	.error = -EINVAL,
	.reason = "Unknown attribute type",
	.offset = true,
};

FIXTURE_VARIANT_ADD(request, with_an_attribute_too_new)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.attributes = true,
	.attribute = KVMFT_A_VERSION_MAX + 1,
	.error = -EINVAL,
	.reason = "Unknown attribute type",
	.offset = true,
};

FIXTURE_VARIANT_ADD(request, with_bytes_left_over)
{
	.command = KVMFT_CMD_VERSION_GET,
	.flags = NLM_F_DUMP,
	.tail = 3,
	.error = -EINVAL,
	.reason = "bytes leftover after parsing attributes",
};

TEST_F(request, is_refused)
{
	char buffer[256] = { 0 };
	struct nlmsghdr *request = begin(buffer, self->family, variant->command, variant->flags);
	struct genlmsghdr *header = mnl_nlmsg_get_payload(request);
	unsigned int at = request->nlmsg_len;
	struct answer answer;

	header->reserved = variant->reserved;
	if (variant->attributes)
		mnl_attr_put_u32(request, variant->attribute, 1);
	request->nlmsg_len += variant->tail;

	ASSERT_EQ(0, ask(self->socket, request, &answer));
	EXPECT_EQ(0, answer.messages);
	EXPECT_FALSE(answer.done);
	EXPECT_EQ(variant->error, answer.error);
	EXPECT_STREQ(variant->reason, answer.reason);
	EXPECT_EQ(variant->offset ? at : 0, answer.offset);

	/* And no harm is done. */
	ASSERT_EQ(0, dump_version(self->socket, self->family, &answer));
	EXPECT_EQ(0, answer.error);
	EXPECT_EQ(1, answer.messages);
}

TEST_HARNESS_MAIN
