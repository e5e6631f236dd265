// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host timeout=120
 *
 * What can't be protected is refused when it is attached, and the kernel says why:
 * descriptors that are something else, guests that kvmft doesn't do. What a thread
 * asks for that isn't its own is refused in the hook.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/eventfd.h>

#include "kselftest_harness.h"
#include "netlink.h"
#include "vmm.h"

#define MSRS 64
#define NAME "g"
#define HYPERV_LEAF 0x40000001
#define HYPERV_SIGNATURE 0x31237648
#define XEN_MSR 0x40000200
#define CROWD 8
#define CROWDED_ROUNDS 10

/**
 * struct request - what a guest is attached with
 * @role: &enum kvmft_vm_role.
 * @vm: Descriptor of the VM.
 * @vcpus: Of its vcpus.
 * @count: How many.
 * @compress: &enum kvmft_vm_compress, NULL to leave it out.
 */
struct request {
	unsigned int role;
	int vm;
	int vcpus[2 * GUEST_VCPUS];
	int count;
	const unsigned int *compress;
};

FIXTURE(vm_refused)
{
	struct client client;
	struct guest guest;
	struct answer answer;
};

FIXTURE_SETUP(vm_refused)
{
	/* Nobody is there to connect to, which takes nothing away from a pair. */
	ASSERT_LE(0, new_net());
	ASSERT_EQ(0, shell("ip link set lo up"));
	ASSERT_EQ(0, open_client(&self->client));
	ASSERT_EQ(0, add_pair(&self->client, "alpha", KVMFT_PAIR_CONNECT, "127.0.0.1", A_PORT,
			      KEY));
	self->guest.vm = -1;
	self->guest.ft = -1;
}

FIXTURE_TEARDOWN(vm_refused)
{
	close_client(&self->client);
}

static struct request request_of(const struct guest *guest)
{
	struct request request = {
		.role = guest->recipe.bind_flags & KVMFT_BIND_STANDBY ? KVMFT_VM_STANDBY :
									KVMFT_VM_PRIMARY,
		.vm = guest->vm, .count = guest->count,
	};

	memcpy(request.vcpus, guest->vcpus, guest->count * sizeof(int));
	return request;
}

/* 0 or a negative errno; what the kernel says is in @answer. */
static int attach_like(struct client *client, const char *name, struct request request,
		       struct answer *answer)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_VM_ATTACH, 0);
	unsigned int msrs[MSRS], i;

	/* SYSENTER_CS: the guest has it, so often as wanted. */
	for (i = 0; i < MSRS; i++)
		msrs[i] = 0x174;
	nla_put_string(msg, KVMFT_A_VM_NAME, name);
	nla_put_string(msg, KVMFT_A_VM_PAIR, "alpha");
	nla_put_u32(msg, KVMFT_A_VM_ROLE, request.role);
	nla_put_u32(msg, KVMFT_A_VM_FD, request.vm);
	nla_put(msg, KVMFT_A_VM_VCPU_FDS, request.count * sizeof(int), request.vcpus);
	nla_put(msg, KVMFT_A_VM_MSRS, sizeof(msrs), msrs);
	if (request.compress)
		nla_put_u32(msg, KVMFT_A_VM_COMPRESS, *request.compress);
	return demand(client, msg, answer);
}

static int attach(struct client *client, const struct guest *guest, struct answer *answer)
{
	return attach_like(client, NAME, request_of(guest), answer);
}

static int detach(struct client *client)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_VM_DETACH, 0);
	struct answer answer = { 0 };

	nla_put_string(msg, KVMFT_A_VM_NAME, NAME);
	return demand(client, msg, &answer);
}

/* --- Descriptors --- */

