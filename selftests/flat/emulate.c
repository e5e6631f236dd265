// SPDX-License-Identifier: GPL-2.0
#include "emulate.h"

#include <string.h>

#include "guest.h"
#include "memory.h"
#include "outbox.h"

static void put_out(struct vcpu *vcpu, u32 value)
{
	if (vmm.options.guest->numbered)
		__atomic_fetch_or(&vmm.guest_errors, value & 0xff, __ATOMIC_RELAXED);
	vcpu->state.outputs++;
	vcpu->output = true;
	outbox_add(vcpu->id, value);
}

static u32 next_word(struct vcpu *vcpu)
{
	return vcpu->state.dwords++ * MIX_A ^ vmm.options.seed;
}

static u8 next_byte(struct vcpu *vcpu)
{
	return vcpu->state.bytes++ * MIX_BYTE + vmm.options.seed;
}

static void take_byte(struct vcpu *vcpu, u8 byte)
{
	struct vcpu_state *state = &vcpu->state;

	state->partial |= (u32)byte << 8 * state->partial_count;
	if (++state->partial_count < 4)
		return;
	put_out(vcpu, state->partial);
	state->partial = 0;
	state->partial_count = 0;
}

static bool port(struct vcpu *vcpu, u16 at, bool out, unsigned int size, u8 *data)
{
	u32 word;

	if (at == PORT_OUT && out && size == 4) {
		memcpy(&word, data, sizeof(word));
		put_out(vcpu, word);
	} else if (at == PORT_BYTES && out && size == 1) {
		take_byte(vcpu, *data);
	} else if (at == PORT_IN && !out && size == 4) {
		word = next_word(vcpu);
		memcpy(data, &word, sizeof(word));
	} else if (at == PORT_IN_BYTES && !out && size == 1) {
		*data = next_byte(vcpu);
	} else {
		return false;
	}
	return true;
}

static void emulate_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u8 *data = (u8 *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT;
	u32 i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (!port(vcpu, run->io.port, out, run->io.size, data))
			die("vcpu %u: %s of %u bytes at port 0x%x", vcpu->id,
			    out ? "output" : "input", run->io.size, run->io.port);
	}
}

/* The first half is kept with a mark above it; the second must be its complement. */
static void take_half(struct vcpu *vcpu, bool second, u32 word)
{
	u64 *crossing = &vcpu->state.crossing;

	if (!second) {
		*crossing = 1ULL << 32 | word;
		return;
	}
	if (*crossing != (1ULL << 32 | (u32)~word))
		die("vcpu %u: halves of a write don't belong together", vcpu->id);
	*crossing = 0;
	put_out(vcpu, ~word);
}

static bool mmio(struct vcpu *vcpu, u64 gpa, bool out, u8 *data)
{
	bool crossing = gpa == MMIO_CROSS || gpa == MMIO_CROSS + 4;
	u32 word;

	if (out) {
		memcpy(&word, data, sizeof(word));
		if (gpa == MMIO_OUT)
			put_out(vcpu, word);
		else if (crossing)
			take_half(vcpu, gpa != MMIO_CROSS, word);
		else
			return false;
	} else if (gpa == MMIO_IN || crossing) {
		word = next_word(vcpu);
		memcpy(data, &word, sizeof(word));
	} else {
		return false;
	}
	return true;
}

/* A write to the ROM is done by the VMM, as a flash device would. */
static bool write_rom(u64 gpa, const u8 *data, u32 len)
{
	void *at = gpa >= ROM && gpa < ROM + ROM_SIZE ? memory_at(gpa, len) : NULL;

	if (!at)
		return false;
	memcpy(at, data, len);
	written(gpa, len);
	return true;
}

static void emulate_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 gpa = run->mmio.phys_addr;
	u32 len = run->mmio.len;

	if (run->mmio.is_write && write_rom(gpa, run->mmio.data, len))
		return;
	if (len != 4 || !mmio(vcpu, gpa, run->mmio.is_write, run->mmio.data))
		die("vcpu %u: %s of %u bytes at 0x%llx", vcpu->id,
		    run->mmio.is_write ? "write" : "read", len, (unsigned long long)gpa);
}

ATTRIBUTE(noreturn)
static void give_up(struct vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	die("vcpu %u: exit %u at rip 0x%llx, rax 0x%llx, rcx 0x%llx, rsp 0x%llx", vcpu->id,
	    vcpu->run->exit_reason, regs.rip, regs.rax, regs.rcx, regs.rsp);
}

void emulate(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		emulate_io(vcpu);
		return;
	case KVM_EXIT_MMIO:
		emulate_mmio(vcpu);
		return;
	case KVM_EXIT_DIRTY_RING_FULL:
		vcpu->ring_full = true;
		vcpu->hooks.rings_full++;
		return;
	case KVM_EXIT_INTR:
		return;
	default:
		give_up(vcpu);
	}
}
