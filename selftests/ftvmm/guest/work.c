// SPDX-License-Identifier: GPL-2.0
/*
 * work - what a test guest is kept busy with.
 *
 *	work burst DEVICE FIRST COUNT	so many writes, handed over at one go
 *	work verify DEVICE FIRST SEED ROUNDS
 *					reads and writes, several at a time, of anything
 *					from a block to 64 KiB; each read is compared with
 *					what was written there last
 *	work echo PORT			each UDP packet goes back where it came from
 *
 * The first two from block FIRST of the device on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK 4096UL
#define COUNT_MAX 256
#define DEPTH 8
#define BLOCKS_MAX 16		/* of one request */
#define PLACES 1024		/* blocks that are worked on */

#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))

static aio_context_t context;
static int disk;
static uint64_t first;

ATTRIBUTE(noreturn)
static void fail(const char *what)
{
	printf("work: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *aligned(size_t len)
{
	void *at;

	if (posix_memalign(&at, BLOCK, len))
		fail("no memory");
	return at;
}

static void begin(const char *path, const char *block)
{
	first = strtoull(block, NULL, 0);
	disk = open(path, O_RDWR | O_DIRECT);
	if (disk < 0)
		fail(path);
	if (syscall(SYS_io_setup, COUNT_MAX, &context))
		fail("io_setup");
}

static void submit(struct iocb **list, long count)
{
	if (syscall(SYS_io_submit, context, count, list) != count)
		fail("io_submit");
}

static void wait_for(long count)
{
	struct io_event events[COUNT_MAX];
	long i;

	if (syscall(SYS_io_getevents, context, count, COUNT_MAX, events, NULL) != count)
		fail("io_getevents");
	for (i = 0; i < count; i++) {
		const struct iocb *iocb = (void *)(uintptr_t)events[i].obj;

		errno = events[i].res < 0 ? -events[i].res : EIO;
		if ((uint64_t)events[i].res != iocb->aio_nbytes)
			fail("a request");
	}
}

static void set(struct iocb *iocb, int how, void *data, uint64_t block, uint64_t blocks)
{
	*iocb = (struct iocb){
		.aio_lio_opcode = how,
		.aio_fildes = disk,
		.aio_buf = (uintptr_t)data,
		.aio_nbytes = blocks * BLOCK,
		.aio_offset = (first + block) * BLOCK,
	};
}

/* Every other block, so that they don't become one request. */
static void do_burst(long count)
{
	static struct iocb iocbs[COUNT_MAX], *list[COUNT_MAX];
	char *data = aligned(BLOCK);
	long i;

	memset(data, 'b', BLOCK);
	for (i = 0; i < count; i++) {
		set(&iocbs[i], IOCB_CMD_PWRITE, data, 2 * i, 1);
		list[i] = &iocbs[i];
	}
	submit(list, count);
	wait_for(count);
	printf("work: burst ok\n");
}

/* What a block holds after its Nth write. */
static void fill(uint64_t *data, uint64_t place, uint32_t version)
{
	uint64_t value = (place << 32 | version) * 0x9e3779b97f4a7c15ULL;
	size_t i;

	for (i = 0; i < BLOCK / sizeof(*data); i++)
		data[i] = value += 0x632be59bd9b4e019ULL;
}

static void do_verify(unsigned int seed, long rounds)
{
	static struct iocb iocbs[DEPTH], *list[DEPTH];
	static uint32_t versions[PLACES];
	uint64_t *buffers[DEPTH], *wanted = aligned(BLOCK), at[DEPTH], count[DEPTH];
	int writes[DEPTH];
	long round;
	uint64_t n;
	int i;

	srandom(seed);
	for (i = 0; i < DEPTH; i++)
		buffers[i] = aligned(BLOCKS_MAX * BLOCK);
	for (round = 0; round < rounds; round++) {
		/* Each in a part of its own: what overlaps has no order. */
		for (i = 0; i < DEPTH; i++) {
			at[i] = (uint64_t)i * (PLACES / DEPTH) +
				random() % (PLACES / DEPTH - BLOCKS_MAX);
			count[i] = 1 + random() % BLOCKS_MAX;
			writes[i] = round == 0 || random() % 3 == 0;
			for (n = 0; n < count[i] && writes[i]; n++)
				fill(buffers[i] + n * BLOCK / 8, at[i] + n, ++versions[at[i] + n]);
			set(&iocbs[i], writes[i] ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, buffers[i],
			    at[i], count[i]);
			list[i] = &iocbs[i];
		}
		submit(list, DEPTH);
		wait_for(DEPTH);
		for (i = 0; i < DEPTH; i++) {
			for (n = 0; n < count[i] && !writes[i]; n++) {
				fill(wanted, at[i] + n, versions[at[i] + n]);
				if (versions[at[i] + n] &&
				    memcmp(buffers[i] + n * BLOCK / 8, wanted, BLOCK)) {
					printf("work: block %llu is WRONG in round %ld\n",
					       (unsigned long long)(at[i] + n), round);
					exit(1);
				}
			}
		}
		if (round % 16 == 0 && fsync(disk))
			fail("fsync");
	}
	printf("work: verify ok\n");
}

ATTRIBUTE(noreturn)
static void do_echo(unsigned int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	char packet[2048];

	if (sock < 0 || bind(sock, (struct sockaddr *)&address, sizeof(address)))
		fail("no socket");
	for (;;) {
		socklen_t len = sizeof(address);
		ssize_t n = recvfrom(sock, packet, sizeof(packet), 0,
				     (struct sockaddr *)&address, &len);

		if (n >= 0)
			sendto(sock, packet, n, 0, (struct sockaddr *)&address, len);
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "burst") && atol(argv[4]) <= COUNT_MAX) {
		begin(argv[2], argv[3]);
		do_burst(atol(argv[4]));
	} else if (argc == 6 && !strcmp(argv[1], "verify")) {
		begin(argv[2], argv[3]);
		do_verify(strtoul(argv[4], NULL, 0), atol(argv[5]));
	} else if (argc == 3 && !strcmp(argv[1], "echo")) {
		do_echo(atol(argv[2]));
	} else {
		return 2;
	}
	return 0;
}
