// SPDX-License-Identifier: GPL-2.0
#include <linux/build_bug.h>
#include <linux/errno.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sort.h>
#include <linux/string.h>

#include <asm/processor.h>

#include "compat.h"
#include "kvmconfig.h"
#include "kvmstate.h"
#include "reason.h"
#include "wire.h"

#define LEAVES_MAX KVM_MAX_CPUID_ENTRIES

/* By how many millionths KVM lets rates differ without scaling. */
#define TSC_TOLERANCE_PPM 250

static_assert(sizeof(struct kvmft_config_leaf) == 28);
static_assert(sizeof(struct kvmft_config_vcpu) == 16);

/* What a guest changes in its CPUID by its own registers: it doesn't count. */
static const struct {
	u32 function;
	u32 index;
	u32 mask[4];
} runtime[] = {
	{ 0x1, 0, { 0, 0, BIT(3) | BIT(27), BIT(9) } },	/* MWAIT, OSXSAVE, APIC */
	{ 0x7, 0, { 0, 0, BIT(4), 0 } },		/* OSPKE */
	{ 0xd, 0, { 0, ~0U, 0, 0 } },			/* size by XCR0 */
	{ 0xd, 1, { 0, ~0U, 0, 0 } },			/* the same with XSS */
};

static void mask_leaf(struct kvmft_config_leaf *leaf)
{
	int i, reg;

	for (i = 0; i < ARRAY_SIZE(runtime); i++) {
		if (leaf->function != runtime[i].function ||
		    leaf->index != runtime[i].index)
			continue;
		for (reg = 0; reg < 4; reg++)
			leaf->regs[reg] &= ~runtime[i].mask[reg];
	}
}

static int compare_leaves(const void *a, const void *b)
{
	const struct kvmft_config_leaf *left = a, *right = b;

	if (left->function != right->function)
		return left->function < right->function ? -1 : 1;
	if (left->index != right->index)
		return left->index < right->index ? -1 : 1;
	return 0;
}

static void take_leaf(struct kvmft_config_leaf *leaf,
		      const struct kvm_cpuid_entry2 *entry)
{
	leaf->function = entry->function;
	leaf->flags = entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	leaf->index = leaf->flags ? entry->index : 0;
	leaf->regs[0] = entry->eax;
	leaf->regs[1] = entry->ebx;
	leaf->regs[2] = entry->ecx;
	leaf->regs[3] = entry->edx;
	mask_leaf(leaf);
}

/**
 * kvmft_kvmconfig_collect() - collect what there is to know of a vcpu
 * @vcpu: the vcpu
 * @verdict: why not
 *
 * Context: the vcpu's own thread, outside of KVM_RUN; from another one it would wait
 * until KVM_RUN returns
 *
 * Return: for kvfree(), or NULL
 */
struct kvmft_config_cpuid *kvmft_kvmconfig_collect(struct kvm_vcpu *vcpu,
						   struct kvmft_verdict *verdict)
{
	struct kvmft_config_cpuid *cpuid;
	u32 i;

	cpuid = kvzalloc(struct_size(cpuid, vcpu.leaves, LEAVES_MAX),
			 GFP_KERNEL_ACCOUNT);
	if (!cpuid) {
		kvmft_judge(verdict, KVMFT_REASON_MEMORY);
		return NULL;
	}
	if (mutex_lock_killable(&vcpu->mutex)) {
		kvmft_judge(verdict, KVMFT_REASON_VMM_GONE);
		kvfree(cpuid);
		return NULL;
	}

	cpuid->vcpu.id = vcpu->vcpu_id;
	cpuid->vcpu.tsc_khz = vcpu->arch.virtual_tsc_khz;
	cpuid->vcpu.mcg_cap = vcpu->arch.mcg_cap;
	cpuid->count = clamp_t(int, vcpu->arch.cpuid_nent, 0, LEAVES_MAX);
	for (i = 0; i < cpuid->count; i++)
		take_leaf(&cpuid->vcpu.leaves[i], &vcpu->arch.cpuid_entries[i]);
	mutex_unlock(&vcpu->mutex);

	sort(cpuid->vcpu.leaves, cpuid->count, sizeof(cpuid->vcpu.leaves[0]),
	     compare_leaves, NULL);
	return cpuid;
}

