// SPDX-License-Identifier: GPL-2.0
/*
 * The stand-alone guest_memfd's user API, line by line and errno by errno.
 *
 * The name of a test is what it claims; gmem_tap.h runs it.
 */
#include "gmem_tap.h"

#include <sched.h>
#include <stddef.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/time.h>

/* --- fixtures ------------------------------------------------------------- */

/* The states of a file, one character per page: '.' shared, '#' private. */
static void expect_states(int line, const struct file *f, const bool *want)
{
	bool *got = calloc(f->nr, 1);
	unsigned long i;

	if (gu_states(f->fd, f->nr, got))
		fail(line, "GET_RUNS fails");
	for (i = 0; i < f->nr; i++)
		if (got[i] != want[i])
			fail(line, "page %lu is %s", i,
			     got[i] ? "private" : "shared");
	free(got);
}

/* All of @f is shared but for @nr pages from @first on. */
static void expect_private(int line, const struct file *f, unsigned long first,
			   unsigned long nr)
{
	bool *want = calloc(f->nr, 1);

	memset(want + first, true, nr);
	expect_states(line, f, want);
	free(want);
}

#define EXPECT_STATES(f, want)		expect_states(__LINE__, f, want)
#define EXPECT_PRIVATE(f, first, nr)	expect_private(__LINE__, f, first, nr)

/* A conversion that must fail with @error, naming page @index. */
static void expect_refused(int line, const struct file *f, unsigned long first,
			   unsigned long nr, __u64 attributes, int error,
			   unsigned long index)
{
	__u64 error_offset;
	int ret = gu_convert(f->fd, first, nr, attributes, &error_offset);

	expect_equal(line, "the conversion", ret, -error);
	expect_equal(line, "error_offset", error_offset, gu_bytes(index));
}

#define EXPECT_REFUSED(f, first, nr, attributes, error, index)		\
	expect_refused(__LINE__, f, first, nr, attributes, error, index)

static struct gu_pin expect_pin(int line, enum gu_pin_kind kind, void *addr)
{
	struct gu_pin pin;

	expect_equal(line, "the pin", gu_pin(&pin, kind, addr), 0);
	return pin;
}

#define EXPECT_PIN(kind, addr)	expect_pin(__LINE__, kind, addr)

/* A page of ordinary memory that can be read but not written. */
static void *read_only_copy(const void *from, size_t size)
{
	char *p = mmap(NULL, GU_PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED);
	memcpy(p, from, size);
	EXPECT(!mprotect(p, GU_PAGE_SIZE, PROT_READ));
	return p;
}

#define BAD_ADDRESS	((void *)1)

/* --- creating files ------------------------------------------------------- */

static int create_with(const void *arg)
{
	int dev = open("/dev/guest_memfd", O_RDWR);
	int ret;

	EXPECT(dev >= 0);
	ret = gu_ioctl(dev, GUEST_MEMFD_CREATE, arg);
	close(dev);
	return ret;
}

static void create_refuses_bad_arguments(void)
{
	struct guest_memfd_create arg = { .size = GU_PAGE_SIZE };
	unsigned int i;

	EXPECT_EQ(create_with(BAD_ADDRESS), -EFAULT);
	for (i = 2; i < 64; i++)
		if (!((GUEST_MEMFD_FLAG_2MB | GUEST_MEMFD_FLAG_1GB) >> i & 1))
			EXPECT_EQ(gu_create(GU_PAGE_SIZE, 1ULL << i), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(arg.reserved); i++) {
		arg.reserved[i] = 1;
		EXPECT_EQ(create_with(&arg), -EINVAL);
		arg.reserved[i] = 0;
	}
	EXPECT_EQ(gu_create(0, 0), -EINVAL);
	EXPECT_EQ(gu_create(1, 0), -EINVAL);
	EXPECT_EQ(gu_create(GU_PAGE_SIZE - 1, 0), -EINVAL);
	EXPECT_EQ(gu_create(GU_PAGE_SIZE + 512, 0), -EINVAL);
	EXPECT_EQ(gu_create(1ULL << 63, 0), -EINVAL);
	EXPECT_EQ(gu_create(-GU_PAGE_SIZE, 0), -EINVAL);
}

static void the_device_knows_no_other_ioctl(void)
{
	struct kvm_memory_attributes2 arg = { .size = GU_PAGE_SIZE };
	int dev = open("/dev/guest_memfd", O_RDWR);

	EXPECT(dev >= 0);
	EXPECT_EQ(gu_ioctl(dev, KVM_SET_MEMORY_ATTRIBUTES2, &arg), -ENOTTY);
	EXPECT_EQ(gu_ioctl(dev, GUEST_MEMFD_GET_RUNS, &arg), -ENOTTY);
	EXPECT_EQ(gu_ioctl(dev, GUEST_MEMFD_HOLD, &arg), -ENOTTY);
	EXPECT_EQ(gu_ioctl(dev, 0, NULL), -ENOTTY);
}

/* Stack traces in the kernel log. */
static unsigned int nr_kernel_complaints(void)
{
	/* SYSLOG_ACTION_SIZE_BUFFER and SYSLOG_ACTION_READ_ALL */
	int size = klogctl(10, NULL, 0), nr = 0;
	char *log = calloc(size + 1, 1), *at = log;

	EXPECT(klogctl(3, log, size) >= 0);
	while ((at = strstr(at, "Call Trace:"))) {
		nr++;
		at++;
	}
	free(log);
	return nr;
}

static void an_impossible_size_fails_and_the_kernel_does_not_complain(void)
{
	unsigned int bits, complaints = nr_kernel_complaints();

	for (bits = 50; bits < 63; bits++)
		EXPECT_EQ(gu_create(1ULL << bits, SHARED_FILE), -ENOMEM);
	EXPECT_EQ(gu_create(~(GU_PAGE_SIZE - 1) >> 1 & ~(GU_PAGE_SIZE - 1),
			    SHARED_FILE), -ENOMEM);
	file_filled(1);
	EXPECT_EQ(nr_kernel_complaints(), complaints);
}

static void a_new_file_is_private_unless_asked_otherwise(void)
{
	struct file f = file_create(700, GUEST_MEMFD_FLAG_MMAP);

	EXPECT_PRIVATE(&f, 0, 700);
	EXPECT_SEEN(&f, 0, 1, SIGBUS);
	EXPECT_SEEN(&f, 699, 1, SIGBUS);
	f = file_create(700, SHARED_FILE);
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_SEEN(&f, 0, 1, ZERO);
	EXPECT_SEEN(&f, 699, 1, ZERO);
}

static void a_file_has_the_size_it_was_made_with(void)
{
	struct file f = file_filled(3);
	char path[40], byte = 0;
	struct stat st;

	EXPECT(!fstat(f.fd, &st));
	EXPECT_EQ(st.st_size, 3 * GU_PAGE_SIZE);
	EXPECT(S_ISREG(st.st_mode));
	EXPECT(fcntl(f.fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_ERRNO(ftruncate(f.fd, GU_PAGE_SIZE), EINVAL);
	EXPECT_ERRNO(ftruncate(f.fd, 8 * GU_PAGE_SIZE), EINVAL);
	EXPECT_ERRNO(ftruncate(f.fd, 3 * GU_PAGE_SIZE), EINVAL);
	EXPECT_ERRNO(fchmod(f.fd, 0777), EINVAL);
	EXPECT_ERRNO(read(f.fd, &byte, 1), EINVAL);
	EXPECT_ERRNO(write(f.fd, &byte, 1), EINVAL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", f.fd);
	EXPECT_ERRNO(open(path, O_RDWR), ENXIO);
	EXPECT(!fstat(f.fd, &st));
	EXPECT_EQ(st.st_size, 3 * GU_PAGE_SIZE);
	EXPECT_SEEN(&f, 0, 3, OWN);
}

static void files_do_not_affect_each_other(void)
{
	struct file a = file_filled(4), b = file_filled(4);
	int hold = gu_hold(a.fd, 0, 4, "other file");

	EXPECT(hold >= 0);
	EXPECT_EQ(to_private(&b, 1, 2), 0);
	EXPECT_PRIVATE(&a, 0, 0);
	EXPECT_PRIVATE(&b, 1, 2);
	EXPECT_SEEN(&a, 0, 4, OWN);
}

static void a_terabyte_without_pages_converts(void)
{
	unsigned long nr = 1UL << 28;
	struct file f = file_create(nr, GUEST_MEMFD_FLAG_MMAP);
	struct guest_memfd_run run[2];
	struct guest_memfd_get_runs arg = {
		.size = gu_bytes(nr), .runs = (uintptr_t)run, .nr = 2,
	};
	__u64 begin = gu_now_us(), to_shared_us;

	EXPECT_EQ(to_shared(&f, 0, nr), 0);
	to_shared_us = gu_now_us() - begin;
	gu_fill(f.map, nr - 1, 1);
	gu_fill(f.map, nr / 2, 1);
	begin = gu_now_us();
	EXPECT_EQ(to_private(&f, 0, nr - 1), 0);
	NOTE("to shared in %llu us, to private in %llu us", to_shared_us,
	     gu_now_us() - begin);
	EXPECT_SEEN(&f, nr - 1, 1, OWN);
	EXPECT_SEEN(&f, nr / 2, 1, SIGBUS);
	EXPECT_EQ(gu_ioctl(f.fd, GUEST_MEMFD_GET_RUNS, &arg), 0);
	EXPECT_EQ(arg.nr, 2);
	EXPECT_EQ(arg.size, 0);
	EXPECT_EQ(run[0].size, gu_bytes(nr - 1));
	EXPECT_EQ(run[0].attributes, GU_PRIVATE);
	EXPECT_EQ(run[1].offset, gu_bytes(nr - 1));
	EXPECT_EQ(run[1].attributes, GU_SHARED);
}

/* --- mapping them --------------------------------------------------------- */

static void mmap_needs_the_flag(void)
{
	struct file f = file_create(4, GUEST_MEMFD_FLAG_INIT_SHARED);

	EXPECT(gu_mmap(f.fd, 0, 4) == MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_PRIVATE(&f, 1, 1);
	EXPECT(gu_mmap(f.fd, 0, 4) == MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
}

static void mmap_takes_only_map_shared(void)
{
	struct file f = file_create(4, SHARED_FILE);
	void *p;

	p = mmap(NULL, GU_PAGE_SIZE, PROT_READ, MAP_PRIVATE, f.fd, 0);
	EXPECT(p == MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	p = mmap(NULL, GU_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, f.fd,
		 0);
	EXPECT(p == MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	p = mmap(NULL, GU_PAGE_SIZE, PROT_READ, MAP_SHARED, f.fd, 0);
	EXPECT(p != MAP_FAILED);
	p = mmap(NULL, GU_PAGE_SIZE, PROT_READ, MAP_SHARED_VALIDATE, f.fd, 0);
	EXPECT(p != MAP_FAILED);
}

static void a_mapping_may_begin_anywhere(void)
{
	struct file f = file_filled(8);
	char *map = gu_mmap(f.fd, 5, 2);
	__u64 value;

	EXPECT(map != MAP_FAILED);
	EXPECT(gu_peek(map, &value));
	EXPECT_EQ(value, gu_word(5, 0));
	EXPECT_EQ(to_private(&f, 6, 1), 0);
	EXPECT(gu_peek(map, &value));
	EXPECT(!gu_peek(map + GU_PAGE_SIZE, &value));
}

static void beyond_the_end_there_is_only_sigbus(void)
{
	struct file f = file_create(2, SHARED_FILE);
	char *map = gu_mmap(f.fd, 0, 600);
	__u64 value;

	EXPECT(map != MAP_FAILED);
	EXPECT(gu_peek(map + gu_bytes(1), &value));
	EXPECT(!gu_peek(map + gu_bytes(2), &value));
	EXPECT(!gu_poke(map + gu_bytes(2), 1));
	EXPECT(!gu_peek(map + gu_bytes(599), &value));
	map = gu_mmap(f.fd, 512, 1);
	EXPECT(map != MAP_FAILED);
	EXPECT(!gu_poke(map, 1));
}

static void a_mapping_outlives_the_descriptor(void)
{
	struct file f = file_filled(4);
	int fd = dup(f.fd);

	close(f.fd);
	EXPECT_SEEN(&f, 0, 4, OWN);
	f.fd = fd;
	EXPECT_EQ(to_private(&f, 2, 1), 0);
	close(fd);
	EXPECT_SEEN(&f, 0, 2, OWN);
	EXPECT_SEEN(&f, 2, 1, SIGBUS);
	EXPECT(gu_space_exists(f.space));
	EXPECT(!munmap(f.map, gu_bytes(4)));
	EXPECT(!gu_space_exists(f.space));
}

static void contents_and_states_outlive_the_mapping(void)
{
	struct file f = file_filled(4);

	EXPECT(!munmap(f.map, gu_bytes(4)));
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	f.map = gu_mmap(f.fd, 0, 4);
	EXPECT(f.map != MAP_FAILED);
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 1, 1, SIGBUS);
	EXPECT_SEEN(&f, 2, 2, OWN);
}

/* --- the argument of a conversion ----------------------------------------- */

static void a_file_knows_no_other_ioctl(void)
{
	struct file f = file_create(1, 0);
	struct guest_memfd_create arg = { .size = GU_PAGE_SIZE };

	EXPECT_EQ(gu_ioctl(f.fd, GUEST_MEMFD_CREATE, &arg), -ENOTTY);
	/* The one on a VM, which takes less. */
	EXPECT_EQ(gu_ioctl(f.fd, _IOW(0xae, 0xd2, __u64[4]), &arg), -ENOTTY);
	EXPECT_EQ(gu_ioctl(f.fd, _IO(0xae, 0xd2), &arg), -ENOTTY);
	EXPECT_EQ(gu_ioctl(f.fd, 0, NULL), -ENOTTY);
	EXPECT_EQ(gu_ioctl(f.fd, 0xffffffff, NULL), -ENOTTY);
}

static void the_api_has_the_numbers_of_kvm(void)
{
	EXPECT_EQ(KVM_SET_MEMORY_ATTRIBUTES2, 0xc080aed2);
	EXPECT_EQ(sizeof(struct kvm_memory_attributes2), 128);
	EXPECT_EQ(offsetof(struct kvm_memory_attributes2, error_offset), 32);
	EXPECT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE, 8);
	EXPECT_EQ(GUEST_MEMFD_FLAG_MMAP, 1);
	EXPECT_EQ(GUEST_MEMFD_FLAG_INIT_SHARED, 2);
}

static void convert_with(int line, const struct file *f,
			 struct kvm_memory_attributes2 arg, int error)
{
	__u64 offset = arg.offset;
	int ret;

	arg.error_offset = GU_UNSET;
	ret = gu_ioctl(f->fd, KVM_SET_MEMORY_ATTRIBUTES2, &arg);
	expect_equal(line, "the conversion", ret, -error);
	expect_equal(line, "error_offset", arg.error_offset, offset);
	expect_private(line, f, 1, 1);
}

#define EXPECT_INVALID(f, ...)	\
	convert_with(__LINE__, f, (struct kvm_memory_attributes2){ __VA_ARGS__ }, EINVAL)

static void conversion_refuses_bad_arguments(void)
{
	struct kvm_memory_attributes2 arg = { .size = GU_PAGE_SIZE };
	struct file f = file_filled(4);
	unsigned int i;

	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2, BAD_ADDRESS),
		  -EFAULT);
	for (i = 0; i < 64; i++)
		EXPECT_INVALID(&f, .size = GU_PAGE_SIZE, .flags = 1ULL << i);
	for (i = 0; i < 64; i++)
		if (1ULL << i != GU_PRIVATE)
			EXPECT_INVALID(&f, .size = GU_PAGE_SIZE,
				       .attributes = 1ULL << i);
	EXPECT_INVALID(&f, .size = GU_PAGE_SIZE, .attributes = ~0ULL);
	for (i = 0; i < ARRAY_SIZE(arg.reserved); i++) {
		arg.reserved[i] = 1ULL << 63;
		convert_with(__LINE__, &f, arg, EINVAL);
		arg.reserved[i] = 0;
	}
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 2, 2, OWN);
}

static void conversion_refuses_bad_ranges(void)
{
	struct file f = file_filled(4);

	EXPECT_EQ(to_private(&f, 1, 1), 0);
	/* Nothing. */
	EXPECT_INVALID(&f, .offset = 0, .size = 0);
	EXPECT_INVALID(&f, .offset = gu_bytes(4), .size = 0);
	/* Not in pages. */
	EXPECT_INVALID(&f, .offset = 1, .size = GU_PAGE_SIZE);
	EXPECT_INVALID(&f, .offset = GU_PAGE_SIZE - 1, .size = GU_PAGE_SIZE);
	EXPECT_INVALID(&f, .offset = 0, .size = 1);
	EXPECT_INVALID(&f, .offset = 0, .size = GU_PAGE_SIZE + 8);
	/* Beyond the end. */
	EXPECT_INVALID(&f, .offset = 0, .size = gu_bytes(5));
	EXPECT_INVALID(&f, .offset = gu_bytes(3), .size = gu_bytes(2));
	EXPECT_INVALID(&f, .offset = gu_bytes(4), .size = gu_bytes(1));
	EXPECT_INVALID(&f, .offset = 1ULL << 62, .size = gu_bytes(1));
	/* Wraps. */
	EXPECT_INVALID(&f, .offset = gu_bytes(1), .size = -gu_bytes(1));
	EXPECT_INVALID(&f, .offset = gu_bytes(1), .size = -gu_bytes(0));
	EXPECT_INVALID(&f, .offset = -gu_bytes(1), .size = gu_bytes(1));
	EXPECT_INVALID(&f, .offset = -gu_bytes(1), .size = gu_bytes(3),
		       .attributes = GU_PRIVATE);
	EXPECT_INVALID(&f, .offset = -gu_bytes(2), .size = -gu_bytes(2));
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 2, 2, OWN);
}

static void success_writes_nothing_to_the_argument(void)
{
	struct kvm_memory_attributes2 arg = {
		.size = GU_PAGE_SIZE,
		.attributes = GU_PRIVATE,
		.error_offset = GU_UNSET,
	};
	struct file f = file_filled(2);

	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2,
			   read_only_copy(&arg, sizeof(arg))), 0);
	EXPECT_PRIVATE(&f, 0, 1);
	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2, &arg), 0);
	EXPECT_EQ(arg.error_offset, GU_UNSET);
}

