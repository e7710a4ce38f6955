// SPDX-License-Identifier: GPL-2.0
/*
 * KVM's guest_memfd: files of guest memory that only VMs, and where it is shared
 * host userspace, can map.
 *
 * A thin layer.  The memory is gmem_folios', the states and the protocol of
 * conversions are gmem_convert's.  What is here is KVM's own: which VM uses
 * which part of a file through which memslot, and how to take it away from that
 * VM's MMU.
 *
 * A file is a VM's view of an inode, and the inode is the memory.  Each file is
 * a client of the inode's space, so that several VMs on one inode are several
 * clients.
 *
 *	vCPU fault				conversion, hole, memory failure
 *	----------				--------------------------------
 *						raise the fence
 *	read mmu_invalidate_seq			mmu_lock
 *	smp_rmb()				  mmu_invalidate_seq++
 *	look: no fence, or wait for it		  zap, flush
 *	state, pfn				mmu_unlock
 *	mmu_lock				store the state, free the page
 *	  same mmu_invalidate_seq, or retry	lower the fence
 *	  map pfn
 *	mmu_unlock
 *
 * A fault that found no fence and read the sequence before it was bumped sees
 * that under mmu_lock; one that read it afterwards finds the fence, or what was
 * stored.  So it needs no reference to the page, and never makes a conversion
 * fail.
 *
 * Locks: slots_lock > the claim and fence of an operation > gmem_file.lock >
 * mmu_lock.
 */
#include <linux/anon_inodes.h>
#include <linux/backing-dev.h>
#include <linux/fs.h>
#include <linux/gmem_client.h>
#include <linux/gmem_folios.h>
#include <linux/kvm_host.h>
#include <linux/mempolicy.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>

#include "kvm_mm.h"

static struct vfsmount *kvm_gmem_mnt;

/*
 * Where PRIVATE is tracked is the same for every VM: two answers for one page
 * would be a hole in both.
 */
bool __read_mostly kvm_gmem_in_place_conversion;
module_param_named(gmem_in_place_conversion, kvm_gmem_in_place_conversion, bool,
		   0444);
MODULE_PARM_DESC(gmem_in_place_conversion,
		 "guest_memfd tracks which memory is private, instead of the VM");
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_gmem_in_place_conversion);

/**
 * struct gmem_file - a VM's view of an inode
 * @kvm: the VM
 * @client: takes memory away from its MMU
 * @lock: guards @bindings and keeps the memslots in it alive.  Taken inside
 *	operations: nothing that waits for one is done under it
 * @bindings: index to memslot, each over its whole range
 */
struct gmem_file {
	struct kvm *kvm;
	struct gmem_client client;
	struct mutex lock;	/* see above */
	struct xarray bindings;
};

/* The memory; @policy is what mbind() says of its ranges. */
struct gmem_inode {
	struct shared_policy policy;
	struct inode vfs_inode;
	struct gmem_folios *folios;
	u64 flags;
};

static __always_inline struct gmem_inode *GMEM_I(struct inode *inode)
{
	return container_of(inode, struct gmem_inode, vfs_inode);
}

static struct gmem_folios *kvm_gmem_folios(const struct file *file)
{
	return GMEM_I(file_inode(file))->folios;
}

static struct gmem_space *kvm_gmem_space(const struct file *file)
{
	return gmem_folios_space(kvm_gmem_folios(file));
}

static pgoff_t kvm_gmem_get_index(const struct kvm_memory_slot *slot, gfn_t gfn)
{
	return gfn - slot->base_gfn + slot->gmem.pgoff;
}

/* ---- the client: taking memory away from a VM's MMU ---------------------------- */

struct kvm_gmem_zap {
	struct gmem_file *f;
	enum kvm_gfn_range_filter filter;
	bool begun;
	bool flush;
};

static void kvm_gmem_zap_end(struct kvm_gmem_zap *zap)
{
	struct kvm *kvm = zap->f->kvm;

	if (!zap->begun)
		return;
	if (zap->flush)
		kvm_flush_remote_tlbs(kvm);
	/* In the section that began it, so that no vCPU spins in between. */
	kvm_mmu_invalidate_end(kvm);
	KVM_MMU_UNLOCK(kvm);
	zap->begun = false;
	zap->flush = false;
}

