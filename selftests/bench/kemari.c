// SPDX-License-Identifier: GPL-2.0
/*
 * kemari: in place of ftvmm's ft.c, Kemari's published method, all of it in userspace.
 * With each output the vcpus stop, KVM's dirty log is read, and what it names is sent by
 * its address, with the state of vcpus and devices, to a receiver that buffers all of it
 * and acknowledges. Then the output leaves and the vcpus go on.
 *
 * KEMARI_PEER=ADDRESS:PORT is the receiver. With KEMARI_BATCHED=1 all that is available in
 * any ring is one transaction, as with kvmft; without, each request is one, as published.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "blob.h"
#include "devices.h"
#include "ft.h"
#include "kemari.h"
#include "memory.h"
#include "vcpu.h"

#define MSRS_MAX 512
/* What one sendmsg() takes; and heads in it. */
#define IOV_COUNT 1024
#define HEADS_MAX 8
/* Of a vcpu's and the VM's state. */
#define REGISTERS_MAX (64 << 10)
#define CHIPS 3
#define WAIT_S 1
#define LOG_SLOTS 2
#define WORD_BITS 64

/**
 * struct kemari - what this adds to the VMM
 * @lock: Of what follows, up to @entered.
 * @still: For who wants a standstill: the last one stands.
 * @go: For vcpus and device threads: it is over.
 * @committed: For output: a transaction was acknowledged.
 * @standstill: Vcpus and device threads are to wait.
 * @standing: Vcpus that do.
 * @entered: Device threads that are at guest memory.
 * @peer: The connection.
 * @batched: All that is available goes in one transaction.
 * @log: KVM's dirty log of each slot.
 * @state: Where the state of vcpus and devices is collected.
 * @msrs: Those that a vcpu of this host has.
 * @iov: What goes with the next sendmsg().
 * @iov_count: How many.
 * @heads: Those that are in it.
 * @head_count: How many.
 * @list: The CONTINUE that pages are being added to; NULL if none.
 * @pages: The addresses in it.
 * @transactions: That were acknowledged.
 */
struct kemari {
	pthread_mutex_t lock;
	pthread_cond_t still, go, committed;
	bool standstill;
	u32 standing, entered;
	int peer;
	bool batched;
	u64 *log[LOG_SLOTS];
	struct blob state;
	struct kvm_msrs *msrs;
	struct iovec iov[IOV_COUNT];
	u32 iov_count;
	struct kemari_head heads[HEADS_MAX];
	u32 head_count;
	struct kemari_head *list;
	u64 pages[KEMARI_PAGES_MAX];
	u64 transactions;
};

static struct kemari kemari = {
	.lock = PTHREAD_MUTEX_INITIALIZER, .still = PTHREAD_COND_INITIALIZER,
	.go = PTHREAD_COND_INITIALIZER, .committed = PTHREAD_COND_INITIALIZER,
};

/* --- The connection --- */

/* All that was put together. A signal only is to bring vcpus out of their guest. */
static void push(int flags)
{
	struct msghdr message = { .msg_iov = kemari.iov, .msg_iovlen = kemari.iov_count };
	ssize_t sent;

	while (message.msg_iovlen) {
		sent = sendmsg(kemari.peer, &message, MSG_NOSIGNAL | flags);
		if (sent < 0) {
			if (errno == EINTR)
				continue;
			die("sending to the receiver");
		}
		while (message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
			message.msg_iov->iov_len -= sent;
		}
	}
	kemari.iov_count = 0;
	kemari.head_count = 0;
	kemari.list = NULL;
}

static void add(const void *data, size_t len)
{
	kemari.iov[kemari.iov_count++] = (struct iovec){ (void *)data, len };
}

/* With room for what belongs to it. */
static struct kemari_head *add_head(u32 kind, u64 at, u32 count)
{
	struct kemari_head *head;

	if (kemari.head_count == HEADS_MAX || kemari.iov_count + 3 > IOV_COUNT)
		push(MSG_MORE);
	head = &kemari.heads[kemari.head_count++];
	*head = (struct kemari_head){
		.magic = KEMARI_MAGIC, .kind = kind, .at = at, .count = count,
	};
	add(head, sizeof(*head));
	kemari.list = NULL;
	return head;
}

static void wait_ack(u64 at)
{
	struct kemari_head ack;
	size_t done = 0;
	ssize_t got;

	while (done < sizeof(ack)) {
		got = recv(kemari.peer, (char *)&ack + done, sizeof(ack) - done, 0);
		if (!got || (got < 0 && errno != EINTR))
			die("the receiver is gone");
		done += got > 0 ? got : 0;
	}
	if (ack.magic != KEMARI_MAGIC || ack.kind != KEMARI_ACK || ack.at != at)
		die("the receiver doesn't acknowledge");
}

