// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_TRIES 300

/* Who listens, and what runs for a connection. */
static struct {
	int fd;
	void *(*serve)(void *fd);
} listener;

static struct sockaddr_in address_of(const char *where)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char host[INET_ADDRSTRLEN];
	unsigned int port;

	if (sscanf(where, "%15[^:]:%u", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("no ADDRESS:PORT: %s", where);
	address.sin_port = htons(port);
	return address;
}

/* What waits for an answer isn't to be gathered. */
static void send_at_once(int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

int net_connect(const char *where)
{
	struct sockaddr_in address = address_of(where);
	unsigned int i;
	int fd;

	for (i = 0; i < CONNECT_TRIES; i++) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && !connect(fd, (void *)&address, sizeof(address))) {
			send_at_once(fd);
			return fd;
		}
		close(fd);
		sleep_us(100000);
	}
	die("connect to %s", where);
}

static void *serve_all(void *unused)
{
	int fd;

	(void)unused;
	for (;;) {
		fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		send_at_once(fd);
		start_thread(listener.serve, (void *)(intptr_t)fd);
	}
	return NULL;
}

void net_listen(const char *where, void *(*serve)(void *fd))
{
	struct sockaddr_in address = address_of(where);
	int yes = 1;

	listener.serve = serve;
	listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener.fd < 0 ||
	    setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(listener.fd, (void *)&address, sizeof(address)) || listen(listener.fd, 8))
		die("listen at %s", where);
	start_thread(serve_all, NULL);
}

bool net_send(int fd, const void *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return false;
	}
	return true;
}

bool net_receive(int fd, void *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= n) {
		n = recv(fd, data, len, 0);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return false;
	}
	return true;
}
