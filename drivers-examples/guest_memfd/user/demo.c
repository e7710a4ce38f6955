// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory being converted, for a person to watch.
 *
 * Every step claims something, does it with a real file mapped in two
 * processes, checks it, and draws the file before and after.  A step that could
 * not run has failed.
 */
#include "gmem_user.h"

#include <assert.h>
#include <stdarg.h>
#include <sys/prctl.h>

/* --- the file ------------------------------------------------------------- */

#define MIB_PAGES	256UL
#define NR_PAGES	(256 * MIB_PAGES)

static int file;
static unsigned int space;		/* its number in debugfs */
static char *map;			/* this process's mapping */

static bool step_failed;

static void __printf(1, 2) say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	printf("   ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

/* The step goes on: what comes next may say more about what is wrong. */
static bool __printf(2, 3) check(bool ok, const char *fmt, ...)
{
	va_list args;

	if (ok)
		return true;
	step_failed = true;
	va_start(args, fmt);
	printf("   FAILED: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
	return false;
}

static const char *error_name(int ret)
{
	return ret ? strerrorname_np(-ret) : "done";
}

/* --- the second process --------------------------------------------------- */

/*
 * Maps the same file and does as it is told: a look at pages, or holding some
 * of them as a second client of the file.
 */
enum peer_op {
	PEER_LOOK,
	PEER_HOLD,
	PEER_LET_GO,
};

struct peer_request {
	enum peer_op op;
	unsigned long first, nr, step;
};

struct peer_reply {
	int ret;
	struct gu_look look;
};

#define HOLDER	"demo-device"

static int peer_in, peer_out;
static pid_t peer;

static void peer_run(int in, int out)
{
	char *own_map = gu_mmap(file, 0, NR_PAGES);
	struct peer_request request;
	int hold = -1;

	while (read(in, &request, sizeof(request)) == sizeof(request)) {
		struct peer_reply reply = { 0 };

		switch (request.op) {
		case PEER_LOOK:
			reply.look = gu_look(own_map, request.first, request.nr,
					     request.step);
			break;
		case PEER_HOLD:
			hold = gu_hold(file, request.first, request.nr, HOLDER);
			reply.ret = hold < 0 ? hold : 0;
			break;
		case PEER_LET_GO:
			close(hold);
			break;
		}
		if (write(out, &reply, sizeof(reply)) != sizeof(reply))
			break;
	}
	_exit(0);
}

static bool peer_start(void)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return false;
	peer = fork();
	if (!peer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to[1]);
		close(from[0]);
		peer_run(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	peer_in = from[0];
	peer_out = to[1];
	return peer > 0;
}

static struct peer_reply peer_ask(enum peer_op op, unsigned long first,
				  unsigned long nr, unsigned long step)
{
	struct peer_request request = { op, first, nr, step };
	struct peer_reply reply = { .ret = -EPIPE };

	if (write(peer_out, &request, sizeof(request)) != sizeof(request) ||
	    read(peer_in, &reply, sizeof(reply)) != sizeof(reply))
		reply.ret = -EPIPE;
	return reply;
}

static void check_look(const char *who, const struct gu_look *look,
		       unsigned long first, unsigned long nr, enum gu_seen what)
{
	check(gu_look_all(look, what),
	      "%s, pages %lu-%lu: %lu as written, %lu zero, %lu SIGBUS, %lu wrong",
	      who, first, first + nr - 1, look->seen[GU_SEEN_OWN],
	      look->seen[GU_SEEN_ZERO], look->seen[GU_SEEN_SIGBUS],
	      look->seen[GU_SEEN_WRONG]);
}

/* Both processes see @what in every @step-th of the pages and in the last. */
static void check_both(unsigned long first, unsigned long nr,
		       unsigned long step, enum gu_seen what)
{
	struct gu_look look = gu_look(map, first, nr, step);
	struct peer_reply reply = peer_ask(PEER_LOOK, first, nr, step);

	check_look("process A", &look, first, nr, what);
	if (check(!reply.ret, "process B is gone"))
		check_look("process B", &reply.look, first, nr, what);
}

/* --- the picture ---------------------------------------------------------- */

#define CELL_PAGES	MIB_PAGES
#define NR_CELLS	(NR_PAGES / CELL_PAGES)
#define ROW_CELLS	32
#define NR_ROWS		(NR_CELLS / ROW_CELLS)

static char cells_before[NR_CELLS];
static bool colours;

static char cell_of(const bool *private, unsigned long cell)
{
	const bool *page = private + cell * CELL_PAGES;
	enum gu_seen seen;

	if (memchr(page, !*page, CELL_PAGES))
		return '+';
	if (*page)
		return '#';
	/* One look is enough to tell: holes are punched in whole cells. */
	seen = gu_look_page(map, (cell + 1) * CELL_PAGES - 1);
	return seen == GU_SEEN_OWN ? '.' : seen == GU_SEEN_ZERO ? 'o' : '?';
}

static bool take_picture(char *cells)
{
	static bool private[NR_PAGES];
	unsigned long i;

	if (!check(!gu_states(file, NR_PAGES, private), "GET_RUNS fails"))
		return false;
	for (i = 0; i < NR_CELLS; i++)
		cells[i] = cell_of(private, i);
	return true;
}

static const char *cell_colour(char cell)
{
	switch (cell) {
	case '#':
		return "\033[1;31m";
	case '+':
		return "\033[1;33m";
	case 'o':
		return "\033[36m";
	case '.':
		return "\033[32m";
	default:
		return "\033[1;35m";
	}
}

static void draw_cells(const char *cells)
{
	int i;

	for (i = 0; i < ROW_CELLS; i++) {
		if (colours && (!i || cells[i] != cells[i - 1]))
			printf("%s", cell_colour(cells[i]));
		putchar(cells[i]);
	}
	if (colours)
		printf("\033[m");
}

#define NO_MARK	(~0UL)

/*
 * Draws the file as it was at the last call, or at the beginning of the step,
 * beside the file as it is now, with a mark under the page @mark.
 */
static void show_marked(unsigned long mark, const char *what)
{
	char cells_now[NR_CELLS];
	unsigned long row;

	if (!take_picture(cells_now))
		return;
	printf("\n            before%*safter\n", ROW_CELLS - 3, "");
	for (row = 0; row < NR_ROWS; row++) {
		unsigned long cell = row * ROW_CELLS;

		printf("   %3lu MiB  ", cell * CELL_PAGES / MIB_PAGES);
		draw_cells(cells_before + cell);
		printf("   ");
		draw_cells(cells_now + cell);
		printf("\n");
		if (mark / CELL_PAGES >= cell &&
		    mark / CELL_PAGES < cell + ROW_CELLS)
			printf("%*s%*s^\n",
			       (int)(14 + ROW_CELLS - strlen(what)), what,
			       (int)(mark / CELL_PAGES - cell), "");
	}
	printf("\n");
	memcpy(cells_before, cells_now, sizeof(cells_before));
}

static void show(void)
{
	show_marked(NO_MARK, "");
}

/* --- conversions ---------------------------------------------------------- */

/* Converts and expects success; returns microseconds. */
static __u64 convert(unsigned long first, unsigned long nr, __u64 attributes)
{
	__u64 begin = gu_now_us();
	__u64 error_offset;
	int ret = gu_convert(file, first, nr, attributes, &error_offset);

	begin = gu_now_us() - begin;
	check(!ret, "pages %lu-%lu to %s: %s at page %llu", first,
	      first + nr - 1, attributes ? "private" : "shared",
	      error_name(ret), error_offset >> GU_PAGE_SHIFT);
	return begin;
}

static void get_states(bool *private)
{
	check(!gu_states(file, NR_PAGES, private), "GET_RUNS fails");
}

static void the_file_is_mapped_in_two_processes(void)
{
	__u64 begin = gu_now_us();
	unsigned int before = gu_newest_space();

	file = gu_create(gu_bytes(NR_PAGES),
			 GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED);
	if (!check(file >= 0, "GUEST_MEMFD_CREATE: %s", error_name(file)))
		return;
	space = gu_newest_space();
	check(space > before, "debugfs does not show the file");
	map = gu_mmap(file, 0, NR_PAGES);
	if (!check(map != MAP_FAILED, "mmap: %s", error_name(-errno)) ||
	    !check(peer_start(), "cannot start process B"))
		return;
	say("A makes a file of 256 MiB and maps it; so does B. It is empty:");
	check_both(0, NR_PAGES, 4 * MIB_PAGES, GU_SEEN_ZERO);
	take_picture(cells_before);
	gu_fill(map, 0, NR_PAGES);
	say("A writes to all of it, different words to each of the %lu pages.",
	    NR_PAGES);
	check_both(0, NR_PAGES, 1, GU_SEEN_OWN);
	say("Both read every word back (%llu ms in all).",
	    (gu_now_us() - begin) / 1000);
	show();
}

static void a_private_page_gives_sigbus_in_both_and_its_neighbours_do_not(void)
{
	unsigned long page = 100 * MIB_PAGES + 123;
	__u64 us = convert(page, 1, GU_PRIVATE), word;

	say("Page %lu becomes private, in %llu us.", page, us);
	check_both(page, 1, 1, GU_SEEN_SIGBUS);
	check(!gu_poke(map + gu_bytes(page), 0), "process A can write to it");
	check_both(page - 1, 1, 1, GU_SEEN_OWN);
	check_both(page + 1, 1, 1, GU_SEEN_OWN);
	check(write(peer_out, map + gu_bytes(page), 1) == -1 && errno == EFAULT,
	      "the kernel reads it on behalf of process A");
	say("A and B get SIGBUS there, and their data on the pages beside it.");
	show_marked(page, "now private: ");
	us = convert(page, 1, GU_SHARED);
	check(gu_peek(map + gu_bytes(page), &word) && word == gu_word(page, 0),
	      "its contents are lost");
	check_both(page, 1, 1, GU_SEEN_OWN);
	say("Shared again in %llu us: it holds what it held.", us);
	show();
}

/* Places of the file for ranges of many sizes; the names are for the picture. */
static const struct {
	const char *size;
	unsigned long first, nr;
} ranges[] = {
	{ "4 KiB",			  4 * MIB_PAGES + 77, 1 },
	{ "64 KiB",			 12 * MIB_PAGES, 16 },
	{ "2 MiB",			 20 * MIB_PAGES, 512 },
	{ "2 MiB + 4 KiB, unaligned",	 40 * MIB_PAGES + 3, 513 },
	{ "64 MiB",			128 * MIB_PAGES, 64 * MIB_PAGES },
};

static void ranges_of_many_sizes_become_private(void)
{
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		unsigned long first = ranges[i].first, nr = ranges[i].nr;
		__u64 us = convert(first, nr, GU_PRIVATE);

		say("%-26s to private in %6llu us", ranges[i].size, us);
		check_both(first, nr, nr > 1024 ? 61 : 1, GU_SEEN_SIGBUS);
		check_both(first - 1, 1, 1, GU_SEEN_OWN);
		check_both(first + nr, 1, 1, GU_SEEN_OWN);
	}
	say("In each, both processes get SIGBUS, and on neither side of it.");
	show();
}

static void ranges_come_back_with_their_contents(void)
{
	unsigned long i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		unsigned long first = ranges[i].first, nr = ranges[i].nr;
		__u64 us = convert(first, nr, GU_SHARED);

		say("%-26s to shared in %6llu us", ranges[i].size, us);
		check_both(first, nr, 1, GU_SEEN_OWN);
	}
	say("Both processes find everything as it was.");
	show();
}

