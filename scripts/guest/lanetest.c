// SPDX-License-Identifier: GPL-2.0
/*
 * What the x86 lane promises: its CPUs, its KVM, its IOMMU with a device that
 * does DMA, its huge pages, the loss of a page, and whoever pins pages.
 *
 * The other tests of the lane rely on these. A kernel option or a device that
 * got lost would make some of them pass without testing anything, so each
 * promise is used here, not only looked for, and none can be skipped.
 *
 * It must run as root in the lane's kernel: it loads modules, poisons a page,
 * takes a device from its driver. It does not test the library.
 */
#define _GNU_SOURCE
#include "../../drivers-examples/guest_memfd/user/gmem_tap.h"

#include <pthread.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define SZ_2M		0x200000UL

/* --- helpers -------------------------------------------------------------- */

/* The value, which is an error if it is negative. */
static long expect_good(int line, const char *what, long ret)
{
	char name[32];

	if (ret < 0)
		fail(line, "%s is %s", what,
		     value_name(name, sizeof(name), ret));
	return ret;
}

/* For functions that return -errno, and for system calls of libc. */
#define EXPECT_GOOD(call)	expect_good(__LINE__, #call, call)
#define EXPECT_CALL(call)						\
	expect_good(__LINE__, #call,					\
		    ({ long _ret = (long)(call); _ret == -1 ? -errno : _ret; }))

static void *map_pages(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	EXPECT(p != MAP_FAILED);
	return p;
}

/* Bytes that differ from one @seed to the next. */
static void fill(void *to, size_t size, unsigned int seed)
{
	unsigned char *p = to;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (i * 7 + (i >> 8)) ^ seed;
}

/* What a small file says, without the newline at the end. */
static int file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	buf[n] = '\0';
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return 0;
}

static int file_write(const char *path, const char *fmt, ...)
{
	char buf[100];
	va_list args;
	int fd, len, n, ret = 0;

	va_start(args, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, buf, len);
	if (n != len)
		ret = n < 0 ? -errno : -EIO;
	close(fd);
	return ret;
}

/* Whether the file has this, alone or as one word of several. */
static bool file_has(const char *path, const char *word)
{
	char buf[4096], *at, *save;

	if (file_read(path, buf, sizeof(buf)))
		return false;
	for (at = strtok_r(buf, "\n ", &save); at;
	     at = strtok_r(NULL, "\n ", &save))
		if (!strcmp(at, word))
			return true;
	return false;
}

static long file_number(const char *path)
{
	char buf[40];
	int ret = file_read(path, buf, sizeof(buf));

	return ret ? ret : strtol(buf, NULL, 0);
}

/* The number behind @key in a file of many lines. */
static long file_value(const char *path, const char *key)
{
	long value = -ENODATA;
	FILE *file = fopen(path, "re");
	char line[200], *at;

	if (!file)
		return -errno;
	while (value < 0 && fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		if (!strncmp(at, key, strlen(key)))
			value = atol(at + strlen(key));
	}
	fclose(file);
	return value;
}

/* The value of @key for the mapping that begins at @addr. */
static long smaps_kb(const void *addr, const char *key)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end;
	long value = -ENODATA;
	bool inside = false;
	char line[300];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start == (uintptr_t)addr;
		else if (inside && !strncmp(line, key, strlen(key)))
			value = atol(line + strlen(key));
	}
	fclose(file);
	return value;
}

/* Whether a symbolic link leads to something whose name begins like this. */
static bool link_leads_to(const char *path, const char *prefix)
{
	char target[256];
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	const char *slash;

	if (n < 0)
		return false;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return !strncmp(slash ? slash + 1 : target, prefix, strlen(prefix));
}

/* The kernel's messages from now on. */
static int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (lseek(fd, 0, SEEK_END) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

/* Waits for a message that has all of three strings. */
static bool log_wait(int fd, const char *a, const char *b, const char *c)
{
	__u64 end = gu_now_us() + 10000000;
	char record[1024];
	ssize_t n;

	do {
		/* A record per read. EPIPE: some were lost, not an error. */
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EAGAIN)
			usleep(10000);
		if (n < 0)
			continue;
		record[n] = '\0';
		if (strstr(record, a) && strstr(record, b) && strstr(record, c))
			return true;
	} while (gu_now_us() < end);
	return false;
}

/* --- CPUs ----------------------------------------------------------------- */

#define LANE_CPUS	4
#define BALL_STOP	2

static unsigned int ball;	/* 0 is ours, 1 is the other player's */

