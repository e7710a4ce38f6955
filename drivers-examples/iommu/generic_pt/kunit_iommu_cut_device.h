/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device for KUnit tests of page tables in use, and what it must and must not
 * notice.
 *
 * It may translate anything at any time, and remembers translations until a flush
 * covers all of a remembered entry, which is the least that FLUSH_RANGE promises.
 * For each page it knows what it may find there.
 */
#ifndef __GENERIC_PT_KUNIT_IOMMU_CUT_DEVICE_H
#define __GENERIC_PT_KUNIT_IOMMU_CUT_DEVICE_H

#include <linux/hash.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/vmalloc.h>

enum cut_page {
	CUT_ANY,	/* about to change */
	CUT_GONE,	/* a translation is a mistake */
	CUT_LIVE,	/* none is, and so is one to elsewhere */
};

#define CUT_PAGE_STATE	3
#define CUT_PAGE_OTHER	4	/* translates to the other run of addresses */
#define CUT_PAGE_STEP	8	/* counts changes */

struct cut_device {
	struct kunit_iommu_priv *priv;
	pt_vaddr_t va;
	unsigned int nr_pages;
	u32 *pages;
	struct hrtimer timer;
	struct task_struct *task;

	unsigned int pgsz_lg2[3];	/* that the IOTLB has */
	raw_spinlock_t lock;	/* the IOTLB and all below */
	struct cut_entry iotlb[32];
	struct rnd_state rnd;
	unsigned int recent[8];
	unsigned long hits;
	/* Who asked: the timer, the thread, whoever cuts */
	unsigned long ticks;
	unsigned long threads;
	unsigned long others;

	/* The first mistake */
	const char *mistake;
	unsigned int page;
};

static pt_oaddr_t cut_device_oa(struct cut_device *dev, unsigned int page,
				bool other)
{
	struct kunit_iommu_priv *priv = dev->priv;

	return log2_set_mod(priv->test_oa, 0, 31) + (other ? SZ_1G : 0) +
	       oalog2_mul(page, priv->smallest_pgsz_lg2);
}

static struct cut_entry *cut_iotlb_slot(struct cut_device *dev, pt_vaddr_t va,
					unsigned int pgsz_lg2)
{
	return &dev->iotlb[hash_long(log2_div(va, pgsz_lg2) * 64 + pgsz_lg2, 5)];
}

/* A hit of whatever size, or a walk, which is remembered */
static bool cut_device_translate(struct cut_device *dev, pt_vaddr_t va,
				 pt_oaddr_t *oa)
{
	struct cut_entry entry, *slot;
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(dev->pgsz_lg2); i++) {
		slot = cut_iotlb_slot(dev, va, dev->pgsz_lg2[i]);
		if (slot->pgsz_lg2 && slot->pgsz_lg2 == dev->pgsz_lg2[i] &&
		    log2_div_eq(va, slot->va, slot->pgsz_lg2)) {
			*oa = slot->oa + (va - slot->va);
			dev->hits++;
			return true;
		}
	}
	if (cut_find(dev->priv->common, va, &entry))
		return false;
	*cut_iotlb_slot(dev, va, entry.pgsz_lg2) = entry;
	*oa = entry.oa + (va - entry.va);
	return true;
}

/* Any page, or again one of the last: what it remembers is to be used */
static unsigned int cut_device_page(struct cut_device *dev)
{
	u32 random = prandom_u32_state(&dev->rnd);
	unsigned int *slot =
		&dev->recent[(random >> 1) % ARRAY_SIZE(dev->recent)];

	if (random & 1)
		*slot = prandom_u32_state(&dev->rnd) % dev->nr_pages;
	return *slot;
}

static void cut_device_touch(struct cut_device *dev)
{
	const char *mistake = NULL;
	unsigned int page;
	u32 before, after;
	pt_oaddr_t oa = 0;
	pt_vaddr_t va;
	bool found;

	scoped_guard(raw_spinlock_irqsave, &dev->lock) {
		page = cut_device_page(dev);
		va = dev->va + log2_mul((pt_vaddr_t)page,
					dev->priv->smallest_pgsz_lg2);
		/* Before the translation; pairs with cut_device_change() */
		before = smp_load_acquire(&dev->pages[page]);
		found = cut_device_translate(dev, va, &oa);
	}
	/* After the translation; pairs with cut_device_change() */
	smp_rmb();
	after = READ_ONCE(dev->pages[page]);
	if (before != after)
		return;
	switch (before & CUT_PAGE_STATE) {
	case CUT_LIVE:
		if (!found)
			mistake = "has no translation";
		else if (oa != cut_device_oa(dev, page, before & CUT_PAGE_OTHER))
			mistake = "translates to another page's memory";
		break;
	case CUT_GONE:
		if (found)
			mistake = "translates though it was unmapped";
		break;
	}
	if (mistake && !READ_ONCE(dev->mistake)) {
		dev->page = page;
		WRITE_ONCE(dev->mistake, mistake);
	}
}

