/* SPDX-License-Identifier: MIT
 *
 * Walks over the lines of a head. Nothing is remembered between two calls but how far the bytes were looked
 * at: a head mostly comes whole and is read in one go; one that comes in pieces is read again from its
 * start when a line has been completed, and only looked through for bytes that may stand nowhere while none
 * has.
 *
 * A last line without its end is judged by that rule alone, so that what is refused does not depend on how
 * the bytes were cut, with one exception that does not either: the first 64 bytes of a request are a
 * method's or they are garbage. Pure, any thread. */
#include "http/h1_read.h"

#include "http/fields.h"
#include "http/octets.h"

/* Below this the whole is read again at every call: covers the exception above. */
#define SEEN_MIN 80

enum h1_verdict h1_reader_refuse(struct h1_reader *reader, unsigned status, const char *why)
{
    reader->error->status = reader->response ? 502 : status;
    reader->error->why = why;
    return H1_BAD;
}

enum h1_verdict h1_reader_line_end(struct h1_reader *reader, size_t from, size_t *end)
{
    const char *text = reader->scan.text;
    size_t at = h1_scan_control(&reader->scan, from);

    *end = at;
    if (__builtin_expect(at + 1 < reader->scan.size && text[at] == '\r' && text[at + 1] == '\n', 1))
        return H1_DONE;
    if (at == reader->scan.size || (at + 1 == reader->scan.size && text[at] == '\r'))
        return H1_MORE;
    return h1_reader_refuse(reader, 400,
                            text[at] == '\r'   ? "a CR without LF"
                            : text[at] == '\n' ? "an LF without CR"
                                               : "a control byte in the head");
}

/* `colon` is the first byte that is none of a name's. Responses: white space before the colon is removed (RFC
 * 9112 section 5.1). */
static enum h1_verdict find_colon(struct h1_reader *reader, size_t *colon, size_t name_end)
{
    const char *text = reader->scan.text;

    *colon = name_end;
    if (name_end == reader->at)
        return h1_reader_refuse(reader, 400,
                                text[name_end] == ' ' || text[name_end] == '\t' ? "a folded field line"
                                                                                : "a field without a name");
    if (reader->response)
        while (text[*colon] == ' ' || text[*colon] == '\t')
            (*colon)++;
    if (text[*colon] == ':')
        return H1_DONE;
    return h1_reader_refuse(reader, 400,
                            text[*colon] == ' ' || text[*colon] == '\t'
                                ? "white space in or after a field name"
                                : "a field line without a valid name");
}

static enum h1_verdict add_field(struct h1_reader *reader, struct slice name, struct slice value)
{
    struct head *head = reader->head;
    struct field *field = &head->fields[head->field_count];

    field->name = name;
    field->value = value;
    field->known = field_name_of(name);
    field->named_by_connection = false;
    uint64_t bit = (uint64_t)1 << field->known;
    static const uint64_t single = (uint64_t)1 << FIELD_HOST | (uint64_t)1 << FIELD_CONTENT_LENGTH |
                                   (uint64_t)1 << FIELD_TRANSFER_ENCODING;
    _Static_assert(FIELD_NAMES <= 64, "a bit for each name");
    if (__builtin_expect((reader->present & bit & single) != 0, 0))
        return h1_reader_refuse(reader, 400,
                                field->known == FIELD_HOST             ? "two Host fields"
                                : field->known == FIELD_CONTENT_LENGTH ? "two Content-Length fields"
                                                                       : "two Transfer-Encoding fields");
    reader->present |= bit;
    head->field_count++;
    return H1_DONE;
}

/* The end of the field name at reader->at. */
static size_t name_end(struct h1_reader *reader, bool *underscore)
{
    size_t end = h1_scan_other(&reader->scan, reader->at);

    *underscore = false;
    while (__builtin_expect(end < reader->scan.size && reader->scan.text[end] == '_', 0)) {
        *underscore = true;
        end = h1_scan_other(&reader->scan, end + 1);
    }
    return end;
}

enum h1_verdict h1_reader_fields(struct h1_reader *reader)
{
    const char *text = reader->scan.text;
    const bool drop = !reader->response && !reader->limits->keep_underscores;
    const unsigned most = reader->limits->fields < HEAD_FIELDS_MAX ? reader->limits->fields : HEAD_FIELDS_MAX;

