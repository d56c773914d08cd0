/* SPDX-License-Identifier: MIT */
#include "keeper/engines.h"

#include "tests/unit/keeper/fake_engine.h"

#define STUBBORN                                                                                             \
    "pools: {web: {command: [sh, -c, 'trap \"\" TERM; echo trapped; while :; do sleep 1; done'], bind: "     \
    "port, %s}}"

static void await_output(struct bench *bench)
{
    char line[512];

    do {
        tell(bench, "output 0");
        expect(bench, "output", line);
    } while (!strstr(line, "trapped"));
}

static struct bench *with_stubborn_worker(const char *timeouts, const char *stop)
{
    char pools[256];
    int slot;

    (void)snprintf(pools, sizeof pools, STUBBORN, stop);
    struct bench *bench = bench_new(timeouts, pools);
    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    await_output(bench);
    return bench;
}

START_TEST(a_worker_that_ignores_term_is_killed_after_its_stop_timeout)
{
    struct bench *bench = with_stubborn_worker("", "stop: {timeout: 300ms}");
    uint64_t before_ms = clock_ms();
    char *log;

    ck_assert_int_eq(bench_stop(bench, &log), 0);
    ck_assert_uint_ge(clock_ms() - before_ms, 300);
    ck_assert_uint_lt(clock_ms() - before_ms, 10000);
    ck_assert_ptr_nonnull(strstr(log, "has not ended in time: killing its group"));
    expect(bench, "exited 0 1 9", NULL);
    mem_free(log);
    bench_free(bench);
}
END_TEST

START_TEST(the_whole_stop_never_lasts_longer_than_the_shutdown_timeout)
{
    struct bench *bench = with_stubborn_worker("timeouts: {shutdown: 2s}", "stop: {timeout: 30s}");

    tell(bench, "keep busy"); /* the engine never says that it is drained */
    expect(bench, "did keep busy", NULL);
    uint64_t before_ms = clock_ms();
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    ck_assert_uint_lt(clock_ms() - before_ms, 3000);
    bench_free(bench);
}
END_TEST

START_TEST(an_engine_that_hangs_does_not_hold_the_stop)
{
    struct bench *bench = bench_new("timeouts: {shutdown: 2s}", SLEEPING);

    bench_start(bench);
    expect_engine(bench);
    tell(bench, "hang");
    uint64_t before_ms = clock_ms();
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    ck_assert_uint_lt(clock_ms() - before_ms, 3500);
    bench_free(bench);
}
END_TEST

START_TEST(a_second_signal_ends_it_now_and_is_a_failure_when_something_was_cut)
{
    struct bench *bench = with_stubborn_worker("timeouts: {shutdown: 60s}", "stop: {timeout: 60s}");

    tell(bench, "keep busy");
    expect(bench, "did keep busy", NULL);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    uint64_t before_ms = clock_ms();
    ck_assert_int_eq(kill(bench->keeper, SIGINT), 0);
    expect(bench, "stop now", NULL);
    ck_assert_int_eq(bench_wait(bench, NULL), 1);
    ck_assert_uint_lt(clock_ms() - before_ms, 3000);
    bench_free(bench);
}
END_TEST

START_TEST(a_second_signal_when_nothing_was_served_any_more_is_no_failure)
{
    struct bench *bench = with_stubborn_worker("timeouts: {shutdown: 60s}", "stop: {timeout: 60s}");

    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    tell(bench, "places"); /* the engine said that it is drained before it takes this */
    expect(bench, "places", NULL);
    poll(NULL, 0, 50); /* the keeper has no way to say that it read it */
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(nothing_is_accepted_while_it_stops)
{
    struct bench *bench = with_stubborn_worker("timeouts: {shutdown: 60s}", "stop: {timeout: 60s}");
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), bench->port));
    int fd = net_connect(&address);
    ck_assert_int_ge(fd, 0);
    net_close(&fd);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    tell(bench, "start web 2");                       /* and nothing is started */
    expect(bench, "failed 1 108", NULL);              /* ESHUTDOWN */
    ck_assert_int_eq(kill(bench->keeper, SIGHUP), 0); /* nor reloaded */
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    fd = net_listen(&address, 0, 1);
    ck_assert_int_ge(fd, 0);
    net_close(&fd);
    bench_free(bench);
}
END_TEST

