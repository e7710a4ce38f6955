// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_client: who may register, who is called, in what order.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "fakes.h"
#include "internal.h"

#define NR_PAGES	64

static int nop_prepare(struct gmem_slot *slot)
{
	return 0;
}

static void nop_slot(struct gmem_slot *slot)
{
}

static void nop_revoke(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
}

struct register_case {
	const char *name;
	struct gmem_client client;
};

#define GOOD_RANGE	{ 0, NR_PAGES - 1 }

static const struct gmem_client_ops whole_ops = {
	.prepare = nop_prepare, .invalidate = nop_slot, .abort = nop_slot,
	.revoke = nop_revoke,
};

static const struct gmem_client_ops no_invalidate_ops = {
	.prepare = nop_prepare, .abort = nop_slot, .revoke = nop_revoke,
};

static const struct gmem_client_ops no_revoke_ops = {
	.prepare = nop_prepare, .invalidate = nop_slot, .abort = nop_slot,
};

static const struct gmem_client_ops no_abort_ops = {
	.prepare = nop_prepare, .invalidate = nop_slot, .revoke = nop_revoke,
};

static const struct gmem_client_ops lone_abort_ops = {
	.invalidate = nop_slot, .abort = nop_slot, .revoke = nop_revoke,
};

static const struct register_case refused_cases[] = {
	{ "no ops", { .name = "x", .range = GOOD_RANGE } },
	{ "no name", { .ops = &whole_ops, .range = GOOD_RANGE } },
	{ "no invalidate",
	  { .ops = &no_invalidate_ops, .name = "x", .range = GOOD_RANGE } },
	{ "no revoke",
	  { .ops = &no_revoke_ops, .name = "x", .range = GOOD_RANGE } },
	{ "prepare without abort",
	  { .ops = &no_abort_ops, .name = "x", .range = GOOD_RANGE } },
	{ "abort without prepare",
	  { .ops = &lone_abort_ops, .name = "x", .range = GOOD_RANGE } },
	{ "range backwards",
	  { .ops = &whole_ops, .name = "x", .range = { 5, 4 } } },
	{ "range beyond the end",
	  { .ops = &whole_ops, .name = "x", .range = { 0, NR_PAGES } } },
	{ "unknown rank",
	  { .ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
	    .rank = GMEM_RANK_MMU + 1 } },
	{ "unknown policy",
	  { .ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
	    .policy = GMEM_POLICY_RESIZE + 1 } },
};

KUNIT_ARRAY_PARAM_DESC(refused, refused_cases, name);

static void an_incomplete_client_is_refused(struct kunit *test)
{
	const struct register_case *c = test->param_value;
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_client client = c->client;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_client_register(env->space, &client));
	KUNIT_EXPECT_EQ(test, 0, gmem_clients_count(env->space));
	KUNIT_EXPECT_NULL(test, client.space);
}

static void a_client_without_prepare_agrees(struct kunit *test)
{
	static const struct gmem_client_ops ops = {
		.invalidate = nop_slot, .revoke = nop_revoke,
	};
	struct gmem_client client = {
		.ops = &ops, .name = "x", .range = GOOD_RANGE,
	};
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_ASSERT_EQ(test, 0, gmem_client_register(env->space, &client));
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 3,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&client.nr_open));
	gmem_client_unregister(&client);
}

static void prepare_goes_up_the_ranks_and_complete_down(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	/* A: highest rank, B and C: the same, in order of registration. */
	fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, 63);
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	fake_client_add(env, GMEM_RANK_VOTE, GMEM_POLICY_UNMAP, 0, 63);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 1, 2,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "D:prepare B:prepare C:prepare A:prepare P:prepare "
			   "D:invalidate B:invalidate C:invalidate A:invalidate "
			   "P:commit P:thaw "
			   "A:complete C:complete B:complete D:complete ");
}

static void only_clients_of_changing_pages_are_called(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 9);
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 10, 19);
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 20, 29);
	/* Between the runs, and inside the request. */
	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 12, 13);
	fake_env_set_state(env, 12, 14, GMEM_PRIVATE);

	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 10, 20,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "B:prepare C:prepare P:prepare "
			   "B:invalidate C:invalidate P:commit P:thaw "
			   "C:complete B:complete ");
	KUNIT_EXPECT_STREQ(test, env->clients[1].plan, "10-11 15-19 ");
	KUNIT_EXPECT_STREQ(test, env->clients[2].plan, "20-20 ");
}

static void a_client_that_keeps_is_not_asked_about_conversions(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_KEEP, 0, 63);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 3,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal, "P:prepare P:commit P:thaw ");
	fake_env_reset(env);
	KUNIT_EXPECT_EQ(test, 0,
			gmem_punch_range(env->space, 0, 3, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare P:prepare A:invalidate P:commit P:thaw "
			   "A:complete ");
}