static void a_refusal_with_a_read_only_argument_is_still_a_refusal(void)
{
	struct kvm_memory_attributes2 arg = {
		.size = gu_bytes(2),
		.attributes = GU_PRIVATE,
	};
	struct file f = file_filled(2);
	int hold = gu_hold(f.fd, 1, 1, "holder");

	EXPECT(hold >= 0);
	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2,
			   read_only_copy(&arg, sizeof(arg))), -EBUSY);
	EXPECT_PRIVATE(&f, 0, 0);
}

static void the_argument_may_lie_in_the_range(void)
{
	struct file f = file_create(4, SHARED_FILE);
	struct kvm_memory_attributes2 *arg = (void *)page(&f, 1);
	struct kvm_memory_attributes2 copy;
	struct gu_pin pin;

	memset(arg, 0, sizeof(*arg));
	arg->size = gu_bytes(4);
	arg->attributes = GU_PRIVATE;
	copy = *arg;

	/* Refused: it is written to, after the attempt. */
	pin = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 3));
	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2, arg), -EAGAIN);
	EXPECT_EQ(arg->error_offset, gu_bytes(3));
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);

	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2, arg), 0);
	EXPECT_PRIVATE(&f, 0, 4);

	/* Now it cannot even be read. */
	EXPECT_EQ(gu_ioctl(f.fd, KVM_SET_MEMORY_ATTRIBUTES2, arg), -EFAULT);
	EXPECT_PRIVATE(&f, 0, 4);
	EXPECT_EQ(to_shared(&f, 0, 4), 0);
	copy.error_offset = gu_bytes(3);
	EXPECT(!memcmp(arg, &copy, sizeof(copy)));
}

/* --- states and contents -------------------------------------------------- */

static void contents_survive_conversions(void)
{
	struct file f = file_filled(1100);

	EXPECT_EQ(to_private(&f, 0, 1100), 0);
	EXPECT_PRIVATE(&f, 0, 1100);
	EXPECT_EQ(to_shared(&f, 0, 1100), 0);
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_SEEN(&f, 0, 1100, OWN);
	EXPECT_EQ(to_private(&f, 500, 30), 0);
	EXPECT_PRIVATE(&f, 500, 30);
	EXPECT_EQ(to_shared(&f, 0, 1100), 0);
	EXPECT_SEEN(&f, 0, 1100, OWN);
}

static void a_state_needs_no_page(void)
{
	struct file f = file_create(1100, SHARED_FILE);
	struct stat st;

	EXPECT_EQ(to_private(&f, 10, 1000), 0);
	EXPECT_PRIVATE(&f, 10, 1000);
	EXPECT_SEEN(&f, 10, 1, SIGBUS);
	EXPECT_SEEN(&f, 9, 1, ZERO);
	EXPECT_EQ(to_shared(&f, 20, 900), 0);
	EXPECT_SEEN(&f, 20, 3, ZERO);
	EXPECT_SEEN(&f, 19, 1, SIGBUS);
	EXPECT(!fstat(f.fd, &st));
	EXPECT_EQ(st.st_size, gu_bytes(1100));
}

static void converting_to_the_present_state_changes_nothing(void)
{
	struct file f = file_filled(8);

	EXPECT_EQ(to_shared(&f, 0, 8), 0);
	EXPECT_SEEN(&f, 0, 8, OWN);
	EXPECT_EQ(to_private(&f, 3, 2), 0);
	EXPECT_EQ(to_private(&f, 3, 2), 0);
	EXPECT_EQ(to_private(&f, 4, 1), 0);
	EXPECT_PRIVATE(&f, 3, 2);
	EXPECT_EQ(to_shared(&f, 3, 2), 0);
	EXPECT_EQ(to_shared(&f, 3, 2), 0);
	EXPECT_SEEN(&f, 0, 8, OWN);
}

static void ranges_across_blocks_are_exact(void)
{
	static const struct {
		unsigned long first, nr;
		bool private;
	} requests[] = {
		{ 0, 1, true },
		{ BLOCK - 1, 1, true },
		{ BLOCK - 1, 2, true },
		{ BLOCK, BLOCK, true },
		{ BLOCK - 1, BLOCK + 2, false },
		{ 1, 3 * BLOCK + 7, true },
		{ 3 * BLOCK, 8, false },
		{ 3 * BLOCK + 7, 1, true },
		{ 2 * BLOCK + 5, 1, false },
		{ 2 * BLOCK, BLOCK, true },
		{ 0, 3 * BLOCK + 8, false },
		{ 3 * BLOCK + 7, 1, true },
		{ 3 * BLOCK, 8, true },
		{ 0, 3 * BLOCK + 8, true },
	};
	struct file f = file_create(3 * BLOCK + 8, SHARED_FILE);
	bool oracle[3 * BLOCK + 8] = { false };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		EXPECT_EQ(gu_convert(f.fd, requests[i].first, requests[i].nr,
				     requests[i].private ? GU_PRIVATE :
							   GU_SHARED, NULL), 0);
		memset(oracle + requests[i].first, requests[i].private,
		       requests[i].nr);
		EXPECT_STATES(&f, oracle);
	}
}

static void every_second_page_private_then_all_at_once(void)
{
	struct file f = file_filled(4 * BLOCK);
	bool *oracle = calloc(f.nr, 1);
	unsigned long i;

	for (i = 0; i < f.nr; i += 2) {
		EXPECT_EQ(to_private(&f, i, 1), 0);
		oracle[i] = true;
	}
	EXPECT_STATES(&f, oracle);
	EXPECT_SEEN(&f, 1, 1, OWN);
	EXPECT_SEEN(&f, 2, 1, SIGBUS);

	/* Half of the pages in between, and not one more. */
	EXPECT_EQ(to_private(&f, 1, 2 * BLOCK), 0);
	memset(oracle + 1, true, 2 * BLOCK);
	EXPECT_STATES(&f, oracle);
	EXPECT_EQ(to_shared(&f, 2, f.nr - 4), 0);
	memset(oracle + 2, false, f.nr - 4);
	EXPECT_STATES(&f, oracle);
	EXPECT_SEEN(&f, 2, f.nr - 4, OWN);
}

static void refusal_among_many_runs_names_the_page_and_changes_none(void)
{
	struct file f = file_filled(2 * BLOCK);
	bool *oracle = calloc(f.nr, 1);
	unsigned long i, in_the_way = BLOCK + 101;
	struct gu_pin pin;

	for (i = 0; i < f.nr; i += 2) {
		EXPECT_EQ(to_private(&f, i, 1), 0);
		oracle[i] = true;
	}
	pin = EXPECT_PIN(GU_PIN_GUP_TEST, page(&f, in_the_way));
	EXPECT_REFUSED(&f, 0, f.nr, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_STATES(&f, oracle);
	for (i = 1; i < f.nr; i += 2)
		EXPECT_SEEN(&f, i, 1, OWN);
	/* What is private already is not asked. */
	EXPECT_EQ(to_private(&f, in_the_way + 1, 1), 0);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
	EXPECT_PRIVATE(&f, 0, f.nr);
}

/* --- private pages are out of reach --------------------------------------- */

static volatile int sigbus_code;

static void note_sigbus_code(int sig, siginfo_t *info, void *context)
{
	sigbus_code = info->si_code;
	gu_sigbus_handler(sig, info, context);
}

static void touching_a_private_page_is_sigbus_at_its_address(void)
{
	struct sigaction sa = {
		.sa_sigaction = note_sigbus_code,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	struct file f = file_filled(4);
	__u64 value;

	sigaction(SIGBUS, &sa, NULL);
	EXPECT_EQ(to_private(&f, 1, 2), 0);
	EXPECT(!gu_peek(page(&f, 1) + 8, &value));
	EXPECT(gu_sigbus_addr == page(&f, 1) + 8);
	EXPECT_EQ(sigbus_code, BUS_ADRERR);
	EXPECT(!gu_poke(page(&f, 2) + 4088, 0));
	EXPECT(gu_sigbus_addr == page(&f, 2) + 4088);
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 3, 1, OWN);
	EXPECT_EQ(to_shared(&f, 1, 2), 0);
	EXPECT_SEEN(&f, 0, 4, OWN);
}

static void system_calls_cannot_reach_private_pages(void)
{
	struct file f = file_filled(3);
	int fds[2];

	EXPECT(!pipe(fds));
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_ERRNO(write(fds[1], page(&f, 1), 8), EFAULT);
	/* Nor is a part of it written. */
	EXPECT_ERRNO(write(fds[1], page(&f, 1) - 8, 16), EFAULT);
	EXPECT_EQ(write(fds[1], page(&f, 0), 8), 8);
	EXPECT_ERRNO(read(fds[0], page(&f, 1), 8), EFAULT);
	EXPECT_EQ(to_shared(&f, 1, 1), 0);
	EXPECT_SEEN(&f, 1, 1, OWN);
}

static void other_processes_cannot_reach_private_pages(void)
{
	struct file f = file_filled(3);
	__u64 value = 0;
	struct iovec to = { &value, sizeof(value) };
	struct iovec from = { page(&f, 1), sizeof(value) };
	pid_t pid = child();

	if (!pid) {
		pause();
		_exit(0);
	}
	EXPECT_EQ(process_vm_readv(pid, &to, 1, &from, 1, 0), sizeof(value));
	EXPECT_EQ(value, gu_word(1, 0));
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_ERRNO(process_vm_readv(pid, &to, 1, &from, 1, 0), EFAULT);
	EXPECT_ERRNO(process_vm_writev(pid, &to, 1, &from, 1, 0), EFAULT);
	EXPECT_EQ(to_shared(&f, 1, 1), 0);
	EXPECT_EQ(process_vm_readv(pid, &to, 1, &from, 1, 0), sizeof(value));
	kill_child(pid);
}

static void proc_mem_cannot_reach_private_pages(void)
{
	int mem = open("/proc/self/mem", O_RDWR);
	struct file f = file_filled(3);
	__u64 value = 0;

	EXPECT(mem >= 0);
	EXPECT_EQ(pread(mem, &value, 8, (uintptr_t)page(&f, 1)), 8);
	EXPECT_EQ(value, gu_word(1, 0));
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_ERRNO(pread(mem, &value, 8, (uintptr_t)page(&f, 1)), EIO);
	EXPECT_ERRNO(pwrite(mem, &value, 8, (uintptr_t)page(&f, 1)), EIO);
	EXPECT_EQ(to_shared(&f, 1, 1), 0);
	EXPECT_SEEN(&f, 0, 3, OWN);
}

static void nobody_can_pin_a_private_page(void)
{
	struct file f = file_filled(3);
	struct gu_pin pin;
	int kind;

	EXPECT_EQ(to_private(&f, 1, 1), 0);
	for (kind = 0; kind < GU_NR_PINS; kind++)
		EXPECT_EQ(gu_pin(&pin, kind, page(&f, 1)), -EFAULT);
	EXPECT_EQ(to_shared(&f, 1, 1), 0);
	for (kind = 0; kind < GU_NR_PINS; kind++) {
		pin = EXPECT_PIN(kind, page(&f, 1));
		EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	}
	EXPECT_EQ(to_private(&f, 1, 1), 0);
}

static void private_pages_cannot_be_populated_from_outside(void)
{
	struct file f = file_filled(8);
	char *map;

	EXPECT_EQ(to_private(&f, 3, 1), 0);
	EXPECT_ERRNO(madvise(page(&f, 3), GU_PAGE_SIZE, MADV_POPULATE_READ),
		     EFAULT);
	EXPECT_ERRNO(madvise(page(&f, 3), GU_PAGE_SIZE, MADV_POPULATE_WRITE),
		     EFAULT);
	EXPECT_ERRNO(madvise(f.map, gu_bytes(8), MADV_POPULATE_WRITE), EFAULT);
	EXPECT(!madvise(f.map, gu_bytes(3), MADV_POPULATE_WRITE));
	/* mmap() itself does not fail for that. */
	map = mmap(NULL, gu_bytes(8), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_POPULATE, f.fd, 0);
	EXPECT(map != MAP_FAILED);
	f.map = map;
	EXPECT_SEEN(&f, 3, 1, SIGBUS);
	EXPECT_SEEN(&f, 2, 1, OWN);
	EXPECT(!madvise(f.map, gu_bytes(8), MADV_DONTNEED));
	EXPECT_SEEN(&f, 4, 4, OWN);
}

/* --- pinned pages --------------------------------------------------------- */

/* @in_the_way is pinned; ranges that contain it, however they lie, fail there. */
static void pin_refuses(enum gu_pin_kind kind, unsigned long in_the_way)
{
	struct file f = file_filled(2 * BLOCK);
	struct gu_pin pin = EXPECT_PIN(kind, page(&f, in_the_way));

	/* First, last, in the middle, alone, and in all of the file. */
	EXPECT_REFUSED(&f, in_the_way, 5, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_REFUSED(&f, in_the_way - 4, 5, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_REFUSED(&f, in_the_way - 4, 9, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_REFUSED(&f, in_the_way, 1, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_REFUSED(&f, 0, f.nr, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);

	/* It is nobody else's business. */
	EXPECT_EQ(to_private(&f, 0, in_the_way), 0);
	EXPECT_PRIVATE(&f, 0, in_the_way);
	EXPECT_EQ(to_private(&f, in_the_way + 1, f.nr - in_the_way - 1), 0);
	EXPECT_SEEN(&f, in_the_way, 1, OWN);
	EXPECT_REFUSED(&f, 0, f.nr, GU_PRIVATE, EAGAIN, in_the_way);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_PRIVATE(&f, 0, 0);

	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
	EXPECT_PRIVATE(&f, 0, f.nr);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

static void a_registered_io_uring_buffer_refuses_at_its_page(void)
{
	pin_refuses(GU_PIN_IO_URING, BLOCK);
}

static void a_page_in_a_pipe_refuses_at_its_page(void)
{
	pin_refuses(GU_PIN_VMSPLICE, BLOCK - 1);
}

static void a_long_term_pin_refuses_at_its_page(void)
{
	pin_refuses(GU_PIN_GUP_TEST, 200);
}

static void the_first_of_several_pinned_pages_is_named(void)
{
	struct file f = file_filled(16);
	struct gu_pin a, b, c;

	a = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 11));
	b = EXPECT_PIN(GU_PIN_IO_URING, page(&f, 3));
	c = EXPECT_PIN(GU_PIN_GUP_TEST, page(&f, 7));
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EAGAIN, 3);
	EXPECT_REFUSED(&f, 4, 12, GU_PRIVATE, EAGAIN, 7);
	EXPECT_EQ(gu_unpin(&b, NULL), 0);
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EAGAIN, 7);
	EXPECT_EQ(gu_unpin(&c, NULL), 0);
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EAGAIN, 11);
	EXPECT_EQ(gu_unpin(&a, NULL), 0);
	EXPECT_EQ(to_private(&f, 0, 16), 0);
}

static void a_page_pinned_twice_is_free_after_the_second_release(void)
{
	struct file f = file_filled(4);
	struct gu_pin a, b;

	a = EXPECT_PIN(GU_PIN_IO_URING, page(&f, 1));
	b = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 1));
	EXPECT_REFUSED(&f, 0, 4, GU_PRIVATE, EAGAIN, 1);
	EXPECT_EQ(gu_unpin(&a, NULL), 0);
	EXPECT_REFUSED(&f, 0, 4, GU_PRIVATE, EAGAIN, 1);
	EXPECT_EQ(gu_unpin(&b, NULL), 0);
	EXPECT_EQ(to_private(&f, 0, 4), 0);
}