static void the_whole_file_goes_and_comes_back(void)
{
	__u64 us = convert(0, NR_PAGES, GU_PRIVATE);

	say("256 MiB to private in %llu us", us);
	check_both(0, NR_PAGES, 509, GU_SEEN_SIGBUS);
	show();
	us = convert(0, NR_PAGES, GU_SHARED);
	say("256 MiB to shared in %llu us", us);
	check_both(0, NR_PAGES, 1, GU_SEEN_OWN);
	say("Both read every word of it again: nothing is lost.");
	show();
}

/* --- refusals ------------------------------------------------------------- */

static bool states_before[NR_PAGES], states_after[NR_PAGES];

/*
 * The attempt must be refused with @error at exactly @page, by @holder, and
 * nothing may have changed.
 */
static void check_refused(unsigned long first, unsigned long nr,
			  unsigned long page, int error, const char *holder)
{
	struct gu_refusal refusal;
	__u64 error_offset;
	int ret;

	get_states(states_before);
	ret = gu_convert(file, first, nr, GU_PRIVATE, &error_offset);
	get_states(states_after);

	check(ret == error, "the conversion gave %s instead of %s",
	      error_name(ret), error_name(error));
	check(error_offset == gu_bytes(page),
	      "error_offset names page %llu instead of %lu",
	      error_offset >> GU_PAGE_SHIFT, page);
	check(!memcmp(states_before, states_after, sizeof(states_before)),
	      "a refused conversion has changed the state of pages");
	say("%lu MiB to private: %s, error_offset 0x%llx, which is page %llu.",
	    nr / MIB_PAGES, error_name(ret), error_offset,
	    error_offset >> GU_PAGE_SHIFT);

	check_both(first, nr, 1, GU_SEEN_OWN);
	check_both(page, 1, 1, GU_SEEN_OWN);
	say("No state changed; both processes still read all of the range.");

	if (!check(gu_last_refusal(space, &refusal),
		   "debugfs does not show the refusal"))
		return;
	say("What debugfs says of it:");
	say("  %s", refusal.line);
	check(!strcmp(refusal.op, "to-private") && refusal.first == first &&
	      refusal.last == first + nr - 1 && refusal.index == page &&
	      !strcmp(refusal.holder, holder),
	      "that is not this refusal");
	if (error == -EAGAIN)
		check(refusal.expected && refusal.seen > refusal.expected,
		      "the numbers of references do not explain it");
}

