/* SPDX-License-Identifier: MIT
 *
 * What the sizing of one fleet keeps between decisions. Owned by the fleet; control thread. */
#ifndef DROVER_WORKERS_SIZER_H
#define DROVER_WORKERS_SIZER_H

#include "workers/fleet.h"
#include "workers/sizing.h"

struct sizer {
    struct demand_history history;
    struct sizing_memory memory;
    struct demand_sample sample; /* the last one */
    uint64_t decided_us;
    uint64_t slow_count, slow_from, answered_from,
        slow_from_us; /* the stretch that the share of slow responses is of */
    double slow;
    enum sizing_reason last_reason;
    unsigned needed; /* by the last decision, without what is kept for idle */
};

/* What is there, for a decision now. */
struct sizer_view {
    const struct pool_config *pool;
    unsigned min, max;
    unsigned ready, starting, boot_ms;
    bool is_backing_off;
};

/* `answered`: how many requests of the pool had their answer since the last sample. */
void sizer_sample(struct sizer *sizer, const struct fleet_load *load, unsigned in_flight, unsigned tunnels,
                  uint64_t answered, uint64_t now_us);
/* What was measured so far is another's measure: the next sample is the first. */
void sizer_forget(struct sizer *sizer);
/* True when it is time: a second has passed, or somebody waits. */
bool sizer_is_due(const struct sizer *sizer, uint64_t now_us);
/* The count is in memory.wanted. True when something changed: *record tells what. */
bool sizer_decide(struct sizer *sizer, const struct sizer_view *view, uint64_t now_us,
                  struct fleet_decision *record);

#endif
