/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include <signal.h>

#include "tests/unit/unit.h"

struct thing {
    uint32_t tag;
    int member;
};

START_TEST(a_failed_check_ends_the_process)
{
    CHECK(1 + 1 == 3);
}
END_TEST

START_TEST(a_callback_that_gets_a_stranger_ends_the_process)
{
    struct thing thing = {.tag = 7};
    struct thing *same = tagged(&thing, 8);
    (void)same;
}
END_TEST

START_TEST(a_callback_that_gets_its_own_goes_on)
{
    struct thing thing = {.tag = 7};

    ck_assert_ptr_eq(tagged(&thing, 7), &thing);
    ck_assert_ptr_eq(container_of(&thing.member, struct thing, member), &thing);
    CHECK(thing.tag == 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/check");
    TCase *all = tcase_create("base/check");

    tcase_add_test_raise_signal(all, a_failed_check_ends_the_process, SIGABRT);
    tcase_add_test_raise_signal(all, a_callback_that_gets_a_stranger_ends_the_process, SIGABRT);
    tcase_add_test(all, a_callback_that_gets_its_own_goes_on);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
