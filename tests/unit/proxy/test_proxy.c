/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "tests/unit/proxy/fixture.h"

static struct stage stage;

static void on_drained(void *argument)
{
    atomic_store(&((struct stage *)argument)->is_drained, true);
}

static bool refuses(const struct address *address)
{
    int fd = net_connect(address);

    if (fd >= 0 && is_readable_within(fd, PATIENCE_MS) && net_connect_result(fd) == -ECONNREFUSED)
        net_close(&fd);
    return fd < 0;
}

START_TEST(a_stop_lets_requests_end_and_says_close)
{
    stage_open(&stage, 1, "", "");
    int busy = client(&stage), idle = client(&stage);
    int link = serve_one(&stage, idle, -1);
    say(busy, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    hear_head(link);
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    ck_assert(is_ended(idle));
    ck_assert(!stage.is_drained);
    say(link, OK);
    const char *head = hear_head(busy);
    ck_assert_status(head, 200);
    ck_assert_has(head, HEADER_CLOSE);
    hear(busy, "ok");
    ck_assert(is_ended(busy));
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(a_request_on_its_way_when_drover_stops_is_answered)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage), fresh = client(&stage);
    int link = serve_one(&stage, asker, -1);
    until(stage.slots->engines[0].connections == 2);
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    pause_ms(50);
    say(asker, "GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert(is_ended(link)); /* idle links were closed */
    link = link_to(&stage, 0);
    hear_head(link);
    say(link, OK);
    ck_assert_has(hear_head(asker), HEADER_CLOSE);
    say(fresh, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    link = link_to(&stage, 0);
    hear_head(link);
    say(link, OK);
    ck_assert_has(hear_head(fresh), HEADER_CLOSE);
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(who_has_connected_when_drover_stops_may_still_ask)
{
    stage_open(&stage, 1, "", "");
    int busy = client(&stage), silent = client(&stage);
    say(busy, "GET /busy HTTP/1.1\r\nHost: a\r\n\r\n");
    int link = link_to(&stage, 0);
    hear_head(link);
    ck_assert_uint_eq(stage.slots->engines[0].connections, 1); /* the other is not accepted yet */
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    pause_ms(30);
    say(silent, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    int other = link_to(&stage, 0);
    hear_head(other);
    say(other, OK);
    ck_assert_has(hear_head(silent), HEADER_CLOSE);
    ck_assert(!stage.is_drained);
    say(link, OK);
    ck_assert_status(hear_head(busy), 200);
    until(stage.is_drained);
    ck_assert(refuses(&stage.config->listens[0].address));
    stage_close(&stage);
}
END_TEST

START_TEST(what_is_left_at_the_end_of_the_time_is_cut)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    say(asker, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    hear_head(link_to(&stage, 0));
    proxy_drain(stage.proxy, 200, on_drained, &stage);
    ck_assert(is_ended(asker));
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(a_stop_without_connections_is_over_at_once)
{
    stage_open(&stage, 1, "", "");
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(an_address_that_is_left_serves_what_it_has)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    proxy_unlisten(stage.proxy, &stage.config->listens[0].address);
    pause_ms(50);
    serve_one(&stage, asker, link);
    ck_assert(refuses(&stage.config->listens[0].address));
    stage_close(&stage);
}
END_TEST

START_TEST(connections_over_the_limit_are_told_503)
{
    stage_open(&stage, 1, "limits: {connections: 1}", "");
    int inside = client(&stage);
    int link = serve_one(&stage, inside, -1);
    int outside = client(&stage);
    const char *head = hear_head(outside);
    ck_assert_status(head, 503);
    ck_assert_has(head, "Retry-After: 1\r\n");
    ck_assert_has(head, HEADER_CLOSE);
    hear(outside, "{\"error\":\"too_many_connections\"}");
    ck_assert(is_ended(outside));
    serve_one(&stage, inside, link);
    close(inside);
    until(stage.slots->engines[0].connections == 0);
    serve_one(&stage, client(&stage), link);
    stage_close(&stage);
}
END_TEST

START_TEST(an_exposed_page_is_shown_here_and_no_other)
{
    stage_open(&stage, 1, "", "");
    struct exposed_page *page = exposed_page_new("/health/live", 200, SLICE("{\"a\": 1}"));
    proxy_expose(stage.proxy, page);
    exposed_page_unref(&page);
    page = exposed_page_new("/health/secret", 200, SLICE("secret"));
    proxy_expose(stage.proxy, page);
    exposed_page_unref(&page);
    int asker = client(&stage);
    say(asker, "GET /health/live?x HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *head = hear_head(asker);
    ck_assert_status(head, 200);
    ck_assert_has(head, "Cache-Control: no-store\r\n");
    hear(asker, "{\"a\": 1}");
    say(asker, "HEAD /health/live HTTP/1.1\r\nHost: a\r\n\r\nGET /health/secret HTTP/1.1\r\nHost: a\r\n\r\n");
    ck_assert_has(hear_head(asker), "Content-Length: 8\r\n");
    ck_assert_has(hear_head(link_to(&stage, 0)), "GET /health/secret "); /* the worker's own, if it has one */
    stage_close(&stage);
}
END_TEST

/* A later connection may get the number of the closed descriptor: no line must ever go there. */
START_TEST(a_log_that_is_switched_off_writes_its_last_lines_first)
{
    stage_open(&stage, 1, "access_log: stdout", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    struct config_report report = {0};
    char *text =
        mem_print("listen: ['127.0.0.1:%u']\nadmin: off\naccess_log: off\npools: {web: {servers: [h:1]}}\n",
                  stage.port);
    struct config *silent = config_load("t.yaml", text, strlen(text), &report);
    ck_assert_ptr_nonnull(silent);
    struct snapshot *next = snapshot_new(silent, &stage.pool);
    proxy_adopt(stage.proxy, next);
    proxy_reopen_log(stage.proxy, -1);
    until(has(stage_log(&stage), "GET /first "));
    serve_one(&stage, asker, link);
    pause_ms(300);
    ck_assert_ptr_eq(strchr(stage_log(&stage), '\n'), strrchr(stage_log(&stage), '\n')); /* one line */
    snapshot_unref(&next);
    config_unref(&silent);
    config_report_fini(&report);
    mem_free(text);
    stage_close(&stage);
}
END_TEST

START_TEST(what_happens_is_counted)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    serve_one(&stage, asker, link);
    say(asker, "BAD\r\n\r\n");
    ck_assert_status(hear_head(asker), 400);
    const struct proxy_counters *counters = proxy_counters(stage.proxy);
    ck_assert_uint_eq(counters->connections_accepted, 1);
    ck_assert_uint_eq(counters->requests, 3);
    ck_assert_uint_eq(counters->responses_2xx, 2);
    ck_assert_uint_eq(counters->responses_4xx, 1);
    ck_assert_uint_eq(counters->links_opened, 1);
    ck_assert_uint_eq(counters->links_reused, 1);
    ck_assert_uint_eq(counters->bytes_to_clients, 4);
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/proxy", a_stop_lets_requests_end_and_says_close,
          a_request_on_its_way_when_drover_stops_is_answered,
          who_has_connected_when_drover_stops_may_still_ask, what_is_left_at_the_end_of_the_time_is_cut,
          a_stop_without_connections_is_over_at_once, an_address_that_is_left_serves_what_it_has,
          connections_over_the_limit_are_told_503, an_exposed_page_is_shown_here_and_no_other,
          a_log_that_is_switched_off_writes_its_last_lines_first, what_happens_is_counted)