/**
 * struct builder - a body that is being made
 * @body: Where.
 * @size: Bytes there.
 * @used: Bytes used; more than @size if they weren't enough.
 * @count: Items.
 */
struct builder {
	u8 *body;
	u32 size;
	u32 used;
	u32 count;
};

static void put(struct builder *builder, u32 key, const void *value, u32 len)
{
	struct kvmft_wire_item item = { .key = key, .len = len, .value = value };
	u32 size = KVMFT_WIRE_CONFIG_ITEM + round_up(len, 8);

	if (builder->used > builder->size || builder->size - builder->used < size) {
		builder->used = builder->size + 1;
		return;
	}
	builder->used += kvmft_wire_put_item(builder->body + builder->used, &item);
	builder->count++;
}

static void put_value(struct builder *builder, u32 key, u64 value)
{
	put(builder, key, &value, sizeof(value));
}

/* What leaves of a vcpu differ from the first one's. */
static u32 differing_leaves(const struct kvmft_config_cpuid *first,
			    const struct kvmft_config_cpuid *other,
			    struct kvmft_config_leaf *leaves)
{
	const struct kvmft_config_leaf *a = first->vcpu.leaves;
	const struct kvmft_config_leaf *a_end = a + first->count;
	const struct kvmft_config_leaf *b = other->vcpu.leaves;
	const struct kvmft_config_leaf *b_end = b + other->count;
	u32 count = 0;
	int order;

	while (a < a_end || b < b_end) {
		order = a == a_end ? 1 : b == b_end ? -1 : compare_leaves(a, b);
		if (order < 0) {
			leaves[count] = *a++;
			leaves[count].flags |= KVMFT_CONFIG_LEAF_GONE;
			count++;
			continue;
		}
		if (order || memcmp(a, b, sizeof(*a)))
			leaves[count++] = *b;
		a += !order;
		b++;
	}
	return count;
}

static int put_vcpu(struct builder *builder, const struct kvmft_config_cpuid *first,
		    const struct kvmft_config_cpuid *other)
{
	struct kvmft_config_vcpu *vcpu;
	u32 count;

	if (other == first) {
		put(builder, KVMFT_CONFIG_VCPU, &first->vcpu,
		    struct_size(vcpu, leaves, first->count));
		return 0;
	}

	vcpu = kvzalloc(struct_size(vcpu, leaves, 2 * LEAVES_MAX),
			GFP_KERNEL_ACCOUNT);
	if (!vcpu)
		return -ENOMEM;
	vcpu->id = other->vcpu.id;
	vcpu->tsc_khz = other->vcpu.tsc_khz;
	vcpu->mcg_cap = other->vcpu.mcg_cap;
	count = differing_leaves(first, other, vcpu->leaves);
	put(builder, KVMFT_CONFIG_VCPU, vcpu, struct_size(vcpu, leaves, count));
	kvfree(vcpu);
	return 0;
}

static const char * const switches[] = {
	"KVM_X2APIC_API_USE_32BIT_IDS",
	"KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK",
	"KVM_CAP_EXCEPTION_PAYLOAD",
	"KVM_CAP_X86_TRIPLE_FAULT_EVENT",
	"KVM_CAP_MSR_PLATFORM_INFO",
	"the PMU",
	"MWAIT without exit",
	"HLT without exit",
	"PAUSE without exit",
	"C-states without exit",
};

static u64 switches_of(struct kvm *kvm)
{
	const bool on[] = {
		kvm->arch.x2apic_format,
		kvm->arch.x2apic_broadcast_quirk_disabled,
		kvm->arch.exception_payload_enabled,
		kvm->arch.triple_fault_event,
		kvm->arch.guest_can_read_msr_platform_info,
		kvm->arch.enable_pmu,
		kvm->arch.mwait_in_guest,
		kvm->arch.hlt_in_guest,
		kvm->arch.pause_in_guest,
		kvm->arch.cstate_in_guest,
	};
	u64 all = 0;
	int i;

	static_assert(ARRAY_SIZE(on) == ARRAY_SIZE(switches));

	for (i = 0; i < ARRAY_SIZE(on); i++)
		if (on[i])
			all |= BIT_ULL(i);
	return all;
}

