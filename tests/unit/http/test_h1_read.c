/* SPDX-License-Identifier: MIT
 *
 * Lines, limits and heads that come in pieces. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/http/reading.h"

#define GET  "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

START_TEST(fields_come_with_names_as_sent_and_values_trimmed)
{
    ck_assert_request(GET HOST "X-A:\t  v w \t\r\nX-B:\r\nx!#$%&'*+-.^`|~1: caf\xc3\xa9 \xff\r\n\r\nrest");
    ck_assert_uint_eq(
        head.size,
        sizeof(GET HOST "X-A:\t  v w \t\r\nX-B:\r\nx!#$%&'*+-.^`|~1: caf\xc3\xa9 \xff\r\n\r\n") - 1);
    ck_assert_uint_eq(head.field_count, 4);
    ck_assert_slice(head.fields[1].name, "X-A");
    ck_assert_slice(head.fields[1].value, "v w");
    ck_assert_slice(head.fields[2].value, "");
    ck_assert_slice(head.fields[3].name, "x!#$%&'*+-.^`|~1");
    ck_assert_slice(head.fields[3].value, "caf\xc3\xa9 \xff");
}
END_TEST

START_TEST(line_ends_are_crlf_and_nothing_else)
{
    ck_assert_refused(400, "GET / HTTP/1.1\nHost: a\n\n");
    ck_assert_refused(400, GET "Host: a\nX-A: b\r\n\r\n");
    ck_assert_refused(400, GET "Host: a\rX-A: b\r\n\r\n");
    ck_assert_refused(400, GET "Host: a\r\r\n\r\n");
    ck_assert_refused(400, GET HOST "\n");
    ck_assert_refused(400, GET HOST "\rx");
    ck_assert_refused(400, GET HOST "\r\r\n\r\n");
    ck_assert_refused(400, GET HOST "X-A:\n\n\r\n\r\n");
}
END_TEST

START_TEST(control_bytes_are_refused_wherever_they_are)
{
    for (int byte = 0; byte < 0x80; byte++) {
        if ((byte >= 0x20 && byte != 0x7f) || byte == '\t')
            continue;
        char text[] = GET HOST "X-A: a.b\r\n\r\n";
        char *dot = strchr(text, '.');
        if (byte == 0x0d || byte == 0x0a)
            dot = strstr(text, "a.b") + 1;
        else
            dot = strstr(text, ".b");
        *dot = (char)byte;
        ck_assert_int_eq(read_request((struct slice){text, sizeof(text) - 1}), H1_BAD);
        ck_assert_uint_eq(error.status, 400);
    }
}
END_TEST

START_TEST(names_must_be_tokens_with_the_colon_right_behind)
{
    static const char *const lines[] = {"X A: v",    "X-A : v",  "X-A\t: v", ": v",     ":",
                                        "JustAName", "X-A v",    "X\"A: v",  "X/A: v",  "X@A: v",
                                        "X{A: v",    "X\xe9: v", "\xa0X: v", " X: v",   "\tX: v",
                                        "X_ A: v",   "_ : v",    "[X]: v",   "X\\A: v", "X,A: v"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char text[100];
        size_t size = (size_t)snprintf(text, sizeof(text), GET "%s\r\n" HOST "\r\n", lines[i]);
        ck_assert_msg(read_request((struct slice){text, size}) == H1_BAD, "taken: %s", lines[i]);
        ck_assert_uint_eq(error.status, 400);
        size = (size_t)snprintf(text, sizeof(text), GET HOST "%s\r\n\r\n", lines[i]);
        ck_assert_msg(read_request((struct slice){text, size}) == H1_BAD, "taken: %s", lines[i]);
    }
}
END_TEST

START_TEST(folded_lines_are_refused)
{
    ck_assert_refused(400, GET HOST "X-A: a\r\n b\r\n\r\n");
    ck_assert_refused(400, GET "Host:\r\n a\r\n\r\n");
    ck_assert_refused(400, GET " \r\nHost: a\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n\r\n");
}
END_TEST

START_TEST(names_with_an_underscore_are_left_out_of_requests_unless_they_are_kept)
{
    ck_assert_request(GET HOST "X_Real_User: admin\r\nContent_Length: 5\r\nX-A: b\r\n_: c\r\n\r\n");
    ck_assert_uint_eq(head.field_count, 2);
    ck_assert_slice(head.fields[1].name, "X-A");
    limits.keep_underscores = true;
    ck_assert_request(GET HOST "X_Real_User: admin\r\nContent_Length: 5\r\nX-A: b\r\n_: c\r\n\r\n");
    ck_assert_uint_eq(head.field_count, 5);
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    limits.keep_underscores = false;
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 OK\r\nX_A: b\r\nContent-Length: 0\r\n\r\n");
    ck_assert_uint_eq(head.field_count, 2);
}
END_TEST

START_TEST(what_is_left_out_is_checked_and_counted_like_the_rest)
{
    ck_assert_refused(400, GET HOST "X_A: a\001\r\n\r\n");
    ck_assert_refused(400, GET HOST "X_A : a\r\n\r\n");
    limits.fields = 2;
    ck_assert_refused(431, GET HOST "X_A: a\r\nX_B: b\r\n\r\n");
    limits.fields = 100;
}
END_TEST

START_TEST(as_many_fields_as_the_limit_pass_and_one_more_is_431)
{
    limits.fields = 3;
    ck_assert_request(GET HOST "A: 1\r\nB: 2\r\n\r\n");
    ck_assert_refused(431, GET HOST "A: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    limits.fields = 100;
}
END_TEST

START_TEST(a_limit_of_fields_above_what_a_head_holds_counts_as_that)
{
    char text[8192];
    size_t size = (size_t)snprintf(text, sizeof(text), GET HOST);

    limits.fields = 100000;
    for (unsigned i = 0; i < HEAD_FIELDS_MAX; i++) {
        memcpy(text + size, "A: 1\r\n", 6);
        size += 6;
    }
    memcpy(text + size, "\r\n", 2);
    ck_assert_int_eq(read_request((struct slice){text, size + 2}), H1_BAD);
    ck_assert_uint_eq(error.status, 431);
    memcpy(text + size - 6, "\r\n", 2);
    ck_assert_int_eq(read_request((struct slice){text, size - 4}), H1_DONE);
    ck_assert_uint_eq(head.field_count, HEAD_FIELDS_MAX);
    limits.fields = 100;
}
END_TEST

START_TEST(a_head_of_just_the_limit_passes_and_one_byte_more_is_431)
{
    static const char text[] = GET HOST "X-A: bcd\r\n\r\nbody";

    limits.head_bytes = sizeof(GET HOST "X-A: bcd\r\n\r\n") - 1;
    ck_assert_int_eq(read_request(SLICE(text)), H1_DONE);
    limits.head_bytes--;
    ck_assert_int_eq(read_request(SLICE(text)), H1_BAD);
    ck_assert_uint_eq(error.status, 431);
    ck_assert_int_eq(read_request((struct slice){text, limits.head_bytes}), H1_MORE);
    limits.head_bytes = 32768;
}
END_TEST

START_TEST(a_first_line_over_the_limit_is_414_and_too_large_a_response_is_502)
{
    char text[200];

    limits.head_bytes = 100;
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    ck_assert_int_eq(read_request((struct slice){text, 100}), H1_MORE);
    ck_assert_int_eq(read_request((struct slice){text, 101}), H1_BAD);
    ck_assert_uint_eq(error.status, 414);
    memcpy(text, "\r\nGET /", 7);
    ck_assert_int_eq(read_request((struct slice){text, 101}), H1_BAD);
    ck_assert_uint_eq(error.status, 414);
    memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
    ck_assert_int_eq(read_response((struct slice){text, sizeof(text)}, METHOD_GET), H1_BAD);
    ck_assert_uint_eq(error.status, 502);
    limits.head_bytes = 32768;
}
END_TEST

START_TEST(rubbish_is_refused_before_its_line_ends)
{
    ck_assert_refused(400, "\x16\x03\x01\x02\x05");
    ck_assert_refused(400, "\x80\x81\x82\x83");
    ck_assert_refused(400, "GE(T");
    ck_assert_refused(400, " GET");
    ck_assert_refused(400, "\nGET");
    ck_assert_refused(400, "\rG");
    ck_assert_refused(400, "\r\n\r");
    ck_assert_refused(400, "GET /\001");
    ck_assert_refused(400, GET HOST "X-A: \002");
    ck_assert_refused(400, GET HOST "X-A: a\rb");
}
END_TEST

START_TEST(an_unfinished_head_is_waited_for)
{
    static const char text[] = "\r\n" GET HOST "X-A: b\r\n\r\n";

    for (size_t size = 0; size < sizeof(text) - 1; size++)
        ck_assert_int_eq(read_request((struct slice){text, size}), H1_MORE);
    ck_assert_int_eq(read_request(SLICE(text)), H1_DONE);
    ck_assert_uint_eq(head.size, sizeof(text) - 1);
}
END_TEST

/* Feeds `text` in steps with one *seen, as a connection does. */
static enum h1_verdict feed(struct slice text, size_t step)
{
    size_t seen = 0;

