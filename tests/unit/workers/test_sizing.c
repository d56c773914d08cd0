/* SPDX-License-Identifier: MIT */
#include "workers/sizing.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tests/unit/workers/demand_feed.h"

/* A pool whose workers are there `boot` seconds after they were wanted. */
struct scene {
    struct sizing_policy policy;
    struct sizing_world world;
    struct sizing_decision decision;
    struct feed feed;
};

static struct scene scene;

static void begin(unsigned workers, unsigned boot_ms)
{
    memset(&scene, 0, sizeof scene);
    scene.policy = (struct sizing_policy){
        .min = 1,
        .max = 50,
        .target_concurrency = 10,
        .target_tunnels = 100,
        .window_ms = 60000,
        .burst_window_ms = 6000,
        .burst = 2,
        .headroom = 2,
    };
    scene.world = (struct sizing_world){.ready = workers, .boot_ms = boot_ms};
    scene.feed.now.at_us = 1000000;
}

static unsigned decide(void)
{
    scene.world.now_us = scene.feed.now.at_us;
    scene.decision = sizing_decide(&scene.policy, &scene.feed.history, &scene.world, &scene.decision.memory);
    return scene.decision.wanted;
}

/* A decision a second; whoever is wanted is ready at the next. */
static unsigned pass(unsigned seconds, double come, double end, double held)
{
    for (unsigned i = 0; i < seconds; i++) {
        feed_rates(&scene.feed, 1, come, end, held);
        scene.world.ready = decide();
    }
    return scene.decision.wanted;
}

START_TEST(a_new_engine_starts_from_what_is_there)
{
    begin(7, 1000);
    ck_assert_uint_eq(decide(), 7);
    ck_assert_int_eq(scene.decision.reason, SIZING_STEADY);
}
END_TEST

START_TEST(a_steady_load_gets_its_places_and_the_square_root_above)
{
    begin(1, 1000);
    ck_assert_uint_eq(pass(60, 250, 250, 50), 7); /* 50 + 2 x 7.07 places */
    ck_assert_double_eq_tol(scene.decision.places, 64.1, 0.5);
}
END_TEST

START_TEST(the_headroom_is_the_policys)
{
    begin(1, 1000);
    scene.policy.headroom = 0;
    ck_assert_uint_eq(pass(60, 245, 245, 49), 5);
}
END_TEST

START_TEST(requests_a_second_bound_the_pool_from_below)
{
    begin(1, 1000);
    scene.policy.target_rps = 20;
    ck_assert_uint_eq(pass(60, 100, 100, 1), 5);
}
END_TEST

START_TEST(open_tunnels_need_workers_of_their_own)
{
    begin(1, 1000);
    scene.feed.now.tunnels = 950;
    ck_assert_uint_eq(pass(10, 0, 0, 0), 10);
    ck_assert_int_eq(scene.decision.demand.tunnels, 950);
}
END_TEST

START_TEST(with_no_target_for_tunnels_they_count_for_nothing)
{
    begin(1, 1000);
    scene.policy.target_tunnels = 0;
    scene.feed.now.tunnels = 950;
    ck_assert_uint_eq(pass(10, 0, 0, 0), 1);
}
END_TEST

START_TEST(waiting_requests_count_as_demand)
{
    begin(2, 8000);
    pass(60, 50, 50, 10);
    scene.feed.now.waiting = 400;
    feed_rates(&scene.feed, 0.4, 1000, 100, 20);
    ck_assert_uint_ge(decide(), 10);
    ck_assert_double_gt(scene.decision.draining, 0);
}
END_TEST

START_TEST(the_backlog_itself_is_not_load)
{
    begin(2, 30000);
    pass(60, 50, 50, 10);
    scene.feed.now.waiting = 3000; /* as load they would need 300 workers; the long boot has time for them */
    feed_rates(&scene.feed, 1, 60, 50, 10);
    ck_assert_uint_le(decide(), 10);
}
END_TEST

START_TEST(nobody_is_started_who_would_come_after_the_queue_is_gone)
{
    begin(4, 30000);
    pass(60, 50, 50, 10);
    scene.feed.now.waiting = 20; /* 40 places work them off in a moment */
    feed_rates(&scene.feed, 0.2, 150, 50, 20);
    ck_assert_uint_eq(decide(), 4);
}
END_TEST

