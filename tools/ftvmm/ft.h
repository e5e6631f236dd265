/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ft: what this VMM does for kvmft; all of it.
 *
 * Contract: a vcpu's thread calls ft_before_run() between emulation and KVM_RUN. All
 * other threads write guest memory, inject interrupts and change devices between
 * ft_enter() and ft_leave() only, take locks of devices inside of that, and don't block
 * there. Output leaves when ft_may_leave() says so. Without /dev/kvmft each of these is
 * a branch.
 */
#ifndef FTVMM_FT_H
#define FTVMM_FT_H

#include "vmm.h"

/* Binds the VM, if there is a module, with room for so much device state. */
void ft_bind(u64 state_max);

/* Returns when the vcpu may run, and its output has a ticket. */
void ft_before_run(struct vcpu *vcpu);

/* Must no vcpu run, though the hook lets it? */
bool ft_holds(void);

/* May the guest be told that something is on a disk which is only in an outbox? */
bool ft_behind(void);

/* Is a checkpoint on its way, so that the next one has to wait? */
bool ft_defers(void);

void ft_enter(void);
void ft_leave(void);

bool ft_may_leave(u64 ticket);

/* The guest has ended by itself, and all of its output has left. */
void ft_end(void);

/* For a while, or until it may leave. */
void ft_wait(u64 ticket);

#endif /* FTVMM_FT_H */
