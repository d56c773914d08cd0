/* SPDX-License-Identifier: MIT
 *
 * `drover scale`: a number or a range by hand, until it is taken back or `workers` of the pool changes in the
 * file. It is kept in the slot table, with what the file said then, so that the next engine goes on with it.
 * Control thread. */
#include "base/check.h"
#include "base/log.h"
#include "workers/fleet_internal.h"

static bool is_as_in_file(const struct slot_override *kept, const struct pool_config *pool)
{
    return atomic_load(&kept->file_min) == pool->workers_min &&
           atomic_load(&kept->file_max) == pool->workers &&
           atomic_load(&kept->file_is_sized) == (uint32_t)pool->is_sized;
}

static void keep(const struct fleet *fleet)
{
    const struct pool_config *pool = fleet->pool;
    struct slot_override *kept = slots_override(fleet->slots, pool->name, true);

    if (!kept)
        return; /* it ends with this engine */
    atomic_store(&kept->file_min, pool->workers_min);
    atomic_store(&kept->file_max, pool->workers);
    atomic_store(&kept->file_is_sized, pool->is_sized);
    atomic_store(&kept->min, fleet->override_min);
    atomic_store(&kept->max, fleet->override);
}

static void drop(struct fleet *fleet)
{
    fleet->is_overridden = false;
    slots_override_release(fleet->slots, fleet->pool->name);
}

void by_hand_resume(struct fleet *fleet)
{
    const struct slot_override *kept = slots_override(fleet->slots, fleet->pool->name, false);
    unsigned max = kept ? atomic_load(&kept->max) : 0;

    if (max == 0)
        return;
    if (!is_as_in_file(kept, fleet->pool)) {
        drop(fleet);
        return;
    }
    fleet->is_overridden = true;
    fleet->override = max < SLOTS_MAX ? max : SLOTS_MAX;
    fleet->override_min = atomic_load(&kept->min);
    if (fleet->override_min > fleet->override)
        fleet->override_min = fleet->override;
}

void by_hand_compare(struct fleet *fleet, const struct pool_config *next)
{
    const struct pool_config *pool = fleet->pool;

    if (!fleet->is_overridden || (next->workers == pool->workers && next->workers_min == pool->workers_min &&
                                  next->is_sized == pool->is_sized))
        return;
    log_info("%s: the file says %u to %u workers now, scaling by hand is over", next->name, next->workers_min,
             next->workers);
    drop(fleet);
}

void by_hand_end(struct fleet *fleet)
{
    if (fleet->is_overridden)
        drop(fleet);
}

bool fleet_is_overridden(const struct fleet *fleet)
{
    return fleet->is_overridden;
}

static void record(struct fleet *fleet, unsigned before, const char *why)
{
    struct fleet_decision decision = {
        .kind = DECISION_SIZE, .before = before, .wanted = fleet_wanted(fleet), .why = why};

    decisions_add(&fleet->decisions, fleet->pool->name, &decision);
}

void fleet_scale(struct fleet *fleet, unsigned min, unsigned max)
{
    unsigned before = fleet_wanted(fleet);

    CHECK(min <= max);
    room_forget(fleet);
    follow_begin(fleet, before);
    fleet->is_overridden = true;
    fleet->override = max < SLOTS_MAX ? max : SLOTS_MAX;
    fleet->override_min = min < fleet->override ? min : fleet->override;
    keep(fleet);
    record(fleet, before, "by hand");
    fleet_settle(fleet);
}

void fleet_scale_clear(struct fleet *fleet)
{
    unsigned before = fleet_wanted(fleet);

    drop(fleet);
    room_forget(fleet);
    follow_begin(fleet, before);
    record(fleet, before, "by hand: as the file says");
    fleet_settle(fleet);
}
