/* SPDX-License-Identifier: MIT
 *
 * Fuzzes statsd.h: any packet is taken apart to its end, and what is believed of it stays within its bounds. */
#include "tests/fuzz/fuzz.h"
#include "workers/statsd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy((struct slice){(const char *)data, size});
    struct slice packet = {copy, size};
    struct statsd_totals totals = {0};
    struct statsd_metric metric;
    size_t before = packet.size, lines = 0;
    double seconds = 0;

    while (statsd_next(&packet, &metric) != STATSD_END) {
        CHECK(packet.size < before && packet.at + packet.size == copy + size);
        before = packet.size;
        lines++;
        if (metric.kind != STATSD_REQUESTS && metric.kind != STATSD_DURATION)
            continue;
        CHECK(metric.weight >= 1 && metric.weight <= 10000.001);
        CHECK(metric.value >= 0 && metric.value <= (metric.kind == STATSD_REQUESTS ? 1e6 : 86400000.0));
        CHECK(metric.prefix.size < size && metric.prefix.at >= copy);
        statsd_add(&totals, &metric, 250, lines);
        CHECK(totals.seconds >= seconds && totals.slow <= totals.timed && statsd_ended(&totals) >= 0);
        seconds = totals.seconds;
    }
    CHECK(metric.kind == STATSD_END && packet.size == 0);
    free(copy);
    return 0;
}