TEST_F(vm_refused, descriptors_of_something_else_than_a_vm)
{
	struct recipe recipe = { 0 };
	struct request request;
	int null = open("/dev/null", O_RDWR);
	struct { int fd; const char *words; } wrong[] = {
		{ -1, "isn't open" }, { 1000, "isn't open" }, { 1 << 20, "isn't open" },
		{ null, "isn't that of a VM" }, { 0, "isn't that of a VM" },
		{ 0, "isn't that of a VM" }, { 0, "isn't that of a VM" },
		{ 0, "isn't that of a VM" }, { 0, "isn't that of a VM" },
		{ 0, "isn't that of a VM" },
	};
	unsigned int i;

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	wrong[4].fd = self->guest.vcpus[0];
	wrong[5].fd = self->guest.kvm;
	wrong[6].fd = self->guest.ft;
	wrong[7].fd = ioctl(self->guest.vm, KVM_GET_STATS_FD, 0);
	wrong[8].fd = ioctl(self->guest.vcpus[0], KVM_GET_STATS_FD, 0);
	wrong[9].fd = nl_socket_get_fd(self->client.sock);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		request = request_of(&self->guest);
		request.vm = wrong[i].fd;
		EXPECT_EQ(-EBADF, attach_like(&self->client, NAME, request, &self->answer))
			TH_LOG("number %u", i);
		EXPECT_TRUE(says(&self->answer, wrong[i].words));
	}
	EXPECT_EQ(0, attach(&self->client, &self->guest, &self->answer));
}

TEST_F(vm_refused, descriptors_of_something_else_than_its_vcpus)
{
	static const char missing[] = "the descriptor of vcpu 1 wasn't given";
	struct recipe recipe = { .vcpus = 2 }, another = { .vcpus = 2 };
	struct request request;
	struct guest other;
	int wrong[6];
	unsigned int i;

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	ASSERT_EQ(0, make_guest(&other, &another));
	wrong[0] = self->guest.vm;
	wrong[1] = self->guest.vcpus[0];
	wrong[2] = other.vcpus[1];
	wrong[3] = ioctl(self->guest.vcpus[1], KVM_GET_STATS_FD, 0);
	wrong[4] = open("/dev/null", O_RDWR);
	wrong[5] = self->guest.ft;
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		request = request_of(&self->guest);
		request.vcpus[1] = wrong[i];
		EXPECT_EQ(-EBADF, attach_like(&self->client, NAME, request, &self->answer))
			TH_LOG("number %u", i);
		EXPECT_TRUE(says(&self->answer, missing));
	}
	request = request_of(&self->guest);
	request.count = 1;
	EXPECT_EQ(-EBADF, attach_like(&self->client, NAME, request, &self->answer));
	EXPECT_TRUE(says(&self->answer, missing));
	request.count = 2;
	request.vcpus[1] = -1;
	EXPECT_EQ(-EBADF, attach_like(&self->client, NAME, request, &self->answer));
	EXPECT_TRUE(says(&self->answer, "isn't open"));

	/* VM and vcpu swapped, and all given twice and in another order. */
	request = request_of(&self->guest);
	request.vm = self->guest.vcpus[0];
	request.vcpus[0] = self->guest.vm;
	EXPECT_EQ(-EBADF, attach_like(&self->client, NAME, request, &self->answer));
	EXPECT_TRUE(says(&self->answer, "isn't that of a VM"));
	request = request_of(&self->guest);
	for (i = 0; i < 4; i++)
		request.vcpus[i] = self->guest.vcpus[1 - i / 2];
	request.count = 4;
	EXPECT_EQ(0, attach_like(&self->client, NAME, request, &self->answer));
}

TEST_F(vm_refused, more_descriptors_than_there_can_be)
{
	struct nl_msg *msg = begin(&self->client, KVMFT_CMD_VM_ATTACH, 0);
	static const int none[4 * KVMFT_VCPUS_MAX + 1];

	nla_put(msg, KVMFT_A_VM_VCPU_FDS, sizeof(none), none);
	EXPECT_EQ(-ERANGE, demand(&self->client, msg, &self->answer));
}

/* --- VMMs --- */

