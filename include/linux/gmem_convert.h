/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gmem_convert: convert guest memory between shared and private, for callers.
 *
 * A *space* is one memory object whose pages are each either private (only the
 * guest may touch them) or shared (host userspace and devices may as well); a
 * guest_memfd inode owns exactly one.  This header is all that somebody who
 * asks for conversions or looks up the state of a page needs.  Whoever owns
 * the memory implements <linux/gmem_provider.h>, whoever maps it implements
 * <linux/gmem_client.h>.
 *
 * Conventions, here and in the other two headers:
 *
 *  - @index, @start and @last are page offsets into the space, in units of
 *    PAGE_SIZE; @last is inclusive, so a space of n pages ends at n - 1.
 *  - A negative return means that nothing has changed (guarantee G1).
 *  - The closed set of errors is listed with gmem_convert_range().
 */
#ifndef _LINUX_GMEM_CONVERT_H
#define _LINUX_GMEM_CONVERT_H

#include <linux/bits.h>
#include <linux/types.h>

struct gmem_provider;
struct gmem_space;

/**
 * enum gmem_state - who may touch a page
 * @GMEM_PRIVATE: only the guest; zero, so that zeroed memory is the safe answer
 * @GMEM_SHARED: host userspace and devices as well
 */
enum gmem_state {
	GMEM_PRIVATE = 0,
	GMEM_SHARED = 1,
};

/**
 * enum gmem_op - what a transaction does
 * @GMEM_OP_CONVERT: changes the state of pages
 * @GMEM_OP_PUNCH: gives the memory back, the state stays
 * @GMEM_OP_REVOKE: as punch, but cannot be refused and allocates nothing
 * @GMEM_OP_POPULATE: fills private pages with their first contents
 * @GMEM_OP_MERGE: makes larger folios of small ones, nothing else changes
 */
enum gmem_op {
	GMEM_OP_CONVERT,
	GMEM_OP_PUNCH,
	GMEM_OP_REVOKE,
	GMEM_OP_POPULATE,
	GMEM_OP_MERGE,
};

/**
 * enum gmem_phase - how far a transaction got
 * @GMEM_PHASE_NONE: nothing has happened yet; also: the arguments were refused
 * @GMEM_PHASE_CLAIM: excludes conflicting operations
 * @GMEM_PHASE_PLAN: works out which runs of pages change
 * @GMEM_PHASE_RESERVE: gets all memory that later phases need
 * @GMEM_PHASE_RAISE: lookups see the fence from here on
 * @GMEM_PHASE_PREPARE: clients and provider may refuse
 * @GMEM_PHASE_COMMIT: takes the old translations away, stores the new state
 * @GMEM_PHASE_ABORT: tells those whose prepare succeeded that it is off
 */
enum gmem_phase {
	GMEM_PHASE_NONE,
	GMEM_PHASE_CLAIM,
	GMEM_PHASE_PLAN,
	GMEM_PHASE_RESERVE,
	GMEM_PHASE_RAISE,
	GMEM_PHASE_PREPARE,
	GMEM_PHASE_COMMIT,
	GMEM_PHASE_ABORT,
};

/**
 * enum gmem_scope - which part of a fence a lookup respects
 * @GMEM_SCOPE_REQUEST: only what the caller of the operation asked for.  For
 *	guest faults that map order 0 and keep no folio reference.
 * @GMEM_SCOPE_EFFECTIVE: also the rest of every folio whose structure may
 *	change.  For host faults, which map a large folio whole, and for
 *	allocation.
 */
enum gmem_scope {
	GMEM_SCOPE_REQUEST,
	GMEM_SCOPE_EFFECTIVE,
};

/** define GMEM_NAME_LEN - bytes in a holder's or space's name, with its NUL */
#define GMEM_NAME_LEN 32

/**
 * struct gmem_run - consecutive pages
 * @start: first index
 * @last: last index, inclusive
 */
struct gmem_run {
	pgoff_t start;
	pgoff_t last;
};

/**
 * struct gmem_report - why a request was refused
 * @phase: phase that refused
 * @error: the negative errno that the call returned
 * @index: first page in the way; the start of the request when no single page
 *	is (-ENOMEM, -EINTR, bad arguments).  With @quarantined, the first page
 *	that was lost
 * @holder: name of the client in the way, "references" for a page that somebody
 *	else holds, "quarantine" or "memory failure" for one that is lost,
 *	"shared" for one that cannot be populated, "populate" if the callback
 *	failed, or empty
 * @refs_seen: references found on the page in the way (a snapshot)
 * @refs_expected: references it would have if nobody else used it
 * @quarantined: the call returned 0, but hardware has not given every page back
 * @left_split: the call returned 0, but somebody who uses a page has kept others
 *	from becoming one larger folio with it; see gmem_merge_range()
 *
 * Zeroed when the call did all that it was asked for.
 */
struct gmem_report {
	enum gmem_phase phase;
	int error;
	pgoff_t index;
	char holder[GMEM_NAME_LEN];
	unsigned long refs_seen;
	unsigned long refs_expected;
	bool quarantined;
	bool left_split;
};

/* Fail with -EAGAIN rather than wait for a conflicting operation. */
#define GMEM_NOWAIT BIT(0)

struct gmem_space *gmem_space_alloc(const char *name, pgoff_t nr_pages,
				    enum gmem_state state,
				    struct gmem_provider *provider);
void gmem_space_free(struct gmem_space *space);

int gmem_space_lookup(struct gmem_space *space, pgoff_t index,
		      enum gmem_scope scope);
unsigned int gmem_space_max_order(struct gmem_space *space, pgoff_t index,
				  unsigned int max_order);
void gmem_space_limit(struct gmem_space *space, const struct gmem_run *range,
		      unsigned int order);
bool gmem_space_is_owner(struct gmem_space *space, pgoff_t index);
int gmem_space_wait(struct gmem_space *space, pgoff_t index,
		    enum gmem_scope scope, unsigned int task_state);
int gmem_space_settle(struct gmem_space *space, const struct gmem_run *range);
int gmem_space_next_run(struct gmem_space *space, pgoff_t start, pgoff_t last,
			struct gmem_run *run);

int gmem_convert_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		       enum gmem_state target, unsigned int flags,
		       struct gmem_report *report);
int gmem_punch_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		     unsigned int flags, struct gmem_report *report);
int gmem_merge_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
		     unsigned int flags, struct gmem_report *report);
void gmem_revoke_range(struct gmem_space *space, pgoff_t start, pgoff_t last);
void gmem_unmap_range(struct gmem_space *space, pgoff_t start, pgoff_t last);

typedef int (*gmem_populate_fn)(void *priv, pgoff_t index);
long gmem_populate_range(struct gmem_space *space, pgoff_t start, pgoff_t last,
			 gmem_populate_fn populate, void *priv,
			 struct gmem_report *report);

#endif /* _LINUX_GMEM_CONVERT_H */
