// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_folios: the provider, with a real inode and real folios.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/pagemap.h>

#include "folios_env.h"
#include "internal.h"
#include "world.h"

/* --- cases ---------------------------------------------------------------- */

static void a_wrong_mapping_is_refused(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 1, GMEM_SHARED);
	struct address_space *mapping = env->inode->i_mapping;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, 0, 0,
						  GMEM_SHARED, NULL)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, ULONG_MAX, 0,
						  GMEM_SHARED, NULL)));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, 1, 5,
						  GMEM_SHARED, NULL)));
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER_MOVABLE);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, 1, 0,
						  GMEM_SHARED, NULL)));
	mapping_set_gfp_mask(mapping, GFP_HIGHUSER);
	mapping_clear_unevictable(mapping);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, 1, 0,
						  GMEM_SHARED, NULL)));
	mapping_set_unevictable(mapping);
	clear_bit(AS_INACCESSIBLE, &mapping->flags);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			PTR_ERR(gmem_folios_alloc("x", mapping, 1, 0,
						  GMEM_SHARED, NULL)));
	mapping_set_inaccessible(mapping);
}

static void a_new_page_is_zero_and_belongs_to_the_file(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 1024, GMEM_PRIVATE);
	struct folio *folio;

	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 600));
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 600, 600));
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 601));
	folio = folios_hold(test, env, 600);
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	KUNIT_EXPECT_PTR_EQ(test, folio->mapping, env->inode->i_mapping);
	KUNIT_EXPECT_EQ(test, 600, folio->index);
	KUNIT_EXPECT_TRUE(test, folio_test_uptodate(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_dirty(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_lru(folio));
	KUNIT_EXPECT_TRUE(test, folio_test_unevictable(folio));
	KUNIT_EXPECT_EQ(test, 0, folio_byte(folio));
	folio_put(folio);
	/* Populating again changes nothing. */
	KUNIT_EXPECT_EQ(test, 0, gmem_folios_allocate(env->folios, 600, 600));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
}

static void a_reference_names_its_page_and_is_all_it_takes(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 1024, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 500, 530));
	folio = folios_hold(test, env, 517);
	folio_get(folio);
	KUNIT_EXPECT_EQ(test, -EAGAIN,
			gmem_convert_range(env->space, 0, 1023, GMEM_PRIVATE, 0,
					   &report));
	KUNIT_EXPECT_EQ(test, 517, report.index);
	KUNIT_EXPECT_EQ(test, 3, report.refs_seen);
	KUNIT_EXPECT_EQ(test, 1, report.refs_expected);
	KUNIT_EXPECT_EQ(test, 3, folio_ref_count(folio));
	folio_put(folio);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 1023,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
}

static void a_page_keeps_its_contents_across_conversions(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 3, 3));
	folio = folios_hold(test, env, 3);
	folio_set_byte(folio, 0x5a);
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 7,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 0, 7,
						    GMEM_SHARED, 0, &report));
	folio = folios_hold(test, env, 3);
	KUNIT_EXPECT_EQ(test, 0x5a, folio_byte(folio));
	folio_put(folio);
}

static void a_punched_page_lives_on_with_who_holds_it(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_report report;
	struct folio *folio, *other;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 3, 3));
	folio = folios_hold(test, env, 3);
	folio_set_byte(folio, 0x5a);
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(env->space, 0, 7, 0, &report));
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 3));
	KUNIT_EXPECT_NULL(test, folio->mapping);
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, 0x5a, folio_byte(folio));

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 3, 3));
	other = folios_hold(test, env, 3);
	KUNIT_EXPECT_PTR_NE(test, folio, other);
	KUNIT_EXPECT_EQ(test, 0, folio_byte(other));
	folio_put(other);
	folio_put(folio);
}

static void every_page_is_given_back(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 2048, GMEM_SHARED);
	unsigned long before = folios_stat(NR_FILE_PAGES);
	struct folio *folio;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 100, 1500));
	KUNIT_EXPECT_EQ(test, before + 1401, folios_stat(NR_FILE_PAGES));
	folio = folios_hold(test, env, 1500);
	gmem_folios_free(env->folios);
	env->folios = NULL;
	KUNIT_EXPECT_EQ(test, before, folios_stat(NR_FILE_PAGES));
	/* Held by us alone, and no longer part of anything. */
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_NULL(test, folio->mapping);
	folio_put(folio);
}

/* Asks for a page while the fence is up. */
static struct folios_env *asking;
static struct folio *asked;

static int ask_prepare(struct gmem_slot *slot)
{
	return 0;
}