static int pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static void *player(void *arg)
{
	unsigned int b;

	EXPECT_GOOD(pin_to_cpu((uintptr_t)arg));
	while ((b = __atomic_load_n(&ball, __ATOMIC_ACQUIRE)) != BALL_STOP)
		if (b == 1)
			__atomic_store_n(&ball, 0, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * A thousand round trips of a ball between two threads that never enter the
 * kernel. If they took turns on something, be it a CPU or the thread of an
 * emulator, each round trip would take two time slices, some milliseconds. The
 * host may be busy, so it need not be the first thousand.
 */
static void four_cpus_run_at_the_same_time(void)
{
	__u64 begin, us, slowest = 0;
	pthread_t thread;
	uintptr_t cpu;
	int i;

	EXPECT_EQ(sysconf(_SC_NPROCESSORS_ONLN), LANE_CPUS);
	EXPECT_GOOD(pin_to_cpu(0));
	for (cpu = 1; cpu < LANE_CPUS; cpu++) {
		ball = 0;
		EXPECT(!pthread_create(&thread, NULL, player, (void *)cpu));
		do {
			begin = gu_now_us();
			for (i = 0; i < 1000; i++) {
				__atomic_store_n(&ball, 1, __ATOMIC_RELEASE);
				while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE))
					;
			}
			us = gu_now_us() - begin;
		} while (us > 100000);
		__atomic_store_n(&ball, BALL_STOP, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
		if (us > slowest)
			slowest = us;
	}
	NOTE("1000 round trips in at most %llu us", slowest);
}

/* --- huge pages ----------------------------------------------------------- */

static void a_huge_page_is_mapped_where_one_is_asked_for(void)
{
	char *p = mmap(NULL, 2 * SZ_2M, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED);
	p = (char *)(((uintptr_t)p + SZ_2M - 1) & -SZ_2M);
	EXPECT_CALL(madvise(p, SZ_2M, MADV_HUGEPAGE));
	*p = 1;
	EXPECT_EQ(smaps_kb(p, "AnonHugePages:"), SZ_2M >> 10);
	/* One page of it with other permissions: the mapping is split. */
	EXPECT_CALL(mprotect(p + GU_PAGE_SIZE, GU_PAGE_SIZE, PROT_READ));
	EXPECT_EQ(smaps_kb(p, "AnonHugePages:"), 0);
	EXPECT_EQ(*p, 1);
}

static void use_hugetlb(unsigned long size, int flag)
{
	char path[100];
	char *p;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages",
		 size >> 10);
	EXPECT_EQ(file_number(path), 0);
	EXPECT_GOOD(file_write(path, "1"));
	EXPECT_EQ(file_number(path), 1);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | flag, -1, 0);
	EXPECT(p != MAP_FAILED);
	p[0] = 1;
	p[size - 1] = 2;
	EXPECT_EQ(smaps_kb(p, "MMUPageSize:"), size >> 10);
	EXPECT_EQ(smaps_kb(p, "Private_Hugetlb:"), size >> 10);
	EXPECT_CALL(munmap(p, size));
	EXPECT_GOOD(file_write(path, "0"));
	EXPECT_EQ(file_number(path), 0);
}

static void hugetlb_has_pages_of_2_mib(void)
{
	use_hugetlb(SZ_2M, 21 << MAP_HUGE_SHIFT);
}

/* --- memory failure ------------------------------------------------------- */

static sigjmp_buf sigbus_jmp;
static siginfo_t sigbus_info;

static void sigbus(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	sigbus_info = *info;
	siglongjmp(sigbus_jmp, 1);
}

static __u64 pfn_of(const void *addr)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;

	EXPECT_EQ(pread(fd, &entry, 8, (uintptr_t)addr / GU_PAGE_SIZE * 8), 8);
	close(fd);
	EXPECT(entry >> 63);
	return entry & ((1ULL << 55) - 1);
}

static void a_poisoned_page_is_sigbus_until_it_is_unpoisoned(void)
{
	struct sigaction sa = {
		.sa_sigaction = sigbus, .sa_flags = SA_SIGINFO | SA_NODEFER,
	};
	char *p = map_pages(3 * GU_PAGE_SIZE), *bad = p + GU_PAGE_SIZE;
	__u64 pfn = pfn_of(bad);

	EXPECT_EQ(file_value("/proc/meminfo", "HardwareCorrupted:"), 0);
	EXPECT_CALL(sigaction(SIGBUS, &sa, NULL));
	/* It may signal by itself: the error is handled as if just met. */
	if (!sigsetjmp(sigbus_jmp, 1))
		EXPECT_CALL(madvise(bad, GU_PAGE_SIZE, MADV_HWPOISON));

	memset(&sigbus_info, 0, sizeof(sigbus_info));
	if (!sigsetjmp(sigbus_jmp, 1)) {
		READ_ONCE(bad[100]);
		fail(__LINE__, "the poisoned page can be read");
	}
	EXPECT_EQ(sigbus_info.si_code, BUS_MCEERR_AR);
	EXPECT_EQ(sigbus_info.si_addr_lsb, GU_PAGE_SHIFT);
	EXPECT_EQ((uintptr_t)sigbus_info.si_addr & -GU_PAGE_SIZE,
		  (uintptr_t)bad);
	/* Its neighbours can. */
	READ_ONCE(bad[-1]);
	READ_ONCE(bad[GU_PAGE_SIZE]);
	EXPECT_EQ(file_value("/proc/meminfo", "HardwareCorrupted:"), 4);

	EXPECT_CALL(munmap(bad, GU_PAGE_SIZE));
	EXPECT_GOOD(file_write("/sys/kernel/debug/hwpoison/unpoison-pfn",
			       "%llu", pfn));
	EXPECT_EQ(file_value("/proc/meminfo", "HardwareCorrupted:"), 0);
}