/* What was in the way is gone: the same attempt succeeds. */
static void check_not_refused(unsigned long first, unsigned long nr)
{
	__u64 us = convert(first, nr, GU_PRIVATE);

	say("The same conversion again: done in %llu us.", us);
	check_both(first, nr, 127, GU_SEEN_SIGBUS);
	show();
	convert(first, nr, GU_SHARED);
	check_both(first, nr, 1, GU_SEEN_OWN);
}

static void pinned_page_refuses(enum gu_pin_kind kind, unsigned long first,
				unsigned long page)
{
	unsigned long nr = 24 * MIB_PAGES;
	struct gu_pin pin;
	int ret;

	ret = gu_pin(&pin, kind, map + gu_bytes(page));
	if (!check(!ret, "it cannot: %s", error_name(ret)))
		return;
	check_refused(first, nr, page, -EAGAIN, "references");
	show_marked(page, "in the way: ");
	ret = gu_unpin(&pin, NULL);
	check(!ret, "the kernel does not let go: %s", error_name(ret));
	say("A takes it back, so the kernel lets go of the page.");
	check_not_refused(first, nr);
}

static void a_page_used_by_io_uring_refuses_and_nothing_changes(void)
{
	unsigned long page = 45 * MIB_PAGES + 200;

	say("A registers page %lu with io_uring as a buffer for I/O.", page);
	pinned_page_refuses(GU_PIN_IO_URING, 36 * MIB_PAGES, page);
}