/* Returns whether anything was mapped. */
static bool kvm_gmem_zap_slot(struct kvm_gmem_zap *zap,
			      struct kvm_memory_slot *slot, pgoff_t start,
			      pgoff_t last)
{
	struct kvm *kvm = zap->f->kvm;
	pgoff_t pgoff = slot->gmem.pgoff;
	struct kvm_gfn_range range = {
		.start = slot->base_gfn + max(pgoff, start) - pgoff,
		.end = slot->base_gfn +
		       min(pgoff + slot->npages - 1, last) - pgoff + 1,
		.slot = slot,
		.may_block = true,
		.attr_filter = zap->filter,
	};
	bool mapped;

	if (!zap->begun) {
		KVM_MMU_LOCK(kvm);
		kvm_mmu_invalidate_start(kvm);
		zap->begun = true;
	}
	mapped = kvm_mmu_unmap_gfn_range(kvm, &range);
	zap->flush |= mapped;
#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_INVALIDATE
	kvm_arch_gmem_invalidate_range(kvm, &range);
#endif
	return mapped;
}

static bool kvm_gmem_zap(struct kvm_gmem_zap *zap, pgoff_t start, pgoff_t last)
{
	struct kvm_memory_slot *slot;
	unsigned long index;
	bool mapped = false;

	lockdep_assert_held(&zap->f->lock);
	xa_for_each_range(&zap->f->bindings, index, slot, start, last) {
		mapped |= kvm_gmem_zap_slot(zap, slot, start, last);
		/* A range that is not a power of two is several entries. */
		index = slot->gmem.pgoff + slot->npages - 1;
	}
	/* Of many runs, the rest takes its turn with the vCPUs. */
	if (zap->begun && need_resched()) {
		kvm_gmem_zap_end(zap);
		cond_resched();
	}
	return mapped;
}

static struct gmem_file *to_gmem_file(struct gmem_client *client)
{
	return container_of(client, struct gmem_file, client);
}

/* What maps memory that is about to change or to go. */
static enum kvm_gfn_range_filter kvm_gmem_filter(const struct gmem_plan *plan)
{
	if (plan->op != GMEM_OP_CONVERT)
		return KVM_FILTER_PRIVATE | KVM_FILTER_SHARED;
	return plan->target == GMEM_PRIVATE ? KVM_FILTER_SHARED :
					      KVM_FILTER_PRIVATE;
}

static void kvm_gmem_client_invalidate(struct gmem_slot *slot)
{
	struct kvm_gmem_zap zap = {
		.f = to_gmem_file(slot->client),
		.filter = kvm_gmem_filter(slot->plan),
	};
	struct gmem_run run;
	unsigned long i;

	guard(mutex)(&zap.f->lock);
	gmem_for_each_run(slot, i, run)
		kvm_gmem_zap(&zap, run.start, run.last);
	kvm_gmem_zap_end(&zap);
}

static bool kvm_gmem_client_unmap(struct gmem_client *client, pgoff_t start,
				  pgoff_t last)
{
	struct kvm_gmem_zap zap = {
		.f = to_gmem_file(client),
		.filter = KVM_FILTER_PRIVATE | KVM_FILTER_SHARED,
	};
	bool mapped;

	guard(mutex)(&zap.f->lock);
	mapped = kvm_gmem_zap(&zap, start, last);
	kvm_gmem_zap_end(&zap);
	return mapped;
}

static void kvm_gmem_client_revoke(struct gmem_client *client, pgoff_t start,
				   pgoff_t last)
{
	kvm_gmem_client_unmap(client, start, last);
}

static bool kvm_gmem_client_check(struct gmem_client *client, pgoff_t start,
				  pgoff_t last)
{
	return !kvm_gmem_client_unmap(client, start, last);
}

/* No prepare: 4 KiB mappings need no cut, and KVM's MMU never says no. */
static const struct gmem_client_ops kvm_gmem_client_ops = {
	.invalidate = kvm_gmem_client_invalidate,
	.revoke = kvm_gmem_client_revoke,
	.check = kvm_gmem_client_check,
};

/* ---- what the file says of its pages ------------------------------------------- */

static struct mempolicy *kvm_gmem_policy(struct address_space *mapping,
					 pgoff_t index)
{
	return mpol_shared_policy_lookup(&GMEM_I(mapping->host)->policy, index);
}

#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_INVALIDATE
static void kvm_gmem_make_shared(struct folio *folio)
{
	kvm_pfn_t pfn = folio_pfn(folio);

	kvm_arch_gmem_invalidate(pfn, pfn + folio_nr_pages(folio));
}
#endif

static const struct gmem_folios_ops kvm_gmem_folios_ops = {
	.policy = kvm_gmem_policy,
#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_INVALIDATE
	.make_shared = kvm_gmem_make_shared,
#endif
};

