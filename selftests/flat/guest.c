// SPDX-License-Identifier: GPL-2.0
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "odd.h"

#define CPUID_MAX 256

#define PTE_PRESENT 0x001
#define PTE_WRITE 0x002
#define PTE_HUGE 0x080
/* Set already: page tables that the processor doesn't write to stay clean. */
#define PTE_USED 0x060
#define PTE_TABLE (PTE_PRESENT | PTE_WRITE | PTE_USED)
#define PTE_LEAF (PTE_TABLE | PTE_HUGE)

#define CR0_PE 0x1
#define CR0_MP 0x2
#define CR0_ET 0x10
#define CR0_NE 0x20
#define CR0_WP 0x10000
#define CR0_PG 0x80000000
#define CR4_PSE 0x10
#define CR4_PAE 0x20
#define CR4_OSFXSR 0x200
#define CR4_OSXMMEXCPT 0x400
#define CPUID_AVX 0x10000000
#define XCR0_AVX 0x7
#define EFER_SCE 0x1
#define EFER_LME 0x100
#define EFER_LMA 0x400

static const struct guest guests[] = {
	{ "counter", counter64, counter64_end, 64, 8, 1, false, false },
	{ "counter32", counter32, counter32_end, 32, 8, 1, false, false },
	{ "writer", writer, writer_end, 64, 64, 0, true, false },
	{ "wanderer", wanderer, wanderer_end, 64, 64, 1, true, false },
	{ "idle", idle, idle_end, 64, 0, -1, true, false },
	{ "devices", devices, devices_end, 64, 0, -1, true, false },
	{ "state", state, state_end, 64, 0, -1, true, false },
	{ "dma", dma, dma_end, 64, DMA_PAGES, -1, true, true },
};

const struct guest *guest_find(const char *name)
{
	const struct guest *guest;

	for (guest = guests; guest < guests + ARRAY_SIZE(guests); guest++) {
		if (!strcmp(guest->name, name))
			return guest;
	}
	return NULL;
}

/* Identity, with pages of 2 MiB; at least of 4 GiB, where the APICs are. */
static void make_tables_64(void)
{
	u64 *pml4 = memory_at(TABLES, TABLES_END - TABLES);
	u64 *pdpt = pml4 + 512, *pd = pdpt + 512;
	u64 gib = ((vmm.gpa_end - 1) >> 30) + 1, i;

	if (gib < 4)
		gib = 4;
	pml4[0] = (TABLES + PAGE) | PTE_TABLE;
	for (i = 0; i < gib; i++)
		pdpt[i] = (TABLES + (2 + i) * PAGE) | PTE_TABLE;
	for (i = 0; i < gib * 512; i++)
		pd[i] = (i << 21) | PTE_LEAF;
}

/* Identity, with pages of 4 MiB. */
static void make_tables_32(void)
{
	u32 *pd = memory_at(TABLES, PAGE);
	u32 i;

	for (i = 0; i < 1024; i++)
		pd[i] = (i << 22) | PTE_LEAF;
}

static void make_gdt(bool wide)
{
	u64 *gdt = memory_at(GDT, PAGE);

	gdt[1] = wide ? 0x00af9b000000ffff : 0x00cf9b000000ffff;
	gdt[2] = 0x00cf93000000ffff;
}

/* The part of vcpu i, of n, of pages at gpa. */
static void share(u64 *slice, u64 gpa, u64 pages, unsigned int i, unsigned int n)
{
	u64 each = pages / n;

	slice[0] = gpa + i * each * PAGE;
	slice[1] = each;
}

static void make_params(void)
{
	struct options *options = &vmm.options;
	u32 *param = memory_at(PARAM, PAGE);
	u64 big = options->memory < LOW_NEED ? OWN : BIG;
	unsigned int i;
	u64 *slice;

	param[(PARAM_SEED - PARAM) / 4] = options->seed;
	param[(PARAM_VCPUS - PARAM) / 4] = options->vcpus;
	param[(PARAM_FLAGS - PARAM) / 4] = (options->alias ? FLAG_ALIAS : 0) |
					   (options->rom ? FLAG_ROM : 0);
	param[(PARAM_PAGES - PARAM) / 4] = options->pages;
	param[(PARAM_SPIN - PARAM) / 4] = options->spin;
	for (i = 0; i < options->vcpus; i++) {
		slice = memory_at(PARAM_SLICES + (i << SLICE_SHIFT), 1 << SLICE_SHIFT);
		share(slice, big, (memory_low() - big) / PAGE, i, options->vcpus);
		share(slice + 2, HIGH, memory_high() / PAGE, i, options->vcpus);
	}
}

