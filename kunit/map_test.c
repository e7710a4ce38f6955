// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_map against a byte per page.
 */
#include <kunit/test.h>
#include <linux/prandom.h>

#include "fakes.h"
#include "internal.h"

#define MAP_PAGES	(3 * GMEM_BLOCK_PAGES + 5)

struct map_env {
	struct gmem_map map;
	u8 *oracle;
};

static void map_free(void *data)
{
	gmem_map_destroy(data);
}

static struct map_env *map_alloc(struct kunit *test, pgoff_t nr_pages,
				 enum gmem_state state)
{
	struct map_env *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, env);
	KUNIT_ASSERT_EQ(test, 0, gmem_map_init(&env->map, nr_pages, state));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, map_free, &env->map));
	env->oracle = kunit_kmalloc(test, nr_pages, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, env->oracle);
	memset(env->oracle, state, nr_pages);
	return env;
}

static void map_store(struct kunit *test, struct map_env *env, pgoff_t start,
		      pgoff_t last, enum gmem_state state)
{
	struct gmem_map_reserve reserve = {};

	KUNIT_ASSERT_EQ(test, 0, gmem_map_reserve(&reserve, start, last));
	gmem_map_store(&env->map, start, last, state, &reserve);
	gmem_map_unreserve(&reserve);
	memset(env->oracle + start, state, last - start + 1);
}

static void map_expect_oracle(struct kunit *test, struct map_env *env)
{
	pgoff_t i;

	for (i = 0; i < env->map.nr_pages; i++) {
		if (env->oracle[i] == gmem_map_lookup(&env->map, i))
			continue;
		KUNIT_FAIL(test, "page %lu is %d", i, !env->oracle[i]);
		return;
	}
}

static void empty_map_is_refused(struct kunit *test)
{
	struct gmem_map map;

	KUNIT_EXPECT_EQ(test, -EINVAL, gmem_map_init(&map, 0, GMEM_PRIVATE));
}

static void every_page_starts_in_the_initial_state(struct kunit *test)
{
	map_expect_oracle(test, map_alloc(test, 1, GMEM_PRIVATE));
	map_expect_oracle(test, map_alloc(test, 1, GMEM_SHARED));
	map_expect_oracle(test, map_alloc(test, MAP_PAGES, GMEM_PRIVATE));
	map_expect_oracle(test, map_alloc(test, MAP_PAGES, GMEM_SHARED));
}

/* Spans with both ends at, just before and just behind every block's border. */
static void store_changes_its_span_and_nothing_else(struct kunit *test)
{
	static const pgoff_t ends[] = {
		0, 1, 63, 64, 511, 512, 513, 1023, 1024, 1535, 1536,
		MAP_PAGES - 2, MAP_PAGES - 1,
	};
	unsigned int i, j, state;

	for (state = GMEM_PRIVATE; state <= GMEM_SHARED; state++) {
		for (i = 0; i < ARRAY_SIZE(ends); i++) {
			for (j = i; j < ARRAY_SIZE(ends); j++) {
				struct map_env *env =
					map_alloc(test, MAP_PAGES, !state);

				map_store(test, env, ends[i], ends[j], state);
				map_expect_oracle(test, env);
				kunit_release_action(test, map_free, &env->map);
				kunit_kfree(test, env->oracle);
			}
		}
	}
}

static void random_stores_agree_with_the_oracle(struct kunit *test)
{
	struct map_env *env = map_alloc(test, MAP_PAGES, GMEM_SHARED);
	const u64 seed = 20260920;
	struct rnd_state rnd;
	int i;

	kunit_info(test, "seed %llu\n", seed);
	prandom_seed_state(&rnd, seed);
	for (i = 0; i < 500; i++) {
		pgoff_t a = prandom_u32_state(&rnd) % MAP_PAGES;
		pgoff_t b = prandom_u32_state(&rnd) % MAP_PAGES;

		map_store(test, env, min(a, b), max(a, b),
			  prandom_u32_state(&rnd) & 1);
		map_expect_oracle(test, env);
	}
}

/* Every run that the map reports, against the oracle. */
static void runs_end_where_the_state_changes(struct kunit *test)
{
	struct map_env *env = map_alloc(test, MAP_PAGES, GMEM_PRIVATE);
	struct gmem_run run;
	pgoff_t i, last;

	map_store(test, env, 3, 7, GMEM_SHARED);
	map_store(test, env, 500, 1030, GMEM_SHARED);
	map_store(test, env, 1100, MAP_PAGES - 1, GMEM_SHARED);
	map_store(test, env, 1536, 1536, GMEM_PRIVATE);
	for (i = 0; i < MAP_PAGES; i++) {
		for (last = i; last + 1 < MAP_PAGES &&
		     env->oracle[last + 1] == env->oracle[i]; last++)
			;
		KUNIT_EXPECT_EQ(test, env->oracle[i],
				gmem_map_next_run(&env->map, i, MAP_PAGES - 1,
						  &run));
		KUNIT_EXPECT_EQ(test, i, run.start);
		KUNIT_EXPECT_EQ(test, last, run.last);
		/* And never beyond what was asked for. */
		gmem_map_next_run(&env->map, i, i, &run);
		KUNIT_EXPECT_EQ(test, i, run.last);
	}
}

