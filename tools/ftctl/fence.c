// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/kvmft.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "duration.h"
#include "genl.h"
#include "moment.h"
#include "name.h"
#include "names.h"
#include "vm_list.h"

#define TIMEOUT_MS 60000

/* How often to look, whether an event tells of something or not. */
#define LOOK_MS 1000

/* For how long the guest may take to go on, and how often to look at that. */
#define SETTLE_MS 5000
#define SETTLE_LOOK_MS 100
#define NS_PER_MS 1000000

/**
 * enum outcome - what came of it
 * @OUTCOME_OPEN: Nothing so far.
 * @OUTCOME_FENCED: The other host is fenced.
 * @OUTCOME_FAILED: It couldn't be.
 * @OUTCOME_FORGOTTEN: It needn't be any more.
 */
enum outcome {
	OUTCOME_OPEN,
	OUTCOME_FENCED,
	OUTCOME_FAILED,
	OUTCOME_FORGOTTEN,
};

/**
 * struct asked - a fence that was asked for
 * @name: The guest.
 * @timeout_ms: How long to wait.
 * @events: Where answers are told.
 * @genl: For everything else.
 * @list: The guest as it was last seen.
 * @token: Which fence it is, 0 while that isn't known.
 * @outcome: What came of it.
 */
struct asked {
	const char *name;
	uint32_t timeout_ms;
	struct genl *events;
	struct genl *genl;
	struct vm_list list;
	uint64_t token;
	enum outcome outcome;
};

static enum exit_status parse(int argc, char **argv, struct asked *asked)
{
	enum exit_status status = name_first_vm(&fence_command, argc, argv);
	const char *wrong;
	int i;

	if (status)
		return status;
	asked->name = argv[1];
	for (i = 2; i < argc; i += 2) {
		if (strcmp(argv[i], "--timeout"))
			return wrong_usage(&fence_command, "'%s' is too much", argv[i]);
		if (!argv[i + 1])
			return wrong_usage(&fence_command,
					   "what belongs behind '--timeout' is missing");
		wrong = duration_parse(argv[i + 1], &asked->timeout_ms);
		if (wrong)
			return wrong_usage(&fence_command, "--timeout '%s': %s", argv[i + 1],
					   wrong);
	}
	return EXIT_OK;
}

static bool take_event(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	struct asked *asked = data;
	struct vm_info vm;
	uint32_t event;

	if (header->cmd != KVMFT_CMD_VM_EVENT)
		return true;
	if (!vm_parse(message, KVMFT_CMD_VM_EVENT, &vm))
		return false;
	if (strcmp(vm_string(&vm, KVMFT_A_VM_NAME), asked->name) ||
	    (asked->token && vm_has(&vm, KVMFT_A_VM_FENCE_TOKEN) &&
	     vm_number(&vm, KVMFT_A_VM_FENCE_TOKEN) != asked->token))
		return true;

	event = vm_number(&vm, KVMFT_A_VM_EVENT);
	if (event == KVMFT_VM_FENCE_SUCCEEDS)
		asked->outcome = OUTCOME_FENCED;
	else if (event == KVMFT_VM_FENCE_FAILS)
		asked->outcome = OUTCOME_FAILED;
	return true;
}

/* Whether it was answered is seen as well when events are missing. */
static void lose(void *data)
{
	(void)data;
}

/* For as long as @ms, or until there is an event; false after a complaint. */
static bool listen_for(struct asked *asked, int ms)
{
	struct pollfd polled = { .fd = genl_descriptor(asked->events), .events = POLLIN };

	while (poll(&polled, 1, ms) > 0) {
		if (!genl_listen(asked->events, take_event, lose, asked))
			return false;
		ms = 0;
	}
	return true;
}

/* How it is with the guest and the fence now; false after a complaint. */
static bool look(struct asked *asked)
{
	const struct vm_info *vm;

	vm_list_forget(&asked->list);
	if (!vm_list_ask(asked->genl, asked->name, &asked->list))
		return false;
	if (asked->outcome)
		return true;

	vm = &asked->list.first->info;
	if (vm_has(vm, KVMFT_A_VM_FENCE_TOKEN))
		asked->token = vm_number(vm, KVMFT_A_VM_FENCE_TOKEN);
	switch (vm_number(vm, KVMFT_A_VM_FENCE)) {
	case KVMFT_VM_FENCE_ASKED:
		return listen_for(asked, 0);
	case KVMFT_VM_FENCE_DONE:
		asked->outcome = OUTCOME_FENCED;
		return true;
	case KVMFT_VM_FENCE_FAILED:
		asked->outcome = OUTCOME_FAILED;
		return true;
	default:
		/* A standby that goes on is another guest then, but the event was told. */
		if (!listen_for(asked, 0))
			return false;
		if (!asked->outcome)
			asked->outcome = OUTCOME_FORGOTTEN;
		return true;
	}
}

