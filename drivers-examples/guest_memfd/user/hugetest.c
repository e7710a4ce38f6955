// SPDX-License-Identifier: GPL-2.0
/*
 * hugetest: files of folios of 2 MiB and 1 GiB, seen from a user program.
 *
 * How large a folio is, is asked of the kernel (/proc/kpageflags), and so is
 * how large an entry maps it (smaps): falling back to pages is a failure.
 *
 * hugetest soak: random operations of several processes for some minutes.
 */
#define TEST_SECONDS	600	/* the soak */
#include "gmem_tap.h"

#define HUGE_FILE	(SHARED_FILE | GUEST_MEMFD_FLAG_2MB)
#define GIGABYTE	(512 * BLOCK)

/* --- what the kernel says of a page ----------------------------------------- */

/* Pages of the folio that a page is in; the page is touched for that. */
static unsigned long folio_pages(const struct file *f, unsigned long index)
{
	__u64 pfn, value;

	EXPECT(gu_peek(page(f, index), &value));
	pfn = gu_pfn(page(f, index));
	EXPECT(pfn);
	return gu_folio_pages(pfn);
}

/* Bytes of the file that entries of 2 MiB map. */
static unsigned long mapped_huge(const struct file *f)
{
	unsigned long start, kb = 0;
	FILE *smaps = fopen("/proc/self/smaps", "r");
	bool ours = false;
	char line[256];

	EXPECT(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-", &start) == 1 && strchr(line, '-'))
			ours = start == (uintptr_t)f->map;
		if (ours && sscanf(line, "FilePmdMapped: %lu", &kb) == 1)
			break;
	}
	fclose(smaps);
	return kb << 10;
}

static bool huge_entries(void)
{
	return !access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK);
}

static int merge(const struct file *f, unsigned long first, unsigned long nr)
{
	struct guest_memfd_merge arg = {
		.offset = gu_bytes(first), .size = gu_bytes(nr),
	};

	return gu_ioctl(f->fd, GUEST_MEMFD_MERGE, &arg);
}

static struct file huge_filled(unsigned long nr)
{
	struct file f = file_create(nr, HUGE_FILE);

	gu_fill(f.map, 0, nr);
	return f;
}

/* --- structure --------------------------------------------------------------- */

static void a_file_is_of_one_size_of_folios(void)
{
	__u64 both = GUEST_MEMFD_FLAG_2MB | GUEST_MEMFD_FLAG_1GB;

	EXPECT_EQ(gu_create(gu_bytes(BLOCK), SHARED_FILE | both), -EINVAL);
	EXPECT_EQ(gu_create(gu_bytes(BLOCK), SHARED_FILE | 1ULL << 35), -EINVAL);
	EXPECT_EQ(gu_create(gu_bytes(BLOCK), SHARED_FILE | GUEST_MEMFD_FLAG_MERGE),
		  -EINVAL);
}

static void a_page_that_is_touched_brings_its_folio(void)
{
	struct file f = file_create(2 * BLOCK + 3, HUGE_FILE);

	EXPECT_SEEN(&f, 700, 1, ZERO);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
	/* No whole block is left. */
	EXPECT_EQ(folio_pages(&f, 2 * BLOCK + 1), 1);
}

static void fallocate_brings_folios(void)
{
	struct file f = file_create(2 * BLOCK, HUGE_FILE);

	EXPECT(!fallocate(f.fd, FALLOC_FL_KEEP_SIZE, 0, gu_bytes(1)));
	EXPECT_EQ(folio_pages(&f, 511), BLOCK);
}

static void a_conversion_cuts_its_folio_and_no_other(void)
{
	struct file f = huge_filled(3 * BLOCK);

	EXPECT_EQ(to_private(&f, 700, 1), 0);
	EXPECT_SEEN(&f, 700, 1, SIGBUS);
	EXPECT_SEEN(&f, 0, 700, OWN);
	EXPECT_SEEN(&f, 701, 3 * BLOCK - 701, OWN);
	EXPECT_EQ(folio_pages(&f, 699), 1);
	EXPECT_EQ(folio_pages(&f, 511), BLOCK);
	EXPECT_EQ(folio_pages(&f, 1024), BLOCK);
}

