// SPDX-License-Identifier: GPL-2.0
/*
 * A VM whose guest asks for conversions, and whose userspace performs them in place
 * while it maps the same memory: for a person to watch.
 *
 * Every step claims something, lets guest and host do it, compares what both see,
 * and adds a line to a map of the file over time.  The map is the kernel's own
 * (debugfs), not what the program believes.
 *
 * With kvm.gmem_in_place_conversion=1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/uio.h>

#include <linux/kvm_para.h>

#include "gmem_util.h"

#define PAGES		64
#define SPINNERS	2	/* more vCPUs, which only touch */

/* --- the guest --------------------------------------------------------------------- */

enum demo_op {
	DEMO_WRITE,	/* @value + page into each page of the range */
	DEMO_CHECK,	/* whether that is what is there */
	DEMO_ASK,	/* the host to convert the range; @value: to private */
};

static struct demo_order {
	u64 op, first, nr, value;
} demo_order;

static bool spin;

/* Returns how many pages are as expected, or what the hypercall says. */
static u64 guest_do(const struct demo_order *o)
{
	u64 i, good = 0;

	if (o->op == DEMO_ASK)
		return kvm_hypercall(KVM_HC_MAP_GPA_RANGE, gmem_gva(o->first), o->nr,
				     o->value, 0);
	for (i = o->first; i < o->first + o->nr; i++) {
		u64 *word = (u64 *)gmem_gva(i);

		if (o->op == DEMO_WRITE)
			WRITE_ONCE(*word, o->value + i);
		else
			good += READ_ONCE(*word) == (o->value ? o->value + i : 0);
	}
	return good;
}

static void guest_code(void)
{
	for (;;) {
		const struct demo_order order = demo_order;

		GUEST_SYNC(guest_do(&order));
	}
}

static void spinning_guest_code(void)
{
	u64 i;

	for (i = 0; READ_ONCE(spin); i++)
		(void)READ_ONCE(*(u64 *)gmem_gva(i % PAGES));
	GUEST_DONE();
}

/* --- the host ------------------------------------------------------------------------ */

static struct gmem g;
static struct kvm_vcpu *vcpus[1 + SPINNERS];
static char map[40][PAGES + 1];
static char what[40][48];
static int nr_rows, passed, failed;
static bool step_failed;
static u64 refused_at;	/* page that the last refusal named */

