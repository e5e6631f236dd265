/* SPDX-License-Identifier: GPL-2.0 */
/*
 * net: a virtio network device on a tap.
 *
 * Contract: what the guest sends is output; offloads are passed through to the tap. A
 * standby doesn't read from its tap before it is promoted; then it tells the network
 * where the guest is now.
 */
#ifndef FTVMM_NET_H
#define FTVMM_NET_H

#include "vmm.h"

void net_make(const struct net_options *options, unsigned int number);

#endif /* FTVMM_NET_H */
