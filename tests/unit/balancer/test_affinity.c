/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

static char cookie[] = "worker";

/* Workers with the affinity numbers 1 ... count. */
static void sticky_fixture(struct fixture *fixture, unsigned count, unsigned concurrency)
{
    fixture_init(fixture);
    fixture->config.affinity.cookie = cookie;
    fixture->config.concurrency = concurrency;
    for (unsigned i = 1; i <= count; i++) {
        int slot = slots_claim(fixture->slots, fixture->config.name, i, true);
        atomic_store(&fixture->slots->slot[slot].affinity, i);
    }
    fixture_start_weighted(fixture, count, NULL, true);
}

static uint64_t name_of(struct fixture *fixture, unsigned number)
{
    char value[AFFINITY_SIZE];
    return affinity_write(fixture->pool, fixture->backends[number - 1], value);
}

/* The number of the worker that a client with this cookie gets; 0: it has to wait. */
static unsigned visit(struct fixture *fixture, struct pool *pool, uint64_t name, enum place_kind kind,
                      struct place *place)
{
    struct pick pick = {.kind = kind, .affinity = name, .now_us = T0};
    *place = (struct place){0};
    if (pool_take(pool, &pick, place) != PICK_TAKEN)
        return 0;
    return fixture->slots->slot[place->backend->slot].number;
}

static void on_granted(struct waiter *waiter)
{
    (void)waiter;
}

