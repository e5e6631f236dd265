/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_SLAB_H
#define _SHIM_SLAB_H

#include <linux/mm.h>

#define kmalloc(size, flags) shim_memory(size)
#define kvmalloc(size, flags) shim_memory(size)
#define kzalloc(size, flags) shim_zeroes(size)
#define kfree(memory) free(memory)

#endif /* _SHIM_SLAB_H */
