/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/http/reading.h"

static struct h1_body body;
static char payload[70000];
static size_t payload_size, rest_size;

/* All of `text` in steps; gives the last event, the payload and how much was left over. */
static enum body_event run(enum framing framing, uint64_t length, struct slice text, size_t step)
{
    enum body_event event = BODY_MORE;
    size_t at = 0;

    payload_size = 0;
    h1_body_init(&body, framing, length);
    do {
        size_t size = text.size - at < step ? text.size - at : step;
        char *copy = memcpy(malloc(size + 1), text.at + at, size);
        struct slice in = {copy, size}, data;
        while ((event = h1_body_next(&body, &in, &data)) == BODY_DATA) {
            ck_assert_uint_gt(data.size, 0);
            memcpy(payload + payload_size, data.at, data.size);
            payload_size += data.size;
        }
        ck_assert(event != BODY_MORE || in.size == 0);
        at += size - in.size;
        free(copy);
    } while (event == BODY_MORE && at < text.size);
    rest_size = text.size - at;
    return event;
}

static void check_chunked(const char *text, enum body_event wanted, const char *data)
{
    for (size_t step = 1; step <= strlen(text); step++) {
        enum body_event event = run(FRAMING_CHUNKED, 0, slice_of(text), step);
        ck_assert_msg(event == wanted, "in steps of %zu: %d\n%s", step, (int)event, text);
        if (data)
            ck_assert_slice(((struct slice){payload, payload_size}), data);
        ck_assert(event != BODY_BAD || body.why);
        h1_body_fini(&body);
    }
}

START_TEST(a_body_of_a_length_ends_there)
{
    for (size_t step = 1; step < 12; step++) {
        ck_assert_int_eq(run(FRAMING_LENGTH, 5, SLICE("helloGET /"), step), BODY_END);
        ck_assert_slice(((struct slice){payload, payload_size}), "hello");
        ck_assert_uint_eq(rest_size, 5);
    }
    ck_assert_int_eq(run(FRAMING_LENGTH, 5, SLICE("hell"), 4), BODY_MORE);
    ck_assert_int_eq(h1_body_finish(&body), BODY_BAD);
    ck_assert_int_eq(run(FRAMING_LENGTH, 0, SLICE("GET /"), 5), BODY_END);
    ck_assert_uint_eq(rest_size, 5);
}
END_TEST

START_TEST(no_body_ends_at_once)
{
    ck_assert_int_eq(run(FRAMING_NONE, 500, SLICE("GET /"), 5), BODY_END);
    ck_assert_uint_eq(rest_size, 5);
    ck_assert_int_eq(h1_body_finish(&body), BODY_END);
}
END_TEST

START_TEST(a_body_until_the_end_is_ended_by_it)
{
    ck_assert_int_eq(run(FRAMING_UNTIL_CLOSE, 0, SLICE("hello"), 2), BODY_MORE);
    ck_assert_slice(((struct slice){payload, payload_size}), "hello");
    ck_assert_int_eq(h1_body_finish(&body), BODY_END);
    struct slice in = SLICE("x"), data;
    ck_assert_int_eq(h1_body_next(&body, &in, &data), BODY_END);
}
END_TEST

START_TEST(chunks_are_joined_and_end_before_what_follows)
{
    check_chunked("1\r\nh\r\n2;a=b\r\nel\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0002\r\nlo\r\n0000\r\n\r\n",
                  BODY_END, "hel01234567890123456789lo");
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, SLICE("0\r\n\r\nGET /"), 100), BODY_END);
    ck_assert_uint_eq(rest_size, 5);
    ck_assert_uint_eq(h1_body_trailers(&body).size, 0);
    ck_assert_ptr_null(body.trailers);
    check_chunked("5\r\nhello\r\n0\r\n", BODY_MORE, "hello");
}
END_TEST

