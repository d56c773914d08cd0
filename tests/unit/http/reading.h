/* SPDX-License-Identifier: MIT
 *
 * Reading literal heads in the tests of http/. One head and one error, as the tests run one at a time. */
#ifndef DROVER_TESTS_UNIT_HTTP_READING_H
#define DROVER_TESTS_UNIT_HTTP_READING_H

#include "http/h1.h"
#include "tests/unit/unit.h"

static struct head head;
static struct h1_error error;
static struct h1_limits limits = {.head_bytes = 32768, .fields = 100};

static inline enum h1_verdict read_request(struct slice bytes)
{
    size_t seen = 0;
    error = (struct h1_error){0, "none"};
    return h1_read_request(&head, bytes, &seen, &limits, &error);
}

static inline enum h1_verdict read_response(struct slice bytes, enum method method)
{
    size_t seen = 0;
    error = (struct h1_error){0, "none"};
    return h1_read_response(&head, bytes, &seen, &limits, method, &error);
}

#define ck_assert_slice(given, text)                                                                         \
    do {                                                                                                     \
        struct slice is = (given);                                                                           \
        ck_assert_msg(slice_equal(is, slice_of(text)), "%s is \"%.*s\", not \"%s\"", #given, (int)is.size,   \
                      is.at, text);                                                                          \
    } while (0)

#define ck_assert_request(text)                                                                              \
    ck_assert_msg(read_request(SLICE(text)) == H1_DONE, "refused: %u %s\n%s", error.status, error.why, text)
#define ck_assert_refused(code, text)                                                                        \
    do {                                                                                                     \
        ck_assert_msg(read_request(SLICE(text)) == H1_BAD, "not refused:\n%s", text);                        \
        ck_assert_msg(error.status == (code), "refused with %u %s:\n%s", error.status, error.why, text);     \
    } while (0)
#define ck_assert_response(method, text)                                                                     \
    ck_assert_msg(read_response(SLICE(text), method) == H1_DONE, "refused: %s\n%s", error.why, text)
#define ck_assert_bad_response(text)                                                                         \
    do {                                                                                                     \
        ck_assert_msg(read_response(SLICE(text), METHOD_GET) == H1_BAD, "not refused:\n%s", text);           \
        ck_assert_uint_eq(error.status, 502);                                                                \
    } while (0)

#endif
