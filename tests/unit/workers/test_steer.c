/* SPDX-License-Identifier: MIT
 *
 * When a worker that has workers of its own is told to have more or fewer. */
#include "workers/steer.h"

#include "tests/unit/unit.h"

#define MS 1000u
#define S  1000000u

static struct steer steer;
static uint64_t now_us;
static bool was_lost;

static enum steer_signal look(unsigned count, unsigned wanted, unsigned in_flight)
{
    struct steer_look look = {
        .now_us = now_us, .count = count, .wanted = wanted, .in_flight = in_flight, .leave_ms = 30000};

    return steer_step(&steer, &look, &was_lost);
}

/* The same again and again, every fifth of a second; how many signals were given. */
static unsigned looks(unsigned count, unsigned wanted, unsigned in_flight, uint64_t for_us)
{
    unsigned given = 0;

    for (uint64_t end_us = now_us + for_us; now_us < end_us; now_us += 200 * MS)
        given += look(count, wanted, in_flight) != STEER_NONE;
    return given;
}

/* It has started and stands at so many. */
static void begin(unsigned count)
{
    steer = (struct steer){0};
    now_us = 100 * S;
    ck_assert_uint_eq(looks(count, count, 0, 2 * S), 0);
}

START_TEST(nothing_is_asked_for_while_it_still_starts_what_it_was_told_to)
{
    now_us = 100 * S;
    for (unsigned count = 1; count <= 4; count++)
        ck_assert_uint_eq(looks(count, 6, 0, 600 * MS), 0);
    ck_assert_uint_eq(looks(4, 6, 0, 600 * MS), 0);
    ck_assert_int_eq(look(4, 6, 0), STEER_MORE);
}
END_TEST

START_TEST(one_signal_at_a_time_and_the_next_when_its_effect_is_seen)
{
    begin(2);
    ck_assert_int_eq(look(2, 4, 0), STEER_MORE);
    ck_assert_uint_eq(looks(2, 4, 0, 1 * S), 0);
    ck_assert_int_eq(look(3, 4, 0), STEER_MORE);
    ck_assert_int_eq(look(3, 4, 0), STEER_NONE);
    ck_assert_uint_eq(looks(4, 4, 0, 100 * S), 0);
}
END_TEST

START_TEST(a_signal_without_effect_is_given_again_later_and_later)
{
    unsigned given = 0;

    begin(2);
    ck_assert_int_eq(look(2, 3, 0), STEER_MORE);
    ck_assert_uint_eq(looks(2, 3, 0, 1800 * MS), 0);
    ck_assert_uint_eq(looks(2, 3, 0, 400 * MS), 1);
    ck_assert_uint_eq(looks(2, 3, 0, 3600 * MS), 0);
    given = looks(2, 3, 0, 300 * S);
    ck_assert_uint_ge(given, 4); /* at most a minute apart */
    ck_assert_uint_le(given, 9);
    ck_assert_uint_eq(looks(3, 3, 0, 1 * S), 0);
    ck_assert_uint_eq(steer.lost, 0);
}
END_TEST

START_TEST(fewer_wait_for_the_one_that_leaves)
{
    begin(4);
    ck_assert_int_eq(look(4, 2, 0), STEER_FEWER);
    ck_assert_uint_eq(looks(4, 2, 0, 29 * S), 0); /* it finishes what it has */
    ck_assert_int_eq(look(3, 2, 0), STEER_FEWER);
    ck_assert_uint_eq(looks(2, 2, 0, 60 * S), 0);
}
END_TEST

START_TEST(who_does_not_leave_in_its_time_is_asked_for_again)
{
    begin(4);
    ck_assert_int_eq(look(4, 3, 0), STEER_FEWER);
    ck_assert_uint_eq(looks(4, 3, 0, 29 * S), 0);
    ck_assert_uint_eq(looks(4, 3, 0, 2 * S), 1);
}
END_TEST

START_TEST(while_one_leaves_another_can_be_wanted_again_at_once)
{
    begin(4);
    ck_assert_int_eq(look(4, 3, 0), STEER_FEWER);
    ck_assert_int_eq(look(4, 5, 0), STEER_MORE); /* four, when that one has left */
    ck_assert_int_eq(look(4, 5, 0), STEER_MORE);
    ck_assert_int_eq(look(4, 5, 0), STEER_NONE);
    ck_assert_uint_eq(looks(5, 5, 0, 60 * S), 0);
}
END_TEST

START_TEST(the_moment_for_one_fewer_is_one_with_nothing_in_flight_or_five_seconds_later)
{
    begin(4);
    ck_assert_uint_eq(looks(4, 3, 2, 3 * S), 0);
    ck_assert_int_eq(look(4, 3, 0), STEER_FEWER);
    begin(4);
    ck_assert_uint_eq(looks(4, 3, 2, 5 * S), 0);
    ck_assert_uint_eq(looks(4, 3, 2, 400 * MS), 1);
}
END_TEST

