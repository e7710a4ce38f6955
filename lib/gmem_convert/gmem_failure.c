// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_failure: memory errors in a guest_memfd file.
 *
 * A page that had one stays in the table, so that nobody is given a fresh one in
 * its place and takes zeroes for its contents.  It can be punched out and is then
 * replaced.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "folios.h"

/*
 * Whether the page of @folio at @index had a memory error; hardware that kept it
 * sets the same mark.
 */
bool gmem_folio_failed(struct gmem_folios *f, struct folio *folio,
		       pgoff_t index)
{
	struct gmem_run page = { index, index }, kept;

	return unlikely(PageHWPoison(gmem_folio_page(folio, index))) &&
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
void gmem_folios_failed(struct gmem_folios *f, pgoff_t index)
{
	scoped_guard(spinlock, &f->failed_lock)
		gmem_run_include(&f->failed, index);
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
		struct folio *folio;
		bool failed;

		if (!gmem_chunk_find(f, index)) {
			index |= GMEM_CHUNK_PAGES - 1;
			continue;
		}
		/* If it is frozen, who unfreezes it looks. */
		folio = gmem_folios_get(f, index);
		if (IS_ERR_OR_NULL(folio))
			continue;
		failed = gmem_folio_failed(f, folio, index);
		folio_put(folio);
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
