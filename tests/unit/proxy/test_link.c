/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy/fixture.h"

static struct stage stage;

START_TEST(a_link_carries_one_request_after_the_other)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    serve_one(&stage, asker, link);
    serve_one(&stage, asker, link);
    ck_assert(!has_link(&stage, 0, 0));
    close(asker);
    stage_close(&stage);
}
END_TEST

START_TEST(a_place_is_held_while_a_request_is_under_way)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    ck_assert_uint_eq(stage_requests(&stage), 1);
    say(link, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
    hear_head(asker);
    ck_assert_uint_eq(stage_requests(&stage), 1);
    say(link, "lf");
    hear(asker, "half");
    until(stage_requests(&stage) == 0);
    stage_close(&stage);
}
END_TEST

START_TEST(a_get_whose_link_was_stale_is_tried_again)
{
    stage_open(&stage, 1, "", "max_fails: 1");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    say(asker, "GET /again HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_has(hear_head(link), "GET /again ");
    close(link);
    link = link_to(&stage, 0);
    ck_assert_has(hear_head(link), "GET /again ");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    ck_assert(!backend_is_ejected(stage.backends[0])); /* it is no failure */
    ck_assert_uint_eq(stage.slots->slot[stage.backends[0]->slot].fails, 0);
    stage_close(&stage);
}
END_TEST

START_TEST(a_post_whose_link_was_stale_is_not_sent_twice)
{
    stage_open(&stage, 2, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    say(asker, "POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    if (has_link(&stage, 1, 200)) { /* the other server had its turn, on a fresh link: the same holds */
        close(link);
        link = link_to(&stage, 1);
    }
    ck_assert_has(hear_head(link), "POST /once ");
    hear(link, "x");
    close(link);
    ck_assert_status(hear_head(asker), 502);
    ck_assert(!has_link(&stage, 0, 50) && !has_link(&stage, 1, 50));
    stage_close(&stage);
}
END_TEST

START_TEST(a_post_travels_on_a_fresh_link_when_the_last_use_is_long_ago)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    pause_ms(250);
    say(asker, "POST /fresh HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    int fresh = link_to(&stage, 0);
    ck_assert_has(hear_head(fresh), "POST /fresh ");
    say(fresh, OK);
    ck_assert_status(hear_head(asker), 200);
    close(link);
    stage_close(&stage);
}
END_TEST

START_TEST(a_get_on_a_fresh_link_that_is_closed_goes_to_another_server_once)
{
    stage_open(&stage, 2, "", "");
    int asker = client(&stage);
    say(asker, "GET /once HTTP/1.1\r\nHost: a\r\n\r\n");
    until(has_link(&stage, 0, 0) || has_link(&stage, 1, 0));
    unsigned first = has_link(&stage, 0, 0) ? 0 : 1;
    int link = link_to(&stage, first);
    hear_head(link);
    close(link);
    int second = link_to(&stage, 1 - first);
    ck_assert_has(hear_head(second), "GET /once ");
    close(second);
    ck_assert_status(hear_head(asker), 502);
    ck_assert(!has_link(&stage, first, 50) && !has_link(&stage, 1 - first, 0));
    stage_close(&stage);
}
END_TEST

START_TEST(a_head_that_breaks_off_is_502_and_asked_for_once)
{
    stage_open(&stage, 2, "", "");
    int asker = client(&stage);
    say(asker, "GET /once HTTP/1.1\r\nHost: a\r\n\r\n");
    until(has_link(&stage, 0, 0) || has_link(&stage, 1, 0));
    int link = link_to(&stage, has_link(&stage, 0, 0) ? 0 : 1);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\nConte");
    close(link);
    ck_assert_status(hear_head(asker), 502);
    ck_assert(!has_link(&stage, 0, 50) && !has_link(&stage, 1, 50));
    stage_close(&stage);
}
END_TEST

START_TEST(what_follows_a_response_reaches_nobody)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, OK "HTTP/1.1 200 OK\r\nX-Poison: yes\r\nContent-Length: 0\r\n\r\n");
    ck_assert_status(hear_head(asker), 200);
    hear(asker, "ok");
    serve_one(&stage, asker, -1); /* on another link */
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

/* The read that brings the end of the response is full to its last byte: what lies behind makes no event. */
START_TEST(what_follows_a_response_at_the_edge_of_a_read_reaches_nobody)
{
    static const char start[] = "HTTP/1.1 200 OK\r\nContent-Length: 16342\r\n\r\n";
    static char bytes[32768];
    size_t edge = 16384;

    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET /one HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    memset(bytes, 'x', sizeof bytes);
    memcpy(bytes, start, sizeof start - 1);
    ck_assert_uint_eq(sizeof start - 1 + 16342, edge);
    memcpy(bytes + edge, OK, sizeof OK - 1);
    say_bytes(link, bytes, edge + sizeof OK - 1);
    ck_assert_status(hear_head(asker), 200);
    for (size_t left = 16342; left > 0;) {
        ssize_t got = recv(asker, bytes, left, 0);
        ck_assert_int_gt(got, 0);
        left -= (size_t)got;
    }
    serve_one(&stage, asker, -1); /* on another link */
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

START_TEST(a_byte_on_an_idle_link_ends_it)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    say(link, "H");
    ck_assert(is_readable_within(link, 1000)); /* its end: long before its time */
    serve_one(&stage, asker, -1);              /* on another link */
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

START_TEST(a_cancelled_request_keeps_its_place_until_the_server_answers)
{
    stage_open(&stage, 1, "", "concurrency: 1");
    int leaver = client(&stage), asker = client(&stage);
    say(leaver, "GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    net_reset(&leaver);
    say(asker, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(!has_link(&stage, 0, 100));
    ck_assert_uint_eq(stage_requests(&stage), 1);
    say(link, OK);
    ck_assert(is_ended(link)); /* never used again */
    link = link_to(&stage, 0);
    ck_assert_has(hear_head(link), "GET /next ");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_cancelled_request_keeps_its_place_no_longer_than_the_response_timeout)
{
    stage_open(&stage, 1, "timeouts: {response: 300ms}", "concurrency: 1");
    int leaver = client(&stage), asker = client(&stage);
    say(leaver, "GET /left HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    net_reset(&leaver);
    say(asker, "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    int next = link_to(&stage, 0);
    ck_assert_has(hear_head(next), "GET /next ");
    ck_assert(is_ended(link));
    say(next, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_refused_connection_is_tried_elsewhere_whatever_the_method)
{
    stage_open(&stage, 2, "", "max_fails: 0");
    net_close(&stage.servers[0]);
    for (int i = 0; i < 4; i++) {
        int asker = client(&stage);
        say(asker, "POST /any HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        int link = link_to(&stage, 1);
        ck_assert_has(hear_head(link), "POST /any ");
        say(link, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        ck_assert_status(hear_head(asker), 200);
        close(asker);
        close(link);
    }
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/link", a_link_carries_one_request_after_the_other,
          a_place_is_held_while_a_request_is_under_way, a_get_whose_link_was_stale_is_tried_again,
          a_post_whose_link_was_stale_is_not_sent_twice,
          a_post_travels_on_a_fresh_link_when_the_last_use_is_long_ago,
          a_get_on_a_fresh_link_that_is_closed_goes_to_another_server_once,
          a_head_that_breaks_off_is_502_and_asked_for_once, what_follows_a_response_reaches_nobody,
          what_follows_a_response_at_the_edge_of_a_read_reaches_nobody, a_byte_on_an_idle_link_ends_it,
          a_cancelled_request_keeps_its_place_until_the_server_answers,
          a_cancelled_request_keeps_its_place_no_longer_than_the_response_timeout,
          a_refused_connection_is_tried_elsewhere_whatever_the_method)
