/* SPDX-License-Identifier: MIT
 *
 * The page of a drover that is made by hand: what it says, and that it says all of it. */
#include "tests/unit/admin/fixture.h"

#include "admin/metrics.h"

static char *page;

static void scrape(enum metrics_format format)
{
    mem_free(page);
    page = metrics_page(&drover.source, format);
}

/* A whole line of the page. */
static bool says(const char *line)
{
    size_t size = strlen(line);

    for (const char *at = page; (at = strstr(at, line)); at++)
        if ((at == page || at[-1] == '\n') && at[size] == '\n')
            return true;
    return false;
}

#define SAYS(line) ck_assert_msg(says(line), "no '%s' in\n%s", line, page)

static void open_page(void)
{
    drover_init();
}

static void close_page(void)
{
    mem_free(page);
    page = NULL;
    drover_fini();
}

START_TEST(every_counter_of_the_loops_is_there_summed)
{
    uint64_t value = 1000;

    open_page();
#define X(name)                                                                                              \
    drover.proxy_objects[0].counters.name = value++;                                                         \
    drover.proxy_objects[1].counters.name = 1000000;
    PROXY_COUNTERS(X)
#undef X
    scrape(METRICS_TEXT);
    for (uint64_t wanted = 1000; wanted < value; wanted++) {
        char end[32];
        str_format(end, sizeof end, " %llu\n", (unsigned long long)wanted + 1000000);
        const char *at = strstr(page, end);
        ck_assert_msg(at && !strstr(at + 1, end), "%s once", end);
    }
    close_page();
}
END_TEST

START_TEST(refusals_have_a_word_each)
{
    open_page();
    drover.proxy_objects[0].counters.queue_full = 3;
    drover.proxy_objects[0].counters.queue_timeout = 4;
    drover.proxy_objects[1].counters.no_worker = 5;
    scrape(METRICS_TEXT);
    SAYS("# TYPE drover_refused_total counter");
    SAYS("drover_refused_total{reason=\"queue_full\"} 3");
    SAYS("drover_refused_total{reason=\"queue_timeout\"} 4");
    SAYS("drover_refused_total{reason=\"no_worker\"} 5");
    close_page();
}
END_TEST

START_TEST(request_times_add_up_over_the_loops)
{
    open_page();
    histogram_add(&drover.proxy_objects[0].latency, 900);
    histogram_add(&drover.proxy_objects[1].latency, 200000);
    histogram_add(&drover.proxy_objects[1].latency, 90000000);
    scrape(METRICS_OPENMETRICS);
    SAYS("# TYPE drover_request_duration_seconds histogram");
    SAYS("drover_request_duration_seconds_bucket{le=\"0.001\"} 1");
    SAYS("drover_request_duration_seconds_bucket{le=\"0.1\"} 1");
    SAYS("drover_request_duration_seconds_bucket{le=\"0.25\"} 2");
    SAYS("drover_request_duration_seconds_bucket{le=\"60.0\"} 2");
    SAYS("drover_request_duration_seconds_bucket{le=\"+Inf\"} 3");
    SAYS("drover_request_duration_seconds_count 3");
    SAYS("drover_request_duration_seconds_sum 90.200900");
    ck_assert_str_eq(page + strlen(page) - 6, "# EOF\n");
    close_page();
}
END_TEST

START_TEST(pools_say_what_they_want_and_have)
{
    open_page();
    lose_worker(2, WORKER_BACKOFF);
    drover.slots->counts[drover.workers[0]->slot] = 3 | (uint64_t)2 << 16;
    drover.slots->counts[drover.workers[2]->slot] = (uint64_t)4 << 32 | (uint64_t)1 << 48;
    drover.server_is_fit[1] = false;
    drover.fleet.counters = (struct fleet_counters){.starts = 5, .crashes = 2, .failed_starts = 1};
    drover.fleet.tally_count = 1;
    drover.fleet.tallies[0] = (struct fleet_tally){DECISION_SIZE, "by hand", 7};
    scrape(METRICS_TEXT);
    SAYS("drover_pool_status{pool=\"web\",status=\"degraded\"} 1");
    SAYS("drover_pool_status{pool=\"web\",status=\"healthy\"} 0");
    SAYS("drover_pool_workers{pool=\"web\",state=\"healthy\"} 2");
    SAYS("drover_pool_workers{pool=\"web\",state=\"backoff\"} 1");
    SAYS("drover_pool_workers{pool=\"legacy\",state=\"ejected\"} 1");
    SAYS("drover_pool_workers_wanted{pool=\"web\"} 3");
    SAYS("drover_pool_workers_ready{pool=\"web\"} 2");
    SAYS("drover_pool_requests_in_flight{pool=\"web\"} 7");
    SAYS("drover_pool_tunnels{pool=\"web\"} 3");
    SAYS("drover_pool_requests_in_flight{pool=\"legacy\"} 0");
    SAYS("drover_pool_worker_starts_total{pool=\"web\"} 5");
    SAYS("drover_pool_worker_crashes_total{pool=\"web\"} 2");
    SAYS("drover_pool_worker_failed_starts_total{pool=\"web\"} 1");
    SAYS("drover_pool_decisions_total{pool=\"web\",kind=\"size\",why=\"by hand\"} 7");
    ck_assert_ptr_null(strstr(page, "worker_starts_total{pool=\"legacy\"}"));
    close_page();
}
END_TEST

