// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_SET_MEMORY_ATTRIBUTES2, line by line: what it accepts, what it says when it
 * does not, and what host and guest see afterwards.
 *
 * With kvm.gmem_in_place_conversion=1.
 */
#define _GNU_SOURCE
#include <sys/uio.h>
#include <sys/wait.h>

#include "gmem_util.h"
#include "kvm_test_harness.h"

#define PAGES	16
#define PATTERN	0x123456789abcdef0ull

/* Whether reading the page ends in SIGBUS, in a process of its own. */
static bool is_sigbus(const void *page)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		/* Not KVM's selftests' own, which call it a failure. */
		signal(SIGBUS, SIG_DFL);
		(void)READ_ONCE(*(const char *)page);
		_exit(0);
	}
	TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

FIXTURE(gmem) {
	struct gmem g;
};

FIXTURE_VARIANT(gmem) {
	u64 flags;
};

FIXTURE_VARIANT_ADD(gmem, init_shared) {
	.flags = GMEM_SHARED,
};

FIXTURE_VARIANT_ADD(gmem, init_private) {
	.flags = GMEM_PRIVATE,
};

FIXTURE_SETUP(gmem)
{
	self->g = gmem_create(PAGES, variant->flags);
}

FIXTURE_TEARDOWN(gmem)
{
	gmem_destroy(&self->g);
}

static void expect_refused(int fd, struct kvm_memory_attributes2 attrs, int error,
			   u64 error_offset)
{
	int r;

	attrs.error_offset = -1ull;
	r = ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &attrs);
	TEST_ASSERT(r == -1 && errno == error, "%d, errno %d, not %d", r, errno, error);
	TEST_ASSERT_EQ(attrs.error_offset, error_offset);
}

TEST(the_numbers_are_those_of_the_api)
{
	EXPECT_EQ(0xc080aed2, KVM_SET_MEMORY_ATTRIBUTES2);
	EXPECT_EQ(0x4020aed2, KVM_SET_MEMORY_ATTRIBUTES);
	EXPECT_EQ(128, sizeof(struct kvm_memory_attributes2));
	EXPECT_EQ(32, offsetof(struct kvm_memory_attributes2, error_offset));
	EXPECT_EQ(250, KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES);
}

TEST(the_capability_is_where_pages_can_be_private)
{
	struct kvm_vm *private = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	struct kvm_vm *other = vm_create_barebones();

	EXPECT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE,
		  kvm_check_cap(KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES));
	EXPECT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE,
		  vm_check_cap(private, KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES));
	EXPECT_EQ(0, vm_check_cap(other, KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES));
	kvm_vm_free(private);
	kvm_vm_free(other);
}

TEST(the_vm_tracks_nothing)
{
	struct kvm_vm *vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	struct kvm_memory_attributes attrs = {
		.address = 0, .size = PAGE_SIZE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	struct kvm_memory_attributes2 attrs2 = {
		.address = 0, .size = PAGE_SIZE,
	};

	EXPECT_EQ(0, vm_check_cap(vm, KVM_CAP_MEMORY_ATTRIBUTES));
	EXPECT_EQ(0, kvm_check_cap(KVM_CAP_MEMORY_ATTRIBUTES));
	EXPECT_EQ(-1, __vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES, &attrs));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, __vm_ioctl(vm, KVM_SET_MEMORY_ATTRIBUTES2, &attrs2));
	EXPECT_EQ(ENOTTY, errno);
	kvm_vm_free(vm);
}

