// SPDX-License-Identifier: GPL-2.0
#include "state.h"

#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "device.h"
#include "guest.h"
#include "hold.h"
#include "memory.h"
#include "vcpu.h"

#define MAGIC 0x74616c66U
#define VERSION 1

struct head {
	u32 magic;
	u32 version;
	u64 len;
	u64 checksum;
	char guest[16];
	u32 seed;
	u32 vcpus;
	u64 next;
	u32 count;
	u32 hashed;
	u64 hash;
	u64 epoch;
	struct device_state device;
	/* Then a struct vcpu_state for each vcpu, and the outputs. */
};

static struct hash_state hash;

struct hash_state state_hash(void)
{
	return hash;
}

/* Of everything behind the checksum. */
static u64 checksum(const struct head *head, u64 len)
{
	const u8 *byte = (const void *)&head->guest, *end = (const u8 *)head + len;
	u64 sum = 14695981039346656037ULL;

	for (; byte < end; byte++)
		sum = (sum ^ *byte) * 1099511628211ULL;
	return sum;
}

static void fill_head(struct head *head)
{
	*head = (struct head){
		.magic = MAGIC, .version = VERSION, .seed = vmm.options.seed,
		.vcpus = vmm.options.vcpus,
	};
	strncpy(head->guest, vmm.options.guest->name, sizeof(head->guest) - 1);
	head->device = *device_state();
	if (vmm.options.hash) {
		head->hashed = 1;
		head->hash = memory_hash();
		head->epoch = vmm.area ? vmm.area->epoch : 0;
		hash = (struct hash_state){ true, head->epoch, head->hash, 0 };
	}
}

u64 state_save(bool again)
{
	struct head *head = vmm.state;
	struct vcpu_state *vcpus = (void *)(head + 1);
	struct output *outputs = (void *)(vcpus + vmm.options.vcpus);
	u64 len;
	u32 i;

	hold_saving(again);
	fill_head(head);
	for (i = 0; i < vmm.options.vcpus; i++)
		vcpus[i] = *vcpu_state(i);
	head->count = outbox_save(outputs, OUTBOX_MAX, &head->next);
	len = (char *)(outputs + head->count) - (char *)head;
	head->len = len;
	head->checksum = checksum(head, len);
	compare_saved();
	hold_saved(head->hash);
	return len;
}

/* What is wrong with it; NULL if nothing. */
static const char *complaint(const struct head *head, u64 len)
{
	u64 least = sizeof(*head) + vmm.options.vcpus * sizeof(struct vcpu_state);

	if (len < least || len > vmm.state_max)
		return "its length can't be";
	if (head->magic != MAGIC || head->version != VERSION)
		return "it is none of ours";
	if (head->len != len || head->count > OUTBOX_MAX ||
	    len != least + head->count * sizeof(struct output))
		return "its lengths don't agree";
	if (head->checksum != checksum(head, len))
		return "its checksum is wrong";
	if (strncmp(head->guest, vmm.options.guest->name, sizeof(head->guest)))
		return "it is another guest's";
	if (head->seed != vmm.options.seed || head->vcpus != vmm.options.vcpus)
		return "it is of another seed, or number of vcpus";
	return head->next > head->count ? NULL : "more output than was made";
}

static void compare_hash(const struct head *head)
{
	if (!head->hashed)
		return;
	hash = (struct hash_state){ true, head->epoch, head->hash, memory_hash() };
	if (hash.found != hash.saved)
		say("memory isn't what it was in epoch %llu: hash %016llx instead of %016llx",
		    (unsigned long long)hash.epoch, (unsigned long long)hash.found,
		    (unsigned long long)hash.saved);
}

void state_load(u64 len)
{
	struct head *head = malloc(vmm.state_max);
	struct vcpu_state *vcpus = (void *)(head + 1);
	const char *why;
	u32 i;

	compare_end();
	/* A copy, so that what was judged is what is taken. */
	if (!head)
		die("no memory");
	memcpy(head, vmm.state, len < vmm.state_max ? len : vmm.state_max);
	why = complaint(head, len);
	if (why)
		die("the device state can't be loaded: %s", why);
	compare_hash(head);
	for (i = 0; i < vmm.options.vcpus; i++)
		*vcpu_state(i) = vcpus[i];
	outbox_load((void *)(vcpus + head->vcpus), head->count, head->next);
	device_load(&head->device);
	free(head);
}
