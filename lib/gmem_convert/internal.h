/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gmem_convert: what its files share.  Data flows one way:
 *
 *	caller -> gmem_txn (plan, protocol) -> gmem_client, provider -> gmem_map
 *
 * with gmem_overlay keeping operations apart and gmem_report remembering what
 * was refused.
 */
#ifndef _GMEM_CONVERT_INTERNAL_H
#define _GMEM_CONVERT_INTERNAL_H

#include <linux/completion.h>
#include <linux/gmem_client.h>
#include <linux/gmem_provider.h>
#include <linux/interval_tree.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/*
 * Lock order, outermost first.  The first line belongs to others and is held,
 * if at all, by whoever calls in; nobody waits for something while holding what
 * is on a later line.
 *
 *	kvm->lock, vcpu->mutex, slots_lock, mmap_lock
 *	space->revoke_lock
 *	claim, fence			(waits, not locks; gmem_callback_map)
 *	space->clients_lock
 *	clients' own mutexes, the provider's locks, i_mmap_rwsem, mmu_lock
 *	space->lock			(map and overlay; a leaf)
 */

/* --- gmem_map.c ----------------------------------------------------------- */

#define GMEM_BLOCK_SHIFT	9
#define GMEM_BLOCK_PAGES	BIT(GMEM_BLOCK_SHIFT)
#define GMEM_LEAF_WORDS		BITS_TO_LONGS(GMEM_BLOCK_PAGES)

/* One bit per page of a block whose pages differ; set means shared. */
struct gmem_leaf {
	unsigned long bits[GMEM_LEAF_WORDS];
};

struct gmem_map {
	pgoff_t nr_pages;
	unsigned long *blocks;
};

/* The leaves that a store may need: for the first and for the last block. */
struct gmem_map_reserve {
	struct gmem_leaf *leaf[2];
};

int gmem_map_init(struct gmem_map *map, pgoff_t nr_pages,
		  enum gmem_state state);
void gmem_map_destroy(struct gmem_map *map);
enum gmem_state gmem_map_lookup(const struct gmem_map *map, pgoff_t index);
enum gmem_state gmem_map_next_run(const struct gmem_map *map, pgoff_t start,
				  pgoff_t last, struct gmem_run *run);
int gmem_map_reserve(struct gmem_map_reserve *reserve, pgoff_t start,
		     pgoff_t last);
void gmem_map_unreserve(struct gmem_map_reserve *reserve);
void gmem_map_store(struct gmem_map *map, pgoff_t start, pgoff_t last,
		    enum gmem_state state, struct gmem_map_reserve *reserve);
int gmem_map_cache_init(void);
void gmem_map_cache_exit(void);

/* --- gmem_overlay.c ------------------------------------------------------- */

struct gmem_overlay {
	/* The space's; guards the trees and every span in them. */
	spinlock_t *lock;
	seqcount_spinlock_t *seq;
	struct rb_root_cached claims;
	struct rb_root fences;
	u64 next_ticket;
	wait_queue_head_t wait;
};

struct gmem_span {
	struct interval_tree_node claim;
	struct rb_node fence;
	struct gmem_run request;
	u64 ticket;
	unsigned int nr_blockers;
	bool claimed;
	bool raised;
	struct completion granted;
};

void gmem_overlay_init(struct gmem_overlay *overlay, spinlock_t *lock,
		       seqcount_spinlock_t *seq);
int gmem_overlay_claim(struct gmem_overlay *overlay, struct gmem_span *span,
		       const struct gmem_run *effective, unsigned int flags,
		       unsigned int task_state);
void gmem_overlay_release(struct gmem_overlay *overlay, struct gmem_span *span);
void gmem_overlay_raise(struct gmem_overlay *overlay, struct gmem_span *span);
void gmem_overlay_lower(struct gmem_overlay *overlay, struct gmem_span *span);
bool gmem_overlay_fenced(const struct gmem_overlay *overlay, pgoff_t index,
			 enum gmem_scope scope);

/* --- gmem_space.c --------------------------------------------------------- */

#define GMEM_NR_REFUSALS	16

