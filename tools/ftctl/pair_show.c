// SPDX-License-Identifier: GPL-2.0
#include "duration.h"
#include "genl.h"
#include "names.h"
#include "pair_list.h"
#include "pair_show.h"

/* Whether any of the attributes from @type to @last has something to say. */
static bool has_any(const struct pair_info *pair, enum kvmft_a_pair type,
		    enum kvmft_a_pair last)
{
	for (; type <= last; type++) {
		if (pair_number(pair, type))
			return true;
	}
	return false;
}

static void print_first_line(const struct pair_info *pair)
{
	uint32_t reason = pair_number(pair, KVMFT_A_PAIR_REASON);
	char unknown[NAME_SIZE], age[DURATION_SIZE], text[ADDRESS_SIZE];
	struct address address;

	printf("%s: %s", pair_string(pair, KVMFT_A_PAIR_NAME),
	       role_name(pair_number(pair, KVMFT_A_PAIR_ROLE), unknown));
	if (pair_address(pair, &address))
		printf(" %s", address_text(&address, text));
	printf(" state %s",
	       state_name(pair_number(pair, KVMFT_A_PAIR_STATE), unknown));
	if (reason != KVMFT_REASON_NONE)
		printf(" (%s)", reason_name(reason, unknown));
	if (pair_has(pair, KVMFT_A_PAIR_STATE_AGE))
		printf(" for %s",
		       duration_age(pair_number(pair, KVMFT_A_PAIR_STATE_AGE), age));
	putchar('\n');
}

static void print_count(const struct pair_info *pair, enum kvmft_a_pair type,
			const char *unit)
{
	unsigned long long count = pair_number(pair, type);

	printf("%llu %s%s", count, unit, count == 1 ? "" : "s");
}

static void print_errors(const struct pair_info *pair)
{
	const struct nlattr *error = NULL;
	const char *separator = "    errors: ";
	char unknown[NAME_SIZE];
	uint32_t reason;
	uint64_t count;

	while ((error = pair_next_error(pair, error, &reason, &count))) {
		printf("%s%s %llu", separator, reason_name(reason, unknown),
		       (unsigned long long)count);
		separator = ", ";
	}
	if (separator[0] == ',')
		putchar('\n');
}

static void print_text(const struct pair_info *pair)
{
	char heartbeat[DURATION_SIZE], timeout[DURATION_SIZE];

	print_first_line(pair);

	if (pair_has(pair, KVMFT_A_PAIR_PEER_HOST)) {
		printf("    peer ");
		pair_print_peer(pair);
		pair_print_instance(pair);
		putchar('\n');
	}

	printf("    heartbeat %s timeout %s\n",
	       duration_text(pair_number(pair, KVMFT_A_PAIR_HEARTBEAT), heartbeat),
	       duration_text(pair_number(pair, KVMFT_A_PAIR_TIMEOUT), timeout));

	if (pair_has(pair, KVMFT_A_PAIR_RTT_LAST))
		printf("    round trip min/avg/max %.3f/%.3f/%.3f ms\n",
		       pair_number(pair, KVMFT_A_PAIR_RTT_MIN) / 1e6,
		       pair_number(pair, KVMFT_A_PAIR_RTT_AVG) / 1e6,
		       pair_number(pair, KVMFT_A_PAIR_RTT_MAX) / 1e6);

	if (has_any(pair, KVMFT_A_PAIR_RX_BYTES, KVMFT_A_PAIR_LINKS)) {
		printf("    received ");
		print_count(pair, KVMFT_A_PAIR_RX_BYTES, "byte");
		printf(" in ");
		print_count(pair, KVMFT_A_PAIR_RX_FRAMES, "frame");
		printf(", sent ");
		print_count(pair, KVMFT_A_PAIR_TX_BYTES, "byte");
		printf(" in ");
		print_count(pair, KVMFT_A_PAIR_TX_FRAMES, "frame");
		printf(", link came up ");
		print_count(pair, KVMFT_A_PAIR_LINKS, "time");
		putchar('\n');
	}

	if (pair_has(pair, KVMFT_A_PAIR_ERROR)) {
		printf("    last error: ");
		print_plain(pair_string(pair, KVMFT_A_PAIR_ERROR));
		putchar('\n');
	}
	print_errors(pair);
}