static void what_is_converted_back_is_one_folio_again(void)
{
	struct file f = huge_filled(3 * BLOCK);
	__u64 pfn = gu_pfn(page(&f, 700));

	EXPECT_EQ(to_private(&f, 700, 400), 0);
	EXPECT_EQ(to_shared(&f, 700, 400), 0);
	EXPECT_SEEN(&f, 0, 3 * BLOCK, OWN);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
	EXPECT_EQ(folio_pages(&f, 100), BLOCK);
	EXPECT_EQ(gu_pfn(page(&f, 700)), pfn);
}

static void a_folio_is_mapped_by_one_entry(void)
{
	struct file f = file_create(4 * BLOCK, HUGE_FILE);

	if (!huge_entries()) {
		NOTE("no entries of 2 MiB in this kernel");
		return;
	}
	EXPECT(!madvise(f.map, gu_bytes(f.nr), MADV_HUGEPAGE));
	EXPECT_SEEN(&f, 700, 1, ZERO);
	EXPECT_EQ(mapped_huge(&f), gu_bytes(BLOCK));
	gu_fill(f.map, 0, f.nr);
	EXPECT_EQ(mapped_huge(&f), gu_bytes(4 * BLOCK));
	/* Two are cut, and their entries gone; the others are not touched. */
	EXPECT_EQ(to_private(&f, 1000, 100), 0);
	EXPECT_EQ(mapped_huge(&f), gu_bytes(2 * BLOCK));
	EXPECT_SEEN(&f, 0, 1000, OWN);
	EXPECT_EQ(mapped_huge(&f), gu_bytes(2 * BLOCK));
	EXPECT_SEEN(&f, 1000, 100, SIGBUS);
	EXPECT_EQ(to_shared(&f, 1000, 100), 0);
	EXPECT_SEEN(&f, 0, 4 * BLOCK, OWN);
}

static void a_mapping_that_is_not_aligned_is_by_pages(void)
{
	struct file f = huge_filled(2 * BLOCK);
	char *map = gu_mmap(f.fd, 1, 2 * BLOCK - 1);
	__u64 value;

	EXPECT(map != MAP_FAILED);
	if (huge_entries())
		EXPECT(!madvise(map, gu_bytes(2 * BLOCK - 1), MADV_HUGEPAGE));
	f.map = map - gu_bytes(1);
	EXPECT(gu_peek(page(&f, 1), &value));
	EXPECT_SEEN(&f, 1, 2 * BLOCK - 1, OWN);
	EXPECT_EQ(to_private(&f, 5, 1), 0);
	EXPECT_SEEN(&f, 5, 1, SIGBUS);
}

/* --- who is in the way -------------------------------------------------------- */

/* Which page of a folio somebody uses, nobody can tell. */
static void a_pin_anywhere_in_a_folio_refuses(void)
{
	static const unsigned long pins[] = { 512, 699, 700, 750, 799, 800, 1023 };
	unsigned int i, kind;

	for (kind = 0; kind < GU_NR_PINS; kind++) {
		for (i = 0; i < ARRAY_SIZE(pins); i++) {
			struct file f = huge_filled(2 * BLOCK);
			struct gu_pin pin;
			__u64 at;

			EXPECT_EQ(gu_pin(&pin, kind, page(&f, pins[i])), 0);
			EXPECT_EQ(gu_convert(f.fd, 700, 100, GU_PRIVATE, &at),
				  -EAGAIN);
			EXPECT_EQ(at, gu_bytes(700));
			EXPECT_EQ(folio_pages(&f, 700), BLOCK);
			EXPECT_SEEN(&f, 0, 2 * BLOCK, OWN);
			EXPECT_EQ(gu_unpin(&pin, NULL), 0);
			EXPECT_EQ(to_private(&f, 700, 100), 0);
			munmap(f.map, gu_bytes(f.nr));
			close(f.fd);
		}
	}
}

