// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_folios: the memory of a guest_memfd file.
 *
 * Owns the table from index to folio and one reference to each folio in it.
 * The folios belong to an address_space, for host mappings, reclaim and memory
 * failure, but are not in its i_pages: readers of the page cache spin on a zero
 * reference count, and to freeze a folio is to set it to zero.
 *
 * The table has two levels.  A chunk, for 2 MiB of the file, is allocated
 * together with the first folio in it and stays, so that no store into the
 * table can fail once there is a folio.
 *
 * Host faults and conversions meet at the chunk's @faults:
 *
 *	host fault				conversion
 *	----------				----------
 *						raise the fence
 *	down_read(faults)			down_write(faults)
 *	  lookup: no fence and shared,		up_write(faults)
 *	  or wait
 *	  map the page				unmap host page tables
 *	up_read(faults)				freeze
 *
 * A fault that found no fence has mapped its page by the time the conversion
 * gets @faults, so the unmapping finds it; one that comes later sees the fence.
 * In neither case does it hold a reference that only a retry would get rid of,
 * nor can it map a page that has become private meanwhile (G4, G8).
 *
 * Built in: what it takes from mm is not exported.
 */
#include <linux/file.h>
#include <linux/gmem_folios.h>
#include <linux/gmem_provider.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "internal.h"

#define GMEM_CHUNK_PAGES	GMEM_BLOCK_PAGES

/* @slots is a page of its own; with @faults beside it, it would take two. */
struct gmem_chunk {
	struct rw_semaphore faults;
	struct folio __rcu **slots;
};

struct gmem_folios {
	struct gmem_provider provider;
	struct gmem_space *space;
	struct address_space *mapping;
	pgoff_t nr_pages;
	struct gmem_chunk **chunks;
};

static struct gmem_folios *to_folios(struct gmem_provider *provider)
{
	return container_of(provider, struct gmem_folios, provider);
}

static struct gmem_chunk *gmem_chunk_find(struct gmem_folios *f, pgoff_t index)
{
	/* Pairs with the cmpxchg() in gmem_chunk_get(). */
	return smp_load_acquire(&f->chunks[index / GMEM_CHUNK_PAGES]);
}

static struct folio __rcu **gmem_chunk_slot(struct gmem_chunk *chunk,
					    pgoff_t index)
{
	return &chunk->slots[index % GMEM_CHUNK_PAGES];
}

static void gmem_chunk_free(struct gmem_chunk *chunk)
{
	if (!chunk)
		return;
	free_page((unsigned long)chunk->slots);
	kfree(chunk);
}

/* The chunk of @index, made if there is none yet; NULL without memory. */
static struct gmem_chunk *gmem_chunk_get(struct gmem_folios *f, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(f, index), *other;

	if (chunk) {
		/* Pairs with gmem_folios_drain_faults(). */
		smp_mb();
		return chunk;
	}
	BUILD_BUG_ON(GMEM_CHUNK_PAGES * sizeof(*chunk->slots) > PAGE_SIZE);
	chunk = kzalloc_obj(*chunk, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;
	init_rwsem(&chunk->faults);
	chunk->slots = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!chunk->slots) {
		kfree(chunk);
		return NULL;
	}
	/* A full barrier, as below. */
	other = cmpxchg(&f->chunks[index / GMEM_CHUNK_PAGES], NULL, chunk);
	if (other) {
		gmem_chunk_free(chunk);
		return other;
	}
	return chunk;
}

/*
 * The first folio at or behind *@index, which is moved there, or NULL if none
 * is left up to @last.  Costs nothing for chunks that do not exist.
 *
 * Safe because the caller's claim keeps others from removing folios.
 */
static struct folio *gmem_folios_next(struct gmem_folios *f, pgoff_t *index,
				      pgoff_t last)
{
	struct gmem_chunk *chunk;
	struct folio *folio;

	while (*index <= last) {
		chunk = gmem_chunk_find(f, *index);
		if (!chunk) {
			*index = round_down(*index, GMEM_CHUNK_PAGES) +
				 GMEM_CHUNK_PAGES;
			cond_resched();
			continue;
		}
		folio = rcu_dereference_protected(*gmem_chunk_slot(chunk, *index),
						  true);
		if (folio)
			return folio;
		++*index;
	}
	return NULL;
}