TEST_F(gmem, bad_arguments_name_the_start_of_the_request)
{
	const struct kvm_memory_attributes2 good = {
		.offset = PAGE_SIZE, .size = PAGE_SIZE,
		.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	struct kvm_memory_attributes2 bad;
	int fd = self->g.fd, i;

#define REFUSE(what)						\
	do {							\
		bad = good;					\
		bad.what;					\
		expect_refused(fd, bad, EINVAL, bad.offset);	\
	} while (0)

	REFUSE(flags = 1);
	REFUSE(flags = 1ull << 63);
	for (i = 0; i < ARRAY_SIZE(bad.reserved); i++)
		REFUSE(reserved[i] = 1);
	for (i = 0; i < 64; i++)
		if (BIT_ULL(i) != KVM_MEMORY_ATTRIBUTE_PRIVATE)
			REFUSE(attributes |= BIT_ULL(i));
	REFUSE(size = 0);
	REFUSE(size = PAGE_SIZE - 1);
	REFUSE(size = PAGE_SIZE + 1);
	REFUSE(offset = 1);
	REFUSE(offset = PAGE_SIZE / 2);
	REFUSE(size = -PAGE_SIZE);
	REFUSE(offset = -PAGE_SIZE);
	REFUSE(offset = self->g.size);
	REFUSE(size = self->g.size);
	REFUSE(offset = SZ_4G * SZ_1G);
#undef REFUSE

	EXPECT_EQ(-1, ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, (void *)-8ul));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES, &good));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(fd, KVM_CREATE_GUEST_MEMFD, &good));
	EXPECT_EQ(ENOTTY, errno);

	/* The whole file, the last page; nothing that was refused has changed. */
	EXPECT_EQ(variant->flags == GMEM_PRIVATE, is_sigbus(self->g.mem + PAGE_SIZE));
	EXPECT_EQ(0, gmem_to_private(fd, self->g.size - PAGE_SIZE, PAGE_SIZE));
	EXPECT_EQ(0, gmem_to_private(fd, 0, self->g.size));
}

TEST(a_vm_without_private_memory_converts_nothing)
{
	struct gmem g = { .vm = vm_create_barebones() };
	const struct kvm_memory_attributes2 attrs = {
		.offset = PAGE_SIZE, .size = PAGE_SIZE,
	};

	gmem_file(&g, PAGES, GMEM_SHARED);
	expect_refused(g.fd, attrs, EINVAL, PAGE_SIZE);
	EXPECT_FALSE(is_sigbus(g.mem));
	gmem_destroy(&g);
}

TEST_F(gmem, a_file_begins_in_one_state)
{
	bool private = variant->flags == GMEM_PRIVATE;

	EXPECT_EQ(private, is_sigbus(self->g.mem));
	EXPECT_EQ(private, is_sigbus(self->g.mem + self->g.size - PAGE_SIZE));
	/* The guest does not care. */
	EXPECT_EQ(0, gmem_guest_read(self->g.vcpu, gmem_gva(0)));
}

TEST(a_file_that_cannot_be_mapped_can_be_converted)
{
	struct gmem g = { .vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM) };

	gmem_file(&g, PAGES, 0);
	EXPECT_EQ(0, gmem_to_shared(g.fd, 0, g.size));
	EXPECT_EQ(0, gmem_to_private(g.fd, PAGE_SIZE, PAGE_SIZE));
	gmem_destroy(&g);
}

TEST_F(gmem, contents_stay_when_pages_are_converted)
{
	struct gmem *g = &self->g;
	size_t i;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	for (i = 0; i < PAGES; i++)
		*gmem_word(g, i) = PATTERN + i;
	/* Every second page, so that a run is as short as it can be. */
	for (i = 0; i < PAGES; i += 2)
		ASSERT_EQ(0, gmem_to_private(g->fd, i * PAGE_SIZE, PAGE_SIZE));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(PATTERN + i, gmem_guest_read(g->vcpu, gmem_gva(i)));
		EXPECT_EQ(i % 2 == 0, is_sigbus(gmem_word(g, i)));
		gmem_guest_write(g->vcpu, gmem_gva(i), ~i);
	}
	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(~i, *gmem_word(g, i));
		EXPECT_EQ(~i, gmem_guest_read(g->vcpu, gmem_gva(i)));
	}
}

TEST_F(gmem, a_state_is_kept_for_pages_that_are_not_there)
{
	struct gmem *g = &self->g;

	ASSERT_EQ(0, gmem_to_private(g->fd, 0, g->size));
	ASSERT_EQ(0, gmem_to_shared(g->fd, 3 * PAGE_SIZE, PAGE_SIZE));
	EXPECT_TRUE(is_sigbus(gmem_word(g, 2)));
	EXPECT_EQ(0, *gmem_word(g, 3));
	EXPECT_TRUE(is_sigbus(gmem_word(g, 4)));
	EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(2)));
}