static enum hrtimer_restart cut_device_tick(struct hrtimer *timer)
{
	struct cut_device *dev = container_of(timer, struct cut_device, timer);
	unsigned int i;

	for (i = 0; i != 4; i++)
		cut_device_touch(dev);
	dev->ticks += i;
	hrtimer_forward_now(timer, us_to_ktime(200));
	return HRTIMER_RESTART;
}

static int cut_device_thread(void *data)
{
	struct cut_device *dev = data;

	while (!kthread_should_stop()) {
		cut_device_touch(dev);
		dev->threads++;
		cond_resched();
	}
	return 0;
}

/* Only what lies in the range whole: a larger entry stays */
static void cut_device_flush(struct cut_device *dev, unsigned long start,
			     unsigned long last)
{
	unsigned int i;

	/* When tables and IOTLB differ most */
	for (i = 0; i != 4; i++)
		cut_device_touch(dev);
	dev->others += i;

	guard(raw_spinlock_irqsave)(&dev->lock);
	for (i = 0; i != ARRAY_SIZE(dev->iotlb); i++) {
		struct cut_entry *entry = &dev->iotlb[i];

		if (entry->pgsz_lg2 && entry->va >= start &&
		    entry->va + log2_to_int(entry->pgsz_lg2) - 1 <= last)
			entry->pgsz_lg2 = 0;
	}
}

/* Before and after each change of pages, in CUT_ANY and in what they became */
static void cut_device_change(struct cut_device *dev, unsigned int page,
			      unsigned int nr, u32 state)
{
	for (; nr; nr--, page++) {
		u32 next = (dev->pages[page] & ~(CUT_PAGE_STEP - 1)) +
			   CUT_PAGE_STEP;

		/* After the change; pairs with the acquire in cut_device_touch() */
		smp_store_release(&dev->pages[page], next | state);
	}
	/* Before the next change; pairs with smp_rmb() in cut_device_touch() */
	smp_wmb();
}

static void cut_device_stop(struct cut_device *dev)
{
	if (dev->task)
		kthread_stop(dev->task);
	hrtimer_cancel(&dev->timer);
	cut_sync.device = NULL;
	vfree(dev->pages);
}

static struct cut_device *cut_device_start(struct kunit *test, pt_vaddr_t va,
					   unsigned int nr_pages)
{
	struct cut_device *dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);
	struct kunit_iommu_priv *priv = test->priv;
	unsigned int level;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	/* What a domain has to be limited to if cutting is to be possible anywhere */
	priv->domain.pgsize_bitmap = 0;
	for (level = 0; level != ARRAY_SIZE(dev->pgsz_lg2); level++) {
		pt_vaddr_t pgsz = cut_pgsz(priv, level);

		KUNIT_ASSERT_NE(test, pgsz, 0);
		priv->domain.pgsize_bitmap |= pgsz;
		dev->pgsz_lg2[level] = vaffs(pgsz);
	}
	dev->priv = priv;
	dev->va = va;
	dev->nr_pages = nr_pages;
	dev->pages = vcalloc(nr_pages, sizeof(*dev->pages));
	KUNIT_ASSERT_NOT_NULL(test, dev->pages);
	raw_spin_lock_init(&dev->lock);
	prandom_seed_state(&dev->rnd, 7);
	hrtimer_setup(&dev->timer, cut_device_tick, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_HARD);
	/* From here on cut_test_exit() stops it */
	cut_sync.device = dev;
	/* In whatever this CPU is doing, and at full speed on another */
	hrtimer_start(&dev->timer, us_to_ktime(200), HRTIMER_MODE_REL_HARD);
	if (num_online_cpus() > 1) {
		struct task_struct *task = kthread_run(cut_device_thread, dev,
						       "cut_device");

		KUNIT_ASSERT_FALSE(test, IS_ERR(task));
		dev->task = task;
	}
	return dev;
}

static void cut_device_map(struct kunit *test, struct cut_device *dev,
			   unsigned int page, unsigned int nr, bool other)
{
	struct kunit_iommu_priv *priv = dev->priv;
	pt_vaddr_t small = priv->smallest_pgsz;

	cut_device_change(dev, page, nr, CUT_ANY);
	KUNIT_ASSERT_NO_ERRNO(test, iommu_map(&priv->domain,
					      dev->va + page * small,
					      cut_device_oa(dev, page, other),
					      nr * small,
					      IOMMU_READ | IOMMU_WRITE,
					      GFP_KERNEL));
	cut_device_change(dev, page, nr,
			  CUT_LIVE | (other ? CUT_PAGE_OTHER : 0));
}

