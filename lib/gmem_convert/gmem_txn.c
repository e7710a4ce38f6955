// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_txn: one operation on one contiguous span, from claim to end.
 *
 *	claim -> plan -> reserve -> raise -> prepare -+-> commit
 *						      +-> abort
 *
 * Everything up to prepare may refuse and has changed nothing; commit and abort
 * return void and cannot fail, wait for another operation or allocate (G1, G2,
 * G3).  There is one attempt: whether to try again is for the caller, who knows
 * from the report what to remove first.
 *
 * Owns the transaction, which is heap memory freed by RCU because lookups may
 * be reading its span.  Leaving scope without a commit aborts.
 */
#include <linux/cleanup.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

#define CREATE_TRACE_POINTS
#include <trace/events/gmem_convert.h>

struct gmem_txn {
	struct gmem_space *space;
	struct gmem_span span;
	struct gmem_plan plan;
	struct gmem_report report;

	enum gmem_phase phase;
	ktime_t phase_begin;

	/* What reserve got. */
	struct gmem_run *runs;
	struct gmem_run one_run;
	struct gmem_slot *slots;
	struct gmem_map_reserve leaves;
	bool provider_reserved;

	/* Slots: room, taken at raise, and agreed. */
	unsigned int max_slots;
	unsigned int nr_slots;
	unsigned int nr_prepared;

	struct rcu_head rcu;
};

struct gmem_txn *gmem_txn_alloc(struct gmem_space *space)
{
	struct gmem_txn *txn;

	if (gmem_should_fail())
		return NULL;
	txn = kzalloc_obj(*txn, GFP_KERNEL_ACCOUNT);
	if (txn)
		txn->space = space;
	return txn;
}

/* One that no lookup can be reading. */
void gmem_txn_free(struct gmem_txn *txn)
{
	kfree(txn);
}

static const struct gmem_provider_ops *gmem_txn_ops(const struct gmem_txn *txn)
{
	return txn->space->provider->ops;
}

static void gmem_txn_enter(struct gmem_txn *txn, enum gmem_phase phase)
{
	txn->phase = phase;
	txn->phase_begin = trace_gmem_phase_enabled() ? ktime_get() : 0;
}

static int gmem_txn_leave(struct gmem_txn *txn, int ret)
{
	trace_gmem_phase(txn->space->name, &txn->plan, txn->phase, ret,
			 txn->phase_begin ?
			 ktime_sub(ktime_get(), txn->phase_begin) : 0);
	return ret;
}

static struct gmem_run gmem_txn_widen(const struct gmem_txn *txn)
{
	struct gmem_run span = txn->plan.request;

	if (gmem_txn_ops(txn)->widen)
		gmem_txn_ops(txn)->widen(txn->space->provider, &span);
	return span;
}

/*
 * The effective span depends on folios that only the claim holds still, so it
 * is guessed, claimed and worked out again.  A claim is never widened while it
 * is held: two that did so would wait for each other.
 */
static int gmem_txn_claim(struct gmem_txn *txn, unsigned int flags,
			  unsigned int task_state)
{
	struct gmem_overlay *overlay = &txn->space->overlay;
	struct gmem_run want = gmem_txn_widen(txn), span;
	int ret;

	txn->span.request = txn->plan.request;
	for (;;) {
		ret = gmem_overlay_claim(overlay, &txn->span, &want, flags,
					 task_state);
		if (ret)
			return ret;
		span = gmem_txn_widen(txn);
		if (span.start >= want.start && span.last <= want.last)
			break;
		gmem_overlay_release(overlay, &txn->span);
		want.start = min(want.start, span.start);
		want.last = max(want.last, span.last);
	}
	txn->plan.effective = want;
	return 0;
}

/* The first pages from @index on that are not in the target state. */
static bool gmem_txn_next_change(const struct gmem_txn *txn, pgoff_t index,
				 struct gmem_run *change)
{
	pgoff_t last = txn->plan.request.last;

	if (gmem_space_next_run(txn->space, index, last, change) !=
	    txn->plan.target)
		return true;
	if (change->last == last)
		return false;
	/* There are two states, so the next run is in the other one. */
	gmem_space_next_run(txn->space, change->last + 1, last, change);
	return true;
}

/* Counts the runs that change, and with @runs, writes them down. */
static unsigned long gmem_txn_changes(const struct gmem_txn *txn,
				      struct gmem_run *runs)
{
	pgoff_t index = txn->plan.request.start;
	struct gmem_run change;
	unsigned long nr = 0;

