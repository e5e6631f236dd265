// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "ftctl.h"
#include "genl.h"
#include "names.h"
#include "vm_info.h"
#include "vm_times.h"

static const struct genl_field fields[KVMFT_A_VM_MAX + 1] = {
	[KVMFT_A_VM_NAME] = { MNL_TYPE_NUL_STRING, true },
	[KVMFT_A_VM_PAIR] = { MNL_TYPE_NUL_STRING, false },
	[KVMFT_A_VM_ROLE] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_MODE] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_PROMOTE] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_RATE] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COMPRESS] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_EXCHANGE] = { MNL_TYPE_FLAG, false },
	[KVMFT_A_VM_LOSS] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_FENCING] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_FENCE] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_FENCE_TOKEN] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_PID] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_STATE] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_REASON] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_WHY] = { MNL_TYPE_NUL_STRING, false },
	[KVMFT_A_VM_STATE_AGE] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_VCPUS] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_MEMORY] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_TRACKING] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_GENERATION] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_EPOCH] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COMMITTED] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COPY_DONE] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COPY_TOTAL] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COPY_ROUND] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_COUNTERS] = { MNL_TYPE_NESTED, false },
	[KVMFT_A_VM_EVENT] = { MNL_TYPE_U32, false },
	[KVMFT_A_VM_APPLIED] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_COMMITTED_AGE] = { MNL_TYPE_U64, false },
	[KVMFT_A_VM_PARKED] = { MNL_TYPE_NESTED, false },
	[KVMFT_A_VM_TRANSFER] = { MNL_TYPE_NESTED, false },
	[KVMFT_A_VM_APPLY] = { MNL_TYPE_NESTED, false },
};

static bool parse_counters(struct vm_info *vm)
{
	struct genl_field counters[KVMFT_A_COUNTER_MAX + 1];
	unsigned int type;

	memset(vm->counters, 0, sizeof(vm->counters));
	if (!vm->attrs[KVMFT_A_VM_COUNTERS])
		return true;

	memset(counters, 0, sizeof(counters));
	for (type = KVMFT_A_COUNTER_UNSPEC + 1; type <= KVMFT_A_COUNTER_MAX; type++) {
		if (type != KVMFT_A_COUNTER_PAD)
			counters[type].type = MNL_TYPE_U64;
	}
	return genl_parse_nested(vm->attrs[KVMFT_A_VM_COUNTERS], counters,
				 KVMFT_A_COUNTER_MAX, vm->counters);
}

/**
 * vm_parse() - find out what a message tells about a guest
 * @message: the message, which has to stay where it is
 * @command: KVMFT_CMD_VM_GET or KVMFT_CMD_VM_EVENT, which it has to be of
 * @vm: gets it
 *
 * Return: true, or false after a complaint
 */
bool vm_parse(const struct nlmsghdr *message, uint8_t command,
	      struct vm_info *vm)
{
	struct genl_field wanted[ARRAY_SIZE(fields)];

	memcpy(wanted, fields, sizeof(wanted));
	if (command == KVMFT_CMD_VM_EVENT)
		wanted[KVMFT_A_VM_EVENT].required = true;
	else
		wanted[KVMFT_A_VM_STATE].required = true;

	return genl_parse(message, command, wanted, KVMFT_A_VM_MAX, vm->attrs) &&
	       parse_counters(vm) && vm_times_parse(vm);
}

/**
 * vm_has() - whether something was told
 * @vm: what vm_parse() found
 * @type: an attribute
 *
 * Return: true if it was
 */
bool vm_has(const struct vm_info *vm, enum kvmft_a_vm type)
{
	return vm->attrs[type];
}

/**
 * vm_string() - a string that was told
 * @vm: what vm_parse() found
 * @type: an attribute that is a string
 *
 * Return: the string, NULL without the attribute
 */
const char *vm_string(const struct vm_info *vm, enum kvmft_a_vm type)
{
	return vm->attrs[type] ? mnl_attr_get_str(vm->attrs[type]) : NULL;
}

