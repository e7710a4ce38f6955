// SPDX-License-Identifier: GPL-2.0
/*
 * The stand-alone guest_memfd, used by four CPUs at the same time.
 *
 * The test itself runs on CPU 0 and, as a rule, converts; its members, threads
 * or processes, run on a CPU each and use the pages meanwhile.  What they may
 * see is decided by *eras*: the test says what has happened so far by a number
 * in ordinary memory, after it has happened; who has read that number must not
 * find anything older in the pages.
 *
 *	era % 2		the pages in play
 *	-------		-----------------
 *	ERA_SHARED	are shared, or being made private
 *	ERA_PRIVATE	are private: the call that made them so has returned
 *
 * A store or load that succeeds in ERA_PRIVATE went through a translation that
 * should be gone (G4).  After a few of them a member parks until the next era,
 * and the test waits for that before it makes the pages shared again: no access
 * of an era of the one kind is still on its way in one of the other.
 *
 * A race that did not happen proves nothing: each test counts the events that
 * it is about, goes on until there were enough, and fails without them.
 *
 * At the end, what takes this lane's kernel rather than its CPUs: memory that
 * fails, and who pays for memory.
 */
#include "gmem_tap.h"

#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define SMP_CPUS	4
#define NR_MEMBERS	3U

/* How long a test runs, and how much longer if too little has happened. */
#define RUN_US		2500000
#define MORE_US		20000000

#define __aligned(x)		__attribute__((__aligned__(x)))

/* For userspace: the same guarantees as the kernel's. */
#define load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

static void on_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	EXPECT(!sched_setaffinity(0, sizeof(set), &set));
}

static void cpu_relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

/* Once around a loop that waits: at first quick, then polite. */
static void relax(unsigned int *turns)
{
	if (++*turns < 50)
		cpu_relax();
	else
		usleep(20);
}

/* Since when a test has been running. */
struct timer {
	__u64 begin;
};

static struct timer timer_start(void)
{
	return (struct timer){ gu_now_us() };
}

/* Whether a test goes on, that should do something @enough times. */
static bool timer_goes(const struct timer *t, unsigned long done,
		       unsigned long enough)
{
	__u64 us = gu_now_us() - t->begin;

	return us < RUN_US || (done < enough && us < MORE_US);
}

static void delay(unsigned long turns)
{
	while (turns--)
		cpu_relax();
}

/* --- memory that may be out of reach, for threads -------------------------- */

static __thread sigjmp_buf access_jmp;
static __thread volatile sig_atomic_t access_armed;

static void access_handler(int sig, siginfo_t *info, void *context)
{
	if (!access_armed) {
		gu_sigbus_handler(sig, info, context);
		return;
	}
	siglongjmp(access_jmp, 1);
}

static void access_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = access_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

/* One load or one store; whether it could be done. */
static bool try_load(const void *addr, __u64 *value)
{
	if (sigsetjmp(access_jmp, 0)) {
		access_armed = 0;
		return false;
	}
	access_armed = 1;
	*value = READ_ONCE(*(const __u64 *)addr);
	access_armed = 0;
	return true;
}

static bool try_store(void *addr, __u64 value)
{
	if (sigsetjmp(access_jmp, 0)) {
		access_armed = 0;
		return false;
	}
	access_armed = 1;
	WRITE_ONCE(*(__u64 *)addr, value);
	access_armed = 0;
	return true;
}

/* --- members --------------------------------------------------------------- */

/* Era or round that a member has got to, for the test to wait for. */
enum step {
	STEP_LANDED,		/* an access that succeeded */
	STEP_PARKED,		/* after those that did not */
	STEP_DONE,		/* all it does in a round */
	NR_STEPS
};

/* What a member counts. */
enum event {
	EVENT_ACCESS,		/* it succeeded */
	EVENT_RACE,		/* refused before the conversion had returned */
	EVENT_REFUSED,		/* refused because the page is private */
	EVENT_ZERO,		/* a punched page was seen */
	EVENT_CHECK,		/* a check that could have failed */
	EVENT_CONVERSION,
	NR_EVENTS
};

#define HOLES		16UL	/* pages that are punched */
#define WORLD		32UL	/* pieces that a word of states can say */

struct member {
	unsigned int number;
	void (*run)(struct member *m);
	pthread_t thread;
	pid_t pid;
	__u64 seed;
	bool ended;
	unsigned long at[NR_STEPS];
	unsigned long count[NR_EVENTS];
	/* Its latest stores, to the first pages of those in play. */
	unsigned long stored[HOLES];
} __aligned(128);

struct op {
	unsigned long first, nr;
	bool private;
	int ret;
	unsigned long begin, end;
};

/* One per test, shared with its processes. */
static struct game {
	struct file f;
	/* Pages in play, changed only while everybody is parked. */
	unsigned long base, nr, stride;
	/* The era, and of ERA_PRIVATE, which of the pages are private. */
	unsigned long era __aligned(128);
	unsigned long first, last;
	unsigned long round;
	bool stop, over;
	unsigned long ticket __aligned(128);
	unsigned long generation[HOLES];
	struct op ops[SMP_CPUS];
	struct file passing;
	struct member members[NR_MEMBERS];
} *game;

#define for_each_member(m)	\
	for ((m) = game->members; (m) < game->members + NR_MEMBERS; (m)++)

static void game_create(struct file f)
{
	game = shared_memory(sizeof(*game));
	game->f = f;
	game->nr = f.nr;
	game->stride = 1;
	access_init();
	on_cpu(0);
}

static void member_run(struct member *m)
{
	unsigned int turns = 0;

	on_cpu(1 + m->number);
	m->run(m);
	/* An exit lets go of pages, which would refuse what others convert. */
	store_release(&m->ended, true);
	while (!load_acquire(&game->over))
		relax(&turns);
}

static void *member_thread(void *m)
{
	member_run(m);
	return NULL;
}

static struct member *member_init(unsigned int number,
				  void (*run)(struct member *m))
{
	struct member *m = &game->members[number];

	m->number = number;
	m->seed = SEED + number;
	m->run = run;
	return m;
}

static void start_thread(unsigned int number, void (*run)(struct member *m))
{
	struct member *m = member_init(number, run);

	EXPECT_EQ(pthread_create(&m->thread, NULL, member_thread, m), 0);
}

static void start_process(unsigned int number, void (*run)(struct member *m))
{
	struct member *m = member_init(number, run);

	pid_t pid = child();

	if (!pid) {
		member_run(m);
		_exit(0);
	}
	/* Not by both: it is shared memory. */
	m->pid = pid;
}

static bool stopped(void)
{
	return load_acquire(&game->stop);
}

static void wait_ended(void)
{
	struct member *m;
	unsigned int turns;

	for_each_member(m)
		for (turns = 0; m->run && !load_acquire(&m->ended);)
			relax(&turns);
}

static void stop_members(void)
{
	struct member *m;

	store_release(&game->stop, true);
	wait_ended();
	store_release(&game->over, true);
	for_each_member(m) {
		if (m->pid)
			EXPECT_EXIT(m->pid);
		else if (m->run)
			EXPECT_EQ(pthread_join(m->thread, NULL), 0);
	}
}

static void reached(struct member *m, enum step what, unsigned long value)
{
	store_release(&m->at[what], value);
}

static void wait_member(struct member *m, enum step what, unsigned long value)
{
	unsigned int turns = 0;

	while (m->run && load_acquire(&m->at[what]) != value)
		relax(&turns);
}

/* Until every member has got to @value. */
static void wait_members(enum step what, unsigned long value)
{
	struct member *m;

	for_each_member(m)
		wait_member(m, what, value);
}

static unsigned long total(enum event event)
{
	unsigned long n = 0;
	struct member *m;

	for_each_member(m)
		n += READ_ONCE(m->count[event]);
	return n;
}

static unsigned long member_random(struct member *m)
{
	/* The low bits of the generator are its worst. */
	return gu_random(&m->seed) >> 16;
}

/* Of two things that did not overlap, the later one has the larger number. */
static unsigned long next_ticket(void)
{
	return __atomic_fetch_add(&game->ticket, 1, __ATOMIC_SEQ_CST);
}

/* Each member has a word of its own in every page; word 0 is the test's. */
static __u64 *word_of(const struct member *m, unsigned long index)
{
	return (__u64 *)page(&game->f, index) + 1 + m->number;
}

/* --- G4: eras --------------------------------------------------------------- */

enum { ERA_SHARED, ERA_PRIVATE, ERA_STEP };

/* Accesses in ERA_PRIVATE before a member parks. */
#define TRIES		4

static unsigned long page_in_play(unsigned long n)
{
	return game->base + n * game->stride;
}

/* Number of a page in play; in ERA_PRIVATE, rather one that is private. */
static unsigned long pick_page(struct member *m, unsigned long era)
{
	unsigned long random = member_random(m);

	if (era % ERA_STEP == ERA_PRIVATE && game->stride == 1 && (random & 1))
		return game->first - game->base +
		       (random >> 1) % (game->last - game->first + 1);
	return (random >> 1) % game->nr;
}

/* An access to page @index by who had read @era before: was that right? */
static void judge(struct member *m, unsigned long era, unsigned long index,
		  bool ok)
{
	bool private = era % ERA_STEP == ERA_PRIVATE &&
		       index >= game->first && index <= game->last;

	if (private) {
		if (ok)
			fail(__LINE__, "member %u got at page %lu after it was private",
			     m->number, index);
		m->count[EVENT_REFUSED]++;
	} else if (ok) {
		m->count[EVENT_ACCESS]++;
		reached(m, STEP_LANDED, era);
	} else if (era % ERA_STEP == ERA_PRIVATE) {
		fail(__LINE__, "page %lu, which was not converted, refuses",
		     index);
	} else {
		m->count[EVENT_RACE]++;
	}
}

static void touch_by_store(struct member *m, unsigned long era)
{
	unsigned long n = pick_page(m, era), index = page_in_play(n);
	bool ok = try_store(word_of(m, index), era);

	judge(m, era, index, ok);
	if (ok && n < HOLES)
		m->stored[n] = era;
}

/*
 * Runs @touch all the time in one kind of era, and a few times in the other.
 * Where the host has fewer CPUs than this, the converter would not get far if
 * all members always ran: only one of them does.
 */
