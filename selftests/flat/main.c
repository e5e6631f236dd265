// SPDX-License-Identifier: GPL-2.0
/*
 * flatvmm - a VMM with tiny guests, each of which would tell if anything of it got
 * lost. Documentation/testing.rst has a chapter about it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "control.h"
#include "device.h"
#include "guest.h"
#include "hold.h"
#include "memory.h"
#include "odd.h"
#include "outbox.h"
#include "state.h"
#include "vcpu.h"
#include "vmm.h"

#define MEMORY_MAX (60ULL << 30)

struct vmm vmm = {
	.ft = -1,
	.options = {
		.vcpus = 1, .memory = 64 * MIB, .ring = 4096, .seed = 1, .pages = ~0U,
		.kvmft = true,
	},
};

static void complain(const char *format, va_list args, int error)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "flatvmm: ");

	len += vsnprintf(text + len, sizeof(text) - len - 1, format, args);
	if (error && len < (int)sizeof(text) - 1)
		len += snprintf(text + len, sizeof(text) - len - 1, ": %s", strerror(error));
	fprintf(stderr, "%s\n", text);
}

void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	complain(format, args, error);
	va_end(args);
	/* What it has done to itself shall not keep it from doing more. */
	while (vmm.hostile)
		pause();
	_exit(1);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args, 0);
	va_end(args);
}

void quit(int status)
{
	_exit(status);
}

int must(int fd, unsigned long request, void *arg, const char *what)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		die("%s", what);
	return ret;
}

void start_thread(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run, arg);
	if (errno)
		die("pthread_create");
	pthread_detach(thread);
}

void sleep_us(unsigned int us)
{
	struct timespec time = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&time, NULL);
}

u64 boot_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_BOOTTIME, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

void written(u64 gpa, u64 len)
{
	/* Where the bitmap is can't be known any more. */
	if (!vmm.hostile)
		kvmft_mark(vmm.area, gpa, len);
}

