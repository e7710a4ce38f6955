// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_huge: folios of 2 MiB and 1 GiB, cut and joined by operations.
 *
 * After every operation, refused ones too, every folio is compared with what a
 * model says it is: size, place in memory, index, flags, references, contents.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>

#include "fakes.h"
#include "folios_env.h"
#include "internal.h"

#define BLOCK	BIT(9)

/* What a page of the file should be. */
struct huge_page {
	unsigned long pfn;	/* 0: there is none */
	enum gmem_state state;
	unsigned int order;	/* of its folio */
};

struct huge_model {
	struct kunit *test;
	struct folios_env *env;
	pgoff_t nr_pages;
	struct huge_page *pages;
};

static void huge_stamp(struct page *page, pgoff_t index)
{
	pgoff_t *p = kmap_local_page(page);

	p[0] = index;
	p[PAGE_SIZE / sizeof(*p) - 1] = ~index;
	kunmap_local(p);
}

static bool huge_stamped(struct page *page, pgoff_t index)
{
	pgoff_t *p = kmap_local_page(page);
	bool ret = p[0] == index && p[PAGE_SIZE / sizeof(*p) - 1] == ~index;

	kunmap_local(p);
	return ret;
}

static void huge_vfree(void *pages)
{
	vfree(pages);
}

/* A file whose pages are all there and carry their index. */
static struct huge_model *huge_model_alloc(struct kunit *test, pgoff_t nr_pages,
					   unsigned int order,
					   enum gmem_state state)
{
	struct huge_model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	pgoff_t i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->nr_pages = nr_pages;
	m->pages = vzalloc(array_size(nr_pages, sizeof(*m->pages)));
	KUNIT_ASSERT_NOT_NULL(test, m->pages);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, huge_vfree,
							   m->pages));
	m->env = folios_env_alloc_order(test, nr_pages, order, state);
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(m->env->folios, 0,
						      nr_pages - 1));
	for (i = 0; i < nr_pages; i++) {
		struct folio *folio = folios_hold(test, m->env, i);

		m->pages[i] = (struct huge_page){
			.pfn = folio_pfn(folio) + i - folio->index,
			.state = state,
			.order = order,
		};
		huge_stamp(pfn_to_page(m->pages[i].pfn), i);
		folio_put(folio);
		cond_resched();
	}
	return m;
}

/* What is wrong with the page at @index, or NULL. */
static const char *huge_wrong(struct huge_model *m, pgoff_t index,
			      struct folio *folio)
{
	const struct huge_page *want = &m->pages[index];
	struct page *page;

	if (!folio)
		return want->pfn ? "is gone" : NULL;
	if (!want->pfn)
		return "is there";
	page = folio_page(folio, index - folio->index);
	if (folio_order(folio) != want->order)
		return "is in a folio of another size";
	if (page_to_pfn(page) != want->pfn)
		return "is elsewhere in memory";
	if (folio->index != (index & ~(BIT(want->order) - 1)) ||
	    folio->mapping != m->env->inode->i_mapping)
		return "is not known to be there";
	if (folio_ref_count(folio) != 2)
		return "has other references than the table's";
	if (folio_mapped(folio))
		return "is mapped";
	if (!folio_test_uptodate(folio) || !folio_test_dirty(folio) ||
	    !folio_test_lru(folio) || !folio_test_unevictable(folio) ||
	    (IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) &&
	     folio_test_large_rmappable(folio) != !!want->order))
		return "has other flags";
	if (gmem_space_lookup(m->env->space, index, GMEM_SCOPE_EFFECTIVE) !=
	    want->state)
		return "is in another state";
	return huge_stamped(page, index) ? NULL : "has other contents";
}

static void huge_expect(struct huge_model *m)
{
	const char *wrong;
	pgoff_t i;

	for (i = 0; i < m->nr_pages; i++) {
		struct folio *folio = gmem_folios_get(m->env->folios, i);

		KUNIT_ASSERT_FALSE(m->test, IS_ERR(folio));
		wrong = huge_wrong(m, i, folio);
		if (folio)
			folio_put(folio);
		if (wrong)
			KUNIT_FAIL_AND_ABORT(m->test, "page %lu %s", i, wrong);
		cond_resched();
	}
}

/* --- the model ------------------------------------------------------------- */

static bool huge_uniform(const struct huge_model *m, pgoff_t start,
			 unsigned int order)
{
	pgoff_t i;

	for (i = start; i < start + BIT(order); i++)
		if (!m->pages[i].pfn || m->pages[i].state != m->pages[start].state)
			return false;
	return true;
}

static void huge_set_order(struct huge_model *m, pgoff_t start,
			   unsigned int order, unsigned int to)
{
	pgoff_t i;

	for (i = start; i < start + BIT(order); i++)
		m->pages[i].order = to;
}

/* Folios that reach out of the range are cut: 1 GiB to 2 MiB, that to pages. */
static void huge_model_cut(struct huge_model *m, pgoff_t start, pgoff_t last)
{
	const pgoff_t ends[] = { start, last };
	unsigned int order;
	pgoff_t first;
	int i;

	for (i = 0; i < 2; i++) {
		while ((order = m->pages[ends[i]].order)) {
			first = ends[i] & ~(BIT(order) - 1);
			if (first >= start && first + BIT(order) - 1 <= last)
				break;
			huge_set_order(m, first, order, order == 18 ? 9 : 0);
		}
	}
}

static void huge_model_punch(struct huge_model *m, pgoff_t start, pgoff_t last)
{
	huge_model_cut(m, start, last);
	for (; start <= last; start++)
		m->pages[start] = (struct huge_page){};
}

