// SPDX-License-Identifier: GPL-2.0
/*
 * The map of states and what else could be one.
 *
 * Each container is a few lines around its own API, as somebody who had chosen
 * it would write them: an entry for shared, nothing for private.  As far as
 * that goes: xa_store_range() cannot do all that a map has to, since it stores
 * over a part of an entry as if that were the whole.  It is measured where it
 * works, on spans that begin and end with an entry.
 *
 * Indices are looked up in a loop that is the same for all.  What the loop costs
 * brings ratios closer to 1, on either side of it.
 */
#include <linux/bitmap.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "bench.h"
#include "bench_containers.h"

/* Inlined with a known @lookup, which makes the call a direct one. */
static __always_inline unsigned long
bench_count(struct bench_map *map, const u32 *indices, unsigned long nr,
	    bool (*lookup)(struct bench_map *map, pgoff_t index))
{
	unsigned long i, shared = 0;

	for (i = 0; i < nr; i++)
		shared += lookup(map, indices[i]);
	return shared;
}

static void space_commit(struct gmem_provider *provider,
			 const struct gmem_plan *plan)
{
}

static void space_revoke(struct gmem_provider *provider, pgoff_t start,
			 pgoff_t last)
{
}

static const struct gmem_provider_ops space_provider_ops = {
	.commit = space_commit,
	.revoke = space_revoke,
};

static struct gmem_provider space_provider = { .ops = &space_provider_ops };

static int space_init(struct bench_map *map)
{
	map->space = gmem_space_alloc("bench", map->nr_pages, GMEM_PRIVATE,
				      &space_provider);
	return PTR_ERR_OR_ZERO(map->space);
}

static void space_destroy(struct bench_map *map)
{
	gmem_space_free(map->space);
}

static int space_store(struct bench_map *map, pgoff_t start, pgoff_t last,
		       enum gmem_state state)
{
	struct gmem_map_reserve reserve = {};
	int ret = gmem_map_reserve(&reserve, start, last);

	if (ret)
		return ret;
	gmem_space_store(map->space, start, last, state, &reserve);
	gmem_map_unreserve(&reserve);
	return 0;
}

static int space_convert(struct bench_map *map, pgoff_t start, pgoff_t last,
			 enum gmem_state state)
{
	struct gmem_report report;

	return gmem_convert_range(map->space, start, last, state, 0, &report);
}

static bool space_lookup(struct bench_map *map, pgoff_t index)
{
	return gmem_space_lookup(map->space, index, GMEM_SCOPE_REQUEST) ==
	       GMEM_SHARED;
}

static unsigned long space_lookups(struct bench_map *map, const u32 *indices,
				   unsigned long nr)
{
	return bench_count(map, indices, nr, space_lookup);
}

static int table_init(struct bench_map *map)
{
	return gmem_map_init(&map->table, map->nr_pages, GMEM_PRIVATE);
}

static void table_destroy(struct bench_map *map)
{
	gmem_map_destroy(&map->table);
}

static int table_store(struct bench_map *map, pgoff_t start, pgoff_t last,
		       enum gmem_state state)
{
	struct gmem_map_reserve reserve = {};
	int ret = gmem_map_reserve(&reserve, start, last);

	if (ret)
		return ret;
	gmem_map_store(&map->table, start, last, state, &reserve);
	gmem_map_unreserve(&reserve);
	return 0;
}

static bool table_lookup(struct bench_map *map, pgoff_t index)
{
	guard(rcu)();
	return gmem_map_lookup(&map->table, index) == GMEM_SHARED;
}

static unsigned long table_lookups(struct bench_map *map, const u32 *indices,
				   unsigned long nr)
{
	return bench_count(map, indices, nr, table_lookup);
}

static void *bench_entry(enum gmem_state state)
{
	return state == GMEM_SHARED ? xa_mk_value(GMEM_SHARED) : NULL;
}

static int maple_init(struct bench_map *map)
{
	mt_init(&map->mt);
	return 0;
}

