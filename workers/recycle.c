/* SPDX-License-Identifier: MIT
 *
 * The rules of recycling. Pure. */
#include "workers/recycle.h"

#define STEADY_US     3000000u /* memory is believed to be above its bound: one large request is no leak */
#define AGE_SPREAD    10       /* a tenth */
#define HASTY_US      30000000u
#define WAIT_FIRST_US 10000000u
#define WAIT_DOUBLED  8 /* times: up to 43 minutes */

uint32_t recycle_lot(pid_t pid, uint64_t started_us)
{
    uint64_t mixed = started_us ^ (uint64_t)(uint32_t)pid << 40; /* splitmix64's finish */

    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((mixed ^ mixed >> 31) >> 32);
}

/* From 0 to `most`. */
static uint64_t share(uint64_t most, uint32_t lot)
{
    return (uint64_t)((double)(most + 1) * (lot / 4294967296.0));
}

uint64_t recycle_requests_limit(const struct recycle_policy *policy, uint32_t lot)
{
    return policy->requests ? policy->requests + share(policy->jitter, lot) : 0;
}

uint64_t recycle_age_limit(const struct recycle_policy *policy, uint32_t lot)
{
    return policy->age_us ? policy->age_us + share(policy->age_us / AGE_SPREAD, lot) : 0;
}

enum recycle_cause recycle_due(const struct recycle_policy *policy, const struct recycle_process *process)
{
    if (policy->memory && process->over_us >= STEADY_US)
        return RECYCLE_MEMORY;
    if (policy->requests && process->requests >= recycle_requests_limit(policy, process->lot))
        return RECYCLE_REQUESTS;
    if (policy->age_us && process->age_us >= recycle_age_limit(policy, process->lot))
        return RECYCLE_AGE;
    return RECYCLE_NOT;
}

bool recycle_note(struct recycle_haste *haste, uint64_t served_us, bool was_ever_below, uint64_t now_us)
{
    unsigned before = haste->streak, doubled;

    haste->not_before_us = 0;
    if (was_ever_below && served_us >= HASTY_US) {
        haste->streak = 0;
        return false;
    }
    /* One may be chance, or a burst; but where it was never below there is nothing to wait for. */
    haste->streak = before + 1;
    if (!was_ever_below && haste->streak < 2)
        haste->streak = 2;
    if (haste->streak < 2)
        return false;
    doubled = haste->streak - 2 < WAIT_DOUBLED ? haste->streak - 2 : WAIT_DOUBLED;
    haste->not_before_us = now_us + ((uint64_t)WAIT_FIRST_US << doubled);
    return before < 2;
}
