// SPDX-License-Identifier: GPL-2.0
#include "devices.h"

#include "acpi.h"
#include "blk.h"
#include "bus.h"
#include "ft.h"
#include "net.h"
#include "rng.h"
#include "serial.h"
#include "vcpu.h"
#include "virtio.h"

#define PART_SERIAL 0x1000
#define PART_END 0x1001

#define KEYBOARD_PORT 0x64
#define KEYBOARD_RESET 0xfe

#define LOOK_US 1000

/* --- The end --- */

/* Everything else has left before. */
static void emit_end(void *device, struct request *request)
{
	(void)device;
	for (;;) {
		outbox_permit(request);
		if (devices_are_idle())
			break;
		/* They may have to wait for a standstill, and that for this one. */
		outbox_unpermit(request);
		sleep_us(LOOK_US);
	}
	ft_end();
	vmm_end(request->at);
}

static void complete_end(void *device, struct request *const *requests, unsigned int count)
{
	(void)device;
	(void)requests;
	(void)count;
}

static const struct outbox_ops end_ops = { .emit = emit_end, .complete = complete_end };

static bool judge_end(void *device, const struct request *request)
{
	(void)device;
	return request->kind == REQUEST_END && request->at <= STATUS_QUIT;
}

/* It is output, too: a standby must not go on with a guest that was switched off. */
void devices_end(struct vcpu *vcpu, int status)
{
	struct request *request;

	if (!outbox_is_empty(vmm.ending))
		return;
	request = request_make(REQUEST_END, 0);
	if (!request)
		die("no memory");
	request->at = status;
	request->gated = true;
	request->owner = vcpu->id;
	outbox_add(vmm.ending, request);
	vcpu->output = true;
}

static void answer_power(void *target, const struct access *access)
{
	u64 value = access_value(access);

	(void)target;
	if (!access->write) {
		access_answer(access, 0);
		return;
	}
	if (access->at == ACPI_SLEEP_CONTROL && value == ACPI_SLEEP_OFF)
		devices_end(access->vcpu, STATUS_OFF);
	else if (access->at == ACPI_RESET)
		devices_end(access->vcpu, STATUS_REBOOT);
}

/* All of a keyboard controller that a kernel wants of one it doesn't find. */
static void answer_keyboard(void *target, const struct access *access)
{
	(void)target;
	if (!access->write)
		access_answer(access, 0);
	else if (access_value(access) == KEYBOARD_RESET)
		devices_end(access->vcpu, STATUS_REBOOT);
}

/* --- All of them --- */

void devices_make(void)
{
	const struct options *options = &vmm.options;
	unsigned int i;

	serial_make(options->console);
	vmm.ending = outbox_make(&end_ops, NULL, 1, 0);
	bus_add(BUS_PORT, ACPI_PORTS, ACPI_PORT_COUNT, answer_power, NULL);
	bus_add(BUS_PORT, KEYBOARD_PORT, 1, answer_keyboard, NULL);
	for (i = 0; i < options->net_count; i++)
		net_make(&options->nets[i], i);
	for (i = 0; i < options->disk_count; i++)
		blk_make(&options->disks[i], i);
	rng_make();
}

u64 devices_room(void)
{
	u64 room = PAGE + serial_room() + outbox_room(vmm.ending);
	unsigned int i;

	for (i = 0; i < vmm.device_count; i++)
		room += virtio_room(vmm.devices[i]);
	return room;
}

void devices_start(void)
{
	struct virtio *virtio;
	unsigned int i;

	serial_start();
	outbox_start(vmm.ending);
	for (i = 0; i < vmm.device_count; i++) {
		virtio = vmm.devices[i];
		if (virtio->outbox)
			outbox_start(virtio->outbox);
		if (virtio->ops->start)
			virtio->ops->start(virtio);
	}
}

void devices_gather(struct vcpu *vcpu)
{
	struct virtio *virtio;
	unsigned int i;

	vcpu->output |= serial_gather(vcpu->id);
	for (i = 0; i < vmm.device_count; i++) {
		virtio = vmm.devices[i];
		if (!virtio->ops->gather)
			continue;
		pthread_mutex_lock(&virtio->lock);
		if (virtio_is_live(virtio))
			vcpu->output |= virtio->ops->gather(virtio, vcpu->id);
		pthread_mutex_unlock(&virtio->lock);
	}
}

bool devices_adopt(u32 owner)
{
	bool any = false;
	unsigned int i;

	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			any |= outbox_adopt(vmm.devices[i]->outbox, owner);
	}
	return any;
}

void devices_look(void)
{
	unsigned int i;

	outbox_look(serial_outbox());
	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			outbox_look(vmm.devices[i]->outbox);
	}
	outbox_look(vmm.ending);
}

u64 devices_tickets(u32 owner, u64 first, u32 step)
{
	unsigned int i;

	first = outbox_tickets(serial_outbox(), owner, first, step);
	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			first = outbox_tickets(vmm.devices[i]->outbox, owner, first, step);
	}
	return outbox_tickets(vmm.ending, owner, first, step);
}

void devices_ticket(u32 owner, u64 ticket)
{
	devices_tickets(owner, ticket, 0);
}

void devices_save(struct blob *blob)
{
	unsigned int i;
	u64 part;

	part = blob_put_begin(blob, PART_SERIAL, 0);
	serial_save(blob);
	blob_put_end(blob, part);
	for (i = 0; i < vmm.device_count; i++) {
		part = blob_put_begin(blob, vmm.devices[i]->ops->id, i);
		virtio_save(vmm.devices[i], blob);
		blob_put_end(blob, part);
	}
	part = blob_put_begin(blob, PART_END, 0);
	outbox_save(vmm.ending, blob);
	blob_put_end(blob, part);
}

bool devices_load(struct blob *blob)
{
	struct blob part = blob_get_part(blob, PART_SERIAL, 0);
	unsigned int i;

	if (!serial_load(&part) || !blob_is_good(&part)) {
		say("the console's state is wrong");
		return false;
	}
	for (i = 0; i < vmm.device_count; i++) {
		part = blob_get_part(blob, vmm.devices[i]->ops->id, i);
		if (virtio_load(vmm.devices[i], &part) && blob_is_good(&part))
			continue;
		say("the state of %s is wrong", vmm.devices[i]->name);
		return false;
	}
	part = blob_get_part(blob, PART_END, 0);
	return outbox_load(vmm.ending, &part, judge_end) && blob_is_good(&part);
}

void devices_promoted(void)
{
	unsigned int i;

	serial_promoted();
	for (i = 0; i < vmm.device_count; i++)
		virtio_promoted(vmm.devices[i]);
	devices_start();
	vcpu_want_gather();
}

bool devices_are_idle(void)
{
	unsigned int i;

	if (!outbox_is_empty(serial_outbox()))
		return false;
	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox && !outbox_is_empty(vmm.devices[i]->outbox))
			return false;
	}
	return true;
}
