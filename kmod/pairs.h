/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pairs: the registry of all pairs.
 *
 * Contract: pairs are added, deleted and found by network namespace and name. One
 * lock orders all changes; a deletion is over, with threads and sockets gone, when
 * it returns. A network namespace that goes takes its pairs with it.
 */
#ifndef _KVMFT_PAIRS_H
#define _KVMFT_PAIRS_H

#include <linux/types.h>

#include "pair.h"

/* Takes one pair; what isn't 0 ends the walk. */
typedef int (*kvmft_pairs_fn)(void *context, struct kvmft_pair *pair);

int kvmft_pairs_init(void);
void kvmft_pairs_close(void);
void kvmft_pairs_exit(void);

int kvmft_pairs_add(struct net *net, const struct kvmft_pair_config *config,
		    kvmft_pair_notify_fn notify);
int kvmft_pairs_del(struct net *net, const char *name);
struct kvmft_pair *kvmft_pairs_find(struct net *net, const char *name);
int kvmft_pairs_walk(struct net *net, unsigned long *position,
		     unsigned int *generation, kvmft_pairs_fn take, void *context);

#endif /* _KVMFT_PAIRS_H */