static void cut_device_unmap(struct kunit *test, struct cut_device *dev,
			     unsigned int page, unsigned int nr)
{
	pt_vaddr_t small = dev->priv->smallest_pgsz;

	cut_device_change(dev, page, nr, CUT_ANY);
	do_unmap(test, dev->va + page * small, nr * small);
	cut_device_change(dev, page, nr, CUT_GONE);
}

static void cut_device_expect_no_mistake(struct kunit *test,
					 struct cut_device *dev)
{
	const char *mistake = READ_ONCE(dev->mistake);

	KUNIT_ASSERT_TRUE_MSG(test, !mistake, "page %u of %u %s", dev->page,
			      dev->nr_pages, mistake);
}

typedef int (*cut_fn_t)(struct kunit_iommu_priv *priv, unsigned long iova);

static int cut_properly(struct kunit_iommu_priv *priv, unsigned long iova)
{
	return iommu_cut_mapping(&priv->domain, iova, GFP_KERNEL);
}

/*
 * As a conversion does: cuts around some pages, unmaps them, maps others there.
 * Returns the number of operations.
 */
static unsigned int cut_device_round(struct kunit *test, struct cut_device *dev,
				     struct rnd_state *rnd, cut_fn_t cut,
				     unsigned int max_nr)
{
	struct kunit_iommu_priv *priv = dev->priv;
	pt_vaddr_t small = priv->smallest_pgsz;
	unsigned int nr = 1 + prandom_u32_state(rnd) % max_nr;
	unsigned int page = prandom_u32_state(rnd) % (dev->nr_pages - nr + 1);
	bool other = prandom_u32_state(rnd) & 1;
	unsigned int i;

	KUNIT_ASSERT_NO_ERRNO(test, cut(priv, dev->va + page * small));
	KUNIT_ASSERT_NO_ERRNO(test, cut(priv, dev->va + (page + nr) * small));
	cut_device_unmap(test, dev, page, nr);
	/* The device is to have a chance at the hole */
	for (i = 0; i != 4; i++)
		cut_device_touch(dev);
	dev->others += i;
	cut_device_map(test, dev, page, nr, other);
	return 4;
}

struct cut_race {
	unsigned int ops;
	unsigned int level;	/* of the leaf entries in the beginning */
	unsigned int nr_leaves;
	unsigned int rounds;	/* until it begins with these anew */
};

static void cut_race(struct kunit *test, const struct cut_race *race)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t pgsz = cut_pgsz(priv, race->level);
	unsigned int ops = 0, round;
	struct cut_device *dev;
	struct rnd_state rnd;

	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	if (!pgsz)
		return;
	prandom_seed_state(&rnd, 3);
	dev = cut_device_start(test, pgsz,
			       log2_div(pgsz, priv->smallest_pgsz_lg2) *
			       race->nr_leaves);
	while (ops < race->ops) {
		cut_device_map(test, dev, 0, dev->nr_pages, ops & 1);
		for (round = 0; round != race->rounds; round++)
			ops += cut_device_round(test, dev, &rnd, cut_properly, 8);
		cut_device_unmap(test, dev, 0, dev->nr_pages);
		ops += 2;
		cut_device_expect_no_mistake(test, dev);
		cond_resched();
	}
	kunit_info(test,
		   "%u operations, %u exchanges; translations: %lu in interrupts, %lu in a thread, %lu in between, %lu of all from the IOTLB",
		   ops, cut_sync.exchanges, dev->ticks, dev->threads,
		   dev->others, dev->hits);
	/* It has to have been watching, and there has to have been something to see */
	KUNIT_EXPECT_GT(test, dev->ticks, 0);
	KUNIT_EXPECT_TRUE(test, dev->threads || !dev->task);
	KUNIT_EXPECT_GT(test, dev->hits, ops / 10);
	KUNIT_EXPECT_GT(test, cut_sync.exchanges, ops / 20);
}

/* An emulated CPU needs a minute for a million; there it is one in all formats */
#define CUT_RACE_OPS	(IS_ENABLED(CONFIG_UML) ? 1000000 : 100000)

static void test_cut_race_2m(struct kunit *test)
{
	static const struct cut_race race = {
		.ops = CUT_RACE_OPS, .level = 1, .nr_leaves = 4, .rounds = 8,
	};

	cut_race(test, &race);
}

