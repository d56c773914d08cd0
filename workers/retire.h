/* SPDX-License-Identifier: MIT
 *
 * Who goes when a pool shrinks: pure. */
#ifndef DROVER_WORKERS_RETIRE_H
#define DROVER_WORKERS_RETIRE_H

#include <stdbool.h>
#include <stdint.h>

struct candidate {
    bool is_serving;  /* else it starts, or waits for its next start: nobody would miss it */
    bool goes_anyway; /* it is to be replaced soon, or in the way */
    unsigned tunnels, requests;
    uint64_t started_us;
};

/* The one to retire: what does not serve first (the latest started, so that the least boot time is lost),
 * then fewest tunnels, then fewest requests, then the oldest (behaviour.md section 5 point 7). -1 when
 * there is none. */
int retire_choose(const struct candidate *candidates, unsigned count);

#endif
