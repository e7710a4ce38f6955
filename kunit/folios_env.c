// SPDX-License-Identifier: GPL-2.0
/*
 * folios_env: an inode that is good for nothing but having folios.
 */
#include <kunit/test.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>

#include "folios_env.h"

static int folios_init_fs_context(struct fs_context *fc)
{
	return init_pseudo(fc, 0x474d5445) ? 0 : -ENOMEM;
}

static struct file_system_type folios_fs = {
	.name = "gmem_folios_test",
	.init_fs_context = folios_init_fs_context,
	.kill_sb = kill_anon_super,
};

static struct vfsmount *folios_mnt;

int folios_suite_init(struct kunit_suite *suite)
{
	folios_mnt = kern_mount(&folios_fs);
	return PTR_ERR_OR_ZERO(folios_mnt);
}

void folios_suite_exit(struct kunit_suite *suite)
{
	if (!IS_ERR_OR_NULL(folios_mnt))
		kern_unmount(folios_mnt);
}

/* What a case has freed itself is not freed again. */
void folios_env_free(void *data)
{
	struct folios_env *env = data;

	if (env->folios)
		gmem_folios_free(env->folios);
	env->folios = NULL;
	if (env->inode)
		iput(env->inode);
	env->inode = NULL;
}

struct folios_made_shared made_shared;

static void folios_make_shared(struct folio *folio)
{
	if (made_shared.nr < ARRAY_SIZE(made_shared.pfn))
		made_shared.pfn[made_shared.nr] = folio_pfn(folio);
	made_shared.nr++;
}

static const struct gmem_folios_ops folios_ops = {
	.make_shared = folios_make_shared,
};

/* Of folios of @order, as far as the kernel has them; else the case is skipped. */
struct folios_env *folios_env_alloc_order(struct kunit *test, pgoff_t nr_pages,
					  unsigned int order,
					  enum gmem_state state)
{
	static const struct address_space_operations aops = {
		.dirty_folio = noop_dirty_folio,
	};
	struct folios_env *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, env);
	env->inode = alloc_anon_inode(folios_mnt->mnt_sb);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, env->inode);
	env->inode->i_mapping->a_ops = &aops;
	mapping_set_gfp_mask(env->inode->i_mapping, GFP_HIGHUSER);
	mapping_set_unevictable(env->inode->i_mapping);
	mapping_set_inaccessible(env->inode->i_mapping);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, folios_env_free, env));
	env->folios = gmem_folios_alloc("folios", env->inode->i_mapping,
					nr_pages, order, state, &folios_ops);
	if (IS_ERR(env->folios)) {
		env->folios = NULL;
		if (order > MAX_FOLIO_ORDER)
			kunit_skip(test, "lane: no folios of order %u", order);
		KUNIT_FAIL_AND_ABORT(test, "no memory for a file");
	}
	env->space = gmem_folios_space(env->folios);
	return env;
}

struct folios_env *folios_env_alloc(struct kunit *test, pgoff_t nr_pages,
				    enum gmem_state state)
{
	return folios_env_alloc_order(test, nr_pages, 0, state);
}

/* A reference as somebody else would hold it. */
struct folio *folios_hold(struct kunit *test, struct folios_env *env,
			  pgoff_t index)
{
	struct folio *folio = gmem_folios_get(env->folios, index);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, folio);
	return folio;
}

u8 folio_byte(struct folio *folio)
{
	u8 *p = kmap_local_folio(folio, 0), byte = *p;

	kunmap_local(p);
	return byte;
}

void folio_set_byte(struct folio *folio, u8 byte)
{
	u8 *p = kmap_local_folio(folio, 0);

	*p = byte;
	kunmap_local(p);
}

/* Of all nodes, with what the CPUs have not added up yet. */
unsigned long folios_stat(enum node_stat_item item)
{
	unsigned long nr = global_node_page_state_pages(item);
#ifdef CONFIG_SMP
	pg_data_t *pgdat;
	int cpu;

	for_each_online_pgdat(pgdat)
		for_each_online_cpu(cpu)
			nr += per_cpu_ptr(pgdat->per_cpu_nodestats,
					  cpu)->vm_node_stat_diff[item];
#endif
	return nr;
}