TEST_F(gmem, a_hole_keeps_the_state_and_reads_zero)
{
	struct gmem *g = &self->g;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 1) = PATTERN;
	*gmem_word(g, 2) = PATTERN;
	ASSERT_EQ(0, gmem_to_private(g->fd, 2 * PAGE_SIZE, PAGE_SIZE));
	EXPECT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(1)));
	EXPECT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(2)));
	gmem_punch(g->fd, PAGE_SIZE, 2 * PAGE_SIZE);
	EXPECT_EQ(0, *gmem_word(g, 1));
	EXPECT_TRUE(is_sigbus(gmem_word(g, 2)));
	EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(1)));
	EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(2)));
	ASSERT_EQ(0, gmem_to_shared(g->fd, 2 * PAGE_SIZE, PAGE_SIZE));
	EXPECT_EQ(0, *gmem_word(g, 2));
}

TEST_F(gmem, converting_to_what_it_is_does_nothing)
{
	struct gmem *g = &self->g;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 5) = PATTERN;
	EXPECT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	EXPECT_EQ(PATTERN, *gmem_word(g, 5));
	EXPECT_EQ(0, gmem_to_private(g->fd, 0, g->size));
	EXPECT_EQ(0, gmem_to_private(g->fd, 0, g->size));
	EXPECT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(5)));
}

TEST_F(gmem, every_process_that_maps_a_page_loses_it)
{
	struct gmem *g = &self->g;
	int to_child[2], to_parent[2], status;
	char c;
	pid_t pid;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 7) = PATTERN;
	ASSERT_EQ(0, pipe(to_child) | pipe(to_parent));
	pid = fork();
	if (!pid) {
		if (*gmem_word(g, 7) != PATTERN ||
		    write(to_parent[1], "m", 1) != 1 || read(to_child[0], &c, 1) != 1)
			_exit(1);
		signal(SIGBUS, SIG_DFL);
		(void)READ_ONCE(*gmem_word(g, 7));
		_exit(0);
	}
	ASSERT_EQ(1, read(to_parent[0], &c, 1));
	EXPECT_EQ(0, gmem_to_private(g->fd, 7 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(1, write(to_child[1], "p", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

TEST_F(gmem, a_private_page_cannot_be_pinned)
{
	struct gmem *g = &self->g;
	struct iovec iov = { .iov_base = gmem_word(g, 4), .iov_len = PAGE_SIZE };
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, gmem_to_private(g->fd, 4 * PAGE_SIZE, PAGE_SIZE));
	EXPECT_EQ(-1, vmsplice(fds[1], &iov, 1, SPLICE_F_NONBLOCK));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(fds[1], gmem_word(g, 4), 8));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(gmem, a_pinned_page_is_named_and_nothing_changes)
{
	struct gmem *g = &self->g;
	struct iovec iov;
	u64 error_offset;
	int fds[2];
	char c;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 6) = PATTERN;
	iov = (struct iovec){ .iov_base = gmem_word(g, 6), .iov_len = 1 };
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(1, vmsplice(fds[1], &iov, 1, 0));
	EXPECT_EQ(-EAGAIN, gmem_convert(g->fd, 0, g->size,
					KVM_MEMORY_ATTRIBUTE_PRIVATE,
					&error_offset));
	EXPECT_EQ(6 * PAGE_SIZE, error_offset);
	/* To shared is no matter of references. */
	EXPECT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	EXPECT_EQ(PATTERN, *gmem_word(g, 6));
	EXPECT_EQ(0, *gmem_word(g, 0));
	EXPECT_EQ(0, gmem_to_private(g->fd, 7 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(1, read(fds[0], &c, 1));
	EXPECT_EQ(0, gmem_to_private(g->fd, 0, g->size));
	EXPECT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(6)));
}

TEST_F(gmem, a_page_with_a_memory_error_is_named)
{
	struct gmem *g = &self->g;
	u64 error_offset;
	pid_t pid;

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 3) = PATTERN;
	ASSERT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(3)));
	/* It is its own victim. */
	pid = fork();
	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		(void)READ_ONCE(*gmem_word(g, 3));
		madvise(gmem_word(g, 3), PAGE_SIZE, MADV_HWPOISON);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(-EHWPOISON, gmem_convert(g->fd, 0, g->size,
					   KVM_MEMORY_ATTRIBUTE_PRIVATE,
					   &error_offset));
	EXPECT_EQ(3 * PAGE_SIZE, error_offset);
	/* The guest loses it soon, and is told. */
	while (!__gmem_guest_do(g->vcpu, GMEM_READ, gmem_gva(3), 0, NULL))
		;
	EXPECT_EQ(EHWPOISON, errno);
	EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, g->vcpu->run->exit_reason);
	EXPECT_EQ(gmem_gva(3), g->vcpu->run->memory_fault.gpa);
	/* A hole is a way out. */
	gmem_punch(g->fd, 3 * PAGE_SIZE, PAGE_SIZE);
	EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(3)));
	EXPECT_EQ(0, gmem_to_private(g->fd, 0, g->size));
}

