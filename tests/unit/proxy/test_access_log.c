/* SPDX-License-Identifier: MIT */
#include "proxy/access_log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static struct loop *loop;
static struct access_log *written;
static _Atomic uint64_t dropped;
static char lines[262144];

#define HEAD                                                                                                 \
    "GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: wget \"1\"\r\nReferer: http://r/\r\nX-Request-Id: abc\r\n"

static const struct access_record plain = {
    .wall_us = UINT64_C(784111777) * 1000000,
    .duration_us = 1234567,
    .wait_us = 2000,
    .client = {"5.5.5.5", 7},
    .head = {HEAD, sizeof HEAD - 1},
    .minor = 1,
    .status = 200,
    .bytes_sent = 10,
    .bytes_received = 3,
    .pool = "web",
    .backend = "web.2",
    .tries = 2,
    .word = "-",
};

static int any_file(void)
{
    char path[] = "/tmp/drover-log-XXXXXX";
    int fd = mkostemp(path, O_APPEND);

    ck_assert_int_ge(fd, 0);
    unlink(path);
    return fd;
}

static void open_log(int fd, enum log_format format)
{
    setenv("TZ", "UTC", 1);
    dropped = 0;
    loop = loop_new("test");
    written = access_log_new(loop, fd, format, &dropped);
}

static void close_log(void)
{
    access_log_free(&written);
    loop_free(&loop);
    blocks_fini();
}

static const char *content(int fd)
{
    ssize_t size = pread(fd, lines, sizeof lines - 1, 0);

    lines[size > 0 ? size : 0] = 0;
    return lines;
}

/* What one record becomes. */
static const char *line_of(const struct access_record *record, enum log_format format)
{
    int fd = any_file();

    open_log(fd, format);
    access_log_write(written, record);
    close_log();
    content(fd);
    close(fd);
    return lines;
}

static const char *string_in(const char *line, const char *key)
{
    static char value[4096];
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);

    ck_assert_msg(object != NULL, "%s: %s", error.text, line);
    ck_assert_msg(json_is_string(json_object_get(object, key)), "%s in %s", key, line);
    str_format(value, sizeof value, "%s", json_string_value(json_object_get(object, key)));
    json_decref(object);
    return value;
}

START_TEST(a_line_of_text_is_in_the_combined_format_with_six_more_columns)
{
    ck_assert_str_eq(line_of(&plain, LOG_FORMAT_TEXT),
                     "5.5.5.5 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 10 \"http://r/\" "
                     "\"wget \\x221\\x22\" web.2 1.235 0.002 2 - abc\n");
}
END_TEST

START_TEST(a_line_of_json_can_be_read_by_anybody)
{
    const char *line = line_of(&plain, LOG_FORMAT_JSON);

    ck_assert_str_eq(string_in(line, "user_agent"), "wget \"1\"");
    ck_assert_str_eq(string_in(line, "target"), "/a?b");
    ck_assert_str_eq(string_in(line, "worker"), "web.2");
    ck_assert_str_eq(string_in(line, "request_id"), "abc");
    ck_assert_str_eq(string_in(line, "error"), "");
    ck_assert_str_eq(string_in(line, "time"), "1994-11-06T08:49:37+00:00");
    ck_assert_ptr_nonnull(strstr(line, "\"status\":200,"));
    ck_assert_ptr_nonnull(strstr(line, "\"duration\":1.234567,"));
    ck_assert_ptr_nonnull(strstr(line, "\"bytes_received\":3,"));
}
END_TEST

START_TEST(a_request_that_could_not_be_read_has_a_line_too)
{
    struct access_record record = {
        .client = {"5.5.5.5", 7}, .head = {"", 0}, .minor = 1, .status = 400, .word = "bad_request"};

    ck_assert_ptr_nonnull(
        strstr(line_of(&record, LOG_FORMAT_TEXT), "\" 400 0 \"-\" \"-\" - 0.000 0.000 0 bad_request -\n"));
    ck_assert_str_eq(string_in(line_of(&record, LOG_FORMAT_JSON), "error"), "bad_request");
}
END_TEST

