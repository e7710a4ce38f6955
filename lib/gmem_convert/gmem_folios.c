// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_folios: the memory of a guest_memfd file.
 *
 * Owns the table from index to folio and one reference to each folio in it.
 * The folios belong to an address_space, for host mappings, reclaim and memory
 * failure, but are not in its i_pages: readers of the page cache spin on a zero
 * reference count, and to freeze a folio is to set it to zero.
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
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/pagemap.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "../../mm/internal.h"
#include "folios.h"

/**
 * gmem_folios_alloc() - make an empty file's memory
 * @name: of the space
 * @mapping: the inode's; unevictable and inaccessible, so that reclaim and
 *	migration leave its folios alone, with a gfp mask that allows neither
 *	movable zones nor CMA
 * @nr_pages: size in pages, not 0
 * @order: of the folios that it is made of where nothing is in their way: 0, 9
 *	(2 MiB) or 18 (1 GiB)
 * @state: state of every page
 * @ops: what the file has to say about its pages, or NULL
 *
 * Context: Process context, may sleep.
 * Return: the memory, or ERR_PTR(): -EINVAL, -ENOMEM.
 */
struct gmem_folios *gmem_folios_alloc(const char *name,
				      struct address_space *mapping,
				      pgoff_t nr_pages, unsigned int order,
				      enum gmem_state state,
				      const struct gmem_folios_ops *ops)
{
	static const struct gmem_folios_ops no_ops;
	struct gmem_folios *f;

	if (!nr_pages || nr_pages > MAX_LFS_FILESIZE >> PAGE_SHIFT ||
	    (order && order != GMEM_BLOCK_SHIFT && order != GMEM_HUGE_SHIFT) ||
	    order > MAX_FOLIO_ORDER ||
	    !mapping_unevictable(mapping) || !mapping_inaccessible(mapping) ||
	    (mapping_gfp_mask(mapping) & __GFP_MOVABLE))
		return ERR_PTR(-EINVAL);
	if (gmem_fault(GMEM_FAULT_FOLIOS_ALLOC))
		return ERR_PTR(-ENOMEM);
	f = kzalloc_obj(*f, GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	spin_lock_init(&f->failed_lock);
	f->failed = gmem_nothing;
	INIT_WORK(&f->failed_work, gmem_folios_failed_fn);
	spin_lock_init(&f->left_lock);
	f->left = gmem_nothing;
	INIT_DELAYED_WORK(&f->left_work, gmem_folios_left_fn);
	f->provider.ops = &gmem_folios_provider_ops;
	f->ops = ops ?: &no_ops;
	f->mapping = mapping;
	f->nr_pages = nr_pages;
	f->order = order;
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
EXPORT_SYMBOL_GPL(gmem_folios_alloc);

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

	/* No conversion is there to queue it again. */
	cancel_delayed_work_sync(&folios->left_work);
	gmem_revoke_range(folios->space, 0, ULONG_MAX);
	gmem_folios_abandon(folios);
	/* No folio has the mapping any more, so no error queues it again. */
	cancel_work_sync(&folios->failed_work);
	gmem_space_free(folios->space);
	for (i = 0; i <= (folios->nr_pages - 1) / GMEM_CHUNK_PAGES; i++) {
		gmem_chunk_free(folios->chunks[i]);
		cond_resched();
	}
	kvfree(folios->chunks);
	kfree(folios);
}
EXPORT_SYMBOL_GPL(gmem_folios_free);

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
EXPORT_SYMBOL_GPL(gmem_folios_space);

/*
 * Larger than what the buddy allocator has: near this CPU, for want of a policy.
 * Zeroed here, where others may run in between.
 */
static struct folio *gmem_folio_get_gigantic(gfp_t gfp, unsigned int order)
{
	struct page *page = NULL;
	unsigned long i;

#ifdef CONFIG_CONTIG_ALLOC
	page = alloc_contig_frozen_pages(BIT(order), gfp | __GFP_COMP,
					 numa_mem_id(), NULL);
#endif
	if (!page)
		return NULL;
	set_page_refcounted(page);
	for (i = 0; i < BIT(order); i++) {
		clear_highpage(page + i);
		cond_resched();
	}
	return page_rmappable_folio(page);
}

/* Zeroed memory for a folio. */
static struct folio *gmem_folio_get_memory(struct gmem_folios *f, pgoff_t index,
					   unsigned int order)
{
	gfp_t gfp = mapping_gfp_mask(f->mapping);
	struct mempolicy *policy = NULL;
	struct folio *folio;

	if (gmem_fault(GMEM_FAULT_FOLIOS_PAGE))
		return NULL;
	/* Somebody asked for this size, so try; but he can be told no. */
	if (order)
		gfp |= __GFP_RETRY_MAYFAIL | __GFP_NOWARN;
	if (order > MAX_PAGE_ORDER)
		return gmem_folio_get_gigantic(gfp, order);
	if (f->ops->policy)
		policy = f->ops->policy(f->mapping, index);
	folio = filemap_alloc_folio(gfp | __GFP_ZERO, order, policy);
	mpol_cond_put(policy);
	return folio;
}

static struct folio *gmem_folio_alloc(struct gmem_folios *f, pgoff_t index,
				      unsigned int order)
{
	struct folio *folio = gmem_folio_get_memory(f, index, order);
	gfp_t gfp = mapping_gfp_mask(f->mapping);

	if (!folio)
		return NULL;
	if (gmem_fault(GMEM_FAULT_FOLIOS_CHARGE) ||
	    mem_cgroup_charge(folio, NULL, gfp)) {
		folio_put(folio);
		return NULL;
	}
	folio->index = index;
	__folio_mark_uptodate(folio);
	/* A clean one would be evicted from the page cache, where it is not. */
	folio_set_dirty(folio);
	return folio;
}

/* Makes a folio part of the file, unless there is one already. */
static int gmem_folios_add_one(struct gmem_folios *f, struct folio *folio,
			       pgoff_t index)
{
	folio->mapping = f->mapping;
	if (!gmem_folios_insert(f, folio, index)) {
		folio->mapping = NULL;
		return -EEXIST;
	}
	gmem_folio_account(folio, folio_nr_pages(folio));
	/* On the (unevictable) LRU, where memory failure looks for it. */
	migrate_disable();
	folio_add_lru(folio);
	lru_add_drain();
	migrate_enable();
	return 0;
}

/* Adds a single page; conversions that saw none wait for the section's end. */
static int gmem_folios_add_page(struct gmem_folios *f, struct gmem_chunk *chunk,
				pgoff_t index)
{
	struct folio *folio;
	int ret;

	if (gmem_chunk_get_slots(chunk))
		return -ENOMEM;
	folio = gmem_folio_alloc(f, index, 0);
	if (!folio)
		return -ENOMEM;
	down_read(&chunk->faults);
	ret = gmem_space_lookup(f->space, index, GMEM_SCOPE_EFFECTIVE);
	if (ret >= 0)
		ret = gmem_folios_add_one(f, folio, index);
	up_read(&chunk->faults);
	if (ret)
		folio_put(folio);
	return ret;
}

/* Whether a folio of @order around @index would be alone there, and of one kind. */
static bool gmem_folios_fits(struct gmem_folios *f, pgoff_t index,
			     unsigned int order)
{
	pgoff_t first = index & ~(BIT(order) - 1), next;
	struct gmem_run kept, block = { first, first + BIT(order) - 1 };

	return gmem_map_max_order(&f->space->map, index, order) == order &&
	       !gmem_folios_next(f, &first, &next, block.last) &&
	       !gmem_space_quarantined(f->space, &block, &kept);
}

/* Adds the largest folio that fits; the block around it is claimed. */
static int gmem_folios_add_largest(struct gmem_folios *f,
				   struct gmem_chunk *chunk, pgoff_t index)
{
	unsigned int order = f->order;
	struct folio *folio;
	pgoff_t first, i;

	if (gmem_folios_at(f, index))
		return -EEXIST;
	while (order && !gmem_folios_fits(f, index, order))
		order -= GMEM_BLOCK_SHIFT;
	if (!order)
		return gmem_folios_add_page(f, chunk, index);

	/* No smaller one if there is no memory: who wants pages asks for them. */
	first = index & ~(BIT(order) - 1);
	for (i = 0; i < BIT(order); i += GMEM_CHUNK_PAGES)
		if (!gmem_chunk_get(f, first + i))
			return -ENOMEM;
	folio = gmem_folio_alloc(f, first, order);
	if (!folio)
		return -ENOMEM;
	return gmem_folios_add_one(f, folio, first);
}

/*
 * Allocates what is missing at @index.  Returns 0, -EEXIST if somebody else did,
 * -EAGAIN at a fence, -EINTR for a signal, -ENOMEM.
 *
 * A file of larger folios claims all that the largest would take: there may be
 * neither an operation nor another folio in it by the time it is there.  But
 * not in the middle of a populate, which has its own claim, and fills in single
 * pages what was not allocated before.
 */
static int gmem_folios_add(struct gmem_folios *f, struct gmem_chunk *chunk,
			   pgoff_t index)
{
	pgoff_t mask = BIT(f->order) - 1;
	struct gmem_run block = {
		index & ~mask, min(index | mask, f->nr_pages - 1),
	};
	struct gmem_span span = { .request = block };
	int ret;

	if (!f->order || gmem_space_is_owner(f->space, index))
		return gmem_folios_add_page(f, chunk, index);
	ret = gmem_overlay_claim(&f->space->overlay, &span, &block, 0,
				 TASK_KILLABLE);
	if (ret)
		return ret;
	ret = gmem_folios_add_largest(f, chunk, index);
	gmem_overlay_release(&f->space->overlay, &span);
	return ret;
}

/**
 * gmem_folios_allocate() - allocate the pages that are missing, for fallocate
 * @folios: the memory
 * @start: first page
 * @last: last page, inclusive, below the size of the file
 *
 * Context: Process context, may sleep; waits at fences, see gmem_space_wait().
 * Return: 0, -ENOMEM, -EINTR, -EHWPOISON; pages allocated until then stay.
 */
int gmem_folios_allocate(struct gmem_folios *folios, pgoff_t start,
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
		ret = gmem_folios_at(folios, index) ?
		      -EEXIST : gmem_folios_add(folios, chunk, index);
		if (ret == -EAGAIN)
			ret = gmem_space_wait(folios->space, index,
					      GMEM_SCOPE_EFFECTIVE,
					      TASK_INTERRUPTIBLE |
					      TASK_FREEZABLE);
		else	/* Behind the folio. */
			index = (index |
				 (BIT(gmem_folios_order(folios, index)) - 1)) + 1;
		if (ret && ret != -EEXIST)
			return ret;
		cond_resched();
	}
	return 0;
}
EXPORT_SYMBOL_GPL(gmem_folios_allocate);

