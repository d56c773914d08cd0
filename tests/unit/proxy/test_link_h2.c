/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy/h2_server.h"

static struct stage stage;
static struct h2_server server, other;

#define H2 "protocol: h2"

static int ask(const char *head)
{
    int asker = client(&stage);

    say(asker, head);
    return asker;
}

static int get(const char *path)
{
    char head[128];

    str_format(head, sizeof head, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    return ask(head);
}

static int post(const char *path)
{
    char head[128];

    str_format(head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", path);
    return ask(head);
}

/* One request that is answered; the server is met. */
static void begin(unsigned servers, const char *top, const char *pool, unsigned streams)
{
    stage_open(&stage, servers, top, pool);
    int asker = get("/first");
    server_meet(&server, &stage, 0, streams);
    server_answer(&server, server_await(&server, "/first"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    until(stage_requests(&stage) == 0);
}

static void finish(void)
{
    stage_close(&stage);
    server_leave(&server);
}

START_TEST(requests_of_many_clients_share_one_link)
{
    int askers[3];

    begin(1, "", H2, 100);
    askers[0] = get("/0");
    askers[1] = get("/1");
    askers[2] = get("/2");
    server_await(&server, "/0");
    server_await(&server, "/1");
    server_await(&server, "/2");
    ck_assert_uint_eq(stage_requests(&stage), 3);
    server_answer(&server, server_find(&server, "/2"), 202, "two");
    ck_assert_status(hear_head(askers[2]), 202);
    hear(askers[2], "3\r\ntwo\r\n0\r\n\r\n");
    server_answer(&server, server_find(&server, "/0"), 200, "nil");
    ck_assert_status(hear_head(askers[0]), 200);
    server_answer(&server, server_find(&server, "/1"), 201, "one");
    ck_assert_status(hear_head(askers[1]), 201);
    ck_assert(!has_link(&stage, 0, 0));
    finish();
}
END_TEST

START_TEST(requests_that_come_while_a_link_is_being_opened_share_it)
{
    int askers[8];
    char path[8];

    stage_open(&stage, 1, "", H2);
    for (unsigned i = 0; i < 8; i++) {
        str_format(path, sizeof path, "/%u", i);
        askers[i] = get(path);
    }
    until(stage_requests(&stage) == 8);
    server_meet(&server, &stage, 0, 100);
    for (unsigned i = 0; i < 8; i++) {
        str_format(path, sizeof path, "/%u", i);
        server_answer(&server, server_await(&server, path), 200, "ok");
        ck_assert_status(hear_head(askers[i]), 200);
    }
    ck_assert(!has_link(&stage, 0, 0));
    finish();
}
END_TEST

START_TEST(a_link_that_is_full_has_another_beside_it)
{
    begin(1, "", H2, 2);
    int one = get("/1"), two = get("/2"), three;
    server_await(&server, "/1");
    server_await(&server, "/2");
    three = get("/3");
    server_meet(&other, &stage, 0, 2);
    server_answer(&other, server_await(&other, "/3"), 200, "ok");
    ck_assert_status(hear_head(three), 200);
    server_answer(&server, server_find(&server, "/1"), 200, "ok");
    ck_assert_status(hear_head(one), 200);
    server_answer(&server, server_find(&server, "/2"), 200, "ok");
    ck_assert_status(hear_head(two), 200);
    server_leave(&other);
    finish();
}
END_TEST

/* Nobody knows before its settings come how many a server takes. */
START_TEST(those_whom_a_new_link_does_not_take_go_on_on_others)
{
    int askers[3];

    stage_open(&stage, 1, "", H2);
    askers[0] = post("/0");
    askers[1] = post("/1");
    askers[2] = post("/2");
    until(stage_requests(&stage) == 3);
    server_meet(&server, &stage, 0, 2);
    server_until(&server, server.count == 2);
    server_meet(&other, &stage, 0, 2);
    server_until(&other, other.count == 1);
    server_answer(&other, other.asked[0], 200, "ok");
    server_answer(&server, server.asked[0], 200, "ok");
    server_answer(&server, server.asked[1], 200, "ok");
    for (unsigned i = 0; i < 3; i++)
        ck_assert_status(hear_head(askers[i]), 200);
    ck_assert_uint_eq(stage.backends[0]->streams_limit, 2);
    server_leave(&other);
    finish();
}
END_TEST

START_TEST(heads_are_those_of_http1_in_another_dress)
{
    begin(1, "", H2, 100);
    int asker = ask(
        "POST /a?b HTTP/1.1\r\nHost: a.example:1\r\nX-Some: Thing\r\nConnection: TE, x-gone\r\nX-Gone: 1\r\n"
        "TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Last: word\r\n\r\n");
    struct asked *asked = server_await(&server, "/a?b");
    server_until(&server, asked->is_whole);
    ck_assert_uint_eq(asked->size, 2);
    ck_assert_has(asked->fields, "x-some: Thing\n");
    ck_assert_has(asked->fields, "te: trailers\n");
    ck_assert_has(asked->fields, "x-forwarded-host: a.example:1\n");
    ck_assert_has(asked->fields, "via: 1.1 drover\n");
    ck_assert_hasnt(asked->fields, "x-gone");
    ck_assert_hasnt(asked->fields, "transfer-encoding");
    ck_assert_hasnt(asked->fields, "connection");
    ck_assert_has(asked->trailers, "x-last: word");
    h2_interim(server.h2, &asked->stream, 103, &(struct h2_field){SLICE("link"), SLICE("</s>"), false}, 1);
    h2_respond(server.h2, &asked->stream, 200, &(struct h2_field){SLICE("x-back"), SLICE("yes"), false}, 1,
               false);
    h2_data(server.h2, &asked->stream, SLICE("abc"));
    h2_end(server.h2, &asked->stream, SLICE("grpc-status: 0\r\n"));
    server_say(&server);
    const char *head = hear_head(asker);
    ck_assert_status(head, 103);
    ck_assert_has(head, "link: </s>\r\n");
    head = hear_head(asker);
    ck_assert_status(head, 200);
    ck_assert_has(head, "x-back: yes\r\n");
    ck_assert_has(head, "Transfer-Encoding: chunked\r\n");
    hear(asker, "3\r\nabc\r\n0\r\ngrpc-status: 0\r\n\r\n");
    finish();
}
END_TEST

START_TEST(an_answer_that_ends_with_its_head_has_no_body_in_http1)
{
    begin(1, "", H2, 100);
    int asker = get("/empty");
    struct asked *asked = server_await(&server, "/empty");
    h2_respond(server.h2, &asked->stream, 200, NULL, 0, true);
    server_say(&server);
    ck_assert_has(hear_head(asker), "Content-Length: 0\r\n");
    say(asker, "HEAD /head HTTP/1.1\r\nHost: a\r\n\r\n");
    asked = server_await(&server, "/head");
    h2_respond(server.h2, &asked->stream, 200, NULL, 0, true);
    server_say(&server);
    ck_assert_hasnt(hear_head(asker), "Content-Length");
    say(asker, "GET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
    asked = server_await(&server, "/304");
    h2_respond(server.h2, &asked->stream, 304, NULL, 0, true);
    server_say(&server);
    ck_assert_hasnt(hear_head(asker), "Content-Length");
    finish();
}
END_TEST

START_TEST(what_a_goaway_leaves_is_asked_again_whatever_the_method)
{
    begin(1, "", H2, 100);
    int stays = post("/stays");
    struct asked *asked = server_await(&server, "/stays");
    int goes = post("/goes");
    server_await(&server, "/goes");
    server_goaway(&server, (uint32_t)asked->stream.id);
    server_meet(&other, &stage, 0, 100);
    server_answer(&other, server_await(&other, "/goes"), 200, "ok");
    ck_assert_status(hear_head(goes), 200);
    server_answer(&server, asked, 200, "ok");
    ck_assert_status(hear_head(stays), 200);
    server_until(&server, server.is_ended); /* with its last stream */
    ck_assert(!backend_is_ejected(stage.backends[0]));
    ck_assert_uint_eq(stage.slots->slot[stage.backends[0]->slot].fails, 0);
    server_leave(&other);
    finish();
}
END_TEST

START_TEST(a_stream_that_is_refused_goes_to_another_server)
{
    stage_open(&stage, 2, "", H2);
    int asker = post("/any");
    until(has_link(&stage, 0, 0) || has_link(&stage, 1, 0));
    unsigned first = has_link(&stage, 0, 0) ? 0 : 1;
    server_meet(&server, &stage, first, 100);
    h2_reset(server.h2, &server_await(&server, "/any")->stream, H2_REFUSED_STREAM);
    server_say(&server);
    server_meet(&other, &stage, 1 - first, 100);
    server_answer(&other, server_await(&other, "/any"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    server_leave(&other);
    finish();
}
END_TEST

START_TEST(a_link_that_breaks_fails_each_of_its_streams_by_its_own_rule)
{
    begin(1, "", "protocol: h2, max_fails: 2", 100);
    int begun = get("/begun"), unsafe = post("/unsafe"), safe = get("/safe");
    struct asked *asked = server_await(&server, "/begun");
    server_await(&server, "/unsafe");
    server_await(&server, "/safe");
    h2_respond(server.h2, &asked->stream, 200, NULL, 0, false);
    h2_data(server.h2, &asked->stream, SLICE("some"));
    server_say(&server);
    ck_assert_status(hear_head(begun), 200);
    hear(begun, "4\r\nsome\r\n");
    net_reset(&server.fd);
    ck_assert(is_ended(begun)); /* without its last chunk */
    ck_assert_status(hear_head(unsafe), 502);
    ck_assert_status(hear_head(safe), 502);            /* there is nobody else to ask */
    ck_assert(!backend_is_ejected(stage.backends[0])); /* one connection, one failure */
    ck_assert_uint_eq(stage.slots->slot[stage.backends[0]->slot].fails, 1);
    finish();
}
END_TEST

START_TEST(an_idle_link_that_was_closed_as_we_wrote_is_stale)
{
    begin(1, "", "protocol: h2, max_fails: 1", 100);
    int asker = get("/again");
    server_await(&server, "/again");
    net_close(&server.fd);
    server_meet(&other, &stage, 0, 100);
    server_answer(&other, server_await(&other, "/again"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    ck_assert_uint_eq(stage.slots->slot[stage.backends[0]->slot].fails, 0);
    server_leave(&other);
    finish();
}
END_TEST

START_TEST(a_post_travels_on_a_link_that_was_used_just_now_or_is_in_use)
{
    begin(1, "", H2, 100);
    int slow = get("/slow"), asker;
    server_await(&server, "/slow");
    pause_ms(250);
    asker = post("/busy");
    server_answer(&server, server_await(&server, "/busy"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    server_answer(&server, server_find(&server, "/slow"), 200, "ok");
    ck_assert_status(hear_head(slow), 200);
    until(stage_requests(&stage) == 0);
    pause_ms(250);
    asker = post("/late");
    server_meet(&other, &stage, 0, 100);
    server_answer(&other, server_await(&other, "/late"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    server_leave(&other);
    finish();
}
END_TEST

START_TEST(a_cancelled_request_keeps_its_place_until_the_server_answers)
{
    begin(1, "", "protocol: h2, concurrency: 1", 100);
    int leaver = get("/left"), asker;
    struct asked *asked = server_await(&server, "/left");
    net_reset(&leaver);
    asker = get("/next");
    (void)server_hear(&server, 100);
    ck_assert_ptr_null(server_find(&server, "/next"));
    ck_assert(!asked->is_over);
    h2_respond(server.h2, &asked->stream, 200, NULL, 0, false);
    server_say(&server);
    server_until(&server, asked->is_over);
    ck_assert_uint_eq(asked->code, H2_CANCEL);
    server_answer(&server, server_await(&server, "/next"), 200, "ok"); /* on the same link */
    ck_assert_status(hear_head(asker), 200);
    finish();
}
END_TEST

START_TEST(a_cancelled_call_of_grpc_is_reset_at_once)
{
    begin(1, "", "protocol: h2, concurrency: 1", 100);
    int leaver =
        ask("POST /call HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 1\r\n\r\nx");
    struct asked *asked = server_await(&server, "/call");
    server_until(&server, asked->is_whole);
    net_reset(&leaver);
    server_until(&server, asked->is_over);
    ck_assert_uint_eq(asked->code, H2_CANCEL);
    until(stage_requests(&stage) == 0);
    finish();
}
END_TEST

START_TEST(a_client_that_does_not_read_bounds_what_its_stream_takes_and_no_other)
{
    static char much[24 * 1024 * 1024]; /* more than kernels hold */

    begin(1, "", H2, 100);
    int asker = get("/much"), quick;
    struct asked *asked = server_await(&server, "/much");
    memset(much, 'x', sizeof much);
    h2_respond(server.h2, &asked->stream, 200, NULL, 0, false);
    h2_data(server.h2, &asked->stream, (struct slice){much, sizeof much});
    h2_end(server.h2, &asked->stream, SLICE(""));
    server_say(&server);
    for (int quiet = 0; quiet < 3; quiet = server_hear(&server, 50) ? 0 : quiet + 1)
        ;
    ck_assert_uint_gt(h2_stream_unsent(&asked->stream), 0); /* kernel buffers aside, it holds still */
    quick = get("/quick");
    server_answer(&server, server_await(&server, "/quick"), 200, "ok");
    ck_assert_status(hear_head(quick), 200);
    ck_assert_status(hear_head(asker), 200);
    for (size_t got = 0; got < sizeof much;) { /* the rest comes as the client reads */
        ssize_t more = recv(asker, much, sizeof much, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
        if (more <= 0)
            (void)server_hear(&server, 5);
    }
    finish();
}
END_TEST

START_TEST(an_upload_waits_for_the_servers_windows)
{
    static char much[512 * 1024];

    begin(1, "", H2, 100);
    int asker = ask("PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 524288\r\n\r\n");
    server.takes_nothing = true;
    struct asked *asked = server_await(&server, "/up");
    for (size_t done = 0; done < sizeof much;) {
        ssize_t more = send(asker, much + done, sizeof much - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        done += more > 0 ? (size_t)more : 0;
        if (more <= 0 && !server_hear(&server, 50) && server.takes_nothing) {
            ck_assert_uint_eq(asked->size, 65535);
            server.takes_nothing = false;
            h2_took(server.h2, &asked->stream, asked->size);
            server_say(&server);
        }
    }
    server_until(&server, asked->size > 65535 || server.takes_nothing);
    if (server.takes_nothing) { /* the kernel has taken all of it from the client */
        server.takes_nothing = false;
        h2_took(server.h2, &asked->stream, asked->stream.untaken);
        server_say(&server);
    }
    server_until(&server, asked->is_whole);
    ck_assert_uint_eq(asked->size, sizeof much);
    server_answer(&server, asked, 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    finish();
}
END_TEST

START_TEST(an_answer_before_the_end_of_the_request_ends_that_too)
{
    begin(1, "", H2, 100);
    int asker = ask("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome");
    struct asked *asked = server_await(&server, "/early");
    server_answer(&server, asked, 403, "no");
    ck_assert_status(hear_head(asker), 403);
    server_until(&server, asked->is_over);
    ck_assert_uint_eq(asked->code, H2_CANCEL);
    asker = get("/next"); /* the link goes on */
    server_answer(&server, server_await(&server, "/next"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    finish();
}
END_TEST

START_TEST(a_stream_that_is_reset_is_502_and_the_others_go_on)
{
    begin(1, "", H2, 100);
    int broken = get("/broken"), good = get("/good");
    server_await(&server, "/good");
    h2_reset(server.h2, &server_await(&server, "/broken")->stream, H2_INTERNAL_ERROR);
    server_say(&server);
    ck_assert_status(hear_head(broken), 502);
    server_answer(&server, server_find(&server, "/good"), 200, "ok");
    ck_assert_status(hear_head(good), 200);
    finish();
}
END_TEST

START_TEST(no_answer_in_time_is_504_and_the_stream_is_reset)
{
    begin(1, "timeouts: {response: 300ms}", H2, 100);
    int asker = get("/silent");
    struct asked *asked = server_await(&server, "/silent");
    ck_assert_status(hear_head(asker), 504);
    server_until(&server, asked->is_over);
    ck_assert_uint_eq(asked->code, H2_CANCEL);
    finish();
}
END_TEST

START_TEST(a_websocket_is_answered_501)
{
    begin(1, "", H2, 100);
    int asker = ask("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    ck_assert_status(hear_head(asker), 501);
    finish();
}
END_TEST

START_TEST(a_server_that_speaks_http1_is_unreadable)
{
    stage_open(&stage, 1, "", H2);
    int asker = post("/x");
    int link = link_to(&stage, 0);
    say(link, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    ck_assert_status(hear_head(asker), 502);
    hear(link, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    ck_assert_uint_ge(hear_to_the_end(link), 9);
    close(link);
    stage_close(&stage);
}
END_TEST

START_TEST(a_link_without_streams_is_closed_after_its_time_with_a_goodbye)
{
    begin(1, "", H2, 100);
    stage.backends[0]->idle_limit_ms = 300;
    int asker = get("/last");
    server_answer(&server, server_await(&server, "/last"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    server_until(&server, server.is_ended);
    finish();
}
END_TEST

START_TEST(the_links_of_a_backend_that_is_gone_end_with_their_streams)
{
    begin(1, "", H2, 100);
    int asker = get("/last");
    server_await(&server, "/last");
    proxy_forget_backend(stage.proxy, stage.backends[0]);
    (void)server_hear(&server, 50);
    ck_assert(!server.is_ended);
    server_answer(&server, server_find(&server, "/last"), 200, "ok");
    ck_assert_status(hear_head(asker), 200);
    server_until(&server, server.is_ended);
    finish();
}
END_TEST

UNIT_MAIN("proxy/link_h2", requests_of_many_clients_share_one_link,
          requests_that_come_while_a_link_is_being_opened_share_it, a_link_that_is_full_has_another_beside_it,
          those_whom_a_new_link_does_not_take_go_on_on_others, heads_are_those_of_http1_in_another_dress,
          an_answer_that_ends_with_its_head_has_no_body_in_http1,
          what_a_goaway_leaves_is_asked_again_whatever_the_method,
          a_stream_that_is_refused_goes_to_another_server,
          a_link_that_breaks_fails_each_of_its_streams_by_its_own_rule,
          an_idle_link_that_was_closed_as_we_wrote_is_stale,
          a_post_travels_on_a_link_that_was_used_just_now_or_is_in_use,
          a_cancelled_request_keeps_its_place_until_the_server_answers,
          a_cancelled_call_of_grpc_is_reset_at_once,
          a_client_that_does_not_read_bounds_what_its_stream_takes_and_no_other,
          an_upload_waits_for_the_servers_windows, an_answer_before_the_end_of_the_request_ends_that_too,
          a_stream_that_is_reset_is_502_and_the_others_go_on,
          no_answer_in_time_is_504_and_the_stream_is_reset, a_websocket_is_answered_501,
          a_server_that_speaks_http1_is_unreadable,
          a_link_without_streams_is_closed_after_its_time_with_a_goodbye,
          the_links_of_a_backend_that_is_gone_end_with_their_streams)
