/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pair_show: "ftctl pair show".
 *
 * Contract: nothing is printed before the whole answer is there and valid.
 */
#ifndef FTCTL_PAIR_SHOW_H
#define FTCTL_PAIR_SHOW_H

#include "ftctl.h"

enum exit_status pair_show(const struct options *options, const char *name);

#endif /* FTCTL_PAIR_SHOW_H */
