// SPDX-License-Identifier: GPL-2.0
/*
 * quick - `lab exec -n HOST COMMAND...` for tests, which say it thousands of times:
 * without an interpreter that has to start first. All else is passed on to lab.
 *
 * See protocol.py for how the keeper is asked for a connection to a host's agent, and
 * frame.h for what is said there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "frame.h"

#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#define FAILED 255

/* As HOST_ENV in client.py. */
static const char *const host_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root", "LANG=C.UTF-8",
};

ATTRIBUTE(format(printf, 1, 2), noreturn)
static void fail(const char *text, ...)
{
	va_list args;

	va_start(args, text);
	fputs("lab: ", stderr);
	vfprintf(stderr, text, args);
	fputc('\n', stderr);
	va_end(args);
	exit(FAILED);
}

static int keeper(const char *name)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int len = snprintf(to.sun_path + 1, sizeof(to.sun_path) - 1, "kvmft-lab/%u/%s",
			   getuid(), name);

	if (sock < 0 || (size_t)len >= sizeof(to.sun_path) - 1 ||
	    connect(sock, (struct sockaddr *)&to,
		    offsetof(struct sockaddr_un, sun_path) + 1 + len))
		fail("no lab %s is up; 'lab up' makes one", name);
	return sock;
}

/* The keeper's answer is a line of JSON, with a descriptor if all is well. */
static int ask_agent(int sock, const char *host)
{
	char control[CMSG_SPACE(sizeof(int))], line[4096];
	struct iovec part = { line, sizeof(line) - 1 };
	struct msghdr message = {
		.msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	char *error, *end;
	ssize_t got;
	int fd;

	/* What would have to be escaped is no name of a host. */
	if (strpbrk(host, "\"\\\n"))
		fail("there is no host %s", host);
	dprintf(sock, "{\"op\": \"agent\", \"name\": \"%s\"}\n", host);
	got = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		fail("the lab went away");
	head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS) {
		memcpy(&fd, CMSG_DATA(head), sizeof(fd));
		return fd;
	}
	line[got] = '\0';
	error = strstr(line, "\"error\": \"");
	error = error ? error + strlen("\"error\": \"") : line;
	end = strrchr(error, '"');
	fail("%.*s", (int)(end ? end - error : (ptrdiff_t)strlen(error)), error);
}

static size_t add(char *to, size_t at, const char *text)
{
	size_t len = strlen(text) + 1;

	if (at + len > MAX_FRAME)
		fail("the command is too long");
	memcpy(to + at, text, len);
	return at + len;
}

static void say(int sock, enum frame_type type, const void *body, uint32_t len)
{
	if (send_frame(sock, type, body, len))
		fail("the host: %s", strerror(errno));
}

static void send_command(int sock, char **argv)
{
	char *body = calloc(1, MAX_FRAME);
	size_t at = 6, i;

	if (!body)
		fail("no memory");
	at = add(body, at, "/");
	for (i = 0; i < sizeof(host_env) / sizeof(*host_env); i++)
		at = add(body, at, host_env[i]);
	at = add(body, at, "");
	for (; *argv; argv++)
		at = add(body, at, *argv);
	say(sock, FRAME_RUN, body, at);
	free(body);
}

/* Prints all frames that are whole, and ends with EXIT; what is left of the buffer. */
static size_t take_frames(char *buffer, size_t len)
{
	struct frame frame;
	size_t at = 0;
	int32_t status;

	while (len - at >= sizeof(frame)) {
		memcpy(&frame, buffer + at, sizeof(frame));
		if (frame.len > MAX_FRAME)
			fail("the host's agent says what nobody understands");
		if (len - at - sizeof(frame) < frame.len)
			break;
		at += sizeof(frame);
		if (frame.type == FRAME_EXIT && frame.len == sizeof(status)) {
			memcpy(&status, buffer + at, sizeof(status));
			exit(status);
		}
		if (write_all(frame.type == FRAME_STDOUT ? 1 : 2, buffer + at, frame.len))
			fail("its output: %s", strerror(errno));
		at += frame.len;
	}
	memmove(buffer, buffer + at, len - at);
	return len - at;
}

ATTRIBUTE(noreturn)
static void relay(int sock, int watch)
{
	struct pollfd p[] = { { sock, POLLIN, 0 }, { watch, POLLIN, 0 } };
	size_t size = 2 * MAX_FRAME, len = 0;
	char *buffer = malloc(size);
	ssize_t n;

	if (!buffer)
		fail("no memory");
	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents) {
			n = read(sock, buffer + len, size - len);
			if (n <= 0)
				fail("the host's agent hung up");
			len = take_frames(buffer, len + n);
		} else if (p[1].revents) {
			fail("the host died");
		}
	}
}

/* Whatever quick doesn't know: lab does. */
ATTRIBUTE(noreturn)
static void pass_on(char **argv)
{
	const char *root = getenv("KVMFT_ROOT");
	char *lab = NULL;

	if (!root || asprintf(&lab, "%s/selftests/lab/lab", root) < 0)
		fail("KVMFT_ROOT doesn't say where lab is");
	execv(lab, argv);
	fail("%s: %s", lab, strerror(errno));
}

int main(int argc, char **argv)
{
	const char *name = getenv("KVMFT_LAB");
	int watch, sock;

	if (argc < 5 || strcmp(argv[1], "exec") || strcmp(argv[2], "-n") || *argv[3] == '-')
		pass_on(argv);
	watch = keeper(name ? name : "lab");
	sock = ask_agent(watch, argv[3]);
	send_command(sock, argv + 4);
	say(sock, FRAME_STDIN, NULL, 0);
	relay(sock, watch);
}