START_TEST(starting_workers_count_as_present)
{
    begin(2, 20000);
    pass(60, 50, 50, 10);
    scene.feed.now.waiting = 300;
    feed_rates(&scene.feed, 1, 400, 100, 20);
    unsigned wanted = decide();
    scene.world.starting = wanted - 2;
    for (int i = 0; i < 10; i++) { /* the same goes on while they boot */
        scene.feed.now.waiting += 300;
        feed_rates(&scene.feed, 1, 400, 100, 20);
        scene.world.starting = decide() - 2;
    }
    ck_assert_uint_le(scene.decision.wanted, wanted + wanted / 2);
}
END_TEST

START_TEST(a_burst_is_believed_at_once)
{
    begin(1, 1000);
    pass(60, 10, 10, 2);
    feed_rates(&scene.feed, 1, 300, 250, 9);
    ck_assert_uint_eq(decide() > 1, true);
    feed_rates(&scene.feed, 1, 300, 250, 60);
    ck_assert_uint_ge(decide(), 5);
    ck_assert_int_eq(scene.decision.reason, SIZING_BURST);
}
END_TEST

START_TEST(one_good_second_after_a_start_is_not_taken_for_the_load)
{
    begin(3, 1000);
    feed_rates(&scene.feed, 0.4, 0, 0, 0);
    ck_assert_uint_eq(decide(), 3);
    feed_rates(&scene.feed, 1, 200, 180, 30);
    ck_assert_uint_eq(decide(), 3);
}
END_TEST

START_TEST(high_latency_of_busy_workers_adds_a_quarter)
{
    begin(8, 1000);
    scene.policy.target_p95_ms = 200;
    pass(60, 250, 250, 50);
    scene.world.ready = scene.decision.wanted;
    unsigned before = scene.decision.wanted;
    scene.world.slow = 0.2;
    feed_rates(&scene.feed, 1, 250, 250, 50);
    ck_assert_uint_eq(decide(), before + before / 4);
    ck_assert_int_eq(scene.decision.reason, SIZING_LATENCY);
    scene.world.ready = scene.decision.wanted;
    feed_rates(&scene.feed, 1, 250, 250, 50); /* nothing can be said of those yet */
    ck_assert_uint_eq(decide(), before + before / 4);
}
END_TEST

START_TEST(high_latency_of_idle_workers_adds_none)
{
    begin(4, 1000);
    scene.policy.target_p95_ms = 200;
    scene.world.slow = 1; /* a slow database, not a small pool */
    ck_assert_uint_le(pass(60, 2, 2, 10), 4);
}
END_TEST

START_TEST(spare_workers_are_kept_above_the_need)
{
    begin(1, 1000);
    scene.policy.spare = 2;
    ck_assert_uint_eq(pass(60, 25, 25, 5), 3);
}
END_TEST

START_TEST(never_more_than_max_and_never_fewer_than_min)
{
    begin(1, 1000);
    scene.policy.max = 6;
    scene.policy.min = 2;
    scene.policy.spare = 3;
    ck_assert_uint_eq(pass(60, 1000, 1000, 200), 6);
    ck_assert_uint_eq(pass(300, 0, 0, 0), 3);
    scene.policy.spare = 0;
    ck_assert_uint_eq(pass(300, 0, 0, 0), 2);
}
END_TEST

START_TEST(bounds_that_change_hold_at_once)
{
    begin(5, 1000);
    decide();
    scene.policy.max = 3;
    ck_assert_uint_eq(decide(), 3);
    ck_assert_int_eq(scene.decision.reason, SIZING_BOUNDS);
    scene.policy.max = scene.policy.min = 9;
    ck_assert_uint_eq(decide(), 9);
    ck_assert_int_eq(scene.decision.reason, SIZING_BOUNDS);
}
END_TEST

