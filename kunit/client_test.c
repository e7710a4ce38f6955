// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_client: who may register, who is called, in what order.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/slab.h>

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

static long remove_first(struct fake_task *t)
{
	fake_client_remove(&t->env->clients[0]);
	return 0;
}

/* Defect 18: unregistered, and freed, between prepare and commit. */
static void unregister_waits_for_a_transaction_that_lists_the_client(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_task c = {}, unregister = {};
	struct fake_client *a;

	a = fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	fake_task_park(&c, env, 0, 3);
	fake_task_start(&unregister, env, remove_first, 0, 0);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&unregister));
	KUNIT_EXPECT_PTR_EQ(test, a->client.space, env->space);
	/* The fake maps nothing any more; it is not to be blamed for that. */
	fake_env_reset(env);
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&c));
	fake_task_join(&unregister);
	KUNIT_EXPECT_NULL(test, a->client.space);
	KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&a->client.nr_open));
	KUNIT_EXPECT_EQ(test, 0, gmem_clients_count(env->space));
}

static long settle(struct fake_task *t)
{
	struct gmem_run range = { t->start, t->last };

	return gmem_space_settle(t->env->space, &range);
}

static void settling_waits_for_what_did_not_list_the_client(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_run elsewhere = { 4, 63 }, beyond = { 63, 64 };
	struct fake_task c = {}, s = {};

	fake_client_add(env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP, 0, 63);
	fake_task_park(&c, env, 0, 3);
	KUNIT_EXPECT_EQ(test, 0, gmem_space_settle(env->space, &elsewhere));
	KUNIT_EXPECT_EQ(test, -EINVAL, gmem_space_settle(env->space, &beyond));
	fake_task_start(&s, env, settle, 2, 5);
	KUNIT_EXPECT_TRUE(test, fake_task_waits(&s));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&c));
	KUNIT_EXPECT_EQ(test, 0, fake_task_join(&s));
	KUNIT_EXPECT_EQ(test, 0, gmem_space_settle(env->space, &elsewhere));
}

/* The owner's module is being unloaded: its code may go at any time. */
static void a_module_that_goes_away_is_refused(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct module *module = kunit_kzalloc(test, sizeof(*module), GFP_KERNEL);
	struct gmem_client client = {
		.ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
		.owner = module,
	};

	KUNIT_ASSERT_NOT_NULL(test, module);
	module->state = MODULE_STATE_GOING;
	KUNIT_EXPECT_EQ(test, -ENODEV,
			gmem_client_register(env->space, &client));
	KUNIT_EXPECT_EQ(test, 0, gmem_clients_count(env->space));
}

static void a_failed_registration_leaves_nothing(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_client client = {
		.ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
	};

	gmem_fault_nth(1);
	KUNIT_EXPECT_EQ(test, -ENODEV,
			gmem_client_register(env->space, &client));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	KUNIT_EXPECT_EQ(test, 0, gmem_clients_count(env->space));
	KUNIT_EXPECT_EQ(test, 0, gmem_client_register(env->space, &client));
	gmem_client_unregister(&client);
}

static DEFINE_MUTEX(slots_lock);

/*
 * As under kvm->slots_lock: while a conversion runs, and with a lock held that
 * other tasks hold when they ask for conversions.
 */
static void clients_come_and_go_under_a_lock_that_callers_hold(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_client client = {
		.ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
	};
	struct gmem_report report;
	struct fake_task c = {};

	mutex_lock(&slots_lock);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 8, 9,
						    GMEM_PRIVATE, 0, &report));
	mutex_unlock(&slots_lock);
	fake_task_park(&c, env, 0, 3);
	mutex_lock(&slots_lock);
	KUNIT_EXPECT_EQ(test, 0, gmem_client_register(env->space, &client));
	/* The conversion did not list it, so there is nothing to wait for. */
	gmem_client_unregister(&client);
	mutex_unlock(&slots_lock);
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&c));
}

static long nr_calls(const struct gmem_client *client, enum gmem_call call)
{
	return atomic64_read(&client->stats.nr_calls[call]);
}

