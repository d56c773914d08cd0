/* SPDX-License-Identifier: MIT */
#include "workers/fit.h"

#include "tests/unit/unit.h"

#define MIB  (UINT64_C(1) << 20)
#define S    UINT64_C(1000000)
#define HOLD FIT_HOLD_US

static const struct fit_world world = {.limit = 1000 * MIB, .left = 500 * MIB}; /* 50 of them kept free */

START_TEST(a_start_that_does_not_fit_is_none)
{
    struct fit_pool pool = {.each = 150 * MIB, .running = 1, .held = 150 * MIB};

    ck_assert_uint_eq(fit_room(&world, &pool, 1, 0), 450 * MIB);
    ck_assert(fit_another(&world, &pool, 1, 0));
    pool.each = 450 * MIB;
    ck_assert(fit_another(&world, &pool, 1, 0));
    pool.each++;
    ck_assert(!fit_another(&world, &pool, 1, 0));
}
END_TEST

START_TEST(those_that_start_will_still_take_theirs)
{
    struct fit_pool pools[] = {{.each = 100 * MIB, .running = 1, .growing = 100 * MIB},
                               {.each = 100 * MIB, .running = 3, .growing = 260 * MIB}};

    ck_assert_uint_eq(fit_room(&world, pools, 2, 0), 90 * MIB);
    ck_assert(!fit_another(&world, pools, 2, 0));
}
END_TEST

START_TEST(a_pool_without_any_may_always_start_one)
{
    struct fit_pool pool = {.each = 9999 * MIB};

    ck_assert(fit_another(&world, &pool, 1, 0));
}
END_TEST

START_TEST(who_has_its_least_size_leaves_room_for_what_others_lack)
{
    struct fit_pool pools[] = {{.each = 100 * MIB, .running = 2, .held = 200 * MIB},
                               {.each = 200 * MIB, .running = 1, .held = 200 * MIB, .lacking = 2}};

    ck_assert_uint_eq(fit_room(&world, pools, 2, 0), 50 * MIB);
    ck_assert(!fit_another(&world, pools, 2, 0));
    ck_assert_uint_eq(fit_room(&world, pools, 2, 1), 450 * MIB);
    pools[0].lacking = 1; /* who lacks some itself need not */
    ck_assert(fit_another(&world, pools, 2, 0));
}
END_TEST

START_TEST(a_pools_own_bound_counts_its_own_workers_only)
{
    struct fit_pool pools[] = {
        {.bound = 300 * MIB, .each = 100 * MIB, .running = 2, .held = 150 * MIB, .growing = 50 * MIB},
        {.each = 10 * MIB, .running = 10, .held = 100 * MIB}};

    ck_assert_uint_eq(fit_room(&world, pools, 2, 0), 100 * MIB);
    ck_assert(fit_another(&world, pools, 2, 0));
    pools[0].held++;
    ck_assert(!fit_another(&world, pools, 2, 0));
    ck_assert_uint_eq(fit_allows(&world, pools, 2, 0, 100), 3);
}
END_TEST

START_TEST(where_no_limit_is_known_everything_fits)
{
    struct fit_world none = {.limit = UINT64_MAX, .left = UINT64_MAX};
    struct fit_pool pool = {.each = 150 * MIB, .running = 9, .held = 9000 * MIB};

    ck_assert(fit_another(&none, &pool, 1, 0));
    ck_assert_uint_gt(fit_allows(&none, &pool, 1, 0, 100), 100000);
}
END_TEST

START_TEST(memory_allows_the_limit_less_what_is_not_workers_over_what_one_needs)
{
    /* 1000 = 200 not workers + 300 held + 500 left */
    struct fit_pool pool = {.each = 150 * MIB, .running = 3, .held = 300 * MIB};

    ck_assert_uint_eq(fit_allows(&world, &pool, 1, 0, 100), 5); /* (500 - 50 + 300) / 150 */
    ck_assert_uint_eq(fit_allows(&world, &pool, 1, 0, 110), 4);
    pool.each = 2000 * MIB;
    ck_assert_uint_eq(fit_allows(&world, &pool, 1, 0, 100), 1); /* never none */
}
END_TEST

START_TEST(what_other_pools_start_and_lack_is_not_ours)
{
    struct fit_pool pools[] = {{.each = 50 * MIB, .running = 1, .held = 50 * MIB},
                               {.each = 100 * MIB, .growing = 100 * MIB, .lacking = 2}};

    ck_assert_uint_eq(fit_allows(&world, pools, 2, 0, 100), (450 + 50 - 100 - 200) / 50);
}
END_TEST

