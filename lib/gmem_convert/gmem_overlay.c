// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_overlay: the spans on which operations run now.
 *
 * A *claim* keeps operations on overlapping spans apart; lookups do not see
 * it.  A *fence* is a claim that lookups see.  Claims are granted in the order
 * in which they were asked for: each counts the earlier claims, granted or
 * not, that overlap it, and is granted when that count reaches zero.  So no
 * stream of small operations can starve a large one, and disjoint ones never
 * meet.
 *
 * Granted claims are disjoint, therefore raised fences are, therefore a plain
 * ordered tree finds the fence over an index, which can be searched under RCU.
 * The interval tree of the claims could not: its augmented values are changed
 * in place.
 *
 * Owns the two trees and the queue.  Knows neither states nor clients.  The
 * lock and the sequence counter are the space's, because a lookup wants one
 * consistent answer from fences and map (G4, G8, G11).
 */
#include <kunit/visibility.h>
#include <linux/sched/signal.h>

#include "internal.h"

/**
 * gmem_overlay_init() - make an empty overlay
 * @overlay: the overlay
 * @lock: guards it
 * @seq: makes lookups of fences lock-free
 */
void gmem_overlay_init(struct gmem_overlay *overlay, spinlock_t *lock,
		       seqcount_spinlock_t *seq)
{
	overlay->lock = lock;
	overlay->seq = seq;
	overlay->claims = RB_ROOT_CACHED;
	overlay->fences = RB_ROOT;
	overlay->next_ticket = 0;
	init_waitqueue_head(&overlay->wait);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_init);

static struct gmem_span *to_span(struct interval_tree_node *node)
{
	return container_of(node, struct gmem_span, claim);
}

/* Takes @span out, granted or not, and grants what only it was holding up. */
static void gmem_overlay_remove(struct gmem_overlay *overlay,
				struct gmem_span *span)
{
	struct interval_tree_node *node;

	lockdep_assert_held(overlay->lock);
	interval_tree_remove(&span->claim, &overlay->claims);
	span->claimed = false;
	gmem_for_each_claim(node, overlay, span->claim.start,
			    span->claim.last) {
		struct gmem_span *other = to_span(node);

		/* Earlier ones never counted this one. */
		if (other->ticket > span->ticket && !--other->nr_blockers)
			complete(&other->granted);
	}
}

/**
 * gmem_overlay_claim() - exclude conflicting operations
 * @overlay: the overlay
 * @span: the operation's, zeroed but for request, txn and owner
 * @effective: pages to claim
 * @flags: %GMEM_NOWAIT or 0
 * @task_state: how to sleep, e.g. %TASK_INTERRUPTIBLE
 *
 * Context: Process context, may sleep; holds nothing that a callback takes.
 * Return: 0, -EAGAIN if it would wait and may not, -EINTR for a signal.
 */
int gmem_overlay_claim(struct gmem_overlay *overlay, struct gmem_span *span,
		       const struct gmem_run *effective, unsigned int flags,
		       unsigned int task_state)
{
	struct interval_tree_node *node;

	gmem_may_wait_for_callback();
	span->claim.start = effective->start;
	span->claim.last = effective->last;
	span->nr_blockers = 0;
	span->begin = ktime_get();
	init_completion(&span->granted);

	scoped_guard(spinlock, overlay->lock) {
		gmem_for_each_claim(node, overlay, span->claim.start,
				    span->claim.last)
			span->nr_blockers++;
		if (span->nr_blockers && (flags & GMEM_NOWAIT))
			return -EAGAIN;
		span->ticket = overlay->next_ticket++;
		span->claimed = true;
		interval_tree_insert(&span->claim, &overlay->claims);
		if (!span->nr_blockers)
			return 0;
	}

	if (!wait_for_completion_state(&span->granted, task_state))
		return 0;

	/* A grant that came together with the signal is given back as well. */
	guard(spinlock)(overlay->lock);
	gmem_overlay_remove(overlay, span);
	return -EINTR;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_claim);

/**
 * gmem_overlay_release() - end a granted claim
 * @overlay: the overlay
 * @span: claimed, not raised
 *
 * Context: Process context, takes the space's lock.
 */
