// SPDX-License-Identifier: GPL-2.0
/*
 * Four vCPUs fault pages at full speed while the host converts them: no conversion
 * fails for that, no vCPU sees another page or an old one, and everything can be
 * taken away in the middle of it.
 *
 * With kvm.gmem_in_place_conversion=1.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "gmem_util.h"
#include "kvm_test_harness.h"

#define NR_VCPUS	4
#define PAGES		64

static bool stop;
static u64 expected[NR_VCPUS][PAGES];

/*
 * Each vCPU has a word in each page and counts in it.  A count that is not the last
 * one was lost, or is another page's.
 */
static void counting_guest(u64 id, u64 nr)
{
	u32 seed = id + 1;

	while (!READ_ONCE(stop)) {
		u64 i, *word;

		seed = seed * 1103515245 + 12345;
		i = (seed >> 16) % nr;
		word = (u64 *)gmem_gva(i) + id;
		__GUEST_ASSERT(READ_ONCE(*word) == expected[id][i],
			       "vCPU %lu sees %lu in page %lu, not %lu", id,
			       READ_ONCE(*word), i, expected[id][i]);
		WRITE_ONCE(*word, ++expected[id][i]);
	}
	GUEST_DONE();
}

/* Only touches: what it has written may be gone in a hole. */
static void touching_guest(u64 id, u64 nr)
{
	u64 i;

	for (i = id; !READ_ONCE(stop); i++)
		WRITE_ONCE(*((u64 *)gmem_gva(i % nr) + id), i);
	GUEST_DONE();
}

struct vcpu_thread {
	struct kvm_vcpu *vcpu;
	pthread_t thread;
};

static void *run_vcpu(void *arg)
{
	struct vcpu_thread *t = arg;
	struct ucall uc;

	/* The only exit is the last one. */
	TEST_ASSERT(!_vcpu_run(t->vcpu), "KVM_RUN: errno %d, exit reason %u, gpa 0x%llx",
		    errno, t->vcpu->run->exit_reason,
		    (unsigned long long)t->vcpu->run->memory_fault.gpa);
	switch (get_ucall(t->vcpu, &uc)) {
	case UCALL_DONE:
		return NULL;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("exit reason %u", t->vcpu->run->exit_reason);
	}
	return NULL;
}

FIXTURE(stress) {
	struct gmem g;
	struct kvm_vcpu *vcpus[NR_VCPUS];
	struct vcpu_thread threads[NR_VCPUS];
};

FIXTURE_SETUP(stress)
{
	self->g = (struct gmem){};
}

FIXTURE_TEARDOWN(stress)
{
	gmem_destroy(&self->g);
}

/* The guests touch the first @nr pages, in a memslot of their own. */
static void start(FIXTURE_DATA(stress) *self, void *guest_code, size_t nr)
{
	int i;

	self->g.vm = __vm_create_with_vcpus(gmem_shape, NR_VCPUS, 0, guest_code,
					    self->vcpus);
	gmem_file(&self->g, PAGES, GMEM_SHARED);
	vm_set_user_memory_region2(self->g.vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA,
				   nr * PAGE_SIZE, self->g.mem, self->g.fd, 0);
	virt_map(self->g.vm, GMEM_GPA, GMEM_GPA, nr);
	for (i = 0; i < NR_VCPUS; i++) {
		self->threads[i].vcpu = self->vcpus[i];
		vcpu_args_set(self->vcpus[i], 2, i, nr);
		pthread_create(&self->threads[i].thread, NULL, run_vcpu,
			       &self->threads[i]);
	}
}

static void finish(FIXTURE_DATA(stress) *self)
{
	int i;

	stop = true;
	sync_global_to_guest(self->g.vm, stop);
	for (i = 0; i < NR_VCPUS; i++)
		pthread_join(self->threads[i].thread, NULL);
}

/* A span of the file and the way it goes, by the seed. */
static int convert_some(int fd, u32 *seed)
{
	size_t first, nr;
	u32 random;

	*seed = *seed * 1103515245 + 12345;
	random = *seed >> 8;
	first = random % PAGES;
	nr = 1 + (random >> 6) % (PAGES - first);
	return gmem_convert(fd, first * PAGE_SIZE, nr * PAGE_SIZE,
			    random & BIT(20) ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0, NULL);
}

