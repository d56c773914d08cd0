/* SPDX-License-Identifier: MIT
 *
 * The page /metrics and its parts. Control thread: what the loops count is read while they go on, and nothing is asked
 * of them. */
#ifndef DROVER_ADMIN_METRICS_H
#define DROVER_ADMIN_METRICS_H

#include "admin/exposition.h"
#include "admin/report.h"

/* The caller frees it (mem_free). Bounded: SLOTS_MAX workers with a few lines each. */
char *metrics_page(const struct admin_source *source, enum metrics_format format);

/* The parts, each with families of its own. */
struct scrape {
    const struct admin_source *source;
    struct exposition exposition;
    struct pool_view *pools; /* source->pool_count */
};

/* A pool at this moment. */
struct pool_view {
    const struct admin_pool *pool;
    struct report_slot *slots; /* by number */
    unsigned count;
};

/* A point in time, whatever clocks it was reckoned by, is the same at each scrape. */
double metrics_moment(double seconds);

void metrics_traffic(struct scrape *scrape); /* metrics_traffic.c: the counters of the loops, request times */
void metrics_pools(struct scrape *scrape);   /* metrics_pools.c: pools and workers */
void metrics_process(struct scrape *scrape); /* metrics_process.c: the engine's process */

#endif
