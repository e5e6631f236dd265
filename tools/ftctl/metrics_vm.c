// SPDX-License-Identifier: GPL-2.0
#include "ftctl.h"
#include "metrics_vm.h"
#include "names.h"
#include "prometheus.h"
#include "vm_times.h"

#define NS_PER_MS 1000000ULL

/* What each metric of a guest has. */
#define LABELS 3

/**
 * struct family - metrics of one name, a number each
 * @name: What they are called.
 * @type: counter or gauge.
 * @help: What they are.
 * @number: What they are to the module: &enum kvmft_a_vm of a gauge, &enum
 *	kvmft_a_counter of a counter.
 * @unit_ns: 0, or the unit of a time.
 */
struct family {
	const char *name;
	const char *type;
	const char *help;
	unsigned int number;
	uint64_t unit_ns;
};

static const struct family gauges[] = {
	{ "kvmft_vm_state_age_seconds", "gauge",
	  "For how long the guest has been in its state.",
	  KVMFT_A_VM_STATE_AGE, NS_PER_MS },
	{ "kvmft_vm_vcpus", "gauge", "Its vcpus.", KVMFT_A_VM_VCPUS, 0 },
	{ "kvmft_vm_memory_bytes", "gauge", "Its memory.", KVMFT_A_VM_MEMORY, 0 },
	{ "kvmft_vm_generation", "gauge",
	  "Rises whenever it goes on without the other host.", KVMFT_A_VM_GENERATION, 0 },
	{ "kvmft_vm_epoch", "gauge", "The last epoch that was begun.", KVMFT_A_VM_EPOCH, 0 },
	{ "kvmft_vm_committed_epoch", "gauge", "The last epoch that was committed.",
	  KVMFT_A_VM_COMMITTED, 0 },
	{ "kvmft_vm_applied_epoch", "gauge",
	  "The last epoch that is in the memory of a standby.", KVMFT_A_VM_APPLIED, 0 },
	{ "kvmft_vm_committed_age_seconds", "gauge",
	  "How long ago an epoch was committed.", KVMFT_A_VM_COMMITTED_AGE, NS_PER_MS },
	{ "kvmft_vm_copy_done_bytes", "gauge",
	  "Of a full copy, what was dealt with.", KVMFT_A_VM_COPY_DONE, 0 },
	{ "kvmft_vm_copy_total_bytes", "gauge",
	  "Of a full copy, what there was to deal with.", KVMFT_A_VM_COPY_TOTAL, 0 },
};

static const struct family counters[] = {
	{ "kvmft_vm_epochs_begun_total", "counter", "Epochs begun.",
	  KVMFT_A_COUNTER_BEGUN, 0 },
	{ "kvmft_vm_epochs_committed_total", "counter", "Epochs committed.",
	  KVMFT_A_COUNTER_COMMITTED, 0 },
	{ "kvmft_vm_epochs_aborted_total", "counter", "Epochs given up or refused.",
	  KVMFT_A_COUNTER_ABORTED, 0 },
	{ "kvmft_vm_pages_tracked_total", "counter", "Pages that KVM told of.",
	  KVMFT_A_COUNTER_PAGES_TRACKED, 0 },
	{ "kvmft_vm_pages_marked_total", "counter", "Pages that the VMM marked.",
	  KVMFT_A_COUNTER_PAGES_MARKED, 0 },
	{ "kvmft_vm_pages_resent_total", "counter",
	  "Pages sent again after an epoch that failed.", KVMFT_A_COUNTER_PAGES_RESENT, 0 },
	{ "kvmft_vm_pages_ahead_total", "counter", "Pages sent while the guest ran.",
	  KVMFT_A_COUNTER_PAGES_AHEAD, 0 },
	{ "kvmft_vm_pages_sent_total", "counter", "Pages sent, each version counted.",
	  KVMFT_A_COUNTER_PAGES_SENT, 0 },
	{ "kvmft_vm_pages_zero_total", "counter", "Those of them that went as a flag.",
	  KVMFT_A_COUNTER_PAGES_ZERO, 0 },
	{ "kvmft_vm_pages_copied_total", "counter",
	  "Pages that were copied before they were sent.", KVMFT_A_COUNTER_PAGES_COPIED, 0 },
	{ "kvmft_vm_pages_packed_total", "counter", "Pages that were sent compressed.",
	  KVMFT_A_COUNTER_PAGES_PACKED, 0 },
	{ "kvmft_vm_sent_bytes_total", "counter", "Bytes of pages and state that were sent.",
	  KVMFT_A_COUNTER_BYTES, 0 },
	{ "kvmft_vm_kicks_total", "counter",
	  "Vcpus that had to be kicked more than once.", KVMFT_A_COUNTER_KICKS, 0 },
};

static const struct {
	enum kvmft_a_vm type;
	const char *name;
	const char *help;
} histograms[] = {
	{ KVMFT_A_VM_PARKED, "kvmft_vm_parked_seconds",
	  "How long the guest stood still for a checkpoint." },
	{ KVMFT_A_VM_TRANSFER, "kvmft_vm_transfer_seconds",
	  "How long it took from the end of a harvest to the answer." },
	{ KVMFT_A_VM_APPLY, "kvmft_vm_apply_seconds",
	  "How long a standby took to apply an epoch." },
};

