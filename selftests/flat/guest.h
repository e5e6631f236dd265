/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guest: the tiny guests, and how one is put into memory and vcpus.
 */
#ifndef _GUEST_H
#define _GUEST_H

#include "vmm.h"

/**
 * struct guest - one of them
 * @name: As it is called.
 * @code: Its code, for CODE.
 * @code_end: Its end.
 * @bits: 32 or 64.
 * @pages: PARAM_PAGES, unless it is told, which some can't be.
 * @least: The least that it can be told, -1 if it can't.
 * @numbered: Its outputs are "number << 8 | errors".
 * @device: It has a device thread.
 */
struct guest {
	const char *name;
	const u8 *code, *code_end;
	unsigned int bits;
	u32 pages;
	s64 least;
	bool numbered, device;
};

/* The code of all guests, from the assembler. */
extern const u8 counter64[], counter64_end[], counter32[], counter32_end[];
extern const u8 writer[], writer_end[], idle[], idle_end[], devices[], devices_end[];
extern const u8 state[], state_end[], dma[], dma_end[], wanderer[], wanderer_end[];

/* NULL if there is none. */
const struct guest *guest_find(const char *name);

/* Writes code, page tables and parameters. */
void guest_load(void);

/*
 * Of a writer: changes whenever this vcpu has written a page. Looks at all of its pages
 * below LOW_MAX, which then exist.
 */
u64 guest_progress(u32 vcpu);

/* CPUID and registers: at the begin of the code. */
void guest_start(int fd, unsigned int id);

#endif /* _GUEST_H */
