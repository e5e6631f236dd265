/* SPDX-License-Identifier: GPL-2.0 */
/*
 * boot: a bzImage and an initrd in guest memory, by the 64-bit boot protocol.
 *
 * Contract: only for a guest that begins here; a standby's memory comes from elsewhere.
 */
#ifndef FTVMM_BOOT_H
#define FTVMM_BOOT_H

#include "vmm.h"

/* Kernel, initrd, command line, tables. */
void boot_load(void);

/* What a vcpu has when the kernel begins; the first one runs. */
void boot_vcpu(int vcpu_fd, u32 id);

#endif /* FTVMM_BOOT_H */
