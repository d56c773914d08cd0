/* SPDX-License-Identifier: MIT
 *
 * What gunicorn says of its requests by StatsD (`--statsd-host`). Pure: whoever has the socket gives the bytes; they are
 * anybody's, and nothing in them is believed beyond the bounds below.
 *
 *     [PREFIX.]gunicorn.requests:1|c|@1.0            a request has ended
 *     [PREFIX.]gunicorn.request.duration:12.5|ms     and took so many milliseconds
 *
 * Several lines a packet, sample rates (@0.1), and DogStatsD's sections behind them (#tags and others, not looked at). */
#ifndef DROVER_WORKERS_STATSD_H
#define DROVER_WORKERS_STATSD_H

#include "config/config.h"

#define STATSD_PACKET_MAX                                                                                    \
    65536 /* no UDP datagram is longer: none is ever cut, a cut number would be another */

enum statsd_kind {
    STATSD_END, /* nothing is left in the packet */
    STATSD_REQUESTS,
    STATSD_DURATION,
    STATSD_OTHER, /* well written, and nothing that sizing looks at: gauges, status counts, others' metrics */
    STATSD_BAD,
};

struct statsd_metric {
    enum statsd_kind kind;
    struct slice prefix; /* without its last dot; empty: none. In the packet */
    double value;        /* requests, 0 to a million; or milliseconds, 0 to a day */
    double weight;       /* how many such lines it stands for: 1 to 10 000, by its sample rate */
};

/* Takes the next line off the packet. */
enum statsd_kind statsd_next(struct slice *packet, struct statsd_metric *metric);

/* What a pool's lines amount to, ever; all only grow. */
struct statsd_totals {
    double requests, timed; /* by the counter; by the durations */
    double seconds;         /* all durations together */
    double slow;            /* of the timed ones: longer than target.p95 */
    double usual;           /* seconds that the last ones took, the mean */
    uint64_t last_us;       /* when the last line came; 0: never */
};
void statsd_add(struct statsd_totals *totals, const struct statsd_metric *metric, unsigned slow_ms,
                uint64_t now_us);
/* Requests that have ended: by the counter or by the durations, whichever says more (one may be missing). */
double statsd_ended(const struct statsd_totals *totals);
/* Requests were ending until a moment ago: some are likely under way, though nobody has said so yet. */
bool statsd_is_live(const struct statsd_totals *totals, uint64_t now_us);

/* Whose lines these are, as an index into config->pools: the pool with `measure: statsd` that has the prefix as its
 * name; without a prefix the only one with `measure: statsd`. -1: nobody's. */
int statsd_pool(const struct config *config, struct slice prefix);

#endif