static void put_ids(struct builder *builder, struct kvmft_config_cpuid **vcpus,
		    u32 count)
{
	u32 ids[KVMFT_VCPUS_MAX];
	u32 i;

	for (i = 0; i < count; i++)
		ids[i] = vcpus[i]->vcpu.id;
	put(builder, KVMFT_CONFIG_VCPUS, ids, count * sizeof(ids[0]));
}

static void put_vm(struct builder *builder, const struct kvmft_kvmstate *state,
		   struct kvm *kvm)
{
	put_value(builder, KVMFT_CONFIG_BSP, kvm->arch.bsp_vcpu_id);
	put_value(builder, KVMFT_CONFIG_XSAVE, state->xsave_size);
	put_value(builder, KVMFT_CONFIG_PIT, state->pit);
	put_value(builder, KVMFT_CONFIG_RING, kvm->dirty_ring_size);
	put_value(builder, KVMFT_CONFIG_QUIRKS, kvm->arch.disabled_quirks);
	put_value(builder, KVMFT_CONFIG_SWITCHES, switches_of(kvm));
	put(builder, KVMFT_CONFIG_MSRS, state->msrs,
	    state->msr_count * sizeof(state->msrs[0]));
}

/**
 * kvmft_kvmconfig_build() - make the body of CONFIG
 * @state: the guest's state, after kvmft_kvmstate_probe_vcpu()
 * @kvm: the VM
 * @vcpus: what was collected of its vcpus, in the order of their creation
 * @count: how many, 1 to KVMFT_VCPUS_MAX
 * @body: where to
 * @size: bytes there; KVMFT_WIRE_BODY_MAX at most
 * @len: result, bytes of it
 * @verdict: why not
 *
 * Return: 0 or a negative errno
 */
int kvmft_kvmconfig_build(const struct kvmft_kvmstate *state, struct kvm *kvm,
			  struct kvmft_config_cpuid **vcpus, u32 count,
			  u8 *body, u32 size, u32 *len,
			  struct kvmft_verdict *verdict)
{
	struct builder builder = {
		.body = body, .size = size, .used = KVMFT_WIRE_CONFIG_HEAD,
	};
	u32 i;

	if (!count || count > KVMFT_VCPUS_MAX) {
		kvmft_judge_saying(verdict, KVMFT_REASON_LIMIT,
				   "%u vcpus, %u may be", count, KVMFT_VCPUS_MAX);
		return -EINVAL;
	}

	put_value(&builder, KVMFT_CONFIG_VERSION, KVMFT_KVMSTATE_VERSION);
	put_value(&builder, KVMFT_CONFIG_VENDOR, boot_cpu_data.x86_vendor);
	put_ids(&builder, vcpus, count);
	put_vm(&builder, state, kvm);
	for (i = 0; i < count; i++) {
		if (!put_vcpu(&builder, vcpus[0], vcpus[i]))
			continue;
		kvmft_judge(verdict, KVMFT_REASON_MEMORY);
		return -ENOMEM;
	}

	if (builder.used > size) {
		kvmft_judge_saying(verdict, KVMFT_REASON_LIMIT,
				   "the vcpus' CPUIDs differ too much");
		return -E2BIG;
	}
	kvmft_wire_put_config(body, builder.count);
	*len = builder.used;
	return 0;
}

__printf(2, 3)
static int differ(struct kvmft_verdict *verdict, const char *format, ...)
{
	struct va_format vaf;
	va_list args;

	va_start(args, format);
	vaf.fmt = format;
	vaf.va = &args;
	kvmft_judge_saying(verdict, KVMFT_REASON_CONFIG, "%pV", &vaf);
	va_end(args);
	return -EINVAL;
}

static const char *vendor_name(u64 vendor)
{
	switch (vendor) {
	case X86_VENDOR_INTEL:
		return "Intel";
	case X86_VENDOR_AMD:
		return "AMD";
	case X86_VENDOR_HYGON:
		return "Hygon";
	default:
		return "another maker";
	}
}

static int switch_differs(u64 ours, u64 theirs, struct kvmft_verdict *verdict)
{
	u32 bit = __ffs64(ours ^ theirs);

	if (bit >= ARRAY_SIZE(switches))
		return differ(verdict,
			      "KVM's switches are 0x%llx here and 0x%llx there",
			      ours, theirs);
	return differ(verdict, "%s is %s here and %s there", switches[bit],
		      ours & BIT_ULL(bit) ? "on" : "off",
		      theirs & BIT_ULL(bit) ? "on" : "off");
}

