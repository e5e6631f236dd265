// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "genl.h"
#include "name.h"
#include "vm_list.h"

/* How often to look what becomes of it, and for how long. */
#define POLL_MS 20
#define TIMEOUT_MS 40000

static enum exit_status parse(int argc, char **argv, bool *force)
{
	enum exit_status status = name_first_vm(&failover_command, argc, argv);
	int i;

	if (status)
		return status;
	for (i = 2; i < argc; i++) {
		if (*force || strcmp(argv[i], "--force"))
			return wrong_usage(&failover_command, "'%s' is too much", argv[i]);
		*force = true;
	}
	return EXIT_OK;
}

/* Where it is now, and for how long nobody was served. */
static void tell(const struct options *options, const struct vm_info *vm)
{
	bool left = vm_number(vm, KVMFT_A_VM_STATE) == KVMFT_VM_FENCED;
	uint64_t ns = vm_counter(vm, KVMFT_A_COUNTER_SWITCHED);
	struct json json;

	if (options->json) {
		json_begin(&json, stdout);
		json_string(&json, "name", vm_string(vm, KVMFT_A_VM_NAME));
		vm_json_state(&json, vm);
		json_number(&json, "switched_ns", ns);
		json_end(&json);
	} else if (left) {
		printf("%s: runs on the other host, after %.1f ms of standing still\n"
		       "to make this host its standby: start its VMM as one, and ftctl attach %s ... role standby\n",
		       vm_string(vm, KVMFT_A_VM_NAME), ns / 1e6, vm_string(vm, KVMFT_A_VM_NAME));
	} else {
		printf("%s: runs here, after %.1f ms of standing still\n",
		       vm_string(vm, KVMFT_A_VM_NAME), ns / 1e6);
	}
}

/* The module only begins with it; whether it came to that is looked at here. */
static bool await(const struct options *options, struct genl *genl, const char *name)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };
	struct vm_list list;
	unsigned int waited;
	bool over = false;
	uint32_t state;

	for (waited = 0; waited < TIMEOUT_MS && !over; waited += POLL_MS) {
		if (!vm_list_ask(genl, name, &list)) {
			vm_list_forget(&list);
			return false;
		}
		state = vm_number(&list.first->info, KVMFT_A_VM_STATE);
		over = !vm_has(&list.first->info, KVMFT_A_VM_EXCHANGE) &&
		       state != KVMFT_VM_PROMOTING;
		if (over && (state == KVMFT_VM_FENCED || state == KVMFT_VM_SOLO)) {
			tell(options, &list.first->info);
			vm_list_forget(&list);
			return true;
		}
		vm_list_forget(&list);
		nanosleep(&pause, NULL);
	}
	if (over)
		complain("%s stays where it is; 'ftctl show %s' may say why; then try again",
			 name, name);
	else
		complain("%s isn't over after 40 seconds; see 'ftctl show %s' on both hosts",
			 name, name);
	return false;
}

static enum exit_status failover_run(const struct options *options, int argc,
				     char **argv)
{
	enum exit_status status;
	struct nlmsghdr *request;
	bool force = false;
	struct genl *genl;
	bool ok;

	status = parse(argc, argv, &force);
	if (status)
		return status;
	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_VM_FAILOVER);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, argv[1]);
	if (force)
		mnl_attr_put(request, KVMFT_A_VM_FORCE, 0, NULL);
	ok = genl_request(genl, request, NULL, NULL);
	if (ok && !force)
		ok = await(options, genl, argv[1]);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command failover_command = {
	.name = "failover",
	.arguments = "NAME [--force]",
	.summary = "have a guest go on at the other host",
	.details =
		"Hands the guest NAME over to the other host, on whichever of the two it is said:\n"
		"it stands still, what is under way leaves, its last state is committed, and the\n"
		"standby goes on from there; says for how long it stood still. Here its VMM is of\n"
		"no more use then (fenced).\n"
		"With --force, on the standby's host, the primary isn't asked, and the guest goes\n"
		"on from the last epoch that was committed: make sure that the primary is dead or\n"
		"cut off. It needs the capability CAP_NET_ADMIN.\n",
	.run = failover_run,
};
