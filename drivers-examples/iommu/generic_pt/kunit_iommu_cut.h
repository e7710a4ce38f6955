/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * KUnit tests of cut_mapping() and populate_tables(): every format and
 * configuration, those that must refuse too.
 *
 * They compare what is mapped, entry by entry, with what it should be; those in
 * kunit_iommu_cut_device.h have a device that uses it meanwhile.
 */
#ifndef __GENERIC_PT_KUNIT_IOMMU_CUT_H
#define __GENERIC_PT_KUNIT_IOMMU_CUT_H

#include <kunit/static_stub.h>
#include <kunit/test-bug.h>
#include <linux/kthread.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>

/* --- flushes and allocations ----------------------------------------------- */

struct cut_device;

static struct {
	unsigned int nr;
	unsigned long start;
	unsigned long last;
	bool leaf_only;
	unsigned int exchanges;
	/* Called when a flush begins: what was to change has changed */
	void (*check)(void *data);
	void *data;
	struct cut_device *device;
	struct task_struct *bystander;
} cut_sync;

static void cut_device_flush(struct cut_device *dev, unsigned long start,
			     unsigned long last);

static void cut_iotlb_sync(struct iommu_domain *domain,
			   struct iommu_iotlb_gather *gather)
{
	cut_sync.nr++;
	cut_sync.start = gather->start;
	cut_sync.last = gather->end;
	cut_sync.leaf_only = iommu_iotlb_gather_leaf_only(gather);
	if (!cut_sync.leaf_only && iommu_pages_list_empty(&gather->freelist))
		cut_sync.exchanges++;
	if (cut_sync.check)
		cut_sync.check(cut_sync.data);
	if (cut_sync.device)
		cut_device_flush(cut_sync.device, gather->start, gather->end);
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops cut_ops = {
	IOMMU_PT_DOMAIN_OPS1(PTPFX_RAW),
	.iotlb_sync = &cut_iotlb_sync,
};

/* What a driver says when it is to turn dirty tracking on or off */
static int cut_dirty_ret;

static int cut_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	return cut_dirty_ret;
}

#define IOMMU_PT_DIRTY_OPS1(x) IOMMU_PT_DIRTY_OPS(x)
static const struct iommu_dirty_ops cut_dirty_ops = {
	IOMMU_PT_DIRTY_OPS1(PTPFX_RAW),
	.set_dirty_tracking = &cut_set_dirty_tracking,
};

/* Tables that were asked for since the stub was activated; @fail is the first not given */
static struct {
	unsigned int nr;
	unsigned int fail;
	/* What somebody else does after the first look and before the exchange */
	void (*meanwhile)(struct kunit *test);
} cut_alloc;

static void *cut_alloc_pages(int nid, gfp_t gfp, size_t size)
{
	struct kunit *test = kunit_get_current_test();
	void *table;

	cut_alloc.nr++;
	if (cut_alloc.nr == 1 && cut_alloc.meanwhile)
		cut_alloc.meanwhile(test);
	if (cut_alloc.fail && cut_alloc.nr >= cut_alloc.fail)
		return NULL;
	/* The original would only come back here */
	kunit_deactivate_static_stub(test, iommu_alloc_pages_node_sz);
	table = iommu_alloc_pages_node_sz(nid, gfp, size);
	kunit_activate_static_stub(test, iommu_alloc_pages_node_sz,
				   cut_alloc_pages);
	return table;
}

/* The @fail th allocation and all later ones fail; 0: none */
static void cut_alloc_begin(struct kunit *test, unsigned int fail)
{
	cut_alloc.nr = 0;
	cut_alloc.fail = fail;
	kunit_activate_static_stub(test, iommu_alloc_pages_node_sz,
				   cut_alloc_pages);
}

static unsigned int cut_alloc_end(struct kunit *test)
{
	kunit_deactivate_static_stub(test, iommu_alloc_pages_node_sz);
	return cut_alloc.nr;
}

/* --- what is mapped --------------------------------------------------------- */

/* The leaf entry at an address, as the HW reads it */
struct cut_entry {
	pt_vaddr_t va;
	pt_oaddr_t oa;
	u64 attrs;
	unsigned int pgsz_lg2;
};

static int __cut_find(struct pt_range *range, void *arg, unsigned int level,
		      struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct pt_write_attrs attrs = {};
	struct cut_entry *entry = arg;

	switch (pt_load_single_entry(&pts)) {
	case PT_ENTRY_TABLE:
		return pt_descend(&pts, arg, __cut_find);
	case PT_ENTRY_OA:
		entry->pgsz_lg2 = pt_entry_oa_lg2sz(&pts);
		entry->va = log2_set_mod(range->va, 0, entry->pgsz_lg2);
		entry->oa = pt_entry_oa(&pts);
		pt_attr_from_entry(&pts, &attrs);
		entry->attrs = attrs.descriptor_bits;
		return 0;
	case PT_ENTRY_EMPTY:
		break;
	}
	return -ENOENT;
}

static int cut_find(struct pt_common *common, pt_vaddr_t va,
		    struct cut_entry *entry)
{
	struct pt_range range = pt_make_range(common, va, va);

	if (pt_check_range(&range))
		return -ENOENT;
	return pt_walk_range(&range, __cut_find, entry);
}

static int cut_walk(struct kunit *test, pt_vaddr_t va, pt_level_fn_t fn,
		    void *arg)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct pt_range range = pt_make_range(priv->common, va, va);

	return pt_walk_range(&range, fn, arg);
}

/* A run of addresses that translate to a run of addresses */
struct cut_map {
	pt_vaddr_t va;
	pt_oaddr_t oa;
	pt_vaddr_t len;
	u64 attrs;
};

/* How it is mapped: leaf entries by size, and the tables below the top */
struct cut_shape {
	const struct cut_map *map;
	pt_vaddr_t next_va;
	unsigned int leaves[PT_VADDR_MAX_LG2];
	unsigned int tables;
};

