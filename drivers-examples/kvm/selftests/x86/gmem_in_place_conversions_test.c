// SPDX-License-Identifier: GPL-2.0
/*
 * Conversions in place that the guest asks for, as private_mem_conversions_test has
 * them for memory that is in two places: each vCPU converts its part of the memory
 * by hypercalls, in ranges of every position, and after each step host and guest
 * look at the contents.
 *
 * With kvm.gmem_in_place_conversion=1.
 */
#include <pthread.h>

#include <linux/kvm_para.h>

#include "gmem_util.h"

#define MAX_VCPUS	4
/* A huge page and what is behind it, should KVM map one. */
#define PER_VCPU	(SZ_2M + PAGE_SIZE)
#define STRIDE		SZ_4M

/* For the hypercall; KVM does not care. */
#define MAP_SHARED_RANGE	BIT(0)
#define MAP_PUNCH		BIT(1)

enum sync {
	SYNC_SHARED,	/* the host sees @old and writes @new */
	SYNC_PRIVATE,	/* the host cannot see */
};

static const struct {
	u64 offset;
	u64 size;
} ranges[] = {
	{ 0, PAGE_SIZE },
	{ 0, SZ_2M },
	{ PAGE_SIZE, PAGE_SIZE },
	{ PAGE_SIZE, SZ_2M },
	{ SZ_2M - PAGE_SIZE, PAGE_SIZE },
	{ SZ_2M - PAGE_SIZE, 2 * PAGE_SIZE },
	{ SZ_2M, PAGE_SIZE },
	{ 0, PER_VCPU },
};

/* A word of each page: what is tested is which page, not its bytes. */
static void guest_fill(u64 gpa, u64 size, u64 pattern)
{
	u64 p;

	for (p = gpa; p < gpa + size; p += PAGE_SIZE)
		WRITE_ONCE(*(u64 *)p, pattern + p);
}

static void guest_expect(u64 gpa, u64 size, u64 pattern, bool zero)
{
	u64 p;

	for (p = gpa; p < gpa + size; p += PAGE_SIZE) {
		u64 want = zero ? 0 : pattern + p, got = READ_ONCE(*(u64 *)p);

		__GUEST_ASSERT(got == want, "0x%lx at 0x%lx, not 0x%lx", got, p, want);
	}
}

static void guest_convert(u64 gpa, u64 size, u64 flags)
{
	kvm_hypercall_map_gpa_range(gpa, size, flags);
}

static void guest_code(u64 base)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		u64 gpa = base + ranges[i].offset, size = ranges[i].size;
		u64 p1 = i * 4 + 1, p2 = p1 + 1, p3 = p1 + 2;

		guest_convert(base, PER_VCPU, MAP_SHARED_RANGE);
		guest_fill(base, PER_VCPU, p1);
		GUEST_SYNC5(SYNC_SHARED, base, PER_VCPU, p1, p1);

		/* Private: the same contents, out of the host's sight. */
		guest_convert(gpa, size, 0);
		GUEST_SYNC3(SYNC_PRIVATE, gpa, size);
		guest_expect(base, PER_VCPU, p1, false);
		guest_fill(gpa, size, p2);
		guest_expect(gpa, size, p2, false);

		/* And back. */
		guest_convert(gpa, size, MAP_SHARED_RANGE);
		GUEST_SYNC5(SYNC_SHARED, gpa, size, p2, p3);
		guest_expect(gpa, size, p3, false);
		guest_expect(base, gpa - base, p1, false);
		guest_expect(gpa + size, base + PER_VCPU - gpa - size, p1, false);

		/* A hole in private memory stays private, and is empty. */
		guest_convert(base, PER_VCPU, 0);
		guest_convert(gpa, size, MAP_PUNCH);
		guest_expect(gpa, size, 0, true);
		GUEST_SYNC3(SYNC_PRIVATE, base, PER_VCPU);
	}
	GUEST_DONE();
}

struct worker {
	struct kvm_vcpu *vcpu;
	struct gmem *g;
	pthread_t thread;
};

