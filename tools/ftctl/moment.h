/* SPDX-License-Identifier: GPL-2.0 */
/*
 * moment: when something happened, as people and programs read it.
 */
#ifndef FTCTL_MOMENT_H
#define FTCTL_MOMENT_H

#include <stdint.h>
#include <stdio.h>

uint64_t moment_now(void);
uint64_t moment_ms(void);
void moment_print(FILE *out, uint64_t ns);

#endif /* FTCTL_MOMENT_H */