static void a_refusal_leaves_other_processes_untouched(void)
{
	struct file f = file_filled(32);
	struct gu_pin pin = EXPECT_PIN(GU_PIN_GUP_TEST, page(&f, 9));
	int go[2], done[2];
	pid_t pid;
	char byte;

	EXPECT(!pipe(go) && !pipe(done));
	pid = child();
	if (!pid) {
		EXPECT_SEEN(&f, 0, 32, OWN);
		EXPECT_EQ(write(done[1], "", 1), 1);
		EXPECT_EQ(read(go[0], &byte, 1), 1);
		EXPECT_SEEN(&f, 0, 32, OWN);
		_exit(0);
	}
	EXPECT_EQ(read(done[0], &byte, 1), 1);
	EXPECT_REFUSED(&f, 0, 32, GU_PRIVATE, EAGAIN, 9);
	EXPECT_EQ(write(go[1], "", 1), 1);
	EXPECT_EXIT(pid);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
}

static void a_pin_does_not_matter_if_nothing_changes(void)
{
	struct file f = file_filled(8);
	struct gu_pin pin = EXPECT_PIN(GU_PIN_IO_URING, page(&f, 3));

	EXPECT_EQ(to_shared(&f, 0, 8), 0);
	EXPECT_EQ(to_shared(&f, 3, 1), 0);
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_SEEN(&f, 0, 8, OWN);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
}

static void a_pin_outlives_the_file(void)
{
	struct file f = file_filled(2);
	struct gu_pin pin = EXPECT_PIN(GU_PIN_GUP_TEST, page(&f, 1));
	struct gu_pin piped = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 0));
	struct gu_pin ring = EXPECT_PIN(GU_PIN_IO_URING, page(&f, 1));
	__u64 word[GU_PAGE_WORDS];

	EXPECT(!munmap(f.map, gu_bytes(2)));
	close(f.fd);
	EXPECT(!gu_space_exists(f.space));
	EXPECT_EQ(gu_unpin(&ring, NULL), 0);
	EXPECT_EQ(gu_unpin(&pin, word), 0);
	EXPECT_EQ(word[5], gu_word(1, 5));
	EXPECT_EQ(gu_unpin(&piped, word), 0);
	EXPECT_EQ(word[511], gu_word(0, 511));
}

static void a_killed_process_lets_go_of_its_pins(void)
{
	struct file f = file_filled(4);
	__u64 begin;
	int kind;

	for (kind = 0; kind < GU_NR_PINS; kind++) {
		int ready[2];
		pid_t pid;
		char byte;

		EXPECT(!pipe(ready));
		pid = child();
		if (!pid) {
			EXPECT_PIN(kind, page(&f, 2));
			EXPECT_EQ(write(ready[1], "", 1), 1);
			pause();
			_exit(0);
		}
		close(ready[1]);
		EXPECT_EQ(read(ready[0], &byte, 1), 1);
		close(ready[0]);
		EXPECT_REFUSED(&f, 0, 4, GU_PRIVATE, EAGAIN, 2);
		kill_child(pid);
		/* An io_uring goes some time after its owner. */
		for (begin = gu_now_us(); to_private(&f, 0, 4); usleep(1000))
			EXPECT(gu_now_us() - begin < 5000000);
		EXPECT_EQ(to_shared(&f, 0, 4), 0);
	}
}

/* --- what is recorded about refusals -------------------------------------- */

static void debugfs_shows_who_refused(void)
{
	static const unsigned long seen[] = {
		[GU_PIN_IO_URING] = 1 + 1024,
		[GU_PIN_VMSPLICE] = 1 + 1,
		[GU_PIN_GUP_TEST] = 1 + 1024,
	};
	struct file f = file_filled(16);
	struct gu_refusal r;
	struct gu_pin pin;
	int kind, hold;

	EXPECT(!gu_last_refusal(f.space, &r));
	for (kind = 0; kind < GU_NR_PINS; kind++) {
		pin = EXPECT_PIN(kind, page(&f, 5));
		EXPECT_REFUSED(&f, 2, 9, GU_PRIVATE, EAGAIN, 5);
		EXPECT(gu_last_refusal(f.space, &r));
		EXPECT(!strcmp(r.op, "to-private"));
		EXPECT(!strcmp(r.phase, "prepare"));
		EXPECT(!strcmp(r.error, "-EAGAIN") || !strcmp(r.error, "-11"));
		EXPECT_EQ(r.first, 2);
		EXPECT_EQ(r.last, 10);
		EXPECT_EQ(r.index, 5);
		EXPECT(!strcmp(r.holder, "references"));
		EXPECT_EQ(r.seen, seen[kind]);
		EXPECT_EQ(r.expected, 1);
		EXPECT_EQ(gu_unpin(&pin, NULL), 0);
	}

	hold = gu_hold(f.fd, 7, 2, "a 31 characters long holder nam");
	EXPECT(hold >= 0);
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EBUSY, 7);
	EXPECT(gu_last_refusal(f.space, &r));
	EXPECT(!strcmp(r.holder, "a 31 characters long holder nam"));
	EXPECT(!strcmp(r.error, "-EBUSY") || !strcmp(r.error, "-16"));
	EXPECT_EQ(r.index, 7);
	EXPECT_EQ(r.seen, 0);
	EXPECT_EQ(gu_punch(f.fd, 8, 1), -EBUSY);
	EXPECT(gu_last_refusal(f.space, &r));
	EXPECT(!strcmp(r.op, "punch"));
	EXPECT_EQ(r.index, 8);
	EXPECT_EQ(r.last, 8);
}

static void debugfs_shows_the_map(void)
{
	struct file f = file_create(2 * BLOCK, SHARED_FILE);
	/* A run goes across the border of two blocks. */
	static const char want[] =
		"0-9 shared\n10-519 private\n520-1023 shared\n";
	char got[200];
	size_t n;
	FILE *map;

	EXPECT_EQ(to_private(&f, 10, 510), 0);
	map = gu_space_open(f.space, "map");
	EXPECT(map);
	n = fread(got, 1, sizeof(got) - 1, map);
	got[n] = '\0';
	fclose(map);
	if (strcmp(got, want))
		fail(__LINE__, "the map is %s", got);
}

static void debugfs_shows_who_maps_the_file(void)
{
	struct file f = file_filled(64);
	int hold = gu_hold(f.fd, 10, 20, "holder"), other;
	struct gu_client c;

	EXPECT(hold >= 0);
	EXPECT(gu_find_client(f.space, "holder", &c));
	EXPECT(!strcmp(c.rank, "vote"));
	EXPECT(!strcmp(c.policy, "unmap"));
	EXPECT_EQ(c.first, 10);
	EXPECT_EQ(c.last, 29);
	EXPECT_EQ(c.open, 0);
	EXPECT_EQ(c.refusals, 0);
	EXPECT_EQ(c.prepares, 0);

	/* Not asked, asked for nothing, and asked. */
	EXPECT_EQ(to_private(&f, 0, 10), 0);
	EXPECT_EQ(to_shared(&f, 10, 5), 0);
	EXPECT(gu_find_client(f.space, "holder", &c));
	EXPECT_EQ(c.prepares, 0);
	EXPECT_REFUSED(&f, 0, 64, GU_PRIVATE, EBUSY, 10);
	EXPECT_EQ(gu_punch(f.fd, 29, 1), -EBUSY);
	EXPECT(gu_find_client(f.space, "holder", &c));
	EXPECT_EQ(c.refusals, 2);
	EXPECT_EQ(c.prepares, 2);
	EXPECT_EQ(c.open, 0);

	other = gu_hold(f.fd, 40, 1, "other");
	EXPECT(other >= 0);
	EXPECT_REFUSED(&f, 40, 1, GU_PRIVATE, EBUSY, 40);
	EXPECT(gu_find_client(f.space, "other", &c));
	EXPECT_EQ(c.first, 40);
	EXPECT_EQ(c.last, 40);
	EXPECT_EQ(c.refusals, 1);
	EXPECT(gu_find_client(f.space, "holder", &c));
	EXPECT_EQ(c.refusals, 2);
	close(hold);
	EXPECT(!gu_find_client(f.space, "holder", &c));
	EXPECT(gu_find_client(f.space, "other", &c));
}

static void debugfs_shows_what_runs_and_who_waits(void)
{
	/* Large, so that it takes a while. */
	struct file f = file_create(16 * BLOCK, SHARED_FILE);
	bool ran = false, waited = false;
	__u64 begin = gu_now_us();
	struct gu_operation op[4];
	pid_t pids[2];
	int i, nr;

	EXPECT(!fallocate(f.fd, FALLOC_FL_KEEP_SIZE, 0, gu_bytes(f.nr)));
	EXPECT_EQ(gu_operations(f.space, op, ARRAY_SIZE(op)), 0);
	for (i = 0; i < 2; i++) {
		pids[i] = child();
		if (pids[i])
			continue;
		for (;;) {
			gu_convert(f.fd, i, f.nr - 1, GU_PRIVATE, NULL);
			gu_convert(f.fd, i, f.nr - 1, GU_SHARED, NULL);
		}
	}
	while (!ran || !waited) {
		EXPECT(gu_now_us() - begin < 20000000);
		nr = gu_operations(f.space, op, ARRAY_SIZE(op));
		EXPECT(nr >= 0 && nr <= 2);
		for (i = 0; i < nr; i++) {
			EXPECT(!strcmp(op[i].op, "to-private") ||
			       !strcmp(op[i].op, "to-shared"));
			EXPECT(op[i].first < 2);
			EXPECT_EQ(op[i].last, op[i].first + f.nr - 2);
			EXPECT_EQ(op[i].claim_first, op[i].first);
			EXPECT_EQ(op[i].claim_last, op[i].last);
			EXPECT(op[i].us <= gu_now_us() - begin);
			/* Who waits has nothing yet. */
			EXPECT(!op[i].behind || !strcmp(op[i].phase, "claim"));
			ran |= !strcmp(op[i].phase, "prepare") ||
			       !strcmp(op[i].phase, "commit");
			waited |= op[i].behind == 1;
		}
		/* They have different requests, and both are there. */
		EXPECT(nr < 2 || op[0].first != op[1].first);
		sched_yield();
	}
	for (i = 0; i < 2; i++)
		kill_child(pids[i]);
	EXPECT_EQ(gu_operations(f.space, op, ARRAY_SIZE(op)), 0);
}

static void debugfs_shows_that_nothing_is_in_quarantine(void)
{
	struct file f = file_filled(8);
	FILE *file;

	EXPECT_EQ(to_private(&f, 0, 8), 0);
	EXPECT_EQ(gu_punch(f.fd, 2, 2), 0);
	file = gu_space_open(f.space, "quarantine");
	EXPECT(file);
	EXPECT_EQ(fgetc(file), EOF);
	EXPECT(!ferror(file));
	fclose(file);
}

#define TRACING	"/sys/kernel/tracing/"

static bool file_write(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	bool good = file && fputs(text, file) >= 0;

	if (file && fclose(file))
		good = false;
	return good;
}

/* Whether the trace has a line with all of @words, in order. */
static bool trace_has(const char *const words[])
{
	FILE *trace = fopen(TRACING "trace", "r");
	bool found = false;
	char line[400];

	while (trace && !found && fgets(line, sizeof(line), trace)) {
		const char *at = line;
		int i;

		for (i = 0; words[i] && at; i++)
			at = strstr(at, words[i]);
		found = at;
	}
	if (trace)
		fclose(trace);
	return found;
}

