// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host
 *
 * /dev/kvmft is what uapi.rst says: root's, with one ioctl, and the module stays
 * for as long as anybody has it open, however he came by it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <linux/kvmft.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define DEVICE "/dev/kvmft"
#define MISC_MAJOR 10
#define NOBODY 65534
#define I386_IOCTL 54

static bool is_loaded(void)
{
	return !access("/sys/module/kvmft", F_OK);
}

static int load(void)
{
	const char *path = getenv("KVMFT_KO_SHIPPED");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	int err;

	if (fd < 0)
		return -ENOENT;
	err = syscall(SYS_finit_module, fd, "", 0) ? -errno : 0;
	close(fd);
	return err;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "kvmft", O_NONBLOCK) ? -errno : 0;
}

/*
 * What the kernel says when a module can't be unloaded since somebody uses it.
 * EBUSY is something else: a module that still initializes, or that has no exit.
 */
#define IN_USE (-EWOULDBLOCK)

/* A process that has something open, until it is let go. */
struct holder {
	pid_t pid;
	int leash;
};

/* What this is inherited by goes on until there is an end of file on 0. */
static void wait_for_end_of_input(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static int let_go(struct holder *holder)
{
	int status;

	close(holder->leash);
	if (waitpid(holder->pid, &status, 0) != holder->pid)
		return -1;
	return status;
}

/* A child, with a pipe of ours as its standard input; as fork() in the child. */
static pid_t start_holder(struct holder *holder)
{
	int leash[2];

	if (pipe2(leash, O_CLOEXEC))
		return -1;
	holder->pid = fork();
	holder->leash = leash[1];
	if (!holder->pid)
		dup2(leash[0], STDIN_FILENO);
	close(leash[0]);
	if (!holder->pid)
		close(leash[1]);
	return holder->pid;
}

/* Becomes another program, which keeps what isn't O_CLOEXEC. */
static int start_program(struct holder *holder)
{
	int done[2];
	char c;
	pid_t pid;

	/* Closed by the exec; a byte in it says that there was none. */
	if (pipe2(done, O_CLOEXEC))
		return -1;
	pid = start_holder(holder);
	if (!pid) {
		execlp("cat", "cat", NULL);
		_exit(write(done[1], "!", 1));
	}
	close(done[1]);
	if (pid < 0 || read(done[0], &c, 1))
		return -1;
	close(done[0]);
	return 0;
}

static int send_fd(int socket, int fd)
{
	char control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { .iov_base = "!", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static int receive_fd(int socket)
{
	int fd = -1;
	char c, control[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(socket, &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* What open(2) as somebody who isn't root fails with; 0 if it doesn't. */
static int open_as_nobody(int flags)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(NOBODY, NOBODY, NOBODY))
			_exit(255);
		_exit(open(DEVICE, flags) < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* ioctl(2) by the door for 32-bit programs: the result, or a negative errno. */
static int ioctl_of_32_bits(int fd, unsigned int command, unsigned int argument)
{
	int result;

	asm volatile("int $0x80"
		     : "=a" (result)
		     : "a" (I386_IOCTL), "b" (fd), "c" (command), "d" (argument)
		     : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static void give_up(int signal)
{
	(void)signal;
	_exit(1);
}

/*
 * A kernel that runs no 32-bit programs has no such door: there int 0x80 is a
 * fault, which it would write into its log if nobody caught it.
 */
static bool has_door_for_32_bits(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, give_up);
		_exit(ioctl_of_32_bits(-1, 0, 0) == -EBADF ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

FIXTURE(device)
{
	int fd;
};

FIXTURE_SETUP(device)
{
	if (!is_loaded())
		ASSERT_EQ(0, load());
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(device)
{
	if (self->fd >= 0)
		close(self->fd);
	if (!is_loaded())
		EXPECT_EQ(0, load());
}

TEST_F(device, is_a_character_device_of_root)
{
	unsigned int major, minor;
	struct stat st;
	FILE *file;

	ASSERT_EQ(0, stat(DEVICE, &st));
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(0, st.st_gid);

	file = fopen("/sys/class/misc/kvmft/dev", "r");
	ASSERT_NE(NULL, file);
	EXPECT_EQ(2, fscanf(file, "%u:%u", &major, &minor));
	fclose(file);
	EXPECT_EQ(MISC_MAJOR, major);
	EXPECT_EQ(makedev(major, minor), st.st_rdev);
}

TEST_F(device, opens_for_root_alone)
{
	EXPECT_EQ(EACCES, open_as_nobody(O_RDWR));
	EXPECT_EQ(EACCES, open_as_nobody(O_RDONLY));
	EXPECT_EQ(EACCES, open_as_nobody(O_WRONLY));
}

TEST_F(device, tells_its_api_version)
{
	EXPECT_EQ(KVMFT_API_VERSION, ioctl(self->fd, KVMFT_GET_API_VERSION, 0));
}

TEST_F(device, tells_it_whatever_it_was_opened_for)
{
	int fd = open(DEVICE, O_RDONLY);

	EXPECT_EQ(KVMFT_API_VERSION, ioctl(fd, KVMFT_GET_API_VERSION, 0));
	close(fd);
	fd = open(DEVICE, O_WRONLY);
	EXPECT_EQ(KVMFT_API_VERSION, ioctl(fd, KVMFT_GET_API_VERSION, 0));
	close(fd);
}

TEST_F(device, refuses_an_argument_to_the_api_version)
{
	static const unsigned long arguments[] = { 1, 1UL << 31, 1UL << 32, ~0UL };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arguments); i++) {
		errno = 0;
		EXPECT_EQ(-1, ioctl(self->fd, KVMFT_GET_API_VERSION, arguments[i]));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(-1, ioctl(self->fd, KVMFT_GET_API_VERSION, &i));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(device, does_not_know_any_other_ioctl)
{
	static const unsigned int commands[] = {
		_IO(KVMFT_IOC_MAGIC, 0x01),
		_IO(KVMFT_IOC_MAGIC, 0xff),
		_IOR(KVMFT_IOC_MAGIC, 0x00, int),
		_IOW(KVMFT_IOC_MAGIC, 0x00, int),
		_IOWR(KVMFT_IOC_MAGIC, 0x00, int),
		_IOR(KVMFT_IOC_MAGIC, 0x01, long),
		KVM_GET_API_VERSION,
		KVM_CREATE_VM,
		0,
		~0U,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		errno = 0;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i], 0))
			TH_LOG("ioctl %#x", commands[i]);
		EXPECT_EQ(ENOTTY, errno)
			TH_LOG("ioctl %#x", commands[i]);
	}
}

TEST_F(device, serves_32_bit_programs)
{
	if (!has_door_for_32_bits())
		SKIP(return, "this kernel runs no 32-bit programs");

	EXPECT_EQ(KVMFT_API_VERSION, ioctl_of_32_bits(self->fd, KVMFT_GET_API_VERSION, 0));
	EXPECT_EQ(-EINVAL, ioctl_of_32_bits(self->fd, KVMFT_GET_API_VERSION, 1));
	EXPECT_EQ(-ENOTTY, ioctl_of_32_bits(self->fd, _IO(KVMFT_IOC_MAGIC, 0x01), 0));
}

TEST_F(device, cannot_be_read_written_sought_or_mapped)
{
	char c = 0;

	EXPECT_EQ(-1, read(self->fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(-1, write(self->fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	errno = 0;
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(ENXIO, errno);
	errno = 0;
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(device, keeps_the_module_while_it_is_open)
{
	EXPECT_EQ(IN_USE, unload());
	EXPECT_EQ(0, access(DEVICE, F_OK));
	EXPECT_EQ(KVMFT_API_VERSION, ioctl(self->fd, KVMFT_GET_API_VERSION, 0));

	close(self->fd);
	self->fd = -1;
	ASSERT_EQ(0, unload());
	EXPECT_FALSE(is_loaded());
	EXPECT_EQ(-1, access(DEVICE, F_OK));
	EXPECT_EQ(ENOENT, errno);

	ASSERT_EQ(0, load());
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(KVMFT_API_VERSION, ioctl(self->fd, KVMFT_GET_API_VERSION, 0));
}

TEST_F(device, keeps_the_module_for_each_time_it_is_open)
{
	int second = open(DEVICE, O_RDWR);
	int copy = dup(self->fd);

	ASSERT_LE(0, second);
	ASSERT_LE(0, copy);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(IN_USE, unload());
	close(second);
	EXPECT_EQ(IN_USE, unload());
	close(copy);
	EXPECT_EQ(0, unload());
}

TEST_F(device, keeps_the_module_for_a_forked_child)
{
	struct holder child;

	if (!start_holder(&child)) {
		wait_for_end_of_input();
		_exit(ioctl(self->fd, KVMFT_GET_API_VERSION, 0) != KVMFT_API_VERSION);
	}
	ASSERT_LT(0, child.pid);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(IN_USE, unload());
	EXPECT_EQ(0, let_go(&child));
	EXPECT_EQ(0, unload());
}

TEST_F(device, keeps_the_module_for_another_program)
{
	struct holder program;
	char link[64], name[64] = { 0 };

	ASSERT_EQ(0, start_program(&program));
	snprintf(link, sizeof(link), "/proc/%d/fd/%d", program.pid, self->fd);
	EXPECT_LT(0, readlink(link, name, sizeof(name) - 1));
	EXPECT_STREQ(DEVICE, name);
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(IN_USE, unload());
	EXPECT_EQ(0, let_go(&program));
	EXPECT_EQ(0, unload());
}

TEST_F(device, does_not_reach_another_program_if_told_so)
{
	struct holder program;

	ASSERT_EQ(0, fcntl(self->fd, F_SETFD, FD_CLOEXEC));
	ASSERT_EQ(0, start_program(&program));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, let_go(&program));
}

TEST_F(device, keeps_the_module_while_it_is_passed_on)
{
	struct holder child;
	int sockets[2], sent[2], fd;
	char c;

	/* The child says on the second pair that it has it. */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sent));
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(IN_USE, unload())
		TH_LOG("on its way, in nobody's hands");

	if (!start_holder(&child)) {
		fd = receive_fd(sockets[1]);
		if (fd < 0 || write(sent[1], "!", 1) != 1)
			_exit(1);
		wait_for_end_of_input();
		_exit(ioctl(fd, KVMFT_GET_API_VERSION, 0) != KVMFT_API_VERSION);
	}
	ASSERT_LT(0, child.pid);
	EXPECT_EQ(1, read(sent[0], &c, 1));
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(IN_USE, unload())
		TH_LOG("in the receiver's hands");
	EXPECT_EQ(0, let_go(&child));
	EXPECT_EQ(0, unload());
}

TEST_F(device, is_dropped_with_the_socket_it_is_under_way_in)
{
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
	ASSERT_EQ(0, send_fd(sockets[0], self->fd));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(IN_USE, unload());
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(0, unload());
}

TEST_F(device, is_of_a_module_that_holds_kvm)
{
	EXPECT_EQ(0, access("/sys/module/kvm/holders/kvmft", F_OK));
}

TEST_HARNESS_MAIN
