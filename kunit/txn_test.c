// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_txn: the protocol, by its exact sequence of calls.
 */
#include <kunit/test.h>
#include <linux/sched/signal.h>

#include "fakes.h"
#include "internal.h"

#define NR_PAGES	1024

static struct fake_env *three_clients(struct kunit *test, enum gmem_state state)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, state);

	fake_client_add(env, GMEM_RANK_VOTE, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0,
			NR_PAGES - 1);
	fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
	return env;
}

static void expect_report(struct kunit *test, const struct gmem_report *report,
			  enum gmem_phase phase, int error, pgoff_t index,
			  const char *holder)
{
	KUNIT_EXPECT_EQ(test, phase, report->phase);
	KUNIT_EXPECT_EQ(test, error, report->error);
	KUNIT_EXPECT_EQ(test, index, report->index);
	KUNIT_EXPECT_STREQ(test, holder, report->holder);
}

static void expect_clean(struct kunit *test, const struct gmem_report *report)
{
	KUNIT_EXPECT_TRUE(test, !memchr_inv(report, 0, sizeof(*report)));
}

static void a_conversion_calls_everybody_once_in_order(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare B:prepare C:prepare P:prepare "
			   "A:invalidate B:invalidate C:invalidate "
			   "P:commit P:thaw C:complete B:complete A:complete ");
	expect_clean(test, &report);
	FAKE_EXPECT_STATE(env, 0, 4, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, 5, 9, GMEM_PRIVATE);
	FAKE_EXPECT_STATE(env, 10, 1023, GMEM_SHARED);
}

static void a_range_in_the_target_state_calls_nobody(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->clients[0].refuse = -EBUSY;
	env->refs[7] = 1;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	expect_clean(test, &report);
}

static void a_page_in_the_target_state_is_not_checked(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	fake_env_set_state(env, 7, 7, GMEM_PRIVATE);
	env->refs[7] = 1;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->clients[0].plan, "5-6 8-9 ");
	FAKE_EXPECT_STATE(env, 5, 9, GMEM_PRIVATE);
}

static void veto_by_first_calls_nobody_else(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->clients[0].refuse = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			gmem_convert_range(env->space, 5, 9, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_STREQ(test, env->journal, "A:prepare ");
	expect_report(test, &report, GMEM_PHASE_PREPARE, -EBUSY, 5, "A");
	FAKE_EXPECT_STATE(env, 0, 20, GMEM_SHARED);
}

static void veto_by_third_aborts_second_then_first(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->clients[2].refuse = -EBUSY;
	env->clients[2].refuse_index = 8;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			gmem_convert_range(env->space, 5, 9, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare B:prepare C:prepare B:abort A:abort ");
	expect_report(test, &report, GMEM_PHASE_PREPARE, -EBUSY, 8, "C");
	FAKE_EXPECT_STATE(env, 0, 20, GMEM_SHARED);
}

static void a_page_with_references_aborts_every_client(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->refs[7] = 2;
	env->refs[8] = 1;
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(env->space, 5, 9, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare B:prepare C:prepare P:prepare "
			   "C:abort B:abort A:abort ");
	expect_report(test, &report, GMEM_PHASE_PREPARE, -EAGAIN, 7,
		      "references");
	KUNIT_EXPECT_EQ(test, 3, report.refs_seen);
	KUNIT_EXPECT_EQ(test, 1, report.refs_expected);
	FAKE_EXPECT_STATE(env, 0, 20, GMEM_SHARED);

	/* One attempt; the next one is the caller's, and works. */
	env->refs[7] = 0;
	env->refs[8] = 0;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_PRIVATE, 0, &report));
	FAKE_EXPECT_STATE(env, 5, 9, GMEM_PRIVATE);
}

static void references_do_not_matter_to_shared(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_PRIVATE);
	struct gmem_report report;

	env->refs[7] = 1;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_SHARED, 0, &report));
}

struct refuse_case {
	const char *name;
	int error;
	pgoff_t named;
	pgoff_t reported;
};

/* A page is reported only where a page is the reason. */
static const struct refuse_case refuse_cases[] = {
	{ "EBUSY names its page", -EBUSY, 8, 8 },
	{ "EAGAIN names its page", -EAGAIN, 8, 8 },
	{ "ENOMEM names the request", -ENOMEM, 8, 5 },
	{ "EINTR names the request", -EINTR, 8, 5 },
	{ "EBUSY without a page names the first changing one", -EBUSY,
	  ULONG_MAX, 6 },
};

KUNIT_ARRAY_PARAM_DESC(refuse, refuse_cases, name);