#define EXPECT_TRACED(...)						\
	do {								\
		if (!trace_has((const char *const[]){ __VA_ARGS__, NULL })) \
			fail(__LINE__, "not traced: %s", #__VA_ARGS__);	\
	} while (0)

static void the_trace_has_every_phase_and_every_call(void)
{
	static const char *const phases[] = {
		"phase=claim ret=0", "phase=plan ret=0", "phase=reserve ret=0",
		"phase=raise ret=0", "phase=prepare ret=0",
		"phase=commit ret=0",
	};
	struct file f = file_filled(16);
	unsigned int i;
	int hold;

	EXPECT(file_write(TRACING "trace", ""));
	EXPECT(file_write(TRACING "events/gmem_convert/enable", "1"));
	EXPECT_EQ(to_private(&f, 2, 9), 0);
	hold = gu_hold(f.fd, 7, 2, "tracer");
	EXPECT(hold >= 0);
	EXPECT_REFUSED(&f, 0, 16, GU_SHARED, EBUSY, 7);
	EXPECT_EQ(gu_punch(f.fd, 8, 1), -EBUSY);
	close(hold);
	EXPECT(file_write(TRACING "events/gmem_convert/enable", "0"));

	for (i = 0; i < ARRAY_SIZE(phases); i++)
		EXPECT_TRACED("gmem_phase:", "convert to-private 2-10 runs=",
			      phases[i], "ns=");
	EXPECT_TRACED("gmem_client:", "tracer prepare 7-8 ret=-16", "ns=");
	EXPECT_TRACED("convert to-shared 0-15 runs=1 phase=prepare ret=-16");
	EXPECT_TRACED("convert to-shared 0-15 runs=1 phase=abort ret=0");
	EXPECT_TRACED("punch 8-8 runs=1 phase=prepare ret=-16");
}

/* --- holds ---------------------------------------------------------------- */

static void a_hold_refuses_exactly_its_range(void)
{
	struct file f = file_filled(64);
	int hold = gu_hold(f.fd, 10, 10, "holder");

	EXPECT(hold >= 0);
	EXPECT_REFUSED(&f, 0, 64, GU_PRIVATE, EBUSY, 10);
	EXPECT_REFUSED(&f, 9, 2, GU_PRIVATE, EBUSY, 10);
	EXPECT_REFUSED(&f, 10, 1, GU_PRIVATE, EBUSY, 10);
	EXPECT_REFUSED(&f, 12, 2, GU_PRIVATE, EBUSY, 12);
	EXPECT_REFUSED(&f, 19, 1, GU_PRIVATE, EBUSY, 19);
	EXPECT_REFUSED(&f, 19, 2, GU_PRIVATE, EBUSY, 19);
	EXPECT_PRIVATE(&f, 0, 0);
	EXPECT_SEEN(&f, 0, 64, OWN);
	EXPECT_EQ(to_private(&f, 0, 10), 0);
	EXPECT_PRIVATE(&f, 0, 10);
	EXPECT_EQ(to_shared(&f, 0, 10), 0);
	EXPECT_EQ(to_private(&f, 20, 44), 0);
	EXPECT_PRIVATE(&f, 20, 44);
	close(hold);
	EXPECT_EQ(to_private(&f, 0, 64), 0);
	EXPECT_PRIVATE(&f, 0, 64);
}

static void a_hold_at_the_ends_of_the_file_is_exact(void)
{
	struct file f = file_filled(BLOCK + 1);
	int first = gu_hold(f.fd, 0, 1, "first"), last;

	EXPECT(first >= 0);
	EXPECT_REFUSED(&f, 0, f.nr, GU_PRIVATE, EBUSY, 0);
	EXPECT_EQ(to_private(&f, 1, BLOCK), 0);
	EXPECT_EQ(to_shared(&f, 1, BLOCK), 0);
	close(first);
	last = gu_hold(f.fd, BLOCK, 1, "last");
	EXPECT(last >= 0);
	EXPECT_REFUSED(&f, 0, f.nr, GU_PRIVATE, EBUSY, BLOCK);
	EXPECT_EQ(to_private(&f, 0, BLOCK), 0);
}

static void a_hold_refuses_only_changes(void)
{
	struct file f = file_filled(64);
	int hold;

	EXPECT_EQ(to_private(&f, 10, 10), 0);
	hold = gu_hold(f.fd, 10, 20, "holder");
	EXPECT(hold >= 0);
	EXPECT_EQ(to_private(&f, 10, 10), 0);
	EXPECT_EQ(to_shared(&f, 20, 44), 0);
	/* The first page of its range that would change. */
	EXPECT_REFUSED(&f, 0, 64, GU_PRIVATE, EBUSY, 20);
	EXPECT_REFUSED(&f, 0, 64, GU_SHARED, EBUSY, 10);
	EXPECT_REFUSED(&f, 15, 1, GU_SHARED, EBUSY, 15);
	EXPECT_PRIVATE(&f, 10, 10);
	EXPECT_SEEN(&f, 20, 44, OWN);
}

static void each_of_two_holds_refuses(void)
{
	struct file f = file_filled(64);
	int a = gu_hold(f.fd, 30, 4, "a"), b = gu_hold(f.fd, 20, 4, "b");
	struct gu_refusal r;

	EXPECT(a >= 0 && b >= 0);
	/* Asked in the order in which they came. */
	EXPECT_REFUSED(&f, 0, 64, GU_PRIVATE, EBUSY, 30);
	EXPECT(gu_last_refusal(f.space, &r) && !strcmp(r.holder, "a"));
	EXPECT_REFUSED(&f, 0, 25, GU_PRIVATE, EBUSY, 20);
	EXPECT(gu_last_refusal(f.space, &r) && !strcmp(r.holder, "b"));
	close(a);
	EXPECT_REFUSED(&f, 0, 64, GU_PRIVATE, EBUSY, 20);
	close(b);
	EXPECT_EQ(to_private(&f, 0, 64), 0);
}

static void a_hold_is_asked_before_references_are_looked_at(void)
{
	struct file f = file_filled(16);
	struct gu_pin pin = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 2));
	int hold = gu_hold(f.fd, 8, 1, "holder");

	EXPECT(hold >= 0);
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EBUSY, 8);
	close(hold);
	EXPECT_REFUSED(&f, 0, 16, GU_PRIVATE, EAGAIN, 2);
	EXPECT_EQ(gu_unpin(&pin, NULL), 0);
}

static void a_hold_ends_with_its_process(void)
{
	struct file f = file_filled(8);
	int ready[2];
	pid_t pid;
	char byte;

	EXPECT(!pipe(ready));
	pid = child();
	if (!pid) {
		EXPECT(gu_hold(f.fd, 0, 8, "doomed") >= 0);
		EXPECT_EQ(write(ready[1], "", 1), 1);
		pause();
		_exit(0);
	}
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	EXPECT_REFUSED(&f, 3, 1, GU_PRIVATE, EBUSY, 3);
	kill_child(pid);
	EXPECT_EQ(to_private(&f, 0, 8), 0);
}

static void a_hold_lasts_until_its_last_descriptor_is_closed(void)
{
	struct file f = file_filled(8);
	int hold = gu_hold(f.fd, 0, 8, "holder"), copy = dup(hold);

	EXPECT(hold >= 0 && copy >= 0);
	EXPECT(fcntl(hold, F_GETFD) & FD_CLOEXEC);
	close(hold);
	EXPECT_REFUSED(&f, 0, 8, GU_PRIVATE, EBUSY, 0);
	close(copy);
	EXPECT_EQ(to_private(&f, 0, 8), 0);
}

static void a_hold_keeps_the_file(void)
{
	struct file f = file_filled(8);
	int hold = gu_hold(f.fd, 0, 8, "holder");

	EXPECT(hold >= 0);
	EXPECT(!munmap(f.map, gu_bytes(8)));
	close(f.fd);
	EXPECT(gu_space_exists(f.space));
	close(hold);
	EXPECT(!gu_space_exists(f.space));
}

static int hold_with(const struct file *f, const void *arg)
{
	return gu_ioctl(f->fd, GUEST_MEMFD_HOLD, arg);
}

static void hold_refuses_bad_arguments(void)
{
	const struct guest_memfd_hold good = {
		.offset = GU_PAGE_SIZE, .size = gu_bytes(2), .name = "holder",
	};
	struct file f = file_filled(4);
	struct guest_memfd_hold arg;
	unsigned int i;

	EXPECT_EQ(hold_with(&f, BAD_ADDRESS), -EFAULT);
	for (i = 0; i < 64; i++) {
		arg = good;
		arg.flags = 1ULL << i;
		EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(arg.reserved); i++) {
		arg = good;
		arg.reserved[i] = 1;
		EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	}
	arg = good;
	arg.name[0] = '\0';
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	memset(arg.name, 'x', sizeof(arg.name));
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	/* Would not be in one line of debugfs, or not to be read there. */
	for (i = 1; i < 256; i++) {
		if (i >= ' ' && i <= '~')
			continue;
		arg = good;
		arg.name[2] = i;
		EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	}
	arg = good;
	arg.size = 0;
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	arg.size = gu_bytes(4);
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	arg.size = 100;
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	arg.size = -gu_bytes(1);
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	arg = good;
	arg.offset = 8;
	EXPECT_EQ(hold_with(&f, &arg), -EINVAL);
	/* None of them left a veto behind. */
	EXPECT_EQ(to_private(&f, 0, 4), 0);
	EXPECT(hold_with(&f, &good) >= 0);
	EXPECT_REFUSED(&f, 0, 4, GU_SHARED, EBUSY, 1);
}

static void a_hold_without_room_for_a_descriptor_leaves_no_veto(void)
{
	struct file f = file_filled(4);
	int fds[2000], nr = 0;

	while (nr < 2000 && (fds[nr] = dup(f.fd)) >= 0)
		nr++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT_EQ(gu_hold(f.fd, 0, 4, "holder"), -EMFILE);
	EXPECT_EQ(to_private(&f, 0, 4), 0);
	while (nr)
		close(fds[--nr]);
}

/* --- the life of mappings ------------------------------------------------- */

static void fork_shares_states_and_contents(void)
{
	struct file f = file_filled(64);
	pid_t pid;

	EXPECT_EQ(to_private(&f, 8, 8), 0);
	pid = child();
	if (!pid) {
		EXPECT_SEEN(&f, 0, 8, OWN);
		EXPECT_SEEN(&f, 8, 8, SIGBUS);
		EXPECT_SEEN(&f, 16, 48, OWN);
		EXPECT_EQ(to_private(&f, 32, 8), 0);
		EXPECT_SEEN(&f, 32, 8, SIGBUS);
		EXPECT_EQ(to_shared(&f, 8, 8), 0);
		/* Not a copy. */
		EXPECT(gu_poke(page(&f, 60), 42));
		_exit(0);
	}
	EXPECT_EXIT(pid);
	EXPECT_SEEN(&f, 0, 32, OWN);
	EXPECT_SEEN(&f, 32, 8, SIGBUS);
	EXPECT_EQ(*(__u64 *)page(&f, 60), 42);
}

static void parent_and_child_both_lose_a_page_that_both_have_mapped(void)
{
	struct file f = file_filled(16);
	int ready[2], go[2];
	pid_t pid;
	char byte;

	EXPECT(!pipe(ready) && !pipe(go));
	pid = child();
	if (!pid) {
		EXPECT_SEEN(&f, 0, 16, OWN);
		EXPECT_EQ(write(ready[1], "", 1), 1);
		EXPECT_EQ(read(go[0], &byte, 1), 1);
		EXPECT_SEEN(&f, 4, 4, SIGBUS);
		EXPECT_SEEN(&f, 0, 4, OWN);
		EXPECT_EQ(to_shared(&f, 4, 4), 0);
		EXPECT_SEEN(&f, 4, 4, OWN);
		_exit(0);
	}
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	EXPECT_SEEN(&f, 0, 16, OWN);
	EXPECT_EQ(to_private(&f, 4, 4), 0);
	EXPECT_SEEN(&f, 4, 4, SIGBUS);
	EXPECT_EQ(write(go[1], "", 1), 1);
	EXPECT_EXIT(pid);
	EXPECT_SEEN(&f, 0, 16, OWN);
}

static void a_moved_mapping_obeys(void)
{
	struct file f = file_filled(16);
	char *old = f.map, *to;
	unsigned char vec[16];

	/* Somewhere else for sure. */
	to = mmap(NULL, gu_bytes(16), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	EXPECT(to != MAP_FAILED);
	EXPECT_EQ(to_private(&f, 3, 2), 0);
	f.map = mremap(old, gu_bytes(16), gu_bytes(16),
		       MREMAP_MAYMOVE | MREMAP_FIXED, to);
	EXPECT(f.map == to);
	EXPECT_ERRNO(mincore(old, gu_bytes(16), vec), ENOMEM);
	EXPECT_SEEN(&f, 0, 3, OWN);
	EXPECT_SEEN(&f, 3, 2, SIGBUS);
	EXPECT_SEEN(&f, 5, 11, OWN);
	EXPECT_EQ(to_private(&f, 8, 4), 0);
	EXPECT_SEEN(&f, 8, 4, SIGBUS);
	EXPECT_EQ(to_shared(&f, 0, 16), 0);
	EXPECT_SEEN(&f, 0, 16, OWN);
}

/* What would leave markers in page tables is refused, and growing with it. */
static void a_mapping_neither_grows_nor_takes_guard_pages(void)
{
	struct file f = file_filled(16);

	EXPECT_ERRNO(mremap(f.map, gu_bytes(16), gu_bytes(32),
			    MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, EFAULT);
	/* An old size of 0 would map the same pages again. */
	EXPECT_ERRNO(mremap(f.map, 0, gu_bytes(16),
			    MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0, EFAULT);
	/* MADV_GUARD_INSTALL, which the system's headers may not know. */
	EXPECT_ERRNO(madvise(f.map, gu_bytes(1), 102), EINVAL);
	EXPECT_SEEN(&f, 0, 16, OWN);
}

static void a_protected_mapping_obeys(void)
{
	struct file f = file_filled(4);
	__u64 value;

	EXPECT(!mprotect(f.map, gu_bytes(4), PROT_READ));
	EXPECT_SEEN(&f, 0, 4, OWN);
	EXPECT_EQ(to_private(&f, 1, 1), 0);
	EXPECT_SEEN(&f, 1, 1, SIGBUS);
	EXPECT(!mprotect(f.map, gu_bytes(4), PROT_READ | PROT_WRITE));
	EXPECT(!gu_poke(page(&f, 1), 1));
	EXPECT(gu_poke(page(&f, 2), 1));
	EXPECT(gu_peek(page(&f, 2), &value));
	EXPECT_EQ(value, 1);
}

static void mlocked_pages_convert(void)
{
	struct file f = file_filled(600);
	unsigned int i;

	EXPECT(!mlock(f.map, gu_bytes(600)));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(to_private(&f, 0, 600), 0);
		EXPECT_SEEN(&f, 0, 3, SIGBUS);
		EXPECT_EQ(to_shared(&f, 0, 600), 0);
		EXPECT_SEEN(&f, 0, 600, OWN);
		EXPECT_EQ(to_private(&f, i, 1), 0);
		EXPECT_EQ(to_shared(&f, i, 1), 0);
	}
	EXPECT(!munlock(f.map, gu_bytes(600)));
	EXPECT_EQ(to_private(&f, 0, 600), 0);
}

static void pages_mlocked_by_two_processes_convert(void)
{
	struct file f = file_filled(64);
	int ready[2], go[2];
	pid_t pid;
	char byte;

	EXPECT(!pipe(ready) && !pipe(go));
	pid = child();
	if (!pid) {
		EXPECT(!mlock(f.map, gu_bytes(64)));
		EXPECT_EQ(write(ready[1], "", 1), 1);
		EXPECT_EQ(read(go[0], &byte, 1), 1);
		EXPECT_SEEN(&f, 0, 64, OWN);
		_exit(0);
	}
	EXPECT(!mlock2(f.map, gu_bytes(64), MLOCK_ONFAULT));
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	EXPECT_SEEN(&f, 0, 64, OWN);
	EXPECT_EQ(to_private(&f, 0, 64), 0);
	EXPECT_EQ(to_shared(&f, 0, 64), 0);
	EXPECT_EQ(write(go[1], "", 1), 1);
	EXPECT_EXIT(pid);
	EXPECT_EQ(to_private(&f, 0, 64), 0);
}

static void mlock_of_private_pages_is_enomem(void)
{
	struct file f = file_filled(8);

	EXPECT_EQ(to_private(&f, 4, 1), 0);
	/* mlock(2): some of the range could not be mapped. */
	EXPECT_ERRNO(mlock(f.map, gu_bytes(8)), ENOMEM);
	EXPECT_ERRNO(mlock(page(&f, 4), GU_PAGE_SIZE), ENOMEM);
	EXPECT(!mlock(f.map, gu_bytes(4)));
	EXPECT(!munlock(f.map, gu_bytes(8)));
	EXPECT_EQ(to_shared(&f, 0, 8), 0);
	EXPECT(!mlock(f.map, gu_bytes(8)));
	EXPECT_EQ(to_private(&f, 0, 8), 0);
}

static void any_descriptor_of_the_file_converts(void)
{
	struct file f = file_filled(8);
	int copy = dup(f.fd);
	pid_t pid = child();

	EXPECT(copy >= 0);
	if (!pid) {
		EXPECT_EQ(gu_convert(copy, 0, 2, GU_PRIVATE, NULL), 0);
		close(copy);
		EXPECT_EQ(to_private(&f, 2, 2), 0);
		_exit(0);
	}
	EXPECT_EXIT(pid);
	EXPECT_PRIVATE(&f, 0, 4);
	EXPECT_EQ(gu_convert(copy, 0, 8, GU_SHARED, NULL), 0);
	EXPECT_SEEN(&f, 0, 8, OWN);
}

static void reclaim_leaves_pages_alone(void)
{
	struct file f = file_filled(600);
	int drop = open("/proc/sys/vm/drop_caches", O_WRONLY);

	EXPECT(!madvise(f.map, gu_bytes(600), MADV_PAGEOUT));
	EXPECT_EQ(to_private(&f, 0, 600), 0);
	EXPECT_EQ(to_shared(&f, 0, 600), 0);
	EXPECT_SEEN(&f, 0, 600, OWN);
	EXPECT(!madvise(f.map, gu_bytes(600), MADV_COLD));
	EXPECT_EQ(to_private(&f, 0, 600), 0);
	EXPECT(drop >= 0);
	EXPECT_EQ(write(drop, "3", 1), 1);
	EXPECT_EQ(to_shared(&f, 0, 600), 0);
	EXPECT_SEEN(&f, 0, 600, OWN);
}

/* --- fallocate() ---------------------------------------------------------- */

#define ALLOCATE	FALLOC_FL_KEEP_SIZE
#define PUNCH		(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)

static void fallocate_refuses_bad_arguments(void)
{
	struct file f = file_filled(4);

	EXPECT_ERRNO(fallocate(f.fd, 0, 0, GU_PAGE_SIZE), EOPNOTSUPP);
	EXPECT_ERRNO(fallocate(f.fd, FALLOC_FL_PUNCH_HOLE, 0, GU_PAGE_SIZE),
		     EOPNOTSUPP);
	EXPECT_ERRNO(fallocate(f.fd, FALLOC_FL_COLLAPSE_RANGE, 0, GU_PAGE_SIZE),
		     EOPNOTSUPP);
	EXPECT_ERRNO(fallocate(f.fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
			       0, GU_PAGE_SIZE), EOPNOTSUPP);
	EXPECT_ERRNO(fallocate(f.fd, ALLOCATE, 1, GU_PAGE_SIZE), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, ALLOCATE, 0, 1), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, ALLOCATE, 0, 0), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, ALLOCATE, 0, gu_bytes(5)), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, ALLOCATE, gu_bytes(4), gu_bytes(1)),
		     EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, PUNCH, 1, GU_PAGE_SIZE), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, PUNCH, 0, GU_PAGE_SIZE + 1), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, PUNCH, 0, 0), EINVAL);
	EXPECT_ERRNO(fallocate(f.fd, PUNCH, -4096, GU_PAGE_SIZE), EINVAL);
	EXPECT_SEEN(&f, 0, 4, OWN);
}

