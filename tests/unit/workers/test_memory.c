/* SPDX-License-Identifier: MIT */
#include "workers/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char proc[] = "/tmp/drover-test-XXXXXX";
static char directory[64], rollup[96], statm[96];

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void set_up(void)
{
    ck_assert_ptr_nonnull(mkdtemp(proc));
    snprintf(directory, sizeof directory, "%s/42", proc);
    ck_assert_int_eq(mkdir(directory, 0700), 0);
    snprintf(rollup, sizeof rollup, "%s/smaps_rollup", directory);
    snprintf(statm, sizeof statm, "%s/statm", directory);
}

static void tear_down(void)
{
    unlink(rollup);
    unlink(statm);
    rmdir(directory);
    rmdir(proc);
}

START_TEST(shared_pages_are_counted_in_proportion)
{
    write_text(rollup, "55d0-7ffd ---p 00000000 00:00 0   [rollup]\nRss:   20480 kB\nPss:   10240 kB\n"
                       "Pss_Anon:  1 kB\n");
    write_text(statm, "9999 5120 1 1 0 1 0\n");
    ck_assert_uint_eq(memory_of_process_below(proc, 42), 10240u * 1024u);
}
END_TEST

START_TEST(where_that_is_not_told_the_resident_pages_count)
{
    write_text(statm, "9999 5120 1 1 0 1 0\n");
    ck_assert_uint_eq(memory_of_process_below(proc, 42), 5120u * (unsigned long)sysconf(_SC_PAGESIZE));
}
END_TEST

START_TEST(no_process_needs_nothing)
{
    ck_assert_uint_eq(memory_of_process_below(proc, 43), 0);
}
END_TEST

START_TEST(rubbish_counts_as_nothing)
{
    write_text(rollup, "Pss\n");
    write_text(statm, "x\n");
    ck_assert_uint_eq(memory_of_process_below(proc, 42), 0);
}
END_TEST

static void put(const char *path, const char *text)
{
    char full[128];

    snprintf(full, sizeof full, "%s/%s", proc, path);
    for (char *slash = strchr(full + strlen(proc) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    write_text(full, text);
}

START_TEST(what_a_worker_has_started_belongs_to_it)
{
    put("50/smaps_rollup", "x\nPss:   1024 kB\n");
    put("50/task/50/children", "51 53 ");
    put("51/smaps_rollup", "x\nPss:   2048 kB\n");
    put("51/task/51/children", "52");
    put("52/smaps_rollup", "x\nPss:   4096 kB\n");
    put("52/task/52/children", "");
    ck_assert_uint_eq(memory_of_process_below(proc, 50), 7 * 1024 * 1024); /* 53 is gone */
    put("52/task/52/children", "50");                                      /* no circle is walked for ever */
    ck_assert_uint_le(memory_of_process_below(proc, 50), 64 * 4096 * 1024);
    snprintf(directory, sizeof directory, "rm -r %s/5?", proc);
    ck_assert_int_eq(system(directory), 0);
    snprintf(directory, sizeof directory, "%s/42", proc);
}
END_TEST

START_TEST(this_process_needs_something)
{
    ck_assert_uint_gt(memory_of_process(getpid()), 100000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tests = tcase_create("memory");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, shared_pages_are_counted_in_proportion);
    tcase_add_test(tests, where_that_is_not_told_the_resident_pages_count);
    tcase_add_test(tests, no_process_needs_nothing);
    tcase_add_test(tests, rubbish_counts_as_nothing);
    tcase_add_test(tests, what_a_worker_has_started_belongs_to_it);
    tcase_add_test(tests, this_process_needs_something);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
