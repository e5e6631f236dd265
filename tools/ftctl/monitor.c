// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/kvmft.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ftctl.h"
#include "genl.h"
#include "json.h"
#include "moment.h"
#include "names.h"
#include "pair_info.h"
#include "vm_info.h"

/**
 * struct watch - what the operator wants to see
 * @json: As JSON.
 * @wanted: "pair NAME" or "vm NAME" for each that counts.
 * @wanted_len: Number of these strings; 0 if all count.
 */
struct watch {
	bool json;
	char **wanted;
	int wanted_len;
};

static void print_words(const struct pair_info *pair)
{
	if (!pair_has(pair, KVMFT_A_PAIR_ERROR))
		return;
	fputs(": ", stdout);
	print_plain(pair_string(pair, KVMFT_A_PAIR_ERROR));
}

static void print_change(const struct pair_info *pair)
{
	uint32_t reason = pair_number(pair, KVMFT_A_PAIR_REASON);
	uint32_t state = pair_number(pair, KVMFT_A_PAIR_STATE);
	char unknown[NAME_SIZE];

	fputs(state_name(state, unknown), stdout);
	if (reason != KVMFT_REASON_NONE) {
		printf(" (%s)", reason_name(reason, unknown));
		print_words(pair);
	}
	if (state == KVMFT_PAIR_UP && pair_has(pair, KVMFT_A_PAIR_PEER_HOST)) {
		fputs(", peer ", stdout);
		pair_print_peer(pair);
	}
}

static void print_pair(const struct pair_info *pair, uint32_t event,
		       uint64_t time)
{
	char unknown[NAME_SIZE];

	moment_print(stdout, time);
	printf("%s: ", pair_string(pair, KVMFT_A_PAIR_NAME));
	if (event == KVMFT_PAIR_CHANGED) {
		print_change(pair);
	} else if (event == KVMFT_PAIR_REFUSED) {
		printf("refused a connection (%s)",
		       reason_name(pair_number(pair, KVMFT_A_PAIR_REASON),
				   unknown));
		print_words(pair);
	} else {
		fputs(event_name(event, unknown), stdout);
	}
	putchar('\n');
}

static void print_pair_json(const struct pair_info *pair, uint32_t event,
			    uint64_t time)
{
	char unknown[NAME_SIZE];
	struct json json;

	json_begin(&json, stdout);
	json_string(&json, "event", event_name(event, unknown));
	json_string(&json, "about", "pair");
	json_number(&json, "time_ns", time);
	pair_json_string(&json, "name", pair, KVMFT_A_PAIR_NAME);
	pair_json_state(&json, pair);
	pair_json_peer(&json, pair);
	pair_json_string(&json, "last_error", pair, KVMFT_A_PAIR_ERROR);
	json_end(&json);
}

static void print_vm(const struct vm_info *vm, uint32_t event, uint64_t time)
{
	uint32_t reason = vm_number(vm, KVMFT_A_VM_REASON);
	char unknown[NAME_SIZE];

	moment_print(stdout, time);
	printf("vm %s: ", vm_string(vm, KVMFT_A_VM_NAME));
	if (event != KVMFT_VM_CHANGED || !vm_has(vm, KVMFT_A_VM_STATE)) {
		fputs(vm_event_name(event, unknown), stdout);
	} else {
		fputs(vm_state_name(vm_number(vm, KVMFT_A_VM_STATE), unknown),
		      stdout);
		if (reason != KVMFT_REASON_NONE)
			printf(" (%s)", reason_name(reason, unknown));
		if (vm_has(vm, KVMFT_A_VM_WHY)) {
			fputs(": ", stdout);
			print_plain(vm_string(vm, KVMFT_A_VM_WHY));
		}
	}
	putchar('\n');
}

static void print_vm_json(const struct vm_info *vm, uint32_t event,
			  uint64_t time)
{
	char unknown[NAME_SIZE];
	struct json json;

	json_begin(&json, stdout);
	json_string(&json, "event", vm_event_name(event, unknown));
	json_string(&json, "about", "vm");
	json_number(&json, "time_ns", time);
	vm_json_string(&json, "name", vm, KVMFT_A_VM_NAME);
	vm_json_name(&json, "role", vm, KVMFT_A_VM_ROLE, vm_role_name);
	vm_json_string(&json, "pair", vm, KVMFT_A_VM_PAIR);
	vm_json_state(&json, vm);
	vm_json_number(&json, "generation", vm, KVMFT_A_VM_GENERATION);
	vm_json_number(&json, "committed", vm, KVMFT_A_VM_COMMITTED);
	json_end(&json);
}

static bool is_wanted(const struct watch *watch, const char *what,
		      const char *name)
{
	int i;

	for (i = 1; i < watch->wanted_len; i += 2) {
		if (!strcmp(watch->wanted[i - 1], what) &&
		    !strcmp(watch->wanted[i], name))
			return true;
	}
	return !watch->wanted_len;
}