static void allocated_pages_are_zero_in_either_state(void)
{
	struct file f = file_create(BLOCK + 10, SHARED_FILE);

	EXPECT_EQ(to_private(&f, 5, BLOCK), 0);
	EXPECT(!fallocate(f.fd, ALLOCATE, 0, gu_bytes(f.nr)));
	EXPECT_PRIVATE(&f, 5, BLOCK);
	EXPECT_SEEN(&f, 0, 5, ZERO);
	EXPECT_SEEN(&f, 5, 1, SIGBUS);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, ZERO);
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
}

static void allocating_again_keeps_contents(void)
{
	struct file f = file_filled(8);

	EXPECT(!fallocate(f.fd, ALLOCATE, 0, gu_bytes(8)));
	EXPECT_SEEN(&f, 0, 8, OWN);
}

static void a_hole_is_zero_and_keeps_its_state(void)
{
	struct file f = file_filled(BLOCK + 64);

	EXPECT_EQ(to_private(&f, 16, 16), 0);
	EXPECT_EQ(gu_punch(f.fd, 24, 16), 0);
	EXPECT_PRIVATE(&f, 16, 16);
	EXPECT_SEEN(&f, 24, 8, SIGBUS);
	EXPECT_SEEN(&f, 32, 8, ZERO);
	EXPECT_SEEN(&f, 0, 16, OWN);
	EXPECT_SEEN(&f, 40, BLOCK + 24, OWN);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 16, 8, OWN);
	EXPECT_SEEN(&f, 24, 16, ZERO);
	/* New contents, new life. */
	gu_fill(f.map, 24, 16);
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

static void a_hole_may_reach_beyond_the_end(void)
{
	struct file f = file_filled(8);

	EXPECT_EQ(gu_punch(f.fd, 8, 1), 0);
	EXPECT_EQ(gu_punch(f.fd, 1000, 10), 0);
	EXPECT_SEEN(&f, 0, 8, OWN);
	EXPECT_EQ(gu_punch(f.fd, 6, 100), 0);
	EXPECT_SEEN(&f, 0, 6, OWN);
	EXPECT_SEEN(&f, 6, 2, ZERO);
	EXPECT_EQ(gu_punch(f.fd, 0, 8), 0);
	EXPECT_SEEN(&f, 0, 8, ZERO);
}

static void punching_what_is_empty_does_nothing(void)
{
	struct file f = file_create(2 * BLOCK, SHARED_FILE);

	EXPECT_EQ(gu_punch(f.fd, 0, 2 * BLOCK), 0);
	EXPECT_EQ(gu_punch(f.fd, 5, 1), 0);
	EXPECT_SEEN(&f, 5, 1, ZERO);
	EXPECT_EQ(gu_punch(f.fd, 5, 1), 0);
	EXPECT_EQ(gu_punch(f.fd, 5, 1), 0);
}

static void a_hole_takes_the_page_away_from_every_process(void)
{
	struct file f = file_filled(16);
	int ready[2], go[2];
	pid_t pid;
	char byte;

	EXPECT(!pipe(ready) && !pipe(go));
	pid = child();
	if (!pid) {
		EXPECT(!mlock(f.map, gu_bytes(16)));
		EXPECT_SEEN(&f, 0, 16, OWN);
		EXPECT_EQ(write(ready[1], "", 1), 1);
		EXPECT_EQ(read(go[0], &byte, 1), 1);
		EXPECT_SEEN(&f, 4, 4, ZERO);
		EXPECT_SEEN(&f, 8, 8, OWN);
		EXPECT(gu_poke(page(&f, 5), 7));
		_exit(0);
	}
	EXPECT_EQ(read(ready[0], &byte, 1), 1);
	EXPECT_EQ(gu_punch(f.fd, 4, 4), 0);
	EXPECT_EQ(write(go[1], "", 1), 1);
	EXPECT_EXIT(pid);
	/* One new page, not one for each. */
	EXPECT_EQ(*(__u64 *)page(&f, 5), 7);
}

static void a_pinned_page_can_be_punched_and_the_pin_keeps_it(void)
{
	struct file f = file_filled(4);
	struct gu_pin pin = EXPECT_PIN(GU_PIN_GUP_TEST, page(&f, 1));
	struct gu_pin piped = EXPECT_PIN(GU_PIN_VMSPLICE, page(&f, 2));
	struct gu_pin ring = EXPECT_PIN(GU_PIN_IO_URING, page(&f, 1));
	__u64 word[GU_PAGE_WORDS];

	EXPECT_EQ(gu_punch(f.fd, 1, 2), 0);
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 1, 2, ZERO);
	EXPECT_SEEN(&f, 3, 1, OWN);
	/* The file has new pages, which nobody pins. */
	EXPECT_EQ(to_private(&f, 0, 4), 0);
	EXPECT_EQ(to_shared(&f, 0, 4), 0);
	EXPECT_EQ(gu_unpin(&ring, NULL), 0);
	EXPECT_EQ(gu_unpin(&pin, word), 0);
	EXPECT_EQ(word[0], gu_word(1, 0));
	EXPECT_EQ(word[511], gu_word(1, 511));
	EXPECT_EQ(gu_unpin(&piped, word), 0);
	EXPECT_EQ(word[100], gu_word(2, 100));
	EXPECT_SEEN(&f, 1, 2, ZERO);
}

static void a_hold_refuses_holes(void)
{
	struct file f = file_filled(16);
	int hold = gu_hold(f.fd, 4, 4, "holder");

	EXPECT(hold >= 0);
	EXPECT_EQ(gu_punch(f.fd, 0, 16), -EBUSY);
	EXPECT_EQ(gu_punch(f.fd, 3, 2), -EBUSY);
	EXPECT_EQ(gu_punch(f.fd, 7, 2), -EBUSY);
	EXPECT_SEEN(&f, 0, 16, OWN);
	EXPECT_EQ(gu_punch(f.fd, 0, 4), 0);
	EXPECT_EQ(gu_punch(f.fd, 8, 8), 0);
	EXPECT_SEEN(&f, 4, 4, OWN);
	close(hold);
	EXPECT_EQ(gu_punch(f.fd, 0, 16), 0);
	EXPECT_SEEN(&f, 0, 16, ZERO);
}

static void madvise_remove_punches(void)
{
	struct file f = file_filled(8);
	int hold;

	EXPECT(!madvise(page(&f, 2), gu_bytes(2), MADV_REMOVE));
	EXPECT_SEEN(&f, 0, 2, OWN);
	EXPECT_SEEN(&f, 2, 2, ZERO);
	EXPECT_SEEN(&f, 4, 4, OWN);
	hold = gu_hold(f.fd, 5, 1, "holder");
	EXPECT(hold >= 0);
	EXPECT_ERRNO(madvise(page(&f, 4), gu_bytes(4), MADV_REMOVE), EBUSY);
	EXPECT_SEEN(&f, 4, 4, OWN);
}

/* --- GUEST_MEMFD_GET_RUNS ------------------------------------------------- */

static int get_runs(const struct file *f, struct guest_memfd_get_runs *arg)
{
	return gu_ioctl(f->fd, GUEST_MEMFD_GET_RUNS, arg);
}

/* 0-9 shared, 10-19 private, 20-29 shared, 30-39 private, the rest shared. */
static struct file file_with_runs(unsigned long nr)
{
	struct file f = file_create(nr, SHARED_FILE);

	EXPECT_EQ(to_private(&f, 10, 10), 0);
	EXPECT_EQ(to_private(&f, 30, 10), 0);
	return f;
}

static void runs_come_in_as_many_calls_as_needed(void)
{
	struct file f = file_with_runs(50);
	struct guest_memfd_run run;
	struct guest_memfd_get_runs arg = { .size = gu_bytes(50) };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		EXPECT_EQ(arg.offset, gu_bytes(10 * i));
		EXPECT_EQ(arg.size, gu_bytes(50 - 10 * i));
		arg.runs = (uintptr_t)&run;
		arg.nr = 1;
		EXPECT_EQ(get_runs(&f, &arg), 0);
		EXPECT_EQ(arg.nr, 1);
		EXPECT_EQ(run.offset, gu_bytes(10 * i));
		EXPECT_EQ(run.size, gu_bytes(10));
		EXPECT_EQ(run.attributes, i & 1 ? GU_PRIVATE : GU_SHARED);
	}
	EXPECT_EQ(arg.offset, gu_bytes(50));
	EXPECT_EQ(arg.size, 0);
	/* Nothing is left to ask for. */
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
}

static void runs_are_cut_at_the_ends_of_the_request(void)
{
	struct file f = file_with_runs(2 * BLOCK);
	struct guest_memfd_run runs[8];
	struct guest_memfd_get_runs arg = {
		.offset = gu_bytes(15), .size = gu_bytes(20),
		.runs = (uintptr_t)runs, .nr = 8,
	};

	memset(runs, 0xff, sizeof(runs));
	EXPECT_EQ(get_runs(&f, &arg), 0);
	EXPECT_EQ(arg.nr, 3);
	EXPECT_EQ(arg.size, 0);
	EXPECT_EQ(arg.offset, gu_bytes(35));
	EXPECT_EQ(runs[0].offset, gu_bytes(15));
	EXPECT_EQ(runs[0].size, gu_bytes(5));
	EXPECT_EQ(runs[0].attributes, GU_PRIVATE);
	EXPECT_EQ(runs[1].offset, gu_bytes(20));
	EXPECT_EQ(runs[1].size, gu_bytes(10));
	EXPECT_EQ(runs[1].attributes, GU_SHARED);
	EXPECT_EQ(runs[2].offset, gu_bytes(30));
	EXPECT_EQ(runs[2].size, gu_bytes(5));
	EXPECT_EQ(runs[2].attributes, GU_PRIVATE);
	EXPECT_EQ(runs[3].offset, ~0ULL);

	/* A run goes across blocks. */
	arg = (struct guest_memfd_get_runs){
		.offset = gu_bytes(40), .size = gu_bytes(2 * BLOCK - 40),
		.runs = (uintptr_t)runs, .nr = 8,
	};
	EXPECT_EQ(get_runs(&f, &arg), 0);
	EXPECT_EQ(arg.nr, 1);
	EXPECT_EQ(runs[0].size, gu_bytes(2 * BLOCK - 40));
}

static void get_runs_refuses_bad_arguments(void)
{
	struct file f = file_with_runs(50);
	struct guest_memfd_run run;
	const struct guest_memfd_get_runs good = {
		.size = gu_bytes(50), .runs = (uintptr_t)&run, .nr = 1,
	};
	struct guest_memfd_get_runs arg;
	unsigned int i;

	EXPECT_EQ(get_runs(&f, BAD_ADDRESS), -EFAULT);
	arg = good;
	arg.runs = 1;
	EXPECT_EQ(get_runs(&f, &arg), -EFAULT);
	EXPECT_EQ(arg.offset, 0);
	EXPECT_EQ(arg.size, gu_bytes(50));
	EXPECT_EQ(get_runs(&f, read_only_copy(&good, sizeof(good))), -EFAULT);
	arg = good;
	arg.nr = 0;
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	for (i = 0; i < 32; i++) {
		arg = good;
		arg.flags = 1U << i;
		EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(arg.reserved); i++) {
		arg = good;
		arg.reserved[i] = 1;
		EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	}
	arg = good;
	arg.offset = 1;
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	arg = good;
	arg.size = 10;
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	arg.size = 0;
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	arg.size = gu_bytes(51);
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	arg.offset = gu_bytes(49);
	arg.size = -gu_bytes(1);
	EXPECT_EQ(get_runs(&f, &arg), -EINVAL);
	arg = good;
	EXPECT_EQ(get_runs(&f, &arg), 0);
}

/* --- GUEST_MEMFD_POPULATE ------------------------------------------------- */

#define POPULATE_BATCH	32UL	/* pages that are pinned and filled in one go */

static int populate_with(const struct file *f, const void *arg)
{
	return gu_ioctl(f->fd, GUEST_MEMFD_POPULATE, arg);
}

/* All private; what was in the pages before is not what they are filled with. */
static struct file file_private(unsigned long nr)
{
	struct file f = file_create(nr, SHARED_FILE);

	memset(f.map, 0xee, gu_bytes(nr));
	EXPECT_EQ(to_private(&f, 0, nr), 0);
	return f;
}

/*
 * Ordinary memory with the contents of pages @first to @first + @nr - 1, of
 * which the first @readable can be read.
 */