static void the_report_says_what_the_errno_means(struct kunit *test)
{
	const struct refuse_case *c = test->param_value;
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	fake_env_set_state(env, 5, 5, GMEM_PRIVATE);
	env->clients[1].refuse = c->error;
	env->clients[1].refuse_index = c->named;
	KUNIT_EXPECT_EQ(test, c->error,
			gmem_convert_range(env->space, 5, 9, GMEM_PRIVATE, 0,
					   &report));
	expect_report(test, &report, GMEM_PHASE_PREPARE, c->error, c->reported,
		      "B");
}

struct bad_case {
	const char *name;
	pgoff_t start, last;
	int target;
	unsigned int flags;
};

static const struct bad_case bad_cases[] = {
	{ "backwards", 5, 4, GMEM_PRIVATE, 0 },
	{ "ends beyond the end", 5, NR_PAGES, GMEM_PRIVATE, 0 },
	{ "starts beyond the end", NR_PAGES, NR_PAGES, GMEM_PRIVATE, 0 },
	{ "everything there could be", 0, ULONG_MAX, GMEM_PRIVATE, 0 },
	{ "unknown state", 5, 9, 2, 0 },
	{ "unknown flag", 5, 9, GMEM_PRIVATE, 2 },
};

KUNIT_ARRAY_PARAM_DESC(bad, bad_cases, name);

static void bad_arguments_are_refused(struct kunit *test)
{
	const struct bad_case *c = test->param_value;
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_convert_range(env->space, c->start, c->last,
					   c->target, c->flags, &report));
	expect_report(test, &report, GMEM_PHASE_NONE, -EINVAL, c->start, "");
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	if (c->target == GMEM_PRIVATE)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				gmem_punch_range(env->space, c->start, c->last,
						 c->flags, &report));
}

struct op_case {
	const char *name;
	enum gmem_op op;
	enum gmem_state target;
};

static const struct op_case op_cases[] = {
	{ "to private", GMEM_OP_CONVERT, GMEM_PRIVATE },
	{ "to shared", GMEM_OP_CONVERT, GMEM_SHARED },
	{ "punch", GMEM_OP_PUNCH },
	{ "populate", GMEM_OP_POPULATE },
};

KUNIT_ARRAY_PARAM_DESC(op, op_cases, name);

static int populate_nothing(void *priv, pgoff_t index)
{
	return 0;
}

static long op_run(struct fake_env *env, const struct op_case *c, pgoff_t start,
		   pgoff_t last, struct gmem_report *report)
{
	switch (c->op) {
	case GMEM_OP_PUNCH:
		return gmem_punch_range(env->space, start, last, 0, report);
	case GMEM_OP_POPULATE:
		return gmem_populate_range(env->space, start, last,
					   populate_nothing, NULL, report);
	default:
		return gmem_convert_range(env->space, start, last, c->target, 0,
					  report);
	}
}

/* Every step that may fail, one after the other, until there is none left. */
static void every_failed_step_leaves_nothing_changed(struct kunit *test)
{
	const struct op_case *c = test->param_value;
	enum gmem_state from = c->target == GMEM_PRIVATE &&
			       c->op == GMEM_OP_CONVERT ? GMEM_SHARED :
							  GMEM_PRIVATE;
	struct fake_env *env = three_clients(test, from);
	struct gmem_report report;
	unsigned int nth;
	long ret;

	/* Ragged at both ends and, if that may be, in several runs. */
	if (c->op != GMEM_OP_POPULATE)
		fake_env_set_state(env, 100, 110, !from);
	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		ret = op_run(env, c, 3, 700, &report);
		if (!gmem_fault_nth_end())
			break;
		/* A page that was populated before stays so and is counted. */
		if (c->op == GMEM_OP_POPULATE && nth > 3) {
			KUNIT_EXPECT_EQ(test, nth - 3, ret);
			KUNIT_EXPECT_EQ(test, 3 + ret, report.index);
			nth += 100;
			continue;
		}
		KUNIT_EXPECT_EQ_MSG(test, gmem_fault_error(gmem_fault_last()),
				    ret, "%s",
				    gmem_fault_name(gmem_fault_last()));
		KUNIT_EXPECT_EQ(test, ret, report.error);
		KUNIT_EXPECT_EQ(test, 3, report.index);
		FAKE_EXPECT_STATE(env, 0, 99, from);
		if (c->op != GMEM_OP_POPULATE)
			FAKE_EXPECT_STATE(env, 100, 110, !from);
		FAKE_EXPECT_STATE(env, 111, 1023, from);
		fake_expect_balanced(env);
	}
	KUNIT_EXPECT_EQ(test, c->op == GMEM_OP_POPULATE ? 698 : 0, ret);
	fake_expect_balanced(env);
	/*
	 * The transaction, the claim, (runs,) slots, two leaves of a conversion,
	 * the provider's reserve, three clients and the provider.
	 */
	if (c->op == GMEM_OP_CONVERT)
		KUNIT_EXPECT_EQ(test, 11, nth - 1);
	if (c->op == GMEM_OP_PUNCH)
		KUNIT_EXPECT_EQ(test, 8, nth - 1);
}

