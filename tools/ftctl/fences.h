/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fences: what "ftctl agent" was asked to do, once each.
 *
 * Contract: one fence is one name and one token, however often it is told of. One that
 * is over is remembered until its guest goes, or has been asked for another one.
 */
#ifndef FTCTL_FENCES_H
#define FTCTL_FENCES_H

#include <linux/kvmft.h>
#include <stdbool.h>
#include <stdint.h>

#include "task.h"
#include "vm_info.h"

enum fence_phase {
	FENCE_WAITS,
	FENCE_RUNS,
	FENCE_OVER,
};

/**
 * struct fence - one of them
 * @next: The one that was asked for after it.
 * @name: The guest.
 * @pair: Its pair.
 * @role: What it is on this host, &enum kvmft_vm_role.
 * @token: The number of the fence.
 * @phase: How far it is.
 * @due: When to begin, by moment_ms().
 * @task: The command, while it runs; or until it has ended, of one that is over.
 */
struct fence {
	struct fence *next;
	char name[KVMFT_VM_NAME_MAX + 1];
	char pair[KVMFT_PAIR_NAME_MAX + 1];
	uint32_t role;
	uint64_t token;
	enum fence_phase phase;
	uint64_t due;
	struct task task;
};

struct fences {
	struct fence *first;
};

bool fences_add(struct fences *fences, const struct vm_info *vm, uint64_t due,
		struct fence **added);
bool fences_are_under_way(const struct fences *fences, const char *pair);
void fences_forget(struct fences *fences, const char *name);
void fences_forget_all(struct fences *fences);

#endif /* FTCTL_FENCES_H */
