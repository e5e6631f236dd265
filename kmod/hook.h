/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hook: the character device /dev/kvmft, the VMM's door.
 *
 * Contract: whoever can open the device may ask for the interface's version;
 * the device's mode (root only, unless udev says otherwise) is the permission.
 * An open descriptor pins the module, so no call can outlive it.
 * Between kvmft_hook_init() and kvmft_hook_admit() the device is there and every
 * open fails, since a module that fails to initialize is freed even when pinned.
 */
#ifndef _KVMFT_HOOK_H
#define _KVMFT_HOOK_H

int kvmft_hook_init(void);
void kvmft_hook_admit(void);
void kvmft_hook_exit(void);

#endif /* _KVMFT_HOOK_H */
