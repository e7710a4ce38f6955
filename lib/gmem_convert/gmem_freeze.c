// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_freeze: what an operation does to the memory of a guest_memfd file.
 *
 * gmem_folios as a provider: it unmaps host page tables and proves, by freezing
 * its references at the number that the table alone has, that nobody else holds
 * a page.  Larger folios are cut on the way; gmem_merge.c joins them again.
 *
 * What hardware has kept (the space's quarantine) stays in the table and is never
 * freed, not even with the file.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/swap.h>

#include "folios.h"

/*
 * Waits for the host faults that have not seen the fence, and so may be about
 * to map a page of @run.
 */
static void gmem_folios_drain_faults(struct gmem_folios *f,
				     const struct gmem_run *run)
{
	pgoff_t index;

	/*
	 * The fence is visible before a chunk is found missing.  Pairs with both
	 * barriers in gmem_chunk_get(): who makes or finds that chunk later sees
	 * the fence.
	 */
	smp_mb();
	for (index = round_down(run->start, GMEM_CHUNK_PAGES);
	     index <= run->last; index += GMEM_CHUNK_PAGES) {
		struct gmem_chunk *chunk = gmem_chunk_find(f, index);

		if (chunk) {
			down_write(&chunk->faults);
			up_write(&chunk->faults);
		}
		cond_resched();
	}
}

/*
 * Takes @run out of all host page tables.  There are no private copies; to ask
 * for them as well takes out what memory failure has left in place of a page.
 */
void gmem_folios_unmap(struct gmem_folios *f, const struct gmem_run *run)
{
	gmem_folios_drain_faults(f, run);
	unmap_mapping_pages(f->mapping, run->start, run->last - run->start + 1,
			    true);
}

/*
 * A look that binds nobody: references that sit in the lru batches of other
 * CPUs would make the freeze fail however often it is tried.
 */
static void gmem_folios_settle(struct gmem_provider *provider,
			       const struct gmem_plan *plan)
{
	struct gmem_folios *f = to_folios(provider);
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	/* Nothing else is frozen in a file of single pages. */
	if (!f->order &&
	    (plan->op != GMEM_OP_CONVERT || plan->target != GMEM_PRIVATE))
		return;
	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (folio_ref_count(folio) <=
			    GMEM_FOLIO_REFS + folio_mapcount(folio) ||
			    folio_maybe_dma_pinned(folio))
				continue;
			lru_add_drain_all();
			return;
		}
	}
}

/*
 * Memory failure gives up on a page without references but leaves its mark, on
 * the page alone: nothing about a large folio tells of it, so all are looked at.
 */
static void gmem_folio_unfreeze(struct gmem_folios *f, struct folio *folio)
{
	unsigned long i;

	folio_ref_unfreeze(folio, GMEM_FOLIO_REFS);
	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		return;
	for (i = 0; i < folio_nr_pages(folio); i++) {
		if (i && !(i % GMEM_CHUNK_PAGES))
			cond_resched();
		if (likely(!PageHWPoison(folio_page(folio, i))))
			continue;
		if (folio_test_large(folio))
			folio_set_has_hwpoisoned(folio);
		if (gmem_folio_failed(f, folio, folio->index + i))
			gmem_folios_failed(f, folio->index + i);
	}
}

/* In the table there is a reference to every folio but to a frozen one. */
void gmem_folios_unfreeze_run(struct gmem_folios *f, const struct gmem_run *run)
{
	struct folio *folio;
	pgoff_t index;

	gmem_for_each_folio(f, run, index, folio)
		if (!folio_ref_count(folio))
			gmem_folio_unfreeze(f, folio);
}

/* Unfreezes what is frozen before index @end. */
static void gmem_folios_unfreeze(struct gmem_folios *f,
				 const struct gmem_plan *plan, pgoff_t end)
{
	struct gmem_run run;
	unsigned long i;

	for (i = 0; i < plan->nr_runs && plan->runs[i].start < end; i++) {
		run = plan->runs[i];
		run.last = min(run.last, end - 1);
		gmem_folios_unfreeze_run(f, &run);
	}
}

/* Whether @folio is to be cut: there is more of it than @run. */
static bool gmem_folio_crosses(const struct folio *folio,
			       const struct gmem_run *run)
{
	return folio->index < run->start ||
	       folio_next_index(folio) - 1 > run->last;
}

