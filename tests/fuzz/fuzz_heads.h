/* SPDX-License-Identifier: MIT
 *
 * The properties of reading a head, for requests and responses alike: the verdict does not depend on how the
 * bytes were cut, every slice lies in the bytes, no byte that could end a line is in a field, and a head that
 * is written anew from its fields reads as the same head. */
#ifndef DROVER_TESTS_FUZZ_HEADS_H
#define DROVER_TESTS_FUZZ_HEADS_H

#include "http/h1.h"
#include "tests/fuzz/fuzz.h"

static const struct h1_limits limits = {.head_bytes = 2048, .fields = 20};

typedef enum h1_verdict read_head(struct head *head, struct slice bytes, size_t *seen,
                                  struct h1_error *error);

static inline bool same_head(const struct head *one, const struct head *other)
{
    bool same = one->minor == other->minor && one->framing == other->framing &&
                one->content_length == other->content_length && one->keep_alive == other->keep_alive &&
                one->has_content_length == other->has_content_length && one->has_host == other->has_host &&
                one->expects_continue == other->expects_continue &&
                one->upgrades_to_websocket == other->upgrades_to_websocket &&
                one->has_trailer_te == other->has_trailer_te && one->field_count == other->field_count;

    for (unsigned i = 0; same && i < one->field_count; i++) {
        const struct field *a = &one->fields[i], *b = &other->fields[i];
        same = slice_equal(a->name, b->name) && slice_equal(a->value, b->value) && a->known == b->known &&
               a->named_by_connection == b->named_by_connection;
    }
    return same;
}

static inline void check_inside(struct slice slice, struct slice bytes)
{
    CHECK(slice.at >= bytes.at && slice.at + slice.size <= bytes.at + bytes.size);
    for (size_t i = 0; i < slice.size; i++)
        CHECK(slice.at[i] != '\r' && slice.at[i] != '\n' && slice.at[i] != '\0');
}

static inline void check_fields(const struct head *head, struct slice bytes)
{
    CHECK(head->size <= bytes.size && head->size <= limits.head_bytes && head->field_count <= limits.fields);
    for (unsigned i = 0; i < head->field_count; i++) {
        check_inside(head->fields[i].name, bytes);
        check_inside(head->fields[i].value, bytes);
        CHECK(head->fields[i].name.size > 0 &&
              !memchr(head->fields[i].name.at, ':', head->fields[i].name.size));
    }
}

/* Byte by byte the verdict is the same, and as soon as it is one for whole, it stays. */
static inline void check_pieces(read_head *read, struct slice bytes, enum h1_verdict wanted,
                                const struct head *whole, const struct h1_error *wanted_error)
{
    static struct head head;
    struct h1_error error = {0, NULL};
    enum h1_verdict verdict = H1_MORE;
    size_t seen = 0;

    for (size_t size = 1; size <= bytes.size && verdict == H1_MORE; size++) {
        char *copy = exact_copy((struct slice){bytes.at, size});
        verdict = read(&head, (struct slice){copy, size}, &seen, &error);
        if (verdict == H1_DONE)
            CHECK(head.size == size && head.size == whole->size && head.field_count == whole->field_count);
        free(copy);
    }
    CHECK(verdict == wanted);
    if (verdict == H1_BAD)
        CHECK(error.status == wanted_error->status && error.why == wanted_error->why);
}

static inline char *put_fields(char *at, const struct head *head)
{
    for (unsigned i = 0; i < head->field_count; i++)
        at = h1_put_field(at, head->fields[i].name, head->fields[i].value);
    return h1_put(at, SLICE("\r\n"));
}

#endif
