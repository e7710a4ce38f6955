// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_freeze: what an operation does to the memory of a guest_memfd file.
 *
 * gmem_folios as a provider: it unmaps host page tables and proves, by freezing
 * its references at the number that the table alone has, that nobody else holds
 * a page.  And memory failure, which may come in the middle of that.
 *
 * A page that is lost stays in the table, so that nobody is given a fresh one in
 * its place and takes zeroes for its contents.  A memory error (PG_hwpoison) can
 * be punched out and replaced; what hardware has kept (the space's quarantine)
 * is never freed, not even with the file.
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
static void gmem_folios_unmap(struct gmem_folios *f, const struct gmem_run *run)
{
	gmem_folios_drain_faults(f, run);
	unmap_mapping_pages(f->mapping, run->start, run->last - run->start + 1,
			    true);
}

/* Only the table's. */
#define GMEM_FOLIO_REFS		1

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

	if (plan->op != GMEM_OP_CONVERT || plan->target != GMEM_PRIVATE)
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

/* Whether @folio had a memory error; hardware that kept it sets the same mark. */
static bool gmem_folio_failed(struct gmem_folios *f, const struct folio *folio,
			      pgoff_t index)
{
	struct gmem_run page = { index, index }, kept;

	return unlikely(folio_test_hwpoison(folio)) &&
	       !gmem_space_quarantined(f->space, &page, &kept);
}

const struct gmem_run gmem_nothing = { .start = ULONG_MAX };

/*
 * A page has had a memory error.  The mark is on the folio; everybody's
 * translations are taken away later, because here nobody may wait: memory
 * failure holds the folio's lock, and a commit waits for nothing.  Errors that
 * come together are remembered as their hull; the work looks which pages of it
 * are marked.
 */
static void gmem_folios_failed(struct gmem_folios *f, pgoff_t index)
{
	scoped_guard(spinlock, &f->failed_lock) {
		f->failed.start = min(f->failed.start, index);
		f->failed.last = max(f->failed.last, index);
	}
	queue_work(system_dfl_wq, &f->failed_work);
}

/*
 * From the clients, and from the host once more: a fault that looked before the
 * mark was there may have mapped the page after memory failure had unmapped it.
 * Later ones see the mark.
 */
static void gmem_folios_take_away(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_run page = { index, index };

	gmem_unmap_range(f->space, index, index);
	gmem_folios_unmap(f, &page);
}

void gmem_folios_failed_fn(struct work_struct *work)
{
	struct gmem_folios *f = container_of(work, struct gmem_folios,
					     failed_work);
	struct gmem_run run;
	pgoff_t index;

	scoped_guard(spinlock, &f->failed_lock) {
		run = f->failed;
		f->failed = gmem_nothing;
	}
	for (index = run.start; index <= run.last; index++) {
		bool failed;

		if (!gmem_chunk_find(f, index)) {
			index |= GMEM_CHUNK_PAGES - 1;
			continue;
		}
		scoped_guard(rcu) {
			struct folio *folio = gmem_folios_at(f, index);

			failed = folio && gmem_folio_failed(f, folio, index);
		}
		if (failed)
			gmem_folios_take_away(f, index);
		cond_resched();
	}
}

/**
 * gmem_folios_error() - a page has had a memory error
 * @folios: the memory
 * @folio: the page, one of the file's
 *
 * For error_remove_folio: the page stays in the file, so that whoever touches it
 * learns of the error, until it is punched out.  Clients lose it soon, not now.
 *
 * Context: Any; the folio is locked.
 * Return: MF_DELAYED.
 */
int gmem_folios_error(struct gmem_folios *folios, struct folio *folio)
{
	gmem_folios_failed(folios, folio->index);
	return MF_DELAYED;
}
EXPORT_SYMBOL_GPL(gmem_folios_error);

/* Unfreezes what is frozen before index @end. */
static void gmem_folios_unfreeze(struct gmem_folios *f,
				 const struct gmem_plan *plan, pgoff_t end)
{
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (index >= end)
				return;
			folio_ref_unfreeze(folio, GMEM_FOLIO_REFS);
			/*
			 * Memory failure gives up on a page without references
			 * but leaves its mark.
			 */
			if (gmem_folio_failed(f, folio, index))
				gmem_folios_failed(f, index);
		}
	}
}

static int gmem_folios_freeze(struct gmem_folios *f,
			      const struct gmem_plan *plan,
			      struct gmem_report *report)
{
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
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
			if (likely(!folio_test_hwpoison(folio)))
				continue;
			gmem_report_refuse(report, index, "memory failure", 0,
					   0);
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

/*
 * Only what becomes private must be proved unused: a page that becomes shared
 * is mapped by the guest alone, which keeps no references, and a hole may be
 * punched under somebody who holds a reference, he keeps the old page.
 */
static int gmem_folios_prepare(struct gmem_provider *provider,
			       const struct gmem_plan *plan,
			       struct gmem_report *report)
{
	struct gmem_folios *f = to_folios(provider);
	int ret;

	if (plan->op != GMEM_OP_CONVERT)
		return 0;
	ret = gmem_folios_sound(f, plan, report);
	if (ret)
		return ret;
	if (plan->target != GMEM_PRIVATE) {
		/* Nobody makes private meanwhile what commit makes shared. */
		if (f->ops->make_shared)
			gmem_folios_drain_faults(f, &plan->request);
		return 0;
	}
	/* All at once: between the runs nothing is mapped, it is private. */
	gmem_folios_unmap(f, &plan->request);
	return gmem_folios_freeze(f, plan, report);
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

	for (index = run->start; index <= run->last; index++) {
		folio = gmem_folios_at(f, index);
		if (!folio || folio_test_hwpoison(folio))
			continue;
		/* As memory failure does: for /proc/meminfo and crash dumps. */
		folio_set_hwpoison(folio);
		num_poisoned_pages_inc(folio_pfn(folio));
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
	RCU_INIT_POINTER(*gmem_chunk_slot(gmem_chunk_find(f, index), index),
			 NULL);
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, -1);
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
		struct gmem_run page = { index, index }, kept;

		/* They go with the file, see gmem_folios_abandon(). */
		if (!gmem_space_quarantined(f->space, &page, &kept))
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

static void gmem_folios_commit(struct gmem_provider *provider,
			       const struct gmem_plan *plan)
{
	struct gmem_folios *f = to_folios(provider);
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	if (plan->op == GMEM_OP_PUNCH) {
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
			     const struct gmem_plan *plan)
{
	if (plan->op == GMEM_OP_CONVERT && plan->target == GMEM_PRIVATE)
		gmem_folios_unfreeze(to_folios(provider), plan, ULONG_MAX);
}

const struct gmem_provider_ops gmem_folios_provider_ops = {
	.settle = gmem_folios_settle,
	.prepare = gmem_folios_prepare,
	.commit = gmem_folios_commit,
	.thaw = gmem_folios_thaw,
	.revoke = gmem_folios_revoke,
	.quarantine = gmem_folios_quarantine,
};
