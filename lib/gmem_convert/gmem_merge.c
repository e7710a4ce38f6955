// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_merge: makes folios of the file's order of what was cut.
 *
 * In the conversion that makes a block equal again, as far as nobody uses a page
 * of it; and, for files that ask for it, later in the background.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "folios.h"

/* After so many attempts in the background, the next conversion begins anew. */
#define GMEM_MERGE_TRIES	8

/*
 * Remembers that the block around @index was left split: in its chunk, and as
 * the hull of where to look.
 */
static void gmem_folios_leave(struct gmem_folios *f, pgoff_t index)
{
	lockdep_assert_held(&f->left_lock);
	gmem_chunk_find(f, index)->left = true;
	gmem_run_include(&f->left, index);
}

static void gmem_folios_queue_left(struct gmem_folios *f)
{
	lockdep_assert_held(&f->left_lock);
	queue_delayed_work(system_dfl_wq, &f->left_work,
			   f->merge_delay << f->left_tries);
}

/*
 * For the background.  While the operation has its claim on the block, so the
 * merge comes after it.
 */
static void gmem_folios_note_left(struct gmem_folios *f,
				  const struct gmem_plan *plan, pgoff_t index)
{
	if (!f->merge_delay)
		return;
	guard(spinlock)(&f->left_lock);
	gmem_folios_leave(f, index);
	/* One more attempt of the same series, or one that somebody asked for. */
	if (plan->op == GMEM_OP_MERGE)
		return;
	/* Soon again; but not later because of one more, or it would never come. */
	if (f->left_tries)
		cancel_delayed_work(&f->left_work);
	f->left_tries = 0;
	gmem_folios_queue_left(f);
}

/*
 * The first folio of @block if the block is full of pieces of equal size that
 * could be one folio; NULL if not.
 */
static struct folio *gmem_folios_pieces(struct gmem_folios *f,
					const struct gmem_run *block,
					unsigned int piece_order)
{
	struct folio *first = gmem_folios_at(f, block->start), *piece;
	pgoff_t index;

	if (!first || !IS_ALIGNED(folio_pfn(first),
				  block->last - block->start + 1))
		return NULL;
	for (index = block->start; index <= block->last;
	     index += BIT(piece_order)) {
		piece = gmem_folios_at(f, index);
		if (!piece || folio_order(piece) != piece_order ||
		    !gmem_folio_may_join(first, piece, index - block->start))
			return NULL;
		cond_resched();
	}
	return first;
}

/* Freezes those that are not frozen yet; if one is used, no more than it has. */
static bool gmem_folios_freeze_block(struct gmem_folios *f,
				     const struct gmem_run *block)
{
	struct folio *folio;
	pgoff_t index;

	gmem_for_each_folio(f, block, index, folio)
		if (folio_ref_count(folio) &&
		    !folio_ref_freeze(folio, GMEM_FOLIO_REFS))
			return false;
	return true;
}

/* Makes one folio of the block of @order around @index, if it can be one. */
static void gmem_folios_merge_block(struct gmem_folios *f,
				    struct gmem_plan *plan, pgoff_t index,
				    unsigned int order)
{
	struct gmem_run kept, block = {
		index & ~(BIT(order) - 1), index | (BIT(order) - 1),
	};
	struct folio *first;

	if (block.start < plan->effective.start ||
	    block.last > plan->effective.last ||
	    gmem_folios_order(f, index) >= order ||
	    gmem_map_max_order(&f->space->map, index, order) < order ||
	    gmem_space_quarantined(f->space, &block, &kept))
		return;
	first = gmem_folios_pieces(f, &block, order - GMEM_BLOCK_SHIFT);
	if (!first)
		return;
	if (gmem_folios_freeze_block(f, &block)) {
		gmem_folio_merge(first, order);
		gmem_folios_store_merged(f, first);
	} else {
		plan->left_split = true;
		gmem_folios_note_left(f, plan, index);
	}
	gmem_folios_unfreeze_run(f, &block);
}

/*
 * Joins what has become equal.  After the store, when the map says what is; a
 * block that cannot be one folio, because somebody uses a page of it, is none:
 * nothing fails here.
 */
void gmem_folios_merge(struct gmem_folios *f, struct gmem_plan *plan)
{
	unsigned int order;
	unsigned long i;
	pgoff_t index;

	for (order = GMEM_BLOCK_SHIFT; order <= f->order;
	     order += GMEM_BLOCK_SHIFT) {
		for (i = 0; i < plan->nr_runs; i++) {
			const struct gmem_run *run = &plan->runs[i];

			for (index = run->start; index <= run->last;
			     index = (index | (BIT(order) - 1)) + 1) {
				gmem_folios_merge_block(f, plan, index, order);
				cond_resched();
			}
		}
	}
}

/* The first chunk of @block that was left split, ULONG_MAX if none; forgets all. */
static pgoff_t gmem_folios_take_left(struct gmem_folios *f,
				     const struct gmem_run *block)
{
	pgoff_t index, first = ULONG_MAX;

	guard(spinlock)(&f->left_lock);
	for (index = block->start; index <= block->last;
	     index += GMEM_CHUNK_PAGES) {
		struct gmem_chunk *chunk = gmem_chunk_find(f, index);

		if (!chunk || !chunk->left)
			continue;
		chunk->left = false;
		first = min(first, index);
	}
	return first;
}

/* Joins what was left split of @block; if that was refused, it is left so. */
static void gmem_folios_merge_left(struct gmem_folios *f,
				   const struct gmem_run *block)
{
	pgoff_t first = gmem_folios_take_left(f, block);
	struct gmem_report report;

	if (first == ULONG_MAX ||
	    !gmem_merge_range(f->space, block->start, block->last, 0, &report))
		return;
	guard(spinlock)(&f->left_lock);
	gmem_folios_leave(f, first);
}

/* One attempt; a block that is still in use notes itself again. */
void gmem_folios_left_fn(struct work_struct *work)
{
	struct gmem_folios *f = container_of(to_delayed_work(work),
					     struct gmem_folios, left_work);
	pgoff_t mask = BIT(f->order) - 1;
	struct gmem_run left, block;

	scoped_guard(spinlock, &f->left_lock) {
		left = f->left;
		f->left = gmem_nothing;
		f->left_tries++;
	}
	for (block.start = left.start & ~mask; block.start <= left.last;
	     block.start = block.last + 1) {
		block.last = min(block.start | mask, f->nr_pages - 1);
		gmem_folios_merge_left(f, &block);
		cond_resched();
	}
	guard(spinlock)(&f->left_lock);
	if (f->left.start <= f->left.last && f->left_tries < GMEM_MERGE_TRIES)
		gmem_folios_queue_left(f);
}

/**
 * gmem_folios_merge_later() - join in the background what was left split
 * @folios: the memory, not yet used by anybody
 * @delay: until the first attempt, in jiffies; not 0
 *
 * For gmem_merge_range() of the blocks that a conversion could not make whole
 * again because somebody used a page of them.  An attempt stops host faults on
 * its block for a moment, as a conversion does, so as long as the page stays in
 * use each comes after twice the time of the one before, and the eighth is the
 * last: the next conversion that leaves something split begins anew.  Nobody is
 * told how they end.
 */
void gmem_folios_merge_later(struct gmem_folios *folios, unsigned long delay)
{
	folios->merge_delay = delay;
}
EXPORT_SYMBOL_GPL(gmem_folios_merge_later);
