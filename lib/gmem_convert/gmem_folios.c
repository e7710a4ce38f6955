// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_folios: the memory of a guest_memfd file.
 *
 * Owns the table from index to folio and one reference to each folio in it.
 * The folios belong to an address_space, for host mappings, reclaim and memory
 * failure, but are not in its i_pages: readers of the page cache spin on a zero
 * reference count, and to freeze a folio is to set it to zero.
 *
 * The table has two levels.  A chunk, for 2 MiB of the file, is allocated
 * together with the first folio in it and stays, so that no store into the
 * table can fail once there is a folio.
 *
 * Host faults and conversions meet at the chunk's @faults:
 *
 *	host fault				conversion
 *	----------				----------
 *						raise the fence
 *	down_read(faults)			down_write(faults)
 *	  lookup: no fence and shared,		up_write(faults)
 *	  or wait
 *	  map the page				unmap host page tables
 *	up_read(faults)				freeze
 *
 * A fault that found no fence has mapped its page by the time the conversion
 * gets @faults, so the unmapping finds it; one that comes later sees the fence.
 * In neither case does it hold a reference that only a retry would get rid of,
 * nor can it map a page that has become private meanwhile (G4, G8).
 *
 * A page that is lost stays in the table, so that nobody is given a fresh one in
 * its place and takes zeroes for its contents.  A memory error (PG_hwpoison) can
 * be punched out and replaced; what hardware has kept (the space's quarantine)
 * is never freed, not even with the file.
 *
 * Built in: what it takes from mm is not exported.
 */
#include <linux/file.h>
#include <linux/gmem_folios.h>
#include <linux/gmem_provider.h>
#include <linux/memcontrol.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "internal.h"

#define GMEM_CHUNK_PAGES	GMEM_BLOCK_PAGES

/* @slots is a page of its own; with @faults beside it, it would take two. */
struct gmem_chunk {
	struct rw_semaphore faults;
	struct folio __rcu **slots;
};

struct gmem_folios {
	struct gmem_provider provider;
	const struct gmem_folios_ops *ops;
	struct gmem_space *space;
	struct address_space *mapping;
	pgoff_t nr_pages;
	struct gmem_chunk **chunks;

	/* Pages that had a memory error and are still to be revoked. */
	spinlock_t failed_lock;
	struct gmem_run failed;
	struct work_struct failed_work;
};

static struct gmem_folios *to_folios(struct gmem_provider *provider)
{
	return container_of(provider, struct gmem_folios, provider);
}

static struct gmem_chunk *gmem_chunk_find(struct gmem_folios *f, pgoff_t index)
{
	/* Pairs with the cmpxchg() in gmem_chunk_get(). */
	return smp_load_acquire(&f->chunks[index / GMEM_CHUNK_PAGES]);
}

static struct folio __rcu **gmem_chunk_slot(struct gmem_chunk *chunk,
					    pgoff_t index)
{
	return &chunk->slots[index % GMEM_CHUNK_PAGES];
}

static void gmem_chunk_free(struct gmem_chunk *chunk)
{
	if (!chunk)
		return;
	free_page((unsigned long)chunk->slots);
	kfree(chunk);
}

/* The chunk of @index, made if there is none yet; NULL without memory. */
static struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index), *other;

	if (chunk) {
		/* Pairs with gmem_folios_drain_faults(). */
		smp_mb();
		return chunk;
	}
	BUILD_BUG_ON(GMEM_CHUNK_PAGES * sizeof(*chunk->slots) > PAGE_SIZE);
	if (gmem_fault(GMEM_FAULT_FOLIOS_CHUNK))
		return NULL;
	chunk = kzalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	init_rwsem(&chunk->faults);
	chunk->slots = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!chunk->slots) {
		kfree(chunk);
		return NULL;
	}
	/* A full barrier, as below. */
	other = cmpxchg(&f->chunks[index / GMEM_CHUNK_PAGES], NULL, chunk);
	if (other) {
		gmem_chunk_free(chunk);
		return other;
	}
	return chunk;
}

/*
 * The folio at @index or NULL.  What keeps it from being removed is the caller's:
 * a claim, or RCU.
 */
static struct folio *gmem_folios_at(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index);

	/* Not _protected: a fault may be adding one before the fence. */
	return chunk ? rcu_dereference_check(*gmem_chunk_slot(chunk, index),
					     true) : NULL;
}