START_TEST(the_control_socket_can_ask_for_the_end)
{
    struct bench *bench = bench_new("", SLEEPING);
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    tell(bench, "shutdown");
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(an_engine_that_dies_while_it_drains_is_not_replaced)
{
    struct bench *bench = bench_new("timeouts: {shutdown: 60s}", SLEEPING);
    int slot;

    bench_start(bench);
    pid_t engine = expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    tell(bench, "keep busy");
    expect(bench, "did keep busy", NULL);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    ck_assert_int_eq(kill(engine, SIGKILL), 0);
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(what_left_its_group_ends_too)
{
    struct bench *bench = bench_new(
        "", "pools: {web: {command: [sh, -c, 'setsid sleep 1000 & echo trapped $$!; wait'], bind: port}}");
    char line[512];
    int slot, child = 0;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    await_output(bench);
    tell(bench, "output 0");
    expect(bench, "output ", line);
    ck_assert_int_eq(sscanf(line, "output trapped %d", &child), 1);
    int watched = watch_process(child);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    await_end(watched);
    bench_free(bench);
}
END_TEST

#define ORDERED                                                                                              \
    "pools:\n  clock: {kind: background, command: sleep 1000}\n"                                             \
    "  web: {command: sleep 1000, bind: port, after: clock}\n"                                               \
    "  jobs: {kind: background, command: [sh, -c, %s], after: web, stop: {timeout: 60s}}\n"

static struct bench *with_three(const char *timeouts, const char *jobs)
{
    char pools[512];
    int slot;

    (void)snprintf(pools, sizeof pools, ORDERED, jobs);
    struct bench *bench = bench_new(timeouts, pools);
    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "jobs", 1, &slot);
    start_worker(bench, "web", 1, &slot);
    start_worker(bench, "clock", 1, &slot);
    return bench;
}

START_TEST(pools_end_before_those_that_they_come_after)
{
    struct bench *bench = with_three("timeouts: {shutdown: 60s}", "'sleep 1000'");

    tell(bench, "keep busy");
    expect(bench, "did keep busy", NULL);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    expect(bench, "exited 0 1 15", NULL); /* jobs: nobody's requests are waited for */
    tell(bench, "places");
    expect(bench, "places", NULL); /* web goes on, as the engine has not drained */
    tell(bench, "drained");
    expect(bench, "did drained", NULL);
    expect(bench, "exited 1 1 15", NULL); /* web */
    expect(bench, "exited 2 1 15", NULL); /* clock */
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(one_that_does_not_end_holds_up_the_others_for_half_of_their_time_only)
{
    struct bench *bench =
        with_three("timeouts: {shutdown: 4s}", "'trap \"\" TERM; while :; do sleep 1; done'");
    uint64_t before_ms = clock_ms();

    poll(NULL, 0, 200); /* for the trap */
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    expect(bench, "stop", NULL);
    expect(bench, "exited 1 1 15", NULL); /* web, with time to end by itself */
    ck_assert_uint_ge(clock_ms() - before_ms, 3300);
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    ck_assert_uint_lt(clock_ms() - before_ms, 6000);
    bench_free(bench);
}
END_TEST

START_TEST(a_storm_of_signals_ends_in_order)
{
    static const int storm[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH, SIGPIPE};
    struct bench *bench = bench_new("", SLEEPING);
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    for (unsigned i = 0; i < 300; i++)
        ck_assert_int_eq(kill(bench->keeper, storm[i % (sizeof storm / sizeof storm[0])]), 0);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    ck_assert_int_eq(bench_wait(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

UNIT_MAIN("keeper/stopping", a_worker_that_ignores_term_is_killed_after_its_stop_timeout,
          the_whole_stop_never_lasts_longer_than_the_shutdown_timeout,
          an_engine_that_hangs_does_not_hold_the_stop,
          a_second_signal_ends_it_now_and_is_a_failure_when_something_was_cut,
          a_second_signal_when_nothing_was_served_any_more_is_no_failure, nothing_is_accepted_while_it_stops,
          the_control_socket_can_ask_for_the_end, an_engine_that_dies_while_it_drains_is_not_replaced,
          what_left_its_group_ends_too, pools_end_before_those_that_they_come_after,
          one_that_does_not_end_holds_up_the_others_for_half_of_their_time_only,
          a_storm_of_signals_ends_in_order)