static void ask_invalidate(struct gmem_slot *slot)
{
	asked = gmem_folios_get(asking->folios, slot->span.start);
}

static void ask_nop(struct gmem_slot *slot)
{
}

static void ask_revoke(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
}

static void a_frozen_page_cannot_be_referenced(struct kunit *test)
{
	static const struct gmem_client_ops ops = {
		.prepare = ask_prepare, .invalidate = ask_invalidate,
		.abort = ask_nop, .revoke = ask_revoke,
	};
	struct gmem_client client = {
		.ops = &ops, .name = "ask", .range = { 0, 7 },
	};
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_report report;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 3, 3));
	KUNIT_ASSERT_EQ(test, 0, gmem_client_register(env->space, &client));
	asking = env;
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 3, 3,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, -EAGAIN, PTR_ERR(asked));
	gmem_client_unregister(&client);
	folio_put(folios_hold(test, env, 3));
}

/* --- pages that are lost ---------------------------------------------------- */

/* A client that does something to the first page it is to unmap. */
struct loser {
	struct gmem_client client;
	struct folios_env *env;
	void (*lose)(struct loser *loser, pgoff_t index);
	struct folio *folio;
	struct completion revoked;
};

static void loser_invalidate(struct gmem_slot *slot)
{
	struct loser *loser = container_of(slot->client, struct loser, client);

	loser->lose(loser, slot->span.start);
}

static void loser_revoke(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
	struct loser *loser = container_of(client, struct loser, client);

	if (start == last)
		complete(&loser->revoked);
}

static void loser_add(struct kunit *test, struct loser *loser,
		      struct folios_env *env,
		      void (*lose)(struct loser *loser, pgoff_t index))
{
	static const struct gmem_client_ops ops = {
		.invalidate = loser_invalidate, .revoke = loser_revoke,
	};

	*loser = (struct loser){
		.client = { .ops = &ops, .name = "loser", .range = { 0, 7 } },
		.env = env,
		.lose = lose,
	};
	init_completion(&loser->revoked);
	KUNIT_ASSERT_EQ(test, 0,
			gmem_client_register(env->space, &loser->client));
}

/* What /proc/meminfo calls HardwareCorrupted, in pages. */
static long poisoned_pages(void)
{
#ifdef CONFIG_MEMORY_FAILURE
	return atomic_long_read(&num_poisoned_pages);
#else
	return 0;
#endif
}

static void lose_to_hardware(struct loser *loser, pgoff_t index)
{
	gmem_client_quarantine(&loser->client, index, index);
}

/* G6: not by punching, not with the file; the test frees it in the end. */
static void a_page_that_hardware_keeps_is_never_freed(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	struct gmem_report report;
	struct loser loser;
	struct folio *folio;
	long before;

	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 0, 7));
	folio = folios_hold(test, env, 3);
	folio_put(folio);
	loser_add(test, &loser, env, lose_to_hardware);
	before = poisoned_pages();
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 3, 4,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_TRUE(test, report.quarantined);
	KUNIT_EXPECT_EQ(test, 3, report.index);
	KUNIT_EXPECT_EQ(test, IS_ENABLED(CONFIG_MEMORY_FAILURE),
			folio_test_hwpoison(folio));
	KUNIT_EXPECT_EQ(test, IS_ENABLED(CONFIG_MEMORY_FAILURE),
			poisoned_pages() - before);
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_punch_range(env->space, 0, 7, 0, &report));
	KUNIT_EXPECT_EQ(test, 3, report.index);
	/* Neither is it handed out, nor another in its place. */
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_space_lookup(env->space, 3, GMEM_SCOPE_EFFECTIVE));

	gmem_client_unregister(&loser.client);
	gmem_folios_free(env->folios);
	env->folios = NULL;
	KUNIT_EXPECT_EQ(test, 1, folio_ref_count(folio));
	KUNIT_EXPECT_NULL(test, folio->mapping);
	folio_clear_hwpoison(folio);
	if (IS_ENABLED(CONFIG_MEMORY_FAILURE))
		num_poisoned_pages_sub(folio_pfn(folio), 1);
	folio_put(folio);
}

static void lose_to_memory(struct loser *loser, pgoff_t index)
{
	folio_set_hwpoison(loser->folio);
}

/*
 * Defect 16: memory failure finds a page without references, marks it and
 * gives up, and nobody is told.
 */
