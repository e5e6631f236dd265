/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vm_show: prints guests, as text for people or as JSON.
 */
#ifndef FTCTL_VM_SHOW_H
#define FTCTL_VM_SHOW_H

#include "ftctl.h"
#include "vm_list.h"

void vm_show(const struct options *options, const struct vm_list *list,
	     const struct vm_list *before);

#endif /* FTCTL_VM_SHOW_H */