static void connect_peer(void)
{
	const char *peer = getenv("KEMARI_PEER");
	struct sockaddr_in address = { .sin_family = AF_INET };
	char host[64];
	int port, on = 1;

	if (!peer || sscanf(peer, "%63[0-9.]:%d", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die("KEMARI_PEER=ADDRESS:PORT is missing");
	address.sin_port = htons(port);
	kemari.peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (kemari.peer < 0 ||
	    connect(kemari.peer, (struct sockaddr *)&address, sizeof(address)))
		die("%s", peer);
	setsockopt(kemari.peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	add_head(KEMARI_HELLO, memory_end(), 0);
	push(0);
}

/* --- Pages --- */

static void send_page(u64 gpa)
{
	void *page = memory_at(gpa, PAGE);

	/* Marked, and beyond the end of memory. */
	if (!page)
		return;
	if (kemari.iov_count == IOV_COUNT || (kemari.list &&
					      kemari.list->count == KEMARI_PAGES_MAX))
		push(MSG_MORE);
	if (!kemari.list) {
		kemari.list = add_head(KEMARI_CONTINUE, kemari.transactions + 1, 0);
		add(kemari.pages, 0);
	}
	kemari.pages[kemari.list->count++] = gpa;
	/* What stands before the pages themselves: only these are behind it. */
	kemari.iov[kemari.iov_count - kemari.list->count].iov_len += sizeof(gpa);
	add(page, PAGE);
}

/* What the VMM has written in these pages, which KVM doesn't know. */
static u64 marked(u64 page)
{
	u64 *word = (u64 *)((char *)vmm.area + vmm.area->bitmap) + page / WORD_BITS;

	return *word ? __atomic_exchange_n(word, 0, __ATOMIC_ACQUIRE) : 0;
}

static void send_slot(u32 slot, u64 gpa, u64 size)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = kemari.log[slot] };
	u64 at, bits;

	if (!size)
		return;
	must(vmm.vm, KVM_GET_DIRTY_LOG, &log, "KVM_GET_DIRTY_LOG");
	for (at = 0; at < size / PAGE; at += WORD_BITS) {
		bits = kemari.log[slot][at / WORD_BITS] | marked(gpa / PAGE + at);
		for (; bits; bits &= bits - 1)
			send_page(gpa + (at + __builtin_ctzll(bits)) * PAGE);
	}
}

/* Once: all that was ever written. What wasn't isn't to be read, that would fill it. */
static void mark_all(u64 gpa, u64 size)
{
	u8 *present;
	u64 at;

	if (!size)
		return;
	present = make(size / PAGE);
	if (mincore(memory_at(gpa, size), size, present))
		die("which memory there is");
	for (at = 0; at < size; at += PAGE) {
		if (present[at / PAGE] & 1)
			memory_written(gpa + at, PAGE);
	}
	free(present);
}

static void log_slot(u32 slot, u64 gpa, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = KVM_MEM_LOG_DIRTY_PAGES, .guest_phys_addr = gpa,
		.memory_size = size,
	};

	if (!size)
		return;
	region.userspace_addr = (uintptr_t)memory_at(gpa, size);
	must(vmm.vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_MEM_LOG_DIRTY_PAGES");
	kemari.log[slot] = make(size / PAGE / 8 + sizeof(u64));
}

/* --- The state of vcpus --- */

static void put_state(int fd, unsigned long request, void *data, u32 len)
{
	must(fd, request, data, "the state of a vcpu");
	blob_put(&kemari.state, data, len);
}

static void save_vcpu(const struct vcpu *vcpu)
{
	union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_xsave xsave;
		struct kvm_xcrs xcrs;
		struct kvm_lapic_state lapic;
		struct kvm_debugregs debugregs;
		struct kvm_vcpu_events events;
		struct kvm_mp_state mp;
	} data;

	put_state(vcpu->fd, KVM_GET_MP_STATE, &data, sizeof(data.mp));
	put_state(vcpu->fd, KVM_GET_REGS, &data, sizeof(data.regs));
	put_state(vcpu->fd, KVM_GET_SREGS, &data, sizeof(data.sregs));
	put_state(vcpu->fd, KVM_GET_XSAVE, &data, sizeof(data.xsave));
	put_state(vcpu->fd, KVM_GET_XCRS, &data, sizeof(data.xcrs));
	put_state(vcpu->fd, KVM_GET_LAPIC, &data, sizeof(data.lapic));
	put_state(vcpu->fd, KVM_GET_DEBUGREGS, &data, sizeof(data.debugregs));
	put_state(vcpu->fd, KVM_GET_VCPU_EVENTS, &data, sizeof(data.events));
	must(vcpu->fd, KVM_GET_MSRS, kemari.msrs, "KVM_GET_MSRS");
	blob_put(&kemari.state, kemari.msrs->entries,
		 kemari.msrs->nmsrs * sizeof(kemari.msrs->entries[0]));
}