/* --- users that pin pages ------------------------------------------------- */

static void a_long_term_pin_keeps_a_page_that_was_unmapped(void)
{
	char want[GU_PAGE_SIZE], got[GU_PAGE_SIZE];
	char *p = map_pages(GU_PAGE_SIZE);
	struct gu_pin pin;

	fill(p, GU_PAGE_SIZE, 1);
	fill(want, GU_PAGE_SIZE, 1);
	EXPECT_GOOD(gu_pin(&pin, GU_PIN_GUP_TEST, p));
	EXPECT_CALL(munmap(p, GU_PAGE_SIZE));
	EXPECT_GOOD(gu_unpin(&pin, got));
	EXPECT(!memcmp(got, want, GU_PAGE_SIZE));
}

/* Writes a registered buffer to a file; the completion's result. */
static int ring_write_fixed(int ring, const struct io_uring_params *params,
			    int fd, const void *buf, size_t size)
{
	const struct io_sqring_offsets *sq = &params->sq_off;
	const struct io_cqring_offsets *cq = &params->cq_off;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	char *rings;

	rings = mmap(NULL, GU_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, GU_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	if (rings == MAP_FAILED || sqe == MAP_FAILED)
		return -errno;
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE_FIXED, .fd = fd,
		.addr = (uintptr_t)buf, .len = size,
	};
	*(__u32 *)(rings + sq->array) = 0;
	__atomic_store_n((__u32 *)(rings + sq->tail), 1, __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -errno;
	if (__atomic_load_n((__u32 *)(rings + cq->tail), __ATOMIC_ACQUIRE) != 1)
		return -EIO;
	cqe = (struct io_uring_cqe *)(rings + cq->cqes);
	return cqe->res;
}

static void io_uring_keeps_a_registered_page_that_was_unmapped(void)
{
	char want[GU_PAGE_SIZE], got[GU_PAGE_SIZE];
	char *p = map_pages(GU_PAGE_SIZE);
	struct iovec iov = { .iov_base = p, .iov_len = GU_PAGE_SIZE };
	struct io_uring_params params = { 0 };
	int ring, fd;

	fill(p, GU_PAGE_SIZE, 2);
	fill(want, GU_PAGE_SIZE, 2);
	ring = EXPECT_CALL(syscall(__NR_io_uring_setup, 1, &params));
	EXPECT(params.features & IORING_FEAT_SINGLE_MMAP);
	EXPECT_CALL(syscall(__NR_io_uring_register, ring,
			    IORING_REGISTER_BUFFERS, &iov, 1));
	EXPECT_CALL(munmap(p, GU_PAGE_SIZE));
	fd = EXPECT_CALL(memfd_create("lanetest", MFD_CLOEXEC));
	EXPECT_EQ(ring_write_fixed(ring, &params, fd, p, GU_PAGE_SIZE),
		  GU_PAGE_SIZE);
	EXPECT_EQ(pread(fd, got, GU_PAGE_SIZE, 0), GU_PAGE_SIZE);
	EXPECT(!memcmp(got, want, GU_PAGE_SIZE));
	close(ring);
}

/* Completed reads and writes of a disk. */
static void disk_counts(const char *disk, unsigned long *reads,
			unsigned long *writes)
{
	char path[60], buf[300];
	int n;

	snprintf(path, sizeof(path), "/sys/block/%s/stat", disk);
	EXPECT_GOOD(file_read(path, buf, sizeof(buf)));
	n = sscanf(buf, "%lu %*u %*u %*u %lu", reads, writes);
	EXPECT_EQ(n, 2);
}

static void null_blk_does_direct_io(void)
{
	char *p = map_pages(GU_PAGE_SIZE);
	unsigned long reads[2], writes[2];
	int fd;

	fd = EXPECT_CALL(open("/dev/nullb0", O_RDWR | O_DIRECT | O_CLOEXEC));
	disk_counts("nullb0", &reads[0], &writes[0]);
	EXPECT_EQ(pwrite(fd, p, GU_PAGE_SIZE, 0), GU_PAGE_SIZE);
	EXPECT_EQ(pread(fd, p, GU_PAGE_SIZE, 0), GU_PAGE_SIZE);
	/* Through the page cache it could be of any size. */
	EXPECT_ERRNO(pwrite(fd, p, 100, 0), EINVAL);
	close(fd);
	disk_counts("nullb0", &reads[1], &writes[1]);
	EXPECT_EQ(reads[1] - reads[0], 1);
	EXPECT_EQ(writes[1] - writes[0], 1);
}

/* --- memory cgroups ------------------------------------------------------- */

#define CGROUPS		"/tmp/lanetest.cgroups"

static void a_memory_cgroup_is_charged_for_its_pages(void)
{
	long before, after;
	pid_t pid;

	EXPECT_CALL(mkdir(CGROUPS, 0755));
	EXPECT_CALL(mount("cgroup2", CGROUPS, "cgroup2", 0, NULL));
	EXPECT(file_has(CGROUPS "/cgroup.controllers", "memory"));
	EXPECT_GOOD(file_write(CGROUPS "/cgroup.subtree_control", "+memory"));
	EXPECT_CALL(mkdir(CGROUPS "/test", 0755));
	pid = fork();
	if (!pid) {
		EXPECT_GOOD(file_write(CGROUPS "/test/cgroup.procs", "0"));
		before = file_number(CGROUPS "/test/memory.current");
		map_pages(8 << 20);
		after = file_number(CGROUPS "/test/memory.current");
		EXPECT(before >= 0);
		EXPECT(after - before >= 8 << 20);
		EXPECT(file_value(CGROUPS "/test/memory.stat", "anon ") >=
		       8 << 20);
		_exit(0);
	}
	EXPECT_EQ(gu_wait(pid), 0);
	EXPECT_CALL(rmdir(CGROUPS "/test"));
	EXPECT_CALL(umount(CGROUPS));
}

/* --- KVM ------------------------------------------------------------------ */

static int run_busybox(const char *applet, const char *arg)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/busybox", applet, arg, (char *)NULL);
		_exit(127);
	}
	return gu_wait(pid);
}

