/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_policy: how a guest is protected, as people type it.
 */
#ifndef FTCTL_VM_POLICY_H
#define FTCTL_VM_POLICY_H

#include <stdint.h>

#include "ftctl.h"

struct nlmsghdr;

enum exit_status vm_mode_parse(const struct command *command, const char *value,
			       uint32_t *mode);
enum exit_status vm_promote_parse(const struct command *command, const char *value,
				  uint32_t *promote);
enum exit_status vm_loss_parse(const struct command *command, const char *value,
			       uint32_t *loss);
enum exit_status vm_fencing_parse(const struct command *command, const char *value,
				  uint32_t *fencing);
enum exit_status vm_compress_parse(const struct command *command, const char *value,
				   uint32_t *compress);

/* Said to be without a limit; for the module that is 0. */
#define VM_RATE_NONE UINT64_MAX

enum exit_status vm_rate_parse(const struct command *command, const char *value,
			       uint64_t *rate);
void vm_rate_put(struct nlmsghdr *request, uint64_t rate);

#endif /* FTCTL_VM_POLICY_H */