static void a_page_in_a_pipe_refuses_and_nothing_changes(void)
{
	unsigned long page = 100 * MIB_PAGES;

	say("A puts page %lu into a pipe with vmsplice().", page);
	pinned_page_refuses(GU_PIN_VMSPLICE, page, page);
}

static void a_page_pinned_for_dma_refuses_and_nothing_changes(void)
{
	unsigned long page = 192 * MIB_PAGES - 1;

	say("A has gup_test pin page %lu, as drivers do for DMA.", page);
	pinned_page_refuses(GU_PIN_GUP_TEST, 168 * MIB_PAGES, page);
}

static void a_second_client_refuses_and_nothing_changes(void)
{
	unsigned long first = 70 * MIB_PAGES, nr = 20 * MIB_PAGES;
	unsigned long held = 75 * MIB_PAGES + 9;
	struct peer_reply reply;

	reply = peer_ask(PEER_HOLD, held, 100, 0);
	check(!reply.ret, "GUEST_MEMFD_HOLD: %s", error_name(reply.ret));
	say("B joins the file as the client \"" HOLDER "\", with a veto on pages %lu",
	    held);
	say("to %lu.", held + 99);
	check_refused(first, nr, held, -EBUSY, HOLDER);
	show_marked(held, "in the way: ");
	peer_ask(PEER_LET_GO, 0, 0, 0);
	say("B lets go.");
	check_not_refused(first, nr);
}

/* --- several at once ------------------------------------------------------ */

#define NR_WORKERS	4
#define SEED		0x67656d6dULL

struct operation {
	unsigned long first, nr;
	bool private;
	int ret;
	__u64 begin, end;
};

/* In memory that all processes share. */
static struct shared {
	struct operation ops[NR_WORKERS];
	bool private[NR_PAGES];
	unsigned long done[NR_WORKERS];
	int first_error[NR_WORKERS];
	bool stop;
} *shared;

static void operation_run(struct operation *op)
{
	op->begin = gu_now_us();
	op->ret = gu_convert(file, op->first, op->nr,
			     op->private ? GU_PRIVATE : GU_SHARED, NULL);
	op->end = gu_now_us();
}

static void operation_apply(const struct operation *op, bool *private)
{
	memset(private + op->first, op->private, op->nr);
}

