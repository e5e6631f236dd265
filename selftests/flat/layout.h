/* SPDX-License-Identifier: GPL-2.0 */
/*
 * layout: where things are in a flat guest, as its code and the VMM know them.
 *
 * For C and assembler. Guest addresses are physical and virtual alike.
 */
#ifndef _LAYOUT_H
#define _LAYOUT_H

/* All of this but BIG is below LOW_LEAST, the least memory that a guest has. */
#define LOW_LEAST	0x1000000
#define IDT		0x3000
#define GDT		0x4000
#define PARAM		0x5000
#define CODE		0x10000
#define CODE_MAX	0x10000
/* A page for each vcpu; it begins with its stack pointer at the end. */
#define STACKS		0x20000
/* PML4, PDPT and a page directory for each GiB; or one directory of 32-bit mode. */
#define TABLES		0x60000
#define TABLES_END	0xa2000
/* A page for each vcpu, to keep what it counts. */
#define SCRATCH		0x100000
/* Pages in which all vcpus have words; one more for the sum of all. */
#define SHARED		0x140000
#define SHARED_PAGES	16
#define TOTAL		0x150000
/* 64 bytes for each vcpu's clock. */
#define CLOCKS		0x152000
/* Two pages for each vcpu: what it reads crosses their border. */
#define BUFFERS		0x160000
/* What the device thread writes. */
#define DMA		0x200000
#define DMA_PAGES	64
/* Pages for each vcpu alone. */
#define OWN		0x400000
#define OWN_PAGES	64
#define OWN_SHIFT	18
/* From here on it is the writer's; from OWN on in a guest with less than LOW_NEED. */
#define BIG		0x1400000
#define LOW_NEED	0x2000000

/* Memory continues at HIGH beyond LOW_MAX. */
#define LOW_MAX		0xc0000000
#define HIGH		0x100000000

/* The first pages of memory a second time. */
#define ALIAS		0xc0000000
#define ALIAS_SIZE	0x400000
#define ROM		0xc8000000
#define ROM_SIZE	0x10000
/* Memory that comes, goes and moves; no guest uses it. */
#define SPARE		0xca000000
#define SPARE_MOVED	0xcb000000
#define SPARE_SIZE	0x100000
#define SPARE_END	0xcc000000

/* Nothing but the VMM: MMIO. */
#define MMIO		0xd0000000
#define MMIO_OUT	(MMIO + 0x10)
#define MMIO_IN		(MMIO + 0x20)
/* Eight bytes of which four are on the next page. */
#define MMIO_CROSS	(MMIO + 0xffc)
#define MMIO_SIZE	0x2000
#define IOAPIC		0xfec00000
#define LAPIC		0xfee00000

#define PORT_OUT	0x10
#define PORT_BYTES	0x14
#define PORT_IN		0x18
#define PORT_IN_BYTES	0x1c

/* Words of the page at PARAM. */
#define PARAM_SEED	(PARAM + 0)
#define PARAM_VCPUS	(PARAM + 4)
#define PARAM_FLAGS	(PARAM + 8)
#define PARAM_PAGES	(PARAM + 12)
#define PARAM_SPIN	(PARAM + 16)
/* For each vcpu of the writer: address and pages below LOW_MAX, and from HIGH on. */
#define PARAM_SLICES	(PARAM + 0x100)
#define SLICE_SHIFT	5

#define FLAG_ALIAS	1
#define FLAG_ROM	2

#define VCPUS_MAX	64

/* Multipliers that guests, VMM and the judge (flat_judge.py) agree on. */
#define MIX_A		0x9e3779b9
#define MIX_B		0x85ebca6b
#define MIX_C		0xc2b2ae35
#define MIX_BYTE	29

#endif /* _LAYOUT_H */
