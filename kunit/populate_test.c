// SPDX-License-Identifier: GPL-2.0
/*
 * Populate (G9): one fence per batch, everything else before it or after it,
 * and nobody waits for himself.
 */
#include <kunit/test.h>

#include "fakes.h"
#include "internal.h"

#define NR_PAGES	1024

static int populate_and_count(void *priv, pgoff_t index)
{
	unsigned int *count = priv;

	++*count;
	return 0;
}

static void every_page_is_populated_once_in_order(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_report report;
	unsigned int count = 0;

	/* A client that would refuse a conversion is not asked. */
	fake_client_add(env, GMEM_RANK_VOTE, GMEM_POLICY_UNMAP, 0,
			NR_PAGES - 1);
	env->clients[0].refuse = -EBUSY;
	KUNIT_EXPECT_EQ(test, 700,
			gmem_populate_range(env->space, 5, 704,
					    populate_and_count, &count,
					    &report));
	KUNIT_EXPECT_EQ(test, 700, count);
	KUNIT_EXPECT_TRUE(test, !memchr_inv(&report, 0, sizeof(report)));
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	fake_expect_balanced(env);
}

struct refused_case {
	const char *name;
	pgoff_t start, last;
	long ret;
	pgoff_t index;
};

/* Page 20 is shared, pages 40 to 43 are lost. */
static const struct refused_case refused_cases[] = {
	{ "a shared page at the start", 20, 30, -EINVAL, 20 },
	{ "a shared page in the middle", 10, 30, -EINVAL, 20 },
	{ "a shared page at the end", 10, 20, -EINVAL, 20 },
	{ "a lost page", 35, 50, -EHWPOISON, 40 },
	{ "backwards", 9, 8, -EINVAL, 9 },
	{ "beyond the end", 1000, NR_PAGES, -EINVAL, 1000 },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, name);

static void what_is_not_private_and_sound_is_refused_whole(struct kunit *test)
{
	const struct refused_case *c = test->param_value;
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_run lost = { 41, 42 };
	struct gmem_report report;
	unsigned int count = 0;

	fake_env_set_state(env, 20, 20, GMEM_SHARED);
	gmem_space_quarantine(env->space, &lost);
	KUNIT_EXPECT_EQ(test, c->ret,
			gmem_populate_range(env->space, c->start, c->last,
					    populate_and_count, &count,
					    &report));
	KUNIT_EXPECT_EQ(test, 0, count);
	KUNIT_EXPECT_EQ(test, c->ret, report.error);
	KUNIT_EXPECT_EQ(test, c->index, report.index);
	fake_expect_balanced(env);
}

static int fail_at_eight(struct fake_env *env, pgoff_t index)
{
	return index == 8 ? -EIO : 0;
}

static void a_failing_page_ends_the_batch_and_is_not_counted(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct fake_task t = {};

	env->on_populate = fail_at_eight;
	fake_task_start(&t, env, fake_task_populate, 5, 20);
	KUNIT_EXPECT_EQ(test, 3, fake_task_join(&t));
	KUNIT_EXPECT_EQ(test, -EIO, t.report.error);
	KUNIT_EXPECT_EQ(test, 8, t.report.index);
	fake_task_start(&t, env, fake_task_populate, 8, 20);
	KUNIT_EXPECT_EQ(test, -EIO, fake_task_join(&t));
	KUNIT_EXPECT_EQ(test, -EIO, t.report.error);
	fake_expect_balanced(env);
}

/* What a fault does: look up, wait if it must, map if private. */
static int map_as_a_fault_does(struct fake_env *env, pgoff_t index)
{
	int state;

	while ((state = gmem_space_lookup(env->space, index,
					  GMEM_SCOPE_EFFECTIVE)) == -EAGAIN)
		if (gmem_space_wait(env->space, index, GMEM_SCOPE_EFFECTIVE,
				    TASK_KILLABLE))
			return -EINTR;
	if (state != GMEM_PRIVATE)
		return -EINVAL;
	env->clients[0].mapped[index] = true;
	return 0;
}

