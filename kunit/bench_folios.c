// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what it costs to convert one page of a large folio.
 *
 * The rival is to cut all of the folio to pages, and to join them again, which
 * is what a provider has to do that has no folios of a size in between.  Only
 * the structure of the folio, nothing that a conversion needs besides.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "bench.h"
#include "folios.h"
#include "folios_env.h"

static u64 bench_convert_page(struct kunit *test, struct folios_env *env,
			      pgoff_t index, enum gmem_state target)
{
	u64 begin = ktime_get_ns();
	struct gmem_report report;

	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(env->space, index, index,
						    target, 0, &report));
	return ktime_get_ns() - begin;
}

/* Times to cut @folio to pages and to join them, by way of 2 MiB. */
static void bench_to_pages(struct kunit *test, struct folio *folio,
			   u64 *cut, u64 *join)
{
	unsigned int order = folio_order(folio);
	u64 begin = ktime_get_ns();
	unsigned long i;

	KUNIT_ASSERT_TRUE(test, folio_ref_freeze(folio, 1));
	if (order > GMEM_BLOCK_SHIFT)
		gmem_folio_split(folio, GMEM_BLOCK_SHIFT);
	for (i = 0; i < BIT(order); i += GMEM_BLOCK_PAGES)
		gmem_folio_split(page_folio(folio_page(folio, i)), 0);
	*cut = ktime_get_ns() - begin;

	begin = ktime_get_ns();
	for (i = 0; i < BIT(order); i += GMEM_BLOCK_PAGES)
		gmem_folio_merge(page_folio(&folio->page + i), GMEM_BLOCK_SHIFT);
	if (order > GMEM_BLOCK_SHIFT)
		gmem_folio_merge(folio, order);
	folio_ref_unfreeze(folio, 1);
	*join = ktime_get_ns() - begin;
}

/**
 * bench_cut() - time to convert one page of a folio, and back
 * @test: the test
 *
 * Context: Process context.
 */
void bench_cut(struct kunit *test)
{
	unsigned int order = bench_full ? GMEM_HUGE_SHIFT : GMEM_BLOCK_SHIFT;
	u64 ours[2][BENCH_MAX_ROUNDS], theirs[2][BENCH_MAX_ROUNDS];
	pgoff_t index = BIT(order) / 3;
	struct folios_env *env;
	struct folio *folio;
	int r;

	KUNIT_ASSERT_EQ(test, 0, folios_suite_init(NULL));
	env = folios_env_alloc_order(test, BIT(order), order, GMEM_SHARED);
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 0, 0));
	folio = folios_hold(test, env, 0);
	folio_put(folio);
	for (r = 0; r < bench_rounds(); r++) {
		ours[0][r] = bench_convert_page(test, env, index, GMEM_PRIVATE);
		ours[1][r] = bench_convert_page(test, env, index, GMEM_SHARED);
		KUNIT_ASSERT_EQ(test, order, folio_order(folio));
		bench_to_pages(test, folio, &theirs[0][r], &theirs[1][r]);
		KUNIT_ASSERT_EQ(test, order, folio_order(folio));
		cond_resched();
	}
	bench_row(&(struct bench_row){
		.name = "convert 1 page of a 1 GiB folio",
		.unit = "us",
		.ours = bench_median(ours[0], bench_rounds()),
		.rival = "1 GiB to pages",
		.theirs = bench_median(theirs[0], bench_rounds()),
		.target = BENCH_RATIO,
		.limit = 700,
	});
	bench_row(&(struct bench_row){
		.name = "and back to one folio",
		.unit = "us",
		.ours = bench_median(ours[1], bench_rounds()),
		.rival = "pages to 1 GiB",
		.theirs = bench_median(theirs[1], bench_rounds()),
	});
	folios_env_free(env);
	folios_suite_exit(NULL);
}
