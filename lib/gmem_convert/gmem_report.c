// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_report: who was in the way, for the caller and for the record.
 *
 * A report is written by whoever refuses, at the moment it refuses.  The last
 * few of each space are kept for debugfs.  Nothing is ever logged: a guest or
 * a VMM can cause refusals at will.
 */
#include <linux/export.h>
#include <linux/ktime.h>
#include <linux/string.h>

#include "internal.h"

/**
 * gmem_report_refuse() - name the page that is in the way
 * @report: the transaction's
 * @index: first page in the way
 * @holder: who holds it, copied
 * @refs_seen: references on the page, 0 if it is not about references
 * @refs_expected: references if nobody else used it
 *
 * The first call of a transaction counts, later ones are ignored.
 *
 * Context: Any.
 */
void gmem_report_refuse(struct gmem_report *report, pgoff_t index,
			const char *holder, unsigned long refs_seen,
			unsigned long refs_expected)
{
	if (report->holder[0])
		return;
	report->index = index;
	strscpy(report->holder, holder);
	report->refs_seen = refs_seen;
	report->refs_expected = refs_expected;
}
EXPORT_SYMBOL_GPL(gmem_report_refuse);

/**
 * gmem_slot_refuse() - a client names the page for which it refuses
 * @slot: the client's slot, from its prepare callback
 * @index: first page in the way
 *
 * Context: Any.
 */
void gmem_slot_refuse(struct gmem_slot *slot, pgoff_t index)
{
	gmem_report_refuse(slot->report, index, slot->client->name, 0, 0);
}
EXPORT_SYMBOL_GPL(gmem_slot_refuse);

/* Keeps a refusal for debugfs. */
void gmem_report_file(struct gmem_space *space, const struct gmem_plan *plan,
		      const struct gmem_report *report)
{
	struct gmem_refusal refusal = {
		.when = ktime_get(),
		.op = plan->op,
		.target = plan->target,
		.request = plan->request,
		.report = *report,
	};

	guard(spinlock)(&space->refusals_lock);
	space->refusals[space->nr_refusals++ % GMEM_NR_REFUSALS] = refusal;
}
