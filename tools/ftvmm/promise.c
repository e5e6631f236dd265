// SPDX-License-Identifier: GPL-2.0
#include "promise.h"

#include <pthread.h>
#include <string.h>

/* With the lock; they mostly come in order. */
static bool add(u64 number)
{
	u32 at = vmm.promises.count;

	if (at == PROMISES_MAX)
		return false;
	for (; at && vmm.promises.open[at - 1] > number; at--)
		vmm.promises.open[at] = vmm.promises.open[at - 1];
	vmm.promises.open[at] = number;
	vmm.promises.count++;
	return true;
}

u64 promise_make(void)
{
	u64 number;

	pthread_mutex_lock(&vmm.promises.lock);
	number = ++vmm.promises.last;
	if (!add(number))
		die("more promises than outboxes can hold");
	pthread_mutex_unlock(&vmm.promises.lock);
	return number;
}

bool promise_take(u64 number, u64 last)
{
	bool taken;

	pthread_mutex_lock(&vmm.promises.lock);
	taken = !number || add(number);
	if (last < number)
		last = number;
	if (vmm.promises.last < last)
		vmm.promises.last = last;
	pthread_mutex_unlock(&vmm.promises.lock);
	return taken;
}

void promise_keep(u64 number)
{
	u32 at = 0;

	pthread_mutex_lock(&vmm.promises.lock);
	while (at < vmm.promises.count && vmm.promises.open[at] != number)
		at++;
	if (at < vmm.promises.count) {
		vmm.promises.count--;
		memmove(vmm.promises.open + at, vmm.promises.open + at + 1,
			(vmm.promises.count - at) * sizeof(vmm.promises.open[0]));
	}
	pthread_mutex_unlock(&vmm.promises.lock);
}

u64 promise_last(void)
{
	u64 last;

	pthread_mutex_lock(&vmm.promises.lock);
	last = vmm.promises.last;
	pthread_mutex_unlock(&vmm.promises.lock);
	return last;
}

bool promise_is_kept(u64 number)
{
	bool kept;

	pthread_mutex_lock(&vmm.promises.lock);
	kept = !vmm.promises.count || vmm.promises.open[0] > number;
	pthread_mutex_unlock(&vmm.promises.lock);
	return kept;
}
