/* SPDX-License-Identifier: MIT
 *
 * Pools that take no requests, and the order of pools. */
#include "tests/unit/config/fixture.h"

#define JOBS(...)                                                                                            \
    "pools: {web: {command: sh $PORT}, jobs: {kind: background, command: sh, " __VA_ARGS__ "}}\n"
#define ONLY_PROXIED ": is only for pools that take requests; this one is 'kind: background'\n"

static void must_say_all(const char *const rows[][2], size_t count)
{
    quiet_environment();
    for (size_t i = 0; i < count; i++)
        must_say(rows[i][0], rows[i][1]);
}

START_TEST(a_background_pool_has_a_command_a_count_and_no_address)
{
    quiet_environment();
    struct config *config = load(JOBS("workers: 3, environment: {A: b}, stop: {timeout: 5m}, start: "
                                      "{backoff: 1s}, recycle: {age: 1h}, memory: {worker: 1g}"));
    const struct pool_config *jobs = &config->pools[1];

    ck_assert(jobs->is_background && !config->pools[0].is_background);
    ck_assert_int_eq(jobs->bind, BIND_NONE);
    ck_assert_uint_eq(jobs->workers, 3);
    ck_assert_uint_eq(jobs->workers_min, 3);
    ck_assert_uint_eq(jobs->start_settle, 1000);
    ck_assert_uint_eq(jobs->stop_timeout, 300000);
    config_unref(&config);
    config = load(JOBS());
    ck_assert_uint_eq(config->pools[1].workers, 1);
    config_unref(&config);
}
END_TEST