struct gmem_refusal {
	ktime_t when;
	enum gmem_op op;
	enum gmem_state target;
	struct gmem_run request;
	struct gmem_report report;
};

struct gmem_txn;

struct gmem_space {
	char name[GMEM_NAME_LEN];
	struct gmem_provider *provider;

	/* Guards map and overlay; @seq makes their lookups lock-free. */
	spinlock_t lock;
	seqcount_spinlock_t seq;
	struct gmem_map map;
	struct gmem_overlay overlay;

	/* Guards @clients and each client's nr_users and dying. */
	struct mutex clients_lock;
	struct list_head clients;
	unsigned int nr_clients;
	wait_queue_head_t clients_wait;

	/* Revokes allocate nothing: they take turns with this one. */
	struct mutex revoke_lock;
	struct gmem_txn *revoke_txn;
	unsigned long revoke_rcu;

	/* The last refusals, a ring; @nr_refusals counts all. */
	spinlock_t refusals_lock;
	struct gmem_refusal refusals[GMEM_NR_REFUSALS];
	unsigned long nr_refusals;

	struct dentry *debugfs;
};

void gmem_space_store(struct gmem_space *space, pgoff_t start, pgoff_t last,
		      enum gmem_state state, struct gmem_map_reserve *reserve);

/* --- gmem_client.c -------------------------------------------------------- */

/*
 * Held, as far as lockdep is concerned, while a client's or the provider's
 * callback runs under a fence; taken for an instant by everything that may wait
 * for one.  There is no lock behind it.  A callback that waits for a claim, or
 * takes a lock under which somebody else waits for one, is so reported the first
 * time it runs.
 */
extern struct lockdep_map gmem_callback_map;

static inline void gmem_callback_enter(void)
{
	might_sleep();
	lock_map_acquire(&gmem_callback_map);
}

static inline void gmem_callback_leave(void)
{
	lock_map_release(&gmem_callback_map);
}

static inline void gmem_may_wait_for_callback(void)
{
	gmem_callback_enter();
	gmem_callback_leave();
}

unsigned int gmem_clients_count(struct gmem_space *space);
int gmem_clients_list(struct gmem_space *space, const struct gmem_plan *plan,
		      struct gmem_slot *slots, unsigned int max);
void gmem_clients_unlist(struct gmem_space *space, struct gmem_slot *slots,
			 unsigned int nr);
int gmem_slots_prepare(struct gmem_slot *slots, unsigned int nr,
		       struct gmem_report *report, unsigned int *nr_prepared);
void gmem_slots_invalidate(struct gmem_slot *slots, unsigned int nr);
void gmem_slots_complete(struct gmem_slot *slots, unsigned int nr);
void gmem_slots_abort(struct gmem_slot *slots, unsigned int nr);
void gmem_clients_revoke(struct gmem_space *space, pgoff_t start, pgoff_t last);

/* --- gmem_txn.c ----------------------------------------------------------- */

struct gmem_txn *gmem_txn_alloc(struct gmem_space *space);
void gmem_txn_free(struct gmem_txn *txn);

/* --- gmem_report.c -------------------------------------------------------- */

void gmem_report_file(struct gmem_space *space, const struct gmem_plan *plan,
		      const struct gmem_report *report);

/* --- gmem_debugfs.c ------------------------------------------------------- */

#ifdef CONFIG_DEBUG_FS
void gmem_debugfs_init(void);
void gmem_debugfs_exit(void);
void gmem_debugfs_add(struct gmem_space *space);
void gmem_debugfs_remove(struct gmem_space *space);
#else
static inline void gmem_debugfs_init(void) { }
static inline void gmem_debugfs_exit(void) { }
static inline void gmem_debugfs_add(struct gmem_space *space) { }
static inline void gmem_debugfs_remove(struct gmem_space *space) { }
#endif

/* --- gmem_fault.c --------------------------------------------------------- */

#ifdef CONFIG_GMEM_CONVERT_DEBUG
bool gmem_should_fail(void);
void gmem_fail_nth(unsigned int nth);
bool gmem_fail_hit(void);
#else
static inline bool gmem_should_fail(void) { return false; }
#endif

#endif /* _GMEM_CONVERT_INTERNAL_H */
