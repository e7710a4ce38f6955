// SPDX-License-Identifier: GPL-2.0
/*
 * The small world, exhaustively.
 *
 * Two clients: A maps all eight pages, B the pages 2 to 5.  256 maps x 36 spans
 * x (to private, to shared, punch) x (no fault, each page pinned, A refuses, B
 * refuses, each step fails).  After each operation the result, the report,
 * the calls and what everybody sees must be what the oracle says.
 */
#include <linux/sched.h>

#include "internal.h"
#include "world.h"

/* Maps after which lockdep may rest. */
#define WORLD_LEARNING	7

#define B_FIRST		2
#define B_LAST		5

enum world_fault {
	FAULT_NONE,
	FAULT_PIN_FIRST,	/* page 0; seven more follow */
	FAULT_A = FAULT_PIN_FIRST + WORLD_PAGES,
	FAULT_B,
	FAULT_STEP_FIRST,	/* the first step that may fail; more follow */
};

/* One of them. */
struct world_case {
	unsigned int map;	/* a bit per page, set: shared */
	unsigned int first, last;
	enum gmem_op op;
	enum gmem_state target;
	unsigned int fault;
};

/* What should come of it. */
struct world_want {
	unsigned int changing;	/* a bit per page */
	int ret;
	int index;		/* page in the way, 0 to 7 */
	const char *holder;
	char journal[256];
	char plan_a[64];	/* runs that A sees */
	char plan_b[64];	/* runs that B sees */
};

static unsigned int bits(unsigned int first, unsigned int last)
{
	return GENMASK(last, first);
}

static int pinned_page(const struct world_case *c)
{
	return c->fault >= FAULT_PIN_FIRST && c->fault < FAULT_A ?
	       c->fault - FAULT_PIN_FIRST : -1;
}

static bool step_fault(const struct world_case *c)
{
	return c->fault >= FAULT_STEP_FIRST;
}

/* Runs of @changing, page by page, the plain way. */
static void oracle_plan(unsigned int changing, char *plan, size_t size)
{
	unsigned int i, start = 0;
	bool inside = false;
	size_t used = 0;

	for (i = 0; i <= WORLD_PAGES; i++) {
		bool set = i < WORLD_PAGES && (changing & BIT(i));

		if (set && !inside)
			start = i;
		if (!set && inside)
			used += scnprintf(plan + used, size - used, "%u-%u ",
					  WORLD_BASE + start,
					  WORLD_BASE + i - 1);
		inside = set;
	}
}

static void oracle_journal(struct world *world, struct world_want *want,
			   bool a_refuses, bool b_refuses)
{
	bool b = want->changing & bits(B_FIRST, B_LAST);
	bool p = !world->ops;
	const char *calls[16];
	size_t used = 0;
	int i, nr = 0;

	calls[nr++] = "A:prepare ";
	if (a_refuses)
		goto done;
	if (b)
		calls[nr++] = "B:prepare ";
	if (b_refuses) {
		calls[nr++] = "A:abort ";
		goto done;
	}
	if (p)
		calls[nr++] = "P:prepare ";
	if (want->ret) {
		if (b)
			calls[nr++] = "B:abort ";
		calls[nr++] = "A:abort ";
		goto done;
	}
	calls[nr++] = "A:invalidate ";
	if (b)
		calls[nr++] = "B:invalidate ";
	if (p)
		calls[nr++] = "P:commit P:thaw ";
	if (b)
		calls[nr++] = "B:complete ";
	calls[nr++] = "A:complete ";
done:
	for (i = 0; i < nr; i++)
		used += scnprintf(want->journal + used,
				  sizeof(want->journal) - used, "%s", calls[i]);
}

static void oracle(struct world *world, const struct world_case *c,
		   struct world_want *want)
{
	unsigned int span = bits(c->first, c->last), in_b;
	int pin = pinned_page(c);
	bool a_refuses, b_refuses;

