/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SHIM_VMALLOC_H
#define _SHIM_VMALLOC_H

#include <linux/mm.h>

#define __vmalloc(size, flags) shim_memory(size)
#define vfree(memory) free(memory)

#endif /* _SHIM_VMALLOC_H */
