/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the demo and the tests share: the stand-alone guest_memfd's user API as
 * functions, memory accesses that survive a SIGBUS, the kernel's own ways to
 * pin a page, what debugfs says, and steps that fail on demand.
 *
 * Conventions:
 *
 *  - Include this first; one program is one C file and no library but libc.
 *  - A negative return is -errno; nothing here prints.
 *  - @first and @nr are in pages, @offset and @size in bytes.
 *  - Every page that has contents has its own: word w of page i holds
 *    gu_word(i, w).
 */
#ifndef GMEM_USER_H
#define GMEM_USER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/guest_memfd.h>
#include <linux/io_uring.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(a, b)	__attribute__((__format__(printf, a, b)))
#define __noreturn	__attribute__((__noreturn__))

/* One access each, here and now: it may fault, or meet another process. */
#define READ_ONCE(x)	(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

#define GU_PAGE_SHIFT	12
#define GU_PAGE_SIZE	4096UL
#define GU_PAGE_WORDS	(GU_PAGE_SIZE / sizeof(__u64))

#define GU_SHARED	0ULL
#define GU_PRIVATE	KVM_MEMORY_ATTRIBUTE_PRIVATE

/* What error_offset is before a call, so that one that is not set is seen. */
#define GU_UNSET	0xa5a5a5a5a5a5a5a5ULL

static inline __u64 gu_bytes(unsigned long pages)
{
	return (__u64)pages << GU_PAGE_SHIFT;
}

static inline __u64 gu_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

/* Seeded, the same everywhere: xorshift64*. */
static inline __u64 gu_random(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dULL;
}

/* --- the user API --------------------------------------------------------- */

static inline int gu_ioctl(int fd, unsigned long cmd, const void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/* The descriptor of a new file. */
static inline int gu_create(__u64 size, __u64 flags)
{
	struct guest_memfd_create arg = { .size = size, .flags = flags };
	int dev = open("/dev/guest_memfd", O_RDWR | O_CLOEXEC);
	int ret;

	if (dev < 0)
		return -errno;
	ret = gu_ioctl(dev, GUEST_MEMFD_CREATE, &arg);
	close(dev);
	return ret;
}

/* @error_offset may be NULL; it is GU_UNSET if the call does not set it. */
static inline int gu_convert_bytes(int fd, __u64 offset, __u64 size,
				   __u64 attributes, __u64 *error_offset)
{
	struct kvm_memory_attributes2 arg = {
		.offset = offset,
		.size = size,
		.attributes = attributes,
		.error_offset = GU_UNSET,
	};
	int ret = gu_ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &arg);

	if (error_offset)
		*error_offset = arg.error_offset;
	return ret;
}

static inline int gu_convert(int fd, unsigned long first, unsigned long nr,
			     __u64 attributes, __u64 *error_offset)
{
	return gu_convert_bytes(fd, gu_bytes(first), gu_bytes(nr), attributes,
				error_offset);
}

static inline int gu_punch(int fd, unsigned long first, unsigned long nr)
{
	return fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
			 gu_bytes(first), gu_bytes(nr)) ? -errno : 0;
}

/* A descriptor; as long as it is open the pages can't be converted. */
static inline int gu_hold(int fd, unsigned long first, unsigned long nr,
			  const char *name)
{
	struct guest_memfd_hold arg = {
		.offset = gu_bytes(first),
		.size = gu_bytes(nr),
	};

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	return gu_ioctl(fd, GUEST_MEMFD_HOLD, &arg);
}

/*
 * How many private pages were filled from @source, or -errno.  The kernel says
 * so three times; -EPROTO if it contradicts itself.
 */
static inline long gu_populate(int fd, unsigned long first, unsigned long nr,
			       const void *source)
{
	struct guest_memfd_populate arg = {
		.offset = gu_bytes(first),
		.size = gu_bytes(nr),
		.source = (uintptr_t)source,
	};
	int ret = gu_ioctl(fd, GUEST_MEMFD_POPULATE, &arg);
	unsigned long done = nr - (arg.size >> GU_PAGE_SHIFT);

	if (done > nr || arg.offset != gu_bytes(first + done) ||
	    arg.source != (uintptr_t)source + gu_bytes(done) || (ret && done))
		return -EPROTO;
	return ret ? ret : (long)done;
}