    for (;;) {
        bool underscore;
        size_t end, colon;
        const size_t start = reader->at, stop = name_end(reader, &underscore);
        enum h1_verdict verdict = h1_reader_line_end(reader, stop, &end);
        if (verdict != H1_DONE)
            return verdict;
        if (end == start) {
            reader->at = end + 2;
            return H1_DONE;
        }
        if (text[stop] == ':' && stop > start)
            colon = stop;
        else if (find_colon(reader, &colon, stop) != H1_DONE)
            return H1_BAD;
        if (reader->lines++ == most)
            return h1_reader_refuse(reader, 431, "too many fields");
        size_t begin = colon + 1, last = end;
        while (begin < last && (text[begin] == ' ' || text[begin] == '\t'))
            begin++;
        while (last > begin && (text[last - 1] == ' ' || text[last - 1] == '\t'))
            last--;
        if (!(underscore && drop) && add_field(reader, (struct slice){text + start, stop - start},
                                               (struct slice){text + begin, last - begin}) != H1_DONE)
            return H1_BAD;
        reader->at = end + 2;
    }
}

/* Does anything that came since the last call need a look at the whole? Moves *seen on when not. */
static bool is_still_inside_a_line(struct slice bytes, size_t *seen, const struct h1_limits *limits)
{
    if (*seen < SEEN_MIN || *seen > bytes.size || bytes.size > limits->head_bytes)
        return false;
    size_t at = *seen;
    while (at < bytes.size && !(octets[(uint8_t)bytes.at[at]] & OCTET_CONTROL))
        at++;
    if (at < bytes.size && !(at + 1 == bytes.size && bytes.at[at] == '\r'))
        return false;
    *seen = at;
    return true;
}

static void reader_init(struct h1_reader *reader, struct head *head, struct slice bytes,
                        const struct h1_limits *limits, struct h1_error *error)
{
    /* What lies behind the limit is not looked at: the answer must not depend on how much came at once. */
    if (bytes.size > limits->head_bytes)
        bytes.size = limits->head_bytes;
    h1_scan_init(&reader->scan, bytes);
    reader->head = head;
    reader->limits = limits;
    reader->error = error;
    reader->at = 0;
    reader->lines = 0;
    reader->present = 0;
    reader->authority = (struct slice){NULL, 0};
    head->field_count = 0;
    head->is_h2 = head->is_extended_connect = false;
}

/* What H1_MORE, H1_DONE and H1_BAD of the lines mean for the head. */
static enum h1_verdict reader_finish(struct h1_reader *reader, enum h1_verdict verdict, struct slice bytes,
                                     size_t *seen)
{
    if (verdict == H1_DONE) {
        reader->head->size = reader->at;
        *seen = 0;
    }
    if (verdict != H1_MORE)
        return verdict;
    if (bytes.size > reader->limits->head_bytes) {
        bool line_alone = reader->lines == 0 && reader->at <= 2;
        return h1_reader_refuse(reader, line_alone ? 414 : 431,
                                line_alone ? "the first line is too long" : "the head is too large");
    }
    *seen = bytes.size;
    if (*seen > 0 && bytes.at[*seen - 1] == '\r')
        (*seen)--;
    return H1_MORE;
}

enum h1_verdict h1_read_request(struct head *head, struct slice bytes, size_t *seen,
                                const struct h1_limits *limits, struct h1_error *error)
{
    struct h1_reader reader;

    if (is_still_inside_a_line(bytes, seen, limits))
        return H1_MORE;
    reader.response = false;
    reader_init(&reader, head, bytes, limits, error);
    enum h1_verdict verdict = h1_request_line(&reader);
    if (verdict == H1_DONE)
        verdict = h1_reader_fields(&reader);
    if (verdict == H1_DONE)
        verdict = h1_request_finish(&reader);
    return reader_finish(&reader, verdict, bytes, seen);
}

enum h1_verdict h1_read_response(struct head *head, struct slice bytes, size_t *seen,
                                 const struct h1_limits *limits, enum method method, struct h1_error *error)
{
    struct h1_reader reader;

    if (is_still_inside_a_line(bytes, seen, limits))
        return H1_MORE;
    reader.response = true;
    reader_init(&reader, head, bytes, limits, error);
    enum h1_verdict verdict = h1_status_line(&reader);
    if (verdict == H1_DONE)
        verdict = h1_reader_fields(&reader);
    if (verdict == H1_DONE)
        verdict = h1_response_finish(&reader, method);
    return reader_finish(&reader, verdict, bytes, seen);
}