/* ---- system calls --------------------------------------------------------------- */

u64 kvm_gmem_supported_attributes(struct kvm *kvm)
{
	if (!kvm_gmem_in_place_conversion)
		return 0;
	return !kvm || kvm_arch_has_private_mem(kvm) ?
	       KVM_MEMORY_ATTRIBUTE_PRIVATE : 0;
}

static long kvm_gmem_ioctl(struct file *file, unsigned int ioctl,
			   unsigned long arg)
{
	struct gmem_file *f = file->private_data;

	if (ioctl != KVM_SET_MEMORY_ATTRIBUTES2 || !kvm_gmem_in_place_conversion)
		return -ENOTTY;
	return gmem_file_convert(kvm_gmem_folios(file), file,
				 kvm_gmem_supported_attributes(f->kvm),
				 (void __user *)arg);
}

static long kvm_gmem_fallocate(struct file *file, int mode, loff_t offset,
			       loff_t len)
{
	/* Where nothing is converted in place, a hole was never refused. */
	return gmem_file_fallocate(kvm_gmem_folios(file), file, mode, offset, len,
				   kvm_gmem_in_place_conversion);
}

static vm_fault_t kvm_gmem_fault_user_mapping(struct vm_fault *vmf)
{
	return gmem_folios_fault(kvm_gmem_folios(vmf->vma->vm_file), vmf);
}

#ifdef CONFIG_NUMA
static int kvm_gmem_set_policy(struct vm_area_struct *vma, struct mempolicy *mpol)
{
	struct inode *inode = file_inode(vma->vm_file);

	return mpol_set_shared_policy(&GMEM_I(inode)->policy, vma, mpol);
}

static struct mempolicy *kvm_gmem_get_policy(struct vm_area_struct *vma,
					     unsigned long addr, pgoff_t *ilx)
{
	pgoff_t pgoff = vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
	struct inode *inode = file_inode(vma->vm_file);

	*ilx = inode->i_ino;

	/* NULL if none was set: so get_mempolicy() learns of it. */
	return mpol_shared_policy_lookup(&GMEM_I(inode)->policy, pgoff);
}
#endif /* CONFIG_NUMA */

static const struct vm_operations_struct kvm_gmem_vm_ops = {
	.fault		= kvm_gmem_fault_user_mapping,
#ifdef CONFIG_NUMA
	.get_policy	= kvm_gmem_get_policy,
	.set_policy	= kvm_gmem_set_policy,
#endif
};

static bool kvm_gmem_supports_mmap(struct inode *inode)
{
	return GMEM_I(inode)->flags & GUEST_MEMFD_FLAG_MMAP;
}

static int kvm_gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	int r;

	if (!kvm_gmem_supports_mmap(file_inode(file)))
		return -ENODEV;

	r = gmem_folios_mmap(vma);
	if (r)
		return r;
	/* It is there for conversions, and changes what mremap() allows. */
	if (!kvm_gmem_in_place_conversion)
		vm_flags_clear(vma, VM_DONTEXPAND);
	vma->vm_ops = &kvm_gmem_vm_ops;
	return 0;
}

static int kvm_gmem_release(struct inode *inode, struct file *file)
{
	struct gmem_file *f = file->private_data;
	struct kvm_memory_slot *slot;
	struct kvm *kvm = f->kvm;
	unsigned long index;

	/*
	 * No new bindings: this was the last reference to the file.  slots_lock
	 * keeps memslots from being freed, or looked up by kvm_gmem_unbind(),
	 * while they lose the file.  vCPU faults hold a reference to it while
	 * they look at it, so none does; those that have looked already find
	 * mmu_invalidate_seq changed.
	 */
	scoped_guard(mutex, &kvm->slots_lock) {
		scoped_guard(mutex, &f->lock) {
			xa_for_each(&f->bindings, index, slot)
				WRITE_ONCE(slot->gmem.file, NULL);
		}
		/* The memory stays: it is the inode's. */
		kvm_gmem_client_unmap(&f->client, 0, ULONG_MAX);
		/* From here on memslots go without asking. */
		scoped_guard(mutex, &f->lock)
			xa_destroy(&f->bindings);
	}

	/* Waits for operations that have listed the client. */
	gmem_client_unregister(&f->client);
	kfree(f);
	kvm_put_kvm(kvm);
	return 0;
}

