// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "genl.h"
#include "name.h"

static enum exit_status parse(int argc, char **argv)
{
	enum exit_status status = name_first_vm(&failover_command, argc, argv);

	if (status)
		return status;
	if (argc < 3)
		return wrong_usage(&failover_command,
				   "the primary can't be asked as yet; to go on without, say on the standby: ftctl failover %s --force",
				   argv[1]);
	if (strcmp(argv[2], "--force"))
		return wrong_usage(&failover_command, "'%s' is too much", argv[2]);
	if (argc > 3)
		return wrong_usage(&failover_command, "'%s' is too much", argv[3]);
	return EXIT_OK;
}

static enum exit_status failover_run(const struct options *options, int argc,
				     char **argv)
{
	enum exit_status status = parse(argc, argv);
	struct nlmsghdr *request;
	struct genl *genl;
	bool ok;

	(void)options;

	if (status)
		return status;
	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_FAILOVER);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	mnl_attr_put(request, KVMFT_A_VM_FORCE, 0, NULL);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command failover_command = {
	.name = "failover",
	.arguments = "NAME --force",
	.summary = "let the standby of a guest take over",
	.details =
		"On the standby's host: lets the guest NAME go on from the last epoch that was\n"
		"committed. With --force, which is the only way as yet, the primary isn't asked:\n"
		"make sure that it is dead or cut off. It needs the capability CAP_NET_ADMIN.\n",
	.run = failover_run,
};
