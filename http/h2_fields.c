/* SPDX-License-Identifier: MIT
 *
 * Field blocks of HTTP/2 turned into the heads that HTTP/1's readers make. nghttp2 has refused what RFC 9113 section 8 calls malformed (a
 * name in upper case, connection-specific fields, pseudo-fields that are missing, twice or late, white space around a value, CR, LF or NUL
 * in it); what HTTP itself asks of a request is checked here, by the functions that HTTP/1 is checked with. Pure, any thread. */
#include "http/fields.h"
#include "http/h2_connection.h"
#include "http/target.h"

#define LINE_EXTRA    4  /* ": " and CR LF */
#define REQUEST_EXTRA 15 /* two spaces, HTTP/1.1, CR LF, the empty line, and one more */
#define TRAILERS_MAX  H1_CHUNK_LINE_MAX

/* --- collecting --- */

void h2_block_begin(struct h2_block *block, bool is_trailer)
{
    buffer_release(&block->text);
    *block = (struct h2_block){.is_open = true, .is_trailer = is_trailer, .size = REQUEST_EXTRA};
}

static void add_trailer(struct h2_block *block, struct slice name, struct slice value)
{
    size_t size = name.size + value.size + LINE_EXTRA;

    if (buffer_size(&block->text) + size > TRAILERS_MAX) {
        block->is_too_large = true;
        return;
    }
    char *at = buffer_reserve(&block->text, size);
    buffer_commit(&block->text, (size_t)(h1_put_field(at, name, value) - at));
}

void h2_block_add(struct h2_block *block, const struct h1_limits *limits, struct slice name,
                  struct slice value)
{
    struct h2_line line = {(uint32_t)name.size, (uint32_t)value.size};
    bool is_pseudo = name.size > 0 && name.at[0] == ':';

    block->size += name.size + value.size + LINE_EXTRA;
    block->lines += !is_pseudo;
    if (block->is_too_large)
        return;
    if (block->is_trailer) {
        add_trailer(block, name, value);
        return;
    }
    if (block->size > limits->head_bytes || block->lines > limits->fields) {
        block->is_too_large = true;
        return;
    }
    if (TOKEN_IS(name, "cookie")) {
        block->cookies++;
        block->cookie_size += value.size + 2;
    }
    char *at = buffer_reserve(&block->text, sizeof line + name.size + value.size);
    memcpy(at, &line, sizeof line);
    memcpy(at + sizeof line, name.at, name.size);
    memcpy(at + sizeof line + name.size, value.at, value.size);
    buffer_commit(&block->text, sizeof line + name.size + value.size);
}

void h2_block_end(struct h2_block *block)
{
    buffer_release(&block->text);
    block->is_open = false;
}

/* --- reading --- */

static enum h1_verdict refuse(struct h1_error *error, unsigned status, const char *why)
{
    *error = (struct h1_error){status, why};
    return H1_BAD;
}

/* The next line; false at the end. */
static bool next_line(struct slice *rest, struct slice *name, struct slice *value)
{
    struct h2_line line;

    if (rest->size < sizeof line)
        return false;
    memcpy(&line, rest->at, sizeof line);
    *name = (struct slice){rest->at + sizeof line, line.name_size};
    *value = (struct slice){name->at + name->size, line.value_size};
    size_t size = sizeof line + line.name_size + line.value_size;
    *rest = (struct slice){rest->at + size, rest->size - size};
    return true;
}

struct pseudo {
    struct slice method, scheme, authority, path, protocol, status;
    bool has_authority;
};

static void take_pseudo(struct pseudo *pseudo, struct slice name, struct slice value)
{
    if (slice_equal(name, SLICE(":method")))
        pseudo->method = value;
    else if (slice_equal(name, SLICE(":path")))
        pseudo->path = value;
    else if (slice_equal(name, SLICE(":scheme")))
        pseudo->scheme = value;
    else if (slice_equal(name, SLICE(":authority")))
        pseudo->authority = value, pseudo->has_authority = true;
    else if (slice_equal(name, SLICE(":protocol")))
        pseudo->protocol = value;
    else if (slice_equal(name, SLICE(":status")))
        pseudo->status = value;
}

static void add_field(struct head *head, struct slice name, struct slice value, enum field_name known)
{
    head->fields[head->field_count++] = (struct field){.name = name, .value = value, .known = known};
}