static struct file_operations kvm_gmem_fops = {
	.mmap		= kvm_gmem_mmap,
	.open		= generic_file_open,
	.release	= kvm_gmem_release,
	.fallocate	= kvm_gmem_fallocate,
	.unlocked_ioctl	= kvm_gmem_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/* ---- faults of vCPUs ------------------------------------------------------------- */

static inline struct file *kvm_gmem_get_file(const struct kvm_memory_slot *slot)
{
	/* None that is closed already and waits for kvm_gmem_release(). */
	return get_file_active((struct file **)&slot->gmem.file);
}

DEFINE_CLASS(gmem_get_file, struct file *, if (_T) fput(_T),
	     kvm_gmem_get_file(slot), const struct kvm_memory_slot *slot);

/**
 * kvm_gmem_is_private() - state of a gfn, if guest_memfd tracks it
 * @kvm: the VM
 * @gfn: the page
 *
 * Context: Takes no lock; kvm->srcu or slots_lock is held.
 * Return: whether it is private.  True, which lets nobody touch it, if that is
 *	being changed or the file is gone.
 */
bool kvm_gmem_is_private(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot;

	if (!kvm_arch_has_private_mem(kvm))
		return false;
	slot = gfn_to_memslot(kvm, gfn);
	if (!kvm_slot_has_gmem(slot))
		return false;

	CLASS(gmem_get_file, file)(slot);
	return !file ||
	       gmem_space_lookup(kvm_gmem_space(file),
				 kvm_gmem_get_index(slot, gfn),
				 GMEM_SCOPE_REQUEST) != GMEM_SHARED;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_gmem_is_private);

/**
 * kvm_gmem_max_order() - how large a mapping around a gfn may be
 * @slot: its memslot
 * @gfn: the page
 * @max_order: largest that the caller could use
 *
 * Context: Takes no lock.  Under mmu_lock the answer stays right until the lock
 *	is dropped: whoever changes it zaps what was mapped by it.
 * Return: the order, of the whole block.
 */
int kvm_gmem_max_order(const struct kvm_memory_slot *slot, gfn_t gfn,
		       int max_order)
{
	CLASS(gmem_get_file, file)(slot);
	if (!file)
		return 0;
	/* Blocks of the file are no blocks of the guest. */
	while (max_order && !IS_ALIGNED(slot->base_gfn - slot->gmem.pgoff,
					1UL << max_order))
		max_order = max_order > 9 ? 9 : 0;
	return gmem_space_max_order(kvm_gmem_space(file),
				    kvm_gmem_get_index(slot, gfn), max_order);
}

/* For kvm_tdp_mmu_map_private_pfn(): nobody takes the page away meanwhile. */
bool kvm_gmem_is_populating(struct kvm_memory_slot *slot, gfn_t gfn)
{
	CLASS(gmem_get_file, file)(slot);
	return file && gmem_space_is_owner(kvm_gmem_space(file),
					   kvm_gmem_get_index(slot, gfn));
}

struct kvm_gmem_use {
	struct kvm *kvm;
	struct kvm_memory_slot *slot;
};

/* Hardware may have to assign the page to the guest before it can be mapped. */
static int kvm_gmem_prepare(void *priv, pgoff_t index, unsigned long pfn,
			    enum gmem_state state)
{
#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_PREPARE
	const struct kvm_gmem_use *use = priv;
	gfn_t gfn = use->slot->base_gfn + index - use->slot->gmem.pgoff;
	int rc;

