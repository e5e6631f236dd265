// SPDX-License-Identifier: GPL-2.0
/*
 * ftvmm - a small VMM that boots Linux, and whose guest kvmft can protect. This is
 * what its options are.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "vmm.h"

#define BEHIND_MS_MAX 1000

static const char usage[] =
	"ftvmm --kernel BZIMAGE [options]   run a guest\n"
	"ftvmm ask SOCKET COMMAND           ask one that runs: status, waits,\n"
	"                                   pause, resume, quit\n"
	"  --kernel FILE      a bzImage\n"
	"  --initrd FILE\n"
	"  --cmdline TEXT     for the kernel (console=ttyS0)\n"
	"  --vcpus N          up to 8 (1)\n"
	"  --memory SIZE      with K, M or G: 64M to 16G (512M)\n"
	"  --hugepages        of 2 MiB, that the host has set aside\n"
	"  --dirty HOW        ring (for which it is made ready) or log\n"
	"  --ring ENTRIES     of each vcpu (4096)\n"
	"  --console WHERE    stdio, pty, none or file:PATH (stdio)\n"
	"  --net TAP[,mac=M]  a network device on a tap; up to 3\n"
	"  --disk PATH[,ro][,cached]\n"
	"                     a disk on a file or block device; up to 4. Without \"cached\"\n"
	"                     it is opened past the page cache, if that is possible\n"
	"  --output KINDS     what is output: some of net,blk,console (net,blk)\n"
	"  --write-behind MS  for so long a write to a disk may wait for a checkpoint, while\n"
	"                     the guest is told that it is done; 0: it isn't told (50)\n"
	"  --control SOCKET   listen there\n"
	"  --standby          wait to be promoted; all else as on the other host\n"
	"  --ft-required      don't run, and let nothing out, unless protected\n"
	"  --no-kvmft         don't look for /dev/kvmft\n";

ATTRIBUTE(noreturn)
static void wrong(const char *option, const char *value)
{
	fprintf(stderr, "ftvmm: --%s %s: not possible; --help has the options\n", option,
		value ? value : "");
	exit(STATUS_USAGE);
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

	if (end == text || end[!!shift] || value > most >> shift || value << shift < least)
		wrong(option, text);
	return value << shift;
}

static void set_mac(struct net_options *net, const char *text)
{
	u8 *mac = net->mac;
	int len = 0;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%n", mac, mac + 1, mac + 2, mac + 3,
		   mac + 4, mac + 5, &len) != 6 || text[len] || mac[0] & 1)
		wrong("net", text);
}

static void add_net(char *text)
{
	static const u8 mac[] = { 0x52, 0x54, 0x00, 0x6b, 0x76, 0x00 };
	struct options *options = &vmm.options;
	struct net_options *net;
	char *part;

	if (options->net_count == NETS_MAX)
		wrong("net", text);
	net = &options->nets[options->net_count];
	memcpy(net->mac, mac, sizeof(mac));
	net->mac[5] = options->net_count++;
	net->tap = strsep(&text, ",");
	while ((part = strsep(&text, ","))) {
		if (strncmp(part, "mac=", 4))
			wrong("net", part);
		set_mac(net, part + 4);
	}
}

static void add_disk(char *text)
{
	struct options *options = &vmm.options;
	struct disk_options *disk;
	char *part;

	if (options->disk_count == DISKS_MAX)
		wrong("disk", text);
	disk = &options->disks[options->disk_count++];
	disk->path = strsep(&text, ",");
	while ((part = strsep(&text, ","))) {
		if (!strcmp(part, "ro"))
			disk->read_only = true;
		else if (!strcmp(part, "cached"))
			disk->cached = true;
		else
			wrong("disk", part);
	}
}

static void set_outputs(char *text)
{
	static const char *const names[] = { "net", "blk", "console" };
	unsigned int i;
	char *part;

	vmm.options.outputs = 0;
	while ((part = strsep(&text, ","))) {
		for (i = 0; i < ARRAY_SIZE(names) && strcmp(part, names[i]); i++)
			;
		if (i == ARRAY_SIZE(names))
			wrong("output", part);
		vmm.options.outputs |= 1U << i;
	}
}

static void set_dirty(const char *text)
{
	vmm.options.dirty_log = !strcmp(text, "log");
	if (!vmm.options.dirty_log && strcmp(text, "ring"))
		wrong("dirty", text);
}

static void set_ring(const char *text)
{
	vmm.options.ring = number("ring", text, 1024, 65536);
	if (vmm.options.ring & (vmm.options.ring - 1))
		wrong("ring", text);
}

static void set_console(const char *text)
{
	if (strcmp(text, "stdio") && strcmp(text, "pty") && strcmp(text, "none") &&
	    strncmp(text, "file:", 5))
		wrong("console", text);
	vmm.options.console = text;
}

static const struct option names[] = {
	{ "kernel", 1, NULL, 'k' }, { "initrd", 1, NULL, 'i' }, { "cmdline", 1, NULL, 'c' },
	{ "vcpus", 1, NULL, 'v' }, { "memory", 1, NULL, 'm' }, { "hugepages", 0, NULL, 'H' },
	{ "dirty", 1, NULL, 'd' }, { "ring", 1, NULL, 'r' }, { "console", 1, NULL, 'C' },
	{ "net", 1, NULL, 'n' }, { "disk", 1, NULL, 'D' }, { "output", 1, NULL, 'o' },
	{ "write-behind", 1, NULL, 'b' }, { "control", 1, NULL, 's' }, { "standby", 0, NULL, 'S' },
	{ "ft-required", 0, NULL, 'F' }, { "no-kvmft", 0, NULL, 'N' },
	{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 },
};

static void set_flag(int option)
{
	struct options *options = &vmm.options;

	options->hugepages |= option == 'H';
	options->standby |= option == 'S';
	options->ft_required |= option == 'F';
	options->kvmft &= option != 'N';
	if (option == 'h') {
		printf("%s", usage);
		exit(STATUS_OFF);
	}
	if (option == '?')
		exit(STATUS_USAGE);
}

static void set_option(int option, char *text)
{
	struct options *options = &vmm.options;

	switch (option) {
	case 'k':
		options->kernel = text;
		return;
	case 'i':
		options->initrd = text;
		return;
	case 'c':
		options->cmdline = text;
		return;
	case 'v':
		options->vcpus = number("vcpus", text, 1, VCPUS_MAX);
		return;
	case 'm':
		options->memory = number("memory", text, MEMORY_LEAST, MEMORY_MAX) &
				  ~(2 * MIB - 1);
		return;
	case 'd':
		set_dirty(text);
		return;
	case 'r':
		set_ring(text);
		return;
	case 'C':
		set_console(text);
		return;
	case 'n':
		add_net(text);
		return;
	case 'D':
		add_disk(text);
		return;
	case 'o':
		set_outputs(text);
		return;
	case 'b':
		options->behind_ms = number("write-behind", text, 0, BEHIND_MS_MAX);
		return;
	case 's':
		options->control = text;
		return;
	}
	set_flag(option);
}

int main(int argc, char **argv)
{
	int option;

	if (argc == 4 && !strcmp(argv[1], "ask"))
		return control_ask(argv[2], argv[3]);
	while ((option = getopt_long(argc, argv, "", names, NULL)) != -1)
		set_option(option, optarg);
	if (argv[optind])
		wrong(argv[optind], NULL);
	if (!vmm.options.kernel)
		wrong("kernel", "FILE");
	vmm_run();
}
