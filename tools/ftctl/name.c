// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "name.h"

/*
 * The module checks names, but only those that fit into a request can get there,
 * and what is meant as an option deserves another answer.
 */
static enum exit_status check(const struct command *command, const char *whose,
			      const char *name, size_t max)
{
	if (name[0] == '-')
		return wrong_usage(command,
				   "options stand before the subcommand; '%s' is no name",
				   name);
	if (strlen(name) > max)
		return wrong_usage(command,
				   "the name '%s' is too long; a %s has at most %zu characters",
				   name, whose, max);
	return EXIT_OK;
}

/**
 * name_check_pair() - see whether a pair may be called so
 * @command: whose usage to show if not
 * @name: what the operator typed
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status name_check_pair(const struct command *command,
				 const char *name)
{
	return check(command, "pair's", name, KVMFT_PAIR_NAME_MAX);
}

/**
 * name_check_vm() - see whether a guest may be called so
 * @command: whose usage to show if not
 * @name: what the operator typed
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status name_check_vm(const struct command *command, const char *name)
{
	return check(command, "guest's", name, KVMFT_VM_NAME_MAX);
}

/**
 * name_first_vm() - see whether a guest's name is there, and if so a good one
 * @command: whose usage to show if not
 * @argc: how many arguments there are
 * @argv: the arguments; the first is the subcommand, the second is to be the name
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status name_first_vm(const struct command *command, int argc,
			       char **argv)
{
	if (argc < 2)
		return wrong_usage(command, "the guest's name is missing");
	return name_check_vm(command, argv[1]);
}