static void an_error_on_a_frozen_page_reaches_the_clients(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_SHARED);
	struct gmem_report report;
	struct loser loser;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "lane: no memory failure");
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 0, 7));
	loser_add(test, &loser, env, lose_to_memory);
	loser.folio = folios_hold(test, env, 2);
	folio_put(loser.folio);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 2, 5,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&loser.revoked,
							  5 * HZ), 0);
	/* From then on it is in the way, whatever is asked for. */
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_convert_range(env->space, 0, 7, GMEM_SHARED, 0,
					   &report));
	KUNIT_EXPECT_EQ(test, 2, report.index);
	KUNIT_EXPECT_STREQ(test, "memory failure", report.holder);
	folio_clear_hwpoison(loser.folio);
	gmem_client_unregister(&loser.client);
}

/* Until it is punched out: then there is a new one. */
static void a_page_with_an_error_stays_until_it_is_punched(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	struct gmem_report report;
	struct folio *folio, *fresh;
	struct loser loser;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE))
		kunit_skip(test, "lane: no memory failure");
	KUNIT_ASSERT_EQ(test, 0, gmem_folios_allocate(env->folios, 0, 7));
	loser_add(test, &loser, env, lose_to_memory);
	folio = folios_hold(test, env, 2);
	loser.folio = folio;
	folio_set_hwpoison(folio);
	/* As memory failure would, with the folio locked: it may not wait. */
	folio_lock(folio);
	gmem_folios_error(env->folios, folio);
	folio_unlock(folio);
	KUNIT_EXPECT_GT(test, wait_for_completion_timeout(&loser.revoked,
							  5 * HZ), 0);
	KUNIT_EXPECT_EQ(test, -EHWPOISON,
			gmem_convert_range(env->space, 2, 2, GMEM_SHARED, 0,
					   &report));
	KUNIT_EXPECT_EQ(test, 0,
			gmem_convert_range(env->space, 3, 7, GMEM_SHARED, 0,
					   &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(env->space, 2, 2, 0, &report));
	KUNIT_EXPECT_EQ(test, 0, gmem_folios_allocate(env->folios, 2, 2));
	fresh = folios_hold(test, env, 2);
	KUNIT_EXPECT_PTR_NE(test, folio, fresh);
	KUNIT_EXPECT_EQ(test, 0, folio_byte(fresh));
	folio_put(fresh);
	gmem_client_unregister(&loser.client);
	folio_clear_hwpoison(folio);
	folio_put(folio);
}

/* --- allocation and populate ------------------------------------------------ */

static void every_failed_allocation_of_a_page_is_an_error(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	unsigned int nth;
	int ret;

	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		ret = gmem_folios_allocate(env->folios, 5, 5);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_EQ(test, -ENOMEM, ret);
		KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 5));
	}
	KUNIT_EXPECT_EQ(test, 0, ret);
	/* The chunk, its slots, then the page; by then the chunk is there. */
	KUNIT_EXPECT_EQ(test, 3, nth - 1);
	/* The page, then its charge. */
	gmem_fault_nth(2);
	KUNIT_EXPECT_EQ(test, -ENOMEM, gmem_folios_allocate(env->folios, 6, 6));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 6));
}

static void every_failed_step_of_making_a_file_is_an_error(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	struct gmem_folios *folios;
	unsigned int nth;

	for (nth = 1; ; nth++) {
		gmem_fault_nth(nth);
		folios = gmem_folios_alloc("x", env->inode->i_mapping, 8, 0,
					   GMEM_PRIVATE, NULL);
		if (!gmem_fault_nth_end())
			break;
		KUNIT_ASSERT_EQ(test, -ENOMEM, PTR_ERR(folios));
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, folios);
	gmem_folios_free(folios);
	/* Its own, the space, the space's transaction, the map. */
	KUNIT_EXPECT_EQ(test, 4, nth - 1);
}

static int populate_with_index(void *priv, pgoff_t index, struct page *page,
			       struct page *src)
{
	folio_set_byte(page_folio(page), index + 1);
	return src ? -EIO : 0;
}

static void populated_pages_have_their_contents_and_no_reference(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 1024, GMEM_PRIVATE);
	struct gmem_report report;
	struct folio *folio;
	pgoff_t i;

	/* Several batches, and across two chunks. */
	KUNIT_EXPECT_EQ(test, 100,
			gmem_folios_populate(env->folios, 450, 549, NULL, 0,
					     populate_with_index, NULL,
					     &report));
	for (i = 450; i <= 549; i++) {
		folio = folios_hold(test, env, i);
		KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
		KUNIT_EXPECT_EQ(test, (u8)(i + 1), folio_byte(folio));
		folio_put(folio);
	}
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 449));
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 550));
}

