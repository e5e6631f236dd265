// SPDX-License-Identifier: GPL-2.0
#include "genl.h"
#include "name.h"
#include "vm_list.h"
#include "vm_show.h"

static enum exit_status show_run(const struct options *options, int argc,
				 char **argv)
{
	enum exit_status status = EXIT_OK;
	struct vm_list list;
	struct genl *genl;
	bool ok;

	if (argc > 1)
		status = name_check_vm(&show_command, argv[1]);
	if (status)
		return status;
	if (argc > 2)
		return wrong_usage(&show_command, "'%s' is too much", argv[2]);

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	ok = vm_list_ask(genl, argc > 1 ? argv[1] : NULL, &list);
	genl_close(genl);
	if (ok)
		vm_show(options, &list);
	vm_list_forget(&list);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command show_command = {
	.name = "show",
	.arguments = "[NAME]",
	.summary = "print how it is with guests",
	.details =
		"Tells about all guests or one: whether it is protected and if not why, what it\n"
		"consists of, and the last epoch. With the option -s, as in \"ftctl -s show\", it\n"
		"tells the counters, too. Everybody may use it.\n",
	.run = show_run,
};