static int __cut_shape(struct pt_range *range, void *arg, unsigned int level,
		       struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct cut_shape *shape = arg;
	const struct cut_map *map = shape->map;
	struct pt_write_attrs attrs = {};
	int ret;

	for_each_pt_level_entry(&pts) {
		if (pts.type == PT_ENTRY_TABLE) {
			shape->tables++;
			ret = pt_descend(&pts, arg, __cut_shape);
			if (ret)
				return ret;
			continue;
		}
		if (pts.type != PT_ENTRY_OA)
			return -ENOENT;
		pt_attr_from_entry(&pts, &attrs);
		if (range->va != shape->next_va ||
		    attrs.descriptor_bits != map->attrs ||
		    pt_entry_oa(&pts) != map->oa + (range->va - map->va))
			return -EINVAL;
		shape->leaves[pt_entry_oa_lg2sz(&pts)]++;
		shape->next_va += log2_to_int(pt_entry_oa_lg2sz(&pts));
	}
	return 0;
}

/* Every address of @map translates as it should; returns by what */
static struct cut_shape cut_shape(struct kunit *test, const struct cut_map *map)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_shape shape = { .map = map, .next_va = map->va };
	struct pt_range range =
		pt_make_range(priv->common, map->va, map->va + map->len - 1);

	KUNIT_ASSERT_NO_ERRNO(test, pt_walk_range(&range, __cut_shape, &shape));
	KUNIT_ASSERT_EQ(test, shape.next_va, map->va + map->len);
	return shape;
}

static struct cut_map cut_map_prot(struct kunit *test, pt_vaddr_t va,
				   pt_oaddr_t oa, pt_vaddr_t len, int prot)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = { .va = va, .oa = oa, .len = len };
	struct cut_entry entry = {};

	KUNIT_ASSERT_NO_ERRNO_FN(test, "iommu_map",
				 iommu_map(&priv->domain, va, oa, len, prot,
					   GFP_KERNEL));
	KUNIT_ASSERT_NO_ERRNO(test, cut_find(priv->common, va, &entry));
	map.attrs = entry.attrs;
	return map;
}

static struct cut_map cut_map(struct kunit *test, pt_vaddr_t va, pt_oaddr_t oa,
			      pt_vaddr_t len)
{
	return cut_map_prot(test, va, oa, len, IOMMU_READ | IOMMU_WRITE);
}

/* Page size of a single item at @level, 0 if the domain has none */
static pt_vaddr_t cut_pgsz(struct kunit_iommu_priv *priv, unsigned int level)
{
	struct pt_range range = pt_top_range(priv->common);
	struct pt_state pts = pt_init(&range, level, NULL);

	if (level > PT_MAX_TOP_LEVEL || !pt_can_have_leaf(&pts) ||
	    (IS_32BIT && pt_table_item_lg2sz(&pts) >= 30))
		return 0;
	return log2_to_int(pt_table_item_lg2sz(&pts)) &
	       priv->safe_pgsize_bitmap;
}

/* Two neighbours of @pgsz at @va, and something else beyond; all to be left alone */
struct cut_neighbours {
	struct cut_map before[2];
	struct cut_map after[2];
};

static void cut_map_neighbours(struct kunit *test, struct cut_neighbours *n,
			       pt_vaddr_t va, pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t small = priv->smallest_pgsz;
	/* Not aligned to anything larger, neither here nor there */
	pt_oaddr_t oa = log2_set_mod(priv->test_oa, 0, 30) ^ (3 * small);

	n->before[0] = cut_map(test, va - small, oa, small);
	n->before[1] = cut_map(test, va - 4 * small, oa + 7 * small, 3 * small);
	n->after[0] = cut_map(test, va + pgsz, oa + 15 * small, 5 * small);
	n->after[1] = cut_map(test, va + pgsz + 16 * small,
			      log2_set_mod(oa, 0, priv->smallest_pgsz_lg2 + 4),
			      16 * small);
}

static void cut_check_neighbours(struct kunit *test,
				 const struct cut_neighbours *n)
{
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(n->before); i++) {
		cut_shape(test, &n->before[i]);
		cut_shape(test, &n->after[i]);
	}
}

static void cut_unmap_neighbours(struct kunit *test,
				 const struct cut_neighbours *n)
{
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(n->before); i++) {
		do_unmap(test, n->before[i].va, n->before[i].len);
		do_unmap(test, n->after[i].va, n->after[i].len);
	}
}

/* --- cases: cut ------------------------------------------------------------- */

typedef void (*cut_level_fn_t)(struct kunit *test, unsigned int level,
			       pt_vaddr_t pgsz);

/* Calls @fn with the size of each level's leaf entry that there is to be cut */
static void cut_at_each_level(struct kunit *test, cut_level_fn_t fn)
{
	struct kunit_iommu_priv *priv = test->priv;
	unsigned int level, nr = 0;

	for (level = 1; level <= PT_MAX_TOP_LEVEL; level++) {
		if (!cut_pgsz(priv, level) || !cut_pgsz(priv, level - 1))
			continue;
		fn(test, level, cut_pgsz(priv, level));
		KUNIT_ASSERT_EQ(test, count_valids(test), 0);
		nr++;
	}
	KUNIT_EXPECT_GE(test, nr, IS_32BIT ? 1 : 2);
}

/* With DEBUG_GENERIC_PT every format may have the feature, if not by itself */
static void cut_needs(struct kunit *test, unsigned int feature)
{
	struct kunit_iommu_priv *priv = test->priv;

	if (!pt_feature(priv->common, feature))
		kunit_skip(test, "lane: not in this format");
}

/* Formats whose HW was not said to allow it do nothing at all */
static void test_cut_needs_the_feature(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t pgsz = cut_pgsz(priv, 1);
	struct cut_map map = cut_map(test, pgsz, 0, pgsz);

	priv->common->features &= ~BIT(PT_FEAT_OA_TABLE_XCHG);
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_cut_mapping(&priv->domain, pgsz + pgsz / 2,
					  GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, cut_shape(test, &map).leaves[vaffs(pgsz)], 1);
	KUNIT_EXPECT_EQ(test, cut_sync.nr, 0);
#if IS_ENABLED(CONFIG_DEBUG_GENERIC_PT)
	/* And who has it by itself is known */
	KUNIT_EXPECT_EQ(test,
			!!(PT_ORIG_SUPPORTED_FEATURES & BIT(PT_FEAT_OA_TABLE_XCHG)),
			!strcmp(__stringify(PTPFX_RAW), "vtdss") ||
			!strcmp(__stringify(PTPFX_RAW), "amdv1"));
#endif
}

