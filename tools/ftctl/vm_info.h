/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_info: what the module tells about a guest, in an answer or an event.
 *
 * Contract: after vm_parse() every attribute is of the right size, and those that
 * the callers can't do without are there; any other may be missing.
 */
#ifndef FTCTL_VM_INFO_H
#define FTCTL_VM_INFO_H

#include <libmnl/libmnl.h>
#include <linux/kvmft.h>
#include <stdbool.h>
#include <stdint.h>

#include "json.h"

/* What takes a guest's time; these attributes follow each other. */
#define VM_TIMES (KVMFT_A_VM_APPLY - KVMFT_A_VM_PARKED + 1)

/**
 * struct vm_info - one answer or event, which the caller keeps
 * @attrs: Its attributes by number; NULL for those that aren't there.
 * @counters: What is in KVMFT_A_VM_COUNTERS, likewise.
 * @times: What is in KVMFT_A_VM_PARKED and the ones behind it, likewise; see vm_times.h.
 */
struct vm_info {
	const struct nlattr *attrs[KVMFT_A_VM_MAX + 1];
	const struct nlattr *counters[KVMFT_A_COUNTER_MAX + 1];
	const struct nlattr *times[VM_TIMES][KVMFT_A_TIMES_MAX + 1];
};

bool vm_parse(const struct nlmsghdr *message, uint8_t command,
	      struct vm_info *vm);
bool vm_has(const struct vm_info *vm, enum kvmft_a_vm type);
const char *vm_string(const struct vm_info *vm, enum kvmft_a_vm type);
uint64_t vm_number(const struct vm_info *vm, enum kvmft_a_vm type);
bool vm_has_counter(const struct vm_info *vm, enum kvmft_a_counter type);
uint64_t vm_counter(const struct vm_info *vm, enum kvmft_a_counter type);
uint64_t vm_lag(const struct vm_info *vm);

/* What a number is called; one of names.h. */
typedef const char *(*vm_name_fn)(uint32_t number, char *unknown);

void vm_json_string(struct json *json, const char *key,
		    const struct vm_info *vm, enum kvmft_a_vm type);
void vm_json_number(struct json *json, const char *key,
		    const struct vm_info *vm, enum kvmft_a_vm type);
void vm_json_name(struct json *json, const char *key, const struct vm_info *vm,
		  enum kvmft_a_vm type, vm_name_fn name);
void vm_json_state(struct json *json, const struct vm_info *vm);

#endif /* FTCTL_VM_INFO_H */