/* No client ends a line, forges one, or drives the terminal of whoever reads it. */
START_TEST(what_clients_say_is_escaped)
{
    static const char head[] = "GET /\x1b[2J\"\xff HTTP/1.1\r\nUser-Agent: a\tb\"\\\x7f\r\n";
    struct access_record record = plain;

    record.head = SLICE(head);
    const char *line = line_of(&record, LOG_FORMAT_TEXT);
    ck_assert_ptr_null(strchr(line, '\x1b'));
    ck_assert_ptr_nonnull(strstr(line, "\"GET /\\x1b[2J\\x22"));
    ck_assert_ptr_nonnull(strstr(line, "\"a\\x09b\\x22\\x5c\\x7f\""));
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    line = line_of(&record, LOG_FORMAT_JSON);
    ck_assert_str_eq(string_in(line, "target"), "/\x1b[2J\"\xef\xbf\xbd");
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(a_very_long_target_is_cut_and_the_line_stays_whole)
{
    static char head[9000];
    struct access_record record = plain;

    memset(head, '"', sizeof head);
    memcpy(head, "GET /", 5);
    memcpy(head + 8000, " HTTP/1.1\r\nUser-Agent: ", 23);
    memcpy(head + sizeof head - 2, "\r\n", 2);
    record.head = (struct slice){head, sizeof head};
    const char *line = line_of(&record, LOG_FORMAT_TEXT);
    ck_assert_uint_lt(strlen(line), 4096);
    ck_assert_ptr_nonnull(strstr(line, " web.2 1.235 0.002 2 - -\n"));
    ck_assert_str_eq(string_in(line_of(&record, LOG_FORMAT_JSON), "pool"), "web");
}
END_TEST

START_TEST(a_pipe_that_nobody_reads_drops_lines_and_counts_them)
{
    int ends[2];
    unsigned read_back = 0;
    ssize_t size;

    ck_assert_int_eq(pipe(ends), 0); /* blocking: a write that waits would hang this test */
    open_log(ends[1], LOG_FORMAT_TEXT);
    for (unsigned i = 0; i < 1000; i++) {
        access_log_write(written, &plain);
        loop_settle(loop);
    }
    close_log();
    ck_assert_uint_gt(dropped, 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while ((size = read(ends[0], lines, sizeof lines)) > 0)
        for (ssize_t i = 0; i < size; i++)
            read_back += lines[i] == '\n';
    ck_assert_uint_eq(read_back + dropped, 1000);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(lines_are_written_at_once_when_there_are_many)
{
    int fd = any_file();

    open_log(fd, LOG_FORMAT_TEXT);
    access_log_write(written, &plain);
    loop_settle(loop);
    ck_assert_str_eq(content(fd), ""); /* a few wait for company */
    for (unsigned i = 0; i < 200; i++)
        access_log_write(written, &plain);
    loop_settle(loop);
    ck_assert_uint_gt(strlen(content(fd)), 16384);
    close_log();
    close(fd);
}
END_TEST

static void stop(void *argument)
{
    loop_stop(argument);
}

START_TEST(a_single_line_is_written_soon)
{
    struct deadline end;
    int fd = any_file();

    open_log(fd, LOG_FORMAT_TEXT);
    deadline_init(&end, stop, loop);
    deadline_start(&end, loop, 400);
    access_log_write(written, &plain);
    loop_run(loop);
    ck_assert_uint_gt(strlen(content(fd)), 0);
    close_log();
    close(fd);
}
END_TEST

START_TEST(a_log_that_moves_loses_and_doubles_nothing)
{
    int first = any_file(), second = any_file();

    open_log(first, LOG_FORMAT_TEXT);
    access_log_write(written, &plain);
    access_log_move(written, second, LOG_FORMAT_JSON);
    access_log_write(written, &plain);
    close_log();
    ck_assert_ptr_nonnull(strstr(content(first), "\"GET /a?b HTTP/1.1\""));
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
    ck_assert_str_eq(string_in(content(second), "target"), "/a?b");
    ck_assert_ptr_eq(strchr(lines, '\n'), lines + strlen(lines) - 1);
    close(first);
    close(second);
}
END_TEST

START_TEST(a_full_disk_drops_lines_and_counts_them)
{
    int fd = open("/dev/full", O_WRONLY);

    ck_assert_int_ge(fd, 0);
    open_log(fd, LOG_FORMAT_TEXT);
    access_log_write(written, &plain);
    access_log_write(written, &plain);
    close_log();
    ck_assert_uint_eq(dropped, 2);
    close(fd);
}
END_TEST

UNIT_MAIN("proxy/access_log", a_line_of_text_is_in_the_combined_format_with_six_more_columns,
          a_line_of_json_can_be_read_by_anybody, a_request_that_could_not_be_read_has_a_line_too,
          what_clients_say_is_escaped, a_very_long_target_is_cut_and_the_line_stays_whole,
          a_pipe_that_nobody_reads_drops_lines_and_counts_them, lines_are_written_at_once_when_there_are_many,
          a_single_line_is_written_soon, a_log_that_moves_loses_and_doubles_nothing,
          a_full_disk_drops_lines_and_counts_them)