TEST_F(vm_refused, vms_that_are_not_ready)
{
	struct recipe recipe = { .bind_vcpus = GUEST_VCPUS };
	struct guest *guest = &self->guest;

	ASSERT_EQ(0, make_guest(guest, &recipe));
	EXPECT_EQ(-ENXIO, attach(&self->client, guest, &self->answer));
	EXPECT_TRUE(says(&self->answer, "it hasn't bound its VM to /dev/kvmft"));
	ASSERT_EQ(0, bind_guest(guest));
	EXPECT_EQ(-ENXIO, attach(&self->client, guest, &self->answer));
	EXPECT_TRUE(says(&self->answer, "it hasn't mapped the shared area"));
	ASSERT_EQ(0, map_guest(guest));
	ASSERT_EQ(0, munmap(guest->area, guest->area_size));
	EXPECT_EQ(-ENXIO, attach(&self->client, guest, &self->answer));
	ASSERT_EQ(0, map_guest(guest));
	EXPECT_EQ(0, attach(&self->client, guest, &self->answer));
	EXPECT_EQ(0, detach(&self->client));
	/* The mapping holds the descriptor's file, too. */
	close(guest->ft);
	EXPECT_EQ(0, attach(&self->client, guest, &self->answer));
	EXPECT_EQ(0, detach(&self->client));
	ASSERT_EQ(0, munmap(guest->area, guest->area_size));
	EXPECT_EQ(-ENXIO, attach(&self->client, guest, &self->answer));
	EXPECT_TRUE(says(&self->answer, "it hasn't bound its VM to /dev/kvmft"));
}

TEST_F(vm_refused, a_second_time)
{
	struct recipe recipe = { 0 };
	struct guest *guest = &self->guest;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, guest, &self->answer));
	EXPECT_EQ(-EEXIST, attach(&self->client, guest, &self->answer));
	EXPECT_TRUE(says(&self->answer, "there is a guest of this name"));
	EXPECT_EQ(-EBUSY, attach_like(&self->client, "h", request_of(guest), &self->answer));
	EXPECT_TRUE(says(&self->answer, "attached already, under another name"));
	EXPECT_EQ(0, detach(&self->client));
	EXPECT_EQ(-ENOENT, detach(&self->client));
}

TEST_F(vm_refused, the_other_role)
{
	struct recipe runs = { 0 }, waits = { .bind_flags = KVMFT_BIND_STANDBY };
	struct request request;
	struct guest standby;

	ASSERT_EQ(0, make_bound(&self->guest, &runs));
	request = request_of(&self->guest);
	request.role = KVMFT_VM_STANDBY;
	EXPECT_EQ(-EINVAL, attach_like(&self->client, NAME, request, &self->answer));
	EXPECT_TRUE(says(&self->answer, "it isn't a standby that waits"));

	ASSERT_EQ(0, make_bound(&standby, &waits));
	request = request_of(&standby);
	request.role = KVMFT_VM_PRIMARY;
	EXPECT_EQ(-EINVAL, attach_like(&self->client, NAME, request, &self->answer));
	EXPECT_TRUE(says(&self->answer, "it is a standby that waits"));
}

/* --- How pages are sent --- */

static int set_compress(struct client *client, unsigned int compress, struct answer *answer)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_VM_SET, 0);

	nla_put_string(msg, KVMFT_A_VM_NAME, NAME);
	nla_put_u32(msg, KVMFT_A_VM_COMPRESS, compress);
	return demand(client, msg, answer);
}

TEST_F(vm_refused, pages_compressed_in_a_way_that_there_is_not)
{
	static const unsigned int wrong[] = { 0, KVMFT_VM_COMPRESS_LZ4 + 1, ~0U };
	static const unsigned int right[] = { KVMFT_VM_COMPRESS_NONE, KVMFT_VM_COMPRESS_LZ4 };
	struct recipe recipe = { 0 };
	struct request request;
	unsigned int i;

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	request = request_of(&self->guest);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		request.compress = &wrong[i];
		EXPECT_EQ(-ERANGE, attach_like(&self->client, NAME, request, &self->answer));
	}
	for (i = 0; i < ARRAY_SIZE(right); i++) {
		request.compress = &right[i];
		EXPECT_EQ(0, attach_like(&self->client, NAME, request, &self->answer))
			TH_LOG("%s", self->answer.reason);
		EXPECT_EQ(-ERANGE, set_compress(&self->client, wrong[i], &self->answer));
		EXPECT_EQ(0, set_compress(&self->client, right[!i], &self->answer));
		EXPECT_EQ(0, detach(&self->client));
	}
	EXPECT_EQ(-ENOENT, set_compress(&self->client, right[0], &self->answer));
}