static bool module_is_loaded(const char *name)
{
	char path[60];

	/* Built in, it would have a directory as well, but no such file. */
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return file_has(path, "live");
}

static void kvm_loads_with_nested_paging(void)
{
	EXPECT(!module_is_loaded("kvm"));
	EXPECT_ERRNO(open("/dev/kvm", O_RDWR), ENOENT);
	EXPECT_EQ(run_busybox("modprobe", "kvm_amd"), 0);
	EXPECT(module_is_loaded("kvm"));
	EXPECT(module_is_loaded("kvm_amd"));
	EXPECT(file_has("/sys/module/kvm_amd/parameters/npt", "Y"));
}

#define CODE		GU_PAGE_SIZE
#define DATA		(2 * GU_PAGE_SIZE)
#define VM_SIZE		(4 * GU_PAGE_SIZE)
#define PORT		0x10

/* Real mode: data[1] = data[0] + 0x2222, and the sum to a port. */
static const unsigned char guest_code[] = {
	0xbb, 0x00, 0x20,	/* mov $0x2000, %bx	DATA */
	0x8b, 0x07,		/* mov (%bx), %ax */
	0x05, 0x22, 0x22,	/* add $0x2222, %ax */
	0x89, 0x47, 0x02,	/* mov %ax, 2(%bx) */
	0xe7, PORT,		/* out %ax, $PORT */
	0xf4,			/* hlt */
};

struct vm {
	int fd, vcpu, gmem;
	struct kvm_run *run;
	char *mem;
	__u16 *data;
};

/*
 * A VM whose memory is a guest_memfd; @flags are those of the file. If that
 * does not begin as shared, which a VM with private memory has no use for yet,
 * the file is only for what is private, and shared memory is ordinary memory.
 */
static struct vm vm_create(unsigned long type, __u64 flags)
{
	struct kvm_create_guest_memfd create = {
		.size = VM_SIZE, .flags = flags,
	};
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD, .memory_size = VM_SIZE,
	};
	struct kvm_sregs sregs;
	struct vm vm;
	int kvm;

	EXPECT_EQ(run_busybox("modprobe", "kvm_amd"), 0);
	kvm = EXPECT_CALL(open("/dev/kvm", O_RDWR | O_CLOEXEC));
	EXPECT_EQ(ioctl(kvm, KVM_GET_API_VERSION, 0), 12);
	vm.fd = EXPECT_CALL(ioctl(kvm, KVM_CREATE_VM, type));
	vm.gmem = EXPECT_CALL(ioctl(vm.fd, KVM_CREATE_GUEST_MEMFD, &create));
	if (flags & GUEST_MEMFD_FLAG_INIT_SHARED) {
		vm.mem = mmap(NULL, VM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      vm.gmem, 0);
		EXPECT(vm.mem != MAP_FAILED);
	} else {
		vm.mem = map_pages(VM_SIZE);
	}
	vm.data = (__u16 *)(vm.mem + DATA);
	memcpy(vm.mem + CODE, guest_code, sizeof(guest_code));
	region.userspace_addr = (uintptr_t)vm.mem;
	region.guest_memfd = vm.gmem;
	EXPECT_CALL(ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION2, &region));

	vm.vcpu = EXPECT_CALL(ioctl(vm.fd, KVM_CREATE_VCPU, 0));
	vm.run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
		      PROT_READ | PROT_WRITE, MAP_SHARED, vm.vcpu, 0);
	EXPECT(vm.run != MAP_FAILED);
	close(kvm);
	EXPECT_CALL(ioctl(vm.vcpu, KVM_GET_SREGS, &sregs));
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	EXPECT_CALL(ioctl(vm.vcpu, KVM_SET_SREGS, &sregs));
	return vm;
}

