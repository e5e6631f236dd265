/* SPDX-License-Identifier: GPL-2.0 */
/*
 * frame: what the lab and the agent of a host say to each other.
 *
 * One connection carries one command.  Both sides send frames of
 *
 *	u8 type; u8 zero[3]; le32 length; payload
 *
 * The lab sends RUN first, then STDIN (a length of 0 ends it) and WINSIZE; the
 * agent sends STDOUT and STDERR as they come and EXIT last.  RUN holds le16
 * flags, rows and columns, then NUL-terminated strings: the directory, the
 * environment ended by an empty string, the arguments.
 */
#ifndef LAB_FRAME_H
#define LAB_FRAME_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#define MAX_FRAME	0x100000

enum frame_type {
	FRAME_RUN = 'R',
	FRAME_STDIN = 'I',
	FRAME_WINSIZE = 'W',
	FRAME_STDOUT = 'O',
	FRAME_STDERR = 'E',
	FRAME_EXIT = 'X',
};

struct frame {
	uint8_t type;
	uint8_t zero[3];
	uint32_t len;
};

static inline int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

static inline int send_frame(int sock, enum frame_type type, const void *buf, uint32_t len)
{
	struct frame f = { .type = type, .len = len };

	if (write_all(sock, &f, sizeof(f)))
		return -1;
	return len ? write_all(sock, buf, len) : 0;
}

#endif /* LAB_FRAME_H */
