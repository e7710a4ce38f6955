/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of conversions in place share: a file of guest memory, mapped
 * by the host, in one memslot of a VM whose guest does as it is told.
 */
#ifndef SELFTEST_KVM_GMEM_UTIL_H
#define SELFTEST_KVM_GMEM_UTIL_H

#include <linux/falloc.h>
#include <linux/sizes.h>

#include "kvm_syscalls.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

#define GMEM_SLOT	10
#define GMEM_GPA	((u64)SZ_4G)
#define GMEM_SHARED	(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)
#define GMEM_PRIVATE	GUEST_MEMFD_FLAG_MMAP

static const struct vm_shape gmem_shape = {
	.mode = VM_MODE_DEFAULT,
	.type = KVM_X86_SW_PROTECTED_VM,
};

/* Returns 0 or -errno; *@error_offset is set by the kernel only if it fails. */
static inline int gmem_convert(int fd, u64 offset, u64 size, u64 attributes,
			       u64 *error_offset)
{
	struct kvm_memory_attributes2 attrs = {
		.offset = offset,
		.size = size,
		.attributes = attributes,
		.error_offset = -1ull,
	};
	int r = ioctl(fd, KVM_SET_MEMORY_ATTRIBUTES2, &attrs) ? -errno : 0;

	if (error_offset)
		*error_offset = attrs.error_offset;
	return r;
}

static inline int gmem_to_private(int fd, u64 offset, u64 size)
{
	return gmem_convert(fd, offset, size, KVM_MEMORY_ATTRIBUTE_PRIVATE, NULL);
}

static inline int gmem_to_shared(int fd, u64 offset, u64 size)
{
	return gmem_convert(fd, offset, size, 0, NULL);
}

static inline void gmem_punch(int fd, u64 offset, u64 size)
{
	kvm_fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset, size);
}

static inline bool gmem_in_place(void)
{
	return kvm_check_cap(KVM_CAP_GUEST_MEMFD_MEMORY_ATTRIBUTES) > 0;
}

/* --- a guest that does as it is told ----------------------------------------- */

enum gmem_op {
	GMEM_READ,	/* the word at @gva */
	GMEM_WRITE,	/* @value there */
	GMEM_SPIN,	/* touches @value pages from @gva on, for ever */
};

static struct gmem_order {
	u64 op;
	u64 gva;
	u64 value;
} gmem_order;

static void gmem_guest_code(void)
{
	for (;;) {
		const struct gmem_order order = gmem_order;
		u64 i;

		switch (order.op) {
		case GMEM_READ:
			GUEST_SYNC(READ_ONCE(*(u64 *)order.gva));
			break;
		case GMEM_WRITE:
			WRITE_ONCE(*(u64 *)order.gva, order.value);
			GUEST_SYNC(0);
			break;
		case GMEM_SPIN:
			for (i = 0;; i = (i + 1) % order.value)
				(void)READ_ONCE(*(u64 *)(order.gva + i * PAGE_SIZE));
		}
	}
}

/* Returns what KVM_RUN does: 0, or -errno with the exit in vcpu->run. */
static inline int __gmem_guest_do(struct kvm_vcpu *vcpu, enum gmem_op op, u64 gva,
				  u64 value, u64 *result)
{
	struct ucall uc;

	gmem_order = (struct gmem_order){ op, gva, value };
	sync_global_to_guest(vcpu->vm, gmem_order);
	if (_vcpu_run(vcpu))
		return -errno;
	TEST_ASSERT_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	if (result)
		*result = uc.args[1];
	return 0;
}

static inline u64 gmem_guest_read(struct kvm_vcpu *vcpu, u64 gva)
{
	u64 value = 0;

	TEST_ASSERT_EQ(__gmem_guest_do(vcpu, GMEM_READ, gva, 0, &value), 0);
	return value;
}

static inline void gmem_guest_write(struct kvm_vcpu *vcpu, u64 gva, u64 value)
{
	TEST_ASSERT_EQ(__gmem_guest_do(vcpu, GMEM_WRITE, gva, value, NULL), 0);
}

/* --- a file in a VM ------------------------------------------------------------- */

struct gmem {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	int fd;
	size_t size;
	char *mem;	/* the host's mapping of all of it */
};

/* Guest virtual and physical addresses are the same. */
static inline u64 gmem_gva(size_t page)
{
	return GMEM_GPA + page * PAGE_SIZE;
}

static inline u64 *gmem_word(const struct gmem *g, size_t page)
{
	return (u64 *)(g->mem + page * PAGE_SIZE);
}

static inline void gmem_file(struct gmem *g, size_t pages, u64 flags)
{
	g->size = pages * PAGE_SIZE;
	g->fd = vm_create_guest_memfd(g->vm, g->size, flags);
	g->mem = NULL;
	if (flags & GUEST_MEMFD_FLAG_MMAP)
		g->mem = kvm_mmap(g->size, PROT_READ | PROT_WRITE, MAP_SHARED,
				  g->fd);
}

static inline void gmem_slot(struct gmem *g)
{
	vm_set_user_memory_region2(g->vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD,
				   GMEM_GPA, g->size, g->mem, g->fd, 0);
	virt_map(g->vm, GMEM_GPA, GMEM_GPA, g->size / PAGE_SIZE);
}

static inline struct gmem gmem_create(size_t pages, u64 flags)
{
	struct gmem g = {};

	g.vm = vm_create_shape_with_one_vcpu(gmem_shape, &g.vcpu,
					     gmem_guest_code);
	gmem_file(&g, pages, flags);
	gmem_slot(&g);
	return g;
}

static inline void gmem_destroy(struct gmem *g)
{
	if (g->mem)
		kvm_munmap(g->mem, g->size);
	close(g->fd);
	kvm_vm_free(g->vm);
}

#endif /* SELFTEST_KVM_GMEM_UTIL_H */