static void a_pin_in_another_folio_does_not_matter(void)
{
	struct file f = huge_filled(2 * BLOCK);
	struct gu_pin pin;

	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 511)), 0);
	EXPECT_EQ(to_private(&f, 512, 1), 0);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
}

static void a_pin_beside_the_request_leaves_the_folio_cut(void)
{
	struct file f = huge_filled(2 * BLOCK);
	struct gu_pin pin;

	EXPECT_EQ(to_private(&f, 700, 1), 0);
	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 600)), 0);
	EXPECT_EQ(to_shared(&f, 700, 1), 0);
	EXPECT_EQ(folio_pages(&f, 700), 1);
	EXPECT_EQ(merge(&f, 0, 2 * BLOCK), 1);
	EXPECT_EQ(folio_pages(&f, 700), 1);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	EXPECT_EQ(merge(&f, 0, 2 * BLOCK), 0);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
	EXPECT_SEEN(&f, 0, 2 * BLOCK, OWN);
}

static void what_stays_cut_is_joined_in_the_background(void)
{
	struct file f = file_create(2 * BLOCK, HUGE_FILE | GUEST_MEMFD_FLAG_MERGE);
	unsigned int ms;
	struct gu_pin pin;

	gu_fill(f.map, 0, f.nr);
	EXPECT_EQ(to_private(&f, 700, 1), 0);
	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 600)), 0);
	EXPECT_EQ(to_shared(&f, 700, 1), 0);
	EXPECT_EQ(folio_pages(&f, 700), 1);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	for (ms = 0; ms < 30000 && folio_pages(&f, 700) != BLOCK; ms += 100)
		usleep(100 * 1000);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
	EXPECT_SEEN(&f, 0, 2 * BLOCK, OWN);
}

static void merge_refuses_bad_arguments(void)
{
	struct file f = file_create(2 * BLOCK, HUGE_FILE);
	struct guest_memfd_merge arg = { .size = gu_bytes(1), .flags = 1 };

	EXPECT_EQ(gu_ioctl(f.fd, GUEST_MEMFD_MERGE, &arg), -EINVAL);
	arg = (struct guest_memfd_merge){ .size = gu_bytes(1), .reserved[4] = 1 };
	EXPECT_EQ(gu_ioctl(f.fd, GUEST_MEMFD_MERGE, &arg), -EINVAL);
	EXPECT_EQ(gu_ioctl(f.fd, GUEST_MEMFD_MERGE, NULL), -EFAULT);
	EXPECT_EQ(merge(&f, 0, 0), -EINVAL);
	EXPECT_EQ(merge(&f, 0, 2 * BLOCK + 1), -EINVAL);
	EXPECT_EQ(merge(&f, 0, 2 * BLOCK), 0);
}

static void a_hole_is_cut_out_of_a_folio(void)
{
	struct file f = huge_filled(2 * BLOCK);
	struct gu_pin pin;

	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 513)), 0);
	EXPECT_EQ(gu_punch(f.fd, 700, 10), -EAGAIN);
	EXPECT_SEEN(&f, 0, 2 * BLOCK, OWN);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	EXPECT_EQ(gu_punch(f.fd, 700, 10), 0);
	EXPECT_SEEN(&f, 512, 188, OWN);
	EXPECT_SEEN(&f, 710, 314, OWN);
	EXPECT_SEEN(&f, 700, 10, ZERO);
	EXPECT_EQ(folio_pages(&f, 700), 1);
	EXPECT_EQ(folio_pages(&f, 0), BLOCK);
	/* Empty, there is room for a folio again. */
	EXPECT_EQ(gu_punch(f.fd, 512, BLOCK), 0);
	EXPECT_SEEN(&f, 700, 1, ZERO);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
}