TEST_F(gmem, the_argument_may_lie_in_what_is_converted)
{
	struct gmem *g = &self->g;
	struct kvm_memory_attributes2 *attrs = (void *)gmem_word(g, 2);

	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*attrs = (struct kvm_memory_attributes2){
		.size = g->size, .attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	};
	EXPECT_EQ(0, ioctl(g->fd, KVM_SET_MEMORY_ATTRIBUTES2, attrs));
	EXPECT_TRUE(is_sigbus(attrs));
	EXPECT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	EXPECT_EQ(g->size, attrs->size);
}

/* --- memslots ------------------------------------------------------------------ */

TEST_F(gmem, a_memslot_is_a_window_into_the_file)
{
	struct gmem *g = &self->g;
	u64 other = GMEM_GPA + SZ_1G;

	/* Five pages of the file, not where they are in the guest. */
	vm_set_user_memory_region2(g->vm, GMEM_SLOT, 0, GMEM_GPA, 0, NULL, 0, 0);
	vm_set_user_memory_region2(g->vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA,
				   2 * PAGE_SIZE, g->mem + 3 * PAGE_SIZE, g->fd,
				   3 * PAGE_SIZE);
	vm_set_user_memory_region2(g->vm, GMEM_SLOT + 1, KVM_MEM_GUEST_MEMFD, other,
				   3 * PAGE_SIZE, g->mem + 9 * PAGE_SIZE, g->fd,
				   9 * PAGE_SIZE);
	virt_map(g->vm, other, other, 3);
	ASSERT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	*gmem_word(g, 4) = PATTERN;
	*gmem_word(g, 9) = ~PATTERN;
	EXPECT_EQ(PATTERN, gmem_guest_read(g->vcpu, gmem_gva(1)));
	EXPECT_EQ(~PATTERN, gmem_guest_read(g->vcpu, other));
	/* Both windows, and what is between them. */
	EXPECT_EQ(0, gmem_to_private(g->fd, 4 * PAGE_SIZE, 6 * PAGE_SIZE));
	gmem_guest_write(g->vcpu, gmem_gva(1), 1);
	gmem_guest_write(g->vcpu, other, 2);
	EXPECT_EQ(0, gmem_to_shared(g->fd, 0, g->size));
	EXPECT_EQ(1, *gmem_word(g, 4));
	EXPECT_EQ(2, *gmem_word(g, 9));
	/* One page of a file has one place in the guest. */
	EXPECT_EQ(-1, __vm_set_user_memory_region2(g->vm, GMEM_SLOT + 2,
						   KVM_MEM_GUEST_MEMFD,
						   other + SZ_1G, 6 * PAGE_SIZE,
						   g->mem, g->fd, 4 * PAGE_SIZE));
	EXPECT_EQ(EEXIST, errno);
}

