// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host
 *
 * /dev/kvmft in the hands of a VMM that doesn't know what it does: what can't be meant
 * is refused with the errno that uapi.rst names, and leaves all as it was.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "child.h"
#include "kselftest_harness.h"
#include "vmm.h"

FIXTURE(vm_device)
{
	struct guest guest;
	struct kvmft_bind bind;
};

/* For what is done in a child. */
static struct guest *theirs;

FIXTURE_SETUP(vm_device)
{
	struct recipe recipe = { .vcpus = 2 };

	ASSERT_EQ(0, make_guest(&self->guest, &recipe));
	self->guest.ft = open("/dev/kvmft", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->guest.ft);
	self->bind = bind_of(&self->guest);
	theirs = &self->guest;
}

FIXTURE_TEARDOWN(vm_device)
{
	/* The end of the test's process is the end of the VMM. */
}

/* 0, or the errno of binding like this. */
static int bind_with(int ft, struct kvmft_bind bind)
{
	return ioctl(ft, KVMFT_BIND, &bind) ? errno : 0;
}

static int bind_guests_vm(const struct guest *guest, int vm)
{
	struct kvmft_bind bind = bind_of(guest);

	bind.vm_fd = vm;
	return bind_with(guest->ft, bind);
}

TEST_F(vm_device, refuses_to_bind_what_cannot_be)
{
	struct kvmft_bind wrong[] = {
		[0 ... 13] = self->bind,
	};
	unsigned int i;

	wrong[0].size = 0;
	wrong[1].size = sizeof(self->bind) - 8;
	wrong[2].size = sizeof(self->bind) + 8;
	wrong[3].flags = 4;
	wrong[4].flags = ~0U;
	wrong[5].vcpus = 0;
	wrong[6].vcpus = KVMFT_VCPUS_MAX + 1;
	wrong[7].vcpus = ~0U;
	wrong[8].gpa_end = 0;
	wrong[9].gpa_end = GUEST_MEMORY + 1;
	wrong[10].gpa_end = KVMFT_GPA_MAX + GUEST_PAGE;
	wrong[11].gpa_end = ~(GUEST_PAGE - 1);
	wrong[12].state_max = KVMFT_STATE_MAX + 1;
	wrong[13].state_max = ~0ULL;
	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_EQ(EINVAL, bind_with(self->guest.ft, wrong[i]))
			TH_LOG("number %u", i);
	EXPECT_EQ(0, bind_with(self->guest.ft, self->bind));
}

TEST_F(vm_device, binds_the_largest_that_may_be)
{
	self->bind.vcpus = KVMFT_VCPUS_MAX;
	self->bind.state_max = KVMFT_STATE_MAX;
	self->bind.gpa_end = KVMFT_GPA_MAX;
	ASSERT_EQ(0, ioctl(self->guest.ft, KVMFT_BIND, &self->bind));
	EXPECT_LT(KVMFT_STATE_MAX, self->bind.area_size);
	self->guest.area_size = self->bind.area_size;
	ASSERT_EQ(0, map_guest(&self->guest));
	EXPECT_EQ(self->bind.area_size, self->guest.area->size);
	EXPECT_EQ(KVMFT_STATE_MAX, self->guest.area->state_max);
}

TEST_F(vm_device, binds_nothing_but_a_vm)
{
	int null = open("/dev/null", O_RDWR);
	int closed = dup(null);
	int wrong[] = {
		-1, closed, null, self->guest.kvm, self->guest.ft, self->guest.vcpus[0],
		ioctl(self->guest.vm, KVM_GET_STATS_FD, 0),
		ioctl(self->guest.vcpus[0], KVM_GET_STATS_FD, 0),
		eventfd(0, 0), 1 << 30, INT32_MIN,
	};
	const int *fd;

	close(closed);
	for (fd = wrong; fd < wrong + ARRAY_SIZE(wrong); fd++)
		EXPECT_EQ(EBADF, bind_guests_vm(&self->guest, *fd))
			TH_LOG("number %ld", fd - wrong);
}

TEST_F(vm_device, binds_only_once)
{
	int second = open("/dev/kvmft", O_RDWR);
	struct recipe recipe = { 0 };
	struct guest other;

	ASSERT_EQ(0, make_guest(&other, &recipe));
	ASSERT_EQ(0, bind_with(self->guest.ft, self->bind));
	EXPECT_EQ(EBUSY, bind_with(self->guest.ft, self->bind));
	EXPECT_EQ(EBUSY, bind_guests_vm(&self->guest, other.vm));
	EXPECT_EQ(EBUSY, bind_with(second, self->bind));
	close(self->guest.ft);
	EXPECT_EQ(0, bind_with(second, self->bind));
}

TEST_F(vm_device, is_bound_to_nothing_without_an_answer)
{
	long page = GUEST_PAGE;
	struct kvmft_bind *bind = mmap(NULL, page, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_BIND, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_BIND, (void *)(1UL << 63)));
	EXPECT_EQ(EFAULT, errno);
	*bind = self->bind;
	ASSERT_EQ(0, mprotect(bind, page, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_BIND, bind));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, bind_with(self->guest.ft, self->bind));
}