static void neighbours_that_fault_never_refuse(void)
{
	struct file f = huge_filled(2 * BLOCK);
	unsigned long i, n;
	pid_t pids[2];

	if (huge_entries())
		EXPECT(!madvise(f.map, gu_bytes(f.nr), MADV_HUGEPAGE));
	for (i = 0; i < 2; i++) {
		pids[i] = child();
		if (!pids[i])
			for (n = i;; n = (n + 7) % (2 * BLOCK))
				if (n < 700 || n > 703)
					EXPECT_EQ(gu_look_page(f.map, n),
						  GU_SEEN_OWN);
	}
	for (n = 0; n < 400; n++) {
		EXPECT_EQ(to_private(&f, 700, 4), 0);
		EXPECT_SEEN(&f, 700, 4, SIGBUS);
		EXPECT_EQ(to_shared(&f, 700, 4), 0);
	}
	EXPECT_SEEN(&f, 700, 4, OWN);
	for (i = 0; i < 2; i++)
		kill_child(pids[i]);
	EXPECT_EQ(merge(&f, 0, 2 * BLOCK), 0);
	EXPECT_EQ(folio_pages(&f, 700), BLOCK);
}

static void converting_fails_at_every_step_and_cuts_nothing(void)
{
	struct file f = huge_filled(4 * BLOCK);
	unsigned int nth, steps = 0;
	int ret;

	for (nth = 1; ; nth++) {
		EXPECT(gu_fail_nth(nth));
		ret = to_private(&f, 700, 901);
		if (gu_fail_left())
			break;
		EXPECT(ret < 0);
		EXPECT_EQ(folio_pages(&f, 700), BLOCK);
		EXPECT_EQ(folio_pages(&f, 1100), BLOCK);
		EXPECT_EQ(folio_pages(&f, 1600), BLOCK);
		steps++;
	}
	EXPECT_EQ(ret, 0);
	NOTE("%u steps", steps);
	EXPECT(steps > 3);
	EXPECT_SEEN(&f, 0, 700, OWN);
	EXPECT_SEEN(&f, 700, 901, SIGBUS);
}

static void any_conversions_leave_every_page_its_contents(void)
{
	struct file f = huge_filled(3 * BLOCK);
	unsigned long a, nr, n, i;
	bool private[3 * BLOCK] = { false };
	__u64 seed = SEED;

	for (n = 0; n < 150; n++) {
		bool to = gu_random(&seed) >> 60 & 1;

		a = gu_random(&seed) % f.nr;
		nr = 1 + gu_random(&seed) % (f.nr - a);
		EXPECT_EQ(to ? to_private(&f, a, nr) : to_shared(&f, a, nr), 0);
		for (i = a; i < a + nr; i++)
			private[i] = to;
		for (i = 0; i < f.nr; i += 1 + gu_random(&seed) % 20)
			EXPECT_EQ(gu_look_page(f.map, i), private[i] ?
				  GU_SEEN_SIGBUS : GU_SEEN_OWN);
	}
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
	for (i = 0; i < f.nr; i += BLOCK)
		EXPECT_EQ(folio_pages(&f, i), BLOCK);
}

/* --- 1 GiB ---------------------------------------------------------------------- */

static struct file gigabyte_filled(void)
{
	struct file f = file_create(GIGABYTE, SHARED_FILE | GUEST_MEMFD_FLAG_1GB);
	unsigned long i;

	for (i = 0; i < GIGABYTE; i += BLOCK)
		gu_fill(f.map, i, 3);
	return f;
}