static void huge_model_convert(struct huge_model *m, pgoff_t start,
			       pgoff_t last, enum gmem_state target,
			       unsigned int max_order)
{
	unsigned int order;
	pgoff_t i, first;

	/* Runs at the ends that are so already take no part. */
	while (start <= last && m->pages[start].state == target)
		start++;
	while (start <= last && m->pages[last].state == target)
		last--;
	if (start > last)
		return;
	huge_model_cut(m, start, last);
	for (i = start; i <= last; i++)
		m->pages[i].state = target;
	for (order = 9; order <= max_order; order += 9) {
		for (first = start & ~(BIT(order) - 1); first <= last;
		     first += BIT(order))
			if (first + BIT(order) <= m->nr_pages &&
			    huge_uniform(m, first, order))
				huge_set_order(m, first, order, order);
	}
}

static void huge_convert(struct huge_model *m, pgoff_t start, pgoff_t last,
			 enum gmem_state target, unsigned int max_order)
{
	struct gmem_report report;

	KUNIT_ASSERT_EQ(m->test, 0,
			gmem_convert_range(m->env->space, start, last, target,
					   0, &report));
	KUNIT_EXPECT_FALSE(m->test, report.left_split);
	huge_model_convert(m, start, last, target, max_order);
}

/* --- cases: structure ------------------------------------------------------ */

/* Number of folios in the file. */
static unsigned long huge_nr_folios(struct huge_model *m)
{
	unsigned long nr = 0;
	pgoff_t i;

	for (i = 0; i < m->nr_pages; i += BIT(m->pages[i].order))
		nr++;
	return nr;
}

static void a_file_is_made_of_folios_of_its_order(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);

	huge_expect(m);
	KUNIT_EXPECT_EQ(test, 2, huge_nr_folios(m));
}

static void what_is_no_whole_block_is_pages(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc_order(test, BLOCK + 5, 9,
							GMEM_SHARED);
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 7, 7));
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, BLOCK,
						      BLOCK));
	folio = folios_hold(test, env, 300);
	KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
	folio_put(folio);
	folio = folios_hold(test, env, BLOCK);
	KUNIT_EXPECT_EQ(test, 0, folio_order(folio));
	folio_put(folio);
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, BLOCK + 1));
}

static void a_block_of_two_kinds_gets_pages(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc_order(test, 2 * BLOCK, 9,
							GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(env->space, 3, 3,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 4, 4));
	folio = folios_hold(test, env, 4);
	KUNIT_EXPECT_EQ(test, 0, folio_order(folio));
	folio_put(folio);
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 3));
	/* And stays so: there is no room for a larger one any more. */
	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(env->space, 3, 3,
						    GMEM_SHARED, 0, &report));
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 3, 3));
	folio = folios_hold(test, env, 3);
	KUNIT_EXPECT_EQ(test, 0, folio_order(folio));
	folio_put(folio);
}

/*
 * Figures of Documentation/huge-pages.rst, which scripts/figures draws from this:
 * of a file of four folios of 2 MiB, what is converted and what it is made of
 * afterwards.
 */
struct huge_span {
	const char *name;
	pgoff_t start;
	pgoff_t last;
	unsigned long nr_folios;
};

static const struct huge_span huge_spans[] = {
	{ "1: first page",	512,	512,	515 },
	{ "2: last page",	1023,	1023,	515 },
	{ "3: in the middle",	700,	799,	515 },
	{ "4: all of one",	512,	1023,	4 },
	{ "5: across two",	1000,	1100,	1026 },
	{ "6: into the next",	512,	1030,	515 },
	{ "7: all but the ends", 1,	2046,	1026 },
	{ "8: everything",	0,	2047,	4 },
};

KUNIT_ARRAY_PARAM_DESC(huge_spans, huge_spans, name);

static void a_conversion_cuts_what_reaches_out_of_it(struct kunit *test)
{
	const struct huge_span *span = test->param_value;
	struct huge_model *m;
	enum gmem_state state;

	for (state = GMEM_PRIVATE; state <= GMEM_SHARED; state++) {
		m = huge_model_alloc(test, 4 * BLOCK, 9, state);
		huge_convert(m, span->start, span->last, !state, 9);
		huge_expect(m);
		KUNIT_EXPECT_EQ(test, span->nr_folios, huge_nr_folios(m));
		/* And back: one folio each, where they have always been. */
		huge_convert(m, span->start, span->last, state, 9);
		huge_expect(m);
		KUNIT_EXPECT_EQ(test, 4, huge_nr_folios(m));
	}
}

static void blocks_that_become_equal_bit_by_bit_are_joined(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);

	huge_convert(m, 100, 199, GMEM_PRIVATE, 9);
	huge_convert(m, 300, 600, GMEM_PRIVATE, 9);
	huge_expect(m);
	/* Several runs in one request, in a block that is one kind afterwards. */
	huge_convert(m, 0, 511, GMEM_PRIVATE, 9);
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, 9, m->pages[0].order);
	KUNIT_EXPECT_EQ(test, 0, m->pages[600].order);
	huge_convert(m, 512, 600, GMEM_SHARED, 9);
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, 2, huge_nr_folios(m));
}

static void a_hole_is_cut_out(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_PRIVATE);
	struct gmem_report report;
	pgoff_t i;

	KUNIT_ASSERT_EQ(test, 0, gmem_punch_range(m->env->space, 700, 1600, 0,
						  &report));
	huge_model_punch(m, 700, 1600);
	huge_expect(m);

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(m->env->folios, 1100,
						      1100));
	for (i = 1024; i < 1536; i++) {
		struct folio *folio = folios_hold(test, m->env, i);

		KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
		folio_put(folio);
	}
}