START_TEST(a_worker_goes_when_it_was_not_needed_for_all_of_idle)
{
    begin(1, 4000); /* 5 x 4 s */
    ck_assert_uint_eq(pass(60, 250, 250, 50), 7);
    pass(4, 5, 5, 1);
    ck_assert_uint_eq(pass(14, 5, 5, 1), 7);
    ck_assert_uint_eq(pass(12, 5, 5, 1), 1);
    ck_assert_uint_eq(scene.decision.idle_ms, 20000);
}
END_TEST

START_TEST(the_most_that_was_needed_within_idle_stays)
{
    begin(1, 1000);
    scene.policy.idle_ms = 60000;
    pass(60, 250, 250, 50);
    pass(40, 5, 5, 1);
    pass(10, 120, 120, 24); /* 24 + 9.8: four of them */
    unsigned after = pass(45, 5, 5, 1);
    ck_assert_uint_ge(after, 4);
    ck_assert_uint_lt(after, 7);
}
END_TEST

START_TEST(who_came_for_the_queue_goes_when_nobody_waits_any_more)
{
    begin(2, 2000);
    scene.policy.idle_ms = 600000;
    pass(60, 50, 50, 10);
    scene.feed.now.waiting = 500;
    feed_rates(&scene.feed, 0.5, 1000, 100, 20);
    unsigned rush = decide();
    ck_assert_uint_gt(rush, 10);
    scene.feed.now.waiting = 0;
    scene.world.ready = rush;
    unsigned after = pass(30, 50, 50, 10);
    ck_assert_uint_lt(after, rush);
}
END_TEST

START_TEST(a_size_that_had_to_be_taken_back_is_kept_longer_next_time)
{
    begin(1, 1000); /* idle 10 s */
    for (int i = 0; i < 4; i++) {
        pass(30, 250, 250, 50);
        pass(22, 1, 1, 0.2);
    }
    ck_assert_uint_ge(scene.decision.idle_ms, 20000);
    ck_assert_uint_ge(scene.decision.wanted, 7);
}
END_TEST

START_TEST(patience_is_given_up_after_a_quiet_hour)
{
    begin(1, 1000);
    for (int i = 0; i < 4; i++) {
        pass(30, 250, 250, 50);
        pass(22, 1, 1, 0.2);
    }
    pass(4 * 3700, 5, 5, 1);
    ck_assert_uint_eq(scene.decision.idle_ms, 10000);
}
END_TEST

START_TEST(a_pool_whose_min_is_zero_goes_to_zero_when_nothing_comes)
{
    begin(2, 1000);
    scene.policy.min = 0;
    pass(30, 50, 50, 10);
    ck_assert_uint_eq(pass(25, 0, 0, 0), 0);
    ck_assert_int_eq(scene.decision.needed, 0);
}
END_TEST

START_TEST(a_tunnel_that_sleeps_keeps_a_pool_from_zero)
{
    begin(1, 1000);
    scene.policy.min = 0;
    scene.feed.now.tunnels = 1;
    ck_assert_uint_eq(pass(300, 0, 0, 0), 1);
}
END_TEST

START_TEST(the_first_who_waits_wakes_a_pool_from_zero)
{
    begin(0, 1000);
    scene.policy.min = 0;
    pass(5, 0, 0, 0);
    scene.feed.now.waiting = 1;
    scene.feed.arrivals += 1;
    feed_rates(&scene.feed, 0.01, 0, 0, 0);
    ck_assert_uint_eq(decide(), 1);
    ck_assert_int_eq(scene.decision.reason, SIZING_WAKE);
}
END_TEST

START_TEST(nothing_is_started_while_workers_fail_to_start)
{
    begin(2, 1000);
    pass(30, 50, 50, 10);
    scene.world.is_backing_off = true;
    ck_assert_uint_eq(pass(30, 500, 100, 20), 2);
    ck_assert_int_eq(scene.decision.reason, SIZING_BACKOFF);
    scene.world.is_backing_off = false;
    ck_assert_uint_gt(pass(2, 500, 100, 20), 2);
}
END_TEST

START_TEST(every_reason_has_a_word)
{
    for (int reason = 0; reason < SIZING_REASONS; reason++)
        ck_assert_ptr_nonnull(sizing_reason_word((enum sizing_reason)reason));
}
END_TEST