/*
 * The first folio at or behind *@index, which is moved there, or NULL if none
 * is left up to @last.  Costs nothing for chunks that do not exist.
 *
 * Safe because the caller's claim keeps others from removing folios.
 */
static struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
				      pgoff_t last)
{
	struct folio *folio;

	while (*index <= last) {
		if (!gmem_chunk_find(f, *index)) {
			*index = round_down(*index, GMEM_CHUNK_PAGES) +
				 GMEM_CHUNK_PAGES;
			cond_resched();
			continue;
		}
		folio = gmem_folios_at(f, *index);
		if (folio)
			return folio;
		++*index;
	}
	return NULL;
}

/* @index and @folio go over the folios of @run; the body may sleep. */
#define gmem_for_each_folio(f, run, index, folio)			\
	for ((index) = (run)->start;					\
	     ((folio) = gmem_folios_next((f), &(index), (run)->last));	\
	     (index)++, cond_resched())

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

static const struct gmem_run gmem_nothing = { .start = ULONG_MAX };

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

static void gmem_folios_failed_fn(struct work_struct *work)
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
static void gmem_folios_abandon(struct gmem_folios *f)
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

static const struct gmem_provider_ops gmem_folios_provider_ops = {
	.settle = gmem_folios_settle,
	.prepare = gmem_folios_prepare,
	.commit = gmem_folios_commit,
	.thaw = gmem_folios_thaw,
	.revoke = gmem_folios_revoke,
	.quarantine = gmem_folios_quarantine,
};

/**
 * gmem_folios_alloc() - make an empty file's memory
 * @name: of the space
 * @mapping: the inode's; unevictable and inaccessible, so that reclaim and
 *	migration leave its folios alone, with a gfp mask that allows neither
 *	movable zones nor CMA
 * @nr_pages: size in pages, not 0
 * @state: state of every page
 * @ops: what the file has to say about its pages, or NULL
 *
 * Context: Process context, may sleep.
 * Return: the memory, or ERR_PTR(): -EINVAL, -ENOMEM.
 */
struct gmem_folios *gmem_folios_alloc(const char *name,
				      struct address_space *mapping,
				      pgoff_t nr_pages, enum gmem_state state,
				      const struct gmem_folios_ops *ops)
{
	static const struct gmem_folios_ops no_ops;
	struct gmem_folios *f;

	if (!nr_pages || nr_pages > MAX_LFS_FILESIZE >> PAGE_SHIFT ||
	    !mapping_unevictable(mapping) || !mapping_inaccessible(mapping) ||
	    (mapping_gfp_mask(mapping) & __GFP_MOVABLE))
		return ERR_PTR(-EINVAL);
	if (gmem_fault(GMEM_FAULT_FOLIOS_ALLOC))
		return ERR_PTR(-ENOMEM);
	f = kzalloc_obj(*f, GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&f->failed_lock);
	f->failed = gmem_nothing;
	INIT_WORK(&f->failed_work, gmem_folios_failed_fn);
	f->provider.ops = &gmem_folios_provider_ops;
	f->ops = ops ?: &no_ops;
	f->mapping = mapping;
	f->nr_pages = nr_pages;
	/* Userspace chooses the size; an absurd one is its error, not a WARN. */
	f->chunks = kvzalloc_objs(*f->chunks,
				  (nr_pages - 1) / GMEM_CHUNK_PAGES + 1,
				  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!f->chunks) {
		kfree(f);
		return ERR_PTR(-ENOMEM);
	}
	f->space = gmem_space_alloc(name, nr_pages, state, &f->provider);
	if (IS_ERR(f->space)) {
		int ret = PTR_ERR(f->space);

		kvfree(f->chunks);
		kfree(f);
		return ERR_PTR(ret);
	}
	return f;
}
EXPORT_SYMBOL_GPL(gmem_folios_alloc);

/**
 * gmem_folios_free() - free a file's memory
 * @folios: nobody maps it or looks it up any more; no client is registered
 *
 * Folios that somebody else still references live on without the file.
 *
 * Context: Process context, may sleep.
 */
