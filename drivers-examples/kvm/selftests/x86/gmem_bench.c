// SPDX-License-Identifier: GPL-2.0
/*
 * How long it takes to make guest memory private and shared again, with what the
 * loaded KVM has: in place, or by the VM's attributes, allocating and punching the
 * private half.  The guest's view is the same: what was shared is private, then
 * shared, and there is memory for it.
 *
 * Prints lines "NAME PAGES NANOSECONDS", each the best of some rounds.
 */
#include <pthread.h>
#include <time.h>

#include "gmem_util.h"

#define MAX_PAGES	(SZ_1G / PAGE_SIZE)
#define THREADS		2

static struct gmem g;
static bool in_place;

static u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return timespec_to_ns(ts);
}

static void to_private(u64 offset, u64 size)
{
	if (in_place) {
		TEST_ASSERT_EQ(gmem_to_private(g.fd, offset, size), 0);
		return;
	}
	kvm_fallocate(g.fd, FALLOC_FL_KEEP_SIZE, offset, size);
	vm_set_memory_attributes(g.vm, GMEM_GPA + offset, size,
				 KVM_MEMORY_ATTRIBUTE_PRIVATE);
}

static void to_shared(u64 offset, u64 size)
{
	if (in_place) {
		TEST_ASSERT_EQ(gmem_to_shared(g.fd, offset, size), 0);
		return;
	}
	vm_set_memory_attributes(g.vm, GMEM_GPA + offset, size, 0);
	gmem_punch(g.fd, offset, size);
}

static u64 there_and_back(u64 offset, u64 size)
{
	u64 begin = now();

	to_private(offset, size);
	to_shared(offset, size);
	return now() - begin;
}

struct part {
	u64 offset, size, rounds;
	pthread_t thread;
};

static void *convert_part(void *arg)
{
	const struct part *p = arg;
	u64 i;

	for (i = 0; i < p->rounds; i++)
		there_and_back(p->offset, p->size);
	return NULL;
}

/* Disjoint parts at the same time; the time until all are done. */
static u64 threads(unsigned int nr, u64 pages, u64 rounds)
{
	struct part parts[THREADS];
	u64 begin = now();
	unsigned int i;

	for (i = 0; i < nr; i++) {
		parts[i] = (struct part){
			.offset = i * SZ_64M, .size = pages * PAGE_SIZE,
			.rounds = rounds,
		};
		pthread_create(&parts[i].thread, NULL, convert_part, &parts[i]);
	}
	for (i = 0; i < nr; i++)
		pthread_join(parts[i].thread, NULL);
	return (now() - begin) / rounds;
}

int main(int argc, char **argv)
{
	static const u64 sizes[] = { 1, 16, 512, 16384, MAX_PAGES };
	u64 *mem, best, t, i;
	size_t n;

	in_place = gmem_in_place();
	g.vm = vm_create_shape_with_one_vcpu(gmem_shape, &g.vcpu, gmem_guest_code);
	gmem_file(&g, MAX_PAGES, in_place ? GMEM_SHARED : 0);
	mem = in_place ? (u64 *)g.mem :
	      kvm_mmap(g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	/* Small pages on both sides. */
	madvise(mem, g.size, MADV_NOHUGEPAGE);
	vm_set_user_memory_region2(g.vm, GMEM_SLOT, KVM_MEM_GUEST_MEMFD, GMEM_GPA,
				   g.size, mem, g.fd, 0);
	if (in_place)
		kvm_fallocate(g.fd, FALLOC_FL_KEEP_SIZE, 0, g.size);
	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		best = -1;
		for (i = 0; i < (sizes[n] > 512 ? 3 : 20); i++) {
			t = there_and_back(0, sizes[n] * PAGE_SIZE);
			best = t < best ? t : best;
		}
		printf("one_thread %lu %lu\n", sizes[n], best);
	}
	for (n = 1; n <= THREADS; n++) {
		best = -1;
		for (i = 0; i < 3; i++) {
			t = threads(n, 512, 20);
			best = t < best ? t : best;
		}
		printf("%s %u %lu\n", n == 1 ? "alone" : "two_threads", 512, best);
	}
	return 0;
}
