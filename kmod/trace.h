/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace: the tracepoints kvmft:*.
 *
 * Contract: they tell names, numbers and reasons, never a key or what a guest's
 * memory holds.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvmft

#if !defined(_KVMFT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KVMFT_TRACE_H

#include <linux/kvmft.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

TRACE_EVENT(kvmft_pair_state,
	TP_PROTO(const char *pair, u32 state, u32 reason),
	TP_ARGS(pair, state, reason),
	TP_STRUCT__entry(
		__array(char, pair, KVMFT_PAIR_NAME_MAX + 1)
		__field(u32, state)
		__field(u32, reason)
	),
	TP_fast_assign(
		strscpy(__entry->pair, pair, sizeof(__entry->pair));
		__entry->state = state;
		__entry->reason = reason;
	),
	TP_printk("pair=%s state=%s reason=%u", __entry->pair,
		  __print_symbolic(__entry->state,
				   { KVMFT_PAIR_CONNECTING, "connecting" },
				   { KVMFT_PAIR_AUTHENTICATING, "authenticating" },
				   { KVMFT_PAIR_UP, "up" },
				   { KVMFT_PAIR_DOWN, "down" }),
		  __entry->reason)
);

TRACE_EVENT(kvmft_pair_refused,
	TP_PROTO(const char *pair, u32 reason),
	TP_ARGS(pair, reason),
	TP_STRUCT__entry(
		__array(char, pair, KVMFT_PAIR_NAME_MAX + 1)
		__field(u32, reason)
	),
	TP_fast_assign(
		strscpy(__entry->pair, pair, sizeof(__entry->pair));
		__entry->reason = reason;
	),
	TP_printk("pair=%s reason=%u", __entry->pair, __entry->reason)
);

TRACE_EVENT(kvmft_heartbeat,
	TP_PROTO(const char *pair, u64 rtt),
	TP_ARGS(pair, rtt),
	TP_STRUCT__entry(
		__array(char, pair, KVMFT_PAIR_NAME_MAX + 1)
		__field(u64, rtt)
	),
	TP_fast_assign(
		strscpy(__entry->pair, pair, sizeof(__entry->pair));
		__entry->rtt = rtt;
	),
	TP_printk("pair=%s rtt=%llu", __entry->pair, __entry->rtt)
);

DECLARE_EVENT_CLASS(kvmft_epoch,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason),
	TP_STRUCT__entry(
		__array(char, vm, KVMFT_VM_NAME_MAX + 1)
		__field(u64, generation)
		__field(u64, epoch)
		__field(u64, pages)
		__field(u32, reason)
	),
	TP_fast_assign(
		strscpy(__entry->vm, vm, sizeof(__entry->vm));
		__entry->generation = generation;
		__entry->epoch = epoch;
		__entry->pages = pages;
		__entry->reason = reason;
	),
	TP_printk("vm=%s generation=%llu epoch=%llu pages=%llu reason=%u",
		  __entry->vm, __entry->generation, __entry->epoch,
		  __entry->pages, __entry->reason)
);