START_TEST(a_cut_body_is_told_from_a_whole_one)
{
    static const char *const cut[] = {"",      "5",       "5\r\nhel",     "5\r\nhello", "5\r\nhello\r\n",
                                      "0\r\n", "0\r\n\r", "0\r\nX: y\r\n"};
    for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++) {
        ck_assert_int_eq(run(FRAMING_CHUNKED, 0, slice_of(cut[i]), 100), BODY_MORE);
        ck_assert_int_eq(h1_body_finish(&body), BODY_BAD);
        ck_assert_ptr_nonnull(body.why);
        h1_body_fini(&body);
    }
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, SLICE("0\r\n\r\n"), 100), BODY_END);
    ck_assert_int_eq(h1_body_finish(&body), BODY_END);
}
END_TEST

START_TEST(sizes_are_hexadecimal_and_nothing_else)
{
    static const char *const bad[] = {"0x5\r\n", "+5\r\n",  "-0\r\n",   "G\r\n",   "5.0\r\n", "\"5\"\r\n",
                                      "5z\r\n",  "\r\n",    " 5\r\n",   "\t5\r\n", "5 5\r\n", "5,5\r\n",
                                      "5:a\r\n", "5 \r\n",  "5\n",      "5\rx",    "5\r\r\n", "\n",
                                      ";a\r\n",  "%35\r\n", "5\001\r\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check_chunked(bad[i], BODY_BAD, NULL);
}
END_TEST

START_TEST(sizes_stop_below_2_to_the_63_but_may_have_zeros_in_front)
{
    check_chunked("7fffffffffffffff\r\n", BODY_MORE, "");
    check_chunked("8000000000000000\r\n", BODY_BAD, NULL);
    check_chunked("FFFFFFFFFFFFFFFB\r\n", BODY_BAD, NULL);
    check_chunked("10000000000000005\r\n", BODY_BAD, NULL);
    check_chunked("100000000000000000\r\n", BODY_BAD, NULL);
    check_chunked("00000000000000000000005\r\nhello\r\n0\r\n\r\n", BODY_END, "hello");
    char zeros[6000];
    memset(zeros, '0', sizeof(zeros));
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, (struct slice){zeros, sizeof(zeros)}, sizeof(zeros)), BODY_BAD);
}
END_TEST

START_TEST(a_chunk_ends_where_its_size_says)
{
    check_chunked("4\r\nhello\r\n", BODY_BAD, NULL);
    check_chunked("5\r\nhello0\r\n", BODY_BAD, NULL);
    check_chunked("5\r\nhello\r0\r\n", BODY_BAD, NULL);
    check_chunked("5\r\nhello\n", BODY_BAD, NULL);
    check_chunked("5\r\nhello\r\n\r\n", BODY_BAD, NULL);
    check_chunked("5\r\nhello\r\nX0\r\n", BODY_BAD, NULL);
}
END_TEST

START_TEST(extensions_are_checked_and_dropped)
{
    static const char *const good[] = {";a",       ";a=b",       ";a=b;c",
                                       " ; a = b", ";a=\"x;y\"", ";a=\"\\\"\xe9\t\" ;b",
                                       "\t;\ta",   ";a ;b",      ";a = \"\""};
    static const char *const bad[] = {";",    ";;",    ";a=",     ";=b",           ";a=b c", ";a b",
                                      ";a ",  ";a=b ", ";a=\"b",  ";a=\"b\"c",     ";a\"",   ";a=\"\n\"",
                                      ";a\n", ";a\rb", ";a=\001", ";a=\"\\\001\"", ";a==b",  ";\xe9"};
    char text[100];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "5%s\r\nhello\r\n0%s\r\n\r\n", good[i], good[i]);
        check_chunked(text, BODY_END, "hello");
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "5%s\r\n", bad[i]);
        check_chunked(text, BODY_BAD, NULL);
    }
}
END_TEST