/* @index and @folio go over the folios of @run; the body may sleep. */
#define gmem_for_each_folio(f, run, index, folio)			\
	for ((index) = (run)->start;					\
	     ((folio) = gmem_folios_next((f), &(index), (run)->last));	\
	     (index)++, cond_resched())

/*
 * Waits for the host faults that have not seen the fence, and so may be about
 * to map a page of @run.
 */
static void gmem_folios_drain_faults(struct gmem_folios *f,
				     const struct gmem_run *run)
{
	pgoff_t index;

	/*
	 * The fence is visible before a chunk is found missing.  Pairs with both
	 * barriers in gmem_chunk_get(): who makes or finds that chunk later sees
	 * the fence.
	 */
	smp_mb();
	for (index = round_down(run->start, GMEM_CHUNK_PAGES);
	     index <= run->last; index += GMEM_CHUNK_PAGES) {
		struct gmem_chunk *chunk = gmem_chunk_find(f, index);

		if (chunk) {
			down_write(&chunk->faults);
			up_write(&chunk->faults);
		}
		cond_resched();
	}
}

/* Takes @run out of all host page tables. */
static void gmem_folios_unmap(struct gmem_folios *f, const struct gmem_run *run)
{
	gmem_folios_drain_faults(f, run);
	unmap_mapping_pages(f->mapping, run->start, run->last - run->start + 1,
			    false);
}

/* Only the table's. */
#define GMEM_FOLIO_REFS		1

/*
 * A look that binds nobody: references that sit in the lru batches of other
 * CPUs would make the freeze fail however often it is tried.
 */
static void gmem_folios_settle(struct gmem_provider *provider,
			       const struct gmem_plan *plan)
{
	struct gmem_folios *f = to_folios(provider);
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	if (plan->op != GMEM_OP_CONVERT || plan->target != GMEM_PRIVATE)
		return;
	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (folio_ref_count(folio) <=
			    GMEM_FOLIO_REFS + folio_mapcount(folio) ||
			    folio_maybe_dma_pinned(folio))
				continue;
			lru_add_drain_all();
			return;
		}
	}
}

/* Unfreezes what is frozen before index @end. */
static void gmem_folios_unfreeze(struct gmem_folios *f,
				 const struct gmem_plan *plan, pgoff_t end)
{
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (index >= end)
				return;
			folio_ref_unfreeze(folio, GMEM_FOLIO_REFS);
		}
	}
}

static int gmem_folios_freeze(struct gmem_folios *f,
			      const struct gmem_plan *plan,
			      struct gmem_report *report)
{
	struct folio *folio;
	unsigned long i;
	pgoff_t index;

	for (i = 0; i < plan->nr_runs; i++) {
		gmem_for_each_folio(f, &plan->runs[i], index, folio) {
			if (folio_ref_freeze(folio, GMEM_FOLIO_REFS))
				continue;
			gmem_report_refuse(report, index, "references",
					   folio_ref_count(folio),
					   GMEM_FOLIO_REFS);
			gmem_folios_unfreeze(f, plan, index);
			return -EAGAIN;
		}
	}
	return 0;
}

/*
 * Only what becomes private must be proved unused: a page that becomes shared
 * is mapped by the guest alone, which keeps no references, and a hole may be
 * punched under somebody who holds a reference, he keeps the old page.
 */
static int gmem_folios_prepare(struct gmem_provider *provider,
			       const struct gmem_plan *plan,
			       struct gmem_report *report)
{
	struct gmem_folios *f = to_folios(provider);

	if (plan->op != GMEM_OP_CONVERT || plan->target != GMEM_PRIVATE)
		return 0;
	/* All at once: between the runs nothing is mapped, it is private. */
	gmem_folios_unmap(f, &plan->request);
	return gmem_folios_freeze(f, plan, report);
}

/* Takes a folio out of the table and drops the table's reference. */
static void gmem_folios_remove_one(struct gmem_folios *f, struct folio *folio,
				   pgoff_t index)
{
	/*
	 * Who found the folio by a reference of his own trusts folio->mapping
	 * under the folio lock, e.g. set_page_dirty_lock() at the end of direct
	 * I/O.  Nobody waits for a fence with a folio lock held, so to wait for
	 * one here is not to wait for another operation (G3).
	 */
	folio_lock(folio);
	RCU_INIT_POINTER(*gmem_chunk_slot(gmem_chunk_find(f, index), index),
			 NULL);
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, -1);
	folio->mapping = NULL;
	folio_unlock(folio);
	folio_put(folio);
}