static void play_eras(struct member *m,
		      void (*touch)(struct member *m, unsigned long era))
{
	unsigned long private = 0;
	unsigned int tries = 0, turns = 0, burst = 0;

	while (!stopped()) {
		unsigned long era = load_acquire(&game->era);

		if (!era) {
			relax(&turns);
		} else if (era % ERA_STEP == ERA_SHARED) {
			touch(m, era);
			if (m->number && !(++burst % 64))
				usleep(20);
		} else if (era != private) {
			private = era;
			tries = 0;
		} else if (tries++ < TRIES) {
			touch(m, era);
			turns = 0;
		} else {
			reached(m, STEP_PARKED, era);
			relax(&turns);
		}
	}
}

static void store_at_full_speed(struct member *m)
{
	play_eras(m, touch_by_store);
}

/*
 * In pages that are shared again there is no store of ERA_PRIVATE, and of those
 * of ERA_SHARED none is missing.
 */
static void look_for_stores(unsigned long era)
{
	unsigned long n, index;
	struct member *m;
	__u64 value;

	for (n = 0; n < game->nr; n++) {
		index = page_in_play(n);
		if (index < game->first || index > game->last)
			continue;
		for_each_member(m) {
			value = *word_of(m, index);
			/* Older ones are from when it was not converted. */
			if (value > era)
				fail(__LINE__, "page %lu has a store of era %llu",
				     index, value);
			if (n < HOLES && m->stored[n] == era && value != era)
				fail(__LINE__, "page %lu has lost a store of member %u",
				     index, m->number);
		}
	}
}

enum {
	PLAY_PART = 1,		/* convert a random part of the pages */
	PLAY_NEW = 2,		/* in each round a page each in new blocks */
	PLAY_PASSING = 4,	/* references that pass may refuse */
};

/* Makes the pages private; how often that was refused. */
static unsigned long play_private(unsigned int flags)
{
	unsigned long refusals;

	for (refusals = 0; ; refusals++) {
		int ret = to_private(&game->f, game->first,
				     game->last - game->first + 1);

		if (!ret)
			return refusals;
		EXPECT_EQ(ret, flags & PLAY_PASSING ? -EAGAIN : 0);
		EXPECT(refusals < 10000);
		usleep(20);
	}
}

#define ROUNDS		100

/* The converter's side; ends the members. */
static void play_conversions(unsigned int flags)
{
	unsigned long era = ERA_STEP, rounds = 0, refusals = 0;
	struct timer timer = timer_start();
	__u64 seed = SEED;

	for (; timer_goes(&timer, rounds, ROUNDS); rounds++, era += ERA_STEP) {
		__u64 random = gu_random(&seed) >> 16;

		if (flags & PLAY_NEW) {
			game->nr = 8;
			game->stride = BLOCK;
			game->base = (rounds * game->nr + 1) * BLOCK +
				     random % BLOCK;
			if (game->base + game->nr * BLOCK > game->f.nr)
				break;
		}
		game->first = game->base;
		game->last = page_in_play(game->nr - 1);
		if (flags & PLAY_PART) {
			game->first += random % game->nr;
			game->last = game->first + (random >> 20) %
				     (game->last - game->first + 1);
		}

		store_release(&game->era, era + ERA_SHARED);
		/*
		 * Whoever has a translation now is to lose it, and whoever is
		 * about to get the first one of a page is not to get it.
		 */
		if (flags & PLAY_NEW)
			wait_member(&game->members[random % 2], STEP_LANDED,
				    era + ERA_SHARED);
		else
			wait_members(STEP_LANDED, era + ERA_SHARED);
		delay((random >> 40) % 100);
		refusals += play_private(flags);
		store_release(&game->era, era + ERA_PRIVATE);
		wait_members(STEP_PARKED, era + ERA_PRIVATE);
		EXPECT_EQ(to_shared(&game->f, game->first,
				    game->last - game->first + 1), 0);
		look_for_stores(era);
	}
	stop_members();
	NOTE("%lu rounds, %lu accesses, %lu refused meanwhile, %lu after, %lu conversions refused",
	     rounds, total(EVENT_ACCESS), total(EVENT_RACE),
	     total(EVENT_REFUSED), refusals);
	EXPECT(rounds >= ROUNDS);
	EXPECT(total(EVENT_RACE) >= ROUNDS / 10);
	EXPECT(total(EVENT_REFUSED) >= rounds);
}

static struct file one_page(void)
{
	return file_create(1, SHARED_FILE);
}

static void a_store_of_another_cpu_ends_with_the_conversion(void)
{
	game_create(one_page());
	start_thread(0, store_at_full_speed);
	/* Two CPUs only, so that each has one of the host's. */
	play_conversions(0);
}

static void stores_of_threads_on_all_cpus_end_with_the_conversion(void)
{
	unsigned int n;

	game_create(one_page());
	for (n = 0; n < NR_MEMBERS; n++)
		start_thread(n, store_at_full_speed);
	play_conversions(0);
}

static void stores_of_processes_on_all_cpus_end_with_the_conversion(void)
{
	unsigned int n;

	game_create(one_page());
	for (n = 0; n < NR_MEMBERS; n++)
		start_process(n, store_at_full_speed);
	play_conversions(0);
}

/* What a member may only read it has mapped at an address of its own. */
static __thread const char *read_only_map;

static void touch_by_load(struct member *m, unsigned long era)
{
	unsigned long index = page_in_play(pick_page(m, era));
	__u64 value = 0;

	judge(m, era, index,
	      try_load(read_only_map + gu_bytes(index), &value));
	/* The test's word: nobody stores to it. */
	EXPECT_EQ(value, 0);
}

static void load_at_full_speed(struct member *m)
{
	read_only_map = mmap(NULL, gu_bytes(game->f.nr), PROT_READ, MAP_SHARED,
			     game->f.fd, 0);
	EXPECT(read_only_map != MAP_FAILED);
	play_eras(m, touch_by_load);
}

static void loads_through_read_only_mappings_end_with_the_conversion(void)
{
	game_create(one_page());
	start_process(0, load_at_full_speed);
	start_thread(1, load_at_full_speed);
	start_thread(2, load_at_full_speed);
	play_conversions(0);
}

static void a_part_of_a_file_converts_and_nothing_else(void)
{
	game_create(file_create(BLOCK + 100, SHARED_FILE));
	/* Across the border of two blocks. */
	game->base = BLOCK - 60;
	game->nr = 120;
	start_process(0, store_at_full_speed);
	start_thread(1, store_at_full_speed);
	start_thread(2, load_at_full_speed);
	play_conversions(PLAY_PART);
}

/* A few accesses by a process that is as new as its copy of the mapping. */
static void touch_by_child(struct member *m, unsigned long era)
{
	pid_t pid = child();
	unsigned int i;

	if (pid) {
		EXPECT_EXIT(pid);
		return;
	}
	for (i = 0; i < TRIES; i++) {
		touch_by_store(m, era);
		era = load_acquire(&game->era);
	}
	_exit(0);
}

static void fork_at_full_speed(struct member *m)
{
	play_eras(m, touch_by_child);
}

static void a_mapping_inherited_meanwhile_obeys(void)
{
	game_create(file_create(8, SHARED_FILE));
	start_process(0, fork_at_full_speed);
	start_process(1, fork_at_full_speed);
	start_process(2, store_at_full_speed);
	play_conversions(PLAY_PASSING);
}

/* Allocates what others fault in and the test converts. */
static void touch_by_fallocate(struct member *m, unsigned long era)
{
	unsigned long index = page_in_play(pick_page(m, era));

	EXPECT(!fallocate(game->f.fd, FALLOC_FL_KEEP_SIZE, gu_bytes(index),
			  gu_bytes(1)));
	m->count[EVENT_CHECK]++;
}

static void allocate_at_full_speed(struct member *m)
{
	play_eras(m, touch_by_fallocate);
}

/*
 * The first folio of a block comes with a table for all of it: in every round
 * there is a race for a table that nobody has yet.
 */
static void a_page_born_while_its_block_converts_obeys(void)
{
	game_create(file_create(16384 * BLOCK, SHARED_FILE));
	start_process(0, store_at_full_speed);
	start_thread(1, store_at_full_speed);
	start_thread(2, allocate_at_full_speed);
	play_conversions(PLAY_NEW);
}

#define NEW_BLOCKS	32UL

/* When a member touched the page of a block. */
struct touch {
	unsigned long begin, end;
};

static struct touch (*touches)[NEW_BLOCKS];	/* by member */

static unsigned long new_page(unsigned long round, unsigned long block)
{
	return ((round - 1) * NEW_BLOCKS + block) * BLOCK;
}

/* All in the same order: who is ahead has more to do, so they stay together. */
static void touch_new_blocks(struct member *m)
{
	unsigned long round = 0, i;
	unsigned int turns = 0;

	while (!stopped()) {
		if (load_acquire(&game->round) == round) {
			relax(&turns);
			continue;
		}
		turns = 0;
		round++;
		for (i = 0; i < NEW_BLOCKS; i++) {
			struct touch *t = &touches[m->number][i];

			t->begin = next_ticket();
			EXPECT(try_store(word_of(m, new_page(round, i)), round));
			t->end = next_ticket();
		}
		reached(m, STEP_DONE, round);
	}
}

/* Where two bring a page, or the table for its block, one of them wins. */
static void several_cpus_bring_a_page_only_once(void)
{
	const unsigned long rounds = 16384 / NEW_BLOCKS;
	struct timer timer = timer_start();
	unsigned long round = 0, met = 0, i;
	struct member *m;

	touches = shared_memory(NR_MEMBERS * sizeof(*touches));
	game_create(file_create(rounds * NEW_BLOCKS * BLOCK, SHARED_FILE));
	start_process(0, touch_new_blocks);
	start_thread(1, touch_new_blocks);
	start_thread(2, touch_new_blocks);
	while (timer_goes(&timer, met, ROUNDS) && round < rounds) {
		store_release(&game->round, ++round);
		wait_members(STEP_DONE, round);
		for (i = 0; i < NEW_BLOCKS; i++) {
			for_each_member(m)
				if (*word_of(m, new_page(round, i)) != round)
					fail(__LINE__, "page %lu has lost the store of member %u",
					     new_page(round, i), m->number);
			met += touches[0][i].begin < touches[1][i].end &&
			       touches[1][i].begin < touches[0][i].end;
			met += touches[1][i].begin < touches[2][i].end &&
			       touches[2][i].begin < touches[1][i].end;
		}
	}
	stop_members();
	NOTE("%lu new blocks, touched by two at once %lu times",
	     round * NEW_BLOCKS, met);
	EXPECT(met >= ROUNDS);
}