u64 guest_progress(u32 vcpu)
{
	const u64 *slice = memory_at(PARAM_SLICES + (vcpu << SLICE_SHIFT), 1 << SLICE_SHIFT);
	u64 i, sum = 0;

	for (i = 0; i < slice[1]; i++)
		sum += *(u32 *)memory_at(slice[0] + i * PAGE, sizeof(u32));
	return sum;
}

void guest_load(void)
{
	const struct guest *guest = vmm.options.guest;
	size_t len = guest->code_end - guest->code;

	if (len > CODE_MAX)
		die("the code of %s is too long", guest->name);
	memcpy(memory_at(CODE, len), guest->code, len);
	make_gdt(guest->bits == 64);
	if (guest->bits == 64)
		make_tables_64();
	else
		make_tables_32();
	make_params();
}

/* All that KVM can do, and an APIC id for each vcpu. Is there AVX? */
static bool set_cpuid(int fd, unsigned int id)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) +
					  CPUID_MAX * sizeof(cpuid->entries[0]));
	struct kvm_cpuid_entry2 *entry;
	bool avx = false;

	if (!cpuid)
		die("no memory");
	cpuid->nent = CPUID_MAX;
	must(vmm.kvm, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (entry = cpuid->entries; entry < cpuid->entries + cpuid->nent; entry++) {
		if (entry->function == 1) {
			entry->ebx = (entry->ebx & 0xffffff) | id << 24;
			avx = entry->ecx & CPUID_AVX;
		} else if (entry->function == 0xb || entry->function == 0x1f) {
			entry->edx = id;
		}
	}
	odd_cpuid(cpuid);
	must(fd, KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
	free(cpuid);
	return avx;
}

/*
 * The guest doesn't do it by XSETBV: where that doesn't exit, as in hosts that are
 * emulated, KVM doesn't learn of it, and the next exit undoes it. A standby's XCR0 is to
 * come from the primary.
 */
static void set_xcr0(int fd)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = XCR0_AVX } } };

	must(fd, KVM_SET_XCRS, &xcrs, "KVM_SET_XCRS");
}

static void set_segment(struct kvm_segment *segment, u16 selector, u8 type, bool wide)
{
	*segment = (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1,
		.s = 1, .g = 1, .l = wide && selector == 8, .db = !wide || selector != 8,
	};
}

static void set_segments(struct kvm_sregs *sregs, bool wide)
{
	set_segment(&sregs->cs, 8, 11, wide);
	set_segment(&sregs->ds, 16, 3, wide);
	sregs->es = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->ss = sregs->ds;
	sregs->gdt.base = GDT;
	sregs->gdt.limit = 3 * 8 - 1;
	sregs->idt.base = IDT;
	sregs->idt.limit = PAGE - 1;
}

static void set_modes(struct kvm_sregs *sregs, bool wide)
{
	sregs->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs->cr3 = TABLES;
	sregs->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | (wide ? CR4_PAE : CR4_PSE);
	sregs->efer = wide ? EFER_SCE | EFER_LME | EFER_LMA : 0;
}

void guest_start(int fd, unsigned int id)
{
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = {
		.rip = CODE, .rflags = 2, .rdi = id, .rsp = STACKS + (id + 1) * PAGE,
	};
	bool wide = vmm.options.guest->bits == 64;
	struct kvm_sregs sregs;

	if (set_cpuid(fd, id) && !vmm.options.standby)
		set_xcr0(fd);
	odd_vcpu(fd);
	must(fd, KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	set_segments(&sregs, wide);
	set_modes(&sregs, wide);
	must(fd, KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	must(fd, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	must(fd, KVM_SET_MP_STATE, &runnable, "KVM_SET_MP_STATE");
}
