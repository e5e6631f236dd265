// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "duration.h"
#include "names.h"
#include "pair_info.h"
#include "size.h"
#include "vm_rate.h"
#include "vm_show.h"
#include "vm_times.h"

/* Counters as JSON has them, in order. */
static const struct {
	enum kvmft_a_counter type;
	const char *key;
} counter_keys[] = {
	{ KVMFT_A_COUNTER_BEGUN, "begun" },
	{ KVMFT_A_COUNTER_COMMITTED, "committed" },
	{ KVMFT_A_COUNTER_ABORTED, "aborted" },
	{ KVMFT_A_COUNTER_PAGES_TRACKED, "pages_tracked" },
	{ KVMFT_A_COUNTER_PAGES_MARKED, "pages_marked" },
	{ KVMFT_A_COUNTER_PAGES_RESENT, "pages_resent" },
	{ KVMFT_A_COUNTER_PAGES_AHEAD, "pages_ahead" },
	{ KVMFT_A_COUNTER_PAGES_SENT, "pages_sent" },
	{ KVMFT_A_COUNTER_PAGES_ZERO, "pages_zero" },
	{ KVMFT_A_COUNTER_PAGES_COPIED, "pages_copied" },
	{ KVMFT_A_COUNTER_PAGES_PACKED, "pages_packed" },
	{ KVMFT_A_COUNTER_BYTES, "bytes" },
	{ KVMFT_A_COUNTER_KICKS, "kicks" },
	{ KVMFT_A_COUNTER_PARKED_LAST, "parked_last_ns" },
	{ KVMFT_A_COUNTER_PARKED_P50, "parked_p50_ns" },
	{ KVMFT_A_COUNTER_PARKED_P99, "parked_p99_ns" },
	{ KVMFT_A_COUNTER_HARVEST_LAST, "harvest_last_ns" },
	{ KVMFT_A_COUNTER_TRANSFER_LAST, "transfer_last_ns" },
	{ KVMFT_A_COUNTER_TRANSFER_P50, "transfer_p50_ns" },
	{ KVMFT_A_COUNTER_TRANSFER_P99, "transfer_p99_ns" },
	{ KVMFT_A_COUNTER_APPLY_LAST, "apply_last_ns" },
	{ KVMFT_A_COUNTER_SWITCHED, "switched_ns" },
	{ KVMFT_A_COUNTER_APPLY_P50, "apply_p50_ns" },
	{ KVMFT_A_COUNTER_APPLY_P99, "apply_p99_ns" },
};

/* Counters as people read them: a line each, those of a kind behind each other. */
struct counter_line {
	const char *title;
	struct {
		enum kvmft_a_counter type;
		const char *name;
	} counters[8];
};

static const struct counter_line count_lines[] = {
	{ "epochs", {
		{ KVMFT_A_COUNTER_BEGUN, "begun" },
		{ KVMFT_A_COUNTER_COMMITTED, "committed" },
		{ KVMFT_A_COUNTER_ABORTED, "aborted" },
	} },
	{ "pages", {
		{ KVMFT_A_COUNTER_PAGES_TRACKED, "tracked" },
		{ KVMFT_A_COUNTER_PAGES_MARKED, "marked" },
		{ KVMFT_A_COUNTER_PAGES_SENT, "sent" },
		{ KVMFT_A_COUNTER_PAGES_AHEAD, "ahead" },
		{ KVMFT_A_COUNTER_PAGES_RESENT, "again" },
		{ KVMFT_A_COUNTER_PAGES_ZERO, "zero" },
		{ KVMFT_A_COUNTER_PAGES_COPIED, "copied" },
		{ KVMFT_A_COUNTER_PAGES_PACKED, "packed" },
	} },
	{ "sent", {
		{ KVMFT_A_COUNTER_BYTES, "bytes" },
	} },
	{ "kicked again", {
		{ KVMFT_A_COUNTER_KICKS, "vcpus" },
	} },
};

