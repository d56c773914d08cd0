/* SPDX-License-Identifier: MIT
 *
 * Replacing workers: one at a time in a pool, the new one is ready before the old one leaves. For a
 * changed configuration (all of the pool), for `drover drain`, for a worker that was ejected twice. A
 * worker and its replacement are in different slots: with four wanted, web.2's replacement is web.5, and
 * the next one takes the 2. Control thread. */
#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "workers/fleet_internal.h"

/* All processes of a pool, those that drain included, are at most so many times the wanted before another
 * replacement starts. */
#define MOST_TIMES_WANTED 2

static struct worker *find_fate(const struct fleet *fleet, enum fate fate)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->fate == fate)
            return fleet->workers[i];
    }
    return NULL;
}

static struct worker *find_replacement_of(const struct worker *worker)
{
    struct worker *replacement = find_fate(worker->fleet, FATE_REPLACES); /* there is one at most */

    return replacement && replacement->replaces == worker->index ? replacement : NULL;
}

void rollout_cancel(struct worker *worker)
{
    struct worker *replacement = find_replacement_of(worker);

    if (replacement)
        worker_retire(replacement);
}

static bool is_outdated(const struct worker *worker)
{
    return !worker->made_as || !config_same_worker(worker->made_as, worker->fleet->pool);
}

static void plan_one(struct worker *worker)
{
    if (worker->fate == FATE_GOES)
        return;
    if (!is_outdated(worker)) {
        worker_set_origin(worker); /* lets the old configuration go */
        if (worker->fate == FATE_UNTIL_REPLACED && !worker->is_replaced_asked) {
            rollout_cancel(worker);
            worker_set_fate(worker, FATE_STAYS);
        }
        return;
    }
    switch (worker->state) {
    case WORKER_HEALTHY: worker_set_fate(worker, FATE_UNTIL_REPLACED); break;
    case WORKER_STARTING: /* serves nobody yet: another one is started at once */
        worker_retire(worker);
        break;
    case WORKER_BACKOFF: /* what made it fail may be mended */
        atomic_store(&worker->slot->crashes, 0);
        worker->due_us = worker->since_us;
        break;
    case WORKER_ABSENT:
    case WORKER_DRAINING:
    case WORKER_STOPPING: break;
    }
}

void rollout_plan(struct fleet *fleet)
{
    unsigned outdated = 0;

    fleet->failed_replacements = 0; /* what made them fail may be mended */
    fleet->replace_after_us = 0;
    for (unsigned i = 0; i < fleet->count; i++) {
        plan_one(fleet->workers[i]);
        outdated += fleet->workers[i]->fate == FATE_UNTIL_REPLACED;
    }
    if (outdated > 0)
        log_info("%s: %u workers are to be replaced, one by one", fleet->pool->name, outdated);
}

void rollout_step(struct fleet *fleet)
{
    unsigned wanted = fleet_wanted(fleet);
    struct worker *old = find_fate(fleet, FATE_UNTIL_REPLACED);

    if (!old || find_fate(fleet, FATE_REPLACES) || clock_us() < fleet->replace_after_us ||
        fleet->count + 1 > MOST_TIMES_WANTED * (wanted ? wanted : 1))
        return;
    struct worker *replacement = fleet_add_worker(fleet);
    if (!replacement)
        return;
    log_info("%s: starts to replace %s", replacement->slot->name, old->slot->name);
    worker_set_fate(replacement, FATE_REPLACES);
    replacement->replaces = old->index;
    worker_start(replacement);
}

void rollout_on_ready(struct worker *replacement)
{
    struct worker *old = fleet_worker_at(replacement->fleet, replacement->replaces);

    /* The old one is in no set of members from now on, but it takes what comes until the next tick: the
     * set that the loops look at may still be the one without the new worker. First its fate: an engine
     * that came now finds one worker too few, not an override of one more. */
    if (old && old->fate == FATE_UNTIL_REPLACED)
        worker_set_fate(old, FATE_GOES);
    worker_set_fate(replacement, FATE_STAYS);
    replacement->fleet->failed_replacements = 0;
}

void rollout_on_failed(struct worker *replacement, const char *why)
{
    struct fleet *fleet = replacement->fleet;
    const struct pool_config *pool = fleet->pool;
    unsigned kept = 0;

    /* Somebody may ask for the same again at once: a worker that is ejected again and again. */
    fleet->replace_after_us =
        clock_us() + 1000u * (uint64_t)backoff_ms(++fleet->failed_replacements, pool->start_backoff,
                                                  pool->start_backoff_max, random_u32());
    worker_set_fate(replacement, FATE_GOES);
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->fate == FATE_UNTIL_REPLACED) {
            worker_set_fate(fleet->workers[i], FATE_STAYS);
            kept++;
        }
    }
    if (kept > 0)
        log_error("%s: no worker is replaced any more: %s %s; %u go on as they are", pool->name,
                  replacement->slot->name, why, kept);
}

void rollout_on_gone(struct worker *worker)
{
    struct worker *replacement = find_replacement_of(worker);

    worker_set_fate(worker, replacement ? FATE_GOES : FATE_STAYS);
    if (replacement)
        worker_set_fate(replacement, FATE_STAYS);
}
