// SPDX-License-Identifier: GPL-2.0
/*
 * The stand-alone guest_memfd: files of guest memory, without KVM.
 *
 * A thin layer: checks what userspace asks and passes it on.  The memory is
 * gmem_folios', the states and the protocol are gmem_convert's.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/file.h>
#include <linux/gmem_folios.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include "guest_memfd.h"

#define GUEST_MEMFD_MAGIC	0x474d454d	/* "GMEM" */

static struct vfsmount *guest_memfd_mnt;

static struct gmem_folios *guest_memfd_folios(const struct inode *inode)
{
	return inode->i_private;
}

static struct gmem_space *guest_memfd_space(const struct inode *inode)
{
	return gmem_folios_space(guest_memfd_folios(inode));
}

static vm_fault_t guest_memfd_fault(struct vm_fault *vmf)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);

	return gmem_folios_fault(guest_memfd_folios(inode), vmf);
}

static vm_fault_t guest_memfd_huge_fault(struct vm_fault *vmf,
					 unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);

	return gmem_folios_huge_fault(guest_memfd_folios(inode), vmf, order);
}

static const struct vm_operations_struct guest_memfd_vm_ops = {
	.fault = guest_memfd_fault,
	.huge_fault = guest_memfd_huge_fault,
};

static int guest_memfd_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (!((u64)file->private_data & GUEST_MEMFD_FLAG_MMAP))
		return -ENODEV;
	vma->vm_ops = &guest_memfd_vm_ops;
	return gmem_folios_mmap(vma);
}

static long guest_memfd_fallocate(struct file *file, int mode, loff_t offset,
				  loff_t len)
{
	return gmem_file_fallocate(guest_memfd_folios(file_inode(file)), file,
				   mode, offset, len, true);
}

static int guest_memfd_get_runs(struct file *file,
				struct guest_memfd_get_runs __user *argp)
{
	struct guest_memfd_get_runs arg;
	struct guest_memfd_run __user *to;
	struct gmem_run pages, run;
	u32 nr;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || memchr_inv(arg.reserved, 0, sizeof(arg.reserved)) ||
	    !arg.nr)
		return -EINVAL;
	ret = gmem_file_range(file, arg.offset, arg.size, &pages);
	if (ret)
		return ret;

	to = u64_to_user_ptr(arg.runs);
	for (nr = 0; nr < arg.nr && arg.size; nr++) {
		struct guest_memfd_run out;

		ret = gmem_space_next_run(guest_memfd_space(file_inode(file)),
					  arg.offset >> PAGE_SHIFT, pages.last,
					  &run);
		if (ret < 0)
			return ret;
		out.offset = arg.offset;
		out.size = (u64)(run.last - run.start + 1) << PAGE_SHIFT;
		out.attributes = ret == GMEM_PRIVATE ?
				 KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
		if (copy_to_user(to + nr, &out, sizeof(out)))
			return -EFAULT;
		arg.offset += out.size;
		arg.size -= out.size;
		cond_resched();
	}
	arg.nr = nr;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int guest_memfd_copy_page(void *priv, pgoff_t index, struct page *page,
				 struct page *src)
{
	copy_highpage(page, src);
	return 0;
}

static int guest_memfd_populate(struct file *file,
				struct guest_memfd_populate __user *argp)
{
	struct guest_memfd_populate arg;
	struct gmem_report report;
	struct gmem_run pages;
	long done;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || memchr_inv(arg.reserved, 0, sizeof(arg.reserved)) ||
	    !arg.source || !PAGE_ALIGNED(arg.source) ||
	    arg.source + arg.size < arg.source)
		return -EINVAL;
	ret = gmem_file_range(file, arg.offset, arg.size, &pages);
	if (ret)
		return ret;
	done = gmem_folios_populate(guest_memfd_folios(file_inode(file)),
				    pages.start, pages.last,
				    u64_to_user_ptr(arg.source), 0,
				    guest_memfd_copy_page, NULL, &report);
	if (done < 0)
		return done;
	/* What is done is done: where it is not all, the rest can be tried again. */
	arg.offset += (u64)done << PAGE_SHIFT;
	arg.source += (u64)done << PAGE_SHIFT;
	arg.size -= (u64)done << PAGE_SHIFT;
	return copy_to_user(argp, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int guest_memfd_merge(struct file *file,
			     struct guest_memfd_merge __user *argp)
{
	struct guest_memfd_merge arg;
	struct gmem_report report;
	struct gmem_run pages;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || memchr_inv(arg.reserved, 0, sizeof(arg.reserved)))
		return -EINVAL;
	ret = gmem_file_range(file, arg.offset, arg.size, &pages);
	if (!ret)
		ret = gmem_merge_range(guest_memfd_space(file_inode(file)),
				       pages.start, pages.last, 0, &report);
	return ret ?: report.left_split;
}

static long guest_memfd_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	struct inode *inode = file_inode(file);
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case KVM_SET_MEMORY_ATTRIBUTES2:
		return gmem_file_convert(guest_memfd_folios(inode), file,
					 KVM_MEMORY_ATTRIBUTE_PRIVATE, argp);
	case GUEST_MEMFD_GET_RUNS:
		return guest_memfd_get_runs(file, argp);
	case GUEST_MEMFD_POPULATE:
		return guest_memfd_populate(file, argp);
	case GUEST_MEMFD_MERGE:
		return guest_memfd_merge(file, argp);
	case GUEST_MEMFD_HOLD:
		return guest_memfd_hold_create(file, guest_memfd_space(inode),
					       argp);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations guest_memfd_fops = {
	.owner = THIS_MODULE,
	.open = generic_file_open,
	.mmap = guest_memfd_mmap,
	.fallocate = guest_memfd_fallocate,
	.unlocked_ioctl = guest_memfd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.get_unmapped_area = thp_get_unmapped_area,
};