static struct operation operation_random(__u64 *seed, unsigned long first,
					 unsigned long nr)
{
	struct operation op = { .nr = 1 + gu_random(seed) % nr };

	op.first = first + gu_random(seed) % (nr - op.nr + 1);
	op.private = gu_random(seed) >> 63;
	return op;
}

/* Starts processes that all begin at the same moment; waits for their end. */
static void run_workers(unsigned int nr, void (*work)(unsigned int worker))
{
	pid_t pids[NR_WORKERS];
	unsigned int i;
	int gate[2];
	char byte;

	if (!check(!pipe2(gate, O_CLOEXEC), "pipe: %s", error_name(-errno)))
		return;
	for (i = 0; i < nr; i++) {
		pids[i] = fork();
		if (pids[i])
			continue;
		close(gate[1]);
		if (read(gate[0], &byte, 1))
			_exit(1);
		work(i);
		_exit(0);
	}
	close(gate[0]);
	close(gate[1]);
	for (i = 0; i < nr; i++)
		check(pids[i] > 0 && !gu_wait(pids[i]),
		      "worker %u did not finish", i);
}

#define DISJOINT_OPS	64

static void disjoint_worker(unsigned int worker)
{
	unsigned long nr = NR_PAGES / NR_WORKERS;
	__u64 seed = SEED + worker;
	int i;

	for (i = 0; i < DISJOINT_OPS; i++) {
		struct operation op = operation_random(&seed, worker * nr, nr);

		operation_run(&op);
		if (op.ret) {
			if (!shared->first_error[worker])
				shared->first_error[worker] = op.ret;
			continue;
		}
		operation_apply(&op, shared->private);
		shared->done[worker]++;
	}
}

static void four_processes_convert_disjoint_ranges_at_once(void)
{
	unsigned int i;

	memset(shared, 0, sizeof(*shared));
	run_workers(NR_WORKERS, disjoint_worker);
	for (i = 0; i < NR_WORKERS; i++)
		check(shared->done[i] == DISJOINT_OPS,
		      "process %u: %lu of %u conversions done, first error %s",
		      i, shared->done[i], DISJOINT_OPS,
		      error_name(shared->first_error[i]));
	get_states(states_after);
	check(!memcmp(states_after, shared->private, sizeof(states_after)),
	      "the file is not what the processes made of it");
	say("Each made %u random conversions in its own 64 MiB (seed %#llx).",
	    DISJOINT_OPS, SEED);
	say("All succeeded; the file is exactly what they say they made of it.");
	show();
	convert(0, NR_PAGES, GU_SHARED);
	check_both(0, NR_PAGES, 1, GU_SEEN_OWN);
}

static void overlapping_worker(unsigned int worker)
{
	operation_run(&shared->ops[worker]);
}

/* Whether the operations, done one by one in some order, give @after. */
static bool explained(const bool *before, const bool *after, unsigned int todo)
{
	static bool result[NR_WORKERS + 1][NR_PAGES];
	unsigned int i, depth = __builtin_popcount(todo);

	if (!depth)
		return !memcmp(before, after, NR_PAGES);
	for (i = 0; i < NR_WORKERS; i++) {
		if (!(todo & (1 << i)))
			continue;
		memcpy(result[depth], before, NR_PAGES);
		operation_apply(&shared->ops[i], result[depth]);
		if (explained(result[depth], after, todo & ~(1 << i)))
			return true;
	}
	return false;
}

/* How many operations ran while another one did. */
static unsigned int nr_concurrent(void)
{
	unsigned int i, j, nr = 0;

	for (i = 0; i < NR_WORKERS; i++) {
		const struct operation *a = &shared->ops[i];

		for (j = 0; j < NR_WORKERS; j++) {
			const struct operation *b = &shared->ops[j];

			if (i != j && a->begin < b->end && b->begin < a->end)
				break;
		}
		nr += j < NR_WORKERS;
	}
	return nr;
}

#define OVERLAPPING_ROUNDS	8

