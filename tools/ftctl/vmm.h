/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm: the process of a VMM, and its descriptors of KVM.
 *
 * Contract: the descriptors are duplicated, the process isn't disturbed. Whether
 * they are what their names say is for the module to find out. As long as they are
 * open the VM lives on without its process, so they aren't kept for long.
 */
#ifndef FTCTL_VMM_H
#define FTCTL_VMM_H

#include <linux/kvmft.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* As many as a request may have: those of a few VMs. */
#define VMM_VCPUS_MAX (4 * KVMFT_VCPUS_MAX)

/**
 * struct vmm - what was duplicated; the descriptors are ours
 * @vm: The VM.
 * @vcpus_len: Number of vcpus, of all VMs of the process.
 * @vcpus: The vcpus, as numbers of the width that a request has.
 */
struct vmm {
	int vm;
	unsigned int vcpus_len;
	uint32_t vcpus[VMM_VCPUS_MAX];
};

/* For vmm_open(): the only VM that there is. */
#define VMM_ONLY_VM (-1)

bool vmm_open(struct vmm *vmm, pid_t pid, int vm);
void vmm_close(struct vmm *vmm);

#endif /* FTCTL_VMM_H */
