/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rng: virtio's source of random numbers.
 *
 * Contract: answers at once, in the thread of the vcpu that asks.
 */
#ifndef FTVMM_RNG_H
#define FTVMM_RNG_H

void rng_make(void);

#endif /* FTVMM_RNG_H */