static void four_processes_convert_overlapping_ranges_at_once(void)
{
	unsigned int round, i, met = 0;
	__u64 seed = SEED;

	for (round = 0; round < OVERLAPPING_ROUNDS; round++) {
		memset(shared, 0, sizeof(*shared));
		for (i = 0; i < NR_WORKERS; i++)
			shared->ops[i] = operation_random(&seed, 0, NR_PAGES);
		get_states(states_before);
		run_workers(NR_WORKERS, overlapping_worker);
		get_states(states_after);
		for (i = 0; i < NR_WORKERS; i++)
			check(!shared->ops[i].ret, "process %u: %s", i,
			      error_name(shared->ops[i].ret));
		check(explained(states_before, states_after,
				(1 << NR_WORKERS) - 1),
		      "round %u: no order of the conversions gives this file",
		      round);
		met += nr_concurrent();
	}
	say("%u rounds of four random ranges in the whole file; %u of %u conversions",
	    OVERLAPPING_ROUNDS, met, OVERLAPPING_ROUNDS * NR_WORKERS);
	say("ran while another did. Each is all or nothing: every round ends as if");
	say("the four had been made one after the other.");
	show();
	convert(0, NR_PAGES, GU_SHARED);
	check_both(0, NR_PAGES, 1, GU_SEEN_OWN);
}

/* --- holes ---------------------------------------------------------------- */

#define HOLE_FIRST	(112 * MIB_PAGES)
#define HOLE_PAGES	(32 * MIB_PAGES)

static void punch(unsigned long first, unsigned long nr)
{
	int ret = gu_punch(file, first, nr);

	check(!ret, "punching pages %lu-%lu: %s", first, first + nr - 1,
	      error_name(ret));
}

/* The file is empty in the hole and nowhere else. */
static void check_hole(void)
{
	unsigned long behind = HOLE_FIRST + HOLE_PAGES;

	check_both(0, HOLE_FIRST, 1, GU_SEEN_OWN);
	check_both(HOLE_FIRST, HOLE_PAGES, 1, GU_SEEN_ZERO);
	check_both(behind, NR_PAGES - behind, 1, GU_SEEN_OWN);
}

static void a_hole_in_the_middle_loses_its_contents_and_keeps_its_state(void)
{
	__u64 us;

	convert(HOLE_FIRST - 8 * MIB_PAGES, 16 * MIB_PAGES, GU_PRIVATE);
	say("16 MiB are private; then 32 MiB in the middle are punched out.");
	show();
	get_states(states_before);
	us = gu_now_us();
	punch(HOLE_FIRST, HOLE_PAGES);
	us = gu_now_us() - us;
	get_states(states_after);
	check(!memcmp(states_before, states_after, sizeof(states_before)),
	      "punching a hole has changed the state of pages");
	say("Done in %llu us. What was private still is, the rest reads as zero.",
	    us);
	show();
	convert(0, NR_PAGES, GU_SHARED);
	check_hole();
	say("All shared again: empty in the hole, as written elsewhere.");
	show();
}

/* Converts back and forth, all around the hole, until told to stop. */
static void around_the_hole_worker(unsigned int worker)
{
	struct operation op = {
		.first = HOLE_FIRST - 8 * MIB_PAGES,
		.nr = HOLE_PAGES + 16 * MIB_PAGES,
	};

	while (!READ_ONCE(shared->stop)) {
		op.private = !op.private;
		operation_run(&op);
		if (op.ret && !shared->first_error[worker])
			shared->first_error[worker] = op.ret;
		WRITE_ONCE(shared->done[worker], shared->done[worker] + 1);
	}
}

#define HOLE_PARTS	16

static void punching_worker(unsigned int worker)
{
	unsigned long nr = HOLE_PAGES / HOLE_PARTS, i, seen;

	for (i = 0; i < HOLE_PARTS; i++) {
		int ret = gu_punch(file, HOLE_FIRST + i * nr, nr);

		if (ret && !shared->first_error[worker])
			shared->first_error[worker] = ret;
		shared->done[worker]++;
		/* Until the other one has come round; it runs on this CPU too. */
		seen = READ_ONCE(shared->done[0]);
		while (READ_ONCE(shared->done[0]) == seen)
			usleep(100);
	}
	WRITE_ONCE(shared->stop, true);
}

static void work_around_the_hole(unsigned int worker)
{
	if (!worker)
		around_the_hole_worker(worker);
	else
		punching_worker(worker);
}

static void a_hole_can_be_punched_while_another_process_converts(void)
{
	gu_fill(map, HOLE_FIRST, HOLE_PAGES);
	check_both(HOLE_FIRST, HOLE_PAGES, 1, GU_SEEN_OWN);
	take_picture(cells_before);
	memset(shared, 0, sizeof(*shared));
	run_workers(2, work_around_the_hole);
	check(!shared->first_error[0], "a conversion failed: %s",
	      error_name(shared->first_error[0]));
	check(!shared->first_error[1], "a punch failed: %s",
	      error_name(shared->first_error[1]));
	say("One process punched the hole in %u parts, while another converted",
	    HOLE_PARTS);
	say("48 MiB around it back and forth, %lu times.", shared->done[0]);
	convert(0, NR_PAGES, GU_SHARED);
	check_hole();
	say("All succeeded; empty in the hole, as written elsewhere.");
	show();
}

