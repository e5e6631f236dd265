/* SPDX-License-Identifier: GPL-2.0 */
/*
 * role: who of two hosts may let a guest's output out.
 *
 * Contract: pure functions and one table. A guest has a generation that rises whenever a
 * side begins to act without the other one: by promotion of a standby, or when a
 * primary goes on alone. A side that lets output out, or would if it could, claims
 * its generation; two that claim are judged here, the same way on both sides.
 */
#ifndef _KVMFT_ROLE_H
#define _KVMFT_ROLE_H

#include <linux/types.h>

/* No side has acted under this one. */
#define KVMFT_CLAIM_NONE 0

/**
 * struct kvmft_transition - a state of a guest that may follow another one
 * @role: &enum kvmft_vm_role.
 * @from: &enum kvmft_vm_state.
 * @to: The same.
 * @name: What happens in it.
 */
struct kvmft_transition {
	u32 role;
	u32 from;
	u32 to;
	const char *name;
};

u32 kvmft_role_meet(u64 mine, u64 theirs, u32 *to_them);
const struct kvmft_transition *kvmft_role_find(u32 role, u32 from, u32 to);

#endif /* _KVMFT_ROLE_H */