/*
 * Only what becomes private must be proved unused, and what is cut: a page that
 * becomes shared is mapped by the guest alone, which keeps no references, and a
 * hole may be punched under somebody who holds a reference, he keeps the old
 * page.
 */
static int gmem_folios_freeze(struct gmem_folios *f,
			      const struct gmem_plan *plan,
			      struct gmem_report *report)
{
	bool all = plan->op == GMEM_OP_CONVERT && plan->target == GMEM_PRIVATE;
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (!all && !gmem_folio_crosses(folio, &plan->runs[i]))
				continue;
			if (folio_ref_freeze(folio, GMEM_FOLIO_REFS))
				continue;
			gmem_report_refuse(report, index, "references",
					   folio_ref_count(folio),
					   GMEM_FOLIO_REFS);
			gmem_folios_unfreeze(f, plan, index);
			return -EAGAIN;
		}
	}
	return 0;
}

/* The first page of @run in @folio with a memory error; ULONG_MAX if none. */
static pgoff_t gmem_folio_error_in(struct folio *folio,
				   const struct gmem_run *run)
{
	pgoff_t index = max(run->start, folio->index);
	pgoff_t last = min(run->last, folio_next_index(folio) - 1);

	if (likely(!folio_contain_hwpoisoned_page(folio)))
		return ULONG_MAX;
	for (; index <= last; index++)
		if (PageHWPoison(gmem_folio_page(folio, index)))
			return index;
	return ULONG_MAX;
}

/* The first page that has had a memory error ends a conversion. */
static int gmem_folios_sound(struct gmem_folios *f,
			     const struct gmem_plan *plan,
			     struct gmem_report *report)
{
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			pgoff_t bad = gmem_folio_error_in(folio,
							  &plan->runs[i]);

			if (likely(bad == ULONG_MAX))
				continue;
			gmem_report_refuse(report, bad, "memory failure", 0, 0);
			return -EHWPOISON;
		}
	}
	return 0;
}

/* The pages may be anybody's again. */
static void gmem_folios_make_shared(struct gmem_folios *f, struct folio *folio)
{
	if (f->ops->make_shared)
		f->ops->make_shared(folio);
}

static int gmem_folios_prepare(struct gmem_provider *provider,
			       const struct gmem_plan *plan,
			       struct gmem_report *report)
{
	struct gmem_folios *f = to_folios(provider);
	int ret;

	if (plan->op == GMEM_OP_CONVERT) {
		ret = gmem_folios_sound(f, plan, report);
		if (ret)
			return ret;
	}
	if (!f->order && plan->op != GMEM_OP_CONVERT)
		return 0;
	if (!f->order && plan->target != GMEM_PRIVATE) {
		/* Nobody makes private meanwhile what commit makes shared. */
		if (f->ops->make_shared)
			gmem_folios_drain_faults(f, &plan->request);
		return 0;
	}
	/*
	 * All at once: between the runs nothing is mapped, it is private.  And
	 * beyond them as far as folios are cut or joined.
	 */
	gmem_folios_unmap(f, &plan->effective);
	if (plan->op == GMEM_OP_MERGE)
		return 0;
	return gmem_folios_freeze(f, plan, report);
}

/* Rounds @run out to whole folios. */
static void gmem_folios_round(struct gmem_folios *f, struct gmem_run *run)
{
	run->start &= ~(BIT(gmem_folios_order(f, run->start)) - 1);
	run->last |= BIT(gmem_folios_order(f, run->last)) - 1;
}

/*
 * Pages that hardware has kept.  Nothing is done to them: the table's reference
 * is never dropped, and that is all it takes.  One that is frozen could not be
 * given another anyway.
 */
static void gmem_folios_quarantine(struct gmem_provider *provider,
				   struct gmem_run *run)
{
	struct gmem_folios *f = to_folios(provider);
	struct folio *folio;
	pgoff_t index;

	gmem_folios_round(f, run);
	for (index = run->start; index <= run->last; index++) {
		struct page *page;

		folio = gmem_folios_at(f, index);
		if (!folio)
			continue;
		page = gmem_folio_page(folio, index);
		if (PageHWPoison(page))
			continue;
		/* As memory failure does: for /proc/meminfo and crash dumps. */
		SetPageHWPoison(page);
		if (folio_test_large(folio))
			folio_set_has_hwpoisoned(folio);
		num_poisoned_pages_inc(page_to_pfn(page));
	}
}