/* One byte per page: whether it is private. */
static inline int gu_states(int fd, unsigned long nr_pages, bool *private)
{
	static struct guest_memfd_run runs[1024];
	struct guest_memfd_get_runs arg = { .size = gu_bytes(nr_pages) };
	int ret;

	while (arg.size) {
		__u32 i;

		arg.runs = (uintptr_t)runs;
		arg.nr = ARRAY_SIZE(runs);
		ret = gu_ioctl(fd, GUEST_MEMFD_GET_RUNS, &arg);
		if (ret)
			return ret;
		for (i = 0; i < arg.nr; i++)
			memset(private + (runs[i].offset >> GU_PAGE_SHIFT),
			       runs[i].attributes == GU_PRIVATE,
			       runs[i].size >> GU_PAGE_SHIFT);
	}
	return 0;
}

static inline char *gu_mmap(int fd, unsigned long first, unsigned long nr)
{
	return mmap(NULL, gu_bytes(nr), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    gu_bytes(first));
}

/* --- memory that may be out of reach -------------------------------------- */

static sigjmp_buf gu_sigbus_jmp;
static volatile sig_atomic_t gu_sigbus_armed;
static void *volatile gu_sigbus_addr;

static inline void gu_sigbus_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (sig != SIGBUS || !gu_sigbus_armed) {
		/* Not ours: die of it on return. */
		signal(sig, SIG_DFL);
		return;
	}
	gu_sigbus_addr = info->si_addr;
	siglongjmp(gu_sigbus_jmp, 1);
}

/*
 * SA_NODEFER: the jump needs no system call to restore the signal mask.
 * SIGSEGV because User-mode Linux logs every fault of a process that does not
 * handle that one, even if it handles the SIGBUS that it gets.
 */
