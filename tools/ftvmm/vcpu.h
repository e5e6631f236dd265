/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vcpu: their threads.
 *
 * Contract: a vcpu's thread sleeps in KVM_RUN and in the hook only, or a moment between
 * two calls of the hook. What others want of it, they leave in a flag, and then kick.
 */
#ifndef FTVMM_VCPU_H
#define FTVMM_VCPU_H

#include <pthread.h>

#include "vmm.h"

/**
 * struct vcpu - one of them
 * @id: Its number, and that of its APIC.
 * @fd: Its descriptor.
 * @run: What it shares with KVM.
 * @thread: Its thread, once it has @started.
 * @started: It has one.
 * @stopped: It stands still because an operator wants it.
 * @gather: It is to look for what had no room in an outbox.
 * @checkpoint: It is to ask for a checkpoint.
 * @deferred: It has output and doesn't ask for a checkpoint while one is on its way.
 * @output: It has put output into outboxes that has no ticket.
 * @ring_full: KVM said so.
 * @loading: It has taken the device state, and is about to say so.
 * @exits: How often it came out of the guest.
 * @saves: How often it saved the device state.
 */
struct vcpu {
	u32 id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started, stopped, gather, checkpoint, deferred;
	bool output, ring_full, loading;
	u64 exits, saves;
};

void vcpu_make_all(void);
void vcpu_start_all(void);

/* The exit that is in vcpu->run. */
void vcpu_emulate(struct vcpu *vcpu);

/* There is room again for output that stayed in its ring. */
void vcpu_want_gather(void);

/* What is in no hurry has waited for long enough. */
void vcpu_want_checkpoint(void);

/* A checkpoint has reached the standby: who has output may ask for the next one. */
void vcpu_tell_landed(void);

/* It comes out of the guest, to see what changed. */
void vcpu_kick(struct vcpu *vcpu);

/* All do. */
void vcpu_kick_all(void);

#endif /* FTVMM_VCPU_H */
