// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host module=none
 *
 * What the lab promises about KVM in its hosts, and all other tests with guests
 * stand on: guests run, the dirty ring tells exactly what they wrote, and their
 * clocks are as good as on real hardware. kvmft has no part in this.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define PAGE 4096UL
#define PORT 0x10
#define VCPUS 2

/* Guest memory: two slots, of which only the second is ever logged. */
#define LOW_SLOT 1
#define LOW_SIZE 0x10000UL
#define CODE 0x1000
#define TABLE 0x2000
#define RESULT 0x3000
#define DATA_SLOT 7
#define DATA 0x10000UL
#define DATA_PAGES 144

#define RING_BYTES 65536UL
#define RING_ENTRIES (RING_BYTES / sizeof(struct kvm_dirty_gfn))
#define RING_BYTES_MAX 1048576

/* What KVM allows between a guest's TSC and the host's without scaling it. */
#define TOLERANCE_PPM 250

/* Two guests in real mode, with all segments at 0. This one adds up 100 numbers. */
static const unsigned char adding[] = {
	0x31, 0xc0,			/*	xor	ax, ax		*/
	0xb9, 0x64, 0x00,		/*	mov	cx, 100		*/
	0x01, 0xc8,			/* 1:	add	ax, cx		*/
	0xe2, 0xfc,			/*	loop	1b		*/
	0xa3, 0x00, 0x30,		/*	mov	[RESULT], ax	*/
	0xe7, PORT,			/*	out	PORT, ax	*/
	0xf4,				/*	hlt			*/
};

/*
 * This one adds 1 to the first byte of each segment in a table that ends with a
 * 0, says so, and begins again.
 */
static const unsigned char writing[] = {
	0xbe, 0x00, 0x20,		/* 1:	mov	si, TABLE	*/
	0xad,				/* 2:	lodsw			*/
	0x85, 0xc0,			/*	test	ax, ax		*/
	0x74, 0x09,			/*	jz	3f		*/
	0x8e, 0xc0,			/*	mov	es, ax		*/
	0x26, 0xfe, 0x06, 0x00, 0x00,	/*	inc	byte es:[0]	*/
	0xeb, 0xf2,			/*	jmp	2b		*/
	0xe6, PORT,			/* 3:	out	PORT, al	*/
	0xeb, 0xeb,			/*	jmp	1b		*/
};

struct vcpu {
	int fd;
	struct kvm_run *run;
	struct kvm_dirty_gfn *ring;
	unsigned int next;
};

FIXTURE(kvm)
{
	int kvm, vm;
	int run_size;
	char *low, *data;
	struct vcpu vcpus[VCPUS];
};

static int set_slot(int vm, unsigned int slot, unsigned long gpa, void *memory, size_t size,
		    unsigned int flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)memory,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
}

