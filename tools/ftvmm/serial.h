/* SPDX-License-Identifier: GPL-2.0 */
/*
 * serial: a 16550, the guest's console.
 *
 * Contract: what the guest writes goes into an outbox, a line or a few milliseconds'
 * worth at a time; it is output if the options say so. A guest that is faster than who
 * reads it is told to wait.
 */
#ifndef FTVMM_SERIAL_H
#define FTVMM_SERIAL_H

#include "blob.h"
#include "vmm.h"

#define SERIAL_PORTS 0x3f8
#define SERIAL_PORT_COUNT 8
#define SERIAL_GSI 4

/* Opens "stdio", "pty", "none" or "file:PATH". */
void serial_make(const char *console);
void serial_start(void);
/* The terminal as it was. */
void serial_end(void);

/* What was written and isn't in the outbox; true if it is output. */
bool serial_gather(u32 owner);
struct outbox *serial_outbox(void);

u64 serial_room(void);
void serial_save(struct blob *blob);
bool serial_load(struct blob *blob);

/* The guest is told again what it may have missed. */
void serial_promoted(void);

#endif /* FTVMM_SERIAL_H */