	if (state == GMEM_SHARED)
		return 0;
	rc = kvm_arch_gmem_prepare(use->kvm, gfn, pfn, 0);
	if (rc)
		pr_warn_ratelimited("gmem: Failed to prepare folio for index %lx GFN %llx PFN %lx error %d.\n",
				    index, gfn, pfn, rc);
	return rc;
#else
	return 0;
#endif
}

/* Does not wait; -EAGAIN at a fence. */
static int __kvm_gmem_get_pfn(struct kvm *kvm, struct file *file,
			      struct kvm_memory_slot *slot, gfn_t gfn,
			      kvm_pfn_t *pfn, int *max_order)
{
	struct kvm_gmem_use use = { kvm, slot };
	struct file *slot_file = READ_ONCE(slot->gmem.file);
	struct gmem_file *f = file->private_data;
	pgoff_t index = kvm_gmem_get_index(slot, gfn);
	unsigned long frame;
	int r;

	if (file != slot_file) {
		WARN_ON_ONCE(slot_file);
		return -EFAULT;
	}
	if (xa_load(&f->bindings, index) != slot) {
		WARN_ON_ONCE(xa_load(&f->bindings, index));
		return -EIO;
	}
	r = gmem_folios_pfn(kvm_gmem_folios(file), index, kvm_gmem_prepare, &use,
			    &frame);
	if (r)
		return r;
	*pfn = frame;
	if (max_order)
		*max_order = 0;
	return 0;
}

/**
 * kvm_gmem_get_pfn() - the page of a gfn
 * @kvm: the VM
 * @slot: memslot of @gfn, with a guest_memfd
 * @gfn: the page
 * @pfn: set to its frame
 * @page: set to NULL: no reference is taken
 * @max_order: set to the order of the mapping that the page allows, or NULL
 *
 * The caller has read mmu_invalidate_seq before and checks it under mmu_lock
 * before it uses @pfn, as a page fault does.
 *
 * Context: Process context, may sleep; waits while an operation runs on the
 *	page, until a fatal signal: an error is final for those who call this.
 * Return: 0, -EFAULT if the file is gone, -EIO, -EHWPOISON, -ENOMEM, -EINTR, or
 *	what the hardware says.
 */
int kvm_gmem_get_pfn(struct kvm *kvm, struct kvm_memory_slot *slot,
		     gfn_t gfn, kvm_pfn_t *pfn, struct page **page,
		     int *max_order)
{
	int r;

	CLASS(gmem_get_file, file)(slot);
	if (!file)
		return -EFAULT;

	*page = NULL;
	do {
		r = __kvm_gmem_get_pfn(kvm, file, slot, gfn, pfn, max_order);
		if (r != -EAGAIN)
			return r;
		r = gmem_space_wait(kvm_gmem_space(file),
				    kvm_gmem_get_index(slot, gfn),
				    GMEM_SCOPE_EFFECTIVE, TASK_KILLABLE);
	} while (!r);
	return r;
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_gmem_get_pfn);

/*
 * The file keeps the space, and nothing keeps the memslot: whoever deletes one
 * waits for kvm->srcu, and should not wait for a conversion.
 */
static int kvm_gmem_wait(struct kvm_vcpu *vcpu, struct file *file, pgoff_t index,
			 enum gmem_scope scope)
{
	int r;

	kvm_vcpu_srcu_read_unlock(vcpu);
	r = gmem_space_wait(kvm_gmem_space(file), index, scope,
			    TASK_INTERRUPTIBLE);
	kvm_vcpu_srcu_read_lock(vcpu);
	return r ?: -EAGAIN;
}

/**
 * kvm_gmem_fault_wait() - hold a fault back while an operation runs on its page
 * @vcpu: the vCPU
 * @slot: memslot of @gfn, or NULL
 * @gfn: the page
 *
 * Called after mmu_invalidate_seq was read.  For shared pages too, whose memory
 * may not be the file's: what is running may be about to make them private.
 *
 * Context: Process context, may sleep; drops kvm->srcu if it waits.
 * Return: 0 if nothing runs there, -EAGAIN after a wait: @slot may be gone,
 *	-EINTR for a signal.
 */
int kvm_gmem_fault_wait(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot,
			gfn_t gfn)
{
	pgoff_t index;

	if (!kvm_slot_has_gmem(slot))
		return 0;
	CLASS(gmem_get_file, file)(slot);
	if (!file)
		return 0;
	index = kvm_gmem_get_index(slot, gfn);
	if (gmem_space_lookup(kvm_gmem_space(file), index,
			      GMEM_SCOPE_REQUEST) != -EAGAIN)
		return 0;
	return kvm_gmem_wait(vcpu, file, index, GMEM_SCOPE_REQUEST);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_gmem_fault_wait);

/**
 * kvm_gmem_faultin_pfn() - the page of a gfn, for a vCPU that faulted
 * @vcpu: the vCPU
 * @slot: memslot of @gfn, with a guest_memfd
 * @gfn: the page
 * @pfn: set to its frame; no reference is taken
 * @max_order: set to the order of the mapping that the page allows
 *
 * Context: As kvm_gmem_fault_wait().
 * Return: As kvm_gmem_get_pfn(), and -EAGAIN after a wait.
 */
int kvm_gmem_faultin_pfn(struct kvm_vcpu *vcpu, struct kvm_memory_slot *slot,
			 gfn_t gfn, kvm_pfn_t *pfn, int *max_order)
{
	int r;

	CLASS(gmem_get_file, file)(slot);
	if (!file)
		return -EFAULT;
	r = __kvm_gmem_get_pfn(vcpu->kvm, file, slot, gfn, pfn, max_order);
	return r != -EAGAIN ? r :
	       kvm_gmem_wait(vcpu, file, kvm_gmem_get_index(slot, gfn),
			     GMEM_SCOPE_EFFECTIVE);
}

/* ---- populate --------------------------------------------------------------------- */

#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_POPULATE
struct kvm_gmem_populate {
	struct kvm *kvm;
	struct kvm_memory_slot *slot;
	kvm_gmem_populate_cb post_populate;
	void *opaque;
};

static int kvm_gmem_populate_page(void *priv, pgoff_t index, struct page *page,
				  struct page *src)
{
	const struct kvm_gmem_populate *p = priv;
	gfn_t gfn = p->slot->base_gfn + index - p->slot->gmem.pgoff;