TEST_F(vm_refused, pages_compressed_by_a_standby)
{
	static const unsigned int ways[] = { KVMFT_VM_COMPRESS_NONE, KVMFT_VM_COMPRESS_LZ4 };
	struct recipe recipe = { .bind_flags = KVMFT_BIND_STANDBY };
	struct request request;
	unsigned int i;

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	request = request_of(&self->guest);
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		request.compress = &ways[i];
		EXPECT_EQ(-EINVAL, attach_like(&self->client, NAME, request, &self->answer));
		EXPECT_TRUE(says(&self->answer, "only a primary sends pages"));
	}
}

/* --- Guests that kvmft doesn't do --- */

static int irqfd(struct guest *guest)
{
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 5 };

	return ioctl(guest->vm, KVM_IRQFD, &irqfd);
}

static int ioeventfd(struct guest *guest)
{
	struct kvm_ioeventfd event = {
		.addr = 0x100, .len = 2, .fd = eventfd(0, 0), .flags = KVM_IOEVENTFD_FLAG_PIO,
	};

	return ioctl(guest->vm, KVM_IOEVENTFD, &event);
}

static int xen(struct guest *guest)
{
	struct kvm_xen_hvm_config config = { .msr = XEN_MSR };

	if (ioctl(guest->kvm, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM) <= 0)
		return 1;
	return ioctl(guest->vm, KVM_XEN_HVM_CONFIG, &config);
}

static int hyperv(struct guest *guest)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 leaf;
	} cpuid = {
		.head = { .nent = 1 },
		.leaf = { .function = HYPERV_LEAF, .eax = HYPERV_SIGNATURE },
	};

	if (ioctl(guest->kvm, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV) <= 0)
		return 1;
	return ioctl(guest->vcpus[0], KVM_SET_CPUID2, &cpuid);
}

/* In the middle of the guest's life, before it is attached. */
static int another_vcpu(struct guest *guest)
{
	return make_vcpu(guest);
}

/**
 * struct refusal - a guest that isn't attached
 * @name: What it is.
 * @recipe: How it is made.
 * @spoil: What is done with it then; 1 if this kernel can't.
 * @err: What attaching fails with, 0 if it doesn't.
 * @words: What the kernel says.
 */
