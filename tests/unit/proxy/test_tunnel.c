/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>

#include "tests/unit/proxy/fixture.h"

#define HANDSHAKE                                                                                            \
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "    \
    "13\r\n"                                                                                                 \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ACCEPTED                                                                                             \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                      \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

static struct stage stage;
static int asker, server;

static void open_tunnel(const char *top)
{
    stage_open(&stage, 1, top, "");
    asker = client(&stage);
    say(asker, HANDSHAKE);
    server = link_to(&stage, 0);
    const char *head = hear_head(server);
    ck_assert_has(head, "Upgrade: websocket\r\n");
    ck_assert_has(head, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    say(server, ACCEPTED);
    ck_assert_status(hear_head(asker), 101);
}

static void hear_bytes(int fd, const char *bytes, size_t size)
{
    char heard[256];

    for (size_t got = 0; got < size;) {
        ssize_t more = recv(fd, heard + got, size - got, 0);
        ck_assert_msg(more > 0, "%zu of %zu bytes came", got, size);
        got += (size_t)more;
    }
    ck_assert(memcmp(heard, bytes, size) == 0);
}
#define hear_frame(fd, literal) hear_bytes(fd, literal, sizeof(literal) - 1)

static void on_drained(void *argument)
{
    atomic_store(&((struct stage *)argument)->is_drained, true);
}

START_TEST(a_tunnel_carries_bytes_both_ways_and_holds_its_place)
{
    open_tunnel("");
    ck_assert_uint_eq(stage_tunnels(&stage), 1);
    ck_assert_uint_eq(stage_requests(&stage), 0);
    say(asker, "\x81\x82"
               "aaaa"
               "xy");
    hear_frame(server, "\x81\x82"
                       "aaaa"
                       "xy");
    say(server, "\x81\x02hi");
    hear_frame(asker, "\x81\x02hi");
    close(asker);
    ck_assert(is_ended(server));
    close(server);
    until(stage_tunnels(&stage) == 0);
    stage_close(&stage);
}
END_TEST

START_TEST(what_either_side_says_with_its_handshake_is_not_lost)
{
    stage_open(&stage, 1, "", "");
    asker = client(&stage);
    say(asker, HANDSHAKE "\x81\x82"
                         "aaaa"
                         "xy");
    server = link_to(&stage, 0);
    hear_head(server);
    say(server, ACCEPTED "\x81\x02hi");
    ck_assert_status(hear_head(asker), 101);
    hear_frame(asker, "\x81\x02hi");
    hear_frame(server, "\x81\x82"
                       "aaaa"
                       "xy");
    stage_close(&stage);
}
END_TEST

START_TEST(a_half_closed_tunnel_goes_on_the_other_way)
{
    open_tunnel("");
    shutdown(asker, SHUT_WR);
    ck_assert(is_ended(server));
    say(server, "\x81\x02hi");
    hear_frame(asker, "\x81\x02hi");
    close(server);
    ck_assert(is_ended(asker));
    until(stage_tunnels(&stage) == 0);
    stage_close(&stage);
}
END_TEST

START_TEST(a_wrong_accept_opens_no_tunnel)
{
    stage_open(&stage, 1, "", "");
    asker = client(&stage);
    say(asker, HANDSHAKE);
    server = link_to(&stage, 0);
    hear_head(server);
    say(server, "HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n");
    ck_assert_status(hear_head(asker), 502);
    ck_assert(is_ended(server));
    stage_close(&stage);
}
END_TEST

START_TEST(any_other_answer_to_a_handshake_is_a_plain_response)
{
    stage_open(&stage, 1, "", "");
    asker = client(&stage);
    say(asker, HANDSHAKE);
    server = link_to(&stage, 0);
    hear_head(server);
    ck_assert_uint_eq(stage_tunnels(&stage), 1);
    say(server, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nn");
    ck_assert_status(hear_head(asker), 403);
    ck_assert_uint_eq(stage_tunnels(&stage), 0);
    ck_assert_uint_eq(stage_requests(&stage), 1); /* that is what it is now */
    say(server, "o");
    hear(asker, "no");
    until(stage_requests(&stage) == 0);
    serve_one(&stage, asker, server);
    stage_close(&stage);
}
END_TEST

START_TEST(when_drover_stops_a_tunnel_is_told_1001)
{
    open_tunnel("");
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    hear_frame(asker, "\x88\x02\x03\xe9");
    char frame[8];
    ck_assert_int_eq(recv(server, frame, sizeof frame, MSG_WAITALL), 8);
    ck_assert_int_eq(memcmp(frame, "\x88\x82", 2), 0); /* to a server it is masked */
    say(asker, "\x88\x82"
               "aaaa"
               "bb");
    say(server, "\x88\x02\x03\xe9");
    close(asker);
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(a_close_frame_waits_for_the_end_of_a_frame)
{
    open_tunnel("");
    say(server, "\x81\x05"
                "ab");
    hear_frame(asker, "\x81\x05"
                      "ab");
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    ck_assert(!is_readable_within(asker, 100));
    say(server, "cde"
                "\x81\x01z"); /* what comes after the boundary is dropped */
    hear_frame(asker, "cde"
                      "\x88\x02\x03\xe9");
    ck_assert(is_ended(asker)); /* nobody answers the close frames: two seconds */
    until(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(who_goes_on_talking_after_the_close_frames_wins_no_time)
{
    open_tunnel("");
    proxy_drain(stage.proxy, 20000, on_drained, &stage);
    hear_frame(asker, "\x88\x02\x03\xe9");
    uint64_t since_us = clock_precise_us();
    while (!stage.is_drained && clock_precise_us() - since_us < 6000000) {
        (void)send(server, "\x81\x01x", 3, MSG_NOSIGNAL);
        pause_ms(50);
    }
    ck_assert(stage.is_drained);
    stage_close(&stage);
}
END_TEST

START_TEST(a_tunnel_that_opens_while_drover_stops_is_told_so)
{
    stage_open(&stage, 1, "", "");
    asker = client(&stage);
    say(asker, HANDSHAKE);
    server = link_to(&stage, 0);
    hear_head(server);
    proxy_drain(stage.proxy, 10000, on_drained, &stage);
    pause_ms(50);
    say(server, ACCEPTED);
    ck_assert_status(hear_head(asker), 101);
    hear_frame(asker, "\x88\x02\x03\xe9");
    stage_close(&stage);
}
END_TEST

START_TEST(the_tunnels_of_one_worker_are_told_1012)
{
    open_tunnel("");
    proxy_close_tunnels(stage.proxy, stage.backends[0], UINT_MAX, 200);
    hear_frame(asker, "\x88\x02\x03\xf4");
    stage_close(&stage);
}
END_TEST

START_TEST(no_more_are_closed_than_was_said)
{
    open_tunnel("");
    proxy_close_tunnels(stage.proxy, stage.backends[0], 0, 1);
    pause_ms(150);
    say(server, "\x81\x02hi");
    hear_frame(asker, "\x81\x02hi");
    proxy_close_tunnels(stage.proxy, stage.backends[0], 1, 1);
    hear_frame(asker, "\x88\x02\x03\xf4");
    stage_close(&stage);
}
END_TEST

START_TEST(an_idle_tunnel_ends_in_its_time)
{
    open_tunnel("timeouts: {tunnel: 300ms}");
    for (unsigned i = 0; i < 6; i++) {
        pause_ms(100);
        say(server, "\x81\x02hi");
        hear_frame(asker, "\x81\x02hi");
    }
    until(stage_tunnels(&stage) == 0);
    ck_assert_uint_gt(hear_to_the_end(asker) + 1, 0);
    stage_close(&stage);
}
END_TEST

static void *flood(void *argument)
{
    static char bytes[65536] = {'\x82', 0x7f, 0, 0, 0, 1}; /* a frame of 4 GiB */
    size_t sent = 0;
    ssize_t wrote;

    while ((wrote = send(server, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0 || errno == EAGAIN) {
        sent += wrote > 0 ? (size_t)wrote : 0;
        if (wrote < 0 && !is_readable_within(server, 20) && atomic_load((_Atomic bool *)argument))
            break;
    }
    return (void *)sent;
}

START_TEST(who_reads_nothing_stops_the_other_side)
{
    _Atomic bool is_enough = false;
    pthread_t sender;
    void *sent;

    open_tunnel("");
    pthread_create(&sender, NULL, flood, &is_enough);
    pause_ms(500);
    is_enough = true;
    pthread_join(sender, &sent);
    ck_assert_uint_lt((size_t)sent, 64 * 1024 * 1024); /* the kernel's buffers, and one read of ours */
    stage_close(&stage);
}
END_TEST

UNIT_MAIN("proxy/tunnel", a_tunnel_carries_bytes_both_ways_and_holds_its_place,
          what_either_side_says_with_its_handshake_is_not_lost, a_half_closed_tunnel_goes_on_the_other_way,
          a_wrong_accept_opens_no_tunnel, any_other_answer_to_a_handshake_is_a_plain_response,
          when_drover_stops_a_tunnel_is_told_1001, a_close_frame_waits_for_the_end_of_a_frame,
          who_goes_on_talking_after_the_close_frames_wins_no_time,
          a_tunnel_that_opens_while_drover_stops_is_told_so, the_tunnels_of_one_worker_are_told_1012,
          no_more_are_closed_than_was_said, an_idle_tunnel_ends_in_its_time,
          who_reads_nothing_stops_the_other_side)
