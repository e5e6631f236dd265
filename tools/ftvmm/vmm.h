/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm: what the parts of ftvmm share, and how it begins and ends.
 *
 * Contract: options are set by main.c before anything else and never changed. All
 * other state hangs on the one struct vmm. Whatever can't go on says why and ends
 * the process (die()).
 */
#ifndef FTVMM_VMM_H
#define FTVMM_VMM_H

#include <linux/kvm.h>
#include <linux/kvmft.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n) (1U << (n))
#define PAGE 4096UL
#define MIB 1048576UL
#define GIB (1024 * MIB)
#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define VCPUS_MAX 8
#define MEMORY_LEAST (64 * MIB)
#define MEMORY_MAX (16 * GIB)
#define NETS_MAX 3
#define DISKS_MAX 4
/* Those, and the random numbers: the I/O APIC has eight interrupts that nobody else has. */
#define DEVICES_MAX (NETS_MAX + DISKS_MAX + 1)

/* How the process ends. */
enum status {
	STATUS_OFF = 0,
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_REBOOT = 3,
	STATUS_FAULT = 4,
	STATUS_QUIT = 5,
};

/* What is output, and waits for its epoch. */
enum output_kind { OUTPUT_NET = 1, OUTPUT_BLK = 2, OUTPUT_CONSOLE = 4 };

struct net_options {
	const char *tap;
	u8 mac[6];
};

struct disk_options {
	const char *path;
	bool read_only, cached;
};

struct options {
	const char *kernel, *initrd, *cmdline, *console, *control;
	u64 memory;
	u32 vcpus, ring, outputs, behind_ms;
	bool dirty_log, hugepages, standby, ft_required, kvmft;
	struct net_options nets[NETS_MAX];
	struct disk_options disks[DISKS_MAX];
	unsigned int net_count, disk_count;
};

/* Of all outboxes of disks. */
#define PROMISES_MAX (DISKS_MAX * 256)

/**
 * struct promises - what promise.c keeps
 * @lock: Of what follows.
 * @last: The number that was given last.
 * @open: Those that aren't kept, by rising numbers.
 * @count: How many.
 */
struct promises {
	pthread_mutex_t lock;
	u64 last;
	u64 open[PROMISES_MAX];
	u32 count;
};

struct bus;
struct memory;
struct serial;
struct vcpu;
struct virtio;
struct outbox;

/**
 * struct vmm - the one that this process is
 * @options: What was asked for.
 * @kvm: Descriptor of /dev/kvm.
 * @vm: Descriptor of the VM.
 * @ft: Descriptor of /dev/kvmft, -1 if there is none.
 * @area: What is shared with the module; NULL if there is none.
 * @loaded: A standby that has taken the device state, and is the guest's only VMM.
 * @protected: The guest was protected at least once.
 * @leaving: Requests of outboxes that may be on their way out.
 * @deferring: A vcpu has output, and waits for a checkpoint that is on its way.
 * @deferral: Of that, for who waits for it.
 * @deferred: The same.
 * @ticket: The last that the hook gave.
 * @permitted: When output was last permitted, by CLOCK_BOOTTIME; 0 if none was.
 * @paused: Vcpus stand still because an operator wants it.
 * @memory: The guest's.
 * @bus: Who is at which address.
 * @vcpus: As many as @options says.
 * @serial: The console.
 * @devices: Virtio devices, in the order of their addresses.
 * @device_count: How many.
 * @ending: The outbox with the end of the guest.
 * @promises: What the guest was told too early.
 */
struct vmm {
	struct options options;
	int kvm, vm, ft;
	struct kvmft_area *area;
	bool loaded, protected, paused;
	int leaving;
	bool deferring;
	pthread_mutex_t deferral;
	pthread_cond_t deferred;
	u64 ticket, permitted;
	struct memory *memory;
	struct bus *bus;
	struct vcpu *vcpus;
	struct serial *serial;
	struct virtio *devices[DEVICES_MAX];
	unsigned int device_count;
	struct outbox *ending;
	struct promises promises;
};

extern struct vmm vmm;

/* Makes all that the options want, and runs it. */
ATTRIBUTE(noreturn)
void vmm_run(void);

/* The end, from whichever thread. */
ATTRIBUTE(noreturn)
void vmm_end(int status);

/* Says it, with errno if that is set, and ends the process with STATUS_ERROR. */
ATTRIBUTE(format(printf, 1, 2), noreturn)
void die(const char *format, ...);

/* The same without an end. */
ATTRIBUTE(format(printf, 1, 2))
void say(const char *format, ...);

/* ioctl that must not fail. */
int must(int fd, unsigned long request, void *arg, const char *what);

/* Memory of zeroes, or the end. */
void *make(size_t size);

void start_thread(void *(*run)(void *), void *arg);
void sleep_us(unsigned int us);

#endif /* FTVMM_VMM_H */
