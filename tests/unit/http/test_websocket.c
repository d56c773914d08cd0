/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "http/websocket.h"
#include "tests/unit/http/reading.h"

#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"

static bool is_handshake(struct slice text)
{
    ck_assert_int_eq(read_request(text), H1_DONE);
    return websocket_handshake_is_valid(&head);
}

START_TEST(a_handshake_has_one_key_and_a_version)
{
    ck_assert(is_handshake(SLICE(UPGRADE KEY VERSION "\r\n")));
    ck_assert(is_handshake(SLICE(UPGRADE KEY "Sec-WebSocket-Version: 777\r\n\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE KEY "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE KEY KEY VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE KEY VERSION VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n" VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWE=\r\n" VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE "Sec-WebSocket-Key: dGhlIHNhb!BsZSBub25jZQ==\r\n" VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE "Sec-WebSocket-Key:\r\n" VERSION "\r\n")));
}
END_TEST

START_TEST(a_handshake_is_a_get_without_a_body_that_upgrades)
{
    ck_assert(is_handshake(SLICE(UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE KEY VERSION "Content-Length: 5\r\n\r\n")));
    ck_assert(!is_handshake(SLICE(UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n")));
    ck_assert(!is_handshake(SLICE(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n")));
    ck_assert(!is_handshake(SLICE("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n")));
}
END_TEST

START_TEST(the_accept_value_is_that_of_the_rfcs_example)
{
    char accept[WEBSOCKET_ACCEPT_SIZE];
    websocket_accept(SLICE("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    ck_assert_slice(((struct slice){accept, sizeof(accept)}), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}
END_TEST

/* A frame of `size` bytes of payload at `into`; returns the whole size. */
static size_t put_frame(char *into, unsigned opcode, bool masked, uint64_t size)
{
    size_t at = 0;
    into[at++] = (char)(0x80 | opcode);
    unsigned extended = size < 126 ? 0 : size < 65536 ? 2 : 8;
    into[at++] = (char)((masked ? 0x80 : 0) | (extended == 0 ? size : extended == 2 ? 126 : 127));
    for (unsigned i = extended; i-- > 0;)
        into[at++] = (char)(size >> (8 * i));
    if (masked)
        at += 4;
    return at + size;
}

START_TEST(frames_of_every_size_are_followed_however_they_are_cut)
{
    static const uint64_t sizes[] = {0, 1, 125, 126, 127, 300, 65535, 65536, 70000};
    static const size_t steps[] = {1, 3, 1000, 1000000};
    static char bytes[400000];
    bool ends[sizeof(bytes)] = {false};
    size_t size = 0;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size += put_frame(bytes + size, 2, i % 2 == 0, sizes[i]);
        ends[size] = true;
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct websocket_frames frames = {.header_size = 0};
        for (size_t at = 0; at < size;) {
            size_t part = size - at < steps[i] ? size - at : steps[i];
            websocket_frames_follow(&frames, (struct slice){bytes + at, part});
            at += part;
            ck_assert_int_eq(websocket_frames_at_boundary(&frames), ends[at]);
        }
        ck_assert(!frames.close_seen);
    }
}
END_TEST

START_TEST(a_close_frame_is_seen_when_its_header_has_passed)
{
    char bytes[20] = {0};
    struct websocket_frames frames = {.header_size = 0};
    size_t size = put_frame(bytes, 8, true, 2);

    websocket_frames_follow(&frames, (struct slice){bytes, 5});
    ck_assert(!frames.close_seen);
    websocket_frames_follow(&frames, (struct slice){bytes + 5, 1});
    ck_assert(frames.close_seen);
    ck_assert(!websocket_frames_at_boundary(&frames));
    websocket_frames_follow(&frames, (struct slice){bytes + 6, size - 6});
    ck_assert(websocket_frames_at_boundary(&frames));
}
END_TEST

START_TEST(the_way_to_the_next_boundary_is_told_without_taking_it)
{
    char bytes[400] = {0};
    struct websocket_frames frames = {.header_size = 0};
    size_t size = put_frame(bytes, 1, false, 200);
    put_frame(bytes + size, 1, false, 10);

    ck_assert_uint_eq(websocket_frames_until_boundary(&frames, (struct slice){bytes, sizeof(bytes)}), 0);
    websocket_frames_follow(&frames, (struct slice){bytes, 3});
    ck_assert_uint_eq(websocket_frames_until_boundary(&frames, (struct slice){bytes + 3, 50}), 50);
    ck_assert_uint_eq(websocket_frames_until_boundary(&frames, (struct slice){bytes + 3, 300}), size - 3);
    websocket_frames_follow(&frames, (struct slice){bytes + 3, 100});
    ck_assert_uint_eq(websocket_frames_until_boundary(&frames, (struct slice){bytes + 103, 200}), size - 103);
}
END_TEST

START_TEST(a_close_frame_carries_its_code_and_is_masked_towards_a_worker)
{
    char frame[WEBSOCKET_CLOSE_MAX];
    struct websocket_frames frames = {.header_size = 0};

    ck_assert_uint_eq(websocket_close_frame(frame, 1001, false), 4);
    ck_assert_mem_eq(frame, "\x88\x02\x03\xe9", 4);
    ck_assert_uint_eq(websocket_close_frame(frame, 1012, true), 8);
    ck_assert_mem_eq(frame, "\x88\x82\0\0\0\0\x03\xf4", 8);
    websocket_frames_follow(&frames, (struct slice){frame, 8});
    ck_assert(frames.close_seen && websocket_frames_at_boundary(&frames));
}
END_TEST

UNIT_MAIN("http/websocket", a_handshake_has_one_key_and_a_version,
          a_handshake_is_a_get_without_a_body_that_upgrades, the_accept_value_is_that_of_the_rfcs_example,
          frames_of_every_size_are_followed_however_they_are_cut,
          a_close_frame_is_seen_when_its_header_has_passed,
          the_way_to_the_next_boundary_is_told_without_taking_it,
          a_close_frame_carries_its_code_and_is_masked_towards_a_worker)
