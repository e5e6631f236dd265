// SPDX-License-Identifier: GPL-2.0
#include "hold.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "vcpu.h"

#define WAIT_TRIES 10000

static struct {
	u32 reasons;
	int fd;
	bool armed;
	u64 hash;
} hold = { .fd = -1 };

u32 hold_reasons(void)
{
	return __atomic_load_n(&hold.reasons, __ATOMIC_SEQ_CST);
}

void hold_begin(enum hold reason)
{
	__atomic_fetch_or(&hold.reasons, reason, __ATOMIC_SEQ_CST);
	vcpu_kick_all();
}

void hold_end(enum hold reason)
{
	__atomic_fetch_and(&hold.reasons, ~reason, __ATOMIC_SEQ_CST);
}

bool hold_wait(void)
{
	unsigned int i;

	for (i = 0; i < WAIT_TRIES; i++) {
		if (vcpu_all_still() && device_still())
			return true;
		sleep_us(1000);
	}
	return false;
}

void hold_lockstep(const char *path)
{
	hold.fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (hold.fd < 0)
		die("%s", path);
}

static bool in_lockstep(void)
{
	return hold.fd >= 0 && (!vmm.area || vmm.area->state == KVMFT_AREA_PROTECTED);
}

void hold_saving(bool again)
{
	if (again || !in_lockstep())
		return;
	/*
	 * The epoch before is still being looked at. Who is told to save, leads a
	 * checkpoint: all others are in the hook, and it is the module that waits.
	 */
	while (hold_reasons() & HOLD_STEP)
		sleep_us(1000);
	hold_begin(HOLD_STEP);
}

void hold_saved(u64 hash)
{
	if (!(hold_reasons() & HOLD_STEP))
		return;
	hold.hash = hash;
	__atomic_store_n(&hold.armed, true, __ATOMIC_RELEASE);
}

void hold_committed(u64 ticket)
{
	char line[64];
	int len;

	if (!__atomic_exchange_n(&hold.armed, false, __ATOMIC_ACQ_REL))
		return;
	len = snprintf(line, sizeof(line), "%llu %016llx\n", (unsigned long long)ticket,
		       (unsigned long long)hold.hash);
	if (write(hold.fd, line, len) != len)
		die("lockstep");
}