static void a_hole_is_punched_without_changing_states(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	fake_env_set_state(env, 7, 7, GMEM_PRIVATE);
	env->refs[8] = 1;
	KUNIT_EXPECT_EQ(test, 0,
			gmem_punch_range(env->space, 5, 9, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare B:prepare C:prepare P:prepare "
			   "A:invalidate B:invalidate C:invalidate "
			   "P:commit P:thaw C:complete B:complete A:complete ");
	/* Whatever the states are. */
	KUNIT_EXPECT_STREQ(test, env->clients[0].plan, "5-9 ");
	FAKE_EXPECT_STATE(env, 5, 6, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, 7, 7, GMEM_PRIVATE);
}

static void a_hole_may_be_refused(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->clients[1].refuse = -EBUSY;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			gmem_punch_range(env->space, 5, 9, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal, "A:prepare B:prepare A:abort ");
	expect_report(test, &report, GMEM_PHASE_PREPARE, -EBUSY, 5, "B");
}

static void a_revoke_asks_nobody(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	int round;

	env->clients[1].refuse = -EBUSY;
	env->prepare_error = -EAGAIN;
	/* Without memory either: the first allocation would fail. */
	gmem_fault_nth(1);
	for (round = 0; round < 3; round++) {
		fake_env_reset(env);
		gmem_revoke_range(env->space, 5, ULONG_MAX);
		KUNIT_EXPECT_STREQ(test, env->journal,
				   "A:revoke B:revoke C:revoke P:revoke ");
	}
	KUNIT_EXPECT_FALSE(test, gmem_fault_nth_end());
	FAKE_EXPECT_STATE(env, 0, 1023, GMEM_SHARED);
	fake_env_reset(env);
	gmem_revoke_range(env->space, NR_PAGES, ULONG_MAX);
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	fake_env_reset(env);
}

/* Registered after the slots were counted: the transaction makes room. */
static void register_late(struct fake_env *env)
{
	env->on_settle = NULL;
	fake_client_add(env, GMEM_RANK_VOTE, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
}

static void a_client_registered_before_the_fence_is_asked(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
	env->on_settle = register_late;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 5, 9,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "B:prepare A:prepare P:prepare "
			   "B:invalidate A:invalidate P:commit P:thaw "
			   "A:complete B:complete ");
}

static void no_room_for_a_late_client_leaves_nothing_changed(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, NR_PAGES - 1);
	env->on_settle = register_late;
	/* Transaction, claim, slots, leaf, provider; register, slots again. */
	gmem_fault_nth(7);
	KUNIT_EXPECT_EQ(test, -ENOMEM,
			gmem_convert_range(env->space, 5, 9, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	expect_report(test, &report, GMEM_PHASE_RAISE, -ENOMEM, 5, "");
	KUNIT_EXPECT_STREQ(test, env->journal, "");
	FAKE_EXPECT_STATE(env, 0, 20, GMEM_SHARED);
}

/* The guess before the claim is too small; the second is held to. */
static void wider_scope(struct fake_env *env)
{
	KUNIT_EXPECT_EQ(env->test, -EAGAIN,
			gmem_space_lookup(env->space, 96, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(env->test, -EAGAIN,
			gmem_space_lookup(env->space, 104,
					  GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(env->test, GMEM_SHARED,
			gmem_space_lookup(env->space, 95, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(env->test, GMEM_SHARED,
			gmem_space_lookup(env->space, 96, GMEM_SCOPE_REQUEST));
}

static void a_claim_that_turns_out_too_narrow_is_dropped_and_taken_anew(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	env->wide = 4;
	env->on_prepare = wider_scope;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 100, 100,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 3, env->nr_widens);
	FAKE_EXPECT_STATE(env, 99, 99, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, 100, 100, GMEM_PRIVATE);
}

static void the_first_and_the_last_page_convert(struct kunit *test)
{
	struct fake_env *env = three_clients(test, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 0,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(env->space, NR_PAGES - 1,
					   NR_PAGES - 1, GMEM_PRIVATE, 0,
					   &report));
	FAKE_EXPECT_STATE(env, 0, 0, GMEM_PRIVATE);
	FAKE_EXPECT_STATE(env, 1, NR_PAGES - 2, GMEM_SHARED);
	FAKE_EXPECT_STATE(env, NR_PAGES - 1, NR_PAGES - 1, GMEM_PRIVATE);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_space_lookup(env->space, NR_PAGES,
					  GMEM_SCOPE_REQUEST));
}

static void nobody_outside_the_span_notices(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;
	struct fake_task t = {};

	fake_task_park(&t, env, 5, 9);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 10, 1023,
						    GMEM_PRIVATE, GMEM_NOWAIT,
						    &report));
	KUNIT_EXPECT_EQ(test, GMEM_PRIVATE,
			gmem_space_lookup(env->space, 10, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(test, GMEM_SHARED,
			gmem_space_lookup(env->space, 4, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(test, 0, gmem_space_wait(env->space, 4,
						 GMEM_SCOPE_EFFECTIVE,
						 TASK_UNINTERRUPTIBLE));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&t));
}

static void an_overlapping_operation_waits_or_is_told(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task t = {}, other = {};
	struct gmem_report report;

	fake_task_park(&t, env, 5, 9);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(env->space, 9, 20, GMEM_PRIVATE,
					   GMEM_NOWAIT, &report));
	expect_report(test, &report, GMEM_PHASE_CLAIM, -EAGAIN, 9, "");

	fake_task_start(&other, env, fake_task_to_private, 9, 20);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&other));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&t));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&other));
	FAKE_EXPECT_STATE(env, 5, 20, GMEM_PRIVATE);
}