static void save_vm(void)
{
	struct kvm_clock_data clock;
	struct kvm_irqchip chip = { 0 };
	struct kvm_pit_state2 pit;

	for (chip.chip_id = 0; chip.chip_id < CHIPS; chip.chip_id++)
		put_state(vmm.vm, KVM_GET_IRQCHIP, &chip, sizeof(chip));
	put_state(vmm.vm, KVM_GET_PIT2, &pit, sizeof(pit));
	put_state(vmm.vm, KVM_GET_CLOCK, &clock, sizeof(clock));
}

static void save_state(void)
{
	u32 i;

	kemari.state.at = 0;
	for (i = 0; i < vmm.options.vcpus; i++)
		save_vcpu(&vmm.vcpus[i]);
	save_vm();
	devices_save(&kemari.state);
	if (kemari.state.bad)
		die("the state doesn't fit");
}

/* Which MSRs there are, and which of them can be read. */
static void find_msrs(void)
{
	struct kvm_msr_list *list = make(sizeof(*list) + MSRS_MAX * sizeof(u32));
	struct kvm_msrs *one = make(sizeof(*one) + sizeof(one->entries[0]));
	u32 i;

	list->nmsrs = MSRS_MAX;
	must(vmm.kvm, KVM_GET_MSR_INDEX_LIST, list, "KVM_GET_MSR_INDEX_LIST");
	kemari.msrs = make(sizeof(*kemari.msrs) + list->nmsrs * sizeof(one->entries[0]));
	one->nmsrs = 1;
	for (i = 0; i < list->nmsrs; i++) {
		one->entries[0].index = list->indices[i];
		if (ioctl(vmm.vcpus[0].fd, KVM_GET_MSRS, one) == 1)
			kemari.msrs->entries[kemari.msrs->nmsrs++].index = list->indices[i];
	}
	free(list);
	free(one);
}

/* --- A standstill --- */

