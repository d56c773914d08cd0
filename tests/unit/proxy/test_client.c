/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy/fixture.h"

static struct stage stage;

START_TEST(pipelined_requests_are_answered_in_their_order)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
               "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    for (unsigned i = 1; i <= 3; i++) {
        char answer[64], line[16];
        str_format(line, sizeof line, " /%u ", i);
        ck_assert_has(hear_head(link), line);
        if (i == 2)
            hear(link, "x");
        str_format(answer, sizeof answer, "HTTP/1.1 200 OK\r\nX-Number: %u\r\nContent-Length: 0\r\n\r\n", i);
        say(link, answer);
        str_format(line, sizeof line, "X-Number: %u\r\n", i);
        ck_assert_has(hear_head(asker), line);
    }
    stage_close(&stage);
}
END_TEST

START_TEST(a_head_may_come_byte_by_byte)
{
    static const char text[] = "\r\nGET /slow HTTP/1.1\r\nHost: a\r\n\r\n";

    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    for (unsigned i = 0; i < sizeof text - 1; i++) {
        say_bytes(asker, text + i, 1);
        pause_ms(1);
    }
    ck_assert_has(hear_head(link_to(&stage, 0)), "GET /slow HTTP/1.1\r\n");
    stage_close(&stage);
}
END_TEST

START_TEST(a_head_that_is_refused_can_be_read_about_before_the_connection_closes)
{
    char *rest = mem_alloc(300001);

    memset(rest, 'x', 300000);
    rest[300000] = 0;
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
    say(asker, rest); /* thrown away: else a reset would take the answer with it */
    const char *head = hear_head(asker);
    ck_assert_status(head, 400);
    ck_assert_has(head, HEADER_CLOSE);
    ck_assert_uint_gt(hear_to_the_end(asker), 0);
    ck_assert(!has_link(&stage, 0, 0));
    mem_free(rest);
    stage_close(&stage);
}
END_TEST

START_TEST(a_client_of_1_0_keeps_its_connection_when_it_asks)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    int link = link_to(&stage, 0);
    ck_assert_has(hear_head(link), "GET / HTTP/1.1\r\n");
    say(link, OK);
    ck_assert_has(hear_head(asker), "Connection: keep-alive\r\n");
    hear(asker, "ok");
    until(stage_requests(&stage) == 0);
    say(asker, "GET / HTTP/1.0\r\n\r\n");
    hear_head(link);
    say(link, OK);
    ck_assert_has(hear_head(asker), HEADER_CLOSE);
    hear(asker, "ok");
    ck_assert(is_ended(asker));
    stage_close(&stage);
}
END_TEST

START_TEST(a_half_closed_client_gets_its_answer)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    shutdown(asker, SHUT_WR);
    int link = link_to(&stage, 0);
    hear_head(link);
    pause_ms(50);
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    hear(asker, "ok");
    ck_assert(is_ended(asker));
    ck_assert(is_ended(link)); /* not used again */
    stage_close(&stage);
}
END_TEST

START_TEST(a_half_closed_client_of_a_silent_stream_is_not_served_for_ever)
{
    stage_open(&stage, 1, "timeouts: {stall: 200ms}", "");
    int asker = client(&stage), listener = client(&stage);
    const char *stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    say(listener, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int silent = link_to(&stage, 0);
    hear_head(silent);
    say(silent, stream);
    hear_head(listener);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, stream);
    hear_head(asker);
    shutdown(asker, SHUT_WR);
    ck_assert(is_ended(link));
    ck_assert_uint_eq(stage_requests(&stage), 1); /* who still listens may wait in silence */
    stage_close(&stage);
}
END_TEST

START_TEST(a_body_that_breaks_off_never_becomes_a_request)
{
    stage_open(&stage, 1, "", "buffering: on");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    shutdown(asker, SHUT_WR);
    ck_assert(is_ended(asker));
    ck_assert(!has_link(&stage, 0, 50));
    stage_close(&stage);
}
END_TEST

START_TEST(bad_chunks_are_400_and_close)
{
    stage_open(&stage, 1, "", "buffering: on");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n");
    const char *head = hear_head(asker);
    ck_assert_status(head, 400);
    ck_assert_has(head, HEADER_CLOSE);
    ck_assert(!has_link(&stage, 0, 50));
    stage_close(&stage);
}
END_TEST