/* How long the guest stands still is what everybody asks first. */
static const struct counter_line parked_line = {
	"parked", {
		{ KVMFT_A_COUNTER_PARKED_LAST, "last" },
		{ KVMFT_A_COUNTER_PARKED_P50, "median" },
		{ KVMFT_A_COUNTER_PARKED_P99, "99%" },
	}
};

static const struct counter_line time_lines[] = {
	{ "harvest", {
		{ KVMFT_A_COUNTER_HARVEST_LAST, "last" },
	} },
	{ "transfer", {
		{ KVMFT_A_COUNTER_TRANSFER_LAST, "last" },
		{ KVMFT_A_COUNTER_TRANSFER_P50, "median" },
		{ KVMFT_A_COUNTER_TRANSFER_P99, "99%" },
	} },
	{ "apply", {
		{ KVMFT_A_COUNTER_APPLY_LAST, "last" },
		{ KVMFT_A_COUNTER_APPLY_P50, "median" },
		{ KVMFT_A_COUNTER_APPLY_P99, "99%" },
	} },
};

static const struct {
	enum kvmft_a_vm type;
	const char *name;
} histograms[VM_TIMES] = {
	{ KVMFT_A_VM_PARKED, "parked" },
	{ KVMFT_A_VM_TRANSFER, "transfer" },
	{ KVMFT_A_VM_APPLY, "apply" },
};

/* One of the words of a line; the first one stands behind four blanks. */
static void begin_word(bool *begun)
{
	fputs(*begun ? " " : "    ", stdout);
	*begun = true;
}

static void end_line(bool begun)
{
	if (begun)
		putchar('\n');
}

static void print_name(const struct vm_info *vm, bool *begun, const char *title,
		       enum kvmft_a_vm type, vm_name_fn name)
{
	char unknown[NAME_SIZE];

	if (!vm_has(vm, type))
		return;
	begin_word(begun);
	printf("%s %s", title, name(vm_number(vm, type), unknown));
}

/* The same, but for a number that needn't be said. */
static void print_unless(const struct vm_info *vm, bool *begun, const char *title,
			 enum kvmft_a_vm type, uint32_t usual, vm_name_fn name)
{
	if (vm_number(vm, type) != usual)
		print_name(vm, begun, title, type, name);
}

static void print_number(const struct vm_info *vm, bool *begun,
			 const char *title, enum kvmft_a_vm type)
{
	if (!vm_has(vm, type))
		return;
	begin_word(begun);
	printf("%s %llu", title, (unsigned long long)vm_number(vm, type));
}

static void print_first_line(const struct vm_info *vm)
{
	uint32_t reason = vm_number(vm, KVMFT_A_VM_REASON);
	char unknown[NAME_SIZE], age[DURATION_SIZE];

	printf("%s:", vm_string(vm, KVMFT_A_VM_NAME));
	if (vm_has(vm, KVMFT_A_VM_ROLE))
		printf(" %s", vm_role_name(vm_number(vm, KVMFT_A_VM_ROLE),
					   unknown));
	if (vm_has(vm, KVMFT_A_VM_PAIR))
		printf(" pair %s", vm_string(vm, KVMFT_A_VM_PAIR));
	printf(" state %s", vm_state_name(vm_number(vm, KVMFT_A_VM_STATE),
					  unknown));
	if (reason != KVMFT_REASON_NONE)
		printf(" (%s)", reason_name(reason, unknown));
	if (vm_has(vm, KVMFT_A_VM_STATE_AGE))
		printf(" for %s",
		       duration_age(vm_number(vm, KVMFT_A_VM_STATE_AGE), age));
	putchar('\n');
}

