// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/kvmft.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "ftctl.h"
#include "genl.h"
#include "kmod/version.h"

static const struct command *const commands[] = {
	&help_command,
	&version_command,
	&genkey_command,
	&pair_command,
	&attach_command,
	&detach_command,
	&show_command,
	&set_command,
	&failover_command,
	&solo_command,
	&fence_command,
	&agent_command,
	&monitor_command,
	&top_command,
	&metrics_command,
	NULL
};

ATTRIBUTE(format(printf, 1, 0))
static void vcomplain(const char *format, va_list args)
{
	fputs("ftctl: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

/**
 * complain() - tell the operator what went wrong
 * @format: one sentence without a full stop or newline, as for printf()
 */
void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);
}

static void print_usage_line(FILE *out, const struct command *command)
{
	const char *form = command->arguments;
	size_t len = strcspn(form, "\n");

	fprintf(out, "usage: ftctl [OPTIONS] %s%s%.*s\n", command->name,
		len ? " " : "", (int)len, form);
	while (form[len]) {
		form += len + 1;
		len = strcspn(form, "\n");
		fprintf(out, "       ftctl [OPTIONS] %s %.*s\n", command->name,
			(int)len, form);
	}
}

/**
 * wrong_usage() - tell the operator that the command line makes no sense
 * @command: whose usage to show; NULL for that of ftctl as a whole
 * @format: what is wrong with it, as for printf()
 *
 * Return: EXIT_USAGE
 */
enum exit_status wrong_usage(const struct command *command,
			     const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vcomplain(format, args);
	va_end(args);

	if (command)
		print_usage_line(stderr, command);
	else
		print_usage(stderr);
	return EXIT_USAGE;
}

/**
 * find_command() - look a subcommand up
 * @name: its full name
 *
 * Return: the subcommand, or NULL
 */
const struct command *find_command(const char *name)
{
	const struct command *const *command;

	for (command = commands; *command; command++) {
		if (!strcmp((*command)->name, name))
			return *command;
	}
	return NULL;
}

/**
 * print_usage() - print what ftctl understands
 * @out: where to
 */
void print_usage(FILE *out)
{
	const struct command *const *command;

	fputs("usage: ftctl [OPTIONS] SUBCOMMAND [ARGUMENTS]\n"
	      "\n"
	      "subcommands:\n", out);
	for (command = commands; *command; command++)
		fprintf(out, "  %-14s %s\n", (*command)->name,
			(*command)->summary);
	fputs("\n"
	      "options:\n"
	      "  -j, --json     print JSON\n"
	      "  -s, --stats    print counters, too\n"
	      "  -h, --help     print this, or with a subcommand its help\n"
	      "  -V, --version  print the version of ftctl itself\n", out);
}

/**
 * print_command_help() - print what one subcommand understands
 * @out: where to
 * @command: the subcommand
 */
void print_command_help(FILE *out, const struct command *command)
{
	print_usage_line(out, command);
	fprintf(out, "\n%s", command->details);
}

/**
 * is_help_option() - whether an argument asks for help
 * @argument: one behind the subcommand
 *
 * Return: true if it does
 */
bool is_help_option(const char *argument)
{
	return !strcmp(argument, "-h") || !strcmp(argument, "--help");
}

/**
 * connect_to_module() - get ready to talk to the kvmft module
 *
 * Return: what the functions in genl.h want, or NULL after a complaint
 */
struct genl *connect_to_module(void)
{
	struct genl *genl = genl_open();
	int version;

	if (!genl)
		return NULL;

	version = genl_find_family(genl, KVMFT_FAMILY_NAME);
	if (version == KVMFT_FAMILY_VERSION)
		return genl;

	if (version == -ENOENT)
		complain("the kvmft module isn't loaded; load it with: modprobe kvmft");
	else if (version >= 0)
		complain("the module has version %d of the netlink interface, ftctl wants %d",
			 version, KVMFT_FAMILY_VERSION);
	genl_close(genl);
	return NULL;
}

/*
 * Without this the netlink socket, say, would get the number of a standard
 * stream that is closed, and be written to as such. Each is opened the wrong
 * way round, so that using it is still an error.
 */
static void occupy_standard_streams(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
			open("/dev/null",
			     fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

static enum exit_status finish_output(enum exit_status status)
{
	bool failed_before = ferror(stdout);

	errno = 0;
	if (fclose(stdout) || failed_before) {
		complain("can't write the output%s%s", errno ? ": " : "",
			 errno ? strerror(errno) : "");
		return EXIT_FAILED;
	}
	return status;
}

static enum exit_status run_command(const struct options *options, bool help,
				    int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);

	if (!command)
		return wrong_usage(NULL, "there is no subcommand '%s'",
				   argv[0]);

	if (help || (argc > 1 && is_help_option(argv[1]))) {
		print_command_help(stdout, command);
		return EXIT_OK;
	}

	return command->run(options, argc, argv);
}

static enum exit_status run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "stats", no_argument, NULL, 's' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { 0 };
	bool help = false;
	int option;

	/* getopt would name the program by its path, which complain() doesn't. */
	opterr = 0;

	/* "+": options after the subcommand are the subcommand's. */
	while ((option = getopt_long(argc, argv, "+hjsV", long_options,
				     NULL)) != -1) {
		switch (option) {
		case 'h':
			help = true;
			break;
		case 'j':
			options.json = true;
			break;
		case 's':
			options.stats = true;
			break;
		case 'V':
			puts("ftctl " KVMFT_VERSION);
			return EXIT_OK;
		default:
			/*
			 * A wrong letter may stand between others, so it is
			 * named by itself; a wrong long option leaves no
			 * letter, one with an argument too many its own.
			 */
			if (optopt && !strchr("hjsV", optopt))
				return wrong_usage(NULL, "there is no option '-%c'",
						   optopt);
			return wrong_usage(NULL, "can't make sense of option '%s'",
					   argv[optind - 1]);
		}
	}

	if (optind < argc)
		return run_command(&options, help, argc - optind,
				   argv + optind);

	if (!help)
		return wrong_usage(NULL, "a subcommand is missing");

	print_usage(stdout);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	occupy_standard_streams();
	return finish_output(run(argc, argv));
}
