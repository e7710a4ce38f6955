/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table that `make bench` prints: one row per comparison of ours with a
 * rival, measured in the same run.
 *
 * To add a row, measure in a case of the suite in bench.c and hand the figures
 * to bench_row(), met or not.
 */
#ifndef _GMEM_BENCH_H
#define _GMEM_BENCH_H

#include <kunit/test.h>

/**
 * enum bench_target - what a row promises
 * @BENCH_NOTHING: it is there to be read
 * @BENCH_OURS: our figure is at most the limit
 * @BENCH_RATIO: our figure divided by the rival's is at most the limit
 */
enum bench_target {
	BENCH_NOTHING,
	BENCH_OURS,
	BENCH_RATIO,
};

/**
 * struct bench_row - one comparison; less is better
 * @name: what was measured
 * @unit: of both figures
 * @ours: our figure, in thousandths of @unit
 * @rival: what ours is compared with
 * @theirs: the rival's figure, in thousandths of @unit
 * @target: what the row promises
 * @limit: in thousandths
 */
struct bench_row {
	const char *name;
	const char *unit;
	u64 ours;
	const char *rival;
	u64 theirs;
	enum bench_target target;
	u64 limit;
};

#define BENCH_MAX_ROUNDS	9
#define BENCH_SEED		20260926

extern bool bench_full;

unsigned int bench_rounds(void);
u64 bench_median(u64 *samples, unsigned int nr);
void bench_row(const struct bench_row *row);

void bench_containers_agree(struct kunit *test);
void bench_lookup(struct kunit *test);
void bench_memory(struct kunit *test);
void bench_change(struct kunit *test);
void bench_change_in_large_space(struct kunit *test);
void bench_cut(struct kunit *test);
#ifdef CONFIG_GMEM_CONVERT_BENCH_IOMMU
void bench_iommu(struct kunit *test);
#else
static inline void bench_iommu(struct kunit *test)
{
	kunit_skip(test, "lane: no page tables of VT-d");
}
#endif

#endif /* _GMEM_BENCH_H */