/*
 * Cuts a leaf entry of @pgsz at @va at @offset into it, and checks all of what
 * came of it.
 */
static void cut_at(struct kunit *test, unsigned int level, pt_vaddr_t va,
		   pt_vaddr_t pgsz, pt_vaddr_t offset)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = cut_map(test, va,
				     log2_set_mod(priv->test_oa, 0, vaffs(pgsz)),
				     pgsz);
	struct cut_shape before = cut_shape(test, &map), after;
	unsigned int lower = level, nr;
	pt_vaddr_t lower_pgsz = cut_pgsz(priv, level - 1);
	pt_vaddr_t boundary = map.va + (offset & ~(lower_pgsz - 1));

	KUNIT_ASSERT_EQ(test, before.leaves[vaffs(pgsz)], 1);
	cut_sync.nr = 0;
	KUNIT_ASSERT_NO_ERRNO(test, iommu_cut_mapping(&priv->domain,
						      map.va + offset,
						      GFP_KERNEL));
	after = cut_shape(test, &map);
	KUNIT_ASSERT_EQ(test, after.leaves[vaffs(pgsz)], 0);
	do {
		lower_pgsz = cut_pgsz(priv, --lower);
		nr = log2_to_int(vaffs(cut_pgsz(priv, lower + 1)) -
				 vaffs(lower_pgsz));
		/* One of them is a table, unless this was the last level */
		if (offset & (lower_pgsz - 1))
			nr--;
		KUNIT_ASSERT_EQ(test, after.leaves[vaffs(lower_pgsz)], nr);
	} while (offset & (lower_pgsz - 1));
	KUNIT_ASSERT_EQ(test, after.tables, before.tables + level - lower);

	/* One flush, of all of it, and not of leaf entries only */
	KUNIT_ASSERT_EQ(test, cut_sync.nr, 1);
	KUNIT_ASSERT_EQ(test, cut_sync.start, map.va);
	KUNIT_ASSERT_EQ(test, cut_sync.last, map.va + map.len - 1);
	KUNIT_ASSERT_FALSE(test, cut_sync.leaf_only);

	/* Again, and at what has become a boundary, there is nothing to do */
	KUNIT_ASSERT_NO_ERRNO(test, iommu_cut_mapping(&priv->domain,
						      map.va + offset,
						      GFP_KERNEL));
	KUNIT_ASSERT_NO_ERRNO(test, iommu_cut_mapping(&priv->domain, boundary,
						      GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, cut_sync.nr, 1);

	/* Either side can be unmapped without the other */
	do_unmap(test, map.va, offset);
	map.va += offset;
	map.oa += offset;
	map.len -= offset;
	cut_shape(test, &map);
	do_unmap(test, map.va, map.len);
}

static void cut_everywhere(struct kunit *test, unsigned int level,
			   pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t lower = cut_pgsz(priv, level - 1);
	pt_vaddr_t small = priv->smallest_pgsz, step = small, offset;
	unsigned int nr = log2_to_int(vaffs(pgsz) - vaffs(lower)), i;
	const unsigned int inside[] = { 0, 1, nr / 2 - 1, nr / 2, nr - 1 };
	struct cut_neighbours n;

	/* Of more than one table only a diagonal, or it would take for ever */
	if (lower > small * nr)
		step += lower / nr;

	cut_map_neighbours(test, &n, pgsz, pgsz);
	for (offset = lower; offset != pgsz; offset += lower)
		cut_at(test, level, pgsz, pgsz, offset);
	/* And through several levels at once */
	for (i = 0; lower != small && i != ARRAY_SIZE(inside); i++) {
		pt_vaddr_t first = inside[i] * lower;

		for (offset = first + small; offset < first + lower;
		     offset += step)
			cut_at(test, level, pgsz, pgsz, offset);
		cond_resched();
	}
	cut_check_neighbours(test, &n);
	cut_unmap_neighbours(test, &n);
}

/* The first and the last leaf entry of the table's halves, as far as it can grow */
static void cut_at_edges(struct kunit *test, unsigned int level,
			 pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct pt_range range = pt_top_range(priv->common);
	struct pt_range upper = pt_upper_range(priv->common);
	const pt_vaddr_t edges[] = {
		range.va, range.last_va - pgsz + 1,
		upper.va, upper.last_va - pgsz + 1,
		/* AMD's last address is the last there is */
		priv->common->max_vasz_lg2 == PT_VADDR_MAX_LG2 ? -pgsz : 0,
	};
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(edges); i++) {
		if ((unsigned long)edges[i] != edges[i])
			continue;
		cut_at(test, level, edges[i], pgsz, priv->smallest_pgsz);
		cut_at(test, level, edges[i], pgsz, pgsz / 2);
		cut_at(test, level, edges[i], pgsz,
		       pgsz - priv->smallest_pgsz);
	}
}

static void test_cut_at_the_edges(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_at_edges);
}

static void test_cut_every_position(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_everywhere);
}

/* All of an entry of the lowest level, as it is in the table */
static int __cut_raw(struct pt_range *range, void *arg, unsigned int level,
		     struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	u64 *raw = arg;

	if (pt_load_single_entry(&pts) == PT_ENTRY_TABLE)
		return pt_descend(&pts, arg, __cut_raw);
	*raw = pts.entry;
	return level ? -EINVAL : 0;
}

static u64 cut_raw(struct kunit *test, pt_vaddr_t va)
{
	u64 raw = 0;

	KUNIT_ASSERT_NO_ERRNO(test, cut_walk(test, va, __cut_raw, &raw));
	return raw;
}

