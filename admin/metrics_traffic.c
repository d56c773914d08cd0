/* SPDX-License-Identifier: MIT
 *
 * The counters of all loops and the times that requests took. Control thread. */
#include <stddef.h>

#include "admin/metrics.h"
#include "base/mem.h"

#define COUNTER(member) offsetof(struct proxy_counters, member)
#define ROW(member, name, help)                                                                              \
    {                                                                                                        \
        COUNTER(member), {name, METRIC_COUNTER, NULL, help},                                                 \
        {                                                                                                    \
            NULL, NULL                                                                                       \
        }                                                                                                    \
    }
#define BYTES(member, name, help)                                                                            \
    {                                                                                                        \
        COUNTER(member), {name, METRIC_COUNTER, "bytes", help},                                              \
        {                                                                                                    \
            NULL, NULL                                                                                       \
        }                                                                                                    \
    }
#define PART(member, name, key, value, help)                                                                 \
    {                                                                                                        \
        COUNTER(member), {name, METRIC_COUNTER, NULL, help},                                                 \
        {                                                                                                    \
            key, value                                                                                       \
        }                                                                                                    \
    }

/* A row for each counter of PROXY_COUNTERS. Rows of one family stand together; the first has its help. */
static const struct row {
    size_t counter;
    struct metric metric;
    struct label label; /* none: the family has one sample */
} rows[] = {
    ROW(connections_accepted, "drover_connections_accepted", "Client connections that were taken."),
    ROW(connections_refused, "drover_connections_refused",
        "Client connections that were turned away by limits.connections or connections_per_ip."),
    ROW(requests, "drover_requests", "Requests whose head was read."),
    PART(responses_1xx, "drover_responses", "code", "1xx",
         "Requests by the class of the status that the access log has for them: 101 is a WebSocket, 499 a "
         "client that left."),
    PART(responses_2xx, "drover_responses", "code", "2xx", NULL),
    PART(responses_3xx, "drover_responses", "code", "3xx", NULL),
    PART(responses_4xx, "drover_responses", "code", "4xx", NULL),
    PART(responses_5xx, "drover_responses", "code", "5xx", NULL),
    ROW(queued, "drover_queued", "Requests that had to wait in a queue."),
    PART(queue_full, "drover_refused", "reason", "queue_full",
         "Requests that drover answered 503: the queue was full, the wait in it too long, or no worker was "
         "there."),
    PART(queue_timeout, "drover_refused", "reason", "queue_timeout", NULL),
    PART(no_worker, "drover_refused", "reason", "no_worker", NULL),
    ROW(client_gone, "drover_clients_gone", "Requests whose client left before the end of the answer."),
    ROW(retries, "drover_retries", "Requests that were sent to another worker after a failure."),
    ROW(tunnels_opened, "drover_tunnels_opened", "WebSockets that were opened."),
    ROW(tunnels_closed, "drover_tunnels_closed", "WebSockets that have ended."),
    ROW(links_opened, "drover_links_opened", "Connections to workers and servers that were opened."),
    ROW(links_reused, "drover_links_reused", "Requests that travelled on a connection kept alive."),
    ROW(links_stale, "drover_links_stale", "Kept connections that a worker closed under a request."),
    BYTES(bytes_from_clients, "drover_received_bytes", "Bytes of request bodies that came from clients."),
    BYTES(bytes_to_clients, "drover_sent_bytes", "Bytes of response bodies that went to clients."),
    ROW(tls_handshakes, "drover_tls_handshakes", "TLS handshakes with clients that succeeded."),
    ROW(tls_resumed, "drover_tls_resumed", "Those of them that resumed an earlier one."),
    ROW(tls_failed, "drover_tls_failed", "TLS handshakes with clients that failed."),
    ROW(affinity_set, "drover_affinity_set", "Affinity cookies that clients were given."),
    ROW(affinity_moved, "drover_affinity_moved",
        "Those of them whose clients had one already that led nowhere."),
    ROW(h2_connections, "drover_h2_connections", "Client connections that speak HTTP/2."),
    ROW(h2_resets, "drover_h2_resets",
        "Streams that a client reset, or that were reset because of what it sent."),
    ROW(h2_refused, "drover_h2_refused",
        "Streams refused because what the client had cancelled before was still held by workers."),
    ROW(h2_broken, "drover_h2_broken", "HTTP/2 connections closed because of what the client sent."),
    ROW(log_lines_dropped, "drover_log_lines_dropped",
        "Lines of the access log that could not be written in time."),
};

_Static_assert(sizeof rows / sizeof *rows == sizeof(struct proxy_counters) / sizeof(_Atomic uint64_t),
               "each counter of PROXY_COUNTERS has a row here (and a line in docs/metrics.md)");

static const struct {
    const char *le; /* seconds */
    uint64_t us;
} buckets[] = {
    {"0.001", 1000},  {"0.0025", 2500}, {"0.005", 5000},    {"0.01", 10000},    {"0.025", 25000},
    {"0.05", 50000},  {"0.1", 100000},  {"0.25", 250000},   {"0.5", 500000},    {"1.0", 1000000},
    {"2.5", 2500000}, {"5.0", 5000000}, {"10.0", 10000000}, {"30.0", 30000000}, {"60.0", 60000000},
};

static uint64_t sum_of(const struct admin_source *source, size_t counter)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < source->proxy_count; i++) {
        const char *counters = (const char *)proxy_counters(source->proxies[i]);
        sum += atomic_load_explicit((const _Atomic uint64_t *)(const void *)(counters + counter),
                                    memory_order_relaxed);
    }
    return sum;
}

static void add_request_times(struct scrape *scrape)
{
    static const struct metric times = {"drover_request_duration_seconds", METRIC_HISTOGRAM, "seconds",
                                        "From a request's head to the end of its answer."};
    struct exposition *exposition = &scrape->exposition;
    struct histogram *all = mem_zero(sizeof *all);

    for (unsigned i = 0; i < scrape->source->proxy_count; i++)
        histogram_merge(all, proxy_latency(scrape->source->proxies[i]));
    exposition_family(exposition, &times);
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
        exposition_add_part(exposition, "_bucket", LABELS({"le", buckets[i].le}),
                            (double)histogram_up_to(all, buckets[i].us));
    double count = (double)histogram_all(all);
    exposition_add_part(exposition, "_bucket", LABELS({"le", "+Inf"}), count);
    exposition_add_part(exposition, "_sum", NULL, (double)atomic_load(&all->sum) / 1e6);
    exposition_add_part(exposition, "_count", NULL, count);
    mem_free(all);
}

void metrics_traffic(struct scrape *scrape)
{
    struct exposition *exposition = &scrape->exposition;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        if (i == 0 || strcmp(row->metric.name, rows[i - 1].metric.name) != 0)
            exposition_family(exposition, &row->metric);
        exposition_add(exposition, row->label.name ? LABELS(row->label) : NULL,
                       (double)sum_of(scrape->source, row->counter));
    }
    add_request_times(scrape);
}
