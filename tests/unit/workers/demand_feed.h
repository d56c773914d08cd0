/* SPDX-License-Identifier: MIT
 *
 * For the tests of demand and sizing: a pool's counters, moved by hand. */
#ifndef DROVER_TESTS_DEMAND_FEED_H
#define DROVER_TESTS_DEMAND_FEED_H

#include "workers/demand.h"

struct feed {
    struct demand_history history;
    struct demand_sample now;
    double arrivals, completions, held; /* held in place-seconds */
};

/* For `seconds` requests come at that rate and end at that one, and so many are held meanwhile. */
static inline void feed_rates(struct feed *feed, double seconds, double come, double end, double held)
{
    for (double left = seconds; left > 1e-9; left -= 0.2) {
        double step = left < 0.2 ? left : 0.2;
        feed->arrivals += come * step;
        feed->completions += end * step;
        feed->held += held * step;
        feed->now.at_us += (uint64_t)(step * 1e6 + 0.5);
        feed->now.arrivals = (uint64_t)feed->arrivals;
        feed->now.completions = (uint64_t)feed->completions;
        feed->now.held_us = (uint64_t)(feed->held * 1e6);
        feed->now.in_flight = (unsigned)(held + 0.5);
        demand_add(&feed->history, &feed->now);
    }
}

#endif
