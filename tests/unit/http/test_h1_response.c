/* SPDX-License-Identifier: MIT
 *
 * Status lines, and which responses have a body. */
#include "tests/unit/http/reading.h"

START_TEST(the_status_line_has_version_status_and_reason)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 404 Not  Found\r\nContent-Length: 3\r\n\r\nabc");
    ck_assert_uint_eq(head.status, 404);
    ck_assert_slice(head.reason, "Not  Found");
    ck_assert_uint_eq(head.minor, 1);
    ck_assert_int_eq(head.framing, FRAMING_LENGTH);
    ck_assert_uint_eq(head.content_length, 3);
    ck_assert(head.keep_alive);
}
END_TEST

START_TEST(the_reason_may_be_empty_or_not_ascii_or_miss_its_space)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 \r\n\r\n");
    ck_assert_slice(head.reason, "");
    ck_assert_response(METHOD_GET, "HTTP/1.1 200\r\n\r\n");
    ck_assert_slice(head.reason, "");
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 Gr\xfc\xdf"
                                   "e\r\n\r\n");
    ck_assert_slice(head.reason, "Gr\xfc\xdf"
                                 "e");
    ck_assert_response(METHOD_GET, "HTTP/1.1 599 Odd\r\n\r\n");
    ck_assert_response(METHOD_GET, "HTTP/1.1 999 Odder\r\n\r\n");
}
END_TEST

START_TEST(other_first_lines_are_no_responses)
{
    ck_assert_bad_response("HTTP/1.1 99 X\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 099 X\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 000 X\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 2000 X\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 +20 X\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 20\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1  200 OK\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200\tOK\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1\r\n\r\n");
    ck_assert_bad_response("HTTP/2.0 200 OK\r\n\r\n");
    ck_assert_bad_response("HTTP/1.10 200 OK\r\n\r\n");
    ck_assert_bad_response("http/1.1 200 OK\r\n\r\n");
    ck_assert_bad_response("ICY 200 OK\r\n\r\n");
    ck_assert_bad_response("\r\nHTTP/1.1 200 OK\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\n\n");
    ck_assert_bad_response("HTTP/1.1 200 O\rK\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 O\001K\r\n\r\n");
    ck_assert_bad_response("Content-Length: 5\r\n\r\n");
}
END_TEST

START_TEST(white_space_before_a_colon_is_removed_from_responses)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 OK\r\nContent-Length \t: 5\r\n\r\n");
    ck_assert_slice(head.fields[0].name, "Content-Length");
    ck_assert_int_eq(head.framing, FRAMING_LENGTH);
    ck_assert_uint_eq(head.content_length, 5);
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nContent -Length: 5\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nX-A \r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\n : b\r\n\r\n");
}
END_TEST

START_TEST(a_body_without_a_length_goes_on_until_the_end)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_UNTIL_CLOSE);
    ck_assert(!head.keep_alive);
}
END_TEST

START_TEST(answers_to_head_and_304_have_a_length_but_no_body)
{
    ck_assert_response(METHOD_HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert(head.has_content_length && head.keep_alive);
    ck_assert_uint_eq(head.content_length, 500);
    ck_assert_response(METHOD_GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert_uint_eq(head.content_length, 5);
    ck_assert_response(METHOD_HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert_response(METHOD_HEAD, "HTTP/1.1 200 OK\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert(head.keep_alive);
}
END_TEST

START_TEST(interim_responses_and_204_have_neither)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert(head.keep_alive);
    ck_assert_response(METHOD_GET, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert_response(METHOD_GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(head.framing, FRAMING_NONE);
    ck_assert(head.keep_alive && !head.has_content_length);
}
END_TEST

START_TEST(a_204_that_announces_a_body_is_the_last_on_its_connection)
{
    ck_assert_response(METHOD_GET, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n");
    ck_assert(!head.keep_alive);
    ck_assert_response(METHOD_GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert(!head.keep_alive);
    ck_assert_int_eq(head.framing, FRAMING_NONE);
}
END_TEST

START_TEST(framing_that_could_be_read_in_two_ways_is_bad)
{
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n");
    ck_assert_bad_response("HTTP/1.1 304 Not Modified\r\nContent-Length: 5x\r\n\r\n");
    ck_assert_bad_response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
}
END_TEST

START_TEST(http_1_0_keeps_alive_only_when_it_says_so)
{
    ck_assert_response(METHOD_GET, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n");
    ck_assert(!head.keep_alive);
    ck_assert_response(METHOD_GET, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n");
    ck_assert(head.keep_alive);
    ck_assert_response(METHOD_GET, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n");
    ck_assert(!head.keep_alive);
}
END_TEST

UNIT_MAIN("http/h1_response", the_status_line_has_version_status_and_reason,
          the_reason_may_be_empty_or_not_ascii_or_miss_its_space, other_first_lines_are_no_responses,
          white_space_before_a_colon_is_removed_from_responses, a_body_without_a_length_goes_on_until_the_end,
          answers_to_head_and_304_have_a_length_but_no_body, interim_responses_and_204_have_neither,
          a_204_that_announces_a_body_is_the_last_on_its_connection,
          framing_that_could_be_read_in_two_ways_is_bad, http_1_0_keeps_alive_only_when_it_says_so)
