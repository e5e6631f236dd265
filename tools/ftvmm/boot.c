// SPDX-License-Identifier: GPL-2.0
#include "boot.h"

#include <asm/bootparam.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi.h"
#include "memory.h"

/* Below 640 KiB nothing else is; ACPI's tables are above. */
#define GDT 0x500
#define ZERO_PAGE 0x7000
#define STACK 0x8ff0
#define TABLES 0x9000
#define CMDLINE 0x20000
#define CMDLINE_MAX 0x1000
#define LOW_END 0x9fc00
#define HIGH_BEGIN 0x100000

/* Where a processor begins, and where a kernel jumps to that knows no better reset. */
#define RESET_VECTOR 0xffff0

#define HEADER_MAGIC 0x53726448
#define ENTRY_64 0x200
#define LOADER_OTHER 0xff
#define INITRD_MAX 0x7fffffffUL

#define PTE_TABLE 0x03
#define PTE_HUGE 0x83
#define CR0_PE 0x1
#define CR0_ET 0x10
#define CR0_PG 0x80000000
#define CR4_PAE 0x20
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18

#define MSR_MISC_ENABLE 0x1a0
#define MISC_FAST_STRINGS 1
#define MSR_MTRR_DEFAULT 0x2ff
#define MTRR_ENABLED BIT(11)
#define MTRR_WRITE_BACK 6

static void *at(u64 gpa, u64 len)
{
	void *host = memory_at(gpa, len);

	errno = 0;
	if (!host)
		die("the guest has too little memory");
	return host;
}

static u64 size_of(int fd, const char *path)
{
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		die("%s", path);
	return status.st_size;
}

static void read_all(int fd, const char *path, u64 offset, void *to, u64 len)
{
	ssize_t n;

	for (; len; len -= n, offset += n, to = (char *)to + n) {
		n = pread(fd, to, len, offset);
		if (n > 0)
			continue;
		if (!n)
			errno = EINVAL;
		die("%s", path);
	}
}

/* The header that says how it wants to be loaded, as it is to be given back. */
static void read_header(int fd, const char *path, struct setup_header *header)
{
	u8 sector[1024] = { 0 };
	u64 len;

	if (size_of(fd, path) < sizeof(sector))
		die("%s is no kernel", path);
	read_all(fd, path, 0, sector, sizeof(sector));
	/* Its length is where a jump over it leads to. */
	len = 0x202 + sector[0x201] - offsetof(struct boot_params, hdr);
	memset(header, 0, sizeof(*header));
	memcpy(header, sector + offsetof(struct boot_params, hdr),
	       len < sizeof(*header) ? len : sizeof(*header));
	errno = 0;
	if (header->header != HEADER_MAGIC || header->version < 0x20c ||
	    !(header->xloadflags & XLF_KERNEL_64))
		die("%s is no bzImage with a 64-bit entry", path);
}

static void load_kernel(int fd, const char *path, struct setup_header *header)
{
	u64 skip = ((u64)(header->setup_sects ? header->setup_sects : 4) + 1) * 512;
	u64 size = size_of(fd, path);
	u64 room;

	if (size <= skip)
		die("%s is no kernel", path);
	size -= skip;
	/* What it unpacks itself to begins where it is. */
	room = size > header->init_size ? size : header->init_size;
	at(header->pref_address, room);
	read_all(fd, path, skip, at(header->pref_address, size), size);
	header->code32_start = header->pref_address;
	header->type_of_loader = LOADER_OTHER;
	header->loadflags |= LOADED_HIGH;
}

static void load_initrd(struct setup_header *header)
{
	const char *path = vmm.options.initrd;
	u64 most = header->initrd_addr_max ? header->initrd_addr_max : INITRD_MAX;
	u64 size, begin;
	int fd;

	if (!path)
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = size_of(fd, path);
	if (most >= memory_low())
		most = memory_low() - 1;
	errno = 0;
	if (size > most || most + 1 - size < header->pref_address + header->init_size)
		die("the guest has too little memory for %s", path);
	begin = (most + 1 - size) & ~(PAGE - 1);
	read_all(fd, path, 0, at(begin, size), size);
	close(fd);
	header->ramdisk_image = begin;
	header->ramdisk_size = size;
}