static void __attribute__((format(printf, 2, 3))) check(bool ok, const char *fmt, ...)
{
	va_list args;

	if (ok)
		return;
	step_failed = true;
	va_start(args, fmt);
	printf("   FAILED: ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

/* What userspace does when the guest asks: exactly that, and says what came of it. */
static void perform(struct kvm_run *run)
{
	u64 offset = run->hypercall.args[0] - GMEM_GPA;
	u64 size = run->hypercall.args[1] * PAGE_SIZE;
	u64 error_offset;
	int r;

	r = gmem_convert(g.fd, offset, size,
			 run->hypercall.args[2] ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
			 &error_offset);
	refused_at = r ? error_offset / PAGE_SIZE : -1;
	if (r)
		printf("   refused: %s, page %lu is in the way\n",
		       strerrorname_np(-r), refused_at);
	run->hypercall.ret = r;
}

static u64 order(u64 op, u64 first, u64 nr, u64 value)
{
	struct kvm_vcpu *vcpu = vcpus[0];
	struct ucall uc;

	demo_order = (struct demo_order){ op, first, nr, value };
	sync_global_to_guest(g.vm, demo_order);
	for (;;) {
		vcpu_run(vcpu);
		if (vcpu->run->exit_reason != KVM_EXIT_HYPERCALL)
			break;
		perform(vcpu->run);
	}
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

static void guest_writes(u64 first, u64 nr, u64 value)
{
	printf("   the guest writes pages %lu-%lu\n", first, first + nr - 1);
	order(DEMO_WRITE, first, nr, value);
}

static void guest_sees(u64 first, u64 nr, u64 value)
{
	u64 good = order(DEMO_CHECK, first, nr, value);

	check(good == nr, "the guest sees %lu of %lu pages as they should be", good, nr);
	if (good == nr)
		printf("   the guest sees %s in pages %lu-%lu\n",
		       value ? "what it should" : "zeroes", first, first + nr - 1);
}

static int guest_asks(u64 first, u64 nr, bool private)
{
	printf("   the guest asks: pages %lu-%lu to %s\n", first, first + nr - 1,
	       private ? "private" : "shared");
	return order(DEMO_ASK, first, nr, private);
}

static sigjmp_buf sigbus;

static void on_sigbus(int sig)
{
	siglongjmp(sigbus, 1);
}

/* @value of each page; 0: zeroes; -1: SIGBUS. */
static void host_sees(u64 first, u64 nr, u64 value)
{
	volatile u64 good = 0, i;

	for (i = first; i < first + nr; i++) {
		if (sigsetjmp(sigbus, 1))
			good += value == -1ull;
		else
			good += READ_ONCE(*gmem_word(&g, i)) == (value ? value + i : 0);
	}
	check(good == nr, "the host sees %lu of %lu pages as it should", (u64)good, nr);
	if (good == nr)
		printf("   the host sees %s in pages %lu-%lu\n", value == -1ull ?
		       "nothing (SIGBUS)" : value ? "what it should" : "zeroes",
		       first, first + nr - 1);
}

/* A row of the map, from the kernel. */
static void draw(const char *label)
{
	char path[PATH_MAX] = "", line[64];
	unsigned long first, last;
	struct dirent *entry;
	DIR *dir = opendir("/sys/kernel/debug/gmem_convert");
	FILE *file;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "kvm-gmem.", 9))
			snprintf(path, sizeof(path),
				 "/sys/kernel/debug/gmem_convert/%s/map", entry->d_name);
	if (dir)
		closedir(dir);
	file = fopen(path, "r");
	check(file, "there is no map in debugfs");
	memset(map[nr_rows], '?', PAGES);
	while (file && fgets(line, sizeof(line), file)) {
		char state[16];

		if (sscanf(line, "%lu-%lu %15s", &first, &last, state) == 3 &&
		    last < PAGES)
			memset(map[nr_rows] + first, state[0] == 'p' ? '#' : '.',
			       last - first + 1);
	}
	if (file)
		fclose(file);
	if (refused_at < PAGES)
		map[nr_rows][refused_at] = '!';
	refused_at = -1;
	check(!strchr(map[nr_rows], '?'), "the map has holes");
	snprintf(what[nr_rows], sizeof(what[0]), "%s", label);
	printf("   |%s|\n", map[nr_rows]);
	nr_rows++;
}

/* Each page of the last row, by the expectation of @private. */
static void expect_map(bool (*private)(unsigned int page))
{
	unsigned int i, wrong = 0;

	for (i = 0; i < PAGES; i++)
		wrong += (map[nr_rows - 1][i] == '#') != private(i);
	check(!wrong, "%u pages of the map are not what they should be", wrong);
}

static void begin(const char *claim)
{
	step_failed = false;
	printf("\n%d. %s\n", passed + failed + 1, claim);
}

static void end(void)
{
	if (step_failed)
		failed++;
	else
		passed++;
}

/* --- the story --------------------------------------------------------------------------- */

#define GUEST_WORDS	0x1111000000000000ull
#define HOST_WORDS	0x2222000000000000ull

static bool all_private(unsigned int page)
{
	return true;
}

static bool but_window(unsigned int page)
{
	return page < 16 || page > 31;
}

static bool every_second(unsigned int page)
{
	return page % 2;
}

static void step_private(void)
{
	begin("Memory begins private: the guest's alone");
	guest_writes(0, PAGES, GUEST_WORDS);
	guest_sees(0, PAGES, GUEST_WORDS);
	host_sees(0, PAGES, -1);
	draw("at first");
	expect_map(all_private);
	end();
}

static void step_shared(void)
{
	begin("The guest asks to share a window: the same pages, the same contents");
	check(!guest_asks(16, 16, false), "refused");
	host_sees(16, 16, GUEST_WORDS);
	host_sees(0, 16, -1);
	host_sees(32, 32, -1);
	draw("a window is shared");
	expect_map(but_window);
	end();
}

static void step_host_writes(void)
{
	unsigned int i;

	begin("What the host writes there is what the guest reads");
	for (i = 16; i < 32; i++)
		WRITE_ONCE(*gmem_word(&g, i), HOST_WORDS + i);
	printf("   the host writes pages 16-31\n");
	guest_sees(16, 16, HOST_WORDS);
	guest_sees(0, 16, GUEST_WORDS);
	draw("the host writes");
	end();
}

static void step_pinned(void)
{
	struct iovec iov = { .iov_base = gmem_word(&g, 21), .iov_len = 8 };
	int fds[2];
	u64 word;

	begin("A page that somebody has pinned refuses, by name, and nothing changes");
	check(!pipe(fds) && vmsplice(fds[1], &iov, 1, 0) == 8, "vmsplice");
	printf("   the host pins page 21 (vmsplice)\n");
	check(guest_asks(16, 16, true) == -EAGAIN, "it was not refused");
	check(refused_at == 21, "not page 21 but %lu was named", refused_at);
	draw("page 21 is pinned");
	host_sees(16, 16, HOST_WORDS);
	guest_sees(0, 16, GUEST_WORDS);
	guest_sees(16, 16, HOST_WORDS);
	check(read(fds[0], &word, 8) == 8 && word == HOST_WORDS + 21,
	      "the pipe has something else");
	printf("   the host lets go of it\n");
	check(!guest_asks(16, 16, true), "still refused");
	draw("and let go");
	expect_map(all_private);
	host_sees(16, 16, -1);
	guest_sees(16, 16, HOST_WORDS);
	close(fds[0]);
	close(fds[1]);
	end();
}

static void step_pattern(void)
{
	unsigned int i;

	begin("Page by page, as finely as it gets");
	guest_writes(0, PAGES, GUEST_WORDS);
	for (i = 0; i < PAGES; i += 2)
		check(!order(DEMO_ASK, i, 1, false), "page %u is refused", i);
	printf("   the guest asks: every second page to shared\n");
	draw("every second page");
	expect_map(every_second);
	for (i = 0; i < 4; i++)
		host_sees(i, 1, i % 2 ? -1 : GUEST_WORDS);
	guest_sees(0, PAGES, GUEST_WORDS);
	check(!guest_asks(0, PAGES, true), "refused");
	draw("and all private");
	expect_map(all_private);
	end();
}

static void *spin_vcpu(void *arg)
{
	struct kvm_vcpu *vcpu = arg;

	vcpu_run(vcpu);
	TEST_ASSERT_EQ(get_ucall(vcpu, NULL), UCALL_DONE);
	return NULL;
}

static void step_busy(void)
{
	pthread_t threads[SPINNERS];
	unsigned int i, refused = 0;

	begin("vCPUs that fault the pages at full speed are never in the way");
	spin = true;
	sync_global_to_guest(g.vm, spin);
	for (i = 0; i < SPINNERS; i++)
		pthread_create(&threads[i], NULL, spin_vcpu, vcpus[1 + i]);
	for (i = 0; i < 500; i++)
		refused += !!gmem_convert(g.fd, 0, g.size, i % 2 ?
					  KVM_MEMORY_ATTRIBUTE_PRIVATE : 0, NULL);
	spin = false;
	sync_global_to_guest(g.vm, spin);
	for (i = 0; i < SPINNERS; i++)
		pthread_join(threads[i], NULL);
	printf("   500 conversions of all pages under %u vCPUs, %u refused\n", SPINNERS,
	       refused);
	check(!refused, "%u were refused", refused);
	guest_sees(0, PAGES, GUEST_WORDS);
	draw("500 conversions later");
	expect_map(all_private);
	end();
}

static void step_hole(void)
{
	begin("A hole gives the memory back; the state stays");
	check(!guest_asks(40, 8, false), "refused");
	gmem_punch(g.fd, 36 * PAGE_SIZE, 8 * PAGE_SIZE);
	printf("   the host punches pages 36-43\n");
	guest_sees(36, 8, 0);
	guest_sees(44, 20, GUEST_WORDS);
	host_sees(36, 4, -1);
	host_sees(40, 4, 0);
	host_sees(44, 4, GUEST_WORDS);
	draw("pages 36-43 are empty");
	end();
}

int main(void)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	int i;

	TEST_REQUIRE(gmem_in_place());
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGBUS, &action, NULL);
	refused_at = -1;
	g.vm = __vm_create_with_vcpus(gmem_shape, 1 + SPINNERS, 0, guest_code, vcpus);
	for (i = 0; i < SPINNERS; i++)
		vcpu_arch_set_entry_point(vcpus[1 + i], spinning_guest_code);
	vm_enable_cap(g.vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	gmem_file(&g, PAGES, GMEM_PRIVATE);
	gmem_slot(&g);

	step_private();
	step_shared();
	step_host_writes();
	step_pinned();
	step_pattern();
	step_busy();
	step_hole();

	printf("\nThe file over time, page 0 on the left: # private, . shared, ! in the way\n\n");
	for (i = 0; i < nr_rows; i++)
		printf("   |%s| %s\n", map[i], what[i]);
	gmem_destroy(&g);
	printf("\nkvm-demo: %d passed, %d failed\n", passed, failed);
	return failed ? KSFT_FAIL : 0;
}