	*want = (struct world_want){ .holder = "" };
	want->changing = c->op == GMEM_OP_PUNCH ? span :
			 c->target == GMEM_SHARED ? span & ~c->map :
			 span & c->map;
	in_b = want->changing & bits(B_FIRST, B_LAST);
	if (step_fault(c)) {
		want->ret = gmem_fault_error(gmem_fault_last());
		return;
	}
	if (!want->changing)
		return;
	a_refuses = c->fault == FAULT_A;
	oracle_plan(want->changing, want->plan_a, sizeof(want->plan_a));
	if (!a_refuses)
		oracle_plan(in_b, want->plan_b, sizeof(want->plan_b));
	b_refuses = c->fault == FAULT_B && in_b;
	if (a_refuses || b_refuses) {
		want->ret = -EBUSY;
		want->index = __ffs(a_refuses ? want->changing : in_b);
		want->holder = a_refuses ? "A" : "B";
	} else if (pin >= 0 && c->op == GMEM_OP_CONVERT &&
		   c->target == GMEM_PRIVATE && (want->changing & BIT(pin))) {
		want->ret = -EAGAIN;
		want->index = pin;
		want->holder = "references";
	}
	oracle_journal(world, want, a_refuses, b_refuses);
}

/* Brings the map to @map, storing no more than differs. */
static void world_set_map(struct world *world, unsigned int map)
{
	unsigned int i;

	for (i = 0; i < WORLD_PAGES; i++) {
		enum gmem_state state = !!(map & BIT(i));
		pgoff_t index = WORLD_BASE + i;

		if (gmem_map_lookup(&world->env->space->map, index) != state)
			fake_env_set_state(world->env, index, index, state);
	}
}

static void world_fault_on(struct world *world, const struct world_case *c)
{
	int pin = pinned_page(c);

	world->env->clients[0].refuse = c->fault == FAULT_A ? -EBUSY : 0;
	world->env->clients[1].refuse = c->fault == FAULT_B ? -EBUSY : 0;
	if (pin >= 0 && world->ops)
		world->ops->pin(world, pin);
	else if (pin >= 0)
		world->env->refs[WORLD_BASE + pin] = 1;
	if (step_fault(c))
		gmem_fault_nth(c->fault - FAULT_STEP_FIRST + 1);
}

static void world_fault_off(struct world *world, const struct world_case *c)
{
	int pin = pinned_page(c);

	if (pin >= 0 && world->ops)
		world->ops->unpin(world, pin);
	else if (pin >= 0)
		world->env->refs[WORLD_BASE + pin] = 0;
}

static bool world_check_map(struct world *world, const struct world_case *c,
			    const struct world_want *want)
{
	unsigned int i, map = c->map, span = bits(c->first, c->last);

	if (!want->ret && c->op == GMEM_OP_CONVERT)
		map = c->target == GMEM_SHARED ? map | span : map & ~span;
	for (i = 0; i < WORLD_PAGES; i++)
		if (gmem_map_lookup(&world->env->space->map, WORLD_BASE + i) !=
		    !!(map & BIT(i)))
			return false;
	return true;
}

/* A step that failed on demand: unchanged, whoever was called until then. */
static const char *world_check_step(struct world *world,
				    const struct gmem_report *report)
{
	pgoff_t index = report->index - WORLD_BASE;

	if (index >= WORLD_PAGES)
		return "index of the report";
	fake_expect_balanced(world->env);
	return NULL;
}

/* Whether all is as the oracle says; what is not, in words. */
static const char *world_check(struct world *world, const struct world_case *c,
			       const struct world_want *want, int ret,
			       const struct gmem_report *report)
{
	struct fake_env *env = world->env;

	if (ret != want->ret)
		return "result";
	if (ret && report->error != ret)
		return "error of the report";
	if (!world_check_map(world, c, want))
		return "states";
	if (step_fault(c))
		return world_check_step(world, report);
	if (ret && report->index != WORLD_BASE + want->index)
		return "index of the report";
	if (strcmp(report->holder, want->holder))
		return "holder of the report";
	if (!ret && memchr_inv(report, 0, sizeof(*report)))
		return "a report of success";
	if (ret == -EAGAIN && report->refs_seen != report->refs_expected +
	    (world->ops ? world->ops->pin_refs : 1))
		return "references of the report";
	if (strcmp(env->journal, want->journal))
		return "calls";
	if (strcmp(env->clients[0].plan, want->plan_a) ||
	    strcmp(env->clients[1].plan, want->plan_b))
		return "runs";
	if (memchr_inv(env->clients[0].mapped + WORLD_BASE, 1, WORLD_PAGES) ||
	    memchr_inv(env->clients[1].mapped + WORLD_BASE + B_FIRST, 1,
		       B_LAST - B_FIRST + 1))
		return "translations";
	if (!RB_EMPTY_ROOT(&env->space->overlay.fences) ||
	    !RB_EMPTY_ROOT(&env->space->overlay.claims.rb_root))
		return "overlay";
	return NULL;
}