	while (gmem_txn_next_change(txn, index, &change)) {
		if (runs)
			runs[nr] = change;
		nr++;
		if (change.last == txn->plan.request.last)
			break;
		index = change.last + 1;
		cond_resched();
	}
	return nr;
}

/*
 * Which runs change is settled here; they are written down in reserve, which
 * may allocate.  The claim keeps them as they are in between.
 */
static void gmem_txn_plan(struct gmem_txn *txn)
{
	txn->plan.nr_runs = txn->plan.op == GMEM_OP_CONVERT ?
			    gmem_txn_changes(txn, NULL) : 1;
}

static int gmem_txn_reserve_runs(struct gmem_txn *txn)
{
	struct gmem_run *runs = &txn->one_run;

	if (txn->plan.nr_runs > 1) {
		if (gmem_should_fail())
			return -ENOMEM;
		/* As many as userspace likes: no WARN for too many. */
		txn->runs = kvmalloc_objs(*runs, txn->plan.nr_runs,
					  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!txn->runs)
			return -ENOMEM;
		runs = txn->runs;
	}
	if (txn->plan.op == GMEM_OP_CONVERT)
		gmem_txn_changes(txn, runs);
	else
		*runs = txn->plan.request;
	txn->plan.runs = runs;
	return 0;
}

static int gmem_txn_reserve_slots(struct gmem_txn *txn)
{
	unsigned int nr = gmem_clients_count(txn->space);

	kvfree(txn->slots);
	txn->slots = NULL;
	txn->max_slots = 0;
	if (!nr)
		return 0;
	if (gmem_should_fail())
		return -ENOMEM;
	txn->slots = kvzalloc_objs(*txn->slots, nr, GFP_KERNEL_ACCOUNT);
	if (!txn->slots)
		return -ENOMEM;
	txn->max_slots = nr;
	return 0;
}

static int gmem_txn_reserve(struct gmem_txn *txn)
{
	const struct gmem_provider_ops *ops = gmem_txn_ops(txn);
	int ret;

	ret = gmem_txn_reserve_runs(txn);
	if (!ret)
		ret = gmem_txn_reserve_slots(txn);
	if (!ret && txn->plan.op == GMEM_OP_CONVERT)
		ret = gmem_map_reserve(&txn->leaves, txn->plan.request.start,
				       txn->plan.request.last);
	if (!ret && ops->reserve) {
		ret = ops->reserve(txn->space->provider, &txn->plan);
		txn->provider_reserved = !ret;
	}
	if (!ret && ops->settle)
		ops->settle(txn->space->provider, &txn->plan);
	return ret;
}

/*
 * The fence first, then the list: a client that registers in between is on the
 * list although it need not be, instead of mapping unseen what is about to be
 * converted.
 */
static int gmem_txn_raise(struct gmem_txn *txn)
{
	struct gmem_space *space = txn->space;
	int ret;

	for (;;) {
		gmem_overlay_raise(&space->overlay, &txn->span);
		ret = gmem_clients_list(space, &txn->plan, txn->slots,
					txn->max_slots);
		if (ret >= 0) {
			txn->nr_slots = ret;
			return 0;
		}
		gmem_overlay_lower(&space->overlay, &txn->span);
		ret = gmem_txn_reserve_slots(txn);
		if (ret)
			return ret;
	}
}

/*
 * Clients before the provider: what the provider freezes is looked up by others
 * as long as it is frozen, so that comes last and is short.
 */
static int gmem_txn_prepare(struct gmem_txn *txn)
{
	struct gmem_provider *provider = txn->space->provider;
	int ret;

	ret = gmem_slots_prepare(txn->slots, txn->nr_slots, &txn->report,
				 &txn->nr_prepared);
	if (!ret && provider->ops->prepare) {
		gmem_callback_enter();
		ret = provider->ops->prepare(provider, &txn->plan, &txn->report);
		gmem_callback_leave();
	}
	return ret;
}

/*
 * Nothing here may fail.  The order is the point of the library:
 *
 *  - The store comes after every invalidate, or a page that is private already
 *    could still be reached through a shared translation (G4).
 *  - The thaw comes after the store, or somebody could take a reference to a
 *    page that he found shared and that is private by the time he has it.
 *  - The fence comes down last, or a lookup between could install the old
 *    kind, and nothing would ever take it away (G8).
 */