TEST_F_TIMEOUT(stress, ten_thousand_conversions_never_fail_for_a_fault, 200)
{
	u32 seed = 1;
	int i;

	start(self, counting_guest, PAGES);
	for (i = 0; i < 10000; i++)
		ASSERT_EQ(0, convert_some(self->g.fd, &seed));
	finish(self);
	/* Everything arrived where the host sees it, too. */
	ASSERT_EQ(0, gmem_to_shared(self->g.fd, 0, self->g.size));
	sync_global_from_guest(self->g.vm, expected);
	for (i = 0; i < NR_VCPUS * PAGES; i++)
		EXPECT_EQ(expected[i % NR_VCPUS][i / NR_VCPUS],
			  gmem_word(&self->g, i / NR_VCPUS)[i % NR_VCPUS]);
}

static void *convert_until_stopped(void *arg)
{
	struct gmem *g = arg;
	u32 seed = 2;

	while (!READ_ONCE(stop))
		TEST_ASSERT_EQ(convert_some(g->fd, &seed), 0);
	return NULL;
}

/*
 * The other half of the file is in memslots that come, go and come back elsewhere.
 * The guests leave it alone: what a vCPU does that touches a memslot while it is
 * created is KVM's own matter, and not always good.
 */
TEST_F_TIMEOUT(stress, memslots_come_and_go_meanwhile, 200)
{
	size_t half = PAGES / 2 * PAGE_SIZE;
	pthread_t converter;
	u64 gpa;
	int i;

	start(self, counting_guest, PAGES / 2);
	pthread_create(&converter, NULL, convert_until_stopped, &self->g);
	for (i = 0; i < 100; i++) {
		gpa = GMEM_GPA + (1 + i % 3) * SZ_1G;
		vm_set_user_memory_region2(self->g.vm, GMEM_SLOT + 1,
					   KVM_MEM_GUEST_MEMFD, gpa, half / (1 + i % 2),
					   self->g.mem + half, self->g.fd, half);
		vm_set_user_memory_region2(self->g.vm, GMEM_SLOT + 1, 0, gpa, 0, NULL,
					   0, 0);
	}
	finish(self);
	pthread_join(converter, NULL);
	ASSERT_EQ(0, gmem_to_private(self->g.fd, 0, self->g.size));
}

static void *punch_until_stopped(void *arg)
{
	struct gmem *g = arg;
	u32 seed = 3;

	while (!READ_ONCE(stop)) {
		seed = seed * 1103515245 + 12345;
		gmem_punch(g->fd, (seed >> 16) % PAGES * PAGE_SIZE, PAGE_SIZE);
	}
	return NULL;
}

static void live_until_killed(FIXTURE_DATA(stress) *self)
{
	pthread_t converter, puncher;

	start(self, touching_guest, PAGES);
	pthread_create(&converter, NULL, convert_until_stopped, &self->g);
	pthread_create(&puncher, NULL, punch_until_stopped, &self->g);
	pause();
}

TEST_F_TIMEOUT(stress, it_can_be_killed_in_the_middle, 200)
{
	int i, status;
	pid_t pid;

	for (i = 0; i < 10; i++) {
		pid = fork();
		if (!pid)
			live_until_killed(self);
		usleep(50000 + i * 7000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	/* For the teardown. */
	self->g.vm = vm_create_barebones_type(KVM_X86_SW_PROTECTED_VM);
	gmem_file(&self->g, PAGES, GMEM_SHARED);
}

TEST_F_TIMEOUT(stress, files_come_and_go_meanwhile, 200)
{
	struct gmem other = {};
	u64 gpa = GMEM_GPA + SZ_1G;
	u32 seed = 4;
	int i;

	start(self, counting_guest, PAGES);
	for (i = 0; i < 60; i++) {
		other.vm = self->g.vm;
		gmem_file(&other, PAGES, GMEM_SHARED);
		vm_set_user_memory_region2(self->g.vm, GMEM_SLOT + 1,
					   KVM_MEM_GUEST_MEMFD, gpa, other.size,
					   other.mem, other.fd, 0);
		ASSERT_EQ(0, convert_some(other.fd, &seed));
		ASSERT_EQ(0, convert_some(self->g.fd, &seed));
		/* The file goes first, or the memslot does. */
		kvm_munmap(other.mem, other.size);
		if (i % 2)
			close(other.fd);
		vm_set_user_memory_region2(self->g.vm, GMEM_SLOT + 1, 0, gpa, 0, NULL,
					   0, 0);
		if (!(i % 2))
			close(other.fd);
	}
	finish(self);
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(gmem_in_place());
	return test_harness_run(argc, argv);
}