static void add_errors(struct json *json, const struct pair_info *pair)
{
	const struct nlattr *error = NULL;
	char unknown[NAME_SIZE];
	uint32_t reason;
	uint64_t count;

	json_open(json, "errors");
	while ((error = pair_next_error(pair, error, &reason, &count)))
		json_number(json, reason_name(reason, unknown), count);
	json_close(json);
}

static void add_json(struct json *json, const struct pair_info *pair)
{
	char unknown[NAME_SIZE], text[ADDRESS_SIZE];
	struct address address;

	json_open(json, NULL);
	pair_json_string(json, "name", pair, KVMFT_A_PAIR_NAME);
	json_string(json, "role",
		    role_name(pair_number(pair, KVMFT_A_PAIR_ROLE), unknown));
	pair_address(pair, &address);
	json_string(json, "address", address_host(&address, text));
	pair_json_number(json, "port", pair, KVMFT_A_PAIR_PORT);
	pair_json_state(json, pair);
	pair_json_number(json, "state_age_ms", pair, KVMFT_A_PAIR_STATE_AGE);
	pair_json_number(json, "state_time_ns", pair, KVMFT_A_PAIR_STATE_TIME);
	pair_json_number(json, "heartbeat_ms", pair, KVMFT_A_PAIR_HEARTBEAT);
	pair_json_number(json, "timeout_ms", pair, KVMFT_A_PAIR_TIMEOUT);
	pair_json_peer(json, pair);
	if (pair_has(pair, KVMFT_A_PAIR_RTT_LAST)) {
		json_open(json, "rtt");
		pair_json_number(json, "last_ns", pair, KVMFT_A_PAIR_RTT_LAST);
		pair_json_number(json, "min_ns", pair, KVMFT_A_PAIR_RTT_MIN);
		pair_json_number(json, "avg_ns", pair, KVMFT_A_PAIR_RTT_AVG);
		pair_json_number(json, "max_ns", pair, KVMFT_A_PAIR_RTT_MAX);
		json_close(json);
	} else {
		json_null(json, "rtt");
	}
	pair_json_number(json, "rx_bytes", pair, KVMFT_A_PAIR_RX_BYTES);
	pair_json_number(json, "tx_bytes", pair, KVMFT_A_PAIR_TX_BYTES);
	pair_json_number(json, "rx_frames", pair, KVMFT_A_PAIR_RX_FRAMES);
	pair_json_number(json, "tx_frames", pair, KVMFT_A_PAIR_TX_FRAMES);
	pair_json_number(json, "links", pair, KVMFT_A_PAIR_LINKS);
	pair_json_string(json, "last_error", pair, KVMFT_A_PAIR_ERROR);
	add_errors(json, pair);
	json_close(json);
}

static void print_list(const struct options *options,
		       const struct pair_list *list)
{
	const struct pair *pair;
	struct json json;

	if (options->json)
		json_begin_array(&json, stdout);
	for (pair = list->first; pair; pair = pair->next) {
		if (options->json)
			add_json(&json, &pair->info);
		else
			print_text(&pair->info);
	}
	if (options->json)
		json_end_array(&json);
}

/**
 * pair_show() - print how it is with pairs
 * @options: what stands before the subcommand
 * @name: the pair, NULL for all
 *
 * Return: the exit status
 */
enum exit_status pair_show(const struct options *options, const char *name)
{
	struct genl *genl = connect_to_module();
	struct pair_list list;
	bool ok;

	if (!genl)
		return EXIT_FAILED;

	ok = pair_list_ask(genl, name, &list);
	genl_close(genl);
	if (ok)
		print_list(options, &list);
	pair_list_forget(&list);
	return ok ? EXIT_OK : EXIT_FAILED;
}
