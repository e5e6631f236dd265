// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/kvmft.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ftctl.h"
#include "genl.h"
#include "json.h"
#include "names.h"
#include "pair_info.h"

#define NS_PER_SECOND 1000000000ULL
#define NS_PER_MS 1000000ULL

/**
 * struct watch - what the operator wants to see
 * @json: As JSON.
 * @pairs: "pair NAME" for each pair that counts.
 * @pairs_len: Number of these strings; 0 if all count.
 */
struct watch {
	bool json;
	char **pairs;
	int pairs_len;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

static void print_time(uint64_t ns)
{
	time_t seconds = ns / NS_PER_SECOND;
	char text[64];
	struct tm tm;

	if (!localtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(text, "?");
	printf("%s.%03u ", text, (unsigned int)(ns % NS_PER_SECOND / NS_PER_MS));
}

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

static void print_text(const struct pair_info *pair, uint32_t event,
		       uint64_t time)
{
	char unknown[NAME_SIZE];

	print_time(time);
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

static void print_json(const struct pair_info *pair, uint32_t event,
		       uint64_t time)
{
	char unknown[NAME_SIZE];
	struct json json;

	json_begin(&json, stdout);
	json_string(&json, "event", event_name(event, unknown));
	json_number(&json, "time_ns", time);
	pair_json_string(&json, "name", pair, KVMFT_A_PAIR_NAME);
	pair_json_state(&json, pair);
	pair_json_peer(&json, pair);
	pair_json_string(&json, "last_error", pair, KVMFT_A_PAIR_ERROR);
	json_end(&json);
}

static bool is_wanted(const struct watch *watch, const char *name)
{
	int i;

	for (i = 1; i < watch->pairs_len; i += 2) {
		if (!strcmp(watch->pairs[i], name))
			return true;
	}
	return !watch->pairs_len;
}

static bool take_event(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	const struct watch *watch = data;
	struct pair_info pair;
	uint32_t event;
	uint64_t time;

	/* A newer module may tell of more than pairs. */
	if (header->cmd != KVMFT_CMD_PAIR_EVENT)
		return true;
	if (!pair_parse(message, KVMFT_CMD_PAIR_EVENT, &pair))
		return false;
	if (!is_wanted(watch, pair_string(&pair, KVMFT_A_PAIR_NAME)))
		return true;

	event = pair_number(&pair, KVMFT_A_PAIR_EVENT);
	if (event == KVMFT_PAIR_CHANGED &&
	    pair_has(&pair, KVMFT_A_PAIR_STATE_TIME))
		time = pair_number(&pair, KVMFT_A_PAIR_STATE_TIME);
	else
		time = now();

	if (watch->json)
		print_json(&pair, event, time);
	else
		print_text(&pair, event, time);
	return true;
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
		print_time(now());
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

static enum exit_status watch_pairs(struct watch *watch)
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
		.pairs = argv + 1,
		.pairs_len = argc - 1,
	};
	int i;

	for (i = 0; i < watch.pairs_len; i += 2) {
		if (strcmp(watch.pairs[i], "pair"))
			return wrong_usage(&monitor_command, "'%s' is too much",
					   watch.pairs[i]);
		if (i + 1 == watch.pairs_len)
			return wrong_usage(&monitor_command,
					   "what belongs behind 'pair' is missing");
	}

	signal(SIGINT, end);
	signal(SIGTERM, end);
	return watch_pairs(&watch);
}

const struct command monitor_command = {
	.name = "monitor",
	.arguments = "[pair NAME]...",
	.summary = "print what happens to pairs, as it happens",
	.details =
		"Prints a line whenever a pair is added or deleted, its link comes up or goes\n"
		"down, or a connection is refused, until it is interrupted; with \"pair NAME\"\n"
		"only what happens to that pair, or to those. With --json each line is one\n"
		"JSON object.\n",
	.run = monitor_run,
};
