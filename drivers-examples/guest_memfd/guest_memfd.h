/* SPDX-License-Identifier: GPL-2.0 */
/* The stand-alone guest_memfd: what its files share. */
#ifndef _SAMPLE_GUEST_MEMFD_H
#define _SAMPLE_GUEST_MEMFD_H

#include <linux/fs.h>
#include <linux/gmem_convert.h>
#include <linux/guest_memfd.h>

int guest_memfd_hold_create(struct file *file, struct gmem_space *space,
			    const struct guest_memfd_hold __user *argp);

#endif /* _SAMPLE_GUEST_MEMFD_H */