	/* The file's own state was looked at before. */
	if (!kvm_gmem_in_place_conversion &&
	    !kvm_range_has_memory_attributes(p->kvm, gfn, gfn + 1,
					     KVM_MEMORY_ATTRIBUTE_PRIVATE,
					     KVM_MEMORY_ATTRIBUTE_PRIVATE))
		return -EINVAL;
	return p->post_populate(p->kvm, gfn, page_to_pfn(page), src, p->opaque);
}

long kvm_gmem_populate(struct kvm *kvm, gfn_t start_gfn, void __user *src,
		       long npages, bool may_writeback_src,
		       kvm_gmem_populate_cb post_populate, void *opaque)
{
	struct kvm_gmem_populate populate = {
		.kvm = kvm,
		.post_populate = post_populate,
		.opaque = opaque,
	};
	struct kvm_memory_slot *slot;
	struct gmem_report report;
	pgoff_t start;

	lockdep_assert_held(&kvm->slots_lock);

	if (WARN_ON_ONCE(npages <= 0))
		return -EINVAL;

	if (WARN_ON_ONCE(!PAGE_ALIGNED(src)))
		return -EINVAL;

	slot = gfn_to_memslot(kvm, start_gfn);
	if (!kvm_slot_has_gmem(slot))
		return -EINVAL;

	CLASS(gmem_get_file, file)(slot);
	if (!file)
		return -EFAULT;

	populate.slot = slot;
	npages = min_t(ulong, slot->npages - (start_gfn - slot->base_gfn), npages);
	start = kvm_gmem_get_index(slot, start_gfn);
	return gmem_folios_populate(kvm_gmem_folios(file), start,
				    start + npages - 1, src,
				    may_writeback_src ? FOLL_WRITE : 0,
				    kvm_gmem_populate_page, &populate, &report);
}
EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_gmem_populate);
#endif

/* ---- memslots ----------------------------------------------------------------------- */

int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot,
		  unsigned int fd, uoff_t offset)
{
	uoff_t size = slot->npages << PAGE_SHIFT;
	unsigned long start, end;
	struct gmem_file *f;
	struct inode *inode;
	int r;

	BUILD_BUG_ON(sizeof(gpa_t) != sizeof(offset));
	BUILD_BUG_ON(sizeof(gfn_t) != sizeof(slot->gmem.pgoff));

	/*
	 * The reference is dropped even on success: the file pins KVM, not the
	 * other way round.  Bindings go with the file if that is closed before
	 * the memslots are destroyed.
	 */
	struct file *file __free(fput) = fget(fd);

	if (!file)
		return -EBADF;
	if (file->f_op != &kvm_gmem_fops)
		return -EINVAL;
	f = file->private_data;
	inode = file_inode(file);
	if (f->kvm != kvm || !PAGE_ALIGNED(offset) ||
	    offset + size > i_size_read(inode))
		return -EINVAL;

	start = offset >> PAGE_SHIFT;
	end = start + slot->npages;

	guard(mutex)(&f->lock);
	if (xa_find(&f->bindings, &start, end - 1, XA_PRESENT))
		return -EEXIST;
	r = xa_err(xa_store_range(&f->bindings, start, end - 1, slot,
				  GFP_KERNEL));
	if (r) {
		xa_store_range(&f->bindings, start, end - 1, NULL, GFP_KERNEL);
		return r;
	}

	/*
	 * memslots of flag KVM_MEM_GUEST_MEMFD are immutable to change, so
	 * kvm_gmem_bind() must occur on a new memslot.  Because the memslot
	 * is not visible yet, kvm_gmem_get_pfn() is guaranteed to see the file,
	 * and an operation that runs now has nothing to take away from it.
	 */
	WRITE_ONCE(slot->gmem.file, file);
	slot->gmem.pgoff = start;
	if (kvm_gmem_supports_mmap(inode))
		slot->flags |= KVM_MEMSLOT_GMEM_ONLY;
	return 0;
}

