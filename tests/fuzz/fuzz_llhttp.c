/* SPDX-License-Identifier: MIT
 *
 * One message, two readers: what h1_read and h1_body accept, llhttp (node's parser, built in its strict mode) accepts
 * too, and both see the same first line, fields, payload, trailers and end. Where the two differ and ours may, it
 * says so below (`is_known`, `respell`). Input as for the other readers: a request, or 'G' or 'H' and a response to
 * such a request; the rest of the input is what follows on the connection. */
#include <llhttp/llhttp.h>

#include "http/fields.h"
#include "http/h1.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MOST 4096

/* What one reader saw, as text: NUL parts its pieces. */
struct view {
    char text[4 * INPUT_MOST];
    size_t size, value; /* where the value that is being read started */
    size_t used;
    bool is_whole, is_last_chunk, keeps_alive, skips_body;
};

static void put(struct view *view, struct slice piece)
{
    CHECK(view->size + piece.size + 1 < sizeof(view->text));
    memcpy(view->text + view->size, piece.at, piece.size);
    view->size += piece.size;
}

static void end_piece(struct view *view)
{
    view->text[view->size++] = '\0';
}

static void put_piece(struct view *view, struct slice piece)
{
    put(view, piece);
    end_piece(view);
}

static void put_digit(struct view *view, unsigned number)
{
    view->text[view->size++] = (char)('0' + number);
    end_piece(view);
}

/* --- ours --- */

static bool read_body(struct view *view, struct h1_body *body, struct slice rest)
{
    struct slice data, trailers, name, value;
    enum body_event event;
    const char *start = rest.at;

    while ((event = h1_body_next(body, &rest, &data)) == BODY_DATA)
        put(view, data);
    view->used += (size_t)(rest.at - start);
    if (event == BODY_MORE)
        event = h1_body_finish(body);
    if (event != BODY_END)
        return false;
    end_piece(view);
    for (trailers = h1_body_trailers(body); trailers.size > 0;) {
        const char *end = memchr(trailers.at, '\n', trailers.size);
        size_t size = (size_t)(end - trailers.at) + 1;
        CHECK(field_line_split((struct slice){trailers.at, size - 2}, &name, &value));
        put_piece(view, name);
        put_piece(view, value);
        trailers = (struct slice){end + 1, trailers.size - size};
    }
    return true;
}

/* llhttp knows methods by list: any other token is told to it, and compared, as this one (`respell`). */
static struct slice method_as_told(const struct head *head)
{
    return head->method == METHOD_OTHER ? SLICE("PUT") : head->method_text;
}

static void read_ours(struct view *view, const struct head *head, struct h1_body *body, struct slice bytes)
{
    view->size = 0;
    put_piece(view, head->status ? head->reason : method_as_told(head));
    if (head->status == 0)
        put_piece(view, head->target);
    put_digit(view, head->minor > 0);
    for (unsigned i = 0; i < head->field_count; i++) {
        put_piece(view, head->fields[i].name);
        put_piece(view, head->fields[i].value);
    }
    end_piece(view);
    h1_body_init(body, head->framing, head->content_length);
    view->used = head->size;
    view->keeps_alive = head->keep_alive;
    view->is_whole = read_body(view, body, (struct slice){bytes.at + head->size, bytes.size - head->size});
}

/* --- llhttp's --- */

static int on_piece(llhttp_t *parser, const char *at, size_t size)
{
    put(parser->data, (struct slice){at, size});
    return 0;
}

static int on_piece_end(llhttp_t *parser)
{
    struct view *view = parser->data;

    end_piece(view);
    view->value = view->size;
    return 0;
}

/* llhttp leaves the white space behind a value to its caller. */
static int on_value_end(llhttp_t *parser)
{
    struct view *view = parser->data;

    while (view->size > view->value &&
           (view->text[view->size - 1] == ' ' || view->text[view->size - 1] == '\t'))
        view->size--;
    return on_piece_end(parser);
}

