/* SPDX-License-Identifier: MIT
 *
 * Request lines, Host, Expect, Upgrade. */
#include <stdio.h>

#include "tests/unit/http/reading.h"

#define HOST "Host: a\r\n"

START_TEST(the_request_line_has_method_target_and_version)
{
    ck_assert_request("GET /a?b=c&d=%2F[1]|x HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_int_eq(head.method, METHOD_GET);
    ck_assert_slice(head.method_text, "GET");
    ck_assert_slice(head.target, "/a?b=c&d=%2F[1]|x");
    ck_assert_slice(head.path_query, "/a?b=c&d=%2F[1]|x");
    ck_assert_uint_eq(head.minor, 1);
    ck_assert(head.keep_alive);
    ck_assert_int_eq(head.framing, FRAMING_NONE);
}
END_TEST

START_TEST(methods_are_told_by_their_exact_spelling_and_any_token_is_one)
{
    static const struct {
        const char *text;
        enum method method;
    } methods[] = {{"GET", METHOD_GET},          {"HEAD", METHOD_HEAD},     {"POST", METHOD_POST},
                   {"PUT", METHOD_PUT},          {"DELETE", METHOD_DELETE}, {"OPTIONS", METHOD_OPTIONS},
                   {"PATCH", METHOD_PATCH},      {"get", METHOD_OTHER},     {"REPORT", METHOD_OTHER},
                   {"M-SEARCH!x", METHOD_OTHER}, {"_", METHOD_OTHER},       {"GETS", METHOD_OTHER}};

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char text[100];
        size_t size = (size_t)snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "\r\n", methods[i].text);
        ck_assert_int_eq(read_request((struct slice){text, size}), H1_DONE);
        ck_assert_int_eq(head.method, methods[i].method);
        ck_assert_slice(head.method_text, methods[i].text);
    }
}
END_TEST