/* What a cut makes are the entries that a map in small pages makes */
static void cut_prots(struct kunit *test, unsigned int level, pt_vaddr_t pgsz)
{
	static const int prots[] = {
		IOMMU_READ,
		IOMMU_WRITE,
		IOMMU_READ | IOMMU_WRITE,
		IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
		IOMMU_READ | IOMMU_WRITE | IOMMU_NOEXEC,
		IOMMU_READ | IOMMU_WRITE | IOMMU_MMIO,
	};
	struct kunit_iommu_priv *priv = test->priv;
	unsigned long bitmap = priv->domain.pgsize_bitmap;
	pt_vaddr_t small = priv->smallest_pgsz;
	u64 raw[3];
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(prots); i++) {
		struct cut_map map = cut_map_prot(test, pgsz, 0, pgsz, prots[i]);

		KUNIT_ASSERT_NO_ERRNO(test, iommu_cut_mapping(&priv->domain,
							      pgsz + small,
							      GFP_KERNEL));
		cut_shape(test, &map);
		raw[0] = cut_raw(test, pgsz);
		raw[1] = cut_raw(test, pgsz + small);
		raw[2] = cut_raw(test, pgsz + 511 * small);
		do_unmap(test, pgsz, pgsz);

		priv->domain.pgsize_bitmap = small;
		cut_map_prot(test, pgsz, 0, 512 * small, prots[i]);
		priv->domain.pgsize_bitmap = bitmap;
		KUNIT_EXPECT_EQ(test, raw[0], cut_raw(test, pgsz));
		KUNIT_EXPECT_EQ(test, raw[1], cut_raw(test, pgsz + small));
		KUNIT_EXPECT_EQ(test, raw[2], cut_raw(test, pgsz + 511 * small));
		do_unmap(test, pgsz, 512 * small);
	}
}

static void test_cut_keeps_attributes(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_prots);
}

/* The tables that the HW could read before the cut, and what was in them */
struct cut_snapshot {
	unsigned int nr;
	struct {
		u64 *table;
		u64 old[SZ_4K / sizeof(u64)];
	} tables[PT_MAX_TOP_LEVEL + 1];
};

static int __cut_take_snapshot(struct pt_range *range, void *arg,
			       unsigned int level, struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct cut_snapshot *snapshot = arg;

	snapshot->tables[snapshot->nr].table = (u64 *)table;
	memcpy(snapshot->tables[snapshot->nr].old, table, SZ_4K);
	snapshot->nr++;
	if (pt_load_single_entry(&pts) == PT_ENTRY_TABLE)
		return pt_descend(&pts, arg, __cut_take_snapshot);
	return 0;
}

static struct cut_snapshot *cut_take_snapshot(struct kunit *test, pt_vaddr_t va)
{
	struct cut_snapshot *snapshot = kunit_kzalloc(test, sizeof(*snapshot),
						      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, snapshot);
	KUNIT_ASSERT_NO_ERRNO(test, cut_walk(test, va, __cut_take_snapshot,
					     snapshot));
	return snapshot;
}

static unsigned int cut_words_changed(const struct cut_snapshot *snapshot)
{
	unsigned int i, word, nr = 0;

	for (i = 0; i != snapshot->nr; i++)
		for (word = 0; word != SZ_4K / sizeof(u64); word++)
			nr += snapshot->tables[i].old[word] !=
			      READ_ONCE(snapshot->tables[i].table[word]);
	return nr;
}

struct cut_states {
	struct kunit *test;
	struct cut_map map;
	struct cut_snapshot *snapshot;
	unsigned int seen;
};

/*
 * Every state that the HW can be in. Of what it can reach from the top one word
 * changes, so it finds the old entry or the new ones, never a part of these. When
 * the flush begins, it may have cached either; what is cached is of the old entry, or
 * of one of the new ones, and each translates as the old one did.
 */
static void cut_check_states(void *data)
{
	struct cut_states *s = data;

	s->seen++;
	KUNIT_EXPECT_EQ(s->test, cut_words_changed(s->snapshot), 1);
	cut_shape(s->test, &s->map);
}

static void cut_enumerate(struct kunit *test, unsigned int level,
			  pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_states s = {
		.test = test,
		.map = cut_map(test, pgsz, 0, pgsz),
	};

	s.snapshot = cut_take_snapshot(test, pgsz);
	cut_sync.check = cut_check_states;
	cut_sync.data = &s;
	KUNIT_ASSERT_NO_ERRNO(test,
			      iommu_cut_mapping(&priv->domain,
						pgsz + 5 * priv->smallest_pgsz,
						GFP_KERNEL));
	cut_sync.check = NULL;
	KUNIT_EXPECT_EQ(test, s.seen, 1);
	KUNIT_EXPECT_EQ(test, cut_words_changed(s.snapshot), 1);
	do_unmap(test, pgsz, pgsz);
}

static void test_cut_is_one_store(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_enumerate);
}

static void cut_without_memory(struct kunit *test, unsigned int level,
			       pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = cut_map(test, pgsz, 0, pgsz);
	unsigned long va = pgsz + priv->smallest_pgsz;
	struct cut_shape before = cut_shape(test, &map);
	unsigned int fail;
	int ret;

	for (fail = 1; fail <= level; fail++) {
		cut_sync.nr = 0;
		cut_alloc_begin(test, fail);
		ret = iommu_cut_mapping(&priv->domain, va, GFP_KERNEL);
		KUNIT_EXPECT_EQ(test, cut_alloc_end(test), fail);
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, cut_sync.nr, 0);
		KUNIT_EXPECT_EQ(test, cut_shape(test, &map).tables,
				before.tables);
	}
	/* One table a level is all that it takes */
	cut_alloc_begin(test, fail);
	ret = iommu_cut_mapping(&priv->domain, va, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, cut_alloc_end(test), level);
	KUNIT_EXPECT_EQ(test, ret, 0);
	do_unmap(test, pgsz, pgsz);
}

static void test_cut_without_memory(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_without_memory);
}

/* Caches that are written back, and how many were by the time of the exchange */
static struct {
	unsigned int nr;
	unsigned int fail;
	unsigned int late;
	const struct cut_snapshot *snapshot;
} cut_write_back;