/* --- references that nobody should have ------------------------------------- */

#define TOUCHED		48UL

/* Each touches every third page, for the first time. */
static void touch_first(struct member *m)
{
	unsigned long round = 0, i;
	unsigned int turns = 0;

	while (!stopped()) {
		if (load_acquire(&game->round) == round) {
			relax(&turns);
			continue;
		}
		turns = 0;
		round++;
		for (i = m->number; i < TOUCHED; i += NR_MEMBERS) {
			if (try_store(word_of(m, i), round))
				m->count[EVENT_ACCESS]++;
			else
				m->count[EVENT_RACE]++;
		}
		reached(m, STEP_DONE, round);
	}
}

/* Where the pages are first touched, they pass through that CPU's lru batch. */
static void a_page_first_touched_on_one_cpu_converts_from_another(void)
{
	struct timer timer = timer_start();
	unsigned long round = 0, i;
	__u64 seed = SEED;
	unsigned int n;

	game_create(file_create(TOUCHED, SHARED_FILE));
	for (n = 0; n < NR_MEMBERS; n++)
		start_thread(n, touch_first);
	while (timer_goes(&timer, round, ROUNDS)) {
		on_cpu(round % SMP_CPUS);
		store_release(&game->round, ++round);
		/* When all is quiet, or in the middle of it. */
		if (round % 2)
			wait_members(STEP_DONE, round);
		else
			usleep((gu_random(&seed) >> 16) % 500);
		EXPECT_EQ(to_private(&game->f, 0, TOUCHED), 0);
		wait_members(STEP_DONE, round);
		EXPECT_EQ(to_shared(&game->f, 0, TOUCHED), 0);
		for (i = 0; i < TOUCHED; i++) {
			__u64 value = *word_of(&game->members[i % NR_MEMBERS],
					       i);

			EXPECT(value == round || (!value && !(round % 2)));
		}
		EXPECT_EQ(gu_punch(game->f.fd, 0, TOUCHED), 0);
	}
	stop_members();
	NOTE("%lu rounds, %lu first touches, %lu refused", round,
	     total(EVENT_ACCESS), total(EVENT_RACE));
	EXPECT(round >= ROUNDS);
	EXPECT(total(EVENT_ACCESS) >= round / 2 * TOUCHED);
	EXPECT(total(EVENT_RACE) > 0);
}

static void touch_all_the_time(struct member *m)
{
	while (!stopped()) {
		unsigned long index = member_random(m) % game->f.nr;
		__u64 value;
		bool ok;

		if (m->number)
			ok = try_store(word_of(m, index), index);
		else
			ok = try_load(word_of(m, index), &value);
		m->count[ok ? EVENT_ACCESS : EVENT_REFUSED]++;
	}
}

static void faults_on_three_cpus_never_refuse_the_fourth(void)
{
	unsigned long conversions = 0, holes = 0, nr;
	struct timer timer = timer_start();
	__u64 seed = SEED;

	game_create(file_filled(2 * BLOCK));
	nr = game->f.nr;
	start_process(0, touch_all_the_time);
	start_thread(1, touch_all_the_time);
	start_thread(2, touch_all_the_time);
	while (timer_goes(&timer, conversions, ROUNDS)) {
		__u64 random = gu_random(&seed) >> 16;
		unsigned long first = random % (nr - 1);
		unsigned long pages = 1 + (random >> 20) % (nr - first);

		EXPECT_EQ(to_private(&game->f, first, pages), 0);
		/* Now and then, first faults. */
		if (!((random >> 40) % 8)) {
			EXPECT_EQ(gu_punch(game->f.fd, first, pages), 0);
			holes++;
		}
		EXPECT_EQ(to_shared(&game->f, first, pages), 0);
		conversions += 2;
		delay((random >> 40) % 400);
	}
	stop_members();
	NOTE("%lu conversions, %lu holes, %lu accesses, %lu refused",
	     conversions, holes, total(EVENT_ACCESS), total(EVENT_REFUSED));
	EXPECT(conversions >= ROUNDS);
	EXPECT(total(EVENT_ACCESS) >= conversions);
	EXPECT(total(EVENT_REFUSED) > 0);
}

/* --- holes ------------------------------------------------------------------ */

/* What the test stores after it has punched: which page, which hole. */
#define HOLE_WORD(index, generation)	((generation) << 8 | (index))

/*
 * Loads must find nothing from before the latest hole that has been announced.
 * Stores say which hole they came after; the test looks for them.
 */
static void use_holes(struct member *m)
{
	while (!stopped()) {
		unsigned long index = member_random(m) % HOLES;
		unsigned long low = load_acquire(&game->generation[index]);
		__u64 value;

		if (!try_load(page(&game->f, index), &value)) {
			m->count[EVENT_REFUSED]++;
		} else if (!value) {
			m->count[EVENT_ZERO]++;
		} else {
			m->count[EVENT_ACCESS]++;
			if (value % 256 != index || value / 256 < low)
				fail(__LINE__, "page %lu has %llu of page %llu after hole %lu",
				     index, value / 256, value % 256, low);
		}
		if (try_store(word_of(m, index), low))
			store_release(&m->stored[index], low);
	}
}

/* A store that began after the latest hole came back must be in the page. */
static void look_for_lost_stores(unsigned long index)
{
	struct member *m;
	__u64 value;

	for_each_member(m) {
		if (!game->generation[index] ||
		    load_acquire(&m->stored[index]) != game->generation[index] ||
		    !try_load(word_of(m, index), &value))
			continue;
		m->count[EVENT_CHECK]++;
		if (value != game->generation[index])
			fail(__LINE__, "page %lu has lost a store of member %u",
			     index, m->number);
	}
}

static void punch_all_the_time(bool converted)
{
	unsigned long generation = 0, rounds = 0, i;
	struct timer timer = timer_start();
	__u64 seed = SEED;

	for (; timer_goes(&timer, rounds, ROUNDS); rounds++) {
		__u64 random = gu_random(&seed) >> 16;
		unsigned long first = random % HOLES;
		unsigned long nr = 1 + (random >> 8) % 4;

		if (nr > HOLES - first)
			nr = HOLES - first;
		for (i = first; i < first + nr; i++)
			look_for_lost_stores(i);
		EXPECT_EQ(gu_punch(game->f.fd, first, nr), 0);
		for (i = first; i < first + nr; i++) {
			bool ok = try_store(page(&game->f, i),
					    HOLE_WORD(i, ++generation));

			EXPECT(ok || converted);
			store_release(&game->generation[i], generation);
		}
	}
	stop_members();
	NOTE("%lu holes, %lu loads, %lu zeroes, %lu refused, %lu stores found, %lu conversions",
	     rounds, total(EVENT_ACCESS), total(EVENT_ZERO),
	     total(EVENT_REFUSED), total(EVENT_CHECK),
	     total(EVENT_CONVERSION));
	EXPECT(rounds >= ROUNDS);
	EXPECT(total(EVENT_ACCESS) >= rounds);
	EXPECT(total(EVENT_ZERO) > 0);
	EXPECT(total(EVENT_CHECK) > 0);
	EXPECT(!converted == !total(EVENT_REFUSED));
	EXPECT(!converted || total(EVENT_CONVERSION) >= ROUNDS);
}

static void what_was_punched_is_never_seen_again(void)
{
	game_create(file_create(HOLES, SHARED_FILE));
	start_process(0, use_holes);
	start_thread(1, use_holes);
	start_thread(2, use_holes);
	punch_all_the_time(false);
}

static void convert_all_the_time(struct member *m)
{
	while (!stopped()) {
		unsigned long random = member_random(m);
		unsigned long first = random % HOLES;
		unsigned long nr = 1 + (random >> 8) % (HOLES - first);

		EXPECT_EQ(to_private(&game->f, first, nr), 0);
		EXPECT_EQ(to_shared(&game->f, first, nr), 0);
		m->count[EVENT_CONVERSION] += 2;
		delay((random >> 20) % 200);
	}
}

static void what_was_punched_while_it_converts_is_never_seen_again(void)
{
	game_create(file_create(HOLES, SHARED_FILE));
	start_process(0, use_holes);
	start_thread(1, use_holes);
	start_thread(2, convert_all_the_time);
	punch_all_the_time(true);
}

/* --- several converters ----------------------------------------------------- */

/* Large enough pieces for conversions to take a while. */
#define PIECE		16UL
#define WORLD_FIRST	(BLOCK - WORLD * PIECE / 2)

static void do_op(struct op *op)
{
	op->begin = next_ticket();
	op->ret = gu_convert(game->f.fd, WORLD_FIRST + op->first * PIECE,
			     op->nr * PIECE,
			     op->private ? GU_PRIVATE : GU_SHARED, NULL);
	op->end = next_ticket();
}

static void do_ops(struct member *m)
{
	unsigned long round = 0;
	unsigned int turns = 0;

	while (!stopped()) {
		if (load_acquire(&game->round) == round) {
			relax(&turns);
			continue;
		}
		turns = 0;
		round++;
		do_op(&game->ops[1 + m->number]);
		reached(m, STEP_DONE, round);
	}
}

static __u32 piece_mask(unsigned long first, unsigned long nr)
{
	return ((1ULL << nr) - 1) << first;
}

/*
 * Whether the ops that are not in @done explain, in some order that does not
 * contradict when they ran, what they returned and the states @to.
 */
static bool explain(unsigned int done, __u32 state, __u32 held, __u32 to)
{
	unsigned int i, j;

	if (done == (1 << SMP_CPUS) - 1)
		return state == to;
	for (i = 0; i < SMP_CPUS; i++) {
		const struct op *op = &game->ops[i];
		__u32 mask = piece_mask(op->first, op->nr);
		__u32 change = op->private ? mask & ~state : mask & state;

		if (done & 1 << i ||
		    op->ret != (change & held ? -EBUSY : 0))
			continue;
		/* Somebody else's must come first. */
		for (j = 0; j < SMP_CPUS; j++)
			if (!(done & 1 << j) && game->ops[j].end < op->begin)
				break;
		if (j == SMP_CPUS &&
		    explain(done | 1 << i, change & held ? state :
			    state ^ change, held, to))
			return true;
	}
	return false;
}

