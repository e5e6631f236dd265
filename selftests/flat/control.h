/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control: a UNIX socket on which tests ask and tell, a line each.
 *
 *	status		all there is to know, as JSON
 *	hash		hash of the guest's memory
 *	dump FILE	the memory into a sparse file
 *	pause, resume	the guest stands still
 *	step		in lockstep: on to the next epoch
 *	dirty N		a writer: so many pages for each output
 *	forget GPA	a page reads as zeros; to be done while it is paused
 *	scribble SEED	random bytes all over the shared area, from now on
 *	slot add	or remove, or move: memory that the guest doesn't use
 *	unlog		KVM isn't to log writes to the first slot any more
 *	linger MS	the next output is permitted, and leaves so much later
 *	fork [hook]	a child that lives on with all descriptors, or with the hook's alone
 *	exec [keep]	another program takes this one's place, and the descriptors
 *	quit
 *
 * The answer is one line; "error: ..." if it wasn't done.
 */
#ifndef _CONTROL_H
#define _CONTROL_H

void control_open(const char *path);

/* The other end: sends a line, prints the answer; status of a program. */
int control_ask(const char *path, char **words);

#endif /* _CONTROL_H */