void gmem_folios_free(struct gmem_folios *folios)
{
	pgoff_t i;

	gmem_revoke_range(folios->space, 0, ULONG_MAX);
	gmem_folios_abandon(folios);
	/* No folio has the mapping any more, so no error queues it again. */
	cancel_work_sync(&folios->failed_work);
	gmem_space_free(folios->space);
	for (i = 0; i <= (folios->nr_pages - 1) / GMEM_CHUNK_PAGES; i++) {
		gmem_chunk_free(folios->chunks[i]);
		cond_resched();
	}
	kvfree(folios->chunks);
	kfree(folios);
}
EXPORT_SYMBOL_GPL(gmem_folios_free);

/**
 * gmem_folios_space() - the space of a file's memory
 * @folios: the memory
 *
 * Return: the space, for conversions and clients.
 */
struct gmem_space *gmem_folios_space(struct gmem_folios *folios)
{
	return folios->space;
}
EXPORT_SYMBOL_GPL(gmem_folios_space);

static struct folio *gmem_folio_alloc(struct gmem_folios *f, pgoff_t index)
{
	gfp_t gfp = mapping_gfp_mask(f->mapping);
	struct mempolicy *policy = NULL;
	struct folio *folio;

	if (gmem_fault(GMEM_FAULT_FOLIOS_PAGE))
		return NULL;
	if (f->ops->policy)
		policy = f->ops->policy(f->mapping, index);
	folio = filemap_alloc_folio(gfp | __GFP_ZERO, 0, policy);
	mpol_cond_put(policy);
	if (!folio)
		return NULL;
	if (gmem_fault(GMEM_FAULT_FOLIOS_CHARGE) ||
	    mem_cgroup_charge(folio, NULL, gfp)) {
		folio_put(folio);
		return NULL;
	}
	folio->index = index;
	__folio_mark_uptodate(folio);
	/* A clean one would be evicted from the page cache, where it is not. */
	folio_set_dirty(folio);
	return folio;
}

/* Makes a folio part of the file; @chunk->faults is held for reading. */
static int gmem_folios_add_one(struct gmem_folios *f, struct gmem_chunk *chunk,
			       struct folio *folio, pgoff_t index)
{
	int state = gmem_space_lookup(f->space, index, GMEM_SCOPE_EFFECTIVE);

	lockdep_assert_held_read(&chunk->faults);
	if (state < 0)
		return state;
	folio->mapping = f->mapping;
	if (cmpxchg((struct folio __force **)gmem_chunk_slot(chunk, index),
		    NULL, folio)) {
		folio->mapping = NULL;
		return -EEXIST;
	}
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, 1);
	/* On the (unevictable) LRU, where memory failure looks for it. */
	migrate_disable();
	folio_add_lru(folio);
	lru_add_drain();
	migrate_enable();
	return 0;
}

/*
 * Allocates the page at @index.  Returns 0, -EEXIST if somebody else did,
 * -EAGAIN at a fence, -ENOMEM.
 */
static int gmem_folios_add(struct gmem_folios *f, struct gmem_chunk *chunk,
			   pgoff_t index)
{
	struct folio *folio = gmem_folio_alloc(f, index);
	int ret;

	if (!folio)
		return -ENOMEM;
	down_read(&chunk->faults);
	ret = gmem_folios_add_one(f, chunk, folio, index);
	up_read(&chunk->faults);
	if (ret)
		folio_put(folio);
	return ret;
}

/**
 * gmem_folios_allocate() - allocate the pages that are missing, for fallocate
 * @folios: the memory
 * @start: first page
 * @last: last page, inclusive, below the size of the file
 *
 * Context: Process context, may sleep; waits at fences, see gmem_space_wait().
 * Return: 0, -ENOMEM, -EINTR, -EHWPOISON; pages allocated until then stay.
 */
int gmem_folios_allocate(struct gmem_folios *folios, pgoff_t start,
			 pgoff_t last)
{
	struct gmem_chunk *chunk;
	pgoff_t index = start;
	int ret;

	while (index <= last) {
		if (signal_pending(current))
			return -EINTR;
		chunk = gmem_chunk_get(folios, index);
		if (!chunk)
			return -ENOMEM;
		ret = rcu_access_pointer(*gmem_chunk_slot(chunk, index)) ?
		      -EEXIST : gmem_folios_add(folios, chunk, index);
		if (ret == -EAGAIN)
			ret = gmem_space_wait(folios->space, index,
					      GMEM_SCOPE_EFFECTIVE,
					      TASK_INTERRUPTIBLE |
					      TASK_FREEZABLE);
		else
			index++;
		if (ret && ret != -EEXIST)
			return ret;
		cond_resched();
	}
	return 0;
}
EXPORT_SYMBOL_GPL(gmem_folios_allocate);

