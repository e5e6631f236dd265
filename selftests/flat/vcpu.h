/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vcpu: the threads of the vcpus, and how a VMM goes through the hook.
 *
 * Contract: vcpu.c is what a VMM has to do for kvmft, and nothing else; what exits
 * mean is emulate.c's.
 */
#ifndef _VCPU_H
#define _VCPU_H

#include "state.h"
#include "vmm.h"

/**
 * struct vcpu - one of them
 * @id: Its number.
 * @fd: Its descriptor.
 * @run: What it shares with KVM.
 * @state: What devices keep for it.
 * @output: It has put output into the outbox that has no ticket.
 * @ring_full: KVM said so.
 * @entered: What the area's was before the device state was saved.
 * @loading: It has taken the device state, and is about to say so.
 * @still: It isn't in the guest, nor emulating.
 * @thread: Its thread, once there is one.
 * @hooks: Calls of the hook, and what came of them.
 */
struct vcpu {
	unsigned int id;
	int fd;
	struct kvm_run *run;
	struct vcpu_state state;
	bool output, ring_full, loading, still, started;
	u32 entered;
	pthread_t thread;
	struct {
		u64 calls, emulates, saves, loads, rings_full, interrupts;
	} hooks;
};

/* Makes them all; none runs as yet. */
void vcpu_make_all(void);

void vcpu_start_all(void);

/* Those that are in the guest come out. */
void vcpu_kick_all(void);

bool vcpu_all_still(void);

struct vcpu_state *vcpu_state(unsigned int id);

#endif /* _VCPU_H */