static void a_page_of_a_gigabyte_cuts_two_megabytes_of_it(void)
{
	struct file f = gigabyte_filled();
	struct gu_pin pin;
	unsigned long i;
	__u64 at;

	EXPECT_EQ(folio_pages(&f, 123456), GIGABYTE);
	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 0)), 0);
	EXPECT_EQ(gu_convert(f.fd, 123456, 1, GU_PRIVATE, &at), -EAGAIN);
	EXPECT_EQ(at, gu_bytes(123456));
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);

	EXPECT_EQ(to_private(&f, 123456, 1), 0);
	EXPECT_EQ(folio_pages(&f, 123457), 1);
	EXPECT_EQ(folio_pages(&f, 123392), 1);
	EXPECT_EQ(folio_pages(&f, 123391), BLOCK);
	EXPECT_EQ(folio_pages(&f, 0), BLOCK);
	EXPECT_EQ(folio_pages(&f, GIGABYTE - 1), BLOCK);
	EXPECT_SEEN(&f, 123456, 1, SIGBUS);
	/* Now only what is in the same 2 MiB is in the way. */
	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&f, 0)), 0);
	EXPECT_EQ(to_private(&f, 5000, 1), 0);
	EXPECT_EQ(to_shared(&f, 5000, 1), 0);
	EXPECT_EQ(folio_pages(&f, 5000), BLOCK);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);

	EXPECT_EQ(to_shared(&f, 123456, 1), 0);
	EXPECT_EQ(folio_pages(&f, 123456), GIGABYTE);
	for (i = 0; i < GIGABYTE; i += BLOCK)
		EXPECT_SEEN(&f, i, 3, OWN);
}

/* --- the soak --------------------------------------------------------------------- */

#define SOAK_WORKERS	4
#define SOAK_PAGES	(5 * BLOCK)	/* of each */
#define SOAK_SECONDS	150

/* One process's pages; others work in the same folios, on other pages. */
struct soak {
	struct file f;
	unsigned long base;
	__u64 seed;
	enum gu_seen want[SOAK_PAGES];
	bool hole[SOAK_PAGES];		/* punched, and not written since */
	unsigned long done, refused;
};

static void soak_check(struct soak *s, unsigned long i)
{
	enum gu_seen want = s->want[i];

	if (want != GU_SEEN_SIGBUS && s->hole[i])
		want = GU_SEEN_ZERO;
	EXPECT_EQ(gu_look_page(s->f.map, s->base + i), want);
}

/* Others may hold a page of the folio that is to be cut. */
static bool soak_done(struct soak *s, int ret)
{
	if (ret)
		EXPECT_EQ(ret, -EAGAIN);
	s->refused += !!ret;
	s->done += !ret;
	return !ret;
}

static void soak_convert(struct soak *s, unsigned long first, unsigned long nr)
{
	bool private = gu_random(&s->seed) >> 60 & 1;
	unsigned long i;

	if (!soak_done(s, gu_convert(s->f.fd, s->base + first, nr, private ?
				     GU_PRIVATE : GU_SHARED, NULL)))
		return;
	for (i = first; i < first + nr; i++)
		s->want[i] = private ? GU_SEEN_SIGBUS : GU_SEEN_OWN;
}

static void soak_punch(struct soak *s, unsigned long first, unsigned long nr)
{
	unsigned long i;

	if (!soak_done(s, gu_punch(s->f.fd, s->base + first, nr)))
		return;
	for (i = first; i < first + nr; i++)
		s->hole[i] = true;
}

static void soak_pin(struct soak *s, unsigned long i)
{
	struct gu_pin pin;

	if (s->want[i] == GU_SEEN_SIGBUS)
		return;
	EXPECT_EQ(gu_pin(&pin, GU_PIN_VMSPLICE, page(&s->f, s->base + i)), 0);
	EXPECT_EQ(to_private(&s->f, s->base + i, 1), -EAGAIN);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
}

static void soak_write(struct soak *s, unsigned long i)
{
	if (s->want[i] == GU_SEEN_SIGBUS)
		return;
	gu_fill(s->f.map, s->base + i, 1);
	s->hole[i] = false;
}

