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
struct gmem_folios;

struct gmem_folios *gmem_folios_alloc(const char *name,
				      struct address_space *mapping,
				      pgoff_t nr_pages, enum gmem_state state);
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
			  gmem_folios_populate_fn populate, void *priv,
			  struct gmem_report *report);

int gmem_folios_error(struct gmem_folios *folios, struct folio *folio);
struct folio *gmem_folios_get(struct gmem_folios *folios, pgoff_t index);
int gmem_folios_mmap(struct vm_area_struct *vma);
vm_fault_t gmem_folios_fault(struct gmem_folios *folios, struct vm_fault *vmf);

#endif /* _LINUX_GMEM_FOLIOS_H */
