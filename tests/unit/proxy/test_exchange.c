/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy/fixture.h"

static struct stage stage;

/* --- the queue --- */

START_TEST(who_waits_is_served_in_order)
{
    stage_open(&stage, 1, "", "concurrency: 1");
    int first = client(&stage), second = client(&stage), third = client(&stage);
    say(first, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(second, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(pool_queued(stage.pool) == 1);
    say(third, "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(pool_queued(stage.pool) == 2);
    ck_assert_uint_eq(stage_requests(&stage), 1);
    for (unsigned i = 2; i <= 3; i++) {
        say(link, OK);
        char line[16];
        str_format(line, sizeof line, "GET /%u ", i);
        ck_assert_has(hear_head(link), line);
    }
    say(link, OK);
    ck_assert_status(hear_head(first), 200);
    ck_assert_status(hear_head(second), 200);
    ck_assert_status(hear_head(third), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_full_queue_is_503_at_once_with_a_word_when_to_come_again)
{
    stage_open(&stage, 1, "", "concurrency: 1, queue: {length: 1}");
    int first = client(&stage), second = client(&stage), third = client(&stage);
    say(first, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    say(second, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    until(pool_queued(stage.pool) == 1);
    say(third, "GET /3 HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    const char *head = hear_head(third);
    ck_assert_status(head, 503);
    ck_assert_has(head, "Retry-After: 1\r\n");
    ck_assert_has(head, "Content-Type: text/html");
    ck_assert_hasnt(head, HEADER_CLOSE);
    close(link);
    stage_close(&stage);
}
END_TEST

START_TEST(who_waits_too_long_is_told_503)
{
    stage_open(&stage, 1, "", "concurrency: 1, queue: {timeout: 100ms}");
    int first = client(&stage), second = client(&stage);
    say(first, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    hear_head(link_to(&stage, 0));
    say(second, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_status(hear_head(second), 503);
    hear(second, "{\"status\":503,\"error\":\"queue_timeout\"}\n");
    stage_close(&stage);
}
END_TEST

START_TEST(who_leaves_the_queue_is_forgotten)
{
    stage_open(&stage, 1, "", "concurrency: 1");
    int first = client(&stage), leaver = client(&stage), last = client(&stage);
    say(first, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(leaver, "GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    until(pool_queued(stage.pool) == 1);
    say(last, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n");
    until(pool_queued(stage.pool) == 2);
    close(leaver);
    until(pool_queued(stage.pool) == 1);
    say(link, OK);
    ck_assert_has(hear_head(link), "GET /last ");
    stage_close(&stage);
}
END_TEST

/* --- requests --- */

START_TEST(an_upload_is_collected_before_it_takes_a_place)
{
    stage_open(&stage, 1, "", "concurrency: 1");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    ck_assert_status(hear_head(asker), 100);
    say(asker, "5\r\nhello\r\n");
    ck_assert(!has_link(&stage, 0, 50));
    ck_assert_uint_eq(stage_requests(&stage), 0);
    say(asker, "6\r\n world\r\n0\r\n\r\n");
    int link = link_to(&stage, 0);
    const char *head = hear_head(link);
    ck_assert_has(head, "Content-Length: 11\r\n");
    ck_assert_hasnt(head, "Expect");
    hear(link, "hello world");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_large_upload_is_collected_in_a_file_and_can_be_sent_twice)
{
    enum { SIZE = 1500000 };
    char *body = mem_alloc(SIZE + 1);

    for (unsigned i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 26);
    body[SIZE] = 0;
    stage_open(&stage, 2, "", "buffering: on");
    int asker = client(&stage);
    say(asker, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1500000\r\n\r\n");
    say(asker, body);
    until(has_link(&stage, 0, 0) || has_link(&stage, 1, 0));
    unsigned first = has_link(&stage, 0, 0) ? 0 : 1;
    int link = link_to(&stage, first);
    hear_head(link);
    close(link);
    link = link_to(&stage, 1 - first);
    hear_head(link);
    hear(link, body);
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    mem_free(body);
    stage_close(&stage);
}
END_TEST

START_TEST(an_upload_that_is_not_collected_comes_as_it_is_sent)
{
    stage_open(&stage, 1, "", "buffering: off");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n");
    int link = link_to(&stage, 0);
    ck_assert_has(hear_head(link), "Transfer-Encoding: chunked\r\n");
    hear(link, "2\r\nab\r\n");
    say(asker, "1\r\nc\r\n0\r\nX-Sum: 3\r\n\r\n");
    hear(link, "1\r\nc\r\n0\r\nX-Sum: 3\r\n\r\n");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_body_over_the_limit_is_413_and_no_worker_sees_it)
{
    stage_open(&stage, 1, "limits: {body: 10}", "buffering: on");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    const char *head = hear_head(asker);
    ck_assert_status(head, 413);
    ck_assert_has(head, HEADER_CLOSE);
    asker = client(&stage);
    say(asker,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n");
    ck_assert_status(hear_head(asker), 413);
    ck_assert(!has_link(&stage, 0, 50));
    stage_close(&stage);
}
END_TEST

START_TEST(a_length_of_nothing_keeps_the_connection)
{
    stage_open(&stage, 1, "", "buffering: on");
    int asker = client(&stage);
    for (unsigned i = 0, link = 0; i < 2; i++) {
        say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        link = i ? link : (unsigned)link_to(&stage, 0);
        ck_assert_has(hear_head((int)link), "Content-Length: 0\r\n");
        say((int)link, OK);
        ck_assert_hasnt(hear_head(asker), HEADER_CLOSE);
        hear(asker, "ok");
        until(stage_requests(&stage) == 0);
    }
    stage_close(&stage);
}
END_TEST

/* --- responses --- */

START_TEST(interim_responses_are_passed_on_but_not_to_a_client_of_1_0)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    ck_assert_has(hear_head(asker), "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    hear(asker, "ok");
    until(stage_requests(&stage) == 0);
    int old = client(&stage);
    say(old, "GET / HTTP/1.0\r\n\r\n");
    hear_head(link);
    say(link, "HTTP/1.1 103 Early Hints\r\n\r\n" OK);
    const char *head = hear_head(old);
    ck_assert_status(head, 200);
    ck_assert_has(head, HEADER_CLOSE);
    hear(old, "ok");
    ck_assert(is_ended(old));
    stage_close(&stage);
}
END_TEST

START_TEST(an_interim_response_is_a_byte_after_which_nobody_else_is_asked)
{
    stage_open(&stage, 2, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    until(has_link(&stage, 0, 0) || has_link(&stage, 1, 0));
    int link = link_to(&stage, has_link(&stage, 0, 0) ? 0 : 1);
    hear_head(link);
    say(link, "HTTP/1.1 103 Early Hints\r\n\r\n");
    ck_assert_status(hear_head(asker), 103);
    close(link);
    ck_assert_status(hear_head(asker), 502);
    ck_assert(!has_link(&stage, 0, 50) && !has_link(&stage, 1, 0));
    stage_close(&stage);
}
END_TEST

START_TEST(a_protocol_that_nobody_asked_for_is_502)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfree bytes");
    ck_assert_status(hear_head(asker), 502);
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

START_TEST(a_response_to_its_end_of_stream_is_chunked_for_1_1)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\n\r\nabc");
    ck_assert_has(hear_head(asker), "Transfer-Encoding: chunked\r\n");
    hear(asker, "3\r\nabc\r\n"); /* never held back */
    close(link);
    hear(asker, "0\r\n\r\n");
    stage_close(&stage);
}
END_TEST

START_TEST(a_response_that_breaks_off_is_seen_to_break_off)
{
    stage_open(&stage, 1, "access_log: stdout", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    hear_head(asker);
    close(link);
    hear(asker, "3\r\nabc\r\n");
    ck_assert(is_ended(asker));
    until(has(stage_log(&stage), "\n"));
    ck_assert_has(stage_log(&stage), "\" 200 3 ");
    ck_assert_has(stage_log(&stage), " broken ");
    stage_close(&stage);
}
END_TEST

START_TEST(an_answer_before_the_request_is_whole_is_passed_on_at_once)
{
    stage_open(&stage, 1, "", "buffering: off");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
    const char *head = hear_head(asker);
    ck_assert_status(head, 413);
    ck_assert_has(head, HEADER_CLOSE);
    hear(asker, "no");
    ck_assert(is_ended(asker));
    hear(link, "abc");
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

/* The server is read as fast as it writes, whatever the client does: its place is free again. */
START_TEST(a_slow_client_of_a_buffered_pool_holds_no_place)
{
    enum { SIZE = 24 * 1024 * 1024 };
    char *piece = mem_alloc(SIZE + 1);

    memset(piece, 'p', SIZE);
    piece[SIZE] = 0;
    stage_open(&stage, 1, "", "buffering: on");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\nContent-Length: 25165824\r\n\r\n");
    say(link, piece);
    until(stage_requests(&stage) == 0);
    ck_assert_status(hear_head(asker), 200);
    hear(asker, piece);
    mem_free(piece);
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/exchange", who_waits_is_served_in_order,
          a_full_queue_is_503_at_once_with_a_word_when_to_come_again, who_waits_too_long_is_told_503,
          who_leaves_the_queue_is_forgotten, an_upload_is_collected_before_it_takes_a_place,
          a_large_upload_is_collected_in_a_file_and_can_be_sent_twice,
          an_upload_that_is_not_collected_comes_as_it_is_sent,
          a_body_over_the_limit_is_413_and_no_worker_sees_it, a_length_of_nothing_keeps_the_connection,
          interim_responses_are_passed_on_but_not_to_a_client_of_1_0,
          an_interim_response_is_a_byte_after_which_nobody_else_is_asked,
          a_protocol_that_nobody_asked_for_is_502, a_response_to_its_end_of_stream_is_chunked_for_1_1,
          a_response_that_breaks_off_is_seen_to_break_off,
          an_answer_before_the_request_is_whole_is_passed_on_at_once,
          a_slow_client_of_a_buffered_pool_holds_no_place)
