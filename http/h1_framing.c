/* SPDX-License-Identifier: MIT
 *
 * Where a message ends and whether another follows on its connection (RFC 9112 sections 6 and 9.3): the
 * rules that smuggling is made of, for both directions. Stricter than the RFC: whatever two readers could
 * understand in two ways is refused. Pure, any thread. */
#include "http/fields.h"
#include "http/h1_read.h"

#define OPTIONS_MAX 128 /* of Connection, beside those with a meaning: each is compared with every field */

/* Anything but one "chunked": which answer it gets. */
static enum h1_verdict refuse_coding(struct h1_reader *reader, struct slice value)
{
    unsigned codings = 0;
    bool chunked = false;
    struct slice rest = value;

    while (rest.size > 0) {
        const char *comma = memchr(rest.at, ',', rest.size);
        size_t size = comma ? (size_t)(comma - rest.at) : rest.size;
        struct slice coding = slice_trim((struct slice){rest.at, size});
        if (!slice_is_token(coding) || (comma && size + 1 == rest.size))
            return h1_reader_refuse(reader, 400, "a Transfer-Encoding that is no list of codings");
        if (chunked)
            return h1_reader_refuse(reader, 400, "chunked is not the last coding");
        chunked = TOKEN_IS(coding, "chunked");
        codings++;
        size += comma ? 1 : 0;
        rest = (struct slice){rest.at + size, rest.size - size};
    }
    if (codings == 0)
        return h1_reader_refuse(reader, 400, "an empty Transfer-Encoding");
    return h1_reader_refuse(reader, 501, "an unknown transfer coding");
}

enum h1_verdict h1_framing(struct h1_reader *reader)
{
    struct head *head = reader->head;
    const bool coded = h1_reader_has(reader, FIELD_TRANSFER_ENCODING);

    head->framing = FRAMING_NONE;
    head->content_length = 0;
    head->has_content_length = h1_reader_has(reader, FIELD_CONTENT_LENGTH);
    if (head->has_content_length) {
        if (coded)
            return h1_reader_refuse(reader, 400, "both Content-Length and Transfer-Encoding");
        if (!slice_to_u64(head_find(head, FIELD_CONTENT_LENGTH)->value, &head->content_length) ||
            head->content_length > INT64_MAX)
            return h1_reader_refuse(reader, 400, "a Content-Length that is no number below 2^63");
        head->framing = FRAMING_LENGTH;
    } else if (coded) {
        struct slice value = head_find(head, FIELD_TRANSFER_ENCODING)->value;
        if (head->minor == 0)
            return h1_reader_refuse(reader, 400, "Transfer-Encoding in HTTP/1.0");
        if (!TOKEN_IS(value, "chunked"))
            return refuse_coding(reader, value);
        head->framing = FRAMING_CHUNKED;
    }
    return H1_DONE;
}

static void name_field(struct head *head, struct slice option)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        struct field *field = &head->fields[i];
        if (field->name.size == option.size && slice_equal_nocase(field->name, option))
            field->named_by_connection = field->known != FIELD_HOST && field->known != FIELD_CONTENT_LENGTH &&
                                         field->known != FIELD_TRANSFER_ENCODING;
    }
}

enum h1_verdict h1_connection(struct h1_reader *reader, bool *upgrade)
{
    struct head *head = reader->head;
    bool close = false, keep_alive = false;
    unsigned named = 0;

    *upgrade = false;
    head->keep_alive = head->minor > 0;
    if (!h1_reader_has(reader, FIELD_CONNECTION))
        return H1_DONE;
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].known != FIELD_CONNECTION)
            continue;
        struct slice rest = head->fields[i].value, option;
        while (field_list_next(&rest, &option)) {
            if (TOKEN_IS(option, "keep-alive"))
                keep_alive = true;
            else if (TOKEN_IS(option, "close"))
                close = true;
            else if (TOKEN_IS(option, "upgrade"))
                *upgrade = true;
            else if (named++ < OPTIONS_MAX)
                name_field(head, option);
            else
                return h1_reader_refuse(reader, 400, "too many Connection options");
        }
    }
    head->keep_alive = !close && (head->minor > 0 || keep_alive);
    return H1_DONE;
}