START_TEST(extensions_over_4_kib_in_all_are_refused)
{
    char text[H1_CHUNK_LINE_MAX * 2];
    size_t size = 0;

    for (unsigned i = 0; i < 100; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, (struct slice){text, size}, size), BODY_MORE);
    for (unsigned i = 0; i < 20; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size,
                                 "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n");
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, (struct slice){text, size}, size), BODY_BAD);
}
END_TEST

START_TEST(trailers_are_kept_and_those_that_may_be_are_forwarded)
{
    static const char text[] =
        "0\r\nX-T: 1\r\nContent-Length: 5\r\nHost: b\r\nAuthorization: x\r\nX_U: 2\r\nSet-Cookie: a\r\n"
        "Transfer-Encoding: chunked\r\nX-Forwarded-For: 6.6.6.6\r\ngrpc-status:0\r\nTE: a\r\n\r\nGET /";
    for (size_t step = 1; step < sizeof(text); step += 5) {
        ck_assert_int_eq(run(FRAMING_CHUNKED, 0, SLICE(text), step), BODY_END);
        ck_assert_uint_eq(rest_size, 5);
        struct slice rest = h1_body_trailers(&body), name, value;
        ck_assert(slice_starts(rest, SLICE("X-T: 1\r\nContent-Length")));
        ck_assert(h1_trailer_next(&rest, &name, &value));
        ck_assert_slice(name, "X-T");
        ck_assert_slice(value, "1");
        ck_assert(h1_trailer_next(&rest, &name, &value));
        ck_assert_slice(name, "grpc-status");
        ck_assert_slice(value, "0");
        ck_assert(!h1_trailer_next(&rest, &name, &value));
        h1_body_fini(&body);
        ck_assert_ptr_null(body.trailers);
    }
}
END_TEST

START_TEST(trailer_lines_are_fields_ended_by_crlf)
{
    static const char *const bad[] = {"nocolon\r\n", "X-T : v\r\n", "X-T: v\n",    ": v\r\n",
                                      " X-T: v\r\n", "X-T: v\rX",   "X-T: \001",   "X-T: a\r\n b\r\n",
                                      "\n",          "\rx",         "X-T: v\r\n\n"};
    char text[100];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        snprintf(text, sizeof(text), "5\r\nhello\r\n0\r\n%s", bad[i]);
        check_chunked(text, BODY_BAD, NULL);
    }
}
END_TEST

START_TEST(trailers_of_4_kib_pass_and_one_byte_more_does_not)
{
    char text[H1_CHUNK_LINE_MAX + 20];
    const size_t start = 3;

    memset(text, 'a', sizeof(text));
    memcpy(text, "0\r\nX:", 5);
    memcpy(text + start + H1_CHUNK_LINE_MAX - 2, "\r\n\r\n", 4);
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, (struct slice){text, start + H1_CHUNK_LINE_MAX + 2}, 100),
                     BODY_END);
    ck_assert_uint_eq(h1_body_trailers(&body).size, H1_CHUNK_LINE_MAX);
    h1_body_fini(&body);
    memcpy(text + start + H1_CHUNK_LINE_MAX - 2, "a\r\n\r\n", 5);
    ck_assert_int_eq(run(FRAMING_CHUNKED, 0, (struct slice){text, start + H1_CHUNK_LINE_MAX + 3}, 100),
                     BODY_BAD);
    h1_body_fini(&body);
}
END_TEST

UNIT_MAIN("http/h1_body", a_body_of_a_length_ends_there, no_body_ends_at_once,
          a_body_until_the_end_is_ended_by_it, chunks_are_joined_and_end_before_what_follows,
          a_cut_body_is_told_from_a_whole_one, sizes_are_hexadecimal_and_nothing_else,
          sizes_stop_below_2_to_the_63_but_may_have_zeros_in_front, a_chunk_ends_where_its_size_says,
          extensions_are_checked_and_dropped, extensions_over_4_kib_in_all_are_refused,
          trailers_are_kept_and_those_that_may_be_are_forwarded, trailer_lines_are_fields_ended_by_crlf,
          trailers_of_4_kib_pass_and_one_byte_more_does_not)
