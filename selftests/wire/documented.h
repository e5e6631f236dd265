/* SPDX-License-Identifier: GPL-2.0 */
/*
 * documented: the table of frames in wire.rst, copied by hand, for those who judge
 * what wire.c makes of it.
 */
#ifndef _DOCUMENTED_H
#define _DOCUMENTED_H

#include <linux/types.h>

#define MIB 1048576U

/* The phases in which a frame may come, a bit each. */
#define HELLO 1
#define AUTH 2
#define CTL 4
#define DATA 8

/* The first is type 1. */
static const struct {
	u32 min, max, bulk;
	unsigned int phases;
	u8 flags;
	bool vm;
} documented[] = {
	{ 4, 512, 0, HELLO, 0, false },
	{ 32, 32, 0, AUTH, 0, false },
	{ 8, 136, 0, HELLO | AUTH | CTL | DATA, 0, false },
	{ 32, 32, 0, CTL, 0, false },
	{ 80, 80, 0, CTL, 1, true },
	{ 8, 32776, 0, CTL, 1, true },
	{ 8, 65536, 0, CTL, 1, true },
	{ 16, 16, 0, DATA, 0, true },
	{ 24, 4104, MIB, DATA, 2, true },
	{ 8, 8, 0, CTL, 0, true },
	{ 16, 16, MIB, DATA, 0, true },
	{ 48, 48, 0, DATA, 0, true },
	{ 16, 16, 0, CTL, 0, true },
	{ 8, 136, 0, CTL | DATA, 0, true },
	{ 16, 16, 0, CTL, 0, true },
	{ 8, 8, 0, CTL, 0, true },
	{ 24, 24, 0, CTL, 0, true },
	{ 8, 136, 0, CTL, 1, true },
};

#define DOCUMENTED ((int)(sizeof(documented) / sizeof(*documented)))

#endif /* _DOCUMENTED_H */
