// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_map: the settled state of every page of a space.
 *
 * One word per block of 512 pages: uniformly private, uniformly shared, or a
 * pointer to a leaf with one bit per page.  That is 1/8 bit per page when
 * uniform and 1 1/8 bit at worst.  Neither a maple tree nor an xarray would do:
 * what mas_preallocate() got is void once anybody else stores, so transactions
 * on disjoint spans could not run in parallel; here a store needs at most one
 * leaf for the block at each end of its span, whatever others do meanwhile.
 *
 * A word has room for two limits as well, so that the largest uniform order at
 * an index is found in the words alone.
 *
 * Owns the words and the leaves.  Knows nothing of fences or transactions.
 * The owner of the map serialises stores and makes lookups retry if one ran
 * meanwhile (seqcount); a lookup takes no lock and allocates nothing (G11).
 *
 * Leaves have no rcu_head, which would cost as much again as a quarter of the
 * leaf.  Instead their slab keeps them leaves until a grace period has passed
 * (SLAB_TYPESAFE_BY_RCU): a lookup that reads a leaf that was freed, even one
 * that was reused, reads some bits, and then sees that it must retry.
 */
#include <kunit/visibility.h>
#include <linux/bitmap.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "internal.h"

/*
 * A block's word: the address of its leaf or, for a uniform block, its state in
 * the lowest bit.  Two more bits, never cleared, say that no page table may map
 * more than a page at a time here, or more than a block.
 */
#define GMEM_WORD_STATE		BIT(0)
#define GMEM_WORD_PAGES_ONLY	BIT(1)
#define GMEM_WORD_BLOCKS_ONLY	BIT(2)
#define GMEM_WORD_LIMITS	(GMEM_WORD_PAGES_ONLY | GMEM_WORD_BLOCKS_ONLY)
#define GMEM_WORD_MASK		(GMEM_WORD_STATE | GMEM_WORD_LIMITS)

static struct gmem_leaf *gmem_word_leaf(unsigned long word)
{
	return (struct gmem_leaf *)(word & ~GMEM_WORD_MASK);
}

static enum gmem_state gmem_word_state(unsigned long word)
{
	return word & GMEM_WORD_STATE;
}

static struct kmem_cache *gmem_leaf_cache;

/*
 * The slab's link to the next free object goes inside the leaf.  By default
 * SLAB_TYPESAFE_BY_RCU puts it behind, where it leaves a freed object readable
 * and makes each an eighth larger; here nobody believes what a freed one says.
 */
int gmem_map_cache_init(void)
{
	struct kmem_cache_args args = {
		.align = __alignof__(struct gmem_leaf),
		.freeptr_offset = offsetof(struct gmem_leaf, bits),
		.use_freeptr_offset = true,
	};

	BUILD_BUG_ON(__alignof__(struct gmem_leaf) <= GMEM_WORD_MASK);
	gmem_leaf_cache = kmem_cache_create("gmem_leaf",
					    sizeof(struct gmem_leaf), &args,
					    SLAB_TYPESAFE_BY_RCU | SLAB_ACCOUNT);
	return gmem_leaf_cache ? 0 : -ENOMEM;
}

void gmem_map_cache_exit(void)
{
	kmem_cache_destroy(gmem_leaf_cache);
}

static pgoff_t gmem_block_first(pgoff_t index)
{
	return index & ~(GMEM_BLOCK_PAGES - 1);
}

/**
 * gmem_map_init() - make an empty map
 * @map: the map
 * @nr_pages: size in pages, not 0
 * @state: state of every page
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL for an empty map, -ENOMEM.
 */
int gmem_map_init(struct gmem_map *map, pgoff_t nr_pages, enum gmem_state state)
{
	unsigned long i, nr_blocks;

	if (!nr_pages)
		return -EINVAL;
	/* Not DIV_ROUND_UP(), which would wrap for a map of all indices. */
	nr_blocks = ((nr_pages - 1) >> GMEM_BLOCK_SHIFT) + 1;
	map->nr_pages = nr_pages;
	if (gmem_fault(GMEM_FAULT_MAP_INIT))
		return -ENOMEM;
	/* The size comes from userspace: too much of it is not worth a WARN. */
	map->blocks = kvcalloc(nr_blocks, sizeof(*map->blocks),
			       GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!map->blocks)
		return -ENOMEM;
	if (state != GMEM_PRIVATE)
		for (i = 0; i < nr_blocks; i++) {
			map->blocks[i] = state;
			cond_resched();
		}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_init);