/* --- cases: who is in the way ---------------------------------------------- */

struct huge_pin {
	const char *name;
	pgoff_t pin;
	pgoff_t start;
	pgoff_t last;
	pgoff_t in_the_way;
};

static const struct huge_pin huge_pins[] = {
	{ "first of request",	700,	700,	799,	700 },
	{ "last of request",	799,	700,	799,	700 },
	{ "before request",	512,	700,	799,	700 },
	{ "behind request",	1023,	700,	799,	700 },
	{ "second folio",	1024,	700,	1030,	1024 },
	{ "end of second",	1535,	700,	1030,	1024 },
	{ "whole folio",	900,	512,	1023,	512 },
	{ "whole folio inside",	1100,	700,	1600,	1024 },
};

KUNIT_ARRAY_PARAM_DESC(huge_pins, huge_pins, name);

static void a_folio_in_use_is_not_cut(struct kunit *test)
{
	const struct huge_pin *p = test->param_value;
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio = folios_hold(test, m->env, p->pin);

	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(m->env->space, p->start, p->last,
					   GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, p->in_the_way, report.index);
	KUNIT_EXPECT_STREQ(test, "references", report.holder);
	KUNIT_EXPECT_EQ(test, 2, report.refs_seen);
	KUNIT_EXPECT_EQ(test, 1, report.refs_expected);
	folio_put(folio);
	huge_expect(m);
	huge_convert(m, p->start, p->last, GMEM_PRIVATE, 9);
	huge_expect(m);
}

static void a_hole_in_a_folio_in_use_is_refused(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct folio *folio = folios_hold(test, m->env, 100);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_punch_range(m->env->space, 200, 600, 0, &report));
	KUNIT_EXPECT_EQ(test, 200, report.index);
	folio_put(folio);
	huge_expect(m);
	/* All of it is no different from pages: he keeps the old one. */
	folio = folios_hold(test, m->env, 100);
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(m->env->space, 0, 1023, 0,
						  &report));
	KUNIT_EXPECT_NULL(test, gmem_folios_get(m->env->folios, 100));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
	folio_put(folio);
}

/* Whoever keeps a block from becoming one folio refuses nothing. */
static void a_neighbour_in_use_leaves_a_block_split(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio;

	huge_convert(m, 100, 199, GMEM_PRIVATE, 9);
	folio = folios_hold(test, m->env, 400);
	KUNIT_ASSERT_EQ(test, 0, gmem_convert_range(m->env->space, 100, 199,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_TRUE(test, report.left_split);
	huge_model_convert(m, 100, 199, GMEM_SHARED, 0);
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));

	KUNIT_EXPECT_EQ(test, 0, gmem_merge_range(m->env->space, 5, 5, 0,
						  &report));
	KUNIT_EXPECT_TRUE(test, report.left_split);
	folio_put(folio);
	huge_expect(m);

	KUNIT_EXPECT_EQ(test, 0, gmem_merge_range(m->env->space, 5, 5, 0,
						  &report));
	KUNIT_EXPECT_FALSE(test, report.left_split);
	huge_set_order(m, 0, 9, 9);
	huge_expect(m);
}

/*
 * As above, in a block of folios of up to @order; returns the folio that is in the
 * way, which is still held.
 */
static struct folio *huge_leave_split(struct huge_model *m, unsigned int order)
{
	struct gmem_report report;
	struct folio *folio;

	huge_convert(m, 100, 199, GMEM_PRIVATE, order);
	folio = folios_hold(m->test, m->env, 400);
	KUNIT_ASSERT_EQ(m->test, 0,
			gmem_convert_range(m->env->space, 100, 199, GMEM_SHARED,
					   0, &report));
	KUNIT_EXPECT_TRUE(m->test, report.left_split);
	return folio;
}

static unsigned int huge_order_at(struct huge_model *m, pgoff_t index)
{
	struct folio *folio = folios_hold(m->test, m->env, index);
	unsigned int order = folio_order(folio);

	folio_put(folio);
	return order;
}

/* Whether the page at @index is in a folio of 2 MiB within 10 s. */
static bool huge_becomes_whole(struct huge_model *m, pgoff_t index)
{
	unsigned int i;

	for (i = 0; i < 200; i++) {
		if (huge_order_at(m, index) == 9)
			return true;
		msleep(50);
	}
	return false;
}

static void what_was_left_split_is_joined_later(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 3 * BLOCK, 9, GMEM_SHARED);
	struct folio *folio;

	gmem_folios_merge_later(m->env->folios, 1);
	folio = huge_leave_split(m, 9);
	huge_model_convert(m, 100, 199, GMEM_SHARED, 0);
	/* For some attempts it is still in use. */
	schedule_timeout_uninterruptible(10);
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, 0, huge_order_at(m, 100));
	folio_put(folio);
	KUNIT_EXPECT_TRUE(test, huge_becomes_whole(m, 100));
	huge_set_order(m, 0, 9, 9);
	huge_expect(m);
}

/* Whoever uses a page for ever is not disturbed for ever. */
static void the_background_gives_up(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, BLOCK, 9, GMEM_SHARED);
	struct folio *folio;

	gmem_folios_merge_later(m->env->folios, 1);
	folio = huge_leave_split(m, 9);
	/* 1 + 2 + 4 ... + 128, and what the attempts themselves take. */
	schedule_timeout_uninterruptible(255 + HZ);
	folio_put(folio);
	schedule_timeout_uninterruptible(300);
	KUNIT_EXPECT_EQ(test, 0, huge_order_at(m, 100));

	/* Until the next conversion. */
	huge_model_convert(m, 100, 199, GMEM_SHARED, 0);
	folio_put(huge_leave_split(m, 0));
	KUNIT_EXPECT_TRUE(test, huge_becomes_whole(m, 100));
	huge_model_convert(m, 100, 199, GMEM_SHARED, 0);
	huge_set_order(m, 0, 9, 9);
	huge_expect(m);
}

