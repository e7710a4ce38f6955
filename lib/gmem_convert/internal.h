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
 *	space->revoke_lock	(only ever tried)
 *	claim, fence			(waits, not locks; gmem_callback_map)
 *	space->clients_lock
 *	clients' own mutexes, the provider's locks, i_mmap_rwsem, mmu_lock
 *	space->lock			(map and overlay; a leaf)
 */

/* --- gmem_map.c ----------------------------------------------------------- */

#define GMEM_BLOCK_SHIFT	9
#define GMEM_BLOCK_PAGES	BIT(GMEM_BLOCK_SHIFT)
#define GMEM_LEAF_WORDS		BITS_TO_LONGS(GMEM_BLOCK_PAGES)

/* The other size that page tables know: a block of blocks. */
#define GMEM_HUGE_SHIFT		(2 * GMEM_BLOCK_SHIFT)

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
void gmem_map_limit(struct gmem_map *map, pgoff_t start, pgoff_t last,
		    unsigned int order);
unsigned int gmem_map_max_order(const struct gmem_map *map, pgoff_t index,
				unsigned int max_order);
int gmem_map_cache_init(void);
void gmem_map_cache_exit(void);

/* --- gmem_quarantine.c ---------------------------------------------------- */

#define GMEM_NR_QUARANTINED	32

/* Sorted, neither overlapping nor adjacent; one more than is ever kept. */
struct gmem_quarantine {
	unsigned int nr;
	struct gmem_run runs[GMEM_NR_QUARANTINED + 1];
};

bool gmem_quarantine_find(const struct gmem_quarantine *quarantine,
			  pgoff_t start, pgoff_t last, struct gmem_run *run);
void gmem_quarantine_add(struct gmem_quarantine *quarantine,
			 const struct gmem_run *run);

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

/*
 * One operation's.  @txn says for debugfs what it is, NULL if it only waits for
 * others; @owner is the task that passes its own fence, NULL for none.
 */
struct gmem_span {
	struct interval_tree_node claim;
	struct rb_node fence;
	struct gmem_run request;
	const struct gmem_txn *txn;
	const struct task_struct *owner;
	ktime_t begin;
	u64 ticket;
	unsigned int nr_blockers;
	bool claimed;
	bool raised;
	struct completion granted;
};

/* @node goes over the spans, granted or not, that overlap @start to @last. */
#define gmem_for_each_claim(node, overlay, start, last)			\
	for ((node) = interval_tree_iter_first(&(overlay)->claims,	\
					       (start), (last));	\
	     (node);							\
	     (node) = interval_tree_iter_next((node), (start), (last)))

void gmem_overlay_init(struct gmem_overlay *overlay, spinlock_t *lock,
		       seqcount_spinlock_t *seq);
int gmem_overlay_claim(struct gmem_overlay *overlay, struct gmem_span *span,
		       const struct gmem_run *effective, unsigned int flags,
		       unsigned int task_state);
void gmem_overlay_release(struct gmem_overlay *overlay, struct gmem_span *span);
void gmem_overlay_raise(struct gmem_overlay *overlay, struct gmem_span *span);
void gmem_overlay_lower(struct gmem_overlay *overlay, struct gmem_span *span);
bool gmem_overlay_is_owner(const struct gmem_overlay *overlay, pgoff_t index);
bool gmem_overlay_fenced(const struct gmem_overlay *overlay,
			 const struct gmem_run *range, enum gmem_scope scope);

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
	/* With a number behind it, so that it is unique. */
	char name[GMEM_NAME_LEN + 12];
	struct gmem_provider *provider;

	/* Guards what follows; @seq makes lookups there lock-free. */
	spinlock_t lock;
	seqcount_spinlock_t seq;
	struct gmem_map map;
	struct gmem_overlay overlay;
	struct gmem_quarantine quarantine;

	/* Guards @clients and each client's nr_users and dying. */
	struct mutex clients_lock;
	struct list_head clients;
	unsigned int nr_clients;
	wait_queue_head_t clients_wait;

	/* Revokes allocate nothing: the first of several takes this one. */
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
void gmem_space_quarantine(struct gmem_space *space, struct gmem_run *run);

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

const char *gmem_call_name(enum gmem_call call);
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

/* --- gmem_check.c --------------------------------------------------------- */

struct gmem_txn;

/* What the checkers remember of one transaction. */
struct gmem_check {
#ifdef CONFIG_GMEM_CONVERT_DEBUG
	u64 map_before;
	struct list_head entry;
	struct task_struct *task;
#endif
};

#ifdef CONFIG_GMEM_CONVERT_DEBUG
void gmem_check_init(void);
void gmem_check_exit(void);
void gmem_check_begin(struct gmem_txn *txn);
void gmem_check_refused(struct gmem_txn *txn);
void gmem_check_slots(struct gmem_txn *txn);
void gmem_check_invalidated(const struct gmem_slot *slot);
void gmem_check_unmapped(struct gmem_client *client, pgoff_t start,
			 pgoff_t last);