static void test_cut_race_1g(struct kunit *test)
{
	static const struct cut_race race = {
		.ops = CUT_RACE_OPS / 20, .level = 2, .nr_leaves = 1,
		.rounds = 400,
	};

	cut_race(test, &race);
}

/* --- what must not go unnoticed ------------------------------------------------ */

struct cut_badly {
	bool break_first;
	pt_vaddr_t flush;	/* bytes */
};

/* cut_leaf() for one level, as it would be wrong */
static int __cut_badly(struct pt_range *range, void *arg, unsigned int level,
		       struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct pt_iommu *iommu = iommu_from_common(range->common);
	const struct cut_badly *bad = arg;
	struct pt_write_attrs attrs = {};
	struct iommu_iotlb_gather gather;
	pt_vaddr_t va = range->va;
	struct pt_state lower;
	pt_oaddr_t oa;
	int nr;

	if (pt_load_single_entry(&pts) == PT_ENTRY_TABLE)
		return pt_descend(&pts, arg, __cut_badly);
	if (pts.type != PT_ENTRY_OA ||
	    !log2_mod(va, pt_entry_oa_lg2sz(&pts)))
		return 0;

	lower = pt_init(range, level - 1, NULL);
	lower.table = iommu_alloc_pages_node_sz(NUMA_NO_NODE, GFP_KERNEL, SZ_4K);
	if (!lower.table)
		return -ENOMEM;
	if (pts_feature(&pts, PT_FEAT_DMA_INCOHERENT) &&
	    iommu_pages_start_incoherent(lower.table, iommu->iommu_device))
		return -ENOMEM;
	pt_attr_from_entry(&pts, &attrs);
	oa = pt_entry_oa(&pts);
	nr = log2_to_int(pt_num_items_lg2(&lower));
	for (; lower.index != nr; lower.index++) {
		pt_install_leaf_entry(&lower, oa, pt_table_item_lg2sz(&lower),
				      &attrs);
		oa += oalog2_to_int(pt_table_item_lg2sz(&lower));
	}

	iommu_iotlb_gather_init(&gather);
	iommu_iotlb_gather_add_range(&gather,
				     log2_set_mod(va, 0, vaffs(bad->flush)),
				     bad->flush);
	if (bad->break_first) {
		pt_clear_entries(&pts, ilog2(1));
		iommu_iotlb_sync(&iommu->domain, &gather);
		pt_load_single_entry(&pts);
	}
	pt_install_table(&pts, virt_to_phys(lower.table), &attrs);
	if (!bad->break_first)
		iommu_iotlb_sync(&iommu->domain, &gather);
	return 0;
}

static int cut_badly(struct kunit_iommu_priv *priv, unsigned long iova,
		     struct cut_badly *bad)
{
	struct pt_range range = pt_make_range(priv->common, iova, iova);

	return pt_walk_range(&range, __cut_badly, bad);
}

static int cut_break_before_make(struct kunit_iommu_priv *priv,
				 unsigned long iova)
{
	struct cut_badly bad = {
		.break_first = true,
		.flush = cut_pgsz(priv, 1),
	};

	return cut_badly(priv, iova, &bad);
}

static int cut_flush_one_page(struct kunit_iommu_priv *priv, unsigned long iova)
{
	struct cut_badly bad = { .flush = priv->smallest_pgsz };

	return cut_badly(priv, iova, &bad);
}

/* The device has a second to see it */
static void cut_is_noticed(struct kunit *test, cut_fn_t cut)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t pgsz = cut_pgsz(priv, 1);
	unsigned long start = jiffies;
	struct cut_device *dev;
	struct rnd_state rnd;
	unsigned int round;

	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	prandom_seed_state(&rnd, 5);
	dev = cut_device_start(test, pgsz,
			       4 * log2_div(pgsz, priv->smallest_pgsz_lg2));
	while (!READ_ONCE(dev->mistake) && time_before(jiffies, start + HZ)) {
		cut_device_map(test, dev, 0, dev->nr_pages, false);
		for (round = 0; round != 24; round++)
			cut_device_round(test, dev, &rnd, cut, 1);
		cut_device_unmap(test, dev, 0, dev->nr_pages);
		cond_resched();
	}
	KUNIT_EXPECT_NOT_NULL(test, dev->mistake);
	kunit_info(test, "after %u ms, page %u %s",
		   jiffies_to_msecs(jiffies - start), dev->page, dev->mistake);
}

static void test_break_before_make_is_noticed(struct kunit *test)
{
	cut_is_noticed(test, cut_break_before_make);
}

static void test_flush_of_one_page_is_noticed(struct kunit *test)
{
	cut_is_noticed(test, cut_flush_one_page);
}

#endif /* __GENERIC_PT_KUNIT_IOMMU_CUT_DEVICE_H */
