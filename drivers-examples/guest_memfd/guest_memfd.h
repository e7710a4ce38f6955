/* SPDX-License-Identifier: GPL-2.0 */
/* The stand-alone guest_memfd: what its files share. */
#ifndef _SAMPLE_GUEST_MEMFD_H
#define _SAMPLE_GUEST_MEMFD_H

#include <linux/fs.h>
#include <linux/gmem_convert.h>
#include <linux/guest_memfd.h>
#include <linux/mm.h>
#include <linux/overflow.h>

/**
 * guest_memfd_range() - check a range of bytes that userspace gave
 * @inode: the file's
 * @offset: first byte
 * @size: bytes
 * @pages: set to the pages of the range
 *
 * Return: 0, or -EINVAL if it is empty, not in whole pages, wraps or reaches
 *	beyond the end of the file.
 */
static inline int guest_memfd_range(const struct inode *inode, u64 offset,
				    u64 size, struct gmem_run *pages)
{
	u64 end;

	if (!size || !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size) ||
	    check_add_overflow(offset, size, &end) || end > i_size_read(inode))
		return -EINVAL;
	pages->start = offset >> PAGE_SHIFT;
	pages->last = (end >> PAGE_SHIFT) - 1;
	return 0;
}

int guest_memfd_hold_create(struct file *file, struct gmem_space *space,
			    const struct guest_memfd_hold __user *argp);

#endif /* _SAMPLE_GUEST_MEMFD_H */