/* Cookies that came in crumbs are one field again (RFC 9113 section 8.2.3). `into` has the room for it. */
static char *join_cookie(char *into, struct slice value, const char *start)
{
    if (into != start)
        into = h1_put(into, SLICE("; "));
    return h1_put(into, value);
}

/* The lines into the head and *pseudo; *present has a bit for every name that was there. */
static enum h1_verdict take_lines(struct head *head, struct h2_block *block, bool drop_underscores,
                                  struct pseudo *pseudo, uint64_t *present, struct h1_error *error)
{
    size_t lines_size = buffer_size(&block->text);
    char *cookie = buffer_reserve(&block->text, block->cookie_size + 1), *cookie_end = cookie;
    struct slice rest = {buffer_bytes(&block->text), lines_size}, name, value;
    unsigned cookie_at = HEAD_FIELDS_MAX;

    *present = 0;
    head->field_count = 0;
    while (next_line(&rest, &name, &value)) {
        if (name.at[0] == ':') {
            take_pseudo(pseudo, name, value);
            continue;
        }
        enum field_name known = field_name_of(name);
        uint64_t bit = (uint64_t)1 << known;
        if ((*present & bit) && (known == FIELD_HOST || known == FIELD_CONTENT_LENGTH))
            return refuse(error, 400, known == FIELD_HOST ? "two Host fields" : "two Content-Length fields");
        *present |= bit;
        if (known == FIELD_COOKIE && block->cookies > 1) {
            if (cookie_at == HEAD_FIELDS_MAX) {
                cookie_at = head->field_count;
                add_field(head, name, value, known);
            }
            cookie_end = join_cookie(cookie_end, value, cookie);
            head->fields[cookie_at].value = (struct slice){cookie, (size_t)(cookie_end - cookie)};
        } else if (!(drop_underscores && memchr(name.at, '_', name.size))) {
            add_field(head, name, value, known);
        }
    }
    return H1_DONE;
}

static bool has(uint64_t present, enum field_name name)
{
    return (present >> name & 1) != 0;
}

static enum h1_verdict take_length(struct head *head, uint64_t present, struct h1_error *error)
{
    head->content_length = 0;
    head->framing = FRAMING_NONE;
    head->has_content_length = has(present, FIELD_CONTENT_LENGTH);
    if (!head->has_content_length)
        return H1_DONE;
    if (!slice_to_u64(head_find(head, FIELD_CONTENT_LENGTH)->value, &head->content_length) ||
        head->content_length > INT64_MAX)
        return refuse(error, 0, "a Content-Length that is no number below 2^63");
    head->framing = FRAMING_LENGTH;
    return H1_DONE;
}

static enum h1_verdict take_method(struct head *head, const struct pseudo *pseudo, struct h1_error *error)
{
    head->method_text = pseudo->method;
    head->method = method_of(pseudo->method);
    head->is_extended_connect = false;
    if (!slice_is_token(pseudo->method))
        return refuse(error, 0, "a method that is no token");
    if (pseudo->protocol.size == 0)
        return head->method == METHOD_CONNECT || head->method == METHOD_TRACE
                   ? refuse(error, 405, "a method that is not served")
                   : H1_DONE;
    if (!slice_equal_nocase(pseudo->protocol, SLICE("websocket")))
        return refuse(error, 501, "a protocol that is not served"); /* RFC 9220 section 3 */
    head->is_extended_connect = true;
    head->method = METHOD_GET;
    head->method_text = SLICE("GET");
    return H1_DONE;
}

/* RFC 9113 section 8.3.1. */
static enum h1_verdict take_target(struct head *head, const struct pseudo *pseudo, struct h1_error *error)
{
    bool is_https = slice_equal_nocase(pseudo->scheme, SLICE("https"));

    if (!is_https && !slice_equal_nocase(pseudo->scheme, SLICE("http")))
        return refuse(error, 400, "a scheme that is not served");
    if (!target_bytes_are_valid(pseudo->path))
        return refuse(error, 400, "a byte in the target that may not be there");
    if (pseudo->path.at[0] != '/' &&
        !(slice_equal(pseudo->path, SLICE("*")) && head->method == METHOD_OPTIONS))
        return refuse(error, 400, "a target that is no path");
    head->target = head->path_query = pseudo->path;
    if (pseudo->has_authority && (pseudo->authority.size == 0 || !authority_is_valid(pseudo->authority)))
        return refuse(error, 400, "an :authority that is none");
    const struct field *host = head_find(head, FIELD_HOST);
    if (!host && !pseudo->has_authority)
        return refuse(error, 400, "neither :authority nor Host");
    if (host && !authority_is_valid(host->value))
        return refuse(error, 400, "a Host that is no authority");
    if (host && pseudo->has_authority &&
        !authority_is_same(pseudo->authority, host->value, is_https ? 443 : 80))
        return refuse(error, 400, "an :authority that is not Host's");
    head->host = pseudo->has_authority ? pseudo->authority : host->value;
    head->has_host = true;
    return H1_DONE;
}

