// SPDX-License-Identifier: GPL-2.0
/*
 * A hold: the smallest client there is.  It maps nothing and has an opinion.
 *
 * Also the template for a client of your own.  One that maps memory does its
 * unmapping in invalidate and revoke; this one has nothing to take away, but
 * must have both, because memory failure and release ask nobody.
 */
#include <linux/anon_inodes.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/gmem_client.h>
#include <linux/gmem_folios.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "guest_memfd.h"

struct guest_memfd_hold_client {
	struct gmem_client client;
	struct file *file;
	char name[GUEST_MEMFD_HOLD_NAME_LEN];
};

/* Root reads it in debugfs and traces, line by line. */
static bool hold_name_valid(const char *name)
{
	size_t i, len = strnlen(name, GUEST_MEMFD_HOLD_NAME_LEN);

	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isprint(name[i]))
			return false;
	return len && len < GUEST_MEMFD_HOLD_NAME_LEN;
}

static int hold_prepare(struct gmem_slot *slot)
{
	/* The first page that would change is the first in the way. */
	gmem_slot_refuse(slot, slot->span.start);
	return -EBUSY;
}

static void hold_invalidate(struct gmem_slot *slot)
{
}

static void hold_abort(struct gmem_slot *slot)
{
}

static void hold_revoke(struct gmem_client *client, pgoff_t start, pgoff_t last)
{
}

static const struct gmem_client_ops hold_ops = {
	.prepare = hold_prepare,
	.invalidate = hold_invalidate,
	.abort = hold_abort,
	.revoke = hold_revoke,
};

static void hold_free(struct guest_memfd_hold_client *hold)
{
	gmem_client_unregister(&hold->client);
	/* The file keeps the space: it goes after the client. */
	fput(hold->file);
	kfree(hold);
}

static int hold_release(struct inode *inode, struct file *file)
{
	hold_free(file->private_data);
	return 0;
}

static const struct file_operations hold_fops = {
	.owner = THIS_MODULE,
	.release = hold_release,
};

/**
 * guest_memfd_hold_create() - GUEST_MEMFD_HOLD
 * @file: the guest_memfd file
 * @space: its space
 * @argp: the argument, in user memory
 *
 * Return: a new file descriptor, or a negative errno: -EFAULT, -EINVAL,
 *	-ENOMEM, -EMFILE, -ENODEV if the module is going away, -EINTR for a
 *	signal while it waits for a conversion that has begun before.
 */
int guest_memfd_hold_create(struct file *file, struct gmem_space *space,
			    const struct guest_memfd_hold __user *argp)
{
	struct guest_memfd_hold_client *hold;
	struct guest_memfd_hold arg;
	struct gmem_run pages;
	int ret;

	if (copy_from_user(&arg, argp, sizeof(arg)))
		return -EFAULT;
	if (arg.flags || memchr_inv(arg.reserved, 0, sizeof(arg.reserved)) ||
	    !hold_name_valid(arg.name))
		return -EINVAL;
	ret = gmem_file_range(file, arg.offset, arg.size, &pages);
	if (ret)
		return ret;

	hold = kzalloc_obj(*hold, GFP_KERNEL_ACCOUNT);
	if (!hold)
		return -ENOMEM;
	strscpy(hold->name, arg.name);
	hold->client = (struct gmem_client){
		.ops = &hold_ops,
		.name = hold->name,
		.rank = GMEM_RANK_VOTE,
		.policy = GMEM_POLICY_UNMAP,
		.range = pages,
		.owner = THIS_MODULE,
	};
	ret = gmem_client_register(space, &hold->client);
	if (ret) {
		kfree(hold);
		return ret;
	}
	hold->file = get_file(file);
	/* A conversion that has begun before did not ask this client. */
	ret = gmem_space_settle(space, &pages);
	if (!ret)
		ret = anon_inode_getfd("[guest_memfd-hold]", &hold_fops, hold,
				       O_CLOEXEC);
	if (ret < 0)
		hold_free(hold);
	return ret;
}
