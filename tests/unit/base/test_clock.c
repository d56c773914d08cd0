/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

START_TEST(without_a_loop_time_moves_by_itself)
{
    uint64_t before = clock_us();

    usleep(2000);
    ck_assert_uint_ge(clock_us() - before, 2000);
    uint64_t wall = clock_wall_us() / 1000000;
    ck_assert_uint_le(wall - (uint64_t)time(NULL) + 1, 2);
}
END_TEST

START_TEST(within_a_turn_time_is_read_once)
{
    clock_update();
    uint64_t before = clock_us(), wall = clock_wall_us();
    usleep(2000);
    ck_assert_uint_eq(clock_us(), before);
    ck_assert_uint_eq(clock_ms(), before / 1000);
    ck_assert_uint_eq(clock_wall_us(), wall);
    ck_assert_uint_ge(clock_precise_us() - before, 2000);
    clock_update();
    ck_assert_uint_ge(clock_us() - before, 2000);
    ck_assert_uint_ge(clock_wall_us() - wall, 1900);
    clock_uncached();
    before = clock_us();
    usleep(1000);
    ck_assert_uint_gt(clock_us(), before);
}
END_TEST

START_TEST(a_pretended_time_holds_until_taken_back)
{
    clock_pretend(5000000);
    ck_assert_uint_eq(clock_us(), 5000000);
    ck_assert_uint_eq(clock_ms(), 5000);
    ck_assert_uint_eq(clock_wall_us(), 5000000);
    ck_assert_uint_eq(clock_precise_us(), 5000000);
    clock_update();
    ck_assert_uint_eq(clock_us(), 5000000);
    clock_pretend(0);
    ck_assert_uint_ne(clock_us(), 5000000);
}
END_TEST

UNIT_MAIN("base/clock", without_a_loop_time_moves_by_itself, within_a_turn_time_is_read_once,
          a_pretended_time_holds_until_taken_back)