static void gmem_folios_revoke(struct gmem_provider *provider, pgoff_t start,
			       pgoff_t last)
{
	struct gmem_folios *f = to_folios(provider);
	struct gmem_run run = { start, last };
	struct folio *folio;
	pgoff_t index;

	gmem_folios_unmap(f, &run);
	gmem_for_each_folio(f, &run, index, folio)
		gmem_folios_remove_one(f, folio, index);
}

static void gmem_folios_commit(struct gmem_provider *provider,
			       const struct gmem_plan *plan)
{
	if (plan->op == GMEM_OP_PUNCH)
		gmem_folios_revoke(provider, plan->request.start,
				   plan->request.last);
}

static void gmem_folios_thaw(struct gmem_provider *provider,
			     const struct gmem_plan *plan)
{
	if (plan->op == GMEM_OP_CONVERT && plan->target == GMEM_PRIVATE)
		gmem_folios_unfreeze(to_folios(provider), plan, ULONG_MAX);
}

static const struct gmem_provider_ops gmem_folios_ops = {
	.settle = gmem_folios_settle,
	.prepare = gmem_folios_prepare,
	.commit = gmem_folios_commit,
	.thaw = gmem_folios_thaw,
	.revoke = gmem_folios_revoke,
};

/**
 * gmem_folios_alloc() - make an empty file's memory
 * @name: of the space
 * @mapping: the inode's; unevictable and inaccessible, so that reclaim and
 *	migration leave its folios alone, with a gfp mask that allows neither
 *	movable zones nor CMA
 * @nr_pages: size in pages, not 0
 * @state: state of every page
 *
 * Context: Process context, may sleep.
 * Return: the memory, or ERR_PTR(): -EINVAL, -ENOMEM.
 */
