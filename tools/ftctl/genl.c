// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "ftctl.h"
#include "genl.h"

/*
 * How long to wait for a message that should be there: the kernel answers from
 * within send and receive, where this doesn't count, so it can be short.
 */
#define ANSWER_SECONDS 10

/* No kernel has an errno beyond this. */
#define MAX_ERRNO 4095

/* A dump that is disturbed this often is never going to be whole. */
#define DUMP_ATTEMPTS 5

/* Up to this size the kernel fills what it is given with a dump. */
#define BUFFER_SIZE 32768

/*
 * Why an answer is of no use, next to 0 and negative errnos: the kernel's words
 * about the request, or what sending and receiving failed with.
 */
enum unusable_answer {
	ANSWER_STOPPED = 1,	/* who takes it has complained, and stopped */
	ANSWER_DISTURBED,	/* some of it is lost, or out of date */
	ANSWER_LATE,
	ANSWER_SENSELESS,
};

/**
 * struct genl - a conversation with one family
 * @socket: Replaced when what may still be queued in it is of no use.
 * @family: Message type of the family, once it was found.
 * @sequence: Number of the last request.
 * @reason: What the kernel said about the last error, "" if nothing.
 * @buffer: Holds the request, and then one by one the parts of the answer.
 */
struct genl {
	struct mnl_socket *socket;
	uint16_t family;
	uint32_t sequence;
	char reason[256];
	union {
		struct nlmsghdr header;
		char bytes[BUFFER_SIZE];
	} buffer;
};

static bool open_socket(struct genl *genl)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int on = 1;

	genl->socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	if (!genl->socket)
		goto fail;

	if (mnl_socket_bind(genl->socket, 0, MNL_SOCKET_AUTOPID) ||
	    setsockopt(mnl_socket_get_fd(genl->socket), SOL_SOCKET,
		       SO_RCVTIMEO, &patience, sizeof(patience)))
		goto fail;

	/*
	 * Reasons in words, answers without a copy of the request, and strict
	 * checks. Where the kernel has none of it, all works without.
	 */
	mnl_socket_setsockopt(genl->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(genl->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(genl->socket, NETLINK_GET_STRICT_CHK, &on,
			      sizeof(on));
	return true;

fail:
	complain("can't open a netlink socket: %s", strerror(errno));
	return false;
}

static void close_socket(struct genl *genl)
{
	if (genl->socket)
		mnl_socket_close(genl->socket);
	genl->socket = NULL;
}

/**
 * genl_open() - get ready to talk to generic netlink
 *
 * Return: what the other functions want, or NULL after a complaint
 */
struct genl *genl_open(void)
{
	struct genl *genl = calloc(1, sizeof(*genl));

	if (!genl) {
		complain("out of memory");
		return NULL;
	}

	if (!open_socket(genl)) {
		genl_close(genl);
		return NULL;
	}
	return genl;
}

/**
 * genl_close() - undo genl_open()
 * @genl: what that returned
 */
void genl_close(struct genl *genl)
{
	close_socket(genl);

	/* A request that was begun and not sent may hold a secret. */
	explicit_bzero(genl, sizeof(*genl));
	free(genl);
}

static struct nlmsghdr *begin_request(struct genl *genl, uint16_t type,
				      uint8_t command, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(genl->buffer.bytes);
	struct genlmsghdr *header;

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	request->nlmsg_seq = ++genl->sequence;

	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->cmd = command;
	return request;
}

/* Remembers the kernel's reason, if there is one behind @skip bytes. */
static void read_reason(struct genl *genl, const struct nlmsghdr *message,
			size_t skip)
{
	const struct nlattr *attr;

	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    mnl_nlmsg_get_payload_len(message) < MNL_ALIGN(skip))
		return;

	mnl_attr_for_each(attr, message, skip) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(genl->reason, sizeof(genl->reason), "%s",
				 mnl_attr_get_str(attr));
	}
}

/* What a message says that ends an answer: as exchange() returns it. */
static int read_status(struct genl *genl, const struct nlmsghdr *message)
{
	size_t len = mnl_nlmsg_get_payload_len(message);
	const struct nlmsgerr *error;
	size_t skip;
	int status;

	if (message->nlmsg_type == NLMSG_DONE) {
		if (len < sizeof(status))
			return ANSWER_SENSELESS;
		memcpy(&status, mnl_nlmsg_get_payload(message), sizeof(status));
		skip = sizeof(status);
	} else {
		if (len < sizeof(*error))
			return ANSWER_SENSELESS;
		error = mnl_nlmsg_get_payload(message);
		status = error->error;
		skip = sizeof(*error);

		/* Unless it was left out, the request follows the header. */
		if (status && !(message->nlmsg_flags & NLM_F_CAPPED)) {
			if (error->msg.nlmsg_len < sizeof(error->msg) ||
			    error->msg.nlmsg_len > len)
				return ANSWER_SENSELESS;
			skip += error->msg.nlmsg_len - sizeof(error->msg);
		}
	}

	if (status > 0 || status < -MAX_ERRNO)
		return ANSWER_SENSELESS;
	read_reason(genl, message, skip);
	return status;
}

