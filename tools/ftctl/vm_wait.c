// SPDX-License-Identifier: GPL-2.0
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "names.h"
#include "size.h"
#include "vm_show.h"
#include "vm_wait.h"

/* Often enough for people to see that it moves. */
#define POLL_MS 200
#define NS_PER_MS 1000000

/* The line of the terminal, and what remains of it for the bar. */
#define COLUMNS_DEFAULT 80
#define BAR_MAX 40
#define BAR_MIN 10
#define LINE_SIZE 512

/**
 * struct display - where it is shown how far it is
 * @is_terminal: As a line that changes; otherwise as one at the begin and one at
 *	the end.
 * @is_begun: Something was shown.
 * @columns: Width of the terminal.
 */
struct display {
	bool is_terminal;
	bool is_begun;
	int columns;
};

static int count_columns(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col)
		return COLUMNS_DEFAULT;
	return size.ws_col;
}

/* The last column stays free: some terminals go on to the next line. */
static void show_line(const struct display *display, const char *line)
{
	printf("\r%.*s", display->columns - 1, line);
	fflush(stdout);
}

/* Makes room for the next line, or for a complaint. */
static void clear_line(const struct display *display)
{
	if (!display->is_terminal || !display->is_begun)
		return;
	printf("\r%*s\r", display->columns - 1, "");
	fflush(stdout);
}

static void draw_bar(char *bar, int width, uint64_t done, uint64_t total)
{
	int filled = (double)done / total * width;

	memset(bar, '#', filled);
	memset(bar + filled, '.', width - filled);
	bar[width] = '\0';
}

/* What the full copy has to say, or nothing if there is none. */
static void describe_copy(const struct vm_info *vm, int columns, char *text,
			  size_t size)
{
	uint64_t total = vm_number(vm, KVMFT_A_VM_COPY_TOTAL);
	uint64_t done = vm_number(vm, KVMFT_A_VM_COPY_DONE);
	char done_text[SIZE_SIZE], total_text[SIZE_SIZE];
	char numbers[128], bar[BAR_MAX + 1];
	int width;

	text[0] = '\0';
	if (vm_number(vm, KVMFT_A_VM_STATE) != KVMFT_VM_SYNCING || !total)
		return;
	if (done > total)
		done = total;

	snprintf(numbers, sizeof(numbers), "%3d%% %s of %s, round %u",
		 (int)((double)done / total * 100), size_text(done, done_text),
		 size_text(total, total_text),
		 (unsigned int)vm_number(vm, KVMFT_A_VM_COPY_ROUND));

	/* The brackets, and blanks around them. */
	width = columns - (int)strlen(numbers) - 4;
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width < BAR_MIN) {
		snprintf(text, size, " %s", numbers);
		return;
	}
	draw_bar(bar, width, done, total);
	snprintf(text, size, " [%s] %s", bar, numbers);
}

static void show_progress(struct display *display, const struct vm_info *vm)
{
	char unknown[NAME_SIZE], line[LINE_SIZE], copy[LINE_SIZE / 2];
	int len;

	if (display->is_begun && !display->is_terminal)
		return;

	len = snprintf(line, sizeof(line), "%s: %s",
		       vm_string(vm, KVMFT_A_VM_NAME),
		       vm_state_name(vm_number(vm, KVMFT_A_VM_STATE), unknown));
	if (display->is_terminal) {
		if (len < (int)sizeof(line)) {
			describe_copy(vm, display->columns - 1 - len, copy,
				      sizeof(copy));
			snprintf(line + len, sizeof(line) - len, "%s", copy);
		}
		show_line(display, line);
	} else {
		puts(line);
		fflush(stdout);
	}
	display->is_begun = true;
}

/* The reason, and what the module says about it, as far as it does. */
static void complain_about(const struct vm_info *vm)
{
	uint32_t reason = vm_number(vm, KVMFT_A_VM_REASON);
	const char *why = vm_string(vm, KVMFT_A_VM_WHY);
	char unknown_state[NAME_SIZE], unknown[NAME_SIZE];
	char words[256] = "";
	char *at;

	if (why)
		snprintf(words, sizeof(words), "%s", why);
	for (at = words; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}

	complain("%s won't be protected, it is %s%s%s%s%s%s",
		 vm_string(vm, KVMFT_A_VM_NAME),
		 vm_state_name(vm_number(vm, KVMFT_A_VM_STATE), unknown_state),
		 reason != KVMFT_REASON_NONE ? " (" : "",
		 reason != KVMFT_REASON_NONE ? reason_name(reason, unknown) : "",
		 reason != KVMFT_REASON_NONE ? ")" : "", why ? ": " : "", words);
}

static bool is_decided(const struct vm_info *vm)
{
	/* A guest that is held will be protected again when its peer is back. */
	switch (vm_number(vm, KVMFT_A_VM_STATE)) {
	case KVMFT_VM_WAITING_PEER:
	case KVMFT_VM_SYNCING:
	case KVMFT_VM_HELD:
	case KVMFT_VM_SOLO:
		return false;
	default:
		return true;
	}
}

static enum exit_status finish(const struct options *options,
			       const struct vm_list *list)
{
	const struct vm_info *vm = &list->first->info;

	if (vm_number(vm, KVMFT_A_VM_STATE) != KVMFT_VM_PROTECTED) {
		complain_about(vm);
		return EXIT_FAILED;
	}

	if (options->json)
		vm_show(options, list, NULL);
	else
		printf("%s: protected\n", vm_string(vm, KVMFT_A_VM_NAME));
	return EXIT_OK;
}

/**
 * vm_wait() - wait until a guest is protected, and show how far it is
 * @options: what stands before the subcommand
 * @genl: what connect_to_module() returned
 * @name: the guest
 *
 * It waits for a peer that isn't there, too, for as long as it takes.
 *
 * Return: the exit status; a guest that won't be protected is a failure
 */
enum exit_status vm_wait(const struct options *options, struct genl *genl,
			 const char *name)
{
	const struct timespec pause = { .tv_nsec = POLL_MS * NS_PER_MS };
	struct display display = {
		.is_terminal = !options->json && isatty(STDOUT_FILENO),
	};
	enum exit_status status;
	struct vm_list list;

	for (;;) {
		clear_line(&display);
		display.columns = count_columns();
		if (!vm_list_ask(genl, name, &list)) {
			status = EXIT_FAILED;
			break;
		}
		if (is_decided(&list.first->info)) {
			status = finish(options, &list);
			break;
		}
		if (!options->json)
			show_progress(&display, &list.first->info);
		vm_list_forget(&list);
		nanosleep(&pause, NULL);
	}

	vm_list_forget(&list);
	return status;
}
