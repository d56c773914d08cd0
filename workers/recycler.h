/* SPDX-License-Identifier: MIT
 *
 * Recycling one fleet's workers. Control thread. */
#ifndef DROVER_WORKERS_RECYCLER_H
#define DROVER_WORKERS_RECYCLER_H

#include "workers/recycle.h"

/* Of one process; zeroed with it. */
struct wear {
    unsigned measures;      /* of its memory, so far */
    uint64_t over_since_us; /* it measures above memory.worker; 0: it does not */
    unsigned over_from;     /* at which measure */
    bool was_ever_below;
};

struct recycler {
    struct recycle_haste haste;
    uint64_t memory; /* the bound that `haste` is about */
};

#endif
