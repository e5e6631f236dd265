/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmm: what the parts of flatvmm share.
 *
 * Contract: options are set by main.c before anything else and never changed.
 * Whatever can't go on says why and ends the process (die()).
 */
#ifndef _VMM_H
#define _VMM_H

#include <linux/kvm.h>
#include <linux/kvmft.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define PAGE 4096UL
#define MIB 1048576UL
#define ATTRIBUTE(...) __attribute__((__VA_ARGS__))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

enum backing { BACKING_ANON, BACKING_SHMEM, BACKING_MEMFD, BACKING_THP, BACKING_HUGETLB };
enum dirty { DIRTY_RING, DIRTY_LOG };

struct options {
	const struct guest *guest;
	unsigned int vcpus;
	u64 memory;
	enum backing backing;
	enum dirty dirty;
	u32 ring;
	u32 seed;
	u32 pages;
	u32 spin, pace, rest;
	u64 outputs, stop_after;
	int odd;
	bool alias, rom, standby, hash, kvmft, poll, early, progress;
	const char *output, *control, *lockstep, *compare;
};

struct vcpu;
struct vmm;

/**
 * struct vmm - the one that this process is
 * @ft: Descriptor of /dev/kvmft, -1 if there is none.
 * @area: What is shared with the module; NULL if there is none.
 * @state: The device state in it. This and @state_max are copies, so that what
 *	scribbles over the area doesn't lead us astray.
 * @hostile: Something does.
 * @loaded: A standby that has taken the device state.
 * @one_call: The device state is sent with the first call: no other vcpu can change it.
 * @guest_errors: All error bits that the guest has told.
 * @want_pages: What PARAM_PAGES is to be, plus 1; for vcpu 0 to write.
 */
struct vmm {
	struct options options;
	int kvm, vm, ft;
	struct kvmft_area *area;
	void *state;
	u64 state_max, gpa_end;
	bool hostile, loaded, one_call;
	struct vcpu *vcpus;
	u32 guest_errors;
	u64 want_pages;
};

extern struct vmm vmm;

/* Says it, with errno if that is set, and ends the process with status 1. */
ATTRIBUTE(format(printf, 1, 2), noreturn)
void die(const char *format, ...);

/* The same without an end. */
ATTRIBUTE(format(printf, 1, 2))
void say(const char *format, ...);

/* ioctl that must not fail. */
int must(int fd, unsigned long request, void *arg, const char *what);

void start_thread(void *(*run)(void *), void *arg);
void sleep_us(unsigned int us);
u64 boot_ns(void);

/* That the VMM has written this; between enter and leave, or in a vcpu's thread. */
void written(u64 gpa, u64 len);

/* The end, from whichever thread; what may leave has left. */
ATTRIBUTE(noreturn)
void quit(int status);

#endif /* _VMM_H */
