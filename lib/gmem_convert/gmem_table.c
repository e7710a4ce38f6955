// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_table: from index to folio, for gmem_folios.
 *
 * Two levels.  A chunk, for 2 MiB of the file, is allocated together with the
 * first folio in it and stays, so that no store into the table can fail once
 * there is a folio.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "folios.h"

struct gmem_chunk *gmem_chunk_find(struct gmem_folios *f, pgoff_t index)
{
	/* Pairs with the cmpxchg() in gmem_chunk_get(). */
	return smp_load_acquire(&f->chunks[index / GMEM_CHUNK_PAGES]);
}

void gmem_chunk_free(struct gmem_chunk *chunk)
{
	if (!chunk)
		return;
	free_page((unsigned long)chunk->slots);
	kfree(chunk);
}

/* The chunk of @index, made if there is none yet; NULL without memory. */
struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index)
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
struct folio *gmem_folios_at(struct gmem_folios *f, pgoff_t index)
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
struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
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
