// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_space: one memory object, and the lock-free answer to "what is this
 * page now?".
 *
 * Owns the map and the overlay and the lock that makes them one.  Every change
 * of either happens in a write section of one sequence counter, so a lookup
 * reads both and repeats if anything changed meanwhile (G11).
 */
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

/**
 * gmem_space_alloc() - make a space
 * @name: for reports, traces and debugfs; copied, may be cut short
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
	struct gmem_space *space;
	int ret;

	if (!provider || !provider->ops || !provider->ops->commit ||
	    !provider->ops->revoke || !nr_pages ||
	    (state != GMEM_PRIVATE && state != GMEM_SHARED))
		return ERR_PTR(-EINVAL);

	space = kzalloc_obj(*space, GFP_KERNEL_ACCOUNT);
	if (!space)
		return ERR_PTR(-ENOMEM);
	strscpy(space->name, name);
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
 * Return: %GMEM_PRIVATE or %GMEM_SHARED, -EAGAIN if an operation is running
 *	there (see gmem_space_wait()), -EINVAL beyond the end.
 */
int gmem_space_lookup(struct gmem_space *space, pgoff_t index,
		      enum gmem_scope scope)
{
	enum gmem_state state;
	unsigned int seq;
	bool fenced;

	if (index >= space->map.nr_pages)
		return -EINVAL;

	guard(rcu)();
	do {
		seq = read_seqcount_begin(&space->seq);
		fenced = gmem_overlay_fenced(&space->overlay, index, scope);
		state = gmem_map_lookup(&space->map, index);
	} while (read_seqcount_retry(&space->seq, seq));

	return fenced ? -EAGAIN : state;
}
EXPORT_SYMBOL_GPL(gmem_space_lookup);

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
	gmem_may_wait_for_callback();
	return wait_event_state(space->overlay.wait,
				gmem_space_lookup(space, index, scope) != -EAGAIN,
				task_state) ? -EINTR : 0;
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
	ret = gmem_overlay_claim(&space->overlay, &span, range, 0,
				 TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	if (!ret)
		gmem_overlay_release(&space->overlay, &span);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_space_settle);

/*
 * Pages looked at or stored in one go, with the lock held: 512 blocks, some
 * microseconds.
 */
#define GMEM_BATCH	(512UL << GMEM_BLOCK_SHIFT)

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

	if (!ret)
		gmem_debugfs_init();
	return ret;
}

static void __exit gmem_convert_exit(void)
{
	gmem_debugfs_exit();
	gmem_map_cache_exit();
}

/* Built in, providers may make spaces from their own initcalls. */
subsys_initcall(gmem_convert_init);
module_exit(gmem_convert_exit);

MODULE_DESCRIPTION("Conversion of guest memory between shared and private");
MODULE_LICENSE("GPL");
