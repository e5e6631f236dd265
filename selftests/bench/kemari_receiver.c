// SPDX-License-Identifier: GPL-2.0
/*
 * kemari_receiver PORT - the other end of ftvmm-kemari.
 *
 * Takes one guest after the other. A transaction is buffered whole, acknowledged at its
 * COMMIT, and then applied to memory that is as large as the guest's. Ends when it is
 * killed; what it says are the sums of each guest.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kemari.h"

/* Of a guest: 64 GiB. */
#define MEMORY_MAX 0x1000000000ULL

/* A transaction that is under way. */
struct batch {
	struct batch *next;
	uint32_t count;
	uint64_t at[KEMARI_PAGES_MAX];
	uint8_t pages[KEMARI_PAGES_MAX][KEMARI_PAGE];
};

/* Small messages come together. */
#define BUFFER 65536

struct guest {
	int fd;
	/* What was received, and wasn't looked at. */
	uint8_t buffer[BUFFER];
	size_t at, end_of_buffer;
	uint8_t *memory;
	uint64_t end;
	/* Those that were filled, and those to fill next time. */
	struct batch *first, **last, *free;
	uint8_t *state;
	uint32_t state_len;
	uint64_t transactions, pages;
};

static void die(const char *what)
{
	fprintf(stderr, "kemari_receiver: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* As much as there is. */
static bool fill(struct guest *guest)
{
	ssize_t got = recv(guest->fd, guest->buffer, BUFFER, 0);

	guest->at = 0;
	guest->end_of_buffer = got > 0 ? got : 0;
	return got > 0;
}

/* Pages go past the buffer, but for what is in it already. */
static bool take(struct guest *guest, void *data, size_t len)
{
	size_t part;

	while (len) {
		part = guest->end_of_buffer - guest->at;
		if (part > len)
			part = len;
		memcpy(data, guest->buffer + guest->at, part);
		guest->at += part;
		data = (char *)data + part;
		len -= part;
		if (len >= BUFFER)
			return recv(guest->fd, data, len, MSG_WAITALL) == (ssize_t)len;
		if (len && !fill(guest))
			return false;
	}
	return true;
}

static struct batch *batch_of(struct guest *guest)
{
	struct batch *batch = guest->free;

	if (batch)
		guest->free = batch->next;
	else
		batch = malloc(sizeof(*batch));
	if (!batch)
		die("memory");
	batch->next = NULL;
	*guest->last = batch;
	guest->last = &batch->next;
	return batch;
}

static bool take_pages(struct guest *guest, uint32_t count)
{
	struct batch *batch;
	uint32_t i;

	if (count > KEMARI_PAGES_MAX)
		return false;
	batch = batch_of(guest);
	batch->count = count;
	if (!take(guest, batch->at, count * sizeof(batch->at[0])) ||
	    !take(guest, batch->pages, (size_t)count * KEMARI_PAGE))
		return false;
	for (i = 0; i < count; i++) {
		if (batch->at[i] % KEMARI_PAGE || batch->at[i] >= guest->end)
			return false;
	}
	return true;
}

static bool take_state(struct guest *guest, uint32_t count)
{
	if (count > KEMARI_STATE_MAX)
		return false;
	guest->state_len = count;
	return take(guest, guest->state, count);
}

static void apply(struct guest *guest)
{
	struct batch *batch = guest->first;
	uint32_t i;

	for (; batch; batch = batch->next) {
		for (i = 0; i < batch->count; i++)
			memcpy(guest->memory + batch->at[i], batch->pages[i], KEMARI_PAGE);
		guest->pages += batch->count;
	}
	*guest->last = guest->free;
	guest->free = guest->first;
	guest->first = NULL;
	guest->last = &guest->first;
	guest->transactions++;
}

static bool commit(struct guest *guest, uint64_t at)
{
	struct kemari_head ack = { .magic = KEMARI_MAGIC, .kind = KEMARI_ACK, .at = at };

	if (send(guest->fd, &ack, sizeof(ack), MSG_NOSIGNAL) != sizeof(ack))
		return false;
	apply(guest);
	return true;
}

static bool greet(struct guest *guest, uint64_t end)
{
	if (guest->memory || !end || end > MEMORY_MAX)
		return false;
	guest->end = end;
	guest->memory = mmap(NULL, end, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (guest->memory == MAP_FAILED)
		die("memory of the guest");
	return true;
}

static bool take_message(struct guest *guest)
{
	struct kemari_head head;

	if (!take(guest, &head, sizeof(head)) || head.magic != KEMARI_MAGIC)
		return false;
	if (head.kind == KEMARI_HELLO)
		return greet(guest, head.at);
	if (!guest->memory)
		return false;
	switch (head.kind) {
	case KEMARI_BEGIN:
		return true;
	case KEMARI_CONTINUE:
		return take_pages(guest, head.count);
	case KEMARI_STATE:
		return take_state(guest, head.count);
	case KEMARI_COMMIT:
		return commit(guest, head.at);
	}
	return false;
}

static void serve(int fd)
{
	static struct guest guest;
	struct batch *batch;
	int on = 1;

	guest = (struct guest){ .fd = fd, .state = malloc(KEMARI_STATE_MAX) };
	if (!guest.state)
		die("memory");
	guest.last = &guest.first;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while (take_message(&guest))
		;
	printf("%llu transactions, %llu pages\n", (unsigned long long)guest.transactions,
	       (unsigned long long)guest.pages);
	fflush(stdout);
	*guest.last = guest.free;
	while ((batch = guest.first)) {
		guest.first = batch->next;
		free(batch);
	}
	if (guest.memory)
		munmap(guest.memory, guest.end);
	free(guest.state);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, fd;

	if (argc != 2) {
		fprintf(stderr, "kemari_receiver PORT\n");
		return 2;
	}
	address.sin_port = htons(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		die("the port");
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			die("accept");
		serve(fd);
	}
}
