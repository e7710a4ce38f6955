// SPDX-License-Identifier: GPL-2.0
/*
 * kvm.gmem_in_place_conversion=0: nothing of conversions in place is there, and what
 * was there before is as it was.
 */
#define _GNU_SOURCE
#include <sys/uio.h>

#include "gmem_util.h"
#include "kvm_test_harness.h"

#define PAGES	16

TEST(there_is_no_conversion_in_place)
{
	struct kvm_vm *vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	u64 error_offset;
	int fd = vm_create_guest_memfd(vm, PAGES * PAGE_SIZE, 0);

	EXPECT_EQ(0, kvm_check_cap(KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES));
	EXPECT_EQ(0, vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES));
	EXPECT_EQ(-ENOTTY, gmem_convert(fd, 0, PAGE_SIZE, 0, &error_offset));
	EXPECT_EQ(-1, error_offset);
	EXPECT_EQ(-1, ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, NULL));
	EXPECT_EQ(ENOTTY, errno);
	close(fd);
	kvm_vm_free(vm);
}

TEST(the_vm_tracks_what_is_private)
{
	struct kvm_vm *vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);

	EXPECT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE,
		  kvm_check_cap(KVM_CAP_MEMORY_ATTRIBUTES));
	EXPECT_EQ(KVM_MEMORY_ATTRIBUTE_PRIVATE,
		  vm_check_cap(vm, KVM_CAP_MEMORY_ATTRIBUTES));
	vm_set_memory_attributes(vm, 0, SZ_2M, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	vm_set_memory_attributes(vm, 0, SZ_2M, 0);
	kvm_vm_free(vm);
}

TEST(memory_that_can_be_private_cannot_begin_shared)
{
	struct kvm_vm *vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	int fd;

	EXPECT_EQ(GUEST_MEMFD_FLAG_MMAP, vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS));
	EXPECT_EQ(-1, __vm_create_guest_memfd(vm, PAGE_SIZE, GMEM_SHARED));
	EXPECT_EQ(EINVAL, errno);
	fd = vm_create_guest_memfd(vm, PAGE_SIZE, GMEM_PRIVATE);
	close(fd);
	kvm_vm_free(vm);
}

TEST(private_memory_is_other_memory)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_shape_with_one_vcpu(gmem_shape, &vcpu,
							  gmem_guest_code);
	size_t size = PAGES * PAGE_SIZE;
	u64 *mem = kvm_mmap(size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int fd = vm_create_guest_memfd(vm, size, 0);

	vm_set_user_memory_region2(vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA,
				   size, mem, fd, 0);
	virt_map(vm, GMEM_GPA, GMEM_GPA, PAGES);
	gmem_guest_write(vcpu, gmem_gva(1), 1);
	EXPECT_EQ(1, mem[PAGE_SIZE / 8]);
	vm_set_memory_attributes(vm, GMEM_GPA, size, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	EXPECT_EQ(0, gmem_guest_read(vcpu, gmem_gva(1)));
	gmem_guest_write(vcpu, gmem_gva(1), 2);
	EXPECT_EQ(1, mem[PAGE_SIZE / 8]);
	gmem_punch(fd, 0, size);
	EXPECT_EQ(0, gmem_guest_read(vcpu, gmem_gva(1)));
	vm_set_memory_attributes(vm, GMEM_GPA, size, 0);
	EXPECT_EQ(1, gmem_guest_read(vcpu, gmem_gva(1)));
	kvm_munmap(mem, size);
	close(fd);
	kvm_vm_free(vm);
}

TEST(a_mapping_may_grow)
{
	struct gmem g = { .vm = vm_create_barebones() };

	gmem_file(&g, PAGES, GMEM_SHARED);
	g.mem = mremap(g.mem, g.size, 2 * g.size, MREMAP_MAYMOVE);
	EXPECT_NE(MAP_FAILED, g.mem);
	g.size *= 2;
	gmem_destroy(&g);
}

TEST(a_hole_is_never_refused)
{
	struct gmem g = { .vm = vm_create_barebones() };
	struct iovec iov;
	int fds[2];
	char c;

	gmem_file(&g, PAGES, GMEM_SHARED);
	*gmem_word(&g, 2) = 'a';
	iov = (struct iovec){ .iov_base = gmem_word(&g, 2), .iov_len = 1 };
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(1, vmsplice(fds[1], &iov, 1, 0));
	gmem_punch(g.fd, 0, g.size);
	EXPECT_EQ(0, *gmem_word(&g, 2));
	/* Who held the page has the old one. */
	ASSERT_EQ(1, read(fds[0], &c, 1));
	EXPECT_EQ('a', c);
	gmem_destroy(&g);
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(!gmem_in_place());
	return test_harness_run(argc, argv);
}
