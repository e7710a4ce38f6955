// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_check: looks over the shoulder of every operation, and says with a WARN
 * which guarantee was broken.  Only with CONFIG_GMEM_CONVERT_DEBUG; costs time
 * in proportion to the runs of a request.
 *
 * What other code checks better is not here: re-entry from callbacks and user
 * memory touched under a fence (G9) is lockdep's, by gmem_callback_map; balance
 * of prepare and its end (G7) is a counter of the client's, looked at when it
 * unregisters.
 */
#include <linux/cleanup.h>
#include <linux/hash.h>
#include <linux/irqflags.h>
#include <linux/sched.h>
#include <trace/events/kmem.h>

#include "internal.h"

/* A word that changes if any state in @range does. */
static u64 gmem_check_map(struct gmem_space *space, const struct gmem_run *range)
{
	struct gmem_run run = { .last = range->start - 1 };
	u64 sum = 0;
	int state;

	do {
		state = gmem_space_next_run(space, run.last + 1, range->last,
					    &run);
		sum = hash_64(sum ^ run.last ^ ((u64)state << 63), 64);
		cond_resched();
	} while (state >= 0 && run.last != range->last);
	return sum;
}

/* The claim has been granted: from here on only @txn changes the map. */
void gmem_check_begin(struct gmem_txn *txn)
{
	txn->check.map_before = gmem_check_map(txn->space, &txn->plan.request);
}

/* G1: who was refused finds everything as it was; the claim is still held. */
void gmem_check_refused(struct gmem_txn *txn)
{
	if (!txn->span.claimed || txn->plan.op == GMEM_OP_POPULATE)
		return;
	WARN_ONCE(txn->check.map_before !=
		  gmem_check_map(txn->space, &txn->plan.request),
		  "gmem_convert: G1: a refused operation has changed states of %lu-%lu\n",
		  txn->plan.request.start, txn->plan.request.last);
}

static void gmem_check_slot(struct gmem_txn *txn, const struct gmem_slot *slot)
{
	struct gmem_run run, same;
	unsigned long i;

	gmem_for_each_run(slot, i, run)
		WARN_ONCE(gmem_space_next_run(txn->space, run.start, run.last,
					      &same) == txn->plan.target ||
			  same.last != run.last,
			  "gmem_convert: G5: %s is told of %lu-%lu, which does not change\n",
			  slot->client->name, run.start, run.last);
}

/* G5: who keeps what stays as it is, is not told to take it away. */
void gmem_check_slots(struct gmem_txn *txn)
{
	unsigned int i;

	if (txn->plan.op != GMEM_OP_CONVERT)
		return;
	for (i = 0; i < txn->nr_slots; i++)
		gmem_check_slot(txn, &txn->slots[i]);
}

/* G4: nobody reaches a page by a translation of the wrong kind. */
void gmem_check_unmapped(struct gmem_client *client, pgoff_t start,
			 pgoff_t last)
{
	if (!client->ops->check)
		return;
	WARN_ONCE(!client->ops->check(client, start, last),
		  "gmem_convert: G4: %s: still maps %lu-%lu\n", client->name,
		  start, last);
}

void gmem_check_invalidated(const struct gmem_slot *slot)
{
	struct gmem_run run;
	unsigned long i;

	gmem_for_each_run(slot, i, run)
		gmem_check_unmapped(slot->client, run.start, run.last);
}

/* G6: what hardware has kept is not given to anybody else. */
void gmem_check_freed(struct gmem_space *space, pgoff_t index)
{
	struct gmem_run page = { index, index }, kept;

	WARN_ONCE(gmem_space_quarantined(space, &page, &kept),
		  "gmem_convert: G6: quarantined page %lu is freed\n", index);
}
EXPORT_SYMBOL_GPL(gmem_check_freed);

/* --- G3: nothing is allocated in a commit ---------------------------------- */

static DEFINE_RAW_SPINLOCK(gmem_committing_lock);
static LIST_HEAD(gmem_committing);