static void a_client_that_resizes_keeps_its_translations(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;

	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_RESIZE, 0, 63);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 3,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, env->journal,
			   "A:prepare P:prepare P:commit P:thaw A:complete ");
}

/* A conversion of pages 0 to 3 that is parked where clients are prepared. */
struct converter {
	struct fake_env *env;
	struct task_struct *task;
	struct completion inside;
	struct completion go_on;
	struct gmem_report report;
};

static struct converter *the_converter;

static void park(struct fake_env *env)
{
	complete(&the_converter->inside);
	wait_for_completion(&the_converter->go_on);
}

static int converter_fn(void *data)
{
	struct converter *c = data;

	return gmem_convert_range(c->env->space, 0, 3, GMEM_PRIVATE, 0,
				  &c->report);
}

static struct task_struct *start(struct kunit *test, int (*fn)(void *),
				 void *data)
{
	struct task_struct *task = kthread_create(fn, data, "gmem_test");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	/* Before it runs, because it may end by itself. */
	get_task_struct(task);
	wake_up_process(task);
	return task;
}

/* What the function returned. */
static int join(struct task_struct *task)
{
	int ret = kthread_stop(task);

	put_task_struct(task);
	return ret;
}

static void converter_park(struct kunit *test, struct converter *c)
{
	init_completion(&c->inside);
	init_completion(&c->go_on);
	the_converter = c;
	c->env->on_prepare = park;
	c->task = start(test, converter_fn, c);
	wait_for_completion(&c->inside);
}

static int converter_finish(struct converter *c)
{
	complete(&c->go_on);
	return join(c->task);
}

static int unregister_fn(void *data)
{
	fake_client_remove(data);
	return 0;
}

/* Defect 18: unregistered, and freed, between prepare and commit. */
static void unregister_waits_for_a_transaction_that_lists_the_client(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct converter c = { .env = env };
	struct task_struct *unregister;
	struct fake_client *a;

	a = fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	converter_park(test, &c);
	unregister = start(test, unregister_fn, a);
	msleep(20);
	KUNIT_EXPECT_PTR_EQ(test, a->client.space, env->space);
	/* The fake maps nothing any more; it is not to be blamed for that. */
	fake_env_reset(env);
	KUNIT_EXPECT_EQ(test, 0, converter_finish(&c));
	join(unregister);
	KUNIT_EXPECT_NULL(test, a->client.space);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&a->client.nr_open));
	KUNIT_EXPECT_EQ(test, 0, gmem_clients_count(env->space));
}

struct settler {
	struct fake_env *env;
	bool done;
};

static int settle_fn(void *data)
{
	struct gmem_run range = { 2, 5 };
	struct settler *s = data;
	int ret = gmem_space_settle(s->env->space, &range);

	WRITE_ONCE(s->done, true);
	return ret;
}

static void settling_waits_for_what_did_not_list_the_client(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_run elsewhere = { 4, 63 }, beyond = { 63, 64 };
	struct converter c = { .env = env };
	struct settler s = { .env = env };
	struct task_struct *settle;

	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	converter_park(test, &c);
	KUNIT_EXPECT_EQ(test, 0, gmem_space_settle(env->space, &elsewhere));
	KUNIT_EXPECT_EQ(test, -EINVAL, gmem_space_settle(env->space, &beyond));
	settle = start(test, settle_fn, &s);
	msleep(20);
	KUNIT_EXPECT_FALSE(test, READ_ONCE(s.done));
	KUNIT_EXPECT_EQ(test, 0, converter_finish(&c));
	KUNIT_EXPECT_EQ(test, 0, join(settle));
	KUNIT_EXPECT_TRUE(test, s.done);
	KUNIT_EXPECT_EQ(test, 0, gmem_space_settle(env->space, &elsewhere));
}

static struct kunit_case client_cases[] = {
	KUNIT_CASE_PARAM(an_incomplete_client_is_refused, refused_gen_params),
	KUNIT_CASE(a_client_without_prepare_agrees),
	KUNIT_CASE(prepare_goes_up_the_ranks_and_complete_down),
	KUNIT_CASE(only_clients_of_changing_pages_are_called),
	KUNIT_CASE(a_client_that_keeps_is_not_asked_about_conversions),
	KUNIT_CASE(a_client_that_resizes_keeps_its_translations),
	KUNIT_CASE(unregister_waits_for_a_transaction_that_lists_the_client),
	KUNIT_CASE(settling_waits_for_what_did_not_list_the_client),
	{}
};

static struct kunit_suite client_suite = {
	.name = "gmem_client",
	.test_cases = client_cases,
};

kunit_test_suite(client_suite);
