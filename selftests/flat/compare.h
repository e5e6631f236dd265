/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compare: memory of primary and standby, byte by byte, for each epoch.
 *
 * Contract: what the primary's memory is when the device state is saved is kept
 * (compare_saved()). When that epoch is committed, the vcpu that has led it
 * (compare_committed()) tells the standby what has changed since the last one, and
 * doesn't go on before it is answered; without it nothing newer can be committed, so the
 * standby has time. There, memory must be what the primary's was, to the last byte: a
 * page that doesn't exist on one side is zero or doesn't exist on the other.
 */
#ifndef _COMPARE_H
#define _COMPARE_H

#include "vmm.h"

/**
 * struct compare_counts - what came of it, on either side
 * @on: Epochs are compared.
 * @epochs: How many were.
 * @last: The last one.
 * @pages: That weren't zero in it.
 * @different: Epochs that weren't the same.
 * @lost: Epochs that were saved and then not committed.
 * @epoch: The first epoch that was different, and where: @gpa.
 * @primary: The byte there.
 * @standby: The same on the standby.
 */
struct compare_counts {
	bool on;
	u64 epochs, last, pages, different, lost;
	u64 epoch, gpa;
	u8 primary, standby;
};

/* Where the standby listens; the primary connects with the first epoch. */
void compare_open(const char *where);

void compare_saved(void);

/* The vcpu may run; what was saved has this ticket. */
void compare_committed(u64 ticket);

/* A standby that was promoted: its memory is its own from here on. */
void compare_end(void);

struct compare_counts compare_counts(void);

#endif /* _COMPARE_H */
