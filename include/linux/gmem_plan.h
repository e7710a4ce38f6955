/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The plan of one gmem_convert transaction: what it will change, worked out
 * once under the claim and then only read, by clients and by the provider.
 */
#ifndef _LINUX_GMEM_PLAN_H
#define _LINUX_GMEM_PLAN_H

#include <linux/gmem_convert.h>
#include <linux/minmax.h>

/**
 * struct gmem_plan - what a transaction changes
 * @op: kind of operation
 * @target: state that the pages of @runs get (%GMEM_OP_CONVERT only)
 * @request: what the caller asked for
 * @effective: @request rounded out to every folio whose structure may change, as
 *	the provider said; empty before the claim
 * @nr_runs: entries in @runs
 * @runs: the pages that really change, in order, disjoint and not adjacent.
 *	For other operations, the one run of the request.
 * @left_split: set by the provider if it could not merge for a page in use
 * @priv: the provider's own, from its reserve to its release
 */
struct gmem_plan {
	enum gmem_op op;
	enum gmem_state target;
	struct gmem_run request;
	struct gmem_run effective;
	unsigned long nr_runs;
	const struct gmem_run *runs;
	bool left_split;
	void *priv;
};

/**
 * gmem_plan_clip() - part of one run inside a window
 * @plan: the plan
 * @i: number of the run, below @plan->nr_runs
 * @start: first index of the window
 * @last: last index of the window, inclusive
 * @run: set to the part of run @i inside the window
 *
 * Return: whether anything of the run is inside the window.
 */
static inline bool gmem_plan_clip(const struct gmem_plan *plan, unsigned long i,
				  pgoff_t start, pgoff_t last,
				  struct gmem_run *run)
{
	run->start = max(plan->runs[i].start, start);
	run->last = min(plan->runs[i].last, last);
	return run->start <= run->last;
}

#endif /* _LINUX_GMEM_PLAN_H */
