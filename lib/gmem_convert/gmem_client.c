// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_client: who maps the memory of a space, and calling them in order.
 *
 * Owns the list of clients, and for one transaction the slots: one per client
 * that the plan concerns, taken when the fence is up.  A client that is
 * registered later looks up, sees the fence and waits; one that was registered
 * earlier is on the list.  No lock is held across a callback: a slot counts as
 * a user of its client, and unregister waits for users, not for a lock.
 *
 * Prepare goes up the ranks and stops at the first refusal; only those whose
 * prepare succeeded hear of the transaction again (G1, G2, G7).
 */
#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/ktime.h>
#include <linux/module.h>

#include "internal.h"

#include <trace/events/gmem_convert.h>

#ifdef CONFIG_LOCKDEP
static struct lock_class_key gmem_callback_key;
struct lockdep_map gmem_callback_map =
	STATIC_LOCKDEP_MAP_INIT("gmem_convert_callback", &gmem_callback_key);
#endif

static const char * const gmem_call_names[GMEM_NR_CALLS] = {
	[GMEM_CALL_PREPARE] = "prepare",
	[GMEM_CALL_INVALIDATE] = "invalidate",
	[GMEM_CALL_COMPLETE] = "complete",
	[GMEM_CALL_ABORT] = "abort",
	[GMEM_CALL_REVOKE] = "revoke",
};

/* For debugfs and traces. */
const char *gmem_call_name(enum gmem_call call)
{
	return gmem_call_names[call];
}

static bool gmem_client_valid(const struct gmem_client *client,
			      const struct gmem_space *space)
{
	const struct gmem_client_ops *ops = client->ops;

	return ops && ops->invalidate && ops->revoke &&
	       !ops->prepare == !ops->abort && client->name &&
	       client->rank <= GMEM_RANK_MMU &&
	       client->policy <= GMEM_POLICY_RESIZE &&
	       client->range.start <= client->range.last &&
	       client->range.last < space->map.nr_pages;
}

/**
 * gmem_client_register() - take part in the conversions of a space
 * @space: the space
 * @client: filled in as its documentation says, otherwise zeroed
 *
 * The client must not map anything of the space before this returns.
 *
 * Context: Process context, may sleep.
 * Return: 0, -EINVAL if a mandatory operation is missing (in particular those
 *	that take memory away), a prepare comes without its abort, or the range
 *	is not inside the space, -ENODEV if the owner's module is going away.
 */
int gmem_client_register(struct gmem_space *space, struct gmem_client *client)
{
	struct gmem_client *other;

	if (!gmem_client_valid(client, space))
		return -EINVAL;
	if (gmem_fault(GMEM_FAULT_REGISTER) || !try_module_get(client->owner))
		return -ENODEV;

	gmem_may_wait_for_callback();
	client->space = space;
	client->nr_users = 0;
	client->dying = false;
	atomic_long_set(&client->nr_open, 0);
	memset(&client->stats, 0, sizeof(client->stats));

	guard(mutex)(&space->clients_lock);
	/* Behind the last one of the same or a lower rank. */
	list_for_each_entry_reverse(other, &space->clients, entry)
		if (other->rank <= client->rank)
			break;
	list_add(&client->entry, &other->entry);
	space->nr_clients++;
	return 0;
}
EXPORT_SYMBOL_GPL(gmem_client_register);

/**
 * gmem_client_unregister() - leave a space
 * @client: registered; has no translation left and makes no new one
 *
 * Waits for every transaction that lists the client, so that each prepare has
 * had its end when this returns.
 *
 * Context: Process context, may sleep.  May hold locks that callbacks do not
 *	take, kvm->slots_lock for one.
 */
void gmem_client_unregister(struct gmem_client *client)
{
	struct gmem_space *space = client->space;

	gmem_may_wait_for_callback();
	scoped_guard(mutex, &space->clients_lock)
		client->dying = true;
	wait_event(space->clients_wait, !READ_ONCE(client->nr_users));
	scoped_guard(mutex, &space->clients_lock) {
		list_del(&client->entry);
		space->nr_clients--;
	}
	WARN_ON_ONCE(atomic_long_read(&client->nr_open));
	client->space = NULL;
	module_put(client->owner);
}
EXPORT_SYMBOL_GPL(gmem_client_unregister);

static void gmem_client_get(struct gmem_client *client)
{
	lockdep_assert_held(&client->space->clients_lock);
	WRITE_ONCE(client->nr_users, client->nr_users + 1);
}

static void gmem_client_put(struct gmem_client *client)
{
	struct gmem_space *space = client->space;

	lockdep_assert_held(&space->clients_lock);
	WRITE_ONCE(client->nr_users, client->nr_users - 1);
	/* Under the lock: once woken, unregister returns and @client is gone. */
	if (client->dying && !client->nr_users)
		wake_up_all(&space->clients_wait);
}