static bool is_from_kernel(const struct msghdr *datagram)
{
	const struct sockaddr_nl *sender = datagram->msg_name;

	return datagram->msg_namelen == sizeof(*sender) &&
	       sender->nl_family == AF_NETLINK && !sender->nl_pid;
}

/*
 * One part of an answer into the buffer: 0, or as exchange() returns it. Not by
 * mnl_socket_recvfrom(), which takes a datagram from anybody: another process may
 * send us one, and its word must not pass for the kernel's. @flags are those of
 * recvmsg().
 */
static int receive(struct genl *genl, int *length, int flags)
{
	struct sockaddr_nl sender;
	struct iovec part = {
		.iov_base = genl->buffer.bytes,
		.iov_len = sizeof(genl->buffer.bytes),
	};
	struct msghdr datagram;
	ssize_t len;

	do {
		datagram = (struct msghdr) {
			.msg_name = &sender,
			.msg_namelen = sizeof(sender),
			.msg_iov = &part,
			.msg_iovlen = 1,
		};
		len = recvmsg(mnl_socket_get_fd(genl->socket), &datagram, flags);
	} while ((len == -1 && errno == EINTR) ||
		 (len != -1 && !is_from_kernel(&datagram)));

	if (len == -1) {
		if (errno == EAGAIN)
			return ANSWER_LATE;
		return errno == ENOBUFS ? ANSWER_DISTURBED : -errno;
	}

	/* The kernel never sends an empty datagram. */
	if (!len || datagram.msg_flags & MSG_TRUNC)
		return ANSWER_SENSELESS;

	*length = len;
	return 0;
}

/* mnl_nlmsg_ok() takes a length of 2 GiB and more for a negative one. */
static bool is_message(const struct nlmsghdr *message, int left)
{
	return left >= (int)sizeof(*message) &&
	       message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= (unsigned int)left;
}

/**
 * exchange() - send a request and take the answer
 * @genl: the conversation
 * @request: what begin_request() began; it is gone afterwards
 * @object: takes each message of the answer; NULL if there must not be any
 * @data: passed on to @object
 *
 * Return: 0 when the answer was complete and nothing was wrong with it, a
 * negative errno of the kernel, or &enum unusable_answer. Unless it was 0 the
 * socket is of no use any more, since parts of the answer may be still to come.
 */
