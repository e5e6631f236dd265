/* SPDX-License-Identifier: GPL-2.0 */
/*
 * name: names of pairs and guests, as people type them.
 *
 * Contract: what passes fits into a request; whether it is a name the module
 * judges.
 */
#ifndef FTCTL_NAME_H
#define FTCTL_NAME_H

#include "ftctl.h"

enum exit_status name_check_pair(const struct command *command,
				 const char *name);
enum exit_status name_check_vm(const struct command *command, const char *name);
enum exit_status name_first_vm(const struct command *command, int argc,
			       char **argv);

#endif /* FTCTL_NAME_H */
