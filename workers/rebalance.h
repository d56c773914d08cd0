/* SPDX-License-Identifier: MIT
 *
 * Which tunnels are moved to emptier workers, and when: pure. A tunnel is moved by being closed: its client
 * comes back, and goes where there are the fewest. */
#ifndef DROVER_WORKERS_REBALANCE_H
#define DROVER_WORKERS_REBALANCE_H

#include <stdbool.h>
#include <stdint.h>

/* Remembered from step to step: a plain value, all zero before the first. */
struct rebalance_memory {
    uint64_t at_us;   /* of the last step; 0: none */
    double allowance; /* tunnels that may be closed, not spent yet */
    bool is_moving;
    unsigned moved; /* since it is */
};

struct rebalance_step {
    int from;       /* index of the worker; -1: nothing is out of balance */
    unsigned count; /* tunnels to close there now; 0: not yet */
    double mean;
};

/* `tunnels`: of each worker that a client could come back to. `share`: of all of them a minute, in thousandths
 * of a percent. The worker with the most is relieved when it holds over 1.3 times the mean, down to that, and
 * only of what makes the spread more even. */
struct rebalance_step rebalance_step(const unsigned *tunnels, unsigned count, unsigned share, uint64_t now_us,
                                     struct rebalance_memory *memory);

#endif