static int value_differs(u32 key, u64 ours, u64 theirs,
			 struct kvmft_verdict *verdict)
{
	switch (key) {
	case KVMFT_CONFIG_VERSION:
		return differ(verdict,
			      "kvmft saves state of version %llu here and %llu there",
			      ours, theirs);
	case KVMFT_CONFIG_VENDOR:
		return differ(verdict, "the CPU is by %s here and by %s there",
			      vendor_name(ours), vendor_name(theirs));
	case KVMFT_CONFIG_BSP:
		return differ(verdict, "vcpu %llu boots here and vcpu %llu there",
			      ours, theirs);
	case KVMFT_CONFIG_XSAVE:
		return differ(verdict, "XSAVE has %llu bytes here and %llu there",
			      ours, theirs);
	case KVMFT_CONFIG_PIT:
		return differ(verdict, "KVM's PIT is %s here and %s there",
			      ours ? "used" : "not used",
			      theirs ? "used" : "not used");
	case KVMFT_CONFIG_RING:
		return differ(verdict,
			      "dirty rings have %llu bytes here and %llu there",
			      ours, theirs);
	case KVMFT_CONFIG_QUIRKS:
		return differ(verdict,
			      "disabled quirks are 0x%llx here and 0x%llx there",
			      ours, theirs);
	case KVMFT_CONFIG_SWITCHES:
		return switch_differs(ours, theirs, verdict);
	default:
		return differ(verdict, "item %u is %llu here and %llu there", key,
			      ours, theirs);
	}
}

/* Lists of numbers: of vcpus, of MSRs. */
static int lists_differ(const struct kvmft_wire_item *ours,
			const struct kvmft_wire_item *theirs,
			struct kvmft_verdict *verdict)
{
	const char *name = ours->key == KVMFT_CONFIG_MSRS ? "MSR" : "vcpu";
	u32 i, here, there;

	for (i = 0; i + 4 <= min(ours->len, theirs->len); i += 4) {
		here = get_unaligned_le32(ours->value + i);
		there = get_unaligned_le32(theirs->value + i);
		if (here != there)
			return differ(verdict,
				      "%s number %u is 0x%x here and 0x%x there",
				      name, i / 4 + 1, here, there);
	}
	return differ(verdict, "%u %ss are here and %u there", ours->len / 4, name,
		      theirs->len / 4);
}

static int leaf_differs(u32 id, const struct kvmft_config_leaf *ours,
			const struct kvmft_config_leaf *theirs,
			struct kvmft_verdict *verdict)
{
	static const char * const names[] = { "EAX", "EBX", "ECX", "EDX" };
	u32 here = ours->flags, there = theirs->flags;
	const char *name = "kind";
	int reg;

	for (reg = 3; reg >= 0; reg--) {
		if (ours->regs[reg] == theirs->regs[reg])
			continue;
		name = names[reg];
		here = ours->regs[reg];
		there = theirs->regs[reg];
	}
	return differ(verdict,
		      "CPUID 0x%x/%u of vcpu %u has %s 0x%x here and 0x%x there",
		      ours->function, ours->index, id, name, here, there);
}

/* Only the first vcpu's leaves are all there; of the others, what is special. */
static int leaf_missing(u32 id, const struct kvmft_config_leaf *leaf,
			const char *where, struct kvmft_verdict *verdict)
{
	return differ(verdict, "CPUID 0x%x/%u of vcpu %u is listed only %s",
		      leaf->function, leaf->index, id, where);
}

/* Copies of leaves, since theirs lie anywhere. */
static int cpuids_differ(u32 id, const struct kvmft_wire_item *ours,
			 const struct kvmft_wire_item *theirs,
			 struct kvmft_verdict *verdict)
{
	struct kvmft_config_leaf here, there;
	u32 at = sizeof(struct kvmft_config_vcpu);
	int order;