static bool gmem_check_is_committing(void)
{
	struct gmem_txn *txn;

	if (list_empty_careful(&gmem_committing) || !in_task())
		return false;
	guard(raw_spinlock_irqsave)(&gmem_committing_lock);
	list_for_each_entry(txn, &gmem_committing, check.entry)
		if (txn->check.task == current)
			return true;
	return false;
}

/*
 * What may sleep for memory, depends on it.  What may not sleep, e.g. the pages
 * in which an unmapping gathers its own, has a plan for going without.
 */
static void gmem_check_allocation(gfp_t gfp)
{
	WARN_ONCE((gfp & __GFP_DIRECT_RECLAIM) && gmem_check_is_committing(),
		  "gmem_convert: G3: memory is allocated in a commit\n");
}

static void gmem_check_kmalloc(void *data, unsigned long call_site,
			       const void *ptr, size_t bytes_req,
			       size_t bytes_alloc, gfp_t gfp, int node)
{
	gmem_check_allocation(gfp);
}

static void gmem_check_cache_alloc(void *data, unsigned long call_site,
				   const void *ptr, struct kmem_cache *cache,
				   gfp_t gfp, int node)
{
	gmem_check_allocation(gfp);
}

/* G2: everybody has agreed. */
void gmem_check_commit_begin(struct gmem_txn *txn)
{
	WARN_ONCE(!txn->agreed || txn->nr_prepared != txn->nr_slots,
		  "gmem_convert: G2: a commit that not everybody has agreed to\n");
	txn->check.task = current;
	guard(raw_spinlock_irqsave)(&gmem_committing_lock);
	list_add(&txn->check.entry, &gmem_committing);
}

/* G8: nobody who passes the fence from now on finds the old state. */
void gmem_check_commit_end(struct gmem_txn *txn)
{
	struct gmem_run run;

	scoped_guard(raw_spinlock_irqsave, &gmem_committing_lock)
		list_del(&txn->check.entry);
	if (txn->plan.op != GMEM_OP_CONVERT)
		return;
	WARN_ONCE(!txn->span.raised ||
		  gmem_space_next_run(txn->space, txn->plan.request.start,
				      txn->plan.request.last, &run) !=
		  txn->plan.target || run.last != txn->plan.request.last,
		  "gmem_convert: G8: the fence over %lu-%lu comes down before the state is stored\n",
		  txn->plan.request.start, txn->plan.request.last);
}

/* --- G11: a lookup takes no lock ------------------------------------------- */

/*
 * Held like gmem_callback_map, while a lookup runs, with a wait type that allows
 * no lock inside, not even a raw spinlock.
 */
#ifdef CONFIG_LOCKDEP
static struct lock_class_key gmem_lookup_key;
static struct lockdep_map gmem_lookup_map = {
	.name = "gmem_convert_lookup",
	.key = &gmem_lookup_key,
	.wait_type_outer = LD_WAIT_FREE,
	.wait_type_inner = LD_WAIT_FREE,
};
#endif

/*
 * Without interrupts: on their way back they schedule and set timers, with locks
 * that the lookup would be blamed for.
 */
unsigned long gmem_check_lookup_begin(void)
{
	unsigned long flags;

	local_irq_save(flags);
	lock_map_acquire_read(&gmem_lookup_map);
	return flags;
}

void gmem_check_lookup_end(unsigned long flags)
{
	lock_map_release(&gmem_lookup_map);
	local_irq_restore(flags);
}

void gmem_check_init(void)
{
	register_trace_kmalloc(gmem_check_kmalloc, NULL);
	register_trace_kmem_cache_alloc(gmem_check_cache_alloc, NULL);
}

void gmem_check_exit(void)
{
	unregister_trace_kmalloc(gmem_check_kmalloc, NULL);
	unregister_trace_kmem_cache_alloc(gmem_check_cache_alloc, NULL);
	tracepoint_synchronize_unregister();
}
