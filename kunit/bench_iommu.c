// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what it costs to cut one page out of a huge IOPTE.
 *
 * The rival is what a user of iommu_map() has without: to unmap all of it and to map
 * it again in pages, which is also a hole for the device.  Page tables of VT-d's
 * second stage; the IOTLB is nobody's, so a flush costs nothing on either side.
 */
#include <linux/generic_pt/iommu.h>
#include <linux/iommu.h>
#include <linux/sizes.h>
#include <linux/vmstat.h>

#include "../../../drivers/iommu/iommu-pages.h"
#include "bench.h"

struct bench_domain {
	union {
		struct iommu_domain domain;
		struct pt_iommu_vtdss pt;
	};
};

PT_IOMMU_CHECK_DOMAIN(struct bench_domain, pt.iommu, domain);

static void bench_iotlb_sync(struct iommu_domain *domain,
			     struct iommu_iotlb_gather *gather)
{
	iommu_put_pages_list(&gather->freelist);
}

static const struct iommu_domain_ops bench_domain_ops = {
	IOMMU_PT_DOMAIN_OPS(vtdss),
	.iotlb_sync = bench_iotlb_sync,
};

static void bench_iommu_map(struct kunit *test, struct bench_domain *d,
			    unsigned long size, unsigned long pgsize)
{
	unsigned long bitmap = d->domain.pgsize_bitmap;

	d->domain.pgsize_bitmap = pgsize;
	KUNIT_ASSERT_EQ(test, 0, iommu_map(&d->domain, size, 0, size,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	d->domain.pgsize_bitmap = bitmap;
}

static unsigned long bench_iommu_tables(void)
{
	return global_node_page_state(NR_SECONDARY_PAGETABLE);
}

/* Figures of one size; time in ns, memory in pages of tables. */
struct bench_iommu {
	u64 cut[BENCH_MAX_ROUNDS];
	u64 remap[BENCH_MAX_ROUNDS];
	unsigned long cut_tables;
	unsigned long remap_tables;
};

static void bench_iommu_size(struct kunit *test, struct bench_domain *d,
			     unsigned long size, struct bench_iommu *b)
{
	unsigned long page = size + round_down(size / 3, SZ_4K);
	unsigned long tables;
	unsigned int r;
	u64 begin;

	for (r = 0; r < bench_rounds(); r++) {
		bench_iommu_map(test, d, size, size);
		tables = bench_iommu_tables();
		begin = ktime_get_ns();
		KUNIT_ASSERT_EQ(test, 0, iommu_cut_mapping(&d->domain, page,
							   GFP_KERNEL));
		KUNIT_ASSERT_EQ(test, 0, iommu_cut_mapping(&d->domain,
							   page + SZ_4K,
							   GFP_KERNEL));
		b->cut[r] = ktime_get_ns() - begin;
		b->cut_tables = bench_iommu_tables() - tables;
		KUNIT_ASSERT_EQ(test, size, iommu_unmap(&d->domain, size, size));

		bench_iommu_map(test, d, size, size);
		tables = bench_iommu_tables();
		begin = ktime_get_ns();
		KUNIT_ASSERT_EQ(test, size, iommu_unmap(&d->domain, size, size));
		bench_iommu_map(test, d, size, SZ_4K);
		b->remap[r] = ktime_get_ns() - begin;
		b->remap_tables = bench_iommu_tables() - tables;
		KUNIT_ASSERT_EQ(test, size, iommu_unmap(&d->domain, size, size));
		cond_resched();
	}
}

static void bench_iommu_rows(const char *name, const char *memory, u64 limit,
			     struct bench_iommu *b)
{
	bench_row(&(struct bench_row){
		.name = name,
		.unit = "us",
		.ours = bench_median(b->cut, bench_rounds()),
		.rival = "unmap + map 4K",
		.theirs = bench_median(b->remap, bench_rounds()),
		.target = BENCH_RATIO,
		.limit = limit,
	});
	bench_row(&(struct bench_row){
		.name = memory,
		.unit = "KiB",
		.ours = (u64)b->cut_tables * PAGE_SIZE / SZ_1K * 1000,
		.rival = "unmap + map 4K",
		.theirs = (u64)b->remap_tables * PAGE_SIZE / SZ_1K * 1000,
	});
}

/**
 * bench_iommu() - time and tables to cut one page out of 2 MiB and 1 GiB
 * @test: the test
 *
 * Context: Process context.
 */
void bench_iommu(struct kunit *test)
{
	struct pt_iommu_vtdss_cfg cfg = {
		.common.hw_max_vasz_lg2 = 48,
		.common.hw_max_oasz_lg2 = 52,
		.common.features = BIT(PT_FEAT_FLUSH_RANGE) |
				   BIT(PT_FEAT_OA_TABLE_XCHG),
		.top_level = 3,
	};
	struct bench_domain *d = kunit_kzalloc(test, sizeof(*d), GFP_KERNEL);
	struct bench_iommu *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, d);
	KUNIT_ASSERT_NOT_NULL(test, b);
	d->pt.iommu.nid = NUMA_NO_NODE;
	d->domain.ops = &bench_domain_ops;
	KUNIT_ASSERT_EQ(test, 0, pt_iommu_vtdss_init(&d->pt, &cfg, GFP_KERNEL));
	bench_iommu_size(test, d, SZ_2M, b);
	bench_iommu_rows("cut 1 page out of a 2 MiB IOPTE",
			 "tables that it takes", 1000, b);
	bench_iommu_size(test, d, bench_full ? SZ_1G : SZ_2M, b);
	bench_iommu_rows("cut 1 page out of a 1 GiB IOPTE",
			 "tables that it takes", 50, b);
	pt_iommu_deinit(&d->pt.iommu);
}

MODULE_IMPORT_NS("GENERIC_PT_IOMMU");
