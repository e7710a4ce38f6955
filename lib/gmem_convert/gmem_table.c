// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_table: from index to folio, for gmem_folios.
 *
 * Two levels.  A chunk, for 2 MiB of the file, is allocated together with the
 * first folio in it and stays, so that no store into the table can fail once
 * there is a folio.  A folio of 1 GiB is in 512 chunks, one store each.
 *
 * Who changes the table holds a claim, or adds a page to a file of single pages
 * inside the chunk's @faults.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
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

/* Sees to it that @chunk has slots; returns 0 or -ENOMEM. */
int gmem_chunk_get_slots(struct gmem_chunk *chunk)
{
	void *slots;

	BUILD_BUG_ON(GMEM_CHUNK_PAGES * sizeof(*chunk->slots) > PAGE_SIZE);
	if (READ_ONCE(chunk->slots))
		return 0;
	if (gmem_fault(GMEM_FAULT_FOLIOS_SLOTS))
		return -ENOMEM;
	slots = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	/* Pairs with gmem_folios_at(). */
	if (cmpxchg(&chunk->slots, NULL, slots))
		free_page((unsigned long)slots);
	return 0;
}

/*
 * The chunk of @index, made if there is none yet; NULL without memory.  In a
 * file of single pages it has slots.
 */
struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index), *other;

	if (chunk) {
		/* Pairs with gmem_folios_drain_faults(). */
		smp_mb();
		return chunk;
	}
	if (gmem_fault(GMEM_FAULT_FOLIOS_CHUNK))
		return NULL;
	chunk = kzalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	init_rwsem(&chunk->faults);
	if (!f->order && gmem_chunk_get_slots(chunk)) {
		kfree(chunk);
		return NULL;
	}
	/* A full barrier, as above. */
	other = cmpxchg(&f->chunks[index / GMEM_CHUNK_PAGES], NULL, chunk);
	if (other) {
		gmem_chunk_free(chunk);
		return other;
	}
	return chunk;
}

static struct folio __rcu **gmem_chunk_slot(struct gmem_chunk *chunk,
					    pgoff_t index)
{
	return &chunk->slots[index % GMEM_CHUNK_PAGES];
}

/*
 * The folio at @index or NULL.  What keeps it from being removed is the caller's:
 * a claim, or RCU.
 */
struct folio *gmem_folios_at(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index);
	struct folio __rcu **slots;
	struct folio *folio;

	if (!chunk)
		return NULL;
	/* Slots are filled before @huge goes. */
	folio = smp_load_acquire(&chunk->huge);
	if (folio)
		return folio;
	/* Pairs with the cmpxchg() in gmem_chunk_get_slots(): they are empty. */
	slots = smp_load_acquire(&chunk->slots);
	if (!slots)
		return READ_ONCE(chunk->huge);
	/* Not _protected: a fault may be adding one before the fence. */
	folio = rcu_dereference_check(slots[index % GMEM_CHUNK_PAGES], true);
	if (folio)
		return folio;
	/* Slots are emptied after @huge has come. */
	smp_rmb();
	return READ_ONCE(chunk->huge);
}

/*
 * Order of the folio at @index, 0 also if there is none.  From the table alone:
 * without a claim the folio may be gone.
 */
unsigned int gmem_folios_order(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index), *other;
	struct folio *huge = chunk ? READ_ONCE(chunk->huge) : NULL;

	if (!huge)
		return 0;
	/* The other half of the pair of chunks that it is in. */
	index ^= GMEM_CHUNK_PAGES;
	other = index < f->nr_pages ? gmem_chunk_find(f, index) : NULL;
	return other && READ_ONCE(other->huge) == huge ? GMEM_HUGE_SHIFT :
							 GMEM_BLOCK_SHIFT;
}

/*
 * The first folio that reaches to *@index or behind it, or NULL if none does up
 * to @last.  *@index is moved there, *@next behind the folio.  Costs nothing for
 * chunks that do not exist.
 *
 * Safe because the caller's claim keeps others from removing folios.
 */
struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
			       pgoff_t *next, pgoff_t last)
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
		if (folio) {
			*next = folio_next_index(folio);
			return folio;
		}
		++*index;
	}
	return NULL;
}

/* Puts @folio where there is none; false if there is one after all. */
bool gmem_folios_insert(struct gmem_folios *f, struct folio *folio,
			pgoff_t index)
{
	unsigned long i;

	if (!folio_test_large(folio))
		return !cmpxchg((struct folio __force **)
				gmem_chunk_slot(gmem_chunk_find(f, index), index),
				NULL, folio);
	for (i = 0; i < folio_nr_pages(folio); i += GMEM_CHUNK_PAGES)
		/* Pairs with gmem_folios_at(): who finds it finds what it is. */
		smp_store_release(&gmem_chunk_find(f, index + i)->huge, folio);
	return true;
}

/* Takes out @folio, whose first page is at @index. */
void gmem_folios_erase(struct gmem_folios *f, struct folio *folio,
		       pgoff_t index)
{
	unsigned long i;

	if (!folio_test_large(folio))
		RCU_INIT_POINTER(*gmem_chunk_slot(gmem_chunk_find(f, index),
						  index), NULL);
	else
		for (i = 0; i < folio_nr_pages(folio); i += GMEM_CHUNK_PAGES)
			WRITE_ONCE(gmem_chunk_find(f, index + i)->huge, NULL);
}

/* @first and those behind it have been one folio of @old_order until now. */
void gmem_folios_store_split(struct gmem_folios *f, struct folio *first,
			     unsigned int old_order)
{
	unsigned long i, step = folio_nr_pages(first);
	pgoff_t index = first->index;
	struct folio *piece = first;

	for (i = 0; i < BIT(old_order); i += step, piece = folio_next(piece))
		gmem_folios_insert(f, piece, index + i);
	if (step == 1)	/* The slots are visible before. */
		smp_store_release(&gmem_chunk_find(f, index)->huge, NULL);
}

/* @folio has been smaller ones until now. */
void gmem_folios_store_merged(struct gmem_folios *f, struct folio *folio)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, folio->index);
	bool slots = !chunk->huge;
	unsigned long i;

	gmem_folios_insert(f, folio, folio->index);
	if (slots) {	/* Emptied only after that is visible. */
		smp_wmb();
		for (i = 0; i < GMEM_CHUNK_PAGES; i++)
			RCU_INIT_POINTER(chunk->slots[i], NULL);
	}
}
