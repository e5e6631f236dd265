/* SPDX-License-Identifier: GPL-2.0 */
/*
 * acpi: tables that tell the guest what there is.
 *
 * Contract: hardware-reduced ACPI: processors and I/O APIC (MADT), power off and reset
 * (FADT), and the console and virtio devices (DSDT), which Debian's kernels find
 * nowhere else. The tables are of 64-bit addresses, from ACPI_BASE on.
 */
#ifndef FTVMM_ACPI_H
#define FTVMM_ACPI_H

#include "vmm.h"

#define ACPI_BASE 0xe0000UL
#define ACPI_SIZE 0x10000UL

/* Ports: sleep control and status, and one that resets whatever is written there. */
#define ACPI_PORTS 0x600
#define ACPI_PORT_COUNT 3
#define ACPI_SLEEP_CONTROL 0
#define ACPI_SLEEP_STATUS 1
#define ACPI_RESET 2

/* What is written to sleep control to switch off. */
#define ACPI_SLEEP_OFF (5 << 2 | 1 << 5)

/* Writes them; returns where the first of them is. */
u64 acpi_load(void);

#endif /* FTVMM_ACPI_H */
