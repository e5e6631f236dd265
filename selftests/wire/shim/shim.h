/* SPDX-License-Identifier: GPL-2.0 */
/*
 * shim: as much of the kernel as the pure files of kmod/ need in a program.
 *
 * Contract: linux/ has headers with the names and the meaning of the kernel's,
 * and nothing that those files don't use. Here are the strings a test pulls.
 */
#ifndef _SHIM_H
#define _SHIM_H

/* How many allocations succeed from now on; the others fail. Negative: all do. */
extern long shim_allocations_left;

/* How many were refused because of that. */
extern unsigned long shim_refused;

/* How many pages and nodes of xarrays there are now. */
extern long shim_pages;
extern long shim_nodes;

/* How many WARN_ON_ONCE() were true. */
extern unsigned long shim_warnings;

#endif /* _SHIM_H */