START_TEST(wanted_again_meanwhile_the_wait_for_a_moment_begins_anew)
{
    begin(4);
    ck_assert_uint_eq(looks(4, 3, 2, 4 * S), 0);
    ck_assert_uint_eq(looks(4, 4, 2, 2 * S), 0);
    ck_assert_uint_eq(looks(4, 3, 2, 4 * S), 0);
}
END_TEST

START_TEST(the_last_one_is_never_asked_to_leave)
{
    begin(1);
    ck_assert_uint_eq(looks(1, 0, 0, 100 * S), 0);
}
END_TEST

START_TEST(one_that_crashes_and_is_started_again_by_the_master_changes_nothing)
{
    begin(4);
    for (int i = 0; i < 50; i++) {
        ck_assert_uint_eq(looks(3, 4, 0, 400 * MS), 0);
        ck_assert_uint_eq(looks(4, 4, 0, 1 * S), 0);
    }
}
END_TEST

START_TEST(children_that_crash_without_end_are_not_multiplied)
{
    unsigned given = 0;

    begin(4);
    for (int i = 0; i < 600; i++) /* ten minutes in which hardly one is there at a time */
        given += looks(i % 3, 4, 0, 1 * S);
    ck_assert_uint_le(given, 1);
    given = looks(0, 4, 0, 600 * S);
    ck_assert_uint_le(given, 14);
}
END_TEST

START_TEST(what_hup_made_it_forget_is_asked_for_again)
{
    begin(6);
    ck_assert_uint_eq(looks(8, 6, 0, 400 * MS), 0); /* the new ones beside the old */
    ck_assert_uint_eq(looks(2, 6, 0, 1800 * MS), 0);
    ck_assert_uint_eq(looks(2, 6, 0, 400 * MS), 1);
    ck_assert_int_eq(look(3, 6, 0), STEER_MORE);
    ck_assert_int_eq(look(4, 6, 0), STEER_MORE);
    ck_assert_int_eq(look(5, 6, 0), STEER_MORE);
    ck_assert_uint_eq(looks(6, 6, 0, 60 * S), 0);
}
END_TEST

START_TEST(more_than_it_was_told_are_let_go_when_they_stay)
{
    begin(2);
    ck_assert_uint_eq(looks(5, 2, 0, 29 * S), 0); /* they may be leaving */
    ck_assert_uint_eq(looks(5, 2, 0, 2 * S), 1);
    ck_assert_int_eq(look(4, 2, 0), STEER_FEWER);
    ck_assert_int_eq(look(3, 2, 0), STEER_FEWER);
    ck_assert_uint_eq(looks(2, 2, 0, 60 * S), 0);
}
END_TEST

/* A master that obeys, late and sometimes not at all, while the wanted number goes up and down: it gets there, and what
 * it aims at never leaves the bounds for long. */
START_TEST(whatever_is_lost_it_gets_to_what_is_wanted)
{
    for (unsigned seed = 1; seed <= 200; seed++) {
        unsigned aims = 3, count = 3, wanted = 3, random = seed * 2654435761u;
        begin(3);
        for (int i = 0; i < 5000; i++) {
            random = random * 1664525u + 1013904223u;
            if (i % 1000 == 500)
                wanted = 1 + (random >> 16) % 8;
            enum steer_signal signal = look(count, wanted, random >> 28 & 1);
            bool is_lost = (random >> 20 & 7) == 0;
            if (signal == STEER_MORE && !is_lost)
                aims++;
            if (signal == STEER_FEWER && !is_lost && aims > 1)
                aims--;
            ck_assert_uint_le(aims, 10);
            if (count < aims || (count > aims && (random >> 24 & 3) == 0))
                count += count < aims ? 1 : -1u;
            now_us += 200 * MS;
            if (i % 1000 == 499)
                ck_assert_msg(count == wanted, "seed %u: %u, not %u", seed, count, wanted);
        }
    }
}
END_TEST

UNIT_MAIN("workers/steer", nothing_is_asked_for_while_it_still_starts_what_it_was_told_to,
          one_signal_at_a_time_and_the_next_when_its_effect_is_seen,
          a_signal_without_effect_is_given_again_later_and_later, fewer_wait_for_the_one_that_leaves,
          who_does_not_leave_in_its_time_is_asked_for_again,
          while_one_leaves_another_can_be_wanted_again_at_once,
          the_moment_for_one_fewer_is_one_with_nothing_in_flight_or_five_seconds_later,
          wanted_again_meanwhile_the_wait_for_a_moment_begins_anew, the_last_one_is_never_asked_to_leave,
          one_that_crashes_and_is_started_again_by_the_master_changes_nothing,
          children_that_crash_without_end_are_not_multiplied, what_hup_made_it_forget_is_asked_for_again,
          more_than_it_was_told_are_let_go_when_they_stay, whatever_is_lost_it_gets_to_what_is_wanted)
