/* SPDX-License-Identifier: MIT
 *
 * Pools and their workers: a family each row, a sample each pool or worker. Control thread. */
#include "admin/metrics.h"
#include "base/clock.h"

#define read_relaxed(field) atomic_load_explicit(&(field), memory_order_relaxed)

static const char *const states[] = {"starting", "healthy", "ejected", "draining", "stopping", "backoff"};

enum shown_for {
    EVERY_POOL,
    POOLS_THAT_ANSWER, /* not background */
    POOLS_OF_WORKERS,  /* not of servers */
};

static bool is_shown(enum shown_for shown_for, const struct admin_pool *pool)
{
    return shown_for == POOLS_THAT_ANSWER  ? !pool->config->is_background
           : shown_for == POOLS_OF_WORKERS ? pool->fleet != NULL
                                           : true;
}

static uint64_t counts_of(const struct scrape *scrape, const struct report_slot *at)
{
    return read_relaxed(scrape->source->slots->counts[at->index]);
}

/* --- of a pool --- */

static double wanted(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return report_wanted(view->pool);
}

static double most(const struct scrape *scrape, const struct pool_view *view)
{
    unsigned min, max;
    (void)scrape;

    return view->pool->fleet && fleet_is_sized(view->pool->fleet, &min, &max) ? max
                                                                              : report_wanted(view->pool);
}

static double ready(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return report_ready(view->pool, view->slots, view->count);
}

static double queued(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return pool_queued(view->pool->pool);
}

static double in_flight(const struct scrape *scrape, const struct pool_view *view)
{
    double sum = 0;

    for (unsigned i = 0; i < view->count; i++)
        sum += counts_requests(counts_of(scrape, &view->slots[i]));
    return sum;
}

static double tunnels(const struct scrape *scrape, const struct pool_view *view)
{
    double sum = 0;

    for (unsigned i = 0; i < view->count; i++)
        sum += counts_tunnels(counts_of(scrape, &view->slots[i]));
    return sum;
}

static double arrivals(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)pool_arrivals(view->pool->pool);
}

static double slow(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)pool_slow(view->pool->pool);
}

static double ejections(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)pool_ejections(view->pool->pool);
}

static double starts(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)fleet_counters(view->pool->fleet)->starts;
}

static double crashes(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)fleet_counters(view->pool->fleet)->crashes;
}

static double failed_starts(const struct scrape *scrape, const struct pool_view *view)
{
    (void)scrape;
    return (double)fleet_counters(view->pool->fleet)->failed_starts;
}

static const struct pool_row {
    struct metric metric;
    double (*value)(const struct scrape *scrape, const struct pool_view *view);
    enum shown_for shown_for;
} pool_rows[] = {
    {{"drover_pool_workers_wanted", METRIC_GAUGE, NULL,
      "Workers that the pool is to have; servers of the file."},
     wanted,
     EVERY_POOL},
    {{"drover_pool_workers_ready", METRIC_GAUGE, NULL,
      "Workers and servers that can answer; in a pool with signals those that its process has."},
     ready,
     EVERY_POOL},
    {{"drover_pool_workers_max", METRIC_GAUGE, NULL, "The most that the pool may have."},
     most,
     POOLS_OF_WORKERS},
    {{"drover_pool_queued", METRIC_GAUGE, NULL, "Requests that wait in the queue."},
     queued,
     POOLS_THAT_ANSWER},
    {{"drover_pool_requests_in_flight", METRIC_GAUGE, NULL, "Requests that workers hold."},
     in_flight,
     POOLS_THAT_ANSWER},
    {{"drover_pool_tunnels", METRIC_GAUGE, NULL, "WebSockets that workers hold."},
     tunnels,
     POOLS_THAT_ANSWER},
    {{"drover_pool_requests", METRIC_COUNTER, NULL, "Requests that came for the pool."},
     arrivals,
     POOLS_THAT_ANSWER},
    {{"drover_pool_slow_responses", METRIC_COUNTER, NULL, "Responses that took longer than target.p95."},
     slow,
     POOLS_THAT_ANSWER},
    {{"drover_pool_ejections", METRIC_COUNTER, NULL,
      "Workers or servers taken out of the choice for their failures."},
     ejections,
     POOLS_THAT_ANSWER},
    {{"drover_pool_worker_starts", METRIC_COUNTER, NULL, "Starts of workers."}, starts, POOLS_OF_WORKERS},
    {{"drover_pool_worker_crashes", METRIC_COUNTER, NULL, "Workers that ended unasked."},
     crashes,
     POOLS_OF_WORKERS},
    {{"drover_pool_worker_failed_starts", METRIC_COUNTER, NULL,
      "Starts that gave no worker that was ready in time."},
     failed_starts,
     POOLS_OF_WORKERS},
};

