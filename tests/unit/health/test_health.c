/* SPDX-License-Identifier: MIT
 *
 * Watches over a small listener on the same loop whose answer the test changes. */
#include <check.h>
#include <stdlib.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/net.h"
#include "health/health.h"

static struct {
    struct loop *loop;
    struct address address;
    int listener;
    struct watch listen_watch;
    const char *answer;
    unsigned asked;      /* connections so far */
    unsigned stop_after; /* ends the loop at so many */
    struct health_watch *watch;
    unsigned changes;
    bool is_fit;
    bool stops_itself;
    struct ticker limit;
} world;

static void on_accept(int fd, short what, void *argument)
{
    (void)what;
    (void)argument;
    int peer = net_accept(fd, NULL);
    (void)net_write(peer, world.answer, strlen(world.answer));
    net_shutdown_write(peer);
    net_close(&peer);
    if (++world.asked == world.stop_after)
        loop_stop(world.loop);
}

static void on_limit(void *argument)
{
    (void)argument;
    ck_abort_msg("nothing happened");
}

static void on_change(void *argument, bool fit, const char *why)
{
    ck_assert_ptr_eq(argument, &world);
    ck_assert(fit || *why);
    world.changes++;
    world.is_fit = fit;
    if (world.stops_itself)
        health_watch_stop(&world.watch);
    loop_stop(world.loop);
}

#define GOOD "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define BAD  "HTTP/1.1 503 Oh\r\nContent-Length: 0\r\n\r\n"

static void watch_it(bool fit_at_first)
{
    struct pool_config config = {.probe_interval = 20, .probe_rise = 2, .probe_fall = 3};
    struct probe_question question = {.address = world.address, .path = "/up", .timeout_ms = 1000};

    world.watch = health_watch_start(world.loop, &question, &config, fit_at_first, on_change, &world);
}

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    world.loop = loop_new("test");
    ck_assert(address_from_ip(&world.address, SLICE("127.0.0.1"), 0));
    world.listener = net_listen(&world.address, 0, 16);
    ck_assert_int_ge(world.listener, 0);
    ck_assert_int_eq(net_local_address(world.listener, &world.address), 0);
    watch_open_readable(&world.listen_watch, world.loop, world.listener, on_accept, NULL);
    ticker_start(&world.limit, world.loop, 10000, on_limit, NULL);
    world.answer = GOOD;
}

static void tear_down(void)
{
    health_watch_stop(&world.watch);
    ticker_stop(&world.limit);
    watch_close(&world.listen_watch);
    net_close(&world.listener);
    loop_free(&world.loop);
    blocks_fini();
}

START_TEST(a_fit_one_becomes_unfit_after_fall_and_fit_after_rise)
{
    world.answer = BAD;
    watch_it(true);
    loop_run(world.loop);
    ck_assert(!world.is_fit);
    ck_assert_uint_eq(world.asked, 3);
    world.answer = GOOD;
    loop_run(world.loop);
    ck_assert(world.is_fit);
    ck_assert_uint_eq(world.asked, 5);
    ck_assert_uint_eq(world.changes, 2);
}
END_TEST

START_TEST(of_an_unknown_one_the_first_answer_decides)
{
    watch_it(false);
    loop_run(world.loop);
    ck_assert(world.is_fit);
    ck_assert_uint_eq(world.asked, 1);
}
END_TEST

START_TEST(nothing_is_told_while_nothing_changes)
{
    watch_it(true);
    world.stop_after = 10;
    loop_run(world.loop);
    ck_assert_uint_eq(world.changes, 0);
}
END_TEST

START_TEST(a_watch_may_be_stopped_when_it_tells)
{
    world.stops_itself = true;
    watch_it(false);
    loop_run(world.loop);
    ck_assert_ptr_null(world.watch);
    ck_assert_uint_eq(world.changes, 1);
}
END_TEST

START_TEST(a_watch_may_be_stopped_while_it_asks)
{
    watch_it(false);
    health_watch_stop(&world.watch);
    ck_assert_ptr_null(world.watch);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health");
    TCase *tests = tcase_create("health");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_fit_one_becomes_unfit_after_fall_and_fit_after_rise);
    tcase_add_test(tests, of_an_unknown_one_the_first_answer_decides);
    tcase_add_test(tests, nothing_is_told_while_nothing_changes);
    tcase_add_test(tests, a_watch_may_be_stopped_when_it_tells);
    tcase_add_test(tests, a_watch_may_be_stopped_while_it_asks);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