static __u32 world_states(void)
{
	bool private[WORLD_FIRST + WORLD * PIECE];
	const bool *piece = private + WORLD_FIRST;
	__u32 state = 0;
	unsigned int i;

	EXPECT_EQ(gu_states(game->f.fd, game->f.nr, private), 0);
	for (i = 0; i < WORLD; i++, piece += PIECE) {
		EXPECT(!memchr(piece, !piece[0], PIECE));
		state |= (__u32)piece[0] << i;
	}
	return state;
}

/* How many pairs of conversions with pages in common met. */
static unsigned int ops_that_meet(void)
{
	unsigned int i, j, nr = 0;

	for (i = 0; i < SMP_CPUS; i++) {
		for (j = 0; j < i; j++) {
			const struct op *a = &game->ops[i], *b = &game->ops[j];

			nr += a->begin < b->end && b->begin < a->end &&
			      (piece_mask(a->first, a->nr) &
			       piece_mask(b->first, b->nr));
		}
	}
	return nr;
}

static void concurrent_conversions_are_as_if_in_some_order(void)
{
	unsigned long round = 0, met = 0, refused = 0;
	struct timer timer = timer_start();
	__u64 seed = SEED;
	__u32 state = 0;
	unsigned int n;

	game_create(file_filled(WORLD_FIRST + WORLD * PIECE));
	for (n = 0; n < NR_MEMBERS; n++)
		start_thread(n, do_ops);
	while (timer_goes(&timer, met, ROUNDS)) {
		__u64 random = gu_random(&seed) >> 16;
		unsigned long first = random % WORLD;
		unsigned long nr = 1 + (random >> 8) % 3;
		__u32 held = 0, to;
		int hold = -1;

		/* Every second time, somebody refuses. */
		if (random >> 16 & 1) {
			if (nr > WORLD - first)
				nr = WORLD - first;
			held = piece_mask(first, nr);
			hold = gu_hold(game->f.fd, WORLD_FIRST + first * PIECE,
				       nr * PIECE, "smptest");
			EXPECT(hold >= 0);
		}
		for (n = 0; n < SMP_CPUS; n++) {
			struct op *op = &game->ops[n];

			random = gu_random(&seed) >> 16;
			op->first = random % WORLD;
			op->nr = 1 + (random >> 8) % (WORLD - op->first);
			op->private = random >> 16 & 1;
		}
		store_release(&game->round, ++round);
		do_op(&game->ops[0]);
		wait_members(STEP_DONE, round);

		to = world_states();
		if (!explain(0, state, held, to))
			fail(__LINE__, "from %08x with %08x held to %08x: %d %d %d %d in round %lu",
			     state, held, to, game->ops[0].ret,
			     game->ops[1].ret, game->ops[2].ret,
			     game->ops[3].ret, round);
		state = to;
		met += ops_that_meet();
		for (n = 0; n < SMP_CPUS; n++)
			refused += !!game->ops[n].ret;
		if (hold >= 0)
			close(hold);
	}
	stop_members();
	NOTE("%lu rounds, %lu pairs met, %lu refused", round, met, refused);
	EXPECT(met >= ROUNDS);
	EXPECT(refused > 0);
	EXPECT_EQ(to_shared(&game->f, 0, game->f.nr), 0);
	EXPECT_SEEN(&game->f, 0, game->f.nr, OWN);
}

#define LARGE		(16 * BLOCK)
#define SMALL		4UL

/* Pages of its own behind those of the large conversion. */
static void convert_few(struct member *m)
{
	unsigned long first = LARGE + m->number * SMALL;

	while (!stopped()) {
		EXPECT_EQ(to_private(&game->f, first, SMALL), 0);
		EXPECT_EQ(to_shared(&game->f, first, SMALL), 0);
		WRITE_ONCE(m->count[EVENT_CONVERSION],
			   m->count[EVENT_CONVERSION] + 2);
	}
}

static void disjoint_conversions_run_at_the_same_time(void)
{
	unsigned long rounds = 0, parallel = 0;
	struct timer timer = timer_start();
	unsigned int n;

	game_create(file_create(LARGE + NR_MEMBERS * SMALL, SHARED_FILE));
	EXPECT(!fallocate(game->f.fd, FALLOC_FL_KEEP_SIZE, 0,
			  gu_bytes(game->f.nr)));
	for (n = 0; n < NR_MEMBERS; n++)
		start_thread(n, convert_few);
	for (; timer_goes(&timer, parallel, ROUNDS / 10); rounds++) {
		unsigned long before = total(EVENT_CONVERSION);

		EXPECT_EQ(to_private(&game->f, 0, LARGE), 0);
		/* More than could have got in before it took its turn. */
		parallel += total(EVENT_CONVERSION) - before > 4 * NR_MEMBERS;
		EXPECT_EQ(to_shared(&game->f, 0, LARGE), 0);
	}
	stop_members();
	NOTE("%lu large conversions, %lu with many small ones inside, %lu small ones",
	     rounds, parallel, total(EVENT_CONVERSION));
	/* A busy machine lets few of them run in time. */
	EXPECT(parallel >= ROUNDS / 50);
}

static void convert_what_may_be_held(struct member *m)
{
	unsigned long nr = game->f.nr;

	while (!stopped()) {
		int there = to_private(&game->f, 0, nr);
		int back = to_shared(&game->f, 0, nr);

		EXPECT(!there || there == -EBUSY);
		EXPECT(!back || back == -EBUSY);
		WRITE_ONCE(m->count[EVENT_CONVERSION],
			   m->count[EVENT_CONVERSION] + !there + !back);
		usleep(member_random(m) % 500);
	}
}

static void a_hold_keeps_the_state_it_finds(void)
{
	static bool before[LARGE], after[LARGE];
	unsigned long rounds = 0, states[2] = {};
	struct timer timer = timer_start();

	game_create(file_create(LARGE, SHARED_FILE));
	EXPECT(!fallocate(game->f.fd, FALLOC_FL_KEEP_SIZE, 0,
			  gu_bytes(LARGE)));
	start_thread(0, convert_what_may_be_held);
	for (; timer_goes(&timer, rounds, ROUNDS / 2); rounds++) {
		int hold = gu_hold(game->f.fd, 0, LARGE, "smptest");

		EXPECT(hold >= 0);
		EXPECT_EQ(gu_states(game->f.fd, LARGE, before), 0);
		usleep(5000);
		EXPECT_EQ(gu_states(game->f.fd, LARGE, after), 0);
		EXPECT(!memcmp(before, after, sizeof(before)));
		states[before[0]]++;
		close(hold);
		usleep(rounds * 37 % 3000);
	}
	stop_members();
	NOTE("%lu holds, of %lu shared and %lu private, %lu conversions",
	     rounds, states[0], states[1], total(EVENT_CONVERSION));
	/* It came at different times, and something was going on. */
	EXPECT(states[0] && states[1]);
	EXPECT(total(EVENT_CONVERSION) >= rounds / 4);
}

#define OWNED		(2 * BLOCK)
#define STRIPE		4UL

/*
 * Each member owns every third stripe of pages, so that all have a part in
 * every word of the map, and nobody ever refuses anybody.
 */
struct owner {
	bool private[OWNED];
	__u64 value[OWNED];
};

static struct owner *owners;

static void owner_check_states(const struct member *m, unsigned long first)
{
	const struct owner *o = &owners[m->number];
	struct guest_memfd_run runs[STRIPE];
	struct guest_memfd_get_runs arg = {
		.offset = gu_bytes(first), .size = gu_bytes(STRIPE),
		.runs = (uintptr_t)runs, .nr = STRIPE,
	};
	unsigned int i;

	EXPECT_EQ(gu_ioctl(game->f.fd, GUEST_MEMFD_GET_RUNS, &arg), 0);
	EXPECT_EQ(arg.size, 0);
	for (i = 0; i < arg.nr; i++) {
		unsigned long at = runs[i].offset >> GU_PAGE_SHIFT;
		unsigned long nr = runs[i].size >> GU_PAGE_SHIFT;

		for (; nr; nr--, at++)
			if (o->private[at] != !!runs[i].attributes)
				fail(__LINE__, "page %lu of member %u is not as it was made",
				     at, m->number);
	}
}

static void owner_check_page(struct member *m, unsigned long index)
{
	struct owner *o = &owners[m->number];
	__u64 *addr = (__u64 *)page(&game->f, index) + index % GU_PAGE_WORDS;
	__u64 value;
	bool ok = try_load(addr, &value);

	m->count[EVENT_CHECK]++;
	EXPECT_EQ(ok, !o->private[index]);
	if (!ok)
		return;
	if (value != o->value[index])
		fail(__LINE__, "page %lu of member %u has %llx, not %llx",
		     index, m->number, value, o->value[index]);
	o->value[index] = member_random(m);
	EXPECT(try_store(addr, o->value[index]));
}

static void own_pages(struct member *m)
{
	struct owner *o = &owners[m->number];

	while (!stopped()) {
		unsigned long random = member_random(m);
		unsigned long stripe = (random % (OWNED / STRIPE / NR_MEMBERS) *
					NR_MEMBERS + m->number) * STRIPE;
		unsigned long index = stripe + (random >> 10) % STRIPE;
		unsigned long nr = 1 + (random >> 12) %
				   (stripe + STRIPE - index);
		bool private = random >> 14 & 1;

		switch ((random >> 16) % 8) {
		case 0 ... 3:
			EXPECT_EQ(gu_convert(game->f.fd, index, nr,
					     private ? GU_PRIVATE : GU_SHARED,
					     NULL), 0);
			memset(o->private + index, private, nr);
			owner_check_states(m, stripe);
			m->count[EVENT_CONVERSION]++;
			break;
		case 4:
			EXPECT_EQ(gu_punch(game->f.fd, index, nr), 0);
			memset(o->value + index, 0, nr * sizeof(*o->value));
			break;
		default:
			owner_check_page(m, index);
			break;
		}
	}
}

static void owners_check_all(void)
{
	unsigned long index;

	for (index = 0; index < OWNED / STRIPE / NR_MEMBERS * NR_MEMBERS *
			STRIPE; index++)
		owner_check_page(&game->members[index / STRIPE % NR_MEMBERS],
				 index);
}