/* Defect 8: ends that do not match begins when nothing, or another, is bound. */
static void clients_that_come_and_go_meanwhile_keep_the_balance(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_client clients[4];
	struct fake_task c = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = (struct gmem_client){
			.ops = &whole_ops, .name = "x", .range = GOOD_RANGE,
		};

	/* Nobody at the beginning, three at the end; none is told anything. */
	fake_task_park(&c, env, 0, 3);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, 0, gmem_client_register(env->space,
							      &clients[i]));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&c));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, 0,
				nr_calls(&clients[i], GMEM_CALL_INVALIDATE));
	fake_expect_balanced(env);

	/* Three at the beginning, one more at the end. */
	fake_task_park(&c, env, 4, 7);
	KUNIT_EXPECT_EQ(test, 0, gmem_client_register(env->space, &clients[3]));
	KUNIT_EXPECT_EQ(test, 0, fake_task_finish(&c));
	for (i = 0; i < ARRAY_SIZE(clients); i++) {
		KUNIT_EXPECT_EQ(test, i < 3,
				nr_calls(&clients[i], GMEM_CALL_PREPARE));
		KUNIT_EXPECT_EQ(test, i < 3,
				nr_calls(&clients[i], GMEM_CALL_INVALIDATE));
		KUNIT_EXPECT_EQ(test, 0, atomic_long_read(&clients[i].nr_open));
		gmem_client_unregister(&clients[i]);
	}
	fake_expect_balanced(env);
}

static void spaces_and_their_clients_do_not_meet(struct kunit *test)
{
	struct fake_env *one = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct fake_env *two = fake_env_alloc(test, NR_PAGES, GMEM_PRIVATE);
	struct gmem_report report;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		fake_client_add(one, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, 63);
		fake_client_add(two, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, 63);
	}
	two->clients[0].refuse = -EBUSY;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(one->space, 0, 63,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_STREQ(test, two->journal, "");
	KUNIT_EXPECT_EQ(test, -EBUSY, gmem_convert_range(two->space, 0, 63,
							 GMEM_SHARED, 0,
							 &report));
	FAKE_EXPECT_STATE(one, 0, 63, GMEM_PRIVATE);
	FAKE_EXPECT_STATE(two, 0, 63, GMEM_PRIVATE);
	fake_expect_balanced(one);
	fake_expect_balanced(two);
}

static void calls_and_the_longest_of_them_are_counted(struct kunit *test)
{
	struct fake_env *env = fake_env_alloc(test, NR_PAGES, GMEM_SHARED);
	struct gmem_report report;
	struct gmem_client *a;

	a = &fake_client_add(env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP, 0, 63)->client;
	env->clients[0].refuse = -EBUSY;
	gmem_convert_range(env->space, 0, 3, GMEM_PRIVATE, 0, &report);
	env->clients[0].refuse = 0;
	gmem_convert_range(env->space, 0, 3, GMEM_PRIVATE, 0, &report);
	gmem_revoke_range(env->space, 0, 3);
	KUNIT_EXPECT_EQ(test, 2, nr_calls(a, GMEM_CALL_PREPARE));
	KUNIT_EXPECT_EQ(test, 1, atomic64_read(&a->stats.nr_refusals));
	KUNIT_EXPECT_EQ(test, 1, nr_calls(a, GMEM_CALL_INVALIDATE));
	KUNIT_EXPECT_EQ(test, 1, nr_calls(a, GMEM_CALL_COMPLETE));
	KUNIT_EXPECT_EQ(test, 0, nr_calls(a, GMEM_CALL_ABORT));
	KUNIT_EXPECT_EQ(test, 1, nr_calls(a, GMEM_CALL_REVOKE));
	KUNIT_EXPECT_GT(test,
			atomic64_read(&a->stats.worst_ns[GMEM_CALL_PREPARE]), 0);
	fake_env_reset(env);
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
	KUNIT_CASE(a_module_that_goes_away_is_refused),
	KUNIT_CASE(a_failed_registration_leaves_nothing),
	KUNIT_CASE(clients_come_and_go_under_a_lock_that_callers_hold),
	KUNIT_CASE(clients_that_come_and_go_meanwhile_keep_the_balance),
	KUNIT_CASE(spaces_and_their_clients_do_not_meet),
	KUNIT_CASE(calls_and_the_longest_of_them_are_counted),
	{}
};

static struct kunit_suite client_suite = {
	.name = "gmem_client",
	.test_cases = client_cases,
};

kunit_test_suite(client_suite);
