/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/balancer/fixture.h"

START_TEST(a_claimed_slot_is_found_by_pool_and_number)
{
    struct slots *slots = slots_new();
    int web = slots_claim(slots, "web", 3, true);
    int api = slots_claim(slots, "api", 3, true);
    int server = slots_claim(slots, "web", 3, false);
    ck_assert(web >= 0 && api >= 0 && server >= 0);
    ck_assert(web != api && web != server && api != server);
    ck_assert_int_eq(slots_find(slots, "web", 3, true), web);
    ck_assert_int_eq(slots_find(slots, "web", 3, false), server);
    ck_assert_int_eq(slots_find(slots, "web", 4, true), -1);
    ck_assert_str_eq(slots->slot[web].name, "web.3");
    slots_free_all(&slots);
    ck_assert_ptr_null(slots);
}
END_TEST

START_TEST(claiming_again_gives_the_same_slot)
{
    struct slots *slots = slots_new();
    int first = slots_claim(slots, "web", 1, true);
    ck_assert_int_eq(slots_claim(slots, "web", 1, true), first);
    slots_free_all(&slots);
}
END_TEST

START_TEST(a_released_slot_begins_anew_but_counts_its_processes_on)
{
    struct slots *slots = slots_new();
    int first = slots_claim(slots, "web", 1, true);
    atomic_store(&slots->slot[first].generation, 7);
    atomic_store(&slots->slot[first].crashes, 5);
    atomic_store(&slots->slot[first].requests, 99);
    slots_release(slots, first);
    ck_assert_int_eq(slots_find(slots, "web", 1, true), -1);
    ck_assert_int_eq(slots_claim(slots, "api", 9, false), first);
    ck_assert_str_eq(slots->slot[first].name, "api.9");
    ck_assert_uint_eq(atomic_load(&slots->slot[first].generation), 7);
    ck_assert_uint_eq(atomic_load(&slots->slot[first].crashes), 0);
    ck_assert_uint_eq(atomic_load(&slots->slot[first].requests), 0);
    slots_free_all(&slots);
}
END_TEST

START_TEST(a_full_table_and_a_name_that_does_not_fit_are_refused)
{
    struct slots *slots = slots_new();
    char name[65];
    memset(name, 'x', 64);
    name[64] = 0;
    ck_assert_int_eq(slots_claim(slots, name, 1, true), -1);
    ck_assert_int_eq(slots_find(slots, name, 1, true), -1);
    name[63] = 0;
    ck_assert_int_ge(slots_claim(slots, name, 4294967295u, true), 0);
    for (unsigned i = 1; i < SLOTS_MAX; i++)
        ck_assert_int_ge(slots_claim(slots, "web", i, true), 0);
    ck_assert_int_eq(slots_claim(slots, "web", SLOTS_MAX, true), -1);
    slots_release(slots, 500);
    ck_assert_int_eq(slots_claim(slots, "web", SLOTS_MAX, true), 500);
    slots_free_all(&slots);
}
END_TEST

START_TEST(a_claimer_that_died_does_not_wedge_the_table)
{
    struct slots *slots = slots_new();
    atomic_store(&slots->slot[0].claimed, 1); /* as a SIGKILL in the midst of slots_claim leaves it */
    atomic_store(&slots->claiming, clock_precise_us() << 16 | 4711);
    uint64_t began_us = clock_precise_us();
    ck_assert_int_eq(slots_claim(slots, "web", 1, true), 0);
    ck_assert_uint_lt(clock_precise_us() - began_us, 5 * SECOND);
    ck_assert_uint_eq(atomic_load(&slots->claiming), 0);

    atomic_store(&slots->claiming, UINT64_MAX); /* nor does rubbish */
    ck_assert_int_eq(slots_claim(slots, "web", 2, true), 1);
    slots_free_all(&slots);
}
END_TEST

struct race {
    struct slots *slots;
    _Atomic int index[64];
};

static void *claim_all(void *argument)
{
    struct race *race = argument;
    for (unsigned i = 0; i < 64; i++) {
        int mine = slots_claim(race->slots, "web", i, true), first = -1;
        CHECK(slots_find(race->slots, "web", i, true) == mine);
        if (!atomic_compare_exchange_strong(&race->index[i], &first, mine))
            CHECK(first == mine);
    }
    return NULL;
}

START_TEST(threads_that_claim_the_same_slots_get_the_same)
{
    struct race race = {.slots = slots_new()};
    for (unsigned i = 0; i < 64; i++)
        atomic_store(&race.index[i], -1);
    run_threads(8, claim_all, &race);
    for (int i = 64; i < SLOTS_MAX; i++)
        ck_assert_uint_eq(atomic_load(&race.slots->slot[i].claimed), 0);
    slots_free_all(&race.slots);
}
END_TEST