/**
 * vm_number() - a number that was told
 * @vm: what vm_parse() found
 * @type: an attribute that is a number of any size
 *
 * Return: the number, 0 without the attribute
 */
uint64_t vm_number(const struct vm_info *vm, enum kvmft_a_vm type)
{
	const struct nlattr *attr = vm->attrs[type];

	if (!attr)
		return 0;
	return fields[type].type == MNL_TYPE_U64 ? mnl_attr_get_u64(attr) :
						   mnl_attr_get_u32(attr);
}

/**
 * vm_has_counter() - whether a counter was told
 * @vm: what vm_parse() found
 * @type: the counter
 *
 * Return: true if it was
 */
bool vm_has_counter(const struct vm_info *vm, enum kvmft_a_counter type)
{
	return vm->counters[type];
}

/**
 * vm_counter() - a counter that was told
 * @vm: what vm_parse() found
 * @type: the counter
 *
 * Return: its value, 0 if it wasn't told
 */
uint64_t vm_counter(const struct vm_info *vm, enum kvmft_a_counter type)
{
	return vm->counters[type] ? mnl_attr_get_u64(vm->counters[type]) : 0;
}

/**
 * vm_lag() - how many epochs aren't where they are going
 * @vm: what vm_parse() found
 *
 * Return: those that were begun and aren't committed; on a standby, those that are
 * committed and aren't applied
 */
uint64_t vm_lag(const struct vm_info *vm)
{
	uint64_t epoch = vm_number(vm, KVMFT_A_VM_EPOCH);
	uint64_t done = vm_number(vm, vm_has(vm, KVMFT_A_VM_APPLIED) ?
				      KVMFT_A_VM_APPLIED : KVMFT_A_VM_COMMITTED);

	/* The module looked at one after the other. */
	return epoch > done ? epoch - done : 0;
}

/**
 * vm_json_string() - add a string, or null when it wasn't told
 * @json: the object
 * @key: its name
 * @vm: what vm_parse() found
 * @type: an attribute that is a string
 */
void vm_json_string(struct json *json, const char *key,
		    const struct vm_info *vm, enum kvmft_a_vm type)
{
	if (vm_has(vm, type))
		json_string(json, key, vm_string(vm, type));
	else
		json_null(json, key);
}

/**
 * vm_json_number() - add a number, or null when it wasn't told
 * @json: the object
 * @key: its name
 * @vm: what vm_parse() found
 * @type: an attribute that is a number
 */
void vm_json_number(struct json *json, const char *key,
		    const struct vm_info *vm, enum kvmft_a_vm type)
{
	if (vm_has(vm, type))
		json_number(json, key, vm_number(vm, type));
	else
		json_null(json, key);
}

/**
 * vm_json_name() - add what a number is called, or null when it wasn't told
 * @json: the object
 * @key: its name
 * @vm: what vm_parse() found
 * @type: an attribute that is a number
 * @name: what the numbers are called
 */
void vm_json_name(struct json *json, const char *key, const struct vm_info *vm,
		  enum kvmft_a_vm type, vm_name_fn name)
{
	char unknown[NAME_SIZE];

	if (vm_has(vm, type))
		json_string(json, key, name(vm_number(vm, type), unknown));
	else
		json_null(json, key);
}

/**
 * vm_json_state() - add the state and the reason for it, as far as told
 * @json: the object
 * @vm: what vm_parse() found
 */
void vm_json_state(struct json *json, const struct vm_info *vm)
{
	uint32_t reason = vm_number(vm, KVMFT_A_VM_REASON);
	char unknown[NAME_SIZE];

	vm_json_name(json, "state", vm, KVMFT_A_VM_STATE, vm_state_name);
	if (reason != KVMFT_REASON_NONE)
		json_string(json, "reason", reason_name(reason, unknown));
	else
		json_null(json, "reason");
	vm_json_string(json, "why", vm, KVMFT_A_VM_WHY);
}