/**
 * gmem_map_destroy() - free a map
 * @map: the map; nobody looks up in it any more
 *
 * Context: Process context, may sleep.
 */
void gmem_map_destroy(struct gmem_map *map)
{
	unsigned long i;

	for (i = 0; i <= (map->nr_pages - 1) >> GMEM_BLOCK_SHIFT; i++) {
		struct gmem_leaf *leaf = gmem_word_leaf(map->blocks[i]);

		if (leaf)
			kmem_cache_free(gmem_leaf_cache, leaf);
		cond_resched();
	}
	kvfree(map->blocks);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_destroy);

/**
 * gmem_map_lookup() - state of a page
 * @map: the map
 * @index: page, below the size of the map
 *
 * Context: Under rcu_read_lock(), inside a seqcount read section of the owner's,
 *	who throws the answer away if a store ran meanwhile.
 * Return: the state.
 */
enum gmem_state gmem_map_lookup(const struct gmem_map *map, pgoff_t index)
{
	unsigned long word = READ_ONCE(map->blocks[index >> GMEM_BLOCK_SHIFT]);
	struct gmem_leaf *leaf = gmem_word_leaf(word);

	if (!leaf)
		return gmem_word_state(word);
	/* test_bit() reads once; the dependency on @word orders it. */
	return test_bit(index & (GMEM_BLOCK_PAGES - 1), leaf->bits);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_lookup);

/* Last index of the run that @index is in, as far as its block goes. */
static pgoff_t gmem_block_run_last(const struct gmem_map *map, pgoff_t index,
				   enum gmem_state state)
{
	unsigned long word = READ_ONCE(map->blocks[index >> GMEM_BLOCK_SHIFT]);
	struct gmem_leaf *leaf = gmem_word_leaf(word);
	unsigned long bit = index & (GMEM_BLOCK_PAGES - 1), end;

	if (!leaf)
		end = GMEM_BLOCK_PAGES;
	else if (state == GMEM_SHARED)
		end = find_next_zero_bit(leaf->bits, GMEM_BLOCK_PAGES, bit);
	else
		end = find_next_bit(leaf->bits, GMEM_BLOCK_PAGES, bit);
	return gmem_block_first(index) + end - 1;
}

/**
 * gmem_map_next_run() - the run of equal pages that begins at an index
 * @map: the map
 * @start: first page of the run
 * @last: where to stop, inclusive, below the size of the map
 * @run: set to @start and the last page in the same state, at most @last
 *
 * Costs a step per block or run, never per page.
 *
 * Context: The lock that orders stores is held.  A claim on the span alone would
 *	not do: its pages hold still, but a store to others of the same block may
 *	make the block uniform and free the leaf.
 * Return: the state of the run.
 */
enum gmem_state gmem_map_next_run(const struct gmem_map *map, pgoff_t start,
				  pgoff_t last, struct gmem_run *run)
{
	enum gmem_state state;
	pgoff_t index = start;

	state = gmem_map_lookup(map, start);
	run->start = start;
	for (;;) {
		run->last = gmem_block_run_last(map, index, state);
		if (run->last >= last) {
			run->last = last;
			break;
		}
		index = run->last + 1;
		if (gmem_map_lookup(map, index) != state)
			break;
	}
	return state;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_next_run);