/* --- a folio of 1 GiB -------------------------------------------------------- */

#define GIGABYTE	(1024 * MIB_PAGES)
#define HUGE		(2 * MIB_PAGES)
#define CUT_PAGE	123456UL

/* What the kernel says the pages of 2 MiB are part of, one letter each. */
static char folio_letter(__u64 pfn)
{
	if (gu_page_is(pfn, GU_KPF_TAIL))
		return 'G';
	if (!gu_page_is(pfn, GU_KPF_HEAD))
		return '4';
	return gu_page_is(pfn + HUGE, GU_KPF_TAIL) ? 'G' : 'M';
}

/* It lies in memory as one, also in pieces. */
static void look_at_folios(__u64 first, char letters[GIGABYTE / HUGE])
{
	unsigned int i;

	for (i = 0; i < GIGABYTE / HUGE; i++)
		letters[i] = folio_letter(first + i * HUGE);
}

static void show_folios(const char *before, const char *during,
			const char *after)
{
	unsigned int row;

	printf("\n");
	say("One letter is 2 MiB:  G 1 GiB in one folio   M a folio   4 pages\n");
	printf("               %-34s%-34s%s\n", "before", "one page private",
	       "back again");
	for (row = 0; row < GIGABYTE / HUGE / 32; row++)
		printf("    %4u MiB   %.32s  %.32s  %.32s\n", row * 64,
		       before + row * 32, during + row * 32, after + row * 32);
	printf("\n");
}

static bool all_letters(const char *letters, char which)
{
	unsigned int i;

	for (i = 0; i < GIGABYTE / HUGE; i++)
		if (letters[i] != which)
			return false;
	return true;
}

/* A word per 2 MiB, and the pages around the one that is converted. */
static void fill_gigabyte(char *gigabyte)
{
	unsigned long i;

	for (i = 0; i < GIGABYTE; i += HUGE)
		gu_fill(gigabyte, i, 1);
	gu_fill(gigabyte, CUT_PAGE - 1, 3);
}

static void check_gigabyte(const char *gigabyte, bool cut)
{
	unsigned long i;

	for (i = 0; i < GIGABYTE; i += HUGE)
		check(gu_look_page(gigabyte, i) == GU_SEEN_OWN,
		      "page %lu has lost its contents", i);
	for (i = CUT_PAGE - 1; i <= CUT_PAGE + 1; i++)
		check(gu_look_page(gigabyte, i) ==
		      (cut && i == CUT_PAGE ? GU_SEEN_SIGBUS : GU_SEEN_OWN),
		      "page %lu is not what it should be", i);
}

