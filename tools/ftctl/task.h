/* SPDX-License-Identifier: GPL-2.0 */
/*
 * task: a command of the operator's that runs, in a process group of its own.
 *
 * Contract: nothing here waits for the command. Who begins one has SIGCHLD told, and
 * reads @output when there is something; nothing of the process group outlives the
 * command itself. What it prints is plain ASCII when it gets out of here, and not
 * more of it than TASK_KEPT.
 */
#ifndef FTCTL_TASK_H
#define FTCTL_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How much is kept of what a command prints, and of one line. */
#define TASK_KEPT 4096
#define TASK_LINE_SIZE 512

/**
 * struct task - one command; all 0 if there is none
 * @pid: Its process, and the number of its group; 0 when it has ended.
 * @output: What it prints, not blocking; -1 when there is no more.
 * @begun: When it was begun, by moment_ms().
 * @status: As waitpid() tells it, when it has ended.
 * @kept: How much of the output was kept so far.
 * @len: How much of that is in @line.
 * @line: The begin of a line that isn't complete.
 */
struct task {
	pid_t pid;
	int output;
	uint64_t begun;
	int status;
	size_t kept;
	size_t len;
	char line[TASK_LINE_SIZE];
};

/* Takes a line that a command has printed. */
typedef void (*task_line_fn)(const char *line, void *data);

bool task_begin(struct task *task, const char *command, const char *const *variables);
bool task_read(struct task *task, task_line_fn say, void *data);
bool task_has_ended(struct task *task, task_line_fn say, void *data);
void task_kill(struct task *task);

#endif /* FTCTL_TASK_H */
