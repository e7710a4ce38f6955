// SPDX-License-Identifier: GPL-2.0
/*
 * Fakes for gmem_convert's tests.
 *
 * The fake clients map every page that they may, all the time.  That makes them
 * strict: a translation that is taken away before everybody agreed, or that is
 * left when the page changes hands, is seen by whoever is called next.
 */
#include <kunit/test.h>
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
		fake_map(fake, run.start, run.last, false);
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
	fake_map(fake, start, last, false);
}

static bool fake_check(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
	return !memchr_inv(to_fake(client)->mapped + start, 0,
			   last - start + 1);
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
static void fake_widen(struct gmem_provider *provider, struct gmem_run *span)
{
	struct fake_env *env = to_env(provider);

	if (!env->nr_widens++)
		return;
	span->start -= min(span->start, env->wide);
	span->last = min(span->last + env->wide, env->nr_pages - 1);
}

static int fake_reserve(struct gmem_provider *provider, struct gmem_plan *plan)
{
	if (gmem_should_fail())
		return -ENOMEM;
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
			       const struct gmem_plan *plan)
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

static const struct gmem_provider_ops fake_provider_ops = {
	.widen = fake_widen,
	.reserve = fake_reserve,
	.settle = fake_settle,
	.prepare = fake_provider_prepare,
	.commit = fake_provider_commit,
	.thaw = fake_provider_thaw,
	.release = fake_release,
	.revoke = fake_provider_revoke,
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
