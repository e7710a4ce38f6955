// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_overlay: who waits for whom, and what lookups see.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "internal.h"

struct overlay_env {
	/* Stands in for the space's. */
	spinlock_t lock;
	seqcount_spinlock_t seq;
	struct gmem_overlay overlay;
};

static struct overlay_env *overlay_alloc(struct kunit *test)
{
	struct overlay_env *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, env);
	spin_lock_init(&env->lock);
	seqcount_spinlock_init(&env->seq, &env->lock);
	gmem_overlay_init(&env->overlay, &env->lock, &env->seq);
	return env;
}

static int overlay_try(struct overlay_env *env, struct gmem_span *span,
		       pgoff_t start, pgoff_t last)
{
	struct gmem_run run = { start, last };

	span->request = run;
	return gmem_overlay_claim(&env->overlay, span, &run, GMEM_NOWAIT,
				  TASK_UNINTERRUPTIBLE);
}

/* A task that claims a span and says so. */
struct claimer {
	struct overlay_env *env;
	struct gmem_span span;
	struct gmem_run run;
	struct completion granted;
	struct task_struct *task;
	int ret;
};

static int claimer_fn(void *data)
{
	struct claimer *c = data;

	allow_signal(SIGINT);
	c->ret = gmem_overlay_claim(&c->env->overlay, &c->span, &c->run, 0,
				    TASK_INTERRUPTIBLE);
	complete(&c->granted);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static struct claimer *claimer_start(struct kunit *test,
				     struct overlay_env *env, pgoff_t start,
				     pgoff_t last)
{
	struct claimer *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	u64 ticket = env->overlay.next_ticket;

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->env = env;
	c->run = (struct gmem_run){ start, last };
	init_completion(&c->granted);
	c->task = kthread_run(claimer_fn, c, "gmem_claimer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c->task);
	get_task_struct(c->task);
	/* Until it is in the queue. */
	while (READ_ONCE(env->overlay.next_ticket) == ticket)
		usleep_range(500, 1000);
	return c;
}

static bool claimer_granted(struct claimer *c)
{
	msleep(20);
	return completion_done(&c->granted);
}

static void claimer_stop(struct claimer *c)
{
	kthread_stop(c->task);
	put_task_struct(c->task);
}

static void disjoint_claims_do_not_meet(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span a = {}, b = {}, c = {};

	KUNIT_EXPECT_EQ(test, 0, overlay_try(env, &a, 10, 19));
	KUNIT_EXPECT_EQ(test, 0, overlay_try(env, &b, 20, 29));
	KUNIT_EXPECT_EQ(test, 0, overlay_try(env, &c, 0, 9));
	gmem_overlay_release(&env->overlay, &b);
	gmem_overlay_release(&env->overlay, &a);
	gmem_overlay_release(&env->overlay, &c);
}

static void nowait_refuses_an_overlap_and_leaves_nothing(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span a = {}, b = {};

	KUNIT_ASSERT_EQ(test, 0, overlay_try(env, &a, 10, 19));
	KUNIT_EXPECT_EQ(test, -EAGAIN, overlay_try(env, &b, 19, 30));
	KUNIT_EXPECT_EQ(test, -EAGAIN, overlay_try(env, &b, 0, 10));
	KUNIT_EXPECT_EQ(test, -EAGAIN, overlay_try(env, &b, 0, ULONG_MAX));
	KUNIT_EXPECT_FALSE(test, b.claimed);
	gmem_overlay_release(&env->overlay, &a);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&env->overlay.claims.rb_root));
	KUNIT_EXPECT_EQ(test, 0, overlay_try(env, &b, 0, ULONG_MAX));
	gmem_overlay_release(&env->overlay, &b);
}

/* A small claim does not overtake a large one that waits (no starvation). */
static void claims_are_granted_in_the_order_they_came(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span first = {};
	struct claimer *large, *small;

	KUNIT_ASSERT_EQ(test, 0, overlay_try(env, &first, 0, 9));
	large = claimer_start(test, env, 5, 100);
	small = claimer_start(test, env, 50, 50);
	KUNIT_EXPECT_FALSE(test, claimer_granted(large));
	KUNIT_EXPECT_FALSE(test, claimer_granted(small));

	gmem_overlay_release(&env->overlay, &first);
	KUNIT_EXPECT_TRUE(test, claimer_granted(large));
	KUNIT_EXPECT_FALSE(test, claimer_granted(small));

	gmem_overlay_release(&env->overlay, &large->span);
	KUNIT_EXPECT_TRUE(test, claimer_granted(small));
	gmem_overlay_release(&env->overlay, &small->span);
	KUNIT_EXPECT_EQ(test, 0, large->ret);
	KUNIT_EXPECT_EQ(test, 0, small->ret);
	claimer_stop(large);
	claimer_stop(small);
}