static inline void gu_sigbus_init(void)
{
	struct sigaction sa = {
		.sa_sigaction = gu_sigbus_handler,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
}

/* Whether a word could be read. */
static inline bool gu_peek(const void *addr, __u64 *value)
{
	if (sigsetjmp(gu_sigbus_jmp, 0)) {
		gu_sigbus_armed = 0;
		return false;
	}
	gu_sigbus_armed = 1;
	*value = READ_ONCE(*(const __u64 *)addr);
	gu_sigbus_armed = 0;
	return true;
}

/* Whether a word could be written. */
static inline bool gu_poke(void *addr, __u64 value)
{
	if (sigsetjmp(gu_sigbus_jmp, 0)) {
		gu_sigbus_armed = 0;
		return false;
	}
	gu_sigbus_armed = 1;
	WRITE_ONCE(*(__u64 *)addr, value);
	gu_sigbus_armed = 0;
	return true;
}

/* --- contents ------------------------------------------------------------- */

static inline __u64 gu_word(unsigned long index, unsigned int word)
{
	return (index + 1) * 0x9e3779b97f4a7c15ULL + word;
}

/*
 * Fills pages of the file; @map is where its page 0 is mapped.  Mapping them
 * all at once is only for speed: a fault of its own for each of 65536 pages
 * takes seconds in User-mode Linux.
 */
static inline void gu_fill(char *map, unsigned long first, unsigned long nr)
{
	unsigned long index;
	unsigned int w;

	madvise(map + gu_bytes(first), gu_bytes(nr), MADV_POPULATE_WRITE);
	for (index = first; index < first + nr; index++) {
		__u64 *page = (__u64 *)(map + gu_bytes(index));

		for (w = 0; w < GU_PAGE_WORDS; w++)
			page[w] = gu_word(index, w);
	}
}

enum gu_seen {
	GU_SEEN_OWN,		/* what gu_fill() wrote */
	GU_SEEN_ZERO,
	GU_SEEN_SIGBUS,
	GU_SEEN_WRONG,
	GU_NR_SEEN
};

/* What is in a page, all of it. */
static inline enum gu_seen gu_look_page(const char *map, unsigned long index)
{
	const __u64 *page = (const void *)(map + gu_bytes(index));
	__u64 own = 0, zero = 0;
	unsigned int w;

	if (sigsetjmp(gu_sigbus_jmp, 0)) {
		gu_sigbus_armed = 0;
		return GU_SEEN_SIGBUS;
	}
	gu_sigbus_armed = 1;
	for (w = 0; w < GU_PAGE_WORDS; w++) {
		__u64 value = READ_ONCE(page[w]);

		own |= value ^ gu_word(index, w);
		zero |= value;
	}
	gu_sigbus_armed = 0;
	return !own ? GU_SEEN_OWN : !zero ? GU_SEEN_ZERO : GU_SEEN_WRONG;
}

struct gu_look {
	unsigned long seen[GU_NR_SEEN];
};

/*
 * Looks at every @step-th page and at the last one, and counts what it sees.
 * If it is every page they are mapped at once, for speed, as in gu_fill(); if
 * that cannot be done, looking will tell why.
 */
static inline struct gu_look gu_look(const char *map, unsigned long first,
				     unsigned long nr, unsigned long step)
{
	struct gu_look look = { 0 };
	unsigned long i;

	if (step == 1)
		madvise((void *)(map + gu_bytes(first)), gu_bytes(nr),
			MADV_POPULATE_READ);
	for (i = 0; i < nr - 1; i += step)
		look.seen[gu_look_page(map, first + i)]++;
	look.seen[gu_look_page(map, first + nr - 1)]++;
	return look;
}

/* Whether gu_look() saw the same in every page. */
static inline bool gu_look_all(const struct gu_look *look, enum gu_seen what)
{
	int i;

	for (i = 0; i < GU_NR_SEEN; i++)
		if (i != (int)what && look->seen[i])
			return false;
	return look->seen[what];
}

/* --- kernel users that pin a page ----------------------------------------- */

enum gu_pin_kind {
	GU_PIN_IO_URING,	/* a registered buffer */
	GU_PIN_VMSPLICE,	/* a page in a pipe */
	GU_PIN_GUP_TEST,	/* the kernel's own test of long-term pins */
	GU_NR_PINS
};

struct gu_pin {
	enum gu_pin_kind kind;
	int fd, pipe;
};

/* From mm/gup_test.h, which is not installed. */
struct gu_pin_longterm_test {
	__u64 addr;
	__u64 size;
	__u32 flags;
};

#define GU_GUP_TEST_START	_IOW('g', 7, struct gu_pin_longterm_test)
#define GU_GUP_TEST_STOP	_IO('g', 8)
#define GU_GUP_TEST_READ	_IOW('g', 9, __u64)
#define GU_GUP_TEST_WRITE	1

static inline int gu_pin_io_uring(struct gu_pin *pin, struct iovec *iov)
{
	struct io_uring_params params = { 0 };

	pin->fd = syscall(__NR_io_uring_setup, 1, &params);
	if (pin->fd < 0)
		return -errno;
	if (syscall(__NR_io_uring_register, pin->fd, IORING_REGISTER_BUFFERS,
		    iov, 1)) {
		int ret = -errno;

		close(pin->fd);
		return ret;
	}
	return 0;
}

static inline int gu_pin_vmsplice(struct gu_pin *pin, struct iovec *iov)
{
	ssize_t n;
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	pin->pipe = fd[0];
	pin->fd = fd[1];
	n = vmsplice(pin->fd, iov, 1, SPLICE_F_NONBLOCK);
	if (n == (ssize_t)iov->iov_len)
		return 0;
	n = n < 0 ? -errno : -EIO;
	close(fd[0]);
	close(fd[1]);
	return n;
}

static inline int gu_pin_gup_test(struct gu_pin *pin, struct iovec *iov)
{
	struct gu_pin_longterm_test arg = {
		.addr = (uintptr_t)iov->iov_base,
		.size = iov->iov_len,
		.flags = GU_GUP_TEST_WRITE,
	};
	int ret;

	pin->fd = open("/sys/kernel/debug/gup_test", O_RDWR | O_CLOEXEC);
	if (pin->fd < 0)
		return -errno;
	ret = gu_ioctl(pin->fd, GU_GUP_TEST_START, &arg);
	if (ret)
		close(pin->fd);
	return ret;
}

/* Pins the page at @addr until gu_unpin(). */
static inline int gu_pin(struct gu_pin *pin, enum gu_pin_kind kind, void *addr)
{
	struct iovec iov = { .iov_base = addr, .iov_len = GU_PAGE_SIZE };

	*pin = (struct gu_pin){ .kind = kind, .fd = -1, .pipe = -1 };
	switch (kind) {
	case GU_PIN_IO_URING:
		return gu_pin_io_uring(pin, &iov);
	case GU_PIN_VMSPLICE:
		return gu_pin_vmsplice(pin, &iov);
	case GU_PIN_GUP_TEST:
		return gu_pin_gup_test(pin, &iov);
	default:
		return -EINVAL;
	}
}

/*
 * Lets go.  What the pinned page holds is copied to @page unless that is NULL;
 * an io_uring buffer cannot be asked.
 */
static inline int gu_unpin(struct gu_pin *pin, void *page)
{
	__u64 to = (uintptr_t)page;
	char buf[GU_PAGE_SIZE];
	int ret = 0;

	switch (pin->kind) {
	case GU_PIN_IO_URING:
		/* By itself, close() would let go some time later. */
		if (syscall(__NR_io_uring_register, pin->fd,
			    IORING_UNREGISTER_BUFFERS, NULL, 0))
			ret = -errno;
		break;
	case GU_PIN_VMSPLICE:
		if (read(pin->pipe, page ? page : buf, GU_PAGE_SIZE) !=
		    (ssize_t)GU_PAGE_SIZE)
			ret = -EIO;
		close(pin->pipe);
		break;
	case GU_PIN_GUP_TEST:
		if (page)
			ret = gu_ioctl(pin->fd, GU_GUP_TEST_READ, &to);
		if (!ret)
			ret = gu_ioctl(pin->fd, GU_GUP_TEST_STOP, NULL);
		break;
	default:
		return -EINVAL;
	}
	close(pin->fd);
	return ret;
}

/* --- the page behind an address -------------------------------------------- */

#define GU_KPF_HEAD	15	/* of a folio of several pages */
#define GU_KPF_TAIL	16

static inline __u64 gu_read_u64(const char *path, __u64 index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	__u64 value = 0;

	if (fd < 0 || pread(fd, &value, 8, index * 8) != 8)
		value = 0;
	close(fd);
	return value;
}

/* Its frame number, 0 if nothing is mapped there. */
static inline __u64 gu_pfn(const void *addr)
{
	__u64 entry = gu_read_u64("/proc/self/pagemap",
				  (uintptr_t)addr / GU_PAGE_SIZE);

	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

/* Whether the page is flagged so, one of GU_KPF_*. */
static inline bool gu_page_is(__u64 pfn, unsigned int flag)
{
	return gu_read_u64("/proc/kpageflags", pfn) >> flag & 1;
}

/* How many pages the folio has that the page is in; it is aligned to its size. */
static inline unsigned long gu_folio_pages(__u64 pfn)
{
	unsigned long nr;

	for (nr = 1; gu_page_is(pfn, GU_KPF_TAIL); nr *= 2)
		pfn &= ~(__u64)nr;
	if (!gu_page_is(pfn, GU_KPF_HEAD))
		return 1;
	for (nr = 2; gu_page_is(pfn + nr, GU_KPF_TAIL); nr *= 2)
		;
	return nr;
}

/* --- what debugfs says ---------------------------------------------------- */

#define GU_DEBUGFS	"/sys/kernel/debug/gmem_convert"

/* Number of the newest space, 0 if there is none. */
static inline unsigned int gu_newest_space(void)
{
	unsigned int id, newest = 0;
	struct dirent *entry;
	DIR *dir = opendir(GU_DEBUGFS);

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		if (sscanf(entry->d_name, "guest_memfd.%u", &id) == 1 &&
		    id > newest)
			newest = id;
	closedir(dir);
	return newest;
}

static inline bool gu_space_exists(unsigned int id)
{
	char path[80];

	snprintf(path, sizeof(path), GU_DEBUGFS "/guest_memfd.%u", id);
	return !access(path, F_OK);
}

static inline FILE *gu_space_open(unsigned int id, const char *name)
{
	char path[80];

	snprintf(path, sizeof(path), GU_DEBUGFS "/guest_memfd.%u/%s", id, name);
	return fopen(path, "re");
}

/* A line of the refusals, in pages. */
struct gu_refusal {
	char line[200];
	char op[16];
	unsigned long first, last;
	char phase[16];
	char error[16];
	unsigned long index;
	char holder[40];
	unsigned long seen, expected;
};

static inline bool gu_refusal_parse(struct gu_refusal *r)
{
	const char *rest;
	int end = 0;

	if (sscanf(r->line, "%*u %15s %lu-%lu refused in %15s with %15s at %lu%n",
		   r->op, &r->first, &r->last, r->phase, r->error, &r->index,
		   &end) != 6)
		return false;
	rest = r->line + end;
	if (!*rest)
		return true;
	if (sscanf(rest, " by %39[^(]%n", r->holder, &end) != 1)
		return false;
	rest += end;
	if (!*rest)
		return true;
	/* The space before the bracket belongs to neither. */
	r->holder[strlen(r->holder) - 1] = '\0';
	return sscanf(rest, "(%lu seen, %lu expected)", &r->seen,
		      &r->expected) == 2;
}

/* The latest refusal of a space; whether there is one. */
static inline bool gu_last_refusal(unsigned int id, struct gu_refusal *r)
{
	FILE *file = gu_space_open(id, "refusals");
	char line[sizeof(r->line)] = "";
	bool found = false;

	memset(r, 0, sizeof(*r));
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		memcpy(r->line, line, sizeof(line));
		found = true;
	}
	fclose(file);
	return found && gu_refusal_parse(r);
}

/* A line of the clients, but for the times of its calls. */
struct gu_client {
	char rank[16], policy[16];
	unsigned long first, last;
	long open, refusals, prepares;
};

/* The client with that name, which has no space in it; whether there is one. */
static inline bool gu_find_client(unsigned int id, const char *name,
				  struct gu_client *c)
{
	FILE *file = gu_space_open(id, "clients");
	char line[400], found[40] = "";

	memset(c, 0, sizeof(*c));
	while (file && strcmp(found, name) && fgets(line, sizeof(line), file))
		if (sscanf(line, "%39s %15s %15s %lu-%lu open=%ld refusals=%ld prepare=%ld/",
			   found, c->rank, c->policy, &c->first, &c->last,
			   &c->open, &c->refusals, &c->prepares) != 8)
			found[0] = '\0';
	if (file)
		fclose(file);
	return !strcmp(found, name);
}

/* A line of the operations. */
struct gu_operation {
	char op[16];
	unsigned long first, last, claim_first, claim_last;
	char phase[16];
	unsigned long us, behind;
};

/* What runs or waits at the moment, up to @max; -1 if that cannot be read. */
static inline int gu_operations(unsigned int id, struct gu_operation *op,
				int max)
{
	FILE *file = gu_space_open(id, "operations");
	char line[200];
	int nr = 0;

	if (!file)
		return -1;
	while (nr >= 0 && nr < max && fgets(line, sizeof(line), file)) {
		if (line[0] == '#')
			continue;
		memset(op, 0, sizeof(*op));
		if (sscanf(line, "%15s %lu-%lu claims %lu-%lu %15s for %lu us behind %lu",
			   op->op, &op->first, &op->last, &op->claim_first,
			   &op->claim_last, op->phase, &op->us,
			   &op->behind) < 7)
			nr = -2;
		nr++;
		op++;
	}
	fclose(file);
	return nr;
}

/* --- making steps fail ---------------------------------------------------- */

/* The number of a step from now on that is to fail; 0 for none. */
static inline bool gu_fail_nth(unsigned int nth)
{
	int fd = open("/proc/thread-self/fail-nth", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);
	bool good = fd >= 0 && write(fd, text, len) == len;

	close(fd);
	return good;
}

/* How many steps are left before the one that is to fail, -1 if unknown. */
static inline int gu_fail_left(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	bool good = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0;

	close(fd);
	return good ? atoi(text) : -1;
}

/* How often a step has failed on demand, -1 if there is none of that name. */
static inline long gu_fault_failed(const char *step)
{
	FILE *file = fopen(GU_DEBUGFS "/faults", "re");
	char line[100], name[40];
	long failed, found = -1;

	while (file && found < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line, "%39s %*d %ld", name, &failed) == 2 &&
		    !strcmp(name, step))
			found = failed;
	if (file)
		fclose(file);
	return found;
}

/* --- processes ------------------------------------------------------------ */

/* Waits for a child; its exit status, or 128 and the signal that killed it. */
static inline int gu_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

#endif /* GMEM_USER_H */