/* Runs the code from its beginning to its OUT; what it put there. */
static unsigned int vm_run(struct vm *vm)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_run *run = vm->run;

	EXPECT_CALL(ioctl(vm->vcpu, KVM_SET_REGS, &regs));
	EXPECT_CALL(ioctl(vm->vcpu, KVM_RUN, 0));
	EXPECT_EQ(run->exit_reason, KVM_EXIT_IO);
	EXPECT_EQ(run->io.direction, KVM_EXIT_IO_OUT);
	EXPECT_EQ(run->io.port, PORT);
	EXPECT_EQ(run->io.size, 2);
	return *(__u16 *)((char *)run + run->io.data_offset);
}

static void a_vm_and_its_host_share_a_mapped_guest_memfd(void)
{
	struct vm vm = vm_create(KVM_X86_DEFAULT_VM,
				 GUEST_MEMFD_FLAG_MMAP |
				 GUEST_MEMFD_FLAG_INIT_SHARED);

	vm.data[0] = 0x1111;
	EXPECT_EQ(vm_run(&vm), 0x3333);
	EXPECT_EQ(vm.data[1], 0x3333);
	/* A hole in the file is one in the VM. */
	EXPECT_CALL(fallocate(vm.gmem,
			      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, DATA,
			      GU_PAGE_SIZE));
	EXPECT_EQ(vm_run(&vm), 0x2222);
	EXPECT_EQ(vm.data[1], 0x2222);
}

static void vm_set_data(struct vm *vm, __u64 attributes)
{
	struct kvm_memory_attributes attr = {
		.address = DATA, .size = GU_PAGE_SIZE, .attributes = attributes,
	};

	EXPECT_CALL(ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attr));
}

