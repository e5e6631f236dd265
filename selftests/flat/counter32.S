/* SPDX-License-Identifier: GPL-2.0 */
#define BITS 32
#define NAME counter32
#include "counter.inc"
