/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two operations for users that convert part of a mapping while devices use the
 * rest: cut_mapping() lets unmap_range() begin and end inside of what was one
 * leaf entry, populate_tables() lets map_range() do without memory.
 *
 * Part of iommu_pt.h, and like it compiled once per page table format.
 */
#ifndef __GENERIC_PT_IOMMU_PT_CUT_H
#define __GENERIC_PT_IOMMU_PT_CUT_H

struct pt_iommu_cut_args {
	struct pt_write_attrs attrs;
	bool dirty;
	/* Allocated, and out of the HW's reach */
	struct iommu_pages_list tables;
};

/*
 * Build the table that translates as the leaf entry @parent_pts does, by leaf
 * entries of the level below it. If the range's VA is inside one of these, it
 * becomes a table as well, and so on down to where the VA is a boundary.
 *
 * All of it is built before any of it can be reached. Exchanging level by level
 * would need a flush for each, and could fail half way.
 */
static struct pt_table_p *
cut_build_table(const struct pt_state *parent_pts, pt_oaddr_t oa,
		struct pt_iommu_cut_args *cut)
{
	struct pt_range *range = parent_pts->range;
	struct pt_state pts = pt_init(range, parent_pts->level - 1, NULL);
	unsigned int isz_lg2 = pt_table_item_lg2sz(&pts);
	unsigned int end_index =
		log2_to_int_t(unsigned int, pt_num_items_lg2(&pts));
	struct pt_table_p *table_lower;

	pts.table = table_alloc(parent_pts, cut->attrs.gfp,
				ALLOC_DEFER_COHERENT_FLUSH);
	if (IS_ERR(pts.table))
		return pts.table;
	iommu_pages_list_add(&cut->tables, pts.table);

	for (; pts.index != end_index; pts.index++) {
		pt_install_leaf_entry(&pts, oa, isz_lg2, &cut->attrs);
		if (cut->dirty)
			pt_entry_make_write_dirty(&pts);
		oa += oalog2_to_int(isz_lg2);
	}
	if (!log2_mod(range->va, isz_lg2))
		return pts.table;

	pt_load_single_entry(&pts);
	table_lower = cut_build_table(&pts, pt_entry_oa(&pts), cut);
	if (IS_ERR(table_lower))
		return table_lower;
	/* Nobody else knows of the table, so this cannot fail */
	pt_install_table(&pts, virt_to_phys(table_lower), &cut->attrs);
	if (pts_feature(&pts, PT_FEAT_DMA_INCOHERENT))
		pt_set_sw_bit_release(&pts, SW_BIT_CACHE_FLUSH_DONE);
	return pts.table;
}

/* Whether the leaf entry can become tables down to where the VA is a boundary */
static int cut_check_leaf(const struct pt_state *pts)
{
	const struct iommu_domain *domain =
		&iommu_from_common(pts->range->common)->domain;
	struct pt_state lower_pts = *pts;
	unsigned int isz_lg2;

	/* The HW reads any of several items, one store cannot exchange them */
	if (pt_entry_num_contig_lg2(pts) != ilog2(1))
		return -EOPNOTSUPP;
	do {
		if (!pt_can_have_table(&lower_pts))
			return -EOPNOTSUPP;
		lower_pts.level--;
		isz_lg2 = pt_table_item_lg2sz(&lower_pts);
		if (!pt_can_have_leaf(&lower_pts) ||
		    !(domain->pgsize_bitmap & log2_to_int(isz_lg2)))
			return -EOPNOTSUPP;
	} while (log2_mod(pts->range->va, isz_lg2));

	/*
	 * HW that has cached the leaf entry marks that, wherever it was, and it
	 * is no longer where anybody looks.
	 */
	if (READ_ONCE(domain->dirty_tracking))
		return -EBUSY;
	return 0;
}

/*
 * Flush all of the former leaf entry: it translates as the tables do, but would go
 * on to after some of that is unmapped. What was a leaf entry is a table entry now,
 * which the HW has to be told even though no table was freed.
 */
static void cut_flush_leaf(const struct pt_state *pts, unsigned int pgsize_lg2)
{
	struct pt_iommu *iommu_table = iommu_from_common(pts->range->common);
	struct iommu_iotlb_gather iotlb_gather;

	iommu_iotlb_gather_init(&iotlb_gather);
	iommu_iotlb_gather_add_range(&iotlb_gather,
				     log2_set_mod(pts->range->va, 0, pgsize_lg2),
				     log2_to_int(pgsize_lg2));
	iotlb_gather.pt.leaf_levels_bitmap = BIT(pts->level);
	iotlb_gather.pt.table_levels_bitmap = BIT(pts->level);
	iommu_iotlb_sync(&iommu_table->domain, &iotlb_gather);
}