static bool wait_for_answer(struct asked *asked)
{
	uint64_t end = moment_ms() + asked->timeout_ms, now;

	for (;;) {
		if (!look(asked))
			return false;
		now = moment_ms();
		if (asked->outcome || now >= end)
			return true;
		if (!listen_for(asked, end - now < LOOK_MS ? end - now : LOOK_MS))
			return false;
	}
}

/* Until it is seen whether the guest goes on; false after a complaint. */
static bool settle(struct asked *asked)
{
	const struct timespec pause = { .tv_nsec = SETTLE_LOOK_MS * NS_PER_MS };
	uint64_t end = moment_ms() + SETTLE_MS;

	for (;;) {
		if (!look(asked))
			return false;
		switch (vm_number(&asked->list.first->info, KVMFT_A_VM_STATE)) {
		case KVMFT_VM_WAITING_PEER:
		case KVMFT_VM_HELD:
		case KVMFT_VM_PROMOTING:
			break;
		default:
			return true;
		}
		if (moment_ms() >= end)
			return true;
		nanosleep(&pause, NULL);
	}
}

static const char *outcome_name(enum outcome outcome)
{
	char *never = NULL;

	switch (outcome) {
	case OUTCOME_OPEN:
		return vm_fence_name(KVMFT_VM_FENCE_ASKED, never);
	case OUTCOME_FENCED:
		return vm_fence_name(KVMFT_VM_FENCE_DONE, never);
	case OUTCOME_FAILED:
		return vm_fence_name(KVMFT_VM_FENCE_FAILED, never);
	case OUTCOME_FORGOTTEN:
		break;
	}
	return NULL;
}

static void print_json(const struct asked *asked)
{
	const char *fence = outcome_name(asked->outcome);
	struct json json;

	json_begin(&json, stdout);
	json_string(&json, "name", asked->name);
	if (fence)
		json_string(&json, "fence", fence);
	else
		json_null(&json, "fence");
	vm_json_state(&json, &asked->list.first->info);
	json_end(&json);
}

static enum exit_status tell(const struct options *options, const struct asked *asked)
{
	char unknown[NAME_SIZE], time[DURATION_SIZE];
	const char *name = asked->name, *state;

	state = vm_state_name(vm_number(&asked->list.first->info, KVMFT_A_VM_STATE), unknown);
	if (options->json)
		print_json(asked);
	switch (asked->outcome) {
	case OUTCOME_FENCED:
		if (!options->json)
			printf("%s: the other host is fenced, here it is %s\n", name, state);
		return EXIT_OK;
	case OUTCOME_FAILED:
		complain("the other host of %s couldn't be fenced, here it is %s", name, state);
		complain("see what 'ftctl agent' has said, and try again: ftctl fence %s", name);
		break;
	case OUTCOME_FORGOTTEN:
		complain("the other host of %s isn't fenced, and needn't be; here it is %s",
			 name, state);
		complain("it is there again, or somebody has decided: ftctl show %s", name);
		break;
	case OUTCOME_OPEN:
		complain("nobody has fenced the other host of %s within %s, here it is %s", name,
			 duration_text(asked->timeout_ms, time), state);
		complain("it remains asked for; does 'ftctl agent' run on this host?");
		break;
	}
	return EXIT_FAILED;
}

static enum exit_status ask(const struct options *options, struct asked *asked)
{
	struct nlmsghdr *request;

	/* First to the events: the answer may come at once. */
	if (!genl_join(asked->events, KVMFT_EVENTS_GROUP))
		return EXIT_FAILED;
	request = genl_begin(asked->genl, KVMFT_CMD_VM_FENCE);
	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, asked->name);
	if (!genl_request(asked->genl, request, NULL, NULL) || !wait_for_answer(asked) ||
	    (asked->outcome == OUTCOME_FENCED && !settle(asked)))
		return EXIT_FAILED;
	return tell(options, asked);
}

static enum exit_status fence_run(const struct options *options, int argc, char **argv)
{
	struct asked asked = { .timeout_ms = TIMEOUT_MS };
	enum exit_status status;

	status = parse(argc, argv, &asked);
	if (status)
		return status;
	asked.events = connect_to_module();
	if (!asked.events)
		return EXIT_FAILED;
	asked.genl = connect_to_module();
	if (asked.genl) {
		status = ask(options, &asked);
		vm_list_forget(&asked.list);
		genl_close(asked.genl);
	} else {
		status = EXIT_FAILED;
	}
	genl_close(asked.events);
	return status;
}

const struct command fence_command = {
	.name = "fence",
	.arguments = "NAME [--timeout TIME]",
	.summary = "have the other host of a guest fenced, and go on here",
	.details =
		"Asks for the other host of the guest NAME to be fenced, and waits until that is\n"
		"done, or has failed, 60s if not said otherwise. \"ftctl agent\" has to run on this\n"
		"host: it does it. The guest has to have lost the other host, as a standby that\n"
		"waits for its peer or a primary that is held. As soon as the other host is fenced\n"
		"it goes on here; says how it is then. It needs the capability CAP_NET_ADMIN.\n",
	.run = fence_run,
};