START_TEST(a_value_names_its_backend_and_is_22_plain_characters)
{
    struct fixture fixture;
    char value[AFFINITY_SIZE], other[AFFINITY_SIZE];
    sticky_fixture(&fixture, 3, 0);
    for (unsigned i = 1; i <= 3; i++) {
        uint64_t name = affinity_write(fixture.pool, fixture.backends[i - 1], value);
        ck_assert_uint_ne(name, 0);
        ck_assert_uint_eq(affinity_read(fixture.pool, (struct slice){value, sizeof value}), name);
        for (unsigned k = 0; k < sizeof value; k++)
            ck_assert_msg((value[k] >= 'a' && value[k] <= 'z') || (value[k] >= 'A' && value[k] <= 'Z') ||
                              (value[k] >= '0' && value[k] <= '9') || value[k] == '-' || value[k] == '_',
                          "%c", value[k]);
        affinity_write(fixture.pool, fixture.backends[i % 3], other);
        ck_assert_int_ne(memcmp(value, other, sizeof value), 0);
    }
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_value_is_the_start_of_the_hmac_in_base64url)
{
    struct fixture fixture;
    char value[AFFINITY_SIZE], secret[] = "a secret of a test";
    fixture_init(&fixture);
    fixture.config.affinity = (struct affinity_config){.cookie = cookie, .secret = secret};
    fixture_start(&fixture, 1);
    affinity_write(fixture.pool, fixture.backends[0], value);
    /* printf 'drover affinity: web server 127.0.0.1:8001' | openssl dgst -sha256 -hmac 'a secret of a test' -binary |
     * head -c 16 | base64 */
    ck_assert_int_eq(memcmp(value, "fMPhSamLDOYWpRKjLxWREQ", sizeof value), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_forged_value_names_nobody)
{
    struct fixture fixture;
    char value[AFFINITY_SIZE + 1];
    sticky_fixture(&fixture, 2, 0);
    affinity_write(fixture.pool, fixture.backends[0], value);
    for (unsigned i = 0; i < AFFINITY_SIZE; i++) {
        value[i] ^= 1;
        ck_assert_uint_eq(affinity_read(fixture.pool, (struct slice){value, AFFINITY_SIZE}), 0);
        value[i] ^= 1;
    }
    ck_assert_uint_eq(affinity_read(fixture.pool, (struct slice){value, AFFINITY_SIZE - 1}), 0);
    ck_assert_uint_eq(affinity_read(fixture.pool, (struct slice){value, AFFINITY_SIZE + 1}), 0);
    ck_assert_uint_eq(affinity_read(fixture.pool, SLICE("web.1")), 0);
    ck_assert_uint_eq(affinity_read(fixture.pool, SLICE("")), 0);
    ck_assert_uint_ne(affinity_read(fixture.pool, (struct slice){value, AFFINITY_SIZE}), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(another_key_or_another_pool_makes_other_values)
{
    struct fixture fixture;
    char first[AFFINITY_SIZE], second[AFFINITY_SIZE], secret[] = "another secret text", other[] = "api";
    struct fixture elsewhere;
    sticky_fixture(&fixture, 1, 0);
    affinity_write(fixture.pool, fixture.backends[0], first);
    struct pool_config config = fixture.config;
    config.affinity.secret = secret;
    struct pool *pool = pool_new(NULL, &config, fixture.slots, 0, fixture.pool, fixture.backends, 1);
    affinity_write(pool, fixture.backends[0], second);
    ck_assert_int_ne(memcmp(first, second, sizeof first), 0);
    ck_assert_uint_eq(affinity_read(pool, (struct slice){first, sizeof first}), 0);
    fixture_init(&elsewhere);
    elsewhere.config.affinity = config.affinity;
    elsewhere.config.name = other;
    fixture_start(&elsewhere, 1);
    affinity_write(elsewhere.pool, elsewhere.backends[0], first);
    ck_assert_int_ne(memcmp(first, second, sizeof first), 0);
    fixture_fini(&elsewhere);
    pool_unref(&pool);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_key_file_that_ends_with_a_line_is_the_same_key)
{
    struct fixture fixture;
    char plain[] = "0123456789abcdef", line[] = "0123456789abcdef\n";
    char first[AFFINITY_SIZE], second[AFFINITY_SIZE];
    sticky_fixture(&fixture, 1, 0);
    struct pool_config a = fixture.config, b = fixture.config;
    a.affinity.key = (struct file_config){.bytes = plain, .size = 16};
    b.affinity.key = (struct file_config){.bytes = line, .size = 17};
    struct pool *with_a = pool_new(NULL, &a, fixture.slots, 0, fixture.pool, fixture.backends, 1);
    struct pool *with_b = pool_new(NULL, &b, fixture.slots, 0, fixture.pool, fixture.backends, 1);
    affinity_write(with_a, fixture.backends[0], first);
    affinity_write(with_b, fixture.backends[0], second);
    ck_assert_int_eq(memcmp(first, second, sizeof first), 0);
    pool_unref(&with_a);
    pool_unref(&with_b);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_is_named_gets_the_client_whatever_its_load)
{
    struct fixture fixture;
    struct place busy[20], place;
    sticky_fixture(&fixture, 4, 0);
    for (unsigned i = 0; i < 20; i++)
        busy[i] = take_from(&fixture, 3, PLACE_REQUEST, T0);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_uint_eq(visit(&fixture, fixture.pool, name_of(&fixture, 3), PLACE_REQUEST, &place), 3);
        release(&place);
        ck_assert_uint_eq(visit(&fixture, fixture.pool, name_of(&fixture, 3), PLACE_TUNNEL, &place), 3);
        release(&place);
    }
    ck_assert_uint_ne(visit(&fixture, fixture.pool, 0, PLACE_REQUEST, &place), 3);
    release(&place);
    for (unsigned i = 0; i < 20; i++)
        release(&busy[i]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_name_that_is_not_there_is_chosen_for_by_load)
{
    struct fixture fixture;
    struct place place, more;
    sticky_fixture(&fixture, 2, 0);
    unsigned first = visit(&fixture, fixture.pool, 12345, PLACE_REQUEST, &place);
    unsigned second = visit(&fixture, fixture.pool, 12345, PLACE_REQUEST, &more);
    ck_assert_uint_eq(first + second, 3);
    release(&place);
    release(&more);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_closed_one_and_one_that_was_tried_are_no_way_in)
{
    struct fixture fixture;
    struct place place = {0};
    sticky_fixture(&fixture, 2, 0);
    struct pick pick = {
        .affinity = name_of(&fixture, 1), .now_us = T0, .tried = &fixture.backends[0], .tried_count = 1};
    ck_assert(pool_take(fixture.pool, &pick, &place) == PICK_TAKEN);
    ck_assert_ptr_eq(place.backend, fixture.backends[1]);
    release(&place);
    uint64_t name = name_of(&fixture, 2);
    backend_close(fixture.backends[1]);
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name, PLACE_REQUEST, &place), 1);
    release(&place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(an_ejected_one_is_no_way_in_even_when_it_is_full)
{
    struct fixture fixture;
    struct place place, held;
    sticky_fixture(&fixture, 2, 1);
    uint64_t name = name_of(&fixture, 1);
    fail_times(&fixture, 1, 3, T0);
    ck_assert(backend_is_ejected(fixture.backends[0]));
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name, PLACE_REQUEST, &place), 2);
    /* Its time is up, but it is still full: nobody waits for it. */
    atomic_store(&fixture.backends[0]->ejected_until_us, T0 - 1);
    atomic_store(&fixture.backends[0]->needs_probe, 0);
    release(&place);
    held = (struct place){0};
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name, PLACE_REQUEST, &held), 1); /* it is the trial */
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name, PLACE_REQUEST, &place), 2);
    release(&held);
    release(&place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_is_named_and_full_is_waited_for_and_nobody_behind_is_held_up)
{
    struct fixture fixture;
    struct place busy, other = {0};
    sticky_fixture(&fixture, 2, 1);
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name_of(&fixture, 1), PLACE_REQUEST, &busy), 1);
    struct waiter waiter = {.pick = {.affinity = name_of(&fixture, 1), .now_us = T0},
                            .on_granted = on_granted};
    struct place none = {0};
    ck_assert(pool_take(fixture.pool, &waiter.pick, &none) == PICK_WAIT);
    ck_assert(pool_wait(fixture.pool, &waiter) == WAIT_QUEUED);
    struct waiter stranger = {.pick = {.now_us = T0}, .on_granted = on_granted};
    ck_assert(pool_wait(fixture.pool, &stranger) == WAIT_TAKEN);
    ck_assert_ptr_eq(stranger.place.backend, fixture.backends[1]);
    other = stranger.place;
    release(&other); /* the other one has room again: not for who waits for this one */
    ck_assert(waiter.state == WAITER_WAITING);
    release(&busy);
    ck_assert(waiter.state == WAITER_GRANTED);
    ck_assert_ptr_eq(waiter.place.backend, fixture.backends[0]);
    release(&waiter.place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_waits_for_one_that_leaves_goes_elsewhere)
{
    struct fixture fixture;
    struct place busy;
    sticky_fixture(&fixture, 2, 1);
    ck_assert_uint_eq(visit(&fixture, fixture.pool, name_of(&fixture, 1), PLACE_REQUEST, &busy), 1);
    struct waiter waiter = {.pick = {.affinity = name_of(&fixture, 1), .now_us = T0},
                            .on_granted = on_granted};
    ck_assert(pool_wait(fixture.pool, &waiter) == WAIT_QUEUED);
    backend_close(fixture.backends[0]);
    pool_tick(fixture.pool, T0);
    ck_assert(waiter.state == WAITER_GRANTED);
    ck_assert_ptr_eq(waiter.place.backend, fixture.backends[1]);
    release(&waiter.place);
    release(&busy);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_replacement_with_the_same_number_gets_the_clients)
{
    struct fixture fixture;
    char value[AFFINITY_SIZE];
    struct place place;
    sticky_fixture(&fixture, 3, 0);
    affinity_write(fixture.pool, fixture.backends[1], value);
    struct backend *replacement = fixture_backend(&fixture, 4, 1, true);
    atomic_store(&fixture.slots->slot[replacement->slot].affinity, 2);
    struct backend *next[] = {fixture.backends[0], fixture.backends[2], replacement};
    struct pool *pool = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, next, 3);
    uint64_t name = affinity_read(pool, (struct slice){value, sizeof value});
    ck_assert_uint_eq(visit(&fixture, pool, name, PLACE_REQUEST, &place), 4);
    release(&place);
    pool_unref(&pool);
    backend_unref(&replacement);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_backend_of_a_newer_set_has_a_value_too_and_one_without_a_number_has_none)
{
    struct fixture fixture;
    char value[AFFINITY_SIZE];
    sticky_fixture(&fixture, 1, 0);
    struct backend *newer = fixture_backend(&fixture, 2, 1, true);
    ck_assert_uint_eq(affinity_write(fixture.pool, newer, value), 0);
    atomic_store(&fixture.slots->slot[newer->slot].affinity, 2);
    ck_assert_uint_ne(affinity_write(fixture.pool, newer, value), 0);
    ck_assert_uint_eq(affinity_read(fixture.pool, (struct slice){value, sizeof value}), 0);
    backend_unref(&newer);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(servers_are_named_by_their_address_not_by_their_place_in_the_list)
{
    struct fixture fixture;
    char secret[] = "shared by several drovers", before[AFFINITY_SIZE], after[AFFINITY_SIZE];
    struct address first, second;
    ck_assert(address_parse(&first, SLICE("10.0.0.1:80")) && address_parse(&second, SLICE("10.0.0.2:80")));
    for (unsigned round = 0; round < 2; round++) {
        fixture_init(&fixture);
        fixture.config.affinity = (struct affinity_config){.cookie = cookie, .secret = secret};
        fixture.count = 2;
        for (unsigned i = 0; i < 2; i++)
            fixture.backends[i] =
                backend_new(fixture.slots, slots_claim(fixture.slots, fixture.config.name, i + 1, false),
                            i == round ? &first : &second, 1);
        fixture.pool = pool_new(NULL, &fixture.config, fixture.slots, 0, NULL, fixture.backends, 2);
        affinity_write(fixture.pool, fixture.backends[round], round ? after : before);
        fixture_fini(&fixture);
    }
    ck_assert_int_eq(memcmp(before, after, sizeof before), 0);
}
END_TEST

START_TEST(without_a_key_each_table_has_its_own)
{
    struct fixture fixture;
    char first[AFFINITY_SIZE], second[AFFINITY_SIZE];
    sticky_fixture(&fixture, 1, 0);
    affinity_write(fixture.pool, fixture.backends[0], first);
    fixture_fini(&fixture);
    sticky_fixture(&fixture, 1, 0);
    affinity_write(fixture.pool, fixture.backends[0], second);
    fixture_fini(&fixture);
    ck_assert_int_ne(memcmp(first, second, sizeof first), 0);
}
END_TEST

UNIT_MAIN("balancer/affinity", a_value_names_its_backend_and_is_22_plain_characters,
          a_value_is_the_start_of_the_hmac_in_base64url, a_forged_value_names_nobody,
          another_key_or_another_pool_makes_other_values, a_key_file_that_ends_with_a_line_is_the_same_key,
          who_is_named_gets_the_client_whatever_its_load, a_name_that_is_not_there_is_chosen_for_by_load,
          a_closed_one_and_one_that_was_tried_are_no_way_in, an_ejected_one_is_no_way_in_even_when_it_is_full,
          who_is_named_and_full_is_waited_for_and_nobody_behind_is_held_up,
          who_waits_for_one_that_leaves_goes_elsewhere, a_replacement_with_the_same_number_gets_the_clients,
          a_backend_of_a_newer_set_has_a_value_too_and_one_without_a_number_has_none,
          servers_are_named_by_their_address_not_by_their_place_in_the_list,
          without_a_key_each_table_has_its_own)