void kvm_gmem_unbind(struct kvm_memory_slot *slot)
{
	unsigned long start = slot->gmem.pgoff;
	struct gmem_file *f;

	/*
	 * Nothing to do if the underlying file was _already_ closed, as
	 * kvm_gmem_release() invalidates and nullifies all bindings.
	 */
	if (!slot->gmem.file)
		return;

	/*
	 * It may be _being_ closed: kvm_gmem_release() then waits for
	 * slots_lock, so the gmem_file is still there, and will not find this
	 * memslot any more.
	 */
	f = slot->gmem.file->private_data;
	guard(mutex)(&f->lock);
	xa_store_range(&f->bindings, start, start + slot->npages - 1, NULL,
		       GFP_KERNEL);

	/*
	 * synchronize_srcu(&kvm->srcu) ensured that kvm_gmem_get_pfn()
	 * cannot see this memslot.
	 */
	WRITE_ONCE(slot->gmem.file, NULL);
}

/* ---- files and inodes ------------------------------------------------------------------ */

/*
 * The page stays in the file: what action is taken in response to the error is
 * userspace's decision.  If/when the guest attempts to access a poisoned page,
 * kvm_gmem_get_pfn() will return -EHWPOISON, at which point KVM can either
 * terminate the VM or propagate the error to userspace.
 */
static int kvm_gmem_error_folio(struct address_space *mapping, struct folio *folio)
{
	return gmem_folios_error(GMEM_I(mapping->host)->folios, folio);
}

static const struct address_space_operations kvm_gmem_aops = {
	.dirty_folio = noop_dirty_folio,
	.error_remove_folio = kvm_gmem_error_folio,
};

static int kvm_gmem_setattr(struct mnt_idmap *idmap, struct dentry *dentry,
			    struct iattr *attr)
{
	return -EINVAL;
}

static const struct inode_operations kvm_gmem_iops = {
	.setattr	= kvm_gmem_setattr,
};

bool __weak kvm_arch_supports_gmem_init_shared(struct kvm *kvm)
{
	return true;
}

static struct inode *kvm_gmem_inode(loff_t size, u64 flags)
{
	struct gmem_folios *folios;
	struct inode *inode;

	inode = anon_inode_make_secure_inode(kvm_gmem_mnt->mnt_sb, "[kvm-gmem]",
					     NULL);
	if (IS_ERR(inode))
		return inode;

	inode->i_op = &kvm_gmem_iops;
	inode->i_mapping->a_ops = &kvm_gmem_aops;
	inode->i_mode |= S_IFREG;
	inode->i_size = size;
	mapping_set_gfp_mask(inode->i_mapping, GFP_HIGHUSER);
	mapping_set_inaccessible(inode->i_mapping);
	/* Unmovable mappings are supposed to be marked unevictable as well. */
	WARN_ON_ONCE(!mapping_unevictable(inode->i_mapping));

	GMEM_I(inode)->flags = flags;
	folios = gmem_folios_alloc("kvm-gmem", inode->i_mapping,
				   size >> PAGE_SHIFT, 0,
				   flags & GUEST_MEMFD_FLAG_INIT_SHARED ?
				   GMEM_SHARED : GMEM_PRIVATE,
				   &kvm_gmem_folios_ops);
	if (IS_ERR(folios)) {
		iput(inode);
		return ERR_CAST(folios);
	}
	GMEM_I(inode)->folios = folios;
	return inode;
}

static struct file *kvm_gmem_file(struct gmem_file *f, struct inode *inode)
{
	struct gmem_space *space = gmem_folios_space(GMEM_I(inode)->folios);
	struct file *file;
	int r;

	f->client = (struct gmem_client){
		.ops = &kvm_gmem_client_ops,
		.name = "kvm",
		.rank = GMEM_RANK_MMU,
		.policy = GMEM_POLICY_UNMAP,
		.range = { 0, (i_size_read(inode) >> PAGE_SHIFT) - 1 },
		.owner = kvm_gmem_fops.owner,
	};
	r = gmem_client_register(space, &f->client);
	if (r)
		return ERR_PTR(r);
	file = alloc_file_pseudo(inode, kvm_gmem_mnt, "[kvm-gmem]", O_RDWR,
				 &kvm_gmem_fops);
	if (IS_ERR(file)) {
		gmem_client_unregister(&f->client);
		return file;
	}
	file->f_flags |= O_LARGEFILE;
	file->private_data = f;
	return file;
}

