// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_fault: makes a named step that may fail, fail, for tests.
 *
 * Every such step asks here first, and the kernel's fault injection answers: by
 * number with /proc/self/fail-nth, so that a program can go through every step
 * of an operation one by one, or by chance with the files in
 * gmem_convert/fail/ of debugfs.  Commit and abort have no such steps, and
 * check-nofail proves it when this file is built.
 */
#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/fault-inject.h>
#include <linux/seq_file.h>

#include "internal.h"

static DECLARE_FAULT_ATTR(gmem_fault_attr);

#define GMEM_FAULT_NAME(id, name, error)	name,
static const char * const gmem_fault_names[] = {
	GMEM_FAULTS(GMEM_FAULT_NAME)
};

#define GMEM_FAULT_ERROR(id, name, error)	error,
static const int gmem_fault_errors[] = {
	GMEM_FAULTS(GMEM_FAULT_ERROR)
};

/* How often each step was reached, and how often it failed on demand. */
static atomic_long_t gmem_fault_reached[GMEM_NR_FAULTS];
static atomic_long_t gmem_fault_failed[GMEM_NR_FAULTS];
static enum gmem_fault gmem_fault_latest;

/**
 * gmem_fault() - whether a step is to fail
 * @fault: the step
 *
 * Context: Any in which the step itself may run.
 * Return: 0, or the error with which it fails.
 */
int gmem_fault(enum gmem_fault fault)
{
	atomic_long_inc(&gmem_fault_reached[fault]);
	if (!should_fail(&gmem_fault_attr, 1))
		return 0;
	atomic_long_inc(&gmem_fault_failed[fault]);
	WRITE_ONCE(gmem_fault_latest, fault);
	return gmem_fault_errors[fault];
}
EXPORT_SYMBOL_GPL(gmem_fault);

/* How often @fault has failed on demand. */
unsigned long gmem_fault_count(enum gmem_fault fault)
{
	return atomic_long_read(&gmem_fault_failed[fault]);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_count);

/* What failed last, for a test that has no other task asking. */
enum gmem_fault gmem_fault_last(void)
{
	return READ_ONCE(gmem_fault_latest);
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_last);

const char *gmem_fault_name(enum gmem_fault fault)
{
	return gmem_fault_names[fault];
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_name);

int gmem_fault_error(enum gmem_fault fault)
{
	return gmem_fault_errors[fault];
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_error);

/*
 * The @nth step that this task comes to from now on fails, counting from 1, and
 * no other.  Its fail_nth would count every kind of step that can be made to
 * fail: with fail_page_alloc that is now and then a slab which tries for a large
 * page first, so that no test knew which step it has reached.
 */
void gmem_fault_nth(unsigned int nth)
{
	gmem_fault_attr.count = 0;
	gmem_fault_attr.interval = nth;
	gmem_fault_attr.task_filter = true;
	atomic_set(&gmem_fault_attr.times, 1);
	gmem_fault_attr.probability = 100;
	current->make_it_fail = 1;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_nth);

/* No more; returns whether the step was reached. */
bool gmem_fault_nth_end(void)
{
	bool hit = !atomic_xchg(&gmem_fault_attr.times, 1);

	current->make_it_fail = 0;
	gmem_fault_attr.probability = 0;
	gmem_fault_attr.task_filter = false;
	gmem_fault_attr.interval = 1;
	return hit;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_fault_nth_end);

static int gmem_faults_show(struct seq_file *m, void *v)
{
	int i;

	seq_puts(m, "# step, times reached, times failed on demand\n");
	for (i = 0; i < GMEM_NR_FAULTS; i++)
		seq_printf(m, "%s %ld %ld\n", gmem_fault_names[i],
			   atomic_long_read(&gmem_fault_reached[i]),
			   atomic_long_read(&gmem_fault_failed[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gmem_faults);

void gmem_fault_init(struct dentry *debugfs)
{
	/* What a test wants to happen is not worth a stack trace in the log. */
	gmem_fault_attr.verbose = 0;
	fault_create_debugfs_attr("fail", debugfs, &gmem_fault_attr);
	debugfs_create_file("faults", 0400, debugfs, NULL, &gmem_faults_fops);
}