/* Pages that are pinned and filled in one go. */
#define GMEM_POPULATE_BATCH	32

/* @src: the pinned pages that the batch is filled from, or NULL. */
struct gmem_folios_batch {
	struct gmem_folios *folios;
	unsigned int gup_flags;
	pgoff_t start;
	struct page **src;
	gmem_folios_populate_fn populate;
	void *priv;
};

/* The task passes its own fence, so the page may be allocated inside it. */
static int gmem_folios_populate_one(void *priv, pgoff_t index)
{
	struct gmem_folios_batch *batch = priv;
	struct gmem_folios *f = batch->folios;
	struct page *page;
	int ret;

	ret = gmem_folios_allocate(f, index, index);
	if (ret)
		return ret;
	page = gmem_folio_page(gmem_folios_at(f, index), index);
	if (PageHWPoison(page))
		return -EHWPOISON;
	return batch->populate(batch->priv, index, page,
			       batch->src ? batch->src[index - batch->start] :
			       NULL);
}

static long gmem_folios_populate_batch(struct gmem_folios_batch *batch,
				       unsigned long nr, const void __user *src,
				       struct gmem_report *report)
{
	struct page *pages[GMEM_POPULATE_BATCH];
	long pinned = 0, ret;

	if (src) {
		pinned = gmem_fault(GMEM_FAULT_FOLIOS_SOURCE);
		if (!pinned)
			pinned = pin_user_pages_fast((unsigned long)src, nr,
						     batch->gup_flags, pages);
		if (pinned <= 0) {
			*report = (struct gmem_report){
				.index = batch->start, .error = -EFAULT,
			};
			return pinned == -EINTR || pinned == -ENOMEM ?
			       pinned : -EFAULT;
		}
		nr = pinned;
		batch->src = pages;
	}
	/* Refused because of a later page, the batch ends before that one. */
	do {
		ret = gmem_populate_range(batch->folios->space, batch->start,
					  batch->start + nr - 1,
					  gmem_folios_populate_one, batch,
					  report);
		nr = report->index - batch->start;
	} while (ret < 0 && nr);
	unpin_user_pages(pages, pinned);
	return ret;
}