struct gmem_folios *gmem_folios_alloc(const char *name,
				      struct address_space *mapping,
				      pgoff_t nr_pages, enum gmem_state state)
{
	struct gmem_folios *f;

	if (!nr_pages || nr_pages > MAX_LFS_FILESIZE >> PAGE_SHIFT ||
	    !mapping_unevictable(mapping) || !mapping_inaccessible(mapping) ||
	    (mapping_gfp_mask(mapping) & __GFP_MOVABLE))
		return ERR_PTR(-EINVAL);
	f = kzalloc_obj(*f, GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->provider.ops = &gmem_folios_ops;
	f->mapping = mapping;
	f->nr_pages = nr_pages;
	/* Userspace chooses the size; an absurd one is its error, not a WARN. */
	f->chunks = kvzalloc_objs(*f->chunks,
				  (nr_pages - 1) / GMEM_CHUNK_PAGES + 1,
				  GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!f->chunks) {
		kfree(f);
		return ERR_PTR(-ENOMEM);
	}
	f->space = gmem_space_alloc(name, nr_pages, state, &f->provider);
	if (IS_ERR(f->space)) {
		int ret = PTR_ERR(f->space);

		kvfree(f->chunks);
		kfree(f);
		return ERR_PTR(ret);
	}
	return f;
}

/**
 * gmem_folios_free() - free a file's memory
 * @folios: nobody maps it or looks it up any more; no client is registered
 *
 * Folios that somebody else still references live on without the file.
 *
 * Context: Process context, may sleep.
 */
void gmem_folios_free(struct gmem_folios *folios)
{
	pgoff_t i;

	gmem_revoke_range(folios->space, 0, ULONG_MAX);
	gmem_space_free(folios->space);
	for (i = 0; i <= (folios->nr_pages - 1) / GMEM_CHUNK_PAGES; i++) {
		gmem_chunk_free(folios->chunks[i]);
		cond_resched();
	}
	kvfree(folios->chunks);
	kfree(folios);
}

/**
 * gmem_folios_space() - the space of a file's memory
 * @folios: the memory
 *
 * Return: the space, for conversions and clients.
 */
struct gmem_space *gmem_folios_space(struct gmem_folios *folios)
{
	return folios->space;
}

static struct folio *gmem_folio_alloc(struct gmem_folios *f, pgoff_t index)
{
	gfp_t gfp = mapping_gfp_mask(f->mapping);
	struct folio *folio = filemap_alloc_folio(gfp | __GFP_ZERO, 0, NULL);

	if (!folio)
		return NULL;
	if (mem_cgroup_charge(folio, NULL, gfp)) {
		folio_put(folio);
		return NULL;
	}
	folio->index = index;
	__folio_mark_uptodate(folio);
	/* A clean one would be evicted from the page cache, where it is not. */
	folio_set_dirty(folio);
	return folio;
}

/* Makes a folio part of the file; @chunk->faults is held for reading. */
static int gmem_folios_add_one(struct gmem_folios *f, struct gmem_chunk *chunk,
			       struct folio *folio, pgoff_t index)
{
	int state = gmem_space_lookup(f->space, index, GMEM_SCOPE_EFFECTIVE);

	lockdep_assert_held_read(&chunk->faults);
	if (state < 0)
		return state;
	folio->mapping = f->mapping;
	if (cmpxchg((struct folio __force **)gmem_chunk_slot(chunk, index),
		    NULL, folio)) {
		folio->mapping = NULL;
		return -EEXIST;
	}
	lruvec_stat_mod_folio(folio, NR_FILE_PAGES, 1);
	/* On the (unevictable) LRU, where memory failure looks for it. */
	migrate_disable();
	folio_add_lru(folio);
	lru_add_drain();
	migrate_enable();
	return 0;
}

/*
 * Allocates the page at @index.  Returns 0, -EEXIST if somebody else did,
 * -EAGAIN at a fence, -ENOMEM.
 */
static int gmem_folios_add(struct gmem_folios *f, struct gmem_chunk *chunk,
			   pgoff_t index)
{
	struct folio *folio = gmem_folio_alloc(f, index);
	int ret;

	if (!folio)
		return -ENOMEM;
	down_read(&chunk->faults);
	ret = gmem_folios_add_one(f, chunk, folio, index);
	up_read(&chunk->faults);
	if (ret)
		folio_put(folio);
	return ret;
}

/**
 * gmem_folios_populate() - allocate the pages that are missing
 * @folios: the memory
 * @start: first page
 * @last: last page, inclusive, below the size of the file
 *
 * Context: Process context, may sleep; waits at fences, see gmem_space_wait().
 * Return: 0, -ENOMEM or -EINTR; pages allocated until then stay.
 */
int gmem_folios_populate(struct gmem_folios *folios, pgoff_t start,
			 pgoff_t last)
{
	struct gmem_chunk *chunk;
	pgoff_t index = start;
	int ret;

	while (index <= last) {
		if (signal_pending(current))
			return -EINTR;
		chunk = gmem_chunk_get(folios, index);
		if (!chunk)
			return -ENOMEM;
		ret = rcu_access_pointer(*gmem_chunk_slot(chunk, index)) ?
		      -EEXIST : gmem_folios_add(folios, chunk, index);
		if (ret == -EAGAIN)
			ret = gmem_space_wait(folios->space, index,
					      GMEM_SCOPE_EFFECTIVE,
					      TASK_INTERRUPTIBLE |
					      TASK_FREEZABLE);
		else
			index++;
		if (ret && ret != -EEXIST)
			return ret;
		cond_resched();
	}
	return 0;
}

/**
 * gmem_folios_get() - get a reference to the page at an index
 * @folios: the memory
 * @index: page, below the size of the file
 *
 * As long as it is held, the page does not become private.  It may be private
 * already: who cares looks the state up afterwards, not before.
 *
 * Context: Process context, does not sleep.
 * Return: the folio, NULL if there is no page, ERR_PTR(-EAGAIN) at a fence.
 */
struct folio *gmem_folios_get(struct gmem_folios *folios, pgoff_t index)
{
	struct gmem_chunk *chunk = gmem_chunk_find(folios, index);
	struct folio __rcu **slot;
	struct folio *folio;

	if (!chunk)
		return NULL;
	slot = gmem_chunk_slot(chunk, index);
	guard(rcu)();
	folio = rcu_dereference(*slot);
	if (!folio)
		return NULL;
	if (!folio_try_get(folio))
		return ERR_PTR(-EAGAIN);
	/* It may have left the file, and the memory be somebody else's. */
	if (folio != rcu_access_pointer(*slot)) {
		folio_put(folio);
		return ERR_PTR(-EAGAIN);
	}
	return folio;
}

/*
 * Waits at a fence as politely as the fault allows.  Returns 0 to look again,
 * or what the fault returns.
 */
static vm_fault_t gmem_folios_fault_wait(struct gmem_folios *f,
					 struct vm_fault *vmf)
{
	pgoff_t index = vmf->pgoff;
	unsigned int state = TASK_KILLABLE;
	struct file *file;

	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return gmem_space_wait(f->space, index, GMEM_SCOPE_EFFECTIVE,
				       state) ? VM_FAULT_SIGBUS : 0;

	/* From here on the vma may go; the file keeps the space. */
	file = get_file(vmf->vma->vm_file);
	if (vmf->flags & FAULT_FLAG_USER)
		state |= TASK_FREEZABLE;
	release_fault_lock(vmf);
	gmem_space_wait(f->space, index, GMEM_SCOPE_EFFECTIVE, state);
	fput(file);
	return VM_FAULT_RETRY;
}

/*
 * Maps the page if it is shared.  Returns 0 with *@state set to why it is not
 * mapped: -EAGAIN at a fence, %GMEM_SHARED if there is no page yet.
 */
static vm_fault_t gmem_folios_fault_map(struct gmem_chunk *chunk,
					struct gmem_folios *f,
					struct vm_fault *vmf, int *state)
{
	vm_fault_t ret = 0;
	struct folio *folio;

	down_read(&chunk->faults);
	*state = gmem_space_lookup(f->space, vmf->pgoff, GMEM_SCOPE_EFFECTIVE);
	folio = rcu_dereference_protected(*gmem_chunk_slot(chunk, vmf->pgoff),
					  lockdep_is_held(&chunk->faults));
	if (*state == GMEM_PRIVATE) {
		ret = VM_FAULT_SIGBUS;
	} else if (*state == GMEM_SHARED && folio) {
		ret = folio_test_hwpoison(folio) ? VM_FAULT_HWPOISON :
		      vmf_insert_page_mkwrite(vmf, folio_page(folio, 0),
					      vmf->flags & FAULT_FLAG_WRITE);
	}
	up_read(&chunk->faults);
	return ret;
}

/**
 * gmem_folios_mmap() - make a host mapping
 * @vma: the mapping, of the file; its fault operation is gmem_folios_fault()
 *
 * Context: file_operations.mmap.
 * Return: 0, -EINVAL for a private mapping, whose copies of pages would survive
 *	their conversion.
 */
int gmem_folios_mmap(struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYSHARE)) !=
	    (VM_SHARED | VM_MAYSHARE))
		return -EINVAL;
	/*
	 * Keeps away what leaves markers in page tables (guard pages,
	 * userfaultfd): a fault would find one where it maps its page.  Also
	 * mlock, whose batches hold references; the pages stay in memory anyway.
	 */
	vm_flags_set(vma, VM_DONTEXPAND);
	return 0;
}