static void a_source_that_cannot_be_pinned_populates_nothing(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	const void __user *src = (const void __user *)PAGE_SIZE;
	struct gmem_report report;

	gmem_fault_nth(1);
	KUNIT_EXPECT_EQ(test, -EFAULT,
			gmem_folios_populate(env->folios, 0, 7, src, 0,
					     populate_with_index, NULL,
					     &report));
	KUNIT_EXPECT_TRUE(test, gmem_fault_nth_end());
	KUNIT_EXPECT_EQ(test, -EFAULT, report.error);
	KUNIT_EXPECT_NULL(test, gmem_folios_get(env->folios, 0));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_folios_populate(env->folios, 0, 7, src + 1, 0,
					     populate_with_index, NULL,
					     &report));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			gmem_folios_populate(env->folios, 0, 8, NULL, 0,
					     populate_with_index, NULL,
					     &report));
}

/* --- faults of clients ------------------------------------------------------ */

/* What a client's fault was told. */
struct used {
	unsigned int nr;
	pgoff_t index;
	unsigned long pfn;
	enum gmem_state state;
	int ret;
};

static int use_page(void *priv, pgoff_t index, unsigned long pfn,
		    enum gmem_state state)
{
	struct used *used = priv;

	used->nr++;
	used->index = index;
	used->pfn = pfn;
	used->state = state;
	return used->ret;
}

static void a_fault_of_a_client_takes_no_reference(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 1024, GMEM_SHARED);
	struct gmem_report report;
	struct used used = {};
	struct folio *folio;
	unsigned long pfn;

	KUNIT_EXPECT_EQ(test, 0, gmem_folios_pfn(env->folios, 513, use_page,
						 &used, &pfn));
	folio = folios_hold(test, env, 513);
	KUNIT_EXPECT_EQ(test, 2, folio_ref_count(folio));
	KUNIT_EXPECT_EQ(test, pfn, folio_pfn(folio));
	folio_put(folio);
	KUNIT_EXPECT_EQ(test, 1U, used.nr);
	KUNIT_EXPECT_EQ(test, 513, used.index);
	KUNIT_EXPECT_EQ(test, pfn, used.pfn);
	KUNIT_EXPECT_EQ(test, GMEM_SHARED, used.state);

	/* The same page, whatever it becomes; the caller's error is passed on. */
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 513, 513,
						    GMEM_PRIVATE, 0, &report));
	used.ret = -EPERM;
	pfn = 0;
	KUNIT_EXPECT_EQ(test, -EPERM, gmem_folios_pfn(env->folios, 513, use_page,
						      &used, &pfn));
	KUNIT_EXPECT_EQ(test, GMEM_PRIVATE, used.state);
	KUNIT_EXPECT_EQ(test, pfn, used.pfn);
	KUNIT_EXPECT_EQ(test, -EINVAL, gmem_folios_pfn(env->folios, 1024, NULL,
						       NULL, &pfn));
}

static void pages_are_taken_back_from_hardware_before_others_get_them(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, 8, GMEM_PRIVATE);
	struct gmem_report report;
	unsigned long pfn[3];
	pgoff_t i;

	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, 0, gmem_folios_pfn(env->folios, i, NULL,
							 NULL, &pfn[i]));
	made_shared.nr = 0;
	/* What is not there needs nothing; the way to private takes nothing back. */
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 1, 5,
						    GMEM_SHARED, 0, &report));
	KUNIT_EXPECT_EQ(test, 2U, made_shared.nr);
	KUNIT_EXPECT_EQ(test, pfn[1], made_shared.pfn[0]);
	KUNIT_EXPECT_EQ(test, pfn[2], made_shared.pfn[1]);
	KUNIT_EXPECT_EQ(test, 0, gmem_convert_range(env->space, 1, 5,
						    GMEM_PRIVATE, 0, &report));
	KUNIT_EXPECT_EQ(test, 2U, made_shared.nr);
	/* A hole gives the memory to whoever comes. */
	KUNIT_EXPECT_EQ(test, 0, gmem_punch_range(env->space, 0, 1, 0, &report));
	KUNIT_EXPECT_EQ(test, 4U, made_shared.nr);
	KUNIT_EXPECT_EQ(test, pfn[0], made_shared.pfn[2]);
	KUNIT_EXPECT_EQ(test, pfn[1], made_shared.pfn[3]);
}

/* --- the small world over real folios ------------------------------------- */

static struct folios_env *world_folios(struct world *world)
{
	return world->priv;
}

/*
 * What FOLL_PIN takes from a small folio.  A plain reference would do, but each
 * would cost a drain of the lru batches.
 */
#define WORLD_PIN_REFS	GUP_PIN_COUNTING_BIAS

static struct folio *world_pinned_folio;

