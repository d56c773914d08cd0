/* SPDX-License-Identifier: MIT
 *
 * Whose time is over is replaced: one at a time in a pool, the new one ready first (rollout.c). Requests and age
 * are the slot's, so that the next engine counts on. Control thread. */
#include "workers/recycler.h"

#include "base/clock.h"
#include "base/log.h"
#include "workers/fleet_internal.h"

#define LEAVING_SHARE 10 /* one in so many may still be finishing what it has when the next one is recycled */
#define MB            1000000u

static const char *const cause_words[] = {
    [RECYCLE_REQUESTS] = "requests", [RECYCLE_AGE] = "age", [RECYCLE_MEMORY] = "memory"};

static struct recycle_policy policy_of(const struct pool_config *pool)
{
    return (struct recycle_policy){.requests = pool->recycle_requests,
                                   .jitter = pool->recycle_jitter,
                                   .age_us = (uint64_t)pool->recycle_age * 1000u,
                                   .memory = pool->memory_worker};
}

/* In a pool with `signals` it is what each of the process's own workers may hold. */
static uint64_t memory_most(const struct worker *worker)
{
    unsigned workers = fleet_is_steered(worker->fleet) && worker->children > 1 ? worker->children : 1;

    return worker->fleet->pool->memory_worker * workers;
}

void recycler_measured(struct worker *worker, uint64_t bytes)
{
    struct wear *wear = &worker->wear;
    uint64_t most = memory_most(worker);

    if (bytes == 0 || worker->state != WORKER_HEALTHY)
        return;
    wear->measures++;
    if (bytes <= most || most == 0) {
        wear->over_since_us = 0;
        wear->was_ever_below = true;
    } else if (wear->over_since_us == 0) {
        wear->over_since_us = clock_us();
        wear->over_from = wear->measures;
    }
}

static struct recycle_process process_of(const struct worker *worker, uint64_t now_us)
{
    const struct slot *slot = worker->slot;
    const struct wear *wear = &worker->wear;
    uint64_t started_us = atomic_load(&slot->started_us);
    bool is_over = wear->over_since_us != 0 && wear->measures > wear->over_from;

    return (struct recycle_process){
        .lot = recycle_lot(worker->pid, started_us),
        .requests = atomic_load(&slot->requests) - atomic_load(&slot->requests_before),
        .age_us = now_us > started_us ? now_us - started_us : 0,
        .over_us = is_over ? now_us - wear->over_since_us : 0,
    };
}

static void decide(struct worker *worker, enum recycle_cause cause, const struct recycle_policy *policy,
                   const struct recycle_process *process)
{
    struct fleet *fleet = worker->fleet;

    fleet_decide(fleet, DECISION_RECYCLE, worker->slot->name, cause_words[cause],
                 "%llu requests (most %llu), %llu s old (most %llu), %llu MB (most %llu)",
                 (unsigned long long)process->requests,
                 (unsigned long long)recycle_requests_limit(policy, process->lot),
                 (unsigned long long)(process->age_us / 1000000u),
                 (unsigned long long)(recycle_age_limit(policy, process->lot) / 1000000u),
                 (unsigned long long)(atomic_load(&worker->slot->memory) / MB),
                 (unsigned long long)(memory_most(worker) / MB));
    replace_later(worker);
}

/* The bound may be below what the app needs to be up at all. */
static void note_haste(struct worker *worker, uint64_t now_us)
{
    struct recycler *recycler = &worker->fleet->recycler;
    const struct wear *wear = &worker->wear;
    uint64_t served_us = wear->over_since_us - worker->since_us;

    if (recycle_note(&recycler->haste, served_us, wear->was_ever_below, now_us))
        log_warning(
            "%s: above memory.worker (%llu MB) only %llu s after it was ready, with %llu MB: the bound is "
            "too near to what this app needs. Its workers are recycled for their memory less and less "
            "often",
            worker->slot->name, (unsigned long long)(memory_most(worker) / MB),
            (unsigned long long)(served_us / 1000000u),
            (unsigned long long)(atomic_load(&worker->slot->memory) / MB));
}

static unsigned count_leaving(const struct fleet *fleet)
{
    unsigned leaving = 0;

    for (unsigned i = 0; i < fleet->count; i++)
        leaving += fleet->workers[i]->fate == FATE_GOES;
    return leaving;
}

static bool is_time(const struct fleet *fleet, uint64_t now_us)
{
    unsigned may_leave = fleet_wanted(fleet) / LEAVING_SHARE;

    return !fleet->is_frozen && !fleet->is_abandoned && now_us >= fleet->replace_after_us &&
           rollout_is_quiet(fleet) && count_leaving(fleet) < (may_leave ? may_leave : 1);
}

void recycler_step(struct fleet *fleet, uint64_t now_us)
{
    struct recycle_policy policy = policy_of(fleet->pool);
    struct recycler *recycler = &fleet->recycler;

    if (policy.memory != recycler->memory)
        *recycler = (struct recycler){.memory = policy.memory};
    if (!is_time(fleet, now_us))
        return;
    if (now_us < recycler->haste.not_before_us)
        policy.memory = 0;
    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        struct recycle_process process = process_of(worker, now_us);
        enum recycle_cause cause = recycle_due(&policy, &process);
        if (worker->state != WORKER_HEALTHY || worker->fate != FATE_STAYS || cause == RECYCLE_NOT)
            continue;
        decide(worker, cause, &policy, &process);
        if (cause == RECYCLE_MEMORY)
            note_haste(worker, now_us);
        return;
    }
}
