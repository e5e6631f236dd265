/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_wait: waits until a guest is protected.
 */
#ifndef FTCTL_VM_WAIT_H
#define FTCTL_VM_WAIT_H

#include "ftctl.h"

enum exit_status vm_wait(const struct options *options, struct genl *genl,
			 const char *name);

#endif /* FTCTL_VM_WAIT_H */