/* A conversion does not wait for the long breaks of an earlier one. */
static void a_new_conversion_is_joined_soon(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, BLOCK, 9, GMEM_SHARED);
	struct folio *folio;

	gmem_folios_merge_later(m->env->folios, 20);
	folio = huge_leave_split(m, 9);
	/* Tried at 20, 60, 140 and 300, and not before 620. */
	schedule_timeout_uninterruptible(340);
	folio_put(folio);
	huge_model_convert(m, 100, 199, GMEM_SHARED, 0);
	folio_put(huge_leave_split(m, 0));
	schedule_timeout_uninterruptible(100);
	KUNIT_EXPECT_EQ(test, 9, huge_order_at(m, 100));
}

static void a_file_may_go_before_its_folios_are_joined(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, BLOCK, 9, GMEM_SHARED);
	struct folio *folio;

	gmem_folios_merge_later(m->env->folios, 1);
	folio = huge_leave_split(m, 9);
	folios_env_free(m->env);
	schedule_timeout_uninterruptible(5);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	folio_put(folio);
}

static void a_merge_leaves_two_kinds_alone(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct gmem_report report;

	huge_convert(m, 500, 530, GMEM_PRIVATE, 9);
	KUNIT_EXPECT_EQ(test, 0, gmem_merge_range(m->env->space, 0, 1023, 0,
						  &report));
	KUNIT_EXPECT_FALSE(test, report.left_split);
	huge_expect(m);
}

static void a_limit_keeps_pages_apart(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct gmem_run limited = { 0, 511 };

	huge_convert(m, 100, 600, GMEM_PRIVATE, 9);
	gmem_space_limit(m->env->space, &limited, 0);
	huge_convert(m, 100, 600, GMEM_SHARED, 9);
	huge_set_order(m, 0, 9, 0);
	huge_expect(m);
}

/* Fails @op on pages 700 to 1600, of three folios, at each of its steps. */
static void huge_fail_every_step(struct huge_model *m,
				 int (*op)(struct gmem_space *space))
{
	unsigned long slots = gmem_fault_count(GMEM_FAULT_FOLIOS_SLOTS);
	unsigned int nth;
	int ret;

	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		ret = op(m->env->space);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_NE(m->test, 0, ret);
		huge_expect(m);
	}
	KUNIT_ASSERT_EQ(m->test, 0, ret);
	/* Slots for the pages of either end are among them. */
	KUNIT_EXPECT_EQ(m->test, slots + 2,
			gmem_fault_count(GMEM_FAULT_FOLIOS_SLOTS));
}

static int huge_convert_some(struct gmem_space *space)
{
	struct gmem_report report;

	return gmem_convert_range(space, 700, 1600, GMEM_PRIVATE, 0, &report);
}

static int huge_punch_some(struct gmem_space *space)
{
	struct gmem_report report;

	return gmem_punch_range(space, 700, 1600, 0, &report);
}

static void a_refused_step_changes_no_folio(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_SHARED);

	huge_fail_every_step(m, huge_convert_some);
	huge_model_convert(m, 700, 1600, GMEM_PRIVATE, 9);
	huge_expect(m);
}

static void a_refused_step_punches_no_folio(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_SHARED);

	huge_fail_every_step(m, huge_punch_some);
	huge_model_punch(m, 700, 1600);
	huge_expect(m);
}

/* --- cases: what is lost --------------------------------------------------- */

static void a_poisoned_page_keeps_its_mark(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct page *bad = pfn_to_page(m->pages[700].pfn);
	struct gmem_report report;
	struct folio *folio;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "lane: pages have no mark without MEMORY_FAILURE");
	SetPageHWPoison(bad);
	folio_set_has_hwpoisoned(page_folio(bad));

	/* Not this page, so not its business. */
	huge_convert(m, 800, 899, GMEM_PRIVATE, 9);
	KUNIT_EXPECT_TRUE(test, PageHWPoison(bad));
	KUNIT_EXPECT_FALSE(test, PageHWPoison(bad + 1));
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_convert_range(m->env->space, 600, 750,
					   GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 700, report.index);

	/* No folio is made of it again. */
	huge_convert(m, 800, 899, GMEM_SHARED, 0);
	huge_expect(m);
	folio = page_folio(bad);
	KUNIT_EXPECT_EQ(test, 0, folio_order(folio));
	ClearPageHWPoison(bad);
	KUNIT_EXPECT_EQ(test, 0, gmem_merge_range(m->env->space, 700, 700, 0,
						  &report));
	huge_set_order(m, 512, 9, 9);
	huge_expect(m);
}

/* --- cases: the time in between --------------------------------------------- */

/*
 * A client that looks around while it is asked, may lose a page, and may find
 * that one has a memory error.
 */
struct huge_client {
	struct gmem_client client;
	struct huge_model *m;
	pgoff_t neighbour;
	int host;	/* what a host fault there is told */
	int guest;	/* what a guest fault there is told */
	pgoff_t lose;	/* 0: nothing */
	pgoff_t fail;	/* 0: nothing */
	struct completion failed;
};

