// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kvmft.h>

#include "compat.h"
#include "role.h"

#define PRIMARY KVMFT_VM_PRIMARY
#define STANDBY KVMFT_VM_STANDBY

/* What isn't here doesn't happen. A state may always follow itself, for another reason. */
static const struct kvmft_transition transitions[] = {
	{ PRIMARY, KVMFT_VM_WAITING_PEER, KVMFT_VM_SYNCING, "primary_copies" },
	{ PRIMARY, KVMFT_VM_WAITING_PEER, KVMFT_VM_UNPROTECTED, "primary_gives_up" },
	{ PRIMARY, KVMFT_VM_WAITING_PEER, KVMFT_VM_FENCED, "primary_stands_down" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_WAITING_PEER, "primary_loses_copy" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_SOLO, "primary_loses_copy" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_PROTECTED, "primary_commits_first" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_HELD, "primary_meets_rival" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_UNPROTECTED, "primary_gives_up" },
	{ PRIMARY, KVMFT_VM_SYNCING, KVMFT_VM_FENCED, "primary_stands_down" },
	{ PRIMARY, KVMFT_VM_PROTECTED, KVMFT_VM_HELD, "primary_loses_standby" },
	{ PRIMARY, KVMFT_VM_PROTECTED, KVMFT_VM_UNPROTECTED, "primary_gives_up" },
	{ PRIMARY, KVMFT_VM_PROTECTED, KVMFT_VM_FENCED, "primary_stands_down" },
	{ PRIMARY, KVMFT_VM_HELD, KVMFT_VM_PROTECTED, "primary_finds_standby" },
	{ PRIMARY, KVMFT_VM_HELD, KVMFT_VM_SOLO, "primary_goes_alone" },
	{ PRIMARY, KVMFT_VM_HELD, KVMFT_VM_UNPROTECTED, "primary_gives_up" },
	{ PRIMARY, KVMFT_VM_HELD, KVMFT_VM_FENCED, "primary_stands_down" },
	{ PRIMARY, KVMFT_VM_SOLO, KVMFT_VM_SYNCING, "primary_copies" },
	{ PRIMARY, KVMFT_VM_SOLO, KVMFT_VM_HELD, "primary_meets_rival" },
	{ PRIMARY, KVMFT_VM_SOLO, KVMFT_VM_UNPROTECTED, "primary_gives_up" },
	{ PRIMARY, KVMFT_VM_SOLO, KVMFT_VM_FENCED, "primary_stands_down" },
	{ PRIMARY, KVMFT_VM_UNPROTECTED, KVMFT_VM_FENCED, "primary_stands_down" },
	{ STANDBY, KVMFT_VM_WAITING_PEER, KVMFT_VM_SYNCING, "standby_copies" },
	{ STANDBY, KVMFT_VM_WAITING_PEER, KVMFT_VM_PROTECTED, "standby_finds_primary" },
	{ STANDBY, KVMFT_VM_WAITING_PEER, KVMFT_VM_PROMOTING, "standby_promotes" },
	{ STANDBY, KVMFT_VM_WAITING_PEER, KVMFT_VM_UNPROTECTED, "standby_fails" },
	{ STANDBY, KVMFT_VM_SYNCING, KVMFT_VM_WAITING_PEER, "standby_loses_copy" },
	{ STANDBY, KVMFT_VM_SYNCING, KVMFT_VM_PROTECTED, "standby_commits_first" },
	{ STANDBY, KVMFT_VM_SYNCING, KVMFT_VM_UNPROTECTED, "standby_fails" },
	{ STANDBY, KVMFT_VM_PROTECTED, KVMFT_VM_WAITING_PEER, "standby_loses_primary" },
	{ STANDBY, KVMFT_VM_PROTECTED, KVMFT_VM_SYNCING, "standby_copies" },
	{ STANDBY, KVMFT_VM_PROTECTED, KVMFT_VM_PROMOTING, "standby_promotes" },
	{ STANDBY, KVMFT_VM_PROTECTED, KVMFT_VM_UNPROTECTED, "standby_fails" },
	{ STANDBY, KVMFT_VM_PROMOTING, KVMFT_VM_UNPROTECTED, "standby_fails" },
};

/**
 * kvmft_role_find() - may a state follow another one?
 * @role: &enum kvmft_vm_role
 * @from: &enum kvmft_vm_state
 * @to: another one
 *
 * Return: how, or NULL if it may not
 */
const struct kvmft_transition *kvmft_role_find(u32 role, u32 from, u32 to)
{
	const struct kvmft_transition *t;

	for (t = transitions; t < transitions + ARRAY_SIZE(transitions); t++) {
		if (t->role == role && t->from == from && t->to == to)
			return t;
	}
	return NULL;
}

/**
 * kvmft_role_meet() - both sides have the guest as a primary: what becomes of them?
 * @mine: the generation that this side claims, or KVMFT_CLAIM_NONE
 * @theirs: the same of the other side
 * @to_them: result: &enum kvmft_reason to tell them
 *
 * Return: &enum kvmft_reason why this side has to stop its guest: SUPERSEDED for good,
 * RIVAL until somebody decides; or 0
 */
u32 kvmft_role_meet(u64 mine, u64 theirs, u32 *to_them)
{
	*to_them = KVMFT_REASON_NO_VM;
	if (mine < theirs)
		return KVMFT_REASON_SUPERSEDED;
	if (mine > theirs) {
		*to_them = KVMFT_REASON_SUPERSEDED;
		return 0;
	}
	if (!mine)
		return 0;
	*to_them = KVMFT_REASON_RIVAL;
	return KVMFT_REASON_RIVAL;
}
