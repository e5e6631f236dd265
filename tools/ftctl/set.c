// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "genl.h"
#include "name.h"
#include "vm_policy.h"

/**
 * struct changes - what the operator wants to change
 * @mode: &enum kvmft_vm_mode, 0 if it wasn't said.
 * @promote: &enum kvmft_vm_promote, the same.
 * @loss: &enum kvmft_vm_loss, the same.
 * @fencing: &enum kvmft_vm_fencing, the same.
 * @compress: &enum kvmft_vm_compress, the same.
 * @rate: See vm_rate_parse(), the same.
 * @converge: To stop the guest if its memory can't be copied otherwise.
 */
struct changes {
	uint32_t mode;
	uint32_t promote;
	uint32_t loss;
	uint32_t fencing;
	uint32_t compress;
	uint64_t rate;
	bool converge;
};

/* A keyword with a value behind it. */
static enum exit_status parse_keyword(const char *keyword, const char *value,
				      struct changes *changes)
{
	const struct {
		const char *keyword;
		enum exit_status (*parse)(const struct command *command, const char *value,
					  uint32_t *number);
		uint32_t *number;
	} keywords[] = {
		{ "mode", vm_mode_parse, &changes->mode },
		{ "promote", vm_promote_parse, &changes->promote },
		{ "loss", vm_loss_parse, &changes->loss },
		{ "fencing", vm_fencing_parse, &changes->fencing },
		{ "compress", vm_compress_parse, &changes->compress },
	};
	bool rate = !strcmp(keyword, "rate");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keywords) && strcmp(keyword, keywords[i].keyword); i++)
		;
	if (!rate && i == ARRAY_SIZE(keywords))
		return wrong_usage(&set_command, "'%s' is too much", keyword);
	if (!value)
		return wrong_usage(&set_command, "what belongs behind '%s' is missing",
				   keyword);
	return rate ? vm_rate_parse(&set_command, value, &changes->rate) :
		      keywords[i].parse(&set_command, value, keywords[i].number);
}

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
		status = parse_keyword(argv[i], argv[i + 1], changes);
		if (status)
			return status;
		i++;
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
	if (changes.promote)
		mnl_attr_put_u32(request, KVMFT_A_VM_PROMOTE, changes.promote);
	if (changes.loss)
		mnl_attr_put_u32(request, KVMFT_A_VM_LOSS, changes.loss);
	if (changes.fencing)
		mnl_attr_put_u32(request, KVMFT_A_VM_FENCING, changes.fencing);
	if (changes.compress)
		mnl_attr_put_u32(request, KVMFT_A_VM_COMPRESS, changes.compress);
	vm_rate_put(request, changes.rate);
	if (changes.converge)
		mnl_attr_put(request, KVMFT_A_VM_CONVERGE, 0, NULL);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command set_command = {
	.name = "set",
	.arguments =
		"NAME [mode sync|async] [converge] [promote auto|manual|ask] [loss hold|solo|ask] [fencing none|required] [rate SIZE|none] [compress none|lz4]",
	.summary = "change how a guest is protected",
	.details =
		"Changes how the guest NAME is protected, while it is. In mode sync it stands\n"
		"still until the standby has its state, in mode async only its output waits.\n"
		"With converge, a guest that writes faster than its memory can be copied is\n"
		"stopped for the rest of the copy. When its standby is lost it is held with\n"
		"\"loss hold\", held while \"ftctl monitor\" tells (ask), or goes on alone as soon as\n"
		"the other host is fenced (solo). The copy of its memory for a standby takes no\n"
		"more than rate of the link in a second. With \"compress lz4\" pages are sent\n"
		"compressed where that makes them smaller. These are the primary's.\n"
		"\n"
		"On the standby's host, promote says what it does when the primary is lost: it takes\n"
		"over (auto), it waits for \"ftctl failover\" (manual), or it does that and has\n"
		"\"ftctl monitor\" tell (ask).\n"
		"\n"
		"With \"fencing required\" this host doesn't go on without the other one before\n"
		"\"ftctl agent\" has fenced that; \"loss solo\" takes it. To be said on both hosts.\n"
		"It needs the capability CAP_NET_ADMIN.\n",
	.run = set_run,
};
