/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gmem_convert, for whoever owns the memory: guest_memfd.
 *
 * A provider takes the host's own users of a page away and proves that nobody
 * else holds it.  It is called last before the point of no return, so that it
 * never has to give back what it froze because a client refused.
 */
#ifndef _LINUX_GMEM_PROVIDER_H
#define _LINUX_GMEM_PROVIDER_H

#include <linux/gmem_plan.h>

/**
 * struct gmem_provider_ops - what the owner of the memory implements
 *
 * All callbacks run in process context and may sleep, except @quarantine.
 *
 * @widen: Optional.  Rounds the span out to every folio whose structure the
 *	operation may change.  Called before the claim, as a guess, and again
 *	under it; must not depend on anything that the claim does not hold
 *	still.  @plan has no runs yet.
 * @reserve: Optional.  Gets all memory that later calls need; returns 0 or
 *	-ENOMEM.
 * @settle: Optional.  A look at the references that binds nobody, before the
 *	fence goes up; may drain the lru batches, once.
 * @prepare: Optional.  Unmaps host page tables and freezes the references of
 *	what becomes private or changes structure.  Returns 0, or -EAGAIN or
 *	-EHWPOISON (named with gmem_report_refuse()) or -EINTR; then nothing is
 *	left frozen and the provider is only called for @release.
 * @commit: Mandatory.  After every client's invalidate, before the new state
 *	is stored: splits frozen folios; for %GMEM_OP_PUNCH gives the
 *	memory back.
 * @thaw: Optional.  After the store: what was frozen is unfrozen; before that,
 *	what has become equal may be merged.
 * @release: Optional.  Gives back what @reserve got and nobody used.  Called
 *	exactly once for every @reserve that returned 0.
 * @revoke: Mandatory.  Gives the memory of @start to @last (inclusive) back;
 *	allocates nothing.  Keeps what gmem_space_quarantined() finds there.
 * @quarantine: Optional.  Hardware has kept @run: rounds it out to whole folios,
 *	as they stand now, and sees to it that they are never freed.  Called from
 *	a client's callback, possibly with the client's locks held and with the
 *	folios frozen; must not sleep, cannot fail.
 */
struct gmem_provider_ops {
	void (*widen)(struct gmem_provider *provider,
		      const struct gmem_plan *plan, struct gmem_run *span);
	int (*reserve)(struct gmem_provider *provider, struct gmem_plan *plan);
	void (*settle)(struct gmem_provider *provider,
		       const struct gmem_plan *plan);
	int (*prepare)(struct gmem_provider *provider,
		       const struct gmem_plan *plan,
		       struct gmem_report *report);
	void (*commit)(struct gmem_provider *provider,
		       const struct gmem_plan *plan);
	void (*thaw)(struct gmem_provider *provider, struct gmem_plan *plan);
	void (*release)(struct gmem_provider *provider,
			const struct gmem_plan *plan);
	void (*revoke)(struct gmem_provider *provider, pgoff_t start,
		       pgoff_t last);
	void (*quarantine)(struct gmem_provider *provider, struct gmem_run *run);
};

/**
 * struct gmem_provider - the owner of a space's memory
 * @ops: callbacks
 *
 * Embedded in the provider's own structure; must outlive the space.
 */
struct gmem_provider {
	const struct gmem_provider_ops *ops;
};

bool gmem_space_quarantined(struct gmem_space *space,
			    const struct gmem_run *range, struct gmem_run *run);
void gmem_report_refuse(struct gmem_report *report, pgoff_t index,
			const char *holder, unsigned long refs_seen,
			unsigned long refs_expected);

#endif /* _LINUX_GMEM_PROVIDER_H */
