/* SPDX-License-Identifier: GPL-2.0 */
/*
 * size: amounts of memory, as people type and read them.
 *
 * Contract: units are powers of 1024. What size_text() writes without a point
 * size_parse() reads back unchanged.
 */
#ifndef FTCTL_SIZE_H
#define FTCTL_SIZE_H

#include <stdint.h>

/* Room for what size_text() writes. */
#define SIZE_SIZE 32

const char *size_parse(const char *text, uint64_t *bytes);
const char *size_text(uint64_t bytes, char text[SIZE_SIZE]);

#endif /* FTCTL_SIZE_H */
