// SPDX-License-Identifier: GPL-2.0
/*
 * needs: host debug timeout=240
 *
 * Memory runs out when a VMM binds and maps, and when its guest is attached, rehearsed
 * and detached: at the first allocation, at the second and so on until none is left to
 * fail. Each time it is an error, nothing is left of it, and the next one can be had.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "netlink.h"
#include "vmm.h"

#define MSRS 64
#define NAME "g"
#define FAULTS "/sys/kernel/debug/"
/* More allocations than any of it takes. */
#define MOST 2000

FIXTURE(vm_failslab)
{
	struct client client;
	struct guest guest;
	struct answer answer;
};

static int set_fault(const char *file, const char *value)
{
	char path[128];
	int fd, err;

	snprintf(path, sizeof(path), FAULTS "%s", file);
	fd = open(path, O_WRONLY);
	err = fd < 0 || write(fd, value, strlen(value)) < 0;
	if (err)
		fprintf(stderr, "# %s: %s\n", path, strerror(errno));
	close(fd);
	return err;
}

/* Also those that may wait fail, and nothing is said about it. */
static int set_faults(void)
{
	return set_fault("failslab/ignore-gfp-wait", "N") ||
	       set_fault("failslab/verbose", "0") ||
	       set_fault("fail_page_alloc/ignore-gfp-wait", "N") ||
	       set_fault("fail_page_alloc/ignore-gfp-highmem", "N") ||
	       set_fault("fail_page_alloc/min-order", "0") ||
	       set_fault("fail_page_alloc/verbose", "0") ||
	       set_fault("fail_usercopy/verbose", "0");
}

/* The calling thread's allocation number @nth, from 1, is to fail; 0: none any more. */
static int fail_nth(unsigned int nth)
{
	char path[64], text[16];
	int fd, len, err;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fd = open(path, O_RDWR | O_CLOEXEC);
	len = snprintf(text, sizeof(text), "%u", nth);
	err = fd < 0 || write(fd, text, len) != len;
	close(fd);
	return err;
}

/* Has none failed, and switches it off. */
static bool none_failed(void)
{
	char path[64], text[16] = { 0 };
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%ld/fail-nth", syscall(SYS_gettid));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	close(fd);
	fail_nth(0);
	return atoi(text) > 0;
}

FIXTURE_SETUP(vm_failslab)
{
	mount("debugfs", FAULTS, "debugfs", 0, NULL);
	ASSERT_EQ(0, set_faults());
	ASSERT_LE(0, new_net());
	ASSERT_EQ(0, shell("ip link set lo up"));
	ASSERT_EQ(0, open_client(&self->client));
	ASSERT_EQ(0, add_pair(&self->client, "alpha", KVMFT_PAIR_CONNECT, "127.0.0.1", A_PORT,
			      KEY));
}

FIXTURE_TEARDOWN(vm_failslab)
{
	close_client(&self->client);
}

static struct nl_msg *attach_request(struct client *client, const struct guest *guest)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_VM_ATTACH, 0);
	unsigned int msrs[MSRS], i;

	for (i = 0; i < MSRS; i++)
		msrs[i] = 0x174;
	nla_put_string(msg, KVMFT_A_VM_NAME, NAME);
	nla_put_string(msg, KVMFT_A_VM_PAIR, "alpha");
	nla_put_u32(msg, KVMFT_A_VM_ROLE, guest->recipe.bind_flags & KVMFT_BIND_STANDBY ?
		    KVMFT_VM_STANDBY : KVMFT_VM_PRIMARY);
	nla_put_u32(msg, KVMFT_A_VM_FD, guest->vm);
	nla_put(msg, KVMFT_A_VM_VCPU_FDS, guest->count * sizeof(int), guest->vcpus);
	nla_put(msg, KVMFT_A_VM_MSRS, sizeof(msrs), msrs);
	return msg;
}

static int detach(struct client *client, struct answer *answer)
{
	struct nl_msg *msg = begin(client, KVMFT_CMD_VM_DETACH, 0);

	nla_put_string(msg, KVMFT_A_VM_NAME, NAME);
	return demand(client, msg, answer);
}

/*
 * Sends a request with that allocation failing. The answer is read afterwards: what
 * matters is what the kernel does in the sender's thread. Without memory for the answer
 * there is none, and the socket is of no use any more.
 */
static int demand_failing(struct client *client, struct nl_msg *msg, unsigned int nth,
			  bool *failed)
{
	struct nlmsghdr *header;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int fd = nl_socket_get_fd(client->sock), sent;

	nl_complete_msg(client->sock, msg);
	header = nlmsg_hdr(msg);
	if (fail_nth(nth))
		return -1;
	sent = sendto(fd, header, header->nlmsg_len, 0, (struct sockaddr *)&kernel,
		      sizeof(kernel));
	*failed = !none_failed();
	nlmsg_free(msg);
	/* Nobody reads what came back. */
	close_client(client);
	return sent < 0 ? 1 : open_client(client);
}

