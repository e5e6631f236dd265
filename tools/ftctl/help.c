// SPDX-License-Identifier: GPL-2.0
#include "ftctl.h"

static enum exit_status help_run(const struct options *options, int argc,
				 char **argv)
{
	const struct command *command;

	(void)options;

	if (argc > 2)
		return wrong_usage(&help_command, "'%s' is too much", argv[2]);

	if (argc == 1) {
		print_usage(stdout);
		return EXIT_OK;
	}

	command = find_command(argv[1]);
	if (!command)
		return wrong_usage(&help_command, "there is no subcommand '%s'",
				   argv[1]);

	print_command_help(stdout, command);
	return EXIT_OK;
}

const struct command help_command = {
	.name = "help",
	.arguments = "[SUBCOMMAND]",
	.summary = "print the usage of ftctl or of a subcommand",
	.details =
		"Prints the usage of ftctl or of SUBCOMMAND. It is text with --json too.\n",
	.run = help_run,
};
