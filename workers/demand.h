/* SPDX-License-Identifier: MIT
 *
 * What a pool is asked to carry: samples of its counters to an offered load. Pure: no clock, no I/O, no
 * allocation; the caller says when each sample was taken. */
#ifndef DROVER_WORKERS_DEMAND_H
#define DROVER_WORKERS_DEMAND_H

#include <stdint.h>

#define DEMAND_SECONDS    601 /* the longest window, and one */
#define DEMAND_RECENT     32
#define DEMAND_WINDOW_MAX 600000u /* ms */

/* A pool's counters at one moment; all but the last three only ever grow. */
struct demand_sample {
    uint64_t at_us;
    uint64_t arrivals;    /* requests that asked for a place, those that wait included */
    uint64_t completions; /* requests that gave their place back */
    uint64_t held_us;     /* places x time that requests held them, up to this moment */
    uint32_t in_flight, waiting, tunnels;
};

/* The samples of the last moments, and one for each second before: a plain value, all zero at first. */
struct demand_history {
    struct demand_sample recent[DEMAND_RECENT], seconds[DEMAND_SECONDS];
    uint32_t recent_count, seconds_count; /* ever; the newest is at (count - 1) % size */
};

/* Samples come in the order of their time; one that is closer than 50 ms to the one before replaces it. */
void demand_add(struct demand_history *history, const struct demand_sample *sample);

struct demand_windows {
    unsigned shortest_ms; /* the first span that is looked at */
    unsigned longest_ms;
    double
        doubt; /* standard errors that a shorter span has to differ by to be believed against a longer one */
    double service; /* seconds that a request takes at least, while none has ended in the longest span */
};

struct demand {
    double rate;      /* arrivals a second */
    double service;   /* mean seconds that a request holds its place */
    double load;      /* places that are needed on the mean: rate x service, at least what is held */
    double error;     /* of the load: one standard error */
    double held;      /* mean places that were held */
    unsigned span_ms; /* what the rate is the mean of */
    unsigned seen_ms; /* from the first sample that is looked at to the newest */
    unsigned came;    /* arrivals in the shortest span */
    unsigned ended;   /* completions in the longest */
    unsigned waiting, in_flight, tunnels;
};

/* Nothing but the newest sample's own counts when there are no two samples. */
struct demand demand_read(const struct demand_history *history, const struct demand_windows *windows);

#endif
