// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_file: what userspace may ask of a guest_memfd file.
 *
 * Checks the arguments of system calls and passes them on.  One place, because
 * a program must not be able to tell one guest_memfd from another by the errno.
 * Keeps nothing.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/gmem_folios.h>
#include <linux/guest_memfd.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>

/**
 * gmem_file_range() - check a range of bytes that userspace gave
 * @file: the file
 * @offset: first byte
 * @size: bytes
 * @pages: set to the pages of the range
 *
 * Context: Any.
 * Return: 0, or -EINVAL if it is empty, not in whole pages, wraps or reaches
 *	beyond the end of the file.
 */
int gmem_file_range(const struct file *file, u64 offset, u64 size,
		    struct gmem_run *pages)
{
	u64 end;

	if (!size || !PAGE_ALIGNED(offset) || !PAGE_ALIGNED(size) ||
	    check_add_overflow(offset, size, &end) ||
	    end > i_size_read(file_inode(file)))
		return -EINVAL;
	pages->start = offset >> PAGE_SHIFT;
	pages->last = (end >> PAGE_SHIFT) - 1;
	return 0;
}
EXPORT_SYMBOL_GPL(gmem_file_range);

/**
 * gmem_file_convert() - KVM_SET_MEMORY_ATTRIBUTES2
 * @folios: the file's memory
 * @file: the file
 * @attributes: %KVM_MEMORY_ATTRIBUTE_PRIVATE, or 0 for a file whose pages cannot
 *	be converted, which is told by -EINVAL
 * @argp: argument of the ioctl
 *
 * User memory is read before and written after the conversion, never inside:
 * the argument may lie in the range being converted.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EFAULT, -EINVAL, or the errors of gmem_convert_range().
 */
long gmem_file_convert(struct gmem_folios *folios, struct file *file,
		       u64 attributes,
		       struct kvm_memory_attributes2 __user *argp)
{
	struct kvm_memory_attributes2 arg;
	struct gmem_report report;
	struct gmem_run pages;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || memchr_inv(arg.reserved, 0, sizeof(arg.reserved)) ||
	    (arg.attributes & ~attributes) || !attributes)
		ret = -EINVAL;
	else
		ret = gmem_file_range(file, arg.offset, arg.size, &pages);
	/* Not a page's fault: the offset as it was given. */
	arg.error_offset = arg.offset;
	if (!ret) {
		ret = gmem_convert_range(gmem_folios_space(folios), pages.start,
					 pages.last, arg.attributes ?
					 GMEM_PRIVATE : GMEM_SHARED, 0, &report);
		arg.error_offset = (u64)report.index << PAGE_SHIFT;
	}
	/*
	 * Where it cannot be written, the errno is what counts: -EFAULT instead
	 * would hide that it was refused and nothing has changed.
	 */
	if (ret)
		(void)put_user(arg.error_offset, &argp->error_offset);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_file_convert);

/**
 * gmem_file_fallocate() - fallocate() of a file
 * @folios: the file's memory
 * @file: the file
 * @mode: of fallocate()
 * @offset: first byte
 * @len: bytes
 * @refusable: a hole may be refused, as a conversion may; without, it is punched
 *	whoever uses the memory
 *
 * Context: Process context, may sleep.
 * Return: 0, -EOPNOTSUPP, -EINVAL, or the errors of gmem_punch_range() and
 *	gmem_folios_allocate().
 */
long gmem_file_fallocate(struct gmem_folios *folios, struct file *file,
			 int mode, loff_t offset, loff_t len, bool refusable)
{
	loff_t size = i_size_read(file_inode(file));
	struct gmem_space *space = gmem_folios_space(folios);
	bool punch = mode & FALLOC_FL_PUNCH_HOLE;
	struct gmem_report report;
	struct gmem_run pages;
	int ret;

	if (!(mode & FALLOC_FL_KEEP_SIZE) ||
	    (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(offset) || !PAGE_ALIGNED(len))
		return -EINVAL;
	/* A hole may reach beyond the end, where there is nothing to punch. */
	if (punch && offset >= size)
		return 0;
	if (punch)
		len = min(len, size - offset);
	ret = gmem_file_range(file, offset, len, &pages);
	if (ret)
		return ret;

	if (!punch)
		ret = gmem_folios_allocate(folios, pages.start, pages.last);
	else if (refusable)
		ret = gmem_punch_range(space, pages.start, pages.last, 0,
				       &report);
	else
		gmem_revoke_range(space, pages.start, pages.last);
	if (!ret)
		file_modified(file);
	return ret;
}
EXPORT_SYMBOL_GPL(gmem_file_fallocate);
