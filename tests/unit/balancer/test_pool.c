/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

#define THREADS 8

START_TEST(a_set_is_in_the_order_of_slot_numbers)
{
    struct fixture fixture;
    struct backend *mixed[3];
    fixture_init(&fixture);
    fixture_start(&fixture, 3);
    mixed[0] = fixture.backends[2];
    mixed[1] = fixture.backends[0];
    mixed[2] = fixture.backends[1];
    struct pool *pool = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, mixed, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ptr_eq(pool->backends[i], fixture.backends[i]);
    pool_unref(&pool);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_set_without_backends_lets_everybody_wait)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 0);
    for (int balance = BALANCE_LEAST_CONN; balance <= BALANCE_HASH; balance++) {
        fixture.config.balance = (enum balance)balance;
        ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 0);
        ck_assert_ptr_null(place.backend);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_worker_at_its_concurrency_gets_nothing_more)
{
    struct fixture fixture;
    struct place places[7];
    fixture_init(&fixture);
    fixture.config.concurrency = 3;
    fixture_start(&fixture, 2);
    for (unsigned i = 0; i < 6; i++)
        ck_assert(take(&fixture, PLACE_REQUEST, &places[i]));
    ck_assert(!take(&fixture, PLACE_REQUEST, &places[6]));
    ck_assert(!take(&fixture, PLACE_TUNNEL, &places[6]));
    release(&places[0]);
    ck_assert(take(&fixture, PLACE_REQUEST, &places[0]));
    for (unsigned i = 0; i < 6; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_worker_with_three_of_its_own_holds_three_times_its_concurrency)
{
    struct fixture fixture;
    struct place places[7];
    fixture_init(&fixture);
    fixture.config.concurrency = 2;
    fixture_start(&fixture, 1);
    pool_widen(fixture.pool, 3);
    for (unsigned i = 0; i < 6; i++)
        ck_assert(take(&fixture, PLACE_REQUEST, &places[i]));
    ck_assert(!take(&fixture, PLACE_REQUEST, &places[6]));
    for (unsigned i = 0; i < 6; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(tunnels_count_toward_concurrency_by_their_share)
{
    struct fixture fixture;
    struct place places[20], more;
    fixture_init(&fixture);
    fixture.config.concurrency = 2;
    fixture.config.target_concurrency = 2;
    fixture.config.target_tunnels = 20; /* ten tunnels are a request */
    fixture_start(&fixture, 1);
    for (unsigned i = 0; i < 9; i++)
        ck_assert(take(&fixture, PLACE_TUNNEL, &places[i]));
    ck_assert(take(&fixture, PLACE_REQUEST, &places[9]));
    ck_assert(take(&fixture, PLACE_REQUEST, &more)); /* 1.9 is below 2 */
    ck_assert(!take(&fixture, PLACE_REQUEST, &places[10]));
    release(&more);
    release(&places[9]);
    for (unsigned i = 9; i < 20; i++)
        ck_assert(take(&fixture, PLACE_TUNNEL, &places[i]));
    ck_assert(!take(&fixture, PLACE_TUNNEL, &more));
    for (unsigned i = 0; i < 20; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(without_a_target_tunnels_weigh_nothing)
{
    struct fixture fixture;
    struct place places[50], more;
    fixture_init(&fixture);
    fixture.config.concurrency = 1;
    fixture.config.target_tunnels = 0;
    fixture_start(&fixture, 1);
    for (unsigned i = 0; i < 50; i++)
        ck_assert(take(&fixture, PLACE_TUNNEL, &places[i]));
    ck_assert(take(&fixture, PLACE_REQUEST, &more));
    release(&more);
    for (unsigned i = 0; i < 50; i++)
        release(&places[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(huge_targets_keep_their_proportion)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.concurrency = 4294967295u;
    fixture.config.target_concurrency = 2147483648u;
    fixture.config.target_tunnels = 4294967295u;
    fixture_start(&fixture, 1);
    ck_assert_uint_le(fixture.pool->request_cost, 1 << 20);
    ck_assert_uint_ge(fixture.pool->tunnel_cost * 2 + 2, fixture.pool->request_cost);
    ck_assert_uint_gt(fixture.pool->bound, fixture.pool->request_cost);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_lane_that_is_full_takes_nothing_more_and_harms_no_other)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 1);
    _Atomic uint64_t *counts = &fixture.slots->counts[fixture.backends[0]->slot];
    atomic_store(counts, LANE_MAX);
    ck_assert(!take(&fixture, PLACE_REQUEST, &place));
    ck_assert(take(&fixture, PLACE_TUNNEL, &place));
    ck_assert_uint_eq(atomic_load(counts), LANE_MAX | 1u << 16);
    place_becomes_request(&place); /* no room: stays what it is */
    ck_assert_int_eq(place.kind, PLACE_TUNNEL);
    release(&place);
    ck_assert_uint_eq(atomic_load(counts), LANE_MAX);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_handshake_that_got_a_plain_answer_becomes_a_request)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 1);
    ck_assert(take(&fixture, PLACE_TUNNEL, &place));
    ck_assert_uint_eq(backend_tunnels(fixture.backends[0]), 1);
    place_becomes_request(&place);
    ck_assert_uint_eq(backend_tunnels(fixture.backends[0]), 0);
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 1);
    release(&place);
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(both_engines_see_the_sum)
{
    struct fixture fixture;
    struct place mine, theirs;
    fixture_init(&fixture);
    fixture.config.concurrency = 1;
    fixture_start(&fixture, 2);
    struct pick pick = {.kind = PLACE_REQUEST, .now_us = T0};
    struct pool *other = pool_new(NULL, &fixture.config, fixture.slots, 1, fixture.pool, fixture.backends, 2);
    unsigned number = take(&fixture, PLACE_REQUEST, &mine);
    ck_assert_int_eq(pool_take(other, &pick, &theirs), PICK_TAKEN);
    ck_assert_str_ne(theirs.backend->name, mine.backend->name);
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 1);
    ck_assert_uint_eq(backend_requests(fixture.backends[1]), 1);
    struct place third;
    ck_assert_int_eq(pool_take(other, &pick, &third), PICK_WAIT);
    release(&mine);
    ck_assert_int_eq(pool_take(other, &pick, &third), PICK_TAKEN);
    ck_assert_ptr_eq(third.backend, fixture.backends[number - 1]);
    release(&theirs);
    release(&third);
    pool_unref(&other);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_was_tried_is_not_given_again)
{
    struct fixture fixture;
    for (int balance = BALANCE_LEAST_CONN; balance <= BALANCE_HASH; balance++) {
        fixture_init(&fixture);
        fixture.config.balance = (enum balance)balance;
        fixture_start(&fixture, 3);
        for (uint64_t i = 0; i < 30; i++) {
            struct backend *tried[2] = {fixture.backends[i % 3], fixture.backends[(i + 1) % 3]};
            struct pick pick = {
                .kind = PLACE_REQUEST, .hash = i, .now_us = T0, .tried = tried, .tried_count = 2};
            struct place place;
            ck_assert_int_eq(pool_take(fixture.pool, &pick, &place), PICK_TAKEN);
            ck_assert_ptr_eq(place.backend, fixture.backends[(i + 2) % 3]);
            release(&place);
        }
        fixture_fini(&fixture);
    }
}
END_TEST

/* Threads. */

#define HELD   400
#define ROUNDS 50

struct many {
    struct fixture fixture;
    enum place_kind kind;
    struct meeting meeting;
    _Atomic unsigned at, uneven;
    struct place places[HELD];
};

static bool is_even(struct many *many)
{
    for (unsigned i = 0; i < many->fixture.count; i++) {
        const struct backend *backend = many->fixture.backends[i];
        unsigned held = many->kind == PLACE_TUNNEL ? backend_tunnels(backend) : backend_requests(backend);
        if (held != HELD / many->fixture.count)
            return false;
    }
    return true;
}

static void *take_each(void *argument)
{
    struct many *many = argument;
    unsigned first = atomic_fetch_add(&many->at, HELD / THREADS);
    for (unsigned round = 0; round < ROUNDS; round++) {
        meet(&many->meeting, THREADS);
        for (unsigned i = 0; i < HELD / THREADS; i++)
            CHECK(take(&many->fixture, many->kind, &many->places[first + i]));
        meet(&many->meeting, THREADS);
        if (!is_even(many))
            atomic_fetch_add(&many->uneven, 1);
        meet(&many->meeting, THREADS);
        for (unsigned i = 0; i < HELD / THREADS; i++)
            release(&many->places[first + i]);
    }
    return NULL;
}

static void spread_is_exact(enum place_kind kind, unsigned slow_start)
{
    static struct many many;
    many = (struct many){.kind = kind};
    fixture_init(&many.fixture);
    many.fixture.config.slow_start = slow_start;
    fixture_start(&many.fixture, 4);
    run_threads(THREADS, take_each, &many);
    ck_assert_uint_eq(atomic_load(&many.uneven), 0);
    fixture_fini(&many.fixture);
}

START_TEST(four_hundred_tunnels_from_eight_threads_are_a_hundred_at_each_of_four)
{
    spread_is_exact(PLACE_TUNNEL, 0);
    spread_is_exact(PLACE_TUNNEL, 1000);
}
END_TEST

START_TEST(four_hundred_requests_from_eight_threads_are_a_hundred_at_each_of_four)
{
    spread_is_exact(PLACE_REQUEST, 0);
    spread_is_exact(PLACE_REQUEST, 1000);
}
END_TEST

/* More want a place than there are. */
static void *come_and_go(void *argument)
{
    struct many *many = argument;
    struct place held[4] = {{0}};
    meet(&many->meeting, THREADS);
    for (unsigned i = 0; i < 30000; i++) {
        struct pick pick = {.kind = PLACE_REQUEST, .hash = i, .now_us = T0};
        struct place *place = &held[i % 4];
        release(place);
        if (pool_take(many->fixture.pool, &pick, place) == PICK_TAKEN)
            CHECK(backend_requests(place->backend) <= many->fixture.config.concurrency);
    }
    for (unsigned i = 0; i < 4; i++)
        release(&held[i]);
    return NULL;
}

START_TEST(concurrency_is_never_exceeded_whatever_the_policy)
{
    static struct many many;
    for (int balance = BALANCE_LEAST_CONN; balance <= BALANCE_HASH; balance++) {
        many = (struct many){.kind = PLACE_REQUEST};
        fixture_init(&many.fixture);
        many.fixture.config.concurrency = 5;
        many.fixture.config.balance = (enum balance)balance;
        fixture_start(&many.fixture, 4);
        run_threads(THREADS, come_and_go, &many);
        for (unsigned i = 0; i < 4; i++)
            ck_assert_uint_eq(atomic_load(&many.fixture.slots->counts[many.fixture.backends[i]->slot]), 0);
        fixture_fini(&many.fixture);
    }
}
END_TEST

static void *publish_again_and_again(void *argument)
{
    struct many *many = argument;
    struct pool *present = pool_ref(many->fixture.pool);
    for (unsigned i = 0; i < 300; i++) {
        struct pool *next = pool_new(NULL, &many->fixture.config, many->fixture.slots, 0, present,
                                     many->fixture.backends, 2 + i % 3);
        pool_publish(next, T0);
        pool_unref(&present);
        present = next;
    }
    pool_unref(&present);
    return NULL;
}

START_TEST(sets_follow_each_other_while_places_are_taken)
{
    static struct many many;
    pthread_t publisher;
    many = (struct many){.kind = PLACE_REQUEST};
    fixture_init(&many.fixture);
    many.fixture.config.concurrency = 5;
    fixture_start(&many.fixture, 4);
    ck_assert_int_eq(pthread_create(&publisher, NULL, publish_again_and_again, &many), 0);
    run_threads(THREADS, come_and_go, &many);
    pthread_join(publisher, NULL);
    fixture_fini(&many.fixture);
}
END_TEST

UNIT_MAIN("balancer/pool", a_set_is_in_the_order_of_slot_numbers, a_set_without_backends_lets_everybody_wait,
          a_worker_with_three_of_its_own_holds_three_times_its_concurrency,
          a_worker_at_its_concurrency_gets_nothing_more, tunnels_count_toward_concurrency_by_their_share,
          without_a_target_tunnels_weigh_nothing, huge_targets_keep_their_proportion,
          a_lane_that_is_full_takes_nothing_more_and_harms_no_other,
          a_handshake_that_got_a_plain_answer_becomes_a_request, both_engines_see_the_sum,
          who_was_tried_is_not_given_again,
          four_hundred_tunnels_from_eight_threads_are_a_hundred_at_each_of_four,
          four_hundred_requests_from_eight_threads_are_a_hundred_at_each_of_four,
          concurrency_is_never_exceeded_whatever_the_policy, sets_follow_each_other_while_places_are_taken)
