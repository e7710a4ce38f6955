// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_space: one memory object, and the lock-free answer to "what is this
 * page now?".
 *
 * Owns the map, the overlay and the quarantine, and the lock that makes them
 * one.  Every change of any happens in a write section of one sequence counter,
 * so a lookup reads all and repeats if anything changed meanwhile (G11).
 */
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

#include <trace/events/gmem_convert.h>

/*
 * Pages looked at or stored in one go, with the lock held: 512 blocks, some
 * microseconds.
 */
#define GMEM_BATCH	(512UL << GMEM_BLOCK_SHIFT)

/**
 * gmem_space_alloc() - make a space
 * @name: for traces and debugfs; copied, may be cut short, a number follows it
 * @nr_pages: size in pages, not 0
 * @state: state of every page
 * @provider: owner of the memory, outlives the space
 *
 * Context: Process context, may sleep.  Allocations are charged to the caller's
 *	memory cgroup.
 * Return: the space, or ERR_PTR(): -EINVAL for an impossible size, state or an
 *	incomplete provider, -ENOMEM.
 */
struct gmem_space *gmem_space_alloc(const char *name, pgoff_t nr_pages,
				    enum gmem_state state,
				    struct gmem_provider *provider)
{
	static atomic_t next_id = ATOMIC_INIT(0);
	struct gmem_space *space;
	int ret;

	if (!provider || !provider->ops || !provider->ops->commit ||
	    !provider->ops->revoke || !nr_pages ||
	    (state != GMEM_PRIVATE && state != GMEM_SHARED))
		return ERR_PTR(-EINVAL);

	if (gmem_fault(GMEM_FAULT_SPACE_ALLOC))
		return ERR_PTR(-ENOMEM);
	space = kzalloc_obj(*space, GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);
	snprintf(space->name, sizeof(space->name), "%.*s.%u", GMEM_NAME_LEN - 1,
		 name, (unsigned int)atomic_inc_return(&next_id));
	space->provider = provider;
	spin_lock_init(&space->lock);
	seqcount_spinlock_init(&space->seq, &space->lock);
	gmem_overlay_init(&space->overlay, &space->lock, &space->seq);
	mutex_init(&space->clients_lock);
	INIT_LIST_HEAD(&space->clients);
	init_waitqueue_head(&space->clients_wait);
	mutex_init(&space->revoke_lock);
	spin_lock_init(&space->refusals_lock);

	space->revoke_txn = gmem_txn_alloc(space);
	if (!space->revoke_txn) {
		ret = -ENOMEM;
		goto err_space;
	}
	space->revoke_rcu = get_completed_synchronize_rcu();
	ret = gmem_map_init(&space->map, nr_pages, state);
	if (ret)
		goto err_txn;
	gmem_debugfs_add(space);
	return space;

err_txn:
	gmem_txn_free(space->revoke_txn);
err_space:
	kfree(space);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(gmem_space_alloc);

/**
 * gmem_space_free() - end a space
 * @space: no client is registered and nobody uses it any more
 *
 * Context: Process context, may sleep.
 */
void gmem_space_free(struct gmem_space *space)
{
	WARN_ON_ONCE(!list_empty(&space->clients));
	WARN_ON_ONCE(!RB_EMPTY_ROOT(&space->overlay.claims.rb_root));

	gmem_debugfs_remove(space);
	gmem_txn_free(space->revoke_txn);
	gmem_map_destroy(&space->map);
	kfree(space);
}
EXPORT_SYMBOL_GPL(gmem_space_free);

/* Whether anything but the map has a say; mostly nothing has. */
static bool gmem_space_special(const struct gmem_space *space)
{
	return READ_ONCE(space->overlay.fences.rb_node) ||
	       READ_ONCE(space->quarantine.nr);
}

/* What others than the map say of a page: 0, -EAGAIN or -EHWPOISON. */
static noinline int gmem_space_lookup_special(struct gmem_space *space,
					      pgoff_t index,
					      enum gmem_scope scope)
{
	struct gmem_run page = { index, index }, poisoned;