    for (size_t size = step; size < text.size; size += step) {
        enum h1_verdict verdict =
            h1_read_request(&head, (struct slice){text.at, size}, &seen, &limits, &error);
        if (verdict != H1_MORE)
            return verdict;
    }
    return h1_read_request(&head, text, &seen, &limits, &error);
}

START_TEST(a_long_head_in_pieces_reads_as_it_does_whole)
{
    char text[6000];
    size_t size = (size_t)snprintf(text, sizeof(text), GET HOST);

    for (unsigned i = 0; i < 30; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "X-Field-%u: %0*u\r\n", i, (int)i * 10, i);
    size += (size_t)snprintf(text + size, sizeof(text) - size, "\r\n");
    for (size_t step = 1; step < 400; step += 7) {
        ck_assert_int_eq(feed((struct slice){text, size}, step), H1_DONE);
        ck_assert_uint_eq(head.field_count, 31);
        ck_assert_uint_eq(head.size, size);
    }
    text[size - 8] = '\0';
    for (size_t step = 1; step < 400; step += 7)
        ck_assert_int_eq(feed((struct slice){text, size}, step), H1_BAD);
}
END_TEST

START_TEST(a_cr_at_the_end_of_a_piece_is_judged_with_the_next)
{
    static const char good[] =
        GET HOST "X-A: 0123456789012345678901234567890123456789012345678901234567890123\r\n\r\n";
    static const char bad[] =
        GET HOST "X-A: 0123456789012345678901234567890123456789012345678901234567890123\rx";

    ck_assert_int_eq(feed(SLICE(good), 1), H1_DONE);
    ck_assert_int_eq(feed(SLICE(bad), 1), H1_BAD);
}
END_TEST

UNIT_MAIN("http/h1_read", fields_come_with_names_as_sent_and_values_trimmed,
          line_ends_are_crlf_and_nothing_else, control_bytes_are_refused_wherever_they_are,
          names_must_be_tokens_with_the_colon_right_behind, folded_lines_are_refused,
          names_with_an_underscore_are_left_out_of_requests_unless_they_are_kept,
          what_is_left_out_is_checked_and_counted_like_the_rest,
          as_many_fields_as_the_limit_pass_and_one_more_is_431,
          a_limit_of_fields_above_what_a_head_holds_counts_as_that,
          a_head_of_just_the_limit_passes_and_one_byte_more_is_431,
          a_first_line_over_the_limit_is_414_and_too_large_a_response_is_502,
          rubbish_is_refused_before_its_line_ends, an_unfinished_head_is_waited_for,
          a_long_head_in_pieces_reads_as_it_does_whole, a_cr_at_the_end_of_a_piece_is_judged_with_the_next)
