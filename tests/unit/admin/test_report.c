/* SPDX-License-Identifier: MIT */
#include <signal.h>

#include "tests/unit/admin/fixture.h"

#include "admin/report.h"

#include <signal.h>

static unsigned http_status;

static json_t *health(void)
{
    return report_health(&drover.source, false, &http_status);
}

/* The value at a path of keys and numbers: "pools/web/workers/0/name". */
static json_t *at(json_t *tree, const char *path)
{
    char copy[128], *rest = copy;

    str_format(copy, sizeof copy, "%s", path);
    for (char *step; tree && (step = strsep(&rest, "/"));)
        tree = json_is_array(tree) ? json_array_get(tree, (size_t)atoi(step)) : json_object_get(tree, step);
    return tree;
}

static const char *text_at(json_t *tree, const char *path)
{
    const char *text = json_string_value(at(tree, path));

    return text ? text : "(none)";
}

static long long number_at(json_t *tree, const char *path)
{
    json_t *number = at(tree, path);

    ck_assert_msg(json_is_integer(number), "%s is no integer", path);
    return (long long)json_integer_value(number);
}

/* One field of /health/worker after something happened. The tree lives until the next call. */
static const char *status_at(const char *path)
{
    static json_t *tree;

    json_decref(tree);
    tree = health();
    return text_at(tree, path);
}

