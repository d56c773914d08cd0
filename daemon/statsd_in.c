/* SPDX-License-Identifier: MIT
 *
 * The socket of `statsd`: each packet's lines to the pool that they are of. Control thread; so many packets a turn that
 * nothing else waits for long, the rest stays in the socket. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "daemon/engine.h"

#define PACKETS_A_TURN 256
#define TELL_EVERY_US  60000000u

/* A pool that is not measured so, a prefix that is mistyped, or something else that speaks StatsD: told now and then. */
static void tell(struct engine *engine, const char *what, struct slice text)
{
    char shown[128];
    uint64_t now_us = clock_us();

    if (engine->statsd_told_us != 0 && now_us < engine->statsd_told_us + TELL_EVERY_US)
        return;
    engine->statsd_told_us = now_us;
    str_escape(shown, sizeof shown, text);
    log_warning("statsd: %s '%s' (said at most once a minute)", what, shown);
}

static void take_packet(struct engine *engine, struct slice packet)
{
    struct admin_statsd *counts = &engine->source.statsd;
    struct statsd_metric metric;
    struct slice whole = packet;

    counts->packets++;
    while (statsd_next(&packet, &metric) != STATSD_END) {
        counts->lines++;
        if (metric.kind == STATSD_OTHER)
            continue;
        if (metric.kind == STATSD_BAD) {
            counts->unreadable++;
            tell(engine, "cannot read", whole);
            continue;
        }
        int pool = statsd_pool(engine->config, metric.prefix);
        if (pool < 0) {
            counts->nobodys++;
            tell(engine, "no pool with 'measure: statsd' is meant by the prefix", metric.prefix);
            continue;
        }
        struct part *part = engine->parts[pool];
        statsd_add(&part->reported, &metric, part->config->target_p95, clock_us());
    }
}

static void on_packets(evutil_socket_t fd, short what, void *argument)
{
    struct engine *engine = argument;

    (void)what;
    for (unsigned i = 0; i < PACKETS_A_TURN; i++) {
        ssize_t size = net_read(fd, engine->statsd_packet, STATSD_PACKET_MAX);
        if (size < 0)
            return;
        if (size > 0)
            take_packet(engine, (struct slice){engine->statsd_packet, (size_t)size});
    }
}

void statsd_open(struct engine *engine)
{
    if (engine->start->statsd < 0)
        return;
    engine->source.statsd.is_on = true;
    engine->statsd_packet = mem_alloc(STATSD_PACKET_MAX);
    watch_open_readable(&engine->statsd, engine->loop, engine->start->statsd, on_packets, engine);
}

void statsd_close(struct engine *engine)
{
    watch_close(&engine->statsd);
    mem_free(engine->statsd_packet);
}