static void handle_hypercall(struct worker *w)
{
	struct kvm_run *run = w->vcpu->run;
	u64 offset = run->hypercall.args[0] - GMEM_GPA;
	u64 size = run->hypercall.args[1] * PAGE_SIZE;
	u64 flags = run->hypercall.args[2];

	TEST_ASSERT_EQ(run->hypercall.nr, KVM_HC_MAP_GPA_RANGE);
	if (flags & MAP_PUNCH)
		gmem_punch(w->g->fd, offset, size);
	else
		TEST_ASSERT_EQ(gmem_convert(w->g->fd, offset, size,
					    flags & MAP_SHARED_RANGE ? 0 :
					    KVM_MEMORY_ATTRIBUTE_PRIVATE, NULL), 0);
	run->hypercall.ret = 0;
}

static __thread sigjmp_buf sigbus;

static void on_sigbus(int sig)
{
	siglongjmp(sigbus, 1);
}

static void handle_sync(struct worker *w, const struct ucall *uc)
{
	u64 gpa = uc->args[1], p;

	for (p = gpa; p < gpa + uc->args[2]; p += PAGE_SIZE) {
		u64 *word = (u64 *)(w->g->mem + p - GMEM_GPA);

		if (uc->args[0] == SYNC_SHARED) {
			TEST_ASSERT_EQ(READ_ONCE(*word), uc->args[3] + p);
			WRITE_ONCE(*word, uc->args[4] + p);
		} else if (!sigsetjmp(sigbus, 1)) {
			(void)READ_ONCE(*word);
			TEST_FAIL("the host sees 0x%lx, which is private", p);
		}
	}
}

static void *run_vcpu(void *arg)
{
	struct worker *w = arg;
	struct ucall uc;

	for (;;) {
		vcpu_run(w->vcpu);
		if (w->vcpu->run->exit_reason == KVM_EXIT_HYPERCALL) {
			handle_hypercall(w);
			continue;
		}
		switch (get_ucall(w->vcpu, &uc)) {
		case UCALL_SYNC:
			handle_sync(w, &uc);
			break;
		case UCALL_DONE:
			return NULL;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
		default:
			TEST_FAIL("exit reason %u", w->vcpu->run->exit_reason);
		}
	}
}

static void test(int nr_vcpus, int nr_slots, u64 flags)
{
	struct sigaction action = { .sa_handler = on_sigbus };
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct worker workers[MAX_VCPUS];
	struct gmem g = {};
	size_t per_slot;
	int i;

	sigaction(SIGBUS, &action, NULL);
	g.vm = __vm_create_with_vcpus(gmem_shape, nr_vcpus, 0, guest_code, vcpus);
	vm_enable_cap(g.vm, KVM_CAP_EXIT_HYPERCALL, 1 << KVM_HC_MAP_GPA_RANGE);
	gmem_file(&g, nr_vcpus * STRIDE / PAGE_SIZE, flags);
	per_slot = g.size / nr_slots;
	for (i = 0; i < nr_slots; i++)
		vm_set_user_memory_region2(g.vm, GMEM_SLOT + i, KVM_MEM_GUEST_MEMFD,
					   GMEM_GPA + i * per_slot, per_slot,
					   g.mem + i * per_slot, g.fd, i * per_slot);
	virt_map(g.vm, GMEM_GPA, GMEM_GPA, g.size / PAGE_SIZE);
	for (i = 0; i < nr_vcpus; i++) {
		workers[i] = (struct worker){ .vcpu = vcpus[i], .g = &g };
		vcpu_args_set(vcpus[i], 1, GMEM_GPA + i * STRIDE);
		pthread_create(&workers[i].thread, NULL, run_vcpu, &workers[i]);
	}
	for (i = 0; i < nr_vcpus; i++)
		pthread_join(workers[i].thread, NULL);
	/* The file outlives the VM's file descriptors. */
	kvm_vm_free(g.vm);
	TEST_ASSERT_EQ(gmem_to_shared(g.fd, 0, g.size), 0);
	gmem_punch(g.fd, 0, g.size);
	TEST_ASSERT_EQ(*gmem_word(&g, 0), 0);
	kvm_munmap(g.mem, g.size);
	close(g.fd);
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(gmem_in_place());
	test(1, 1, GMEM_PRIVATE);
	test(1, 4, GMEM_SHARED);
	test(MAX_VCPUS, 1, GMEM_SHARED);
	test(MAX_VCPUS, 8, GMEM_PRIVATE);
	return 0;
}
