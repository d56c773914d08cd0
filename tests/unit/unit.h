/* SPDX-License-Identifier: MIT
 *
 * The main of a unit test program. At the file's end:
 *
 *     UNIT_MAIN("base/buffer", an_empty_buffer_holds_no_memory, a_second_test)
 *
 * Each test runs in a process of its own, at most 60 s (sanitizers are slow, machines are busy).
 * CK_RUN_CASE, CK_VERBOSITY and the rest of Check's variables work. Exit status 0 when all passed. */
#ifndef DROVER_TESTS_UNIT_UNIT_H
#define DROVER_TESTS_UNIT_UNIT_H

#include <check.h>
#include <stddef.h>

static inline int unit_run(const char *name, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *all = tcase_create(name);

    tcase_set_timeout(all, 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#define UNIT_MAIN(name, ...)                                                                                 \
    int main(void)                                                                                           \
    {                                                                                                        \
        const TTest *const tests[] = {__VA_ARGS__};                                                          \
        return unit_run(name, tests, sizeof tests / sizeof tests[0]);                                        \
    }

#endif