	if (gmem_overlay_fenced(&space->overlay, &page, scope))
		return -EAGAIN;
	return gmem_quarantine_find(&space->quarantine, index, index,
				    &poisoned) ? -EHWPOISON : 0;
}

/**
 * gmem_space_lookup() - state of a page, now
 * @space: the space
 * @index: page
 * @scope: which part of a fence to respect
 *
 * The answer may be out of date on return.  Who maps the page by it checks
 * again where an operation can be excluded: KVM's MMU compares the invalidation
 * sequence under mmu_lock, a host fault holds off the freeze.
 *
 * Context: Process context.  Takes no lock, allocates nothing; spins while a
 *	write section of some microseconds runs on another CPU.
 * Return: %GMEM_PRIVATE or %GMEM_SHARED, -EAGAIN if an operation of another
 *	task is running there (see gmem_space_wait()), -EHWPOISON if the page is
 *	quarantined, -EINVAL beyond the end.
 */
int gmem_space_lookup(struct gmem_space *space, pgoff_t index,
		      enum gmem_scope scope)
{
	unsigned long flags;
	unsigned int seq;
	int ret;

	if (index >= space->map.nr_pages)
		return -EINVAL;

	guard(rcu)();
	flags = gmem_check_lookup_begin();
	do {
		seq = read_seqcount_begin(&space->seq);
		ret = unlikely(gmem_space_special(space)) ?
		      gmem_space_lookup_special(space, index, scope) : 0;
		if (!ret)
			ret = gmem_map_lookup(&space->map, index);
	} while (read_seqcount_retry(&space->seq, seq));
	gmem_check_lookup_end(flags);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_space_lookup);

static unsigned int gmem_space_read_order(struct gmem_space *space,
					  pgoff_t index, unsigned int max_order)
{
	struct gmem_run block, poisoned;
	unsigned int order;

	order = gmem_map_max_order(&space->map, index, max_order);
	for (; order; order = order > GMEM_BLOCK_SHIFT ? GMEM_BLOCK_SHIFT : 0) {
		block.start = index & ~(BIT(order) - 1);
		block.last = index | (BIT(order) - 1);
		if (!gmem_overlay_fenced(&space->overlay, &block,
					 GMEM_SCOPE_EFFECTIVE) &&
		    !gmem_quarantine_find(&space->quarantine, block.start,
					  block.last, &poisoned))
			break;
	}
	return order;
}

/**
 * gmem_space_max_order() - how large a mapping around a page may be, now
 * @space: the space
 * @index: page
 * @max_order: largest that the caller could use
 *
 * Of the whole block, not only of the page that faulted: all in the same state,
 * no operation running anywhere in it, nothing quarantined, no limit (see
 * gmem_space_limit()).  The answer may be out of date on return; who maps by it
 * reads it again where he checks the state again.
 *
 * Context: As gmem_space_lookup().
 * Return: largest order that is at most @max_order, of those that page tables
 *	know: 0, 9 or 18.  0 beyond the end.
 */
unsigned int gmem_space_max_order(struct gmem_space *space, pgoff_t index,
				  unsigned int max_order)
{
	unsigned int seq, order;
	unsigned long flags;

	if (index >= space->map.nr_pages)
		return 0;

	guard(rcu)();
	flags = gmem_check_lookup_begin();
	do {
		seq = read_seqcount_begin(&space->seq);
		order = gmem_space_read_order(space, index, max_order);
	} while (read_seqcount_retry(&space->seq, seq));
	gmem_check_lookup_end(flags);
	return order;
}
EXPORT_SYMBOL_GPL(gmem_space_max_order);

/**
 * gmem_space_is_owner() - whether this task is populating a page
 * @space: the space
 * @index: page
 *
 * For what populate calls, to see that it was called by it.
 *
 * Context: Any.
 * Return: whether a fence of the calling task's own is up there.
 */
bool gmem_space_is_owner(struct gmem_space *space, pgoff_t index)
{
	guard(spinlock)(&space->lock);
	return gmem_overlay_is_owner(&space->overlay, index);
}
EXPORT_SYMBOL_GPL(gmem_space_is_owner);

/**
 * gmem_space_wait() - wait until no operation runs on a page
 * @space: the space
 * @index: page
 * @scope: which part of a fence to respect
 * @task_state: how to sleep: %TASK_KILLABLE, %TASK_INTERRUPTIBLE, or'ed with
 *	%TASK_FREEZABLE if the caller holds no lock
 *
 * Another operation may have begun by the time this returns.
 *
 * Context: Process context, may sleep.  The caller holds no folio lock or
 *	reference, nothing that a client's callback takes, and kvm->srcu not for
 *	long.
 * Return: 0, -EINTR for a signal that @task_state allows.
 */
int gmem_space_wait(struct gmem_space *space, pgoff_t index,
		    enum gmem_scope scope, unsigned int task_state)
{
	ktime_t begin;
	int ret;

