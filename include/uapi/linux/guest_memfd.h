/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The stand-alone guest_memfd: files of guest memory without KVM.
 *
 * Files are made by GUEST_MEMFD_CREATE on /dev/guest_memfd.  On a file,
 * KVM_SET_MEMORY_ATTRIBUTES2 converts, with KVM's number, structure and errors,
 * so that a program written for KVM's guest_memfd runs here unchanged.
 */
#ifndef _UAPI_LINUX_GUEST_MEMFD_H
#define _UAPI_LINUX_GUEST_MEMFD_H

#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/types.h>

#define GUEST_MEMFD_IO		0xDC

/**
 * struct guest_memfd_create - argument of GUEST_MEMFD_CREATE
 * @size: size of the file in bytes, a multiple of the page size
 * @flags: GUEST_MEMFD_FLAG_MMAP, GUEST_MEMFD_FLAG_INIT_SHARED, at most one of
 *	GUEST_MEMFD_FLAG_2MB, GUEST_MEMFD_FLAG_1GB, and with one of these
 *	GUEST_MEMFD_FLAG_MERGE
 * @reserved: must be zero
 */
struct guest_memfd_create {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};

/* On /dev/guest_memfd; returns the file's descriptor. */
#define GUEST_MEMFD_CREATE	_IOW(GUEST_MEMFD_IO, 0x00, struct guest_memfd_create)

/* What <linux/kvm.h> lacks if it is an older one. */
#ifndef GUEST_MEMFD_FLAG_MMAP
#define GUEST_MEMFD_FLAG_MMAP		(1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	(1ULL << 1)
#endif

/*
 * Of what the file is made, wherever a whole aligned block is empty and in one
 * state when it is first touched; ENOMEM if there is no such memory.  Elsewhere,
 * and without these, of pages.  EINVAL where the kernel has no such folios.
 */
#define GUEST_MEMFD_FLAG_2MB		(1ULL << 32)
#define GUEST_MEMFD_FLAG_1GB		(1ULL << 33)

/*
 * What a conversion has left split, because a page of it was in use, is joined
 * in the background: tried after a second, then after 2, 4 ... up to 128.  See
 * GUEST_MEMFD_MERGE for doing it at a time of one's own choice.
 */
#define GUEST_MEMFD_FLAG_MERGE		(1ULL << 34)

#ifndef KVM_MEMORY_ATTRIBUTE_PRIVATE
#define KVM_MEMORY_ATTRIBUTE_PRIVATE	(1ULL << 3)
#endif

#ifndef KVM_SET_MEMORY_ATTRIBUTES2
/**
 * struct kvm_memory_attributes2 - argument of KVM_SET_MEMORY_ATTRIBUTES2
 * @address: another name of @offset
 * @offset: first byte in the file, a multiple of the page size
 * @size: bytes, a multiple of the page size, not 0
 * @attributes: KVM_MEMORY_ATTRIBUTE_PRIVATE, or 0 for shared
 * @flags: must be 0
 * @error_offset: out, if the call failed: first byte of the page in the way, or
 *	@offset if no single page was
 * @reserved: must be zero
 */
struct kvm_memory_attributes2 {
	union {
		__u64 address;
		__u64 offset;
	};
	__u64 size;
	__u64 attributes;
	__u64 flags;
	__u64 error_offset;
	__u64 reserved[11];
};

/* On a file.  0xAE is KVMIO. */
#define KVM_SET_MEMORY_ATTRIBUTES2	_IOWR(0xAE, 0xd2, struct kvm_memory_attributes2)
#endif

/**
 * struct guest_memfd_run - consecutive pages in one state
 * @offset: first byte
 * @size: bytes
 * @attributes: KVM_MEMORY_ATTRIBUTE_PRIVATE or 0
 */
struct guest_memfd_run {
	__u64 offset;
	__u64 size;
	__u64 attributes;
};

/**
 * struct guest_memfd_get_runs - argument of GUEST_MEMFD_GET_RUNS
 * @offset: first byte to report; out: where to go on
 * @size: bytes; out: what is left from @offset on, 0 at the end
 * @runs: address of an array of struct guest_memfd_run
 * @nr: room in @runs; out: entries filled
 * @flags: must be 0
 * @reserved: must be zero
 *
 * A run is cut at the ends of the request, not at those of the array.
 */
struct guest_memfd_get_runs {
	__u64 offset;
	__u64 size;
	__u64 runs;
	__u32 nr;
	__u32 flags;
	__u64 reserved[4];
};

/* On a file. */
#define GUEST_MEMFD_GET_RUNS	_IOWR(GUEST_MEMFD_IO, 0x01, struct guest_memfd_get_runs)

#define GUEST_MEMFD_HOLD_NAME_LEN	32

/**
 * struct guest_memfd_hold - argument of GUEST_MEMFD_HOLD
 * @offset: first byte
 * @size: bytes
 * @name: what refusals are reported with, NUL-terminated, not empty, printable
 *	ASCII
 * @flags: must be 0
 * @reserved: must be zero
 */
struct guest_memfd_hold {
	__u64 offset;
	__u64 size;
	char name[GUEST_MEMFD_HOLD_NAME_LEN];
	__u64 flags;
	__u64 reserved[3];
};

/*
 * On a file; returns a descriptor.  As long as that is open, conversions and
 * hole punching of the range fail with EBUSY.  Waits for those that have begun;
 * EINTR if a signal comes meanwhile.
 */
#define GUEST_MEMFD_HOLD	_IOW(GUEST_MEMFD_IO, 0x02, struct guest_memfd_hold)

/**
 * struct guest_memfd_merge - argument of GUEST_MEMFD_MERGE
 * @offset: first byte
 * @size: bytes
 * @flags: must be 0
 * @reserved: must be zero
 */
struct guest_memfd_merge {
	__u64 offset;
	__u64 size;
	__u64 flags;
	__u64 reserved[5];
};

/*
 * On a file: makes larger folios of those that conversions have split and that
 * could be one again.  Returns 0, or 1 if somebody who uses a page is in the way.
 */
#define GUEST_MEMFD_MERGE	_IOW(GUEST_MEMFD_IO, 0x04, struct guest_memfd_merge)

/**
 * struct guest_memfd_populate - argument of GUEST_MEMFD_POPULATE
 * @offset: first byte; out: where to go on
 * @size: bytes; out: what is left from @offset on, 0 at the end
 * @source: address to copy from, a multiple of the page size; out: what is next.
 *	May be a mapping of shared pages of the same file
 * @flags: must be 0
 * @reserved: must be zero
 */
struct guest_memfd_populate {
	__u64 offset;
	__u64 size;
	__u64 source;
	__u64 flags;
	__u64 reserved[4];
};

/*
 * On a file.  Fills private pages with what the guest starts with.  Fails with
 * EINVAL if the first page is shared, EHWPOISON if it is lost, EFAULT if it
 * cannot be copied from; where a later page is, it stops before that.
 */
#define GUEST_MEMFD_POPULATE	_IOWR(GUEST_MEMFD_IO, 0x03, struct guest_memfd_populate)

#endif /* _UAPI_LINUX_GUEST_MEMFD_H */