static void uniform_blocks_have_no_leaf(struct kunit *test)
{
	struct map_env *env = map_alloc(test, MAP_PAGES, GMEM_PRIVATE);
	unsigned long i;

	/* Page by page, odd ones first, so that every block has had a leaf. */
	for (i = 1; i < MAP_PAGES; i += 2)
		map_store(test, env, i, i, GMEM_SHARED);
	for (i = 0; i <= (MAP_PAGES - 1) >> GMEM_BLOCK_SHIFT; i++)
		KUNIT_EXPECT_GT(test, env->map.blocks[i], GMEM_SHARED);
	for (i = 0; i < MAP_PAGES; i += 2)
		map_store(test, env, i, i, GMEM_SHARED);
	for (i = 0; i <= (MAP_PAGES - 1) >> GMEM_BLOCK_SHIFT; i++)
		KUNIT_EXPECT_EQ(test, env->map.blocks[i], GMEM_SHARED);
	map_expect_oracle(test, env);
}

struct reserve_case {
	pgoff_t start, last;
	int leaves;
};

/* As many leaves as ends that are not at a block's border. */
static const struct reserve_case reserve_cases[] = {
	{ 0, 511, 0 }, { 512, 1535, 0 }, { 0, 0, 1 }, { 511, 511, 1 },
	{ 1, 510, 1 }, { 0, 510, 1 }, { 1, 511, 1 }, { 511, 512, 2 },
	{ 1, 1023, 1 }, { 0, 1022, 1 }, { 5, 2000, 2 },
};

static void reserve_takes_a_leaf_per_ragged_end(struct kunit *test)
{
	int i, nth;

	for (i = 0; i < ARRAY_SIZE(reserve_cases); i++) {
		const struct reserve_case *c = &reserve_cases[i];
		struct gmem_map_reserve reserve = {};

		KUNIT_EXPECT_EQ(test, 0,
				gmem_map_reserve(&reserve, c->start, c->last));
		KUNIT_EXPECT_EQ(test, c->leaves,
				!!reserve.leaf[0] + !!reserve.leaf[1]);
		gmem_map_unreserve(&reserve);

		for (nth = 1; nth <= c->leaves; nth++) {
			gmem_fault_nth(nth);
			KUNIT_EXPECT_EQ(test, -ENOMEM,
					gmem_map_reserve(&reserve, c->start,
							 c->last));
			KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
			KUNIT_EXPECT_NULL(test, reserve.leaf[0]);
			KUNIT_EXPECT_NULL(test, reserve.leaf[1]);
		}
	}
}

/*
 * Two transactions share a block.  The first makes it uniform and frees the
 * leaf that was there when the second reserved; the second still has its own.
 */
static void a_block_made_uniform_by_another_can_be_split_again(struct kunit *test)
{
	struct map_env *env = map_alloc(test, MAP_PAGES, GMEM_PRIVATE);
	struct gmem_map_reserve reserve = {};

	map_store(test, env, 10, 19, GMEM_SHARED);
	KUNIT_ASSERT_EQ(test, 0, gmem_map_reserve(&reserve, 100, 109));
	map_store(test, env, 10, 19, GMEM_PRIVATE);
	KUNIT_EXPECT_EQ(test, env->map.blocks[0], GMEM_PRIVATE);
	gmem_map_store(&env->map, 100, 109, GMEM_SHARED, &reserve);
	memset(env->oracle + 100, GMEM_SHARED, 10);
	gmem_map_unreserve(&reserve);
	map_expect_oracle(test, env);
}

static struct kunit_case map_cases[] = {
	KUNIT_CASE(empty_map_is_refused),
	KUNIT_CASE(every_page_starts_in_the_initial_state),
	KUNIT_CASE(store_changes_its_span_and_nothing_else),
	KUNIT_CASE(random_stores_agree_with_the_oracle),
	KUNIT_CASE(runs_end_where_the_state_changes),
	KUNIT_CASE(uniform_blocks_have_no_leaf),
	KUNIT_CASE(reserve_takes_a_leaf_per_ragged_end),
	KUNIT_CASE(a_block_made_uniform_by_another_can_be_split_again),
	{}
};

static struct kunit_suite map_suite = {
	.name = "gmem_map",
	.test_cases = map_cases,
};

kunit_test_suite(map_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests for gmem_convert");
MODULE_LICENSE("GPL");