START_TEST(connect_and_trace_are_405)
{
    ck_assert_refused(405, "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(405, "CONNECT /a HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(405, "TRACE / HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(one_space_separates_the_three_words)
{
    ck_assert_refused(400, "GET  / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /  HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / HTTP/1.1 \r\n" HOST "\r\n");
    ck_assert_refused(400, "GET\t/ HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /\tHTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /a b HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET  HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET\r\n");
    ck_assert_refused(400, "SSH-2.0-OpenSSH_9.2\r\n");
}
END_TEST

START_TEST(versions_other_than_1_x_are_505_and_malformed_ones_400)
{
    ck_assert_refused(505, "GET / HTTP/2.0\r\n" HOST "\r\n");
    ck_assert_refused(505, "GET / HTTP/0.9\r\n" HOST "\r\n");
    ck_assert_refused(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/10.0\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / http/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / HTTP/11\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / HTTP/1.x\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / HTTP/1.11\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET / SHTTP/1.1\r\n" HOST "\r\n");
    ck_assert_request("GET / HTTP/1.7\r\n" HOST "\r\n");
    ck_assert_uint_eq(head.minor, 7);
    ck_assert(head.keep_alive);
}
END_TEST

START_TEST(one_empty_line_before_a_request_is_ignored_and_a_second_refused)
{
    ck_assert_request("\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_uint_eq(head.size, sizeof("\r\nGET / HTTP/1.1\r\n" HOST "\r\n") - 1);
    ck_assert_refused(400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "\nGET / HTTP/1.1\r\n" HOST "\r\n");
}
END_TEST

START_TEST(targets_are_paths_or_an_asterisk_for_options)
{
    ck_assert_refused(400, "GET a HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET a:80 HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET * HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "OPTIONS *a HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /a#b HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_refused(400, "GET /\x7f HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_request("OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_slice(head.path_query, "*");
    ck_assert_request("GET //a/..;/\\\"{}^`| HTTP/1.1\r\n" HOST "\r\n");
    ck_assert_slice(head.path_query, "//a/..;/\\\"{}^`|");
}
END_TEST

START_TEST(an_absolute_target_gives_its_path_when_its_authority_is_hosts)
{
    ck_assert_request("GET http://ex.test/a?b HTTP/1.1\r\nHost: EX.test\r\n\r\n");
    ck_assert_slice(head.path_query, "/a?b");
    ck_assert_slice(head.host, "EX.test");
    ck_assert_request("GET HTTP://ex.test HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_slice(head.path_query, "/");
    ck_assert_request("OPTIONS http://ex.test HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_slice(head.path_query, "*");
    ck_assert_request("GET http://ex.test:80/ HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_request("GET https://ex.test/ HTTP/1.1\r\nHost: ex.test:443\r\n\r\n");
    ck_assert_request("GET http://[::1]:8080/ HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
}
END_TEST

START_TEST(an_absolute_target_that_disagrees_or_is_malformed_is_refused)
{
    ck_assert_refused(400, "GET http://ex.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    ck_assert_refused(400, "GET http://ex.test:8080/ HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http://ex.test/ HTTP/1.1\r\nHost:\r\n\r\n");
    ck_assert_refused(400, "GET http://ex.test/ HTTP/1.1\r\n\r\n");
    ck_assert_refused(400, "GET http:///a HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http:/a HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http:// HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http://u@ex.test/ HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http://ex.test\\a HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET ftp://ex.test/ HTTP/1.1\r\nHost: ex.test\r\n\r\n");
    ck_assert_refused(400, "GET http://ex.test?a HTTP/1.1\r\nHost: ex.test\r\n\r\n");
}
END_TEST

START_TEST(http_1_1_needs_one_valid_host_which_may_be_empty)
{
    ck_assert_refused(400, "GET / HTTP/1.1\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/1.1\r\nHost: a\r\nhOST: a\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n");
    ck_assert_refused(400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n");
    ck_assert_request("GET / HTTP/1.1\r\nHost:\r\n\r\n");
    ck_assert(head.has_host);
    ck_assert_slice(head.host, "");
}
END_TEST

START_TEST(http_1_0_needs_no_host_and_takes_an_absolute_targets)
{
    ck_assert_request("GET / HTTP/1.0\r\n\r\n");
    ck_assert(!head.has_host);
    ck_assert_slice(head.host, "");
    ck_assert(!head.keep_alive);
    ck_assert_request("GET http://ex.test/ HTTP/1.0\r\n\r\n");
    ck_assert(head.has_host);
    ck_assert_slice(head.host, "ex.test");
}
END_TEST

START_TEST(a_body_is_waited_for_only_when_1_1_announces_one)
{
    ck_assert_request("POST / HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n");
    ck_assert(head.expects_continue);
    ck_assert_request("POST / HTTP/1.1\r\n" HOST
                      "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    ck_assert(head.expects_continue);
    ck_assert_request("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n");
    ck_assert(!head.expects_continue);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n");
    ck_assert(!head.expects_continue);
    ck_assert_request("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    ck_assert(!head.expects_continue);
}
END_TEST

START_TEST(any_other_expectation_is_417)
{
    ck_assert_refused(417, "POST / HTTP/1.1\r\n" HOST "Expect: x\r\nContent-Length: 5\r\n\r\n");
    ck_assert_refused(417, "POST / HTTP/1.1\r\n" HOST "Expect: y 100-continue\r\n\r\n");
    ck_assert_refused(417, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: x\r\n\r\n");
    ck_assert_refused(417, "POST / HTTP/1.1\r\n" HOST "Expect:\r\n\r\n");
}
END_TEST

START_TEST(an_upgrade_to_websocket_needs_both_fields_and_http_1_1)
{
    ck_assert_request("GET / HTTP/1.1\r\n" HOST
                      "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n");
    ck_assert(head.upgrades_to_websocket);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: foo/1, websocket\r\n\r\n");
    ck_assert(head.upgrades_to_websocket);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "Upgrade: websocket\r\n\r\n");
    ck_assert(!head.upgrades_to_websocket);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n\r\n");
    ck_assert(!head.upgrades_to_websocket);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    ck_assert(!head.upgrades_to_websocket);
    ck_assert_request("GET / HTTP/1.0\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    ck_assert(!head.upgrades_to_websocket);
}
END_TEST

START_TEST(te_tells_whether_trailers_are_welcome)
{
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "TE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n\r\n");
    ck_assert(head.has_trailer_te);
    ck_assert_request("GET / HTTP/1.1\r\n" HOST "TE: gzip\r\n\r\n");
    ck_assert(!head.has_trailer_te);
}
END_TEST

UNIT_MAIN("http/h1_request", the_request_line_has_method_target_and_version,
          methods_are_told_by_their_exact_spelling_and_any_token_is_one, connect_and_trace_are_405,
          one_space_separates_the_three_words, versions_other_than_1_x_are_505_and_malformed_ones_400,
          one_empty_line_before_a_request_is_ignored_and_a_second_refused,
          targets_are_paths_or_an_asterisk_for_options,
          an_absolute_target_gives_its_path_when_its_authority_is_hosts,
          an_absolute_target_that_disagrees_or_is_malformed_is_refused,
          http_1_1_needs_one_valid_host_which_may_be_empty,
          http_1_0_needs_no_host_and_takes_an_absolute_targets,
          a_body_is_waited_for_only_when_1_1_announces_one, any_other_expectation_is_417,
          an_upgrade_to_websocket_needs_both_fields_and_http_1_1, te_tells_whether_trailers_are_welcome)