static int bind_as_child(void)
{
	return bind_with(theirs->ft, bind_of(theirs));
}

/* A child makes a VM, and this process gets its descriptor. */
static int vm_of_another(void)
{
	int sockets[2], fd = -1;
	char control[CMSG_SPACE(sizeof(fd))] = { 0 }, c = '!';
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		return -1;
	pid = fork();
	if (!pid) {
		fd = ioctl(theirs->kvm, KVM_CREATE_VM, 0);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
		_exit(sendmsg(sockets[0], &message, 0) != 1);
	}
	if (recvmsg(sockets[1], &message, 0) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	waitpid(pid, NULL, 0);
	return fd;
}

TEST_F(vm_device, binds_no_vm_of_another_process)
{
	int fd = vm_of_another();

	EXPECT_EQ(EPERM, in_child(bind_as_child));
	ASSERT_LE(0, fd);
	EXPECT_EQ(EPERM, bind_guests_vm(&self->guest, fd));
	EXPECT_EQ(0, bind_with(self->guest.ft, self->bind));
}

TEST_F(vm_device, does_nothing_before_it_is_bound)
{
	struct kvmft_hook hook = { .size = sizeof(hook) };
	struct kvmft_wait wait = { .size = sizeof(wait) };
	struct pollfd poll_fd = { .fd = self->guest.ft, .events = POLLIN };

	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_HOOK, &hook));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_WAIT, &wait));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_WAIT_SENT, &wait));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, -1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_DEVICE, 0));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_EQ(POLLERR, poll_fd.revents);
}

FIXTURE(bound)
{
	struct guest guest;
};

FIXTURE_SETUP(bound)
{
	struct recipe recipe = { .vcpus = 2 };

	ASSERT_EQ(0, make_guest(&self->guest, &recipe));
	ASSERT_EQ(0, bind_guest(&self->guest));
	theirs = &self->guest;
}

FIXTURE_TEARDOWN(bound)
{
	/* As above. */
}

/* 0, or the errno of such a mapping, which is undone. */
static int map_like(const struct guest *guest, size_t size, int prot, int flags, off_t offset)
{
	void *area = mmap(NULL, size, prot, flags, guest->ft, offset);

	if (area == MAP_FAILED)
		return errno;
	munmap(area, size);
	return 0;
}

