// SPDX-License-Identifier: GPL-2.0
/*
 * Fakes for gmem_convert's tests.
 *
 * The fake clients map every page that they may, all the time.  That makes them
 * strict: a translation that is taken away before everybody agreed, or that is
 * left when the page changes hands, is seen by whoever is called next.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_buf.h>

#include "fakes.h"
#include "internal.h"

static void fake_note(struct fake_env *env, const char *who, const char *call)
{
	size_t used = strlen(env->journal);

	scnprintf(env->journal + used, sizeof(env->journal) - used, "%s:%s ",
		  who, call);
}

static struct fake_client *to_fake(struct gmem_client *client)
{
	return container_of(client, struct fake_client, client);
}

/* Settled state of a page whatever fence is up. */
static int fake_settled(struct fake_env *env, pgoff_t index)
{
	struct gmem_run run;

	return gmem_space_next_run(env->space, index, index, &run);
}

static void fake_check_page(struct fake_env *env, const struct gmem_plan *plan,
			    pgoff_t index, bool stored)
{
	KUNIT_EXPECT_EQ_MSG(env->test, -EAGAIN,
			    gmem_space_lookup(env->space, index,
					      GMEM_SCOPE_REQUEST),
			    "no fence over page %lu", index);
	if (plan->op == GMEM_OP_CONVERT)
		KUNIT_EXPECT_EQ_MSG(env->test, stored,
				    fake_settled(env, index) == plan->target,
				    "page %lu stored too %s", index,
				    stored ? "late" : "early");
}

/*
 * Inside a callback the fence is up over everything that changes, and the map
 * has the old state or, if @stored, the new one.  Looks at the ends of the runs.
 */
static void fake_check_inside(struct fake_env *env, const struct gmem_plan *plan,
			      bool stored)
{
	unsigned long i;

	for (i = 0; i < plan->nr_runs; i++) {
		const struct gmem_run *run = &plan->runs[i];

		fake_check_page(env, plan, run->start, stored);
		if (run->last != run->start)
			fake_check_page(env, plan, run->last, stored);
	}
}

/* Nobody has lost a translation (G2). */
static void fake_check_mapped(struct fake_env *env, const struct gmem_plan *plan)
{
	unsigned int c;
	unsigned long i;
	struct gmem_run run;
	pgoff_t index;

	for (c = 0; c < env->nr_clients; c++) {
		struct fake_client *fake = &env->clients[c];
		struct gmem_slot slot = {
			.plan = plan, .span = fake->client.range,
			.last_run = plan->nr_runs - 1,
		};

		if (!fake->client.space)
			continue;
		gmem_for_each_run(&slot, i, run)
			for (index = run.start; index <= run.last; index++)
				KUNIT_EXPECT_TRUE_MSG(env->test,
						      fake->mapped[index],
						      "%s lost page %lu",
						      fake->client.name, index);
	}
}

static void fake_map(struct fake_client *fake, pgoff_t start, pgoff_t last,
		     bool mapped)
{
	memset(fake->mapped + start, mapped, last - start + 1);
}

/* Hardware may keep some; they stay mapped, and the library is told. */
static void fake_unmap(struct fake_client *fake, pgoff_t start, pgoff_t last)
{
	struct gmem_run keep = {
		max(fake->keep.start, start), min(fake->keep.last, last),
	};

	fake_map(fake, start, last, false);
	if (!fake->keep.last || keep.start > keep.last)
		return;
	fake_map(fake, keep.start, keep.last, true);
	gmem_client_quarantine(&fake->client, keep.start, keep.last);
}