/* An instruction that made an exit is done when it was told what came of that. */
static void complete_exit(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	while (!ioctl(vcpu->fd, KVM_RUN, 0))
		vcpu_emulate(vcpu);
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

/* With the lock: while others want it. */
static void stand(struct vcpu *vcpu)
{
	if (!kemari.standstill)
		return;
	pthread_mutex_unlock(&kemari.lock);
	complete_exit(vcpu);
	pthread_mutex_lock(&kemari.lock);
	kemari.standing++;
	pthread_cond_signal(&kemari.still);
	while (kemari.standstill)
		pthread_cond_wait(&kemari.go, &kemari.lock);
	kemari.standing--;
}

static void kick_others(const struct vcpu *vcpu)
{
	u32 i;

	for (i = 0; i < vmm.options.vcpus; i++) {
		if (&vmm.vcpus[i] != vcpu)
			vcpu_kick(&vmm.vcpus[i]);
	}
}

/* With the lock: when this returns nothing else moves. */
static void begin_standstill(struct vcpu *vcpu)
{
	kemari.standstill = true;
	pthread_mutex_unlock(&kemari.lock);
	kick_others(vcpu);
	complete_exit(vcpu);
	pthread_mutex_lock(&kemari.lock);
	while (kemari.standing < vmm.options.vcpus - 1 || kemari.entered)
		pthread_cond_wait(&kemari.still, &kemari.lock);
}

static void end_standstill(void)
{
	kemari.standstill = false;
	pthread_cond_broadcast(&kemari.go);
}

/* --- Transactions --- */

/* While nothing moves. */
static void transaction(void)
{
	u64 at = kemari.transactions + 1;

	__atomic_store_n(&vmm.area->epoch, at, __ATOMIC_RELEASE);
	add_head(KEMARI_BEGIN, at, 0);
	send_slot(0, 0, memory_low());
	send_slot(1, MEMORY_HIGH, memory_high());
	save_state();
	add_head(KEMARI_STATE, at, kemari.state.at);
	add(kemari.state.data, kemari.state.at);
	add_head(KEMARI_COMMIT, at, 0);
	push(0);
	wait_ack(at);
	pthread_mutex_lock(&kemari.lock);
	kemari.transactions = at;
	__atomic_store_n(&vmm.area->committed, at, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&kemari.committed);
	pthread_mutex_unlock(&kemari.lock);
}

/* The tickets of this vcpu's output; the last of them. While nothing moves. */
static u64 give_tickets(struct vcpu *vcpu)
{
	u64 next = kemari.transactions + 1;

	if (!kemari.batched)
		return devices_tickets(vcpu->id, next, 1) - 1;
	devices_gather(vcpu);
	devices_adopt(vcpu->id);
	devices_ticket(vcpu->id, next);
	return next;
}

/*
 * With the lock: as many transactions as this vcpu's output takes. In between what they
 * permit leaves, and is told done.
 */
static void commit_output(struct vcpu *vcpu)
{
	u64 last = 0;

	while (vcpu->output || kemari.transactions < last) {
		stand(vcpu);
		begin_standstill(vcpu);
		pthread_mutex_unlock(&kemari.lock);
		if (vcpu->output)
			last = give_tickets(vcpu);
		vcpu->output = false;
		transaction();
		vcpu->saves++;
		pthread_mutex_lock(&kemari.lock);
		end_standstill();
	}
}

/* --- What ft.h promises --- */

void ft_bind(u64 state_max)
{
	u64 pages = (memory_end() + PAGE - 1) / PAGE;
	u64 bitmap = (pages / WORD_BITS + 1) * sizeof(u64);
	u64 summary = (pages / (WORD_BITS * WORD_BITS) + 1) * sizeof(u64);

	if (!vmm.options.dirty_log || vmm.options.standby)
		die("this takes --dirty log, and has no standby");
	/* What memory_written() writes to. */
	vmm.area = make(sizeof(*vmm.area) + bitmap + summary);
	*vmm.area = (struct kvmft_area){
		.state = KVMFT_AREA_PROTECTED, .gpa_end = memory_end(),
		.bitmap = sizeof(*vmm.area), .summary = sizeof(*vmm.area) + bitmap,
	};
	kemari.batched = !strcmp(getenv("KEMARI_BATCHED") ?: "", "1");
	kemari.state.len = KEMARI_STATE_MAX;
	/* What a request has of guest memory was sent with that; so is it replayed. */
	kemari.state.lean = true;
	if (state_max + (vmm.options.vcpus + 1) * REGISTERS_MAX > KEMARI_STATE_MAX)
		die("so much device state is more than the receiver takes");
	kemari.state.data = make(kemari.state.len);
	log_slot(0, 0, memory_low());
	log_slot(1, MEMORY_HIGH, memory_high());
	mark_all(0, memory_low());
	mark_all(MEMORY_HIGH, memory_high());
	find_msrs();
	connect_peer();
}

void ft_before_run(struct vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	pthread_mutex_lock(&kemari.lock);
	stand(vcpu);
	commit_output(vcpu);
	pthread_mutex_unlock(&kemari.lock);
}

bool ft_holds(void)
{
	return false;
}

/* Part of batching: what isn't told waits for a transaction of its own. */
bool ft_behind(void)
{
	return kemari.batched;
}

bool ft_defers(void)
{
	return false;
}

void ft_enter(void)
{
	pthread_mutex_lock(&kemari.lock);
	while (kemari.standstill)
		pthread_cond_wait(&kemari.go, &kemari.lock);
	kemari.entered++;
	pthread_mutex_unlock(&kemari.lock);
}

void ft_leave(void)
{
	pthread_mutex_lock(&kemari.lock);
	if (!--kemari.entered && kemari.standstill)
		pthread_cond_signal(&kemari.still);
	pthread_mutex_unlock(&kemari.lock);
}

bool ft_may_leave(u64 ticket)
{
	return ticket <= __atomic_load_n(&vmm.area->committed, __ATOMIC_ACQUIRE);
}

void ft_end(void)
{
}

void ft_wait(u64 ticket)
{
	struct timespec late;

	clock_gettime(CLOCK_REALTIME, &late);
	late.tv_sec += WAIT_S;
	pthread_mutex_lock(&kemari.lock);
	if (!ft_may_leave(ticket))
		pthread_cond_timedwait(&kemari.committed, &kemari.lock, &late);
	pthread_mutex_unlock(&kemari.lock);
}