static const struct refusal {
	const char *name;
	struct recipe recipe;
	int (*spoil)(struct guest *guest);
	int err;
	const char *words;
} refusals[] = {
	{ "an honest one", {}, NULL, 0, "" },
	{ "one with rings", { .ring = 65536 }, NULL, 0, "" },
	{ "one with manual protection", { .manual = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	  NULL, 0, "" },
	{ "one whose log begins with all pages", { .manual = 3 }, NULL, 0, "" },
	{ "an irqfd that is covered", { .bind_flags = KVMFT_BIND_COVERED }, irqfd, 0, "" },
	{ "an ioeventfd that is covered", { .bind_flags = KVMFT_BIND_COVERED }, ioeventfd, 0,
	  "" },
	{ "no irqchip", { .irqchip = IRQCHIP_NONE }, NULL, -EOPNOTSUPP,
	  "its irqchip isn't KVM's" },
	{ "a split irqchip", { .irqchip = IRQCHIP_SPLIT }, NULL, -EOPNOTSUPP,
	  "its irqchip is split" },
	{ "slots that the VMM logs", { .slot_flags = KVM_MEM_LOG_DIRTY_PAGES }, NULL, -EBUSY,
	  "the VMM logs writes to slot 0 itself" },
	{ "rings that begin with all pages", { .ring = 65536, .manual = 3 }, NULL, -EOPNOTSUPP,
	  "leave KVM_DIRTY_LOG_INITIALLY_SET out" },
	{ "an irqfd", {}, irqfd, -EOPNOTSUPP, "it has irqfds" },
	{ "an ioeventfd", {}, ioeventfd, -EOPNOTSUPP, "it has ioeventfds" },
	{ "Xen", {}, xen, -EOPNOTSUPP, "it pretends to be Xen" },
	{ "Hyper-V", {}, hyperv, -EOPNOTSUPP, "its CPUID says Hyper-V" },
	{ "no memory", { .no_memory = true }, NULL, -E2BIG, "the guest has no memory" },
	{ "more memory than it said", { .gpa_end = GUEST_MEMORY / 2 }, NULL, -EINVAL,
	  "memory reaches up to 0x10000, and it said 0x8000" },
	{ "more vcpus than it said", { .bind_vcpus = 1 }, another_vcpu, -EINVAL,
	  "it has 2 vcpus, and said that it would have up to 1" },
};

TEST_F(vm_refused, guests_that_cannot_be_protected)
{
	const struct refusal *refusal;
	struct guest guest;
	int spoilt;

	for (refusal = refusals; refusal < refusals + ARRAY_SIZE(refusals); refusal++) {
		ASSERT_EQ(0, make_bound(&guest, &refusal->recipe))
			TH_LOG("%s: %s", refusal->name, strerror(errno));
		spoilt = refusal->spoil ? refusal->spoil(&guest) : 0;
		EXPECT_NE(-1, spoilt)
			TH_LOG("%s: %s", refusal->name, strerror(errno));
		if (!spoilt) {
			EXPECT_EQ(refusal->err, attach(&self->client, &guest, &self->answer))
				TH_LOG("%s", refusal->name);
			EXPECT_TRUE(says(&self->answer, refusal->words))
				TH_LOG("%s", refusal->name);
			EXPECT_EQ(refusal->err ? -ENOENT : 0, detach(&self->client))
				TH_LOG("%s", refusal->name);
		}
		end_guest(&guest);
	}
}

/* --- The hook --- */

/**
 * struct caller - a thread that comes to the hook
 * @thread: The thread.
 * @guest: Whose.
 * @vcpu: As which vcpu.
 * @runs: Whether it was in KVM_RUN before.
 * @err: What the hook said at last.
 * @busy: How often it said that another thread was there.
 */
struct caller {
	pthread_t thread;
	struct guest *guest;
	unsigned int vcpu;
	bool runs;
	int err;
	unsigned long busy;
};

static bool callers_end;

static void interrupted(int signal)
{
	(void)signal;
}

/* Comes again for as long as the hook is interrupted, or somebody else's. */
static void *call_again_and_again(void *argument)
{
	struct caller *caller = argument;

	if (caller->runs) {
		caller->guest->runs[caller->vcpu]->immediate_exit = 1;
		ioctl(caller->guest->vcpus[caller->vcpu], KVM_RUN, 0);
	}
	do {
		caller->err = call_hook(caller->guest, caller->vcpu);
		caller->busy += caller->err == EBUSY;
	} while ((caller->err == EINTR || caller->err == EBUSY) &&
		 !__atomic_load_n(&callers_end, __ATOMIC_RELAXED));
	return NULL;
}

static int start_caller(struct caller *caller, struct guest *guest, unsigned int vcpu, bool runs)
{
	struct sigaction action = { .sa_handler = interrupted };

	sigaction(SIGUSR1, &action, NULL);
	*caller = (struct caller){ .guest = guest, .vcpu = vcpu, .runs = runs };
	return pthread_create(&caller->thread, NULL, call_again_and_again, caller);
}

/* They are interrupted until they have noticed. */
static void end_callers(struct caller *callers, unsigned int count)
{
	unsigned int i;

	__atomic_store_n(&callers_end, true, __ATOMIC_RELAXED);
	for (i = 0; i < count; i++) {
		while (pthread_tryjoin_np(callers[i].thread, NULL)) {
			pthread_kill(callers[i].thread, SIGUSR1);
			usleep(1000);
		}
	}
	__atomic_store_n(&callers_end, false, __ATOMIC_RELAXED);
}

TEST_F(vm_refused, hooks_of_a_vcpu_that_is_not_there)
{
	struct recipe recipe = { .vcpus = 2, .bind_vcpus = GUEST_VCPUS };
	struct guest *guest = &self->guest;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, guest, &self->answer));
	EXPECT_EQ(0, call_hook(guest, 0));
	EXPECT_EQ(0, call_hook(guest, 1));
	EXPECT_EQ(ENOENT, call_hook(guest, 2));
	EXPECT_EQ(ENOENT, call_hook(guest, ~0U));
	/* One that came later wasn't attached. */
	ASSERT_EQ(0, make_vcpu(guest));
	EXPECT_EQ(ENOENT, call_hook(guest, 2));
}

