// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_debugfs: what every space looks like, for root.
 *
 *	gmem_convert/NAME.N/map		runs of equal pages
 *	gmem_convert/NAME.N/operations	what runs or waits now
 *	gmem_convert/NAME.N/clients	who maps it, calls and longest calls
 *	gmem_convert/NAME.N/quarantine	pages that hardware has kept
 *	gmem_convert/NAME.N/refusals	the last refusals, oldest first
 */
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

static const char * const gmem_op_names[] = {
	[GMEM_OP_CONVERT] = "convert",
	[GMEM_OP_PUNCH] = "punch",
	[GMEM_OP_REVOKE] = "revoke",
	[GMEM_OP_POPULATE] = "populate",
	[GMEM_OP_MERGE] = "merge",
};

static const char *gmem_op_name(enum gmem_op op, enum gmem_state target)
{
	if (op != GMEM_OP_CONVERT)
		return gmem_op_names[op];
	return target == GMEM_SHARED ? "to-shared" : "to-private";
}

static void gmem_operation_show(struct seq_file *m, const struct gmem_span *span)
{
	const struct gmem_txn *txn = span->txn;

	seq_printf(m, "%s %lu-%lu claims %lu-%lu %s for %lld us",
		   txn ? gmem_op_name(txn->plan.op, txn->plan.target) : "settle",
		   span->request.start, span->request.last, span->claim.start,
		   span->claim.last,
		   txn ? gmem_phase_names[READ_ONCE(txn->phase)] : "claim",
		   ktime_us_delta(ktime_get(), span->begin));
	if (span->nr_blockers)
		seq_printf(m, " behind %u", span->nr_blockers);
	seq_putc(m, '\n');
}

static int gmem_operations_show(struct seq_file *m, void *v)
{
	struct gmem_space *space = m->private;
	struct interval_tree_node *node;

	seq_puts(m, "# pages (last is inclusive), phase, age since it asked for its claim\n");
	guard(spinlock)(&space->lock);
	gmem_for_each_claim(node, &space->overlay, 0, ULONG_MAX)
		gmem_operation_show(m, container_of(node, struct gmem_span,
						    claim));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gmem_operations);

static void gmem_client_show(struct seq_file *m, struct gmem_client *client)
{
	static const char * const ranks[] = {
		[GMEM_RANK_VOTE] = "vote",
		[GMEM_RANK_DEVICE] = "device",
		[GMEM_RANK_MMU] = "mmu",
	};
	static const char * const policies[] = {
		[GMEM_POLICY_UNMAP] = "unmap",
		[GMEM_POLICY_KEEP] = "keep",
		[GMEM_POLICY_RESIZE] = "resize",
	};
	struct gmem_client_stats *stats = &client->stats;
	int call;

	seq_printf(m, "%s %s %s %lu-%lu open=%ld refusals=%lld", client->name,
		   ranks[client->rank], policies[client->policy],
		   client->range.start, client->range.last,
		   atomic_long_read(&client->nr_open),
		   atomic64_read(&stats->nr_refusals));
	for (call = 0; call < GMEM_NR_CALLS; call++)
		seq_printf(m, " %s=%lld/%lld", gmem_call_name(call),
			   atomic64_read(&stats->nr_calls[call]),
			   atomic64_read(&stats->worst_ns[call]));
	seq_putc(m, '\n');
}

static int gmem_clients_show(struct seq_file *m, void *v)
{
	struct gmem_space *space = m->private;
	struct gmem_client *client;

	seq_puts(m, "# name, rank, policy, pages, prepared and not ended, refusals, calls/longest in ns\n");
	guard(mutex)(&space->clients_lock);
	list_for_each_entry(client, &space->clients, entry)
		gmem_client_show(m, client);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gmem_clients);

static int gmem_quarantine_show(struct seq_file *m, void *v)
{
	struct gmem_space *space = m->private;
	unsigned int i;

	guard(spinlock)(&space->lock);
	for (i = 0; i < space->quarantine.nr; i++)
		seq_printf(m, "%lu-%lu\n", space->quarantine.runs[i].start,
			   space->quarantine.runs[i].last);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(gmem_quarantine);

static void gmem_refusal_show(struct seq_file *m,
			      const struct gmem_refusal *refusal)
{
	const struct gmem_report *report = &refusal->report;

	seq_printf(m, "%llu %s %lu-%lu refused in %s with %pe at %lu",
		   ktime_to_us(refusal->when),
		   gmem_op_name(refusal->op, refusal->target),
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
	space->debugfs = debugfs_create_dir(space->name, gmem_debugfs_root);
	debugfs_create_file("map", 0400, space->debugfs, space, &gmem_map_fops);
	debugfs_create_file("operations", 0400, space->debugfs, space,
			    &gmem_operations_fops);
	debugfs_create_file("clients", 0400, space->debugfs, space,
			    &gmem_clients_fops);
	debugfs_create_file("quarantine", 0400, space->debugfs, space,
			    &gmem_quarantine_fops);
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
	gmem_fault_init(gmem_debugfs_root);
}

void gmem_debugfs_exit(void)
{
	debugfs_remove(gmem_debugfs_root);
}
