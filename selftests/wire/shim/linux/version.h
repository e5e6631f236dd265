/* SPDX-License-Identifier: GPL-2.0 */
/* What is compiled here is written for this kernel; see kmod/compat.h. */
#ifndef _SHIM_VERSION_H
#define _SHIM_VERSION_H

#define LINUX_VERSION_MAJOR 6
#define LINUX_VERSION_PATCHLEVEL 12

#endif /* _SHIM_VERSION_H */