static int huge_client_prepare(struct gmem_slot *slot)
{
	struct huge_client *c = container_of(slot->client, struct huge_client,
					     client);

	c->host = gmem_space_lookup(c->m->env->space, c->neighbour,
				    GMEM_SCOPE_EFFECTIVE);
	c->guest = gmem_space_lookup(c->m->env->space, c->neighbour,
				     GMEM_SCOPE_REQUEST);
	return 0;
}

static void huge_client_invalidate(struct gmem_slot *slot)
{
	struct huge_client *c = container_of(slot->client, struct huge_client,
					     client);

	if (c->lose)
		gmem_client_quarantine(slot->client, c->lose, c->lose);
	/* All that memory failure does with a page that nobody has. */
	if (c->fail)
		SetPageHWPoison(pfn_to_page(c->m->pages[c->fail].pfn));
}

static void huge_client_abort(struct gmem_slot *slot)
{
}

static void huge_client_revoke(struct gmem_client *client, pgoff_t start,
			       pgoff_t last)
{
	struct huge_client *c = container_of(client, struct huge_client, client);

	if (start == c->fail && last == c->fail)
		complete(&c->failed);
}

static void huge_client_add(struct huge_model *m, struct huge_client *c)
{
	static const struct gmem_client_ops ops = {
		.prepare = huge_client_prepare,
		.invalidate = huge_client_invalidate,
		.abort = huge_client_abort,
		.revoke = huge_client_revoke,
	};

	c->m = m;
	init_completion(&c->failed);
	c->client.ops = &ops;
	c->client.name = "huge";
	c->client.range = (struct gmem_run){ 0, m->nr_pages - 1 };
	KUNIT_ASSERT_EQ(m->test, 0,
			gmem_client_register(m->env->space, &c->client));
}

/* Defect 7: a neighbour's fault would map the folio that is being cut, whole. */
static void the_fence_is_around_the_whole_folio(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_SHARED);
	struct huge_client c = { .neighbour = 1000 };

	huge_client_add(m, &c);
	huge_convert(m, 700, 799, GMEM_PRIVATE, 9);
	KUNIT_EXPECT_EQ(test, -EAGAIN, c.host);
	KUNIT_EXPECT_EQ(test, GMEM_SHARED, c.guest);
	/* In pages, they are nobody's business, as long as they stay pages. */
	huge_convert(m, 750, 760, GMEM_SHARED, 9);
	KUNIT_EXPECT_EQ(test, GMEM_SHARED, c.host);
	huge_convert(m, 750, 760, GMEM_PRIVATE, 9);
	KUNIT_EXPECT_EQ(test, GMEM_SHARED, c.host);
	/* To become one again, they are. */
	huge_convert(m, 700, 799, GMEM_SHARED, 9);
	KUNIT_EXPECT_EQ(test, -EAGAIN, c.host);
	gmem_client_unregister(&c.client);
	huge_expect(m);
}

static void a_folio_that_hardware_keeps_is_lost_whole(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_PRIVATE);
	struct huge_client c = { .lose = 750 };
	struct gmem_report report;
	struct page *page;
	pgoff_t i;

	huge_client_add(m, &c);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(m->env->space, 700, 799,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_TRUE(test, report.quarantined);
	KUNIT_EXPECT_EQ(test, 700, report.index);
	for (i = 512; i < 1024; i++)
		KUNIT_ASSERT_EQ(test, -EHWPOISON,
				gmem_space_lookup(m->env->space, i,
						  GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(test, GMEM_PRIVATE,
			gmem_space_lookup(m->env->space, 511,
					  GMEM_SCOPE_EFFECTIVE));
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_merge_range(m->env->space, 700, 700, 0, &report));
	c.lose = 0;
	huge_convert(m, 0, 511, GMEM_SHARED, 9);

	/* G6: not freed with the file; the test does it in the end. */
	gmem_client_unregister(&c.client);
	gmem_folios_free(m->env->folios);
	m->env->folios = NULL;
	for (i = 512; i < 1024; i++) {
		page = pfn_to_page(m->pages[i].pfn);
		KUNIT_ASSERT_EQ(test, 1, page_ref_count(page));
		if (IS_ENABLED(CONFIG_MEMORY_FAILURE)) {
			KUNIT_ASSERT_TRUE(test, PageHWPoison(page));
			ClearPageHWPoison(page);
			num_poisoned_pages_sub(m->pages[i].pfn, 1);
		}
		put_page(page);
	}
}

/*
 * Defect 16, of a page in a folio that is being cut, on either side: the mark is
 * on the page alone, and whoever unfreezes its folio has to find it.
 */
static void an_error_while_a_folio_is_cut_reaches_the_clients(struct kunit *test)
{
	static const pgoff_t fail[] = { 513, 720, 1023 };
	unsigned int i;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "lane: pages have no mark without MEMORY_FAILURE");
	for (i = 0; i < ARRAY_SIZE(fail); i++) {
		struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9,
							GMEM_SHARED);
		struct huge_client c = { .fail = fail[i] };
		struct page *page = pfn_to_page(m->pages[fail[i]].pfn);

		huge_client_add(m, &c);
		huge_convert(m, 700, 799, GMEM_PRIVATE, 9);
		KUNIT_EXPECT_TRUE(test, wait_for_completion_timeout(&c.failed,
								    5 * HZ));
		KUNIT_EXPECT_TRUE(test, PageHWPoison(page));
		gmem_client_unregister(&c.client);
		ClearPageHWPoison(page);
		folios_env_free(m->env);
	}
}

