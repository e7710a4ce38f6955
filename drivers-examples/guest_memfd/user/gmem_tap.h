/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs share: tests that are claims, each in a process group
 * of its own, so that a crash is a failure of one claim and what it leaves
 * behind goes with it; and the files they test.  Output is TAP.
 *
 * Conventions:
 *
 *  - The first failure of a test, in whichever process or thread, ends it.
 *  - A test that returns has passed; NOTE() is printed with it.
 *  - A program that wants less time per test than the default defines
 *    TEST_SECONDS first.
 */
#ifndef GMEM_TAP_H
#define GMEM_TAP_H

#include "gmem_user.h"

#include <stdarg.h>
#include <sys/prctl.h>

#ifndef TEST_SECONDS
#define TEST_SECONDS	60
#endif

/* --- outcomes ------------------------------------------------------------- */

/* Shared with the processes of the test that runs. */
static struct outcome {
	int failed;
	char why[300];
	char note[200];
} *outcome;

/*
 * The first failure counts, in whichever process, and ends all processes of the
 * test: nobody waits for one that is gone.  Later ones leave that to the first,
 * which may still be writing.
 */
static void __noreturn __printf(2, 3) fail(int line, const char *fmt, ...)
{
	va_list args;
	int n;

	while (__sync_lock_test_and_set(&outcome->failed, 1))
		pause();
	n = sprintf(outcome->why, "line %d: ", line);
	va_start(args, fmt);
	vsnprintf(outcome->why + n, sizeof(outcome->why) - n, fmt, args);
	va_end(args);
	kill(0, SIGKILL);
	_exit(1);
}

static inline const char *value_name(char *buf, size_t size, long long value)
{
	const char *name = value < 0 ? strerrorname_np(-value) : NULL;

	if (name)
		snprintf(buf, size, "-%s", name);
	else
		snprintf(buf, size, "%lld", value);
	return buf;
}

static inline void expect_equal(int line, const char *what, long long got,
				long long want)
{
	char got_name[32], want_name[32];

	if (got != want)
		fail(line, "%s is %s, not %s", what,
		     value_name(got_name, sizeof(got_name), got),
		     value_name(want_name, sizeof(want_name), want));
}

#define EXPECT(cond)							\
	((cond) ? (void)0 : fail(__LINE__, "not true: %s", #cond))
#define EXPECT_EQ(got, want)						\
	expect_equal(__LINE__, #got, (long long)(got), (long long)(want))
/* For system calls of libc. */
#define EXPECT_ERRNO(call, error)					\
	expect_equal(__LINE__, #call, (call) < 0 ? -errno : 0, -(error))

#define NOTE(...)	snprintf(outcome->note, sizeof(outcome->note), __VA_ARGS__)

/* --- fixtures ------------------------------------------------------------- */

#define BLOCK		512UL		/* pages of a block of the map */
#define SEED		0x67656d6dULL
#define SHARED_FILE	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

struct file {
	int fd;
	unsigned long nr;
	char *map;
	unsigned int space;
};

static inline struct file file_create(unsigned long nr, __u64 flags)
{
	struct file f = { .nr = nr, .fd = gu_create(gu_bytes(nr), flags) };

	EXPECT(f.fd >= 0);
	f.space = gu_newest_space();
	if (flags & GUEST_MEMFD_FLAG_MMAP) {
		f.map = gu_mmap(f.fd, 0, nr);
		EXPECT(f.map != MAP_FAILED);
	}
	return f;
}

/* All shared, mapped, with contents in every page. */
static inline struct file file_filled(unsigned long nr)
{
	struct file f = file_create(nr, SHARED_FILE);

	gu_fill(f.map, 0, nr);
	return f;
}

static inline char *page(const struct file *f, unsigned long index)
{
	return f->map + gu_bytes(index);
}

static inline int to_private(const struct file *f, unsigned long first,
			     unsigned long nr)
{
	return gu_convert(f->fd, first, nr, GU_PRIVATE, NULL);
}

static inline int to_shared(const struct file *f, unsigned long first,
			    unsigned long nr)
{
	return gu_convert(f->fd, first, nr, GU_SHARED, NULL);
}

static inline void expect_seen(int line, const struct file *f,
			       unsigned long first, unsigned long nr,
			       enum gu_seen what)
{
	static const char * const names[] = {
		[GU_SEEN_OWN] = "contents", [GU_SEEN_ZERO] = "zeroes",
		[GU_SEEN_SIGBUS] = "SIGBUS", [GU_SEEN_WRONG] = "wrong data",
	};
	unsigned long i;

	for (i = first; i < first + nr; i++) {
		enum gu_seen seen = gu_look_page(f->map, i);

		if (seen != what)
			fail(line, "page %lu has %s, not %s", i, names[seen],
			     names[what]);
	}
}

#define EXPECT_SEEN(f, first, nr, what)	\
	expect_seen(__LINE__, f, first, nr, GU_SEEN_##what)

/* A child of the test; it dies with it. */
static inline pid_t child(void)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

#define EXPECT_EXIT(pid)	EXPECT_EQ(gu_wait(pid), 0)

static inline void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
	gu_wait(pid);
}

static inline void *shared_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED);
	return p;
}

/* --- running them --------------------------------------------------------- */

struct test {
	const char *claim;
	void (*run)(void);
};

#define TEST(name)	{ #name, name }

static inline void test_fork(const struct test *test)
{
	pid_t pid;
	int status;

	memset(outcome, 0, sizeof(*outcome));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(TEST_SECONDS);
		test->run();
		_exit(0);
	}
	status = gu_wait(pid);
	/* Its children that are left; the group is the test's own. */
	kill(-pid, SIGKILL);
	if (status && !outcome->failed) {
		outcome->failed = 1;
		if (status == 128 + SIGALRM)
			sprintf(outcome->why, "not done after %d s",
				TEST_SECONDS);
		else
			sprintf(outcome->why, "exit status %d", status);
	}
}

static inline void print_outcome(unsigned int number, const struct test *test,
				 __u64 us)
{
	const char *c;

	if (outcome->note[0])
		printf("# %s\n", outcome->note);
	printf("%sok %u - ", outcome->failed ? "not " : "", number);
	for (c = test->claim; *c; c++)
		putchar(*c == '_' ? ' ' : *c);
	if (outcome->failed)
		printf(" # %s", outcome->why);
	printf("\n");
	if (us > 1000000)
		printf("# took %llu ms\n", us / 1000);
}

/* All of main(); the result is that of the program. */
static inline int test_main(const char *program, const struct test *tests,
			    unsigned int nr, int argc, char **argv)
{
	/* Only the tests with that in their claim. */
	const char *word = argc > 1 ? argv[1] : "";
	unsigned int i, planned = 0, run = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	gu_sigbus_init();
	outcome = shared_memory(sizeof(*outcome));
	for (i = 0; i < nr; i++)
		planned += !!strstr(tests[i].claim, word);
	printf("TAP version 13\n1..%u\n", planned);
	for (i = 0; i < nr; i++) {
		__u64 begin = gu_now_us();

		if (!strstr(tests[i].claim, word))
			continue;
		test_fork(&tests[i]);
		print_outcome(++run, &tests[i], gu_now_us() - begin);
		failed += outcome->failed;
	}
	printf("%s: %u passed, %u failed\n", program, run - failed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif /* GMEM_TAP_H */
