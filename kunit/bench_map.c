// SPDX-License-Identifier: GPL-2.0
/*
 * The map against the kernel's own containers: lookup, memory, change.
 */
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/sched.h>

#include "bench.h"
#include "bench_containers.h"

/* --- do they agree? -------------------------------------------------------- */

static void bench_expect_equal(struct kunit *test, struct bench_map *map,
			       struct bench_map *oracle)
{
	u32 i;

	for (i = 0; i < map->nr_pages; i++) {
		if (map->ops->lookups(map, &i, 1) ==
		    oracle->ops->lookups(oracle, &i, 1))
			continue;
		KUNIT_FAIL(test, "%s: page %u is wrong", map->ops->name, i);
		return;
	}
}

/* What is measured below, and whether it did what it should. */
static void bench_agree(struct kunit *test, enum bench_container container,
			enum bench_pattern pattern)
{
	const pgoff_t nr_pages = 8 * GMEM_BLOCK_PAGES + 5;
	const pgoff_t start = GMEM_BLOCK_PAGES, last = 7 * GMEM_BLOCK_PAGES - 1;
	struct bench_map *oracle, *map;
	int i;

	oracle = bench_map_alloc(test, BENCH_ORACLE, nr_pages);
	map = bench_map_alloc(test, container, nr_pages);
	bench_fill(test, oracle, 0, nr_pages - 1, pattern);
	bench_fill(test, map, 0, nr_pages - 1, pattern);
	bench_expect_equal(test, map, oracle);
	bench_map_release(test, map);
	bench_map_release(test, oracle);

	oracle = bench_map_alloc(test, BENCH_ORACLE, nr_pages);
	map = bench_map_alloc(test, container, nr_pages);
	bench_fill(test, oracle, start, last, pattern);
	bench_fill(test, map, start, last, pattern);
	bench_expect_equal(test, map, oracle);
	for (i = 0; i < 2; i++) {
		enum gmem_state state = i ? GMEM_PRIVATE : GMEM_SHARED;

		bench_store(test, oracle, start, last, state);
		bench_store(test, map, start, last, state);
		bench_expect_equal(test, map, oracle);
	}
	bench_map_release(test, map);
	bench_map_release(test, oracle);
}

/**
 * bench_containers_agree() - every container gives the same answers
 * @test: the test
 *
 * Context: Process context.
 */
void bench_containers_agree(struct kunit *test)
{
	enum bench_container container;
	enum bench_pattern pattern;

	for (container = BENCH_ORACLE + 1; container < BENCH_NR_CONTAINERS;
	     container++)
		for (pattern = 0; pattern < BENCH_NR_PATTERNS; pattern++)
			bench_agree(test, container, pattern);
}

/* --- lookup ---------------------------------------------------------------- */

/* 16 GiB; at worst, the rivals' maps of that are larger than most caches. */
static pgoff_t bench_pages(void)
{
	return bench_full ? SZ_16G >> PAGE_SHIFT : 8 * GMEM_BLOCK_PAGES;
}

static const enum bench_container lookup_containers[] = {
	BENCH_STORE, BENCH_TABLE, BENCH_MAPLE_RCU, BENCH_XA_RANGE, BENCH_XA_PAGE,
};

/*
 * So many lookups make a sample: less than the time that a busy host leaves us
 * in one piece, or most samples would be about the host.
 */
#define BENCH_SLICE	SZ_16K

static void bench_lookup_order(struct kunit *test, enum bench_pattern pattern,
			       struct bench_map **maps,
			       struct bench_map *oracle, const char *order,
			       const u32 *indices, unsigned long nr)
{
	unsigned long slice, shared, expected, len = min(nr, BENCH_SLICE);
	unsigned int nr_samples = bench_rounds() * (nr / len), i = 0;
	u64 *samples[ARRAY_SIZE(lookup_containers)], begin;
	struct bench_row row = { .unit = "ns" };
	char name[48];
	int r, c;

	for (c = 0; c < ARRAY_SIZE(lookup_containers); c++) {
		samples[c] = kunit_kcalloc(test, nr_samples, sizeof(u64),
					   GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, samples[c]);
	}
	for (r = 0; r < bench_rounds(); r++) {
		for (slice = 0; slice < nr / len; slice++, i++) {
			const u32 *part = indices + slice * len;

			expected = oracle->ops->lookups(oracle, part, len);
			for (c = 0; c < ARRAY_SIZE(lookup_containers); c++) {
				begin = ktime_get_ns();
				shared = maps[c]->ops->lookups(maps[c], part,
							       len);
				samples[c][i] = (ktime_get_ns() - begin) *
						1000 / len;
				KUNIT_ASSERT_EQ_MSG(test, expected, shared,
						    "%s", maps[c]->ops->name);
				cond_resched();
			}
		}
	}

	scnprintf(name, sizeof(name), "lookup %s, %s",
		  bench_pattern_names[pattern], order);
	row.name = name;
	row.ours = bench_median(samples[0], nr_samples);
	row.limit = 1000;
	for (c = 1; c < ARRAY_SIZE(lookup_containers); c++) {
		row.rival = maps[c]->ops->name;
		row.theirs = bench_median(samples[c], nr_samples);
		row.target = lookup_containers[c] != BENCH_TABLE &&
			     pattern <= BENCH_WORST ? BENCH_RATIO : BENCH_NOTHING;
		bench_row(&row);
	}
}

