/* SPDX-License-Identifier: MIT
 *
 * Moving tunnels: the decision (pure), and at the end of the file the fleet that acts on it, once a second.
 * Control thread. */
#include "workers/rebalance.h"

#include "workers/fleet_internal.h"

#define SECOND_US   1000000u
#define MINUTE_US   60000000.0
#define WHOLE       100000.0 /* thousandths of a percent */
#define MEANS       1.3      /* over so many times the mean is too many */
#define GAP_LEAST   2        /* a move between two that differ by less only swaps them */
#define LONG_AGO_US 5000000u /* after a pause nothing has been saved up */
#define SPREAD_MS   900      /* over most of the time until the next step */

struct rebalance_step rebalance_step(const unsigned *tunnels, unsigned count, unsigned share, uint64_t now_us,
                                     struct rebalance_memory *memory)
{
    struct rebalance_step step = {.from = -1};
    uint64_t passed_us = memory->at_us ? now_us - memory->at_us : 0;
    unsigned most = 0, least = 0, all = 0;

    for (unsigned i = 0; i < count; i++) {
        all += tunnels[i];
        most = tunnels[i] > tunnels[most] ? i : most;
        least = tunnels[i] < tunnels[least] ? i : least;
    }
    memory->at_us = now_us;
    step.mean = count ? (double)all / count : 0;
    if (count < 2 || tunnels[most] <= step.mean * MEANS || tunnels[most] - tunnels[least] < GAP_LEAST) {
        memory->allowance = 0;
        return step;
    }
    step.from = (int)most;
    if (passed_us <= LONG_AGO_US)
        memory->allowance += all * (share / WHOLE) * ((double)passed_us / MINUTE_US);
    unsigned excess = tunnels[most] - (unsigned)(step.mean * MEANS);
    unsigned useful = (tunnels[most] - tunnels[least]) / 2;
    unsigned wanted = excess < useful ? excess : useful;
    step.count = memory->allowance < wanted ? (unsigned)memory->allowance : wanted;
    memory->allowance -= step.count;
    return step;
}

/* --- the fleet --- */

/* Nobody comes, goes or is about to: else it is not known where clients would be going back to. */
static bool is_settled(const struct fleet *fleet)
{
    unsigned min, max;

    if (fleet->is_frozen || fleet->is_abandoned)
        return false;
    for (unsigned i = 0; i < fleet->count; i++)
        if (fleet->workers[i]->fate != FATE_STAYS || fleet->workers[i]->state == WORKER_STARTING)
            return false;
    return !fleet_is_sized(fleet, &min, &max) || fleet->sizer->needed >= fleet->sizer->memory.wanted;
}

static void tell_begin(struct fleet *fleet, const struct worker *worker, unsigned tunnels, double mean)
{
    fleet_decide(fleet, DECISION_REBALANCE, worker->slot->name, "uneven",
                 "%u tunnels, the mean is %.1f: the oldest are closed, at most %g%% of the pool's a minute",
                 tunnels, mean, fleet->pool->rebalance / 1000.0);
}

static void tell_end(struct fleet *fleet)
{
    fleet_decide(fleet, DECISION_REBALANCE, NULL, "even", "%u tunnels were moved", fleet->rebalance.moved);
    fleet->rebalance.is_moving = false;
    fleet->rebalance.moved = 0;
}

void rebalance_tick(struct fleet *fleet, uint64_t now_us)
{
    struct worker *workers[SLOTS_MAX];
    unsigned tunnels[SLOTS_MAX], count = 0;
    struct rebalance_memory *memory = &fleet->rebalance;

    if (fleet->pool->rebalance == 0 || now_us - memory->at_us < SECOND_US || !is_settled(fleet))
        return;
    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (!worker_is_member(worker) || backend_is_ejected(worker->backend))
            continue;
        tunnels[count] = counts_tunnels(atomic_load(&fleet->slots->counts[worker->index]));
        workers[count++] = worker;
    }
    struct rebalance_step step = rebalance_step(tunnels, count, fleet->pool->rebalance, now_us, memory);
    if (step.from < 0 && memory->is_moving)
        tell_end(fleet);
    if (step.count == 0)
        return;
    struct worker *from = workers[step.from];
    if (!memory->is_moving)
        tell_begin(fleet, from, tunnels[step.from], step.mean);
    memory->is_moving = true;
    memory->moved += step.count;
    fleet->callbacks.on_close_tunnels(fleet, from->backend, step.count, SPREAD_MS, fleet->owner);
}