/*
 * Takes a folio out of the table and drops the table's reference, or, if @keep,
 * leaves it with that reference for ever.
 */
static void gmem_folios_remove_one(struct gmem_folios *f, struct folio *folio,
				   pgoff_t index, bool keep)
{
	/*
	 * Who found the folio by a reference of his own trusts folio->mapping
	 * under the folio lock, e.g. set_page_dirty_lock() at the end of direct
	 * I/O.  Nobody waits for a fence with a folio lock held, so to wait for
	 * one here is not to wait for another operation (G3).
	 */
	folio_lock(folio);
	gmem_folios_erase(f, folio, index);
	gmem_folio_account(folio, -folio_nr_pages(folio));
	folio->mapping = NULL;
	folio_unlock(folio);
	/* Kept, it stays charged: it is memory that somebody used up. */
	if (!keep) {
		gmem_check_freed(f->space, index);
		gmem_folios_make_shared(f, folio);
		folio_put(folio);
	}
}

static void gmem_folios_revoke(struct gmem_provider *provider, pgoff_t start,
			       pgoff_t last)
{
	struct gmem_folios *f = to_folios(provider);
	struct gmem_run run = { start, last };
	struct folio *folio;
	pgoff_t index;

	gmem_folios_unmap(f, &run);
	gmem_for_each_folio(f, &run, index, folio) {
		struct gmem_run kept, pages = {
			index, index + folio_nr_pages(folio) - 1
		};

		/* Somebody may still map the rest of it. */
		if (gmem_folio_crosses(folio, &run))
			continue;
		/* They go with the file, see gmem_folios_abandon(). */
		if (!gmem_space_quarantined(f->space, &pages, &kept))
			gmem_folios_remove_one(f, folio, index, false);
	}
}

/* What is left at the end of the file is what hardware has kept. */
void gmem_folios_abandon(struct gmem_folios *f)
{
	struct gmem_run all = { 0, f->nr_pages - 1 };
	struct folio *folio;
	pgoff_t index;

	gmem_for_each_folio(f, &all, index, folio)
		gmem_folios_remove_one(f, folio, index, true);
}

/* Cuts the folio at @index, until what is there does not reach out of @run. */
static void gmem_folios_cut_at(struct gmem_folios *f, pgoff_t index,
			       const struct gmem_run *run)
{
	struct folio *folio;

	for (;;) {
		unsigned int order;

		folio = gmem_folios_at(f, index);
		if (!folio || !gmem_folio_crosses(folio, run))
			return;
		/* 1 GiB to 2 MiB, and only the one at the end to pages. */
		order = folio_order(folio);
		gmem_folio_split(folio, order > GMEM_BLOCK_SHIFT ?
				 GMEM_BLOCK_SHIFT : 0);
		gmem_folios_store_split(f, folio, order);
	}
}

/*
 * Afterwards no folio reaches out of @run.  What is left of one on the outside
 * keeps its state and is unfrozen already.
 */
static void gmem_folios_cut(struct gmem_folios *f, const struct gmem_run *run)
{
	struct gmem_run hull = *run, outside;

	gmem_folios_round(f, &hull);
	gmem_folios_cut_at(f, run->start, run);
	gmem_folios_cut_at(f, run->last, run);
	if (hull.start < run->start) {
		outside = (struct gmem_run){ hull.start, run->start - 1 };
		gmem_folios_unfreeze_run(f, &outside);
	}
	if (hull.last > run->last) {
		outside = (struct gmem_run){ run->last + 1, hull.last };
		gmem_folios_unfreeze_run(f, &outside);
	}
}

static void gmem_folios_commit(struct gmem_provider *provider,
			       const struct gmem_plan *plan)
{
	struct gmem_folios *f = to_folios(provider);
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	if (plan->op == GMEM_OP_MERGE)
		return;
	for (i = 0; f->order && i < plan->nr_runs; i++)
		gmem_folios_cut(f, &plan->runs[i]);
	if (plan->op == GMEM_OP_PUNCH) {
		gmem_folios_unfreeze(f, plan, ULONG_MAX);
		gmem_folios_revoke(provider, plan->request.start,
				   plan->request.last);
		return;
	}
	if (plan->target != GMEM_SHARED || !f->ops->make_shared)
		return;
	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio)
			gmem_folios_make_shared(f, folio);
	}
}

