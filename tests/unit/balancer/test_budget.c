/* SPDX-License-Identifier: MIT */
#include "tests/unit/balancer/fixture.h"

/* How many retries are let through before one is refused. */
static unsigned draw_all(struct fixture *fixture, uint64_t now_us)
{
    unsigned drawn = 0;
    while (drawn < 100000 && pool_may_retry(fixture->pool, now_us))
        drawn++;
    return drawn;
}

static void count_requests(struct fixture *fixture, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pool_count_request(fixture->pool, i % LOOPS_MAX);
}

static void budget_fixture(struct fixture *fixture)
{
    fixture_init(fixture);
    fixture_start(fixture, 1);
    pool_tick(fixture->pool, T0);
}

START_TEST(at_least_twenty_retries_in_ten_seconds)
{
    struct fixture fixture;
    budget_fixture(&fixture);
    ck_assert_uint_eq(draw_all(&fixture, T0), 20);
    for (unsigned second = 1; second <= 9; second++) {
        pool_tick(fixture.pool, T0 + second * SECOND);
        ck_assert(!pool_may_retry(fixture.pool, T0 + second * SECOND));
    }
    pool_tick(fixture.pool, T0 + 10 * SECOND);
    pool_tick(fixture.pool, T0 + 11 * SECOND);
    ck_assert_uint_eq(draw_all(&fixture, T0 + 11 * SECOND), 20);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_fifth_of_the_last_ten_seconds_requests)
{
    struct fixture fixture;
    budget_fixture(&fixture);
    count_requests(&fixture, 1000);
    pool_tick(fixture.pool, T0 + SECOND);
    ck_assert_uint_eq(draw_all(&fixture, T0 + SECOND), 200);
    count_requests(&fixture, 500);
    pool_tick(fixture.pool, T0 + 2 * SECOND);
    ck_assert_uint_eq(draw_all(&fixture, T0 + 2 * SECOND), 100);
    for (unsigned second = 3; second <= 30; second++)
        pool_tick(fixture.pool, T0 + second * SECOND);
    ck_assert_uint_eq(draw_all(&fixture, T0 + 30 * SECOND), 20); /* what was is forgotten */
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_budget_goes_on_when_no_tick_comes)
{
    struct fixture fixture;
    budget_fixture(&fixture);
    ck_assert_uint_eq(draw_all(&fixture, T0), 20);
    ck_assert_uint_eq(draw_all(&fixture, T0 + 60 * SECOND), 20);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_next_set_does_not_bring_a_new_budget)
{
    struct fixture fixture;
    budget_fixture(&fixture);
    ck_assert_uint_eq(draw_all(&fixture, T0), 20);
    struct pool *next = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 1);
    ck_assert(!pool_may_retry(next, T0));
    pool_unref(&next);
    fixture_fini(&fixture);
}
END_TEST

struct drawers {
    struct fixture fixture;
    _Atomic unsigned drawn, loops;
};

static void *draw_in_a_thread(void *argument)
{
    struct drawers *drawers = argument;
    unsigned loop = atomic_fetch_add(&drawers->loops, 1);
    for (unsigned i = 0; i < 1000; i++) {
        pool_count_request(drawers->fixture.pool, loop);
        if (pool_may_retry(drawers->fixture.pool, T0))
            atomic_fetch_add(&drawers->drawn, 1);
    }
    return NULL;
}

START_TEST(threads_together_draw_no_more_than_there_is)
{
    struct drawers drawers = {.drawn = 0};
    budget_fixture(&drawers.fixture);
    run_threads(8, draw_in_a_thread, &drawers);
    ck_assert_uint_eq(drawers.drawn, 20);
    ck_assert_uint_eq(draw_all(&drawers.fixture, T0 + SECOND), 1580); /* a fifth of 8000, 20 of it drawn */
    fixture_fini(&drawers.fixture);
}
END_TEST

UNIT_MAIN("balancer/budget", at_least_twenty_retries_in_ten_seconds, a_fifth_of_the_last_ten_seconds_requests,
          the_budget_goes_on_when_no_tick_comes, the_next_set_does_not_bring_a_new_budget,
          threads_together_draw_no_more_than_there_is)