/* The old deadlock: populate -> fault path -> the lock that populate holds. */
static void the_callback_maps_by_the_path_that_faults_take(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct fake_task t = {};

	fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
	memset(env->clients[0].mapped, 0, NR_PAGES);
	env->on_populate = map_as_a_fault_does;
	fake_task_start(&t, env, fake_task_populate, 500, 530);
	KUNIT_EXPECT_EQ(test, 31, fake_task_join(&t));
	KUNIT_EXPECT_TRUE(test, !memchr_inv(env->clients[0].mapped + 500, 1,
					    31));
	KUNIT_EXPECT_FALSE(test, env->clients[0].mapped[499]);
	fake_env_reset(env);
}

/* Stays in the middle of a batch until it is let go on. */
static int park_at_eight(struct fake_env *env, pgoff_t index)
{
	if (index == 8)
		fake_park_here(env->parked);
	return 0;
}

static void park_populate(struct fake_task *t, struct fake_env *env)
{
	env->parked = t;
	env->on_populate = park_at_eight;
	fake_task_start(t, env, fake_task_populate, 5, 20);
	wait_for_completion(&t->inside);
}

struct racer_case {
	const char *name;
	long (*fn)(struct fake_task *t);
	enum gmem_state state;
};

static const struct racer_case racer_cases[] = {
	{ "a punch", fake_task_punch, GMEM_PRIVATE },
	{ "a conversion", fake_task_to_shared, GMEM_SHARED },
	{ "a revoke", fake_task_revoke, GMEM_PRIVATE },
	{ "a fault", fake_task_wait, GMEM_PRIVATE },
};

KUNIT_ARRAY_PARAM_DESC(racer, racer_cases, name);

/* Of pages behind and before the one that is being populated, too. */
static void others_come_after_the_whole_batch(struct kunit *test)
{
	const struct racer_case *c = test->param_value;
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct fake_task t = {}, first = {}, last = {};

	park_populate(&t, env);
	fake_task_start(&first, env, c->fn, 5, 5);
	fake_task_start(&last, env, c->fn, 20, 20);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&first));
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&last));
	/* The fence is the populating task's to pass, nobody else's. */
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_space_lookup(env->space, 6, GMEM_SCOPE_REQUEST));
	KUNIT_EXPECT_EQ(test, 16, fake_task_finish(&t));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&first));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&last));
	FAKE_EXPECT_STATE(env, 5, 5, c->state);
	FAKE_EXPECT_STATE(env, 6, 19, GMEM_PRIVATE);
	FAKE_EXPECT_STATE(env, 20, 20, c->state);
}

static void a_batch_comes_after_what_was_there_before(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task t = {}, convert = {};

	fake_task_park(&convert, env, 0, 100);
	fake_task_start(&t, env, fake_task_populate, 5, 20);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&t));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&convert));
	KUNIT_EXPECT_EQ(test, 16, fake_task_join(&t));
}

/* Memory failure does not wait; what it hits before its turn is refused. */
static int fails_under_way(struct fake_env *env, pgoff_t index)
{
	struct gmem_run page = { 16, 16 };

	if (index == 8)
		gmem_space_quarantine(env->space, &page);
	return gmem_space_lookup(env->space, index, GMEM_SCOPE_REQUEST) < 0 ?
	       -EHWPOISON : 0;
}

static void a_page_that_is_lost_before_its_turn_ends_the_batch(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct fake_task t = {};

	env->on_populate = fails_under_way;
	fake_task_start(&t, env, fake_task_populate, 5, 20);
	KUNIT_EXPECT_EQ(test, 11, fake_task_join(&t));
	KUNIT_EXPECT_EQ(test, -EHWPOISON, t.report.error);
	KUNIT_EXPECT_EQ(test, 16, t.report.index);
}

static struct kunit_case populate_cases[] = {
	KUNIT_CASE(every_page_is_populated_once_in_order),
	KUNIT_CASE_PARAM(what_is_not_private_and_sound_is_refused_whole,
			 refused_gen_params),
	KUNIT_CASE(a_failing_page_ends_the_batch_and_is_not_counted),
	KUNIT_CASE(the_callback_maps_by_the_path_that_faults_take),
	KUNIT_CASE_PARAM(others_come_after_the_whole_batch, racer_gen_params),
	KUNIT_CASE(a_batch_comes_after_what_was_there_before),
	KUNIT_CASE(a_page_that_is_lost_before_its_turn_ends_the_batch),
	{}
};

static struct kunit_suite populate_suite = {
	.name = "gmem_populate",
	.test_cases = populate_cases,
};

kunit_test_suite(populate_suite);