TEST_F(bound, maps_the_area_as_a_whole_and_shared)
{
	const struct guest *guest = &self->guest;
	size_t size = guest->area_size;
	int rw = PROT_READ | PROT_WRITE;

	EXPECT_EQ(EINVAL, map_like(guest, GUEST_PAGE, rw, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_like(guest, size - GUEST_PAGE, rw, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_like(guest, size + GUEST_PAGE, rw, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_like(guest, size, rw, MAP_SHARED, GUEST_PAGE));
	EXPECT_EQ(EINVAL, map_like(guest, size - GUEST_PAGE, rw, MAP_SHARED, GUEST_PAGE));
	EXPECT_EQ(EINVAL, map_like(guest, size, rw, MAP_SHARED, 1L << 50));
	EXPECT_EQ(EINVAL, map_like(guest, size, rw, MAP_PRIVATE, 0));
	EXPECT_EQ(EINVAL, map_like(guest, size, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_like(guest, size, PROT_NONE, MAP_SHARED, 0));
	EXPECT_EQ(0, map_like(guest, size, rw, MAP_SHARED, 0));
}

TEST_F(bound, maps_the_area_once)
{
	ASSERT_EQ(0, map_guest(&self->guest));
	EXPECT_EQ(MAP_FAILED, map_area(&self->guest, MAP_SHARED));
	EXPECT_EQ(EBUSY, errno);
	ASSERT_EQ(0, munmap(self->guest.area, self->guest.area_size));
	ASSERT_EQ(0, map_guest(&self->guest));
	EXPECT_EQ(self->guest.area_size, self->guest.area->size);
}

static int map_as_child(void)
{
	return map_like(theirs, theirs->area_size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

TEST_F(bound, maps_nothing_in_another_process)
{
	EXPECT_EQ(EPERM, in_child(map_as_child));
	EXPECT_EQ(0, map_guest(&self->guest));
}

TEST_F(bound, does_not_let_the_mapping_be_changed)
{
	char *area, *other, *hole;
	size_t size = self->guest.area_size;

	ASSERT_EQ(0, map_guest(&self->guest));
	area = (char *)self->guest.area;
	other = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, other);
	/* A part of it can be neither unmapped nor protected nor moved nor shared twice. */
	EXPECT_EQ(-1, munmap(area, GUEST_PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, munmap(area + size - GUEST_PAGE, GUEST_PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, mprotect(area, GUEST_PAGE, PROT_READ));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(area, size, size - GUEST_PAGE, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mremap(area, size, size + GUEST_PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(area, 0, size, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(area, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, other));
	hole = mmap(area, GUEST_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	EXPECT_EQ(MAP_FAILED, hole);
	/* After all that it is what it was. */
	EXPECT_EQ(size, self->guest.area->size);
	EXPECT_EQ(MAP_FAILED, map_area(&self->guest, MAP_SHARED));
	EXPECT_EQ(EBUSY, errno);
}

/* Not the parent's area: nothing of it is mapped there. */
static int touch_as_child(void)
{
	unsigned char there;

	return mincore(theirs->area, GUEST_PAGE, &there) ? errno : 0;
}

TEST_F(bound, does_not_give_the_mapping_to_children)
{
	ASSERT_EQ(0, map_guest(&self->guest));
	EXPECT_EQ(ENOMEM, in_child(touch_as_child));
}

TEST_F(bound, refuses_hooks_that_cannot_be_meant)
{
	struct kvmft_hook hook = { .size = sizeof(hook) };
	struct kvmft_hook wrong[] = { hook, hook, hook, hook };
	unsigned int i;

	wrong[0].size = 0;
	wrong[1].size = sizeof(hook) + 8;
	wrong[2].flags = KVMFT_HOOK_QUIET << 1;
	wrong[3].flags = ~0U;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		errno = 0;
		EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_HOOK, &wrong[i]));
		EXPECT_EQ(EINVAL, errno)
			TH_LOG("number %u", i);
	}
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_HOOK, NULL));
	EXPECT_EQ(EFAULT, errno);
	hook.action = ~0U;
	hook.ticket = ~0ULL;
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_HOOK, &hook));
	EXPECT_EQ(KVMFT_ACTION_RUN, hook.action);
	EXPECT_EQ(0, hook.ticket);
}

TEST_F(bound, refuses_waits_that_cannot_be_meant)
{
	unsigned long waits[] = { KVMFT_WAIT, KVMFT_WAIT_SENT };
	struct kvmft_wait wait = { .ticket = 7 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		wait.size = sizeof(wait) - 1;
		EXPECT_EQ(-1, ioctl(self->guest.ft, waits[i], &wait));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, ioctl(self->guest.ft, waits[i], NULL));
		EXPECT_EQ(EFAULT, errno);
		/* Of a guest that isn't attached, nothing has to wait. */
		wait.size = sizeof(wait);
		EXPECT_EQ(0, ioctl(self->guest.ft, waits[i], &wait));
	}
}

TEST_F(bound, signals_nothing_but_eventfds)
{
	int wrong[] = { -2, INT32_MIN, 1 << 30 };
	int other[] = { self->guest.vm, self->guest.ft, open("/dev/null", O_RDWR) };
	int event = eventfd(0, EFD_NONBLOCK);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, wrong[i]));
		EXPECT_EQ(EBADF, errno)
			TH_LOG("descriptor %d", wrong[i]);
	}
	for (i = 0; i < ARRAY_SIZE(other); i++) {
		EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, other[i]));
		EXPECT_EQ(EINVAL, errno)
			TH_LOG("descriptor %d", other[i]);
	}
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, event));
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, event));
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, -1));
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_SET_EVENTFD, -1));
}

TEST_F(bound, refuses_what_a_device_thread_cannot_say)
{
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_DEVICE, 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->guest.ft, KVMFT_DEVICE, -1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_DEVICE, 0));
	EXPECT_EQ(0, ioctl(self->guest.ft, KVMFT_DEVICE, 1));
}

static int hook_as_child(void)
{
	return call_hook(theirs, 0);
}

static int wait_as_child(void)
{
	struct kvmft_wait wait = { .size = sizeof(wait) };

	return ioctl(theirs->ft, KVMFT_WAIT, &wait) ? errno : 0;
}

static int device_as_child(void)
{
	return ioctl(theirs->ft, KVMFT_DEVICE, 0) ? errno : 0;
}

static int eventfd_as_child(void)
{
	return ioctl(theirs->ft, KVMFT_SET_EVENTFD, -1) ? errno : 0;
}

TEST_F(bound, serves_its_own_process_alone)
{
	EXPECT_EQ(EPERM, in_child(hook_as_child));
	EXPECT_EQ(EPERM, in_child(wait_as_child));
	EXPECT_EQ(EPERM, in_child(device_as_child));
	EXPECT_EQ(EPERM, in_child(eventfd_as_child));
}

/* Binds by all threads at once: one VM, and several descriptors. */
static void *bind_again_and_again(void *argument)
{
	long *bound = argument;
	int i, ft;

	for (i = 0; i < 50; i++) {
		ft = open("/dev/kvmft", O_RDWR | O_CLOEXEC);
		*bound += !bind_with(ft, bind_of(theirs));
		close(ft);
	}
	return NULL;
}

TEST_F(vm_device, is_bound_by_one_of_many)
{
	pthread_t threads[4];
	long bound[ARRAY_SIZE(threads)] = { 0 }, total = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, bind_again_and_again, &bound[i]));
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], NULL);
		total += bound[i];
	}
	EXPECT_LT(0, total);
	EXPECT_EQ(0, bind_with(self->guest.ft, self->bind));
}

TEST_HARNESS_MAIN