static int fake_prepare(struct gmem_slot *slot)
{
	struct fake_client *fake = to_fake(slot->client);
	struct fake_env *env = fake->env;
	struct gmem_run run;
	struct seq_buf words;
	unsigned long i;

	fake_note(env, fake->client.name, "prepare");
	fake_check_inside(env, slot->plan, false);
	fake_check_mapped(env, slot->plan);
	seq_buf_init(&words, fake->plan, sizeof(fake->plan));
	gmem_for_each_run(slot, i, run)
		seq_buf_printf(&words, "%lu-%lu ", run.start, run.last);
	seq_buf_str(&words);
	if (fake->refuse && fake->refuse_index != ULONG_MAX)
		gmem_slot_refuse(slot, fake->refuse_index);
	if (!fake->refuse)
		slot->priv = fake;
	return fake->refuse;
}

static void fake_invalidate(struct gmem_slot *slot)
{
	struct fake_client *fake = to_fake(slot->client);
	struct gmem_run run;
	unsigned long i;

	fake_note(fake->env, fake->client.name, "invalidate");
	KUNIT_EXPECT_PTR_EQ(fake->env->test, slot->priv, (void *)fake);
	fake_check_inside(fake->env, slot->plan, false);
	gmem_for_each_run(slot, i, run)
		fake_unmap(fake, run.start, run.last);
}

static void fake_complete(struct gmem_slot *slot)
{
	struct fake_client *fake = to_fake(slot->client);
	struct gmem_run run;
	unsigned long i;

	fake_note(fake->env, fake->client.name, "complete");
	KUNIT_EXPECT_PTR_EQ(fake->env->test, slot->priv, (void *)fake);
	fake_check_inside(fake->env, slot->plan, true);
	gmem_for_each_run(slot, i, run)
		fake_map(fake, run.start, run.last, true);
}

static void fake_abort(struct gmem_slot *slot)
{
	struct fake_client *fake = to_fake(slot->client);

	fake_note(fake->env, fake->client.name, "abort");
	KUNIT_EXPECT_PTR_EQ(fake->env->test, slot->priv, (void *)fake);
	fake_check_inside(fake->env, slot->plan, false);
	fake_check_mapped(fake->env, slot->plan);
}

static void fake_revoke(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
	struct fake_client *fake = to_fake(client);

	fake_note(fake->env, fake->client.name, "revoke");
	fake_unmap(fake, start, last);
}

static bool fake_check(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
	struct fake_client *fake = to_fake(client);
	pgoff_t index;

	for (index = start; index <= last; index++)
		if (fake->mapped[index] &&
		    (index < fake->keep.start || index > fake->keep.last))
			return false;
	return true;
}

const struct gmem_client_ops fake_client_ops = {
	.prepare = fake_prepare,
	.invalidate = fake_invalidate,
	.complete = fake_complete,
	.abort = fake_abort,
	.revoke = fake_revoke,
	.check = fake_check,
};

static struct fake_env *to_env(struct gmem_provider *provider)
{
	return container_of(provider, struct fake_env, provider);
}

/* A folio turns out to be larger once the claim holds it still. */
static void fake_widen(struct gmem_provider *provider,
		       const struct gmem_plan *plan, struct gmem_run *span)
{
	struct fake_env *env = to_env(provider);

	if (!env->nr_widens++)
		return;
	span->start -= min(span->start, env->wide);
	span->last = min(span->last + env->wide, env->nr_pages - 1);
}

static int fake_reserve(struct gmem_provider *provider, struct gmem_plan *plan)
{
	to_env(provider)->nr_reserved++;
	return 0;
}

static void fake_release(struct gmem_provider *provider,
			 const struct gmem_plan *plan)
{
	to_env(provider)->nr_reserved--;
}

static void fake_settle(struct gmem_provider *provider,
			const struct gmem_plan *plan)
{
	struct fake_env *env = to_env(provider);

	KUNIT_EXPECT_NE(env->test, -EAGAIN,
			gmem_space_lookup(env->space, plan->request.start,
					  GMEM_SCOPE_EFFECTIVE));
	if (env->on_settle)
		env->on_settle(env);
}