/**
 * gmem_folios_populate() - fill private pages with what the guest starts with
 * @folios: the memory
 * @start: first page
 * @last: last page, inclusive
 * @src: where from, in user memory, page aligned; may be a mapping of the shared
 *	part of the same file; NULL if @populate needs nothing
 * @gup_flags: how to pin it: %FOLL_WRITE if @populate may write to it, or 0
 * @populate: called for each page with the page and its source, see
 *	gmem_populate_range()
 * @priv: for @populate
 * @report: as gmem_populate_range()
 *
 * Batch by batch: the source of a batch is pinned before its fence goes up and
 * unpinned when it is down, so no user memory is touched, and none faulted in,
 * while others wait.  As long as it is pinned it cannot become private.
 *
 * Context: Process context, may sleep, takes mmap_lock.
 * Return: how many pages were populated, less than asked for if it stopped
 *	early; or, with none populated, -EFAULT for a bad @src or the errors of
 *	gmem_populate_range().
 */
long gmem_folios_populate(struct gmem_folios *folios, pgoff_t start,
			  pgoff_t last, const void __user *src,
			  unsigned int gup_flags,
			  gmem_folios_populate_fn populate, void *priv,
			  struct gmem_report *report)
{
	struct gmem_folios_batch batch = {
		.folios = folios,
		.gup_flags = gup_flags,
		.populate = populate,
		.priv = priv,
	};
	unsigned long done = 0;
	long ret = -EINVAL;

