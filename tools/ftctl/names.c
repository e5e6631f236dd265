// SPDX-License-Identifier: GPL-2.0
#include <assert.h>
#include <linux/kvmft.h>
#include <stdio.h>

#include "ftctl.h"
#include "names.h"

static const char *unknown_name(uint32_t number, char *unknown)
{
	snprintf(unknown, NAME_SIZE, "unknown-%u", number);
	return unknown;
}

/**
 * role_name() - what an end of a pair is called
 * @role: &enum kvmft_pair_role
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *role_name(uint32_t role, char unknown[NAME_SIZE])
{
	/* Here and below no default: the compiler tells what is missing. */
	switch ((enum kvmft_pair_role)role) {
	case KVMFT_PAIR_CONNECT:
		return "connect";
	case KVMFT_PAIR_LISTEN:
		return "listen";
	}
	return unknown_name(role, unknown);
}

/**
 * state_name() - what a state of the link is called
 * @state: &enum kvmft_pair_state
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *state_name(uint32_t state, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_pair_state)state) {
	case KVMFT_PAIR_CONNECTING:
		return "connecting";
	case KVMFT_PAIR_AUTHENTICATING:
		return "authenticating";
	case KVMFT_PAIR_UP:
		return "up";
	case KVMFT_PAIR_DOWN:
		return "down";
	}
	return unknown_name(state, unknown);
}

/**
 * event_name() - what an event is called
 * @event: &enum kvmft_pair_event
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *event_name(uint32_t event, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_pair_event)event) {
	case KVMFT_PAIR_ADDED:
		return "added";
	case KVMFT_PAIR_DELETED:
		return "deleted";
	case KVMFT_PAIR_CHANGED:
		return "changed";
	case KVMFT_PAIR_REFUSED:
		return "refused";
	}
	return unknown_name(event, unknown);
}

/**
 * vm_role_name() - what an end of a guest is called
 * @role: &enum kvmft_vm_role
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_role_name(uint32_t role, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_role)role) {
	case KVMFT_VM_PRIMARY:
		return "primary";
	case KVMFT_VM_STANDBY:
		return "standby";
	}
	return unknown_name(role, unknown);
}

/**
 * vm_mode_name() - what the way in which output waits is called
 * @mode: &enum kvmft_vm_mode
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_mode_name(uint32_t mode, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_mode)mode) {
	case KVMFT_VM_SYNC:
		return "sync";
	case KVMFT_VM_ASYNC:
		return "async";
	}
	return unknown_name(mode, unknown);
}

/**
 * vm_promote_name() - what it is called that a standby does without its primary
 * @promote: &enum kvmft_vm_promote
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_promote_name(uint32_t promote, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_promote)promote) {
	case KVMFT_VM_AUTO:
		return "auto";
	case KVMFT_VM_MANUAL:
		return "manual";
	case KVMFT_VM_ASK:
		return "ask";
	}
	return unknown_name(promote, unknown);
}

/**
 * vm_loss_name() - what it is called that a primary does without its standby
 * @loss: &enum kvmft_vm_loss
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_loss_name(uint32_t loss, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_loss)loss) {
	case KVMFT_VM_LOSS_HOLD:
		return "hold";
	case KVMFT_VM_LOSS_SOLO:
		return "solo";
	case KVMFT_VM_LOSS_ASK:
		return "ask";
	}
	return unknown_name(loss, unknown);
}

/**
 * vm_fencing_name() - what it is called whether the other host has to be fenced
 * @fencing: &enum kvmft_vm_fencing
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_fencing_name(uint32_t fencing, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_fencing)fencing) {
	case KVMFT_VM_FENCING_NONE:
		return "none";
	case KVMFT_VM_FENCING_REQUIRED:
		return "required";
	}
	return unknown_name(fencing, unknown);
}

/**
 * vm_fence_name() - what it is called what became of fencing the other host
 * @fence: &enum kvmft_vm_fence
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_fence_name(uint32_t fence, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_fence)fence) {
	case KVMFT_VM_FENCE_ASKED:
		return "asked";
	case KVMFT_VM_FENCE_DONE:
		return "done";
	case KVMFT_VM_FENCE_FAILED:
		return "failed";
	}
	return unknown_name(fence, unknown);
}

/**
 * vm_compress_name() - what it is called how a primary sends pages
 * @compress: &enum kvmft_vm_compress
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_compress_name(uint32_t compress, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_compress)compress) {
	case KVMFT_VM_COMPRESS_NONE:
		return "none";
	case KVMFT_VM_COMPRESS_LZ4:
		return "lz4";
	}
	return unknown_name(compress, unknown);
}

/**
 * vm_state_name() - what a state of a guest is called
 * @state: &enum kvmft_vm_state
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_state_name(uint32_t state, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_state)state) {
	case KVMFT_VM_WAITING_PEER:
		return "waiting-peer";
	case KVMFT_VM_SYNCING:
		return "syncing";
	case KVMFT_VM_PROTECTED:
		return "protected";
	case KVMFT_VM_HELD:
		return "held";
	case KVMFT_VM_UNPROTECTED:
		return "unprotected";
	case KVMFT_VM_PROMOTING:
		return "promoting";
	case KVMFT_VM_SOLO:
		return "solo";
	case KVMFT_VM_FENCED:
		return "fenced";
	}
	return unknown_name(state, unknown);
}

/**
 * vm_tracking_name() - what the way in which KVM tells what was written is called
 * @tracking: &enum kvmft_vm_tracking
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_tracking_name(uint32_t tracking, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_tracking)tracking) {
	case KVMFT_VM_RING:
		return "ring";
	case KVMFT_VM_LOG:
		return "log";
	}
	return unknown_name(tracking, unknown);
}

/**
 * vm_event_name() - what an event of a guest is called
 * @event: &enum kvmft_vm_event
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *vm_event_name(uint32_t event, char unknown[NAME_SIZE])
{
	switch ((enum kvmft_vm_event)event) {
	case KVMFT_VM_ATTACHED:
		return "attached";
	case KVMFT_VM_DETACHED:
		return "detached";
	case KVMFT_VM_CHANGED:
		return "changed";
	case KVMFT_VM_ASKS:
		return "asks";
	case KVMFT_VM_ASKS_FENCE:
		return "asks-fence";
	case KVMFT_VM_FENCE_SUCCEEDS:
		return "fence-succeeds";
	case KVMFT_VM_FENCE_FAILS:
		return "fence-fails";
	}
	return unknown_name(event, unknown);
}

/**
 * reason_name() - what a reason is called
 * @reason: &enum kvmft_reason
 * @unknown: room for the name of a number that isn't known
 *
 * Return: the name
 */