static void print_configuration(const struct vm_info *vm)
{
	char memory[SIZE_SIZE];
	bool begun = false;

	print_name(vm, &begun, "mode", KVMFT_A_VM_MODE, vm_mode_name);
	print_name(vm, &begun, "promote", KVMFT_A_VM_PROMOTE, vm_promote_name);
	print_unless(vm, &begun, "loss", KVMFT_A_VM_LOSS, KVMFT_VM_LOSS_HOLD, vm_loss_name);
	print_unless(vm, &begun, "fencing", KVMFT_A_VM_FENCING, KVMFT_VM_FENCING_NONE,
		     vm_fencing_name);
	print_name(vm, &begun, "fence", KVMFT_A_VM_FENCE, vm_fence_name);
	print_unless(vm, &begun, "compress", KVMFT_A_VM_COMPRESS, KVMFT_VM_COMPRESS_NONE,
		     vm_compress_name);
	print_number(vm, &begun, "pid", KVMFT_A_VM_PID);
	print_number(vm, &begun, "vcpus", KVMFT_A_VM_VCPUS);
	if (vm_has(vm, KVMFT_A_VM_MEMORY)) {
		begin_word(&begun);
		printf("memory %s", size_text(vm_number(vm, KVMFT_A_VM_MEMORY),
					      memory));
	}
	print_name(vm, &begun, "tracking", KVMFT_A_VM_TRACKING, vm_tracking_name);
	end_line(begun);
}

static void print_epochs(const struct vm_info *vm)
{
	char age[DURATION_SIZE];
	bool begun = false;

	print_number(vm, &begun, "generation", KVMFT_A_VM_GENERATION);
	print_number(vm, &begun, "epoch", KVMFT_A_VM_EPOCH);
	print_number(vm, &begun, "committed", KVMFT_A_VM_COMMITTED);
	print_number(vm, &begun, "applied", KVMFT_A_VM_APPLIED);
	if (vm_has(vm, KVMFT_A_VM_COMMITTED_AGE)) {
		begin_word(&begun);
		printf("lag %llu epoch%s, last commit %s ago",
		       (unsigned long long)vm_lag(vm), vm_lag(vm) == 1 ? "" : "s",
		       duration_age(vm_number(vm, KVMFT_A_VM_COMMITTED_AGE), age));
	}
	end_line(begun);
}

/* How fast it is replicated, if there were two looks. */
static void print_rate(const struct vm_rate *rate)
{
	char checkpoints[RATE_SIZE], pages[RATE_SIZE], bytes[RATE_SIZE];

	if (!rate->known)
		return;
	printf("    rate: %s checkpoints/s", rate_text(rate->checkpoints, checkpoints));
	if (rate->sends)
		printf(", %s pages/s, %s MB/s", rate_text(rate->pages, pages),
		       rate_text(rate->bytes / 1e6, bytes));
	printf(" over %.1f s\n", rate->seconds);
}

/* How far the full copy is, while there is one. */
static void print_copy(const struct vm_info *vm)
{
	char done[SIZE_SIZE], total[SIZE_SIZE];

	if (vm_number(vm, KVMFT_A_VM_STATE) != KVMFT_VM_SYNCING ||
	    !vm_number(vm, KVMFT_A_VM_COPY_TOTAL))
		return;

	printf("    copied %s of %s",
	       size_text(vm_number(vm, KVMFT_A_VM_COPY_DONE), done),
	       size_text(vm_number(vm, KVMFT_A_VM_COPY_TOTAL), total));
	if (vm_has(vm, KVMFT_A_VM_COPY_ROUND))
		printf(" in round %llu",
		       (unsigned long long)vm_number(vm, KVMFT_A_VM_COPY_ROUND));
	putchar('\n');
}

static void print_why(const struct vm_info *vm)
{
	if (!vm_has(vm, KVMFT_A_VM_WHY))
		return;
	printf("    because ");
	print_plain(vm_string(vm, KVMFT_A_VM_WHY));
	putchar('\n');
}