static int exchange(struct genl *genl, struct nlmsghdr *request,
		    genl_object_fn object, void *data)
{
	unsigned int portid = mnl_socket_get_portid(genl->socket);
	uint32_t sequence = request->nlmsg_seq;
	uint16_t type = request->nlmsg_type;
	bool inconsistent = false;
	int err = 0;

	genl->reason[0] = '\0';
	if (mnl_socket_sendto(genl->socket, request, request->nlmsg_len) == -1)
		err = -errno;

	/* The answer covers only some of it, and it may hold a secret. */
	explicit_bzero(request, request->nlmsg_len);
	if (err)
		return err;

	for (;;) {
		const struct nlmsghdr *message = &genl->buffer.header;
		int left;

		err = receive(genl, &left, 0);
		if (err)
			return err;

		for (; is_message(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			if (message->nlmsg_seq != sequence ||
			    message->nlmsg_pid != portid)
				return ANSWER_SENSELESS;
			if (message->nlmsg_flags & NLM_F_DUMP_INTR)
				inconsistent = true;

			if (message->nlmsg_type == NLMSG_NOOP)
				continue;
			if (message->nlmsg_type == NLMSG_OVERRUN)
				return ANSWER_DISTURBED;
			if (message->nlmsg_type == NLMSG_ERROR ||
			    message->nlmsg_type == NLMSG_DONE) {
				err = read_status(genl, message);
				if (!err && inconsistent)
					return ANSWER_DISTURBED;
				return err;
			}

			if (message->nlmsg_type != type ||
			    mnl_nlmsg_get_payload_len(message) < GENL_HDRLEN)
				return ANSWER_SENSELESS;
			if (!object)
				return ANSWER_SENSELESS;
			if (!object(message, data))
				return ANSWER_STOPPED;
		}

		/* Less than nothing is left when the padding is left out. */
		if (left > 0)
			return ANSWER_SENSELESS;
	}
}

static void complain_about(const struct genl *genl, int err)
{
	switch (err) {
	case ANSWER_STOPPED:
		break;
	case ANSWER_DISTURBED:
		complain("what was asked for changes too fast to be listed");
		break;
	case ANSWER_LATE:
		complain("the kernel doesn't answer");
		break;
	case ANSWER_SENSELESS:
		complain("the kernel's answer makes no sense");
		break;
	default:
		complain("the kernel says: %s%s%s", strerror(-err),
			 genl->reason[0] ? ": " : "", genl->reason);
		break;
	}
}

struct found_family {
	const char *name;
	int id;
	int version;
};

static bool take_family(const struct nlmsghdr *message, void *data)
{
	static const struct genl_field fields[CTRL_ATTR_VERSION + 1] = {
		[CTRL_ATTR_FAMILY_ID] = { MNL_TYPE_U16, true },
		[CTRL_ATTR_FAMILY_NAME] = { MNL_TYPE_NUL_STRING, true },
		[CTRL_ATTR_VERSION] = { MNL_TYPE_U32, true },
	};
	const struct nlattr *attrs[CTRL_ATTR_VERSION + 1];
	struct found_family *found = data;
	uint32_t version;

	if (!genl_parse(message, CTRL_CMD_NEWFAMILY, fields, CTRL_ATTR_VERSION,
			attrs))
		return false;

	version = mnl_attr_get_u32(attrs[CTRL_ATTR_VERSION]);
	found->id = mnl_attr_get_u16(attrs[CTRL_ATTR_FAMILY_ID]);
	if (strcmp(mnl_attr_get_str(attrs[CTRL_ATTR_FAMILY_NAME]),
		   found->name) || found->id < NLMSG_MIN_TYPE ||
	    version > UINT8_MAX) {
		complain("the kernel's answer makes no sense");
		return false;
	}
	found->version = version;
	return true;
}

/**
 * genl_find_family() - choose the family that the requests go to
 * @genl: what genl_open() returned
 * @name: its name
 *
 * Return: the family's version; -ENOENT, without a complaint, when there is no
 * such family; another negative number after a complaint
 */
int genl_find_family(struct genl *genl, const char *name)
{
	struct found_family found = { .name = name, .id = -1 };
	struct nlmsghdr *request;
	int err;

	request = begin_request(genl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
				NLM_F_ACK);
	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, name);

	err = exchange(genl, request, take_family, &found);
	if (!err && found.id < 0)
		err = ANSWER_SENSELESS;
	if (err == -ENOENT)
		return err;
	if (err) {
		complain_about(genl, err);
		return -EIO;
	}

	genl->family = found.id;
	return found.version;
}

/**
 * genl_begin() - begin a request to the family
 * @genl: what genl_open() returned, after genl_find_family()
 * @command: what is requested
 *
 * The caller adds attributes to what this returns; some KiB fit. Only then
 * it calls genl_request(), and nothing else in between.
 *
 * Return: the request
 */
struct nlmsghdr *genl_begin(struct genl *genl, uint8_t command)
{
	return begin_request(genl, genl->family, command, NLM_F_ACK);
}

/**
 * genl_try() - send a request that may well be refused, and wait for the answer
 * @genl: what genl_open() returned
 * @request: what genl_begin() returned. It is wiped, also if it fails.
 * @object: takes each message of the answer; NULL if there must not be any
 * @data: passed on to @object
 *
 * Unless it was carried out, @genl is good for genl_complain() and genl_close()
 * alone.
 *
 * Return: 0 when it was carried out; without a complaint a negative errno of the
 * kernel, or something else for genl_complain()
 */
int genl_try(struct genl *genl, struct nlmsghdr *request, genl_object_fn object, void *data)
{
	return exchange(genl, request, object, data);
}

/**
 * genl_complain() - tell the operator why a request failed
 * @genl: what genl_try() got
 * @err: what that returned
 */
void genl_complain(const struct genl *genl, int err)
{
	if (err == ANSWER_DISTURBED)
		complain("the kernel's answer got lost");
	else
		complain_about(genl, err);
}

/**
 * genl_request() - send a request, and wait until it was carried out
 * @genl: what genl_open() returned
 * @request: what genl_begin() returned. It is wiped, also if it fails.
 * @object: takes each message of the answer; NULL if there must not be any
 * @data: passed on to @object
 *
 * Return: true when it was carried out; false after a complaint
 */
