/* SPDX-License-Identifier: MIT */
#include "health/health.h"

#include "tests/unit/unit.h"

START_TEST(a_worker_that_somebody_waits_for_is_asked_every_twenty_milliseconds)
{
    ck_assert_uint_eq(health_pace_ms(0, true), 20);
    ck_assert_uint_eq(health_pace_ms(2000, true), 20);
}
END_TEST

START_TEST(one_that_nobody_waits_for_every_fifty)
{
    ck_assert_uint_eq(health_pace_ms(0, false), 50);
    ck_assert_uint_eq(health_pace_ms(1500, false), 50);
}
END_TEST

START_TEST(the_longer_it_takes_the_less_it_is_asked_within_bounds)
{
    for (uint64_t since_ms = 0; since_ms < 100000; since_ms += 100) {
        ck_assert_uint_ge(health_pace_ms(since_ms + 100, false), health_pace_ms(since_ms, false));
        ck_assert_uint_le(health_pace_ms(since_ms, true), health_pace_ms(since_ms, false));
        ck_assert_uint_le(health_pace_ms(since_ms, false), since_ms / 20 > 50 ? since_ms / 20 : 50);
        ck_assert_uint_le(health_pace_ms(since_ms, true), since_ms / 50 > 20 ? since_ms / 50 : 20);
    }
    ck_assert_uint_eq(health_pace_ms(UINT64_MAX, true), 250);
    ck_assert_uint_eq(health_pace_ms(UINT64_MAX, false), 500);
}
END_TEST

UNIT_MAIN("health/pace", a_worker_that_somebody_waits_for_is_asked_every_twenty_milliseconds,
          one_that_nobody_waits_for_every_fifty, the_longer_it_takes_the_less_it_is_asked_within_bounds)