static void print_counters(const struct vm_info *vm,
			   const struct counter_line *line, bool are_times)
{
	const char *separator = ": ";
	bool begun = false;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(line->counters) && line->counters[i].name; i++) {
		unsigned long long value;

		value = vm_counter(vm, line->counters[i].type);
		/* What took no time hasn't happened, or not on this end. */
		if (!vm_has_counter(vm, line->counters[i].type) ||
		    (are_times && !value))
			continue;
		if (!begun)
			printf("    %s", line->title);
		begun = true;

		if (are_times)
			printf("%s%s %.3f ms", separator, line->counters[i].name,
			       value / 1e6);
		else
			printf("%s%llu %s", separator, value,
			       line->counters[i].name);
		separator = ", ";
	}
	end_line(begun);
}

/* The classes that have something, in one line. */
static void print_histogram(const struct vm_info *vm, size_t number)
{
	const char *separator = " up to ";
	struct vm_times times;
	unsigned int i;

	if (!vm_times(vm, histograms[number].type, &times) || !times.count)
		return;
	printf("    %s %llu times:", histograms[number].name,
	       (unsigned long long)times.count);
	for (i = 0; i < times.classes; i++) {
		uint64_t bound = vm_times_bound(&times, i);
		uint64_t count = vm_times_count(&times, i);
		char text[DURATION_SIZE];

		if (!count)
			continue;
		printf("%s%s %llu", separator,
		       bound == UINT64_MAX ? "longer" : duration_brief(bound, text),
		       (unsigned long long)count);
		separator = ", ";
	}
	putchar('\n');
}

static void print_text(const struct options *options, const struct vm_info *vm,
		       const struct vm_rate *rate)
{
	size_t i;

	print_first_line(vm);
	print_why(vm);
	print_configuration(vm);
	print_epochs(vm);
	print_copy(vm);
	print_rate(rate);
	print_counters(vm, &parked_line, true);
	if (!options->stats)
		return;

	for (i = 0; i < ARRAY_SIZE(count_lines); i++)
		print_counters(vm, &count_lines[i], false);
	for (i = 0; i < ARRAY_SIZE(time_lines); i++)
		print_counters(vm, &time_lines[i], true);
	for (i = 0; i < ARRAY_SIZE(histograms); i++)
		print_histogram(vm, i);
}

static void add_copy(struct json *json, const struct vm_info *vm)
{
	if (!vm_has(vm, KVMFT_A_VM_COPY_TOTAL)) {
		json_null(json, "copy");
		return;
	}

	json_open(json, "copy");
	vm_json_number(json, "done_bytes", vm, KVMFT_A_VM_COPY_DONE);
	vm_json_number(json, "total_bytes", vm, KVMFT_A_VM_COPY_TOTAL);
	vm_json_number(json, "round", vm, KVMFT_A_VM_COPY_ROUND);
	json_close(json);
}

static void add_counters(struct json *json, const struct vm_info *vm)
{
	size_t i;

	if (!vm_has(vm, KVMFT_A_VM_COUNTERS)) {
		json_null(json, "counters");
		return;
	}

	json_open(json, "counters");
	for (i = 0; i < ARRAY_SIZE(counter_keys); i++) {
		if (vm_has_counter(vm, counter_keys[i].type))
			json_number(json, counter_keys[i].key,
				    vm_counter(vm, counter_keys[i].type));
		else
			json_null(json, counter_keys[i].key);
	}
	json_close(json);
}

static void add_histogram(struct json *json, const struct vm_info *vm, size_t number)
{
	struct vm_times times;
	unsigned int i;

	if (!vm_times(vm, histograms[number].type, &times)) {
		json_null(json, histograms[number].name);
		return;
	}

	json_open(json, histograms[number].name);
	json_number(json, "count", times.count);
	json_number(json, "sum_ns", times.sum);
	json_number(json, "longest_ns", times.longest);
	json_open_array(json, "classes");
	for (i = 0; i < times.classes; i++) {
		uint64_t bound = vm_times_bound(&times, i);
		uint64_t count = vm_times_count(&times, i);

		if (!count)
			continue;
		json_open(json, NULL);
		if (bound == UINT64_MAX)
			json_null(json, "up_to_ns");
		else
			json_number(json, "up_to_ns", bound);
		json_number(json, "count", count);
		json_close(json);
	}
	json_close_array(json);
	json_close(json);
}

