// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "vm_rate.h"

static const struct vm_info *find(const struct vm_list *list, const struct vm_info *vm)
{
	const struct vm *other;

	for (other = list->first; other; other = other->next) {
		if (!strcmp(vm_string(&other->info, KVMFT_A_VM_NAME),
			    vm_string(vm, KVMFT_A_VM_NAME)))
			return &other->info;
	}
	return NULL;
}

/* Counters begin anew with each attachment, so one that went back is of another one. */
static bool grew(const struct vm_info *before, const struct vm_info *vm,
		 enum kvmft_a_counter type, double seconds, double *rate)
{
	uint64_t then = vm_counter(before, type), now = vm_counter(vm, type);

	if (!vm_has_counter(before, type) || !vm_has_counter(vm, type) || now < then)
		return false;
	*rate = (now - then) / seconds;
	return true;
}

/**
 * vm_rate() - how fast a guest is replicated
 * @before: the guests at another time, or NULL
 * @list: the guests now
 * @vm: one of them
 * @rate: gets it
 */
void vm_rate(const struct vm_list *before, const struct vm_list *list,
	     const struct vm *vm, struct vm_rate *rate)
{
	const struct vm_info *info = &vm->info;
	const struct vm_info *then = before ? find(before, info) : NULL;
	struct vm_rate found = { 0 };

	memset(rate, 0, sizeof(*rate));
	if (!then || list->time <= before->time ||
	    vm_number(then, KVMFT_A_VM_ROLE) != vm_number(info, KVMFT_A_VM_ROLE))
		return;

	found.seconds = (list->time - before->time) / 1e9;
	found.known = true;
	found.sends = vm_number(info, KVMFT_A_VM_ROLE) == KVMFT_VM_PRIMARY;
	if (grew(then, info, KVMFT_A_COUNTER_COMMITTED, found.seconds, &found.checkpoints) &&
	    grew(then, info, KVMFT_A_COUNTER_PAGES_SENT, found.seconds, &found.pages) &&
	    grew(then, info, KVMFT_A_COUNTER_BYTES, found.seconds, &found.bytes))
		*rate = found;
}

/**
 * rate_text() - write a rate as exactly as people care, in five characters
 * @per_second: the rate
 * @text: room for it
 *
 * Return: @text
 */
const char *rate_text(double per_second, char text[RATE_SIZE])
{
	if (per_second < 9.995)
		snprintf(text, RATE_SIZE, "%.2f", per_second);
	else if (per_second < 99.95)
		snprintf(text, RATE_SIZE, "%.1f", per_second);
	else if (per_second < 9999.5)
		snprintf(text, RATE_SIZE, "%.0f", per_second);
	else if (per_second < 99950)
		snprintf(text, RATE_SIZE, "%.1fk", per_second / 1e3);
	else if (per_second < 999500)
		snprintf(text, RATE_SIZE, "%.0fk", per_second / 1e3);
	else if (per_second < 99.95e6)
		snprintf(text, RATE_SIZE, "%.1fM", per_second / 1e6);
	else
		snprintf(text, RATE_SIZE, "%.0fM", per_second / 1e6);
	return text;
}

static void add(struct json *json, const char *key, bool known, double per_second)
{
	if (known)
		json_real(json, key, per_second);
	else
		json_null(json, key);
}

/**
 * vm_json_rate() - add a rate, as far as it is known
 * @json: the object
 * @rate: what vm_rate() found
 */
void vm_json_rate(struct json *json, const struct vm_rate *rate)
{
	add(json, "seconds", rate->known, rate->seconds);
	add(json, "checkpoints_per_s", rate->known, rate->checkpoints);
	add(json, "pages_per_s", rate->sends, rate->pages);
	add(json, "bytes_per_s", rate->sends, rate->bytes);
}
