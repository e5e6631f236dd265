/* SPDX-License-Identifier: GPL-2.0 */
/*
 * child: runs a part of a test in a process of its own, for what can't be undone.
 */
#ifndef _CHILD_H
#define _CHILD_H

#include <sys/wait.h>
#include <unistd.h>

/* Runs it in a child, and returns what the child exits with; -1 if it was killed. */
static int in_child(int (*function)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(function());
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#endif /* _CHILD_H */
