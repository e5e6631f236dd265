// SPDX-License-Identifier: GPL-2.0
#include "trouble.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vcpu.h"

static void for_kvm(void (*act)(int fd))
{
	unsigned int i;

	act(vmm.kvm);
	act(vmm.vm);
	for (i = 0; i < vmm.options.vcpus; i++)
		act(vmm.vcpus[i].fd);
}

static void shut(int fd)
{
	close(fd);
}

/* What is mapped of a vcpu keeps it as well as a descriptor does. */
static void unmap_vcpus(void)
{
	int size = ioctl(vmm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int i;

	for (i = 0; i < vmm.options.vcpus; i++)
		munmap(vmm.vcpus[i].run, size);
}

static void keep_open(int fd)
{
	fcntl(fd, F_SETFD, 0);
}

/* KVM_CREATE_VM and KVM_CREATE_VCPU set it by themselves; whatever else there is, too. */
static void close_at_exec(int fd)
{
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

pid_t trouble_fork(bool hook_only)
{
	pid_t child = fork();

	if (child)
		return child;
	/* Only what is safe after a fork of several threads. Whoever ends VMMs leaves it. */
	prctl(PR_SET_NAME, "flatchild");
	if (hook_only) {
		unmap_vcpus();
		for_kvm(shut);
	}
	for (;;)
		pause();
}

void trouble_exec(bool keep)
{
	for_kvm(keep ? keep_open : close_at_exec);
	if (vmm.ft >= 0)
		(keep ? keep_open : close_at_exec)(vmm.ft);
	execl("/bin/sleep", "sleep", "infinity", NULL);
	die("exec");
}
