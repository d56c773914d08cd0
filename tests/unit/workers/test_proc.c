/* SPDX-License-Identifier: MIT */
#include "workers/proc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST 2000

static char proc[] = "/tmp/drover-test-XXXXXX";
static const char *const folders[] = {"42", "42/task", "42/task/42"};
static char list[96];

static void set_up(void)
{
    char path[96];

    ck_assert_ptr_nonnull(mkdtemp(proc));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", proc, folders[i]);
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    snprintf(list, sizeof list, "%s/42/task/42/children", proc);
}

static void tear_down(void)
{
    char path[96];

    unlink(list);
    for (size_t i = sizeof folders / sizeof *folders; i-- > 0;) {
        snprintf(path, sizeof path, "%s/%s", proc, folders[i]);
        ck_assert_int_eq(rmdir(path), 0);
    }
    rmdir(proc);
}

static void has_started(pid_t first, unsigned count)
{
    FILE *file = fopen(list, "we");

    ck_assert_ptr_nonnull(file);
    for (unsigned i = 0; i < count; i++)
        fprintf(file, "%d ", (int)first + (int)i);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(children_are_read_as_many_as_there_is_room_for)
{
    pid_t all[4];

    has_started(1001, 3);
    ck_assert_int_eq(proc_children(proc, 42, all, 4), 3);
    ck_assert(all[0] == 1001 && all[1] == 1002 && all[2] == 1003);
    ck_assert_int_eq(proc_children(proc, 42, all, 2), 2);
    ck_assert_int_eq(proc_children(proc, 42, all, 0), 0);
    has_started(0, 0);
    ck_assert_int_eq(proc_children(proc, 42, all, 4), 0);
}
END_TEST

START_TEST(a_number_that_is_cut_is_nobodys)
{
    pid_t all[MOST];

    has_started(1000001, MOST); /* 16000 characters */
    int count = proc_children(proc, 42, all, MOST);
    ck_assert_int_gt(count, 1000);
    ck_assert_int_lt(count, MOST);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(all[i], 1000001 + i);
}
END_TEST

START_TEST(of_a_process_that_is_not_there_nothing_is_told)
{
    char text[8] = "before";
    pid_t all[4];

    ck_assert_int_eq(proc_children(proc, 43, all, 4), -1);
    ck_assert_int_eq(proc_read(proc, 43, "stat", text, sizeof text), -1);
}
END_TEST

START_TEST(a_text_is_cut_where_its_room_ends)
{
    char text[6];

    has_started(1001, 3);
    ck_assert_int_eq(proc_read(proc, 42, "task/42/children", text, sizeof text), 5);
    ck_assert_str_eq(text, "1001 ");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("workers/proc");
    TCase *tests = tcase_create("proc");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, children_are_read_as_many_as_there_is_room_for);
    tcase_add_test(tests, a_number_that_is_cut_is_nobodys);
    tcase_add_test(tests, of_a_process_that_is_not_there_nothing_is_told);
    tcase_add_test(tests, a_text_is_cut_where_its_room_ends);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
