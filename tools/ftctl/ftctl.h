/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ftctl: what the subcommands share.
 *
 * Contract: a subcommand is one file with one struct command, listed in the
 * table in ftctl.c. It writes its result to stdout and leaves flushing, and
 * noticing that the output couldn't be written, to main().
 */
#ifndef FTCTL_H
#define FTCTL_H

#include <stdbool.h>
#include <stdio.h>

#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

struct genl;

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/**
 * struct options - what stands before the subcommand
 * @json: Print one JSON value instead of text for people.
 * @stats: Print counters, too.
 */
struct options {
	bool json;
	bool stats;
};

/**
 * struct command - one subcommand
 * @name: What the operator types.
 * @arguments: What may follow, as in a usage line; "" if nothing. Several forms
 *	are separated by newlines.
 * @summary: One line for the list of subcommands.
 * @details: Paragraphs for "ftctl NAME -h", each line ended by a newline.
 * @run: Does it. @argv starts with the name. Returns the exit status; before
 *	anything but EXIT_OK it has said why on stderr.
 */
struct command {
	const char *name;
	const char *arguments;
	const char *summary;
	const char *details;
	enum exit_status (*run)(const struct options *options, int argc,
				char **argv);
};

extern const struct command help_command;
extern const struct command version_command;
extern const struct command genkey_command;
extern const struct command pair_command;
extern const struct command attach_command;
extern const struct command detach_command;
extern const struct command show_command;
extern const struct command solo_command;
extern const struct command fence_command;
extern const struct command agent_command;
extern const struct command set_command;
extern const struct command failover_command;
extern const struct command monitor_command;
extern const struct command top_command;
extern const struct command metrics_command;

ATTRIBUTE(format(printf, 1, 2))
void complain(const char *format, ...);
ATTRIBUTE(format(printf, 2, 3))
enum exit_status wrong_usage(const struct command *command,
			     const char *format, ...);

const struct command *find_command(const char *name);
void print_usage(FILE *out);
void print_command_help(FILE *out, const struct command *command);
bool is_help_option(const char *argument);

struct genl *connect_to_module(void);

#endif /* FTCTL_H */