START_TEST(what_is_about_requests_is_refused_there)
{
    static const char *const rows[][2] = {
        {JOBS("probe: {path: /x}"), "t.yaml:1:73: pools.jobs.probe" ONLY_PROXIED},
        {JOBS("queue: {length: 1}, balance: hash"),
         "t.yaml:1:73: pools.jobs.queue" ONLY_PROXIED "t.yaml:1:93: pools.jobs.balance" ONLY_PROXIED},
        {JOBS("concurrency: 4, buffering: on, retries: 1"),
         "t.yaml:1:73: pools.jobs.concurrency" ONLY_PROXIED "t.yaml:1:89: pools.jobs.buffering" ONLY_PROXIED
         "t.yaml:1:104: pools.jobs.retries" ONLY_PROXIED},
        {JOBS("recycle: {requests: 9}"), "t.yaml:1:83: pools.jobs.recycle.requests" ONLY_PROXIED},
        {JOBS("bind: unix, port: 9000"),
         "t.yaml:1:73: pools.jobs.bind" ONLY_PROXIED "t.yaml:1:85: pools.jobs.port" ONLY_PROXIED},
        {JOBS("start: {timeout: 3s}"), "t.yaml:1:81: pools.jobs.start.timeout" ONLY_PROXIED},
        {JOBS("scale: {}, target: {p95: 1s}"),
         "t.yaml:1:73: pools.jobs.scale" ONLY_PROXIED "t.yaml:1:84: pools.jobs.target" ONLY_PROXIED},
        {JOBS("workers: auto"), "t.yaml:1:82: pools.jobs.workers: expected a count, as no requests come that "
                                "tell how many are needed, got 'auto'\n"},
        {JOBS("workers: {min: 1, max: 2}"), "t.yaml:1:82: pools.jobs.workers: expected a count, as no "
                                            "requests come that tell how many are needed, "
                                            "got a range\n"},
        {JOBS("environment: {A: $SOCKET}"), "t.yaml:1:60: pools.jobs.command: expected no $SOCKET: the "
                                            "workers of a background pool have none to "
                                            "listen on\n"},
        {"pools: {jobs: {kind: background, servers: [b:1]}}\n",
         "t.yaml:1:34: pools.jobs.servers: expected a 'command', as the pool is 'kind: background'\n"},
        {"pools: {jobs: {kind: background}}\n", "t.yaml:1:9: pools.jobs: expected a 'command', got none\n"},
        {"pools: {jobs: {kind: cron, command: sh}}\n",
         "t.yaml:1:22: pools.jobs.kind: expected proxied or background, got 'cron'\n"},
        {"pools: {web: {command: sh $PORT, start: {settle: 1s}}}\n",
         "t.yaml:1:42: pools.web.start.settle: is only for pools with 'kind: background'\n"},
        {"routes: [{pool: jobs}]\n" JOBS(),
         "t.yaml:1:10: routes[0]: expected a pool that takes requests, 'jobs' is 'kind: background'\n"},
    };
    must_say_all(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(requests_go_to_the_first_pool_that_takes_them)
{
    quiet_environment();
    setenv("WEB_CONCURRENCY", "7", 1);
    struct config *config =
        load("pools: {clock: {kind: background, command: sh}, web: {command: sh $PORT}, b: "
             "{command: sh $PORT}}\n");

    ck_assert_uint_eq(config->route_count, 1);
    ck_assert_uint_eq(config->routes[0].pool, 1);
    ck_assert_uint_eq(config->pools[0].workers, 1);
    ck_assert_uint_eq(config->pools[1].workers, 7);
    ck_assert_uint_eq(config->listen_count, 1);
    config_unref(&config);
    quiet_environment();
}
END_TEST

START_TEST(with_background_pools_alone_nothing_is_listened_on_unless_the_file_says_so)
{
    quiet_environment();
    setenv("PORT", "81", 1);
    struct config *config = load("pools: {clock: {kind: background, command: sh}}\n");

    ck_assert_uint_eq(config->listen_count, 0);
    ck_assert_uint_eq(config->route_count, 0);
    config_unref(&config);
    quiet_environment();
    char *said =
        warnings_of("user: root\nlisten: [127.0.0.1:81, {address: 127.0.0.1:82, expose: [/health/live]}]\n"
                    "pools: {clock: {kind: background, command: sh}}\n");
    ck_assert_ptr_nonnull(strstr(
        said,
        "t.yaml:2:9: warning: listen: no pool answers at '127.0.0.1:81': all are 'kind: background'\n"));
    ck_assert_ptr_null(strstr(said, "127.0.0.1:82"));
    ck_assert_ptr_null(strstr(said, "no route"));
    mem_free(said);
}
END_TEST

START_TEST(after_names_pools_and_what_these_come_after)
{
    quiet_environment();
    struct config *config = load(
        "pools: {a: {command: sh $PORT, after: b}, b: {kind: background, command: sh, after: [c, d]}, c: "
        "{kind: background, command: sh}, d: {command: sh $PORT, after: [c]}}\n");

    ck_assert_uint_eq(config->pools[0].after, 2);
    ck_assert_uint_eq(config->pools[0].after_all, 2 + 4 + 8);
    ck_assert_uint_eq(config->pools[1].after, 4 + 8);
    ck_assert_uint_eq(config->pools[1].after_all, 4 + 8);
    ck_assert_uint_eq(config->pools[2].after_all, 0);
    ck_assert_uint_eq(config->pools[3].after_all, 4);
    config_unref(&config);
}
END_TEST

START_TEST(an_order_that_cannot_be_is_refused)
{
    static const char *const rows[][2] = {
        {JOBS("after: [web, cake]"),
         "t.yaml:1:86: pools.jobs.after[1]: expected the name of another pool, got 'cake'\n"},
        {JOBS("after: jobs"),
         "t.yaml:1:80: pools.jobs.after: expected the name of another pool, got 'jobs'\n"},
        {JOBS("after: {web: 1}"),
         "t.yaml:1:80: pools.jobs.after: expected the names of other pools, got a map\n"},
        {JOBS("after: "), "t.yaml:1:80: pools.jobs.after: expected the names of other pools, got nothing\n"},
        {"pools: {a: {servers: [x:1]}, b: {command: sh $PORT, after: a}}\n",
         "t.yaml:1:60: pools.b.after: expected a pool with a 'command', 'a' has none\n"},
        {"pools: {a: {servers: [x:1], after: b}, b: {command: sh $PORT}}\n",
         "t.yaml:1:29: pools.a.after: is only for pools with a 'command'; this one has 'servers'\n"},
        {"pools:\n  a: {command: sh $PORT, after: c}\n  b: {command: sh $PORT, after: a}\n"
         "  c: {command: sh $PORT, after: [b]}\n  d: {command: sh $PORT, after: a}\n",
         "t.yaml:2:26: pools.a.after: expected no circle: 'c' comes after 'a' itself\n"
         "t.yaml:3:26: pools.b.after: expected no circle: 'a' comes after 'b' itself\n"
         "t.yaml:4:26: pools.c.after: expected no circle: 'b' comes after 'c' itself\n"},
    };
    must_say_all(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(another_kind_is_another_worker)
{
    quiet_environment();
    struct config *a = load("pools: {jobs: {command: sh}}\n"),
                  *b = load("pools: {jobs: {kind: background, command: sh}}\n");

    ck_assert(!config_same_worker(&a->pools[0], &b->pools[0]));
    config_unref(&a);
    config_unref(&b);
}
END_TEST

UNIT_MAIN("config/background", a_background_pool_has_a_command_a_count_and_no_address,
          what_is_about_requests_is_refused_there, requests_go_to_the_first_pool_that_takes_them,
          with_background_pools_alone_nothing_is_listened_on_unless_the_file_says_so,
          after_names_pools_and_what_these_come_after, an_order_that_cannot_be_is_refused,
          another_kind_is_another_worker)
