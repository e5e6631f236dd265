// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "ftctl.h"
#include "genl.h"
#include "vm_times.h"

/* With more, 64 bits wouldn't do for their bounds. */
#define CLASSES_MAX 54

static bool parse_one(struct vm_info *vm, unsigned int number)
{
	static const struct genl_field fields[KVMFT_A_TIMES_MAX + 1] = {
		[KVMFT_A_TIMES_SUM] = { MNL_TYPE_U64, true },
		[KVMFT_A_TIMES_LONGEST] = { MNL_TYPE_U64, true },
		[KVMFT_A_TIMES_CLASSES] = { MNL_TYPE_BINARY, true },
	};
	const struct nlattr *nest = vm->attrs[KVMFT_A_VM_PARKED + number];
	const struct nlattr **attrs = vm->times[number];
	unsigned int len;

	if (!nest)
		return true;
	if (!genl_parse_nested(nest, fields, KVMFT_A_TIMES_MAX, attrs))
		return false;

	len = mnl_attr_get_payload_len(attrs[KVMFT_A_TIMES_CLASSES]);
	if (len % sizeof(uint64_t) || len < 2 * sizeof(uint64_t) ||
	    len > CLASSES_MAX * sizeof(uint64_t)) {
		complain("attribute %u of the kernel's answer is malformed",
			 mnl_attr_get_type(nest));
		return false;
	}
	return true;
}

/**
 * vm_times_parse() - the part of vm_parse() that is about these
 * @vm: what is found so far, and gets it
 *
 * Return: true, or false after a complaint
 */
bool vm_times_parse(struct vm_info *vm)
{
	unsigned int i;

	memset(vm->times, 0, sizeof(vm->times));
	for (i = 0; i < VM_TIMES; i++) {
		if (!parse_one(vm, i))
			return false;
	}
	return true;
}

/**
 * vm_times() - a histogram that was told
 * @vm: what vm_parse() found, which has to stay where it is
 * @type: KVMFT_A_VM_PARKED, KVMFT_A_VM_TRANSFER or KVMFT_A_VM_APPLY
 * @times: gets it
 *
 * Return: true, or false if it wasn't told
 */
bool vm_times(const struct vm_info *vm, enum kvmft_a_vm type, struct vm_times *times)
{
	const struct nlattr *const *attrs = vm->times[type - KVMFT_A_VM_PARKED];
	unsigned int i;

	if (!attrs[KVMFT_A_TIMES_CLASSES])
		return false;

	times->sum = mnl_attr_get_u64(attrs[KVMFT_A_TIMES_SUM]);
	times->longest = mnl_attr_get_u64(attrs[KVMFT_A_TIMES_LONGEST]);
	times->payload = mnl_attr_get_payload(attrs[KVMFT_A_TIMES_CLASSES]);
	times->classes = mnl_attr_get_payload_len(attrs[KVMFT_A_TIMES_CLASSES]) /
			 sizeof(uint64_t);
	times->count = 0;
	for (i = 0; i < times->classes; i++)
		times->count += vm_times_count(times, i);
	return true;
}

/**
 * vm_times_count() - how many times are in a class
 * @times: what vm_times() found
 * @number: the class
 *
 * Return: so many
 */
uint64_t vm_times_count(const struct vm_times *times, unsigned int number)
{
	uint64_t count;

	memcpy(&count, times->payload + number * sizeof(count), sizeof(count));
	return count;
}

/**
 * vm_times_bound() - how far a class reaches
 * @times: what vm_times() found
 * @number: the class
 *
 * Return: ns, or UINT64_MAX if it has no end
 */
uint64_t vm_times_bound(const struct vm_times *times, unsigned int number)
{
	if (number + 1 == times->classes)
		return UINT64_MAX;
	return (uint64_t)KVMFT_TIMES_FIRST << number;
}
