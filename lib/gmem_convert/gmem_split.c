// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_split: cuts one frozen folio into smaller ones, and joins them again.
 *
 * All that mm's own split does to the structure of a folio, see
 * __split_folio_to_order() in mm/huge_memory.c, for folios that are in no page
 * cache, not mapped, on the unevictable LRU, which is a counter and no list, and
 * whose references are frozen.  So there is nobody to hold off: no lock is
 * needed, and nothing runs with interrupts disabled.
 *
 * A join has no example in mm.  It is the same steps backwards: what the pieces
 * have each, and tails of a folio must not have, is taken from them.
 *
 * Every page of a folio names its head, so both write to each struct page whose
 * head changes: that is mm's representation of a folio, and what is left of a
 * cost by the page.
 */
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/page_idle.h>
#include <linux/page_owner.h>
#include <linux/pgalloc_tag.h>
#include <linux/sched.h>
#include <linux/vmstat.h>

#include "../../mm/internal.h"
#include "folios.h"

/* Pieces begin with these flags of the whole, and must agree on them to join. */
#define GMEM_FOLIO_FLAGS						\
	(BIT(PG_uptodate) | BIT(PG_dirty) | BIT(PG_lru) | BIT(PG_unevictable))

/* These they begin with, and do not have to agree on. */
#ifdef CONFIG_ARCH_USES_PG_ARCH_3
#define GMEM_FOLIO_ARCH_FLAGS	(BIT(PG_arch_2) | BIT(PG_arch_3))
#elif defined(CONFIG_ARCH_USES_PG_ARCH_2)
#define GMEM_FOLIO_ARCH_FLAGS	BIT(PG_arch_2)
#else
#define GMEM_FOLIO_ARCH_FLAGS	0
#endif
#define GMEM_FOLIO_HINTS						\
	(BIT(PG_referenced) | BIT(PG_active) | BIT(PG_workingset) |	\
	 GMEM_FOLIO_ARCH_FLAGS | LRU_GEN_MASK | LRU_REFS_MASK)

static bool gmem_pages_poisoned(struct page *page, unsigned long nr)
{
	for (; nr; page++, nr--)
		if (PageHWPoison(page))
			return true;
	return false;
}

/* Pages keep their own marks; this one says that some page in there has one. */
static void gmem_folio_mark_poisoned(struct folio *folio)
{
	if (folio_test_large(folio) &&
	    gmem_pages_poisoned(&folio->page, folio_nr_pages(folio)))
		folio_set_has_hwpoisoned(folio);
}

/*
 * As prep_compound_page(), which would not let others run in between, and whose
 * plain store to the head's flags might lose the mark of a memory error.
 */
static void gmem_folio_prep(struct page *head, unsigned int order)
{
	unsigned long i;

	set_bit(PG_head, &head->flags.f);
	for (i = 1; i < BIT(order); i++) {
		prep_compound_tail(head + i, head, order);
		if (!(i % GMEM_CHUNK_PAGES))
			cond_resched();
	}
	prep_compound_head(head, order);
	folio_set_large_rmappable((struct folio *)head);
}

/* Page @i of @whole becomes the head of a folio of its own. */
static struct folio *gmem_folio_cut(struct folio *whole, unsigned long i,
				    unsigned int order)
{
	struct page *head = folio_page(whole, i);
	struct folio *piece = (struct folio *)head;

	/* Atomic: memory failure marks pages whoever has them. */
	set_mask_bits(&piece->flags.f, PAGE_FLAGS_CHECK_AT_PREP,
		      whole->flags.f & (GMEM_FOLIO_FLAGS | GMEM_FOLIO_HINTS));
	piece->mapping = whole->mapping;
	piece->index = whole->index + i;
	piece->private = NULL;
	/* Who comes by the frame number sees the flags of a page, or a tail. */
	smp_wmb();
	clear_compound_head(head);
	piece->mlock_count = 0;
	if (order)
		gmem_folio_prep(head, order);
	if (folio_test_young(whole))
		folio_set_young(piece);
	if (folio_test_idle(whole))
		folio_set_idle(piece);
#ifdef CONFIG_MEMCG
	piece->memcg_data = whole->memcg_data;
#endif
	folio_xchg_last_cpupid(piece, folio_last_cpupid(whole));
	return piece;
}

/**
 * gmem_folio_split() - cut a folio into pieces of equal size
 * @folio: the folio, frozen and not mapped
 * @order: of the pieces, 0 or at least 2, less than that of @folio
 *
 * The pieces are frozen as well; @folio is the first of them.
 *
 * Context: Process context, may sleep.  Cannot fail, allocates nothing.
 */