static void gmem_txn_commit(struct gmem_txn *txn)
{
	const struct gmem_provider_ops *ops = gmem_txn_ops(txn);
	struct gmem_provider *provider = txn->space->provider;
	struct gmem_plan *plan = &txn->plan;

	gmem_slots_invalidate(txn->slots, txn->nr_slots);
	gmem_callback_enter();
	ops->commit(provider, plan);
	gmem_callback_leave();
	if (plan->op == GMEM_OP_CONVERT)
		gmem_space_store(txn->space, plan->request.start,
				 plan->request.last, plan->target, &txn->leaves);
	gmem_callback_enter();
	if (ops->thaw)
		ops->thaw(provider, plan);
	gmem_callback_leave();
	gmem_slots_complete(txn->slots, txn->nr_slots);
	gmem_overlay_lower(&txn->space->overlay, &txn->span);
}

/* The provider undid its own prepare if that is what failed. */
static void gmem_txn_abort(struct gmem_txn *txn)
{
	gmem_slots_abort(txn->slots, txn->nr_prepared);
	gmem_overlay_lower(&txn->space->overlay, &txn->span);
}

/* Ends a transaction wherever it stands; not committed means aborted. */
static void gmem_txn_end(struct gmem_txn *txn)
{
	if (!txn)
		return;
	if (txn->span.raised) {
		gmem_txn_enter(txn, GMEM_PHASE_ABORT);
		gmem_txn_abort(txn);
		gmem_txn_leave(txn, 0);
	}
	gmem_clients_unlist(txn->space, txn->slots, txn->nr_slots);
	if (txn->provider_reserved && gmem_txn_ops(txn)->release)
		gmem_txn_ops(txn)->release(txn->space->provider, &txn->plan);
	gmem_map_unreserve(&txn->leaves);
	if (txn->span.claimed)
		gmem_overlay_release(&txn->space->overlay, &txn->span);
	kvfree(txn->slots);
	kvfree(txn->runs);
	kfree_rcu(txn, rcu);
}

DEFINE_FREE(gmem_txn_end, struct gmem_txn *, gmem_txn_end(_T))

/* The protocol. */
static int gmem_txn_run(struct gmem_txn *txn, unsigned int flags)
{
	int ret;

	gmem_txn_enter(txn, GMEM_PHASE_CLAIM);
	ret = gmem_txn_claim(txn, flags, TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (gmem_txn_leave(txn, ret))
		return ret;

	gmem_txn_enter(txn, GMEM_PHASE_PLAN);
	gmem_txn_plan(txn);
	gmem_txn_leave(txn, 0);
	if (!txn->plan.nr_runs)
		return 0;

	gmem_txn_enter(txn, GMEM_PHASE_RESERVE);
	ret = gmem_txn_reserve(txn);
	if (gmem_txn_leave(txn, ret))
		return ret;

	gmem_txn_enter(txn, GMEM_PHASE_RAISE);
	ret = gmem_txn_raise(txn);
	if (gmem_txn_leave(txn, ret))
		return ret;

	gmem_txn_enter(txn, GMEM_PHASE_PREPARE);
	ret = gmem_txn_prepare(txn);
	if (gmem_txn_leave(txn, ret))
		return ret;

	gmem_txn_enter(txn, GMEM_PHASE_COMMIT);
	gmem_txn_commit(txn);
	return gmem_txn_leave(txn, 0);
}

/* Completes what the refuser wrote, and keeps it. */
static void gmem_txn_refused(struct gmem_txn *txn, int error)
{
	struct gmem_report *report = &txn->report;

	/* Only a page that somebody uses has an index of its own. */
	if (!report->holder[0] || (error != -EAGAIN && error != -EBUSY))
		report->index = txn->plan.request.start;
	report->phase = txn->phase;
	report->error = error;
	gmem_report_file(txn->space, &txn->plan, report);
}

static int gmem_txn_do(struct gmem_space *space, const struct gmem_plan *plan,
		       unsigned int flags, struct gmem_report *report)
{
	int ret;

	*report = (struct gmem_report){ .index = plan->request.start };
	if (plan->request.start > plan->request.last ||
	    plan->request.last >= space->map.nr_pages ||
	    (flags & ~GMEM_NOWAIT) ||
	    (plan->target != GMEM_PRIVATE && plan->target != GMEM_SHARED))
		return report->error = -EINVAL;

	struct gmem_txn *txn __free(gmem_txn_end) = gmem_txn_alloc(space);

	if (!txn)
		return report->error = -ENOMEM;
	txn->plan = *plan;
	ret = gmem_txn_run(txn, flags);
	if (!ret) {
		*report = (struct gmem_report){};
		return 0;
	}
	gmem_txn_refused(txn, ret);
	*report = txn->report;
	return ret;
}

/**
 * gmem_convert_range() - change the state of pages, all or none
 * @space: the space
 * @start: first page
 * @last: last page, inclusive
 * @target: state that all of them have afterwards
 * @flags: %GMEM_NOWAIT or 0
 * @report: set to who refused and which page was in the way, or zeroed
 *
 * Pages that are in @target already are neither checked nor mentioned to
 * anybody.  One call is one space; two files are two calls, each all or none.
 *
 * Context: Process context, may sleep.  Holds nothing that a client's callback
 *	takes, no folio lock or reference, and touches no user memory by itself.
 * Return: 0 or, with nothing changed:
 *
 *	* -EINVAL: not inside the space, or an unknown state or flag
 *	* -ENOMEM: no memory, of the library, a client or the provider
 *	* -EAGAIN: a page is referenced by somebody who may let go, or, with
 *	  %GMEM_NOWAIT, another operation is running there
 *	* -EBUSY: a client refuses
 *	* -EINTR: a signal came while waiting
 */
int gmem_convert_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		       enum gmem_state target, unsigned int flags,
		       struct gmem_report *report)
{
	struct gmem_plan plan = {
		.op = GMEM_OP_CONVERT,
		.target = target,
		.request = { start, last },
	};

