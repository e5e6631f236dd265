// SPDX-License-Identifier: GPL-2.0
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <asm/msr.h>

#include "compat.h"
#include "kvmstate.h"
#include "kvmstate_record.h"
#include "reason.h"

static const struct {
	u32 type;
	u32 id;
} chips[] = {
	{ KVMFT_RECORD_PIC_MASTER, KVM_IRQCHIP_PIC_MASTER },
	{ KVMFT_RECORD_PIC_SLAVE, KVM_IRQCHIP_PIC_SLAVE },
	{ KVMFT_RECORD_IOAPIC, KVM_IRQCHIP_IOAPIC },
};

/* What the VM's part has, the PIT last, since it isn't always there. */
static const struct kvmft_record_rule rules[] = {
	{ KVMFT_RECORD_CLOCK, sizeof(struct kvmft_record_clock) },
	{ KVMFT_RECORD_PIC_MASTER, sizeof(struct kvm_irqchip) },
	{ KVMFT_RECORD_PIC_SLAVE, sizeof(struct kvm_irqchip) },
	{ KVMFT_RECORD_IOAPIC, sizeof(struct kvm_irqchip) },
	{ KVMFT_RECORD_PIT, sizeof(struct kvm_pit_state2) },
};

/*
 * kvmclock and the TSC at the same moment. KVM tells both if its clock is made of
 * the TSC, which it isn't while a vcpu's TSC differs from the others'. Then the TSC
 * is read around it, which is exact to about a microsecond; no guest relies on the
 * two being closer, since KVM doesn't tell it that they are.
 */
static int read_clock(struct kvmft_task *task, struct kvmft_clockbase *base)
{
	struct kvm_clock_data *data = kvmft_record_room(task, sizeof(*data), 0);
	u64 before, after;
	int err;

	if (!data)
		return -ENOSPC;

	before = rdtsc_ordered();
	err = kvmft_task_ioctl(task, KVM_GET_CLOCK,
			       task->used + sizeof(struct kvmft_record));
	after = rdtsc_ordered();
	if (err)
		return kvmft_task_failed(task, KVMFT_RECORD_CLOCK, err);

	base->clock = READ_ONCE(data->clock);
	base->host_tsc = before + (after - before) / 2;
	if (READ_ONCE(data->flags) & KVM_CLOCK_HOST_TSC)
		base->host_tsc = READ_ONCE(data->host_tsc);
	return 0;
}

static int save_clock(struct kvmft_task *task, struct kvmft_clockbase *base)
{
	struct kvmft_record_clock record;
	int err;

	err = read_clock(task, base);
	if (err)
		return err;

	base->saved = base->clock;
	record.clock = base->clock;
	record.host_tsc = base->host_tsc;
	return kvmft_record_put(task, KVMFT_RECORD_CLOCK, &record, sizeof(record));
}

static int save_chip(struct kvmft_task *task, u32 type, u32 id)
{
	struct kvm_irqchip *chip = kvmft_record_room(task, sizeof(*chip), 0);
	int err;

	if (!chip)
		return -ENOSPC;

	chip->chip_id = id;
	err = kvmft_task_ioctl(task, KVM_GET_IRQCHIP,
			       task->used + sizeof(struct kvmft_record));
	if (err)
		return kvmft_task_failed(task, type, err);

	kvmft_record_close(task, type, sizeof(*chip));
	return 0;
}

/**
 * kvmft_kvmstate_save_vm() - save the VM's part
 * @state: the state
 * @vm_file: the VM's file
 * @window: of kvmft_kvmstate_vm_size() bytes; records from its begin on
 * @base: result, for kvmft_kvmstate_save_vcpu()
 * @len: result, bytes of records
 * @verdict: why not
 *
 * Interrupts move on from source to sink, so that what moves while this is done is
 * saved twice rather than never.
 *
 * Context: with the VMM's address space
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_save_vm(const struct kvmft_kvmstate *state,
			   struct file *vm_file, const struct kvmft_window *window,
			   struct kvmft_clockbase *base, u32 *len,
			   struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vm_file, .window = window, .verdict = verdict,
		.saving = true,
	};
	int err, i;

	err = kvmft_kvmstate_check(state, vm_file->private_data, verdict);
	if (!err && state->pit)
		err = kvmft_record_get(&task, KVMFT_RECORD_PIT, KVM_GET_PIT2,
				       sizeof(struct kvm_pit_state2));
	for (i = 0; !err && i < ARRAY_SIZE(chips); i++)
		err = save_chip(&task, chips[i].type, chips[i].id);
	if (!err)
		err = save_clock(&task, base);
	*len = task.used;
	return err;
}

/*
 * The guest's time goes on where it was: it didn't run in between, and what the
 * hosts call the time of day is no measure for how long that took.
 */
