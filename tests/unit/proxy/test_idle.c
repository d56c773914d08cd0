/* SPDX-License-Identifier: MIT */
#include "tests/unit/proxy/fixture.h"

static struct stage stage;

START_TEST(the_newest_idle_link_is_used_first)
{
    stage_open(&stage, 1, "", "");
    int one = client(&stage), other = client(&stage);
    say(one, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    int older = link_to(&stage, 0);
    hear_head(older);
    say(other, "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    int newer = link_to(&stage, 0);
    hear_head(newer);
    say(older, OK);
    hear_head(one);
    until(stage_requests(&stage) == 1);
    say(newer, OK);
    hear_head(other);
    until(stage_requests(&stage) == 0);
    serve_one(&stage, client(&stage), newer);
    serve_one(&stage, client(&stage), newer);
    ck_assert(!is_readable_within(older, 0));
    stage_close(&stage);
}
END_TEST

START_TEST(a_link_that_the_server_closed_is_not_used)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    close(link);
    pause_ms(20);
    say(asker, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    link = link_to(&stage, 0);
    hear_head(link);
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    stage_close(&stage);
}
END_TEST

/* drover's clock runs out before the server's: learned from the first link that the server closed. */
START_TEST(how_long_a_server_keeps_idle_links_is_learned)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    ck_assert_uint_eq(stage.backends[0]->idle_limit_ms, 0);
    pause_ms(1000);
    close(link);
    until(stage.backends[0]->idle_limit_ms != 0);
    ck_assert_uint_ge(stage.backends[0]->idle_limit_ms, 590);
    ck_assert_uint_le(stage.backends[0]->idle_limit_ms, 800);
    link = serve_one(&stage, asker, -1);
    uint64_t since_us = clock_precise_us();
    ck_assert(is_ended(link)); /* by drover */
    uint64_t age_ms = (clock_precise_us() - since_us) / 1000;
    ck_assert_uint_ge(age_ms, 500);
    ck_assert_uint_lt(age_ms, 3000);
    stage_close(&stage);
}
END_TEST

START_TEST(a_server_that_closes_every_used_link_gets_fresh_ones_only)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    for (unsigned i = 0; i < 8; i++) {
        char ask[64];
        str_format(ask, sizeof ask, "GET /%u HTTP/1.1\r\nHost: a\r\n\r\n", i);
        if (i == 0) {
            close(serve_one(&stage, asker, -1));
            pause_ms(20);
        }
        say(asker, ask);
        int link = link_to(&stage, 0);
        hear_head(link);
        say(link, OK);
        ck_assert_status(hear_head(asker), 200);
        hear(asker, "ok");
        if (i < 3) { /* reads the next one and closes */
            say(asker, "GET /stale HTTP/1.1\r\nHost: a\r\n\r\n");
            hear_head(link);
            close(link);
            link = link_to(&stage, 0);
            ck_assert_has(hear_head(link), "GET /stale ");
            say(link, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            ck_assert_status(hear_head(asker), 200);
            hear(asker, "ok");
            ck_assert_uint_eq(stage.backends[0]->stale_streak, i + 1);
        }
    }
    stage_close(&stage);
}
END_TEST

START_TEST(the_idle_links_of_a_backend_that_is_gone_are_closed)
{
    stage_open(&stage, 1, "", "");
    int asker = client(&stage);
    int link = serve_one(&stage, asker, -1);
    proxy_forget_backend(stage.proxy, stage.backends[0]);
    ck_assert(is_ended(link));
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/idle", the_newest_idle_link_is_used_first, a_link_that_the_server_closed_is_not_used,
          how_long_a_server_keeps_idle_links_is_learned,
          a_server_that_closes_every_used_link_gets_fresh_ones_only,
          the_idle_links_of_a_backend_that_is_gone_are_closed)