static int fake_provider_prepare(struct gmem_provider *provider,
				 const struct gmem_plan *plan,
				 struct gmem_report *report)
{
	struct fake_env *env = to_env(provider);
	unsigned long i;
	pgoff_t index;

	fake_note(env, "P", "prepare");
	if (env->on_prepare)
		env->on_prepare(env);
	fake_check_inside(env, plan, false);
	fake_check_mapped(env, plan);
	if (env->prepare_error)
		return env->prepare_error;
	if (plan->op != GMEM_OP_CONVERT || plan->target != GMEM_PRIVATE)
		return 0;
	for (i = 0; i < plan->nr_runs; i++) {
		for (index = plan->runs[i].start; index <= plan->runs[i].last;
		     index++) {
			if (env->refs[index]) {
				gmem_report_refuse(report, index, "references",
						   env->refs[index] + 1, 1);
				memset(env->frozen, 0, env->nr_pages);
				return -EAGAIN;
			}
			env->frozen[index] = true;
		}
	}
	return 0;
}

static void fake_provider_commit(struct gmem_provider *provider,
				 const struct gmem_plan *plan)
{
	struct fake_env *env = to_env(provider);
	unsigned int c;
	unsigned long i;
	struct gmem_run run;

	fake_note(env, "P", "commit");
	fake_check_inside(env, plan, false);
	for (i = 0; i < plan->nr_runs; i++)
		if (plan->op == GMEM_OP_CONVERT &&
		    plan->target == GMEM_PRIVATE)
			KUNIT_EXPECT_TRUE(env->test,
					  !memchr_inv(env->frozen +
						      plan->runs[i].start, 1,
						      plan->runs[i].last -
						      plan->runs[i].start + 1));
	for (c = 0; c < env->nr_clients; c++) {
		struct fake_client *fake = &env->clients[c];
		struct gmem_slot slot = {
			.plan = plan, .span = fake->client.range,
			.last_run = plan->nr_runs - 1,
		};

		if (fake->client.policy != GMEM_POLICY_UNMAP &&
		    plan->op == GMEM_OP_CONVERT)
			continue;
		gmem_for_each_run(&slot, i, run)
			KUNIT_EXPECT_TRUE_MSG(env->test,
					      fake_check(&fake->client,
							 run.start, run.last),
					      "%s still maps %lu-%lu (G4)",
					      fake->client.name, run.start,
					      run.last);
	}
}

static void fake_provider_thaw(struct gmem_provider *provider,
			       struct gmem_plan *plan)
{
	struct fake_env *env = to_env(provider);

	fake_note(env, "P", "thaw");
	fake_check_inside(env, plan, true);
	memset(env->frozen, 0, env->nr_pages);
}

static void fake_provider_revoke(struct gmem_provider *provider, pgoff_t start,
				 pgoff_t last)
{
	struct fake_env *env = to_env(provider);

	fake_note(env, "P", "revoke");
}

/* Rounds out to four pages, as if that were the size of a folio. */
static void fake_provider_quarantine(struct gmem_provider *provider,
				     struct gmem_run *run)
{
	struct fake_env *env = to_env(provider);

	fake_note(env, "P", "quarantine");
	run->start = round_down(run->start, 4);
	run->last = min(run->last | 3, env->nr_pages - 1);
	env->quarantined = *run;
}

static const struct gmem_provider_ops fake_provider_ops = {
	.widen = fake_widen,
	.reserve = fake_reserve,
	.settle = fake_settle,
	.prepare = fake_provider_prepare,
	.commit = fake_provider_commit,
	.thaw = fake_provider_thaw,
	.release = fake_release,
	.revoke = fake_provider_revoke,
	.quarantine = fake_provider_quarantine,
};

static void fake_env_unregister(struct fake_env *env)
{
	unsigned int c;

	for (c = 0; c < env->nr_clients; c++)
		if (env->clients[c].client.space)
			gmem_client_unregister(&env->clients[c].client);
}