const char *reason_name(uint32_t reason, char unknown[NAME_SIZE])
{
	static const char *const names[] = {
		[KVMFT_REASON_NONE] = "none",
		[KVMFT_REASON_UNREACHABLE] = "unreachable",
		[KVMFT_REASON_NOBODY] = "nobody",
		[KVMFT_REASON_TIMEOUT] = "timeout",
		[KVMFT_REASON_CLOSED] = "closed",
		[KVMFT_REASON_BYE] = "bye",
		[KVMFT_REASON_BAD_KEY] = "bad-key",
		[KVMFT_REASON_BAD_NAME] = "bad-name",
		[KVMFT_REASON_BAD_ROLE] = "bad-role",
		[KVMFT_REASON_VERSION] = "version",
		[KVMFT_REASON_FEATURES] = "features",
		[KVMFT_REASON_BUSY] = "busy",
		[KVMFT_REASON_REPLACED] = "replaced",
		[KVMFT_REASON_PROTOCOL] = "protocol",
		[KVMFT_REASON_LIMIT] = "limit",
		[KVMFT_REASON_BAD_MAC] = "bad-mac",
		[KVMFT_REASON_SEQUENCE] = "sequence",
		[KVMFT_REASON_SLOW] = "slow",
		[KVMFT_REASON_CROWDED] = "crowded",
		[KVMFT_REASON_STUCK] = "stuck",
		[KVMFT_REASON_MEMORY] = "memory",
		[KVMFT_REASON_LOCAL] = "local",
		[KVMFT_REASON_NO_VM] = "no-vm",
		[KVMFT_REASON_TOO_BIG] = "too-big",
		[KVMFT_REASON_MISMATCH] = "mismatch",
		[KVMFT_REASON_NOT_BEGUN] = "not-begun",
		[KVMFT_REASON_STALE] = "stale",
		[KVMFT_REASON_GONE] = "gone",
		[KVMFT_REASON_CONFIG] = "config",
		[KVMFT_REASON_LAYOUT] = "layout",
		[KVMFT_REASON_STATE] = "state",
		[KVMFT_REASON_VMM] = "vmm",
		[KVMFT_REASON_VMM_GONE] = "vmm-gone",
		[KVMFT_REASON_NOT_CONVERGING] = "not-converging",
		[KVMFT_REASON_SUPERSEDED] = "superseded",
		[KVMFT_REASON_RIVAL] = "rival",
		[KVMFT_REASON_SWITCHED] = "switched",
		[KVMFT_REASON_SHUTDOWN] = "shutdown",
	};

	/* New reasons come at the end, so this tells what is missing. */
	static_assert(ARRAY_SIZE(names) == KVMFT_REASON_MAX + 1,
		      "a reason has no name");

	if (reason < ARRAY_SIZE(names) && names[reason])
		return names[reason];
	return unknown_name(reason, unknown);
}
