/* SPDX-License-Identifier: MIT
 *
 * Lines of StatsD, and whose they are. */
#include "workers/statsd.h"

#include "tests/unit/unit.h"

#define NOW 5000000u

static struct statsd_metric read_one(const char *line)
{
    struct slice packet = slice_of(line);
    struct statsd_metric metric;

    statsd_next(&packet, &metric);
    ck_assert_uint_eq(packet.size, 0);
    return metric;
}

static void must_be(const char *line, enum statsd_kind kind, double value, double weight)
{
    struct statsd_metric metric = read_one(line);

    ck_assert_msg(metric.kind == kind, "%s is %d", line, metric.kind);
    if (kind != STATSD_REQUESTS && kind != STATSD_DURATION)
        return;
    ck_assert_msg(metric.value > value - 1e-6 && metric.value < value + 1e-6, "%s: %f", line, metric.value);
    ck_assert_msg(metric.weight > weight - 1e-6 && metric.weight < weight + 1e-6, "%s: %f", line,
                  metric.weight);
}

START_TEST(what_gunicorn_sends_is_read)
{
    must_be("gunicorn.requests:1|c|@1.0", STATSD_REQUESTS, 1, 1);
    must_be("gunicorn.request.duration:12.345|ms", STATSD_DURATION, 12.345, 1);
    must_be("gunicorn.request.duration:0.0|ms", STATSD_DURATION, 0, 1);
    must_be("gunicorn.request.status.200:1|c|@1.0", STATSD_OTHER, 0, 0);
    must_be("gunicorn.workers:3|g", STATSD_OTHER, 0, 0);
    must_be("gunicorn.log.error:1|c|@1.0", STATSD_OTHER, 0, 0);
}
END_TEST

START_TEST(a_sample_rate_says_how_many_a_line_stands_for)
{
    must_be("gunicorn.requests:2|c|@0.1", STATSD_REQUESTS, 2, 10);
    must_be("gunicorn.request.duration:80|ms|@0.25", STATSD_DURATION, 80, 4);
    must_be("gunicorn.requests:1|c|@0", STATSD_BAD, 0, 0);
    must_be("gunicorn.requests:1|c|@2", STATSD_BAD, 0, 0);
    must_be("gunicorn.requests:1|c|@0.00001", STATSD_BAD, 0, 0);
    must_be("gunicorn.requests:1|c|@", STATSD_BAD, 0, 0);
}
END_TEST

START_TEST(tags_and_other_sections_are_passed_over)
{
    must_be("gunicorn.requests:1|c|@0.5|#env:prod,team:a|c:ab12|T1656581400", STATSD_REQUESTS, 1, 2);
    must_be("gunicorn.requests:1|c|#env:prod", STATSD_REQUESTS, 1, 1);
    must_be("gunicorn.request.duration:7|h|#", STATSD_DURATION, 7, 1);
    must_be("gunicorn.request.duration:7|d", STATSD_DURATION, 7, 1);
}
END_TEST

START_TEST(what_stands_before_the_name_is_the_prefix)
{
    struct statsd_metric metric = read_one("shop.eu.gunicorn.requests:1|c");

    ck_assert(metric.kind == STATSD_REQUESTS && slice_equal(metric.prefix, SLICE("shop.eu")));
    metric = read_one("gunicorn.requests:1|c");
    ck_assert_uint_eq(metric.prefix.size, 0);
    must_be("xgunicorn.requests:1|c", STATSD_OTHER, 0, 0);
    must_be(".gunicorn.requests:1|c", STATSD_OTHER, 0, 0);
    must_be("gunicorn.requests.x:1|c", STATSD_OTHER, 0, 0);
}
END_TEST

START_TEST(a_packet_has_several_lines)
{
    struct slice packet = SLICE("\n\ngunicorn.requests:1|c\r\n\nrubbish\ngunicorn.request.duration:3|ms\n");
    struct statsd_metric metric;

    ck_assert_int_eq(statsd_next(&packet, &metric), STATSD_REQUESTS);
    ck_assert_int_eq(statsd_next(&packet, &metric), STATSD_BAD);
    ck_assert_int_eq(statsd_next(&packet, &metric), STATSD_DURATION);
    ck_assert_int_eq(statsd_next(&packet, &metric), STATSD_END);
}
END_TEST

