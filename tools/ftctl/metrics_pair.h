/* SPDX-License-Identifier: GPL-2.0 */
/*
 * metrics_pair: pairs as metrics.
 */
#ifndef FTCTL_METRICS_PAIR_H
#define FTCTL_METRICS_PAIR_H

#include <stdio.h>

#include "pair_list.h"

void metrics_write_pairs(FILE *out, const struct pair_list *list);

#endif /* FTCTL_METRICS_PAIR_H */
