/* SPDX-License-Identifier: GPL-2.0 */
/*
 * gmem_folios: the memory of a guest_memfd file, as a gmem_convert provider.
 *
 * What every guest_memfd needs and none should write again: its own index to
 * folio table, host faults that respect shareability, and the freeze that
 * proves that nobody else holds a page.
 */
#ifndef _LINUX_GMEM_FOLIOS_H
#define _LINUX_GMEM_FOLIOS_H

#include <linux/gmem_convert.h>
#include <linux/mm_types.h>

struct address_space;
struct file;
struct gmem_folios;
struct kvm_memory_attributes2;
struct mempolicy;

/**
 * struct gmem_folios_ops - what a file has to say about its pages
 *
 * @policy: Optional.  NUMA policy of a page that is about to be allocated, with
 *	a reference that mpol_cond_put() drops, or NULL for the task's own.  May
 *	sleep.
 * @make_shared: Optional.  Clients have forgotten @folio, which becomes shared
 *	or leaves the file: takes it back from the hardware that kept everybody
 *	but the guest out.  The folio is not locked.  May sleep; cannot fail.
 */
struct gmem_folios_ops {
	struct mempolicy *(*policy)(struct address_space *mapping,
				    pgoff_t index);
	void (*make_shared)(struct folio *folio);
};

struct gmem_folios *gmem_folios_alloc(const char *name,
				      struct address_space *mapping,
				      pgoff_t nr_pages, unsigned int order,
				      enum gmem_state state,
				      const struct gmem_folios_ops *ops);
void gmem_folios_merge_later(struct gmem_folios *folios, unsigned long delay);
void gmem_folios_free(struct gmem_folios *folios);
struct gmem_space *gmem_folios_space(struct gmem_folios *folios);

int gmem_folios_allocate(struct gmem_folios *folios, pgoff_t start,
			 pgoff_t last);

/**
 * typedef gmem_folios_populate_fn - fills one private page
 * @priv: the caller's
 * @index: page in the file
 * @page: its memory
 * @src: page to fill it from, pinned, or NULL
 *
 * Return: 0, or an error that ends the batch.
 */
typedef int (*gmem_folios_populate_fn)(void *priv, pgoff_t index,
				       struct page *page, struct page *src);

long gmem_folios_populate(struct gmem_folios *folios, pgoff_t start,
			  pgoff_t last, const void __user *src,
			  unsigned int gup_flags,
			  gmem_folios_populate_fn populate, void *priv,
			  struct gmem_report *report);

/**
 * typedef gmem_folios_use_fn - does something with a page that is to be mapped
 * @priv: the caller's
 * @index: page in the file
 * @pfn: its frame
 * @state: who may touch it
 *
 * Return: 0 or an error for the caller.
 */
typedef int (*gmem_folios_use_fn)(void *priv, pgoff_t index, unsigned long pfn,
				  enum gmem_state state);

int gmem_folios_pfn(struct gmem_folios *folios, pgoff_t index,
		    gmem_folios_use_fn use, void *priv, unsigned long *pfn);

int gmem_folios_error(struct gmem_folios *folios, struct folio *folio);
struct folio *gmem_folios_get(struct gmem_folios *folios, pgoff_t index);
int gmem_folios_mmap(struct vm_area_struct *vma);
vm_fault_t gmem_folios_fault(struct gmem_folios *folios, struct vm_fault *vmf);
vm_fault_t gmem_folios_huge_fault(struct gmem_folios *folios,
				  struct vm_fault *vmf, unsigned int order);

/* What userspace asks of a file; the same for every guest_memfd. */
int gmem_file_range(const struct file *file, u64 offset, u64 size,
		    struct gmem_run *pages);
long gmem_file_convert(struct gmem_folios *folios, struct file *file,
		       u64 attributes,
		       struct kvm_memory_attributes2 __user *argp);
long gmem_file_fallocate(struct gmem_folios *folios, struct file *file,
			 int mode, loff_t offset, loff_t len, bool refusable);

#endif /* _LINUX_GMEM_FOLIOS_H */
