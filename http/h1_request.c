/* SPDX-License-Identifier: MIT
 *
 * What makes a request's head good beyond its lines: the request line, Host, Expect, Upgrade. Pure, any
 * thread. */
#include "http/fields.h"
#include "http/h1_read.h"
#include "http/octets.h"
#include "http/target.h"

#define METHOD_EARLY                                                                                         \
    64 /* a method that is no token within so many bytes is refused before its line is whole */

/* scheme "://" authority path-abempty [ "?" query ], for the two schemes that can lead here. */
static enum h1_verdict absolute_form(struct h1_reader *reader)
{
    struct head *head = reader->head;
    struct slice rest = head->target;
    size_t scheme = 0;

    if (rest.size > 7 && TOKEN_IS(((struct slice){rest.at, 7}), "http://"))
        scheme = 7, reader->default_port = 80;
    else if (rest.size > 8 && TOKEN_IS(((struct slice){rest.at, 8}), "https://"))
        scheme = 8, reader->default_port = 443;
    else
        return h1_reader_refuse(reader, 400, "a target that is neither a path nor an http URI");
    rest = (struct slice){rest.at + scheme, rest.size - scheme};
    size_t size = 0;
    while (size < rest.size && rest.at[size] != '/' && rest.at[size] != '?')
        size++;
    reader->authority = (struct slice){rest.at, size};
    if (size == 0 || !authority_is_valid(reader->authority))
        return h1_reader_refuse(reader, 400, "an absolute target without a valid authority");
    if (size == rest.size) {
        head->path_query =
            head->method == METHOD_OPTIONS ? SLICE("*") : SLICE("/"); /* RFC 9112 section 3.2.4 */
        return H1_DONE;
    }
    /* "http://host?query" is legal and nobody sends it; its origin-form is not among the bytes we were given.
     *  */
    if (rest.at[size] == '?')
        return h1_reader_refuse(reader, 400, "an absolute target with a query and no path");
    head->path_query = (struct slice){rest.at + size, rest.size - size};
    return H1_DONE;
}

static enum h1_verdict read_target(struct h1_reader *reader)
{
    struct head *head = reader->head;

    if (!target_bytes_are_valid(head->target))
        return h1_reader_refuse(reader, 400, "a byte in the target that may not be there");
    head->path_query = head->target;
    if (head->target.at[0] == '/')
        return H1_DONE;
    if (head->target.at[0] != '*')
        return absolute_form(reader);
    if (head->target.size == 1 && head->method == METHOD_OPTIONS)
        return H1_DONE;
    return h1_reader_refuse(reader, 400, "an asterisk as the target");
}

static enum h1_verdict read_version(struct h1_reader *reader, const char *version)
{
    if (memcmp(version, "HTTP/1.1", 8) == 0) {
        reader->head->minor = 1;
        return H1_DONE;
    }
    if (memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' || version[5] > '9' || version[6] != '.' ||
        version[7] < '0' || version[7] > '9')
        return h1_reader_refuse(reader, 400, "a request line without a version");
    if (version[5] != '1')
        return h1_reader_refuse(reader, 505, "an HTTP version that is not 1.x");
    reader->head->minor = (unsigned)(version[7] - '0');
    return H1_DONE;
}

/* Finds the method; the line's rest may not be there yet. */
static enum h1_verdict read_method(struct h1_reader *reader, size_t *stop, size_t *end)
{
    const char *text = reader->scan.text;
    size_t start = reader->at;

    *stop = h1_scan_other(&reader->scan, start);
    while (*stop < reader->scan.size && text[*stop] == '_')
        *stop = h1_scan_other(&reader->scan, *stop + 1);
    bool is_method = *stop < reader->scan.size && text[*stop] == ' ' && *stop > start;
    if (!is_method && *stop < reader->scan.size && *stop < start + METHOD_EARLY)
        return h1_reader_refuse(reader, 400, "no method at the front");
    enum h1_verdict verdict = h1_reader_line_end(reader, *stop, end);
    if (verdict == H1_DONE && !is_method)
        return h1_reader_refuse(reader, 400, "no method at the front");
    return verdict;
}

