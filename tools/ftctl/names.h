/* SPDX-License-Identifier: GPL-2.0 */
/*
 * names: what the numbers of the module's interface are called.
 *
 * Contract: a name is one word in lower case that stays, for scripts; the module
 * uses the same in sysfs and in the kernel log. A number that isn't known, from
 * a newer module, is called "unknown-" and the number.
 */
#ifndef FTCTL_NAMES_H
#define FTCTL_NAMES_H

#include <stdint.h>

/* Room for "unknown-" and any number. */
#define NAME_SIZE sizeof("unknown-4294967295")

const char *role_name(uint32_t role, char unknown[NAME_SIZE]);
const char *state_name(uint32_t state, char unknown[NAME_SIZE]);
const char *event_name(uint32_t event, char unknown[NAME_SIZE]);
const char *vm_role_name(uint32_t role, char unknown[NAME_SIZE]);
const char *vm_mode_name(uint32_t mode, char unknown[NAME_SIZE]);
const char *vm_promote_name(uint32_t promote, char unknown[NAME_SIZE]);
const char *vm_loss_name(uint32_t loss, char unknown[NAME_SIZE]);
const char *vm_fencing_name(uint32_t fencing, char unknown[NAME_SIZE]);
const char *vm_fence_name(uint32_t fence, char unknown[NAME_SIZE]);
const char *vm_compress_name(uint32_t compress, char unknown[NAME_SIZE]);
const char *vm_state_name(uint32_t state, char unknown[NAME_SIZE]);
const char *vm_tracking_name(uint32_t tracking, char unknown[NAME_SIZE]);
const char *vm_event_name(uint32_t event, char unknown[NAME_SIZE]);
const char *reason_name(uint32_t reason, char unknown[NAME_SIZE]);

#endif /* FTCTL_NAMES_H */
