/* SPDX-License-Identifier: MIT */
#include "proxy/held.h"

#include "tests/unit/unit.h"

START_TEST(what_is_cancelled_counts_until_it_is_given_back)
{
    struct held *held = held_new(), *first = held_take(held), *second = held_take(held);

    ck_assert_uint_eq(held_count(held), 2);
    held_give(&first);
    ck_assert_ptr_null(first);
    held_give(&first); /* harmless */
    ck_assert_uint_eq(held_count(held), 1);
    held_give(&second);
    ck_assert_uint_eq(held_count(held), 0);
    held_unref(&held);
}
END_TEST

START_TEST(the_count_outlives_its_connection)
{
    struct held *held = held_new(), *taken = held_take(held);

    held_unref(&held);
    ck_assert_ptr_null(held);
    ck_assert_uint_eq(held_count(taken), 1);
    held_give(&taken);
}
END_TEST

START_TEST(who_asks_one_at_a_time_needs_no_count)
{
    ck_assert_ptr_null(held_take(NULL));
}
END_TEST

UNIT_MAIN("proxy/held", what_is_cancelled_counts_until_it_is_given_back, the_count_outlives_its_connection,
          who_asks_one_at_a_time_needs_no_count)