START_TEST(options_with_no_forwards_left_is_answered_here)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    const char *head = hear_head(asker);
    ck_assert_status(head, 200);
    ck_assert_has(head, "Allow: GET, ");
    ck_assert(!has_link(&stage, 0, 50));
    stage_close(&stage);
}
END_TEST

/* --- time --- */

START_TEST(a_head_that_does_not_come_in_time_is_408)
{
    stage_open(&stage, 1, "timeouts: {header: 200ms}", "");
    int slow = client(&stage), silent = client(&stage);
    say(slow, "GET / HT");
    const char *head = hear_head(slow);
    ck_assert_status(head, 408);
    ck_assert_has(head, HEADER_CLOSE);
    ck_assert(is_ended(silent)); /* who says nothing is told nothing */
    stage_close(&stage);
}
END_TEST

START_TEST(the_time_for_a_head_is_not_lengthened_by_bytes)
{
    stage_open(&stage, 1, "timeouts: {header: 300ms}", "");
    int asker = client(&stage);
    uint64_t since_us = clock_precise_us();
    say(asker, "GET /");
    for (unsigned i = 0; i < 100 && !is_readable_within(asker, 20); i++)
        say(asker, "x");
    ck_assert_status(hear_head(asker), 408);
    ck_assert_uint_lt(clock_precise_us() - since_us, 2000000);
    stage_close(&stage);
}
END_TEST

START_TEST(an_idle_connection_is_closed_in_its_time)
{
    stage_open(&stage, 1, "timeouts: {keep_alive: 200ms}", "");
    int asker = client(&stage);
    serve_one(&stage, asker, -1);
    ck_assert(is_ended(asker));
    stage_close(&stage);
}
END_TEST

START_TEST(a_body_that_stops_coming_is_408)
{
    stage_open(&stage, 1, "timeouts: {body: 200ms}", "buffering: on");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n");
    for (unsigned i = 0; i < 8; i++) { /* progress is what counts */
        pause_ms(50);
        say(asker, "x");
    }
    ck_assert(!is_readable_within(asker, 0));
    ck_assert_status(hear_head(asker), 408);
    stage_close(&stage);
}
END_TEST

