/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

START_TEST(the_least_loaded_gets_the_next_request)
{
    struct fixture fixture;
    struct place places[4];
    fixture_init(&fixture);
    fixture_start(&fixture, 3);
    places[0] = take_from(&fixture, 1, PLACE_REQUEST, T0);
    places[1] = take_from(&fixture, 2, PLACE_REQUEST, T0);
    ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &places[2]), 3);
    release(&places[1]);
    ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &places[3]), 2);
    release(&places[0]);
    release(&places[2]);
    release(&places[3]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(equals_take_turns)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 4);
    for (unsigned i = 0; i < 12; i++) {
        ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), i % 4 + 1);
        release(&place);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(two_equals_among_four_take_turns)
{
    struct fixture fixture;
    struct place busy[2], place;
    unsigned given[5] = {0};
    fixture_init(&fixture);
    fixture_start(&fixture, 4);
    busy[0] = take_from(&fixture, 3, PLACE_REQUEST, T0);
    busy[1] = take_from(&fixture, 4, PLACE_REQUEST, T0);
    for (unsigned i = 0; i < 20; i++) {
        given[take(&fixture, PLACE_REQUEST, &place)]++;
        release(&place);
    }
    ck_assert_uint_eq(given[1], 10);
    ck_assert_uint_eq(given[2], 10);
    release(&busy[0]);
    release(&busy[1]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(requests_in_flight_follow_the_weights)
{
    struct fixture fixture;
    struct place places[60];
    fixture_init(&fixture);
    fixture_start_weighted(&fixture, 3, (unsigned[]){1, 2, 3}, false);
    for (unsigned i = 0; i < 60; i++)
        ck_assert(take(&fixture, PLACE_REQUEST, &places[i]));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(backend_requests(fixture.backends[i]), 10 * (i + 1));
    for (unsigned i = 0; i < 60; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(idle_equals_share_as_their_weights_say)
{
    struct fixture fixture;
    struct place place;
    unsigned given[4] = {0};
    fixture_init(&fixture);
    fixture_start_weighted(&fixture, 3, (unsigned[]){1, 2, 3}, false);
    for (unsigned i = 0; i < 60; i++) {
        given[take(&fixture, PLACE_REQUEST, &place)]++;
        release(&place);
    }
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_uint_ge(given[i], 10 * i - 1);
        ck_assert_uint_le(given[i], 10 * i + 1);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_was_away_is_not_given_all_that_it_missed)
{
    struct fixture fixture;
    struct place place;
    unsigned given[3] = {0};
    fixture_init(&fixture);
    fixture_start_weighted(&fixture, 2, (unsigned[]){1, 2}, false);
    for (unsigned i = 0; i < 300; i++) {
        place = take_from(&fixture, 2, PLACE_REQUEST, T0);
        release(&place);
    }
    for (unsigned i = 0; i < 30; i++) {
        given[take(&fixture, PLACE_REQUEST, &place)]++;
        release(&place);
    }
    ck_assert_uint_ge(given[1], 9);
    ck_assert_uint_le(given[1], 12);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(for_a_request_ten_tunnels_are_one_request)
{
    struct fixture fixture;
    struct place tunnels[11], request, place;
    fixture_init(&fixture); /* 10 requests or 100 tunnels */
    fixture_start(&fixture, 2);
    request = take_from(&fixture, 1, PLACE_REQUEST, T0);
    for (unsigned i = 0; i < 9; i++)
        tunnels[i] = take_from(&fixture, 2, PLACE_TUNNEL, T0);
    ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 2);
    release(&place);
    tunnels[9] = take_from(&fixture, 2, PLACE_TUNNEL, T0);
    tunnels[10] = take_from(&fixture, 2, PLACE_TUNNEL, T0);
    ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 1);
    release(&place);
    for (unsigned i = 0; i < 11; i++)
        release(&tunnels[i]);
    release(&request);
    fixture_fini(&fixture);
}
END_TEST

static void a_handshake_prefers_fewer_tunnels(const unsigned *weights)
{
    struct fixture fixture;
    struct place tunnel, requests[5], place;
    fixture_init(&fixture);
    fixture_start_weighted(&fixture, 3, weights, false);
    tunnel = take_from(&fixture, 1, PLACE_TUNNEL, T0);
    for (unsigned i = 0; i < 5; i++)
        requests[i] = take_from(&fixture, i < 3 ? 2 : 3, PLACE_REQUEST, T0);
    ck_assert_uint_eq(take(&fixture, PLACE_TUNNEL, &place), 3);
    release(&place);
    release(&tunnel);
    for (unsigned i = 0; i < 5; i++)
        release(&requests[i]);
    fixture_fini(&fixture);
}

START_TEST(a_handshake_goes_by_tunnels_then_by_requests)
{
    a_handshake_prefers_fewer_tunnels(NULL);
    a_handshake_prefers_fewer_tunnels((unsigned[]){5, 5, 4}); /* 3/5 is more than 2/4 */
}
END_TEST

static unsigned share_of_first(struct fixture *fixture, uint64_t now_us)
{
    struct place places[100];
    for (unsigned i = 0; i < 100; i++)
        CHECK(take_at(fixture, PLACE_REQUEST, now_us, &places[i]));
    unsigned share = backend_requests(fixture->backends[0]);
    for (unsigned i = 0; i < 100; i++)
        release(&places[i]);
    return share;
}

START_TEST(a_newcomer_starts_slowly)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.slow_start = 10000;
    fixture_start(&fixture, 2);
    ck_assert_uint_eq(share_of_first(&fixture, T0), 50); /* from the start of the engine: no ramp */
    atomic_store(&fixture.backends[0]->joined_us, T0);
    ck_assert_uint_le(share_of_first(&fixture, T0), 10);       /* 0.1 : 1 */
    unsigned half = share_of_first(&fixture, T0 + 5 * SECOND); /* 0.55 : 1 */
    ck_assert_uint_ge(half, 34);
    ck_assert_uint_le(half, 37);
    ck_assert_uint_eq(share_of_first(&fixture, T0 + 10 * SECOND), 50);
    ck_assert_uint_le(share_of_first(&fixture, T0 - SECOND), 10); /* another thread's clock lags */
    fixture_fini(&fixture);
}
END_TEST

START_TEST(above_sixty_four_the_load_is_still_nearly_even_and_every_place_is_found)
{
    static struct place places[1000];
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.concurrency = 10;
    fixture_start(&fixture, 100);
    for (unsigned i = 0; i < 500; i++)
        ck_assert(take(&fixture, PLACE_REQUEST, &places[i]));
    for (unsigned i = 0; i < 100; i++)
        ck_assert_uint_le(backend_requests(fixture.backends[i]), 8);
    for (unsigned i = 500; i < 1000; i++)
        ck_assert(take(&fixture, PLACE_REQUEST, &places[i]));
    struct place more;
    ck_assert(!take(&fixture, PLACE_REQUEST, &more));
    for (unsigned i = 0; i < 1000; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(in_a_pool_that_is_sized_equals_go_to_the_lowest)
{
    struct fixture fixture;
    struct place places[3];
    fixture_init(&fixture);
    fixture.config.is_sized = true;
    fixture_start(&fixture, 4);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 3; i++)
            ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &places[i]), i + 1);
        for (unsigned i = 0; i < 3; i++)
            release(&places[i]);
    }
    fixture_fini(&fixture);
}
END_TEST

UNIT_MAIN("balancer/least_conn", the_least_loaded_gets_the_next_request,
          in_a_pool_that_is_sized_equals_go_to_the_lowest, equals_take_turns,
          two_equals_among_four_take_turns, requests_in_flight_follow_the_weights,
          idle_equals_share_as_their_weights_say, who_was_away_is_not_given_all_that_it_missed,
          for_a_request_ten_tunnels_are_one_request, a_handshake_goes_by_tunnels_then_by_requests,
          a_newcomer_starts_slowly, above_sixty_four_the_load_is_still_nearly_even_and_every_place_is_found)
