// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "genl.h"
#include "name.h"

static enum exit_status detach_run(const struct options *options, int argc,
				   char **argv)
{
	enum exit_status status;
	struct nlmsghdr *request;
	struct genl *genl;
	bool force, ok;

	(void)options;

	status = name_first_vm(&detach_command, argc, argv);
	if (status)
		return status;
	force = argc > 2 && !strcmp(argv[2], "--force");
	if (argc > 2 + force)
		return wrong_usage(&detach_command, "'%s' is too much", argv[2 + force]);

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_DETACH);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	if (force)
		mnl_attr_put(request, KVMFT_A_VM_FORCE, 0, NULL);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command detach_command = {
	.name = "detach",
	.arguments = "NAME [--force]",
	.summary = "let a guest go; it runs on without protection",
	.details =
		"Lets the guest NAME go. A primary runs on without protection, and output that\n"
		"waited leaves, once its standby knows that it isn't to take over. If it can't be\n"
		"told, only --force helps: make sure first that it doesn't take over. One that is\n"
		"fenced is discarded: its VMM can't run it any more. A standby can't take over any\n"
		"more. It needs the capability CAP_NET_ADMIN.\n",
	.run = detach_run,
};
