/* SPDX-License-Identifier: MIT */
#include "workers/retire.h"

#include <check.h>
#include <stdlib.h>

START_TEST(of_none_nobody_goes)
{
    ck_assert_int_eq(retire_choose(NULL, 0), -1);
}
END_TEST

START_TEST(the_one_with_the_fewest_tunnels_goes)
{
    struct candidate row[] = {{.is_serving = true, .tunnels = 5, .requests = 0, .started_us = 1},
                              {.is_serving = true, .tunnels = 2, .requests = 9, .started_us = 3},
                              {.is_serving = true, .tunnels = 3, .requests = 0, .started_us = 2}};

    ck_assert_int_eq(retire_choose(row, 3), 1);
}
END_TEST

START_TEST(with_equal_tunnels_the_one_with_the_fewest_requests_goes)
{
    struct candidate row[] = {{.is_serving = true, .tunnels = 2, .requests = 4, .started_us = 1},
                              {.is_serving = true, .tunnels = 2, .requests = 7, .started_us = 2},
                              {.is_serving = true, .tunnels = 2, .requests = 3, .started_us = 3}};

    ck_assert_int_eq(retire_choose(row, 3), 2);
}
END_TEST

START_TEST(with_equal_load_the_oldest_goes)
{
    struct candidate row[] = {{.is_serving = true, .started_us = 30},
                              {.is_serving = true, .started_us = 10},
                              {.is_serving = true, .started_us = 20}};

    ck_assert_int_eq(retire_choose(row, 3), 1);
}
END_TEST

START_TEST(one_that_does_not_serve_yet_goes_first_and_the_latest_of_them)
{
    struct candidate row[] = {{.is_serving = true, .started_us = 1},
                              {.is_serving = false, .started_us = 10},
                              {.is_serving = false, .started_us = 20}};

    ck_assert_int_eq(retire_choose(row, 3), 2);
}
END_TEST

START_TEST(one_that_is_to_be_replaced_goes_before_an_emptier_one)
{
    struct candidate row[] = {{.is_serving = true, .started_us = 1},
                              {.is_serving = true, .goes_anyway = true, .tunnels = 50, .started_us = 2}};

    ck_assert_int_eq(retire_choose(row, 2), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("retire");
    TCase *tests = tcase_create("retire");

    tcase_add_test(tests, of_none_nobody_goes);
    tcase_add_test(tests, the_one_with_the_fewest_tunnels_goes);
    tcase_add_test(tests, with_equal_tunnels_the_one_with_the_fewest_requests_goes);
    tcase_add_test(tests, with_equal_load_the_oldest_goes);
    tcase_add_test(tests, one_that_does_not_serve_yet_goes_first_and_the_latest_of_them);
    tcase_add_test(tests, one_that_is_to_be_replaced_goes_before_an_emptier_one);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