static void make_vm(void)
{
	struct kvm_enable_cap ring = {
		.cap = KVM_CAP_DIRTY_LOG_RING,
		.args = { vmm.options.ring * sizeof(struct kvm_dirty_gfn) },
	};
	struct kvm_pit_config pit = { 0 };

	vmm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vmm.kvm < 0)
		die("/dev/kvm");
	vmm.vm = must(vmm.kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	/* Without an irqchip a PIT can't be had either. */
	if (!odd_in(ODD_IRQCHIP))
		must(vmm.vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	if (!odd_in(ODD_IRQCHIP) && !odd_in(ODD_PIT))
		must(vmm.vm, KVM_CREATE_PIT2, &pit, "KVM_CREATE_PIT2");
	odd_vm(vmm.vm);
	if (vmm.options.dirty == DIRTY_RING)
		must(vmm.vm, KVM_ENABLE_CAP, &ring, "KVM_CAP_DIRTY_LOG_RING");
}

/* Without a module there is no area, and the device state is our own business. */
static void make_private_state(void)
{
	if (vmm.options.standby)
		die("a standby needs /dev/kvmft");
	vmm.state_max = STATE_MAX;
	vmm.state = malloc(STATE_MAX);
	if (!vmm.state)
		die("no memory");
}

static void bind_kvmft(void)
{
	struct kvmft_bind bind = {
		.size = sizeof(bind), .vm_fd = vmm.vm, .vcpus = vmm.options.vcpus,
		.flags = vmm.options.standby ? KVMFT_BIND_STANDBY : 0,
		/* Spare memory may come later. */
		.gpa_end = vmm.gpa_end < SPARE_END ? SPARE_END : vmm.gpa_end,
		.state_max = STATE_MAX,
	};

	if (vmm.options.kvmft)
		vmm.ft = open("/dev/kvmft", O_RDWR | O_CLOEXEC);
	if (vmm.ft < 0) {
		make_private_state();
		return;
	}
	if (must(vmm.ft, KVMFT_GET_API_VERSION, NULL, "kvmft") != KVMFT_API_VERSION)
		die("kvmft has another interface");
	must(vmm.ft, KVMFT_BIND, &bind, "KVMFT_BIND");
	vmm.area = mmap(NULL, bind.area_size, PROT_READ | PROT_WRITE, MAP_SHARED, vmm.ft, 0);
	if (vmm.area == MAP_FAILED)
		die("mapping the area");
	vmm.state = (char *)vmm.area + vmm.area->device_state;
	vmm.state_max = vmm.area->state_max;
	vmm.one_call = vmm.options.vcpus == 1;
}

static const char usage[] =
	"flatvmm [options]                 run a guest\n"
	"flatvmm ask SOCKET COMMAND...     ask one that runs: status, hash, dump FILE, pause,\n"
	"                                  resume, step, dirty N, forget GPA, quit,\n"
	"                                  slot add|remove|move, unlog, fork [hook], exec [keep],\n"
	"                                  linger MS,\n"
	"                                  breach blob|slot|unlog|vcpu|irqfd|ioeventfd,\n"
	"                                  scribble SEED [area run rings ioctls unmap close dawdle]\n"
	"  --guest NAME     counter, counter32, writer, wanderer, idle, devices, state or dma\n"
	"  --vcpus N        up to 64\n"
	"  --memory SIZE    with K, M or G\n"
	"  --dirty HOW      ring (for which it is made ready) or log\n"
	"  --ring ENTRIES   of each vcpu\n"
	"  --backing KIND   anon, shmem, memfd, thp or hugetlb\n"
	"  --alias          the begin of memory at a second address\n"
	"  --readonly-slot  a ROM\n"
	"  --odd IN         cpuid, leaf, msr, tsc, pit, quirks, switch or irqchip\n"
	"  --standby        wait to be promoted\n"
	"  --seed N         of all that is random\n"
	"  --pages N        written by each vcpu for each output\n"
	"  --spin N         let it be busy so long between outputs\n"
	"  --pace US        let a vcpu sleep so long after each output, unless it is protected\n"
	"  --rest US        the same, always\n"
	"  --output PLACE   a file, or tcp:ADDRESS:PORT\n"
	"  --outputs N      end after so many have left\n"
	"  --poll           wait for tickets by poll()\n"
	"  --control SOCKET listen there\n"
	"  --lockstep FILE  stop after each epoch, its hash as a line of the file\n"
	"  --progress       of a writer: count outputs during whose waiting it went on\n"
	"  --hash           put a hash of memory into the device state\n"
	"  --compare WHERE  compare memory with the standby's in each epoch; ADDRESS:PORT, where\n"
	"                   that listens\n"
	"  --stop-after N   stand still when so many epochs were compared\n"
	"  --early          let output out before it may leave\n"
	"  --no-kvmft       don't look for /dev/kvmft\n";

ATTRIBUTE(noreturn)
static void wrong(const char *option, const char *value)
{
	fprintf(stderr, "flatvmm: --%s %s\n%s", option, value ? value : "", usage);
	exit(2);
}

/* What a letter behind a number means. */
static unsigned int shift_of(char unit)
{
	return unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
}

static u64 number(const char *option, const char *text, u64 least, u64 most)
{
	char *end;
	u64 value = strtoull(text, &end, 0);
	unsigned int shift = shift_of(*end);

	if (end == text || end[!!shift] || value << shift < least || value << shift > most)
		wrong(option, text);
	return value << shift;
}

/* Which of the words, that end with a NULL, it is. */
static int choice(const char *option, const char *text, const char *const *words)
{
	int i;

	for (i = 0; words[i]; i++) {
		if (!strcmp(words[i], text))
			return i;
	}
	wrong(option, text);
}

static const char *const backings[] = { "anon", "shmem", "memfd", "thp", "hugetlb", NULL };
static const char *const dirties[] = { "ring", "log", NULL };

static const struct option names[] = {
	{ "guest", 1, NULL, 'g' }, { "vcpus", 1, NULL, 'v' }, { "memory", 1, NULL, 'm' },
	{ "dirty", 1, NULL, 'd' }, { "ring", 1, NULL, 'r' }, { "backing", 1, NULL, 'b' },
	{ "alias", 0, NULL, 'A' }, { "readonly-slot", 0, NULL, 'R' },
	{ "odd", 1, NULL, 'O' }, { "standby", 0, NULL, 'S' },
	{ "seed", 1, NULL, 's' }, { "pages", 1, NULL, 'p' },
	{ "spin", 1, NULL, 'i' }, { "output", 1, NULL, 'o' }, { "outputs", 1, NULL, 'n' },
	{ "poll", 0, NULL, 'P' }, { "control", 1, NULL, 'c' }, { "lockstep", 1, NULL, 'l' },
	{ "hash", 0, NULL, 'H' }, { "no-kvmft", 0, NULL, 'N' }, { "help", 0, NULL, 'h' },
	{ "compare", 1, NULL, 'C' }, { "stop-after", 1, NULL, 'a' }, { "early", 0, NULL, 'E' },
	{ "pace", 1, NULL, 'T' }, { "rest", 1, NULL, 'e' }, { "progress", 0, NULL, 'G' },
	{ NULL, 0, NULL, 0 },
};

static void set_flag(int option)
{
	struct options *o = &vmm.options;

	o->alias |= option == 'A';
	o->rom |= option == 'R';
	o->standby |= option == 'S';
	o->poll |= option == 'P';
	o->hash |= option == 'H';
	o->progress |= option == 'G';
	o->early |= option == 'E';
	o->kvmft &= option != 'N';
	if (option == 'h') {
		printf("%s", usage);
		exit(0);
	}
	if (option == '?')
		exit(2);
}

static bool set_number(int option, const char *name, const char *text)
{
	struct options *o = &vmm.options;

	switch (option) {
	case 'v':
		o->vcpus = number(name, text, 1, VCPUS_MAX);
		return true;
	case 'm':
		o->memory = number(name, text, LOW_LEAST, MEMORY_MAX) & ~(2 * MIB - 1);
		return true;
	case 'r':
		o->ring = number(name, text, 1, 65536);
		return true;
	case 's':
		o->seed = number(name, text, 0, UINT32_MAX);
		return true;
	case 'p':
		o->pages = number(name, text, 0, UINT32_MAX - 1);
		return true;
	case 'i':
		o->spin = number(name, text, 0, UINT32_MAX);
		return true;
	case 'T':
		o->pace = number(name, text, 0, 1000000);
		return true;
	case 'e':
		o->rest = number(name, text, 0, 1000000);
		return true;
	case 'n':
		o->outputs = number(name, text, 1, UINT64_MAX);
		return true;
	case 'a':
		o->stop_after = number(name, text, 1, UINT64_MAX);
		return true;
	}
	return false;
}

static void set_option(int option, const char *name, const char *text)
{
	struct options *o = &vmm.options;

	switch (option) {
	case 'g':
		o->guest = guest_find(text);
		if (!o->guest)
			wrong(name, text);
		return;
	case 'd':
		o->dirty = choice(name, text, dirties);
		return;
	case 'b':
		o->backing = choice(name, text, backings);
		return;
	case 'O':
		o->odd = choice(name, text, odds);
		return;
	case 'o':
		o->output = text;
		return;
	case 'c':
		o->control = text;
		return;
	case 'C':
		o->compare = text;
		return;
	case 'l':
		o->lockstep = text;
		o->hash = true;
		return;
	}
	if (!set_number(option, name, text))
		set_flag(option);
}

static void set_options(int argc, char **argv)
{
	struct options *o = &vmm.options;
	int option, index = 0;

	o->guest = guest_find("counter");
	while ((option = getopt_long(argc, argv, "", names, &index)) != -1)
		set_option(option, names[index].name, optarg);
	if (argv[optind])
		wrong("", argv[optind]);
	if (o->pages == ~0U)
		o->pages = o->guest->pages;
	else if (o->guest->least < 0 || o->pages < o->guest->least)
		wrong("pages", o->guest->name);
	if (o->progress && strcmp(o->guest->name, "writer"))
		wrong("progress", o->guest->name);
	if (OWN + ((u64)o->vcpus << OWN_SHIFT) > o->memory)
		wrong("memory", "of so many vcpus: 4M and 256K for each");
	if (o->guest->bits == 32 && o->memory > LOW_MAX)
		wrong("memory", "of a 32-bit guest: up to 3G");
}

int main(int argc, char **argv)
{
	/* Each line as it is made: the guest's host may die. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (argc >= 4 && !strcmp(argv[1], "ask"))
		return control_ask(argv[2], argv + 3);
	set_options(argc, argv);
	make_vm();
	memory_make();
	vcpu_make_all();
	bind_kvmft();
	if (!vmm.area && vmm.options.lockstep && vmm.options.vcpus > 1)
		die("lockstep of several vcpus needs /dev/kvmft");
	guest_load();
	if (vmm.options.lockstep)
		hold_lockstep(vmm.options.lockstep);
	outbox_open(vmm.options.output);
	if (vmm.options.compare)
		compare_open(vmm.options.compare);
	if (vmm.options.control)
		control_open(vmm.options.control);
	printf("ready %d%s\n", getpid(), vmm.area ? "" : " unprotected");
	if (!vmm.options.standby)
		device_start();
	vcpu_start_all();
	for (;;)
		pause();
}
