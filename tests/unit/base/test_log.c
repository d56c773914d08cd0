/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int reader = -1;
static char text[2 * PIPE_BUF];

/* From here on stderr is a pipe that the test reads. */
static void capture(void)
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
    ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
    log_init("engine");
}

static const char *read_log(void)
{
    ssize_t size = read(reader, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    return text;
}

START_TEST(a_line_has_time_process_level_and_words)
{
    int year, month, day, hour, minute, second, milli;
    char rest[64];

    capture();
    log_info("%s is %d", "web.1", 7);
    ck_assert_int_eq(sscanf(read_log(), "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %63[^\n]", &year, &month, &day, &hour,
                            &minute, &second, &milli, rest),
                     8);
    ck_assert_str_eq(rest, "engine info web.1 is 7");
    ck_assert_int_ge(year, 2024);
    ck_assert_int_eq(text[strlen(text) - 1], '\n');
}
END_TEST

START_TEST(lines_below_the_level_are_not_written)
{
    capture();
    log_debug("hidden");
    ck_assert_str_eq(read_log(), "");
    log_set_level(LOG_ERROR);
    log_warning("hidden");
    ck_assert_str_eq(read_log(), "");
    log_set_level(LOG_DEBUG);
    log_debug("shown");
    ck_assert_ptr_nonnull(strstr(read_log(), " engine debug shown\n"));
}
END_TEST

START_TEST(a_workers_line_has_its_name_and_cannot_forge_another)
{
    capture();
    log_output("web.1", SLICE("GET \"/\"\n2026-01-01 keeper error forged\x1b[2J"));
    ck_assert_ptr_nonnull(
        strstr(read_log(), " info web.1 | GET \"/\"\\x0a2026-01-01 keeper error forged\\x1b[2J\n"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

START_TEST(json_lines_are_one_object_each)
{
    capture();
    log_set_json(true);
    log_warning("a \"b\"\n");
    ck_assert_int_eq(strncmp(read_log(), "{\"time\":\"20", 11), 0);
    ck_assert_ptr_nonnull(
        strstr(text, "Z\",\"process\":\"engine\",\"level\":\"warning\",\"message\":\"a \\\"b\\\"\\n\"}\n"));
    log_output("web.2", SLICE("x"));
    ck_assert_ptr_nonnull(strstr(read_log(), "\"worker\":\"web.2\",\"message\":\"x\"}\n"));
}
END_TEST

START_TEST(no_line_is_longer_than_a_pipe_takes_whole)
{
    static char much[3 * PIPE_BUF];

    capture();
    memset(much, 'x', sizeof much - 1);
    for (int json = 0; json < 2; json++) {
        log_set_json(json);
        log_info("%s", much);
        size_t size = strlen(read_log());
        ck_assert_uint_le(size, PIPE_BUF);
        ck_assert_uint_gt(size, PIPE_BUF - 100);
        ck_assert_str_eq(text + size - (json ? 3 : 1), json ? "\"}\n" : "\n");
        memset(much, '\n', sizeof much - 1); /* all to be escaped */
        log_output("web.1", slice_of(much));
        size = strlen(read_log());
        ck_assert_uint_le(size, PIPE_BUF);
        ck_assert_str_eq(text + size - (json ? 3 : 1), json ? "\"}\n" : "\n");
    }
}
END_TEST

START_TEST(a_full_pipe_drops_lines_and_the_count_is_told_later)
{
    capture();
    for (unsigned i = 0; i < 2000; i++)
        log_info("line %u, long enough that the pipe is full well before the last of them", i);
    uint64_t lost = log_dropped();
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_lt(lost, 2000);
    while (*read_log())
        continue;
    log_info("again");
    char wanted[64];
    str_format(wanted, sizeof wanted, "warning %llu lines of the log were dropped", (unsigned long long)lost);
    read_log();
    ck_assert_ptr_nonnull(strstr(text, wanted));
    ck_assert_ptr_nonnull(strstr(text, "info again\n"));
    log_info("and no more");
    ck_assert_ptr_null(strstr(read_log(), "dropped"));
}
END_TEST

UNIT_MAIN("base/log", a_line_has_time_process_level_and_words, lines_below_the_level_are_not_written,
          a_workers_line_has_its_name_and_cannot_forge_another, json_lines_are_one_object_each,
          no_line_is_longer_than_a_pipe_takes_whole, a_full_pipe_drops_lines_and_the_count_is_told_later)
