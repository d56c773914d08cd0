/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

static void ejected_fixture(struct fixture *fixture, unsigned count, bool are_workers)
{
    fixture_init(fixture);
    fixture_start_weighted(fixture, count, NULL, are_workers);
    fail_times(fixture, 1, 3, T0);
    CHECK(backend_is_ejected(fixture->backends[0]));
}

/* Whether the first backend can be given anything; nothing stays taken. */
static bool is_given(struct fixture *fixture, uint64_t now_us)
{
    struct pick pick = {.kind = PLACE_REQUEST,
                        .now_us = now_us,
                        .tried = fixture->backends + 1,
                        .tried_count = fixture->count - 1};
    struct place place;
    if (pool_take(fixture->pool, &pick, &place) != PICK_TAKEN)
        return false;
    place_release(&place, now_us);
    return true;
}

START_TEST(max_fails_within_fail_timeout_eject_for_as_long)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 2);
    fail_times(&fixture, 1, 1, T0);
    fail_times(&fixture, 1, 1, T0 + 5 * SECOND);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    fail_times(&fixture, 1, 1, T0 + 9 * SECOND);
    ck_assert(backend_is_ejected(fixture.backends[0]));
    ck_assert(!is_given(&fixture, T0 + 9 * SECOND));
    ck_assert(!is_given(&fixture, T0 + 19 * SECOND - 1));
    ck_assert(is_given(&fixture, T0 + 19 * SECOND));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(failures_far_apart_do_not_add_up)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 2);
    for (unsigned i = 0; i < 10; i++)
        fail_times(&fixture, 1, 1, T0 + i * 6 * SECOND);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(with_max_fails_zero_nobody_is_ejected)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.max_fails = 0;
    fixture_start(&fixture, 2);
    fail_times(&fixture, 1, 100, T0);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(outcomes_are_counted_in_the_slot_and_the_head_is_dated)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 1);
    struct slot *slot = &fixture.slots->slot[fixture.backends[0]->slot];
    end_one(&fixture, 1, OUTCOME_ANSWERED, T0 + 7);
    end_one(&fixture, 1, OUTCOME_FAILED, T0 + 8);
    end_one(&fixture, 1, OUTCOME_UNDECIDED, T0 + 9);
    ck_assert_uint_eq(atomic_load(&slot->requests), 1);
    ck_assert_uint_eq(atomic_load(&slot->fails), 1);
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->head_us), T0 + 7);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_last_one_is_never_ejected)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 3);
    fail_times(&fixture, 1, 3, T0);
    backend_close(fixture.backends[1]); /* one that is dead is none to be left over */
    fail_times(&fixture, 3, 50, T0);
    ck_assert(backend_is_ejected(fixture.backends[0]));
    ck_assert(!backend_is_ejected(fixture.backends[2]));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_spared_last_one_is_ejected_by_its_next_failure_when_another_is_back)
{
    struct fixture fixture;
    ejected_fixture(&fixture, 2, false);
    fail_times(&fixture, 2, 5, T0 + 9 * SECOND);
    ck_assert(!backend_is_ejected(fixture.backends[1]));
    end_one(&fixture, 1, OUTCOME_ANSWERED, T0 + 10 * SECOND);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    fail_times(&fixture, 2, 1, T0 + 11 * SECOND);
    ck_assert(backend_is_ejected(fixture.backends[1]));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_newest_set_says_who_is_the_last)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 2);
    struct pool *one = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 1);
    pool_publish(one, T0);
    fail_times(&fixture, 1, 10, T0); /* by somebody who still serves from the old set */
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    pool_unref(&one);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(one_request_is_the_trial_and_an_answer_ends_the_ejection)
{
    struct fixture fixture;
    uint64_t due_us = T0 + 10 * SECOND;
    ejected_fixture(&fixture, 2, false);
    struct place trial = take_from(&fixture, 1, PLACE_REQUEST, due_us);
    ck_assert(trial.is_trial);
    ck_assert(!is_given(&fixture, due_us));
    ck_assert(!is_given(&fixture, due_us + 3600 * SECOND));
    pool_outcome(fixture.pool, &trial, OUTCOME_ANSWERED, due_us);
    ck_assert(!trial.is_trial);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->ejections), 0);
    ck_assert(is_given(&fixture, due_us)); /* while its body still runs */
    release(&trial);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_trial_that_fails_ejects_once_more_and_is_counted)
{
    struct fixture fixture;
    ejected_fixture(&fixture, 2, false);
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->ejections), 1);
    end_one(&fixture, 1, OUTCOME_FAILED, T0 + 12 * SECOND);
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->ejections), 2);
    ck_assert_uint_eq(pool_ejections(fixture.pool), 2);
    ck_assert(!is_given(&fixture, T0 + 22 * SECOND - 1));
    ck_assert(is_given(&fixture, T0 + 22 * SECOND));
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_trial_whose_client_goes_away_lets_the_next_try)
{
    struct fixture fixture;
    uint64_t due_us = T0 + 10 * SECOND;
    ejected_fixture(&fixture, 2, false);
    struct place trial = take_from(&fixture, 1, PLACE_REQUEST, due_us);
    pool_outcome(fixture.pool, &trial, OUTCOME_UNDECIDED, due_us);
    ck_assert(backend_is_ejected(fixture.backends[0]));
    struct place next = take_from(&fixture, 1, PLACE_REQUEST, due_us);
    ck_assert(next.is_trial);
    release(&next); /* given up without a word: undecided as well */
    ck_assert(is_given(&fixture, due_us));
    release(&trial);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_was_in_flight_before_decides_nothing)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start(&fixture, 2);
    struct place old[2] = {take_from(&fixture, 1, PLACE_REQUEST, T0),
                           take_from(&fixture, 1, PLACE_REQUEST, T0)};
    fail_times(&fixture, 1, 3, T0);
    pool_outcome(fixture.pool, &old[0], OUTCOME_ANSWERED, T0 + SECOND);
    ck_assert(backend_is_ejected(fixture.backends[0]));
    pool_outcome(fixture.pool, &old[1], OUTCOME_FAILED, T0 + 9 * SECOND);
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->ejections), 1);
    ck_assert(is_given(&fixture, T0 + 10 * SECOND));
    release(&old[0]);
    release(&old[1]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_local_worker_is_probed_before_its_trial)
{
    struct fixture fixture;
    uint64_t due_us = T0 + 10 * SECOND;
    ejected_fixture(&fixture, 2, true);
    struct backend *backend = fixture.backends[0];
    ck_assert(!is_given(&fixture, due_us));
    backend_probed(backend, false, due_us);
    ck_assert_uint_eq(atomic_load(&backend->ejections), 2);
    backend_probed(backend, true, due_us + SECOND); /* early: the time still has to pass */
    ck_assert(!is_given(&fixture, due_us + SECOND));
    ck_assert(is_given(&fixture, due_us + 10 * SECOND));
    end_one(&fixture, 1, OUTCOME_FAILED, due_us + 10 * SECOND);
    ck_assert(!is_given(&fixture, due_us + 60 * SECOND)); /* has to be probed again */
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_probe_of_one_that_is_not_ejected_changes_nothing)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture_start_weighted(&fixture, 1, NULL, true);
    backend_probed(fixture.backends[0], false, T0);
    ck_assert(!backend_is_ejected(fixture.backends[0]));
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->ejections), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_comes_back_starts_slowly)
{
    struct fixture fixture;
    fixture_init(&fixture);
    fixture.config.slow_start = 5000;
    fixture_start(&fixture, 2);
    fail_times(&fixture, 1, 3, T0);
    end_one(&fixture, 1, OUTCOME_ANSWERED, T0 + 10 * SECOND);
    ck_assert_uint_eq(atomic_load(&fixture.backends[0]->joined_us), T0 + 10 * SECOND);
    fixture_fini(&fixture);
}
END_TEST