static void an_interrupted_waiter_frees_those_behind_it(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span first = {};
	struct claimer *large, *small;

	KUNIT_ASSERT_EQ(test, 0, overlay_try(env, &first, 0, 9));
	large = claimer_start(test, env, 5, 100);
	small = claimer_start(test, env, 50, 50);
	KUNIT_EXPECT_FALSE(test, claimer_granted(small));

	send_sig(SIGINT, large->task, 1);
	KUNIT_EXPECT_TRUE(test, claimer_granted(large));
	KUNIT_EXPECT_EQ(test, -EINTR, large->ret);
	KUNIT_EXPECT_TRUE(test, claimer_granted(small));
	KUNIT_EXPECT_EQ(test, 0, small->ret);

	gmem_overlay_release(&env->overlay, &small->span);
	gmem_overlay_release(&env->overlay, &first);
	KUNIT_EXPECT_TRUE(test, RB_EMPTY_ROOT(&env->overlay.claims.rb_root));
	claimer_stop(large);
	claimer_stop(small);
}

static bool fenced(struct overlay_env *env, pgoff_t index,
		   enum gmem_scope scope)
{
	struct gmem_run page = { index, index };

	guard(rcu)();
	return gmem_overlay_fenced(&env->overlay, &page, scope);
}

static void lookups_see_a_claim_only_while_it_is_raised(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span a = {};

	KUNIT_ASSERT_EQ(test, 0, overlay_try(env, &a, 10, 19));
	KUNIT_EXPECT_FALSE(test, fenced(env, 10, GMEM_SCOPE_EFFECTIVE));
	gmem_overlay_raise(&env->overlay, &a);
	KUNIT_EXPECT_FALSE(test, fenced(env, 9, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_TRUE(test, fenced(env, 10, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_TRUE(test, fenced(env, 19, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_FALSE(test, fenced(env, 20, GMEM_SCOPE_EFFECTIVE));
	gmem_overlay_lower(&env->overlay, &a);
	KUNIT_EXPECT_FALSE(test, fenced(env, 10, GMEM_SCOPE_EFFECTIVE));
	gmem_overlay_release(&env->overlay, &a);
}

static void the_rounding_of_a_fence_counts_in_effective_scope_only(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_run effective = { 0, 511 };
	struct gmem_span a = { .request = { 7, 7 } };

	KUNIT_ASSERT_EQ(test, 0,
			gmem_overlay_claim(&env->overlay, &a, &effective,
					   GMEM_NOWAIT, TASK_UNINTERRUPTIBLE));
	gmem_overlay_raise(&env->overlay, &a);
	KUNIT_EXPECT_TRUE(test, fenced(env, 0, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_TRUE(test, fenced(env, 511, GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_FALSE(test, fenced(env, 6, GMEM_SCOPE_REQUEST));
	KUNIT_EXPECT_TRUE(test, fenced(env, 7, GMEM_SCOPE_REQUEST));
	KUNIT_EXPECT_FALSE(test, fenced(env, 8, GMEM_SCOPE_REQUEST));
	gmem_overlay_lower(&env->overlay, &a);
	gmem_overlay_release(&env->overlay, &a);
}

static void every_one_of_many_fences_is_found(struct kunit *test)
{
	struct overlay_env *env = overlay_alloc(test);
	struct gmem_span *spans;
	int i, nr = 64;

	spans = kunit_kcalloc(test, nr, sizeof(*spans), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, spans);
	/* 5 is prime to 64: all of them, out of order. */
	for (i = 0; i < nr; i++) {
		int n = i * 5 % nr;

		KUNIT_ASSERT_EQ(test, 0,
				overlay_try(env, &spans[n], n * 3, n * 3 + 1));
		gmem_overlay_raise(&env->overlay, &spans[n]);
	}
	for (i = 0; i < nr * 3; i++)
		KUNIT_EXPECT_EQ(test, i % 3 != 2,
				fenced(env, i, GMEM_SCOPE_EFFECTIVE));
	for (i = 0; i < nr; i++) {
		gmem_overlay_lower(&env->overlay, &spans[i]);
		gmem_overlay_release(&env->overlay, &spans[i]);
		KUNIT_EXPECT_FALSE(test, fenced(env, i * 3,
						GMEM_SCOPE_EFFECTIVE));
	}
}

static struct kunit_case overlay_cases[] = {
	KUNIT_CASE(disjoint_claims_do_not_meet),
	KUNIT_CASE(nowait_refuses_an_overlap_and_leaves_nothing),
	KUNIT_CASE(claims_are_granted_in_the_order_they_came),
	KUNIT_CASE(an_interrupted_waiter_frees_those_behind_it),
	KUNIT_CASE(lookups_see_a_claim_only_while_it_is_raised),
	KUNIT_CASE(the_rounding_of_a_fence_counts_in_effective_scope_only),
	KUNIT_CASE(every_one_of_many_fences_is_found),
	{}
};

static struct kunit_suite overlay_suite = {
	.name = "gmem_overlay",
	.test_cases = overlay_cases,
};

kunit_test_suite(overlay_suite);