/**
 * struct labels - what each metric of a guest has
 * @unknown: Room for a role without a name.
 * @all: The list.
 */
struct labels {
	char unknown[NAME_SIZE];
	struct prometheus_label all[LABELS + 1];
};

static const struct prometheus_label *label(const struct vm_info *vm, struct labels *labels)
{
	const char *pair = vm_string(vm, KVMFT_A_VM_PAIR);

	labels->all[0] = (struct prometheus_label){
		"guest", vm_string(vm, KVMFT_A_VM_NAME),
	};
	labels->all[1] = (struct prometheus_label){ "pair", pair ? pair : "" };
	labels->all[2] = (struct prometheus_label){
		"role", vm_role_name(vm_number(vm, KVMFT_A_VM_ROLE), labels->unknown),
	};
	labels->all[LABELS] = (struct prometheus_label){ NULL, NULL };
	return labels->all;
}

static void write_states(struct prometheus *to, const struct vm_list *list)
{
	struct labels labels;
	const struct vm *vm;

	prometheus_family(to, "kvmft_vm_state", "gauge",
			  "1 for the state that the guest is in, 0 for all others.");
	for (vm = list->first; vm; vm = vm->next)
		prometheus_state(to, label(&vm->info, &labels),
				 vm_number(&vm->info, KVMFT_A_VM_STATE), vm_state_name);
}

static void write_reasons(struct prometheus *to, const struct vm_list *list)
{
	struct prometheus_label reason[] = { { "reason", NULL }, { NULL, NULL } };
	char unknown[NAME_SIZE];
	struct labels labels;
	const struct vm *vm;

	prometheus_family(to, "kvmft_vm_reason", "gauge",
			  "1 for the reason why the guest is in its state; missing without one.");
	for (vm = list->first; vm; vm = vm->next) {
		uint32_t number = vm_number(&vm->info, KVMFT_A_VM_REASON);

		if (number == KVMFT_REASON_NONE)
			continue;
		reason[0].value = reason_name(number, unknown);
		prometheus_number(to, "", label(&vm->info, &labels), reason, 1);
	}
}

static void write_gauge(struct prometheus *to, const struct family *family,
			const struct vm_list *list)
{
	struct labels labels;
	const struct vm *vm;
	uint64_t value;

	prometheus_family(to, family->name, family->type, family->help);
	for (vm = list->first; vm; vm = vm->next) {
		if (!vm_has(&vm->info, family->number))
			continue;
		value = vm_number(&vm->info, family->number);
		if (family->unit_ns)
			prometheus_seconds(to, "", label(&vm->info, &labels),
					   value * family->unit_ns);
		else
			prometheus_number(to, "", label(&vm->info, &labels), NULL, value);
	}
}

static void write_lags(struct prometheus *to, const struct vm_list *list)
{
	struct labels labels;
	const struct vm *vm;

	prometheus_family(to, "kvmft_vm_lag_epochs", "gauge",
			  "Epochs begun and not committed; of a standby, committed and not applied.");
	for (vm = list->first; vm; vm = vm->next)
		prometheus_number(to, "", label(&vm->info, &labels), NULL,
				  vm_lag(&vm->info));
}

static void write_counter(struct prometheus *to, const struct family *family,
			  const struct vm_list *list)
{
	struct labels labels;
	const struct vm *vm;

	prometheus_family(to, family->name, family->type, family->help);
	for (vm = list->first; vm; vm = vm->next) {
		if (vm_has_counter(&vm->info, family->number))
			prometheus_number(to, "", label(&vm->info, &labels), NULL,
					  vm_counter(&vm->info, family->number));
	}
}

static void write_histogram(struct prometheus *to, const struct vm_info *vm,
			    enum kvmft_a_vm type)
{
	struct vm_times times;
	struct labels labels;
	uint64_t count = 0;
	unsigned int i;

	if (!vm_times(vm, type, &times))
		return;
	label(vm, &labels);
	for (i = 0; i < times.classes; i++) {
		count += vm_times_count(&times, i);
		prometheus_bucket(to, labels.all, vm_times_bound(&times, i), count);
	}
	prometheus_seconds(to, "_sum", labels.all, times.sum);
	prometheus_number(to, "_count", labels.all, NULL, times.count);
}

/**
 * metrics_write_vms() - write all about guests
 * @out: where to
 * @list: the guests; without any nothing is written
 */
void metrics_write_vms(FILE *out, const struct vm_list *list)
{
	struct prometheus to = { .out = out };
	const struct vm *vm;
	size_t i;

	if (!list->first)
		return;
	write_states(&to, list);
	write_reasons(&to, list);
	for (i = 0; i < ARRAY_SIZE(gauges); i++)
		write_gauge(&to, &gauges[i], list);
	write_lags(&to, list);
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		write_counter(&to, &counters[i], list);
	for (i = 0; i < ARRAY_SIZE(histograms); i++) {
		prometheus_family(&to, histograms[i].name, "histogram", histograms[i].help);
		for (vm = list->first; vm; vm = vm->next)
			write_histogram(&to, &vm->info, histograms[i].type);
	}
}
