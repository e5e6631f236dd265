/* SPDX-License-Identifier: GPL-2.0 */
#define BITS 64
#define NAME counter64
#include "counter.inc"
