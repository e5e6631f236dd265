/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory: the guest's RAM.
 *
 * Contract: one memfd, below 3 GiB and from 4 GiB on. An address of the guest's is
 * looked up here before anything is read or written there, and whoever has written
 * says so with memory_written(), in a vcpu's thread or between ft_enter() and
 * ft_leave().
 */
#ifndef FTVMM_MEMORY_H
#define FTVMM_MEMORY_H

#include "vmm.h"

#define MEMORY_GAP (3 * GIB)
#define MEMORY_HIGH (4 * GIB)

void memory_make(void);

/* How much is below the gap, and above it. */
u64 memory_low(void);
u64 memory_high(void);

/* Where it ends. */
u64 memory_end(void);

/* Where that is, NULL unless all of it is RAM. */
void *memory_at(u64 gpa, u64 len);

/* That this was written. */
void memory_written(u64 gpa, u64 len);

/* Copies, and tells of it; false unless all of it is RAM. */
bool memory_write(u64 gpa, const void *data, u64 len);
bool memory_read(u64 gpa, void *data, u64 len);

#endif /* FTVMM_MEMORY_H */