static void a_client_gets_the_page_in_the_folio(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_PRIVATE);
	unsigned long pfn;

	KUNIT_EXPECT_EQ(test, 0, gmem_folios_pfn(m->env->folios, 777, NULL,
						 NULL, &pfn));
	KUNIT_EXPECT_EQ(test, m->pages[777].pfn, pfn);
	KUNIT_EXPECT_EQ(test, 9, gmem_space_max_order(m->env->space, 777, 18));
	huge_expect(m);
}

static int huge_populate(void *priv, pgoff_t index, struct page *page,
			 struct page *src)
{
	huge_stamp(page, index);
	return 0;
}

static void what_is_populated_is_one_folio(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc_order(test, 2 * BLOCK, 9,
							GMEM_PRIVATE);
	struct gmem_report report;
	struct folio *folio;
	pgoff_t i;

	KUNIT_EXPECT_EQ(test, 100,
			gmem_folios_populate(env->folios, 450, 549, NULL, 0,
					     huge_populate, NULL, &report));
	for (i = 450; i <= 549; i++) {
		folio = folios_hold(test, env, i);
		KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
		KUNIT_EXPECT_TRUE(test, huge_stamped(folio_page(folio, i % 512),
						     i));
		folio_put(folio);
	}
}

/* Not a smaller one, which would stay. */
static void a_folio_that_cannot_be_had_is_an_error(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc_order(test, BLOCK, 9,
							GMEM_SHARED);
	/* The chunk; then that is there, and it is the memory, and its charge. */
	static const unsigned int steps[] = { 1, 1, 2 };
	struct folio *folio;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		gmem_fault_nth(steps[i]);
		KUNIT_EXPECT_EQ(test, -ENOMEM,
				gmem_folios_allocate(env->folios, 5, 5));
		KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
		KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 5));
	}
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 5, 5));
	folio = folios_hold(test, env, 5);
	KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
	folio_put(folio);
}

static void populate_names_the_page_where_a_folio_cannot_be_had(struct kunit *test)
{
	struct gmem_report report;
	struct folios_env *env;
	unsigned int nth;
	long done;

	for (nth = 1; ; nth++) {
		env = folios_env_alloc_order(test, 2 * BLOCK, 9, GMEM_PRIVATE);
		gmem_fault_nth(nth);
		done = gmem_folios_populate(env->folios, 450, 549, NULL, 0,
					    huge_populate, NULL, &report);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_LT(test, report.error, 0);
		KUNIT_EXPECT_EQ(test, 450 + (pgoff_t)max(done, 0L),
				report.index);
		if (done < 0)
			KUNIT_EXPECT_EQ(test, report.error, done);
		folios_env_free(env);
	}
	KUNIT_EXPECT_EQ(test, 100, done);
	KUNIT_EXPECT_EQ(test, 0, report.error);
}

/* --- cases: everything is given back ---------------------------------------- */

static void the_kernel_counts_every_page_once(struct kunit *test)
{
	unsigned long files = folios_stat(NR_FILE_PAGES);
	unsigned long thps = folios_stat(NR_FILE_THPS);
	unsigned long unevictable = folios_stat(NR_UNEVICTABLE);
	struct huge_model *m = huge_model_alloc(test, 4 * BLOCK, 9, GMEM_SHARED);
	struct gmem_report report;
	bool thp = folio_test_pmd_mappable(page_folio(pfn_to_page(m->pages[0].pfn)));

	KUNIT_EXPECT_EQ(test, files + 2048, folios_stat(NR_FILE_PAGES));
	KUNIT_EXPECT_EQ(test, thps + 2048 * thp, folios_stat(NR_FILE_THPS));
	huge_convert(m, 700, 1600, GMEM_PRIVATE, 9);
	KUNIT_EXPECT_EQ(test, files + 2048, folios_stat(NR_FILE_PAGES));
	KUNIT_EXPECT_EQ(test, thps + 1024 * thp, folios_stat(NR_FILE_THPS));
	KUNIT_EXPECT_EQ(test, unevictable + 2048, folios_stat(NR_UNEVICTABLE));
	huge_convert(m, 700, 1600, GMEM_SHARED, 9);
	KUNIT_EXPECT_EQ(test, thps + 2048 * thp, folios_stat(NR_FILE_THPS));
	KUNIT_EXPECT_EQ(test, unevictable + 2048, folios_stat(NR_UNEVICTABLE));
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(m->env->space, 100, 1923, 0,
						  &report));
	KUNIT_EXPECT_EQ(test, files + 224, folios_stat(NR_FILE_PAGES));
	KUNIT_EXPECT_EQ(test, thps, folios_stat(NR_FILE_THPS));
	gmem_folios_free(m->env->folios);
	m->env->folios = NULL;
	KUNIT_EXPECT_EQ(test, files, folios_stat(NR_FILE_PAGES));
	KUNIT_EXPECT_EQ(test, unevictable, folios_stat(NR_UNEVICTABLE));
}

/*
 * Also those that a CPU keeps for itself, and those of slabs: KASAN keeps what was
 * freed there for a while.
 */
static unsigned long huge_free_pages(void)
{
	unsigned long nr = folios_stat(NR_SLAB_RECLAIMABLE_B) +
			   folios_stat(NR_SLAB_UNRECLAIMABLE_B);
	struct zone *zone;
	int cpu;

	for_each_populated_zone(zone) {
		nr += zone_page_state_snapshot(zone, NR_FREE_PAGES);
		for_each_online_cpu(cpu)
			nr += per_cpu_ptr(zone->per_cpu_pageset, cpu)->count;
	}
	return nr;
}

