/* SPDX-License-Identifier: MIT
 *
 * Fuzzes h1_body with the chunked coding: whole and byte by byte it gives the same payload, end and trailers,
 * and the payload coded anew gives itself again. */
#include "http/fields.h"
#include "http/h1.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MOST 8192

struct result {
    enum body_event event;
    size_t used, size;
    char payload[INPUT_MOST];
    struct h1_body body;
};

static void decode(struct result *result, struct slice bytes, size_t step)
{
    result->used = result->size = 0;
    result->event = BODY_MORE;
    h1_body_init(&result->body, FRAMING_CHUNKED, 0);
    do {
        size_t size = bytes.size - result->used < step ? bytes.size - result->used : step;
        char *copy = exact_copy((struct slice){bytes.at + result->used, size});
        struct slice in = {copy, size}, data;
        while ((result->event = h1_body_next(&result->body, &in, &data)) == BODY_DATA) {
            CHECK(data.size > 0 && data.at >= copy && data.at + data.size <= copy + size);
            memcpy(result->payload + result->size, data.at, data.size);
            result->size += data.size;
        }
        CHECK(result->event != BODY_MORE || in.size == 0);
        CHECK((result->event == BODY_BAD) == (result->body.why != NULL));
        result->used += size - in.size;
        free(copy);
    } while (result->event == BODY_MORE && result->used < bytes.size);
}

static void check_trailers(const struct h1_body *body)
{
    struct slice rest = h1_body_trailers(body), name, value;

    CHECK(rest.size <= H1_CHUNK_LINE_MAX);
    while (h1_trailer_next(&rest, &name, &value)) {
        CHECK(slice_is_token(name) && field_name_of(name) == FIELD_OTHER);
        CHECK(value.size == 0 ||
              (!memchr(value.at, '\r', value.size) && !memchr(value.at, '\n', value.size)));
    }
}

static void check_coded_anew(const struct result *result)
{
    static char text[INPUT_MOST + 64];
    static struct result again;
    char *at = text;

    if (result->size > 0) {
        at = h1_put(h1_put_hex(at, result->size), SLICE("\r\n"));
        CHECK(at - text <= H1_CHUNK_HEAD_MAX);
        at = h1_put(h1_put(at, (struct slice){result->payload, result->size}), SLICE("\r\n"));
    }
    at = h1_put(at, SLICE("0\r\n\r\n"));
    decode(&again, (struct slice){text, (size_t)(at - text)}, sizeof(text));
    CHECK(again.event == BODY_END && again.size == result->size);
    CHECK(memcmp(again.payload, result->payload, again.size) == 0);
    h1_body_fini(&again.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct result whole, pieces;
    struct slice bytes = {(const char *)data, size};

    if (size == 0 || size > INPUT_MOST)
        return 0;
    decode(&whole, bytes, size);
    decode(&pieces, bytes, 1);
    CHECK(whole.event == pieces.event && whole.used == pieces.used && whole.size == pieces.size);
    CHECK(memcmp(whole.payload, pieces.payload, whole.size) == 0 && whole.body.why == pieces.body.why);
    CHECK(slice_equal(h1_body_trailers(&whole.body), h1_body_trailers(&pieces.body)));
    if (whole.event == BODY_END) {
        check_trailers(&whole.body);
        check_coded_anew(&whole);
    }
    CHECK((h1_body_finish(&whole.body) == BODY_END) == (whole.event == BODY_END));
    h1_body_fini(&whole.body);
    h1_body_fini(&pieces.body);
    return 0;
}