static void a_protected_vm_has_private_memory_that_its_host_does_not_see(void)
{
	struct vm vm = vm_create(KVM_X86_SW_PROTECTED_VM, 0);

	vm.data[0] = 0x1111;
	vm_set_data(&vm, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	EXPECT_EQ(vm_run(&vm), 0x2222);
	EXPECT_EQ(vm.data[0], 0x1111);
	EXPECT_EQ(vm.data[1], 0);
	vm_set_data(&vm, 0);
	EXPECT_EQ(vm_run(&vm), 0x3333);
	EXPECT_EQ(vm.data[1], 0x3333);
}

static void kvm_unloads_and_loads_again(void)
{
	EXPECT_EQ(run_busybox("rmmod", "kvm_amd"), 0);
	EXPECT_EQ(run_busybox("rmmod", "kvm"), 0);
	EXPECT(!module_is_loaded("kvm_amd"));
	EXPECT(!module_is_loaded("kvm"));
	EXPECT_ERRNO(open("/dev/kvm", O_RDWR), ENOENT);
	a_protected_vm_has_private_memory_that_its_host_does_not_see();
}

/* --- VFIO: a device in user space ----------------------------------------- */

#define PCI_DEVICES	"/sys/bus/pci/devices/"

/*
 * A PCI device with an I/O address space of its own. The functions about it
 * return -errno and leave the rest to their caller.
 */
struct device {
	char name[16];		/* 0000:00:04.0 */
	int fd, iommufd;
	__u32 ioas;
	char *bar0;
	size_t bar0_size;
};

/* Valid until the next call. */
static const char *device_path(const struct device *d, const char *file)
{
	static char path[80];

	snprintf(path, sizeof(path), PCI_DEVICES "%s/%s", d->name, file);
	return path;
}

static int device_find(struct device *d, long vendor, long device)
{
	DIR *dir = opendir(PCI_DEVICES);
	int ret = -ENODEV;
	struct dirent *entry;

	if (!dir)
		return -errno;
	while (ret && (entry = readdir(dir))) {
		snprintf(d->name, sizeof(d->name), "%.15s", entry->d_name);
		if (file_number(device_path(d, "vendor")) == vendor &&
		    file_number(device_path(d, "device")) == device)
			ret = 0;
	}
	closedir(dir);
	return ret;
}

/* Gives the device to vfio-pci, and to nobody else. */
static int device_bind(const struct device *d)
{
	int ret = file_write(device_path(d, "driver_override"), "vfio-pci");

	return ret ? ret : file_write("/sys/bus/pci/drivers_probe", d->name);
}

/* And back to whoever wants it. */
static int device_unbind(const struct device *d)
{
	int ret = file_write(device_path(d, "driver/unbind"), d->name);

	return ret ? ret : file_write(device_path(d, "driver_override"), "\n");
}

/* An empty name stands for any driver. */
static bool device_has_driver(const struct device *d, const char *name)
{
	return link_leads_to(device_path(d, "driver"), name);
}

static int device_open_cdev(const struct device *d)
{
	DIR *dir = opendir(device_path(d, "vfio-dev"));
	struct dirent *entry;
	char path[300] = "";
	int fd;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(path, sizeof(path), "/dev/vfio/devices/%s",
				 entry->d_name);
	closedir(dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* vfio-pci hands a device over that must not do DMA. */
static int device_enable_dma(const struct device *d)
{
	struct vfio_region_info config = {
		.argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
	};
	__u16 command;

	if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    pread(d->fd, &command, 2, config.offset + PCI_COMMAND) != 2)
		return -errno;
	command |= PCI_COMMAND_MASTER;
	if (pwrite(d->fd, &command, 2, config.offset + PCI_COMMAND) != 2)
		return -errno;
	return 0;
}

static int device_map_bar0(struct device *d)
{
	struct vfio_region_info bar = {
		.argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX,
	};

	if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return -errno;
	d->bar0_size = bar.size;
	d->bar0 = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		       d->fd, bar.offset);
	return d->bar0 == MAP_FAILED ? -errno : 0;
}

/* A device that is bound; what it opens is closed by device_close(). */
static int device_open(struct device *d)
{
	struct vfio_device_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
	};
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int ret;

	d->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (d->iommufd < 0)
		return -errno;
	d->fd = device_open_cdev(d);
	if (d->fd < 0)
		return d->fd;
	bind.iommufd = d->iommufd;
	if (ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) ||
	    ioctl(d->iommufd, IOMMU_IOAS_ALLOC, &alloc))
		return -errno;
	d->ioas = alloc.out_ioas_id;
	attach.pt_id = d->ioas;
	if (ioctl(d->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return -errno;
	ret = device_enable_dma(d);
	return ret ? ret : device_map_bar0(d);
}

static void device_close(struct device *d)
{
	munmap(d->bar0, d->bar0_size);
	close(d->fd);
	close(d->iommufd);
}

static int device_dma_map(const struct device *d, __u64 iova, void *addr,
			  size_t size)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map), .ioas_id = d->ioas,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)addr, .length = size, .iova = iova,
	};

	return ioctl(d->iommufd, IOMMU_IOAS_MAP, &map) ? -errno : 0;
}

static int device_dma_unmap(const struct device *d, __u64 iova, size_t size)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap), .ioas_id = d->ioas, .iova = iova,
		.length = size,
	};

	return ioctl(d->iommufd, IOMMU_IOAS_UNMAP, &unmap) ? -errno : 0;
}

/* --- edu, QEMU's educational PCI device ----------------------------------- */

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_ID		0x00
#define EDU_LIVE	0x04		/* reads inverted */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_START	1		/* reads as set until it is done */
#define EDU_DMA_TO_RAM	2
#define EDU_BUFFER	0x40000UL
/* QEMU before 8.2.1 aborts on one that reaches the end of the buffer. */
#define EDU_DMA_MAX	4095

#define EDU_ID_VALUE	0x010000ed

static __u32 edu_read32(const struct device *d, unsigned int reg)
{
	return READ_ONCE(*(__u32 *)(d->bar0 + reg));
}

static void edu_write32(const struct device *d, unsigned int reg, __u32 value)
{
	WRITE_ONCE(*(__u32 *)(d->bar0 + reg), value);
}

static void edu_write64(const struct device *d, unsigned int reg, __u64 value)
{
	WRITE_ONCE(*(__u64 *)(d->bar0 + reg), value);
}

/*
 * Takes 100 ms of the device's time. Success says nothing about the memory: if
 * the IOMMU refuses, edu does not notice.
 */
