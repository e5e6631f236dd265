/* SPDX-License-Identifier: GPL-2.0 */
/*
 * emulate: what a vcpu's exits mean.
 *
 * PORT_OUT and MMIO_OUT take a word of output, PORT_BYTES four bytes of one (rep
 * outsb), MMIO_CROSS eight bytes in two exits: the word, and its complement. What is
 * read at PORT_IN, MMIO_IN and MMIO_CROSS are the words k * MIX_A ^ seed, k = 0 ...,
 * at PORT_IN_BYTES the bytes k * MIX_BYTE + seed; each vcpu has its own.
 */
#ifndef _EMULATE_H
#define _EMULATE_H

#include "vcpu.h"

/* Sets vcpu->output if there was some. */
void emulate(struct vcpu *vcpu);

#endif /* _EMULATE_H */
