// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_fault: makes the n-th step that may fail, fail, for tests.
 *
 * Every allocation of the library asks here first.  Commit and abort never do,
 * because nothing in them may fail.
 */
#include <kunit/visibility.h>
#include <linux/sched.h>

#include "internal.h"

static struct {
	struct task_struct *task;
	unsigned int countdown;
	bool hit;
} gmem_fail;

/* Other tasks than the one that set it up never notice. */
bool gmem_should_fail(void)
{
	if (READ_ONCE(gmem_fail.task) != current || !gmem_fail.countdown)
		return false;
	if (--gmem_fail.countdown)
		return false;
	gmem_fail.hit = true;
	return true;
}
EXPORT_SYMBOL_GPL(gmem_should_fail);

/* Fail the @nth step of this task from now on, counting from 1; 0: none. */
void gmem_fail_nth(unsigned int nth)
{
	gmem_fail.countdown = nth;
	if (nth)
		gmem_fail.hit = false;
	WRITE_ONCE(gmem_fail.task, nth ? current : NULL);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fail_nth);

/* Whether the last step that was to fail was reached. */
bool gmem_fail_hit(void)
{
	return gmem_fail.hit;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fail_hit);