/* Pages that are pinned and filled in one go. */
#define GMEM_POPULATE_BATCH	32

/* @src: the pinned pages that the batch is filled from, or NULL. */
struct gmem_folios_batch {
	struct gmem_folios *folios;
	unsigned int gup_flags;
	pgoff_t start;
	struct page **src;
	gmem_folios_populate_fn populate;
	void *priv;
};

/* The task passes its own fence, so the page may be allocated inside it. */
static int gmem_folios_populate_one(void *priv, pgoff_t index)
{
	struct gmem_folios_batch *batch = priv;
	struct gmem_folios *f = batch->folios;
	struct folio *folio;
	int ret;

	ret = gmem_folios_allocate(f, index, index);
	if (ret)
		return ret;
	folio = gmem_folios_at(f, index);
	if (folio_test_hwpoison(folio))
		return -EHWPOISON;
	return batch->populate(batch->priv, index, folio_page(folio, 0),
			       batch->src ? batch->src[index - batch->start] :
			       NULL);
}

static long gmem_folios_populate_batch(struct gmem_folios_batch *batch,
				       unsigned long nr, const void __user *src,
				       struct gmem_report *report)
{
	struct page *pages[GMEM_POPULATE_BATCH];
	long pinned = 0, ret;

	if (src) {
		pinned = gmem_fault(GMEM_FAULT_FOLIOS_SOURCE);
		if (!pinned)
			pinned = pin_user_pages_fast((unsigned long)src, nr,
						     batch->gup_flags, pages);
		if (pinned <= 0) {
			*report = (struct gmem_report){
				.index = batch->start, .error = -EFAULT,
			};
			return pinned == -EINTR || pinned == -ENOMEM ?
			       pinned : -EFAULT;
		}
		nr = pinned;
		batch->src = pages;
	}
	/* Refused because of a later page, the batch ends before that one. */
	do {
		ret = gmem_populate_range(batch->folios->space, batch->start,
					  batch->start + nr - 1,
					  gmem_folios_populate_one, batch,
					  report);
		nr = report->index - batch->start;
	} while (ret < 0 && nr);
	unpin_user_pages(pages, pinned);
	return ret;
}

/**
 * gmem_folios_populate() - fill private pages with what the guest starts with
 * @folios: the memory
 * @start: first page
 * @last: last page, inclusive
 * @src: where from, in user memory, page aligned; may be a mapping of the shared
 *	part of the same file; NULL if @populate needs nothing
 * @gup_flags: how to pin it: %FOLL_WRITE if @populate may write to it, or 0
 * @populate: called for each page with the page and its source, see
 *	gmem_populate_range()
 * @priv: for @populate
 * @report: as gmem_populate_range()
 *
 * Batch by batch: the source of a batch is pinned before its fence goes up and
 * unpinned when it is down, so no user memory is touched, and none faulted in,
 * while others wait.  As long as it is pinned it cannot become private.
 *
 * Context: Process context, may sleep, takes mmap_lock.
 * Return: how many pages were populated, less than asked for if it stopped
 *	early; or, with none populated, -EFAULT for a bad @src or the errors of
 *	gmem_populate_range().
 */
long gmem_folios_populate(struct gmem_folios *folios, pgoff_t start,
			  pgoff_t last, const void __user *src,
			  unsigned int gup_flags,
			  gmem_folios_populate_fn populate, void *priv,
			  struct gmem_report *report)
{
	struct gmem_folios_batch batch = {
		.folios = folios,
		.gup_flags = gup_flags,
		.populate = populate,
		.priv = priv,
	};
	unsigned long done = 0;
	long ret = -EINVAL;

	*report = (struct gmem_report){ .index = start, .error = -EINVAL };
	if (start > last || last >= folios->nr_pages ||
	    !PAGE_ALIGNED((unsigned long)src))
		return -EINVAL;
	do {
		unsigned long nr = min(last - start + 1 - done,
				       (unsigned long)GMEM_POPULATE_BATCH);

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		batch.start = start + done;
		ret = gmem_folios_populate_batch(&batch, nr, src ?
						 src + done * PAGE_SIZE : NULL,
						 report);
		if (ret <= 0)
			break;
		done += ret;
		cond_resched();
	} while (done < last - start + 1 && !report->error);
	return done ?: ret;
}
EXPORT_SYMBOL_GPL(gmem_folios_populate);