	for (;; at += sizeof(here)) {
		if (at >= ours->len && at >= theirs->len)
			return 0;
		if (at < ours->len)
			memcpy(&here, ours->value + at, sizeof(here));
		if (at < theirs->len)
			memcpy(&there, theirs->value + at, sizeof(there));
		order = at >= theirs->len ? -1 : at >= ours->len ? 1 :
			compare_leaves(&here, &there);
		if (order)
			return leaf_missing(id, order < 0 ? &here : &there,
					    order < 0 ? "here" : "there", verdict);
		if (memcmp(&here, &there, sizeof(here)))
			return leaf_differs(id, &here, &there, verdict);
	}
}

static bool rates_match(u32 ours, u32 theirs)
{
	u64 apart = ours > theirs ? ours - theirs : theirs - ours;

	return apart * USEC_PER_SEC <= (u64)ours * TSC_TOLERANCE_PPM;
}

static int vcpus_differ(const struct kvmft_wire_item *ours,
			const struct kvmft_wire_item *theirs,
			struct kvmft_verdict *verdict)
{
	struct kvmft_config_vcpu here, there;

	if (theirs->len < sizeof(there) ||
	    (theirs->len - sizeof(there)) % sizeof(struct kvmft_config_leaf))
		return differ(verdict, "a vcpu has %u bytes there, which can't be",
			      theirs->len);

	memcpy(&here, ours->value, sizeof(here));
	memcpy(&there, theirs->value, sizeof(there));
	if (here.id != there.id)
		return differ(verdict, "vcpu %u is here where vcpu %u is there",
			      here.id, there.id);
	if (!rates_match(here.tsc_khz, there.tsc_khz))
		return differ(verdict,
			      "its TSC runs at %u kHz here and at %u kHz there",
			      here.tsc_khz, there.tsc_khz);
	if (here.mcg_cap != there.mcg_cap)
		return differ(verdict, "MCG_CAP is 0x%llx here and 0x%llx there",
			      here.mcg_cap, there.mcg_cap);
	return cpuids_differ(here.id, ours, theirs, verdict);
}

static int compare_items(const struct kvmft_wire_item *ours,
			 const struct kvmft_wire_item *theirs,
			 struct kvmft_verdict *verdict)
{
	if (ours->key != theirs->key)
		return differ(verdict,
			      "item %u is here and %u there; use the same kvmft",
			      ours->key, theirs->key);
	if (ours->key == KVMFT_CONFIG_VCPU)
		return vcpus_differ(ours, theirs, verdict);
	if (ours->len == theirs->len &&
	    !memcmp(ours->value, theirs->value, ours->len))
		return 0;
	if (ours->key == KVMFT_CONFIG_MSRS || ours->key == KVMFT_CONFIG_VCPUS)
		return lists_differ(ours, theirs, verdict);
	if (theirs->len != sizeof(u64))
		return differ(verdict, "item %u has %u bytes there, which can't be",
			      theirs->key, theirs->len);
	return value_differs(ours->key, get_unaligned_le64(ours->value),
			     get_unaligned_le64(theirs->value), verdict);
}

/**
 * kvmft_kvmconfig_compare() - are two guests alike?
 * @ours: body of CONFIG that kvmft_kvmconfig_build() made
 * @ours_len: its length
 * @theirs: body that the peer sent
 * @theirs_len: its length
 * @verdict: what the first difference is
 *
 * Return: 0, or -EINVAL if they aren't
 */
int kvmft_kvmconfig_compare(const u8 *ours, u32 ours_len, const u8 *theirs,
			    u32 theirs_len, struct kvmft_verdict *verdict)
{
	u32 at = KVMFT_WIRE_CONFIG_HEAD, their_at = KVMFT_WIRE_CONFIG_HEAD;
	struct kvmft_wire_item item, their_item;
	enum kvmft_reason reason;
	u32 i, count, their_count;
	int err;

	reason = kvmft_wire_get_config(ours, ours_len, &count) ?:
		 kvmft_wire_get_config(theirs, theirs_len, &their_count);
	if (reason) {
		kvmft_judge(verdict, reason);
		return -EINVAL;
	}

	for (i = 0; i < min(count, their_count); i++) {
		at = kvmft_wire_get_item(ours, at, &item);
		their_at = kvmft_wire_get_item(theirs, their_at, &their_item);
		err = compare_items(&item, &their_item, verdict);
		if (err)
			return err;
	}
	if (count != their_count)
		return differ(verdict, "%u items are here and %u there", count,
			      their_count);
	return 0;
}