START_TEST(processes_that_claim_the_same_slots_get_the_same)
{
    struct slots *slots = slots_new();
    pid_t children[4];
    for (unsigned i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            for (unsigned number = 0; number < 100; number++)
                CHECK(slots_claim(slots, "web", number, true) >= 0);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < 4; i++) {
        int status;
        ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
        ck_assert_int_eq(status, 0);
    }
    unsigned used = 0;
    for (int i = 0; i < SLOTS_MAX; i++)
        used += atomic_load(&slots->slot[i].claimed) != 0;
    ck_assert_uint_eq(used, 100);
    slots_free_all(&slots);
}
END_TEST

static pid_t hold_places_in_a_child(struct fixture *fixture)
{
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct pool *other = pool_new(NULL, &fixture->config, fixture->slots, 1, NULL, fixture->backends, 3);
        struct place place;
        for (unsigned i = 0; i < 12; i++) {
            struct pick pick = {.kind = i % 2 ? PLACE_TUNNEL : PLACE_REQUEST, .now_us = T0};
            CHECK(pool_take(other, &pick, &place) == PICK_TAKEN);
        }
        CHECK(write(ready[1], "x", 1) == 1);
        pause();
        _exit(0);
    }
    char byte;
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return child;
}

START_TEST(a_dead_engines_column_is_zeroed_and_the_rest_stays)
{
    struct fixture fixture;
    struct place places[6];
    fixture_init(&fixture);
    fixture.count = 3;
    for (unsigned i = 0; i < 3; i++)
        fixture.backends[i] = fixture_backend(&fixture, i + 1, 1, true);
    atomic_store(&fixture.slots->engines[1].connections, 12);
    atomic_store(&fixture.slots->engines[0].connections, 6);

    pid_t child = hold_places_in_a_child(&fixture);
    fixture.pool = pool_new(NULL, &fixture.config, fixture.slots, 0, NULL, fixture.backends, 3);
    for (unsigned i = 0; i < 6; i++)
        ck_assert(take(&fixture, i < 3 ? PLACE_REQUEST : PLACE_TUNNEL, &places[i]));
    unsigned requests = 0, tunnels = 0;
    for (unsigned i = 0; i < 3; i++) {
        requests += backend_requests(fixture.backends[i]);
        tunnels += backend_tunnels(fixture.backends[i]);
    }
    ck_assert_uint_eq(requests, 9); /* both engines' */
    ck_assert_uint_eq(tunnels, 9);

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    slots_zero_column(fixture.slots, 1);
    requests = tunnels = 0;
    for (unsigned i = 0; i < 3; i++) {
        requests += backend_requests(fixture.backends[i]);
        tunnels += backend_tunnels(fixture.backends[i]);
    }
    ck_assert_uint_eq(requests, 3);
    ck_assert_uint_eq(tunnels, 3);
    ck_assert_uint_eq(atomic_load(&fixture.slots->engines[1].connections), 0);
    ck_assert_uint_eq(atomic_load(&fixture.slots->engines[0].connections), 6);
    for (unsigned i = 0; i < 6; i++)
        release(&places[i]);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(atomic_load(&fixture.slots->counts[fixture.backends[i]->slot]), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(what_was_scaled_by_hand_has_a_row_for_each_pool)
{
    struct slots *slots = slots_new();
    char pool[16];

    ck_assert_ptr_null(slots_override(slots, "web", false));
    struct slot_override *web = slots_override(slots, "web", true);
    ck_assert_ptr_nonnull(web);
    atomic_store(&web->max, 4);
    ck_assert_ptr_eq(slots_override(slots, "web", true), web);
    ck_assert_ptr_ne(slots_override(slots, "api", true), web);
    slots_override_release(slots, "web");
    ck_assert_ptr_null(slots_override(slots, "web", false));
    ck_assert_uint_eq(atomic_load(&slots_override(slots, "web", true)->max), 0);
    for (unsigned i = 2; i < OVERRIDES_MAX; i++) {
        str_format(pool, sizeof pool, "p%u", i);
        ck_assert_ptr_nonnull(slots_override(slots, pool, true));
    }
    ck_assert_ptr_null(slots_override(slots, "more", true));
    slots_free_all(&slots);
}
END_TEST

UNIT_MAIN("balancer/slots", what_was_scaled_by_hand_has_a_row_for_each_pool,
          a_claimed_slot_is_found_by_pool_and_number, claiming_again_gives_the_same_slot,
          a_released_slot_begins_anew_but_counts_its_processes_on,
          a_full_table_and_a_name_that_does_not_fit_are_refused, a_claimer_that_died_does_not_wedge_the_table,
          threads_that_claim_the_same_slots_get_the_same, processes_that_claim_the_same_slots_get_the_same,
          a_dead_engines_column_is_zeroed_and_the_rest_stays)