START_TEST(a_server_that_does_not_answer_in_time_is_504)
{
    stage_open(&stage, 1, "timeouts: {response: 200ms}", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    ck_assert_status(hear_head(asker), 504);
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

START_TEST(a_response_that_stalls_is_cut)
{
    stage_open(&stage, 1, "timeouts: {stall: 200ms}", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    hear_head(asker);
    hear(asker, "abc");
    ck_assert(is_ended(asker));
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

START_TEST(a_client_that_pauses_in_its_body_is_not_the_servers_fault)
{
    stage_open(&stage, 1, "timeouts: {body: 5s, response: 200ms}", "buffering: off");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    int link = link_to(&stage, 0);
    hear_head(link);
    hear(link, "a");
    ck_assert(!is_readable_within(asker, 600));
    say(asker, "b");
    hear(link, "b");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

#define LARGE (16 * 1024 * 1024) /* more than the kernel's buffers take */

static void *say_large(void *argument)
{
    char *large = mem_alloc(LARGE);

    memset(large, 'l', LARGE);
    say_bytes(*(int *)argument, large, LARGE);
    mem_free(large);
    return NULL;
}

static void hear_large(int fd)
{
    static char bytes[65536];

    for (size_t left = LARGE; left > 0;) {
        ssize_t got = recv(fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
        ck_assert_msg(got > 0, "%zu bytes are missing", left);
        left -= (size_t)got;
    }
}

START_TEST(a_server_that_is_slow_to_take_a_body_is_not_the_clients_fault)
{
    pthread_t sender;

    stage_open(&stage, 1, "timeouts: {body: 200ms, response: 10s}\nlimits: {body: 32m}", "buffering: off");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n");
    pthread_create(&sender, NULL, say_large, &asker);
    int link = link_to(&stage, 0);
    hear_head(link);
    ck_assert(!is_readable_within(asker, 700));
    hear_large(link);
    pthread_join(sender, NULL);
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_server_that_takes_a_body_little_by_little_is_not_cut)
{
    static char bytes[20000];
    pthread_t sender;
    size_t taken = 0;

    stage_open(&stage, 1, "timeouts: {send: 300ms, response: 10s}\nlimits: {body: 32m}", "buffering: off");
    int asker = client(&stage);
    say(asker, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 16777216\r\n\r\n");
    pthread_create(&sender, NULL, say_large, &asker);
    int link = link_to(&stage, 0);
    hear_head(link);
    for (unsigned i = 0; i < 75; i++) {
        ssize_t got = recv(link, bytes, sizeof bytes, 0);
        ck_assert_msg(got > 0, "cut after %zu bytes", taken);
        taken += (size_t)got;
        pause_ms(20);
    }
    ck_assert(!is_readable_within(asker, 0));
    while (taken < LARGE) {
        ssize_t got = recv(link, bytes, sizeof bytes, 0);
        ck_assert_msg(got > 0, "cut after %zu bytes", taken);
        taken += (size_t)got;
    }
    pthread_join(sender, NULL);
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

START_TEST(a_client_that_is_slow_to_take_a_response_is_not_the_servers_fault)
{
    pthread_t sender;

    stage_open(&stage, 1, "timeouts: {stall: 200ms, send: 10s}", "buffering: off");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
    pthread_create(&sender, NULL, say_large, &link);
    pause_ms(700);
    ck_assert_status(hear_head(asker), 200);
    hear_large(asker);
    pthread_join(sender, NULL);
    stage_close(&stage);
}
END_TEST

static void *send_until_cut(void *argument)
{
    static char bytes[65536];

    while (send(*(int *)argument, bytes, sizeof bytes, MSG_NOSIGNAL) > 0)
        continue;
    return NULL;
}

START_TEST(a_client_that_takes_nothing_is_cut)
{
    pthread_t sender;

    stage_open(&stage, 1, "timeouts: {send: 400ms}\naccess_log: stdout", "buffering: off");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\n\r\n");
    pthread_create(&sender, NULL, send_until_cut, &link);
    until(has(stage_log(&stage), " slow_client "));
    pthread_join(sender, NULL);
    stage_close(&stage);
}
END_TEST

/* The kernel holds megabytes for it, and says that there is room again only when much of that is gone. */
START_TEST(a_client_that_takes_little_is_not_cut)
{
    static char bytes[20000];
    pthread_t sender;

    stage_open(&stage, 1, "timeouts: {send: 400ms}\naccess_log: stdout", "buffering: off");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    say(link, "HTTP/1.1 200 OK\r\n\r\n");
    pthread_create(&sender, NULL, send_until_cut, &link);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_int_gt(recv(asker, bytes, sizeof bytes, 0), 0);
        pause_ms(40);
    }
    ck_assert_hasnt(stage_log(&stage), " slow_client ");
    close(asker);
    pthread_join(sender, NULL);
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/client", pipelined_requests_are_answered_in_their_order, a_head_may_come_byte_by_byte,
          a_head_that_is_refused_can_be_read_about_before_the_connection_closes,
          a_client_of_1_0_keeps_its_connection_when_it_asks, a_half_closed_client_gets_its_answer,
          a_half_closed_client_of_a_silent_stream_is_not_served_for_ever,
          a_body_that_breaks_off_never_becomes_a_request, bad_chunks_are_400_and_close,
          options_with_no_forwards_left_is_answered_here, a_head_that_does_not_come_in_time_is_408,
          the_time_for_a_head_is_not_lengthened_by_bytes, an_idle_connection_is_closed_in_its_time,
          a_body_that_stops_coming_is_408, a_server_that_does_not_answer_in_time_is_504,
          a_response_that_stalls_is_cut, a_client_that_pauses_in_its_body_is_not_the_servers_fault,
          a_server_that_is_slow_to_take_a_body_is_not_the_clients_fault,
          a_server_that_takes_a_body_little_by_little_is_not_cut,
          a_client_that_is_slow_to_take_a_response_is_not_the_servers_fault,
          a_client_that_takes_nothing_is_cut, a_client_that_takes_little_is_not_cut)