	*report = (struct gmem_report){ .index = start, .error = -EINVAL };
	if (start > last || last >= folios->nr_pages ||
	    !PAGE_ALIGNED((unsigned long)src))
		return -EINVAL;
	do {
		unsigned long nr = min(last - start + 1 - done,
				       (unsigned long)GMEM_POPULATE_BATCH);

		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		batch.start = start + done;
		/* Inside the fence it would get single pages. */
		if (folios->order) {
			ret = gmem_folios_allocate(folios, batch.start,
						   batch.start + nr - 1);
			if (ret) {
				*report = (struct gmem_report){
					.index = batch.start, .error = ret,
				};
				break;
			}
		}
		ret = gmem_folios_populate_batch(&batch, nr, src ?
						 src + done * PAGE_SIZE : NULL,
						 report);
		if (ret <= 0)
			break;
		done += ret;
		cond_resched();
	} while (done < last - start + 1 && !report->error);
	return done ?: ret;
}
EXPORT_SYMBOL_GPL(gmem_folios_populate);

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
	struct folio *folio;

	guard(rcu)();
	folio = gmem_folios_at(folios, index);
	if (!folio)
		return NULL;
	if (!folio_try_get(folio))
		return ERR_PTR(-EAGAIN);
	/* It may have left the file, and the memory be somebody else's. */
	if (folio != gmem_folios_at(folios, index)) {
		folio_put(folio);
		return ERR_PTR(-EAGAIN);
	}
	return folio;
}
EXPORT_SYMBOL_GPL(gmem_folios_get);