static void add_pool_row(struct scrape *scrape, const struct pool_row *row)
{
    exposition_family(&scrape->exposition, &row->metric);
    for (unsigned i = 0; i < scrape->source->pool_count; i++) {
        const struct pool_view *view = &scrape->pools[i];
        if (is_shown(row->shown_for, view->pool))
            exposition_add(&scrape->exposition, LABELS({"pool", view->pool->config->name}),
                           row->value(scrape, view));
    }
}

static void add_status(struct scrape *scrape)
{
    static const struct metric status = {"drover_pool_status", METRIC_GAUGE, NULL,
                                         "1 for the status that the pool has in /health/worker, else 0."};

    exposition_family(&scrape->exposition, &status);
    for (unsigned i = 0; i < scrape->source->pool_count; i++) {
        const struct pool_view *view = &scrape->pools[i];
        enum pool_health is = report_judge(view->pool, view->slots, view->count);
        for (enum pool_health health = 0; health < POOL_HEALTHS; health++)
            exposition_add(&scrape->exposition,
                           LABELS({"pool", view->pool->config->name}, {"status", report_health_word(health)}),
                           health == is);
    }
}

static void add_states(struct scrape *scrape)
{
    static const struct metric workers = {"drover_pool_workers", METRIC_GAUGE, NULL,
                                          "Workers and servers by their status in /health/worker."};

    exposition_family(&scrape->exposition, &workers);
    for (unsigned i = 0; i < scrape->source->pool_count; i++) {
        const struct pool_view *view = &scrape->pools[i];
        for (size_t state = 0; state < sizeof states / sizeof *states; state++) {
            unsigned count = 0;
            for (unsigned k = 0; k < view->count; k++)
                count += strcmp(report_slot_status(&view->slots[k]), states[state]) == 0;
            exposition_add(&scrape->exposition,
                           LABELS({"pool", view->pool->config->name}, {"state", states[state]}), count);
        }
    }
}

static void add_decisions(struct scrape *scrape)
{
    static const struct metric decisions = {"drover_pool_decisions", METRIC_COUNTER, NULL,
                                            "Decisions on the pool and its workers, by kind and reason."};
    const struct fleet_tally *tally;

    exposition_family(&scrape->exposition, &decisions);
    for (unsigned i = 0; i < scrape->source->pool_count; i++) {
        const struct admin_pool *pool = scrape->pools[i].pool;
        for (unsigned k = 0; pool->fleet && (tally = fleet_tally_at(pool->fleet, k)); k++)
            exposition_add(&scrape->exposition,
                           LABELS({"pool", pool->config->name},
                                  {"kind", fleet_decision_kind_word(tally->kind)}, {"why", tally->why}),
                           (double)tally->count);
    }
}

/* --- of a worker --- */

static double is_up(const struct scrape *scrape, const struct report_slot *at)
{
    (void)scrape;
    return strcmp(report_slot_status(at), "healthy") == 0;
}

static double worker_in_flight(const struct scrape *scrape, const struct report_slot *at)
{
    return counts_requests(counts_of(scrape, at));
}

static double worker_tunnels(const struct scrape *scrape, const struct report_slot *at)
{
    return counts_tunnels(counts_of(scrape, at));
}

static double worker_requests(const struct scrape *scrape, const struct report_slot *at)
{
    (void)scrape;
    return (double)read_relaxed(at->slot->requests);
}