static void add_rate(struct json *json, const struct vm_rate *rate)
{
	if (!rate->known) {
		json_null(json, "rate");
		return;
	}

	json_open(json, "rate");
	vm_json_rate(json, rate);
	json_close(json);
}

static void add_json(struct json *json, const struct vm_info *vm,
		     const struct vm_rate *rate)
{
	size_t i;

	json_open(json, NULL);
	vm_json_string(json, "name", vm, KVMFT_A_VM_NAME);
	vm_json_name(json, "role", vm, KVMFT_A_VM_ROLE, vm_role_name);
	vm_json_string(json, "pair", vm, KVMFT_A_VM_PAIR);
	vm_json_state(json, vm);
	vm_json_number(json, "state_age_ms", vm, KVMFT_A_VM_STATE_AGE);
	vm_json_name(json, "mode", vm, KVMFT_A_VM_MODE, vm_mode_name);
	vm_json_name(json, "promote", vm, KVMFT_A_VM_PROMOTE, vm_promote_name);
	vm_json_name(json, "loss", vm, KVMFT_A_VM_LOSS, vm_loss_name);
	vm_json_name(json, "fencing", vm, KVMFT_A_VM_FENCING, vm_fencing_name);
	vm_json_name(json, "fence", vm, KVMFT_A_VM_FENCE, vm_fence_name);
	vm_json_number(json, "rate_limit", vm, KVMFT_A_VM_RATE);
	vm_json_name(json, "compress", vm, KVMFT_A_VM_COMPRESS, vm_compress_name);
	vm_json_number(json, "pid", vm, KVMFT_A_VM_PID);
	vm_json_number(json, "vcpus", vm, KVMFT_A_VM_VCPUS);
	vm_json_number(json, "memory_bytes", vm, KVMFT_A_VM_MEMORY);
	vm_json_name(json, "tracking", vm, KVMFT_A_VM_TRACKING, vm_tracking_name);
	vm_json_number(json, "generation", vm, KVMFT_A_VM_GENERATION);
	vm_json_number(json, "epoch", vm, KVMFT_A_VM_EPOCH);
	vm_json_number(json, "committed", vm, KVMFT_A_VM_COMMITTED);
	vm_json_number(json, "applied", vm, KVMFT_A_VM_APPLIED);
	json_number(json, "lag_epochs", vm_lag(vm));
	vm_json_number(json, "committed_age_ms", vm, KVMFT_A_VM_COMMITTED_AGE);
	add_copy(json, vm);
	add_rate(json, rate);
	add_counters(json, vm);
	json_open(json, "histograms");
	for (i = 0; i < ARRAY_SIZE(histograms); i++)
		add_histogram(json, vm, i);
	json_close(json);
	json_close(json);
}

/**
 * vm_show() - print how it is with guests
 * @options: what stands before the subcommand
 * @list: the guests
 * @before: the same at another time, for rates; or NULL
 */
void vm_show(const struct options *options, const struct vm_list *list,
	     const struct vm_list *before)
{
	struct vm_rate rate;
	const struct vm *vm;
	struct json json;

	if (options->json)
		json_begin_array(&json, stdout);
	for (vm = list->first; vm; vm = vm->next) {
		vm_rate(before, list, vm, &rate);
		if (options->json)
			add_json(&json, &vm->info, &rate);
		else
			print_text(options, &vm->info, &rate);
	}
	if (options->json)
		json_end_array(&json);
}
