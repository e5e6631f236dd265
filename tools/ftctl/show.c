// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <time.h>

#include "duration.h"
#include "genl.h"
#include "name.h"
#include "vm_list.h"
#include "vm_show.h"

#define NS_PER_MS 1000000

/**
 * struct request - what the operator wants to see
 * @name: The guest, NULL for all.
 * @interval: Between two looks, in ms; 0 if one will do.
 */
struct request {
	const char *name;
	uint32_t interval;
};

static enum exit_status read_arguments(int argc, char **argv,
				       struct request *request)
{
	const char *wrong;
	int at = 1;

	/* With a time behind it, it isn't a guest of that name. */
	if (argc > 1 && (strcmp(argv[1], "over") || argc != 3))
		request->name = argv[at++];
	if (request->name && name_check_vm(&show_command, request->name))
		return EXIT_USAGE;
	if (at == argc)
		return EXIT_OK;

	if (strcmp(argv[at], "over"))
		return wrong_usage(&show_command, "'%s' is too much", argv[at]);
	if (++at == argc)
		return wrong_usage(&show_command,
				   "what belongs behind 'over' is missing");
	wrong = duration_parse(argv[at], &request->interval);
	if (!wrong && !request->interval)
		wrong = "nothing happens in no time; say 100ms or 1s";
	if (wrong)
		return wrong_usage(&show_command, "over '%s': %s", argv[at], wrong);
	if (++at < argc)
		return wrong_usage(&show_command, "'%s' is too much", argv[at]);
	return EXIT_OK;
}

static bool show(struct genl *genl, const struct options *options,
		 const struct request *request)
{
	struct timespec interval = {
		.tv_sec = request->interval / 1000,
		.tv_nsec = (long)(request->interval % 1000) * NS_PER_MS,
	};
	struct vm_list before, list;
	bool ok = true;

	if (request->interval) {
		ok = vm_list_ask(genl, request->name, &before);
		if (ok)
			nanosleep(&interval, NULL);
	}
	if (ok) {
		ok = vm_list_ask(genl, request->name, &list);
		if (ok)
			vm_show(options, &list, request->interval ? &before : NULL);
		vm_list_forget(&list);
	}
	if (request->interval)
		vm_list_forget(&before);
	return ok;
}

static enum exit_status show_run(const struct options *options, int argc,
				 char **argv)
{
	struct request request = { 0 };
	enum exit_status status;
	struct genl *genl;
	bool ok;

	status = read_arguments(argc, argv, &request);
	if (status)
		return status;

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	ok = show(genl, options, &request);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command show_command = {
	.name = "show",
	.arguments = "[NAME] [over TIME]",
	.summary = "print how it is with guests",
	.details =
		"Tells about all guests or one: whether it is protected and if not why, what it\n"
		"consists of, the last epoch and how far the standby is behind, and for how long\n"
		"it stands still for a checkpoint. With \"over TIME\", such as 1s, it looks twice,\n"
		"and tells the rates of checkpoints, pages and bytes in between. With the option\n"
		"-s, as in \"ftctl -s show\", it tells counters and histograms, too. Everybody may\n"
		"use it.\n",
	.run = show_run,
};