static char *source_of(unsigned long first, unsigned long nr,
		       unsigned long readable)
{
	char *p = mmap(NULL, gu_bytes(nr), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned long i;
	unsigned int w;

	EXPECT(p != MAP_FAILED);
	for (i = 0; i < nr; i++)
		for (w = 0; w < GU_PAGE_WORDS; w++)
			((__u64 *)(p + gu_bytes(i)))[w] = gu_word(first + i, w);
	EXPECT(!mprotect(p, gu_bytes(nr), PROT_READ));
	if (readable < nr)
		EXPECT(!mprotect(p + gu_bytes(readable),
				 gu_bytes(nr - readable), PROT_NONE));
	return p;
}

/* What the guest sees, by making it shared: contents in @nr pages only. */
static void expect_populated(int line, const struct file *f,
			     unsigned long first, unsigned long nr)
{
	expect_equal(line, "to shared", to_shared(f, 0, f->nr), 0);
	if (first)
		expect_seen(line, f, 0, first, GU_SEEN_WRONG);
	expect_seen(line, f, first, nr, GU_SEEN_OWN);
	if (first + nr < f->nr)
		expect_seen(line, f, first + nr, f->nr - first - nr,
			    GU_SEEN_WRONG);
}

#define EXPECT_POPULATED(f, first, nr)	\
	expect_populated(__LINE__, f, first, nr)

static void populate_refuses_bad_arguments(void)
{
	struct file f = file_private(4);
	char *source = source_of(0, 8, 8);
	const struct guest_memfd_populate good = {
		.offset = GU_PAGE_SIZE, .size = gu_bytes(2),
		.source = (uintptr_t)source,
	};
	struct {
		__u64 offset, size, source;
	} bad[] = {
		/* Nothing. */
		{ 0, 0, good.source },
		/* Not in pages. */
		{ 1, GU_PAGE_SIZE, good.source },
		{ 0, GU_PAGE_SIZE + 8, good.source },
		{ 0, 1, good.source },
		{ 0, GU_PAGE_SIZE, good.source + 8 },
		/* Beyond the end, or wraps. */
		{ 0, gu_bytes(5), good.source },
		{ gu_bytes(4), GU_PAGE_SIZE, good.source },
		{ gu_bytes(1), -gu_bytes(1), good.source },
		{ -gu_bytes(1), gu_bytes(2), good.source },
		{ 0, gu_bytes(2), -gu_bytes(1) },
		/* No source. */
		{ 0, GU_PAGE_SIZE, 0 },
	};
	struct guest_memfd_populate arg;
	unsigned int i;

	EXPECT_EQ(populate_with(&f, BAD_ADDRESS), -EFAULT);
	for (i = 0; i < 64; i++) {
		arg = good;
		arg.flags = 1ULL << i;
		EXPECT_EQ(populate_with(&f, &arg), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(arg.reserved); i++) {
		arg = good;
		arg.reserved[i] = 1;
		EXPECT_EQ(populate_with(&f, &arg), -EINVAL);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = (struct guest_memfd_populate){
			.offset = bad[i].offset, .size = bad[i].size,
			.source = bad[i].source,
		};
		EXPECT_EQ(populate_with(&f, &arg), -EINVAL);
		EXPECT_EQ(arg.offset, bad[i].offset);
		EXPECT_EQ(arg.size, bad[i].size);
		EXPECT_EQ(arg.source, bad[i].source);
	}
	EXPECT_POPULATED(&f, 0, 0);
}

static void populate_fills_private_pages(void)
{
	struct file f = file_private(BLOCK + 8);
	char *source = source_of(BLOCK - 2, 5, 5);
	struct guest_memfd_populate arg = {
		.offset = gu_bytes(BLOCK - 2), .size = gu_bytes(5),
		.source = (uintptr_t)source,
	};

	/* Across the border of two blocks; with and without a page before. */
	EXPECT_EQ(gu_punch(f.fd, BLOCK - 1, 2), 0);
	EXPECT_EQ(populate_with(&f, &arg), 0);
	EXPECT_EQ(arg.size, 0);
	EXPECT_EQ(arg.offset, gu_bytes(BLOCK + 3));
	EXPECT_EQ(arg.source, (uintptr_t)source + gu_bytes(5));
	EXPECT_PRIVATE(&f, 0, f.nr);
	EXPECT_SEEN(&f, BLOCK - 2, 5, SIGBUS);
	/* A copy. */
	EXPECT(!munmap(source, gu_bytes(5)));
	EXPECT_POPULATED(&f, BLOCK - 2, 5);
}

static void populate_with_memory_that_was_never_written_is_zero(void)
{
	struct file f = file_private(3);
	char *source = mmap(NULL, gu_bytes(2), PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(source != MAP_FAILED);
	EXPECT_EQ(gu_populate(f.fd, 1, 2, source), 2);
	EXPECT_EQ(to_shared(&f, 0, 3), 0);
	EXPECT_SEEN(&f, 0, 1, WRONG);
	EXPECT_SEEN(&f, 1, 2, ZERO);
}

static void populate_takes_more_than_one_batch(void)
{
	const unsigned long nr = 3 * POPULATE_BATCH + 5;
	struct file f = file_private(nr + 9);

	EXPECT_EQ(gu_populate(f.fd, 7, nr, source_of(7, nr, nr)), nr);
	EXPECT_POPULATED(&f, 7, nr);
}

/* The test of locks that this needs is lockdep's. */
static void a_file_may_be_populated_from_its_own_shared_pages(void)
{
	const unsigned long nr = POPULATE_BATCH + 8;
	struct file f = file_create(2 * nr, SHARED_FILE);
	unsigned long i;
	unsigned int w;

	/* The contents of the other half, and one that nobody has touched. */
	for (i = 0; i < nr - 1; i++)
		for (w = 0; w < GU_PAGE_WORDS; w++)
			((__u64 *)page(&f, i))[w] = gu_word(nr + i, w);
	EXPECT_EQ(to_private(&f, nr, nr), 0);
	EXPECT_EQ(gu_populate(f.fd, nr, nr, f.map), nr);
	EXPECT_PRIVATE(&f, nr, nr);
	/* The source is not pinned any more. */
	EXPECT_EQ(to_private(&f, 0, nr), 0);
	EXPECT_EQ(to_shared(&f, nr, nr), 0);
	EXPECT_SEEN(&f, nr, nr - 1, OWN);
	EXPECT_SEEN(&f, 2 * nr - 1, 1, ZERO);
}

static void private_pages_are_no_source(void)
{
	struct file f = file_private(8);
	struct file other = file_filled(4);

	/* Neither others nor itself. */
	EXPECT_EQ(gu_populate(f.fd, 0, 4, page(&f, 4)), -EFAULT);
	EXPECT_EQ(gu_populate(f.fd, 0, 4, page(&f, 0)), -EFAULT);
	EXPECT_EQ(to_private(&other, 2, 1), 0);
	EXPECT_EQ(gu_populate(f.fd, 2, 1, page(&other, 2)), -EFAULT);
	EXPECT_EQ(gu_populate(f.fd, 0, 4, other.map), 2);
	EXPECT_POPULATED(&f, 0, 2);
}

static void populate_stops_before_a_shared_page(void)
{
	/* In the first batch, at the end of it and behind it. */
	static const unsigned long shared[] = {
		1, 10, POPULATE_BATCH - 1, POPULATE_BATCH, POPULATE_BATCH + 3,
	};
	const unsigned long nr = 2 * POPULATE_BATCH;
	char *source = source_of(0, nr, nr);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(shared); i++) {
		struct file f = file_private(nr);
		unsigned long at = shared[i];
		bool private[2 * POPULATE_BATCH];

		memset(private, true, sizeof(private));
		memset(private + at, false, 2);
		EXPECT_EQ(to_shared(&f, at, 2), 0);
		EXPECT_EQ(gu_populate(f.fd, 0, nr, source), at);
		/* There is no going on from there, but behind it. */
		EXPECT_EQ(gu_populate(f.fd, at, nr - at,
				      source + gu_bytes(at)), -EINVAL);
		EXPECT_EQ(gu_populate(f.fd, at + 1, 1,
				      source + gu_bytes(at + 1)), -EINVAL);
		EXPECT_STATES(&f, private);
		EXPECT_POPULATED(&f, 0, at);
	}
}

static void populate_of_a_shared_page_is_einval(void)
{
	struct file f = file_private(4);
	char *source = source_of(0, 4, 4);
	struct gu_refusal r;

	EXPECT_EQ(to_shared(&f, 0, 2), 0);
	EXPECT_EQ(gu_populate(f.fd, 0, 4, source), -EINVAL);
	EXPECT(gu_last_refusal(f.space, &r));
	EXPECT(!strcmp(r.op, "populate"));
	EXPECT(!strcmp(r.holder, "shared"));
	EXPECT_EQ(r.index, 0);
	EXPECT_EQ(gu_populate(f.fd, 1, 1, source), -EINVAL);
	EXPECT_PRIVATE(&f, 2, 2);
	EXPECT_POPULATED(&f, 0, 0);
}

static void populate_stops_where_its_source_cannot_be_read(void)
{
	static const unsigned long readable[] = {
		1, 5, POPULATE_BATCH - 1, POPULATE_BATCH, POPULATE_BATCH + 9,
	};
	const unsigned long nr = 2 * POPULATE_BATCH;
	struct file f = file_private(nr);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(readable); i++) {
		unsigned long at = readable[i];
		char *source = source_of(0, nr, at);

		EXPECT_EQ(gu_populate(f.fd, 0, nr, source), at);
		EXPECT_EQ(gu_populate(f.fd, at, nr - at,
				      source + gu_bytes(at)), -EFAULT);
	}
	EXPECT_PRIVATE(&f, 0, nr);
	EXPECT_POPULATED(&f, 0, readable[i - 1]);
}

static void populate_of_a_source_that_cannot_be_read_is_efault(void)
{
	struct file f = file_private(4);
	char *source = source_of(0, 4, 0);

	EXPECT_EQ(gu_populate(f.fd, 0, 4, source), -EFAULT);
	EXPECT(!munmap(source, gu_bytes(4)));
	EXPECT_EQ(gu_populate(f.fd, 0, 4, source), -EFAULT);
	/* An address of the kernel's. */
	EXPECT_EQ(gu_populate(f.fd, 0, 1, (void *)-gu_bytes(16)), -EFAULT);
	EXPECT_POPULATED(&f, 0, 0);
}

static void a_hold_does_not_concern_populate(void)
{
	struct file f = file_private(8);
	int hold = gu_hold(f.fd, 0, 8, "holder");

	EXPECT(hold >= 0);
	EXPECT_EQ(gu_populate(f.fd, 2, 4, source_of(2, 4, 4)), 4);
	EXPECT_REFUSED(&f, 0, 8, GU_SHARED, EBUSY, 0);
	close(hold);
	EXPECT_POPULATED(&f, 2, 4);
}

static void a_populated_page_can_be_punched(void)
{
	struct file f = file_private(4);

	EXPECT_EQ(gu_populate(f.fd, 0, 4, source_of(0, 4, 4)), 4);
	EXPECT_EQ(gu_punch(f.fd, 1, 2), 0);
	EXPECT_EQ(to_shared(&f, 0, 4), 0);
	EXPECT_SEEN(&f, 0, 1, OWN);
	EXPECT_SEEN(&f, 1, 2, ZERO);
	EXPECT_SEEN(&f, 3, 1, OWN);
}

/* --- every step that may fail, fails -------------------------------------- */

/*
 * An operation that is made to fail at its first step, then at its second and
 * so on, until there is no such step.  Each time it must return one of @errors,
 * and then be as if it had not been tried.
 */
struct sweep {
	/* Makes a new @f for each step; NULL: one serves for all. */
	void (*prepare)(struct sweep *s);
	int (*call)(struct sweep *s);
	/* After each failure.  Nothing fails any more. */
	void (*check)(struct sweep *s);
	int errors[4];
	/* What debugfs calls the steps: these, each of them, no others. */
	const char *steps[10];
	/* What it returns in the end. */
	int ret;

	struct file f;
	bool *private;
	__u64 error_offset;
};

/* A descriptor that leaks is the lowest one that is free. */
static int lowest_free_fd(void)
{
	int fd = dup(0);

	EXPECT(fd >= 0);
	close(fd);
	return fd;
}

/* Whether the step that was to fail was reached; from now on none is to fail. */
static bool fail_fired(void)
{
	int left = gu_fail_left();

	EXPECT(gu_fail_nth(0));
	EXPECT(left >= 0);
	return !left;
}

static bool sweep_may_return(const struct sweep *s, int ret)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s->errors); i++)
		if (s->errors[i] && ret == -s->errors[i])
			return true;
	return false;
}

static void sweep(int line, struct sweep *s)
{
	long before[ARRAY_SIZE(s->steps)], grown, total = 0;
	unsigned int n, i;
	char name[32];

	for (i = 0; i < ARRAY_SIZE(s->steps) && s->steps[i]; i++) {
		before[i] = gu_fault_failed(s->steps[i]);
		if (before[i] < 0)
			fail(line, "debugfs knows no step %s", s->steps[i]);
	}
	for (n = 1; ; n++) {
		int fd, ret;

		if (s->prepare)
			s->prepare(s);
		fd = lowest_free_fd();
		s->error_offset = GU_UNSET;
		EXPECT(gu_fail_nth(n));
		ret = s->call(s);
		if (!fail_fired()) {
			expect_equal(line, "the result in the end", ret,
				     s->ret);
			break;
		}
		if (!sweep_may_return(s, ret))
			fail(line, "with step %u failing it is %s", n,
			     value_name(name, sizeof(name), ret));
		expect_equal(line, "lowest free descriptor", lowest_free_fd(),
			     fd);
		s->check(s);
	}
	/* What has failed is what should, all of it, and nothing else. */
	for (i = 0; i < ARRAY_SIZE(s->steps) && s->steps[i]; i++) {
		grown = gu_fault_failed(s->steps[i]) - before[i];
		if (grown <= 0)
			fail(line, "step %s did not fail", s->steps[i]);
		total += grown;
	}
	expect_equal(line, "steps that failed", total, n - 1);
	NOTE("%u steps", n - 1);
}

#define SWEEP(s)	sweep(__LINE__, s)

static int sweep_create(struct sweep *s)
{
	s->f.fd = gu_create(gu_bytes(3 * BLOCK), SHARED_FILE);
	return s->f.fd < 0 ? s->f.fd : 0;
}

static void check_no_space(struct sweep *s)
{
	EXPECT_EQ(gu_newest_space(), s->f.space);
}

static void creating_a_file_fails_at_every_step_and_leaves_nothing(void)
{
	struct sweep s = {
		.call = sweep_create,
		.check = check_no_space,
		.errors = { ENOMEM },
		.steps = {
			"folios-alloc", "space-alloc", "txn-alloc", "map-init",
		},
		.f.space = gu_newest_space(),
	};

	SWEEP(&s);
	EXPECT(gu_newest_space() > s.f.space);
}

/*
 * Of a conversion: from page 3 to the middle of the block after the next, so a
 * leaf at either end; of several runs; with a client, that is not asked.
 */
#define SWEEP_FIRST	3UL
#define SWEEP_NR	(2 * BLOCK)
#define SWEEP_HELD	(SWEEP_FIRST + SWEEP_NR)

/* @private: what the pages of the request are, but for ten in the middle. */
static void sweep_file(struct sweep *s, bool private)
{
	s->f = file_filled(3 * BLOCK);
	s->private = calloc(s->f.nr, 1);
	memset(s->private + SWEEP_FIRST, private, SWEEP_NR);
	memset(s->private + BLOCK + 100, !private, 10);
	EXPECT_EQ(gu_convert(s->f.fd, SWEEP_FIRST, SWEEP_NR,
			     private ? GU_PRIVATE : GU_SHARED, NULL), 0);
	EXPECT_EQ(gu_convert(s->f.fd, BLOCK + 100, 10,
			     private ? GU_SHARED : GU_PRIVATE, NULL), 0);
}

static int sweep_to_private(struct sweep *s)
{
	return gu_convert(s->f.fd, SWEEP_FIRST, SWEEP_NR, GU_PRIVATE,
			  &s->error_offset);
}

static int sweep_to_shared(struct sweep *s)
{
	return gu_convert(s->f.fd, SWEEP_FIRST, SWEEP_NR, GU_SHARED,
			  &s->error_offset);
}

static int sweep_punch(struct sweep *s)
{
	return gu_punch(s->f.fd, SWEEP_FIRST, SWEEP_NR);
}

/* Every page has the state it had and, as far as can be seen, its contents. */
static void check_pages(struct sweep *s)
{
	unsigned long i;

	EXPECT_STATES(&s->f, s->private);
	for (i = 0; i < s->f.nr; i++)
		if (s->private[i])
			EXPECT_SEEN(&s->f, i, 1, SIGBUS);
		else
			EXPECT_SEEN(&s->f, i, 1, OWN);
}

static void check_conversion(struct sweep *s)
{
	EXPECT_EQ(s->error_offset, gu_bytes(SWEEP_FIRST));
	check_pages(s);
}

static void converting_to_private_fails_at_every_step_and_changes_nothing(void)
{
	struct sweep s = {
		.call = sweep_to_private,
		.check = check_conversion,
		.errors = { ENOMEM, EINTR, EAGAIN },
		.steps = {
			"txn-alloc", "claim", "reserve-runs", "reserve-slots",
			"reserve-leaf", "reserve-provider", "prepare-provider",
		},
	};

	sweep_file(&s, false);
	EXPECT(gu_hold(s.f.fd, SWEEP_HELD, 1, "neighbour") >= 0);
	SWEEP(&s);
	EXPECT_EQ(s.error_offset, GU_UNSET);
	EXPECT_PRIVATE(&s.f, SWEEP_FIRST, SWEEP_NR);
	EXPECT_EQ(to_shared(&s.f, SWEEP_FIRST, SWEEP_NR), 0);
	EXPECT_SEEN(&s.f, 0, s.f.nr, OWN);
}

static void converting_to_shared_fails_at_every_step_and_changes_nothing(void)
{
	struct sweep s = {
		.call = sweep_to_shared,
		.check = check_conversion,
		.errors = { ENOMEM, EINTR, EAGAIN },
		.steps = {
			"txn-alloc", "claim", "reserve-runs", "reserve-slots",
			"reserve-leaf", "reserve-provider", "prepare-provider",
		},
	};

	sweep_file(&s, true);
	EXPECT(gu_hold(s.f.fd, SWEEP_HELD, 1, "neighbour") >= 0);
	SWEEP(&s);
	EXPECT_EQ(s.error_offset, GU_UNSET);
	EXPECT_PRIVATE(&s.f, 0, 0);
	EXPECT_SEEN(&s.f, 0, s.f.nr, OWN);
}

