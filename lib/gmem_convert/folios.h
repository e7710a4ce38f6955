/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of gmem_folios share with each other and with nobody else. */
#ifndef _GMEM_CONVERT_FOLIOS_H
#define _GMEM_CONVERT_FOLIOS_H

#include <linux/gmem_folios.h>
#include <linux/gmem_provider.h>
#include <linux/huge_mm.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include "internal.h"

#define GMEM_CHUNK_PAGES	GMEM_BLOCK_PAGES

/* The references of a folio that nobody uses: the table's. */
#define GMEM_FOLIO_REFS		1

/*
 * 2 MiB of the file: one folio of that size or of 1 GiB, then @huge, else a slot
 * per page.  @slots is a page of its own; with @faults beside it, it would take
 * two.  It stays when there is a @huge once more.
 */
struct gmem_chunk {
	struct rw_semaphore faults;
	struct folio *huge;
	struct folio __rcu **slots;
	bool left;		/* split, for the background; under left_lock */
};

struct gmem_folios {
	struct gmem_provider provider;
	const struct gmem_folios_ops *ops;
	struct gmem_space *space;
	struct address_space *mapping;
	pgoff_t nr_pages;
	unsigned int order;	/* of the largest folios: 0, 9 or 18 */
	struct gmem_chunk **chunks;

	/* Pages that had a memory error and are still to be revoked. */
	spinlock_t failed_lock;
	struct gmem_run failed;
	struct work_struct failed_work;

	/* Blocks that are to be joined later, and how often that was tried. */
	unsigned long merge_delay;
	spinlock_t left_lock;	/* also of gmem_chunk.left; innermost */
	struct gmem_run left;
	unsigned int left_tries;
	struct delayed_work left_work;
};

static inline struct gmem_folios *to_folios(struct gmem_provider *provider)
{
	return container_of(provider, struct gmem_folios, provider);
}

/* --- gmem_table.c --------------------------------------------------------- */

struct gmem_chunk *gmem_chunk_find(struct gmem_folios *f, pgoff_t index);
struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index);
int gmem_chunk_get_slots(struct gmem_chunk *chunk);
void gmem_chunk_free(struct gmem_chunk *chunk);

unsigned int gmem_folios_order(struct gmem_folios *f, pgoff_t index);
struct folio *gmem_folios_at(struct gmem_folios *f, pgoff_t index);
struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
			       pgoff_t *next, pgoff_t last);
bool gmem_folios_insert(struct gmem_folios *f, struct folio *folio,
			pgoff_t index);
void gmem_folios_erase(struct gmem_folios *f, struct folio *folio,
		       pgoff_t index);
void gmem_folios_store_split(struct gmem_folios *f, struct folio *first,
			     unsigned int old_order);
void gmem_folios_store_merged(struct gmem_folios *f, struct folio *folio);

/*
 * @index and @folio go over the folios of @run, from the middle of one if @run
 * begins there.  The body may sleep and remove the folio.
 */
#define gmem_for_each_folio(f, run, index, folio)			\
	for (pgoff_t __next = (index) = (run)->start;			\
	     ((folio) = gmem_folios_next((f), &(index), &__next,	\
					 (run)->last));			\
	     (index) = __next, cond_resched())

/* The page of @folio at @index of the file. */
static inline struct page *gmem_folio_page(struct folio *folio, pgoff_t index)
{
	return folio_page(folio, index - folio->index);
}

/* Huge page tables can map some orders; the kernel counts pages of those. */
static inline void gmem_folio_account_huge(struct folio *folio, long nr)
{
	if (folio_test_pmd_mappable(folio))
		lruvec_stat_mod_folio(folio, NR_FILE_THPS, nr);
}

/* Counts @nr pages of @folio, all of them or minus all, as the file's. */
static inline void gmem_folio_account(struct folio *folio, long nr)
{
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, nr);
	gmem_folio_account_huge(folio, nr);
}

/* --- gmem_split.c --------------------------------------------------------- */

void gmem_folio_split(struct folio *folio, unsigned int order);
bool gmem_folio_may_join(const struct folio *first, const struct folio *piece,
			 unsigned long i);
void gmem_folio_merge(struct folio *first, unsigned int order);

/* --- gmem_freeze.c -------------------------------------------------------- */

extern const struct gmem_provider_ops gmem_folios_provider_ops;

void gmem_folios_unmap(struct gmem_folios *f, const struct gmem_run *run);
void gmem_folios_unfreeze_run(struct gmem_folios *f,
			      const struct gmem_run *run);
void gmem_folios_abandon(struct gmem_folios *f);

/* --- gmem_merge.c --------------------------------------------------------- */

void gmem_folios_merge(struct gmem_folios *f, struct gmem_plan *plan);
void gmem_folios_left_fn(struct work_struct *work);

/* --- gmem_failure.c ------------------------------------------------------- */

extern const struct gmem_run gmem_nothing;

/* Makes @run, which may be gmem_nothing, the hull of itself and @index. */
static inline void gmem_run_include(struct gmem_run *run, pgoff_t index)
{
	run->start = min(run->start, index);
	run->last = max(run->last, index);
}

bool gmem_folio_failed(struct gmem_folios *f, struct folio *folio,
		       pgoff_t index);
void gmem_folios_failed(struct gmem_folios *f, pgoff_t index);
void gmem_folios_failed_fn(struct work_struct *work);

#endif /* _GMEM_CONVERT_FOLIOS_H */