/* -ENOENT if there is no page; else as gmem_folios_pfn(). */
static int gmem_folios_use(struct gmem_folios *f, struct gmem_chunk *chunk,
			   pgoff_t index, gmem_folios_use_fn use, void *priv,
			   unsigned long *pfn)
{
	struct folio *folio;
	struct page *page;
	int ret;

	guard(rwsem_read)(&chunk->faults);
	ret = gmem_space_lookup(f->space, index, GMEM_SCOPE_REQUEST);
	if (ret < 0)
		return ret;
	folio = gmem_folios_at(f, index);
	if (!folio)
		return -ENOENT;
	page = gmem_folio_page(folio, index);
	if (PageHWPoison(page))
		return -EHWPOISON;
	*pfn = page_to_pfn(page);
	return use ? use(priv, index, *pfn, ret) : 0;
}

/**
 * gmem_folios_pfn() - the page at an index, for a client's fault
 * @folios: the memory
 * @index: page
 * @use: called for the page while it can neither change its state nor leave the
 *	file, e.g. to have hardware assign it to the guest; or NULL
 * @priv: for @use
 * @pfn: set to the page's frame
 *
 * The page is allocated if there is none.  No reference is taken, so that a
 * fault never makes a conversion fail.  The client must be registered, and map
 * @pfn only where it can see that it was not invalidated after a moment before
 * this call, as KVM's MMU does with mmu_invalidate_seq: whoever takes the page
 * away tells the client first.
 *
 * Context: Process context, may sleep; does not wait at fences.
 * Return: 0, -EAGAIN at a fence of %GMEM_SCOPE_EFFECTIVE (see
 *	gmem_space_wait()), -EHWPOISON, -EINVAL beyond the end, -ENOMEM, or what
 *	@use says.
 */
int gmem_folios_pfn(struct gmem_folios *folios, pgoff_t index,
		    gmem_folios_use_fn use, void *priv, unsigned long *pfn)
{
	struct gmem_chunk *chunk;
	int ret;

	if (index >= folios->nr_pages)
		return -EINVAL;
	for (;;) {
		chunk = gmem_chunk_get(folios, index);
		if (!chunk)
			return -ENOMEM;
		ret = gmem_folios_use(folios, chunk, index, use, priv, pfn);
		if (ret != -ENOENT)
			return ret;
		ret = gmem_folios_add(folios, chunk, index);
		if (ret && ret != -EEXIST)
			return ret;
	}
}
EXPORT_SYMBOL_GPL(gmem_folios_pfn);

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
 * Maps @folio at the level of @order, or the page of it that faults.  A folio is
 * of one kind, and an operation on a part of it has its fence over all of it: who
 * has looked at one page of it may map it whole.
 */
static vm_fault_t gmem_folio_map(struct folio *folio, struct vm_fault *vmf,
				 unsigned int order)
{
	struct page *page = gmem_folio_page(folio, vmf->pgoff);
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	if (!order)
		return PageHWPoison(page) ? VM_FAULT_HWPOISON :
		       vmf_insert_page_mkwrite(vmf, page, write);
	if (folio_order(folio) != order || folio_contain_hwpoisoned_page(folio))
		return VM_FAULT_FALLBACK;
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	return vmf_insert_folio_pmd(vmf, folio, write);
#else
	return VM_FAULT_FALLBACK;
#endif
}

/*
 * Maps what faults if it is shared.  Returns 0 with *@state set to why it is not
 * mapped: -EAGAIN at a fence, %GMEM_SHARED if there is no page yet.
 */
