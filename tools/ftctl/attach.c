// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <linux/kvmft.h>
#include <stdlib.h>
#include <string.h>

#include "genl.h"
#include "msrs.h"
#include "name.h"
#include "size.h"
#include "vm_policy.h"
#include "vm_wait.h"
#include "vmm.h"

/**
 * struct new_vm - what the operator wants to attach
 * @name: What both hosts call the guest.
 * @pair: The pair's name, NULL if it wasn't said.
 * @pid: The VMM, 0 if it wasn't said.
 * @vm: The VM's descriptor there, VMM_ONLY_VM if it wasn't said.
 * @role: &enum kvmft_vm_role, 0 if it wasn't said.
 * @mode: &enum kvmft_vm_mode, 0 if it wasn't said.
 * @promote: &enum kvmft_vm_promote, 0 if it wasn't said.
 * @loss: &enum kvmft_vm_loss, 0 if it wasn't said.
 * @fencing: &enum kvmft_vm_fencing, 0 if it wasn't said.
 * @compress: &enum kvmft_vm_compress, 0 if it wasn't said.
 * @rate: See vm_rate_parse(), 0 if it wasn't said.
 * @ceiling: In bytes, 0 if it wasn't said.
 * @converge: To stop the guest if its memory can't be copied otherwise.
 * @wait: To wait until it is protected.
 */
struct new_vm {
	const char *name;
	const char *pair;
	uint32_t pid;
	int vm;
	uint32_t role;
	uint32_t mode;
	uint32_t promote;
	uint32_t loss;
	uint32_t fencing;
	uint32_t compress;
	uint64_t rate;
	uint64_t ceiling;
	bool converge;
	bool wait;
};

static enum exit_status said_twice(const char *keyword)
{
	return wrong_usage(&attach_command, "'%s' is there twice", keyword);
}

static enum exit_status parse_pair(const char *value, struct new_vm *vm)
{
	if (vm->pair)
		return said_twice("pair");
	vm->pair = value;
	return name_check_pair(&attach_command, value);
}

static enum exit_status parse_number(const char *keyword, const char *value,
				     int min, int *number)
{
	char *end;
	long read;

	errno = 0;
	read = strtol(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || read < min ||
	    read > INT_MAX)
		return wrong_usage(&attach_command, "%s '%s': that is no number of a %s",
				   keyword, value,
				   min ? "process" : "descriptor");
	*number = read;
	return EXIT_OK;
}

static enum exit_status parse_pid(const char *value, struct new_vm *vm)
{
	enum exit_status status;
	int pid = 0;

	if (vm->pid)
		return said_twice("pid");
	status = parse_number("pid", value, 1, &pid);
	vm->pid = pid;
	return status;
}

static enum exit_status parse_vm(const char *value, struct new_vm *vm)
{
	if (vm->vm != VMM_ONLY_VM)
		return said_twice("vm");
	return parse_number("vm", value, 0, &vm->vm);
}

static enum exit_status parse_role(const char *value, struct new_vm *vm)
{
	if (vm->role)
		return said_twice("role");
	if (!strcmp(value, "primary"))
		vm->role = KVMFT_VM_PRIMARY;
	else if (!strcmp(value, "standby"))
		vm->role = KVMFT_VM_STANDBY;
	else
		return wrong_usage(&attach_command,
				   "'%s' is neither 'primary' nor 'standby'",
				   value);
	return EXIT_OK;
}

static enum exit_status parse_mode(const char *value, struct new_vm *vm)
{
	return vm_mode_parse(&attach_command, value, &vm->mode);
}

static enum exit_status parse_promote(const char *value, struct new_vm *vm)
{
	return vm_promote_parse(&attach_command, value, &vm->promote);
}

static enum exit_status parse_loss(const char *value, struct new_vm *vm)
{
	return vm_loss_parse(&attach_command, value, &vm->loss);
}

static enum exit_status parse_fencing(const char *value, struct new_vm *vm)
{
	return vm_fencing_parse(&attach_command, value, &vm->fencing);
}

static enum exit_status parse_compress(const char *value, struct new_vm *vm)
{
	return vm_compress_parse(&attach_command, value, &vm->compress);
}

static enum exit_status parse_rate(const char *value, struct new_vm *vm)
{
	return vm_rate_parse(&attach_command, value, &vm->rate);
}

static enum exit_status parse_ceiling(const char *value, struct new_vm *vm)
{
	const char *wrong;

	if (vm->ceiling)
		return said_twice("ceiling");
	wrong = size_parse(value, &vm->ceiling);
	if (!wrong && !vm->ceiling)
		wrong = "nothing could be staged";
	if (wrong)
		return wrong_usage(&attach_command, "ceiling '%s': %s", value,
				   wrong);
	return EXIT_OK;
}

/* A keyword with a value behind it. */
static enum exit_status parse_keyword(const char *keyword, const char *value,
				      struct new_vm *vm)
{
	static const struct {
		const char *keyword;
		enum exit_status (*parse)(const char *value, struct new_vm *vm);
	} keywords[] = {
		{ "pair", parse_pair },
		{ "pid", parse_pid },
		{ "vm", parse_vm },
		{ "role", parse_role },
		{ "mode", parse_mode },
		{ "promote", parse_promote },
		{ "loss", parse_loss },
		{ "fencing", parse_fencing },
		{ "rate", parse_rate },
		{ "compress", parse_compress },
		{ "ceiling", parse_ceiling },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keywords); i++) {
		if (strcmp(keyword, keywords[i].keyword))
			continue;
		if (!value)
			return wrong_usage(&attach_command,
					   "what belongs behind '%s' is missing",
					   keyword);
		return keywords[i].parse(value, vm);
	}
	return wrong_usage(&attach_command, "'%s' is too much", keyword);
}

