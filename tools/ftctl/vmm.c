// SPDX-License-Identifier: GPL-2.0
#include <dirent.h>
#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ftctl.h"
#include "vmm.h"

/* Enough to name those that there are; one is wanted. */
#define VMS_MAX 64

/* What such a link of /proc/PID/fd/ says. */
#define VM_LINK "anon_inode:kvm-vm"
#define VCPU_LINK "anon_inode:kvm-vcpu:"

/**
 * struct process - where descriptors are taken from
 * @pid: The process.
 * @pidfd: The same, for sure: the number may be given to another one.
 * @vms_len: Number of VMs found.
 * @vms: Their descriptors there.
 * @copies: The same here.
 */
struct process {
	pid_t pid;
	int pidfd;
	unsigned int vms_len;
	int vms[VMS_MAX];
	int copies[VMS_MAX];
};

static void complain_about_access(const struct process *process, int err)
{
	if (err == EPERM || err == EACCES)
		complain("no access to the descriptors of process %d; that takes CAP_SYS_PTRACE",
			 process->pid);
	else if (err == ESRCH || err == ENOENT)
		complain("there is no process %d", process->pid);
	else
		complain("can't look at the descriptors of process %d: %s",
			 process->pid, strerror(err));
}

/* -1 when it was closed meanwhile, -2 after a complaint. */
static int duplicate(const struct process *process, int fd)
{
	int copy = pidfd_getfd(process->pidfd, fd, 0);

	if (copy != -1)
		return copy;
	if (errno == EBADF)
		return -1;
	complain_about_access(process, errno);
	return -2;
}

/* Whether it is one of the VMs that were found, by another number. */
static bool is_known(const struct process *process, int copy)
{
	unsigned int i;

	for (i = 0; i < process->vms_len; i++) {
		if (!syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE,
			     process->copies[i], copy))
			return true;
	}
	return false;
}

/* @wanted is the descriptor that the operator named, VMM_ONLY_VM if none. */
static bool add_vm(struct process *process, int fd, int wanted)
{
	int copy = duplicate(process, fd);

	if (copy < 0)
		return copy == -1;
	if (process->vms_len == VMS_MAX ||
	    (fd != wanted && is_known(process, copy))) {
		close(copy);
		return true;
	}

	process->vms[process->vms_len] = fd;
	process->copies[process->vms_len++] = copy;
	return true;
}

static bool add_vcpu(const struct process *process, int fd, struct vmm *vmm)
{
	int copy = duplicate(process, fd);

	if (copy < 0)
		return copy == -1;
	if (vmm->vcpus_len == VMM_VCPUS_MAX) {
		complain("process %d has more than %d vcpus", process->pid,
			 VMM_VCPUS_MAX);
		close(copy);
		return false;
	}

	vmm->vcpus[vmm->vcpus_len++] = copy;
	return true;
}

static bool look_at(struct process *process, DIR *directory, const char *name,
		    int wanted, struct vmm *vmm)
{
	char link[64];
	ssize_t len;

	/* One that was closed meanwhile, or is none, has no link. */
	len = readlinkat(dirfd(directory), name, link, sizeof(link) - 1);
	if (len == -1) {
		if (errno == ENOENT || errno == EINVAL)
			return true;
		complain_about_access(process, errno);
		return false;
	}
	link[len] = '\0';

	if (!strcmp(link, VM_LINK))
		return add_vm(process, atoi(name), wanted);
	if (!strncmp(link, VCPU_LINK, strlen(VCPU_LINK)))
		return add_vcpu(process, atoi(name), vmm);
	return true;
}

static bool look_at_all(struct process *process, int wanted, struct vmm *vmm)
{
	const struct dirent *entry;
	bool ok = true;
	char path[64];
	DIR *directory;

	snprintf(path, sizeof(path), "/proc/%d/fd", process->pid);
	directory = opendir(path);
	if (!directory) {
		complain_about_access(process, errno);
		return false;
	}

	while (ok) {
		errno = 0;
		entry = readdir(directory);
		if (!entry)
			break;
		ok = look_at(process, directory, entry->d_name, wanted, vmm);
	}
	if (ok && errno) {
		complain_about_access(process, errno);
		ok = false;
	}
	closedir(directory);
	return ok;
}

/* The numbers of the VMs, as "11, 15". */
static const char *list_vms(const struct process *process, char *text, size_t size)
{
	unsigned int i;
	size_t len = 0;

	text[0] = '\0';
	for (i = 0; i < process->vms_len && len < size; i++)
		len += snprintf(text + len, size - len, "%s%d", i ? ", " : "",
				process->vms[i]);
	return text;
}

/* Which of the VMs found is meant; -1 after a complaint. */
static int choose(const struct process *process, int wanted)
{
	char list[12 * VMS_MAX + 1];
	unsigned int i;

	if (!process->vms_len) {
		complain("process %d has no VM; is it a VMM?", process->pid);
		return -1;
	}
	list_vms(process, list, sizeof(list));

	if (wanted == VMM_ONLY_VM) {
		if (process->vms_len == 1)
			return 0;
		complain("process %d has several VMs, its descriptors %s; say which, like: vm %d",
			 process->pid, list, process->vms[0]);
		return -1;
	}

	for (i = 0; i < process->vms_len; i++) {
		if (process->vms[i] == wanted)
			return i;
	}
	complain("descriptor %d of process %d is no VM; descriptors that are: %s",
		 wanted, process->pid, list);
	return -1;
}

static bool take_vm(struct process *process, int wanted, struct vmm *vmm)
{
	int chosen = choose(process, wanted);

	if (chosen == -1)
		return false;
	if (!vmm->vcpus_len) {
		complain("process %d has no vcpus yet; attach it when it has made them",
			 process->pid);
		return false;
	}

	vmm->vm = process->copies[chosen];
	process->copies[chosen] = -1;
	return true;
}

static bool open_process(struct process *process)
{
	process->pidfd = pidfd_open(process->pid, 0);
	if (process->pidfd != -1)
		return true;

	/* Only the first thread's number is that of its process. */
	if (errno == EINVAL)
		complain("%d is no process but a thread of one", process->pid);
	else
		complain_about_access(process, errno);
	return false;
}

/**
 * vmm_open() - duplicate the descriptors of a VM and of its vcpus
 * @vmm: gets them
 * @pid: the process that has them
 * @vm: the number that the VM's has there; VMM_ONLY_VM if that goes without saying
 *
 * Which vcpu belongs to which VM nobody but KVM knows: of a process with several VMs
 * all vcpus are duplicated.
 *
 * Return: true, then vmm_close() is to be called; false after a complaint
 */
bool vmm_open(struct vmm *vmm, pid_t pid, int vm)
{
	struct process process = { .pid = pid };
	unsigned int i;
	bool ok;

	vmm->vm = -1;
	vmm->vcpus_len = 0;
	if (!open_process(&process))
		return false;

	ok = look_at_all(&process, vm, vmm) && take_vm(&process, vm, vmm);

	for (i = 0; i < process.vms_len; i++) {
		if (process.copies[i] != -1)
			close(process.copies[i]);
	}
	close(process.pidfd);
	if (!ok)
		vmm_close(vmm);
	return ok;
}

/**
 * vmm_close() - close what vmm_open() opened
 * @vmm: the descriptors
 */
void vmm_close(struct vmm *vmm)
{
	if (vmm->vm != -1)
		close(vmm->vm);
	vmm->vm = -1;
	while (vmm->vcpus_len)
		close(vmm->vcpus[--vmm->vcpus_len]);
}