/* A request that ends with its head has no body; one of a method that gives a meaning to a body says so, as HTTP/1 clients do (RFC 9110
 * section 8.6). */
static void frame_request(struct head *head, bool ends)
{
    bool means_body =
        head->method == METHOD_POST || head->method == METHOD_PUT || head->method == METHOD_PATCH;

    if (head->framing == FRAMING_NONE && !ends && !head->is_extended_connect)
        head->framing = FRAMING_CHUNKED;
    else if (head->framing == FRAMING_NONE && means_body)
        head->framing = FRAMING_LENGTH;
}

static enum h1_verdict take_expectation(struct head *head, uint64_t present, struct h1_error *error)
{
    head->expects_continue = false;
    if (!has(present, FIELD_EXPECT))
        return H1_DONE;
    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].known == FIELD_EXPECT && !TOKEN_IS(head->fields[i].value, "100-continue"))
            return refuse(error, 417, "an unknown expectation");
    head->expects_continue = head->framing == FRAMING_CHUNKED || head->content_length > 0;
    return H1_DONE;
}

static void begin_head(struct head *head, const struct h2_block *block)
{
    head->is_h2 = true;
    head->minor = 1;
    head->size = block->size;
    head->status = 0;
    head->reason = (struct slice){"", 0};
    head->keep_alive = true;
    head->has_host = head->expects_continue = head->is_extended_connect = false;
    head->upgrades_to_websocket = head->has_trailer_te = false;
}

enum h1_verdict h2_read_request(struct head *head, struct h2_block *block, const struct h1_limits *limits,
                                bool ends, struct h1_error *error)
{
    struct pseudo pseudo = {.method = {"", 0}};
    uint64_t present;

    begin_head(head, block);
    if (block->is_too_large)
        return refuse(error, block->lines == 0 ? 414 : 431,
                      block->lines == 0               ? "the target is too long"
                      : block->lines > limits->fields ? "too many fields"
                                                      : "the head is too large");
    if (take_lines(head, block, !limits->keep_underscores, &pseudo, &present, error) != H1_DONE ||
        take_method(head, &pseudo, error) != H1_DONE || take_target(head, &pseudo, error) != H1_DONE ||
        take_length(head, present, error) != H1_DONE)
        return H1_BAD;
    frame_request(head, ends);
    head->upgrades_to_websocket = head->is_extended_connect;
    head->has_trailer_te = has(present, FIELD_TE); /* nothing but "trailers" has come through */
    return take_expectation(head, present, error);
}

enum h1_verdict h2_read_response(struct head *head, struct h2_block *block, enum method method, bool ends,
                                 struct h1_error *error)
{
    struct pseudo pseudo = {.method = {"", 0}};
    uint64_t present, status;

    begin_head(head, block);
    if (block->is_too_large)
        return refuse(error, 502, "the head is too large");
    if (take_lines(head, block, false, &pseudo, &present, error) != H1_DONE)
        return H1_BAD;
    if (pseudo.status.size != 3 || !slice_to_u64(pseudo.status, &status) || status < 100)
        return refuse(error, 502, "a status that is not three digits from 100");
    if (status == 101)
        return refuse(error, 502, "a 101 in HTTP/2");
    if (take_length(head, present, error) != H1_DONE)
        return H1_BAD;
    head->status = (unsigned)status;
    head->reason = status_reason(head->status);
    head->method = method;
    const bool bare = status < 200 || status == 204;
    if (bare)
        head->has_content_length = false, head->content_length = 0;
    if (bare || method == METHOD_HEAD || status == 304)
        head->framing = FRAMING_NONE;
    else if (head->framing == FRAMING_NONE &&
             !ends) /* one that ends with its head stays one: gRPC's "trailers-only" */
        head->framing = FRAMING_UNTIL_CLOSE;
    if (head->framing == FRAMING_LENGTH)
        head->has_content_length = true;
    return H1_DONE;
}