TEST_F(vm_refused, hooks_of_another_threads_vcpu)
{
	struct recipe recipe = { .vcpus = 2 };
	struct guest *guest = &self->guest;
	struct caller caller;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, guest, &self->answer));
	ASSERT_EQ(0, start_caller(&caller, guest, 1, true));
	pthread_join(caller.thread, NULL);
	EXPECT_EQ(0, caller.err);
	EXPECT_EQ(EPERM, call_hook(guest, 1));
	EXPECT_EQ(0, call_hook(guest, 0));
	/* Who runs a vcpu, is its thread from then on. */
	guest->runs[1]->immediate_exit = 1;
	ioctl(guest->vcpus[1], KVM_RUN, 0);
	EXPECT_EQ(0, call_hook(guest, 1));
}

/* A standby's vcpus never ran, so that they are nobody's. */
TEST_F(vm_refused, two_threads_in_the_hook_for_one_vcpu)
{
	struct recipe recipe = { .bind_flags = KVMFT_BIND_STANDBY };
	struct guest *guest = &self->guest;
	struct caller caller, second;
	long long end;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	ASSERT_EQ(0, start_caller(&caller, guest, 0, false));
	ASSERT_EQ(0, attach(&self->client, guest, &self->answer));
	ASSERT_EQ(0, start_caller(&second, guest, 0, false));
	end = now_ms() + patience_ms(10);
	while (!__atomic_load_n(&second.busy, __ATOMIC_RELAXED) && now_ms() < end)
		usleep(1000);
	EXPECT_LT(0, second.busy);
	EXPECT_EQ(0, caller.busy);
	EXPECT_EQ(0, detach(&self->client));
	end_callers(&second, 1);
	end_callers(&caller, 1);
}

TEST_F(vm_refused, a_crowd_in_the_hook_for_one_vcpu)
{
	struct recipe recipe = { .bind_flags = KVMFT_BIND_STANDBY };
	struct guest *guest = &self->guest;
	struct caller callers[CROWD];
	int i;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	for (i = 0; i < CROWD; i++)
		ASSERT_EQ(0, start_caller(&callers[i], guest, 0, false));
	for (i = 0; i < CROWDED_ROUNDS; i++) {
		EXPECT_EQ(0, attach(&self->client, guest, &self->answer))
			TH_LOG("%s", self->answer.reason);
		EXPECT_EQ(0, detach(&self->client));
	}
	end_callers(callers, CROWD);
}

TEST_F(vm_refused, tickets_that_were_never_given)
{
	struct kvmft_wait wait = { .size = sizeof(wait), .ticket = 1 };
	struct recipe recipe = { 0 };
	struct guest *guest = &self->guest;

	ASSERT_EQ(0, make_bound(guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, guest, &self->answer));
	EXPECT_EQ(-1, ioctl(guest->ft, KVMFT_WAIT, &wait));
	EXPECT_EQ(ENOENT, errno);
	wait.ticket = ~0ULL;
	wait.timeout_ms = ~0U;
	EXPECT_EQ(-1, ioctl(guest->ft, KVMFT_WAIT, &wait));
	EXPECT_EQ(ENOENT, errno);
	/* Nobody has one that waits for anything when it is let go. */
	EXPECT_EQ(0, detach(&self->client));
	EXPECT_EQ(0, ioctl(guest->ft, KVMFT_WAIT, &wait));
}

/* --- The end of a VMM --- */

TEST_F(vm_refused, a_vmm_that_closes_everything_is_gone)
{
	struct recipe recipe = { .ring = 65536 };

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, &self->guest, &self->answer));
	close(self->guest.vcpus[0]);
	close(self->guest.vm);
	close(self->guest.ft);
	ASSERT_EQ(0, munmap(self->guest.area, self->guest.area_size));
	EXPECT_EQ(-ENOENT, detach(&self->client));
}

TEST_F(vm_refused, an_area_that_is_unmapped_can_be_mapped_again)
{
	struct recipe recipe = { 0 };

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	ASSERT_EQ(0, attach(&self->client, &self->guest, &self->answer));
	ASSERT_EQ(0, munmap(self->guest.area, self->guest.area_size));
	EXPECT_EQ(0, call_hook(&self->guest, 0));
	ASSERT_EQ(0, map_guest(&self->guest));
	EXPECT_EQ(KVMFT_AREA_TRACKED, self->guest.area->state);
	EXPECT_EQ(0, detach(&self->client));
	EXPECT_EQ(KVMFT_AREA_IDLE, self->guest.area->state);
}

TEST_HARNESS_MAIN