static bool take_pair_event(const struct nlmsghdr *message,
			    const struct watch *watch)
{
	struct pair_info pair;
	uint32_t event;
	uint64_t time;

	if (!pair_parse(message, KVMFT_CMD_PAIR_EVENT, &pair))
		return false;
	if (!is_wanted(watch, "pair", pair_string(&pair, KVMFT_A_PAIR_NAME)))
		return true;

	event = pair_number(&pair, KVMFT_A_PAIR_EVENT);
	if (event == KVMFT_PAIR_CHANGED &&
	    pair_has(&pair, KVMFT_A_PAIR_STATE_TIME))
		time = pair_number(&pair, KVMFT_A_PAIR_STATE_TIME);
	else
		time = moment_now();

	if (watch->json)
		print_pair_json(&pair, event, time);
	else
		print_pair(&pair, event, time);
	return true;
}

static bool take_vm_event(const struct nlmsghdr *message,
			  const struct watch *watch)
{
	struct vm_info vm;
	uint32_t event;

	if (!vm_parse(message, KVMFT_CMD_VM_EVENT, &vm))
		return false;
	if (!is_wanted(watch, "vm", vm_string(&vm, KVMFT_A_VM_NAME)))
		return true;

	event = vm_number(&vm, KVMFT_A_VM_EVENT);
	if (watch->json)
		print_vm_json(&vm, event, moment_now());
	else
		print_vm(&vm, event, moment_now());
	return true;
}

static bool take_event(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);

	switch (header->cmd) {
	case KVMFT_CMD_PAIR_EVENT:
		return take_pair_event(message, data);
	case KVMFT_CMD_VM_EVENT:
		return take_vm_event(message, data);
	default:
		/* A newer module may tell of more. */
		return true;
	}
}

static void tell_loss(void *data)
{
	const struct watch *watch = data;
	struct json json;

	if (watch->json) {
		json_begin(&json, stdout);
		json_string(&json, "event", "lost");
		json_end(&json);
	} else {
		moment_print(stdout, moment_now());
		puts("events were lost");
	}
}

/* Until the module goes, or the reader of the output. */
static enum exit_status follow(struct genl *genl, struct watch *watch)
{
	/* Nothing to wait for at the output: that it breaks comes unasked. */
	struct pollfd polled[] = {
		{ .fd = genl_descriptor(genl), .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	for (;;) {
		if (poll(polled, ARRAY_SIZE(polled), -1) == -1) {
			if (errno == EINTR)
				continue;
			complain("can't wait for events: %s", strerror(errno));
			return EXIT_FAILED;
		}

		if (polled[0].revents &&
		    !genl_listen(genl, take_event, tell_loss, watch)) {
			fflush(stdout);
			return EXIT_FAILED;
		}

		/* What can't be written is main()'s to complain about. */
		if (fflush(stdout) || polled[1].revents)
			return EXIT_OK;
	}
}

/*
 * Lines are written whole, so none is torn by this; and it works as well while
 * nobody reads what is written.
 */
static void end(int signal)
{
	(void)signal;
	_exit(EXIT_OK);
}

static enum exit_status watch_events(struct watch *watch)
{
	enum exit_status status = EXIT_FAILED;
	struct genl *genl = connect_to_module();

	if (!genl)
		return EXIT_FAILED;

	if (genl_join(genl, KVMFT_EVENTS_GROUP))
		status = follow(genl, watch);
	genl_close(genl);
	return status;
}

static enum exit_status monitor_run(const struct options *options, int argc,
				    char **argv)
{
	struct watch watch = {
		.json = options->json,
		.wanted = argv + 1,
		.wanted_len = argc - 1,
	};
	int i;

	for (i = 0; i < watch.wanted_len; i += 2) {
		if (strcmp(watch.wanted[i], "pair") &&
		    strcmp(watch.wanted[i], "vm"))
			return wrong_usage(&monitor_command, "'%s' is too much",
					   watch.wanted[i]);
		if (i + 1 == watch.wanted_len)
			return wrong_usage(&monitor_command,
					   "what belongs behind '%s' is missing",
					   watch.wanted[i]);
	}

	signal(SIGINT, end);
	signal(SIGTERM, end);
	return watch_events(&watch);
}

const struct command monitor_command = {
	.name = "monitor",
	.arguments = "[pair NAME | vm NAME]...",
	.summary = "print what happens to pairs and guests, as it happens",
	.details =
		"Prints a line whenever a pair is added or deleted, its link comes up or goes\n"
		"down, or a connection is refused, and whenever a guest is attached or detached,\n"
		"or its state changes, until it is interrupted; with \"pair NAME\" and \"vm NAME\"\n"
		"only what happens to these pairs and guests. With --json each line is one JSON\n"
		"object.\n",
	.run = monitor_run,
};
