// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_quarantine: what hardware keeps is lost, and no more than that (G6).
 */
#include <kunit/test.h>

#include "fakes.h"
#include "internal.h"

#define NR_PAGES	2048

struct records_case {
	const char *name;
	struct gmem_run add[4];
	const char *want;
};

static const struct records_case records_cases[] = {
	{ "one", { { 5, 9 } }, "5-9 " },
	{ "in order", { { 20, 21 }, { 5, 9 }, { 12, 12 } },
	  "5-9 12-12 20-21 " },
	{ "touching behind", { { 5, 9 }, { 10, 12 } }, "5-12 " },
	{ "touching before", { { 10, 12 }, { 5, 9 } }, "5-12 " },
	{ "overlapping both", { { 5, 9 }, { 15, 19 }, { 8, 16 } }, "5-19 " },
	{ "swallowing all", { { 5, 5 }, { 7, 7 }, { 9, 9 }, { 1, 30 } },
	  "1-30 " },
	{ "inside another", { { 1, 30 }, { 7, 8 } }, "1-30 " },
	{ "again", { { 5, 9 }, { 5, 9 } }, "5-9 " },
	{ "the first page", { { 0, 0 } }, "0-0 " },
};

KUNIT_ARRAY_PARAM_DESC(records, records_cases, name);

static void records_stay_sorted_and_apart(struct kunit *test)
{
	const struct records_case *c = test->param_value;
	struct gmem_quarantine *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);
	char words[64] = "";
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, q);
	for (i = 0; i < ARRAY_SIZE(c->add); i++)
		if (i == 0 || c->add[i].last)
			gmem_quarantine_add(q, &c->add[i]);
	for (i = 0; i < q->nr; i++)
		scnprintf(words + strlen(words), sizeof(words) - strlen(words),
			  "%lu-%lu ", q->runs[i].start, q->runs[i].last);
	KUNIT_EXPECT_STREQ(test, words, c->want);
}

static bool lost(const struct gmem_quarantine *q, pgoff_t index)
{
	struct gmem_run run;

	return gmem_quarantine_find(q, index, index, &run);
}

/* Too much, never too little: the smallest gap is given up. */
static void when_records_run_out_the_closest_two_become_one(struct kunit *test)
{
	struct gmem_quarantine *q = kunit_kzalloc(test, sizeof(*q), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, q);
	for (i = 0; i < GMEM_NR_QUARANTINED; i++) {
		struct gmem_run run = { i * 100, i * 100 };

		gmem_quarantine_add(q, &run);
	}
	KUNIT_EXPECT_EQ(test, GMEM_NR_QUARANTINED, q->nr);
	gmem_quarantine_add(q, &(struct gmem_run){ 1050, 1051 });
	KUNIT_EXPECT_EQ(test, GMEM_NR_QUARANTINED, q->nr);
	KUNIT_EXPECT_TRUE(test, lost(q, 1051));
	/* 1051 to 1100 is one nearer than 1000 to 1050. */
	KUNIT_EXPECT_TRUE(test, lost(q, 1075));
	KUNIT_EXPECT_FALSE(test, lost(q, 1025));
	for (i = 0; i < GMEM_NR_QUARANTINED; i++) {
		KUNIT_EXPECT_TRUE(test, lost(q, i * 100));
		KUNIT_EXPECT_EQ(test, i == 10 || i == 11,
				lost(q, i * 100 + 50) || lost(q, i * 100 - 1));
	}
}

static struct fake_client *add_keeper(struct fake_env *env, pgoff_t start,
				      pgoff_t last)
{
	struct fake_client *fake;

	fake = fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0,
			       NR_PAGES - 1);
	fake->keep = (struct gmem_run){ start, last };
	return fake;
}

/* G6: forward, not back: the rest commits, the call succeeds and says so. */
static void the_rest_of_a_conversion_commits(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_report report;

	add_keeper(env, 105, 106);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 100, 119,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_TRUE(test, report.quarantined);
	KUNIT_EXPECT_EQ(test, 104, report.index);
	KUNIT_EXPECT_EQ(test, 0, report.error);
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare P:prepare A:invalidate P:quarantine "
			   "P:commit P:thaw A:complete ");
	/* Rounded out by the provider, to what it has as a folio. */
	FAKE_EXPECT_STATE(env, 100, 103, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, 104, 107, -EHWPOISON);
	FAKE_EXPECT_STATE(env, 108, 119, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, 120, 130, GMEM_PRIVATE);
	fake_expect_balanced(env);
}

static void a_request_that_touches_a_lost_page_names_it(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_report report;

	add_keeper(env, 105, 106);
	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(env->space, 105, 105,
						    GMEM_SHARED, 0, &report));
	fake_env_reset(env);
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_convert_range(env->space, 90, 200, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_EQ(test, 104, report.index);
	KUNIT_EXPECT_EQ(test, GMEM_PHASE_PLAN, report.phase);
	KUNIT_EXPECT_EQ(test, -EHWPOISON, report.error);
	KUNIT_EXPECT_STREQ(test, "quarantine", report.holder);
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_punch_range(env->space, 106, 300, 0, &report));
	KUNIT_EXPECT_EQ(test, 106, report.index);
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	/* The neighbours are as good as before. */
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 90, 103,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 108, 200,
						    GMEM_SHARED, 0, &report));
}

static void release_takes_the_rest_and_leaves_what_is_lost(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_run all = { 0, NR_PAGES - 1 }, run;

	add_keeper(env, 700, 700);
	gmem_revoke_range(env->space, 0, ULONG_MAX);
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:revoke P:quarantine P:revoke ");
	KUNIT_ASSERT_TRUE(test, gmem_space_quarantined(env->space, &all, &run));
	KUNIT_EXPECT_EQ(test, 700, run.start);
	KUNIT_EXPECT_EQ(test, 703, run.last);
}

static void a_block_with_a_lost_page_is_mapped_by_pages(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_report report;

	add_keeper(env, 600, 600);
	KUNIT_EXPECT_EQ(test, 9, gmem_space_max_order(env->space, 600, 18));
	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(env->space, 512, 1023,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_space_max_order(env->space, 512, 18));
	KUNIT_EXPECT_EQ(test, 9, gmem_space_max_order(env->space, 1024, 18));
}

static struct kunit_case quarantine_cases[] = {
	KUNIT_CASE_PARAM(records_stay_sorted_and_apart, records_gen_params),
	KUNIT_CASE(when_records_run_out_the_closest_two_become_one),
	KUNIT_CASE(the_rest_of_a_conversion_commits),
	KUNIT_CASE(a_request_that_touches_a_lost_page_names_it),
	KUNIT_CASE(release_takes_the_rest_and_leaves_what_is_lost),
	KUNIT_CASE(a_block_with_a_lost_page_is_mapped_by_pages),
	{}
};

static struct kunit_suite quarantine_suite = {
	.name = "gmem_quarantine",
	.test_cases = quarantine_cases,
};

kunit_test_suite(quarantine_suite);
