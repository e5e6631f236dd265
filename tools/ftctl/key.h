/* SPDX-License-Identifier: GPL-2.0 */
/*
 * key: the secret of a pair, in a file.
 *
 * Contract: a key file is 64 hexadecimal digits and a newline, for its owner
 * alone. Nothing of a key is ever printed, and none is left in memory except
 * where the caller wants it, who has to wipe that.
 */
#ifndef FTCTL_KEY_H
#define FTCTL_KEY_H

#include <linux/kvmft.h>
#include <stdbool.h>
#include <stdint.h>

bool key_create(const char *path);
bool key_read(const char *path, uint8_t key[KVMFT_KEY_LEN]);

#endif /* FTCTL_KEY_H */