static void a_signal_ends_the_wait_with_nothing_changed(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task t = {}, other = {};

	fake_task_park(&t, env, 5, 9);
	fake_task_start(&other, env, fake_task_to_private, 9, 20);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&other));
	send_sig(SIGINT, other.task, 1);
	KUNIT_EXPECT_EQ(test, -EINTR, fake_task_join(&other));
	expect_report(test, &other.report, GMEM_PHASE_CLAIM, -EINTR, 9, "");
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&t));
	FAKE_EXPECT_STATE(env, 5, 9, GMEM_PRIVATE);
	FAKE_EXPECT_STATE(env, 10, 20, GMEM_SHARED);
}

static void a_lookup_waits_at_the_fence_until_it_is_down(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task t = {}, waiter = {}, impatient = {};

	fake_task_park(&t, env, 5, 9);
	fake_task_start(&waiter, env, fake_task_wait, 7, 7);
	fake_task_start(&impatient, env, fake_task_wait, 7, 7);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&waiter));
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&impatient));
	send_sig(SIGINT, impatient.task, 1);
	KUNIT_EXPECT_EQ(test, -EINTR, fake_task_join(&impatient));
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&waiter));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&t));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&waiter));
}

static struct kunit_case txn_cases[] = {
	KUNIT_CASE(a_conversion_calls_everybody_once_in_order),
	KUNIT_CASE(a_range_in_the_target_state_calls_nobody),
	KUNIT_CASE(a_page_in_the_target_state_is_not_checked),
	KUNIT_CASE(veto_by_first_calls_nobody_else),
	KUNIT_CASE(veto_by_third_aborts_second_then_first),
	KUNIT_CASE(a_page_with_references_aborts_every_client),
	KUNIT_CASE(references_do_not_matter_to_shared),
	KUNIT_CASE_PARAM(the_report_says_what_the_errno_means,
			 refuse_gen_params),
	KUNIT_CASE_PARAM(bad_arguments_are_refused, bad_gen_params),
	KUNIT_CASE_PARAM(every_failed_step_leaves_nothing_changed,
			 op_gen_params),
	KUNIT_CASE(a_hole_is_punched_without_changing_states),
	KUNIT_CASE(a_hole_may_be_refused),
	KUNIT_CASE(a_revoke_asks_nobody),
	KUNIT_CASE(a_client_registered_before_the_fence_is_asked),
	KUNIT_CASE(no_room_for_a_late_client_leaves_nothing_changed),
	KUNIT_CASE(a_claim_that_turns_out_too_narrow_is_dropped_and_taken_anew),
	KUNIT_CASE(the_first_and_the_last_page_convert),
	KUNIT_CASE(nobody_outside_the_span_notices),
	KUNIT_CASE(an_overlapping_operation_waits_or_is_told),
	KUNIT_CASE(a_signal_ends_the_wait_with_nothing_changed),
	KUNIT_CASE(a_lookup_waits_at_the_fence_until_it_is_down),
	{}
};

static struct kunit_suite txn_suite = {
	.name = "gmem_txn",
	.test_cases = txn_cases,
};

kunit_test_suite(txn_suite);