	gmem_may_wait_for_callback();
	ret = gmem_fault(GMEM_FAULT_WAIT);
	if (ret && task_state != TASK_UNINTERRUPTIBLE)
		return ret;
	begin = trace_gmem_wait_enabled() ? ktime_get() : 0;
	ret = wait_event_state(space->overlay.wait,
			       gmem_space_lookup(space, index, scope) != -EAGAIN,
			       task_state) ? -EINTR : 0;
	trace_gmem_wait(space->name, index, ret,
			begin ? ktime_sub(ktime_get(), begin) : 0);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_space_wait);

/**
 * gmem_space_settle() - wait until what runs on a range has ended
 * @space: the space
 * @range: pages
 *
 * An operation takes the list of clients once, when its fence is up.  A client
 * that registers later is not asked by it, and if it maps memory need not be:
 * its lookups wait at the fence.  A client that only has an opinion calls this
 * after gmem_client_register(); from then on nothing happens to the range that
 * it was not asked about, or told of by revoke.
 *
 * It queues as an operation would, so that it waits neither for those that come
 * later nor in vain for a moment without any.
 *
 * Context: Process context, may sleep, freezable; holds nothing that a client's
 *	callback takes, and no lock that somebody may be waiting for in there.
 * Return: 0, -EINVAL if @range is not inside the space, -EINTR for a signal.
 */
int gmem_space_settle(struct gmem_space *space, const struct gmem_run *range)
{
	struct gmem_span span = {};
	int ret;

	if (range->start > range->last || range->last >= space->map.nr_pages)
		return -EINVAL;
	span.request = *range;
	ret = gmem_fault(GMEM_FAULT_SETTLE);
	if (!ret)
		ret = gmem_overlay_claim(&space->overlay, &span, range, 0,
					 TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!ret)
		gmem_overlay_release(&space->overlay, &span);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_space_settle);

/*
 * Takes pages out of use for ever, and more if the provider's folios reach
 * further.  Called while the fence is up, so nobody looks at them.
 */
void gmem_space_quarantine(struct gmem_space *space, struct gmem_run *run)
{
	const struct gmem_provider_ops *ops = space->provider->ops;

	if (ops->quarantine)
		ops->quarantine(space->provider, run);
	scoped_guard(spinlock, &space->lock) {
		write_seqcount_begin(&space->seq);
		gmem_quarantine_add(&space->quarantine, run);
		write_seqcount_end(&space->seq);
	}
	trace_gmem_quarantine(space->name, run);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_space_quarantine);

/**
 * gmem_space_quarantined() - first page of a range that hardware has kept
 * @space: the space
 * @range: pages
 * @run: set to the first run of them inside @range
 *
 * For providers, who never free such a page.  What is kept while this runs may
 * be missed; nothing is, once the caller has a claim on @range.
 *
 * Context: Any; takes the space's lock if anything was ever kept.
 * Return: whether there is one.
 */
bool gmem_space_quarantined(struct gmem_space *space,
			    const struct gmem_run *range, struct gmem_run *run)
{
	if (!READ_ONCE(space->quarantine.nr))
		return false;
	guard(spinlock)(&space->lock);
	return gmem_quarantine_find(&space->quarantine, range->start,
				    range->last, run);
}
EXPORT_SYMBOL_GPL(gmem_space_quarantined);

/**
 * gmem_space_limit() - never map a range by larger entries again
 * @space: the space
 * @range: pages, inside the space
 * @order: largest order that is left: 0 or 9
 *
 * For a client whose page tables, once cut, must not become large again: the
 * limit outlives the operation that needed the cut, also one that was aborted.
 * There is no way back.  Costs a step per 2 MiB.
 *
 * Context: Process context.  Under the fence of an operation, from prepare, if
 *	mappings that were made by the old answer are to be found.
 */
void gmem_space_limit(struct gmem_space *space, const struct gmem_run *range,
		      unsigned int order)
{
	pgoff_t start = range->start, last;

	if (WARN_ON_ONCE(range->start > range->last ||
			 range->last >= space->map.nr_pages))
		return;
	for (;; start = last + 1) {
		last = min(range->last, start | (GMEM_BATCH - 1));
		scoped_guard(spinlock, &space->lock) {
			write_seqcount_begin(&space->seq);
			gmem_map_limit(&space->map, start, last, order);
			write_seqcount_end(&space->seq);
		}
		if (last == range->last)
			return;
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(gmem_space_limit);

/**
 * gmem_space_next_run() - walk the states of a space
 * @space: the space
 * @start: first page
 * @last: where to stop, inclusive; may be beyond the end
 * @run: set to the run of equal pages that begins at @start
 *
 * Fences do not matter.  Unless the caller holds a claim on the span, it may be
 * seen half changed.
 *
 * Context: Process context, may sleep.
 * Return: state of the run, -EINVAL if @start is beyond the end or @last.
 */
int gmem_space_next_run(struct gmem_space *space, pgoff_t start, pgoff_t last,
			struct gmem_run *run)
{
	struct gmem_run part;
	int state = -EINVAL;

	last = min(last, space->map.nr_pages - 1);
	for (run->start = start; start <= last; start = part.last + 1) {
		pgoff_t batch_last = min(last, start | (GMEM_BATCH - 1));
		int next;

		scoped_guard(spinlock, &space->lock)
			next = gmem_map_next_run(&space->map, start, batch_last,
						 &part);
		if (state >= 0 && next != state)
			break;
		state = next;
		run->last = part.last;
		if (part.last != batch_last)
			break;
		cond_resched();
	}
	return state;
}
EXPORT_SYMBOL_GPL(gmem_space_next_run);

/*
 * Stores the new state of a span.  Lookups are held off by the fence, so that
 * they cannot see the borders between batches.
 */
void gmem_space_store(struct gmem_space *space, pgoff_t start, pgoff_t last,
		      enum gmem_state state, struct gmem_map_reserve *reserve)
{
	for (;;) {
		pgoff_t batch_last = min(last, start | (GMEM_BATCH - 1));

		scoped_guard(spinlock, &space->lock) {
			write_seqcount_begin(&space->seq);
			gmem_map_store(&space->map, start, batch_last, state,
				       reserve);
			write_seqcount_end(&space->seq);
		}
		if (batch_last == last)
			return;
		start = batch_last + 1;
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(gmem_space_store);

static int __init gmem_convert_init(void)
{
	int ret = gmem_map_cache_init();

	if (ret)
		return ret;
	gmem_debugfs_init();
	gmem_check_init();
	return 0;
}

static void __exit gmem_convert_exit(void)
{
	gmem_check_exit();
	gmem_debugfs_exit();
	gmem_map_cache_exit();
}

/* Built in, providers may make spaces from their own initcalls. */
subsys_initcall(gmem_convert_init);
module_exit(gmem_convert_exit);

MODULE_DESCRIPTION("Conversion of guest memory between shared and private");
MODULE_LICENSE("GPL");