DEFINE_EVENT(kvmft_epoch, kvmft_epoch_begin,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

DEFINE_EVENT(kvmft_epoch, kvmft_epoch_commit,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

DEFINE_EVENT(kvmft_epoch, kvmft_epoch_ack,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

DEFINE_EVENT(kvmft_epoch, kvmft_epoch_abort,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

DEFINE_EVENT(kvmft_epoch, kvmft_epoch_applied,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

TRACE_EVENT(kvmft_vm_state,
	TP_PROTO(const char *vm, u32 state, u32 reason),
	TP_ARGS(vm, state, reason),
	TP_STRUCT__entry(
		__array(char, vm, KVMFT_VM_NAME_MAX + 1)
		__field(u32, state)
		__field(u32, reason)
	),
	TP_fast_assign(
		strscpy(__entry->vm, vm, sizeof(__entry->vm));
		__entry->state = state;
		__entry->reason = reason;
	),
	TP_printk("vm=%s state=%s reason=%u", __entry->vm,
		  __print_symbolic(__entry->state,
				   { KVMFT_VM_WAITING_PEER, "waiting-peer" },
				   { KVMFT_VM_SYNCING, "syncing" },
				   { KVMFT_VM_PROTECTED, "protected" },
				   { KVMFT_VM_HELD, "held" },
				   { KVMFT_VM_UNPROTECTED, "unprotected" },
				   { KVMFT_VM_PROMOTING, "promoting" },
				   { KVMFT_VM_SOLO, "solo" },
				   { KVMFT_VM_FENCED, "fenced" }),
		  __entry->reason)
);

/* A vcpu's call of the hook ends; what it was told to do, or a negative errno. */
TRACE_EVENT(kvmft_hook,
	TP_PROTO(const char *vm, u32 vcpu, u32 flags, u32 action, u64 ticket, int err),
	TP_ARGS(vm, vcpu, flags, action, ticket, err),
	TP_STRUCT__entry(
		__array(char, vm, KVMFT_VM_NAME_MAX + 1)
		__field(u32, vcpu)
		__field(u32, flags)
		__field(u32, action)
		__field(u64, ticket)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->vm, vm, sizeof(__entry->vm));
		__entry->vcpu = vcpu;
		__entry->flags = flags;
		__entry->action = action;
		__entry->ticket = ticket;
		__entry->err = err;
	),
	TP_printk("vm=%s vcpu=%u flags=%s action=%s ticket=%llu err=%d", __entry->vm,
		  __entry->vcpu,
		  __print_flags(__entry->flags, "|",
				{ KVMFT_HOOK_OUTPUT, "output" },
				{ KVMFT_HOOK_STATE, "state" },
				{ KVMFT_HOOK_RING_FULL, "ring-full" }),
		  __print_symbolic(__entry->action,
				   { KVMFT_ACTION_RUN, "run" },
				   { KVMFT_ACTION_EMULATE, "emulate" },
				   { KVMFT_ACTION_SAVE, "save" },
				   { KVMFT_ACTION_LOAD, "load" }),
		  __entry->ticket, __entry->err)
);

/*
 * The phases of a standstill, in this order; @ns is the time since it began. Between
 * harvested and unpark are commit and ack of the epoch, unless it goes on at once.
 */
DECLARE_EVENT_CLASS(kvmft_standstill,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages),
	TP_STRUCT__entry(
		__array(char, vm, KVMFT_VM_NAME_MAX + 1)
		__field(u64, round)
		__field(u64, ns)
		__field(u64, pages)
	),
	TP_fast_assign(
		strscpy(__entry->vm, vm, sizeof(__entry->vm));
		__entry->round = round;
		__entry->ns = ns;
		__entry->pages = pages;
	),
	TP_printk("vm=%s round=%llu ns=%llu pages=%llu", __entry->vm, __entry->round,
		  __entry->ns, __entry->pages)
);

/* Vcpus are told to come. */
DEFINE_EVENT(kvmft_standstill, kvmft_park,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages)
);

/* All vcpus and device threads are here. */
DEFINE_EVENT(kvmft_standstill, kvmft_parked,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages)
);

/* All state is saved. */
DEFINE_EVENT(kvmft_standstill, kvmft_saved,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages)
);

/* So many pages are still to be sent. */
DEFINE_EVENT(kvmft_standstill, kvmft_harvested,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages)
);

/* All go on. */
DEFINE_EVENT(kvmft_standstill, kvmft_unpark,
	TP_PROTO(const char *vm, u64 round, u64 ns, u64 pages),
	TP_ARGS(vm, round, ns, pages)
);

/* So many pages were sent while the guest ran. */
DEFINE_EVENT(kvmft_epoch, kvmft_epoch_ahead,
	TP_PROTO(const char *vm, u64 generation, u64 epoch, u64 pages, u32 reason),
	TP_ARGS(vm, generation, epoch, pages, reason)
);

#endif /* _KVMFT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