/* One page lost in each round would be seen. */
static void many_files_leave_no_page_behind(struct kunit *test)
{
	const int rounds = 300;
	unsigned long before = 0, free;
	struct gmem_report report;
	struct folios_env *env;
	int i;

	/* The first rounds fill lists of the CPUs and slabs. */
	for (i = -50; i < rounds; i++) {
		if (!i)
			before = huge_free_pages();
		env = folios_env_alloc_order(test, 2 * BLOCK, 9, GMEM_SHARED);
		KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 0,
							      2 * BLOCK - 1));
		KUNIT_ASSERT_EQ(test, 0,
				gmem_convert_range(env->space, 500, 600,
						   GMEM_PRIVATE, 0, &report));
		KUNIT_ASSERT_EQ(test, 0, gmem_punch_range(env->space, 700, 710,
							  0, &report));
		KUNIT_ASSERT_EQ(test, 0,
				gmem_convert_range(env->space, 500, 600,
						   GMEM_SHARED, 0, &report));
		folios_env_free(env);
	}
	free = huge_free_pages();
	KUNIT_EXPECT_LT(test, (long)(before - free), rounds);
}

static void a_folio_outlives_the_file(struct kunit *test)
{
	struct huge_model *m = huge_model_alloc(test, 2 * BLOCK, 9, GMEM_SHARED);
	struct folio *folio = folios_hold(test, m->env, 600);

	gmem_folios_free(m->env->folios);
	m->env->folios = NULL;
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, 9, folio_order(folio));
	KUNIT_EXPECT_NULL(test, folio->mapping);
	folio_put(folio);
}

/* --- cases: by chance ------------------------------------------------------- */

/* A span of pages that begins and ends where something happens, often. */
static pgoff_t huge_random_index(struct rnd_state *rnd, pgoff_t nr_pages)
{
	u32 r = prandom_u32_state(rnd);
	pgoff_t index = (r >> 3) % nr_pages;

	switch (r & 7) {
	case 0:
		return index & ~(BLOCK - 1);
	case 1:
		return index | (BLOCK - 1);
	default:
		return index;
	}
}

static void any_sequence_leaves_what_the_model_says(struct kunit *test)
{
	const pgoff_t nr_pages = 3 * BLOCK;
	struct huge_model *m = huge_model_alloc(test, nr_pages, 9, GMEM_SHARED);
	struct folio *held = NULL;
	struct gmem_report report;
	struct rnd_state rnd;
	pgoff_t a, b, i;
	int ret, n;

	prandom_seed_state(&rnd, 42);
	for (n = 0; n < 300; n++) {
		enum gmem_state target = prandom_u32_state(&rnd) & 1;

		a = huge_random_index(&rnd, nr_pages);
		b = huge_random_index(&rnd, nr_pages);
		if (a > b)
			swap(a, b);
		if (!(n % 3))
			held = folios_hold(test, m->env,
					   huge_random_index(&rnd, nr_pages));
		ret = gmem_convert_range(m->env->space, a, b, target, 0,
					 &report);
		if (held)
			folio_put(held);
		if (held && ret == -EAGAIN) {
			held = NULL;
		} else {
			KUNIT_ASSERT_EQ(test, 0, ret);
			huge_model_convert(m, a, b, target,
					   report.left_split ? 0 : 9);
			held = NULL;
			if (report.left_split) {
				ret = gmem_merge_range(m->env->space, 0,
						       nr_pages - 1, 0, &report);
				KUNIT_ASSERT_EQ(test, 0, ret);
				for (i = 0; i < nr_pages; i += BLOCK)
					if (huge_uniform(m, i, 9))
						huge_set_order(m, i, 9, 9);
			}
		}
		huge_expect(m);
	}
}

/* --- cases: 1 GiB ----------------------------------------------------------- */

#define GIGANTIC	BIT(18)

static struct huge_model *gigantic_model_alloc(struct kunit *test,
					       enum gmem_state state)
{
	if (totalram_pages() < 3 * GIGANTIC)
		kunit_skip(test, "lane: not enough memory for folios of 1 GiB");
	return huge_model_alloc(test, GIGANTIC, 18, state);
}

/* The same of a file of one folio of 1 GiB. */
static const struct huge_span gigantic_spans[] = {
	{ "9: one page",	123456,	123456,	1023 },
	{ "10: first page",	0,	0,	1023 },
	{ "11: one of 2 MiB",	512,	1023,	512 },
	{ "12: across two",	1000,	1100,	1534 },
	{ "13: several",	1000,	5000,	1534 },
	{ "14: everything",	0,	262143,	1 },
};

KUNIT_ARRAY_PARAM_DESC(gigantic_spans, gigantic_spans, name);

static void a_gigabyte_is_cut_at_the_ends_only(struct kunit *test)
{
	const struct huge_span *span = test->param_value;
	struct huge_model *m = gigantic_model_alloc(test, GMEM_SHARED);

	KUNIT_EXPECT_EQ(test, 1, huge_nr_folios(m));
	huge_convert(m, span->start, span->last, GMEM_PRIVATE, 18);
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, span->nr_folios, huge_nr_folios(m));
	huge_convert(m, span->start, span->last, GMEM_SHARED, 18);
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, 1, huge_nr_folios(m));
}