static int edu_dma(const struct device *d, __u64 iova, size_t size,
		   unsigned int direction)
{
	bool to_ram = direction == EDU_DMA_TO_RAM;
	__u64 end = gu_now_us() + 20000000;

	if (size > EDU_DMA_MAX)
		return -EINVAL;
	edu_write64(d, EDU_DMA_SRC, to_ram ? EDU_BUFFER : iova);
	edu_write64(d, EDU_DMA_DST, to_ram ? iova : EDU_BUFFER);
	edu_write64(d, EDU_DMA_COUNT, size);
	edu_write64(d, EDU_DMA_CMD, direction | EDU_DMA_START);
	while (edu_read32(d, EDU_DMA_CMD) & EDU_DMA_START) {
		if (gu_now_us() > end)
			return -ETIMEDOUT;
		usleep(5000);
	}
	return 0;
}

static int edu_dma_read(const struct device *d, __u64 iova, size_t size)
{
	return edu_dma(d, iova, size, 0);
}

static int edu_dma_write(const struct device *d, __u64 iova, size_t size)
{
	return edu_dma(d, iova, size, EDU_DMA_TO_RAM);
}

/* --- IOMMU ---------------------------------------------------------------- */

static struct device edu_find(void)
{
	struct device edu;

	EXPECT_GOOD(device_find(&edu, EDU_VENDOR, EDU_DEVICE));
	return edu;
}

static bool edu_group_translates(const struct device *edu)
{
	const char *type = device_path(edu, "iommu_group/type");

	return file_has(type, "DMA") || file_has(type, "DMA-FQ");
}

static void edu_is_alone_behind_an_intel_iommu_that_translates(void)
{
	struct device edu = edu_find();
	struct dirent *entry;
	DIR *dir;

	EXPECT(link_leads_to(device_path(&edu, "iommu"), "dmar"));
	EXPECT(edu_group_translates(&edu));
	dir = opendir(device_path(&edu, "iommu_group/devices"));
	EXPECT(dir);
	while ((entry = readdir(dir)))
		EXPECT(entry->d_name[0] == '.' ||
		       !strcmp(entry->d_name, edu.name));
	closedir(dir);
}

/* As the next tests find it: bound, if it was not. */
static struct device edu_open(void)
{
	struct device edu = edu_find();

	if (!device_has_driver(&edu, ""))
		EXPECT_GOOD(device_bind(&edu));
	EXPECT(device_has_driver(&edu, "vfio-pci"));
	EXPECT_GOOD(device_open(&edu));
	return edu;
}

static void edu_answers_a_user_program_through_vfio(void)
{
	struct device edu = edu_open();

	EXPECT_EQ(edu_read32(&edu, EDU_ID), EDU_ID_VALUE);
	edu_write32(&edu, EDU_LIVE, 0x12345678);
	EXPECT_EQ(edu_read32(&edu, EDU_LIVE), ~0x12345678U);
	device_close(&edu);
}

#define IOVA_A		0x10000000UL
#define IOVA_B		0x20003000UL

static void dma_copies_between_pages_that_are_mapped(void)
{
	char *from = map_pages(GU_PAGE_SIZE), *to = map_pages(3 * GU_PAGE_SIZE);
	char want[3 * GU_PAGE_SIZE];
	struct device edu = edu_open();

	fill(from, GU_PAGE_SIZE, 4);
	memset(to, 0xee, 3 * GU_PAGE_SIZE);
	memset(want, 0xee, sizeof(want));
	/* Across a boundary between pages, which are neighbours only here. */
	memcpy(want + GU_PAGE_SIZE - 1000, from + 1, EDU_DMA_MAX);
	EXPECT_GOOD(device_dma_map(&edu, IOVA_A, from, GU_PAGE_SIZE));
	EXPECT_GOOD(device_dma_map(&edu, IOVA_B, to, 3 * GU_PAGE_SIZE));
	EXPECT_GOOD(edu_dma_read(&edu, IOVA_A + 1, EDU_DMA_MAX));
	EXPECT_GOOD(edu_dma_write(&edu, IOVA_B + GU_PAGE_SIZE - 1000,
				  EDU_DMA_MAX));
	EXPECT(!memcmp(to, want, sizeof(want)));
	device_close(&edu);
}

/*
 * The page is first used at the address, so that it is in the IOMMU's cache
 * when it is unmapped there.
 */
