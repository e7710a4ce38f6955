// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_space: what lookups see, who waits, and who does not.
 */
#include <kunit/test.h>
#include <linux/ktime.h>

#include "fakes.h"
#include "internal.h"

#define NR_PAGES	(4UL << GMEM_HUGE_SHIFT >> 1)	/* two blocks of blocks */

/* --- making and ending ---------------------------------------------------- */

static void every_failed_step_of_making_a_space_is_an_error(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_space *space;
	unsigned int nth;

	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		space = gmem_space_alloc("x", 8, GMEM_SHARED, &env->provider);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_EQ(test, -ENOMEM, PTR_ERR(space));
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	gmem_space_free(space);
	/* The space, the transaction for revokes, the map. */
	KUNIT_EXPECT_EQ(test, 3, nth - 1);
}

/* --- levels --------------------------------------------------------------- */

static unsigned int order(struct fake_env *env, pgoff_t index)
{
	return gmem_space_max_order(env->space, index, 18);
}

static void the_order_is_that_of_the_whole_uniform_block(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);

	KUNIT_EXPECT_EQ(test, 18, order(env, 0));
	KUNIT_EXPECT_EQ(test, 18, order(env, NR_PAGES - 1));
	KUNIT_EXPECT_EQ(test, 9, gmem_space_max_order(env->space, 0, 17));
	KUNIT_EXPECT_EQ(test, 0, gmem_space_max_order(env->space, 0, 8));
	KUNIT_EXPECT_EQ(test, 0, order(env, NR_PAGES));

	/* Another's page makes a block small, also for those next to it. */
	fake_env_set_state(env, 777, 777, GMEM_SHARED);
	KUNIT_EXPECT_EQ(test, 0, order(env, 512));
	KUNIT_EXPECT_EQ(test, 0, order(env, 777));
	KUNIT_EXPECT_EQ(test, 9, order(env, 0));
	KUNIT_EXPECT_EQ(test, 9, order(env, 1024));
	KUNIT_EXPECT_EQ(test, 18, order(env, BIT(18)));
	fake_env_set_state(env, 777, 777, GMEM_PRIVATE);
	KUNIT_EXPECT_EQ(test, 18, order(env, 777));

	/* Uniform each, but not the same. */
	fake_env_set_state(env, 512, 1023, GMEM_SHARED);
	KUNIT_EXPECT_EQ(test, 9, order(env, 512));
	KUNIT_EXPECT_EQ(test, 9, order(env, 0));
}

static void nothing_larger_than_the_file_is_offered(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, BIT(18) + 700, GMEM_PRIVATE);

	KUNIT_EXPECT_EQ(test, 18, order(env, 5));
	KUNIT_EXPECT_EQ(test, 9, order(env, BIT(18) + 5));
	KUNIT_EXPECT_EQ(test, 0, order(env, BIT(18) + 512));
}

/*
 * Defect 11: the level is read of the faulting index only, or before and not
 * after the change.
 */
static void a_fence_anywhere_in_a_block_makes_it_small(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task t = {};

	fake_task_park(&t, env, 1000, 1000);
	KUNIT_EXPECT_EQ(test, 0, order(env, 512));
	KUNIT_EXPECT_EQ(test, 0, order(env, 1023));
	KUNIT_EXPECT_EQ(test, 9, order(env, 511));
	KUNIT_EXPECT_EQ(test, 9, order(env, 1024));
	KUNIT_EXPECT_EQ(test, 18, order(env, BIT(18)));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&t));
	KUNIT_EXPECT_EQ(test, 0, order(env, 512));
	KUNIT_EXPECT_EQ(test, 9, order(env, 1024));
}