enum h1_verdict h1_request_line(struct h1_reader *reader)
{
    const char *text = reader->scan.text;
    struct head *head = reader->head;
    size_t stop, end;

    /* One empty line is ignored (RFC 9112 section 2.2): what an old client sends after a POST. */
    if (reader->scan.size > 0 && text[0] == '\r') {
        if (reader->scan.size == 1)
            return H1_MORE;
        if (text[1] != '\n')
            return h1_reader_refuse(reader, 400, "a CR without LF");
        reader->at = 2;
    }
    const size_t start = reader->at;
    enum h1_verdict verdict = read_method(reader, &stop, &end);
    if (verdict != H1_DONE)
        return verdict;
    head->method_text = (struct slice){text + start, stop - start};
    head->method = method_of(head->method_text);
    /* "x HTTP/1.1" is the least that may follow the method's space. */
    if (end - stop < 11 || text[end - 9] != ' ')
        return h1_reader_refuse(reader, 400, "a request line that is not three words");
    if (read_version(reader, text + end - 8) != H1_DONE)
        return H1_BAD;
    if (head->method == METHOD_CONNECT || head->method == METHOD_TRACE)
        return h1_reader_refuse(reader, 405, "a method that is not served");
    head->target = (struct slice){text + stop + 1, end - 9 - stop - 1};
    if (read_target(reader) != H1_DONE)
        return H1_BAD;
    reader->at = end + 2;
    return H1_DONE;
}

static enum h1_verdict check_host(struct h1_reader *reader)
{
    struct head *head = reader->head;

    head->has_host = h1_reader_has(reader, FIELD_HOST);
    head->host = head->has_host ? head_find(head, FIELD_HOST)->value : (struct slice){"", 0};
    if (!head->has_host && head->minor > 0)
        return h1_reader_refuse(reader, 400, "no Host field");
    if (!authority_is_valid(head->host))
        return h1_reader_refuse(reader, 400, "a Host that is no authority");
    if (reader->authority.size == 0)
        return H1_DONE;
    if (head->has_host && !authority_is_same(reader->authority, head->host, reader->default_port))
        return h1_reader_refuse(reader, 400, "a target whose authority is not Host's");
    if (!head->has_host)
        head->host = reader->authority;
    head->has_host = true;
    return H1_DONE;
}

/* Any expectation but 100-continue is answered 417 (RFC 9110 section 10.1.1): passed on, it could make a
 * worker and us differ about when the body begins. */
static enum h1_verdict check_expect(struct h1_reader *reader)
{
    struct head *head = reader->head;

    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].known == FIELD_EXPECT && !TOKEN_IS(head->fields[i].value, "100-continue"))
            return h1_reader_refuse(reader, 417, "an unknown expectation");
    bool has_body = head->framing == FRAMING_CHUNKED || head->content_length > 0;
    head->expects_continue = head->minor > 0 && has_body;
    return H1_DONE;
}

static bool any_field_lists(const struct head *head, enum field_name name, struct slice token)
{
    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].known == name && field_list_has(head->fields[i].value, token))
            return true;
    return false;
}

enum h1_verdict h1_request_finish(struct h1_reader *reader)
{
    struct head *head = reader->head;
    bool upgrade;

    head->status = 0;
    head->reason = (struct slice){"", 0};
    head->expects_continue = head->upgrades_to_websocket = head->has_trailer_te = false;
    if (check_host(reader) != H1_DONE || h1_framing(reader) != H1_DONE ||
        h1_connection(reader, &upgrade) != H1_DONE)
        return H1_BAD;
    if (h1_reader_has(reader, FIELD_EXPECT) && check_expect(reader) != H1_DONE)
        return H1_BAD;
    if (upgrade && head->minor > 0 && h1_reader_has(reader, FIELD_UPGRADE))
        head->upgrades_to_websocket = any_field_lists(head, FIELD_UPGRADE, SLICE("websocket"));
    if (h1_reader_has(reader, FIELD_TE))
        head->has_trailer_te = any_field_lists(head, FIELD_TE, SLICE("trailers"));
    return H1_DONE;
}
