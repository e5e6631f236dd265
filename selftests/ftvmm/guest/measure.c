// SPDX-License-Identifier: GPL-2.0
/*
 * measure - how long a test guest takes for what guests do. Prints "measure: NS", for each one.
 *
 *	measure write FILE KIB COUNT	so many records of so much, through the page cache
 *	measure sync FILE KIB COUNT	the same, and each is on the disk before the next one
 *	measure mixed DEVICE FIRST COUNT
 *					blocks at random, 7 read for 3 written, past the cache
 *	measure fork COUNT		a process comes and goes
 *	measure exec COUNT		and is another program meanwhile
 *	measure sh COUNT		and that is a shell
 *	measure switch COUNT		a byte to another process and back
 *	measure fault COUNT		a page of memory that is touched first
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024UL
#define BLOCK 4096UL
/* Blocks that "mixed" is about. */
#define PLACES 4096

#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))

static uint64_t began;

ATTRIBUTE(noreturn)
static void fail(const char *what)
{
	printf("measure: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

static void begin(void)
{
	began = now();
}

static void end(long count)
{
	printf("measure: %llu\n", (unsigned long long)((now() - began) / count));
}

static void *aligned(size_t len)
{
	void *at;

	if (posix_memalign(&at, BLOCK, len))
		fail("no memory");
	memset(at, 'm', len);
	return at;
}

static void do_write(const char *path, size_t len, long count, int flags)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | flags, 0600);
	void *record = aligned(len);
	long n;

	if (file < 0)
		fail(path);
	begin();
	for (n = 0; n < count; n++) {
		if (write(file, record, len) != (ssize_t)len)
			fail("write");
	}
	end(count);
	if (fsync(file))
		fail("fsync");
}

static void do_mixed(const char *path, uint64_t first, long count)
{
	int disk = open(path, O_RDWR | O_DIRECT);
	void *block = aligned(BLOCK);
	off_t at;
	long n;

	if (disk < 0)
		fail(path);
	srandom(1);
	begin();
	for (n = 0; n < count; n++) {
		at = (first + random() % PLACES) * BLOCK;
		if ((random() % 10 < 7 ? pread(disk, block, BLOCK, at) :
		     pwrite(disk, block, BLOCK, at)) != (ssize_t)BLOCK)
			fail("a block");
	}
	end(count);
}

static void do_processes(long count, char *const *argv)
{
	int status;
	pid_t child;
	long n;

	begin();
	for (n = 0; n < count; n++) {
		child = fork();
		if (child < 0)
			fail("fork");
		if (!child) {
			if (argv)
				execv(argv[0], argv);
			_exit(argv ? 1 : 0);
		}
		if (waitpid(child, &status, 0) != child || status)
			fail("a process");
	}
	end(count);
}

/* What comes from one goes to the other. */
static void pass_on(int from, int to)
{
	char byte;

	while (read(from, &byte, 1) == 1 && write(to, &byte, 1) == 1)
		;
}

static void do_switch(long count)
{
	int there[2], back[2];
	char byte = 0;
	pid_t child;
	long n;

	if (pipe(there) || pipe(back))
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		close(there[1]);
		pass_on(there[0], back[1]);
		_exit(0);
	}
	begin();
	for (n = 0; n < count; n++) {
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("a byte");
	}
	end(count);
	close(there[1]);
	waitpid(child, NULL, 0);
}

static void do_fault(long count)
{
	char *memory = mmap(NULL, count * BLOCK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long n;

	if (memory == MAP_FAILED)
		fail("mmap");
	madvise(memory, count * BLOCK, MADV_NOHUGEPAGE);
	begin();
	for (n = 0; n < count; n++)
		memory[n * BLOCK] = 1;
	end(count);
}

static bool do_simple(const char *what, long count)
{
	static char *const nothing[] = { "/bin/true", NULL };
	static char *const shell[] = { "/bin/sh", "-c", ":", NULL };

	if (!strcmp(what, "fork"))
		do_processes(count, NULL);
	else if (!strcmp(what, "exec"))
		do_processes(count, nothing);
	else if (!strcmp(what, "sh"))
		do_processes(count, shell);
	else if (!strcmp(what, "switch"))
		do_switch(count);
	else if (!strcmp(what, "fault"))
		do_fault(count);
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	long count = argc > 2 ? atol(argv[argc - 1]) : 0;

	if (count > 0 && argc == 3 && do_simple(argv[1], count))
		return 0;
	if (count > 0 && argc == 5 && !strcmp(argv[1], "write"))
		do_write(argv[2], atol(argv[3]) * KIB, count, 0);
	else if (count > 0 && argc == 5 && !strcmp(argv[1], "sync"))
		do_write(argv[2], atol(argv[3]) * KIB, count, O_SYNC);
	else if (count > 0 && argc == 5 && !strcmp(argv[1], "mixed"))
		do_mixed(argv[2], strtoull(argv[3], NULL, 0), count);
	else
		return 2;
	return 0;
}
