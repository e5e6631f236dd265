// SPDX-License-Identifier: GPL-2.0
#include "bus.h"

#include <string.h>

#define TARGETS_MAX (DEVICES_MAX + 8)

struct target {
	enum bus_kind kind;
	u64 base, size;
	bus_fn answer;
	void *target;
};

struct bus {
	struct target targets[TARGETS_MAX];
	unsigned int count;
};

void bus_make(void)
{
	vmm.bus = make(sizeof(*vmm.bus));
}

void bus_add(enum bus_kind kind, u64 base, u64 size, bus_fn answer, void *target)
{
	struct bus *bus = vmm.bus;

	if (bus->count == TARGETS_MAX)
		die("too many devices");
	bus->targets[bus->count++] = (struct target){ kind, base, size, answer, target };
}

static const struct target *find(enum bus_kind kind, u64 at, u32 len)
{
	const struct target *target;

	for (target = vmm.bus->targets; target < vmm.bus->targets + vmm.bus->count; target++) {
		if (target->kind == kind && at >= target->base &&
		    at - target->base < target->size &&
		    len <= target->size - (at - target->base))
			return target;
	}
	return NULL;
}

void bus_access(enum bus_kind kind, const struct access *access)
{
	const struct target *target = find(kind, access->at, access->len);
	struct access inner = *access;

	if (!access->write)
		memset(access->data, 0xff, access->len);
	if (!target)
		return;
	inner.at -= target->base;
	target->answer(target->target, &inner);
}

u64 access_value(const struct access *access)
{
	u64 value = 0;

	memcpy(&value, access->data, access->len);
	return value;
}

void access_answer(const struct access *access, u64 value)
{
	memcpy(access->data, &value, access->len);
}
