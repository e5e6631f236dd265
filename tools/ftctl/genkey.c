// SPDX-License-Identifier: GPL-2.0
#include "ftctl.h"
#include "key.h"

static enum exit_status genkey_run(const struct options *options, int argc,
				   char **argv)
{
	(void)options;

	if (argc < 2)
		return wrong_usage(&genkey_command,
				   "the file for the key is missing");
	if (argc > 2)
		return wrong_usage(&genkey_command, "'%s' is too much", argv[2]);
	if (argv[1][0] == '-')
		return wrong_usage(&genkey_command,
				   "options stand before the subcommand; if '%s' is to be a file, say ./%s",
				   argv[1], argv[1]);

	return key_create(argv[1]) ? EXIT_OK : EXIT_FAILED;
}

const struct command genkey_command = {
	.name = "genkey",
	.arguments = "FILE",
	.summary = "make the key of a pair",
	.details =
		"Creates FILE with a new key for a pair: 32 random bytes as hexadecimal\n"
		"digits, readable by its owner alone. A file that exists isn't overwritten.\n"
		"Copy it to the other host in a way that nobody can listen to, such as\n"
		"scp(1). Nothing is printed.\n",
	.run = genkey_run,
};
