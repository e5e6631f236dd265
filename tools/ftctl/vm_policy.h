/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_policy: how a guest is protected, as people type it.
 */
#ifndef FTCTL_VM_POLICY_H
#define FTCTL_VM_POLICY_H

#include <stdint.h>

#include "ftctl.h"

enum exit_status vm_mode_parse(const struct command *command, const char *value,
			       uint32_t *mode);
enum exit_status vm_promote_parse(const struct command *command, const char *value,
				  uint32_t *promote);
enum exit_status vm_loss_parse(const struct command *command, const char *value,
			       uint32_t *loss);
enum exit_status vm_fencing_parse(const struct command *command, const char *value,
				  uint32_t *fencing);

#endif /* FTCTL_VM_POLICY_H */
