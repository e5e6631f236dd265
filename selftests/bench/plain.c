// SPDX-License-Identifier: GPL-2.0
/*
 * plain: pages over one TCP connection and a byte back, to measure others against: what
 * the same bytes cost without any checkpoint. Pages go out by sendfile(2), so that
 * nothing is copied on the way, and are received into memory.
 *
 *	plain take ADDRESS PORT
 *	plain send ADDRESS PORT PAGES ROUNDS	prints ns of each round
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES_MAX 1048576UL

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct sockaddr_in address_of(char **words)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(atoi(words[1])),
	};

	if (inet_pton(AF_INET, words[0], &address.sin_addr) != 1) {
		fprintf(stderr, "plain: no address: %s\n", words[0]);
		exit(2);
	}
	return address;
}

static int make_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		die("socket");
	return fd;
}

static void no_delay(int fd)
{
	int on = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)))
		die("TCP_NODELAY");
}

static bool receive(int fd, void *to, size_t size)
{
	return recv(fd, to, size, MSG_WAITALL) == (ssize_t)size;
}

/* Each connection begins with how many pages there are to a round. */
static void take(struct sockaddr_in address)
{
	int listening = make_socket(), fd;
	uint64_t pages;
	void *memory;

	if (bind(listening, (void *)&address, sizeof(address)) || listen(listening, 4))
		die("listen");
	for (;;) {
		fd = accept(listening, NULL, NULL);
		if (fd < 0)
			die("accept");
		no_delay(fd);
		if (!receive(fd, &pages, sizeof(pages)) || !pages || pages > PAGES_MAX) {
			close(fd);
			continue;
		}
		memory = malloc(pages * PAGE);
		if (!memory)
			die("malloc");
		while (receive(fd, memory, pages * PAGE) && send(fd, "", 1, MSG_NOSIGNAL) == 1)
			;
		free(memory);
		close(fd);
	}
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* Pages with something in them, as those of a guest are. */
static int make_file(uint64_t pages)
{
	int file = memfd_create("plain", MFD_CLOEXEC);
	char page[PAGE];
	uint64_t i;

	memset(page, 0x5a, sizeof(page));
	for (i = 0; i < pages; i++) {
		if (write(file, page, sizeof(page)) != sizeof(page))
			die("memfd");
	}
	return file;
}

static void send_rounds(struct sockaddr_in address, uint64_t pages, unsigned long rounds)
{
	int fd = make_socket(), file = make_file(pages);
	uint64_t begun;
	char answer;
	off_t at;

	if (connect(fd, (void *)&address, sizeof(address)))
		die("connect");
	no_delay(fd);
	if (send(fd, &pages, sizeof(pages), 0) != sizeof(pages))
		die("send");
	while (rounds--) {
		begun = now();
		for (at = 0; at < (off_t)(pages * PAGE);) {
			if (sendfile(fd, file, &at, pages * PAGE - at) <= 0)
				die("sendfile");
		}
		if (!receive(fd, &answer, 1))
			die("answer");
		printf("%llu\n", (unsigned long long)(now() - begun));
	}
}

int main(int argc, char **argv)
{
	uint64_t pages;

	if (argc == 4 && !strcmp(argv[1], "take")) {
		take(address_of(argv + 2));
	} else if (argc == 6 && !strcmp(argv[1], "send")) {
		pages = strtoull(argv[4], NULL, 10);
		if (!pages || pages > PAGES_MAX)
			return 2;
		send_rounds(address_of(argv + 2), pages, strtoul(argv[5], NULL, 10));
		return 0;
	}
	fprintf(stderr, "usage: plain take ADDRESS PORT | send ADDRESS PORT PAGES ROUNDS\n");
	return 2;
}