static void punching_fails_at_every_step_and_changes_nothing(void)
{
	struct sweep s = {
		.call = sweep_punch,
		.check = check_pages,
		.errors = { ENOMEM, EINTR, EAGAIN },
		.steps = {
			"txn-alloc", "claim", "reserve-slots",
			"reserve-provider", "prepare-provider",
		},
	};

	sweep_file(&s, false);
	EXPECT(gu_hold(s.f.fd, SWEEP_HELD, 1, "neighbour") >= 0);
	SWEEP(&s);
	EXPECT_STATES(&s.f, s.private);
	EXPECT_EQ(to_shared(&s.f, SWEEP_FIRST, SWEEP_NR), 0);
	EXPECT_SEEN(&s.f, 0, SWEEP_FIRST, OWN);
	EXPECT_SEEN(&s.f, SWEEP_FIRST, SWEEP_NR, ZERO);
	EXPECT_SEEN(&s.f, SWEEP_HELD, s.f.nr - SWEEP_HELD, OWN);
}

/* Asked or made to refuse, it is the same page and the same client. */
static void check_held(struct sweep *s)
{
	struct gu_refusal r;

	if (s->error_offset != gu_bytes(SWEEP_FIRST)) {
		EXPECT_EQ(s->error_offset, gu_bytes(BLOCK));
		EXPECT(gu_last_refusal(s->f.space, &r));
		EXPECT(!strcmp(r.holder, "holder"));
	}
	check_pages(s);
}

static void a_refused_conversion_fails_at_every_step_and_changes_nothing(void)
{
	struct sweep s = {
		.call = sweep_to_private,
		.check = check_held,
		.errors = { ENOMEM, EINTR, EBUSY },
		.steps = {
			"txn-alloc", "claim", "reserve-runs", "reserve-slots",
			"reserve-leaf", "reserve-provider", "prepare-client",
		},
		.ret = -EBUSY,
	};
	int hold;

	sweep_file(&s, false);
	hold = gu_hold(s.f.fd, BLOCK, 8, "holder");
	EXPECT(hold >= 0);
	SWEEP(&s);
	EXPECT_EQ(s.error_offset, gu_bytes(BLOCK));
	check_held(&s);
	close(hold);
	EXPECT_EQ(sweep_to_private(&s), 0);
}

static int sweep_hold(struct sweep *s)
{
	int hold = gu_hold(s->f.fd, 1, 2, "holder");

	return hold < 0 ? hold : 0;
}

static void check_no_veto(struct sweep *s)
{
	struct gu_client c;

	EXPECT(!gu_find_client(s->f.space, "holder", &c));
	EXPECT_EQ(to_private(&s->f, 0, 4), 0);
	EXPECT_EQ(to_shared(&s->f, 0, 4), 0);
	EXPECT_SEEN(&s->f, 0, 4, OWN);
}

static void a_hold_fails_at_every_step_and_leaves_no_veto(void)
{
	struct sweep s = {
		.call = sweep_hold,
		.check = check_no_veto,
		/* As if the module were going away, or for a signal. */
		.errors = { ENODEV, EINTR },
		.steps = { "client-register", "settle" },
		.f = file_filled(4),
	};

	SWEEP(&s);
	EXPECT_REFUSED(&s.f, 0, 4, GU_PRIVATE, EBUSY, 1);
}

/* Nothing is allocated yet, not even what it takes to remember a page. */
static void sweep_empty_file(struct sweep *s)
{
	if (s->f.map) {
		EXPECT(!munmap(s->f.map, gu_bytes(s->f.nr)));
		close(s->f.fd);
	}
	s->f = file_create(BLOCK + 40, SHARED_FILE);
}

static int sweep_fallocate(struct sweep *s)
{
	return fallocate(s->f.fd, ALLOCATE, gu_bytes(BLOCK - 2), gu_bytes(4)) ?
	       -errno : 0;
}

static void check_zero(struct sweep *s)
{
	EXPECT_PRIVATE(&s->f, 0, 0);
	EXPECT_SEEN(&s->f, BLOCK - 4, 8, ZERO);
	/* Pages that were allocated before are no obstacle. */
	EXPECT_EQ(sweep_fallocate(s), 0);
	EXPECT_EQ(to_private(&s->f, 0, s->f.nr), 0);
}

static void fallocate_fails_at_every_step_and_can_be_repeated(void)
{
	struct sweep s = {
		.prepare = sweep_empty_file,
		.call = sweep_fallocate,
		.check = check_zero,
		.errors = { ENOMEM },
		.steps = { "folios-chunk", "folios-slots", "folios-page",
			   "folios-charge" },
	};

	SWEEP(&s);
	EXPECT_SEEN(&s.f, BLOCK - 2, 4, ZERO);
}

/* One page: of two, the kernel would try the second again by itself. */
static int sweep_madvise(struct sweep *s)
{
	return madvise(page(&s->f, BLOCK), gu_bytes(1), MADV_POPULATE_WRITE) ?
	       -errno : 0;
}

static void check_unmapped(struct sweep *s)
{
	EXPECT_PRIVATE(&s->f, 0, 0);
	EXPECT_SEEN(&s->f, BLOCK, 1, ZERO);
}

static void a_fault_of_madvise_fails_at_every_step_with_enomem(void)
{
	struct sweep s = {
		.prepare = sweep_empty_file,
		.call = sweep_madvise,
		.check = check_unmapped,
		.errors = { ENOMEM },
		.steps = { "folios-chunk", "folios-slots", "folios-page",
			   "folios-charge" },
	};

	SWEEP(&s);
}

/* The last page of a block and the first of the next one are mapped here. */
static char *sweep_window;
static int sweep_pipe[2];

/*
 * User-mode Linux must have a page table for the address: without one, it stops
 * at a system call's fault that fails, see maybe_map() there.
 */
static void sweep_map_window(struct sweep *s)
{
	sweep_empty_file(s);
	EXPECT(mmap(sweep_window, gu_bytes(2), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, s->f.fd, gu_bytes(BLOCK - 1)) ==
	       sweep_window);
	EXPECT(gu_poke(sweep_window, 1));
}

/* One byte: of a word that faults, x86 tries each byte once more. */
static int sweep_write(struct sweep *s)
{
	(void)s;
	return write(sweep_pipe[1], sweep_window + GU_PAGE_SIZE, 1) < 0 ?
	       -errno : 0;
}

static void a_fault_of_a_system_call_fails_at_every_step_with_efault(void)
{
	struct sweep s = {
		.prepare = sweep_map_window,
		.call = sweep_write,
		.check = check_unmapped,
		.errors = { EFAULT },
		.steps = { "folios-chunk", "folios-slots", "folios-page",
			   "folios-charge" },
	};
	char *room = mmap(NULL, 2 * gu_bytes(BLOCK), PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(room != MAP_FAILED);
	sweep_window = (char *)(((uintptr_t)room | (gu_bytes(BLOCK) - 1)) + 1);
	EXPECT(!pipe(sweep_pipe));
	SWEEP(&s);
}

static void a_fault_of_the_program_is_repeated_until_no_step_fails(void)
{
	static const char *const steps[] = {
		"folios-chunk", "folios-slots", "folios-page", "folios-charge",
	};
	long before[ARRAY_SIZE(steps)];
	struct sweep s = {};
	unsigned int n, i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		before[i] = gu_fault_failed(steps[i]);
	for (n = 1; ; n++) {
		bool ok;

		sweep_empty_file(&s);
		EXPECT(gu_fail_nth(n));
		ok = gu_poke(page(&s.f, 5), n);
		if (!fail_fired())
			break;
		EXPECT(ok);
		EXPECT_EQ(*(__u64 *)page(&s.f, 5), n);
		EXPECT_EQ(to_private(&s.f, 0, s.f.nr), 0);
	}
	for (i = 0; i < ARRAY_SIZE(steps); i++)
		EXPECT_EQ(gu_fault_failed(steps[i]) - before[i], 1);
	EXPECT_EQ(n - 1, ARRAY_SIZE(steps));
}

/*
 * What is done when a step fails stays done and is counted; without any, it is
 * an error.
 */
static void populate_counts_what_it_has_done_when_a_step_fails(void)
{
	static const char *const steps[] = {
		"folios-source", "txn-alloc", "claim", "populate-page",
		"folios-chunk", "folios-slots", "folios-page", "folios-charge",
	};
	const unsigned long nr = POPULATE_BATCH + 2;
	bool stopped_at[POPULATE_BATCH + 2] = {};
	struct file source = file_filled(nr);
	long before[ARRAY_SIZE(steps)], done = 0, last = 0, failed = 0;
	unsigned int n, i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		before[i] = gu_fault_failed(steps[i]);
	for (n = 1; ; n++) {
		struct file f = file_create(nr, GUEST_MEMFD_FLAG_MMAP);

		EXPECT(gu_fail_nth(n));
		done = gu_populate(f.fd, 0, nr, source.map);
		if (!fail_fired())
			break;
		EXPECT(done == -ENOMEM || done == -EINTR || done == -EFAULT ||
		       (done > 0 && done < (long)nr));
		/* Later steps come later. */
		EXPECT(done < 0 ? !last : done >= last);
		last = done < 0 ? 0 : done;
		stopped_at[last] = true;
		EXPECT_PRIVATE(&f, 0, nr);
		EXPECT_EQ(to_shared(&f, 0, nr), 0);
		if (last)
			EXPECT_SEEN(&f, 0, last, OWN);
		EXPECT_SEEN(&f, last, nr - last, ZERO);
		/* The rest can be tried again. */
		EXPECT_EQ(to_private(&f, 0, nr), 0);
		EXPECT_EQ(gu_populate(f.fd, last, nr - last,
				      page(&source, last)), nr - last);
		EXPECT_EQ(to_shared(&f, 0, nr), 0);
		EXPECT_SEEN(&f, 0, nr, OWN);
		/* The source is not left pinned. */
		EXPECT_EQ(to_private(&source, 0, nr), 0);
		EXPECT_EQ(to_shared(&source, 0, nr), 0);
		EXPECT(!munmap(f.map, gu_bytes(nr)));
		close(f.fd);
	}
	EXPECT_EQ(done, nr);
	for (i = 0; i < nr; i++)
		EXPECT(stopped_at[i]);
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		EXPECT(gu_fault_failed(steps[i]) > before[i]);
		failed += gu_fault_failed(steps[i]) - before[i];
	}
	EXPECT_EQ(failed, n - 1);
	NOTE("%u steps", n - 1);
}

/* With CONFIG_FAULT_INJECTION_DEBUG_FS: how likely, and how many times. */
#define FAIL	GU_DEBUGFS "/fail/"

static void a_step_fails_by_chance_as_often_as_debugfs_says(void)
{
	long before = gu_fault_failed("txn-alloc");
	struct file f = file_filled(4);
	bool good;
	int i;

	good = file_write(FAIL "times", "2") &&
	       file_write(FAIL "probability", "100");
	for (i = 0; good && i < 2; i++)
		good = to_private(&f, 0, 4) == -ENOMEM;
	good = good && !to_private(&f, 0, 4);
	/* First of all, none of this for the next test. */
	EXPECT(file_write(FAIL "probability", "0"));
	EXPECT(good);
	EXPECT_EQ(gu_fault_failed("txn-alloc"), before + 2);
	EXPECT_PRIVATE(&f, 0, 4);
	EXPECT_EQ(to_shared(&f, 0, 4), 0);
	EXPECT_SEEN(&f, 0, 4, OWN);
}

static void asking_for_the_states_has_no_step_that_fails(void)
{
	struct file f = file_with_runs(2 * BLOCK);
	struct guest_memfd_run runs[8];
	struct guest_memfd_get_runs arg = {
		.size = gu_bytes(f.nr), .runs = (uintptr_t)runs, .nr = 8,
	};

	EXPECT(gu_fail_nth(1));
	EXPECT_EQ(get_runs(&f, &arg), 0);
	EXPECT(!fail_fired());
	EXPECT_EQ(arg.nr, 5);
}

/* --- signals and death ---------------------------------------------------- */