/**
 * gmem_folios_fault() - a host fault
 * @folios: the memory
 * @vmf: the fault; its vma has been through gmem_folios_mmap()
 *
 * The page is mapped here rather than returned to be mapped: between the two
 * the fault would hold a reference that makes a conversion fail for nothing.
 *
 * Context: vm_operations_struct.fault.
 * Return: %VM_FAULT_NOPAGE, %VM_FAULT_SIGBUS for a private page or beyond the
 *	end, %VM_FAULT_HWPOISON, %VM_FAULT_RETRY after a wait, %VM_FAULT_OOM.
 */
vm_fault_t gmem_folios_fault(struct gmem_folios *folios, struct vm_fault *vmf)
{
	struct gmem_chunk *chunk;
	vm_fault_t ret;
	int state;

	if (vmf->pgoff >= folios->nr_pages)
		return VM_FAULT_SIGBUS;
	/* Nothing is allocated for a page that may not be touched. */
	if (gmem_space_lookup(folios->space, vmf->pgoff,
			      GMEM_SCOPE_EFFECTIVE) == GMEM_PRIVATE)
		return VM_FAULT_SIGBUS;
	chunk = gmem_chunk_get(folios, vmf->pgoff);
	if (!chunk)
		return VM_FAULT_OOM;

	for (;;) {
		ret = gmem_folios_fault_map(chunk, folios, vmf, &state);
		if (!ret && state == -EAGAIN)
			ret = gmem_folios_fault_wait(folios, vmf);
		else if (!ret &&
			 gmem_folios_add(folios, chunk, vmf->pgoff) == -ENOMEM)
			ret = VM_FAULT_OOM;
		if (ret)
			return ret;
	}
}
