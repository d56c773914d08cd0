/* SPDX-License-Identifier: MIT */
#include "workers/demand.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/unit.h"
#include "tests/unit/workers/demand_feed.h"

static const struct demand_windows calm = {.shortest_ms = 6000, .longest_ms = 60000, .doubt = 3};
static const struct demand_windows quick = {.shortest_ms = 250, .longest_ms = 60000, .doubt = 3};

static struct feed feed;

START_TEST(without_a_sample_there_is_no_demand)
{
    struct demand demand = demand_read(&feed.history, &calm);

    ck_assert_double_eq(demand.load, 0);
    ck_assert_uint_eq(demand.waiting, 0);
}
END_TEST

START_TEST(one_sample_tells_only_what_is_there_now)
{
    struct demand_sample sample = {.at_us = 5, .arrivals = 100, .waiting = 3, .tunnels = 7};

    demand_add(&feed.history, &sample);
    struct demand demand = demand_read(&feed.history, &calm);
    ck_assert_double_eq(demand.load, 0);
    ck_assert_uint_eq(demand.waiting, 3);
    ck_assert_uint_eq(demand.tunnels, 7);
}
END_TEST

START_TEST(load_is_arrivals_a_second_times_the_mean_time_in_a_worker)
{
    feed_rates(&feed, 60, 50, 50, 10); /* 10 held at 50 a second: 0.2 s each */
    struct demand demand = demand_read(&feed.history, &calm);

    ck_assert_double_eq_tol(demand.rate, 50, 0.5);
    ck_assert_double_eq_tol(demand.service, 0.2, 0.005);
    ck_assert_double_eq_tol(demand.load, 10, 0.2);
    ck_assert_uint_ge(demand.span_ms, 59000);
}
END_TEST

START_TEST(those_who_wait_count_with_the_time_that_others_took)
{
    feed_rates(&feed, 60, 100, 50, 10); /* every place is taken, half of those who come wait */
    ck_assert_double_eq_tol(demand_read(&feed.history, &calm).load, 20, 0.5);
}
END_TEST

START_TEST(a_backlog_that_is_worked_off_is_no_load_that_stays)
{
    feed_rates(&feed, 10, 50, 150, 30);
    ck_assert_double_eq_tol(demand_read(&feed.history, &calm).load, 10, 0.5);
}
END_TEST

START_TEST(a_worker_that_hangs_is_load)
{
    feed_rates(&feed, 60, 10, 10, 2);
    feed_rates(&feed, 60, 0, 0, 12); /* nothing comes any more, and nothing ends */
    ck_assert_double_ge(demand_read(&feed.history, &calm).load, 8);
}
END_TEST

START_TEST(requests_that_have_not_ended_yet_make_the_mean_time_longer)
{
    feed_rates(&feed, 5, 10, 0, 25);
    struct demand demand = demand_read(&feed.history, &quick);

    ck_assert_double_ge(demand.service, 5);
    ck_assert_double_ge(demand.load, 25);
}
END_TEST

START_TEST(a_jump_is_believed_within_a_second_when_the_last_moments_are_looked_at)
{
    feed_rates(&feed, 120, 20, 20, 4);
    feed_rates(&feed, 1, 400, 100, 20);
    struct demand demand = demand_read(&feed.history, &quick);

    ck_assert_double_ge(demand.rate, 250);
    ck_assert_uint_le(demand.span_ms, 4000);
}
END_TEST

START_TEST(the_end_of_a_rush_is_seen_too)
{
    feed_rates(&feed, 120, 400, 400, 80);
    feed_rates(&feed, 10, 20, 20, 4);
    ck_assert_double_le(demand_read(&feed.history, &calm).load, 8);
}
END_TEST

START_TEST(a_breath_is_not_taken_for_a_jump)
{
    feed_rates(&feed, 60, 100, 100, 20);
    feed_rates(&feed, 1, 115, 100, 20); /* one and a half standard errors of a second */
    struct demand demand = demand_read(&feed.history, &quick);

    ck_assert_double_le(demand.rate, 102);
    ck_assert_uint_ge(demand.span_ms, 50000);
}
END_TEST

START_TEST(service_that_becomes_slower_is_more_load)
{
    feed_rates(&feed, 120, 80, 80, 16);
    feed_rates(&feed, 10, 80, 70, 48);
    ck_assert_double_ge(demand_read(&feed.history, &calm).load, 40);
}
END_TEST

START_TEST(while_nothing_has_ended_the_time_that_is_known_counts)
{
    struct demand_windows windows = {.shortest_ms = 250, .longest_ms = 60000, .doubt = 3, .service = 0.5};

    feed_rates(&feed, 1, 0, 0, 0);
    feed_rates(&feed, 1, 40, 0, 0);
    ck_assert_double_ge(demand_read(&feed.history, &windows).load, 10);
}
END_TEST

START_TEST(what_is_older_than_the_window_is_forgotten)
{
    feed_rates(&feed, 100, 200, 200, 40);
    feed_rates(&feed, 70, 0, 0, 0);
    struct demand demand = demand_read(&feed.history, &calm);

    ck_assert_double_eq(demand.rate, 0);
    ck_assert_double_eq(demand.load, 0);
    ck_assert_uint_eq(demand.came, 0);
}
END_TEST

START_TEST(samples_that_come_thick_do_not_push_out_the_last_seconds)
{
    feed_rates(&feed, 60, 50, 50, 10);
    for (int i = 0; i < 1000; i++) {
        feed.now.at_us += 1000;
        feed.now.arrivals += 1;
        demand_add(&feed.history, &feed.now);
    }
    struct demand demand = demand_read(&feed.history, &quick);
    ck_assert_double_ge(demand.rate, 500);
    ck_assert_uint_ge(demand.seen_ms, 59000);
}
END_TEST

START_TEST(a_day_of_samples_is_no_other_than_the_last_window)
{
    struct demand_windows longest = {.shortest_ms = 6000, .longest_ms = DEMAND_WINDOW_MAX, .doubt = 3};

    for (int hour = 0; hour < 24; hour++)
        feed_rates(&feed, 3600, 10 + hour, 10 + hour, 4);
    ck_assert_double_eq_tol(demand_read(&feed.history, &longest).rate, 33, 1);
}
END_TEST

UNIT_MAIN("workers/demand", without_a_sample_there_is_no_demand, one_sample_tells_only_what_is_there_now,
          load_is_arrivals_a_second_times_the_mean_time_in_a_worker,
          those_who_wait_count_with_the_time_that_others_took,
          a_backlog_that_is_worked_off_is_no_load_that_stays, a_worker_that_hangs_is_load,
          requests_that_have_not_ended_yet_make_the_mean_time_longer,
          a_jump_is_believed_within_a_second_when_the_last_moments_are_looked_at,
          the_end_of_a_rush_is_seen_too, a_breath_is_not_taken_for_a_jump,
          service_that_becomes_slower_is_more_load, while_nothing_has_ended_the_time_that_is_known_counts,
          what_is_older_than_the_window_is_forgotten,
          samples_that_come_thick_do_not_push_out_the_last_seconds,
          a_day_of_samples_is_no_other_than_the_last_window)
