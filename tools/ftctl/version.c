// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <stdlib.h>
#include <string.h>

#include "ftctl.h"
#include "genl.h"
#include "json.h"
#include "kmod/version.h"

struct module_version {
	char *module;
	uint32_t protocol;
};

static void forget(void *data)
{
	struct module_version *version = data;

	free(version->module);
	version->module = NULL;
}

static bool remember(const struct nlmsghdr *message, void *data)
{
	static const struct genl_field fields[KVMFT_A_VERSION_MAX + 1] = {
		[KVMFT_A_VERSION_MODULE] = { MNL_TYPE_NUL_STRING, true },
		[KVMFT_A_VERSION_PROTOCOL] = { MNL_TYPE_U32, true },
	};
	const struct nlattr *attrs[KVMFT_A_VERSION_MAX + 1];
	struct module_version *version = data;

	if (version->module) {
		complain("the module described itself more than once");
		return false;
	}

	if (!genl_parse(message, KVMFT_CMD_VERSION_GET, fields,
			KVMFT_A_VERSION_MAX, attrs))
		return false;

	version->module = strdup(mnl_attr_get_str(attrs[KVMFT_A_VERSION_MODULE]));
	if (!version->module) {
		complain("out of memory");
		return false;
	}
	version->protocol = mnl_attr_get_u32(attrs[KVMFT_A_VERSION_PROTOCOL]);
	return true;
}

static bool ask_module(struct module_version *version)
{
	struct genl *genl = connect_to_module();
	bool ok;

	if (!genl)
		return false;

	ok = genl_dump(genl, KVMFT_CMD_VERSION_GET, remember, forget, version);
	if (ok && !version->module) {
		complain("the module didn't say its version");
		ok = false;
	}

	genl_close(genl);
	return ok;
}

static void print_text(const struct module_version *version)
{
	puts("ftctl " KVMFT_VERSION);
	if (version)
		printf("module %s\nprotocol %u\n", version->module,
		       version->protocol);
}

static void print_json(const struct module_version *version)
{
	struct json json;

	json_begin(&json, stdout);
	json_string(&json, "ftctl", KVMFT_VERSION);
	if (version) {
		json_string(&json, "module", version->module);
		json_number(&json, "protocol", version->protocol);
	} else {
		json_null(&json, "module");
		json_null(&json, "protocol");
	}
	json_end(&json);
}

static enum exit_status version_run(const struct options *options, int argc,
				    char **argv)
{
	struct module_version version = { 0 };
	bool known;

	if (argc > 1)
		return wrong_usage(&version_command, "'%s' is too much",
				   argv[1]);

	known = ask_module(&version);
	if (options->json)
		print_json(known ? &version : NULL);
	else
		print_text(known ? &version : NULL);

	forget(&version);
	return known ? EXIT_OK : EXIT_FAILED;
}

const struct command version_command = {
	.name = "version",
	.arguments = "",
	.summary = "print the versions of ftctl, the module and its protocol",
	.details =
		"Prints the version of ftctl, of the loaded module, and of the protocol\n"
		"that the module speaks to other hosts. Two hosts can be paired when the\n"
		"last is equal. Without the module only the first is printed, and the exit\n"
		"status is 1.\n",
	.run = version_run,
};
