// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "boot.h"
#include "bus.h"
#include "control.h"
#include "devices.h"
#include "ft.h"
#include "memory.h"
#include "serial.h"
#include "vcpu.h"

/* Three pages that KVM wants on Intel's processors, below the firmware's place. */
#define TSS_ADDRESS 0xfffbd000UL
#define IDENTITY_MAP 0xfffbc000UL

struct vmm vmm = {
	.kvm = -1, .vm = -1, .ft = -1,
	.options = {
		.vcpus = 1, .memory = 512 * MIB, .ring = 4096, .kvmft = true, .behind_ms = 50,
		.outputs = OUTPUT_NET | OUTPUT_BLK, .console = "stdio",
		.cmdline = "console=ttyS0",
	},
	.deferral = PTHREAD_MUTEX_INITIALIZER, .deferred = PTHREAD_COND_INITIALIZER,
	.promises = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static void complain(const char *format, va_list args, int error)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "ftvmm: ");

	len += vsnprintf(text + len, sizeof(text) - len, format, args);
	if (error && len < (int)sizeof(text))
		snprintf(text + len, sizeof(text) - len, ": %s", strerror(error));
	fprintf(stderr, "%s\n", text);
}

void vmm_end(int status)
{
	serial_end();
	_exit(status);
}

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	complain(format, args, error);
	va_end(args);
	vmm_end(STATUS_ERROR);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args, 0);
	va_end(args);
}

int must(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s", what);
	return ret;
}

void *make(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		die("no memory");
	return memory;
}

void start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, arg);
	if (errno)
		die("a thread");
	pthread_detach(thread);
}

void sleep_us(unsigned int us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&time, NULL);
}

static void make_vm(void)
{
	struct kvm_enable_cap ring = {
		.cap = KVM_CAP_DIRTY_LOG_RING,
		.args = { vmm.options.ring * sizeof(struct kvm_dirty_gfn) },
	};
	struct kvm_pit_config pit = { 0 };
	u64 identity_map = IDENTITY_MAP;

	vmm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm.kvm < 0)
		die("/dev/kvm");
	vmm.vm = must(vmm.kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	must(vmm.vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map, "KVM_SET_IDENTITY_MAP_ADDR");
	must(vmm.vm, KVM_SET_TSS_ADDR, (void *)TSS_ADDRESS, "KVM_SET_TSS_ADDR");
	must(vmm.vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	must(vmm.vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	if (!vmm.options.dirty_log)
		must(vmm.vm, KVM_ENABLE_CAP, &ring, "KVM_CAP_DIRTY_LOG_RING");
}

static void end_by_signal(int signal)
{
	(void)signal;
	vmm_end(STATUS_QUIT);
}

void vmm_run(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, end_by_signal);
	signal(SIGINT, end_by_signal);
	make_vm();
	memory_make();
	bus_make();
	devices_make();
	if (!vmm.options.standby)
		boot_load();
	vcpu_make_all();
	ft_bind(devices_room());
	if (vmm.options.control)
		control_open(vmm.options.control);
	if (!vmm.options.standby)
		devices_start();
	vcpu_start_all();
	for (;;)
		pause();
}
