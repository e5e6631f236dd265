/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tap: the interface of the host's that a guest's network device is wired to.
 *
 * Contract: one read is a frame, one write is one, each behind a head of virtio's, and
 * neither blocks. Needs die() and must(), and nothing else of the VMM.
 */
#ifndef FTVMM_TAP_H
#define FTVMM_TAP_H

#include "vmm.h"

/* Its descriptor, or the end. Heads are so long. */
int tap_open(const char *name, int head_len);

/* What its frames may leave to be done (TUN_F_*), and nothing else; false if it can't. */
bool tap_set_offloads(int tap, unsigned int flags);

#endif /* FTVMM_TAP_H */