static void a_process_killed_while_it_converts_leaves_a_file_that_works(void)
{
	struct file f = file_filled(4 * BLOCK);
	__u64 seed = SEED;
	unsigned int i;

	for (i = 0; i < 60; i++) {
		pid_t pid = child();

		if (!pid) {
			for (;;) {
				to_private(&f, 3, f.nr - 3);
				to_shared(&f, 0, f.nr - 3);
			}
		}
		usleep(gu_random(&seed) % 6000);
		kill_child(pid);
		/* Whatever it did last, it did all of it. */
		EXPECT_EQ(to_private(&f, 0, f.nr), 0);
		EXPECT_PRIVATE(&f, 0, f.nr);
		EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
		EXPECT_PRIVATE(&f, 0, 0);
		EXPECT_SEEN(&f, i, 1, OWN);
	}
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

static void do_nothing(int sig)
{
	(void)sig;
}

static void a_signal_ends_the_wait_for_another_conversion(void)
{
	/* Large, so that the other conversion takes a while. */
	const unsigned long big = 32 * BLOCK;
	struct file f = file_create(big + 16, SHARED_FILE);
	struct sigaction sa = { .sa_handler = do_nothing };
	struct itimerval timer = {
		.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000,
	};
	unsigned long tries = 0;
	__u64 begin = gu_now_us(), error_offset;
	bool private = false;
	pid_t pid;
	int ret;

	EXPECT(!fallocate(f.fd, ALLOCATE, 0, gu_bytes(f.nr)));
	pid = child();
	if (!pid) {
		for (;;) {
			to_private(&f, 0, big);
			to_shared(&f, 0, big);
		}
	}
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	do {
		bool states[32 * BLOCK + 16];

		/* One page in common with the other process. */
		ret = gu_convert(f.fd, big - 1, 17,
				 private ? GU_SHARED : GU_PRIVATE,
				 &error_offset);
		tries++;
		if (!ret)
			private = !private;
		else
			EXPECT_EQ(ret, -EINTR);
		EXPECT_EQ(gu_states(f.fd, f.nr, states), 0);
		EXPECT_EQ(states[big], private);
		EXPECT_EQ(states[big + 15], private);
	} while (!ret && gu_now_us() - begin < 20000000);
	EXPECT_EQ(ret, -EINTR);
	EXPECT_EQ(error_offset, gu_bytes(big - 1));
	NOTE("after %lu conversions", tries);

	timer.it_interval.tv_usec = 0;
	timer.it_value.tv_usec = 0;
	setitimer(ITIMER_REAL, &timer, NULL);
	kill_child(pid);
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
	EXPECT_PRIVATE(&f, 0, f.nr);
}

/* --- several processes at once -------------------------------------------- */

static void faults_at_full_speed_never_refuse_a_conversion(void)
{
	struct file f = file_filled(600);
	unsigned long *touched = shared_memory(3 * sizeof(*touched));
	unsigned long total = 0;
	unsigned int i, n;
	pid_t pids[3];
	__u64 end;

	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = child();
		if (pids[i])
			continue;
		/* One of them with mlock(), which has batches of its own. */
		if (i == 2)
			mlock2(f.map, gu_bytes(f.nr), MLOCK_ONFAULT);
		for (;;) {
			unsigned long index;
			__u64 value;

			for (index = 0; index < f.nr; index++) {
				if (gu_peek(page(&f, index), &value))
					EXPECT_EQ(value, gu_word(index, 0));
				WRITE_ONCE(touched[i], touched[i] + 1);
			}
		}
	}
	end = gu_now_us() + 1000000;
	for (i = 0; gu_now_us() < end; i++) {
		EXPECT_EQ(to_private(&f, i % 8, f.nr - 8), 0);
		if (i & 1)
			sched_yield();
		EXPECT_EQ(to_shared(&f, i % 8, f.nr - 8), 0);
		sched_yield();
	}
	for (n = 0; n < ARRAY_SIZE(pids); n++) {
		EXPECT(READ_ONCE(touched[n]));
		total += READ_ONCE(touched[n]);
	}
	NOTE("%u conversions, %lu accesses", 2 * i, total);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		kill_child(pids[i]);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

/* Each ends with pages of the file on their way out of a process. */
static void map_and_unmap(const struct file *f)
{
	char *map = gu_mmap(f->fd, 0, f->nr);

	EXPECT(map != MAP_FAILED);
	madvise(map, gu_bytes(f->nr), MADV_POPULATE_READ);
	munmap(map, gu_bytes(f->nr));
}

static void map_and_exit(const struct file *f)
{
	char *map;
	pid_t pid = child();

	if (pid) {
		gu_wait(pid);
		return;
	}
	map = gu_mmap(f->fd, 0, f->nr);
	EXPECT(map != MAP_FAILED);
	madvise(map, gu_bytes(f->nr), MADV_POPULATE_READ);
	_exit(0);
}

static void populate_and_drop(const struct file *f)
{
	madvise(f->map, gu_bytes(f->nr), MADV_POPULATE_READ);
	madvise(f->map, gu_bytes(f->nr), MADV_DONTNEED);
}

/* The kernel pins some pages at a time to copy from them. */
static void copy_by_process_vm(const struct file *f)
{
	static char buf[1 << 20];
	struct iovec to = { buf, sizeof(buf) }, from = { f->map, sizeof(buf) };

	process_vm_readv(getpid(), &to, 1, &from, 1, 0);
}

/*
 * Processes that let go of pages, or use them for a moment, do hold references
 * that nobody can wait for.  That may refuse a conversion, but whoever repeats
 * it gets there.
 */
static void passing_references_refuse_only_for_a_moment(void)
{
	static void (* const activities[])(const struct file *f) = {
		map_and_unmap, map_and_exit, populate_and_drop,
		copy_by_process_vm,
	};
	unsigned long attempts, conversions = 0, refusals = 0;
	struct file f = file_filled(4 * BLOCK);
	pid_t pids[ARRAY_SIZE(activities)];
	__u64 end, error_offset;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(activities); i++) {
		pids[i] = child();
		if (pids[i])
			continue;
		for (;;)
			activities[i](&f);
	}
	for (end = gu_now_us() + 1000000; gu_now_us() < end; conversions++) {
		for (attempts = 0; ; attempts++) {
			int ret = gu_convert(f.fd, 0, f.nr, GU_PRIVATE,
					     &error_offset);

			if (!ret)
				break;
			EXPECT_EQ(ret, -EAGAIN);
			EXPECT(error_offset < gu_bytes(f.nr));
			EXPECT(attempts < 1000);
			sched_yield();
		}
		refusals += attempts;
		EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
		sched_yield();
	}
	NOTE("%lu conversions, %lu refusals", conversions, refusals);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		kill_child(pids[i]);
	/* A pin of a process that was killed is gone with it. */
	EXPECT_EQ(to_private(&f, 0, f.nr), 0);
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

#define NR_OWNERS	4
#define OWNED_PAGES	700UL	/* so that most blocks have two owners */

struct owner {
	struct file *f;
	unsigned long first;
	__u64 seed;
	unsigned long ops;
	bool private[OWNED_PAGES];
	__u64 value[OWNED_PAGES];
};

/* A page must be as its owner remembers it; then gets a new value. */
static void owner_touch(struct owner *o, unsigned long i)
{
	char *addr = page(o->f, o->first + i) + 8 * (i % GU_PAGE_WORDS);
	__u64 value;

	if (o->private[i]) {
		EXPECT(!gu_peek(addr, &value));
		return;
	}
	EXPECT(gu_peek(addr, &value));
	EXPECT_EQ(value, o->value[i]);
	value = gu_random(&o->seed);
	EXPECT(gu_poke(addr, value));
	o->value[i] = value;
}

static void owner_check_states(const struct owner *o)
{
	struct guest_memfd_run runs[OWNED_PAGES];
	struct guest_memfd_get_runs arg = {
		.offset = gu_bytes(o->first), .size = gu_bytes(OWNED_PAGES),
		.runs = (uintptr_t)runs, .nr = OWNED_PAGES,
	};
	unsigned long i, nr, first;

	EXPECT_EQ(get_runs(o->f, &arg), 0);
	EXPECT_EQ(arg.size, 0);
	for (i = 0; i < arg.nr; i++) {
		first = (runs[i].offset >> GU_PAGE_SHIFT) - o->first;
		for (nr = runs[i].size >> GU_PAGE_SHIFT; nr; nr--, first++)
			EXPECT_EQ(o->private[first],
				  runs[i].attributes == GU_PRIVATE);
	}
}

static void owner_step(struct owner *o)
{
	__u64 random = gu_random(&o->seed);
	unsigned long nr = 1 + random % (random & 0x700000 ? 40 : OWNED_PAGES);
	unsigned long i = (random >> 24) % (OWNED_PAGES - nr + 1);
	bool private = random >> 63;
	__u64 value;

	switch ((random >> 48) % 16) {
	case 0 ... 5:
		EXPECT_EQ(gu_convert(o->f->fd, o->first + i, nr,
				     private ? GU_PRIVATE : GU_SHARED, NULL), 0);
		memset(o->private + i, private, nr);
		break;
	case 6:
		EXPECT_EQ(gu_punch(o->f->fd, o->first + i, nr), 0);
		memset(o->value + i, 0, nr * sizeof(*o->value));
		break;
	case 7:
		EXPECT(!fallocate(o->f->fd, ALLOCATE, gu_bytes(o->first + i),
				  gu_bytes(nr)));
		break;
	case 8:
		owner_check_states(o);
		break;
	case 9:
		sched_yield();
		break;
	case 10:
		/* Somebody else's page, which may be private or not. */
		gu_peek(o->f->map + gu_bytes(random % o->f->nr), &value);
		break;
	default:
		owner_touch(o, i);
		break;
	}
	o->ops++;
}

static void pages_are_what_their_owners_made_of_them(void)
{
	struct file f = file_create(NR_OWNERS * OWNED_PAGES, SHARED_FILE);
	struct owner *owners = shared_memory(NR_OWNERS * sizeof(*owners));
	unsigned long total = 0, i;
	pid_t pids[NR_OWNERS];
	unsigned int n;
	int done[2];
	char byte;

	EXPECT(!pipe(done));
	for (n = 0; n < NR_OWNERS; n++) {
		struct owner *o = &owners[n];
		__u64 end = gu_now_us() + 2000000;

		o->f = &f;
		o->first = n * OWNED_PAGES;
		o->seed = SEED + n;
		pids[n] = child();
		if (pids[n])
			continue;
		while (gu_now_us() < end)
			owner_step(o);
		/* An exit would refuse, for a moment, what others convert. */
		EXPECT_EQ(write(done[1], "", 1), 1);
		pause();
	}
	for (n = 0; n < NR_OWNERS; n++) {
		EXPECT_EQ(read(done[0], &byte, 1), 1);
		total += owners[n].ops;
	}
	for (n = 0; n < NR_OWNERS; n++)
		kill_child(pids[n]);
	/* And once more in the end, by somebody else. */
	for (n = 0; n < NR_OWNERS; n++) {
		owner_check_states(&owners[n]);
		for (i = 0; i < OWNED_PAGES; i++)
			owner_touch(&owners[n], i);
	}
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	for (n = 0; n < NR_OWNERS; n++) {
		memset(owners[n].private, false, OWNED_PAGES);
		for (i = 0; i < OWNED_PAGES; i++)
			owner_touch(&owners[n], i);
	}
	NOTE("seed %#llx, %lu operations", SEED, total);
}

static void overlapping_conversions_are_each_all_or_nothing(void)
{
	struct file f = file_filled(3 * BLOCK);
	bool *states = calloc(f.nr, 1);
	unsigned int round, n;
	__u64 seed = SEED;

	for (round = 0; round < 40; round++) {
		unsigned long first[2], nr[2];
		pid_t pids[2];

		for (n = 0; n < 2; n++) {
			nr[n] = BLOCK + gu_random(&seed) % BLOCK;
			first[n] = gu_random(&seed) % (f.nr - nr[n]);
		}
		/* Two pages far apart that every request has or has not both. */
		for (n = 0; n < 2; n++) {
			pids[n] = child();
			if (pids[n])
				continue;
			EXPECT_EQ(gu_convert(f.fd, first[n], nr[n],
					     n ? GU_PRIVATE : GU_SHARED, NULL),
				  0);
			_exit(0);
		}
		EXPECT_EXIT(pids[0]);
		EXPECT_EXIT(pids[1]);
		/* What both wanted is as one of them wanted it, all of it. */
		EXPECT_EQ(gu_states(f.fd, f.nr, states), 0);
		if (first[0] < first[1] + nr[1] && first[1] < first[0] + nr[0]) {
			unsigned long from = first[0] > first[1] ? first[0] :
								   first[1];
			unsigned long to = first[0] + nr[0] <
					   first[1] + nr[1] ?
					   first[0] + nr[0] : first[1] + nr[1];

			EXPECT(!memchr(states + from, !states[from],
				       to - from));
		}
	}
	EXPECT_EQ(to_shared(&f, 0, f.nr), 0);
	EXPECT_SEEN(&f, 0, f.nr, OWN);
}

/* --- all of it ------------------------------------------------------------ */

static const struct test tests[] = {
	TEST(create_refuses_bad_arguments),
	TEST(the_device_knows_no_other_ioctl),
	TEST(an_impossible_size_fails_and_the_kernel_does_not_complain),
	TEST(a_new_file_is_private_unless_asked_otherwise),
	TEST(a_file_has_the_size_it_was_made_with),
	TEST(files_do_not_affect_each_other),
	TEST(a_terabyte_without_pages_converts),

	TEST(mmap_needs_the_flag),
	TEST(mmap_takes_only_map_shared),
	TEST(a_mapping_may_begin_anywhere),
	TEST(beyond_the_end_there_is_only_sigbus),
	TEST(a_mapping_outlives_the_descriptor),
	TEST(contents_and_states_outlive_the_mapping),

	TEST(a_file_knows_no_other_ioctl),
	TEST(the_api_has_the_numbers_of_kvm),
	TEST(conversion_refuses_bad_arguments),
	TEST(conversion_refuses_bad_ranges),
	TEST(success_writes_nothing_to_the_argument),
	TEST(a_refusal_with_a_read_only_argument_is_still_a_refusal),
	TEST(the_argument_may_lie_in_the_range),

	TEST(contents_survive_conversions),
	TEST(a_state_needs_no_page),
	TEST(converting_to_the_present_state_changes_nothing),
	TEST(ranges_across_blocks_are_exact),
	TEST(every_second_page_private_then_all_at_once),
	TEST(refusal_among_many_runs_names_the_page_and_changes_none),

	TEST(touching_a_private_page_is_sigbus_at_its_address),
	TEST(system_calls_cannot_reach_private_pages),
	TEST(other_processes_cannot_reach_private_pages),
	TEST(proc_mem_cannot_reach_private_pages),
	TEST(nobody_can_pin_a_private_page),
	TEST(private_pages_cannot_be_populated_from_outside),

	TEST(a_registered_io_uring_buffer_refuses_at_its_page),
	TEST(a_page_in_a_pipe_refuses_at_its_page),
	TEST(a_long_term_pin_refuses_at_its_page),
	TEST(the_first_of_several_pinned_pages_is_named),
	TEST(a_page_pinned_twice_is_free_after_the_second_release),
	TEST(a_refusal_leaves_other_processes_untouched),
	TEST(a_pin_does_not_matter_if_nothing_changes),
	TEST(a_pin_outlives_the_file),
	TEST(a_killed_process_lets_go_of_its_pins),

	TEST(debugfs_shows_who_refused),
	TEST(debugfs_shows_the_map),
	TEST(debugfs_shows_who_maps_the_file),
	TEST(debugfs_shows_what_runs_and_who_waits),
	TEST(debugfs_shows_that_nothing_is_in_quarantine),
	TEST(the_trace_has_every_phase_and_every_call),

	TEST(a_hold_refuses_exactly_its_range),
	TEST(a_hold_at_the_ends_of_the_file_is_exact),
	TEST(a_hold_refuses_only_changes),
	TEST(each_of_two_holds_refuses),
	TEST(a_hold_is_asked_before_references_are_looked_at),
	TEST(a_hold_ends_with_its_process),
	TEST(a_hold_lasts_until_its_last_descriptor_is_closed),
	TEST(a_hold_keeps_the_file),
	TEST(hold_refuses_bad_arguments),
	TEST(a_hold_without_room_for_a_descriptor_leaves_no_veto),

	TEST(fork_shares_states_and_contents),
	TEST(parent_and_child_both_lose_a_page_that_both_have_mapped),
	TEST(a_moved_mapping_obeys),
	TEST(a_mapping_neither_grows_nor_takes_guard_pages),
	TEST(a_protected_mapping_obeys),
	TEST(mlocked_pages_convert),
	TEST(pages_mlocked_by_two_processes_convert),
	TEST(mlock_of_private_pages_is_enomem),
	TEST(any_descriptor_of_the_file_converts),
	TEST(reclaim_leaves_pages_alone),

	TEST(fallocate_refuses_bad_arguments),
	TEST(allocated_pages_are_zero_in_either_state),
	TEST(allocating_again_keeps_contents),
	TEST(a_hole_is_zero_and_keeps_its_state),
	TEST(a_hole_may_reach_beyond_the_end),
	TEST(punching_what_is_empty_does_nothing),
	TEST(a_hole_takes_the_page_away_from_every_process),
	TEST(a_pinned_page_can_be_punched_and_the_pin_keeps_it),
	TEST(a_hold_refuses_holes),
	TEST(madvise_remove_punches),

	TEST(runs_come_in_as_many_calls_as_needed),
	TEST(runs_are_cut_at_the_ends_of_the_request),
	TEST(get_runs_refuses_bad_arguments),

	TEST(populate_refuses_bad_arguments),
	TEST(populate_fills_private_pages),
	TEST(populate_with_memory_that_was_never_written_is_zero),
	TEST(populate_takes_more_than_one_batch),
	TEST(a_file_may_be_populated_from_its_own_shared_pages),
	TEST(private_pages_are_no_source),
	TEST(populate_stops_before_a_shared_page),
	TEST(populate_of_a_shared_page_is_einval),
	TEST(populate_stops_where_its_source_cannot_be_read),
	TEST(populate_of_a_source_that_cannot_be_read_is_efault),
	TEST(a_hold_does_not_concern_populate),
	TEST(a_populated_page_can_be_punched),

	TEST(creating_a_file_fails_at_every_step_and_leaves_nothing),
	TEST(converting_to_private_fails_at_every_step_and_changes_nothing),
	TEST(converting_to_shared_fails_at_every_step_and_changes_nothing),
	TEST(punching_fails_at_every_step_and_changes_nothing),
	TEST(a_refused_conversion_fails_at_every_step_and_changes_nothing),
	TEST(a_hold_fails_at_every_step_and_leaves_no_veto),
	TEST(fallocate_fails_at_every_step_and_can_be_repeated),
	TEST(a_fault_of_madvise_fails_at_every_step_with_enomem),
	TEST(a_fault_of_a_system_call_fails_at_every_step_with_efault),
	TEST(a_fault_of_the_program_is_repeated_until_no_step_fails),
	TEST(populate_counts_what_it_has_done_when_a_step_fails),
	TEST(a_step_fails_by_chance_as_often_as_debugfs_says),
	TEST(asking_for_the_states_has_no_step_that_fails),

	TEST(a_process_killed_while_it_converts_leaves_a_file_that_works),
	TEST(a_signal_ends_the_wait_for_another_conversion),

	TEST(faults_at_full_speed_never_refuse_a_conversion),
	TEST(passing_references_refuse_only_for_a_moment),
	TEST(pages_are_what_their_owners_made_of_them),
	TEST(overlapping_conversions_are_each_all_or_nothing),
};

int main(int argc, char **argv)
{
	return test_main("usertest", tests, ARRAY_SIZE(tests), argc, argv);
}