bool genl_request(struct genl *genl, struct nlmsghdr *request,
		  genl_object_fn object, void *data)
{
	int err = genl_try(genl, request, object, data);

	if (err)
		genl_complain(genl, err);
	return !err;
}

/**
 * genl_dump() - ask the family for all of something
 * @genl: what genl_open() returned, after genl_find_family()
 * @command: the command whose dump it is
 * @object: takes each message
 * @restart: called before the messages come once more from the beginning
 * @data: passed on to both
 *
 * Return: true when @object saw each message of a complete and consistent dump;
 * false after a complaint
 */
bool genl_dump(struct genl *genl, uint8_t command, genl_object_fn object,
	       genl_restart_fn restart, void *data)
{
	int attempt, err;

	for (attempt = 1; ; attempt++) {
		err = exchange(genl,
			       begin_request(genl, genl->family, command,
					     NLM_F_DUMP),
			       object, data);
		if (!err)
			return true;
		if (err != ANSWER_DISTURBED || attempt == DUMP_ATTEMPTS)
			break;

		restart(data);
		close_socket(genl);
		if (!open_socket(genl))
			return false;
	}

	complain_about(genl, err);
	return false;
}

struct found_group {
	const char *name;
	uint32_t id;
};

static bool take_group(const struct nlmsghdr *message, void *data)
{
	static const struct genl_field family_fields[CTRL_ATTR_MCAST_GROUPS + 1] = {
		[CTRL_ATTR_MCAST_GROUPS] = { MNL_TYPE_NESTED, false },
	};
	static const struct genl_field group_fields[CTRL_ATTR_MCAST_GRP_ID + 1] = {
		[CTRL_ATTR_MCAST_GRP_NAME] = { MNL_TYPE_NUL_STRING, true },
		[CTRL_ATTR_MCAST_GRP_ID] = { MNL_TYPE_U32, true },
	};
	const struct nlattr *family[CTRL_ATTR_MCAST_GROUPS + 1];
	const struct nlattr *group[CTRL_ATTR_MCAST_GRP_ID + 1];
	struct found_group *found = data;
	const struct nlattr *attr;

	if (!genl_parse(message, CTRL_CMD_NEWFAMILY, family_fields,
			CTRL_ATTR_MCAST_GROUPS, family))
		return false;
	if (!family[CTRL_ATTR_MCAST_GROUPS])
		return true;

	mnl_attr_for_each_nested(attr, family[CTRL_ATTR_MCAST_GROUPS]) {
		if (!genl_parse_nested(attr, group_fields,
				       CTRL_ATTR_MCAST_GRP_ID, group))
			return false;
		if (!strcmp(mnl_attr_get_str(group[CTRL_ATTR_MCAST_GRP_NAME]),
			    found->name))
			found->id = mnl_attr_get_u32(group[CTRL_ATTR_MCAST_GRP_ID]);
	}
	return true;
}

static bool join(struct genl *genl, uint32_t group)
{
	if (!mnl_socket_setsockopt(genl->socket, NETLINK_ADD_MEMBERSHIP,
				   &group, sizeof(group)))
		return true;

	complain("can't listen to the kernel's events: %s", strerror(errno));
	return false;
}

/**
 * genl_join() - ask for the events that the family sends to a group
 * @genl: what genl_open() returned, after genl_find_family()
 * @group: the group's name
 *
 * From now on the conversation is good for genl_listen() alone: an event would
 * pass for a wrong answer.
 *
 * Return: true, or false after a complaint
 */
bool genl_join(struct genl *genl, const char *group)
{
	struct found_group found = { .name = group };
	struct nlmsghdr *request;

	request = begin_request(genl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY,
				NLM_F_ACK);
	mnl_attr_put_u16(request, CTRL_ATTR_FAMILY_ID, genl->family);
	if (!genl_request(genl, request, take_group, &found))
		return false;

	if (!found.id) {
		complain("the loaded module has no events");
		return false;
	}

	/*
	 * The controller tells when the family goes: without that, who listens
	 * to the module would wait forever after it was unloaded. The number of
	 * the controller's own group is that of its messages.
	 */
	return join(genl, found.id) && join(genl, GENL_ID_CTRL);
}

/**
 * genl_descriptor() - what to poll for events
 * @genl: what genl_open() returned
 *
 * Return: the descriptor, which remains that of @genl
 */
int genl_descriptor(const struct genl *genl)
{
	return mnl_socket_get_fd(genl->socket);
}