/*
 * Lookups without a lock need RCU mode.  With gaps tracked, as in trees of VMAs:
 * without, Linux 7.2 crashes when this tree is destroyed, because mt_free_walk()
 * takes the metadata in the last slot of a node with 15 children for a child.
 */
static int maple_rcu_init(struct bench_map *map)
{
	mt_init_flags(&map->mt, MT_FLAGS_USE_RCU | MT_FLAGS_ALLOC_RANGE);
	return 0;
}

static void maple_destroy(struct bench_map *map)
{
	mtree_destroy(&map->mt);
}

static int maple_store(struct bench_map *map, pgoff_t start, pgoff_t last,
		       enum gmem_state state)
{
	return mtree_store_range(&map->mt, start, last, bench_entry(state),
				 GFP_KERNEL_ACCOUNT);
}

static bool maple_lookup(struct bench_map *map, pgoff_t index)
{
	return mtree_load(&map->mt, index);
}

static unsigned long maple_lookups(struct bench_map *map, const u32 *indices,
				   unsigned long nr)
{
	return bench_count(map, indices, nr, maple_lookup);
}

static int xa_init_map(struct bench_map *map)
{
	xa_init(&map->xa);
	return 0;
}

static void xa_destroy_map(struct bench_map *map)
{
	xa_destroy(&map->xa);
}

static int xa_range_store(struct bench_map *map, pgoff_t start, pgoff_t last,
			  enum gmem_state state)
{
	return xa_err(xa_store_range(&map->xa, start, last, bench_entry(state),
				     GFP_KERNEL_ACCOUNT));
}

/* As kvm_vm_set_mem_attributes() of Linux 7.2 does it. */
static int xa_page_store(struct bench_map *map, pgoff_t start, pgoff_t last,
			 enum gmem_state state)
{
	void *entry = bench_entry(state);
	pgoff_t i;
	int ret;

	for (i = start; i <= last; i++) {
		ret = xa_reserve(&map->xa, i, GFP_KERNEL_ACCOUNT);
		if (ret)
			return ret;
		cond_resched();
	}
	for (i = start; i <= last; i++) {
		ret = xa_err(xa_store(&map->xa, i, entry, GFP_KERNEL_ACCOUNT));
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

static bool xa_lookup(struct bench_map *map, pgoff_t index)
{
	return xa_load(&map->xa, index);
}

static unsigned long xa_lookups(struct bench_map *map, const u32 *indices,
				unsigned long nr)
{
	return bench_count(map, indices, nr, xa_lookup);
}

static int oracle_init(struct bench_map *map)
{
	map->bitmap = kvcalloc(BITS_TO_LONGS(map->nr_pages),
			       sizeof(*map->bitmap), GFP_KERNEL);
	return map->bitmap ? 0 : -ENOMEM;
}

static void oracle_destroy(struct bench_map *map)
{
	kvfree(map->bitmap);
}

static int oracle_store(struct bench_map *map, pgoff_t start, pgoff_t last,
			enum gmem_state state)
{
	if (state == GMEM_SHARED)
		bitmap_set(map->bitmap, start, last - start + 1);
	else
		bitmap_clear(map->bitmap, start, last - start + 1);
	return 0;
}

static bool oracle_lookup(struct bench_map *map, pgoff_t index)
{
	return test_bit(index, map->bitmap);
}

static unsigned long oracle_lookups(struct bench_map *map, const u32 *indices,
				    unsigned long nr)
{
	return bench_count(map, indices, nr, oracle_lookup);
}

const struct bench_ops bench_ops[BENCH_NR_CONTAINERS] = {
	[BENCH_ORACLE] = {
		"bitmap", oracle_init, oracle_destroy, oracle_store,
		oracle_lookups,
	},
	[BENCH_STORE] = {
		"store", space_init, space_destroy, space_store, space_lookups,
	},
	[BENCH_CONVERT] = {
		"convert", space_init, space_destroy, space_convert,
		space_lookups,
	},
	[BENCH_TABLE] = {
		"our table alone", table_init, table_destroy, table_store,
		table_lookups,
	},
	[BENCH_MAPLE] = {
		"maple", maple_init, maple_destroy, maple_store, maple_lookups,
	},
	[BENCH_MAPLE_RCU] = {
		"maple, RCU", maple_rcu_init, maple_destroy, maple_store,
		maple_lookups,
	},
	[BENCH_XA_RANGE] = {
		"xa_store_range", xa_init_map, xa_destroy_map, xa_range_store,
		xa_lookups,
	},
	[BENCH_XA_PAGE] = {
		"xarray per page", xa_init_map, xa_destroy_map, xa_page_store,
		xa_lookups,
	},
};

static void bench_map_free(void *data)
{
	struct bench_map *map = data;

	map->ops->destroy(map);
	kfree(map);
}

/**
 * bench_map_alloc() - make a container with every page private
 * @test: the test, which frees it in the end
 * @container: which one
 * @nr_pages: its size
 *
 * Context: Process context.
 * Return: the container.
 */
struct bench_map *bench_map_alloc(struct kunit *test,
				  enum bench_container container,
				  pgoff_t nr_pages)
{
	struct bench_map *map = kzalloc_obj(*map);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, map);
	map->ops = &bench_ops[container];
	map->nr_pages = nr_pages;
	ret = map->ops->init(map);
	if (ret)
		kfree(map);
	KUNIT_ASSERT_EQ(test, 0, ret);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, bench_map_free, map));
	return map;
}

