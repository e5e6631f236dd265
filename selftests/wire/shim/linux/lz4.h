/* SPDX-License-Identifier: GPL-2.0 */
/* The library's, which needs no memory to work in. */
#ifndef _SHIM_LZ4_H
#define _SHIM_LZ4_H

#include <lz4.h>

#define LZ4_MEM_COMPRESS 16384
/* The kernel's compiler isn't told to mind signs. */
#define LZ4_compress_default(from, to, len, most, memory) \
	((void)(memory), LZ4_compress_default((const char *)(from), (char *)(to), len, most))
#define LZ4_decompress_safe(from, to, len, most) \
	LZ4_decompress_safe((const char *)(from), (char *)(to), len, most)

#endif /* _SHIM_LZ4_H */