static void dma_to_an_unmapped_address_faults_and_moves_nothing(void)
{
	char *a = map_pages(GU_PAGE_SIZE), *b = map_pages(GU_PAGE_SIZE);
	char want[GU_PAGE_SIZE], addr[40];
	struct device edu = edu_open();
	int log = EXPECT_GOOD(log_open());
	const size_t n = 1000;

	snprintf(addr, sizeof(addr), "fault addr 0x%lx ", IOVA_B);
	EXPECT_GOOD(device_dma_map(&edu, IOVA_A, a, GU_PAGE_SIZE));
	EXPECT_GOOD(device_dma_map(&edu, IOVA_B, b, GU_PAGE_SIZE));
	fill(a, GU_PAGE_SIZE, 5);
	EXPECT_GOOD(edu_dma_read(&edu, IOVA_A, n));
	EXPECT_GOOD(edu_dma_write(&edu, IOVA_B, n));
	EXPECT(!memcmp(a, b, n));

	EXPECT_GOOD(device_dma_unmap(&edu, IOVA_B, GU_PAGE_SIZE));
	fill(b, GU_PAGE_SIZE, 6);
	fill(want, GU_PAGE_SIZE, 6);
	EXPECT_GOOD(edu_dma_write(&edu, IOVA_B, n));
	EXPECT(log_wait(log, "DMA Write", edu.name, addr));
	EXPECT(!memcmp(b, want, GU_PAGE_SIZE));

	/* Nor does it get out: whatever edu has now, it is not the page. */
	EXPECT_GOOD(edu_dma_read(&edu, IOVA_B, n));
	EXPECT(log_wait(log, "DMA Read", edu.name, addr));
	fill(a, GU_PAGE_SIZE, 6);
	EXPECT_GOOD(edu_dma_write(&edu, IOVA_A, n));
	EXPECT(memcmp(a, want, n));
	device_close(&edu);
}

static void edu_goes_back_when_it_is_unbound_and_can_be_bound_again(void)
{
	struct device edu;
	int i;

	for (i = 0; i < 2; i++) {
		edu = edu_open();
		EXPECT_EQ(edu_read32(&edu, EDU_ID), EDU_ID_VALUE);
		device_close(&edu);
		EXPECT_GOOD(device_unbind(&edu));
		EXPECT(!device_has_driver(&edu, ""));
		EXPECT_EQ(device_open_cdev(&edu), -ENOENT);
		EXPECT(edu_group_translates(&edu));
	}
}

/* --- what watches --------------------------------------------------------- */

#define TRACING		"/sys/kernel/tracing"
#define TRACED_EVENT	TRACING "/events/sched/sched_process_exit/enable"

static void tracefs_shows_an_event(void)
{
	char line[300], want[20];
	bool found = false;
	FILE *trace;
	pid_t pid;

	EXPECT_GOOD(file_write(TRACED_EVENT, "1"));
	pid = fork();
	if (!pid)
		_exit(0);
	EXPECT_EQ(gu_wait(pid), 0);
	EXPECT_GOOD(file_write(TRACED_EVENT, "0"));
	snprintf(want, sizeof(want), "pid=%d ", pid);
	trace = fopen(TRACING "/trace", "re");
	EXPECT(trace);
	while (!found && fgets(line, sizeof(line), trace))
		found = strstr(line, "sched_process_exit") &&
			strstr(line, want);
	fclose(trace);
	EXPECT(found);
}

/* The last of all: lockdep turns itself off at its first complaint. */
static void lockdep_has_been_watching_all_along(void)
{
	const char *variant = getenv("GMEM_VARIANT");

	/* KCSAN's kernel is without. */
	if (variant && !strcmp(variant, "kcsan")) {
		EXPECT_ERRNO(access("/proc/lockdep_stats", F_OK), ENOENT);
		return;
	}
	EXPECT_EQ(file_value("/proc/lockdep_stats", "debug_locks:"), 1);
	EXPECT(file_value("/proc/lockdep_stats", "lock-classes:") > 100);
	EXPECT(file_value("/proc/lockdep_stats", "dependency chains:") > 100);
}

/* --- all of it ------------------------------------------------------------ */

static const struct test tests[] = {
	TEST(hugetlb_has_pages_of_2_mib),
	TEST(a_huge_page_is_mapped_where_one_is_asked_for),
	TEST(four_cpus_run_at_the_same_time),

	TEST(a_poisoned_page_is_sigbus_until_it_is_unpoisoned),
	TEST(a_long_term_pin_keeps_a_page_that_was_unmapped),
	TEST(io_uring_keeps_a_registered_page_that_was_unmapped),
	TEST(null_blk_does_direct_io),
	TEST(a_memory_cgroup_is_charged_for_its_pages),

	TEST(kvm_loads_with_nested_paging),
	TEST(a_vm_and_its_host_share_a_mapped_guest_memfd),
	TEST(a_protected_vm_has_private_memory_that_its_host_does_not_see),
	TEST(kvm_unloads_and_loads_again),

	TEST(edu_is_alone_behind_an_intel_iommu_that_translates),
	TEST(edu_answers_a_user_program_through_vfio),
	TEST(dma_copies_between_pages_that_are_mapped),
	TEST(dma_to_an_unmapped_address_faults_and_moves_nothing),
	TEST(edu_goes_back_when_it_is_unbound_and_can_be_bound_again),

	TEST(tracefs_shows_an_event),
	TEST(lockdep_has_been_watching_all_along),
};

int main(int argc, char **argv)
{
	return test_main("lanetest", tests, ARRAY_SIZE(tests), argc, argv);
}