static void fake_env_free(void *data)
{
	struct fake_env *env = data;

	fake_env_unregister(env);
	KUNIT_EXPECT_EQ(env->test, 0, env->nr_reserved);
	gmem_space_free(env->space);
}

static void fake_env_unwrap(void *data)
{
	fake_env_unregister(data);
}

/* Fake clients on the space of a real provider. */
struct fake_env *fake_env_wrap(struct kunit *test, struct gmem_space *space,
			       pgoff_t nr_pages)
{
	struct fake_env *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, env);
	env->test = test;
	env->nr_pages = nr_pages;
	env->space = space;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_env_unwrap, env));
	return env;
}

struct fake_env *fake_env_alloc(struct kunit *test, pgoff_t nr_pages,
				enum gmem_state state)
{
	struct fake_env *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, env);
	env->test = test;
	env->nr_pages = nr_pages;
	env->provider.ops = &fake_provider_ops;
	env->refs = kunit_kzalloc(test, nr_pages, GFP_KERNEL);
	env->frozen = kunit_kzalloc(test, nr_pages, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, env->refs);
	KUNIT_ASSERT_NOT_NULL(test, env->frozen);
	env->space = gmem_space_alloc("fake", nr_pages, state, &env->provider);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, env->space);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, fake_env_free, env));
	return env;
}

/* Registers a client that has been filled in; it maps its range from then on. */
int fake_client_try(struct fake_env *env, struct fake_client *fake)
{
	int ret = gmem_client_register(env->space, &fake->client);

	if (!ret)
		fake_map(fake, fake->client.range.start,
			 fake->client.range.last, true);
	return ret;
}