static void pages_are_what_their_owners_made_of_them(void)
{
	struct timer timer = timer_start();
	unsigned int turns = 0, n;

	owners = shared_memory(NR_MEMBERS * sizeof(*owners));
	game_create(file_create(OWNED, SHARED_FILE));
	start_process(0, own_pages);
	start_process(1, own_pages);
	start_thread(2, own_pages);
	while (timer_goes(&timer, total(EVENT_CONVERSION), ROUNDS))
		relax(&turns);
	stop_members();
	NOTE("seed %#llx, %lu conversions, %lu checks", SEED,
	     total(EVENT_CONVERSION), total(EVENT_CHECK));
	EXPECT(total(EVENT_CONVERSION) >= ROUNDS);
	EXPECT(total(EVENT_CHECK) >= ROUNDS);
	owners_check_all();
	EXPECT_EQ(to_shared(&game->f, 0, OWNED), 0);
	for (n = 0; n < NR_MEMBERS; n++)
		memset(owners[n].private, false, OWNED);
	owners_check_all();
}

/* --- neighbours ------------------------------------------------------------- */

#define CALM		500UL	/* pages that nobody converts */

/* Faults on pages that are shared all the time; those before are converted. */
static void fault_in_peace(struct member *m)
{
	unsigned long index;
	char *map = NULL;
	__u64 value;

	while (!stopped()) {
		/* In place of the old one, so that each page faults again. */
		map = mmap(map, gu_bytes(CALM), PROT_READ | PROT_WRITE,
			   MAP_SHARED | (map ? MAP_FIXED : 0), game->f.fd,
			   gu_bytes(BLOCK - CALM));
		EXPECT(map != MAP_FAILED);
		for (index = 0; index < CALM; index++) {
			if (!try_load(map + gu_bytes(index), &value))
				fail(__LINE__, "page %lu, which nobody converts, refuses",
				     BLOCK - CALM + index);
			EXPECT_EQ(value, gu_word(BLOCK - CALM + index, 0));
		}
		m->count[EVENT_ACCESS] += CALM;
	}
}

/*
 * The pages that are converted share a block with them, whose leaf comes and
 * goes; in between, it is the leaf of a file in which all other pages are
 * private.
 */
static void a_page_that_is_not_converted_does_not_notice(void)
{
	struct timer timer = timer_start();
	unsigned long conversions = 0;
	struct file other;
	unsigned int n;

	game_create(file_filled(BLOCK));
	other = file_create(BLOCK, 0);
	for (n = 0; n < NR_MEMBERS; n++)
		start_process(n, fault_in_peace);
	for (; timer_goes(&timer, conversions, ROUNDS); conversions += 4) {
		EXPECT_EQ(to_private(&game->f, 0, 1), 0);
		EXPECT_EQ(to_shared(&game->f, 0, 1), 0);
		EXPECT_EQ(to_shared(&other, 0, 1), 0);
		EXPECT_EQ(to_private(&other, 0, 1), 0);
	}
	stop_members();
	NOTE("%lu conversions, %lu faults", conversions, total(EVENT_ACCESS));
	EXPECT(conversions >= ROUNDS);
	EXPECT(total(EVENT_ACCESS) >= CALM);
}

/* --- life and death --------------------------------------------------------- */

/* Uses a file until it is gone from under it. */
static void use_passing_file(struct member *m)
{
	const struct file *f = &game->passing;
	unsigned long round = 0;
	unsigned int turns = 0;

	while (!stopped()) {
		int ret = 0;

		if (load_acquire(&game->round) == round) {
			relax(&turns);
			continue;
		}
		turns = 0;
		round++;
		while (ret != -EBADF) {
			unsigned long random = member_random(m);
			unsigned long index = random % f->nr;
			bool private = random >> 16 & 1;

			/* The mapping may be gone, its place is not reused. */
			try_store(page(f, index), round);
			if (random >> 17 & 7)
				ret = gu_convert(f->fd, index,
						 1 + (random >> 20) %
						 (f->nr - index),
						 private ? GU_PRIVATE :
							   GU_SHARED, NULL);
			else
				ret = gu_punch(f->fd, index, 1);
			EXPECT(!ret || ret == -EAGAIN || ret == -EBADF);
			m->count[EVENT_CONVERSION] += !ret;
			/* The other file is none of their business. */
			EXPECT_EQ(gu_convert(game->f.fd, m->number, 1,
					     private ? GU_PRIVATE : GU_SHARED,
					     NULL), 0);
		}
		reached(m, STEP_DONE, round);
	}
}

/* A process with the file that ends in the middle of whatever it does. */
static pid_t passing_process(const struct file *f, unsigned long us)
{
	__u64 end = gu_now_us() + us;
	pid_t pid = child();
	unsigned long i;

	if (pid)
		return pid;
	for (i = 0; gu_now_us() < end; i++) {
		try_store(page(f, i % f->nr), i);
		gu_convert(f->fd, i % f->nr, 1, i & 1 ? GU_PRIVATE : GU_SHARED,
			   NULL);
	}
	_exit(0);
}

static void files_go_while_others_convert(void)
{
	struct timer timer = timer_start();
	unsigned long round = 0;
	__u64 seed = SEED;
	unsigned int n;

	game_create(file_filled(NR_MEMBERS));
	for (n = 0; n < NR_MEMBERS; n++)
		start_thread(n, use_passing_file);
	while (timer_goes(&timer, round, ROUNDS / 2)) {
		unsigned long random = gu_random(&seed) >> 16;
		struct file *f = &game->passing;
		pid_t pid = 0;

		/* The block's border in the middle. */
		*f = file_create(BLOCK + 16, SHARED_FILE);
		EXPECT(f->space);
		if (random & 1)
			pid = passing_process(f, (random >> 8) % 4000);
		store_release(&game->round, ++round);
		usleep((random >> 20) % 3000);
		/* The last one may be an ioctl that has not returned. */
		if (random & 2)
			munmap(f->map, gu_bytes(f->nr));
		close(f->fd);
		if (!(random & 2))
			munmap(f->map, gu_bytes(f->nr));
		wait_members(STEP_DONE, round);
		if (pid && random & 4)
			kill_child(pid);
		else if (pid)
			EXPECT_EXIT(pid);
		EXPECT(!gu_space_exists(f->space));
	}
	stop_members();
	NOTE("%lu files, %lu conversions", round, total(EVENT_CONVERSION));
	EXPECT(round >= ROUNDS / 2);
	EXPECT(total(EVENT_CONVERSION) >= round);
	EXPECT_EQ(to_shared(&game->f, 0, NR_MEMBERS), 0);
	EXPECT_SEEN(&game->f, 0, NR_MEMBERS, OWN);
}

static void convert_large(struct member *m)
{
	while (!stopped()) {
		/* A process that dies lets go of its pages. */
		int ret = to_private(&game->f, 0, LARGE);

		EXPECT(!ret || ret == -EAGAIN);
		EXPECT_EQ(to_shared(&game->f, 0, LARGE), 0);
		WRITE_ONCE(m->count[EVENT_CONVERSION],
			   m->count[EVENT_CONVERSION] + !ret);
	}
}

/* Whether a process sleeps in that function of the kernel. */
static bool sleeps_in(pid_t pid, const char *function)
{
	char path[40], name[80] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/wchan", pid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(name, sizeof(name), file))
			name[0] = '\0';
		fclose(file);
	}
	return !strcmp(name, function);
}

static void __noreturn victim_at_a_fence(void)
{
	__u64 seed = SEED;

	on_cpu(2);
	for (;;)
		try_store(page(&game->f, gu_random(&seed) % LARGE), 1);
}

static void __noreturn victim_at_a_claim(void)
{
	on_cpu(2);
	for (;;)
		to_shared(&game->f, LARGE - 1, 2);
}

/* Kills them where they wait; whether that is where it was found. */
static bool kill_waiting(void (*victim)(void), const char *function)
{
	__u64 begin = gu_now_us(), killed;
	pid_t pid = child();
	bool found = false;

	if (!pid)
		victim();
	while (!found && gu_now_us() - begin < 200000)
		found = sleeps_in(pid, function);
	killed = gu_now_us();
	kill_child(pid);
	/* The conversion that it waited for may have to end. */
	EXPECT(gu_now_us() - killed < 5000000);
	return found;
}

static void who_waits_for_a_conversion_can_be_killed(void)
{
	unsigned long at_fence = 0, at_claim = 0, before;
	struct timer timer = timer_start();
	unsigned int turns = 0;

	game_create(file_create(LARGE + 1, SHARED_FILE));
	EXPECT(!fallocate(game->f.fd, FALLOC_FL_KEEP_SIZE, 0,
			  gu_bytes(game->f.nr)));
	start_thread(0, convert_large);
	while (timer_goes(&timer, at_fence + at_claim, ROUNDS / 10)) {
		at_fence += kill_waiting(victim_at_a_fence, "gmem_space_wait");
		at_claim += kill_waiting(victim_at_a_claim,
					 "gmem_overlay_claim");
	}
	/* It goes on, and so does everybody else. */
	before = total(EVENT_CONVERSION);
	while (total(EVENT_CONVERSION) < before + 2)
		relax(&turns);
	stop_members();
	NOTE("%lu killed at the fence, %lu at the claim, %lu conversions",
	     at_fence, at_claim, total(EVENT_CONVERSION));
	EXPECT(at_fence >= 5);
	EXPECT(at_claim >= 5);
	EXPECT_EQ(to_private(&game->f, 0, game->f.nr), 0);
	EXPECT_EQ(to_shared(&game->f, 0, game->f.nr), 0);
	EXPECT(try_store(page(&game->f, LARGE), 1));
	munmap(game->f.map, gu_bytes(game->f.nr));
	close(game->f.fd);
	EXPECT(!gu_space_exists(game->f.space));
}

/* --- populate --------------------------------------------------------------- */

#define BATCH		32UL	/* pages that are filled under one fence */
#define FILLED		(16 * BATCH)

/* What is in the first and the last word of a page. */
static __u64 filling(unsigned long index, unsigned long generation)
{
	return (__u64)generation << 16 | index;
}

/* Memory for a member to fill the file from. */
static char *filling_source(void)
{
	char *p = mmap(NULL, gu_bytes(FILLED), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED);
	return p;
}

static void source_fill(char *source, unsigned long generation)
{
	unsigned long i;

	for (i = 0; i < FILLED; i++) {
		__u64 *words = (__u64 *)(source + gu_bytes(i));

		words[0] = filling(i, generation);
		words[GU_PAGE_WORDS - 1] = words[0];
	}
}

