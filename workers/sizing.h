/* SPDX-License-Identifier: MIT
 *
 * How many workers a pool wants: (policy, history, now) to a count, with the reason and the numbers that
 * made it. Pure: no clock, no I/O, no allocation; bench/sizing replays this very file. */
#ifndef DROVER_WORKERS_SIZING_H
#define DROVER_WORKERS_SIZING_H

#include <stdbool.h>

#include "workers/demand.h"

#define SIZING_BUCKETS 32

struct sizing_policy {
    unsigned min, max, spare;
    unsigned target_concurrency;                  /* places of one worker, at least 1 */
    unsigned target_tunnels;                      /* 0: tunnels count for nothing */
    double target_rps;                            /* of one worker; 0: not used */
    unsigned target_p95_ms;                       /* 0: not used */
    unsigned window_ms, burst_window_ms, idle_ms; /* idle 0: 5 x the boot time, 10 s to 120 s */
    double burst;    /* a load of so many times what is present is believed at once */
    double headroom; /* times the square root of the load */
};

/* What is there, beside the samples. */
struct sizing_world {
    uint64_t now_us;
    unsigned ready, starting;
    bool is_backing_off; /* a worker waits for its next start after a failure */
    unsigned boot_ms;    /* measured; 0: none was seen yet */
    double slow;         /* share of the last burst window's responses that took longer than target_p95_ms */
};

/* The most that was needed in each stretch of the time that a worker is kept for. */
struct sizing_peaks {
    uint64_t until_us[SIZING_BUCKETS];
    unsigned most[SIZING_BUCKETS];
};

/* What a decision remembers for the next one: a plain value, all zero before the first. */
struct sizing_memory {
    unsigned wanted;
    bool is_begun;
    struct sizing_peaks needed, asked; /* by the load; by the load and those who wait */
    bool is_draining;                  /* some are kept only for those who waited */
    unsigned patience;                 /* idle is so many times longer */
    double service;                    /* seconds that a request took when some were last seen to end */
    uint64_t shrunk_us, grown_us, calmed_us, slow_us;
};

enum sizing_reason {
    SIZING_STEADY,  /* as it is */
    SIZING_LOAD,    /* more: the load needs them */
    SIZING_BURST,   /* more: the load of the last moments, believed at once */
    SIZING_WAITING, /* more: so that those who wait are served in time */
    SIZING_LATENCY, /* more: too slow, and busy */
    SIZING_TUNNELS, /* more: open tunnels need them */
    SIZING_RATE,    /* more: target.rps */
    SIZING_WAKE,    /* from zero: somebody waits */
    SIZING_IDLE,    /* fewer: not needed for all of idle */
    SIZING_DRAINED, /* fewer: they came for those who waited, and nobody does any more */
    SIZING_BOUNDS,  /* min or max is another */
    SIZING_BACKOFF, /* more would be wanted, but workers fail to start */
    SIZING_REASONS
};

struct sizing_decision {
    unsigned wanted, before;
    enum sizing_reason reason;
    /* the numbers that made it */
    struct demand demand;
    double places;   /* load with its headroom */
    double draining; /* places for those who wait */
    unsigned needed; /* workers, bounds and spare included; what is kept for idle is not */
    unsigned idle_ms;
    struct sizing_memory memory; /* for the next one */
};

struct sizing_decision sizing_decide(const struct sizing_policy *policy, const struct demand_history *history,
                                     const struct sizing_world *world, const struct sizing_memory *memory);

const char *sizing_reason_word(enum sizing_reason reason);

#endif