static void a_limit_stays_whatever_happens(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_run page = { 600, 600 }, two = { 2047, 2048 };
	struct gmem_report report;

	gmem_space_limit(env->space, &page, 0);
	KUNIT_EXPECT_EQ(test, 0, order(env, 512));
	KUNIT_EXPECT_EQ(test, 9, order(env, 511));
	KUNIT_EXPECT_EQ(test, 9, order(env, 1024));
	KUNIT_EXPECT_EQ(test, GMEM_SHARED,
			gmem_space_lookup(env->space, 600,
					  GMEM_SCOPE_EFFECTIVE));

	/* Neither a refusal nor conversions of all or a part take it away. */
	env->prepare_error = -EAGAIN;
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(env->space, 512, 1023, GMEM_PRIVATE,
					   0, &report));
	env->prepare_error = 0;
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(env->space, 700, 700, GMEM_PRIVATE,
					   0, &report));
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(env->space, 0, NR_PAGES - 1,
					   GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0,
			gmem_punch_range(env->space, 512, 1023, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, order(env, 512));
	FAKE_EXPECT_STATE(env, 512, 1023, GMEM_PRIVATE);

	/* A limit to blocks leaves blocks; one to pages on top does not go. */
	gmem_space_limit(env->space, &two, 9);
	KUNIT_EXPECT_EQ(test, 9, order(env, 2047));
	KUNIT_EXPECT_EQ(test, 9, order(env, 2048));
	gmem_space_limit(env->space, &page, 9);
	KUNIT_EXPECT_EQ(test, 0, order(env, 600));
	KUNIT_EXPECT_EQ(test, 18, order(env, BIT(18)));
}

/* --- what an operation costs ------------------------------------------------ */

static void nop_commit(struct gmem_provider *provider,
		       const struct gmem_plan *plan)
{
}

static void nop_revoke(struct gmem_provider *provider, pgoff_t start,
		       pgoff_t last)
{
}

/* The best of some rounds, for 64 conversions of one page; in ns. */
static u64 cost_of_a_page(struct kunit *test, pgoff_t nr_pages)
{
	static const struct gmem_provider_ops ops = {
		.commit = nop_commit, .revoke = nop_revoke,
	};
	struct gmem_provider provider = { .ops = &ops };
	struct gmem_report report;
	struct gmem_space *space;
	u64 best = U64_MAX;
	int round, i;

	space = gmem_space_alloc("cost", nr_pages, GMEM_PRIVATE, &provider);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, space);
	for (round = 0; round < 8; round++) {
		u64 begin = ktime_get_ns();

		for (i = 0; i < 64; i++)
			KUNIT_EXPECT_EQ(test, 0,
					gmem_convert_range(space, nr_pages / 2,
							   nr_pages / 2,
							   i % 2 ? GMEM_PRIVATE :
							   GMEM_SHARED, 0,
							   &report));
		best = min(best, ktime_get_ns() - begin);
	}
	gmem_space_free(space);
	return best;
}

/* Defect 15: a TiB against 2 MiB; a walk of the blocks would be 500,000 steps. */
static void a_change_costs_nothing_for_the_size_of_the_file(struct kunit *test)
{
	u64 small = cost_of_a_page(test, 512);
	u64 large = cost_of_a_page(test, 1UL << 28);

	KUNIT_EXPECT_LT(test, large, 8 * small);
	kunit_info(test, "64 pages of 2 MiB: %llu ns, of 1 TiB: %llu ns\n",
		   small, large);
}

/* --- one stuck, a thousand not -------------------------------------------- */

/* One client never comes back from a conversion of one page. */
static void a_stuck_client_is_noticed_by_nobody_elsewhere(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task stuck = {}, behind = {};
	struct gmem_report report;
	unsigned int i;

	fake_task_park(&stuck, env, 5000, 5000);
	/* And one that queues behind it. */
	fake_task_start(&behind, env, fake_task_to_private, 4990, 5010);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&behind));

	for (i = 0; i < 1000; i++) {
		/* Of all sizes, on both sides, up to the very next page. */
		pgoff_t start = i % 2 ? 5011 + i * 3 : i * 4;
		pgoff_t last = i % 2 ? start + i : start + i % 4;

		KUNIT_ASSERT_EQ(test, 0,
				gmem_convert_range(env->space, start,
						   min(last, i % 2 ? NR_PAGES : 4989),
						   i & 4 ? GMEM_SHARED :
						   GMEM_PRIVATE, 0, &report));
		KUNIT_ASSERT_GE(test,
				gmem_space_lookup(env->space, start,
						  GMEM_SCOPE_EFFECTIVE), 0);
		KUNIT_ASSERT_EQ(test, 0,
				gmem_space_wait(env->space, 4989 - i,
						GMEM_SCOPE_EFFECTIVE,
						TASK_UNINTERRUPTIBLE));
	}
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5011, 5011,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(env->space, 0, 4989, 0,
						  &report));
	gmem_revoke_range(env->space, 5011, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&stuck));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&behind));
	FAKE_EXPECT_STATE(env, 4990, 5010, GMEM_PRIVATE);
}

