/* SPDX-License-Identifier: MIT
 *
 * When a worker's time is over (`recycle`, `memory.worker`): pure. Times are microseconds, sizes bytes. */
#ifndef DROVER_WORKERS_RECYCLE_H
#define DROVER_WORKERS_RECYCLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum recycle_cause { RECYCLE_NOT, RECYCLE_REQUESTS, RECYCLE_AGE, RECYCLE_MEMORY };

struct recycle_policy { /* 0: no bound */
    uint64_t requests, jitter;
    uint64_t age_us;
    uint64_t memory;
};

struct recycle_process {
    uint32_t lot;      /* recycle_lot */
    uint64_t requests; /* that it has answered */
    uint64_t age_us;
    uint64_t
        over_us; /* it has measured above policy.memory for so long, at each of two measures or more; 0: it has not */
};

/* Drawn once for each process, and the same for every engine that asks. */
uint32_t recycle_lot(pid_t pid, uint64_t started_us);
/* Requests: up to `jitter` more; age: up to a tenth more. Workers that were started together are not due together. */
uint64_t recycle_requests_limit(const struct recycle_policy *policy, uint32_t lot);
uint64_t recycle_age_limit(const struct recycle_policy *policy, uint32_t lot);
enum recycle_cause recycle_due(const struct recycle_policy *policy, const struct recycle_process *process);

/* Workers of the pool that were above memory.worker soon after they were ready: another process helps little or nothing
 * there, so that the waits between two of those grow. */
struct recycle_haste {
    unsigned streak;
    uint64_t not_before_us; /* the next one for its memory */
};
/* One is recycled for its memory, which was too large `served_us` after it was ready; `was_ever_below`: it had measured
 * below before. True once in a streak: when the limit is to be called too small. */
bool recycle_note(struct recycle_haste *haste, uint64_t served_us, bool was_ever_below, uint64_t now_us);

#endif