/* Of a page that is shared; 0 if it is empty. */
static unsigned long generation_of(unsigned long index)
{
	const __u64 *words = (const __u64 *)page(&game->f, index);
	__u64 value = READ_ONCE(words[0]);

	if (value != words[GU_PAGE_WORDS - 1] ||
	    (value && value % (1 << 16) != index))
		fail(__LINE__, "page %lu begins with %llx and ends with %llx",
		     index, value, words[GU_PAGE_WORDS - 1]);
	return value >> 16;
}

/* What the populate of a round returned, and how long it took. */
static long *fill_result;
static __u64 *fill_us;

/* Until every member is about to fill. */
static void fill_wait(unsigned long round)
{
	struct member *m;

	for_each_member(m)
		while (m->run && load_acquire(&m->at[STEP_LANDED]) != round)
			cpu_relax();
}

/*
 * The other half first: two that did the same would do so in step, and the
 * second would always have the last word.
 */
static long fill_other_way(const char *source)
{
	const unsigned long half = FILLED / 2;

	EXPECT_EQ(gu_populate(game->f.fd, half, half,
			      source + gu_bytes(half)), half);
	EXPECT_EQ(gu_populate(game->f.fd, 0, half, source), half);
	return FILLED;
}

/* In each round, once; what it fills the pages with is the round's and its own. */
static void fill_in_rounds(struct member *m)
{
	char *source = filling_source();
	unsigned long round = 0;
	unsigned int turns = 0;

	while (!stopped()) {
		__u64 begin;

		if (load_acquire(&game->round) == round) {
			relax(&turns);
			continue;
		}
		turns = 0;
		round++;
		source_fill(source, round * NR_MEMBERS + m->number);
		/* All at once; who sleeps would be late. */
		reached(m, STEP_LANDED, round);
		fill_wait(round);
		begin = gu_now_us();
		fill_result[m->number] = m->number ? fill_other_way(source) :
					 gu_populate(game->f.fd, 0, FILLED,
						     source);
		fill_us[m->number] = gu_now_us() - begin;
		reached(m, STEP_DONE, round);
	}
}

static void fill_create(void)
{
	fill_result = shared_memory(NR_MEMBERS * sizeof(*fill_result));
	fill_us = shared_memory(NR_MEMBERS * sizeof(*fill_us));
	game_create(file_create(FILLED, GUEST_MEMFD_FLAG_MMAP));
}

/* Begins a round; returns somewhere in the middle of its first populate. */
static void fill_begin(unsigned long round, __u64 random)
{
	__u64 end;

	store_release(&game->round, round);
	fill_wait(round);
	end = gu_now_us() + random % (fill_us[0] + 1);
	while (gu_now_us() < end)
		cpu_relax();
}

/* A hole comes before all of a batch or after it. */
static void a_hole_takes_all_of_a_batch_that_is_being_populated_or_nothing(void)
{
	unsigned long round = 0, between = 0, i, first, nr;
	struct timer timer = timer_start();
	__u64 seed = SEED;

	fill_create();
	start_thread(0, fill_in_rounds);
	while (timer_goes(&timer, between, ROUNDS / 10)) {
		__u64 random = gu_random(&seed) >> 16;
		unsigned long empty = 0, full = 0;

		first = random % FILLED;
		nr = 1 + (random >> 10) % (FILLED - first);
		fill_begin(++round, random >> 20);
		EXPECT_EQ(gu_punch(game->f.fd, first, nr), 0);
		wait_members(STEP_DONE, round);
		EXPECT_EQ(fill_result[0], FILLED);

		EXPECT_EQ(to_shared(&game->f, 0, FILLED), 0);
		for (i = 0; i < FILLED; i++) {
			unsigned long got = generation_of(i);
			bool hole = i >= first && i < first + nr;

			if (got != round * NR_MEMBERS && (got || !hole))
				fail(__LINE__, "page %lu has generation %lu in round %lu",
				     i, got, round);
			if (!hole)
				continue;
			if (i != first && i % BATCH &&
			    !got != !generation_of(i - 1))
				fail(__LINE__, "the hole begins in a batch at page %lu",
				     i);
			if (got)
				full++;
			else
				empty++;
		}
		between += full && empty;
		EXPECT_EQ(to_private(&game->f, 0, FILLED), 0);
		EXPECT_EQ(gu_punch(game->f.fd, 0, FILLED), 0);
	}
	stop_members();
	NOTE("%lu rounds, %lu holes between two batches, the last populate took %llu us",
	     round, between, fill_us[0]);
	EXPECT(between >= ROUNDS / 10);
}

static void populate_and_conversions_take_turns(void)
{
	unsigned long round = 0, cut = 0, refused = 0, caught = 0, i;
	struct timer timer = timer_start();
	unsigned long want[FILLED] = {};
	__u64 seed = SEED;

	fill_create();
	start_thread(0, fill_in_rounds);
	while (timer_goes(&timer, cut, ROUNDS / 10)) {
		__u64 random = gu_random(&seed) >> 16;
		unsigned long first = random % 4 ? (random >> 2) % FILLED : 0;
		unsigned long nr = 1 + (random >> 12) % (FILLED - first);
		unsigned long new = 0;
		long done;

		fill_begin(++round, random >> 24);
		EXPECT_EQ(to_shared(&game->f, first, nr), 0);
		/* Filled up to somewhere, and no further as long as it is. */
		for (i = first; i < first + nr; i++) {
			unsigned long got = generation_of(i);

			if (got != want[i] && got != round * NR_MEMBERS)
				fail(__LINE__, "page %lu has generation %lu in round %lu",
				     i, got, round);
			if (got != want[i] && i != first + new)
				fail(__LINE__, "page %lu is filled, page %lu is not",
				     i, first + new);
			new += got != want[i];
		}
		caught += new && new < nr;
		EXPECT_EQ(to_private(&game->f, first, nr), 0);
		wait_members(STEP_DONE, round);

		done = fill_result[0];
		if (done == -EINVAL) {
			EXPECT_EQ(first, 0);
			refused++;
			done = 0;
		} else if (done != FILLED) {
			EXPECT(done >= (long)first &&
			       done < (long)(first + nr));
			cut++;
		}
		for (i = 0; i < FILLED; i++) {
			if (i < (unsigned long)done)
				want[i] = round * NR_MEMBERS;
			if (i % 16)
				continue;
			/* A sample now, all of them at the end. */
			EXPECT_EQ(to_shared(&game->f, i, 1), 0);
			EXPECT_EQ(generation_of(i), want[i]);
			EXPECT_EQ(to_private(&game->f, i, 1), 0);
		}
	}
	stop_members();
	EXPECT_EQ(to_shared(&game->f, 0, FILLED), 0);
	for (i = 0; i < FILLED; i++)
		EXPECT_EQ(generation_of(i), want[i]);
	NOTE("%lu rounds, %lu stopped on the way, %lu at once, %lu conversions between two batches",
	     round, cut, refused, caught);
	EXPECT(cut >= ROUNDS / 10);
}

static void of_two_populates_each_batch_is_of_one(void)
{
	unsigned long round = 0, mixed = 0, i;
	struct timer timer = timer_start();
	unsigned int n;

	fill_create();
	/* Two, so that each has one of the host's CPUs. */
	for (n = 0; n < 2; n++)
		start_thread(n, fill_in_rounds);
	while (timer_goes(&timer, mixed, ROUNDS / 10)) {
		unsigned long changes = 0;

		store_release(&game->round, ++round);
		wait_members(STEP_DONE, round);
		for (n = 0; n < 2; n++)
			EXPECT_EQ(fill_result[n], FILLED);
		EXPECT_EQ(to_shared(&game->f, 0, FILLED), 0);
		for (i = 0; i < FILLED; i++) {
			unsigned long got = generation_of(i);

			EXPECT_EQ(got / NR_MEMBERS, round);
			if (!i || got == generation_of(i - 1))
				continue;
			if (i % BATCH)
				fail(__LINE__, "another one's batch begins at page %lu",
				     i);
			changes++;
		}
		mixed += !!changes;
		EXPECT_EQ(to_private(&game->f, 0, FILLED), 0);
	}
	stop_members();
	NOTE("%lu rounds, %lu with batches of several", round, mixed);
	EXPECT(mixed >= ROUNDS / 10);
}

/* --- memory failure --------------------------------------------------------- */

static int tell_hwpoison(const char *name, __u64 pfn)
{
	char path[60], text[24];
	int fd, ret, len = snprintf(text, sizeof(text), "%llu", pfn);

	snprintf(path, sizeof(path), "/sys/kernel/debug/hwpoison/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	ret = write(fd, text, len) == len ? 0 : -errno;
	close(fd);
	return ret;
}

/*
 * As if hardware had reported it, but with nobody just touching the page.  That
 * the page stays in the file counts as a failure to the kernel, EBUSY.
 */
static void break_page(__u64 pfn)
{
	int ret;

	EXPECT(pfn);
	ret = tell_hwpoison("corrupt-pfn", pfn);
	EXPECT(!ret || ret == -EBUSY);
}

/* Ends what break_page() did to a page that is out of the file. */
static void repair_page(__u64 pfn)
{
	EXPECT_EQ(tell_hwpoison("unpoison-pfn", pfn), 0);
}

/* How often a client was told to let go without being asked. */
static long revokes(unsigned int space, const char *name)
{
	FILE *file = gu_space_open(space, "clients");
	size_t len = strlen(name);
	char line[400];
	long nr = -1;

	EXPECT(file);
	while (nr < 0 && fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, " revoke=");

		if (!strncmp(line, name, len) && line[len] == ' ' && at)
			nr = atol(at + strlen(" revoke="));
	}
	fclose(file);
	return nr;
}

static __thread volatile int access_code;

static void note_access_code(int sig, siginfo_t *info, void *context)
{
	access_code = info->si_code;
	access_handler(sig, info, context);
}

static void failure_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = note_access_code,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGBUS, &sa, NULL);
}

#define EXPECT_BROKEN(addr)						\
	do {								\
		__u64 value_;						\
									\
		access_code = 0;					\
		EXPECT(!try_load(addr, &value_));			\
		EXPECT_EQ(access_code, BUS_MCEERR_AR);			\
	} while (0)

static bool all_shared(const struct file *f)
{
	bool private[64];

	EXPECT(f->nr <= 64);
	EXPECT_EQ(gu_states(f->fd, f->nr, private), 0);
	return !memchr(private, true, f->nr);
}