/* Random traces: a pool of exponential servers in steps of a fifth of a second. */

static uint64_t dice;

static double chance(void)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (double)(dice >> 11) / 9007199254740992.0;
}

static unsigned between(unsigned low, unsigned high)
{
    return low + (unsigned)(chance() * (high - low + 1));
}

/* About Poisson. */
static unsigned several(double mean)
{
    if (mean > 30) {
        double normal = sqrt(-2 * log(chance() + 1e-12)) * cos(2 * M_PI * chance());
        return (unsigned)fmax(0, round(mean + sqrt(mean) * normal));
    }
    unsigned count = 0;
    for (double left = exp(-mean), product = chance(); product > left; product *= chance())
        count++;
    return count;
}

struct toy {
    double service, boot;
    unsigned boots[512];
    unsigned step, asked, in_flight, waiting;
    struct demand_sample sample;
};

static void toy_step(struct toy *toy, double rate)
{
    struct sizing_world *world = &scene.world;
    unsigned came = several(rate * 0.2), up = toy->boots[toy->step % 512];
    unsigned ended = several(toy->in_flight * 0.2 / toy->service);
    unsigned places = world->ready * scene.policy.target_concurrency;

    ended = ended < toy->in_flight ? ended : toy->in_flight;
    toy->boots[toy->step++ % 512] = 0;
    up = up < world->starting ? up : world->starting;
    world->starting -= up;
    world->ready += up;
    toy->in_flight -= ended;
    toy->waiting += came;
    unsigned room = places > toy->in_flight ? places - toy->in_flight : 0;
    unsigned served = room < toy->waiting ? room : toy->waiting;
    toy->waiting -= served;
    toy->in_flight += served;
    toy->sample.at_us += 200000;
    toy->sample.arrivals += came;
    toy->sample.completions += ended;
    toy->sample.held_us += toy->in_flight * 200000u;
    toy->sample.in_flight = toy->in_flight;
    toy->sample.waiting = toy->waiting;
    demand_add(&scene.feed.history, &toy->sample);
}

/* True when a decision was due; the pool follows it. */
static bool toy_decide(struct toy *toy)
{
    struct sizing_world *world = &scene.world;

    if (toy->step % 5 != 0 && toy->waiting == 0)
        return false;
    world->now_us = toy->sample.at_us;
    scene.decision = sizing_decide(&scene.policy, &scene.feed.history, world, &scene.decision.memory);
    unsigned have = world->ready + world->starting, wanted = scene.decision.wanted;
    if (wanted > have) {
        toy->boots[(toy->step + (unsigned)(toy->boot * 5)) % 512] += wanted - have;
        world->starting += wanted - have;
    }
    for (; have > wanted; have--) {
        if (world->starting > 0)
            world->starting--;
        else
            world->ready--;
    }
    return true;
}

static struct toy toy_make(void)
{
    struct toy toy = {.service = 0.01 * pow(300, chance()), .boot = 0.2 * pow(200, chance())};

    begin(between(0, 5), (unsigned)(toy.boot * 1000));
    toy.sample.at_us = 1000000;
    scene.policy.target_concurrency = between(1, 40);
    return toy;
}

START_TEST(on_thousands_of_random_traces_the_bounds_hold_and_backoff_starts_nothing)
{
    dice = 4711;
    for (int trace = 0; trace < 4000; trace++) {
        struct toy toy = toy_make();
        double rate = 0;
        scene.policy.min = between(0, 4);
        scene.policy.max = scene.policy.min + between(0, 30);
        scene.policy.max += scene.policy.max == 0;
        scene.policy.spare = chance() < 0.2 ? between(0, 3) : 0;
        scene.policy.idle_ms = chance() < 0.5 ? 0 : between(0, 60000);
        scene.policy.target_rps = chance() < 0.2 ? 1 + 100 * chance() : 0;
        scene.policy.target_p95_ms = chance() < 0.2 ? 100 : 0;
        for (int i = 0; i < 200; i++) {
            rate = chance() < 0.02 ? pow(2000, chance()) - 1 : rate;
            scene.world.slow = chance() < 0.5 ? 0 : chance();
            scene.feed.now.tunnels = 0;
            toy.sample.tunnels = chance() < 0.01 ? between(0, 3000) : toy.sample.tunnels;
            scene.world.is_backing_off =
                chance() < 0.05 ? !scene.world.is_backing_off : scene.world.is_backing_off;
            toy_step(&toy, rate);
            if (!toy_decide(&toy))
                continue;
            ck_assert_uint_le(scene.decision.wanted, scene.policy.max);
            ck_assert_uint_ge(scene.decision.wanted, scene.policy.min);
            if (scene.world.is_backing_off)
                ck_assert_uint_le(scene.decision.wanted, scene.decision.before);
            if (toy.waiting > 0 && !scene.world.is_backing_off)
                ck_assert_uint_ge(scene.decision.wanted, 1);
        }
    }
}
END_TEST

