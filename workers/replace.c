/* SPDX-License-Identifier: MIT
 *
 * Who asks for a replacement, and for whom: `drover drain`, a second ejection in a row, `drover restart`, a
 * changed configuration. How it is done is in rollout.c. Control thread. */
#include "workers/fleet_internal.h"

#define EJECTIONS_MAX 2 /* in a row: then the worker is replaced */

void replace_later(struct worker *worker)
{
    worker_set_fate(worker, fleet_is_single(worker->fleet) ? FATE_UNTIL_RENEWED : FATE_UNTIL_REPLACED);
    worker->is_replaced_asked = true;
}

bool fleet_drain(struct fleet *fleet, unsigned number)
{
    struct worker *worker = fleet_worker_numbered(fleet, number);

    if (!worker)
        return false;
    fleet_decide(fleet, DECISION_REPLACE, worker->slot->name, "by hand", "drained; another takes its place");
    if (worker->state != WORKER_HEALTHY || !worker_counts(worker))
        worker_retire(worker); /* it serves nobody */
    else if (worker->fate == FATE_STAYS)
        replace_later(worker);
    else
        worker->is_replaced_asked = true; /* its turn comes in any case */
    fleet_settle(fleet);
    return true;
}

static void note_ejection(struct worker *worker, unsigned in_a_row)
{
    const struct pool_config *pool = worker->fleet->pool;

    if (in_a_row > worker->ejections_seen)
        fleet_decide(worker->fleet, DECISION_EJECTION, worker->slot->name, "failures",
                     "%u. time in a row; at most %u failures within %u ms; %llu failures and %llu requests "
                     "in its slot so far",
                     in_a_row, pool->max_fails, pool->fail_timeout,
                     (unsigned long long)atomic_load(&worker->slot->fails),
                     (unsigned long long)atomic_load(&worker->slot->requests));
    worker->ejections_seen = in_a_row;
}

bool fleet_worker_ejected(struct fleet *fleet, int slot, uint32_t generation, unsigned in_a_row)
{
    struct worker *worker = fleet_worker_of(fleet, slot, generation);

    if (!worker || worker->state != WORKER_HEALTHY)
        return false;
    note_ejection(worker, in_a_row);
    if (in_a_row < EJECTIONS_MAX)
        return false;
    if (worker->fate != FATE_STAYS)
        return true;
    fleet_decide(fleet, DECISION_REPLACE, worker->slot->name, "ejected again", "ejected %u times in a row",
                 in_a_row);
    replace_later(worker);
    fleet_settle(fleet);
    return true;
}

/* --- all of them --- */

/* How those that are in the middle of it are replaced: a reload does not take room that is not there. */
static bool has_room(const struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        const struct worker *worker = fleet->workers[i];
        if (worker->fate == FATE_UNTIL_RENEWED ||
            (worker->fate == FATE_RENEWS && worker->state != WORKER_STARTING))
            return false;
    }
    return true;
}

/* True when another has to be started at once in its stead. */
static bool mark(struct worker *worker, bool surge, bool is_asked)
{
    if (worker->fate == FATE_GOES)
        return false;
    switch (worker->state) {
    case WORKER_HEALTHY:
        worker_set_fate(worker, surge ? FATE_UNTIL_REPLACED : FATE_UNTIL_RENEWED);
        worker->is_replaced_asked = is_asked;
        return false;
    case WORKER_STARTING: /* serves nobody yet; but those that come and go at once are not heaped up */
        if (worker->fate == FATE_REPLACES || (surge && !rollout_is_crowded(worker->fleet))) {
            bool is_missed = worker_counts(worker);
            worker_retire(worker);
            return is_missed;
        }
        worker_renew(worker);
        return false;
    case WORKER_BACKOFF: /* what made it fail may be mended */ worker_renew(worker); return false;
    case WORKER_STOPPING: /* it was not ready in time, or is being renewed already */
    case WORKER_DRAINING: worker_set_fate(worker, FATE_RENEWS); return false;
    case WORKER_ABSENT: return false;
    }
    return false;
}

static void start_fresh(struct fleet *fleet, unsigned count)
{
    struct worker *worker;

    for (; count > 0 && room_lets_start(fleet) && (worker = fleet_add_worker(fleet)); count--) {
        worker_set_fate(worker, FATE_RENEWS);
        worker_start(worker);
    }
}

void fleet_restart(struct fleet *fleet, bool surge)
{
    unsigned fresh = 0;

    surge = surge && !fleet_is_single(fleet);
    for (unsigned i = 0; i < fleet->count; i++)
        fresh += mark(fleet->workers[i], surge, true);
    start_fresh(fleet, fresh);
    rollout_begin(fleet, surge ? "restart" : "restart without surge");
    fleet_settle(fleet);
}

static bool is_outdated(const struct worker *worker)
{
    return !worker->made_as || !config_same_worker(worker->made_as, worker->fleet->pool);
}

/* It is as the file says again. */
static void spare(struct worker *worker)
{
    worker_set_origin(worker); /* lets the old configuration go */
    if ((worker->fate != FATE_UNTIL_REPLACED && worker->fate != FATE_UNTIL_RENEWED) ||
        worker->is_replaced_asked)
        return;
    rollout_cancel(worker);
    worker_set_fate(worker, FATE_STAYS);
}

void replace_outdated(struct fleet *fleet)
{
    unsigned outdated = 0, fresh = 0;
    bool surge = has_room(fleet) && !fleet_is_single(fleet);

    fleet->failed_replacements = 0; /* what made them fail may be mended */
    fleet->replace_after_us = 0;
    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (worker->fate == FATE_GOES)
            continue;
        if (!is_outdated(worker)) {
            spare(worker);
            continue;
        }
        outdated++;
        atomic_store(&worker->slot->is_outdated, 1);
        fresh += mark(worker, surge, worker->is_replaced_asked);
    }
    start_fresh(fleet, fresh);
    if (outdated > 0)
        rollout_begin(fleet, "reload");
    else
        rollout_forget(fleet);
}