static int on_version_end(llhttp_t *parser)
{
    if (parser->type == HTTP_REQUEST)
        put_digit(parser->data, parser->http_minor);
    return 0;
}

/* The order of a response's view is a request's: the reason comes first. */
static int on_status_end(llhttp_t *parser)
{
    end_piece(parser->data);
    put_digit(parser->data, parser->http_minor);
    return 0;
}

static int on_head_end(llhttp_t *parser)
{
    struct view *view = parser->data;

    end_piece(view);
    parser->flags |= view->skips_body ? F_SKIPBODY : 0;
    view->keeps_alive = llhttp_should_keep_alive(parser); /* now: it lets trailers change its mind */
    return view->skips_body ? 1 : 0;
}

static int on_chunk(llhttp_t *parser)
{
    struct view *view = parser->data;

    if (parser->content_length == 0) {
        end_piece(view);
        view->is_last_chunk = true;
    }
    return 0;
}

static int on_end(llhttp_t *parser)
{
    struct view *view = parser->data;

    if (!view->is_last_chunk)
        end_piece(view);
    view->is_whole = true;
    return HPE_PAUSED;
}

static llhttp_errno_t read_theirs(struct view *view, llhttp_t *parser, struct slice bytes, bool is_response)
{
    static llhttp_settings_t settings = {
        .on_method = on_piece,
        .on_method_complete = on_piece_end,
        .on_url = on_piece,
        .on_url_complete = on_piece_end,
        .on_version_complete = on_version_end,
        .on_status = on_piece,
        .on_status_complete = on_status_end,
        .on_header_field = on_piece,
        .on_header_field_complete = on_piece_end,
        .on_header_value = on_piece,
        .on_header_value_complete = on_value_end,
        .on_headers_complete = on_head_end,
        .on_chunk_header = on_chunk,
        .on_body = on_piece,
        .on_message_complete = on_end,
    };
    llhttp_errno_t error;

    view->size = view->value = 0;
    view->is_whole = view->is_last_chunk = false;
    llhttp_init(parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    parser->data = view;
    error = llhttp_execute(parser, bytes.at, bytes.size);
    view->used = error == HPE_OK ? bytes.size : (size_t)(llhttp_get_error_pos(parser) - bytes.at);
    if (error == HPE_OK && !view->is_whole)
        error = llhttp_finish(parser);
    return view->is_whole ? HPE_OK : error;
}

/* --- where they may differ --- */

/* The white space behind a value is spaces and tabs (RFC 9110 section 5.6.3): llhttp wants spaces. */
static void space_for_tabs(const struct head *head, enum field_name name, const char *end, char *copy_end)
{
    const struct field *field = head_find(head, name);

    if (!field)
        return;
    for (char *at = copy_end - (end - (field->value.at + field->value.size)); *at != '\r'; at++)
        *at = ' ';
}

/* What llhttp knows by list and we by grammar is spelled as it knows it: any token is a method (RFC 9110 section 9.1),
 * and a minor version above 1 is read as 1 (RFC 9110 section 2.5). An empty reason has its space. */
static struct slice respell(char *into, struct slice bytes, const struct head *head)
{
    size_t first = head->status || bytes.at[0] != '\r' ? 0 : 2;
    const char *line_end = memchr(bytes.at + first + 1, '\r', bytes.size - first - 1);
    char *at = into;
    const char *from = bytes.at;

    if (head->status) {
        at = h1_put(at, SLICE("HTTP/1."));
        *at++ = head->minor ? '1' : '0';
        at = h1_put(at, (struct slice){from + 8, 4});
        *at++ = ' ';
        at = h1_put(at, head->reason);
        from = line_end;
    } else if (head->method == METHOD_OTHER || head->minor > 1) {
        at = h1_put(at, method_as_told(head));
        *at++ = ' ';
        at = h1_put(at, head->target);
        at = h1_put(at, head->minor ? SLICE(" HTTP/1.1") : SLICE(" HTTP/1.0"));
        from = line_end;
    }
    at = h1_put(at, (struct slice){from, bytes.size - (size_t)(from - bytes.at)});
    struct slice again = {into, (size_t)(at - into)};
    space_for_tabs(head, FIELD_TRANSFER_ENCODING, bytes.at + bytes.size, into + again.size);
    space_for_tabs(head, FIELD_CONTENT_LENGTH, bytes.at + bytes.size, into + again.size);
    return again;
}

static bool trailers_frame(const struct h1_body *body)
{
    struct slice text = h1_body_trailers(body);
    static const char *const names[] = {"transfer-encoding", "content-length"};

    for (unsigned i = 0; i < 2; i++)
        for (size_t at = 0, size = strlen(names[i]); at + size <= text.size; at++)
            if (strncasecmp(text.at + at, names[i], size) == 0)
                return true;
    return false;
}

/* llhttp refuses, and so would a careful sender: but what we accept is legal, and its reading is not in doubt. */
static bool is_known(llhttp_errno_t error, const struct head *head, const struct h1_body *body)
{
    /* A response's white space before the colon: to be removed (RFC 9112 section 5.1). */
    for (unsigned i = 0; head->status && error == HPE_INVALID_HEADER_TOKEN && i < head->field_count; i++)
        if (*(head->fields[i].name.at + head->fields[i].name.size) != ':')
            return true;
    /* White space around an extension's ';' and '=' (RFC 9112 section 7.1.1), ';' after a value, a quoted pair.
     * Extensions are not passed on. */
    if (body->extension_bytes > 0 && (error == HPE_STRICT || error == HPE_INVALID_CHUNK_SIZE))
        return true;
    /* Framing fields among the trailers: checked as fields, never passed on (RFC 9110 section 6.5.1). */
    if (trailers_frame(body) &&
        (error == HPE_INVALID_TRANSFER_ENCODING || error == HPE_INVALID_CONTENT_LENGTH ||
         error == HPE_UNEXPECTED_CONTENT_LENGTH))
        return true;
    return false;
}

static void compare(const struct head *head, struct slice bytes)
{
    static struct view ours, theirs;
    static char respelled[INPUT_MOST + 16];
    struct h1_body body;
    llhttp_t parser;

    read_ours(&ours, head, &body, bytes);
    if (ours.is_whole) {
        theirs.skips_body = head->status && head->framing == FRAMING_NONE;
        struct slice again = respell(respelled, bytes, head);
        llhttp_errno_t error = read_theirs(&theirs, &parser, again, head->status != 0);
        if (error == HPE_OK) {
            CHECK(theirs.used + bytes.size == ours.used + again.size);
            CHECK(theirs.size == ours.size && memcmp(theirs.text, ours.text, ours.size) == 0);
            CHECK(!ours.keeps_alive || theirs.keeps_alive);
        } else {
            CHECK(is_known(error, head, &body));
        }
    }
    h1_body_fini(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    const struct h1_limits limits = {.head_bytes = INPUT_MOST, .fields = 100, .keep_underscores = true};
    struct slice bytes = {(const char *)data, size};
    struct h1_error error;
    size_t seen = 0;

    if (size < 8 || size > INPUT_MOST)
        return 0;
    if (memcmp(data + 1, "HTTP/", 5) == 0) {
        bytes = (struct slice){bytes.at + 1, size - 1};
        if (h1_read_response(&head, bytes, &seen, &limits, data[0] == 'H' ? METHOD_HEAD : METHOD_GET,
                             &error) == H1_DONE)
            compare(&head, bytes);
    } else if (h1_read_request(&head, bytes, &seen, &limits, &error) == H1_DONE) {
        compare(&head, bytes);
    }
    return 0;
}