TEST_F(gmem, a_memslot_that_is_gone_is_an_exit)
{
	struct gmem *g = &self->g;

	ASSERT_EQ(0, gmem_to_private(g->fd, 0, g->size));
	gmem_guest_write(g->vcpu, gmem_gva(0), PATTERN);
	/* The file is closed first: there is a memslot, but no memory. */
	kvm_munmap(g->mem, g->size);
	g->mem = NULL;
	close(g->fd);
	EXPECT_EQ(-EFAULT, __gmem_guest_do(g->vcpu, GMEM_READ, gmem_gva(0), 0, NULL));
	EXPECT_EQ(KVM_EXIT_MEMORY_FAULT, g->vcpu->run->exit_reason);
	EXPECT_EQ(KVM_MEMORY_EXIT_FLAG_PRIVATE, g->vcpu->run->memory_fault.flags);
	EXPECT_EQ(GMEM_GPA, g->vcpu->run->memory_fault.gpa);
	EXPECT_EQ(PAGE_SIZE, g->vcpu->run->memory_fault.size);
	vm_set_user_memory_region2(g->vm, GMEM_SLOT, 0, GMEM_GPA, 0, NULL, 0, 0);
	gmem_file(g, PAGES, variant->flags);
	vm_set_user_memory_region2(g->vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA,
				   g->size, g->mem, g->fd, 0);
	EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(0)));
}

TEST_F(gmem, the_shared_half_may_be_other_memory)
{
	struct gmem *g = &self->g, o = { .vm = g->vm };
	u64 other = GMEM_GPA + SZ_1G;
	u64 *mem = kvm_mmap(SZ_4M, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
	size_t i;

	/* Huge pages, where the guest may use them: not across private ones. */
	madvise(mem, SZ_4M, MADV_HUGEPAGE);
	gmem_file(&o, SZ_4M / PAGE_SIZE, 0);
	vm_set_user_memory_region2(g->vm, GMEM_SLOT + 1, KVM_MEM_GUEST_MEMFD, other,
				   SZ_4M, mem, o.fd, 0);
	virt_map(g->vm, other, other, SZ_4M / PAGE_SIZE);
	ASSERT_EQ(0, gmem_to_shared(o.fd, 0, o.size));
	for (i = 0; i < SZ_4M / PAGE_SIZE; i++)
		mem[i * PAGE_SIZE / 8] = i;
	for (i = 0; i < SZ_4M / PAGE_SIZE; i += 100)
		EXPECT_EQ(i, gmem_guest_read(g->vcpu, other + i * PAGE_SIZE));
	ASSERT_EQ(0, gmem_to_private(o.fd, 700 * PAGE_SIZE, PAGE_SIZE));
	for (i = 0; i < SZ_4M / PAGE_SIZE; i += 100) {
		EXPECT_EQ(i == 700 ? 0 : i,
			  gmem_guest_read(g->vcpu, other + i * PAGE_SIZE));
		gmem_guest_write(g->vcpu, other + i * PAGE_SIZE, i + 1);
		EXPECT_EQ(i == 700 ? 700 : i + 1, mem[i * PAGE_SIZE / 8]);
	}
	/* Each kind keeps what it had. */
	ASSERT_EQ(0, gmem_to_shared(o.fd, 0, o.size));
	EXPECT_EQ(700, gmem_guest_read(g->vcpu, other + 700 * PAGE_SIZE));
	ASSERT_EQ(0, gmem_to_private(o.fd, 0, o.size));
	EXPECT_EQ(701, gmem_guest_read(g->vcpu, other + 700 * PAGE_SIZE));
	vm_set_user_memory_region2(g->vm, GMEM_SLOT + 1, 0, other, 0, NULL, 0, 0);
	close(o.fd);
	kvm_munmap(mem, SZ_4M);
}

TEST_F(gmem, memory_can_be_faulted_in_in_advance)
{
	struct gmem *g = &self->g;
	struct kvm_pre_fault_memory range = {
		.gpa = GMEM_GPA, .size = g->size,
	};
	size_t i;

	for (i = 0; i < PAGES; i += 3)
		ASSERT_EQ(0, gmem_convert(g->fd, i * PAGE_SIZE, PAGE_SIZE,
					  variant->flags == GMEM_SHARED ?
					  KVM_MEMORY_ATTRIBUTE_PRIVATE : 0, NULL));
	vcpu_ioctl(g->vcpu, KVM_PRE_FAULT_MEMORY, &range);
	EXPECT_EQ(0, range.size);
	for (i = 0; i < PAGES; i++)
		EXPECT_EQ(0, gmem_guest_read(g->vcpu, gmem_gva(i)));
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(gmem_in_place());
	return test_harness_run(argc, argv);
}