int kvm_gmem_create(struct kvm *kvm, struct kvm_create_guest_memfd *args)
{
	loff_t size = args->size;
	struct gmem_file *f;
	struct inode *inode;
	struct file *file;
	int fd, err;

	if (args->flags & ~kvm_gmem_get_supported_flags(kvm))
		return -EINVAL;
	if (size <= 0 || !PAGE_ALIGNED(size))
		return -EINVAL;

	fd = get_unused_fd_flags(0);
	if (fd < 0)
		return fd;

	f = kzalloc_obj(*f);
	if (!f) {
		err = -ENOMEM;
		goto err_fd;
	}
	f->kvm = kvm;
	mutex_init(&f->lock);
	xa_init(&f->bindings);

	/* __fput() will take care of fops_put(). */
	if (!fops_get(&kvm_gmem_fops)) {
		err = -ENOENT;
		goto err_gmem;
	}

	inode = kvm_gmem_inode(size, args->flags);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto err_fops;
	}
	file = kvm_gmem_file(f, inode);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto err_inode;
	}
	kvm_get_kvm(kvm);

	fd_install(fd, file);
	return fd;

err_inode:
	iput(inode);
err_fops:
	fops_put(&kvm_gmem_fops);
err_gmem:
	kfree(f);
err_fd:
	put_unused_fd(fd);
	return err;
}

static struct kmem_cache *kvm_gmem_inode_cachep;

static void kvm_gmem_init_inode_once(void *__gi)
{
	struct gmem_inode *gi = __gi;

	/* Once for all inodes that this memory will ever be; nothing of one. */
	inode_init_once(&gi->vfs_inode);
}

static struct inode *kvm_gmem_alloc_inode(struct super_block *sb)
{
	struct gmem_inode *gi;

	gi = alloc_inode_sb(sb, kvm_gmem_inode_cachep, GFP_KERNEL);
	if (!gi)
		return NULL;

	mpol_shared_policy_init(&gi->policy, NULL);

	gi->flags = 0;
	gi->folios = NULL;
	return &gi->vfs_inode;
}

static void kvm_gmem_evict_inode(struct inode *inode)
{
	truncate_inode_pages_final(&inode->i_data);
	if (GMEM_I(inode)->folios)
		gmem_folios_free(GMEM_I(inode)->folios);
	clear_inode(inode);
}

static void kvm_gmem_destroy_inode(struct inode *inode)
{
	mpol_free_shared_policy(&GMEM_I(inode)->policy);
}

static void kvm_gmem_free_inode(struct inode *inode)
{
	kmem_cache_free(kvm_gmem_inode_cachep, GMEM_I(inode));
}

static const struct super_operations kvm_gmem_super_operations = {
	.statfs		= simple_statfs,
	.alloc_inode	= kvm_gmem_alloc_inode,
	.evict_inode	= kvm_gmem_evict_inode,
	.destroy_inode	= kvm_gmem_destroy_inode,
	.free_inode	= kvm_gmem_free_inode,
};

static int kvm_gmem_init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx;

	if (!init_pseudo(fc, GUEST_MEMFD_MAGIC))
		return -ENOMEM;

	ctx = fc->fs_private;
	ctx->ops = &kvm_gmem_super_operations;

	return 0;
}

static struct file_system_type kvm_gmem_fs = {
	.name		 = "guest_memfd",
	.init_fs_context = kvm_gmem_init_fs_context,
	.kill_sb	 = kill_anon_super,
};

int kvm_gmem_init(struct module *module)
{
	struct kmem_cache_args args = {
		.align = 0,
		.ctor = kvm_gmem_init_inode_once,
	};

	kvm_gmem_fops.owner = module;
	kvm_gmem_inode_cachep = kmem_cache_create("kvm_gmem_inode_cache",
						  sizeof(struct gmem_inode),
						  &args, SLAB_ACCOUNT);
	if (!kvm_gmem_inode_cachep)
		return -ENOMEM;

	kvm_gmem_mnt = kern_mount(&kvm_gmem_fs);
	if (IS_ERR(kvm_gmem_mnt)) {
		kmem_cache_destroy(kvm_gmem_inode_cachep);
		return PTR_ERR(kvm_gmem_mnt);
	}
	kvm_gmem_mnt->mnt_flags |= MNT_NOEXEC;
	return 0;
}

void kvm_gmem_exit(void)
{
	kern_unmount(kvm_gmem_mnt);
	kvm_gmem_mnt = NULL;
	rcu_barrier();
	kmem_cache_destroy(kvm_gmem_inode_cachep);
}