static enum exit_status parse_new_vm(int argc, char **argv, struct new_vm *vm)
{
	enum exit_status status = name_first_vm(&attach_command, argc, argv);
	int i;

	if (status)
		return status;
	vm->name = argv[1];

	for (i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "converge")) {
			vm->converge = true;
		} else if (!strcmp(argv[i], "--wait")) {
			vm->wait = true;
		} else {
			status = parse_keyword(argv[i], argv[i + 1], vm);
			if (status)
				return status;
			i++;
		}
	}

	if (!vm->pair)
		return wrong_usage(&attach_command, "'pair' is missing");
	if (!vm->pid)
		return wrong_usage(&attach_command, "'pid' is missing");
	return EXIT_OK;
}

static bool request_vm(struct genl *genl, const struct new_vm *vm,
		       const struct vmm *vmm, const struct msrs *msrs)
{
	struct nlmsghdr *request = genl_begin(genl, KVMFT_CMD_VM_ATTACH);

	mnl_attr_put_strz(request, KVMFT_A_VM_NAME, vm->name);
	mnl_attr_put_strz(request, KVMFT_A_VM_PAIR, vm->pair);
	mnl_attr_put_u32(request, KVMFT_A_VM_ROLE,
			 vm->role ? vm->role : KVMFT_VM_PRIMARY);
	mnl_attr_put_u32(request, KVMFT_A_VM_PID, vm->pid);
	mnl_attr_put_u32(request, KVMFT_A_VM_FD, vmm->vm);
	mnl_attr_put(request, KVMFT_A_VM_VCPU_FDS,
		     vmm->vcpus_len * sizeof(vmm->vcpus[0]), vmm->vcpus);
	mnl_attr_put(request, KVMFT_A_VM_MSRS,
		     msrs->len * sizeof(msrs->numbers[0]), msrs->numbers);
	if (vm->mode)
		mnl_attr_put_u32(request, KVMFT_A_VM_MODE, vm->mode);
	if (vm->promote)
		mnl_attr_put_u32(request, KVMFT_A_VM_PROMOTE, vm->promote);
	if (vm->loss)
		mnl_attr_put_u32(request, KVMFT_A_VM_LOSS, vm->loss);
	if (vm->fencing)
		mnl_attr_put_u32(request, KVMFT_A_VM_FENCING, vm->fencing);
	if (vm->compress)
		mnl_attr_put_u32(request, KVMFT_A_VM_COMPRESS, vm->compress);
	vm_rate_put(request, vm->rate);
	if (vm->ceiling)
		mnl_attr_put_u64(request, KVMFT_A_VM_CEILING, vm->ceiling);
	if (vm->converge)
		mnl_attr_put(request, KVMFT_A_VM_CONVERGE, 0, NULL);

	return genl_request(genl, request, NULL, NULL);
}

static bool attach(struct genl *genl, const struct new_vm *vm)
{
	struct msrs msrs;
	struct vmm vmm;
	bool ok;

	if (!vmm_open(&vmm, vm->pid, vm->vm))
		return false;
	ok = msrs_find(&msrs) && request_vm(genl, vm, &vmm, &msrs);
	vmm_close(&vmm);
	return ok;
}

static enum exit_status attach_run(const struct options *options, int argc,
				   char **argv)
{
	struct new_vm vm = { .vm = VMM_ONLY_VM };
	enum exit_status status;
	struct genl *genl;

	status = parse_new_vm(argc, argv, &vm);
	if (status)
		return status;

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	if (!attach(genl, &vm))
		status = EXIT_FAILED;
	else if (vm.wait)
		status = vm_wait(options, genl, vm.name);
	genl_close(genl);
	return status;
}

const struct command attach_command = {
	.name = "attach",
	.arguments =
		"NAME pair PAIR pid PID [vm FD] [role primary|standby] [mode sync|async] [promote auto|manual|ask] [loss hold|solo|ask] [fencing none|required] [rate SIZE|none] [compress none|lz4] [ceiling SIZE] [converge] [--wait]",
	.summary = "protect a guest, or make one the standby",
	.details =
		"Attaches the VM of the process PID as the guest NAME, which both hosts call\n"
		"the same: with \"role primary\", which needn't be said, it is the one that runs,\n"
		"with \"role standby\" the one that waits to take over. PAIR leads to the other\n"
		"host. Either may be attached first.\n"
		"\n"
		"FD is the number that the VM's descriptor has in the process, if that has\n"
		"several VMs. In mode sync, as it is if not said, the guest stands still until\n"
		"the standby has its state, in mode async only its output waits. A standby\n"
		"holds up to SIZE, like 512M or 2G, of an epoch that isn't complete. With\n"
		"converge, a guest that writes faster than its memory can be copied is stopped\n"
		"for the rest of the copy. With \"compress lz4\" a primary sends pages compressed\n"
		"where that makes them smaller; its standby needs no setting for that.\n"
		"\n"
		"When its primary is lost a standby takes over after the pair's time-out, with\n"
		"\"promote manual\" when it is told to, with \"promote ask\" the same and tells of it;\n"
		"mode is then how it protects the guest when it has a standby itself.\n"
		"When its standby is lost a primary is held, with \"loss ask\" the same and tells of\n"
		"it, with \"loss solo\" it goes on alone as soon as the other host is fenced. With\n"
		"\"fencing required\" neither goes on without the other one before \"ftctl agent\" has\n"
		"fenced that; \"loss solo\" takes it.\n"
		"\n"
		"With --wait it ends only when the guest is protected, or can't be. It needs the\n"
		"capabilities CAP_NET_ADMIN and CAP_SYS_PTRACE, and access to /dev/kvm.\n",
	.run = attach_run,
};