static vm_fault_t gmem_folios_fault_map(struct gmem_chunk *chunk,
					struct gmem_folios *f,
					struct vm_fault *vmf,
					unsigned int order, int *state)
{
	vm_fault_t ret = 0;
	struct folio *folio;

	down_read(&chunk->faults);
	*state = gmem_space_lookup(f->space, vmf->pgoff, GMEM_SCOPE_EFFECTIVE);
	/* Faults share the section: another may be adding the page. */
	folio = gmem_folios_at(f, vmf->pgoff);
	if (*state == GMEM_PRIVATE)
		ret = VM_FAULT_SIGBUS;
	else if (*state == -EHWPOISON)
		ret = VM_FAULT_HWPOISON;
	else if (*state == GMEM_SHARED && folio)
		ret = gmem_folio_map(folio, vmf, order);
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
EXPORT_SYMBOL_GPL(gmem_folios_mmap);

/* Returns 0 to look again, or what the fault returns. */
static vm_fault_t gmem_folios_fault_add(struct gmem_folios *f,
					struct gmem_chunk *chunk, pgoff_t index)
{
	switch (gmem_folios_add(f, chunk, index)) {
	case -ENOMEM:
		return VM_FAULT_OOM;
	case -EINTR:
		return VM_FAULT_SIGBUS;
	default:
		return 0;
	}
}

static vm_fault_t gmem_folios_do_fault(struct gmem_folios *f,
				       struct vm_fault *vmf, unsigned int order)
{
	struct gmem_chunk *chunk;
	vm_fault_t ret;
	int state;

	if (vmf->pgoff >= f->nr_pages)
		return VM_FAULT_SIGBUS;
	/* Nothing is allocated for a page that may not be touched. */
	if (gmem_space_lookup(f->space, vmf->pgoff,
			      GMEM_SCOPE_EFFECTIVE) == GMEM_PRIVATE)
		return VM_FAULT_SIGBUS;
	chunk = gmem_chunk_get(f, vmf->pgoff);
	if (!chunk)
		return VM_FAULT_OOM;

	for (;;) {
		ret = gmem_folios_fault_map(chunk, f, vmf, order, &state);
		if (!ret && state == -EAGAIN)
			ret = gmem_folios_fault_wait(f, vmf);
		else if (!ret)
			ret = gmem_folios_fault_add(f, chunk, vmf->pgoff);
		if (ret)
			return ret;
	}
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
	return gmem_folios_do_fault(folios, vmf, 0);
}
EXPORT_SYMBOL_GPL(gmem_folios_fault);

/**
 * gmem_folios_huge_fault() - a host fault where a larger entry would fit
 * @folios: the memory
 * @vmf: the fault; its vma has been through gmem_folios_mmap()
 * @order: of the entry
 *
 * Maps a folio of 2 MiB whole.  One of 1 GiB is mapped by its pages: mm asks
 * for an entry of that size only for mappings without folios or of DAX (see
 * THP_ORDERS_ALL_FILE_DEFAULT in linux/huge_mm.h), page_vma_mapped_walk() would
 * take it for a table, and vmf_insert_folio_pmd() takes no part of a folio.
 *
 * Context: vm_operations_struct.huge_fault.
 * Return: As gmem_folios_fault(), or %VM_FAULT_FALLBACK for a fault by pages.
 */
vm_fault_t gmem_folios_huge_fault(struct gmem_folios *folios,
				  struct vm_fault *vmf, unsigned int order)
{
	unsigned long pages = BIT(order) - 1;
	struct vm_area_struct *vma = vmf->vma;
	unsigned long start = vmf->address & ~((pages << PAGE_SHIFT) | ~PAGE_MASK);

	if (order != GMEM_BLOCK_SHIFT || folios->order < order ||
	    start < vma->vm_start ||
	    start + (PAGE_SIZE << order) > vma->vm_end ||
	    (linear_page_index(vma, start) & pages))
		return VM_FAULT_FALLBACK;
	return gmem_folios_do_fault(folios, vmf, order);
}
EXPORT_SYMBOL_GPL(gmem_folios_huge_fault);
