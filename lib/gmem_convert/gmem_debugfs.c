// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_debugfs: what every space looks like, for root.
 *
 *	gmem_convert/NAME.N/map		runs of equal pages
 *	gmem_convert/NAME.N/refusals	the last refusals, oldest first
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/seq_file.h>

#include "internal.h"

static struct dentry *gmem_debugfs_root;

static void *gmem_map_seq_start(struct seq_file *m, loff_t *pos)
{
	struct gmem_space *space = m->private;

	return *pos < space->map.nr_pages ? pos : NULL;
}

/* The position is the index of the next run. */
static void *gmem_map_seq_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct gmem_run run;

	if (gmem_space_next_run(m->private, *pos, ULONG_MAX, &run) < 0)
		return NULL;
	*pos = run.last + 1;
	return gmem_map_seq_start(m, pos);
}

static void gmem_map_seq_stop(struct seq_file *m, void *v)
{
}

static int gmem_map_seq_show(struct seq_file *m, void *v)
{
	struct gmem_run run;
	int state = gmem_space_next_run(m->private, *(loff_t *)v, ULONG_MAX,
					&run);

	if (state >= 0)
		seq_printf(m, "%lu-%lu %s\n", run.start, run.last,
			   state == GMEM_SHARED ? "shared" : "private");
	return 0;
}

static const struct seq_operations gmem_map_sops = {
	.start = gmem_map_seq_start,
	.next = gmem_map_seq_next,
	.stop = gmem_map_seq_stop,
	.show = gmem_map_seq_show,
};
DEFINE_SEQ_ATTRIBUTE(gmem_map);

static const char * const gmem_phase_names[] = {
	[GMEM_PHASE_NONE] = "arguments",
	[GMEM_PHASE_CLAIM] = "claim",
	[GMEM_PHASE_PLAN] = "plan",
	[GMEM_PHASE_RESERVE] = "reserve",
	[GMEM_PHASE_RAISE] = "raise",
	[GMEM_PHASE_PREPARE] = "prepare",
	[GMEM_PHASE_COMMIT] = "commit",
	[GMEM_PHASE_ABORT] = "abort",
};

static void gmem_refusal_show(struct seq_file *m,
			      const struct gmem_refusal *refusal)
{
	const struct gmem_report *report = &refusal->report;

	seq_printf(m, "%llu %s %lu-%lu refused in %s with %pe at %lu",
		   ktime_to_us(refusal->when),
		   refusal->op == GMEM_OP_PUNCH ? "punch" :
		   refusal->target == GMEM_SHARED ? "to-shared" : "to-private",
		   refusal->request.start, refusal->request.last,
		   gmem_phase_names[report->phase], ERR_PTR(report->error),
		   report->index);
	if (report->holder[0])
		seq_printf(m, " by %s", report->holder);
	if (report->refs_seen)
		seq_printf(m, " (%lu seen, %lu expected)", report->refs_seen,
			   report->refs_expected);
	seq_putc(m, '\n');
}

static int gmem_refusals_show(struct seq_file *m, void *v)
{
	struct gmem_space *space = m->private;
	unsigned long i, nr;

	seq_puts(m, "# time in microseconds, then pages (last is inclusive)\n");
	guard(spinlock)(&space->refusals_lock);
	nr = space->nr_refusals;
	for (i = nr > GMEM_NR_REFUSALS ? nr - GMEM_NR_REFUSALS : 0; i < nr; i++)
		gmem_refusal_show(m, &space->refusals[i % GMEM_NR_REFUSALS]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gmem_refusals);

void gmem_debugfs_add(struct gmem_space *space)
{
	static atomic_t next_id = ATOMIC_INIT(0);
	char name[GMEM_NAME_LEN + 12];

	snprintf(name, sizeof(name), "%s.%u", space->name,
		 (unsigned int)atomic_inc_return(&next_id));
	space->debugfs = debugfs_create_dir(name, gmem_debugfs_root);
	debugfs_create_file("map", 0400, space->debugfs, space, &gmem_map_fops);
	debugfs_create_file("refusals", 0400, space->debugfs, space,
			    &gmem_refusals_fops);
}

void gmem_debugfs_remove(struct gmem_space *space)
{
	debugfs_remove(space->debugfs);
}

void gmem_debugfs_init(void)
{
	gmem_debugfs_root = debugfs_create_dir("gmem_convert", NULL);
}

void gmem_debugfs_exit(void)
{
	debugfs_remove(gmem_debugfs_root);
}