/**
 * gmem_map_reserve() - get all memory that one gmem_map_store() may need
 * @reserve: filled; empty again after an error
 * @start: first page of the span
 * @last: last page, inclusive
 *
 * Looks at the ends of the span only and not at the map: whether a block has a
 * leaf now says nothing about the time of the store, because another
 * transaction may make a block uniform that both touch.
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int gmem_map_reserve(struct gmem_map_reserve *reserve, pgoff_t start,
		     pgoff_t last)
{
	bool need[2] = {
		start & (GMEM_BLOCK_PAGES - 1),
		~last & (GMEM_BLOCK_PAGES - 1),
	};
	int i;

	/* A span inside one block has one block to worry about, not two. */
	if (gmem_block_first(start) == gmem_block_first(last)) {
		need[0] |= need[1];
		need[1] = false;
	}
	for (i = 0; i < 2; i++) {
		if (!need[i])
			continue;
		if (!gmem_fault(GMEM_FAULT_RESERVE_LEAF))
			reserve->leaf[i] = kmem_cache_alloc(gmem_leaf_cache,
							    GFP_KERNEL);
		if (!reserve->leaf[i]) {
			gmem_map_unreserve(reserve);
			return -ENOMEM;
		}
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_reserve);

/**
 * gmem_map_unreserve() - give back what no store has used
 * @reserve: may be empty
 *
 * Context: Any.
 */
void gmem_map_unreserve(struct gmem_map_reserve *reserve)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (reserve->leaf[i])
			kmem_cache_free(gmem_leaf_cache, reserve->leaf[i]);
		reserve->leaf[i] = NULL;
	}
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_unreserve);

static struct gmem_leaf *gmem_reserve_take(struct gmem_map_reserve *reserve)
{
	int i = reserve->leaf[0] ? 0 : 1;
	struct gmem_leaf *leaf = reserve->leaf[i];

	reserve->leaf[i] = NULL;
	return leaf;
}

static bool gmem_leaf_uniform(const struct gmem_leaf *leaf,
			      enum gmem_state state)
{
	return state == GMEM_SHARED ?
		bitmap_full(leaf->bits, GMEM_BLOCK_PAGES) :
		bitmap_empty(leaf->bits, GMEM_BLOCK_PAGES);
}

/*
 * Lookups read a leaf's bits while this writes them: word by word, each word
 * written once.  bitmap_set() may use memset(), which tears.
 */
static void gmem_leaf_store(struct gmem_leaf *leaf, unsigned int first,
			    unsigned int last, enum gmem_state state)
{
	unsigned int i;

	for (i = BIT_WORD(first); i <= BIT_WORD(last); i++) {
		unsigned long mask = ~0UL, word = leaf->bits[i];

		if (i == BIT_WORD(first))
			mask &= BITMAP_FIRST_WORD_MASK(first);
		if (i == BIT_WORD(last))
			mask &= BITMAP_LAST_WORD_MASK(last + 1);
		word = state == GMEM_SHARED ? word | mask : word & ~mask;
		WRITE_ONCE(leaf->bits[i], word);
	}
}

static void gmem_block_store(struct gmem_map *map, unsigned long block,
			     unsigned int first, unsigned int last,
			     enum gmem_state state,
			     struct gmem_map_reserve *reserve)
{
	unsigned long old = map->blocks[block];
	unsigned long limits = old & GMEM_WORD_LIMITS;
	struct gmem_leaf *leaf = gmem_word_leaf(old);
	bool whole = first == 0 && last == GMEM_BLOCK_PAGES - 1;

	if (!leaf && gmem_word_state(old) == state)
		return;
	if (!leaf && !whole) {
		leaf = gmem_reserve_take(reserve);
		if (WARN_ON_ONCE(!leaf))
			return;
		memset(leaf->bits, gmem_word_state(old) == GMEM_SHARED ? 0xff : 0,
		       sizeof(leaf->bits));
		/* Pairs with the dependency in gmem_map_lookup(). */
		smp_store_release(&map->blocks[block],
				  (unsigned long)leaf | limits);
	}
	if (!whole)
		gmem_leaf_store(leaf, first, last, state);
	/*
	 * Another transaction may be about to store to this block; it has a leaf
	 * in reserve just in case, see gmem_map_reserve().
	 */
	if (whole || gmem_leaf_uniform(leaf, state)) {
		WRITE_ONCE(map->blocks[block], state | limits);
		if (leaf)
			kmem_cache_free(gmem_leaf_cache, leaf);
	}
}

