/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bus: who answers at which port or address.
 *
 * Contract: all are added before a vcpu runs. Where nobody is, writes go nowhere, and
 * bits that are read are set.
 */
#ifndef FTVMM_BUS_H
#define FTVMM_BUS_H

#include "vmm.h"

enum bus_kind { BUS_PORT, BUS_MMIO };

/**
 * struct access - one of a vcpu's
 * @vcpu: Who.
 * @at: Offset from where its target begins.
 * @data: What is written, or where what is read goes to.
 * @len: 1, 2, 4 or 8.
 * @write: Which of both.
 */
struct access {
	struct vcpu *vcpu;
	u64 at;
	u8 *data;
	u32 len;
	bool write;
};

typedef void (*bus_fn)(void *target, const struct access *access);

void bus_make(void);

/* The whole access has to be within. */
void bus_add(enum bus_kind kind, u64 base, u64 size, bus_fn answer, void *target);

/* access->at is absolute. */
void bus_access(enum bus_kind kind, const struct access *access);

/* What is written, and to answer with that. */
u64 access_value(const struct access *access);
void access_answer(const struct access *access, u64 value);

#endif /* FTVMM_BUS_H */
