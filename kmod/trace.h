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

#endif /* _KVMFT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
