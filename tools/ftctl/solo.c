// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>

#include "genl.h"
#include "name.h"

static enum exit_status solo_run(const struct options *options, int argc, char **argv)
{
	enum exit_status status;
	struct nlmsghdr *request;
	struct genl *genl;
	bool ok;

	(void)options;

	status = name_first_vm(&solo_command, argc, argv);
	if (status)
		return status;
	if (argc > 2)
		return wrong_usage(&solo_command, "'%s' is too much", argv[2]);

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_SOLO);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command solo_command = {
	.name = "solo",
	.arguments = "NAME",
	.summary = "let a guest that is held go on without a standby",
	.details =
		"Decides that the guest NAME, which is held since its standby isn't there, goes on\n"
		"alone, until it has a standby again. Make sure first that it doesn't run on the\n"
		"other host, too: when two meet that both were told to go on, both are held until\n"
		"somebody says so once more of one of them.\n"
		"It needs the capability CAP_NET_ADMIN.\n",
	.run = solo_run,
};