/* For as long as something fails; then it has to be there. */
static int attach_failing(struct client *client, struct guest *guest, unsigned int *count)
{
	struct answer answer = { 0 };
	bool failed = true;
	unsigned int nth;
	int err;

	for (nth = 1; nth < MOST && failed; nth++) {
		if (demand_failing(client, attach_request(client, guest), nth, &failed) < 0)
			return -1;
		if (!client->sock && open_client(client))
			return -1;
		err = detach(client, &answer);
		if (err && err != -ENOENT) {
			fprintf(stderr, "# detach after %u: %d\n", nth, err);
			return err;
		}
		if (!failed && err) {
			fprintf(stderr, "# nothing failed, and yet it wasn't attached\n");
			return err;
		}
	}
	*count = nth;
	return failed ? -1 : 0;
}

TEST_F(vm_failslab, binding)
{
	struct recipe recipe = { 0 };
	struct kvmft_bind bind;
	bool bound, clean;
	unsigned int nth;
	void *area;
	int ft;

	ASSERT_EQ(0, make_guest(&self->guest, &recipe));
	for (nth = 1; nth < MOST; nth++) {
		ft = open("/dev/kvmft", O_RDWR);
		ASSERT_LE(0, ft);
		bind = bind_of(&self->guest);
		ASSERT_EQ(0, fail_nth(nth));
		bound = !ioctl(ft, KVMFT_BIND, &bind);
		clean = none_failed();
		if (!bound)
			EXPECT_TRUE(errno == ENOMEM || errno == EFAULT || errno == EINTR)
				TH_LOG("%u: %s", nth, strerror(errno));
		close(ft);
		if (clean)
			break;
	}
	EXPECT_TRUE(bound);
	EXPECT_LT(3, nth);

	ASSERT_EQ(0, bind_guest(&self->guest));
	for (nth = 1; nth < MOST; nth++) {
		ASSERT_EQ(0, fail_nth(nth));
		area = map_area(&self->guest, MAP_SHARED);
		clean = none_failed();
		if (area != MAP_FAILED)
			munmap(area, self->guest.area_size);
		if (clean)
			break;
	}
	EXPECT_NE(MAP_FAILED, area);
	EXPECT_LT(1, nth);
	EXPECT_EQ(0, map_guest(&self->guest));
}

TEST_F_TIMEOUT(vm_failslab, attaching_a_primary, 200)
{
	struct recipe recipe = { .vcpus = 2, .ring = 65536 };
	unsigned int count = 0;

	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	EXPECT_EQ(0, attach_failing(&self->client, &self->guest, &count));
	TH_LOG("%u allocations", count);
	EXPECT_LT(20, count);
}

static bool hook_ends;
static unsigned int hook_nth;

/* A standby's vcpu, one of whose allocations fails each time that it is asked to. */
static void *stand_by(void *argument)
{
	struct guest *guest = argument;
	unsigned int nth;

	while (!__atomic_load_n(&hook_ends, __ATOMIC_RELAXED)) {
		nth = __atomic_exchange_n(&hook_nth, 0, __ATOMIC_RELAXED);
		if (nth)
			fail_nth(nth);
		call_hook(guest, 0);
	}
	return NULL;
}

static void interrupted(int signal)
{
	(void)signal;
}

TEST_F_TIMEOUT(vm_failslab, attaching_a_standby, 200)
{
	struct sigaction action = { .sa_handler = interrupted };
	struct recipe recipe = { .bind_flags = KVMFT_BIND_STANDBY };
	unsigned int count = 0, nth;
	pthread_t thread;
	int err = 0;

	sigaction(SIGUSR1, &action, NULL);
	ASSERT_EQ(0, make_bound(&self->guest, &recipe));
	ASSERT_EQ(0, pthread_create(&thread, NULL, stand_by, &self->guest));
	EXPECT_EQ(0, attach_failing(&self->client, &self->guest, &count));
	TH_LOG("%u allocations", count);
	EXPECT_LT(20, count);

	/* Now those of the rehearsal, in the vcpu's own thread. */
	for (nth = 1; nth < 40; nth++) {
		__atomic_store_n(&hook_nth, nth, __ATOMIC_RELAXED);
		while (__atomic_load_n(&hook_nth, __ATOMIC_RELAXED)) {
			pthread_kill(thread, SIGUSR1);
			usleep(1000);
		}
		err = demand(&self->client, attach_request(&self->client, &self->guest),
			     &self->answer);
		if (err)
			EXPECT_NE(0, strlen(self->answer.reason))
				TH_LOG("%u: it says nothing about error %d", nth, err);
		EXPECT_EQ(err ? -ENOENT : 0, detach(&self->client, &self->answer))
			TH_LOG("%u: attached with %d", nth, err);
	}
	EXPECT_EQ(0, err);
	__atomic_store_n(&hook_ends, true, __ATOMIC_RELAXED);
	while (pthread_tryjoin_np(thread, NULL)) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
}

TEST_HARNESS_MAIN