static int restore_clock(struct kvmft_task *task,
			 const struct kvmft_record_clock *record,
			 struct kvmft_clockbase *base)
{
	struct kvm_clock_data data = { .clock = record->clock };
	int err;

	err = kvmft_record_set(task, KVMFT_RECORD_CLOCK, KVM_SET_CLOCK, &data,
			       sizeof(data));
	if (err)
		return err;

	base->saved = record->clock;
	return read_clock(task, base);
}

static int restore_chip(struct kvmft_task *task, u32 type, u32 id, const void *data)
{
	struct kvm_irqchip chip;

	memcpy(&chip, data, sizeof(chip));
	chip.chip_id = id;
	return kvmft_record_set(task, type, KVM_SET_IRQCHIP, &chip, sizeof(chip));
}

/**
 * kvmft_kvmstate_restore_vm() - restore the VM's part
 * @state: the state
 * @vm_file: the VM's file
 * @window: of kvmft_kvmstate_vm_size() bytes
 * @records: what was saved, in memory of the kernel; from a peer
 * @len: its length
 * @base: result, for kvmft_kvmstate_restore_vcpu()
 * @verdict: why not
 *
 * Context: with the VMM's address space
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_restore_vm(const struct kvmft_kvmstate *state,
			      struct file *vm_file,
			      const struct kvmft_window *window,
			      const void *records, u32 len,
			      struct kvmft_clockbase *base,
			      struct kvmft_verdict *verdict)
{
	struct kvmft_task task = {
		.file = vm_file, .window = window, .verdict = verdict,
	};
	const void *found[ARRAY_SIZE(rules)];
	struct kvmft_record_clock clock;
	int err, i;

	err = kvmft_record_find(&task, records, len, rules,
				ARRAY_SIZE(rules) - !state->pit, found);
	if (err)
		return err;

	memcpy(&clock, found[0], sizeof(clock));
	err = restore_clock(&task, &clock, base);
	if (!err && state->pit)
		err = kvmft_record_set(&task, KVMFT_RECORD_PIT, KVM_SET_PIT2,
				       found[ARRAY_SIZE(rules) - 1],
				       sizeof(struct kvm_pit_state2));
	for (i = 0; !err && i < ARRAY_SIZE(chips); i++)
		err = restore_chip(&task, chips[i].type, chips[i].id, found[1 + i]);
	return err;
}

/**
 * kvmft_kvmstate_rehearse_vm() - restore a standby's VM to what it is already
 * @state: the state
 * @vm_file: the VM's file
 * @window: of kvmft_kvmstate_vm_size() bytes
 * @saved: result, for kvmft_kvmstate_rehearse_vcpu()
 * @restored: result, the same
 * @verdict: why not
 *
 * Context: with the VMM's address space, before the guest has run
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmstate_rehearse_vm(const struct kvmft_kvmstate *state,
			       struct file *vm_file,
			       const struct kvmft_window *window,
			       struct kvmft_clockbase *saved,
			       struct kvmft_clockbase *restored,
			       struct kvmft_verdict *verdict)
{
	struct kvmft_task task = { .window = window, .verdict = verdict };
	void *copy;
	u32 len;
	int err;

	err = kvmft_kvmstate_save_vm(state, vm_file, window, saved, &len, verdict);
	if (err)
		return err;

	copy = kvmft_record_copy(&task, len);
	if (!copy)
		return -ENOMEM;
	err = kvmft_kvmstate_restore_vm(state, vm_file, window, copy, len, restored,
					verdict);
	kvfree(copy);
	return err;
}