static void gmem_folios_thaw(struct gmem_provider *provider,
			     struct gmem_plan *plan)
{
	struct gmem_folios *f = to_folios(provider);

	if (plan->op != GMEM_OP_CONVERT && plan->op != GMEM_OP_MERGE)
		return;
	if (f->order)
		gmem_folios_merge(f, plan);
	if (f->order || plan->target == GMEM_PRIVATE)
		gmem_folios_unfreeze(f, plan, ULONG_MAX);
}

/* Whether pages are all in @state and have memory, as far as their ends tell. */
static bool gmem_folios_same(struct gmem_folios *f, pgoff_t start, pgoff_t last,
			     enum gmem_state state)
{
	struct gmem_run run;

	return gmem_folios_at(f, start) && gmem_folios_at(f, last) &&
	       gmem_space_next_run(f->space, start, last, &run) == state &&
	       run.last == last;
}

/*
 * The block of @order around @index, if all of it outside of the request has the
 * state that the request gets: only then could it become one folio, and only
 * then is it worth keeping others away from it.
 */
static void gmem_folios_widen_block(struct gmem_folios *f,
				    const struct gmem_plan *plan,
				    pgoff_t index, unsigned int order,
				    struct gmem_run *span)
{
	struct gmem_run block = {
		index & ~(BIT(order) - 1), index | (BIT(order) - 1),
	};

	if (block.last >= f->nr_pages ||
	    gmem_folios_order(f, index) >= order ||
	    (block.start < plan->request.start &&
	     !gmem_folios_same(f, block.start, plan->request.start - 1,
			       plan->target)) ||
	    (block.last > plan->request.last &&
	     !gmem_folios_same(f, plan->request.last + 1, block.last,
			       plan->target)))
		return;
	span->start = min(span->start, block.start);
	span->last = max(span->last, block.last);
}

static void gmem_folios_widen(struct gmem_provider *provider,
			      const struct gmem_plan *plan,
			      struct gmem_run *span)
{
	struct gmem_folios *f = to_folios(provider);
	pgoff_t mask = BIT(f->order) - 1;
	unsigned int order;

	if (!f->order || plan->op == GMEM_OP_POPULATE ||
	    plan->op == GMEM_OP_REVOKE)
		return;
	gmem_folios_round(f, span);
	if (plan->op == GMEM_OP_MERGE) {
		span->start &= ~mask;
		span->last = min(span->last | mask, f->nr_pages - 1);
	}
	if (plan->op != GMEM_OP_CONVERT)
		return;
	for (order = GMEM_BLOCK_SHIFT; order <= f->order;
	     order += GMEM_BLOCK_SHIFT) {
		gmem_folios_widen_block(f, plan, plan->request.start, order,
					span);
		gmem_folios_widen_block(f, plan, plan->request.last, order,
					span);
	}
}

/* Slots for the pages of a folio that is cut, at the ends of the request. */
static int gmem_folios_reserve_slots(struct gmem_folios *f, pgoff_t index,
				     bool cut)
{
	if (!cut || !gmem_folios_order(f, index))
		return 0;
	return gmem_chunk_get_slots(gmem_chunk_find(f, index));
}

/* They stay, as a chunk does, if the operation is refused. */
static int gmem_folios_reserve(struct gmem_provider *provider,
			       struct gmem_plan *plan)
{
	const pgoff_t mask = GMEM_CHUNK_PAGES - 1;
	struct gmem_folios *f = to_folios(provider);
	const struct gmem_run *request = &plan->request;
	int ret;

	if (!f->order ||
	    (plan->op != GMEM_OP_CONVERT && plan->op != GMEM_OP_PUNCH))
		return 0;
	ret = gmem_folios_reserve_slots(f, request->start,
					request->start & mask);
	if (ret)
		return ret;
	return gmem_folios_reserve_slots(f, request->last,
					 (request->last + 1) & mask);
}

const struct gmem_provider_ops gmem_folios_provider_ops = {
	.widen = gmem_folios_widen,
	.reserve = gmem_folios_reserve,
	.settle = gmem_folios_settle,
	.prepare = gmem_folios_prepare,
	.commit = gmem_folios_commit,
	.thaw = gmem_folios_thaw,
	.revoke = gmem_folios_revoke,
	.quarantine = gmem_folios_quarantine,
};
