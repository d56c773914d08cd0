/* SPDX-License-Identifier: MIT */
#include "health/verdict.h"

#include <check.h>
#include <stdlib.h>

START_TEST(so_many_bad_answers_in_a_row_as_fall_says_make_it_unfit)
{
    struct verdict verdict;

    verdict_init(&verdict, 2, 3, true, false);
    ck_assert(!verdict_add(&verdict, false));
    ck_assert(!verdict_add(&verdict, false));
    ck_assert(verdict.is_fit);
    ck_assert(verdict_add(&verdict, false));
    ck_assert(!verdict.is_fit);
    ck_assert(!verdict_add(&verdict, false));
}
END_TEST

START_TEST(a_good_answer_between_starts_the_count_anew)
{
    struct verdict verdict;

    verdict_init(&verdict, 2, 2, true, false);
    for (int i = 0; i < 10; i++) {
        ck_assert(!verdict_add(&verdict, false));
        ck_assert(!verdict_add(&verdict, true));
    }
    ck_assert(verdict.is_fit);
}
END_TEST

START_TEST(so_many_good_answers_in_a_row_as_rise_says_make_it_fit)
{
    struct verdict verdict;

    verdict_init(&verdict, 2, 3, false, false);
    ck_assert(!verdict_add(&verdict, true));
    ck_assert(!verdict_add(&verdict, false));
    ck_assert(!verdict_add(&verdict, true));
    ck_assert(verdict_add(&verdict, true));
    ck_assert(verdict.is_fit);
}
END_TEST

START_TEST(of_what_nothing_is_known_the_first_answer_decides_and_is_told)
{
    struct verdict verdict;

    verdict_init(&verdict, 5, 5, false, true);
    ck_assert(verdict_add(&verdict, false));
    ck_assert(!verdict.is_fit);
    verdict_init(&verdict, 5, 5, false, true);
    ck_assert(verdict_add(&verdict, true));
    ck_assert(verdict.is_fit);
    ck_assert(!verdict_add(&verdict, false));
}
END_TEST

START_TEST(nought_counts_as_one)
{
    struct verdict verdict;

    verdict_init(&verdict, 0, 0, true, false);
    ck_assert(verdict_add(&verdict, false));
    ck_assert(verdict_add(&verdict, true));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tests = tcase_create("verdict");

    tcase_add_test(tests, so_many_bad_answers_in_a_row_as_fall_says_make_it_unfit);
    tcase_add_test(tests, a_good_answer_between_starts_the_count_anew);
    tcase_add_test(tests, so_many_good_answers_in_a_row_as_rise_says_make_it_fit);
    tcase_add_test(tests, of_what_nothing_is_known_the_first_answer_decides_and_is_told);
    tcase_add_test(tests, nought_counts_as_one);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