void gmem_folio_split(struct folio *folio, unsigned int order)
{
	unsigned long i, nr = folio_nr_pages(folio);
	unsigned int old_order = folio_order(folio);
	bool poisoned = folio_test_has_hwpoisoned(folio);

	VM_WARN_ON_ONCE_FOLIO(folio_ref_count(folio), folio);
	VM_WARN_ON_ONCE_FOLIO(folio_mapped(folio), folio);
	VM_WARN_ON_ONCE_FOLIO(!folio_test_unevictable(folio), folio);

	gmem_folio_account_huge(folio, -nr);
	folio_split_memcg_refs(folio, old_order, order);
	split_page_owner(&folio->page, old_order, order);
	pgalloc_tag_split(folio, old_order, order);
	folio_clear_has_hwpoisoned(folio);
	for (i = BIT(order); i < nr; i += BIT(order)) {
		struct folio *piece = gmem_folio_cut(folio, i, order);

		if (poisoned)
			gmem_folio_mark_poisoned(piece);
		cond_resched();
	}
	if (order) {
		folio_set_order(folio, order);
		if (poisoned)
			gmem_folio_mark_poisoned(folio);
	} else {
		ClearPageHead(&folio->page);
	}
	/* They are still of one lruvec: the head speaks for all. */
	gmem_folio_account_huge(folio, nr);
}

/**
 * gmem_folio_may_join() - whether pieces could be parts of one folio
 * @first: the first piece
 * @piece: another
 * @i: by how many pages it is behind the first in the file
 *
 * Context: Both are frozen.
 * Return: whether nothing about them speaks against it.
 */
bool gmem_folio_may_join(const struct folio *first, const struct folio *piece,
			 unsigned long i)
{
	return folio_pfn(piece) == folio_pfn(first) + i &&
	       folio_zone(piece) == folio_zone(first) &&
	       !folio_contain_hwpoisoned_page((struct folio *)piece) &&
	       !((piece->flags.f ^ first->flags.f) & GMEM_FOLIO_FLAGS) &&
	       folio_test_unevictable(piece) &&
#ifdef CONFIG_MEMCG
	       piece->memcg_data == first->memcg_data &&
#endif
	       !folio_test_locked(piece) && !folio_test_writeback(piece);
}

/* The allocation that a piece was part of is counted once again, not often. */
static void gmem_folio_untag(struct folio *piece)
{
#ifdef CONFIG_MEM_ALLOC_PROFILING
	union pgtag_ref_handle handle;
	union codetag_ref ref;

	if (mem_alloc_profiling_enabled() &&
	    get_page_tag_ref(&piece->page, &ref, &handle)) {
		alloc_tag_sub(&ref, 0);
		update_page_tag_ref(handle, &ref);
		put_page_tag_ref(handle);
	}
#endif
}

/* Takes from a piece what no tail of a folio has. */
static void gmem_folio_join(struct folio *first, struct folio *piece)
{
	if (folio_test_young(piece))
		folio_set_young(first);
	if (!folio_test_idle(piece))
		folio_clear_idle(first);
	gmem_folio_untag(piece);
#ifdef CONFIG_MEMCG
	if (folio_memcg_charged(piece))
		obj_cgroup_put(folio_objcg(piece));
	piece->memcg_data = 0;
#endif
	if (folio_test_large(piece)) {
		set_mask_bits(&folio_page(piece, 1)->flags.f,
			      PAGE_FLAGS_CHECK_AT_PREP, 0);
#ifdef NR_PAGES_IN_LARGE_FOLIO
		/* In the place of a page's memcg_data. */
		piece->_nr_pages = 0;
#endif
	}
	set_mask_bits(&piece->flags.f, PAGE_FLAGS_CHECK_AT_PREP, 0);
}

/**
 * gmem_folio_merge() - join pieces to one folio
 * @first: the first piece; the others follow it in memory, in the same order,
 *	and gmem_folio_may_join() each; all are frozen and not mapped
 * @order: of the folio, larger than that of the pieces
 *
 * The folio is @first, and frozen.
 *
 * Context: Process context, may sleep.  Cannot fail, allocates nothing.
 */
void gmem_folio_merge(struct folio *first, unsigned int order)
{
	unsigned long step = folio_nr_pages(first), i;

	VM_WARN_ON_ONCE_FOLIO(folio_ref_count(first), first);
	gmem_folio_account_huge(first, -(long)BIT(order));
	for (i = step; i < BIT(order); i += step) {
		gmem_folio_join(first, (struct folio *)(&first->page + i));
		cond_resched();
	}
	gmem_folio_prep(&first->page, order);
	split_page_owner(&first->page, order, order);
	gmem_folio_account_huge(first, BIT(order));
}