struct fake_client *fake_client_add(struct fake_env *env, enum gmem_rank rank,
				    enum gmem_policy policy, pgoff_t start,
				    pgoff_t last)
{
	static const char * const names[FAKE_MAX_CLIENTS] = {
		"A", "B", "C", "D",
	};
	struct fake_client *fake = &env->clients[env->nr_clients];

	KUNIT_ASSERT_LT(env->test, env->nr_clients, FAKE_MAX_CLIENTS);
	fake->env = env;
	fake->refuse_index = ULONG_MAX;
	fake->mapped = kunit_kzalloc(env->test, env->nr_pages, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(env->test, fake->mapped);
	fake->client = (struct gmem_client){
		.ops = &fake_client_ops,
		.name = names[env->nr_clients],
		.rank = rank,
		.policy = policy,
		.range = { start, last },
		.owner = THIS_MODULE,
	};
	KUNIT_ASSERT_EQ(env->test, 0, fake_client_try(env, fake));
	env->nr_clients++;
	return fake;
}

void fake_client_remove(struct fake_client *fake)
{
	fake_map(fake, fake->client.range.start, fake->client.range.last, false);
	gmem_client_unregister(&fake->client);
}

/* Nothing has been begun that was not ended (G7, G1). */
void fake_expect_balanced(struct fake_env *env)
{
	unsigned int c;

	for (c = 0; c < env->nr_clients; c++)
		KUNIT_EXPECT_EQ(env->test, 0,
				atomic_long_read(&env->clients[c].client.nr_open));
	KUNIT_EXPECT_EQ(env->test, 0, env->nr_reserved);
	KUNIT_EXPECT_TRUE(env->test, !memchr_inv(env->frozen, 0, env->nr_pages));
	KUNIT_EXPECT_TRUE(env->test, RB_EMPTY_ROOT(&env->space->overlay.fences));
	KUNIT_EXPECT_TRUE(env->test,
			  RB_EMPTY_ROOT(&env->space->overlay.claims.rb_root));
}

/* Forgets what was called and maps everything again. */
void fake_env_reset(struct fake_env *env)
{
	unsigned int c;

	env->journal[0] = 0;
	for (c = 0; c < env->nr_clients; c++) {
		struct fake_client *fake = &env->clients[c];

		fake->plan[0] = 0;
		fake_map(fake, fake->client.range.start,
			 fake->client.range.last, true);
	}
}

/* Sets states directly, without a transaction. */
void fake_env_set_state(struct fake_env *env, pgoff_t start, pgoff_t last,
			enum gmem_state state)
{
	struct gmem_map_reserve reserve = {};

	KUNIT_ASSERT_EQ(env->test, 0, gmem_map_reserve(&reserve, start, last));
	gmem_space_store(env->space, start, last, state, &reserve);
	gmem_map_unreserve(&reserve);
}

/* --- threads ---------------------------------------------------------------- */

static int fake_task_fn(void *data)
{
	struct fake_task *t = data;

	allow_signal(SIGINT);
	t->ret = t->fn(t);
	WRITE_ONCE(t->done, true);
	complete(&t->finished);
	return 0;
}

void fake_task_start(struct fake_task *t, struct fake_env *env,
		     long (*fn)(struct fake_task *t), pgoff_t start,
		     pgoff_t last)
{
	t->env = env;
	t->fn = fn;
	t->start = start;
	t->last = last;
	init_completion(&t->inside);
	init_completion(&t->go_on);
	init_completion(&t->finished);
	t->done = false;
	t->task = kthread_create(fake_task_fn, t, "gmem_task");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(env->test, t->task);
	/* Before it runs, because it may end by itself. */
	get_task_struct(t->task);
	wake_up_process(t->task);
}

/* What the operation returned. */
long fake_task_join(struct fake_task *t)
{
	/* A thread that is stopped before it has run never runs. */
	wait_for_completion(&t->finished);
	kthread_stop(t->task);
	put_task_struct(t->task);
	return t->ret;
}

/* Whether it has not ended although it had the time. */
bool fake_task_waits(struct fake_task *t)
{
	msleep(20);
	return !READ_ONCE(t->done);
}

/* The thread says where it is and stays there. */
void fake_park_here(struct fake_task *t)
{
	complete(&t->inside);
	wait_for_completion(&t->go_on);
}

static void fake_park(struct fake_env *env)
{
	env->on_prepare = NULL;
	fake_park_here(env->parked);
}

/* A conversion to private that stays where the provider prepares. */
void fake_task_park(struct fake_task *t, struct fake_env *env, pgoff_t start,
		    pgoff_t last)
{
	env->parked = t;
	env->on_prepare = fake_park;
	fake_task_start(t, env, fake_task_to_private, start, last);
	wait_for_completion(&t->inside);
}

/* Lets a parked one go on to its end. */
long fake_task_finish(struct fake_task *t)
{
	complete(&t->go_on);
	return fake_task_join(t);
}

long fake_task_to_private(struct fake_task *t)
{
	return gmem_convert_range(t->env->space, t->start, t->last,
				  GMEM_PRIVATE, 0, &t->report);
}

long fake_task_to_shared(struct fake_task *t)
{
	return gmem_convert_range(t->env->space, t->start, t->last, GMEM_SHARED,
				  0, &t->report);
}

long fake_task_punch(struct fake_task *t)
{
	return gmem_punch_range(t->env->space, t->start, t->last, 0, &t->report);
}

long fake_task_revoke(struct fake_task *t)
{
	gmem_revoke_range(t->env->space, t->start, t->last);
	return 0;
}

static int fake_populate_one(void *priv, pgoff_t index)
{
	struct fake_task *t = priv;

	return t->env->on_populate ? t->env->on_populate(t->env, index) : 0;
}

long fake_task_populate(struct fake_task *t)
{
	return gmem_populate_range(t->env->space, t->start, t->last,
				   fake_populate_one, t, &t->report);
}

long fake_task_wait(struct fake_task *t)
{
	return gmem_space_wait(t->env->space, t->start, GMEM_SCOPE_EFFECTIVE,
			       TASK_INTERRUPTIBLE);
}
