/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory: the guest's, as one mapping with slots above it.
 *
 * Contract: memory_make() before any vcpu. Hash and dump look at pages that exist and
 * hold something, so that a sparse guest stays sparse; two guests have the same hash
 * if their memory reads the same, however it came about. They are only meaningful
 * while nobody writes.
 */
#ifndef _MEMORY_H
#define _MEMORY_H

#include "vmm.h"

void memory_make(void);

/* Where the VMM has these bytes of guest memory; NULL if they aren't all RAM or ROM. */
void *memory_at(u64 gpa, u64 len);

/*
 * What is done with each page that exists, at the first of its addresses: until it returns
 * something else than 0, which is the result. The kernel's page of zeroes, which stands
 * for one that was only read, doesn't count as one.
 */
typedef int (*visit_fn)(void *context, u64 gpa, const void *page);
int memory_visit(visit_fn visit, void *context);

bool memory_is_zero(const void *page);

u64 memory_hash(void);

/*
 * A slot of memory that no guest uses comes, goes, or is elsewhere; -1 with errno. What is
 * in it is made of the seed, but for a standby.
 */
int memory_add_spare(void);
int memory_remove_spare(void);
int memory_move_spare(void);

/* Tells KVM flags of the first slot that don't let it log writes; -1 with errno. */
int memory_end_log(void);

/* Into a sparse file in which each page is at its guest address; -1 with errno. */
int memory_dump(const char *path);

/* Bytes below LOW_MAX, and from HIGH on. */
u64 memory_low(void);
u64 memory_high(void);

#endif /* _MEMORY_H */
