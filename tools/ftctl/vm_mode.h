/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_mode: how a guest's output waits, as people type it.
 */
#ifndef FTCTL_VM_MODE_H
#define FTCTL_VM_MODE_H

#include <stdint.h>

#include "ftctl.h"

enum exit_status vm_mode_parse(const struct command *command, const char *value,
			       uint32_t *mode);

#endif /* FTCTL_VM_MODE_H */