void gmem_overlay_release(struct gmem_overlay *overlay, struct gmem_span *span)
{
	guard(spinlock)(overlay->lock);
	WARN_ON_ONCE(span->raised);
	gmem_overlay_remove(overlay, span);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_release);

static int gmem_fence_cmp(struct rb_node *new, const struct rb_node *node)
{
	const struct gmem_span *a = rb_entry(new, struct gmem_span, fence);
	const struct gmem_span *b = rb_entry(node, struct gmem_span, fence);

	if (a->claim.last < b->claim.start)
		return -1;
	return a->claim.start > b->claim.last;
}

static int gmem_fence_cmp_range(const void *key, const struct rb_node *node)
{
	const struct gmem_span *span = rb_entry(node, struct gmem_span, fence);
	const struct gmem_run *range = key;

	if (range->last < span->claim.start)
		return -1;
	return range->start > span->claim.last;
}

/**
 * gmem_overlay_raise() - make a claim visible to lookups
 * @overlay: the overlay
 * @span: claimed
 *
 * Context: Process context, takes the space's lock.
 */
void gmem_overlay_raise(struct gmem_overlay *overlay, struct gmem_span *span)
{
	guard(spinlock)(overlay->lock);
	write_seqcount_begin(overlay->seq);
	span->raised = true;
	WARN_ON_ONCE(rb_find_add_rcu(&span->fence, &overlay->fences,
				     gmem_fence_cmp));
	write_seqcount_end(overlay->seq);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_raise);

/**
 * gmem_overlay_lower() - take a fence down and wake who waits at it
 * @overlay: the overlay
 * @span: raised; its memory must outlive an RCU grace period, lookups may be
 *	reading it
 *
 * Context: Process context, takes the space's lock.
 */
void gmem_overlay_lower(struct gmem_overlay *overlay, struct gmem_span *span)
{
	scoped_guard(spinlock, overlay->lock) {
		write_seqcount_begin(overlay->seq);
		rb_erase(&span->fence, &overlay->fences);
		span->raised = false;
		write_seqcount_end(overlay->seq);
	}
	/* Full barrier: pairs with the one of prepare_to_wait_event(). */
	if (wq_has_sleeper(&overlay->wait))
		wake_up_all(&overlay->wait);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_lower);

/**
 * gmem_overlay_is_owner() - whether a fence is the task's own
 * @overlay: the overlay
 * @index: page
 *
 * Context: The space's lock is held.
 * Return: whether this task's fence is up there.
 */
bool gmem_overlay_is_owner(const struct gmem_overlay *overlay, pgoff_t index)
{
	const struct gmem_run page = { index, index };
	struct rb_node *node;

	lockdep_assert_held(overlay->lock);
	node = rb_find(&page, &overlay->fences, gmem_fence_cmp_range);
	return node &&
	       rb_entry(node, struct gmem_span, fence)->owner == current;
}

/**
 * gmem_overlay_fenced() - is there a fence over pages
 * @overlay: the overlay
 * @range: the pages; a single one for %GMEM_SCOPE_REQUEST
 * @scope: whether the rounding of a fence counts
 *
 * The task that populates a span passes its own fence: what its callback calls
 * may well be the fault path that everybody else uses.  Being that task is the
 * token.  A pointer handed from populate to the lookup would have to go through
 * all of KVM's fault path for the same effect, and nothing that runs in another
 * task could use it: it would wait for its own starter.
 *
 * Context: Process context, under rcu_read_lock(), inside a read section of the
 *	sequence counter.  A tree that is being rebalanced may hide a fence: the
 *	answer holds only if the section need not be repeated.
 * Return: whether lookups there must wait.
 */
bool gmem_overlay_fenced(const struct gmem_overlay *overlay,
			 const struct gmem_run *range, enum gmem_scope scope)
{
	struct rb_node *node = rb_find_rcu(range, &overlay->fences,
					   gmem_fence_cmp_range);
	const struct gmem_span *span;

	if (!node)
		return false;
	span = rb_entry(node, struct gmem_span, fence);
	/* In a block there may be the fence of somebody else as well. */
	if (span->owner == current && range->start == range->last)
		return false;
	return scope == GMEM_SCOPE_EFFECTIVE ||
	       (range->start >= span->request.start &&
		range->start <= span->request.last);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_overlay_fenced);