static double worker_fails(const struct scrape *scrape, const struct report_slot *at)
{
    (void)scrape;
    return (double)read_relaxed(at->slot->fails);
}

static double memory(const struct scrape *scrape, const struct report_slot *at)
{
    (void)scrape;
    return (double)read_relaxed(at->slot->memory);
}

static double started(const struct scrape *scrape, const struct report_slot *at)
{
    uint64_t now_us = clock_us(), started_us = read_relaxed(at->slot->started_us);
    (void)scrape;

    return metrics_moment((double)(clock_wall_us() - (now_us > started_us ? now_us - started_us : 0)) / 1e6);
}

static const struct worker_row {
    struct metric metric;
    double (*value)(const struct scrape *scrape, const struct report_slot *at);
    enum shown_for shown_for; /* POOLS_OF_WORKERS: while there is a process */
} worker_rows[] = {
    {{"drover_worker_up", METRIC_GAUGE, NULL, "1 when its status is healthy."}, is_up, EVERY_POOL},
    {{"drover_worker_requests_in_flight", METRIC_GAUGE, NULL, "Requests that it holds."},
     worker_in_flight,
     POOLS_THAT_ANSWER},
    {{"drover_worker_tunnels", METRIC_GAUGE, NULL, "WebSockets that it holds."},
     worker_tunnels,
     POOLS_THAT_ANSWER},
    {{"drover_worker_requests", METRIC_COUNTER, NULL, "Requests that it has answered."},
     worker_requests,
     POOLS_THAT_ANSWER},
    {{"drover_worker_fails", METRIC_COUNTER, NULL, "Failures that were its fault."},
     worker_fails,
     POOLS_THAT_ANSWER},
    {{"drover_worker_memory_bytes", METRIC_GAUGE, "bytes", "Memory of its process, shared pages in parts."},
     memory,
     POOLS_OF_WORKERS},
    {{"drover_worker_start_time_seconds", METRIC_GAUGE, "seconds",
      "When its process was started, in seconds since the epoch."},
     started,
     POOLS_OF_WORKERS},
};

static void add_worker_row(struct scrape *scrape, const struct worker_row *row)
{
    exposition_family(&scrape->exposition, &row->metric);
    for (unsigned i = 0; i < scrape->source->pool_count; i++) {
        const struct pool_view *view = &scrape->pools[i];
        for (unsigned k = 0; k < view->count && is_shown(row->shown_for, view->pool); k++) {
            const struct report_slot *at = &view->slots[k];
            if (row->shown_for == POOLS_OF_WORKERS && read_relaxed(at->slot->pid) == 0)
                continue;
            exposition_add(&scrape->exposition,
                           LABELS({"pool", view->pool->config->name}, {"worker", at->slot->name}),
                           row->value(scrape, at));
        }
    }
}

/* What came in at `statsd`. */
static void add_statsd(struct scrape *scrape)
{
    static const struct metric lines = {"drover_statsd_lines", METRIC_COUNTER, NULL,
                                        "Lines of StatsD, by what became of them."};
    const struct admin_statsd *counts = &scrape->source->statsd;
    uint64_t lost = counts->unreadable + counts->nobodys;

    if (!counts->is_on)
        return;
    exposition_family(&scrape->exposition, &lines);
    exposition_add(&scrape->exposition, LABELS({"outcome", "read"}), (double)(counts->lines - lost));
    exposition_add(&scrape->exposition, LABELS({"outcome", "unreadable"}), (double)counts->unreadable);
    exposition_add(&scrape->exposition, LABELS({"outcome", "nobodys"}), (double)counts->nobodys);
}

void metrics_pools(struct scrape *scrape)
{
    add_status(scrape);
    add_states(scrape);
    for (size_t i = 0; i < sizeof pool_rows / sizeof *pool_rows; i++)
        add_pool_row(scrape, &pool_rows[i]);
    add_decisions(scrape);
    for (size_t i = 0; i < sizeof worker_rows / sizeof *worker_rows; i++)
        add_worker_row(scrape, &worker_rows[i]);
    add_statsd(scrape);
}
