// SPDX-License-Identifier: GPL-2.0
/*
 * agent - process 1 of a lab host: runs commands for the lab over TCP.
 *
 * One connection carries one command; see frame.h for what is said.
 *
 * A lab that hangs up takes the command's process group with it (not what left
 * the group, so the test runner starts a host afresh after a test that hung).  A
 * command that ends normally may leave daemons, as with a login shell.
 *
 * Tests look at files of /sys and /proc all the time, so a plain `cat` of one of them
 * needs no process.
 *
 * The host's serial console gets a shell too, as soon as somebody types: the
 * way in when the network of the host is what broke.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "frame.h"

#define AGENT_PORT	7
#define MAX_STRINGS	4096
#define DRAIN_READS	20
#define HANG_UP_MS	10000

struct command {
	int tty;
	struct winsize size;
	char *dir;
	char **env;
	char **argv;
};

/* What flows between the lab's connection and the running command. */
struct session {
	int sock;
	int in, out, err;	/* ends of the command's pipes; -1 once closed */
	int pidfd;
	pid_t pid;
	char *pending;		/* stdin that the command hasn't taken yet */
	size_t pending_len;
};

static int read_all(int fd, void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		len -= n;
	}
	return 0;
}

/* Reads one frame; the payload gets a NUL behind it.  The caller frees it. */
static char *recv_frame(int sock, struct frame *f)
{
	char *buf;

	if (read_all(sock, f, sizeof(*f)) || f->len > MAX_FRAME)
		return NULL;
	buf = malloc(f->len + 1);
	if (!buf)
		return NULL;
	if (read_all(sock, buf, f->len)) {
		free(buf);
		return NULL;
	}
	buf[f->len] = '\0';
	return buf;
}

static int parse_command(char *buf, uint32_t len, struct command *cmd)
{
	static char *strings[MAX_STRINGS + 1];
	char *p = buf + 6, *end = buf + len;
	uint16_t head[3];
	size_t n = 0;

	if (len < sizeof(head))
		return -1;
	memcpy(head, buf, sizeof(head));
	cmd->tty = head[0] & 1;
	cmd->size.ws_row = head[1];
	cmd->size.ws_col = head[2];
	if (p >= end)
		return -1;
	cmd->dir = p;
	p += strlen(p) + 1;
	cmd->env = strings;
	while (p < end && *p && n < MAX_STRINGS) {
		strings[n++] = p;
		p += strlen(p) + 1;
	}
	if (p >= end || *p || n == MAX_STRINGS)
		return -1;
	strings[n++] = NULL;
	p++;
	cmd->argv = strings + n;
	while (p < end && n < MAX_STRINGS) {
		strings[n++] = p;
		p += strlen(p) + 1;
	}
	strings[n] = NULL;
	return cmd->argv[0] && p >= end ? 0 : -1;
}

