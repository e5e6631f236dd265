// SPDX-License-Identifier: GPL-2.0
#include "irq.h"

void irq_set(u32 gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	must(vmm.vm, KVM_IRQ_LINE, &line, "KVM_IRQ_LINE");
}

void irq_pulse(u32 gsi)
{
	irq_set(gsi, true);
	irq_set(gsi, false);
}
