/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blk: a virtio disk on a file or block device.
 *
 * Contract: writes, flushes and the like are output; what is to be written is copied
 * when it is asked for. Reads aren't output, and go to a buffer first, since guest
 * memory mustn't be written while all stand still. A read behind a write that hasn't
 * been done, and overlaps it, waits for it. A standby doesn't write, and opens the disk
 * for that when it is promoted.
 */
#ifndef FTVMM_BLK_H
#define FTVMM_BLK_H

#include "vmm.h"

void blk_make(const struct disk_options *options, unsigned int number);

#endif /* FTVMM_BLK_H */