static void reset_signals(void)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void exec_command(const struct command *cmd)
{
	reset_signals();
	environ = cmd->env;	/* where execvp() looks for PATH */
	if (chdir(cmd->dir))
		fprintf(stderr, "lab: no directory %s in this host: %s\n", cmd->dir,
			strerror(errno));
	else
		execvp(cmd->argv[0], cmd->argv);
	fprintf(stderr, "lab: %s: %s\n", cmd->argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static int start_on_tty(const struct command *cmd, struct session *s)
{
	int master;

	s->pid = forkpty(&master, NULL, NULL, &cmd->size);
	if (s->pid < 0)
		return -1;
	if (!s->pid)
		exec_command(cmd);
	s->in = master;
	s->out = dup(master);
	s->err = -1;
	return 0;
}

static int start_on_pipes(const struct command *cmd, struct session *s)
{
	int in[2], out[2], err[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -1;
	s->pid = fork();
	if (s->pid < 0)
		return -1;
	if (!s->pid) {
		setsid();
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		exec_command(cmd);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	s->in = in[1];
	s->out = out[0];
	s->err = err[0];
	return 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Moves what can be read now.  Returns -1 only if the lab has hung up. */
static int forward(struct session *s, int *fd, enum frame_type type)
{
	char buf[65536];
	ssize_t n = read(*fd, buf, sizeof(buf));

	if (n > 0)
		return send_frame(s->sock, type, buf, n);
	if (!n || (errno != EAGAIN && errno != EINTR))
		close_fd(fd);
	return 0;
}

static int take_frame(struct session *s)
{
	struct winsize size = { 0 };
	uint16_t dims[2];
	struct frame f;
	char *buf = recv_frame(s->sock, &f);

	if (!buf)
		return -1;
	if (f.type == FRAME_WINSIZE && f.len == sizeof(dims)) {
		memcpy(dims, buf, sizeof(dims));
		size.ws_row = dims[0];
		size.ws_col = dims[1];
		ioctl(s->in, TIOCSWINSZ, &size);
	} else if (f.type == FRAME_STDIN && !f.len) {
		close_fd(&s->in);
	} else if (f.type == FRAME_STDIN && s->in >= 0) {
		s->pending = buf;
		s->pending_len = f.len;
		return 0;
	}
	free(buf);
	return 0;
}

static void feed_command(struct session *s)
{
	ssize_t n = write(s->in, s->pending, s->pending_len);

	if (n > 0) {
		s->pending_len -= n;
		memmove(s->pending, s->pending + n, s->pending_len);
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		close_fd(&s->in);
		s->pending_len = 0;
	}
	if (!s->pending_len) {
		free(s->pending);
		s->pending = NULL;
	}
}

static void set_nonblock(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Returns 0 when the command has ended, -1 when the lab hung up first. */
static int relay(struct session *s)
{
	enum { SOCK, IN, OUT, ERR, CHILD, NFDS };
	struct pollfd p[NFDS];

	for (;;) {
		/* Further input waits in the socket while the command is busy. */
		p[SOCK] = (struct pollfd){ s->sock, POLLRDHUP | (s->pending ? 0 : POLLIN), 0 };
		p[IN] = (struct pollfd){ s->pending ? s->in : -1, POLLOUT, 0 };
		p[OUT] = (struct pollfd){ s->out, POLLIN, 0 };
		p[ERR] = (struct pollfd){ s->err, POLLIN, 0 };
		p[CHILD] = (struct pollfd){ s->pidfd, POLLIN, 0 };
		if (poll(p, NFDS, -1) < 0 && errno != EINTR)
			return -1;
		if (p[OUT].revents && forward(s, &s->out, FRAME_STDOUT))
			return -1;
		if (p[ERR].revents && forward(s, &s->err, FRAME_STDERR))
			return -1;
		if (p[IN].revents)
			feed_command(s);
		if (p[CHILD].revents)
			return 0;
		if (p[SOCK].revents & (POLLHUP | POLLERR | POLLRDHUP))
			return -1;
		if (p[SOCK].revents & POLLIN && take_frame(s))
			return -1;
	}
}

/*
 * What the command wrote last is still in its pipe, which holds no more than
 * DRAIN_READS reads take.  A daemon it left may go on writing: don't follow it.
 */
static void drain(struct session *s, int *fd, enum frame_type type)
{
	for (int i = 0; i < DRAIN_READS && *fd >= 0; i++) {
		struct pollfd p = { *fd, POLLIN, 0 };

		if (poll(&p, 1, 0) <= 0 || forward(s, fd, type))
			return;
	}
}

/*
 * A socket that is closed while something is unread in it, such as the end of the input,
 * resets its connection, and what wasn't sent by then is lost: the end of the output.
 */
static void hang_up(int sock)
{
	struct pollfd p = { sock, POLLIN, 0 };
	char unread[4096];

	shutdown(sock, SHUT_WR);
	while (poll(&p, 1, HANG_UP_MS) > 0 && read(sock, unread, sizeof(unread)) > 0)
		continue;
}

static int is_plain_cat(const struct command *cmd)
{
	char **argv = cmd->argv;

	return !cmd->tty && !strcmp(argv[0], "cat") && argv[1] && !argv[2] &&
	       (!strncmp(argv[1], "/sys/", 5) || !strncmp(argv[1], "/proc/", 6));
}

static int32_t plain_cat(int sock, const char *path)
{
	char buf[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	int len;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0)
		send_frame(sock, FRAME_STDOUT, buf, n);
	if (!n)
		return 0;
	len = snprintf(buf, sizeof(buf), "cat: %s: %s\n", path, strerror(errno));
	send_frame(sock, FRAME_STDERR, buf, len);
	return 1;
}

static void serve(int sock)
{
	struct session s = { .sock = sock, .in = -1, .out = -1, .err = -1 };
	struct command cmd;
	struct frame f;
	int32_t status = 0;
	char *buf;

	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	buf = recv_frame(sock, &f);
	if (!buf || f.type != FRAME_RUN || parse_command(buf, f.len, &cmd))
		return;
	if (is_plain_cat(&cmd)) {
		status = plain_cat(sock, cmd.argv[1]);
		goto over;
	}
	if (cmd.tty ? start_on_tty(&cmd, &s) : start_on_pipes(&cmd, &s)) {
		dprintf(sock, "cannot start: %s", strerror(errno));
		return;
	}
	s.pidfd = syscall(SYS_pidfd_open, s.pid, 0);
	set_nonblock(s.in);
	set_nonblock(s.out);
	set_nonblock(s.err);
	if (relay(&s)) {
		kill(-s.pid, SIGKILL);
		return;
	}
	waitpid(s.pid, &status, 0);
	drain(&s, &s.out, FRAME_STDOUT);
	drain(&s, &s.err, FRAME_STDERR);
	status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
over:
	send_frame(sock, FRAME_EXIT, &status, sizeof(status));
	hang_up(sock);
}

static void console_shell(void)
{
	int fd;

	reset_signals();
	setsid();
	fd = open("/dev/ttyS0", O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 1))
		_exit(1);
	poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1);
	tcflush(fd, TCIFLUSH);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	setenv("TERM", "linux", 1);
	execl("/bin/bash", "-bash", NULL);
	_exit(1);
}

static pid_t spawn_console(void)
{
	pid_t pid = fork();

	if (!pid)
		console_shell();
	return pid;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int one = 1, sock = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -1;
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(sock, (struct sockaddr *)&any, sizeof(any)) || listen(sock, 64))
		return -1;
	return sock;
}

/* One write(2), no stdio: /dev/kmsg can't seek, which dprintf() insists on. */
static void tell_kernel(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		write_all(fd, text, strlen(text));
		close(fd);
	}
}

/*
 * Keeps two VMs open for as long as the host runs, with an APIC that nobody enables and
 * without one. With the first VM that is made and the last that goes KVM rewrites an
 * instruction of the scheduler, with the first and the last vcpu of such a kind some of
 * its own; and TCG sometimes runs on with the breakpoint that stood there for a
 * moment: the host dies of it.
 */
static void hold_vm(int ready)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int with = ioctl(kvm, KVM_CREATE_VM, 0UL);
	int without = ioctl(kvm, KVM_CREATE_VM, 0UL);

	prctl(PR_SET_NAME, "hold-vm");
	if (with < 0 || without < 0 || ioctl(with, KVM_CREATE_IRQCHIP, 0UL) ||
	    ioctl(with, KVM_CREATE_VCPU, 0UL) < 0 || ioctl(without, KVM_CREATE_VCPU, 0UL) < 0)
		_exit(1);
	if (ready >= 0)
		close(ready);
	for (;;)
		pause();
}

/* Returns when it is held; without KVM, when that is known. */
static void begin_hold(void)
{
	int ends[2];
	char nothing;

	if (pipe2(ends, O_CLOEXEC))
		return;
	if (!fork()) {
		close(ends[0]);
		hold_vm(ends[1]);
	}
	close(ends[1]);
	while (read(ends[0], &nothing, 1) < 0 && errno == EINTR)
		;
	close(ends[0]);
}

/*
 * A kernel that patches its own code does so in steps, and makes sure that no processor is in
 * the middle of it; TCG may translate that middle all the same, and keep it. Most patches
 * are made while the kernel begins, and with the first VM: so only one processor runs by then.
 */
static void wake_cpus(void)
{
	char path[64];
	int cpu;

	for (cpu = 1; cpu < CPU_SETSIZE; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
		if (access(path, W_OK))
			break;
		tell_kernel(path, "1");
	}
}

/*
 * Under TCG any processor that restores its FPU writes to a word of the first processor's
 * that also holds its global interrupt flag and what else SVM has (cpu_clear_ignne() of
 * QEMU, without a lock). So guests on the first processor lose VM exits now and then: the
 * guest or the host dies of it, or the processor sleeps for ever. Therefore hosts have one
 * processor more than was asked for, and what runs in them stays off the first one.
 */
static void leave_first_cpu(void)
{
	cpu_set_t cpus;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return;
	CPU_CLR(0, &cpus);
	if (CPU_COUNT(&cpus))
		sched_setaffinity(0, sizeof(cpus), &cpus);
}

int main(int argc, char **argv)
{
	pid_t console;
	int sock;

	/* For tests that had to end the one that this host began with. */
	if (argc == 2 && !strcmp(argv[1], "hold-vm"))
		hold_vm(-1);

	signal(SIGPIPE, SIG_IGN);
	begin_hold();
	wake_cpus();
	leave_first_cpu();
	tell_kernel("/proc/self/oom_score_adj", "-1000");
	sock = listen_on(AGENT_PORT);
	if (sock < 0) {
		perror("lab: agent");
		return 1;
	}
	console = spawn_console();
	tell_kernel("/dev/kmsg", "<5>lab: ready\n");
	for (;;) {
		int one = 1, conn;
		pid_t pid;

		if (poll(&(struct pollfd){ sock, POLLIN, 0 }, 1, 200) > 0) {
			conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC);
			if (conn >= 0 && !fork()) {
				tell_kernel("/proc/self/oom_score_adj", "0");
				setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
				serve(conn);
				_exit(0);
			}
			if (conn >= 0)
				close(conn);
		}
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			if (pid == console)
				console = spawn_console();
	}
}