static int cut_start_incoherent(void *virt, struct device *dma_dev)
{
	struct kunit *test = kunit_get_current_test();
	int ret;

	if (cut_words_changed(cut_write_back.snapshot))
		cut_write_back.late++;
	if (++cut_write_back.nr == cut_write_back.fail)
		return -EIO;
	kunit_deactivate_static_stub(test, iommu_pages_start_incoherent);
	ret = iommu_pages_start_incoherent(virt, dma_dev);
	kunit_activate_static_stub(test, iommu_pages_start_incoherent,
				   cut_start_incoherent);
	return ret;
}

/* Each new table is written back before the HW can reach it; any may fail */
static void cut_write_back_at(struct kunit *test, unsigned int level,
			      pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = cut_map(test, pgsz, 0, pgsz);
	struct cut_snapshot *snapshot = cut_take_snapshot(test, pgsz);
	unsigned int fail;
	int ret;

	cut_sync.nr = 0;
	for (fail = 1; fail <= level + 1; fail++) {
		cut_write_back = (typeof(cut_write_back)){
			.fail = fail, .snapshot = snapshot,
		};
		kunit_activate_static_stub(test, iommu_pages_start_incoherent,
					   cut_start_incoherent);
		ret = iommu_cut_mapping(&priv->domain,
					pgsz + priv->smallest_pgsz, GFP_KERNEL);
		kunit_deactivate_static_stub(test, iommu_pages_start_incoherent);
		KUNIT_EXPECT_EQ(test, cut_write_back.late, 0);
		KUNIT_EXPECT_EQ(test, ret, fail <= level ? -EIO : 0);
		KUNIT_EXPECT_EQ(test, cut_write_back.nr, min(fail, level));
		KUNIT_EXPECT_EQ(test, cut_words_changed(snapshot), fail > level);
		KUNIT_EXPECT_EQ(test, cut_sync.nr, fail > level);
		cut_shape(test, &map);
	}
	do_unmap(test, pgsz, pgsz);
}

static void test_cut_incoherent(struct kunit *test)
{
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_needs(test, PT_FEAT_DMA_INCOHERENT);
	cut_at_each_level(test, cut_write_back_at);
}

static void cut_refused(struct kunit *test, unsigned int level,
			pt_vaddr_t pgsz)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = cut_map(test, pgsz, 0, pgsz);
	pt_vaddr_t small = priv->smallest_pgsz;
	unsigned long bitmap = priv->domain.pgsize_bitmap;
	unsigned int lower;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_cut_mapping(&priv->domain, pgsz + small / 2,
					  GFP_KERNEL));

	KUNIT_EXPECT_EQ(test, 0,
			iommu_set_dirty_tracking(&priv->domain, true));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommu_cut_mapping(&priv->domain, pgsz + small,
					  GFP_KERNEL));
	/* Where there is nothing to cut, nothing is in the way */
	KUNIT_EXPECT_EQ(test, 0,
			iommu_cut_mapping(&priv->domain, pgsz, GFP_KERNEL));
	/* What a driver could not turn off is still on */
	cut_dirty_ret = -EIO;
	KUNIT_EXPECT_EQ(test, -EIO,
			iommu_set_dirty_tracking(&priv->domain, false));
	cut_dirty_ret = 0;
	KUNIT_EXPECT_EQ(test, -EBUSY,
			iommu_cut_mapping(&priv->domain, pgsz + small,
					  GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0,
			iommu_set_dirty_tracking(&priv->domain, false));

	/* All levels that it takes have to be allowed, not only the last */
	for (lower = 1; lower != level; lower++) {
		priv->domain.pgsize_bitmap = bitmap & ~cut_pgsz(priv, lower);
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				iommu_cut_mapping(&priv->domain, pgsz + small,
						  GFP_KERNEL));
		priv->domain.pgsize_bitmap = bitmap;
	}

	KUNIT_EXPECT_EQ(test, cut_sync.nr, 0);
	KUNIT_EXPECT_EQ(test, cut_shape(test, &map).leaves[vaffs(pgsz)], 1);
	do_unmap(test, pgsz, pgsz);
	cut_sync.nr = 0;
}

static void test_cut_refusals(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;

	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	cut_at_each_level(test, cut_refused);
	/* Nothing is mapped here */
	KUNIT_EXPECT_EQ(test, 0, iommu_cut_mapping(&priv->domain, 0, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0,
			iommu_cut_mapping(&priv->domain,
					  priv->smallest_pgsz * 12345,
					  GFP_KERNEL));
	/* Nor can anything cross the end; a growing table may grow to it */
	if (priv->common->max_vasz_lg2 < BITS_PER_LONG) {
		unsigned long end = pt_feature(priv->common, PT_FEAT_SIGN_EXTEND) ?
				    1UL << (priv->common->max_vasz_lg2 - 1) :
				    1UL << priv->common->max_vasz_lg2;

		KUNIT_EXPECT_EQ(test, 0,
				iommu_cut_mapping(&priv->domain, end / 2,
						  GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, 0,
				iommu_cut_mapping(&priv->domain, end, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, -ERANGE,
				iommu_cut_mapping(&priv->domain,
						  end + priv->smallest_pgsz,
						  GFP_KERNEL));
	}
}

static int __cut_mark_dirty(struct pt_range *range, void *arg,
			    unsigned int level, struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);

	if (pt_load_single_entry(&pts) == PT_ENTRY_TABLE)
		return pt_descend(&pts, arg, __cut_mark_dirty);
	return pt_entry_make_write_dirty(&pts) ? 0 : -EOPNOTSUPP;
}

static int __cut_is_dirty(struct pt_range *range, void *arg,
			  unsigned int level, struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);

	if (pt_load_single_entry(&pts) == PT_ENTRY_TABLE)
		return pt_descend(&pts, arg, __cut_is_dirty);
	return pt_entry_is_write_dirty(&pts) ? 0 : -ENOENT;
}

static void cut_mark_meanwhile(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 0,
			cut_walk(test, cut_pgsz(test->priv, 1), __cut_mark_dirty,
				 NULL));
}

