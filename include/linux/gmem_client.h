/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gmem_convert, for whoever maps guest memory: KVM's MMU, secure EPT, IOMMU
 * domains.
 *
 * A client is told of every change to the pages it maps, in two steps: prepare
 * may refuse and takes nothing away; what follows cannot fail.  Do not confuse
 * the two with mmu_interval_notifier's invalidate_start() and
 * invalidate_finish(), which split one unconditional invalidation to hide its
 * latency and cannot refuse anything.
 *
 * The life of one slot, for one client in one transaction:
 *
 *	prepare() != 0 ->	nothing more, the client is not called again
 *	prepare() == 0 ->	invalidate() ... complete()	it happened
 *		       or	abort()				it did not
 *
 * Callbacks run in process context and may sleep.  They must not start or wait
 * for an operation on a space, register or unregister a client, touch user
 * memory, or wait for a vCPU in any other way than by kicking it: the fence is
 * up while they run, and the task that they would wait for may wait at it.
 * Lockdep is told.
 */
#ifndef _LINUX_GMEM_CLIENT_H
#define _LINUX_GMEM_CLIENT_H

#include <linux/atomic.h>
#include <linux/gmem_plan.h>
#include <linux/list.h>
#include <linux/util_macros.h>

struct gmem_client;
struct module;

/**
 * struct gmem_slot - one client's part in one transaction
 * @client: the client
 * @plan: what the transaction changes
 * @span: hull of the changing pages that the client may map; exact runs with
 *	gmem_for_each_run()
 * @first_run: number of the first run of @plan that reaches into @span
 * @last_run: number of the last one
 * @priv: the client's own, from prepare to complete or abort
 * @report: private to the library, filled by gmem_slot_refuse()
 */
struct gmem_slot {
	struct gmem_client *client;
	const struct gmem_plan *plan;
	struct gmem_run span;
	unsigned long first_run;
	unsigned long last_run;
	void *priv;
	struct gmem_report *report;
};

/**
 * struct gmem_client_ops - what a client implements
 *
 * @prepare: Optional for a client that never refuses and needs no preparation.
 *	Makes sure that what follows cannot fail, e.g. cuts huge mappings that
 *	cross the ends of @slot->span.  Removes no translation.  Returns 0, or
 *	-EBUSY (the client needs the memory), -EAGAIN (in use for a moment),
 *	-ENOMEM or -EINTR; the transaction is then aborted and the client is not
 *	called again for it.  Should name the page with gmem_slot_refuse().
 * @invalidate: Mandatory.  Removes the translations of the runs; on return none
 *	is left, in no TLB either.  Which operations call it: enum gmem_policy.
 *	What hardware refuses to give back goes to gmem_client_quarantine().
 * @complete: Optional.  The new state is stored and lookups will soon see it;
 *	may map the new kind of page from what prepare reserved.
 * @abort: Mandatory with @prepare.  Undoes what prepare reserved.
 * @revoke: Mandatory.  Removes the translations of @start to @last (inclusive),
 *	as @invalidate does, without having been asked.  Allocates nothing.
 * @check: Optional, called with CONFIG_GMEM_CONVERT_DEBUG only, after
 *	@invalidate and @revoke.  Returns whether nothing in @start to @last is mapped,
 *	what is quarantined excepted.
 */
struct gmem_client_ops {
	int (*prepare)(struct gmem_slot *slot);
	void (*invalidate)(struct gmem_slot *slot);
	void (*complete)(struct gmem_slot *slot);
	void (*abort)(struct gmem_slot *slot);
	void (*revoke)(struct gmem_client *client, pgoff_t start, pgoff_t last);
	bool (*check)(struct gmem_client *client, pgoff_t start, pgoff_t last);
};

/**
 * enum gmem_rank - order in which clients are called
 * @GMEM_RANK_VOTE: only has an opinion: asked first, a refusal costs nothing
 * @GMEM_RANK_DEVICE: IOMMU domains
 * @GMEM_RANK_MMU: KVM's page tables
 *
 * prepare and invalidate go up the ranks, complete and abort go down.  Within
 * a rank, in order of registration.
 */
enum gmem_rank {
	GMEM_RANK_VOTE,
	GMEM_RANK_DEVICE,
	GMEM_RANK_MMU,
};

/**
 * enum gmem_policy - what a conversion means to a client
 * @GMEM_POLICY_UNMAP: the old kind must be unmapped
 * @GMEM_POLICY_KEEP: hardware contains a wrong access, so conversions are none
 *	of its business; punch hole and revoke are
 * @GMEM_POLICY_RESIZE: keeps its translations across a conversion but must not
 *	map across a border between kinds: no invalidate for a conversion
 */
enum gmem_policy {
	GMEM_POLICY_UNMAP,
	GMEM_POLICY_KEEP,
	GMEM_POLICY_RESIZE,
};

/* The callbacks, as they are counted. */
enum gmem_call {
	GMEM_CALL_PREPARE,
	GMEM_CALL_INVALIDATE,
	GMEM_CALL_COMPLETE,
	GMEM_CALL_ABORT,
	GMEM_CALL_REVOKE,
	GMEM_NR_CALLS,
};

/* For debugfs: how often, how often prepare refused, the longest of each. */
struct gmem_client_stats {
	atomic64_t nr_calls[GMEM_NR_CALLS];
	atomic64_t nr_refusals;
	atomic64_t worst_ns[GMEM_NR_CALLS];
};

/**
 * struct gmem_client - one user of guest memory
 * @ops: callbacks
 * @name: appears in reports, traces and debugfs
 * @rank: when it is called
 * @policy: what a conversion means to it
 * @range: indices that it may map; pages outside it are never mentioned
 * @owner: module of @ops, usually THIS_MODULE; a reference is held while
 *	registered
 *
 * Embedded in the client's own structure.  The owner fills these in before
 * gmem_client_register() and leaves them alone until gmem_client_unregister()
 * has returned.
 */
struct gmem_client {
	const struct gmem_client_ops *ops;
	const char *name;
	enum gmem_rank rank;
	enum gmem_policy policy;
	struct gmem_run range;
	struct module *owner;

	/* private: */
	struct gmem_space *space;
	struct list_head entry;
	unsigned int nr_users;
	bool dying;
	/* Prepared and not ended; disjoint transactions run in parallel. */
	atomic_long_t nr_open;
	struct gmem_client_stats stats;
};

int gmem_client_register(struct gmem_space *space, struct gmem_client *client);
void gmem_client_unregister(struct gmem_client *client);

void gmem_slot_refuse(struct gmem_slot *slot, pgoff_t index);
void gmem_client_quarantine(struct gmem_client *client, pgoff_t start,
			    pgoff_t last);

/**
 * gmem_for_each_run() - the exact pages that change for a client
 * @slot: the client's slot
 * @i: unsigned long, counts runs of the plan
 * @run: struct gmem_run, set to each run, clipped to the client's range
 */
#define gmem_for_each_run(slot, i, run)					\
	for ((i) = (slot)->first_run; (i) <= (slot)->last_run; (i)++)	\
		for_each_if(gmem_plan_clip((slot)->plan, (i),		\
					   (slot)->span.start,		\
					   (slot)->span.last, &(run)))

#endif /* _LINUX_GMEM_CLIENT_H */
