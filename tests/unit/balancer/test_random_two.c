/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

static void random_fixture(struct fixture *fixture, unsigned count, const unsigned *weights)
{
    fixture_init(fixture);
    fixture->config.balance = BALANCE_RANDOM_TWO;
    fixture_start_weighted(fixture, count, weights, false);
}

START_TEST(of_two_the_lighter_is_taken)
{
    struct fixture fixture;
    struct place busy, place;
    random_fixture(&fixture, 2, NULL);
    busy = take_from(&fixture, 1, PLACE_REQUEST, T0);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 2);
        release(&place);
    }
    release(&busy);
    busy = take_from(&fixture, 2, PLACE_TUNNEL, T0);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_uint_eq(take(&fixture, PLACE_TUNNEL, &place), 1);
        release(&place);
    }
    release(&busy);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(idle_backends_are_taken_as_their_weights_say)
{
    struct fixture fixture;
    struct place place;
    unsigned given[3] = {0};
    random_fixture(&fixture, 2, (unsigned[]){1, 3});
    for (unsigned i = 0; i < 4000; i++) {
        given[take(&fixture, PLACE_REQUEST, &place)]++;
        release(&place);
    }
    ck_assert_uint_ge(given[1], 800); /* a thousand; 200 are seven standard deviations */
    ck_assert_uint_le(given[1], 1200);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(every_backend_is_taken_now_and_then)
{
    struct fixture fixture;
    struct place place;
    unsigned given[11] = {0};
    random_fixture(&fixture, 10, NULL);
    for (unsigned i = 0; i < 10000; i++) {
        given[take(&fixture, PLACE_REQUEST, &place)]++;
        release(&place);
    }
    for (unsigned i = 1; i <= 10; i++)
        ck_assert_uint_ge(given[i], 700);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_only_one_with_room_is_found)
{
    struct fixture fixture;
    struct place place;
    random_fixture(&fixture, 20, NULL);
    for (unsigned i = 0; i < 20; i++)
        if (i != 13)
            backend_close(fixture.backends[i]);
    for (unsigned i = 0; i < 50; i++) {
        ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 14);
        release(&place);
    }
    fixture_fini(&fixture);
}
END_TEST

UNIT_MAIN("balancer/random_two", of_two_the_lighter_is_taken, idle_backends_are_taken_as_their_weights_say,
          every_backend_is_taken_now_and_then, the_only_one_with_room_is_found)