START_TEST(the_tree_has_exactly_what_the_contract_shows)
{
    static const char *const top[] = {"status", "worker_id", "uptime", "active_connections", "pools"};
    static const char *const pool[] = {"status", "wanted", "ready", "queued", "workers"};
    static const char *const worker[] = {"name",     "worker_id", "address",
                                         "status",   "uptime",    "active_connections",
                                         "requests", "fails",     "memory"};
    drover_init();
    json_t *tree = health();

    ck_assert_uint_eq(http_status, 200);
    ck_assert_uint_eq(json_object_size(tree), sizeof top / sizeof top[0]);
    for (size_t i = 0; i < sizeof top / sizeof top[0]; i++)
        ck_assert_ptr_nonnull(json_object_get(tree, top[i]));
    json_t *web = at(tree, "pools/web");
    ck_assert_uint_eq(json_object_size(web), sizeof pool / sizeof pool[0]);
    for (size_t i = 0; i < sizeof pool / sizeof pool[0]; i++)
        ck_assert_ptr_nonnull(json_object_get(web, pool[i]));
    json_t *first = at(web, "workers/0");
    ck_assert_uint_eq(json_object_size(first), sizeof worker / sizeof worker[0]);
    for (size_t i = 0; i < sizeof worker / sizeof worker[0]; i++)
        ck_assert_ptr_nonnull(json_object_get(first, worker[i]));
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(the_numbers_are_those_of_the_slot)
{
    drover_init();
    atomic_store(&drover.slots->counts[drover.workers[1]->slot], 3u | 2u << 16);
    atomic_store(&drover.slots->engines[0].connections, 12);
    json_t *tree = health();

    ck_assert_int_eq(number_at(tree, "active_connections"), 12);
    ck_assert_str_eq(text_at(tree, "pools/web/workers/1/name"), "web.2");
    ck_assert_int_eq(number_at(tree, "pools/web/workers/1/worker_id"), 4712);
    ck_assert_str_eq(text_at(tree, "pools/web/workers/1/address"), "127.0.0.1:8002");
    ck_assert_int_eq(number_at(tree, "pools/web/workers/1/active_connections"), 5);
    ck_assert_int_eq(number_at(tree, "pools/web/workers/1/requests"), 200);
    ck_assert_int_eq(number_at(tree, "pools/web/workers/1/memory"), 52428800);
    double uptime = json_real_value(at(tree, "pools/web/workers/1/uptime"));
    ck_assert(uptime >= 3 && uptime < 60);
    ck_assert(json_real_value(at(tree, "uptime")) >= 5);
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(of_a_worker_with_workers_of_its_own_those_are_counted)
{
    drover_init();
    drover.pool_configs[0].signal_up = SIGTTIN;
    drover.fleet.wanted = 5;
    atomic_store(&drover.slots->slot[drover.workers[0]->slot].children, 4); /* three */
    for (unsigned number = 2; number <= WORKERS; number++)
        lose_worker(number, WORKER_ABSENT);
    json_t *tree = health();
    ck_assert_int_eq(number_at(tree, "pools/web/ready"), 3);
    ck_assert_int_eq(number_at(tree, "pools/web/workers/0/children"), 3);
    ck_assert_str_eq(text_at(tree, "pools/web/status"), "degraded");
    json_decref(tree);
    atomic_store(&drover.slots->slot[drover.workers[0]->slot].children, 6);
    ck_assert_str_eq(status_at("pools/web/status"), "healthy");
    drover_fini();
}
END_TEST

START_TEST(a_pool_that_misses_some_is_degraded_and_serves)
{
    drover_init();
    lose_worker(2, WORKER_BACKOFF);
    ck_assert_str_eq(status_at("pools/web/workers/1/status"), "backoff");
    ck_assert_str_eq(status_at("pools/web/status"), "degraded");
    ck_assert_str_eq(status_at("status"), "degraded");
    ck_assert_uint_eq(http_status, 200);
    drover_fini();
}
END_TEST

START_TEST(a_pool_without_a_healthy_worker_is_down_and_503)
{
    drover_init();
    for (unsigned i = 1; i <= WORKERS; i++)
        lose_worker(i, i == 1 ? WORKER_STARTING : WORKER_BACKOFF);
    ck_assert_str_eq(status_at("pools/web/workers/0/status"), "starting");
    ck_assert_str_eq(status_at("pools/web/status"), "down");
    ck_assert_str_eq(status_at("status"), "down");
    ck_assert_uint_eq(http_status, 503);
    drover_fini();
}
END_TEST

START_TEST(a_pool_at_zero_on_purpose_is_idle_and_fine)
{
    drover_init();
    for (unsigned i = 1; i <= WORKERS; i++)
        lose_worker(i, WORKER_ABSENT);
    drover.fleet.wanted = 0;
    ck_assert_str_eq(status_at("pools/web/status"), "idle");
    ck_assert_str_eq(status_at("status"), "healthy");
    ck_assert_uint_eq(http_status, 200);
    drover_fini();
}
END_TEST

START_TEST(retiring_workers_are_shown_and_not_counted_as_ready)
{
    drover_init();
    lose_worker(1, WORKER_DRAINING);
    lose_worker(2, WORKER_STOPPING);
    drover.fleet.wanted = 1;
    ck_assert_str_eq(status_at("pools/web/workers/0/status"), "draining");
    ck_assert_str_eq(status_at("pools/web/workers/1/status"), "stopping");
    ck_assert_str_eq(status_at("pools/web/status"), "healthy");
    drover_fini();
}
END_TEST

START_TEST(an_ejected_worker_is_named_so)
{
    drover_init();
    atomic_store(&drover.workers[2]->ejected_until_us, UINT64_MAX);
    ck_assert_str_eq(status_at("pools/web/workers/2/status"), "ejected");
    ck_assert_str_eq(status_at("pools/web/status"), "degraded");
    drover_fini();
}
END_TEST

START_TEST(a_healthy_worker_that_probes_took_out_is_ejected)
{
    drover_init();
    lose_worker(3, WORKER_HEALTHY);
    ck_assert_str_eq(status_at("pools/web/workers/2/status"), "ejected");
    drover_fini();
}
END_TEST

START_TEST(servers_have_no_process)
{
    drover_init();
    drover.server_is_fit[1] = false;
    json_t *tree = health();

    ck_assert_str_eq(text_at(tree, "pools/legacy/workers/0/status"), "healthy");
    ck_assert_str_eq(text_at(tree, "pools/legacy/workers/1/status"), "ejected");
    ck_assert_str_eq(text_at(tree, "pools/legacy/status"), "degraded");
    ck_assert_str_eq(text_at(tree, "pools/legacy/workers/0/address"), "127.0.0.1:7001");
    ck_assert_ptr_null(at(tree, "pools/legacy/workers/0/worker_id"));
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(a_server_whose_name_does_not_resolve_is_missing)
{
    drover_init();
    drover.pools[1].server_count = 0;
    ck_assert_str_eq(status_at("pools/legacy/status"), "down");
    ck_assert_uint_eq(http_status, 503);
    drover_fini();
}
END_TEST

static char *page(const char *path, bool is_public)
{
    return report_page(&drover.source, path, is_public, &http_status);
}

static void put_output(unsigned number, const char *text)
{
    struct slot *slot = worker_slot(number);

    memcpy(slot->output, text, strlen(text));
    atomic_store(&slot->output_size, (uint32_t)strlen(text));
}

START_TEST(the_public_pages_leave_out_processes_addresses_and_output)
{
    static const char *const paths[] = {"/health/worker", "/health/worker/web.1", "/health/ready",
                                        "/health/live"};
    drover_init();
    put_output(1, "a secret\n");

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char *text = page(paths[i], true);
        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_null(strstr(text, "worker_id"));
        ck_assert_ptr_null(strstr(text, "127.0.0.1"));
        ck_assert_ptr_null(strstr(text, "secret"));
        ck_assert_ptr_null(strstr(text, "471"));
        mem_free(text);
    }
    ck_assert_ptr_null(page("/api/status", true));
    drover_fini();
}
END_TEST

START_TEST(a_workers_page_has_its_last_lines_and_its_last_end)
{
    char lines[1024], *cut = lines;
    drover_init();
    for (unsigned i = 1; i <= 25; i++)
        cut += sprintf(cut, "line %u\n", i);
    put_output(2, lines);
    worker_slot(2)->generation = 3;
    worker_slot(2)->exit_status = 9; /* as waitpid tells of SIGKILL */
    char *text = page("/health/worker/web.2", false);

    ck_assert_uint_eq(http_status, 200);
    ck_assert_ptr_nonnull(strstr(text, "\"ended by signal 9 (KILL)\""));
    ck_assert_ptr_nonnull(strstr(text, "\"line 25\""));
    ck_assert_ptr_nonnull(strstr(text, "\"line 6\""));
    ck_assert_ptr_null(strstr(text, "\"line 5\""));
    mem_free(text);
    drover_fini();
}
END_TEST

START_TEST(a_worker_that_never_ended_has_no_last_end)
{
    drover_init();
    char *text = page("/health/worker/web.1", false);

    ck_assert_ptr_nonnull(strstr(text, "\"last_exit\": null"));
    mem_free(text);
    drover_fini();
}
END_TEST

START_TEST(output_that_is_no_text_is_shown_as_well_as_can_be)
{
    drover_init();
    put_output(1, "good\nbad \xff\xfe byte\n\033[2J\n");
    char *text = page("/health/worker/web.1", false);
    json_t *tree = json_loads(text, 0, NULL);

    ck_assert_ptr_nonnull(tree);
    ck_assert_str_eq(text_at(tree, "output/0"), "good");
    ck_assert_ptr_nonnull(strstr(text_at(tree, "output/1"), " byte"));
    ck_assert_ptr_null(strchr(text, '\033'));
    json_decref(tree);
    mem_free(text);
    drover_fini();
}
END_TEST

START_TEST(an_output_size_that_cannot_be_is_no_harm)
{
    drover_init();
    atomic_store(&worker_slot(1)->output_size, UINT32_MAX);
    memset(worker_slot(1)->output, 'x', SLOT_OUTPUT_MAX);
    mem_free(page("/health/worker/web.1", false));
    drover_fini();
}
END_TEST

START_TEST(there_is_no_page_for_a_worker_that_is_not_there)
{
    drover_init();
    ck_assert_ptr_null(page("/health/worker/web.9", false));
    ck_assert_ptr_null(page("/health/worker/", false));
    ck_assert_ptr_null(page("/health", false));
    ck_assert_ptr_null(page("/", false));
    drover_fini();
}
END_TEST

static void expect_ready(unsigned status, const char *why)
{
    char *text = page("/health/ready", false);

    ck_assert_uint_eq(http_status, status);
    ck_assert_msg(!why || strstr(text, why), "%s", text);
    mem_free(text);
}

START_TEST(ready_means_open_not_stopping_and_one_pool_that_serves)
{
    drover_init();
    expect_ready(200, "ready");
    drover.source.is_ready = false;
    expect_ready(503, "starting");
    drover.source.is_ready = true;
    drover.source.is_stopping = true;
    expect_ready(503, "stopping");
    drover.source.is_stopping = false;
    for (unsigned i = 1; i <= WORKERS; i++)
        lose_worker(i, WORKER_BACKOFF);
    expect_ready(200, NULL); /* legacy still serves */
    drover.server_is_fit[0] = drover.server_is_fit[1] = false;
    expect_ready(503, "no pool has a healthy worker");
    drover_fini();
}
END_TEST

START_TEST(a_background_pool_is_healthy_without_an_address_and_answers_nothing)
{
    drover_init();
    drover.pool_configs[0].is_background = true;
    drover.server_is_fit[0] = drover.server_is_fit[1] = false;
    for (unsigned i = 1; i <= WORKERS; i++)
        lose_worker(i, WORKER_HEALTHY); /* no backend */
    json_t *tree = health();
    ck_assert_str_eq(text_at(tree, "pools/web/status"), "healthy");
    ck_assert_str_eq(text_at(tree, "pools/web/kind"), "background");
    ck_assert_ptr_null(at(tree, "pools/web/queued"));
    ck_assert_str_eq(text_at(tree, "pools/web/workers/0/status"), "healthy");
    json_decref(tree);
    expect_ready(503, "no pool has a healthy worker"); /* of those that answer */
    drover.pool_configs[1].is_background = true;
    expect_ready(200, "ready");
    drover_fini();
}
END_TEST

START_TEST(one_that_finishes_before_the_next_is_degraded_and_one_that_waits_tells_for_whom)
{
    drover_init();
    drover.pool_configs[0].is_background = true;
    for (unsigned i = 1; i <= WORKERS; i++)
        lose_worker(i, WORKER_BACKOFF);
    ck_assert_str_eq(status_at("pools/web/status"), "down");
    lose_worker(2, WORKER_STOPPING);
    ck_assert_str_eq(status_at("pools/web/status"), "degraded");
    drover.fleet.is_held = true;
    drover.pool_configs[0].after = 1; /* itself: the only fleet there is here */
    ck_assert_str_eq(status_at("pools/web/waits_for/0"), "web");
    drover.fleet.is_up = true;
    ck_assert_str_eq(status_at("pools/web/waits_for/0"), "(none)");
    drover_fini();
}
END_TEST

START_TEST(live_is_always_good)
{
    drover_init();
    drover.source.is_stopping = true;
    mem_free(page("/health/live", false));
    ck_assert_uint_eq(http_status, 200);
    drover_fini();
}
END_TEST

START_TEST(the_status_adds_counters_of_all_loops_and_places)
{
    drover_init();
    drover.proxy_objects[0].counters.requests = 5;
    drover.proxy_objects[1].counters.requests = 7;
    drover.fleet.is_overridden = true;
    atomic_store(&drover.slots->counts[drover.workers[0]->slot], 3u | 2u << 16);
    json_t *tree = status_tree(&drover.source, &http_status);

    ck_assert_int_eq(number_at(tree, "counters/requests"), 12);
    ck_assert_str_eq(text_at(tree, "version"), "0.1.0");
    ck_assert_str_eq(text_at(tree, "config"), "/srv/shop/drover.yaml");
    ck_assert_str_eq(text_at(tree, "listeners/0/address"), "0.0.0.0:8000");
    ck_assert_str_eq(text_at(tree, "listeners/0/expose/0"), "/health/worker");
    ck_assert(json_is_true(at(tree, "pools/web/overridden")));
    ck_assert_int_eq(number_at(tree, "pools/web/workers/0/requests_in_flight"), 3);
    ck_assert_int_eq(number_at(tree, "pools/web/workers/0/tunnels"), 2);
    ck_assert_ptr_null(at(tree, "pools/web/workers/0/output"));
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(the_status_tells_why_a_worker_does_not_run)
{
    drover_init();
    lose_worker(1, WORKER_BACKOFF);
    worker_slot(1)->crashes = 4;
    worker_slot(1)->exit_status = 3 << 8;
    put_output(1, "ImportError: app\n");
    json_t *tree = status_tree(&drover.source, &http_status);

    ck_assert_str_eq(text_at(tree, "pools/web/workers/0/last_exit"), "exited with status 3");
    ck_assert_str_eq(text_at(tree, "pools/web/workers/0/output/0"), "ImportError: app");
    ck_assert_int_eq(number_at(tree, "pools/web/workers/0/crashes"), 4);
    ck_assert(json_is_null(at(tree, "pools/web/workers/0/worker_id")));
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(the_status_names_a_kill_for_memory_and_what_memory_holds_back)
{
    drover_init();
    lose_worker(1, WORKER_BACKOFF);
    worker_slot(1)->exit_status = SIGKILL;
    worker_slot(1)->exit_reason = ENDING_MEMORY;
    worker_slot(1)->exit_memory = 512u << 20;
    drover.fleet.memory_note = "at most 2";
    json_t *tree = status_tree(&drover.source, &http_status);

    ck_assert_str_eq(text_at(tree, "pools/web/workers/0/last_exit"), "killed for memory at 512m");
    ck_assert_str_eq(text_at(tree, "pools/web/memory_note"), "at most 2");
    json_decref(tree);
    tree = report_health(&drover.source, true, &http_status);
    ck_assert_ptr_null(at(tree, "pools/web/memory_note"));
    json_decref(tree);
    drover_fini();
}
END_TEST

START_TEST(decisions_are_shown_in_the_order_of_their_time_with_their_numbers)
{
    drover_init();
    drover.fleet.decisions[0] = (struct fleet_decision){.wall_us = 1700000000123000,
                                                        .before = 1,
                                                        .wanted = 4,
                                                        .why = "burst",
                                                        .is_measured = true,
                                                        .rate = 50.5};
    drover.fleet.decisions[1] =
        (struct fleet_decision){.wall_us = 1700000001000000, .before = 4, .wanted = 2, .why = "by hand"};
    drover.fleet.decision_count = 2;
    char *page = report_page(&drover.source, "/api/decisions", false, &http_status);
    json_t *tree = json_loads(page, 0, NULL);
    ck_assert_uint_eq(http_status, 200);
    ck_assert_uint_eq(json_array_size(at(tree, "decisions")), 2);
    ck_assert_str_eq(text_at(tree, "decisions/0/at"), "2023-11-14T22:13:20.123Z");
    ck_assert_str_eq(text_at(tree, "decisions/0/reason"), "burst");
    ck_assert_int_eq(number_at(tree, "decisions/0/wanted"), 4);
    ck_assert_double_eq(json_real_value(at(tree, "decisions/0/rate")), 50.5);
    ck_assert_ptr_null(at(tree, "decisions/1/rate"));
    ck_assert_ptr_null(report_page(&drover.source, "/api/decisions", true, &http_status));
    mem_free(page);
    json_decref(tree);

    page = decisions_text(&drover.source, "web");
    ck_assert_str_eq(
        page, "2023-11-14T22:13:20.123Z web: 1 -> 4 (burst)\n2023-11-14T22:13:21.000Z web: 4 -> 2 (by hand)");
    mem_free(page);
    ck_assert_ptr_null(decisions_text(&drover.source, "nopool"));
    drover_fini();
}
END_TEST

UNIT_MAIN("admin/report", the_status_names_a_kill_for_memory_and_what_memory_holds_back,
          decisions_are_shown_in_the_order_of_their_time_with_their_numbers,
          the_tree_has_exactly_what_the_contract_shows, the_numbers_are_those_of_the_slot,
          of_a_worker_with_workers_of_its_own_those_are_counted,
          a_pool_that_misses_some_is_degraded_and_serves, a_pool_without_a_healthy_worker_is_down_and_503,
          a_pool_at_zero_on_purpose_is_idle_and_fine, retiring_workers_are_shown_and_not_counted_as_ready,
          an_ejected_worker_is_named_so, a_healthy_worker_that_probes_took_out_is_ejected,
          servers_have_no_process, a_server_whose_name_does_not_resolve_is_missing,
          the_public_pages_leave_out_processes_addresses_and_output,
          a_workers_page_has_its_last_lines_and_its_last_end, a_worker_that_never_ended_has_no_last_end,
          output_that_is_no_text_is_shown_as_well_as_can_be, an_output_size_that_cannot_be_is_no_harm,
          there_is_no_page_for_a_worker_that_is_not_there,
          ready_means_open_not_stopping_and_one_pool_that_serves, live_is_always_good,
          a_background_pool_is_healthy_without_an_address_and_answers_nothing,
          one_that_finishes_before_the_next_is_degraded_and_one_that_waits_tells_for_whom,
          the_status_adds_counters_of_all_loops_and_places, the_status_tells_why_a_worker_does_not_run)
