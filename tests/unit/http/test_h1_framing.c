/* SPDX-License-Identifier: MIT
 *
 * Content-Length, Transfer-Encoding and Connection. */
#include <stdio.h>

#include "tests/unit/http/reading.h"

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"

static enum h1_verdict read_with(const char *lines)
{
    static char text[400]; /* the head points into it */
    size_t size = (size_t)snprintf(text, sizeof(text), POST "%s\r\n\r\n", lines);
    return read_request((struct slice){text, size});
}

START_TEST(a_content_length_is_digits_below_2_to_the_63)
{
    static const struct {
        const char *line;
        uint64_t length;
    } good[] = {{"Content-Length: 0", 0},       {"Content-Length:5", 5},
                {"content-LENGTH: \t 5 \t", 5}, {"Content-Length: 0000005", 5},
                {"Content-Length: 010", 10},    {"Content-Length: 9223372036854775807", INT64_MAX}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ck_assert_int_eq(read_with(good[i].line), H1_DONE);
        ck_assert_int_eq(head.framing, FRAMING_LENGTH);
        ck_assert(head.has_content_length);
        ck_assert_uint_eq(head.content_length, good[i].length);
    }
}
END_TEST

START_TEST(any_other_content_length_is_refused)
{
    static const char *const bad[] = {"+5",
                                      "-5",
                                      "-0",
                                      "0x5",
                                      "5.0",
                                      "5 5",
                                      "5;",
                                      "5x",
                                      "\"5\"",
                                      "1_0",
                                      "5, 5",
                                      "5, 6",
                                      ",5",
                                      "",
                                      "five",
                                      "chunked",
                                      "\xd9\xa5",
                                      "(5)",
                                      "9223372036854775808",
                                      "18446744073709551616",
                                      "18446744073709551621",
                                      "9999999999999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[100];
        snprintf(line, sizeof(line), "Content-Length: %s", bad[i]);
        ck_assert_msg(read_with(line) == H1_BAD && error.status == 400, "taken: %s", line);
    }
    ck_assert_int_eq(read_with("Content-Length: 5\r\nContent-Length: 5"), H1_BAD);
    ck_assert_int_eq(read_with("Content-Length: 5\r\ncontent-length: 6"), H1_BAD);
}
END_TEST

START_TEST(one_chunked_in_any_case_is_the_only_coding)
{
    ck_assert_int_eq(read_with("transfer-ENCODING:\tChUnKeD "), H1_DONE);
    ck_assert_int_eq(head.framing, FRAMING_CHUNKED);
    ck_assert(!head.has_content_length);
}
END_TEST

START_TEST(other_codings_are_501_and_what_is_no_coding_or_not_final_400)
{
    static const struct {
        const char *value;
        unsigned status;
    } bad[] = {{"gzip", 501},
               {"identity", 501},
               {"xchunked", 501},
               {"gzip, chunked", 501},
               {"gzip , chunked", 501},
               {"chunked, gzip", 400},
               {"chunked, chunked", 400},
               {"chunked, identity, chunked", 400},
               {",chunked", 400},
               {"chunked,", 400},
               {"", 400},
               {"chunked;a=b", 400},
               {"\"chunked\"", 400},
               {"chun ked", 400},
               {"[chunked]", 400},
               {"ch\x96nked", 400},
               {"chunked\xa0", 400},
               {"gzip,,chunked", 400},
               {",", 400}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[100];
        snprintf(line, sizeof(line), "Transfer-Encoding: %s", bad[i].value);
        ck_assert_msg(read_with(line) == H1_BAD, "taken: %s", line);
        ck_assert_msg(error.status == bad[i].status, "%s: %u", line, error.status);
    }
}
END_TEST

START_TEST(chunked_beside_anything_is_refused)
{
    ck_assert_int_eq(read_with("Transfer-Encoding: chunked\r\nContent-Length: 5"), H1_BAD);
    ck_assert_int_eq(read_with("Content-Length: 5\r\nTransfer-Encoding: gzip"), H1_BAD);
    ck_assert_uint_eq(error.status, 400);
    ck_assert_int_eq(read_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), H1_BAD);
    ck_assert_refused(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
}
END_TEST

START_TEST(connection_says_whether_the_connection_stays)
{
    ck_assert_int_eq(read_with("X-A: b"), H1_DONE);
    ck_assert(head.keep_alive);
    ck_assert_int_eq(read_with("Connection: Close"), H1_DONE);
    ck_assert(!head.keep_alive);
    ck_assert_int_eq(read_with("Connection: keep-alive, close"), H1_DONE);
    ck_assert(!head.keep_alive);
    ck_assert_int_eq(read_with("Connection: x\r\nConnection: close"), H1_DONE);
    ck_assert(!head.keep_alive);
    ck_assert_request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    ck_assert(head.keep_alive);
    ck_assert_request("GET / HTTP/1.0\r\nConnection: Keep-Alive, close\r\n\r\n");
    ck_assert(!head.keep_alive);
}
END_TEST

START_TEST(fields_that_connection_names_are_marked_wherever_they_stand)
{
    ck_assert_int_eq(
        read_with("X-Before: 1\r\nConnection: ,, x-before , X-AFTER,\r\nX-After: 2\r\nX-Other: 3"), H1_DONE);
    ck_assert(head_find_other(&head, SLICE("X-Before"))->named_by_connection);
    ck_assert(head_find_other(&head, SLICE("X-After"))->named_by_connection);
    ck_assert(!head_find_other(&head, SLICE("X-Other"))->named_by_connection);
}
END_TEST

START_TEST(connection_cannot_talk_away_host_or_framing)
{
    ck_assert_int_eq(read_with("Connection: Host, Content-Length, close\r\nContent-Length: 5"), H1_DONE);
    ck_assert_int_eq(head.framing, FRAMING_LENGTH);
    ck_assert(!head_find(&head, FIELD_HOST)->named_by_connection);
    ck_assert(!head_find(&head, FIELD_CONTENT_LENGTH)->named_by_connection);
    ck_assert_slice(head.host, "a");
    ck_assert_int_eq(read_with("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked"), H1_DONE);
    ck_assert_int_eq(head.framing, FRAMING_CHUNKED);
}
END_TEST

START_TEST(connection_options_are_bounded)
{
    char line[400] = "Connection: ";

    for (unsigned i = 0; i < 128; i++)
        strcat(line, "x,");
    ck_assert_int_eq(read_with(line), H1_DONE);
    strcat(line, "x,");
    ck_assert_int_eq(read_with(line), H1_BAD);
}
END_TEST

UNIT_MAIN("http/h1_framing", a_content_length_is_digits_below_2_to_the_63,
          any_other_content_length_is_refused, one_chunked_in_any_case_is_the_only_coding,
          other_codings_are_501_and_what_is_no_coding_or_not_final_400, chunked_beside_anything_is_refused,
          connection_says_whether_the_connection_stays,
          fields_that_connection_names_are_marked_wherever_they_stand,
          connection_cannot_talk_away_host_or_framing, connection_options_are_bounded)
