// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's suite and its table.
 *
 * Without gmem_bench.full=1 every case runs once over a few pages.  Its figures
 * then mean nothing and are not judged; what counts is that the code works, so
 * that the tests notice when it no longer does.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sort.h>

#include "bench.h"

bool bench_full;
module_param_named(full, bench_full, bool, 0444);
MODULE_PARM_DESC(full, "Measure in full and judge (default: N)");

static unsigned int bench_nr_rows, bench_nr_targets, bench_nr_met;

/**
 * bench_rounds() - how often to measure everything
 *
 * A round measures each side once.  Sides taken one after the other, all rounds
 * of each, would be compared across whatever the machine did in between.
 *
 * Context: Any.
 * Return: the number, odd and at most %BENCH_MAX_ROUNDS.
 */
unsigned int bench_rounds(void)
{
	return bench_full ? BENCH_MAX_ROUNDS : 1;
}

static int bench_cmp(const void *a, const void *b)
{
	return cmp_int(*(const u64 *)a, *(const u64 *)b);
}

/**
 * bench_median() - the figure of many samples
 * @samples: get sorted
 * @nr: how many, not 0
 *
 * Not the mean, which one interruption by the host moves; not the least, which
 * hides what a side does only now and then, such as refilling a slab.
 *
 * Context: Any.
 * Return: the median.
 */
u64 bench_median(u64 *samples, unsigned int nr)
{
	sort(samples, nr, sizeof(*samples), bench_cmp, NULL);
	return samples[nr / 2];
}

static bool bench_met(const struct bench_row *row)
{
	if (row->target == BENCH_OURS)
		return row->ours <= row->limit;
	return row->ours * 1000 <= row->theirs * row->limit;
}

/* a / b: "1.23", or "1/1234" where that would say little. */
static void bench_print_ratio(char *text, size_t size, u64 a, u64 b)
{
	if (!b)
		strscpy(text, "-", size);
	else if (a && a * 10 < b)
		scnprintf(text, size, "1/%llu", div64_u64(b, a));
	else
		scnprintf(text, size, "%llu.%02llu", div64_u64(a, b),
			  div64_u64(a * 100, b) % 100);
}

static void bench_print_figure(char *text, size_t size, u64 figure,
			       const char *unit)
{
	scnprintf(text, size, "%llu.%03llu %s", figure / 1000, figure % 1000,
		  unit);
}

/**
 * bench_row() - print a row of the table and judge it
 * @row: the figures
 *
 * Context: Process context.
 */
void bench_row(const struct bench_row *row)
{
	char ours[24], theirs[24], ratio[24], limit[16];
	char target[24] = "-";
	const char *verdict = "";

	bench_print_figure(ours, sizeof(ours), row->ours, row->unit);
	bench_print_figure(theirs, sizeof(theirs), row->theirs, row->unit);
	bench_print_ratio(ratio, sizeof(ratio), row->ours, row->theirs);
	if (row->target == BENCH_OURS)
		scnprintf(target, sizeof(target), "ours <= %llu.%03llu",
			  row->limit / 1000, row->limit % 1000);
	if (row->target == BENCH_RATIO) {
		bench_print_ratio(limit, sizeof(limit), row->limit, 1000);
		scnprintf(target, sizeof(target), "ratio <= %s", limit);
	}
	bench_nr_rows++;
	if (row->target != BENCH_NOTHING && bench_full) {
		bench_nr_targets++;
		bench_nr_met += bench_met(row);
		verdict = bench_met(row) ? "met" : "NOT MET";
	}
	pr_info("bench| %-31s %12s  %-15s %12s %7s  %-15s %s\n", row->name, ours,
		row->rival, theirs, ratio, target, verdict);
}

static int bench_init(struct kunit_suite *suite)
{
	bench_nr_rows = 0;
	bench_nr_targets = 0;
	bench_nr_met = 0;
	pr_info("bench| medians of %u rounds; random things from seed %u\n",
		bench_rounds(), BENCH_SEED);
	pr_info("bench| %-31s %12s  %-15s %12s %7s  %-15s\n", "", "ours",
		"rival", "rival's", "ratio", "target");
	return 0;
}

static void bench_exit(struct kunit_suite *suite)
{
	pr_info("bench: %u rows, %u of %u targets met\n", bench_nr_rows,
		bench_nr_met, bench_nr_targets);
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE(bench_containers_agree),
	KUNIT_CASE(bench_lookup),
	KUNIT_CASE(bench_memory),
	KUNIT_CASE(bench_change),
	KUNIT_CASE(bench_change_in_large_space),
	KUNIT_CASE(bench_cut),
	KUNIT_CASE(bench_iommu),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "gmem_bench",
	.suite_init = bench_init,
	.suite_exit = bench_exit,
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("Benchmark of gmem_convert");
MODULE_LICENSE("GPL");
