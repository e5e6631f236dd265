// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>

#include "genl.h"
#include "name.h"

static enum exit_status detach_run(const struct options *options, int argc,
				   char **argv)
{
	enum exit_status status;
	struct nlmsghdr *request;
	struct genl *genl;
	bool ok;

	(void)options;

	status = name_first_vm(&detach_command, argc, argv);
	if (status)
		return status;
	if (argc > 2)
		return wrong_usage(&detach_command, "'%s' is too much", argv[2]);

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_DETACH);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command detach_command = {
	.name = "detach",
	.arguments = "NAME",
	.summary = "let a guest go; it runs on without protection",
	.details =
		"Lets the guest NAME go. A primary runs on without protection, and output that\n"
		"waited leaves. A standby can't take over any more. It needs the capability\n"
		"CAP_NET_ADMIN.\n",
	.run = detach_run,
};