static void a_gigabyte_is_cut_for_one_page_and_made_whole_again(void)
{
	char before[GIGABYTE / HUGE], during[GIGABYTE / HUGE],
	     after[GIGABYTE / HUGE];
	__u64 pfn, start, there, back;
	struct gu_pin pin;
	char *gigabyte;
	int fd, ret;

	fd = gu_create(gu_bytes(GIGABYTE), GUEST_MEMFD_FLAG_MMAP |
		       GUEST_MEMFD_FLAG_INIT_SHARED | GUEST_MEMFD_FLAG_1GB);
	if (!check(fd >= 0, "no file of 1 GiB folios: %s", error_name(fd)))
		return;
	gigabyte = gu_mmap(fd, 0, GIGABYTE);
	if (!check(gigabyte != MAP_FAILED, "it cannot be mapped"))
		return;
	fill_gigabyte(gigabyte);
	pfn = gu_pfn(gigabyte);
	check(gu_folio_pages(pfn) == GIGABYTE, "it is no folio of 1 GiB");
	look_at_folios(pfn, before);

	ret = gu_pin(&pin, GU_PIN_VMSPLICE, gigabyte);
	check(!ret, "no pipe: %s", error_name(ret));
	ret = gu_convert(fd, CUT_PAGE, 1, GU_PRIVATE, &there);
	check(ret == -EAGAIN && there == gu_bytes(CUT_PAGE),
	      "with a page in use it is %s", error_name(ret));
	check(gu_folio_pages(pfn) == GIGABYTE, "the refusal has cut it");
	say("With a page of it in a pipe: EAGAIN, and it is still one folio.");
	gu_unpin(&pin, NULL);

	start = gu_now_us();
	ret = gu_convert(fd, CUT_PAGE, 1, GU_PRIVATE, NULL);
	there = gu_now_us() - start;
	check(!ret, "page %lu to private: %s", CUT_PAGE, error_name(ret));
	look_at_folios(pfn, during);
	check(!memchr(during, 'G', sizeof(during)) &&
	      during[CUT_PAGE / HUGE] == '4', "it is cut elsewhere");
	during[CUT_PAGE / HUGE] = 'M';
	check(all_letters(during, 'M'), "more than 2 MiB became pages");
	during[CUT_PAGE / HUGE] = '4';
	check_gigabyte(gigabyte, true);

	start = gu_now_us();
	ret = gu_convert(fd, CUT_PAGE, 1, GU_SHARED, NULL);
	back = gu_now_us() - start;
	check(!ret, "page %lu to shared: %s", CUT_PAGE, error_name(ret));
	look_at_folios(pfn, after);
	check(all_letters(before, 'G') && all_letters(after, 'G'),
	      "it is not one folio");
	check_gigabyte(gigabyte, false);
	say("Page %lu to private: 511 folios of 2 MiB and 512 pages, in %llu us.",
	    CUT_PAGE, there);
	say("And back: one folio of 1 GiB, in %llu us.", back);
	show_folios(before, during, after);
	munmap(gigabyte, gu_bytes(GIGABYTE));
	close(fd);
}

/* --- all of it ------------------------------------------------------------ */

static const struct step {
	const char *claim;
	void (*run)(void);
} steps[] = {
#define STEP(name)	{ #name, name }
	STEP(the_file_is_mapped_in_two_processes),
	STEP(a_private_page_gives_sigbus_in_both_and_its_neighbours_do_not),
	STEP(ranges_of_many_sizes_become_private),
	STEP(ranges_come_back_with_their_contents),
	STEP(the_whole_file_goes_and_comes_back),
	STEP(a_page_used_by_io_uring_refuses_and_nothing_changes),
	STEP(a_page_in_a_pipe_refuses_and_nothing_changes),
	STEP(a_page_pinned_for_dma_refuses_and_nothing_changes),
	STEP(a_second_client_refuses_and_nothing_changes),
	STEP(four_processes_convert_disjoint_ranges_at_once),
	STEP(four_processes_convert_overlapping_ranges_at_once),
	STEP(a_hole_in_the_middle_loses_its_contents_and_keeps_its_state),
	STEP(a_hole_can_be_punched_while_another_process_converts),
	STEP(a_gigabyte_is_cut_for_one_page_and_made_whole_again),
#undef STEP
};

/* Also in the file STEPS, for whoever counts from outside. */
#ifdef GMEM_DEMO_STEPS
static_assert(ARRAY_SIZE(steps) == GMEM_DEMO_STEPS, "STEPS is out of date");
#endif

static void print_claim(unsigned int number, const char *claim)
{
	printf("[%2u/%zu] ", number, ARRAY_SIZE(steps));
	if (colours)
		printf("\033[1m");
	for (; *claim; claim++)
		putchar(*claim == '_' ? ' ' : *claim);
	printf("%s\n", colours ? "\033[m" : "");
}

static bool step_run(unsigned int i)
{
	print_claim(i + 1, steps[i].claim);
	step_failed = false;
	/* Without a file nothing can run, and what cannot run has failed. */
	if (i && check(peer > 0, "there is no file to run this with"))
		take_picture(cells_before);
	if (!step_failed)
		steps[i].run();
	say("%s\n", step_failed ? "FAILED" : "passed");
	return !step_failed;
}

int main(void)
{
	const char *tty = getenv("GMEM_TTY");
	unsigned int i, passed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	gu_sigbus_init();
	signal(SIGPIPE, SIG_IGN);
	/* Whoever runs User-mode Linux knows what its console really is. */
	colours = tty && !strcmp(tty, "1") && !getenv("NO_COLOR");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	printf("One cell is 1 MiB:  . shared   # private   + some of both   o shared, empty\n\n");
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		passed += step_run(i);
	printf("demo: %u passed, %zu failed\n", passed,
	       ARRAY_SIZE(steps) - passed);
	return passed == ARRAY_SIZE(steps) ? EXIT_SUCCESS : EXIT_FAILURE;
}
