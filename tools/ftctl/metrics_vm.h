/* SPDX-License-Identifier: GPL-2.0 */
/*
 * metrics_vm: guests as metrics.
 */
#ifndef FTCTL_METRICS_VM_H
#define FTCTL_METRICS_VM_H

#include <stdio.h>

#include "vm_list.h"

void metrics_write_vms(FILE *out, const struct vm_list *list);

#endif /* FTCTL_METRICS_VM_H */