/**
 * bench_map_release() - free a container before the test ends
 * @test: the test
 * @map: the container
 *
 * Context: Process context.
 */
void bench_map_release(struct kunit *test, struct bench_map *map)
{
	kunit_release_action(test, bench_map_free, map);
}

const char * const bench_pattern_names[BENCH_NR_PATTERNS] = {
	[BENCH_PRIVATE] = "all private",
	[BENCH_SHARED] = "all shared",
	[BENCH_WORST] = "every 2nd page",
	[BENCH_CHECKER] = "2 MiB checkers",
	[BENCH_RANDOM] = "random runs",
};

static pgoff_t bench_run_pages(enum bench_pattern pattern, struct rnd_state *rnd)
{
	switch (pattern) {
	case BENCH_WORST:
		return 1;
	case BENCH_CHECKER:
		return SZ_2M >> PAGE_SHIFT;
	case BENCH_RANDOM:
		return 1 + prandom_u32_state(rnd) % (SZ_2M >> PAGE_SHIFT);
	default:
		return ULONG_MAX;
	}
}

/**
 * bench_fill() - lay a pattern on private pages
 * @test: the test
 * @map: the container
 * @start: first page
 * @last: last page, inclusive
 * @pattern: which one
 *
 * Context: Process context.
 */
void bench_fill(struct kunit *test, struct bench_map *map, pgoff_t start,
		pgoff_t last, enum bench_pattern pattern)
{
	bool shared = pattern != BENCH_PRIVATE;
	struct rnd_state rnd;
	pgoff_t left, pages;
	int ret = 0;

	prandom_seed_state(&rnd, BENCH_SEED);
	for (; start <= last; start += pages, shared = !shared) {
		left = last - start + 1;
		pages = min(left, bench_run_pages(pattern, &rnd));
		if (shared)
			ret = map->ops->store(map, start, start + pages - 1,
					      GMEM_SHARED);
		if (ret)
			break;
		cond_resched();
	}
	KUNIT_ASSERT_EQ(test, 0, ret);
}

/**
 * bench_store() - set the state of a span
 * @test: the test
 * @map: the container
 * @start: first page
 * @last: last page, inclusive
 * @state: new state
 *
 * Context: Process context.
 */
void bench_store(struct kunit *test, struct bench_map *map, pgoff_t start,
		 pgoff_t last, enum gmem_state state)
{
	KUNIT_ASSERT_EQ(test, 0, map->ops->store(map, start, last, state));
}