/* Revoke has one transaction per space ready; a stuck one does not keep it. */
static void a_revoke_gets_through_while_another_waits(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task stuck = {}, revoke = {};

	fake_task_park(&stuck, env, 5000, 5000);
	fake_task_start(&revoke, env, fake_task_revoke, 5000, 5000);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&revoke));
	gmem_revoke_range(env->space, 5001, 6000);
	gmem_revoke_range(env->space, 0, 4999);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(revoke.done));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&stuck));
	fake_task_join(&revoke);
	fake_expect_balanced(env);
}

/* In its turn, whatever comes after it, and although it is not refused. */
static void a_revoke_is_not_overtaken(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task stuck = {}, revoke = {};
	struct gmem_report report;

	fake_task_park(&stuck, env, 100, 100);
	fake_task_start(&revoke, env, fake_task_revoke, 0, 199);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&revoke));
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(env->space, 150, 150, GMEM_PRIVATE,
					   GMEM_NOWAIT, &report));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&stuck));
	fake_task_join(&revoke);
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(env->space, 150, 150, GMEM_PRIVATE,
					   GMEM_NOWAIT, &report));
}

/* --- lookups -------------------------------------------------------------- */

/* G11: with the lock held that every change takes, and out of memory. */
static void a_lookup_takes_no_lock_and_no_memory(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	int state;
	unsigned int o;

	fake_env_set_state(env, 3, 3, GMEM_PRIVATE);
	gmem_fault_nth(1);
	scoped_guard(spinlock_irqsave, &env->space->lock) {
		state = gmem_space_lookup(env->space, 3, GMEM_SCOPE_EFFECTIVE);
		o = gmem_space_max_order(env->space, 600, 9);
	}
	KUNIT_EXPECT_FALSE(test, gmem_fault_nth_end());
	KUNIT_EXPECT_EQ(test, GMEM_PRIVATE, state);
	KUNIT_EXPECT_EQ(test, 9, o);
}

static void a_failed_wait_is_an_interrupted_one(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_run range = { 0, 7 };

	gmem_fault_nth(1);
	KUNIT_EXPECT_EQ(test, -EINTR,
			gmem_space_wait(env->space, 0, GMEM_SCOPE_EFFECTIVE,
					TASK_KILLABLE));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	/* Who cannot be interrupted is not. */
	gmem_fault_nth(1);
	KUNIT_EXPECT_EQ(test, 0,
			gmem_space_wait(env->space, 0, GMEM_SCOPE_EFFECTIVE,
					TASK_UNINTERRUPTIBLE));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	gmem_fault_nth(1);
	KUNIT_EXPECT_EQ(test, -EINTR, gmem_space_settle(env->space, &range));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	KUNIT_EXPECT_EQ(test, 0, gmem_space_settle(env->space, &range));
}

static struct kunit_case space_cases[] = {
	KUNIT_CASE(every_failed_step_of_making_a_space_is_an_error),
	KUNIT_CASE(the_order_is_that_of_the_whole_uniform_block),
	KUNIT_CASE(nothing_larger_than_the_file_is_offered),
	KUNIT_CASE(a_fence_anywhere_in_a_block_makes_it_small),
	KUNIT_CASE(a_limit_stays_whatever_happens),
	KUNIT_CASE(a_change_costs_nothing_for_the_size_of_the_file),
	KUNIT_CASE(a_stuck_client_is_noticed_by_nobody_elsewhere),
	KUNIT_CASE(a_revoke_gets_through_while_another_waits),
	KUNIT_CASE(a_revoke_is_not_overtaken),
	KUNIT_CASE(a_lookup_takes_no_lock_and_no_memory),
	KUNIT_CASE(a_failed_wait_is_an_interrupted_one),
	{}
};

static struct kunit_suite space_suite = {
	.name = "gmem_space",
	.test_cases = space_cases,
};

kunit_test_suite(space_suite);