/* Returns whether to go on with the next fault. */
static bool world_one(struct world *world, const struct world_case *c,
		      unsigned int *count)
{
	pgoff_t start = WORLD_BASE + c->first, last = WORLD_BASE + c->last;
	struct fake_env *env = world->env;
	struct gmem_report report;
	struct world_want want;
	const char *wrong;
	bool punched;
	int ret;

	world_set_map(world, c->map);
	fake_env_reset(env);
	world_fault_on(world, c);
	if (c->op == GMEM_OP_PUNCH)
		ret = gmem_punch_range(env->space, start, last, 0, &report);
	else
		ret = gmem_convert_range(env->space, start, last, c->target, 0,
					 &report);
	if (step_fault(c) && !gmem_fault_nth_end()) {
		/* There is no such step: the faults are through. */
		world_fault_off(world, c);
		return false;
	}
	++*count;
	oracle(world, c, &want);
	wrong = world_check(world, c, &want, ret, &report);
	punched = !ret && c->op == GMEM_OP_PUNCH;
	if (!wrong && world->ops &&
	    !world->ops->check(world, pinned_page(c),
			       punched ? bits(c->first, c->last) : 0))
		wrong = "references or contents";
	world_fault_off(world, c);
	if (wrong)
		KUNIT_FAIL(env->test,
			   "%s: map %02x pages %u-%u op %d target %d fault %u: %d at %lu, wanted %d at %d; calls '%s', wanted '%s'",
			   wrong, c->map, c->first, c->last, c->op, c->target,
			   c->fault, ret, report.index, want.ret,
			   WORLD_BASE + want.index, env->journal, want.journal);
	return true;
}

static bool world_failed(struct world *world)
{
	return READ_ONCE(world->env->test->status) == KUNIT_FAILURE;
}

static void world_faults(struct world *world, struct world_case *c,
			 unsigned int *count)
{
	for (c->fault = FAULT_NONE; world_one(world, c, count); c->fault++) {
		/* The library's own steps do not depend on the provider. */
		if (world_failed(world) ||
		    (world->ops && c->fault == FAULT_STEP_FIRST - 1))
			return;
	}
}

/**
 * world_run() - go through the whole world
 * @world: the world; A and B are registered here
 *
 * Stops at the first thing that is wrong.
 */
void world_run(struct world *world)
{
	static const struct {
		enum gmem_op op;
		enum gmem_state target;
	} ops[] = {
		{ GMEM_OP_CONVERT, GMEM_PRIVATE },
		{ GMEM_OP_CONVERT, GMEM_SHARED },
		{ GMEM_OP_PUNCH, GMEM_PRIVATE },
	};
	struct world_case c = {};
	unsigned int i, count = 0;
	bool learnt = false;

	fake_client_add(world->env, GMEM_RANK_DEVICE, GMEM_POLICY_UNMAP,
			WORLD_BASE, WORLD_BASE + WORLD_PAGES - 1);
	fake_client_add(world->env, GMEM_RANK_MMU, GMEM_POLICY_UNMAP,
			WORLD_BASE + B_FIRST, WORLD_BASE + B_LAST);
	for (c.map = 0; c.map < BIT(WORLD_PAGES); c.map++) {
		for (c.first = 0; c.first < WORLD_PAGES; c.first++) {
			for (c.last = c.first; c.last < WORLD_PAGES; c.last++) {
				for (i = 0; i < ARRAY_SIZE(ops); i++) {
					c.op = ops[i].op;
					c.target = ops[i].target;
					world_faults(world, &c, &count);
					if (world_failed(world))
						goto out;
				}
			}
		}
		/*
		 * Every order in which locks are taken has been seen many times
		 * by now; to go on checking would be most of the run time.
		 */
		if (c.map == WORLD_LEARNING && !world_failed(world)) {
			learnt = true;
			lockdep_off();
		}
		cond_resched();
	}
out:
	if (learnt)
		lockdep_on();
	kunit_info(world->env->test, "%u operations\n", count);
}