/* No mark is lost, and one that comes in between makes the cut start over */
static void test_cut_of_a_dirty_entry(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t pgsz = cut_pgsz(priv, 1), small = priv->smallest_pgsz;
	struct cut_map map = cut_map(test, pgsz, 0, pgsz);
	pt_vaddr_t at;
	int ret;

	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	if (cut_walk(test, pgsz, __cut_mark_dirty, NULL))
		kunit_skip(test, "lane: not in this format");
	do_unmap(test, pgsz, pgsz);
	map = cut_map(test, pgsz, 0, pgsz);
	KUNIT_EXPECT_EQ(test, -ENOENT,
			cut_walk(test, pgsz, __cut_is_dirty, NULL));

	cut_sync.nr = 0;
	cut_alloc.meanwhile = cut_mark_meanwhile;
	cut_alloc_begin(test, 0);
	ret = iommu_cut_mapping(&priv->domain, pgsz + 7 * small, GFP_KERNEL);
	cut_alloc.meanwhile = NULL;
	KUNIT_EXPECT_EQ(test, cut_alloc_end(test), 2);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, cut_sync.nr, 1);
	cut_shape(test, &map);
	for (at = pgsz; at != 2 * pgsz; at += small)
		KUNIT_ASSERT_EQ(test, 0,
				cut_walk(test, at, __cut_is_dirty, NULL));
}

/* Entries of several items are left alone, whole */
static void test_cut_contiguous(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	unsigned int pgsz_lg2, syncs, nr = 0;

	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	for (pgsz_lg2 = priv->smallest_pgsz_lg2 + 1; pgsz_lg2 <= 32; pgsz_lg2++) {
		pt_vaddr_t pgsz = log2_to_int(pgsz_lg2);
		unsigned int level = pt_pgsz_lg2_to_level(priv->common, pgsz_lg2);
		struct cut_map map, before, after;

		if (!(priv->safe_pgsize_bitmap & pgsz) ||
		    cut_pgsz(priv, level) == pgsz)
			continue;
		/* Between neighbours that are of the same kind, elsewhere in memory */
		before = cut_map(test, pgsz, pgsz * 4, pgsz);
		map = cut_map(test, pgsz * 2, 0, pgsz);
		after = cut_map(test, pgsz * 3, pgsz * 8, pgsz);
		syncs = cut_sync.nr;
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				iommu_cut_mapping(&priv->domain,
						  map.va + priv->smallest_pgsz,
						  GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
				iommu_cut_mapping(&priv->domain,
						  map.va + pgsz / 2, GFP_KERNEL));
		KUNIT_EXPECT_EQ(test, 0,
				iommu_cut_mapping(&priv->domain, map.va,
						  GFP_KERNEL));
		KUNIT_EXPECT_EQ(test,
				cut_shape(test, &map).leaves[pgsz_lg2], 1);
		cut_shape(test, &before);
		cut_shape(test, &after);
		KUNIT_EXPECT_EQ(test, cut_sync.nr, syncs);
		do_unmap(test, pgsz, 3 * pgsz);
		nr++;
	}
	/* Whatever other sizes the domain says that it has */
	KUNIT_EXPECT_EQ(test, !!nr,
			!!(priv->safe_pgsize_bitmap & GENMASK(32, 0) &
			   ~(cut_pgsz(priv, 0) | cut_pgsz(priv, 1) |
			     cut_pgsz(priv, 2))));
}

/* --- cases: populate --------------------------------------------------------- */

static void populate_and_map(struct kunit *test, unsigned int level,
			     pt_vaddr_t pgsz, pt_vaddr_t va, pt_vaddr_t len)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_map map = { .va = va, .len = len };
	struct cut_shape shape;
	struct cut_entry entry;
	pt_vaddr_t at;
	int ret;

	KUNIT_ASSERT_NO_ERRNO(test, iommu_populate_tables(&priv->domain, va, len,
							  pgsz, GFP_KERNEL));
	/* Nothing translates, and to populate it again takes nothing */
	for (at = va; at != va + len; at += pgsz)
		KUNIT_ASSERT_EQ(test, iommu_iova_to_phys(&priv->domain, at), 0);
	cut_alloc_begin(test, 1);
	ret = iommu_populate_tables(&priv->domain, va, len, pgsz, GFP_KERNEL);
	KUNIT_ASSERT_NO_ERRNO(test, ret);

	/* In one go, or page by page */
	map.oa = log2_set_mod(priv->test_oa, 0, 30) + pgsz;
	for (at = 0; at != len; at += pgsz) {
		ret = iommu_map(&priv->domain, va + at, map.oa + at, pgsz,
				IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
		KUNIT_ASSERT_NO_ERRNO(test, ret);
	}
	KUNIT_ASSERT_EQ(test, cut_alloc_end(test), 0);
	KUNIT_ASSERT_NO_ERRNO(test, cut_find(priv->common, va, &entry));
	map.attrs = entry.attrs;
	shape = cut_shape(test, &map);
	KUNIT_ASSERT_EQ(test, shape.leaves[vaffs(pgsz)], len / pgsz);
	do_unmap(test, va, len);

	KUNIT_ASSERT_NO_ERRNO(test, iommu_populate_tables(&priv->domain, va, len,
							  pgsz, GFP_KERNEL));
	cut_alloc_begin(test, 1);
	ret = iommu_map(&priv->domain, va, map.oa, len, IOMMU_READ | IOMMU_WRITE,
			GFP_KERNEL);
	KUNIT_ASSERT_NO_ERRNO(test, ret);
	KUNIT_ASSERT_EQ(test, cut_alloc_end(test), 0);
	cut_shape(test, &map);
	do_unmap(test, va, len);
	KUNIT_ASSERT_EQ(test, count_valids(test), 0);
}

static void test_populate_then_map(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	unsigned int level;

	for (level = 0; level <= 2; level++) {
		pt_vaddr_t pgsz = cut_pgsz(priv, level);
		pt_vaddr_t upper = cut_pgsz(priv, level + 1);
		struct pt_range range = pt_top_range(priv->common);

		if (!pgsz || !upper)
			continue;
		populate_and_map(test, level, pgsz, upper, upper);
		populate_and_map(test, level, pgsz, upper + pgsz, pgsz);
		/* From within one table over a whole one into a third */
		populate_and_map(test, level, pgsz, 2 * upper - 3 * pgsz,
				 upper + 7 * pgsz);
		/* The last addresses there are, as far as the table has grown */
		populate_and_map(test, level, pgsz,
				 range.last_va - 2 * pgsz + 1, 2 * pgsz);
	}
}

