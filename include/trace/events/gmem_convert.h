/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM gmem_convert

#if !defined(_TRACE_GMEM_CONVERT_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_GMEM_CONVERT_H

#include <linux/gmem_plan.h>
#include <linux/ktime.h>
#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(GMEM_PHASE_CLAIM);
TRACE_DEFINE_ENUM(GMEM_PHASE_PLAN);
TRACE_DEFINE_ENUM(GMEM_PHASE_RESERVE);
TRACE_DEFINE_ENUM(GMEM_PHASE_RAISE);
TRACE_DEFINE_ENUM(GMEM_PHASE_PREPARE);
TRACE_DEFINE_ENUM(GMEM_PHASE_COMMIT);
TRACE_DEFINE_ENUM(GMEM_PHASE_ABORT);
TRACE_DEFINE_ENUM(GMEM_OP_CONVERT);
TRACE_DEFINE_ENUM(GMEM_OP_PUNCH);
TRACE_DEFINE_ENUM(GMEM_OP_REVOKE);
TRACE_DEFINE_ENUM(GMEM_OP_POPULATE);
TRACE_DEFINE_ENUM(GMEM_OP_MERGE);

#define gmem_show_phase(phase)				\
	__print_symbolic(phase,				\
		{ GMEM_PHASE_CLAIM,	"claim" },	\
		{ GMEM_PHASE_PLAN,	"plan" },	\
		{ GMEM_PHASE_RESERVE,	"reserve" },	\
		{ GMEM_PHASE_RAISE,	"raise" },	\
		{ GMEM_PHASE_PREPARE,	"prepare" },	\
		{ GMEM_PHASE_COMMIT,	"commit" },	\
		{ GMEM_PHASE_ABORT,	"abort" })

#define gmem_show_op(op)				\
	__print_symbolic(op,				\
		{ GMEM_OP_CONVERT,	"convert" },	\
		{ GMEM_OP_PUNCH,	"punch" },	\
		{ GMEM_OP_REVOKE,	"revoke" },	\
		{ GMEM_OP_POPULATE,	"populate" },	\
		{ GMEM_OP_MERGE,	"merge" })

/* One phase of one operation has ended. */
TRACE_EVENT(gmem_phase,

	TP_PROTO(const char *space, const struct gmem_plan *plan,
		 enum gmem_phase phase, int ret, ktime_t duration),

	TP_ARGS(space, plan, phase, ret, duration),

	TP_STRUCT__entry(
		__string(space, space)
		__field(enum gmem_op, op)
		__field(bool, to_shared)
		__field(pgoff_t, start)
		__field(pgoff_t, last)
		__field(unsigned long, nr_runs)
		__field(enum gmem_phase, phase)
		__field(int, ret)
		__field(s64, duration)
	),

	TP_fast_assign(
		__assign_str(space);
		__entry->op = plan->op;
		__entry->to_shared = plan->target == GMEM_SHARED;
		__entry->start = plan->request.start;
		__entry->last = plan->request.last;
		__entry->nr_runs = plan->nr_runs;
		__entry->phase = phase;
		__entry->ret = ret;
		__entry->duration = ktime_to_ns(duration);
	),

	TP_printk("%s %s%s %lu-%lu runs=%lu phase=%s ret=%d ns=%lld",
		  __get_str(space), gmem_show_op(__entry->op),
		  __entry->op != GMEM_OP_CONVERT ? "" :
		  __entry->to_shared ? " to-shared" : " to-private",
		  __entry->start, __entry->last, __entry->nr_runs,
		  gmem_show_phase(__entry->phase), __entry->ret,
		  __entry->duration)
);

/* One callback of one client has returned. */
TRACE_EVENT(gmem_client,

	TP_PROTO(const char *space, const char *client, const char *call,
		 const struct gmem_run *span, int ret, s64 duration),

	TP_ARGS(space, client, call, span, ret, duration),

	TP_STRUCT__entry(
		__string(space, space)
		__string(client, client)
		__string(call, call)
		__field(pgoff_t, start)
		__field(pgoff_t, last)
		__field(int, ret)
		__field(s64, duration)
	),

	TP_fast_assign(
		__assign_str(space);
		__assign_str(client);
		__assign_str(call);
		__entry->start = span->start;
		__entry->last = span->last;
		__entry->ret = ret;
		__entry->duration = duration;
	),

	TP_printk("%s %s %s %lu-%lu ret=%d ns=%lld",
		  __get_str(space), __get_str(client), __get_str(call),
		  __entry->start, __entry->last, __entry->ret,
		  __entry->duration)
);

/* Somebody has waited at a fence, or given up. */
TRACE_EVENT(gmem_wait,

	TP_PROTO(const char *space, pgoff_t index, int ret, ktime_t duration),

	TP_ARGS(space, index, ret, duration),

	TP_STRUCT__entry(
		__string(space, space)
		__field(pgoff_t, index)
		__field(int, ret)
		__field(s64, duration)
	),

	TP_fast_assign(
		__assign_str(space);
		__entry->index = index;
		__entry->ret = ret;
		__entry->duration = ktime_to_ns(duration);
	),

	TP_printk("%s %lu ret=%d ns=%lld", __get_str(space), __entry->index,
		  __entry->ret, __entry->duration)
);

/* Pages are lost for the life of the space. */
TRACE_EVENT(gmem_quarantine,

	TP_PROTO(const char *space, const struct gmem_run *run),

	TP_ARGS(space, run),

	TP_STRUCT__entry(
		__string(space, space)
		__field(pgoff_t, start)
		__field(pgoff_t, last)
	),

	TP_fast_assign(
		__assign_str(space);
		__entry->start = run->start;
		__entry->last = run->last;
	),

	TP_printk("%s %lu-%lu", __get_str(space), __entry->start,
		  __entry->last)
);

#endif /* _TRACE_GMEM_CONVERT_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