START_TEST(the_largest_worker_is_remembered_for_ten_minutes)
{
    struct fit_size size = {0, 0};

    fit_learn(&size, 0, 1 * S);
    ck_assert_uint_eq(size.bytes, 0);
    fit_learn(&size, 300 * MIB, 1 * S);
    fit_learn(&size, 80 * MIB, 2 * S);
    ck_assert_uint_eq(size.bytes, 300 * MIB);
    fit_learn(&size, 300 * MIB, 100 * S); /* seen again */
    fit_learn(&size, 80 * MIB, 1 * S + HOLD);
    ck_assert_uint_eq(size.bytes, 300 * MIB);
    fit_learn(&size, 80 * MIB, 100 * S + HOLD);
    ck_assert_uint_eq(size.bytes, 80 * MIB);
    fit_learn(&size, 90 * MIB, 101 * S + HOLD);
    ck_assert_uint_eq(size.bytes, 90 * MIB);
}
END_TEST

START_TEST(the_first_measure_is_believed_at_once)
{
    struct fit_most most = {0};

    ck_assert(fit_follow(&most, 3, 2, false, 1 * S));
    ck_assert_uint_eq(most.most, 3);
    ck_assert(!fit_follow(&most, 3, 2, false, 2 * S));
    ck_assert(fit_follow(&most, 9, 8, true, 3 * S));
    ck_assert_uint_eq(most.most, 9);
}
END_TEST

START_TEST(max_does_not_flap_when_a_measure_does)
{
    struct fit_most most = {0};

    fit_follow(&most, 5, 4, true, 1 * S);
    for (uint64_t at = 2; at < 3600; at++) { /* five or four or six by the second */
        unsigned allows = at % 3 + 4;
        ck_assert(!fit_follow(&most, allows, allows - 1, true, at * S));
    }
    ck_assert_uint_eq(most.most, 5);
}
END_TEST

START_TEST(fewer_come_only_after_half_a_minute_of_want)
{
    struct fit_most most = {0};

    fit_follow(&most, 5, 4, true, 1 * S);
    for (uint64_t at = 2; at < 32; at++)
        ck_assert(!fit_follow(&most, 3, 2, true, at * S));
    ck_assert(fit_follow(&most, 3, 2, true, 32 * S));
    ck_assert_uint_eq(most.most, 3);
}
END_TEST

START_TEST(more_come_at_once_when_there_is_some_to_spare)
{
    struct fit_most most = {0};

    fit_follow(&most, 3, 3, true, 1 * S);
    ck_assert(!fit_follow(&most, 4, 3, true, 2 * S));
    ck_assert(fit_follow(&most, 5, 4, true, 3 * S));
    ck_assert_uint_eq(most.most, 4);
}
END_TEST

START_TEST(a_kill_for_memory_leaves_as_many_as_were_left)
{
    struct fit_ceiling ceiling = {0, 0};

    fit_lower(&ceiling, 3, 1 * S);
    ck_assert_uint_eq(ceiling.most, 3);
    fit_lower(&ceiling, 2, 2 * S);
    ck_assert_uint_eq(ceiling.most, 2);
    fit_lower(&ceiling, 5, 3 * S); /* a second that dies late does not lift it */
    ck_assert_uint_eq(ceiling.most, 2);
    fit_lower(&ceiling, 0, 4 * S);
    ck_assert_uint_eq(ceiling.most, 1);
}
END_TEST

START_TEST(it_is_lifted_by_one_every_ten_minutes)
{
    struct fit_ceiling ceiling = {0, 0};

    fit_lower(&ceiling, 2, 1 * S);
    ck_assert(!fit_lift(&ceiling, 4, HOLD));
    ck_assert(fit_lift(&ceiling, 4, 1 * S + HOLD));
    ck_assert_uint_eq(ceiling.most, 3);
    ck_assert(!fit_lift(&ceiling, 4, 2 * HOLD));
    ck_assert(fit_lift(&ceiling, 4, 1 * S + 2 * HOLD));
    ck_assert_uint_eq(ceiling.most, 0);
    ck_assert(!fit_lift(&ceiling, 4, 9 * HOLD));
}
END_TEST

UNIT_MAIN("workers/fit", a_start_that_does_not_fit_is_none, those_that_start_will_still_take_theirs,
          a_pool_without_any_may_always_start_one, who_has_its_least_size_leaves_room_for_what_others_lack,
          a_pools_own_bound_counts_its_own_workers_only, where_no_limit_is_known_everything_fits,
          memory_allows_the_limit_less_what_is_not_workers_over_what_one_needs,
          what_other_pools_start_and_lack_is_not_ours, the_largest_worker_is_remembered_for_ten_minutes,
          the_first_measure_is_believed_at_once, max_does_not_flap_when_a_measure_does,
          fewer_come_only_after_half_a_minute_of_want, more_come_at_once_when_there_is_some_to_spare,
          a_kill_for_memory_leaves_as_many_as_were_left, it_is_lifted_by_one_every_ten_minutes)
