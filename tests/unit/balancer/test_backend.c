/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

START_TEST(a_backend_is_named_by_its_slot_and_its_address)
{
    struct fixture fixture;
    fixture_init(&fixture);
    int slot = slots_claim(fixture.slots, "web", 2, true);
    atomic_store(&fixture.slots->slot[slot].generation, 5);
    struct backend *backend = fixture_backend(&fixture, 2, 7, true);
    ck_assert_str_eq(backend->name, "web.2");
    ck_assert_str_eq(backend->authority, "127.0.0.1:8001");
    ck_assert_uint_eq(backend->generation, 5);
    ck_assert_uint_eq(backend->weight, 7);
    ck_assert(backend->is_worker);
    ck_assert(!backend_is_ejected(backend));
    backend_unref(&backend);
    ck_assert_ptr_null(backend);
    backend_unref(&backend); /* harmless */
    slots_free_all(&fixture.slots);
}
END_TEST

START_TEST(a_place_keeps_its_backend_when_the_pool_is_gone)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 1);
    ck_assert(take(&fixture, PLACE_REQUEST, &place));
    int slot = place.backend->slot;
    pool_unref(&fixture.pool);
    backend_unref(&fixture.backends[0]);
    ck_assert_str_eq(place.backend->name, "web.1");
    release(&place);
    ck_assert_ptr_null(place.backend);
    ck_assert_uint_eq(atomic_load(&fixture.slots->counts[slot]), 0);
    release(&place); /* none is held: nothing */
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_closed_backend_gets_nothing_new_in_any_set)
{
    struct fixture fixture;
    struct place place;
    fixture_init(&fixture);
    fixture_start(&fixture, 2);
    struct pool *next = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 2);
    pool_publish(next, T0);
    backend_close(fixture.backends[0]);
    for (unsigned i = 0; i < 10; i++) {
        ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 2);
        release(&place);
    }
    backend_close(fixture.backends[1]);
    ck_assert_uint_eq(take(&fixture, PLACE_REQUEST, &place), 0);
    pool_unref(&next);
    fixture_fini(&fixture);
}
END_TEST

struct closing {
    struct fixture fixture;
    _Atomic bool decided; /* somebody saw the backend closed with nothing held */
};

static void *take_until_closed(void *argument)
{
    struct closing *closing = argument;
    struct place place;
    while (take(&closing->fixture, PLACE_REQUEST, &place)) {
        CHECK(!atomic_load(&closing->decided));
        release(&place);
    }
    return NULL;
}

static void *close_and_decide(void *argument)
{
    struct closing *closing = argument;
    struct backend *backend = closing->fixture.backends[0];
    backend_close(backend);
    while (backend_requests(backend) > 0)
        ;
    atomic_store(&closing->decided, true);
    return NULL;
}

START_TEST(nobody_gets_a_place_once_a_closed_backend_was_seen_empty)
{
    for (unsigned round = 0; round < 200; round++) {
        struct closing closing = {.decided = false};
        pthread_t takers[2], closer;
        fixture_init(&closing.fixture);
        fixture_start(&closing.fixture, 1);
        for (unsigned i = 0; i < 2; i++)
            ck_assert_int_eq(pthread_create(&takers[i], NULL, take_until_closed, &closing), 0);
        ck_assert_int_eq(pthread_create(&closer, NULL, close_and_decide, &closing), 0);
        pthread_join(closer, NULL);
        for (unsigned i = 0; i < 2; i++)
            pthread_join(takers[i], NULL);
        fixture_fini(&closing.fixture);
    }
}
END_TEST

UNIT_MAIN("balancer/backend", a_backend_is_named_by_its_slot_and_its_address,
          a_place_keeps_its_backend_when_the_pool_is_gone, a_closed_backend_gets_nothing_new_in_any_set,
          nobody_gets_a_place_once_a_closed_backend_was_seen_empty)
