// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "compat.h"
#include "reason.h"

/**
 * struct reason_words - what a reason is called
 * @name: One word, for sysfs and the kernel log.
 * @text: A clause for people.
 */
struct reason_words {
	const char *name;
	const char *text;
};

static const struct reason_words reasons[] = {
	[KVMFT_REASON_NONE] = { "none", "nothing is wrong" },
	[KVMFT_REASON_UNREACHABLE] = {
		"unreachable", "there is no way to the peer's address" },
	[KVMFT_REASON_NOBODY] = {
		"nobody", "nobody listens at the peer's address" },
	[KVMFT_REASON_TIMEOUT] = {
		"timeout", "nothing was heard from the peer within the time-out" },
	[KVMFT_REASON_CLOSED] = {
		"closed", "the peer closed the connection without a word" },
	[KVMFT_REASON_BYE] = { "bye", "the peer has ended the pair" },
	[KVMFT_REASON_BAD_KEY] = {
		"bad-key", "the other end doesn't have the pair's key" },
	[KVMFT_REASON_BAD_NAME] = {
		"bad-name", "the pair has another name at the other end" },
	[KVMFT_REASON_BAD_ROLE] = {
		"bad-role", "both ends connect, or both listen" },
	[KVMFT_REASON_VERSION] = {
		"version", "the other end speaks another version of the protocol" },
	[KVMFT_REASON_FEATURES] = {
		"features", "the other end demands a feature that is missing here" },
	[KVMFT_REASON_BUSY] = {
		"busy", "the pair has a live link to another peer" },
	[KVMFT_REASON_REPLACED] = {
		"replaced", "the same peer has connected again" },
	[KVMFT_REASON_PROTOCOL] = {
		"protocol", "what came is no frame that may come now" },
	[KVMFT_REASON_LIMIT] = {
		"limit", "a length or a count is beyond its limit" },
	[KVMFT_REASON_BAD_MAC] = {
		"bad-mac", "a frame was changed on the way" },
	[KVMFT_REASON_SEQUENCE] = {
		"sequence", "a frame is missing, repeated or out of order" },
	[KVMFT_REASON_SLOW] = {
		"slow", "the other end didn't prove itself in time" },
	[KVMFT_REASON_CROWDED] = {
		"crowded", "too many connections that haven't proved themselves" },
	[KVMFT_REASON_STUCK] = {
		"stuck", "the peer doesn't read what it is sent" },
	[KVMFT_REASON_MEMORY] = { "memory", "there is no memory for it" },
	[KVMFT_REASON_LOCAL] = { "local", "something failed on this host" },
	[KVMFT_REASON_NO_VM] = { "no-vm", "there is no such guest" },
	[KVMFT_REASON_TOO_BIG] = {
		"too-big", "the epoch is larger than what may be staged" },
	[KVMFT_REASON_MISMATCH] = {
		"mismatch", "what was staged isn't what COMMIT names" },
	[KVMFT_REASON_NOT_BEGUN] = {
		"not-begun", "the epoch was never begun" },
	[KVMFT_REASON_STALE] = {
		"stale", "the epoch isn't newer than what is committed" },
	[KVMFT_REASON_GONE] = {
		"gone", "the guest's other end is being removed" },
	[KVMFT_REASON_CONFIG] = { "config", "the two guests aren't alike" },
	[KVMFT_REASON_LAYOUT] = {
		"layout", "the guest's memory isn't where it was" },
	[KVMFT_REASON_STATE] = {
		"state", "the guest's state can't be saved or restored" },
	[KVMFT_REASON_VMM] = {
		"vmm", "the VMM doesn't do what it must" },
	[KVMFT_REASON_VMM_GONE] = { "vmm-gone", "the VMM has ended" },
	[KVMFT_REASON_NOT_CONVERGING] = {
		"not-converging",
		"the guest writes faster than its memory can be copied" },
	[KVMFT_REASON_SUPERSEDED] = {
		"superseded", "the other host has a later generation of the guest" },
	[KVMFT_REASON_RIVAL] = {
		"rival", "the guest ran on both hosts, in the same generation" },
	[KVMFT_REASON_SWITCHED] = {
		"switched", "the two hosts exchange their roles" },
	[KVMFT_REASON_SHUTDOWN] = { "shutdown", "the guest was shut down" },
};

static_assert(ARRAY_SIZE(reasons) == KVMFT_REASON_MAX + 1);

/**
 * kvmft_reason_name() - what a reason is called
 * @reason: any number, a peer's too
 *
 * Return: one word
 */
const char *kvmft_reason_name(u32 reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].name : "unknown";
}

/**
 * kvmft_reason_text() - what a reason means
 * @reason: any number, a peer's too
 *
 * Return: a clause
 */
const char *kvmft_reason_text(u32 reason)
{
	return reason < ARRAY_SIZE(reasons) ? reasons[reason].text :
		"a reason that this version doesn't know";
}

/**
 * kvmft_reason_of() - the reason that an errno of a socket stands for
 * @err: negative errno
 *
 * Return: &enum kvmft_reason
 */
u32 kvmft_reason_of(int err)
{
	switch (err) {
	case -ECONNREFUSED:
		return KVMFT_REASON_NOBODY;
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -ENETDOWN:
	case -EHOSTDOWN:
	case -EADDRNOTAVAIL:
	case -ENODEV:
		return KVMFT_REASON_UNREACHABLE;
	case -ETIMEDOUT:
		return KVMFT_REASON_TIMEOUT;
	case -ECONNRESET:
	case -ECONNABORTED:
	case -EPIPE:
		return KVMFT_REASON_CLOSED;
	case -ENOMEM:
	case -ENOBUFS:
		return KVMFT_REASON_MEMORY;
	default:
		return KVMFT_REASON_LOCAL;
	}
}

/**
 * kvmft_judge() - give a verdict, unless there is one already
 * @verdict: where to
 * @reason: why
 */
void kvmft_judge(struct kvmft_verdict *verdict, u32 reason)
{
	if (verdict->reason)
		return;
	verdict->reason = reason;
	strscpy(verdict->text, kvmft_reason_text(reason), sizeof(verdict->text));
}

/**
 * kvmft_judge_saying() - give a verdict with details, unless there is one already
 * @verdict: where to
 * @reason: why
 * @format: what to add to the reason's own text, as for printf()
 */
void kvmft_judge_saying(struct kvmft_verdict *verdict, u32 reason,
			const char *format, ...)
{
	va_list args;
	int len;

	if (verdict->reason)
		return;

	verdict->reason = reason;
	len = scnprintf(verdict->text, sizeof(verdict->text), "%s: ",
			kvmft_reason_text(reason));
	va_start(args, format);
	vscnprintf(verdict->text + len, sizeof(verdict->text) - len, format, args);
	va_end(args);
}

/**
 * kvmft_judge_quoting() - give the verdict that a peer gave, unless there is one
 * @verdict: where to
 * @reason: why; KVMFT_REASON_BYE stands for what isn't known here
 * @words: the peer's words, fit to be shown
 */
void kvmft_judge_quoting(struct kvmft_verdict *verdict, u32 reason, const char *words)
{
	if (verdict->reason)
		return;

	if (!*words)
		words = kvmft_reason_text(reason);
	if (reason <= KVMFT_REASON_MAX) {
		verdict->reason = reason;
		snprintf(verdict->text, sizeof(verdict->text),
			 "the peer says: %s", words);
	} else {
		verdict->reason = KVMFT_REASON_BYE;
		snprintf(verdict->text, sizeof(verdict->text),
			 "the peer says, as reason %u: %s", reason, words);
	}
}
