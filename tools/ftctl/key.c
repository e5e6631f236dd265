// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ftctl.h"
#include "key.h"

#define DIGITS (2 * KVMFT_KEY_LEN)

/* The digits of a new key, and a newline. False with errno. */
static bool make_text(char text[DIGITS + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t key[KVMFT_KEY_LEN];
	ssize_t len;
	int i;

	/* So few bytes come at once or not at all. */
	do {
		len = getrandom(key, sizeof(key), 0);
	} while (len == -1 && errno == EINTR);
	if (len == -1)
		return false;

	for (i = 0; i < KVMFT_KEY_LEN; i++) {
		text[2 * i] = digits[key[i] >> 4];
		text[2 * i + 1] = digits[key[i] & 0xf];
	}
	text[DIGITS] = '\n';
	explicit_bzero(key, sizeof(key));
	return true;
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t done = write(fd, text, len);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return false;
		text += done;
		len -= done;
	}
	return true;
}

/* A new key into a new file, onto the disk. False with errno. */
static bool fill(int fd)
{
	char text[DIGITS + 1];
	bool ok;

	/* The umask may have taken from the mode what the owner needs. */
	ok = make_text(text) && !fchmod(fd, 0600) &&
	     write_all(fd, text, sizeof(text)) && !fsync(fd);
	explicit_bzero(text, sizeof(text));
	return ok;
}

static int open_directory_of(const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int fd, err;

	*name = slash ? slash + 1 : path;
	if (!slash)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* With the slash, so that "/" remains of "/name". */
	directory = strndup(path, *name - path);
	if (!directory)
		return -1;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = errno;
	free(directory);
	errno = err;
	return fd;
}

/**
 * key_create() - make a key
 * @path: the file for it, which must not exist
 *
 * Return: true when it is on the disk; false, and no file, after a complaint
 */
bool key_create(const char *path)
{
	const char *name;
	bool ok = false;
	int dir, fd;

	/* Where a file may be only so long, writing is to fail, not to kill. */
	signal(SIGXFSZ, SIG_IGN);

	dir = open_directory_of(path, &name);
	if (dir == -1) {
		complain("can't open the directory of '%s': %s", path,
			 strerror(errno));
		return false;
	}

	fd = openat(dir, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1) {
		if (errno == EEXIST)
			complain("'%s' exists and is kept; remove it or choose another name",
				 path);
		else
			complain("can't create '%s': %s", path, strerror(errno));
		goto out;
	}

	ok = fill(fd) && !fsync(dir);
	if (!ok) {
		complain("can't write the key to '%s': %s", path,
			 strerror(errno));
		unlinkat(dir, name, 0);
	}
	close(fd);
out:
	close(dir);
	return ok;
}

/* Whether nobody but root and the caller can know what is in the key file. */
static bool is_secret(const char *path, int fd)
{
	struct stat st;

	if (fstat(fd, &st)) {
		complain("can't look at the key file '%s': %s", path,
			 strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		complain("the key file '%s' is no regular file", path);
	} else if (st.st_uid && st.st_uid != geteuid()) {
		complain("the key file '%s' belongs to user %u; it has to belong to root or to you",
			 path, st.st_uid);
	} else if (st.st_mode & 077) {
		complain("others may use the key file '%s', its mode is %04o; do: chmod 600 %s",
			 path, st.st_mode & 07777, path);
	} else {
		return true;
	}
	return false;
}

/* Up to @size bytes; -1 with errno. */
static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t done = read(fd, text + len, size - len);

		if (done == -1 && errno == EINTR)
			continue;
		if (done == -1)
			return -1;
		if (!done)
			break;
		len += done;
	}
	return len;
}

static unsigned int digit_value(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0' :
	       tolower((unsigned char)digit) - 'a' + 10;
}

/* The key from what is in the file, of which the first bytes are @text. */
static bool decode(const char *path, const char *text, size_t len,
		   uint8_t key[KVMFT_KEY_LEN])
{
	size_t i;

	if (len > DIGITS && text[DIGITS] != '\n') {
		complain("the key file '%s' has more than %d hexadecimal digits in its first line",
			 path, DIGITS);
		return false;
	}
	if (len > DIGITS + 1) {
		complain("the key file '%s' has something behind its first line",
			 path);
		return false;
	}
	if (len && text[len - 1] == '\n')
		len--;

	for (i = 0; i < len; i++) {
		if (!isxdigit((unsigned char)text[i])) {
			complain("character %zu of the key file '%s' is no hexadecimal digit",
				 i + 1, path);
			return false;
		}
	}
	if (len != DIGITS) {
		complain("the key file '%s' has %zu hexadecimal digits instead of %d",
			 path, len, DIGITS);
		return false;
	}

	for (i = 0; i < KVMFT_KEY_LEN; i++)
		key[i] = digit_value(text[2 * i]) << 4 |
			 digit_value(text[2 * i + 1]);
	return true;
}

/**
 * key_read() - read a key
 * @path: the file that it is in
 * @key: gets it
 *
 * Return: true, or false after a complaint
 */
bool key_read(const char *path, uint8_t key[KVMFT_KEY_LEN])
{
	char text[DIGITS + 2];
	bool ok = false;
	ssize_t len;
	int fd;

	/* A FIFO or a terminal is refused, and must not make us wait before. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		complain("can't open the key file '%s': %s", path,
			 strerror(errno));
		return false;
	}

	if (is_secret(path, fd)) {
		len = read_all(fd, text, sizeof(text));
		if (len == -1)
			complain("can't read the key file '%s': %s", path,
				 strerror(errno));
		else
			ok = decode(path, text, len, key);
		explicit_bzero(text, sizeof(text));
	}

	close(fd);
	return ok;
}