/**
 * gmem_folios_get() - get a reference to the page at an index
 * @folios: the memory
 * @index: page, below the size of the file
 *
 * As long as it is held, the page does not become private.  It may be private
 * already: who cares looks the state up afterwards, not before.
 *
 * Context: Process context, does not sleep.
 * Return: the folio, NULL if there is no page, ERR_PTR(-EAGAIN) at a fence.
 */
struct folio *gmem_folios_get(struct gmem_folios *folios, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(folios, index);
	struct folio __rcu **slot;
	struct folio *folio;

	if (!chunk)
		return NULL;
	slot = gmem_chunk_slot(chunk, index);
	guard(rcu)();
	folio = rcu_dereference(*slot);
	if (!folio)
		return NULL;
	if (!folio_try_get(folio))
		return ERR_PTR(-EAGAIN);
	/* It may have left the file, and the memory be somebody else's. */
	if (folio != rcu_access_pointer(*slot)) {
		folio_put(folio);
		return ERR_PTR(-EAGAIN);
	}
	return folio;
}
EXPORT_SYMBOL_GPL(gmem_folios_get);

/* -ENOENT if there is no page; else as gmem_folios_pfn(). */
static int gmem_folios_use(struct gmem_folios *f, struct gmem_chunk *chunk,
			   pgoff_t index, gmem_folios_use_fn use, void *priv,
			   unsigned long *pfn)
{
	struct folio *folio;
	int ret;

	guard(rwsem_read)(&chunk->faults);
	ret = gmem_space_lookup(f->space, index, GMEM_SCOPE_REQUEST);
	if (ret < 0)
		return ret;
	folio = rcu_dereference_check(*gmem_chunk_slot(chunk, index),
				      lockdep_is_held(&chunk->faults));
	if (!folio)
		return -ENOENT;
	if (folio_test_hwpoison(folio))
		return -EHWPOISON;
	*pfn = folio_pfn(folio);
	return use ? use(priv, index, *pfn, ret) : 0;
}

/**
 * gmem_folios_pfn() - the page at an index, for a client's fault
 * @folios: the memory
 * @index: page
 * @use: called for the page while it can neither change its state nor leave the
 *	file, e.g. to have hardware assign it to the guest; or NULL
 * @priv: for @use
 * @pfn: set to the page's frame
 *
 * The page is allocated if there is none.  No reference is taken, so that a
 * fault never makes a conversion fail.  The client must be registered, and map
 * @pfn only where it can see that it was not invalidated after a moment before
 * this call, as KVM's MMU does with mmu_invalidate_seq: whoever takes the page
 * away tells the client first.
 *
 * Context: Process context, may sleep; does not wait at fences.
 * Return: 0, -EAGAIN at a fence of %GMEM_SCOPE_EFFECTIVE (see
 *	gmem_space_wait()), -EHWPOISON, -EINVAL beyond the end, -ENOMEM, or what
 *	@use says.
 */
int gmem_folios_pfn(struct gmem_folios *folios, pgoff_t index,
		    gmem_folios_use_fn use, void *priv, unsigned long *pfn)
{
	struct gmem_chunk *chunk;
	int ret;

	if (index >= folios->nr_pages)
		return -EINVAL;
	for (;;) {
		chunk = gmem_chunk_get(folios, index);
		if (!chunk)
			return -ENOMEM;
		ret = gmem_folios_use(folios, chunk, index, use, priv, pfn);
		if (ret != -ENOENT)
			return ret;
		ret = gmem_folios_add(folios, chunk, index);
		if (ret && ret != -EEXIST)
			return ret;
	}
}
EXPORT_SYMBOL_GPL(gmem_folios_pfn);

/*
 * Waits at a fence as politely as the fault allows.  Returns 0 to look again,
 * or what the fault returns.
 */
static vm_fault_t gmem_folios_fault_wait(struct gmem_folios *f,
					 struct vm_fault *vmf)
{
	pgoff_t index = vmf->pgoff;
	unsigned int state = TASK_KILLABLE;
	struct file *file;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return gmem_space_wait(f->space, index, GMEM_SCOPE_EFFECTIVE,
				       state) ? VM_FAULT_SIGBUS : 0;

