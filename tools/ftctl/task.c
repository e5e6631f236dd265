// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ftctl.h"
#include "moment.h"
#include "task.h"

/* What a shell says when there is no such command. */
#define NOT_RUN 127

/* How often to read what a command has left in the pipe. */
#define LAST_READS 64

ATTRIBUTE(noreturn)
static void become(const char *command, const char *const *variables, int output)
{
	sigset_t none;
	int input;

	setpgid(0, 0);
	/* Nobody would answer for it any more. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (input == -1 || dup2(input, STDIN_FILENO) == -1 ||
	    dup2(output, STDOUT_FILENO) == -1 || dup2(output, STDERR_FILENO) == -1)
		_exit(NOT_RUN);
	for (; *variables; variables += 2)
		setenv(variables[0], variables[1], 1);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(NOT_RUN);
}

/**
 * task_begin() - run a command by the shell
 * @task: gets it
 * @command: the command
 * @variables: more for its environment: a name, its value, ..., NULL
 *
 * Return: true, or false after a complaint
 */
bool task_begin(struct task *task, const char *command, const char *const *variables)
{
	int ends[2];

	memset(task, 0, sizeof(*task));
	task->output = -1;
	if (pipe2(ends, O_CLOEXEC)) {
		complain("can't make a pipe: %s", strerror(errno));
		return false;
	}

	fcntl(ends[0], F_SETFL, O_NONBLOCK);

	task->pid = fork();
	if (!task->pid)
		become(command, variables, ends[1]);
	close(ends[1]);
	if (task->pid == -1) {
		complain("can't begin a process: %s", strerror(errno));
		task->pid = 0;
		close(ends[0]);
		return false;
	}

	/* Whichever of the two comes first. */
	setpgid(task->pid, task->pid);
	task->output = ends[0];
	task->begun = moment_ms();
	return true;
}

static void end_line(struct task *task, task_line_fn say, void *data)
{
	if (!task->len)
		return;
	task->line[task->len] = '\0';
	task->len = 0;
	say(task->line, data);
}

static void take(struct task *task, const char *bytes, ssize_t len, task_line_fn say,
		 void *data)
{
	for (; len; len--, bytes++) {
		if (task->kept == TASK_KEPT) {
			end_line(task, say, data);
			say("(more isn't shown)", data);
		}
		if (task->kept++ >= TASK_KEPT)
			continue;
		if (*bytes == '\n' || task->len == TASK_LINE_SIZE - 1)
			end_line(task, say, data);
		if (*bytes == '\t')
			task->line[task->len++] = ' ';
		else if (*bytes != '\n' && *bytes != '\r')
			task->line[task->len++] =
				*bytes >= ' ' && *bytes <= '~' ? *bytes : '?';
	}
}

/**
 * task_read() - take some of what a command has printed
 * @task: the command
 * @say: takes each line
 * @data: passed on to @say
 *
 * Return: false when there is nothing to be read any more; @output is for the caller to
 * close then. True otherwise
 */
bool task_read(struct task *task, task_line_fn say, void *data)
{
	char bytes[4096];
	ssize_t len;

	len = read(task->output, bytes, sizeof(bytes));
	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (len > 0)
		take(task, bytes, len, say, data);
	else
		end_line(task, say, data);
	return len > 0;
}

/**
 * task_has_ended() - see whether a command has
 * @task: the command; if so, its @status is known, and nothing of it is left
 * @say: takes each line that it has printed and nobody has read
 * @data: passed on to @say
 *
 * Return: whether
 */
bool task_has_ended(struct task *task, task_line_fn say, void *data)
{
	siginfo_t info = { 0 };
	size_t before;
	int reads;

	if (waitid(P_PID, task->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;

	/* As long as it isn't reaped, nobody else can have the number of its group. */
	kill(-task->pid, SIGKILL);
	waitpid(task->pid, &task->status, 0);
	task->pid = 0;
	for (reads = 0; task->output != -1 && reads < LAST_READS; reads++) {
		before = task->kept;
		if (!task_read(task, say, data) || task->kept == before)
			break;
	}
	end_line(task, say, data);
	return true;
}

/**
 * task_kill() - end a command, and all of its process group
 * @task: the command, which hasn't ended; that it has is seen by task_has_ended()
 */
void task_kill(struct task *task)
{
	kill(-task->pid, SIGKILL);
	/* It may not have come so far as to be a group. */
	kill(task->pid, SIGKILL);
}
