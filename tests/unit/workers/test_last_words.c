/* SPDX-License-Identifier: MIT */
#include "workers/last_words.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct slots *slots;
static FILE *caught; /* what was logged */

static const char *describe(int status, enum ending ending)
{
    static char words[96];

    exit_describe(words, sizeof words, status, ending, 512u << 20);
    return words;
}

START_TEST(an_exit_is_told_with_its_status)
{
    ck_assert_str_eq(describe(3 << 8, ENDING_PLAIN), "exited with status 3");
}
END_TEST

START_TEST(a_signal_is_told_by_its_name)
{
    ck_assert_str_eq(describe(SIGSEGV, ENDING_PLAIN), "killed by SIGSEGV");
    ck_assert_str_eq(describe(SIGSEGV | 0x80, ENDING_PLAIN), "killed by SIGSEGV (core dumped)");
}
END_TEST

START_TEST(a_kill_is_told_with_who_sent_it)
{
    ck_assert_str_eq(describe(SIGKILL, ENDING_PLAIN), "killed by SIGKILL");
    ck_assert_str_eq(describe(SIGKILL, ENDING_UNKNOWN), "killed by SIGKILL: perhaps out of memory?");
    ck_assert_str_eq(describe(SIGKILL, ENDING_OUTSIDE), "killed by SIGKILL from outside, not for memory");
    ck_assert_str_eq(describe(SIGKILL, ENDING_MEMORY), "killed for memory by the kernel (SIGKILL) at 512m");
}
END_TEST

static void set_up(void)
{
    slots = slots_new();
    ck_assert_int_eq(slots_claim(slots, "web", 1, true), 0);
    caught = tmpfile();
    ck_assert_ptr_nonnull(caught);
    ck_assert_int_ge(dup2(fileno(caught), 2), 0);
}

static void tear_down(void)
{
    fclose(caught);
    slots_free_all(&slots);
}

static unsigned lines_logged(char *text, size_t room)
{
    unsigned lines = 0;

    rewind(caught);
    size_t size = fread(text, 1, room - 1, caught);
    text[size] = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

START_TEST(the_last_twenty_lines_are_logged)
{
    char text[8192];
    struct slot *slot = &slots->slot[0];
    size_t size = 0;

    for (unsigned i = 1; i <= 30; i++)
        size += (size_t)sprintf(slot->output + size, "line %u.\n", i);
    atomic_store(&slot->output_size, (uint32_t)size);
    output_log_last(slot);
    ck_assert_uint_eq(lines_logged(text, sizeof text), 20);
    ck_assert_ptr_null(strstr(text, "line 10."));
    ck_assert_ptr_nonnull(strstr(text, "line 11."));
    ck_assert_ptr_nonnull(strstr(text, "line 30."));
    ck_assert_ptr_nonnull(strstr(text, "web.1"));
}
END_TEST

START_TEST(fewer_lines_are_logged_all_and_a_last_one_without_an_end_too)
{
    char text[8192];
    struct slot *slot = &slots->slot[0];

    memcpy(slot->output, "first\nsecond", 12);
    atomic_store(&slot->output_size, 12);
    output_log_last(slot);
    ck_assert_uint_eq(lines_logged(text, sizeof text), 2);
    ck_assert_ptr_nonnull(strstr(text, "first"));
    ck_assert_ptr_nonnull(strstr(text, "second"));
}
END_TEST

START_TEST(a_size_beyond_the_room_is_not_believed)
{
    char text[8192];
    struct slot *slot = &slots->slot[0];

    memset(slot->output, 'x', sizeof slot->output);
    atomic_store(&slot->output_size, 4000000000u);
    output_log_last(slot);
    ck_assert_uint_eq(lines_logged(text, sizeof text), 1);
}
END_TEST

START_TEST(silence_is_told)
{
    char text[8192];

    output_log_last(&slots->slot[0]);
    ck_assert_uint_eq(lines_logged(text, sizeof text), 1);
    ck_assert_ptr_nonnull(strstr(text, "it wrote nothing"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("last words");
    TCase *words = tcase_create("words"), *output = tcase_create("output");

    tcase_add_test(words, an_exit_is_told_with_its_status);
    tcase_add_test(words, a_signal_is_told_by_its_name);
    tcase_add_test(words, a_kill_is_told_with_who_sent_it);
    suite_add_tcase(suite, words);
    tcase_add_checked_fixture(output, set_up, tear_down);
    tcase_add_test(output, the_last_twenty_lines_are_logged);
    tcase_add_test(output, fewer_lines_are_logged_all_and_a_last_one_without_an_end_too);
    tcase_add_test(output, a_size_beyond_the_room_is_not_believed);
    tcase_add_test(output, silence_is_told);
    suite_add_tcase(suite, output);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