START_TEST(what_is_no_count_or_time_that_can_be_is_bad)
{
    static const char *const lines[] = {
        "gunicorn.requests:-1|c",
        "gunicorn.requests:+1|c",
        "gunicorn.requests:|c",
        "gunicorn.requests:1",
        "gunicorn.requests:1|",
        "gunicorn.requests:1|g",
        "gunicorn.requests:1|ms",
        "gunicorn.requests:1e9|c",
        "gunicorn.requests:1000001|c",
        "gunicorn.requests:nan|c",
        "gunicorn.requests:0x10|c",
        "gunicorn.requests:1.|c",
        "gunicorn.requests:.5|c",
        "gunicorn.requests:1.2.3|c",
        "gunicorn.requests:1:2|c",
        "gunicorn.requests 1|c",
        "gunicorn.request.duration:1|c",
        "gunicorn.request.duration:86400001|ms",
        "gunicorn.request.duration:inf|ms",
        "gunicorn.requests:9999999999999999999999|c",
        ":1|c",
        "|",
        ":",
        "\x01",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        must_be(lines[i], STATSD_BAD, 0, 0);
}
END_TEST

START_TEST(lines_add_up_to_requests_and_the_time_that_they_took)
{
    struct statsd_totals totals = {0};
    struct slice packet = SLICE("gunicorn.requests:1|c|@0.5\ngunicorn.request.duration:200|ms|@0.5\n"
                                "gunicorn.requests:1|c\ngunicorn.request.duration:1000|ms");
    struct statsd_metric metric;

    while (statsd_next(&packet, &metric) != STATSD_END)
        statsd_add(&totals, &metric, 300, NOW);
    ck_assert_double_eq_tol(statsd_ended(&totals), 3, 1e-9);
    ck_assert_double_eq_tol(totals.seconds, 1.4, 1e-9);
    ck_assert_double_eq_tol(totals.slow, 1, 1e-9);
}
END_TEST

START_TEST(durations_alone_count_as_requests_too)
{
    struct statsd_totals totals = {0};
    struct statsd_metric metric = read_one("gunicorn.request.duration:200|ms");

    statsd_add(&totals, &metric, 0, NOW);
    ck_assert_double_eq_tol(statsd_ended(&totals), 1, 1e-9);
}
END_TEST

START_TEST(an_app_is_quiet_only_when_nothing_has_ended_for_much_longer_than_requests_take)
{
    struct statsd_totals totals = {0};
    struct statsd_metric metric = read_one("gunicorn.request.duration:10000|ms");

    ck_assert(!statsd_is_live(&totals, NOW));
    statsd_add(&totals, &metric, 0, NOW);
    ck_assert(statsd_is_live(&totals, NOW + 29000000u));
    ck_assert(!statsd_is_live(&totals, NOW + 31000000u));
}
END_TEST

static struct config *two_pools(enum measure first, enum measure second)
{
    static char web[] = "web", api[] = "api";
    static struct pool_config pools[2];
    static struct config config;

    memset(pools, 0, sizeof pools);
    pools[0].name = web;
    pools[0].measure = first;
    pools[1].name = api;
    pools[1].measure = second;
    config.pools = pools;
    config.pool_count = 2;
    return &config;
}

START_TEST(a_prefix_names_the_pool)
{
    struct config *config = two_pools(MEASURE_STATSD, MEASURE_STATSD);

    ck_assert_int_eq(statsd_pool(config, SLICE("web")), 0);
    ck_assert_int_eq(statsd_pool(config, SLICE("api")), 1);
    ck_assert_int_eq(statsd_pool(config, SLICE("we")), -1);
    ck_assert_int_eq(statsd_pool(config, SLICE("web.eu")), -1);
    ck_assert_int_eq(statsd_pool(config, SLICE("")), -1); /* of which? */
}
END_TEST

START_TEST(without_a_prefix_it_is_the_only_pool_that_is_measured_so)
{
    struct config *config = two_pools(MEASURE_PROXY, MEASURE_STATSD);

    ck_assert_int_eq(statsd_pool(config, SLICE("")), 1);
    ck_assert_int_eq(statsd_pool(config, SLICE("web")), -1);
    config = two_pools(MEASURE_PROXY, MEASURE_PROXY);
    ck_assert_int_eq(statsd_pool(config, SLICE("")), -1);
}
END_TEST

UNIT_MAIN("workers/statsd", what_gunicorn_sends_is_read, a_sample_rate_says_how_many_a_line_stands_for,
          tags_and_other_sections_are_passed_over, what_stands_before_the_name_is_the_prefix,
          a_packet_has_several_lines, what_is_no_count_or_time_that_can_be_is_bad,
          lines_add_up_to_requests_and_the_time_that_they_took, durations_alone_count_as_requests_too,
          an_app_is_quiet_only_when_nothing_has_ended_for_much_longer_than_requests_take,
          a_prefix_names_the_pool, without_a_prefix_it_is_the_only_pool_that_is_measured_so)
