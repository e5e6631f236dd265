/* SPDX-License-Identifier: GPL-2.0 */
/*
 * control: a socket for operators.
 *
 * Contract: a line with a command, answered by lines; "status" by a JSON object, others
 * by "ok" or "error: why".
 */
#ifndef FTVMM_CONTROL_H
#define FTVMM_CONTROL_H

void control_open(const char *path);

/* The other side of it: sends a command, prints the answer; an exit status. */
int control_ask(const char *path, const char *command);

#endif /* FTVMM_CONTROL_H */
