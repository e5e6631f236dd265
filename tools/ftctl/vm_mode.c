// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "vm_mode.h"

/**
 * vm_mode_parse() - read what stands behind "mode"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @mode: gets &enum kvmft_vm_mode; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_mode_parse(const struct command *command, const char *value,
			       uint32_t *mode)
{
	if (*mode)
		return wrong_usage(command, "'mode' is there twice");
	if (!strcmp(value, "sync"))
		*mode = KVMFT_VM_SYNC;
	else if (!strcmp(value, "async"))
		*mode = KVMFT_VM_ASYNC;
	else
		return wrong_usage(command, "'%s' is neither 'sync' nor 'async'",
				   value);
	return EXIT_OK;
}