static void touching_a_page_that_has_failed_is_sigbus(void)
{
	struct file f = file_filled(8);
	__u64 pfn = gu_pfn(page(&f, 3));
	int fds[2];
	char *map;

	failure_init();
	break_page(pfn);
	EXPECT_BROKEN(page(&f, 3));
	EXPECT(!try_store(page(&f, 3), 1));
	/* Also where it was not mapped before. */
	map = gu_mmap(f.fd, 3, 1);
	EXPECT(map != MAP_FAILED);
	EXPECT_BROKEN(map);
	EXPECT(!pipe(fds));
	EXPECT_ERRNO(write(fds[1], page(&f, 3), 8), EFAULT);
	EXPECT(all_shared(&f));
	EXPECT_SEEN(&f, 0, 3, OWN);
	EXPECT_SEEN(&f, 4, 4, OWN);
	EXPECT_EQ(gu_punch(f.fd, 3, 1), 0);
	repair_page(pfn);
}

/* As if the program had touched it and so had met the error itself. */
static bool run_into_failing(void *addr)
{
	if (sigsetjmp(access_jmp, 0)) {
		access_armed = 0;
		return false;
	}
	access_armed = 1;
	access_code = 0;
	madvise(addr, GU_PAGE_SIZE, MADV_HWPOISON);
	access_armed = 0;
	return true;
}

static void who_runs_into_a_failing_page_is_told(void)
{
	struct file f = file_filled(4);
	__u64 pfn = gu_pfn(page(&f, 2));

	failure_init();
	EXPECT(!run_into_failing(page(&f, 2)));
	EXPECT_EQ(access_code, BUS_MCEERR_AR);
	EXPECT_BROKEN(page(&f, 2));
	EXPECT_SEEN(&f, 3, 1, OWN);
	EXPECT_EQ(gu_punch(f.fd, 2, 1), 0);
	repair_page(pfn);
}

static void a_page_that_has_failed_refuses_its_conversion(void)
{
	struct file f = file_filled(16);
	__u64 pfn = gu_pfn(page(&f, 5)), error_offset;
	struct gu_refusal r;

	break_page(pfn);
	EXPECT_EQ(gu_convert(f.fd, 0, 16, GU_PRIVATE, &error_offset),
		  -EHWPOISON);
	EXPECT_EQ(error_offset, gu_bytes(5));
	EXPECT(gu_last_refusal(f.space, &r));
	EXPECT(!strcmp(r.holder, "memory failure"));
	EXPECT_EQ(r.index, 5);
	EXPECT_EQ(gu_convert(f.fd, 5, 1, GU_PRIVATE, &error_offset),
		  -EHWPOISON);
	EXPECT_EQ(error_offset, gu_bytes(5));
	EXPECT(all_shared(&f));
	EXPECT_SEEN(&f, 0, 5, OWN);
	EXPECT_SEEN(&f, 6, 10, OWN);
	/* Its neighbours convert, and it needs no conversion to be shared. */
	EXPECT_EQ(to_private(&f, 0, 5), 0);
	EXPECT_EQ(to_private(&f, 6, 10), 0);
	EXPECT_EQ(to_shared(&f, 0, 16), 0);
	EXPECT_SEEN(&f, 0, 5, OWN);
	EXPECT_SEEN(&f, 6, 10, OWN);
	EXPECT_EQ(gu_punch(f.fd, 5, 1), 0);
	repair_page(pfn);
}

static void a_page_that_has_failed_is_new_after_it_was_punched(void)
{
	struct file f = file_filled(8);
	__u64 pfn = gu_pfn(page(&f, 3));
	char *unmapped = gu_mmap(f.fd, 0, 8);

	EXPECT(unmapped != MAP_FAILED);
	failure_init();
	break_page(pfn);
	EXPECT_BROKEN(page(&f, 3));
	EXPECT_EQ(gu_punch(f.fd, 2, 3), 0);
	EXPECT_SEEN(&f, 0, 2, OWN);
	EXPECT_SEEN(&f, 2, 3, ZERO);
	EXPECT_SEEN(&f, 5, 3, OWN);
	EXPECT(gu_pfn(page(&f, 3)) != pfn);
	EXPECT_EQ(*(__u64 *)(unmapped + gu_bytes(3)), 0);
	EXPECT_EQ(to_private(&f, 0, 8), 0);
	EXPECT_EQ(to_shared(&f, 0, 8), 0);
	EXPECT_SEEN(&f, 3, 1, ZERO);
	repair_page(pfn);
}

/* The kernel cannot split a folio of the file, so it marks the page and gives up. */
static void a_page_of_a_large_folio_fails_alone(void)
{
	struct file f = file_create(2 * BLOCK, SHARED_FILE | GUEST_MEMFD_FLAG_2MB);
	__u64 pfn, error_offset;
	int ret;

	failure_init();
	gu_fill(f.map, 0, f.nr);
	pfn = gu_pfn(page(&f, 700));
	EXPECT_EQ(gu_folio_pages(pfn), BLOCK);
	ret = tell_hwpoison("corrupt-pfn", pfn);
	EXPECT(!ret || ret == -EBUSY || ret == -EHWPOISON);
	EXPECT_EQ(gu_convert(f.fd, 600, 200, GU_PRIVATE, &error_offset),
		  -EHWPOISON);
	EXPECT_EQ(error_offset, gu_bytes(700));
	EXPECT_EQ(gu_folio_pages(pfn), BLOCK);

	/* The rest of it works on, in pieces and back. */
	EXPECT_EQ(to_private(&f, 800, 100), 0);
	EXPECT_SEEN(&f, 800, 100, SIGBUS);
	EXPECT_BROKEN(page(&f, 700));
	EXPECT_SEEN(&f, 512, 188, OWN);
	EXPECT_SEEN(&f, 701, 99, OWN);
	EXPECT_EQ(to_shared(&f, 800, 100), 0);
	EXPECT_SEEN(&f, 701, 323, OWN);
	EXPECT_EQ(gu_folio_pages(gu_pfn(page(&f, 800))), 1);
	EXPECT_BROKEN(page(&f, 700));

	EXPECT_EQ(gu_punch(f.fd, 700, 1), 0);
	EXPECT_SEEN(&f, 700, 1, ZERO);
	EXPECT(gu_pfn(page(&f, 700)) != pfn);
	repair_page(pfn);
}

static void a_private_page_that_fails_is_lost_until_it_is_punched(void)
{
	struct file f = file_filled(16);
	char *source = filling_source();
	__u64 pfn = gu_pfn(page(&f, 9)), error_offset;

	/* So that it can be seen who has been here. */
	memset(source, 0xee, gu_bytes(16));
	EXPECT_EQ(to_private(&f, 0, 16), 0);
	break_page(pfn);
	EXPECT_EQ(gu_convert(f.fd, 0, 16, GU_SHARED, &error_offset),
		  -EHWPOISON);
	EXPECT_EQ(error_offset, gu_bytes(9));
	/* Nor is it filled, but those before it are. */
	EXPECT_EQ(gu_populate(f.fd, 9, 7, source), -EHWPOISON);
	EXPECT_EQ(gu_populate(f.fd, 6, 10, source), 3);
	EXPECT_EQ(to_shared(&f, 0, 9), 0);
	EXPECT_EQ(to_shared(&f, 10, 6), 0);
	EXPECT_SEEN(&f, 0, 6, OWN);
	EXPECT_SEEN(&f, 6, 3, WRONG);
	EXPECT_SEEN(&f, 9, 1, SIGBUS);
	EXPECT_SEEN(&f, 10, 6, OWN);

	EXPECT_EQ(gu_punch(f.fd, 9, 1), 0);
	EXPECT_EQ(gu_populate(f.fd, 9, 1, source), 1);
	EXPECT_EQ(to_shared(&f, 9, 1), 0);
	EXPECT_SEEN(&f, 9, 1, WRONG);
	repair_page(pfn);
}

/* A client that maps memory has to let go of it; a hold is only told. */
static void clients_are_told_of_a_page_that_fails(void)
{
	struct file f = file_filled(16);
	int on = gu_hold(f.fd, 4, 2, "on"), off = gu_hold(f.fd, 0, 4, "off");
	__u64 pfn = gu_pfn(page(&f, 4)), begin = gu_now_us();

	EXPECT(on >= 0 && off >= 0);
	EXPECT_EQ(revokes(f.space, "on"), 0);
	break_page(pfn);
	while (!revokes(f.space, "on")) {
		EXPECT(gu_now_us() - begin < 5000000);
		usleep(1000);
	}
	EXPECT_EQ(revokes(f.space, "on"), 1);
	EXPECT_EQ(revokes(f.space, "off"), 0);
	/* Who holds it is asked before the page is given back. */
	EXPECT_EQ(gu_punch(f.fd, 4, 1), -EBUSY);
	close(on);
	EXPECT_EQ(gu_punch(f.fd, 4, 1), 0);
	repair_page(pfn);
}

#define FAILING		8UL

static void convert_what_may_fail(struct member *m)
{
	while (!stopped()) {
		int there = to_private(&game->f, 0, FAILING);
		int back = to_shared(&game->f, 0, FAILING);

		/* Memory failure itself has a reference for a moment. */
		EXPECT(!there || there == -EAGAIN || there == -EHWPOISON);
		EXPECT(!back || back == -EHWPOISON);
		m->count[EVENT_REFUSED] += there == -EHWPOISON;
		m->count[EVENT_RACE] += there == -EAGAIN;
		WRITE_ONCE(m->count[EVENT_CONVERSION],
			   m->count[EVENT_CONVERSION] + !there);
		if (there == -EHWPOISON || back == -EHWPOISON)
			usleep(100);
	}
}

/* Each signal is a line in the kernel's log, so not at full speed. */
static void touch_what_may_fail(struct member *m)
{
	__u64 value;

	while (!stopped()) {
		unsigned long index = member_random(m) % FAILING;

		if (try_load(word_of(m, index), &value))
			m->count[EVENT_ACCESS]++;
		else
			usleep(1000);
	}
}

/* Makes the page at @index fail in the middle of whatever happens to it. */
static __u64 break_whenever_mapped(unsigned long index)
{
	__u64 pfn = 0, begin = gu_now_us();

	while (!pfn) {
		EXPECT(gu_now_us() - begin < 5000000);
		if (try_store(page(&game->f, index), 1))
			pfn = gu_pfn(page(&game->f, index));
	}
	break_page(pfn);
	return pfn;
}

