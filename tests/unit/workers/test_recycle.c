/* SPDX-License-Identifier: MIT
 *
 * When a worker's time is over. */
#include "workers/recycle.h"

#include "tests/unit/unit.h"

#define S 1000000u

START_TEST(without_bounds_nobody_is_recycled)
{
    const struct recycle_policy policy = {0};
    const struct recycle_process process = {
        .lot = 7, .requests = UINT64_MAX, .age_us = UINT64_MAX, .over_us = UINT64_MAX};

    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_NOT);
}
END_TEST

START_TEST(each_bound_is_a_cause)
{
    const struct recycle_policy policy = {.requests = 100, .age_us = 10u * S, .memory = 5000};
    struct recycle_process process = {.requests = 99, .age_us = 9u * S};

    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_NOT);
    process.age_us = 11u * S;
    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_AGE);
    process.requests = 100;
    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_REQUESTS);
    process.over_us = 3u * S;
    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_MEMORY);
}
END_TEST

START_TEST(a_spike_of_memory_is_no_leak)
{
    const struct recycle_policy policy = {.memory = 5000};
    const struct recycle_process process = {.over_us = 2900000};

    ck_assert_int_eq(recycle_due(&policy, &process), RECYCLE_NOT);
}
END_TEST

START_TEST(jitter_spreads_the_requests_from_nothing_to_all_of_it)
{
    const struct recycle_policy policy = {.requests = 1000, .jitter = 100};
    unsigned seen[11] = {0};

    for (pid_t pid = 1; pid <= 10000; pid++) {
        uint64_t limit = recycle_requests_limit(&policy, recycle_lot(pid, 77u * S));
        ck_assert_uint_ge(limit, 1000);
        ck_assert_uint_le(limit, 1100);
        seen[(limit - 1000) / 10]++;
    }
    for (unsigned i = 0; i < 10; i++)
        ck_assert_msg(seen[i] > 850 && seen[i] < 1150, "%u of 10000 in part %u", seen[i], i);
    ck_assert_uint_gt(seen[10], 0);
}
END_TEST

START_TEST(age_has_up_to_a_tenth_more)
{
    const struct recycle_policy policy = {.age_us = UINT64_C(3600) * S};
    uint64_t least = UINT64_MAX, most = 0;

    for (uint64_t started_us = 1; started_us <= 1000; started_us++) {
        uint64_t limit = recycle_age_limit(&policy, recycle_lot(42, started_us * S));
        least = limit < least ? limit : least;
        most = limit > most ? limit : most;
    }
    ck_assert_uint_ge(least, UINT64_C(3600) * S);
    ck_assert_uint_lt(least, UINT64_C(3605) * S);
    ck_assert_uint_gt(most, UINT64_C(3955) * S);
    ck_assert_uint_le(most, UINT64_C(3960) * S);
}
END_TEST

START_TEST(the_lot_of_a_process_does_not_change)
{
    ck_assert_uint_eq(recycle_lot(4711, 123456789), recycle_lot(4711, 123456789));
    ck_assert_uint_ne(recycle_lot(4711, 123456789), recycle_lot(4712, 123456789));
}
END_TEST

START_TEST(those_that_grew_slowly_are_never_waited_for)
{
    struct recycle_haste haste = {0};

    for (unsigned i = 0; i < 100; i++)
        ck_assert(!recycle_note(&haste, 30u * S, true, i * 60u * UINT64_C(1000000)));
    ck_assert_uint_eq(haste.not_before_us, 0);
}
END_TEST

START_TEST(one_that_was_quick_may_be_chance_the_second_is_told_and_waited_for)
{
    struct recycle_haste haste = {0};

    ck_assert(!recycle_note(&haste, 5u * S, true, 100u * S));
    ck_assert_uint_eq(haste.not_before_us, 0);
    ck_assert(recycle_note(&haste, 5u * S, true, 110u * S));
    ck_assert_uint_eq(haste.not_before_us, 120u * S);
    ck_assert(!recycle_note(&haste, 5u * S, true, 120u * S));
    ck_assert_uint_eq(haste.not_before_us, 140u * S);
    ck_assert(!recycle_note(&haste, 300u * S, true, 500u * S)); /* a slow one ends the streak */
    ck_assert_uint_eq(haste.not_before_us, 0);
    ck_assert(!recycle_note(&haste, 5u * S, true, 600u * S));
    ck_assert(recycle_note(&haste, 5u * S, true, 610u * S));
}
END_TEST

START_TEST(a_bound_that_no_process_ever_keeps_makes_a_handful_an_hour_and_one_warning)
{
    struct recycle_haste haste = {0};
    uint64_t now_us = 0;
    unsigned recycles = 0, warnings = 0;

    for (; now_us < UINT64_C(7200) * S; now_us += 5u * S) { /* the next one is above at once */
        if (now_us < haste.not_before_us)
            continue;
        warnings += recycle_note(&haste, 0, false, now_us);
        recycles++;
    }
    ck_assert_uint_eq(warnings, 1);
    ck_assert_uint_ge(recycles, 8);
    ck_assert_uint_le(recycles, 12);
}
END_TEST

UNIT_MAIN("workers/recycle", without_bounds_nobody_is_recycled, each_bound_is_a_cause,
          a_spike_of_memory_is_no_leak, jitter_spreads_the_requests_from_nothing_to_all_of_it,
          age_has_up_to_a_tenth_more, the_lot_of_a_process_does_not_change,
          those_that_grew_slowly_are_never_waited_for,
          one_that_was_quick_may_be_chance_the_second_is_told_and_waited_for,
          a_bound_that_no_process_ever_keeps_makes_a_handful_an_hour_and_one_warning)
