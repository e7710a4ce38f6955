/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of gmem_folios share with each other and with nobody else. */
#ifndef _GMEM_CONVERT_FOLIOS_H
#define _GMEM_CONVERT_FOLIOS_H

#include <linux/gmem_folios.h>
#include <linux/gmem_provider.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
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

static inline struct gmem_folios *to_folios(struct gmem_provider *provider)
{
	return container_of(provider, struct gmem_folios, provider);
}

/* --- gmem_table.c --------------------------------------------------------- */

static inline struct folio __rcu **gmem_chunk_slot(struct gmem_chunk *chunk,
						   pgoff_t index)
{
	return &chunk->slots[index % GMEM_CHUNK_PAGES];
}

struct gmem_chunk *gmem_chunk_find(struct gmem_folios *f, pgoff_t index);
struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index);
void gmem_chunk_free(struct gmem_chunk *chunk);
struct folio *gmem_folios_at(struct gmem_folios *f, pgoff_t index);
struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
			       pgoff_t last);

/* @index and @folio go over the folios of @run; the body may sleep. */
#define gmem_for_each_folio(f, run, index, folio)			\
	for ((index) = (run)->start;					\
	     ((folio) = gmem_folios_next((f), &(index), (run)->last));	\
	     (index)++, cond_resched())

/* --- gmem_freeze.c -------------------------------------------------------- */

extern const struct gmem_provider_ops gmem_folios_provider_ops;
extern const struct gmem_run gmem_nothing;

void gmem_folios_failed_fn(struct work_struct *work);
void gmem_folios_abandon(struct gmem_folios *f);

#endif /* _GMEM_CONVERT_FOLIOS_H */
