/* SPDX-License-Identifier: MIT
 *
 * /metrics: what drover is, then traffic, pools and workers, the engine's process. docs/metrics.md has a line for each
 * family. Control thread. */
#include "admin/metrics.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"

static void view_pools(struct scrape *scrape)
{
    const struct admin_source *source = scrape->source;
    struct report_slot *slots = mem_alloc(SLOTS_MAX * sizeof *slots);

    scrape->pools = mem_zero((source->pool_count + 1) * sizeof *scrape->pools);
    for (unsigned i = 0; i < source->pool_count; i++) {
        struct pool_view *view = &scrape->pools[i];
        view->pool = &source->pools[i];
        view->count = report_collect(source, view->pool, slots);
        view->slots = mem_alloc((view->count + 1) * sizeof *slots);
        memcpy(view->slots, slots, view->count * sizeof *slots);
    }
    mem_free(slots);
}

double metrics_moment(double seconds)
{
    return round(seconds * 100) / 100;
}

static void add_one(struct scrape *scrape, const struct metric *metric, double value)
{
    exposition_family(&scrape->exposition, metric);
    exposition_add(&scrape->exposition, NULL, value);
}

static void add_drover(struct scrape *scrape)
{
    static const struct metric build = {"drover_build", METRIC_INFO, NULL, "Which drover this is."},
                               start = {"drover_start_time_seconds", METRIC_GAUGE, "seconds",
                                        "When drover was started, in seconds since the epoch."},
                               ready = {"drover_ready", METRIC_GAUGE, NULL, "1 when /health/ready says 200."},
                               threads = {"drover_threads", METRIC_GAUGE, NULL,
                                          "Threads that carry traffic."},
                               restarts = {"drover_engine_restarts", METRIC_COUNTER, NULL,
                                           "Engines that were started after the first one."},
                               connections = {"drover_connections", METRIC_GAUGE, NULL,
                                              "Client connections that are open."};
    const struct admin_source *source = scrape->source;
    uint32_t engines = atomic_load(&source->slots->engine_starts);
    uint64_t now_us = clock_us(), age_us = now_us > source->started_us ? now_us - source->started_us : 0;

    exposition_family(&scrape->exposition, &build);
    exposition_add(&scrape->exposition, LABELS({"version", source->version ? source->version : ""}), 1);
    add_one(scrape, &start, metrics_moment((double)(clock_wall_us() - age_us) / 1e6));
    add_one(scrape, &ready, report_is_ready(source));
    add_one(scrape, &threads, source->proxy_count);
    add_one(scrape, &restarts, engines > 0 ? engines - 1 : 0);
    add_one(scrape, &connections, report_connections(source->slots));
}

char *metrics_page(const struct admin_source *source, enum metrics_format format)
{
    struct scrape scrape = {.source = source, .exposition = {.format = format}};

    view_pools(&scrape);
    add_drover(&scrape);
    metrics_traffic(&scrape);
    metrics_pools(&scrape);
    metrics_process(&scrape);
    for (unsigned i = 0; i < source->pool_count; i++)
        mem_free(scrape.pools[i].slots);
    mem_free(scrape.pools);
    return exposition_end(&scrape.exposition);
}