static int cut_leaf(struct pt_state *pts, struct pt_iommu_cut_args *cut)
{
	struct device *dev = iommu_from_common(pts->range->common)->iommu_device;
	bool incoherent = pts_feature(pts, PT_FEAT_DMA_INCOHERENT);
	unsigned int pgsize_lg2 = pt_entry_oa_lg2sz(pts);
	struct pt_table_p *table;
	int ret;

	ret = cut_check_leaf(pts);
	if (ret)
		return ret;

	pt_attr_from_entry(pts, &cut->attrs);
	/* Marks of earlier that nobody has read yet */
	cut->dirty = pt_entry_is_write_dirty(pts);
	table = cut_build_table(pts, pt_entry_oa(pts), cut);
	ret = PTR_ERR_OR_ZERO(table);
	if (!ret && incoherent)
		ret = iommu_pages_start_incoherent_list(&cut->tables, dev);
	/* Somebody may have cleared a mark of the entry meanwhile */
	if (!ret && !pt_install_table(pts, virt_to_phys(table), &cut->attrs))
		ret = -EAGAIN;
	if (ret) {
		if (incoherent)
			iommu_pages_stop_incoherent_list(&cut->tables, dev);
		iommu_put_pages_list(&cut->tables);
		return ret;
	}

	if (incoherent) {
		flush_writes_item(pts);
		pt_set_sw_bit_release(pts, SW_BIT_CACHE_FLUSH_DONE);
	}
	cut_flush_leaf(pts, pgsize_lg2);
	return 0;
}

static int __cut_mapping(struct pt_range *range, void *arg, unsigned int level,
			 struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);

	switch (pt_load_single_entry(&pts)) {
	case PT_ENTRY_EMPTY:
		return 0;
	case PT_ENTRY_TABLE:
		return pt_descend(&pts, arg, __cut_mapping);
	case PT_ENTRY_OA:
		if (!log2_mod(range->va, pt_entry_oa_lg2sz(&pts)))
			return 0;
		return cut_leaf(&pts, arg);
	}
	return 0;
}

/*
 * Whether nothing can be mapped around @iova, though an address below it could be:
 * the end of the aperture, or where the table has yet to grow to.
 */
static bool cut_has_nothing(struct pt_common *common, dma_addr_t iova)
{
	struct pt_range range;

	if (pt_feature(common, PT_FEAT_DYNAMIC_TOP))
		return fvalog2_div_eq(iova - 1, pt_full_va_prefix(common),
				      common->max_vasz_lg2);
	return !make_range(common, &range, iova - 1, 1);
}

static int NS(cut_mapping)(struct pt_iommu *iommu_table, dma_addr_t iova,
			   gfp_t gfp)
{
	struct pt_common *common = common_from_iommu(iommu_table);
	struct pt_range range;
	int ret;

	if (!pt_feature(common, PT_FEAT_OA_TABLE_XCHG))
		return -EOPNOTSUPP;
	if (log2_mod(iova, vaffs(iommu_table->domain.pgsize_bitmap)))
		return -EINVAL;

	ret = make_range(common, &range, iova, 1);
	if (ret == -ERANGE && cut_has_nothing(common, iova))
		return 0;
	if (ret)
		return ret;

	do {
		struct pt_iommu_cut_args cut = {
			.attrs.gfp = gfp,
			.tables = IOMMU_PAGES_LIST_INIT(cut.tables),
		};

		ret = pt_walk_range(&range, __cut_mapping, &cut);
	} while (ret == -EAGAIN);
	return ret;
}

static int __populate_tables(struct pt_range *range, void *arg,
			     unsigned int level, struct pt_table_p *table)
{
	struct pt_state pts = pt_init(range, level, table);
	struct pt_iommu_map_args *map = arg;
	int ret;

	_pt_iter_first(&pts);
	do {
		ret = pt_iommu_get_table(&pts, &map->attrs);
		if (!ret && level - 1 != map->leaf_level)
			ret = pt_descend(&pts, arg, __populate_tables);
		/* EAGAIN on a race begins again from here */
		if (ret)
			return ret;
		pts.index++;
		pt_index_to_va(&pts);
	} while (pts.index < pts.end_index);
	return 0;
}

static int NS(populate_tables)(struct pt_iommu *iommu_table, dma_addr_t iova,
			       dma_addr_t len, size_t pgsize, gfp_t gfp)
{
	struct pt_common *common = common_from_iommu(iommu_table);
	struct pt_iommu_map_args map = {
		.attrs.gfp = gfp,
	};
	struct pt_range range;
	int ret;

	if (!is_power_of_2(pgsize) ||
	    !(iommu_table->domain.pgsize_bitmap & pgsize) ||
	    log2_mod(iova | len, vaffs(pgsize)))
		return -EINVAL;
	map.leaf_pgsize_lg2 = vaffs(pgsize);
	map.leaf_level = pt_pgsz_lg2_to_level(common, map.leaf_pgsize_lg2);

	ret = make_range_no_check(common, &range, iova, len);
	if (ret)
		return ret;
	ret = check_map_range(iommu_table, &range, &map);
	if (ret)
		return ret;

	if (map.leaf_level == range.top_level)
		return 0;
	do {
		ret = pt_walk_range(&range, __populate_tables, &map);
	} while (ret == -EAGAIN);
	return ret;
}

#endif /* __GENERIC_PT_IOMMU_PT_CUT_H */