/* A table that has to grow has grown by the time of the map */
static void test_populate_grows_the_table(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t pgsz = priv->smallest_pgsz;
	pt_vaddr_t va = pt_top_range(priv->common).last_va + 1;

	if (!pt_feature(priv->common, PT_FEAT_DYNAMIC_TOP) ||
	    priv->common->max_vasz_lg2 <= pt_top_range(priv->common).max_vasz_lg2) {
		/* Not that this could be had by asking for it */
		if (va && va == (unsigned long)va)
			KUNIT_EXPECT_EQ(test, -ERANGE,
					iommu_populate_tables(&priv->domain, va,
							      pgsz, pgsz,
							      GFP_KERNEL));
		return;
	}
	populate_and_map(test, 0, pgsz, va, 4 * pgsz);
	KUNIT_EXPECT_GT(test, pt_top_range(priv->common).last_va, va);
}

/* Whatever is there already stays, a hole is filled, no leaf entry is lost */
static void test_populate_around_mappings(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t small = priv->smallest_pgsz, pgsz = cut_pgsz(priv, 1);
	struct cut_map map = cut_map(test, pgsz + 5 * small, 0, 3 * small);
	struct cut_map huge = cut_map(test, 3 * pgsz, 0, pgsz);

	KUNIT_EXPECT_EQ(test, 0, iommu_populate_tables(&priv->domain, pgsz, pgsz,
						       small, GFP_KERNEL));
	cut_shape(test, &map);
	KUNIT_EXPECT_EQ(test, -EADDRINUSE,
			iommu_populate_tables(&priv->domain, 2 * pgsz, 2 * pgsz,
					      small, GFP_KERNEL));
	/* Where it is, a table for its own size is all that it takes */
	KUNIT_EXPECT_EQ(test, 0, iommu_populate_tables(&priv->domain, 3 * pgsz,
						       pgsz, pgsz, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, cut_shape(test, &huge).leaves[vaffs(pgsz)], 1);

	/* A larger page than was thought of takes the place of its empty table */
	KUNIT_EXPECT_EQ(test, 0, iommu_populate_tables(&priv->domain, 4 * pgsz,
						       pgsz, small, GFP_KERNEL));
	huge = cut_map(test, 4 * pgsz, 0, pgsz);
	KUNIT_EXPECT_EQ(test, cut_shape(test, &huge).leaves[vaffs(pgsz)], 1);
}

static void test_other_domains(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct iommu_domain *domain = &priv->domain;
	pt_vaddr_t small = priv->smallest_pgsz;
	unsigned int type = domain->type;

	domain->is_iommupt = false;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_cut_mapping(domain, small, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_populate_tables(domain, small, small, small,
					      GFP_KERNEL));
	domain->is_iommupt = true;
	domain->type = IOMMU_DOMAIN_IDENTITY;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_cut_mapping(domain, small, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP,
			iommu_populate_tables(domain, small, small, small,
					      GFP_KERNEL));
	domain->type = type;
}

static void test_populate_refusals(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t small = priv->smallest_pgsz, pgsz = cut_pgsz(priv, 1);
	static const size_t no_sizes[] = { 0, 1, 3, SZ_1K };
	unsigned int i;

	for (i = 0; i != ARRAY_SIZE(no_sizes); i++)
		KUNIT_EXPECT_EQ(test, -EINVAL,
				iommu_populate_tables(&priv->domain, 0, pgsz,
						      no_sizes[i], GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_populate_tables(&priv->domain, 0, 0, small,
					      GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_populate_tables(&priv->domain, small / 2, small,
					      small, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_populate_tables(&priv->domain, small, pgsz, pgsz,
					      GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			iommu_populate_tables(&priv->domain, 0, pgsz + small,
					      pgsz, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			iommu_populate_tables(&priv->domain, -pgsz, 2 * pgsz,
					      pgsz, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, count_valids(test), 0);
}

static void test_populate_without_memory(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	pt_vaddr_t small = priv->smallest_pgsz, pgsz = cut_pgsz(priv, 1);
	unsigned int fail, nr;
	int ret;

	for (fail = 1; fail < 20; fail++) {
		cut_alloc_begin(test, fail);
		ret = iommu_populate_tables(&priv->domain, pgsz - small,
					    pgsz + 2 * small, small, GFP_KERNEL);
		nr = cut_alloc_end(test);
		if (nr < fail)
			break;
		KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
		KUNIT_EXPECT_EQ(test, count_valids(test), 0);
		/* What there is by now serves the next attempt, but not twice */
	}
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GE(test, fail, 2);
	populate_and_map(test, 0, small, pgsz - small, pgsz + 2 * small);
}

/* --- others at the same time ------------------------------------------------ */

/*
 * Does what generic_pt's locking allows during a cut: looks addresses up, reads
 * and clears dirty marks, maps and unmaps other ranges of the same tables.
 */
struct cut_bystander {
	struct kunit_iommu_priv *priv;
	struct rw_semaphore range_lock;	/* of the range that is cut */
	struct cut_map map;		/* what it finds there */
	pt_vaddr_t other_va;		/* where it maps */
	unsigned int rounds;
	unsigned int mistakes;
};

static void cut_bystander_look(struct cut_bystander *b, unsigned int round)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty = { .gather = &gather };
	pt_vaddr_t offset = (round * 7 * b->priv->smallest_pgsz) % b->map.len;
	int ret;

	if (iommu_iova_to_phys(&b->priv->domain, b->map.va + offset) !=
	    b->map.oa + offset)
		b->mistakes++;
	iommu_iotlb_gather_init(&gather);
	ret = cut_dirty_ops.read_and_clear_dirty(&b->priv->domain, b->map.va,
						 b->map.len,
						 round & 1 ? IOMMU_DIRTY_NO_CLEAR : 0,
						 &dirty);
	if (ret && ret != -EOPNOTSUPP)
		b->mistakes++;
}

static void cut_bystander_map(struct cut_bystander *b, unsigned int round)
{
	struct iommu_domain *domain = &b->priv->domain;
	/* A table, and an entry in its place */
	pt_vaddr_t len = round & 1 ? 3 * b->priv->smallest_pgsz : b->map.len;

	if (iommu_map(domain, b->other_va, b->map.len, len,
		      IOMMU_READ | IOMMU_WRITE, GFP_KERNEL) ||
	    iommu_unmap(domain, b->other_va, len) != len)
		b->mistakes++;
}

static int cut_bystander_thread(void *data)
{
	struct cut_bystander *b = data;

	while (!kthread_should_stop()) {
		scoped_guard(rwsem_read, &b->range_lock)
			cut_bystander_look(b, b->rounds);
		cut_bystander_map(b, b->rounds);
		WRITE_ONCE(b->rounds, b->rounds + 1);
		cond_resched();
	}
	return 0;
}

static void test_cut_beside_others(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;
	struct cut_bystander *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	pt_vaddr_t pgsz = cut_pgsz(priv, 1), offset;
	struct task_struct *task;
	unsigned int round;
	size_t unmapped;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, b);
	cut_needs(test, PT_FEAT_OA_TABLE_XCHG);
	b->priv = priv;
	init_rwsem(&b->range_lock);
	b->map = cut_map(test, pgsz, 0, pgsz);
	b->other_va = 3 * pgsz;
	task = kthread_run(cut_bystander_thread, b, "cut_bystander");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	/* cut_test_exit() stops it */
	cut_sync.bystander = task;
	for (round = 0; round < 200 || READ_ONCE(b->rounds) < 200; round++) {
		cut_walk(test, pgsz, __cut_mark_dirty, NULL);
		for (offset = priv->smallest_pgsz; offset < pgsz;
		     offset += 100 * priv->smallest_pgsz)
			KUNIT_EXPECT_EQ(test, 0,
					iommu_cut_mapping(&priv->domain,
							  pgsz + offset,
							  GFP_KERNEL));
		/* To assert with the lock held would leave the other waiting */
		scoped_guard(rwsem_write, &b->range_lock) {
			unmapped = iommu_unmap(&priv->domain, pgsz, pgsz);
			ret = iommu_map(&priv->domain, pgsz, 0, pgsz,
					IOMMU_READ | IOMMU_WRITE, GFP_KERNEL);
		}
		KUNIT_ASSERT_EQ(test, unmapped, pgsz);
		KUNIT_ASSERT_EQ(test, ret, 0);
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, READ_ONCE(b->mistakes), 0);
}

#include "kunit_iommu_cut_device.h"

/* --- the suite ----------------------------------------------------------------- */

/* Pages of all tables, with what the CPUs have not added up yet */
static unsigned long cut_table_pages(void)
{
	long nr = global_node_page_state(NR_SECONDARY_PAGETABLE);
#ifdef CONFIG_SMP
	int nid, cpu;

	for_each_online_node(nid)
		for_each_online_cpu(cpu)
			nr += per_cpu_ptr(NODE_DATA(nid)->per_cpu_nodestats, cpu)
				      ->vm_node_stat_diff[NR_SECONDARY_PAGETABLE];
#endif
	return nr;
}

static int cut_test_init(struct kunit *test)
{
	unsigned long table_pages = cut_table_pages();
	struct kunit_iommu_priv *priv;
	int ret = pt_kunit_iommu_init(test);

	memset(&cut_sync, 0, sizeof(cut_sync));
	if (ret)
		return ret;
	priv = test->priv;
	priv->domain.ops = &cut_ops;
	priv->domain.dirty_ops = &cut_dirty_ops;
	priv->orig_nr_secondary_pagetable = table_pages;
	return 0;
}

/* Not pt_kunit_iommu_exit(), which takes one CPU's number for that of all */
static void cut_test_exit(struct kunit *test)
{
	struct kunit_iommu_priv *priv = test->priv;

	if (!priv)
		return;
	if (cut_sync.bystander)
		kthread_stop(cut_sync.bystander);
	if (cut_sync.device)
		cut_device_stop(cut_sync.device);
	pt_iommu_deinit(priv->iommu);
	KUNIT_EXPECT_EQ(test, priv->orig_nr_secondary_pagetable,
			cut_table_pages());
	kunit_kfree(test, priv);
}

static struct kunit_case cut_test_cases[] = {
	KUNIT_CASE_FMT(test_cut_needs_the_feature),
	KUNIT_CASE_FMT(test_cut_every_position),
	KUNIT_CASE_FMT(test_cut_at_the_edges),
	KUNIT_CASE_FMT(test_cut_keeps_attributes),
	KUNIT_CASE_FMT(test_cut_is_one_store),
	KUNIT_CASE_FMT(test_cut_without_memory),
	KUNIT_CASE_FMT(test_cut_refusals),
	KUNIT_CASE_FMT(test_cut_of_a_dirty_entry),
	KUNIT_CASE_FMT(test_cut_incoherent),
	KUNIT_CASE_FMT(test_cut_contiguous),
	KUNIT_CASE_FMT(test_populate_then_map),
	KUNIT_CASE_FMT(test_populate_grows_the_table),
	KUNIT_CASE_FMT(test_populate_around_mappings),
	KUNIT_CASE_FMT(test_other_domains),
	KUNIT_CASE_FMT(test_populate_refusals),
	KUNIT_CASE_FMT(test_populate_without_memory),
	KUNIT_CASE_FMT(test_cut_beside_others),
	KUNIT_CASE_FMT(test_cut_race_2m),
	KUNIT_CASE_FMT(test_cut_race_1g),
	KUNIT_CASE_FMT(test_break_before_make_is_noticed),
	KUNIT_CASE_FMT(test_flush_of_one_page_is_noticed),
	{},
};

static struct kunit_suite NS(iommu_cut_suite) = {
	.name = __stringify(NS(iommu_cut_test)),
	.init = cut_test_init,
	.exit = cut_test_exit,
	.test_cases = cut_test_cases,
};

kunit_test_suites(&NS(iommu_cut_suite));

#endif /* __GENERIC_PT_KUNIT_IOMMU_CUT_H */
