// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_quarantine: the pages of a space that hardware did not give back.
 *
 * Owns a fixed number of records, because what calls for one cannot fail and
 * therefore not allocate (G3).  When they run out, the two that are closest
 * become one: too much is lost, never too little (G6).  There is no way out;
 * records live as long as the space.
 */
#include <kunit/visibility.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "internal.h"

/**
 * gmem_quarantine_find() - first record that overlaps a span
 * @quarantine: the records
 * @start: first page
 * @last: last page, inclusive
 * @run: set to the part of the record inside the span
 *
 * Context: The lock that guards the records is held, or a read section of its
 *	sequence counter: then the answer may be nonsense if it must be repeated.
 * Return: whether there is one.
 */
bool gmem_quarantine_find(const struct gmem_quarantine *quarantine,
			  pgoff_t start, pgoff_t last, struct gmem_run *run)
{
	unsigned int i, nr = READ_ONCE(quarantine->nr);

	for (i = 0; i < nr; i++) {
		run->start = max(quarantine->runs[i].start, start);
		run->last = min(quarantine->runs[i].last, last);
		if (run->start <= run->last)
			return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_quarantine_find);

/* Makes records @i and @i + 1 one. */
static void gmem_quarantine_merge(struct gmem_quarantine *quarantine,
				  unsigned int i)
{
	struct gmem_run *runs = quarantine->runs;

	runs[i].last = max(runs[i].last, runs[i + 1].last);
	WRITE_ONCE(quarantine->nr, quarantine->nr - 1);
	memmove(&runs[i + 1], &runs[i + 2],
		(quarantine->nr - i - 1) * sizeof(*runs));
}

/* The record with the smallest gap behind it. */
static unsigned int gmem_quarantine_closest(const struct gmem_quarantine *quarantine)
{
	const struct gmem_run *runs = quarantine->runs;
	unsigned int i, closest = 0;

	for (i = 1; i + 1 < quarantine->nr; i++)
		if (runs[i + 1].start - runs[i].last <
		    runs[closest + 1].start - runs[closest].last)
			closest = i;
	return closest;
}

/**
 * gmem_quarantine_add() - remember pages for ever
 * @quarantine: the records
 * @run: the pages
 *
 * Context: The lock that guards the records is held, and lookups are made to
 *	retry.  Cannot fail.
 */
void gmem_quarantine_add(struct gmem_quarantine *quarantine,
			 const struct gmem_run *run)
{
	struct gmem_run *runs = quarantine->runs;
	unsigned int i;

	for (i = 0; i < quarantine->nr && runs[i].start <= run->start; i++)
		;
	memmove(&runs[i + 1], &runs[i], (quarantine->nr - i) * sizeof(*runs));
	runs[i] = *run;
	WRITE_ONCE(quarantine->nr, quarantine->nr + 1);

	/* It may reach into, or touch, its neighbours. */
	if (i && runs[i].start <= runs[i - 1].last + 1)
		gmem_quarantine_merge(quarantine, --i);
	while (i + 1 < quarantine->nr && runs[i + 1].start <= runs[i].last + 1)
		gmem_quarantine_merge(quarantine, i);
	if (quarantine->nr > GMEM_NR_QUARANTINED)
		gmem_quarantine_merge(quarantine,
				      gmem_quarantine_closest(quarantine));
}
EXPORT_SYMBOL_IF_KUNIT(gmem_quarantine_add);
