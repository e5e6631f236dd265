// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "genl.h"
#include "name.h"
#include "vm_mode.h"

/**
 * struct changes - what the operator wants to change
 * @mode: &enum kvmft_vm_mode, 0 if it wasn't said.
 * @converge: To stop the guest if its memory can't be copied otherwise.
 */
struct changes {
	uint32_t mode;
	bool converge;
};

static enum exit_status parse(int argc, char **argv, struct changes *changes)
{
	enum exit_status status = name_first_vm(&set_command, argc, argv);
	int i;

	if (status)
		return status;
	if (argc < 3)
		return wrong_usage(&set_command, "what to set is missing");

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "converge")) {
			changes->converge = true;
			continue;
		}
		if (strcmp(argv[i], "mode"))
			return wrong_usage(&set_command, "'%s' is too much",
					   argv[i]);
		if (++i == argc)
			return wrong_usage(&set_command,
					   "what belongs behind 'mode' is missing");
		status = vm_mode_parse(&set_command, argv[i], &changes->mode);
		if (status)
			return status;
	}
	return EXIT_OK;
}

static enum exit_status set_run(const struct options *options, int argc,
				char **argv)
{
	struct changes changes = { 0 };
	enum exit_status status;
	struct nlmsghdr *request;
	struct genl *genl;
	bool ok;

	(void)options;

	status = parse(argc, argv, &changes);
	if (status)
		return status;
	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_SET);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	if (changes.mode)
		mnl_attr_put_u32(request, KVMFT_A_VM_MODE, changes.mode);
	if (changes.converge)
		mnl_attr_put(request, KVMFT_A_VM_CONVERGE, 0, NULL);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command set_command = {
	.name = "set",
	.arguments = "NAME [mode sync|async] [converge]",
	.summary = "change how a guest is protected",
	.details =
		"Changes how the guest NAME is protected, while it is. In mode sync it stands\n"
		"still until the standby has its state, in mode async only its output waits.\n"
		"With converge, a guest that writes faster than its memory can be copied is\n"
		"stopped for the rest of the copy. It needs the capability CAP_NET_ADMIN.\n",
	.run = set_run,
};