/**
 * gmem_map_store() - set the state of a span
 * @map: the map
 * @start: first page
 * @last: last page, inclusive, below the size of the map
 * @state: new state
 * @reserve: from gmem_map_reserve() for this span or one that contains it with
 *	the same ends, not used for the same end before
 *
 * Costs a step per block.
 *
 * Context: The lock that orders stores is held, and lookups are made to retry.
 */
void gmem_map_store(struct gmem_map *map, pgoff_t start, pgoff_t last,
		    enum gmem_state state, struct gmem_map_reserve *reserve)
{
	unsigned long block = start >> GMEM_BLOCK_SHIFT;
	unsigned long last_block = last >> GMEM_BLOCK_SHIFT;
	unsigned int first = start & (GMEM_BLOCK_PAGES - 1);

	/* Bits past the end go with the last page, or the block never ends up uniform. */
	if (last == map->nr_pages - 1)
		last |= GMEM_BLOCK_PAGES - 1;
	for (; block < last_block; block++, first = 0)
		gmem_block_store(map, block, first, GMEM_BLOCK_PAGES - 1, state,
				 reserve);
	gmem_block_store(map, block, first, last & (GMEM_BLOCK_PAGES - 1),
			 state, reserve);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_store);

/**
 * gmem_map_limit() - never map a span by larger entries again
 * @map: the map
 * @start: first page
 * @last: last page, inclusive, below the size of the map
 * @order: largest that is left: 0, or that of a block
 *
 * For every block that the span touches.  There is no way back: whoever asked
 * for the limit has a reason that the map does not know the end of.
 *
 * Context: As gmem_map_store().
 */
void gmem_map_limit(struct gmem_map *map, pgoff_t start, pgoff_t last,
		    unsigned int order)
{
	unsigned long limit = order < GMEM_BLOCK_SHIFT ? GMEM_WORD_PAGES_ONLY :
			      GMEM_WORD_BLOCKS_ONLY;
	unsigned long block;

	for (block = start >> GMEM_BLOCK_SHIFT;
	     block <= last >> GMEM_BLOCK_SHIFT; block++)
		WRITE_ONCE(map->blocks[block], map->blocks[block] | limit);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_limit);

/* Whether the aligned 2^@order pages around @index are all in the map. */
static bool gmem_map_contains(const struct gmem_map *map, pgoff_t index,
			      unsigned int order)
{
	return (index | (BIT(order) - 1)) < map->nr_pages;
}

/**
 * gmem_map_max_order() - how large a mapping around a page may be
 * @map: the map
 * @index: page, below the size of the map
 * @max_order: what the caller could use
 *
 * A word per block tells all there is to know about it, so a GiB takes at most
 * 512 reads in a row, 4 KiB of them; keeping sums of blocks instead would make
 * every store look after them.
 *
 * Context: As gmem_map_lookup().
 * Return: the largest of 0, the order of a block and that of a block of blocks,
 *	at most @max_order, such that all pages are there, in the same state and
 *	under no limit.
 */
unsigned int gmem_map_max_order(const struct gmem_map *map, pgoff_t index,
				unsigned int max_order)
{
	unsigned long block = index >> GMEM_BLOCK_SHIFT, i;
	unsigned long word = READ_ONCE(map->blocks[block]);

	if (max_order < GMEM_BLOCK_SHIFT || gmem_word_leaf(word) ||
	    (word & GMEM_WORD_PAGES_ONLY) ||
	    !gmem_map_contains(map, index, GMEM_BLOCK_SHIFT))
		return 0;
	if (max_order < GMEM_HUGE_SHIFT || (word & GMEM_WORD_BLOCKS_ONLY) ||
	    !gmem_map_contains(map, index, GMEM_HUGE_SHIFT))
		return GMEM_BLOCK_SHIFT;
	block &= ~(GMEM_BLOCK_PAGES - 1);
	for (i = 0; i < GMEM_BLOCK_PAGES; i++)
		if (READ_ONCE(map->blocks[block + i]) != word)
			return GMEM_BLOCK_SHIFT;
	return GMEM_HUGE_SHIFT;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_map_max_order);