START_TEST(under_constant_load_the_size_changes_at_most_once_in_five_minutes_on_the_mean)
{
    unsigned changes = 0, minutes = 0;

    dice = 815;
    for (int trace = 0; trace < 100; trace++) {
        struct toy toy = toy_make();
        double rate = pow(20 * 10, chance()) / toy.service / 10;
        unsigned here = 0;
        scene.policy.max = 500;
        for (unsigned i = 0; i < 5 * 3000; i++) {
            toy_step(&toy, rate);
            bool decided = toy_decide(&toy);
            here += decided && i > 5 * 300 && scene.decision.wanted != scene.decision.before;
        }
        changes += here;
        minutes += 45;
    }
    ck_assert_msg(changes * 5 <= minutes, "%u changes in %u minutes", changes, minutes);
}
END_TEST

START_TEST(once_booted_a_constant_load_is_carried)
{
    dice = 99;
    for (int trace = 0; trace < 200; trace++) {
        struct toy toy = toy_make();
        double load = pow(200, chance()), waited = 0;
        scene.policy.max = 500;
        for (unsigned i = 0; i < 5 * 300; i++) {
            toy_step(&toy, load / toy.service);
            toy_decide(&toy);
            waited += i >= 5 * 240 ? toy.waiting : 0;
        }
        ck_assert_msg(waited / (5 * 60) < 0.2 * load + 1, "trace %d: load %g, service %g, boot %g: %g wait",
                      trace, load, toy.service, toy.boot, waited / (5 * 60));
    }
}
END_TEST

UNIT_MAIN("workers/sizing", a_new_engine_starts_from_what_is_there,
          a_steady_load_gets_its_places_and_the_square_root_above, the_headroom_is_the_policys,
          requests_a_second_bound_the_pool_from_below, open_tunnels_need_workers_of_their_own,
          with_no_target_for_tunnels_they_count_for_nothing, waiting_requests_count_as_demand,
          the_backlog_itself_is_not_load, nobody_is_started_who_would_come_after_the_queue_is_gone,
          starting_workers_count_as_present, a_burst_is_believed_at_once,
          one_good_second_after_a_start_is_not_taken_for_the_load,
          high_latency_of_busy_workers_adds_a_quarter, high_latency_of_idle_workers_adds_none,
          spare_workers_are_kept_above_the_need, never_more_than_max_and_never_fewer_than_min,
          bounds_that_change_hold_at_once, a_worker_goes_when_it_was_not_needed_for_all_of_idle,
          the_most_that_was_needed_within_idle_stays, who_came_for_the_queue_goes_when_nobody_waits_any_more,
          a_size_that_had_to_be_taken_back_is_kept_longer_next_time, patience_is_given_up_after_a_quiet_hour,
          a_pool_whose_min_is_zero_goes_to_zero_when_nothing_comes,
          a_tunnel_that_sleeps_keeps_a_pool_from_zero, the_first_who_waits_wakes_a_pool_from_zero,
          nothing_is_started_while_workers_fail_to_start, every_reason_has_a_word,
          on_thousands_of_random_traces_the_bounds_hold_and_backoff_starts_nothing,
          under_constant_load_the_size_changes_at_most_once_in_five_minutes_on_the_mean,
          once_booted_a_constant_load_is_carried)