void gmem_check_freed(struct gmem_space *space, pgoff_t index);
void gmem_check_commit_begin(struct gmem_txn *txn);
void gmem_check_commit_end(struct gmem_txn *txn);
unsigned long gmem_check_lookup_begin(void);
void gmem_check_lookup_end(unsigned long flags);
#else
static inline void gmem_check_init(void) { }
static inline void gmem_check_exit(void) { }
static inline void gmem_check_begin(struct gmem_txn *txn) { }
static inline void gmem_check_refused(struct gmem_txn *txn) { }
static inline void gmem_check_slots(struct gmem_txn *txn) { }
static inline void gmem_check_invalidated(const struct gmem_slot *slot) { }
static inline void gmem_check_unmapped(struct gmem_client *client,
				       pgoff_t start, pgoff_t last) { }
static inline void gmem_check_freed(struct gmem_space *space,
				    pgoff_t index) { }
static inline void gmem_check_commit_begin(struct gmem_txn *txn) { }
static inline void gmem_check_commit_end(struct gmem_txn *txn) { }
static inline unsigned long gmem_check_lookup_begin(void) { return 0; }
static inline void gmem_check_lookup_end(unsigned long flags) { }
#endif

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

/* --- gmem_txn.c ----------------------------------------------------------- */

struct gmem_txn {
	struct gmem_space *space;
	struct gmem_span span;
	struct gmem_plan plan;
	struct gmem_report report;

	enum gmem_phase phase;
	ktime_t phase_begin;

	/* What reserve got. */
	struct gmem_run *runs;
	struct gmem_run one_run;
	struct gmem_slot *slots;
	struct gmem_map_reserve leaves;
	bool provider_reserved;

	/* Slots: room, taken at raise, and agreed. */
	unsigned int max_slots;
	unsigned int nr_slots;
	unsigned int nr_prepared;

	/* Nobody refused and nobody was told yet: only then may it commit. */
	bool agreed;
	struct gmem_check check;

	struct rcu_head rcu;
};

struct gmem_txn *gmem_txn_alloc(struct gmem_space *space);
void gmem_txn_free(struct gmem_txn *txn);

/* --- gmem_report.c -------------------------------------------------------- */

void gmem_report_file(struct gmem_space *space, const struct gmem_plan *plan,
		      const struct gmem_report *report);

/* --- gmem_fault.c --------------------------------------------------------- */

/*
 * Every step that may fail and how it then fails.  Nothing that commit or abort
 * call is here, see check-nofail.
 */
#define GMEM_FAULTS(X)							\
	X(SPACE_ALLOC,		"space-alloc",		-ENOMEM)	\
	X(MAP_INIT,		"map-init",		-ENOMEM)	\
	X(REGISTER,		"client-register",	-ENODEV)	\
	X(SETTLE,		"settle",		-EINTR)		\
	X(WAIT,			"wait",			-EINTR)		\
	X(TXN_ALLOC,		"txn-alloc",		-ENOMEM)	\
	X(CLAIM,		"claim",		-EINTR)		\
	X(RESERVE_RUNS,		"reserve-runs",		-ENOMEM)	\
	X(RESERVE_SLOTS,	"reserve-slots",	-ENOMEM)	\
	X(RESERVE_LEAF,		"reserve-leaf",		-ENOMEM)	\
	X(RESERVE_PROVIDER,	"reserve-provider",	-ENOMEM)	\
	X(PREPARE_CLIENT,	"prepare-client",	-EBUSY)		\
	X(PREPARE_PROVIDER,	"prepare-provider",	-EAGAIN)	\
	X(POPULATE_PAGE,	"populate-page",	-ENOMEM)	\
	X(FOLIOS_ALLOC,		"folios-alloc",		-ENOMEM)	\
	X(FOLIOS_CHUNK,		"folios-chunk",		-ENOMEM)	\
	X(FOLIOS_SLOTS,		"folios-slots",		-ENOMEM)	\
	X(FOLIOS_PAGE,		"folios-page",		-ENOMEM)	\
	X(FOLIOS_CHARGE,	"folios-charge",	-ENOMEM)	\
	X(FOLIOS_SOURCE,	"folios-source",	-EFAULT)

#define GMEM_FAULT_ENUM(id, name, error)	GMEM_FAULT_##id,
enum gmem_fault {
	GMEM_FAULTS(GMEM_FAULT_ENUM)
	GMEM_NR_FAULTS,
};

#ifdef CONFIG_GMEM_CONVERT_FAULT_INJECTION
int gmem_fault(enum gmem_fault fault);
void gmem_fault_init(struct dentry *debugfs);
unsigned long gmem_fault_count(enum gmem_fault fault);
enum gmem_fault gmem_fault_last(void);
int gmem_fault_error(enum gmem_fault fault);
const char *gmem_fault_name(enum gmem_fault fault);
void gmem_fault_nth(unsigned int nth);
bool gmem_fault_nth_end(void);
#else
static inline int gmem_fault(enum gmem_fault fault) { return 0; }
static inline void gmem_fault_init(struct dentry *debugfs) { }
#endif

#endif /* _GMEM_CONVERT_INTERNAL_H */
