// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_report: the record of refusals.
 */
#include <kunit/test.h>

#include "fakes.h"
#include "internal.h"

static int refuse(struct fake_env *env, pgoff_t index)
{
	struct gmem_report report;
	int ret;

	env->refs[index] = 1;
	ret = gmem_convert_range(env->space, 0, env->nr_pages - 1, GMEM_PRIVATE,
				 0, &report);
	env->refs[index] = 0;
	return ret;
}

static void the_last_refusals_are_kept(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, 64, GMEM_SHARED);
	struct gmem_refusal *r;
	int i;

	for (i = 0; i < GMEM_NR_REFUSALS + 3; i++)
		KUNIT_ASSERT_EQ(test, -EAGAIN, refuse(env, i));
	KUNIT_EXPECT_EQ(test, GMEM_NR_REFUSALS + 3, env->space->nr_refusals);
	/* The oldest three were overwritten, by the youngest three. */
	for (i = 3; i < GMEM_NR_REFUSALS + 3; i++) {
		r = &env->space->refusals[i % GMEM_NR_REFUSALS];
		KUNIT_EXPECT_EQ(test, i, r->report.index);
		KUNIT_EXPECT_EQ(test, -EAGAIN, r->report.error);
		KUNIT_EXPECT_EQ(test, GMEM_PHASE_PREPARE, r->report.phase);
		KUNIT_EXPECT_STREQ(test, "references", r->report.holder);
		KUNIT_EXPECT_EQ(test, GMEM_OP_CONVERT, r->op);
		KUNIT_EXPECT_EQ(test, GMEM_PRIVATE, r->target);
		KUNIT_EXPECT_EQ(test, 63, r->request.last);
	}
}

static void a_success_is_no_refusal(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, 64, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 9,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, env->space->nr_refusals);
}

static void the_first_name_counts_and_a_long_one_is_cut(struct kunit *test)
{
	struct gmem_report report = {};

	gmem_report_refuse(&report, 7,
			   "a holder with a name that is longer than there is room",
			   3, 1);
	gmem_report_refuse(&report, 8, "another", 5, 4);
	KUNIT_EXPECT_EQ(test, 7, report.index);
	KUNIT_EXPECT_EQ(test, 3, report.refs_seen);
	KUNIT_EXPECT_EQ(test, 1, report.refs_expected);
	KUNIT_EXPECT_EQ(test, GMEM_NAME_LEN - 1, strlen(report.holder));
}

static struct kunit_case report_cases[] = {
	KUNIT_CASE(the_last_refusals_are_kept),
	KUNIT_CASE(a_success_is_no_refusal),
	KUNIT_CASE(the_first_name_counts_and_a_long_one_is_cut),
	{}
};

static struct kunit_suite report_suite = {
	.name = "gmem_report",
	.test_cases = report_cases,
};

kunit_test_suite(report_suite);