static void bench_lookup_pattern(struct kunit *test, enum bench_pattern pattern,
				 u32 *indices, unsigned long nr)
{
	struct bench_map *maps[ARRAY_SIZE(lookup_containers)], *oracle;
	struct rnd_state rnd;
	unsigned long i;
	int c;

	oracle = bench_map_alloc(test, BENCH_ORACLE, bench_pages());
	bench_fill(test, oracle, 0, bench_pages() - 1, pattern);
	for (c = 0; c < ARRAY_SIZE(lookup_containers); c++) {
		maps[c] = bench_map_alloc(test, lookup_containers[c],
					  bench_pages());
		bench_fill(test, maps[c], 0, bench_pages() - 1, pattern);
	}

	for (i = 0; i < nr; i++)
		indices[i] = i;
	bench_lookup_order(test, pattern, maps, oracle, "in order", indices, nr);

	/* Known beforehand, so that nobody's time is that of the generator. */
	prandom_seed_state(&rnd, BENCH_SEED);
	for (i = 0; i < nr; i++)
		indices[i] = prandom_u32_state(&rnd) % bench_pages();
	bench_lookup_order(test, pattern, maps, oracle, "anywhere", indices, nr);

	for (c = 0; c < ARRAY_SIZE(lookup_containers); c++)
		bench_map_release(test, maps[c]);
	bench_map_release(test, oracle);
}

static void bench_kvfree(void *data)
{
	kvfree(data);
}

/**
 * bench_lookup() - time of one lookup
 * @test: the test
 *
 * Ours is gmem_space_lookup(), which also looks for a fence and reads a sequence
 * counter; nobody would use the table without.  The rivals get neither.
 *
 * Context: Process context.
 */
void bench_lookup(struct kunit *test)
{
	unsigned long nr = min(bench_pages(), SZ_1M);
	u32 *indices = kvmalloc_objs(*indices, nr);
	enum bench_pattern pattern;

	KUNIT_ASSERT_NOT_NULL(test, indices);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, bench_kvfree, indices));
	for (pattern = 0; pattern < BENCH_NR_PATTERNS; pattern++)
		bench_lookup_pattern(test, pattern, indices, nr);
}

/* --- memory ---------------------------------------------------------------- */

static const enum bench_container memory_containers[] = {
	BENCH_STORE, BENCH_MAPLE, BENCH_MAPLE_RCU, BENCH_XA_RANGE, BENCH_XA_PAGE,
};

/*
 * Free pages are what is left whoever allocated and however: table, slabs with
 * their unused part, page tables of vmalloc.  Two things may hide in between:
 * objects that wait for a grace period, and pages on per-cpu lists.
 */
static unsigned long bench_free_pages(void)
{
	unsigned long pages = 0;
	struct zone *zone;

	kvfree_rcu_barrier();
	rcu_barrier();
	drain_all_pages(NULL);
	for_each_populated_zone(zone)
		pages += zone_page_state_snapshot(zone, NR_FREE_PAGES);
	return pages;
}

/*
 * Bits per page do not depend on the size of the space, so each gets one whose
 * map is large enough that the rest of a slab is not seen, and not too large for
 * this machine.
 */
static pgoff_t bench_memory_pages(enum bench_container container,
				  enum bench_pattern pattern)
{
	if (!bench_full || container == BENCH_XA_PAGE)
		return bench_pages();
	if (pattern == BENCH_SHARED)
		return SZ_1T >> PAGE_SHIFT;
	if (pattern == BENCH_WORST && container != BENCH_STORE)
		return bench_pages();
	return 8 * bench_pages();
}

/*
 * Slabs that a cache kept when the last map was freed would be taken for
 * nothing.  A first map uses them up, the second is measured.
 */
