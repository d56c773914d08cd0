/* SPDX-License-Identifier: MIT
 *
 * Moving tunnels to emptier workers: the decision, and when a fleet acts on it. */
#include "workers/rebalance.h"

#include "tests/unit/workers/fleet_world.h"

#define FIVE_PERCENT 5000u
#define COUNT_OF(a)  (sizeof(a) / sizeof *(a))

/* Clients come back at once, to the worker with the fewest. -> how many seconds until nothing moves. */
static unsigned play(unsigned *tunnels, unsigned count, unsigned share, unsigned seconds, unsigned *moved)
{
    struct rebalance_memory memory = {0};

    *moved = 0;
    for (unsigned second = 0; second < seconds; second++) {
        struct rebalance_step step = rebalance_step(tunnels, count, share, START + second * S, &memory);
        if (step.from < 0)
            return second;
        ck_assert_uint_le(step.count, tunnels[step.from]);
        tunnels[step.from] -= step.count;
        *moved += step.count;
        for (unsigned i = 0; i < step.count; i++) {
            unsigned least = 0;
            for (unsigned k = 1; k < count; k++)
                least = tunnels[k] < tunnels[least] ? k : least;
            tunnels[least]++;
        }
    }
    return seconds;
}

START_TEST(what_is_nearly_even_is_left_alone)
{
    static const unsigned rows[][4] = {
        {0, 0, 0, 0}, {10, 10, 10, 10}, {13, 9, 9, 9}, {130, 90, 90, 90}, {1, 0, 0, 0}};

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rebalance_memory memory = {.at_us = START, .allowance = 5};
        ck_assert_int_eq(rebalance_step(rows[i], 4, FIVE_PERCENT, START + S, &memory).from, -1);
        ck_assert(memory.allowance == 0); /* nothing is saved up */
    }
}
END_TEST

START_TEST(one_worker_alone_or_none_has_nobody_to_give_to)
{
    struct rebalance_memory memory = {.at_us = START, .allowance = 5};
    unsigned tunnels[] = {100};

    ck_assert_int_eq(rebalance_step(tunnels, 1, FIVE_PERCENT, START + S, &memory).from, -1);
    ck_assert_int_eq(rebalance_step(tunnels, 0, FIVE_PERCENT, START + S, &memory).from, -1);
}
END_TEST

START_TEST(the_fullest_gives_and_no_more_than_the_share)
{
    struct rebalance_memory memory = {0};
    unsigned tunnels[] = {600, 500, 100}, moved = 0;

    for (unsigned second = 0; second <= 60; second++) {
        struct rebalance_step step = rebalance_step(tunnels, 3, FIVE_PERCENT, START + second * S, &memory);
        ck_assert_int_eq(step.from, 0);
        ck_assert_uint_le(step.count, 2);
        moved += step.count;
    }
    ck_assert_uint_ge(moved, 59);
    ck_assert_uint_le(moved, 60); /* 5% of 1200 */
}
END_TEST

START_TEST(of_a_few_one_goes_now_and_then)
{
    struct rebalance_memory memory = {0};
    unsigned tunnels[] = {10, 0}, moved = 0;

    for (unsigned second = 0; second <= 360; second++)
        moved += rebalance_step(tunnels, 2, FIVE_PERCENT, START + second * S, &memory).count;
    ck_assert_uint_ge(moved, 2); /* half a tunnel a minute */
    ck_assert_uint_le(moved, 3);
}
END_TEST

START_TEST(a_fresh_worker_is_filled_and_then_it_is_quiet)
{
    unsigned tunnels[] = {50, 50, 0, 0}, moved;
    unsigned took = play(tunnels, 4, 100000, 600, &moved);

    ck_assert_uint_lt(took, 60);
    ck_assert_uint_eq(tunnels[0] + tunnels[1] + tunnels[2] + tunnels[3], 100);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_le(tunnels[i], 32); /* 1.3 x 25 */
    ck_assert_uint_le(moved, 36);
}
END_TEST

START_TEST(it_always_comes_to_rest_and_never_moves_more_than_it_must)
{
    uint32_t state = 42;

    for (unsigned round = 0; round < 2000; round++) {
        unsigned tunnels[8], count = 2 + round % 7, all = 0, most = 0, moved;
        for (unsigned i = 0; i < count; i++) {
            state = state * 1664525u + 1013904223u;
            tunnels[i] = (state >> 16) % (round % 3 ? 40 : 400);
            all += tunnels[i];
        }
        unsigned took = play(tunnels, count, 100000, 3000, &moved);
        ck_assert_uint_lt(took, 3000);
        ck_assert_uint_le(moved, all);
        for (unsigned i = 0; i < count; i++)
            most = tunnels[i] > most ? tunnels[i] : most;
        ck_assert(most <= 1.3 * all / count || most <= all / count + 1);
    }
}
END_TEST

