/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

#define KEYS 10000u

static void hash_fixture(struct fixture *fixture, unsigned count, const unsigned *weights)
{
    fixture_init(fixture);
    fixture->config.balance = BALANCE_HASH;
    fixture_start_weighted(fixture, count, weights, true);
}

static unsigned owner(struct fixture *fixture, struct pool *pool, uint64_t key)
{
    struct pick pick = {.kind = PLACE_REQUEST, .hash = key, .now_us = T0};
    struct place place;
    CHECK(pool_take(pool, &pick, &place) == PICK_TAKEN);
    unsigned number = fixture->slots->slot[place.backend->slot].number;
    release(&place);
    return number;
}

START_TEST(a_key_stays_with_its_backend_whatever_the_load)
{
    struct fixture fixture;
    struct place busy[20];
    hash_fixture(&fixture, 4, NULL);
    unsigned number = owner(&fixture, fixture.pool, 42);
    for (unsigned i = 0; i < 20; i++)
        busy[i] = take_from(&fixture, number, PLACE_REQUEST, T0);
    ck_assert_uint_eq(owner(&fixture, fixture.pool, 42), number);
    for (unsigned i = 0; i < 20; i++)
        release(&busy[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(keys_spread_evenly_and_small_numbers_too)
{
    struct fixture fixture;
    unsigned owned[5] = {0};
    hash_fixture(&fixture, 4, NULL);
    for (uint64_t key = 0; key < KEYS; key++)
        owned[owner(&fixture, fixture.pool, key)]++;
    for (unsigned i = 1; i <= 4; i++) {
        ck_assert_uint_ge(owned[i], 2300);
        ck_assert_uint_le(owned[i], 2700);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(one_more_backend_moves_only_the_keys_that_it_gets)
{
    struct fixture fixture;
    unsigned moved = 0;
    hash_fixture(&fixture, 5, NULL);
    struct pool *four = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 4);
    for (uint64_t key = 0; key < KEYS; key++) {
        unsigned before = owner(&fixture, four, key), after = owner(&fixture, fixture.pool, key);
        if (before != after) {
            ck_assert_uint_eq(after, 5);
            moved++;
        }
    }
    ck_assert_uint_ge(moved, KEYS / 5 - 250);
    ck_assert_uint_le(moved, KEYS / 5 + 250);
    pool_unref(&four);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_replacement_in_the_same_slot_keeps_the_keys)
{
    struct fixture fixture;
    struct backend *next[3];
    hash_fixture(&fixture, 3, NULL);
    for (unsigned i = 0; i < 3; i++)
        next[i] = fixture_backend(&fixture, i + 1, 1, true);
    struct pool *replaced = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, next, 3);
    for (uint64_t key = 0; key < 1000; key++)
        ck_assert_uint_eq(owner(&fixture, replaced, key), owner(&fixture, fixture.pool, key));
    pool_unref(&replaced);
    for (unsigned i = 0; i < 3; i++)
        backend_unref(&next[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(keys_follow_the_weights)
{
    struct fixture fixture;
    unsigned owned[5] = {0};
    hash_fixture(&fixture, 4, (unsigned[]){1, 2, 3, 4});
    for (uint64_t key = 0; key < KEYS; key++)
        owned[owner(&fixture, fixture.pool, key)]++;
    for (unsigned i = 1; i <= 4; i++) {
        ck_assert_uint_ge(owned[i], 1000 * i - 250);
        ck_assert_uint_le(owned[i], 1000 * i + 250);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_is_full_or_closed_is_passed_over_and_gets_its_keys_back)
{
    struct fixture fixture;
    unsigned spread[5] = {0};
    hash_fixture(&fixture, 4, NULL);
    fixture.config.concurrency = 1;
    struct pool *pool = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 4);
    struct place busy = take_from(&fixture, 2, PLACE_REQUEST, T0);
    for (uint64_t key = 0; key < 1000; key++) {
        unsigned own = owner(&fixture, fixture.pool, key), now = owner(&fixture, pool, key);
        ck_assert_uint_ne(now, 2);
        if (own == 2)
            spread[now]++;
        else
            ck_assert_uint_eq(now, own);
    }
    for (unsigned i = 1; i <= 4; i++)
        ck_assert(i == 2 || spread[i] > 30); /* its keys went to all the others */
    release(&busy);
    backend_close(fixture.backends[0]);
    for (uint64_t key = 0; key < 1000; key++)
        ck_assert_uint_ne(owner(&fixture, pool, key), 1);
    pool_unref(&pool);
    fixture_fini(&fixture);
}
END_TEST

UNIT_MAIN("balancer/hash", a_key_stays_with_its_backend_whatever_the_load,
          keys_spread_evenly_and_small_numbers_too, one_more_backend_moves_only_the_keys_that_it_gets,
          a_replacement_in_the_same_slot_keeps_the_keys, keys_follow_the_weights,
          who_is_full_or_closed_is_passed_over_and_gets_its_keys_back)