static void world_pin(struct world *world, unsigned int page)
{
	struct folio *folio = folios_hold(world->env->test,
					  world_folios(world),
					  WORLD_BASE + page);

	folio_ref_add(folio, WORLD_PIN_REFS - 1);
	world_pinned_folio = folio;
}

static void world_unpin(struct world *world, unsigned int page)
{
	folio_put_refs(world_pinned_folio, WORLD_PIN_REFS);
}

static bool world_page_made(struct world *world, unsigned int page)
{
	struct folios_env *env = world_folios(world);
	pgoff_t index = WORLD_BASE + page;
	struct folio *folio;
	bool zero;

	if (gmem_folios_allocate(env->folios, index, index))
		return false;
	folio = folios_hold(world->env->test, env, index);
	zero = !folio_byte(folio);
	folio_set_byte(folio, page + 1);
	folio_put(folio);
	return zero;
}

/* A pinned page that was punched is gone from the file, not from its holder. */
static bool world_check_punched(struct world *world, int pinned,
				unsigned int page)
{
	struct folios_env *env = world_folios(world);

	if (gmem_folios_get(env->folios, WORLD_BASE + page))
		return false;
	if (page == pinned &&
	    (folio_ref_count(world_pinned_folio) != WORLD_PIN_REFS ||
	     world_pinned_folio->mapping ||
	     folio_byte(world_pinned_folio) != page + 1))
		return false;
	return world_page_made(world, page);
}

static bool world_check_folios(struct world *world, int pinned,
			       unsigned int punched)
{
	struct folios_env *env = world_folios(world);
	unsigned int i;

	for (i = 0; i < WORLD_PAGES; i++) {
		struct folio *folio;
		bool good;

		if (punched & BIT(i)) {
			if (!world_check_punched(world, pinned, i))
				return false;
			continue;
		}
		folio = gmem_folios_get(env->folios, WORLD_BASE + i);
		if (IS_ERR_OR_NULL(folio))
			return false;
		good = folio_ref_count(folio) ==
		       2 + (pinned == i ? WORLD_PIN_REFS : 0) &&
		       folio_byte(folio) == i + 1 &&
		       folio->mapping == env->inode->i_mapping;
		folio_put(folio);
		if (!good)
			return false;
	}
	return true;
}

static const struct world_ops folios_world_ops = {
	.pin_refs = WORLD_PIN_REFS,
	.pin = world_pin,
	.unpin = world_unpin,
	.check = world_check_folios,
};

static void every_map_span_and_fault_agrees_on_real_folios(struct kunit *test)
{
	struct folios_env *env = folios_env_alloc(test, WORLD_SPACE,
						  GMEM_PRIVATE);
	struct world world = {
		.env = fake_env_wrap(test, env->space, WORLD_SPACE),
		.ops = &folios_world_ops,
		.priv = env,
	};
	unsigned int i;

	for (i = 0; i < WORLD_PAGES; i++)
		KUNIT_ASSERT_TRUE(test, world_page_made(&world, i));
	world_run(&world);
}

static struct kunit_case folios_cases[] = {
	KUNIT_CASE(a_wrong_mapping_is_refused),
	KUNIT_CASE(a_new_page_is_zero_and_belongs_to_the_file),
	KUNIT_CASE(a_reference_names_its_page_and_is_all_it_takes),
	KUNIT_CASE(a_page_keeps_its_contents_across_conversions),
	KUNIT_CASE(a_punched_page_lives_on_with_who_holds_it),
	KUNIT_CASE(every_page_is_given_back),
	KUNIT_CASE(a_frozen_page_cannot_be_referenced),
	KUNIT_CASE(a_page_that_hardware_keeps_is_never_freed),
	KUNIT_CASE(an_error_on_a_frozen_page_reaches_the_clients),
	KUNIT_CASE(a_page_with_an_error_stays_until_it_is_punched),
	KUNIT_CASE(every_failed_allocation_of_a_page_is_an_error),
	KUNIT_CASE(every_failed_step_of_making_a_file_is_an_error),
	KUNIT_CASE(populated_pages_have_their_contents_and_no_reference),
	KUNIT_CASE(a_source_that_cannot_be_pinned_populates_nothing),
	KUNIT_CASE(a_fault_of_a_client_takes_no_reference),
	KUNIT_CASE(pages_are_taken_back_from_hardware_before_others_get_them),
	KUNIT_CASE_SLOW(every_map_span_and_fault_agrees_on_real_folios),
	{}
};

static struct kunit_suite folios_suite = {
	.name = "gmem_folios",
	.suite_init = folios_suite_init,
	.suite_exit = folios_suite_exit,
	.test_cases = folios_cases,
};

kunit_test_suite(folios_suite);
