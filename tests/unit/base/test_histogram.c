/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct histogram histogram, other;

START_TEST(an_empty_one_answers_zero)
{
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
}
END_TEST

START_TEST(no_value_is_more_than_an_eighth_off)
{
    for (uint64_t value = 1; value < (uint64_t)1 << 40; value = value * 9 / 8 + 1) {
        memset(&histogram, 0, sizeof histogram);
        histogram_add(&histogram, value);
        uint64_t answer = histogram_quantile(&histogram, 0.99);
        ck_assert_uint_ge(answer, value);
        ck_assert_uint_le(answer, value + value / 8);
    }
}
END_TEST

START_TEST(huge_values_go_to_the_last_cell)
{
    histogram_add(&histogram, UINT64_MAX);
    ck_assert_uint_gt(histogram_quantile(&histogram, 1.0), (uint64_t)1 << 40);
}
END_TEST

START_TEST(what_is_up_to_a_value_is_counted_and_a_cell_in_the_middle_is_shared_out)
{
    for (uint64_t value = 0; value < 100000; value++)
        histogram_add(&histogram, value);
    ck_assert_uint_eq(histogram_all(&histogram), 100000);
    for (uint64_t value = 0; value < 8; value++)
        ck_assert_uint_eq(histogram_up_to(&histogram, value), value + 1);
    uint64_t before = 0;
    for (uint64_t value = 8; value < 90000; value += 7) {
        uint64_t count = histogram_up_to(&histogram, value);
        ck_assert_uint_ge(count, before);
        ck_assert_uint_le(count, value + 2);
        ck_assert_uint_ge(count + 2, value);
        before = count;
    }
    ck_assert_uint_eq(histogram_up_to(&histogram, UINT64_MAX), 100000);
}
END_TEST

START_TEST(quantiles_are_ranks)
{
    for (unsigned i = 1; i <= 100; i++)
        histogram_add(&histogram, i <= 95 ? 5 : 1000);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 5);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.95), 5);
    ck_assert_uint_ge(histogram_quantile(&histogram, 0.96), 1000);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.0), 5);
}
END_TEST

START_TEST(merged_ones_count_together)
{
    histogram_add(&histogram, 3);
    histogram_add(&other, 5);
    histogram_add(&other, 7);
    histogram_merge(&histogram, &other);
    ck_assert_uint_eq(histogram.count, 3);
    ck_assert_uint_eq(histogram.sum, 15);
    ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 5);
    ck_assert_uint_eq(histogram_quantile(&histogram, 1.0), 7);
}
END_TEST

UNIT_MAIN("base/histogram", an_empty_one_answers_zero, no_value_is_more_than_an_eighth_off,
          huge_values_go_to_the_last_cell,
          what_is_up_to_a_value_is_counted_and_a_cell_in_the_middle_is_shared_out, quantiles_are_ranks,
          merged_ones_count_together)
