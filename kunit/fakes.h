/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fakes for gmem_convert's tests: clients and a provider that write down every
 * call, do what they are told to, and check the protocol from inside.
 */
#ifndef _GMEM_TEST_FAKES_H
#define _GMEM_TEST_FAKES_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/gmem_client.h>
#include <linux/gmem_provider.h>

#define FAKE_MAX_CLIENTS	4

struct fake_env;
struct fake_task;

/**
 * struct fake_client - a client that maps every page it may
 * @client: as registered
 * @env: what it belongs to
 * @refuse: what prepare returns
 * @refuse_index: page that prepare names, or ULONG_MAX for none
 * @keep: hardware keeps these pages when they are to be unmapped, unless empty
 * @mapped: pages it maps, one byte each
 * @plan: set by prepare to the runs it saw, in words
 */
struct fake_client {
	struct gmem_client client;
	struct fake_env *env;
	int refuse;
	pgoff_t refuse_index;
	struct gmem_run keep;
	u8 *mapped;
	char plan[128];
};

/**
 * struct fake_env - a space with fake clients and, usually, a fake provider
 * @test: the test
 * @space: the space
 * @provider: the fake provider's
 * @nr_pages: pages in the space
 * @clients: the clients, named A, B, ...
 * @nr_clients: how many of them are registered
 * @refs: references that others hold on each page
 * @frozen: pages that are frozen
 * @journal: calls, in order: "A:prepare "
 * @prepare_error: what the provider's prepare returns, or 0 to look at @refs
 * @on_settle: called by the provider's settle
 * @on_prepare: called by the provider's prepare, before anything else
 * @parked: the task that fake_task_park() holds there
 * @on_populate: called by fake_task_populate() for each page
 * @quarantined: what the provider was told to keep, the last time
 * @wide: what widen adds at each end, in pages, from its second call on
 * @nr_widens: calls of widen
 * @nr_reserved: reserves without their release
 */
struct fake_env {
	struct kunit *test;
	struct gmem_space *space;
	struct gmem_provider provider;
	pgoff_t nr_pages;
	struct fake_client clients[FAKE_MAX_CLIENTS];
	unsigned int nr_clients;
	u8 *refs;
	u8 *frozen;
	char journal[1024];
	int prepare_error;
	void (*on_settle)(struct fake_env *env);
	void (*on_prepare)(struct fake_env *env);
	struct fake_task *parked;
	int (*on_populate)(struct fake_env *env, pgoff_t index);
	struct gmem_run quarantined;
	pgoff_t wide;
	unsigned int nr_widens;
	unsigned int nr_reserved;
};

/**
 * struct fake_task - a thread that does one operation
 * @env: on what
 * @fn: what
 * @start: first page
 * @last: last page, inclusive
 * @report: of the operation
 * @ret: what it returned, once @done
 * @done: set when it has returned
 * @inside: completed when it has parked
 * @go_on: completed to let it go on
 * @finished: completed when it has returned
 * @task: the thread
 */
struct fake_task {
	struct fake_env *env;
	long (*fn)(struct fake_task *t);
	pgoff_t start, last;
	struct gmem_report report;
	long ret;
	bool done;
	struct completion inside;
	struct completion go_on;
	struct completion finished;
	struct task_struct *task;
};

void fake_task_start(struct fake_task *t, struct fake_env *env,
		     long (*fn)(struct fake_task *t), pgoff_t start,
		     pgoff_t last);
long fake_task_join(struct fake_task *t);
bool fake_task_waits(struct fake_task *t);
void fake_task_park(struct fake_task *t, struct fake_env *env, pgoff_t start,
		    pgoff_t last);
long fake_task_finish(struct fake_task *t);
void fake_park_here(struct fake_task *t);
long fake_task_to_private(struct fake_task *t);
long fake_task_to_shared(struct fake_task *t);
long fake_task_punch(struct fake_task *t);
long fake_task_revoke(struct fake_task *t);
long fake_task_populate(struct fake_task *t);
long fake_task_wait(struct fake_task *t);

struct fake_env *fake_env_alloc(struct kunit *test, pgoff_t nr_pages,
				enum gmem_state state);
struct fake_env *fake_env_wrap(struct kunit *test, struct gmem_space *space,
			       pgoff_t nr_pages);
struct fake_client *fake_client_add(struct fake_env *env, enum gmem_rank rank,
				    enum gmem_policy policy, pgoff_t start,
				    pgoff_t last);
int fake_client_try(struct fake_env *env, struct fake_client *client);
void fake_client_remove(struct fake_client *client);
void fake_env_reset(struct fake_env *env);
void fake_env_set_state(struct fake_env *env, pgoff_t start, pgoff_t last,
			enum gmem_state state);

void fake_expect_balanced(struct fake_env *env);

extern const struct gmem_client_ops fake_client_ops;

/**
 * FAKE_EXPECT_STATE() - every page of a span is in a state, and no fence is up
 * @env: the environment
 * @start: first page
 * @last_: last page, inclusive
 * @state: expected
 */
#define FAKE_EXPECT_STATE(env, start, last_, state)			\
	do {								\
		for (pgoff_t _i = (start); _i <= (last_); _i++)		\
			KUNIT_EXPECT_EQ_MSG((env)->test, (int)(state),	\
				gmem_space_lookup((env)->space, _i,	\
						  GMEM_SCOPE_EFFECTIVE), \
				"page %lu", _i);			\
	} while (0)

#endif /* _GMEM_TEST_FAKES_H */
