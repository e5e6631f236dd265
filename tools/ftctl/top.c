// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "ftctl.h"
#include "genl.h"
#include "top_table.h"

#define MS_PER_SECOND 1000
#define NS_PER_MS 1000000

/* More often than that is of no use to people, and of no good to guests. */
#define INTERVAL_MIN 100
#define INTERVAL_DEFAULT 1000

/* A terminal that doesn't say how large it is. */
#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24

/**
 * struct view - what the operator wants to see
 * @json: As JSON.
 * @is_terminal: In place of the table before.
 * @count: How many tables; 0 for no end.
 * @interval: Between them, in ms.
 * @field: What they are sorted by.
 */
struct view {
	bool json;
	bool is_terminal;
	unsigned int count;
	uint32_t interval;
	const struct top_field *field;
};

static enum exit_status read_count(const char *text, struct view *view)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || !value || value > INT_MAX)
		return wrong_usage(&top_command, "-n '%s': that is no number of tables", text);
	view->count = value;
	return EXIT_OK;
}

/* Seconds without a unit, as other tools have it, or a time as ours have it. */
static enum exit_status read_interval(const char *text, struct view *view)
{
	size_t len = strlen(text);
	const char *wrong;
	char seconds[32];

	if (len && len < sizeof(seconds) - 1 && text[len - 1] >= '0' && text[len - 1] <= '9') {
		memcpy(seconds, text, len);
		memcpy(seconds + len, "s", 2);
		wrong = duration_parse(seconds, &view->interval);
	} else {
		wrong = duration_parse(text, &view->interval);
	}
	if (!wrong && view->interval < INTERVAL_MIN)
		wrong = "that is too often; 0.1 is the least";
	if (!wrong && view->interval > INT_MAX)
		wrong = "that is too long";
	if (wrong)
		return wrong_usage(&top_command, "-d '%s': %s", text, wrong);
	return EXIT_OK;
}

static enum exit_status read_field(const char *text, struct view *view)
{
	view->field = top_find_field(text);
	if (!view->field)
		return wrong_usage(&top_command, "sort '%s': that is none of %s", text,
				   top_field_names());
	return EXIT_OK;
}

static enum exit_status read_arguments(int argc, char **argv, struct view *view)
{
	static const struct {
		const char *word;
		enum exit_status (*read)(const char *text, struct view *view);
	} known[] = {
		{ "-n", read_count },
		{ "-d", read_interval },
		{ "sort", read_field },
	};
	enum exit_status status;
	size_t i;
	int at;

	for (at = 1; at < argc; at += 2) {
		for (i = 0; i < ARRAY_SIZE(known); i++) {
			if (!strcmp(argv[at], known[i].word))
				break;
		}
		if (i == ARRAY_SIZE(known))
			return wrong_usage(&top_command, "'%s' is too much", argv[at]);
		if (at + 1 == argc)
			return wrong_usage(&top_command,
					   "what belongs behind '%s' is missing", argv[at]);
		status = known[i].read(argv[at + 1], view);
		if (status)
			return status;
	}
	return EXIT_OK;
}

static bool print(const struct view *view, const struct top_sample *sample)
{
	struct winsize size = { .ws_col = COLUMNS_DEFAULT, .ws_row = ROWS_DEFAULT };
	bool ok;

	if (view->json)
		return top_print_json(sample);
	if (!view->is_terminal)
		return top_print(sample, 0, 0);

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col || !size.ws_row) {
		size.ws_col = COLUMNS_DEFAULT;
		size.ws_row = ROWS_DEFAULT;
	}
	/* Written over what is there, so that nothing flickers; what is below goes. */
	fputs("\033[H", stdout);
	ok = top_print(sample, size.ws_col, size.ws_row);
	fputs("\033[J", stdout);
	return ok;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * MS_PER_SECOND + now.tv_nsec / NS_PER_MS;
}

/* Until it is time for the next table; false when nobody reads any more. */
static bool rest(const struct view *view)
{
	/* Nothing to wait for at the output: that it breaks comes unasked. */
	struct pollfd output = { .fd = STDOUT_FILENO };
	uint64_t end = now_ms() + view->interval;
	uint64_t now;

	/* What can't be written is main()'s to complain about. */
	if (fflush(stdout))
		return false;
	while ((now = now_ms()) < end) {
		if (poll(&output, 1, end - now) > 0)
			return false;
	}
	return true;
}

static enum exit_status follow(struct genl *genl, const struct view *view)
{
	struct vm_list lists[2], *before = NULL;
	enum exit_status status = EXIT_OK;
	struct top_sample sample;
	unsigned int n;
	bool ok;

	for (n = 0; ; n++) {
		struct vm_list *list = &lists[n % 2];

		ok = vm_list_ask(genl, NULL, list);
		sample = (struct top_sample){ list, before, view->field };
		/* Without one before there are no rates; people see it all the same. */
		if (ok && (before || view->is_terminal))
			ok = print(view, &sample);
		if (before)
			vm_list_forget(before);
		before = list;
		if (!ok) {
			status = EXIT_FAILED;
			break;
		}
		if (n && n == view->count)
			break;
		if (n && !view->json && !view->is_terminal)
			putchar('\n');
		if (!rest(view))
			break;
	}
	vm_list_forget(before);
	return status;
}

static bool on_terminal;

/* As in monitor; the cursor is below the table, or amid it while that is drawn. */
static void end(int signal)
{
	static const char restore[] = "\033[0m\033[J\n";

	(void)signal;
	if (on_terminal && write(STDOUT_FILENO, restore, sizeof(restore) - 1) < 0)
		_exit(EXIT_FAILED);
	_exit(EXIT_OK);
}

static enum exit_status top_run(const struct options *options, int argc, char **argv)
{
	struct view view = {
		.json = options->json,
		.is_terminal = !options->json && isatty(STDOUT_FILENO),
		.interval = INTERVAL_DEFAULT,
		.field = top_find_field(NULL),
	};
	enum exit_status status = read_arguments(argc, argv, &view);
	struct genl *genl;

	if (status)
		return status;
	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	on_terminal = view.is_terminal;
	if (view.is_terminal) {
		/* A table at once, or people see how it is drawn. */
		setvbuf(stdout, NULL, _IOFBF, BUFSIZ * 8);
		fputs("\033[2J", stdout);
	}
	signal(SIGINT, end);
	signal(SIGTERM, end);
	status = follow(genl, &view);
	genl_close(genl);
	return status;
}

const struct command top_command = {
	.name = "top",
	.arguments = "[-n COUNT] [-d SECONDS] [sort FIELD]",
	.summary = "print how fast guests are replicated, again and again",
	.details =
		"Prints a table with a line for each guest: role, state, generation, the last\n"
		"epoch, rates of checkpoints, pages and megabytes sent, median and 99th percentile\n"
		"of how long it stands still, and how long ago the last epoch was committed; and\n"
		"why it isn't protected. Without a terminal tables follow each other; with --json\n"
		"each is an array on one line. It ends after COUNT tables, or when it is\n"
		"interrupted. FIELD is name, role, state (those that aren't protected first), gen,\n"
		"epoch, checkpoints, pages, bytes, p50, p99 or lag; numbers fall.\n",
	.run = top_run,
};