/* The message of the controller that our family isn't there any more. */
static bool is_farewell(const struct genl *genl, const struct nlmsghdr *message)
{
	static const struct genl_field fields[CTRL_ATTR_FAMILY_ID + 1] = {
		[CTRL_ATTR_FAMILY_ID] = { MNL_TYPE_U16, true },
	};
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attrs[CTRL_ATTR_FAMILY_ID + 1];

	return header->cmd == CTRL_CMD_DELFAMILY &&
	       genl_parse(message, CTRL_CMD_DELFAMILY, fields,
			  CTRL_ATTR_FAMILY_ID, attrs) &&
	       mnl_attr_get_u16(attrs[CTRL_ATTR_FAMILY_ID]) == genl->family;
}

/**
 * genl_listen() - take events that have come
 * @genl: what genl_open() returned, after genl_join()
 * @event: takes each, of whatever command it is
 * @lost: called where events are missing, because they came too fast
 * @data: passed on to both
 *
 * Doesn't wait. When the descriptor can be read afterwards there are more.
 *
 * Return: true; false after a complaint, when there is nothing to listen to any
 * more
 */
bool genl_listen(struct genl *genl, genl_object_fn event, genl_lost_fn lost,
		 void *data)
{
	const struct nlmsghdr *message = &genl->buffer.header;
	int left, err;

	err = receive(genl, &left, MSG_DONTWAIT);
	if (err == ANSWER_LATE)
		return true;
	if (err == ANSWER_DISTURBED) {
		lost(data);
		return true;
	}
	if (err) {
		complain_about(genl, err);
		return false;
	}

	for (; is_message(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		if (mnl_nlmsg_get_payload_len(message) < GENL_HDRLEN)
			continue;
		if (message->nlmsg_type == GENL_ID_CTRL &&
		    is_farewell(genl, message)) {
			complain("the module was unloaded");
			return false;
		}
		if (message->nlmsg_type == genl->family && !event(message, data))
			return false;
	}
	return true;
}

/* Finds the attributes in @len bytes at @payload, for genl_parse(). */
static bool parse(const void *payload, size_t len,
		  const struct genl_field *fields, unsigned int max,
		  const struct nlattr **attrs)
{
	const struct nlattr *attr;
	unsigned int type;

	memset(attrs, 0, (max + 1) * sizeof(*attrs));
	mnl_attr_for_each_payload(payload, len) {
		type = mnl_attr_get_type(attr);
		if (type > max || fields[type].type == MNL_TYPE_UNSPEC)
			continue;
		if (mnl_attr_validate(attr, fields[type].type)) {
			complain("attribute %u of the kernel's answer is malformed",
				 type);
			return false;
		}
		attrs[type] = attr;
	}

	for (type = 0; type <= max; type++) {
		if (fields[type].required && !attrs[type]) {
			complain("attribute %u is missing in the kernel's answer",
				 type);
			return false;
		}
	}
	return true;
}

/**
 * genl_parse() - find the attributes in a message, and check them
 * @message: one that a genl_object_fn got
 * @command: the command that it has to be of
 * @fields: what each attribute has to look like, by number up to @max
 * @max: the highest attribute to look for
 * @attrs: gets pointers to the attributes, by number up to @max; NULL for those
 *	that aren't there
 *
 * Attributes that @fields doesn't know are skipped: a newer kernel may send
 * more than we know. Of those that come repeatedly the last one counts, but all
 * are checked.
 *
 * Return: true when all is as it should be, false after a complaint
 */
bool genl_parse(const struct nlmsghdr *message, uint8_t command,
		const struct genl_field *fields, unsigned int max,
		const struct nlattr **attrs)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);

	if (header->cmd != command) {
		complain("the kernel answered another question");
		return false;
	}

	return parse((const char *)header + GENL_HDRLEN,
		     mnl_nlmsg_get_payload_len(message) - GENL_HDRLEN,
		     fields, max, attrs);
}

/**
 * genl_parse_nested() - genl_parse(), for the attributes within an attribute
 * @nest: one that was found to be of type %MNL_TYPE_NESTED, or is within such
 * @fields: what each attribute has to look like, by number up to @max
 * @max: the highest attribute to look for
 * @attrs: gets pointers to the attributes, as with genl_parse()
 *
 * Return: true when all is as it should be, false after a complaint
 */
bool genl_parse_nested(const struct nlattr *nest,
		       const struct genl_field *fields, unsigned int max,
		       const struct nlattr **attrs)
{
	return parse(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest),
		     fields, max, attrs);
}