START_TEST(after_a_long_pause_nothing_goes_at_once)
{
    struct rebalance_memory memory = {0};
    unsigned tunnels[] = {1000, 0};

    rebalance_step(tunnels, 2, FIVE_PERCENT, START, &memory);
    ck_assert_uint_eq(rebalance_step(tunnels, 2, FIVE_PERCENT, START + 600 * S, &memory).count, 0);
}
END_TEST

/* --- the fleet --- */

static void uneven(void)
{
    world.file.pool.rebalance = 6000000; /* all of them every second */
    world.file.pool.target_tunnels = 100;
    hold(1, 0, 80);
    hold(2, 0, 80);
    pass(1 * S);
    pass(1 * S);
}

START_TEST(a_fleet_has_the_fullest_relieved_once_a_second_and_says_so_once)
{
    uneven();
    ck_assert_uint_eq(world.close_calls, 1);
    ck_assert_int_eq(world.last_closed, slot_of(1));
    ck_assert_uint_eq(world.close_most, 28); /* down to 1.3 x 40 */
    ck_assert_uint_lt(world.over_ms, 1000);
    hold(1, 0, 52);
    pass(100 * MS);
    ck_assert_uint_eq(world.close_calls, 1);
    pass(1 * S);
    ck_assert_uint_eq(world.close_calls, 2);
    ck_assert_int_eq(world.last_closed, slot_of(2));
    for (unsigned i = 1; i <= 4; i++)
        hold(i, 0, 40);
    pass(1 * S);
    pass(1 * S);
    ck_assert_uint_eq(world.close_calls, 2);
    ck_assert_uint_eq(fleet_counters(world.fleet)->decisions[DECISION_REBALANCE], 2); /* begun, and over */
    ck_assert_str_eq(fleet_decision_at(world.fleet, 1)->text, "66 tunnels were moved");
}
END_TEST

START_TEST(it_is_off_unless_the_file_says_so)
{
    hold(1, 0, 80);
    pass(5 * S);
    pass(5 * S);
    ck_assert_uint_eq(world.close_calls, 0);
}
END_TEST

START_TEST(nothing_moves_while_somebody_comes_or_is_replaced)
{
    fleet_drain(world.fleet, 4);
    keeper_obeys();
    uneven();
    pass(1 * S);
    ck_assert_uint_eq(world.close_calls, 0);
    becomes_ready(5);
    pass(1 * S);
    ck_assert_uint_eq(world.close_calls, 0); /* the old one drains */
    pass(1 * S);
    ends(4, 0);
    pass(1 * S);
    pass(1 * S);
    ck_assert_uint_ge(world.close_calls, 1);
}
END_TEST

START_TEST(nobody_is_sent_to_an_ejected_worker)
{
    unsigned count;
    struct backend *const *members = fleet_backends(world.fleet, &count);

    atomic_store(&members[2]->ejected_until_us, world.now_us + 600 * S);
    atomic_store(&members[3]->ejected_until_us, world.now_us + 600 * S);
    uneven();
    ck_assert_uint_eq(world.close_calls, 0);
}
END_TEST

START_TEST(a_fleet_that_is_frozen_moves_nobody)
{
    fleet_freeze(world.fleet);
    uneven();
    ck_assert_uint_eq(world.close_calls, 0);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures += RUN(
        "rebalance", set_up_healthy, what_is_nearly_even_is_left_alone,
        one_worker_alone_or_none_has_nobody_to_give_to, the_fullest_gives_and_no_more_than_the_share,
        of_a_few_one_goes_now_and_then, a_fresh_worker_is_filled_and_then_it_is_quiet,
        it_always_comes_to_rest_and_never_moves_more_than_it_must, after_a_long_pause_nothing_goes_at_once,
        a_fleet_has_the_fullest_relieved_once_a_second_and_says_so_once, it_is_off_unless_the_file_says_so,
        nothing_moves_while_somebody_comes_or_is_replaced, nobody_is_sent_to_an_ejected_worker,
        a_fleet_that_is_frozen_moves_nobody);
    return failures != 0;
}