	return gmem_txn_do(space, &plan, flags, report);
}
EXPORT_SYMBOL_GPL(gmem_convert_range);

/**
 * gmem_punch_range() - give the memory of pages back
 * @space: the space
 * @start: first page
 * @last: last page, inclusive
 * @flags: %GMEM_NOWAIT or 0
 * @report: set to who refused and which page was in the way, or zeroed
 *
 * The states stay as they are.  Somebody who holds a reference keeps the old
 * page; that is not a reason to refuse.
 *
 * Context: As gmem_convert_range().
 * Return: As gmem_convert_range().
 */
int gmem_punch_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		     unsigned int flags, struct gmem_report *report)
{
	struct gmem_plan plan = {
		.op = GMEM_OP_PUNCH,
		.request = { start, last },
	};

	return gmem_txn_do(space, &plan, flags, report);
}
EXPORT_SYMBOL_GPL(gmem_punch_range);

/**
 * gmem_revoke_range() - give the memory of pages back, whoever uses it
 * @space: the space
 * @start: first page
 * @last: last page, inclusive; both are brought inside the space
 *
 * For release and eviction.  Nobody is asked, nothing is allocated; waits for
 * operations that run there, which cannot wait for this one.
 *
 * Context: Process context, may sleep.  As gmem_convert_range().
 */
void gmem_revoke_range(struct gmem_space *space, pgoff_t start, pgoff_t last)
{
	struct gmem_txn *txn = space->revoke_txn;

	last = min(last, space->map.nr_pages - 1);
	if (start > last)
		return;

	guard(mutex)(&space->revoke_lock);
	/* Lookups of the previous revoke have forgotten its span. */
	cond_synchronize_rcu(space->revoke_rcu);
	txn->span = (struct gmem_span){};
	txn->plan = (struct gmem_plan){
		.op = GMEM_OP_REVOKE,
		.request = { start, last },
		.nr_runs = 1,
	};

	gmem_txn_enter(txn, GMEM_PHASE_CLAIM);
	gmem_txn_claim(txn, 0, TASK_UNINTERRUPTIBLE);
	gmem_txn_leave(txn, 0);

	gmem_txn_enter(txn, GMEM_PHASE_COMMIT);
	gmem_overlay_raise(&space->overlay, &txn->span);
	gmem_clients_revoke(space, start, last);
	gmem_callback_enter();
	space->provider->ops->revoke(space->provider, start, last);
	gmem_callback_leave();
	gmem_overlay_lower(&space->overlay, &txn->span);
	gmem_overlay_release(&space->overlay, &txn->span);
	gmem_txn_leave(txn, 0);
	space->revoke_rcu = get_state_synchronize_rcu();
}
EXPORT_SYMBOL_GPL(gmem_revoke_range);