#define ROUNDS 3000

struct racing {
    struct fixture fixture;
    struct meeting meeting;
    _Atomic unsigned numbers, none_left, trials, wrong;
};

static void *fail_own(void *argument)
{
    struct racing *racing = argument;
    struct fixture *fixture = &racing->fixture;
    struct backend *own = fixture->backends[atomic_fetch_add(&racing->numbers, 1)];
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct place place = {.backend = own};
        meet(&racing->meeting, 2);
        pool_outcome(fixture->pool, &place, OUTCOME_FAILED, T0);
        meet(&racing->meeting, 2);
        if (backend_is_ejected(fixture->backends[0]) && backend_is_ejected(fixture->backends[1]))
            atomic_fetch_add(&racing->none_left, 1);
        meet(&racing->meeting, 2);
        atomic_store(&own->ejected_until_us, 0);
    }
    return NULL;
}

START_TEST(two_threads_that_fail_the_last_two_at_once_leave_one)
{
    struct racing racing = {.numbers = 0};
    fixture_init(&racing.fixture);
    racing.fixture.config.max_fails = 1;
    fixture_start(&racing.fixture, 2);
    run_threads(2, fail_own, &racing);
    ck_assert_uint_eq(atomic_load(&racing.none_left), 0);
    fixture_fini(&racing.fixture);
}
END_TEST

static void *try_it(void *argument)
{
    struct racing *racing = argument;
    struct fixture *fixture = &racing->fixture;
    struct pick pick = {
        .kind = PLACE_REQUEST, .now_us = T0 + 10 * SECOND, .tried = fixture->backends + 1, .tried_count = 1};
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct place place = {0};
        meet(&racing->meeting, 2);
        if (pool_take(fixture->pool, &pick, &place) == PICK_TAKEN)
            atomic_fetch_add(&racing->trials, 1);
        meet(&racing->meeting, 2);
        if (atomic_load(&racing->trials) != round + 1)
            atomic_fetch_add(&racing->wrong, 1);
        meet(&racing->meeting, 2);
        release(&place); /* undecided: the next round's may try */
    }
    return NULL;
}

START_TEST(of_two_threads_exactly_one_gets_the_trial)
{
    struct racing racing = {.numbers = 0};
    ejected_fixture(&racing.fixture, 2, false);
    run_threads(2, try_it, &racing);
    ck_assert_uint_eq(atomic_load(&racing.wrong), 0);
    fixture_fini(&racing.fixture);
}
END_TEST

UNIT_MAIN("balancer/ejection", max_fails_within_fail_timeout_eject_for_as_long,
          failures_far_apart_do_not_add_up, with_max_fails_zero_nobody_is_ejected,
          outcomes_are_counted_in_the_slot_and_the_head_is_dated, the_last_one_is_never_ejected,
          the_spared_last_one_is_ejected_by_its_next_failure_when_another_is_back,
          the_newest_set_says_who_is_the_last, one_request_is_the_trial_and_an_answer_ends_the_ejection,
          a_trial_that_fails_ejects_once_more_and_is_counted,
          a_trial_whose_client_goes_away_lets_the_next_try, who_was_in_flight_before_decides_nothing,
          a_local_worker_is_probed_before_its_trial, a_probe_of_one_that_is_not_ejected_changes_nothing,
          who_comes_back_starts_slowly, two_threads_that_fail_the_last_two_at_once_leave_one,
          of_two_threads_exactly_one_gets_the_trial)