static void soak_step(struct soak *s)
{
	unsigned long first = gu_random(&s->seed) % SOAK_PAGES;
	unsigned long nr = gu_random(&s->seed) % 3 ? 1 + first % 40 :
			   1 + gu_random(&s->seed) % SOAK_PAGES;
	unsigned int i;

	if (first + nr > SOAK_PAGES)
		nr = SOAK_PAGES - first;
	switch (gu_random(&s->seed) >> 32 & 15) {
	case 0:
		soak_punch(s, first, nr);
		break;
	case 1:
		soak_pin(s, first);
		break;
	case 2:
		EXPECT(merge(&s->f, s->base, SOAK_PAGES) >= 0);
		break;
	case 3:
	case 4:
		for (i = 0; i < nr && i < 100; i++)
			soak_write(s, first + i);
		break;
	default:
		soak_convert(s, first, nr);
	}
	for (i = 0; i < 40; i++)
		soak_check(s, gu_random(&s->seed) % SOAK_PAGES);
}

static void soak_run(struct soak *s)
{
	__u64 end = gu_now_us() + SOAK_SECONDS * 1000000ULL;
	unsigned long i;

	while (gu_now_us() < end)
		soak_step(s);
	for (i = 0; i < SOAK_PAGES; i++)
		soak_check(s, i);
	EXPECT(s->done > 100);
}

static void soak(__u64 flags)
{
	struct file f = file_create(GIGABYTE, SHARED_FILE | flags);
	pid_t pids[SOAK_WORKERS];
	unsigned long i, n;

	for (n = 0; n < SOAK_WORKERS; n++) {
		/* Not aligned: they meet in the same 2 MiB. */
		unsigned long base = 1000 + n * SOAK_PAGES;

		gu_fill(f.map, base, SOAK_PAGES);
		pids[n] = child();
		if (!pids[n]) {
			struct soak *s = calloc(1, sizeof(*s));

			EXPECT(s);
			s->f = f;
			s->base = base;
			s->seed = SEED + n;
			for (i = 0; i < SOAK_PAGES; i++)
				s->want[i] = GU_SEEN_OWN;
			soak_run(s);
			_exit(0);
		}
	}
	for (n = 0; n < SOAK_WORKERS; n++)
		EXPECT_EXIT(pids[n]);
	/* Nobody uses a page any more. */
	EXPECT_EQ(to_shared(&f, 0, GIGABYTE), 0);
	EXPECT_EQ(gu_punch(f.fd, 0, GIGABYTE), 0);
	EXPECT_SEEN(&f, 700, 1, ZERO);
	EXPECT_EQ(folio_pages(&f, 700), flags & GUEST_MEMFD_FLAG_1GB ? GIGABYTE :
		  BLOCK);
}

static void a_soak_of_folios_of_2_mib(void)
{
	soak(GUEST_MEMFD_FLAG_2MB);
}

static void a_soak_of_a_folio_of_1_gib(void)
{
	soak(GUEST_MEMFD_FLAG_1GB);
}

static const struct test soaks[] = {
	TEST(a_soak_of_folios_of_2_mib),
	TEST(a_soak_of_a_folio_of_1_gib),
};

static const struct test tests[] = {
	TEST(a_file_is_of_one_size_of_folios),
	TEST(a_page_that_is_touched_brings_its_folio),
	TEST(fallocate_brings_folios),
	TEST(a_conversion_cuts_its_folio_and_no_other),
	TEST(what_is_converted_back_is_one_folio_again),
	TEST(a_folio_is_mapped_by_one_entry),
	TEST(a_mapping_that_is_not_aligned_is_by_pages),

	TEST(a_pin_anywhere_in_a_folio_refuses),
	TEST(a_pin_in_another_folio_does_not_matter),
	TEST(a_pin_beside_the_request_leaves_the_folio_cut),
	TEST(what_stays_cut_is_joined_in_the_background),
	TEST(merge_refuses_bad_arguments),
	TEST(a_hole_is_cut_out_of_a_folio),
	TEST(neighbours_that_fault_never_refuse),
	TEST(converting_fails_at_every_step_and_cuts_nothing),
	TEST(any_conversions_leave_every_page_its_contents),

	TEST(a_page_of_a_gigabyte_cuts_two_megabytes_of_it),
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "soak"))
		return test_main("hugetest", soaks, ARRAY_SIZE(soaks), argc, argv);
	return test_main("hugetest", tests, ARRAY_SIZE(tests), argc, argv);
}
