/* SPDX-License-Identifier: MIT
 *
 * A fleet that follows the demand. */
#include "tests/unit/workers/fleet_world.h"

static struct fleet_load load;

static void range(struct file *file, unsigned min, unsigned max)
{
    file->pool.is_sized = true;
    file->pool.workers_min = min;
    file->pool.workers = max;
    file->pool.target_concurrency = 10;
    file->pool.target_tunnels = 100;
    file->pool.scale_window = 60000;
    file->pool.scale_burst_window = 6000;
    file->pool.scale_burst = 2000;
    file->pool.scale_headroom = 2000;
}

/* A fifth of a second in which so many requests come. */
static void come(unsigned arrivals)
{
    load.arrivals += arrivals;
    fleet_observe(world.fleet, &load, world.now_us + 200 * MS);
    pass(200 * MS);
}

static void stay_idle(void)
{
    for (int i = 0; i < 500; i++)
        come(0);
}

/* In the place of the one of the set-up, which has started nothing yet. */
static void make_fleet(void)
{
    fleet_free(&world.fleet);
    open_fleet();
}

START_TEST(a_range_starts_with_its_least)
{
    range(&world.file, 2, 6);
    make_fleet();
    come(0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 2);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 2);
}
END_TEST

START_TEST(who_waits_is_answered_with_more_workers_and_a_decision_that_has_its_numbers)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    keeper_obeys();
    becomes_ready(1);
    load.waiting = 90;
    hold(1, 10, 0); /* none of them ends */
    for (int i = 0; i < 5; i++)
        come(20);
    ck_assert_uint_ge(fleet_wanted(world.fleet), 5);
    const struct fleet_decision *decision = fleet_decision_at(world.fleet, 0);
    ck_assert(decision && decision->is_measured && decision->before == 1);
    ck_assert_uint_eq(decision->waiting, 90);
    ck_assert_double_gt(decision->load, 0);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), fleet_wanted(world.fleet) - 1);
}
END_TEST

START_TEST(while_workers_crash_none_is_started_for_those_who_wait)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    keeper_obeys();
    ends(1, 256);
    load.waiting = 90;
    for (int i = 0; i < 20; i++)
        come(20);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
    ck_assert(!fleet_is_resting(world.fleet));
}
END_TEST

START_TEST(the_next_engine_wants_what_is_there)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    fleet_scale(world.fleet, 4, 4);
    keeper_obeys();
    for (unsigned number = 1; number <= 4; number++)
        becomes_ready(number);
    slots_override_release(world.slots, name); /* as if that had been the demand's wish */
    next_engine();
    come(0);
    ck_assert(!fleet_is_overridden(world.fleet));
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
}
END_TEST

START_TEST(scaling_by_hand_to_a_range_outlives_an_engine)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    fleet_scale(world.fleet, 2, 3);
    keeper_obeys();
    becomes_ready(1);
    becomes_ready(2);
    next_engine();
    unsigned min, max;
    ck_assert(fleet_is_overridden(world.fleet));
    ck_assert(fleet_is_sized(world.fleet, &min, &max));
    ck_assert_uint_eq(min, 2);
    ck_assert_uint_eq(max, 3);
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 2);
    fleet_scale_clear(world.fleet);
    next_engine();
    ck_assert(!fleet_is_overridden(world.fleet));
}
END_TEST

START_TEST(scaling_by_hand_ends_when_the_next_engine_has_another_file)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    fleet_scale(world.fleet, 2, 3);
    range(&world.file, 1, 5);
    next_engine();
    ck_assert(!fleet_is_overridden(world.fleet));
    range(&world.file, 1, 6);
    next_engine();
    ck_assert(!fleet_is_overridden(world.fleet)); /* for good */
}
END_TEST

START_TEST(by_hand_counts_more_than_the_demand_and_is_kept_as_a_decision)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    fleet_scale(world.fleet, 4, 4);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    const struct fleet_decision *decision = fleet_decision_at(world.fleet, 0);
    ck_assert(decision && decision->before == 1 && decision->wanted == 4 && !decision->is_measured);
    fleet_scale(world.fleet, 2, 3);
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 2);
    fleet_scale_clear(world.fleet);
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
}
END_TEST

START_TEST(a_pool_of_a_fixed_size_can_be_told_to_follow_the_demand)
{
    range(&world.file, 4, 4);
    world.file.pool.is_sized = false;
    make_fleet();
    come(0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    fleet_scale(world.fleet, 1, 8);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
    fleet_scale_clear(world.fleet);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
}
END_TEST

START_TEST(a_pool_at_zero_rests_until_somebody_waits)
{
    range(&world.file, 0, 2);
    make_fleet();
    come(0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 0);
    ck_assert(fleet_is_resting(world.fleet));
    load.waiting = 1;
    come(1);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
    ck_assert(fleet_is_resting(world.fleet)); /* its first worker is on its way */
    ck_assert_str_eq(fleet_decision_at(world.fleet, 0)->why, "wake");
}
END_TEST

START_TEST(a_dry_run_decides_and_keeps_the_most)
{
    range(&world.file, 1, 3);
    world.file.pool.dry_run = true;
    make_fleet();
    stay_idle();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
}
END_TEST

START_TEST(no_more_than_the_last_two_hundred_decisions_are_kept)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    for (unsigned i = 0; i < 250; i++)
        fleet_scale(world.fleet, 1 + i % 5, 1 + i % 5);
    ck_assert_ptr_nonnull(fleet_decision_at(world.fleet, FLEET_DECISIONS - 1));
    ck_assert_ptr_null(fleet_decision_at(world.fleet, FLEET_DECISIONS));
    ck_assert_uint_eq(fleet_decision_at(world.fleet, FLEET_DECISIONS - 1)->wanted, 5);
}
END_TEST

