/* SPDX-License-Identifier: GPL-2.0 */
/*
 * irq: interrupts of devices.
 *
 * Contract: in a vcpu's thread, or between ft_enter() and ft_leave().
 */
#ifndef FTVMM_IRQ_H
#define FTVMM_IRQ_H

#include "vmm.h"

void irq_set(u32 gsi, bool level);

/* An edge. */
void irq_pulse(u32 gsi);

#endif /* FTVMM_IRQ_H */