/* How many slots a transaction should reserve. */
unsigned int gmem_clients_count(struct gmem_space *space)
{
	guard(mutex)(&space->clients_lock);
	return space->nr_clients;
}
EXPORT_SYMBOL_IF_KUNIT(gmem_clients_count);

/* Number of the first run of @plan that ends at or behind @index. */
static unsigned long gmem_plan_find(const struct gmem_plan *plan, pgoff_t index)
{
	unsigned long low = 0, high = plan->nr_runs;

	while (low < high) {
		unsigned long mid = low + (high - low) / 2;

		if (plan->runs[mid].last < index)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A slot for what changes inside the client's range; whether there is anything. */
static bool gmem_slot_init(struct gmem_slot *slot, struct gmem_client *client,
			   const struct gmem_plan *plan)
{
	const struct gmem_run *range = &client->range;
	unsigned long first = gmem_plan_find(plan, range->start);
	unsigned long last = gmem_plan_find(plan, range->last);
	struct gmem_run hull, run;

	if (first == plan->nr_runs ||
	    !gmem_plan_clip(plan, first, range->start, range->last, &hull))
		return false;
	/* The run found for the end may begin behind it. */
	if (last == plan->nr_runs ||
	    !gmem_plan_clip(plan, last, range->start, range->last, &run))
		gmem_plan_clip(plan, --last, range->start, range->last, &run);
	*slot = (struct gmem_slot){
		.client = client,
		.plan = plan,
		.span = { hull.start, run.last },
		.first_run = first,
		.last_run = last,
	};
	return true;
}

/**
 * gmem_clients_list() - take the list of clients that a plan concerns
 * @space: the space; the fence is up
 * @plan: the plan
 * @slots: filled in the order of the ranks
 * @max: room in @slots
 *
 * Return: how many slots were filled, each a user of its client until
 *	gmem_clients_unlist(); -ENOSPC if they are not enough.
 */
int gmem_clients_list(struct gmem_space *space, const struct gmem_plan *plan,
		      struct gmem_slot *slots, unsigned int max)
{
	struct gmem_client *client;
	unsigned int i, nr = 0;

	guard(mutex)(&space->clients_lock);
	list_for_each_entry(client, &space->clients, entry) {
		struct gmem_slot slot;

		if (client->dying || plan->op == GMEM_OP_MERGE ||
		    (client->policy == GMEM_POLICY_KEEP &&
		     plan->op == GMEM_OP_CONVERT) ||
		    !gmem_slot_init(&slot, client, plan))
			continue;
		if (nr == max) {
			for (i = 0; i < nr; i++)
				gmem_client_put(slots[i].client);
			return -ENOSPC;
		}
		gmem_client_get(client);
		slots[nr++] = slot;
	}
	return nr;
}

/* Ends what gmem_clients_list() began. */
void gmem_clients_unlist(struct gmem_space *space, struct gmem_slot *slots,
			 unsigned int nr)
{
	unsigned int i;

	guard(mutex)(&space->clients_lock);
	for (i = 0; i < nr; i++)
		gmem_client_put(slots[i].client);
}

static ktime_t gmem_callback_begin(void)
{
	gmem_callback_enter();
	return ktime_get();
}

static void gmem_callback_end(struct gmem_client *client, enum gmem_call call,
			      const struct gmem_run *span, int ret,
			      ktime_t begin)
{
	struct gmem_client_stats *stats = &client->stats;
	s64 ns = ktime_to_ns(ktime_sub(ktime_get(), begin));
	s64 worst = atomic64_read(&stats->worst_ns[call]);

	gmem_callback_leave();
	atomic64_inc(&stats->nr_calls[call]);
	if (ret)
		atomic64_inc(&stats->nr_refusals);
	while (ns > worst &&
	       !atomic64_try_cmpxchg(&stats->worst_ns[call], &worst, ns))
		;
	trace_gmem_client(client->space->name, client->name,
			  gmem_call_name(call), span, ret, ns);
}

static int gmem_slot_ask(struct gmem_slot *slot)
{
	struct gmem_client *client = slot->client;
	ktime_t begin;
	int ret;

	ret = gmem_fault(GMEM_FAULT_PREPARE_CLIENT);
	if (ret || !client->ops->prepare)
		return ret;
	begin = gmem_callback_begin();
	ret = client->ops->prepare(slot);
	gmem_callback_end(client, GMEM_CALL_PREPARE, &slot->span, ret, begin);
	return ret;
}

static int gmem_slot_prepare(struct gmem_slot *slot, struct gmem_report *report)
{
	struct gmem_client *client = slot->client;
	int ret;

	slot->report = report;
	ret = gmem_slot_ask(slot);
	slot->report = NULL;
	if (ret != 0 && ret != -EBUSY && ret != -EAGAIN && ret != -ENOMEM &&
	    ret != -EINTR) {
		WARN_ONCE(1, "gmem_convert: %s: prepare returned %d\n",
			  client->name, ret);
		ret = -EBUSY;
	}
	if (ret)
		gmem_report_refuse(report, slot->span.start, client->name, 0, 0);
	else	/* Whatever it said, it agreed. */
		*report = (struct gmem_report){};
	return ret;
}

/**
 * gmem_slots_prepare() - ask every client
 * @slots: the transaction's
 * @nr: how many
 * @report: filled if somebody refuses
 * @nr_prepared: set to the number of slots whose prepare succeeded
 *
 * Return: 0, or the first refusal.
 */
int gmem_slots_prepare(struct gmem_slot *slots, unsigned int nr,
		       struct gmem_report *report, unsigned int *nr_prepared)
{
	for (*nr_prepared = 0; *nr_prepared < nr; ++*nr_prepared) {
		struct gmem_slot *slot = &slots[*nr_prepared];
		int ret = gmem_slot_prepare(slot, report);

		if (ret)
			return ret;
		atomic_long_inc(&slot->client->nr_open);
	}
	return 0;
}

/* Every client takes its translations away, lowest rank first. */
void gmem_slots_invalidate(struct gmem_slot *slots, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct gmem_client *client = slots[i].client;
		ktime_t begin;

		if (client->policy == GMEM_POLICY_RESIZE &&
		    slots[i].plan->op == GMEM_OP_CONVERT)
			continue;
		begin = gmem_callback_begin();
		client->ops->invalidate(&slots[i]);
		gmem_callback_end(client, GMEM_CALL_INVALIDATE, &slots[i].span,
				  0, begin);
		gmem_check_invalidated(&slots[i]);
	}
}

static void gmem_slot_end(struct gmem_slot *slot, enum gmem_call call,
			  void (*op)(struct gmem_slot *slot))
{
	ktime_t begin;

	if (op) {
		begin = gmem_callback_begin();
		op(slot);
		gmem_callback_end(slot->client, call, &slot->span, 0, begin);
	}
	atomic_long_dec(&slot->client->nr_open);
}

/* The new state is stored; highest rank first. */
void gmem_slots_complete(struct gmem_slot *slots, unsigned int nr)
{
	while (nr--)
		gmem_slot_end(&slots[nr], GMEM_CALL_COMPLETE,
			      slots[nr].client->ops->complete);
}

/* Undoes the prepares of the first @nr slots, last one first. */
void gmem_slots_abort(struct gmem_slot *slots, unsigned int nr)
{
	while (nr--)
		gmem_slot_end(&slots[nr], GMEM_CALL_ABORT,
			      slots[nr].client->ops->abort);
}

/**
 * gmem_client_quarantine() - hardware does not give pages back
 * @client: the client, from its invalidate, complete, abort or revoke callback,
 *	or from its prepare if it has agreed to lose them
 * @start: first page
 * @last: last page, inclusive; inside the client's range
 *
 * The rest of the operation goes on and succeeds; what is named here is never
 * mapped, handed out or freed again.  Any later request or access gets
 * -EHWPOISON.  More is lost if the memory is a larger folio, never less.
 *
 * Context: Process context, the fence is up.  Cannot fail, allocates nothing.
 */
void gmem_client_quarantine(struct gmem_client *client, pgoff_t start,
			    pgoff_t last)
{
	struct gmem_run run = {
		max(start, client->range.start), min(last, client->range.last),
	};

	if (WARN_ONCE(run.start != start || run.last != last ||
		      start > last,
		      "gmem_convert: %s: quarantines %lu-%lu, which it may not map\n",
		      client->name, start, last) && run.start > run.last)
		return;
	gmem_space_quarantine(client->space, &run);
}
EXPORT_SYMBOL_GPL(gmem_client_quarantine);

/**
 * gmem_clients_revoke() - take memory away from every client, unasked
 * @space: the space; the fence is up
 * @start: first page
 * @last: last page, inclusive
 *
 * Allocates nothing, so there are no slots: being in use keeps the client whose
 * turn it is on the list.
 */
void gmem_clients_revoke(struct gmem_space *space, pgoff_t start, pgoff_t last)
{
	struct gmem_client *client;

	mutex_lock(&space->clients_lock);
	list_for_each_entry(client, &space->clients, entry) {
		struct gmem_run span = {
			.start = max(start, client->range.start),
			.last = min(last, client->range.last),
		};
		ktime_t begin;

		if (client->dying || span.start > span.last)
			continue;
		gmem_client_get(client);
		mutex_unlock(&space->clients_lock);
		begin = gmem_callback_begin();
		client->ops->revoke(client, span.start, span.last);
		gmem_callback_end(client, GMEM_CALL_REVOKE, &span, 0, begin);
		gmem_check_unmapped(client, span.start, span.last);
		mutex_lock(&space->clients_lock);
		gmem_client_put(client);
	}
	mutex_unlock(&space->clients_lock);
}
