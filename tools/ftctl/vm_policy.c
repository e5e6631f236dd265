// SPDX-License-Identifier: GPL-2.0
#include <libmnl/libmnl.h>
#include <linux/kvmft.h>
#include <string.h>

#include "size.h"
#include "vm_policy.h"

/* Less than that for a copy, in bytes a second, is a mistake. */
#define VM_RATE_LEAST (64 << 10)

/**
 * struct choice - one of the words that may stand behind a keyword
 * @word: The word; NULL ends a list.
 * @number: What it is for the module.
 */
struct choice {
	const char *word;
	uint32_t number;
};

static enum exit_status parse(const struct command *command, const char *keyword,
			      const char *value, const struct choice *choices,
			      const char *all, uint32_t *number)
{
	if (*number)
		return wrong_usage(command, "'%s' is there twice", keyword);
	for (; choices->word; choices++) {
		if (!strcmp(value, choices->word)) {
			*number = choices->number;
			return EXIT_OK;
		}
	}
	return wrong_usage(command, "'%s' is none of %s", value, all);
}

/**
 * vm_mode_parse() - read what stands behind "mode"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @mode: gets &enum kvmft_vm_mode; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_mode_parse(const struct command *command, const char *value,
			       uint32_t *mode)
{
	static const struct choice modes[] = {
		{ "sync", KVMFT_VM_SYNC }, { "async", KVMFT_VM_ASYNC }, { NULL, 0 },
	};

	return parse(command, "mode", value, modes, "sync, async", mode);
}

/**
 * vm_promote_parse() - read what stands behind "promote"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @promote: gets &enum kvmft_vm_promote; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_promote_parse(const struct command *command, const char *value,
				  uint32_t *promote)
{
	static const struct choice ways[] = {
		{ "auto", KVMFT_VM_AUTO }, { "manual", KVMFT_VM_MANUAL },
		{ "ask", KVMFT_VM_ASK }, { NULL, 0 },
	};

	return parse(command, "promote", value, ways, "auto, manual, ask", promote);
}

/**
 * vm_loss_parse() - read what stands behind "loss"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @loss: gets &enum kvmft_vm_loss; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_loss_parse(const struct command *command, const char *value,
			       uint32_t *loss)
{
	static const struct choice ways[] = {
		{ "hold", KVMFT_VM_LOSS_HOLD }, { "solo", KVMFT_VM_LOSS_SOLO },
		{ "ask", KVMFT_VM_LOSS_ASK }, { NULL, 0 },
	};

	return parse(command, "loss", value, ways, "hold, solo, ask", loss);
}

/**
 * vm_fencing_parse() - read what stands behind "fencing"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @fencing: gets &enum kvmft_vm_fencing; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_fencing_parse(const struct command *command, const char *value,
				  uint32_t *fencing)
{
	static const struct choice ways[] = {
		{ "none", KVMFT_VM_FENCING_NONE }, { "required", KVMFT_VM_FENCING_REQUIRED },
		{ NULL, 0 },
	};

	return parse(command, "fencing", value, ways, "none, required", fencing);
}

/**
 * vm_compress_parse() - read what stands behind "compress"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed
 * @compress: gets &enum kvmft_vm_compress; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_compress_parse(const struct command *command, const char *value,
				   uint32_t *compress)
{
	static const struct choice ways[] = {
		{ "none", KVMFT_VM_COMPRESS_NONE }, { "lz4", KVMFT_VM_COMPRESS_LZ4 },
		{ NULL, 0 },
	};

	return parse(command, "compress", value, ways, "none, lz4", compress);
}

/**
 * vm_rate_parse() - read what stands behind "rate"
 * @command: whose usage to show if it makes no sense
 * @value: what the operator typed: bytes in a second, or "none"
 * @rate: gets it, VM_RATE_NONE for no limit; 0 before, unless it was said already
 *
 * Return: EXIT_OK, or EXIT_USAGE after a complaint
 */
enum exit_status vm_rate_parse(const struct command *command, const char *value,
			       uint64_t *rate)
{
	const char *wrong;

	if (*rate)
		return wrong_usage(command, "'rate' is there twice");
	*rate = VM_RATE_NONE;
	if (!strcmp(value, "none"))
		return EXIT_OK;
	wrong = size_parse(value, rate);
	if (!wrong && *rate < VM_RATE_LEAST)
		wrong = "a copy would take for ever; 64K is the least";
	if (wrong)
		return wrong_usage(command, "rate '%s': %s", value, wrong);
	return EXIT_OK;
}

/**
 * vm_rate_put() - add that to a request
 * @request: the request
 * @rate: what vm_rate_parse() gave, 0 to add nothing
 */
void vm_rate_put(struct nlmsghdr *request, uint64_t rate)
{
	if (rate)
		mnl_attr_put_u64(request, KVMFT_A_VM_RATE, rate == VM_RATE_NONE ? 0 : rate);
}
