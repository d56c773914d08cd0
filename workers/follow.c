/* SPDX-License-Identifier: MIT
 *
 * How many workers a fleet wants: a number, by the file or by hand, or what the demand needs between two. Control
 * thread. */
#include "base/mem.h"
#include "workers/fleet_internal.h"

bool fleet_is_sized(const struct fleet *fleet, unsigned *min, unsigned *max)
{
    *min = fleet->is_overridden ? fleet->override_min : fleet->pool->workers_min;
    *max = fleet->is_overridden ? fleet->override : fleet->pool->workers;
    bool is_range = fleet->is_overridden ? *min != *max : fleet->pool->is_sized;
    *max = room_bound(fleet, *max);
    *min = *min < *max ? *min : *max;
    return fleet->sizer && !fleet->is_abandoned && is_range;
}

unsigned fleet_most(const struct fleet *fleet)
{
    return fleet->is_overridden ? fleet->override : fleet->pool->workers;
}

unsigned fleet_wanted(const struct fleet *fleet)
{
    unsigned min, max;

    if (fleet->is_abandoned)
        return 0;
    if (!fleet_is_sized(fleet, &min, &max) || fleet->pool->dry_run)
        return room_bound(fleet, fleet_most(fleet));
    unsigned wanted = fleet->sizer->memory.wanted;
    return wanted < min ? min : wanted > max ? max : wanted;
}

bool fleet_is_resting(const struct fleet *fleet)
{
    unsigned min, max;

    if (!fleet_is_sized(fleet, &min, &max) || min > 0 || fleet->member_count > 0)
        return false;
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->state == WORKER_BACKOFF || atomic_load(&fleet->workers[i]->slot->crashes) > 0)
            return false;
    }
    return true;
}

/* Also for a pool of a fixed size that is scaled by hand to a range. */
void follow_begin(struct fleet *fleet, unsigned present)
{
    if (!fleet->sizer)
        fleet->sizer = mem_zero(sizeof *fleet->sizer);
    fleet->sizer->memory.is_begun = false;
    fleet->sizer->memory.wanted = present;
}

/* The last ones count most. */
void fleet_boot_took(struct fleet *fleet, unsigned took_ms)
{
    took_ms = took_ms ? took_ms : 1;
    fleet->boot_ms = fleet->boot_ms ? (fleet->boot_ms + took_ms) / 2 : took_ms;
}

static void sample(struct fleet *fleet, const struct fleet_load *load, uint64_t now_us)
{
    unsigned in_flight = 0, tunnels = 0;
    uint64_t answered = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        uint64_t word = atomic_load(&fleet->slots->counts[worker->index]);
        uint64_t requests = atomic_load(&worker->slot->requests);
        in_flight += counts_requests(word);
        tunnels += counts_tunnels(word);
        answered += requests - worker->answered_seen;
        worker->answered_seen = requests;
    }
    sizer_sample(fleet->sizer, load, in_flight, tunnels, answered, now_us);
}

static struct sizer_view view_of(const struct fleet *fleet)
{
    struct sizer_view view = {.pool = fleet->pool, .boot_ms = fleet->boot_ms};

    if (fleet_is_steered(fleet))
        view.ready = signals_present(fleet, &view.starting);
    for (unsigned i = 0; i < fleet->count; i++) {
        const struct worker *worker = fleet->workers[i];
        if (!worker_counts(worker))
            continue;
        view.ready += !fleet_is_steered(fleet) && worker->state == WORKER_HEALTHY;
        view.starting += !fleet_is_steered(fleet) && worker->state == WORKER_STARTING;
        view.is_backing_off |= atomic_load(&worker->slot->crashes) > 0 && worker->state != WORKER_HEALTHY;
    }
    return view;
}

void fleet_observe(struct fleet *fleet, const struct fleet_load *load, uint64_t now_us)
{
    struct fleet_decision decision;
    unsigned min, max;

    if (!fleet_is_sized(fleet, &min, &max) || fleet->is_frozen || fleet->is_held)
        return;
    sample(fleet, load, now_us);
    if (!sizer_is_due(fleet->sizer, now_us))
        return;
    struct sizer_view view = view_of(fleet);
    view.min = min;
    view.max = max;
    if (sizer_decide(fleet->sizer, &view, now_us, &decision))
        decisions_add(&fleet->decisions, fleet->pool->name, &decision);
}