static u64 bench_memory_once(struct kunit *test, enum bench_container container,
			     enum bench_pattern pattern)
{
	pgoff_t nr_pages = bench_memory_pages(container, pattern);
	struct bench_map *first, *map;
	unsigned long before, after;

	first = bench_map_alloc(test, container, bench_pages() / 2);
	bench_fill(test, first, 0, first->nr_pages - 1, pattern);
	before = bench_free_pages();
	map = bench_map_alloc(test, container, nr_pages);
	bench_fill(test, map, 0, nr_pages - 1, pattern);
	after = bench_free_pages();
	bench_map_release(test, map);
	bench_map_release(test, first);
	if (after >= before)
		return 0;
	return DIV_ROUND_CLOSEST((u64)(before - after) * PAGE_SIZE * 8 * 1000,
				 nr_pages);
}

static void bench_memory_pattern(struct kunit *test, enum bench_pattern pattern)
{
	u64 samples[ARRAY_SIZE(memory_containers)][BENCH_MAX_ROUNDS];
	struct bench_row row = { .unit = "bit" };
	char name[48];
	int r, c;

	for (r = 0; r < bench_rounds(); r++)
		for (c = 0; c < ARRAY_SIZE(memory_containers); c++)
			samples[c][r] = bench_memory_once(test,
							  memory_containers[c],
							  pattern);

	scnprintf(name, sizeof(name), "memory per page, %s",
		  bench_pattern_names[pattern]);
	row.name = name;
	row.ours = bench_median(samples[0], bench_rounds());
	if (pattern == BENCH_SHARED || pattern == BENCH_WORST)
		row.target = BENCH_OURS;
	row.limit = pattern == BENCH_SHARED ? 125 : 1250;
	for (c = 1; c < ARRAY_SIZE(memory_containers); c++) {
		row.rival = bench_ops[memory_containers[c]].name;
		row.theirs = bench_median(samples[c], bench_rounds());
		bench_row(&row);
		/* It is about ours alone: once is enough. */
		row.target = BENCH_NOTHING;
	}
}

/**
 * bench_memory() - memory of a map, in bits per page of the guest
 * @test: the test
 *
 * Context: Process context.
 */
void bench_memory(struct kunit *test)
{
	enum bench_pattern pattern;

	/* Private throughout, ours takes as much and the others nothing. */
	for (pattern = BENCH_SHARED; pattern < BENCH_NR_PATTERNS; pattern++)
		bench_memory_pattern(test, pattern);
}

/* --- change ---------------------------------------------------------------- */

static const enum bench_container change_containers[] = {
	BENCH_STORE, BENCH_CONVERT,
	/* Rivals from here on. */
	BENCH_MAPLE, BENCH_MAPLE_RCU, BENCH_XA_RANGE, BENCH_XA_PAGE,
};

/*
 * Nanoseconds of a change of the span, from what @pattern makes of it to all
 * shared.  From all private, which needs no preparation, the way back counts as
 * well.  Several times, because the clock of user-mode Linux has steps of a
 * quarter of a microsecond.
 */
static u64 bench_change_span(struct kunit *test, struct bench_map *map,
			     pgoff_t start, pgoff_t last,
			     enum bench_pattern pattern)
{
	int i, times = pattern == BENCH_PRIVATE ? 64 : 4;
	u64 begin, sum = 0;

	if (pattern == BENCH_PRIVATE) {
		begin = ktime_get_ns();
		for (i = 0; i < times; i++) {
			bench_store(test, map, start, last, GMEM_SHARED);
			bench_store(test, map, start, last, GMEM_PRIVATE);
		}
		return (ktime_get_ns() - begin) / (2 * times);
	}

	for (i = 0; i < times; i++) {
		bench_fill(test, map, start, last, pattern);
		begin = ktime_get_ns();
		bench_store(test, map, start, last, GMEM_SHARED);
		sum += ktime_get_ns() - begin;
		bench_store(test, map, start, last, GMEM_PRIVATE);
	}
	return sum / times;
}

#define BENCH_PARTS	64

/*
 * The same with an entry per page, which takes so long that a busy host would
 * always interrupt it, in favour of ours.  It costs by the page, so the median
 * of the parts stands for all of them.
 */
static u64 bench_change_parts(struct kunit *test, struct bench_map *map,
			      pgoff_t start, pgoff_t last,
			      enum bench_pattern pattern)
{
	pgoff_t pages = (last - start + 1) / BENCH_PARTS;
	u64 parts[BENCH_PARTS], begin;
	int i;