START_TEST(another_range_in_the_file_ends_scaling_by_hand)
{
    range(&world.file, 1, 6);
    make_fleet();
    come(0);
    fleet_scale(world.fleet, 5, 5);
    world.next_file = world.file;
    world.next_file.pool.workers_min = 2;
    world.next_file.config.pools = &world.next_file.pool;
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ck_assert(!fleet_is_overridden(world.fleet));
}
END_TEST

/* A fifth of a second in which so many requests end that took `ms` each, as the app reports it. */
static void report(unsigned ended, unsigned ms)
{
    load.is_reported = true;
    load.arrivals += ended;
    load.ended += ended;
    load.held_us += (uint64_t)ended * ms * MS;
    load.is_live = ended > 0;
    fleet_observe(world.fleet, &load, world.now_us + 200 * MS);
    pass(200 * MS);
}

START_TEST(what_the_app_reports_is_its_load_by_the_mean_time)
{
    range(&world.file, 1, 9);
    make_fleet();
    for (int i = 0; i < 100; i++)
        report(40, 100); /* 200 a second x 0.1 s = 20, and 2 x sqrt(20) */
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    for (int i = 0; i < 25; i++)
        report(0, 0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3); /* for as long as idle */
    for (int i = 0; i < 1000; i++)
        report(0, 0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
}
END_TEST

START_TEST(few_slow_requests_among_many_quick_ones_count_by_the_mean_and_not_by_the_percentile)
{
    range(&world.file, 1, 9);
    make_fleet();
    for (int i = 0; i < 300; i++) {
        report(18, 10);
        report(2, 500); /* 50 a second; mean 0.059 s, 95th percentile 0.5 s */
    }
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1); /* the percentile's 50 x 0.5 = 25 would be 3 */
}
END_TEST

static void fifth_up(void)
{
    report(0, 0);
    keeper_obeys();
    becomes_ready(1);
}

START_TEST(slow_reports_add_none_while_the_workers_are_not_busy_and_some_when_they_are)
{
    range(&world.file, 1, 9);
    world.file.pool.target_p95 = 300;
    make_fleet();
    fifth_up();
    for (int i = 0; i < 300; i++) {
        load.slow += 1;
        report(1, 400); /* 5 a second x 0.4 s = 2 of ten places: a slow database */
    }
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
    for (int i = 0; i < 300; i++) {
        load.slow += 2;
        report(2, 520); /* 5.2, and 4.6 for chance: one would do, were it not so slow */
    }
    ck_assert_uint_ge(fleet_wanted(world.fleet), 2);
    ck_assert_str_eq(fleet_decision_at(world.fleet, 0)->why, "latency");
}
END_TEST

START_TEST(another_measure_begins_anew)
{
    range(&world.file, 1, 9);
    make_fleet();
    for (int i = 0; i < 100; i++)
        report(40, 100);
    world.next_file = world.file;
    world.next_file.pool.measure = MEASURE_STATSD;
    world.next_file.config.pools = &world.next_file.pool;
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    load = (struct fleet_load){.is_reported = true, .arrivals = 1, .ended = 1, .held_us = 1};
    for (int i = 0; i < 1000; i++)
        report(0, 0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
}
END_TEST

int main(void)
{
    return RUN("workers/follow", set_up, a_range_starts_with_its_least,
               who_waits_is_answered_with_more_workers_and_a_decision_that_has_its_numbers,
               while_workers_crash_none_is_started_for_those_who_wait, the_next_engine_wants_what_is_there,
               scaling_by_hand_to_a_range_outlives_an_engine,
               scaling_by_hand_ends_when_the_next_engine_has_another_file,
               by_hand_counts_more_than_the_demand_and_is_kept_as_a_decision,
               a_pool_of_a_fixed_size_can_be_told_to_follow_the_demand,
               a_pool_at_zero_rests_until_somebody_waits, a_dry_run_decides_and_keeps_the_most,
               no_more_than_the_last_two_hundred_decisions_are_kept,
               another_range_in_the_file_ends_scaling_by_hand,
               what_the_app_reports_is_its_load_by_the_mean_time,
               few_slow_requests_among_many_quick_ones_count_by_the_mean_and_not_by_the_percentile,
               slow_reports_add_none_while_the_workers_are_not_busy_and_some_when_they_are,
               another_measure_begins_anew) != 0;
}