/* The size is fixed and so is everything else about the file. */
static int guest_memfd_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			       struct iattr *attr)
{
	return -EINVAL;
}

static const struct inode_operations guest_memfd_iops = {
	.setattr = guest_memfd_setattr,
};

static int guest_memfd_error_folio(struct address_space *mapping,
				   struct folio *folio)
{
	return gmem_folios_error(guest_memfd_folios(mapping->host), folio);
}

static const struct address_space_operations guest_memfd_aops = {
	.dirty_folio = noop_dirty_folio,
	.error_remove_folio = guest_memfd_error_folio,
};

/* Of its folios, from the flags; -EINVAL for more than one. */
static int guest_memfd_order(u64 flags)
{
	switch (flags & (GUEST_MEMFD_FLAG_2MB | GUEST_MEMFD_FLAG_1GB)) {
	case 0:
		return flags & GUEST_MEMFD_FLAG_MERGE ? -EINVAL : 0;
	case GUEST_MEMFD_FLAG_2MB:
		return ilog2(SZ_2M) - PAGE_SHIFT;
	case GUEST_MEMFD_FLAG_1GB:
		return ilog2(SZ_1G) - PAGE_SHIFT;
	default:
		return -EINVAL;
	}
}

static struct inode *guest_memfd_inode(loff_t size, u64 flags)
{
	enum gmem_state state = flags & GUEST_MEMFD_FLAG_INIT_SHARED ?
				GMEM_SHARED : GMEM_PRIVATE;
	struct gmem_folios *folios;
	struct inode *inode;

	inode = anon_inode_make_secure_inode(guest_memfd_mnt->mnt_sb,
					     "[guest_memfd]", NULL);
	if (IS_ERR(inode))
		return inode;
	inode->i_op = &guest_memfd_iops;
	inode->i_mapping->a_ops = &guest_memfd_aops;
	inode->i_mode = S_IFREG | 0600;
	inode->i_size = size;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	/* Neither reclaim nor migration: what is private has no copy. */
	mapping_set_unevictable(inode->i_mapping);
	mapping_set_inaccessible(inode->i_mapping);

	folios = gmem_folios_alloc("guest_memfd", inode->i_mapping,
				   size >> PAGE_SHIFT,
				   guest_memfd_order(flags), state, NULL);
	if (IS_ERR(folios)) {
		iput(inode);
		return ERR_CAST(folios);
	}
	if (flags & GUEST_MEMFD_FLAG_MERGE)
		gmem_folios_merge_later(folios, HZ);
	inode->i_private = folios;
	return inode;
}

static int guest_memfd_create(const struct guest_memfd_create __user *argp)
{
	struct guest_memfd_create arg;
	struct inode *inode;
	struct file *file;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags & ~(GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED |
			  GUEST_MEMFD_FLAG_2MB | GUEST_MEMFD_FLAG_1GB |
			  GUEST_MEMFD_FLAG_MERGE) ||
	    guest_memfd_order(arg.flags) < 0 ||
	    memchr_inv(arg.reserved, 0, sizeof(arg.reserved)) || !arg.size ||
	    !PAGE_ALIGNED(arg.size) || arg.size > MAX_LFS_FILESIZE)
		return -EINVAL;

	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;
	inode = guest_memfd_inode(arg.size, arg.flags);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	file = alloc_file_pseudo(inode, guest_memfd_mnt, "[guest_memfd]",
				 O_RDWR | O_LARGEFILE, &guest_memfd_fops);
	if (IS_ERR(file)) {
		iput(inode);
		return PTR_ERR(file);
	}
	file->private_data = (void *)(unsigned long)arg.flags;
	fd_install(fd, file);
	return take_fd(fd);
}

static long guest_memfd_dev_ioctl(struct file *file, unsigned int cmd,
				  unsigned long arg)
{
	if (cmd != GUEST_MEMFD_CREATE)
		return -ENOTTY;
	return guest_memfd_create((void __user *)arg);
}

static const struct file_operations guest_memfd_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = guest_memfd_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice guest_memfd_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "guest_memfd",
	.fops = &guest_memfd_dev_fops,
	.mode = 0600,
};

static void guest_memfd_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	if (inode->i_private)
		gmem_folios_free(inode->i_private);
	clear_inode(inode);
}

static const struct super_operations guest_memfd_super_ops = {
	.statfs = simple_statfs,
	.evict_inode = guest_memfd_evict_inode,
	.drop_inode = inode_just_drop,
};

static int guest_memfd_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, GUEST_MEMFD_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &guest_memfd_super_ops;
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	return 0;
}

static struct file_system_type guest_memfd_fs = {
	.name = "guest_memfd",
	.init_fs_context = guest_memfd_init_fs_context,
	.kill_sb = kill_anon_super,
};

static int __init guest_memfd_init(void)
{
	int ret;

	guest_memfd_mnt = kern_mount(&guest_memfd_fs);
	if (IS_ERR(guest_memfd_mnt))
		return PTR_ERR(guest_memfd_mnt);
	ret = misc_register(&guest_memfd_dev);
	if (ret)
		kern_unmount(guest_memfd_mnt);
	return ret;
}
device_initcall(guest_memfd_init);
