// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ftctl.h"
#include "msrs.h"

/* KVM has no more entries for a vcpu. */
#define CPUID_MAX 256

#define MSR_TSC 0x10
#define MSR_DEBUGCTL 0x1d9
#define MSR_MC0_CTL 0x400
#define MSRS_PER_BANK 4
#define MSR_MC0_CTL2 0x280

/* What a vcpu has beside KVM's own list; some of it newer kernels list. */
static const struct {
	uint32_t first, last;
} extras[] = {
	{ 0x8c, 0x8f },			/* SGX launch key */
	{ 0x122, 0x122 },		/* TSX_CTRL */
	{ 0x17a, 0x17b },		/* MCG_STATUS, MCG_CTL */
	{ 0x1a0, 0x1a0 },		/* MISC_ENABLE */
	{ MSR_DEBUGCTL, MSR_DEBUGCTL },
	{ 0x200, 0x20f },		/* MTRRs: variable ranges */
	{ 0x250, 0x250 },		/* MTRRs: fixed ranges */
	{ 0x258, 0x259 },
	{ 0x268, 0x26f },
	{ 0x277, 0x277 },		/* PAT */
	{ 0x2ff, 0x2ff },		/* MTRRs: default type */
	{ 0x4d0, 0x4d0 },		/* MCG_EXT_CTL */
	{ 0xda0, 0xda0 },		/* XSS */
	{ 0xc0010015, 0xc0010015 },	/* HWCR */
	{ 0xc0010114, 0xc0010114 },	/* VM_CR */
	{ 0xc0010140, 0xc0010141 },	/* OSVW */
	{ 0xc0011029, 0xc0011029 },	/* DE_CFG */
};

/**
 * struct trial - a guest of nobody, to try MSRs with
 * @kvm: /dev/kvm.
 * @vm: The VM.
 * @vcpu: Its vcpu, which never runs.
 */
struct trial {
	int kvm, vm, vcpu;
};

/* With errno when it fails. */
static bool set_cpuid(const struct trial *trial)
{
	struct kvm_cpuid2 *cpuid;
	bool ok;
	int err;

	cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	if (!cpuid)
		return false;

	cpuid->nent = CPUID_MAX;
	ok = !ioctl(trial->kvm, KVM_GET_SUPPORTED_CPUID, cpuid) &&
	     !ioctl(trial->vcpu, KVM_SET_CPUID2, cpuid);
	err = errno;
	free(cpuid);
	errno = err;
	return ok;
}

static bool begin_trial(struct trial *trial)
{
	*trial = (struct trial) { -1, -1, -1 };

	trial->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (trial->kvm == -1) {
		complain("can't open /dev/kvm: %s", strerror(errno));
		return false;
	}
	if (ioctl(trial->kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		complain("/dev/kvm isn't the KVM that ftctl was built for");
		return false;
	}

	trial->vm = ioctl(trial->kvm, KVM_CREATE_VM, 0);
	if (trial->vm != -1 && !ioctl(trial->vm, KVM_CREATE_IRQCHIP, 0))
		trial->vcpu = ioctl(trial->vm, KVM_CREATE_VCPU, 0);
	if (trial->vcpu == -1 || !set_cpuid(trial)) {
		complain("can't make a vcpu to find out which MSRs there are: %s",
			 strerror(errno));
		return false;
	}
	return true;
}

static void end_trial(const struct trial *trial)
{
	if (trial->vcpu != -1)
		close(trial->vcpu);
	if (trial->vm != -1)
		close(trial->vm);
	if (trial->kvm != -1)
		close(trial->kvm);
}

/* The list that KVM has, which the caller frees; NULL with errno. */
static struct kvm_msr_list *ask_for_list(const struct trial *trial)
{
	struct kvm_msr_list empty = { 0 }, *list;

	if (!ioctl(trial->kvm, KVM_GET_MSR_INDEX_LIST, &empty) ||
	    errno != E2BIG)
		return NULL;

	list = calloc(1, sizeof(*list) + empty.nmsrs * sizeof(list->indices[0]));
	if (!list)
		return NULL;

	list->nmsrs = empty.nmsrs;
	if (ioctl(trial->kvm, KVM_GET_MSR_INDEX_LIST, list)) {
		free(list);
		return NULL;
	}
	return list;
}

/* Whether it can be read, and written back. */
static bool works(const struct trial *trial, uint32_t number)
{
	union {
		struct kvm_msrs msrs;
		char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
	} one = { .msrs.nmsrs = 1 };

	one.msrs.entries[0].index = number;
	if (ioctl(trial->vcpu, KVM_GET_MSRS, &one) != 1)
		return false;
	/* Where KVM doesn't virtualize it, it takes a 0, but complains in the host's log. */
	if (number == MSR_DEBUGCTL && !one.msrs.entries[0].data)
		return true;
	return ioctl(trial->vcpu, KVM_SET_MSRS, &one) == 1;
}

static void try(const struct trial *trial, uint32_t number, struct msrs *msrs)
{
	unsigned int i;

	/* The TSC's offset is saved instead: a TSC that is set is guessed at. */
	if (number == MSR_TSC || msrs->len == MSRS_MAX)
		return;
	for (i = 0; i < msrs->len; i++) {
		if (msrs->numbers[i] == number)
			return;
	}

	if (works(trial, number))
		msrs->numbers[msrs->len++] = number;
}

/*
 * Those of each bank of machine checks. How many banks there may be KVM says as
 * the value of an extension; 0 or less is none.
 */
static void try_banks(const struct trial *trial, struct msrs *msrs)
{
	int banks = ioctl(trial->kvm, KVM_CHECK_EXTENSION, KVM_CAP_MCE);
	int bank, i;

	for (bank = 0; bank < banks; bank++) {
		for (i = 0; i < MSRS_PER_BANK; i++)
			try(trial, MSR_MC0_CTL + MSRS_PER_BANK * bank + i, msrs);
		try(trial, MSR_MC0_CTL2 + bank, msrs);
	}
}

static bool try_all(const struct trial *trial, struct msrs *msrs)
{
	struct kvm_msr_list *list = ask_for_list(trial);
	uint32_t number;
	size_t i;

	if (!list) {
		complain("can't get the list of MSRs from KVM: %s",
			 strerror(errno));
		return false;
	}

	for (i = 0; i < list->nmsrs; i++)
		try(trial, list->indices[i], msrs);
	free(list);

	for (i = 0; i < ARRAY_SIZE(extras); i++) {
		for (number = extras[i].first; number <= extras[i].last; number++)
			try(trial, number, msrs);
	}

	try_banks(trial, msrs);
	return true;
}

/**
 * msrs_find() - find out which MSRs belong to the state of a vcpu
 * @msrs: gets them
 *
 * Return: true, or false after a complaint
 */
bool msrs_find(struct msrs *msrs)
{
	struct trial trial;
	bool ok;

	msrs->len = 0;
	ok = begin_trial(&trial) && try_all(&trial, msrs);
	end_trial(&trial);
	return ok;
}
