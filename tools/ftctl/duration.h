/* SPDX-License-Identifier: GPL-2.0 */
/*
 * duration: lengths of time, as people type and read them.
 *
 * Contract: what duration_text() writes duration_parse() reads back unchanged.
 */
#ifndef FTCTL_DURATION_H
#define FTCTL_DURATION_H

#include <stdint.h>

/* Room for what the functions below write. */
#define DURATION_SIZE 32

const char *duration_parse(const char *text, uint32_t *ms);
const char *duration_text(uint32_t ms, char text[DURATION_SIZE]);
const char *duration_age(uint64_t ms, char text[DURATION_SIZE]);
const char *duration_brief(uint64_t ns, char text[DURATION_SIZE]);

#endif /* FTCTL_DURATION_H */
