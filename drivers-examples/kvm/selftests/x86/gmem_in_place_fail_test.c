// SPDX-License-Identifier: GPL-2.0
/*
 * Every step of a conversion that can fail, made to fail: the ioctl does all of it
 * or nothing, seen from userspace and from the guest.
 *
 * Needs fault injection for slab and page allocations, and of gmem_convert, whose
 * steps that allocate nothing count as well.  With kvm.gmem_in_place_conversion=1.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "gmem_util.h"
#include "kvm_test_harness.h"

#define PAGES	1200	/* three blocks of the map, none whole */
#define STEPS	400	/* more than there are */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* By default it spares what may sleep, which is all that there is. */
static bool fault_injection(void)
{
	return !write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
	       !write_file("/sys/kernel/debug/failslab/cache-filter", "N") &&
	       !write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N") &&
	       !write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N") &&
	       !write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0") &&
	       !write_file("/sys/kernel/debug/failslab/verbose", "0") &&
	       !write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0") &&
	       !access("/sys/kernel/debug/gmem_convert/faults", F_OK);
}

static int fail_nth_fd;

/* Makes the @nth step from here on fail. */
static void fail_nth(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	TEST_ASSERT_EQ(pwrite(fail_nth_fd, text, strlen(text), 0), strlen(text));
}

/* Whether it has. */
static bool fail_end(void)
{
	char text[16] = "";

	TEST_ASSERT(pread(fail_nth_fd, text, sizeof(text) - 1, 0) > 0, "fail-nth");
	fail_nth(0);
	return !strtol(text, NULL, 10);
}

FIXTURE(fail) {
	struct gmem g;
};

FIXTURE_SETUP(fail)
{
	ASSERT_TRUE(fault_injection());
	fail_nth_fd = open("/proc/thread-self/fail-nth", O_RDWR);
	ASSERT_LE(0, fail_nth_fd);
	self->g = gmem_create(PAGES, GMEM_SHARED);
}

FIXTURE_TEARDOWN(fail)
{
	gmem_destroy(&self->g);
}

static sigjmp_buf sigbus;

static void on_sigbus(int sig)
{
	siglongjmp(sigbus, 1);
}

/* What the host sees: 's' or 'p' for each page. */
static void states(const struct gmem *g, char *map)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	volatile size_t i;

	sigaction(SIGBUS, &action, NULL);
	for (i = 0; i < PAGES; i++) {
		if (sigsetjmp(sigbus, 1)) {
			map[i] = 'p';
		} else {
			TEST_ASSERT_EQ(READ_ONCE(*gmem_word(g, i)), i + 1);
			map[i] = 's';
		}
	}
	map[PAGES] = '\0';
}

/* Fails step after step until there is none left; returns how many there were. */
static int sweep(const struct gmem *g, u64 first, u64 nr, bool private,
		 const char *before, const char *after)
{
	char now[PAGES + 1];
	u64 error_offset;
	int step, r;
	bool failed;

	for (step = 1; step < STEPS; step++) {
		fail_nth(step);
		r = gmem_convert(g->fd, first * PAGE_SIZE, nr * PAGE_SIZE,
				 private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
				 &error_offset);
		failed = fail_end();
		states(g, now);
		if (r) {
			TEST_ASSERT(failed, "step %d: error %d from nothing", step, r);
			TEST_ASSERT(r == -ENOMEM || r == -EINTR || r == -EAGAIN ||
				    r == -EBUSY || r == -EFAULT, "step %d: error %d",
				    step, r);
			TEST_ASSERT(!strcmp(now, before), "step %d: not as before", step);
			/* Who refuses names a page; memory is nobody's page. */
			if (r == -ENOMEM || r == -EINTR)
				TEST_ASSERT_EQ(error_offset, first * PAGE_SIZE);
			else if (r != -EFAULT)
				TEST_ASSERT(error_offset >= first * PAGE_SIZE &&
					    error_offset < (first + nr) * PAGE_SIZE,
					    "step %d: offset 0x%lx", step, error_offset);
			continue;
		}
		/* A failure may be absorbed; then everything was done. */
		TEST_ASSERT(!strcmp(now, after), "step %d: not as it should be", step);
		if (!failed)
			return step - 1;
		TEST_ASSERT_EQ(gmem_convert(g->fd, 0, g->size, 0, NULL), 0);
		for (r = 0; r < PAGES; r++)
			if (before[r] == 'p')
				TEST_ASSERT_EQ(gmem_to_private(g->fd, r * PAGE_SIZE,
							       PAGE_SIZE), 0);
	}
	TEST_FAIL("there is no end of steps");
	return 0;
}

TEST_F_TIMEOUT(fail, every_step_of_a_conversion_is_all_or_nothing, 200)
{
	char shared[PAGES + 1], private[PAGES + 1], holes[PAGES + 1];
	struct gmem *g = &self->g;
	int steps;
	size_t i;

	for (i = 0; i < PAGES; i++) {
		*gmem_word(g, i) = i + 1;
		/* The guest maps some, so that there is something to zap. */
		if (i % 50 == 0)
			ASSERT_EQ(i + 1, gmem_guest_read(g->vcpu, gmem_gva(i)));
	}
	memset(shared, 's', PAGES);
	shared[PAGES] = '\0';
	strcpy(private, shared);
	memset(private + 100, 'p', 900);
	steps = sweep(g, 100, 900, true, shared, private);
	/* The transaction, its slots, two leaves, and the steps by name. */
	ASSERT_LE(5, steps);
	TH_LOG("to private: %d steps", steps);
	for (i = 0; i < PAGES; i += 50)
		ASSERT_EQ(i + 1, gmem_guest_read(g->vcpu, gmem_gva(i)));

	/* Over runs that are there already: they are written down. */
	strcpy(holes, private);
	for (i = 200; i < 900; i += 100) {
		ASSERT_EQ(0, gmem_to_shared(g->fd, i * PAGE_SIZE, PAGE_SIZE));
		holes[i] = 's';
	}
	steps = sweep(g, 150, 800, true, holes, private);
	ASSERT_LE(6, steps);
	TH_LOG("to private, of many runs: %d steps", steps);
	steps = sweep(g, 0, PAGES, false, private, shared);
	ASSERT_LE(3, steps);
	TH_LOG("to shared: %d steps", steps);
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(gmem_in_place());
	return test_harness_run(argc, argv);
}
