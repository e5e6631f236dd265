/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's short names beside what the real header has. */
#ifndef _SHIM_TYPES_H
#define _SHIM_TYPES_H

#include_next <linux/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define U64_MAX UINT64_MAX

#endif /* _SHIM_TYPES_H */