static void pages_that_fail_while_they_convert_are_lost_and_replaced(void)
{
	struct timer timer = timer_start();
	unsigned long round = 0, before;
	unsigned int turns = 0;
	__u64 seed = SEED;

	game_create(file_create(FAILING, SHARED_FILE));
	start_thread(0, convert_what_may_fail);
	start_thread(1, touch_what_may_fail);
	for (; timer_goes(&timer, round, ROUNDS / 4); round++) {
		unsigned long random = gu_random(&seed) >> 16;
		unsigned long index = random % FAILING;
		__u64 pfn = break_whenever_mapped(index);
		int there, back;

		usleep((random >> 10) % 2000);
		/* Either way it is in the way. */
		there = gu_convert(game->f.fd, index, 1, GU_PRIVATE, NULL);
		back = gu_convert(game->f.fd, index, 1, GU_SHARED, NULL);
		EXPECT(there == -EHWPOISON || back == -EHWPOISON);
		EXPECT_EQ(gu_punch(game->f.fd, index, 1), 0);
		repair_page(pfn);
		before = total(EVENT_CONVERSION);
		while (total(EVENT_CONVERSION) < before + 2)
			relax(&turns);
	}
	stop_members();
	NOTE("%lu failures, %lu conversions, %lu refused for them, %lu for a moment, %lu accesses",
	     round, total(EVENT_CONVERSION), total(EVENT_REFUSED),
	     total(EVENT_RACE), total(EVENT_ACCESS));
	EXPECT(round >= ROUNDS / 4);
	EXPECT(total(EVENT_REFUSED) > 0);
	EXPECT(total(EVENT_ACCESS) >= round);
	EXPECT_EQ(to_private(&game->f, 0, FAILING), 0);
	EXPECT_EQ(to_shared(&game->f, 0, FAILING), 0);
}

/* --- who pays --------------------------------------------------------------- */

#define CGROUPS		"/tmp/smptest.cgroups"
#define CGROUP		CGROUPS "/test"

/*
 * The kernel charges some pages in advance, 64 on each CPU that charged or
 * uncharged something, and frees some later. What is measured is a multiple.
 */
#define SLOP		((SMP_CPUS * 64 + 128) * 4096L)

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);

	EXPECT(fd >= 0);
	EXPECT_EQ(write(fd, text, len), len);
	close(fd);
}

static long charged(void)
{
	FILE *file = fopen(CGROUP "/memory.current", "re");
	long value = -1;

	EXPECT(file && fscanf(file, "%ld", &value) == 1);
	fclose(file);
	return value;
}

/* Waits until no more than @most is charged; what is then. */
static long charged_at_most(long most)
{
	__u64 begin = gu_now_us();
	long now;

	while ((now = charged()) > most && gu_now_us() - begin < 10000000)
		usleep(10000);
	return now;
}

/* Runs @pay in a process of a new memory cgroup. */
static void in_cgroup(void (*pay)(struct file *f), struct file *f)
{
	pid_t pid;

	EXPECT(!mkdir(CGROUPS, 0755) || errno == EEXIST);
	/* What a test that failed has left. */
	umount(CGROUPS);
	EXPECT(!mount("cgroup2", CGROUPS, "cgroup2", 0, NULL));
	write_text(CGROUPS "/cgroup.subtree_control", "+memory");
	EXPECT(!mkdir(CGROUP, 0755) || errno == EEXIST);
	on_cpu(0);
	pid = child();
	if (!pid) {
		write_text(CGROUP "/cgroup.procs", "0");
		pay(f);
		_exit(0);
	}
	EXPECT_EXIT(pid);
	EXPECT(!rmdir(CGROUP));
	EXPECT(!umount(CGROUPS));
}

static void expect_charged(int line, long before, long least, long most)
{
	long more = charged_at_most(before + most + SLOP) - before;

	if (more < least - SLOP / 2 || more > most + SLOP)
		fail(line, "%ld bytes are charged, not %ld to %ld", more, least,
		     most);
}

#define EXPECT_CHARGED(before, bytes)	\
	expect_charged(__LINE__, before, bytes, bytes)
#define EXPECT_PAID_BACK(before)	\
	expect_charged(__LINE__, before, 0, 0)

static void pay_for_a_file(struct file *f)
{
	/* Two words for each block. */
	const long tables = (1L << 28) / BLOCK * 16;
	long before = charged();

	*f = file_create(1UL << 28, 0);
	EXPECT_CHARGED(before, tables);
	close(f->fd);
	EXPECT_PAID_BACK(before);
}

static void a_file_is_charged_to_who_creates_it(void)
{
	struct file f;

	in_cgroup(pay_for_a_file, &f);
}

static bool under_kasan(void)
{
	const char *variant = getenv("GMEM_VARIANT");

	return variant && !strcmp(variant, "kasan");
}

#define LEAVES		32768UL

static void pay_for_leaves(struct file *f)
{
	/* A bit for each page of a block, and whom to charge. */
	const long leaves = LEAVES * (BLOCK / 8 + sizeof(void *));
	long before = charged();
	unsigned long i;

	for (i = 0; i < LEAVES; i++)
		EXPECT_EQ(to_shared(f, i * BLOCK + 7, 1), 0);
	/* Red zones make more than twice as much of each. */
	expect_charged(__LINE__, before, leaves, under_kasan() ? 3 * leaves :
								 leaves);
	EXPECT_EQ(to_shared(f, 0, f->nr), 0);
	/* KASAN keeps what was freed for a while, most of it or not. */
	expect_charged(__LINE__, before, 0, under_kasan() ? 2 * leaves : 0);
}

/* The file is somebody else's. */
static void pieces_of_the_map_are_charged_to_who_converts(void)
{
	struct file f = file_create(LEAVES * BLOCK, 0);

	in_cgroup(pay_for_leaves, &f);
}

#define PAID		2048UL

static void pay_for_pages(struct file *f)
{
	char *source = mmap(NULL, gu_bytes(PAID), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	long before = charged();

	EXPECT(source != MAP_FAILED);
	EXPECT_EQ(gu_populate(f->fd, 0, PAID, source), PAID);
	EXPECT_CHARGED(before, (long)gu_bytes(PAID));
	EXPECT_EQ(gu_punch(f->fd, 0, PAID), 0);
	EXPECT_PAID_BACK(before);

	EXPECT(!fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, gu_bytes(PAID)));
	EXPECT_CHARGED(before, (long)gu_bytes(PAID));
	EXPECT_EQ(gu_punch(f->fd, 0, PAID), 0);
	EXPECT_PAID_BACK(before);

	EXPECT_EQ(to_shared(f, 0, PAID), 0);
	EXPECT(!madvise(f->map, gu_bytes(PAID), MADV_POPULATE_WRITE));
	EXPECT_CHARGED(before, (long)gu_bytes(PAID));
	EXPECT_EQ(gu_punch(f->fd, 0, PAID), 0);
	EXPECT_PAID_BACK(before);
}

static void pages_are_charged_to_who_brings_them(void)
{
	struct file f = file_create(PAID, GUEST_MEMFD_FLAG_MMAP);

	in_cgroup(pay_for_pages, &f);
}

static void pay_for_folios(struct file *f)
{
	long before = charged();
	unsigned int i;

	EXPECT(!fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, gu_bytes(PAID)));
	EXPECT_CHARGED(before, (long)gu_bytes(PAID));
	/* In pieces and joined they cost the same. */
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(to_shared(f, 7 * i, 500), 0);
		EXPECT_EQ(to_private(f, 7 * i, 500), 0);
	}
	EXPECT_EQ(to_shared(f, 700, 1), 0);
	EXPECT_CHARGED(before, (long)gu_bytes(PAID));
	EXPECT_EQ(gu_punch(f->fd, 0, PAID), 0);
	EXPECT_PAID_BACK(before);
}

static void large_folios_are_charged_once(void)
{
	struct file f = file_create(PAID, GUEST_MEMFD_FLAG_2MB);

	in_cgroup(pay_for_folios, &f);
}

/* --- all of it -------------------------------------------------------------- */

static const struct test tests[] = {
	TEST(a_store_of_another_cpu_ends_with_the_conversion),
	TEST(stores_of_threads_on_all_cpus_end_with_the_conversion),
	TEST(stores_of_processes_on_all_cpus_end_with_the_conversion),
	TEST(loads_through_read_only_mappings_end_with_the_conversion),
	TEST(a_part_of_a_file_converts_and_nothing_else),
	TEST(a_mapping_inherited_meanwhile_obeys),
	TEST(a_page_born_while_its_block_converts_obeys),
	TEST(several_cpus_bring_a_page_only_once),

	TEST(a_page_first_touched_on_one_cpu_converts_from_another),
	TEST(faults_on_three_cpus_never_refuse_the_fourth),

	TEST(what_was_punched_is_never_seen_again),
	TEST(what_was_punched_while_it_converts_is_never_seen_again),

	TEST(concurrent_conversions_are_as_if_in_some_order),
	TEST(disjoint_conversions_run_at_the_same_time),
	TEST(a_hold_keeps_the_state_it_finds),
	TEST(pages_are_what_their_owners_made_of_them),
	TEST(a_page_that_is_not_converted_does_not_notice),

	TEST(files_go_while_others_convert),
	TEST(who_waits_for_a_conversion_can_be_killed),

	TEST(a_hole_takes_all_of_a_batch_that_is_being_populated_or_nothing),
	TEST(populate_and_conversions_take_turns),
	TEST(of_two_populates_each_batch_is_of_one),

	TEST(touching_a_page_that_has_failed_is_sigbus),
	TEST(who_runs_into_a_failing_page_is_told),
	TEST(a_page_that_has_failed_refuses_its_conversion),
	TEST(a_page_that_has_failed_is_new_after_it_was_punched),
	TEST(a_page_of_a_large_folio_fails_alone),
	TEST(a_private_page_that_fails_is_lost_until_it_is_punched),
	TEST(clients_are_told_of_a_page_that_fails),
	TEST(pages_that_fail_while_they_convert_are_lost_and_replaced),

	TEST(a_file_is_charged_to_who_creates_it),
	TEST(pieces_of_the_map_are_charged_to_who_converts),
	TEST(pages_are_charged_to_who_brings_them),
	TEST(large_folios_are_charged_once),
};

int main(int argc, char **argv)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < SMP_CPUS) {
		printf("TAP version 13\n1..0 # SKIP lane: needs %d CPUs\n",
		       SMP_CPUS);
		return EXIT_FAILURE;
	}
	return test_main("smptest", tests, ARRAY_SIZE(tests), argc, argv);
}
