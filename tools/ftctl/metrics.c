// SPDX-License-Identifier: GPL-2.0
#include "ftctl.h"
#include "genl.h"
#include "metrics_pair.h"
#include "metrics_vm.h"

static bool ask(struct vm_list *vms, struct pair_list *pairs)
{
	struct genl *genl = connect_to_module();
	bool ok;

	if (!genl)
		return false;
	ok = vm_list_ask(genl, NULL, vms) && pair_list_ask(genl, NULL, pairs);
	genl_close(genl);
	return ok;
}

static enum exit_status metrics_run(const struct options *options, int argc, char **argv)
{
	struct pair_list pairs = { 0 };
	struct vm_list vms = { 0 };
	bool ok;

	if (argc > 1)
		return wrong_usage(&metrics_command, "'%s' is too much", argv[1]);
	if (options->json)
		return wrong_usage(&metrics_command,
				   "metrics are in a format of their own; for JSON say: ftctl --json show");

	/* All of it or nothing: half of it would pass for guests that went. */
	ok = ask(&vms, &pairs);
	if (ok) {
		metrics_write_vms(stdout, &vms);
		metrics_write_pairs(stdout, &pairs);
	}
	vm_list_forget(&vms);
	pair_list_forget(&pairs);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command metrics_command = {
	.name = "metrics",
	.arguments = "",
	.summary = "print all that is counted, for Prometheus",
	.details =
		"Prints states, counters and histograms of guests and pairs in Prometheus's text\n"
		"format, as the textfile collector of node_exporter reads it. Everybody may use\n"
		"it.\n",
	.run = metrics_run,
};
