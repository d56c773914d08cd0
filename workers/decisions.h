/* SPDX-License-Identifier: MIT
 *
 * The kept decisions of one fleet and what was counted of it. Owned by the fleet; control thread. */
#ifndef DROVER_WORKERS_DECISIONS_H
#define DROVER_WORKERS_DECISIONS_H

#include "workers/fleet.h"

#define DECISION_TALLIES 48 /* more than there are pairs of a kind and a reason */

struct decisions {
    struct fleet_decision *kept; /* a ring of FLEET_DECISIONS; NULL before the first */
    unsigned count;              /* ever */
    struct fleet_counters counters;
    struct fleet_tally tallies[DECISION_TALLIES];
};

void decisions_free(struct decisions *decisions);
/* Keeps, counts and logs it; the time is put in. */
void decisions_add(struct decisions *decisions, const char *pool, const struct fleet_decision *decision);

/* A decision on one worker (or, NULL, on the pool): `why` is a constant word, the rest are its numbers in words. */
__attribute__((format(printf, 5, 6))) void fleet_decide(struct fleet *fleet, enum fleet_decision_kind kind,
                                                        const char *worker, const char *why,
                                                        const char *format, ...);

#endif