	/* From here on the vma may go; the file keeps the space. */
	file = get_file(vmf->vma->vm_file);
	if (vmf->flags & FAULT_FLAG_USER)
		state |= TASK_FREEZABLE;
	release_fault_lock(vmf);
	gmem_space_wait(f->space, index, GMEM_SCOPE_EFFECTIVE, state);
	fput(file);
	return VM_FAULT_RETRY;
}

/*
 * Maps the page if it is shared.  Returns 0 with *@state set to why it is not
 * mapped: -EAGAIN at a fence, %GMEM_SHARED if there is no page yet.
 */
static vm_fault_t gmem_folios_fault_map(struct gmem_chunk *chunk,
					struct gmem_folios *f,
					struct vm_fault *vmf, int *state)
{
	vm_fault_t ret = 0;
	struct folio *folio;

	down_read(&chunk->faults);
	*state = gmem_space_lookup(f->space, vmf->pgoff, GMEM_SCOPE_EFFECTIVE);
	/* Faults share the section: another may be adding the page. */
	folio = rcu_dereference_check(*gmem_chunk_slot(chunk, vmf->pgoff),
				      lockdep_is_held(&chunk->faults));
	if (*state == GMEM_PRIVATE) {
		ret = VM_FAULT_SIGBUS;
	} else if (*state == -EHWPOISON) {
		ret = VM_FAULT_HWPOISON;
	} else if (*state == GMEM_SHARED && folio) {
		ret = folio_test_hwpoison(folio) ? VM_FAULT_HWPOISON :
		      vmf_insert_page_mkwrite(vmf, folio_page(folio, 0),
					      vmf->flags & FAULT_FLAG_WRITE);
	}
	up_read(&chunk->faults);
	return ret;
}

/**
 * gmem_folios_mmap() - make a host mapping
 * @vma: the mapping, of the file; its fault operation is gmem_folios_fault()
 *
 * Context: file_operations.mmap.
 * Return: 0, -EINVAL for a private mapping, whose copies of pages would survive
 *	their conversion.
 */
int gmem_folios_mmap(struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) !=
	    (VM_SHARED | VM_MAYSHARE))
		return -EINVAL;
	/*
	 * Keeps away what leaves markers in page tables (guard pages,
	 * userfaultfd): a fault would find one where it maps its page.  Also
	 * mlock, whose batches hold references; the pages stay in memory anyway.
	 */
	vm_flags_set(vma, VM_DONTEXPAND);
	return 0;
}
EXPORT_SYMBOL_GPL(gmem_folios_mmap);

/**
 * gmem_folios_fault() - a host fault
 * @folios: the memory
 * @vmf: the fault; its vma has been through gmem_folios_mmap()
 *
 * The page is mapped here rather than returned to be mapped: between the two
 * the fault would hold a reference that makes a conversion fail for nothing.
 *
 * Context: vm_operations_struct.fault.
 * Return: %VM_FAULT_NOPAGE, %VM_FAULT_SIGBUS for a private page or beyond the
 *	end, %VM_FAULT_HWPOISON, %VM_FAULT_RETRY after a wait, %VM_FAULT_OOM.
 */
vm_fault_t gmem_folios_fault(struct gmem_folios *folios, struct vm_fault *vmf)
{
	struct gmem_chunk *chunk;
	vm_fault_t ret;
	int state;

	if (vmf->pgoff >= folios->nr_pages)
		return VM_FAULT_SIGBUS;
	/* Nothing is allocated for a page that may not be touched. */
	if (gmem_space_lookup(folios->space, vmf->pgoff,
			      GMEM_SCOPE_EFFECTIVE) == GMEM_PRIVATE)
		return VM_FAULT_SIGBUS;
	chunk = gmem_chunk_get(folios, vmf->pgoff);
	if (!chunk)
		return VM_FAULT_OOM;

	for (;;) {
		ret = gmem_folios_fault_map(chunk, folios, vmf, &state);
		if (!ret && state == -EAGAIN)
			ret = gmem_folios_fault_wait(folios, vmf);
		else if (!ret &&
			 gmem_folios_add(folios, chunk, vmf->pgoff) == -ENOMEM)
			ret = VM_FAULT_OOM;
		if (ret)
			return ret;
	}
}
EXPORT_SYMBOL_GPL(gmem_folios_fault);