static void a_gigabyte_in_use_is_not_cut(struct kunit *test)
{
	struct huge_model *m = gigantic_model_alloc(test, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio = folios_hold(test, m->env, 200000);

	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(m->env->space, 700, 800,
					   GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 700, report.index);
	folio_put(folio);
	huge_expect(m);

	/* In pieces, only those of the request count. */
	huge_convert(m, 700, 700, GMEM_PRIVATE, 18);
	folio = folios_hold(test, m->env, 200000);
	huge_convert(m, 5000, 5100, GMEM_PRIVATE, 18);
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(m->env->space, 5000, 5100,
					   GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_FALSE(test, report.left_split);
	huge_model_convert(m, 5000, 5100, GMEM_SHARED, 9);
	/* The block becomes one again, the gigabyte cannot. */
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(m->env->space, 700, 700,
					   GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_TRUE(test, report.left_split);
	huge_model_convert(m, 700, 700, GMEM_SHARED, 9);
	folio_put(folio);
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, 0, gmem_merge_range(m->env->space, 700, 700, 0,
						  &report));
	KUNIT_EXPECT_FALSE(test, report.left_split);
	huge_set_order(m, 0, 18, 18);
	huge_expect(m);
}

static void a_refused_step_changes_no_gigabyte(struct kunit *test)
{
	struct huge_model *m = gigantic_model_alloc(test, GMEM_PRIVATE);
	struct gmem_report report;
	unsigned int nth;
	int ret;

	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		ret = gmem_convert_range(m->env->space, 1000, 2000, GMEM_SHARED,
					 0, &report);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_NE(test, 0, ret);
		KUNIT_EXPECT_EQ(test, 18, folio_order(pfn_folio(m->pages[0].pfn)));
	}
	KUNIT_ASSERT_EQ(test, 0, ret);
	huge_model_convert(m, 1000, 2000, GMEM_SHARED, 18);
	huge_expect(m);
}

static void a_gigabyte_with_holes_is_given_back(struct kunit *test)
{
	unsigned long files = folios_stat(NR_FILE_PAGES);
	struct huge_model *m = gigantic_model_alloc(test, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_EXPECT_EQ(test, files + GIGANTIC, folios_stat(NR_FILE_PAGES));
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(m->env->space, 77777, 99999,
						  0, &report));
	huge_model_cut(m, 77777, 99999);
	memset(&m->pages[77777], 0, (99999 - 77777 + 1) * sizeof(*m->pages));
	huge_expect(m);
	KUNIT_EXPECT_EQ(test, files + GIGANTIC - 22223,
			folios_stat(NR_FILE_PAGES));
	gmem_folios_free(m->env->folios);
	m->env->folios = NULL;
	KUNIT_EXPECT_EQ(test, files, folios_stat(NR_FILE_PAGES));
}

static struct kunit_case gigantic_cases[] = {
	KUNIT_CASE_PARAM_ATTR(a_gigabyte_is_cut_at_the_ends_only,
			      gigantic_spans_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(a_gigabyte_in_use_is_not_cut),
	KUNIT_CASE_SLOW(a_refused_step_changes_no_gigabyte),
	KUNIT_CASE_SLOW(a_gigabyte_with_holes_is_given_back),
	{}
};

static struct kunit_suite gigantic_suite = {
	.name = "gmem_gigantic",
	.suite_init = folios_suite_init,
	.suite_exit = folios_suite_exit,
	.test_cases = gigantic_cases,
};

static struct kunit_case huge_cases[] = {
	KUNIT_CASE(a_file_is_made_of_folios_of_its_order),
	KUNIT_CASE(what_is_no_whole_block_is_pages),
	KUNIT_CASE(a_block_of_two_kinds_gets_pages),
	KUNIT_CASE_PARAM(a_conversion_cuts_what_reaches_out_of_it,
			 huge_spans_gen_params),
	KUNIT_CASE(blocks_that_become_equal_bit_by_bit_are_joined),
	KUNIT_CASE(a_hole_is_cut_out),
	KUNIT_CASE_PARAM(a_folio_in_use_is_not_cut, huge_pins_gen_params),
	KUNIT_CASE(a_hole_in_a_folio_in_use_is_refused),
	KUNIT_CASE(a_neighbour_in_use_leaves_a_block_split),
	KUNIT_CASE(what_was_left_split_is_joined_later),
	KUNIT_CASE_SLOW(the_background_gives_up),
	KUNIT_CASE_SLOW(a_new_conversion_is_joined_soon),
	KUNIT_CASE(a_file_may_go_before_its_folios_are_joined),
	KUNIT_CASE(a_merge_leaves_two_kinds_alone),
	KUNIT_CASE(a_limit_keeps_pages_apart),
	KUNIT_CASE(a_refused_step_changes_no_folio),
	KUNIT_CASE(a_refused_step_punches_no_folio),
	KUNIT_CASE(a_poisoned_page_keeps_its_mark),
	KUNIT_CASE(the_fence_is_around_the_whole_folio),
	KUNIT_CASE(a_folio_that_hardware_keeps_is_lost_whole),
	KUNIT_CASE(an_error_while_a_folio_is_cut_reaches_the_clients),
	KUNIT_CASE(a_client_gets_the_page_in_the_folio),
	KUNIT_CASE(what_is_populated_is_one_folio),
	KUNIT_CASE(a_folio_that_cannot_be_had_is_an_error),
	KUNIT_CASE(populate_names_the_page_where_a_folio_cannot_be_had),
	KUNIT_CASE(the_kernel_counts_every_page_once),
	KUNIT_CASE(many_files_leave_no_page_behind),
	KUNIT_CASE(a_folio_outlives_the_file),
	KUNIT_CASE(any_sequence_leaves_what_the_model_says),
	{}
};

static struct kunit_suite huge_suite = {
	.name = "gmem_huge",
	.suite_init = folios_suite_init,
	.suite_exit = folios_suite_exit,
	.test_cases = huge_cases,
};

kunit_test_suites(&huge_suite, &gigantic_suite);
