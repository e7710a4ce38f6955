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

struct gmem_txn *gmem_txn_alloc(struct gmem_space *space)
{
	struct gmem_txn *txn;

	if (gmem_fault(GMEM_FAULT_TXN_ALLOC))
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
	/* Debugfs looks at it. */
	WRITE_ONCE(txn->phase, phase);
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
		gmem_txn_ops(txn)->widen(txn->space->provider, &txn->plan,
					 &span);
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
	txn->span.txn = txn;
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

/* What is populated must be private, all of it. */
static int gmem_txn_plan_populate(struct gmem_txn *txn)
{
	const struct gmem_run *request = &txn->plan.request;
	struct gmem_run run;
	int state;

	txn->plan.nr_runs = 1;
	state = gmem_space_next_run(txn->space, request->start, request->last,
				    &run);
	if (state == GMEM_PRIVATE && run.last == request->last)
		return 0;
	gmem_report_refuse(&txn->report, state == GMEM_PRIVATE ? run.last + 1 :
			   run.start, "shared", 0, 0);
	return -EINVAL;
}

/*
 * Which runs change is settled here; they are written down in reserve, which
 * may allocate.  The claim keeps them as they are in between.
 */
static int gmem_txn_plan(struct gmem_txn *txn)
{
	struct gmem_run run;

	if (gmem_space_quarantined(txn->space, &txn->plan.request, &run)) {
		gmem_report_refuse(&txn->report, run.start, "quarantine", 0, 0);
		return -EHWPOISON;
	}
	switch (txn->plan.op) {
	case GMEM_OP_CONVERT:
		txn->plan.nr_runs = gmem_txn_changes(txn, NULL);
		return 0;
	case GMEM_OP_POPULATE:
		return gmem_txn_plan_populate(txn);
	default:
		txn->plan.nr_runs = 1;
		return 0;
	}
}

static int gmem_txn_reserve_runs(struct gmem_txn *txn)
{
	struct gmem_run *runs = &txn->one_run;

	if (txn->plan.nr_runs > 1) {
		if (gmem_fault(GMEM_FAULT_RESERVE_RUNS))
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
	if (gmem_fault(GMEM_FAULT_RESERVE_SLOTS))
		return -ENOMEM;
	txn->slots = kvzalloc_objs(*txn->slots, nr, GFP_KERNEL_ACCOUNT);
	if (!txn->slots)
		return -ENOMEM;
	txn->max_slots = nr;
	return 0;
}

static noinline int gmem_txn_reserve(struct gmem_txn *txn)
{
	const struct gmem_provider_ops *ops = gmem_txn_ops(txn);
	int ret;

	ret = gmem_txn_reserve_runs(txn);
	if (!ret)
		ret = gmem_txn_reserve_slots(txn);
	if (!ret && txn->plan.op == GMEM_OP_CONVERT)
		ret = gmem_map_reserve(&txn->leaves, txn->plan.request.start,
				       txn->plan.request.last);
	if (!ret)
		ret = gmem_fault(GMEM_FAULT_RESERVE_PROVIDER);
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

	gmem_check_slots(txn);
	ret = gmem_slots_prepare(txn->slots, txn->nr_slots, &txn->report,
				 &txn->nr_prepared);
	if (!ret)
		ret = gmem_fault(GMEM_FAULT_PREPARE_PROVIDER);
	if (!ret && provider->ops->prepare) {
		gmem_callback_enter();
		ret = provider->ops->prepare(provider, &txn->plan, &txn->report);
		gmem_callback_leave();
	}
	txn->agreed = !ret;
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
static noinline void gmem_txn_commit(struct gmem_txn *txn)
{
	const struct gmem_provider_ops *ops = gmem_txn_ops(txn);
	struct gmem_provider *provider = txn->space->provider;
	struct gmem_plan *plan = &txn->plan;

	gmem_check_commit_begin(txn);
	gmem_slots_invalidate(txn->slots, txn->nr_slots);
	gmem_callback_enter();
	ops->commit(provider, plan);
	gmem_callback_leave();
	if (plan->op == GMEM_OP_CONVERT)
		gmem_space_store(txn->space, plan->request.start,
				 plan->request.last, plan->target, &txn->leaves);
	if (ops->thaw) {
		gmem_callback_enter();
		ops->thaw(provider, plan);
		gmem_callback_leave();
	}
	gmem_slots_complete(txn->slots, txn->nr_slots);
	gmem_check_commit_end(txn);
	gmem_overlay_lower(&txn->space->overlay, &txn->span);
}

/* The provider undid its own prepare if that is what failed. */
static noinline void gmem_txn_abort(struct gmem_txn *txn)
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

/* Up to the plan, which every operation begins with. */
static int gmem_txn_begin(struct gmem_txn *txn, unsigned int flags)
{
	int ret;

	gmem_txn_enter(txn, GMEM_PHASE_CLAIM);
	ret = gmem_fault(GMEM_FAULT_CLAIM);
	if (!ret)
		ret = gmem_txn_claim(txn, flags,
				     TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (gmem_txn_leave(txn, ret))
		return ret;

	gmem_check_begin(txn);
	gmem_txn_enter(txn, GMEM_PHASE_PLAN);
	return gmem_txn_leave(txn, gmem_txn_plan(txn));
}

/* The protocol. */
static int gmem_txn_run(struct gmem_txn *txn, unsigned int flags)
{
	int ret;

	ret = gmem_txn_begin(txn, flags);
	if (ret || !txn->plan.nr_runs)
		return ret;

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

	/* Only a page that is the reason has an index of its own. */
	if (!report->holder[0] || error == -ENOMEM || error == -EINTR)
		report->index = txn->plan.request.start;
	report->phase = txn->phase;
	report->error = error;
	gmem_report_file(txn->space, &txn->plan, report);
	gmem_check_refused(txn);
}

static bool gmem_txn_valid(const struct gmem_space *space,
			   const struct gmem_plan *plan, unsigned int flags)
{
	return plan->request.start <= plan->request.last &&
	       plan->request.last < space->map.nr_pages &&
	       !(flags & ~GMEM_NOWAIT) &&
	       (plan->target == GMEM_PRIVATE || plan->target == GMEM_SHARED);
}

/* A transaction for @plan; NULL with the error in @report. */
static struct gmem_txn *gmem_txn_open(struct gmem_space *space,
				      const struct gmem_plan *plan,
				      unsigned int flags,
				      struct gmem_report *report)
{
	struct gmem_txn *txn;

	*report = (struct gmem_report){
		.index = plan->request.start, .error = -EINVAL,
	};
	if (!gmem_txn_valid(space, plan, flags))
		return NULL;
	report->error = -ENOMEM;
	txn = gmem_txn_alloc(space);
	if (!txn)
		return NULL;
	txn->plan = *plan;
	return txn;
}

/* What hardware kept is worth a word although the operation succeeded. */
static void gmem_txn_succeeded(struct gmem_txn *txn)
{
	struct gmem_run run;

	txn->report = (struct gmem_report){
		.left_split = txn->plan.left_split,
	};
	if (txn->plan.nr_runs && txn->plan.op != GMEM_OP_POPULATE &&
	    gmem_space_quarantined(txn->space, &txn->plan.request, &run)) {
		txn->report.quarantined = true;
		txn->report.index = run.start;
	}
}

static int gmem_txn_do(struct gmem_space *space, const struct gmem_plan *plan,
		       unsigned int flags, struct gmem_report *report)
{
	int ret;

	struct gmem_txn *txn __free(gmem_txn_end) =
		gmem_txn_open(space, plan, flags, report);

	if (!txn)
		return report->error;
	ret = gmem_txn_run(txn, flags);
	if (ret)
		gmem_txn_refused(txn, ret);
	else
		gmem_txn_succeeded(txn);
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
 *	* -EHWPOISON: a page is lost, to hardware that has kept it or to a memory
 *	  error
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
 * gmem_merge_range() - make larger folios of what was split
 * @space: the space
 * @start: first page
 * @last: last page, inclusive
 * @flags: %GMEM_NOWAIT or 0
 * @report: set to who refused, or to whether anything was left split because
 *	somebody uses a page of it
 *
 * Of every block of pages that touches the range, lies in memory as one, and is
 * all in one state and under no limit.  A conversion does so itself with the
 * blocks that it makes equal; this is for those whose pages were in use then.
 * Clients are not told, translations of pages stay what they are.
 *
 * Context: As gmem_convert_range().
 * Return: 0, or -EINVAL, -ENOMEM, -EAGAIN, -EHWPOISON, -EINTR as
 *	gmem_convert_range().
 */
int gmem_merge_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		     unsigned int flags, struct gmem_report *report)
{
	struct gmem_plan plan = {
		.op = GMEM_OP_MERGE,
		.request = { start, last },
	};

	return gmem_txn_do(space, &plan, flags, report);
}
EXPORT_SYMBOL_GPL(gmem_merge_range);

/* One page after the other, until one fails; returns how many did not. */
static long gmem_txn_populate(struct gmem_txn *txn, gmem_populate_fn populate,
			      void *priv)
{
	const struct gmem_run *request = &txn->plan.request;
	pgoff_t index;
	int ret;

	for (index = request->start; index <= request->last; index++) {
		ret = gmem_fault(GMEM_FAULT_POPULATE_PAGE);
		if (!ret)
			ret = populate(priv, index);
		if (ret) {
			gmem_report_refuse(&txn->report, index, "populate", 0, 0);
			txn->report.phase = txn->phase;
			txn->report.error = ret;
			return index == request->start ? ret :
			       index - request->start;
		}
		cond_resched();
	}
	return index - request->start;
}

/**
 * gmem_populate_range() - fill private pages with what the guest starts with
 * @space: the space
 * @start: first page
 * @last: last page, inclusive; the range is one batch, under one fence
 * @populate: called for each page in order; 0, or an error that ends the batch
 * @priv: for @populate
 * @report: set to which page was in the way; zeroed if all were populated
 *
 * The fence is up from before the first look at the pages until the last one is
 * counted, so nobody converts or punches in between: they come before all of the
 * batch or after it.  Memory failure does not wait: a page that it hits after
 * its turn is counted and then lost.
 *
 * @populate may look the page up and map it by the path that faults take, for
 * which this task passes its own fence.  It must not touch user memory: what it
 * copies from was pinned before.  A source page is shared, what is populated is
 * private, so a file may well be the source of itself.
 *
 * Context: As gmem_convert_range().  @populate runs in the task and the context
 *	of a client's callback.
 * Return: how many pages were populated, which is less than asked for if
 *	@populate failed later than at the first; or, with no page populated, its
 *	error, -EINVAL if a page is shared or the range not inside the space,
 *	-EHWPOISON if a page is quarantined, -ENOMEM, -EINTR.
 */
long gmem_populate_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
			 gmem_populate_fn populate, void *priv,
			 struct gmem_report *report)
{
	const struct gmem_plan plan = {
		.op = GMEM_OP_POPULATE,
		.request = { start, last },
	};
	long ret;

	struct gmem_txn *txn __free(gmem_txn_end) =
		gmem_txn_open(space, &plan, 0, report);

	if (!txn)
		return report->error;
	ret = gmem_txn_begin(txn, 0);
	if (!ret) {
		gmem_txn_enter(txn, GMEM_PHASE_COMMIT);
		txn->span.owner = current;
		gmem_overlay_raise(&space->overlay, &txn->span);
		gmem_callback_enter();
		ret = gmem_txn_populate(txn, populate, priv);
		gmem_callback_leave();
		gmem_overlay_lower(&space->overlay, &txn->span);
		gmem_txn_leave(txn, txn->report.error);
	}
	if (ret < 0)
		gmem_txn_refused(txn, ret);
	*report = txn->report;
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_populate_range);

/* What every revoke does once it has a transaction; @give_back: the memory too. */
static noinline void gmem_txn_revoke(struct gmem_txn *txn,
				     const struct gmem_run *range,
				     bool give_back)
{
	struct gmem_space *space = txn->space;

	txn->span = (struct gmem_span){};
	txn->plan = (struct gmem_plan){
		.op = GMEM_OP_REVOKE,
		.request = *range,
		.nr_runs = 1,
	};

	gmem_txn_enter(txn, GMEM_PHASE_CLAIM);
	gmem_txn_claim(txn, 0, TASK_UNINTERRUPTIBLE);
	gmem_txn_leave(txn, 0);

	gmem_txn_enter(txn, GMEM_PHASE_COMMIT);
	gmem_overlay_raise(&space->overlay, &txn->span);
	gmem_clients_revoke(space, range->start, range->last);
	if (give_back) {
		gmem_callback_enter();
		space->provider->ops->revoke(space->provider, range->start,
					     range->last);
		gmem_callback_leave();
	}
	gmem_overlay_lower(&space->overlay, &txn->span);
	gmem_overlay_release(&space->overlay, &txn->span);
	gmem_txn_leave(txn, 0);
}

/*
 * The space has one transaction ready, so that a revoke needs no memory.  Who
 * finds it in use does not wait for its user, which may be stuck at a client on
 * the other side of the file, but takes one from the stack and pays with a grace
 * period, before which lookups may still be reading it.
 */
static void gmem_space_revoke(struct gmem_space *space, pgoff_t start,
			      pgoff_t last, bool give_back)
{
	struct gmem_run range = { start, min(last, space->map.nr_pages - 1) };
	struct gmem_txn txn = { .space = space };

	if (range.start > range.last)
		return;
	if (mutex_trylock(&space->revoke_lock)) {
		/* Lookups of the previous revoke have forgotten its span. */
		cond_synchronize_rcu(space->revoke_rcu);
		gmem_txn_revoke(space->revoke_txn, &range, give_back);
		space->revoke_rcu = get_state_synchronize_rcu();
		mutex_unlock(&space->revoke_lock);
	} else {
		gmem_txn_revoke(&txn, &range, give_back);
		synchronize_rcu();
	}
}

/**
 * gmem_revoke_range() - give the memory of pages back, whoever uses it
 * @space: the space
 * @start: first page
 * @last: last page, inclusive; both are brought inside the space
 *
 * For release and eviction.  Nobody is asked, nothing is allocated; waits for
 * operations that run there, which cannot wait for this one, in the order in
 * which they came.  What is quarantined stays where it is.
 *
 * Context: Process context, may sleep.  As gmem_convert_range().
 */
void gmem_revoke_range(struct gmem_space *space, pgoff_t start, pgoff_t last)
{
	gmem_space_revoke(space, start, last, true);
}
EXPORT_SYMBOL_GPL(gmem_revoke_range);

/**
 * gmem_unmap_range() - take pages away from every client, whoever uses them
 * @space: the space
 * @start: first page
 * @last: last page, inclusive; both are brought inside the space
 *
 * For memory failure: the memory stays, so that nobody gets a fresh page in its
 * place and takes zeroes for what was there.  Not for a context that may not
 * wait; queue it.
 *
 * Context: As gmem_revoke_range().
 */
void gmem_unmap_range(struct gmem_space *space, pgoff_t start, pgoff_t last)
{
	gmem_space_revoke(space, start, last, false);
}
EXPORT_SYMBOL_GPL(gmem_unmap_range);