	bench_fill(test, map, start, last, pattern);
	for (i = 0; i < BENCH_PARTS; i++, start += pages) {
		begin = ktime_get_ns();
		bench_store(test, map, start, start + pages - 1, GMEM_SHARED);
		if (pattern == BENCH_PRIVATE)
			bench_store(test, map, start, start + pages - 1,
				    GMEM_PRIVATE);
		parts[i] = ktime_get_ns() - begin;
		if (pattern == BENCH_PRIVATE)
			parts[i] /= 2;
	}
	start -= BENCH_PARTS * pages;
	bench_store(test, map, start, last, GMEM_PRIVATE);
	return BENCH_PARTS * bench_median(parts, BENCH_PARTS);
}

static void bench_change_pattern(struct kunit *test, enum bench_pattern pattern)
{
	u64 samples[ARRAY_SIZE(change_containers)][BENCH_MAX_ROUNDS];
	struct bench_map *maps[ARRAY_SIZE(change_containers)];
	pgoff_t start = bench_pages() / 4;
	pgoff_t last = start + bench_pages() / 16 - 1;
	struct bench_row row = { .unit = "us", .limit = 1 };
	char name[48];
	int r, c, ours;

	for (c = 0; c < ARRAY_SIZE(change_containers); c++)
		maps[c] = bench_map_alloc(test, change_containers[c],
					  bench_pages());
	for (r = 0; r < bench_rounds(); r++) {
		for (c = 0; c < ARRAY_SIZE(change_containers); c++) {
			samples[c][r] = change_containers[c] == BENCH_XA_PAGE ?
				bench_change_parts(test, maps[c], start, last,
						   pattern) :
				bench_change_span(test, maps[c], start, last,
						  pattern);
			cond_resched();
		}
	}
	for (ours = 0; ours < 2; ours++) {
		scnprintf(name, sizeof(name), "%s 1 GiB, %s",
			  maps[ours]->ops->name, bench_pattern_names[pattern]);
		row.name = name;
		row.ours = bench_median(samples[ours], bench_rounds());
		for (c = 2; c < ARRAY_SIZE(change_containers); c++) {
			row.rival = maps[c]->ops->name;
			row.theirs = bench_median(samples[c], bench_rounds());
			row.target = change_containers[c] == BENCH_XA_PAGE ?
				     BENCH_RATIO : BENCH_NOTHING;
			bench_row(&row);
		}
	}
	for (c = 0; c < ARRAY_SIZE(change_containers); c++)
		bench_map_release(test, maps[c]);
}

/**
 * bench_change() - time of a change of 1 GiB
 * @test: the test
 *
 * Of ours twice: the store with its reserve, which is what the others do, and a
 * whole gmem_convert_range() without clients, which no other has.
 *
 * Context: Process context.
 */
void bench_change(struct kunit *test)
{
	bench_change_pattern(test, BENCH_PRIVATE);
	bench_change_pattern(test, BENCH_CHECKER);
	bench_change_pattern(test, BENCH_RANDOM);
	bench_change_pattern(test, BENCH_WORST);
}

/**
 * bench_change_in_large_space() - a change does not cost by the space's size
 * @test: the test
 *
 * Context: Process context.
 */
void bench_change_in_large_space(struct kunit *test)
{
	pgoff_t nr_pages[2] = {
		(bench_full ? SZ_1T : SZ_1G) >> PAGE_SHIFT, SZ_1G >> PAGE_SHIFT,
	};
	u64 samples[2][BENCH_MAX_ROUNDS], begin;
	struct bench_map *maps[2];
	int i, r, c, times = bench_full ? 2000 : 2;

	for (c = 0; c < 2; c++)
		maps[c] = bench_map_alloc(test, BENCH_CONVERT, nr_pages[c]);
	for (r = 0; r < bench_rounds(); r++) {
		for (c = 0; c < 2; c++) {
			pgoff_t index = nr_pages[c] / 2;

			begin = ktime_get_ns();
			for (i = 0; i < times; i++)
				bench_store(test, maps[c], index, index, i & 1);
			samples[c][r] = (ktime_get_ns() - begin) / times;
			cond_resched();
		}
	}
	bench_row(&(struct bench_row){
		.name = "convert 1 page, in 1 TiB",
		.unit = "us",
		.ours = bench_median(samples[0], bench_rounds()),
		.rival = "ours, in 1 GiB",
		.theirs = bench_median(samples[1], bench_rounds()),
		.target = BENCH_RATIO,
		.limit = 1500,
	});
	for (c = 0; c < 2; c++)
		bench_map_release(test, maps[c]);
}