static int enable_ring(int vm, unsigned long bytes)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_DIRTY_LOG_RING, .args = { bytes } };

	return ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static void *map_memory(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Puts the vcpu at the beginning of the code. */
static int reset_vcpu(struct vcpu *vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

static int make_vcpu(int vm, unsigned int id, int run_size, struct vcpu *vcpu)
{
	vcpu->fd = ioctl(vm, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		return -1;
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	return vcpu->run == MAP_FAILED ? -1 : reset_vcpu(vcpu);
}

static int map_ring(struct vcpu *vcpu)
{
	vcpu->ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
			  KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
	return vcpu->ring == MAP_FAILED ? -1 : 0;
}

/* Has the guest write to these pages of the data slot; 0 when it said it did. */
static int write_pages(struct vcpu *vcpu, char *low, const unsigned int *pages, unsigned int count)
{
	unsigned short *table = (unsigned short *)(low + TABLE);
	unsigned int i;

	for (i = 0; i < count; i++)
		table[i] = (DATA + pages[i] * PAGE) >> 4;
	table[count] = 0;
	if (ioctl(vcpu->fd, KVM_RUN, 0))
		return -1;
	return vcpu->run->exit_reason == KVM_EXIT_IO && vcpu->run->io.port == PORT ? 0 : -1;
}

/*
 * Takes all new entries from the ring. Returns how many there were, and how many
 * of them were of each page; -1 if one was of no page of the data slot.
 */
static int harvest(struct vcpu *vcpu, unsigned int *times)
{
	struct kvm_dirty_gfn *entry;
	int count = 0;

	memset(times, 0, DATA_PAGES * sizeof(*times));
	for (;; count++) {
		entry = &vcpu->ring[vcpu->next % RING_ENTRIES];
		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return count;
		if (entry->slot != DATA_SLOT || entry->offset >= DATA_PAGES)
			return -1;
		times[entry->offset]++;
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		vcpu->next++;
	}
}

/* The value of name=NUMBER on the kernel's command line, 0 if it isn't there. */
static unsigned long from_command_line(const char *name)
{
	char line[4096], *word, *rest = line;
	FILE *file = fopen("/proc/cmdline", "r");
	size_t len = strlen(name);

	if (!file || !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	while ((word = strsep(&rest, "\n "))) {
		if (!strncmp(word, name, len) && word[len] == '=')
			return strtoul(word + len + 1, NULL, 10);
	}
	return 0;
}

static bool file_begins(const char *path, const char *wanted)
{
	char text[4096] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	return len > 0 && !strncmp(text, wanted, strlen(wanted));
}

FIXTURE_SETUP(kvm)
{
	self->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->kvm);
	self->vm = ioctl(self->kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
	self->run_size = ioctl(self->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	ASSERT_LE((int)sizeof(struct kvm_run), self->run_size);

	self->low = map_memory(LOW_SIZE);
	ASSERT_NE(MAP_FAILED, self->low);
	self->data = map_memory(DATA_PAGES * PAGE);
	ASSERT_NE(MAP_FAILED, self->data);
	ASSERT_EQ(0, set_slot(self->vm, LOW_SLOT, 0, self->low, LOW_SIZE, 0));
	ASSERT_EQ(0, set_slot(self->vm, DATA_SLOT, DATA, self->data, DATA_PAGES * PAGE,
			      KVM_MEM_LOG_DIRTY_PAGES));
}

FIXTURE_TEARDOWN(kvm)
{
	/* The end of the test's process is the end of the guest. */
}

TEST_F(kvm, has_nested_paging)
{
	EXPECT_TRUE(file_begins("/sys/module/kvm_amd/parameters/npt", "Y") ||
		    file_begins("/sys/module/kvm_amd/parameters/npt", "1"));
}

TEST_F(kvm, runs_a_guest_that_computes)
{
	struct vcpu *vcpu = &self->vcpus[0];
	unsigned short result;

	memcpy(self->low + CODE, adding, sizeof(adding));
	ASSERT_EQ(0, make_vcpu(self->vm, 0, self->run_size, vcpu));

	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_IO, vcpu->run->exit_reason);
	EXPECT_EQ(KVM_EXIT_IO_OUT, vcpu->run->io.direction);
	EXPECT_EQ(PORT, vcpu->run->io.port);
	EXPECT_EQ(2, vcpu->run->io.size);
	EXPECT_EQ(1, vcpu->run->io.count);
	memcpy(&result, (char *)vcpu->run + vcpu->run->io.data_offset, sizeof(result));
	EXPECT_EQ(5050, result);
	memcpy(&result, self->low + RESULT, sizeof(result));
	EXPECT_EQ(5050, result);

	ASSERT_EQ(0, ioctl(vcpu->fd, KVM_RUN, 0));
	EXPECT_EQ(KVM_EXIT_HLT, vcpu->run->exit_reason);
}

TEST_F(kvm, has_dirty_rings_of_up_to_a_mebibyte)
{
	EXPECT_EQ(RING_BYTES_MAX, ioctl(self->vm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING));
	EXPECT_EQ(-1, enable_ring(self->vm, 2 * RING_BYTES_MAX));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_EQ(0, enable_ring(self->vm, RING_BYTES_MAX));
}

TEST_F(kvm, takes_no_dirty_ring_after_the_first_vcpu)
{
	ASSERT_EQ(0, make_vcpu(self->vm, 0, self->run_size, &self->vcpus[0]));
	EXPECT_EQ(-1, enable_ring(self->vm, RING_BYTES));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(kvm, reports_exactly_the_pages_that_were_written)
{
	static const unsigned int first[] = { 0, 1, 63, 64, 100, DATA_PAGES - 1 };
	static const unsigned int second[] = { 1, 2, 64, DATA_PAGES - 1 };
	unsigned int times[DATA_PAGES], i;
	struct vcpu *vcpu = &self->vcpus[0];

	memcpy(self->low + CODE, writing, sizeof(writing));
	ASSERT_EQ(0, enable_ring(self->vm, RING_BYTES));
	ASSERT_EQ(0, make_vcpu(self->vm, 0, self->run_size, vcpu));
	ASSERT_EQ(0, map_ring(vcpu));

	ASSERT_EQ(0, write_pages(vcpu, self->low, first, ARRAY_SIZE(first)));
	EXPECT_EQ(ARRAY_SIZE(first), harvest(vcpu, times));
	for (i = 0; i < ARRAY_SIZE(first); i++) {
		EXPECT_EQ(1, times[first[i]]);
		EXPECT_EQ(1, self->data[first[i] * PAGE]);
	}

	/* Until it is reset, a page that was reported isn't reported again. */
	ASSERT_EQ(0, write_pages(vcpu, self->low, first, ARRAY_SIZE(first)));
	EXPECT_EQ(0, harvest(vcpu, times));
	EXPECT_EQ(ARRAY_SIZE(first), ioctl(self->vm, KVM_RESET_DIRTY_RINGS, 0));

	ASSERT_EQ(0, write_pages(vcpu, self->low, NULL, 0));
	EXPECT_EQ(0, harvest(vcpu, times));

	ASSERT_EQ(0, write_pages(vcpu, self->low, second, ARRAY_SIZE(second)));
	EXPECT_EQ(ARRAY_SIZE(second), harvest(vcpu, times));
	for (i = 0; i < ARRAY_SIZE(second); i++)
		EXPECT_EQ(1, times[second[i]]);
	EXPECT_EQ(3, self->data[64 * PAGE]);
	EXPECT_EQ(ARRAY_SIZE(second), ioctl(self->vm, KVM_RESET_DIRTY_RINGS, 0));
}

TEST_F(kvm, uses_the_master_clock)
{
	struct kvm_clock_data clock = { 0 };
	unsigned int i;

	memcpy(self->low + CODE, adding, sizeof(adding));
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, make_vcpu(self->vm, i, self->run_size, &self->vcpus[i]));
	/* It takes effect when vcpus run. */
	for (i = 0; i < VCPUS; i++)
		ASSERT_EQ(0, ioctl(self->vcpus[i].fd, KVM_RUN, 0));

	ASSERT_EQ(0, ioctl(self->vm, KVM_GET_CLOCK, &clock));
	EXPECT_TRUE(clock.flags & KVM_CLOCK_TSC_STABLE);
}

TEST_F(kvm, gives_guests_the_tsc_that_the_host_was_told)
{
	long told = from_command_line("tsc_early_khz");
	long got;

	ASSERT_LT(0, told);
	ASSERT_EQ(0, make_vcpu(self->vm, 0, self->run_size, &self->vcpus[0]));
	got = ioctl(self->vcpus[0].fd, KVM_GET_TSC_KHZ, 0);
	EXPECT_GE(told * TOLERANCE_PPM / 1000000, labs(got - told))
		TH_LOG("got %ld kHz, told %ld", got, told);
}

TEST(the_clock_of_the_host_is_its_tsc)
{
	static const char source[] =
		"/sys/devices/system/clocksource/clocksource0/current_clocksource";

	EXPECT_TRUE(file_begins(source, "tsc\n"));
}

TEST(the_host_was_told_to_rely_on_its_tsc)
{
	char line[4096] = { ' ' };
	FILE *file = fopen("/proc/cmdline", "r");

	ASSERT_NE(NULL, file);
	ASSERT_NE(NULL, fgets(line + 1, sizeof(line) - 2, file));
	line[strcspn(line, "\n")] = ' ';
	EXPECT_NE(NULL, strstr(line, " tsc=reliable "));
	fclose(file);
}

TEST_HARNESS_MAIN