START_TEST(workers_and_servers_have_their_own_lines)
{
    open_page();
    lose_worker(2, WORKER_BACKOFF);
    drover.slots->counts[drover.workers[0]->slot] = 3 | (uint64_t)2 << 16;
    scrape(METRICS_TEXT);
    SAYS("drover_worker_up{pool=\"web\",worker=\"web.1\"} 1");
    SAYS("drover_worker_up{pool=\"web\",worker=\"web.2\"} 0");
    SAYS("drover_worker_up{pool=\"legacy\",worker=\"legacy.2\"} 1");
    SAYS("drover_worker_requests_in_flight{pool=\"web\",worker=\"web.1\"} 3");
    SAYS("drover_worker_tunnels{pool=\"web\",worker=\"web.1\"} 2");
    SAYS("drover_worker_requests_total{pool=\"web\",worker=\"web.3\"} 300");
    SAYS("drover_worker_memory_bytes{pool=\"web\",worker=\"web.3\"} 52428800");
    ck_assert_ptr_null(strstr(page, "memory_bytes{pool=\"web\",worker=\"web.2\"}"));
    ck_assert_ptr_null(strstr(page, "memory_bytes{pool=\"legacy\""));
    close_page();
}
END_TEST

START_TEST(what_came_by_statsd_is_told_where_it_is_on)
{
    open_page();
    scrape(METRICS_TEXT);
    ck_assert_ptr_null(strstr(page, "statsd"));
    drover.source.statsd = (struct admin_statsd){.is_on = true, .lines = 10, .unreadable = 2, .nobodys = 3};
    scrape(METRICS_TEXT);
    SAYS("drover_statsd_lines_total{outcome=\"read\"} 5");
    SAYS("drover_statsd_lines_total{outcome=\"unreadable\"} 2");
    SAYS("drover_statsd_lines_total{outcome=\"nobodys\"} 3");
    close_page();
}
END_TEST

START_TEST(background_pools_have_no_lines_about_requests)
{
    open_page();
    drover.pool_configs[0].is_background = true;
    scrape(METRICS_TEXT);
    SAYS("drover_pool_workers_wanted{pool=\"web\"} 3");
    SAYS("drover_pool_worker_crashes_total{pool=\"web\"} 0");
    SAYS("drover_worker_up{pool=\"web\",worker=\"web.1\"} 1");
    SAYS("drover_worker_memory_bytes{pool=\"web\",worker=\"web.1\"} 52428800");
    SAYS("drover_worker_requests_total{pool=\"legacy\",worker=\"legacy.1\"} 0");
    ck_assert_ptr_null(strstr(page, "requests_total{pool=\"web\""));
    ck_assert_ptr_null(strstr(page, "in_flight{pool=\"web\""));
    ck_assert_ptr_null(strstr(page, "queued{pool=\"web\""));
    close_page();
}
END_TEST

START_TEST(drover_itself_and_its_process_are_told)
{
    open_page();
    drover.slots->engine_starts = 3;
    drover.slots->engines[1].connections = 12;
    scrape(METRICS_TEXT);
    SAYS("drover_build_info{version=\"0.1.0\"} 1");
    SAYS("drover_engine_restarts_total 2");
    SAYS("drover_connections 12");
    SAYS("drover_ready 1");
    SAYS("drover_threads 2");
    ck_assert_ptr_nonnull(strstr(page, "\nprocess_cpu_seconds_total "));
    ck_assert_ptr_nonnull(strstr(page, "\nprocess_resident_memory_bytes "));
    ck_assert_ptr_nonnull(strstr(page, "\nprocess_open_fds "));
    drover.source.is_stopping = true;
    scrape(METRICS_TEXT);
    SAYS("drover_ready 0");
    close_page();
}
END_TEST

UNIT_MAIN("admin/metrics", every_counter_of_the_loops_is_there_summed, refusals_have_a_word_each,
          request_times_add_up_over_the_loops, pools_say_what_they_want_and_have,
          workers_and_servers_have_their_own_lines, what_came_by_statsd_is_told_where_it_is_on,
          drover_itself_and_its_process_are_told, background_pools_have_no_lines_about_requests)