static void add_range(struct boot_params *params, u64 begin, u64 end, u32 type)
{
	struct boot_e820_entry *entry = &params->e820_table[params->e820_entries];

	if (begin >= end)
		return;
	entry->addr = begin;
	entry->size = end - begin;
	entry->type = type;
	params->e820_entries++;
}

/* Identity, of the first 4 GiB. */
static void make_tables(void)
{
	u64 *pml4 = at(TABLES, 6 * PAGE), *pdpt = pml4 + 512, *pd = pdpt + 512, i;

	pml4[0] = (TABLES + PAGE) | PTE_TABLE;
	for (i = 0; i < 4; i++)
		pdpt[i] = (TABLES + (2 + i) * PAGE) | PTE_TABLE;
	for (i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | PTE_HUGE;
}

static void make_gdt(void)
{
	u64 *gdt = at(GDT, 4 * sizeof(*gdt));

	gdt[SELECTOR_CODE / 8] = 0x00af9b000000ffff;
	gdt[SELECTOR_DATA / 8] = 0x00cf93000000ffff;
}

/*
 * A kernel on reduced-hardware ACPI believes that EFI resets it, and without EFI that
 * the BIOS does. Real mode: mov dx, port; mov al, 1; out dx, al; hlt; jmp to the hlt
 */
static void make_reset_vector(void)
{
	const u16 port = ACPI_PORTS + ACPI_RESET;
	const u8 code[] = { 0xba, port & 0xff, port >> 8, 0xb0, 1, 0xee, 0xf4, 0xeb, 0xfd };

	memcpy(at(RESET_VECTOR, sizeof(code)), code, sizeof(code));
}

void boot_load(void)
{
	const char *path = vmm.options.kernel, *cmdline = vmm.options.cmdline;
	struct boot_params *params = at(ZERO_PAGE, sizeof(*params));
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	read_header(fd, path, &params->hdr);
	load_kernel(fd, path, &params->hdr);
	close(fd);
	load_initrd(&params->hdr);
	if (strlen(cmdline) >= CMDLINE_MAX)
		die("the command line is too long");
	strcpy(at(CMDLINE, CMDLINE_MAX), cmdline);
	params->hdr.cmd_line_ptr = CMDLINE;

	add_range(params, 0, LOW_END, 1);
	add_range(params, ACPI_BASE, HIGH_BEGIN, 2);
	add_range(params, HIGH_BEGIN, memory_low(), 1);
	add_range(params, MEMORY_HIGH, MEMORY_HIGH + memory_high(), 1);
	params->acpi_rsdp_addr = acpi_load();
	make_tables();
	make_gdt();
	make_reset_vector();
}

static void set_segment(struct kvm_segment *segment, u16 selector, u8 type, bool code)
{
	*segment = (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
		.s = 1, .g = 1, .l = code, .db = !code,
	};
}

static void set_long_mode(int fd)
{
	struct kvm_sregs sregs;

	must(fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	set_segment(&sregs.cs, SELECTOR_CODE, 11, true);
	set_segment(&sregs.ds, SELECTOR_DATA, 3, false);
	sregs.es = sregs.ds;
	sregs.ss = sregs.ds;
	sregs.fs = sregs.ds;
	sregs.gs = sregs.ds;
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 4 * 8 - 1;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.cr3 = TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.efer = EFER_LME | EFER_LMA;
	must(fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
}

static void set_msr(int fd, u32 index, u64 value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	/* A processor that doesn't have it doesn't need it. */
	ioctl(fd, KVM_SET_MSRS, &msrs);
}

static u64 kernel_entry(void)
{
	struct boot_params *params = at(ZERO_PAGE, sizeof(*params));

	return params->hdr.pref_address + ENTRY_64;
}

void boot_vcpu(int fd, u32 id)
{
	struct kvm_regs regs = { .rflags = 2, .rsi = ZERO_PAGE, .rsp = STACK };

	set_msr(fd, MSR_MISC_ENABLE, MISC_FAST_STRINGS);
	set_msr(fd, MSR_MTRR_DEFAULT, MTRR_ENABLED | MTRR_WRITE_BACK);
	if (id || vmm.options.standby)
		return;
	set_long_mode(fd);
	regs.rip = kernel_entry();
	must(fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}
